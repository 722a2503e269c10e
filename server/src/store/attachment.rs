//! The attachments of items: ciphertext, each in a row of its own.

use crate::error::{Refusal, Result};
use crate::id::{AttachmentId, ItemId};
use crate::json::Object;
use keyferry_api::item::Attachment;
use keyferry_sql::{Connection, Optional as _, params};

/// 5 MiB of content after base64, AES, base64 again and base32, and some room.
const LARGEST_ENCRYPTED: usize = 16 << 20;
/// 5 MiB of content in base64 twice.
const LARGEST_PLAIN: usize = (5 << 20) / 9 * 16 + 32;

/// Gives an item more of them.
pub(crate) fn add(
    conn: &Connection,
    encrypted: bool,
    item: &ItemId,
    attachments: Vec<Attachment>,
) -> Result<()> {
    let largest = if encrypted { LARGEST_ENCRYPTED } else { LARGEST_PLAIN };
    for attachment in attachments {
        if attachment.encrypted_data.len() > largest {
            return Err(Refusal::invalid("attachments", "An attachment holds at most 5 MiB."));
        }
        let seq: i64 = conn
            .prepare_cached(
                "INSERT INTO attachments (id, item_id, name, encrypted_key, hash) VALUES (?1, ?2, ?3, ?4, ?5)
                 RETURNING seq",
            )?
            .query_row(
                params![
                    AttachmentId::fresh()?,
                    item,
                    attachment.name,
                    attachment.encrypted_key,
                    attachment.hash
                ],
                |row| row.get(0),
            )?;
        conn.prepare_cached("INSERT INTO attachment_data (attachment, encrypted_data) VALUES (?1, ?2)")?
            .execute(params![seq, attachment.encrypted_data])?;
    }
    Ok(())
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
