//! Items one by one; many at once are in `batch`.

use super::{Client, Places, answer, segment};
use crate::{Error, ErrorKind, Result};
use http::Method;
use keyferry_api::item::{Attachment, Item, ItemDraft, ItemPlace, ItemSummary};
use keyferry_api::{Created, Empty};

impl Client {
    /// Every item of a vault, without secrets.
    pub async fn item_summaries(&self, vault_id: &str) -> Result<Vec<ItemSummary>> {
        self.list(&format!("/items?vaultId={}", segment(vault_id)?)).await
    }

    /// Every item of a vault by id, folder and time: all that is kept of a large list.
    pub async fn item_places(&self, vault_id: &str) -> Result<Places> {
        self.gather::<ItemPlace, _>(&format!("/items?vaultId={}", segment(vault_id)?)).await
    }

    /// How many shortcuts the user sees.
    pub async fn shortcut_count(&self) -> Result<u64> {
        let shortcuts: Vec<serde::de::IgnoredAny> = self.list("/shortcuts/search").await?;
        Ok(shortcuts.len() as u64)
    }

    /// One item whole, but for its attachments' contents.
    pub async fn item(&self, id: &str) -> Result<Item> {
        let path = format!("/items/{}", segment(id)?);
        asked_for(self.get(&path).await?, id, &path)
    }

    /// An attachment with its content, encrypted.
    pub async fn attachment(&self, item_id: &str, attachment_id: &str) -> Result<Attachment> {
        self.get(&format!("/items/{}/attachment/{}", segment(item_id)?, segment(attachment_id)?)).await
    }

    /// Makes one item; its id.
    pub async fn create_item(&self, draft: &ItemDraft) -> Result<String> {
        self.write::<Created>(Method::POST, "/items", draft).await.map(|created| created.id)
    }

    /// Changes what `draft` names. Custom fields are replaced as a list, attachments only added.
    pub async fn patch_item(&self, id: &str, draft: &ItemDraft) -> Result<()> {
        self.act(Method::PATCH, &format!("/items/{}", segment(id)?), draft).await
    }

    /// Moves an item to the bin.
    pub async fn delete_item(&self, id: &str) -> Result<()> {
        self.act(Method::DELETE, &format!("/items/{}", segment(id)?), &Empty {}).await
    }
}

/// Makes sure that an item is the one that was asked for: answers of a batch could come in another
/// order, and a record would get its neighbour's secrets.
pub(super) fn asked_for(item: Item, id: &str, path: &str) -> Result<Item> {
    if item.id == id {
        return Ok(item);
    }
    Err(Error::new(ErrorKind::Protocol, "the answer is another item").at(answer::place(
        &Method::GET,
        path,
        None,
        None,
    )))
}
