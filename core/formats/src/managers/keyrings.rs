//! Keyrings of desktops: GNOME's (seahorse) as JSON or as a plain `.keyring`, and connections of `NetworkManager`.
//!
//! Signatures: an object whose lists hold objects with `display_name` and `secret`; a section `keyring`; a section `connection` with
//! `type` or `uuid`.
//! Mapping: a keyring is a vault; the secret is the password, attributes that name a user or an address fill the record, every other
//! one is a field. A connection is one record: its key or password is the password, an identity or user the login, every other
//! key a field named after its section.
//! Resolved: kinds, ids, how often a keyring locks itself. Told: dates. Not read: a binary `.keyring`, which is encrypted.

use super::ini::{Section, numbered, sections};
use super::item::{Item, OWN, list, object};
use super::items::{Document, Found, Kept};
use crate::columns::kind_of;
use crate::decode::Decode;
use crate::document::NO_RECORD;
use crate::head::{Fit, Head};
use crate::json::{Members, Value, pointer_part};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::{CustomKind, RecordPath};
use std::collections::HashMap;
use std::io::Read;

/// Whether it is GNOME's JSON.
pub(crate) fn fits_gnome(head: &Head<'_>) -> Fit {
    let own = |one: &Value| one.has("display_name") && (one.has("secret") || one.has("attributes"));
    let Some(Value::Object(members)) = head.json() else { return Fit::No };
    members.iter().any(|(_, value)| matches!(value, Value::List(list) if list.iter().any(own))).into()
}

/// Whether it is a plain keyring.
pub(crate) fn fits_keyring(head: &Head<'_>) -> Fit {
    let first = head.text().lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    (first == Some("[keyring]")).into()
}

/// Whether it is a connection of `NetworkManager`.
pub(crate) fn fits_network_manager(head: &Head<'_>) -> Fit {
    let line = |wanted: &str| head.text().lines().any(|line| line.trim_end() == wanted);
    let key = |name: &str| head.text().lines().any(|line| line.starts_with(name));
    (line("[connection]") && key("id=") && (key("type=") || key("uuid="))).into()
}

pub(crate) fn read_gnome(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "GNOME's keyring")?;
    let names: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
    for name in names {
        let items = list(&mut members, &name);
        let path = Place::vault(name.clone());
        let at = format!("/{}", pointer_part(&name));
        if items.is_empty() {
            continue;
        }
        document.items(items, &at, &path);
    }
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(secret)))
}

pub(crate) fn read_keyring(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("it is written in UTF-8")?;
    let mut document = Document::default();
    let mut path = RecordPath::default();
    let mut items: Vec<(String, Found)> = Vec::new();
    let mut attributes: Vec<(String, u64, Members)> = Vec::new();
    for Section { name, line, mut members } in sections(text.expose(), &mut document.tally) {
        let at = format!("line {line}");
        if name == "keyring" {
            let vault = document.name(&mut members, &["display-name"]);
            path.vault = Some(vault).filter(|vault| !vault.is_empty());
            document.resolve(&mut members, &["ctime", "mtime", "lock-on-idle", "lock-after", "lock-timeout"]);
            document.leave_rest(members, &at);
        } else if let Some((of, _)) = name.split_once(':') {
            attributes.push((of.to_owned(), line, members));
        } else {
            let value = Value::Object(members);
            items.push((name, Found { value, at, path: Place::default() }));
        }
    }
    let by_name: HashMap<String, usize> =
        items.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
    let mut lists: Vec<Vec<Value>> = items.iter().map(|_| Vec::new()).collect();
    for (of, line, members) in attributes {
        match by_name.get(&of).and_then(|index| lists.get_mut(*index)) {
            Some(list) => list.push(Value::Object(members)),
            None => document.behind(&Value::Object(members), &format!("line {line}"), NO_RECORD),
        }
    }
    for ((_, found), list) in items.iter_mut().zip(lists) {
        if let Value::Object(members) = &mut found.value
            && !members.iter().any(|(name, _)| name == "attributes")
        {
            members.push(("attributes".to_owned(), Value::List(list)));
        } else if !list.is_empty() {
            document.behind(&Value::List(list), &found.at, NO_RECORD);
        }
    }
    let path = Place::from(path);
    document.found.extend(items.into_iter().map(|(_, found)| Found { path: path.clone(), ..found }));
    Ok(document.entries(Box::new(secret)))
}

fn secret(item: &mut Item<'_>, mut members: Members) -> Kept {
    for name in ["display_name", "display-name"] {
        let text = item.simple(&mut members, name);
        if item.record.name.is_empty() {
            item.record.name = text;
        } else {
            item.labelled(name, text);
        }
    }
    let password = item.simple(&mut members, "secret");
    item.password("Password", password);
    item.created("", &mut members, &["ctime"]);
    item.changed("", &mut members, &["mtime"]);
    item.resolve(&mut members, &["item-type", "item_type"]);
    for (name, value) in object(&mut members, "attributes") {
        let leaves = value.leaves();
        if matches!(value, Value::List(_) | Value::Object(_)) {
            item.unknown("attributes", vec![(name, value)]);
        } else {
            item.tally.carried(leaves);
            attribute(item, &name, value.into_text().unwrap_or_default(), false);
        }
    }
    for (index, value) in list(&mut members, "attributes").into_iter().enumerate() {
        let at = format!("attributes/{index}");
        let Value::Object(mut one) = value else {
            item.behind(&value, &at, "it is no attribute");
            continue;
        };
        item.resolve(&mut one, &["type"]);
        let value = item.simple(&mut one, "value");
        let name = if value.is_empty() { item.mark(&mut one, "name") } else { item.simple(&mut one, "name") };
        attribute(item, &name, value, true);
        item.unknown(&at, one);
    }
    item.leave("", &mut members, &["secret-type"], OWN);
    item.unknown("", members);
    Kept::Record
}

/// An attribute; `named` where its name was counted as a value.
fn attribute(item: &mut Item<'_>, name: &str, value: String, named: bool) {
    if value.is_empty() {
        return;
    }
    let fills = match name {
        "username" | "user" | "username_value" | "account" | "login" => item.record.login.is_empty(),
        "origin_url" | "url" | "uri" | "server" => item.record.url.is_empty(),
        "xdg:schema" => {
            item.tally.turned_out_resolved();
            if named {
                item.tally.turned_out_resolved();
            }
            return;
        }
        _ => false,
    };
    if !fills {
        return item.labelled(name, value);
    }
    if named {
        item.tally.turned_out_resolved();
    }
    if matches!(name, "origin_url" | "url" | "uri" | "server") {
        item.record.url = value;
    } else {
        item.record.login = value;
    }
}

pub(crate) fn read_network_manager(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("it is written in UTF-8")?;
    let mut document = Document::default();
    let mut merged: Vec<(String, Members, HashMap<String, usize>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for Section { name, members, .. } in sections(text.expose(), &mut document.tally) {
        let place = *places.entry(name.clone()).or_insert_with(|| {
            merged.push((name, Members::new(), HashMap::new()));
            merged.len() - 1
        });
        // A section that stands twice goes on.
        if let Some((_, inner, seen)) = merged.get_mut(place) {
            inner.extend(members.into_iter().map(|(key, value)| (numbered(seen, key), value)));
        }
    }
    let members = merged.into_iter().map(|(name, inner, _)| (name, Value::Object(inner))).collect();
    document.found.push(Found {
        value: Value::Object(members),
        at: "line 1".to_owned(),
        path: Place::default(),
    });
    Ok(document.entries(Box::new(connection)))
}

/// Keys that fill the record, by their sections; the first that is there is the one.
const LOGINS: &[(&str, &[&str])] = &[
    ("802-1x", &["identity"]),
    ("vpn", &["username", "user", "user-name", "Xauth username"]),
    ("gsm", &["username"]),
    ("pppoe", &["username"]),
];
const PASSWORDS: &[(&str, &[&str])] = &[
    ("wifi-security", &["psk", "wep-key0", "leap-password"]),
    ("802-11-wireless-security", &["psk", "wep-key0", "leap-password"]),
    ("802-1x", &["password"]),
    ("vpn-secrets", &["password", "IPSec secret"]),
    ("gsm", &["password"]),
    ("pppoe", &["password"]),
    ("wireguard", &["private-key"]),
];

fn connection(item: &mut Item<'_>, mut members: Members) -> Kept {
    let mut connection = object(&mut members, "connection");
    item.record.name = item.simple(&mut connection, "id");
    item.resolve(
        &mut connection,
        &["uuid", "type", "timestamp", "permissions", "autoconnect", "interface-name"],
    );
    item.unknown("connection", connection);
    for (section, keys) in LOGINS {
        let mut inner = object(&mut members, section);
        for key in *keys {
            let text = item.simple(&mut inner, key);
            if item.record.login.is_empty() {
                item.record.login = text;
            } else {
                item.field(format!("{section}.{key}"), CustomKind::Text, text);
            }
        }
        members.push(((*section).to_owned(), Value::Object(inner)));
    }
    for (section, keys) in PASSWORDS {
        let mut inner = object(&mut members, section);
        for key in *keys {
            let text = item.simple(&mut inner, key);
            item.password(&format!("{section}.{key}"), text);
        }
        members.push(((*section).to_owned(), Value::Object(inner)));
    }
    for (section, value) in std::mem::take(&mut members) {
        let Value::Object(inner) = value else {
            item.unknown("", vec![(section, value)]);
            continue;
        };
        for (key, value) in inner {
            item.tally.carried(value.leaves());
            let text = value.into_text().unwrap_or_default();
            let kind = match key.as_str() {
                // How keys are used, and none.
                "key-mgmt" | "auth-alg" | "pairwise" | "group" | "proto" => CustomKind::Text,
                "mka-cak" => CustomKind::Password,
                _ if section.ends_with("-secrets") => CustomKind::Password,
                _ => kind_of(&key),
            };
            item.field(format!("{section}.{key}"), kind, text);
        }
    }
    Kept::Record
}
