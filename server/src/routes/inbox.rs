//! Items sent from user to user.

use super::shortcut::{is_in_vault, owner_of_vault};
use super::{Context, Request};
use crate::error::{Refusal, Result};
use crate::id::InboxItemId;
use crate::json::text;
use crate::store::inbox;
use crate::store::target::Target;
use keyferry_api::inbox::NewInboxItem;
use keyferry_api::{Created, Empty, List};

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let new: NewInboxItem = request.body.parse()?;
    let item = Target::find_own(context.conn, context.caller, &new.item_id)?.into_editable()?;
    let id = inbox::create(context.conn, context.caller, &item, new)?;
    context.record("inbox.send", item.item.as_str(), Some(&item.vault));
    text(&Created { id: id.into() })
}

/// The caller's own inbox; of an item or a vault, what was sent to whom, for whoever administers that.
pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    if let Some(owner) = owner_of_vault(context, &request)? {
        return text(&List { items: inbox::of_vault(context.conn, &owner)? });
    }
    let Some(id) = request.param("itemId") else {
        return text(&List { items: inbox::list(context.conn, context.caller)? });
    };
    let target = Target::find_own(context.conn, context.caller, id)?;
    if !target.is_owned() {
        return Err(Refusal::denied());
    }
    let mut items = inbox::of_item(context.conn, &target.item)?;
    items.retain(|_| is_in_vault(&request, &target));
    text(&List { items })
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<InboxItemId>()?;
    let target = Target::of_inbox(context.conn, context.caller, &id)?;
    context.record("item.read", target.item.as_str(), Some(&target.vault));
    inbox::get(context.conn, &id, &target)
}

pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<InboxItemId>()?;
    let (item, vault) = inbox::item_of(context.conn, &id)?;
    let owns_item =
        Target::find(context.conn, context.caller, item.as_str()).is_ok_and(|target| target.is_owned());
    inbox::delete(context.conn, context.caller, &id, owns_item)?;
    context.record("inbox.delete", id.as_str(), Some(&vault));
    text(&Empty {})
}
