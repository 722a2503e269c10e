//! Users and the keys that the server keeps for them.

use serde::{Deserialize, Serialize};

/// `GET /users/info` and the entries of `GET /users`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserInfo {
    /// The user's identifier.
    pub id: String,
    /// The name to sign in with.
    #[serde(default)]
    pub username: String,
    /// The same, under the name that Passwork's own client reads.
    #[serde(default)]
    pub login: String,
    /// May be empty.
    #[serde(default)]
    pub email: Option<String>,
    /// May be empty.
    #[serde(default)]
    pub full_name: Option<String>,
    /// Whether a one-time code is asked for; of others told to administrators alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_two_factor_auth_enabled: Option<bool>,
    /// Whether the user may not sign in.
    #[serde(default)]
    pub is_blocked: bool,
    /// What the user is, as `GET /user-roles` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_role_id: Option<String>,
}

/// Somebody beside what they did, as Passwork's own client shows them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The user's identifier.
    pub id: String,
    /// What they sign in with, or did.
    #[serde(default)]
    pub login: Option<String>,
    /// Shown to people.
    #[serde(default)]
    pub full_name: Option<String>,
    /// Whether there is a picture of them.
    #[serde(default)]
    pub has_avatar: bool,
    /// Whether they are gone.
    #[serde(default)]
    pub is_deleted: bool,
}

/// What a user is: the entries of `GET /user-roles`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserRole {
    /// The role's identifier.
    pub id: String,
    /// `administrator` or `user`, or what whoever made the role chose.
    pub code: String,
    /// Shown to people.
    pub name: String,
    /// What a new user is.
    #[serde(default)]
    pub is_default: bool,
    /// What it allows, each an [`AdminRight`]; not every server tells.
    #[serde(default)]
    pub rights: Vec<String>,
}

/// What a role may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AdminRight {
    /// Others' e-mail addresses, and whether they owe one-time codes.
    #[serde(rename = "user:read")]
    UserRead,
    /// Making users.
    #[serde(rename = "user:create")]
    UserCreate,
    /// Names and passwords of others.
    #[serde(rename = "user:update")]
    UserUpdate,
    /// Keeping users out, and letting them in again.
    #[serde(rename = "user:block")]
    UserBlock,
    /// Taking users out for good.
    #[serde(rename = "user:delete")]
    UserDelete,
    /// Making and changing roles, and giving them to users.
    #[serde(rename = "userRole:manage")]
    RoleManage,
    /// Making and changing groups, and who is in them.
    #[serde(rename = "userGroup:manage")]
    GroupManage,
    /// What others, and groups, may do where.
    #[serde(rename = "access:read")]
    AccessRead,
    /// Making vault types.
    #[serde(rename = "vaultType:manage")]
    VaultTypeManage,
    /// The whole activity log.
    #[serde(rename = "activityLog:read")]
    ActivityLogRead,
    /// Making vaults.
    #[serde(rename = "vault:create")]
    VaultCreate,
    /// Making links for people without an account.
    #[serde(rename = "link:create")]
    LinkCreate,
}

impl AdminRight {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::UserRead,
        Self::UserCreate,
        Self::UserUpdate,
        Self::UserBlock,
        Self::UserDelete,
        Self::RoleManage,
        Self::GroupManage,
        Self::AccessRead,
        Self::VaultTypeManage,
        Self::ActivityLogRead,
        Self::VaultCreate,
        Self::LinkCreate,
    ];

    /// The word for it on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::UserRead => "user:read",
            Self::UserCreate => "user:create",
            Self::UserUpdate => "user:update",
            Self::UserBlock => "user:block",
            Self::UserDelete => "user:delete",
            Self::RoleManage => "userRole:manage",
            Self::GroupManage => "userGroup:manage",
            Self::AccessRead => "access:read",
            Self::VaultTypeManage => "vaultType:manage",
            Self::ActivityLogRead => "activityLog:read",
            Self::VaultCreate => "vault:create",
            Self::LinkCreate => "link:create",
        }
    }
}

/// `POST /user-roles`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewUserRole {
    /// Shown to people.
    pub name: String,
    /// A stable word that no other role has; its identifier where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it allows; nobody allows more than they may themselves.
    #[serde(default)]
    pub rights: Vec<AdminRight>,
}

/// `PATCH /user-roles/{id}`: what is missing stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserRoleChange {
    /// Shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it allows from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<Vec<AdminRight>>,
}

/// `PATCH /users/{id}`: what is missing stays.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserChange {
    /// Empty or null for none.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Shown to people; empty or null for none.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// The name to sign in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The same, as older clients send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A new login password; every session of the user ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What the user is from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_role_id: Option<String>,
    /// As it was read: `POST /users/{id}/block` and `…/unblock` change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_blocked: Option<bool>,
}

impl UserChange {
    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let texts =
            [&self.email, &self.full_name, &self.login, &self.username, &self.password, &self.user_role_id];
        texts.into_iter().all(Option::is_none) && self.is_blocked.is_none()
    }
}

/// Null means to empty it; a member that is missing leaves it.
fn null_is_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Some(Option::deserialize(from)?.unwrap_or_default()))
}

/// `POST /users/keys`: what a client makes of the user's first master password.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FirstKeys {
    /// The key pair, the private key encrypted.
    pub keys: KeyPair,
    /// The hash of the master key.
    pub master_key_hash: String,
    /// How the master key comes from the master password.
    pub master_key_options: String,
}

/// A group of users: `GET /user-groups` and, with its members, `GET /user-groups/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserGroup {
    /// The group's identifier.
    pub id: String,
    /// Shown to people.
    pub name: String,
    /// Its members.
    #[serde(default)]
    pub user_ids: Vec<String>,
}

/// `POST /user-groups`, and `POST /user-groups/{id}` to rename one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewUserGroup {
    /// Shown to people.
    pub name: String,
    /// The members of a new group; renaming changes none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_ids: Vec<String>,
}

/// `POST /user-groups/{id}/add-users` and `/remove-users`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GroupMembers {
    /// Whom.
    pub user_ids: Vec<String>,
}

/// `GET /sessions/current/info`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// Whose it is.
    pub user_id: String,
    /// Until when the access token is good; Unix seconds.
    pub access_token_expired_at: i64,
    /// Until when the refresh token is good; Unix seconds.
    pub refresh_token_expired_at: i64,
    /// Whether it owes a one-time code.
    pub is_two_factor_auth_required: bool,
}

/// `GET /users/keys`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserKeys {
    /// The user's identifier.
    pub id: String,
    /// Null for a user without client-side encryption.
    #[serde(default)]
    pub keys: Option<KeyPair>,
}

/// An RSA key pair as the server keeps it.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyPair {
    /// `SubjectPublicKeyInfo` in PEM.
    pub public: String,
    /// The PKCS#8 PEM in an envelope under the master key.
    pub private_encrypted: String,
}

/// `GET /users/{id}/public-key`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PublicKey {
    /// `SubjectPublicKeyInfo` in PEM, or null.
    pub public_key: Option<String>,
}

/// `GET /users/master-key/options`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MasterKeyOptions {
    /// `pbkdf:<digest>:<iterations>:<bytes>:<salt>`, or null without client-side encryption.
    pub master_key_options: Option<String>,
}

/// `GET /users/master-key/new-options`: what a new user's master key shall be derived with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewMasterKeyOptions {
    /// 20 characters.
    pub salt: String,
    /// PBKDF2 rounds.
    pub iterations: u32,
    /// Length of the derived key.
    pub bytes: u32,
    /// `sha256` or another digest's name.
    pub digest: String,
}

/// `POST /users`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewUser {
    /// May be missing where a user name is given.
    #[serde(default)]
    pub email: Option<String>,
    /// Shown to people.
    #[serde(default)]
    pub full_name: Option<String>,
    /// The name to sign in with; the e-mail address where missing.
    #[serde(default)]
    pub login: Option<String>,
    /// The same, as older clients send it.
    #[serde(default)]
    pub username: Option<String>,
    /// The login password; without one the user cannot sign in before an administrator sets one.
    #[serde(default)]
    pub password: Option<String>,
    /// What the user is; missing: an ordinary user.
    #[serde(default)]
    pub user_role_id: Option<String>,
    /// Made, and not let in before somebody unblocks them.
    #[serde(default)]
    pub is_blocked: Option<bool>,
    /// Hexadecimal SHA-256 of the master key.
    #[serde(default)]
    pub master_key_hash: Option<String>,
    /// See [`MasterKeyOptions`].
    #[serde(default)]
    pub master_key_options: Option<String>,
    /// The pair that the client made.
    #[serde(default)]
    pub keys: Option<KeyPair>,
}

/// The entries of `GET /users/{id}/rights` and `GET /user-groups/{id}/rights`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Right {
    /// The vault.
    pub vault_id: String,
    /// Null: the vault as a whole.
    #[serde(default)]
    pub folder_id: Option<String>,
    /// What was given there. On the way from an object up to its vault the nearest counts of the user, and the nearest of
    /// each group; of those the highest.
    pub role: crate::vault::Role,
    /// The group that it was given to; null: the user alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// The vault is encrypted and the user has no copy of its key yet: until somebody gives one, this is worth nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_without_key: bool,
}
