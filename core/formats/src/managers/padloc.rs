//! Padloc's and Padlock's encrypted exports, and what is inside them.
//!
//! ```text
//! Padlock = {"cipher": "aes", "mode": "ccm", "iter", "keySize", "ts", "salt", "iv", "adata", "ct"}, in base64
//! Padloc  = {"keyParams": {"iterations", "salt"}, "encryptionParams": {"iv", "additionalData"}, "encryptedData"}, in base64 or base64url
//! key     = PBKDF2-HMAC-SHA-256(password, salt, iterations), 32 bytes
//! Padlock: AES-256-CCM, its nonce as much of `iv` as a length leaves room for; Padloc: AES-256-GCM
//! ```
//!
//! Signature: these members. Mapping: a category and tags are tags; fields by their kinds and names, hidden where they are
//! masked. What was removed stays behind.
//! Resolved: ids, kinds, versions. Told: dates, earlier versions, attachments (they are not in the file).
//! Padloc's container and the members of its items are known by description and not verified: what is not known by name is a field.
//! The whole file is kept in memory.

use super::item::{Item, OWN, list};
use super::items::{BIN, Document, Kept, not_one};
use crate::document::{NO_RECORD, document, parsed, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::sealed::{self, Hash, Key, damaged, gcm_beside, passphrase, wrong_or_damaged};
use crate::{Entries, ReadOptions};
use aes::Aes256;
use ccm::Ccm;
use ccm::consts::{U8, U12, U13, U16};
use data_encoding::{BASE64_MIME_PERMISSIVE, BASE64URL_NOPAD};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::wiped;
use std::io::Read;
use zeroize::Zeroizing;

const WHOSE: &str = "export of Padloc";

/// Whether it is such an export.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |document: &Value| {
        let has = |names: &[&str]| names.iter().all(|name| document.has(name));
        has(&["cipher", "mode", "iter", "ct"]) || has(&["encryptedData", "encryptionParams", "keyParams"])
    };
    head.json().is_some_and(own).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let container = document(input)?;
    let old = container.has("ct");
    if !old && !container.has("encryptedData") {
        return Err(not_one("Padloc"));
    }
    let plain = if old { open_old(&container, options)? } else { open_new(&container, options)? };
    // What opens is a list, or an object with one.
    let (mut document, items) = match parsed(&plain)? {
        Value::List(items) => {
            let mut document = Document::default();
            document.tally.read(items.iter().map(Value::leaves).sum());
            (document, items)
        }
        other => {
            let (mut document, mut members) = Document::of(other, "Padloc")?;
            document.resolve(&mut members, &["id", "kind", "version", "revision", "owner"]);
            let items = ["items", "records"].into_iter().find_map(|name| match take(&mut members, name) {
                Value::List(items) => Some(items),
                // Collections are written as objects by id in some versions.
                Value::Object(items) => Some(items.into_iter().map(|(_, item)| item).collect()),
                other => {
                    document.behind(&other, &format!("/{name}"), NO_RECORD);
                    None
                }
            });
            document.leave_rest(members, "");
            (document, items.unwrap_or_default())
        }
    };
    document.items(items, "/items", &Place::default());
    Ok(document.with_bin(options).entries(Box::new(fill)))
}

/// Bytes of a member, in either kind of base64, padded or not.
fn bytes(value: &Value, name: &str) -> Result<Vec<u8>> {
    let text = match value.get(name) {
        Some(Value::Text(text)) => text.trim_end_matches('='),
        _ => "",
    };
    let url = text.replace('+', "-").replace('/', "_");
    let found = BASE64URL_NOPAD.decode(url.as_bytes()).ok();
    found
        .or_else(|| BASE64_MIME_PERMISSIVE.decode(text.as_bytes()).ok())
        .ok_or_else(|| damaged("a part of its container is not base64"))
}

fn number(value: &Value, name: &str) -> Option<u64> {
    match value.get(name) {
        Some(Value::Number(text)) => text.parse().ok(),
        _ => None,
    }
}

fn derived(params: &Value, rounds: &str, options: &ReadOptions) -> Result<Key> {
    let size = number(params, "keySize").unwrap_or(256);
    if size != 256 {
        return Err(Error::new(ErrorKind::Input, format!("this export of Padloc has a key of {size} bits"))
            .next_step("export it again as CSV"));
    }
    let rounds = number(params, rounds).ok_or_else(|| damaged("its container names no rounds"))?;
    sealed::pbkdf2(
        Hash::Sha256,
        passphrase(options, "this export of Padloc")?,
        &bytes(params, "salt")?,
        rounds,
    )
}

fn open_old(container: &Value, options: &ReadOptions) -> Result<Zeroizing<Vec<u8>>> {
    let is = |name: &str, wanted: &str| matches!(container.get(name), Some(Value::Text(text)) if text.eq_ignore_ascii_case(wanted));
    if !is("cipher", "aes") || !is("mode", "ccm") {
        return Err(Error::new(
            ErrorKind::Input,
            "this container is sealed in a way that Padlock does not use",
        )
        .next_step("export it again as CSV"));
    }
    let (iv, beside, sealed) = (bytes(container, "iv")?, bytes(container, "adata")?, bytes(container, "ct")?);
    let tag = number(container, "ts").unwrap_or(64);
    let key = derived(container, "iter", options)?;
    // A length of two bytes where the text has one, and what it leaves of fifteen is the nonce.
    let is_short = sealed.len() - usize::try_from(tag / 8).unwrap_or_default().min(sealed.len()) < 1 << 16;
    let open = match (tag, is_short) {
        (64, true) => opened::<Ccm<Aes256, U8, U13>>,
        (64, false) => opened::<Ccm<Aes256, U8, U12>>,
        (128, true) => opened::<Ccm<Aes256, U16, U13>>,
        (128, false) => opened::<Ccm<Aes256, U16, U12>>,
        _ => return Err(damaged("its container names a tag of an odd length")),
    };
    open(&key, &iv, &beside, sealed).ok_or_else(|| wrong_or_damaged(WHOSE))
}

/// What an authenticated cipher of this kind opens.
fn opened<C: ccm::aead::AeadInOut + ccm::KeyInit>(
    key: &Key,
    iv: &[u8],
    beside: &[u8],
    sealed: Vec<u8>,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(sealed);
    let cipher = C::new_from_slice(&key[..]).ok()?;
    let nonce = ccm::aead::Nonce::<C>::default();
    let nonce = ccm::aead::Nonce::<C>::try_from(iv.get(..nonce.len())?).ok()?;
    wiped(|| cipher.decrypt_in_place(&nonce, beside, &mut *body)).ok()?;
    Some(body)
}

fn open_new(container: &Value, options: &ReadOptions) -> Result<Zeroizing<Vec<u8>>> {
    let nothing = Value::Null;
    let key = derived(container.get("keyParams").unwrap_or(&nothing), "iterations", options)?;
    let params = container.get("encryptionParams").unwrap_or(&nothing);
    let beside = if params.has("additionalData") { bytes(params, "additionalData")? } else { Vec::new() };
    let (iv, sealed) = (bytes(params, "iv")?, bytes(container, "encryptedData")?);
    gcm_beside(&key, &iv, &beside, &sealed).ok_or_else(|| wrong_or_damaged(WHOSE))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    let is_removed = item.flag(&mut members, "removed") == Some(true);
    if item.stays_in_bin(is_removed) {
        return BIN;
    }
    item.record.name = item.simple(&mut members, "name");
    let category = item.simple(&mut members, "category");
    item.tag(&category);
    let tags = take(&mut members, "tags");
    item.tags(tags, &["name"]);
    item.favorite(&mut members, "favorited");
    let note = item.simple(&mut members, "note");
    item.note(&note);
    for (number, field) in list(&mut members, "fields").into_iter().enumerate() {
        own_field(item, field, &format!("fields/{number}"));
    }
    item.changed("", &mut members, &["updated"]);
    item.leave("", &mut members, &["attachments"], "attachments are not in this file");
    item.leave("", &mut members, &["history"], super::item::EARLIER);
    item.leave("", &mut members, &["lastUsed", "lastAuditted", "updatedBy", "expiresAfter"], OWN);
    item.resolve(&mut members, &["id", "uuid", "icon", "kind", "version"]);
    item.unknown("", members);
    Kept::Record
}

/// A field, by its kind; Padlock's have none, and say whether they are masked.
fn own_field(item: &mut Item<'_>, field: Value, at: &str) {
    let Value::Object(mut field) = field else { return item.behind(&field, at, "it is no field") };
    let kind = item.mark(&mut field, "type");
    let is_masked = item.flag(&mut field, "masked") == Some(true);
    let value = item.simple(&mut field, "value");
    let label = item.simple(&mut field, "name");
    if value.is_empty() && !label.is_empty() {
        item.tally.not_carried();
        item.tally.tell("a field without a value stays behind", item.at, 1);
        return item.unknown(at, field);
    }
    let word = label.to_ascii_lowercase();
    // The names that a record has itself are not kept beside it.
    let before = item.record.customs.len();
    match kind.as_str() {
        "username" => item.login(value),
        "email" => item.mail(value),
        "password" => item.password(&label, value),
        "url" => item.url(value),
        "totp" => item.code(if label.is_empty() { "TOTP" } else { &label }, value),
        "note" if item.record.description.is_empty() => item.note(&value),
        "pin" | "credit" | "apiSecret" => item.field(label.clone(), CustomKind::Password, value),
        "" if word == "username" || word == "login" => item.login(value),
        "" if word == "password" => item.password(&label, value),
        "" if word == "url" || word == "website" => item.url(value),
        _ if is_masked => item.field(label.clone(), CustomKind::Password, value),
        _ => item.labelled(label.clone(), value),
    }
    let has_label = item.record.customs.iter().skip(before).any(|custom| custom.name == label);
    if !label.is_empty() && !has_label {
        item.tally.turned_out_resolved();
    }
    item.unknown(at, field);
}
