//! The database: one writer, because `SQLite` has one, and a few readers that it does not block.

pub(crate) mod activity;
pub(crate) mod attachment;
pub(crate) mod bin;
pub(crate) mod folder;
pub(crate) mod grants;
pub(crate) mod group;
pub(crate) mod guess;
pub(crate) mod idempotency;
pub(crate) mod inbox;
pub(crate) mod item;
pub(crate) mod link;
pub(crate) mod place;
pub(crate) mod rights;
pub(crate) mod role;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod shortcut;
pub(crate) mod snapshot;
pub(crate) mod target;
pub(crate) mod totp;
pub(crate) mod user;
pub(crate) mod vault;

use crate::error::{Error, Refusal};
use keyferry_api::item::Custom;
use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_initial.sql"),
    include_str!("../../migrations/0002_whole_api.sql"),
    include_str!("../../migrations/0003_shortcut_creators.sql"),
    include_str!("../../migrations/0004_session_families.sql"),
    include_str!("../../migrations/0005_user_administration.sql"),
    include_str!("../../migrations/0006_group_rights.sql"),
    include_str!("../../migrations/0007_standard_types.sql"),
    include_str!("../../migrations/0008_fields_order.sql"),
    include_str!("../../migrations/0009_guesses.sql"),
    include_str!("../../migrations/0010_idempotency_keys.sql"),
];
/// As many as ask at once: opening one costs more than most answers.
const READERS_KEPT: usize = 64;

/// The open database of an environment.
pub(crate) struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens the file, which is there, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut writer = connect(path)?;
        migrate(&mut writer)?;
        // Identifiers are random: what a write touches lies anywhere in the indexes. 64 MiB at most, as they are used.
        writer.pragma_update(None, "cache_size", -(64 << 10))?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), readers: Mutex::new(Vec::new()) })
    }

    /// Writes a copy of one state of the database, also while others write.
    pub fn backup(&self, file: &Path) -> Result<(), Error> {
        if file.exists() {
            return Err(Error::Io(std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                format!("{} is there already", file.display()),
            )));
        }
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Beside the file, readable by this user alone, and gone where anything fails.
        let made = tempfile::Builder::new().prefix(".backup").tempfile_in(folder)?;
        let source = connect(&self.path)?;
        let mut copy = Connection::open(made.path())?;
        // One state from the first page to the last: a write meanwhile would make SQLite begin anew.
        source.execute_batch("BEGIN")?;
        source.query_row("SELECT count(*) FROM environment", [], |_| Ok(()))?;
        Backup::new(&source, &mut copy)?.run_to_completion(4096, Duration::ZERO, None)?;
        let sound: String = copy.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
        if sound != "ok" {
            return Err(Error::Validation(format!("the copy is not sound: {sound}")));
        }
        // One file is the whole copy.
        copy.pragma_update(None, "journal_mode", "DELETE")?;
        drop(copy);
        made.as_file().sync_all()?;
        made.persist_noclobber(file).map_err(|error| error.error)?;
        Ok(())
    }

    /// Runs `work` on one state of the database.
    pub fn read<T, E>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<rusqlite::Error>,
    {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = if let Some(conn) = kept {
            conn
        } else {
            let conn = connect(&self.path)?;
            conn.pragma_update(None, "query_only", true)?;
            conn
        };
        let result = {
            let transaction = conn.unchecked_transaction()?;
            work(&transaction)
        };
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT {
            readers.push(conn);
        }
        result
    }

    /// Runs `work` in one transaction that is on disk before this returns, or not at all.
    pub fn write<T, E>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<rusqlite::Error>,
    {
        // A panic in `work` has rolled its transaction back: the connection is good.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        item::index_texts(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(Duration::from_secs(30))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // Full: a write is on disk before its answer leaves.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // A cached statement keeps its plan: without this, binding a value plans it anew at every execution.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Items whose texts a transaction changed; savepoints take it back together with the items.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.execute_batch("CREATE TEMP TABLE unindexed (item INTEGER PRIMARY KEY) STRICT")?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(conn)
}

/// The texts of an item as searches see them: small letters in every script, of which `SQLite`'s own know
/// only ASCII.
fn lower_text<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let texts: Vec<&str> = texts.into_iter().map(Option::unwrap_or_default).collect();
    // No query holds this character, so none matches across two texts.
    texts.join("\u{1}").to_lowercase()
}

fn migrate(conn: &mut Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("lower_text", -1, flags, |context| {
        let texts: Vec<Option<String>> =
            (0..context.len()).map(|index| context.get(index)).collect::<rusqlite::Result<_>>()?;
        Ok(lower_text(texts.iter().map(Option::as_deref)))
    })?;
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version)
        .ok()
        .filter(|&done| done <= MIGRATIONS.len())
        .ok_or(Error::TooNew(version))?;
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    if done < MIGRATIONS.len() {
        transaction.pragma_update(
            None,
            "user_version",
            i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX),
        )?;
    }
    transaction.commit()?;
    Ok(())
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
