//! One matcher for every endpoint, used by HTTP and by batches alike: a batched request cannot
//! mean anything else than the same request alone.

mod app;
mod batch;
mod folder;
mod item;
mod session;
mod user;
mod vault;

use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::store;
use crate::{Environment, ServeOptions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use keyferry_api::wrapping::Wrapped;
use keyferry_api::{BASE_PATH, MASTER_KEY_HASH_HEADER, RESPONSE_FORMAT_HEADER};
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A batch of attachments is large; beyond this nobody asks in good faith.
pub(crate) const LARGEST_BODY: usize = 256 << 20;

/// A request's body: as it came over HTTP, or as a batch held it.
pub(crate) enum Body {
    Text(Bytes),
    Tree(Value),
}

impl Body {
    /// serde's own message may quote the body; only the place is told.
    fn parse<T: DeserializeOwned>(self) -> Result<T> {
        let parsed = match self {
            Self::Text(text) => serde_json::from_slice(&text),
            Self::Tree(tree) => serde_json::from_value(tree),
        };
        parsed.map_err(|error| {
            let at =
                if error.line() > 0 { format!(" near column {}", error.column()) } else { String::new() };
            Refusal::malformed(format!("The body is not what this call takes{at}."))
        })
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.trim_ascii().is_empty(),
            Self::Tree(tree) => tree.is_null(),
        }
    }
}

/// A request without its transport.
pub(crate) struct Request {
    method: Method,
    segments: Vec<String>,
    query: Vec<(String, String)>,
    body: Body,
}

impl Request {
    /// `path` starts with [`BASE_PATH`].
    fn new(method: Method, path: &str, query: Option<&str>, body: Body) -> Result<Self> {
        let rest = path.strip_prefix(BASE_PATH).and_then(|rest| rest.strip_prefix('/'));
        let rest = rest.ok_or_else(|| Refusal::not_found("endpoint"))?;
        let segments =
            rest.trim_end_matches('/').split('/').map(|part| decode(part, false)).collect::<Result<_>>()?;
        let mut pairs = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name, true)?, decode(value, true)?));
        }
        Ok(Self { method, segments, query: pairs, body })
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// `name[]=a&name[]=b`, also `name[0]=a`.
    fn params(&self, name: &str) -> Vec<String> {
        let fits = |have: &str| {
            have.strip_prefix(name).is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
        };
        self.query.iter().filter(|(have, _)| fits(have)).map(|(_, value)| value.clone()).collect()
    }

    fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>> {
        let parse =
            |text: &str| text.parse().map_err(|_| Refusal::invalid(name, format!("`{name}` is a number.")));
        self.param(name).map(parse).transpose()
    }
}

fn decode(text: &str, plus_is_space: bool) -> Result<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return Err(Refusal::malformed("The address is not percent-encoded well."));
                };
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            b'+' if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| Refusal::malformed("The address is not UTF-8."))
}

/// What a handler may use.
pub(crate) struct Context<'a> {
    conn: &'a Connection,
    caller: &'a Caller,
    client_encryption: bool,
}

/// Answers one request of a signed-in user: the body, as JSON text. A success is always a 200.
pub(crate) fn dispatch(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    let segments: Vec<String> = request.segments.clone();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["sessions", "logout"]) => session::logout(context),
        ("GET", ["users", "info"]) => user::info(context),
        ("GET", ["users"]) => user::list(context),
        ("POST", ["users"]) => user::create(context, request),
        ("GET", ["users", "keys"]) => user::keys(context),
        ("GET", ["users", "master-key", "options"]) => user::options(context),
        ("GET", ["users", "master-key", "new-options"]) => user::new_options(),
        ("GET", ["users", id, "public-key"]) => user::public_key(context, id),
        ("GET", ["app", "features"]) => app::features(context),
        ("GET", ["app", "settings"]) => app::settings(),
        ("GET", ["vaults"]) => vault::list(context),
        ("POST", ["vaults"]) => vault::create(context, request),
        ("GET", ["vaults", id]) => vault::get(context, id),
        ("POST", ["vaults", id]) => vault::rename(context, id, request),
        ("DELETE", ["vaults", id]) => vault::delete(context, id),
        ("GET", ["vaults", id, "users"]) => vault::users(context, id),
        ("POST", ["vaults", id, "users"]) => vault::grant(context, id, request),
        ("GET", ["vault-types", "all"]) => vault::types(),
        ("GET", ["folders"]) => folder::list(context, &request),
        ("POST", ["folders"]) => folder::create(context, request),
        ("GET", ["folders", id]) => folder::get(context, id),
        ("POST", ["folders", id]) => folder::rename(context, id, request),
        ("DELETE", ["folders", id]) => folder::delete(context, id),
        ("GET", ["items"]) => item::list(context, &request),
        ("GET", ["items", "search"]) => item::search(context, &request),
        ("POST", ["items"]) => item::create(context, request),
        ("GET", ["items", id]) => item::get(context, id),
        ("PATCH", ["items", id]) => item::update(context, id, request),
        ("DELETE", ["items", id]) => item::delete(context, id),
        ("GET", ["items", id, "attachment", attachment]) => item::attachment(context, id, attachment),
        _ => Err(Refusal::not_found("endpoint")),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who asks. A key hash that is sent must be right, whatever is asked.
fn authenticate(conn: &Connection, headers: &HeaderMap) -> Result<Caller> {
    let token = bearer(headers).ok_or_else(|| {
        Refusal::unauthorized(keyferry_api::error::code::ACCESS_TOKEN_INVALID, "An access token is needed.")
    })?;
    let caller = store::session::caller(conn, token)?;
    if let Some(hash) = headers.get(MASTER_KEY_HASH_HEADER) {
        store::user::check_master_key_hash(conn, &caller.user, hash.as_bytes())?;
    }
    Ok(caller)
}

fn answer(
    environment: &Environment,
    options: &ServeOptions,
    headers: &HeaderMap,
    request: Request,
) -> Result<Vec<u8>> {
    let path: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["csrf-tokens", "generate"]) => return session::csrf(),
        ("POST", ["users", "login"]) => return session::login(environment, options, request.body),
        ("POST", ["sessions", "refresh"]) => {
            return session::refresh(environment, options, bearer(headers), request.body);
        }
        ("POST", ["sessions", "refresh-access-token"]) => {
            return session::refresh_access(environment, options, request.body);
        }
        ("POST", ["sessions", "refresh-refresh-token"]) => {
            return session::refresh_refresh(environment, options, request.body);
        }
        _ => {}
    }
    let store = environment.store();
    let client_encryption = environment.client_encryption();
    if request.method == Method::POST && path == ["batch"] {
        let batch = batch::parse(store, headers, request.body)?;
        let run = |conn: &Connection| {
            let caller = authenticate(conn, headers)?;
            batch::run(&Context { conn, caller: &caller, client_encryption }, batch.requests)
        };
        return if batch.only_reads { store.read(run) } else { store.write(run) };
    }
    let only_reads = request.method == Method::GET;
    let run = |conn: &Connection| {
        let caller = authenticate(conn, headers)?;
        dispatch(&Context { conn, caller: &caller, client_encryption }, request)
    };
    if only_reads { store.read(run) } else { store.write(run) }
}

/// The whole of HTTP: takes a request in, gives status and body, wrapped as asked.
pub(crate) fn serve(
    environment: &Environment,
    options: &ServeOptions,
    method: Method,
    uri: &http::Uri,
    headers: &HeaderMap,
    body: Result<Bytes, StatusCode>,
) -> (StatusCode, Vec<u8>) {
    let result = body
        .map_err(|status| {
            Refusal::new(status, keyferry_api::error::code::VALIDATION_ERROR, "The body could not be read.")
        })
        .and_then(|body| Request::new(method, uri.path(), uri.query(), Body::Text(body)))
        .and_then(|request| answer(environment, options, headers, request));
    let (status, text) = match result {
        Ok(text) => (StatusCode::OK, text),
        Err(refusal) => refusal.into_answer().into_body(),
    };
    let raw = options.always_raw
        || headers
            .get(RESPONSE_FORMAT_HEADER)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"raw"));
    if raw { (status, text) } else { (status, wrap(&text)) }
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
