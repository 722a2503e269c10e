//! Links, and their opening by anybody.

use super::{Context, Reply, Request, Visit};
use crate::error::{Refusal, Result};
use crate::id::LinkId;
use crate::json::text;
use crate::store::activity::{Event, append};
use crate::store::link::{self, Opening};
use crate::store::role;
use crate::store::target::Target;
use keyferry_api::link::{LinkMade, NewLink, OpenLink};
use keyferry_api::user::AdminRight;
use keyferry_api::{Empty, List};

pub(super) fn create(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let new: NewLink = request.body.parse()?;
    let id = new.shortcut_id.as_deref().unwrap_or(&new.item_id);
    let item = Target::find(context.conn, context.caller, id)?.into_editable()?;
    role::check(context.conn, context.caller, AdminRight::LinkCreate)?;
    let (id, token) = link::create(context.conn, context.caller, &item, new)?;
    context.record("link.create", item.item.as_str(), Some(&item.vault));
    context.record("link.create", id.as_str(), Some(&item.vault));
    let url = format!("{}/link/{token}", context.visit.origin());
    text(&LinkMade { id: id.into(), url })
}

/// Of an item, or of all in a vault for whoever administers that.
pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    if let Some(owner) = super::shortcut::owner_of_vault(context, &request)? {
        return text(&List { items: link::of_vault(context.conn, &owner)? });
    }
    let id = request
        .param("itemId")
        .ok_or_else(|| Refusal::invalid("itemId", "An item is needed, or a vault."))?;
    let item = Target::find(context.conn, context.caller, id)?.into_editable()?;
    let mut items = link::list(context.conn, &item)?;
    items.retain(|_| super::shortcut::is_in_vault(&request, &item));
    text(&List { items })
}

/// Whoever may edit the item may end its links, and so may whoever made them.
pub(super) fn delete(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let id = request.id::<LinkId>()?;
    let (item, maker, vault) = link::item_of(context.conn, &id)?;
    if maker != context.caller.user {
        let missing = |_| Refusal::not_found("link");
        Target::find(context.conn, context.caller, item.as_str()).map_err(missing)?.into_editable()?;
    }
    link::delete(context.conn, &id)?;
    context.record("link.delete", id.as_str(), Some(&vault));
    text(&Empty {})
}

pub(super) fn open(visit: &Visit<'_>, request: Request) -> Result<Reply> {
    visit.limits.guess(visit.peer)?;
    let token = request.segment("token").to_owned();
    let asked: OpenLink = request.body.parse_or_default()?;
    // A miss is counted, and so is no error in the eyes of the transaction.
    let opening = visit.environment.store().write(|conn| {
        let opening = link::open(conn, &token, asked.key_hash.as_deref())?;
        if let Opening::Shown(_, item, vault) = &opening {
            let object = Some(item.as_str().to_owned());
            append(conn, &[Event::now(None, "link.open", object, Some(vault.clone()), visit.address())])?;
        }
        Ok::<_, Refusal>(opening)
    })?;
    match opening {
        Opening::Shown(shown, ..) => Ok(text(&shown)?.into()),
        Opening::Miss => Err(Refusal::denied()),
    }
}
