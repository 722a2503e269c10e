//! The program's memory stays out of core dumps and away from debuggers, and its children have the limits of before.

#![cfg(target_os = "linux")]

use keyferry_tests::Scene;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[test]
fn no_core_is_dumped_and_a_child_has_the_limit_of_before() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.jsonl", r#"{"vault":"V","name":"n","password":"planted"}"#);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let mut server = scene
        .command(&["--json", "serve", "a", "--listen", "127.0.0.1:0", "--log", "off"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
    // What belongs to root in a process that is not root's cannot be dumped; of root's own the limit tells.
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    for masked in [&[][..], &["--mask"]] {
        let exec =
            [&["exec", "--env", "A=V/n", "--from", "embedded:a"], masked, &["--", "sh", "-c", "ulimit -c"]]
                .concat();
        let keyferry = scene.command(&exec);
        let words: Vec<String> = std::iter::once(keyferry.get_program())
            .chain(keyferry.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("ulimit -S -c 77; {}", words.join(" "))])
            .current_dir(scene.path(""))
            .env_clear();
        shell
            .envs(keyferry.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", "/usr/bin:/bin");
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "77", "{masked:?} {said}");
    }
}
