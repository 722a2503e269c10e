//! Folders, flat on the wire: each names its parent.

use serde::{Deserialize, Serialize};

/// The entries of `GET /folders` and, with `path`, `GET /folders/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Folder {
    /// The folder's identifier.
    pub id: String,
    /// May hold any character, `/` too.
    #[serde(default)]
    pub name: String,
    /// The vault it stands in.
    pub vault_id: String,
    /// Null at the top of its vault.
    #[serde(default)]
    pub parent_folder_id: Option<String>,
    /// From the vault down to the folder itself; only in `GET /folders/{id}` and `GET /folders/search`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Step>,
    /// What the asking user may do, such as `item:create`; not every server tells.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// 0 for none; not every server tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<i64>,
}

/// One step of a folder's path; the first is the vault and has no folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The vault.
    pub vault_id: String,
    /// The vault's or folder's name.
    pub name: String,
    /// Null in the vault's own step.
    pub folder_id: Option<String>,
}

/// `POST /folders`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewFolder {
    /// May hold any character.
    pub name: String,
    /// The vault it shall stand in.
    pub vault_id: String,
    /// Missing or null: at the top of the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_folder_id: Option<String>,
    /// 0 for none, as without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<i64>,
}

/// `POST /folders/{id}`: what is given changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FolderChange {
    /// Its new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<i64>,
}

/// The answer of `DELETE /folders/{id}` and `DELETE /items/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Binned {
    /// Where it lies in the bin.
    pub bin_item_id: String,
}

/// `POST /folders/{id}/move`: within its vault.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MoveFolder {
    /// Where given, the vault that the folder stands in: keys would have to be wrapped anew for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_id: Option<String>,
    /// Null: the top of the vault.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub parent_folder_id: Option<Option<String>>,
    /// Another name for it, which some clients send.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub target_folder_id: Option<Option<String>>,
    /// And another, as items' moves have it; the folder's own identifier here means nothing.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub folder_id: Option<Option<String>>,
}

/// Tells null, which means something, from a member that is missing.
#[expect(clippy::option_option, reason = "null means something else than a member that is missing")]
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}
