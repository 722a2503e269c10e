//! Users: their names, what proves their passwords, and the keys that their clients made.

use super::rights::{administered_by, keeping_administrators};
use super::role::{self, keep_an_administrator};
use super::{LINE, NAME, check_length};
use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::id::{UserId, random};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use keyferry_api::error::code;
use keyferry_api::user::{FirstKeys, KeyPair, NewUser, UserChange, UserInfo};
use keyferry_sql::{self as sql, Connection, Optional as _, Row, params};
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

/// The hash of a password that somebody shall have.
pub(crate) fn hash_new_password(password: &str) -> Result<String> {
    if password.is_empty() {
        return Err(Refusal::invalid("password", "A password is needed."));
    }
    check_length("password", password, NAME)?;
    hash_password(password)
}

/// Argon2id with a random salt, as a PHC string.
fn hash_password(password: &str) -> Result<String> {
    let _turn = Turn::take();
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &random::<16>()?)
        .map_err(|_| Refusal::invalid("password", "This password cannot be used."))?;
    Ok(hash.to_string())
}

/// Whether the password is right. Without a user as much work is done: time does not tell names.
pub(crate) fn verify_password(password: &str, stored: Option<&str>) -> Result<bool> {
    match stored.filter(|stored| !stored.is_empty()) {
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
        .prepare_cached("SELECT id, password_hash FROM users WHERE username = ?1 AND deleted = 0")?
        .query_row([username], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found)
}

/// Makes a user; the first is an administrator. Without a caller whoever has the folder asks.
pub(crate) fn create(
    conn: &Connection,
    caller: Option<&Caller>,
    user: NewUser,
    password_hash: &str,
) -> Result<UserId> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let email = given(user.email);
    let username = one_login(given(user.login), given(user.username), None)?
        .or_else(|| email.clone())
        .ok_or_else(|| Refusal::invalid("username", "A user name or an e-mail address is needed."))?;
    check_free(conn, &username)?;
    for (field, text) in [
        ("email", email.as_deref()),
        ("fullName", user.full_name.as_deref()),
        ("masterKeyHash", user.master_key_hash.as_deref()),
        ("masterKeyOptions", user.master_key_options.as_deref()),
        ("keys", user.keys.as_ref().map(|keys| keys.public.as_str())),
        ("keys", user.keys.as_ref().map(|keys| keys.private_encrypted.as_str())),
    ] {
        check_length(field, text.unwrap_or_default(), LINE)?;
    }
    let first: bool =
        conn.prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM users)")?.query_row([], |row| row.get(0))?;
    let wanted = given(user.user_role_id);
    let wanted = wanted.map(|wanted| role::to_give(conn, caller, role::USER, &wanted)).transpose()?.flatten();
    let role = match wanted {
        Some(wanted) if !first => wanted,
        _ => role::id_of(conn, if first { role::ADMINISTRATOR } else { role::USER })?,
    };
    let id = UserId::fresh()?;
    // Typed clients send an empty pair for none.
    let pair = user.keys.filter(|keys| !keys.public.is_empty() || !keys.private_encrypted.is_empty());
    if let Some(pair) = &pair {
        check_pair(pair)?;
    }
    let (public, private) = pair.map(|keys| (keys.public, keys.private_encrypted)).unzip();
    conn.prepare_cached(
        "INSERT INTO users (id, username, email, full_name, role_id, password_hash, master_key_hash,
                            master_key_options, public_key, private_key_encrypted, blocked)
         VALUES (?1, ?2, ?3, ?4, ?10, ?5, ?6, ?7, ?8, ?9, ?11)",
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
        private,
        role,
        // Nobody could let the first one in.
        user.is_blocked == Some(true) && !first
    ])?;
    Ok(id)
}

/// The name to sign in with, which has two names itself. Who reads a user and sends it back sends both, one of them changed.
fn one_login(login: Option<String>, username: Option<String>, now: Option<&str>) -> Result<Option<String>> {
    let is_new = |name: &String| now != Some(name.as_str());
    match (login, username) {
        (Some(login), Some(username)) if login != username => match (is_new(&login), is_new(&username)) {
            (true, false) => Ok(Some(login)),
            (false, true) => Ok(Some(username)),
            _ => Err(Refusal::invalid("login", "`login` and `username` are one name: which of the two?")),
        },
        (login, username) => Ok(login.or(username)),
    }
}

fn check_free(conn: &Connection, username: &str) -> Result<()> {
    check_length("login", username, LINE)?;
    let taken: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM users WHERE username = ?1)")?
        .query_row([username], |row| row.get(0))?;
    if taken { Err(Refusal::conflict("There is a user of this name already.")) } else { Ok(()) }
}

/// Changes what is given of a user. An administrator has to be left.
pub(crate) fn change(
    conn: &Connection,
    caller: &Caller,
    user: &UserId,
    change: UserChange,
    password_hash: Option<&str>,
) -> Result<()> {
    let now = info(conn, user)?;
    if let Some(blocked) = change.is_blocked.filter(|blocked| *blocked != now.is_blocked) {
        let how = if blocked { "block" } else { "unblock" };
        return Err(Refusal::invalid("isBlocked", format!("POST /users/{}/{how} does this.", user.as_str())));
    }
    let login = one_login(change.login, change.username, Some(&now.username))?;
    if let Some(login) = login.filter(|login| *login != now.username) {
        if login.is_empty() {
            return Err(Refusal::invalid("login", "A name to sign in with is needed."));
        }
        check_free(conn, &login)?;
        conn.prepare_cached("UPDATE users SET username = ?2 WHERE id = ?1")?.execute(params![user, login])?;
    }
    for (column, text) in [("email", change.email), ("full_name", change.full_name)] {
        if let Some(text) = text {
            check_length(if column == "email" { "email" } else { "fullName" }, &text, LINE)?;
            let text = Some(text).filter(|text| !text.is_empty());
            conn.prepare_cached(&format!("UPDATE users SET {column} = ?2 WHERE id = ?1"))?
                .execute(params![user, text])?;
        }
    }
    if let Some(wanted) = change.user_role_id {
        let held = now.user_role_id.unwrap_or_default();
        if let Some(given) = role::to_give(conn, Some(caller), &held, &wanted)? {
            if role::is_administrator(conn, user)? {
                keep_an_administrator(conn, user)?;
            }
            conn.prepare_cached("UPDATE users SET role_id = ?2 WHERE id = ?1")?
                .execute(params![user, given])?;
        }
    }
    if let Some(hash) = password_hash {
        conn.prepare_cached("UPDATE users SET password_hash = ?2 WHERE id = ?1")?
            .execute(params![user, hash])?;
        end_sessions(conn, user)?;
    }
    Ok(())
}

fn end_sessions(conn: &Connection, user: &UserId) -> Result<()> {
    conn.prepare_cached("DELETE FROM sessions WHERE user_id = ?1")?.execute([user])?;
    Ok(())
}

/// Lets a user in no more, or in again. Meanwhile their rights are none, and what they made for others leads nowhere.
pub(crate) fn set_blocked(conn: &Connection, user: &UserId, blocked: bool) -> Result<()> {
    info(conn, user)?;
    if blocked {
        keep_an_administrator(conn, user)?;
        end_sessions(conn, user)?;
    }
    conn.prepare_cached("UPDATE users SET blocked = ?2 WHERE id = ?1")?.execute(params![user, blocked])?;
    Ok(())
}

/// Whether a user is kept out.
pub(crate) fn is_blocked(conn: &Connection, user: &UserId) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT blocked <> 0 OR deleted <> 0 FROM users WHERE id = ?1")?
        .query_row([user], |row| row.get(0))?)
}

/// Takes a user out. Only the name stays, beside what they did; a vault keeps an administrator.
pub(crate) fn delete(conn: &Connection, user: &UserId) -> Result<()> {
    info(conn, user)?;
    keep_an_administrator(conn, user)?;
    keeping_administrators(conn, &administered_by(conn, user)?, || take_away(conn, user))?;
    // The name is free again: what marks it as gone holds the id, which makes it nobody else's.
    conn.prepare_cached(
        "UPDATE users SET deleted = 1, role_id = NULL, username = username || ?2,
                          password_hash = '', totp_secret = NULL, private_key_encrypted = NULL WHERE id = ?1",
    )?
    .execute(params![user, mark_of_gone(user.as_str())])?;
    Ok(())
}

/// What is put behind the login of a user who is taken out.
fn mark_of_gone(id: &str) -> String {
    format!(" (deleted {id})")
}

/// The login that somebody had while they were here.
pub(crate) fn login_of<'a>(id: &str, username: &'a str, deleted: bool) -> &'a str {
    if deleted { username.strip_suffix(&mark_of_gone(id)).unwrap_or(username) } else { username }
}

/// Everything that hangs on a user but what they made in vaults.
fn take_away(conn: &Connection, user: &UserId) -> Result<()> {
    end_sessions(conn, user)?;
    for table in [
        "vault_users",
        "folder_users",
        "user_group_members",
        "vault_type_administrators",
        "inbox_items",
        "favorites",
    ] {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE user_id = ?1"))?.execute([user])?;
    }
    conn.prepare_cached("DELETE FROM links WHERE user_id = ?1")?.execute([user])?;
    conn.prepare_cached("DELETE FROM shortcuts WHERE user_id = ?1")?.execute([user])?;
    Ok(())
}

fn info_row(row: &Row<'_>) -> sql::Result<UserInfo> {
    Ok(UserInfo {
        id: row.get(0)?,
        username: row.get(1)?,
        email: row.get(2)?,
        full_name: row.get(3)?,
        is_two_factor_auth_enabled: row.get(4)?,
        login: row.get(1)?,
        is_blocked: row.get(5)?,
        user_role_id: row.get(6)?,
    })
}

/// What there is to say about a user.
pub(crate) fn info(conn: &Connection, user: &UserId) -> Result<UserInfo> {
    conn.prepare_cached(
        "SELECT id, username, email, full_name, totp_enabled, blocked, role_id FROM users
         WHERE id = ?1 AND deleted = 0",
    )?
    .query_row([user], info_row)
    .optional()?
    .ok_or_else(|| Refusal::not_found("user"))
}

/// Every user, the oldest first. E-mail addresses, and who signs in with a password alone, are `whole`: for
/// administrators.
pub(crate) fn list(conn: &Connection, whole: bool) -> Result<Vec<UserInfo>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, username, email, full_name, totp_enabled, blocked, role_id FROM users WHERE deleted = 0
         ORDER BY seq",
    )?;
    let rows = statement.query_map([], |row| info_row(row).map(|user| shown(user, whole)))?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// A user as everybody may see one, or `whole`.
pub(crate) fn shown(user: UserInfo, whole: bool) -> UserInfo {
    if whole { user } else { UserInfo { email: None, is_two_factor_auth_enabled: None, ..user } }
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

/// Makes sure that there is something to wrap a copy of a key for: what somebody gets who has no keys opens with none that
/// they make later, and stands in the way of one that would.
pub(crate) fn check_has_keys(conn: &Connection, user: &UserId, field: &'static str) -> Result<()> {
    if keys(conn, user)?.is_some() {
        return Ok(());
    }
    let message = format!(
        "User {} has no keys yet, so nothing can be wrapped for them: they make some first.",
        user.as_str()
    );
    Err(Refusal::invalid(field, message))
}

/// Gives a user keys who has none.
pub(crate) fn set_keys(conn: &Connection, user: &UserId, given: &FirstKeys) -> Result<()> {
    for (field, text) in [
        ("keys", &given.keys.public),
        ("keys", &given.keys.private_encrypted),
        ("masterKeyHash", &given.master_key_hash),
        ("masterKeyOptions", &given.master_key_options),
    ] {
        if text.is_empty() {
            return Err(Refusal::invalid(field, "This is needed."));
        }
        check_length(field, text, LINE)?;
    }
    check_pair(&given.keys)?;
    let set = conn
        .prepare_cached(
            "UPDATE users SET public_key = ?2, private_key_encrypted = ?3, master_key_hash = ?4, master_key_options = ?5
             WHERE id = ?1 AND public_key IS NULL",
        )?
        .execute(params![
            user,
            given.keys.public,
            given.keys.private_encrypted,
            given.master_key_hash,
            given.master_key_options
        ])?;
    if set == 0 { Err(Refusal::conflict("The user has keys already.")) } else { Ok(()) }
}

/// What nothing can be wrapped for, or nobody can open, could never be put right.
fn check_pair(pair: &KeyPair) -> Result<()> {
    if !pair.public.contains("-----BEGIN ") || !pair.public.contains("PUBLIC KEY-----") {
        return Err(Refusal::invalid("keys", "The public key is a PEM text."));
    }
    if pair.private_encrypted.is_empty() {
        return Err(Refusal::invalid("keys", "The private key is missing."));
    }
    Ok(())
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
    // Digits of both cases are the same number.
    let (stored, given) = (stored.map(|stored| stored.to_ascii_lowercase()), given.to_ascii_lowercase());
    let same = stored.is_some_and(|stored| bool::from(stored.as_bytes().ct_eq(&given)));
    if same {
        Ok(())
    } else {
        Err(Refusal::unauthorized(code::MASTER_KEY_HASH_INVALID, "The master key is not the user's."))
    }
}
