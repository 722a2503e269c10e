//! The family of `KeePass`: KDBX 3.1 and 4, its export as XML, and the KDB of KeePass 1.
//!
//! Signature: the magic number; or an XML document whose outermost element is `KeePassFile`.
//! Mapping: the root group is the vault, groups are folders. `Title`, `UserName`, `Password`, `URL` and `Notes` fill the record;
//! other strings are custom fields in their order, hidden where they are protected; `KP2A_URL…` are `URL 2` and so on; one-time
//! codes in any of their spellings are `TOTP`; passkeys a hidden field with their parts; tags are those of the entry and of
//! its groups; an expiry is the field `Expiry`. References to other entries are resolved, but never a password into a field
//! that is not encrypted. `CustomData` and members that nobody knows are custom fields.
//! Resolved: identifiers, names of known strings, `Ref`, `ID`, `Protected` and other marks of how a value is written.
//! Told: what lies in the recycle bin (where it is not asked for), earlier versions, dates, icons and colors, auto-type,
//! settings of groups and of the database, notes of groups.
//!
//! Both are kept in memory as a whole while they are read, at most 1 GiB; the tree is not.
//!
//! A crate that reads these files was weighed (`keepass` 0.17): it gives fields without their order, asks for no limit on key
//! derivation and compression, and wipes less. The ciphers are crates, and so is the XML.
//!
//! | file | what it knows |
//! |---|---|
//! | `kdbx` | the container: header, blocks, what is inside |
//! | `kdb` | the whole of KeePass 1's |
//! | `key` | passphrase and key file |
//! | `kdf` | key derivation and its ceilings |
//! | `cipher` | ciphers of files and of values |
//! | `document` | the XML, to groups and records |
//! | `survey` | which of its groups is the recycle bin |
//! | `shelf` | the account of values, and the attachments |
//! | `entry`, `field`, `codes`, `dates` | an entry, to a record |
//! | `places` | groups, and the paths that they come to |
//! | `references` | from one entry to another |
//! | `writer` | records to a KDBX 4 file and to XML, and what these can hold |
//! | `bytes` | numbers in a row of bytes |

pub(super) mod bytes;
mod cipher;
mod codes;
mod dates;
mod document;
mod entry;
mod field;
mod kdb;
mod kdbx;
mod kdf;
pub(super) mod key;
mod places;
mod references;
mod shelf;
mod survey;
mod writer;

pub(crate) use writer::{KDBX, XML};

use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::sealed::whole;
use crate::xml::outermost;
use crate::{Entries, ReadOptions};
use document::Source;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::io::Read;

/// Whether it is a KDBX.
pub(crate) fn fits_kdbx(head: &Head<'_>) -> Fit {
    head.bytes.starts_with(&kdbx::MAGIC).into()
}

/// Whether it is a KDB.
pub(crate) fn fits_kdb(head: &Head<'_>) -> Fit {
    head.bytes.starts_with(&kdb::MAGIC).into()
}

/// Whether it is KeePass's XML.
pub(crate) fn fits_xml(head: &Head<'_>) -> Fit {
    (outermost(head.text()) == Some("KeePassFile")).into()
}

/// Reads the XML that KeePass exports.
pub(crate) fn read_xml(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let bytes = whole(Decode::unicode(input)?.into_read())?;
    let document = std::str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        Error::new(ErrorKind::Input, format!("a byte in line {line} is not UTF-8"))
            .next_step("export it once more: KeePass writes UTF-8")
    })?;
    let source =
        Source { unlock: None, binaries: Vec::new(), header: None, include_trash: options.include_trash };
    document::read(document, source)
}

/// Reads a KDBX file.
pub(crate) fn read_kdbx(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let bytes = whole(input)?;
    let mut opened = kdbx::open(&bytes, options)?;
    drop(bytes);
    let source = Source {
        unlock: opened.unlock.take(),
        binaries: std::mem::take(&mut opened.binaries),
        header: opened.header,
        include_trash: options.include_trash,
    };
    document::read(opened.xml()?, source)
}

/// Reads a KDB file.
pub(crate) fn read_kdb(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let bytes = whole(input)?;
    if !bytes.starts_with(&kdb::MAGIC) {
        return Err(Error::new(ErrorKind::Input, "this is no KDB file").next_step("leave --format out"));
    }
    kdb::read(&bytes, options)
}
