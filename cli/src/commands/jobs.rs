//! `jobs`, `resume JOB`, `undo JOB`.

use crate::args::{Archive, Arguments, Command, WhichJob};
use crate::config::Config;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::location::Need;
use crate::output::progress::Shown;
use crate::output::{Output, clean};
use jiff::Timestamp;
use keyferry_core::engine::journal::{State, Summary};
use keyferry_core::engine::report;
use keyferry_core::{Error, ErrorKind, Result, engine};
use serde::Serialize;
use std::sync::Arc;

/// A job as a list shows it.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    job: &'a Summary,
    /// What it is: the command.
    kind: &'a str,
    /// ISO 8601, UTC.
    started_at: String,
    ended_at: Option<String>,
    /// From its beginning to its last end.
    seconds: Option<i64>,
}

/// The command among the words, which options and their values may stand before; of a program's job, what it does.
fn kind(words: &[String]) -> &str {
    if let [program, kind, _, _] = words
        && program == "program"
    {
        return kind;
    }
    let command = <Arguments as clap::CommandFactory>::command();
    let is_command = |word: &&String| command.find_subcommand(word.as_str()).is_some();
    words.iter().find(is_command).map_or("", String::as_str)
}

/// Lists the jobs, the newest first.
pub fn list(jobs: &Jobs, output: Output) -> Result<u8> {
    let all = jobs.journal()?.jobs()?;
    let iso = |at: i64| Timestamp::from_second(at).map(|at| at.to_string()).unwrap_or_default();
    let rows: Vec<Row<'_>> = all
        .iter()
        .map(|job| Row {
            kind: kind(&job.command),
            started_at: iso(job.started),
            ended_at: job.ended.map(iso),
            seconds: job.ended.map(|ended| ended - job.started),
            job,
        })
        .collect();
    if output.json {
        output.document(&rows)?;
        return Ok(0);
    }
    for Row { job, seconds, .. } in &rows {
        let counts = [
            (job.created, "created"),
            (job.updated, "updated"),
            (job.removed, "removed"),
            (job.open, "unsettled"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let done: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        let done = if done.is_empty() { "nothing new".to_owned() } else { done.join(", ") };
        let done = match job.chunks.checked_sub(job.chunks_sent) {
            Some(left @ 1..) if job.state == State::Running => format!("{done}, {left} chunks with workers"),
            _ => done,
        };
        let when = Timestamp::from_second(job.started)
            .map(|at| at.strftime("%Y-%m-%d %H:%MZ").to_string())
            .unwrap_or_default();
        let took = seconds.map(|seconds| format!(" {seconds} s")).unwrap_or_default();
        let state = job.state.name();
        output.line(&format!("{:>4}  {state:<11}  {when}{took}  {done}  {}", job.id, clean(&typed(job))))?;
    }
    Ok(0)
}

/// The number of a job that was typed; the newest that can be meant.
fn number(which: WhichJob, jobs: &Jobs, meant: impl Fn(&Summary) -> bool, what: &str) -> Result<i64> {
    match which {
        WhichJob::Number(id) => Ok(id),
        WhichJob::Last => jobs.journal()?.last(meant, what).map(|job| job.id),
    }
}

/// Takes a job out of the journal.
pub fn forget(id: i64, jobs: &Jobs, output: Output) -> Result<u8> {
    jobs.journal()?.forget(id)?;
    if output.json {
        output.document(&serde_json::json!({ "forgotten": id }))?;
    }
    output.say(&format!("forgot job {id}; what it made stays"));
    Ok(0)
}

/// The command as it was typed; of a program's job, what does the same.
fn typed(job: &Summary) -> String {
    match &*job.command {
        [program, words @ ..] if program == "program" => format!("{} (by a program)", report::typed(words)),
        words => format!("keyferry {}", report::typed(words)),
    }
}

/// The job's command, understood again in the folder that it was typed in.
fn command(job: &Summary) -> Result<Arguments> {
    std::env::set_current_dir(&job.folder).map_err(|error| Error::io(&job.folder, error))?;
    understood(job)
}

/// The same for whoever needs nothing but where the job writes to: on another machine there may be no such folder.
pub fn command_anywhere(job: &Summary) -> Result<Arguments> {
    if job.folder.is_dir() { command(job) } else { understood(job) }
}

fn understood(job: &Summary) -> Result<Arguments> {
    let words = std::iter::once("keyferry").chain(job.command.iter().map(String::as_str));
    Arguments::read(words).map_err(|error| {
        Error::new(ErrorKind::Input, format!("the command of job {} is not understood any more", job.id))
            .because(error)
            .next_step("run it again as a new job: what is there already is not made twice")
    })
}

/// The environment that a transfer writes into, as it was typed, and which of the command's locations it is.
pub fn sink_of(command: Command) -> Option<(String, Side)> {
    match command {
        Command::Import(import) => Some((import.environment, Side::Only)),
        Command::Migrate(migrate) => Some((migrate.to, Side::To)),
        Command::Sync(sync) => Some((sync.to, Side::To)),
        Command::Program(program) => Some((program.to().to_owned(), Side::To)),
        Command::Archive(Archive::Extract(extract)) => Some((extract.to, Side::Only)),
        _ => None,
    }
}

/// Runs the job's command once more, as the same job.
pub async fn resume(which: WhichJob, jobs: Jobs, output: Output) -> Result<u8> {
    let id = number(which, &jobs, |job| job.state.can_be_resumed(), "stopped before its end")?;
    let job = jobs.journal()?.job(id)?;
    if !job.state.can_be_resumed() {
        let next = match job.state {
            State::HalfUndone => format!("{} goes on with taking it back", jobs.undo(id)),
            State::Running | State::Undoing => "wait until it has ended".to_owned(),
            _ => "keyferry jobs lists what can be resumed".to_owned(),
        };
        return Err(usage(format!("job {id} is {}: there is nothing to go on with", job.state.name()), next));
    }
    let arguments = command(&job)?;
    output.say(&format!("resuming job {id}: {}", clean(&typed(&job))));
    // Boxed, because a command may run a command.
    Box::pin(crate::commands::run(arguments, jobs.resuming(&job), output)).await
}

/// Leaves a program's job to the program.
pub fn of_program() -> Result<u8> {
    Err(usage(
        "this job was begun by a program, through the Python module or the C library",
        "go on with it there: keyferry.resume(JOB, source, sink) or kf_resume; keyferry undo JOB takes it back",
    ))
}

/// Takes back what the job did.
pub async fn undo(which: WhichJob, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let id = number(which, jobs, |job| job.undoable || job.state == State::Undone, "can be taken back")?;
    let journal = jobs.journal()?;
    let job = journal.job(id)?;
    // The one before was not meant, and may have gone elsewhere.
    if which == WhichJob::Last && job.state == State::Undone {
        return Err(usage(
            format!("the last job, {id}, was taken back already: {}", clean(&typed(&job))),
            "keyferry jobs lists the others; keyferry undo NUMBER takes back one of them",
        ));
    }
    output.say(&format!("taking back job {id}: {}", clean(&typed(&job))));
    let command = command_anywhere(&job)?.command;
    #[cfg(feature = "rotate")]
    if matches!(command, Command::Rotate(_)) {
        return Err(usage(
            format!("job {id} is a rotation: the old secrets do not work any more"),
            "rotate once more; keyferry resume finishes or takes back what is open",
        ));
    }
    let Some((sink, side)) = sink_of(command) else {
        return Err(usage(format!("job {id} wrote into no environment"), "keyferry jobs lists them"));
    };
    let (environment, _) = location::environment(&sink, side, Need::Contents, config).await?;
    environment.unlocked()?;
    let _held = journal.lock(environment.place())?;
    let progress = Shown::new(output);
    let undone = engine::undo(&journal, id, &Arc::new(environment), &progress).await;
    let undone = undone.map_err(|error| match journal.job(id) {
        Ok(job) if job.state.is_at_work() || job.state == State::HalfUndone => error.then(&jobs.undo(id)),
        _ => error,
    })?;
    drop(progress);
    if output.json {
        output.document(&undone)?;
        return Ok(undone.exit_code());
    }
    if output.quiet && undone.exit_code() == 0 {
        return Ok(0);
    }
    let back = match undone.brought_back {
        0 => String::new(),
        count => format!("{count} brought back, "),
    };
    output.line(&format!(
        "{} moved to the bin, {} restored, {back}{} spared, {} gone already, {} vaults and folders removed in {:.1} s",
        undone.removed,
        undone.restored,
        undone.spared.len(),
        undone.gone,
        undone.places_removed,
        undone.seconds
    ))?;
    if undone.rights_removed > 0 {
        let count = undone.rights_removed;
        output.line(&format!("  {count} groups, memberships, rights and shortcuts taken back"))?;
    }
    for name in &undone.still_there {
        output.line(&format!(
            "  still there, though the environment said that it was taken back: {}",
            clean(name)
        ))?;
    }
    for name in &undone.spared {
        output.line(&format!("  spared: {}: edited since", clean(name)))?;
    }
    for note in &undone.notes {
        output.line(&format!("  note: {}", clean(note)))?;
    }
    Ok(undone.exit_code())
}
