//! `master key = base64(PBKDF2-HMAC-<digest>(master password, salt, iterations, bytes))`, RFC 8018.

use crate::error::{Error, ErrorKind, Result};
use crate::mac::keyed;
use crate::secret::{SecretString, wiped};
use crate::sha256_chains::Pads;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use rayon::prelude::*;
use sha2::{Digest, Sha256, Sha512};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// How a master key is derived: `pbkdf:<digest>:<iterations>:<bytes>:<salt>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    digest: PrfDigest,
    iterations: u32,
    bytes: usize,
    salt: String,
}

/// The hash within HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrfDigest {
    Sha1,
    Sha256,
    Sha512,
}

impl Options {
    /// Fewer rounds are refused: a server that names them is trying to make guessing cheap.
    pub const MIN_ITERATIONS: u32 = 300_000;
    /// More rounds are refused: a server must not make us work for ever.
    pub const MAX_ITERATIONS: u32 = 10_000_000;
    /// Shorter salts are refused: they let guesses be shared between users.
    pub const MIN_SALT: usize = 16;
    /// Shorter keys are refused.
    pub const MIN_BYTES: usize = 32;
    /// Longer keys are refused.
    pub const MAX_BYTES: usize = 1024;

    /// Passwork's default: SHA-256, 300,000 rounds, 64 bytes.
    #[must_use]
    pub fn new(salt: String) -> Self {
        Self { digest: PrfDigest::Sha256, iterations: 300_000, bytes: 64, salt }
    }

    /// Refuses options outside the floors and ceilings.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] below the floors, [`ErrorKind::Protocol`] above the ceilings.
    pub fn check(self) -> Result<Self> {
        let weak = self.iterations < Self::MIN_ITERATIONS
            || self.bytes < Self::MIN_BYTES
            || self.salt.chars().count() < Self::MIN_SALT
            || self.digest == PrfDigest::Sha1;
        if weak {
            return Err(self.refused(ErrorKind::NotAllowed, "too weak a").next_step(
                "give the master key itself, or --allow-weak-kdf for an old installation that you trust: its server can guess the master password from what it is sent",
            ));
        }
        self.check_ceilings()
    }

    /// Refuses options above the ceilings only: for installations of before the floors.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`]: a server must not make us work for ever.
    pub fn check_ceilings(self) -> Result<Self> {
        // Each block of output costs all rounds.
        let blocks = self.bytes.div_ceil(20).max(1) as u64;
        let absurd = self.iterations > Self::MAX_ITERATIONS
            || self.bytes > Self::MAX_BYTES
            || u64::from(self.iterations) * blocks > 8 * u64::from(Self::MAX_ITERATIONS);
        if absurd {
            return Err(self
                .refused(ErrorKind::Protocol, "too costly a")
                .next_step("give the master key itself if you trust this environment"));
        }
        Ok(self)
    }

    fn refused(&self, kind: ErrorKind, how: &str) -> Error {
        let digest = match self.digest {
            PrfDigest::Sha1 => "SHA-1",
            PrfDigest::Sha256 => "SHA-256",
            PrfDigest::Sha512 => "SHA-512",
        };
        Error::new(
            kind,
            format!(
                "the environment names {how} key derivation: {digest}, {} rounds, {} bytes, a salt of {} characters",
                self.iterations,
                self.bytes,
                self.salt.chars().count()
            ),
        )
    }
}

impl FromStr for Options {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || Error::new(ErrorKind::Protocol, "the master key's options make no sense");
        let mut parts = text.splitn(5, ':');
        let mut part = || parts.next().ok_or_else(malformed);
        if part()? != "pbkdf" {
            return Err(malformed());
        }
        let digest = match part()? {
            "sha1" => PrfDigest::Sha1,
            "sha256" => PrfDigest::Sha256,
            "sha512" => PrfDigest::Sha512,
            _ => return Err(malformed()),
        };
        let iterations = part()?.parse().map_err(|_| malformed())?;
        let bytes = part()?.parse().map_err(|_| malformed())?;
        if iterations == 0 || bytes == 0 {
            return Err(malformed());
        }
        Ok(Self { digest, iterations, bytes, salt: part()?.to_owned() })
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = match self.digest {
            PrfDigest::Sha1 => "sha1",
            PrfDigest::Sha256 => "sha256",
            PrfDigest::Sha512 => "sha512",
        };
        write!(f, "pbkdf:{digest}:{}:{}:{}", self.iterations, self.bytes, self.salt)
    }
}

/// Derives the master key: 88 characters of base64 for 64 bytes. Takes tens of milliseconds by design.
#[must_use]
pub fn derive(password: &SecretString, options: &Options) -> SecretString {
    let password = password.expose().as_bytes();
    let key = match options.digest {
        PrfDigest::Sha1 => pbkdf2::<sha1::Sha1>(password, options),
        PrfDigest::Sha256 => pbkdf2_sha256(password, options),
        PrfDigest::Sha512 => pbkdf2::<Sha512>(password, options),
    };
    SecretString::new(STANDARD.encode(&*key))
}

/// What is sent as `X-Master-Key-Hash`: hexadecimal SHA-256 of the master key's text.
#[must_use]
pub fn hash(master_key: &SecretString) -> String {
    data_encoding::HEXLOWER.encode(&wiped(|| Sha256::digest(master_key.expose())))
}

/// RFC 8018 §5.2. The output blocks do not depend on each other, so each portion of `size` bytes gets a thread; `fill` gets
/// its number, from 1.
fn blocks(options: &Options, size: usize, fill: impl Fn(u32, &mut [u8]) + Sync) -> Zeroizing<Vec<u8>> {
    let mut output = Zeroizing::new(vec![0; options.bytes]);
    output.par_chunks_mut(size).enumerate().for_each(|(index, block)| {
        // At most MAX_BYTES / 20.
        fill(u32::try_from(index + 1).unwrap_or(u32::MAX), block);
    });
    output
}

fn pbkdf2<D: Digest + EagerHash + Sync>(password: &[u8], options: &Options) -> Zeroizing<Vec<u8>>
where
    Hmac<D>: Clone + Sync + Mac + KeyInit,
{
    let keyed: Hmac<D> = keyed(password);
    blocks(options, <D as Digest>::output_size(), |number, block| {
        let mut link = first::<D>(&keyed, &options.salt, number);
        let mut sum = link.clone();
        for _ in 1..options.iterations {
            let mut mac = keyed.clone();
            mac.update(&link);
            link = mac.finalize().into_bytes();
            for (sum, byte) in sum.iter_mut().zip(&link) {
                *sum ^= byte;
            }
        }
        block.copy_from_slice(&sum[..block.len()]);
    })
}

/// The same with SHA-256, which is every new user's, two blocks at a time.
fn pbkdf2_sha256(password: &[u8], options: &Options) -> Zeroizing<Vec<u8>> {
    let keyed: Hmac<Sha256> = keyed(password);
    let pads = Pads::new(password);
    let first = |number| {
        let mut link = [0; 8];
        for (word, bytes) in link.iter_mut().zip(first::<Sha256>(&keyed, &options.salt, number).chunks(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        link
    };
    blocks(options, 64, |number, pair| {
        let mut links = Zeroizing::new([first(2 * number - 1), first(2 * number)]);
        let mut sums = links.clone();
        pads.extend(&mut links, &mut sums, options.iterations.saturating_sub(1));
        for (bytes, word) in pair.chunks_mut(4).zip(sums.as_flattened()) {
            bytes.copy_from_slice(&word.to_be_bytes()[..bytes.len()]);
        }
    })
}

fn first<D: EagerHash>(keyed: &Hmac<D>, salt: &str, number: u32) -> hmac::digest::Output<Hmac<D>>
where
    Hmac<D>: Clone + Mac,
{
    keyed.clone().chain_update(salt).chain_update(number.to_be_bytes()).finalize().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_sha_256_give_the_same_keys() {
        for length in [0, 5, 63, 64, 65, 200] {
            let password = "password".repeat(30)[..length].to_owned();
            for (iterations, bytes) in [(1, 32), (2, 64), (100, 45), (3, 100)] {
                let salt = "a salt of its own".to_owned();
                let options = Options { digest: PrfDigest::Sha256, iterations, bytes, salt };
                let password = password.as_bytes();
                assert_eq!(*pbkdf2::<Sha256>(password, &options), *pbkdf2_sha256(password, &options));
            }
        }
    }
}
