//! Makes records of what waits.

use super::survey::{Survey, id_of};
use super::tree::Tree;
use super::waiting::{Waited, Waiting};
use crate::json::{self, Members, Value};
use crate::jsonl::{base64, fill, spread, text_of, twice};
use crate::spool::Spools;
use crate::tally::Tally;
use crate::{Entries, ReadOptions, too_deep};
use keyferry_crypto::error::{Position, Result};
use keyferry_crypto::model::{CustomKind, Entry, Record};
use keyferry_crypto::secret::SecretString;
use std::io::Read;

/// How an envelope begins: base32 of OpenSSL's `Salted__`, as Passwork spells it.
const ENVELOPE: &str = "amt4cwv48xb6pp1h";
const SEALED: &str =
    "encrypted on the client; export with readable passwords, or read the environment itself";
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

/// Reads a document to its end, and then record by record what stood in it.
pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let Survey { nodes, tally, waiting, .. } = Survey::of(input, &options.spools)?;
    Ok(Box::new(Reader { tree: Tree::of(nodes), tally, waiting, last: Vec::new(), next_node: 0 }))
}

struct Reader {
    tree: Tree,
    tally: Tally,
    waiting: Waiting,
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
        let Self { tree, tally, .. } = self;
        id_of(&mut members, "id", tally);
        id_of(&mut members, "_id", tally);
        let folder = id_of(&mut members, "folderId", tally);
        let group = id_of(&mut members, "groupId", tally);
        let vault = id_of(&mut members, "vaultId", tally);
        let mut node = inside;
        if let Some(id) = folder.or_else(|| group.clone()) {
            match tree.folder(&id) {
                Some(found) => node = Some(found),
                None => {
                    tally.unresolved("the folder of a record is not in the file", format!("{at}/folderId"));
                }
            }
        }
        if let Some(id) = vault.or(group) {
            match tree.vault(&id) {
                Some(found) => node = node.or(Some(found)),
                None if node.is_none() => {
                    tally.unresolved("the vault of a record is not in the file", format!("{at}/vaultId"));
                }
                None => {}
            }
        }
        let Some(path) = tree.path(node, true) else {
            return Err(format!("its folder is inside itself, or {}", too_deep()));
        };
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
        match self.waiting.pop() {
            Ok(None) => {}
            Ok(Some(Waited { value, at, inside })) => {
                let (leaves, mark) = (value.leaves(), self.tally.mark());
                return Some(Ok(match self.record(value, &at, inside) {
                    Ok(record) => Entry::Record(record, Position::pointer(at)),
                    Err(why) => self.tally.refuse(mark, leaves, Position::pointer(at), why),
                }));
            }
            // What waited cannot be read again, nor anything after it.
            Err(error) => {
                self.waiting = Waiting::new(&Spools::default());
                self.next_node = usize::MAX;
                return Some(Err(error));
            }
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
            if node.parent_id.as_ref().is_some_and(|id| self.tree.folder(id).is_none()) {
                self.tally.unresolved("the parent of a folder is not in the file", format!("{at}/parentId"));
            }
            let Some(node) = self.tree.nodes.get(index) else { break };
            let named = u64::from(!node.name.is_empty());
            match self.tree.path(Some(index), false) {
                Some(path) => {
                    self.tally.carried(named);
                    if !filled {
                        return Some(Ok(Entry::Folder(path)));
                    }
                }
                None => self.tally.tell("a folder is inside itself, or too deep", at, named),
            }
        }
        if self.next_node < usize::MAX {
            self.next_node = usize::MAX;
            self.last = std::mem::take(&mut self.tally).finish();
            self.last.reverse();
        }
        self.last.pop().map(Ok)
    }
}
