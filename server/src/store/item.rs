//! Items, and the users' favorites. All that is secret arrives and leaves as
//! ciphertext; the server checks sizes and places, never contents.

use super::creation::{check_key, fields_order};
use super::folder::new_bin_item;
use super::place::Place;
use super::target::{Editable, Target};
use super::texts;
use super::{attachment, check_sealed, check_tags, check_texts, json_text, lower_text, snapshot};
use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::id::{AttachmentId, BinItemId, FolderId, ItemId, now};
use crate::json::Object;
use keyferry_api::item::{Attachment, Custom};
use keyferry_sql::{self as sql, Connection, Dialect, ToSql, params};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Notes an item's texts for [`index_texts`], and its new tags in their own index.
fn index(conn: &Connection, seq: i64, tags: &[String]) -> Result<()> {
    conn.note_changed(seq);
    for tag in BTreeSet::from_iter(tags) {
        conn.prepare_cached("INSERT INTO item_tags (tag, item) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![tag, seq])?;
    }
    Ok(())
}

/// The items whose texts changed. From these few: `SQLite` would rather go through all items, which are in order already, and
/// PostgreSQL as well where it does not know them before it begins.
fn changed(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "SELECT i.seq, i.name, i.login, i.url, i.description, i.tags
             FROM json_each(?1) u CROSS JOIN items i ON i.seq = CAST(u.value AS BIGINT)"
        }
        Dialect::Postgres => {
            "SELECT seq, name, login, url, description, tags
             FROM items WHERE seq = ANY (ARRAY(SELECT CAST(value AS BIGINT) FROM json_each(?1)))"
        }
    }
}

/// Brings the index of texts up to date with every item that this transaction changed: before its end, and before it
/// searches. All at once, as FTS5 writes down what it gathered at every savepoint of a batch.
pub(crate) fn index_texts(conn: &Connection) -> sql::Result<()> {
    let items = conn.take_changed();
    if items.is_empty() {
        return Ok(());
    }
    let mut changed = conn.prepare_cached(changed(conn.dialect()))?;
    let mut insert = conn.prepare_cached(texts::index(conn.dialect()))?;
    let list = items.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let mut rows = changed.query([format!("[{list}]")])?;
    while let Some(row) = rows.next()? {
        let mut texts = [None; 5];
        for (index, text) in texts.iter_mut().enumerate() {
            *text = row.text(index + 1)?;
        }
        insert.execute(params![row.get::<i64>(0)?, lower_text(texts)])?;
    }
    Ok(())
}

/// Takes an attachment off an item; snapshots that name it keep it.
pub(crate) fn remove_attachment(
    conn: &Connection,
    caller: &Caller,
    target: &Editable,
    id: &AttachmentId,
) -> Result<()> {
    snapshot::take(conn, &target.item)?;
    let removed = conn
        .prepare_cached(
            "UPDATE attachments SET removed_at = ?3 WHERE id = ?1 AND item_id = ?2 AND removed_at IS NULL",
        )?
        .execute(params![id, target.item, now()])?;
    if removed == 0 {
        return Err(Refusal::not_found("attachment"));
    }
    conn.prepare_cached(
        "UPDATE items SET updated_at = ?2, updated_by = ?3, revision = revision + 1 WHERE id = ?1",
    )?
    .execute(params![target.item, now(), caller.user])?;
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

/// Changes the members that are given. Null empties a text, but for the name; an item's key is never emptied, and never
/// replaced through a shortcut, whose clients know it wrapped for another vault.
pub(crate) fn update(
    conn: &Connection,
    caller: &Caller,
    target: &Editable,
    mut patch: Map<String, Value>,
) -> Result<()> {
    check_revision(conn, target, patch.remove("revision"))?;
    snapshot::take(conn, &target.item)?;
    let mut new_tags = None;
    let mut set = String::from("revision = revision + 1, updated_at = ?, updated_by = ?");
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(now()), Box::new(caller.user.clone())];
    let mut push = |column: &str, value: Box<dyn ToSql>| {
        set.push_str(", ");
        set.push_str(column);
        set.push_str(" = ?");
        values.push(value);
    };
    if let Some(value) = patch.remove("folderId") {
        let folder = member::<String>("folderId", value)?;
        if folder.as_deref() == Some("") {
            return Err(Refusal::invalid(
                "folderId",
                "An empty text names no folder; null is the vault's top.",
            ));
        }
        if let Some(shortcut) = &target.shortcut {
            // What it shows of itself comes back from who changes something else.
            if folder.as_deref() != shortcut.folder.as_ref().map(FolderId::as_str) {
                return Err(Refusal::invalid("folderId", "An item does not move through a shortcut."));
            }
        } else {
            let place = Place::find(conn, caller, target.vault.as_str(), folder.as_deref())?;
            push("folder_id", Box::new(place.folder));
        }
    }
    // An item always has a name: typed clients send null for what they leave alone.
    if let Some(name) =
        patch.remove("name").map(|value| member::<String>("name", value)).transpose()?.flatten()
    {
        check_texts(&name, None, None, None)?;
        push("name", Box::new(name));
    }
    let mut has_secrets = false;
    for (field, column) in [
        ("login", "login"),
        ("url", "url"),
        ("description", "description"),
        ("passwordEncrypted", "password_encrypted"),
    ] {
        if let Some(value) = patch.remove(field) {
            let text = member::<String>(field, value)?;
            let given = |name| text.as_deref().filter(|_| field == name);
            check_texts("", given("login"), given("url"), given("description"))?;
            check_sealed(given("passwordEncrypted"), None, None)?;
            has_secrets |= given("passwordEncrypted").is_some_and(|text| !text.is_empty());
            push(column, Box::new(text));
        }
    }
    let mut gives_key = false;
    if let Some(value) = patch.remove("keyEncrypted")
        && let Some(key) = member::<String>("keyEncrypted", value)?
        && !key.is_empty()
    {
        gives_key = true;
        check_sealed(None, Some(&key), None)?;
        if target.shortcut.is_none() {
            push("key_encrypted", Box::new(key));
        } else if !has_key(conn, &target.item)? {
            // Kept nowhere, it would make what is encrypted under it unreadable.
            return Err(Refusal::invalid(
                "keyEncrypted",
                "An item gets its first key where it stands, not through a shortcut.",
            ));
        }
    }
    if let Some(value) = patch.remove("tags") {
        let tags: Vec<String> = member("tags", value)?.unwrap_or_default();
        check_tags(&tags)?;
        push("tags", Box::new(json_text(&tags)?));
        new_tags = Some(tags);
    }
    if let Some(value) = patch.remove("color") {
        push("color", Box::new(member::<i64>("color", value)?.unwrap_or(0)));
    }
    if let Some(value) = patch.remove("fieldsOrder") {
        push("fields_order", Box::new(fields_order(Some(value))?));
    }
    if let Some(value) = patch.remove("customs") {
        let customs: Vec<Custom> = member("customs", value)?.unwrap_or_default();
        check_sealed(None, None, Some(&customs))?;
        has_secrets |= !customs.is_empty();
        push("customs", Box::new(json_text(&customs)?));
    }
    let attachments: Vec<Attachment> = match patch.remove("attachments") {
        Some(value) => member("attachments", new_ones(value))?.unwrap_or_default(),
        None => Vec::new(),
    };
    if (has_secrets || !attachments.is_empty()) && target.encrypted && !gives_key {
        check_key(has_key(conn, &target.item)?)?;
    }
    values.push(Box::new(target.item.clone()));
    let seq: i64 = conn
        .prepare_cached(&format!("UPDATE items SET {set} WHERE id = ? RETURNING seq"))?
        .query_row(&*values, |row| row.get(0))?;
    if new_tags.is_some() {
        conn.prepare_cached("DELETE FROM item_tags WHERE item = ?1")?.execute([seq])?;
    }
    index(conn, seq, &new_tags.unwrap_or_default())?;
    attachment::add(conn, target.encrypted, &target.item, &attachments)
}

/// Makes sure that a change is one of what was read, where the client says which that was.
fn check_revision(conn: &Connection, target: &Editable, given: Option<Value>) -> Result<()> {
    let given = given.map(|value| member::<i64>("revision", value)).transpose()?.flatten();
    let Some(given) = given else { return Ok(()) };
    let current: i64 = conn
        .prepare_cached("SELECT revision FROM items WHERE id = ?1")?
        .query_row([&target.item], |row| row.get(0))?;
    if given == current { Ok(()) } else { Err(Refusal::conflict("The item was changed since it was read.")) }
}

/// Attachments without those that come back as they were read: with an id, and without their content.
fn new_ones(attachments: Value) -> Value {
    let Value::Array(mut entries) = attachments else { return attachments };
    entries.retain(|one| one["id"].is_null() || !one["encryptedData"].is_null());
    Value::Array(entries)
}

fn has_key(conn: &Connection, item: &ItemId) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT key_encrypted IS NOT NULL FROM items WHERE id = ?1")?
        .query_row([item], |row| row.get(0))?)
}

/// Checks that an item may go to a place, and gives its key as it is stored there.
fn key_for(
    conn: &Connection,
    target: &Editable,
    place: &Place,
    key_encrypted: Option<String>,
) -> Result<Option<String>> {
    let key: Option<String> = conn
        .prepare_cached("SELECT key_encrypted FROM items WHERE id = ?1")?
        .query_row([&target.item], |row| row.get(0))?;
    if *place.editor.vault() == target.vault {
        return Ok(key);
    }
    if place.editor.is_encrypted() != target.encrypted {
        let message = "Between vaults with and without client-side encryption the client must encrypt anew.";
        return Err(Refusal::invalid("vaultId", message));
    }
    let given = key_encrypted.filter(|key| !key.is_empty());
    if key.is_some() && given.is_none() {
        return Err(Refusal::invalid("keyEncrypted", "Another vault needs the key wrapped for it."));
    }
    Ok(given.filter(|_| key.is_some()))
}

/// Moves an item; snapshots that have the item's key get it as it is wrapped for the new vault.
pub(crate) fn relocate(
    conn: &Connection,
    caller: &Caller,
    target: &Editable,
    place: &Place,
    key_encrypted: Option<String>,
) -> Result<()> {
    let key = key_for(conn, target, place, key_encrypted)?;
    snapshot::take(conn, &target.item)?;
    conn.prepare_cached(
        "UPDATE snapshots SET key_encrypted = ?2 WHERE item_id = ?1
           AND key_encrypted IS NOT DISTINCT FROM (SELECT key_encrypted FROM items WHERE id = ?1)",
    )?
    .execute(params![target.item, key])?;
    conn.prepare_cached(
        "UPDATE items SET vault_id = ?2, folder_id = ?3, key_encrypted = ?4, updated_at = ?5, updated_by = ?6,
                          revision = revision + 1 WHERE id = ?1",
    )?
    .execute(params![target.item, place.editor.vault(), place.folder, key, now(), caller.user])?;
    Ok(())
}

/// Copies an item as it is, with its attachments and without its history.
pub(crate) fn copy(
    conn: &Connection,
    caller: &Caller,
    target: &Editable,
    place: &Place,
    key_encrypted: Option<String>,
) -> Result<ItemId> {
    let key = key_for(conn, target, place, key_encrypted)?;
    let id = ItemId::fresh()?;
    let seq: i64 = conn.prepare_cached(
        "INSERT INTO items (id, vault_id, folder_id, name, login, url, description, tags, color,
                            password_encrypted, key_encrypted, customs, created_at, updated_at, updated_by,
                            fields_order)
         SELECT ?2, ?3, ?4, name, login, url, description, tags, color, password_encrypted, ?5, customs, ?6, ?6, ?7,
                fields_order
         FROM items WHERE id = ?1 RETURNING seq",
    )?
    .query_row(params![target.item, id, place.editor.vault(), place.folder, key, now(), caller.user], |row| row.get(0))?;
    index(conn, seq, &[])?;
    conn.prepare_cached(
        "INSERT INTO item_tags (tag, item)
         SELECT t.tag, ?2 FROM item_tags t JOIN items i ON i.seq = t.item WHERE i.id = ?1 ON CONFLICT DO NOTHING",
    )?
    .execute(params![target.item, seq])?;
    let mut statement = conn.prepare_cached(
        "SELECT id FROM attachments WHERE item_id = ?1 AND removed_at IS NULL ORDER BY seq",
    )?;
    let attachments: Vec<AttachmentId> =
        statement.query_map([&target.item], |row| row.get(0))?.collect::<sql::Result<_>>()?;
    for attachment in attachments {
        let attachment = attachment::get(conn, &target.item, &attachment, false)?;
        attachment::add(conn, target.encrypted, &id, &[attachment])?;
    }
    Ok(id)
}

/// An item whole, as the text of its answer.
pub(crate) fn get(conn: &Connection, caller: &Caller, target: &Target, extensions: bool) -> Result<Vec<u8>> {
    let mut statement = conn.prepare_cached(
        "SELECT i.folder_id, i.name, i.login, i.url, i.description, i.tags, i.color, i.password_encrypted,
                i.key_encrypted, i.customs, i.bin_item_id IS NOT NULL, i.updated_at, i.created_at,
                EXISTS (SELECT 1 FROM favorites WHERE user_id = ?3 AND item_id = i.id),
                (SELECT master_key_encrypted FROM vault_users WHERE vault_id = ?2 AND user_id = ?3), i.revision,
                i.fields_order
         FROM items i WHERE i.id = ?1",
    )?;
    let mut rows = statement.query(params![target.item, target.shown_vault(), caller.user])?;
    let row = rows.next()?.ok_or_else(|| Refusal::not_found("item"))?;
    let text_at = |index: usize| -> Result<Option<&str>> { Ok(row.text(index)?) };
    let (folder, key) = match &target.shortcut {
        Some(shortcut) => (shortcut.folder.as_ref().map(FolderId::as_str), shortcut.key_encrypted.as_deref()),
        None => (text_at(0)?, text_at(8)?),
    };
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::new(&mut out);
    object
        .put("id", target.shown_id())?
        .put("vaultId", target.shown_vault())?
        .put("folderId", &folder)?
        .put("name", &text_at(1)?)?
        .put("login", &text_at(2)?)?
        .put("url", &text_at(3)?)?
        .put("description", &text_at(4)?)?
        .put_json("tags", text_at(5)?.unwrap_or("[]").as_bytes())
        .put("color", &row.get::<i64>(6)?)?
        .put("isFavorite", &row.get::<bool>(13)?)?
        .put("isDeleted", &row.get::<bool>(10)?)?
        .put("passwordEncrypted", &text_at(7)?)?
        .put("keyEncrypted", &key)?
        .put_json("customs", text_at(9)?.unwrap_or("[]").as_bytes())
        .put_json("attachments", &attachment::list(conn, &target.item, None)?)
        .put_json("fieldsOrder", text_at(16)?.unwrap_or("null").as_bytes())
        .put("vaultMasterKeyEncrypted", &text_at(14)?)?;
    if extensions {
        object
            .put("createdAt", &row.get::<i64>(12)?)?
            .put("updatedAt", &row.get::<i64>(11)?)?
            .put("revision", &row.get::<i64>(15)?)?;
    }
    object.end();
    Ok(out)
}

/// Puts an item into the bin.
pub(crate) fn delete(conn: &Connection, caller: &Caller, target: &Editable) -> Result<BinItemId> {
    let bin = new_bin_item(conn, caller, &target.vault)?;
    conn.prepare_cached("UPDATE items SET bin_item_id = ?2 WHERE id = ?1")?
        .execute(params![target.item, bin])?;
    Ok(bin)
}

#[cfg(test)]
mod tests {
    use super::{Dialect, changed, sql};

    #[test]
    fn a_commit_looks_at_what_it_changed_and_not_at_everything() {
        let folder = tempfile::tempdir().unwrap();
        let environment = crate::Environment::create(folder.path(), true).unwrap();
        let steps = environment.store().read(|conn| {
            let mut plan =
                conn.prepare_cached(&format!("EXPLAIN QUERY PLAN {}", changed(Dialect::Sqlite)))?;
            plan.query_map(["[1]"], |row| row.get::<String>(3))?.collect::<sql::Result<Vec<_>>>()
        });
        let steps = steps.unwrap();
        assert!(steps.iter().any(|step| step.starts_with("SEARCH i ")), "{steps:?}");
        assert!(steps.iter().all(|step| !step.starts_with("SCAN i")), "{steps:?}");
    }
}
