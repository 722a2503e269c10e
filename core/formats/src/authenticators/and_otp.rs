//! andOTP's backup: a list of codes, in the clear or encrypted with a password (`.json.aes`).
//!
//! ```text
//! new: rounds (u32, big-endian) ‖ salt (12) ‖ nonce (12) ‖ AES-256-GCM[PBKDF2-HMAC-SHA-1(password, salt, rounds), nonce](list)
//! old: nonce (12) ‖ AES-256-GCM[SHA-256(password), nonce](list)
//! ```
//!
//! Signature: a list of objects with `secret`, `digits` and `algorithm`. Encrypted, it has none: the new form is known by its
//! number of rounds, which andOTP draws from 140,000 to 160,000, the old one by the ending of its name alone.
//! Told: thumbnails, when a code was used. Not read: `.gpg`.

use super::Code;
use crate::decode;
use crate::document::{document, parsed, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN};
use crate::managers::items::{Document, Found, Kept, not_one};
use crate::managers::place::Place;
use crate::sealed::{self, Hash, Key, damaged};
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::master_key::Options;
use keyferry_crypto::secret::wiped;
use sha2::{Digest as _, Sha256};
use std::io::{Cursor, Read};
use zeroize::Zeroizing;

/// Whether it is such a backup.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |one: &Value| ["secret", "digits", "algorithm"].iter().all(|name| one.has(name));
    if matches!(head.json(), Some(Value::List(list)) if list.iter().any(own)) {
        return Fit::Signature;
    }
    let is_ours = is_new(head.bytes) || head.ending().as_deref() == Some("aes");
    if is_ours && !is_text(head.bytes) { Fit::Form } else { Fit::No }
}

/// Whether it is one that a password guards, where it is one.
pub(super) fn is_sealed(head: &Head<'_>) -> bool {
    !is_text(head.bytes)
}

/// Whether it is a text rather than a ciphertext.
fn is_text(bytes: &[u8]) -> bool {
    let marked = encoding_rs::Encoding::for_bom(bytes).is_some() || decode::utf_16(bytes).is_some();
    // The end of a head may have cut a character.
    marked || std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// Bytes before the ciphertext in the new form: rounds, salt, nonce.
const HEADER: usize = 4 + 12 + 12;

/// The number of rounds that a file of the new form begins with.
fn rounds(bytes: &[u8]) -> Option<u32> {
    bytes.get(..4)?.try_into().ok().map(u32::from_be_bytes)
}

/// Whether it begins as andOTP writes the new form.
fn is_new(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER + 16 && rounds(bytes).is_some_and(|rounds| (140_000..=160_000).contains(&rounds))
}

/// The list in a file that is encrypted.
///
/// # Errors
/// [`ErrorKind::Locked`](keyferry_crypto::ErrorKind::Locked) for a wrong password or none: a damaged file cannot be told from one.
fn open(bytes: &[u8], options: &ReadOptions) -> Result<Zeroizing<Vec<u8>>> {
    if bytes.len() < 12 + 16 {
        return Err(damaged("it is too short to hold anything"));
    }
    let password = sealed::passphrase(options, "this backup of andOTP")?;
    // The cheap way first: either way the tag says whether it was the right one.
    let key: Key = wiped(|| Zeroizing::new(Sha256::digest(password.expose().as_bytes()).into()));
    let (nonce, content) = bytes.split_at_checked(12).unwrap_or_default();
    if let Some(inside) = sealed::gcm(&key, nonce, content) {
        return Ok(inside);
    }
    // More rounds than are ever done are no rounds, but the nonce of an old file.
    if let Some(rounds) = rounds(bytes).filter(|rounds| (1..=Options::MAX_ITERATIONS).contains(rounds))
        && let (Some(salt), Some(nonce)) = (bytes.get(4..16), bytes.get(16..HEADER))
    {
        let key = sealed::pbkdf2(Hash::Sha1, password, salt, u64::from(rounds))?;
        if let Some(inside) = sealed::gcm(&key, nonce, bytes.get(HEADER..).unwrap_or_default()) {
            return Ok(inside);
        }
    }
    Err(sealed::wrong_or_damaged("backup of andOTP"))
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let bytes = sealed::whole(input)?;
    let value = if is_text(&bytes) {
        document(Box::new(Cursor::new(bytes)))?
    } else {
        parsed(&open(&bytes, options)?)?
    };
    let Value::List(list) = value else { return Err(not_one("andOTP")) };
    let mut document = Document::default();
    for (index, value) in list.into_iter().enumerate() {
        document.tally.read(value.leaves());
        document.found.push(Found { value, at: format!("/{index}"), path: Place::default() });
    }
    Ok(document.entries(Box::new(fill)))
}

/// What stands under the first of these names that is filled: others of its kind call the same things otherwise.
fn first(item: &mut Item<'_>, members: &mut Members, names: &[&str], is_mark: bool) -> String {
    let mut found = String::new();
    for name in names {
        if found.is_empty() {
            found = if is_mark { item.mark(members, name) } else { item.simple(members, name) };
        }
    }
    found
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    let code = Code {
        issuer: item.simple(&mut members, "issuer"),
        account: first(item, &mut members, &["label", "account"], false),
        secret: item.simple(&mut members, "secret"),
        algorithm: item.mark(&mut members, "algorithm"),
        digits: item.mark(&mut members, "digits"),
        period: first(item, &mut members, &["period", "timer"], true),
        counter: item.mark(&mut members, "counter"),
        kind: first(item, &mut members, &["type", "kind"], true),
    };
    code.fill(item);
    item.tags(take(&mut members, "tags"), &["name"]);
    item.favorite(&mut members, "pinned");
    item.leave("", &mut members, &["thumbnail", "last_used", "used_frequency", "iconType", "iconValue"], OWN);
    item.unknown("", members);
    Kept::Record
}
