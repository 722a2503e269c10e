//! Vaults and who may open them.

use super::check_name;
use crate::access::{Caller, Owner, Reader, role_number, role_of};
use crate::error::{Refusal, Result};
use crate::id::{UserId, VaultId};
use keyferry_api::vault::{NewVault, Role, Vault, VaultUser};
use rusqlite::{Connection, Row, params};

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
    if key.is_none() && !vault.administrators_keys.is_empty() {
        return Err(Refusal::invalid(
            "masterKeyEncrypted",
            "The maker's own copy of the vault key is missing.",
        ));
    }
    let id = VaultId::fresh()?;
    conn.prepare_cached(
        "INSERT INTO vaults (id, name, encrypted, master_key_hash, salt) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![id, vault.name, key.is_some(), hash, salt])?;
    let mut grant = conn.prepare_cached(
        "INSERT INTO vault_users (vault_id, user_id, role, master_key_encrypted) VALUES (?1, ?2, ?3, ?4)",
    )?;
    grant.execute(params![id, caller.user, role_number(Role::Administer), key])?;
    for (user, key) in vault.administrators_keys {
        let user = user.parse::<UserId>()?;
        if user != caller.user {
            super::user::info(conn, &user)?;
            grant.execute(params![id, user, role_number(Role::Administer), key])?;
        }
    }
    Ok(id)
}

const COLUMNS: &str = "SELECT v.id, v.name, u.master_key_encrypted, v.master_key_hash, v.salt
    FROM vault_users u JOIN vaults v ON v.id = u.vault_id WHERE u.user_id = ?1 AND u.role >= 1";

fn vault_row(row: &Row<'_>) -> rusqlite::Result<Vault> {
    Ok(Vault {
        id: row.get(0)?,
        name: row.get(1)?,
        master_key_encrypted: row.get(2)?,
        master_key_hash: row.get(3)?,
        salt: row.get(4)?,
        type_id: None,
    })
}

/// The vaults that the caller may see.
pub(crate) fn list(conn: &Connection, caller: &Caller) -> Result<Vec<Vault>> {
    let mut statement = conn.prepare_cached(&format!("{COLUMNS} ORDER BY v.seq"))?;
    let rows = statement.query_map([&caller.user], vault_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
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
    conn.prepare_cached("DELETE FROM vaults WHERE id = ?1")?.execute([owner.vault()])?;
    Ok(())
}

/// Who may open a vault, with each user's copy of its key left out. Whoever may look into it may know.
pub(crate) fn users(conn: &Connection, reader: &Reader) -> Result<Vec<VaultUser>> {
    let mut statement =
        conn.prepare_cached("SELECT user_id, role FROM vault_users WHERE vault_id = ?1 ORDER BY user_id")?;
    let rows = statement.query_map([reader.vault()], |row| {
        Ok(VaultUser { user_id: row.get(0)?, role: role_of(row.get(1)?), master_key_encrypted: None })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Gives a user a role, or takes it away. The last administrator stays one.
pub(crate) fn grant(conn: &Connection, owner: &Owner, grant: VaultUser) -> Result<()> {
    let user = grant.user_id.parse::<UserId>()?;
    super::user::info(conn, &user)?;
    let key = grant.master_key_encrypted.filter(|key| !key.is_empty());
    if owner.is_encrypted() && grant.role > Role::None && key.is_none() {
        let message = "The vault is encrypted: the user needs a copy of its key.";
        return Err(Refusal::invalid("masterKeyEncrypted", message));
    }
    let others: i64 = conn
        .prepare_cached(
            "SELECT count(*) FROM vault_users WHERE vault_id = ?1 AND role = ?2 AND user_id <> ?3",
        )?
        .query_row(params![owner.vault(), role_number(Role::Administer), user], |row| row.get(0))?;
    if others == 0 && grant.role < Role::Administer {
        return Err(Refusal::conflict("A vault keeps at least one administrator."));
    }
    conn.prepare_cached(
        "INSERT INTO vault_users (vault_id, user_id, role, master_key_encrypted) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (vault_id, user_id) DO UPDATE SET role = ?3, master_key_encrypted = ?4",
    )?
    .execute(params![owner.vault(), user, role_number(grant.role), key])?;
    Ok(())
}
