//! Records to the tables that other managers take: a row each, written as it comes.
//!
//! What a row gives back is found by the very code that reads it ([`Layout`]): cells are put where their columns say, and the
//! manager's own hook completes the record. No field beyond the table's columns is held.

use super::entities::{self, Seen};
use super::managers::{self, Manager};
use super::paths;
use super::record::Layout;
use super::writer::{cell, guarded};
use crate::held::{Export, code_of, further_urls, split_folders, without_files};
use crate::{MOST_FOLDERS, WriteOptions, Writer, date};
use keyferry_crypto::error::{Error, Result};
use keyferry_crypto::model::{Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use std::borrow::Cow;
use std::io::Write;
use std::sync::OnceLock;
use zeroize::{Zeroize as _, Zeroizing};

/// A table that is written.
struct Table {
    /// The row of the managers' table that reads it.
    format: &'static str,
    header: &'static [&'static str],
    cells: fn(&Record) -> Cells,
    /// The column that a record without any cell gets a word in: a row of empty cells is none.
    name: usize,
    layout: OnceLock<Option<Layout>>,
}

type Cells = Vec<Zeroizing<String>>;

const fn table(
    format: &'static str,
    header: &'static [&'static str],
    name: usize,
    cells: fn(&Record) -> Cells,
) -> Table {
    Table { format, header, cells, name, layout: OnceLock::new() }
}

/// How the table of this name is written; `None` where it is only read.
pub(crate) fn export_of(format: &str) -> Option<&'static Export> {
    let all = [
        (&CHROME_TABLE, &CHROME),
        (&SAFARI_TABLE, &SAFARI),
        (&BITWARDEN_TABLE, &BITWARDEN),
        (&LASTPASS_TABLE, &LASTPASS),
        (&KEEPASSXC_TABLE, &KEEPASSXC),
    ];
    all.into_iter().find(|(table, _)| table.format == format).map(|(_, export)| export)
}

static CHROME_TABLE: Table =
    table("chrome-csv", &["name", "url", "username", "password", "note"], 0, |record| {
        cells([&record.name, &record.url, &record.login, password(record), &record.description])
    });

static SAFARI_TABLE: Table =
    table("safari-csv", &["Title", "URL", "Username", "Password", "Notes", "OTPAuth"], 0, |record| {
        cells([&record.name, &record.url, &record.login, password(record), &record.description, code(record)])
    });

static BITWARDEN_TABLE: Table = table(
    "bitwarden-csv",
    &[
        "folder",
        "favorite",
        "type",
        "name",
        "notes",
        "fields",
        "reprompt",
        "login_uri",
        "login_username",
        "login_password",
        "login_totp",
    ],
    3,
    |record| {
        let (urls, code_at) = (further_urls(record), code_of(&record.customs));
        let further = urls.iter().filter_map(|at| record.customs.get(*at)).map(|one| one.value.expose());
        let all = Some(record.url.as_str()).filter(|url| !url.is_empty()).into_iter().chain(further);
        let uris = Zeroizing::new(all.collect::<Vec<_>>().join(","));
        let fields = record.customs.iter().enumerate();
        let fields: Vec<_> = fields
            .filter(|(at, _)| !urls.contains(at) && code_at != Some(*at))
            .map(|(_, one)| Zeroizing::new([one.name.as_str(), ": ", one.value.expose()].concat()))
            .collect();
        let fields = Zeroizing::new(fields.iter().map(|line| line.as_str()).collect::<Vec<_>>().join("\n"));
        let is_login = !record.login.is_empty()
            || record.password.is_some()
            || !record.url.is_empty()
            || code_at.is_some();
        cells([
            &folders(record),
            if record.favorite { "1" } else { "" },
            if is_login { "login" } else { "note" },
            &record.name,
            &record.description,
            &fields,
            "0",
            &uris,
            &record.login,
            password(record),
            code(record),
        ])
    },
);

static KEEPASSXC_TABLE: Table = table(
    "keepassxc-csv",
    &["Group", "Title", "Username", "Password", "URL", "Notes", "TOTP", "Icon", "Last Modified", "Created"],
    1,
    |record| {
        let moment = |seconds: Option<i64>| seconds.and_then(date::iso).unwrap_or_default();
        cells([
            &folders(record),
            &record.name,
            &record.login,
            password(record),
            &record.url,
            &record.description,
            code(record),
            "",
            &moment(record.changed_at),
            &moment(record.created_at),
        ])
    },
);

static LASTPASS_TABLE: Table = table(
    "lastpass-csv",
    &["url", "username", "password", "totp", "extra", "name", "grouping", "fav"],
    5,
    |record| {
        let is_note = record.login.is_empty() && record.password.is_none() && code(record).is_empty();
        // These stand for something else there; the second is an address that is not known.
        let url = match record.url.as_str() {
            "" if is_note => "http://sn",
            "" | "http://sn" | "http://group" | "http://" => "http://",
            url => url,
        };
        cells([
            url,
            &record.login,
            password(record),
            code(record),
            &record.description,
            &record.name,
            &grouping(&record.path),
            if record.favorite { "1" } else { "0" },
        ])
    },
);

/// How they all are written, but for their own table.
macro_rules! export {
    ($name:ident, $table:ident, $place:expr, $folders:expr, $dates:expr) => {
        pub(crate) static $name: Export = Export {
            write: |output, options| $table.write(output, options),
            hold: |record| Cow::Owned($table.hold(record)),
            place: $place,
            dates: $dates,
            folders: $folders,
            twin: None,
            encrypted: false,
            depth: MOST_FOLDERS,
            as_is: true,
            streams: true,
        };
    };
}

export!(CHROME, CHROME_TABLE, nowhere, false, false);
export!(SAFARI, SAFARI_TABLE, nowhere, false, false);
export!(BITWARDEN, BITWARDEN_TABLE, split_folders, false, false);
export!(KEEPASSXC, KEEPASSXC_TABLE, split_folders, false, true);
export!(LASTPASS, LASTPASS_TABLE, lastpass_place, true, false);

fn nowhere(_: &RecordPath) -> RecordPath {
    RecordPath::default()
}

fn lastpass_place(path: &RecordPath) -> RecordPath {
    RecordPath { vault: None, folders: paths::split(&grouping(path), '\\') }
}

/// Names that nest by `\`; two of them are one within a name.
fn grouping(path: &RecordPath) -> String {
    names(path).map(|name| name.replace('\\', "\\\\")).collect::<Vec<_>>().join("\\")
}

fn cells<const N: usize>(texts: [&str; N]) -> Cells {
    texts.into_iter().map(|text| Zeroizing::new(text.to_owned())).collect()
}

fn password(record: &Record) -> &str {
    record.password.as_ref().map_or("", SecretString::expose)
}

fn code(record: &Record) -> &str {
    code_of(&record.customs).and_then(|at| record.customs.get(at)).map_or("", |one| one.value.expose())
}

fn names(path: &RecordPath) -> impl Iterator<Item = &String> {
    path.vault.iter().chain(&path.folders).filter(|name| !name.is_empty())
}

fn folders(record: &Record) -> String {
    names(&record.path).cloned().collect::<Vec<_>>().join("/")
}

impl Table {
    fn manager(&self) -> Option<&'static Manager> {
        managers::all().find(|manager| manager.format == self.format)
    }

    fn layout(&self) -> Option<&Layout> {
        self.layout.get_or_init(|| Layout::of(self.manager()?, self.header)).as_ref()
    }

    /// The cells of a record's row: never all empty, and never those of the header.
    fn row(&self, record: &Record) -> Cells {
        let mut cells = (self.cells)(record);
        let is_empty = cells.iter().all(|cell| cell.is_empty());
        let is_header = cells.iter().map(|cell| cell.as_str()).eq(self.header.iter().copied());
        if let Some(name) = cells.get_mut(self.name).filter(|_| is_empty || is_header) {
            name.push_str(if is_empty { "Unnamed" } else { " (2)" });
        }
        cells
    }

    /// What its row gives back of a record.
    fn hold(&self, record: &Record) -> Record {
        let cells = self.row(record);
        let held = self.layout().and_then(|layout| layout.record(&cells));
        held.unwrap_or_else(|| Record { path: RecordPath::default(), ..without_files(&Record::default()) })
    }

    fn write(
        &'static self,
        output: Box<dyn Write + Send>,
        options: &WriteOptions,
    ) -> Result<Box<dyn Writer>> {
        let mut writer = Rows {
            table: self,
            output,
            safe: options.spreadsheet_safe,
            guarded: 0,
            line: Zeroizing::default(),
            entities: (false, false),
        };
        writer.put(self.header.iter().copied())?;
        Ok(Box::new(writer))
    }
}

/// A table being written.
struct Rows {
    table: &'static Table,
    output: Box<dyn Write + Send>,
    safe: bool,
    guarded: u64,
    line: Zeroizing<Vec<u8>>,
    /// Whether a cell looks as if it were written for HTML, and whether any `&` shows that none was.
    entities: (bool, bool),
}

impl Rows {
    fn put<'a>(&mut self, cells: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        self.line.as_mut_slice().zeroize();
        self.line.clear();
        // Room for all of it: growing would leave copies behind.
        let most: usize = cells.clone().map(|text| 2 * text.len() + 8).sum();
        if self.line.capacity() < most {
            self.line = Zeroizing::new(Vec::with_capacity(most));
        }
        for (index, text) in cells.enumerate() {
            if index > 0 {
                self.line.push(b',');
            }
            self.guarded += u64::from(cell(&mut self.line, text, self.safe));
        }
        self.line.push(b'\n');
        match entities::seen(&self.line) {
            Seen::Everywhere => self.entities.0 = true,
            Seen::Mixed => self.entities = (true, true),
            Seen::Nowhere => self.entities.1 |= self.line.contains(&b'&'),
        }
        self.output.write_all(&self.line).map_err(Error::stream)
    }
}

impl Writer for Rows {
    fn write(&mut self, record: &Record) -> Result<()> {
        let cells = self.table.row(record);
        self.put(cells.iter().map(|cell| cell.as_str()))
    }

    /// Only LastPass has rows for folders.
    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.put(["http://group", "", "", "", "", "", &grouping(path), "0"].into_iter())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        self.output.flush().map_err(Error::stream)?;
        let mut told: Vec<_> = guarded(self.safe, self.guarded).into_iter().collect();
        if self.entities == (true, false) && self.table.manager().is_some_and(|manager| manager.entities) {
            told.push(
                "every & of this table begins an entity of HTML (&amp; and the like): read it back with --html-entities keep"
                    .to_owned(),
            );
        }
        Ok(told)
    }
}
