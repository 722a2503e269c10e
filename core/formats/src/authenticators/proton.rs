//! Proton Authenticator's export.
//!
//! Signature: `entries` whose `content` has a `uri`. The address stays as found.

use super::otpauth::described;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, list, object};
use crate::managers::items::{Document, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use std::io::Read;

/// Whether it is such an export.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |entry: &Value| entry.get("content").is_some_and(|content| content.has("uri"));
    let entries = head.json().and_then(|document| document.get("entries"));
    matches!(entries, Some(Value::List(entries)) if entries.iter().any(own)).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Proton Authenticator")?;
    document.resolve(&mut members, &["version"]);
    document.items(list(&mut members, "entries"), "/entries", &Place::default());
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(fill)))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    let mut content = object(&mut members, "content");
    let address = item.simple(&mut content, "uri");
    let (issuer, account) = described(&address);
    let name = item.simple(&mut content, "name");
    item.record.name = if issuer.is_empty() { name.clone() } else { issuer };
    if item.record.name.is_empty() {
        item.record.name.clone_from(&account);
    }
    item.login(account);
    item.login(name);
    item.code("TOTP", address);
    let note = item.simple(&mut members, "note");
    item.note(&note);
    item.resolve(&mut content, &["entry_type"]);
    item.resolve(&mut members, &["id"]);
    item.unknown("content", content);
    item.unknown("", members);
    Kept::Record
}
