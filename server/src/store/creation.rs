//! New items: one, or many of a batch at once. What is to be refused is refused before anything is written, so that a set of
//! them is a few statements, however many they are.

use super::attachment;
use super::place::Place;
use super::{LINE, check_length, check_sealed, check_tags, check_texts, json_text, lower_text};
use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::id::{FolderId, ItemId, VaultId, now};
use keyferry_api::item::{Attachment, ItemDraft};
use keyferry_sql::{Connection, Dialect, Kind, Table, ToSql};
use serde_json::Value;
use std::collections::BTreeSet;

const ITEMS: Table<16> = Table {
    name: "items",
    columns: [
        ("id", Kind::Text),
        ("vault_id", Kind::Text),
        ("folder_id", Kind::Text),
        ("name", Kind::Text),
        ("login", Kind::Text),
        ("url", Kind::Text),
        ("description", Kind::Text),
        ("tags", Kind::Text),
        ("color", Kind::Number),
        ("password_encrypted", Kind::Text),
        ("key_encrypted", Kind::Text),
        ("customs", Kind::Text),
        ("created_at", Kind::Number),
        ("updated_at", Kind::Number),
        ("updated_by", Kind::Text),
        ("fields_order", Kind::Text),
    ],
};
const TEXTS: Table<2> = Table { name: "item_text", columns: [("item", Kind::Number), ("text", Kind::Text)] };
const TAGS: Table<2> = Table { name: "item_tags", columns: [("tag", Kind::Text), ("item", Kind::Number)] };
const FAVORITES: Table<2> =
    Table { name: "favorites", columns: [("user_id", Kind::Text), ("item_id", Kind::Text)] };

/// An item that may be made where it is to stand.
pub(crate) struct NewItem {
    pub id: ItemId,
    pub vault: VaultId,
    folder: Option<FolderId>,
    draft: ItemDraft,
    name: String,
    tags: String,
    customs: String,
    fields_order: Option<String>,
    attachments: Vec<Attachment>,
    made_at: i64,
}

/// The order of fields as it is kept.
pub(super) fn fields_order(given: Option<Value>) -> Result<Option<String>> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(None) };
    let text = json_text(&given)?;
    check_length("fieldsOrder", &text, LINE)?;
    Ok(Some(text))
}

/// In an encrypted vault nothing opens what no key came with: it would be lost, or lie there in the clear, sent by a client
/// that takes the vault for one without encryption.
pub(super) fn check_key(has_key: bool) -> Result<()> {
    if has_key {
        return Ok(());
    }
    let message = "The vault is encrypted: passwords, custom fields and attachments need the item's key, wrapped for it.";
    Err(Refusal::invalid("keyEncrypted", message))
}

impl NewItem {
    /// Makes sure that this may be kept in its place.
    pub fn check(place: &Place, mut draft: ItemDraft) -> Result<Self> {
        let name = draft.name.take().ok_or_else(|| Refusal::invalid("name", "A name is needed."))?;
        // Also in an encrypted vault it may be missing: the official client sends none with an item
        // that has no password.
        draft.key_encrypted = draft.key_encrypted.filter(|key| !key.is_empty());
        let has_key = draft.key_encrypted.is_some();
        let has_secrets = draft.password_encrypted.as_deref().is_some_and(|text| !text.is_empty())
            || draft.customs.as_ref().is_some_and(|customs| !customs.is_empty())
            || draft.attachments.as_ref().is_some_and(|attachments| !attachments.is_empty());
        if has_secrets && place.editor.is_encrypted() {
            check_key(has_key)?;
        }
        let tags = draft.tags.as_deref().unwrap_or_default();
        check_texts(&name, draft.login.as_deref(), draft.url.as_deref(), draft.description.as_deref())?;
        check_tags(tags)?;
        let key = draft.key_encrypted.as_deref();
        check_sealed(draft.password_encrypted.as_deref(), key, draft.customs.as_deref())?;
        let id = ItemId::fresh()?;
        let tags = json_text(&tags)?;
        let customs = json_text(&draft.customs.take().unwrap_or_default())?;
        let fields_order = fields_order(draft.fields_order.take())?;
        let attachments = draft.attachments.take().unwrap_or_default();
        attachment::check(place.editor.is_encrypted(), &attachments)?;
        let (vault, folder, made_at) = (place.editor.vault().clone(), place.folder.clone(), now());
        Ok(Self { id, vault, folder, draft, name, tags, customs, fields_order, attachments, made_at })
    }

    fn text(&self) -> String {
        let draft = &self.draft;
        let texts = [Some(&self.name), draft.login.as_ref(), draft.url.as_ref(), draft.description.as_ref()];
        lower_text(texts.into_iter().chain([Some(&self.tags)]).map(|text| text.map(String::as_str)))
    }
}

/// Makes all of these, in their order.
pub(crate) fn insert(conn: &Connection, caller: &Caller, items: &[NewItem]) -> Result<()> {
    let colors: Vec<i64> = items.iter().map(|item| item.draft.color.unwrap_or(0)).collect();
    let rows: Vec<[&dyn ToSql; 16]> = items
        .iter()
        .zip(&colors)
        .map(|(item, color)| {
            let draft = &item.draft;
            let row: [&dyn ToSql; 16] = [
                &item.id,
                &item.vault,
                &item.folder,
                &item.name,
                &draft.login,
                &draft.url,
                &draft.description,
                &item.tags,
                color,
                &draft.password_encrypted,
                &draft.key_encrypted,
                &item.customs,
                &item.made_at,
                &item.made_at,
                &caller.user,
                &item.fields_order,
            ];
            row
        })
        .collect();
    let numbers = conn.insert_numbered(&ITEMS, "seq", &rows)?;
    index_texts(conn, items, &numbers)?;
    let tags: Vec<(&String, &i64)> = items
        .iter()
        .zip(&numbers)
        .flat_map(|(item, number)| {
            let tags = BTreeSet::from_iter(item.draft.tags.as_deref().unwrap_or_default());
            tags.into_iter().map(move |tag| (tag, number))
        })
        .collect();
    let rows: Vec<[&dyn ToSql; 2]> = tags.iter().map(|(tag, number)| [*tag as _, *number as _]).collect();
    conn.insert_set(&TAGS, &rows)?;
    attachment::insert(conn, items.iter().map(|item| (&item.id, &*item.attachments)))?;
    let favorites = items.iter().filter(|item| item.draft.is_favorite == Some(true));
    let rows: Vec<[&dyn ToSql; 2]> = favorites.map(|item| [&caller.user as _, &item.id as _]).collect();
    Ok(conn.insert_set(&FAVORITES, &rows)?)
}

/// On a server the texts go into their index at once, as they are at hand. FTS5 writes down what it gathered at every savepoint
/// of a batch: in a file they wait for the end of the transaction.
fn index_texts(conn: &Connection, items: &[NewItem], numbers: &[i64]) -> Result<()> {
    if conn.dialect() == Dialect::Sqlite {
        for number in numbers {
            conn.note_changed(*number);
        }
        return Ok(());
    }
    let texts: Vec<String> = items.iter().map(NewItem::text).collect();
    let rows: Vec<[&dyn ToSql; 2]> =
        numbers.iter().zip(&texts).map(|(number, text)| [number as _, text as _]).collect();
    Ok(conn.insert_set(&TEXTS, &rows)?)
}
