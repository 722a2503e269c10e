//! The inbox: items that one user sends to another.

use crate::item::{AttachmentInfo, Custom};
use crate::user::Person;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST /inbox-items`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewInboxItem {
    /// What is sent.
    pub item_id: String,
    /// To whom.
    pub user_id: String,
    /// The record key under that user's public key, in base64; null without client-side encryption.
    #[serde(default)]
    pub key_encrypted: Option<String>,
}

/// The entries of `GET /inbox-items`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InboxInfo {
    /// What `GET /inbox-items/{id}` takes.
    pub id: String,
    /// The item's name.
    pub name: String,
    /// Who sent it.
    pub sender_id: String,
    /// Unix seconds.
    pub created_at: i64,
    /// The item that was sent.
    pub item_id: String,
    /// To whom.
    pub user_id: String,
}

/// `GET /inbox-items/{id}`: the item as it is now. Attachments: `GET /items/{id}/attachment/…` with this id.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InboxItem {
    /// The inbox item's identifier.
    pub id: String,
    /// The vault that the item stands in.
    #[serde(default)]
    pub vault_id: Option<String>,
    /// Null at the top of its vault.
    #[serde(default)]
    pub folder_id: Option<String>,
    /// See [`InboxKey::key_encrypted`].
    #[serde(default)]
    pub key_encrypted: Option<String>,
    /// See [`crate::item::Item::fields_order`].
    #[serde(default)]
    pub fields_order: Option<Value>,
    /// What is in the bin is in no inbox.
    #[serde(default)]
    pub is_deleted: bool,
    /// The reader's own mark.
    #[serde(default)]
    pub is_favorite: bool,
    /// Always a string.
    #[serde(default)]
    pub name: String,
    /// Null where empty.
    #[serde(default)]
    pub login: Option<String>,
    /// Null where empty.
    #[serde(default)]
    pub url: Option<String>,
    /// Null where empty.
    #[serde(default)]
    pub description: Option<String>,
    /// Never null.
    #[serde(default)]
    pub tags: Vec<String>,
    /// 0 for none.
    #[serde(default)]
    pub color: Option<i64>,
    /// Envelope under the record key, or base64.
    #[serde(default)]
    pub password_encrypted: Option<String>,
    /// Never null.
    #[serde(default)]
    pub customs: Vec<Custom>,
    /// Never null.
    #[serde(default)]
    pub attachments: Vec<AttachmentInfo>,
    /// How it came here.
    pub inbox: InboxKey,
}

/// The key of an item that was sent.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InboxKey {
    /// The inbox item's identifier.
    #[serde(default)]
    pub id: Option<String>,
    /// What the reader may do with it: `read`.
    #[serde(default)]
    pub access: Option<String>,
    /// The record key under the reader's public key; null without client-side encryption.
    #[serde(default)]
    pub key_encrypted: Option<String>,
    /// Who sent it.
    #[serde(default)]
    pub sender_id: Option<String>,
    /// Who that is.
    #[serde(default)]
    pub sender: Option<Person>,
    /// Unix seconds.
    #[serde(default)]
    pub created_at: Option<i64>,
    /// Whether the reader saw it: whoever reads this does.
    #[serde(default)]
    pub is_viewed: bool,
    /// Whether the reader was told.
    #[serde(default)]
    pub is_user_notified: bool,
}
