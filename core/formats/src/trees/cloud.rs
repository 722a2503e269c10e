//! Listings of the secrets managers of Amazon, Google and Microsoft, and of Bitwarden Secrets Manager.
//!
//! Signatures: `SecretValues`, `SecretString`, `Parameters` with `Value`; `payload` beside a `name` of `projects/`; an `id` at
//! `vault.azure.net`; `projects` beside `secrets` with `key`. Mapping: names nest by `/`; a value that is a JSON object
//! is fields by the rule of all trees, any other is the password; labels are tags.
//! Resolved: ids, versions. Told: dates, listings without values.

use super::{fill, path_of};
use crate::document::document;
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value};
use crate::jsonl::base64;
use crate::managers::item::{Item, OWN, list, object};
use crate::managers::items::{Document, Found, Kept, not_one};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::RecordPath;
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::collections::HashMap;
use std::io::Read;

/// A document's objects: those of a list in it, of a list that it is, or itself.
fn any(head: &Head<'_>, lists: &[&str], own: impl Fn(&Value) -> bool) -> Fit {
    let Some(document) = head.json() else { return Fit::No };
    let inner = lists
        .iter()
        .any(|name| matches!(document.get(name), Some(Value::List(list)) if list.iter().any(&own)));
    let is_list = matches!(document, Value::List(list) if list.iter().any(&own));
    (inner || is_list || own(document)).into()
}

/// Amazon's: Secrets Manager's batches and single answers, parameters of Systems Manager.
pub(crate) fn fits_aws(head: &Head<'_>) -> Fit {
    any(head, &["SecretValues", "Parameters", "SecretList"], |one| {
        one.has("SecretString")
            || one.has("SecretBinary")
            || (one.has("ARN") && one.has("Name"))
            || (one.has("Name") && one.has("Value") && one.has("Type"))
    })
}

/// Google's: `gcloud secrets versions access --format=json`.
pub(crate) fn fits_gcp(head: &Head<'_>) -> Fit {
    any(head, &[], |one| {
        matches!(one.get("payload"), Some(Value::Object(_)))
            && matches!(one.get("name"), Some(Value::Text(name)) if name.starts_with("projects/"))
    })
}

/// Microsoft's: `az keyvault secret show` and `list`.
pub(crate) fn fits_azure(head: &Head<'_>) -> Fit {
    any(
        head,
        &["value"],
        |one| matches!(one.get("id"), Some(Value::Text(id)) if id.contains(".vault.azure.net/secrets/")),
    )
}

/// Bitwarden Secrets Manager's.
pub(crate) fn fits_bitwarden(head: &Head<'_>) -> Fit {
    let Some(document) = head.json() else { return Fit::No };
    let own = |one: &Value| one.has("key") && (one.has("projectIds") || one.has("value"));
    (matches!(document.get("projects"), Some(Value::List(_)))
        && matches!(document.get("secrets"), Some(Value::List(list)) if list.is_empty() || list.iter().any(own)))
    .into()
}

/// Every object of a document that may have them in a list of one of these names.
fn objects(input: Box<dyn Read + Send>, lists: &[&str], whose: &str) -> Result<Document> {
    let mut found = Document::default();
    let values = match document(input)? {
        Value::List(values) => {
            values.into_iter().enumerate().map(|(n, value)| (format!("/{n}"), value)).collect()
        }
        Value::Object(mut members) => {
            match lists.iter().find(|name| {
                members.iter().any(|(member, value)| member == *name && matches!(value, Value::List(_)))
            }) {
                Some(name) => {
                    let values = list(&mut members, name);
                    found.tally.read(json::leaves(&members));
                    found.resolve(&mut members, &["NextToken", "nextLink"]);
                    found.leave_rest(members, "");
                    values.into_iter().enumerate().map(|(n, value)| (format!("/{name}/{n}"), value)).collect()
                }
                None => vec![(String::new(), Value::Object(members))],
            }
        }
        _ => return Err(not_one(whose)),
    };
    for (at, value) in values {
        found.tally.read(value.leaves());
        found.found.push(Found { value, at, path: Place::default() });
    }
    Ok(found)
}

/// The value of a secret: fields where it is a JSON object, otherwise the password.
fn value(item: &mut Item<'_>, text: String) {
    match json::parse(&text) {
        // Counted as the one text that it stands in.
        Ok(Value::Object(members)) if !members.is_empty() && json::duplicate(&members).is_none() => {
            let mark = item.tally.mark();
            fill(item, members);
            item.tally.back_to(mark);
        }
        _ => item.record.password = Some(SecretString::new(text)),
    }
}

/// Bytes as text where they are, as an attachment where not.
fn bytes(item: &mut Item<'_>, bytes: Vec<u8>, name: &str) {
    let bytes = SecretBytes::new(bytes);
    match std::str::from_utf8(bytes.expose()) {
        Ok(text) => value(item, text.to_owned()),
        Err(_) => item.attach(name.to_owned(), bytes),
    }
}

const NO_VALUE: &str = "it has no value: this listing names secrets only";

pub(crate) fn read_aws(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let found = objects(input, &["SecretValues", "Parameters", "SecretList"], "AWS Secrets Manager")?;
    Ok(found.entries(Box::new(aws)))
}

fn aws(item: &mut Item<'_>, mut members: Members) -> Kept {
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    if !["SecretString", "SecretBinary", "Value"].into_iter().any(has) {
        return Kept::Rejected(NO_VALUE.to_owned());
    }
    let name = item.simple(&mut members, "Name");
    (item.record.path, item.record.name) = path_of(&name);
    for member in ["SecretString", "Value"] {
        let text = item.simple(&mut members, member);
        if !text.is_empty() {
            value(item, text);
        }
    }
    let binary = item.simple(&mut members, "SecretBinary");
    if !binary.is_empty() {
        let Some(content) = base64(&binary) else {
            return Kept::Rejected("SecretBinary is not base64".to_owned());
        };
        bytes(item, content, "SecretBinary");
    }
    item.created("", &mut members, &["CreatedDate"]);
    item.changed("", &mut members, &["LastModifiedDate"]);
    for tag in list(&mut members, "Tags") {
        let Value::Object(mut tag) = tag else {
            item.behind(&tag, "Tags", "it is no tag");
            continue;
        };
        let (key, text) = (item.simple(&mut tag, "Key"), item.simple(&mut tag, "Value"));
        item.tag(&if text.is_empty() { key } else { format!("{key}:{text}") });
        item.unknown("Tags", tag);
    }
    let note = item.simple(&mut members, "Description");
    item.note(&note);
    item.resolve(&mut members, &["ARN", "VersionId", "Type", "Version", "DataType", "Tier"]);
    item.leave("", &mut members, &["VersionStages"], OWN);
    item.unknown("", members);
    Kept::Record
}

pub(crate) fn read_gcp(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    Ok(objects(input, &["secrets"], "Google Secret Manager")?.entries(Box::new(gcp)))
}

fn gcp(item: &mut Item<'_>, mut members: Members) -> Kept {
    let name = item.simple(&mut members, "name");
    // projects/PROJECT/secrets/NAME/versions/NUMBER
    let mut parts = name.split('/');
    let project = parts.nth(1).unwrap_or_default().to_owned();
    parts.nth(1).unwrap_or_default().clone_into(&mut item.record.name);
    item.record.path.folders.extend(Some(project).filter(|project| !project.is_empty()));
    let mut payload = object(&mut members, "payload");
    let data = item.simple(&mut payload, "data");
    if data.is_empty() {
        return Kept::Rejected(NO_VALUE.to_owned());
    }
    // Some tools write the alphabet of addresses.
    let Some(content) = base64(&data.replace('-', "+").replace('_', "/")) else {
        return Kept::Rejected("its data is not base64".to_owned());
    };
    bytes(item, content, "data");
    item.resolve(&mut payload, &["dataCrc32c"]);
    item.unknown("payload", payload);
    for (key, text) in object(&mut members, "labels") {
        let text = item.joined(text, " ");
        item.tag(&if text.is_empty() { key } else { format!("{key}:{text}") });
    }
    item.created("", &mut members, &["createTime"]);
    item.resolve(&mut members, &["etag", "state"]);
    item.unknown("", members);
    Kept::Record
}

pub(crate) fn read_azure(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    Ok(objects(input, &["value"], "Azure Key Vault")?.entries(Box::new(azure)))
}

fn azure(item: &mut Item<'_>, mut members: Members) -> Kept {
    let id = item.simple(&mut members, "id");
    let rest = id.split_once("://").map_or("", |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let name = path.strip_prefix("secrets/").and_then(|path| path.split('/').next()).unwrap_or_default();
    name.clone_into(&mut item.record.name);
    item.record.path.vault = host.split('.').next().filter(|vault| !vault.is_empty()).map(str::to_owned);
    let text = item.simple(&mut members, "value");
    if text.is_empty() {
        return Kept::Rejected(NO_VALUE.to_owned());
    }
    value(item, text);
    for (key, text) in object(&mut members, "tags") {
        let text = item.joined(text, " ");
        item.tag(&if text.is_empty() { key } else { format!("{key}:{text}") });
    }
    let kind = item.simple(&mut members, "contentType");
    item.labelled("contentType", kind);
    let mut attributes = object(&mut members, "attributes");
    item.created("attributes", &mut attributes, &["created"]);
    item.changed("attributes", &mut attributes, &["updated"]);
    let expires = item.simple(&mut attributes, "expires");
    // Seconds in what its API answers, a date in what its command line prints.
    let expires = expires.parse().map_or(expires, crate::date::day);
    item.labelled("Expiry", expires);
    item.leave_rest("attributes", attributes);
    item.resolve(&mut members, &["name", "kid", "managed"]);
    item.unknown("", members);
    Kept::Record
}

pub(crate) fn read_bitwarden(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Bitwarden Secrets Manager")?;
    let mut projects = HashMap::new();
    for (number, project) in list(&mut members, "projects").into_iter().enumerate() {
        let at = format!("/projects/{number}");
        let Value::Object(mut project) = project else {
            document.behind(&project, &at, crate::document::NO_RECORD);
            continue;
        };
        let name = document.name(&mut project, &["name"]);
        let path = RecordPath { vault: None, folders: vec![name] };
        document.place(path.clone(), &at);
        projects.insert(document.id(&mut project, &["id"]).unwrap_or_default(), path);
        document.leave_rest(project, &at);
    }
    document.items(list(&mut members, "secrets"), "/secrets", &Place::default());
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(move |item, mut members| {
        item.record.name = item.simple(&mut members, "key");
        let text = item.simple(&mut members, "value");
        item.password("value", text);
        let note = item.simple(&mut members, "note");
        item.note(&note);
        for (index, id) in list(&mut members, "projectIds").into_iter().enumerate() {
            let path = match &id {
                Value::Text(id) => projects.get(id.as_str()).cloned(),
                _ => None,
            };
            match path {
                Some(path) => {
                    item.tally.resolved(id.leaves());
                    item.place(path);
                }
                None => item.behind(&id, &format!("projectIds/{index}"), "it names no project of the file"),
            }
        }
        item.resolve(&mut members, &["id"]);
        item.unknown("", members);
        Kept::Record
    })))
}
