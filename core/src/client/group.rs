//! Groups, roles, and who may do what through them. Not every server has these calls: never depend on one.

use crate::Result;
use crate::client::{Client, segment};
use http::Method;
use keyferry_api::link::Link;
use keyferry_api::shortcut::ItemShortcut;
use keyferry_api::user::{GroupMembers, NewUserGroup, Right, UserGroup, UserRole};
use keyferry_api::vault::{GroupGranted, GroupRight, VaultKeys, WithoutKey};
use keyferry_api::{Created, Empty};
use std::collections::BTreeMap;

impl Client {
    /// What users may be.
    pub async fn user_roles(&self) -> Result<Vec<UserRole>> {
        self.list("/user-roles").await
    }

    /// Every group with its members.
    pub async fn groups(&self) -> Result<Vec<UserGroup>> {
        self.list("/user-groups").await
    }

    /// Makes a group without members; its id.
    pub async fn create_group(&self, name: &str) -> Result<String> {
        let group = NewUserGroup { name: name.to_owned(), user_ids: Vec::new() };
        self.write::<Created>(Method::POST, "/user-groups", &group).await.map(|created| created.id)
    }

    /// Removes a group and its rights; its members stay.
    pub async fn delete_group(&self, id: &str) -> Result<()> {
        self.act(Method::DELETE, &format!("/user-groups/{}", segment(id)?), &Empty {}).await
    }

    /// Adds members to a group.
    pub async fn add_to_group(&self, id: &str, user_ids: Vec<String>) -> Result<()> {
        let path = format!("/user-groups/{}/add-users", segment(id)?);
        self.act(Method::POST, &path, &GroupMembers { user_ids }).await
    }

    /// Takes members out of a group.
    pub async fn remove_from_group(&self, id: &str, user_ids: Vec<String>) -> Result<()> {
        let path = format!("/user-groups/{}/remove-users", segment(id)?);
        self.act(Method::POST, &path, &GroupMembers { user_ids }).await
    }

    /// What a group may do where.
    pub async fn group_rights(&self, id: &str) -> Result<Vec<Right>> {
        self.list(&format!("/user-groups/{}/rights", segment(id)?)).await
    }

    /// The groups that have a role in a vault.
    pub async fn vault_groups(&self, id: &str) -> Result<Vec<GroupRight>> {
        self.list(&format!("/vaults/{}/groups", segment(id)?)).await
    }

    /// The groups whose role in a folder differs from that in its vault.
    pub async fn folder_groups(&self, id: &str) -> Result<Vec<GroupRight>> {
        self.list(&format!("/folders/{}/groups", segment(id)?)).await
    }

    /// Gives a group a role in a vault, with copies of its key; who of its members has none yet.
    pub async fn grant_vault_group(&self, id: &str, grant: &GroupRight) -> Result<GroupGranted> {
        self.write(Method::POST, &format!("/vaults/{}/groups", segment(id)?), grant).await
    }

    /// The same in a folder.
    pub async fn grant_folder_group(&self, id: &str, grant: &GroupRight) -> Result<GroupGranted> {
        self.write(Method::POST, &format!("/folders/{}/groups", segment(id)?), grant).await
    }

    /// Unsays what a group was given in a folder: what is above counts again.
    pub async fn forget_folder_group(&self, id: &str, group: &str) -> Result<()> {
        let path = format!("/folders/{}/groups/{}", segment(id)?, segment(group)?);
        self.act(Method::DELETE, &path, &Empty {}).await
    }

    /// Unsays what a user was given in a folder: what is above counts again.
    pub async fn forget_folder_user(&self, id: &str, user: &str) -> Result<()> {
        let path = format!("/folders/{}/users/{}", segment(id)?, segment(user)?);
        self.act(Method::DELETE, &path, &Empty {}).await
    }

    /// Who has a right in a vault and no copy of its key.
    pub async fn users_without_key(&self, vault: &str) -> Result<Vec<WithoutKey>> {
        self.list(&format!("/vaults/{}/users-without-key", segment(vault)?)).await
    }

    /// Gives those users their copies, by user id.
    pub async fn give_keys(&self, vault: &str, keys: BTreeMap<String, String>) -> Result<()> {
        let keys = VaultKeys { master_keys_encrypted: keys };
        self.act(Method::POST, &format!("/vaults/{}/keys", segment(vault)?), &keys).await
    }

    /// The shortcuts to what is in a vault, wherever they stand.
    pub async fn vault_shortcuts(&self, vault: &str) -> Result<Vec<ItemShortcut>> {
        self.list(&format!("/shortcuts?vaultId={}", segment(vault)?)).await
    }

    /// The links of what is in a vault.
    pub async fn vault_links(&self, vault: &str) -> Result<Vec<Link>> {
        self.list(&format!("/links?vaultId={}", segment(vault)?)).await
    }
}
