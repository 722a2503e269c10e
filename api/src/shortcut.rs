//! Shortcuts: an item seen from another place. `GET /items/{id}` takes a shortcut's id too.

use crate::item::{AttachmentInfo, Custom, FoundItem, ItemSummary};
use crate::user::Person;
use serde::{Deserialize, Serialize};

/// `POST /shortcuts`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewShortcut {
    /// The vault to stand in.
    pub vault_id: String,
    /// Missing or null: the top of the vault.
    #[serde(default)]
    pub folder_id: Option<String>,
    /// What it leads to.
    pub item_id: String,
    /// The record key wrapped for the shortcut's vault; null without client-side encryption.
    #[serde(default)]
    pub key_encrypted: Option<String>,
}

/// A shortcut as an entry of `GET /shortcuts/search` holds it.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Shortcut {
    /// The shortcut's identifier.
    pub id: String,
    /// The vault it stands in.
    pub vault_id: String,
    /// Null at the top of its vault.
    #[serde(default)]
    pub folder_id: Option<String>,
    /// What it leads to.
    pub item_id: String,
    /// See [`NewShortcut::key_encrypted`].
    #[serde(default)]
    pub key_encrypted: Option<String>,
}

/// The entries of `GET /shortcuts?itemId=`: for whoever administers the item.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemShortcut {
    /// The shortcut's identifier.
    pub id: String,
    /// The vault it stands in.
    pub vault_id: String,
    /// Null at the top of its vault.
    #[serde(default)]
    pub folder_id: Option<String>,
    /// What it leads to.
    pub item_id: String,
    /// Who made it, where that is known.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// The entries of `GET /shortcuts/search`: the item, seen from the shortcut's place.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FoundShortcut {
    /// The shortcut itself.
    pub shortcut: Shortcut,
    /// What it leads to, with the shortcut's vault and folder.
    #[serde(flatten)]
    pub item: ItemSummary,
}

/// The same whole, and `GET /shortcuts/{id}`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SeenItem {
    /// The item, with the shortcut's vault, folder and path.
    #[serde(flatten)]
    pub item: FoundItem,
    /// See [`crate::item::Item::password_encrypted`].
    #[serde(default)]
    pub password_encrypted: Option<String>,
    /// See [`NewShortcut::key_encrypted`].
    #[serde(default)]
    pub key_encrypted: Option<String>,
    /// Never null.
    #[serde(default)]
    pub customs: Vec<Custom>,
    /// Never null.
    #[serde(default)]
    pub attachments: Vec<AttachmentInfo>,
    /// The shortcut itself.
    pub shortcut: SeenFrom,
}

/// Where an item is seen from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SeenFrom {
    /// The shortcut's identifier.
    pub id: String,
    /// The vault it stands in.
    pub vault_id: String,
    /// Null at the top of its vault.
    #[serde(default)]
    pub folder_id: Option<String>,
    /// What it leads to.
    pub item_id: String,
    /// See [`NewShortcut::key_encrypted`].
    #[serde(default)]
    pub key_encrypted: Option<String>,
    /// Who made it; null where that is not known.
    #[serde(default)]
    pub creator: Option<Person>,
}
