//! Enpass' JSON export.
//!
//! Signature: `items` with `template_type`, or with a list `fields` and a `category`.
//! Mapping: the first user name, e-mail address, password and address fill the record, further ones and every other field
//! are fields by their labels, hidden where `sensitive` says so; folders nest by `parent_uuid`; what is archived has the tag `archived`.
//! Resolved: ids, icons, orders, headings, fields that were deleted and are empty. Told: the bin (where it is not asked for), dates, earlier values,
//! fields that were deleted, attachments without content.
//! The whole document is kept in memory.

use super::item::{DATES, EARLIER, Item, OWN, list};
use super::items::{BIN, Document, Kept, nested};
use crate::document::{NO_RECORD, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::place::Place;
use crate::{Entries, ReadOptions, date};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::SecretBytes;
use std::collections::HashMap;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |item: &Value| {
        item.has("template_type")
            || (matches!(item.get("fields"), Some(Value::List(_)))
                && item.has("category")
                && !item.has("vault"))
    };
    let items = head.json().and_then(|document| document.get("items"));
    matches!(items, Some(Value::List(items)) if items.iter().any(own)).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Enpass")?;
    let mut nodes = Vec::new();
    for (number, folder) in list(&mut members, "folders").into_iter().enumerate() {
        let at = format!("/folders/{number}");
        let Value::Object(mut folder) = folder else {
            document.behind(&folder, &at, NO_RECORD);
            continue;
        };
        let name = document.name(&mut folder, &["title"]);
        let id = document.id(&mut folder, &["uuid"]).unwrap_or_default();
        let parent = document.id(&mut folder, &["parent_uuid"]);
        document.resolve(&mut folder, &["icon", "updated_at"]);
        document.leave_rest(folder, &at);
        nodes.push((id, parent, name));
    }
    let paths = nested(&nodes);
    for (number, (id, ..)) in nodes.iter().enumerate() {
        document.place(paths.get(id).cloned().unwrap_or_default(), format!("/folders/{number}"));
    }
    document.items(list(&mut members, "items"), "/items", &Place::default());
    document.leave_rest(members, "");
    Ok(document.with_bin(options).entries(Box::new(move |item, members| fill(item, members, &paths))))
}

fn fill(item: &mut Item<'_>, mut members: Members, paths: &HashMap<String, Place>) -> Kept {
    let trashed = item.flag(&mut members, "trashed") == Some(true);
    if item.stays_in_bin(trashed) {
        return BIN;
    }
    if item.flag(&mut members, "archived") == Some(true) {
        item.archived();
    }
    item.resolve(&mut members, &["uuid", "template_type", "category", "auto_submit"]);
    item.record.name = item.simple(&mut members, "title");
    let note = item.simple(&mut members, "note");
    item.note(&note);
    item.favorite(&mut members, "favorite");
    item.created("", &mut members, &["createdAt", "created_at"]);
    item.changed("", &mut members, &["updated_at"]);
    item.leave("", &mut members, &["icon"], OWN);
    for (index, folder) in list(&mut members, "folders").into_iter().enumerate() {
        let leaves = folder.leaves();
        let path = match &folder {
            Value::Text(id) => paths.get(id.as_str()).cloned(),
            _ => None,
        };
        match path {
            Some(path) => {
                item.tally.resolved(leaves);
                item.place(path);
            }
            None => item.behind(&folder, &format!("folders/{index}"), "it names no folder of the file"),
        }
    }
    for (index, field) in list(&mut members, "fields").into_iter().enumerate() {
        self::field(item, field, &format!("fields/{index}"));
    }
    item.mail_for_login();
    let subtitle = item.mark(&mut members, "subtitle");
    if subtitle != item.record.login && !item.record.customs.iter().any(|one| one.value.expose() == subtitle)
    {
        item.field("Subtitle", CustomKind::Text, subtitle);
    }
    for (index, file) in list(&mut members, "attachments").into_iter().enumerate() {
        attachment(item, file, &format!("attachments/{index}"));
    }
    item.unknown("", members);
    Kept::Record
}

fn field(item: &mut Item<'_>, field: Value, at: &str) {
    let Value::Object(mut field) = field else { return item.behind(&field, at, "it is no field") };
    let is_deleted = item.flag(&mut field, "deleted") == Some(true);
    let sensitive = item.flag(&mut field, "sensitive");
    let kind = item.mark(&mut field, "type");
    item.resolve(&mut field, &["uid", "order"]);
    item.leave(at, &mut field, &["updated_at", "value_updated_at"], DATES);
    let history = take(&mut field, "history");
    item.behind(&history, &format!("{at}/history"), EARLIER);
    if is_deleted || kind == "section" {
        let label = item.mark(&mut field, "label");
        let value = take(&mut field, "value");
        let why = if is_deleted { "the field was deleted" } else { "it is the value of a heading" };
        item.behind(&value, &format!("{at}/value"), why);
        drop(label);
        return item.leave_rest(at, field);
    }
    let value = item.simple(&mut field, "value");
    if value.is_empty() {
        // An empty field makes none, and its label goes with it.
        item.resolve(&mut field, &["label"]);
        return item.unknown(at, field);
    }
    // What fills the record, or has a label of ours, needs none of its own.
    let is_known = matches!(kind.as_str(), "email" | "url") || kind.starts_with("cc");
    let is_known = is_known || (kind == "username" && item.record.login.is_empty());
    let label = if is_known { item.mark(&mut field, "label") } else { item.simple(&mut field, "label") };
    match kind.as_str() {
        "username" if item.record.login.is_empty() => item.record.login = value,
        "email" => item.field("E-mail", CustomKind::Text, value),
        "password" if item.record.password.is_none() => item.password(&label, value),
        "url" => item.url(value),
        "totp" => item.code(&label, value),
        "ccExpiry" => item.field("Expiry", CustomKind::Text, date::month(&value).unwrap_or(value)),
        "ccName" => item.field("Cardholder name", CustomKind::Text, value),
        "ccNumber" => item.field("Card number", CustomKind::Password, value),
        "ccCvc" => item.field("Security code", CustomKind::Password, value),
        "ccPin" => item.field("PIN", CustomKind::Password, value),
        "ccType" => item.field("Card brand", CustomKind::Text, value),
        "password" | "pin" => item.field(label, CustomKind::Password, value),
        _ => match sensitive {
            Some(true) => item.field(label, CustomKind::Password, value),
            Some(false) => item.field(label, CustomKind::Text, value),
            None => item.labelled(label, value),
        },
    }
    item.unknown(at, field);
}

fn attachment(item: &mut Item<'_>, file: Value, at: &str) {
    let Value::Object(mut file) = file else { return item.behind(&file, at, "it is no file") };
    item.resolve(&mut file, &["uuid", "kind", "order", "updated_at"]);
    let data = take(&mut file, "data");
    let content = match &data {
        Value::Text(text) if !text.is_empty() => base64(text).map(SecretBytes::new),
        _ => None,
    };
    if let Some(content) = content {
        item.tally.carried(data.leaves());
        let name = item.simple(&mut file, "name");
        item.attach(name, content);
    } else {
        item.behind(&data, &format!("{at}/data"), "it is not the content of a file");
        item.leave(at, &mut file, &["name"], "the file has no content in this export");
    }
    item.unknown(at, file);
}
