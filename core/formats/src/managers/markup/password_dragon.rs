//! Password Dragon's XML.
//!
//! Signature: `PasswordManager` with `record`. Mapping: the category is the folder; attributes are fields of their names. `null` is nothing.
//! The whole document is kept in memory.

use super::at_top;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::Item;
use crate::managers::items::Kept;
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    head.has_element("PasswordManager/record").into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "PasswordManager", "Password Dragon")?;
    document.elements(&mut members, "record", "/PasswordManager", &Place::default());
    document.leave_rest(members, "/PasswordManager");
    Ok(document.entries(Box::new(fill)))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    for (_, value) in &mut members {
        if matches!(value, Value::Text(text) if text.as_str() == "null") {
            item.tally.resolved(1);
            *value = Value::Null;
        }
    }
    item.basics(&mut members, ["Account-Name", "User-Id", "Password", "URL"]);
    let notes = item.text(&mut members, "Notes");
    item.note(&notes);
    let category = item.text(&mut members, "Category");
    item.record.path = at_top(category);
    for number in 1..=10 {
        let label = format!("Attribute-{number}");
        let value = item.text(&mut members, &label);
        item.labelled(label, value);
    }
    item.unknown("", members);
    Kept::Record
}
