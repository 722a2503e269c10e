//! Where something is put: a vault, or a folder in it.

use crate::access::{Caller, Editor, Reader};
use crate::error::{Refusal, Result};
use crate::id::{FolderId, VaultId};
use keyferry_api::folder::Step;
use keyferry_sql::{Connection, Optional as _};

/// A place to put something: a vault or a folder in it, which the caller may edit.
pub(crate) struct Place {
    pub editor: Editor,
    pub folder: Option<FolderId>,
}

impl Place {
    /// The place that a request names.
    pub fn find(conn: &Connection, caller: &Caller, vault: &str, folder: Option<&str>) -> Result<Self> {
        let vault = vault.parse::<VaultId>()?;
        let Some(folder) = folder.filter(|id| !id.is_empty()) else {
            let editor = Reader::of(conn, caller, &vault)?.into_editor()?;
            return Ok(Self { editor, folder: None });
        };
        let reader = Reader::of(conn, caller, &vault)?;
        let folder = folder.parse::<FolderId>()?;
        check_within(conn, &reader, &folder, "folderId")?;
        let editor = Reader::at(conn, caller, &vault, Some(&folder), "folder")?.into_editor()?;
        Ok(Self { editor, folder: Some(folder) })
    }
}

/// The vault that a folder stands in; a folder in the bin is not there.
pub(crate) fn vault_of(conn: &Connection, folder: &FolderId) -> Result<VaultId> {
    conn.prepare_cached("SELECT vault_id FROM folders WHERE id = ?1 AND bin_item_id IS NULL")?
        .query_row([folder], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Refusal::not_found("folder"))
}

/// The folder must stand in the vault that the caller has proven access to.
fn check_within(conn: &Connection, reader: &Reader, folder: &FolderId, field: &'static str) -> Result<()> {
    match vault_of(conn, folder) {
        Ok(vault) if vault == *reader.vault() => Ok(()),
        // Not there and in another vault get one answer: it does not tell which.
        Ok(_) | Err(Refusal::Answer(_)) => Err(Refusal::invalid(field, "The vault has no such folder.")),
        Err(error) => Err(error),
    }
}

/// The steps from a vault down to one of its folders, or to the vault alone.
pub(crate) fn way(conn: &Connection, vault: &str, folder: Option<&str>) -> Result<Vec<Step>> {
    let name: String =
        conn.prepare_cached("SELECT name FROM vaults WHERE id = ?1")?.query_row([vault], |row| row.get(0))?;
    let step = |name, folder_id| Step { vault_id: vault.to_owned(), name, folder_id };
    let mut steps = vec![step(name, None)];
    let mut statement = conn.prepare_cached(
        "WITH RECURSIVE up (id, name, parent, depth) AS (
           SELECT id, name, parent_folder_id, 0 FROM folders WHERE id = ?1
           UNION ALL
           SELECT f.id, f.name, f.parent_folder_id, up.depth + 1 FROM folders f JOIN up ON f.id = up.parent)
         SELECT name, id FROM up ORDER BY depth DESC",
    )?;
    for row in statement.query_map([folder], |row| Ok(step(row.get(0)?, Some(row.get(1)?))))? {
        steps.push(row?);
    }
    Ok(steps)
}
