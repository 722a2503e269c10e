//! Records to Bitwarden's export: JSON in the clear, the same protected with a password, and the archive with attachments.
//!
//! A record with a login, password, address or one-time code is a login, any other a note; custom fields are fields, in
//! their order behind addresses and code; vault and folders are one folder whose name nests by `/`; the tag `archived` is
//! Bitwarden's own mark. A passkey that came from Bitwarden is one again.
//! JSON in the clear is written item by item: only the names of folders are kept. The other two are put together in memory,
//! attachments too, since the archive begins with what is known last.

use super::bitwarden::of_item;
use super::bitwarden_protected::seal;
use crate::held::{Export, code_of, file_names, further_urls, renamed, split_folders};
use crate::json::{self, Members, Value, object};
use crate::wiped::append;
use crate::zip_writer::ZipWriter;
use crate::{Derivation, MOST_FOLDERS, WriteOptions, Writer, date};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::{Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use zeroize::Zeroizing;

/// How all three are written.
const JSON: Export = Export {
    write: write_plain,
    hold: |record| Cow::Owned(hold(record)),
    place: split_folders,
    dates: true,
    folders: true,
    twin: None,
    encrypted: false,
    depth: MOST_FOLDERS,
    as_is: true,
    streams: true,
};

pub(crate) static PLAIN: Export = JSON;
pub(crate) static PROTECTED: Export =
    Export { write: write_protected, encrypted: true, streams: false, ..JSON };
pub(crate) static ZIP: Export =
    Export { write: write_zip, hold: |record| Cow::Owned(hold_with_files(record)), streams: false, ..JSON };

/// What the export gives back of a record without its attachments.
fn hold(record: &Record) -> Record {
    let mut held = of_item(item(record));
    held.path = split_folders(&record.path);
    held
}

fn hold_with_files(record: &Record) -> Record {
    let attachments = renamed(&record.attachments, file_names(&record.attachments));
    Record { attachments, ..hold(record) }
}

/// A text, or null where it is empty, as Bitwarden has it.
fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

fn moment(seconds: Option<i64>) -> Value {
    let iso = seconds.and_then(date::iso);
    iso.map_or(Value::Null, |iso| iso.replace('Z', ".000Z").as_str().into())
}

fn integer(number: u64) -> Value {
    Value::Number(number.to_string())
}

/// The members of an item besides its ids.
fn item(record: &Record) -> Members {
    let urls = further_urls(record);
    let code = code_of(&record.customs);
    let passkeys: Vec<(usize, Value)> =
        record.customs.iter().enumerate().filter_map(|(at, one)| Some((at, passkey(one)?))).collect();
    let used =
        |at: usize| urls.contains(&at) || code == Some(at) || passkeys.iter().any(|(other, _)| *other == at);
    let fields = record.customs.iter().enumerate().filter(|(at, _)| !used(*at)).map(|(_, custom)| {
        let number = u64::from(custom.kind != CustomKind::Text);
        object([
            ("name", custom.name.as_str().into()),
            ("value", custom.value.expose().into()),
            ("type", integer(number)),
            ("linkedId", Value::Null),
        ])
    });
    let fields: Vec<_> = fields.collect();
    let history = record.history.iter().filter(|earlier| !earlier.password.is_empty()).map(|earlier| {
        object([("lastUsedDate", moment(earlier.changed_at)), ("password", earlier.password.expose().into())])
    });
    let history: Vec<_> = history.collect();
    let archived = record.tags.iter().any(|tag| tag == "archived");
    let is_login = !record.login.is_empty()
        || record.password.is_some()
        || !record.url.is_empty()
        || code.is_some()
        || !passkeys.is_empty();
    let mut members: Members = [
        ("type", integer(if is_login { 1 } else { 2 })),
        ("reprompt", integer(0)),
        ("name", record.name.as_str().into()),
        ("notes", or_null(&record.description)),
        ("favorite", Value::Bool(record.favorite)),
        ("fields", if fields.is_empty() { Value::Null } else { Value::List(fields) }),
        ("passwordHistory", if history.is_empty() { Value::Null } else { Value::List(history) }),
        ("creationDate", moment(record.created_at)),
        ("revisionDate", moment(record.changed_at)),
        ("deletedDate", Value::Null),
        // When it was archived nobody knows; it has to be some day.
        (
            "archivedDate",
            if archived { moment(record.changed_at.or(record.created_at).or(Some(0))) } else { Value::Null },
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if !is_login {
        members.push(("secureNote".to_owned(), object([("type", integer(0))])));
        return members;
    }
    let further = urls.iter().filter_map(|at| record.customs.get(*at)).map(|custom| custom.value.expose());
    let all = Some(record.url.as_str()).filter(|url| !url.is_empty()).into_iter().chain(further);
    let addresses = all.map(|url| object([("match", Value::Null), ("uri", url.into())])).collect();
    let code = code.and_then(|at| record.customs.get(at));
    let login = object([
        ("uris", Value::List(addresses)),
        ("username", or_null(&record.login)),
        ("password", record.password.as_ref().map_or(Value::Null, |password| password.expose().into())),
        ("totp", code.map_or(Value::Null, |code| code.value.expose().into())),
        ("fido2Credentials", Value::List(passkeys.into_iter().map(|(_, key)| key).collect())),
    ]);
    members.push(("login".to_owned(), login));
    members
}

/// A passkey of Bitwarden's own, as it was read from there.
fn passkey(custom: &Custom) -> Option<Value> {
    let site = custom.name.strip_prefix("Passkey")?;
    if custom.kind != CustomKind::Password || !custom.value.expose().starts_with('{') {
        return None;
    }
    let value = json::parse(custom.value.expose()).ok()?;
    let is_own = ["credentialId", "keyValue", "rpId"]
        .into_iter()
        .all(|name| matches!(value.get(name), Some(Value::Text(_))));
    let named = matches!(value.get("rpId"), Some(Value::Text(id)) if site.trim_start() == id.as_str());
    let same = is_own && named && value.duplicate().is_none() && json::text(&value) == custom.value;
    same.then_some(value)
}

/// Where the items go.
enum Way {
    Plain,
    Protected(SecretString, Derivation),
    /// The attachments by their names in the archive.
    Zip(Vec<(String, SecretBytes)>),
}

struct ItemWriter {
    output: Box<dyn Write + Send>,
    /// What is written so far where nothing can be given out yet.
    text: Zeroizing<Vec<u8>>,
    way: Way,
    items: u64,
    /// Folders by their names, with their numbers.
    folders: HashMap<String, usize>,
    names: Vec<String>,
}

fn writer(output: Box<dyn Write + Send>, way: Way) -> Box<dyn Writer> {
    Box::new(ItemWriter {
        output,
        text: Zeroizing::new(Vec::with_capacity(1 << 16)),
        way,
        items: 0,
        folders: HashMap::new(),
        names: Vec::new(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write_plain(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(writer(output, Way::Plain))
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write_zip(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(writer(output, Way::Zip(Vec::new())))
}

fn write_protected(output: Box<dyn Write + Send>, options: &WriteOptions) -> Result<Box<dyn Writer>> {
    let password = options.passphrase.clone().ok_or_else(|| {
        Error::new(ErrorKind::Locked, "an export that is protected needs a password").next_step(
            "set KEYFERRY_FILE_PASSPHRASE or KEYFERRY_FILE_PASSPHRASE_FILE, or run it on a terminal",
        )
    })?;
    Ok(writer(output, Way::Protected(password, options.derivation)))
}

/// An id of the form that Bitwarden's have: the same for the same place in the file.
fn id(kind: u32, number: u64) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

const ITEM: u32 = 1;
const FOLDER: u32 = 2;

impl ItemWriter {
    /// Gives out what can be given out.
    fn flow(&mut self) -> Result<()> {
        if matches!(self.way, Way::Plain) {
            self.output.write_all(&self.text).map_err(Error::stream)?;
            zeroize::Zeroize::zeroize(self.text.as_mut_slice());
            self.text.clear();
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        append(&mut self.text, bytes);
    }

    fn folder_id(&mut self, path: &RecordPath) -> Option<String> {
        let name = split_folders(path).folders.join("/");
        if name.is_empty() {
            return None;
        }
        let next = self.names.len();
        let number = *self.folders.entry(name.clone()).or_insert(next);
        if number == next {
            self.names.push(name);
        }
        Some(id(FOLDER, number as u64))
    }

    fn begin(&mut self) {
        let gap: &[u8] = if self.items == 0 { b"{\"encrypted\":false,\"items\":[" } else { b"," };
        self.put(gap);
        self.items += 1;
    }
}

impl Writer for ItemWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        let folder = self.folder_id(&record.path);
        self.begin();
        let own = id(ITEM, self.items);
        let mut members = item(record);
        for (name, value) in [
            ("id", own.as_str().into()),
            ("organizationId", Value::Null),
            ("folderId", folder.map_or(Value::Null, |id| id.as_str().into())),
            ("collectionIds", Value::Null),
        ] {
            members.push((name.to_owned(), value));
        }
        self.put(json::text(&Value::Object(members)).expose().as_bytes());
        if let Way::Zip(files) = &mut self.way {
            let names = file_names(&record.attachments).into_iter();
            files.extend(
                names
                    .zip(&record.attachments)
                    .map(|(name, file)| (format!("attachments/{own}/{name}"), file.content.clone())),
            );
        }
        self.flow()
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.folder_id(path);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        if self.items == 0 {
            self.begin();
        }
        self.put(b"],\"folders\":[");
        for (number, name) in std::mem::take(&mut self.names).iter().enumerate() {
            let mut folder = if number > 0 { b",{\"id\":\"".to_vec() } else { b"{\"id\":\"".to_vec() };
            folder.extend(id(FOLDER, number as u64).as_bytes());
            folder.extend(b"\",\"name\":");
            json::quote(&mut folder, name);
            folder.push(b'}');
            self.put(&folder);
        }
        self.put(b"]}\n");
        self.flow()?;
        let Self { mut output, text, way, .. } = *self;
        match way {
            Way::Plain => {}
            Way::Protected(password, derivation) => {
                let sealed = seal(text, &password, derivation)?;
                output.write_all(&sealed).map_err(Error::stream)?;
            }
            Way::Zip(files) => {
                let mut zip = ZipWriter::new(output, files.len() + 1)?;
                zip.member("data.json", &text)?;
                for (name, content) in files {
                    zip.member(&name, content.expose())?;
                }
                zip.finish()?;
                return Ok(Vec::new());
            }
        }
        output.flush().map_err(Error::stream)?;
        Ok(Vec::new())
    }
}
