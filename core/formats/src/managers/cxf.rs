//! The FIDO Alliance's Credential Exchange Format 1.0, and a zip archive of it with `cxf.json` and `documents/`.
//!
//! Signature: `exporterRpId`; or `collections` beside items with a list `credentials`.
//! Mapping: credentials by type, further ones of a type as further fields; collections are folders, the first is the place.
//! Editable fields are read as the format has them, and as exporters write them: bare texts and numbers too.
//! Credentials of a type that nobody knows become fields. Resolved: ids, kinds, who exported and when.
//! Told: dates, references to other items. A later version is rejected whole.
//! The whole document is kept in memory.

use super::item::{CodeParts, Item, OWN, list, object};
use super::items::{Document, Found, Kept};
use crate::columns::kind_of;
use crate::document::{NO_RECORD, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::tally::Tally;
use crate::zip::Zip;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Position, Result};
use keyferry_crypto::model::{CustomKind, Entry, Record, Reject};
use std::collections::HashMap;
use std::io::Read;

const WHOSE: &str = "the Credential Exchange Format";

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |document: &Value| {
        let items = match document.get("items") {
            Some(Value::List(items)) => {
                items.iter().any(|item| matches!(item.get("credentials"), Some(Value::List(_))))
            }
            _ => false,
        };
        document.has("exporterRpId") || items
    };
    head.json().is_some_and(own).into()
}

/// Whether it is an archive of one.
pub(crate) fn fits_zip(head: &Head<'_>) -> Fit {
    head.members().iter().any(|name| name == "cxf.json").into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (document, members) = Document::object(input, WHOSE)?;
    Ok(entries(document, members))
}

pub(crate) fn read_zip(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (document, members) = Document::member(Zip::open(input)?, "cxf.json", WHOSE)?;
    Ok(entries(document, members))
}

fn entries(mut document: Document, mut members: Members) -> Entries {
    let mut version = object(&mut members, "version");
    let major = version.iter().find(|(name, _)| name == "major").map(|(_, value)| value);
    if let Some(Value::Number(major)) = major
        && major != "1"
        && major != "0"
    {
        let why = format!("Credential Exchange Format {major} is newer than this program reads");
        document.tally.rejected(crate::json::leaves(&members) + crate::json::leaves(&version));
        let at = Position::pointer("/version");
        document.last.push(Entry::Reject(Reject { at, label: String::new(), why }));
        return document.entries(Box::new(|_, _| Kept::Record));
    }
    document.resolve(&mut version, &["major", "minor"]);
    document.leave_rest(version, "/version");
    document.resolve(&mut members, &["exporterRpId", "exporterDisplayName", "timestamp"]);
    let mut places = HashMap::new();
    for (number, account) in list(&mut members, "accounts").into_iter().enumerate() {
        let at = format!("/accounts/{number}");
        match account {
            Value::Object(account) => self::account(&mut document, account, &at, &mut places),
            other => document.behind(&other, &at, NO_RECORD),
        }
    }
    // A bare account.
    if members.iter().any(|(name, _)| name == "items") {
        account(&mut document, members, "", &mut places);
    } else {
        document.leave_rest(members, "");
    }
    document.entries(Box::new(move |item, members| fill(item, members, &places)))
}

type Places = HashMap<String, Vec<Place>>;

fn account(document: &mut Document, mut account: Members, at: &str, places: &mut Places) {
    document.resolve(&mut account, &["id", "username", "email", "fullName"]);
    let collections = list(&mut account, "collections");
    self::collections(document, collections, &format!("{at}/collections"), &Place::default(), places);
    let items = list(&mut account, "items").into_iter().enumerate();
    document.found.extend(items.map(|(index, value)| Found {
        value,
        at: format!("{at}/items/{index}"),
        path: Place::default(),
    }));
    let extensions = take(&mut account, "extensions");
    document.behind(&extensions, &format!("{at}/extensions"), OWN);
    document.leave_rest(account, at);
}

fn collections(document: &mut Document, list: Vec<Value>, at: &str, inside: &Place, places: &mut Places) {
    for (number, collection) in list.into_iter().enumerate() {
        let at = format!("{at}/{number}");
        let Value::Object(mut collection) = collection else {
            document.behind(&collection, &at, NO_RECORD);
            continue;
        };
        let path = inside.below(document.name(&mut collection, &["title"]));
        document.resolve(&mut collection, &["id"]);
        if !path.is_too_deep() {
            document.place(path.clone(), &at);
        }
        for (index, linked) in super::item::list(&mut collection, "items").into_iter().enumerate() {
            let Value::Object(mut linked) = linked else {
                document.behind(&linked, &format!("{at}/items/{index}"), NO_RECORD);
                continue;
            };
            if let Some(id) = document.id(&mut linked, &["item"]) {
                places.entry(id).or_default().push(path.clone());
            }
            document.resolve(&mut linked, &["account"]);
            document.leave_rest(linked, &format!("{at}/items/{index}"));
        }
        let below = super::item::list(&mut collection, "subCollections");
        collections(document, below, &format!("{at}/subCollections"), &path, places);
        document.leave_rest(collection, &at);
    }
}

/// The value of an editable field, and whether its type hides it; bare values are taken as well.
fn editable(item: &mut Item<'_>, members: &mut Members, name: &str) -> (String, Option<bool>) {
    let found = members.iter_mut().find(|(member, _)| member == name);
    let Some((_, value)) = found else { return (String::new(), None) };
    match std::mem::replace(value, Value::Null) {
        Value::Object(mut field) => {
            let kind = item.mark(&mut field, "fieldType");
            let text = item.simple(&mut field, "value");
            item.resolve(&mut field, &["id"]);
            // What it says of a member beyond the member's own name has no place.
            if matches!(field.iter().find(|(one, _)| one == "label"), Some((_, Value::Text(label))) if label.eq_ignore_ascii_case(name))
            {
                item.resolve(&mut field, &["label"]);
            }
            item.leave(
                name,
                &mut field,
                &["label"],
                "the field has a place of its own, and is called by that",
            );
            item.unknown(name, field);
            (text, hidden(&kind))
        }
        Value::List(list) => {
            *value = Value::List(list);
            (String::new(), None)
        }
        plain => {
            item.tally.carried(plain.leaves());
            (plain.into_text().unwrap_or_default(), None)
        }
    }
}

/// Whether a field's type hides it; `None` where there is no type.
fn hidden(kind: &str) -> Option<bool> {
    if kind.is_empty() { None } else { Some(kind == "concealed-string") }
}

/// The record that the members of an item are read as; its place and its files apart.
pub(super) fn of_item(members: Members) -> Record {
    let mut tally = Tally::default();
    let mut item = Item::new("", &mut tally);
    fill(&mut item, members, &Places::new());
    item.record
}

fn fill(item: &mut Item<'_>, mut members: Members, places: &Places) -> Kept {
    let id = item.mark(&mut members, "id");
    for path in places.get(&id).into_iter().flatten() {
        item.place(path.clone());
    }
    item.record.name = item.simple(&mut members, "title");
    let subtitle = item.simple(&mut members, "subtitle");
    item.field("Subtitle", CustomKind::Text, subtitle);
    item.created("", &mut members, &["creationAt"]);
    item.changed("", &mut members, &["modifiedAt"]);
    item.favorite(&mut members, "favorite");
    item.tags(take(&mut members, "tags"), &["name", "value"]);
    let mut scope = object(&mut members, "scope");
    for url in list(&mut scope, "urls") {
        let url = item.joined(url, " ");
        item.url(url);
    }
    for (index, app) in list(&mut scope, "androidApps").into_iter().enumerate() {
        let at = format!("scope/androidApps/{index}");
        let Value::Object(mut app) = app else {
            item.behind(&app, &at, "it is no app");
            continue;
        };
        let bundle = item.simple(&mut app, "bundleId");
        if !bundle.is_empty() {
            item.url(format!("androidapp://{bundle}"));
        }
        item.leave(&at, &mut app, &["certificate", "name"], OWN);
        item.unknown("androidApps", app);
    }
    item.unknown("scope", scope);
    for (index, credential) in list(&mut members, "credentials").into_iter().enumerate() {
        let at = format!("credentials/{index}");
        let Value::Object(mut credential) = credential else {
            item.behind(&credential, &at, "it is no credential");
            continue;
        };
        let is_passkey = matches!(
            credential.iter().find(|(name, _)| name == "type"),
            Some((_, Value::Text(kind))) if kind.as_str() == "passkey"
        );
        if is_passkey {
            item.passkey(&Value::Object(credential));
            continue;
        }
        let kind = item.mark(&mut credential, "type");
        self::credential(item, &kind, &mut credential, &at);
        rest(item, credential);
    }
    item.name_sections();
    item.leave("", &mut members, &["extensions"], OWN);
    item.unknown("", members);
    Kept::Record
}

fn credential(item: &mut Item<'_>, kind: &str, members: &mut Members, at: &str) {
    match kind {
        "basic-auth" => {
            let (login, _) = editable(item, members, "username");
            item.login(login);
            let (password, _) = editable(item, members, "password");
            item.password("Password", password);
            // Drafts had the addresses here.
            for url in list(members, "urls") {
                let url = item.joined(url, " ");
                item.url(url);
            }
        }
        "totp" => code(item, members),
        "note" => {
            let (text, _) = editable(item, members, "content");
            item.note(&text);
        }
        "custom-fields" => {
            let (label, fields) = (item.mark(members, "label"), list(members, "fields"));
            item.resolve(members, &["id"]);
            item.in_section(&label, |item| fields.into_iter().for_each(|field| own_field(item, field)));
        }
        "file" => {
            let id = item.mark(members, "id");
            let name = item.simple(members, "name");
            item.attach_member(&format!("documents/{id}"), name, &format!("{at}/name"));
            item.resolve(members, &["decryptedSize", "integrityHash"]);
        }
        "api-key" => {
            let (login, _) = editable(item, members, "username");
            item.login(login);
            let (key, _) = editable(item, members, "key");
            item.password("Key", key);
            let (url, _) = editable(item, members, "url");
            item.url(url);
            named(item, members, "expiryDate", "Expiry", CustomKind::Text);
        }
        "credit-card" => {
            named(item, members, "fullName", "Cardholder name", CustomKind::Text);
            named(item, members, "cardType", "Card brand", CustomKind::Text);
            named(item, members, "number", "Card number", CustomKind::Password);
            named(item, members, "expiryDate", "Expiry", CustomKind::Text);
            named(item, members, "verificationNumber", "Security code", CustomKind::Password);
            named(item, members, "pin", "PIN", CustomKind::Password);
        }
        "ssh-key" => {
            named(item, members, "privateKey", "Private key", CustomKind::Password);
            named(item, members, "publicKey", "Public key", CustomKind::Text);
            named(item, members, "keyType", "Key type", CustomKind::Text);
            named(item, members, "keyComment", "Comment", CustomKind::Text);
        }
        "wifi" => {
            let (password, _) = editable(item, members, "passphrase");
            item.password("Password", password);
            named(item, members, "ssid", "SSID", CustomKind::Text);
        }
        "generated-password" => {
            let (password, _) = editable(item, members, "password");
            item.password("Password", password);
        }
        "item-reference" => {
            for (name, value) in members.iter_mut() {
                let value = std::mem::replace(value, Value::Null);
                let at = format!("{at}/{}", crate::json::pointer_part(name));
                item.behind(&value, &at, "a reference to another item does not move");
            }
        }
        "address" | "person-name" | "passport" | "identity-document" | "drivers-license" => {}
        unknown => {
            item.remark("a credential of a type that nobody knows is kept as fields");
            for (name, _) in members.iter_mut() {
                *name = format!("{unknown} {name}");
            }
        }
    }
}

/// A member under the label that it has here.
fn named(item: &mut Item<'_>, members: &mut Members, member: &str, label: &str, kind: CustomKind) {
    let (text, _) = editable(item, members, member);
    item.field(label, kind, text);
}

/// Members that are left, each by its name: editable fields, and whatever else.
fn rest(item: &mut Item<'_>, members: Members) {
    let mut unknown = Members::new();
    for (name, value) in members {
        let is_editable = value.has("fieldType") || value.has("value");
        match value {
            Value::Object(_) if is_editable => {
                let mut one = vec![(name.clone(), value)];
                let (text, is_hidden) = editable(item, &mut one, &name);
                let kind = match is_hidden {
                    Some(true) => CustomKind::Password,
                    Some(false) => CustomKind::Text,
                    None => kind_of(&name),
                };
                item.field(name, kind, text);
            }
            Value::Text(_) | Value::Bool(_) | Value::Number(_) => {
                item.tally.carried(value.leaves());
                let text = value.into_text().unwrap_or_default();
                item.labelled(name, text);
            }
            other => unknown.push((name, other)),
        }
    }
    item.unknown("", unknown);
}

fn own_field(item: &mut Item<'_>, field: Value) {
    let Value::Object(mut field) = field else {
        let text = item.joined(field, " ");
        return item.labelled("", text);
    };
    let label = item.simple(&mut field, "label");
    let kind = item.mark(&mut field, "fieldType");
    let text = item.simple(&mut field, "value");
    item.resolve(&mut field, &["id"]);
    match hidden(&kind) {
        Some(true) => item.field(label, CustomKind::Password, text),
        Some(false) => item.field(label, CustomKind::Text, text),
        None => item.labelled(label, text),
    }
    if hidden(&kind) == Some(true) {
        item.unknown_secrets("field", field);
    } else {
        item.unknown("field", field);
    }
}

fn code(item: &mut Item<'_>, members: &mut Members) {
    let (secret, _) = editable(item, members, "secret");
    let mut part = |name: &str| item.mark(members, name);
    let (period, digits, algorithm) = (part("period"), part("digits"), part("algorithm"));
    let (issuer, username) = (part("issuer"), part("username"));
    let title = item.record.name.clone();
    let parts = CodeParts {
        issuer: &issuer,
        account: if username.is_empty() && issuer.is_empty() { &title } else { &username },
        secret: &secret,
        algorithm: &algorithm,
        digits: &digits,
        period: &period,
    };
    item.code("TOTP", parts.address());
}
