//! Passwork's HTTP API v1 as data: every body that crosses the wire, shared by
//! the client in `keyferry-core` and by the embedded environment in
//! `keyferry-server`, so that the two cannot drift apart.
//!
//! There is no logic here. Types that may hold a secret, or ciphertext of one,
//! have no `Debug`: a body is never logged by accident. Identifiers are 24
//! hexadecimal digits, times are Unix seconds.

pub mod activity;
pub mod app;
pub mod batch;
pub mod bin;
pub mod error;
pub mod folder;
pub mod inbox;
pub mod item;
pub mod link;
pub mod session;
pub mod shortcut;
pub mod user;
pub mod vault;
pub mod wrapping;

use serde::{Deserialize, Serialize};

/// A key of a write: the same request under the same key happens once, and is answered as the first time. Servers that do not
/// list [`IDEMPOTENCY_FEATURE`] ignore it.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// Among a server's features: it heeds [`IDEMPOTENCY_KEY_HEADER`], also as a header of a request within a batch.
pub const IDEMPOTENCY_FEATURE: &str = "idempotencyKey";

/// The path that every endpoint starts with.
pub const BASE_PATH: &str = "/api/v1";
/// The header that proves knowledge of the master key: its SHA-256 in hexadecimal.
pub const MASTER_KEY_HASH_HEADER: &str = "x-master-key-hash";
/// The header that asks for plain JSON (`raw`) instead of the base64 wrapping.
pub const RESPONSE_FORMAT_HEADER: &str = "x-response-format";
/// The header that asks for members of our own beside Passwork's: `1`. They are numbers where typed clients of others
/// expect texts.
pub const EXTENSIONS_HEADER: &str = "x-keyferry-extensions";
/// The header by which a client says what it would rather have (RFC 7240). With [`MINIMAL`] an entry of a list of items has
/// `id`, `vaultId`, `folderId` and the members of our own alone; others answer as ever.
pub const PREFER_HEADER: &str = "prefer";
/// That a client wants little.
pub const MINIMAL: &str = "return=minimal";
/// How many requests clients put into one batch.
pub const BATCH_LIMIT: usize = 25;

/// The answer to a request that made something.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Created {
    /// The new object's identifier.
    pub id: String,
}

/// The answer to a request that has nothing to say: `{}`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Empty {}

/// A list, whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct List<T> {
    /// The entries.
    pub items: Vec<T>,
}
