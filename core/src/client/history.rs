//! What was before: snapshots, the bin, the activity log.

use crate::Result;
use crate::client::{Client, segment};
use http::Method;
use keyferry_api::Empty;
use keyferry_api::activity::{Activity, ActivityCheck};
use keyferry_api::bin::BinItem;
use keyferry_api::item::{Attachment, Snapshot, SnapshotInfo};

/// Which entries of the activity log are asked for.
#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    /// The vault's identifier; without one the whole log, which only the environment's first user may read.
    pub vault: Option<String>,
    /// The identifier of what was acted upon.
    pub object: Option<String>,
    /// Only entries after the one of this number.
    pub after: i64,
    /// At most so many entries; without it, as many as the server gives at once.
    pub limit: Option<u32>,
}

impl Client {
    /// What an item was before each change, the newest first. Not every server has this call.
    pub async fn snapshots(&self, item_id: &str) -> Result<Vec<SnapshotInfo>> {
        self.list(&format!("/items/{}/snapshots", segment(item_id)?)).await
    }

    /// An item as it was before a change.
    pub async fn snapshot(&self, item_id: &str, snapshot_id: &str) -> Result<Snapshot> {
        self.get(&format!("/items/{}/snapshot/{}", segment(item_id)?, segment(snapshot_id)?)).await
    }

    /// An attachment of a snapshot with its content, encrypted.
    pub async fn snapshot_attachment(&self, snapshot_id: &str, attachment_id: &str) -> Result<Attachment> {
        self.get(&format!("/snapshots/{}/attachment/{}", segment(snapshot_id)?, segment(attachment_id)?))
            .await
    }

    /// What was deleted and can be restored. Not every server has this call.
    pub async fn bin_items(&self) -> Result<Vec<BinItem>> {
        self.list("/bin-items").await
    }

    /// Puts back what was deleted. Not every server has this call.
    pub async fn restore(&self, bin_item_id: &str) -> Result<()> {
        self.act(Method::POST, &format!("/bin-items/{}/restore", segment(bin_item_id)?), &Empty {}).await
    }

    /// Deletes for good. Not every server has this call.
    pub async fn purge(&self, bin_item_id: &str) -> Result<()> {
        self.act(Method::DELETE, &format!("/bin-items/{}", segment(bin_item_id)?), &Empty {}).await
    }

    /// Entries of the activity log, the oldest first, as many as the server gives at once: ask again with
    /// `after` until there are none. Not every server has this call.
    pub async fn activity(&self, filter: &ActivityFilter) -> Result<Vec<Activity>> {
        let mut path = format!("/activity-log?after={}", filter.after);
        if let Some(limit) = filter.limit {
            path.extend(["&limit=", &limit.to_string()]);
        }
        for (name, id) in [("vaultId", &filter.vault), ("object", &filter.object)] {
            if let Some(id) = id {
                path.extend(["&", name, "=", segment(id)?]);
            }
        }
        self.list(&path).await
    }

    /// Whether an entry of the activity log is missing or was altered. Not every server has this call.
    pub async fn activity_check(&self) -> Result<ActivityCheck> {
        self.get("/activity-log/check").await
    }
}
