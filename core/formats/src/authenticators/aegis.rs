//! Aegis' backup, in the clear or encrypted with a password.
//!
//! ```text
//! slot key = scrypt(password, salt, N, r, p)
//! key      = AES-256-GCM[slot key, slot nonce](slot), for each password a slot of type 1
//! db       = AES-256-GCM[key, nonce](ciphertext in base64); keys, salts, nonces and tags in hex
//! ```
//!
//! Signature: `header` and `db`. Groups are tags. Resolved: ids, kinds, versions, what opens the backup. Told: icons, slots of
//! other kinds than a password (biometrics, a key).

use super::{Code, members_of};
use crate::document::{NO_RECORD, left_behind, parsed, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::item::{Item, OWN, list, object};
use crate::managers::items::{Document, Kept};
use crate::managers::place::Place;
use crate::sealed::{self, Key, Scrypt, damaged};
use crate::{Entries, ReadOptions};
use data_encoding::HEXLOWER_PERMISSIVE;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::io::Read;
use zeroize::Zeroizing;

const WHOSE: &str = "backup of Aegis";

/// Whether it is such a backup.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own =
        |document: &Value| matches!(document.get("header"), Some(Value::Object(_))) && document.has("db");
    head.json().is_some_and(own).into()
}

/// Whether it is one that a password guards.
pub(super) fn is_sealed(head: &Head<'_>) -> bool {
    let sealed = |document: &Value| {
        document.has("header") && matches!(document.get("db"), Some(Value::Text(text)) if !text.is_empty())
    };
    head.json().is_some_and(sealed)
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Aegis")?;
    document.resolve(&mut members, &["version"]);
    let mut header = object(&mut members, "header");
    let mut db = match take(&mut members, "db") {
        Value::Text(text) if !text.is_empty() => {
            document.tally.resolved(1);
            let inside = parsed(&open(&mut document, &mut header, &text, options)?)?;
            document.tally.read(inside.leaves());
            members_of(inside)?
        }
        Value::Object(members) => members,
        other => {
            document.behind(&other, "/db", NO_RECORD);
            Members::new()
        }
    };
    document.resolve(&mut header, &["slots", "params"]);
    document.leave_rest(header, "/header");
    document.resolve(&mut db, &["version", "icons_optimized"]);
    let mut groups = HashMap::new();
    for (number, group) in list(&mut db, "groups").into_iter().enumerate() {
        let Value::Object(mut group) = group else {
            document.behind(&group, &format!("/db/groups/{number}"), NO_RECORD);
            continue;
        };
        let id = document.id(&mut group, &["uuid"]).unwrap_or_default();
        groups.insert(id, document.id(&mut group, &["name"]).unwrap_or_default());
        document.leave_rest(group, &format!("/db/groups/{number}"));
    }
    document.items(list(&mut db, "entries"), "/db/entries", &Place::default());
    document.leave_rest(db, "/db");
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &groups))))
}

/// A slot that a password opens.
struct Slot {
    kdf: Scrypt,
    nonce: Vec<u8>,
    /// The sealed key, its tag at the end.
    key: Vec<u8>,
}

/// Bytes in hex.
fn hex(document: &mut Document, members: &mut Members, name: &str) -> Result<Vec<u8>> {
    let text = document.id(members, &[name]).unwrap_or_default();
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| damaged(&format!("its {name} is not in hex")))
}

/// A nonce and a tag.
fn seal(document: &mut Document, members: &mut Members, at: &str) -> Result<(Vec<u8>, Vec<u8>)> {
    let (nonce, tag) = (hex(document, members, "nonce")?, hex(document, members, "tag")?);
    document.leave_rest(std::mem::take(members), at);
    Ok((nonce, tag))
}

/// The content of `db`, which is sealed with a key that stands in each slot.
///
/// # Errors
/// [`ErrorKind::Locked`] for a wrong password or none, [`ErrorKind::Decrypt`] for a damaged file, [`ErrorKind::Input`] for
/// one that no password opens, or that asks for too much work.
fn open(
    document: &mut Document,
    header: &mut Members,
    db: &str,
    options: &ReadOptions,
) -> Result<Zeroizing<Vec<u8>>> {
    let mut slots = Vec::new();
    for (number, slot) in list(header, "slots").into_iter().enumerate() {
        let at = format!("/header/slots/{number}");
        let Value::Object(mut slot) = slot else {
            document.behind(&slot, &at, NO_RECORD);
            continue;
        };
        if document.id(&mut slot, &["type"]).as_deref() != Some("1") {
            let why = "it opens the backup with something else than a password";
            left_behind(&mut document.tally, &Value::Object(slot), &at, why);
            continue;
        }
        let mut number = |name: &str| {
            let text = document.id(&mut slot, &[name]);
            text.and_then(|text| text.parse().ok()).ok_or_else(|| damaged(&format!("a slot has no {name}")))
        };
        let (n, r, p) = (number("n")?, number("r")?, number("p")?);
        let (salt, mut key) = (hex(document, &mut slot, "salt")?, hex(document, &mut slot, "key")?);
        let (nonce, tag) = seal(document, &mut object(&mut slot, "key_params"), &format!("{at}/key_params"))?;
        key.extend(tag);
        slots.push(Slot { kdf: Scrypt::new(n, r, p, salt)?, nonce, key });
        document.resolve(&mut slot, &["uuid", "repaired", "is_backup"]);
        document.leave_rest(slot, &at);
    }
    let (nonce, tag) = seal(document, &mut object(header, "params"), "/header/params")?;
    let mut content = base64(db).ok_or_else(|| damaged("its db is not in base64"))?;
    content.extend(tag);
    if slots.is_empty() {
        return Err(Error::new(ErrorKind::Input, "no password opens this backup of Aegis").next_step(
            "set a password there, or export it without encryption and shred that file afterwards",
        ));
    }
    let (costs, sealed): (Vec<_>, Vec<_>) =
        slots.into_iter().map(|slot| (slot.kdf, (slot.nonce, slot.key))).unzip();
    Scrypt::check(&costs, options.heavy_kdf)?;
    let password = sealed::passphrase(options, "this backup of Aegis")?;
    for (kdf, (slot_nonce, key)) in costs.iter().zip(sealed) {
        let Some(key) = sealed::gcm(&kdf.derive(password.expose().as_bytes())?, &slot_nonce, &key) else {
            continue;
        };
        let key = <[u8; 32]>::try_from(&**key).map_err(|_| damaged("a slot holds no key"))?;
        return sealed::gcm(&Key::new(key), &nonce, &content)
            .ok_or_else(|| damaged("its content is not what was written"));
    }
    Err(sealed::wrong(WHOSE))
}

fn fill(item: &mut Item<'_>, mut members: Members, groups: &HashMap<String, String>) -> Kept {
    let mut info = object(&mut members, "info");
    let code = Code {
        issuer: item.simple(&mut members, "issuer"),
        account: item.simple(&mut members, "name"),
        secret: item.simple(&mut info, "secret"),
        algorithm: item.mark(&mut info, "algo"),
        digits: item.mark(&mut info, "digits"),
        period: item.mark(&mut info, "period"),
        counter: item.mark(&mut info, "counter"),
        kind: item.mark(&mut members, "type"),
    };
    code.fill(item);
    let note = item.simple(&mut members, "note");
    item.note(&note);
    item.favorite(&mut members, "favorite");
    for (index, group) in list(&mut members, "groups").into_iter().enumerate() {
        let leaves = group.leaves();
        let name = match &group {
            Value::Text(id) => groups.get(id.as_str()),
            _ => None,
        };
        match name {
            Some(name) => {
                item.tally.resolved(leaves);
                item.tag(name);
            }
            None => item.behind(&group, &format!("groups/{index}"), "it names no group of the file"),
        }
    }
    // Backups of version 1.
    let group = item.simple(&mut members, "group");
    item.tag(&group);
    item.resolve(&mut members, &["uuid"]);
    item.leave("", &mut members, &["icon", "icon_mime", "icon_hash"], OWN);
    item.unknown("info", info);
    item.unknown("", members);
    Kept::Record
}
