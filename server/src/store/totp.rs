//! One-time codes: RFC 6238 with SHA-1, six digits, thirty seconds, as authenticators expect.

use crate::error::{Refusal, Result};
use crate::id::{UserId, now, random};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_sql::{Connection, params};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

const STEP: i64 = 30;

/// A new secret, in base32; not asked for until it is enabled.
pub(crate) fn generate(conn: &Connection, user: &UserId) -> Result<String> {
    if is_enabled(conn, user)? {
        return Err(Refusal::conflict("One-time codes are on already."));
    }
    let secret = BASE32_NOPAD.encode(&random::<20>()?);
    conn.prepare_cached("UPDATE users SET totp_secret = ?2 WHERE id = ?1")?.execute(params![user, secret])?;
    Ok(secret)
}

/// Whether a login owes a code.
pub(crate) fn is_enabled(conn: &Connection, user: &UserId) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT totp_enabled FROM users WHERE id = ?1")?
        .query_row([user], |row| row.get(0))?)
}

/// Switches one-time codes on or off.
pub(crate) fn set_enabled(conn: &Connection, user: &UserId, on: bool) -> Result<()> {
    let sql = if on {
        "UPDATE users SET totp_enabled = 1 WHERE id = ?1"
    } else {
        "UPDATE users SET totp_enabled = 0, totp_secret = NULL WHERE id = ?1"
    };
    conn.prepare_cached(sql)?.execute([user])?;
    Ok(())
}

/// Whether the code is right for this moment or the steps beside it, and was not taken before; it is then.
pub(crate) fn take(conn: &Connection, user: &UserId, code: &str) -> Result<bool> {
    let (secret, last): (Option<String>, i64) = conn
        .prepare_cached("SELECT totp_secret, totp_last_step FROM users WHERE id = ?1")?
        .query_row([user], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(secret) = secret else { return Ok(false) };
    let secret = BASE32_NOPAD.decode(secret.as_bytes()).map_err(|_| Refusal::internal())?;
    let current = now() / STEP;
    for step in (current - 1)..=(current + 1) {
        if step > last && bool::from(code_at(&secret, step)?.as_bytes().ct_eq(code.trim().as_bytes())) {
            conn.prepare_cached("UPDATE users SET totp_last_step = ?2 WHERE id = ?1")?
                .execute(params![user, step])?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn code_at(secret: &[u8], step: i64) -> Result<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).map_err(|_| Refusal::internal())?;
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 0x0f);
    let mut word = [0; 4];
    word.copy_from_slice(&digest[offset..offset + 4]);
    Ok(format!("{:06}", (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_rfc_6238() {
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000_i64, "353130")] {
            assert_eq!(code_at(b"12345678901234567890", time / STEP).unwrap(), code);
        }
    }
}
