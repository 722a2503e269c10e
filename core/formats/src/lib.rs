//! The files that secrets come in: bytes in, records out, and back.
//!
//! [`reader`] and [`writer`] are the door. Each format stands in a file of its own, which
//! says how it is recognised, how it maps onto [`Record`], and what it cannot hold;
//! [`archive`] is keyferry's own sealed file.
//! Nothing here opens a file: callers bring the bytes and add the path to errors.
//!
//! ```
//! use keyferry_crypto::model::Entry;
//! use keyferry_formats::{Format, ReadOptions, reader};
//!
//! let file = "Folder,Name,Login,Password\nInfra/db,pg-main,root,s3cret\n";
//! let mut found = Vec::new();
//! for entry in reader(Format::CSV, Box::new(file.as_bytes()), &ReadOptions::default())? {
//!     // A reader also says what became of each column, and which rows it rejected.
//!     if let Entry::Record(record, at) = entry? {
//!         found.push((record.label(), at.line));
//!     }
//! }
//! assert_eq!(found, [("Infra / db / pg-main".to_owned(), Some(2))]);
//! # Ok::<(), keyferry_crypto::Error>(())
//! ```
//!
//! Without the default feature `archive` no C code is linked, and the crate compiles for
//! `wasm32-unknown-unknown`.

mod addresses;
mod age;
#[cfg(feature = "archive")]
pub mod archive;
mod authenticators;
mod bin;
mod bundle;
mod codes;
mod columns;
mod costs;
pub mod csv;
mod damage;
mod date;
mod decode;
pub mod detect;
mod document;
mod foreign;
mod format;
mod gzip;
mod head;
mod held;
mod holding;
mod html;
pub mod items;
mod json;
mod json_stream;
mod jsonl;
mod managers;
mod openpgp;
mod passwork_json;
mod sealed;
mod spool;
mod tally;
mod trees;
mod wiped;
mod workbook;
mod xml;
mod yaml;
mod zip;
mod zip_writer;

use keyferry_crypto::error::{Error, Result};
use keyferry_crypto::model::{Entry, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::io::{self, Read as _};
use zeroize::Zeroizing;

pub use bundle::Bundle;
pub use format::Format;
pub use held::{Fate, Kind, Losses};
pub use holding::Holding;
pub use jsonl::MEMBERS;
pub use spool::{Spool, Spools};
use tally::Tally;
use trees::inside::Inside;
pub use trees::vault::{KvAnswers, KvVersion};
pub use wiped::WipedReader;

/// What becomes of columns that mean no field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtraColumns {
    /// A custom field of the column's name.
    #[default]
    Custom,
    /// Left out.
    Ignore,
    /// The file is refused.
    Fail,
}

/// What becomes of HTML's entities in the cells of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entities {
    /// Decoded where the export is known to write them, and every `&` of the file begins one.
    #[default]
    Auto,
    /// Decoded.
    Decode,
    /// Left as they are.
    Keep,
}

/// What becomes of HTML in descriptions and fields, which managers of teams keep there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Html {
    /// It stays as it is.
    #[default]
    Keep,
    /// Its words, line by line.
    Text,
}

/// How to read. The default suits files that describe themselves.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a permission of its own")]
pub struct ReadOptions {
    /// CSV: the delimiter, an ASCII character; found by consistency when `None`.
    pub delimiter: Option<char>,
    /// CSV: a label of the Encoding Standard; by byte-order mark, by what fits nearly all lines, and by guess when `None`.
    pub encoding: Option<String>,
    /// CSV: a character, mostly `\`, that makes the next one literal.
    pub escape: Option<char>,
    /// CSV: the first row is data; `columns` names the columns.
    pub no_header: bool,
    /// CSV: column names that stand for the header.
    pub columns: Option<Vec<String>>,
    /// CSV: column to field, before any guess.
    pub map: Vec<(String, String)>,
    /// CSV: what becomes of other columns.
    pub extra_columns: ExtraColumns,
    /// CSV: between folders in a path cell.
    pub folder_separator: char,
    /// CSV: rows with too few or too many cells are taken: missing cells are empty, surplus ones become custom fields.
    pub flexible: bool,
    /// CSV: that no column is a secret is no mistake.
    pub no_password: bool,
    /// CSV: that no column has a known name is no mistake, for whoever asks what they are.
    pub any_header: bool,
    /// CSV: what becomes of `&amp;` and the like.
    pub entities: Entities,
    /// What the file is called: some formats name their record after it.
    pub name: Option<String>,
    /// Encrypted files: what opens them. An empty passphrase is not none.
    pub passphrase: Option<SecretString>,
    /// KDBX and KDB: the content of the key file, alone or beside the passphrase.
    pub key_file: Option<SecretBytes>,
    /// Encrypted files: take a key derivation that costs more than ten passes over 1 GiB to try.
    pub heavy_kdf: bool,
    /// Managers' files: what lies in the recycle bin comes along, in a folder `Trash`.
    pub include_trash: bool,
    /// What becomes of HTML in descriptions and plain fields.
    pub html: Html,
    /// Stores of pass: whoever walks one lets `gpg` open its entries. Nothing here starts a program.
    pub gpg: bool,
    /// Passwork's JSON: where records wait until the names of their folders are known.
    pub spools: Spools,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            delimiter: None,
            encoding: None,
            escape: None,
            no_header: false,
            columns: None,
            map: Vec::new(),
            extra_columns: ExtraColumns::Custom,
            folder_separator: '/',
            flexible: false,
            no_password: false,
            any_header: false,
            entities: Entities::Auto,
            name: None,
            passphrase: None,
            key_file: None,
            heavy_kdf: false,
            include_trash: false,
            html: Html::Keep,
            gpg: false,
            spools: Spools::default(),
        }
    }
}

/// How the key of a file that a password protects is derived, where its format knows several ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Derivation {
    /// Argon2id: 64 MiB, 3 passes, 4 lanes.
    #[default]
    Argon2id,
    /// PBKDF2 with HMAC-SHA-256, 600,000 rounds: for programs that know nothing else.
    Pbkdf2,
}

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Tables: put `'` before cells that a spreadsheet would run. Changes what is read back.
    pub spreadsheet_safe: bool,
    /// Encrypted files: who is to open them. An empty passphrase is not none.
    pub passphrase: Option<SecretString>,
    /// Bitwarden's protected export: how its key is derived.
    pub derivation: Derivation,
    /// KDBX: the content of a key file, alone or beside the passphrase.
    pub key_file: Option<SecretBytes>,
    /// Passwork's JSON: where records wait for those that stand in the same folder.
    pub spools: Spools,
}

/// A record as one line of JSON: as [`Format::JSON_LINES`] writes it, with its line break.
#[must_use]
pub fn json_line(record: &Record) -> SecretBytes {
    let mut line = Vec::new();
    // Writing to memory does not fail.
    let _ = jsonl::LinesWriter::new(&mut line).record(record);
    SecretBytes::new(line)
}

/// Files as the members of a zip archive, for readers of what is a folder elsewhere.
///
/// # Errors
/// [`Refused`](keyferry_crypto::ErrorKind::Refused) for more than such an archive takes.
pub fn zip_of(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    zip_writer::in_memory(files)
}

/// What a reader gives.
pub type Entries = Box<dyn Iterator<Item = Result<Entry>> + Send>;

/// Reads `input` as `format`. Errors that concern the whole file come from here or as the
/// iterator's last item; those of single records are [`Entry::Reject`].
///
/// # Errors
/// [`Input`](keyferry_crypto::ErrorKind::Input) where the file is another tool's.
pub fn reader(format: Format, input: Box<dyn io::Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let mut input = input;
    let mut head = Zeroizing::new(Vec::with_capacity(detect::HEAD));
    input.by_ref().take(detect::HEAD as u64).read_to_end(&mut head).map_err(Error::stream)?;
    detect::check(format, &head)?;
    let entries = format.read(Box::new(io::Cursor::new(head).chain(input)), options)?;
    // Copies of an environment stay equal to it: an address stood there in the clear already.
    let is_copy = [Format::PASSWORK_JSON, Format::JSON_LINES].contains(&format);
    let entries: Entries = Box::new(looked_over(entries, is_copy));
    Ok(if options.html == Html::Text { Box::new(as_text(entries)) } else { entries })
}

/// The same entries as every format has them: no password in an address, unless they are copies; damaged characters told.
fn looked_over(entries: Entries, is_copy: bool) -> impl Iterator<Item = Result<Entry>> + Send {
    let (mut entries, mut tally, mut last) = (entries, Tally::default(), None);
    std::iter::from_fn(move || {
        if let Some(entry) = entries.next() {
            return Some(entry.map(|entry| match entry {
                Entry::Record(mut record, at) => {
                    if !is_copy {
                        addresses::take_out(&mut record, &mut tally, &at);
                    }
                    if damage::is_damaged(&record) {
                        tally.remark(damage::LOST, &at);
                    }
                    Entry::Record(record, at)
                }
                other => other,
            }));
        }
        let last = last.get_or_insert_with(|| std::mem::take(&mut tally).notes().into_iter());
        last.next().map(Ok)
    })
}

/// The same entries with HTML as plain text, and at the end how much of it there was.
fn as_text(entries: Entries) -> impl Iterator<Item = Result<Entry>> + Send {
    let (mut entries, mut count, mut has_ended) = (entries, 0, false);
    std::iter::from_fn(move || match entries.next() {
        Some(entry) => Some(entry.map(|entry| {
            let (entry, found) = html::plain_entry(entry);
            count += found;
            entry
        })),
        None if count > 0 && !has_ended => {
            has_ended = true;
            let texts = counted(count, "text was HTML, and is plain", "texts were HTML, and are plain");
            Some(Ok(Entry::Note(format!("{texts} now (--html text)"))))
        }
        None => None,
    })
}

/// What becomes of a table that stood sealed in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tables {
    /// It is read: who seals a table means one.
    Read,
    /// It is a text like any other: a secret of several lines may look like a table.
    Kept,
}

/// What stood sealed in a file: read, where it is another format's as its own tool wrote it; not what is sealed once more.
/// Here, and not beside the readers that open seals: this asks the table that knows them.
fn read_inside(
    bytes: Zeroizing<Vec<u8>>,
    name: Option<&str>,
    options: &ReadOptions,
    tables: Tables,
) -> Result<Inside> {
    let is_sealed = |format: &Format| matches!(format.name(), "ansible-vault" | "openpgp" | "sops");
    let is_taken = |format: &Format| tables == Tables::Read || !format.is_general();
    match detect::detect_whole(&bytes, name).ok().filter(|format| is_taken(format) && !is_sealed(format)) {
        Some(format) => format.read(Box::new(io::Cursor::new(bytes)), options).map(Inside::Read),
        None => Ok(Inside::Bytes(bytes)),
    }
}

/// Takes records, one after the other.
pub trait Writer: Send {
    /// Writes a record.
    fn write(&mut self, record: &Record) -> Result<()>;

    /// Writes a record that nobody else needs.
    fn take(&mut self, record: Record) -> Result<()> {
        self.write(&record)
    }

    /// Writes a folder, which may be empty.
    fn folder(&mut self, path: &RecordPath) -> Result<()>;

    /// Writes what is left. Gives what is to be told: what the format could not hold ([`Losses::sentences`]) above all.
    fn finish(self: Box<Self>) -> Result<Vec<String>>;
}

/// Writes `format` to `output`. What it cannot hold is known before: [`Format::cannot_hold`], [`Holding`].
///
/// # Errors
/// [`Usage`](keyferry_crypto::ErrorKind::Usage) for a format that is only read.
pub fn writer(
    format: Format,
    output: Box<dyn io::Write + Send>,
    options: &WriteOptions,
) -> Result<Box<dyn Writer>> {
    Ok(Box::new(holding::Counted::new(format, output, options)?))
}

/// Where to write.
pub(crate) type Output = Box<dyn io::Write + Send>;

/// Folders in folders beyond this are no one's tree, and would cost their square.
const MOST_FOLDERS: usize = 128;

/// Why a record that stands too deep is rejected.
fn too_deep() -> String {
    format!("its folders are nested more than {MOST_FOLDERS} deep")
}

/// A favourite mark as files spell it; `None` for any other word.
fn as_bool(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "x" | "*" | "да" | "wahr" | "ja" | "vrai" | "oui" | "sí" | "si"
        | "sim" => Some(true),
        "" | "false" | "0" | "no" | "n" | "-" | "нет" | "falsch" | "nein" | "faux" | "non" | "não" => {
            Some(false)
        }
        _ => None,
    }
}

/// `1 record has`, `2 records have`.
fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
