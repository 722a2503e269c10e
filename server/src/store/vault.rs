//! Vaults and who may open them.

use super::check_name;
use super::rights::{keeping_administrators, settle};
use super::user::check_has_keys;
use crate::access::{Caller, Owner, Reader, permissions, role_number, role_of};
use crate::error::{Refusal, Result};
use crate::id::{UserId, VaultId, VaultTypeId};
use keyferry_api::vault::{
    Administrator, DirectoryAccess, NewVault, NewVaultType, Role, Vault, VaultType, VaultUser,
};
use keyferry_sql::{self as sql, Connection, Row, params};
use std::collections::HashSet;

/// Makes a vault; whoever makes it administers it.
pub(crate) fn create(conn: &Connection, caller: &Caller, vault: NewVault) -> Result<VaultId> {
    check_name(&vault.name)?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (key, hash, salt) =
        (given(vault.master_key_encrypted), given(vault.master_key_hash), given(vault.salt));
    if key.is_some() && (hash.is_none() || salt.is_none()) {
        let message = "An encrypted vault needs masterKeyEncrypted, masterKeyHash and salt.";
        return Err(Refusal::invalid("masterKeyHash", message));
    }
    if key.is_some() {
        check_has_keys(conn, &caller.user, "masterKeyEncrypted")?;
    }
    if key.is_none() && !vault.administrators_keys.is_empty() {
        return Err(Refusal::invalid(
            "masterKeyEncrypted",
            "The maker's own copy of the vault key is missing.",
        ));
    }
    let kind = given(vault.type_id).map(|id| id.parse::<VaultTypeId>()).transpose()?;
    let administrators = match &kind {
        Some(kind) => administrators(conn, kind)?,
        None if types(conn)?.is_empty() => Vec::new(),
        None => return Err(Refusal::invalid("typeId", "Here a vault needs a type.")),
    };
    let (standard, made) = kind.into_iter().partition::<Vec<_>, _>(is_standard);
    let id = VaultId::fresh()?;
    conn.prepare_cached(
        "INSERT INTO vaults (id, name, encrypted, master_key_hash, salt, type_id, standard_type)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![id, vault.name, key.is_some(), hash, salt, made.first(), standard.first()])?;
    let mut grant = conn.prepare_cached(
        "INSERT INTO vault_users (vault_id, user_id, role, own_role, master_key_encrypted) VALUES (?1, ?2, ?3, ?3, ?4)",
    )?;
    grant.execute(params![id, caller.user, role_number(Role::Administer), key])?;
    let encrypted = key.is_some();
    let mut of_type = HashSet::from([caller.user.as_str().to_owned()]);
    for administrator in administrators {
        of_type.insert(administrator.id.clone());
        let has_copy = vault.administrators_keys.contains_key(&administrator.id);
        if encrypted && !has_copy && administrator.public_key.is_some() {
            let message = "Every administrator of the vault's type needs a copy of its key.";
            return Err(Refusal::invalid("administratorsKeys", message));
        }
        if !has_copy && administrator.id != caller.user.as_str() {
            let user = administrator.id.parse::<UserId>()?;
            grant.execute(params![id, user, role_number(Role::Administer), None::<String>])?;
            // Without keys of their own they wait for a copy.
            settle(conn, &id, &user)?;
        }
    }
    let mut named = HashSet::new();
    for (user, key) in vault.administrators_keys {
        let user = user.parse::<UserId>()?;
        if !named.insert(user.clone()) {
            return Err(Refusal::invalid("administratorsKeys", "A user is named twice."));
        }
        if key.is_empty() {
            return Err(Refusal::invalid("administratorsKeys", "A copy of the key is empty."));
        }
        if !of_type.contains(user.as_str()) {
            let message = "It names somebody who does not administer vaults of this type.";
            return Err(Refusal::invalid("administratorsKeys", message));
        }
        if user != caller.user {
            super::user::info(conn, &user)?;
            check_has_keys(conn, &user, "administratorsKeys")?;
            grant.execute(params![id, user, role_number(Role::Administer), key])?;
        }
    }
    Ok(id)
}

/// Also a vault is shown of which the caller may read but a folder: its key is needed.
const COLUMNS: &str =
    "SELECT v.id, v.name, u.master_key_encrypted, v.master_key_hash, v.salt, coalesce(v.type_id, v.standard_type), u.role
    FROM vault_users u JOIN vaults v ON v.id = u.vault_id WHERE u.user_id = ?1 AND (u.role >= 1 OR EXISTS
      (SELECT 1 FROM folder_users f WHERE f.user_id = ?1 AND f.vault_id = v.id AND f.role >= 1))";

fn vault_row(row: &Row<'_>) -> sql::Result<Vault> {
    let role = role_of(row.get(6)?);
    let name = match role {
        Role::None => "Folders of it",
        Role::Read => "Read",
        Role::Edit => "Edit",
        Role::Administer => "Administer",
    };
    Ok(Vault {
        permissions: permissions(role),
        is_visible: Some(true),
        directory_access: Some(DirectoryAccess {
            is_viewing_access: role <= Role::Read,
            access: role,
            access_name: name.to_owned(),
        }),
        can_leave_vault: Some(false),
        can_change_vault_type: Some(false),
        id: row.get(0)?,
        name: row.get(1)?,
        master_key_encrypted: row.get(2)?,
        master_key_hash: row.get(3)?,
        salt: row.get(4)?,
        type_id: row.get(5)?,
    })
}

/// The vaults that the caller may see.
pub(crate) fn list(conn: &Connection, caller: &Caller) -> Result<Vec<Vault>> {
    let mut statement = conn.prepare_cached(&format!("{COLUMNS} ORDER BY v.seq"))?;
    let rows = statement.query_map([&caller.user], vault_row)?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// One vault, with the caller's copy of its key.
pub(crate) fn get(conn: &Connection, caller: &Caller, reader: &Reader) -> Result<Vault> {
    Ok(conn
        .prepare_cached(&format!("{COLUMNS} AND v.id = ?2"))?
        .query_row(params![caller.user, reader.vault()], vault_row)?)
}

/// Renames a vault.
pub(crate) fn rename(conn: &Connection, owner: &Owner, name: &str) -> Result<()> {
    check_name(name)?;
    conn.prepare_cached("UPDATE vaults SET name = ?2 WHERE id = ?1")?
        .execute(params![owner.vault(), name])?;
    Ok(())
}

/// Deletes a vault with everything in it.
pub(crate) fn delete(conn: &Connection, owner: &Owner) -> Result<()> {
    // Side by side: SQLite follows no more than a thousand levels when it deletes.
    conn.prepare_cached("UPDATE folders SET parent_folder_id = NULL WHERE vault_id = ?1")?
        .execute([owner.vault()])?;
    conn.prepare_cached("DELETE FROM vaults WHERE id = ?1")?.execute([owner.vault()])?;
    Ok(())
}

/// Who was given a role in a vault or in folders of it, with each user's copy of its key left out. Whoever may look into it
/// may know. Groups have a list of their own.
pub(crate) fn users(conn: &Connection, reader: &Reader) -> Result<Vec<VaultUser>> {
    let mut statement = conn.prepare_cached(
        "SELECT user_id, own_role FROM vault_users v WHERE vault_id = ?1 AND (own_role >= 1 OR EXISTS (
           SELECT 1 FROM folder_users f WHERE f.vault_id = ?1 AND f.user_id = v.user_id AND f.own_role IS NOT NULL))
         ORDER BY user_id",
    )?;
    let rows = statement.query_map([reader.vault()], |row| {
        Ok(VaultUser { user_id: row.get(0)?, role: role_of(row.get(1)?), master_key_encrypted: None })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// Gives a user a role, or takes it away, also what the user has in folders. The last administrator stays one.
pub(crate) fn grant(conn: &Connection, owner: &Owner, grant: VaultUser) -> Result<()> {
    let user = grant.user_id.parse::<UserId>()?;
    super::user::info(conn, &user)?;
    let (vault, key) = (owner.vault(), grant.master_key_encrypted.filter(|key| !key.is_empty()));
    if owner.is_encrypted()
        && grant.role > Role::None
        && key.is_none()
        && !may_wait_for_key(conn, vault, &user)?
    {
        let message = "The vault is encrypted: the user needs a copy of its key.";
        return Err(Refusal::invalid("masterKeyEncrypted", message));
    }
    check_copy(conn, owner, &user, grant.role, key.is_some())?;
    keeping_administrators(conn, std::slice::from_ref(vault), || {
        conn.prepare_cached(
            "INSERT INTO vault_users (vault_id, user_id, role, own_role, master_key_encrypted)
             VALUES (?1, ?2, ?3, ?3, ?4)
             ON CONFLICT (vault_id, user_id) DO UPDATE SET
               own_role = ?3, master_key_encrypted = coalesce(?4, vault_users.master_key_encrypted)",
        )?
        .execute(params![vault, user, role_number(grant.role), key])?;
        // What was said of folders was said of the user as they stood.
        if matches!(grant.role, Role::None | Role::Administer) {
            conn.prepare_cached("DELETE FROM folder_users WHERE vault_id = ?1 AND user_id = ?2")?
                .execute(params![vault, user])?;
        }
        settle(conn, vault, &user)
    })
}

/// Whether a user has a copy of a vault's key.
pub(crate) fn has_key(conn: &Connection, vault: &VaultId, user: &UserId) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM vault_users
                            WHERE vault_id = ?1 AND user_id = ?2 AND master_key_encrypted IS NOT NULL)",
        )?
        .query_row(params![vault, user], |row| row.get(0))?)
}

/// Makes sure that a copy of a vault's key which comes with a right is one: of a vault that has a key, for somebody who can
/// open it. Who loses their right gets none.
pub(crate) fn check_copy(
    conn: &Connection,
    owner: &Owner,
    user: &UserId,
    role: Role,
    has_copy: bool,
) -> Result<()> {
    if !has_copy || role == Role::None {
        return Ok(());
    }
    if !owner.is_encrypted() {
        return Err(Refusal::invalid("masterKeyEncrypted", "The vault has no key."));
    }
    check_has_keys(conn, user, "masterKeyEncrypted")
}

/// Whether a user may be given something in an encrypted vault without a copy of its key: who has one already, or no keys of
/// their own yet to wrap it for. What was given counts once they have a copy.
pub(crate) fn may_wait_for_key(conn: &Connection, vault: &VaultId, user: &UserId) -> Result<bool> {
    Ok(super::user::keys(conn, user)?.is_none() || has_key(conn, vault, user)?)
}

/// Two types that are always there. They have no administrators, and a vault need not name them.
const STANDARD: [(&str, &str, &str); 2] = [
    ("000000000000000000000001", "Company vault", "company"),
    ("000000000000000000000002", "Private or shared vault", "privateShared"),
];

fn is_standard(kind: &VaultTypeId) -> bool {
    STANDARD.iter().any(|(standard, ..)| *standard == kind.as_str())
}

/// Every type that a vault may have, those that somebody made first.
pub(crate) fn all_types(conn: &Connection) -> Result<Vec<VaultType>> {
    let mut all = types(conn)?;
    for (id, name, code) in STANDARD {
        if all.iter().all(|other| other.code != code) {
            all.push(VaultType { id: id.to_owned(), name: name.to_owned(), code: code.to_owned() });
        }
    }
    Ok(all)
}

/// The types that somebody made; where there are any, a vault must have one.
pub(crate) fn types(conn: &Connection) -> Result<Vec<VaultType>> {
    let mut statement = conn.prepare_cached("SELECT id, name, code FROM vault_types ORDER BY seq")?;
    let rows = statement
        .query_map([], |row| Ok(VaultType { id: row.get(0)?, name: row.get(1)?, code: row.get(2)? }))?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// Makes a type.
pub(crate) fn create_type(conn: &Connection, new: NewVaultType) -> Result<VaultTypeId> {
    check_name(&new.name)?;
    if new.code.is_empty() || types(conn)?.iter().any(|other| other.code == new.code) {
        return Err(Refusal::invalid("code", "A code is needed that no other type has."));
    }
    let id = VaultTypeId::fresh()?;
    conn.prepare_cached("INSERT INTO vault_types (id, name, code) VALUES (?1, ?2, ?3)")?
        .execute(params![id, new.name, new.code])?;
    for user in new.administrators {
        let user = user.parse::<UserId>()?;
        super::user::info(conn, &user)?;
        conn.prepare_cached(
            "INSERT INTO vault_type_administrators (type_id, user_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?
        .execute(params![id, user])?;
    }
    Ok(id)
}

/// Whom a new vault's key is wrapped for.
pub(crate) fn administrators(conn: &Connection, kind: &VaultTypeId) -> Result<Vec<Administrator>> {
    if is_standard(kind) {
        return Ok(Vec::new());
    }
    let known: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM vault_types WHERE id = ?1)")?
        .query_row([kind], |row| row.get(0))?;
    if !known {
        return Err(Refusal::not_found("vault type"));
    }
    let mut statement = conn.prepare_cached(
        "SELECT u.id, u.public_key, u.full_name, u.username FROM vault_type_administrators a JOIN users u ON u.id = a.user_id
         WHERE a.type_id = ?1 AND u.deleted = 0 AND u.blocked = 0 ORDER BY u.seq",
    )?;
    let rows = statement.query_map([kind], |row| {
        let [id, public_key, full_name, username] = [0, 1, 2, 3];
        Ok(Administrator {
            id: row.get(id)?,
            public_key: row.get(public_key)?,
            full_name: row.get(full_name)?,
            username: row.get(username)?,
        })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}
