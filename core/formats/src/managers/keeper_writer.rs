//! Records to Keeper's JSON, one after the other.
//!
//! Own fields keep their order. A label alone says in this format whether its field is hidden; where it would say the wrong
//! thing, and where two are called the same, the name of the field says its type and number: `$secret:label:2`.
//! Vault and folders nest by `\`, two of them being one within a name; further places are written too. What an item gives
//! back is found by the reader itself.

use super::keeper::{folders, of_record};
use crate::columns::kind_of;
use crate::held::{Export, Names, as_folders, spaced};
use crate::json::{self, Members, Value, object};
use crate::{MOST_FOLDERS, WriteOptions, Writer, date};
use keyferry_crypto::error::{Error, Result};
use keyferry_crypto::model::{Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use std::borrow::Cow;
use std::io::Write;

pub(crate) static EXPORT: Export = Export {
    write,
    hold: |record| Cow::Owned(of_record(item(record))),
    place: |path| folders(&joined(path)),
    dates: true,
    folders: false,
    twin: None,
    encrypted: false,
    depth: MOST_FOLDERS,
    as_is: true,
    streams: true,
};

/// A place in one text.
fn joined(path: &RecordPath) -> String {
    let names = as_folders(path).folders;
    names.iter().map(|name| name.replace('\\', "\\\\")).collect::<Vec<_>>().join("\\")
}

/// The members of a record.
fn item(record: &Record) -> Members {
    let password = record.password.as_ref().map_or("", SecretString::expose);
    let mut places = vec![&record.path];
    // Where there is no first place, a second one would become it.
    if !joined(&record.path).is_empty() {
        places.extend(&record.also_in);
    }
    let places = places.into_iter().map(joined).filter(|place| !place.is_empty());
    let places = places.map(|place| object([("folder", place.as_str().into())])).collect();
    let mut names = Names::default();
    let fields =
        record.customs.iter().map(|custom| (field(custom, &mut names), custom.value.expose().into()));
    let fields = Value::Object(fields.collect());
    let mut members: Members = [
        ("$type", "login".into()),
        ("title", record.name.as_str().into()),
        ("login", record.login.as_str().into()),
        ("password", password.into()),
        ("login_url", record.url.as_str().into()),
        ("notes", record.description.as_str().into()),
        ("custom_fields", fields),
        ("folders", Value::List(places)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(changed) = record.changed_at.and_then(date::as_number) {
        members.push(("last_modified".to_owned(), Value::Number(changed)));
    }
    members
}

/// What a field is called in the file: each name is there once.
fn field(custom: &Custom, names: &mut Names) -> String {
    let label = custom.name.as_str();
    let is_plain = custom.kind == kind_of(label) && !label.starts_with('$') && label != "TFC:Keeper";
    if is_plain && !names.contains(label) {
        return names.unique(label, spaced);
    }
    let word = match custom.kind {
        CustomKind::Text => "text",
        CustomKind::Password | CustomKind::Other(_) => "secret",
        CustomKind::Totp => "oneTimeCode",
    };
    // What follows a second colon is a number.
    let typed = format!("${word}:{}", label.replace(':', " "));
    names.numbered(&typed, |typed, number| format!("{typed}:{}", number - 1))
}

struct RecordWriter {
    output: Box<dyn Write + Send>,
    any: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(Box::new(RecordWriter { output, any: false }))
}

impl RecordWriter {
    fn begin(&mut self) -> Result<()> {
        let gap: &[u8] = if self.any { b",\n" } else { b"{\"shared_folders\":[],\"records\":[\n" };
        self.any = true;
        self.output.write_all(gap).map_err(Error::stream)
    }
}

impl Writer for RecordWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        self.begin()?;
        let text = json::text(&Value::Object(item(record)));
        self.output.write_all(text.expose().as_bytes()).map_err(Error::stream)
    }

    fn folder(&mut self, _: &RecordPath) -> Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        if !self.any {
            self.begin()?;
        }
        self.output.write_all(b"\n]}\n").and_then(|()| self.output.flush()).map_err(Error::stream)?;
        Ok(Vec::new())
    }
}
