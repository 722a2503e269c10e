//! The bin. One entry for each deletion: an item, or a folder with all that was below it.

use super::rights::settle_vault;
use crate::access::{Caller, Reader};
use crate::error::{Refusal, Result};
use crate::id::{BinItemId, FolderId, ItemId, VaultId};
use keyferry_api::bin::{BinItem, BinKind};
use keyferry_sql::{Connection, Optional as _, params};

/// A deletion, with the place that what was deleted had.
pub(crate) struct Found {
    pub id: BinItemId,
    pub vault: VaultId,
    object: Object,
}

enum Object {
    Item(ItemId, Option<FolderId>),
    Folder(FolderId),
}

/// What was deleted under this id, as far as the caller may read it.
pub(crate) fn find(conn: &Connection, caller: &Caller, id: &BinItemId) -> Result<(Found, Reader)> {
    let missing = || Refusal::not_found("bin item");
    let vault: VaultId = conn
        .prepare_cached("SELECT vault_id FROM bin_items WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .ok_or_else(missing)?;
    let folder: Option<FolderId> = conn
        .prepare_cached(
            "SELECT f.id FROM folders f LEFT JOIN folders p ON p.id = f.parent_folder_id
             WHERE f.bin_item_id = ?1 AND p.bin_item_id IS DISTINCT FROM ?1",
        )?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let object = match folder {
        Some(folder) => Object::Folder(folder),
        None => conn
            .prepare_cached("SELECT id, folder_id FROM items WHERE bin_item_id = ?1")?
            .query_row([id], |row| Ok(Object::Item(row.get(0)?, row.get(1)?)))
            .optional()?
            .ok_or_else(missing)?,
    };
    let place = match &object {
        Object::Item(_, folder) => folder.as_ref(),
        Object::Folder(folder) => Some(folder),
    };
    let reader = Reader::at(conn, caller, &vault, place, "bin item")?;
    Ok((Found { id: id.clone(), vault, object }, reader))
}

/// What the caller may read in the bin, the oldest first.
pub(crate) fn list(conn: &Connection, caller: &Caller, vault: Option<&VaultId>) -> Result<Vec<BinItem>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, user_id, deleted_at FROM bin_items
         WHERE vault_id IN (SELECT vault_id FROM vault_users WHERE user_id = ?1) AND (CAST(?2 AS TEXT) IS NULL OR vault_id = ?2)
         ORDER BY deleted_at, id",
    )?;
    let rows = statement.query_map(params![caller.user, vault], |row| {
        Ok((row.get::<BinItemId>(0)?, row.get::<String>(1)?, row.get::<i64>(2)?))
    })?;
    let mut items = Vec::new();
    for row in rows {
        let (id, user_id, deleted_at) = row?;
        let found = match find(conn, caller, &id) {
            Ok((found, _)) => found,
            Err(Refusal::Answer(_)) => continue,
            Err(error) => return Err(error),
        };
        let (kind, object_id, sql) = match found.object {
            Object::Item(id, _) => (BinKind::Item, String::from(id), "SELECT name FROM items WHERE id = ?1"),
            Object::Folder(id) => {
                (BinKind::Folder, String::from(id), "SELECT name FROM folders WHERE id = ?1")
            }
        };
        let name = conn.prepare_cached(sql)?.query_row([&object_id], |row| row.get(0))?;
        let vault_id = found.vault.into();
        items.push(BinItem { id: id.into(), vault_id, kind, object_id, name, user_id, deleted_at });
    }
    Ok(items)
}

/// Puts back what was deleted, where it was. Its folder must be there: anywhere else, others could see it.
pub(crate) fn restore(conn: &Connection, found: &Found) -> Result<()> {
    let lost = conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM items i JOIN folders f ON f.id = i.folder_id
                            WHERE i.bin_item_id = ?1 AND f.bin_item_id <> ?1)
                 OR EXISTS (SELECT 1 FROM folders c JOIN folders f ON f.id = c.parent_folder_id
                            WHERE c.bin_item_id = ?1 AND f.bin_item_id <> ?1)",
        )?
        .query_row([&found.id], |row| row.get(0))?;
    if lost {
        return Err(Refusal::conflict("Its folder is in the bin: restore that first."));
    }
    for table in ["items", "folders"] {
        conn.prepare_cached(&format!("UPDATE {table} SET bin_item_id = NULL WHERE bin_item_id = ?1"))?
            .execute([&found.id])?;
    }
    conn.prepare_cached("DELETE FROM bin_items WHERE id = ?1")?.execute([&found.id])?;
    Ok(())
}

/// Deletes for good. What was deleted from a folder before has a bin item of its own, which decides about it.
pub(crate) fn purge(conn: &Connection, found: &Found) -> Result<()> {
    let others = conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM items i JOIN folders f ON f.id = i.folder_id
                            WHERE f.bin_item_id = ?1 AND i.bin_item_id IS DISTINCT FROM ?1)
                 OR EXISTS (SELECT 1 FROM folders c JOIN folders f ON f.id = c.parent_folder_id
                            WHERE f.bin_item_id = ?1 AND c.bin_item_id IS DISTINCT FROM ?1)",
        )?
        .query_row([&found.id], |row| row.get(0))?;
    if others {
        return Err(Refusal::conflict(
            "Something deleted from it before is in the bin as well: purge that first.",
        ));
    }
    // Side by side: SQLite follows no more than a thousand levels when it deletes.
    conn.prepare_cached("UPDATE folders SET parent_folder_id = NULL WHERE bin_item_id = ?1")?
        .execute([&found.id])?;
    conn.prepare_cached("DELETE FROM bin_items WHERE id = ?1")?.execute([&found.id])?;
    // Who had a right in a folder of it alone has none any more.
    settle_vault(conn, &found.vault)
}
