//! Records to Secrets of Kubernetes: a manifest each, written as it comes.
//!
//! The name is made one that a cluster takes (small letters, digits, `-` and `.`), so are keys; the namespace is the vault and
//! folders, joined by `-`. Values stand in base64, attachments among them: what is no text is an attachment again when it is
//! read. What a manifest gives back is found by the reader itself.

use super::kubernetes::of_manifest;
use super::kv_writer::values;
use crate::held::Export;
use crate::json::{Members, Value, object};
use crate::wiped::append;
use crate::{WriteOptions, Writer, yaml};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keyferry_crypto::error::{Error, Result};
use keyferry_crypto::model::{Record, RecordPath};
use std::borrow::Cow;
use std::io::Write;
use zeroize::{Zeroize as _, Zeroizing};

pub(crate) static EXPORT: Export = Export {
    write,
    hold: |record| Cow::Owned(of_manifest(manifest(record))),
    place: |path| RecordPath {
        vault: None,
        folders: Some(namespace(path)).filter(|name| !name.is_empty()).into_iter().collect(),
    },
    dates: false,
    folders: false,
    twin: Some(|name, number| {
        let number = format!("-{number}");
        let kept = name.get(..name.len().min(LONGEST_NAME - number.len())).unwrap_or_default();
        format!("{kept}{number}")
    }),
    encrypted: false,
    any_depth: false,
    as_is: true,
    streams: true,
};

/// Characters of a name, of a namespace, of a key.
const LONGEST_NAME: usize = 253;
const LONGEST_NAMESPACE: usize = 63;

/// A name that a cluster takes; `unnamed` where nothing of it can stay.
fn name_of(text: &str, dots: bool, most: usize) -> String {
    let mut name = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            '.' if dots && !name.is_empty() && !name.ends_with(['-', '.']) => name.push(c),
            _ if !name.is_empty() && !name.ends_with(['-', '.']) => name.push('-'),
            // Two marks in a row are one, and none begins a name, but one that stands there may stay.
            '-' if name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.truncate(most);
    name.truncate(name.trim_end_matches(['-', '.']).len());
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

fn namespace(path: &RecordPath) -> String {
    let names: Vec<_> = path.vault.iter().chain(&path.folders).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return String::new();
    }
    let joined = names.into_iter().map(String::as_str).collect::<Vec<_>>().join("-");
    name_of(&joined, false, LONGEST_NAMESPACE)
}

/// A key of letters, digits, `-`, `_` and `.`.
fn key_of(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let key: String = name.chars().map(plain).take(LONGEST_NAME).collect();
    if key.is_empty() || key == "." || key == ".." { "unnamed".to_owned() } else { key }
}

/// The members of a record's manifest.
fn manifest(record: &Record) -> Members {
    let mut data = Members::new();
    for (key, value) in values(record, key_of) {
        let text = Zeroizing::new(value.into_text().unwrap_or_default());
        data.push((key, encoded(text.as_bytes())));
    }
    for file in &record.attachments {
        let name = key_of(&file.name);
        let (mut unique, mut number) = (name.clone(), 2);
        while data.iter().any(|(key, _)| *key == unique) {
            unique = format!("{name}.{number}");
            number += 1;
        }
        data.push((unique, encoded(file.content.expose())));
    }
    let mut metadata: Members =
        vec![("name".to_owned(), name_of(&record.name, true, LONGEST_NAME).as_str().into())];
    let namespace = namespace(&record.path);
    if !namespace.is_empty() {
        metadata.push(("namespace".to_owned(), namespace.as_str().into()));
    }
    [
        ("apiVersion", "v1".into()),
        ("kind", "Secret".into()),
        ("type", "Opaque".into()),
        ("metadata", Value::Object(metadata)),
        ("data", if data.is_empty() { object([]) } else { Value::Object(data) }),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn encoded(bytes: &[u8]) -> Value {
    Value::Text(Zeroizing::new(BASE64_STANDARD.encode(bytes)))
}

struct ManifestWriter {
    output: Box<dyn Write + Send>,
    text: Zeroizing<Vec<u8>>,
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(Box::new(ManifestWriter { output, text: Zeroizing::new(Vec::new()) }))
}

impl Writer for ManifestWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        self.text.as_mut_slice().zeroize();
        self.text.clear();
        append(&mut self.text, b"---\n");
        yaml::print(&mut self.text, &Value::Object(manifest(record)));
        self.output.write_all(&self.text).map_err(Error::stream)
    }

    fn folder(&mut self, _: &RecordPath) -> Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        self.output.flush().map_err(Error::stream)?;
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_a_cluster_takes() {
        for (text, wanted) in [
            ("pg-main", "pg-main"),
            ("Pg Main (2)", "pg-main-2"),
            ("a--b.c", "a--b.c"),
            ("--x..y--", "x.y"),
            ("пароль", "unnamed"),
            ("", "unnamed"),
        ] {
            assert_eq!(name_of(text, true, 253), wanted, "{text}");
        }
        assert_eq!(name_of(&"a".repeat(300), true, 253).len(), 253);
        assert_eq!((key_of("API key"), key_of("")), ("API_key".to_owned(), "unnamed".to_owned()));
    }
}
