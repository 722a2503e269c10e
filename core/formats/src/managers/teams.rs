//! JSON of what teams and companies use, mostly answers of its API: `ManageEngine` Password Manager Pro and PAM360, `CyberArk`, IT Glue, Hudu, Pleasant
//! Password Server.
//!
//! Signatures: `operation` with `Details`; `safeName` beside `platformId`; `data` with objects of type `passwords`, or that have `attributes` with a `password`;
//! `asset_passwords`; `Credentials` or `Children` with `CustomUserFields` or `GroupId`.
//! Mapping: a resource is a folder, organisations and companies are vaults, a category is a tag, groups of Pleasant nest. `N/A` of
//! `ManageEngine` is nothing, and so is what hides a password; a listing without passwords is told.
//! Resolved: ids, kinds. Told: dates, rights, how the answer came. The members of these answers are those of their makers' pages
//! and not verified. The whole document is kept in memory.

use super::item::{Item, list, object};
use super::items::{Document, Found, Kept, not_one};
use super::plain::{Map, NOTHING, emptied};
use crate::document::{NO_RECORD, document, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::SecretBytes;
use std::io::Read;

/// Whether it is Password Manager Pro's.
pub(crate) fn fits_pmp(head: &Head<'_>) -> Fit {
    let operation = head.json().and_then(|document| document.get("operation"));
    operation.is_some_and(|operation| operation.has("Details")).into()
}

/// Whether it is `CyberArk`'s: one account, a list of them, or an answer with one.
pub(crate) fn fits_cyberark(head: &Head<'_>) -> Fit {
    let own = |one: &Value| one.has("safeName") && one.has("platformId");
    let is_own = |document: &Value| match (document, document.get("value")) {
        (Value::List(list), _) | (_, Some(Value::List(list))) => list.iter().any(own),
        _ => own(document),
    };
    head.json().is_some_and(is_own).into()
}

/// Whether it is IT Glue's.
pub(crate) fn fits_it_glue(head: &Head<'_>) -> Fit {
    let own = |one: &Value| {
        let attributes = one.get("attributes");
        let kind = matches!(one.get("type"), Some(Value::Text(kind)) if kind.as_str() == "passwords");
        attributes.is_some_and(|attributes| kind || attributes.has("password"))
    };
    match head.json().and_then(|document| document.get("data")) {
        Some(Value::List(list)) => list.iter().any(own).into(),
        Some(one) => own(one).into(),
        None => Fit::No,
    }
}

/// Whether it is Hudu's.
pub(crate) fn fits_hudu(head: &Head<'_>) -> Fit {
    head.json()
        .is_some_and(|document| document.has("asset_passwords") || document.has("asset_password"))
        .into()
}

/// Whether it is Pleasant Password Server's.
pub(crate) fn fits_pleasant(head: &Head<'_>) -> Fit {
    fn own(group: &Value, depth: u8) -> bool {
        let list = |name: &str| match group.get(name) {
            Some(Value::List(list)) => list.as_slice(),
            _ => &[],
        };
        list("Credentials").iter().any(|one| one.has("CustomUserFields") || one.has("GroupId"))
            || (depth < 8 && list("Children").iter().any(|child| own(child, depth + 1)))
    }
    head.json().is_some_and(|document| own(document, 0)).into()
}

const PMP: Map = Map {
    name: &["ACCOUNT NAME"],
    password: &["PASSWORD"],
    note: &["NOTES", "ACCOUNT DESCRIPTION"],
    favorite: &["ISFAVPASS"],
    resolved: &["ACCOUNT ID", "PASSWDID", "RESOURCE ID"],
    own: &[
        "PASSWORD STATUS",
        "ISREASONREQUIRED",
        "IS_TICKETID_REQD",
        "IS_TICKETID_REQD_ACW",
        "IS_TICKETID_REQD_MANDATORY",
        "AUTOLOGONLIST",
        "AUTOLOGONSTATUS",
    ],
    ..NOTHING
};

pub(crate) fn read_pmp(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Password Manager Pro")?;
    let mut operation = object(&mut members, "operation");
    let details = take(&mut operation, "Details");
    let resources = match details {
        Value::List(list) => {
            list.into_iter().enumerate().map(|(index, one)| (format!("/{index}"), one)).collect()
        }
        one => vec![(String::new(), one)],
    };
    for (inside, resource) in resources {
        let at = format!("/operation/Details{inside}");
        let Value::Object(mut resource) = resource else {
            document.behind(&resource, &at, NO_RECORD);
            continue;
        };
        let name = document.name(&mut resource, &["RESOURCE NAME"]);
        let path = Place::default().below(name);
        // What is said of the resource is said of each of its accounts.
        let shared: Vec<(&str, Value)> =
            ["RESOURCE URL", "DNS NAME"].into_iter().map(|name| (name, take(&mut resource, name))).collect();
        let mut accounts = list(&mut resource, "ACCOUNT LIST");
        if accounts.is_empty() {
            document.place(path.clone(), &at);
            for (name, value) in shared {
                document.behind(&value, &format!("{at}/{name}"), "its resource has no accounts");
            }
        } else {
            for (name, value) in shared {
                share(&mut document, &mut accounts, name, &value, &at);
            }
            document.items(accounts, &format!("{at}/ACCOUNT LIST"), &path);
        }
        document.resolve(&mut resource, &["RESOURCE ID"]);
        document.leave_rest(resource, &at);
    }
    document.leave_rest(operation, "/operation");
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(|item, mut members| {
        emptied(item, &mut members, &["N/A"]);
        let hidden = |value: &Value| matches!(value, Value::Text(text) if text.chars().all(|c| c == '*') && !text.is_empty());
        for (name, value) in &mut members {
            if name == "PASSWORD" && hidden(value) {
                item.tally.resolved(1);
                *value = Value::Null;
            }
        }
        PMP.fill(item, &mut members);
        item.record.login = item.record.name.clone();
        for name in ["RESOURCE URL", "DNS NAME"] {
            let text = item.simple(&mut members, name);
            if item.record.url.is_empty() {
                item.url(text);
            } else {
                item.field(name, CustomKind::Text, text);
            }
        }
        without_password(item);
        item.unknown("", members);
        Kept::Record
    })))
}

/// Listings have no passwords.
fn without_password(item: &mut Item<'_>) {
    if item.record.password.is_none() {
        item.remark("an item has no password: a listing has none, each is given by a call of its own");
    }
}

/// Gives each account what is said of its resource; each copy is one more value.
fn share(document: &mut Document, accounts: &mut [Value], name: &str, value: &Value, at: &str) {
    let mut copies = 0;
    for account in accounts {
        if let (Value::Object(account), Value::Text(text)) = (account, value) {
            account.push((name.to_owned(), Value::Text(text.clone())));
            copies += value.leaves();
        }
    }
    if copies == 0 {
        document.behind(value, &format!("{at}/{name}"), NO_RECORD);
    } else {
        document.tally.read(copies - 1);
    }
}

const CYBERARK: Map = Map {
    name: &["name"],
    login: &["userName"],
    // Whoever asks for the secrets one by one puts them beside their accounts.
    password: &["secret", "password"],
    url: &["address"],
    vault: &["safeName"],
    created: &["createdTime"],
    changed: &["categoryModificationTime"],
    resolved: &["id", "secretType"],
    own: &["secretManagement", "remoteMachinesAccess", "categoryModificationTime"],
    ..NOTHING
};

pub(crate) fn read_cyberark(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let value = match document(input)? {
        one if one.has("safeName") => Value::List(vec![one]),
        other => other,
    };
    let document = match value {
        Value::List(list) => {
            let mut document = Document::default();
            document.tally.read(list.iter().map(Value::leaves).sum());
            document.items(list, "", &Place::default());
            document
        }
        other => {
            let (mut document, mut members) = Document::of(other, "CyberArk")?;
            document.items(list(&mut members, "value"), "/value", &Place::default());
            document.resolve(&mut members, &["count", "total", "nextLink"]);
            document.leave_rest(members, "");
            document
        }
    };
    Ok(document.entries(Box::new(|item, mut members| {
        CYBERARK.fill(item, &mut members);
        without_password(item);
        // What its platform asks for beyond that is a field by its own name.
        let properties = object(&mut members, "platformAccountProperties");
        let (plain, rest): (Members, Members) = properties
            .into_iter()
            .partition(|(_, value)| !matches!(value, Value::List(_) | Value::Object(_)));
        for (label, value) in plain {
            item.tally.carried(value.leaves());
            let text = value.into_text().unwrap_or_default();
            item.labelled(label, text);
        }
        item.unknown("platformAccountProperties", rest);
        item.unknown("", members);
        Kept::Record
    })))
}

const IT_GLUE: Map = Map {
    name: &["name"],
    login: &["username"],
    password: &["password"],
    url: &["url"],
    note: &["notes"],
    code: &["otp-secret"],
    vault: &["organization-name"],
    folder: &["password-folder-name"],
    tag: &["password-category-name"],
    created: &["created-at"],
    changed: &["updated-at"],
    resolved: &[
        "organization-id",
        "password-category-id",
        "password-folder-id",
        "resource-id",
        "resource-type",
        "vault-id",
    ],
    own: &[
        "resource-url",
        "autofill-selectors",
        "password-updated-at",
        "updated-by",
        "updated-by-type",
        "cached-resource-name",
        "cached-resource-type-name",
        "my-glue",
        "restricted",
        "archived-reason",
    ],
    ..NOTHING
};

pub(crate) fn read_it_glue(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "IT Glue")?;
    match take(&mut members, "data") {
        Value::List(list) => document.items(list, "/data", &Place::default()),
        value => document.found.push(Found { value, at: "/data".to_owned(), path: Place::default() }),
    }
    for name in ["meta", "links", "included"] {
        let value = take(&mut members, name);
        document.behind(&value, &format!("/{name}"), "it says how the answer came");
    }
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(|item, mut members| {
        item.resolve(&mut members, &["id", "type"]);
        let mut attributes = object(&mut members, "attributes");
        if item.flag(&mut attributes, "archived") == Some(true) {
            item.archived();
        }
        IT_GLUE.fill_from(item, &mut attributes, "attributes");
        without_password(item);
        item.leave("", &mut members, &["relationships", "links"], super::item::OWN);
        item.unknown("attributes", attributes);
        item.unknown("", members);
        Kept::Record
    })))
}

const HUDU: Map = Map {
    name: &["name"],
    login: &["username"],
    password: &["password"],
    url: &["login_url", "url"],
    note: &["description"],
    code: &["otp_secret"],
    vault: &["company_name"],
    folder: &["password_folder_name"],
    tag: &["password_type"],
    created: &["created_at"],
    changed: &["updated_at"],
    resolved: &[
        "id",
        "company_id",
        "slug",
        "passwordable_id",
        "passwordable_type",
        "password_folder_id",
        "object_type",
    ],
    own: &["in_portal"],
    ..NOTHING
};

pub(crate) fn read_hudu(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Hudu")?;
    let passwords = list(&mut members, "asset_passwords");
    document.items(passwords, "/asset_passwords", &Place::default());
    if let Value::Object(one) = take(&mut members, "asset_password") {
        let value = Value::Object(one);
        document.found.push(Found { value, at: "/asset_password".to_owned(), path: Place::default() });
    }
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(|item, mut members| {
        if item.flag(&mut members, "archived") == Some(true) {
            item.archived();
        }
        // The page of the password in Hudu itself, beside the address that it opens.
        if members.iter().any(|(name, _)| name == "login_url") {
            item.leave("", &mut members, &["url"], super::item::OWN);
        }
        HUDU.fill(item, &mut members);
        item.unknown("", members);
        Kept::Record
    })))
}

const PLEASANT: Map = Map {
    name: &["Name"],
    login: &["Username"],
    password: &["Password"],
    url: &["Url"],
    note: &["Notes"],
    created: &["Created"],
    changed: &["Modified"],
    resolved: &["Id", "GroupId"],
    own: &[
        "HasModifyEntriesAccess",
        "HasViewEntryContentsAccess",
        "CommentPrompts",
        "UsageComment",
        "ExpirationTime",
    ],
    ..NOTHING
};

pub(crate) fn read_pleasant(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, members) = match document(input)? {
        value @ Value::Object(_) => Document::of(value, "Pleasant Password Server")?,
        _ => return Err(not_one("Pleasant Password Server")),
    };
    group(&mut document, members, &Place::default(), "");
    Ok(document.entries(Box::new(pleasant)))
}

fn group(document: &mut Document, mut members: Members, path: &Place, at: &str) {
    document.items(list(&mut members, "Credentials"), &format!("{at}/Credentials"), path);
    for (index, child) in list(&mut members, "Children").into_iter().enumerate() {
        let at = format!("{at}/Children/{index}");
        match child {
            Value::Object(mut child) if !path.is_too_deep() => {
                let name = document.name(&mut child, &["Name"]);
                let path = path.below(name);
                document.place(path.clone(), &at);
                group(document, child, &path, &at);
            }
            other => document.behind(&other, &at, NO_RECORD),
        }
    }
    document.resolve(&mut members, &["Id", "ParentId"]);
    document.leave_rest(members, at);
}

fn pleasant(item: &mut Item<'_>, mut members: Members) -> Kept {
    PLEASANT.fill(item, &mut members);
    without_password(item);
    let expires = item.simple(&mut members, "Expires");
    item.field("Expiry", CustomKind::Text, expires);
    item.tags(take(&mut members, "Tags"), &["Name"]);
    for name in ["CustomUserFields", "CustomApplicationFields"] {
        let (plain, rest): (Members, Members) =
            object(&mut members, name).into_iter().partition(|(_, value)| matches!(value, Value::Text(_)));
        for (label, value) in plain {
            item.tally.carried(value.leaves());
            let text = value.into_text().unwrap_or_default();
            item.labelled(label, text);
        }
        item.unknown(name, rest);
    }
    for (index, file) in list(&mut members, "Attachments").into_iter().enumerate() {
        let at = format!("Attachments/{index}");
        let Value::Object(mut file) = file else {
            item.behind(&file, &at, "it is no file");
            continue;
        };
        item.resolve(&mut file, &["AttachmentId", "CredentialObjectId", "FileSize", "Id"]);
        let data = take(&mut file, "FileData");
        let content = match &data {
            Value::Text(text) => base64(text).filter(|bytes| !bytes.is_empty()),
            _ => None,
        };
        if let Some(content) = content {
            item.tally.carried(data.leaves());
            let name = item.simple(&mut file, "FileName");
            item.attach(name, SecretBytes::new(content));
        } else {
            item.behind(&data, &format!("{at}/FileData"), "it is not the content of a file");
            item.leave(&at, &mut file, &["FileName"], "the file has no content in this export");
        }
        item.unknown(&at, file);
    }
    item.unknown("", members);
    Kept::Record
}
