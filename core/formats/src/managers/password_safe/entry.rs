//! A row of fields, to a record.

use super::container::{Field, Opened};
use super::{NOWHERE, Reference, path, reference};
use crate::authenticators::base32;
use crate::date;
use crate::json::{Members, Value};
use crate::managers::item::{CodeParts, DATES, EARLIER, Item, OWN};
use crate::tally::Tally;
use crate::{Entries, MOST_FOLDERS, too_deep};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use data_encoding::HEXLOWER;
use keyferry_crypto::error::Position;
use keyferry_crypto::model::{CustomKind, Earlier, Entry, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::collections::{HashMap, HashSet};
use zeroize::Zeroizing;

const SETTINGS: &str =
    "settings of the database stay behind (its name and description, filters, policies, who saved it when)";

/// A record with its id, and what its password refers to.
struct Pending {
    at: String,
    outcome: Result<Record, String>,
    id: String,
    reference: Option<Reference>,
    leaves: u64,
}

/// The entries of a database.
pub(super) fn records(opened: Opened) -> Entries {
    let mut tally = Tally::default();
    let mut groups = Vec::new();
    for field in opened.header.iter().filter(|field| !field.value.is_empty()) {
        tally.read(1);
        match field.kind {
            0x00 | 0x01 => tally.resolved(1),
            0x11 => {
                let text = text(&field.value, &mut tally, "/header");
                tally.carried(1);
                groups.push(path(&text));
            }
            _ => tally.tell(SETTINGS, "/header", 1),
        }
    }
    let mut pending = Vec::new();
    for (index, row) in opened.rows.into_iter().enumerate() {
        pending.push(one(row, format!("/entries/{index}"), &mut tally));
    }
    refer(&mut pending, &mut tally);
    let (mut entries, mut filled) = (Vec::new(), HashSet::new());
    for Pending { at, outcome, leaves, .. } in pending {
        match outcome {
            Ok(record) => {
                for length in 0..=record.path.folders.len() {
                    filled.insert(record.path.folders.get(..length).unwrap_or_default().to_vec());
                }
                entries.push(Entry::Record(record, Position::pointer(at)));
            }
            Err(why) => {
                let mark = tally.mark();
                entries.push(tally.refuse(mark, leaves, Position::pointer(at), why));
            }
        }
    }
    for RecordPath { folders, .. } in groups {
        if folders.len() > MOST_FOLDERS {
            tally.remark("a folder is too deep", "/header");
        } else if !folders.is_empty() && filled.insert(folders.clone()) {
            entries.push(Entry::Folder(RecordPath { vault: None, folders }));
        }
    }
    entries.extend(tally.finish());
    Box::new(entries.into_iter().map(Ok))
}

/// A text; one that is not UTF-8 is read in Windows-1252.
fn text(value: &[u8], tally: &mut Tally, at: &str) -> Zeroizing<String> {
    if let Ok(text) = std::str::from_utf8(value) {
        return Zeroizing::new(text.to_owned());
    }
    tally.remark("a text that is not UTF-8 is read in Windows-1252", at);
    Zeroizing::new(encoding_rs::WINDOWS_1252.decode_without_bom_handling(value).0.into_owned())
}

/// Unix seconds.
fn moment(value: &[u8]) -> Option<i64> {
    let seconds = match value.len() {
        4 => i64::from(u32::from_le_bytes(value.try_into().ok()?)),
        8 => i64::from_le_bytes(value.try_into().ok()?),
        _ => return None,
    };
    (seconds > 0).then_some(seconds)
}

/// A two-factor key and what is said of it.
#[derive(Default)]
struct Code {
    key: Zeroizing<Vec<u8>>,
    algorithm: &'static str,
    digits: String,
    period: String,
    starts: bool,
}

/// An attachment as its fields come.
#[derive(Default)]
struct File {
    title: String,
    name: String,
    content: Option<SecretBytes>,
}

/// What the fields of a row come to beside its record.
#[derive(Default)]
struct Parts {
    id: String,
    mail: String,
    code: Code,
    file: File,
    passkey: Members,
}

/// Fields that are a text under a label of ours, and whether it is hidden.
const TEXTS: &[(u8, &str, bool)] = &[
    (0x12, "Run command", false),
    (0x1c, "Card number", true),
    (0x1d, "Expiry", false),
    (0x1e, "Security code", true),
    (0x1f, "PIN", true),
    (0x20, "QR code", true),
    (0x30, "Custom text", false),
];

fn one(row: Vec<Field>, at: String, tally: &mut Tally) -> Pending {
    let leaves = row.iter().filter(|field| !field.value.is_empty()).count() as u64;
    tally.read(leaves);
    let mark = tally.mark();
    let mut item = Item::new(&at, tally);
    let (mut parts, mut seen) = (Parts::default(), HashSet::new());
    for Field { kind, value } in row.into_iter().filter(|field| !field.value.is_empty()) {
        // Files and custom texts may be several; of anything else the first is the one.
        if !seen.insert(kind) && !matches!(kind, 0x25..=0x29 | 0x30) {
            unknown(&mut item, kind, &value);
            continue;
        }
        take(&mut item, &mut parts, kind, &value);
        account(&mut item, kind, &value);
    }
    let Parts { id, mail, code, mut file, passkey } = parts;
    attach(&mut item, &mut file);
    item.mail(mail);
    if !code.key.is_empty() {
        one_time(&mut item, &code);
    }
    if !passkey.is_empty() {
        item.passkey(&Value::Object(passkey));
    }
    let record = item.record;
    let outcome = if record.path.folders.len() > MOST_FOLDERS {
        tally.back_to(mark);
        Err(too_deep())
    } else {
        if record.name.is_empty() {
            tally.remark("no name", &at);
        }
        Ok(record)
    };
    let reference =
        outcome.as_ref().ok().and_then(|record| reference(record.password.as_ref()?.expose(), false));
    Pending { at, outcome, id, reference, leaves }
}

/// Puts a field where it belongs.
fn take(item: &mut Item<'_>, parts: &mut Parts, kind: u8, value: &Zeroizing<Vec<u8>>) {
    let own = |item: &mut Item<'_>| std::mem::take(&mut *text(value, item.tally, item.at));
    if let Some((_, label, hidden)) = TEXTS.iter().find(|(of, ..)| *of == kind) {
        let text = own(item);
        let text = if kind == 0x1d { date::month(&text).unwrap_or(text) } else { text };
        return item.field(*label, if *hidden { CustomKind::Password } else { CustomKind::Text }, text);
    }
    match kind {
        0x01 => parts.id = HEXLOWER.encode(value),
        0x02 => item.record.path = path(&own(item)),
        0x03 => item.record.name = own(item),
        0x04 => item.record.login = own(item),
        0x05 => {
            let notes = own(item);
            item.note(&notes);
        }
        0x06 => item.record.password = Some(SecretString::new(own(item))),
        0x07 => item.record.created_at = moment(value),
        0x0c => item.record.changed_at = moment(value),
        0x0a => {
            if let Some(seconds) = moment(value) {
                item.field("Expiry", CustomKind::Text, date::day(seconds));
            }
        }
        0x0d => {
            let url = own(item);
            item.url(url);
        }
        0x0f => item.record.history = history(&text(value, item.tally, item.at)),
        0x14 => parts.mail = own(item),
        0x1b => parts.code.key.clone_from(value),
        0x21 => {
            let algorithm = value.first().map_or(0, |config| usize::from(config & 3));
            parts.code.algorithm = ["", "SHA256", "SHA512", ""].get(algorithm).copied().unwrap_or_default();
        }
        0x22 => parts.code.digits = number(value).to_string(),
        0x23 => parts.code.period = number(value).to_string(),
        0x24 => parts.code.starts = value.iter().any(|byte| *byte != 0),
        0x25 => parts.file.title = own(item),
        0x27 => parts.file.name = own(item),
        0x29 => {
            parts.file.content = Some(SecretBytes::new(value.to_vec()));
            attach(item, &mut parts.file);
        }
        0x2a..=0x2f => {
            let names = ["credentialId", "rpId", "userHandle", "algorithm", "privateKey", "signCount"];
            let name = names.get(usize::from(kind - 0x2a)).copied().unwrap_or_default();
            let shown = match kind {
                0x2b => text(value, item.tally, item.at),
                0x2d | 0x2f => Zeroizing::new(number(value).to_string()),
                _ => Zeroizing::new(BASE64_STANDARD.encode(&**value)),
            };
            parts.passkey.push((name.to_owned(), Value::Text(shown)));
        }
        _ => {}
    }
}

/// Counts a field.
fn account(item: &mut Item<'_>, kind: u8, value: &[u8]) {
    match kind {
        // Ids and settings of a code, marks of a file's kind.
        0x01 | 0x21..=0x24 | 0x26 => item.tally.resolved(1),
        0x0a if moment(value).is_none() => item.tally.resolved(1),
        0x07 | 0x08 | 0x09 | 0x0c | 0x28 => item.tally.tell(DATES, item.at, 1),
        0x0f => item.tally.tell(EARLIER, item.at, 1),
        0x0b | 0x0e | 0x10 | 0x11 | 0x13 | 0x15..=0x1a => item.tally.tell(
            "policies, auto-type, protection and shortcuts of an entry stay behind: they mean something only in Password Safe",
            item.at,
            1,
        ),
        // A passkey is counted where it is put together.
        0x2a..=0x2f => {}
        0x02..=0x30 => item.tally.carried(1),
        _ => unknown(item, kind, value),
    }
}

/// A number of one, two, four or eight bytes.
fn number(value: &[u8]) -> u64 {
    value.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A field of a kind that nobody knows, or that stands twice: a field of its number where it is a text.
fn unknown(item: &mut Item<'_>, kind: u8, value: &[u8]) {
    match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t')) => {
            item.tally.carried(1);
            // What it is cannot be known, so it is hidden.
            item.field(format!("Field {kind:#04x}"), CustomKind::Password, text.to_owned());
        }
        _ => item.tally.tell(
            format!(
                "a field of a kind that is not known, or that stands twice, ({kind:#04x}) stays behind: {OWN}"
            ),
            item.at,
            1,
        ),
    }
}

/// The attachment that the fields so far come to.
fn attach(item: &mut Item<'_>, file: &mut File) {
    let File { title, name, content } = std::mem::take(file);
    let Some(content) = content else {
        // A title without a file says something all the same.
        item.field("Attachment title", CustomKind::Text, title);
        return item.field("Attachment name", CustomKind::Text, name);
    };
    if name.is_empty() {
        item.attach(title, content);
    } else {
        if title != name {
            item.field("Attachment title", CustomKind::Text, title);
        }
        item.attach(name, content);
    }
}

/// What is told of a code that counts from another time.
pub(super) const STARTS: &str =
    "a one-time code whose time begins later than 1970 comes out otherwise elsewhere";

fn one_time(item: &mut Item<'_>, code: &Code) {
    let secret = Zeroizing::new(base32(&code.key));
    let is_usual = code.algorithm.is_empty()
        && (code.digits.is_empty() || code.digits == "6")
        && (code.period.is_empty() || code.period == "30");
    let (name, login) = (item.record.name.clone(), item.record.login.clone());
    let parts = CodeParts {
        issuer: &name,
        account: &login,
        secret: &secret,
        algorithm: code.algorithm,
        digits: &code.digits,
        period: &code.period,
    };
    let address = if is_usual { secret.to_string() } else { parts.address() };
    if code.starts {
        item.remark(STARTS);
    }
    item.code("TOTP", address);
}

/// Earlier passwords: `fmmnn`, then for each eight digits of a time, four of a length in characters, and the password.
fn history(text: &str) -> Vec<Earlier> {
    let mut rest = text;
    let mut take = |count: usize| {
        let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        let (taken, after) = rest.split_at_checked(ends.nth(count)?)?;
        rest = after;
        Some(taken)
    };
    let mut found = Vec::new();
    if take(5).is_none() {
        return found;
    }
    while let (Some(time), Some(length)) = (take(8), take(4)) {
        let time = i64::from_str_radix(time, 16).ok().filter(|time| *time > 0);
        let Some(password) = usize::from_str_radix(length, 16).ok().and_then(&mut take) else { break };
        found.push(Earlier { password: SecretString::from(password), changed_at: time });
    }
    found
}

/// Gives aliases and shortcuts what they refer to.
fn refer(pending: &mut [Pending], tally: &mut Tally) {
    let by_id: HashMap<String, usize> =
        pending.iter().enumerate().map(|(index, entry)| (entry.id.clone(), index)).collect();
    for index in 0..pending.len() {
        let Some((id, is_whole)) = pending.get(index).and_then(|entry| match &entry.reference {
            Some(Reference::Alias(id)) => Some((id.clone(), false)),
            Some(Reference::Shortcut(id)) => Some((id.clone(), true)),
            None => None,
        }) else {
            continue;
        };
        let base = by_id.get(&id).and_then(|base| pending.get(*base)).filter(|base| base.reference.is_none());
        let base = base.and_then(|base| base.outcome.as_ref().ok()).map(|base| {
            let Record { password, login, url, description, .. } = base;
            let (password, whole) = (password.clone(), is_whole.then_some((login, url, description)));
            (password, whole.map(|(login, url, notes)| [login.clone(), url.clone(), notes.clone()]))
        });
        let Some(Pending { at, outcome: Ok(record), .. }) = pending.get_mut(index) else { continue };
        let Some((password, whole)) = base else {
            tally.remark(NOWHERE, at);
            continue;
        };
        // The reference did its work.
        tally.turned_out_resolved();
        record.password = password;
        let own = [&mut record.login, &mut record.url, &mut record.description];
        for (own, other) in own.into_iter().zip(whole.into_iter().flatten()) {
            if own.is_empty() {
                *own = other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_passwords_are_counted_in_characters() {
        let read = |text: &str| {
            history(text)
                .iter()
                .map(|one| (one.password.expose().to_owned(), one.changed_at))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            read("1ff0267a0412b0003päß00000000000212"),
            [("päß".to_owned(), Some(0x67a0_412b)), ("12".to_owned(), None)]
        );
        for text in ["", "1ff", "1ff01", "1ff0167a0412bffffx", "1ff01zzzzzzzz0001x", "1ff0167a0412b00"] {
            assert!(read(text).len() <= 1, "{text}");
        }
    }
}
