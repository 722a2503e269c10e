//! Secrets of Kubernetes, in YAML or JSON: manifests, several in one file, and lists.
//!
//! Signature: `apiVersion` and `kind`. Mapping: the namespace is the folder, the name the record's; `stringData` stands above
//! `data`, whose base64 is decoded; a value that is no text is an attachment. `username`, `password` and their like fill
//! the record as in all trees.
//! Resolved: kinds, versions, types. Told: whatever is no secret, sealed secrets, annotations and labels.

use super::{fill, kv};
use crate::document::{document, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::item::{Item, OWN, list, object};
use crate::managers::items::{Document, Found, Kept};
use crate::managers::place::Place;
use crate::tally::Tally;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::Record;
use keyferry_crypto::secret::SecretBytes;
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is a manifest.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    if let Some(document) = head.json() {
        return (document.has("apiVersion") && document.has("kind")).into();
    }
    let has = |key: &str| head.text().lines().any(|line| line.starts_with(key));
    (has("apiVersion:") && has("kind:")).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let mut start = Vec::new();
    let mut input = input;
    input.by_ref().take(1 << 10).read_to_end(&mut start).map_err(keyferry_crypto::Error::stream)?;
    let is_json = Head::of(&start, "").looks_like_json();
    let input = Box::new(std::io::Cursor::new(Zeroizing::new(start)).chain(input));
    let values = if is_json { vec![document(input)?] } else { kv::yaml_of(input)? };
    let mut found = Document::default();
    let is_one = values.len() == 1;
    for (number, value) in values.into_iter().enumerate() {
        found.tally.read(value.leaves());
        let at = if is_one { String::new() } else { format!("/{number}") };
        object_of(&mut found, value, &at);
    }
    Ok(found.entries(Box::new(secret)))
}

/// A manifest, or the list of several.
fn object_of(document: &mut Document, value: Value, at: &str) {
    let Value::Object(mut members) = value else {
        return document.behind(&value, at, "it is no manifest");
    };
    let kind = match members.iter().find(|(name, _)| name == "kind") {
        Some((_, Value::Text(kind))) => kind.to_string(),
        _ => String::new(),
    };
    if kind.ends_with("List")
        && members.iter().any(|(name, value)| name == "items" && matches!(value, Value::List(_)))
    {
        for (index, one) in list(&mut members, "items").into_iter().enumerate() {
            object_of(document, one, &format!("{at}/items/{index}"));
        }
        document.resolve(&mut members, &["apiVersion", "kind"]);
        let metadata = take(&mut members, "metadata");
        document.behind(&metadata, &format!("{at}/metadata"), OWN);
        return document.leave_rest(members, at);
    }
    if kind == "Secret" {
        let (value, path) = (Value::Object(members), Place::default());
        document.found.push(Found { value, at: at.to_owned(), path });
        return;
    }
    let leaves = crate::json::leaves(&members);
    let why = match kind.as_str() {
        "SealedSecret" => "a SealedSecret is encrypted for its cluster, and stays behind",
        "ExternalSecret" => "an ExternalSecret only names a secret, and stays behind",
        "ConfigMap" => "a ConfigMap is no secret, and stays behind",
        _ => "an object of another kind than Secret stays behind",
    };
    document.tally.tell(why, at, leaves);
}

/// The record that a manifest is read as.
pub(super) fn of_manifest(members: Members) -> Record {
    let mut tally = Tally::default();
    let mut item = Item::new("", &mut tally);
    secret(&mut item, members);
    item.record
}

fn secret(item: &mut Item<'_>, mut members: Members) -> Kept {
    item.resolve(&mut members, &["apiVersion", "kind", "type", "immutable"]);
    let mut metadata = object(&mut members, "metadata");
    item.record.name = item.simple(&mut metadata, "name");
    let namespace = item.simple(&mut metadata, "namespace");
    item.record.path.folders.extend(Some(namespace).filter(|namespace| !namespace.is_empty()));
    item.created("metadata", &mut metadata, &["creationTimestamp"]);
    item.leave_rest("metadata", metadata);
    let texts = object(&mut members, "stringData");
    let mut values = Members::new();
    for (name, value) in object(&mut members, "data") {
        let leaves = value.leaves();
        if texts.iter().any(|(other, _)| *other == name) {
            // What the cluster would do as well.
            item.behind(
                &value,
                &format!("data/{}", crate::json::pointer_part(&name)),
                "stringData has another value for it",
            );
            continue;
        }
        let bytes = match &value {
            Value::Text(text) => base64(text),
            Value::Null => Some(Vec::new()),
            _ => None,
        };
        let Some(bytes) = bytes else {
            return Kept::Rejected(format!("the value of data/{name} is not base64"));
        };
        if let Some(text) = SecretBytes::new(bytes).into_text() {
            values.push((name, Value::Text(Zeroizing::new(text.expose().to_owned()))));
        } else {
            item.tally.carried(leaves);
            let bytes = match &value {
                Value::Text(text) => base64(text).unwrap_or_default(),
                _ => Vec::new(),
            };
            item.attach(name, SecretBytes::new(bytes));
        }
    }
    let mut all = texts;
    all.extend(values);
    fill(item, all);
    item.unknown("", members);
    Kept::Record
}
