//! The heart of keyferry: Passwork's client-side cryptography in parallel, the files that
//! secrets come in, a client for HTTP API v1, and the engine that moves records in bulk.
//!
//! | room | what it does |
//! |---|---|
//! | [`secret`] | text and bytes that are wiped, redacted and compared in constant time |
//! | [`model`] | what moves: records, paths, custom fields, attachments |
//! | [`crypto`] | Passwork's scheme: envelopes, keys, records, attachments, one-time codes; bulk over rayon |
//! | [`archive`] | our own sealed file, `.kfa`: compressed, encrypted and authenticated in chunks |
//! | [`formats`] | CSV, Passwork's JSON, JSON lines: bytes in, records out, and back |
//! | [`client`] | how requests reach an environment |
//! | [`engine`] | a source, a sink, a plan, a report |
//!
//! Imports run down this list only. `crypto`, `archive` and `formats` do no I/O of their own choosing.

pub mod archive;
pub mod client;
pub mod crypto;
pub mod engine;
pub mod error;
pub mod formats;
pub mod model;
pub mod secret;

pub use error::{Error, ErrorKind, Result};
