//! Password Safe: its database (`psafe3`) and its XML.
//!
//! Signature: the magic `PWS3`; an XML document `passwordsafe` with `entry` or `delimiter`.
//! Mapping: `.` nests groups, `\.` is a dot in a name; title, user name, password, address and notes fill the record; an e-mail address is
//! the login where there is no other; a two-factor key with its settings is `TOTP`, a card's fields have the labels that every card has
//! here, a passkey is one hidden field, custom texts are fields, attachments attachments. An alias (`[[id]]`, in XML
//! `[[group:title:user]]`) has the password of the entry that it names, a shortcut (`[~…~]`) that entry's user name, address and notes as well.
//! Resolved: ids, references that lead somewhere. Told: dates, earlier passwords, policies, auto-type, shortcuts of the keyboard, settings
//! of the database. A password that expires is a field `Expiry`. Fields from `0x1b` on are those of new versions: the settings of
//! their one-time codes are not verified.
//!
//! | file | what it knows |
//! |---|---|
//! | `container` | the database: key, cipher, check; to rows of typed fields |
//! | `entry` | a row of fields, to a record |
//! | `xml` | the XML |

mod container;
mod entry;
mod xml;

pub(crate) use xml::{fits as fits_xml, read as read_xml};

use crate::csv::split_path;
use crate::head::{Fit, Head};
use crate::sealed::whole;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::RecordPath;
use std::io::Read;

/// Whether it is a database.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    head.bytes.starts_with(container::MAGIC).into()
}

/// Reads a database.
pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let bytes = whole(input)?;
    let opened = container::open(&bytes, options)?;
    Ok(entry::records(opened))
}

/// The folders of a group.
fn path(group: &str) -> RecordPath {
    RecordPath { vault: None, folders: split_path(group, '.') }
}

/// An entry that another refers to.
enum Reference {
    /// It has that entry's password.
    Alias(String),
    /// It is that entry, in another place.
    Shortcut(String),
}

/// What a password refers to, where it is no password: an id in hexadecimal digits, in small letters; in XML `group:title:user`
/// as well.
fn reference(password: &str, is_xml: bool) -> Option<Reference> {
    let between = |start: &str, end: &str| {
        let inside = password.strip_prefix(start)?.strip_suffix(end)?;
        let names = || (is_xml && inside.split(':').count() > 2).then(|| inside.to_owned());
        plain_id(inside).or_else(names)
    };
    between("[[", "]]").map(Reference::Alias).or_else(|| between("[~", "~]").map(Reference::Shortcut))
}

/// An id without what is put around and into it; `None` for what is none.
fn plain_id(id: &str) -> Option<String> {
    let digits: String = id.chars().filter(|c| !matches!(c, '-' | '{' | '}')).collect();
    (digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| digits.to_ascii_lowercase())
}

/// Why a reference stays as it stands there.
const NOWHERE: &str =
    "the password of an entry refers to another that is not in the file, or refers on: it stays as it is";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_nest_by_dots_that_nothing_escapes() {
        assert_eq!(path("a.b\\.c.d").folders, ["a", "b.c", "d"]);
        assert!(path("").folders.is_empty());
    }

    #[test]
    fn references_are_told_from_passwords() {
        let id = "0123456789abcdef0123456789ABCDEF";
        let alias = reference(&format!("[[{id}]]"), false);
        assert!(matches!(alias, Some(Reference::Alias(found)) if found == id.to_lowercase()));
        assert!(matches!(reference(&format!("[~{id}~]"), false), Some(Reference::Shortcut(_))));
        for password in ["[[x]]", "[~~]", "[[", "]]", "", "[[é]]", &format!("[[{id}~]")] {
            assert!(reference(password, true).is_none(), "{password}");
        }
        assert!(reference("[[a.b:title:user]]", false).is_none());
        let alias = reference("[[a.b:title:user]]", true);
        assert!(matches!(alias, Some(Reference::Alias(found)) if found == "a.b:title:user"));
    }
}
