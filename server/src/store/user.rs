//! Users: their names, what proves their passwords, and the keys that their clients made.

use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::id::{UserId, random};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use keyferry_api::error::code;
use keyferry_api::user::{KeyPair, NewUser, UserInfo};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::{Condvar, Mutex, PoisonError};
use subtle::ConstantTimeEq as _;

/// Passwords that are hashed at once: each takes 19 MiB and a core, whoever asks.
const AT_ONCE: usize = 4;
static UNDER_WAY: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// The right to hash one password.
struct Turn;

impl Turn {
    fn take() -> Self {
        let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        while *under_way >= AT_ONCE {
            under_way = ENDED.wait(under_way).unwrap_or_else(PoisonError::into_inner);
        }
        *under_way += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_one();
    }
}

/// Argon2id with a random salt, as a PHC string.
pub(crate) fn hash_password(password: &str) -> Result<String> {
    let _turn = Turn::take();
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &random::<16>()?)
        .map_err(|_| Refusal::invalid("password", "This password cannot be used."))?;
    Ok(hash.to_string())
}

/// Whether the password is right. Without a user as much work is done: time does not tell names.
pub(crate) fn verify_password(password: &str, stored: Option<&str>) -> Result<bool> {
    match stored {
        Some(stored) => {
            let hash = PasswordHash::new(stored).map_err(|_| Refusal::internal())?;
            let _turn = Turn::take();
            Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        }
        None => hash_password(password).map(|_| false),
    }
}

/// The user of this name and the password's hash.
pub(crate) fn credentials(conn: &Connection, username: &str) -> Result<Option<(UserId, String)>> {
    let found = conn
        .prepare_cached("SELECT id, password_hash FROM users WHERE username = ?1")?
        .query_row([username], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found)
}

/// Makes a user; the first is the one who may make others.
pub(crate) fn create(conn: &Connection, user: NewUser, password_hash: &str) -> Result<UserId> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let email = given(user.email);
    let username = given(user.username)
        .or_else(|| email.clone())
        .ok_or_else(|| Refusal::invalid("username", "A user name or an e-mail address is needed."))?;
    let taken: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM users WHERE username = ?1)")?
        .query_row([&username], |row| row.get(0))?;
    if taken {
        return Err(Refusal::conflict("There is a user of this name already."));
    }
    let id = UserId::fresh()?;
    let (public, private) = user.keys.map(|keys| (keys.public, keys.private_encrypted)).unzip();
    conn.prepare_cached(
        "INSERT INTO users (id, username, email, full_name, is_admin, password_hash, master_key_hash,
                            master_key_options, public_key, private_key_encrypted)
         VALUES (?1, ?2, ?3, ?4, NOT EXISTS (SELECT 1 FROM users), ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        id,
        username,
        email,
        user.full_name,
        password_hash,
        user.master_key_hash,
        user.master_key_options,
        public,
        private
    ])?;
    Ok(id)
}

/// Whether the caller is the environment's first user.
pub(crate) fn is_admin(conn: &Connection, caller: &Caller) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT is_admin FROM users WHERE id = ?1")?
        .query_row([&caller.user], |row| row.get(0))?)
}

/// Only the environment's first user makes users and vault types, and reads the whole log.
pub(crate) fn check_admin(conn: &Connection, caller: &Caller) -> Result<()> {
    if is_admin(conn, caller)? { Ok(()) } else { Err(Refusal::denied()) }
}

fn info_row(row: &Row<'_>) -> rusqlite::Result<UserInfo> {
    Ok(UserInfo {
        id: row.get(0)?,
        username: row.get(1)?,
        email: row.get(2)?,
        full_name: row.get(3)?,
        is_two_factor_auth_enabled: row.get(4)?,
    })
}

/// What there is to say about a user.
pub(crate) fn info(conn: &Connection, user: &UserId) -> Result<UserInfo> {
    conn.prepare_cached("SELECT id, username, email, full_name, totp_enabled FROM users WHERE id = ?1")?
        .query_row([user], info_row)
        .optional()?
        .ok_or_else(|| Refusal::not_found("user"))
}

/// Every user, the oldest first. E-mail addresses, and who signs in with a password alone, are `whole`: for
/// administrators.
pub(crate) fn list(conn: &Connection, whole: bool) -> Result<Vec<UserInfo>> {
    let mut statement =
        conn.prepare_cached("SELECT id, username, email, full_name, totp_enabled FROM users ORDER BY seq")?;
    let rows = statement.query_map([], |row| {
        let user = info_row(row)?;
        Ok(if whole { user } else { UserInfo { email: None, is_two_factor_auth_enabled: None, ..user } })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The user's key pair, if the client made one.
pub(crate) fn keys(conn: &Connection, user: &UserId) -> Result<Option<KeyPair>> {
    let (public, private): (Option<String>, Option<String>) = conn
        .prepare_cached("SELECT public_key, private_key_encrypted FROM users WHERE id = ?1")?
        .query_row([user], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| Refusal::not_found("user"))?;
    Ok(public.zip(private).map(|(public, private_encrypted)| KeyPair { public, private_encrypted }))
}

/// How the user's master key is derived.
pub(crate) fn master_key_options(conn: &Connection, user: &UserId) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT master_key_options FROM users WHERE id = ?1")?
        .query_row([user], |row| row.get(0))?)
}

/// A client that names a master key must name the user's.
pub(crate) fn check_master_key_hash(conn: &Connection, user: &UserId, given: &[u8]) -> Result<()> {
    let stored: Option<String> = conn
        .prepare_cached("SELECT master_key_hash FROM users WHERE id = ?1")?
        .query_row([user], |row| row.get(0))?;
    let same = stored.is_some_and(|stored| bool::from(stored.as_bytes().ct_eq(given)));
    if same {
        Ok(())
    } else {
        Err(Refusal::unauthorized(code::MASTER_KEY_HASH_INVALID, "The master key is not the user's."))
    }
}
