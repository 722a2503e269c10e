//! Stratum's (Authenticator Pro's) backup, in the clear or encrypted with a password.
//!
//! ```text
//! new: "AUTHENTICATORPRO" ‖ salt (16) ‖ nonce (12) ‖ AES-256-GCM[Argon2id(password, salt, 64 MiB, 3 passes, 4 lanes), nonce](JSON)
//! old: "AuthenticatorPro" ‖ salt (20) ‖ vector (16) ‖ AES-256-CBC[PBKDF2-HMAC-SHA-1(password, salt, 64,000), vector](JSON)
//! ```
//!
//! Memory and lanes of the new form, and lengths of the old one, are common knowledge (k).
//! Signature: `Authenticators`, or those first 16 bytes. Categories are tags. Told: icons, rankings.

use super::Code;
use crate::costs::Argon2;
use crate::document::{NO_RECORD, document as json_of, parsed};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN, list};
use crate::managers::items::{Document, Kept};
use crate::managers::place::Place;
use crate::sealed::{self, Hash, damaged};
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use std::collections::HashMap;
use std::io::{Cursor, Read};

/// What the new form begins with, and the old one.
const NEW: &[u8; 16] = b"AUTHENTICATORPRO";
const OLD: &[u8; 16] = b"AuthenticatorPro";

/// Whether it is such a backup.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |document: &Value| matches!(document.get("Authenticators"), Some(Value::List(_)));
    (is_sealed(head) || head.json().is_some_and(own)).into()
}

/// Whether it is one that a password guards.
pub(super) fn is_sealed(head: &Head<'_>) -> bool {
    head.bytes.starts_with(NEW) || head.bytes.starts_with(OLD)
}

/// The document in a file that is encrypted.
///
/// # Errors
/// [`ErrorKind::Locked`](keyferry_crypto::ErrorKind::Locked) for a wrong password or none: a damaged file cannot be told from one.
fn open(bytes: &[u8], options: &ReadOptions) -> Result<Value> {
    const WHOSE: &str = "backup of Stratum";
    let (magic, rest) = bytes.split_at_checked(NEW.len()).unwrap_or_default();
    let is_new = magic == NEW;
    let short = || damaged("it is too short to hold anything");
    let (salt, rest) = rest.split_at_checked(if is_new { 16 } else { 20 }).ok_or_else(short)?;
    let (nonce, content) = rest.split_at_checked(if is_new { 12 } else { 16 }).ok_or_else(short)?;
    let password = sealed::passphrase(options, "this backup of Stratum")?;
    if is_new {
        let kdf = Argon2 { id: true, old: false, salt: salt.to_vec(), memory: 1 << 16, passes: 3, lanes: 4 };
        let key = kdf.derive(password.expose().as_bytes())?;
        let inside = sealed::gcm(&key, nonce, content).ok_or_else(|| sealed::wrong_or_damaged(WHOSE))?;
        return parsed(&inside);
    }
    let key = sealed::pbkdf2(Hash::Sha1, password, salt, 64_000)?;
    // A wrong key may come to padding that looks right.
    let inside = sealed::cbc(&key, nonce, content).and_then(|inside| parsed(&inside).ok());
    inside.ok_or_else(|| sealed::wrong_or_damaged(WHOSE))
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let bytes = sealed::whole(input)?;
    let value = if bytes.starts_with(NEW) || bytes.starts_with(OLD) {
        open(&bytes, options)?
    } else {
        json_of(Box::new(Cursor::new(bytes)))?
    };
    let (mut document, mut members) = Document::of(value, "Stratum")?;
    let mut names = HashMap::new();
    for (index, category) in list(&mut members, "Categories").into_iter().enumerate() {
        let at = format!("/Categories/{index}");
        let Value::Object(mut category) = category else {
            document.behind(&category, &at, NO_RECORD);
            continue;
        };
        let id = document.id(&mut category, &["Id"]).unwrap_or_default();
        names.insert(id, document.id(&mut category, &["Name"]).unwrap_or_default());
        document.resolve(&mut category, &["Ranking"]);
        document.leave_rest(category, &at);
    }
    let mut tags: HashMap<String, Vec<String>> = HashMap::new();
    for (index, binding) in list(&mut members, "AuthenticatorCategories").into_iter().enumerate() {
        let at = format!("/AuthenticatorCategories/{index}");
        let Value::Object(mut binding) = binding else {
            document.behind(&binding, &at, NO_RECORD);
            continue;
        };
        let secret = document.id(&mut binding, &["AuthenticatorSecret"]).unwrap_or_default();
        let category = document.id(&mut binding, &["CategoryId"]).unwrap_or_default();
        if let Some(name) = names.get(&category) {
            tags.entry(secret).or_default().push(name.clone());
        }
        document.resolve(&mut binding, &["Ranking"]);
        document.leave_rest(binding, &at);
    }
    document.items(list(&mut members, "Authenticators"), "/Authenticators", &Place::default());
    for name in ["CustomIcons", "IconPacks"] {
        let icons = crate::document::take(&mut members, name);
        document.behind(&icons, &format!("/{name}"), OWN);
    }
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &tags))))
}

fn fill(item: &mut Item<'_>, mut members: Members, tags: &HashMap<String, Vec<String>>) -> Kept {
    let word = |number: &str, words: &[&str]| {
        number.parse::<usize>().ok().and_then(|number| words.get(number)).map_or("", |word| word).to_owned()
    };
    let kind = item.mark(&mut members, "Type");
    let algorithm = item.mark(&mut members, "Algorithm");
    let secret = item.simple(&mut members, "Secret");
    for tag in tags.get(&secret).into_iter().flatten() {
        item.tag(tag);
    }
    let code = Code {
        issuer: item.simple(&mut members, "Issuer"),
        account: item.simple(&mut members, "Username"),
        secret,
        algorithm: word(&algorithm, &["SHA1", "SHA256", "SHA512"]),
        digits: item.mark(&mut members, "Digits"),
        period: item.mark(&mut members, "Period"),
        counter: item.mark(&mut members, "Counter"),
        kind: word(&kind, &["", "hotp", "totp", "motp", "steam", "yandex"]),
    };
    code.fill(item);
    // mOTP and Yandex compute a code of it.
    let pin = item.simple(&mut members, "Pin");
    item.field("PIN", CustomKind::Password, pin);
    item.leave("", &mut members, &["Icon", "Ranking", "CopyCount"], OWN);
    item.unknown("", members);
    Kept::Record
}
