//! 1Password's `.1pif` (`data.1pif` of its folder): an item a line, each followed by a line of asterisks and an id.
//!
//! Signature: that line, or a first line with `typeName` and `secureContents`.
//! Mapping: folders are items of type `system.folder.Regular`; `secureContents` has fields by designation, addresses,
//! sections whose fields are kind `k`, label `t`, value `v`, id `n`.
//! Resolved: ids, kinds, headings. Told: dates, the bin (where it is not asked for), earlier passwords; attachments stand beside the file and are not read.
//! The whole file is kept in memory.

use super::item::{DATES, Item, OWN, is_secret_id, list, object};
use super::items::{BIN, Document, Kept, nested};
use super::one_password::day_or_month;
use crate::decode::Decode;
use crate::document::take;
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Position, Result};
use keyferry_crypto::model::{CustomKind, Entry, Reject};
use std::collections::HashMap;
use std::io::Read;

/// What stands between items.
const BETWEEN: &str = "***5642bee8-a5ff-11dc-8314-0800200c9a66***";

/// Whether it is such a file.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let first = || json::parse(head.first_line().0).ok();
    let own = |item: Value| item.has("typeName") && (item.has("secureContents") || item.has("locationKey"));
    (head.text().contains(BETWEEN) || (head.looks_like_json() && first().is_some_and(own))).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("export it again")?;
    let mut document = Document::default();
    let (mut items, mut nodes) = (Vec::new(), Vec::new());
    for (number, line) in text.expose().lines().enumerate().filter(|(_, line)| line.starts_with('{')) {
        let at = format!("/{number}");
        match json::parse(line) {
            Ok(value) => {
                document.tally.read(value.leaves());
                match folder(&value) {
                    Some(node) => {
                        document.tally.carried(1);
                        let others = value.leaves().saturating_sub(1);
                        document.tally.resolved(others);
                        nodes.push((node, at));
                    }
                    None => items.push((value, at)),
                }
            }
            Err(broken) => {
                let at = Position::line(number as u64 + 1);
                let why = format!("not JSON: {} (byte {} of the line)", broken.why, broken.at + 1);
                document.last.push(Entry::Reject(Reject { at, label: String::new(), why }));
            }
        }
    }
    let paths = nested(&nodes.iter().map(|(node, _)| node.clone()).collect::<Vec<_>>());
    for ((id, ..), at) in &nodes {
        document.place(paths.get(id).cloned().unwrap_or_default(), at);
    }
    for (value, at) in items {
        document.found.push(super::items::Found { value, at, path: Place::default() });
    }
    Ok(document.with_bin(options).entries(Box::new(move |item, members| fill(item, members, &paths))))
}

/// A folder's id, the one that it stands in, and its name.
fn folder(value: &Value) -> Option<(String, Option<String>, String)> {
    let text = |name: &str| match value.get(name) {
        Some(Value::Text(text)) => Some(text.to_string()),
        _ => None,
    };
    let kind = text("typeName")?;
    if !kind.starts_with("system.folder") {
        return None;
    }
    Some((text("uuid")?, text("folderUuid"), text("title").filter(|title| !title.is_empty())?))
}

/// Fills a record with an item; `paths` has the places of folders.
pub(super) fn fill(item: &mut Item<'_>, mut members: Members, paths: &HashMap<String, Place>) -> Kept {
    let trashed = item.flag(&mut members, "trashed") == Some(true);
    if item.stays_in_bin(trashed) {
        return BIN;
    }
    let place = item.simple(&mut members, "folderUuid");
    if let Some(path) = paths.get(&place) {
        item.tally.turned_out_resolved();
        item.record.path = path.path();
    } else {
        item.labelled("folderUuid", place);
    }
    item.resolve(
        &mut members,
        &["uuid", "typeName", "locationKey", "securityLevel", "contentsHash", "keyID"],
    );
    item.record.name = item.simple(&mut members, "title");
    item.created("", &mut members, &["createdAt"]);
    item.changed("", &mut members, &["updatedAt"]);
    item.leave("", &mut members, &["txTimestamp"], DATES);
    let place = item.mark(&mut members, "faveIndex");
    item.record.favorite = !place.is_empty() && place != "0";
    let mut open = object(&mut members, "openContents");
    item.tags(take(&mut open, "tags"), &["name"]);
    let place = item.mark(&mut open, "faveIndex");
    item.record.favorite |= !place.is_empty() && place != "0";
    item.leave("openContents", &mut open, &["scope", "autosubmit", "passwordStrength"], OWN);
    let mut secure = object(&mut members, "secureContents");
    for (index, field) in list(&mut secure, "fields").into_iter().enumerate() {
        form_field(item, field, &format!("secureContents/fields/{index}"));
    }
    for name in ["username", "password", "URL", "notesPlain"] {
        let text = item.simple(&mut secure, name);
        match name {
            "username" => item.login(text),
            "password" => item.password("Password", text),
            "URL" => item.url(text),
            _ => item.note(&text),
        }
    }
    for (index, address) in list(&mut secure, "URLs").into_iter().enumerate() {
        let at = format!("secureContents/URLs/{index}");
        let Value::Object(mut address) = address else {
            item.behind(&address, &at, "it is no address");
            continue;
        };
        let url = item.simple(&mut address, "url");
        item.url(url);
        item.leave(&at, &mut address, &["label"], "labels of addresses do not move");
        item.unknown("URLs", address);
    }
    let location = item.simple(&mut members, "location");
    item.url(location);
    let history = take(&mut secure, "passwordHistory");
    item.earlier(&history, "secureContents/passwordHistory", &["value"], &["time"]);
    card(item, &mut secure);
    for (index, section) in list(&mut secure, "sections").into_iter().enumerate() {
        let at = format!("secureContents/sections/{index}");
        let Value::Object(mut section) = section else {
            item.behind(&section, &at, "it is no section");
            continue;
        };
        let title = item.mark(&mut section, "title");
        item.resolve(&mut section, &["name"]);
        let fields = list(&mut section, "fields").into_iter().enumerate();
        item.in_section(&title, |item| {
            for (index, field) in fields {
                section_field(item, field, &format!("{at}/fields/{index}"));
            }
        });
        item.unknown("section", section);
    }
    item.name_sections();
    item.leave(
        "secureContents",
        &mut secure,
        &["htmlForm", "htmlMethod", "htmlAction", "htmlName", "htmlID"],
        OWN,
    );
    item.unknown("secureContents", secure);
    item.unknown("openContents", open);
    item.unknown("", members);
    Kept::Record
}

/// Members of a card, which older versions have beside each other.
fn card(item: &mut Item<'_>, secure: &mut Members) {
    for (name, label, kind) in [
        ("cardholder", "Cardholder name", CustomKind::Text),
        ("ccnum", "Card number", CustomKind::Password),
        ("cvv", "Security code", CustomKind::Password),
        ("pin", "PIN", CustomKind::Password),
    ] {
        let text = item.simple(secure, name);
        item.field(label, kind, text);
    }
    let (month, year) = (item.simple(secure, "expiry_mm"), item.simple(secure, "expiry_yy"));
    match (year.is_empty(), month.is_empty()) {
        (false, false) => {
            // One value of two.
            let text =
                if year.len() == 2 { format!("20{year}-{month:0>2}") } else { format!("{year}-{month:0>2}") };
            item.field("Expiry", CustomKind::Text, text);
        }
        (false, true) => item.field("Expiry year", CustomKind::Text, year),
        (true, _) => item.field("Expiry month", CustomKind::Text, month),
    }
}

fn form_field(item: &mut Item<'_>, field: Value, at: &str) {
    let Value::Object(mut field) = field else { return item.behind(&field, at, "it is no field") };
    let value = item.simple(&mut field, "value");
    let kind = item.mark(&mut field, "type");
    match item.mark(&mut field, "designation").as_str() {
        "username" => item.login(value),
        "password" => item.password("Password", value),
        _ => {
            let label = item.simple(&mut field, "name");
            let id = item.mark(&mut field, "id");
            let label = if label.is_empty() { id } else { label };
            if kind == "P" {
                item.field(label, CustomKind::Password, value);
            } else {
                item.labelled(label, value);
            }
        }
    }
    item.resolve(&mut field, &["id", "name"]);
    item.unknown(at, field);
}

fn section_field(item: &mut Item<'_>, field: Value, at: &str) {
    let Value::Object(mut field) = field else { return item.behind(&field, at, "it is no field") };
    let kind = item.mark(&mut field, "k");
    let label = item.simple(&mut field, "t");
    let id = item.mark(&mut field, "n");
    let label = if label.is_empty() { id.clone() } else { label };
    let value = take(&mut field, "v");
    match (kind.as_str(), value) {
        ("concealed", value) if id.starts_with("TOTP_") => {
            let text = item.joined(value, "\n");
            item.code(&label, text);
        }
        ("concealed", value) => {
            let text = item.joined(value, "\n");
            item.field(label, CustomKind::Password, text);
        }
        (kind @ ("date" | "monthYear"), Value::Number(number)) => day_or_month(item, &label, kind, number),
        (_, value) => {
            let text = item.joined(value, "\n");
            if is_secret_id(&id) {
                item.field(label, CustomKind::Password, text);
            } else {
                item.labelled(label, text);
            }
        }
    }
    item.leave(at, &mut field, &["a", "inputTraits"], OWN);
    if kind == "concealed" { item.unknown_secrets("field", field) } else { item.unknown("field", field) }
}
