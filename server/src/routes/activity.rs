//! The activity log. Whose role allows it reads all of it, a vault's administrators that vault's.

use super::{Context, Request};
use crate::access::Reader;
use crate::error::{Refusal, Result};
use crate::id::VaultId;
use crate::json::text;
use crate::store::activity::{self, Filter};
use crate::store::{chain, role};
use keyferry_api::user::AdminRight;

/// More are asked for with `after`.
const MOST: usize = 10_000;

pub(super) fn list(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let vault = request.param("vaultId").map(str::parse::<VaultId>).transpose()?;
    let reads_all = role::allows(context.conn, context.caller, AdminRight::ActivityLogRead)?;
    match &vault {
        Some(vault) if !reads_all => {
            Reader::of(context.conn, context.caller, vault)?.into_owner()?;
        }
        Some(_) => {}
        None => role::check(context.conn, context.caller, AdminRight::ActivityLogRead)?,
    }
    let limit = request.number::<usize>("limit")?.unwrap_or(MOST);
    if limit > MOST {
        // Who gets fewer than they asked for takes the log to end there.
        return Err(Refusal::invalid("limit", format!("At most {MOST} entries are given at a time.")));
    }
    let filter = Filter {
        vault,
        user: request.param("userId").map(str::to_owned),
        object: request.param("object").map(str::to_owned),
        after: request.number("after")?.unwrap_or(0),
        limit,
        // They are of other vaults too.
        heads: reads_all,
        offset: u32::try_from(request.offset(Some(MOST))?).unwrap_or(u32::MAX),
    };
    activity::list(context.conn, &filter)
}

pub(super) fn check(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    role::check(context.conn, context.caller, AdminRight::ActivityLogRead)?;
    text(&chain::check(context.conn)?)
}
