//! Argon2 as files ask for it: a file is input, and its costs are looked at before any work.

use argon2::{Algorithm, Params, Version};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// More lanes than any program writes.
const LANES: u32 = 64;

/// A derivation, and what it costs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Argon2 {
    /// Argon2id; otherwise Argon2d.
    pub(crate) id: bool,
    /// Version 0x10; otherwise 0x13.
    pub(crate) old: bool,
    pub(crate) salt: Vec<u8>,
    /// In KiB.
    pub(crate) memory: u64,
    pub(crate) passes: u64,
    pub(crate) lanes: u32,
}

impl Argon2 {
    /// Refuses what would keep us busy for ever: above 1 GiB, or the work of ten passes over it; with `heavy` above 4 GiB, or
    /// the work of 64 passes over that. Passes over little memory are cheap, and programs that measure a second choose dozens.
    pub(crate) fn check(&self, heavy: bool) -> Result<()> {
        let Self { memory, passes, lanes, .. } = self;
        let over = |most: u64, turns: u64| {
            *memory > most || memory.saturating_mul(*passes) > most * turns || *lanes > LANES
        };
        let (usual, most) = ((1 << 20, 10), (4 << 20, 64));
        let (memory_limit, turns) = if heavy { most } else { usual };
        if over(memory_limit, turns) {
            let what = format!("Argon2, {memory} KiB, {passes} passes, {lanes} lanes");
            return Err(too_much(&what, over(most.0, most.1)));
        }
        self.params().map(|_| ())
    }

    fn params(&self) -> Result<Params> {
        let senseless = || {
            Error::new(
                ErrorKind::Decrypt,
                "the file is damaged: the parameters of its key derivation make no sense",
            )
            .next_step("take another copy of the file")
        };
        let (memory, passes) = (u32::try_from(self.memory), u32::try_from(self.passes));
        let (Ok(memory), Ok(passes)) = (memory, passes) else { return Err(senseless()) };
        if self.salt.len() < argon2::MIN_SALT_LEN {
            return Err(senseless());
        }
        Params::new(memory, passes, self.lanes, Some(32)).map_err(|_| senseless())
    }

    /// The key that a secret comes to.
    pub(crate) fn derive(&self, secret: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
        let algorithm = if self.id { Algorithm::Argon2id } else { Algorithm::Argon2d };
        let version = if self.old { Version::V0x10 } else { Version::V0x13 };
        let mut key = Zeroizing::new([0; 32]);
        argon2::Argon2::new(algorithm, version, self.params()?)
            .hash_password_into(secret, &self.salt, &mut *key)
            .map_err(|_| Error::new(ErrorKind::Internal, "no key could be derived from the passphrase"))?;
        Ok(key)
    }
}

/// An error of a file that asks for more than is done unasked; `absurd` where it is more than is ever done.
pub(crate) fn too_much(what: &str, absurd: bool) -> Error {
    let next = if absurd {
        "do not trust this file; or lower the key derivation where it was written, if that is yours"
    } else {
        "lower the key derivation where the file was written; --allow-heavy-kdf takes up to 4 GiB, 64 passes over that, and 2^36 rounds of AES-KDF"
    };
    Error::new(ErrorKind::Input, format!("the file asks for too much work to derive its key: {what}"))
        .next_step(next)
}
