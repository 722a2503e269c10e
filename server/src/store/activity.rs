//! The activity log: rows are only ever added, and each carries a hash over itself and the hash before,
//! as [`keyferry_api::activity::Activity`] says. The environment keeps how many there are and the last
//! hash, so that also a missing tail shows.

use crate::error::{Refusal, Result};
use crate::id::{UserId, VaultId, now};
use crate::json::{Object, text};
use data_encoding::HEXLOWER;
use keyferry_api::activity::ActivityCheck;
use keyferry_sql::{Connection, DatabaseError, Kind, Row, Table, ToSql, params};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Something that was done, not yet in the log.
pub(crate) struct Event {
    at: i64,
    user: Option<UserId>,
    action: &'static str,
    object: Option<String>,
    vault: Option<VaultId>,
    address: Option<String>,
}

impl Event {
    pub fn now(
        user: Option<UserId>,
        action: &'static str,
        object: Option<String>,
        vault: Option<VaultId>,
        address: Option<String>,
    ) -> Self {
        Self { at: now(), user, action, object, vault, address }
    }

    /// What a hash covers of it as the entry of this number.
    fn covered(&self, seq: i64) -> Covered<'_> {
        let (user, vault) =
            (self.user.as_ref().map(UserId::as_str), self.vault.as_ref().map(VaultId::as_str));
        (seq, self.at, user, self.action, self.object.as_deref(), vault, self.address.as_deref())
    }
}

/// One entry for what a batch only looked at, in each vault and of each kind: its objects are a list, in the order in which
/// they were asked for. What was changed has an entry for each.
pub(crate) fn gathered(events: Vec<Event>) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::with_capacity(events.len());
    let mut looks: HashMap<(&'static str, Option<VaultId>), usize> = HashMap::new();
    for event in events {
        let (true, Some(object)) =
            (event.action.rsplit_once('.').is_some_and(|(_, deed)| deed == "read"), &event.object)
        else {
            all.push(event);
            continue;
        };
        let first = *looks.entry((event.action, event.vault.clone())).or_insert(all.len());
        match all.get_mut(first) {
            Some(Event { object: Some(objects), .. }) => objects.extend([",", object]),
            _ => all.push(event),
        }
    }
    all
}

/// What a hash covers besides the hash before.
type Covered<'a> = (i64, i64, Option<&'a str>, &'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn link(before: &[u8], row: &Covered<'_>) -> Result<[u8; 32]> {
    Ok(Sha256::new().chain_update(before).chain_update(text(row)?).finalize().into())
}

fn head(conn: &Connection) -> Result<(i64, Vec<u8>)> {
    Ok(conn
        .prepare_cached("SELECT activity_count, activity_head FROM environment")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

const ENTRIES: Table<8> = Table {
    name: "activity",
    columns: [
        ("seq", Kind::Number),
        ("at", Kind::Number),
        ("user_id", Kind::Text),
        ("action", Kind::Text),
        ("object", Kind::Text),
        ("vault_id", Kind::Text),
        ("address", Kind::Text),
        ("hash", Kind::Bytes),
    ],
};

/// Adds to the log, in this transaction.
pub(crate) fn append(conn: &Connection, events: &[Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let (mut seq, mut hash) = head(conn)?;
    let mut links = Vec::with_capacity(events.len());
    for event in events {
        seq += 1;
        hash = link(&hash, &event.covered(seq))?.to_vec();
        links.push((seq, hash.clone()));
    }
    let rows: Vec<[&dyn ToSql; 8]> = events
        .iter()
        .zip(&links)
        .map(|(event, (seq, hash))| {
            let row: [&dyn ToSql; 8] = [
                seq,
                &event.at,
                &event.user,
                &event.action,
                &event.object,
                &event.vault,
                &event.address,
                hash,
            ];
            row
        })
        .collect();
    conn.insert_set(&ENTRIES, &rows)?;
    conn.prepare_cached("UPDATE environment SET activity_count = ?1, activity_head = ?2")?
        .execute(params![seq, hash])?;
    Ok(())
}

/// Which entries are asked for.
pub(crate) struct Filter {
    /// The vault whose entries are wanted; else all.
    pub vault: Option<VaultId>,
    pub user: Option<String>,
    pub object: Option<String>,
    /// Only entries after this one.
    pub after: i64,
    pub limit: usize,
    /// So many of those that fit are passed over.
    pub offset: u32,
}

/// Entries, the oldest first, as the text of the answer.
pub(crate) fn list(conn: &Connection, filter: &Filter) -> Result<Vec<u8>> {
    let mut sql = String::from(
        "SELECT seq, at, user_id, action, object, vault_id, address, hash FROM activity WHERE seq > ?1",
    );
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(filter.after)];
    let vault = filter.vault.as_ref().map(|vault| vault.as_str().to_owned());
    // A batch's looks name many objects.
    let object = "instr(',' || object || ',', ',' || ? || ',') > 0";
    for (value, condition) in
        [(vault, "vault_id = ?"), (filter.user.clone(), "user_id = ?"), (filter.object.clone(), object)]
    {
        if let Some(value) = value {
            values.push(Box::new(value));
            sql.extend([" AND ", &condition.replace('?', &format!("?{}", values.len()))]);
        }
    }
    values.push(Box::new(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
    values.push(Box::new(filter.offset));
    // Writing into a text does not fail.
    let _ = write!(sql, " ORDER BY seq LIMIT ?{} OFFSET ?{}", values.len() - 1, values.len());
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(&*values)?;
    let mut out = br#"{"items":["#.to_vec();
    let mut first = true;
    while let Some(row) = rows.next()? {
        if !first {
            out.push(b',');
        }
        first = false;
        let hash: Vec<u8> = row.get(7)?;
        let mut object = Object::new(&mut out);
        object
            .put("seq", &row.get::<i64>(0)?)?
            .put("at", &row.get::<i64>(1)?)?
            .put("userId", &shown_at(&row, 2)?)?
            .put("action", &shown_at(&row, 3)?)?
            .put("object", &shown_at(&row, 4)?)?
            .put("vaultId", &shown_at(&row, 5)?)?
            .put("address", &shown_at(&row, 6)?)?
            .put("hash", &HEXLOWER.encode(&hash))?;
        object.end();
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// Whatever stands there: an entry that was tampered with is shown too.
fn shown_at<'a>(row: &Row<'a>, index: usize) -> Result<Option<Cow<'a, str>>> {
    let bytes = row.get_ref(index)?.as_bytes_or_null().map_err(DatabaseError::from)?;
    Ok(bytes.map(String::from_utf8_lossy))
}

fn text_at<'a>(row: &Row<'a>, index: usize) -> Result<Option<&'a str>> {
    Ok(row.text(index)?)
}

/// The hash of an entry, if it is the one that follows from its content and from the hash before.
fn linked(row: &Row<'_>, seq: i64, before: &[u8]) -> Result<Option<Vec<u8>>> {
    let action = text_at(row, 3)?.ok_or_else(Refusal::internal)?;
    let covered = (
        row.get(0)?,
        row.get(1)?,
        text_at(row, 2)?,
        action,
        text_at(row, 4)?,
        text_at(row, 5)?,
        text_at(row, 6)?,
    );
    let stored: Vec<u8> = row.get(7)?;
    Ok((covered.0 == seq && link(before, &covered)?.as_slice() == stored).then_some(stored))
}

/// Computes every hash anew.
pub(crate) fn check(conn: &Connection) -> Result<ActivityCheck> {
    let (count, head) = head(conn)?;
    let mut statement = conn.prepare_cached(
        "SELECT seq, at, user_id, action, object, vault_id, address, hash FROM activity ORDER BY seq",
    )?;
    let mut rows = statement.query([])?;
    let (mut seen, mut before) = (0, vec![0; 32]);
    let mut broken = None;
    while let Some(row) = rows.next()? {
        seen += 1;
        // What cannot even be read was not written here.
        let Ok(Some(hash)) = linked(&row, seen, &before) else {
            broken = Some(seen);
            break;
        };
        before = hash;
    }
    if broken.is_none() && (seen != count || before != head) {
        // The tail is missing, or there are rows that the environment does not know.
        broken = Some(seen.min(count) + 1);
    }
    Ok(ActivityCheck { count, head: HEXLOWER.encode(&head), broken })
}
