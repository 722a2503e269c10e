//! Vaults and their types.

use super::{Context, Request};
use crate::access::Reader;
use crate::error::Result;
use crate::id::{VaultId, VaultTypeId};
use crate::json::text;
use crate::store::{grants, role, vault};
use keyferry_api::user::AdminRight;
use keyferry_api::vault::{GroupRight, NewVault, NewVaultType, Rename, VaultKeys, VaultUser};
use keyferry_api::{Created, Empty, List};

fn reader(context: &Context<'_>, request: &Request) -> Result<Reader> {
    Reader::of(context.conn, context.caller, &request.id::<VaultId>()?)
}

pub(super) fn list(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&List { items: vault::list(context.conn, context.caller)? })
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::VaultCreate)?;
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

pub(super) fn groups(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    text(&List { items: grants::groups(context.conn, reader(context, &request)?.vault())? })
}

pub(super) fn grant_group(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let owner = reader(context, &request)?.into_owner()?;
    let grant: GroupRight = request.body.parse()?;
    let group = grant.group_id.clone();
    let granted = grants::to_group(context.conn, &owner, grant)?;
    context.record("vault.grant-group", &group, Some(owner.vault()));
    text(&granted)
}

/// Whoever administers the vault may know, since they can give what is lacking.
pub(super) fn without_key(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let owner = reader(context, &request)?.into_owner()?;
    text(&List { items: grants::without_key(context.conn, &owner)? })
}

pub(super) fn give_keys(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let owner = reader(context, &request)?.into_owner()?;
    let keys: VaultKeys = request.body.parse()?;
    for user in grants::give_keys(context.conn, &owner, keys.master_keys_encrypted)? {
        context.record("vault.give-key", user.as_str(), Some(owner.vault()));
    }
    text(&Empty {})
}

pub(super) fn types(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&List { items: vault::all_types(context.conn)? })
}

pub(super) fn create_type(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::VaultTypeManage)?;
    let new: NewVaultType = request.body.parse()?;
    let id = vault::create_type(context.conn, new)?;
    context.record("vault-type.create", id.as_str(), None);
    text(&Created { id: id.into() })
}

pub(super) fn administrators(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    text(&List { items: vault::administrators(context.conn, &request.id::<VaultTypeId>()?)? })
}
