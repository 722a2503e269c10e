//! The inbox: whoever may edit an item may send it to another user, who then reads it as it is.

use super::attachment;
use super::snapshot::person;
use super::target::{Editable, Target};
use crate::access::{Caller, Owner};
use crate::error::{Refusal, Result};
use crate::id::{InboxItemId, ItemId, UserId, VaultId, now};
use crate::json::Object;
use keyferry_api::inbox::{InboxInfo, NewInboxItem};
use keyferry_sql::{self as sql, Connection, Optional as _, params};

/// Sends an item.
pub(crate) fn create(
    conn: &Connection,
    caller: &Caller,
    item: &Editable,
    new: NewInboxItem,
) -> Result<InboxItemId> {
    let user = new.user_id.parse::<UserId>()?;
    super::user::info(conn, &user)?;
    let key = new.key_encrypted.filter(|key| !key.is_empty());
    if item.encrypted && key.is_none() {
        let message = "The item is encrypted: the other user needs its key.";
        return Err(Refusal::invalid("keyEncrypted", message));
    }
    if item.encrypted {
        super::user::check_has_keys(conn, &user, "keyEncrypted")?;
    }
    let id = InboxItemId::fresh()?;
    conn.prepare_cached(
        "INSERT INTO inbox_items (id, item_id, sender_id, user_id, key_encrypted, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![id, item.item, caller.user, user, key, now()])?;
    Ok(id)
}

/// What was sent to the caller, by who may still read it.
pub(crate) fn list(conn: &Connection, caller: &Caller) -> Result<Vec<InboxInfo>> {
    let mut all = entries(conn, "b.user_id", caller.user.as_str())?;
    all.retain(|info| {
        let id = info.id.parse::<InboxItemId>();
        id.and_then(|id| Target::of_inbox(conn, caller, &id)).is_ok()
    });
    Ok(all)
}

/// To whom an item was sent, whatever became of those who sent it.
pub(crate) fn of_item(conn: &Connection, item: &ItemId) -> Result<Vec<InboxInfo>> {
    entries(conn, "b.item_id", item.as_str())
}

/// The same of all items in a vault.
pub(crate) fn of_vault(conn: &Connection, owner: &Owner) -> Result<Vec<InboxInfo>> {
    entries(conn, "i.vault_id", owner.vault().as_str())
}

fn entries(conn: &Connection, column: &str, value: &str) -> Result<Vec<InboxInfo>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT b.id, i.name, b.sender_id, b.created_at, b.item_id, b.user_id
         FROM inbox_items b JOIN items i ON i.id = b.item_id
         WHERE {column} = ?1 AND i.bin_item_id IS NULL ORDER BY b.seq"
    ))?;
    let rows = statement.query_map([value], |row| {
        Ok(InboxInfo {
            id: row.get(0)?,
            name: row.get(1)?,
            sender_id: row.get(2)?,
            created_at: row.get(3)?,
            item_id: row.get(4)?,
            user_id: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// The item that was sent under this id, and its vault.
pub(crate) fn item_of(conn: &Connection, id: &InboxItemId) -> Result<(ItemId, VaultId)> {
    let sql =
        "SELECT b.item_id, i.vault_id FROM inbox_items b JOIN items i ON i.id = b.item_id WHERE b.id = ?1";
    conn.prepare_cached(sql)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| Refusal::not_found("inbox item"))
}

/// One item as the inbox shows it; the target comes from [`Target::of_inbox`].
pub(crate) fn get(conn: &Connection, id: &InboxItemId, target: &Target) -> Result<Vec<u8>> {
    let mut statement = conn.prepare_cached(
        "SELECT i.name, i.login, i.url, i.description, i.tags, i.color, i.password_encrypted, i.customs,
                b.key_encrypted, b.sender_id, i.vault_id, i.folder_id, b.created_at, c.username, c.full_name, c.deleted,
                EXISTS (SELECT 1 FROM favorites WHERE user_id = b.user_id AND item_id = i.id), i.fields_order
         FROM inbox_items b JOIN items i ON i.id = b.item_id LEFT JOIN users c ON c.id = b.sender_id
         WHERE b.id = ?1 AND i.id = ?2",
    )?;
    let mut rows = statement.query(params![id, target.item])?;
    let row = rows.next()?.ok_or_else(|| Refusal::not_found("inbox item"))?;
    let text_at = |index: usize| -> Result<Option<&str>> { Ok(row.text(index)?) };
    let mut inbox = Vec::new();
    let mut key = Object::new(&mut inbox);
    let sender = person(text_at(9)?, text_at(13)?, text_at(14)?, row.get::<Option<bool>>(15)?)?;
    key.put("id", id)?
        .put("access", "read")?
        .put("keyEncrypted", &text_at(8)?)?
        .put("senderId", &text_at(9)?)?
        .put_json("sender", &sender)
        .put("createdAt", &row.get::<i64>(12)?)?
        .put("isViewed", &true)?
        .put("isUserNotified", &true)?;
    key.end();
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::new(&mut out);
    object
        .put("id", id)?
        .put("vaultId", &text_at(10)?)?
        .put("folderId", &text_at(11)?)?
        .put("keyEncrypted", &text_at(8)?)?
        .put_json("fieldsOrder", text_at(17)?.unwrap_or("null").as_bytes())
        .put("isDeleted", &false)?
        .put("isFavorite", &row.get::<bool>(16)?)?
        .put("name", &text_at(0)?)?
        .put("login", &text_at(1)?)?
        .put("url", &text_at(2)?)?
        .put("description", &text_at(3)?)?
        .put_json("tags", text_at(4)?.unwrap_or("[]").as_bytes())
        .put("color", &row.get::<i64>(5)?)?
        .put("passwordEncrypted", &text_at(6)?)?
        .put_json("customs", text_at(7)?.unwrap_or("[]").as_bytes())
        .put_json("attachments", &attachment::list(conn, &target.item, None)?)
        .put_json("inbox", &inbox);
    object.end();
    Ok(out)
}

/// Takes an item out of an inbox: the caller's own, one that the caller sent it to, or any where the caller administers it.
pub(crate) fn delete(conn: &Connection, caller: &Caller, id: &InboxItemId, owns_item: bool) -> Result<()> {
    let gone = conn
        .prepare_cached("DELETE FROM inbox_items WHERE id = ?1 AND (?3 OR user_id = ?2 OR sender_id = ?2)")?
        .execute(params![id, caller.user, owns_item])?;
    if gone == 0 { Err(Refusal::not_found("inbox item")) } else { Ok(()) }
}
