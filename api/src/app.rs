//! What a server can do.

use serde::{Deserialize, Serialize};

/// The entries of `GET /app/features`, a bare list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Feature {
    /// Such as `vaultType`: creating a vault then needs a type.
    pub name: String,
}

/// `GET /app/settings`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Rules for login passwords.
    pub auth_password_complexity: Complexity,
    /// Rules for master passwords.
    pub master_password_complexity: Complexity,
}

/// `GET /app/settings/additional`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AdditionalSettings {
    /// Whether clients encrypt before they send.
    pub is_client_side_encryption_enabled: bool,
    /// The largest attachment, in bytes.
    pub max_attachment_size: u64,
}

/// What a password must have.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Complexity {
    /// Characters.
    pub min_length: u32,
    /// At least one digit.
    pub is_digits_required: bool,
    /// At least one capital.
    pub is_uppercase_required: bool,
    /// At least one other character.
    pub is_special_characters_required: bool,
}
