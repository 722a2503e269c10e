//! Passwork's JSON export, which varies by version.
//!
//! Signature: an object with `vaults`, `groups`, `folders`, `passwords`, `items`, or those
//! under `response`, `data` or `export`; or a list; whose records have a password, or custom fields, themselves.
//! Mapping: nested (vaults and folders hold their records) and flat (records name a
//! `folderId`, `groupId` or `vaultId`) shapes, mixed and at any depth. `passwordEncrypted`
//! and `cryptedPassword` in base64 are decoded, with custom fields in base64 beside them.
//! Other members of a record become custom fields, one for each value in them.
//! Resolved: `id`, `_id`; `folderId`, `groupId`, `vaultId`, `parentId`, `parentFolderId` that lead somewhere.
//! Told: what an environment keeps of its own ([`OWN`]), members of vaults and folders but their names, and of
//! the document itself.
//! Cannot hold: second places, earlier passwords, dates. Two vaults or sibling folders of one name
//! become one. Both reading and writing keep the whole document in memory.

use crate::document::{NO_RECORD, document, left_behind};
use crate::head::{Fit, Head};
use crate::held::{Export, same_place, without_files};
use crate::json::{self, Members, Value, pointer_part};
use crate::jsonl::{append as append_record, base64, fill, spread, text_of, twice};
use crate::tally::Tally;
use crate::{Entries, MOST_FOLDERS, ReadOptions, WriteOptions, Writer, foreign, too_deep};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::{CustomKind, Entry, Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Read, Write};
use zeroize::Zeroizing;

/// How an envelope begins: base32 of OpenSSL's `Salted__`, as Passwork spells it.
const ENVELOPE: &str = "amt4cwv48xb6pp1h";
const SEALED: &str =
    "encrypted on the client; export with readable passwords, or read the environment itself";
/// Deeper nesting could not be read back.
const MAX_FOLDERS: usize = 50;

/// Members of a record that every environment keeps of its own and makes anew.
const OWN: &[&str] = &[
    "access",
    "accessCode",
    "createdAt",
    "createdBy",
    "lastPasswordUpdate",
    "lastPasswordUpdatedAt",
    "revision",
    "updatedAt",
    "updatedBy",
];

/// Lists of a document's structure.
const LISTS: &[&str] = &["vaults", "groups", "folders", "passwords", "items", "records"];

/// A vault or folder of the file.
struct Node {
    name: String,
    /// Where it stands, as a JSON pointer.
    at: String,
    vault: bool,
    /// The node it stands in.
    inside: Option<usize>,
    parent_id: Option<String>,
    vault_id: Option<String>,
    filled: bool,
}

#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
    vaults: HashMap<String, usize>,
    folders: HashMap<String, usize>,
    records: Vec<(Value, String, Option<usize>)>,
    tally: Tally,
}

/// Whether a document, or its beginning, has this format's own shape.
fn is_own(document: &Value) -> bool {
    fn holds_records(value: &Value, depth: usize) -> bool {
        let Value::Object(members) = value else { return false };
        depth < 64
            && members.iter().any(|(name, value)| match (name.as_str(), value) {
                ("passwords" | "items" | "records", Value::List(list)) => list.iter().any(is_record),
                ("vaults" | "groups" | "folders", Value::List(list)) => {
                    list.iter().any(|node| holds_records(node, depth + 1) || is_place(node))
                }
                ("response" | "data" | "export", Value::Object(_)) if depth == 0 => holds_records(value, 1),
                _ => false,
            })
    }
    match document {
        Value::List(list) => list.iter().any(|one| is_record(one) || holds_records(one, 1)),
        _ => holds_records(document, 0),
    }
}

/// A record has its secrets itself, not in objects below it.
fn is_record(value: &Value) -> bool {
    let scalar =
        |name: &str| value.get(name).is_some_and(|value| !matches!(value, Value::List(_) | Value::Object(_)));
    let has_name = value.has("name") || value.has("title");
    let has_password =
        ["password", "plainPassword", "passwordEncrypted", "cryptedPassword"].into_iter().any(scalar);
    has_name
        && (has_password
            || ["custom", "customs"].into_iter().any(|name| matches!(value.get(name), Some(Value::List(_)))))
}

/// A vault or folder has a name and lists of what it holds, which may be empty.
fn is_place(value: &Value) -> bool {
    value.has("name") && LISTS.iter().any(|name| matches!(value.get(name), Some(Value::List(_))))
}

/// Whether it is this format's.
pub(super) fn fits(head: &Head<'_>) -> Fit {
    let Some(document) = head.json() else { return Fit::No };
    if is_own(document) {
        Fit::Signature
    } else if is_bare(document) {
        Fit::Form
    } else {
        Fit::No
    }
}

/// Whether it has Passwork's lists, and nothing in them.
fn is_bare(document: &Value) -> bool {
    let Value::Object(members) = document else {
        return matches!(document, Value::List(list) if list.is_empty());
    };
    !members.is_empty()
        && members.iter().all(|(name, value)| {
            ["vaults", "folders", "items", "passwords"].contains(&name.as_str())
                && matches!(value, Value::List(list) if list.is_empty())
        })
}

pub(super) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let value = document(input)?;
    foreign::refuse_json(&value)?;
    let mut tree = Tree::default();
    tree.tally.read(value.leaves());
    match value {
        Value::List(list) => {
            for (index, value) in list.into_iter().enumerate() {
                let at = format!("/{index}");
                match value {
                    Value::Object(members)
                        if members.iter().any(|(name, _)| LISTS.contains(&name.as_str())) =>
                    {
                        tree.node(members, &at, true, None)?;
                    }
                    value => tree.records.push((value, at, None)),
                }
            }
            if !tree.records.is_empty() && !tree.records.iter().any(|(value, ..)| is_record(value)) {
                return Err(foreign::unknown_json());
            }
        }
        value @ Value::Object(_) => {
            let is_own = is_own(&value);
            let Value::Object(members) = value else { return Err(foreign::unknown_json()) };
            let found = tree.walk(members, "", None)?;
            // Lists without anything in them tell nothing; they are no one else's either.
            if !found || !(is_own || (tree.records.is_empty() && tree.nodes.is_empty())) {
                return Err(foreign::unknown_json());
            }
        }
        _ => return Err(foreign::unknown_json()),
    }
    let records = std::mem::take(&mut tree.records);
    Ok(Box::new(Reader { tree, records: records.into_iter(), last: Vec::new(), next_node: 0 }))
}

/// An identifier, as text; it is counted as one that led somewhere.
fn id_of(members: &mut Members, names: &[&str], tally: &mut Tally) -> Option<String> {
    let (_, value) = members.iter_mut().find(|(name, value)| {
        names.contains(&name.as_str()) && matches!(value, Value::Bool(_) | Value::Number(_) | Value::Text(_))
    })?;
    let value = std::mem::replace(value, Value::Null);
    tally.resolved(value.leaves());
    value.into_text().filter(|id| !id.is_empty())
}

impl Tree {
    /// Takes what an object holds; `false` if it has none of the known lists.
    fn walk(&mut self, members: Members, at: &str, inside: Option<usize>) -> Result<bool> {
        let mut found = false;
        if let Some(name) = json::duplicate(&members) {
            return Err(Error::new(ErrorKind::Input, format!("in the object at {at}/: {}", twice(name))));
        }
        for (name, value) in members {
            let at = format!("{at}/{}", pointer_part(&name));
            match (name.as_str(), value) {
                ("vaults" | "groups" | "folders", Value::List(list)) => {
                    found = true;
                    for (index, value) in list.into_iter().enumerate() {
                        let at = format!("{at}/{index}");
                        if let Value::Object(members) = value {
                            let vault = name != "folders" && inside.is_none();
                            self.node(members, &at, vault, inside)?;
                        } else {
                            left_behind(&mut self.tally, &value, &at, NO_RECORD);
                        }
                    }
                }
                ("passwords" | "items" | "records", Value::List(list)) => {
                    found = true;
                    for (index, value) in list.into_iter().enumerate() {
                        self.records.push((value, format!("{at}/{index}"), inside));
                    }
                }
                ("response" | "data" | "export", Value::Object(members)) if inside.is_none() => {
                    found |= self.walk(members, &at, inside)?;
                }
                (_, value) => left_behind(&mut self.tally, &value, &at, NO_RECORD),
            }
        }
        Ok(found)
    }

    fn node(&mut self, mut members: Members, at: &str, vault: bool, inside: Option<usize>) -> Result<()> {
        let index = self.nodes.len();
        let is_text = |value: &Value| matches!(value, Value::Bool(_) | Value::Number(_) | Value::Text(_));
        let name = members.iter_mut().find(|(name, value)| name == "name" && is_text(value));
        let name =
            name.and_then(|(_, value)| std::mem::replace(value, Value::Null).into_text()).unwrap_or_default();
        if let Some(id) = id_of(&mut members, &["id", "_id"], &mut self.tally) {
            let ids = if vault { &mut self.vaults } else { &mut self.folders };
            ids.entry(id).or_insert(index);
        }
        let parent_id = id_of(&mut members, &["parentId", "parentFolderId"], &mut self.tally);
        let vault_id = id_of(&mut members, &["vaultId", "groupId"], &mut self.tally);
        self.nodes.push(Node { name, at: at.to_owned(), vault, inside, parent_id, vault_id, filled: false });
        self.walk(members, at, Some(index))?;
        Ok(())
    }

    fn parent(&self, node: &Node) -> Option<usize> {
        if node.vault {
            return None;
        }
        let by_id =
            node.parent_id.as_ref().and_then(|id| self.folders.get(id).or_else(|| self.vaults.get(id)));
        by_id
            .copied()
            .or(node.inside)
            .or_else(|| node.vault_id.as_ref().and_then(|id| self.vaults.get(id).copied()))
    }

    /// The path of a node, which is then known to be filled; `None` if it is inside itself.
    fn path(&mut self, mut at: Option<usize>, fill_from: bool) -> Option<RecordPath> {
        let mut path = RecordPath::default();
        let mut fill = fill_from;
        while let Some(index) = at {
            // The cap keeps a file full of circles from costing its square, too.
            if path.folders.len() > self.nodes.len().min(MOST_FOLDERS) {
                return None;
            }
            let node = self.nodes.get_mut(index)?;
            node.filled |= fill;
            fill = true;
            let node = self.nodes.get(index)?;
            if node.vault {
                path.vault = Some(node.name.clone());
            } else {
                path.folders.push(node.name.clone());
            }
            at = self.parent(node);
        }
        path.folders.reverse();
        Some(path)
    }
}

struct Reader {
    tree: Tree,
    records: std::vec::IntoIter<(Value, String, Option<usize>)>,
    /// What is said at the end, the last first.
    last: Vec<Entry>,
    next_node: usize,
}

impl Reader {
    /// The record at a place, or why it is none.
    fn record(&mut self, value: Value, at: &str, inside: Option<usize>) -> Result<Record, String> {
        let Value::Object(mut members) = value else { return Err("not an object".to_owned()) };
        let twin = json::duplicate(&members);
        if let Some(name) = twin.or_else(|| members.iter().find_map(|(_, value)| value.duplicate())) {
            return Err(twice(name));
        }
        let Tree { folders, vaults, tally, .. } = &mut self.tree;
        id_of(&mut members, &["id"], tally);
        id_of(&mut members, &["_id"], tally);
        let folder = id_of(&mut members, &["folderId"], tally);
        let group = id_of(&mut members, &["groupId"], tally);
        let vault = id_of(&mut members, &["vaultId"], tally);
        let mut node = inside;
        if let Some(id) = folder.or_else(|| group.clone()) {
            match folders.get(&id).or_else(|| vaults.get(&id)) {
                Some(found) => node = Some(*found),
                None => {
                    tally.unresolved("the folder of a record is not in the file", format!("{at}/folderId"));
                }
            }
        }
        if let Some(id) = vault.or(group) {
            match vaults.get(&id).or_else(|| folders.get(&id)) {
                Some(found) => node = node.or(Some(*found)),
                None if node.is_none() => {
                    tally.unresolved("the vault of a record is not in the file", format!("{at}/vaultId"));
                }
                None => {}
            }
        }
        let Some(path) = self.tree.path(node, true) else {
            return Err(format!("its folder is inside itself, or {}", too_deep()));
        };
        let tally = &mut self.tree.tally;
        let mut record = Record { path, ..Record::default() };
        // Members under another name of theirs, where the name itself is free.
        let renamed = [
            ("custom", "customs"),
            ("isFavorite", "favorite"),
            ("isFavourite", "favorite"),
            ("favourite", "favorite"),
            ("title", "name"),
            ("plainPassword", "password"),
        ];
        for (from, to) in renamed {
            if !members.iter().any(|(name, value)| name == to && !matches!(value, Value::Null))
                && let Some((name, _)) = members.iter_mut().find(|(name, _)| name == from)
            {
                to.clone_into(name);
            }
        }
        let rest = fill(&mut record, members, tally)?;
        let (mut coded, mut unknown) = (false, Members::new());
        for (name, value) in rest {
            match name.as_str() {
                "passwordEncrypted" | "cryptedPassword"
                    if record.password.is_none() && !matches!(value, Value::List(_) | Value::Object(_)) =>
                {
                    if let Some(text) = text_of(value, &name, tally)? {
                        let text = SecretString::new(text);
                        record.password = Some(decoded(text.expose()).ok_or(SEALED)?);
                        coded = true;
                    }
                }
                own if OWN.contains(&own) && !matches!(value, Value::List(_) | Value::Object(_)) => {
                    if value.leaves() > 0 {
                        let what = format!("{own} stays behind: an environment keeps its own");
                        tally.tell(what, format!("{at}/{own}"), value.leaves());
                    }
                }
                _ => unknown.push((name, value)),
            }
        }
        let sealed = |text: &SecretString| text.expose().starts_with(ENVELOPE);
        if record.password.as_ref().is_some_and(sealed)
            || record.customs.iter().any(|custom| sealed(&custom.value))
        {
            return Err(SEALED.to_owned());
        }
        if coded {
            for custom in &mut record.customs {
                // All three or none: a plain word may look like base64.
                let parts =
                    (decoded(&custom.name), decoded(custom.kind.as_str()), decoded(custom.value.expose()));
                if let (Some(name), Some(kind), Some(value)) = parts {
                    name.expose().clone_into(&mut custom.name);
                    custom.kind = CustomKind::from(kind.expose());
                    custom.value = value;
                }
            }
        }
        spread(&mut record, unknown, &Position::pointer(at), tally);
        if record.name.is_empty() {
            tally.remark("no name", at);
        }
        Ok(record)
    }
}

/// Base64 of text that is no envelope.
fn decoded(text: &str) -> Option<SecretString> {
    if text.starts_with(ENVELOPE) {
        return None;
    }
    let bytes = base64(text)?;
    if bytes.starts_with(b"Salted__") {
        return None;
    }
    keyferry_crypto::secret::SecretBytes::new(bytes).into_text()
}

impl Iterator for Reader {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((value, at, inside)) = self.records.next() {
            let (leaves, mark) = (value.leaves(), self.tree.tally.mark());
            return Some(Ok(match self.record(value, &at, inside) {
                Ok(record) => Entry::Record(record, Position::pointer(at)),
                Err(why) => self.tree.tally.refuse(mark, leaves, Position::pointer(at), why),
            }));
        }
        if self.next_node == 0 {
            // A folder that holds a folder is not empty; paths of children mark their parents.
            for index in 0..self.tree.nodes.len() {
                self.tree.path(Some(index), false);
            }
        }
        while let Some(node) = self.tree.nodes.get(self.next_node) {
            let index = self.next_node;
            self.next_node += 1;
            let (filled, at) = (node.filled, node.at.clone());
            let leads = |id: &String| self.tree.folders.contains_key(id) || self.tree.vaults.contains_key(id);
            if node.parent_id.as_ref().is_some_and(|id| !leads(id)) {
                self.tree
                    .tally
                    .unresolved("the parent of a folder is not in the file", format!("{at}/parentId"));
            }
            let Some(node) = self.tree.nodes.get(index) else { break };
            let named = u64::from(!node.name.is_empty());
            match self.tree.path(Some(index), false) {
                Some(path) => {
                    self.tree.tally.carried(named);
                    if !filled {
                        return Some(Ok(Entry::Folder(path)));
                    }
                }
                None => self.tree.tally.tell("a folder is inside itself, or too deep", at, named),
            }
        }
        if self.next_node < usize::MAX {
            self.next_node = usize::MAX;
            self.last = std::mem::take(&mut self.tree.tally).finish();
            self.last.reverse();
        }
        self.last.pop().map(Ok)
    }
}

/// A vault or folder being written.
#[derive(Default)]
struct Branch {
    names: Vec<String>,
    folders: Vec<Branch>,
    index: HashMap<String, usize>,
    items: Zeroizing<Vec<u8>>,
}

impl Branch {
    fn child(&mut self, name: &str) -> Option<&mut Branch> {
        let next = self.folders.len();
        let index = *self.index.entry(name.to_owned()).or_insert(next);
        if index == next {
            self.names.push(name.to_owned());
            self.folders.push(Branch::default());
        }
        self.folders.get_mut(index)
    }

    /// `"folders":[…],"items":[…]`, with another word for the first.
    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        self.print_children("folders", out)?;
        out.write_all(b",\"items\":[")?;
        out.write_all(&self.items)?;
        out.write_all(b"]")
    }

    fn print_children(&self, word: &str, out: &mut dyn Write) -> std::io::Result<()> {
        write!(out, "\"{word}\":[")?;
        for (index, (name, folder)) in self.names.iter().zip(&self.folders).enumerate() {
            let mut head = if index > 0 { b",{\"name\":".to_vec() } else { b"{\"name\":".to_vec() };
            json::quote(&mut head, name);
            head.push(b',');
            out.write_all(&head)?;
            folder.print(out)?;
            out.write_all(b"}")?;
        }
        out.write_all(b"]")
    }
}

struct PassworkWriter {
    output: Box<dyn Write + Send>,
    vaults: Branch,
    top: Branch,
}

/// How it is written.
pub(super) static EXPORT: Export = Export {
    write,
    hold: |record| {
        if record.also_in.is_empty() && record.history.is_empty() {
            return Cow::Borrowed(record);
        }
        Cow::Owned(Record {
            attachments: record.attachments.clone(),
            also_in: Vec::new(),
            history: Vec::new(),
            ..without_files(record)
        })
    },
    place: same_place,
    dates: false,
    folders: true,
    twin: None,
    encrypted: false,
    depth: MAX_FOLDERS,
    as_is: false,
    streams: false,
};

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(Box::new(PassworkWriter { output, vaults: Branch::default(), top: Branch::default() }))
}

impl PassworkWriter {
    fn place(&mut self, path: &RecordPath) -> Result<&mut Branch> {
        let lost = || Error::new(ErrorKind::Internal, "a folder of the export was lost");
        let mut branch = match &path.vault {
            Some(vault) => self.vaults.child(vault).ok_or_else(lost)?,
            None => &mut self.top,
        };
        for name in &path.folders {
            branch = branch.child(name).ok_or_else(lost)?;
        }
        Ok(branch)
    }
}

impl Writer for PassworkWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        let items = &mut self.place(&record.path)?.items;
        if !items.is_empty() {
            items.push(b',');
        }
        items.push(b'{');
        append_record(items, record, "isFavorite");
        items.push(b'}');
        Ok(())
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.place(path).map(|_| ())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        let mut print = || -> std::io::Result<()> {
            self.output.write_all(b"{")?;
            self.vaults.print_children("vaults", &mut self.output)?;
            if !self.top.names.is_empty() || !self.top.items.is_empty() {
                self.output.write_all(b",")?;
                self.top.print(&mut self.output)?;
            }
            self.output.write_all(b"}\n")?;
            self.output.flush()
        };
        print().map_err(Error::stream)?;
        Ok(Vec::new())
    }
}
