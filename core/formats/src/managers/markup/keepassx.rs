//! KeePassX's XML, of the versions before 2.
//!
//! Signature: a document type `KEEPASSX_DATABASE`, or `database` with `group` and `title`. Mapping: groups nest; `<br/>` is a line
//! break; an expiry that is a date is the field `Expiry`; the attachment that an entry may have.
//! Told: dates, icons. The whole document is kept in memory.

use super::{each, inner};
use crate::document::take;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::item::{DATES, Item, OWN, seconds};
use crate::managers::items::{Document, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::SecretBytes;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let has = |path| head.has_element(path);
    let named = head
        .text()
        .get(..200.min(head.text().len()))
        .is_some_and(|start| start.contains("KEEPASSX_DATABASE"));
    ((named && has("database")) || has("database/group/title") || has("database/group/entry")).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "database", "KeePassX")?;
    groups(&mut document, &mut members, &Place::default(), "/database");
    document.leave_rest(members, "/database");
    Ok(document.entries(Box::new(fill)))
}

fn groups(document: &mut Document, members: &mut Members, path: &Place, above: &str) {
    for (at, group) in each(members, "group") {
        let (at, mut group) = (format!("{above}/{at}"), inner(group));
        if path.is_too_deep() {
            document.behind(&Value::Object(group), &at, "its folders are nested too deep");
            continue;
        }
        let name = document.name(&mut group, &["title"]);
        let path = path.below(if name.is_empty() { "Unnamed".to_owned() } else { name });
        document.place(path.clone(), &at);
        document.elements(&mut group, "entry", &at, &path);
        groups(document, &mut group, &path, &at);
        document.leave_rest(group, &at);
    }
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    item.basics(&mut members, ["title", "username", "password", "url"]);
    let comment = item.text(&mut members, "comment");
    item.note(&comment);
    item.created("", &mut members, &["creation"]);
    item.changed("", &mut members, &["lastmod"]);
    item.leave("", &mut members, &["lastaccess"], DATES);
    let expiry = take(&mut members, "expire");
    match expiry {
        Value::Text(text) if seconds(&Value::Text(text.clone())).is_some() => {
            item.tally.carried(1);
            item.field("Expiry", CustomKind::Text, text.to_string());
        }
        Value::Text(text) if text.eq_ignore_ascii_case("never") => item.tally.resolved(1),
        Value::Null => {}
        other => item.behind(&other, "expire", "it is no date"),
    }
    let file = take(&mut members, "bin");
    let content = match &file {
        Value::Text(text) => base64(text).filter(|bytes| !bytes.is_empty()),
        _ => None,
    };
    if let Some(content) = content {
        item.tally.carried(1);
        let name = item.text(&mut members, "bindesc");
        item.attach(name, SecretBytes::new(content));
    } else {
        item.behind(&file, "bin", "it is not the content of a file");
        item.leave("", &mut members, &["bindesc"], "the file has no content in this export");
    }
    item.leave("", &mut members, &["icon"], OWN);
    item.unknown("", members);
    Kept::Record
}
