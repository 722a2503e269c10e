//! The embedded environment: Passwork's HTTP API v1 over one `SQLite` file, or over a PostgreSQL database.
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
mod limits;
mod listen;
mod metrics;
mod observed;
mod openapi;
mod routes;
mod store;
mod trace;

pub use error::Error;
pub use keyferry_sql::{Address, AddressError, DatabaseError};
pub use listen::{Certificate, listen, listen_for_metrics};
pub use trace::{Parent, Part, Trace, Tracer, What};

use axum::body::HttpBody as _;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest as _, Request, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use keyferry_api::session::Tokens;
use keyferry_api::user::{NewUser, UserInfo};
use limits::Limits;
use routes::Visit;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Store;
use store::activity::Event;
use tokio::sync::Semaphore;
use trace::{Clock, Seen};

/// Bytes of the largest body that is kept for somebody who is not signed in.
const STRANGERS_BODY: u64 = 64 << 10;

/// The address of every endpoint below `/api/`, such as `v1/users/{id}`; one that takes several methods comes several times.
pub fn paths() -> impl Iterator<Item = String> {
    routes::table::ENDPOINTS.iter().map(|endpoint| format!("v1{}", endpoint.path))
}

/// The database in an environment's folder.
pub const DATABASE_FILE: &str = "environment.db";

/// How an environment is served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Answer plain JSON to everybody, not only to those who ask for it.
    pub always_raw: bool,
    /// How long an access token is good; whole seconds count.
    pub access_token_life: Duration,
    /// How long a session is good without a refresh; whole seconds count.
    pub refresh_token_life: Duration,
    /// Clients come over TLS: cookies are for TLS only, links start with `https:`.
    pub tls: bool,
    /// Who read which item goes to the activity log too, within [`READS_NOTED`].
    pub log_reads: bool,
    /// How many requests an address may make in a second; `None` for any number.
    pub requests_per_second: Option<NonZeroU32>,
    /// The largest body that is taken, in bytes.
    pub largest_body: usize,
    /// Where others reach it, such as `https://passwork.example.com`: links begin with this. Without it, with the host
    /// that the client named.
    pub public_url: Option<String>,
    /// Who is told of each request that was answered.
    pub tracer: Option<Tracer>,
}

/// How long it takes at most until a read is in the activity log; writes are there before their answer.
pub const READS_NOTED: Duration = Duration::from_millis(200);
/// So many reads wait at most for that.
const READS_WAITING: usize = 4096;
/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(300);
/// A batch of attachments is large; beyond this nobody asks in good faith.
const LARGEST_BODY: usize = 256 << 20;

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            always_raw: false,
            access_token_life: Duration::from_secs(60 * 60),
            refresh_token_life: Duration::from_secs(30 * 24 * 60 * 60),
            tls: false,
            log_reads: false,
            requests_per_second: None,
            largest_body: LARGEST_BODY,
            public_url: None,
            tracer: None,
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
    /// What this opening of it is called among those that keep the house.
    holder: String,
    /// Reads that are not in the activity log yet.
    reads: Mutex<Vec<Event>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = flush(&self.store, &self.reads) {
            tracing::error!(%error, "reads are missing from the activity log");
        }
    }
}

/// What a request is served with.
struct Front {
    environment: Environment,
    options: ServeOptions,
    limits: Limits,
    /// KiB of bodies that may be on their way at once.
    bodies: Semaphore,
}

/// Bytes of bodies on their way at once, of all clients together: twice the largest at least.
const BODIES: usize = 512 << 20;
/// How long a client waits for its turn to send a body.
const BODY_TURN: Duration = Duration::from_secs(20);

impl Environment {
    /// Makes an environment in `dir`, which is made where it is missing and may not hold one yet.
    /// Only the user who runs this may read the files.
    pub fn create(dir: &Path, client_encryption: bool) -> Result<Self, Error> {
        let path = dir.join(DATABASE_FILE);
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
                    "INSERT INTO environment (\"only\", client_encryption) VALUES (1, ?1)",
                    [client_encryption],
                )
                .map_err(Error::Database)
            })?;
            Ok(store)
        });
        match made.and_then(|store| Self::over(store, client_encryption)) {
            Ok(environment) => Ok(environment),
            Err(error) => {
                // What is half made would look like an environment the next time.
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Opens the environment in `dir`.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path: PathBuf = dir.join(DATABASE_FILE);
        if !path.is_file() {
            return Err(Error::NotThere(dir.to_owned()));
        }
        Self::of(Store::open(&path)?)
    }

    /// Makes an environment in a PostgreSQL database, which may not hold one yet: all of it, or nothing.
    pub fn create_on(address: &Address, client_encryption: bool) -> Result<Self, Error> {
        Self::over(Store::create_on(address, client_encryption)?, client_encryption)
    }

    /// Opens the environment in a PostgreSQL database. Any number of servers may do so at once.
    pub fn open_on(address: &Address) -> Result<Self, Error> {
        Self::of(Store::open_on(address)?)
    }

    fn of(store: Store) -> Result<Self, Error> {
        let client_encryption = store.read(|conn| {
            conn.query_row("SELECT client_encryption FROM environment", [], |row| row.get(0))
                .map_err(Error::Database)
        })?;
        Self::over(store, client_encryption)
    }

    fn over(store: Store, client_encryption: bool) -> Result<Self, Error> {
        let holder = data_encoding::HEXLOWER.encode(&id::random::<16>()?);
        let inner = Inner { store, client_encryption, holder, reads: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether vaults here are meant to be encrypted by clients; set when the environment was made.
    #[must_use]
    pub fn client_encryption(&self) -> bool {
        self.inner.client_encryption
    }

    /// Makes a user and tells the identifier. The first one may make others over HTTP.
    pub fn add_user(&self, user: NewUser) -> Result<String, Error> {
        let hash =
            user.password.as_deref().map_or_else(|| Ok(String::new()), store::user::hash_new_password)?;
        let id = self.store().write(|conn| store::user::create(conn, None, user, &hash))?;
        Ok(id.into())
    }

    /// The environment's first user, if there is any.
    pub fn sole_or_first_user(&self) -> Result<Option<UserInfo>, Error> {
        Ok(self.store().read(|conn| store::user::list(conn, true))?.into_iter().next())
    }

    /// Starts a session without a password: whoever owns the files needs none.
    pub fn issue_session(&self, user_id: &str) -> Result<Tokens, Error> {
        let id = user_id.parse::<id::UserId>()?;
        let options = ServeOptions::default();
        Ok(self.store().write(|conn| {
            store::user::info(conn, &id)?;
            store::session::start(conn, &id, &store::session::Standing::default(), &options)
        })?)
    }

    /// The HTTP API as a value, with its documentation at `/api/docs` and `/api/openapi.json`, and `/health`.
    pub fn router(&self, options: ServeOptions) -> Router {
        let largest = options.largest_body;
        // Where nothing can be read, nothing can be signed in to either.
        let kept = self.store().read(store::guess::all).unwrap_or_default();
        let limits = Limits::new(options.requests_per_second, kept);
        let bodies = Semaphore::new(kibibytes(BODIES.max(2 * largest)));
        let front = Arc::new(Front { environment: self.clone(), options, limits, bodies });
        Router::new()
            .route("/health", get(health))
            .route("/healthz", get(health))
            .route("/health/live", get(async || Json(serde_json::json!({ "status": "ok" }))))
            .route("/", get(async || Redirect::temporary("api/docs")))
            .route(
                "/api/openapi.json",
                get(async || ([(header::CONTENT_TYPE, "application/json")], openapi::text())),
            )
            .route("/api/docs", get(async || (openapi::PAGE_HEADERS, Html(openapi::PAGE))))
            .fallback(handle)
            .layer(DefaultBodyLimit::max(largest))
            .with_state(front)
    }

    /// Writes a whole and consistent copy of the environment to `file`, which may not be there yet, also
    /// while others use it. The copy is checked before it gets its name.
    pub fn backup(&self, file: &Path) -> Result<(), Error> {
        self.flush_reads()?;
        self.store().backup(file)
    }

    /// Puts the whole environment, which is in a folder, into a PostgreSQL database that holds none yet: with sessions, keys
    /// and history, all of it or nothing. It is one state; what is written meanwhile stays behind. How many rows it was.
    pub fn copy_to(&self, address: &Address) -> Result<u64, Error> {
        self.flush_reads()?;
        self.store().copy_to(address)
    }

    /// Puts reads into the activity log that are not there yet. Who serves an environment does it every
    /// [`READS_NOTED`].
    pub fn flush_reads(&self) -> Result<(), Error> {
        flush(self.store(), &self.inner.reads)
    }

    /// Takes out what is beyond its time and makes what the coming months need, unless that was done within the last ten
    /// minutes, by whichever server of the same database; whether it was done here. Who serves an environment asks for it now and
    /// then.
    pub fn keep_house(&self) -> Result<bool, Error> {
        let (store, holder) = (self.store(), &self.inner.holder);
        let taken = store.read(store::house::is_free).map_err(Error::Database)?
            && store.write(|conn| store::house::take(conn, holder)).map_err(Error::Database)?;
        if taken {
            // In portions, so that no client waits for all of it.
            while store.write(|conn| store::house::keep(conn, holder)).map_err(Error::Database)? {}
            if store.read(store::months::are_missing).map_err(Error::Database)?
                && let Err(error) = store.write(store::months::make)
            {
                tracing::warn!(%error, "the coming months have no parts of the log yet; the next turn tries again");
            }
            store.metrics().housekept();
        }
        if taken || store.read(store::activity::has_gap)? {
            store.write(store::activity::settle).map_err(Error::Database)?;
        }
        Ok(taken)
    }

    /// `GET /metrics`: what is counted of this environment and of those who ask it, in the text format of `OpenMetrics`, which
    /// Prometheus reads. Names, identifiers and addresses are not in it. It asks nobody for a token: it belongs where the API
    /// is not.
    pub fn metrics_router(&self) -> Router {
        let environment = self.clone();
        let text = async move || {
            ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], environment.store().metrics().text())
        };
        Router::new().route("/metrics", get(text))
    }

    pub(crate) fn note_reads(&self, mut events: Vec<Event>) {
        let waiting = {
            let mut reads = self.inner.reads.lock().unwrap_or_else(PoisonError::into_inner);
            reads.append(&mut events);
            reads.len()
        };
        if waiting >= READS_WAITING
            && let Err(error) = self.flush_reads()
        {
            tracing::error!(%error, "reads wait for the activity log");
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }
}

fn flush(store: &Store, reads: &Mutex<Vec<Event>>) -> Result<(), Error> {
    let events = std::mem::take(&mut *reads.lock().unwrap_or_else(PoisonError::into_inner));
    if events.is_empty() {
        return Ok(());
    }
    store.write(|conn| store::activity::append(conn, &events)).map_err(|error: error::Refusal| {
        // They wait for the next time, the oldest first, unless they may stand there by now: nothing is logged twice.
        if !matches!(&error, error::Refusal::Database(error) if error.is_unsettled()) {
            let mut reads = reads.lock().unwrap_or_else(PoisonError::into_inner);
            reads.splice(0..0, events);
        }
        error.into()
    })
}

/// Whether the environment can be read.
async fn health(State(front): State<Arc<Front>>) -> Response {
    let work = move || {
        let store = front.environment.store();
        let read = store.read(|conn| conn.query_row("SELECT 1 FROM environment", [], |_| Ok(())));
        read.inspect_err(|error| store.metrics().failed(error))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Json(serde_json::json!({ "status": "ok" })).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Json(serde_json::json!({ "status": "failing" })))
            .into_response(),
    }
}

/// Whether a body is small enough to be kept for whoever sends it: signing in and opening links need no more.
fn is_small(request: &Request) -> bool {
    request.body().size_hint().upper().is_some_and(|length| length <= STRANGERS_BODY)
}

/// Whether a live session's token came along.
async fn is_known(front: &Arc<Front>, headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
    let (front, headers) = (front.clone(), headers.clone());
    let look = move || {
        let Front { environment, options, limits, .. } = &*front;
        let visit = Visit { environment, options, limits, headers: &headers, peer };
        environment.store().read(|conn| visit.caller(conn)).is_ok()
    };
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
}

/// Hears a body out without keeping it, so that its sender, whose session may just have run out, reads the answer.
async fn passed_over(request: Request, most: usize) -> StatusCode {
    let (mut body, mut seen) = (request.into_body(), 0);
    while seen <= most
        && let Some(Ok(frame)) = body.frame().await
    {
        seen += frame.data_ref().map_or(0, Bytes::len);
    }
    StatusCode::PAYLOAD_TOO_LARGE
}

/// Answers, and tells those who watch.
async fn handle(
    State(front): State<Arc<Front>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let (clock, asked) = (Clock::start(), method.clone());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let parent = trace::parent(front.options.tracer.as_ref(), &headers);
    let metrics = front.environment.store().metrics();
    let (response, route, seen) = {
        let _under_way = metrics.request();
        answered(&front, method, uri, headers, request, peer).await
    };
    let (status, took) = (response.status(), clock.instant.elapsed());
    metrics.answered(&asked, route, status, took);
    if let Some(tracer) = &front.options.tracer {
        let what = (metrics::name_of(&asked), route, status.as_u16());
        tracer.tell(clock.trace(parent, what, front.environment.store().is_on_server(), seen));
    }
    response
}

/// An answer, the endpoint that gave it, and what was seen on the way. The database blocks, so requests run where blocking is
/// allowed.
async fn answered(
    front: &Arc<Front>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
    peer: Option<IpAddr>,
) -> (Response, &'static str, Seen) {
    let started = Instant::now();
    let none = |response: Response| (response, "", Seen::default());
    // Which of two is meant, a proxy and this server could answer differently.
    if headers.get_all(header::HOST).iter().nth(1).is_some() {
        return none(StatusCode::BAD_REQUEST.into_response());
    }
    let small = is_small(&request);
    let kept = small || is_known(front, &headers, peer).await;
    let most = front.options.largest_body as u64;
    let length = request.body().size_hint().upper().unwrap_or(most).min(most);
    let permits = u32::try_from(kibibytes(usize::try_from(length).unwrap_or(usize::MAX))).unwrap_or(u32::MAX);
    // Held until the answer is there: a body stands in memory that long.
    let _turn = if kept && !small {
        let turn = tokio::time::timeout(BODY_TURN, front.bodies.acquire_many(permits)).await;
        let Ok(Ok(turn)) = turn else {
            front.environment.store().metrics().refused("bodies");
            let later = (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")]);
            return none(later.into_response());
        };
        Some(turn)
    } else {
        None
    };
    let read = async {
        if kept {
            Bytes::from_request(request, &()).await.map_err(|rejection| rejection.status())
        } else {
            Err(passed_over(request, front.options.largest_body).await)
        }
    };
    let body = tokio::time::timeout(BODY_TIME, read).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT));
    let asked = method.clone();
    let served_by = front.clone();
    let work = move || {
        let Front { environment, options, limits, .. } = &*served_by;
        let visit = Visit { environment, options, limits, headers: &headers, peer };
        observed::seen(options.tracer.is_some(), || routes::serve(&visit, asked, &uri, body))
    };
    let Ok((served, seen)) = tokio::task::spawn_blocking(work).await else {
        return none(error::Refusal::internal().into_answer().into_body().into_response());
    };
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    let peer = peer.map(tracing::field::display);
    tracing::info!(%method, path = served.route, status = served.status.as_u16(), milliseconds, peer);
    let mut response = (served.status, served.body).into_response();
    for (name, value) in served.headers {
        response.headers_mut().insert(name, value);
    }
    (response, served.route, seen)
}

fn kibibytes(bytes: usize) -> usize {
    bytes.div_ceil(1024).min(Semaphore::MAX_PERMITS)
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
