//! What users may do to the environment itself: each has one role, and a role allows some of [`AdminRight`]. Nobody gives
//! more than they have, nor changes who has more: else any of these rights would be all of them.

use super::{LINE, check_length, check_name};
use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::id::{UserId, UserRoleId};
use keyferry_api::user::{AdminRight, NewUserRole, UserRole, UserRoleChange};
use keyferry_sql::{self as sql, Connection, Optional as _, params};

/// The role of the environment's first user; it allows everything.
pub(crate) const ADMINISTRATOR: &str = "administrator";
/// The role of users who were given no other.
pub(crate) const USER: &str = "user";
/// What everybody may whose role is the usual one.
const USUAL: [AdminRight; 2] = [AdminRight::VaultCreate, AdminRight::LinkCreate];

/// What a role allows.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights(Vec<AdminRight>);

impl Rights {
    pub fn allow(&self, right: AdminRight) -> bool {
        self.0.contains(&right)
    }

    /// Whether these allow nothing that those do not, but for what is usual.
    fn within(&self, those: &Self) -> bool {
        self.0.iter().all(|right| USUAL.contains(right) || those.allow(*right))
    }
}

struct Stored {
    id: UserRoleId,
    code: String,
    name: String,
    rights: Rights,
}

fn find(conn: &Connection, id_or_code: &str) -> Result<Option<Stored>> {
    let found: Option<(UserRoleId, String, String)> = conn
        .prepare_cached("SELECT id, code, name FROM user_roles WHERE id = ?1 OR code = ?1")?
        .query_row([id_or_code], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((id, code, name)) = found else { return Ok(None) };
    let rights = match code.as_str() {
        ADMINISTRATOR => AdminRight::ALL.to_vec(),
        USER => USUAL.to_vec(),
        _ => {
            let mut statement =
                conn.prepare_cached("SELECT \"right\" FROM user_role_rights WHERE role_id = ?1")?;
            let words: Vec<String> =
                statement.query_map([&id], |row| row.get(0))?.collect::<sql::Result<_>>()?;
            AdminRight::ALL
                .into_iter()
                .filter(|right| words.iter().any(|word| word == right.word()))
                .collect()
        }
    };
    Ok(Some(Stored { id, code, name, rights: Rights(rights) }))
}

fn known(conn: &Connection, id: &UserRoleId) -> Result<Stored> {
    // A code may be spelt as the id of a role that is gone.
    find(conn, id.as_str())?.filter(|role| role.id == *id).ok_or_else(|| Refusal::not_found("role"))
}

/// What a user's role allows.
pub(crate) fn rights_of(conn: &Connection, user: &UserId) -> Result<Rights> {
    let role: Option<String> = conn
        .prepare_cached("SELECT role_id FROM users WHERE id = ?1 AND blocked = 0 AND deleted = 0")?
        .query_row([user], |row| row.get(0))
        .optional()?
        .flatten();
    let role = role.map(|role| find(conn, &role)).transpose()?.flatten();
    Ok(role.map(|role| role.rights).unwrap_or_default())
}

/// Whether the caller's role allows this.
pub(crate) fn allows(conn: &Connection, caller: &Caller, right: AdminRight) -> Result<bool> {
    Ok(rights_of(conn, &caller.user)?.allow(right))
}

/// Makes sure of it.
pub(crate) fn check(conn: &Connection, caller: &Caller, right: AdminRight) -> Result<()> {
    if allows(conn, caller, right)? { Ok(()) } else { Err(Refusal::denied()) }
}

/// Makes sure of it, and that the user whom it is about may do no more than the caller.
pub(crate) fn check_over(conn: &Connection, caller: &Caller, right: AdminRight, user: &UserId) -> Result<()> {
    check(conn, caller, right)?;
    let (theirs, own) = (rights_of_role(conn, user)?, rights_of(conn, &caller.user)?);
    if theirs.within(&own) { Ok(()) } else { Err(Refusal::denied()) }
}

/// What a user's role allows, also while they are blocked.
fn rights_of_role(conn: &Connection, user: &UserId) -> Result<Rights> {
    let role: Option<String> = conn
        .prepare_cached("SELECT role_id FROM users WHERE id = ?1")?
        .query_row([user], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(role.map(|role| find(conn, &role)).transpose()?.flatten().map(|role| role.rights).unwrap_or_default())
}

/// Whether a user is an administrator: the one role that cannot be left without a holder.
pub(crate) fn is_administrator(conn: &Connection, user: &UserId) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM users u JOIN user_roles r ON r.id = u.role_id
                            WHERE u.id = ?1 AND r.code = ?2)",
        )?
        .query_row(params![user, ADMINISTRATOR], |row| row.get(0))?)
}

/// Makes sure that somebody else than this user is an administrator.
pub(crate) fn keep_an_administrator(conn: &Connection, user: &UserId) -> Result<()> {
    let others: bool = conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM users u JOIN user_roles r ON r.id = u.role_id
                            WHERE r.code = ?2 AND u.blocked = 0 AND u.deleted = 0 AND u.id <> ?1)",
        )?
        .query_row(params![user, ADMINISTRATOR], |row| row.get(0))?;
    if others { Ok(()) } else { Err(Refusal::conflict("An environment keeps at least one administrator.")) }
}

/// The role that a request names for a user, by its id or code; `None` where that is theirs already. The caller must be one
/// who gives roles, and this one must allow no more than theirs.
pub(crate) fn to_give(
    conn: &Connection,
    caller: Option<&Caller>,
    now: &str,
    id_or_code: &str,
) -> Result<Option<UserRoleId>> {
    let role =
        find(conn, id_or_code)?.ok_or_else(|| Refusal::invalid("userRoleId", "There is no such role."))?;
    if role.id.as_str() == now || role.code == now {
        return Ok(None);
    }
    if let Some(caller) = caller {
        check(conn, caller, AdminRight::RoleManage)?;
        if !role.rights.within(&rights_of(conn, &caller.user)?) {
            return Err(Refusal::denied());
        }
    }
    Ok(Some(role.id))
}

/// The id of one of the two roles that are always there.
pub(crate) fn id_of(conn: &Connection, code: &str) -> Result<UserRoleId> {
    Ok(conn
        .prepare_cached("SELECT id FROM user_roles WHERE code = ?1")?
        .query_row([code], |row| row.get(0))?)
}

fn shown(role: Stored) -> UserRole {
    UserRole {
        id: role.id.into(),
        is_default: role.code == USER,
        code: role.code,
        name: role.name,
        rights: role.rights.0.into_iter().map(|right| right.word().to_owned()).collect(),
    }
}

/// Every role, or those that the caller may give.
pub(crate) fn list(conn: &Connection, caller: &Caller, only_manageable: bool) -> Result<Vec<UserRole>> {
    let mut statement = conn.prepare_cached("SELECT id FROM user_roles ORDER BY seq")?;
    let ids: Vec<UserRoleId> = statement.query_map([], |row| row.get(0))?.collect::<sql::Result<_>>()?;
    let own = rights_of(conn, &caller.user)?;
    let mut all = Vec::new();
    for id in ids {
        let role = known(conn, &id)?;
        let manageable = role.code == USER || own.allow(AdminRight::RoleManage) && role.rights.within(&own);
        if manageable || !only_manageable {
            all.push(shown(role));
        }
    }
    Ok(all)
}

/// One role.
pub(crate) fn get(conn: &Connection, id: &UserRoleId) -> Result<UserRole> {
    known(conn, id).map(shown)
}

fn set_rights(conn: &Connection, caller: &Caller, id: &UserRoleId, rights: Vec<AdminRight>) -> Result<()> {
    let rights = Rights(rights);
    if !rights.within(&rights_of(conn, &caller.user)?) {
        return Err(Refusal::denied());
    }
    conn.prepare_cached("DELETE FROM user_role_rights WHERE role_id = ?1")?.execute([id])?;
    for right in rights.0 {
        conn.prepare_cached(
            "INSERT INTO user_role_rights (role_id, \"right\") VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?
        .execute(params![id, right.word()])?;
    }
    Ok(())
}

/// Makes a role.
pub(crate) fn create(conn: &Connection, caller: &Caller, new: NewUserRole) -> Result<UserRoleId> {
    check_name(&new.name)?;
    let id = UserRoleId::fresh()?;
    let code = new.code.filter(|code| !code.is_empty()).unwrap_or_else(|| id.as_str().to_owned());
    check_length("code", &code, LINE)?;
    if find(conn, &code)?.is_some() {
        return Err(Refusal::invalid("code", "A code is needed that no other role has."));
    }
    conn.prepare_cached("INSERT INTO user_roles (id, code, name) VALUES (?1, ?2, ?3)")?
        .execute(params![id, code, new.name])?;
    set_rights(conn, caller, &id, new.rights)?;
    Ok(id)
}

/// A role that may be changed: not one of those that are always there, and one that allows no more than the caller's own.
fn changeable(conn: &Connection, caller: &Caller, id: &UserRoleId) -> Result<Stored> {
    let role = known(conn, id)?;
    if [ADMINISTRATOR, USER].contains(&role.code.as_str()) {
        return Err(Refusal::conflict("This role is always there, as it is."));
    }
    if !role.rights.within(&rights_of(conn, &caller.user)?) {
        return Err(Refusal::denied());
    }
    Ok(role)
}

/// Changes what is given of a role.
pub(crate) fn change(
    conn: &Connection,
    caller: &Caller,
    id: &UserRoleId,
    change: UserRoleChange,
) -> Result<()> {
    changeable(conn, caller, id)?;
    if let Some(name) = change.name {
        check_name(&name)?;
        conn.prepare_cached("UPDATE user_roles SET name = ?2 WHERE id = ?1")?.execute(params![id, name])?;
    }
    match change.rights {
        Some(rights) => set_rights(conn, caller, id, rights),
        None => Ok(()),
    }
}

/// Removes a role that nobody has.
pub(crate) fn delete(conn: &Connection, caller: &Caller, id: &UserRoleId) -> Result<()> {
    changeable(conn, caller, id)?;
    let holders: i64 = conn
        .prepare_cached("SELECT count(*) FROM users WHERE role_id = ?1 AND deleted = 0")?
        .query_row([id], |row| row.get(0))?;
    if holders > 0 {
        let message = format!("{holders} users have this role: give them another first.");
        return Err(Refusal::conflict(&message));
    }
    conn.prepare_cached("UPDATE users SET role_id = NULL WHERE role_id = ?1")?.execute([id])?;
    conn.prepare_cached("DELETE FROM user_roles WHERE id = ?1")?.execute([id])?;
    Ok(())
}
