//! The walk through a document's items: each becomes a record, is left out or is rejected, and its account follows.

use super::item::Item;
use super::place::{Filled, Place};
use crate::bin::{self, into_trash};
use crate::document::{document, parsed};
use crate::json::{self, Members, Value};
use crate::jsonl::twice;
use crate::tally::Tally;
use crate::zip::{UNCLAIMED, Zip};
use crate::{Entries, MOST_FOLDERS, ReadOptions, too_deep};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::{Entry, Record};
use std::collections::{HashMap, HashSet};
use std::io::Read;

/// An item that was found, and the place that it stands in, where the document's shape says so.
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) at: String,
    pub(crate) path: Place,
}

/// What became of an item.
pub(crate) enum Kept {
    Record,
    /// It stays behind, all of it; the reason.
    LeftOut(&'static str),
    /// It cannot be taken; a sentence without values.
    Rejected(String),
}

/// It lies in the bin, and stays there: see [`Item::stays_in_bin`].
pub(crate) const BIN: Kept = Kept::LeftOut(bin::STAYS);

/// Fills a record from the members of an item.
pub(crate) type Fill = Box<dyn FnMut(&mut Item<'_>, Members) -> Kept + Send>;

/// A document being read: its account, its folders, its items.
#[derive(Default)]
pub(crate) struct Document {
    pub(crate) tally: Tally,
    pub(crate) found: Vec<Found>,
    /// Folders with where they stand; those without records are entries of their own.
    places: Vec<(Place, String)>,
    /// The archive that the document came in, with the files of its records.
    pub(crate) zip: Option<Zip>,
    /// What is said after all of it.
    pub(crate) last: Vec<Entry>,
    /// What lies in the bin comes along.
    include_trash: bool,
    /// Where items stand that lie in a folder which is in the bin.
    in_bin: HashSet<String>,
}

impl Document {
    /// Reads a document that is a member of an archive, which keeps the files of its records.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where there is no such member, or it is no JSON.
    pub(crate) fn member(mut zip: Zip, name: &str, whose: &str) -> Result<(Self, Members)> {
        let Some(bytes) = zip.take(name)? else { return Err(not_one(whose)) };
        let (mut this, members) = Self::of(parsed(&bytes)?, whose)?;
        this.zip = Some(zip);
        Ok((this, members))
    }

    /// Reads a document whose top is an object.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where it is no JSON, or no export of `whose`.
    pub(crate) fn object(input: Box<dyn Read + Send>, whose: &str) -> Result<(Self, Members)> {
        Self::of(document(input)?, whose)
    }

    /// The same of what was read already.
    pub(crate) fn of(value: Value, whose: &str) -> Result<(Self, Members)> {
        let Value::Object(members) = value else { return Err(not_one(whose)) };
        if let Some(name) = json::duplicate(&members) {
            return Err(Error::new(ErrorKind::Input, twice(name)));
        }
        let mut this = Self::default();
        this.tally.read(json::leaves(&members));
        Ok((this, members))
    }

    /// A folder, which may turn out to be empty.
    pub(crate) fn place(&mut self, path: impl Into<Place>, at: impl Into<String>) {
        self.places.push((path.into(), at.into()));
    }

    /// How many folders there are.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// Folders from this number on come along only with what they hold: those of the bin.
    pub(crate) fn forget_places(&mut self, from: usize) {
        self.places.truncate(from);
    }

    /// Every item of a list, in this place.
    pub(crate) fn items(&mut self, list: Vec<Value>, at: &str, path: &Place) {
        let items = list.into_iter().enumerate().map(|(index, value)| Found {
            value,
            at: format!("{at}/{index}"),
            path: path.clone(),
        });
        self.found.extend(items);
    }

    /// Takes what lies in the bin along, where that is asked for: of formats that know a bin.
    pub(crate) fn with_bin(self, options: &ReadOptions) -> Self {
        Self { include_trash: options.include_trash, ..self }
    }

    /// Says that what was found from this number on lies in the bin with its folder.
    pub(crate) fn in_bin_from(&mut self, number: usize) {
        self.in_bin.extend(self.found.iter().skip(number).map(|found| found.at.clone()));
    }

    /// Tells of a member of the document that nothing takes.
    pub(crate) fn behind(&mut self, value: &Value, at: &str, why: &str) {
        crate::document::left_behind(&mut self.tally, value, at, why);
    }

    /// Tells of all members that nothing took.
    pub(crate) fn leave_rest(&mut self, members: Members, at: &str) {
        for (name, value) in members {
            self.behind(&value, &format!("{at}/{}", json::pointer_part(&name)), crate::document::NO_RECORD);
        }
    }

    /// Members that did their work.
    pub(crate) fn resolve(&mut self, members: &mut Members, names: &[&str]) {
        for (name, value) in members.iter_mut() {
            if names.contains(&name.as_str()) && !matches!(value, Value::List(_) | Value::Object(_)) {
                self.tally.resolved(std::mem::replace(value, Value::Null).leaves());
            }
        }
    }

    /// A mark that may be set: yes, no, or `None` where it is absent or something else, and then stays.
    pub(crate) fn flag(&mut self, members: &mut Members, name: &str) -> Option<bool> {
        super::item::flag(&mut self.tally, members, name)
    }

    /// The text of a member, where it has one, and the account of it.
    pub(crate) fn id(&mut self, members: &mut Members, names: &[&str]) -> Option<String> {
        let value = plain(members, names)?;
        self.tally.resolved(value.leaves());
        value.into_text().filter(|id| !id.is_empty())
    }

    /// The name of a vault or folder, which is carried.
    pub(crate) fn name(&mut self, members: &mut Members, names: &[&str]) -> String {
        let Some(value) = plain(members, names) else { return String::new() };
        self.tally.carried(value.leaves());
        value.into_text().unwrap_or_default()
    }

    /// The entries: items by `fill`, then empty folders, then the account.
    pub(crate) fn entries(self, fill: Fill) -> Entries {
        let Self { tally, found, places, zip, last, include_trash, in_bin } = self;
        let (found, filled) = (found.into_iter(), Filled::default());
        Box::new(Items { tally, found, places, zip, last, include_trash, in_bin, filled, fill, end: None })
    }
}

/// The first of these members that is a single value; it is null from then on.
fn plain(members: &mut Members, names: &[&str]) -> Option<Value> {
    let is_plain = |value: &Value| matches!(value, Value::Bool(_) | Value::Number(_) | Value::Text(_));
    for wanted in names {
        let found = members.iter_mut().find(|(name, value)| name == wanted && is_plain(value));
        if let Some((_, value)) = found {
            return Some(std::mem::replace(value, Value::Null));
        }
    }
    None
}

/// What an error says of a document without a manager's lists.
pub(crate) fn not_one(whose: &str) -> Error {
    Error::new(ErrorKind::Input, format!("this is no export of {whose}")).next_step("leave --format out")
}

struct Items {
    tally: Tally,
    found: std::vec::IntoIter<Found>,
    places: Vec<(Place, String)>,
    zip: Option<Zip>,
    last: Vec<Entry>,
    include_trash: bool,
    in_bin: HashSet<String>,
    /// Places that hold something, here or below.
    filled: Filled,
    fill: Fill,
    /// What is said at the end, the last first.
    end: Option<Vec<Entry>>,
}

impl Items {
    fn record(&mut self, value: Value, at: &str, place: &Place) -> Result<Option<Record>, String> {
        let leaves = value.leaves();
        if let Some(name) = value.duplicate() {
            return Err(twice(name));
        }
        let Value::Object(members) = value else { return Err("not an object".to_owned()) };
        let mark = self.tally.mark();
        let mut item = Item {
            record: Record { path: place.path(), ..Record::default() },
            zip: self.zip.as_mut(),
            include_trash: self.include_trash,
            ..Item::new(at, &mut self.tally)
        };
        let kept =
            if item.stays_in_bin(self.in_bin.contains(at)) { BIN } else { (self.fill)(&mut item, members) };
        let Item { mut record, in_bin, .. } = item;
        if in_bin {
            into_trash(&mut record);
        }
        match kept {
            Kept::LeftOut(why) => {
                self.tally.back_to(mark);
                self.tally.tell(why, at, leaves);
                return Ok(None);
            }
            Kept::Rejected(why) => return Err(why),
            Kept::Record => {}
        }
        if record.path.folders.len() > MOST_FOLDERS || place.is_too_deep() {
            return Err(too_deep());
        }
        if record.name.is_empty() {
            self.tally.remark("no name", at);
        }
        self.filled.insert(&record.path);
        Ok(Some(record))
    }

    fn finish(&mut self) -> Vec<Entry> {
        let mut end = Vec::new();
        for (place, at) in std::mem::take(&mut self.places) {
            if place.is_too_deep() {
                self.tally.remark("a folder is too deep", at);
            } else if !place.is_top() {
                let path = place.path();
                if self.filled.insert(&path) {
                    end.push(Entry::Folder(path));
                }
            }
        }
        if let Some(zip) = &mut self.zip {
            end.extend(zip.left_over(&mut self.tally, UNCLAIMED));
        }
        end.append(&mut self.last);
        end.extend(std::mem::take(&mut self.tally).finish());
        end.reverse();
        end
    }
}

impl Iterator for Items {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(Found { value, at, path }) = self.found.next() {
            let (leaves, mark) = (value.leaves(), self.tally.mark());
            return Some(Ok(match self.record(value, &at, &path) {
                Ok(Some(record)) => Entry::Record(record, position(&at)),
                Ok(None) => continue,
                Err(why) => self.tally.refuse(mark, leaves, position(&at), why),
            }));
        }
        if self.end.is_none() {
            self.end = Some(self.finish());
        }
        self.end.as_mut().and_then(Vec::pop).map(Ok)
    }
}

/// Where an item stands: a pointer, or the line of a text (`line 7`).
fn position(at: &str) -> Position {
    let line = at.strip_prefix("line ").and_then(|number| number.parse().ok());
    line.map_or_else(|| Position::pointer(at), Position::line)
}

/// Folders that name the one they stand in: places by id. One in a folder that is not there is at the top from there on; what
/// stands in itself is too deep for any record; one without an id is nobody's.
pub(crate) fn nested(nodes: &[(String, Option<String>, String)]) -> HashMap<String, Place> {
    nested_in(&Place::default(), nodes)
}

/// The same below a place that is the top of them all.
pub(crate) fn nested_in(top: &Place, nodes: &[(String, Option<String>, String)]) -> HashMap<String, Place> {
    let by_id: HashMap<&str, usize> =
        nodes.iter().enumerate().rev().map(|(index, (id, ..))| (id.as_str(), index)).collect();
    let mut places: Vec<Option<Place>> = vec![None; nodes.len()];
    let mut seen = vec![false; nodes.len()];
    for start in 0..nodes.len() {
        // Up to a folder whose place is known, and down again.
        let (mut chain, mut above) = (Vec::new(), top.clone());
        let mut at = Some(start);
        while let Some(index) = at {
            if let Some(Some(place)) = places.get(index) {
                above = place.clone();
                break;
            }
            if let Some(seen) = seen.get_mut(index)
                && std::mem::replace(seen, true)
            {
                above = Place::too_deep();
                break;
            }
            chain.push(index);
            let parent = nodes.get(index).and_then(|(_, parent, _)| parent.as_deref());
            at = parent.and_then(|id| by_id.get(id)).copied();
        }
        for index in chain.into_iter().rev() {
            let name = nodes.get(index).map_or("", |(.., name)| name);
            above = above.below(name.to_owned());
            if let Some(place) = places.get_mut(index) {
                *place = Some(above.clone());
            }
        }
    }
    let with_id = nodes.iter().zip(places).filter(|((id, ..), _)| !id.is_empty());
    // Of two with one id, the first is meant.
    let mut all = HashMap::new();
    for ((id, ..), place) in with_id {
        all.entry(id.clone()).or_insert(place.unwrap_or_default());
    }
    all
}
