//! A server of its own for each test, and commands that know of it only what they are told.

use keyferry_core::crypto::session_file::{self, Content};
use keyferry_core::secret::SecretString;
use keyferry_tests::{Run, Scene};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

pub const KEY: &str = "a planted session key";

/// `keyferry serve --dev` and what it showed, stopped when dropped.
pub struct Dev {
    child: Child,
    shown: Value,
}

impl Dev {
    pub fn new(scene: &Scene, more: &[&str]) -> Self {
        let words = [&["--json", "serve", "--dev", "--listen", "127.0.0.1:0", "--log", "off"], more].concat();
        let mut child = scene.command(&words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, shown: serde_json::from_str(&line).unwrap() }
    }

    pub fn get(&self, name: &str) -> &str {
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
pub fn scene(more: &[&str]) -> (Scene, Dev) {
    let scene = Scene::new();
    let dev = Dev::new(&scene, more);
    scene.run(&["env", "add", "prod", dev.get("url")]).succeeds();
    (scene, dev)
}

/// A command that knows the session file's key and nothing else.
pub fn command(scene: &Scene, words: &[&str]) -> Command {
    let mut command = scene.command(words);
    command.env_remove("KEYFERRY_MASTER_PASSWORD").env("KEYFERRY_SESSION_KEY", KEY);
    command
}

pub fn run(scene: &Scene, words: &[&str]) -> Run {
    scene.finish(command(scene, words))
}

pub fn run_with(scene: &Scene, variables: &[(&str, &str)], words: &[&str]) -> Run {
    let mut command = command(scene, words);
    command.envs(variables.iter().copied());
    scene.finish(command)
}

/// Runs with lines on standard input.
pub fn feed(mut command: Command, lines: &[&str]) -> std::process::Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub fn login(scene: &Scene, dev: &Dev, more: &[&str]) -> Run {
    let words = [&["login", "prod:", "--user", "admin", "--session-file", "s"], more].concat();
    let variables = [
        ("KEYFERRY_PROD_PASSWORD", dev.get("password")),
        ("KEYFERRY_PROD_MASTER_PASSWORD", dev.get("master_password")),
    ];
    run_with(scene, &variables, &words)
}

pub fn kept(scene: &Scene, file: &str) -> Content {
    session_file::open(&scene.read(file), &KEY.into()).unwrap()
}

pub const FILE: (&str, &str) = ("KEYFERRY_PROD_SESSION_FILE", "s");

/// A pair of tokens that lives as short as the server says: those that `--dev` shows live longer.
pub fn tokens(content: &Content) -> (String, String) {
    let text = |token: &Option<_>| token.as_ref().map(SecretString::expose).unwrap().to_owned();
    (text(&content.access_token), text(&content.refresh_token))
}
