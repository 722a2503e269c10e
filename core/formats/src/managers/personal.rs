//! JSON and YAML of managers that are mostly a person's: F-Secure Key, Avast, Blur, Password Boss, Passpie, Passky.
//!
//! Signatures: `data` with objects that have `service` and `password` or `username`; `logins` with `loginName` or `pwd`; `dntmeExport`;
//! `items` with `identifiers`; `handler: passpie`; `passwords` with `website` and `message`.
//! Mapping: by the names of members; cards have the labels that every card has here, every other member is a field by its own
//! name. In Blur `undefined` and `null` are nothing; Password Boss writes line breaks as `\r\n`, and names folders by their ids;
//! what an entry of Passpie is called in full is its login and name again.
//! Resolved: ids, kinds, versions. Told: dates. The names of members of cards and identities are not verified.
//! The whole document is kept in memory.

use super::item::{Item, list, object};
use super::items::{Document, Found, Kept, nested};
use super::plain::{CARD, Map, NOTHING, emptied, own_fields};
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::json::{Members, Value, pointer_part};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions, yaml};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::io::Read;

/// Whether a list of the document holds an object like that.
fn any(head: &Head<'_>, name: &str, is: impl Fn(&Value) -> bool) -> bool {
    let list = head.json().and_then(|document| document.get(name));
    matches!(list, Some(Value::List(list)) if list.iter().any(is))
}

/// Whether it is F-Secure Key's.
pub(crate) fn fits_f_secure(head: &Head<'_>) -> Fit {
    let own = |one: &Value| one.has("service") && (one.has("password") || one.has("username"));
    let data = head.json().and_then(|document| document.get("data"));
    matches!(data, Some(Value::Object(data)) if data.iter().any(|(_, one)| own(one))).into()
}

/// Whether it is Avast's.
pub(crate) fn fits_avast(head: &Head<'_>) -> Fit {
    any(head, "logins", |one| one.has("loginName") || one.has("pwd")).into()
}

/// Whether it is Blur's.
pub(crate) fn fits_blur(head: &Head<'_>) -> Fit {
    head.json().is_some_and(|document| document.has("dntmeExport")).into()
}

/// Whether it is Password Boss'.
pub(crate) fn fits_password_boss(head: &Head<'_>) -> Fit {
    any(head, "items", |one| matches!(one.get("identifiers"), Some(Value::Object(_)))).into()
}

/// Whether it is Passpie's. Its members are sorted, so the handler may stand far below.
pub(crate) fn fits_passpie(head: &Head<'_>) -> Fit {
    let text = head.text();
    let line = |wanted: &str| text.lines().any(|line| line.trim_end() == wanted);
    let sorted = text.starts_with("credentials:") && text.contains("comment:") && text.contains("fullname:");
    (!head.looks_like_json() && (line("handler: passpie") || sorted)).into()
}

/// Whether it is Passky's.
pub(crate) fn fits_passky(head: &Head<'_>) -> Fit {
    any(head, "passwords", |one| one.has("website") && one.has("message")).into()
}

const PASSKY: Map = Map {
    name: &["website"],
    login: &["username"],
    password: &["password"],
    note: &["message"],
    resolved: &["id"],
    ..NOTHING
};

pub(crate) fn read_passky(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Passky")?;
    if document.flag(&mut members, "encrypted") == Some(true) {
        return Err(Error::new(ErrorKind::Input, "this export of Passky is encrypted")
            .next_step("export it there without encryption, and shred that file afterwards"));
    }
    document.items(list(&mut members, "passwords"), "/passwords", &Place::default());
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(|item, members| {
        let kept = by(&PASSKY, item, members);
        // A page is named by its address.
        if item.record.name.contains('.') && !item.record.name.contains(char::is_whitespace) {
            item.record.url.clone_from(&item.record.name);
        }
        kept
    })))
}

const F_SECURE: Map = Map {
    name: &["service"],
    login: &["username"],
    password: &["password"],
    url: &["url"],
    note: &["notes"],
    favorite: &["favorite"],
    fields: CARD,
    resolved: &["style", "color", "type", "rev"],
    ..NOTHING
};

pub(crate) fn read_f_secure(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "F-Secure Key")?;
    document.resolve(&mut members, &["version", "hash"]);
    for (id, value) in object(&mut members, "data") {
        let at = format!("/data/{}", pointer_part(&id));
        document.found.push(Found { value, at, path: Place::default() });
    }
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(|item, members| by(&F_SECURE, item, members))))
}

fn by(map: &Map, item: &mut Item<'_>, mut members: Members) -> Kept {
    map.fill(item, &mut members);
    item.unknown("", members);
    Kept::Record
}

const AVAST: Map = Map {
    name: &["custName", "label", "name"],
    login: &["loginName"],
    password: &["pwd"],
    url: &["url"],
    note: &["note", "text"],
    fields: CARD,
    resolved: &["id", "guid"],
    ..NOTHING
};

pub(crate) fn read_avast(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let document = Document::object(input, "Avast")?;
    Ok(lists(document, |item, members| by(&AVAST, item, members)))
}

/// Every list of a document is one of items.
fn lists(
    (mut document, mut members): (Document, Members),
    fill: impl FnMut(&mut Item<'_>, Members) -> Kept + Send + 'static,
) -> Entries {
    let names: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
    for name in names {
        let items = list(&mut members, &name);
        document.items(items, &format!("/{}", pointer_part(&name)), &Place::default());
    }
    document.leave_rest(members, "");
    document.entries(Box::new(fill))
}

const BLUR: Map = Map {
    name: &["label", "name", "title"],
    login: &["username"],
    mail: &["email"],
    password: &["password"],
    url: &["domain", "url"],
    note: &["note", "notes", "content"],
    fields: CARD,
    resolved: &["id", "guid"],
    ..NOTHING
};

pub(crate) fn read_blur(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Blur")?;
    document.resolve(&mut members, &["dntmeExport", "version"]);
    Ok(lists((document, members), |item, mut members| {
        emptied(item, &mut members, &["undefined", "null"]);
        by(&BLUR, item, members)
    }))
}

const PASSWORD_BOSS: Map = Map {
    name: &["name"],
    url: &["login_url", "url"],
    favorite: &["favorite"],
    resolved: &["id", "type", "secure_item_type"],
    created: &["created_date"],
    changed: &["last_modified_date"],
    ..NOTHING
};

const IDENTIFIERS: Map = Map {
    login: &["username"],
    mail: &["email"],
    password: &["password"],
    code: &["totp"],
    fields: CARD,
    ..NOTHING
};

pub(crate) fn read_password_boss(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Password Boss")?;
    document.resolve(&mut members, &["version"]);
    let mut nodes = Vec::new();
    for (number, folder) in list(&mut members, "folders").into_iter().enumerate() {
        let at = format!("/folders/{number}");
        let Value::Object(mut folder) = folder else {
            document.behind(&folder, &at, crate::document::NO_RECORD);
            continue;
        };
        let name = document.name(&mut folder, &["name"]);
        let id = document.id(&mut folder, &["id", "uuid"]).unwrap_or_default();
        let parent = document.id(&mut folder, &["parent", "parent_id"]);
        document.leave_rest(folder, &at);
        nodes.push(((id, parent, name), at));
    }
    let paths = nested(&nodes.iter().map(|(node, _)| node.clone()).collect::<Vec<_>>());
    for ((id, ..), at) in &nodes {
        document.place(paths.get(id).cloned().unwrap_or_default(), at);
    }
    document.items(list(&mut members, "items"), "/items", &Place::default());
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(move |item, members| password_boss(item, members, &paths))))
}

fn password_boss(item: &mut Item<'_>, mut members: Members, paths: &HashMap<String, Place>) -> Kept {
    let folder = item.simple(&mut members, "folder");
    match paths.get(&folder) {
        Some(path) => {
            item.tally.turned_out_resolved();
            item.record.path = path.path();
        }
        // One that is no id is a name.
        None => item.record.path.folders.extend(Some(folder).filter(|name| !name.is_empty())),
    }
    let mut inner = object(&mut members, "identifiers");
    PASSWORD_BOSS.fill(item, &mut members);
    IDENTIFIERS.fill(item, &mut inner);
    for (inside, members) in [("", &mut members), ("identifiers", &mut inner)] {
        let notes = item.simple(members, "notes");
        item.note(&notes.replace("\\r\\n", "\n").replace("\\n", "\n"));
        own_fields(item, inside, members, "custom_fields", &["name", "label"]);
    }
    item.unknown("identifiers", inner);
    item.unknown("", members);
    Kept::Record
}

const PASSPIE: Map = Map {
    name: &["name"],
    login: &["login"],
    password: &["password"],
    note: &["comment"],
    changed: &["modified"],
    ..NOTHING
};

pub(crate) fn read_passpie(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("export it again")?;
    let mut documents = yaml::documents(text.expose())?.into_iter();
    let (mut document, mut members) = Document::of(documents.next().unwrap_or(Value::Null), "Passpie")?;
    for (number, other) in documents.enumerate() {
        document.tally.read(other.leaves());
        document.behind(&other, &format!("/document {}", number + 2), crate::document::NO_RECORD);
    }
    document.resolve(&mut members, &["handler", "version"]);
    document.items(list(&mut members, "credentials"), "/credentials", &Place::default());
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(|item, mut members| {
        let full = item.simple(&mut members, "fullname");
        PASSPIE.fill(item, &mut members);
        if full == format!("{}@{}", item.record.login, item.record.name) {
            item.tally.turned_out_resolved();
        } else {
            item.labelled("fullname", full);
        }
        item.unknown("", members);
        Kept::Record
    })))
}
