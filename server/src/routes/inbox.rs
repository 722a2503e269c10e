//! Items sent from user to user.

use super::{Context, Request};
use crate::error::Result;
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

pub(super) fn list(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&List { items: inbox::list(context.conn, context.caller)? })
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<InboxItemId>()?;
    let target = Target::of_inbox(context.conn, context.caller, &id)?;
    context.record("item.read", target.item.as_str(), Some(&target.vault));
    inbox::get(context.conn, &id, &target)
}

pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<InboxItemId>()?;
    inbox::delete(context.conn, context.caller, &id)?;
    context.record("inbox.delete", id.as_str(), None);
    text(&Empty {})
}
