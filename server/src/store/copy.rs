//! An environment moved as it is, with sessions, keys and history, from a file into a database on a server.

use super::chain;
use super::lower_text;
use super::server;
use crate::error::{Error, Refusal};
use keyferry_sql::{self as sql, Address, Connection, ToSql};
use rusqlite::types::Value;

/// Every table, each after those that it names.
const TABLES: [&str; 32] = [
    "environment",
    "housekeeping",
    "user_roles",
    "user_role_rights",
    "users",
    "sessions",
    "used_refresh_tokens",
    "csrf_tokens",
    "guesses",
    "idempotency_keys",
    "user_groups",
    "user_group_members",
    "vault_types",
    "vault_type_administrators",
    "vaults",
    "vault_users",
    "vault_groups",
    "bin_items",
    "folders",
    "folder_users",
    "folder_groups",
    "items",
    "item_tags",
    "favorites",
    "attachments",
    "attachment_data",
    "snapshots",
    "shortcuts",
    "links",
    "inbox_items",
    "activity",
    "activity_chains",
];

/// Those whose numbers PostgreSQL draws, and the column.
const NUMBERED: [(&str, &str); 14] = [
    ("user_roles", "seq"),
    ("users", "seq"),
    ("sessions", "id"),
    ("user_groups", "seq"),
    ("vault_types", "seq"),
    ("vaults", "seq"),
    ("folders", "seq"),
    ("items", "seq"),
    ("attachments", "seq"),
    ("snapshots", "seq"),
    ("shortcuts", "seq"),
    ("links", "seq"),
    ("inbox_items", "seq"),
    ("activity", "seq"),
];

/// Values and bytes that travel in one statement.
const VALUES: usize = 1000;
const BYTES: usize = 4 << 20;

/// Puts what the file holds into a database that holds no environment yet: all of it, or nothing. How many rows.
pub(super) fn to_server(source: &Connection, address: &Address) -> Result<u64, Error> {
    let conn = server::begin_new(address)?;
    let target = conn.started();
    server::make_tables(&target)?;
    // What a new environment begins with comes along from the old one.
    for table in ["user_roles", "housekeeping"] {
        target.execute(&format!("DELETE FROM {table}"), [])?;
    }
    let mut rows = 0;
    for table in TABLES {
        rows += copy(source, &target, table)?;
    }
    place_folders(source, &target)?;
    index_texts(source, &target)?;
    for (table, column) in NUMBERED {
        let next = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"
        );
        target.prepare_cached(&next)?.query([])?;
    }
    let told = |refusal: Refusal| Error::from(refusal);
    let (here, there) = (chain::check(source).map_err(told)?, chain::check(&target).map_err(told)?);
    if (here.count, &here.head, here.broken) != (there.count, &there.head, there.broken) {
        return Err(Error::Validation(
            "the activity log did not arrive as it was: nothing was kept".to_owned(),
        ));
    }
    target.commit()?;
    Ok(rows)
}

/// Puts folders below the ones above them, which may have been made later.
fn place_folders(source: &Connection, target: &Connection) -> Result<(), Error> {
    let mut below = source
        .prepare_cached("SELECT id, parent_folder_id FROM folders WHERE parent_folder_id IS NOT NULL")?;
    let mut place = target.prepare_cached("UPDATE folders SET parent_folder_id = ?2 WHERE id = ?1")?;
    let mut found = below.query([])?;
    while let Some(row) = found.next()? {
        place.execute(sql::params![row.get::<String>(0)?, row.get::<String>(1)?])?;
    }
    Ok(())
}

/// The columns of a table; both stores have the same ones.
fn columns(source: &Connection, table: &str) -> Result<Vec<String>, Error> {
    let mut statement = source.prepare_cached("SELECT name FROM pragma_table_info(?1)")?;
    Ok(statement.query_map([table], |row| row.get(0))?.collect::<sql::Result<_>>()?)
}

fn copy(source: &Connection, target: &Connection, table: &str) -> Result<u64, Error> {
    let columns = columns(source, table)?;
    let names = columns.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let mut statement = source.prepare_cached(&format!("SELECT {names} FROM {table}"))?;
    let mut rows = statement.query([])?;
    let mut waiting = Waiting {
        target,
        into: format!("{table} ({names})"),
        width: columns.len(),
        values: Vec::new(),
        bytes: 0,
    };
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        for (index, column) in columns.iter().enumerate() {
            let value = match column.as_str() {
                "parent_folder_id" if table == "folders" => Value::Null,
                _ => Value::try_from(row.get_ref(index)?).map_err(sql::DatabaseError::from)?,
            };
            if let Value::Text(text) = &value
                && text.contains('\0')
            {
                let message = format!(
                    "`{column}` of row {count} of the table `{table}` holds a NUL character, and PostgreSQL keeps none: change it first"
                );
                return Err(Error::Validation(message));
            }
            waiting.push(value);
        }
        waiting.send_if_full()?;
    }
    waiting.send()?;
    let there: i64 = target.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    if u64::try_from(there) != Ok(count) {
        return Err(Error::Validation(format!(
            "of {count} rows of `{table}` {there} arrived: nothing was kept"
        )));
    }
    Ok(count)
}

fn index_texts(source: &Connection, target: &Connection) -> Result<(), Error> {
    let mut statement =
        source.prepare_cached("SELECT seq, name, login, url, description, tags FROM items")?;
    let mut rows = statement.query([])?;
    let into = "item_text (item, text)".to_owned();
    let mut waiting = Waiting { target, into, width: 2, values: Vec::new(), bytes: 0 };
    while let Some(row) = rows.next()? {
        let mut texts = [None; 5];
        for (index, text) in texts.iter_mut().enumerate() {
            *text = row.text(index + 1)?;
        }
        waiting.push(Value::Integer(row.get(0)?));
        waiting.push(Value::Text(lower_text(texts)));
        waiting.send_if_full()?;
    }
    waiting.send()
}

/// Rows on their way.
struct Waiting<'t> {
    target: &'t Connection,
    /// The table and its columns.
    into: String,
    width: usize,
    values: Vec<Value>,
    bytes: usize,
}

impl Waiting<'_> {
    fn push(&mut self, value: Value) {
        self.bytes += match &value {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            _ => 8,
        };
        self.values.push(value);
    }

    fn send_if_full(&mut self) -> Result<(), Error> {
        if self.values.len() + self.width > VALUES || self.bytes >= BYTES { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), Error> {
        if self.values.is_empty() {
            return Ok(());
        }
        let row = |first: usize| {
            let numbers: Vec<String> =
                (first..first + self.width).map(|number| format!("?{}", number + 1)).collect();
            format!("({})", numbers.join(", "))
        };
        let rows: Vec<String> = (0..self.values.len()).step_by(self.width).map(row).collect();
        let values: Vec<&dyn ToSql> = self.values.iter().map(|value| value as &dyn ToSql).collect();
        self.target
            .prepare_cached(&format!("INSERT INTO {} VALUES {}", self.into, rows.join(", ")))?
            .execute(&*values)?;
        self.values.clear();
        self.bytes = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_table_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let environment = crate::Environment::create(folder.path(), true).unwrap();
        let there = environment.store().read(|conn| {
            let mut tables = conn.prepare_cached(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'item_text%' AND name NOT LIKE 'sqlite_%'",
            )?;
            tables.query_map([], |row| row.get::<String>(0))?.collect::<sql::Result<BTreeSet<_>>>()
        });
        assert_eq!(there.unwrap(), TABLES.iter().map(ToString::to_string).collect());
    }
}
