//! Vaults.

use super::{Context, Request};
use crate::access::Reader;
use crate::error::Result;
use crate::id::VaultId;
use crate::json::text;
use crate::store::vault;
use keyferry_api::vault::{NewVault, Rename, VaultType};
use keyferry_api::{Created, Empty, List};

fn reader(context: &Context<'_>, id: &str) -> Result<Reader> {
    Reader::of(context.conn, context.caller, &id.parse::<VaultId>()?)
}

pub(super) fn list(context: &Context<'_>) -> Result<Vec<u8>> {
    text(&List { items: vault::list(context.conn, context.caller)? })
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let new: NewVault = request.body.parse()?;
    text(&Created { id: vault::create(context.conn, context.caller, new)?.into() })
}

pub(super) fn get(context: &Context<'_>, id: &str) -> Result<Vec<u8>> {
    text(&vault::get(context.conn, context.caller, &reader(context, id)?)?)
}

pub(super) fn rename(context: &Context<'_>, id: &str, request: Request) -> Result<Vec<u8>> {
    let owner = reader(context, id)?.into_owner()?;
    let rename: Rename = request.body.parse()?;
    vault::rename(context.conn, &owner, &rename.name)?;
    text(&Empty {})
}

pub(super) fn delete(context: &Context<'_>, id: &str) -> Result<Vec<u8>> {
    vault::delete(context.conn, &reader(context, id)?.into_owner()?)?;
    text(&Empty {})
}

pub(super) fn users(context: &Context<'_>, id: &str) -> Result<Vec<u8>> {
    text(&List { items: vault::users(context.conn, &reader(context, id)?)? })
}

pub(super) fn grant(context: &Context<'_>, id: &str, request: Request) -> Result<Vec<u8>> {
    let owner = reader(context, id)?.into_owner()?;
    vault::grant(context.conn, &owner, request.body.parse()?)?;
    text(&Empty {})
}

/// There are no vault types here; clients ask all the same.
pub(super) fn types() -> Result<Vec<u8>> {
    text(&List::<VaultType> { items: Vec::new() })
}
