//! What a format cannot hold of records: one account for all writers, known before anything is written.
//!
//! Each format that is written has a pure function from a record to what a file of that format gives back of it
//! ([`Export::hold`], mostly made of the format's own reader). What differs is what stays behind or is changed: [`Losses`]
//! counts it by [`Kind`], in the report of a writing and before it, and no writer counts for itself.
//! A vault is the first folder where a format knows folders alone: that is the same place, and no loss.

use crate::codes::code_kind;
use crate::{Output, WriteOptions, Writer};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use keyferry_crypto::totp::Totp;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;

/// A kind of thing that a format may not be able to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Files of records.
    Attachments,
    /// Colors of records.
    Colors,
    /// Marks of a favourite.
    Favorites,
    /// Tags.
    Tags,
    /// Vaults and folders that records stand in.
    Places,
    /// Folders without records.
    EmptyFolders,
    /// Further places of a record.
    SecondPlaces,
    /// Names of records.
    Names,
    /// Logins.
    Logins,
    /// Passwords that are not empty.
    Passwords,
    /// Addresses.
    Urls,
    /// Descriptions.
    Descriptions,
    /// Custom fields with a value.
    Fields,
    /// Custom fields without a value.
    EmptyFields,
    /// Earlier passwords.
    History,
    /// When records were made and changed.
    Dates,
    /// Logins, passwords, addresses and descriptions that are custom fields afterwards.
    OwnValues,
    /// Names of records, which are others afterwards.
    RecordNames,
    /// Names of vaults and folders.
    FolderNames,
    /// Names of custom fields.
    FieldNames,
    /// Types of custom fields.
    FieldTypes,
    /// The order of a record's custom fields.
    FieldOrder,
    /// How one-time codes are written.
    CodeSpellings,
    /// Names of attachments.
    AttachmentNames,
    /// Texts with characters or lines that the format has not.
    Texts,
    /// Passwords that are empty, and come back as none.
    EmptyPasswords,
}

/// Of each kind: whether it stays behind or comes changed, and the words for one and for many.
const KINDS: &[(Kind, Fate, &str, &str)] = &[
    (Kind::Attachments, Fate::Behind, "attachment", "attachments"),
    (Kind::Colors, Fate::Behind, "color", "colors"),
    (Kind::Favorites, Fate::Behind, "mark of a favourite", "marks of a favourite"),
    (Kind::Tags, Fate::Behind, "tag", "tags"),
    (Kind::Places, Fate::Behind, "record's vault and folder", "records' vaults and folders"),
    (Kind::EmptyFolders, Fate::Behind, "empty folder", "empty folders"),
    (Kind::SecondPlaces, Fate::Behind, "second place of a record", "second places of records"),
    (Kind::Names, Fate::Behind, "name of a record", "names of records"),
    (Kind::Logins, Fate::Behind, "login", "logins"),
    (Kind::Passwords, Fate::Behind, "password", "passwords"),
    (Kind::Urls, Fate::Behind, "address", "addresses"),
    (Kind::Descriptions, Fate::Behind, "description", "descriptions"),
    (Kind::Fields, Fate::Behind, "custom field", "custom fields"),
    (Kind::EmptyFields, Fate::Behind, "empty custom field", "empty custom fields"),
    (Kind::History, Fate::Behind, "earlier password", "earlier passwords"),
    (Kind::Dates, Fate::Behind, "date", "dates"),
    (Kind::OwnValues, Fate::Changed, "value of a record's own", "values of records' own"),
    (Kind::RecordNames, Fate::Changed, "name of a record", "names of records"),
    (Kind::FolderNames, Fate::Changed, "name of a vault or folder", "names of vaults and folders"),
    (Kind::FieldNames, Fate::Changed, "name of a custom field", "names of custom fields"),
    (Kind::FieldTypes, Fate::Changed, "type of a custom field", "types of custom fields"),
    (Kind::FieldOrder, Fate::Changed, "record's order of fields", "records' orders of fields"),
    (Kind::CodeSpellings, Fate::Changed, "spelling of a one-time code", "spellings of one-time codes"),
    (Kind::AttachmentNames, Fate::Changed, "name of an attachment", "names of attachments"),
    (Kind::Texts, Fate::Changed, "text", "texts"),
    (Kind::EmptyPasswords, Fate::Changed, "empty password", "empty passwords"),
];

/// What becomes of what a format cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is not in the file.
    Behind,
    /// It is in the file in another form.
    Changed,
}

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Kind> {
        KINDS.iter().map(|(kind, ..)| *kind)
    }

    /// What becomes of it.
    #[must_use]
    pub fn fate(self) -> Fate {
        self.row().1
    }

    /// The word for so many of them.
    #[must_use]
    pub fn word(self, count: u64) -> &'static str {
        let (_, _, one, many) = self.row();
        if count == 1 { one } else { many }
    }

    fn row(self) -> (Kind, Fate, &'static str, &'static str) {
        KINDS.iter().find(|(kind, ..)| *kind == self).copied().unwrap_or((
            self,
            Fate::Changed,
            "thing",
            "things",
        ))
    }
}

/// What a format cannot hold, counted by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(BTreeMap<Kind, u64>);

impl Losses {
    /// Whether everything is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds of which there are any, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }

    /// How many of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// Adds another account.
    pub fn add(&mut self, other: &Losses) {
        for (kind, count) in other.iter() {
            self.lose(kind, count);
        }
    }

    /// Counts so many more of a kind.
    pub(crate) fn lose(&mut self, kind: Kind, count: u64) {
        if count > 0 {
            *self.0.entry(kind).or_default() += count;
        }
    }
}

impl fmt::Display for Losses {
    /// `12 attachments, 340 colors`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for (kind, count) in self.iter() {
            write!(f, "{gap}{count} {}", kind.word(count))?;
            gap = ", ";
        }
        Ok(())
    }
}

/// How a format is written.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Export {
    /// Writes what was held.
    pub(crate) write: fn(Output, &WriteOptions) -> Result<Box<dyn Writer>>,
    /// What a file gives back of a record.
    pub(crate) hold: fn(&Record) -> Cow<'_, Record>,
    /// What it gives back of a place.
    pub(crate) place: fn(&RecordPath) -> RecordPath,
    /// Whether it keeps when records were made and changed; which of these, `hold` says then.
    pub(crate) dates: bool,
    /// Whether it keeps folders without records.
    pub(crate) folders: bool,
    /// How the second record of a name in one place is called, where there can be only one.
    pub(crate) twin: Option<fn(&str, u64) -> String>,
    /// Whether a file of it is encrypted.
    pub(crate) encrypted: bool,
    /// So many folders its reader takes, one in the other.
    pub(crate) depth: usize,
    /// The writer takes the record itself: what is held of it would come to something else on its way through a second time.
    pub(crate) as_is: bool,
    /// Each record is given out as it comes, and none is kept.
    pub(crate) streams: bool,
}

/// A place as it stands: vault and folders.
pub(crate) fn same_place(path: &RecordPath) -> RecordPath {
    path.clone()
}

/// A place in a format that knows folders alone: the vault is the first; names that are empty are left out.
pub(crate) fn as_folders(path: &RecordPath) -> RecordPath {
    let folders = path.vault.iter().chain(&path.folders).filter(|name| !name.is_empty()).cloned().collect();
    RecordPath { vault: None, folders }
}

/// The same where `/` in a name begins a folder in it.
pub(crate) fn split_folders(path: &RecordPath) -> RecordPath {
    let names = path.vault.iter().chain(&path.folders).flat_map(|name| name.split('/'));
    RecordPath { vault: None, folders: names.filter(|name| !name.is_empty()).map(str::to_owned).collect() }
}

/// The record without its attachments, which are not copied.
pub(crate) fn without_files(record: &Record) -> Record {
    Record {
        path: record.path.clone(),
        name: record.name.clone(),
        login: record.login.clone(),
        password: record.password.clone(),
        url: record.url.clone(),
        description: record.description.clone(),
        tags: record.tags.clone(),
        color: record.color,
        favorite: record.favorite,
        customs: record.customs.clone(),
        attachments: Vec::new(),
        created_at: record.created_at,
        changed_at: record.changed_at,
        also_in: record.also_in.clone(),
        history: record.history.clone(),
        sealed_under: None,
    }
}

/// The field that the one place of a format for a one-time code takes: the one called `TOTP` before any other.
pub(crate) fn code_of(customs: &[Custom]) -> Option<usize> {
    let is_code = |custom: &Custom| custom.kind == CustomKind::Totp && Totp::parse(&custom.value).is_ok();
    // Codes of Steam are hidden fields that were found in that place.
    let was_code = |custom: &Custom| {
        custom.kind == CustomKind::Password
            && custom.value.expose().contains("://")
            && code_kind(&custom.value) == CustomKind::Password
            && Totp::parse(&custom.value).is_ok()
    };
    customs
        .iter()
        .position(|custom| custom.name == "TOTP" && (is_code(custom) || was_code(custom)))
        .or_else(|| customs.iter().position(is_code))
}

/// The fields that are further addresses by their names, `URL 2` first; none where there is no first one.
pub(crate) fn further_urls(record: &Record) -> Vec<usize> {
    let mut found = Vec::new();
    if record.url.is_empty() {
        return found;
    }
    for (index, custom) in record.customs.iter().enumerate() {
        let is_next = custom.kind == CustomKind::Text
            && !custom.value.is_empty()
            && custom.name.strip_prefix("URL ").is_some_and(|number| number == (found.len() + 2).to_string());
        if is_next {
            found.push(index);
        }
    }
    found
}

/// A name that is not there yet; `name (2)` for the second.
pub(crate) fn spaced(name: &str, number: u64) -> String {
    format!("{name} ({number})")
}

/// Names of which each is there once: a later one of a name is told from it by the first number from 2 on that nobody has.
pub(crate) struct Names {
    /// What of a name has to differ.
    fold: fn(&str) -> String,
    taken: HashSet<String>,
    /// From which number on to look, by name: all before it are taken.
    next: HashMap<String, u64>,
}

impl Default for Names {
    fn default() -> Self {
        Self { fold: str::to_owned, taken: HashSet::new(), next: HashMap::new() }
    }
}

impl Names {
    /// Names that differ, whatever their case.
    fn in_any_case() -> Self {
        Self { fold: str::to_lowercase, ..Self::default() }
    }

    /// Whether it is there.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.taken.contains(&(self.fold)(name))
    }

    /// The name, or a numbered one where it is there already.
    pub(crate) fn unique(&mut self, name: &str, numbered: impl Fn(&str, u64) -> String) -> String {
        let is_new = self.taken.insert((self.fold)(name));
        if is_new { name.to_owned() } else { self.numbered(name, numbered) }
    }

    /// A numbered one, whether the name is there or not.
    pub(crate) fn numbered(&mut self, name: &str, numbered: impl Fn(&str, u64) -> String) -> String {
        let next = self.next.entry((self.fold)(name)).or_insert(2);
        loop {
            let unique = numbered(name, *next);
            *next += 1;
            if self.taken.insert((self.fold)(&unique)) {
                return unique;
            }
        }
    }
}

impl<'a> FromIterator<&'a String> for Names {
    fn from_iter<T: IntoIterator<Item = &'a String>>(names: T) -> Self {
        Self { taken: names.into_iter().cloned().collect(), ..Self::default() }
    }
}

/// Names that differ, whatever their case: later ones get a number before their ending.
pub(crate) fn file_names(attachments: &[Attachment]) -> Vec<String> {
    let mut seen = Names::in_any_case();
    let mut names = Vec::with_capacity(attachments.len());
    for attachment in attachments {
        let plain = |c: char| if c.is_control() || matches!(c, '/' | '\\') { '_' } else { c };
        let mut name: String = attachment.name.chars().map(plain).collect();
        if name.is_empty() {
            "Unnamed".clone_into(&mut name);
        } else if name.bytes().all(|byte| byte == b'.') {
            name = "_".repeat(name.len());
        }
        let (stem, ending) = match name.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() => (stem.to_owned(), format!(".{ending}")),
            _ => (name.clone(), String::new()),
        };
        names.push(seen.unique(&name, |_, number| format!("{stem} ({number}){ending}")));
    }
    names
}

/// The attachments under these names.
pub(crate) fn renamed(attachments: &[Attachment], names: Vec<String>) -> Vec<Attachment> {
    let one =
        |(attachment, name): (&Attachment, String)| Attachment { name, content: attachment.content.clone() };
    attachments.iter().zip(names).map(one).collect()
}

/// What a format cannot hold of one record, whatever stands beside it.
pub(crate) fn cannot_hold(export: &Export, record: &Record) -> Losses {
    differ(record, &(export.hold)(record), export.dates)
}

pub(crate) fn names(path: &RecordPath) -> impl Iterator<Item = &String> {
    path.vault.iter().chain(&path.folders)
}

/// How many of these are not among those, each counted as often as it stands there.
fn missing<'a, T: PartialEq + 'a>(of: impl Iterator<Item = &'a T>, held: &[T]) -> u64 {
    let mut left: VecDeque<&T> = held.iter().collect();
    of.filter(|one| match left.iter().position(|other| other == one) {
        Some(at) => left.remove(at).is_none(),
        None => true,
    })
    .count() as u64
}

/// What a record and what is held of it differ in.
pub(crate) fn differ(of: &Record, held: &Record, dates: bool) -> Losses {
    let mut losses = Losses::default();
    // What a format has no place of its own for may be a field there.
    let times = |record: &Record, text: &str| {
        record.customs.iter().filter(|custom| custom.value.expose() == text).count()
    };
    let moved = |text: &str| !text.is_empty() && times(held, text) > times(of, text);
    for (before, after, behind, changed) in [
        (&of.name, &held.name, Kind::Names, Kind::RecordNames),
        (&of.login, &held.login, Kind::Logins, Kind::Texts),
        (&of.url, &held.url, Kind::Urls, Kind::Texts),
        (&of.description, &held.description, Kind::Descriptions, Kind::Texts),
    ] {
        // What fills an empty one came from elsewhere in the record, and is told of there.
        if before != after && (behind == Kind::Names || !before.is_empty()) {
            let kind = match after.as_str() {
                "" if moved(before) => Kind::OwnValues,
                "" => behind,
                _ => changed,
            };
            losses.lose(kind, 1);
        }
    }
    match (&of.password, &held.password) {
        (before, after) if before == after => {}
        (Some(before), None) if before.is_empty() => losses.lose(Kind::EmptyPasswords, 1),
        (Some(before), None) => {
            losses.lose(if moved(before.expose()) { Kind::OwnValues } else { Kind::Passwords }, 1);
        }
        (None, _) => {}
        (Some(_), Some(_)) => losses.lose(Kind::Texts, 1),
    }
    if !names(&of.path).eq(names(&held.path)) {
        let is_behind = names(&held.path).next().is_none();
        losses.lose(if is_behind { Kind::Places } else { Kind::FolderNames }, 1);
    }
    let places = |record: &Record| -> Vec<Vec<String>> {
        record.also_in.iter().map(|path| names(path).cloned().collect()).collect()
    };
    losses.lose(Kind::SecondPlaces, missing(places(of).iter(), &places(held)));
    losses.lose(Kind::Tags, missing(of.tags.iter(), &held.tags));
    if losses.count(Kind::Tags) == 0 && of.tags != held.tags {
        losses.lose(Kind::Tags, 1);
    }
    losses.lose(Kind::Colors, u64::from(of.color != held.color));
    losses.lose(Kind::Favorites, u64::from(of.favorite != held.favorite));
    losses.lose(Kind::History, missing(of.history.iter(), &held.history));
    if losses.count(Kind::History) == 0 && of.history != held.history {
        losses.lose(Kind::History, 1);
    }
    for (before, after) in [(of.created_at, held.created_at), (of.changed_at, held.changed_at)] {
        losses.lose(Kind::Dates, u64::from(before.is_some() && (!dates || before != after)));
    }
    if of.customs != held.customs {
        // A field may have become one of the record's own.
        let gained: Vec<_> = [
            (of.login.is_empty(), held.login.as_str()),
            (of.password.is_none(), held.password.as_ref().map_or("", SecretString::expose)),
            (of.url.is_empty(), held.url.as_str()),
            (of.description.is_empty(), held.description.as_str()),
        ]
        .into_iter()
        .filter_map(|(was_empty, text)| was_empty.then_some(text).filter(|text| !text.is_empty()))
        .collect();
        customs(&of.customs, &held.customs, &gained, &mut losses);
    }
    files(&of.attachments, &held.attachments, &mut losses);
    losses
}

/// In what a field may have come back, and what is another then.
type Way<'a> = (&'a dyn Fn(&Custom) -> bool, &'a [Kind]);

/// What of the fields is another, or nothing.
fn customs(of: &[Custom], held: &[Custom], gained: &[&str], losses: &mut Losses) {
    let key = |custom: &Custom| (custom.name.clone(), custom.kind.as_str().to_owned());
    let mut exact: HashMap<_, VecDeque<usize>> = HashMap::new();
    for (index, custom) in held.iter().enumerate() {
        exact.entry(key(custom)).or_default().push_back(index);
    }
    let mut left: Vec<Option<&Custom>> = held.iter().map(Some).collect();
    let (mut places, mut others) = (Vec::new(), Vec::new());
    for (number, custom) in of.iter().enumerate() {
        let same = |index: &usize| held.get(*index).is_some_and(|one| one.value == custom.value);
        let found = exact.get_mut(&key(custom)).and_then(|list| {
            let at = list.iter().position(same)?;
            list.remove(at)
        });
        match found {
            Some(index) => {
                if let Some(slot) = left.get_mut(index) {
                    *slot = None;
                }
                places.push((number, index));
            }
            None => others.push((number, custom)),
        }
    }
    let mut left: VecDeque<(usize, &Custom)> =
        left.into_iter().enumerate().filter_map(|(index, one)| Some((index, one?))).collect();
    let before = losses.clone();
    for (number, custom) in others {
        let ways: [Way<'_>; 5] = [
            (&|one| one.name == custom.name && one.value == custom.value, &[Kind::FieldTypes]),
            (
                &|one| !one.value.is_empty() && one.kind == custom.kind && one.value == custom.value,
                &[Kind::FieldNames],
            ),
            (
                &|one| !one.value.is_empty() && one.value == custom.value,
                &[Kind::FieldNames, Kind::FieldTypes],
            ),
            (&|one| one.name == custom.name && same_code(&one.value, &custom.value), &[Kind::CodeSpellings]),
            (&|one| one.name == custom.name && !one.value.is_empty(), &[Kind::Texts]),
        ];
        let found = ways.into_iter().find_map(|(is, kinds)| {
            let at = left.iter().position(|(_, one)| is(one))?;
            Some((left.remove(at)?.0, kinds))
        });
        match found {
            Some((index, kinds)) => {
                for kind in kinds {
                    losses.lose(*kind, 1);
                }
                places.push((number, index));
            }
            None if custom.value.is_empty() => losses.lose(Kind::EmptyFields, 1),
            None if gained.contains(&custom.value.expose()) => losses.lose(Kind::FieldNames, 1),
            None => losses.lose(Kind::Fields, 1),
        }
    }
    places.sort_unstable();
    if !places.iter().map(|(_, index)| index).is_sorted() {
        losses.lose(Kind::FieldOrder, 1);
    }
    // What came to be besides is a part of something that was told of.
    let moved = losses.count(Kind::OwnValues);
    if *losses == before && left.len() as u64 > moved {
        losses.lose(Kind::FieldNames, 1);
    }
}

/// Whether two codes are the same, however they are written.
fn same_code(a: &SecretString, b: &SecretString) -> bool {
    let (Ok(a), Ok(b)) = (Totp::parse(a), Totp::parse(b)) else { return false };
    // Moments that no two periods up to a day share the number of.
    [59, 1_111_111_109, 1_234_567_890, 2_000_000_000].into_iter().all(|at| a.code(at) == b.code(at))
}

fn files(of: &[Attachment], held: &[Attachment], losses: &mut Losses) {
    if of == held {
        return;
    }
    let mut left: VecDeque<&Attachment> = held.iter().collect();
    let (mut gone, mut named) = (0, 0);
    for file in of {
        let exact = left.iter().position(|one| *one == file);
        match exact.or_else(|| left.iter().position(|one| one.content == file.content)) {
            Some(at) => {
                left.remove(at);
                named += u64::from(exact.is_none());
            }
            None => gone += 1,
        }
    }
    losses.lose(Kind::Attachments, gone);
    losses.lose(Kind::AttachmentNames, named);
    if gone + named == 0 {
        losses.lose(Kind::AttachmentNames, 1);
    }
}
