//! From an HTTP request to an answer. One table of endpoints, used by HTTP and by batches alike: a
//! batched request cannot mean anything else than the same request alone.
//!
//! | file | what it does |
//! |---|---|
//! | `request` | a request without its transport: path, query, body |
//! | `table` | every endpoint: method, path, what it takes and gives, who answers it |
//! | `visit` | who asks: bearer token or browser's cookie, master key hash, CSRF token |
//! | `batch` | many requests in one transaction |
//! | `part` | one of its requests |
//! | `creations` | items that a batch makes one after another: by few statements |
//! | `once` | `Idempotency-Key`: a write that names a key happens once |
//! | the others | the endpoints, one file for each kind of object |

#![expect(clippy::needless_pass_by_value, reason = "handlers share one signature")]

mod activity;
mod app;
mod batch;
mod bin;
mod creations;
mod folder;
mod group;
mod inbox;
mod item;
mod link;
mod once;
mod part;
mod request;
mod role;
mod session;
mod shortcut;
mod snapshot;
pub(crate) mod table;
mod user;
mod vault;
mod visit;

pub(crate) use request::{Body, Request};
pub(crate) use visit::Visit;

use crate::access::{Caller, Reader};
use crate::error::{Answer, Refusal, Result};
use crate::id::{FolderId, VaultId, now};
use crate::json::text;
use crate::limits::Kept;
use crate::observed;
use crate::routes::once::{Key, once};
use crate::store::Alone;
use crate::store::activity::{Event, append, append_beside, gathered};
use crate::store::idempotency::Makes;
use crate::store::place::Place;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use keyferry_api::wrapping::Wrapped;
use keyferry_api::{List, RESPONSE_FORMAT_HEADER};
use keyferry_sql::Connection;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use table::{Endpoint, Handler};

/// What a handler may use.
pub(crate) struct Context<'a> {
    pub conn: &'a Connection,
    pub caller: &'a Caller,
    pub visit: &'a Visit<'a>,
    /// What was done so far, for the activity log.
    events: RefCell<Vec<Event>>,
    /// Wrong one-time codes that a half-open session was given.
    missed_codes: Cell<u32>,
    /// What to keep of accounts that were guessed at, also where the request is refused.
    missed: RefCell<Vec<Kept>>,
    /// An idempotency key was kept: as many old ones may go.
    kept_a_key: Cell<bool>,
    known: Known,
}

/// A vault and a folder as requests name them.
type Named = (String, Option<String>);

/// What a batch found out of places and of the caller's rights there: each is looked up once, as long as nothing that was
/// done could change it.
#[derive(Default)]
struct Known {
    readers: RefCell<HashMap<(VaultId, Option<FolderId>), Reader>>,
    places: RefCell<HashMap<Named, Rc<Place>>>,
}

impl<'a> Context<'a> {
    fn new(conn: &'a Connection, caller: &'a Caller, visit: &'a Visit<'a>) -> Self {
        let (events, missed_codes, missed) = (RefCell::default(), Cell::new(0), RefCell::default());
        let (kept_a_key, known) = (Cell::new(false), Known::default());
        Self { conn, caller, visit, events, missed_codes, missed, kept_a_key, known }
    }

    /// The place that a request names; see [`Place::find`].
    fn place(&self, vault: &str, folder: Option<&str>) -> Result<Rc<Place>> {
        let key = (vault.to_owned(), folder.map(str::to_owned));
        if let Some(known) = self.known.places.borrow().get(&key) {
            return Ok(known.clone());
        }
        let found = Rc::new(Place::find(self.conn, self.caller, vault, folder)?);
        self.known.places.borrow_mut().insert(key, found.clone());
        Ok(found)
    }

    /// What the caller may do in an item's place; see [`Reader::at`].
    fn reader(&self, vault: &VaultId, folder: Option<&FolderId>) -> Result<Reader> {
        let key = (vault.clone(), folder.cloned());
        if let Some(known) = self.known.readers.borrow().get(&key) {
            return Ok(known.clone());
        }
        let found = Reader::at(self.conn, self.caller, vault, folder, "item")?;
        self.known.readers.borrow_mut().insert(key, found.clone());
        Ok(found)
    }

    /// After something that may have changed places, or rights in them.
    fn forget_places(&self) {
        self.known.readers.borrow_mut().clear();
        self.known.places.borrow_mut().clear();
    }

    /// Remembers for the activity log that the caller did this.
    fn record(&self, action: &'static str, object: &str, vault: Option<&VaultId>) {
        let (user, address) = (Some(self.caller.user.clone()), self.visit.address());
        let event = Event::now(user, action, Some(object.to_owned()), vault.cloned(), address);
        self.events.borrow_mut().push(event);
    }
}

/// The text of an answer, and the cookie that a browser gets with it.
pub(crate) struct Reply {
    pub body: Vec<u8>,
    pub cookie: Option<String>,
}

impl From<Vec<u8>> for Reply {
    fn from(body: Vec<u8>) -> Self {
        Self { body, cookie: None }
    }
}

/// An answer as it leaves, and what the server's own log says of it.
pub(crate) struct Served {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
    /// The endpoint's path with its parameters as names: identifiers and tokens are not logged.
    pub route: &'static str,
}

/// Answers one request of a signed-in user: the body, as JSON text. A success is always a 200.
fn dispatch(context: &Context<'_>, endpoint: &Endpoint, request: Request) -> Result<Vec<u8>> {
    if context.caller.owes_code && !endpoint.without_code {
        let message = "The session owes a one-time code.";
        return Err(Refusal::unauthorized(keyferry_api::error::code::TWO_FACTOR_AUTH_REQUIRED, message));
    }
    match endpoint.handler {
        Handler::SignedIn(handler) if endpoint.sliced => {
            let (offset, limit) = (request.offset(None)?, request.number("limit")?);
            let body = handler(context, request)?;
            if offset == 0 && limit.is_none() { Ok(body) } else { sliced(&body, offset, limit) }
        }
        Handler::SignedIn(handler) => handler(context, request),
        Handler::Open(_) | Handler::Batch => Err(Refusal::not_found("endpoint within a batch")),
    }
}

/// A part of a list's answer.
fn sliced(body: &[u8], offset: usize, limit: Option<usize>) -> Result<Vec<u8>> {
    let whole: List<serde_json::Value> = serde_json::from_slice(body).map_err(|_| Refusal::internal())?;
    let part = whole.items.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX));
    text(&List { items: part.collect::<Vec<_>>() })
}

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Reads,
    /// It makes items, and may read: others may do the same at that time.
    MakesItems,
    Writes,
}

/// Runs `work` for the signed-in user, in a transaction that only reads or in one that may write, and
/// puts into the activity log what was done. It is begun anew where others came in between.
fn signed_in(
    visit: &Visit<'_>,
    does: Does,
    work: impl Fn(&Context<'_>) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let environment = visit.environment;
    if does == Does::Reads {
        let (body, events) = environment.store().read(|conn| {
            let caller = visit.caller(conn)?;
            let context = Context::new(conn, &caller, visit);
            let body = work(&context)?;
            Ok::<_, Refusal>((body, context.events.into_inner()))
        })?;
        if visit.options.log_reads {
            environment.note_reads(gathered(events));
        }
        return Ok(body);
    }
    let mut guessed = (0, 0, Vec::new());
    let result = environment.store().write_again(does == Does::MakesItems, |conn, Alone(alone)| {
        let caller = visit.caller(conn)?;
        let context = Context::new(conn, &caller, visit);
        let body = work(&context);
        guessed = (caller.session, context.missed_codes.get(), context.missed.take());
        let body = body?;
        let events = gathered(context.events.into_inner());
        if !alone {
            return Ok(append_beside(conn, &events)?.then_some(body));
        }
        // Beside others one could wait for another who takes out the same.
        if context.kept_a_key.get() {
            crate::store::idempotency::forget_old(conn, now())?;
        }
        append(conn, &events)?;
        Ok(Some(body))
    });
    // What was refused took its transaction back; the count stays.
    let (session, misses, accounts) = guessed;
    if misses > 0 || !accounts.is_empty() {
        environment.store().write(|conn| {
            accounts.iter().try_for_each(|account| crate::store::guess::keep(conn, account))?;
            crate::store::session::missed_codes(conn, session, misses)
        })?;
    }
    result
}

fn answer(visit: &Visit<'_>, endpoint: &Endpoint, request: Request, uri: &Uri) -> Result<Reply> {
    if let Handler::Open(handler) = endpoint.handler {
        return handler(visit, request);
    }
    visit.check_csrf_header(&request.method)?;
    let sets_a_password =
        matches!((endpoint.method, endpoint.path), ("POST", "/users") | ("PATCH", "/users/{id}"));
    let request = if sets_a_password { user::prepared(visit, request)? } else { request };
    let key = |body: &Body| {
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        Key::of_headers(visit.headers, &request.method, target, body)
    };
    let (makes, key) = match endpoint.once {
        Some(makes) => (makes, key(&request.body)?),
        None => (Makes::Nothing, None),
    };
    match endpoint.handler {
        Handler::Batch => {
            let batch = batch::parse(visit, &request.body)?;
            observed::batch(visit.environment.store().metrics(), batch.len());
            let key = key.filter(|_| batch.does != Does::Reads);
            if key.is_some() {
                batch.may_be_kept()?;
            }
            signed_in(visit, batch.does, |context| {
                once(context, key.as_ref(), makes, || batch::run(context, &request.body, &batch))
            })
            .map(Reply::from)
        }
        Handler::SignedIn(_) | Handler::Open(_) => {
            let does = match () {
                () if request.method == Method::GET => Does::Reads,
                () if creations::is_create(endpoint) => Does::MakesItems,
                () => Does::Writes,
            };
            signed_in(visit, does, |context| {
                once(context, key.as_ref(), makes, || dispatch(context, endpoint, request.clone()))
            })
            .map(Reply::from)
        }
    }
}

/// The whole of HTTP: takes a request in, gives an answer, wrapped as asked.
pub(crate) fn serve(visit: &Visit<'_>, method: Method, uri: &Uri, body: Result<Bytes, StatusCode>) -> Served {
    let mut route = "";
    // Of the same answer only the head leaves.
    let asked = if method == Method::HEAD { Method::GET } else { method };
    let result = visit
        .limits
        .request(visit.peer)
        .and(body.or_else(|status| {
            // What strangers send is not kept: they are told who they are not.
            visit.environment.store().read(|conn| visit.caller(conn))?;
            let code = keyferry_api::error::code::VALIDATION_ERROR;
            let message = "The body could not be read, or is larger than this server takes.";
            Err(Refusal::new(status, code, message))
        }))
        .and_then(|body| table::find(asked, uri.path(), uri.query(), Body(body)))
        .and_then(|(endpoint, request)| {
            route = endpoint.path;
            answer(visit, endpoint, request, uri)
        });
    let mut headers = vec![
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    let (status, text) = match result {
        Ok(reply) => {
            if let Some(cookie) = reply.cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
                headers.push((header::SET_COOKIE, cookie));
            }
            (StatusCode::OK, reply.body)
        }
        Err(refusal) => {
            let metrics = visit.environment.store().metrics();
            if let Refusal::Database(error) = &refusal {
                metrics.failed(error);
            }
            let answer: Answer = refusal.into_answer();
            if matches!(answer.status.as_u16(), 401 | 403 | 429) {
                metrics.refused(answer.code);
            }
            if let Some((name, value)) = answer.header.as_deref()
                && let Ok(value) = HeaderValue::from_str(value)
            {
                headers.push((name.clone(), value));
            }
            answer.into_body()
        }
    };
    // Clients read the answers of the token endpoints as they are.
    let raw = visit.options.always_raw
        || uri
            .path()
            .strip_prefix(keyferry_api::BASE_PATH)
            .is_some_and(|path| path.starts_with("/sessions/refresh"))
        || visit
            .headers
            .get(RESPONSE_FORMAT_HEADER)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"raw"));
    Served { status, headers, body: if raw { text } else { wrap(&text) }, route }
}

/// Base64 needs no escapes: the wrapping is put together without a serializer.
fn wrap(text: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(text.len().div_ceil(3) * 4 + 40);
    out.push_str("{\"format\":\"");
    out.push_str(Wrapped::FORMAT);
    out.push_str("\",\"content\":\"");
    STANDARD.encode_string(text, &mut out);
    out.push_str("\"}");
    out.into_bytes()
}
