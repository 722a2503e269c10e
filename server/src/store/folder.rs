//! Folders. A folder goes to the bin with everything below it, under one bin item.

use super::check_name;
use crate::access::{Caller, Editor, Reader};
use crate::error::{Refusal, Result};
use crate::id::{BinItemId, FolderId, VaultId, now};
use keyferry_api::folder::{Folder, Step};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The vault that a folder stands in; a folder in the bin is not there.
pub(crate) fn vault_of(conn: &Connection, folder: &FolderId) -> Result<VaultId> {
    conn.prepare_cached("SELECT vault_id FROM folders WHERE id = ?1 AND bin_item_id IS NULL")?
        .query_row([folder], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Refusal::not_found("folder"))
}

/// The folder must stand in the vault that the caller has proven access to.
pub(crate) fn check_within(
    conn: &Connection,
    reader: &Reader,
    folder: &FolderId,
    field: &'static str,
) -> Result<()> {
    match vault_of(conn, folder) {
        Ok(vault) if vault == *reader.vault() => Ok(()),
        // Not there and in another vault get one answer: it does not tell which.
        Ok(_) | Err(Refusal::Answer(_)) => Err(Refusal::invalid(field, "The vault has no such folder.")),
        Err(error) => Err(error),
    }
}

/// Makes a folder.
pub(crate) fn create(
    conn: &Connection,
    editor: &Editor,
    parent: Option<&FolderId>,
    name: &str,
) -> Result<FolderId> {
    check_name(name)?;
    if let Some(parent) = parent {
        check_within(conn, editor, parent, "parentFolderId")?;
    }
    let id = FolderId::fresh()?;
    conn.prepare_cached(
        "INSERT INTO folders (id, vault_id, parent_folder_id, name) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![id, editor.vault(), parent, name])?;
    Ok(id)
}

fn folder_row(row: &Row<'_>) -> rusqlite::Result<Folder> {
    Ok(Folder {
        id: row.get(0)?,
        name: row.get(1)?,
        vault_id: row.get(2)?,
        parent_folder_id: row.get(3)?,
        path: Vec::new(),
    })
}

/// The folders of one vault.
pub(crate) fn list(conn: &Connection, reader: &Reader) -> Result<Vec<Folder>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, vault_id, parent_folder_id FROM folders
         WHERE vault_id = ?1 AND bin_item_id IS NULL ORDER BY seq",
    )?;
    let rows = statement.query_map([reader.vault()], folder_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The folders of every vault that the caller may see.
pub(crate) fn list_all(conn: &Connection, caller: &Caller) -> Result<Vec<Folder>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, vault_id, parent_folder_id FROM folders
         WHERE vault_id IN (SELECT vault_id FROM vault_users WHERE user_id = ?1 AND role >= 1)
           AND bin_item_id IS NULL ORDER BY seq",
    )?;
    let rows = statement.query_map([&caller.user], folder_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One folder with its path from the vault down.
pub(crate) fn get(conn: &Connection, reader: &Reader, folder: &FolderId) -> Result<Folder> {
    let mut found = conn
        .prepare_cached(
            "SELECT id, name, vault_id, parent_folder_id FROM folders WHERE id = ?1 AND vault_id = ?2",
        )?
        .query_row(params![folder, reader.vault()], folder_row)?;
    let vault_name: String = conn
        .prepare_cached("SELECT name FROM vaults WHERE id = ?1")?
        .query_row([reader.vault()], |row| row.get(0))?;
    let step = |name, folder_id| Step { vault_id: found.vault_id.clone(), name, folder_id };
    let mut path = vec![step(vault_name, None)];
    let mut statement = conn.prepare_cached(
        "WITH RECURSIVE up (id, name, parent, depth) AS (
           SELECT id, name, parent_folder_id, 0 FROM folders WHERE id = ?1
           UNION ALL
           SELECT f.id, f.name, f.parent_folder_id, up.depth + 1 FROM folders f JOIN up ON f.id = up.parent)
         SELECT name, id FROM up ORDER BY depth DESC",
    )?;
    for row in statement.query_map([folder], |row| Ok(step(row.get(0)?, Some(row.get(1)?))))? {
        path.push(row?);
    }
    found.path = path;
    Ok(found)
}

/// Renames a folder.
pub(crate) fn rename(conn: &Connection, editor: &Editor, folder: &FolderId, name: &str) -> Result<()> {
    check_name(name)?;
    conn.prepare_cached("UPDATE folders SET name = ?3 WHERE id = ?1 AND vault_id = ?2")?.execute(params![
        folder,
        editor.vault(),
        name
    ])?;
    Ok(())
}

/// A place in the bin.
pub(crate) fn new_bin_item(conn: &Connection, caller: &Caller, editor: &Editor) -> Result<BinItemId> {
    let id = BinItemId::fresh()?;
    conn.prepare_cached("INSERT INTO bin_items (id, vault_id, user_id, deleted_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, editor.vault(), caller.user, now()])?;
    Ok(id)
}

/// Puts a folder and all below it into the bin; what was there before keeps its own bin item.
pub(crate) fn delete(
    conn: &Connection,
    caller: &Caller,
    editor: &Editor,
    folder: &FolderId,
) -> Result<BinItemId> {
    const BELOW: &str = "WITH RECURSIVE below (id) AS (
        SELECT id FROM folders WHERE id = ?1 AND vault_id = ?3
        UNION ALL SELECT f.id FROM folders f JOIN below b ON f.parent_folder_id = b.id) ";
    let bin = new_bin_item(conn, caller, editor)?;
    for set in [
        "UPDATE items SET bin_item_id = ?2 WHERE folder_id IN (SELECT id FROM below) AND bin_item_id IS NULL",
        "UPDATE folders SET bin_item_id = ?2 WHERE id IN (SELECT id FROM below) AND bin_item_id IS NULL",
    ] {
        conn.prepare_cached(&format!("{BELOW}{set}"))?.execute(params![folder, bin, editor.vault()])?;
    }
    Ok(bin)
}
