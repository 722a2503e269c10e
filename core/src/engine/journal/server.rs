//! A journal on a PostgreSQL server: its session, what holds a sink there, and what signs in.
//!
//! Whoever holds a sink does so by a lock of the very session through which they write: it ends with their process, however
//! that ends, and where the session is lost, nothing more of theirs is written, so that no request leaves any more.

use super::now;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretString;
use keyferry_sql::{Address, AddressError, Connection, DatabaseError, Optional as _};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a session of a journal is told first: that the server finds out about a machine that is gone, and takes the
/// transaction of a process that hangs.
const SETTINGS: &str =
    "SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4;
    SET idle_in_transaction_session_timeout = '15s'";

pub(super) struct Server {
    address: Address,
    /// The sinks that this session holds.
    held: Mutex<HashSet<i64>>,
    /// How many seconds the server's clock is ahead of this machine's.
    ahead: i64,
}

impl Server {
    pub fn open(address: &Address) -> keyferry_sql::Result<(Self, Connection)> {
        let db = connect(address)?;
        let encoding: String =
            db.query_row("SELECT current_setting('server_encoding')", [], |row| row.get(0))?;
        if encoding != "UTF8" {
            let why = format!("the database keeps texts as {encoding}: make one with ENCODING 'UTF8'");
            return Err(DatabaseError::unfit(why));
        }
        let clock = format!("SELECT {}", db.dialect().milliseconds());
        let clock: i64 = db.query_row(&clock, [], |row| row.get(0))?;
        let ahead = clock / 1000 - now();
        Ok((Self { address: address.clone(), held: Mutex::default(), ahead }, db))
    }

    pub fn ahead(&self) -> i64 {
        self.ahead
    }

    fn held(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session that was lost again, unless it held a sink: by now another may.
    pub fn revive(&self, db: &mut Connection) {
        if db.is_closed() {
            self.renew(db);
        }
    }

    /// Opens another session in the place of one that answers no more, be it that this is known for good or not yet.
    pub fn renew(&self, db: &mut Connection) {
        if self.held().is_empty()
            && let Ok(new) = connect(&self.address)
        {
            *db = new;
        }
    }

    /// Takes a sink; false where somebody has it, be it this session.
    pub fn take(&self, db: &Connection, sink: &str) -> keyferry_sql::Result<bool> {
        let key = key(sink);
        let mut held = self.held();
        let taken = !held.contains(&key)
            && db.query_row("SELECT pg_try_advisory_lock(?1)", [key], |row| row.get::<bool>(0))?;
        if taken {
            held.insert(key);
        }
        Ok(taken)
    }

    /// Whether anybody has a sink.
    pub fn is_held(db: &Connection, sink: &str) -> keyferry_sql::Result<bool> {
        let found = db.query_row(
            "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
               AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
               AND (CAST(classid AS BIGINT) << 32) | CAST(objid AS BIGINT) = ?1",
            [key(sink)],
            |_| Ok(()),
        );
        Ok(found.optional()?.is_some())
    }

    /// Gives a sink back. Where the session is lost, that was done.
    pub fn give_back(&self, db: &Connection, sink: &str) {
        let key = key(sink);
        if db.query_row("SELECT pg_advisory_unlock(?1)", [key], |row| row.get::<bool>(0)).is_ok()
            || db.is_closed()
        {
            self.held().remove(&key);
        }
    }
}

fn connect(address: &Address) -> keyferry_sql::Result<Connection> {
    // Many write at once; rows are locked as they are written.
    let db = Connection::to_server(address, "")?;
    db.execute_batch(SETTINGS)?;
    Ok(db)
}

/// The number under which a server knows a sink that is held.
fn key(sink: &str) -> i64 {
    let hash = Sha256::new_with_prefix("keyferry journal: ").chain_update(sink).finalize();
    hash.iter().take(8).fold(0, |key, byte| (key << 8) | i64::from(*byte))
}

/// The text of a journal's place, where it is the address of a database.
#[must_use]
pub fn is_address(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| Address::is_meant(text))
}

/// A database's address with what signs in there: the variable `PREFIX_PASSWORD`, the file that `PREFIX_PASSWORD_FILE` names,
/// or the line of `PGPASSFILE` for this address. Without any of them the server is asked to let in without one.
///
/// # Errors
/// [`ErrorKind::Usage`] for what is no address, and for one that holds a password: every program on the machine could read it.
pub fn database_address(
    text: &str,
    prefix: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Address> {
    let address = Address::parse(text).map_err(|error| {
        let next = match &error {
            AddressError::HoldsPassword => {
                format!("leave it out, and set {prefix}_PASSWORD, {prefix}_PASSWORD_FILE or PGPASSFILE")
            }
            _ => "write postgres://USER@HOST:PORT/DATABASE, with ?sslmode=… where it needs one".to_owned(),
        };
        Error::new(ErrorKind::Usage, error.to_string()).next_step(next)
    })?;
    Ok(match password(&address, prefix, variable)? {
        Some(password) => address.with_password(password.expose()),
        None => address,
    })
}

fn password(
    address: &Address,
    prefix: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<SecretString>> {
    let name = format!("{prefix}_PASSWORD");
    if let Some(password) = variable(&name) {
        return Ok(Some(SecretString::new(password)));
    }
    let file = format!("{name}_FILE");
    if let Some(path) = variable(&file) {
        let text = read(&path, || format!("{file} names a file that holds the password"))?;
        return Ok(Some(SecretString::from(text.expose().trim_end_matches(['\r', '\n']))));
    }
    let Some(path) = variable("PGPASSFILE") else { return Ok(None) };
    let next = || "PGPASSFILE names a file of host:port:database:user:password lines".to_owned();
    let lines = read(&path, next)?;
    Ok(address.password_in(lines.expose()).map(|password| SecretString::from(password.as_str())))
}

fn read(path: &str, next: impl FnOnce() -> String) -> Result<SecretString> {
    let text = std::fs::read_to_string(path);
    text.map(SecretString::new).map_err(|error| Error::io(path, error).next_step(next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        for text in [
            "postgres://app:planted@db/main",
            "postgres://app@db/main?password=planted",
            "postgres://app:planted@",
        ] {
            let error = database_address(text, "KEYFERRY_JOURNAL", &|_| None).unwrap_err();
            let told = format!("{error} {error:?}");
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(!told.contains("planted"), "{told}");
        }
    }

    #[test]
    fn a_variable_goes_before_a_file_and_both_before_the_password_file() {
        let folder = tempfile::tempdir().unwrap();
        let (one, lines) = (folder.path().join("one"), folder.path().join("lines"));
        std::fs::write(&one, "from a file\n").unwrap();
        std::fs::write(&lines, "db:5432:main:app:from the lines\n").unwrap();
        let (one, lines) = (one.to_str().unwrap().to_owned(), lines.to_str().unwrap().to_owned());
        let all = [("A_PASSWORD", "from a variable"), ("A_PASSWORD_FILE", &one), ("PGPASSFILE", &lines)];
        let of = |names: &[(&str, &str)]| {
            let lookup = |name: &str| {
                names.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let address = Address::parse("postgres://app@db/main").unwrap();
            password(&address, "A", &lookup).unwrap().map(|password| password.expose().to_owned())
        };
        assert_eq!(of(&all).as_deref(), Some("from a variable"));
        assert_eq!(of(&all[1..]).as_deref(), Some("from a file"));
        assert_eq!(of(&all[2..]).as_deref(), Some("from the lines"));
        assert_eq!(of(&[]), None);
    }
}
