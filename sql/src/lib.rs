//! A database as environments and journals call it, whichever it is: connections, statements and rows.
//!
//! SQL is written once, as both `SQLite` and PostgreSQL read it; what only one of them has is translated by `dialect`.
//! Numbers and truths are `BIGINT` in both, times are Unix seconds, texts are compared byte by byte. Values are told in
//! `SQLite`'s words ([`ToSql`], [`FromSql`]): its bindings pass straight through.
//!
//! | file | what it does |
//! |---|---|
//! | `dialect` | what differs between the two, in one place |
//! | `address` | where a PostgreSQL database is, and what signs in there |
//! | `session` | a connection to PostgreSQL |
//! | `values` | values as PostgreSQL sends and takes them |
//! | `wait` | waits for PostgreSQL without being async |
//! | `error` | what a database says no with |

mod address;
mod dialect;
mod error;
mod session;
mod values;
mod wait;

pub use address::{Address, AddressError};
pub use error::DatabaseError;
pub use error::Result;
pub use rusqlite::params;
pub use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

pub use dialect::Dialect;
use rusqlite::CachedStatement;
use rusqlite::types::Value;
use session::Session;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Deref;

/// A connection to a database.
pub struct Connection {
    database: Database,
    /// What a write does first on a server, so that there is one writer at a time; nothing where many may write.
    first: &'static str,
    /// Items whose texts the transaction changed, so far.
    changed: RefCell<BTreeSet<i64>>,
}

enum Database {
    Sqlite(rusqlite::Connection),
    Postgres(Session),
}

impl Connection {
    /// One to a file, with all settings made.
    #[must_use]
    pub fn to_file(file: rusqlite::Connection) -> Self {
        Self { database: Database::Sqlite(file), first: "", changed: RefCell::default() }
    }

    /// One to a PostgreSQL server. `first` is a statement with which every write begins there: a lock, or nothing.
    pub fn to_server(address: &Address, first: &'static str) -> Result<Self> {
        let database = Database::Postgres(Session::open(address)?);
        Ok(Self { database, first, changed: RefCell::default() })
    }

    /// Whose SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match self.database {
            Database::Sqlite(_) => Dialect::Sqlite,
            Database::Postgres(_) => Dialect::Postgres,
        }
    }

    /// A statement, compiled at its first use and kept for the next.
    pub fn prepare_cached(&self, sql: &str) -> Result<Statement<'_>> {
        Ok(Statement(match &self.database {
            Database::Sqlite(file) => Compiled::Sqlite(file.prepare_cached(sql)?),
            Database::Postgres(session) => Compiled::Postgres(session, session.prepare(sql)?),
        }))
    }

    /// Runs one statement.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.prepare_cached(sql)?.execute(params)
    }

    /// Runs statements of this database's own, without parameters.
    pub fn execute_batch(&self, sql: &str) -> Result<()> {
        match &self.database {
            Database::Sqlite(file) => Ok(file.execute_batch(sql)?),
            Database::Postgres(session) => session.execute_batch(sql),
        }
    }

    /// The first row of what one statement finds.
    pub fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare_cached(sql)?.query_row(params, read)
    }

    /// Whether nothing more can be had from it.
    pub fn is_closed(&self) -> bool {
        match &self.database {
            Database::Sqlite(_) => false,
            Database::Postgres(session) => session.is_closed(),
        }
    }

    /// Remembers that an item's texts changed. What a savepoint takes back stays remembered, which harms nothing.
    pub fn note_changed(&self, item: i64) {
        self.changed.borrow_mut().insert(item);
    }

    /// The items whose texts changed since this was asked last.
    pub fn take_changed(&self) -> BTreeSet<i64> {
        self.changed.take()
    }

    /// Begins a transaction, which [`Connection::started`] then ends.
    pub fn start(&self, how: Begin) -> Result<()> {
        self.changed.borrow_mut().clear();
        match &self.database {
            Database::Sqlite(file) => Ok(file.execute_batch(match how {
                Begin::Reading => "BEGIN DEFERRED",
                Begin::Writing | Begin::Beside | Begin::Migrating => "BEGIN IMMEDIATE",
            })?),
            Database::Postgres(session) => match how {
                Begin::Reading => session.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
                // What is read after the lock is what the last writer left, of whichever server.
                Begin::Writing if !self.first.is_empty() => {
                    session.begin(&format!("BEGIN ISOLATION LEVEL READ COMMITTED; {}", self.first))
                }
                Begin::Writing | Begin::Migrating => session.begin("BEGIN ISOLATION LEVEL READ COMMITTED"),
                Begin::Beside => {
                    session.begin_with_next("BEGIN ISOLATION LEVEL READ COMMITTED");
                    Ok(())
                }
            },
        }
    }

    /// Begins a transaction.
    pub fn transaction(&self, how: Begin) -> Result<Transaction<'_>> {
        self.start(how)?;
        Ok(self.started())
    }

    /// Inserts a row, and answers the number that the database gave it, in this column.
    pub fn insert(&self, sql: &str, number: &str, params: impl Params) -> Result<i64> {
        match &self.database {
            Database::Sqlite(file) => {
                self.execute(sql, params)?;
                Ok(file.last_insert_rowid())
            }
            Database::Postgres(_) => {
                self.query_row(&format!("{sql} RETURNING {number}"), params, |row| row.get(0))
            }
        }
    }

    /// The same for many rows, whose numbers stand in their order. To a server they leave in one go.
    pub fn insert_each<const N: usize>(
        &self,
        sql: &str,
        number: &str,
        rows: &[[&dyn ToSql; N]],
    ) -> Result<Vec<i64>> {
        match &self.database {
            Database::Sqlite(file) => {
                let mut statement = self.prepare_cached(sql)?;
                rows.iter()
                    .map(|row| {
                        statement.execute(&row[..])?;
                        Ok(file.last_insert_rowid())
                    })
                    .collect()
            }
            Database::Postgres(session) => {
                let statement = session.prepare(&format!("{sql} RETURNING {number}"))?;
                let found = session.query_each(&statement, rows)?;
                found
                    .iter()
                    .map(|rows| {
                        Row(Columns::Postgres(rows.first().ok_or_else(DatabaseError::no_row)?)).get(0)
                    })
                    .collect()
            }
        }
    }

    /// Inserts many rows at once, by one statement where a server keeps them.
    pub fn insert_set<const N: usize>(&self, into: &Table<N>, rows: &[[&dyn ToSql; N]]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        match &self.database {
            Database::Sqlite(_) => self.execute_each(&into.one_by_one(), rows).map(drop),
            Database::Postgres(session) => {
                session.query_columns(&session.prepare(&into.at_once())?, rows).map(drop)
            }
        }
    }

    /// The same; answers the numbers that the database gave them in this column, in their order. A list is gone through
    /// from its beginning, and a server numbers rows as they come.
    pub fn insert_numbered<const N: usize>(
        &self,
        into: &Table<N>,
        number: &str,
        rows: &[[&dyn ToSql; N]],
    ) -> Result<Vec<i64>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match &self.database {
            Database::Sqlite(_) => self.insert_each(&into.one_by_one(), number, rows),
            Database::Postgres(session) => {
                let statement = session.prepare(&format!("{} RETURNING {number}", into.at_once()))?;
                let found = session.query_columns(&statement, rows)?;
                found.iter().map(|row| Row(Columns::Postgres(row)).get(0)).collect()
            }
        }
    }

    /// The first row that a query finds for each of these, read. To a server they leave in one go.
    pub fn find_each<T, const N: usize>(
        &self,
        sql: &str,
        rows: &[[&dyn ToSql; N]],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<Option<T>>> {
        match &self.database {
            Database::Sqlite(_) => {
                let mut statement = self.prepare_cached(sql)?;
                rows.iter().map(|row| statement.query_row(&row[..], &mut read).optional()).collect()
            }
            Database::Postgres(session) => {
                let found = session.query_each(&session.prepare(sql)?, rows)?;
                let first =
                    |rows: &Vec<_>| rows.first().map(|row| read(&Row(Columns::Postgres(row)))).transpose();
                found.iter().map(first).collect()
            }
        }
    }

    /// Every row that a query finds for each of these, read. To a server they leave in one go.
    pub fn find_all<T, const N: usize>(
        &self,
        sql: &str,
        rows: &[[&dyn ToSql; N]],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<Vec<T>>> {
        match &self.database {
            Database::Sqlite(_) => {
                let mut statement = self.prepare_cached(sql)?;
                rows.iter().map(|row| statement.query_map(&row[..], &mut read)?.collect()).collect()
            }
            Database::Postgres(session) => {
                let found = session.query_each(&session.prepare(sql)?, rows)?;
                let all = |rows: &Vec<_>| rows.iter().map(|row| read(&Row(Columns::Postgres(row)))).collect();
                found.iter().map(all).collect()
            }
        }
    }

    /// Runs a statement once for each of these; how many rows that changed in all. To a server they leave in one go.
    pub fn execute_each<const N: usize>(&self, sql: &str, rows: &[[&dyn ToSql; N]]) -> Result<usize> {
        match &self.database {
            Database::Sqlite(_) => {
                let mut statement = self.prepare_cached(sql)?;
                rows.iter().map(|row| statement.execute(&row[..])).sum()
            }
            Database::Postgres(session) => session.execute_each(&session.prepare(sql)?, rows),
        }
    }

    /// The transaction that was begun.
    pub fn started(&self) -> Transaction<'_> {
        Transaction { connection: self, open: true }
    }

    /// Marks a place within a transaction; `name` is a word.
    pub fn savepoint(&self, name: &'static str) -> Result<()> {
        self.mark("SAVEPOINT", name)
    }

    /// Takes back what was done since [`Connection::savepoint`], which stays.
    pub fn roll_back_to(&self, name: &'static str) -> Result<()> {
        self.mark("ROLLBACK TO", name)?;
        if let Database::Postgres(session) = &self.database {
            session.forgive();
        }
        Ok(())
    }

    /// Forgets a savepoint, and keeps what was done since.
    pub fn release(&self, name: &'static str) -> Result<()> {
        self.mark("RELEASE", name)
    }

    fn mark(&self, what: &str, name: &str) -> Result<()> {
        let sql = format!("{what} {name}");
        match &self.database {
            Database::Sqlite(_) => self.execute(&sql, []).map(drop),
            Database::Postgres(session) => {
                session.mark(&sql);
                Ok(())
            }
        }
    }
}

/// A table that a set of rows goes into.
pub struct Table<const N: usize> {
    /// Its name.
    pub name: &'static str,
    /// Its columns, and what they hold.
    pub columns: [(&'static str, Kind); N],
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number or a truth.
    Number,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
}

impl<const N: usize> Table<N> {
    fn with(&self, values: &str, value: impl Fn(usize, Kind) -> String) -> String {
        let names = self.columns.map(|(name, _)| name).join(", ");
        let all: Vec<String> = self.columns.iter().zip(1..).map(|((_, kind), at)| value(at, *kind)).collect();
        format!("INSERT INTO {} ({names}) {values}({})", self.name, all.join(", "))
    }

    /// The statement that inserts one row.
    fn one_by_one(&self) -> String {
        self.with("VALUES ", |at, _| format!("?{at}"))
    }

    /// The statement that takes a list for each column, of a server.
    fn at_once(&self) -> String {
        self.with("SELECT * FROM unnest", |at, kind| {
            let kind = match kind {
                Kind::Number => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("?{at}::{kind}[]")
        })
    }
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// One state of the database is read, to the end.
    Reading,
    /// Nobody else writes meanwhile: what is looked at stands. On PostgreSQL that is so where every write begins with the
    /// same lock ([`Connection::to_server`]); elsewhere rows are locked as they are written.
    Writing,
    /// Others write as well, on a server: rows are locked as they are looked at, and whoever begins says which. In a file there
    /// is one who writes.
    Beside,
    /// The same as [`Begin::Writing`] where there may be nothing to lock yet.
    Migrating,
}

/// A transaction; dropped, it is taken back.
pub struct Transaction<'c> {
    connection: &'c Connection,
    open: bool,
}

impl Transaction<'_> {
    /// Keeps what was done; it is on disk when this returns.
    pub fn commit(mut self) -> Result<()> {
        match &self.connection.database {
            Database::Sqlite(file) => file.execute_batch("COMMIT")?,
            Database::Postgres(session) => session.commit()?,
        }
        self.open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        match &self.connection.database {
            // A disk that is full has ended it already.
            Database::Sqlite(file) if file.is_autocommit() => {}
            Database::Sqlite(file) => {
                if let Err(error) = file.execute_batch("ROLLBACK") {
                    tracing::error!(%error, "a transaction was not taken back");
                }
            }
            Database::Postgres(session) => session.rollback(),
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection
    }
}

/// A compiled statement.
pub struct Statement<'c>(Compiled<'c>);

enum Compiled<'c> {
    Sqlite(CachedStatement<'c>),
    Postgres(&'c Session, tokio_postgres::Statement),
}

impl Statement<'_> {
    /// Runs it; how many rows it changed.
    pub fn execute(&mut self, params: impl Params) -> Result<usize> {
        params.with(|values| match &mut self.0 {
            Compiled::Sqlite(statement) => {
                bind(statement, values)?;
                Ok(statement.raw_execute()?)
            }
            Compiled::Postgres(session, statement) => session.execute(statement, values),
        })
    }

    /// What it finds.
    pub fn query(&mut self, params: impl Params) -> Result<Rows<'_>> {
        params.with(|values| match &mut self.0 {
            Compiled::Sqlite(statement) => {
                bind(statement, values)?;
                Ok(Rows(Found::Sqlite(statement.raw_query())))
            }
            Compiled::Postgres(session, statement) => {
                Ok(Rows(Found::Postgres { rows: session.query(statement, values)?, next: 0 }))
            }
        })
    }

    /// The first row that it finds; see [`Optional`] for none.
    pub fn query_row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut rows = self.query(params)?;
        let row = rows.next()?.ok_or_else(DatabaseError::no_row)?;
        read(&row)
    }

    /// Each row that it finds, read.
    pub fn query_map<T, F>(&mut self, params: impl Params, read: F) -> Result<Mapped<'_, F>>
    where
        F: FnMut(&Row<'_>) -> Result<T>,
    {
        Ok(Mapped { rows: self.query(params)?, read })
    }

    /// Whether it finds anything.
    pub fn exists(&mut self, params: impl Params) -> Result<bool> {
        Ok(self.query(params)?.next()?.is_some())
    }
}

/// Texts with a NUL are refused by both stores alike: PostgreSQL keeps none.
fn check_text(value: &ToSqlOutput<'_>) -> Result<()> {
    let text = match value {
        ToSqlOutput::Borrowed(ValueRef::Text(text)) => text,
        ToSqlOutput::Owned(Value::Text(text)) => text.as_bytes(),
        _ => return Ok(()),
    };
    if text.contains(&0) { Err(DatabaseError::nul()) } else { Ok(()) }
}

fn bind(statement: &mut CachedStatement<'_>, values: &[&dyn ToSql]) -> Result<()> {
    for (index, value) in values.iter().enumerate() {
        let value = value.to_sql()?;
        check_text(&value)?;
        statement.raw_bind_parameter(index + 1, value)?;
    }
    let (given, wanted) = (values.len(), statement.parameter_count());
    if given == wanted { Ok(()) } else { Err(rusqlite::Error::InvalidParameterCount(given, wanted).into()) }
}

/// The values of a statement's parameters.
pub trait Params {
    /// Hands them over.
    fn with<T>(self, take: impl FnOnce(&[&dyn ToSql]) -> T) -> T;
}

impl Params for [&dyn ToSql; 0] {
    fn with<T>(self, take: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
        take(&self)
    }
}

impl<V: ToSql> Params for [V; 1] {
    fn with<T>(self, take: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
        take(&[&self[0]])
    }
}

impl<V: ToSql> Params for [V; 2] {
    fn with<T>(self, take: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
        take(&[&self[0], &self[1]])
    }
}

impl Params for &[&dyn ToSql] {
    fn with<T>(self, take: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
        take(self)
    }
}

impl Params for &[Box<dyn ToSql>] {
    fn with<T>(self, take: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
        let values: Vec<&dyn ToSql> = self.iter().map(|value| &**value).collect();
        take(&values)
    }
}

/// What a statement found, row by row. PostgreSQL's have all come when the first is read.
pub struct Rows<'s>(Found<'s>);

enum Found<'s> {
    Sqlite(rusqlite::Rows<'s>),
    Postgres { rows: Vec<tokio_postgres::Row>, next: usize },
}

impl Rows<'_> {
    /// The next row.
    #[expect(
        clippy::should_implement_trait,
        reason = "a row is read before the next one: it borrows from here"
    )]
    pub fn next(&mut self) -> Result<Option<Row<'_>>> {
        Ok(match &mut self.0 {
            Found::Sqlite(rows) => rows.next()?.map(|row| Row(Columns::Sqlite(row))),
            Found::Postgres { rows, next } => {
                let row = rows.get(*next).map(|row| Row(Columns::Postgres(row)));
                *next += 1;
                row
            }
        })
    }
}

/// A row that is being read.
#[derive(Clone, Copy)]
pub struct Row<'r>(Columns<'r>);

#[derive(Clone, Copy)]
enum Columns<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl<'r> Row<'r> {
    /// A column's value.
    pub fn get<T: FromSql>(&self, index: usize) -> Result<T> {
        match self.0 {
            Columns::Sqlite(row) => Ok(row.get(index)?),
            Columns::Postgres(_) => Ok(T::column_result(self.get_ref(index)?)?),
        }
    }

    /// A column's value as it lies there.
    pub fn get_ref(&self, index: usize) -> Result<ValueRef<'r>> {
        match self.0 {
            Columns::Sqlite(row) => Ok(row.get_ref(index)?),
            Columns::Postgres(row) => values::at(row, index),
        }
    }

    /// A column's text, without a copy.
    pub fn text(&self, index: usize) -> Result<Option<&'r str>> {
        Ok(self.get_ref(index)?.as_str_or_null()?)
    }
}

/// Rows on their way to what is read of them.
pub struct Mapped<'s, F> {
    rows: Rows<'s>,
    read: F,
}

impl<T, F: FnMut(&Row<'_>) -> Result<T>> Iterator for Mapped<'_, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        match self.rows.next() {
            Ok(Some(row)) => Some((self.read)(&row)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// For what need not be there.
pub trait Optional<T> {
    /// `None` where there is no row.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> Optional<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_no_row() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
