//! What a user may do where, worked out from what was given to them and to the groups that they are in.
//!
//! Of each holder, the user alone or a group, the nearest role counts on the way from an object up to its vault; then the
//! highest of all holders. It is worked out once, when something of it changes, and kept in `vault_users.role` and
//! `folder_users.role`, which everything else reads.
//!
//! In an encrypted vault nobody may do anything who has no copy of its key: a client that gets none takes the vault for one
//! without encryption, and writes in the clear.

use crate::access::role_of;
use crate::error::{Refusal, Result};
use crate::id::{FolderId, UserGroupId, UserId, VaultId};
use keyferry_api::user::Right;
use keyferry_sql::{self as sql, Connection, Optional as _, Row, ToSql, params};
use std::collections::HashMap;

/// What one user was given in one vault. A holder is a group's id, or nothing for the user alone.
struct Given {
    at_vault: HashMap<String, i64>,
    in_folders: HashMap<FolderId, HashMap<String, i64>>,
    has_key: bool,
    encrypted: bool,
}

impl Given {
    fn find(conn: &Connection, vault: &VaultId, user: &UserId) -> Result<Self> {
        let encrypted = conn
            .prepare_cached("SELECT encrypted FROM vaults WHERE id = ?1")?
            .query_row([vault], |row| row.get(0))?;
        let (own, has_key): (i64, bool) = conn
            .prepare_cached(
                "SELECT own_role, master_key_encrypted IS NOT NULL FROM vault_users
                 WHERE vault_id = ?1 AND user_id = ?2",
            )?
            .query_row(params![vault, user], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .unwrap_or((0, false));
        let mut at_vault = HashMap::from([(String::new(), own)]);
        let mut statement = conn.prepare_cached(
            "SELECT g.group_id, g.role FROM vault_groups g
             JOIN user_group_members m ON m.group_id = g.group_id AND m.user_id = ?2 WHERE g.vault_id = ?1",
        )?;
        for row in statement.query_map(params![vault, user], |row| Ok((row.get(0)?, row.get(1)?)))? {
            let (group, role): (String, i64) = row?;
            at_vault.insert(group, role);
        }
        let mut in_folders: HashMap<FolderId, HashMap<String, i64>> = HashMap::new();
        let mut statement = conn.prepare_cached(
            "SELECT folder_id, '', own_role FROM folder_users
             WHERE vault_id = ?1 AND user_id = ?2 AND own_role IS NOT NULL
             UNION ALL SELECT g.folder_id, g.group_id, g.role FROM folder_groups g
             JOIN user_group_members m ON m.group_id = g.group_id AND m.user_id = ?2 WHERE g.vault_id = ?1",
        )?;
        let rows =
            statement.query_map(params![vault, user], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for row in rows {
            let (folder, holder, role): (FolderId, String, i64) = row?;
            in_folders.entry(folder).or_default().insert(holder, role);
        }
        Ok(Self { at_vault, in_folders, has_key, encrypted })
    }

    fn is_nothing(&self) -> bool {
        let in_folders = self.in_folders.values().flat_map(HashMap::values);
        self.at_vault.values().chain(in_folders).all(|&role| role == 0)
    }

    /// What counts of all this, where it can be used at all.
    fn worth(&self, role: i64) -> i64 {
        if self.encrypted && !self.has_key { 0 } else { role }
    }

    /// The role in a folder, given the folders from it up to the vault.
    fn in_folder(&self, way: &[FolderId]) -> i64 {
        let holders = self.at_vault.keys().chain(self.in_folders.values().flat_map(HashMap::keys));
        let nearest = holders.map(|holder| {
            let given = way.iter().find_map(|folder| self.in_folders.get(folder)?.get(holder));
            given.or_else(|| self.at_vault.get(holder)).copied().unwrap_or(0)
        });
        nearest.max().unwrap_or(0)
    }
}

/// Brings up to date what a user may do in a vault. Who was left with nothing there loses the copy of its key as well.
pub(crate) fn settle(conn: &Connection, vault: &VaultId, user: &UserId) -> Result<()> {
    let given = Given::find(conn, vault, user)?;
    let both = params![vault, user];
    if given.is_nothing() {
        conn.prepare_cached("DELETE FROM vault_users WHERE vault_id = ?1 AND user_id = ?2")?.execute(both)?;
        // A folder that was closed for the user stays so for the day when there is something again.
        conn.prepare_cached(
            "DELETE FROM folder_users WHERE vault_id = ?1 AND user_id = ?2 AND own_role IS NULL",
        )?
        .execute(both)?;
        return Ok(());
    }
    let role = given.worth(given.at_vault.values().copied().max().unwrap_or(0));
    conn.prepare_cached(
        "INSERT INTO vault_users (vault_id, user_id, role, own_role) VALUES (?1, ?2, ?3, 0)
         ON CONFLICT (vault_id, user_id) DO UPDATE SET role = ?3",
    )?
    .execute(params![vault, user, role])?;
    conn.prepare_cached(
        "DELETE FROM folder_users WHERE vault_id = ?1 AND user_id = ?2 AND own_role IS NULL",
    )?
    .execute(both)?;
    let mut up = conn.prepare_cached(
        "WITH RECURSIVE up (id, parent, depth) AS (
           SELECT id, parent_folder_id, 0 FROM folders WHERE id = ?1
           UNION ALL
           SELECT f.id, f.parent_folder_id, up.depth + 1 FROM folders f JOIN up ON f.id = up.parent)
         SELECT id FROM up ORDER BY depth",
    )?;
    for folder in given.in_folders.keys() {
        let way: Vec<FolderId> = up.query_map([folder], |row| row.get(0))?.collect::<sql::Result<_>>()?;
        conn.prepare_cached(
            "INSERT INTO folder_users (user_id, vault_id, folder_id, role) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (user_id, vault_id, folder_id) DO UPDATE SET role = ?4",
        )?
        .execute(params![user, vault, folder, given.worth(given.in_folder(&way))])?;
    }
    Ok(())
}

/// The same for everybody who has something there: where folders moved, or are gone.
pub(crate) fn settle_vault(conn: &Connection, vault: &VaultId) -> Result<()> {
    let mut statement = conn.prepare_cached("SELECT user_id FROM vault_users WHERE vault_id = ?1")?;
    let users: Vec<UserId> = statement.query_map([vault], |row| row.get(0))?.collect::<sql::Result<_>>()?;
    users.iter().try_for_each(|user| settle(conn, vault, user))
}

/// The vaults where a group has a right, in the whole or in folders.
pub(crate) fn vaults_of_group(conn: &Connection, group: &UserGroupId) -> Result<Vec<VaultId>> {
    let mut statement = conn.prepare_cached(
        "SELECT vault_id FROM vault_groups WHERE group_id = ?1
         UNION SELECT vault_id FROM folder_groups WHERE group_id = ?1",
    )?;
    Ok(statement.query_map([group], |row| row.get(0))?.collect::<sql::Result<_>>()?)
}

/// The vaults that a user may administer as a whole.
pub(crate) fn administered_by(conn: &Connection, user: &UserId) -> Result<Vec<VaultId>> {
    let mut statement =
        conn.prepare_cached("SELECT vault_id FROM vault_users WHERE user_id = ?1 AND role = 3")?;
    Ok(statement.query_map([user], |row| row.get(0))?.collect::<sql::Result<_>>()?)
}

fn is_administered(conn: &Connection, vault: &VaultId) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM vault_users v JOIN users u ON u.id = v.user_id
                            WHERE v.vault_id = ?1 AND v.role = 3 AND u.blocked = 0 AND u.deleted = 0)",
        )?
        .query_row([vault], |row| row.get(0))?)
}

/// Makes a change, and refuses it where one of these vaults had somebody to administer it before and has nobody after.
pub(crate) fn keeping_administrators<T>(
    conn: &Connection,
    vaults: &[VaultId],
    change: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let mut before = Vec::new();
    for vault in vaults {
        if is_administered(conn, vault)? {
            before.push(vault);
        }
    }
    let done = change()?;
    for vault in before {
        if !is_administered(conn, vault)? {
            let message = format!(
                "A vault keeps at least one administrator; vault {} would lose its last.",
                vault.as_str()
            );
            return Err(Refusal::conflict(&message));
        }
    }
    Ok(done)
}

fn right_row(row: &Row<'_>) -> sql::Result<Right> {
    Ok(Right {
        vault_id: row.get(0)?,
        folder_id: row.get(1)?,
        role: role_of(row.get(2)?),
        group_id: row.get(3)?,
        is_without_key: row.get(4)?,
    })
}

fn list(conn: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<Right>> {
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_map(values, right_row)?.collect::<sql::Result<_>>()?)
}

/// What was given to a user, alone and through groups: roles in vaults, and in folders where they differ.
pub(crate) fn of_user(conn: &Connection, user: &UserId) -> Result<Vec<Right>> {
    list(
        conn,
        "WITH given (vault_id, folder_id, role, group_id) AS (
           SELECT vault_id, NULL, own_role, NULL FROM vault_users WHERE user_id = ?1 AND own_role >= 1
           UNION ALL SELECT vault_id, folder_id, own_role, NULL FROM folder_users
             WHERE user_id = ?1 AND own_role IS NOT NULL
           UNION ALL SELECT g.vault_id, NULL, g.role, g.group_id FROM user_group_members m
             JOIN vault_groups g ON g.group_id = m.group_id WHERE m.user_id = ?1
           UNION ALL SELECT g.vault_id, g.folder_id, g.role, g.group_id FROM user_group_members m
             JOIN folder_groups g ON g.group_id = m.group_id WHERE m.user_id = ?1)
         SELECT g.vault_id, g.folder_id, g.role, g.group_id, v.encrypted <> 0 AND NOT EXISTS (
             SELECT 1 FROM vault_users u WHERE u.vault_id = v.id AND u.user_id = ?1 AND u.master_key_encrypted IS NOT NULL)
         FROM given g JOIN vaults v ON v.id = g.vault_id",
        &[user],
    )
}

/// What was given to a group.
pub(crate) fn of_group(conn: &Connection, group: &UserGroupId) -> Result<Vec<Right>> {
    list(
        conn,
        "SELECT vault_id, NULL, role, group_id, 0 FROM vault_groups WHERE group_id = ?1
         UNION ALL SELECT vault_id, folder_id, role, group_id, 0 FROM folder_groups WHERE group_id = ?1",
        &[group],
    )
}
