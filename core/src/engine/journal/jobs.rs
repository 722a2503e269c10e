//! The table `jobs`: what was asked for, how far it has come, and how it ended.

use crate::engine::crash;
use crate::engine::environment::Environment;
use crate::engine::journal::content::Content;
use crate::engine::journal::sealing::JobKey;
use crate::engine::journal::{Journal, now};
use crate::engine::report::Report;
use crate::error::{Error, ErrorKind, Place, Result};
use keyferry_api::item::Item;
use keyferry_sql::{self as sql, Connection, Dialect, Optional as _, Row, params};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is at work.
    Running,
    /// Its process ended without a word.
    Stopped,
    /// It came to its end.
    Done,
    /// An error ended it.
    Failed,
    /// The user ended it.
    Interrupted,
    /// What it did is being taken back.
    Undoing,
    /// Taking it back did not come to its end; `undo` goes on with that.
    #[serde(rename = "half-undone")]
    HalfUndone,
    /// What it did was taken back.
    Undone,
}

impl State {
    const ALL: [Self; 8] = [
        Self::Running,
        Self::Stopped,
        Self::Done,
        Self::Failed,
        Self::Interrupted,
        Self::Undoing,
        Self::HalfUndone,
        Self::Undone,
    ];

    /// The word in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Undoing => "undoing",
            Self::HalfUndone => "half-undone",
            Self::Undone => "undone",
        }
    }

    /// The state of that name; what a later version may call it is no state to go on from.
    fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|known| known.name() == name).unwrap_or(Self::Failed)
    }

    /// Whether a process is at work on it.
    #[must_use]
    pub fn is_at_work(self) -> bool {
        matches!(self, Self::Running | Self::Undoing)
    }

    /// Whether `resume` can go on with it.
    #[must_use]
    pub fn can_be_resumed(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed | Self::Interrupted)
    }
}

/// One job of a journal, in names and numbers.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// What `resume` and `undo` take.
    pub id: i64,
    /// How far it has come.
    pub state: State,
    /// Unix seconds.
    pub started: i64,
    /// Unix seconds.
    pub ended: Option<i64>,
    /// The command's words as they were typed, without the program's name.
    pub command: Vec<String>,
    /// The folder it was typed in.
    pub folder: PathBuf,
    /// The canonical name of the environment that it writes to.
    pub sink: String,
    /// Records that it made, as far as known.
    pub created: u64,
    /// Records that it overwrote.
    pub updated: u64,
    /// Records that it moved to the bin.
    pub removed: u64,
    /// Records whose answer never came.
    pub open: u64,
    /// Whether `undo` can take it back, or go on with that.
    pub undoable: bool,
    /// Chunks that were put there for several workers.
    pub chunks: u64,
    /// Those of them that were sent.
    pub chunks_sent: u64,
    /// Whether it wrote nothing yet.
    #[serde(skip)]
    idle: bool,
}

/// What a new job is known by.
#[derive(Debug)]
pub struct NewJob<'a> {
    /// The command's words, without the program's name. They hold no secret.
    pub command: &'a [String],
    /// The folder that they were typed in.
    pub folder: &'a Path,
    /// When, in unix seconds: what a span such as `7d` in the words is counted from.
    pub started: i64,
}

impl Journal {
    /// Every job, the newest first.
    pub fn jobs(&self) -> Result<Vec<Summary>> {
        let all: Vec<Summary> = self.look(|db| {
            let mut query = db.prepare_cached(&format!("{SUMMARY}, {IDLE} FROM jobs ORDER BY id DESC"))?;
            query.query_map([], summary)?.collect()
        })?;
        // One job at a time writes to a sink, and the newest of those that say so is it.
        let mut at_work = HashSet::new();
        let mut told = Vec::with_capacity(all.len());
        for job in all {
            let newest = job.state.is_at_work() && at_work.insert(job.sink.clone());
            told.extend(self.as_it_is(job, newest)?);
        }
        Ok(told)
    }

    /// A job whose process may have ended without a word, `may_be_at_work` or not; `None` where that one wrote nothing, so
    /// that there is no job.
    fn as_it_is(&self, mut job: Summary, may_be_at_work: bool) -> Result<Option<Summary>> {
        if !job.state.is_at_work() || (may_be_at_work && self.is_held(&job.sink)?) {
            return Ok(Some(job));
        }
        if job.state == State::Undoing {
            job.state = State::HalfUndone;
            return Ok(Some(job));
        }
        job.state = State::Stopped;
        Ok((!job.idle).then_some(job))
    }

    /// Writes down that the jobs of a sink that is held now ended without a word, and forgets those of any sink that wrote
    /// nothing: they take no numbers.
    pub(super) fn settle_dead(&self, held: &str) -> Result<()> {
        let dead = |sink: &str| {
            let db = self.writing()?;
            let change = db.started();
            let idle = format!(
                "SELECT id FROM jobs WHERE sink = ?1 AND state = 'running' AND {IDLE} ORDER BY id DESC"
            );
            let idle: Vec<i64> = change
                .prepare_cached(&idle)?
                .query_map([sink], |row| row.get(0))?
                .collect::<sql::Result<_>>()?;
            for id in idle {
                forget_idle(&change, id)?;
            }
            change
                .execute("UPDATE jobs SET state = 'stopped' WHERE sink = ?1 AND state = 'running'", [sink])?;
            change.execute(
                "UPDATE jobs SET state = 'half-undone' WHERE sink = ?1 AND state = 'undoing'",
                [sink],
            )?;
            change.commit()
        };
        dead(held).map_err(|error| self.failed(error))?;
        let others = self.look(|db| {
            let sinks =
                format!("SELECT DISTINCT sink FROM jobs WHERE state = 'running' AND sink <> ?1 AND {IDLE}");
            db.prepare_cached(&sinks)?
                .query_map([held], |row| row.get(0))?
                .collect::<sql::Result<Vec<String>>>()
        })?;
        for sink in others {
            if let Some(_free) = self.try_lock(&sink)? {
                dead(&sink).map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    /// The newest job that `wanted` takes: one that `what` says, such as "can be undone".
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is none.
    pub fn last(&self, wanted: impl Fn(&Summary) -> bool, what: &str) -> Result<Summary> {
        self.jobs()?.into_iter().find(wanted).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no job {what}"))
                .at(Place::File { path: self.path.clone(), at: None })
                .next_step("keyferry jobs lists them; --journal names another journal")
        })
    }

    /// A job that did the same and did not come to its end: whoever runs its command again goes on with it. Called while
    /// the sink is held, so it is not at work.
    pub(crate) fn unfinished(&self, new: &NewJob<'_>, sink: &Environment) -> Result<Option<i64>> {
        let words = serde_json::to_string(new.command).unwrap_or_default();
        let newest: Option<(i64, String, String, String)> = self.look(|db| {
            db.query_row(
                "SELECT id, command, folder, state FROM jobs WHERE sink = ?1 ORDER BY id DESC LIMIT 1",
                [sink.place()],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .optional()
        })?;
        Ok(newest.and_then(|(id, command, folder, state)| {
            let same = command == words && folder == new.folder.to_string_lossy();
            (same && State::of(&state).can_be_resumed()).then_some(id)
        }))
    }

    /// The last job that wrote to a sink.
    pub(crate) fn newest(&self, sink: &str) -> Result<Option<i64>> {
        self.look(|db| db.query_row("SELECT max(id) FROM jobs WHERE sink = ?1", [sink], |row| row.get(0)))
    }

    /// One job.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such job.
    pub fn job(&self, id: i64) -> Result<Summary> {
        let found = self.look(|db| {
            db.query_row(&format!("{SUMMARY}, {IDLE} FROM jobs WHERE id = ?1"), [id], summary).optional()
        })?;
        found.map(|job| self.as_it_is(job, true)).transpose()?.flatten().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no job {id}"))
                .at(Place::File { path: self.path.clone(), at: None })
                .next_step(
                    "keyferry jobs lists them; a run that wrote nothing is none: run its command again",
                )
        })
    }

    /// Writes down a new job that will write to `sink`.
    pub fn begin(&self, new: &NewJob<'_>, sink: &Environment) -> Result<Job> {
        let keychain = sink.keychain().ok();
        let request_timeout = sink.client().request_timeout();
        let key = keychain.map(|_| JobKey::generate()).transpose()?;
        let wrapped = match (keychain, &key) {
            (Some(keychain), Some(key)) => Some(keychain.public().strong()?.wrap(&key.to_text())?),
            _ => None,
        };
        let words = serde_json::to_string(new.command).unwrap_or_default();
        let id = {
            let db = self.db();
            db.insert(
                "INSERT INTO jobs (started, command, folder, sink, patience, job_key, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'running')",
                "id",
                params![
                    new.started,
                    words,
                    new.folder.to_string_lossy(),
                    sink.place(),
                    i64::try_from(request_timeout.as_secs()).unwrap_or(i64::MAX),
                    wrapped
                ],
            )
            .map_err(|error| self.failed(error))?
        };
        crash::point("job begun");
        Ok(Job { journal: self.clone(), id, request_timeout, key: key.map(Arc::new) })
    }

    /// Takes up a job again, to go on with it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where it wrote elsewhere than into `sink`, or was undone, be it by half;
    /// [`ErrorKind::Locked`] where its key is not this user's.
    pub fn resume(&self, id: i64, sink: &Environment) -> Result<Job> {
        let job = self.reopen(id, sink)?;
        if self.job(id)?.state == State::HalfUndone {
            return Err(Error::new(ErrorKind::Usage, format!("job {id} is half undone"))
                .next_step(format!("keyferry undo {id} goes on with that")));
        }
        job.change(|db| {
            db.execute("UPDATE jobs SET state = 'running', ended = NULL WHERE id = ?1", [id]).map(drop)
        })?;
        Ok(job)
    }

    /// Opens a job that exists.
    pub(crate) fn reopen(&self, id: i64, sink: &Environment) -> Result<Job> {
        let (keychain, sink) = (sink.keychain().ok(), sink.place());
        let summary = self.job(id)?;
        let (wrote_to, request_timeout, wrapped): (String, i64, Option<String>) = self.look(|db| {
            db.query_row("SELECT sink, patience, job_key FROM jobs WHERE id = ?1", [id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        })?;
        let refuse = |what: String, next: &str| Err(Error::new(ErrorKind::Usage, what).next_step(next));
        if wrote_to != sink {
            return refuse(
                format!("job {id} wrote to {wrote_to}, and this is {sink}"),
                "name the environment as it was when the job began",
            );
        }
        if summary.state == State::Undone {
            return refuse(format!("job {id} was undone"), "run its command again as a new job");
        }
        let key = match (wrapped, keychain) {
            (Some(wrapped), Some(keychain)) => {
                let not_theirs = |error| {
                    Error::new(ErrorKind::Locked, format!("job {id} belongs to another user"))
                        .next_step("give the master password or key of the user who began it")
                        .because(error)
                };
                Some(
                    keychain
                        .unwrap(&wrapped)
                        .and_then(|text| JobKey::from_text(&text))
                        .map_err(not_theirs)?,
                )
            }
            _ => None,
        };
        Ok(Job {
            journal: self.clone(),
            id,
            request_timeout: Duration::from_secs(u64::try_from(request_timeout).unwrap_or_default()),
            key: key.map(Arc::new),
        })
    }

    /// Takes a job and all that is known of it out of the journal: it can neither be resumed nor undone
    /// any more. What it made stays.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such job; [`ErrorKind::Conflict`] where it is at work;
    /// [`ErrorKind::Refused`] where it holds secrets that may work at their targets and stand nowhere else.
    pub fn forget(&self, id: i64) -> Result<()> {
        if self.job(id)?.state.is_at_work() {
            return Err(Error::new(ErrorKind::Conflict, format!("job {id} is at work"))
                .next_step("wait until it has ended, or stop it"));
        }
        if self.look(|db| holds_open_secrets(db, id))? {
            let what = "it holds secrets that may work at their targets and stand nowhere else";
            return Err(Error::new(ErrorKind::Refused, what).next_step(format!("keyferry resume {id}")));
        }
        let forget = || {
            let db = self.db();
            db.execute("DELETE FROM jobs WHERE id = ?1", [id])?;
            match db.dialect() {
                // Without this the file would never get smaller.
                Dialect::Sqlite => db.execute_batch("VACUUM"),
                Dialect::Postgres => Ok(()),
            }
        };
        forget().map_err(|error| self.failed(error))
    }
}

/// How fast a job was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Its number.
    pub job: i64,
    /// What each record that it wrote took, from reading it to reading it back.
    pub seconds_per_record: f64,
}

/// What a report says of time.
#[derive(Deserialize)]
struct Timed {
    seconds: f64,
    created: u64,
    updated: u64,
}

impl Journal {
    /// The pace of the largest among the newest jobs that wrote to a sink; `None` where none did.
    pub fn pace(&self, sink: &str) -> Result<Option<Pace>> {
        let reports = self.look(|db| {
            let mut query = db.prepare_cached(
                "SELECT id, report FROM jobs WHERE sink = ?1 AND report IS NOT NULL ORDER BY id DESC LIMIT 20",
            )?;
            let rows = query.query_map([sink], |row| Ok((row.get(0)?, row.get::<String>(1)?)))?;
            rows.collect::<sql::Result<Vec<(i64, String)>>>()
        })?;
        let timed = reports.iter().filter_map(|(job, report)| {
            let Timed { seconds, created, updated } = serde_json::from_str(report).ok()?;
            let written = created + updated;
            (written > 0 && seconds > 0.0)
                .then(|| (written, Pace { job: *job, seconds_per_record: seconds / written as f64 }))
        });
        // Of equals the newest, which stands first.
        let largest = timed.reduce(|best, next| if next.0 > best.0 { next } else { best });
        Ok(largest.map(|(_, pace)| pace))
    }
}

const SUMMARY: &str = "SELECT id, state, started, ended, command, folder, sink,
    job_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM rotations WHERE job = jobs.id),
    (SELECT count(*) FROM creations WHERE job = jobs.id AND item IS NOT NULL),
    (SELECT count(*) FROM updates WHERE job = jobs.id AND open = 0)
  + (SELECT count(*) FROM rotations WHERE job = jobs.id AND outcome = 'rotated'),
    (SELECT count(*) FROM creations WHERE job = jobs.id AND open = 1)
  + (SELECT count(*) FROM updates WHERE job = jobs.id AND open = 1)
  + (SELECT count(*) FROM removals WHERE job = jobs.id AND open = 1)
  + (SELECT count(*) FROM rotations WHERE job = jobs.id AND outcome IS NULL),
    (SELECT count(DISTINCT item) FROM removals WHERE job = jobs.id AND gone = 1),
    (SELECT count(*) FROM chunks WHERE job = jobs.id AND state < 2),
    (SELECT count(*) FROM chunks WHERE job = jobs.id AND state = 1)";

/// That a row of `jobs` wrote nothing.
const IDLE: &str = "NOT EXISTS (SELECT 1 FROM creations WHERE job = jobs.id)
      AND NOT EXISTS (SELECT 1 FROM updates WHERE job = jobs.id)
      AND NOT EXISTS (SELECT 1 FROM removals WHERE job = jobs.id)
      AND NOT EXISTS (SELECT 1 FROM rotations WHERE job = jobs.id)
      AND NOT EXISTS (SELECT 1 FROM grants WHERE job = jobs.id)
      AND NOT EXISTS (SELECT 1 FROM places WHERE job = jobs.id)
      AND NOT EXISTS (SELECT 1 FROM chunks WHERE job = jobs.id)";

/// Takes a job that did nothing out of the journal; says whether it was one. Its number was told to nobody: in a file the
/// next job gets it.
fn forget_idle(db: &Connection, id: i64) -> sql::Result<bool> {
    let forgotten = db.execute(&format!("DELETE FROM jobs WHERE id = ?1 AND {IDLE}"), [id])? > 0;
    if db.dialect() == Dialect::Sqlite {
        let last = "UPDATE sqlite_sequence SET seq = ?1 - 1 WHERE name = 'jobs' AND seq = ?1 AND ?2";
        db.execute(last, params![id, forgotten])?;
    }
    Ok(forgotten)
}

fn summary(row: &Row<'_>) -> sql::Result<Summary> {
    let state: String = row.get(1)?;
    let words: String = row.get(4)?;
    let folder: String = row.get(5)?;
    let count = |column| row.get::<i64>(column).map(|count| u64::try_from(count).unwrap_or_default());
    Ok(Summary {
        id: row.get(0)?,
        state: State::of(&state),
        started: row.get(2)?,
        ended: row.get(3)?,
        command: serde_json::from_str(&words).unwrap_or_default(),
        folder: folder.into(),
        sink: row.get(6)?,
        undoable: row.get::<bool>(7)? && state != State::Undone.name(),
        created: count(8)?,
        updated: count(9)?,
        open: count(10)?,
        removed: count(11)?,
        chunks: count(12)?,
        chunks_sent: count(13)?,
        idle: row.get(14)?,
    })
}

/// A job at work. Its methods write to the disk and wait for it: call them where blocking is allowed.
#[derive(Clone)]
pub struct Job {
    journal: Journal,
    id: i64,
    request_timeout: Duration,
    key: Option<Arc<JobKey>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({})", self.id)
    }
}

impl Job {
    /// What `resume` and `undo` take.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The journal that it stands in.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How long a request may have an effect after it was sent.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Unix seconds, by the clock that all go by who share the journal: what it says happened then and then, did so by this one.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.journal.now()
    }

    /// What it seals with; `None` where the user has no keys.
    pub(crate) fn key(&self) -> Option<&JobKey> {
        self.key.as_deref()
    }

    pub(crate) fn change<T>(&self, work: impl FnMut(&Connection) -> sql::Result<T>) -> Result<T> {
        self.journal.change(work)
    }

    /// As [`Job::change`], for work that can fail by itself: then nothing is changed.
    pub(crate) fn try_change<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let failed = |error| self.journal.failed(error);
        let db = self.journal.writing().map_err(failed)?;
        let change = db.started();
        let done = work(&change)?;
        change.commit().map_err(failed)?;
        Ok(done)
    }

    pub(crate) fn read<T>(
        &self,
        sql: &str,
        mut row: impl FnMut(&Row<'_>) -> sql::Result<T>,
    ) -> Result<Vec<T>> {
        self.journal.look(|db| {
            let mut query = db.prepare_cached(sql)?;
            let rows = query.query_map([self.id], &mut row)?;
            rows.collect()
        })
    }

    /// Closes what is still open: it was waited for, and nothing came of it that looking can find.
    pub(crate) fn close_open(&self) -> Result<()> {
        self.change(|db| {
            db.execute("UPDATE creations SET open = 0 WHERE job = ?1 AND open = 1", [self.id])?;
            db.execute("UPDATE places SET open = 0 WHERE job = ?1 AND open = 1", [self.id]).map(drop)
        })
    }

    /// When the last request without an answer was sent, in Unix seconds.
    pub(crate) fn last_open(&self) -> Result<Option<i64>> {
        let sent = self.read(
            "SELECT max(sent) FROM (
                SELECT max(sent) AS sent FROM creations WHERE job = ?1 AND open = 1
                UNION ALL SELECT max(sent) FROM updates WHERE job = ?1 AND open = 1
                UNION ALL SELECT max(sent) FROM removals WHERE job = ?1 AND open = 1
                UNION ALL SELECT max(sent) FROM places WHERE job = ?1 AND open = 1) AS each_kind",
            |row| row.get(0),
        )?;
        Ok(sent.into_iter().next().flatten())
    }

    /// Takes the job out of the journal if it did nothing; says whether it was so.
    pub fn forget_if_idle(&self) -> Result<bool> {
        self.change(|db| forget_idle(db, self.id))
    }

    /// Writes down that it is being taken back.
    pub(crate) fn undoing(&self) -> Result<()> {
        self.change(|db| db.execute("UPDATE jobs SET state = 'undoing' WHERE id = ?1", [self.id]).map(drop))
    }

    /// Writes down how it ended.
    pub fn finish(&self, state: State, report: Option<&Report>) -> Result<()> {
        crash::point("before the end");
        let report = report.and_then(|report| serde_json::to_string(report).ok());
        self.change(|db| {
            db.execute(
                // What is taken back later took no longer for that.
                "UPDATE jobs SET state = ?2, ended = CASE WHEN ?5 THEN coalesce(ended, ?3) ELSE ?3 END, report = coalesce(?4, report)
                 WHERE id = ?1",
                params![
                    self.id,
                    state.name(),
                    now(),
                    report,
                    matches!(state, State::Undone | State::HalfUndone)
                ],
            )
            .map(drop)
        })
    }

    /// Whether `undo` can take it back: it can tell its own work from later edits.
    #[must_use]
    pub fn can_be_undone(&self) -> bool {
        self.key.is_some()
    }

    /// The keyed digest of an item as it is now.
    pub(crate) fn digest_of_item(&self, item: &Item) -> Option<[u8; 32]> {
        self.key.as_ref().map(|key| key.digest(&Content::of_item(item)))
    }
}

/// Whether a job has begun a rotation that has not ended.
fn holds_open_secrets(db: &Connection, job: i64) -> sql::Result<bool> {
    let open =
        "SELECT EXISTS (SELECT 1 FROM rotations WHERE job = ?1 AND outcome IS NULL AND secrets IS NOT NULL)";
    db.query_row(open, [job], |row| row.get(0))
}
