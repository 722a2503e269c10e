//! Answers of HashiCorp Vault and OpenBao as JSON: `vault kv get -format=json`.
//!
//! Signature: `request_id` or `lease_id` beside `data`. Mapping: the record has the file's name, since an answer does not say
//! its own path; `custom_metadata` are tags `key:value`; the rest by the rule of all trees.
//! Resolved: ids, leases, versions. Told: dates, versions that were deleted, lists of names, which have no values.

use super::{fill, stem};
use crate::document::{document, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN, object};
use crate::managers::items::{Document, Found, Kept};
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::RecordPath;
use std::io::Read;

/// Whether it is such an answer, or a list of them.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |one: &Value| one.has("data") && (one.has("lease_id") || one.has("lease_duration"));
    match head.json() {
        Some(Value::List(list)) => list.iter().any(own).into(),
        Some(document) => own(document).into(),
        None => Fit::No,
    }
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let value = document(input)?;
    let mut found = Document::default();
    let (list, is_one) = match value {
        Value::List(list) => (list, false),
        one => (vec![one], true),
    };
    for (number, value) in list.into_iter().enumerate() {
        let at = if is_one { String::new() } else { format!("/{number}") };
        found.tally.read(value.leaves());
        if let Some(data) = value.get("data")
            && (data.has("keys") && matches!(data.get("keys"), Some(Value::List(_))))
            && !data.has("data")
        {
            return Err(Error::new(ErrorKind::Input, "this is a list of names, which has no values")
                .next_step("take each with vault kv get -format=json, or a dump of the tree"));
        }
        found.found.push(Found { value, at, path: RecordPath::default() });
    }
    let name = stem(options.name.as_deref());
    Ok(found.entries(Box::new(move |item, members| answer(item, members, &name))))
}

fn answer(item: &mut Item<'_>, mut members: Members, name: &str) -> Kept {
    item.resolve(
        &mut members,
        &["request_id", "lease_id", "lease_duration", "renewable", "mount_type", "wrap_info"],
    );
    item.leave("", &mut members, &["warnings", "auth", "metadata"], OWN);
    let mut data = object(&mut members, "data");
    let is_versioned = data.iter().any(|(name, value)| name == "metadata" && value.has("version"));
    if is_versioned {
        let mut metadata = object(&mut data, "metadata");
        let destroyed = item.flag(&mut metadata, "destroyed") == Some(true);
        let deleted = item.mark(&mut metadata, "deletion_time");
        if destroyed || !deleted.is_empty() {
            return Kept::LeftOut("a version that was deleted has no values");
        }
        item.created("data/metadata", &mut metadata, &["created_time"]);
        item.resolve(&mut metadata, &["version"]);
        if let Value::Object(own) = take(&mut metadata, "custom_metadata") {
            for (key, value) in own {
                let text = item.joined(value, " ");
                item.tag(&format!("{key}:{text}"));
            }
        }
        item.leave_rest("data/metadata", metadata);
        let values = object(&mut data, "data");
        fill(item, values);
        item.unknown("data", data);
    } else {
        fill(item, data);
    }
    name.clone_into(&mut item.record.name);
    item.unknown("", members);
    Kept::Record
}
