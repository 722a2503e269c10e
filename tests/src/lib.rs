//! What the end-to-end tests share: the command line as a process, and lifelike records.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "everything here panics where a test fails, and is called for that"
)]

pub mod gate;
pub mod kv;
pub mod lab;
pub mod proxy;
pub mod records;
pub mod server;
#[cfg(unix)]
pub mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

/// A folder of its own in which the real binary runs with an empty environment.
pub struct Scene {
    folder: tempfile::TempDir,
}

/// The master password of every scene: planted, so that leaks can be searched for.
pub const MASTER_PASSWORD: &str = "planted master password";

/// The environments that were made in this process, with what `env init` said of them.
static MADE: Mutex<BTreeMap<String, (Scene, serde_json::Value)>> = Mutex::new(BTreeMap::new());

impl Scene {
    /// An empty scene.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A scene with embedded environments, each with the user `admin`.
    ///
    /// Making one takes as long as an RSA key pair, so each name is made once in a process and copied: two names
    /// in a scene have keys and ids of their own, the same name in two scenes has the same.
    #[must_use]
    pub fn with_environments(names: &[&str]) -> Self {
        let scene = Self::new();
        for name in names {
            scene.make_environment(name, "on");
        }
        scene
    }

    /// Adds an embedded environment with the user `admin` to the scene.
    pub fn make(&self, name: &str) {
        self.make_environment(name, "on");
    }

    /// Copies an environment of this name into the scene, with what `env init` said of it.
    pub(crate) fn make_environment(&self, name: &str, client_encryption: &str) -> serde_json::Value {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, said) = made.entry(format!("{name} {client_encryption}")).or_insert_with(|| {
            // Kept until the process ends, and so where `cargo clean` finds it.
            let kept = binary().with_file_name("environments-of-tests");
            std::fs::create_dir_all(&kept).expect("a folder");
            let first = Self { folder: tempfile::tempdir_in(kept).expect("a temporary folder") };
            let place = format!("embedded:{name}");
            let words = [
                "--json",
                "env",
                "init",
                &place,
                "--user",
                "admin",
                "--client-encryption",
                client_encryption,
            ];
            let said = first.run(&words).succeeds().json();
            (first, said)
        });
        copy_folder(&first.path(name), &self.path(name));
        said.clone()
    }

    /// What `env init` said of an environment of this name, whose clients encrypt.
    pub(crate) fn said(name: &str) -> serde_json::Value {
        let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.get(&format!("{name} on")).expect("it was made").1.clone()
    }

    /// A path in the scene's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and answers its name.
    #[must_use]
    pub fn file<'a>(&self, name: &'a str, content: impl AsRef<[u8]>) -> &'a str {
        std::fs::write(self.path(name), content).expect("a file in the scene");
        name
    }

    /// Reads a file as text.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a text file in the scene")
    }

    /// The command, ready to run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("KEYFERRY_MASTER_PASSWORD", MASTER_PASSWORD)
            // The developer's own keyring is left alone.
            .env("KEYFERRY_KEYRING", "off")
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments))
    }

    /// Runs a command that is to end at a crash point; false if it ended well before it got there.
    ///
    /// # Panics
    /// Where it failed instead.
    #[must_use]
    pub fn crashes(&self, point: &str, occurrence: u32, arguments: &[&str]) -> bool {
        let at = format!("{point}:{occurrence}");
        let mut command = self.command(arguments);
        command.env("KEYFERRY_CRASH_AT", &at);
        let run = finish(command);
        if run.output.status.success() {
            return false;
        }
        assert_eq!(run.output.status.code(), None, "{at}: it did not crash but fail\n{}", run.whole());
        true
    }

    /// Runs a command that was made ready to its end.
    #[must_use]
    pub fn finish(&self, command: Command) -> Run {
        finish(command)
    }

    /// Runs to the end with a changed environment; `None` removes a variable.
    #[must_use]
    pub fn run_with(&self, variables: &[(&str, Option<&str>)], arguments: &[&str]) -> Run {
        let mut command = self.command(arguments);
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        finish(command)
    }
}

/// Runs a command to the end.
#[must_use]
pub fn finish(mut command: Command) -> Run {
    let output = command.output().expect("the keyferry binary runs");
    Run::of(&command, output)
}

/// The seeds of a test that has a short and a long form: so many; as many as `TORTURE` says in
/// `make torture`; the one in `SEED`, to see a failure again.
#[must_use]
pub fn seeds(few: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("TORTURE").unwrap_or(few)).collect(),
    }
}

/// A command that has ended.
pub struct Run {
    story: String,
    output: Output,
}

impl Run {
    /// What a command left that was run by other means.
    #[must_use]
    pub fn of(command: &Command, output: Output) -> Self {
        Self { story: format!("{command:?}"), output }
    }

    /// Standard output.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Standard output as one JSON document.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.output.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.whole()))
    }

    /// The exit code; `None` where a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Insists on exit code 0.
    pub fn succeeds(&self) -> &Self {
        self.exits(0)
    }

    /// Insists on an exit code.
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.output.status.code(), Some(code), "{}", self.whole());
        self
    }

    /// Insists on words in standard error.
    pub fn says(&self, words: &str) -> &Self {
        assert!(self.stderr().contains(words), "expected {words:?}\n{}", self.whole());
        self
    }

    /// Insists on words in standard output.
    pub fn prints(&self, words: &str) -> &Self {
        assert!(self.stdout().contains(words), "expected {words:?}\n{}", self.whole());
        self
    }

    /// Insists that neither output holds a secret.
    pub fn hides(&self, secret: &str) -> &Self {
        let both = self.stdout() + &self.stderr();
        assert!(!both.contains(secret), "a secret was shown\n{}", self.story);
        self
    }

    /// All that there is to tell of it.
    #[must_use]
    pub fn whole(&self) -> String {
        format!(
            "{}\nexit: {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.story,
            self.output.status,
            self.stdout(),
            self.stderr()
        )
    }
}

/// The binary beside this test's own: `make test` builds it first.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    let binary = folder.join(format!("keyferry{}", std::env::consts::EXE_SUFFIX));
    assert!(binary.exists(), "{} is missing: run `cargo build` first", binary.display());
    binary
}

/// Copies a folder and all in it, rights included.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a new folder");
    std::fs::set_permissions(to, std::fs::metadata(from).expect("a folder").permissions())
        .expect("its rights");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let copy = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &copy);
        } else {
            std::fs::copy(entry.path(), copy).expect("a copy");
        }
    }
}
