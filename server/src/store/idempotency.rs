//! Writes that named an `Idempotency-Key`: the first answer is kept in the transaction of the write itself, so that a crash
//! leaves both or neither.

use crate::error::Result;
use crate::id::{UserId, now};
use keyferry_sql::{self as sql, Connection, Optional as _, params};

/// How long a key is kept, in seconds: 7 days.
pub(crate) const KEPT: i64 = 7 * 24 * 60 * 60;

/// Keys beyond their time that one write takes out: what has gathered goes in portions, and no write waits for all of it.
const AT_ONCE: i64 = 1000;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Makes {
    /// Nothing that has an identifier of its own.
    Nothing,
    Item,
    Folder,
    Vault,
}

impl Makes {
    fn number(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Item => 1,
            Self::Folder => 2,
            Self::Vault => 3,
        }
    }

    /// In SQL, how a thing stands, where it stands at all.
    fn state_of(number: i64) -> Option<&'static str> {
        match number {
            1 => Some(
                // Who moves an item gives it another revision as well.
                "SELECT CAST(revision AS TEXT) FROM items WHERE id = ?1 AND bin_item_id IS NULL",
            ),
            2 => Some(
                "SELECT vault_id || '/' || coalesce(parent_folder_id, '') || '/' || name FROM folders
                 WHERE id = ?1 AND bin_item_id IS NULL",
            ),
            3 => Some("SELECT name FROM vaults WHERE id = ?1"),
            _ => None,
        }
    }
}

fn state(conn: &Connection, kind: i64, id: Option<&str>) -> Result<Option<String>> {
    let (Some(sql), Some(id)) = (Makes::state_of(kind), id) else { return Ok(None) };
    Ok(conn.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?)
}

/// What was answered.
pub(crate) enum Answer {
    /// The identifier of what was made, and nothing else.
    Made(String),
    Text(String),
}

/// What is known of a key.
pub(crate) enum Found {
    /// This very request was answered before.
    Answer(Answer),
    /// Another request was, and what it made, if anything, stands as it was made.
    Taken(Option<String>),
    /// Nothing, or nothing that still counts.
    Free,
}

/// Looks whether a user's request was answered before.
pub(crate) fn find(conn: &Connection, user: &UserId, key: &str, fingerprint: &[u8; 32]) -> Result<Found> {
    let mut query = conn.prepare_cached(
        "SELECT fingerprint, kind, made, state, answer FROM idempotency_keys
         WHERE user_id = ?1 AND key = ?2 AND kept_at > ?3",
    )?;
    let mut rows = query.query(params![user, key, now() - KEPT])?;
    let mut found = Found::Free;
    while let Some(row) = rows.next()? {
        if row.get_ref(0)?.as_blob().is_ok_and(|held| held == fingerprint) {
            let answer: Option<String> = row.get(4)?;
            return Ok(Found::Answer(match (answer, row.get::<Option<String>>(2)?) {
                (None, Some(made)) => Answer::Made(made),
                (answer, _) => Answer::Text(answer.unwrap_or_default()),
            }));
        }
        let (kind, made): (i64, Option<String>) = (row.get(1)?, row.get(2)?);
        let then: Option<String> = row.get(3)?;
        let counts = match Makes::state_of(kind) {
            None => true,
            Some(_) => then.is_some() && state(conn, kind, made.as_deref())? == then,
        };
        if counts {
            found = Found::Taken(made);
        }
    }
    Ok(found)
}

/// Keeps the answer to a request.
pub(crate) fn keep(
    conn: &Connection,
    user: &UserId,
    (key, fingerprint): (&str, &[u8; 32]),
    (makes, made): (Makes, Option<&str>),
    answer: &str,
) -> Result<()> {
    let answer = made.is_none().then_some(answer);
    let kind = makes.number();
    let state = state(conn, kind, made)?;
    // What is there of the same request is beyond its time.
    conn.prepare_cached(
        "INSERT INTO idempotency_keys (user_id, key, fingerprint, kept_at, kind, made, state, answer)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (user_id, key, fingerprint) DO UPDATE SET kept_at = ?4, kind = ?5, made = ?6, state = ?7, answer = ?8",
    )?
    .execute(params![user, key, fingerprint, now(), kind, made, state, answer])?;
    Ok(())
}

/// Takes out a portion of what is beyond its time; says whether there may be more.
pub(crate) fn forget_old(conn: &Connection) -> sql::Result<bool> {
    let before = now() - KEPT;
    let any = conn
        .prepare_cached("SELECT 1 FROM idempotency_keys WHERE kept_at <= ?1 LIMIT 1")?
        .exists([before])?;
    if !any {
        return Ok(false);
    }
    let gone = conn
        .prepare_cached(
            "DELETE FROM idempotency_keys WHERE (user_id, key, fingerprint) IN (
               SELECT user_id, key, fingerprint FROM idempotency_keys WHERE kept_at <= ?1 LIMIT ?2)",
        )?
        .execute(params![before, AT_ONCE])?;
    Ok(i64::try_from(gone).is_ok_and(|gone| gone >= AT_ONCE))
}
