//! Keeper's JSON export, and what the command line of its Secrets Manager prints (`ksm secret get --json`).
//!
//! Signature: `shared_folders`; or `records` with `$type`, an object `custom_fields` or `login_url`; of Secrets Manager `fields`
//! whose values are lists, beside `uid`.
//! Mapping: a record's place is its shared folder, then the folder in it; `\` nests, and is itself where it stands twice.
//! Own fields are named `$type:label:number`; hosts, cards, keys, names and addresses come member by member.
//! Resolved: ids, kinds. Told: rights of folders, dates, references to other records, attachments (they are not in the file).
//! The whole document is kept in memory.

use super::item::{Item, OWN, list, object, seconds};
use super::items::{Document, Found, Kept};
use crate::document::{NO_RECORD, document as json_of};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::tally::Tally;
use crate::{Entries, ReadOptions, date};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::{CustomKind, Record, RecordPath};
use std::collections::HashMap;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let Some(document) = head.json() else { return Fit::No };
    let own = |record: &Value| {
        record.has("$type")
            || matches!(record.get("custom_fields"), Some(Value::Object(_)))
            || record.has("login_url")
    };
    let records = match document.get("records") {
        Some(Value::List(records)) => records.iter().any(own),
        _ => false,
    };
    (records || matches!(document.get("shared_folders"), Some(Value::List(_)))).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Keeper")?;
    for (number, folder) in list(&mut members, "shared_folders").into_iter().enumerate() {
        let at = format!("/shared_folders/{number}");
        let Value::Object(mut folder) = folder else {
            document.behind(&folder, &at, NO_RECORD);
            continue;
        };
        let path = document.name(&mut folder, &["path"]);
        document.place(folders(&path), &at);
        document.resolve(&mut folder, &["uid"]);
        for (name, value) in folder {
            let why = "rights of shared folders do not move";
            document.behind(&value, &format!("{at}/{}", crate::json::pointer_part(&name)), why);
        }
    }
    let records = list(&mut members, "records");
    let name = |record: &Value| match (record.get("uid"), record.get("title")) {
        (Some(Value::Text(id)), Some(Value::Text(title))) => Some((id.to_string(), title.to_string())),
        (Some(Value::Number(id)), Some(Value::Text(title))) => Some((id.clone(), title.to_string())),
        _ => None,
    };
    let names: HashMap<String, String> = records.iter().filter_map(name).collect();
    document.items(records, "/records", &Place::default());
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &names))))
}

/// Whether it is what Secrets Manager prints: a record, or a list of some.
pub(crate) fn fits_secrets_manager(head: &Head<'_>) -> Fit {
    let field = |field: &Value| field.has("type") && matches!(field.get("value"), Some(Value::List(_)));
    let own = |record: &Value| {
        record.has("uid")
            && matches!(record.get("fields"), Some(Value::List(fields)) if fields.iter().any(field))
    };
    match head.json() {
        Some(Value::List(records)) => records.iter().any(own).into(),
        Some(record) => own(record).into(),
        None => Fit::No,
    }
}

pub(crate) fn read_secrets_manager(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let mut document = Document::default();
    let records = match json_of(input)? {
        Value::List(records) => records,
        record => vec![record],
    };
    let one = records.len() == 1;
    for (number, value) in records.into_iter().enumerate() {
        document.tally.read(value.leaves());
        let at = if one { String::new() } else { format!("/{number}") };
        document.found.push(Found { value, at, path: Place::default() });
    }
    Ok(document.entries(Box::new(secret)))
}

/// A record of Secrets Manager: fields of a type, each with a list of values.
fn secret(item: &mut Item<'_>, mut members: Members) -> Kept {
    item.resolve(&mut members, &["uid", "type", "record_type", "folder_uid", "revision", "is_editable"]);
    item.record.name = item.simple(&mut members, "title");
    let note = item.simple(&mut members, "notes");
    item.note(&note);
    for list_name in ["fields", "custom", "custom_fields"] {
        for (index, field) in list(&mut members, list_name).into_iter().enumerate() {
            secret_field(item, field, &format!("{list_name}/{index}"));
        }
    }
    for (index, file) in list(&mut members, "files").into_iter().enumerate() {
        item.behind(&file, &format!("files/{index}"), crate::zip::NO_BYTES);
    }
    item.unknown("", members);
    Kept::Record
}

fn secret_field(item: &mut Item<'_>, field: Value, at: &str) {
    let Value::Object(mut field) = field else { return item.behind(&field, at, "it is no field") };
    let kind = item.mark(&mut field, "type");
    item.resolve(&mut field, &["required", "privacyScreen", "enforceGeneration", "complexity"]);
    let values = list(&mut field, "value");
    // A field without a value makes none, and its label goes with it.
    let has_values = values.iter().any(|value| value.leaves() > 0);
    let label = if has_values { item.simple(&mut field, "label") } else { item.mark(&mut field, "label") };
    for value in values.into_iter().filter(|value| value.leaves() > 0) {
        match (kind.as_str(), value) {
            ("login", value) => {
                let text = item.joined(value, " ");
                item.login(text);
            }
            ("password", value) => {
                let text = item.joined(value, "\n");
                item.password(if label.is_empty() { "Password" } else { &label }, text);
            }
            ("url", value) => {
                let text = item.joined(value, " ");
                item.url(text);
            }
            (kind, value) => typed_field(item, kind, &label, value),
        }
    }
    item.unknown(at, field);
}

/// The record that these members are read as.
pub(super) fn of_record(members: Members) -> Record {
    let mut tally = Tally::default();
    let mut item = Item::new("", &mut tally);
    fill(&mut item, members, &HashMap::new());
    item.record
}

/// Names that nest by `\`; two of them are one within a name.
pub(super) fn folders(text: &str) -> RecordPath {
    let (mut names, mut chars) = (vec![String::new()], text.chars().peekable());
    while let Some(c) = chars.next() {
        let doubled = c == '\\' && chars.next_if_eq(&'\\').is_some();
        if c == '\\' && !doubled {
            names.push(String::new());
        } else if let Some(name) = names.last_mut() {
            name.push(c);
        }
    }
    names.retain(|name| !name.is_empty());
    RecordPath { vault: None, folders: names }
}

fn fill(item: &mut Item<'_>, mut members: Members, names: &HashMap<String, String>) -> Kept {
    item.resolve(&mut members, &["uid", "$type"]);
    item.record.name = item.simple(&mut members, "title");
    let login = item.simple(&mut members, "login");
    item.login(login);
    let password = item.simple(&mut members, "password");
    item.password("Password", password);
    let url = item.simple(&mut members, "login_url");
    item.url(url);
    let note = item.simple(&mut members, "notes");
    item.note(&note);
    item.changed("", &mut members, &["last_modified"]);
    for (index, folder) in list(&mut members, "folders").into_iter().enumerate() {
        let at = format!("folders/{index}");
        let Value::Object(mut folder) = folder else {
            item.behind(&folder, &at, "it is no folder");
            continue;
        };
        let mut path = folders(&item.simple(&mut folder, "shared_folder"));
        path.folders.extend(folders(&item.simple(&mut folder, "folder")).folders);
        item.leave(&at, &mut folder, &["can_edit", "can_share"], "rights do not move");
        item.unknown("folders", folder);
        item.place(path);
    }
    let own = object(&mut members, "custom_fields");
    for (name, value) in own {
        field(item, &name, value);
    }
    for (name, value) in object(&mut members, "references") {
        reference(item, &name, value, names);
    }
    item.leave("", &mut members, &["schema", "permissions"], OWN);
    item.unknown("", members);
    Kept::Record
}

/// `$type:label:number`, `$type::number`, `$type`, or a label.
fn field(item: &mut Item<'_>, name: &str, value: Value) {
    if value.leaves() == 0 {
        return;
    }
    let Some(typed) = name.strip_prefix('$') else {
        if name == "TFC:Keeper" {
            let code = item.joined(value, " ");
            return item.code("TOTP", code);
        }
        let text = item.joined(value, "\n");
        return item.labelled(name, text);
    };
    let mut parts = typed.splitn(3, ':');
    let kind = parts.next().unwrap_or_default();
    let label = parts.next().unwrap_or_default();
    // A list has one value in nearly every file.
    match value {
        Value::List(list) => list.into_iter().for_each(|value| typed_field(item, kind, label, value)),
        value => typed_field(item, kind, label, value),
    }
}

fn typed_field(item: &mut Item<'_>, kind: &str, label: &str, value: Value) {
    let or = |other: &str| if label.is_empty() { other.to_owned() } else { label.to_owned() };
    match (kind, value) {
        ("oneTimeCode", value) => {
            let code = item.joined(value, " ");
            item.code(&or("TOTP"), code);
        }
        ("url", value) => {
            let text = item.joined(value, " ");
            if label.is_empty() {
                item.url(text);
            } else {
                item.field(label, CustomKind::Text, text);
            }
        }
        ("host" | "pamHostname", Value::Object(mut host)) => {
            let (name, port) = (item.simple(&mut host, "hostName"), item.simple(&mut host, "port"));
            let text = if port.is_empty() { name } else { format!("{name}:{port}") };
            item.field(or("Host"), CustomKind::Text, text);
            item.unknown("host", host);
        }
        ("securityQuestion", Value::Object(mut question)) => {
            let asked = item.simple(&mut question, "question");
            let answer = item.simple(&mut question, "answer");
            let asked = if asked.is_empty() { or("Security question") } else { asked };
            item.field(asked, CustomKind::Password, answer);
            item.unknown("securityQuestion", question);
        }
        ("keyPair", Value::Object(mut pair)) => {
            let private = item.simple(&mut pair, "privateKey");
            item.field("Private key", CustomKind::Password, private);
            let public = item.simple(&mut pair, "publicKey");
            item.field("Public key", CustomKind::Text, public);
            item.unknown("keyPair", pair);
        }
        ("paymentCard", Value::Object(mut card)) => {
            let number = item.simple(&mut card, "cardNumber");
            item.field("Card number", CustomKind::Password, number);
            let expiry = item.simple(&mut card, "cardExpirationDate");
            item.field("Expiry", CustomKind::Text, date::month(&expiry).unwrap_or(expiry));
            let code = item.simple(&mut card, "cardSecurityCode");
            item.field("Security code", CustomKind::Password, code);
            item.unknown("paymentCard", card);
        }
        ("passkey", value) => item.passkey(&value),
        ("appFiller", value) => item.behind(&value, "custom_fields", OWN),
        ("date" | "birthDate" | "expirationDate", value @ Value::Number(_)) => {
            item.tally.carried(1);
            let day = seconds(&value).map(date::day);
            let text = day.unwrap_or_else(|| value.into_text().unwrap_or_default());
            item.field(or(kind), CustomKind::Text, text);
        }
        ("name", value) => {
            let text = item.joined(value, " ");
            item.field(or("Name"), CustomKind::Text, text);
        }
        ("address", value) => {
            let text = item.joined(value, "\n");
            item.field(or("Address"), CustomKind::Text, text);
        }
        ("phone" | "bankAccount", value) => {
            let text = item.joined(value, " ");
            item.labelled(or(kind), text);
        }
        ("pinCode", value) => {
            let text = item.joined(value, " ");
            item.field(or("PIN"), CustomKind::Password, text);
        }
        ("secret" | "password" | "licenseNumber", value) => {
            let text = item.joined(value, "\n");
            item.field(or(kind), CustomKind::Password, text);
        }
        (_, value) => {
            let text = item.joined(value, "\n");
            item.field(or(kind), CustomKind::Text, text);
        }
    }
}

/// The names of other records, where the file has them.
fn reference(item: &mut Item<'_>, name: &str, value: Value, names: &HashMap<String, String>) {
    let Value::List(list) = value else {
        let at = format!("references/{}", crate::json::pointer_part(name));
        return item.behind(&value, &at, "it names no record of the file");
    };
    let label = name.trim_start_matches('$').split(':').next().unwrap_or_default();
    let label = label.strip_suffix("Ref").unwrap_or(label);
    for (index, value) in list.into_iter().enumerate() {
        let leaves = value.leaves();
        let id = match &value {
            Value::Text(text) => text.to_string(),
            Value::Number(number) => number.clone(),
            _ => String::new(),
        };
        if let Some(title) = names.get(&id) {
            item.tally.resolved(leaves);
            item.field(label, CustomKind::Text, title.clone());
        } else {
            let at = format!("references/{}/{index}", crate::json::pointer_part(name));
            item.behind(&value, &at, "it names no record of the file");
        }
    }
}
