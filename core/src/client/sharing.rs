//! What is seen from elsewhere: shortcuts, links, the inbox.

use crate::Result;
use crate::client::{Client, segment};
use http::Method;
use keyferry_api::inbox::{InboxInfo, InboxItem, NewInboxItem};
use keyferry_api::link::{Link, LinkMade, NewLink, OpenLink, OpenedLink};
use keyferry_api::shortcut::{FoundShortcut, NewShortcut};
use keyferry_api::{Created, Empty};

impl Client {
    /// Every shortcut that the user sees, with what it leads to.
    pub async fn shortcuts(&self) -> Result<Vec<FoundShortcut>> {
        self.gather("/shortcuts/search").await
    }

    /// How many shortcuts the user sees.
    pub async fn shortcut_count(&self) -> Result<u64> {
        let shortcuts: Vec<serde::de::IgnoredAny> = self.gather("/shortcuts/search").await?;
        Ok(shortcuts.len() as u64)
    }

    /// One shortcut, with what it leads to.
    pub async fn shortcut(&self, id: &str) -> Result<FoundShortcut> {
        self.get(&format!("/shortcuts/{}", segment(id)?)).await
    }

    /// Makes a shortcut; its id.
    pub async fn create_shortcut(&self, shortcut: &NewShortcut) -> Result<String> {
        self.write::<Created>(Method::POST, "/shortcuts", shortcut).await.map(|created| created.id)
    }

    /// Removes a shortcut; the item stays. Not every server has this call.
    pub async fn delete_shortcut(&self, id: &str) -> Result<()> {
        self.act(Method::DELETE, &format!("/shortcuts/{}", segment(id)?), &Empty {}).await
    }

    /// Makes a link. The address lacks the code that decrypts, which the caller adds behind a `#`.
    pub async fn create_link(&self, link: &NewLink) -> Result<LinkMade> {
        self.write(Method::POST, "/links", link).await
    }

    /// The links of an item. Not every server has this call.
    pub async fn links(&self, item_id: &str) -> Result<Vec<Link>> {
        self.list(&format!("/links?itemId={}", segment(item_id)?)).await
    }

    /// Ends a link. Not every server has this call.
    pub async fn delete_link(&self, id: &str) -> Result<()> {
        self.act(Method::DELETE, &format!("/links/{}", segment(id)?), &Empty {}).await
    }

    /// What a link shows, by the last part of its address; no session is needed. Not every server has this
    /// call.
    pub async fn open_link(&self, token: &str, asked: &OpenLink) -> Result<OpenedLink> {
        self.write(Method::POST, &format!("/links/{}/open", segment(token)?), asked).await
    }

    /// What others sent to the user. Not every server has this call.
    pub async fn inbox(&self) -> Result<Vec<InboxInfo>> {
        self.list("/inbox-items").await
    }

    /// One item that was sent. Its attachments are an item's, by the same id.
    pub async fn inbox_item(&self, id: &str) -> Result<InboxItem> {
        self.get(&format!("/inbox-items/{}", segment(id)?)).await
    }

    /// Sends an item to another user; the id that it has in their inbox. Not every server has this call.
    pub async fn send_to_inbox(&self, item: &NewInboxItem) -> Result<String> {
        self.write::<Created>(Method::POST, "/inbox-items", item).await.map(|created| created.id)
    }

    /// Takes an item out of an inbox. Not every server has this call.
    pub async fn delete_inbox_item(&self, id: &str) -> Result<()> {
        self.act(Method::DELETE, &format!("/inbox-items/{}", segment(id)?), &Empty {}).await
    }
}
