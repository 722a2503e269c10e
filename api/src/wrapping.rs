//! The base64 wrapping that answers come in unless the request carries
//! `X-Response-Format: raw`.

use serde::{Deserialize, Serialize};

/// `{"format":"base64","content":"<base64 of the JSON>"}`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Wrapped {
    /// Always [`Wrapped::FORMAT`].
    pub format: String,
    /// Standard base64, padded, of the JSON text.
    pub content: String,
}

impl Wrapped {
    /// The only format there is.
    pub const FORMAT: &'static str = "base64";
}
