//! Trees of keys and values as dumps of HashiCorp Vault and OpenBao have them, in JSON and YAML.
//!
//! Signature: none; they are named with `--format kv-json` or `kv-yaml`. Mapping: the rule of all trees.
//! The whole document is kept in memory.

use super::{fill, holds_values, is_plain, stem};
use crate::decode::Decode;
use crate::document::{NO_RECORD, document};
use crate::json::{Members, Value, pointer_part};
use crate::managers::items::{Document, Found, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions, yaml};
use keyferry_crypto::error::Result;
use std::collections::HashMap;
use std::io::Read;

pub(crate) fn read_json(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let value = document(input)?;
    Ok(tree(Document::default(), vec![value], options))
}

pub(crate) fn read_yaml(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    Ok(tree(Document::default(), yaml_of(input)?, options))
}

/// The documents of a YAML file.
pub(super) fn yaml_of(input: Box<dyn Read + Send>) -> Result<Vec<Value>> {
    let text = Decode::unicode(input)?.text("write it in UTF-8; YAML has no other encoding")?;
    yaml::documents(text.expose())
}

/// The records of trees, in a document of which something may be said already.
pub(super) fn tree(mut document: Document, values: Vec<Value>, options: &ReadOptions) -> Entries {
    let mut names = HashMap::new();
    for (number, value) in values.into_iter().enumerate() {
        document.tally.read(value.leaves());
        let at = if number == 0 { String::new() } else { format!("/{number}") };
        let root = stem(options.name.as_deref());
        match value {
            Value::Object(members) => {
                walk(&mut document, &mut names, members, &at, &Place::default(), root, true);
            }
            other => document.behind(&other, &at, NO_RECORD),
        }
    }
    document.entries(Box::new(move |item, members| {
        item.record.name = names.remove(item.at).unwrap_or_default();
        fill(item, members);
        Kept::Record
    }))
}

/// A map: its own values are a record, maps that hold values are below it. Only what is below the top is in a folder.
fn walk(
    document: &mut Document,
    names: &mut HashMap<String, String>,
    members: Members,
    at: &str,
    path: &Place,
    name: String,
    is_top: bool,
) {
    if path.is_too_deep() {
        return document.behind(&Value::Object(members), at, "it is nested too deep");
    }
    let has_values = members.iter().any(|(_, value)| is_plain(value));
    let (below, own): (Members, Members) = members.into_iter().partition(|(_, value)| holds_values(value));
    if has_values || !own.is_empty() {
        names.insert(at.to_owned(), name.clone());
        document.found.push(Found { value: Value::Object(own), at: at.to_owned(), path: path.clone() });
    } else if below.is_empty() {
        document.place(path.child(name.clone()), at);
    }
    let inside = if is_top { path.clone() } else { path.child(name) };
    for (name, value) in below {
        let at = format!("{at}/{}", pointer_part(&name));
        if let Value::Object(members) = value {
            walk(document, names, members, &at, &inside, name, false);
        }
    }
}
