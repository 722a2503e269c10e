//! Who may do what: the store takes a proof, and only a look into the rights makes one.
//! What a function may do is thus in its signature.
//!
//! A user has a role in a vault, and may have others in folders below it: on the way from an object
//! up to its vault the nearest role counts. A proof is for a place, a vault or one of its folders.

use crate::error::{Refusal, Result};
use crate::id::{FolderId, UserId, VaultId};
use keyferry_api::vault::Role;
use keyferry_sql::{Connection, Optional as _, params};

/// Whose request it is.
#[derive(Clone)]
pub(crate) struct Caller {
    pub user: UserId,
    pub session: i64,
    /// Signed in by password, but the one-time code is still owed.
    pub owes_code: bool,
    /// The digest of the CSRF token, in a browser's session.
    pub csrf_hash: Option<[u8; 32]>,
}

/// How a role is stored.
pub(crate) fn role_number(role: Role) -> i64 {
    match role {
        Role::None => 0,
        Role::Read => 1,
        Role::Edit => 2,
        Role::Administer => 3,
    }
}

/// The role that a number stands for; an unknown one for none.
pub(crate) fn role_of(number: i64) -> Role {
    match number {
        1 => Role::Read,
        2 => Role::Edit,
        3 => Role::Administer,
        _ => Role::None,
    }
}

/// What a role may do, in the words of Passwork's own client.
pub(crate) fn permissions(role: Role) -> Vec<String> {
    let read: &[&str] = &["item:read", "folder:read", "snapshot:read"];
    let edit: &[&str] = &[
        "item:create",
        "item:update",
        "item:delete",
        "item:move",
        "item:copy",
        "folder:create",
        "folder:update",
        "folder:delete",
        "shortcut:create",
        "link:create",
        "inbox:send",
    ];
    let administer: &[&str] =
        &["vault:update", "vault:delete", "access:manage", "bin:manage", "activityLog:read"];
    let granted = match role {
        Role::None => &[][..],
        Role::Read => &[read],
        Role::Edit => &[read, edit],
        Role::Administer => &[read, edit, administer],
    };
    granted.concat().into_iter().map(str::to_owned).collect()
}

/// In SQL, for the user `?1`: `limited`, the vaults where the user's role is not the same everywhere,
/// and `access`, the role in each folder of those.
pub(crate) const FOLDER_ROLES: &str = "WITH RECURSIVE
    limited (vault_id, role) AS (
      SELECT vault_id, role FROM vault_users
      WHERE user_id = ?1 AND vault_id IN (SELECT vault_id FROM folder_users WHERE user_id = ?1)),
    access (folder_id, parent, role) AS (
      SELECT f.id, f.parent_folder_id, coalesce(g.role, l.role) FROM folders f JOIN limited l ON l.vault_id = f.vault_id
        LEFT JOIN folder_users g ON g.folder_id = f.id AND g.user_id = ?1 AND g.vault_id = f.vault_id
        WHERE f.parent_folder_id IS NULL
      UNION ALL
      SELECT f.id, f.parent_folder_id, coalesce(g.role, a.role)
        FROM access a JOIN folders f ON f.parent_folder_id = a.folder_id
        LEFT JOIN folder_users g ON g.folder_id = f.id AND g.user_id = ?1 AND g.vault_id = f.vault_id) ";

/// Whether the caller has roles in folders, so that [`FOLDER_ROLES`] must be asked.
pub(crate) fn is_limited(conn: &Connection, caller: &Caller) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM folder_users WHERE user_id = ?1)")?
        .query_row([&caller.user], |row| row.get(0))?)
}

/// The caller may look at what is theirs in this place.
#[derive(Clone)]
pub(crate) struct Reader {
    vault: VaultId,
    encrypted: bool,
    role: Role,
}

/// The caller may also change what is in this place.
pub(crate) struct Editor(Reader);

/// The caller may also change the place itself, and who may do what there.
pub(crate) struct Owner(Reader);

/// What a user's rights in a vault look like.
struct Standing {
    role: Role,
    encrypted: bool,
    /// There are roles in folders that differ.
    limited: bool,
}

fn standing(conn: &Connection, user: &UserId, vault: &VaultId) -> Result<Option<Standing>> {
    Ok(conn
        .prepare_cached(
            "SELECT u.role, v.encrypted,
                    EXISTS (SELECT 1 FROM folder_users WHERE user_id = ?2 AND vault_id = ?1)
             FROM vault_users u JOIN vaults v ON v.id = u.vault_id
             JOIN users w ON w.id = u.user_id AND w.blocked = 0 AND w.deleted = 0
             WHERE u.vault_id = ?1 AND u.user_id = ?2",
        )?
        .query_row(params![vault, user], |row| {
            Ok(Standing { role: role_of(row.get(0)?), encrypted: row.get(1)?, limited: row.get(2)? })
        })
        .optional()?)
}

fn role_in_folder(conn: &Connection, user: &UserId, folder: &FolderId) -> Result<Option<Role>> {
    Ok(conn
        .prepare_cached(
            "WITH RECURSIVE up (id, parent, depth) AS (
               SELECT id, parent_folder_id, 0 FROM folders WHERE id = ?1
               UNION ALL
               SELECT f.id, f.parent_folder_id, up.depth + 1 FROM folders f JOIN up ON f.id = up.parent)
             SELECT g.role FROM up JOIN folder_users g ON g.folder_id = up.id AND g.user_id = ?2
             ORDER BY depth LIMIT 1",
        )?
        .query_row(params![folder, user], |row| row.get(0).map(role_of))
        .optional()?)
}

impl Reader {
    /// A vault where the caller may see nothing is a vault that is not there. One with a readable
    /// folder in it is there, since its key is needed; lists show only what may be read.
    pub fn of(conn: &Connection, caller: &Caller, vault: &VaultId) -> Result<Self> {
        let missing = || Refusal::not_found("vault");
        let found = standing(conn, &caller.user, vault)?.ok_or_else(missing)?;
        let visible = found.role >= Role::Read
            || found.limited
                && conn
                    .prepare_cached(
                        "SELECT EXISTS (SELECT 1 FROM folder_users
                                        WHERE user_id = ?1 AND vault_id = ?2 AND role >= 1)",
                    )?
                    .query_row(params![caller.user, vault], |row| row.get(0))?;
        if !visible {
            return Err(missing());
        }
        Ok(Self { vault: vault.clone(), encrypted: found.encrypted, role: found.role })
    }

    /// The place of an object: a folder of a vault, or the vault's top. `what` is said not to be there
    /// where the caller may not read it.
    pub fn at(
        conn: &Connection,
        caller: &Caller,
        vault: &VaultId,
        folder: Option<&FolderId>,
        what: &str,
    ) -> Result<Self> {
        Self::of_user(conn, &caller.user, vault, folder, what)
    }

    /// The same for another user than the caller: what somebody made for others is worth what its maker may do.
    pub fn of_user(
        conn: &Connection,
        user: &UserId,
        vault: &VaultId,
        folder: Option<&FolderId>,
        what: &str,
    ) -> Result<Self> {
        let missing = || Refusal::not_found(what);
        let mut found = standing(conn, user, vault)?.ok_or_else(missing)?;
        if let (true, Some(folder)) = (found.limited, folder)
            && let Some(role) = role_in_folder(conn, user, folder)?
        {
            found.role = role;
        }
        if found.role < Role::Read {
            return Err(missing());
        }
        Ok(Self { vault: vault.clone(), encrypted: found.encrypted, role: found.role })
    }

    pub fn vault(&self) -> &VaultId {
        &self.vault
    }

    /// Whether the vault has a master key.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The same place with no higher role than the other's.
    pub fn at_most(self, other: &Self) -> Self {
        Self { role: self.role.min(other.role), ..self }
    }

    /// What the caller may do here, in the words of Passwork's own client.
    pub fn permissions(&self) -> Vec<String> {
        permissions(self.role)
    }

    /// What the caller may do here.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether the caller may change who may do what here.
    pub fn is_owner(&self) -> bool {
        self.role >= Role::Administer
    }

    pub fn into_editor(self) -> Result<Editor> {
        if self.role >= Role::Edit { Ok(Editor(self)) } else { Err(Refusal::denied()) }
    }

    pub fn into_owner(self) -> Result<Owner> {
        if self.is_owner() { Ok(Owner(self)) } else { Err(Refusal::denied()) }
    }
}

impl std::ops::Deref for Editor {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.0
    }
}

impl std::ops::Deref for Owner {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.0
    }
}

/// Whether the caller may edit every folder from this one down: what is above them is not theirs to
/// throw away.
pub(crate) fn check_edits_all_below(conn: &Connection, caller: &Caller, folder: &FolderId) -> Result<()> {
    if !is_limited(conn, caller)? {
        return Ok(());
    }
    let sql = format!(
        "{FOLDER_ROLES}, below (id) AS (
           SELECT id FROM folders WHERE id = ?2
           UNION ALL SELECT f.id FROM folders f JOIN below b ON f.parent_folder_id = b.id)
         SELECT EXISTS (SELECT 1 FROM access WHERE role < 2 AND folder_id IN (SELECT id FROM below))"
    );
    let spared: bool =
        conn.prepare_cached(&sql)?.query_row(params![caller.user, folder], |row| row.get(0))?;
    if spared { Err(Refusal::denied()) } else { Ok(()) }
}
