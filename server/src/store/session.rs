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

/// What is stored of a token.
pub(crate) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A moment from now on, in Unix seconds.
pub(crate) fn after(life: Duration) -> i64 {
    now().saturating_add(i64::try_from(life.as_secs()).unwrap_or(i64::MAX))
}

/// A session as it is found by one of its tokens.
struct Found {
    session: i64,
    user: UserId,
    access_expires: i64,
    refresh_expires: i64,
    standing: Standing,
}

/// What a refresh does not change.
#[derive(Clone, Default)]
pub(crate) struct Standing {
    /// Signed in by password, but the one-time code is still owed.
    pub owes_code: bool,
    /// A browser's: writes need the CSRF token.
    pub csrf_hash: Option<[u8; 32]>,
}

#[derive(Clone, Copy)]
enum Kind {
    Access,
    Refresh,
}

fn find(conn: &Connection, kind: Kind, token: &str) -> Result<Option<Found>> {
    let sql = match kind {
        Kind::Access => {
            "SELECT id, user_id, access_expires, refresh_expires, owes_code, csrf_hash FROM sessions WHERE access_hash = ?1"
        }
        Kind::Refresh => {
            "SELECT id, user_id, access_expires, refresh_expires, owes_code, csrf_hash FROM sessions WHERE refresh_hash = ?1"
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
                standing: Standing { owes_code: row.get(4)?, csrf_hash: row.get(5)? },
            })
        })
        .optional()?;
    Ok(found)
}

/// Starts a session. Sessions whose time has run out go on this occasion.
pub(crate) fn start(
    conn: &Connection,
    user: &UserId,
    standing: &Standing,
    options: &ServeOptions,
) -> Result<Tokens> {
    conn.prepare_cached("DELETE FROM sessions WHERE user_id = ?1 AND refresh_expires <= ?2")?
        .execute(params![user, now()])?;
    let (access, refresh) = (token()?, token()?);
    let (access_expires, refresh_expires) =
        (after(options.access_token_life), after(options.refresh_token_life));
    conn.prepare_cached(
        "INSERT INTO sessions (user_id, access_hash, refresh_hash, access_expires, refresh_expires, owes_code,
                               csrf_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        user,
        hash(&access),
        hash(&refresh),
        access_expires,
        refresh_expires,
        standing.owes_code,
        standing.csrf_hash
    ])?;
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
            let Standing { owes_code, csrf_hash } = found.standing;
            Ok(Caller { user: found.user, session: found.session, owes_code, csrf_hash })
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
    start(conn, &session.user, &session.standing, options)
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

/// The session owes no code any more.
pub(crate) fn settle_code(conn: &Connection, caller: &Caller) -> Result<()> {
    conn.prepare_cached("UPDATE sessions SET owes_code = 0 WHERE id = ?1")?.execute([caller.session])?;
    Ok(())
}

/// A CSRF token for a browser that has not signed in yet.
pub(crate) fn new_csrf(conn: &Connection) -> Result<String> {
    const LIFE: Duration = Duration::from_secs(60 * 60);
    let token = token()?;
    conn.prepare_cached("DELETE FROM csrf_tokens WHERE expires <= ?1")?.execute([now()])?;
    conn.prepare_cached("INSERT INTO csrf_tokens (hash, expires) VALUES (?1, ?2)")?
        .execute(params![hash(&token), after(LIFE)])?;
    Ok(token)
}

/// A new CSRF token for a browser's session.
pub(crate) fn renew_csrf(conn: &Connection, caller: &Caller) -> Result<String> {
    let token = token()?;
    conn.prepare_cached("UPDATE sessions SET csrf_hash = ?2 WHERE id = ?1")?
        .execute(params![caller.session, hash(&token)])?;
    Ok(token)
}

/// Whether this token was given out before a login; it is used up then.
pub(crate) fn take_csrf(conn: &Connection, token: &str) -> Result<bool> {
    let gone = conn
        .prepare_cached("DELETE FROM csrf_tokens WHERE hash = ?1 AND expires > ?2")?
        .execute(params![hash(token), now()])?;
    Ok(gone > 0)
}
