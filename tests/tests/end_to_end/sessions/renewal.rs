//! Tokens that were renewed are put back, by many at once.

use super::world::{FILE, command, kept, login, run_with, scene, tokens};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn renewed_tokens_are_put_back_and_the_master_key_stays() {
    let (scene, dev) = scene(&["--token-life", "1"]);
    login(&scene, &dev, &["--keep-master-key"]).succeeds();
    let first = kept(&scene, "s");
    std::thread::sleep(Duration::from_millis(1500));
    run_with(&scene, &[FILE], &["ls", "prod:"]).succeeds();
    let second = kept(&scene, "s");
    assert!(first.access_token != second.access_token && first.refresh_token != second.refresh_token);
    assert_eq!(second.master_key, first.master_key);
    std::thread::sleep(Duration::from_millis(1500));
    run_with(&scene, &[FILE], &["ls", "prod:"]).succeeds();
}

#[test]
fn ten_processes_at_once_renew_one_session_and_none_loses_it() {
    let (scene, dev) = scene(&["--token-life", "1"]);
    login(&scene, &dev, &["--keep-master-key"]).succeeds();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1200));
        let start = |_| {
            let mut command = command(&scene, &["tree", "prod:"]);
            command.env(FILE.0, FILE.1).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<_> = (0..10).map(start).collect();
        for child in children {
            let done = child.wait_with_output().unwrap();
            assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
    // The last pair works, alone.
    std::thread::sleep(Duration::from_millis(1200));
    run_with(&scene, &[FILE], &["ls", "prod:"]).succeeds();
}

#[test]
fn tokens_that_cannot_be_put_back_are_told_of_once() {
    let (scene, dev) = scene(&["--token-life", "1"]);
    login(&scene, &dev, &[]).succeeds();
    let (access, refresh) = tokens(&kept(&scene, "s"));
    let tokens =
        [("KEYFERRY_PROD_TOKEN", access.as_str()), ("KEYFERRY_PROD_REFRESH_TOKEN", refresh.as_str())];
    std::thread::sleep(Duration::from_millis(1500));
    let run = run_with(&scene, &tokens, &["ls", "prod:"]);
    run.succeeds().says("keyferry login prod: keeps a session").says("KEYFERRY_PROD_TOKEN");
    assert_eq!(run.stderr().matches("keyferry login").count(), 1);
    // For half a minute they get another pair: the answer with the new ones could have been lost.
    run_with(&scene, &tokens, &["ls", "prod:"]).succeeds().says("keyferry login prod: keeps a session");
}

#[test]
fn a_folder_that_cannot_be_written_renews_nothing() {
    let (scene, dev) = scene(&["--token-life", "1"]);
    login(&scene, &dev, &[]).succeeds();
    // Where the lock has to be, there is a folder.
    std::fs::remove_file(scene.path("s.lock")).unwrap();
    std::fs::create_dir(scene.path("s.lock")).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    run_with(&scene, &[FILE], &["ls", "prod:"]).exits(1).says("put back");
    std::fs::remove_dir(scene.path("s.lock")).unwrap();
    run_with(&scene, &[FILE], &["ls", "prod:"]).succeeds();
}
