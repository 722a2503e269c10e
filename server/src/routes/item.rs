//! Items and attachments.

use super::{Context, Request};
use crate::access::Reader;
use crate::error::{Refusal, Result};
use crate::id::{AttachmentId, FolderId, ItemId, VaultId};
use crate::json::text;
use crate::store::item::{self, Filter};
use keyferry_api::folder::Binned;
use keyferry_api::item::ItemDraft;
use keyferry_api::{Created, Empty};
use serde_json::{Map, Value};

/// An item in a vault that the caller may not see is an item that is not there.
fn find(context: &Context<'_>, id: &str) -> Result<(ItemId, Reader, bool)> {
    let id = id.parse::<ItemId>()?;
    let place = item::place(context.conn, &id)?;
    match Reader::of(context.conn, context.caller, &place.vault) {
        Ok(reader) => Ok((id, reader, place.is_deleted)),
        Err(Refusal::Answer(_)) => Err(Refusal::not_found("item")),
        Err(error) => Err(error),
    }
}

fn check_not_deleted(is_deleted: bool) -> Result<()> {
    if is_deleted { Err(Refusal::conflict("The item is in the bin.")) } else { Ok(()) }
}

pub(super) fn list(context: &Context<'_>, request: &Request) -> Result<Vec<u8>> {
    let vault = request.param("vaultId").ok_or_else(|| Refusal::invalid("vaultId", "A vault is needed."))?;
    let vault = vault.parse::<VaultId>()?;
    Reader::of(context.conn, context.caller, &vault)?;
    let folder =
        request.param("folderId").filter(|id| !id.is_empty()).map(str::parse::<FolderId>).transpose()?;
    let filter = Filter {
        vaults: vec![vault.into()],
        folders: folder.into_iter().map(String::from).collect(),
        limit: request.number("limit")?,
        offset: request.number("offset")?.unwrap_or(0),
        ..Filter::default()
    };
    item::search(context.conn, context.caller, &filter)
}

pub(super) fn search(context: &Context<'_>, request: &Request) -> Result<Vec<u8>> {
    let colors = request
        .params("colorCodes")
        .into_iter()
        .map(|color| color.parse().map_err(|_| Refusal::invalid("colorCodes", "A color is a number.")));
    let filter = Filter {
        query: request.param("query").map(str::to_owned),
        vaults: request.params("vaultIds"),
        folders: request.params("folderIds"),
        tags: request.params("tags"),
        colors: colors.collect::<Result<_>>()?,
        limit: request.number("limit")?,
        offset: request.number("offset")?.unwrap_or(0),
    };
    item::search(context.conn, context.caller, &filter)
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let draft: ItemDraft = request.body.parse()?;
    let vault = draft.vault_id.as_deref().ok_or_else(|| Refusal::invalid("vaultId", "A vault is needed."))?;
    let editor = Reader::of(context.conn, context.caller, &vault.parse::<VaultId>()?)?.into_editor()?;
    text(&Created { id: item::create(context.conn, context.caller, &editor, draft)?.into() })
}

pub(super) fn get(context: &Context<'_>, id: &str) -> Result<Vec<u8>> {
    let (id, reader, _) = find(context, id)?;
    item::get(context.conn, context.caller, &reader, &id)
}

/// A favorite is the reader's own affair; anything else is an edit.
pub(super) fn update(context: &Context<'_>, id: &str, request: Request) -> Result<Vec<u8>> {
    let (id, reader, is_deleted) = find(context, id)?;
    check_not_deleted(is_deleted)?;
    let mut patch: Map<String, Value> = request.body.parse()?;
    if let Some(vault) = patch.remove("vaultId").filter(|vault| !vault.is_null()) {
        let given = vault.as_str().map(str::parse::<VaultId>).transpose()?;
        if given.as_ref() != Some(reader.vault()) {
            return Err(Refusal::invalid("vaultId", "The item stands in another vault."));
        }
    }
    if let Some(favorite) = patch.remove("isFavorite").filter(|favorite| !favorite.is_null()) {
        let on =
            favorite.as_bool().ok_or_else(|| Refusal::invalid("isFavorite", "This is true or false."))?;
        item::set_favorite(context.conn, context.caller, &id, on)?;
    }
    if !patch.is_empty() {
        item::update(context.conn, &reader.into_editor()?, &id, patch)?;
    }
    text(&Empty {})
}

pub(super) fn delete(context: &Context<'_>, id: &str) -> Result<Vec<u8>> {
    let (id, reader, is_deleted) = find(context, id)?;
    let editor = reader.into_editor()?;
    check_not_deleted(is_deleted)?;
    text(&Binned { bin_item_id: item::delete(context.conn, context.caller, &editor, &id)?.into() })
}

pub(super) fn attachment(context: &Context<'_>, id: &str, attachment: &str) -> Result<Vec<u8>> {
    let (id, reader, _) = find(context, id)?;
    item::attachment(context.conn, &reader, &id, &attachment.parse::<AttachmentId>()?)
}
