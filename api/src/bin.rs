//! The bin: what was deleted, until it is restored or purged.

use serde::{Deserialize, Serialize};

/// The entries of `GET /bin-items`: one for each deletion, a folder with all that was below it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BinItem {
    /// What `POST /bin-items/{id}/restore` and `DELETE /bin-items/{id}` take.
    pub id: String,
    /// The vault it was in.
    pub vault_id: String,
    /// What was deleted.
    pub kind: BinKind,
    /// The identifier of the item or folder.
    pub object_id: String,
    /// Its name.
    pub name: String,
    /// Who deleted it.
    pub user_id: String,
    /// Unix seconds.
    pub deleted_at: i64,
}

/// What lies in the bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum BinKind {
    /// One item.
    Item,
    /// A folder and all below it.
    Folder,
}
