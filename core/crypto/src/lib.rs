//! Passwork's client-side cryptography, byte for byte, and what it protects: secrets and records.
//!
//! ```text
//! master password --PBKDF2--> master key --envelope--> private RSA key
//! private RSA key --RSA-OAEP--> vault key --envelope--> record key --envelope--> fields, attachment keys
//! ```
//!
//! Keys below the master key are texts of 100 characters, used as passphrases. The scheme's
//! weaknesses (no authentication, one round of MD5) are Passwork's and kept for compatibility;
//! nothing of ours repeats them.
//!
//! | module | what it does |
//! |---|---|
//! | [`error`] | the one error type: what, where, why, what to do next |
//! | [`secret`] | text and bytes that are wiped, redacted and compared in constant time |
//! | [`model`] | what moves: records, paths, custom fields, attachments |
//! | [`envelope`], [`base32`] | one encrypted text in Passwork's format |
//! | [`master_key`], [`keychain`], [`account`] | from a password to the user's keys, and the keys of a new user |
//! | [`record`], [`attachment`], [`bulk`] | whole records, one by one or many on every core |
//! | [`mark`] | what shows whoever holds a record's key that its fields belong together |
//! | [`totp`], [`generate`], [`password`] | one-time codes; new keys, salts and passwords |
//! | [`session_file`] | the official client's encrypted session file |
//!
//! The crate does no I/O, knows no async and links no C code; it compiles for `wasm32-unknown-unknown`. With the feature
//! `aws-lc` RSA keys open by that library instead, which is C, in a fraction of the time.
//!
//! ```
//! use keyferry_crypto::{envelope, generate};
//!
//! let key = generate::key()?;
//! let sealed = envelope::encrypt_text("s3cret", &key)?;
//! assert_eq!(envelope::decrypt_text(&sealed, &key)?.expose(), "s3cret");
//! # Ok::<(), keyferry_crypto::Error>(())
//! ```

pub mod account;
pub mod attachment;
pub mod base32;
pub mod bulk;
pub mod envelope;
pub mod error;
pub mod generate;
mod kdf;
pub mod keychain;
mod mac;
pub mod mark;
pub mod master_key;
mod md5_lanes;
pub mod model;
pub mod password;
mod private_key;
pub mod record;
pub mod secret;
pub mod session_file;
mod sha256_chains;
pub mod totp;

pub use error::{Error, ErrorKind, Result};
