//! 1Password's `.1pux`: a zip archive of `export.data` (JSON), `export.attributes` and `files/`; or `export.data` by itself.
//!
//! Signature: members of these names; or `accounts` with `attrs` and `vaults`.
//! Mapping: a vault of two accounts' name gets the account's name in brackets. Addresses, login fields, then sections in
//! their order, each field by its own label; files by their document's id. Of a database, a server and an API credential
//! the fields `username`, `password`, `hostname` and their like fill the record. What is archived gets the tag `archived`.
//! Sections: see [`super::sections`]. Resolved: ids, kinds, what the title's second line repeats.
//! Told: the bin (where it is not asked for), dates, earlier passwords, references to other items, labels of addresses, members of accounts and vaults.
//! The whole archive is kept in memory.

use super::item::{Item, OWN, list, object};
use super::items::{BIN, Document, Kept};
use crate::date;
use crate::document::{NO_RECORD, take};
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value};
use crate::managers::place::Place;
use crate::zip::{self, Zip};
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use std::collections::HashSet;
use std::io::Read;

const WHOSE: &str = "1Password (.1pux)";

/// Whether it is such an archive, or its document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let is_document = |document: &Value| match document.get("accounts") {
        Some(Value::List(accounts)) => accounts.iter().any(|account| {
            matches!(account.get("vaults"), Some(Value::List(_)))
                && matches!(account.get("attrs"), Some(Value::Object(_)))
        }),
        _ => false,
    };
    let members = head.members();
    let own = |name: &String| name == "export.data" || name == "export.attributes";
    (members.iter().any(own)
        || (!members.is_empty() && head.ending().as_deref() == Some("1pux"))
        || head.json().is_some_and(is_document))
    .into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let (is_zip, input) = zip::sniff(input)?;
    let (mut document, mut members) = if is_zip {
        let mut zip = Zip::open(input)?;
        let attributes = zip.take("export.attributes")?;
        let (mut document, members) = Document::member(zip, "export.data", WHOSE)?;
        if let Some(attributes) = attributes
            && let Ok(attributes) = crate::document::parsed(&attributes)
        {
            document.tally.read(attributes.leaves());
            document.tally.resolved(attributes.leaves());
        }
        (document, members)
    } else {
        Document::object(input, WHOSE)?
    };
    let mut names = HashSet::new();
    for (number, account) in list(&mut members, "accounts").into_iter().enumerate() {
        let at = format!("/accounts/{number}");
        let Value::Object(mut account) = account else {
            document.behind(&account, &at, NO_RECORD);
            continue;
        };
        let mut attributes = object(&mut account, "attrs");
        let owner = document.id(&mut attributes, &["accountName"]);
        let owner = document.id(&mut attributes, &["name"]).or(owner).unwrap_or_default();
        document.resolve(&mut attributes, &["uuid", "email", "domain", "avatar"]);
        document.leave_rest(attributes, &format!("{at}/attrs"));
        let mut of_account = HashSet::new();
        for (number, vault) in list(&mut account, "vaults").into_iter().enumerate() {
            let at = format!("{at}/vaults/{number}");
            vault_of(&mut document, vault, &at, &owner, &names, &mut of_account);
        }
        names.extend(of_account);
        document.leave_rest(account, &at);
    }
    document.leave_rest(members, "");
    Ok(document.with_bin(options).entries(Box::new(fill)))
}

fn vault_of(
    document: &mut Document,
    vault: Value,
    at: &str,
    owner: &str,
    taken: &HashSet<String>,
    names: &mut HashSet<String>,
) {
    let Value::Object(mut vault) = vault else { return document.behind(&vault, at, NO_RECORD) };
    let mut attributes = object(&mut vault, "attrs");
    let mut name = document.name(&mut attributes, &["name"]);
    document.resolve(&mut attributes, &["uuid", "type", "avatar"]);
    document.leave_rest(attributes, &format!("{at}/attrs"));
    names.insert(name.clone());
    if taken.contains(&name) {
        document.tally.remark("a vault of this name stands in another account too: the account is added", at);
        name = format!("{name} ({owner})");
    }
    let path = Place::vault(name);
    document.place(path.clone(), at);
    let mut items = list(&mut vault, "items");
    for item in &mut items {
        // Older versions wrap each.
        if let Value::Object(members) = item
            && let Some((_, inner)) =
                members.iter_mut().find(|(name, value)| name == "item" && matches!(value, Value::Object(_)))
        {
            let Value::Object(inner) = std::mem::replace(inner, Value::Null) else { continue };
            members.retain(|(name, _)| name != "item");
            members.extend(inner);
        }
    }
    document.items(items, &format!("{at}/items"), &path);
    document.leave_rest(vault, at);
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    let state = item.mark(&mut members, "state");
    let trashed = item.flag(&mut members, "trashed") == Some(true);
    if item.stays_in_bin(trashed || matches!(state.as_str(), "deleted" | "trashed")) {
        return BIN;
    }
    if state == "archived" {
        item.archived();
    }
    item.resolve(&mut members, &["uuid"]);
    let kind = item.mark(&mut members, "categoryUuid");
    let place = item.mark(&mut members, "favIndex");
    item.record.favorite = !place.is_empty() && place != "0";
    item.created("", &mut members, &["createdAt"]);
    item.changed("", &mut members, &["updatedAt"]);
    let (mut overview, mut details) = (object(&mut members, "overview"), object(&mut members, "details"));
    item.record.name = item.simple(&mut overview, "title");
    let url = item.simple(&mut overview, "url");
    item.url(url);
    // The first repeats `url`.
    let mut seen = HashSet::new();
    for (index, address) in list(&mut overview, "urls").into_iter().enumerate() {
        let at = format!("overview/urls/{index}");
        let Value::Object(mut address) = address else {
            item.behind(&address, &at, "it is no address");
            continue;
        };
        let url = item.simple(&mut address, "url");
        if seen.insert(url.clone()) {
            item.url(url);
        }
        item.leave(&at, &mut address, &["label"], "labels of addresses do not move");
        item.leave(&at, &mut address, &["mode"], "rules for matching addresses do not move");
        item.unknown(&at, address);
    }
    item.tags(take(&mut overview, "tags"), &["name"]);
    fill_details(item, &mut details, &kind);
    for name in ["subtitle", "ainfo"] {
        let text = item.mark(&mut overview, name);
        let known = [&item.record.login, &item.record.url, &item.record.name];
        let is_known = known.into_iter().any(|known| *known == text);
        let shown = item.record.customs.iter().any(|custom| custom.value.expose() == text);
        if !is_known && !shown {
            item.field("Subtitle", CustomKind::Text, text);
        }
    }
    for name in ["ps", "pbe", "pgrng", "icons", "watchtowerExclusions"] {
        item.leave("overview", &mut overview, &[name], OWN);
    }
    item.unknown("overview", overview);
    item.unknown("details", details);
    item.unknown("", members);
    Kept::Record
}

fn fill_details(item: &mut Item<'_>, details: &mut Members, kind: &str) {
    for (index, field) in list(details, "loginFields").into_iter().enumerate() {
        login_field(item, field, &format!("details/loginFields/{index}"));
    }
    let note = item.simple(details, "notesPlain");
    item.note(&note);
    let password = item.simple(details, "password");
    item.password("Password", password);
    let mut document = object(details, "documentAttributes");
    file(item, &mut document, "details/documentAttributes");
    let history = take(details, "passwordHistory");
    item.earlier(&history, "details/passwordHistory", &["value", "password"], &["time"]);
    let fills = matches!(kind, "102" | "110" | "112") && item.record.login.is_empty();
    let alone = details.iter().find(|(name, _)| name == "sections").is_none_or(|(_, value)| is_alone(value));
    for (index, section) in list(details, "sections").into_iter().enumerate() {
        let at = format!("details/sections/{index}");
        let Value::Object(mut section) = section else {
            item.behind(&section, &at, "it is no section");
            continue;
        };
        let title = item.mark(&mut section, "title");
        item.resolve(&mut section, &["name", "hideAddAnotherField"]);
        let fields = list(&mut section, "fields").into_iter().enumerate();
        // The fields of a section without a name are the item's own.
        let fills = fills && (alone || title.trim().is_empty());
        item.in_section(&title, |item| {
            for (index, field) in fields {
                section_field(item, field, &format!("{at}/fields/{index}"), fills);
            }
        });
        item.unknown(&at, section);
    }
    item.name_sections();
}

/// Whether at most one of the sections has a name: of several, none is more the record than the others.
fn is_alone(sections: &Value) -> bool {
    let Value::List(sections) = sections else { return true };
    let has_values = |section: &Value| match section.get("fields") {
        Some(Value::List(fields)) => fields.iter().any(|field| match field.get("value") {
            Some(Value::Object(values)) => values.iter().any(|(_, value)| value.leaves() > 0),
            _ => false,
        }),
        _ => false,
    };
    let is_named = |section: &&Value| {
        matches!(section.get("title"), Some(Value::Text(title)) if !title.trim().is_empty())
            && has_values(section)
    };
    sections.iter().filter(is_named).count() < 2
}

/// A field of the page that the login was saved from.
fn login_field(item: &mut Item<'_>, field: Value, at: &str) {
    let Value::Object(mut field) = field else {
        return item.behind(&field, at, "it is no field");
    };
    let value = item.simple(&mut field, "value");
    let designation = item.mark(&mut field, "designation");
    let kind = item.mark(&mut field, "fieldType");
    match designation.as_str() {
        "username" => item.login(value),
        "password" => item.password("Password", value),
        _ => {
            let label = item.simple(&mut field, "name");
            let id = item.mark(&mut field, "id");
            let label = if label.is_empty() { id } else { label };
            match kind.as_str() {
                "P" => item.field(label, CustomKind::Password, value),
                "C" => item.field(label, CustomKind::Text, value),
                _ => item.labelled(label, value),
            }
        }
    }
    item.resolve(&mut field, &["id", "name"]);
    item.unknown(at, field);
}

fn section_field(item: &mut Item<'_>, field: Value, at: &str, fills: bool) {
    let Value::Object(mut field) = field else {
        return item.behind(&field, at, "it is no field");
    };
    let title = item.simple(&mut field, "title");
    let id = item.mark(&mut field, "id");
    let label = if title.is_empty() { id.clone() } else { title };
    item.resolve(&mut field, &["guarded", "multiline", "dontGenerate", "placeholder", "indexAtSource"]);
    item.leave(at, &mut field, &["inputTraits", "clipboardFilter"], OWN);
    let mut is_secret = false;
    for (kind, value) in object(&mut field, "value") {
        is_secret |= matches!(kind.as_str(), "concealed" | "creditCardNumber" | "sshKey" | "totp");
        let empty = value.leaves() == 0;
        if !empty {
            typed(item, &label, &id, (&kind, value), fills, at);
        }
    }
    if is_secret { item.unknown_secrets(at, field) } else { item.unknown(at, field) }
}

/// A field of kind `date`, in seconds, or `monthYear`, in digits.
pub(super) fn day_or_month(item: &mut Item<'_>, label: &str, kind: &str, number: String) {
    item.tally.carried(1);
    let text = match kind {
        "date" => number.parse().map_or(number, date::day),
        _ => date::month(&number).unwrap_or(number),
    };
    item.field(label, CustomKind::Text, text);
}

/// A field's one value by its kind.
fn typed(item: &mut Item<'_>, label: &str, id: &str, (kind, value): (&str, Value), fills: bool, at: &str) {
    if fills && matches!(kind, "string" | "concealed" | "url") {
        let text = item.joined(value, "\n");
        return match id {
            "username" => item.login(text),
            "password" | "credential" => item.password(label, text),
            "hostname" | "server" | "url" | "website" if item.record.url.is_empty() => item.url(text),
            _ if kind == "concealed" => item.field(label, CustomKind::Password, text),
            _ => item.labelled(label, text),
        };
    }
    match (kind, value) {
        ("concealed" | "creditCardNumber", value) => {
            let text = item.joined(value, "\n");
            item.field(label, CustomKind::Password, text);
        }
        ("totp", value) => {
            let text = item.joined(value, "\n");
            item.code(label, text);
        }
        ("date" | "monthYear", Value::Number(number)) => day_or_month(item, label, kind, number),
        ("email", Value::Object(mut mail)) => {
            let address = item.simple(&mut mail, "email_address");
            item.field(label, CustomKind::Text, address);
            item.resolve(&mut mail, &["provider"]);
            item.unknown(label, mail);
        }
        ("address", Value::Object(mut address)) => {
            let mut part = |name: &str| item.simple(&mut address, name);
            let (street, zip, city) = (part("street"), part("zip"), part("city"));
            let (state, country) = (part("state"), part("country"));
            let town = [zip, city].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
            let lines = [street, town, state, country].into_iter().filter(|line| !line.is_empty());
            let text = lines.collect::<Vec<_>>().join("\n");
            item.field(label, CustomKind::Text, text);
            item.unknown(label, address);
        }
        ("file", Value::Object(mut attributes)) => {
            file(item, &mut attributes, &format!("{at}/value/file"));
        }
        ("sshKey", Value::Object(mut key)) => {
            let private = item.simple(&mut key, "privateKey");
            item.field("Private key", CustomKind::Password, private);
            let mut metadata = object(&mut key, "metadata");
            let public = item.simple(&mut metadata, "publicKey");
            item.field("Public key", CustomKind::Text, public);
            let fingerprint = item.simple(&mut metadata, "fingerprint");
            item.field("Fingerprint", CustomKind::Text, fingerprint);
            item.resolve(&mut metadata, &["keyType", "privateKey"]);
            item.unknown(label, metadata);
            item.unknown_secrets(label, key);
        }
        ("passkey", value) => item.passkey(&value),
        ("reference", value) => {
            item.behind(
                &value,
                &format!("{at}/value/reference"),
                "a reference to another item does not move",
            );
        }
        (
            "string" | "url" | "phone" | "gender" | "menu" | "creditCardType" | "email" | "date"
            | "monthYear",
            value,
        ) => {
            let text = item.joined(value, "\n");
            item.labelled(label, text);
        }
        (_, value) => {
            item.tally.carried(value.leaves());
            item.remark("a value of a kind that nobody knows is kept as text");
            let text = match value {
                Value::Object(_) | Value::List(_) => json::text(&value).expose().to_owned(),
                plain => plain.into_text().unwrap_or_default(),
            };
            item.labelled(label, text);
        }
    }
}

/// A file of the archive, by its document's id.
fn file(item: &mut Item<'_>, attributes: &mut Members, at: &str) {
    let name = item.simple(attributes, "fileName");
    let id = item.mark(attributes, "documentId");
    if !id.is_empty() {
        item.attach_member(&format!("files/{id}__{name}"), name, &format!("{at}/fileName"));
    }
    item.resolve(attributes, &["decryptedSize"]);
    item.unknown(at, std::mem::take(attributes));
}
