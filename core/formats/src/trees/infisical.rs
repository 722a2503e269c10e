//! Exports of Infisical and Doppler.
//!
//! Signatures: objects with `secretKey` and `secretValue`, or a list of objects with `key`, `value` and `secretPath` or `type`;
//! `DOPPLER_PROJECT` and `DOPPLER_CONFIG` among the names. Mapping: of Infisical each secret is a record in its path, the
//! value its password; of Doppler all variables are one record, hidden fields, in project and config.
//! Resolved: ids, versions. Told: dates.

use crate::document::{document, take};
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value};
use crate::managers::item::{Item, OWN, folders, list};
use crate::managers::items::{Document, Found, Kept, not_one};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::{Custom, CustomKind};
use keyferry_crypto::secret::SecretString;
use std::io::Read;

/// Whether it is Infisical's.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |one: &Value| {
        one.has("secretKey")
            || (one.has("key") && one.has("value") && (one.has("secretPath") || one.has("type")))
    };
    match head.json() {
        Some(Value::List(list)) => list.iter().any(own).into(),
        Some(document) => {
            matches!(document.get("secrets"), Some(Value::List(list)) if list.iter().any(|one| one.has("secretKey"))).into()
        }
        None => Fit::No,
    }
}

/// Whether it is Doppler's.
pub(crate) fn fits_doppler(head: &Head<'_>) -> Fit {
    head.json()
        .is_some_and(|document| document.has("DOPPLER_PROJECT") && document.has("DOPPLER_CONFIG"))
        .into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let mut found = Document::default();
    let (secrets, at) = match document(input)? {
        Value::List(list) => (list, ""),
        Value::Object(mut members) => {
            let secrets = list(&mut members, "secrets");
            found.tally.read(json::leaves(&members));
            found.leave_rest(members, "");
            (secrets, "/secrets")
        }
        _ => return Err(not_one("Infisical")),
    };
    for (number, value) in secrets.into_iter().enumerate() {
        found.tally.read(value.leaves());
        found.found.push(Found { value, at: format!("{at}/{number}"), path: Place::default() });
    }
    Ok(found.entries(Box::new(infisical)))
}

fn infisical(item: &mut Item<'_>, mut members: Members) -> Kept {
    for name in ["secretKey", "key"] {
        if item.record.name.is_empty() {
            item.record.name = item.simple(&mut members, name);
        }
    }
    for name in ["secretValue", "value"] {
        let text = item.simple(&mut members, name);
        item.password(name, text);
    }
    for name in ["secretComment", "comment"] {
        let text = item.simple(&mut members, name);
        item.note(&text);
    }
    for name in ["secretPath", "path"] {
        let text = item.simple(&mut members, name);
        item.record.path.folders.extend(folders(&text, '/').folders);
    }
    item.tags(take(&mut members, "tags"), &["name", "slug"]);
    item.created("", &mut members, &["createdAt"]);
    item.changed("", &mut members, &["updatedAt"]);
    item.resolve(
        &mut members,
        &["id", "_id", "type", "version", "workspace", "environment", "secretValueHidden"],
    );
    item.leave("", &mut members, &["skipMultilineEncoding", "metadata", "secretMetadata"], OWN);
    item.unknown("", members);
    Kept::Record
}

pub(crate) fn read_doppler(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let value = document(input)?;
    let mut found = Document::default();
    found.tally.read(value.leaves());
    found.found.push(Found { value, at: String::new(), path: Place::default() });
    Ok(found.entries(Box::new(doppler)))
}

fn doppler(item: &mut Item<'_>, members: Members) -> Kept {
    for (name, value) in members {
        let text = match value {
            Value::Object(mut members) => {
                let computed = item.simple(&mut members, "computed");
                let raw = item.mark(&mut members, "raw");
                let note = item.simple(&mut members, "note");
                if !note.is_empty() {
                    item.note(&format!("{name}: {note}"));
                }
                item.leave(
                    &json::pointer_part(&name),
                    &mut members,
                    &["computedVisibility", "rawVisibility", "computedValueType", "rawValueType"],
                    OWN,
                );
                item.unknown(&name, members);
                if computed.is_empty() { raw } else { computed }
            }
            Value::List(_) => {
                item.tally.carried(value.leaves());
                json::text(&value).expose().to_owned()
            }
            plain => {
                item.tally.carried(plain.leaves());
                plain.into_text().unwrap_or_default()
            }
        };
        match name.as_str() {
            "DOPPLER_PROJECT" => item.record.path.folders.insert(0, text),
            "DOPPLER_CONFIG" => item.record.name = text,
            "DOPPLER_ENVIRONMENT" => item.tag(&text),
            _ => {
                let value = SecretString::new(text);
                item.record.customs.push(Custom { name, kind: CustomKind::Password, value });
            }
        }
    }
    Kept::Record
}
