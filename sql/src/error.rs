//! What a database says no with, whichever it is.

use rusqlite::types::FromSqlError;
use tokio_postgres::error::DbError;

/// Why the database under an environment or a journal could not do what it was asked for.
pub struct DatabaseError(Box<Kind>);

/// As it is told: what a database says at length quotes the rows that it is about.
impl std::fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DatabaseError({self})")
    }
}

enum Kind {
    Sqlite(rusqlite::Error),
    Postgres(tokio_postgres::Error),
    /// PostgreSQL could not be reached, or went away before anything was kept.
    Away(String),
    /// Its answer to a commit did not come: what was to be written may be there or not.
    Unsettled(String),
    /// Something before this failed, and PostgreSQL takes no more until its transaction is over.
    Spoilt,
    /// A row was to be there and is not.
    NoRow,
    /// What stands in a column is of another kind.
    Column(FromSqlError),
    /// Of other stores that keep texts, some end them at this character.
    Nul,
    /// The database is not what is needed; the sentence says how.
    Unfit(String),
}

/// What a database answers, or why it does not.
pub type Result<T, E = DatabaseError> = std::result::Result<T, E>;

impl DatabaseError {
    /// One that could not be reached, and wrote nothing.
    #[must_use]
    pub fn away(why: impl Into<String>) -> Self {
        Self(Box::new(Kind::Away(why.into())))
    }

    pub(super) fn unsettled(why: impl Into<String>) -> Self {
        Self(Box::new(Kind::Unsettled(why.into())))
    }

    pub(super) fn spoilt() -> Self {
        Self(Box::new(Kind::Spoilt))
    }

    pub(super) fn nul() -> Self {
        Self(Box::new(Kind::Nul))
    }

    pub(super) fn no_row() -> Self {
        Self(Box::new(Kind::NoRow))
    }

    /// One that is not what it is to hold; the sentence says how.
    #[must_use]
    pub fn unfit(why: impl Into<String>) -> Self {
        Self(Box::new(Kind::Unfit(why.into())))
    }

    /// Whether a row was asked for that is not there.
    pub(super) fn is_no_row(&self) -> bool {
        matches!(*self.0, Kind::NoRow)
    }

    /// Whether a text was to be kept that no store takes.
    #[must_use]
    pub fn is_nul(&self) -> bool {
        matches!(*self.0, Kind::Nul)
    }

    /// Whether there is no room for more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match &*self.0 {
            Kind::Sqlite(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Kind::Postgres(error) => error.code() == Some(&tokio_postgres::error::SqlState::DISK_FULL),
            _ => false,
        }
    }

    /// Whether the database was out of reach, and nothing was written.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(*self.0, Kind::Away(_))
    }

    /// Whether others came in between, so that the same once more may well succeed.
    #[must_use]
    pub fn is_to_be_tried_again(&self) -> bool {
        use tokio_postgres::error::SqlState;
        let Kind::Postgres(error) = &*self.0 else { return false };
        matches!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED))
    }

    /// Whether somebody who writes at the same time took what is there once only.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        use tokio_postgres::error::SqlState;
        matches!(&*self.0, Kind::Postgres(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// Whether nobody knows what became of a write.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        matches!(*self.0, Kind::Unsettled(_))
    }
}

impl std::fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0 {
            Kind::Sqlite(error) => error.fmt(f),
            Kind::Postgres(error) => match error.as_db_error() {
                Some(said) => f.write_str(&in_short(said)),
                None => error.fmt(f),
            },
            Kind::Away(why) => write!(f, "PostgreSQL is out of reach: {why}"),
            Kind::Unsettled(why) => {
                write!(f, "PostgreSQL's answer to a commit was lost, so that it may be done or not: {why}")
            }
            Kind::Spoilt => f.write_str("a statement failed earlier in this transaction"),
            Kind::NoRow => f.write_str("a row is missing"),
            Kind::Column(error) => error.fmt(f),
            Kind::Nul => f.write_str("texts hold no NUL"),
            Kind::Unfit(why) => f.write_str(why),
        }
    }
}

/// What was wrong, without the server's details, which may quote the row.
pub(super) fn in_short(said: &DbError) -> String {
    format!("{} (SQLSTATE {})", said.message(), said.code().code())
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Kind::Sqlite(error) => Some(error),
            // What the server says at length may quote the row.
            Kind::Postgres(error) if error.as_db_error().is_some() => None,
            Kind::Postgres(error) => Some(error),
            Kind::Column(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self::no_row(),
            other => Self(Box::new(Kind::Sqlite(other))),
        }
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(Box::new(Kind::Postgres(error)))
    }
}

impl From<FromSqlError> for DatabaseError {
    fn from(error: FromSqlError) -> Self {
        Self(Box::new(Kind::Column(error)))
    }
}
