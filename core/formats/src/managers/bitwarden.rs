//! The JSON export of Bitwarden and Vaultwarden, of a person or of an organisation, in the clear or protected with a password.
//!
//! Signature: `encrypted` beside `items` or `data`; or items with an object `login`, `secureNote`, `card`, `identity`, `sshKey`; or a list
//! of items without a frame, or one item, as `bw` prints them.
//! Mapping: `/` in the names of folders and collections nests. `login`, `card`, `identity` and `sshKey` fill the record and
//! custom fields; `fields` follow in their order; a passkey is its JSON. What is archived gets the tag `archived`.
//! Members that nobody knows become custom fields.
//! Resolved: `id`, `organizationId`, `type`, `folderId` and `collectionIds` that lead somewhere.
//! Told: what lies in the bin (where it is not asked for), earlier passwords, dates, further collections of a record, rules for matching addresses,
//! linked fields, which have no value of their own.
//! What a password protects is opened first. Not read: an export that is encrypted for its account alone. The whole document is
//! kept in memory as text; its items are read out of it one by one.

use super::item::{DATES, EARLIER, earlier, seconds};
use crate::bin::{self, into_trash};
use crate::codes::{NO_CODE, code_kind};
use crate::columns::kind_of;
use crate::document::{NO_RECORD, left_behind, outlined, outlined_of, pattern, take, take_all};
use crate::head::{Fit, Head};
use crate::json::{self, Borrowed, Json, Members, Outline, Part, Span, Value, Word};
use crate::jsonl::{spread, text_of, twice};
use crate::tally::Tally;
use crate::zip::{UNCLAIMED, Zip};
use crate::{Entries, MOST_FOLDERS, ReadOptions, as_bool, too_deep};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Entry, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::{Display, Write as _};
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is an export of Bitwarden or Vaultwarden.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    head.json().is_some_and(is_own).into()
}

fn is_own(document: &Value) -> bool {
    let kinds = ["login", "secureNote", "card", "identity", "sshKey"];
    let items = match document.get("items") {
        Some(Value::List(items)) => Some(items),
        _ => None,
    };
    let is_object = |item: &Value, kind: &str| matches!(item.get(kind), Some(Value::Object(_)));
    let is_item = |item: &Value| kinds.iter().any(|kind| is_object(item, kind));
    let is_single = |one: &Value| is_printed(one) || is_item(one) && one.has("type") && one.has("name");
    match document {
        // As `bw list items` and `bw get item` print them.
        Value::List(items) => items.iter().any(|item| is_printed(item) || is_item(item) && item.has("type")),
        one if is_single(one) => true,
        _ => {
            matches!(document.get("encrypted"), Some(Value::Bool(_)))
                && (items.is_some() || document.has("data"))
                || items.is_some_and(|items| items.iter().any(is_item))
        }
    }
}

/// Whether it is an item as the command line prints it.
fn is_printed(value: &Value) -> bool {
    matches!(value.get("object"), Some(Value::Text(object)) if object.as_str() == "item") && value.has("type")
}

/// Whether it is the archive with attachments.
pub(crate) fn fits_zip(head: &Head<'_>) -> Fit {
    let members = head.members();
    let is_file = |name: &str| name.strip_prefix("attachments/").is_some_and(|rest| rest.contains('/'));
    // Where files come first, the document may stand beyond the beginning.
    let has_own = members.iter().any(|name| name == "data.json" || is_file(name));
    (has_own && members.iter().all(|name| name == "data.json" || name.starts_with("attachments/"))).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let (text, outline) = outlined(input, ITEMS)?;
    let outline = framed(&text, outline);
    of_document(text, outline, None, options)
}

/// Reads the archive: `data.json`, and `attachments/` with a folder for each item that has some.
pub(crate) fn read_zip(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let mut zip = Zip::open(input)?;
    let Some(bytes) = zip.take("data.json")? else { return Err(not_one()) };
    let (text, outline) = outlined_of(&bytes, ITEMS)?;
    drop(bytes);
    of_document(text, outline, Some(zip), options)
}

/// The list that stays in the text.
const ITEMS: &str = "items";

/// Puts the document's frame around what has none: a list of items, or one item as the command line prints it or as somebody
/// copied it.
fn framed(text: &str, outline: Outline) -> Outline {
    let frame = |items| Outline::Object(vec![(ITEMS.to_owned(), Part::List(items))]);
    match outline {
        Outline::List(items) => frame(items),
        Outline::Object(parts) if parts.iter().all(|(name, _)| name != ITEMS && name != "encrypted") => {
            let one = Value::Object(values(parts).0);
            if is_own(&one) {
                return frame(vec![Span::whole(text, one.leaves())]);
            }
            let Value::Object(members) = one else { return Outline::Other };
            Outline::Object(members.into_iter().map(|(name, value)| (name, Part::Value(value))).collect())
        }
        whole => whole,
    }
}

/// The members of a document, and the list that stays in the text; its member is null.
fn values(parts: Vec<(String, Part)>) -> (Members, Option<Vec<Span>>) {
    let mut list = None;
    let value = |part| match part {
        Part::Value(value) => value,
        Part::List(spans) => {
            list = Some(spans);
            Value::Null
        }
    };
    let mut value = value;
    let members = parts.into_iter().map(|(name, part)| (name, value(part))).collect();
    (members, list)
}

fn of_document(
    text: Zeroizing<String>,
    outline: Outline,
    zip: Option<Zip>,
    options: &ReadOptions,
) -> Result<Entries> {
    let mut text = text;
    let (mut members, mut items) = whole(outline)?;
    let mut encrypted = take(&mut members, "encrypted");
    if matches!(encrypted, Value::Bool(true)) {
        if !matches!(take(&mut members, "passwordProtected"), Value::Bool(true)) {
            return Ok(for_its_account(json::leaves(&members) + leaves_of(items.as_deref())));
        }
        let inside = super::bitwarden_protected::open(&members, options)?;
        // Of the file itself nothing is a record's; what counts is inside.
        let outline;
        (text, outline) = outlined_of(&inside, ITEMS)?;
        (members, items) = whole(outline)?;
        encrypted = take(&mut members, "encrypted");
    }
    let mut tally = Tally::default();
    tally.read(encrypted.leaves() + json::leaves(&members) + leaves_of(items.as_deref()));
    tally.resolved(encrypted.leaves());
    let include_trash = options.include_trash;
    let mut file = File { tally, include_trash, ..File::default() };
    let Some(items) = items else { return Err(not_one()) };
    for kind in ["folders", "collections"] {
        match take(&mut members, kind) {
            Value::List(list) => {
                for (index, value) in list.into_iter().enumerate() {
                    file.place(value, &format!("/{kind}/{index}"));
                }
            }
            other => left_behind(&mut file.tally, &other, &format!("/{kind}"), NO_RECORD),
        }
    }
    for (name, value) in members {
        left_behind(&mut file.tally, &value, &format!("/{}", json::pointer_part(&name)), NO_RECORD);
    }
    Ok(Box::new(Reader { text, items, next: 0, ready: VecDeque::new(), file, zip, last: None }))
}

fn leaves_of(items: Option<&[Span]>) -> u64 {
    items.into_iter().flatten().map(|item| item.leaves).sum()
}

/// Of an export that is encrypted for its account nothing can be taken: all of it is one reject.
fn for_its_account(leaves: u64) -> Entries {
    let mut tally = Tally::default();
    tally.read(leaves);
    let why = format!(
        "this export of Bitwarden is encrypted with the account's own key; export again as password protected or plain: {}",
        super::bitwarden_protected::OTHER
    );
    let reject = tally.refuse(tally.mark(), leaves, Position::pointer(""), why);
    Box::new(std::iter::once(reject).chain(tally.finish()).map(Ok))
}

/// The members of the document, and its items.
fn whole(outline: Outline) -> Result<(Members, Option<Vec<Span>>)> {
    let Outline::Object(parts) = outline else { return Err(not_one()) };
    let (members, items) = values(parts);
    match json::duplicate(&members) {
        Some(name) => Err(Error::new(ErrorKind::Input, twice(name))),
        None => Ok((members, items)),
    }
}

fn not_one() -> Error {
    Error::new(ErrorKind::Input, "this is no export of Bitwarden: it has no list of items")
        .next_step("leave --format out")
}

/// A document that is being read.
struct Reader {
    text: Zeroizing<String>,
    /// The items, which stand in the text.
    items: Vec<Span>,
    /// The first of them that was not read yet.
    next: usize,
    /// What was read and not given out yet.
    ready: VecDeque<Result<Entry>>,
    file: File,
    /// The archive that the document came in.
    zip: Option<Zip>,
    /// What is said at the end, the last first.
    last: Option<Vec<Entry>>,
}

/// A folder or a collection.
struct Place {
    path: Vec<String>,
    at: String,
    /// A record stands in it.
    holds: bool,
}

/// What is known beside the items.
#[derive(Default)]
struct File {
    /// Folders and collections by their identifiers.
    ids: HashMap<String, usize>,
    places: Vec<Place>,
    /// Paths that hold something, here or below.
    filled: HashSet<Vec<String>>,
    tally: Tally,
    /// What lies in the bin comes along.
    include_trash: bool,
}

/// Items that are read one after the other, on whichever thread.
const RUN: usize = 64;
/// Items that are read at once and wait in memory as records: runs for all threads.
const AHEAD: usize = 16 * RUN;

/// What a run of items came to.
#[derive(Default)]
struct Run {
    entries: Vec<Result<Entry>>,
    tally: Tally,
    /// Places that hold a record, and paths in the bin.
    holding: Vec<usize>,
    binned: Vec<Vec<String>>,
}

impl File {
    /// A folder or a collection.
    fn place(&mut self, value: Value, at: &str) {
        let Value::Object(mut members) = value else {
            return left_behind(&mut self.tally, &value, at, NO_RECORD);
        };
        let is_plain = |value: &Value| !matches!(value, Value::List(_) | Value::Object(_));
        let mut plain = |name: &str| {
            let found = members.iter_mut().find(|(member, value)| member == name && is_plain(value));
            found.map_or(Value::Null, |(_, value)| std::mem::replace(value, Value::Null))
        };
        let (id, name, organisation) = (plain("id"), plain("name"), plain("organizationId"));
        self.tally.resolved(id.leaves() + organisation.leaves());
        self.tally.carried(name.leaves());
        let name = name.into_text().unwrap_or_default();
        let path: Vec<String> = name.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if let Some(id) = id.into_text() {
            self.ids.entry(id).or_insert(self.places.len());
        }
        self.places.push(Place { path, at: at.to_owned(), holds: false });
        for (name, value) in members {
            left_behind(&mut self.tally, &value, &format!("{at}/{}", json::pointer_part(&name)), NO_RECORD);
        }
    }

    /// The place that an identifier names, by its number; the identifier is counted.
    fn named(&self, id: &Borrowed<'_>, at: impl FnOnce() -> String, tally: &mut Tally) -> Option<usize> {
        if id.is_nothing() {
            return None;
        }
        let place = match id {
            Json::List(_) | Json::Object(_) => {
                left_behind(tally, id, &at(), NO_RECORD);
                return None;
            }
            Json::Null => None,
            Json::Bool(is) => self.ids.get(if *is { "true" } else { "false" }),
            Json::Number(id) => self.ids.get(id.as_str()),
            Json::Text(id) => self.ids.get(id.as_str()),
        };
        if place.is_some() {
            tally.resolved(1);
        } else {
            let at = at();
            tally.tell(format!("{} names no folder of the file", pattern(&at)), at, 1);
        }
        place.copied()
    }

    fn folders(&self, place: Option<usize>) -> Vec<String> {
        place.and_then(|place| self.places.get(place)).map_or_else(Vec::new, |place| place.path.clone())
    }

    /// The record at a place, or why it is none; `None` for what lies in the bin.
    fn record(
        &self,
        value: Borrowed<'_>,
        (leaves, at): (u64, &str),
        zip: Option<&mut Zip>,
        run: &mut Run,
    ) -> Result<Option<Record>, String> {
        let tally = &mut run.tally;
        if let Some(name) = value.duplicate() {
            return Err(twice(name));
        }
        let Json::Object(mut members) = value else { return Err("not an object".to_owned()) };
        let [deleted, folder, collections, id, object, organization, kind] = take_all(
            &mut members,
            ["deletedDate", "folderId", "collectionIds", "id", "object", "organizationId", "type"],
        );
        let in_bin = !deleted.is_nothing();
        if in_bin && !self.include_trash {
            tally.tell(bin::STAYS, at, leaves);
            return Ok(None);
        }
        if in_bin {
            left_behind(tally, &deleted, &format!("{at}/deletedDate"), DATES);
        }
        let own_id = match (&id, &zip) {
            (Json::Text(id), Some(_)) => id.as_str().to_owned(),
            _ => String::new(),
        };
        let own = [("id", id), ("object", object), ("organizationId", organization), ("type", kind)];
        for (name, value) in own {
            match value {
                structured @ (Json::List(_) | Json::Object(_)) => members.push((name.into(), structured)),
                plain => tally.resolved(u64::from(!plain.is_nothing())),
            }
        }
        let mut place = self.named(&folder, || format!("{at}/folderId"), tally);
        let mut also_in = Vec::new();
        match collections {
            Json::List(ids) => {
                for (index, id) in ids.iter().enumerate() {
                    let at = || format!("{at}/collectionIds/{index}");
                    let found = self.named(id, at, tally);
                    match (place, found) {
                        (Some(_), Some(_)) => {
                            tally.remark("a record stands in several places: the first is taken", at());
                            also_in.push(RecordPath { vault: None, folders: self.folders(found) });
                        }
                        (None, found) => place = found,
                        (Some(_), None) => {}
                    }
                }
            }
            other => left_behind(tally, &other, &format!("{at}/collectionIds"), NO_RECORD),
        }
        let files = take(&mut members, "attachments");
        let folders = self.folders(place);
        if folders.len() + usize::from(in_bin) > MOST_FOLDERS {
            return Err(too_deep());
        }
        let mut item = Item { record: Record::default(), at, tally };
        item.fill(members)?;
        let mut record = item.record;
        if let Some(zip) = zip {
            attach(&mut record, zip, &own_id, at, &mut run.tally);
        }
        named_files(files, &record, at, &mut run.tally);
        record.path = RecordPath { vault: None, folders };
        record.also_in = also_in;
        if in_bin {
            into_trash(&mut record);
            run.binned.push(record.path.folders.clone());
        } else {
            run.holding.extend(place);
        }
        Ok(Some(record))
    }

    /// Reads items that follow one another from this number on.
    fn run(&self, text: &str, first: usize, spans: &[Span], mut zip: Option<&mut Zip>) -> Run {
        let mut run = Run { entries: Vec::with_capacity(spans.len()), ..Run::default() };
        for (index, span) in (first..).zip(spans) {
            let mut at = String::with_capacity("/items/1000000".len());
            let _ = write!(at, "/items/{index}");
            let mark = run.tally.mark();
            let Ok(value) = span.parse(text) else {
                run.entries.push(Err(Error::new(ErrorKind::Internal, "an item is not where it was found")));
                break;
            };
            let record = self.record(value, (span.leaves, &at), zip.as_deref_mut(), &mut run);
            run.entries.push(Ok(match record {
                Ok(Some(record)) => Entry::Record(record, Position::pointer(at)),
                Ok(None) => continue,
                Err(why) => run.tally.refuse(mark, span.leaves, Position::pointer(at), why),
            }));
        }
        run
    }

    /// Takes over what a run found; gives what it came to.
    fn follow(&mut self, run: Run) -> Vec<Result<Entry>> {
        self.tally.follow(run.tally);
        for place in run.holding {
            if let Some(place) = self.places.get_mut(place) {
                place.holds = true;
            }
        }
        for path in run.binned {
            fill_above(&mut self.filled, &path);
        }
        run.entries
    }

    /// Empty folders, then what is to say of the whole file.
    fn end(&mut self, zip: Option<&mut Zip>) -> Vec<Entry> {
        let mut last = Vec::new();
        let places = std::mem::take(&mut self.places);
        for place in places.iter().filter(|place| place.holds) {
            fill_above(&mut self.filled, &place.path);
        }
        for Place { path, at, .. } in places {
            if path.len() > MOST_FOLDERS {
                self.tally.remark("a folder is too deep", at);
            } else if !path.is_empty() && self.filled.insert(path.clone()) {
                last.push(Entry::Folder(RecordPath { vault: None, folders: path }));
            }
        }
        if let Some(zip) = zip {
            last.extend(zip.left_over(&mut self.tally, UNCLAIMED));
        }
        last.extend(std::mem::take(&mut self.tally).finish());
        last.reverse();
        last
    }
}

/// Notes that a folder holds something, and so do those that it stands in.
fn fill_above(filled: &mut HashSet<Vec<String>>, folders: &[String]) {
    for length in 1..=folders.len() {
        let above = folders.get(..length).unwrap_or_default();
        if !filled.contains(above) {
            filled.insert(above.to_vec());
        }
    }
}

impl Reader {
    /// Reads the items that come next.
    fn read_on(&mut self) {
        let (first, rest) = (self.next, self.items.get(self.next..).unwrap_or_default());
        let spans = rest.get(..AHEAD).unwrap_or(rest);
        self.next += spans.len();
        let (file, text) = (&self.file, self.text.as_str());
        // An archive gives its files one after the other.
        let runs = match &mut self.zip {
            None => runs(spans, |index, spans| file.run(text, first + index, spans, None)),
            zip => vec![file.run(text, first, spans, zip.as_mut())],
        };
        for run in runs {
            self.ready.extend(self.file.follow(run));
        }
    }
}

/// Reads items in runs, on as many threads as there are; what they came to, in their order.
#[cfg(feature = "archive")]
fn runs(spans: &[Span], read: impl Fn(usize, &[Span]) -> Run + Sync) -> Vec<Run> {
    use rayon::prelude::*;
    spans.par_chunks(RUN).enumerate().map(|(number, spans)| read(number * RUN, spans)).collect()
}

#[cfg(not(feature = "archive"))]
fn runs(spans: &[Span], read: impl Fn(usize, &[Span]) -> Run) -> Vec<Run> {
    vec![read(0, spans)]
}

impl Iterator for Reader {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.next < self.items.len() {
            self.read_on();
        }
        if let Some(entry) = self.ready.pop_front() {
            return Some(entry);
        }
        if self.last.is_none() {
            self.last = Some(self.file.end(self.zip.as_mut()));
        }
        self.last.as_mut().and_then(Vec::pop).map(Ok)
    }
}

/// The record that the members of an item are read as; its place and its files apart.
pub(super) fn of_item(mut members: Members) -> Record {
    take(&mut members, "type");
    let mut tally = Tally::default();
    let mut item = Item { record: Record::default(), at: "", tally: &mut tally };
    // What cannot be read has no part in the record.
    let _ = item.fill(members);
    item.record
}

/// What an item says of its files: of those that came along it repeats the names, the others are told.
fn named_files(files: Borrowed<'_>, record: &Record, at: &str, tally: &mut Tally) {
    let mut left: Vec<&str> = record.attachments.iter().map(|file| file.name.as_str()).collect();
    let Json::List(files) = files else {
        return left_behind(tally, &files, &format!("{at}/attachments"), NO_RECORD);
    };
    for (index, file) in files.into_iter().enumerate() {
        let came = match file.get("fileName") {
            Some(Json::Text(name)) => left.iter().position(|one| *one == name.as_str()),
            _ => None,
        };
        if let Some(came) = came {
            left.swap_remove(came);
            tally.resolved(file.leaves());
        } else {
            left_behind(tally, &file, &format!("{at}/attachments/{index}"), crate::zip::NO_BYTES);
        }
    }
}

/// The files of an item.
fn attach(record: &mut Record, zip: &mut Zip, id: &str, at: &str, tally: &mut Tally) {
    let folder = format!("attachments/{id}/");
    let names: Vec<_> = zip.names().filter(|name| name.starts_with(&folder)).map(str::to_owned).collect();
    for member in names {
        tally.read(1);
        match zip.take(&member) {
            Ok(Some(mut bytes)) => {
                tally.carried(1);
                let name = member.get(folder.len()..).unwrap_or_default().to_owned();
                let content = SecretBytes::new(std::mem::take(&mut *bytes));
                record.attachments.push(Attachment { name, content });
            }
            _ => tally.tell("a file of the archive is damaged, and stays behind", at, 1),
        }
    }
}

/// A record being filled.
struct Item<'a> {
    record: Record,
    at: &'a str,
    tally: &'a mut Tally,
}

impl Item<'_> {
    fn fill<N: Word, T: Word>(&mut self, members: Vec<(N, Json<N, T>)>) -> Result<(), String> {
        let (mut unknown, mut fields) = (Vec::new(), Json::Null);
        for (name, value) in members {
            match (name.as_str(), value) {
                (_, Json::Null) => {}
                ("name", value) => self.record.name = self.text(value, "name")?,
                ("notes", value) => self.record.description = self.text(value, "notes")?,
                ("favorite", value) => self.favorite(value, &mut unknown),
                ("fields", list @ Json::List(_)) => fields = list,
                ("login", Json::Object(members)) => self.login(members)?,
                ("card", Json::Object(members)) => self.card(members)?,
                ("identity", Json::Object(members)) => self.identity(members)?,
                ("sshKey", Json::Object(members)) => self.ssh_key(members)?,
                // Its one member is a number that never differs.
                ("secureNote", Json::Object(mut members)) => {
                    self.tally.resolved(take(&mut members, "type").leaves());
                    self.unknown("secureNote", members);
                }
                ("archivedDate", value) => {
                    if !value.is_nothing() {
                        self.record.tags.push("archived".to_owned());
                    }
                    self.behind(&value, "archivedDate", "an environment keeps its own dates");
                }
                ("creationDate" | "revisionDate", value) => {
                    let dates = (&mut self.record.created_at, &mut self.record.changed_at);
                    *(if name.as_str() == "creationDate" { dates.0 } else { dates.1 }) = seconds(&value);
                    self.behind(&value, name.as_str(), "an environment keeps its own dates");
                }
                ("passwordHistory", value) => {
                    self.record.history = earlier(&value, "password", "lastUsedDate");
                    self.behind(&value, name.as_str(), EARLIER);
                }
                // 0: nothing more is asked for.
                ("reprompt", Json::Number(number)) if number.as_str() == "0" => self.tally.resolved(1),
                ("reprompt", value) => {
                    self.behind(&value, name.as_str(), "no record can ask for a password again");
                }
                (_, value) => unknown.push((name, value)),
            }
        }
        if let Json::List(list) = fields {
            for (index, field) in list.into_iter().enumerate() {
                self.field(field, format_args!("fields/{index}"))?;
            }
        }
        spread(&mut self.record, unknown, &format_args!("at {}", self.at), self.tally);
        if self.record.name.is_empty() {
            self.tally.remark("no name", self.at);
        }
        Ok(())
    }

    fn text<N: Word, T: Word>(&mut self, value: Json<N, T>, name: &str) -> Result<String, String> {
        Ok(text_of(value, name, self.tally)?.unwrap_or_default())
    }

    fn favorite<N: Word, T: Word>(&mut self, value: Json<N, T>, unknown: &mut Vec<(N, Json<N, T>)>) {
        let is = match &value {
            Json::Null => Some(false),
            Json::Bool(is) => Some(*is),
            Json::Text(text) => as_bool(text.as_str()),
            _ => None,
        };
        match is {
            Some(is) => {
                self.tally.carried(value.leaves());
                self.record.favorite = is;
            }
            None => unknown.push((N::from("favorite".to_owned()), value)),
        }
    }

    /// A filled member as a custom field.
    fn custom<N: Word, T: Word>(
        &mut self,
        label: impl Into<String>,
        kind: CustomKind,
        value: Json<N, T>,
    ) -> Result<(), String> {
        let label = label.into();
        let text = self.text(value, &label)?;
        if !text.is_empty() {
            self.record.customs.push(Custom { name: label, kind, value: SecretString::new(text) });
        }
        Ok(())
    }

    /// Members that nobody knows, of an object within the item; of those that were taken there is nothing left.
    fn unknown<N: Word, T: Word>(&mut self, inside: &str, members: Vec<(N, Json<N, T>)>) {
        let left = members.into_iter().filter(|(_, value)| !value.is_nothing());
        let members = left.map(|(name, value)| (N::from(format!("{inside}.{}", name.as_str())), value));
        spread(&mut self.record, members, &format_args!("at {}", self.at), self.tally);
    }

    /// Tells of every value below a member why it does not travel.
    fn behind<N: Word, T: Word>(&mut self, value: &Json<N, T>, name: impl Display, why: &str) {
        if !value.is_nothing() {
            left_behind(self.tally, value, &format!("{}/{name}", self.at), why);
        }
    }

    fn login<N: Word, T: Word>(&mut self, mut members: Vec<(N, Json<N, T>)>) -> Result<(), String> {
        let [username, password, uris, code, keys, changed] = take_all(
            &mut members,
            ["username", "password", "uris", "totp", "fido2Credentials", "passwordRevisionDate"],
        );
        self.record.login = self.text(username, "login.username")?;
        let password = text_of(password, "login.password", self.tally)?;
        self.record.password = password.map(SecretString::new);
        match uris {
            Json::List(uris) => {
                let mut addresses = 1;
                for (index, uri) in uris.into_iter().enumerate() {
                    self.uri(uri, format_args!("login/uris/{index}"), &mut addresses)?;
                }
            }
            other => members.push((N::from("uris".to_owned()), other)),
        }
        // Exports from before there could be several.
        if self.record.url.is_empty() {
            self.record.url = self.text(take(&mut members, "uri"), "login.uri")?;
        }
        let code = self.text(code, "login.totp")?;
        if !code.is_empty() {
            let value = SecretString::new(code);
            let kind = code_kind(&value);
            if kind == CustomKind::Password {
                self.tally.remark(NO_CODE, self.at);
            }
            self.record.customs.push(Custom { name: "TOTP".to_owned(), kind, value });
        }
        match keys {
            Json::List(keys) => keys.into_iter().for_each(|key| self.passkey(&key)),
            other => members.push((N::from("fido2Credentials".to_owned()), other)),
        }
        self.behind(&changed, "login/passwordRevisionDate", "an environment keeps its own dates");
        self.unknown("login", members);
        Ok(())
    }

    /// An address; `addresses` counts those that the record has by then, the first of them included.
    fn uri<N: Word, T: Word>(
        &mut self,
        value: Json<N, T>,
        at: impl Display,
        addresses: &mut usize,
    ) -> Result<(), String> {
        let Json::Object(mut members) = value else {
            self.behind(&value, at, "it is no address");
            return Ok(());
        };
        let [address, rule, checksum] = take_all(&mut members, ["uri", "match", "uriChecksum"]);
        let address = self.text(address, "uri")?;
        self.behind(&rule, format_args!("{at}/match"), "rules for matching addresses do not move");
        self.behind(&checksum, format_args!("{at}/uriChecksum"), "it is computed of the address");
        if self.record.url.is_empty() {
            self.record.url = address;
        } else if !address.is_empty() {
            *addresses += 1;
            self.record.customs.push(Custom {
                name: format!("URL {addresses}"),
                kind: CustomKind::Text,
                value: SecretString::new(address),
            });
        }
        self.unknown("uri", members);
        Ok(())
    }

    fn passkey<N: Word, T: Word>(&mut self, value: &Json<N, T>) {
        let leaves = value.leaves();
        if leaves == 0 {
            return;
        }
        self.tally.carried(leaves);
        let site = match value.get("rpId") {
            Some(Json::Text(site)) => site.as_str(),
            _ => "",
        };
        let name = format!("Passkey {site}").trim_end().to_owned();
        self.record.customs.push(Custom { name, kind: CustomKind::Password, value: json::text(value) });
    }

    fn card<N: Word, T: Word>(&mut self, mut members: Vec<(N, Json<N, T>)>) -> Result<(), String> {
        let hidden = CustomKind::Password;
        self.custom("Cardholder name", CustomKind::Text, take(&mut members, "cardholderName"))?;
        self.custom("Card brand", CustomKind::Text, take(&mut members, "brand"))?;
        self.custom("Card number", hidden.clone(), take(&mut members, "number"))?;
        let month = self.text(take(&mut members, "expMonth"), "card.expMonth")?;
        let year = self.text(take(&mut members, "expYear"), "card.expYear")?;
        let (name, value) = match (year.is_empty(), month.is_empty()) {
            (false, false) => ("Expiry", format!("{year}-{month:0>2}")),
            (false, true) => ("Expiry year", year),
            _ => ("Expiry month", month),
        };
        if !value.is_empty() {
            let value = SecretString::new(value);
            self.record.customs.push(Custom { name: name.to_owned(), kind: CustomKind::Text, value });
        }
        self.custom("Security code", hidden, take(&mut members, "code"))?;
        self.unknown("card", members);
        Ok(())
    }

    fn identity<N: Word, T: Word>(&mut self, mut members: Vec<(N, Json<N, T>)>) -> Result<(), String> {
        let username = self.text(take(&mut members, "username"), "identity.username")?;
        let email = take(&mut members, "email");
        if username.is_empty() {
            self.record.login = self.text(email, "identity.email")?;
        } else {
            self.record.login = username;
            self.custom("E-mail", CustomKind::Text, email)?;
        }
        for (name, value) in members {
            match value {
                Json::List(_) | Json::Object(_) => self.unknown("identity", vec![(name, value)]),
                plain => {
                    let hidden = matches!(name.as_str(), "ssn" | "passportNumber" | "licenseNumber");
                    let kind = if hidden { CustomKind::Password } else { kind_of(name.as_str()) };
                    self.custom(name.into_string(), kind, plain)?;
                }
            }
        }
        Ok(())
    }

    fn ssh_key<N: Word, T: Word>(&mut self, mut members: Vec<(N, Json<N, T>)>) -> Result<(), String> {
        self.custom("Private key", CustomKind::Password, take(&mut members, "privateKey"))?;
        self.custom("Public key", CustomKind::Text, take(&mut members, "publicKey"))?;
        self.custom("Fingerprint", CustomKind::Text, take(&mut members, "keyFingerprint"))?;
        self.unknown("sshKey", members);
        Ok(())
    }

    /// A field of the user's own: 0 text, 1 hidden, 2 yes or no, 3 linked.
    fn field<N: Word, T: Word>(&mut self, value: Json<N, T>, at: impl Display) -> Result<(), String> {
        let Json::Object(mut members) = value else {
            self.behind(&value, at, "it is no field");
            return Ok(());
        };
        let [kind, label, linked, value] = take_all(&mut members, ["type", "name", "linkedId", "value"]);
        let number = match &kind {
            Json::Number(number) => number.as_str().parse().ok(),
            Json::Null => Some(0),
            _ => None,
        };
        match number {
            Some(0..=3) => self.tally.resolved(kind.leaves()),
            _ => self.behind(&kind, format_args!("{at}/type"), "nobody knows this kind of field"),
        }
        self.behind(&linked, format_args!("{at}/linkedId"), "what a field is linked to does not move");
        if number == Some(3) && value.is_nothing() {
            self.behind(&label, format_args!("{at}/name"), "a linked field has no value of its own");
        } else {
            let name = self.text(label, "the name of a field")?;
            let kind = match number {
                Some(1) => CustomKind::Password,
                Some(_) => CustomKind::Text,
                None => kind_of(name.as_str()),
            };
            let value = SecretString::new(self.text(value, "the value of a field")?);
            self.record.customs.push(Custom { name, kind, value });
        }
        self.unknown("field", members);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry_crypto::model::Values;
    use std::io::Cursor;

    fn entries(text: &str) -> (Vec<Record>, Vec<String>, Values) {
        let (mut records, mut notes, mut values) = (Vec::new(), Vec::new(), Values::default());
        for entry in
            read(Box::new(Cursor::new(text.to_owned().into_bytes())), &ReadOptions::default()).unwrap()
        {
            match entry.unwrap() {
                Entry::Record(record, _) => records.push(record),
                Entry::Note(note) => notes.push(note),
                Entry::Values(found) => values = found,
                Entry::Folder(path) => notes.push(format!("empty: {path}")),
                Entry::Reject(reject) => notes.push(format!("rejected: {} {}", reject.at, reject.why)),
            }
        }
        (records, notes, values)
    }

    #[test]
    fn places_the_bin_and_linked_fields_are_counted() {
        let text = r#"{"encrypted":false,"folders":[{"id":"f","name":"A/B"},{"id":"e","name":"Empty"}],
            "collections":[{"id":"c","name":"C","organizationId":"o"}],
            "items":[
              {"type":1,"name":"two places","folderId":"f","collectionIds":["c"],"reprompt":1,
               "fields":[{"name":"L","type":3,"linkedId":100}],"login":{"uris":null,"uri":"https://old.example"}},
              {"type":1,"name":"gone","deletedDate":"2026-01-01","login":{"password":"y"}},
              {"type":4,"name":"me","archivedDate":"2026-02-02","identity":{"email":"a@b.example","ssn":"1-2","city":"Oz"}},
              {"type":7,"name":"bank","bankAccount":{"iban":"DE00","pin":"4711"}},
              {"type":1,"name":{"first":"n"}}, 7]}"#;
        let (records, notes, values) = entries(text);
        assert_eq!(values.lost(), 0, "{notes:#?}");
        assert_eq!(records.len(), 3);
        assert_eq!(
            (records[0].label().as_str(), records[0].url.as_str()),
            ("A / B / two places", "https://old.example")
        );
        assert_eq!(
            (records[1].login.as_str(), &records[1].tags[..]),
            ("a@b.example", &["archived".to_owned()][..])
        );
        let kinds: Vec<_> =
            records[1].customs.iter().map(|one| (one.name.as_str(), one.kind.as_str())).collect();
        assert_eq!(kinds, [("ssn", "password"), ("city", "text")]);
        let bank: Vec<_> =
            records[2].customs.iter().map(|one| (one.name.as_str(), one.kind.as_str())).collect();
        assert_eq!(bank, [("bankAccount.iban", "text"), ("bankAccount.pin", "password")]);
        for wanted in [
            "empty: Empty",
            "a record stands in several places",
            "a record in the bin stays behind",
            "a linked field has no value of its own",
            "rejected: at /items/4 name is not a text",
            "rejected: at /items/5 not an object",
        ] {
            assert!(notes.iter().any(|note| note.contains(wanted)), "{wanted}: {notes:#?}");
        }
    }

    #[test]
    fn items_that_are_read_side_by_side_come_in_their_order() {
        let count = 3 * AHEAD + RUN / 2;
        let items = (0..count).map(|n| match n % 10 {
            0 => "7".to_owned(),
            1 => format!(r#"{{"type":1,"name":"n{n}","folderId":"none"}}"#),
            2 => format!(r#"{{"type":1,"name":"n{n}","deletedDate":"2020-01-01T00:00:00Z"}}"#),
            _ => format!(r#"{{"type":1,"name":"n{n}","folderId":"f","login":{{"password":"p{n}"}}}}"#),
        });
        let text = format!(
            r#"{{"encrypted":false,"items":[{}],"folders":[{{"id":"f","name":"F"}},{{"id":"g","name":"G"}}]}}"#,
            items.collect::<Vec<_>>().join(",\n")
        );
        let (records, notes, values) = entries(&text);
        assert_eq!(values.lost(), 0, "{notes:#?}");
        let wanted: Vec<_> =
            (0..count).filter(|n| n % 10 != 0 && n % 10 != 2).map(|n| format!("n{n}")).collect();
        assert_eq!(records.iter().map(|record| record.name.clone()).collect::<Vec<_>>(), wanted);
        assert!(records.iter().all(|record| record.password.is_none() || record.path.folders == ["F"]));
        let rejects = notes.iter().filter(|note| note.starts_with("rejected")).count();
        assert_eq!(rejects, count.div_ceil(10));
        for wanted in
            ["empty: G".to_owned(), format!("({} times, first /items/1/folderId)", count.div_ceil(10))]
        {
            assert!(notes.iter().any(|note| note.contains(&wanted)), "{wanted}: {notes:#?}");
        }
        assert!(!notes.iter().any(|note| note == "empty: F"), "{notes:#?}");
    }

    #[test]
    fn an_encrypted_export_is_refused_with_a_way_on() {
        let read =
            |text: &str| read(Box::new(Cursor::new(text.as_bytes().to_vec())), &ReadOptions::default());
        let cut = r#"{"encrypted":true,"passwordProtected":true,"data":"2.AAAA|AAAA|AAAA","encKeyValidation_DO_NOT_EDIT":"2.AAAA|AAAA|AAAA"}"#;
        let Err(error) = read(cut) else { panic!("read") };
        assert!(error.to_string().contains("cut short"), "{error}");
        assert!(error.next().is_some_and(|next| next.contains("export it")));
        let mut entries = read(r#"{"encrypted":true,"items":[]}"#).unwrap();
        let Some(Ok(Entry::Reject(reject))) = entries.next() else { panic!("not refused") };
        assert!(reject.why.contains("account's own key") && reject.why.contains("export"), "{}", reject.why);
    }
}
