//! `docs/secrets.md` shows what happens.

use keyferry_tests::{MASTER_PASSWORD, Scene};
use std::process::Command;

const PAGE: &str = include_str!("../../../../docs/secrets.md");

const RECORDS: &str = concat!(
    r#"{"vault":"Infra","path":["db"],"name":"mysql","login":"root","password":"s3cr3t/9","customs":["#,
    r#"{"name":"host","type":"text","value":"db.example"},{"name":"PIN","type":"password","value":"471147"}],"tags":["prod"]}"#,
    "\n",
    r#"{"vault":"Infra","path":["app"],"name":"api-token","password":"tok-8c1f"}"#,
    "\n",
    r#"{"vault":"Infra","path":["app"],"name":"PATH","password":"/tmp/bin"}"#,
    "\n",
    r#"{"vault":"Infra","path":["app"],"name":"tls-key","password":"-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw\n-----END KEY-----\n"}"#,
    "\n",
);

/// Runs one line of a transcript; what it shows, and its exit code where that is not 0.
fn shown(scene: &Scene, line: &str) -> String {
    let keyferry = scene.command(&[]);
    let path = format!("{}:/usr/bin:/bin", scene.path("bin").display());
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("{{ {line}\n}} 2>&1")])
        .current_dir(scene.path(""))
        .env_clear()
        .env("PATH", path);
    for (name, value) in keyferry.get_envs() {
        bash.env(name, value.unwrap());
    }
    let own = [("KEYFERRY_PROD_MASTER_PASSWORD", MASTER_PASSWORD), ("LC_ALL", "C")];
    let output = bash.env_remove("KEYFERRY_MASTER_PASSWORD").envs(own).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    match output.status.code().unwrap() {
        0 => shown,
        code => format!("{shown}[exit {code}]\n"),
    }
}

/// The text without the part of a folder's name that is made up.
fn steady(text: &str) -> String {
    let mut parts = text.split("/keyferry-");
    let mut steady = parts.next().unwrap().to_owned();
    for part in parts {
        steady.push_str("/keyferry-…");
        steady.push_str(part.split_once('/').map_or(part, |(_, rest)| rest));
    }
    steady
}

#[test]
fn the_page_is_a_transcript() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("records.jsonl", RECORDS);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene.run(&["env", "add", "prod", "embedded:a"]).succeeds();
    std::fs::create_dir(scene.path("bin")).unwrap();
    std::os::unix::fs::symlink(scene.command(&[]).get_program(), scene.path("bin/keyferry")).unwrap();
    let mut run = 0;
    for block in PAGE.split("```console\n$ ").skip(1) {
        let block = block.split("```").next().unwrap();
        for step in block.split("\n$ ") {
            let (line, expected) = step.split_once('\n').unwrap();
            let expected = expected.trim_end();
            if let Some(name) = line.strip_prefix("cat ").filter(|name| !scene.path(name).exists()) {
                // A file that the page shows before it is used.
                std::fs::write(scene.path(name), format!("{expected}\n")).unwrap();
            }
            assert_eq!(steady(shown(&scene, line).trim_end()), steady(expected), "$ {line}");
            run += 1;
        }
    }
    assert!(run >= 13, "{run} commands were found");
}
