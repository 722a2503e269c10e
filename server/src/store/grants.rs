//! Rights of groups, and the copies of a vault's key that they call for. With client-side encryption only a client that has
//! the key can wrap it for somebody: a group's right reaches a member once such a client has sent that member's copy.

use crate::access::{Owner, role_number, role_of};
use crate::error::{Refusal, Result};
use crate::id::{FolderId, UserGroupId, UserId, VaultId};
use crate::store::group;
use crate::store::rights::{keeping_administrators, settle};
use crate::store::user::check_has_keys;
use keyferry_api::vault::{GroupGranted, GroupRight, Role, WithoutKey};
use keyferry_sql::{self as sql, Connection, Optional as _, params};
use std::collections::BTreeMap;

fn members(conn: &Connection, id: &UserGroupId) -> Result<Vec<UserId>> {
    group::get(conn, id)?.user_ids.iter().map(|user| user.parse()).collect()
}

/// Gives users copies of a vault's key; who has one keeps it.
fn give(conn: &Connection, vault: &VaultId, keys: &[(UserId, String)]) -> Result<()> {
    for (user, key) in keys {
        conn.prepare_cached(
            "UPDATE vault_users SET master_key_encrypted = ?3
             WHERE vault_id = ?1 AND user_id = ?2 AND master_key_encrypted IS NULL",
        )?
        .execute(params![vault, user, key])?;
        settle(conn, vault, user)?;
    }
    Ok(())
}

/// The keys of a request, by user.
fn parsed(conn: &Connection, owner: &Owner, keys: BTreeMap<String, String>) -> Result<Vec<(UserId, String)>> {
    const FIELD: &str = "masterKeysEncrypted";
    if !keys.is_empty() && !owner.is_encrypted() {
        return Err(Refusal::invalid(FIELD, "The vault has no key."));
    }
    let parse = |(user, key): (String, String)| {
        if key.is_empty() {
            return Err(Refusal::invalid(FIELD, "A copy of the key is not empty."));
        }
        let user = user.parse()?;
        check_has_keys(conn, &user, FIELD)?;
        Ok((user, key))
    };
    keys.into_iter().map(parse).collect()
}

/// Gives a group a role in a vault, or takes it away, also what it has in folders there.
pub(crate) fn to_group(conn: &Connection, owner: &Owner, grant: GroupRight) -> Result<GroupGranted> {
    let id = grant.group_id.parse::<UserGroupId>()?;
    let vault = owner.vault();
    change(conn, owner, &id, grant.master_keys_encrypted, || {
        if matches!(grant.role, Role::None | Role::Administer) {
            conn.prepare_cached("DELETE FROM folder_groups WHERE vault_id = ?1 AND group_id = ?2")?
                .execute(params![vault, id])?;
        }
        let sql = if grant.role == Role::None {
            "DELETE FROM vault_groups WHERE vault_id = ?1 AND group_id = ?2 AND ?3 = 0"
        } else {
            "INSERT INTO vault_groups (vault_id, group_id, role) VALUES (?1, ?2, ?3)
             ON CONFLICT (vault_id, group_id) DO UPDATE SET role = ?3"
        };
        conn.prepare_cached(sql)?.execute(params![vault, id, role_number(grant.role)])?;
        Ok(())
    })
}

/// Gives a group a role in a folder. Who administers the vault keeps that everywhere.
pub(crate) fn to_group_in_folder(
    conn: &Connection,
    owner: &Owner,
    folder: &FolderId,
    grant: GroupRight,
) -> Result<GroupGranted> {
    let id = grant.group_id.parse::<UserGroupId>()?;
    let vault = owner.vault();
    let standing: Option<i64> = conn
        .prepare_cached("SELECT role FROM vault_groups WHERE vault_id = ?1 AND group_id = ?2")?
        .query_row(params![vault, id], |row| row.get(0))
        .optional()?;
    if standing.map(role_of) == Some(Role::Administer) && grant.role < Role::Administer {
        return Err(Refusal::conflict("Who administers the vault administers its folders."));
    }
    change(conn, owner, &id, grant.master_keys_encrypted, || {
        conn.prepare_cached(
            "INSERT INTO folder_groups (group_id, vault_id, folder_id, role) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (group_id, vault_id, folder_id) DO UPDATE SET role = ?4",
        )?
        .execute(params![id, vault, folder, role_number(grant.role)])?;
        Ok(())
    })
}

/// Unsays what a group was given in a folder: what is above counts again.
pub(crate) fn forget(conn: &Connection, owner: &Owner, folder: &FolderId, id: &UserGroupId) -> Result<()> {
    let vault = owner.vault();
    let gone = conn
        .prepare_cached("DELETE FROM folder_groups WHERE folder_id = ?1 AND vault_id = ?2 AND group_id = ?3")?
        .execute(params![folder, vault, id])?;
    if gone == 0 {
        return Err(Refusal::not_found("right"));
    }
    members(conn, id)?.iter().try_for_each(|member| settle(conn, vault, member))
}

/// Changes what a group has in a vault, and brings its members up to date.
fn change(
    conn: &Connection,
    owner: &Owner,
    id: &UserGroupId,
    keys: BTreeMap<String, String>,
    write: impl FnOnce() -> Result<()>,
) -> Result<GroupGranted> {
    let (vault, members) = (owner.vault(), members(conn, id)?);
    let keys = parsed(conn, owner, keys)?;
    if keys.iter().any(|(user, _)| !members.contains(user)) {
        return Err(Refusal::invalid("masterKeysEncrypted", "Somebody named there is not in the group."));
    }
    keeping_administrators(conn, std::slice::from_ref(vault), || {
        write()?;
        members.iter().try_for_each(|member| settle(conn, vault, member))?;
        give(conn, vault, &keys)
    })?;
    let without = without_key(conn, owner)?.into_iter().map(|user| user.user_id);
    Ok(GroupGranted {
        without_key: without.filter(|user| members.iter().any(|member| member.as_str() == user)).collect(),
    })
}

/// Who has a right in a vault, or in a folder of it, and no copy of its key.
pub(crate) fn without_key(conn: &Connection, owner: &Owner) -> Result<Vec<WithoutKey>> {
    let mut statement = conn.prepare_cached(
        "SELECT u.id, u.username, u.full_name, u.public_key FROM vault_users v JOIN users u ON u.id = v.user_id
         WHERE v.vault_id = ?1 AND v.master_key_encrypted IS NULL AND u.blocked = 0 AND u.deleted = 0
         ORDER BY u.seq",
    )?;
    if !owner.is_encrypted() {
        return Ok(Vec::new());
    }
    let rows = statement.query_map([owner.vault()], |row| {
        Ok(WithoutKey {
            user_id: row.get(0)?,
            login: row.get(1)?,
            full_name: row.get(2)?,
            public_key: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// Gives copies of the key to users who have a right and none; their ids.
pub(crate) fn give_keys(
    conn: &Connection,
    owner: &Owner,
    keys: BTreeMap<String, String>,
) -> Result<Vec<UserId>> {
    let keys = parsed(conn, owner, keys)?;
    let lacking = without_key(conn, owner)?;
    if keys.iter().any(|(user, _)| lacking.iter().all(|other| other.user_id != user.as_str())) {
        return Err(Refusal::conflict(
            "Somebody named there has a copy of the key already, or no right in this vault.",
        ));
    }
    give(conn, owner.vault(), &keys)?;
    Ok(keys.into_iter().map(|(user, _)| user).collect())
}

/// The groups that have a role in a vault.
pub(crate) fn groups(conn: &Connection, vault: &VaultId) -> Result<Vec<GroupRight>> {
    listed(
        conn,
        "SELECT group_id, role FROM vault_groups WHERE vault_id = ?1 ORDER BY group_id",
        vault.as_str(),
    )
}

/// The groups that have a role in a folder which differs from what is above.
pub(crate) fn groups_of_folder(conn: &Connection, folder: &FolderId) -> Result<Vec<GroupRight>> {
    listed(
        conn,
        "SELECT group_id, role FROM folder_groups WHERE folder_id = ?1 ORDER BY group_id",
        folder.as_str(),
    )
}

fn listed(conn: &Connection, sql: &str, id: &str) -> Result<Vec<GroupRight>> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| {
        let (group_id, role) = (row.get(0)?, role_of(row.get(1)?));
        Ok(GroupRight { group_id, role, master_keys_encrypted: BTreeMap::new() })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}
