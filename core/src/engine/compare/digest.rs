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
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, BufWriter, Seek as _, Write as _};
use tempfile::SpooledTempFile;
use zeroize::Zeroizing;

use crate::engine::report::{Difference, MISSING};

pub(crate) type Short = [u8; 16];

/// The names of a record's compared fields, in the order of their digests.
const FIELDS: [&str; 8] =
    ["password", "url", "description", "tags", "color", "favorite", "customs", "attachments"];

/// The digests of one record: 64 bytes.
#[derive(Clone, Debug)]
pub(crate) struct RecordDigest {
    /// Place, name and login.
    pub identity: Short,
    /// Every other field, and the record key of a record that is carried sealed. This decides.
    pub content: Short,
    /// The start of each field's digest: enough to say which of them differ once `content` does.
    fields: [u32; FIELDS.len()],
}

impl RecordDigest {
    /// Everything that is compared.
    pub(crate) fn whole(&self) -> (Short, Short) {
        (self.identity, self.content)
    }

    fn equals(&self, other: &Self) -> bool {
        self.whole() == other.whole()
    }

    fn differing(&self, other: &Self) -> Vec<String> {
        let pairs = self.fields.iter().zip(&other.fields).zip(FIELDS);
        pairs.filter(|((one, two), _)| one != two).map(|(_, name)| name.to_owned()).collect()
    }
}

/// Takes digests under a key of its own.
pub(crate) struct Digester {
    mac: Hmac<Sha256>,
    /// Whether the sink's user can take the same digests on another day.
    lasting: bool,
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
        Self { mac, lasting: false }
    }

    fn labelled<'a>(&self, label: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Short {
        let mut mac = self.mac.clone();
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
        let color = record.color.unwrap_or_default().to_be_bytes();
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
            self.labelled("tags", tags),
            self.labelled("color", [&color[..]]),
            self.labelled("favorite", [&[u8::from(record.favorite)][..]]),
            self.labelled("customs", customs),
            self.labelled("attachments", attachments),
        ];
        let key = record.sealed_under.iter().map(|key| key.expose().as_bytes());
        RecordDigest {
            identity,
            content: self.labelled("content", fields.iter().map(<[u8; 16]>::as_slice).chain(key)),
            fields: fields.map(|[a, b, c, d, ..]| u32::from_be_bytes([a, b, c, d])),
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
        let mut note = vec![0; u32::from_be_bytes(take(from)?) as usize];
        from.read_exact(&mut note)?;
        let note = String::from_utf8_lossy(&note).into();
        Ok(Some(Self { number, digest: RecordDigest { identity, content, fields }, note }))
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

    /// Removes one record of the same place, name and login; answers it, its note and what differs.
    pub(crate) fn take_alike(
        &mut self,
        digest: &RecordDigest,
    ) -> Option<(RecordDigest, String, Vec<String>)> {
        let (held, note) = self.0.get_mut(&digest.identity)?.pop()?;
        let what = held.differing(digest);
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
