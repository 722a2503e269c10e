//! What managers' own command lines print as JSON: 1Password's `op`, LastPass' `lpass`. Bitwarden's `bw` prints its items as its export has them.
//!
//! Signatures: objects with `category`, `title` and a `vault` that has a name, in a list or one after the other; a list of objects with
//! `fullname` and `group`.
//! Mapping: `op`: the vault is the vault; fields by their purpose fill the record, others are fields by their labels, hidden where they are
//! `CONCEALED`. `lpass`: `\` nests groups, `http://sn` is no address.
//! Sections: see [`super::sections`]. Resolved: ids, kinds, the code of the moment. Told: dates, files (they are not in the output), strength. An item
//! of a listing has no fields, and that is told. The members of `lpass` are not verified.
//! The whole output is kept in memory.

use super::item::{EARLIER, Item, folders, list, object};
use super::items::{Document, Found, Kept};
use super::plain::{Map, NOTHING};
use crate::csv::managers::{NO_FOLDER, note_with_type};
use crate::document::{documents, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions, date};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::{CustomKind, Earlier};
use keyferry_crypto::secret::SecretString;
use std::io::Read;

fn any(head: &Head<'_>, own: impl Fn(&Value) -> bool) -> Fit {
    match head.json() {
        Some(Value::List(list)) => list.iter().any(own).into(),
        Some(one) => own(one).into(),
        None => Fit::No,
    }
}

/// Whether it is what `op` prints.
pub(crate) fn fits_op(head: &Head<'_>) -> Fit {
    any(head, |one| {
        let vault = one.get("vault").is_some_and(|vault| vault.has("id") || vault.has("name"));
        vault && one.has("title") && one.has("category")
    })
}

/// Whether it is what `lpass` prints.
pub(crate) fn fits_lastpass(head: &Head<'_>) -> Fit {
    any(head, |one| one.has("fullname") && one.has("group") && one.has("username"))
}

/// Items of a list, or of objects one after the other.
fn open(input: Box<dyn Read + Send>) -> Result<Document> {
    let mut document = Document::default();
    for (number, value) in documents(input)?.into_iter().enumerate() {
        document.tally.read(value.leaves());
        match value {
            Value::List(list) => document.items(list, "", &Place::default()),
            value => {
                document.found.push(Found { value, at: format!("/{number}"), path: Place::default() });
            }
        }
    }
    Ok(document)
}

pub(crate) fn read_op(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    Ok(open(input)?.entries(Box::new(op)))
}

const OP: Map = Map {
    name: &["title"],
    favorite: &["favorite"],
    created: &["created_at"],
    changed: &["updated_at"],
    resolved: &["id", "category", "version", "state", "trashed"],
    own: &["last_edited_by", "additional_information"],
    ..NOTHING
};

fn op(item: &mut Item<'_>, mut members: Members) -> Kept {
    if members.iter().any(|(name, value)| {
        name == "state" && matches!(value, Value::Text(state) if state.eq_ignore_ascii_case("archived"))
    }) {
        item.archived();
    }
    OP.fill(item, &mut members);
    let mut vault = object(&mut members, "vault");
    let name = item.simple(&mut vault, "name");
    item.record.path.vault = Some(name).filter(|name| !name.is_empty());
    item.resolve(&mut vault, &["id"]);
    item.unknown("vault", vault);
    item.tags(take(&mut members, "tags"), &["name"]);
    let mut urls: Vec<_> = list(&mut members, "urls").into_iter().enumerate().collect();
    // The first one that is said to be the first.
    urls.sort_by_key(|(_, url)| !matches!(url.get("primary"), Some(Value::Bool(true))));
    for (index, url) in urls {
        let Value::Object(mut url) = url else {
            item.behind(&url, &format!("urls/{index}"), "it is no address");
            continue;
        };
        let href = item.simple(&mut url, "href");
        item.url(href);
        item.resolve(&mut url, &["primary"]);
        item.leave(&format!("urls/{index}"), &mut url, &["label"], "labels of addresses do not move");
        item.unknown("urls", url);
    }
    let is_listing = !members.iter().any(|(name, _)| name == "fields");
    let sections = list(&mut members, "sections");
    for (index, mut field) in list(&mut members, "fields").into_iter().enumerate() {
        let section = match &mut field {
            Value::Object(field) => take(field, "section"),
            _ => Value::Null,
        };
        item.tally.resolved(section.leaves());
        let name = section_name(&section, &sections).to_owned();
        item.in_section(&name, |item| op_field(item, field, &format!("fields/{index}")));
    }
    item.name_sections();
    if is_listing {
        item.remark("an item of a listing has no fields: op item get prints them");
    }
    for section in &sections {
        item.tally.resolved(section.leaves());
    }
    for (index, file) in list(&mut members, "files").into_iter().enumerate() {
        item.behind(&file, &format!("files/{index}"), crate::zip::NO_BYTES);
    }
    item.unknown("", members);
    Kept::Record
}

/// What the section of a field is called: the field says so, or the list of sections.
fn section_name<'a>(section: &'a Value, sections: &'a [Value]) -> &'a str {
    let text = |value: &'a Value, name: &str| match value.get(name) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let id = text(section, "id");
    let listed = || sections.iter().find(|one| id.is_some() && text(one, "id") == id);
    text(section, "label").or_else(|| text(listed()?, "label")).unwrap_or_default()
}

fn op_field(item: &mut Item<'_>, field: Value, at: &str) {
    let Value::Object(mut field) = field else { return item.behind(&field, at, "it is no field") };
    let (kind, purpose) = (item.mark(&mut field, "type"), item.mark(&mut field, "purpose"));
    item.resolve(&mut field, &["reference", "totp", "entropy"]);
    let mut details = object(&mut field, "password_details");
    let history = take(&mut details, "history");
    if let Value::List(passwords) = &history
        && purpose == "PASSWORD"
    {
        let texts = passwords.iter().filter_map(|one| match one {
            Value::Text(text) if !text.is_empty() => Some(SecretString::from(text.as_str())),
            _ => None,
        });
        item.record.history.extend(texts.map(|password| Earlier { password, changed_at: None }));
    }
    item.behind(&history, &format!("{at}/password_details/history"), EARLIER);
    item.leave_rest(&format!("{at}/password_details"), details);
    let value = item.simple(&mut field, "value");
    let fills = match purpose.as_str() {
        "USERNAME" => item.record.login.is_empty(),
        "PASSWORD" => item.record.password.is_none(),
        "NOTES" => true,
        _ => false,
    };
    if value.is_empty() || fills {
        item.resolve(&mut field, &["id", "label"]);
        match purpose.as_str() {
            _ if value.is_empty() => {}
            "USERNAME" => item.record.login = value,
            "PASSWORD" => item.password("Password", value),
            _ => item.note(&value),
        }
        return if is_secret(&kind) { item.unknown_secrets(at, field) } else { item.unknown(at, field) };
    }
    let mut label = item.simple(&mut field, "label");
    if label.is_empty() {
        label = item.simple(&mut field, "id");
    } else {
        item.resolve(&mut field, &["id"]);
    }
    match kind.as_str() {
        "OTP" => item.code(&label, value),
        kind if is_secret(kind) => item.field(label, CustomKind::Password, value),
        "MONTH_YEAR" => item.field(label, CustomKind::Text, date::month(&value).unwrap_or(value)),
        "URL" | "EMAIL" | "PHONE" | "DATE" | "ADDRESS" | "MENU" => item.field(label, CustomKind::Text, value),
        _ => item.labelled(label, value),
    }
    if is_secret(&kind) { item.unknown_secrets(at, field) } else { item.unknown(at, field) }
}

/// Whether fields of a kind are hidden, with all that stands in them: a key has its other forms beside it.
fn is_secret(kind: &str) -> bool {
    matches!(kind, "CONCEALED" | "SSHKEY" | "CREDIT_CARD_NUMBER")
}

const LASTPASS: Map = Map {
    name: &["name"],
    login: &["username"],
    password: &["password"],
    note: &["note"],
    changed: &["last_modified_gmt"],
    resolved: &["id", "fullname"],
    own: &["last_touch"],
    ..NOTHING
};

pub(crate) fn read_lastpass(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    Ok(open(input)?.entries(Box::new(|item, mut members| {
        LASTPASS.fill(item, &mut members);
        let group = item.simple(&mut members, "group");
        if group == NO_FOLDER {
            item.tally.turned_out_resolved();
        } else {
            item.record.path = folders(&group, '\\');
        }
        let url = item.simple(&mut members, "url");
        if url == "http://sn" || url == "http://" {
            item.tally.turned_out_resolved();
        } else {
            item.url(url);
        }
        note_with_type(&mut item.record);
        item.unknown("", members);
        Kept::Record
    })))
}
