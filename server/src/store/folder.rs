//! Folders. A folder goes to the bin with everything below it, under one bin item.

use super::check_name;
use super::place::{Place, way};
use super::rights::{settle, settle_vault};
use super::vault::{check_copy, may_wait_for_key};
use crate::access::{
    Caller, Editor, FOLDER_ROLES, Owner, Reader, check_edits_all_below, is_limited, permissions, role_number,
    role_of,
};
use crate::error::{Refusal, Result};
use crate::id::{BinItemId, FolderId, UserId, VaultId, now};
use keyferry_api::folder::Folder;
use keyferry_api::vault::{Role, VaultUser};
use keyferry_sql::{self as sql, Connection, Optional as _, Row, params};

/// Makes a folder.
pub(crate) fn create(conn: &Connection, place: &Place, name: &str, color: i64) -> Result<FolderId> {
    check_name(name)?;
    check_depth(conn, place.folder.as_ref(), 1)?;
    let id = FolderId::fresh()?;
    conn.prepare_cached(
        "INSERT INTO folders (id, vault_id, parent_folder_id, name, color) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![id, place.editor.vault(), place.folder, name, color])?;
    Ok(id)
}

/// Folders in folders beyond this are no one's tree, and clients refuse them.
const MOST_FOLDERS: i64 = 128;

/// Makes sure that so many more levels fit below a folder.
fn check_depth(conn: &Connection, above: Option<&FolderId>, levels: i64) -> Result<()> {
    let depth: i64 = conn
        .prepare_cached(
            "WITH RECURSIVE up (id, parent) AS (
               SELECT id, parent_folder_id FROM folders WHERE id = ?1
               UNION SELECT f.id, f.parent_folder_id FROM folders f JOIN up ON f.id = up.parent)
             SELECT count(*) FROM up",
        )?
        .query_row([above], |row| row.get(0))?;
    if depth + levels > MOST_FOLDERS {
        let message = format!("Folders are nested at most {MOST_FOLDERS} deep.");
        return Err(Refusal::invalid("parentFolderId", message));
    }
    Ok(())
}

/// How many levels a folder and what is below it take.
fn height(conn: &Connection, folder: &FolderId) -> Result<i64> {
    Ok(conn
        .prepare_cached(
            "WITH RECURSIVE below (id, depth) AS (
               SELECT id, 1 FROM folders WHERE id = ?1
               UNION ALL SELECT f.id, b.depth + 1 FROM folders f JOIN below b ON f.parent_folder_id = b.id)
             SELECT max(depth) FROM below",
        )?
        .query_row([folder], |row| row.get(0))?)
}

fn folder_row(row: &Row<'_>) -> sql::Result<Folder> {
    Ok(Folder {
        id: row.get(0)?,
        name: row.get(1)?,
        vault_id: row.get(2)?,
        parent_folder_id: row.get(3)?,
        path: Vec::new(),
        permissions: Vec::new(),
        color: Some(row.get(4)?),
    })
}

/// The folders that the caller may see, of one vault or of all: those that may be read, and those on the
/// way to them, as the path there tells their names anyhow.
pub(crate) fn list(conn: &Connection, caller: &Caller, reader: Option<&Reader>) -> Result<Vec<Folder>> {
    let limited = is_limited(conn, caller)?;
    let (roles, readable, role) = if limited {
        (
            format!(
                "{FOLDER_ROLES}, shown (id) AS (
                   SELECT folder_id FROM access WHERE role >= 1
                   UNION SELECT a.parent FROM access a JOIN shown s ON s.id = a.folder_id WHERE a.parent IS NOT NULL)"
            ),
            "(u.role >= 1 AND f.vault_id NOT IN (SELECT vault_id FROM limited) OR f.id IN (SELECT id FROM shown))",
            "coalesce((SELECT role FROM access WHERE folder_id = f.id), u.role)",
        )
    } else {
        (String::new(), "u.role >= 1", "u.role")
    };
    let mut statement = conn.prepare_cached(&format!(
        "{roles} SELECT f.id, f.name, f.vault_id, f.parent_folder_id, f.color, {role} FROM folders f
         JOIN vault_users u ON u.vault_id = f.vault_id AND u.user_id = ?1
         WHERE f.bin_item_id IS NULL AND (CAST(?2 AS TEXT) IS NULL OR f.vault_id = ?2) AND {readable} ORDER BY f.seq"
    ))?;
    let rows = statement.query_map(params![caller.user, reader.map(Reader::vault)], |row| {
        Ok(Folder { permissions: permissions(role_of(row.get(5)?)), ..folder_row(row)? })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// One folder with its path from the vault down.
pub(crate) fn get(conn: &Connection, reader: &Reader, folder: &FolderId) -> Result<Folder> {
    let mut found = conn
        .prepare_cached(
            "SELECT id, name, vault_id, parent_folder_id, color FROM folders WHERE id = ?1 AND vault_id = ?2",
        )?
        .query_row(params![folder, reader.vault()], folder_row)?;
    found.path = way(conn, reader.vault().as_str(), Some(folder.as_str()))?;
    found.permissions = reader.permissions();
    Ok(found)
}

/// Changes what is given of a folder's looks.
pub(crate) fn change(
    conn: &Connection,
    editor: &Editor,
    folder: &FolderId,
    name: Option<&str>,
    color: Option<i64>,
) -> Result<()> {
    name.map_or(Ok(()), check_name)?;
    conn.prepare_cached(
        "UPDATE folders SET name = coalesce(?3, name), color = coalesce(?4, color) WHERE id = ?1 AND vault_id = ?2",
    )?
    .execute(params![folder, editor.vault(), name, color])?;
    Ok(())
}

/// Moves a folder within its vault, with all that is below it.
pub(crate) fn relocate(conn: &Connection, caller: &Caller, folder: &FolderId, to: &Place) -> Result<()> {
    check_edits_all_below(conn, caller, folder)?;
    let within: bool = conn
        .prepare_cached(
            "WITH RECURSIVE up (id, parent) AS (
               SELECT id, parent_folder_id FROM folders WHERE id = ?1
               UNION SELECT f.id, f.parent_folder_id FROM folders f JOIN up ON f.id = up.parent)
             SELECT EXISTS (SELECT 1 FROM up WHERE id = ?2)",
        )?
        .query_row(params![to.folder, folder], |row| row.get(0))?;
    if within {
        return Err(Refusal::invalid("parentFolderId", "A folder does not go into itself."));
    }
    check_depth(conn, to.folder.as_ref(), height(conn, folder)?)?;
    conn.prepare_cached("UPDATE folders SET parent_folder_id = ?2 WHERE id = ?1")?
        .execute(params![folder, to.folder])?;
    // What groups have above has changed.
    settle_vault(conn, to.editor.vault())
}

/// Who has a role in this folder that differs from what is above.
pub(crate) fn users(conn: &Connection, folder: &FolderId) -> Result<Vec<VaultUser>> {
    let mut statement =
        conn.prepare_cached(
            "SELECT user_id, own_role FROM folder_users WHERE folder_id = ?1 AND own_role IS NOT NULL ORDER BY user_id",
        )?;
    let rows = statement.query_map([folder], |row| {
        Ok(VaultUser { user_id: row.get(0)?, role: role_of(row.get(1)?), master_key_encrypted: None })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// Gives a user a role in a folder. The vault's administrators keep theirs everywhere.
pub(crate) fn grant(conn: &Connection, owner: &Owner, folder: &FolderId, grant: VaultUser) -> Result<()> {
    let user = grant.user_id.parse::<UserId>()?;
    super::user::info(conn, &user)?;
    let given = grant.master_key_encrypted.filter(|key| !key.is_empty());
    let vault = owner.vault();
    let own: Option<i64> = conn
        .prepare_cached("SELECT own_role FROM vault_users WHERE vault_id = ?1 AND user_id = ?2")?
        .query_row(params![vault, user], |row| row.get(0))
        .optional()?;
    if own.map(role_of) == Some(Role::Administer) && grant.role < Role::Administer {
        return Err(Refusal::conflict("Who administers the vault administers its folders."));
    }
    let needs_key = owner.is_encrypted() && grant.role > Role::None && given.is_none();
    if needs_key && !may_wait_for_key(conn, vault, &user)? {
        let message = "The vault is encrypted: the user needs a copy of its key.";
        return Err(Refusal::invalid("masterKeyEncrypted", message));
    }
    check_copy(conn, owner, &user, grant.role, given.is_some())?;
    conn.prepare_cached(
        "INSERT INTO vault_users (vault_id, user_id, role, master_key_encrypted) VALUES (?1, ?2, 0, ?3)
         ON CONFLICT (vault_id, user_id) DO UPDATE SET
           master_key_encrypted = coalesce(vault_users.master_key_encrypted, ?3)",
    )?
    .execute(params![vault, user, given])?;
    conn.prepare_cached(
        "INSERT INTO folder_users (user_id, vault_id, folder_id, role, own_role) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT (user_id, vault_id, folder_id) DO UPDATE SET own_role = ?4",
    )?
    .execute(params![user, vault, folder, role_number(grant.role)])?;
    settle(conn, vault, &user)
}

/// Unsays what a user was given in a folder: what is above counts again.
pub(crate) fn forget(conn: &Connection, owner: &Owner, folder: &FolderId, user: &UserId) -> Result<()> {
    let gone = conn
        .prepare_cached(
            "DELETE FROM folder_users WHERE folder_id = ?1 AND vault_id = ?2 AND user_id = ?3 AND own_role IS NOT NULL",
        )?
        .execute(params![folder, owner.vault(), user])?;
    if gone == 0 {
        return Err(Refusal::not_found("right"));
    }
    settle(conn, owner.vault(), user)
}

/// A place in the bin.
pub(crate) fn new_bin_item(conn: &Connection, caller: &Caller, vault: &VaultId) -> Result<BinItemId> {
    let id = BinItemId::fresh()?;
    conn.prepare_cached("INSERT INTO bin_items (id, vault_id, user_id, deleted_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, vault, caller.user, now()])?;
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
    check_edits_all_below(conn, caller, folder)?;
    let bin = new_bin_item(conn, caller, editor.vault())?;
    for set in [
        "UPDATE items SET bin_item_id = ?2 WHERE folder_id IN (SELECT id FROM below) AND bin_item_id IS NULL",
        "UPDATE folders SET bin_item_id = ?2 WHERE id IN (SELECT id FROM below) AND bin_item_id IS NULL",
    ] {
        conn.prepare_cached(&format!("{BELOW}{set}"))?.execute(params![folder, bin, editor.vault()])?;
    }
    Ok(bin)
}
