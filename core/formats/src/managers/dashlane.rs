//! Dashlane: a zip archive of tables (`credentials.csv`, `securenotes.csv`, `payments.csv`, `ids.csv`, `personalInfo.csv`,
//! `wifi.csv`, `secrets.csv`), and its older JSON.
//!
//! Signature: members of these names, at the root or under `dashlane-credential-export/`; `AUTHENTIFIANT` or `SECURENOTE`.
//! Mapping: each table as a table of its kind; of JSON the login, its further names, and every other member as a field.
//! Told: attachments, which are not in it. `.dash` files are encrypted and not read.

use super::item::{Item, OWN, list};
use super::items::{Document, Kept};
use crate::csv::managers::DASHLANE;
use crate::csv::read_table;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::tally::Tally;
use crate::zip::Zip;
use crate::{Entries, ReadOptions, date};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::visible::shown;
use keyferry_crypto::model::{CustomKind, Entry};
use std::io::{Cursor, Read};

/// Whether it is the JSON.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |document: &Value| {
        let is_list = |name: &str| matches!(document.get(name), Some(Value::List(_)));
        is_list("AUTHENTIFIANT") || is_list("SECURENOTE") || is_list("PAYMENTMEANS_CREDITCARD")
    };
    head.json().is_some_and(own).into()
}

/// A member's file, in small letters.
fn table(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
}

/// Whether it is the archive.
pub(crate) fn fits_zip(head: &Head<'_>) -> Fit {
    // `ids`, `wifi` and `secrets` may be anybody's.
    let own = |name: &String| {
        ["credentials.csv", "securenotes.csv", "payments.csv", "personalinfo.csv"]
            .contains(&table(name).as_str())
    };
    head.members().iter().any(own).into()
}

pub(crate) fn read_zip(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let mut zip = Zip::open(input)?;
    let mut tables = Vec::new();
    // In the order of the kinds, not of the archive.
    for (file, manager) in DASHLANE {
        let name = zip.names().find(|name| table(name) == *file).map(str::to_owned);
        let Some(name) = name else { continue };
        let Some(mut bytes) = zip.take(&name)? else { continue };
        let options = ReadOptions { no_password: true, ..options.clone() };
        let input = Box::new(Cursor::new(std::mem::take(&mut *bytes)));
        let named = name.clone();
        let entries = read_table(input, &options, manager)
            .map_err(|error| Error::new(error.kind(), format!("{}: {error}", shown(&named))))?;
        tables.push(entries.map(move |entry| match entry {
            Ok(Entry::Note(note)) => Ok(Entry::Note(format!("{}: {note}", shown(&name)))),
            other => other,
        }));
    }
    if tables.is_empty() {
        return Err(Error::new(ErrorKind::Input, "this archive has no table of Dashlane")
            .next_step("leave --format out"));
    }
    let mut tally = Tally::default();
    let mut end = zip.left_over(&mut tally, "a member of the archive is no table of a known kind");
    end.extend(tally.finish());
    Ok(Box::new(tables.into_iter().flatten().chain(end.into_iter().map(Ok))))
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Dashlane")?;
    let names: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
    for name in names {
        let items = list(&mut members, &name);
        document.items(items, &format!("/{name}"), &Place::default());
    }
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(fill)))
}

/// Members of a card, under the labels that every card's have here.
const CARD: &[(&str, &str, CustomKind)] = &[
    ("owner", "Cardholder name", CustomKind::Text),
    ("ownerName", "Cardholder name", CustomKind::Text),
    ("cardNumber", "Card number", CustomKind::Password),
    ("securityCode", "Security code", CustomKind::Password),
];

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    for name in ["title", "name", "accountName", "BankAccountName"] {
        if item.record.name.is_empty() {
            item.record.name = item.simple(&mut members, name);
        }
    }
    for name in ["login", "email", "secondaryLogin", "username"] {
        let text = item.simple(&mut members, name);
        item.login(text);
    }
    let password = item.simple(&mut members, "password");
    item.password("Password", password);
    for name in ["url", "domain", "website"] {
        let text = item.simple(&mut members, name);
        item.url(text);
    }
    for name in ["note", "content"] {
        let text = item.simple(&mut members, name);
        item.note(&text);
    }
    let folder = item.simple(&mut members, "category");
    item.record.path.folders.extend(Some(folder).filter(|folder| !folder.is_empty()));
    for name in ["otpSecret", "otpUrl"] {
        let text = item.simple(&mut members, name);
        item.code("TOTP", text);
    }
    let parts = ["expireMonth", "expireYear"].map(|name| item.simple(&mut members, name));
    let expiry = parts.join("/");
    match date::month(&expiry) {
        Some(month) => item.field("Expiry", CustomKind::Text, month),
        None => {
            for (label, part) in ["expireMonth", "expireYear"].into_iter().zip(parts) {
                item.labelled(label, part);
            }
        }
    }
    item.leave("", &mut members, &["id", "lastBackupTime", "localeFormat"], OWN);
    let (plain, rest): (Members, Members) =
        members.into_iter().partition(|(_, value)| !matches!(value, Value::List(_) | Value::Object(_)));
    for (name, value) in plain {
        item.tally.carried(value.leaves());
        let text = value.into_text().unwrap_or_default();
        match CARD.iter().find(|(member, ..)| *member == name) {
            Some((_, label, kind)) => item.field(*label, kind.clone(), text),
            None => item.labelled(name, text),
        }
    }
    item.unknown("", rest);
    Kept::Record
}
