//! `POST /batch`: several requests in one, answered in order.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The request.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Batch {
    /// At most [`crate::BATCH_LIMIT`] from ordinary clients.
    pub requests: Vec<BatchRequest>,
}

/// One request within a batch.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchRequest {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: String,
    /// Path and query, from `/api/v1` on.
    pub relative_url: String,
    /// The JSON body where the method has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// The answer.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BatchAnswer {
    /// One for each request, in order.
    pub responses: Vec<BatchResponse>,
}

/// One answer within a batch; its body is never base64-wrapped.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// The HTTP status that the request alone would have had.
    pub status_code: u16,
    /// The body that the request alone would have had.
    #[serde(default)]
    pub body: Value,
}
