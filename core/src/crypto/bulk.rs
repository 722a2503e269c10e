//! Many records in, many envelopes out, on every core (rayon).
//!
//! Each record succeeds or fails by itself, and results keep the order of the input.

use super::record::{self, Protection};
use crate::error::Result;
use crate::model::{Record, RecordPath};
use crate::secret::SecretString;
use keyferry_api::item::{Item, ItemDraft};
use rayon::prelude::*;

/// Encrypts records, each for its own vault.
#[must_use]
pub fn encrypt(records: &[(Record, Protection<'_>)]) -> Vec<Result<ItemDraft>> {
    records.par_iter().map(|(one, protection)| record::encrypt(one, *protection)).collect()
}

/// An opened item and, for its attachments, its record key.
#[derive(Debug)]
pub struct Opened {
    /// Without its attachments' contents.
    pub record: Record,
    /// `None` without client-side encryption.
    pub key: Option<SecretString>,
}

/// Decrypts items of one vault; `path` answers where each stands.
pub fn decrypt<F>(items: &[Item], protection: Protection<'_>, path: F) -> Vec<Result<Opened>>
where
    F: Fn(&Item) -> RecordPath + Sync,
{
    items
        .par_iter()
        .map(|item| {
            let key = record::record_key(item, protection)?;
            Ok(Opened { record: record::decrypt(item, key.as_ref(), path(item))?, key })
        })
        .collect()
}
