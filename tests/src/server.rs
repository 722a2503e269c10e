//! An embedded environment served over HTTP by the real binary.

use crate::Scene;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A running `keyferry serve`, stopped when dropped.
pub struct Served {
    child: Child,
    name: String,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    /// Of its certificate, where it speaks TLS.
    pub fingerprint: Option<String>,
    /// The user's token.
    pub access_token: String,
    /// What renews it.
    pub refresh_token: String,
}

impl Served {
    /// Makes an environment in the scene and serves it. `encryption` by clients is `on` or `off`.
    pub fn new(scene: &Scene, name: &str, encryption: &str) -> Self {
        let made = scene.make_environment(name, encryption);
        Self::serve(scene, name, &made)
    }

    /// Serves an environment that is in the scene and whose clients encrypt.
    pub fn of(scene: &Scene, name: &str) -> Self {
        Self::serve(scene, name, &Scene::said(name))
    }

    fn serve(scene: &Scene, name: &str, made: &serde_json::Value) -> Self {
        let (child, url, fingerprint) = start(scene, name, &[]);
        let token = |which: &str| made[which].as_str().expect("a token").to_owned();
        let (access_token, refresh_token) = (token("access_token"), token("refresh_token"));
        Self { child, name: name.to_owned(), url, fingerprint, access_token, refresh_token }
    }

    /// Serves an encrypted environment over TLS, with the certificate `tls.crt` in its folder.
    pub fn over_tls(scene: &Scene, name: &str) -> Self {
        let mut served = Self::new(scene, name, "on");
        served.restart(scene, &["--tls"]);
        served
    }

    /// Ends the server as the system would, without a word, and starts another on the same environment.
    pub fn kill_and_restart(&mut self, scene: &Scene) {
        self.restart(scene, &[]);
    }

    fn restart(&mut self, scene: &Scene, flags: &[&str]) {
        self.child.kill().expect("the server runs");
        self.child.wait().expect("the server ends");
        (self.child, self.url, self.fingerprint) = start(scene, &self.name, flags);
    }

    /// The token of its user.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// A command that is signed in.
    #[must_use]
    pub fn command(&self, scene: &Scene, arguments: &[&str]) -> Command {
        let mut command = scene.command(arguments);
        command.env("KEYFERRY_TOKEN", &self.access_token).env("KEYFERRY_REFRESH_TOKEN", &self.refresh_token);
        command
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(scene: &Scene, name: &str, flags: &[&str]) -> (Child, String, Option<String>) {
    let mut child = scene
        .command(&[&["--json", "serve", name, "--listen", "127.0.0.1:0", "--log", "off"], flags].concat())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("its first line");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    let fingerprint = ready["fingerprint"].as_str().map(str::to_owned);
    (child, ready["url"].as_str().expect("an address").to_owned(), fingerprint)
}
