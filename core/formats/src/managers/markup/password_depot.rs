//! Password Depot's XML.
//!
//! Signature: `passwordfile` with `header` or `passwords`. Mapping: groups nest by `name`; `description` is the name; `category` and
//! `tags` are tags; own fields by name, hidden where their type is 1; those that the program names itself (`IDS_CardNumber`) have
//! the labels that every card has here; a mark of a favourite is an id within `favorites`.
//! Resolved: ids, kinds, versions. Told: dates (they are local; `dd.mm.yyyy` or a number of days), settings of its browser add-on and the
//! like, the bin. Not read: a file that says it is encrypted. The members of an item beyond those of real files are not verified.
//! The whole document is kept in memory.

use super::{child, each, inner};
use crate::document::take;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::item::{DATES, Item, OWN};
use crate::managers::items::{Document, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions, date};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;
use std::collections::HashSet;
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    (head.has_element("passwordfile/header") || head.has_element("passwordfile/passwords")).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "passwordfile", "Password Depot")?;
    let mut header = child(&mut members, "header");
    let encrypted = take(&mut header, "encrypted");
    if matches!(&encrypted, Value::Text(text) if text.eq_ignore_ascii_case("true")) {
        return Err(Error::new(ErrorKind::Input, "this export of Password Depot is encrypted")
            .next_step("export it there as XML without encryption, and shred that file afterwards"));
    }
    document.tally.resolved(encrypted.leaves());
    document.resolve(
        &mut header,
        &["application", "version", "uniqueid", "dataformat", "authtype", "compressed"],
    );
    document.leave_rest(header, "/passwordfile/header");
    let favorites = take(&mut members, "favorites");
    let ids = favorite_ids(&favorites);
    if ids.is_empty() {
        document.behind(&favorites, "/passwordfile/favorites", "it names no items");
    } else {
        document.tally.resolved(favorites.leaves());
    }
    let mut passwords = child(&mut members, "passwords");
    groups(&mut document, &mut passwords, &Place::default(), "/passwordfile/passwords");
    document.leave_rest(passwords, "/passwordfile/passwords");
    let (first, places) = (document.found.len(), document.places());
    for (at, bin) in each(&mut members, "recyclebin") {
        let (at, mut bin) = (format!("/passwordfile/{at}"), inner(bin));
        groups(&mut document, &mut bin, &Place::default(), &at);
        document.leave_rest(bin, &at);
    }
    document.in_bin_from(first);
    document.forget_places(places);
    document.leave_rest(members, "/passwordfile");
    Ok(document.with_bin(options).entries(Box::new(move |item, members| fill(item, members, &ids))))
}

/// The ids in a list that is text in base64.
fn favorite_ids(value: &Value) -> HashSet<String> {
    let Value::Text(text) = value else { return HashSet::new() };
    let Some(text) = base64(text).and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return HashSet::new();
    };
    let parts = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '\0'));
    parts.filter(|part| part.len() >= 8).map(plain_id).collect()
}

/// An id however it is written: braces or none, either case.
fn plain_id(id: &str) -> String {
    id.trim_matches(['{', '}']).to_ascii_uppercase()
}

fn groups(document: &mut Document, members: &mut Members, path: &Place, above: &str) {
    document.elements(members, "item", above, path);
    for (at, group) in each(members, "group") {
        let (at, mut group) = (format!("{above}/{at}"), inner(group));
        if path.is_too_deep() {
            document.behind(&Value::Object(group), &at, "its folders are nested too deep");
            continue;
        }
        let name = document.name(&mut group, &["@name"]);
        let path = path.below(name);
        document.resolve(&mut group, &["@fingerprint", "@id", "@imageindex", "@imagecustom"]);
        document.place(path.clone(), &at);
        groups(document, &mut group, &path, &at);
        document.leave_rest(group, &at);
    }
}

/// What the program keeps of an item for itself.
const SETTINGS: &[&str] = &[
    "importance",
    "imageindex",
    "imagecustom",
    "wndtitle",
    "paramstr",
    "custombrowser",
    "autocompletemethod",
    "loginid",
    "passid",
    "donotaddon",
    "markassafe",
    "safemode",
    "rndtype",
    "rndcustom",
    "usagecount",
    "keephistory",
    "ownerid",
    "author",
    "warnmsg",
    "warnlvl",
    "warnverify",
    "serverrqrd",
    "secret",
    "istemplate",
    "infotemplate",
    "usetabs",
    "islink",
    "linkeditem",
    "template",
    "foregroundcolor",
    "backgroundcolor",
];

fn fill(item: &mut Item<'_>, mut members: Members, favorites: &HashSet<String>) -> Kept {
    item.basics(&mut members, ["description", "username", "password", "url"]);
    for (_, value) in each(&mut members, "urls") {
        let mut urls = inner(value);
        for (_, url) in each(&mut urls, "url") {
            let mut url = inner(url);
            let text = item.simple(&mut url, "#text");
            item.url(text);
            item.unknown("urls.url", url);
        }
        item.unknown("urls", urls);
    }
    let comment = item.text(&mut members, "comment");
    item.note(&comment);
    for name in ["category", "tags"] {
        let tags = item.text(&mut members, name);
        tags.split([',', ';']).map(str::trim).for_each(|tag| item.tag(tag));
    }
    let id = item.mark(&mut members, "fingerprint");
    item.record.favorite = !id.is_empty() && favorites.contains(&plain_id(&id));
    item.record.created_at =
        members.iter().find(|(name, _)| name == "created").and_then(|(_, value)| moment(value));
    item.record.changed_at =
        members.iter().find(|(name, _)| name == "lastmodified").and_then(|(_, value)| moment(value));
    item.leave("", &mut members, &["created", "lastmodified", "lastaccessed"], DATES);
    let mut expiry = child(&mut members, "expirydate");
    item.resolve(&mut expiry, &["@fmt"]);
    let text = item.simple(&mut expiry, "#text");
    if let Some(seconds) = moment(&Value::Text(Zeroizing::new(text.clone()))) {
        item.field("Expiry", CustomKind::Text, date::day(seconds));
    } else if text.chars().any(|c| c.is_alphanumeric() && c != '0') {
        item.field("Expiry", CustomKind::Text, text);
    } else if !text.is_empty() {
        // `00.00.0000` and the like are none.
        item.tally.turned_out_resolved();
    }
    item.unknown("expirydate", expiry);
    item.resolve(&mut members, &["type"]);
    for (_, value) in each(&mut members, "customfields") {
        let mut fields = inner(value);
        for (at, field) in each(&mut fields, "field") {
            own_field(item, inner(field), &format!("customfields/{at}"));
        }
        item.unknown("customfields", fields);
    }
    item.leave("", &mut members, SETTINGS, OWN);
    item.unknown("", members);
    Kept::Record
}

fn own_field(item: &mut Item<'_>, mut field: Members, at: &str) {
    let kind = item.mark(&mut field, "type");
    item.resolve(&mut field, &["visible", "kind", "@fmt"]);
    let value = item.text(&mut field, "value");
    let label = if value.is_empty() {
        item.resolve(&mut field, &["name"]);
        String::new()
    } else {
        item.text(&mut field, "name")
    };
    let (label, hidden) = match label.as_str() {
        "IDS_CardHolder" => ("Cardholder name".to_owned(), false),
        "IDS_CardType" => ("Card brand".to_owned(), false),
        "IDS_CardNumber" => ("Card number".to_owned(), true),
        "IDS_CardExpires" => ("Expiry".to_owned(), false),
        "IDS_CardCode" => ("Security code".to_owned(), true),
        "IDS_CardPIN" => ("PIN".to_owned(), true),
        _ => (label, kind == "1"),
    };
    if hidden {
        item.field(label, CustomKind::Password, value);
    } else {
        item.labelled(label, value);
    }
    item.unknown(at, field);
}

/// Unix seconds of a local date: `01.02.2025 03:04:05`, or days since 1899-12-30 with a comma.
fn moment(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Text(text) => text.as_str(),
        Value::Object(members) => match members.iter().find(|(name, _)| name == "#text") {
            Some((_, Value::Text(text))) => text.as_str(),
            _ => return None,
        },
        _ => return None,
    };
    let text = text.trim();
    let (day, time) = text.split_once(' ').unwrap_or((text, ""));
    let parts: Vec<&str> = day.split('.').collect();
    if let [day, month, year] = parts.as_slice() {
        let clock = if time.is_empty() { String::new() } else { format!("T{time}") };
        return date::of_iso(&format!("{year:0>4}-{month:0>2}-{day:0>2}{clock}")).filter(|_| *year != "0000");
    }
    let (days, part) = text.split_once([',', '.']).unwrap_or((text, "0"));
    let days: i64 = days.parse().ok().filter(|days| (1..100_000).contains(days))?;
    let part = part.get(..part.len().min(9))?;
    let share = part.parse::<i64>().ok()?.checked_mul(86_400)? / 10_i64.pow(u32::try_from(part.len()).ok()?);
    Some((days - 25_569) * 86_400 + share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_both_spellings() {
        for (text, wanted) in [
            ("03.02.2025 04:05:06", Some(1_738_555_506)),
            ("3.2.2025", Some(1_738_540_800)),
            ("45691,5", Some(1_738_584_000)),
            ("45691", Some(1_738_540_800)),
            ("00.00.0000", None),
            ("0", None),
            ("", None),
            ("soon", None),
            ("1,é", None),
        ] {
            assert_eq!(moment(&Value::Text(Zeroizing::new(text.to_owned()))), wanted, "{text}");
        }
    }
}
