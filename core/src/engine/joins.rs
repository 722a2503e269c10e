//! What becomes of the one-time codes of a source: see `matching`, which finds it out.

use crate::model::{Custom, CustomKind, Record, RecordPath};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};

/// What becomes of each code of a source.
#[derive(Debug, Default)]
pub struct Joins {
    pub(crate) fates: HashMap<Key, Fate>,
    /// Where the joined records stand in the sink, and their names.
    pub(crate) joined: HashSet<(RecordPath, String)>,
    pub(crate) sentences: Vec<String>,
}

/// A code as a source yields it: SHA-256 of its name, its account and its secret, which is kept nowhere besides.
pub(crate) type Key = [u8; 32];

#[derive(Debug)]
pub(crate) enum Fate {
    /// The record of the sink with the code in it, as the source is to yield it.
    Joined(Box<Record>),
    Alone,
}

impl Joins {
    /// What the source yields in the place of this record.
    pub(crate) fn in_place_of(&self, record: Record) -> Record {
        let found = code_of(&record).and_then(|code| self.fates.get(&key(&record, code)));
        match found {
            Some(Fate::Joined(joined)) => (**joined).clone(),
            Some(Fate::Alone) | None => record,
        }
    }

    /// Whether a record, as it will stand in the sink, is one that is there already with a code in it.
    pub(crate) fn holds(&self, record: &Record) -> bool {
        self.joined.contains(&(record.path.clone(), record.name.clone()))
    }

    /// What became of the codes, for plan and report.
    pub(crate) fn sentences(&self) -> &[String] {
        &self.sentences
    }
}

/// The code of a record that is a code and little else: no password, no file, one code.
pub(crate) fn code_of(record: &Record) -> Option<&Custom> {
    let mut codes = record.customs.iter().filter(|custom| is_code(custom));
    let only = codes.next().filter(|_| codes.next().is_none())?;
    let is_bare = record.password.is_none() && record.attachments.is_empty() && record.sealed_under.is_none();
    is_bare.then_some(only)
}

/// Whether a field is a code, those by counter and Steam's among them.
pub(crate) fn is_code(custom: &Custom) -> bool {
    let value = custom.value.expose();
    let begins =
        |scheme: &str| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    custom.kind == CustomKind::Totp || begins("otpauth://") || begins("steam://")
}

/// What a code is known by.
pub(crate) fn key(record: &Record, code: &Custom) -> Key {
    let mut hash = Sha256::new();
    for part in [record.name.as_str(), record.login.as_str(), code.value.expose()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}
