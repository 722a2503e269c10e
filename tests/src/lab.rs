//! An environment whose records hold the secrets of targets.

use crate::target::KEEPER;
use crate::{MASTER_PASSWORD, Run, Scene, finish};
use std::process::Command;

/// An encrypted environment, `lab:`, with one vault, `Infra`.
pub struct Lab {
    /// Where it all is.
    pub scene: Scene,
}

/// The words of a record: name, login, password, url, tags.
pub type Row<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

/// Records as a file for `import`.
#[must_use]
pub fn csv(rows: &[Row<'_>]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = "vault,folder,name,login,password,url,tags\n".to_owned();
    for (name, login, password, url, tags) in rows {
        let cells = ["Infra", "db", name, login, password, url, tags].map(quoted);
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

impl Lab {
    /// With these records in `lab:Infra/db`.
    pub fn new(rows: &[Row<'_>]) -> Self {
        let lab = Self { scene: Scene::with_environments(&["a"]) };
        lab.scene.run(&["env", "add", "lab", "embedded:a"]).succeeds();
        lab.add(rows);
        lab
    }

    /// With these records, and `boss`, whose login administers the first one's [`Target`](crate::target::Target).
    #[must_use]
    pub fn with_boss(rows: &[Row<'_>]) -> Self {
        let server = rows.first().map_or("", |row| row.3);
        Self::new(&[rows, &[("boss", KEEPER.0, KEEPER.1, server, "")]].concat())
    }

    /// Adds records to those that are there.
    pub fn add(&self, rows: &[Row<'_>]) {
        let file = self.scene.file("rows.csv", csv(rows));
        self.run(&["import", file, "lab:", "--allow-empty"]).succeeds();
    }

    /// A command that can open it.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.scene.command(words);
        command
            .env("KEYFERRY_LAB_MASTER_PASSWORD", MASTER_PASSWORD)
            .env("PATH", std::env::var("PATH").unwrap_or_default());
        command
    }

    /// Runs one.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Run {
        finish(self.command(words))
    }

    /// Rotates a record, or all of them where `what` is empty.
    #[must_use]
    pub fn rotate(&self, what: &str, with: &[&str]) -> Run {
        let place = place(what);
        self.run(&[&["rotate", place.as_str()], with].concat())
    }

    /// The same, ended by a crash point. False if it ended well before it got there.
    #[must_use]
    pub fn crashes(&self, point: &str, what: &str, with: &[&str]) -> bool {
        let place = place(what);
        let mut command = self.command(&[&["rotate", place.as_str()], with].concat());
        command.env("KEYFERRY_CRASH_AT", format!("{point}:1"));
        let run = finish(command);
        if run.code() == Some(0) {
            return false;
        }
        assert_eq!(run.code(), None, "{point}: it did not crash but fail\n{}", run.whole());
        true
    }

    /// Goes on after a crash: a job that had begun nothing is none, and the same command is typed again.
    #[must_use]
    pub fn go_on(&self, point: &str, what: &str, with: &[&str]) -> Run {
        if point == "before rotation intent" { self.rotate(what, with) } else { self.resume() }
    }

    /// Goes on with the newest job.
    #[must_use]
    pub fn resume(&self) -> Run {
        let job = self.run(&["--json", "jobs"]).succeeds().json()[0]["id"].to_string();
        self.run(&["resume", &job])
    }

    /// What a record holds.
    #[must_use]
    pub fn held(&self, record: &str) -> String {
        self.run(&["get", "-n", &place(record)]).succeeds().stdout()
    }

    /// Every byte of the journal's files.
    #[must_use]
    pub fn journal(&self) -> Vec<u8> {
        let folder = self.scene.path(".local/state/keyferry");
        let files = std::fs::read_dir(folder).expect("the journal's folder").flatten();
        files.flat_map(|file| std::fs::read(file.path()).unwrap_or_default()).collect()
    }
}

fn place(record: &str) -> String {
    if record.is_empty() { "lab:".to_owned() } else { format!("lab:Infra/db/{record}") }
}
