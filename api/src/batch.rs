//! `POST /batch`: several requests in one, answered in order.
//!
//! Bodies are the text that they came as: whoever knows what stands in one reads it once, as that.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The request.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Batch<'a> {
    /// At most [`crate::BATCH_LIMIT`] from ordinary clients.
    #[serde(borrow)]
    pub requests: Vec<BatchRequest<'a>>,
}

/// One request within a batch.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchRequest<'a> {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// Path and query, from `/api/v1` on.
    #[serde(borrow)]
    pub relative_url: Cow<'a, str>,
    /// Of its headers only `Idempotency-Key` counts; the others are the batch's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The JSON body where the method has one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
    pub body: Option<&'a RawValue>,
}

/// The answer.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BatchAnswer<'a> {
    /// One for each request, in order.
    #[serde(borrow)]
    pub responses: Vec<BatchResponse<'a>>,
}

/// One answer within a batch; its body is never base64-wrapped.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse<'a> {
    /// The HTTP status that the request alone would have had.
    pub status_code: u16,
    /// The body that the request alone would have had.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Value"))]
    pub body: Option<&'a RawValue>,
}
