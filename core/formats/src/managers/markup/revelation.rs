//! Revelation's XML, in the clear.
//!
//! Signature: `revelationdata`. Mapping: entries of type `folder` nest; fields by their ids: user name, password, address, host and
//! e-mail address fill the record, a card's members have the labels that every card has here, every other one is a field by
//! the last word of its id. Description and notes are the description.
//! Resolved: kinds, versions. Told: dates, descriptions of folders. The whole document is kept in memory.

use super::{each, inner};
use crate::columns::kind_of;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::Item;
use crate::managers::items::{Document, Found, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions, date};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    head.has_element("revelationdata").into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "revelationdata", "Revelation")?;
    document.resolve(&mut members, &["@version", "@dataversion"]);
    entries(&mut document, &mut members, &Place::default(), "/revelationdata");
    document.leave_rest(members, "/revelationdata");
    Ok(document.entries(Box::new(fill)))
}

fn entries(document: &mut Document, members: &mut Members, path: &Place, above: &str) {
    for (at, entry) in each(members, "entry") {
        let (at, mut entry) = (format!("{above}/{at}"), inner(entry));
        let is_folder = entry.iter().any(|(name, value)| {
            name == "@type" && matches!(value, Value::Text(kind) if kind.as_str() == "folder")
        });
        if !is_folder {
            document.found.push(Found { value: Value::Object(entry), at, path: path.clone() });
            continue;
        }
        if path.is_too_deep() {
            document.behind(&Value::Object(entry), &at, "its folders are nested too deep");
            continue;
        }
        document.resolve(&mut entry, &["@type", "updated"]);
        let name = document.name(&mut entry, &["name"]);
        let path = path.below(name);
        document.place(path.clone(), &at);
        entries(document, &mut entry, &path, &at);
        document.leave_rest(entry, &at);
    }
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    item.resolve(&mut members, &["@type"]);
    item.record.name = item.text(&mut members, "name");
    for name in ["description", "notes"] {
        let text = item.text(&mut members, name);
        item.note(&text);
    }
    item.changed("", &mut members, &["updated"]);
    let mut hosts = Vec::new();
    for (at, value) in each(&mut members, "field") {
        let mut field = inner(value);
        let id = item.mark(&mut field, "@id");
        let value = item.simple(&mut field, "#text");
        let word = id.rsplit('-').next().unwrap_or_default();
        match word {
            "username" => item.login(value),
            "password" => item.password("Password", value),
            "url" => item.url(value),
            "email" => item.field("E-mail", CustomKind::Text, value),
            "hostname" => hosts.push(value),
            "cardtype" => item.field("Card brand", CustomKind::Text, value),
            "cardnumber" => item.field("Card number", CustomKind::Password, value),
            "expirydate" => item.field("Expiry", CustomKind::Text, date::month(&value).unwrap_or(value)),
            "ccv" => item.field("Security code", CustomKind::Password, value),
            "pin" => item.field("PIN", CustomKind::Password, value),
            // Of an encryption key, a code opens a door.
            "code" => item.field("code", CustomKind::Password, value),
            _ => item.field(word, kind_of(word), value),
        }
        item.unknown(&at, field);
    }
    for host in hosts {
        if item.record.url.is_empty() {
            item.url(host);
        } else {
            item.field("hostname", CustomKind::Text, host);
        }
    }
    if item.record.login.is_empty()
        && let Some(index) = item.record.customs.iter().position(|custom| custom.name == "E-mail")
    {
        item.record.customs.remove(index).value.expose().clone_into(&mut item.record.login);
    }
    item.unknown("", members);
    Kept::Record
}
