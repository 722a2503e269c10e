//! Shortcuts: the role in the shortcut's place is the role on the item seen through it, and no more than what its maker
//! may do with the item at present: a role taken away does not live on in a shortcut, for nobody.

use crate::access::{Caller, FOLDER_ROLES, Owner, is_limited};
use crate::error::{Refusal, Result};
use crate::id::{ItemId, ShortcutId};
use crate::json::Object;
use keyferry_api::shortcut::ItemShortcut;
use keyferry_sql::{self as sql, Connection, Row, params};
use std::cell::RefCell;

use super::attachment;
use super::place::Place;
use super::search::{Filter, Hits, Shown, Ways, put_summary};
use super::snapshot::person;
use super::target::{self, Editable};

/// Makes a shortcut. Whoever makes one lets others do what they may do in its place, and so must be
/// able to edit the item as well as the place.
pub(crate) fn create(
    conn: &Connection,
    caller: &Caller,
    item: &Editable,
    place: &Place,
    key_encrypted: Option<String>,
) -> Result<ShortcutId> {
    if item.encrypted != place.editor.is_encrypted() {
        let message = "Between vaults with and without client-side encryption there are no shortcuts.";
        return Err(Refusal::invalid("vaultId", message));
    }
    let key = key_encrypted.filter(|key| !key.is_empty());
    if item.encrypted && key.is_none() {
        return Err(Refusal::invalid("keyEncrypted", "The vault is encrypted: the shortcut needs the key."));
    }
    let id = ShortcutId::fresh()?;
    conn.prepare_cached(
        "INSERT INTO shortcuts (id, vault_id, folder_id, item_id, key_encrypted, user_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![id, place.editor.vault(), place.folder, item.item, key, caller.user])?;
    Ok(id)
}

/// One shortcut: the item that it leads to, as it is seen from the shortcut's place.
pub(crate) fn get(conn: &Connection, caller: &Caller, stored: &target::Shortcut) -> Result<Vec<u8>> {
    let sql = format!("SELECT {SEEN} {FROM} WHERE s.id = ?2");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![caller.user, stored.id])?;
    let row = rows.next()?.ok_or_else(|| Refusal::not_found("shortcut"))?;
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::new(&mut out);
    put_summary(&row, &mut object)?;
    add_rest(conn, &row, &mut object, &mut Ways::default())?;
    object.end();
    Ok(out)
}

/// Columns of an item and of a shortcut to it; the first twelve are those of every search.
const SEEN: &str = "i.id, s.vault_id, s.folder_id, i.name, i.login, i.url, i.description, i.tags, i.color,
        i.updated_at, EXISTS (SELECT 1 FROM favorites WHERE user_id = ?1 AND item_id = i.id),
        i.fields_order, s.id, s.key_encrypted, i.password_encrypted, i.customs, s.user_id, c.username, c.full_name";
const FROM: &str = "FROM shortcuts s JOIN items i ON i.id = s.item_id LEFT JOIN users c ON c.id = s.user_id";

/// What a shortcut shows besides a summary. The key is the one that its vault's key opens.
fn add_rest(conn: &Connection, row: &Row<'_>, object: &mut Object<'_>, ways: &mut Ways) -> Result<()> {
    let text_at = |index: usize| -> Result<Option<String>> { Ok(row.get(index)?) };
    let item: ItemId = row.get(0)?;
    let mut inner = Vec::new();
    let mut shortcut = Object::new(&mut inner);
    shortcut
        .put("id", &text_at(12)?)?
        .put("vaultId", &text_at(1)?)?
        .put("folderId", &text_at(2)?)?
        .put("itemId", &item)?
        .put("keyEncrypted", &text_at(13)?)?;
    let (id, login, name) = (text_at(16)?, text_at(17)?, text_at(18)?);
    shortcut.put_json("creator", &person(id.as_deref(), login.as_deref(), name.as_deref(), None)?);
    shortcut.end();
    object
        .put("passwordEncrypted", &text_at(14)?)?
        .put("keyEncrypted", &text_at(13)?)?
        .put_json("customs", text_at(15)?.as_deref().unwrap_or("[]").as_bytes())
        .put_json("attachments", &attachment::list(conn, &item, None)?)
        .put_json("shortcut", &inner)
        .put_json("path", ways.to(conn, &text_at(1)?.unwrap_or_default(), text_at(2)?.as_deref())?);
    Ok(())
}

/// Removes a shortcut; the item stays.
pub(crate) fn delete(conn: &Connection, id: &ShortcutId) -> Result<()> {
    conn.prepare_cached("DELETE FROM shortcuts WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// The shortcuts to an item, for whoever administers it: where they stand, and who made them.
pub(crate) fn list(conn: &Connection, item: &ItemId) -> Result<Vec<ItemShortcut>> {
    listed(
        conn,
        "SELECT id, vault_id, folder_id, item_id, user_id FROM shortcuts WHERE item_id = ?1 ORDER BY seq",
        item.as_str(),
    )
}

/// The same of everything in a vault.
pub(crate) fn of_vault(conn: &Connection, owner: &Owner) -> Result<Vec<ItemShortcut>> {
    listed(
        conn,
        "SELECT s.id, s.vault_id, s.folder_id, s.item_id, s.user_id FROM shortcuts s JOIN items i ON i.id = s.item_id
         WHERE i.vault_id = ?1 AND i.bin_item_id IS NULL ORDER BY s.seq",
        owner.vault().as_str(),
    )
}

fn listed(conn: &Connection, sql: &str, of: &str) -> Result<Vec<ItemShortcut>> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([of], |row| {
        Ok(ItemShortcut {
            id: row.get(0)?,
            vault_id: row.get(1)?,
            folder_id: row.get(2)?,
            item_id: row.get(3)?,
            user_id: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// In SQL: the maker of the shortcut `s` may read the item `i`. Of old shortcuts nobody knows the maker.
const MAKER_READS: &str = "(s.user_id IS NULL OR EXISTS (
      SELECT 1 FROM vault_users m JOIN users w ON w.id = m.user_id AND w.blocked = 0 AND w.deleted = 0
      WHERE m.vault_id = i.vault_id AND m.user_id = s.user_id AND coalesce((
        WITH RECURSIVE up (id, parent, depth) AS (
          SELECT id, parent_folder_id, 0 FROM folders WHERE id = i.folder_id
          UNION ALL SELECT p.id, p.parent_folder_id, up.depth + 1 FROM folders p JOIN up ON p.id = up.parent)
        SELECT g.role FROM up JOIN folder_users g ON g.folder_id = up.id AND g.user_id = s.user_id
        ORDER BY depth LIMIT 1), m.role) >= 1))";

/// The shortcuts that the caller may see, with what they lead to; conditions on texts, tags and colors
/// are on the item, those on vaults and folders on the shortcut.
pub(crate) fn search(conn: &Connection, caller: &Caller, filter: &Filter, shown: Shown) -> Result<Vec<u8>> {
    let limited = is_limited(conn, caller)?;
    let readable = if limited {
        "(u.role >= 1 AND (s.folder_id IS NULL OR s.vault_id NOT IN (SELECT vault_id FROM limited))
          OR s.folder_id IN (SELECT folder_id FROM access WHERE role >= 1))"
    } else {
        "u.role >= 1"
    };
    let sql = format!(
        "{} SELECT {SEEN} {FROM}
         JOIN vault_users u ON u.vault_id = s.vault_id AND u.user_id = ?1
         LEFT JOIN folders f ON f.id = s.folder_id
         WHERE i.bin_item_id IS NULL AND f.bin_item_id IS NULL AND {readable} AND {MAKER_READS}",
        if limited { FOLDER_ROLES } else { "" }
    );
    let ways = RefCell::new(Ways::default());
    Hits::new(conn.dialect(), caller, filter, sql, "s", shown)?.each(
        conn,
        " ORDER BY s.seq",
        |row, object| add_rest(conn, row, object, &mut ways.borrow_mut()),
    )
}
