//! Users and their keys.

use super::{Context, Request, Visit};
use crate::error::Result;
use crate::id::{UserId, random};
use crate::json::text;
use crate::store::{rights, role, user};
use keyferry_api::user::{
    AdminRight, FirstKeys, MasterKeyOptions, NewMasterKeyOptions, NewUser, PublicKey, UserChange, UserKeys,
};
use keyferry_api::{Created, Empty, List};

pub(super) fn info(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&user::info(context.conn, &context.caller.user)?)
}

pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let whole = role::allows(context.conn, context.caller, AdminRight::UserRead)?;
    let mut items = user::list(context.conn, whole)?;
    if let Some(search) = request.param("search").map(str::to_lowercase) {
        let hit = |text: &str| text.to_lowercase().contains(&search);
        items.retain(|user| {
            hit(&user.username) || [&user.email, &user.full_name].into_iter().flatten().any(|text| hit(text))
        });
    }
    text(&List { items: request.page(items)? })
}

/// All that is looked at before the transaction.
#[derive(serde::Deserialize)]
struct GivenPassword {
    #[serde(default)]
    password: Option<String>,
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<UserId>()?;
    let whole =
        id == context.caller.user || role::allows(context.conn, context.caller, AdminRight::UserRead)?;
    text(&user::shown(user::info(context.conn, &id)?, whole))
}

/// Nobody changes a user who may do more.
pub(super) fn update(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, hash) = (request.id::<UserId>()?, request.password_hash.clone());
    let mut change: UserChange = request.body.parse()?;
    // Typed clients send an empty one for none.
    change.password = change.password.filter(|password| !password.is_empty());
    // To give a role is a right of its own; `user::change` looks at which may be given.
    let only_role = UserChange { user_role_id: None, ..change.clone() }.is_empty();
    let right = if only_role { AdminRight::RoleManage } else { AdminRight::UserUpdate };
    role::check_over(context.conn, context.caller, right, &id)?;
    let hash = match (hash, &change.password) {
        (None, Some(password)) => Some(user::hash_new_password(password)?),
        (hash, _) => hash,
    };
    user::change(context.conn, context.caller, &id, change, hash.as_deref())?;
    context.record("user.update", id.as_str(), None);
    text(&Empty {})
}

pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<UserId>()?;
    role::check_over(context.conn, context.caller, AdminRight::UserDelete, &id)?;
    user::delete(context.conn, &id)?;
    context.record("user.delete", id.as_str(), None);
    text(&Empty {})
}

fn set_blocked(context: &Context<'_>, request: Request, blocked: bool) -> Result<Vec<u8>> {
    let id = request.id::<UserId>()?;
    role::check_over(context.conn, context.caller, AdminRight::UserBlock, &id)?;
    user::set_blocked(context.conn, &id, blocked)?;
    context.record(if blocked { "user.block" } else { "user.unblock" }, id.as_str(), None);
    text(&Empty {})
}

pub(super) fn block(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    set_blocked(context, request, true)
}

pub(super) fn unblock(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    set_blocked(context, request, false)
}

/// A request for a new user with its password hashed, which takes its time: before the transaction that other writers wait
/// for, and only for who may make users.
pub(super) fn prepared(visit: &Visit<'_>, mut request: Request) -> Result<Request> {
    let given: GivenPassword = request.body.peek()?;
    let Some(password) = given.password.filter(|password| !password.is_empty()) else { return Ok(request) };
    visit.environment.store().read(|conn| {
        let caller = visit.caller(conn)?;
        let right =
            if request.segment("id").is_empty() { AdminRight::UserCreate } else { AdminRight::UserUpdate };
        role::check(conn, &caller, right)
    })?;
    // Asked again within the transaction: rights may change meanwhile.
    request.password_hash = Some(user::hash_new_password(&password)?);
    Ok(request)
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::UserCreate)?;
    let hash = request.password_hash;
    let mut new: NewUser = request.body.parse()?;
    new.password = new.password.filter(|password| !password.is_empty());
    let hash = match (hash, &new.password) {
        (Some(hash), _) => hash,
        (None, Some(password)) => user::hash_new_password(password)?,
        // No password has this hash.
        (None, None) => String::new(),
    };
    let id = user::create(context.conn, Some(context.caller), new, &hash)?;
    context.record("user.create", id.as_str(), None);
    text(&Created { id: id.into() })
}

pub(super) fn keys(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    let user = &context.caller.user;
    text(&UserKeys { id: user.clone().into(), keys: user::keys(context.conn, user)? })
}

/// For who was made without keys, as people are whom an administrator adds. Others keep theirs: copies of vault keys were
/// wrapped for them.
pub(super) fn set_keys(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let keys: FirstKeys = request.body.parse()?;
    user::set_keys(context.conn, &context.caller.user, &keys)?;
    context.record("user.keys", context.caller.user.as_str(), None);
    text(&Empty {})
}

pub(super) fn public_key(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let keys = user::keys(context.conn, &request.id::<UserId>()?)?;
    text(&PublicKey { public_key: keys.map(|keys| keys.public) })
}

/// Users see their own rights; those whose role allows it see everybody's.
pub(super) fn rights(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<UserId>()?;
    if id != context.caller.user {
        role::check(context.conn, context.caller, AdminRight::AccessRead)?;
    }
    user::info(context.conn, &id)?;
    text(&List { items: rights::of_user(context.conn, &id)? })
}

pub(super) fn options(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&MasterKeyOptions {
        master_key_options: user::master_key_options(context.conn, &context.caller.user)?,
    })
}

pub(super) fn new_options(_: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    let salt = data_encoding::HEXLOWER.encode(&random::<10>()?);
    text(&NewMasterKeyOptions { salt, iterations: 300_000, bytes: 64, digest: "sha256".to_owned() })
}
