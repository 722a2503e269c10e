//! Vaults: each has a key of its own, wrapped for every user who may open it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /vaults/{id}` and the entries of `GET /vaults`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Vault {
    /// The vault's identifier.
    pub id: String,
    /// Names may repeat.
    #[serde(default)]
    pub name: String,
    /// The vault key under the asking user's public key, in base64; empty or null = not encrypted.
    #[serde(default)]
    pub master_key_encrypted: Option<String>,
    /// Hexadecimal SHA-256 of the vault key and the salt, texts joined.
    #[serde(default)]
    pub master_key_hash: Option<String>,
    /// 32 characters.
    #[serde(default)]
    pub salt: Option<String>,
    /// Where the server has vault types.
    #[serde(default)]
    pub type_id: Option<String>,
    /// What the asking user may do, such as `item:create`; this and what follows not every server tells.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Whether lists show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_visible: Option<bool>,
    /// The asking user's standing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_access: Option<DirectoryAccess>,
    /// Whether the asking user may give up their own right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can_leave_vault: Option<bool>,
    /// Whether the asking user may make it one of another type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can_change_vault_type: Option<bool>,
}

/// A user's standing in a vault, in the words of Passwork's own client.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DirectoryAccess {
    /// Whether the user may look, and no more.
    pub is_viewing_access: bool,
    /// `read`, `edit` or `administer`.
    pub access: Role,
    /// The same for people.
    pub access_name: String,
}

/// `POST /vaults`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewVault {
    /// Shown to people.
    pub name: String,
    /// See [`Vault::master_key_encrypted`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key_encrypted: Option<String>,
    /// See [`Vault::master_key_hash`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key_hash: Option<String>,
    /// See [`Vault::salt`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// Needed where `GET /app/features` names `vaultType`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_id: Option<String>,
    /// The vault key for each administrator of the type, by user id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub administrators_keys: BTreeMap<String, String>,
}

/// `POST /vaults/{id}` and `POST /folders/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rename {
    /// The new name.
    pub name: String,
}

/// The entries of `GET /vaults/{id}/users` and `GET /folders/{id}/users`, and what the same addresses take by `POST`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VaultUser {
    /// The user's identifier.
    pub user_id: String,
    /// What the user may do.
    pub role: Role,
    /// The vault key under this user's public key, in base64; needed where the vault is encrypted and
    /// the user has no copy yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key_encrypted: Option<String>,
}

/// The entries of `GET /vaults/{id}/groups` and `GET /folders/{id}/groups`, and what the same addresses take by `POST`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GroupRight {
    /// The group's identifier.
    pub group_id: String,
    /// What its members may do.
    pub role: Role,
    /// The vault key for members, by user id, each under that member's public key and in base64. Who is left out, or joins
    /// later, sees nothing of an encrypted vault until somebody gives them a copy; who has one keeps it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub master_keys_encrypted: BTreeMap<String, String>,
}

/// The answer to a group's right: which members cannot use it yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GroupGranted {
    /// The members who have no copy of the vault's key.
    #[serde(default)]
    pub without_key: Vec<String>,
}

/// The entries of `GET /vaults/{id}/users-without-key`: who has a right there and no copy of the key yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WithoutKey {
    /// The user's identifier.
    pub user_id: String,
    /// What they sign in with.
    #[serde(default)]
    pub login: String,
    /// Shown to people.
    #[serde(default)]
    pub full_name: Option<String>,
    /// `SubjectPublicKeyInfo` in PEM; null: the user has no keys, and nothing can be wrapped for them.
    #[serde(default)]
    pub public_key: Option<String>,
}

/// `POST /vaults/{id}/keys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VaultKeys {
    /// See [`GroupRight::master_keys_encrypted`].
    pub master_keys_encrypted: BTreeMap<String, String>,
}

/// A user's standing in a vault, ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The vault is not there for this user.
    None,
    /// May look.
    Read,
    /// May also change what is in the vault.
    Edit,
    /// May also change the vault itself and who may open it.
    Administer,
}

impl Role {
    /// The word for it on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Read => "read",
            Role::Edit => "edit",
            Role::Administer => "administer",
        }
    }
}

/// The entries of `GET /vault-types/all`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VaultType {
    /// The type's identifier.
    pub id: String,
    /// Shown to people.
    #[serde(default)]
    pub name: String,
    /// A stable word, such as `company`.
    #[serde(default)]
    pub code: String,
}

/// The entries of `GET /vault-types/{id}/administrators`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Administrator {
    /// The user's identifier.
    pub id: String,
    /// `SubjectPublicKeyInfo` in PEM.
    #[serde(default)]
    pub public_key: Option<String>,
    /// Their name; not every server tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// What they sign in with; not every server tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// `POST /vault-types`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewVaultType {
    /// Shown to people.
    pub name: String,
    /// A stable word that no other type has.
    pub code: String,
    /// The users who administer every vault of this type.
    #[serde(default)]
    pub administrators: Vec<String>,
}
