//! Buttercup's own vaults, `.bcup`.
//!
//! ```text
//! file     = "b~>buttercup/" ‖ "a" or "b" ‖ ciphertext "$" iv "$" salt "$" tag "$" rounds "$" ("cbc" or "gcm")
//! keys     = PBKDF2-HMAC-SHA-256(password, salt as it is written, rounds), 64 bytes: one for AES-256, one for the tag of cbc
//! tag, cbc = HMAC-SHA-256 over ciphertext, iv and salt as they are written; gcm: AES's own, iv and salt beside
//! content  = gzip; a: each byte as the character of that number, in UTF-8; b: base64
//! a        = the history of the vault: a command a line, `sep ID NAME VALUE`
//! b        = JSON: groups `g`, entries `e` with properties `p` and attributes `a`
//! ```
//!
//! Signature: its first 13 characters. Mapping: groups nest; title, user name, password, address and note fill the record, every
//! other property is a field by its name, hidden where its attribute says so; cards have the labels that every card has here;
//! what lies in the group that is the trash is in the bin. Earlier values of a password are its history.
//! Resolved: ids, kinds, what of the history was done. Told: dates, earlier and deleted values, attachments (they stand beside
//! the vault), what Buttercup keeps of its own. The whole file is kept in memory.

use super::item::{DATES, EARLIER, Item, OWN, object};
use super::items::{BIN, Document, Found, Kept, nested, not_one};
use crate::decode::Decode;
use crate::document::{NO_RECORD, parsed, take};
use crate::gzip::gunzip;
use crate::head::{Fit, Head};
use crate::json::{Members, Value, pointer_part};
use crate::jsonl::base64;
use crate::managers::place::Place;
use crate::sealed::{self, Hash, Key, cbc, damaged, gcm_beside, passphrase, wrong_or_damaged};
use crate::{Entries, ReadOptions, date};
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::{SecretString, wiped};
use sha2::Sha256;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use zeroize::Zeroizing;

const MAGIC: &str = "b~>buttercup/";
const WHOSE: &str = "vault of Buttercup";
/// What the attribute of a property's kind begins with.
const KIND: &str = "BC_ENTRY_FIELD_TYPE:";
/// What the attribute of an attachment begins with.
const ATTACHMENT: &str = "BC_ENTRY_ATTACHMENT:";
/// Why an earlier value stays behind.
const DELETED: &str = "it was deleted";

/// Whether it is such a vault.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    head.text().starts_with(MAGIC).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("take another copy of the vault")?;
    let Some(rest) = text.expose().trim().strip_prefix(MAGIC) else { return Err(not_one("Buttercup")) };
    let (kind, sealed) = rest.split_at_checked(1).unwrap_or_default();
    let plain = open(sealed, passphrase(options, "this vault of Buttercup")?)?;
    let tree = match kind {
        "a" => of_history(std::str::from_utf8(&plain).map_err(|_| damaged("its history is no text"))?)?,
        "b" => parsed(&plain)?,
        _ => {
            return Err(Error::new(
                ErrorKind::Input,
                "this vault of Buttercup is of a kind that is not known",
            )
            .next_step("export it in Buttercup: Vault > Export > CSV"));
        }
    };
    let (document, members) = Document::of(tree, "Buttercup")?;
    Ok(entries(document.with_bin(options), members))
}

/// What is sealed, by its password.
fn open(sealed: &str, password: &SecretString) -> Result<Zeroizing<Vec<u8>>> {
    let parts: Vec<&str> = sealed.split('$').collect();
    let (ciphertext, iv, salt, tag, rounds, method) = match parts.as_slice() {
        [ciphertext, iv, salt, tag, rounds] => (*ciphertext, *iv, *salt, *tag, *rounds, "cbc"),
        [ciphertext, iv, salt, tag, rounds, method] => (*ciphertext, *iv, *salt, *tag, *rounds, *method),
        _ => return Err(damaged("its parts are not all there")),
    };
    let broken = || damaged("its parts are not what they should be");
    let hex = |text: &str| data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| broken());
    let (bytes, vector, tag_bytes) = (base64(ciphertext).ok_or_else(broken)?, hex(iv)?, hex(tag)?);
    let rounds = rounds.parse().map_err(|_| broken())?;
    let derived = sealed::pbkdf2::<64>(Hash::Sha256, password, salt.as_bytes(), rounds)?;
    let (mut key, mut mac_key) = (Key::default(), Key::default());
    key.copy_from_slice(&derived[..32]);
    mac_key.copy_from_slice(&derived[32..]);
    let plain = match method {
        "cbc" => {
            let is_ours = Hmac::<Sha256>::new_from_slice(&mac_key[..]).is_ok_and(|mut mac| {
                wiped(|| [ciphertext, iv, salt].into_iter().for_each(|part| mac.update(part.as_bytes())));
                mac.verify_slice(&tag_bytes).is_ok()
            });
            if !is_ours {
                return Err(wrong_or_damaged(WHOSE));
            }
            cbc(&key, &vector, &bytes).ok_or_else(broken)?
        }
        "gcm" => {
            let all = [bytes.as_slice(), tag_bytes.as_slice()].concat();
            gcm_beside(&key, &vector, [iv, salt].concat().as_bytes(), &all)
                .ok_or_else(|| wrong_or_damaged(WHOSE))?
        }
        _ => return Err(broken()),
    };
    let text = std::str::from_utf8(&plain).map_err(|_| broken())?;
    // What gzip begins with, in base64.
    if text.starts_with("H4sI") {
        return gunzip(&Zeroizing::new(base64(text).ok_or_else(broken)?));
    }
    let mut packed = Zeroizing::new(Vec::with_capacity(text.len()));
    for character in text.chars() {
        packed.push(u8::try_from(u32::from(character)).map_err(|_| broken())?);
    }
    gunzip(&packed)
}

/// A property or attribute of a history: its value, and those that it had before.
#[derive(Default)]
struct Property {
    value: Zeroizing<String>,
    before: Vec<Zeroizing<String>>,
    is_deleted: bool,
}

impl Property {
    fn into_value(self) -> Value {
        let before = self.before.into_iter().map(|text| crate::json::object([("value", Value::Text(text))]));
        let mut members = vec![("value".to_owned(), Value::Text(self.value))];
        members.push(("history".to_owned(), Value::List(before.collect())));
        if self.is_deleted {
            members.push(("deleted".to_owned(), Value::Bool(true)));
        }
        Value::Object(members)
    }
}

/// Properties in the order in which they were first set.
#[derive(Default)]
struct Properties {
    names: Vec<String>,
    by_name: HashMap<String, Property>,
}

impl Properties {
    fn set(&mut self, name: String, value: Zeroizing<String>) {
        if let Some(property) = self.by_name.get_mut(&name) {
            let before = std::mem::replace(&mut property.value, value);
            property.before.push(before);
            property.is_deleted = false;
        } else {
            self.names.push(name.clone());
            self.by_name.insert(name, Property { value, ..Property::default() });
        }
    }

    fn delete(&mut self, name: &str) {
        if let Some(property) = self.by_name.get_mut(name) {
            property.is_deleted = true;
        }
    }

    fn into_value(mut self) -> Value {
        let members = self.names.into_iter().filter_map(|name| {
            let property = self.by_name.remove(&name)?.into_value();
            Some((name, property))
        });
        Value::Object(members.collect())
    }
}

/// A group or entry of a history.
#[derive(Default)]
struct Node {
    id: String,
    parent: String,
    title: Zeroizing<String>,
    properties: Properties,
    attributes: Properties,
}

/// Groups or entries by their ids, in the order in which they were made.
#[derive(Default)]
struct Nodes {
    all: Vec<Option<Node>>,
    by_id: HashMap<String, usize>,
}

impl Nodes {
    fn add(&mut self, id: &str, parent: &str) {
        self.by_id.insert(id.to_owned(), self.all.len());
        let (id, parent) = (id.to_owned(), parent.to_owned());
        self.all.push(Some(Node { id, parent, ..Node::default() }));
    }

    fn get(&mut self, id: &str) -> Option<&mut Node> {
        self.all.get_mut(*self.by_id.get(id)?)?.as_mut()
    }

    fn remove(&mut self, id: &str) {
        if let Some(node) = self.by_id.remove(id).and_then(|index| self.all.get_mut(index)) {
            *node = None;
        }
    }
}

/// A vault as its history leaves it, in the form of the newer kind.
fn of_history(text: &str) -> Result<Value> {
    let (mut groups, mut entries, mut own) = (Nodes::default(), Nodes::default(), Properties::default());
    for line in text.lines() {
        let words = words(line);
        let mut words = words.iter().map(|word| word.as_str());
        let command = words.next().unwrap_or_default();
        let mut next = || words.next().unwrap_or_default();
        match command {
            // Marks of where histories part, the vault's id and format, remarks.
            "" | "pad" | "aid" | "fmt" | "cmm" => {}
            "cgr" => {
                let (parent, id) = (next(), next());
                groups.add(id, parent);
            }
            "cen" => {
                let (group, id) = (next(), next());
                entries.add(id, group);
            }
            "tgr" => {
                if let Some(group) = groups.get(next()) {
                    group.title = plain(next())?;
                }
            }
            "mgr" | "men" => {
                let nodes = if command == "mgr" { &mut groups } else { &mut entries };
                if let Some(node) = nodes.get(next()) {
                    next().clone_into(&mut node.parent);
                }
            }
            "dgr" => groups.remove(next()),
            "den" => entries.remove(next()),
            "sep" | "sem" | "sea" | "sga" => {
                let nodes = if command == "sga" { &mut groups } else { &mut entries };
                if let Some(node) = nodes.get(next()) {
                    let (name, value) = (plain(next())?, plain(next())?);
                    let is_property = matches!(command, "sep" | "sem");
                    let into = if is_property { &mut node.properties } else { &mut node.attributes };
                    into.set(name.to_string(), value);
                }
            }
            "dep" | "dem" | "dea" | "dga" => {
                let nodes = if command == "dga" { &mut groups } else { &mut entries };
                if let Some(node) = nodes.get(next()) {
                    let is_property = matches!(command, "dep" | "dem");
                    let of = if is_property { &mut node.properties } else { &mut node.attributes };
                    of.delete(&plain(next())?);
                }
            }
            "saa" => {
                let (name, value) = (plain(next())?, plain(next())?);
                own.set(name.to_string(), value);
            }
            "daa" => own.delete(&plain(next())?),
            _ => {
                return Err(Error::new(
                    ErrorKind::Input,
                    "the vault's history has a command that is not known",
                )
                .next_step("export it in Buttercup: Vault > Export > CSV"));
            }
        }
    }
    let text = |text: String| Value::Text(Zeroizing::new(text));
    let groups = groups.all.into_iter().flatten().map(|node| {
        let title = Value::Text(node.title);
        let own = node.attributes.into_value();
        crate::json::object([("id", text(node.id)), ("g", text(node.parent)), ("t", title), ("a", own)])
    });
    let entries = entries.all.into_iter().flatten().map(|node| {
        let (properties, own) = (node.properties.into_value(), node.attributes.into_value());
        crate::json::object([("id", text(node.id)), ("g", text(node.parent)), ("p", properties), ("a", own)])
    });
    let (groups, entries) = (Value::List(groups.collect()), Value::List(entries.collect()));
    Ok(crate::json::object([("a", own.into_value()), ("g", groups), ("e", entries)]))
}

/// The words of a command; those with blanks in them stand in quotes.
fn words(line: &str) -> Vec<Zeroizing<String>> {
    let mut all = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let mut word = Zeroizing::new(String::with_capacity(rest.len()));
        let is_quoted = rest.starts_with('"');
        let mut characters = rest.char_indices().skip(usize::from(is_quoted));
        let mut end = rest.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' if is_quoted => word.extend(characters.next().map(|(_, character)| character)),
                '"' if is_quoted => {
                    end = at + 1;
                    break;
                }
                ' ' if !is_quoted => {
                    end = at;
                    break;
                }
                character => word.push(character),
            }
        }
        all.push(word);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    all
}

/// A word as it was before it was encoded.
fn plain(word: &str) -> Result<Zeroizing<String>> {
    let Some(encoded) = word.strip_prefix("utf8+base64:") else { return Ok(Zeroizing::new(word.to_owned())) };
    let text = base64(encoded).and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Zeroizing::new).ok_or_else(|| damaged("a value of its history is not encoded as it should be"))
}

/// The records of a vault, and its folders.
fn entries(mut document: Document, mut members: Members) -> Entries {
    let mut nodes = Vec::new();
    let mut trash = HashSet::new();
    for (number, group) in super::item::list(&mut members, "g").into_iter().enumerate() {
        let at = format!("/g/{number}");
        let Value::Object(mut group) = group else {
            document.behind(&group, &at, NO_RECORD);
            continue;
        };
        let id = document.id(&mut group, &["id"]).unwrap_or_default();
        let parent = document.id(&mut group, &["g"]);
        let mut own = object(&mut group, "a");
        let mut role = object(&mut own, "bc_group_role");
        let is_trash = matches!(role.iter().find(|(name, _)| name == "value"), Some((_, Value::Text(text))) if text.as_str() == "trash");
        let name = if is_trash {
            document.resolve(&mut role, &["value"]);
            trash.insert(id.clone());
            // What lies in it comes into a folder of another name, if it comes at all.
            document.id(&mut group, &["t"]).unwrap_or_default()
        } else {
            document.name(&mut group, &["t"])
        };
        for (inside, members) in [("a/bc_group_role", role), ("a", own)] {
            for (name, value) in members {
                document.behind(&value, &format!("{at}/{inside}/{}", pointer_part(&name)), OWN);
            }
        }
        document.behind(&take(&mut group, "permissions"), &format!("{at}/permissions"), OWN);
        document.leave_rest(group, &at);
        nodes.push(((id, parent, name), at));
    }
    // A group in the trash is in it with all that is below.
    let parents: HashMap<&str, &str> =
        nodes.iter().filter_map(|((id, parent, _), _)| Some((id.as_str(), parent.as_deref()?))).collect();
    let in_trash = |id: &str| {
        let mut id = Some(id);
        (0..=crate::MOST_FOLDERS).any(|_| {
            let found = id.is_some_and(|id| trash.contains(id));
            id = id.and_then(|id| parents.get(id).copied());
            found
        })
    };
    let binned: HashSet<String> =
        nodes.iter().map(|((id, ..), _)| id).filter(|id| in_trash(id)).cloned().collect();
    let paths = nested(&nodes.iter().map(|(node, _)| node.clone()).collect::<Vec<_>>());
    for ((id, ..), at) in nodes.iter().filter(|((id, ..), _)| !binned.contains(id)) {
        document.place(paths.get(id).cloned().unwrap_or_default(), at);
    }
    let list = super::item::list(&mut members, "e").into_iter().enumerate();
    document.found = list
        .map(|(number, value)| Found { value, at: format!("/e/{number}"), path: Place::default() })
        .collect();
    document.resolve(&mut members, &["id", "fmt"]);
    for (name, why) in [("a", OWN), ("c", DATES), ("del", DELETED)] {
        document.behind(&take(&mut members, name), &format!("/{name}"), why);
    }
    document.leave_rest(members, "");
    document.entries(Box::new(move |item, members| fill(item, members, &paths, &binned)))
}

fn fill(
    item: &mut Item<'_>,
    mut members: Members,
    paths: &HashMap<String, Place>,
    binned: &HashSet<String>,
) -> Kept {
    item.resolve(&mut members, &["id"]);
    let group = item.mark(&mut members, "g");
    if item.stays_in_bin(binned.contains(&group)) {
        return BIN;
    }
    match paths.get(&group) {
        Some(place) => {
            item.record.path = place.path();
            // The trash itself has a folder of its own here.
            if binned.contains(&group) && !place.is_too_deep() && !item.record.path.folders.is_empty() {
                item.record.path.folders.remove(0);
            }
        }
        None if group.is_empty() || group == "0" => {}
        None => item.tally.unresolved("the group of a record is not in the vault", item.at),
    }
    let mut attributes = object(&mut members, "a");
    let mut kinds = HashMap::new();
    let mut is_card = false;
    for (name, value) in &mut attributes {
        let Value::Object(attribute) = value else { continue };
        let at = format!("a/{}", pointer_part(name));
        if let Some(property) = name.strip_prefix(KIND) {
            kinds.insert(property.to_owned(), item.mark(attribute, "value"));
        } else if name == "BC_ENTRY_FACADE_TYPE" {
            is_card = item.mark(attribute, "value") == "credit_card";
        } else if name == "BC_ENTRY_TAGS" {
            let tags = take(attribute, "value");
            item.tags(tags, &[]);
        } else if name.starts_with(ATTACHMENT) {
            let what = std::mem::take(attribute);
            item.behind(&Value::Object(what), &at, "attachments stand beside the vault, not in it");
        }
        let rest = std::mem::take(attribute);
        item.behind(&Value::Object(rest), &at, OWN);
    }
    item.unknown("a", attributes);
    for (name, value) in object(&mut members, "p") {
        property(item, name, value, &kinds, is_card);
    }
    item.leave("", &mut members, &["permissions"], OWN);
    item.unknown("", members);
    Kept::Record
}

/// A property of an entry, with what it was before.
fn property(item: &mut Item<'_>, name: String, value: Value, kinds: &HashMap<String, String>, is_card: bool) {
    let at = format!("p/{}", pointer_part(&name));
    let mut members = match value {
        Value::Object(members) => members,
        plain => vec![("value".to_owned(), plain)],
    };
    let is_deleted = members
        .iter()
        .any(|(name, value)| name == "deleted" && value.leaves() > 0 && !matches!(value, Value::Bool(false)));
    if is_deleted {
        return item.behind(&Value::Object(members), &at, DELETED);
    }
    let word = name.to_ascii_lowercase();
    let before = take(&mut members, "history");
    if word == "password" && !is_card {
        item.record.history = super::item::earlier(&before, "value", "updated");
    }
    item.behind(&before, &format!("{at}/history"), EARLIER);
    item.leave(&at, &mut members, &["created", "updated"], DATES);
    let text = item.simple(&mut members, "value");
    let kind = kinds.get(&name).map_or("", String::as_str);
    match word.as_str() {
        "title" if item.record.name.is_empty() => item.record.name = text,
        "username" if is_card => item.field("Cardholder name", CustomKind::Text, text),
        "password" if is_card => item.field("Card number", CustomKind::Password, text),
        "cvv" if is_card => item.field("Security code", CustomKind::Password, text),
        "expiry" if is_card => {
            item.field("Expiry", CustomKind::Text, date::month(&text).unwrap_or(text));
        }
        "username" => item.login(text),
        "password" => item.password(&name, text),
        "url" if kind.is_empty() || kind == "text" => item.url(text),
        "note" | "notes" => item.note(&text),
        _ if kind == "otp" => item.code("TOTP", text),
        _ if kind == "password" => item.field(name, CustomKind::Password, text),
        _ => item.labelled(name, text),
    }
    item.unknown(&at.replace('/', "."), members);
}
