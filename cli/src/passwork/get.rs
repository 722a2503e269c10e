//! `get`: one field of one item, or its one-time code.

use crate::passwork::failure::{Failure, Result, elements, member};
use crate::passwork::items::Client;
use crate::passwork::python::{int, shown, strip};
use crate::passwork::value::Value;
use crate::passwork::{Parsed, complain, print};
use keyferry_core::crypto::totp::Totp;
use keyferry_core::secret::SecretString;
use std::time::{SystemTime, UNIX_EPOCH};

/// Prints it.
pub async fn run(client: &Client, parsed: &Parsed) -> Result<u8> {
    let item = item(client, parsed).await?;
    if !item.is_true() {
        return Ok(complain("Error: Password not found"));
    }
    if let Some(name) = parsed.text("--totp-code").filter(|name| !name.is_empty()) {
        let Some(secret) = field(&item, &name)?.filter(|secret| secret.is_true()) else {
            return Ok(complain("Error: TOTP secret not found"));
        };
        return Ok(print(one_time_code(secret)?.expose()));
    }
    if let Some(name) = parsed.text("--field").filter(|name| !name.is_empty()) {
        let shown = SecretString::new(shown(field(&item, &name)?.unwrap_or(&Value::None)));
        return Ok(print(shown.expose()));
    }
    match item.get("password").filter(|password| password.is_true()) {
        Some(password) => Ok(print(SecretString::new(shown(password)).expose())),
        None => Ok(complain("The password is not filled in or is empty")),
    }
}

/// The item that the flags name; an empty object for an id of nothing but space.
pub async fn item(client: &Client, parsed: &Parsed) -> Result<Value> {
    let id = |name| parsed.text(name).filter(|id| !id.is_empty());
    let nothing = || Ok(Value::Dict(Vec::new()));
    if let Some(id) = id("--password-id") {
        return match strip(&id) {
            "" => nothing(),
            id => client.item(id).await,
        };
    }
    if let Some(id) = id("--shortcut-id") {
        return match strip(&id) {
            "" => nothing(),
            id => {
                let shortcut = client.shortcut(id).await?;
                let item = shortcut.get("password").filter(|item| item.is_true());
                item.map_or_else(nothing, |item| Ok(item.clone()))
            }
        };
    }
    Err(Failure::value("No password ID or shortcut ID criteria provided"))
}

/// The first custom field of this name, or else the item's own member.
fn field<'a>(item: &'a Value, name: &str) -> Result<Option<&'a Value>> {
    if let Some(customs) = item.get("customs").filter(|customs| customs.is_true()) {
        for custom in elements(customs)? {
            if member(custom, "name")?.text() == Some(name) {
                return member(custom, "value").map(Some);
            }
        }
    }
    Ok(item.get(name))
}

fn one_time_code(secret: &Value) -> Result<SecretString> {
    let Some(secret) = secret.text() else {
        return Err(Failure::other(format!("'{}' object has no attribute 'lower'", secret.kind())));
    };
    let (key, hash, digits, period) = if secret.to_lowercase().contains("otpauth://") {
        by_address(secret)?
    } else {
        (secret.to_owned(), "SHA1", 6, 30)
    };
    let key = SecretString::new(key);
    check_base32(key.expose())?;
    if period == 0 {
        return Err(Failure::other("integer division or modulo by zero"));
    }
    if period < 0 || !(0..=1000).contains(&digits) {
        return Err(Failure::other("the one-time code's digits or period are out of range"));
    }
    let bare = key.expose().trim_end_matches('=');
    let address = SecretString::new(format!(
        "otpauth://totp/x?secret={bare}&algorithm={hash}&digits=10&period={period}"
    ));
    let totp = Totp::parse_as_sdk(&address).map_err(|error| Failure::value(error.to_string()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // All that a code is made of has ten digits at most: fewer are its end, more stand behind zeros.
    let code = totp.code(now);
    let width = usize::try_from(digits).unwrap_or(0);
    let code = code.expose();
    Ok(SecretString::new(match width {
        0 => "0".to_owned(),
        1..=10 => code.get(10 - width..).unwrap_or_default().to_owned(),
        _ => format!("{code:0>width$}"),
    }))
}

/// Secret, hash, digits and period of an `otpauth:` address, read as the official client reads it.
fn by_address(address: &str) -> Result<(String, &'static str, i64, i64)> {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    if scheme != "otpauth" {
        return Err(Failure::value("Not an otpauth URI"));
    }
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = rest.split_once('/').map_or(rest, |(place, _)| place);
    let plain = |text: &str| text.replace('+', " ").replace("%20", " ");
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (plain(name), plain(value));
        match pairs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => pairs.push((name, value)),
        }
    }
    let (mut secret, mut hash, mut digits, mut period) = (String::new(), "SHA1", 6, 30);
    for (name, value) in pairs {
        match name.as_str() {
            "secret" => secret = value,
            "algorithm" => {
                hash = match value.as_str() {
                    "SHA1" => "SHA1",
                    "SHA256" => "SHA256",
                    "SHA512" => "SHA512",
                    _ => {
                        return Err(Failure::value(
                            "Invalid value for algorithm, must be SHA1, SHA256 or SHA512",
                        ));
                    }
                }
            }
            "digits" => digits = int(&value).map_err(Failure::value)?,
            "period" => period = int(&value).map_err(Failure::value)?,
            _ => {}
        }
    }
    if secret.is_empty() {
        return Err(Failure::value("No secret found in URI"));
    }
    if place != "totp" {
        return Err(Failure::value("Not a supported OTP type"));
    }
    Ok((secret, hash, digits, period))
}

/// Whether Python's `b32decode` takes it: upper case alone, and a length that bytes can have.
fn check_base32(secret: &str) -> Result<()> {
    if !secret.is_ascii() {
        return Err(Failure::value("string argument should contain only ASCII characters"));
    }
    let bare = secret.trim_end_matches('=');
    if !bare.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)) {
        return Err(Failure::value("Non-base32 digit found"));
    }
    let length = secret.len().next_multiple_of(8);
    match length - bare.len() {
        0 | 1 | 3 | 4 | 6 => Ok(()),
        _ => Err(Failure::value("Incorrect padding")),
    }
}
