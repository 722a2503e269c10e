//! The document of KeePass, on its way to records: `KeePassFile/{Meta, Root/Group…}`.
//!
//! Each entry becomes a record, one after the other, so that only records are kept and not the tree; what passes is counted
//! by the walk through the document, apart from what becomes of it. Nothing may be skipped on the way: values that are protected share
//! one stream, those of history too.

use super::entry::{self, DATES, LOOKS, tags};
use super::places::{FRAME, MOST, Places, too_many};
use super::references::{Resolver, Target};
use super::shelf::{Binary, Shelf};
use super::survey::{self, Rule};
use crate::bin::TRASH;
use crate::document::NO_RECORD;
use crate::jsonl::base64;
use crate::tally::Tally;
use crate::xml::{Element, Step, Tag, Unlock, Xml, is_blank};
use crate::{Entries, MOST_FOLDERS, too_deep};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::{Attachment, Entry, Record, Reject};
use keyferry_crypto::secret::SecretBytes;
use std::collections::HashSet;

// Why values stay behind: the beginning of each names the members.
const FOLDER: &str = "settings of a folder stay behind (IsExpanded, EnableAutoType, EnableSearching, DefaultAutoTypeSequence, LastTopVisibleEntry, CustomData and others)";
const META: &str =
    "settings of the database stay behind (Meta: its name, description, rules and what plug-ins keep)";

/// Where a document came from.
pub(super) struct Source {
    pub(super) unlock: Option<Unlock>,
    /// Attachments that stand outside of the document.
    pub(super) binaries: Vec<SecretBytes>,
    /// The hash that the document should repeat.
    pub(super) header: Option<[u8; 32]>,
    pub(super) include_trash: bool,
}

/// Whether a group says that its groups are the vaults, and nothing else.
fn is_frame(data: &Element<'_>) -> bool {
    let plain = |element: &Element<'_>| element.text.is_empty() && element.tag.leaves() == 0;
    match data.children.as_slice() {
        [item] => {
            plain(data)
                && plain(item)
                && item.children.len() == 2
                && (item.text_of("Key"), item.text_of("Value")) == FRAME
        }
        _ => false,
    }
}

/// Longer texts of a group's tags are not given to each of its records.
const LONGEST_TAGS: usize = 4096;

/// An entry, read.
struct Pending {
    group: usize,
    /// Its number in the group.
    number: usize,
    id: String,
    outcome: Result<Record, String>,
    attachments: Vec<(String, usize)>,
    /// In the bin, and not asked for: kept since others may refer to it.
    left: bool,
}

impl Pending {
    fn at(&self) -> String {
        entry_at(self.group, self.number)
    }
}

/// Where a group stands: by its number in the document, since groups can be nested in numbers.
fn group_at(number: usize) -> String {
    format!("/KeePassFile/Root/Group/{number}")
}

fn entry_at(group: usize, number: usize) -> String {
    format!("/KeePassFile/Root/Group/{group}/Entry/{number}")
}

/// Which group is the recycle bin.
enum Bin {
    Unknown,
    /// The one with this identifier.
    Named(String),
    /// The one of this number among all groups.
    Numbered(usize),
    None,
}

/// The reading.
struct Reader<'a> {
    xml: Xml<'a>,
    /// What the document says of its bin, once it has said its rules.
    rule: Option<Rule>,
    bin: Bin,
    /// Groups, entries and attachments.
    things: usize,
    source: Source,
    shelf: Shelf,
    places: Places,
    entries: Vec<Pending>,
}

/// Reads a document.
pub(super) fn read(document: &str, mut source: Source) -> Result<Entries> {
    let mut xml = Xml::new(document);
    if let Some(unlock) = source.unlock.take() {
        xml = xml.unlocking(unlock);
    }
    let mut shelf = Shelf::default();
    for (index, content) in std::mem::take(&mut source.binaries).into_iter().enumerate() {
        shelf.tally.read(u64::from(!content.is_empty()));
        shelf.pool.insert(index.to_string(), index);
        shelf.binaries.push(Binary { content, at: format!("attachment {index}"), used: false, counts: true });
    }
    let mut reader = Reader {
        xml,
        rule: None,
        bin: Bin::Unknown,
        things: 0,
        source,
        shelf,
        places: Places::default(),
        entries: Vec::new(),
    };
    reader.file()?;
    reader.shelf.tally.read(reader.xml.leaves());
    Ok(Box::new(reader.records()))
}

fn not_one() -> Error {
    Error::new(ErrorKind::Input, "this XML is no export of KeePass: its outermost element is another")
        .next_step("leave --format out")
}

impl<'a> Reader<'a> {
    /// Text where elements should stand.
    fn loose(&mut self, text: &str, at: &str, seen: &mut bool) {
        if !is_blank(text) && !*seen {
            *seen = true;
            self.shelf.tell("a text between elements stays behind", at, 1);
        }
    }

    /// One more group, entry or attachment.
    fn thing(&mut self) -> Result<()> {
        self.things += 1;
        if self.things > MOST { Err(too_many()) } else { Ok(()) }
    }

    /// Whether the group that was opened just now, of this number, is the recycle bin.
    fn is_bin(&mut self, own: usize) -> Result<bool> {
        if let Bin::Named(id) = &self.bin {
            match self.xml.next_text("UUID") {
                Some(text) if text.trim() == id => self.bin = Bin::Numbered(own),
                Some(_) => {}
                None => self.survey()?,
            }
        }
        Ok(matches!(self.bin, Bin::Numbered(number) if number == own))
    }

    /// Looks for the bin in all of the document.
    fn survey(&mut self) -> Result<()> {
        self.bin = survey::bin(self.xml.document())?.map_or(Bin::None, Bin::Numbered);
        Ok(())
    }

    fn file(&mut self) -> Result<()> {
        let mut at = String::new();
        let mut loose = false;
        loop {
            match self.xml.step()? {
                Step::Open(tag) if at.is_empty() => {
                    if tag.name != "KeePassFile" {
                        return Err(not_one());
                    }
                    "/KeePassFile".clone_into(&mut at);
                    self.xml.holds_elements();
                    self.shelf.attributes(&tag, &at);
                }
                Step::Open(tag) if tag.name == "Meta" => self.meta(&tag)?,
                Step::Open(tag) if tag.name == "Root" => self.root(&tag)?,
                Step::Open(tag) => self.stranger(tag, &at)?,
                Step::Text(text) => self.loose(&text, &at, &mut loose),
                Step::Close => {}
                Step::End => return Ok(()),
            }
        }
    }

    /// An element that nobody knows, outside of entries.
    fn stranger(&mut self, tag: Tag<'a>, above: &str) -> Result<()> {
        let at = format!("{above}/{}", tag.name);
        let leaves = self.xml.element(tag)?.leaves();
        self.shelf.tell(&format!("{NO_RECORD}: it stays behind"), at, leaves);
        Ok(())
    }

    fn meta(&mut self, tag: &Tag<'_>) -> Result<()> {
        let (at, mut loose) = ("/KeePassFile/Meta", false);
        self.xml.holds_elements();
        self.rule.get_or_insert_default();
        self.shelf.attributes(tag, at);
        loop {
            match self.xml.step()? {
                Step::Open(tag) if tag.name == "Binaries" => self.pool(&tag)?,
                Step::Open(tag) => {
                    let element = self.xml.element(tag)?;
                    let leaves = element.leaves();
                    match element.tag.name {
                        "RecycleBinEnabled" | "RecycleBinUUID" => {
                            let (text, rule) =
                                (element.text.as_str().trim(), self.rule.get_or_insert_default());
                            if element.tag.name == "RecycleBinUUID" {
                                text.clone_into(&mut rule.id);
                            } else {
                                rule.enabled = text.eq_ignore_ascii_case("true");
                            }
                            self.shelf.known(&element, at);
                        }
                        "HeaderHash" => {
                            self.shelf.known(&element, at);
                            let written = base64(element.text.as_str()).unwrap_or_default();
                            if self
                                .source
                                .header
                                .is_some_and(|header| !written.is_empty() && written != header)
                            {
                                return Err(super::bytes::damaged("its header is not what was written"));
                            }
                        }
                        "CustomIcons" => {
                            let icons =
                                element.children.iter().filter(|child| child.tag.name == "Icon").count();
                            if leaves > 0 {
                                let what = format!("{icons} icons of one's own stay behind (CustomIcons)");
                                self.shelf.tell(&what, format!("{at}/CustomIcons"), leaves);
                            }
                        }
                        _ => self.shelf.tell(META, at, leaves),
                    }
                }
                Step::Text(text) => self.loose(&text, at, &mut loose),
                Step::Close => return Ok(()),
                Step::End => return Err(not_one()),
            }
        }
    }

    /// Attachments of KDBX 3.1 and of XML.
    fn pool(&mut self, tag: &Tag<'_>) -> Result<()> {
        let (at, mut loose, mut index) = ("/KeePassFile/Meta/Binaries", false, 0);
        self.xml.holds_elements();
        self.shelf.attributes(tag, at);
        loop {
            match self.xml.step()? {
                Step::Open(tag) => {
                    self.thing()?;
                    let at = format!("{at}/{}/{index}", tag.name);
                    index += 1;
                    let element = self.xml.element(tag)?;
                    match self.shelf.content(&element, &at) {
                        Some(content) => {
                            if let Some(id) = element.tag.attribute("ID") {
                                self.shelf.pool.entry(id.to_owned()).or_insert(self.shelf.binaries.len());
                            }
                            self.shelf.binaries.push(Binary { content, at, used: false, counts: true });
                        }
                        None => self.shelf.tell(
                            "an attachment cannot be read and stays behind",
                            at,
                            element.leaves(),
                        ),
                    }
                }
                Step::Text(text) => self.loose(&text, at, &mut loose),
                Step::Close => return Ok(()),
                Step::End => return Err(not_one()),
            }
        }
    }

    fn root(&mut self, tag: &Tag<'_>) -> Result<()> {
        let (at, mut loose) = ("/KeePassFile/Root", false);
        self.xml.holds_elements();
        match (self.rule.take(), &self.bin) {
            (Some(rule), Bin::Unknown) => self.bin = rule.bin().map_or(Bin::None, Bin::Named),
            (None, Bin::Unknown) => self.survey()?,
            // A second root: all groups are counted together.
            _ => {}
        }
        self.shelf.attributes(tag, at);
        loop {
            match self.xml.step()? {
                Step::Open(tag) if tag.name == "Group" => self.group(&tag, None)?,
                Step::Open(tag) if tag.name == "DeletedObjects" => {
                    let leaves = self.xml.element(tag)?.leaves();
                    self.shelf.tell("marks of what was deleted stay behind (DeletedObjects)", at, leaves);
                }
                Step::Open(tag) => self.stranger(tag, at)?,
                Step::Text(text) => self.loose(&text, at, &mut loose),
                Step::Close => return Ok(()),
                Step::End => return Err(not_one()),
            }
        }
    }

    fn group(&mut self, tag: &Tag<'_>, parent: Option<usize>) -> Result<()> {
        self.thing()?;
        self.xml.holds_elements();
        let is_bin = self.is_bin(self.places.numbers().end)?;
        let own = self.places.open(parent, String::new(), is_bin);
        let at = &group_at(own);
        self.shelf.attributes(tag, at);
        let (mut loose, mut entries) = (false, 0);
        let first_entry = self.entries.len();
        let mut tags = 0;
        loop {
            match self.xml.step()? {
                Step::Open(tag) if tag.name == "Group" => self.group(&tag, Some(own))?,
                Step::Open(tag) if tag.name == "Entry" => {
                    self.thing()?;
                    let element = self.xml.element(tag)?;
                    self.entry(element, own, entries);
                    entries += 1;
                }
                Step::Open(tag) => {
                    let element = self.xml.element(tag)?;
                    tags += self.of_group(&element, own, at);
                }
                Step::Text(text) => self.loose(&text, at, &mut loose),
                Step::Close => break,
                Step::End => return Err(not_one()),
            }
        }
        let given = self.entries.iter().skip(first_entry).any(|entry| !entry.left && entry.outcome.is_ok());
        if given {
            self.shelf.tally.carried(tags);
        } else {
            self.shelf.tell("tags of a folder without records stay behind (Tags)", at, tags);
        }
        Ok(())
    }

    /// A member of a group; gives the tags that its records have to take.
    fn of_group(&mut self, element: &Element<'_>, own: usize, above: &str) -> u64 {
        let leaves = element.leaves();
        let plain = element.children.is_empty() && element.tag.leaves() == 0;
        match element.tag.name {
            "IconID" if plain && element.text.as_str().trim() != "0" => self.shelf.tell(LOOKS, above, leaves),
            "UUID" | "IconID" => self.shelf.known(element, above),
            "Name" if element.children.is_empty() => {
                self.shelf.attributes(&element.tag, above);
                let leaves = u64::from(!element.text.is_empty());
                let left =
                    self.places.get(own).is_some_and(|place| place.in_bin && !self.source.include_trash);
                let renamed = self.places.get(own).is_some_and(|place| place.is_bin);
                match (left, renamed) {
                    (true, _) => self.shelf.tell(
                        "the name of a folder in the recycle bin stays behind (Name)",
                        above,
                        leaves,
                    ),
                    (_, true) => self.shelf.tally.resolved(leaves),
                    _ => self.shelf.tally.carried(leaves),
                }
                if let Some(place) = self.places.get_mut(own) {
                    element.text.as_str().clone_into(&mut place.name);
                }
            }
            "Tags" if plain && element.text.as_str().len() <= LONGEST_TAGS => {
                if let Some(place) = self.places.get_mut(own) {
                    place.tags = tags(element.text.as_str()).collect();
                }
                return leaves;
            }
            "CustomData"
                if is_frame(element) && self.places.get(own).is_some_and(|it| it.parent.is_none()) =>
            {
                self.shelf.tally.resolved(leaves);
                if let Some(place) = self.places.get_mut(own) {
                    place.is_frame = true;
                }
            }
            "Notes" => self.shelf.tell("Notes of a folder stay behind: folders have none", above, leaves),
            "Times" => self.shelf.tell(DATES, above, leaves),
            "CustomIconUUID" | "PreviousParentGroup" => self.shelf.tell(LOOKS, above, leaves),
            "IsExpanded"
            | "DefaultAutoTypeSequence"
            | "EnableAutoType"
            | "EnableSearching"
            | "LastTopVisibleEntry"
            | "CustomData" => self.shelf.tell(FOLDER, above, leaves),
            name => {
                self.shelf.tell(&format!("{NO_RECORD}: it stays behind"), format!("{above}/{name}"), leaves);
            }
        }
        0
    }

    fn entry(&mut self, element: Element<'_>, group: usize, number: usize) {
        let at = entry_at(group, number);
        let leaves = element.leaves();
        let left = self.places.get(group).is_some_and(|place| place.in_bin) && !self.source.include_trash;
        let mark = self.shelf.tally.mark();
        let kept = if left { std::mem::take(&mut self.shelf.tally) } else { Tally::default() };
        let before = self.shelf.binaries.len();
        let mut read = entry::read(element, &at, &mut self.shelf);
        // The first group is the vault.
        if self.places.depth(group) > MOST_FOLDERS + 1 {
            read.outcome = Err(too_deep());
        }
        let entry::Read { outcome, attachments, id } = read;
        if left || outcome.is_err() {
            self.shelf.binaries.iter_mut().skip(before).for_each(|binary| binary.counts = false);
        }
        if left {
            self.shelf.tally = kept;
            self.shelf.tell("a record in the recycle bin stays behind", &at, leaves);
        } else if outcome.is_err() {
            self.shelf.tally.back_to(mark);
            self.shelf.tally.rejected(leaves);
        }
        self.entries.push(Pending { group, number, id, outcome, attachments, left });
    }

    /// All that was read, with what could only be known at the end.
    fn records(mut self) -> Records {
        self.resolve();
        self.name_groups();
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|entry| !entry.left);
        for entry in &entries {
            if let Some(place) = self.places.get_mut(entry.group) {
                place.filled = true;
            }
            let Ok(record) = &entry.outcome else { continue };
            if record.name.is_empty() {
                self.shelf.tally.remark("no name", entry.at());
            }
            for (_, index) in &entry.attachments {
                if let Some(binary) = self.shelf.binaries.get_mut(*index) {
                    binary.used = true;
                }
            }
        }
        for index in 0..self.shelf.binaries.len() {
            let Some(binary) =
                self.shelf.binaries.get(index).filter(|binary| binary.counts && !binary.content.is_empty())
            else {
                continue;
            };
            if binary.used {
                self.shelf.tally.carried(1);
            } else {
                let at = binary.at.clone();
                self.shelf.tell(
                    "an attachment of no record but of earlier versions or the recycle bin stays behind",
                    at,
                    1,
                );
            }
        }
        let folders = self.folders().into_iter();
        let Shelf { tally, binaries, .. } = self.shelf;
        let last = tally.finish().into_iter();
        Records { entries: entries.into_iter(), binaries, places: self.places, folders, last }
    }

    fn resolve(&mut self) {
        let empty = Record::default();
        let mut resolved = Vec::new();
        {
            let targets: Vec<_> = self
                .entries
                .iter()
                .map(|entry| Target { record: entry.outcome.as_ref().unwrap_or(&empty), id: &entry.id })
                .collect();
            let mut references = Resolver::new(&targets);
            for (index, entry) in self.entries.iter().enumerate() {
                if let (false, Ok(record)) = (entry.left, &entry.outcome)
                    && let Some(found) = references.resolve(record, &entry.at(), &mut self.shelf.tally)
                {
                    resolved.push((index, found));
                }
            }
        }
        for (index, found) in resolved {
            if let Some(Ok(record)) = self.entries.get_mut(index).map(|entry| &mut entry.outcome) {
                found.apply(record);
            }
        }
    }

    /// Names for groups that have none, and a remark where two become one.
    fn name_groups(&mut self) {
        let mut seen = HashSet::new();
        for number in self.places.numbers() {
            let Some(place) = self.places.get_mut(number) else { continue };
            if place.is_bin {
                TRASH.clone_into(&mut place.name);
            }
            if place.name.is_empty() {
                let name = if place.parent.is_none() { "Root" } else { "Unnamed" };
                name.clone_into(&mut place.name);
                self.shelf.tally.remark("a folder without a name gets one", group_at(number));
            }
            if (!place.in_bin || self.source.include_trash)
                && !seen.insert((place.parent, place.name.clone()))
            {
                self.shelf.tally.remark("two folders of one name in one place become one", group_at(number));
            }
        }
    }

    /// Groups that hold nothing, by their numbers.
    fn folders(&mut self) -> Vec<usize> {
        self.places.fill_parents(self.source.include_trash);
        let mut folders = Vec::new();
        for number in self.places.numbers() {
            let Some(place) = self.places.get(number) else { continue };
            if place.filled || place.is_frame || (place.in_bin && !self.source.include_trash) {
                continue;
            }
            if place.depth > MOST_FOLDERS {
                self.shelf.tally.remark("a folder is too deep", group_at(number));
            } else {
                folders.push(number);
            }
        }
        folders
    }
}

/// What is given out. Paths, inherited tags and contents of attachments are copied with their record: what many share is in
/// memory once.
struct Records {
    entries: std::vec::IntoIter<Pending>,
    binaries: Vec<Binary>,
    places: Places,
    folders: std::vec::IntoIter<usize>,
    last: std::vec::IntoIter<Entry>,
}

impl Iterator for Records {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(entry) = self.entries.next() else {
            let folder = self.folders.next().map(|number| self.places.names(number).into_iter().collect());
            return folder.map(Entry::Folder).or_else(|| self.last.next()).map(Ok);
        };
        let at = Position::pointer(entry.at());
        Some(Ok(match entry.outcome {
            Ok(mut record) => {
                record.path = self.places.names(entry.group).into_iter().collect();
                for tag in self.places.tags(entry.group) {
                    if !record.tags.contains(tag) {
                        record.tags.push(tag.clone());
                    }
                }
                for (name, index) in entry.attachments {
                    if let Some(binary) = self.binaries.get(index) {
                        record.attachments.push(Attachment { name, content: binary.content.clone() });
                    }
                }
                Entry::Record(record, at)
            }
            Err(why) => Entry::Reject(Reject { at, label: String::new(), why }),
        }))
    }
}
