//! Groups of users; for administrators, but for looking.

use super::{Context, Request};
use crate::error::Result;
use crate::id::UserGroupId;
use crate::json::text;
use crate::store::{group, user};
use keyferry_api::user::{GroupMembers, NewUserGroup};
use keyferry_api::{Created, Empty, List};

pub(super) fn list(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&List { items: group::list(context.conn)? })
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    text(&group::get(context.conn, &request.id::<UserGroupId>()?)?)
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    user::check_admin(context.conn, context.caller)?;
    let new: NewUserGroup = request.body.parse()?;
    let id = group::create(context.conn, &new.name)?;
    context.record("user-group.create", id.as_str(), None);
    text(&Created { id: id.into() })
}

pub(super) fn rename(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    user::check_admin(context.conn, context.caller)?;
    let id = request.id::<UserGroupId>()?;
    let new: NewUserGroup = request.body.parse()?;
    group::rename(context.conn, &id, &new.name)?;
    context.record("user-group.rename", id.as_str(), None);
    text(&Empty {})
}

pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    user::check_admin(context.conn, context.caller)?;
    let id = request.id::<UserGroupId>()?;
    group::delete(context.conn, &id)?;
    context.record("user-group.delete", id.as_str(), None);
    text(&Empty {})
}

fn members(context: &Context<'_>, request: Request, add: bool, action: &'static str) -> Result<Vec<u8>> {
    user::check_admin(context.conn, context.caller)?;
    let id = request.id::<UserGroupId>()?;
    let members: GroupMembers = request.body.parse()?;
    group::change_members(context.conn, &id, &members.user_ids, add)?;
    context.record(action, id.as_str(), None);
    text(&Empty {})
}

pub(super) fn add(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    members(context, request, true, "user-group.add-users")
}

pub(super) fn remove(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    members(context, request, false, "user-group.remove-users")
}
