//! The store: one writer at a time, because `SQLite` has one, and readers that it does not block. It is a file, or a
//! PostgreSQL database, on which several servers may work. There those who make items write beside each other.

pub(crate) mod activity;
pub(crate) mod attachment;
pub(crate) mod bin;
pub(crate) mod chain;
mod copy;
pub(crate) mod creation;
mod file;
pub(crate) mod folder;
pub(crate) mod grants;
pub(crate) mod group;
pub(crate) mod guess;
pub(crate) mod house;
pub(crate) mod idempotency;
pub(crate) mod inbox;
pub(crate) mod item;
pub(crate) mod link;
mod migrations;
pub(crate) mod months;
pub(crate) mod place;
pub(crate) mod rights;
pub(crate) mod role;
pub(crate) mod search;
mod server;
pub(crate) mod session;
pub(crate) mod shortcut;
pub(crate) mod snapshot;
pub(crate) mod target;
mod texts;
pub(crate) mod totp;
pub(crate) mod user;
pub(crate) mod vault;

use crate::error::{Error, Refusal};
use crate::metrics::Metrics;
use crate::observed::Doing;
use crate::trace::What;
use keyferry_api::item::Custom;
use keyferry_sql::{Address, Begin, Connection, DatabaseError};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Connections of a kind that stay open: as many as ask at once, as opening one costs more than most answers.
const KEPT: usize = 64;
/// Readers of a database on a server, which has a hundred connections for everybody.
const READERS_AT_ONCE: usize = 16;
/// Those who write there beside each other.
const WRITERS_AT_ONCE: usize = 8;
/// How long one waits for one of those.
const TURN: Duration = Duration::from_secs(30);
/// How often a write is begun anew that others came in between of.
const TRIES: usize = 8;

/// Where the database is.
enum Place {
    File(PathBuf),
    Server(Box<Address>),
}

impl Place {
    fn connect(&self) -> Result<Connection, DatabaseError> {
        match self {
            Self::File(path) => file::connect(path).map(Connection::to_file),
            Self::Server(address) => Connection::to_server(address, server::ONE_WRITER),
        }
    }
}

/// The open database of an environment.
pub(crate) struct Store {
    place: Place,
    writer: Mutex<Connection>,
    readers: Pool,
    /// For those who write beside each other, on a server.
    writers: Pool,
    metrics: Metrics,
}

/// Connections of one kind.
struct Pool {
    kept: Mutex<Kept>,
    given_back: Condvar,
    /// How many may be in use at once, on a server.
    at_once: usize,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Connection>,
    busy: usize,
}

impl Pool {
    fn of(at_once: usize) -> Self {
        Self { kept: Mutex::default(), given_back: Condvar::new(), at_once }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to one more connection.
    fn turn(&self, place: &Place) -> Result<Turn<'_>, DatabaseError> {
        let mut kept = self.kept();
        if let Place::Server(_) = place {
            let full = |kept: &mut Kept| kept.busy >= self.at_once;
            let waited = self.given_back.wait_timeout_while(kept, TURN, full);
            let (left, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return Err(DatabaseError::away("every connection was in use for 30 s"));
            }
            kept = left;
        }
        kept.busy += 1;
        Ok(Turn(self))
    }

    /// A connection that was begun with.
    fn begun<T>(
        &self,
        new: impl FnOnce() -> Result<Connection, DatabaseError>,
        begin: impl Fn(&Connection) -> Result<T, DatabaseError>,
    ) -> Result<(Connection, T), DatabaseError> {
        loop {
            let kept = self.kept().idle.pop();
            let Some(conn) = kept else { break };
            match begin(&conn) {
                Ok(ready) => return Ok((conn, ready)),
                // The server ended it meanwhile: the next one, or a new one.
                Err(_) if conn.is_closed() => {}
                Err(error) => return Err(error),
            }
        }
        let conn = new()?;
        let ready = begin(&conn)?;
        Ok((conn, ready))
    }

    fn keep(&self, conn: Connection) {
        let mut kept = self.kept();
        if kept.idle.len() < KEPT && !conn.is_closed() {
            kept.idle.push(conn);
        }
    }
}

impl Store {
    /// Opens the file, which is there, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let writer = file::open(path)?;
        Ok(Self::of(Place::File(path.to_owned()), writer))
    }

    /// Opens the database on a server, which holds an environment, and brings its schema up to date.
    pub fn open_on(address: &Address) -> Result<Self, Error> {
        let writer = server::open(address)?;
        Ok(Self::of(Place::Server(Box::new(address.clone())), writer))
    }

    /// Makes an environment in a database on a server, which holds none yet.
    pub fn create_on(address: &Address, client_encryption: bool) -> Result<Self, Error> {
        let writer = server::create(address, client_encryption)?;
        Ok(Self::of(Place::Server(Box::new(address.clone())), writer))
    }

    fn of(place: Place, writer: Connection) -> Self {
        let (readers, writers) = (Pool::of(READERS_AT_ONCE), Pool::of(WRITERS_AT_ONCE));
        let metrics = Metrics::new(if let Place::Server(_) = place { "postgres" } else { "folder" });
        Self { place, writer: Mutex::new(writer), readers, writers, metrics }
    }

    /// What is counted of it, and of who uses it.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether it is on a server, where others may work on it too.
    pub fn is_on_server(&self) -> bool {
        matches!(self.place, Place::Server(_))
    }

    /// Puts all that is here into a database on a server, which holds no environment yet; how many rows that is.
    pub fn copy_to(&self, address: &Address) -> Result<u64, Error> {
        if let Place::Server(_) = self.place {
            let message =
                "it is in a database already: what PostgreSQL has for that moves it (pg_dump, pg_restore)";
            return Err(Error::Validation(message.to_owned()));
        }
        self.read(|conn| copy::to_server(conn, address))
    }

    /// Writes a copy of one state of the database, also while others write.
    pub fn backup(&self, file: &Path) -> Result<(), Error> {
        match &self.place {
            Place::File(path) => file::backup(path, file),
            Place::Server(_) => Err(Error::NoBackup),
        }
    }

    /// Runs `work` on one state of the database.
    pub fn read<T, E>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<DatabaseError>,
    {
        let turn = self.readers.turn(&self.place)?;
        let new = || {
            let conn = self.place.connect()?;
            if let Place::File(_) = self.place {
                conn.execute_batch("PRAGMA query_only = ON")?;
            }
            Ok(conn)
        };
        let (conn, ()) = self.readers.begun(new, |conn| conn.start(Begin::Reading))?;
        let reading = Doing::begin(&self.metrics, What::Reading);
        let result = {
            let transaction = conn.started();
            work(&transaction)
        };
        if result.is_ok() {
            reading.kept();
        }
        self.readers.keep(conn);
        drop(turn);
        result
    }

    /// Runs `work` in one transaction that is on disk before this returns, or not at all.
    pub fn write<T, E>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<DatabaseError>,
    {
        let turn = Doing::begin(&self.metrics, What::Waiting);
        // A panic in `work` has rolled its transaction back: the connection is good.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match writer.start(Begin::Writing) {
            Ok(()) => {}
            // Nothing was done yet: it is begun anew where the connection had ended, or somebody else came first.
            Err(error) if writer.is_closed() || error.is_to_be_tried_again() => {
                if writer.is_closed() {
                    *writer = self.place.connect()?;
                }
                writer.start(Begin::Writing)?;
            }
            Err(error) => return Err(error.into()),
        }
        drop(turn);
        let doing = Doing::begin(&self.metrics, What::Writing);
        let transaction = writer.started();
        let result = work(&transaction)?;
        item::index_texts(&transaction)?;
        transaction.commit()?;
        doing.kept();
        Ok(result)
    }

    /// As [`Store::write`], for work that may be begun anew where others came in between. Where `beside`, it runs at the same time
    /// as other such work, of whichever server, and as nothing else; it then has to lock what it goes by, and answers `None` where
    /// it cannot do that. What `work` is told is whether it has the database for itself.
    pub fn write_again<T>(
        &self,
        beside: bool,
        mut work: impl FnMut(&Connection, Alone) -> Result<Option<T>, Refusal>,
    ) -> Result<T, Refusal> {
        let tries = if beside && matches!(self.place, Place::Server(_)) { TRIES } else { 0 };
        for _ in 0..tries {
            match self.write_beside(|conn| work(conn, Alone(false))) {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => break,
                Err(Refusal::Database(error)) if error.is_to_be_tried_again() || error.is_taken() => {
                    tracing::debug!(%error, "a write is begun anew");
                }
                Err(refusal) => return Err(refusal),
            }
        }
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.write(|conn| work(conn, Alone(true))) {
                Err(Refusal::Database(error)) if tries > 0 && error.is_to_be_tried_again() => {
                    tracing::debug!(%error, "a write is begun anew");
                }
                done => return done.and_then(|done| done.ok_or_else(Refusal::internal)),
            }
        }
    }

    /// Runs `work` once beside others. Where that comes to `None`, nothing is kept.
    fn write_beside<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<Option<T>, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        let waiting = Doing::begin(&self.metrics, What::Waiting);
        let turn = self.writers.turn(&self.place)?;
        let begin = |conn: &Connection| {
            conn.start(Begin::Beside)?;
            server::take_place(conn)
        };
        let (conn, has_place) = self.writers.begun(|| self.place.connect(), begin)?;
        drop(waiting);
        let doing = Doing::begin(&self.metrics, What::Writing);
        let result = {
            let transaction = conn.started();
            let done = if has_place { work(&transaction) } else { Ok(None) };
            done.and_then(|done| {
                if done.is_some() {
                    item::index_texts(&transaction)?;
                    transaction.commit()?;
                }
                Ok(done)
            })
        };
        if matches!(result, Ok(Some(_))) {
            doing.kept();
        }
        self.writers.keep(conn);
        drop(turn);
        result
    }
}

/// Whether nobody else writes during a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alone(pub bool);

/// The right to one of the connections of a pool.
struct Turn<'p>(&'p Pool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.kept().busy -= 1;
        self.0.given_back.notify_one();
    }
}

/// What stands between the texts of an item where they are searched as one: no query holds it, so none matches across two.
const SEPARATOR: char = '\u{1}';

/// The texts of an item as searches see them: small letters in every script, of which `SQLite`'s own know
/// only ASCII.
fn lower_text<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let texts: Vec<&str> = texts.into_iter().map(Option::unwrap_or_default).collect();
    texts.join(&*SEPARATOR.to_string()).to_lowercase()
}

/// Bytes of a name or a tag, of a login or an address, and of a description: beyond what people write, and below what
/// would make every list slow.
const NAME: usize = 10_000;
const LINE: usize = 100_000;
const TEXT: usize = 16 << 20;
/// Tags of an item.
const TAGS: usize = 1000;
/// Custom fields of an item.
const CUSTOMS: usize = 10_000;

/// A name that people read: anything but nothing.
fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::invalid("name", "A name is needed."));
    }
    check_length("name", name, NAME)
}

fn check_length(field: &'static str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.len() <= most {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("`{field}` has more than {most} bytes.")))
}

/// The texts of an item that everybody reads who sees its vault.
fn check_texts(
    name: &str,
    login: Option<&str>,
    url: Option<&str>,
    description: Option<&str>,
) -> Result<(), Refusal> {
    check_length("name", name, NAME)?;
    check_length("login", login.unwrap_or_default(), LINE)?;
    check_length("url", url.unwrap_or_default(), LINE)?;
    check_length("description", description.unwrap_or_default(), TEXT)
}

/// What an item has in envelopes: together less than clients take of one item.
fn check_sealed(
    password: Option<&str>,
    key: Option<&str>,
    customs: Option<&[Custom]>,
) -> Result<(), Refusal> {
    check_length("passwordEncrypted", password.unwrap_or_default(), TEXT)?;
    check_length("keyEncrypted", key.unwrap_or_default(), LINE)?;
    let customs = customs.unwrap_or_default();
    let bytes: usize = customs.iter().map(|one| one.name.len() + one.kind.len() + one.value.len()).sum();
    if customs.len() > CUSTOMS || bytes > TEXT {
        let message = format!("An item has at most {CUSTOMS} custom fields, of {TEXT} bytes together.");
        return Err(Refusal::invalid("customs", message));
    }
    Ok(())
}

fn check_tags(tags: &[String]) -> Result<(), Refusal> {
    if tags.len() > TAGS {
        return Err(Refusal::invalid("tags", format!("An item has at most {TAGS} tags.")));
    }
    tags.iter().try_for_each(|tag| check_length("tags", tag, NAME))
}

/// A value as the JSON text that a column keeps, or that `json_each` reads.
pub(crate) fn json_text<T: serde::Serialize>(value: &T) -> crate::error::Result<String> {
    serde_json::to_string(value).map_err(|_| Refusal::internal())
}
