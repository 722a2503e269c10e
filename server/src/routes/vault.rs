//! Vaults and their types.

use super::{Context, Request};
use crate::access::Reader;
use crate::error::Result;
use crate::id::{VaultId, VaultTypeId};
use crate::json::text;
use crate::store::{user, vault};
use keyferry_api::vault::{NewVault, NewVaultType, Rename, VaultUser};
use keyferry_api::{Created, Empty, List};

fn reader(context: &Context<'_>, request: &Request) -> Result<Reader> {
    Reader::of(context.conn, context.caller, &request.id::<VaultId>()?)
}

pub(super) fn list(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&List { items: vault::list(context.conn, context.caller)? })
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let new: NewVault = request.body.parse()?;
    let id = vault::create(context.conn, context.caller, new)?;
    context.record("vault.create", id.as_str(), Some(&id));
    text(&Created { id: id.into() })
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    text(&vault::get(context.conn, context.caller, &reader(context, &request)?)?)
}

pub(super) fn rename(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let owner = reader(context, &request)?.into_owner()?;
    let rename: Rename = request.body.parse()?;
    vault::rename(context.conn, &owner, &rename.name)?;
    context.record("vault.rename", owner.vault().as_str(), Some(owner.vault()));
    text(&Empty {})
}

pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let owner = reader(context, &request)?.into_owner()?;
    vault::delete(context.conn, &owner)?;
    context.record("vault.delete", owner.vault().as_str(), Some(owner.vault()));
    text(&Empty {})
}

pub(super) fn users(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    text(&List { items: vault::users(context.conn, &reader(context, &request)?)? })
}

pub(super) fn grant(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let owner = reader(context, &request)?.into_owner()?;
    let grant: VaultUser = request.body.parse()?;
    let user = grant.user_id.clone();
    vault::grant(context.conn, &owner, grant)?;
    context.record("vault.grant", &user, Some(owner.vault()));
    text(&Empty {})
}

pub(super) fn types(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&List { items: vault::all_types(context.conn)? })
}

pub(super) fn create_type(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    user::check_admin(context.conn, context.caller)?;
    let new: NewVaultType = request.body.parse()?;
    let id = vault::create_type(context.conn, new)?;
    context.record("vault-type.create", id.as_str(), None);
    text(&Created { id: id.into() })
}

pub(super) fn administrators(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    text(&List { items: vault::administrators(context.conn, &request.id::<VaultTypeId>()?)? })
}
