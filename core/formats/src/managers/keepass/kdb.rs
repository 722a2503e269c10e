//! The database of KeePass 1 and KeePassX before 2: KDB.
//!
//! ```text
//! header  = magic ‖ flags ‖ version ‖ seed (16) ‖ vector (16) ‖ groups (u32) ‖ entries (u32) ‖ SHA-256(content) ‖ AES seed (32) ‖ rounds (u32)
//! content = field … , field = type (u16) ‖ length (u32) ‖ value; 0xFFFF ends a group or an entry
//! key     = SHA-256(seed ‖ AES-KDF(key)), where the key of a passphrase or a key file alone is that itself
//! ```
//!
//! Signature: the magic number. Mapping: groups stand by their level, the top ones are the first folders; title, user name,
//! password, URL and notes fill the record; the attachment that an entry may have; an expiry is the field `Expiry`.
//! Resolved: identifiers, levels. Told: dates, icons, flags; entries that programs keep for themselves (`Meta-Info`).
//! A text that is not UTF-8 is read in Windows-1252, and told. Nothing is authenticated but by the hash of the content: a wrong
//! passphrase and a damaged file are one error.

use super::bytes::{Bytes, damaged};
use super::cipher::Cipher;
use super::kdf::Kdf;
use super::key::{Key, of_file, sha256};
use super::places::{MOST, Places, too_many};
use super::{dates, key};
use crate::tally::Tally;
use crate::{Entries, MOST_FOLDERS, ReadOptions, too_deep};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Entry, Record, RecordPath, Reject};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::collections::HashMap;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// How every KDB begins.
pub(super) const MAGIC: [u8; 8] = *b"\x03\xd9\xa2\x9a\x65\xfb\x4b\xb5";
const TWOFISH: u32 = 8;
const RIJNDAEL: u32 = 2;
/// Ends a group or an entry.
const END: u16 = 0xffff;
/// What KeePass writes for "never", in UTC or not.
const NEVER: i64 = 32_500_000_000;

const OWN: &str = "dates, icons and flags stay behind: an environment keeps its own";

/// Reads a file.
///
/// # Errors
/// [`ErrorKind::Locked`] for a wrong passphrase or key file, or a damaged file; [`ErrorKind::Decrypt`] for one that is cut
/// short; [`ErrorKind::Input`] for what asks for too much work.
pub(super) fn read(file: &[u8], options: &ReadOptions) -> Result<Entries> {
    let mut bytes = Bytes::new(file);
    bytes.take(MAGIC.len())?;
    let (flags, version) = (bytes.u32()?, bytes.u32()?);
    if version >> 8 != 0x300 {
        return Err(Error::new(ErrorKind::Input, "the file has a version of KDB that is not read")
            .next_step("open it in KeePass 1.x or 2 and save it"));
    }
    let cipher = match flags {
        flags if flags & RIJNDAEL != 0 => Cipher::Aes,
        flags if flags & TWOFISH != 0 => Cipher::Twofish,
        _ => return Err(damaged("a cipher that there is not")),
    };
    let (seed, vector) = (bytes.array::<16>()?, bytes.array::<16>()?);
    let (groups, entries) = (bytes.u32()?, bytes.u32()?);
    let hash = bytes.array::<32>()?;
    let kdf = Kdf::Aes { seed: bytes.array()?, rounds: bytes.u32()?.into() };
    kdf.check(options.heavy_kdf)?;
    let sealed = bytes.rest();
    for passphrase in key::spellings(options.passphrase.as_ref()) {
        let key = sha256(&[
            &seed,
            &kdf.derive(&composite(passphrase.as_deref().map(Vec::as_slice), options)?)?[..],
        ]);
        let mut plain = Zeroizing::new(sealed.to_vec());
        let opens = cipher.decrypt(&key, &vector, &mut plain).is_some();
        if opens && bool::from(sha256(&[&plain])[..].ct_eq(&hash)) {
            return content(&plain, groups, entries);
        }
    }
    let what = "the passphrase or key file is wrong, or the file is damaged: KDB cannot tell";
    Err(Error::new(ErrorKind::Locked, what)
        .next_step("look at both: a file may need its passphrase, its key file (--key-file PATH), or both"))
}

/// The key of both parts; of one, that itself.
fn composite(passphrase: Option<&[u8]>, options: &ReadOptions) -> Result<Key> {
    let phrase = passphrase.map(|phrase| sha256(&[phrase]));
    let file = options.key_file.as_ref().map(|file| of_file(file.expose())).transpose()?;
    match (phrase, file) {
        (Some(phrase), Some(file)) => Ok(sha256(&[&phrase[..], &file[..]])),
        (Some(key), None) | (None, Some(key)) => Ok(key),
        (None, None) => Err(key::missing()),
    }
}

/// A field of a group or an entry: its type, and its value.
type Field<'a> = (u16, &'a [u8]);

fn fields<'a>(bytes: &mut Bytes<'a>) -> Result<Vec<Field<'a>>> {
    let mut fields = Vec::new();
    loop {
        let (name, length) = (bytes.u16()?, bytes.u32()?);
        let value = bytes.take(length as usize)?;
        if name == END {
            return Ok(fields);
        }
        fields.push((name, value));
    }
}

fn content(plain: &[u8], groups: u32, entries: u32) -> Result<Entries> {
    if groups.saturating_add(entries) as usize > MOST {
        return Err(too_many());
    }
    let mut bytes = Bytes::new(plain);
    let mut reader = Reader::default();
    for index in 0..groups {
        reader.group(&fields(&mut bytes)?, &format!("/groups/{index}"));
    }
    let mut read = Vec::new();
    for index in 0..entries {
        let (fields, at) = (fields(&mut bytes)?, format!("/entries/{index}"));
        read.extend(reader.entry(&fields, &at).map(|(entry, group)| (entry, group, at)));
    }
    let Reader { mut places, tally, .. } = reader;
    places.fill_parents(true);
    let empty = |number: &usize| {
        places.get(*number).is_some_and(|place| !place.filled && place.depth <= MOST_FOLDERS)
    };
    let folders: Vec<_> = places.numbers().filter(empty).collect();
    let mut last = tally.finish().into_iter();
    let (mut read, mut folders) = (read.into_iter(), folders.into_iter());
    Ok(Box::new(std::iter::from_fn(move || {
        let of = |group: usize| RecordPath { vault: None, folders: places.names(group) };
        if let Some((entry, group, at)) = read.next() {
            let at = Position::pointer(at);
            return Some(Ok(match entry {
                Ok(mut record) => {
                    record.path = group.map(of).unwrap_or_default();
                    Entry::Record(record, at)
                }
                Err(why) => Entry::Reject(Reject { at, label: String::new(), why }),
            }));
        }
        folders.next().map(|number| Entry::Folder(of(number))).or_else(|| last.next()).map(Ok)
    })))
}

#[derive(Default)]
struct Reader {
    places: Places,
    /// Groups by the numbers that entries name.
    ids: HashMap<u32, usize>,
    /// The groups from the top down to the one before.
    open: Vec<usize>,
    tally: Tally,
}

impl Reader {
    /// A text, which ends with a zero.
    fn text(&mut self, value: &[u8], at: &str) -> Zeroizing<String> {
        let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
        if let Ok(text) = std::str::from_utf8(value) {
            return Zeroizing::new(text.to_owned());
        }
        self.tally.remark("a text that is not UTF-8 is read in Windows-1252", at);
        Zeroizing::new(encoding_rs::WINDOWS_1252.decode_without_bom_handling(value).0.into_owned())
    }

    fn group(&mut self, fields: &[Field<'_>], at: &str) {
        let (mut id, mut name, mut level) = (None, String::new(), 0);
        for (kind, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            self.tally.read(1);
            match kind {
                1 => {
                    id = number(value);
                    self.tally.resolved(1);
                }
                2 => {
                    name = self.text(value, at).to_string();
                    self.tally.carried(1);
                }
                8 => {
                    level = value.first_chunk().map_or(0, |level| usize::from(u16::from_le_bytes(*level)));
                    self.tally.resolved(1);
                }
                _ => self.tally.tell(OWN, at, 1),
            }
        }
        if name.is_empty() {
            self.tally.remark("a folder without a name gets one", at);
            "Unnamed".clone_into(&mut name);
        }
        self.open.truncate(level);
        let number = self.places.open(self.open.last().copied(), name, false);
        self.open.push(number);
        if let Some(id) = id {
            self.ids.insert(id, number);
        }
    }

    /// The record, or why it is none, and its group; `None` for what a program keeps for itself.
    fn entry(&mut self, fields: &[Field<'_>], at: &str) -> Option<(Result<Record, String>, Option<usize>)> {
        let filled = fields.iter().filter(|(_, value)| !value.is_empty()).count() as u64;
        self.tally.read(filled);
        let of =
            |kind: u16| fields.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, value)| value);
        let is = |kind: u16, text: &[u8]| of(kind).strip_suffix(b"\0").unwrap_or(of(kind)) == text;
        if is(4, b"Meta-Info") && is(6, b"SYSTEM") && is(5, b"$") && is(13, b"bin-stream") {
            self.tally.tell("what a program keeps for itself stays behind (Meta-Info)", at, filled);
            return None;
        }
        let group = number(of(2)).and_then(|id| self.ids.get(&id)).copied();
        if let Some(place) = group.and_then(|group| self.places.get_mut(group)) {
            place.filled = true;
            if place.depth > MOST_FOLDERS {
                self.tally.rejected(filled);
                return Some((Err(too_deep()), group));
            }
        }
        Some((Ok(self.record(fields, group.is_some(), at)), group))
    }

    fn record(&mut self, fields: &[Field<'_>], placed: bool, at: &str) -> Record {
        let mut record = Record::default();
        let (mut file, mut content) = (String::new(), None);
        for (kind, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            let text = |reader: &mut Self| reader.text(value, at).to_string();
            match kind {
                4 => record.name = text(self),
                5 => record.url = text(self),
                6 => record.login = text(self),
                7 => {
                    let password = SecretString::new(std::mem::take(&mut *self.text(value, at)));
                    record.password = Some(password).filter(|password| !password.is_empty());
                }
                8 => record.description = text(self),
                13 => file = text(self),
                14 => content = Some(SecretBytes::new(value.to_vec())),
                12 => {
                    if let Some(moment) = moment(value).filter(|moment| *moment < NEVER) {
                        let value = SecretString::new(dates::iso(moment));
                        record.customs.push(Custom {
                            name: "Expiry".to_owned(),
                            kind: CustomKind::Text,
                            value,
                        });
                    }
                }
                9 => record.created_at = moment(value),
                10 => record.changed_at = moment(value),
                _ => {}
            }
            match kind {
                1 => self.tally.resolved(1),
                2 if placed => self.tally.resolved(1),
                2 => self.tally.tell("the group of an entry is not in the file", at, 1),
                12 if moment(value).is_none_or(|moment| moment >= NEVER) => self.tally.resolved(1),
                4..=8 | 12..=14 => self.tally.carried(1),
                _ => self.tally.tell(OWN, at, 1),
            }
        }
        if !file.is_empty() || content.is_some() {
            record.attachments.push(Attachment { name: file, content: content.unwrap_or_default() });
        }
        if record.name.is_empty() {
            self.tally.remark("no name", at);
        }
        record
    }
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_le_bytes)
}

/// A date in five bytes: year (14 bits), month (4), day (5), hour (5), minute (6), second (6). Its time zone is its maker's.
fn moment(value: &[u8]) -> Option<i64> {
    let bytes: [u8; 5] = value.try_into().ok()?;
    let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let part = |shift: u32, width: u32| bits >> shift & ((1 << width) - 1);
    let (year, month, day) = (part(26, 14), part(22, 4), part(17, 5));
    let (hour, minute, second) = (part(12, 5), part(6, 6), part(0, 6));
    dates::seconds(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}
