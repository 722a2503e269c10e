//! What an id in a request leads to: an item by its own id, through a shortcut, or in the inbox; and what the caller
//! may do with it there.

use super::place::vault_of;
use crate::access::{Caller, Reader};
use crate::error::{Refusal, Result};
use crate::id::{FolderId, InboxItemId, ItemId, ShortcutId, UserId, VaultId};
use keyferry_sql::{self as sql, Connection, Optional as _, params};

/// An item that the caller may read, come to by its own id, or by that of a shortcut or an inbox item.
pub(crate) struct Target {
    pub item: ItemId,
    /// The vault that the item itself stands in.
    pub vault: VaultId,
    pub is_deleted: bool,
    pub encrypted: bool,
    /// The shortcut that the item is seen through.
    pub shortcut: Option<Shortcut>,
    /// It was asked for by its own id, though only a shortcut leads there.
    by_own_id: bool,
    /// The role in the place that the item is seen in.
    role: Option<Reader>,
}

/// An item that the caller may also change, and that is not in the bin.
pub(crate) struct Editable(Target);

impl std::ops::Deref for Editable {
    type Target = Target;
    fn deref(&self) -> &Target {
        &self.0
    }
}

/// Where an item is.
struct Position {
    vault: VaultId,
    folder: Option<FolderId>,
    is_deleted: bool,
}

fn position(conn: &Connection, item: &ItemId) -> Result<Option<Position>> {
    Ok(conn
        .prepare_cached("SELECT vault_id, folder_id, bin_item_id IS NOT NULL FROM items WHERE id = ?1")?
        .query_row([item], |row| {
            Ok(Position { vault: row.get(0)?, folder: row.get(1)?, is_deleted: row.get(2)? })
        })
        .optional()?)
}

impl Target {
    /// An item that the caller may not see is an item that is not there. `id` may be a shortcut's.
    pub fn find(conn: &Connection, caller: &Caller, id: &str) -> Result<Self> {
        Self::find_by(conn, caller, id, |vault, folder| Reader::at(conn, caller, vault, folder, "item"))
    }

    /// The same, where `reader` says what the caller may do in the item's place.
    pub fn find_by(
        conn: &Connection,
        caller: &Caller,
        id: &str,
        reader: impl FnOnce(&VaultId, Option<&FolderId>) -> Result<Reader>,
    ) -> Result<Self> {
        let item = id.parse::<ItemId>()?;
        if let Some(at) = position(conn, &item)? {
            let role = match reader(&at.vault, at.folder.as_ref()) {
                Ok(role) => role,
                // Clients that know an item from a shortcut ask for it by its own id.
                Err(refusal) => return Self::through_any(conn, caller, &item)?.ok_or(refusal),
            };
            let encrypted = role.is_encrypted();
            let (vault, is_deleted) = (at.vault, at.is_deleted);
            let (shortcut, by_own_id) = (None, false);
            return Ok(Self { item, vault, is_deleted, encrypted, shortcut, by_own_id, role: Some(role) });
        }
        let missing = || Refusal::not_found("item");
        Self::through(conn, caller, find_shortcut(conn, &id.parse()?)?.ok_or_else(missing)?)
    }

    /// What a shortcut leads to.
    fn through(conn: &Connection, caller: &Caller, shortcut: Shortcut) -> Result<Self> {
        let missing = || Refusal::not_found("item");
        let mut role = shortcut_reader(conn, caller, &shortcut).map_err(|refusal| match refusal {
            Refusal::Answer(_) => missing(),
            failed @ Refusal::Database(_) => failed,
        })?;
        let at = position(conn, &shortcut.item)?.filter(|at| !at.is_deleted).ok_or_else(missing)?;
        if let Some(maker) = &shortcut.maker {
            role = role.at_most(&Reader::of_user(conn, maker, &at.vault, at.folder.as_ref(), "item")?);
        }
        Ok(Self {
            item: shortcut.item.clone(),
            vault: at.vault,
            is_deleted: false,
            encrypted: role.is_encrypted(),
            shortcut: Some(shortcut),
            by_own_id: false,
            role: Some(role),
        })
    }

    /// An item by the shortcut to it through which the caller may do most, the first of several.
    fn through_any(conn: &Connection, caller: &Caller, item: &ItemId) -> Result<Option<Self>> {
        let mut statement =
            conn.prepare_cached("SELECT id FROM shortcuts WHERE item_id = ?1 ORDER BY seq")?;
        let ids: Vec<ShortcutId> =
            statement.query_map([item], |row| row.get(0))?.collect::<sql::Result<_>>()?;
        let mut best: Option<Self> = None;
        for id in ids {
            let Some(shortcut) = find_shortcut(conn, &id)? else { continue };
            match Self::through(conn, caller, shortcut) {
                Ok(target) if best.as_ref().is_none_or(|best| target.may_more_than(best)) => {
                    best = Some(Self { by_own_id: true, ..target });
                }
                Ok(_) | Err(Refusal::Answer(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        Ok(best)
    }

    fn may_more_than(&self, other: &Self) -> bool {
        let role = |target: &Self| target.role.as_ref().map(Reader::role);
        role(self) > role(other)
    }

    /// The item itself, not through a shortcut.
    pub fn find_own(conn: &Connection, caller: &Caller, id: &str) -> Result<Self> {
        let target = Self::find(conn, caller, id)?;
        match &target.shortcut {
            None => Ok(target),
            // What is only seen from elsewhere is not there to be moved, copied or deleted.
            Some(_) if target.by_own_id => Err(Refusal::not_found("item")),
            Some(_) => Err(Refusal::conflict("This is a shortcut: name the item itself.")),
        }
    }

    /// An item in the caller's inbox.
    pub fn of_inbox(conn: &Connection, caller: &Caller, id: &InboxItemId) -> Result<Self> {
        let missing = || Refusal::not_found("inbox item");
        let (item, sender) = sent_item(conn, caller, id)?.ok_or_else(missing)?;
        let at = position(conn, &item)?.filter(|at| !at.is_deleted).ok_or_else(missing)?;
        // What was sent does not outlive the right that it was sent with, whoever it was sent to.
        Reader::of_user(conn, &sender, &at.vault, at.folder.as_ref(), "inbox item")?;
        let encrypted = conn
            .prepare_cached("SELECT encrypted FROM vaults WHERE id = ?1")?
            .query_row([&at.vault], |row| row.get(0))?;
        let (shortcut, by_own_id) = (None, false);
        Ok(Self { item, vault: at.vault, is_deleted: false, encrypted, shortcut, by_own_id, role: None })
    }

    /// Whether the caller administers the place that the item is seen in.
    pub fn is_owned(&self) -> bool {
        self.role.as_ref().is_some_and(Reader::is_owner)
    }

    /// The id that the item is shown under here.
    pub fn shown_id(&self) -> &str {
        let shortcut = self.shortcut.as_ref().filter(|_| !self.by_own_id);
        shortcut.map_or(self.item.as_str(), |shortcut| shortcut.id.as_str())
    }

    /// The vault that the item is shown in here.
    pub fn shown_vault(&self) -> &VaultId {
        self.shortcut.as_ref().map_or(&self.vault, |shortcut| &shortcut.vault)
    }

    pub fn into_editable(mut self) -> Result<Editable> {
        self.role.take().ok_or_else(Refusal::denied)?.into_editor()?;
        if self.is_deleted {
            return Err(Refusal::conflict("The item is in the bin."));
        }
        Ok(Editable(self))
    }
}

/// A shortcut as it is stored.
pub(crate) struct Shortcut {
    pub id: ShortcutId,
    pub vault: VaultId,
    pub folder: Option<FolderId>,
    pub item: ItemId,
    pub key_encrypted: Option<String>,
    /// Who made it, where that is known.
    pub maker: Option<UserId>,
}

/// The shortcut of this id; whether the caller may know is not decided here.
pub(crate) fn find_shortcut(conn: &Connection, id: &ShortcutId) -> Result<Option<Shortcut>> {
    Ok(conn
        .prepare_cached(
            "SELECT id, vault_id, folder_id, item_id, key_encrypted, user_id FROM shortcuts WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(Shortcut {
                id: row.get(0)?,
                vault: row.get(1)?,
                folder: row.get(2)?,
                item: row.get(3)?,
                key_encrypted: row.get(4)?,
                maker: row.get(5)?,
            })
        })
        .optional()?)
}

/// What the caller may do in the place that a shortcut stands in.
pub(crate) fn shortcut_reader(conn: &Connection, caller: &Caller, stored: &Shortcut) -> Result<Reader> {
    if let Some(folder) = &stored.folder {
        // It lies in the bin with its folder.
        vault_of(conn, folder).map_err(|_| Refusal::not_found("shortcut"))?;
    }
    Reader::at(conn, caller, &stored.vault, stored.folder.as_ref(), "shortcut")
}

/// Makes sure that whoever made something of an item, a shortcut or a link, may still read it.
pub(crate) fn check_maker(conn: &Connection, maker: &UserId, item: &ItemId, what: &str) -> Result<()> {
    let missing = || Refusal::not_found(what);
    let at = position(conn, item)?.filter(|at| !at.is_deleted).ok_or_else(missing)?;
    Reader::of_user(conn, maker, &at.vault, at.folder.as_ref(), what).map(drop)
}

/// The item that was sent under this id, if it was sent to the caller, and who sent it.
fn sent_item(conn: &Connection, caller: &Caller, id: &InboxItemId) -> Result<Option<(ItemId, UserId)>> {
    Ok(conn
        .prepare_cached("SELECT item_id, sender_id FROM inbox_items WHERE id = ?1 AND user_id = ?2")?
        .query_row(params![id, caller.user], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}
