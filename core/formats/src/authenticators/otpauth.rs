//! Lists of `otpauth:` addresses, one a line, as Ente Auth, Stratum and many others export them; and Google
//! Authenticator's `otpauth-migration:`, each of which holds several codes.
//!
//! Signature: a first line that is such an address. Mapping: the address stays as found; name and login are its issuer and
//! account. Of a migration each code becomes an address.
//! Told: lines that are none, parts of a batch that are missing.

use super::{Code, base32};
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::managers::item::Item;
use crate::tally::Tally;
use crate::{Entries, ReadOptions};
use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use keyferry_crypto::error::{Position, Result};
use keyferry_crypto::model::{Entry, Record, Reject};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is a list of addresses.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    begins(first(head), "otpauth://").into()
}

/// Whether it is Google Authenticator's.
pub(crate) fn fits_migration(head: &Head<'_>) -> Fit {
    begins(first(head), "otpauth-migration:").into()
}

fn begins(line: &str, scheme: &str) -> bool {
    line.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// The first line that is no comment.
fn first<'a>(head: &'a Head<'_>) -> &'a str {
    head.text()
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .unwrap_or_default()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("export it again")?;
    let (mut entries, mut tally) = (Vec::new(), Tally::default());
    // Parts by batch: how many there are, and which were read.
    let mut batches: BTreeMap<u64, (u64, BTreeSet<u64>)> = BTreeMap::new();
    for (number, line) in text.expose().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = Position::line(number as u64 + 1);
        if begins(line, "otpauth-migration:") {
            match migration(line) {
                Some(Migration { codes, batch, size, index }) => {
                    let (whole, parts) = batches.entry(batch).or_default();
                    *whole = size;
                    parts.insert(index);
                    for code in codes {
                        tally.read(1);
                        tally.carried(1);
                        let record = filled(&at, &mut tally, |item| code.fill(item));
                        entries.push(Entry::Record(record, at.clone()));
                    }
                }
                None => reject(&mut entries, &mut tally, at, "this otpauth-migration address cannot be read"),
            }
        } else if begins(line, "otpauth://") || begins(line, "steam://") {
            tally.read(1);
            tally.carried(1);
            let (issuer, account) = described(line);
            let record = filled(&at, &mut tally, |item| {
                item.record.name = if issuer.is_empty() { account.clone() } else { issuer };
                item.login(account);
                item.code("TOTP", line.to_owned());
            });
            entries.push(Entry::Record(record, at));
        } else {
            reject(&mut entries, &mut tally, at, "this is no otpauth address");
        }
    }
    for (whole, parts) in batches.into_values() {
        let missing = whole.saturating_sub(parts.len() as u64);
        if missing > 0 {
            let part = if missing == 1 { "part" } else { "parts" };
            tally.remark(
                format!("{missing} {part} of an export of {whole} parts are not in the file"),
                "the batch",
            );
        }
    }
    entries.extend(tally.finish());
    Ok(Box::new(entries.into_iter().map(Ok)))
}

fn reject(entries: &mut Vec<Entry>, tally: &mut Tally, at: Position, why: &str) {
    tally.read(1);
    tally.rejected(1);
    entries.push(Entry::Reject(Reject { at, label: String::new(), why: why.to_owned() }));
}

fn filled(at: &Position, tally: &mut Tally, fill: impl FnOnce(&mut Item<'_>)) -> Record {
    let at = at.to_string();
    let mut item = Item::new(&at, tally);
    fill(&mut item);
    let record = item.record;
    if record.name.is_empty() {
        tally.remark("no name", &at);
    }
    record
}

/// Issuer and account of an address: those of its label, and the issuer that it names besides.
pub(super) fn described(address: &str) -> (String, String) {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let label = unescaped(path.split_once('/').map_or("", |(_, label)| label));
    let (before, account) = match label.split_once(':') {
        Some((issuer, account)) => (issuer.trim().to_owned(), account.trim().to_owned()),
        None => (String::new(), label.trim().to_owned()),
    };
    let named = query
        .split('&')
        .find_map(|part| part.strip_prefix("issuer="))
        .map(|text| unescaped(&text.replace('+', " ")));
    let issuer = named.filter(|issuer| !issuer.is_empty()).unwrap_or(before);
    (issuer, account)
}

/// A text without its escapes in percent; what is none stays as it is.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            out.push(u8::try_from(high * 16 + low).unwrap_or_default());
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Several codes, and which part of how many they are.
struct Migration {
    codes: Vec<Code>,
    batch: u64,
    size: u64,
    index: u64,
}

/// Reads the address of a migration: base64 of a message of Protocol Buffers.
fn migration(address: &str) -> Option<Migration> {
    let data = address.split_once("data=")?.1.split('&').next()?;
    // A form's `+` may have become a blank.
    let data = Zeroizing::new(unescaped(data).replace(' ', "+").trim_end_matches('=').to_owned());
    let decode = |engine: &GeneralPurpose| engine.decode(data.as_bytes()).ok();
    let bytes = Zeroizing::new(decode(&STANDARD_NO_PAD).or_else(|| decode(&URL_SAFE_NO_PAD))?);
    let mut found = Migration { codes: Vec::new(), batch: 0, size: 1, index: 0 };
    for (field, value) in Fields(&bytes) {
        match (field, value?) {
            (1, Value::Bytes(code)) => found.codes.push(one(code)?),
            (3, Value::Number(size)) => found.size = size,
            (4, Value::Number(index)) => found.index = index,
            (5, Value::Number(batch)) => found.batch = batch,
            _ => {}
        }
    }
    Some(found)
}

/// One code of a migration.
fn one(bytes: &[u8]) -> Option<Code> {
    let mut code = Code { kind: "totp".to_owned(), ..Code::default() };
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    for (field, value) in Fields(bytes) {
        match (field, value?) {
            (1, Value::Bytes(secret)) => code.secret = base32(secret),
            (2, Value::Bytes(name)) => code.account = text(name)?,
            (3, Value::Bytes(issuer)) => code.issuer = text(issuer)?,
            (4, Value::Number(number)) => {
                code.algorithm =
                    ["", "SHA1", "SHA256", "SHA512", "MD5"].get(usize::try_from(number).ok()?)?.to_string();
            }
            (5, Value::Number(2)) => "8".clone_into(&mut code.digits),
            (6, Value::Number(1)) => "hotp".clone_into(&mut code.kind),
            (7, Value::Number(counter)) => code.counter = counter.to_string(),
            _ => {}
        }
    }
    if code.kind == "totp" {
        code.counter.clear();
    }
    // The account often repeats the issuer.
    let prefix = format!("{}:", code.issuer);
    if !code.issuer.is_empty()
        && let Some(account) = code.account.strip_prefix(&prefix)
    {
        let account = account.trim().to_owned();
        code.account = account;
    }
    Some(code)
}

/// A value of a message.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message: a number each, and its value; `None` ends what cannot be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn value(&mut self, kind: u64) -> Option<Value<'a>> {
        match kind {
            0 => self.number().map(Value::Number),
            1 => self.take(8).map(|_| Value::Number(0)),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                self.take(length).map(Value::Bytes)
            }
            5 => self.take(4).map(|_| Value::Number(0)),
            _ => None,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Option<Value<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let Some(key) = self.number() else {
            self.0 = &[];
            return Some((0, None));
        };
        let value = self.value(key & 7);
        if value.is_none() {
            self.0 = &[];
        }
        Some((key >> 3, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_in_the_forms_that_are_seen() {
        for (address, issuer, account) in [
            ("otpauth://totp/Lab:me%40lab.example?secret=A&issuer=Lab", "Lab", "me@lab.example"),
            ("otpauth://totp/me?secret=A&issuer=Big+Lab", "Big Lab", "me"),
            ("otpauth://totp/?secret=A", "", ""),
            ("otpauth://totp?secret=A", "", ""),
            ("otpauth://totp/a%3Ab?issuer=", "a", "b"),
        ] {
            assert_eq!(described(address), (issuer.to_owned(), account.to_owned()), "{address}");
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_no_migration() {
        let whole = [0x0a, 6, 0x0a, 1, 7, 0x12, 1, b'n', 0x18, 2, 0x20, 1];
        let address =
            |bytes: &[u8]| format!("otpauth-migration://offline?data={}", STANDARD_NO_PAD.encode(bytes));
        let read = migration(&address(&whole)).unwrap();
        assert_eq!((read.codes.len(), read.size, read.index), (1, 2, 1));
        assert_eq!((read.codes[0].account.as_str(), read.codes[0].secret.as_str()), ("n", "A4"));
        assert!(migration(&address(&whole[..5])).is_none());
        assert!(migration(&address(&[0x0a, 0xff, 0xff])).is_none());
    }
}
