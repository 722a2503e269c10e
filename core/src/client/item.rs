//! Items one by one; many at once are in `batch`.

use crate::client::list::Gather as _;
use crate::client::places::First;
use crate::client::{Call, Client, OnceKey, Places, Repeat, answer, segment, to_bytes};
use crate::{Error, ErrorKind, Result};
use futures_util::{StreamExt as _, stream};
use http::Method;
use keyferry_api::item::{Attachment, Item, ItemDraft, ItemPlace, ItemSummary, MoveItem};
use keyferry_api::{Created, Empty};

/// Lists that are asked for at once.
const LISTS: usize = 8;

impl Client {
    /// Every item of a vault, without secrets.
    pub async fn item_summaries(&self, vault_id: &str) -> Result<Vec<ItemSummary>> {
        self.gather(&format!("/items?vaultId={}", segment(vault_id)?)).await
    }

    /// The items of a vault that a server's search finds for a text.
    pub async fn search(&self, vault_id: &str, query: &str) -> Result<Vec<ItemSummary>> {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        self.gather(&format!("/items/search?query={query}&vaultIds%5B%5D={}", segment(vault_id)?)).await
    }

    /// Every item of a vault by id, folder and time: all that is kept of a large list.
    pub async fn item_places(&self, vault_id: &str) -> Result<Places> {
        self.gather::<ItemPlace, _>(&format!("/items?vaultId={}", segment(vault_id)?)).await
    }

    /// The items that stand in these folders of a vault, a list for each; not those below them.
    pub async fn item_places_in(&self, vault_id: &str, folders: &[&str]) -> Result<Places> {
        let vault_id = segment(vault_id)?;
        let lists = folders.iter().map(async |folder| {
            let path = format!("/items?vaultId={vault_id}&folderId={}", segment(folder)?);
            Ok((*folder, self.gather::<ItemPlace, Places>(&path).await?))
        });
        let mut lists = stream::iter(lists.collect::<Vec<_>>()).buffered(LISTS);
        let mut all = Places::default();
        while let Some(list) = lists.next().await {
            let (folder, list) = list?;
            for place in list.read()? {
                let place = place?;
                // A server that does not know the parameter lists the whole vault each time.
                if place.folder_id.as_deref() == Some(folder) {
                    all.take(place)?;
                }
            }
        }
        Ok(all)
    }

    /// At most `N` items of a vault, whichever the environment lists first.
    pub async fn first_items<const N: usize>(&self, vault_id: &str) -> Result<Vec<ItemPlace>> {
        // A server that does not know the parameter is not heard to the end.
        let path = format!("/items?vaultId={}&limit={N}", segment(vault_id)?);
        Ok(self.gather::<ItemPlace, First<N>>(&path).await?.0)
    }

    /// One item whole, but for its attachments' contents.
    pub async fn item(&self, id: &str) -> Result<Item> {
        let path = format!("/items/{}", segment(id)?);
        asked_for(self.get(&path).await?, id, &path)
    }

    /// An attachment with its content, encrypted.
    pub async fn attachment(&self, item_id: &str, attachment_id: &str) -> Result<Attachment> {
        let path = format!("/items/{}/attachment/{}", segment(item_id)?, segment(attachment_id)?);
        let found: Attachment = self.get(&path).await?;
        if found.id.as_deref().is_none_or(|id| id == attachment_id) {
            return Ok(found);
        }
        let place = answer::place(&Method::GET, &path, None, None);
        Err(Error::new(ErrorKind::Protocol, "the answer is another attachment").at(place))
    }

    /// Makes one item; its id.
    pub async fn create_item(&self, draft: &ItemDraft) -> Result<String> {
        self.write::<Created>(Method::POST, "/items", draft).await.map(|created| created.id)
    }

    /// Changes what `draft` names. Custom fields are replaced as a list, attachments only added.
    pub async fn patch_item(&self, id: &str, draft: &ItemDraft) -> Result<()> {
        self.act(Method::PATCH, &format!("/items/{}", segment(id)?), draft).await
    }

    /// As [`Client::patch_item`], under a key; `false`: another request had made this change, and nothing was done.
    pub async fn patch_item_once(&self, id: &str, draft: &ItemDraft, key: &OnceKey) -> Result<bool> {
        let path = format!("/items/{}", segment(id)?);
        let (method, body) = (Method::PATCH, Some(to_bytes(draft)?));
        let call = Call { method, path: &path, body, repeat: Repeat::IfNotActed, key: Some(key) };
        match self.call(&call).await {
            Ok(body) => answer::is_one(&call.method, &path, &body).map(|()| true),
            Err(error) if answer::is_key_reused(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves an item to the bin; its number there, where the server tells.
    pub async fn delete_item(&self, id: &str) -> Result<Option<String>> {
        #[derive(serde::Deserialize)]
        struct Answer {
            #[serde(default, rename = "binItemId")]
            bin_item: Option<String>,
        }
        let path = format!("/items/{}", segment(id)?);
        let body = Some(to_bytes(&Empty {})?);
        let call = Call { method: Method::DELETE, path: &path, body, repeat: Repeat::IfNotActed, key: None };
        let body = self.call(&call).await?;
        answer::is_one(&call.method, &path, &body)?;
        // What matters is that it said yes.
        let answer = serde_json::from_slice::<Answer>(&body);
        Ok(answer.ok().and_then(|answer| answer.bin_item))
    }

    /// Puts an item elsewhere; another vault needs its key wrapped anew. Not every server has this call.
    pub async fn move_item(&self, id: &str, to: &MoveItem) -> Result<()> {
        self.act(Method::POST, &format!("/items/{}/move", segment(id)?), to).await
    }

    /// Copies an item without its history; the copy's id. Not every server has this call.
    pub async fn copy_item(&self, id: &str, to: &MoveItem) -> Result<String> {
        let path = format!("/items/{}/copy", segment(id)?);
        self.write::<Created>(Method::POST, &path, to).await.map(|created| created.id)
    }

    /// Takes an attachment off an item. Not every server has this call.
    pub async fn delete_attachment(&self, item_id: &str, attachment_id: &str) -> Result<()> {
        let path = format!("/items/{}/attachment/{}", segment(item_id)?, segment(attachment_id)?);
        self.act(Method::DELETE, &path, &Empty {}).await
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
