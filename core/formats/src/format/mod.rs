//! The table of formats, and what is derived from it: names, detection, readers, writers, `keyferry formats`, the list in
//! docs/formats.md.
//!
//! A format is a file with a reader and a row in the file of its family; a table that a manager exports as CSV is a row of
//! `csv::managers` and nothing else. Each needs a sample under `tests/samples`.

mod authenticators;
mod documents;
mod general;
mod keepass;
mod markup;
mod smaller;
mod teams;
mod trees;

use crate::csv::managers::{self, Manager};
use crate::head::{Fit, Head};
use crate::held::{self, Export, Losses};
use crate::{Entries, ReadOptions, csv};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::Record;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;

/// Bytes to read.
pub(crate) type Input = Box<dyn io::Read + Send>;
type Read = fn(Input, &ReadOptions) -> Result<Entries>;

/// What keyferry knows of one format.
struct Row {
    /// The word for the command line.
    name: &'static str,
    /// Other words for it.
    aliases: &'static [&'static str],
    /// Who exports it.
    from: &'static str,
    /// What it is known by, for people.
    known_by: &'static str,
    /// What is left behind, reading, beyond what no record takes at all.
    left: &'static str,
    /// How well the beginning of a file fits.
    fits: fn(&Head<'_>) -> Fit,
    read: Read,
    /// How it is written, where it is.
    write: Option<&'static Export>,
}

/// The families in the order that people see: our own formats first.
static FAMILIES: [&[&Row]; 8] = [
    general::ROWS,
    documents::ROWS,
    authenticators::ROWS,
    trees::ROWS,
    smaller::ROWS,
    teams::ROWS,
    markup::ROWS,
    keepass::ROWS,
];

/// Formats whose files are encrypted, all of them.
const ENCRYPTED: &[&str] = &["kdbx", "kdb", "psafe3", "buttercup", "padloc", "openpgp", "opvault"];

/// Formats whose values SOPS and Ansible Vault seal in place.
const TREES: &[&str] =
    &["dotenv", "k8s-secret", "kv-json", "kv-yaml", "vault-kv", "infisical", "doppler", "my-cnf"];

/// A file format: one row of the table of formats.
#[derive(Clone, Copy)]
pub struct Format(Kind);

#[derive(Clone, Copy)]
enum Kind {
    Row(&'static Row),
    Table(&'static Manager),
}

impl Format {
    /// Comma-separated values in their many dialects; tables of managers are known by their headers.
    pub const CSV: Format = Format(Kind::Row(&general::CSV));
    /// Passwork's own JSON export, all shapes.
    pub const PASSWORK_JSON: Format = Format(Kind::Row(&general::PASSWORK_JSON));
    /// One JSON object a line: complete and streaming.
    pub const JSON_LINES: Format = Format(Kind::Row(&general::JSON_LINES));

    /// `KeePass`'s database: KDBX 3.1 and 4 are read, 4 is written.
    pub const KDBX: Format = Format(Kind::Row(&keepass::KDBX));
    /// The database of `KeePass` 1.
    pub const KDB: Format = Format(Kind::Row(&keepass::KDB));
    /// `KeePass`'s export as XML.
    pub const KEEPASS_XML: Format = Format(Kind::Row(&keepass::KEEPASS_XML));

    /// Every format, our own first, then those of other tools, then their tables.
    pub fn all() -> impl Iterator<Item = Format> {
        let rows = FAMILIES.into_iter().flatten().map(|row| Format(Kind::Row(row)));
        rows.chain(managers::all().map(|manager| Format(Kind::Table(manager))))
    }

    /// The word for the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Row(row) => row.name,
            Kind::Table(manager) => manager.format,
        }
    }

    /// Other words for it.
    #[must_use]
    pub fn aliases(self) -> &'static [&'static str] {
        match self.0 {
            Kind::Row(row) => row.aliases,
            Kind::Table(_) => &[],
        }
    }

    /// The format of that name or alias, in any case; `json` means Passwork's.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Format> {
        let name = name.to_ascii_lowercase();
        Format::all().find(|format| format.name() == name || format.aliases().contains(&name.as_str()))
    }

    /// Who exports it.
    #[must_use]
    pub fn from(self) -> &'static str {
        match self.0 {
            Kind::Row(row) => row.from,
            Kind::Table(manager) => manager.name,
        }
    }

    /// What it is known by, in Markdown.
    #[must_use]
    pub fn known_by(self) -> String {
        match self.0 {
            Kind::Row(row) => row.known_by.to_owned(),
            Kind::Table(manager) => manager.known_by(),
        }
    }

    /// What stays behind when it is read, beyond what its reader tells of single values.
    #[must_use]
    pub fn left_behind(self) -> &'static str {
        match self.0 {
            Kind::Row(row) => row.left,
            Kind::Table(manager) => manager.left,
        }
    }

    /// Whether it is written as well as read.
    #[must_use]
    pub fn is_written(self) -> bool {
        self.export().is_some()
    }

    /// Whether a file of it is encrypted: it may be written without leave to write plaintext.
    #[must_use]
    pub fn is_encrypted(self) -> bool {
        ENCRYPTED.contains(&self.name()) || self.export().is_some_and(|export| export.encrypted)
    }

    /// Whether it is written record by record, in memory that does not grow with their number but for what names their places.
    #[must_use]
    pub fn is_streamed(self) -> bool {
        self.export().is_some_and(|export| export.streams)
    }

    /// What a file of it cannot hold of one record, whatever stands beside it; `None` for a format that is only read.
    /// [`Holding`](crate::Holding) counts many.
    #[must_use]
    pub fn cannot_hold(self, record: &Record) -> Option<Losses> {
        self.export().map(|export| held::cannot_hold(export, record))
    }

    /// How it is written.
    pub(crate) fn export(self) -> Option<&'static Export> {
        match self.0 {
            Kind::Row(row) => row.write,
            Kind::Table(manager) => csv::table_writer::export_of(manager.format),
        }
    }

    /// How well the beginning of a file fits.
    pub(crate) fn fits(self, head: &Head<'_>) -> Fit {
        match self.0 {
            Kind::Row(row) => (row.fits)(head),
            Kind::Table(manager) => csv::fits_manager(manager, head),
        }
    }

    /// Whether its form is one that other tools' files have too: where another format's signature is there, it is not meant.
    pub(crate) fn is_general(self) -> bool {
        matches!(self.0, Kind::Table(_)) || [Self::CSV, Self::PASSWORK_JSON, Self::JSON_LINES].contains(&self)
    }

    /// Whether any text of its form is a file of it: names and values, which may be sealed in place.
    pub(crate) fn is_tree(self) -> bool {
        TREES.contains(&self.name())
    }

    pub(crate) fn read(self, input: Input, options: &ReadOptions) -> Result<Entries> {
        match self.0 {
            Kind::Row(row) => (row.read)(input, options),
            Kind::Table(manager) => csv::read_table(input, options, manager),
        }
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Format {}

impl Hash for Format {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Format({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_format_has_a_name_of_its_own_that_can_be_typed() {
        let mut seen = HashSet::new();
        for format in Format::all() {
            for name in format.aliases().iter().chain([&format.name()]) {
                assert!(seen.insert(*name), "{name} twice");
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                assert!(name.len() >= 2 && name.bytes().all(plain), "{name}");
                assert_eq!(Format::from_name(&name.to_uppercase()), Some(format));
            }
            assert!(!format.from().is_empty() && !format.known_by().is_empty(), "{format:?}");
            assert!(!format.left_behind().is_empty(), "{format:?}");
        }
        assert_eq!(Format::from_name("json"), Some(Format::PASSWORK_JSON));
    }
}
