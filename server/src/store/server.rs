//! An environment in a PostgreSQL database, on which several servers may work.

use super::TRIES;
use super::migrations::{IN_MONTHS, NEWEST, SERVER, SERVER_FIRST};
use super::months;
use crate::error::Error;
use keyferry_sql::{Address, Begin, Connection, DatabaseError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A write takes the environment's one row first, of all servers one, and then every place of those who write beside each
/// other: it waits until they are done, and they wait until it is.
pub(super) const ONE_WRITER: &str =
    "SELECT 1 FROM environment FOR UPDATE; SELECT 1 FROM writers ORDER BY slot FOR UPDATE";

/// How many of those places there are.
const PLACES: usize = 16;

/// Takes one of the places of those who write beside each other, for as long as the transaction lasts; `false` where there is
/// none. A row that everybody locks alike would do as well, but that nobody who wants it alone ever got it as long as others
/// come and go: for a place one waits in a row.
pub(super) fn take_place(conn: &Connection) -> Result<bool, DatabaseError> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut free =
        conn.prepare_cached("SELECT slot FROM writers ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED")?;
    if free.exists([])? {
        return Ok(true);
    }
    let next = i64::try_from(NEXT.fetch_add(1, Ordering::Relaxed) % PLACES).unwrap_or(0);
    conn.prepare_cached("SELECT slot FROM writers WHERE slot = ?1 FOR UPDATE")?.exists([next])
}

/// Makes an environment in a database that holds none: all of it, or nothing.
pub(super) fn create(address: &Address, client_encryption: bool) -> Result<Connection, Error> {
    let conn = begin_new(address)?;
    let transaction = conn.started();
    make_tables(&transaction)?;
    transaction.execute(
        "INSERT INTO environment (\"only\", client_encryption) VALUES (1, ?1)",
        [client_encryption],
    )?;
    transaction.commit()?;
    Ok(conn)
}

/// A connection to a database that holds no environment, with a transaction that was begun.
pub(super) fn begin_new(address: &Address) -> Result<Connection, Error> {
    let conn = connect(address)?;
    conn.start(Begin::Migrating)?;
    if holds_environment(&conn)? {
        return Err(Error::AlreadyThere(PathBuf::from(address.to_string())));
    }
    Ok(conn)
}

/// The newest schema, without an environment in it.
pub(super) fn make_tables(conn: &Connection) -> Result<(), DatabaseError> {
    migrate(conn, SERVER_FIRST - 1)
}

/// A connection that writes, to a database that holds an environment; its schema is brought up to date. Where others are at work
/// meanwhile, of an earlier version too, that may have to be begun anew.
pub(super) fn open(address: &Address) -> Result<Connection, Error> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match brought_up_to_date(address) {
            Err(Error::Database(error)) if tries > 0 && error.is_to_be_tried_again() => {
                tracing::debug!(%error, "the schema is looked at anew");
            }
            done => return done,
        }
    }
}

fn brought_up_to_date(address: &Address) -> Result<Connection, Error> {
    let conn = connect(address)?;
    conn.start(Begin::Migrating)?;
    let transaction = conn.started();
    if !holds_environment(&transaction)? {
        return Err(Error::NotThere(PathBuf::from(address.to_string())));
    }
    // Another server that starts at this moment waits here, and then finds it done.
    let version: i64 =
        transaction.query_row("SELECT version FROM keyferry_schema FOR UPDATE", [], |row| row.get(0))?;
    let done = usize::try_from(version).ok().filter(|&done| done <= NEWEST).ok_or(Error::TooNew(version))?;
    if done < SERVER_FIRST {
        let why = format!(
            "it says that its schema is version {version}, which no environment on a server ever had"
        );
        return Err(DatabaseError::unfit(why).into());
    }
    if done < NEWEST {
        // Every write begins with its row, and so waits here rather than in the midst.
        transaction.execute_batch("LOCK TABLE environment IN ACCESS EXCLUSIVE MODE")?;
    }
    migrate(&transaction, done)?;
    transaction.commit()?;
    Ok(conn)
}

fn connect(address: &Address) -> Result<Connection, Error> {
    let conn = Connection::to_server(address, ONE_WRITER)?;
    let encoding: String =
        conn.query_row("SELECT current_setting('server_encoding')", [], |row| row.get(0))?;
    if encoding != "UTF8" {
        let why = format!("the database keeps texts as {encoding}: make one with ENCODING 'UTF8'");
        return Err(DatabaseError::unfit(why).into());
    }
    Ok(conn)
}

fn holds_environment(conn: &Connection) -> Result<bool, DatabaseError> {
    conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE oid = to_regclass('keyferry_schema'))",
        [],
        |row| row.get(0),
    )
}

fn migrate(conn: &Connection, done: usize) -> Result<(), DatabaseError> {
    if done >= NEWEST {
        return Ok(());
    }
    for (version, migration) in (SERVER_FIRST..).zip(SERVER).filter(|(version, _)| *version > done) {
        conn.execute_batch(migration)?;
        if version == IN_MONTHS {
            months::begin(conn)?;
        }
    }
    let newest = i64::try_from(NEWEST).unwrap_or(i64::MAX);
    conn.execute("UPDATE keyferry_schema SET version = ?1", [newest])?;
    if done < SERVER_FIRST {
        index_trigrams(conn)?;
    }
    Ok(())
}

/// An index for searches, where the extension that it needs can be had; without it they look through all texts.
fn index_trigrams(conn: &Connection) -> Result<(), DatabaseError> {
    conn.savepoint("trigrams")?;
    let made = conn.execute_batch(
        "CREATE EXTENSION IF NOT EXISTS pg_trgm;
         CREATE INDEX item_text_trigrams ON item_text USING gin (text gin_trgm_ops)",
    );
    if let Err(error) = made {
        if error.is_away() {
            return Err(error);
        }
        conn.roll_back_to("trigrams")?;
        tracing::warn!(%error, "searches have no index: the extension pg_trgm cannot be had");
    }
    conn.release("trigrams")
}
