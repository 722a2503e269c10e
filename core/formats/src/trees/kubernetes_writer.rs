//! Records to Secrets of Kubernetes: a manifest each, written as it comes.
//!
//! The name is made one that a cluster takes (small letters, digits, `-` and `.`), so are keys; the namespace is the vault and
//! folders, joined by `-`. Values stand in base64, attachments among them: what is no text is an attachment again when it is
//! read; those for which a Secret of 1 MiB has no room stay behind. What a manifest gives back is found by the reader itself.

use super::kubernetes::of_manifest;
use super::kv_writer::{free, values};
use crate::held::Export;
use crate::json::{Members, Value, object};
use crate::wiped::append;
use crate::{MOST_FOLDERS, WriteOptions, Writer, yaml};
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
    twin: Some(|name, number| numbered(name, '-', number)),
    encrypted: false,
    depth: MOST_FOLDERS,
    as_is: true,
    streams: true,
};

/// Characters of a name, of a namespace, of a key.
const LONGEST_NAME: usize = 253;
const LONGEST_NAMESPACE: usize = 63;
/// Bytes of all values of a Secret, attachments among them: a cluster takes no more.
const LARGEST: usize = 1 << 20;

/// A name with its number, cut so that both find room.
fn numbered(name: &str, mark: char, number: u64) -> String {
    let number = format!("{mark}{number}");
    let kept = name.get(..name.len().min(LONGEST_NAME - number.len())).unwrap_or_default();
    format!("{}{number}", kept.trim_end_matches(['-', '.']))
}

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
    let twin = |name: &str, number: u64| numbered(name, '.', number);
    let (values, mut keys) = values(record, key_of, twin);
    let (mut data, mut size) = (Members::new(), 0);
    for (key, value) in values {
        let text = Zeroizing::new(value.into_text().unwrap_or_default());
        size += text.len();
        data.push((key, encoded(text.as_bytes())));
    }
    for file in &record.attachments {
        if size + file.content.len() > LARGEST {
            continue;
        }
        size += file.content.len();
        let key = free(&key_of(&file.name), &data, &mut keys, twin);
        data.push((key, encoded(file.content.expose())));
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
