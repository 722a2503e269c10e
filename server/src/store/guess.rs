//! Wrong guesses at accounts, kept for the day when the server starts anew.

use super::json_text;
use crate::error::Result;
use crate::limits::Kept;
use keyferry_sql::{self as sql, Connection, params};

/// Keeps what is known of an account.
pub(crate) fn keep(conn: &Connection, account: &Kept) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO guesses (account, misses, next, known) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account) DO UPDATE SET misses = ?2, next = ?3, known = ?4",
    )?
    .execute(params![account.key, account.misses, account.next, json_text(&account.known)?])?;
    Ok(())
}

/// Everything that was kept.
pub(crate) fn all(conn: &Connection) -> Result<Vec<Kept>> {
    let mut statement = conn.prepare_cached("SELECT account, misses, next, known FROM guesses")?;
    let rows = statement.query_map([], |row| {
        let known: String = row.get(3)?;
        Ok(Kept {
            key: row.get(0)?,
            misses: row.get(1)?,
            next: row.get(2)?,
            known: serde_json::from_str(&known).unwrap_or_default(),
        })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}
