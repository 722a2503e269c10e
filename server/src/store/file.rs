//! An environment in a file, which is `SQLite`'s.

use super::migrations::{FILE, NEWEST};
use super::{idempotency, lower_text};
use crate::error::Error;
use keyferry_sql::{Connection, DatabaseError};
use rusqlite::TransactionBehavior;
use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use std::path::Path;
use std::time::Duration;

/// A connection that writes, to a file that is there; its schema is brought up to date.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let mut writer = connect(path)?;
    migrate(&mut writer)?;
    // Identifiers are random: what a write touches lies anywhere in the indexes. 64 MiB at most, as they are used.
    writer.pragma_update(None, "cache_size", -(64 << 10))?;
    // A page that many commits change is written into the file once for all of them, and the file is synced as seldom: 32 MiB of log.
    writer.pragma_update(None, "wal_autocheckpoint", 4096)?;
    Ok(Connection::to_file(writer))
}

/// Writes a copy of one state of the database, also while others write.
pub(super) fn backup(path: &Path, file: &Path) -> Result<(), Error> {
    if file.exists() {
        return Err(Error::Io(std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            format!("{} is there already", file.display()),
        )));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Beside the file, readable by this user alone, and gone where anything fails.
    let made = tempfile::Builder::new().prefix(".backup").tempfile_in(folder)?;
    let source = connect(path)?;
    let mut copy = rusqlite::Connection::open(made.path())?;
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

/// A connection with all settings made.
pub(super) fn connect(path: &Path) -> Result<rusqlite::Connection, DatabaseError> {
    let conn = rusqlite::Connection::open(path)?;
    conn.busy_timeout(Duration::from_secs(30))?;
    // Of a new file: an item has some 1,600 bytes, of which a smaller page holds two.
    conn.pragma_update(None, "page_size", 8192)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // Full: a write is on disk before its answer leaves.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // A cached statement keeps its plan: without this, binding a value plans it anew at every execution.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(conn)
}

fn migrate(conn: &mut rusqlite::Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("lower_text", -1, flags, |context| {
        let texts: Vec<Option<String>> =
            (0..context.len()).map(|index| context.get(index)).collect::<rusqlite::Result<_>>()?;
        Ok(lower_text(texts.iter().map(Option::as_deref)))
    })?;
    conn.create_scalar_function("key_digest", 2, flags, |context| {
        Ok(idempotency::digest(&context.get::<String>(0)?, &context.get::<String>(1)?))
    })?;
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).ok().filter(|&done| done <= NEWEST).ok_or(Error::TooNew(version))?;
    for migration in &FILE[done..] {
        transaction.execute_batch(migration)?;
    }
    if done < NEWEST {
        transaction.pragma_update(None, "user_version", i64::try_from(NEWEST).unwrap_or(i64::MAX))?;
    }
    transaction.commit()?;
    Ok(())
}
