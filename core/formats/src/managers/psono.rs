//! Psono's JSON export, in the clear or sealed with a password.
//!
//! Signature: items with a `type` of its own, or members that begin with one (`website_password_url`), in `items` or in
//! `folders` at any depth; sealed, `nonce` and `text`.
//! Mapping: members lose the kind that they begin with; variables of an environment are hidden fields.
//! Resolved: ids, kinds, `name`, where it repeats the title. Told: the bin and folders in it (where it is not asked for),
//! dates, rights. Files are never exported.
//! The whole document is kept in memory.

use super::item::{CodeParts, Item, OWN, list};
use super::items::{BIN, Document, Kept};
use crate::columns::kind_of;
use crate::csv::managers::PSONO_KINDS as KINDS;
use crate::document::{NO_RECORD, document, parsed};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::sealed::{self, Scrypt};
use crate::trees::inside::Inside;
use crate::{Entries, ReadOptions, Tables, date, read_inside};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::wiped;
use sha2::{Digest as _, Sha256, Sha512};
use std::io::Read;
use zeroize::Zeroizing;

/// Bytes of a nonce, and of the tag before what it seals.
const NONCE: usize = 24;
const TAG: usize = 16;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    fn holds(node: &Value, depth: u8) -> bool {
        let item = |item: &Value| {
            let kind = match item.get("type") {
                Some(Value::Text(kind)) => KINDS.iter().find(|known| **known == kind.as_str()),
                _ => None,
            };
            let begins = |kind: &str| item.any_member(|name| name.starts_with(&format!("{kind}_")));
            // Others have kinds of these names too, and keep what belongs to them below a name of its own.
            let has_others = item.has("identifiers") || item.has("fields") || item.has("data");
            item.has("urlfilter")
                || kind.is_some_and(|kind| begins(kind) || (kind.contains('_') && !has_others))
                || begins("website_password")
                || begins("application_password")
        };
        let any = |name: &str, is: &dyn Fn(&Value) -> bool| matches!(node.get(name), Some(Value::List(list)) if list.iter().any(is));
        any("items", &item) || (depth < 16 && any("folders", &|folder| holds(folder, depth + 1)))
    }
    let Some(document) = head.json() else { return Fit::No };
    (is_sealed(document) || holds(document, 0)).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let value = document(input)?;
    if is_sealed(&value) {
        let plain = open(&value, options)?;
        // What was exported before it was sealed: this JSON, or a table.
        return match plain.trim_ascii_start().first() {
            Some(b'{') => entries(parsed(&plain)?, options),
            _ => inside(plain, options),
        };
    }
    entries(value, options)
}

fn entries(value: Value, options: &ReadOptions) -> Result<Entries> {
    let (mut document, members) = Document::of(value, "Psono")?;
    node(&mut document, members, "", &Place::default());
    Ok(document.with_bin(options).entries(Box::new(fill)))
}

/// A table that was sealed.
fn inside(plain: Zeroizing<Vec<u8>>, options: &ReadOptions) -> Result<Entries> {
    let unnamed = ReadOptions { name: None, ..options.clone() };
    match read_inside(plain, None, &unnamed, Tables::Read)? {
        Inside::Read(entries) => Ok(entries),
        Inside::Bytes(_) => {
            Err(Error::new(ErrorKind::Input, "what is sealed in this export of Psono is of no known format")
                .next_step("export it there as JSON"))
        }
    }
}

/// Whether it is an export that a password guards: a nonce, and what it seals, in hex.
fn is_sealed(document: &Value) -> bool {
    let has = |name| matches!(document.get(name), Some(Value::Text(_)));
    has("nonce") && has("text") && !document.has("items") && !document.has("folders")
}

/// Whether the beginning of a file is one.
pub(crate) fn asks(head: &Head<'_>) -> bool {
    head.json().is_some_and(is_sealed)
}

/// `secret_box[SHA-256(hex(scrypt(password, hex(SHA-512("")), 2^14, 8, 1)))](text)`: the salt is that of a user's who has none.
///
/// # Errors
/// [`ErrorKind::Locked`] for a wrong password or none: a damaged file cannot be told from one.
fn open(document: &Value, options: &ReadOptions) -> Result<Zeroizing<Vec<u8>>> {
    let member = |name| match document.get(name) {
        Some(Value::Text(text)) => unhex(text),
        _ => None,
    };
    let (Some(nonce), Some(text)) = (member("nonce"), member("text")) else {
        return Err(sealed::damaged("its nonce or its text is no hexadecimal number"));
    };
    if nonce.len() != NONCE || text.len() < TAG {
        return Err(sealed::damaged("its nonce or its text is too short"));
    }
    let password = sealed::passphrase(options, "this export of Psono")?;
    let salt = hex(&Sha512::digest(b""));
    let kdf = Scrypt::new(1 << 14, 8, 1, salt.as_bytes().to_vec())?;
    let derived: Zeroizing<[u8; 64]> = kdf.derive(password.expose().as_bytes())?;
    let key = Zeroizing::new(<[u8; 32]>::from(wiped(|| Sha256::digest(hex(&derived[..]).as_bytes()))));
    sealed::secret_box(&key, &nonce, &text).ok_or_else(|| sealed::wrong_or_damaged("export of Psono"))
}

/// Bytes in hexadecimal, in small letters.
fn hex(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(HEXLOWER.encode(bytes))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

/// What a folder holds, and the folders in it.
fn node(document: &mut Document, mut members: Members, at: &str, path: &Place) {
    document.items(list(&mut members, "items"), &format!("{at}/items"), path);
    for (number, folder) in list(&mut members, "folders").into_iter().enumerate() {
        let at = format!("{at}/folders/{number}");
        let Value::Object(mut folder) = folder else {
            document.behind(&folder, &at, NO_RECORD);
            continue;
        };
        let path = path.below(document.name(&mut folder, &["name"]));
        document.resolve(
            &mut folder,
            &["id", "datastore_id", "parent_datastore_id", "share_id", "create_date", "write_date"],
        );
        let (deleted, first) = (document.flag(&mut folder, "deleted") == Some(true), document.found.len());
        if !path.is_too_deep() && !deleted {
            document.place(path.clone(), &at);
        }
        node(document, folder, &at, &path);
        if deleted {
            document.in_bin_from(first);
        }
    }
    document.leave_rest(members, at);
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    let deleted = item.flag(&mut members, "deleted") == Some(true);
    if item.stays_in_bin(deleted) {
        return BIN;
    }
    let kind = item.mark(&mut members, "type");
    item.created("", &mut members, &["create_date"]);
    item.changed("", &mut members, &["write_date"]);
    item.resolve(
        &mut members,
        &["id", "secret_id", "share_id", "secret_key", "urlfilter", "parent_datastore_id"],
    );
    item.leave("", &mut members, &["callback_url", "callback_user", "callback_pass", "share_rights"], OWN);
    let name = item.simple(&mut members, "name");
    // A card has a member of that name too, once what it begins with is off.
    members.retain(|(member, value)| member != "name" || !matches!(value, Value::Null));
    // Members lose the kind that they begin with.
    let kind = KINDS.iter().find(|known| **known == kind).copied().unwrap_or_else(|| {
        KINDS
            .iter()
            .find(|kind| members.iter().any(|(name, _)| name.starts_with(&format!("{kind}_"))))
            .copied()
            .unwrap_or_default()
    });
    for (name, _) in &mut members {
        if let Some(rest) = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('_')) {
            *name = rest.to_owned();
        }
    }
    let title = item.simple(&mut members, "title");
    if title.is_empty() {
        item.record.name = name;
    } else if name == title {
        item.tally.turned_out_resolved();
        item.record.name = title;
    } else {
        item.record.name = title;
        item.field("name", CustomKind::Text, name);
    }
    for (member, set) in [("username", true), ("email", false)] {
        let text = item.simple(&mut members, member);
        if set {
            item.login(text);
        } else {
            item.mail(text);
        }
    }
    let password = item.simple(&mut members, "password");
    item.password("Password", password);
    let url = item.simple(&mut members, "url");
    item.url(url);
    let note = item.simple(&mut members, "notes");
    item.note(&note);
    code(item, &mut members, "totp_code", "totp_");
    if kind == "totp" {
        code(item, &mut members, "code", "");
    }
    for (index, variable) in list(&mut members, "variables").into_iter().enumerate() {
        let Value::Object(mut variable) = variable else {
            item.behind(&variable, &format!("variables/{index}"), "it is no variable");
            continue;
        };
        let name = item.simple(&mut variable, "key");
        let value = item.simple(&mut variable, "value");
        item.field(name, CustomKind::Password, value);
        item.unknown("variables", variable);
    }
    for field in list(&mut members, "custom_fields") {
        own_field(item, field);
    }
    if kind == "credit_card" {
        card(item, &mut members);
    }
    others(item, kind, members);
    Kept::Record
}

/// A code of which the parts are known.
fn code(item: &mut Item<'_>, members: &mut Members, secret: &str, prefix: &str) {
    let secret = item.simple(members, secret);
    if secret.is_empty() {
        return;
    }
    let mut part = |name: &str| item.mark(members, &format!("{prefix}{name}"));
    let (period, digits, algorithm) = (part("period"), part("digits"), part("algorithm"));
    let parts = CodeParts {
        issuer: "",
        account: &item.record.name.clone(),
        secret: &secret,
        algorithm: &algorithm,
        digits: &digits,
        period: &period,
    };
    let usual = (period.is_empty() || period == "30")
        && (digits.is_empty() || digits == "6")
        && (algorithm.is_empty() || algorithm.eq_ignore_ascii_case("sha1"));
    let code = if usual { secret.clone() } else { parts.address() };
    item.code("TOTP", code);
}

fn card(item: &mut Item<'_>, members: &mut Members) {
    let holder = item.simple(members, "name");
    item.field("Cardholder name", CustomKind::Text, holder);
    let number = item.simple(members, "number");
    item.field("Card number", CustomKind::Password, number);
    let expiry = item.simple(members, "valid_through");
    item.field("Expiry", CustomKind::Text, date::month(&expiry).unwrap_or(expiry));
    let code = item.simple(members, "cvc");
    item.field("Security code", CustomKind::Password, code);
    let pin = item.simple(members, "pin");
    item.field("PIN", CustomKind::Password, pin);
}

fn own_field(item: &mut Item<'_>, field: Value) {
    let Value::Object(mut field) = field else {
        return item.behind(&field, "custom_fields", "it is no field");
    };
    let label = item.simple(&mut field, "name");
    let value = item.simple(&mut field, "value");
    match item.mark(&mut field, "type").as_str() {
        "password" | "secret" | "hidden" => item.field(label, CustomKind::Password, value),
        "totp" => item.code(&label, value),
        "text" => item.field(label, CustomKind::Text, value),
        _ => item.labelled(label, value),
    }
    item.unknown("custom_fields", field);
}

/// Every other member by its own name.
fn others(item: &mut Item<'_>, kind: &str, members: Members) {
    let mut rest = Members::new();
    for (name, value) in members {
        match value {
            Value::List(_) | Value::Object(_) if kind == "passkey" => item.passkey(&value),
            Value::List(_) | Value::Object(_) => rest.push((name, value)),
            plain => {
                item.tally.carried(plain.leaves());
                let text = plain.into_text().unwrap_or_default();
                let private =
                    name.contains("private") || matches!(name.as_str(), "file_content" | "retrieval_code");
                let kind = if private { CustomKind::Password } else { kind_of(&name) };
                let label = match name.as_str() {
                    "public" | "key_public" => "Public key".to_owned(),
                    "private" | "key_private" => "Private key".to_owned(),
                    _ => name,
                };
                item.field(label, kind, text);
            }
        }
    }
    item.unknown("", rest);
}
