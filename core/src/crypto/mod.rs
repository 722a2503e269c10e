//! Passwork's client-side cryptography, byte for byte.
//!
//! ```text
//! master password --PBKDF2--> master key --envelope--> private RSA key
//! private RSA key --RSA-OAEP--> vault key --envelope--> record key --envelope--> fields, attachment keys
//! ```
//!
//! Keys below the master key are texts of 100 characters, used as passphrases. The scheme's
//! weaknesses (no authentication, one round of MD5) are Passwork's and kept for compatibility;
//! nothing of ours repeats them.

pub mod attachment;
pub mod base32;
pub mod bulk;
pub mod envelope;
pub mod generate;
mod kdf;
pub mod keychain;
pub mod master_key;
pub mod password;
pub mod record;
pub mod session_file;
pub mod totp;

use crate::error::{Error, ErrorKind};

/// An error of kind [`ErrorKind::Decrypt`].
fn damaged(what: &'static str) -> Error {
    Error::new(ErrorKind::Decrypt, what)
}
