//! A session is kept, used by the commands that follow, and ended.

use super::world::{Dev, FILE, KEY, command, feed, kept, login, run, run_with, scene};
use keyferry_core::crypto::session_file;

#[test]
fn a_login_is_kept_for_the_commands_that_follow() {
    let (scene, dev) = scene(&[]);
    run_with(&scene, &[FILE], &["ls", "prod:"]).exits(5).says("keyferry login prod:");
    let run = login(&scene, &dev, &["--keep-master-key"]);
    run.succeeds().says("as admin").says("session file s").hides(dev.get("password")).hides(KEY);
    let content = kept(&scene, "s");
    assert_eq!(content.master_key, Some(dev.get("master_key").into()));
    assert_eq!(content.location.as_deref(), Some(dev.get("url")));
    // No token, no master password: both come from the file.
    let file = scene.file("a.csv", "vault,name,password\nV,n,opened\n");
    run_with(&scene, &[FILE], &["import", file, "prod:"]).succeeds();
    assert_eq!(run_with(&scene, &[FILE], &["get", "prod:V/n"]).succeeds().stdout(), "opened\n");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(scene.path("s")).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn without_a_file_and_a_keyring_the_session_stands_in_the_state_folder() {
    let (scene, dev) = scene(&[]);
    let password = [("KEYFERRY_PROD_PASSWORD", dev.get("password"))];
    run_with(&scene, &password, &["login", "prod", "--user", "admin"]).succeeds();
    assert!(scene.path(".local/state/keyferry/sessions/prod.session").exists());
    run(&scene, &["ls", "prod:"]).succeeds();
    run(&scene, &["ls", dev.get("url")]).exits(5).says("no token");
    // By its address it is another session of its own.
    let password = [("KEYFERRY_PASSWORD", dev.get("password"))];
    run_with(&scene, &password, &["login", dev.get("url"), "--user", "admin"]).succeeds();
    run(&scene, &["ls", &format!("{}/", dev.get("url"))]).succeeds();
    run(&scene, &["logout", "prod:"]).succeeds();
    run(&scene, &["ls", "prod:"]).exits(5);
    run(&scene, &["ls", dev.get("url")]).succeeds();
}

#[test]
fn a_wrong_password_keeps_nothing() {
    let (scene, _dev) = scene(&[]);
    let password = [("KEYFERRY_PROD_PASSWORD", "planted and wrong")];
    run_with(&scene, &password, &["login", "prod:", "--user", "admin", "--session-file", "s"])
        .exits(5)
        .says("login password")
        .hides("planted and wrong");
    assert!(!scene.path("s").exists());
    run(&scene, &["login", "prod:", "--user", "admin", "--session-file", "s"])
        .exits(2)
        .says("--password-stdin");
    run(&scene, &["login", "prod:", "--session-file", "s"]).exits(2).says("--user");
}

#[test]
fn a_wrong_master_password_keeps_nothing() {
    let (scene, dev) = scene(&[]);
    let variables = [
        ("KEYFERRY_PROD_PASSWORD", dev.get("password")),
        ("KEYFERRY_PROD_MASTER_PASSWORD", "planted and wrong"),
    ];
    let words = ["login", "prod:", "--user", "admin", "--keep-master-key", "--session-file", "s"];
    run_with(&scene, &variables, &words).exits(5).says("master").hides("planted and wrong");
    assert!(!scene.path("s").exists());
}

#[test]
fn a_new_key_is_given_once_to_who_can_keep_it() {
    let (scene, dev) = scene(&[]);
    let words = ["login", "prod:", "--user", "admin", "--session-file", "s"];
    let without_key = |words: &[&str]| {
        let mut command = command(&scene, words);
        command.env_remove("KEYFERRY_SESSION_KEY").env("KEYFERRY_PROD_PASSWORD", dev.get("password"));
        scene.finish(command)
    };
    // In a pipe it would get into somebody's log.
    without_key(&words).exits(2).says("KEYFERRY_SESSION_KEY");
    assert!(!scene.path("s").exists());
    let shown = without_key(&[&["--json"], &words[..]].concat()).succeeds().json();
    let key = shown["session_key"].as_str().unwrap();
    assert!(session_file::open(&scene.read("s"), &key.into()).is_ok());
    let list = ["ls", "prod:"];
    run_with(&scene, &[FILE, ("KEYFERRY_SESSION_KEY", key)], &list).succeeds();
    run_with(&scene, &[FILE], &list).exits(1).says("the session key is wrong");
    without_key(&list).exits(5);
    let mut bare = command(&scene, &list);
    bare.env_remove("KEYFERRY_SESSION_KEY").env(FILE.0, FILE.1);
    scene.finish(bare).exits(5).says("set KEYFERRY_SESSION_KEY");
}

#[test]
fn a_file_that_is_something_else_is_not_overwritten() {
    let (scene, dev) = scene(&[]);
    let _ = scene.file("s", "a letter");
    login(&scene, &dev, &[]).exits(2).says("no session file");
    assert_eq!(scene.read("s"), "a letter");
}

#[test]
fn tokens_made_elsewhere_are_taken_from_standard_input() {
    let (scene, dev) = scene(&[]);
    let words = ["login", "prod:", "--token-stdin", "--session-file", "s"];
    let taken = feed(command(&scene, &words), &[dev.get("access_token"), dev.get("refresh_token")]);
    assert_eq!(taken.status.code(), Some(0), "{}", String::from_utf8_lossy(&taken.stderr));
    assert!(String::from_utf8_lossy(&taken.stderr).contains("as admin"));
    run_with(&scene, &[FILE], &["ls", "prod:"]).succeeds();
    let wrong = feed(command(&scene, &words), &["not a token"]);
    assert_eq!(wrong.status.code(), Some(5));
    assert_eq!(kept(&scene, "s").access_token, Some(dev.get("access_token").into()), "the good one stays");
}

#[test]
fn a_logout_ends_the_session_there_and_here() {
    let (scene, dev) = scene(&[]);
    login(&scene, &dev, &[]).succeeds();
    let content = kept(&scene, "s");
    run_with(&scene, &[FILE], &["logout", "prod:"]).succeeds().says("signed out");
    assert!(!scene.path("s").exists());
    let token = content.access_token.unwrap();
    run_with(&scene, &[("KEYFERRY_PROD_TOKEN", token.expose())], &["ls", "prod:"]).exits(5);
    run_with(&scene, &[FILE], &["logout", "prod:"]).exits(1).says("no session is kept");
}

#[test]
fn a_session_of_another_environment_is_not_sent_there() {
    let (scene, dev) = scene(&[]);
    let other = Dev::new(&scene, &[]);
    scene.run(&["env", "add", "other", other.get("url")]).succeeds();
    login(&scene, &dev, &[]).succeeds();
    let run = run_with(&scene, &[("KEYFERRY_OTHER_SESSION_FILE", "s")], &["ls", "other:"]);
    run.exits(5).says("keyferry login other:").says(dev.get("url"));
    // A general variable counts for the environment that its file names.
    let general = [("KEYFERRY_SESSION_FILE", "s")];
    run_with(&scene, &general, &["ls", "prod:"]).succeeds();
    run_with(&scene, &general, &["ls", "other:"]).exits(5);
}

#[cfg(unix)]
#[test]
fn a_program_that_the_config_names_gives_a_secret() {
    let (scene, dev) = scene(&[]);
    let _ = scene.file("token", format!("{}\n", dev.get("access_token")));
    let _ = scene.file("key", dev.get("master_key"));
    let place = |name| scene.path(name).display().to_string();
    let config = format!(
        "[environments.prod]\nlocation = \"{}\"\ntoken_command = [\"cat\", \"{}\"]\nmaster_key_command = [\"cat\", \"{}\"]\n",
        dev.get("url"),
        place("token"),
        place("key")
    );
    std::fs::write(scene.path("config.toml"), config).unwrap();
    let with = |words: &[&str]| {
        let mut command = command(&scene, &[&["--config", "config.toml"], words].concat());
        command.env("PATH", std::env::var_os("PATH").unwrap());
        scene.finish(command)
    };
    with(&["env", "test", "prod:"]).succeeds();
    std::fs::remove_file(scene.path("token")).unwrap();
    with(&["ls", "prod:"]).exits(5).says("token_command: cat ended with code 1");
    // A variable goes before, and then nothing is run.
    let mut command = command(&scene, &["--config", "config.toml", "ls", "prod:"]);
    command.env("KEYFERRY_PROD_TOKEN", dev.get("access_token"));
    scene.finish(command).succeeds();
}
