//! Groups of users. What a group may do, each of its members may, from the moment they are in it to the moment they are not.

use super::check_name;
use super::rights::{keeping_administrators, settle, vaults_of_group};
use super::role;
use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::id::{UserGroupId, UserId};
use keyferry_api::user::UserGroup;
use keyferry_sql::{self as sql, Connection, Optional as _, params};

/// Every group with its members.
pub(crate) fn list(conn: &Connection) -> Result<Vec<UserGroup>> {
    let mut statement = conn.prepare_cached("SELECT id, name FROM user_groups ORDER BY seq")?;
    let groups: Vec<(UserGroupId, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<sql::Result<_>>()?;
    groups
        .into_iter()
        .map(|(id, name)| Ok(UserGroup { user_ids: members(conn, &id)?, id: id.into(), name }))
        .collect()
}

/// One group with its members.
pub(crate) fn get(conn: &Connection, id: &UserGroupId) -> Result<UserGroup> {
    let name = conn
        .prepare_cached("SELECT name FROM user_groups WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Refusal::not_found("group"))?;
    Ok(UserGroup { user_ids: members(conn, id)?, id: id.as_str().to_owned(), name })
}

fn members(conn: &Connection, id: &UserGroupId) -> Result<Vec<String>> {
    let mut statement =
        conn.prepare_cached("SELECT user_id FROM user_group_members WHERE group_id = ?1 ORDER BY user_id")?;
    Ok(statement.query_map([id], |row| row.get(0))?.collect::<sql::Result<_>>()?)
}

/// Makes a group without members.
pub(crate) fn create(conn: &Connection, name: &str) -> Result<UserGroupId> {
    check_name(name)?;
    let id = UserGroupId::fresh()?;
    conn.prepare_cached("INSERT INTO user_groups (id, name) VALUES (?1, ?2)")?.execute(params![id, name])?;
    Ok(id)
}

/// Renames a group.
pub(crate) fn rename(conn: &Connection, id: &UserGroupId, name: &str) -> Result<()> {
    check_name(name)?;
    get(conn, id)?;
    conn.prepare_cached("UPDATE user_groups SET name = ?2 WHERE id = ?1")?.execute(params![id, name])?;
    Ok(())
}

/// Removes a group with all its rights; its members stay. A vault keeps an administrator.
pub(crate) fn delete(conn: &Connection, id: &UserGroupId) -> Result<()> {
    let members = get(conn, id)?.user_ids;
    let vaults = vaults_of_group(conn, id)?;
    keeping_administrators(conn, &vaults, || {
        conn.prepare_cached("DELETE FROM user_groups WHERE id = ?1")?.execute([id])?;
        for member in &members {
            let member = member.parse::<UserId>()?;
            vaults.iter().try_for_each(|vault| settle(conn, vault, &member))?;
        }
        Ok(())
    })
}

/// Adds members, or takes them out; all of them exist, or none is changed. A vault keeps an administrator. Whoever is no
/// administrator of the environment does not take part in a group's rights by adding themselves.
pub(crate) fn change_members(
    conn: &Connection,
    caller: &Caller,
    id: &UserGroupId,
    users: &[String],
    add: bool,
) -> Result<()> {
    get(conn, id)?;
    let vaults = vaults_of_group(conn, id)?;
    let sql = if add {
        "INSERT INTO user_group_members (group_id, user_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM user_group_members WHERE group_id = ?1 AND user_id = ?2"
    };
    keeping_administrators(conn, &vaults, || {
        for user in users {
            let user = user.parse::<UserId>()?;
            super::user::info(conn, &user)?;
            if add && user == caller.user && !vaults.is_empty() && !role::is_administrator(conn, &user)? {
                return Err(Refusal::denied());
            }
            conn.prepare_cached(sql)?.execute(params![id, user])?;
            vaults.iter().try_for_each(|vault| settle(conn, vault, &user))?;
        }
        Ok(())
    })
}

/// Whether a user is in a group.
pub(crate) fn has_member(conn: &Connection, id: &UserGroupId, user: &UserId) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM user_group_members WHERE group_id = ?1 AND user_id = ?2)",
        )?
        .query_row(params![id, user], |row| row.get(0))?)
}
