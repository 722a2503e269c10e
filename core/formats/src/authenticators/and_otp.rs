//! andOTP's backup, in the clear: a list of codes.
//!
//! Signature: a list of objects with `secret`, `digits` and `algorithm`. Told: thumbnails, when a code was used.

use super::Code;
use crate::document::{document, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN};
use crate::managers::items::{Document, Found, Kept, not_one};
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::RecordPath;
use std::io::Read;

/// Whether it is such a backup.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |one: &Value| ["secret", "digits", "algorithm"].iter().all(|name| one.has(name));
    matches!(head.json(), Some(Value::List(list)) if list.iter().any(own)).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let Value::List(list) = document(input)? else { return Err(not_one("andOTP")) };
    let mut document = Document::default();
    for (index, value) in list.into_iter().enumerate() {
        document.tally.read(value.leaves());
        document.found.push(Found { value, at: format!("/{index}"), path: RecordPath::default() });
    }
    Ok(document.entries(Box::new(fill)))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    let code = Code {
        issuer: item.simple(&mut members, "issuer"),
        account: item.simple(&mut members, "label"),
        secret: item.simple(&mut members, "secret"),
        algorithm: item.mark(&mut members, "algorithm"),
        digits: item.mark(&mut members, "digits"),
        period: item.mark(&mut members, "period"),
        counter: item.mark(&mut members, "counter"),
        kind: item.mark(&mut members, "type"),
    };
    code.fill(item);
    item.tags(take(&mut members, "tags"), &["name"]);
    item.leave("", &mut members, &["thumbnail", "last_used", "used_frequency"], OWN);
    item.unknown("", members);
    Kept::Record
}
