//! What users may do to the environment itself.

use super::{Context, Request};
use crate::error::Result;
use crate::id::UserRoleId;
use crate::json::text;
use crate::store::role;
use keyferry_api::user::{AdminRight, NewUserRole, UserRoleChange};
use keyferry_api::{Created, Empty, List};

pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let only_manageable =
        request.param("isOnlyManageable").is_some_and(|value| !["", "0", "false"].contains(&value));
    text(&List { items: role::list(context.conn, context.caller, only_manageable)? })
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    text(&role::get(context.conn, &request.id::<UserRoleId>()?)?)
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::RoleManage)?;
    let new: NewUserRole = request.body.parse()?;
    let id = role::create(context.conn, context.caller, new)?;
    context.record("user-role.create", id.as_str(), None);
    text(&Created { id: id.into() })
}

pub(super) fn update(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::RoleManage)?;
    let id = request.id::<UserRoleId>()?;
    let change: UserRoleChange = request.body.parse()?;
    role::change(context.conn, context.caller, &id, change)?;
    context.record("user-role.update", id.as_str(), None);
    text(&Empty {})
}

pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::RoleManage)?;
    let id = request.id::<UserRoleId>()?;
    role::delete(context.conn, context.caller, &id)?;
    context.record("user-role.delete", id.as_str(), None);
    text(&Empty {})
}
