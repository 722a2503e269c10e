//! Passwork's JSON export, which varies by version.
//!
//! Signature: an object with `vaults`, `groups`, `folders`, `passwords`, `items`, or those
//! under `response` or `data`; or a list.
//! Mapping: nested (vaults and folders hold their records) and flat (records name a
//! `folderId`, `groupId` or `vaultId`) shapes, mixed and at any depth. `passwordEncrypted`
//! and `cryptedPassword` in base64 are decoded, with custom fields in base64 beside them.
//! Other members of a record (identifiers, dates) are Passwork's own and left behind.
//! Cannot hold: nothing is lost when writing. Two vaults or sibling folders of one name
//! become one. Both reading and writing keep the whole document in memory.

use crate::json::{self, Members, Value};
use crate::jsonl::{append, base64, fill, text_of};
use crate::{Entries, Writer};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::{CustomKind, Entry, Record, RecordPath, Reject};
use keyferry_crypto::secret::SecretString;
use std::collections::HashMap;
use std::io::{Read, Write};
use zeroize::Zeroizing;

/// How an envelope begins: base32 of OpenSSL's `Salted__`, as Passwork spells it.
const ENVELOPE: &str = "amt4cwv48xb6pp1h";
const SEALED: &str =
    "encrypted on the client; export with readable passwords, or read the environment itself";
/// Deeper nesting could not be read back.
const MAX_FOLDERS: usize = 50;

/// A vault or folder of the file.
struct Node {
    name: String,
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
    records: Vec<(Members, String, Option<usize>)>,
}

pub(super) fn read(mut input: Box<dyn Read + Send>) -> Result<Entries> {
    let mut bytes = Zeroizing::new(Vec::new());
    input.read_to_end(&mut bytes).map_err(Error::stream)?;
    let text = match encoding_rs::Encoding::for_bom(&bytes) {
        Some((encoding, mark)) if encoding != encoding_rs::UTF_8 => {
            let rest = bytes.get(mark..).unwrap_or_default();
            encoding
                .decode_without_bom_handling_and_without_replacement(rest)
                .map(std::borrow::Cow::into_owned)
        }
        _ => std::str::from_utf8(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes))
            .ok()
            .map(str::to_owned),
    };
    let text = Zeroizing::new(text.ok_or_else(|| Error::new(ErrorKind::Input, "the file is not UTF-8"))?);
    drop(bytes);
    let value = json::parse(&text).map_err(|broken| {
        let before = text.as_bytes().get(..broken.at.min(text.len())).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        Error::new(ErrorKind::Input, format!("line {line}: not JSON: {}", broken.why))
    })?;
    drop(text);
    let mut tree = Tree::default();
    match value {
        Value::List(list) => {
            for (index, value) in list.into_iter().enumerate() {
                let Value::Object(members) = value else { continue };
                let at = format!("/{index}");
                if members.iter().any(|(name, _)| is_list_name(name)) {
                    tree.node(members, &at, true, None)?;
                } else {
                    tree.records.push((members, at, None));
                }
            }
        }
        Value::Object(members) => {
            if !tree.walk(members, "", None)? {
                return Err(Error::new(
                    ErrorKind::Input,
                    "no vaults, folders or passwords: not Passwork's export",
                ));
            }
        }
        _ => return Err(Error::new(ErrorKind::Input, "neither an object nor a list: not Passwork's export")),
    }
    let records = std::mem::take(&mut tree.records);
    Ok(Box::new(Reader { tree, records: records.into_iter(), notes: Vec::new(), next_node: 0 }))
}

fn is_list_name(name: &str) -> bool {
    matches!(name, "vaults" | "groups" | "folders" | "passwords" | "items" | "records")
}

/// An identifier, as text.
fn id_of(members: &mut Members, names: &[&str]) -> Option<String> {
    let (_, value) = members
        .iter_mut()
        .find(|(name, value)| names.contains(&name.as_str()) && !matches!(value, Value::Null))?;
    std::mem::replace(value, Value::Null).into_text().filter(|id| !id.is_empty())
}

impl Tree {
    /// Takes what an object holds; `false` if it has none of the known lists.
    fn walk(&mut self, members: Members, at: &str, inside: Option<usize>) -> Result<bool> {
        let mut found = false;
        let duplicate = json::duplicate(&members).map(str::to_owned);
        if let Some(name) = duplicate {
            return Err(Error::new(ErrorKind::Input, format!("member {name} twice in the object at {at}/")));
        }
        for (name, value) in members {
            let at = format!("{at}/{name}");
            match (name.as_str(), value) {
                ("vaults" | "groups" | "folders", Value::List(list)) => {
                    found = true;
                    for (index, value) in list.into_iter().enumerate() {
                        if let Value::Object(members) = value {
                            let vault = name != "folders" && inside.is_none();
                            self.node(members, &format!("{at}/{index}"), vault, inside)?;
                        }
                    }
                }
                ("passwords" | "items" | "records", Value::List(list)) => {
                    found = true;
                    for (index, value) in list.into_iter().enumerate() {
                        let members =
                            if let Value::Object(members) = value { members } else { Members::new() };
                        self.records.push((members, format!("{at}/{index}"), inside));
                    }
                }
                ("response" | "data" | "export", Value::Object(members)) if inside.is_none() => {
                    found |= self.walk(members, &at, inside)?;
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn node(&mut self, mut members: Members, at: &str, vault: bool, inside: Option<usize>) -> Result<()> {
        let index = self.nodes.len();
        let name = members.iter_mut().find(|(name, _)| name == "name");
        let name =
            name.and_then(|(_, value)| std::mem::replace(value, Value::Null).into_text()).unwrap_or_default();
        if let Some(id) = id_of(&mut members, &["id", "_id"]) {
            let ids = if vault { &mut self.vaults } else { &mut self.folders };
            ids.entry(id).or_insert(index);
        }
        let parent_id = id_of(&mut members, &["parentId", "parentFolderId"]);
        let vault_id = id_of(&mut members, &["vaultId", "groupId"]);
        self.nodes.push(Node { name, vault, inside, parent_id, vault_id, filled: false });
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
            // No real tree is this deep; the cap keeps a file full of circles from costing its square.
            if path.folders.len() > self.nodes.len().min(1000) {
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
    records: std::vec::IntoIter<(Members, String, Option<usize>)>,
    notes: Vec<String>,
    next_node: usize,
}

impl Reader {
    fn record(&mut self, mut members: Members, at: String, inside: Option<usize>) -> Result<Entry, Reject> {
        let folder = id_of(&mut members, &["folderId"]).or_else(|| id_of(&mut members, &["groupId"]));
        let vault = id_of(&mut members, &["vaultId"]);
        let mut node = inside;
        if let Some(id) = &folder {
            match self.tree.folders.get(id).or_else(|| self.tree.vaults.get(id)) {
                Some(found) => node = Some(*found),
                None if inside.is_none() => self.notes.push(format!("{at}: folder {id} is not in the file")),
                None => {}
            }
        }
        if node.is_none() {
            node = vault.and_then(|id| self.tree.vaults.get(&id).copied());
        }
        let reject = |label: String, why: &str| Reject {
            at: Position::pointer(at.clone()),
            label,
            why: why.to_owned(),
        };
        let Some(path) = self.tree.path(node, true) else {
            return Err(reject(String::new(), "its folder is inside itself"));
        };
        let members = Value::Object(members);
        if let Some(name) = members.duplicate() {
            return Err(reject(path.to_string(), &format!("member {name} twice")));
        }
        let Value::Object(members) = members else { return Err(reject(path.to_string(), "not an object")) };
        let mut record = Record { path, ..Record::default() };
        let members = members.into_iter().map(|(name, value)| match name.as_str() {
            "custom" => ("customs".to_owned(), value),
            "isFavorite" | "isFavourite" | "favourite" => ("favorite".to_owned(), value),
            "title" => ("name".to_owned(), value),
            _ => (name, value),
        });
        let rest = fill(&mut record, members.collect()).map_err(|why| reject(record.label(), &why))?;
        let mut coded = false;
        for (name, value) in rest {
            match name.as_str() {
                "plainPassword" if record.password.is_none() => {
                    let text = text_of(value, "plainPassword").map_err(|why| reject(record.label(), &why))?;
                    record.password = text.map(SecretString::new);
                }
                "passwordEncrypted" | "cryptedPassword" if record.password.is_none() => {
                    let Ok(Some(text)) = text_of(value, &name) else { continue };
                    let text = SecretString::new(text);
                    let plain = decoded(text.expose()).ok_or_else(|| reject(record.label(), SEALED))?;
                    record.password = Some(plain);
                    coded = true;
                }
                _ => {}
            }
        }
        let sealed = |text: &SecretString| text.expose().starts_with(ENVELOPE);
        if record.password.as_ref().is_some_and(sealed)
            || record.customs.iter().any(|custom| sealed(&custom.value))
        {
            return Err(reject(record.label(), SEALED));
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
        if record.name.is_empty() {
            self.notes.push(format!("{at}: no name"));
        }
        Ok(Entry::Record(record, Position::pointer(at)))
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
        if let Some(note) = self.notes.pop() {
            return Some(Ok(Entry::Note(note)));
        }
        if let Some((members, at, inside)) = self.records.next() {
            return Some(Ok(self.record(members, at, inside).unwrap_or_else(Entry::Reject)));
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
            if !node.filled
                && let Some(path) = self.tree.path(Some(index), false)
            {
                return Some(Ok(Entry::Folder(path)));
            }
        }
        None
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

pub(super) fn write(output: Box<dyn Write + Send>) -> Box<dyn Writer> {
    Box::new(PassworkWriter { output, vaults: Branch::default(), top: Branch::default() })
}

impl PassworkWriter {
    fn place(&mut self, path: &RecordPath) -> Result<&mut Branch> {
        if path.folders.len() > MAX_FOLDERS {
            return Err(Error::new(
                ErrorKind::Input,
                format!("folders are nested more than {MAX_FOLDERS} deep"),
            )
            .next_step("write JSON lines, which have no such limit"));
        }
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
        append(items, record, "isFavorite");
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
