//! Links: an item for somebody without an account. What a link shows is encrypted under a code that
//! stands behind the `#` of its address and never reaches the server.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `POST /links`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewLink {
    /// The item, or a shortcut to it.
    pub item_id: String,
    /// What the link shows: the members of an item, secrets under the link's code.
    pub item_data: Map<String, Value>,
    /// Hexadecimal SHA-256 of the code; null without client-side encryption.
    #[serde(default)]
    pub key_hash: Option<String>,
    /// The code under the record key, for those who made the link; null without client-side encryption.
    #[serde(default)]
    pub key_encrypted: Option<String>,
    /// How often it opens.
    #[serde(rename = "type")]
    pub kind: LinkKind,
    /// How long it opens.
    pub expiration_time: Expiration,
    /// The shortcut that the item was seen through.
    #[serde(default)]
    pub shortcut_id: Option<String>,
}

/// How often a link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// Once.
    SingleUse,
    /// Until it expires.
    Reusable,
}

/// How long a link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Expiration {
    /// One hour.
    #[serde(rename = "1 hour")]
    Hour,
    /// Seven days.
    #[serde(rename = "1 week")]
    Week,
    /// Thirty days.
    #[serde(rename = "1 month")]
    Month,
    /// Until it is removed.
    #[serde(rename = "unlimited")]
    Unlimited,
}

/// The answer of `POST /links`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinkMade {
    /// What `DELETE /links/{id}` takes; some servers leave it out.
    #[serde(default)]
    pub id: String,
    /// The address; the client adds `#code=…`.
    pub url: String,
}

/// The entries of `GET /links?itemId=`; the address itself is not kept.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The link's identifier.
    pub id: String,
    /// What it shows.
    pub item_id: String,
    /// Who made it.
    pub user_id: String,
    /// How often it opens.
    #[serde(rename = "type")]
    pub kind: LinkKind,
    /// Unix seconds; null for ever.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

/// `POST /links/{token}/open`, by anybody.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OpenLink {
    /// Shows that the code is known; null without client-side encryption.
    #[serde(default)]
    pub key_hash: Option<String>,
}

/// The answer of `POST /links/{token}/open`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OpenedLink {
    /// As it was given; attachments with their contents.
    pub item_data: Map<String, Value>,
}
