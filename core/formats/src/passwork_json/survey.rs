//! Reads a document once, from its beginning to its end: vaults and folders are kept, records wait, and all else is
//! counted and told.

use super::shape::{self, PLACES, RECORDS, WRAPPERS};
use super::tree::Node;
use super::waiting::{List, Waiting};
use crate::document::{NO_RECORD, left_behind};
use crate::foreign;
use crate::json::{self, Members, Value, pointer_part};
use crate::json_stream::{In, Stream};
use crate::jsonl::twice;
use crate::spool::Spools;
use crate::tally::Tally;
use crate::wiped::append;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::io::Read;
use zeroize::Zeroizing;

/// What was found in a document.
pub(super) struct Survey {
    stream: Stream,
    pub(super) nodes: Vec<Node>,
    pub(super) tally: Tally,
    pub(super) waiting: Waiting,
    /// Something waits, and something of it looks like a record.
    waits: bool,
    has_record: bool,
}

/// An object of the document's structure, while its members are read.
struct Outline {
    /// Where it stands, as a JSON pointer.
    at: String,
    /// The vault or folder that it is; the document or what wraps it otherwise.
    node: Option<usize>,
    /// How deep it stands in the document.
    depth: usize,
    names: HashSet<String>,
    has_name: bool,
    /// It has one of the lists, and records in them.
    has_list: bool,
    holds_records: bool,
    /// Identifiers that were found.
    found: [bool; 4],
}

impl Outline {
    fn new(at: String, node: Option<usize>, depth: usize) -> Self {
        Self {
            at,
            node,
            depth,
            names: HashSet::new(),
            has_name: false,
            has_list: false,
            holds_records: false,
            found: [false; 4],
        }
    }

    /// Takes note of a member.
    fn meet(&mut self, name: &str) -> Result<()> {
        self.has_name |= name == "name";
        if self.names.insert(name.to_owned()) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Input, format!("in the object at {}/: {}", self.at, twice(name))))
    }
}

/// What a vault or folder is known by: its name, its own identifier, and those of what it stands in.
const KNOWN_BY: [&[&str]; 4] =
    [&["name"], &["id", "_id"], &["parentId", "parentFolderId"], &["vaultId", "groupId"]];

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::Text(_))
}

/// An identifier, as text; it is counted as one that led somewhere.
pub(super) fn id_of(members: &mut Members, name: &str, tally: &mut Tally) -> Option<String> {
    let (_, value) = members.iter_mut().find(|(member, value)| member == name && is_scalar(value))?;
    id(std::mem::replace(value, Value::Null), tally)
}

fn id(value: Value, tally: &mut Tally) -> Option<String> {
    tally.resolved(value.leaves());
    value.into_text().filter(|id| !id.is_empty())
}

impl Survey {
    /// Reads all of a document.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where it is no JSON, or not of this format.
    pub(super) fn of(input: Box<dyn Read + Send>, spools: &Spools) -> Result<Self> {
        let mut survey = Self {
            stream: Stream::open(input)?,
            nodes: Vec::new(),
            tally: Tally::default(),
            waiting: Waiting::new(spools),
            waits: false,
            has_record: false,
        };
        let is_own = match survey.stream.peek()? {
            Some(b'[') => {
                let list = survey.waiting.list(List { at: String::new(), inside: None });
                survey.list(0, &mut |survey, index| survey.top(list, index))?;
                !survey.waits || survey.has_record
            }
            Some(b'{') => {
                survey.stream.step();
                let mut outline = Outline::new(String::new(), None, 0);
                survey.object(&mut outline)?;
                // Lists without anything in them tell nothing; they are no one else's either.
                outline.has_list && (outline.holds_records || (!survey.waits && survey.nodes.is_empty()))
            }
            _ => {
                survey.stream.value(0, In::List)?;
                false
            }
        };
        survey.stream.end()?;
        survey.waiting.turn()?;
        if is_own { Ok(survey) } else { Err(foreign::unknown_json()) }
    }

    /// A list, whose opening bracket is next.
    fn list(&mut self, depth: usize, each: &mut dyn FnMut(&mut Self, u64) -> Result<()>) -> Result<()> {
        self.stream.check_depth(depth)?;
        self.stream.step();
        if self.stream.is_empty(In::List)? {
            return Ok(());
        }
        for index in 0.. {
            each(self, index)?;
            if !self.stream.goes_on(In::List)? {
                break;
            }
        }
        Ok(())
    }

    /// An object of the structure, whose opening brace was taken.
    fn object(&mut self, outline: &mut Outline) -> Result<()> {
        self.stream.check_depth(outline.depth)?;
        if !self.stream.is_empty(In::Object)? {
            self.members(outline)?;
        }
        Ok(())
    }

    /// Its members from the next one on.
    fn members(&mut self, outline: &mut Outline) -> Result<()> {
        loop {
            let name = self.stream.name()?;
            outline.meet(&name)?;
            self.member(outline, name)?;
            if !self.stream.goes_on(In::Object)? {
                return Ok(());
            }
        }
    }

    /// A member whose value is next.
    fn member(&mut self, outline: &mut Outline, name: String) -> Result<()> {
        let at = || format!("{}/{}", outline.at, pointer_part(&name));
        let depth = outline.depth + 1;
        match self.stream.peek()? {
            Some(b'[') if PLACES.contains(&name.as_str()) => {
                outline.has_list = true;
                let (at, inside) = (at(), outline.node);
                let is_vault = name != "folders" && inside.is_none();
                let holds_records = &mut outline.holds_records;
                self.list(depth, &mut |survey, index| {
                    *holds_records |= survey.place(format!("{at}/{index}"), is_vault, inside, depth + 1)?;
                    Ok(())
                })
            }
            Some(b'[') if RECORDS.contains(&name.as_str()) => {
                outline.has_list = true;
                let list = self.waiting.list(List { at: at(), inside: outline.node });
                let holds_records = &mut outline.holds_records;
                self.list(depth, &mut |survey, index| {
                    let value = survey.stream.value(depth + 1, In::List)?;
                    *holds_records |= survey.record(&value);
                    survey.waiting.push(list, index, survey.stream.text())
                })
            }
            Some(b'{') if WRAPPERS.contains(&name.as_str()) && outline.node.is_none() => {
                self.stream.step();
                let mut inner = Outline::new(at(), None, depth);
                self.object(&mut inner)?;
                outline.has_list |= inner.has_list;
                // What is wrapped twice is read, and not enough to know the format by.
                outline.holds_records |= inner.holds_records && outline.depth == 0;
                Ok(())
            }
            _ => {
                let value = self.stream.value(depth, In::Object)?;
                self.plain(outline, name, value)
            }
        }
    }

    /// A member that is no part of the structure.
    fn plain(&mut self, outline: &mut Outline, name: String, mut value: Value) -> Result<()> {
        self.tally.read(value.leaves());
        if outline.depth == 0 {
            let alone = Value::Object(vec![(name, value)]);
            foreign::refuse_json(&alone)?;
            let Value::Object(mut members) = alone else { return Ok(()) };
            let Some(member) = members.pop() else { return Ok(()) };
            self.behind(outline, &member.0, &member.1);
            return Ok(());
        }
        let role = KNOWN_BY.iter().position(|names| names.contains(&name.as_str()));
        if let (Some(role), Some(node)) = (role, outline.node.and_then(|node| self.nodes.get_mut(node)))
            && let Some(found @ false) = outline.found.get_mut(role)
            && is_scalar(&value)
        {
            *found = true;
            let value = std::mem::replace(&mut value, Value::Null);
            match role {
                0 => node.name = value.into_text().unwrap_or_default(),
                1 => node.id = id(value, &mut self.tally),
                2 => node.parent_id = id(value, &mut self.tally),
                _ => node.vault_id = id(value, &mut self.tally),
            }
        }
        self.behind(outline, &name, &value);
        Ok(())
    }

    fn behind(&mut self, outline: &Outline, name: &str, value: &Value) {
        left_behind(&mut self.tally, value, &format!("{}/{}", outline.at, pointer_part(name)), NO_RECORD);
    }

    /// Takes note of a record; whether it looks like one.
    fn record(&mut self, value: &Value) -> bool {
        self.tally.read(value.leaves());
        let is_record = shape::is_record(value);
        self.waits = true;
        self.has_record |= is_record;
        is_record
    }

    /// A vault or folder, if that is what comes next; whether it tells that the document is of this format.
    fn place(&mut self, at: String, vault: bool, inside: Option<usize>, depth: usize) -> Result<bool> {
        if self.stream.peek()? != Some(b'{') {
            let value = self.stream.value(depth, In::List)?;
            self.tally.read(value.leaves());
            left_behind(&mut self.tally, &value, &at, NO_RECORD);
            return Ok(false);
        }
        self.stream.step();
        let mut outline = self.node(at, vault, inside, depth);
        self.object(&mut outline)?;
        Ok(outline.holds_records || (outline.has_name && outline.has_list))
    }

    fn node(&mut self, at: String, vault: bool, inside: Option<usize>, depth: usize) -> Outline {
        let node = self.nodes.len();
        self.nodes.push(Node { at: at.clone(), vault, inside, ..Node::default() });
        Outline::new(at, Some(node), depth)
    }

    /// What stands in a document that is a list: a vault where it has one of the lists, and else a record.
    fn top(&mut self, list: u64, index: u64) -> Result<()> {
        if self.stream.peek()? != Some(b'{') {
            let value = self.stream.value(1, In::List)?;
            self.record(&value);
            return self.waiting.push(list, index, self.stream.text());
        }
        self.stream.step();
        let (mut members, mut text) = (Members::new(), Zeroizing::new(b"{".to_vec()));
        let mut goes_on = !self.stream.is_empty(In::Object)?;
        while goes_on {
            let name = self.stream.name()?;
            if shape::is_list(&name) {
                let mut outline = self.node(format!("/{index}"), true, None, 1);
                for (name, value) in members {
                    outline.meet(&name)?;
                    self.plain(&mut outline, name, value)?;
                }
                outline.meet(&name)?;
                self.member(&mut outline, name)?;
                return if self.stream.goes_on(In::Object)? { self.members(&mut outline) } else { Ok(()) };
            }
            if !members.is_empty() {
                append(&mut text, b",");
            }
            let mut quoted = Zeroizing::new(Vec::new());
            json::quote(&mut quoted, &name);
            append(&mut text, &quoted);
            append(&mut text, b":");
            members.push((name, self.stream.value(2, In::Object)?));
            append(&mut text, self.stream.text());
            goes_on = self.stream.goes_on(In::Object)?;
        }
        append(&mut text, b"}");
        self.record(&Value::Object(members));
        self.waiting.push(list, index, &text)
    }
}
