//! What a job means to do, written down before it does it, and what came of it: enough to go on
//! after a crash, to settle answers that never came, and to take back what was done.
//!
//! One `SQLite` file holds all jobs (write-ahead log, `synchronous = FULL`: an intent is on the disk
//! before its request leaves), or a PostgreSQL database, which processes of several machines share. It holds no secret:
//!
//! | table | what it holds |
//! |---|---|
//! | `jobs` | the command as it was typed, its folder, its state, its report |
//! | `creations` | for each record sent: `SHA-256(keyEncrypted)`, which is random and so unique, a keyed digest of what was sent, what each of its envelopes was sent as, and the item's id once it is known |
//! | `chunks` | records on their way through several workers, sealed until one has sent them |
//! | `updates` | for each item overwritten: the item as it was, sealed, and a keyed digest of what it became |
//! | `removals` | for each item moved to the bin: its id, and its number there once that is known |
//! | `places` | vaults and folders that the job made |
//! | `grants` | groups, memberships, roles and shortcuts that the job made |
//! | `syncs`, `synced` | for each pair of places that are kept in step: keyed digests of the records as they were brought there last |
//! | `rotations` | for each secret that is changed at its target: old and new, sealed, until it has ended |
//! | `pins` | digests of what environments said of their keys, as it was first seen |
//!
//! Digests and sealed items are under the job's own key: 32 random bytes, wrapped to the user's
//! public key (RSA-OAEP), so that only the user can say what they stand for. Where the user has no
//! keys there is no job key either, and such a job cannot be undone.

mod chunks;
mod content;
mod creations;
mod grants;
mod jobs;
pub(crate) mod parts;
mod pins;
mod places;
mod removals;
pub mod rotations;
mod schema;
mod sealing;
mod server;
mod updates;

pub(crate) use chunks::{Board, Claim, Held, Outcome};
pub(crate) use content::Content;
pub(crate) use creations::wrapped_key_hash;
pub(crate) use grants::{GrantKind, GrantMade};
pub use jobs::{Job, NewJob, Pace, State, Summary};
pub(crate) use places::Intended;
pub(crate) use removals::Removed;
pub use server::{database_address, is_address};

use crate::error::{Error, ErrorKind, Place, Result};
use crate::files::sink::make_private_folder;
use etcetera::BaseStrategy as _;
use keyferry_sql::{Address, Begin, Connection, DatabaseError, Transaction};
use rusqlite::config::DbConfig;
use schema::Schema;
use server::Server;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a change is begun that others come in between of.
const TRIES: usize = 8;

/// Every job of this user on this machine; on a server, of all who name it.
#[derive(Clone)]
pub struct Journal {
    db: Arc<Mutex<Connection>>,
    /// The file, or the server's address.
    path: PathBuf,
    /// What only a journal on a server has.
    server: Option<Arc<Server>>,
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

    /// Opens a journal, or makes it: a file, readable by its owner alone, as is its folder where that is new; or the
    /// PostgreSQL database that `postgres://USER@HOST:PORT/DATABASE` names, whose password comes from this process's
    /// variables ([`database_address`]).
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an address that holds a password; [`ErrorKind::Input`] where a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self> {
        match is_address(path) {
            Some(text) => {
                let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
                Self::open_server(&database_address(text, PASSWORD, &variable)?)
            }
            None => Self::open_file(path),
        }
    }

    /// Opens a journal on a server, or makes its tables there.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_server(address: &Address) -> Result<Self> {
        let path = PathBuf::from(address.to_string());
        let (server, db) = Server::open(address).map_err(|error| broken(&path, error))?;
        if let Schema::Newer = schema::migrate_server(&db).map_err(|error| broken(&path, error))? {
            return Err(newer(&path));
        }
        Ok(Self { db: Arc::new(Mutex::new(db)), path, server: Some(Arc::new(server)) })
    }

    fn open_file(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_private_folder(folder).map_err(|error| Error::io(folder, error))?;
        }
        // SQLite gives its other files the rights of this one.
        private_file(path).map_err(|error| Error::io(path, error))?;
        let failed = |error| broken(path, error);
        let db = file(path).map_err(|error| failed(error.into()))?;
        if let Schema::Newer = schema::migrate_file(&db).map_err(failed)? {
            return Err(newer(path));
        }
        Ok(Self { db: Arc::new(Mutex::new(db)), path: path.to_owned(), server: None })
    }

    /// Where it is: a file, or a server's address.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn db(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic cut off was rolled back.
        let mut db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = &self.server {
            server.revive(&mut db);
        }
        db
    }

    /// The same, with a transaction begun, which [`Connection::started`] then ends.
    pub(crate) fn writing(&self) -> keyferry_sql::Result<MutexGuard<'_, Connection>> {
        let mut db = self.db();
        match db.start(Begin::Writing) {
            Err(error) if error.is_away() => {
                if let Some(server) = &self.server {
                    server.renew(&mut db);
                }
                db.start(Begin::Writing)?;
            }
            other => other?,
        }
        Ok(db)
    }

    /// Changes something, as a whole or not at all; begun anew where others came in between.
    fn change<T>(&self, mut work: impl FnMut(&Connection) -> keyferry_sql::Result<T>) -> Result<T> {
        let mut run = || -> keyferry_sql::Result<T> {
            let db = self.writing()?;
            let change: Transaction<'_> = db.started();
            let done = work(&change)?;
            change.commit()?;
            Ok(done)
        };
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match run() {
                Err(error) if tries > 0 && error.is_to_be_tried_again() => {}
                done => return done.map_err(|error| self.failed(error)),
            }
        }
    }

    /// Looks something up; once more where the session turns out to be lost, unless it holds a sink.
    pub(crate) fn look<T>(&self, mut work: impl FnMut(&Connection) -> keyferry_sql::Result<T>) -> Result<T> {
        let mut db = self.db();
        let looked = match (work(&db), &self.server) {
            (Err(error), Some(server)) if error.is_away() => {
                server.renew(&mut db);
                work(&db)
            }
            (looked, _) => looked,
        };
        looked.map_err(|error| self.failed(error))
    }

    /// Unix seconds; on a server by its clock, since those of several machines differ.
    fn now(&self) -> i64 {
        now() + self.server.as_ref().map_or(0, |server| server.ahead())
    }

    pub(crate) fn failed(&self, error: DatabaseError) -> Error {
        broken(&self.path, error)
    }

    /// Holds a sink for one job at a time among all that name this journal, under any spelling that `sink` is
    /// canonical for, and writes down what became of jobs whose processes ended without a word. The lock ends with its
    /// process, however that ends.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] where another job holds it.
    pub fn lock(&self, sink: &str) -> Result<Lock> {
        let mut lock = self.try_lock(sink)?;
        // Whoever lists jobs holds it for a moment, to find out whether anybody does.
        for _ in 0..10 {
            if lock.is_none() {
                std::thread::sleep(Duration::from_millis(30));
                lock = self.try_lock(sink)?;
            }
        }
        let lock = lock.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, format!("another job is writing to {sink}"))
                .next_step("wait until it has ended: two at once could make records twice")
        })?;
        self.settle_dead(sink)?;
        Ok(lock)
    }

    /// Whether a job is writing to a sink.
    pub(crate) fn is_held(&self, sink: &str) -> Result<bool> {
        match &self.server {
            Some(_) => self.look(|db| Server::is_held(db, sink)),
            None => self.try_lock(sink).map(|lock| lock.is_none()),
        }
    }

    /// `None` where another job holds it.
    fn try_lock(&self, sink: &str) -> Result<Option<Lock>> {
        if let Some(server) = &self.server {
            let taken = server.take(&self.db(), sink).map_err(|error| self.failed(error))?;
            return Ok(taken.then(|| Lock { _file: None, held: Some((self.clone(), sink.to_owned())) }));
        }
        let name = data_encoding::HEXLOWER.encode(&Sha256::digest(sink)[..16]);
        let mut folder = self.path.clone().into_os_string();
        folder.push(".locks");
        let folder = PathBuf::from(folder);
        make_private_folder(&folder).map_err(|error| Error::io(&folder, error))?;
        let path = folder.join(name);
        let file = private_file(&path).map_err(|error| Error::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: Some(file), held: None })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(Error::io(path, error)),
        }
    }
}

/// Held while a job writes.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
    /// On a server it belongs to the journal's session.
    held: Option<(Journal, String)>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some((journal, sink)) = &self.held
            && let Some(server) = &journal.server
        {
            server.give_back(&journal.db(), sink);
        }
    }
}

/// A journal's file with all settings made.
fn file(path: &Path) -> rusqlite::Result<Connection> {
    let db = rusqlite::Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(30))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    // A cached statement keeps its plan instead of being planned anew for every value that is bound.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Keys and digests are random: what a write or a question touches lies anywhere in the indexes, in KiB of memory as far as it
    // is used. More of it would be most of what a process takes.
    db.pragma_update(None, "cache_size", -(8 << 10))?;
    // A page that many commits change is written into the file once for all of them: 16 MiB of log.
    db.pragma_update(None, "wal_autocheckpoint", 4096)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(Connection::to_file(db))
}

fn newer(path: &Path) -> Error {
    Error::new(ErrorKind::Input, "this journal was written by a newer keyferry")
        .at(Place::File { path: path.to_owned(), at: None })
        .next_step("use that version, or another journal with --journal")
}

fn broken(path: &Path, error: DatabaseError) -> Error {
    let (what, next) = if error.is_full() {
        ("the disk is full", "make room and run the same command again")
    } else if is_address(path).is_some() {
        (
            "the journal could not be read or written",
            "see that PostgreSQL is there and lets you in, or name another one with --journal",
        )
    } else {
        ("the journal could not be read or written", "name another one with --journal")
    };
    Error::new(ErrorKind::Io, what)
        .at(Place::File { path: path.to_owned(), at: None })
        .next_step(next)
        .because(error)
}

/// How variables begin that hold a password to a journal on a server.
const PASSWORD: &str = "KEYFERRY_JOURNAL";

/// Unix seconds, by this machine's clock.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
