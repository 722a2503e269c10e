//! Keyed digests: what two records are compared by, so that neither has to be kept.
//!
//! `HMAC-SHA-256[key](length ‖ bytes ‖ …)`, cut to 16 bytes. The key is random and lives as long
//! as one comparison, so digests tell nothing to whoever sees them later.

use crate::crypto::generate;
use crate::error::Result;
use crate::model::Record;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use zeroize::Zeroizing;

use super::report::Difference;

type Short = [u8; 16];

/// The names of a record's compared fields, in the order of their digests.
const FIELDS: [&str; 8] =
    ["password", "url", "description", "tags", "color", "favorite", "customs", "attachments"];

/// The digests of one record: 64 bytes.
#[derive(Clone, Debug)]
pub(super) struct Print {
    /// Place, name and login.
    pub identity: Short,
    /// Every other field. This decides.
    content: Short,
    /// The start of each field's digest: enough to say which of them differ once `content` does.
    fields: [u32; FIELDS.len()],
}

impl Print {
    fn equals(&self, other: &Self) -> bool {
        self.identity == other.identity && self.content == other.content
    }

    fn differing(&self, other: &Self) -> Vec<String> {
        let pairs = self.fields.iter().zip(&other.fields).zip(FIELDS);
        pairs.filter(|((one, two), _)| one != two).map(|(_, name)| name.to_owned()).collect()
    }
}

/// Takes digests under a key of its own.
pub(super) struct Digester(Hmac<Sha256>);

impl Digester {
    pub(super) fn new() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        generate::random_bytes(&mut *key)?;
        #[expect(clippy::expect_used, reason = "HMAC pads or hashes keys of any length")]
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*key).expect("HMAC takes keys of any length");
        Ok(Self(mac))
    }

    fn digest<'a>(&self, label: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Short {
        let mut mac = self.0.clone();
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

    pub(super) fn print(&self, record: &Record) -> Print {
        let vault = record.path.vault.iter().map(String::as_bytes);
        let path = vault.chain(record.path.folders.iter().map(String::as_bytes));
        let identity = self.digest("identity", path.chain([record.name.as_bytes(), record.login.as_bytes()]));
        let color = record.color.unwrap_or_default().to_be_bytes();
        let password = record.password.as_ref().map(|password| password.expose().as_bytes());
        let tags = record.tags.iter().map(String::as_bytes);
        let customs = record.customs.iter().flat_map(|custom| {
            [custom.name.as_bytes(), custom.kind.as_str().as_bytes(), custom.value.expose().as_bytes()]
        });
        let attachments =
            record.attachments.iter().flat_map(|one| [one.name.as_bytes(), one.content.expose()]);
        let fields = [
            self.digest("password", password),
            self.digest("url", [record.url.as_bytes()]),
            self.digest("description", [record.description.as_bytes()]),
            self.digest("tags", tags),
            self.digest("color", [&color[..]]),
            self.digest("favorite", [&[u8::from(record.favorite)][..]]),
            self.digest("customs", customs),
            self.digest("attachments", attachments),
        ];
        Print {
            identity,
            content: self.digest("content", fields.iter().map(<[u8; 16]>::as_slice)),
            fields: fields.map(|[a, b, c, d, ..]| u32::from_be_bytes([a, b, c, d])),
        }
    }
}

/// A multiset of records, by digest: alike records count as often as they occur.
#[derive(Default)]
pub(super) struct Ledger(HashMap<Short, Vec<(Print, Box<str>)>>);

impl Ledger {
    /// Adds a record; `note` is its label, or its id.
    pub(super) fn add(&mut self, print: Print, note: String) {
        // Most identities occur once: a vector that grows by itself starts with room for four.
        let alike = self.0.entry(print.identity).or_insert_with(|| Vec::with_capacity(1));
        alike.push((print, note.into_boxed_str()));
    }

    /// Removes one record equal in everything; false if there is none.
    pub(super) fn take_equal(&mut self, print: &Print) -> bool {
        let Some(alike) = self.0.get_mut(&print.identity) else { return false };
        let Some(index) = alike.iter().position(|(held, _)| held.equals(print)) else { return false };
        alike.swap_remove(index);
        true
    }

    /// Removes one record of the same place, name and login; answers its note and what differs.
    pub(super) fn take_alike(&mut self, print: &Print) -> Option<(String, Vec<String>)> {
        let (held, note) = self.0.get_mut(&print.identity)?.pop()?;
        let what = held.differing(print);
        Some((note.into_string(), what))
    }

    /// What is left, as missing records.
    pub(super) fn into_missing(self) -> Vec<Difference> {
        let left = self.0.into_values().flatten();
        let mut missing: Vec<_> = left
            .map(|(_, record)| Difference { record: record.into_string(), what: vec!["missing".to_owned()] })
            .collect();
        missing.sort_by(|one, two| one.record.cmp(&two.record));
        missing
    }
}
