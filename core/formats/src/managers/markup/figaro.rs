//! Figaro's Password Manager's and Kedpm's XML, in the clear.
//!
//! Signature: `FPM` with `PasswordList`, or with `KeyInfo`. Mapping: the category is the folder.
//! Told: launchers, what the program keeps of a password for itself. Not read: a file that is encrypted, as the program's own is.
//! The whole document is kept in memory.

use super::{at_top, child};
use crate::document::take;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN};
use crate::managers::items::Kept;
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    (head.has_element("FPM/PasswordList") || head.has_element("FPM/KeyInfo")).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "FPM", "Figaro's Password Manager")?;
    let mut key = child(&mut members, "KeyInfo");
    let (cipher, check) = (take(&mut key, "@cipher"), take(&mut key, "@vstring"));
    let is_plain = matches!(&cipher, Value::Text(name) if name.eq_ignore_ascii_case("none"));
    if !is_plain && (cipher.leaves() > 0 || check.leaves() > 0) {
        return Err(Error::new(ErrorKind::Input, "the passwords of this file are encrypted")
            .next_step("export it in Figaro's Password Manager as XML in the clear"));
    }
    document.tally.resolved(cipher.leaves() + check.leaves());
    document.resolve(&mut key, &["@salt"]);
    document.leave_rest(key, "/FPM/KeyInfo");
    document.resolve(&mut members, &["@full_version", "@min_version", "@display_version"]);
    let mut list = child(&mut members, "PasswordList");
    document.elements(&mut list, "PasswordItem", "/FPM/PasswordList", &Place::default());
    document.leave_rest(list, "/FPM/PasswordList");
    document.leave_rest(members, "/FPM");
    Ok(document.entries(Box::new(fill)))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    item.basics(&mut members, ["title", "user", "password", "url"]);
    let notes = item.text(&mut members, "notes");
    item.note(&notes);
    let category = item.text(&mut members, "category");
    item.record.path = at_top(category);
    item.leave("", &mut members, &["launcher", "default"], OWN);
    item.unknown("", members);
    Kept::Record
}
