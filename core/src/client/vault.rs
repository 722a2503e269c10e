//! Vaults and their types.

use crate::client::{Client, Made, OnceKey, segment};
use crate::error::{Error, ErrorKind, Result};
use http::Method;
use keyferry_api::vault::{Administrator, NewVault, Rename, Vault, VaultType, VaultUser};
use keyferry_api::{Created, Empty};
use std::collections::HashSet;

impl Client {
    /// Every vault that the user may open.
    pub async fn vaults(&self) -> Result<Vec<Vault>> {
        let vaults: Vec<Vault> = self.list("/vaults").await?;
        let mut ids = HashSet::new();
        if vaults.iter().all(|vault| ids.insert(vault.id.as_str())) {
            return Ok(vaults);
        }
        Err(Error::new(ErrorKind::Protocol, "the environment lists one vault twice"))
    }

    /// One vault.
    pub async fn vault(&self, id: &str) -> Result<Vault> {
        self.get(&format!("/vaults/{}", segment(id)?)).await
    }

    /// Makes a vault; its id.
    pub async fn create_vault(&self, vault: &NewVault) -> Result<String> {
        self.write::<Created>(Method::POST, "/vaults", vault).await.map(|created| created.id)
    }

    /// Makes a vault under a key; see [`Client::create_items_once`].
    pub async fn create_vault_once(&self, vault: &NewVault, key: &OnceKey) -> Result<Made> {
        self.make_once("/vaults", vault, key).await
    }

    /// Gives a vault another name.
    pub async fn rename_vault(&self, id: &str, name: &str) -> Result<()> {
        let path = format!("/vaults/{}", segment(id)?);
        self.act(Method::POST, &path, &Rename { name: name.to_owned() }).await
    }

    /// Deletes a vault and all in it.
    pub async fn delete_vault(&self, id: &str) -> Result<()> {
        self.act(Method::DELETE, &format!("/vaults/{}", segment(id)?), &Empty {}).await
    }

    /// Who may do what in a vault. Not every server has this call: never depend on it.
    pub async fn vault_users(&self, id: &str) -> Result<Vec<VaultUser>> {
        self.list(&format!("/vaults/{}/users", segment(id)?)).await
    }

    /// Gives a user a role in a vault, with a copy of its key where it has one; or takes it away. Not every
    /// server has this call.
    pub async fn grant_vault(&self, id: &str, grant: &VaultUser) -> Result<()> {
        self.act(Method::POST, &format!("/vaults/{}/users", segment(id)?), grant).await
    }

    /// The types that a new vault may have.
    pub async fn vault_types(&self) -> Result<Vec<VaultType>> {
        self.list("/vault-types/all").await
    }

    /// Whom the key of a new vault of this type is wrapped for.
    pub async fn vault_type_administrators(&self, type_id: &str) -> Result<Vec<Administrator>> {
        let path = format!("/vault-types/{}/administrators", segment(type_id)?);
        self.list(&path).await
    }
}
