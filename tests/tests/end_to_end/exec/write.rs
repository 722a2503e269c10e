//! Variables written down instead of a program that runs.

use super::{KEY, MYSQL, PIN, exec, scene};
use std::os::unix::fs::PermissionsExt as _;

const VARIABLES: [&str; 6] = ["--record", "Infra/db/mysql", "--env", "KEY=Infra/app/key", "--prefix", "DB_"];

#[test]
fn what_is_written_as_variables_is_read_again_by_shells_and_by_exec() {
    let scene = scene();
    let words =
        [&VARIABLES[..], &["--output", "env", "--output-file", "out.env", "--allow-plaintext"]].concat();
    let run = scene.run(&exec(&words));
    assert_eq!(run.succeeds().hides("pl4nted").stdout(), "");
    assert_eq!(std::fs::metadata(scene.path("out.env")).unwrap().permissions().mode() & 0o777, 0o600);
    let by_shell = std::process::Command::new("sh")
        .args(["-c", ". ./out.env; printf '%s|%s|%s' \"$DB_mysql\" \"$DB_PIN\" \"$KEY\""])
        .current_dir(scene.path(""))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(by_shell.stdout).unwrap(), format!("{MYSQL}|{PIN}|{KEY}"));
    let show = [
        "--env",
        "X=Infra/db/mysql",
        "--env-file",
        "out.env",
        "--cmd",
        "printf '%s|%s|%s' \"$DB_mysql\" \"$DB_PIN\" \"$KEY\"",
    ];
    assert_eq!(scene.run(&exec(&show)).succeeds().stdout(), format!("{MYSQL}|{PIN}|{KEY}"));
}

#[test]
fn json_and_kubernetes_hold_the_same_values() {
    let scene = scene();
    let json = scene.run(&exec(&[&VARIABLES[..], &["--output", "json"]].concat())).succeeds().json();
    let expected =
        serde_json::json!({ "DB_PIN": PIN, "DB_host": "db.example", "DB_mysql": MYSQL, "KEY": KEY });
    assert_eq!(json, expected);
    let kubernetes = [&VARIABLES[..], &["--output", "kubernetes", "--secret-name", "app-db"]].concat();
    let manifest = scene.run(&exec(&kubernetes)).succeeds().hides("pl4nted").stdout();
    assert!(
        manifest.starts_with(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"app-db\"\ntype: Opaque\ndata:\n"
        ),
        "{manifest}"
    );
    assert!(manifest.contains("\n  \"DB_PIN\": \"cGw0bnRlZC1waW4tNDcxMQ==\"\n"), "{manifest}");
    let nameless = [&VARIABLES[..], &["--output", "kubernetes"]].concat();
    scene.run(&exec(&nameless)).exits(125).says("--secret-name");
    let badly = [&VARIABLES[..], &["--output", "kubernetes", "--secret-name", "App_db"]].concat();
    scene.run(&exec(&badly)).exits(2).says("App_db");
}

#[test]
fn a_file_in_the_clear_needs_consent_and_is_whole_or_not_there() {
    let scene = scene();
    let words = [&VARIABLES[..], &["--output", "env", "--output-file", "out.env"]].concat();
    scene.run(&exec(&words)).exits(125).says("--allow-plaintext");
    let missing =
        ["--env", "A=Infra/db/nobody", "--output", "env", "--output-file", "out.env", "--allow-plaintext"];
    scene.run(&exec(&missing)).exits(1).says("no record");
    assert!(!scene.path("out.env").exists());
    let dangerous = ["--record", "Odd/PATH", "--output", "json"];
    scene.run(&exec(&dangerous)).exits(1).says("would set PATH").hides("pl4nted");
    let with_program = ["--env", "A=Infra/db/mysql", "--output", "env", "--", "true"];
    scene.run(&exec(&with_program)).exits(125);
}
