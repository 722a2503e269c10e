//! A connection to PostgreSQL.

use super::address::Address;
use super::dialect::for_postgres;
use super::error::{DatabaseError, Result, in_short};
use super::values::Given;
use super::{check_text, wait::wait};
use futures_util::future::try_join_all;
use rusqlite::types::ToSql;
use rustls_platform_verifier::ConfigVerifierExt as _;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

type Failure = tokio_postgres::Error;
type Running = Pin<Box<dyn Future<Output = std::result::Result<(), Failure>> + Send>>;

/// Statements that are kept compiled. The store writes some three hundred.
const KEPT: usize = 512;

/// What every connection is told first: how long it waits for other writers; that a server which hangs within a
/// transaction loses it, and others go on; and that a write is on disk before its answer leaves, whatever is usual there.
const SETTINGS: &str =
    "SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; SET jit = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

pub struct Session {
    client: Client,
    /// What speaks with the server; whoever waits for an answer drives it.
    running: RefCell<Option<Running>>,
    /// Why it runs no longer.
    ended: RefCell<Option<String>>,
    statements: RefCell<HashMap<String, Statement>>,
    /// Savepoints that are set or left with the next statement: they are not waited for by themselves.
    marks: RefCell<String>,
    /// A statement failed in this transaction: PostgreSQL would answer a commit with success, and keep nothing.
    spoilt: Cell<bool>,
}

impl Session {
    pub fn open(address: &Address) -> Result<Self> {
        let config = address.config();
        let (client, running) = wait(connect(config))??;
        let session = Self {
            client,
            running: RefCell::new(Some(running)),
            ended: RefCell::default(),
            statements: RefCell::default(),
            marks: RefCell::default(),
            spoilt: Cell::new(false),
        };
        session.execute_batch(SETTINGS)?;
        Ok(session)
    }

    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Waits for an answer.
    fn drive<T>(&self, asked: impl Future<Output = std::result::Result<T, Failure>>) -> Result<T> {
        let mut asked = pin!(asked);
        let mut running = self.running.borrow_mut();
        let answer = wait(poll_fn(|context| {
            // The question first, which the connection then sends.
            if let Poll::Ready(answer) = asked.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            if let Some(connection) = running.as_mut()
                && let Poll::Ready(end) = connection.as_mut().poll(context)
            {
                *self.ended.borrow_mut() = end.err().map(|error| said(&error));
                // Dropped, it tells whoever waits for it that nothing comes any more.
                *running = None;
            }
            asked.as_mut().poll(context)
        }))?;
        drop(running);
        answer.map_err(|error| self.failed(error))
    }

    /// Waits for an answer to a question within a transaction, whose marks go before it.
    fn ask<T>(&self, asked: impl Future<Output = std::result::Result<T, Failure>>) -> Result<T> {
        let marks = self.marks.take();
        if marks.is_empty() {
            return self.drive(asked);
        }
        let (marked, answer) =
            self.drive(async { Ok(tokio::join!(self.client.batch_execute(&marks), asked)) })?;
        marked.and(answer).map_err(|error| self.failed(error))
    }

    /// Sets or leaves a savepoint, before the next statement.
    pub fn mark(&self, sql: &str) {
        self.marks.borrow_mut().extend([sql, ";"]);
    }

    fn failed(&self, error: Failure) -> DatabaseError {
        self.spoilt.set(true);
        match error.code() {
            Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                DatabaseError::away("somebody else has held what is to be written for too long")
            }
            Some(code) if ends_connections(code) => DatabaseError::away(said(&error)),
            None if self.client.is_closed() => {
                let why = self.ended.borrow().clone();
                DatabaseError::away(why.unwrap_or_else(|| said(&error)))
            }
            _ => error.into(),
        }
    }

    pub fn prepare(&self, sql: &str) -> Result<Statement> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let statement = self.ask(self.client.prepare(&for_postgres(sql)))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= KEPT {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub fn execute(&self, statement: &Statement, values: &[&dyn ToSql]) -> Result<usize> {
        let given = given(values)?;
        let changed = self.ask(self.client.execute(statement, &borrowed(&given)))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    pub fn query(&self, statement: &Statement, values: &[&dyn ToSql]) -> Result<Vec<Row>> {
        let given = given(values)?;
        self.ask(self.client.query(statement, &borrowed(&given)))
    }

    /// Runs a statement for each of these values. They leave in one go; what stands after one that failed fails too.
    pub fn query_each<const N: usize>(
        &self,
        statement: &Statement,
        rows: &[[&dyn ToSql; N]],
    ) -> Result<Vec<Vec<Row>>> {
        let given: Vec<_> = rows.iter().map(|row| given(row)).collect::<Result<_>>()?;
        let asked = given.iter().map(|row| async { self.client.query(statement, &borrowed(row)).await });
        self.ask(try_join_all(asked))
    }

    /// The same for statements that find nothing; how many rows they changed in all.
    pub fn execute_each<const N: usize>(
        &self,
        statement: &Statement,
        rows: &[[&dyn ToSql; N]],
    ) -> Result<usize> {
        let given: Vec<_> = rows.iter().map(|row| given(row)).collect::<Result<_>>()?;
        let asked = given.iter().map(|row| async { self.client.execute(statement, &borrowed(row)).await });
        let changed = self.ask(try_join_all(asked))?;
        Ok(changed.into_iter().map(|rows| usize::try_from(rows).unwrap_or(usize::MAX)).sum())
    }

    /// Runs a statement that takes a list for each column of these rows.
    pub fn query_columns<const N: usize>(
        &self,
        statement: &Statement,
        rows: &[[&dyn ToSql; N]],
    ) -> Result<Vec<Row>> {
        let mut columns: [Vec<Given<'_>>; N] = std::array::from_fn(|_| Vec::with_capacity(rows.len()));
        for row in rows {
            for (column, value) in columns.iter_mut().zip(given(row)?) {
                column.push(value);
            }
        }
        let lists: Vec<_> = columns.iter().map(|column| column as _).collect();
        self.ask(self.client.query(statement, &lists))
    }

    pub fn execute_batch(&self, sql: &str) -> Result<()> {
        self.ask(self.client.batch_execute(sql))
    }

    /// Begins a transaction by these statements.
    pub fn begin(&self, sql: &str) -> Result<()> {
        self.marks.take();
        self.spoilt.set(false);
        self.execute_batch(sql).inspect_err(|_| self.rollback())
    }

    /// Begins a transaction by a statement that leaves with the next one.
    pub fn begin_with_next(&self, sql: &str) {
        self.marks.take();
        self.spoilt.set(false);
        self.mark(sql);
    }

    /// What failed since a savepoint does no harm any more: it was taken back.
    pub fn forgive(&self) {
        self.spoilt.set(false);
    }

    pub fn commit(&self) -> Result<()> {
        if self.spoilt.get() {
            self.rollback();
            return Err(DatabaseError::spoilt());
        }
        let last = self.marks.take() + "COMMIT";
        let answer = self.drive(async { Ok(self.client.batch_execute(&last).await) })?;
        answer.map_err(|error| {
            self.spoilt.set(true);
            match error.code() {
                Some(code) if !ends_connections(code) => error.into(),
                _ => DatabaseError::unsettled(self.ended.borrow().clone().unwrap_or_else(|| said(&error))),
            }
        })
    }

    /// Takes the transaction back. Where that fails, the server does it as soon as the connection is gone.
    pub fn rollback(&self) {
        self.marks.take();
        if self.is_closed() {
            return;
        }
        if let Err(error) = self.execute_batch("ROLLBACK") {
            tracing::debug!(%error, "a transaction was not taken back");
        }
        self.spoilt.set(false);
    }
}

async fn connect(config: &Config) -> Result<(Client, Running)> {
    let failed = |error: Failure| match error.code() {
        // Of these the user is to be told: a wrong password, a database that is not there.
        Some(code) if !ends_connections(code) => error.into(),
        _ => DatabaseError::away(said(&error)),
    };
    if config.get_ssl_mode() == SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        return Ok((client, Box::pin(connection)));
    }
    let trusted = rustls::ClientConfig::with_platform_verifier().map_err(|error| {
        DatabaseError::away(format!("the system's trusted certificates could not be read: {error}"))
    })?;
    let (client, connection) = config.connect(MakeRustlsConnect::new(trusted)).await.map_err(failed)?;
    Ok((client, Box::pin(connection)))
}

/// Whether the server says by this that it goes away, or that it is not there yet.
fn ends_connections(code: &SqlState) -> bool {
    code.code().starts_with("57P") || code.code().starts_with("08")
}

/// An error with what it came from: tokio-postgres tells only the kind.
fn said(error: &Failure) -> String {
    if let Some(said) = error.as_db_error() {
        return in_short(said);
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn given<'a>(values: &[&'a dyn ToSql]) -> Result<Vec<Given<'a>>> {
    values
        .iter()
        .map(|value| {
            let value = (*value).to_sql()?;
            check_text(&value)?;
            Ok(Given(value))
        })
        .collect()
}

fn borrowed<'a>(given: &'a [Given<'a>]) -> Vec<&'a (dyn tokio_postgres::types::ToSql + Sync)> {
    given.iter().map(|value| value as _).collect()
}
