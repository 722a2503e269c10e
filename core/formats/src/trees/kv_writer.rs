//! Records to a tree of keys and values, in JSON and YAML: vault, folders and name are keys, one in the other; below them stand
//! `username`, `password`, `url`, `description` and the custom fields under their names.
//!
//! A key is there once: a second record of a name in one place gets a number, and so does a field that would be taken for
//! another. The tree is put together in memory, since a folder's records may come at any time.

use super::{DESCRIPTION, LOGIN, PASSWORD, URL, fill};
use crate::held::{Export, Names, spaced};
use crate::json::{self, Members, Value};
use crate::managers::item::Item;
use crate::tally::Tally;
use crate::wiped::append;
use crate::{WriteOptions, Writer, counted, yaml};
use keyferry_crypto::error::{Error, Result};
use keyferry_crypto::model::{Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use zeroize::Zeroizing;

const TREE: Export = Export {
    write: write_json,
    hold: |record| Cow::Owned(hold(record)),
    place: folders,
    dates: false,
    folders: false,
    twin: Some(spaced),
    encrypted: false,
    depth: DEEPEST,
    as_is: true,
    streams: false,
};

pub(crate) static JSON: Export = TREE;
pub(crate) static YAML: Export = Export { write: write_yaml, ..TREE };

/// Folders are levels of the tree, of which readers take so many.
const DEEPEST: usize = 100;

/// Keys above a record's own. They may be empty.
fn folders(path: &RecordPath) -> RecordPath {
    RecordPath { vault: None, folders: path.vault.iter().chain(&path.folders).cloned().collect() }
}

/// What the tree gives back of a record.
fn hold(record: &Record) -> Record {
    let (mut tally, path) = (Tally::default(), folders(&record.path));
    let held = Record { name: record.name.clone(), path, ..Record::default() };
    let mut item = Item { record: held, ..Item::new("", &mut tally) };
    fill(&mut item, values(record, str::to_owned, spaced).0);
    item.record
}

/// The values of a record by their keys, each of which is there once, and these keys. `key` makes a name one that the format
/// allows, and so does `numbered` with the later one of a name.
pub(super) fn values(
    record: &Record,
    key: fn(&str) -> String,
    numbered: fn(&str, u64) -> String,
) -> (Members, Names) {
    let mut members = Members::new();
    let mut keys = Names::default();
    for (name, text) in [
        ("username", Some(record.login.as_str()).filter(|text| !text.is_empty())),
        ("password", record.password.as_ref().map(SecretString::expose)),
        ("url", Some(record.url.as_str()).filter(|text| !text.is_empty())),
        ("description", Some(record.description.as_str()).filter(|text| !text.is_empty())),
    ] {
        if let Some(text) = text {
            members.push((keys.unique(name, numbered), text.into()));
        }
    }
    for custom in &record.customs {
        let name = free(&key(&custom.name), &members, &mut keys, numbered);
        members.push((name, custom.value.expose().into()));
    }
    (members, keys)
}

/// The key, or a numbered one where it is there or means what another means: neither would be found then.
pub(super) fn free(
    name: &str,
    members: &Members,
    keys: &mut Names,
    numbered: fn(&str, u64) -> String,
) -> String {
    let is_taken = [LOGIN, PASSWORD, URL, DESCRIPTION].into_iter().any(|words| {
        let means = |name: &str| words.iter().any(|word| name.eq_ignore_ascii_case(word));
        means(name) && members.iter().any(|(other, _)| means(other))
    });
    if is_taken { keys.numbered(name, numbered) } else { keys.unique(name, numbered) }
}

/// A key and what stands below it.
#[derive(Default)]
struct Node {
    keys: Vec<String>,
    below: Vec<Node>,
    index: HashMap<String, usize>,
    /// The values of a record, where there is one of this name.
    own: Option<Members>,
}

impl Node {
    fn child(&mut self, name: &str) -> Option<&mut Node> {
        let next = self.below.len();
        let index = *self.index.entry(name.to_owned()).or_insert(next);
        if index == next {
            self.keys.push(name.to_owned());
            self.below.push(Node::default());
        }
        self.below.get_mut(index)
    }

    /// The tree as a value. A key of a record below that is a field of this one too gets a number, and is counted.
    fn value(self, renamed: &mut u64) -> Value {
        let mut members = self.own.unwrap_or_default();
        let mut taken: Names = members.iter().map(|(name, _)| name).collect();
        for (key, node) in self.keys.into_iter().zip(self.below) {
            let unique = taken.unique(&key, spaced);
            *renamed += u64::from(unique != key);
            members.push((unique, node.value(renamed)));
        }
        Value::Object(members)
    }
}

struct TreeWriter {
    output: Box<dyn Write + Send>,
    top: Node,
    print: fn(&mut Zeroizing<Vec<u8>>, &Value),
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write_json(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    let print = |out: &mut Zeroizing<Vec<u8>>, value: &Value| {
        append(out, json::text(value).expose().as_bytes());
        append(out, b"\n");
    };
    Ok(Box::new(TreeWriter { output, top: Node::default(), print }))
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write_yaml(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(Box::new(TreeWriter { output, top: Node::default(), print: yaml::print }))
}

impl Writer for TreeWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        let mut node = &mut self.top;
        for name in record.path.vault.iter().chain(&record.path.folders).chain([&record.name]) {
            let lost = || Error::new(keyferry_crypto::ErrorKind::Internal, "a key of the tree was lost");
            node = node.child(name).ok_or_else(lost)?;
        }
        let mut own = values(record, str::to_owned, spaced).0;
        // A record of no values has to be told from a folder.
        if own.is_empty() {
            own.push(("password".to_owned(), Value::Null));
        }
        node.own = Some(own);
        Ok(())
    }

    fn folder(&mut self, _: &RecordPath) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<String>> {
        let Self { mut output, top, print } = *self;
        let mut renamed = 0;
        let value =
            if top.below.is_empty() { Value::Object(Members::new()) } else { top.value(&mut renamed) };
        let mut text = Zeroizing::new(Vec::with_capacity(1 << 16));
        print(&mut text, &value);
        output.write_all(&text).and_then(|()| output.flush()).map_err(Error::stream)?;
        let told = counted(
            renamed,
            "folder or record is called as a field of the record above it, and got a number",
            "folders and records are called as a field of the record above them, and got a number",
        );
        Ok(if renamed > 0 { vec![told] } else { Vec::new() })
    }
}
