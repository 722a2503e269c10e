//! Users and their keys.

use super::{Context, Request, Visit};
use crate::error::{Refusal, Result};
use crate::id::{UserId, random};
use crate::json::text;
use crate::store::{user, vault};
use keyferry_api::user::{MasterKeyOptions, NewMasterKeyOptions, NewUser, PublicKey, UserKeys};
use keyferry_api::{Created, List};

pub(super) fn info(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&user::info(context.conn, &context.caller.user)?)
}

pub(super) fn list(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    let whole = user::is_admin(context.conn, context.caller)?;
    text(&List { items: user::list(context.conn, whole)? })
}

/// A request for a new user with its password hashed, which takes its time: before the transaction that other writers wait
/// for, and only for who may make users.
pub(super) fn prepared(visit: &Visit<'_>, mut request: Request) -> Result<Request> {
    visit.environment.store().read(|conn| {
        let caller = visit.caller(conn)?;
        user::check_admin(conn, &caller)
    })?;
    // Asked again within the transaction: rights may change meanwhile.
    request.password_hash = Some(user::hash_password(&request.body.peek::<NewUser>()?.password)?);
    Ok(request)
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    user::check_admin(context.conn, context.caller)?;
    let hash = request.password_hash;
    let new: NewUser = request.body.parse()?;
    let hash = hash.map_or_else(|| user::hash_password(&new.password), Ok)?;
    let id = user::create(context.conn, new, &hash)?;
    context.record("user.create", id.as_str(), None);
    text(&Created { id: id.into() })
}

pub(super) fn keys(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    let user = &context.caller.user;
    text(&UserKeys { id: user.clone().into(), keys: user::keys(context.conn, user)? })
}

pub(super) fn public_key(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let keys = user::keys(context.conn, &request.id::<UserId>()?)?;
    text(&PublicKey { public_key: keys.map(|keys| keys.public) })
}

/// Users see their own rights; the environment's first user sees everybody's.
pub(super) fn rights(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<UserId>()?;
    if id != context.caller.user && !user::is_admin(context.conn, context.caller)? {
        return Err(Refusal::denied());
    }
    user::info(context.conn, &id)?;
    text(&List { items: vault::rights(context.conn, &id)? })
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
