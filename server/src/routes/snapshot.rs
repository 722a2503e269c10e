//! What items were before.

use super::{Context, Request};
use crate::error::Result;
use crate::id::{AttachmentId, SnapshotId};
use crate::json::text;
use crate::store::snapshot;
use crate::store::target::Target;

pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let target = Target::find(context.conn, context.caller, request.segment("id"))?;
    text(&snapshot::list(context.conn, &target)?)
}

pub(super) fn get(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let target = Target::find(context.conn, context.caller, request.segment("id"))?;
    let snapshot = request.segment("snapshotId").parse::<SnapshotId>()?;
    let found = snapshot::get(context.conn, &target, &snapshot)?;
    context.record("snapshot.read", snapshot.as_str(), Some(&target.vault));
    Ok(found)
}

pub(super) fn attachment(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let snapshot = request.id::<SnapshotId>()?;
    let item = snapshot::item_of(context.conn, &snapshot)?;
    let target = Target::find(context.conn, context.caller, item.as_str())?;
    let attachment = request.segment("attachmentId").parse::<AttachmentId>()?;
    let found = snapshot::attachment(context.conn, &target, &snapshot, &attachment)?;
    context.record("attachment.read", attachment.as_str(), Some(&target.vault));
    Ok(found)
}
