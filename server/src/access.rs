//! Who may do what: the store takes a proof, and only a look into `vault_users` makes one.
//! What a function may do to a vault is thus in its signature.

use crate::error::{Refusal, Result};
use crate::id::{UserId, VaultId};
use keyferry_api::vault::Role;
use rusqlite::{Connection, OptionalExtension, params};

/// Whose request it is.
#[derive(Clone)]
pub(crate) struct Caller {
    pub user: UserId,
    pub session: i64,
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

/// The caller may read this vault.
pub(crate) struct Reader {
    vault: VaultId,
    encrypted: bool,
    role: Role,
}

/// The caller may also change what is in this vault.
pub(crate) struct Editor(Reader);

/// The caller may also change the vault itself.
pub(crate) struct Owner(Reader);

impl Reader {
    /// A vault that the caller may not see is a vault that is not there.
    pub fn of(conn: &Connection, caller: &Caller, vault: &VaultId) -> Result<Self> {
        let found = conn
            .prepare_cached(
                "SELECT u.role, v.encrypted FROM vault_users u JOIN vaults v ON v.id = u.vault_id
                 WHERE u.vault_id = ?1 AND u.user_id = ?2",
            )?
            .query_row(params![vault, caller.user], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))
            .optional()?;
        match found.map(|(role, encrypted)| (role_of(role), encrypted)) {
            Some((role, encrypted)) if role >= Role::Read => {
                Ok(Self { vault: vault.clone(), encrypted, role })
            }
            _ => Err(Refusal::not_found("vault")),
        }
    }

    pub fn vault(&self) -> &VaultId {
        &self.vault
    }

    /// Whether the vault has a master key.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    pub fn into_editor(self) -> Result<Editor> {
        if self.role >= Role::Edit { Ok(Editor(self)) } else { Err(Refusal::denied()) }
    }

    pub fn into_owner(self) -> Result<Owner> {
        if self.role >= Role::Administer { Ok(Owner(self)) } else { Err(Refusal::denied()) }
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
