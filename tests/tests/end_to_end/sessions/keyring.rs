//! The system's keyring, for real: a Secret Service on a bus of its own.

use super::world::{Dev, command};
use keyferry_tests::Scene;
use std::process::Command;

/// Runs lines of shell beside an unlocked keyring; `None`, out loud, where there is none to try.
fn beside_a_keyring(scene: &Scene, dev: &Dev, lines: &str) -> Option<(Option<i32>, String)> {
    for program in ["dbus-run-session", "gnome-keyring-daemon"] {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("skipped: no {program} here");
            return None;
        }
    }
    // Borrowed for the binary's place and the scene's folder.
    let keyferry = command(scene, &[]).get_program().to_owned();
    std::fs::create_dir_all(scene.path("run")).unwrap();
    let script = format!(
        "set -e\nprintf unlocked | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1\n\
         for i in $(seq 100); do \"$KF\" --json doctor nowhere: | grep -q 'it answers' && break; sleep 0.1; done\n{lines}"
    );
    let done = Command::new("dbus-run-session")
        .args(["--", "sh", "-c", &script])
        .current_dir(scene.path(""))
        .env_clear()
        .env("HOME", scene.path(""))
        .env("XDG_RUNTIME_DIR", scene.path("run"))
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("KF", keyferry)
        .env("PASSWORD", dev.get("password"))
        .env("MASTER_PASSWORD", dev.get("master_password"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    Some((done.status.code(), told.into_owned()))
}

#[test]
fn a_session_in_the_keyring_is_used_renewed_and_forgotten() {
    let (scene, dev) = super::world::scene(&["--token-life", "1"]);
    let lines = r#"
KEYFERRY_PROD_PASSWORD="$PASSWORD" KEYFERRY_PROD_MASTER_PASSWORD="$MASTER_PASSWORD" "$KF" login prod: --user admin --keep-master-key
sleep 1.5
for i in 1 2 3 4; do "$KF" env test prod: & all="$all $!"; done
for one in $all; do wait "$one"; done
sleep 1.5
"$KF" env test prod:
test ! -e .local/state/keyferry/sessions/prod.session
"$KF" logout prod:
"$KF" ls prod: || test $? = 5
"#;
    let Some((code, told)) = beside_a_keyring(&scene, &dev, lines) else { return };
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("kept in the keyring") && told.contains("the keyring forgot the session"),
        "{told}"
    );
    assert_eq!(told.matches("prod: works").count(), 5, "{told}");
}

#[test]
fn a_session_files_key_is_kept_in_the_keyring() {
    let (scene, dev) = super::world::scene(&[]);
    let lines = r#"
KEYFERRY_PROD_PASSWORD="$PASSWORD" "$KF" login prod: --user admin --session-file s
KEYFERRY_PROD_SESSION_FILE=s "$KF" ls prod:
KEYFERRY_KEYRING=off KEYFERRY_PROD_SESSION_FILE=s "$KF" ls prod: || test $? = 5
"#;
    let Some((code, told)) = beside_a_keyring(&scene, &dev, lines) else { return };
    assert_eq!(code, Some(0), "{told}");
    assert!(!told.contains("session key  "), "nobody need be shown it: {told}");
    assert!(told.contains("set KEYFERRY_SESSION_KEY to open it"), "{told}");
}
