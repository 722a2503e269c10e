//! A disk that fills up under an import: one clear message, and a second run completes it.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::Scene;
use keyferry_tests::records::{lifelike, write_jsonl};
use std::process::Command;

/// Runs a shell script that sees a small disk of its own at `disk`, in a mount namespace that ends
/// with it. `None` where this user may not make one.
fn with_small_disk(scene: &Scene, script: &str) -> Option<std::process::Output> {
    let may = Command::new("unshare").args(["--mount", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: this user may not make a mount namespace, so no disk can fill up");
        return None;
    }
    std::fs::create_dir(scene.path("disk")).unwrap();
    let whole = format!("mount -t tmpfs -o size=32m none disk && {script}");
    let keyferry = scene.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &whole]).current_dir(scene.path("")).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("KEYFERRY", keyferry.get_program());
    for (name, value) in keyferry.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    Some(command.output().unwrap())
}

#[test]
fn a_full_disk_is_named_and_a_second_run_completes_the_job() {
    let scene = Scene::new();
    write_jsonl(&lifelike(200, 7), &scene.path("people.jsonl"));
    // Ballast fills the disk; without it there is room for everything.
    let script = "
        $KEYFERRY env init embedded:disk/a --user admin || exit 90
        head -c 30500000 /dev/zero > disk/ballast || exit 91
        $KEYFERRY import people.jsonl embedded:disk/a; first=$?
        rm disk/ballast
        $KEYFERRY import people.jsonl embedded:disk/a || exit 92
        $KEYFERRY verify people.jsonl embedded:disk/a || exit 93
        exit $first";
    let Some(output) = with_small_disk(&scene, script) else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("full"), "{errors}");
}
