//! A part of a batch: one of its requests, as an endpoint takes it.

use super::once::Key;
use super::table::{self, Endpoint};
use super::{Body, Request};
use crate::error::{Refusal, Result};
use crate::store::idempotency::Makes;
use http::Method;
use keyferry_api::IDEMPOTENCY_KEY_HEADER;
use keyferry_api::batch::BatchRequest;

/// A request of a batch, as its endpoint takes it.
#[derive(Clone)]
pub(super) struct Part {
    pub endpoint: &'static Endpoint,
    pub request: Request,
    pub makes: Makes,
    pub key: Option<Key>,
}

/// What one of the requests of the batch that `text` is asks for.
pub(super) fn read(text: &Body, request: &BatchRequest<'_>) -> Result<Part> {
    let method = Method::from_bytes(request.method.to_ascii_uppercase().as_bytes())
        .map_err(|_| Refusal::malformed("There is no such method."))?;
    let (path, query) = match request.relative_url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*request.relative_url, None),
    };
    // A part of the batch's own text, not a copy.
    let body = Body(request.body.map(|body| text.0.slice_ref(body.get().as_bytes())).unwrap_or_default());
    let named = |(name, _): &(&String, &String)| name.eq_ignore_ascii_case(IDEMPOTENCY_KEY_HEADER);
    let key = request.headers.iter().find(named);
    let key = key.map(|(_, value)| Key::new(value, &method, &request.relative_url, &body)).transpose();
    let (endpoint, request) = table::find(method, path, query, body)?;
    let (makes, key) = match endpoint.once {
        Some(makes) => (makes, key?),
        None => (Makes::Nothing, None),
    };
    Ok(Part { endpoint, request, makes, key })
}
