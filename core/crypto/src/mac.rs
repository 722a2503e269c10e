//! HMAC (RFC 2104) under keys of any length.

use hmac::{KeyInit, Mac};

/// The state of a MAC under this key.
#[expect(clippy::expect_used, reason = "HMAC pads or hashes keys of any length")]
pub(crate) fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}
