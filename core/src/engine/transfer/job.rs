//! A transfer as a job: under a lock on its sink, with its beginning and its end in the journal.

use crate::engine::endpoint::Endpoint;
use crate::engine::journal::{Job, Journal, Lock, NewJob, State};
use crate::engine::options::Options;
use crate::engine::report::Report;
use crate::engine::report::progress::Progress;
use crate::engine::transfer::transfer;
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Which job a transfer is.
#[derive(Clone, Copy, Debug)]
pub enum Begin<'a> {
    /// A new one.
    New {
        /// The command that does the same, without the program's name.
        command: &'a [String],
        /// When it was given, in Unix seconds.
        started: i64,
    },
    /// One that stopped.
    Again(i64),
}

impl<'a> Begin<'a> {
    /// A new job that begins at this moment.
    #[must_use]
    pub fn now(command: &'a [String]) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Begin::New { command, started: i64::try_from(now).unwrap_or(i64::MAX) }
    }
}

/// Transfers, and writes every step down where the sink is an environment. A file needs neither journal
/// nor lock: it appears only when it is whole. `go_on` says how the user goes on with a job that stopped.
///
/// # Errors
/// Those of [`transfer`], with `go_on` as their next step; [`ErrorKind::Conflict`] where another job
/// writes to this sink.
pub async fn run(
    journal: impl FnOnce() -> Result<Journal>,
    begin: Begin<'_>,
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
    go_on: impl FnOnce(i64) -> String,
) -> Result<Report> {
    let Some(sink) = to.environment() else { return transfer(from, to, options, progress).await };
    sink.unlocked()?;
    let journal = journal()?;
    let _held: Lock = journal.lock(sink.place())?;
    sink.write_with(Arc::new(journal.clone()), options.allow_unencrypted_target)?;
    let job = match begin {
        Begin::Again(id) => journal.resume(id, sink)?,
        Begin::New { command, started } => {
            let folder = std::env::current_dir().map_err(|error| Error::io(".", error))?;
            let new = NewJob { command, folder: &folder, started };
            match journal.unfinished(&new, sink)? {
                Some(id) if options.approved.is_some() => {
                    let what =
                        format!("job {id} began to do what this plan says, and did not come to its end");
                    return Err(Error::new(ErrorKind::Conflict, what).next_step(go_on(id)));
                }
                Some(id) => {
                    progress.note(&format!("going on with job {id}, which did not come to its end"));
                    journal.resume(id, sink)?
                }
                None => journal.begin(&new, sink)?,
            }
        }
    };
    progress.job(job.id());
    if !job.can_be_undone() {
        progress.note("this job cannot be undone: nothing is encrypted there, so nothing tells its work from later edits");
    }
    let options = Options { job: Some(job.clone()), ..options.clone() };
    match transfer(from, to, &options, progress).await {
        Ok(mut report) => {
            // A job that wrote nothing is none: nothing can be resumed, and nothing taken back.
            if !job.forget_if_idle()? {
                (report.job, report.undoable) = (Some(job.id()), job.can_be_undone());
                job.finish(State::Done, Some(&report))?;
            }
            Ok(report)
        }
        Err(error) => Err(stopped(&job, error, go_on)),
    }
}

/// Writes down that a job stopped, and says how to go on with it.
fn stopped(job: &Job, error: Error, go_on: impl FnOnce(i64) -> String) -> Error {
    let state = match error.kind() {
        ErrorKind::Interrupted => State::Interrupted,
        _ => State::Failed,
    };
    // The first error counts; a journal that fails as well will say so on resuming.
    if matches!(job.forget_if_idle(), Ok(true)) {
        return error.next_step("run the same command again");
    }
    let _ = job.finish(state, None);
    error.then(&go_on(job.id()))
}
