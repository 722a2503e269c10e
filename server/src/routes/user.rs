//! Users and their keys.

use super::{Context, Request};
use crate::error::Result;
use crate::id::{UserId, random};
use crate::json::text;
use crate::store::user;
use keyferry_api::user::{MasterKeyOptions, NewMasterKeyOptions, NewUser, PublicKey, UserKeys};
use keyferry_api::{Created, List};

pub(super) fn info(context: &Context<'_>) -> Result<Vec<u8>> {
    text(&user::info(context.conn, &context.caller.user)?)
}

pub(super) fn list(context: &Context<'_>) -> Result<Vec<u8>> {
    text(&List { items: user::list(context.conn)? })
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    user::check_admin(context.conn, context.caller)?;
    let new: NewUser = request.body.parse()?;
    let hash = user::hash_password(&new.password)?;
    text(&Created { id: user::create(context.conn, new, &hash)?.into() })
}

pub(super) fn keys(context: &Context<'_>) -> Result<Vec<u8>> {
    let user = &context.caller.user;
    text(&UserKeys { id: user.clone().into(), keys: user::keys(context.conn, user)? })
}

pub(super) fn public_key(context: &Context<'_>, id: &str) -> Result<Vec<u8>> {
    let keys = user::keys(context.conn, &id.parse::<UserId>()?)?;
    text(&PublicKey { public_key: keys.map(|keys| keys.public) })
}

pub(super) fn options(context: &Context<'_>) -> Result<Vec<u8>> {
    text(&MasterKeyOptions {
        master_key_options: user::master_key_options(context.conn, &context.caller.user)?,
    })
}

pub(super) fn new_options() -> Result<Vec<u8>> {
    let salt = data_encoding::HEXLOWER.encode(&random::<10>()?);
    text(&NewMasterKeyOptions { salt, iterations: 300_000, bytes: 64, digest: "sha256".to_owned() })
}
