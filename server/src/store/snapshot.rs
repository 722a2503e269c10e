//! Snapshots: what an item was before each change. Taking one costs nothing until an item is changed.

use super::attachment;
use super::target::Target;
use super::user::login_of;
use crate::error::{Refusal, Result};
use crate::id::{AttachmentId, ItemId, SnapshotId};
use crate::json::{Object, text};
use keyferry_api::List;
use keyferry_api::item::SnapshotInfo;
use keyferry_sql::{self as sql, Connection, Optional as _, params};

/// Keeps the item as it is now.
pub(crate) fn take(conn: &Connection, item: &ItemId) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO snapshots (id, item_id, name, login, url, description, tags, color, password_encrypted,
                                key_encrypted, customs, attachments, created_at, user_id, fields_order)
         SELECT ?2, id, name, login, url, description, tags, color, password_encrypted, key_encrypted, customs,
                (SELECT json_group_array(id) FROM attachments WHERE item_id = ?1 AND removed_at IS NULL),
                updated_at, updated_by, fields_order
         FROM items WHERE id = ?1",
    )?
    .execute(params![item, SnapshotId::fresh()?])?;
    Ok(())
}

/// What there is of an item, the newest first.
pub(crate) fn list(conn: &Connection, target: &Target) -> Result<List<SnapshotInfo>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, created_at, user_id FROM snapshots WHERE item_id = ?1 ORDER BY seq DESC",
    )?;
    let rows = statement.query_map([&target.item], |row| {
        Ok(SnapshotInfo { id: row.get(0)?, created_at: row.get(1)?, user_id: row.get(2)? })
    })?;
    Ok(List { items: rows.collect::<sql::Result<_>>()? })
}

/// One snapshot whole. The record key is the item's own as the target shows it: through a shortcut, the
/// shortcut's.
pub(crate) fn get(conn: &Connection, target: &Target, snapshot: &SnapshotId) -> Result<Vec<u8>> {
    let mut statement = conn.prepare_cached(
        "SELECT s.name, s.login, s.url, s.description, s.tags, s.color, s.password_encrypted, s.customs,
                s.created_at, s.user_id, s.key_encrypted, s.attachments, s.key_encrypted IS NOT DISTINCT FROM i.key_encrypted,
                c.username, c.full_name, c.deleted, s.fields_order
         FROM snapshots s JOIN items i ON i.id = s.item_id LEFT JOIN users c ON c.id = s.user_id WHERE s.id = ?1 AND s.item_id = ?2",
    )?;
    let mut rows = statement.query(params![snapshot, target.item])?;
    let row = rows.next()?.ok_or_else(|| Refusal::not_found("snapshot"))?;
    let text_at = |index: usize| -> Result<Option<&str>> { Ok(row.text(index)?) };
    let key = match &target.shortcut {
        Some(shortcut) if row.get(12)? => shortcut.key_encrypted.as_deref(),
        _ => text_at(10)?,
    };
    let creator = person(text_at(9)?, text_at(13)?, text_at(14)?, row.get::<Option<bool>>(15)?)?;
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::new(&mut out);
    object
        .put("id", snapshot)?
        .put("itemId", target.shown_id())?
        .put("createdAt", &row.get::<i64>(8)?)?
        .put("userId", &text_at(9)?)?
        .put("creatorId", &text_at(9)?)?
        .put_json("creator", &creator)
        .put_json("fieldsOrder", text_at(16)?.unwrap_or("null").as_bytes())
        .put("name", &text_at(0)?)?
        .put("login", &text_at(1)?)?
        .put("url", &text_at(2)?)?
        .put("description", &text_at(3)?)?
        .put_json("tags", text_at(4)?.unwrap_or("[]").as_bytes())
        .put("color", &row.get::<i64>(5)?)?
        .put("passwordEncrypted", &text_at(6)?)?
        .put("keyEncrypted", &key)?
        .put_json("customs", text_at(7)?.unwrap_or("[]").as_bytes())
        .put_json("attachments", &attachment::list(conn, &target.item, text_at(11)?)?);
    object.end();
    Ok(out)
}

/// A user as Passwork's own client shows one beside what they did; null where nobody knows.
pub(crate) fn person(
    id: Option<&str>,
    login: Option<&str>,
    full_name: Option<&str>,
    deleted: Option<bool>,
) -> Result<Vec<u8>> {
    let Some(id) = id else { return Ok(b"null".to_vec()) };
    let login = login.map(|login| login_of(id, login, deleted == Some(true)));
    let mut out = Vec::new();
    let mut object = Object::new(&mut out);
    object
        .put("id", id)?
        .put("login", &login)?
        .put("fullName", &full_name)?
        .put("hasAvatar", &false)?
        .put("isDeleted", &deleted.unwrap_or(false))?;
    object.end();
    Ok(out)
}

/// The item that a snapshot is of; whether the caller may know is not decided here.
pub(crate) fn item_of(conn: &Connection, snapshot: &SnapshotId) -> Result<ItemId> {
    conn.prepare_cached("SELECT item_id FROM snapshots WHERE id = ?1")?
        .query_row([snapshot], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Refusal::not_found("snapshot"))
}

/// One of a snapshot's attachments with its content.
pub(crate) fn attachment(
    conn: &Connection,
    target: &Target,
    snapshot: &SnapshotId,
    id: &AttachmentId,
) -> Result<Vec<u8>> {
    let named: bool = conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM snapshots s, json_each(s.attachments) a
                            WHERE s.id = ?1 AND s.item_id = ?2 AND a.value = ?3)",
        )?
        .query_row(params![snapshot, target.item, id], |row| row.get(0))?;
    if !named {
        return Err(Refusal::not_found("attachment"));
    }
    text(&attachment::get(conn, &target.item, id, true)?)
}
