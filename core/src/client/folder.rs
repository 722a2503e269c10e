//! Folders.

use crate::Result;
use crate::client::{Client, Made, OnceKey, segment};
use http::Method;
use keyferry_api::folder::{Folder, MoveFolder, NewFolder};
use keyferry_api::vault::{Rename, VaultUser};
use keyferry_api::{Created, Empty};

impl Client {
    /// The folders of one vault, or of all; flat.
    pub async fn folders(&self, vault: Option<&str>) -> Result<Vec<Folder>> {
        let path = match vault {
            Some(vault) => format!("/folders?vaultId={}", segment(vault)?),
            None => "/folders".to_owned(),
        };
        self.list(&path).await
    }

    /// Makes a folder; its id.
    pub async fn create_folder(&self, folder: &NewFolder) -> Result<String> {
        self.write::<Created>(Method::POST, "/folders", folder).await.map(|created| created.id)
    }

    /// Makes a folder under a key; see [`Client::create_items_once`].
    pub async fn create_folder_once(&self, folder: &NewFolder, key: &OnceKey) -> Result<Made> {
        self.make_once("/folders", folder, key).await
    }

    /// Gives a folder another name.
    pub async fn rename_folder(&self, id: &str, name: &str) -> Result<()> {
        let path = format!("/folders/{}", segment(id)?);
        self.act(Method::POST, &path, &Rename { name: name.to_owned() }).await
    }

    /// One folder, with its path from the vault down.
    pub async fn folder(&self, id: &str) -> Result<Folder> {
        self.get(&format!("/folders/{}", segment(id)?)).await
    }

    /// Puts a folder elsewhere in its vault. Not every server has this call.
    pub async fn move_folder(&self, id: &str, to: &MoveFolder) -> Result<()> {
        self.act(Method::POST, &format!("/folders/{}/move", segment(id)?), to).await
    }

    /// Whose role in a folder differs from that in its vault. Not every server has this call.
    pub async fn folder_users(&self, id: &str) -> Result<Vec<VaultUser>> {
        self.list(&format!("/folders/{}/users", segment(id)?)).await
    }

    /// Gives a user a role in a folder. Not every server has this call.
    pub async fn grant_folder(&self, id: &str, grant: &VaultUser) -> Result<()> {
        self.act(Method::POST, &format!("/folders/{}/users", segment(id)?), grant).await
    }

    /// Moves a folder and all in it to the bin.
    pub async fn delete_folder(&self, id: &str) -> Result<()> {
        self.act(Method::DELETE, &format!("/folders/{}", segment(id)?), &Empty {}).await
    }
}
