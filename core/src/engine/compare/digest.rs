//! Keyed digests: what two records are compared by, so that neither has to be kept.
//!
//! `HMAC-SHA-256[key](length ‖ bytes ‖ …)`, cut to 16 bytes, so that a digest tells nothing to whoever has no key. Where the
//! sink's user has a key pair, the key is derived from the private one and the same on another day; where not, it is random
//! and lives as long as one comparison. A sync's is random, and wrapped for the user.

use crate::crypto::generate;
use crate::error::{Error, Result};
use crate::model::Record;
use crate::secret::{SecretString, wiped};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, BufWriter, Seek as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::SpooledTempFile;
use zeroize::Zeroizing;

use crate::engine::report::{Difference, MISSING};

pub(crate) type Short = [u8; 16];

/// The names of a record's compared fields, in the order of their digests.
const FIELDS: [&str; 8] =
    ["password", "url", "description", "tags", "color", "favorite", CUSTOMS, "attachments"];

/// Where it is not known which of them.
const CUSTOMS: &str = "custom fields";

/// The digests of one record: 64 bytes, and eight for each custom field.
#[derive(Clone, Debug)]
pub(crate) struct RecordDigest {
    /// Place, name and login.
    pub identity: Short,
    /// Every other field, and the record key of a record that is carried sealed. This decides.
    pub content: Short,
    /// The start of each field's digest: enough to say which of them differ once `content` does.
    fields: [u32; FIELDS.len()],
    /// The same of each custom field: of its name, and of all that it is.
    customs: Box<[(u32, u32)]>,
}

impl RecordDigest {
    /// Everything that is compared.
    pub(crate) fn whole(&self) -> (Short, Short) {
        (self.identity, self.content)
    }

    fn equals(&self, other: &Self) -> bool {
        self.whole() == other.whole()
    }

    /// The names of the fields that differ; `digester` took both.
    fn differing(&self, other: &Self, digester: &Digester) -> Vec<String> {
        let mut differing = Vec::new();
        let pairs = self.fields.iter().zip(&other.fields).zip(FIELDS);
        for (_, field) in pairs.filter(|((one, two), _)| one != two) {
            let before = differing.len();
            if field == CUSTOMS {
                differing.extend(self.differing_customs(other).map(|name| digester.called(name)));
                differing.dedup();
            }
            if differing.len() == before {
                differing.push(field.to_owned());
            }
        }
        differing
    }

    /// The digests of the names of custom fields that differ, in their order.
    fn differing_customs(&self, other: &Self) -> impl Iterator<Item = u32> {
        let mut of_names: BTreeMap<u32, [Vec<u32>; 2]> = BTreeMap::new();
        for (side, digest) in [self, other].into_iter().enumerate() {
            for (name, all) in &digest.customs {
                of_names.entry(*name).or_default()[side].push(*all);
            }
        }
        let mut names: Vec<u32> = self.customs.iter().chain(&other.customs).map(|(name, _)| *name).collect();
        names.retain(|name| of_names.remove(name).is_some_and(|[one, two]| one != two));
        names.into_iter()
    }
}

/// Takes digests under a key of its own.
pub(crate) struct Digester {
    mac: Hmac<Sha256>,
    /// Whether the sink's user can take the same digests on another day.
    lasting: bool,
    /// The digests of what most records are in these fields.
    of_nothing: OfNothing,
    /// The names of custom fields: many records have the same ones.
    customs: Mutex<Names>,
}

/// Of a record without tags, color and attachments that is nobody's favorite.
struct OfNothing {
    tags: Short,
    color: Short,
    favorite: Short,
    attachments: Short,
}

/// Names of custom fields, which stand in no file.
#[derive(Default)]
struct Names {
    /// The starts of their digests.
    digests: HashMap<Box<str>, u32>,
    /// Those that may be told, by the start of their digests.
    told: HashMap<u32, Box<str>>,
}

/// So many names of custom fields are kept, and of each so many characters.
const MOST_CUSTOMS: usize = 10_000;
const MOST_CHARACTERS: usize = 80;

/// `HMAC-SHA-256[key](label ‖ length ‖ bytes ‖ …)`, cut.
fn labelled<'a>(mac: &Hmac<Sha256>, label: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Short {
    let mut mac = mac.clone();
    mac.update(label.as_bytes());
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    let whole = mac.finalize().into_bytes();
    let mut short = Short::default();
    short.copy_from_slice(&whole[..16]);
    short
}

/// Enough of a digest to tell fields of one record apart.
fn start([a, b, c, d, ..]: Short) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

impl Digester {
    pub(crate) fn new() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        generate::random_bytes(&mut *key)?;
        Ok(Self::under(&*key))
    }

    /// Takes digests under a key that a user derives from the own private key whenever it is needed.
    pub(crate) fn of_user(key: &[u8]) -> Self {
        Self { lasting: true, ..Self::under(key) }
    }

    /// Whether it is a user's: see [`Digester::of_user`].
    pub(crate) fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// Takes digests under this key, to compare them with those of another day.
    pub(crate) fn under(key: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC pads or hashes keys of any length")]
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
        let of_nothing = OfNothing {
            tags: labelled(&mac, "tags", []),
            color: labelled(&mac, "color", [&0_i64.to_be_bytes()[..]]),
            favorite: labelled(&mac, "favorite", [&[0][..]]),
            attachments: labelled(&mac, "attachments", []),
        };
        Self { mac, lasting: false, of_nothing, customs: Mutex::default() }
    }

    /// Keeps the names of a record's custom fields, so that those that differ can be told. For records that an environment
    /// holds: in a file that was misread, what looks like a name may be a secret.
    pub(crate) fn learn(&self, record: &Record) {
        if record.customs.is_empty() || record.sealed_under.is_some() {
            return;
        }
        for custom in &record.customs {
            let digest = self.custom_name(&custom.name);
            let told = &mut self.names().told;
            if told.len() < MOST_CUSTOMS && !told.contains_key(&digest) {
                told.insert(digest, custom.name.chars().take(MOST_CHARACTERS).collect());
            }
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.customs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn custom_name(&self, name: &str) -> u32 {
        if let Some(known) = self.names().digests.get(name) {
            return *known;
        }
        let digest = start(self.labelled("custom name", [name.as_bytes()]));
        let digests = &mut self.names().digests;
        if digests.len() < MOST_CUSTOMS && name.len() <= MOST_CHARACTERS {
            digests.insert(name.into(), digest);
        }
        digest
    }

    /// What a custom field is called in a list of fields, by the digest of its name.
    fn called(&self, name: u32) -> String {
        let names = self.names();
        names
            .told
            .get(&name)
            .map_or_else(|| "a custom field".to_owned(), |name| format!("custom field {name}"))
    }

    /// The digests of a record's custom fields, one by one; none where they are carried sealed, names and all.
    fn customs(&self, record: &Record) -> Box<[(u32, u32)]> {
        if record.sealed_under.is_some() {
            return Box::default();
        }
        let customs = record.customs.iter().map(|custom| {
            let all = [custom.kind.as_str().as_bytes(), custom.value.expose().as_bytes()];
            (self.custom_name(&custom.name), start(self.labelled("custom", all)))
        });
        customs.collect()
    }

    fn labelled<'a>(&self, label: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Short {
        labelled(&self.mac, label, parts)
    }

    /// The digest of one secret.
    pub(crate) fn secret(&self, secret: &SecretString) -> Short {
        wiped(|| self.labelled("secret", [secret.expose().as_bytes()]))
    }

    /// The digest of a record's place, name and login alone.
    pub(crate) fn identity(&self, record: &Record) -> Short {
        let vault = record.path.vault.iter().map(String::as_bytes);
        let path = vault.chain(record.path.folders.iter().map(String::as_bytes));
        self.labelled("identity", path.chain([record.name.as_bytes(), record.login.as_bytes()]))
    }

    /// The digests of a record.
    pub(crate) fn digest(&self, record: &Record) -> RecordDigest {
        wiped(|| self.digest_whole(record))
    }

    fn digest_whole(&self, record: &Record) -> RecordDigest {
        let identity = self.identity(record);
        let nothing = &self.of_nothing;
        let color = record.color.unwrap_or_default();
        let password = record.password.as_ref().map(|password| password.expose().as_bytes());
        let tags = record.tags.iter().map(String::as_bytes);
        let customs = record.customs.iter().flat_map(|custom| {
            [custom.name.as_bytes(), custom.kind.as_str().as_bytes(), custom.value.expose().as_bytes()]
        });
        let attachments =
            record.attachments.iter().flat_map(|one| [one.name.as_bytes(), one.content.expose()]);
        let fields = [
            self.labelled("password", password),
            self.labelled("url", [record.url.as_bytes()]),
            self.labelled("description", [record.description.as_bytes()]),
            if record.tags.is_empty() { nothing.tags } else { self.labelled("tags", tags) },
            if color == 0 { nothing.color } else { self.labelled("color", [&color.to_be_bytes()[..]]) },
            if record.favorite { self.labelled("favorite", [&[1][..]]) } else { nothing.favorite },
            self.labelled("customs", customs),
            if record.attachments.is_empty() {
                nothing.attachments
            } else {
                self.labelled("attachments", attachments)
            },
        ];
        let key = record.sealed_under.iter().map(|key| key.expose().as_bytes());
        RecordDigest {
            identity,
            content: self.labelled("content", fields.iter().map(<[u8; 16]>::as_slice).chain(key)),
            fields: fields.map(start),
            customs: self.customs(record),
        }
    }
}

/// The digests of any number of records, each with a note: its label, its id. They wait in parts by
/// identity, each on the disk once it is large, so that two multitudes can be compared part by part
/// in little memory. Whoever finds the files (they have no names) learns record names at most.
pub(crate) struct DigestStore {
    parts: Vec<BufWriter<SpooledTempFile>>,
    count: u64,
}

/// More parts make smaller ones: a million records are sixteen thousand a part.
const PARTS: usize = 64;
/// A part larger than this goes to the disk.
const IN_MEMORY: usize = 64 << 10;

impl DigestStore {
    pub(crate) fn new() -> Self {
        let part = || BufWriter::with_capacity(4 << 10, SpooledTempFile::new(IN_MEMORY));
        Self { parts: std::iter::repeat_with(part).take(PARTS).collect(), count: 0 }
    }

    /// Adds a record; its number is the count before.
    pub(crate) fn add(&mut self, digest: &RecordDigest, note: &str) -> Result<()> {
        let part = &mut self.parts[usize::from(digest.identity[0]) % PARTS];
        let write = |part: &mut BufWriter<SpooledTempFile>| {
            part.write_all(&self.count.to_be_bytes())?;
            part.write_all(&digest.identity)?;
            part.write_all(&digest.content)?;
            digest.fields.iter().try_for_each(|field| part.write_all(&field.to_be_bytes()))?;
            part.write_all(&u32::try_from(digest.customs.len()).unwrap_or(u32::MAX).to_be_bytes())?;
            for (name, all) in &digest.customs {
                part.write_all(&name.to_be_bytes())?;
                part.write_all(&all.to_be_bytes())?;
            }
            part.write_all(&u32::try_from(note.len()).unwrap_or(u32::MAX).to_be_bytes())?;
            part.write_all(note.as_bytes())
        };
        write(part).map_err(spilled)?;
        self.count += 1;
        Ok(())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// Shows every digest, without taking any.
    pub(crate) fn visit(&mut self, mut show: impl FnMut(&RecordDigest) -> Result<()>) -> Result<()> {
        for part in &mut self.parts {
            part.flush().map_err(spilled)?;
            part.get_mut().rewind().map_err(spilled)?;
            let mut reader = BufReader::with_capacity(64 << 10, part.get_mut());
            while let Some(noted) = Noted::read(&mut reader).map_err(spilled)? {
                show(&noted.digest)?;
            }
        }
        Ok(())
    }

    /// Every part in turn. Equal identities are in parts of the same place.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = Result<Vec<Noted>>> {
        self.parts.into_iter().map(|part| {
            let mut part = part.into_inner().map_err(|error| spilled(error.into_error()))?;
            part.rewind().map_err(spilled)?;
            let mut part = BufReader::with_capacity(64 << 10, part);
            let mut notes = Vec::new();
            while let Some(noted) = Noted::read(&mut part).map_err(spilled)? {
                notes.push(noted);
            }
            Ok(notes)
        })
    }
}

/// A digest with its number and note.
pub(crate) struct Noted {
    pub number: u64,
    pub digest: RecordDigest,
    pub note: Box<str>,
}

impl Noted {
    /// `None` at the end.
    fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        fn take<const N: usize>(from: &mut impl BufRead) -> io::Result<[u8; N]> {
            let mut bytes = [0; N];
            from.read_exact(&mut bytes)?;
            Ok(bytes)
        }
        if from.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let number = u64::from_be_bytes(take(from)?);
        let (identity, content) = (take(from)?, take(from)?);
        let mut fields = [0; FIELDS.len()];
        for field in &mut fields {
            *field = u32::from_be_bytes(take(from)?);
        }
        let mut customs = Vec::new();
        for _ in 0..u32::from_be_bytes(take(from)?) {
            customs.push((u32::from_be_bytes(take(from)?), u32::from_be_bytes(take(from)?)));
        }
        let mut note = vec![0; u32::from_be_bytes(take(from)?) as usize];
        from.read_exact(&mut note)?;
        let note = String::from_utf8_lossy(&note).into();
        Ok(Some(Self {
            number,
            digest: RecordDigest { identity, content, fields, customs: customs.into() },
            note,
        }))
    }
}

fn spilled(error: io::Error) -> Error {
    Error::io(std::env::temp_dir(), error)
}

/// A multiset of records, by digest: alike records count as often as they occur.
#[derive(Default)]
pub(crate) struct Ledger(HashMap<Short, Vec<(RecordDigest, Box<str>)>>);

impl FromIterator<Noted> for Ledger {
    fn from_iter<T: IntoIterator<Item = Noted>>(notes: T) -> Self {
        let mut ledger = Self::default();
        for noted in notes {
            ledger.0.entry(noted.digest.identity).or_default().push((noted.digest, noted.note));
        }
        ledger
    }
}

impl Ledger {
    /// Removes one record equal in everything; false if there is none.
    pub(crate) fn take_equal(&mut self, digest: &RecordDigest) -> bool {
        let Some(alike) = self.0.get_mut(&digest.identity) else { return false };
        let Some(index) = alike.iter().position(|(held, _)| held.equals(digest)) else { return false };
        alike.swap_remove(index);
        true
    }

    /// Removes one record of the same place, name and login; answers it, its note and what differs. `digester` took them.
    pub(crate) fn take_alike(
        &mut self,
        digest: &RecordDigest,
        digester: &Digester,
    ) -> Option<(RecordDigest, String, Vec<String>)> {
        let (held, note) = self.0.get_mut(&digest.identity)?.pop()?;
        let what = held.differing(digest, digester);
        Some((held, note.into_string(), what))
    }

    /// What is left.
    pub(crate) fn into_rest(self) -> impl Iterator<Item = (RecordDigest, Box<str>)> {
        self.0.into_values().flatten()
    }

    /// What is left, as missing records.
    pub(crate) fn into_missing(self) -> impl Iterator<Item = Difference> {
        let left = self.0.into_values().flatten();
        left.map(|(_, record)| Difference { record: record.into_string(), what: vec![MISSING.to_owned()] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Custom, CustomKind};

    #[test]
    fn custom_fields_that_differ_are_named() {
        let digester = Digester::new().unwrap();
        let record = |customs: &[(&str, &str)]| {
            let custom = |(name, value): &(&str, &str)| Custom {
                name: (*name).into(),
                kind: CustomKind::Password,
                value: (*value).into(),
            };
            Record { customs: customs.iter().map(custom).collect(), ..Record::default() }
        };
        let differing = |one: &[(&str, &str)], two: &[(&str, &str)]| {
            // The one stands in an environment; also once they have been on the disk.
            digester.learn(&record(one));
            let mut store = DigestStore::new();
            store.add(&digester.digest(&record(one)), "").unwrap();
            let mut held: Ledger = store.into_parts().flat_map(Result::unwrap).collect();
            held.take_alike(&digester.digest(&record(two)), &digester).unwrap().2.join(", ")
        };
        let both = [("PIN", "1"), ("PUK", "2")];
        assert_eq!(differing(&both, &both), "");
        assert_eq!(differing(&both, &[("PIN", "1"), ("PUK", "3")]), "custom field PUK");
        assert_eq!(differing(&both, &[("PIN", "1")]), "custom field PUK");
        let misread = [("PIN", "1"), ("PUK", "2"), ("a password", "3"), ("another", "4")];
        assert_eq!(differing(&both, &misread), "a custom field");
        assert_eq!(differing(&both, &[]), "custom field PIN, custom field PUK");
        assert_eq!(differing(&both, &[("PUK", "2"), ("PIN", "1")]), "custom fields", "their order alone");
        assert_eq!(differing(&[("a", "1"), ("a", "2")], &[("a", "1"), ("a", "1")]), "custom field a");
        let long = "n".repeat(500);
        assert!(differing(&[(&long, "1")], &[]).len() < 100);
    }

    #[test]
    fn digests_come_back_whole_from_memory_and_from_disk() {
        let digester = Digester::new().unwrap();
        let digest = |n: u32| digester.digest(&Record { name: n.to_string(), ..Record::default() });
        let mut digests = DigestStore::new();
        // Some parts stay in memory, some outgrow it.
        let large = "note ".repeat(10_000);
        for n in 0..500 {
            digests.add(&digest(n), if n == 77 { &large } else { "é" }).unwrap();
        }
        let mut numbers = Vec::new();
        for part in digests.into_parts() {
            for noted in part.unwrap() {
                let n = u32::try_from(noted.number).unwrap();
                assert!(noted.digest.equals(&digest(n)) && noted.digest.fields == digest(n).fields);
                assert_eq!(&*noted.note, if n == 77 { &large } else { "é" });
                numbers.push(n);
            }
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    }
}
