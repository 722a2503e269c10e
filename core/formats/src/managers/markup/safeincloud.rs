//! The XML of `SafeInCloud`.
//!
//! Signature: `database` with `card` or `label`. Mapping: labels are folders, the first is the place, the others `also_in`;
//! `login`, `password`, `website` fill the record, further ones and every other field keep their labels; `password` and `pin` are
//! hidden; a month of `expiry` is `YYYY-MM`; an e-mail address is the login where there is no other; `file` and `image` are attachments.
//! Resolved: ids, kinds, symbols. Told: cards that are templates, the bin, dates, colors, icons, marks of what was deleted, what a
//! field keeps of its strength or its history. Where a `history` of fields stands is not verified.
//! The whole document is kept in memory.

use super::{each, inner};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::item::{EARLIER, Item, OWN};
use crate::managers::items::{BIN, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions, date};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::collections::HashMap;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    (head.has_element("database/card") || head.has_element("database/label")).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "database", "SafeInCloud")?;
    let mut labels = HashMap::new();
    for (at, label) in each(&mut members, "label") {
        let (at, mut label) = (format!("/database/{at}"), inner(label));
        let name = document.name(&mut label, &["@name"]);
        let id = document.id(&mut label, &["@id"]).unwrap_or_default();
        document.resolve(&mut label, &["@type", "@time_stamp", "@first_stamp"]);
        document.leave_rest(label, &at);
        let path = Place::default().below(name);
        document.place(path.clone(), at);
        labels.insert(id, path);
    }
    document.elements(&mut members, "card", "/database", &Place::default());
    for (at, mark) in each(&mut members, "ghost") {
        document.behind(&mark, &format!("/database/{at}"), "it marks what was deleted");
    }
    document.leave_rest(members, "/database");
    Ok(document.with_bin(options).entries(Box::new(move |item, members| fill(item, members, &labels))))
}

fn fill(item: &mut Item<'_>, mut members: Members, labels: &HashMap<String, Place>) -> Kept {
    if item.flag(&mut members, "@template") == Some(true) {
        return Kept::LeftOut("a card that is a template stays behind");
    }
    let deleted = item.flag(&mut members, "@deleted") == Some(true);
    if item.stays_in_bin(deleted) {
        return BIN;
    }
    if item.flag(&mut members, "@archived") == Some(true) {
        item.archived();
    }
    item.record.name = item.simple(&mut members, "@title");
    item.favorite(&mut members, "@star");
    item.resolve(&mut members, &["@id", "@type", "@symbol", "@prefix", "@autofill"]);
    item.created("", &mut members, &["@first_stamp"]);
    item.changed("", &mut members, &["@time_stamp"]);
    item.leave("", &mut members, &["@color", "@icon", "custom_icon", "website_icon"], OWN);
    for (at, label) in each(&mut members, "label_id") {
        let leaves = label.leaves();
        let path = match &label {
            Value::Text(id) => labels.get(id.trim()).cloned(),
            _ => None,
        };
        match path {
            Some(path) => {
                item.tally.resolved(leaves);
                item.place(path);
            }
            None => item.behind(&label, &at, "it names no label of the file"),
        }
    }
    let mut mail = None;
    for (at, value) in each(&mut members, "field") {
        mail = mail.or(field(item, inner(value), &at));
    }
    if let Some(Mail { index, labelled }) = mail
        && item.record.login.is_empty()
        && index < item.record.customs.len()
    {
        let mail = item.record.customs.remove(index);
        mail.value.expose().clone_into(&mut item.record.login);
        if labelled {
            item.tally.turned_out_resolved();
        }
    }
    let notes = item.text(&mut members, "notes");
    item.note(&notes);
    for kind in ["file", "image"] {
        for (index, (at, value)) in each(&mut members, kind).into_iter().enumerate() {
            attachment(item, inner(value), &at, format!("{kind} {}", index + 1));
        }
    }
    item.unknown("", members);
    Kept::Record
}

/// An e-mail address among the fields of a record.
struct Mail {
    index: usize,
    /// It has a label of its own.
    labelled: bool,
}

/// A field; where it is an e-mail address, its place.
fn field(item: &mut Item<'_>, mut field: Members, at: &str) -> Option<Mail> {
    let kind = item.mark(&mut field, "@type");
    item.resolve(&mut field, &["@autofill", "@id"]);
    item.leave(at, &mut field, &["@score", "@hash"], OWN);
    item.leave(at, &mut field, &["@history"], EARLIER);
    let value = item.simple(&mut field, "#text");
    if value.is_empty() {
        // An empty field makes none, and its label goes with it.
        item.resolve(&mut field, &["@name"]);
        item.unknown(at, field);
        return None;
    }
    // What fills the record needs no label.
    let fills = match kind.as_str() {
        "login" => item.record.login.is_empty(),
        "password" => item.record.password.is_none(),
        "website" => item.record.url.is_empty(),
        _ => false,
    };
    if fills {
        item.resolve(&mut field, &["@name"]);
        match kind.as_str() {
            "login" => item.record.login = value,
            "password" => item.record.password = Some(SecretString::new(value)),
            _ => item.record.url = value,
        }
        item.unknown(at, field);
        return None;
    }
    let own = item.simple(&mut field, "@name");
    let labelled = !own.is_empty();
    let unnamed = match kind.as_str() {
        "login" => "Login 2",
        "email" => "E-mail",
        "expiry" => "Expiry",
        "one_time_password" => "TOTP",
        _ => "",
    };
    let label = if own.is_empty() { unnamed.to_owned() } else { own };
    let index = item.record.customs.len();
    let mail = (kind == "email").then_some(Mail { index, labelled });
    match kind.as_str() {
        "password" | "pin" | "secret" => item.field(label, CustomKind::Password, value),
        "one_time_password" => item.code(&label, value),
        "expiry" => item.field(label, CustomKind::Text, date::month(&value).unwrap_or(value)),
        "login" | "website" | "email" | "phone" | "date" => item.field(label, CustomKind::Text, value),
        _ => item.labelled(label, value),
    }
    item.unknown(at, field);
    mail
}

fn attachment(item: &mut Item<'_>, mut file: Members, at: &str, unnamed: String) {
    let content = match file.iter().find(|(name, _)| name == "#text") {
        Some((_, Value::Text(text))) => base64(text),
        _ => None,
    };
    match content {
        Some(content) if !content.is_empty() => {
            drop(item.simple(&mut file, "#text"));
            let name = item.simple(&mut file, "@name");
            item.attach(if name.is_empty() { unnamed } else { name }, SecretBytes::new(content));
        }
        _ => item.leave(at, &mut file, &["#text", "@name"], "it is not the content of a file"),
    }
    item.resolve(&mut file, &["@id", "@type", "@size"]);
    item.unknown(at, file);
}
