//! From an HTTP response to the JSON in it, or to an error that says what happened.

use crate::client::echo::Confided;
use crate::client::{Body, Call, Credentials};
use crate::error::Place;
use crate::model::visible::visible;
use crate::{Error, ErrorKind, Result};
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use keyferry_api::error::{ErrorBody, code};
use keyferry_api::{BASE_PATH, wrapping::Wrapped};
use serde::Deserialize;
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// Characters of a server's text that get into a message.
const MAX_MESSAGE: usize = 200;
/// Bytes of an answer that is read whole: an item, an attachment.
pub(super) const MAX_ANSWER: usize = 64 << 20;
/// Bytes of the answer to a batch.
pub(super) const MAX_BATCH: usize = 512 << 20;
/// Bytes of an error's body.
pub(super) const MAX_ERROR: usize = 1 << 20;

/// Where a request went; the query stays out, as it may hold search words.
pub(super) fn place(method: &Method, path: &str, status: Option<u16>, code: Option<String>) -> Place {
    let path = path.split('?').next().unwrap_or_default();
    let path = if path.starts_with("/api/") { path.to_owned() } else { format!("{BASE_PATH}{path}") };
    Place::Request { method: method.to_string(), path, status, code }
}

/// The body of a successful answer, unwrapped; any other answer as an error.
pub(super) async fn read(
    call: &Call<'_>,
    credentials: Option<&Credentials>,
    response: http::Response<Body>,
) -> Result<Bytes> {
    let (method, path) = (&call.method, call.path);
    let status = response.status().as_u16();
    let body = open(call, credentials, response).await?;
    let at = |error: Error| error.at(place(method, path, Some(status), None));
    let limit = if path.starts_with("/batch") { MAX_BATCH } else { MAX_ANSWER };
    whole(body, limit).await.and_then(unwrap).map_err(at)
}

/// The body of a successful answer, still on the way; any other answer as an error.
pub(super) async fn open(
    call: &Call<'_>,
    credentials: Option<&Credentials>,
    response: http::Response<Body>,
) -> Result<Body> {
    let status = response.status();
    if status.is_success() {
        return Ok(response.into_body());
    }
    let retry_after = retry_after(response.headers());
    // An error whose body cannot be read is still told by its status.
    let body = whole(response.into_body(), MAX_ERROR).await.and_then(unwrap).unwrap_or_default();
    let mut errors: ErrorBody = serde_json::from_slice(&body).unwrap_or_default();
    if !errors.errors.is_empty() {
        Confided::of(credentials, call.body.as_deref()).hide_in(&mut errors);
    }
    Err(failure(&call.method, call.path, status.as_u16(), retry_after, &errors))
}

pub(super) async fn whole(body: Body, limit: usize) -> Result<Bytes> {
    let collected =
        Limited::new(body, limit).collect().await.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::new(ErrorKind::Protocol, format!("the answer has more than {limit} bytes"))
                .because(error),
        })?;
    Ok(collected.to_bytes())
}

/// Reads a body as what the endpoint promises.
pub(super) fn parse<'a, T: Deserialize<'a>>(method: &Method, path: &str, body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| senseless(method, path, &error))
}

/// Makes sure that an answer in which nothing is looked at comes from the environment: what stands before it, such as a page
/// to sign in to a network, says yes to everything, in HTML.
pub(super) fn is_one(method: &Method, path: &str, body: &[u8]) -> Result<()> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    parse::<serde::de::IgnoredAny>(method, path, body).map(drop)
}

/// An answer that is not what the endpoint promises. The parser's own words are left out but for
/// the position, as they may quote the body.
pub(super) fn senseless(method: &Method, path: &str, error: &serde_json::Error) -> Error {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the answer ends early".to_owned(),
        serde_json::error::Category::Data => {
            format!(
                "the answer lacks something or has it in another form (byte {} of line {})",
                error.column(),
                error.line()
            )
        }
        _ => "the answer is not JSON".to_owned(),
    };
    Error::new(ErrorKind::Protocol, what)
        .at(place(method, path, None, None))
        .next_step("check that the address is Passwork's own and that its version is 7")
}

/// Takes the base64 wrapping off, where there is one: old servers and proxies may not heed the header.
fn unwrap(body: Bytes) -> Result<Bytes> {
    #[derive(Deserialize)]
    struct Borrowed<'a> {
        #[serde(borrow)]
        format: Cow<'a, str>,
        #[serde(borrow)]
        content: Cow<'a, str>,
    }
    // A look at the first name spares large raw bodies a second parse.
    let first = body.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    if !first.is_some_and(|text| text.starts_with(b"\"format\"") || text.starts_with(b"\"content\"")) {
        return Ok(body);
    }
    match serde_json::from_slice::<Borrowed<'_>>(&body) {
        Ok(wrapped) if wrapped.format == Wrapped::FORMAT => base64::engine::general_purpose::STANDARD
            .decode(wrapped.content.as_bytes())
            .map(Bytes::from)
            .map_err(|_| Error::new(ErrorKind::Protocol, "the answer's wrapping is not base64")),
        _ => Ok(body),
    }
}

/// A refused or failed request.
pub(super) fn failure(
    method: &Method,
    path: &str,
    status: u16,
    retry_after: Option<Duration>,
    body: &ErrorBody,
) -> Error {
    let first = body.errors.first();
    let its_code = first.map(|entry| clean(&entry.code)).filter(|code| !code.is_empty());
    let (kind, fallback) = match status {
        401 | 403 if its_code.as_deref() == Some(code::MASTER_KEY_HASH_INVALID) => {
            (ErrorKind::Locked, "the master key is not this user's")
        }
        401 => (ErrorKind::NotAuthenticated, "the session has ended or never was"),
        403 => (ErrorKind::NotAllowed, "the user may not do this"),
        404 => (ErrorKind::NotFound, "there is no such thing, or the user may not see it"),
        409 => (ErrorKind::Conflict, "the environment holds something else there already"),
        400 | 422 => (ErrorKind::Refused, "the environment refused the request's content"),
        413 => (ErrorKind::Refused, "the request is larger than the environment takes"),
        429 | 503 => (ErrorKind::Busy, "the environment asks to slow down"),
        507 => (ErrorKind::Server, "the environment's disk is full"),
        500..=599 => (ErrorKind::Server, "the environment failed"),
        300..=399 => {
            (ErrorKind::Protocol, "the environment redirects, which is not followed with credentials")
        }
        _ => (ErrorKind::Protocol, "the environment gave an unexpected status"),
    };
    let message = first.map(|entry| clean(&entry.message)).filter(|message| !message.is_empty());
    let field = first.and_then(|entry| entry.field.as_deref()).map(clean).filter(|field| !field.is_empty());
    let what = match (message, field) {
        (Some(message), Some(field)) => format!("{message} ({field})"),
        (Some(message), None) => message,
        (None, Some(field)) => format!("{fallback} ({field})"),
        (None, None) => fallback.to_owned(),
    };
    let next = match (status, its_code.as_deref()) {
        (401, Some("twoFactorAuthRequired")) => Some(
            "this user signs in with a one-time code: keyferry login takes it; or use the tokens of an API session",
        ),
        (_, Some(code::MASTER_KEY_HASH_INVALID)) => Some("give this user's master password or master key"),
        (507, _) => Some("make room on the environment's disk and run the same command again"),
        (500..=599, _) => Some("the environment's own log says why"),
        (300..=399, _) => Some("give the address that it redirects to"),
        _ => None,
    };
    let error = Error::new(kind, what).at(place(method, path, Some(status), its_code)).retry_in(retry_after);
    let error = match first.and_then(|entry| entry.made.clone()) {
        Some(made) if status == 422 => error.because(AlreadyMade(made)),
        _ => error,
    };
    match next {
        Some(next) => error.next_step(next),
        None => error,
    }
}

/// What another request with the same key had made.
#[derive(Debug)]
struct AlreadyMade(String);

impl std::fmt::Display for AlreadyMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("another request made it")
    }
}

impl std::error::Error for AlreadyMade {}

/// The identifier of what another request with the same key had made, where that is why this one was refused.
pub(super) fn already_made(error: &Error) -> Option<&str> {
    let cause = std::error::Error::source(error)?.downcast_ref::<AlreadyMade>()?;
    is_key_reused(error).then_some(cause.0.as_str())
}

/// Whether another request had the key.
pub(super) fn is_key_reused(error: &Error) -> bool {
    status_and_code(error).1 == Some(code::IDEMPOTENCY_KEY_REUSED)
}

/// A success within a batch, or not.
pub(super) fn is_success(status: u16) -> bool {
    StatusCode::from_u16(status).is_ok_and(|status| status.is_success())
}

/// The status and the server's code that an error carries.
pub(super) fn status_and_code(error: &Error) -> (Option<u16>, Option<&str>) {
    match error.place() {
        Some(Place::Request { status, code, .. }) => (*status, code.as_deref()),
        _ => (None, None),
    }
}

/// Text of a server, fit for a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_MESSAGE).flat_map(visible).collect()
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110 §10.2.3), which counts from now on.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than a number holds is longer than anybody waits, and no reason to ask again at once.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_until_a_date() {
        let asked =
            |text: &str| retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        assert!(asked(&soon).is_some_and(|pause| (28..=30).contains(&pause.as_secs())));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("Sunday, 06-Nov-94 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("99999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        for text in ["soon", "", "-5", "1e9"] {
            assert_eq!(asked(text), None, "{text}");
        }
    }
}
