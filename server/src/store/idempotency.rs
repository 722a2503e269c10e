//! Writes that named an `Idempotency-Key`: the first answer is kept in the transaction of the write itself, so that a crash
//! leaves both or neither.

use crate::error::Result;
use crate::id::{UserId, now};
use keyferry_sql::{self as sql, Connection, Kind, Optional as _, Table, ToSql, params};
use sha2::{Digest as _, Sha256};

/// How long a key is kept, in seconds: 7 days.
pub(crate) const KEPT: i64 = 7 * 24 * 60 * 60;

/// Keys beyond their time that one write takes out: what has gathered goes in portions, and no write waits for all of it.
const AT_ONCE: i64 = 1000;

/// The revision of an item that nobody has changed, as [`Makes::state_of`] reads it.
const FIRST_REVISION: &str = "1";

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

/// A request that named a key.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub key: &'a str,
    pub fingerprint: &'a [u8; 32],
}

/// Where a user's key is looked for: the first eight bytes of `SHA-256(user ‖ LF ‖ key)`. Keys may be long and are mostly
/// random, so that every new one changes another page of an index of them; one of these numbers is a tenth as large.
pub(super) fn digest(user: &str, key: &str) -> i64 {
    let whole: [u8; 32] =
        Sha256::new().chain_update(user).chain_update("\n").chain_update(key).finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&whole[..8]);
    i64::from_be_bytes(first)
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
    Free(Place),
}

/// Where a key is kept that is free.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    digest: i64,
    /// The turn that it takes among those of its digest: of two who take one at once, the database lets one.
    turn: i64,
    /// The turn of the same request, whose time is over.
    stale: Option<i64>,
}

/// What is kept under a key of this digest.
struct Row {
    turn: i64,
    is_of_key: bool,
    same: bool,
    kept_at: i64,
    kind: i64,
    made: Option<String>,
    state: Option<String>,
    answer: Option<String>,
}

/// Looks whether a user's requests were answered before.
pub(crate) fn find(conn: &Connection, user: &UserId, asked: &[Asked<'_>]) -> Result<Vec<Found>> {
    let digests: Vec<i64> = asked.iter().map(|one| digest(user.as_str(), one.key)).collect();
    let fingerprints: Vec<&[u8]> = asked.iter().map(|one| one.fingerprint.as_slice()).collect();
    let keys: Vec<[&dyn ToSql; 4]> = asked
        .iter()
        .zip(digests.iter().zip(&fingerprints))
        .map(|(one, (digest, fingerprint))| [digest as _, user as _, &one.key as _, fingerprint as _])
        .collect();
    let rows = conn.find_all(
        "SELECT user_id = ?2 AND key = ?3, fingerprint = ?4, kept_at, kind, made, state, answer, turn
         FROM idempotency_keys WHERE digest = ?1",
        &keys,
        |row| {
            Ok(Row {
                is_of_key: row.get(0)?,
                same: row.get(1)?,
                kept_at: row.get(2)?,
                kind: row.get(3)?,
                made: row.get(4)?,
                state: row.get(5)?,
                answer: row.get(6)?,
                turn: row.get(7)?,
            })
        },
    )?;
    digests.into_iter().zip(rows).map(|(digest, rows)| judge(conn, digest, rows)).collect()
}

fn judge(conn: &Connection, digest: i64, mut rows: Vec<Row>) -> Result<Found> {
    let kept_until = now() - KEPT;
    let turn = rows.iter().map(|row| row.turn + 1).max().unwrap_or(0);
    rows.retain(|row| row.is_of_key);
    let stale = rows.iter().find(|row| row.same).map(|row| row.turn);
    let (mut taken, mut is_taken) = (None, false);
    for row in rows.into_iter().filter(|row| row.kept_at > kept_until) {
        if row.same {
            return Ok(Found::Answer(match (row.answer, row.made) {
                (None, Some(made)) => Answer::Made(made),
                (answer, _) => Answer::Text(answer.unwrap_or_default()),
            }));
        }
        let counts = match Makes::state_of(row.kind) {
            None => true,
            Some(_) => row.state.is_some() && state(conn, row.kind, row.made.as_deref())? == row.state,
        };
        if counts {
            (taken, is_taken) = (row.made, true);
        }
    }
    Ok(if is_taken { Found::Taken(taken) } else { Found::Free(Place { digest, turn, stale }) })
}

/// An answer that is to be kept.
pub(crate) struct Kept<'a> {
    pub asked: Asked<'a>,
    pub place: Place,
    pub makes: Makes,
    /// What was made, of which the answer says no more.
    pub made: Option<&'a str>,
    pub answer: Option<&'a str>,
}

const KEYS: Table<10> = Table {
    name: "idempotency_keys",
    columns: [
        ("digest", Kind::Number),
        ("user_id", Kind::Text),
        ("key", Kind::Text),
        ("turn", Kind::Number),
        ("fingerprint", Kind::Bytes),
        ("kept_at", Kind::Number),
        ("kind", Kind::Number),
        ("made", Kind::Text),
        ("state", Kind::Text),
        ("answer", Kind::Text),
    ],
};

/// Keeps the answers to a user's requests.
pub(crate) fn keep(conn: &Connection, user: &UserId, all: &[Kept<'_>]) -> Result<()> {
    for one in all {
        if let Some(stale) = one.place.stale {
            conn.prepare_cached("DELETE FROM idempotency_keys WHERE digest = ?1 AND turn = ?2")?
                .execute(params![one.place.digest, stale])?;
        }
    }
    let now = now();
    // In one order for all who write at once: who waits for whom makes no circle.
    let mut sorted: Vec<&Kept<'_>> = all.iter().collect();
    sorted.sort_by_key(|one| one.place.digest);
    let with_state: Vec<(&Kept<'_>, i64, Option<String>)> = sorted
        .into_iter()
        .map(|one| {
            let kind = one.makes.number();
            let state = match one.makes {
                // It is new.
                Makes::Item => Some(FIRST_REVISION.to_owned()),
                _ => state(conn, kind, one.made)?,
            };
            Ok((one, kind, state))
        })
        .collect::<Result<_>>()?;
    let rows: Vec<[&dyn ToSql; 10]> = with_state
        .iter()
        .map(|(one, kind, state)| {
            let row: [&dyn ToSql; 10] = [
                &one.place.digest,
                user,
                &one.asked.key,
                &one.place.turn,
                one.asked.fingerprint,
                &now,
                kind,
                &one.made,
                state,
                &one.answer,
            ];
            row
        })
        .collect();
    Ok(conn.insert_set(&KEYS, &rows)?)
}

/// Takes out a portion of what is beyond its time; says whether there may be more.
pub(crate) fn forget_old(conn: &Connection, now: i64) -> sql::Result<bool> {
    let before = now - KEPT;
    // By the index, whatever a planner thinks of how many there are.
    let oldest: Option<i64> =
        conn.query_row("SELECT min(kept_at) FROM idempotency_keys", [], |row| row.get(0))?;
    if oldest.is_none_or(|oldest| oldest > before) {
        return Ok(false);
    }
    let gone = conn
        .prepare_cached(
            "DELETE FROM idempotency_keys WHERE (digest, turn) IN (
               SELECT digest, turn FROM idempotency_keys WHERE kept_at <= ?1 LIMIT ?2)",
        )?
        .execute(params![before, AT_ONCE])?;
    Ok(i64::try_from(gone).is_ok_and(|gone| gone >= AT_ONCE))
}
