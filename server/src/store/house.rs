//! What is beyond its time is taken out: by one of all servers on a database, once in a period, in portions.

use super::idempotency;
use crate::id::now;
use keyferry_sql::{self as sql, Connection, params};
use std::time::Duration;

/// How long a turn is one server's affair, whatever becomes of it: so often it is done, by whoever looks first then.
const PERIOD: Duration = Duration::from_secs(600);

/// Rows of each table that one portion takes out, so that no write waits for all of them.
const AT_ONCE: i64 = 1000;

/// Tables with what has a time, their keys, and the rows that are beyond it. `?1` is now.
///
/// Who looks at one of these rows asks for its time as well: that they are gone opens nothing and closes nothing.
const BEYOND: [(&str, &str, &str); 4] = [
    ("sessions", "id", "refresh_expires <= ?1 AND access_expires <= ?1"),
    ("used_refresh_tokens", "hash", "expires <= ?1"),
    ("csrf_tokens", "hash", "expires <= ?1"),
    ("links", "id", "expires <= ?1"),
];

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Whether nobody has the turn: for this alone nobody waits.
pub(crate) fn is_free(conn: &Connection) -> sql::Result<bool> {
    let clock = conn.dialect().milliseconds();
    conn.prepare_cached(&format!("SELECT until <= {clock} FROM housekeeping"))?
        .query_row([], |row| row.get(0))
}

/// Takes the turn, if nobody has it.
pub(crate) fn take(conn: &Connection, holder: &str) -> sql::Result<bool> {
    let clock = conn.dialect().milliseconds();
    let taken = conn
        .prepare_cached(&format!(
            "UPDATE housekeeping SET holder = ?1, until = {clock} + ?2 WHERE until <= {clock}"
        ))?
        .execute(params![holder, milliseconds(PERIOD)])?;
    Ok(taken == 1)
}

/// Takes out a portion of what is beyond its time, if it is this server's turn; says whether there may be more. One that was
/// asleep for longer than its turn finds that another has it.
pub(crate) fn keep(conn: &Connection, holder: &str) -> sql::Result<bool> {
    let holds = conn.prepare_cached("SELECT 1 FROM housekeeping WHERE holder = ?1")?.exists([holder])?;
    if !holds {
        return Ok(false);
    }
    // By whichever clock is behind, the database's or this machine's: one that is wrong takes out nothing before its time.
    let clock = format!("SELECT {} / 1000", conn.dialect().milliseconds());
    let now = now().min(conn.query_row(&clock, [], |row| row.get(0))?);
    let mut more = idempotency::forget_old(conn, now)?;
    for (table, key, beyond) in BEYOND {
        let sql =
            format!("DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {beyond} LIMIT ?2)");
        let gone = conn.prepare_cached(&sql)?.execute(params![now, AT_ONCE])?;
        more |= i64::try_from(gone).is_ok_and(|gone| gone >= AT_ONCE);
    }
    Ok(more)
}
