//! An entry, on its way to a record.

use super::codes;
use super::dates;
use super::field::Field;
use super::shelf::{Binary, Shelf};
use crate::columns::kind_of;
use crate::document::NO_RECORD;
use crate::json;
use crate::jsonl::base64;
use crate::xml::{Element, Text};
use data_encoding::HEXUPPER;
use keyferry_crypto::model::{Custom, CustomKind, Earlier, Record};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use zeroize::Zeroizing;

// Why values stay behind: the beginning of each names the members.
pub(super) const DATES: &str = "CreationTime, LastModificationTime, LastAccessTime, LocationChanged, ExpiryTime and UsageCount stay behind: an environment keeps its own dates";
pub(super) const LOOKS: &str = "IconID, CustomIconUUID, ForegroundColor, BackgroundColor, QualityCheck and PreviousParentGroup stay behind: icons, colors and marks do not move";
const AUTO_TYPE: &str = "AutoType stays behind: keys that are typed for you do not move";
const SEALED: &str = "a value is marked as sealed (Protected) in a document that is not: it is taken as it stands, look whether it is the value";
const HISTORY: &str = "an earlier version of an entry stays behind (History)";

/// What an entry came to.
pub(super) struct Read {
    pub(super) outcome: Result<Record, String>,
    /// Attachments: their names, and their places on the shelf.
    pub(super) attachments: Vec<(String, usize)>,
    /// Its identifier in upper-case hex.
    pub(super) id: String,
}

/// Reads the entry that stands at a place.
pub(super) fn read(element: Element<'_>, at: &str, shelf: &mut Shelf) -> Read {
    let mut item = Item { shelf, at, record: Record::default(), attachments: Vec::new(), id: String::new() };
    let filled = item.fill(element);
    let Item { record, attachments, id, .. } = item;
    Read { outcome: filled.map(|()| record), attachments, id }
}

/// The record that these strings are read as.
pub(super) fn of_fields(fields: Vec<Field<'_>>) -> Record {
    let mut shelf = Shelf::default();
    let mut item = Item {
        shelf: &mut shelf,
        at: "",
        record: Record::default(),
        attachments: Vec::new(),
        id: String::new(),
    };
    item.fields(fields);
    item.record
}

/// Of earlier versions those whose password was replaced: others changed in something else.
pub(super) fn replaced(password: Option<&SecretString>, history: Vec<Earlier>) -> Vec<Earlier> {
    let mut next = password.cloned();
    let mut kept = Vec::new();
    for earlier in history.into_iter().rev() {
        if next.as_ref() != Some(&earlier.password) {
            next = Some(earlier.password.clone());
            kept.push(earlier);
        }
    }
    kept.reverse();
    kept
}

/// A text as a secret; what is no text, in hex.
fn secret(text: Text<'_>) -> SecretString {
    match text {
        Text::Bytes(bytes) => SecretString::new(HEXUPPER.encode(&bytes)),
        text => text.into_secret().unwrap_or_default(),
    }
}

/// Tags as they are written: divided by `;` or `,`.
pub(super) fn tags(text: &str) -> impl Iterator<Item = String> {
    text.split([';', ',']).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned)
}

/// A record being filled.
struct Item<'a> {
    shelf: &'a mut Shelf,
    at: &'a str,
    record: Record,
    attachments: Vec<(String, usize)>,
    id: String,
}

impl Item<'_> {
    fn behind(&mut self, what: &str, leaves: u64) {
        self.shelf.tell(what, self.at, leaves);
    }

    fn known(&mut self, element: &Element<'_>) {
        self.shelf.known(element, self.at);
    }

    fn fill(&mut self, element: Element<'_>) -> Result<(), String> {
        self.shelf.attributes(&element.tag, self.at);
        if !element.text.is_empty() {
            self.behind("a text between elements stays behind", 1);
        }
        let (mut fields, mut expires, mut rest) = (Vec::new(), None, Vec::new());
        for child in element.children {
            let leaves = child.leaves();
            let plain = child.children.is_empty() && child.tag.leaves() == 0;
            match child.tag.name {
                "UUID" => {
                    self.id = base64(child.text.as_str()).map(|id| HEXUPPER.encode(&id)).unwrap_or_default();
                    self.known(&child);
                }
                "IconID" if plain && child.text.as_str().trim() == "0" => self.known(&child),
                "IconID"
                | "CustomIconUUID"
                | "ForegroundColor"
                | "BackgroundColor"
                | "QualityCheck"
                | "PreviousParentGroup" => self.behind(LOOKS, leaves),
                "Tags" if plain => {
                    for tag in tags(child.text.as_str()) {
                        if !self.record.tags.contains(&tag) {
                            self.record.tags.push(tag);
                        }
                    }
                    self.shelf.tally.carried(leaves);
                }
                "Times" => expires = self.times(&child),
                "String" => fields.push(self.string(child)?),
                "Binary" => self.binary(child),
                "AutoType" => self.behind(AUTO_TYPE, leaves),
                "History" => self.history(&child),
                "CustomData" => rest.extend(self.custom_data(child)),
                _ => self.spread("", child, &mut rest),
            }
        }
        self.fields(fields);
        let history = std::mem::take(&mut self.record.history);
        self.record.history = replaced(self.record.password.as_ref(), history);
        self.record.customs.extend(rest);
        if let Some(expires) = expires {
            self.record.customs.push(expires);
        }
        Ok(())
    }

    /// Dates; the one that says until when the entry is good becomes a field.
    fn times(&mut self, times: &Element<'_>) -> Option<Custom> {
        let expires = times.text_of("Expires").trim().eq_ignore_ascii_case("true");
        let mut custom = None;
        for child in &times.children {
            let plain = child.children.is_empty() && child.tag.leaves() == 0;
            match child.tag.name {
                "Expires" if plain => self.known(child),
                "ExpiryTime" if plain && expires && custom.is_none() && !child.text.is_empty() => {
                    let text = child.text.as_str();
                    let value = dates::seconds(text).map_or_else(|| text.to_owned(), dates::iso);
                    let value = SecretString::new(value);
                    custom = Some(Custom { name: "Expiry".to_owned(), kind: CustomKind::Text, value });
                    self.shelf.tally.carried(1);
                }
                "CreationTime"
                | "LastModificationTime"
                | "LastAccessTime"
                | "LocationChanged"
                | "ExpiryTime"
                | "UsageCount" => {
                    match child.tag.name {
                        "CreationTime" => self.record.created_at = dates::seconds(child.text.as_str()),
                        "LastModificationTime" => {
                            self.record.changed_at = dates::seconds(child.text.as_str());
                        }
                        _ => {}
                    }
                    self.behind(DATES, child.leaves());
                }
                name => {
                    let at = format!("{}/Times/{name}", self.at);
                    self.shelf.tell(&format!("{NO_RECORD}: it stays behind"), at, child.leaves());
                }
            }
        }
        let loose = times.tag.leaves() + u64::from(!times.text.is_empty());
        self.behind("a text or attribute of Times stays behind", loose);
        custom
    }

    /// Takes `Key` and `Value`; whatever else stands there is told.
    fn pair<'b>(&mut self, element: Element<'b>, what: &str) -> (Option<Text<'b>>, Option<Element<'b>>) {
        let (mut key, mut value) = (None, None);
        let mut loose = element.tag.leaves() + u64::from(!element.text.is_empty());
        for child in element.children {
            match child.tag.name {
                "Key" if key.is_none() && child.children.is_empty() => {
                    loose += child.tag.leaves();
                    key = Some(child.text);
                }
                "Value" if value.is_none() && child.children.is_empty() => value = Some(child),
                name => {
                    let leaves = child.leaves();
                    self.shelf.tell(
                        &format!("{NO_RECORD}: it stays behind"),
                        format!("{}/{what}/{name}", self.at),
                        leaves,
                    );
                }
            }
        }
        if loose > 0 {
            self.behind(&format!("a text or attribute of {what} stays behind"), loose);
        }
        (key, value)
    }

    fn string<'b>(&mut self, element: Element<'b>) -> Result<Field<'b>, String> {
        let (key, value) = self.pair(element, "String");
        let name = key.map(Text::into_name).unwrap_or_default();
        let Some(value) = value else {
            return Ok(Field { name, value: Text::Empty, hidden: false, used: false });
        };
        self.shelf.marks(&value.tag, self.at);
        if value.tag.is("Protected") && !value.unlocked && !value.text.is_empty() {
            self.shelf.tally.remark(SEALED, self.at);
        }
        let hidden = value.unlocked || value.tag.is("ProtectInMemory") || value.tag.is("Protected");
        if matches!(value.text, Text::Bytes(_)) {
            return Err("a protected value is no text".to_owned());
        }
        Ok(Field { name, value: value.text, hidden, used: false })
    }

    fn binary(&mut self, element: Element<'_>) {
        let (key, value) = self.pair(element, "Binary");
        let named = u64::from(key.as_ref().is_some_and(|key| !key.is_empty()));
        let name = key.map(|key| key.as_str().to_owned()).unwrap_or_default();
        let at = format!("{}/Binary", self.at);
        let reference = value.as_ref().and_then(|value| value.tag.attribute("Ref")).map(str::to_owned);
        let lost = "an attachment whose content is not in the file stays behind";
        match (value, reference) {
            (Some(value), Some(reference)) => {
                let Some(index) = self.shelf.pool.get(&reference).copied() else {
                    self.behind(lost, named + value.leaves());
                    return;
                };
                self.shelf.marks(&value.tag, &at);
                self.behind("a text beside a reference stays behind", u64::from(!value.text.is_empty()));
                self.shelf.tally.carried(named);
                self.attachments.push((name, index));
            }
            (Some(value), None) => {
                let Some(content) = self.shelf.content(&value, &at) else {
                    self.behind("an attachment cannot be read and stays behind", named + value.leaves());
                    return;
                };
                self.shelf.tally.carried(named);
                let index = self.shelf.binaries.len();
                self.shelf.binaries.push(Binary { content, at, used: false, counts: true });
                self.attachments.push((name, index));
            }
            (None, _) => self.behind(lost, named),
        }
    }

    fn history(&mut self, history: &Element<'_>) {
        for version in &history.children {
            let is_password =
                |child: &&Element<'_>| child.tag.name == "String" && child.text_of("Key") == "Password";
            let password = version.children.iter().find(is_password).map_or("", |one| one.text_of("Value"));
            if !password.is_empty() {
                let changed =
                    version.child("Times").map_or("", |times| times.text_of("LastModificationTime"));
                let changed_at = dates::seconds(changed);
                self.record.history.push(Earlier { password: SecretString::from(password), changed_at });
            }
            self.behind(HISTORY, version.leaves());
        }
        self.behind(HISTORY, history.tag.leaves() + u64::from(!history.text.is_empty()));
    }

    /// What plug-ins keep, as fields.
    fn custom_data(&mut self, data: Element<'_>) -> Vec<Custom> {
        let mut customs = Vec::new();
        self.behind(
            "a text or attribute of CustomData stays behind",
            data.tag.leaves() + u64::from(!data.text.is_empty()),
        );
        for item in data.children {
            if item.tag.name != "Item" {
                self.spread("CustomData.", item, &mut customs);
                continue;
            }
            let (mut key, mut value, mut more) = (None, None, Vec::new());
            let loose = item.tag.leaves() + u64::from(!item.text.is_empty());
            for child in item.children {
                match child.tag.name {
                    "Key" if key.is_none() && child.children.is_empty() => key = Some(child),
                    "Value" if value.is_none() && child.children.is_empty() => value = Some(child),
                    _ => more.push(child),
                }
            }
            let attributes = key.iter().chain(&value).map(|child| child.tag.leaves()).sum::<u64>();
            self.behind("a text or attribute of CustomData stays behind", loose + attributes);
            for child in more {
                self.behind(DATES, if child.tag.name == "LastModificationTime" { child.leaves() } else { 0 });
                if child.tag.name != "LastModificationTime" {
                    self.spread("CustomData.Item.", child, &mut customs);
                }
            }
            let texts = [&key, &value].into_iter().flatten().filter(|child| !child.text.is_empty()).count();
            self.shelf.tally.carried(texts as u64);
            let name = key.map(|key| key.text.as_str().to_owned()).unwrap_or_default();
            let value = value.map(|value| secret(value.text)).unwrap_or_default();
            if !name.is_empty() || !value.is_empty() {
                customs.push(Custom { kind: kind_of(&name), name, value });
            }
        }
        customs
    }

    /// An element that nobody knows: a field for each of its values.
    fn spread(&mut self, inside: &str, element: Element<'_>, customs: &mut Vec<Custom>) {
        let name = format!("{inside}{}", element.tag.name);
        let known = element.tag.name == "OverrideURL" && inside.is_empty();
        for (attribute, value) in &element.tag.attributes {
            if matches!(&**attribute, "Protected" | "ProtectInMemory") {
                self.shelf.tally.resolved(u64::from(!value.is_empty()));
            } else if !value.is_empty() {
                self.shelf.tally.carried(1);
                let value = SecretString::from(value.as_str());
                customs.push(Custom { name: format!("{name}.{attribute}"), kind: kind_of(attribute), value });
            }
        }
        let hidden = element.unlocked || element.tag.is("ProtectInMemory");
        if !element.text.is_empty() {
            self.shelf.tally.carried(1);
            if !known {
                let at = self.at;
                self.shelf.tally.remark("members that no field takes became custom fields", at);
            }
            let kind = if hidden { CustomKind::Password } else { kind_of(element.tag.name) };
            customs.push(Custom { name: name.clone(), kind, value: secret(element.text) });
        }
        for child in element.children {
            self.spread(&format!("{name}."), child, customs);
        }
    }

    /// Fields to what they mean, in their order.
    fn fields(&mut self, mut fields: Vec<Field<'_>>) {
        let (mut exposed, mut seen) = (0, [false; 5]);
        for field in &mut fields {
            let record = &mut self.record;
            let [title, login, url, notes, password] = &mut seen;
            let (seen, place) = match &*field.name {
                "Title" => (title, Some(&mut record.name)),
                "UserName" => (login, Some(&mut record.login)),
                "URL" => (url, Some(&mut record.url)),
                "Notes" => (notes, Some(&mut record.description)),
                "Password" => (password, None),
                _ => continue,
            };
            // A second one of the same name is a field of its own.
            if std::mem::replace(seen, true) {
                continue;
            }
            field.used = true;
            self.shelf.tally.resolved(1);
            self.shelf.tally.carried(u64::from(!field.value.is_empty()));
            if let Some(place) = place {
                exposed += u64::from(field.hidden && !field.value.is_empty());
                field.value.as_str().clone_into(place);
            } else {
                let value = std::mem::take(&mut field.value);
                record.password = value.into_secret().filter(|password| !password.is_empty());
            }
        }
        if exposed > 0 {
            self.shelf.tally.remark(
                "a protected title, user name, address or note stands in a field that no environment encrypts",
                self.at,
            );
        }
        for field in fields.iter().filter(|field| !field.used) {
            let texts = u64::from(!field.name.is_empty()) + u64::from(!field.value.is_empty());
            self.shelf.tally.carried(texts);
        }
        let codes = codes::take(&mut fields, &self.record.name);
        if codes.unusual > 0 {
            let at = self.at;
            self.shelf
                .tally
                .remark("a one-time code of a kind that cannot be computed is a hidden field", at);
        }
        let mut codes = codes.customs.into_iter().peekable();
        let passkey = passkey(&mut fields);
        let mut passkey = passkey.into_iter().peekable();
        let mut urls = 1;
        for (place, field) in fields.into_iter().enumerate() {
            while let Some((_, custom)) = codes.next_if(|(at, _)| *at <= place) {
                self.record.customs.push(custom);
            }
            if let Some((_, custom)) = passkey.next_if(|(at, _)| *at == place) {
                self.record.customs.push(custom);
            }
            if field.used {
                continue;
            }
            let name = if is_further_url(&field.name) {
                urls += 1;
                format!("URL {urls}")
            } else {
                field.name.into_owned()
            };
            let kind = if field.hidden {
                CustomKind::Password
            } else if name.starts_with("AndroidApp") {
                CustomKind::Text
            } else {
                kind_of(&name)
            };
            self.record.customs.push(Custom { name, kind, value: secret(field.value) });
        }
    }
}

/// `KP2A_URL`, `KP2A_URL_1` and so on.
fn is_further_url(name: &str) -> bool {
    name.strip_prefix("KP2A_URL").is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('_')
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// The parts of a passkey as one field with their JSON.
fn passkey(fields: &mut [Field<'_>]) -> Option<(usize, Custom)> {
    let is_part = |field: &Field<'_>| field.name.starts_with("KPEX_PASSKEY_") && !field.used;
    let first = fields.iter().position(is_part)?;
    let site = fields.iter().find(|field| field.name == "KPEX_PASSKEY_RELYING_PARTY");
    let name = format!("Passkey {}", site.map_or("", |site| site.value.as_str())).trim_end().to_owned();
    let length = fields.iter().map(|field| field.name.len() + 6 * field.value.as_bytes().len() + 8).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for field in fields.iter_mut().filter(|field| is_part(field)) {
        let mark = if text.is_empty() { b'{' } else { b',' };
        text.push(mark);
        json::quote(&mut text, &field.name);
        text.push(b':');
        json::quote(&mut text, field.value.as_str());
        field.used = true;
    }
    text.push(b'}');
    let value = SecretBytes::new(std::mem::take(&mut *text)).into_text()?;
    Some((first, Custom { name, kind: CustomKind::Password, value }))
}
