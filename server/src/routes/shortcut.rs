//! Shortcuts.

use super::{Context, Request, item};
use crate::access::{Owner, Reader};
use crate::error::{Refusal, Result};
use crate::id::ShortcutId;
use crate::json::text;
use crate::store::place::Place;
use crate::store::search::Shown;
use crate::store::shortcut;
use crate::store::target::{self, Target};
use keyferry_api::shortcut::NewShortcut;
use keyferry_api::{Created, Empty, List};

fn find(context: &Context<'_>, request: &Request) -> Result<(target::Shortcut, Reader)> {
    let stored = target::find_shortcut(context.conn, &request.id::<ShortcutId>()?)?
        .ok_or_else(|| Refusal::not_found("shortcut"))?;
    let reader = target::shortcut_reader(context.conn, context.caller, &stored)?;
    if let Some(maker) = &stored.maker {
        target::check_maker(context.conn, maker, &stored.item, "shortcut")?;
    }
    Ok((stored, reader))
}

/// The vault that a list is asked for, where the caller administers it; `None` where the list is of an item.
pub(super) fn owner_of_vault(context: &Context<'_>, request: &Request) -> Result<Option<Owner>> {
    let vault = request.param("vaultId").filter(|_| request.param("itemId").is_none());
    let Some(vault) = vault else { return Ok(None) };
    Reader::of(context.conn, context.caller, &vault.parse()?)?.into_owner().map(Some)
}

/// Whether an item stands in the vault that is asked for as well.
pub(super) fn is_in_vault(request: &Request, target: &Target) -> bool {
    request.param("vaultId").is_none_or(|vault| vault == target.vault.as_str())
}

/// Whoever administers an item sees who made what of it; of all in a vault, whoever administers that.
pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    if let Some(owner) = owner_of_vault(context, &request)? {
        return text(&List { items: shortcut::of_vault(context.conn, &owner)? });
    }
    let id = request
        .param("itemId")
        .ok_or_else(|| Refusal::invalid("itemId", "An item is needed, or a vault."))?;
    let target = Target::find_own(context.conn, context.caller, id)?;
    if !target.is_owned() {
        return Err(Refusal::denied());
    }
    let mut items = shortcut::list(context.conn, &target.item)?;
    items.retain(|_| is_in_vault(&request, &target));
    text(&List { items })
}

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let new: NewShortcut = request.body.parse()?;
    let item = Target::find_own(context.conn, context.caller, &new.item_id)?.into_editable()?;
    let place = Place::find(context.conn, context.caller, &new.vault_id, new.folder_id.as_deref())?;
    let id = shortcut::create(context.conn, context.caller, &item, &place, new.key_encrypted)?;
    context.record("shortcut.create", item.item.as_str(), Some(&item.vault));
    context.record("shortcut.create", id.as_str(), Some(place.editor.vault()));
    text(&Created { id: id.into() })
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let (stored, _) = find(context, &request)?;
    context.record("item.read", stored.item.as_str(), Some(&stored.vault));
    shortcut::get(context.conn, context.caller, &stored)
}

/// A change of the item, by the shortcut's own address.
pub(super) fn update(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    find(context, &request)?;
    item::update(context, request)
}

/// Whoever edits the shortcut's place may remove it, and so may whoever administers the item's.
pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let stored = target::find_shortcut(context.conn, &request.id::<ShortcutId>()?)?
        .ok_or_else(|| Refusal::not_found("shortcut"))?;
    let owns_item = Target::find(context.conn, context.caller, stored.item.as_str())
        .is_ok_and(|target| target.is_owned());
    if !owns_item {
        target::shortcut_reader(context.conn, context.caller, &stored)?.into_editor()?;
    }
    shortcut::delete(context.conn, &stored.id)?;
    context.record("shortcut.delete", stored.id.as_str(), Some(&stored.vault));
    text(&Empty {})
}

pub(super) fn search(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    // What else there is of a shortcut makes it one.
    let shown = Shown { extensions: context.visit.wants_extensions(), minimal: false };
    shortcut::search(context.conn, context.caller, &item::filter(&request)?, shown)
}
