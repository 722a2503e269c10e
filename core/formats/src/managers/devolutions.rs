//! Devolutions' JSON: Remote Desktop Manager, Server, Workspace.
//!
//! Signature: `Connections` with `ConnectionType`. Mapping: groups nest by `\`, and an entry of type `Group` is such a folder; an entry's own credentials, or those of its kind
//! (`DataEntry`), fill the record; every other member is a field by its own name. Variables (`$HOST$`) stay as they are.
//! Resolved: ids, kinds. Told: dates. Rejected: entries whose password is encrypted (`SafePassword`).
//! The whole document is kept in memory.

use super::item::{Item, OWN, folders, list, object};
use super::items::{Document, Found, Kept};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let connections = head.json().and_then(|document| document.get("Connections"));
    matches!(connections, Some(Value::List(list)) if list.iter().any(|one| one.has("ConnectionType"))).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Devolutions")?;
    for (index, value) in list(&mut members, "Connections").into_iter().enumerate() {
        let found = Found { value, at: format!("/Connections/{index}"), path: Place::default() };
        if let Some(item) = group(&mut document, found) {
            document.found.push(item);
        }
    }
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(fill)))
}

/// Takes an entry that is a folder; any other comes back.
pub(super) fn group(document: &mut Document, mut found: Found) -> Option<Found> {
    let kind = found.value.get("ConnectionType");
    let is_group = matches!(kind, Some(Value::Text(kind)) if kind.as_str() == "Group");
    if !is_group || found.value.duplicate().is_some() {
        return Some(found);
    }
    let Value::Object(mut members) = std::mem::replace(&mut found.value, Value::Null) else {
        return Some(found);
    };
    // The group of a folder is its own path.
    let mut path = folders(&document.name(&mut members, &["Group"]), '\\');
    let name = document.name(&mut members, &["Name"]);
    if !name.is_empty() && path.folders.last() != Some(&name) {
        path.folders.push(name);
    }
    document.resolve(&mut members, &["ID", "ConnectionType", "ConnectionSubType"]);
    document.leave_rest(members, &found.at);
    document.place(path, found.at);
    None
}

pub(super) fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    if holds(&members, "SafePassword") {
        return Kept::Rejected("its password is encrypted: export with credentials in the clear".to_owned());
    }
    let group = item.simple(&mut members, "Group");
    item.record.path = folders(&group, '\\');
    item.record.name = item.simple(&mut members, "Name");
    item.resolve(&mut members, &["ID", "ConnectionType", "ConnectionSubType", "CredentialConnectionID"]);
    let note = item.simple(&mut members, "Description");
    item.note(&note);
    for name in ["Credentials", "DataEntry"] {
        let mut inner = object(&mut members, name);
        credentials(item, &mut inner);
        item.unknown(name, inner);
    }
    credentials(item, &mut members);
    item.created("", &mut members, &["CreationDateTime", "CreationDate"]);
    item.changed("", &mut members, &["UpdatedDateTime", "LastUpdate"]);
    let tags = item.simple(&mut members, "Keywords");
    tags.split([',', ';', ' ']).for_each(|tag| item.tag(tag));
    item.leave("", &mut members, &["Stamp", "Security", "Events"], OWN);
    item.unknown("", members);
    Kept::Record
}

/// Login, password and address of an object, under the names that the kinds of entries have for them.
fn credentials(item: &mut Item<'_>, members: &mut Members) {
    for name in ["UserName", "Username", "WebUserName"] {
        let login = item.simple(members, name);
        item.login(login);
    }
    for name in ["Password", "WebPassword"] {
        let password = item.simple(members, name);
        item.password(name, password);
    }
    for name in ["Url", "WebBrowserUrl", "Host"] {
        let url = item.simple(members, name);
        item.url(url);
    }
    let domain = item.simple(members, "Domain");
    item.labelled("Domain", domain);
}

/// Whether a member of this name has a value, here or below.
fn holds(members: &Members, wanted: &str) -> bool {
    fn is(name: &str, value: &Value, wanted: &str) -> bool {
        match value {
            Value::Object(inner) => holds(inner, wanted),
            Value::List(list) => list.iter().any(|one| is(name, one, wanted)),
            Value::Text(text) => name == wanted && !text.is_empty(),
            _ => false,
        }
    }
    members.iter().any(|(name, value)| is(name, value, wanted))
}
