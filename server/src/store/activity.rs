//! The activity log: rows are only ever added, and each is in a hash chain ([`super::chain`]), so that also a missing tail shows.

use super::chain::{self, Covered, Head, Within};
use crate::error::{Refusal, Result};
use crate::id::{UserId, VaultId, now};
use crate::json::Object;
use data_encoding::HEXLOWER;
use keyferry_sql::{self as sql, Connection, DatabaseError, Dialect, Kind, Row, Table, ToSql, params};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
        let (object, address) = (self.object.as_deref(), self.address.as_deref());
        Covered { seq, at: self.at, user, action: self.action, object, vault, address }
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

const ENTRIES: Table<10> = Table {
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
        ("vault_seq", Kind::Number),
        ("heads", Kind::Text),
    ],
};

/// Adds to the log, in this transaction, beside which nobody writes.
pub(crate) fn append(conn: &Connection, events: &[Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    if conn.dialect() == Dialect::Postgres {
        // From now on items are made there while others write.
        let makes = events.iter().filter(|event| MAKES.contains(&event.action));
        for vault in
            makes.filter_map(|event| event.vault.as_ref().map(VaultId::as_str)).collect::<BTreeSet<_>>()
        {
            chain::begin(conn, vault)?;
        }
    }
    let Next { mut head, has_moved, first } = next(conn, events.len())?;
    let mut names = if has_moved { chain::name_moved(conn)? } else { None };
    let mut last = first;
    let mut entries = Vec::with_capacity(events.len());
    for (event, number) in events.iter().zip(first..) {
        let heads = names.take();
        last = number;
        head.add(&event.covered(number), Within::Environment(heads.as_deref()))?;
        entries.push(Entry { event, seq: number, hash: head.hash.clone(), vault_seq: None, heads });
    }
    insert(conn, &entries)?;
    conn.prepare_cached(
        "UPDATE environment SET activity_length = ?1, activity_head = ?2, activity_settled = ?3",
    )?
    .execute(params![head.count, head.hash, last])?;
    Ok(())
}

/// After these the vault has a chain of its own.
const MAKES: [&str; 2] = ["vault.create", "item.create"];

/// Adds to the log, in this transaction, beside which others make items. `false` where that cannot be: of what was done something
/// belongs to no vault, or to one in which nothing was made yet.
pub(crate) fn append_beside(conn: &Connection, events: &[Event]) -> Result<bool> {
    let Some(vaults) =
        events.iter().map(|event| event.vault.as_ref().map(VaultId::as_str)).collect::<Option<Vec<_>>>()
    else {
        return Ok(false);
    };
    // In one order for all who do this, and nothing is waited for afterwards.
    let vaults: Vec<&str> = BTreeSet::from_iter(vaults).into_iter().collect();
    let keys: Vec<[&dyn ToSql; 1]> = vaults.iter().map(|vault| [vault as _]).collect();
    let found = conn.find_each(
        "SELECT count, head FROM activity_chains WHERE vault_id = ?1 FOR UPDATE",
        &keys,
        |row| Ok(Head { count: row.get(0)?, hash: row.get(1)? }),
    )?;
    let Some(found) = found.into_iter().collect::<Option<Vec<Head>>>() else { return Ok(false) };
    let mut heads: BTreeMap<&str, Head> = vaults.into_iter().zip(found).collect();
    let mut entries = Vec::with_capacity(events.len());
    for (event, number) in events.iter().zip(numbers(conn, events.len())?) {
        let head = event.vault.as_ref().and_then(|vault| heads.get_mut(vault.as_str()));
        let head = head.ok_or_else(Refusal::internal)?;
        let vault_seq = head.count + 1;
        head.add(&event.covered(number), Within::Vault(vault_seq))?;
        let (hash, vault_seq) = (head.hash.clone(), Some(vault_seq));
        entries.push(Entry { event, seq: number, hash, vault_seq, heads: None });
    }
    insert(conn, &entries)?;
    let moved: Vec<[&dyn ToSql; 3]> =
        heads.iter().map(|(vault, head)| [vault as _, &head.count as _, &head.hash as _]).collect();
    conn.execute_each(
        "UPDATE activity_chains SET count = ?2, head = ?3, moved = 1 WHERE vault_id = ?1",
        &moved,
    )?;
    Ok(true)
}

/// Numbers for entries, as others draw some at the same time.
fn numbers(conn: &Connection, count: usize) -> Result<Vec<i64>> {
    let count = i64::try_from(count).map_err(|_| Refusal::internal())?;
    let mut draw = conn.prepare_cached(
        "SELECT nextval(pg_get_serial_sequence('activity', 'seq')) FROM generate_series(1, ?1)",
    )?;
    Ok(draw.query_map([count], |row| row.get(0))?.collect::<sql::Result<_>>()?)
}

/// What the environment's chain goes on from.
struct Next {
    head: Head,
    /// Chains of vaults moved since its last entry.
    has_moved: bool,
    /// The number of the next entry, after which come those of the others.
    first: i64,
}

/// Where nobody else draws numbers, so many in a row are one.
fn next(conn: &Connection, count: usize) -> Result<Next> {
    let own = match conn.dialect() {
        Dialect::Sqlite => "0, activity_settled + 1",
        Dialect::Postgres => {
            "EXISTS (SELECT 1 FROM activity_chains WHERE moved = 1),
             nextval(pg_get_serial_sequence('activity', 'seq'))"
        }
    };
    let next = conn.query_row(
        &format!("SELECT activity_length, activity_head, {own} FROM environment"),
        [],
        |row| {
            let head = Head { count: row.get(0)?, hash: row.get(1)? };
            Ok(Next { head, has_moved: row.get(2)?, first: row.get(3)? })
        },
    )?;
    let others = i64::try_from(count).map_err(|_| Refusal::internal())? - 1;
    if others > 0 && conn.dialect() == Dialect::Postgres {
        let mut draw = conn.prepare_cached("SELECT setval(pg_get_serial_sequence('activity', 'seq'), ?1)")?;
        draw.query([next.first + others])?;
    }
    Ok(next)
}

/// An event in its place.
struct Entry<'a> {
    event: &'a Event,
    seq: i64,
    hash: Vec<u8>,
    vault_seq: Option<i64>,
    heads: Option<String>,
}

fn insert(conn: &Connection, entries: &[Entry<'_>]) -> Result<()> {
    let rows: Vec<[&dyn ToSql; 10]> = entries
        .iter()
        .map(|Entry { event, seq, hash, vault_seq, heads }| {
            let row: [&dyn ToSql; 10] = [
                seq,
                &event.at,
                &event.user,
                &event.action,
                &event.object,
                &event.vault,
                &event.address,
                hash,
                vault_seq,
                heads,
            ];
            row
        })
        .collect();
    Ok(conn.insert_set(&ENTRIES, &rows)?)
}

/// Says of all numbers that were drawn by now that it is decided which have entries, where nobody writes beside this transaction.
pub(crate) fn settle(conn: &Connection) -> sql::Result<()> {
    let last = match conn.dialect() {
        Dialect::Sqlite => "coalesce(max(seq), 0) FROM activity",
        // The last ones too may have been drawn and taken back.
        Dialect::Postgres => "CASE WHEN is_called THEN last_value ELSE 0 END FROM activity_seq_seq",
    };
    let sql = format!(
        "UPDATE environment SET activity_settled = (SELECT {last}) WHERE activity_settled < (SELECT {last})"
    );
    conn.execute(&sql, []).map(drop)
}

/// Whether entries wait to be told, because those who draw numbers before them have not ended, or have taken theirs back.
pub(crate) fn has_gap(conn: &Connection) -> Result<bool> {
    let last: Option<i64> = conn.query_row("SELECT max(seq) FROM activity", [], |row| row.get(0))?;
    Ok(conn.dialect() == Dialect::Postgres && last > Some(last_decided(conn)?))
}

/// The last entry before which none can appear any more. Of those who write at once one may end before another whose entries have
/// lower numbers: what comes after a number that is still open is not told yet, or who asks for what came after it would miss it.
fn last_decided(conn: &Connection) -> Result<i64> {
    let (_, settled) = chain::of_environment(conn)?;
    let without_a_gap: Option<i64> = conn.query_row(
        "SELECT max(seq) FROM (
           SELECT seq, seq - row_number() OVER (ORDER BY seq) AS before FROM activity WHERE seq > ?1) numbered
         WHERE before = ?1",
        [settled],
        |row| row.get(0),
    )?;
    Ok(without_a_gap.unwrap_or(settled))
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
    /// What an entry names of all vaults' chains is shown as well.
    pub heads: bool,
    /// So many of those that fit are passed over.
    pub offset: u32,
}

/// Entries, the oldest first, as the text of the answer.
pub(crate) fn list(conn: &Connection, filter: &Filter) -> Result<Vec<u8>> {
    let mut sql = String::from(
        "SELECT seq, at, user_id, action, object, vault_id, address, hash, vault_seq, heads
         FROM activity WHERE seq > ?1",
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
    // Who writes into a vault has its chain alone, and numbers its entries in their order.
    if filter.vault.is_none() && conn.dialect() == Dialect::Postgres {
        values.push(Box::new(last_decided(conn)?));
        let _ = write!(sql, " AND seq <= ?{}", values.len());
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
        if let Some(number) = row.get::<Option<i64>>(8)? {
            object.put("vaultSeq", &number)?;
        }
        if filter.heads
            && let Some(heads) = shown_at(&row, 9)?
        {
            object.put("heads", &heads)?;
        }
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
