//! Aegis' backup, in the clear.
//!
//! Signature: `header` and `db`. Groups are tags. Resolved: ids, kinds, versions. Told: icons.
//! Not read: a backup that is encrypted.

use super::{Code, encrypted};
use crate::document::NO_RECORD;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN, list, object};
use crate::managers::items::{Document, Kept};
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::RecordPath;
use std::collections::HashMap;
use std::io::Read;

/// Whether it is such a backup.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own =
        |document: &Value| matches!(document.get("header"), Some(Value::Object(_))) && document.has("db");
    head.json().is_some_and(own).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Aegis")?;
    if members.iter().any(|(name, value)| name == "db" && matches!(value, Value::Text(_))) {
        return Err(encrypted("Aegis"));
    }
    document.resolve(&mut members, &["version"]);
    let mut header = object(&mut members, "header");
    document.resolve(&mut header, &["slots", "params"]);
    document.leave_rest(header, "/header");
    let mut db = object(&mut members, "db");
    document.resolve(&mut db, &["version", "icons_optimized"]);
    let mut groups = HashMap::new();
    for (number, group) in list(&mut db, "groups").into_iter().enumerate() {
        let Value::Object(mut group) = group else {
            document.behind(&group, &format!("/db/groups/{number}"), NO_RECORD);
            continue;
        };
        let id = document.id(&mut group, &["uuid"]).unwrap_or_default();
        groups.insert(id, document.id(&mut group, &["name"]).unwrap_or_default());
        document.leave_rest(group, &format!("/db/groups/{number}"));
    }
    document.items(list(&mut db, "entries"), "/db/entries", &RecordPath::default());
    document.leave_rest(db, "/db");
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &groups))))
}

fn fill(item: &mut Item<'_>, mut members: Members, groups: &HashMap<String, String>) -> Kept {
    let mut info = object(&mut members, "info");
    let code = Code {
        issuer: item.simple(&mut members, "issuer"),
        account: item.simple(&mut members, "name"),
        secret: item.simple(&mut info, "secret"),
        algorithm: item.mark(&mut info, "algo"),
        digits: item.mark(&mut info, "digits"),
        period: item.mark(&mut info, "period"),
        counter: item.mark(&mut info, "counter"),
        kind: item.mark(&mut members, "type"),
    };
    code.fill(item);
    let note = item.simple(&mut members, "note");
    item.note(&note);
    item.favorite(&mut members, "favorite");
    for (index, group) in list(&mut members, "groups").into_iter().enumerate() {
        let leaves = group.leaves();
        let name = match &group {
            Value::Text(id) => groups.get(id.as_str()),
            _ => None,
        };
        match name {
            Some(name) => {
                item.tally.resolved(leaves);
                item.tag(name);
            }
            None => item.behind(&group, &format!("groups/{index}"), "it names no group of the file"),
        }
    }
    // Backups of version 1.
    let group = item.simple(&mut members, "group");
    item.tag(&group);
    item.resolve(&mut members, &["uuid"]);
    item.leave("", &mut members, &["icon", "icon_mime", "icon_hash"], OWN);
    item.unknown("info", info);
    item.unknown("", members);
    Kept::Record
}
