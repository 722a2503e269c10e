//! Folders.

use super::{Context, Request};
use crate::access::Reader;
use crate::error::{Refusal, Result};
use crate::id::{FolderId, VaultId};
use crate::json::text;
use crate::store::folder;
use keyferry_api::folder::{Binned, NewFolder};
use keyferry_api::vault::Rename;
use keyferry_api::{Created, Empty, List};

/// A folder in a vault that the caller may not see is a folder that is not there.
fn find(context: &Context<'_>, id: &str) -> Result<(FolderId, Reader)> {
    let id = id.parse::<FolderId>()?;
    let vault = folder::vault_of(context.conn, &id)?;
    match Reader::of(context.conn, context.caller, &vault) {
        Ok(reader) => Ok((id, reader)),
        Err(Refusal::Answer(_)) => Err(Refusal::not_found("folder")),
        Err(error) => Err(error),
    }
}

pub(super) fn list(context: &Context<'_>, request: &Request) -> Result<Vec<u8>> {
    let items = match request.param("vaultId") {
        Some(id) => {
            folder::list(context.conn, &Reader::of(context.conn, context.caller, &id.parse::<VaultId>()?)?)?
        }
        None => folder::list_all(context.conn, context.caller)?,
    };
    text(&List { items })
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let new: NewFolder = request.body.parse()?;
    let editor =
        Reader::of(context.conn, context.caller, &new.vault_id.parse::<VaultId>()?)?.into_editor()?;
    let parent = new.parent_folder_id.as_deref().map(str::parse::<FolderId>).transpose()?;
    text(&Created { id: folder::create(context.conn, &editor, parent.as_ref(), &new.name)?.into() })
}

pub(super) fn get(context: &Context<'_>, id: &str) -> Result<Vec<u8>> {
    let (id, reader) = find(context, id)?;
    text(&folder::get(context.conn, &reader, &id)?)
}

pub(super) fn rename(context: &Context<'_>, id: &str, request: Request) -> Result<Vec<u8>> {
    let (id, reader) = find(context, id)?;
    let rename: Rename = request.body.parse()?;
    folder::rename(context.conn, &reader.into_editor()?, &id, &rename.name)?;
    text(&Empty {})
}

pub(super) fn delete(context: &Context<'_>, id: &str) -> Result<Vec<u8>> {
    let (id, reader) = find(context, id)?;
    let bin = folder::delete(context.conn, context.caller, &reader.into_editor()?, &id)?;
    text(&Binned { bin_item_id: bin.into() })
}
