//! What every face of keyferry builds on: Passwork's cryptography, the files that secrets come in, a
//! client for HTTP API v1, and the engine that moves records in bulk.
//!
//! The pure parts are crates of their own, for whoever needs only them, and are found here under the
//! same names:
//!
//! | room | crate | what it does |
//! |---|---|---|
//! | [`error`], [`secret`], [`model`] | `keyferry-crypto` | one error type; secrets that wipe themselves; the records that move |
//! | [`crypto`] | `keyferry-crypto` | Passwork's scheme: envelopes, keys, records, attachments, one-time codes; in bulk on every core |
//! | [`formats`] | `keyferry-formats` | CSV, Passwork's JSON, JSON lines: bytes in, records out, and back |
//! | [`archive`] | `keyferry-formats` | our own sealed file, `.kfa`: compressed, encrypted and authenticated in chunks |
//! | [`files`] | here | what a path leads to: files, links, pipes and devices, read and written |
//! | [`client`] | here | how requests reach an environment |
//! | [`engine`] | here | a source, a sink, a plan, a transfer, a report |
//!
//! Imports run down this list only.
//!
//! ```
//! use keyferry_core::crypto::generate;
//! use keyferry_core::engine::Endpoint;
//! use keyferry_core::formats::Format;
//!
//! // A location as people type it: a file, with its format named.
//! let Endpoint::File { path, format } = Endpoint::file("csv:people.txt") else { unreachable!() };
//! assert_eq!((path.to_str(), format), (Some("people.txt"), Some(Format::CSV)));
//!
//! // A vault key as Passwork makes it: 100 characters, and `Debug` shows none of them.
//! let key = generate::key()?;
//! assert_eq!(format!("{key:?}"), "SecretString(..)");
//! # Ok::<(), keyferry_core::Error>(())
//! ```

pub mod client;
pub mod engine;
pub mod files;
pub mod process;

pub use keyferry_crypto as crypto;
pub use keyferry_crypto::{Error, ErrorKind, Result, error, model, secret};
pub use keyferry_formats as formats;
pub use keyferry_formats::archive;
