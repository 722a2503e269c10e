//! The table `updates`: each item that is overwritten, as it was (sealed) and a digest of what it became.

use crate::engine::crash;
use crate::engine::journal::content::Content;
use crate::engine::journal::jobs::Job;
use crate::error::{Error, ErrorKind, Result};
use keyferry_api::item::{Item, ItemDraft};
use keyferry_sql::params;

/// An item that a job overwrote.
pub(crate) struct Updated {
    pub item: String,
    pub before: Option<Vec<u8>>,
    pub digest: Option<Vec<u8>>,
}

impl Job {
    /// Before an item is overwritten: what it is, and what it will be.
    pub(crate) fn intend_update(&self, before: &Item, draft: &ItemDraft) -> Result<i64> {
        crash::point("before intent");
        let sealed = match self.key() {
            Some(key) => Some(key.seal(before)?),
            None => None,
        };
        let digest = self.key().map(|key| key.digest(&Content::after(before, draft)));
        let number = self.change(|db| {
            db.insert(
                "INSERT INTO updates (job, sent, item, before, print) VALUES (?1, ?2, ?3, ?4, ?5)",
                "seq",
                params![self.id(), self.now(), before.id, sealed, digest],
            )
        })?;
        crash::point("after intent");
        Ok(number)
    }

    /// After an update was answered.
    pub(crate) fn updated(&self, number: i64) -> Result<()> {
        crash::point("before outcome");
        self.change(|db| db.execute("UPDATE updates SET open = 0 WHERE seq = ?1", [number]).map(drop))?;
        crash::point("after outcome");
        Ok(())
    }

    /// After a change was refused, or another run was found to have made it: it is not this job's to take back.
    pub(crate) fn not_updated(&self, number: i64) -> Result<()> {
        self.change(|db| db.execute("DELETE FROM updates WHERE seq = ?1", [number]).map(drop))
    }

    /// Every update that the job sent, the newest first: an item updated twice goes back step by step.
    pub(crate) fn updates(&self) -> Result<Vec<Updated>> {
        self.read("SELECT item, before, print FROM updates WHERE job = ?1 ORDER BY seq DESC", |row| {
            Ok(Updated { item: row.get(0)?, before: row.get(1)?, digest: row.get(2)? })
        })
    }

    /// The item as it was before an update.
    pub(crate) fn open_before(&self, item: &str, sealed: &[u8]) -> Result<Item> {
        let key = self.key().ok_or_else(|| Error::new(ErrorKind::Locked, "the job has no key"))?;
        key.open(item, sealed)
    }
}
