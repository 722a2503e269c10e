//! Items, their attachments and the users' favorites. All that is secret arrives and leaves as
//! ciphertext; the server checks sizes and places, never contents.

use super::folder::{check_within, new_bin_item};
use super::{inbox, lower_text, shortcut, snapshot};
use crate::access::{Caller, Editor, FOLDER_ROLES, Reader, is_limited};
use crate::error::{Refusal, Result};
use crate::id::{AttachmentId, BinItemId, FolderId, InboxItemId, ItemId, VaultId, now};
use crate::json::Object;
use keyferry_api::item::{Attachment, Custom, ItemDraft, MoveItem};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde_json::{Map, Value};

/// 5 MiB of content after base64, AES, base64 again and base32, and some room.
const LARGEST_ENCRYPTED: usize = 16 << 20;
/// 5 MiB of content in base64 twice.
const LARGEST_PLAIN: usize = (5 << 20) / 9 * 16 + 32;

/// A place to put something: a vault or a folder in it, which the caller may edit.
pub(crate) struct Place {
    pub editor: Editor,
    pub folder: Option<FolderId>,
}

impl Place {
    /// The place that a request names.
    pub fn find(conn: &Connection, caller: &Caller, vault: &str, folder: Option<&str>) -> Result<Self> {
        let vault = vault.parse::<VaultId>()?;
        let Some(folder) = folder.filter(|id| !id.is_empty()) else {
            let editor = Reader::of(conn, caller, &vault)?.into_editor()?;
            return Ok(Self { editor, folder: None });
        };
        let reader = Reader::of(conn, caller, &vault)?;
        let folder = folder.parse::<FolderId>()?;
        check_within(conn, &reader, &folder, "folderId")?;
        let editor = Reader::at(conn, caller, &vault, Some(&folder), "folder")?.into_editor()?;
        Ok(Self { editor, folder: Some(folder) })
    }
}

/// An item that the caller may read, come to by its own id, or by that of a shortcut or an inbox item.
pub(crate) struct Target {
    pub item: ItemId,
    /// The vault that the item itself stands in.
    pub vault: VaultId,
    pub is_deleted: bool,
    pub encrypted: bool,
    /// The shortcut that the item is seen through.
    pub shortcut: Option<shortcut::Stored>,
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
        let item = id.parse::<ItemId>()?;
        if let Some(at) = position(conn, &item)? {
            let role = Reader::at(conn, caller, &at.vault, at.folder.as_ref(), "item")?;
            let encrypted = role.is_encrypted();
            let (vault, is_deleted) = (at.vault, at.is_deleted);
            return Ok(Self { item, vault, is_deleted, encrypted, shortcut: None, role: Some(role) });
        }
        let missing = || Refusal::not_found("item");
        let shortcut = shortcut::find(conn, &id.parse()?)?.ok_or_else(missing)?;
        let mut role = Reader::at(conn, caller, &shortcut.vault, shortcut.folder.as_ref(), "item")?;
        let at = position(conn, &shortcut.item)?.filter(|at| !at.is_deleted).ok_or_else(missing)?;
        if shortcut.maker.as_ref() == Some(&caller.user) {
            role = role.at_most(&Reader::at(conn, caller, &at.vault, at.folder.as_ref(), "item")?);
        }
        Ok(Self {
            item: shortcut.item.clone(),
            vault: at.vault,
            is_deleted: false,
            encrypted: role.is_encrypted(),
            shortcut: Some(shortcut),
            role: Some(role),
        })
    }

    /// The item itself, not through a shortcut.
    pub fn find_own(conn: &Connection, caller: &Caller, id: &str) -> Result<Self> {
        let target = Self::find(conn, caller, id)?;
        match &target.shortcut {
            None => Ok(target),
            Some(_) => Err(Refusal::conflict("This is a shortcut: name the item itself.")),
        }
    }

    /// An item in the caller's inbox.
    pub fn of_inbox(conn: &Connection, caller: &Caller, id: &InboxItemId) -> Result<Self> {
        let missing = || Refusal::not_found("inbox item");
        let (item, sender) = inbox::item_of(conn, caller, id)?.ok_or_else(missing)?;
        let at = position(conn, &item)?.filter(|at| !at.is_deleted).ok_or_else(missing)?;
        // What one sends to oneself does not outlive the role that it was read with.
        if sender == caller.user {
            Reader::at(conn, caller, &at.vault, at.folder.as_ref(), "inbox item")?;
        }
        let encrypted = conn
            .prepare_cached("SELECT encrypted FROM vaults WHERE id = ?1")?
            .query_row([&at.vault], |row| row.get(0))?;
        Ok(Self { item, vault: at.vault, is_deleted: false, encrypted, shortcut: None, role: None })
    }

    /// Whether the caller administers the place that the item is seen in.
    pub fn is_owned(&self) -> bool {
        self.role.as_ref().is_some_and(Reader::is_owner)
    }

    /// The id that the item is shown under here.
    pub fn shown_id(&self) -> &str {
        self.shortcut.as_ref().map_or(self.item.as_str(), |shortcut| shortcut.id.as_str())
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

fn json_text<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Refusal::internal())
}

/// Makes an item.
pub(crate) fn create(conn: &Connection, caller: &Caller, place: &Place, draft: ItemDraft) -> Result<ItemId> {
    let name = draft.name.ok_or_else(|| Refusal::invalid("name", "A name is needed."))?;
    // Also in an encrypted vault it may be missing: the official client sends none with an item
    // that has no password.
    let key = draft.key_encrypted.filter(|key| !key.is_empty());
    let tags = draft.tags.unwrap_or_default();
    let id = ItemId::fresh()?;
    conn.prepare_cached(
        "INSERT INTO items (id, vault_id, folder_id, name, login, url, description, tags, color,
                            password_encrypted, key_encrypted, customs, created_at, updated_at, updated_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14)",
    )?
    .execute(params![
        id,
        place.editor.vault(),
        place.folder,
        name,
        draft.login,
        draft.url,
        draft.description,
        json_text(&tags)?,
        draft.color.unwrap_or(0),
        draft.password_encrypted,
        key,
        json_text(&draft.customs.unwrap_or_default())?,
        now(),
        caller.user
    ])?;
    index(conn, conn.last_insert_rowid())?;
    add_attachments(conn, place.editor.is_encrypted(), &id, draft.attachments.unwrap_or_default())?;
    if draft.is_favorite == Some(true) {
        set_favorite(conn, caller, &id, true)?;
    }
    Ok(id)
}

/// Brings the indexes of texts and tags up to date with an item.
fn index(conn: &Connection, seq: i64) -> Result<()> {
    let mut statement =
        conn.prepare_cached("SELECT name, login, url, description, tags FROM items WHERE seq = ?1")?;
    let mut rows = statement.query([seq])?;
    let row = rows.next()?.ok_or_else(Refusal::internal)?;
    let mut texts = [None; 5];
    for (index, text) in texts.iter_mut().enumerate() {
        *text = row.get_ref(index)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    }
    conn.prepare_cached("INSERT OR REPLACE INTO item_text (rowid, text) VALUES (?1, ?2)")?
        .execute(params![seq, lower_text(texts)])?;
    if texts[4] != Some("[]") {
        conn.prepare_cached(
            "INSERT OR IGNORE INTO item_tags (tag, item) SELECT value, ?1 FROM json_each(?2)",
        )?
        .execute(params![seq, texts[4]])?;
    }
    Ok(())
}

fn add_attachments(
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
        conn.prepare_cached(
            "INSERT INTO attachments (id, item_id, name, encrypted_key, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            AttachmentId::fresh()?,
            item,
            attachment.name,
            attachment.encrypted_key,
            attachment.hash
        ])?;
        conn.prepare_cached("INSERT INTO attachment_data (attachment, encrypted_data) VALUES (?1, ?2)")?
            .execute(params![conn.last_insert_rowid(), attachment.encrypted_data])?;
    }
    Ok(())
}

/// Takes an attachment off an item; snapshots that name it keep it.
pub(crate) fn remove_attachment(
    conn: &Connection,
    caller: &Caller,
    target: &Editable,
    id: &AttachmentId,
) -> Result<()> {
    snapshot::take(conn, &target.item)?;
    let removed = conn
        .prepare_cached(
            "UPDATE attachments SET removed_at = ?3 WHERE id = ?1 AND item_id = ?2 AND removed_at IS NULL",
        )?
        .execute(params![id, target.item, now()])?;
    if removed == 0 {
        return Err(Refusal::not_found("attachment"));
    }
    conn.prepare_cached(
        "UPDATE items SET updated_at = ?2, updated_by = ?3, revision = revision + 1 WHERE id = ?1",
    )?
    .execute(params![target.item, now(), caller.user])?;
    Ok(())
}

/// The caller's own mark.
pub(crate) fn set_favorite(conn: &Connection, caller: &Caller, item: &ItemId, on: bool) -> Result<()> {
    let sql = if on {
        "INSERT INTO favorites (user_id, item_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM favorites WHERE user_id = ?1 AND item_id = ?2"
    };
    conn.prepare_cached(sql)?.execute(params![caller.user, item])?;
    Ok(())
}

fn member<T: serde::de::DeserializeOwned>(field: &'static str, value: Value) -> Result<Option<T>> {
    serde_json::from_value(value)
        .map_err(|_| Refusal::invalid(field, format!("`{field}` has the wrong type.")))
}

/// Changes the members that are given. Null empties a text; an item's key is never emptied, and never
/// replaced through a shortcut, whose clients know it wrapped for another vault.
pub(crate) fn update(
    conn: &Connection,
    caller: &Caller,
    target: &Editable,
    mut patch: Map<String, Value>,
) -> Result<()> {
    if let Some(value) = patch.remove("revision")
        && let Some(given) = member::<i64>("revision", value)?
    {
        let current: i64 = conn
            .prepare_cached("SELECT revision FROM items WHERE id = ?1")?
            .query_row([&target.item], |row| row.get(0))?;
        if given != current {
            return Err(Refusal::conflict("The item was changed since it was read."));
        }
    }
    snapshot::take(conn, &target.item)?;
    let mut set = String::from("revision = revision + 1, updated_at = ?, updated_by = ?");
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(now()), Box::new(caller.user.clone())];
    let mut push = |column: &str, value: Box<dyn ToSql>| {
        set.push_str(", ");
        set.push_str(column);
        set.push_str(" = ?");
        values.push(value);
    };
    if let Some(value) = patch.remove("folderId") {
        if target.shortcut.is_some() {
            return Err(Refusal::invalid("folderId", "An item does not move through a shortcut."));
        }
        let folder = member::<String>("folderId", value)?;
        push(
            "folder_id",
            Box::new(Place::find(conn, caller, target.vault.as_str(), folder.as_deref())?.folder),
        );
    }
    if let Some(value) = patch.remove("name") {
        push("name", Box::new(member::<String>("name", value)?.unwrap_or_default()));
    }
    for (field, column) in [
        ("login", "login"),
        ("url", "url"),
        ("description", "description"),
        ("passwordEncrypted", "password_encrypted"),
    ] {
        if let Some(value) = patch.remove(field) {
            push(column, Box::new(member::<String>(field, value)?));
        }
    }
    if let Some(value) = patch.remove("keyEncrypted")
        && let Some(key) = member::<String>("keyEncrypted", value)?
        && !key.is_empty()
        && target.shortcut.is_none()
    {
        push("key_encrypted", Box::new(key));
    }
    if let Some(value) = patch.remove("tags") {
        let tags: Vec<String> = member("tags", value)?.unwrap_or_default();
        push("tags", Box::new(json_text(&tags)?));
    }
    if let Some(value) = patch.remove("color") {
        push("color", Box::new(member::<i64>("color", value)?.unwrap_or(0)));
    }
    if let Some(value) = patch.remove("customs") {
        let customs: Vec<Custom> = member("customs", value)?.unwrap_or_default();
        push("customs", Box::new(json_text(&customs)?));
    }
    let attachments: Vec<Attachment> = match patch.remove("attachments") {
        Some(value) => member("attachments", value)?.unwrap_or_default(),
        None => Vec::new(),
    };
    values.push(Box::new(target.item.clone()));
    let seq: i64 = conn
        .prepare_cached(&format!("UPDATE items SET {set} WHERE id = ? RETURNING seq"))?
        .query_row(params_from_iter(values), |row| row.get(0))?;
    conn.prepare_cached("DELETE FROM item_tags WHERE item = ?1")?.execute([seq])?;
    index(conn, seq)?;
    add_attachments(conn, target.encrypted, &target.item, attachments)
}

/// Checks that an item may go to a place, and gives its key as it is stored there.
fn key_for(conn: &Connection, target: &Editable, place: &Place, to: MoveItem) -> Result<Option<String>> {
    let key: Option<String> = conn
        .prepare_cached("SELECT key_encrypted FROM items WHERE id = ?1")?
        .query_row([&target.item], |row| row.get(0))?;
    if *place.editor.vault() == target.vault {
        return Ok(key);
    }
    if place.editor.is_encrypted() != target.encrypted {
        let message = "Between vaults with and without client-side encryption the client must encrypt anew.";
        return Err(Refusal::invalid("vaultId", message));
    }
    let given = to.key_encrypted.filter(|key| !key.is_empty());
    if key.is_some() && given.is_none() {
        return Err(Refusal::invalid("keyEncrypted", "Another vault needs the key wrapped for it."));
    }
    Ok(given.filter(|_| key.is_some()))
}

/// Moves an item; snapshots that have the item's key get it as it is wrapped for the new vault.
pub(crate) fn relocate(
    conn: &Connection,
    caller: &Caller,
    target: &Editable,
    place: &Place,
    to: MoveItem,
) -> Result<()> {
    let key = key_for(conn, target, place, to)?;
    snapshot::take(conn, &target.item)?;
    conn.prepare_cached(
        "UPDATE snapshots SET key_encrypted = ?2 WHERE item_id = ?1
           AND key_encrypted IS (SELECT key_encrypted FROM items WHERE id = ?1)",
    )?
    .execute(params![target.item, key])?;
    conn.prepare_cached(
        "UPDATE items SET vault_id = ?2, folder_id = ?3, key_encrypted = ?4, updated_at = ?5, updated_by = ?6,
                          revision = revision + 1 WHERE id = ?1",
    )?
    .execute(params![target.item, place.editor.vault(), place.folder, key, now(), caller.user])?;
    Ok(())
}

/// Copies an item as it is, with its attachments and without its history.
pub(crate) fn copy(
    conn: &Connection,
    caller: &Caller,
    target: &Editable,
    place: &Place,
    to: MoveItem,
) -> Result<ItemId> {
    let key = key_for(conn, target, place, to)?;
    let id = ItemId::fresh()?;
    conn.prepare_cached(
        "INSERT INTO items (id, vault_id, folder_id, name, login, url, description, tags, color,
                            password_encrypted, key_encrypted, customs, created_at, updated_at, updated_by)
         SELECT ?2, ?3, ?4, name, login, url, description, tags, color, password_encrypted, ?5, customs, ?6, ?6, ?7
         FROM items WHERE id = ?1",
    )?
    .execute(params![target.item, id, place.editor.vault(), place.folder, key, now(), caller.user])?;
    index(conn, conn.last_insert_rowid())?;
    let mut statement = conn.prepare_cached(
        "SELECT id FROM attachments WHERE item_id = ?1 AND removed_at IS NULL ORDER BY seq",
    )?;
    let attachments: Vec<AttachmentId> =
        statement.query_map([&target.item], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for attachment in attachments {
        let attachment = attachment_of(conn, &target.item, &attachment, false)?;
        add_attachments(conn, target.encrypted, &id, vec![attachment])?;
    }
    Ok(id)
}

/// An item whole, as the text of its answer.
pub(crate) fn get(conn: &Connection, caller: &Caller, target: &Target) -> Result<Vec<u8>> {
    let mut statement = conn.prepare_cached(
        "SELECT i.folder_id, i.name, i.login, i.url, i.description, i.tags, i.color, i.password_encrypted,
                i.key_encrypted, i.customs, i.bin_item_id IS NOT NULL, i.updated_at, i.created_at,
                EXISTS (SELECT 1 FROM favorites WHERE user_id = ?3 AND item_id = i.id),
                (SELECT master_key_encrypted FROM vault_users WHERE vault_id = ?2 AND user_id = ?3), i.revision
         FROM items i WHERE i.id = ?1",
    )?;
    let mut rows = statement.query(params![target.item, target.shown_vault(), caller.user])?;
    let row = rows.next()?.ok_or_else(|| Refusal::not_found("item"))?;
    let text_at = |index: usize| -> Result<Option<&str>> {
        row.get_ref(index)?.as_str_or_null().map_err(|error| rusqlite::Error::from(error).into())
    };
    let (folder, key) = match &target.shortcut {
        Some(shortcut) => (shortcut.folder.as_ref().map(FolderId::as_str), shortcut.key_encrypted.as_deref()),
        None => (text_at(0)?, text_at(8)?),
    };
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::new(&mut out);
    object
        .put("id", target.shown_id())?
        .put("vaultId", target.shown_vault())?
        .put("folderId", &folder)?
        .put("name", &text_at(1)?)?
        .put("login", &text_at(2)?)?
        .put("url", &text_at(3)?)?
        .put("description", &text_at(4)?)?
        .put_json("tags", text_at(5)?.unwrap_or("[]").as_bytes())
        .put("color", &row.get::<_, i64>(6)?)?
        .put("isFavorite", &row.get::<_, bool>(13)?)?
        .put("isDeleted", &row.get::<_, bool>(10)?)?
        .put("passwordEncrypted", &text_at(7)?)?
        .put("keyEncrypted", &key)?
        .put_json("customs", text_at(9)?.unwrap_or("[]").as_bytes())
        .put_json("attachments", &attachment_list(conn, &target.item, None)?)
        .put("fieldsOrder", &())?
        .put("vaultMasterKeyEncrypted", &text_at(14)?)?
        .put("createdAt", &row.get::<_, i64>(12)?)?
        .put("updatedAt", &row.get::<_, i64>(11)?)?
        .put("revision", &row.get::<_, i64>(15)?)?;
    object.end();
    Ok(out)
}

/// An item's attachments without their contents: those that it has, or those that `among` names.
pub(crate) fn attachment_list(conn: &Connection, item: &ItemId, among: Option<&str>) -> Result<Vec<u8>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, encrypted_key, hash FROM attachments WHERE item_id = ?1
           AND CASE WHEN ?2 IS NULL THEN removed_at IS NULL ELSE id IN (SELECT value FROM json_each(?2)) END
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
            .put("id", &row.get::<_, String>(0)?)?
            .put("name", &row.get::<_, String>(1)?)?
            .put("encryptedKey", &row.get::<_, String>(2)?)?
            .put("hash", &row.get::<_, String>(3)?)?;
        object.end();
    }
    out.push(b']');
    Ok(out)
}

/// One of an item's attachments with its content; whether the caller may have it is decided before.
pub(crate) fn attachment_of(
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

/// What a list or search asks for; all conditions hold together.
#[derive(Default)]
pub(crate) struct Filter {
    pub query: Option<String>,
    pub vaults: Vec<String>,
    pub folders: Vec<String>,
    pub tags: Vec<String>,
    pub colors: Vec<i64>,
    pub limit: Option<usize>,
    pub offset: usize,
}

/// A search being put together and run: items, or shortcuts to them.
pub(crate) struct Hits<'a> {
    filter: &'a Filter,
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

/// Each is a condition of its own, and `SQLite` nests no more than a thousand.
const MOST_TAGS: usize = 100;

impl<'a> Hits<'a> {
    /// `sql` selects the eleven columns of a summary, for the user `?1`, from `items i` and from `place`,
    /// which has the vault and folder.
    pub fn new(caller: &Caller, filter: &'a Filter, sql: String, place: &str) -> Result<Self> {
        let mut hits = Self { filter, sql, values: vec![Box::new(caller.user.clone())] };
        // A folder is smaller than its vault: where one is named, its index is the one to use. The plus keeps
        // SQLite from the vault's, as the CROSS JOIN of `search` does.
        let in_folders = !filter.folders.is_empty();
        for (list, column) in [(&filter.vaults, "vault_id"), (&filter.folders, "folder_id")] {
            if !list.is_empty() {
                let number = hits.bind(json_text(list)?);
                let plus = if in_folders && column == "vault_id" { "+" } else { "" };
                hits.and(&format!("{plus}{place}.{column} IN (SELECT value FROM json_each(?{number}))"));
            }
        }
        if !filter.colors.is_empty() {
            let number = hits.bind(json_text(&filter.colors)?);
            hits.and(&format!("i.color IN (SELECT value FROM json_each(?{number}))"));
        }
        if filter.tags.len() > MOST_TAGS {
            return Err(Refusal::invalid("tags", format!("A search takes at most {MOST_TAGS} tags.")));
        }
        for tag in &filter.tags {
            let number = hits.bind(tag.clone());
            hits.and(&format!("i.seq IN (SELECT item FROM item_tags WHERE tag = ?{number})"));
        }
        if let Some(words) = filter.query.as_deref().and_then(trigrams) {
            let number = hits.bind(words);
            hits.and(&format!("i.seq IN (SELECT rowid FROM item_text WHERE item_text MATCH ?{number})"));
        }
        Ok(hits)
    }

    fn and(&mut self, condition: &str) {
        self.sql.extend([" AND ", condition]);
    }

    fn bind(&mut self, value: String) -> usize {
        self.values.push(Box::new(value));
        self.values.len()
    }

    /// The text of the answer; `more` adds members to each entry.
    pub fn each(
        &mut self,
        conn: &Connection,
        order: &str,
        more: impl Fn(&rusqlite::Row<'_>, &mut Object<'_>) -> Result<()>,
    ) -> Result<Vec<u8>> {
        self.sql += order;
        let filter = self.filter;
        let query = filter.query.as_deref().map(str::to_lowercase).filter(|query| !query.is_empty());
        let mut statement = conn.prepare_cached(&self.sql)?;
        let mut rows = statement.query(params_from_iter(std::mem::take(&mut self.values)))?;
        let mut out = br#"{"items":["#.to_vec();
        let (mut skipped, mut taken) = (0, 0);
        while filter.limit.is_none_or(|limit| taken < limit)
            && let Some(row) = rows.next()?
        {
            let text_at = |index: usize| -> Result<Option<&str>> {
                row.get_ref(index)?.as_str_or_null().map_err(|error| rusqlite::Error::from(error).into())
            };
            if let Some(query) = &query {
                let mut hit = false;
                for index in 3..=7 {
                    hit = hit
                        || text_at(index)?.is_some_and(|text| text.to_lowercase().contains(query.as_str()));
                }
                if !hit {
                    continue;
                }
            }
            if skipped < filter.offset {
                skipped += 1;
                continue;
            }
            if taken > 0 {
                out.push(b',');
            }
            taken += 1;
            let mut object = Object::new(&mut out);
            object
                .put("id", &text_at(0)?)?
                .put("vaultId", &text_at(1)?)?
                .put("folderId", &text_at(2)?)?
                .put("name", &text_at(3)?)?
                .put("login", &text_at(4)?)?
                .put("url", &text_at(5)?)?
                .put("description", &text_at(6)?)?
                .put_json("tags", text_at(7)?.unwrap_or("[]").as_bytes())
                .put("color", &row.get::<_, i64>(8)?)?
                .put("isFavorite", &row.get::<_, bool>(10)?)?
                .put("isDeleted", &false)?
                .put("updatedAt", &row.get::<_, i64>(9)?)?;
            more(row, &mut object)?;
            object.end();
        }
        out.extend_from_slice(b"]}");
        Ok(out)
    }
}

/// What the index of texts is asked for: every three characters that stand together in the query, but for
/// those with a NUL, where the index's own language ends. Which hits have them in a row is looked at one by
/// one. A shorter query has none.
fn trigrams(query: &str) -> Option<String> {
    let letters: Vec<char> = query.to_lowercase().chars().collect();
    let words = letters.windows(3).filter(|three| !three.contains(&'\0')).map(|three| {
        let word: String = three.iter().collect();
        format!("\"{}\"", word.replace('"', "\"\""))
    });
    // A few dozen narrow it down as far as it goes.
    let words: Vec<String> = words.take(32).collect();
    (!words.is_empty()).then(|| words.join(" AND "))
}

/// Summaries of the items that the caller may see, as the text of the answer.
pub(crate) fn search(conn: &Connection, caller: &Caller, filter: &Filter) -> Result<Vec<u8>> {
    let limited = is_limited(conn, caller)?;
    let readable = if limited {
        "(u.role >= 1 AND (i.folder_id IS NULL OR i.vault_id NOT IN (SELECT vault_id FROM limited))
          OR i.folder_id IN (SELECT folder_id FROM access WHERE role >= 1))"
    } else {
        "u.role >= 1"
    };
    let sql = format!(
        "{} SELECT i.id, i.vault_id, i.folder_id, i.name, i.login, i.url, i.description, i.tags, i.color,
                i.updated_at, EXISTS (SELECT 1 FROM favorites WHERE user_id = ?1 AND item_id = i.id)
         FROM items i {} vault_users u ON u.vault_id = i.vault_id AND u.user_id = ?1
         WHERE i.bin_item_id IS NULL AND {readable}",
        if limited { FOLDER_ROLES } else { "" },
        if filter.folders.is_empty() { "JOIN" } else { "CROSS JOIN" }
    );
    Hits::new(caller, filter, sql, "i")?.each(conn, " ORDER BY i.seq", |_, _| Ok(()))
}

/// Puts an item into the bin.
pub(crate) fn delete(conn: &Connection, caller: &Caller, target: &Editable) -> Result<BinItemId> {
    let bin = new_bin_item(conn, caller, &target.vault)?;
    conn.prepare_cached("UPDATE items SET bin_item_id = ?2 WHERE id = ?1")?
        .execute(params![target.item, bin])?;
    Ok(bin)
}
