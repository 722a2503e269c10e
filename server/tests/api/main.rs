//! The API as clients see it, without a socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod content;
mod rights;
mod wire;
mod world;
