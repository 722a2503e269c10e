//! The activity log: who did what to which object, each entry chained to the one before.

use serde::{Deserialize, Serialize};

/// The entries of `GET /activity-log`, the oldest first.
///
/// `hash` is SHA-256, in lower-case hexadecimal, over the 32 bytes of the hash before (zeros before the
/// first) and the UTF-8 text of the JSON array `[seq,at,userId,action,object,vaultId,address]` without spaces.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// Counts from 1, without gaps.
    pub seq: i64,
    /// Unix seconds.
    pub at: i64,
    /// Null for somebody without an account.
    #[serde(default)]
    pub user_id: Option<String>,
    /// Such as `item.create`.
    pub action: String,
    /// The identifier of what it was done to. What one batch only looked at is one entry for each vault: then these are the
    /// identifiers, with commas between.
    #[serde(default)]
    pub object: Option<String>,
    /// The vault it stands in.
    #[serde(default)]
    pub vault_id: Option<String>,
    /// The client's network address; null within the server's own process.
    #[serde(default)]
    pub address: Option<String>,
    /// See above.
    pub hash: String,
}

/// `GET /activity-log/check`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActivityCheck {
    /// How many entries there are.
    pub count: i64,
    /// The last entry's hash: whoever keeps it elsewhere can tell later that nothing before it was changed.
    pub head: String,
    /// The first entry that is missing or does not fit, if any.
    #[serde(default)]
    pub broken: Option<i64>,
}
