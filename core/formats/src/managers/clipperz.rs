//! Clipperz' offline page: a `<textarea>` with a JSON list.
//!
//! Signature: a web page with such a list, whose objects have `currentVersion`. Mapping: what follows U+E009 in a label are tags, and
//! `ARCH` is what is archived; fields by their labels, hidden where they are; the first that is an address, an e-mail
//! address or a user name, and hidden, fill the record.
//! Resolved: kinds, ids. Told: the page around the list. The whole page is kept in memory.

use super::item::{Item, OWN, object};
use super::items::{Document, Kept, not_one};
use crate::csv;
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;
use std::io::Read;
use zeroize::Zeroizing;

/// Before each tag of a label.
const TAG: char = '\u{e009}';

/// Whether it is such a page.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let text = head.text();
    let start = text.get(..16).map(str::to_ascii_lowercase).unwrap_or_default();
    let is_page = start.starts_with("<!doctype html") || start.starts_with("<html");
    let after =
        text.split_once("<textarea").and_then(|(_, rest)| rest.split_once('>')).map_or("", |(_, rest)| rest);
    (is_page && after.trim_start().starts_with('[') && after.contains("currentVersion")).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("export it again")?;
    let inside = text
        .expose()
        .split_once("<textarea")
        .and_then(|(_, rest)| rest.split_once('>'))
        .and_then(|(_, rest)| rest.split_once("</textarea"))
        .map(|(inside, _)| inside)
        .ok_or_else(|| not_one("Clipperz"))?;
    let plain = csv::decoded(inside).unwrap_or_else(|| Zeroizing::new(inside.to_owned()));
    let value = json::parse(plain.trim()).map_err(|broken| {
        Error::new(ErrorKind::Input, format!("the list in the page is not JSON: {}", broken.why))
            .next_step("export it again")
    })?;
    let Value::List(list) = value else { return Err(not_one("Clipperz")) };
    let mut document = Document::default();
    document.tally.read(list.iter().map(Value::leaves).sum());
    document.items(list, "", &Place::default());
    Ok(document.entries(Box::new(fill)))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    let label = item.simple(&mut members, "label");
    let mut parts = label.split(TAG);
    parts.next().unwrap_or_default().trim().clone_into(&mut item.record.name);
    for tag in parts.map(str::trim) {
        if tag == "ARCH" {
            item.archived();
        } else {
            item.tag(tag);
        }
    }
    let mut data = object(&mut members, "data");
    let notes = item.simple(&mut data, "notes");
    item.note(&notes);
    item.leave("data", &mut data, &["directLogins"], OWN);
    item.unknown("data", data);
    let mut version = object(&mut members, "currentVersion");
    for (id, field) in object(&mut version, "fields") {
        own_field(item, field, &format!("currentVersion/fields/{}", json::pointer_part(&id)));
    }
    item.unknown("currentVersion", version);
    item.resolve(&mut members, &["reference", "_reference", "accessDate", "updateDate", "favicon"]);
    item.unknown("", members);
    Kept::Record
}

fn own_field(item: &mut Item<'_>, field: Value, at: &str) {
    let Value::Object(mut field) = field else { return item.behind(&field, at, "it is no field") };
    let hidden = item.flag(&mut field, "hidden") == Some(true);
    let action = item.mark(&mut field, "actionType");
    let value = item.simple(&mut field, "value");
    if value.is_empty() {
        item.resolve(&mut field, &["label"]);
        return item.unknown(at, field);
    }
    let label = item.simple(&mut field, "label");
    let word = label.to_ascii_lowercase();
    let password =
        (action == "PASSWORD" || (hidden && word.contains("password"))) && item.record.password.is_none();
    let url = action == "URL" && item.record.url.is_empty();
    let login = !hidden
        && item.record.login.is_empty()
        && (action == "EMAIL" || ["user", "login", "email", "e-mail"].iter().any(|part| word.contains(part)));
    if (password || url || login) && !label.is_empty() {
        item.tally.turned_out_resolved();
    }
    if password {
        item.password("Password", value);
    } else if url {
        item.url(value);
    } else if login {
        item.login(value);
    } else if hidden || action == "PASSWORD" {
        item.field(label, CustomKind::Password, value);
    } else {
        item.labelled(label, value);
    }
    item.unknown(at, field);
}
