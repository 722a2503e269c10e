//! Sessions. A token is stored as its SHA-256 only; it has 256 bits, so a plain digest is enough.

use crate::ServeOptions;
use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::id::{UserId, now, random};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_api::error::code;
use keyferry_api::session::Tokens;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// 32 random bytes in base64.
pub(crate) fn token() -> Result<String> {
    Ok(STANDARD.encode(random::<32>()?))
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn after(life: Duration) -> i64 {
    now().saturating_add(i64::try_from(life.as_secs()).unwrap_or(i64::MAX))
}

/// A session as it is found by one of its tokens.
struct Found {
    session: i64,
    user: UserId,
    access_expires: i64,
    refresh_expires: i64,
}

#[derive(Clone, Copy)]
enum Kind {
    Access,
    Refresh,
}

fn find(conn: &Connection, kind: Kind, token: &str) -> Result<Option<Found>> {
    let sql = match kind {
        Kind::Access => {
            "SELECT id, user_id, access_expires, refresh_expires FROM sessions WHERE access_hash = ?1"
        }
        Kind::Refresh => {
            "SELECT id, user_id, access_expires, refresh_expires FROM sessions WHERE refresh_hash = ?1"
        }
    };
    let found = conn
        .prepare_cached(sql)?
        .query_row([hash(token)], |row| {
            Ok(Found {
                session: row.get(0)?,
                user: row.get(1)?,
                access_expires: row.get(2)?,
                refresh_expires: row.get(3)?,
            })
        })
        .optional()?;
    Ok(found)
}

/// Starts a session. Sessions whose time has run out go on this occasion.
pub(crate) fn start(conn: &Connection, user: &UserId, options: &ServeOptions) -> Result<Tokens> {
    conn.prepare_cached("DELETE FROM sessions WHERE user_id = ?1 AND refresh_expires <= ?2")?
        .execute(params![user, now()])?;
    let (access, refresh) = (token()?, token()?);
    let (access_expires, refresh_expires) =
        (after(options.access_token_life), after(options.refresh_token_life));
    conn.prepare_cached(
        "INSERT INTO sessions (user_id, access_hash, refresh_hash, access_expires, refresh_expires)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![user, hash(&access), hash(&refresh), access_expires, refresh_expires])?;
    Ok(Tokens {
        access_token: Some(access),
        refresh_token: Some(refresh),
        csrf_token: None,
        access_token_expired_at: Some(access_expires),
        refresh_token_expired_at: Some(refresh_expires),
    })
}

/// Whose token this is.
pub(crate) fn caller(conn: &Connection, access: &str) -> Result<Caller> {
    match find(conn, Kind::Access, access)? {
        Some(found) if found.access_expires > now() => {
            Ok(Caller { user: found.user, session: found.session })
        }
        Some(_) => Err(Refusal::unauthorized(code::ACCESS_TOKEN_EXPIRED, "The access token has expired.")),
        None => Err(invalid()),
    }
}

fn invalid() -> Refusal {
    Refusal::unauthorized(code::ACCESS_TOKEN_INVALID, "No session has this access token.")
}

fn expired() -> Refusal {
    Refusal::unauthorized(code::REFRESH_TOKEN_EXPIRED, "The session is over: sign in again.")
}

fn alive(found: Option<Found>, missing: fn() -> Refusal) -> Result<Found> {
    let found = found.ok_or_else(missing)?;
    if found.refresh_expires > now() { Ok(found) } else { Err(expired()) }
}

/// Replaces both tokens. The session is known by its refresh token, or by the access token alone;
/// where both are given they must belong together.
pub(crate) fn refresh(
    conn: &Connection,
    access: Option<&str>,
    refresh: Option<&str>,
    options: &ServeOptions,
) -> Result<Tokens> {
    let by_access = match access {
        Some(token) => Some(alive(find(conn, Kind::Access, token)?, invalid)?),
        None => None,
    };
    let session = match refresh {
        Some(token) => {
            let found = alive(find(conn, Kind::Refresh, token)?, expired)?;
            if by_access.is_some_and(|other| other.session != found.session) {
                return Err(invalid());
            }
            found
        }
        None => by_access.ok_or_else(invalid)?,
    };
    conn.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([session.session])?;
    start(conn, &session.user, options)
}

/// Replaces the access token only.
pub(crate) fn refresh_access(conn: &Connection, access: &str, options: &ServeOptions) -> Result<Tokens> {
    let found = alive(find(conn, Kind::Access, access)?, invalid)?;
    let (new, expires) = (token()?, after(options.access_token_life));
    conn.prepare_cached("UPDATE sessions SET access_hash = ?2, access_expires = ?3 WHERE id = ?1")?
        .execute(params![found.session, hash(&new), expires])?;
    Ok(Tokens { access_token: Some(new), access_token_expired_at: Some(expires), ..Tokens::default() })
}

/// Replaces the refresh token only.
pub(crate) fn refresh_refresh(conn: &Connection, refresh: &str, options: &ServeOptions) -> Result<Tokens> {
    let found = alive(find(conn, Kind::Refresh, refresh)?, expired)?;
    let (new, expires) = (token()?, after(options.refresh_token_life));
    conn.prepare_cached("UPDATE sessions SET refresh_hash = ?2, refresh_expires = ?3 WHERE id = ?1")?
        .execute(params![found.session, hash(&new), expires])?;
    Ok(Tokens { refresh_token: Some(new), refresh_token_expired_at: Some(expires), ..Tokens::default() })
}

/// Ends the session.
pub(crate) fn end(conn: &Connection, caller: &Caller) -> Result<()> {
    conn.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([caller.session])?;
    Ok(())
}
