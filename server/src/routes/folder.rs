//! Folders.

use super::{Context, Request};
use crate::access::Reader;
use crate::error::{Refusal, Result};
use crate::id::{FolderId, UserGroupId, UserId, VaultId};
use crate::json::text;
use crate::store::place::{self, Place};
use crate::store::{folder, grants};
use keyferry_api::folder::{Binned, FolderChange, MoveFolder, NewFolder};
use keyferry_api::vault::{GroupRight, VaultUser};
use keyferry_api::{Created, Empty, List};

/// A folder that the caller may not see is a folder that is not there.
fn find(context: &Context<'_>, request: &Request) -> Result<(FolderId, Reader)> {
    let id = request.id::<FolderId>()?;
    let vault = place::vault_of(context.conn, &id)?;
    let reader = Reader::at(context.conn, context.caller, &vault, Some(&id), "folder")?;
    Ok((id, reader))
}

pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let vault = request.param("vaultId").map(str::parse::<VaultId>).transpose()?;
    let reader = vault.map(|vault| Reader::of(context.conn, context.caller, &vault)).transpose()?;
    text(&List { items: folder::list(context.conn, context.caller, reader.as_ref())? })
}

/// Folders by a part of their name, with the way to them.
pub(super) fn search(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let vault =
        request.param("vaultId").filter(|id| !id.is_empty()).map(str::parse::<VaultId>).transpose()?;
    let reader = vault.map(|vault| Reader::of(context.conn, context.caller, &vault)).transpose()?;
    let query = request.param("query").unwrap_or_default().to_lowercase();
    let all = folder::list(context.conn, context.caller, reader.as_ref())?;
    let hits = all.into_iter().filter(|folder| folder.name.to_lowercase().contains(&query));
    let limit = request.number::<usize>("limit")?.unwrap_or(usize::MAX);
    let mut offset = request.offset(None)?;
    let mut items = Vec::new();
    for found in hits {
        if items.len() >= limit {
            break;
        }
        let id = found.id.parse::<FolderId>()?;
        let vault = place::vault_of(context.conn, &id)?;
        // On the way to what may be read stand folders that may not.
        if let Ok(reader) = Reader::at(context.conn, context.caller, &vault, Some(&id), "folder") {
            if offset > 0 {
                offset -= 1;
                continue;
            }
            items.push(folder::get(context.conn, &reader, &id)?);
        }
    }
    text(&List { items })
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let new: NewFolder = request.body.parse()?;
    let place = Place::find(context.conn, context.caller, &new.vault_id, new.parent_folder_id.as_deref())?;
    let id = folder::create(context.conn, &place, &new.name, new.color.unwrap_or(0))?;
    context.record("folder.create", id.as_str(), Some(place.editor.vault()));
    text(&Created { id: id.into() })
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, reader) = find(context, &request)?;
    text(&folder::get(context.conn, &reader, &id)?)
}

/// A name, a color, or both.
pub(super) fn change(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, reader) = find(context, &request)?;
    let editor = reader.into_editor()?;
    let new: FolderChange = request.body.parse()?;
    if new.name.is_none() && new.color.is_none() {
        return Err(Refusal::invalid("name", "A name or a color is needed."));
    }
    folder::change(context.conn, &editor, &id, new.name.as_deref(), new.color)?;
    let action = if new.name.is_some() { "folder.rename" } else { "folder.color" };
    context.record(action, id.as_str(), Some(editor.vault()));
    text(&Empty {})
}

/// The folder that a move names under one of its names; `Some(None)` is the vault's top, which only null stands for. Typed
/// clients send all names, those that they mean nothing by as null.
#[expect(clippy::option_option, reason = "null means something else than a member that is missing")]
pub(super) fn target<const N: usize>(
    field: &'static str,
    names: [Option<Option<String>>; N],
) -> Result<Option<Option<String>>> {
    let given: Vec<Option<String>> = names.into_iter().flatten().collect();
    let mut folders = given.iter().flatten();
    let first = folders.next().cloned();
    if folders.any(|other| Some(other) != first.as_ref()) {
        return Err(Refusal::invalid(field, "Two folders are named: which one?"));
    }
    if first.as_deref() == Some("") {
        return Err(Refusal::invalid(field, "An empty text names no folder; null is the vault's top."));
    }
    Ok((!given.is_empty()).then_some(first))
}

pub(super) fn relocate(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, reader) = find(context, &request)?;
    let editor = reader.into_editor()?;
    let to: MoveFolder = request.body.parse()?;
    // Some name once more what they move.
    let other = to.folder_id.filter(|given| given.as_deref() != Some(id.as_str()));
    let Some(parent) = target("parentFolderId", [to.parent_folder_id, to.target_folder_id, other])? else {
        return Err(Refusal::invalid(
            "parentFolderId",
            "Where to? parentFolderId or targetFolderId says it; null is the vault's top.",
        ));
    };
    let vault = editor.vault().as_str();
    if to.vault_id.is_some_and(|given| given != vault) {
        let message = "A folder moves within its vault; items move to another one by one, with their keys.";
        return Err(Refusal::invalid("vaultId", message));
    }
    let place = Place::find(context.conn, context.caller, vault, parent.as_deref())?;
    folder::relocate(context.conn, context.caller, &id, &place)?;
    context.record("folder.move", id.as_str(), Some(editor.vault()));
    text(&Empty {})
}

pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, reader) = find(context, &request)?;
    let editor = reader.into_editor()?;
    let bin = folder::delete(context.conn, context.caller, &editor, &id)?;
    context.record("folder.delete", id.as_str(), Some(editor.vault()));
    text(&Binned { bin_item_id: bin.into() })
}

pub(super) fn users(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, _) = find(context, &request)?;
    text(&List { items: folder::users(context.conn, &id)? })
}

pub(super) fn grant(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, reader) = find(context, &request)?;
    let owner = reader.into_owner()?;
    let grant: VaultUser = request.body.parse()?;
    folder::grant(context.conn, &owner, &id, grant)?;
    context.record("folder.grant", id.as_str(), Some(owner.vault()));
    text(&Empty {})
}

pub(super) fn groups(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, _) = find(context, &request)?;
    text(&List { items: grants::groups_of_folder(context.conn, &id)? })
}

pub(super) fn grant_group(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, reader) = find(context, &request)?;
    let owner = reader.into_owner()?;
    let grant: GroupRight = request.body.parse()?;
    let group = grant.group_id.clone();
    let granted = grants::to_group_in_folder(context.conn, &owner, &id, grant)?;
    context.record("folder.grant-group", &group, Some(owner.vault()));
    text(&granted)
}

/// What is above counts again; whoever may say otherwise may unsay it.
pub(super) fn forget_user(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, reader) = find(context, &request)?;
    let owner = reader.into_owner()?;
    let user = request.segment("userId").parse::<UserId>()?;
    folder::forget(context.conn, &owner, &id, &user)?;
    context.record("folder.forget-grant", user.as_str(), Some(owner.vault()));
    text(&Empty {})
}

pub(super) fn forget_group(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (id, reader) = find(context, &request)?;
    let owner = reader.into_owner()?;
    let group = request.segment("groupId").parse::<UserGroupId>()?;
    grants::forget(context.conn, &owner, &id, &group)?;
    context.record("folder.forget-grant", group.as_str(), Some(owner.vault()));
    text(&Empty {})
}
