//! The tables that only grow, the log and the snapshots, in parts by month, on a server: what is written lies apart from what is
//! old, whose indexes no write touches and whose pages nothing cleans up any more. In a file they are tables as others.
//!
//! | part | what lies there |
//! |---|---|
//! | `…_before_2026_12` | all before that month: what was there when the table came into parts |
//! | `…_2026_12` | that month, in UTC |
//! | `…_other` | what has no part of its own: a clock is wrong, or nobody made the part in time. No insert fails for that |
//!
//! Who is asked for a number or an identifier looks into every part, by its index. Nothing takes parts out: the log is checked
//! from its beginning, and a snapshot lives as long as its item.

use keyferry_sql::{self as sql, Connection, Dialect};

/// The tables, and what they go by: Unix seconds.
const TABLES: [(&str, &str); 2] = [("activity", "at"), ("snapshots", "created_at")];

/// Parts are there this many months before they are needed: so long a server may be out of luck with making them.
const AHEAD: i64 = 3;

/// How long making a part waits for those who read, as whoever comes after waits with it.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

/// A month in UTC.
struct Month {
    /// As in `2026_12`: they are ordered as their names are.
    name: String,
    from: i64,
    until: i64,
}

/// The present month, by the database's clock, and those that follow.
fn coming(conn: &Connection) -> sql::Result<Vec<Month>> {
    let second = |time: &str| format!("CAST(extract(epoch FROM {time} AT TIME ZONE 'UTC') AS BIGINT)");
    let mut months = conn.prepare_cached(&format!(
        "SELECT to_char(begins, 'YYYY_MM'), {}, {} FROM (
           SELECT date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + n * interval '1 month' AS begins
           FROM generate_series(0, {AHEAD}) n) months ORDER BY begins",
        second("begins"),
        second("(begins + interval '1 month')"),
    ))?;
    let read = |row: &sql::Row<'_>| Ok(Month { name: row.get(0)?, from: row.get(1)?, until: row.get(2)? });
    months.query_map([], read)?.collect()
}

/// The coming months that a table has no part for.
fn missing(conn: &Connection, table: &str) -> sql::Result<Vec<Month>> {
    let mut parts = conn.prepare_cached(
        "SELECT CAST(relname AS TEXT) FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = to_regclass(?1)",
    )?;
    let parts = parts.query_map([table], |row| row.get(0))?.collect::<sql::Result<Vec<String>>>()?;
    let has = |month: &Month| {
        parts.iter().filter_map(|part| part.strip_prefix(table)?.strip_prefix('_')).any(|part| {
            let before = part.strip_prefix("before_").is_some_and(|end| month.name.as_str() < end);
            before || part == month.name
        })
    };
    Ok(coming(conn)?.into_iter().filter(|month| !has(month)).collect())
}

/// Whether parts are to be made.
pub(crate) fn are_missing(conn: &Connection) -> sql::Result<bool> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(false);
    }
    for (table, _) in TABLES {
        if !missing(conn, table)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes the parts of the coming months that are not there, unless somebody reads for long.
pub(crate) fn make(conn: &Connection) -> sql::Result<()> {
    conn.execute_batch(PATIENCE)?;
    make_missing(conn)
}

fn make_missing(conn: &Connection) -> sql::Result<()> {
    for (table, column) in TABLES {
        for Month { name, from, until } in missing(conn, table)? {
            // What came before there was a part is moved there first: no two parts may take the same rows.
            conn.execute_batch(&format!(
                "CREATE TABLE {table}_{name} (LIKE {table});
                 WITH moved AS (DELETE FROM {table}_other WHERE {column} >= {from} AND {column} < {until} RETURNING *)
                   INSERT INTO {table}_{name} SELECT * FROM moved;
                 ALTER TABLE {table} ATTACH PARTITION {table}_{name} FOR VALUES FROM ({from}) TO ({until})"
            ))?;
        }
    }
    Ok(())
}

/// What the migration leaves to be done: sets in what was there before, without moving it, and makes the first months' parts.
pub(super) fn begin(conn: &Connection) -> sql::Result<()> {
    let months = coming(conn)?;
    let [this, next, ..] = &months[..] else { return Err(sql::DatabaseError::unfit("it knows no months")) };
    for (table, column) in TABLES {
        let old = format!("{table}_before");
        let begun = format!("SELECT 1 FROM {old} WHERE {column} >= {} LIMIT 1", this.from);
        let end = if conn.prepare_cached(&begun)?.exists([])? { next } else { this };
        let (name, from) = (&end.name, end.from);
        conn.execute_batch(&format!(
            "WITH ahead AS (DELETE FROM {old} WHERE {column} >= {from} RETURNING *) INSERT INTO {table} SELECT * FROM ahead;
             ALTER TABLE {old} RENAME TO {old}_{name};
             ALTER TABLE {table} ATTACH PARTITION {old}_{name} FOR VALUES FROM (MINVALUE) TO ({from})"
        ))?;
    }
    make_missing(conn)
}
