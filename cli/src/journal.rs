//! Writes transfers down in the journal, so that they can be resumed and undone.

use crate::args::Global;
use jiff::Timestamp;
use keyferry_core::Result;
use keyferry_core::engine::job::{self, Begin};
use keyferry_core::engine::journal::{Summary, is_address};
use keyferry_core::engine::{Endpoint, Journal, Options, Progress, Report, Workers};
#[cfg(feature = "rotate")]
use keyferry_core::engine::{Environment, Job, NewJob, journal::Lock};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The journal, and what was typed.
pub struct Jobs {
    path: Option<PathBuf>,
    words: Vec<String>,
    resumed: Option<i64>,
    started: Timestamp,
    /// Archives may cost more than usual to open.
    pub allow_heavy_kdf: bool,
}

impl Jobs {
    /// `words` are the command's, without the program's name.
    pub fn new(global: &Global, words: Vec<String>) -> Self {
        Self {
            path: global.journal.clone(),
            words,
            resumed: None,
            started: Timestamp::now(),
            allow_heavy_kdf: global.allow_heavy_kdf,
        }
    }

    /// The same journal; transfers go on with a job instead of beginning one.
    pub fn resuming(mut self, job: &Summary) -> Self {
        self.resumed = Some(job.id);
        self.started = Timestamp::from_second(job.started).unwrap_or(self.started);
        self
    }

    /// As if these words had been typed besides.
    pub fn with_more(&self, more: Vec<String>) -> Self {
        Self {
            path: self.path.clone(),
            words: self.words.iter().cloned().chain(more).collect(),
            resumed: self.resumed,
            started: self.started,
            allow_heavy_kdf: self.allow_heavy_kdf,
        }
    }

    /// As if these words had been typed, whose options of every command are `global`; the same journal unless they name one.
    pub fn typed(self, words: Vec<String>, global: &Global) -> Self {
        let typed = Self::new(global, words);
        Self { path: typed.path.clone().or(self.path), ..typed }
    }

    /// The command's words, without the program's name.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// When the command was typed; of a job that is resumed, when it first was.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Whether there is a journal: a file, or a database that was named.
    pub fn is_there(&self) -> Result<bool> {
        let path = self.path()?;
        Ok(is_address(&path).is_some() || path.exists())
    }

    /// Where the journal is: a file, or the address of a database.
    pub fn path(&self) -> Result<PathBuf> {
        self.path.clone().map_or_else(Journal::default_path, Ok)
    }

    /// Opens the journal.
    pub fn journal(&self) -> Result<Journal> {
        Journal::open(&self.path()?)
    }

    /// Transfers; into an environment, as a job.
    pub async fn run(
        &self,
        from: &Endpoint,
        to: &Endpoint,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Report> {
        let begin = match self.resumed {
            Some(id) => Begin::Again(id),
            None => Begin::New { command: &self.words, started: self.started.as_second() },
        };
        job::run(|| self.journal(), begin, from, to, options, progress, |id| self.go_on(id)).await
    }

    /// Begins a job that is no transfer, or takes one up again; nobody else writes there meanwhile.
    #[cfg(feature = "rotate")]
    pub fn begin(&self, sink: &Environment) -> Result<(Lock, Job)> {
        let journal = self.journal()?;
        let held = journal.lock(sink.place())?;
        let job = if let Some(id) = self.resumed {
            journal.resume(id, sink)?
        } else {
            let folder = std::env::current_dir().map_err(|error| keyferry_core::Error::io(".", error))?;
            let started = self.started.as_second();
            journal.begin(&NewJob { command: &self.words, folder: &folder, started }, sink)?
        };
        Ok((held, job))
    }

    /// So many processes that send: this program again, at the same journal.
    pub fn workers(&self, count: usize, lease: Duration) -> Workers {
        let journal = self.path().and_then(|path| match is_address(&path) {
            Some(_) => Ok(path),
            None => std::path::absolute(&path).map_err(|error| keyferry_core::Error::io(path, error)),
        });
        let journal = journal.map_err(|error| error.to_string());
        let start = move |job: i64| {
            let journal = journal.as_ref().map_err(|why| std::io::Error::other(why.clone()))?;
            Command::new(std::env::current_exe()?)
                .args(["--quiet", "--journal"])
                .arg(journal)
                .args(["work", &job.to_string(), "--with-parent"])
                // What is armed in a test is meant for this process.
                .env_remove("KEYFERRY_CRASH_AT")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
        };
        Workers { count, lease, start: Arc::new(start) }
    }

    /// What has to be typed to go on with a job.
    pub fn go_on(&self, id: i64) -> String {
        format!("keyferry resume {id}{}", self.journal_words())
    }

    /// What has to be typed to take a job back, or to go on with that.
    pub fn undo(&self, id: i64) -> String {
        format!("keyferry undo {id}{}", self.journal_words())
    }

    /// What has to be typed to name the same journal again.
    fn journal_words(&self) -> String {
        self.path.as_deref().map(Path::display).map_or_else(String::new, |path| format!(" --journal {path}"))
    }
}

/// Ends the process at a named place, for tests of what a crash leaves behind: `POINT:OCCURRENCE`.
pub fn arm_crash() {
    #[cfg(debug_assertions)]
    if let Ok(word) = std::env::var("KEYFERRY_CRASH_AT")
        && let Some((point, occurrence)) = word.rsplit_once(':')
        && let Ok(occurrence) = occurrence.parse()
    {
        keyferry_core::engine::crash::arm(point, occurrence);
    }
}
