//! The bin.

use super::{Context, Request};
use crate::access::Reader;
use crate::error::Result;
use crate::id::{BinItemId, VaultId};
use crate::json::text;
use crate::store::bin;
use keyferry_api::{Empty, List};

pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let vault = request.param("vaultId").map(str::parse::<VaultId>).transpose()?;
    if let Some(vault) = &vault {
        Reader::of(context.conn, context.caller, vault)?;
    }
    text(&List { items: bin::list(context.conn, context.caller, vault.as_ref())? })
}

pub(super) fn restore(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (found, reader) = bin::find(context.conn, context.caller, &request.id::<BinItemId>()?)?;
    reader.into_editor()?;
    bin::restore(context.conn, &found)?;
    context.record("bin.restore", found.id.as_str(), Some(&found.vault));
    text(&Empty {})
}

pub(super) fn purge(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (found, reader) = bin::find(context.conn, context.caller, &request.id::<BinItemId>()?)?;
    reader.into_owner()?;
    bin::purge(context.conn, &found)?;
    context.record("bin.purge", found.id.as_str(), Some(&found.vault));
    text(&Empty {})
}
