//! The table of formats, and what is derived from it: names, detection, readers, writers, `keyferry formats`, the list in
//! docs/formats.md.
//!
//! A format is a file with a reader and a row of [`ROWS`]; a table that a manager exports as CSV is a row of
//! `csv::managers::MANAGERS` and nothing else. Each needs a sample under `tests/samples`.

use crate::csv::managers::{self, Manager};
use crate::head::{Fit, Head};
use crate::managers as foreign_managers;
use crate::{Entries, ReadOptions, WriteOptions, Writer, csv, jsonl, passwork_json};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;

/// Bytes to read.
pub(crate) type Input = Box<dyn io::Read + Send>;
/// Where to write.
pub(crate) type Output = Box<dyn io::Write + Send>;
type Read = fn(Input, &ReadOptions) -> Result<Entries>;
type Write = fn(Output, &WriteOptions) -> Result<Box<dyn Writer>>;

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
    write: Option<Write>,
}

/// Comma-separated values in their many dialects.
static CSV: Row = Row {
    name: "csv",
    aliases: &["tsv"],
    from: "spreadsheets, and managers that have no row of their own",
    known_by: "a first line with a delimiter and a known column, or `sep=`",
    left: "nothing; written: attachments",
    fits: csv::fits,
    read: csv::read,
    write: Some(csv::write),
};

/// Passwork's own JSON export, all shapes.
static PASSWORK_JSON: Row = Row {
    name: "passwork-json",
    aliases: &["json"],
    from: "Passwork 4 to 7",
    known_by: "`vaults`, `groups`, `folders`, `passwords`, `items` or a list, whose records have a password or custom fields themselves",
    left: "dates, access, revisions",
    fits: passwork_json::fits,
    read: passwork_json::read,
    write: Some(passwork_json::write),
};

/// One JSON object a line: complete and streaming.
static JSON_LINES: Row = Row {
    name: "jsonl",
    aliases: &["ndjson"],
    from: "keyferry, and scripts",
    known_by: "a first line that is one object with a member of a record",
    left: "nothing",
    fits: jsonl::fits,
    read: jsonl::read,
    write: Some(jsonl::write),
};

/// Formats other than tables.
static ROWS: &[&Row] = &[
    &CSV,
    &PASSWORK_JSON,
    &JSON_LINES,
    &Row {
        name: "bitwarden-json",
        aliases: &["vaultwarden-json"],
        from: "Bitwarden, Vaultwarden",
        known_by: "`encrypted` beside `items`, or items with `login`, `secureNote`, `card`, `identity` or `sshKey`",
        left: "the bin, earlier passwords, attachments (they are not in the file), dates, second places",
        fits: foreign_managers::bitwarden::fits,
        read: foreign_managers::bitwarden::read,
        write: None,
    },
];

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
    pub const CSV: Format = Format(Kind::Row(&CSV));
    /// Passwork's own JSON export, all shapes.
    pub const PASSWORK_JSON: Format = Format(Kind::Row(&PASSWORK_JSON));
    /// One JSON object a line: complete and streaming.
    pub const JSON_LINES: Format = Format(Kind::Row(&JSON_LINES));

    /// Every format, our own first, then those of other tools, then their tables.
    pub fn all() -> impl Iterator<Item = Format> {
        let rows = ROWS.iter().map(|row| Format(Kind::Row(row)));
        rows.chain(managers::MANAGERS.iter().map(|manager| Format(Kind::Table(manager))))
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
        matches!(self.0, Kind::Row(Row { write: Some(_), .. }))
    }

    /// How well the beginning of a file fits.
    pub(crate) fn fits(self, head: &Head<'_>) -> Fit {
        match self.0 {
            Kind::Row(row) => (row.fits)(head),
            Kind::Table(manager) => managers::fits(manager, head),
        }
    }

    /// Whether its form is one that other tools' files have too: where another format's signature is there, it is not meant.
    pub(crate) fn is_general(self) -> bool {
        matches!(self.0, Kind::Table(_)) || [Self::CSV, Self::PASSWORK_JSON, Self::JSON_LINES].contains(&self)
    }

    pub(crate) fn read(self, input: Input, options: &ReadOptions) -> Result<Entries> {
        match self.0 {
            Kind::Row(row) => (row.read)(input, options),
            Kind::Table(manager) => csv::read_table(input, options, manager),
        }
    }

    pub(crate) fn write(self, output: Output, options: &WriteOptions) -> Result<Box<dyn Writer>> {
        match self.0 {
            Kind::Row(Row { write: Some(write), .. }) => write(output, options),
            _ => Err(Error::new(ErrorKind::Usage, format!("{} is read, not written", self.name()))
                .next_step("write passwork-json, jsonl or csv, or an archive (.kfa)")),
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
