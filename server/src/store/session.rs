//! Sessions. A token is stored as its SHA-256 only; it has 256 bits, so a plain digest is enough.

use crate::ServeOptions;
use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::id::{UserId, now, random};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_api::error::code;
use keyferry_api::session::Tokens;
use keyferry_api::user::SessionInfo;
use keyferry_sql::{self as sql, Connection, Optional as _, Row, params};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq as _;

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
    family: i64,
    refresh_hash: [u8; 32],
    standing: Standing,
}

/// What a refresh does not change.
#[derive(Clone, Default)]
pub(crate) struct Standing {
    /// Signed in by password, but the one-time code is still owed.
    pub owes_code: bool,
    /// A browser's: writes need the CSRF token.
    pub csrf_hash: Option<[u8; 32]>,
    /// Wrong one-time codes that it was given while it owes one.
    pub code_misses: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Access,
    Refresh,
}

fn find(conn: &Connection, kind: Kind, token: &str) -> Result<Option<Found>> {
    let sql = match kind {
        Kind::Access => {
            "SELECT id, user_id, access_expires, refresh_expires, owes_code, csrf_hash, family, refresh_hash, code_misses
             FROM sessions WHERE access_hash = ?1"
        }
        Kind::Refresh => {
            "SELECT id, user_id, access_expires, refresh_expires, owes_code, csrf_hash, family, refresh_hash, code_misses
             FROM sessions WHERE refresh_hash = ?1"
        }
    };
    Ok(conn.prepare_cached(sql)?.query_row([hash(token)], found_row).optional()?)
}

fn found_row(row: &Row<'_>) -> sql::Result<Found> {
    Ok(Found {
        session: row.get(0)?,
        user: row.get(1)?,
        access_expires: row.get(2)?,
        refresh_expires: row.get(3)?,
        standing: Standing { owes_code: row.get(4)?, csrf_hash: row.get(5)?, code_misses: row.get(8)? },
        family: row.get(6)?,
        refresh_hash: row.get(7)?,
    })
}

/// Starts a session. Sessions whose time has run out go on this occasion.
pub(crate) fn start(
    conn: &Connection,
    user: &UserId,
    standing: &Standing,
    options: &ServeOptions,
) -> Result<Tokens> {
    in_family(conn, user, standing, i64::from_ne_bytes(random()?), options)
}

/// The next session of a family, or its first.
fn in_family(
    conn: &Connection,
    user: &UserId,
    standing: &Standing,
    family: i64,
    options: &ServeOptions,
) -> Result<Tokens> {
    conn.prepare_cached("DELETE FROM used_refresh_tokens WHERE expires <= ?1")?.execute([now()])?;
    conn.prepare_cached(
        "DELETE FROM sessions WHERE user_id = ?1 AND refresh_expires <= ?2 AND access_expires <= ?2",
    )?
    .execute(params![user, now()])?;
    let (access, refresh) = (token()?, token()?);
    let (access_expires, refresh_expires) =
        (after(options.access_token_life), after(options.refresh_token_life));
    conn.prepare_cached(
        "INSERT INTO sessions (user_id, access_hash, refresh_hash, access_expires, refresh_expires, owes_code,
                               csrf_hash, family, code_misses)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        user,
        hash(&access),
        hash(&refresh),
        access_expires,
        refresh_expires,
        standing.owes_code,
        standing.csrf_hash,
        family,
        standing.code_misses
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
            let Standing { owes_code, csrf_hash, .. } = found.standing;
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

/// What a refresh came to. A family that was ended is no error to the transaction, which must keep that.
pub(crate) enum Refreshed {
    /// New tokens, and whether the session is a browser's.
    Tokens(Tokens, bool),
    /// A refresh token came for the second time: somebody has a copy, and nobody knows who.
    Ended,
}

impl Refreshed {
    /// The tokens.
    ///
    /// # Errors
    /// Where the family was ended.
    pub fn tokens(self) -> Result<(Tokens, bool)> {
        match self {
            Self::Tokens(tokens, browser) => Ok((tokens, browser)),
            Self::Ended => Err(expired()),
        }
    }
}

/// An access token as it came.
pub(crate) struct Presented<'a> {
    pub token: &'a str,
    /// It came as a cookie, which also travels with requests that another site provokes: then this is the token against
    /// that.
    pub csrf: Option<&'a str>,
    pub cookie: bool,
}

impl Presented<'_> {
    fn check(&self, found: &Found) -> Result<()> {
        if !self.cookie {
            return Ok(());
        }
        let given = self.csrf.map(hash);
        let right =
            found.standing.csrf_hash.zip(given).is_some_and(|(held, given)| held.ct_eq(&given).into());
        if right { Ok(()) } else { Err(Refusal::csrf_invalid()) }
    }
}

/// How long after its use a refresh token gets another pair: an answer may have been lost.
const GRACE: i64 = 30;

/// Replaces both tokens. The session is known by its refresh token, or by an access token that has not expired; where
/// both are given they must belong together. A refresh token works once (RFC 9700 §4.14.2): one that comes again soon
/// lost its answer, and later it ends every session of its family.
pub(crate) fn refresh(
    conn: &Connection,
    access: Option<&Presented<'_>>,
    refresh: Option<&str>,
    options: &ServeOptions,
) -> Result<Refreshed> {
    let by_refresh = refresh.map(|token| find(conn, Kind::Refresh, token)).transpose()?;
    if let (Some(token), Some(None)) = (refresh, &by_refresh)
        && let Some(again) = used_before(conn, token, options)?
    {
        return Ok(again);
    }
    let by_access = match access {
        Some(given) => {
            let found = alive(find(conn, Kind::Access, given.token)?, invalid)?;
            given.check(&found)?;
            Some(found)
        }
        None => None,
    };
    let session = match by_refresh {
        Some(found) => {
            let found = alive(found, expired)?;
            if by_access.is_some_and(|other| other.session != found.session) {
                return Err(invalid());
            }
            found
        }
        None => unexpired(by_access.ok_or_else(invalid)?)?,
    };
    use_up(conn, &session)?;
    conn.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([session.session])?;
    let browser = session.standing.csrf_hash.is_some();
    let tokens = in_family(conn, &session.user, &session.standing, session.family, options)?;
    Ok(Refreshed::Tokens(tokens, browser))
}

/// An access token that has run out buys nothing by itself.
fn unexpired(found: Found) -> Result<Found> {
    if found.access_expires > now() {
        return Ok(found);
    }
    Err(Refusal::unauthorized(
        code::ACCESS_TOKEN_EXPIRED,
        "The access token has expired: the refresh token is needed.",
    ))
}

/// Remembers that a session's refresh token was used.
fn use_up(conn: &Connection, found: &Found) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO used_refresh_tokens (hash, family, used, expires) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (hash) DO UPDATE SET family = ?2, used = ?3, expires = ?4",
    )?
    .execute(params![found.refresh_hash, found.family, now(), found.refresh_expires])?;
    Ok(())
}

/// What becomes of a refresh token that was used before; `None` where it never was.
fn used_before(conn: &Connection, token: &str, options: &ServeOptions) -> Result<Option<Refreshed>> {
    let used: Option<(i64, i64)> = conn
        .prepare_cached("SELECT family, used FROM used_refresh_tokens WHERE hash = ?1")?
        .query_row([hash(token)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((family, used)) = used else { return Ok(None) };
    let sibling = conn
        .prepare_cached(
            "SELECT id, user_id, access_expires, refresh_expires, owes_code, csrf_hash, family, refresh_hash, code_misses
             FROM sessions WHERE family = ?1 AND refresh_expires > ?2 ORDER BY id LIMIT 1",
        )?
        .query_row(params![family, now()], found_row)
        .optional()?;
    match sibling {
        Some(sibling) if now() - used <= GRACE => {
            let browser = sibling.standing.csrf_hash.is_some();
            let tokens = in_family(conn, &sibling.user, &sibling.standing, family, options)?;
            Ok(Some(Refreshed::Tokens(tokens, browser)))
        }
        _ => {
            conn.prepare_cached("DELETE FROM sessions WHERE family = ?1")?.execute([family])?;
            Ok(Some(Refreshed::Ended))
        }
    }
}

/// Replaces the access token only, while it has not expired.
pub(crate) fn refresh_access(
    conn: &Connection,
    access: &str,
    options: &ServeOptions,
) -> Result<(Tokens, bool)> {
    let found = unexpired(alive(find(conn, Kind::Access, access)?, invalid)?)?;
    let (new, expires) = (token()?, after(options.access_token_life));
    conn.prepare_cached("UPDATE sessions SET access_hash = ?2, access_expires = ?3 WHERE id = ?1")?
        .execute(params![found.session, hash(&new), expires])?;
    let tokens =
        Tokens { access_token: Some(new), access_token_expired_at: Some(expires), ..Tokens::default() };
    Ok((tokens, found.standing.csrf_hash.is_some()))
}

/// Replaces the refresh token only.
pub(crate) fn refresh_refresh(conn: &Connection, refresh: &str, options: &ServeOptions) -> Result<Refreshed> {
    let found = find(conn, Kind::Refresh, refresh)?;
    if found.is_none()
        && let Some(again) = used_before(conn, refresh, options)?
    {
        return Ok(match again {
            Refreshed::Tokens(tokens, browser) => Refreshed::Tokens(
                Tokens { access_token: None, access_token_expired_at: None, ..tokens },
                browser,
            ),
            Refreshed::Ended => Refreshed::Ended,
        });
    }
    let found = alive(found, expired)?;
    use_up(conn, &found)?;
    let (new, expires) = (token()?, after(options.refresh_token_life));
    conn.prepare_cached("UPDATE sessions SET refresh_hash = ?2, refresh_expires = ?3 WHERE id = ?1")?
        .execute(params![found.session, hash(&new), expires])?;
    let tokens =
        Tokens { refresh_token: Some(new), refresh_token_expired_at: Some(expires), ..Tokens::default() };
    Ok(Refreshed::Tokens(tokens, found.standing.csrf_hash.is_some()))
}

/// What there is to say about the caller's session.
pub(crate) fn info(conn: &Connection, caller: &Caller) -> Result<SessionInfo> {
    Ok(conn
        .prepare_cached("SELECT access_expires, refresh_expires, owes_code FROM sessions WHERE id = ?1")?
        .query_row([caller.session], |row| {
            Ok(SessionInfo {
                user_id: caller.user.as_str().to_owned(),
                access_token_expired_at: row.get(0)?,
                refresh_token_expired_at: row.get(1)?,
                is_two_factor_auth_required: row.get(2)?,
            })
        })?)
}

/// Ends the session, and with it those that lost answers led to beside it.
pub(crate) fn end(conn: &Connection, caller: &Caller) -> Result<()> {
    conn.prepare_cached("DELETE FROM sessions WHERE family = (SELECT family FROM sessions WHERE id = ?1)")?
        .execute([caller.session])?;
    Ok(())
}

/// Wrong one-time codes until a half-open session is over.
const MOST_CODES: u32 = 5;

/// Counts wrong one-time codes of a half-open session, and of all in its family; too many end them.
pub(crate) fn missed_codes(conn: &Connection, session: i64, misses: u32) -> Result<()> {
    let family = "family = (SELECT family FROM sessions WHERE id = ?1)";
    conn.prepare_cached(&format!(
        "UPDATE sessions SET code_misses = code_misses + ?2 WHERE owes_code <> 0 AND {family}"
    ))?
    .execute(params![session, misses])?;
    conn.prepare_cached(&format!(
        "DELETE FROM sessions WHERE owes_code <> 0 AND code_misses >= ?2 AND {family}"
    ))?
    .execute(params![session, MOST_CODES])?;
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
