//! What can go wrong, for the crate's caller ([`Error`]) and on the wire (`Refusal`).

use http::{HeaderName, StatusCode};
use keyferry_api::error::{ErrorBody, ErrorEntry, code};
use keyferry_sql::DatabaseError;
use std::borrow::Cow;
use std::path::PathBuf;

/// Why an environment could not be made, opened or asked.
#[derive(Debug)]
pub enum Error {
    /// The file system said no.
    Io(std::io::Error),
    /// The database said no.
    Database(DatabaseError),
    /// There is an environment in this folder already.
    AlreadyThere(PathBuf),
    /// There is no environment in this folder.
    NotThere(PathBuf),
    /// The request itself is wrong; the sentence says how.
    Validation(String),
    /// The environment was made by a newer version of this program.
    TooNew(i64),
    /// The environment is on a server that makes copies by its own means.
    NoBackup,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the environment's files: {error}"),
            Self::Database(error) => write!(f, "the environment's database: {error}"),
            Self::AlreadyThere(dir) => write!(f, "there is an environment in {} already", dir.display()),
            Self::NotThere(dir) => write!(f, "there is no environment in {}", dir.display()),
            Self::Validation(message) => f.write_str(message),
            Self::TooNew(version) => {
                write!(f, "the environment was made by a newer version (schema {version})")
            }
            Self::NoBackup => f.write_str(
                "this environment is in a PostgreSQL database: pg_dump, or the copies that its server keeps, are its backup",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DatabaseError> for Error {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Answer(answer) => Self::Validation(answer.message),
            Refusal::Database(error) => Self::Database(error),
        }
    }
}

/// Why a request fails. An `Answer` is the client's affair and leaves the transaction usable; a
/// `Database` failure ends the whole transaction, a batch's too.
#[derive(Debug)]
pub(crate) enum Refusal {
    Answer(Answer),
    Database(DatabaseError),
}

/// A refusal in the words of the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub code: &'static str,
    pub field: Option<Cow<'static, str>>,
    pub message: String,
    /// Such as `Retry-After`; boxed, as nearly none has one and every result has room for it.
    pub header: Option<Box<(HeaderName, String)>>,
    /// What an earlier request with the same key made.
    pub made: Option<String>,
}

pub(crate) type Result<T, E = Refusal> = std::result::Result<T, E>;

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        if error.is_nul() {
            return Self::malformed("Texts hold no NUL character.");
        }
        Self::Database(error)
    }
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::Answer(Answer { status, code, field: None, message: message.into(), header: None, made: None })
    }

    /// The same with a header beside it.
    pub fn with_header(self, name: HeaderName, value: String) -> Self {
        match self {
            Self::Answer(answer) => Self::Answer(Answer { header: Some(Box::new((name, value))), ..answer }),
            database @ Self::Database(_) => database,
        }
    }

    /// The same with another code.
    pub fn coded(self, code: &'static str) -> Self {
        match self {
            Self::Answer(answer) => Self::Answer(Answer { code, ..answer }),
            database @ Self::Database(_) => database,
        }
    }

    /// The same with the identifier of what is there already.
    pub fn with_made(self, made: Option<String>) -> Self {
        match self {
            Self::Answer(answer) => Self::Answer(Answer { made, ..answer }),
            database @ Self::Database(_) => database,
        }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, format!("There is no such {what}."))
    }

    pub fn denied() -> Self {
        Self::new(StatusCode::FORBIDDEN, code::ACCESS_DENIED, "You may not do this here.")
    }

    pub fn unauthorized(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// The answer to a browser's write without its token.
    pub fn csrf_invalid() -> Self {
        let message = "A browser's request needs its CSRF token.";
        Self::new(StatusCode::FORBIDDEN, code::CSRF_TOKEN_INVALID, message)
    }

    pub fn conflict(message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, code::CONFLICT, message)
    }

    pub fn invalid(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, code::VALIDATION_ERROR);
        let (field, message) = (Some(field.into()), message.into());
        Self::Answer(Answer { status, code, field, message, header: None, made: None })
    }

    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code::VALIDATION_ERROR, message)
    }

    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL_ERROR, "The server failed.")
    }

    /// The answer to give. A database's own words stay inside: they may name values.
    pub fn into_answer(self) -> Answer {
        match self {
            Self::Answer(answer) => answer,
            Self::Database(error) => {
                let (status, code, message) = if error.is_full() {
                    (
                        StatusCode::INSUFFICIENT_STORAGE,
                        code::STORAGE_FULL,
                        "The disk under the environment is full.",
                    )
                } else if error.is_unsettled() {
                    (
                        // As from a gateway: the request may have been carried out.
                        StatusCode::GATEWAY_TIMEOUT,
                        code::INTERNAL_ERROR,
                        "The database did not say whether it kept this: look before you ask again, or name an Idempotency-Key.",
                    )
                } else if error.is_away() {
                    (
                        StatusCode::SERVICE_UNAVAILABLE,
                        code::INTERNAL_ERROR,
                        "The database is out of reach; nothing was changed.",
                    )
                } else {
                    (StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL_ERROR, "The server failed.")
                };
                let header = error.is_away().then(|| Box::new((http::header::RETRY_AFTER, "1".to_owned())));
                tracing::error!(%error, "the database failed");
                Answer { status, code, field: None, message: message.to_owned(), header, made: None }
            }
        }
    }
}

impl Answer {
    pub fn into_body(self) -> (StatusCode, Vec<u8>) {
        let entry = ErrorEntry {
            code: self.code.to_owned(),
            field: self.field.map(Cow::into_owned),
            message: self.message,
            made: self.made,
        };
        let body = serde_json::to_vec(&ErrorBody { errors: vec![entry] }).unwrap_or_default();
        (self.status, body)
    }
}
