//! Items, their attachments and the users' favorites. All that is secret arrives and leaves as
//! ciphertext; the server checks sizes and places, never contents.

use super::folder::{check_within, new_bin_item};
use crate::access::{Caller, Editor, Reader};
use crate::error::{Refusal, Result};
use crate::id::{AttachmentId, BinItemId, FolderId, ItemId, VaultId, now};
use crate::json::{Object, text};
use keyferry_api::item::{Attachment, Custom, ItemDraft};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde_json::{Map, Value};

/// 5 MiB of content after base64, AES, base64 again and base32, and some room.
const LARGEST_ENCRYPTED: usize = 16 << 20;
/// 5 MiB of content in base64 twice.
const LARGEST_PLAIN: usize = (5 << 20) / 9 * 16 + 32;

/// Where an item is.
pub(crate) struct Place {
    pub vault: VaultId,
    pub is_deleted: bool,
}

/// Where the item is; whether the caller may know is not decided here.
pub(crate) fn place(conn: &Connection, item: &ItemId) -> Result<Place> {
    conn.prepare_cached("SELECT vault_id, bin_item_id IS NOT NULL FROM items WHERE id = ?1")?
        .query_row([item], |row| Ok(Place { vault: row.get(0)?, is_deleted: row.get(1)? }))
        .optional()?
        .ok_or_else(|| Refusal::not_found("item"))
}

fn json_text<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Refusal::internal())
}

/// Makes an item.
pub(crate) fn create(
    conn: &Connection,
    caller: &Caller,
    editor: &Editor,
    draft: ItemDraft,
) -> Result<ItemId> {
    let name = draft.name.ok_or_else(|| Refusal::invalid("name", "A name is needed."))?;
    // Also in an encrypted vault it may be missing: the official client sends none with an item
    // that has no password.
    let key = draft.key_encrypted.filter(|key| !key.is_empty());
    let folder = draft.folder_id.as_deref().map(str::parse::<FolderId>).transpose()?;
    if let Some(folder) = &folder {
        check_within(conn, editor, folder, "folderId")?;
    }
    let id = ItemId::fresh()?;
    conn.prepare_cached(
        "INSERT INTO items (id, vault_id, folder_id, name, login, url, description, tags, color,
                            password_encrypted, key_encrypted, customs, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)",
    )?
    .execute(params![
        id,
        editor.vault(),
        folder,
        name,
        draft.login,
        draft.url,
        draft.description,
        json_text(&draft.tags.unwrap_or_default())?,
        draft.color.unwrap_or(0),
        draft.password_encrypted,
        key,
        json_text(&draft.customs.unwrap_or_default())?,
        now()
    ])?;
    add_attachments(conn, editor, &id, draft.attachments.unwrap_or_default())?;
    if draft.is_favorite == Some(true) {
        set_favorite(conn, caller, &id, true)?;
    }
    Ok(id)
}

fn add_attachments(
    conn: &Connection,
    editor: &Editor,
    item: &ItemId,
    attachments: Vec<Attachment>,
) -> Result<()> {
    let largest = if editor.is_encrypted() { LARGEST_ENCRYPTED } else { LARGEST_PLAIN };
    for attachment in attachments {
        if attachment.encrypted_data.len() > largest {
            return Err(Refusal::invalid("attachments", "An attachment holds at most 5 MiB."));
        }
        conn.prepare_cached(
            "INSERT INTO attachments (id, item_id, name, encrypted_key, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            AttachmentId::fresh()?,
            item,
            attachment.name,
            attachment.encrypted_key,
            attachment.hash
        ])?;
        conn.prepare_cached("INSERT INTO attachment_data (attachment, encrypted_data) VALUES (?1, ?2)")?
            .execute(params![conn.last_insert_rowid(), attachment.encrypted_data])?;
    }
    Ok(())
}

/// The caller's own mark.
pub(crate) fn set_favorite(conn: &Connection, caller: &Caller, item: &ItemId, on: bool) -> Result<()> {
    let sql = if on {
        "INSERT INTO favorites (user_id, item_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM favorites WHERE user_id = ?1 AND item_id = ?2"
    };
    conn.prepare_cached(sql)?.execute(params![caller.user, item])?;
    Ok(())
}

fn member<T: serde::de::DeserializeOwned>(field: &'static str, value: Value) -> Result<Option<T>> {
    serde_json::from_value(value)
        .map_err(|_| Refusal::invalid(field, format!("`{field}` has the wrong type.")))
}

/// Changes the members that are given. Null empties a text; an item's key is never emptied.
pub(crate) fn update(
    conn: &Connection,
    editor: &Editor,
    item: &ItemId,
    mut patch: Map<String, Value>,
) -> Result<()> {
    let mut set = String::from("updated_at = ?");
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(now())];
    let mut push = |column: &str, value: Box<dyn ToSql>| {
        set.push_str(", ");
        set.push_str(column);
        set.push_str(" = ?");
        values.push(value);
    };
    if let Some(value) = patch.remove("folderId") {
        let folder: Option<FolderId> = match member::<String>("folderId", value)? {
            Some(text) => Some(text.parse()?),
            None => None,
        };
        if let Some(folder) = &folder {
            check_within(conn, editor, folder, "folderId")?;
        }
        push("folder_id", Box::new(folder));
    }
    if let Some(value) = patch.remove("name") {
        push("name", Box::new(member::<String>("name", value)?.unwrap_or_default()));
    }
    for (field, column) in [
        ("login", "login"),
        ("url", "url"),
        ("description", "description"),
        ("passwordEncrypted", "password_encrypted"),
    ] {
        if let Some(value) = patch.remove(field) {
            push(column, Box::new(member::<String>(field, value)?));
        }
    }
    if let Some(value) = patch.remove("keyEncrypted")
        && let Some(key) = member::<String>("keyEncrypted", value)?
        && !key.is_empty()
    {
        push("key_encrypted", Box::new(key));
    }
    if let Some(value) = patch.remove("tags") {
        let tags: Vec<String> = member("tags", value)?.unwrap_or_default();
        push("tags", Box::new(json_text(&tags)?));
    }
    if let Some(value) = patch.remove("color") {
        push("color", Box::new(member::<i64>("color", value)?.unwrap_or(0)));
    }
    if let Some(value) = patch.remove("customs") {
        let customs: Vec<Custom> = member("customs", value)?.unwrap_or_default();
        push("customs", Box::new(json_text(&customs)?));
    }
    let attachments: Vec<Attachment> = match patch.remove("attachments") {
        Some(value) => member("attachments", value)?.unwrap_or_default(),
        None => Vec::new(),
    };
    values.push(Box::new(item.clone()));
    values.push(Box::new(editor.vault().clone()));
    conn.prepare_cached(&format!("UPDATE items SET {set} WHERE id = ? AND vault_id = ?"))?
        .execute(params_from_iter(values))?;
    add_attachments(conn, editor, item, attachments)
}

/// An item whole, as the text of its answer.
pub(crate) fn get(conn: &Connection, caller: &Caller, reader: &Reader, item: &ItemId) -> Result<Vec<u8>> {
    let mut statement = conn.prepare_cached(
        "SELECT i.folder_id, i.name, i.login, i.url, i.description, i.tags, i.color, i.password_encrypted,
                i.key_encrypted, i.customs, i.bin_item_id IS NOT NULL, i.updated_at, i.created_at,
                EXISTS (SELECT 1 FROM favorites WHERE user_id = ?3 AND item_id = i.id),
                (SELECT master_key_encrypted FROM vault_users WHERE vault_id = i.vault_id AND user_id = ?3)
         FROM items i WHERE i.id = ?1 AND i.vault_id = ?2",
    )?;
    let mut rows = statement.query(params![item, reader.vault(), caller.user])?;
    let row = rows.next()?.ok_or_else(|| Refusal::not_found("item"))?;
    let text_at = |index: usize| -> Result<Option<&str>> {
        row.get_ref(index)?.as_str_or_null().map_err(|error| rusqlite::Error::from(error).into())
    };
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::new(&mut out);
    object
        .put("id", item)?
        .put("vaultId", reader.vault())?
        .put("folderId", &text_at(0)?)?
        .put("name", &text_at(1)?)?
        .put("login", &text_at(2)?)?
        .put("url", &text_at(3)?)?
        .put("description", &text_at(4)?)?
        .put_json("tags", text_at(5)?.unwrap_or("[]").as_bytes())
        .put("color", &row.get::<_, i64>(6)?)?
        .put("isFavorite", &row.get::<_, bool>(13)?)?
        .put("isDeleted", &row.get::<_, bool>(10)?)?
        .put("passwordEncrypted", &text_at(7)?)?
        .put("keyEncrypted", &text_at(8)?)?
        .put_json("customs", text_at(9)?.unwrap_or("[]").as_bytes())
        .put_json("attachments", &attachment_list(conn, item)?)
        .put("fieldsOrder", &())?
        .put("vaultMasterKeyEncrypted", &text_at(14)?)?
        .put("createdAt", &row.get::<_, i64>(12)?)?
        .put("updatedAt", &row.get::<_, i64>(11)?)?;
    object.end();
    Ok(out)
}

fn attachment_list(conn: &Connection, item: &ItemId) -> Result<Vec<u8>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, encrypted_key, hash FROM attachments WHERE item_id = ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query([item])?;
    let mut out = vec![b'['];
    while let Some(row) = rows.next()? {
        if out.len() > 1 {
            out.push(b',');
        }
        let mut object = Object::new(&mut out);
        object
            .put("id", &row.get::<_, String>(0)?)?
            .put("name", &row.get::<_, String>(1)?)?
            .put("encryptedKey", &row.get::<_, String>(2)?)?
            .put("hash", &row.get::<_, String>(3)?)?;
        object.end();
    }
    out.push(b']');
    Ok(out)
}

/// One attachment with its content.
pub(crate) fn attachment(
    conn: &Connection,
    reader: &Reader,
    item: &ItemId,
    id: &AttachmentId,
) -> Result<Vec<u8>> {
    let found = conn
        .prepare_cached(
            "SELECT a.id, a.name, a.encrypted_key, d.encrypted_data, a.hash
             FROM attachments a JOIN attachment_data d ON d.attachment = a.seq JOIN items i ON i.id = a.item_id
             WHERE a.id = ?1 AND a.item_id = ?2 AND i.vault_id = ?3",
        )?
        .query_row(params![id, item, reader.vault()], |row| {
            Ok(Attachment {
                id: row.get(0)?,
                name: row.get(1)?,
                encrypted_key: row.get(2)?,
                encrypted_data: row.get(3)?,
                hash: row.get(4)?,
            })
        })
        .optional()?
        .ok_or_else(|| Refusal::not_found("attachment"))?;
    text(&found)
}

/// What a list or search asks for; all conditions hold together.
#[derive(Default)]
pub(crate) struct Filter {
    pub query: Option<String>,
    pub vaults: Vec<String>,
    pub folders: Vec<String>,
    pub tags: Vec<String>,
    pub colors: Vec<i64>,
    pub limit: Option<usize>,
    pub offset: usize,
}

/// Summaries of the items that the caller may see, as the text of the answer.
pub(crate) fn search(conn: &Connection, caller: &Caller, filter: &Filter) -> Result<Vec<u8>> {
    let mut sql = String::from(
        "SELECT i.id, i.vault_id, i.folder_id, i.name, i.login, i.url, i.description, i.tags, i.color, i.updated_at,
                EXISTS (SELECT 1 FROM favorites WHERE user_id = ?1 AND item_id = i.id)
         FROM items i JOIN vault_users u ON u.vault_id = i.vault_id AND u.user_id = ?1 AND u.role >= 1
         WHERE i.bin_item_id IS NULL",
    );
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(caller.user.clone())];
    for (list, condition) in [
        (&filter.vaults, "i.vault_id IN (SELECT value FROM json_each(?"),
        (&filter.folders, "i.folder_id IN (SELECT value FROM json_each(?"),
    ] {
        if !list.is_empty() {
            values.push(Box::new(json_text(list)?));
            sql.extend([" AND ", condition, &values.len().to_string(), "))"]);
        }
    }
    if !filter.colors.is_empty() {
        values.push(Box::new(json_text(&filter.colors)?));
        sql += " AND i.color IN (SELECT value FROM json_each(?";
        sql.extend([values.len().to_string().as_str(), "))"]);
    }
    if !filter.tags.is_empty() {
        values.push(Box::new(json_text(&filter.tags)?));
        sql += " AND NOT EXISTS (SELECT 1 FROM json_each(?";
        sql.extend([
            values.len().to_string().as_str(),
            ") t WHERE t.value NOT IN (SELECT value FROM json_each(i.tags)))",
        ]);
    }
    sql.push_str(" ORDER BY i.seq");
    // SQLite folds only ASCII: other letters are compared here.
    let query = filter.query.as_deref().map(str::to_lowercase).filter(|query| !query.is_empty());
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut out = br#"{"items":["#.to_vec();
    let (mut skipped, mut taken) = (0, 0);
    while filter.limit.is_none_or(|limit| taken < limit)
        && let Some(row) = rows.next()?
    {
        let text_at = |index: usize| -> Result<Option<&str>> {
            row.get_ref(index)?.as_str_or_null().map_err(|error| rusqlite::Error::from(error).into())
        };
        if let Some(query) = &query {
            let mut hit = false;
            for index in 3..=7 {
                hit = hit || text_at(index)?.is_some_and(|text| text.to_lowercase().contains(query.as_str()));
            }
            if !hit {
                continue;
            }
        }
        if skipped < filter.offset {
            skipped += 1;
            continue;
        }
        if taken > 0 {
            out.push(b',');
        }
        taken += 1;
        let mut object = Object::new(&mut out);
        object
            .put("id", &text_at(0)?)?
            .put("vaultId", &text_at(1)?)?
            .put("folderId", &text_at(2)?)?
            .put("name", &text_at(3)?)?
            .put("login", &text_at(4)?)?
            .put("url", &text_at(5)?)?
            .put("description", &text_at(6)?)?
            .put_json("tags", text_at(7)?.unwrap_or("[]").as_bytes())
            .put("color", &row.get::<_, i64>(8)?)?
            .put("isFavorite", &row.get::<_, bool>(10)?)?
            .put("isDeleted", &false)?
            .put("updatedAt", &row.get::<_, i64>(9)?)?;
        object.end();
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// Puts an item into the bin.
pub(crate) fn delete(
    conn: &Connection,
    caller: &Caller,
    editor: &Editor,
    item: &ItemId,
) -> Result<BinItemId> {
    let bin = new_bin_item(conn, caller, editor)?;
    conn.prepare_cached("UPDATE items SET bin_item_id = ?2 WHERE id = ?1 AND vault_id = ?3")?
        .execute(params![item, bin, editor.vault()])?;
    Ok(bin)
}
