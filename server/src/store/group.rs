//! Groups of users: names for several at once. Rights are each user's own, since with client-side encryption each needs a
//! copy of the key that only somebody who has it can wrap.

use super::check_name;
use crate::error::{Refusal, Result};
use crate::id::{UserGroupId, UserId};
use keyferry_api::user::UserGroup;
use rusqlite::{Connection, OptionalExtension as _, params};

/// Every group with its members.
pub(crate) fn list(conn: &Connection) -> Result<Vec<UserGroup>> {
    let mut statement = conn.prepare_cached("SELECT id, name FROM user_groups ORDER BY seq")?;
    let groups: Vec<(UserGroupId, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
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
    Ok(statement.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
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

/// Removes a group; its members stay.
pub(crate) fn delete(conn: &Connection, id: &UserGroupId) -> Result<()> {
    get(conn, id)?;
    conn.prepare_cached("DELETE FROM user_groups WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Adds members, or takes them out; all of them exist, or none is changed.
pub(crate) fn change_members(conn: &Connection, id: &UserGroupId, users: &[String], add: bool) -> Result<()> {
    get(conn, id)?;
    let sql = if add {
        "INSERT OR IGNORE INTO user_group_members (group_id, user_id) VALUES (?1, ?2)"
    } else {
        "DELETE FROM user_group_members WHERE group_id = ?1 AND user_id = ?2"
    };
    for user in users {
        let user = user.parse::<UserId>()?;
        super::user::info(conn, &user)?;
        conn.prepare_cached(sql)?.execute(params![id, user])?;
    }
    Ok(())
}
