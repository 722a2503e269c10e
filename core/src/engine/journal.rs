//! What a job means to do, written down before it does it, and what came of it: enough to go on
//! after a crash, to settle answers that never came, and to take back what was done.
//!
//! One `SQLite` file holds all jobs (write-ahead log, `synchronous = FULL`: an intent is on the disk
//! before its request leaves). It holds no secret:
//!
//! | table | what it holds |
//! |---|---|
//! | `jobs` | the command as it was typed, its folder, its state, its report |
//! | `creations` | for each record sent: `SHA-256(keyEncrypted)`, which is random and so unique, a keyed digest of what was sent, and the item's id once it is known |
//! | `updates` | for each item overwritten: the item as it was, sealed, and a keyed digest of what it became |
//! | `places` | vaults and folders that the job made |
//! | `syncs`, `synced` | for each pair of places that are kept in step: keyed digests of the records as they were brought there last |
//! | `rotations` | for each secret that is changed at its target: old and new, sealed, until it has ended |
//! | `pins` | the fingerprints of other users' public keys, as they were first seen |
//!
//! Digests and sealed items are under the job's own key: 32 random bytes, wrapped to the user's
//! public key (RSA-OAEP), so that only the user can say what they stand for. Where the user has no
//! keys there is no job key either, and such a job cannot be undone.

use super::environment::Environment;
use super::report::Report;
use super::rotations;
use crate::crypto::generate;
use crate::crypto::keychain::PublicKey;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::secret::SecretString;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use data_encoding::BASE64;
use etcetera::BaseStrategy as _;
use hmac::{Hmac, Mac};
use keyferry_api::item::{AttachmentInfo, Custom, Item, ItemDraft};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Raised when the tables change.
const VERSION: i64 = 3;

const TABLES: &str = "
CREATE TABLE jobs (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    started  INTEGER NOT NULL,
    ended    INTEGER,
    command  TEXT NOT NULL,
    folder   TEXT NOT NULL,
    sink     TEXT NOT NULL,
    patience INTEGER NOT NULL,
    job_key  TEXT,
    state    TEXT NOT NULL,
    report   TEXT
) STRICT;
CREATE TABLE creations (
    seq    INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sent   INTEGER NOT NULL,
    wrap   BLOB NOT NULL,
    print  BLOB,
    item   TEXT,
    open   INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX creations_of_job ON creations (job, open);
CREATE TABLE updates (
    seq    INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sent   INTEGER NOT NULL,
    item   TEXT NOT NULL,
    before BLOB,
    print  BLOB,
    open   INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX updates_of_job ON updates (job, open);
CREATE TABLE places (
    seq    INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sent   INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    vault  TEXT,
    folder TEXT,
    open   INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX places_of_job ON places (job, open);
";

/// What version 2 added.
const TABLES_2: &str = "
CREATE TABLE syncs (
    id         INTEGER PRIMARY KEY,
    pair       TEXT NOT NULL UNIQUE,
    digest_key TEXT NOT NULL,
    generation INTEGER NOT NULL
) STRICT;
CREATE TABLE synced (
    sync       INTEGER NOT NULL REFERENCES syncs (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    identity   BLOB NOT NULL,
    content    BLOB NOT NULL,
    PRIMARY KEY (sync, generation, identity, content)
) STRICT, WITHOUT ROWID;
CREATE TABLE pins (
    place       TEXT NOT NULL,
    user        TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    PRIMARY KEY (place, user)
) STRICT, WITHOUT ROWID;
";

/// `SHA-256(keyEncrypted)`: which creation an item came from.
pub(super) type Wrap = [u8; 32];

/// The wrap of a record key; `None` where nothing is encrypted, as then nothing tells twins apart.
pub(super) fn wrap(key_encrypted: Option<&str>) -> Option<Wrap> {
    key_encrypted.filter(|key| !key.is_empty()).map(|key| Sha256::digest(key).into())
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is at work, or its process ended without a word.
    Running,
    /// It came to its end.
    Done,
    /// An error ended it.
    Failed,
    /// The user ended it.
    Interrupted,
    /// What it did was taken back.
    Undone,
}

impl State {
    const ALL: [Self; 5] = [Self::Running, Self::Done, Self::Failed, Self::Interrupted, Self::Undone];

    /// The word in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Undone => "undone",
        }
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
    /// Records that it made, as far as known.
    pub created: u64,
    /// Records that it overwrote.
    pub updated: u64,
    /// Records whose answer never came.
    pub open: u64,
    /// Whether `undo` can take it back.
    pub undoable: bool,
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

/// Every job of this user on this machine.
#[derive(Clone)]
pub struct Journal {
    db: Arc<Mutex<Connection>>,
    path: PathBuf,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Journal {
    /// Where every face keeps this user's journal unless told otherwise: `keyferry/journal.db` in the platform's
    /// folder for state.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where the user has no home.
    pub fn default_path() -> Result<PathBuf> {
        let folders = etcetera::choose_base_strategy().map_err(|error| {
            Error::new(ErrorKind::Usage, "this user has no state folder")
                .because(error)
                .next_step("name the journal's file")
        })?;
        Ok(folders.state_dir().unwrap_or_else(|| folders.data_dir()).join("keyferry").join("journal.db"))
    }

    /// Opens a journal, or makes it: readable by its owner alone, as is its folder where that is new.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_private_folder(folder).map_err(|error| Error::io(folder, error))?;
        }
        // SQLite gives its other files the rights of this one.
        private_file(path).map_err(|error| Error::io(path, error))?;
        let failed = |error| broken(path, error);
        let db = Connection::open(path).map_err(failed)?;
        db.busy_timeout(Duration::from_secs(30)).map_err(failed)?;
        db.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        db.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        db.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        let version = |db: &Connection| db.pragma_query_value(None, "user_version", |row| row.get(0));
        match version(&db).map_err(failed)? {
            VERSION => {}
            0..VERSION => {
                // Another process may be making the tables as well.
                let change =
                    rusqlite::Transaction::new_unchecked(&db, rusqlite::TransactionBehavior::Immediate)
                        .map_err(failed)?;
                let held = version(&change).map_err(failed)?;
                if held == 0 {
                    change.execute_batch(TABLES).map_err(failed)?;
                }
                if held < 2 {
                    change.execute_batch(TABLES_2).map_err(failed)?;
                }
                if held < VERSION {
                    change.execute_batch(rotations::TABLES).map_err(failed)?;
                    change.pragma_update(None, "user_version", VERSION).map_err(failed)?;
                }
                change.commit().map_err(failed)?;
            }
            _ => {
                return Err(Error::new(ErrorKind::Input, "this journal was written by a newer keyferry")
                    .at(Place::File { path: path.to_owned(), at: None })
                    .next_step("use that version, or another file with --journal"));
            }
        }
        Ok(Self { db: Arc::new(Mutex::new(db)), path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn db(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic cut off was rolled back.
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failed(&self, error: rusqlite::Error) -> Error {
        broken(&self.path, error)
    }

    /// Every job, the newest first.
    pub fn jobs(&self) -> Result<Vec<Summary>> {
        let db = self.db();
        let failed = |error| self.failed(error);
        let mut query = db.prepare(&format!("{SUMMARY} ORDER BY id DESC")).map_err(failed)?;
        let rows = query.query_map([], summary).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// One job.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such job.
    pub fn job(&self, id: i64) -> Result<Summary> {
        let db = self.db();
        let found = db.query_row(&format!("{SUMMARY} WHERE id = ?1"), [id], summary).optional();
        found.map_err(|error| self.failed(error))?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no job {id}"))
                .at(Place::File { path: self.path.clone(), at: None })
                .next_step("keyferry jobs lists them")
        })
    }

    /// Holds a sink for one job at a time on this machine, under any spelling that `sink` is
    /// canonical for. The lock ends with its process, however that ends.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] where another job holds it.
    pub fn lock(&self, sink: &str) -> Result<Lock> {
        let name = data_encoding::HEXLOWER.encode(&Sha256::digest(sink)[..16]);
        let mut folder = self.path.clone().into_os_string();
        folder.push(".locks");
        let folder = PathBuf::from(folder);
        make_private_folder(&folder).map_err(|error| Error::io(&folder, error))?;
        let path = folder.join(name);
        let file = private_file(&path).map_err(|error| Error::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(Error::new(ErrorKind::Conflict, format!("another job is writing to {sink}"))
                    .next_step("wait until it has ended: two at once could make records twice"))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(Error::io(path, error)),
        }
    }

    /// Takes a job and all that is known of it out of the journal: it can neither be resumed nor undone
    /// any more. What it made stays.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such job; [`ErrorKind::Refused`] where it holds secrets that may work
    /// at their targets and stand nowhere else.
    pub fn forget(&self, id: i64) -> Result<()> {
        self.job(id)?;
        if rotations::are_open(&self.db(), id).map_err(|error| self.failed(error))? {
            let what = "it holds secrets that may work at their targets and stand nowhere else";
            return Err(Error::new(ErrorKind::Refused, what).next_step(format!("keyferry resume {id}")));
        }
        let forget = || {
            let db = self.db();
            db.execute("DELETE FROM jobs WHERE id = ?1", [id])?;
            // Without this the file would never get smaller.
            db.execute_batch("VACUUM")
        };
        forget().map_err(|error| self.failed(error))
    }

    /// Makes sure that another user's public key is the one that was seen first. What is encrypted for
    /// a key that a server put in its place, the server can read.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it is another.
    pub fn pin(&self, place: &str, user: &str, key: &PublicKey) -> Result<()> {
        let fingerprint = key.fingerprint()?;
        let pin = || {
            let db = self.db();
            db.execute(
                "INSERT OR IGNORE INTO pins (place, user, fingerprint) VALUES (?1, ?2, ?3)",
                params![place, user, fingerprint],
            )?;
            db.query_row(
                "SELECT fingerprint FROM pins WHERE place = ?1 AND user = ?2",
                [place, user],
                |row| row.get::<_, [u8; 32]>(0),
            )
        };
        let pinned = pin().map_err(|error| self.failed(error))?;
        if pinned == fingerprint {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotAllowed,
            format!("the public key of user {user} of {place} is not the one that was seen before"),
        )
        .next_step(format!(
            "ask that user over another way whether the key was changed; if so: keyferry env unpin {place} {user}"
        )))
    }

    /// Forgets another user's public key: the next one that is seen will be believed. Says whether
    /// there was any.
    pub fn unpin(&self, place: &str, user: &str) -> Result<bool> {
        let gone = self.db().execute("DELETE FROM pins WHERE place = ?1 AND user = ?2", [place, user]);
        gone.map(|gone| gone > 0).map_err(|error| self.failed(error))
    }

    /// Writes down a new job that will write to `sink`.
    pub fn begin(&self, new: &NewJob<'_>, sink: &Environment) -> Result<Job> {
        let keychain = sink.keychain().ok();
        let patience = sink.client().patience();
        let key = keychain.map(|_| JobKey::generate()).transpose()?;
        let wrapped = match (keychain, &key) {
            (Some(keychain), Some(key)) => Some(keychain.public().wrap(&key.to_text())?),
            _ => None,
        };
        let words = serde_json::to_string(new.command).unwrap_or_default();
        let id = {
            let db = self.db();
            db.execute(
                "INSERT INTO jobs (started, command, folder, sink, patience, job_key, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'running')",
                params![
                    new.started,
                    words,
                    new.folder.to_string_lossy(),
                    sink.place(),
                    i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
                    wrapped
                ],
            )
            .map_err(|error| self.failed(error))?;
            db.last_insert_rowid()
        };
        super::crash::point("job begun");
        Ok(Job { journal: self.clone(), id, patience, key: key.map(Arc::new) })
    }

    /// Takes up a job again, to go on with it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where it wrote elsewhere than into `sink`, or was undone;
    /// [`ErrorKind::Locked`] where its key is not this user's.
    pub fn resume(&self, id: i64, sink: &Environment) -> Result<Job> {
        let job = self.reopen(id, sink)?;
        job.change(|db| {
            db.execute("UPDATE jobs SET state = 'running', ended = NULL WHERE id = ?1", [id]).map(drop)
        })?;
        Ok(job)
    }

    /// Opens a job that exists.
    pub(super) fn reopen(&self, id: i64, sink: &Environment) -> Result<Job> {
        let (keychain, sink) = (sink.keychain().ok(), sink.place());
        let summary = self.job(id)?;
        let (wrote_to, patience, wrapped): (String, i64, Option<String>) = self
            .db()
            .query_row("SELECT sink, patience, job_key FROM jobs WHERE id = ?1", [id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(|error| self.failed(error))?;
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
            patience: Duration::from_secs(u64::try_from(patience).unwrap_or_default()),
            key: key.map(Arc::new),
        })
    }
}

/// Held while a job writes.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

const SUMMARY: &str = "SELECT id, state, started, ended, command, folder,
    job_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM rotations WHERE job = jobs.id),
    (SELECT count(*) FROM creations WHERE job = jobs.id AND item IS NOT NULL),
    (SELECT count(*) FROM updates WHERE job = jobs.id AND open = 0)
  + (SELECT count(*) FROM rotations WHERE job = jobs.id AND outcome = 'rotated'),
    (SELECT count(*) FROM creations WHERE job = jobs.id AND open = 1)
  + (SELECT count(*) FROM updates WHERE job = jobs.id AND open = 1)
  + (SELECT count(*) FROM rotations WHERE job = jobs.id AND outcome IS NULL)
    FROM jobs";

fn summary(row: &Row<'_>) -> rusqlite::Result<Summary> {
    let state: String = row.get(1)?;
    let words: String = row.get(4)?;
    let folder: String = row.get(5)?;
    let count = |column| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or_default());
    Ok(Summary {
        id: row.get(0)?,
        state: State::ALL.into_iter().find(|known| known.name() == state).unwrap_or(State::Failed),
        started: row.get(2)?,
        ended: row.get(3)?,
        command: serde_json::from_str(&words).unwrap_or_default(),
        folder: folder.into(),
        undoable: row.get(6)?,
        created: count(7)?,
        updated: count(8)?,
        open: count(9)?,
    })
}

/// A job at work. Its methods write to the disk and wait for it: call them where blocking is allowed.
#[derive(Clone)]
pub struct Job {
    journal: Journal,
    id: i64,
    patience: Duration,
    key: Option<Arc<JobKey>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({})", self.id)
    }
}

/// A record that a job made.
pub(super) struct Created {
    pub item: String,
    /// `None` where the job has no key.
    pub print: Option<Vec<u8>>,
}

/// An item that a job overwrote.
pub(super) struct Updated {
    pub item: String,
    pub before: Option<Vec<u8>>,
    pub print: Option<Vec<u8>>,
}

/// A vault (where `folder` is `None`) or folder that a job made.
pub(super) struct Made {
    pub vault: String,
    pub folder: Option<String>,
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
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// What it seals with; `None` where the user has no keys.
    pub(super) fn key(&self) -> Option<&JobKey> {
        self.key.as_deref()
    }

    pub(super) fn change<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let run = || {
            let db = self.journal.db();
            let change = db.unchecked_transaction()?;
            let done = work(&change)?;
            change.commit()?;
            Ok(done)
        };
        run().map_err(|error| self.journal.failed(error))
    }

    pub(super) fn read<T>(
        &self,
        sql: &str,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let run = || {
            let db = self.journal.db();
            let mut query = db.prepare(sql)?;
            let rows = query.query_map([self.id], row)?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        };
        run().map_err(|error| self.journal.failed(error))
    }

    /// Before records are sent: what they will be known by. Answers their numbers.
    pub(super) fn intend(&self, drafts: &[ItemDraft]) -> Result<Vec<i64>> {
        super::crash::point("before intent");
        let sent = now();
        let numbers = self.change(|db| {
            let mut insert =
                db.prepare_cached("INSERT INTO creations (job, sent, wrap, print) VALUES (?1, ?2, ?3, ?4)")?;
            let mut numbers = Vec::with_capacity(drafts.len());
            for draft in drafts {
                let wrap = wrap(draft.key_encrypted.as_deref());
                let print = self.print_draft(draft);
                insert.execute(params![self.id, sent, wrap.as_ref().map_or(&[][..], |wrap| wrap), print])?;
                numbers.push(db.last_insert_rowid());
            }
            Ok(numbers)
        })?;
        super::crash::point("after intent");
        Ok(numbers)
    }

    /// After an answer, or after looking: the items that came of intents; `None`: nothing did.
    pub(super) fn settle(&self, outcomes: &[(i64, Option<&str>)]) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        super::crash::point("before outcome");
        self.change(|db| {
            let mut update = db.prepare_cached("UPDATE creations SET item = ?2, open = 0 WHERE seq = ?1")?;
            outcomes.iter().try_for_each(|(number, item)| update.execute(params![number, item]).map(drop))
        })?;
        super::crash::point("after outcome");
        Ok(())
    }

    /// Creations whose answer never came: wrap to number. Those without a wrap are left out.
    pub(super) fn open_creations(&self) -> Result<HashMap<Wrap, i64>> {
        let rows = self.read("SELECT wrap, seq FROM creations WHERE job = ?1 AND open = 1", |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))
        })?;
        Ok(rows.into_iter().filter_map(|(wrap, number)| Some((wrap.try_into().ok()?, number))).collect())
    }

    /// Which of these marks and digests are those of a record that the job sent.
    pub(super) fn own_among(&self, prints: &HashMap<Wrap, [u8; 32]>) -> Result<HashSet<Wrap>> {
        let mut own = HashSet::new();
        if prints.is_empty() {
            return Ok(own);
        }
        let find = |db: &Connection, own: &mut HashSet<Wrap>| {
            let mut query =
                db.prepare("SELECT wrap, print FROM creations WHERE job = ?1 AND print IS NOT NULL")?;
            let mut rows = query.query([self.id])?;
            while let Some(row) = rows.next()? {
                let (wrap, print): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
                if let Ok(wrap) = Wrap::try_from(wrap)
                    && prints.get(&wrap).is_some_and(|known| known[..] == print)
                {
                    own.insert(wrap);
                }
            }
            Ok(())
        };
        find(&self.journal.db(), &mut own).map_err(|error| self.journal.failed(error))?;
        Ok(own)
    }

    /// Before records are sent once more.
    pub(super) fn intend_again(&self, numbers: &[i64]) -> Result<()> {
        let sent = now();
        self.change(|db| {
            let mut update = db.prepare_cached("UPDATE creations SET sent = ?2, open = 1 WHERE seq = ?1")?;
            numbers.iter().try_for_each(|number| update.execute(params![number, sent]).map(drop))
        })
    }

    /// Closes what is still open: it was waited for, and nothing came of it that looking can find.
    pub(super) fn close_open(&self) -> Result<()> {
        self.change(|db| {
            db.execute("UPDATE creations SET open = 0 WHERE job = ?1 AND open = 1", [self.id])?;
            db.execute("UPDATE places SET open = 0 WHERE job = ?1 AND open = 1", [self.id]).map(drop)
        })
    }

    /// When the last request without an answer was sent, in Unix seconds.
    pub(super) fn last_open(&self) -> Result<Option<i64>> {
        let sent = self.read(
            "SELECT max(sent) FROM (
                SELECT max(sent) AS sent FROM creations WHERE job = ?1 AND open = 1
                UNION ALL SELECT max(sent) FROM updates WHERE job = ?1 AND open = 1
                UNION ALL SELECT max(sent) FROM places WHERE job = ?1 AND open = 1)",
            |row| row.get(0),
        )?;
        Ok(sent.into_iter().next().flatten())
    }

    /// Every item that the job is known to have made.
    pub(super) fn created(&self) -> Result<Vec<Created>> {
        self.read(
            "SELECT item, print FROM creations WHERE job = ?1 AND item IS NOT NULL ORDER BY seq",
            |row| Ok(Created { item: row.get(0)?, print: row.get(1)? }),
        )
    }

    /// Their ids alone.
    pub(super) fn created_ids(&self) -> Result<HashSet<String>> {
        let ids =
            self.read("SELECT item FROM creations WHERE job = ?1 AND item IS NOT NULL", |row| row.get(0))?;
        Ok(ids.into_iter().collect())
    }

    /// Before an item is overwritten: what it is, and what it will be.
    pub(super) fn intend_update(&self, before: &Item, draft: &ItemDraft) -> Result<i64> {
        super::crash::point("before intent");
        let sealed = match &self.key {
            Some(key) => Some(key.seal(before)?),
            None => None,
        };
        let print = self.key.as_ref().map(|key| key.print(&Content::after(before, draft)));
        let number = self.change(|db| {
            db.execute(
                "INSERT INTO updates (job, sent, item, before, print) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![self.id, now(), before.id, sealed, print],
            )?;
            Ok(db.last_insert_rowid())
        })?;
        super::crash::point("after intent");
        Ok(number)
    }

    /// After an update was answered.
    pub(super) fn updated(&self, number: i64) -> Result<()> {
        super::crash::point("before outcome");
        self.change(|db| db.execute("UPDATE updates SET open = 0 WHERE seq = ?1", [number]).map(drop))?;
        super::crash::point("after outcome");
        Ok(())
    }

    /// Every update that the job sent, the newest first: an item updated twice goes back step by step.
    pub(super) fn updates(&self) -> Result<Vec<Updated>> {
        self.read("SELECT item, before, print FROM updates WHERE job = ?1 ORDER BY seq DESC", |row| {
            Ok(Updated { item: row.get(0)?, before: row.get(1)?, print: row.get(2)? })
        })
    }

    /// Before a vault or folder is made.
    pub(super) fn intend_place(&self, kind: &'static str) -> Result<i64> {
        super::crash::point("before place intent");
        let number = self.change(|db| {
            db.execute(
                "INSERT INTO places (job, sent, kind) VALUES (?1, ?2, ?3)",
                params![self.id, now(), kind],
            )?;
            Ok(db.last_insert_rowid())
        })?;
        super::crash::point("after place intent");
        Ok(number)
    }

    /// After it was made.
    pub(super) fn place_made(&self, number: i64, vault: &str, folder: Option<&str>) -> Result<()> {
        super::crash::point("before place outcome");
        self.change(|db| {
            db.execute(
                "UPDATE places SET vault = ?2, folder = ?3, open = 0 WHERE seq = ?1",
                params![number, vault, folder],
            )
            .map(drop)
        })?;
        super::crash::point("after place outcome");
        Ok(())
    }

    /// Vaults and folders that the job made, the newest first, so that a child comes before its parent.
    pub(super) fn places(&self) -> Result<Vec<Made>> {
        self.read(
            "SELECT vault, folder FROM places WHERE job = ?1 AND vault IS NOT NULL ORDER BY seq DESC",
            |row| Ok(Made { vault: row.get(0)?, folder: row.get(1)? }),
        )
    }

    /// Takes the job out of the journal if it did nothing; says whether it was so.
    pub fn forget_if_idle(&self) -> Result<bool> {
        self.change(|db| {
            let forgotten = db.execute(
                "DELETE FROM jobs WHERE id = ?1
                 AND NOT EXISTS (SELECT 1 FROM creations WHERE job = ?1)
                 AND NOT EXISTS (SELECT 1 FROM updates WHERE job = ?1)
                 AND NOT EXISTS (SELECT 1 FROM rotations WHERE job = ?1)
                 AND NOT EXISTS (SELECT 1 FROM places WHERE job = ?1)",
                [self.id],
            )?;
            Ok(forgotten > 0)
        })
    }

    /// Writes down how it ended.
    pub fn finish(&self, state: State, report: Option<&Report>) -> Result<()> {
        super::crash::point("before the end");
        let report = report.and_then(|report| serde_json::to_string(report).ok());
        self.change(|db| {
            db.execute(
                "UPDATE jobs SET state = ?2, ended = ?3, report = coalesce(?4, report) WHERE id = ?1",
                params![self.id, state.name(), now(), report],
            )
            .map(drop)
        })
    }

    /// Whether `undo` can take it back: it can tell its own work from later edits.
    #[must_use]
    pub fn can_be_undone(&self) -> bool {
        self.key.is_some()
    }

    fn print_draft(&self, draft: &ItemDraft) -> Option<[u8; 32]> {
        self.key.as_ref().map(|key| key.print(&Content::of_draft(draft)))
    }

    /// The keyed digest of an item as it is now.
    pub(super) fn print_item(&self, item: &Item) -> Option<[u8; 32]> {
        self.key.as_ref().map(|key| key.print(&Content::of_item(item)))
    }

    /// The item as it was before an update.
    pub(super) fn open_before(&self, item: &str, sealed: &[u8]) -> Result<Item> {
        let key = self.key.as_ref().ok_or_else(|| Error::new(ErrorKind::Locked, "the job has no key"))?;
        key.open(item, sealed)
    }
}

/// What an item is apart from its id and the user's own marks: ciphertext where it is encrypted.
pub(super) struct Content<'a> {
    vault: &'a str,
    folder: &'a str,
    texts: [&'a str; 6],
    color: i64,
    tags: &'a [String],
    customs: &'a [Custom],
    /// Name and wrapped key, in the order of the keys: servers may answer in any order.
    attachments: Vec<(&'a str, &'a str)>,
}

fn text(text: Option<&String>) -> &str {
    text.map(String::as_str).unwrap_or_default()
}

impl<'a> Content<'a> {
    pub(super) fn of_item(item: &'a Item) -> Self {
        Self {
            vault: &item.vault_id,
            folder: text(item.folder_id.as_ref()),
            texts: [
                &item.name,
                text(item.login.as_ref()),
                text(item.url.as_ref()),
                text(item.description.as_ref()),
                text(item.password_encrypted.as_ref()),
                text(item.key_encrypted.as_ref()),
            ],
            color: item.color.unwrap_or_default(),
            tags: &item.tags,
            customs: &item.customs,
            attachments: sorted(item.attachments.iter().map(named).collect()),
        }
    }

    pub(super) fn of_draft(draft: &'a ItemDraft) -> Self {
        Self {
            vault: text(draft.vault_id.as_ref()),
            folder: text(draft.folder_id.as_ref()),
            texts: [
                text(draft.name.as_ref()),
                text(draft.login.as_ref()),
                text(draft.url.as_ref()),
                text(draft.description.as_ref()),
                text(draft.password_encrypted.as_ref()),
                text(draft.key_encrypted.as_ref()),
            ],
            color: draft.color.unwrap_or_default(),
            tags: draft.tags.as_deref().unwrap_or_default(),
            customs: draft.customs.as_deref().unwrap_or_default(),
            attachments: sorted(added(draft)),
        }
    }

    /// An item once `draft` is applied: what the draft leaves out stays, attachments are added.
    fn after(before: &'a Item, draft: &'a ItemDraft) -> Self {
        let mut after = Self::of_item(before);
        let members = [
            draft.name.as_deref(),
            draft.login.as_deref(),
            draft.url.as_deref(),
            draft.description.as_deref(),
            draft.password_encrypted.as_deref(),
            draft.key_encrypted.as_deref(),
        ];
        for (old, new) in after.texts.iter_mut().zip(members) {
            *old = new.unwrap_or(old);
        }
        after.color = draft.color.unwrap_or(after.color);
        after.tags = draft.tags.as_deref().unwrap_or(after.tags);
        after.customs = draft.customs.as_deref().unwrap_or(after.customs);
        after.attachments.extend(added(draft));
        after.attachments = sorted(after.attachments);
        after
    }
}

impl Content<'_> {
    /// Every member, each part preceded by its length, so that no two contents give the same bytes.
    pub(super) fn feed(&self, mut to: impl FnMut(&[u8])) {
        let mut part = |bytes: &[u8]| {
            to(&(bytes.len() as u64).to_be_bytes());
            to(bytes);
        };
        for text in [self.vault, self.folder].into_iter().chain(self.texts) {
            part(text.as_bytes());
        }
        part(&self.color.to_be_bytes());
        part(&(self.tags.len() as u64).to_be_bytes());
        self.tags.iter().for_each(|tag| part(tag.as_bytes()));
        part(&(self.customs.len() as u64).to_be_bytes());
        for custom in self.customs {
            for text in [&custom.name, &custom.kind, &custom.value] {
                part(text.as_bytes());
            }
        }
        for (name, key) in &self.attachments {
            part(name.as_bytes());
            part(key.as_bytes());
        }
    }
}

fn named(attachment: &AttachmentInfo) -> (&str, &str) {
    (&attachment.name, text(attachment.encrypted_key.as_ref()))
}

fn added(draft: &ItemDraft) -> Vec<(&str, &str)> {
    let new = draft.attachments.as_deref().unwrap_or_default();
    new.iter().map(|one| (one.name.as_str(), one.encrypted_key.as_str())).collect()
}

fn sorted<'a>(mut attachments: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    attachments.sort_unstable_by_key(|(_, key)| *key);
    attachments
}

/// What keeps a job's digests and sealed items from whoever reads the journal.
pub(super) struct JobKey(Zeroizing<[u8; 32]>);

impl JobKey {
    /// Bytes of a nonce, which stands before what it sealed.
    const NONCE: usize = 12;

    fn generate() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        generate::random_bytes(&mut *key)?;
        Ok(Self(key))
    }

    fn to_text(&self) -> SecretString {
        SecretString::new(BASE64.encode(&*self.0))
    }

    fn from_text(text: &SecretString) -> Result<Self> {
        let bytes = BASE64.decode(text.expose().as_bytes()).map(Zeroizing::new).unwrap_or_default();
        let key = <[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| Error::new(ErrorKind::Decrypt, "the job's key is damaged"))?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// `HMAC-SHA-256[job key](length ‖ bytes ‖ …)` over an item's content.
    fn print(&self, content: &Content<'_>) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC pads or hashes keys of any length")]
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*self.0).expect("any length");
        content.feed(|bytes| mac.update(bytes));
        mac.finalize().into_bytes().into()
    }

    /// `nonce ‖ AES-256-GCM[job key](item as JSON)`, bound to the item's id.
    fn seal(&self, item: &Item) -> Result<Vec<u8>> {
        let failed = || Error::new(ErrorKind::Internal, "an item could not be sealed");
        let json = Zeroizing::new(serde_json::to_vec(item).map_err(|_| failed())?);
        self.seal_bytes(item.id.as_bytes(), &json).map_err(|_| failed())
    }

    /// `nonce ‖ AES-256-GCM[job key](content)`, bound to `to`.
    pub(super) fn seal_bytes(&self, to: &[u8], content: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; Self::NONCE];
        generate::random_bytes(&mut nonce)?;
        let payload = Payload { msg: content, aad: to };
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::new(ErrorKind::Internal, "sealing failed"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn open(&self, id: &str, sealed: &[u8]) -> Result<Item> {
        let damaged = || Error::new(ErrorKind::Decrypt, "what an item was before is damaged in the journal");
        let json = self.open_bytes(id.as_bytes(), sealed).ok_or_else(damaged)?;
        serde_json::from_slice(&json).map_err(|_| damaged())
    }

    /// What was sealed; `None` where it is damaged, or bound to something else.
    pub(super) fn open_bytes(&self, to: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<{ Self::NONCE }>()?;
        let payload = Payload { msg: sealed, aad: to };
        self.cipher().decrypt(&Nonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&*self.0).into())
    }
}

fn broken(path: &Path, error: rusqlite::Error) -> Error {
    let full = matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
    let (what, next) = if full {
        ("the disk is full", "make room and run the same command again")
    } else {
        ("the journal could not be read or written", "name another one with --journal")
    };
    Error::new(ErrorKind::Io, what)
        .at(Place::File { path: path.to_owned(), at: None })
        .next_step(next)
        .because(error)
}

/// Unix seconds.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn make_private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
