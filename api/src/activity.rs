//! The activity log: who did what to which object, each entry chained to the one before.

use serde::{Deserialize, Serialize};

/// The entries of `GET /activity-log`, the oldest first.
///
/// `hash` is SHA-256, in lower-case hexadecimal, over the 32 bytes of the hash before in its chain (zeros before the first) and
/// the UTF-8 text of the JSON array `[seq,at,userId,action,object,vaultId,address]` without spaces. An entry with a `vaultSeq` is in
/// its vault's chain, and the number is the array's eighth member; all others are in the environment's, and `heads`, where there are
/// any, is the eighth member, as a text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// Counts from 1. A number is left out where a write was taken back at its end, which only servers' databases do.
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
    /// The entry's number in its vault's own chain, which counts from 1 without gaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_seq: Option<i64>,
    /// The heads of the vaults' chains that moved since the entry before in the environment's chain, as the text of a JSON array:
    /// `[vaultId,count,hash]` for each, in the order of their identifiers. A chain is first named without an entry in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<String>,
}

/// `GET /activity-log/check`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActivityCheck {
    /// How many entries there are.
    pub count: i64,
    /// The hash of the last entry in the environment's chain: whoever keeps it elsewhere can tell later that nothing before it
    /// was changed.
    pub head: String,
    /// The same of the vaults' chains with entries that no `heads` in the environment's chain cover yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<VaultHead>,
    /// The first entry that is missing or does not fit, if any.
    #[serde(default)]
    pub broken: Option<i64>,
}

/// How far a vault's chain has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VaultHead {
    /// The vault, which may be gone.
    pub vault_id: String,
    /// How many entries there are in its chain.
    pub count: i64,
    /// The last one's hash.
    pub head: String,
}
