//! keyferry's own sealed file, `.kfa`: records compressed, encrypted and authenticated in chunks.
//!
//! `docs/archive-format.md` has it byte by byte; this room follows its order.
//!
//! ```text
//! file    = header ‖ chunk ‖ … ‖ last chunk
//! header  = magic ‖ version ‖ the file key, wrapped for each recipient ‖ salt ‖ HMAC
//! chunks  = STREAM[AES-256-GCM](zstd(entry ‖ … ‖ end with counts))
//! ```
//!
//! A [`Writer`] takes records and gives bytes, a [`Reader`] the reverse. What a reader yields was
//! authenticated first; only the end tells that nothing is missing, so whoever must have all waits
//! for it. What an archive hides is its content, not its size, and compression lets the size depend
//! on the content.

mod entry;
mod header;
mod reader;
pub mod stream;
mod writer;

pub use header::{Cost, Header, Lock, inspect, is_archive};
pub use reader::Reader;
pub use writer::Writer;

use keyferry_crypto::error::Error;
use keyferry_crypto::keychain::{Keychain, PublicKey};
use keyferry_crypto::secret::SecretString;
use std::io;

/// What an archive is sealed for.
#[derive(Debug)]
pub enum Recipient {
    /// Whoever knows these words.
    Passphrase(SecretString),
    /// The user with this key, of 2048 bits or more.
    PublicKey(PublicKey),
}

/// What opens an archive.
#[derive(Clone, Copy, Debug)]
pub enum Opener<'a> {
    /// The words it was sealed for.
    Passphrase(&'a SecretString),
    /// The same, at any cost up to 4 GiB and 64 passes: unasked, an archive may ask for 1 GiB and 10.
    HeavyPassphrase(&'a SecretString),
    /// The key of a user it was sealed for.
    PrivateKey(&'a Keychain),
}

/// Reads until `bytes` is full or the input ends; answers how many came.
fn read_up_to(input: &mut dyn io::Read, bytes: &mut [u8]) -> Result<usize, Error> {
    let mut came = 0;
    while came < bytes.len() {
        match input.read(&mut bytes[came..]) {
            Ok(0) => break,
            Ok(more) => came += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::stream(error)),
        }
    }
    Ok(came)
}
