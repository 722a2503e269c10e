//! Items and attachments.

use super::{Context, Request, folder};
use crate::access::Reader;
use crate::error::{Refusal, Result};
use crate::id::{AttachmentId, FolderId, InboxItemId, VaultId};
use crate::json::text;
use crate::store::creation::{self, NewItem};
use crate::store::place::{Place, vault_of};
use crate::store::search::{self, Filter};
use crate::store::target::Target;
use crate::store::{attachment, item};
use keyferry_api::folder::Binned;
use keyferry_api::item::{ItemDraft, MoveItem};
use keyferry_api::{Created, Empty};
use serde_json::{Map, Value};

fn find(context: &Context<'_>, request: &Request) -> Result<Target> {
    Target::find(context.conn, context.caller, request.segment("id"))
}

fn find_own(context: &Context<'_>, request: &Request) -> Result<Target> {
    Target::find_own(context.conn, context.caller, request.segment("id"))
}

pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let vault = request.param("vaultId").ok_or_else(|| Refusal::invalid("vaultId", "A vault is needed."))?;
    let vault = vault.parse::<VaultId>()?;
    Reader::of(context.conn, context.caller, &vault)?;
    let folder =
        request.param("folderId").filter(|id| !id.is_empty()).map(str::parse::<FolderId>).transpose()?;
    let filter = Filter {
        vaults: vec![vault.into()],
        folders: folder.into_iter().map(String::from).collect(),
        limit: request.number("limit")?,
        offset: request.offset(None)?,
        ..Filter::default()
    };
    search::items(context.conn, context.caller, &filter, context.visit.wants_of_entries(), false)
}

/// `vaultIds[]=a&vaultIds[]=b`, or `vaultId=a`; where both are given both hold, and what is in none of the list finds nothing.
fn one_or_many(request: &Request, one: &str, many: &str) -> Vec<String> {
    // No identifier has a comma.
    let list: Vec<String> =
        request.params(many).iter().flat_map(|ids| ids.split(',')).map(|id| id.trim().to_owned()).collect();
    match request.param(one).filter(|id| !id.is_empty()) {
        Some(_) if !list.is_empty() && !list.iter().any(|id| request.param(one) == Some(id)) => {
            vec![String::new()]
        }
        Some(id) => vec![id.to_owned()],
        None => list,
    }
}

/// The conditions of a search, of items or of shortcuts.
pub(super) fn filter(request: &Request) -> Result<Filter> {
    let colors = request.params("colorCodes");
    let colors = colors.iter().flat_map(|colors| colors.split(',')).map(|color| {
        color.trim().parse().map_err(|_| Refusal::invalid("colorCodes", "A color is a number."))
    });
    Ok(Filter {
        query: request.param("query").map(str::to_owned),
        vaults: one_or_many(request, "vaultId", "vaultIds"),
        folders: one_or_many(request, "folderId", "folderIds"),
        tags: request.params("tags"),
        colors: colors.collect::<Result<_>>()?,
        limit: request.number("limit")?,
        offset: request.offset(None)?,
    })
}

pub(super) fn search(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    search::items(context.conn, context.caller, &filter(&request)?, context.visit.wants_of_entries(), true)
}

/// What a request wants to be made, where it may be.
pub(super) fn new_item(context: &Context<'_>, draft: ItemDraft) -> Result<NewItem> {
    let vault = draft.vault_id.as_deref().ok_or_else(|| Refusal::invalid("vaultId", "A vault is needed."))?;
    let place = context.place(vault, draft.folder_id.as_deref())?;
    NewItem::check(&place, draft)
}

/// Makes items; their answers.
pub(super) fn make(context: &Context<'_>, items: &[NewItem]) -> Result<Vec<Vec<u8>>> {
    creation::insert(context.conn, context.caller, items)?;
    let made = |item: &NewItem| {
        context.record("item.create", item.id.as_str(), Some(&item.vault));
        text(&Created { id: item.id.clone().into() })
    };
    items.iter().map(made).collect()
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let item = new_item(context, request.body.parse()?)?;
    make(context, &[item])?.pop().ok_or_else(Refusal::internal)
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.segment("id");
    let target =
        Target::find_by(context.conn, context.caller, id, |vault, folder| context.reader(vault, folder))?;
    context.record("item.read", target.item.as_str(), Some(&target.vault));
    item::get(context.conn, context.caller, &target, context.visit.wants_extensions())
}

/// A favorite is the reader's own affair; anything else is an edit.
pub(super) fn update(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let target = find(context, &request)?;
    if target.is_deleted {
        return Err(Refusal::conflict("The item is in the bin."));
    }
    let mut patch: Map<String, Value> = request.body.parse()?;
    if let Some(vault) = patch.remove("vaultId").filter(|vault| !vault.is_null()) {
        let given = vault.as_str().map(str::parse::<VaultId>).transpose()?;
        if given.as_ref() != Some(target.shown_vault()) && given.as_ref() != Some(&target.vault) {
            return Err(Refusal::invalid("vaultId", "The item stands in another vault."));
        }
    }
    if let Some(favorite) = patch.remove("isFavorite").filter(|favorite| !favorite.is_null()) {
        let on =
            favorite.as_bool().ok_or_else(|| Refusal::invalid("isFavorite", "This is true or false."))?;
        item::set_favorite(context.conn, context.caller, &target.item, on)?;
    }
    if !patch.is_empty() {
        let target = target.into_editable()?;
        item::update(context.conn, context.caller, &target, patch)?;
        context.record("item.update", target.item.as_str(), Some(&target.vault));
    }
    text(&Empty {})
}

/// Where an item is to go, and its key as it is wrapped there. A folder says its vault; what moves within one has to be told
/// where.
fn destination(
    context: &Context<'_>,
    target: &Target,
    to: MoveItem,
    moves: bool,
) -> Result<(Place, Option<String>)> {
    let folder = folder::target("folderId", [to.folder_id, to.target_folder_id, to.parent_folder_id])?;
    let vault = match (to.vault_id.filter(|vault| !vault.is_empty()), &folder) {
        (Some(vault), _) => vault,
        (None, Some(Some(folder))) => {
            // Not there and out of sight get one answer.
            let missing = || Refusal::invalid("folderId", "There is no such folder.");
            let id = folder.parse()?;
            let vault = vault_of(context.conn, &id).map_err(|_| missing())?;
            Reader::at(context.conn, context.caller, &vault, Some(&id), "folder").map_err(|_| missing())?;
            vault.into()
        }
        (None, Some(None)) => target.vault.as_str().to_owned(),
        (None, None) => return Err(Refusal::invalid("vaultId", "Where to? A vault or a folder is needed.")),
    };
    if moves && folder.is_none() && vault == target.vault.as_str() {
        let message = "Where to in this vault? folderId says it; null is the vault's top.";
        return Err(Refusal::invalid("folderId", message));
    }
    let place = Place::find(context.conn, context.caller, &vault, folder.flatten().as_deref())?;
    Ok((place, to.key_encrypted))
}

pub(super) fn relocate(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let target = find_own(context, &request)?.into_editable()?;
    let (place, key) = destination(context, &target, request.body.parse()?, true)?;
    item::relocate(context.conn, context.caller, &target, &place, key)?;
    context.record("item.move", target.item.as_str(), Some(&target.vault));
    if *place.editor.vault() != target.vault {
        context.record("item.move", target.item.as_str(), Some(place.editor.vault()));
    }
    text(&Empty {})
}

pub(super) fn copy(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let target = find_own(context, &request)?.into_editable()?;
    let (place, key) = destination(context, &target, request.body.parse()?, false)?;
    let id = item::copy(context.conn, context.caller, &target, &place, key)?;
    context.record("item.copy", target.item.as_str(), Some(&target.vault));
    context.record("item.create", id.as_str(), Some(place.editor.vault()));
    text(&Created { id: id.into() })
}

pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let target = find_own(context, &request)?.into_editable()?;
    let bin = item::delete(context.conn, context.caller, &target)?;
    context.record("item.delete", target.item.as_str(), Some(&target.vault));
    text(&Binned { bin_item_id: bin.into() })
}

/// Of an item, also by the id of a shortcut or of an inbox item.
pub(super) fn attachment(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let target = match find(context, &request) {
        Err(Refusal::Answer(answer)) => {
            let id = request.id::<InboxItemId>();
            id.and_then(|id| Target::of_inbox(context.conn, context.caller, &id))
                .map_err(|_| Refusal::Answer(answer))?
        }
        found => found?,
    };
    let attachment = request.segment("attachmentId").parse::<AttachmentId>()?;
    context.record("attachment.read", attachment.as_str(), Some(&target.vault));
    text(&attachment::get(context.conn, &target.item, &attachment, false)?)
}

pub(super) fn remove_attachment(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let target = find(context, &request)?.into_editable()?;
    let attachment = request.segment("attachmentId").parse::<AttachmentId>()?;
    item::remove_attachment(context.conn, context.caller, &target, &attachment)?;
    context.record("attachment.delete", attachment.as_str(), Some(&target.vault));
    text(&Empty {})
}
