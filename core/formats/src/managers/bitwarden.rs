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
//! kept in memory.

use super::item::{DATES, EARLIER, earlier, seconds};
use crate::bin::{self, into_trash};
use crate::columns::kind_of;
use crate::document::{NO_RECORD, document, left_behind, parsed, pattern, take};
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value};
use crate::jsonl::{spread, text_of, twice};
use crate::tally::Tally;
use crate::zip::{UNCLAIMED, Zip};
use crate::{Entries, MOST_FOLDERS, ReadOptions, as_bool, too_deep};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Entry, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use keyferry_crypto::totp::Totp;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::io::Read;

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
    let document = match document(input)? {
        Value::List(items) => Value::Object(vec![("items".to_owned(), Value::List(items))]),
        // One item, as the command line prints it or as somebody copied it.
        one @ Value::Object(_) if !one.has("items") && !one.has("encrypted") && is_own(&one) => {
            Value::Object(vec![("items".to_owned(), Value::List(vec![one]))])
        }
        whole => whole,
    };
    of_document(document, None, options)
}

/// Reads the archive: `data.json`, and `attachments/` with a folder for each item that has some.
pub(crate) fn read_zip(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let mut zip = Zip::open(input)?;
    let Some(bytes) = zip.take("data.json")? else { return Err(not_one()) };
    of_document(parsed(&bytes)?, Some(zip), options)
}

fn of_document(document: Value, zip: Option<Zip>, options: &ReadOptions) -> Result<Entries> {
    let mut members = whole(document)?;
    let mut encrypted = take(&mut members, "encrypted");
    if matches!(encrypted, Value::Bool(true)) {
        if !matches!(take(&mut members, "passwordProtected"), Value::Bool(true)) {
            return Ok(for_its_account(&members));
        }
        let inside = super::bitwarden_protected::open(&members, options)?;
        // Of the file itself nothing is a record's; what counts is inside.
        members = whole(parsed(&inside)?)?;
        encrypted = take(&mut members, "encrypted");
    }
    let mut tally = Tally::default();
    tally.read(encrypted.leaves() + json::leaves(&members));
    tally.resolved(encrypted.leaves());
    let include_trash = options.include_trash;
    let mut reader = Reader { tally, zip, include_trash, ..Reader::default() };
    let Value::List(items) = take(&mut members, "items") else { return Err(not_one()) };
    for kind in ["folders", "collections"] {
        match take(&mut members, kind) {
            Value::List(list) => {
                for (index, value) in list.into_iter().enumerate() {
                    reader.place(value, &format!("/{kind}/{index}"));
                }
            }
            other => left_behind(&mut reader.tally, &other, &format!("/{kind}"), NO_RECORD),
        }
    }
    for (name, value) in members {
        left_behind(&mut reader.tally, &value, &format!("/{}", json::pointer_part(&name)), NO_RECORD);
    }
    reader.items = items.into_iter().enumerate();
    Ok(Box::new(reader))
}

/// Of an export that is encrypted for its account nothing can be taken: all of it is one reject.
fn for_its_account(members: &Members) -> Entries {
    let mut tally = Tally::default();
    let leaves = json::leaves(members);
    tally.read(leaves);
    let why = format!(
        "this export of Bitwarden is encrypted with the account's own key; export again as password protected or plain: {}",
        super::bitwarden_protected::OTHER
    );
    let reject = tally.refuse(tally.mark(), leaves, Position::pointer(""), why);
    Box::new(std::iter::once(reject).chain(tally.finish()).map(Ok))
}

/// The members of the document.
fn whole(document: Value) -> Result<Members> {
    let Value::Object(members) = document else { return Err(not_one()) };
    match json::duplicate(&members) {
        Some(name) => Err(Error::new(ErrorKind::Input, twice(name))),
        None => Ok(members),
    }
}

fn not_one() -> Error {
    Error::new(ErrorKind::Input, "this is no export of Bitwarden: it has no list of items")
        .next_step("leave --format out")
}

#[derive(Default)]
struct Reader {
    /// Folders and collections by their identifiers.
    ids: HashMap<String, Vec<String>>,
    places: Vec<(Vec<String>, String)>,
    items: std::iter::Enumerate<std::vec::IntoIter<Value>>,
    /// Paths that hold something, here or below.
    filled: HashSet<Vec<String>>,
    tally: Tally,
    /// The archive that the document came in.
    zip: Option<Zip>,
    /// What lies in the bin comes along.
    include_trash: bool,
    /// What is said at the end, the last first.
    last: Option<Vec<Entry>>,
}

impl Reader {
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
            self.ids.entry(id).or_insert_with(|| path.clone());
        }
        self.places.push((path, at.to_owned()));
        for (name, value) in members {
            left_behind(&mut self.tally, &value, &format!("{at}/{}", json::pointer_part(&name)), NO_RECORD);
        }
    }

    /// The place that an identifier names, which is counted.
    fn named(&mut self, id: Value, at: impl FnOnce() -> String) -> Option<Vec<String>> {
        let leaves = id.leaves();
        if leaves == 0 {
            return None;
        }
        if matches!(id, Value::List(_) | Value::Object(_)) {
            left_behind(&mut self.tally, &id, &at(), NO_RECORD);
            return None;
        }
        let path = id.into_text().and_then(|id| self.ids.get(&id)).cloned();
        if path.is_some() {
            self.tally.resolved(leaves);
        } else {
            let at = at();
            self.tally.tell(format!("{} names no folder of the file", pattern(&at)), at, leaves);
        }
        path
    }

    /// The record at a place, or why it is none; `None` for what lies in the bin.
    fn record(&mut self, value: Value, at: &str) -> Result<Option<Record>, String> {
        let leaves = value.leaves();
        if let Some(name) = value.duplicate() {
            return Err(twice(name));
        }
        let Value::Object(mut members) = value else { return Err("not an object".to_owned()) };
        let deleted = take(&mut members, "deletedDate");
        let in_bin = deleted.leaves() > 0;
        if in_bin && !self.include_trash {
            self.tally.tell(bin::STAYS, at, leaves);
            return Ok(None);
        }
        if in_bin {
            left_behind(&mut self.tally, &deleted, &format!("{at}/deletedDate"), DATES);
        }
        let id = match members.iter().find(|(name, _)| name == "id") {
            Some((_, Value::Text(id))) => id.to_string(),
            _ => String::new(),
        };
        for name in ["id", "object", "organizationId", "type"] {
            match take(&mut members, name) {
                structured @ (Value::List(_) | Value::Object(_)) => {
                    members.push((name.to_owned(), structured));
                }
                plain => self.tally.resolved(plain.leaves()),
            }
        }
        let mut path = self.named(take(&mut members, "folderId"), || format!("{at}/folderId"));
        let mut also_in = Vec::new();
        match take(&mut members, "collectionIds") {
            Value::List(ids) => {
                for (index, id) in ids.into_iter().enumerate() {
                    let at = || format!("{at}/collectionIds/{index}");
                    let found = self.named(id, at);
                    match (&path, found) {
                        (Some(_), Some(folders)) => {
                            self.tally.remark("a record stands in several places: the first is taken", at());
                            also_in.push(RecordPath { vault: None, folders });
                        }
                        (None, found) => path = found,
                        (Some(_), None) => {}
                    }
                }
            }
            other => left_behind(&mut self.tally, &other, &format!("{at}/collectionIds"), NO_RECORD),
        }
        let files = take(&mut members, "attachments");
        let folders = path.unwrap_or_default();
        if folders.len() + usize::from(in_bin) > MOST_FOLDERS {
            return Err(too_deep());
        }
        let mut item = Item { record: Record::default(), at, tally: &mut self.tally };
        item.fill(members)?;
        let mut record = item.record;
        if let Some(zip) = &mut self.zip {
            attach(&mut record, zip, &id, at, &mut self.tally);
        }
        named_files(files, &record, at, &mut self.tally);
        record.path = RecordPath { vault: None, folders };
        record.also_in = also_in;
        if in_bin {
            into_trash(&mut record);
        }
        for length in 1..=record.path.folders.len() {
            let above = &record.path.folders[..length];
            if !self.filled.contains(above) {
                self.filled.insert(above.to_vec());
            }
        }
        Ok(Some(record))
    }

    /// Empty folders, then what is to say of the whole file.
    fn end(&mut self) -> Vec<Entry> {
        let mut last = Vec::new();
        for (path, at) in std::mem::take(&mut self.places) {
            if path.len() > MOST_FOLDERS {
                self.tally.remark("a folder is too deep", at);
            } else if !path.is_empty() && self.filled.insert(path.clone()) {
                last.push(Entry::Folder(RecordPath { vault: None, folders: path }));
            }
        }
        if let Some(zip) = &mut self.zip {
            last.extend(zip.left_over(&mut self.tally, UNCLAIMED));
        }
        last.extend(std::mem::take(&mut self.tally).finish());
        last.reverse();
        last
    }
}

impl Iterator for Reader {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((index, value)) = self.items.next() {
            let at = format!("/items/{index}");
            let (leaves, mark) = (value.leaves(), self.tally.mark());
            return Some(Ok(match self.record(value, &at) {
                Ok(Some(record)) => Entry::Record(record, Position::pointer(at)),
                Ok(None) => continue,
                Err(why) => self.tally.refuse(mark, leaves, Position::pointer(at), why),
            }));
        }
        if self.last.is_none() {
            self.last = Some(self.end());
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
fn named_files(files: Value, record: &Record, at: &str, tally: &mut Tally) {
    let mut left: Vec<&str> = record.attachments.iter().map(|file| file.name.as_str()).collect();
    let Value::List(files) = files else {
        return left_behind(tally, &files, &format!("{at}/attachments"), NO_RECORD);
    };
    for (index, file) in files.into_iter().enumerate() {
        let came = match file.get("fileName") {
            Some(Value::Text(name)) => left.iter().position(|one| *one == name.as_str()),
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
    fn fill(&mut self, members: Members) -> Result<(), String> {
        let (mut unknown, mut fields) = (Members::new(), Value::Null);
        for (name, value) in members {
            match (name.as_str(), value) {
                ("name", value) => self.record.name = self.text(value, "name")?,
                ("notes", value) => self.record.description = self.text(value, "notes")?,
                ("favorite", value) => self.favorite(value, &mut unknown),
                ("fields", list @ Value::List(_)) => fields = list,
                ("login", Value::Object(members)) => self.login(members)?,
                ("card", Value::Object(members)) => self.card(members)?,
                ("identity", Value::Object(members)) => self.identity(members)?,
                ("sshKey", Value::Object(members)) => self.ssh_key(members)?,
                // Its one member is a number that never differs.
                ("secureNote", Value::Object(mut members)) => {
                    self.tally.resolved(take(&mut members, "type").leaves());
                    self.unknown("secureNote", members);
                }
                ("archivedDate", value) => {
                    if value.leaves() > 0 {
                        self.record.tags.push("archived".to_owned());
                    }
                    self.behind(&value, "archivedDate", "an environment keeps its own dates");
                }
                ("creationDate" | "revisionDate", value) => {
                    let dates = (&mut self.record.created_at, &mut self.record.changed_at);
                    *(if name == "creationDate" { dates.0 } else { dates.1 }) = seconds(&value);
                    self.behind(&value, &name, "an environment keeps its own dates");
                }
                ("passwordHistory", value) => {
                    self.record.history = earlier(&value, "password", "lastUsedDate");
                    self.behind(&value, &name, EARLIER);
                }
                // 0: nothing more is asked for.
                ("reprompt", Value::Number(number)) if number == "0" => self.tally.resolved(1),
                ("reprompt", value) => self.behind(&value, &name, "no record can ask for a password again"),
                (_, value) => unknown.push((name, value)),
            }
        }
        if let Value::List(list) = fields {
            for (index, field) in list.into_iter().enumerate() {
                self.field(field, &format!("fields/{index}"))?;
            }
        }
        spread(&mut self.record, unknown, &Position::pointer(self.at), self.tally);
        if self.record.name.is_empty() {
            self.tally.remark("no name", self.at);
        }
        Ok(())
    }

    fn text(&mut self, value: Value, name: &str) -> Result<String, String> {
        Ok(text_of(value, name, self.tally)?.unwrap_or_default())
    }

    fn favorite(&mut self, value: Value, unknown: &mut Members) {
        let is = match &value {
            Value::Null => Some(false),
            Value::Bool(is) => Some(*is),
            Value::Text(text) => as_bool(text),
            _ => None,
        };
        match is {
            Some(is) => {
                self.tally.carried(value.leaves());
                self.record.favorite = is;
            }
            None => unknown.push(("favorite".to_owned(), value)),
        }
    }

    /// A filled member as a custom field.
    fn custom(&mut self, label: impl Into<String>, kind: CustomKind, value: Value) -> Result<(), String> {
        let label = label.into();
        let text = self.text(value, &label)?;
        if !text.is_empty() {
            self.record.customs.push(Custom { name: label, kind, value: SecretString::new(text) });
        }
        Ok(())
    }

    /// Members that nobody knows, of an object within the item; of those that were taken there is nothing left.
    fn unknown(&mut self, inside: &str, members: Members) {
        let left = members.into_iter().filter(|(_, value)| value.leaves() > 0);
        let members = left.map(|(name, value)| (format!("{inside}.{name}"), value)).collect();
        spread(&mut self.record, members, &Position::pointer(self.at), self.tally);
    }

    /// Tells of every value below a member why it does not travel.
    fn behind(&mut self, value: &Value, name: impl Display, why: &str) {
        if value.leaves() > 0 {
            left_behind(self.tally, value, &format!("{}/{name}", self.at), why);
        }
    }

    fn login(&mut self, mut members: Members) -> Result<(), String> {
        self.record.login = self.text(take(&mut members, "username"), "login.username")?;
        let password = text_of(take(&mut members, "password"), "login.password", self.tally)?;
        self.record.password = password.map(SecretString::new);
        match take(&mut members, "uris") {
            Value::List(uris) => {
                let mut addresses = 1;
                for (index, uri) in uris.into_iter().enumerate() {
                    self.uri(uri, &format!("login/uris/{index}"), &mut addresses)?;
                }
            }
            other => members.push(("uris".to_owned(), other)),
        }
        // Exports from before there could be several.
        if self.record.url.is_empty() {
            self.record.url = self.text(take(&mut members, "uri"), "login.uri")?;
        }
        let code = self.text(take(&mut members, "totp"), "login.totp")?;
        if !code.is_empty() {
            let value = SecretString::new(code);
            // Codes of Steam and counters are not what every authenticator computes.
            let scheme = value.expose().trim().to_ascii_lowercase();
            let usual = !scheme.contains("://") || scheme.starts_with("otpauth://totp");
            let kind = if usual && Totp::parse(&value).is_ok() {
                CustomKind::Totp
            } else {
                self.tally
                    .remark("a one-time code of a kind that cannot be computed is a hidden field", self.at);
                CustomKind::Password
            };
            self.record.customs.push(Custom { name: "TOTP".to_owned(), kind, value });
        }
        match take(&mut members, "fido2Credentials") {
            Value::List(keys) => keys.into_iter().for_each(|key| self.passkey(&key)),
            other => members.push(("fido2Credentials".to_owned(), other)),
        }
        let changed = take(&mut members, "passwordRevisionDate");
        self.behind(&changed, "login/passwordRevisionDate", "an environment keeps its own dates");
        self.unknown("login", members);
        Ok(())
    }

    /// An address; `addresses` counts those that the record has by then, the first of them included.
    fn uri(&mut self, value: Value, at: &str, addresses: &mut usize) -> Result<(), String> {
        let Value::Object(mut members) = value else {
            self.behind(&value, at, "it is no address");
            return Ok(());
        };
        let address = self.text(take(&mut members, "uri"), "uri")?;
        let rule = take(&mut members, "match");
        self.behind(&rule, format_args!("{at}/match"), "rules for matching addresses do not move");
        let checksum = take(&mut members, "uriChecksum");
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

    fn passkey(&mut self, value: &Value) {
        let leaves = value.leaves();
        if leaves == 0 {
            return;
        }
        self.tally.carried(leaves);
        let site = match value.get("rpId") {
            Some(Value::Text(site)) => site.as_str(),
            _ => "",
        };
        let name = format!("Passkey {site}").trim_end().to_owned();
        self.record.customs.push(Custom { name, kind: CustomKind::Password, value: json::text(value) });
    }

    fn card(&mut self, mut members: Members) -> Result<(), String> {
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

    fn identity(&mut self, mut members: Members) -> Result<(), String> {
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
                Value::List(_) | Value::Object(_) => self.unknown("identity", vec![(name, value)]),
                plain => {
                    let hidden = matches!(name.as_str(), "ssn" | "passportNumber" | "licenseNumber");
                    let kind = if hidden { CustomKind::Password } else { kind_of(&name) };
                    self.custom(name, kind, plain)?;
                }
            }
        }
        Ok(())
    }

    fn ssh_key(&mut self, mut members: Members) -> Result<(), String> {
        self.custom("Private key", CustomKind::Password, take(&mut members, "privateKey"))?;
        self.custom("Public key", CustomKind::Text, take(&mut members, "publicKey"))?;
        self.custom("Fingerprint", CustomKind::Text, take(&mut members, "keyFingerprint"))?;
        self.unknown("sshKey", members);
        Ok(())
    }

    /// A field of the user's own: 0 text, 1 hidden, 2 yes or no, 3 linked.
    fn field(&mut self, value: Value, at: &str) -> Result<(), String> {
        let Value::Object(mut members) = value else {
            self.behind(&value, at, "it is no field");
            return Ok(());
        };
        let kind = take(&mut members, "type");
        let number = match &kind {
            Value::Number(number) => number.parse().ok(),
            Value::Null => Some(0),
            _ => None,
        };
        match number {
            Some(0..=3) => self.tally.resolved(kind.leaves()),
            _ => self.behind(&kind, format_args!("{at}/type"), "nobody knows this kind of field"),
        }
        let (label, linked) = (take(&mut members, "name"), take(&mut members, "linkedId"));
        self.behind(&linked, format_args!("{at}/linkedId"), "what a field is linked to does not move");
        let value = take(&mut members, "value");
        if number == Some(3) && value.leaves() == 0 {
            self.behind(&label, format_args!("{at}/name"), "a linked field has no value of its own");
        } else {
            let name = self.text(label, "the name of a field")?;
            let kind = match number {
                Some(1) => CustomKind::Password,
                Some(_) => CustomKind::Text,
                None => kind_of(&name),
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
