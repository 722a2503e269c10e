//! The embedded environment: Passwork's HTTP API v1 over one `SQLite` file.
//!
//! It is zero-knowledge by construction: the crate does not link the code that could decrypt.
//! What it stores is what clients send: envelopes, wrapped keys, and Argon2id of login passwords.
//!
//! An [`Environment`] is a folder with `environment.db` in it. [`Environment::router`] is a value:
//! it can be served over a socket, or called in-process without one.
//!
//! ```no_run
//! # fn main() -> Result<(), keyferry_server::Error> {
//! use keyferry_server::{Environment, ServeOptions};
//!
//! let environment = Environment::open("./team".as_ref())?;
//! let router = environment.router(ServeOptions::default());
//! # Ok(())
//! # }
//! ```
//!
//! Every request runs in one transaction, a batch in one for all of its requests. Rights are
//! proof values that only a query makes, so that what a function may do stands in its signature.

mod access;
mod error;
mod id;
mod json;
mod routes;
mod store;

pub use error::Error;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use keyferry_api::session::Tokens;
use keyferry_api::user::{NewUser, UserInfo};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::Store;

const FILE: &str = "environment.db";

/// How an environment is served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Answer plain JSON to everybody, not only to those who ask for it.
    pub always_raw: bool,
    /// How long an access token is good; whole seconds count.
    pub access_token_life: Duration,
    /// How long a session is good without a refresh; whole seconds count.
    pub refresh_token_life: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            always_raw: false,
            access_token_life: Duration::from_secs(60 * 60),
            refresh_token_life: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

/// An open environment. Clones share it.
#[derive(Clone)]
pub struct Environment {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    client_encryption: bool,
}

impl Environment {
    /// Makes an environment in `dir`, which is made where it is missing and may not hold one yet.
    /// Only the user who runs this may read the files.
    pub fn create(dir: &Path, client_encryption: bool) -> Result<Self, Error> {
        let path = dir.join(FILE);
        if path.exists() {
            return Err(Error::AlreadyThere(dir.to_owned()));
        }
        private_dir(dir)?;
        private_file(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::AlreadyThere(dir.to_owned()),
            _ => Error::Io(error),
        })?;
        let made = Store::open(&path).and_then(|store| {
            store.write(|conn| {
                conn.execute(
                    "INSERT INTO environment (only, client_encryption) VALUES (1, ?1)",
                    [client_encryption],
                )
                .map_err(Error::Database)
            })?;
            Ok(store)
        });
        match made {
            Ok(store) => Ok(Self { inner: Arc::new(Inner { store, client_encryption }) }),
            Err(error) => {
                // What is half made would look like an environment the next time.
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Opens the environment in `dir`.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path: PathBuf = dir.join(FILE);
        if !path.is_file() {
            return Err(Error::NotThere(dir.to_owned()));
        }
        let store = Store::open(&path)?;
        let client_encryption = store.read(|conn| {
            conn.query_row("SELECT client_encryption FROM environment", [], |row| row.get(0))
                .map_err(Error::Database)
        })?;
        Ok(Self { inner: Arc::new(Inner { store, client_encryption }) })
    }

    /// Whether vaults here are meant to be encrypted by clients; set when the environment was made.
    #[must_use]
    pub fn client_encryption(&self) -> bool {
        self.inner.client_encryption
    }

    /// Makes a user and tells the identifier. The first one may make others over HTTP.
    pub fn add_user(&self, user: NewUser) -> Result<String, Error> {
        let hash = store::user::hash_password(&user.password)?;
        let id = self.store().write(|conn| store::user::create(conn, user, &hash))?;
        Ok(id.into())
    }

    /// The environment's first user, if there is any.
    pub fn sole_or_first_user(&self) -> Result<Option<UserInfo>, Error> {
        Ok(self.store().read(store::user::list)?.into_iter().next())
    }

    /// Starts a session without a password: whoever owns the files needs none.
    pub fn issue_session(&self, user_id: &str) -> Result<Tokens, Error> {
        let id = user_id.parse::<id::UserId>()?;
        let options = ServeOptions::default();
        Ok(self.store().write(|conn| {
            store::user::info(conn, &id)?;
            store::session::start(conn, &id, &options)
        })?)
    }

    /// The HTTP API as a value.
    pub fn router(&self, options: ServeOptions) -> Router {
        Router::new()
            .fallback(handle)
            .layer(DefaultBodyLimit::max(routes::LARGEST_BODY))
            .with_state(Arc::new((self.clone(), options)))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }
}

/// The database blocks, so requests run where blocking is allowed.
async fn handle(
    State(state): State<Arc<(Environment, ServeOptions)>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let body = body.map_err(|rejection| rejection.status());
    let work = move || routes::serve(&state.0, &state.1, method, &uri, &headers, body);
    let (status, text) = match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(_) => error::Refusal::internal().into_answer().into_body(),
    };
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text)
        .into_response()
}

fn private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
        builder.mode(0o700).create(dir)?;
        // It may have been there with other rights.
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
    }
    #[cfg(not(unix))]
    builder.create(dir)
}

fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
