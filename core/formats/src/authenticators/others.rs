//! Duo Mobile's backup, and the accounts of Steam's authenticator.
//!
//! Signatures: a list of objects with `otpGenerator`; objects with `shared_secret`, alone or in `accounts`.
//! Mapping: Duo's codes are by time, or by counter where one is kept; Steam's secret is base64 there, and base32 in the address
//! here. What else Steam keeps (`identity_secret`, `revocation_code`) is a hidden field. Resolved: kinds, ids.

use super::{Code, base32};
use crate::document::{document, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value, pointer_part};
use crate::jsonl::base64;
use crate::managers::item::{Item, OWN, object};
use crate::managers::items::{Document, Found, Kept, not_one};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is Duo's.
pub(crate) fn fits_duo(head: &Head<'_>) -> Fit {
    let own = |one: &Value| one.get("otpGenerator").is_some_and(|one| one.has("otpSecret"));
    matches!(head.json(), Some(Value::List(list)) if list.iter().any(own)).into()
}

/// Whether it is Steam's.
pub(crate) fn fits_steam(head: &Head<'_>) -> Fit {
    let own = |document: &Value| {
        let accounts = document.get("accounts");
        document.has("shared_secret")
            || matches!(accounts, Some(Value::Object(all)) if all.iter().any(|(_, one)| one.has("shared_secret")))
    };
    head.json().is_some_and(own).into()
}

pub(crate) fn read_duo(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let Value::List(list) = document(input)? else { return Err(not_one("Duo Mobile")) };
    let mut document = Document::default();
    document.tally.read(list.iter().map(Value::leaves).sum());
    document.items(list, "", &Place::default());
    Ok(document.entries(Box::new(duo)))
}

fn duo(item: &mut Item<'_>, mut members: Members) -> Kept {
    let mut generator = object(&mut members, "otpGenerator");
    let counter = item.mark(&mut generator, "counter");
    let code = Code {
        issuer: item.simple(&mut members, "name"),
        secret: item.simple(&mut generator, "otpSecret"),
        kind: if counter.is_empty() { "totp" } else { "hotp" }.to_owned(),
        counter,
        ..Code::default()
    };
    code.fill(item);
    item.resolve(&mut members, &["accountType", "pkey"]);
    item.leave("", &mut members, &["logoUri", "customerLogoUri"], OWN);
    item.unknown("otpGenerator", generator);
    item.unknown("", members);
    Kept::Record
}

pub(crate) fn read_steam(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Steam")?;
    let accounts = object(&mut members, "accounts");
    if accounts.is_empty() {
        document.found.push(Found {
            value: Value::Object(members),
            at: String::new(),
            path: Place::default(),
        });
    } else {
        for (id, value) in accounts {
            let at = format!("/accounts/{}", pointer_part(&id));
            document.found.push(Found { value, at, path: Place::default() });
        }
        document.leave_rest(members, "");
    }
    Ok(document.entries(Box::new(steam)))
}

fn steam(item: &mut Item<'_>, mut members: Members) -> Kept {
    let secret = take(&mut members, "shared_secret");
    let bytes = match &secret {
        Value::Text(text) => base64(text).map(Zeroizing::new).filter(|bytes| !bytes.is_empty()),
        _ => None,
    };
    let code = Code {
        issuer: "Steam".to_owned(),
        account: item.simple(&mut members, "account_name"),
        secret: bytes.map(|bytes| base32(&bytes)).unwrap_or_default(),
        kind: "steam".to_owned(),
        ..Code::default()
    };
    if code.secret.is_empty() {
        item.behind(&secret, "shared_secret", "it is not base64");
    } else {
        item.tally.carried(secret.leaves());
    }
    code.fill(item);
    // The same secret once more, as an address.
    item.resolve(&mut members, &["uri", "steamid", "SteamID", "serial_number", "token_gid", "device_id"]);
    for name in ["identity_secret", "secret_1", "revocation_code"] {
        let text = item.simple(&mut members, name);
        item.field(name, CustomKind::Password, text);
    }
    item.leave("", &mut members, &["server_time", "status", "fully_enrolled", "Session"], OWN);
    item.unknown("", members);
    Kept::Record
}
