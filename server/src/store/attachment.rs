//! The attachments of items: ciphertext, each in a row of its own.

use crate::error::{Refusal, Result};
use crate::id::{AttachmentId, ItemId};
use crate::json::Object;
use keyferry_api::item::Attachment;
use keyferry_sql::{Connection, Kind, Optional as _, Table, ToSql, params};

/// 5 MiB of content after base64, AES, base64 again and base32, and some room.
const LARGEST_ENCRYPTED: usize = 16 << 20;
/// 5 MiB of content in base64 twice.
const LARGEST_PLAIN: usize = (5 << 20) / 9 * 16 + 32;

const ATTACHMENTS: Table<5> = Table {
    name: "attachments",
    columns: [
        ("id", Kind::Text),
        ("item_id", Kind::Text),
        ("name", Kind::Text),
        ("encrypted_key", Kind::Text),
        ("hash", Kind::Text),
    ],
};
const CONTENTS: Table<2> = Table {
    name: "attachment_data",
    columns: [("attachment", Kind::Number), ("encrypted_data", Kind::Text)],
};

/// Makes sure that an item may have these.
pub(crate) fn check(encrypted: bool, attachments: &[Attachment]) -> Result<()> {
    let largest = if encrypted { LARGEST_ENCRYPTED } else { LARGEST_PLAIN };
    if attachments.iter().all(|attachment| attachment.encrypted_data.len() <= largest) {
        return Ok(());
    }
    Err(Refusal::invalid("attachments", "An attachment holds at most 5 MiB."))
}

/// Gives an item more of them.
pub(crate) fn add(
    conn: &Connection,
    encrypted: bool,
    item: &ItemId,
    attachments: &[Attachment],
) -> Result<()> {
    check(encrypted, attachments)?;
    insert(conn, std::iter::once((item, attachments)))
}

/// The same for many items, where all may be kept.
pub(crate) fn insert<'a>(
    conn: &Connection,
    items: impl Iterator<Item = (&'a ItemId, &'a [Attachment])>,
) -> Result<()> {
    let all = items.flat_map(|(item, attachments)| attachments.iter().map(move |one| (item, one)));
    let all: Vec<_> =
        all.map(|(item, one)| Ok((AttachmentId::fresh()?, item, one))).collect::<Result<_>>()?;
    let rows: Vec<[&dyn ToSql; 5]> = all
        .iter()
        .map(|(id, item, one)| [id as _, *item as _, &one.name as _, &one.encrypted_key as _, &one.hash as _])
        .collect();
    let numbers = conn.insert_numbered(&ATTACHMENTS, "seq", &rows)?;
    let rows: Vec<[&dyn ToSql; 2]> =
        numbers.iter().zip(&all).map(|(number, (.., one))| [number as _, &one.encrypted_data as _]).collect();
    Ok(conn.insert_set(&CONTENTS, &rows)?)
}

/// An item's attachments without their contents: those that it has, or those that `among` names.
pub(crate) fn list(conn: &Connection, item: &ItemId, among: Option<&str>) -> Result<Vec<u8>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, encrypted_key, hash FROM attachments WHERE item_id = ?1
           AND CASE WHEN CAST(?2 AS TEXT) IS NULL THEN removed_at IS NULL ELSE id IN (SELECT value FROM json_each(?2)) END
         ORDER BY seq",
    )?;
    let mut rows = statement.query(params![item, among])?;
    let mut out = vec![b'['];
    while let Some(row) = rows.next()? {
        if out.len() > 1 {
            out.push(b',');
        }
        let mut object = Object::new(&mut out);
        object
            .put("id", &row.get::<String>(0)?)?
            .put("name", &row.get::<String>(1)?)?
            .put("encryptedKey", &row.get::<String>(2)?)?
            .put("hash", &row.get::<String>(3)?)?;
        object.end();
    }
    out.push(b']');
    Ok(out)
}

/// One of an item's attachments with its content; whether the caller may have it is decided before.
pub(crate) fn get(
    conn: &Connection,
    item: &ItemId,
    id: &AttachmentId,
    also_removed: bool,
) -> Result<Attachment> {
    conn.prepare_cached(
        "SELECT a.id, a.name, a.encrypted_key, d.encrypted_data, a.hash
         FROM attachments a JOIN attachment_data d ON d.attachment = a.seq
         WHERE a.id = ?1 AND a.item_id = ?2 AND (?3 OR a.removed_at IS NULL)",
    )?
    .query_row(params![id, item, also_removed], |row| {
        Ok(Attachment {
            id: row.get(0)?,
            name: row.get(1)?,
            encrypted_key: row.get(2)?,
            encrypted_data: row.get(3)?,
            hash: row.get(4)?,
        })
    })
    .optional()?
    .ok_or_else(|| Refusal::not_found("attachment"))
}
