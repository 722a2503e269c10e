//! Nextcloud Passwords' JSON, and Passman's.
//!
//! Signature: `passwords` with `customFields`, or with `label` and `revision`; a list of objects with `credential_id`, or
//! with `label` and a list `custom_fields`.
//! Mapping: folders nest by `parent`; own fields by label, hidden where they are secret; tags by name or id.
//! Resolved: ids, revisions. Told: dates, the bin and folders in it (where it is not asked for), rights, files that are elsewhere.
//! Not read: an export that is encrypted. The whole document is kept in memory.

use super::item::{CodeParts, Item, OWN, list, object};
use super::items::{BIN, Document, Found, Kept, nested, not_one};
use crate::document::{NO_RECORD, document, take};
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value};
use crate::jsonl::base64;
use crate::managers::place::Place;
use crate::{Entries, MOST_FOLDERS, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::SecretBytes;
use std::collections::{HashMap, HashSet};
use std::io::Read;

/// The folder that stands for none.
const ROOT: &str = "00000000-0000-0000-0000-000000000000";

/// Whether it is Nextcloud Passwords'.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |one: &Value| {
        matches!(one.get("customFields"), Some(Value::List(_)))
            || (one.has("label") && (one.has("revision") || one.has("folder")))
    };
    let passwords = head.json().and_then(|document| document.get("passwords"));
    matches!(passwords, Some(Value::List(passwords)) if passwords.iter().any(own)).into()
}

/// Whether it is Passman's.
pub(crate) fn fits_passman(head: &Head<'_>) -> Fit {
    let own = |one: &Value| {
        one.has("credential_id")
            || (one.has("label") && matches!(one.get("custom_fields"), Some(Value::List(_))))
    };
    matches!(head.json(), Some(Value::List(list)) if list.iter().any(own)).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Nextcloud Passwords")?;
    let encrypted = take(&mut members, "encrypted");
    if matches!(encrypted, Value::Bool(true)) {
        return Err(Error::new(ErrorKind::Input, "this export of Nextcloud Passwords is encrypted")
            .next_step("export it there without a password, and shred that file afterwards"));
    }
    document.tally.resolved(encrypted.leaves());
    document.resolve(&mut members, &["version"]);
    let mut nodes = Vec::new();
    let mut kept = Vec::new();
    for (number, folder) in list(&mut members, "folders").into_iter().enumerate() {
        let at = format!("/folders/{number}");
        let Value::Object(mut folder) = folder else {
            document.behind(&folder, &at, NO_RECORD);
            continue;
        };
        let name = document.name(&mut folder, &["label", "name"]);
        let id = document.id(&mut folder, &["id"]).unwrap_or_default();
        let parent = document.id(&mut folder, &["parent"]).filter(|parent| parent != ROOT);
        document.resolve(&mut folder, &["revision", "edited", "created", "updated"]);
        let trashed = document.flag(&mut folder, "trashed") == Some(true);
        document.leave_rest(folder, &at);
        nodes.push((id, parent, name));
        kept.push((at, trashed));
    }
    let paths = nested(&nodes);
    let trashed = trashed(&nodes, &kept);
    for ((id, ..), (at, _)) in nodes.iter().zip(kept) {
        if !trashed.contains(id) {
            document.place(paths.get(id).cloned().unwrap_or_default(), at);
        }
    }
    let mut tags = HashMap::new();
    for (number, tag) in list(&mut members, "tags").into_iter().enumerate() {
        let at = format!("/tags/{number}");
        let Value::Object(mut tag) = tag else {
            document.behind(&tag, &at, NO_RECORD);
            continue;
        };
        let label = document.id(&mut tag, &["label"]).unwrap_or_default();
        let id = document.id(&mut tag, &["id"]).unwrap_or_default();
        document.resolve(&mut tag, &["revision", "color", "edited", "created", "updated"]);
        document.leave_rest(tag, &at);
        tags.insert(id, label);
    }
    document.items(list(&mut members, "passwords"), "/passwords", &Place::default());
    document.leave_rest(members, "");
    Ok(document
        .with_bin(options)
        .entries(Box::new(move |item, members| fill(item, members, &paths, &trashed, &tags))))
}

/// The folders that lie in the bin, by themselves or with one that they stand in.
fn trashed(nodes: &[(String, Option<String>, String)], marks: &[(String, bool)]) -> HashSet<String> {
    let marked: HashMap<&str, (Option<&str>, bool)> = nodes
        .iter()
        .zip(marks)
        .map(|((id, parent, _), (_, trashed))| (id.as_str(), (parent.as_deref(), *trashed)))
        .collect();
    let lies_there = |id: &str| {
        let up = std::iter::successors(Some(id), |id| marked.get(id).and_then(|(parent, _)| *parent));
        up.take(MOST_FOLDERS).any(|id| marked.get(id).is_some_and(|(_, trashed)| *trashed))
    };
    nodes.iter().map(|(id, ..)| id).filter(|id| lies_there(id)).cloned().collect()
}

fn fill(
    item: &mut Item<'_>,
    mut members: Members,
    paths: &HashMap<String, Place>,
    trashed: &HashSet<String>,
    tags: &HashMap<String, String>,
) -> Kept {
    let folder = item.mark(&mut members, "folder");
    let is_trashed = item.flag(&mut members, "trashed") == Some(true);
    if item.stays_in_bin(is_trashed || trashed.contains(&folder)) {
        return BIN;
    }
    item.record.name = item.simple(&mut members, "label");
    for (name, what) in [("username", 0), ("password", 1), ("url", 2), ("notes", 3)] {
        let text = item.simple(&mut members, name);
        match what {
            0 => item.login(text),
            1 => item.password("Password", text),
            2 => item.url(text),
            _ => item.note(&text),
        }
    }
    match paths.get(&folder) {
        Some(path) => item.record.path = path.path(),
        None if folder.is_empty() || folder == ROOT => {}
        None => item.remark("the folder of a record is not in the file"),
    }
    item.favorite(&mut members, "favorite");
    item.created("", &mut members, &["created"]);
    item.changed("", &mut members, &["edited", "updated"]);
    for tag in list(&mut members, "tags") {
        let leaves = tag.leaves();
        match tag {
            Value::Text(id) => {
                let known = tags.get(id.as_str());
                if known.is_some() {
                    item.tally.resolved(leaves);
                } else {
                    item.tally.carried(leaves);
                }
                let label = known.cloned().unwrap_or_else(|| id.to_string());
                item.tag(&label);
            }
            other => item.tags(Value::List(vec![other]), &["label"]),
        }
    }
    for field in own_fields(item, &mut members) {
        own_field(item, field, "type", &["secret"]);
    }
    item.resolve(
        &mut members,
        &["id", "revision", "status", "statusCode", "hash", "cseType", "sseType", "client", "hidden"],
    );
    item.leave("", &mut members, &["share", "shared", "editable"], OWN);
    item.unknown("", members);
    Kept::Record
}

/// Own fields, which are a list, or the text of one as the app's API has it.
fn own_fields(item: &mut Item<'_>, members: &mut Members) -> Vec<Value> {
    const NAME: &str = "customFields";
    let text = members.iter_mut().find(|(name, _)| name == NAME);
    if let Some((_, value @ Value::Text(_))) = text
        && let Value::Text(text) = &*value
        && let Ok(Value::List(fields)) = json::parse(text)
        && fields.iter().all(|field| matches!(field, Value::Object(_)) && field.duplicate().is_none())
    {
        // The text is one value, which turns out to hold several.
        let inside: u64 = fields.iter().map(Value::leaves).sum();
        item.tally.resolved(value.leaves());
        item.tally.read(inside);
        *value = Value::Null;
        return fields;
    }
    list(members, NAME)
}

/// A label, a value, and a kind that may hide it.
fn own_field(item: &mut Item<'_>, field: Value, kind: &str, hidden: &[&str]) {
    let Value::Object(mut field) = field else {
        return item.behind(&field, "customFields", "it is no field");
    };
    let file = object(&mut field, "value");
    if !file.is_empty() {
        return own_file(item, field, file, kind);
    }
    let label = item.simple(&mut field, "label");
    let kind = item.mark(&mut field, kind);
    let is_secret = item.flag(&mut field, "secret") == Some(true);
    let value = item.simple(&mut field, "value");
    if is_secret || hidden.contains(&kind.as_str()) {
        item.field(label, CustomKind::Password, value);
    } else if kind == "text" {
        item.field(label, CustomKind::Text, value);
    } else {
        item.labelled(label, value);
    }
    item.unknown("customFields", field);
}

pub(crate) fn read_passman(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let Value::List(list) = document(input)? else { return Err(not_one("Passman")) };
    let mut document = Document::default();
    for (index, value) in list.into_iter().enumerate() {
        document.tally.read(value.leaves());
        document.found.push(Found { value, at: format!("/{index}"), path: Place::default() });
    }
    Ok(document.with_bin(options).entries(Box::new(passman)))
}

fn passman(item: &mut Item<'_>, mut members: Members) -> Kept {
    let deleted = item.mark(&mut members, "delete_time");
    if item.stays_in_bin(!deleted.is_empty() && deleted != "0") {
        return BIN;
    }
    item.record.name = item.simple(&mut members, "label");
    let login = item.simple(&mut members, "username");
    item.login(login);
    let mail = item.simple(&mut members, "email");
    item.mail(mail);
    let password = item.simple(&mut members, "password");
    item.password("Password", password);
    let url = item.simple(&mut members, "url");
    item.url(url);
    let note = item.simple(&mut members, "description");
    item.note(&note);
    item.tags(take(&mut members, "tags"), &["text"]);
    item.created("", &mut members, &["created"]);
    item.changed("", &mut members, &["changed"]);
    let mut code = object(&mut members, "otp");
    let secret = item.simple(&mut code, "secret");
    let (digits, period) = (item.mark(&mut code, "digits"), item.mark(&mut code, "period"));
    let (algorithm, issuer) = (item.mark(&mut code, "algorithm"), item.mark(&mut code, "issuer"));
    let usual = [(&digits, "6"), (&period, "30"), (&algorithm, "SHA1")];
    let is_usual = usual.iter().all(|(found, usual)| found.is_empty() || *found == usual);
    let account = item.record.name.clone();
    let parts = CodeParts {
        issuer: &issuer,
        account: &account,
        secret: &secret,
        algorithm: &algorithm,
        digits: &digits,
        period: &period,
    };
    let address = if is_usual { secret.clone() } else { parts.address() };
    item.code("TOTP", address);
    item.leave("otp", &mut code, &["label", "type", "qr_uri"], OWN);
    item.unknown("otp", code);
    for field in list(&mut members, "custom_fields") {
        own_field(item, field, "field_type", &["password"]);
    }
    for (index, file) in list(&mut members, "files").into_iter().enumerate() {
        let at = format!("files/{index}");
        let Value::Object(file) = file else {
            item.behind(&file, &at, "it is no file");
            continue;
        };
        attachment(item, file, &at);
    }
    item.resolve(&mut members, &["credential_id", "guid", "vault_id", "user_id", "hidden", "compromised"]);
    item.leave(
        "",
        &mut members,
        &["icon", "favicon", "renew_interval", "expire_time", "shared_key", "acl"],
        OWN,
    );
    item.unknown("", members);
    Kept::Record
}

/// A field of Passman's that is a file: an attachment, and the label of its own where that says more than its name.
fn own_file(item: &mut Item<'_>, mut field: Members, file: Members, kind: &str) {
    let name = |members: &Members, name: &str| match members.iter().find(|(member, _)| member == name) {
        Some((_, Value::Text(text))) => text.to_string(),
        _ => String::new(),
    };
    let label = name(&field, "label");
    let repeats = label.is_empty() || label == name(&file, "filename");
    if repeats {
        item.resolve(&mut field, &["label"]);
    } else {
        let label = item.simple(&mut field, "label");
        item.field("File", CustomKind::Text, label);
    }
    item.resolve(&mut field, &[kind, "secret", "clicktoshow"]);
    attachment(item, file, "custom_fields/value");
    item.unknown("custom_fields", field);
}

/// A file whose content is an address `data:…;base64,…`, or base64 alone.
fn attachment(item: &mut Item<'_>, mut file: Members, at: &str) {
    let data = take(&mut file, "file_data");
    let content = match &data {
        Value::Text(text) => text.rsplit(',').next().and_then(base64).filter(|bytes| !bytes.is_empty()),
        _ => None,
    };
    if let Some(content) = content {
        item.tally.carried(data.leaves());
        let name = item.simple(&mut file, "filename");
        item.attach(name, SecretBytes::new(content));
    } else {
        item.behind(&data, &format!("{at}/file_data"), "it is not the content of a file");
        item.leave(at, &mut file, &["filename"], "the file has no content in this export");
    }
    item.leave_rest(at, file);
}
