//! Writes transfers down in the journal, so that they can be resumed and undone.

use crate::args::Global;
use crate::exit::usage;
use etcetera::BaseStrategy as _;
use jiff::Timestamp;
use keyferry_core::engine::journal::{Lock, State, Summary};
use keyferry_core::engine::{self, Endpoint, Job, Journal, NewJob, Options, Progress, Report};
use keyferry_core::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// The journal, and what was typed.
pub struct Jobs {
    path: Option<PathBuf>,
    words: Vec<String>,
    resumed: Option<i64>,
    started: Timestamp,
}

impl Jobs {
    /// `words` are the command's, without the program's name.
    pub fn new(global: &Global, words: Vec<String>) -> Self {
        Self { path: global.journal.clone(), words, resumed: None, started: Timestamp::now() }
    }

    /// The same journal; transfers go on with a job instead of beginning one.
    pub fn resuming(mut self, job: &Summary) -> Self {
        self.resumed = Some(job.id);
        self.started = Timestamp::from_second(job.started).unwrap_or(self.started);
        self
    }

    /// When the command was typed; of a job that is resumed, when it first was.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Opens the journal.
    pub fn journal(&self) -> Result<Journal> {
        if let Some(path) = &self.path {
            return Journal::open(path);
        }
        let folders = etcetera::choose_base_strategy()
            .map_err(|_| usage("this user has no state folder", "name the journal's file with --journal"))?;
        let folder = folders.state_dir().unwrap_or_else(|| folders.data_dir());
        Journal::open(&folder.join("keyferry").join("journal.db"))
    }

    /// Transfers, under a lock on the sink and with every step in the journal. A file as sink needs
    /// neither: it appears only when it is whole.
    pub async fn run(
        &self,
        from: &Endpoint,
        to: &Endpoint,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Report> {
        let Endpoint::Environment(sink, _) = to else {
            return engine::transfer(from, to, options, progress).await;
        };
        let journal = self.journal()?;
        let _held: Lock = journal.lock(sink.place())?;
        let job = if let Some(id) = self.resumed {
            journal.resume(id, sink)?
        } else {
            let folder = std::env::current_dir().map_err(|error| Error::io(".", error))?;
            journal.begin(
                &NewJob { command: &self.words, folder: &folder, started: self.started.as_second() },
                sink,
            )?
        };
        if !job.can_be_undone() {
            progress.note("this job cannot be undone: nothing is encrypted there, so nothing tells its work from later edits");
        }
        let options = Options { job: Some(job.clone()), ..options.clone() };
        match engine::transfer(from, to, &options, progress).await {
            Ok(report) => {
                job.finish(State::Done, Some(&report))?;
                Ok(report)
            }
            Err(error) => Err(self.stopped(&job, error)),
        }
    }

    /// Writes down that a job stopped, and says how to go on with it.
    fn stopped(&self, job: &Job, error: Error) -> Error {
        let state = match error.kind() {
            ErrorKind::Interrupted => State::Interrupted,
            _ => State::Failed,
        };
        // The first error counts; a journal that fails as well will say so on resuming.
        if matches!(job.forget_if_idle(), Ok(true)) {
            return error;
        }
        let _ = job.finish(state, None);
        error.then(&format!("keyferry resume {}{}", job.id(), self.journal_words()))
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
        engine::crash::arm(point, occurrence);
    }
}
