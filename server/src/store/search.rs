//! Lists and searches of items, and what a search through shortcuts shares with them.

use super::place::way;
use super::{SEPARATOR, json_text, texts};
use crate::access::{Caller, FOLDER_ROLES, Reader, is_limited};
use crate::error::{Refusal, Result};
use crate::json::{Object, text};
use keyferry_sql::Dialect;
use keyferry_sql::{self as sql, Connection, ToSql};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

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

/// The ways to places, from the vault down, each looked up once: by the folder, or by the vault whose top it is.
#[derive(Default)]
pub(crate) struct Ways {
    known: HashMap<String, Vec<u8>>,
    /// The place that was asked for last, as neighbours mostly are in one.
    last: String,
    last_way: Vec<u8>,
}

impl Ways {
    /// The way to a place as JSON.
    pub fn to(&mut self, conn: &Connection, vault: &str, folder: Option<&str>) -> Result<&[u8]> {
        // Ids of both are drawn alike and meet nowhere.
        let place = folder.unwrap_or(vault);
        if self.last != place {
            if let Some(known) = self.known.get(place) {
                self.last_way.clone_from(known);
            } else {
                self.last_way = text(&way(conn, vault, folder)?)?;
                self.known.insert(place.to_owned(), self.last_way.clone());
            }
            place.clone_into(&mut self.last);
        }
        Ok(&self.last_way)
    }
}

/// Which members of each entry are shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown {
    /// Those of our own as well.
    pub extensions: bool,
    /// What it is and where it stands, and nothing else of Passwork's.
    pub minimal: bool,
}

/// A search being put together and run: items, or shortcuts to them.
pub(crate) struct Hits<'a> {
    filter: &'a Filter,
    sql: String,
    values: Vec<Box<dyn ToSql>>,
    shown: Shown,
}

/// The members that searches show of an item, from the first twelve columns of their row.
pub(super) fn put_summary(row: &sql::Row<'_>, object: &mut Object<'_>) -> Result<()> {
    let text_at = |index: usize| -> Result<Option<&str>> { Ok(row.text(index)?) };
    put_place(row, object)?;
    object
        .put("name", &text_at(3)?)?
        .put("login", &text_at(4)?)?
        .put("url", &text_at(5)?)?
        .put("description", &text_at(6)?)?
        .put_json("tags", text_at(7)?.unwrap_or("[]").as_bytes())
        .put("color", &row.get::<i64>(8)?)?
        .put("isFavorite", &row.get::<bool>(10)?)?
        .put("isDeleted", &false)?
        .put_json("fieldsOrder", text_at(11)?.unwrap_or("null").as_bytes());
    Ok(())
}

/// What an item is, and where it stands.
fn put_place(row: &sql::Row<'_>, object: &mut Object<'_>) -> Result<()> {
    for (index, member) in ["id", "vaultId", "folderId"].into_iter().enumerate() {
        object.put(member, &row.text(index)?)?;
    }
    Ok(())
}

/// Each is a condition of its own, and `SQLite` nests no more than a thousand.
const MOST_TAGS: usize = 100;

impl<'a> Hits<'a> {
    /// `sql` selects the twelve columns of a summary, for the user `?1`, from `items i` and from `place`,
    /// which has the vault and folder.
    pub fn new(
        dialect: Dialect,
        caller: &Caller,
        filter: &'a Filter,
        sql: String,
        place: &str,
        shown: Shown,
    ) -> Result<Self> {
        let mut hits = Self { filter, sql, values: vec![Box::new(caller.user.clone())], shown };
        // A folder is smaller than its vault: where one is named, its index is the one to use. The plus keeps
        // SQLite from the vault's, as the CROSS JOIN of `search` does.
        let in_folders = !filter.folders.is_empty();
        let words = filter.query.as_deref().and_then(|query| texts::query(dialect, query));
        // So are tags and words: of a vault they leave few.
        let narrowed = in_folders || !filter.tags.is_empty() || words.is_some();
        for (list, column) in [(&filter.vaults, "vault_id"), (&filter.folders, "folder_id")] {
            let plus = if narrowed && column == "vault_id" { dialect.aside() } else { "" };
            if let ([one], false) = (list.as_slice(), in_folders) {
                // In the order of the index, so that a list that is cut short reads no more than it shows.
                let number = hits.bind(one.clone());
                hits.and(&format!("{plus}{place}.{column} = ?{number}"));
            } else if !list.is_empty() {
                let number = hits.bind(json_text(list)?);
                hits.and(&format!("{plus}{place}.{column} IN (SELECT value FROM json_each(?{number}))"));
            }
        }
        if !filter.colors.is_empty() {
            let number = hits.bind(json_text(&filter.colors)?);
            hits.and(&format!("i.color IN (SELECT CAST(value AS BIGINT) FROM json_each(?{number}))"));
        }
        if filter.tags.len() > MOST_TAGS {
            return Err(Refusal::invalid("tags", format!("A search takes at most {MOST_TAGS} tags.")));
        }
        for tag in &filter.tags {
            let number = hits.bind(tag.clone());
            hits.and(&format!("i.seq IN (SELECT item FROM item_tags WHERE tag = ?{number})"));
        }
        if let Some(words) = words {
            let number = hits.bind(words);
            hits.and(&format!("i.seq {}", texts::has(dialect, number)));
        }
        Ok(hits)
    }

    fn and(&mut self, condition: &str) {
        self.sql.extend([" AND ", condition]);
    }

    fn bind(&mut self, value: impl ToSql + 'static) -> usize {
        self.values.push(Box::new(value));
        self.values.len()
    }

    /// The text of the answer; `more` adds members to each entry.
    pub fn each(
        &mut self,
        conn: &Connection,
        order: &str,
        more: impl Fn(&sql::Row<'_>, &mut Object<'_>) -> Result<()>,
    ) -> Result<Vec<u8>> {
        self.sql += order;
        let filter = self.filter;
        if let (Dialect::Postgres, Some(limit)) = (conn.dialect(), filter.limit)
            && filter.query.as_ref().is_none_or(|query| !query.contains(['\0', SEPARATOR]))
        {
            // Its rows come all at once; and all that it finds are hits, as it looks for the query as it is.
            let most = i64::try_from(limit.saturating_add(filter.offset)).unwrap_or(i64::MAX);
            let number = self.bind(most);
            // Writing into a text does not fail.
            let _ = write!(self.sql, " LIMIT ?{number}");
        }
        let query = filter.query.as_deref().map(str::to_lowercase).filter(|query| !query.is_empty());
        let mut statement = conn.prepare_cached(&self.sql)?;
        let mut rows = statement.query(&*std::mem::take(&mut self.values))?;
        let mut out = Vec::with_capacity(16 << 10);
        out.extend_from_slice(br#"{"items":["#);
        let (mut skipped, mut taken) = (0, 0);
        while filter.limit.is_none_or(|limit| taken < limit)
            && let Some(row) = rows.next()?
        {
            let text_at = |index: usize| -> Result<Option<&str>> { Ok(row.text(index)?) };
            if let Some(query) = &query {
                let mut hit = false;
                for index in 3..=7 {
                    hit = hit || text_at(index)?.is_some_and(|text| contains_folded(text, query));
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
            if self.shown.minimal {
                put_place(&row, &mut object)?;
            } else {
                put_summary(&row, &mut object)?;
            }
            if self.shown.extensions {
                object.put("updatedAt", &row.get::<i64>(9)?)?;
            }
            if !self.shown.minimal {
                more(&row, &mut object)?;
            }
            object.end();
        }
        out.extend_from_slice(b"]}");
        Ok(out)
    }
}

/// Whether a text contains a query of small letters, in any case of its own.
fn contains_folded(text: &str, query: &str) -> bool {
    if text.is_ascii() {
        // Most are; these need no copy.
        let (text, query) = (text.as_bytes(), query.as_bytes());
        return text.windows(query.len()).any(|part| part.eq_ignore_ascii_case(query));
    }
    text.to_lowercase().contains(query)
}

fn has_favorites(conn: &Connection, caller: &Caller) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM favorites WHERE user_id = ?1)")?
        .query_row([&caller.user], |row| row.get(0))?)
}

/// Summaries of the items that the caller may see, as the text of the answer; of a search with the way to each.
pub(crate) fn items(
    conn: &Connection,
    caller: &Caller,
    filter: &Filter,
    shown: Shown,
    with_path: bool,
) -> Result<Vec<u8>> {
    let limited = is_limited(conn, caller)?;
    let readable = if limited {
        "(u.role >= 1 AND (i.folder_id IS NULL OR i.vault_id NOT IN (SELECT vault_id FROM limited))
          OR i.folder_id IN (SELECT folder_id FROM access WHERE role >= 1))"
    } else {
        "u.role >= 1"
    };
    // In one vault, with one role for all of it, the right is looked at once, and not at each item.
    let in_one = !limited && filter.vaults.len() == 1;
    if let (true, Some(vault)) = (in_one, filter.vaults.first()) {
        match vault.parse().and_then(|vault| Reader::of(conn, caller, &vault)) {
            Ok(_) => {}
            Err(Refusal::Answer(_)) => return Ok(br#"{"items":[]}"#.to_vec()),
            Err(failed) => return Err(failed),
        }
    }
    let of_caller = match (in_one, filter.folders.is_empty()) {
        // Every parameter stands somewhere, or PostgreSQL does not know what it is.
        (true, _) => "WHERE ?1 <> ''".to_owned(),
        (false, in_vaults) => format!(
            "{} vault_users u ON u.vault_id = i.vault_id AND u.user_id = ?1 WHERE {readable}",
            if in_vaults { "JOIN" } else { "CROSS JOIN" }
        ),
    };
    // Who has no favorites, as most have none, is not asked at each item.
    let favorite = if has_favorites(conn, caller)? {
        "EXISTS (SELECT 1 FROM favorites WHERE user_id = ?1 AND item_id = i.id)"
    } else {
        "0"
    };
    let sql = format!(
        "{} SELECT i.id, i.vault_id, i.folder_id, i.name, i.login, i.url, i.description, i.tags, i.color,
                i.updated_at, {favorite}, i.fields_order
         FROM items i {of_caller} AND i.bin_item_id IS NULL",
        if limited { FOLDER_ROLES } else { "" }
    );
    let ways = RefCell::new(Ways::default());
    Hits::new(conn.dialect(), caller, filter, sql, "i", shown)?.each(
        conn,
        " ORDER BY i.seq",
        |row, object| {
            if with_path {
                let (vault, folder) = (row.text(1)?.unwrap_or_default(), row.text(2)?);
                object.put_json("path", ways.borrow_mut().to(conn, vault, folder)?);
            }
            Ok(())
        },
    )
}
