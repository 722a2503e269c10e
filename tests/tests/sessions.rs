//! Sessions that outlive a command: kept, used, renewed by many at once, ended.

#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

use keyferry_core::crypto::session_file::{self, Content};
use keyferry_core::crypto::totp::Totp;
use keyferry_core::secret::SecretString;
use keyferry_tests::{Run, Scene};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KEY: &str = "a planted session key";

/// `keyferry serve --dev` and what it showed, stopped when dropped.
struct Dev {
    child: Child,
    shown: Value,
}

impl Dev {
    fn new(scene: &Scene, more: &[&str]) -> Self {
        let words = [&["--json", "serve", "--dev", "--listen", "127.0.0.1:0", "--log", "off"], more].concat();
        let mut child = scene.command(&words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, shown: serde_json::from_str(&line).unwrap() }
    }

    fn get(&self, name: &str) -> &str {
        self.shown[name].as_str().unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A scene with a server and an environment `prod` at it.
fn scene(more: &[&str]) -> (Scene, Dev) {
    let scene = Scene::new();
    let dev = Dev::new(&scene, more);
    scene.run(&["env", "add", "prod", dev.get("url")]).succeeds();
    (scene, dev)
}

/// A command that knows the session file's key and nothing else.
fn command(scene: &Scene, words: &[&str]) -> Command {
    let mut command = scene.command(words);
    command.env_remove("KEYFERRY_MASTER_PASSWORD").env("KEYFERRY_SESSION_KEY", KEY);
    command
}

fn run(scene: &Scene, words: &[&str]) -> Run {
    scene.finish(command(scene, words))
}

fn run_with(scene: &Scene, variables: &[(&str, &str)], words: &[&str]) -> Run {
    let mut command = command(scene, words);
    command.envs(variables.iter().copied());
    scene.finish(command)
}

/// Runs with lines on standard input.
fn feed(mut command: Command, lines: &[&str]) -> std::process::Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn login(scene: &Scene, dev: &Dev, more: &[&str]) -> Run {
    let words = [&["login", "prod:", "--user", "admin", "--session-file", "s"], more].concat();
    let variables = [
        ("KEYFERRY_PROD_PASSWORD", dev.get("password")),
        ("KEYFERRY_PROD_MASTER_PASSWORD", dev.get("master_password")),
    ];
    run_with(scene, &variables, &words)
}

fn kept(scene: &Scene, file: &str) -> Content {
    session_file::open(&scene.read(file), &KEY.into()).unwrap()
}

const FILE: (&str, &str) = ("KEYFERRY_PROD_SESSION_FILE", "s");

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
    self::run(&scene, &["ls", "prod:"]).succeeds();
    self::run(&scene, &["ls", dev.get("url")]).exits(5).says("no token");
    // By its address it is another session of its own.
    let password = [("KEYFERRY_PASSWORD", dev.get("password"))];
    run_with(&scene, &password, &["login", dev.get("url"), "--user", "admin"]).succeeds();
    self::run(&scene, &["ls", &format!("{}/", dev.get("url"))]).succeeds();
    self::run(&scene, &["logout", "prod:"]).succeeds();
    self::run(&scene, &["ls", "prod:"]).exits(5);
    self::run(&scene, &["ls", dev.get("url")]).succeeds();
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
    self::run(&scene, &["login", "prod:", "--user", "admin", "--session-file", "s"])
        .exits(2)
        .says("--password-stdin");
    self::run(&scene, &["login", "prod:", "--session-file", "s"]).exits(2).says("--user");
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

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Calls the API with the tokens that the server showed.
fn call(scene: &Scene, dev: &Dev, endpoint: &str, params: &str) -> Value {
    let token = [("KEYFERRY_TOKEN", dev.get("access_token")), ("KEYFERRY_MASTER_KEY", dev.get("master_key"))];
    let words =
        ["api", "--from", dev.get("url"), "--method", "POST", "--endpoint", endpoint, "--params", params];
    run_with(scene, &token, &words).succeeds().json()
}

#[test]
fn a_one_time_code_is_given_where_it_is_owed() {
    let (scene, dev) = scene(&[]);
    let secret = call(&scene, &dev, "v1/users/2fa/totp/generate", "{}");
    let totp = Totp::parse(&SecretString::from(secret["secret"].as_str().unwrap())).unwrap();
    let code = |ago: u64| totp.code(now() - ago).expose().to_owned();
    let enable = format!("{{\"code\": \"{}\"}}", code(30));
    call(&scene, &dev, "v1/users/2fa/totp/enable", &enable);
    login(&scene, &dev, &[]).exits(5).says("one-time code");
    assert!(!scene.path("s").exists());
    let words =
        ["login", "prod:", "--user", "admin", "--session-file", "s", "--password-stdin", "--code-stdin"];
    let wrong = feed(command(&scene, &words), &[dev.get("password"), "000000"]);
    assert_eq!(wrong.status.code(), Some(5), "{}", String::from_utf8_lossy(&wrong.stderr));
    let right = feed(command(&scene, &words), &[dev.get("password"), &code(0)]);
    assert_eq!(right.status.code(), Some(0), "{}", String::from_utf8_lossy(&right.stderr));
    run_with(&scene, &[FILE], &["ls", "prod:"]).succeeds();
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
    let tokens = [
        ("KEYFERRY_PROD_TOKEN", dev.get("access_token")),
        ("KEYFERRY_PROD_REFRESH_TOKEN", dev.get("refresh_token")),
    ];
    std::thread::sleep(Duration::from_millis(1500));
    let run = run_with(&scene, &tokens, &["ls", "prod:"]);
    run.succeeds().says("keyferry login prod: keeps a session").says("KEYFERRY_PROD_TOKEN");
    assert_eq!(run.stderr().matches("keyferry login").count(), 1);
    // Those tokens have ended with that; quiet is quiet.
    run_with(&scene, &tokens, &["ls", "prod:"]).exits(5);
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
