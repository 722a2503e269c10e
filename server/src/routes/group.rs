//! Groups of users; for those whose role allows it, but for looking.

use super::{Context, Request};
use crate::error::{Refusal, Result};
use crate::id::UserGroupId;
use crate::json::text;
use crate::store::{group, rights, role};
use keyferry_api::user::{AdminRight, GroupMembers, NewUserGroup};
use keyferry_api::{Created, Empty, List};

pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let mut items = group::list(context.conn)?;
    if let Some(search) = request.param("search").map(str::to_lowercase) {
        items.retain(|group| group.name.to_lowercase().contains(&search));
    }
    text(&List { items: request.page(items)? })
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    text(&group::get(context.conn, &request.id::<UserGroupId>()?)?)
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::GroupManage)?;
    let new: NewUserGroup = request.body.parse()?;
    let id = group::create(context.conn, &new.name)?;
    context.record("user-group.create", id.as_str(), None);
    group::change_members(context.conn, context.caller, &id, &new.user_ids, true)?;
    for user in &new.user_ids {
        context.record("user-group.add-users", user, None);
    }
    text(&Created { id: id.into() })
}

pub(super) fn rename(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::GroupManage)?;
    let id = request.id::<UserGroupId>()?;
    let new: NewUserGroup = request.body.parse()?;
    // Who reads a group and sends it back sends its members along.
    let same = || -> Result<bool> {
        let (mut have, mut given) = (group::get(context.conn, &id)?.user_ids, new.user_ids.clone());
        have.sort_unstable();
        given.sort_unstable();
        Ok(have == given)
    };
    if !new.user_ids.is_empty() && !same()? {
        let message = "This renames a group; add-users and remove-users change who is in it.";
        return Err(Refusal::invalid("userIds", message));
    }
    group::rename(context.conn, &id, &new.name)?;
    context.record("user-group.rename", id.as_str(), None);
    text(&Empty {})
}

pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::GroupManage)?;
    let id = request.id::<UserGroupId>()?;
    group::delete(context.conn, &id)?;
    context.record("user-group.delete", id.as_str(), None);
    text(&Empty {})
}

fn members(context: &Context<'_>, request: Request, add: bool, action: &'static str) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::GroupManage)?;
    let id = request.id::<UserGroupId>()?;
    let members: GroupMembers = request.body.parse()?;
    group::change_members(context.conn, context.caller, &id, &members.user_ids, add)?;
    context.record(action, id.as_str(), None);
    for user in &members.user_ids {
        context.record(action, user, None);
    }
    text(&Empty {})
}

pub(super) fn add(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    members(context, request, true, "user-group.add-users")
}

pub(super) fn remove(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    members(context, request, false, "user-group.remove-users")
}

/// What a group may do where; its members may know.
pub(super) fn rights(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<UserGroupId>()?;
    group::get(context.conn, &id)?;
    if !group::has_member(context.conn, &id, &context.caller.user)? {
        role::check(context.conn, context.caller, AdminRight::AccessRead)?;
    }
    text(&List { items: rights::of_group(context.conn, &id)? })
}
