//! Many records in, many envelopes out, on every core (rayon).
//!
//! Each record succeeds or fails by itself, and results keep the order of the input.

use crate::error::Result;
use crate::model::{Record, RecordPath};
use crate::record::{self, Opened, Protection};
use crate::secret::SecretString;
use keyferry_api::item::{Item, ItemDraft};
use rayon::prelude::*;

/// Records that one thread takes at once: enough envelopes to fill every lane of the key derivation.
const GROUP: usize = 16;

/// Encrypts records, each for its own vault.
pub fn encrypt(records: &[(Record, Protection<'_>)]) -> Vec<Result<ItemDraft>> {
    records.par_chunks(GROUP).flat_map_iter(record::encrypt).collect()
}

/// Opens the record keys of items of one vault, and carries the records sealed: see [`record::carry`].
pub fn carry<F>(items: &[Item], vault_key: &SecretString, path: F) -> Vec<Result<Opened>>
where
    F: Fn(&Item) -> RecordPath + Sync,
{
    items.par_chunks(GROUP).flat_map_iter(|items| record::carry(items, vault_key, &path)).collect()
}

/// Decrypts items of one vault; `path` answers where each stands.
pub fn decrypt<F>(items: &[Item], protection: Protection<'_>, path: F) -> Vec<Result<Opened>>
where
    F: Fn(&Item) -> RecordPath + Sync,
{
    items.par_chunks(GROUP).flat_map_iter(|items| record::decrypt(items, protection, &path)).collect()
}
