//! Links. The token of the address opens, a client-side code decrypts; neither is stored.

use super::attachment;
use super::session::{after, hash};
use super::target::{Editable, check_maker};
use super::{TEXT, check_length};
use crate::access::{Caller, Owner};
use crate::error::{Refusal, Result};
use crate::id::{AttachmentId, ItemId, LinkId, UserId, VaultId, now, random};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyferry_api::link::{Expiration, Link, LinkKind, NewLink, OpenedLink};
use keyferry_sql::{self as sql, Connection, Optional as _, params};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// Wrong codes until a link is gone.
const MOST_MISSES: i64 = 10;
const HOUR: u64 = 60 * 60;

/// Makes a link; its id and the token of its address.
pub(crate) fn create(
    conn: &Connection,
    caller: &Caller,
    item: &Editable,
    new: NewLink,
) -> Result<(LinkId, String)> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (key_hash, key) = (given(new.key_hash), given(new.key_encrypted));
    if item.encrypted && key_hash.is_none() {
        return Err(Refusal::invalid("keyHash", "The item is encrypted: a link needs a code's hash."));
    }
    let expires = match new.expiration_time {
        Expiration::Hour => Some(HOUR),
        Expiration::Week => Some(7 * 24 * HOUR),
        Expiration::Month => Some(30 * 24 * HOUR),
        Expiration::Unlimited => None,
    };
    let data = serde_json::to_string(&new.item_data).map_err(|_| Refusal::internal())?;
    check_length("itemData", &data, 2 * TEXT)?;
    let (id, token) = (LinkId::fresh()?, URL_SAFE_NO_PAD.encode(random::<32>()?));
    conn.prepare_cached(
        "INSERT INTO links (id, token_hash, item_id, user_id, item_data, key_hash, key_encrypted, single_use, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        id,
        hash(&token),
        item.item,
        caller.user,
        data,
        key_hash,
        key,
        new.kind == LinkKind::SingleUse,
        expires.map(|seconds| after(Duration::from_secs(seconds)))
    ])?;
    Ok((id, token))
}

/// The links of an item.
pub(crate) fn list(conn: &Connection, item: &Editable) -> Result<Vec<Link>> {
    listed(
        conn,
        "SELECT id, item_id, user_id, single_use, expires FROM links
         WHERE item_id = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY seq",
        item.item.as_str(),
    )
}

/// The links of everything in a vault, for whoever administers it.
pub(crate) fn of_vault(conn: &Connection, owner: &Owner) -> Result<Vec<Link>> {
    listed(
        conn,
        "SELECT l.id, l.item_id, l.user_id, l.single_use, l.expires FROM links l JOIN items i ON i.id = l.item_id
         WHERE i.vault_id = ?1 AND i.bin_item_id IS NULL AND (l.expires IS NULL OR l.expires > ?2) ORDER BY l.seq",
        owner.vault().as_str(),
    )
}

fn listed(conn: &Connection, sql: &str, of: &str) -> Result<Vec<Link>> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![of, now()], |row| {
        let kind = if row.get(3)? { LinkKind::SingleUse } else { LinkKind::Reusable };
        Ok(Link {
            id: row.get(0)?,
            item_id: row.get(1)?,
            user_id: row.get(2)?,
            kind,
            expires_at: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// The item of a link, who made the link, and the item's vault; whether the caller may know is not decided here.
pub(crate) fn item_of(conn: &Connection, id: &LinkId) -> Result<(ItemId, UserId, VaultId)> {
    let sql = "SELECT l.item_id, l.user_id, i.vault_id FROM links l JOIN items i ON i.id = l.item_id WHERE l.id = ?1";
    conn.prepare_cached(sql)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?
        .ok_or_else(|| Refusal::not_found("link"))
}

/// Ends a link.
pub(crate) fn delete(conn: &Connection, id: &LinkId) -> Result<()> {
    conn.prepare_cached("DELETE FROM links WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// How the opening of a link ended.
pub(crate) enum Opening {
    /// What it shows, and whose that is.
    Shown(OpenedLink, ItemId, VaultId),
    /// The code is not the link's.
    Miss,
}

/// A link with its item's vault and its maker.
type Row = (LinkId, String, Option<String>, bool, ItemId, VaultId, UserId);

/// Opens a link for whoever has its address: the token, and the hash of the code.
pub(crate) fn open(conn: &Connection, token: &str, key_hash: Option<&str>) -> Result<Opening> {
    let missing = || Refusal::not_found("link");
    let (id, data, wanted, single_use, item, vault, maker): Row = conn
        .prepare_cached(
            "SELECT l.id, l.item_data, l.key_hash, l.single_use, l.item_id, i.vault_id, l.user_id
             FROM links l JOIN items i ON i.id = l.item_id
             WHERE l.token_hash = ?1 AND (l.expires IS NULL OR l.expires > ?2) AND i.bin_item_id IS NULL",
        )?
        .query_row(params![hash(token), now()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
        })
        .optional()?
        .ok_or_else(missing)?;
    // A link is worth what its maker may read at present.
    check_maker(conn, &maker, &item, "link")?;
    if let Some(wanted) = wanted
        && !key_hash.is_some_and(|given| bool::from(given.as_bytes().ct_eq(wanted.as_bytes())))
    {
        conn.prepare_cached("UPDATE links SET misses = misses + 1 WHERE id = ?1")?.execute([&id])?;
        conn.prepare_cached("DELETE FROM links WHERE id = ?1 AND misses >= ?2")?
            .execute(params![id, MOST_MISSES])?;
        return Ok(Opening::Miss);
    }
    let mut item_data: Map<String, Value> = serde_json::from_str(&data).map_err(|_| Refusal::internal())?;
    if let Some(Value::Array(attachments)) = item_data.get_mut("attachments") {
        let mut shown = HashSet::new();
        for attachment in attachments {
            let named = attachment.get("id").and_then(Value::as_str).map(str::parse::<AttachmentId>);
            // What the link names is of its item, or it is not shown; and it is shown once.
            if let (Some(Ok(named)), Some(object)) = (named, attachment.as_object_mut())
                && shown.insert(named.clone())
                && let Ok(found) = attachment::get(conn, &item, &named, true)
            {
                object.insert("encryptedData".to_owned(), found.encrypted_data.into());
                object.insert("hash".to_owned(), found.hash.into());
            }
        }
    }
    if single_use {
        delete(conn, &id)?;
    }
    Ok(Opening::Shown(OpenedLink { item_data }, item, vault))
}
