//! How requests reach an environment: Passwork's HTTP API v1, over a network or in process.
//!
//! | file | what it does |
//! |---|---|
//! | [`transport`] | a `tower` service from request to answer: HTTP, or a router in this process |
//! | [`session`] | tokens, and the one refresh that all workers share |
//! | `pace` | how many requests are under way at once |
//! | `retry` | which failure is tried again, and after which pause |
//! | `answer` | status, wrapping and error bodies: an answer's bytes, or an [`Error`] |
//! | `echo` | what a server repeats of a request in its errors: no secret |
//! | `list` | lists, element by element while they arrive |
//! | `places` | where a vault's items stand: a list that waits on the disk |
//! | `batch` | many requests in one; the answer to each is looked at |
//! | `user`, `group`, `vault`, `folder`, `item`, `sharing`, `history` | the endpoints |
//! | [`kv`] | the one server that is no environment: HashiCorp Vault's or OpenBao's, read alone |
//!
//! A [`Client`] is cheap to clone; all clones share tokens and connections. Bodies are never
//! logged and have no `Debug`. A write whose answer was lost is not sent again here: whether the
//! environment acted is for the engine's journal to settle.

mod answer;
mod batch;
mod echo;
mod folder;
mod group;
mod history;
mod item;
pub mod kv;
mod list;
mod pace;
mod places;
mod retry;
mod search;
pub mod session;
mod sharing;
pub mod transport;
mod user;
mod vault;

#[cfg(test)]
mod tests;

pub use crate::client::batch::{Made, OnceKey};
pub use crate::client::history::ActivityFilter;
pub use crate::client::places::Places;
pub use crate::client::search::Search;
pub use crate::client::session::{Held, Session, SessionStore};
pub use crate::client::transport::{
    Body, REQUEST_TIMEOUT, Transport, Trust, check_scheme, exchange, http_transport, http_transport_trusting,
    in_process, is_this_machine, root_of,
};

use crate::client::pace::Pace;
use crate::client::session::{Credentials, Keeper, Renewal};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use keyferry_api as api;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tower::ServiceExt as _;

pub(crate) use crate::client::retry::Repeat;
use crate::client::transport::Certificate;

/// Renewals within one request: more means that the environment rejects what it just issued.
const MAX_RENEWALS: u32 = 2;

/// A signed-in user's view of one environment.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    batch_count: usize,
    request_timeout: Duration,
}

/// Who hears remarks.
type Tell = Box<dyn Fn(&str) + Send + Sync>;

struct Shared {
    transport: Transport,
    label: String,
    keeper: Keeper,
    pace: Pace,
    batched_reads: AtomicBool,
    batched_creates: AtomicBool,
    /// Of the first answer over TLS.
    certificate: OnceLock<[u8; 32]>,
    /// Where remarks go.
    tell: OnceLock<Tell>,
    /// Until when a remark on a pause holds.
    told: Mutex<Option<Instant>>,
}

/// What one call has cost so far.
#[derive(Default)]
struct Attempts {
    tries: u32,
    renewals: u32,
}

/// One request, ready to be sent as often as needed.
struct Call<'a> {
    method: Method,
    /// Path and query, below [`api::BASE_PATH`] or from `/api/` on.
    path: &'a str,
    body: Option<Bytes>,
    repeat: Repeat,
    key: Option<&'a OnceKey>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("label", &self.shared.label).finish_non_exhaustive()
    }
}

impl Client {
    /// A client over `transport`. `label` names the environment in messages: an alias or a host.
    pub fn new(transport: Transport, label: impl Into<String>, session: Session) -> Self {
        Self {
            shared: Arc::new(Shared {
                transport,
                label: label.into(),
                keeper: Keeper::new(session),
                pace: Pace::new(),
                batched_reads: AtomicBool::new(true),
                batched_creates: AtomicBool::new(true),
                certificate: OnceLock::new(),
                tell: OnceLock::new(),
                told: Mutex::new(None),
            }),
            batch_count: api::BATCH_LIMIT,
            request_timeout: 2 * REQUEST_TIMEOUT,
        }
    }

    /// Says how long after a request was sent the environment may still act on it. Over a network,
    /// twice the request's timeout: what is still on its way when the client gives up is given as
    /// long again. Nothing in this process, since the environment ends with it.
    #[must_use]
    pub fn with_request_timeout(mut self, request_timeout: Duration) -> Self {
        self.request_timeout = request_timeout;
        self
    }

    /// How long an answer that never came may still have an effect.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Puts up to `count` requests into one batch; right for an environment in this process.
    #[must_use]
    pub fn with_batch_limit(mut self, count: usize) -> Self {
        self.batch_count = count.max(1);
        self
    }

    /// Has at most `most` requests under way at once from now on, in every clone of this client;
    /// 32 is the most there ever are.
    pub fn limit_requests(&self, most: usize) {
        self.shared.pace.limit(most);
    }

    /// Proves knowledge of the master key from now on; see [`Client::set_master_key_hash`].
    #[must_use]
    pub fn with_master_key_hash(self, hash: impl Into<String>) -> Self {
        self.set_master_key_hash(hash);
        self
    }

    /// Sends `hash`, the hexadecimal SHA-256 of the master key, with each request from now on, in
    /// every clone of this client.
    pub fn set_master_key_hash(&self, hash: impl Into<String>) {
        self.shared.keeper.set_master_key_hash(hash.into());
    }

    /// Has `hash` ready, and sends it with each request once the server has refused one without it: who holds it can
    /// try passwords against it.
    pub fn withhold_master_key_hash(&self, hash: impl Into<String>) {
        self.shared.keeper.withhold_master_key_hash(hash.into());
    }

    /// `SHA-256(certificate in DER)` of the server, once it has answered over TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<[u8; 32]> {
        self.shared.certificate.get().copied()
    }

    /// What the environment is called in messages.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.shared.label
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let call = Call { method: Method::GET, path, body: None, repeat: Repeat::Always, key: None };
        let body = self.call(&call).await?;
        answer::parse(&call.method, path, &body)
    }

    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        let body = Some(to_bytes(body)?);
        let call = Call { method, path, body, repeat: Repeat::IfNotActed, key: None };
        let body = self.call(&call).await?;
        answer::parse(&call.method, path, &body)
    }

    /// Any call, for what there is no method for. `path` begins with `/api/` and holds the query, encoded.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for another path; those of every call.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value> {
        let sane = path.starts_with("/api/")
            && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\'))
            && !path.split(['/', '?']).any(|part| part == "..");
        if !sane {
            return Err(Error::new(ErrorKind::Usage, "this is not a path of the API")
                .next_step("write it from /api/ on, percent-encoded"));
        }
        let body = body.map(to_bytes).transpose()?;
        let repeat = if method == Method::GET { Repeat::Always } else { Repeat::IfNotActed };
        let call = Call { method, path, body, repeat, key: None };
        let body = self.call(&call).await?;
        answer::parse(&call.method, path, &body)
    }

    /// For writes whose answer says nothing but that it is one.
    pub(crate) async fn act(&self, method: Method, path: &str, body: &impl Serialize) -> Result<()> {
        let body = Some(to_bytes(body)?);
        let call = Call { method, path, body, repeat: Repeat::IfNotActed, key: None };
        answer::is_one(&call.method, path, &self.call(&call).await?)
    }

    /// Sends until there is an answer or no sense in trying again.
    async fn call(&self, call: &Call<'_>) -> Result<Bytes> {
        let mut attempts = Attempts::default();
        loop {
            let credentials = self.shared.keeper.credentials();
            match self.once(call, Some(&credentials)).await {
                Ok(body) => return Ok(body),
                Err(error) => self.recover(call, &credentials, &mut attempts, error).await?,
            }
        }
    }

    /// After a failure: gets ready for another try, or gives the error back.
    async fn recover(
        &self,
        call: &Call<'_>,
        used: &Credentials,
        attempts: &mut Attempts,
        error: Error,
    ) -> Result<()> {
        if error.kind() == ErrorKind::Locked && used.master_key_hash.is_none() {
            // Another worker may have released it meanwhile.
            let keeper = &self.shared.keeper;
            if keeper.release_master_key_hash() || keeper.credentials().master_key_hash.is_some() {
                return Ok(());
            }
        }
        if attempts.renewals < MAX_RENEWALS && session::renewal_may_help(&error) {
            return match self.renew(used.generation).await? {
                // No limit is needed: somebody renewed them, and each renews a limited number of times.
                Renewal::Found => Ok(()),
                Renewal::Made => {
                    attempts.renewals += 1;
                    Ok(())
                }
                Renewal::Impossible => Err(self.sign_in_again(error)),
            };
        }
        attempts.tries += 1;
        match retry::pause(&error, attempts.tries, call.repeat, self.patience()) {
            Some(pause) => {
                self.wait(&error, pause).await;
                Ok(())
            }
            None => Err(self.sign_in_again(self.too_long(error))),
        }
    }

    /// The longest pause that a server may ask for: as long as one request may take.
    fn patience(&self) -> Duration {
        self.request_timeout / 2
    }

    /// Waits, and says so where the server asked for it: once for all workers that wait together.
    async fn wait(&self, error: &Error, pause: Duration) {
        if let (Some(asked), Some(tell)) = (error.retry_after(), self.shared.tell.get()) {
            let mut told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if told.is_none_or(|until| until <= now) {
                *told = Some(now + pause);
                tell(&format!("{} asks for a pause of {} s", self.shared.label, asked.as_secs()));
            }
        }
        tokio::time::sleep(pause).await;
    }

    /// Why a server that asks for a long pause is not waited for.
    fn too_long(&self, error: Error) -> Error {
        match error.retry_after().filter(|asked| *asked > self.patience()) {
            Some(asked) => error.next_step(format!(
                "it asks for a pause of {} s, which is longer than a request may take: run the command again then, or give a longer --timeout",
                asked.as_secs()
            )),
            None => error,
        }
    }

    /// Has remarks, such as that a server asks for a pause, go to `tell`, for every clone of this client; the first counts.
    pub fn tell_with(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.shared.tell.set(Box::new(tell));
    }

    /// Says something to whom remarks go, if to anybody.
    pub(crate) fn remark(&self, what: &str) {
        if let Some(tell) = self.shared.tell.get() {
            tell(what);
        }
    }

    /// One request, one answer, read whole.
    async fn once(&self, call: &Call<'_>, credentials: Option<&Credentials>) -> Result<Bytes> {
        let pace = &self.shared.pace;
        let turn = pace.enter().await;
        let answer =
            async { answer::read(call, credentials, self.send(call, credentials, false).await?).await };
        let answer = answer.await;
        drop(turn);
        match &answer {
            Ok(_) => pace.went_well(),
            Err(error) => pace.went_badly(error.kind()),
        }
        answer
    }

    /// One request, one answer, its body still on the way; `little` of it is needed.
    async fn send(
        &self,
        call: &Call<'_>,
        credentials: Option<&Credentials>,
        little: bool,
    ) -> Result<http::Response<Body>> {
        let base = if call.path.starts_with("/api/") { "" } else { api::BASE_PATH };
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(format!("{base}{}", call.path))
            .header(header::ACCEPT, "application/json")
            .header(api::RESPONSE_FORMAT_HEADER, "raw")
            .header(api::EXTENSIONS_HEADER, "1");
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if little {
            request = request.header(api::PREFER_HEADER, api::MINIMAL);
        }
        if let Some(key) = call.key {
            request = request.header(api::IDEMPOTENCY_KEY_HEADER, key.as_str());
        }
        if let Some(credentials) = credentials {
            if let Some(token) = &credentials.access_token {
                request = request.header(header::AUTHORIZATION, secret_header(&["Bearer ", token.expose()])?);
            }
            if let Some(hash) = &credentials.master_key_hash {
                request = request.header(api::MASTER_KEY_HASH_HEADER, secret_header(&[hash])?);
            }
        }
        let request = request.body(call.body.clone().unwrap_or_default()).map_err(|error| {
            Error::new(ErrorKind::Internal, "a request could not be put together").because(error)
        })?;
        let response = self.shared.transport.clone().oneshot(request).await;
        let seen = response.as_ref().ok().and_then(|response| response.extensions().get::<Certificate>());
        if let Some(Certificate(seen)) = seen {
            self.shared.certificate.get_or_init(|| *seen);
        }
        response.map_err(|error| error.at(answer::place(&call.method, call.path, None, None)))
    }

    fn sign_in_again(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::NotAuthenticated {
            return error.next_step(format!("sign in again to {}", self.shared.label));
        }
        error
    }
}

/// A header that no log shows.
fn secret_header(parts: &[&str]) -> Result<HeaderValue> {
    let text = zeroize::Zeroizing::new(parts.concat());
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        Error::new(ErrorKind::Input, "a token or key hash holds characters that no header can carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn to_bytes(body: &impl Serialize) -> Result<Bytes> {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        Error::new(ErrorKind::Internal, "a request could not be written as JSON").because(error)
    })?;
    // Wiped when the last holder drops it: some bodies hold tokens or a password.
    Ok(Bytes::from_owner(zeroize::Zeroizing::new(bytes)))
}

/// An identifier as a path's segment. Identifiers may come from files, and one such as `../x`
/// would address something else.
fn segment(id: &str) -> Result<&str> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Ok(id);
    }
    Err(Error::new(
        ErrorKind::Input,
        format!("{:?} is no identifier", id.chars().take(40).collect::<String>()),
    ))
}
