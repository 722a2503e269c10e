//! How a key is made slowly: AES-KDF and Argon2, within ceilings that are looked at before any work.

use super::bytes::{Bytes, damaged};
use super::key::{Key, sha256};
use crate::costs::{Argon2, too_much};
use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::secret::wiped;
use std::collections::HashMap;
use zeroize::Zeroize as _;

/// AES-KDF's two names: that of KDBX 3, and that of KDBX 4 as KeePassXC has it.
const AES: [[u8; 16]; 2] = [
    *b"\xc9\xd9\xf3\x9a\x62\x8a\x44\x60\xbf\x74\x0d\x08\xc1\x8a\x4f\xea",
    *b"\x7c\x02\xbb\x82\x79\xa7\x4a\xc0\x92\x7d\x11\x4a\x00\x64\x82\x38",
];
const ARGON2D: [u8; 16] = *b"\xef\x63\x6d\xdf\x8c\x29\x44\x4b\x91\xf7\xa9\xa4\x03\xe3\x0a\x0c";
/// What is written.
pub(super) const ARGON2ID: [u8; 16] = *b"\x9e\x29\x8b\x19\x56\xdb\x47\x73\xb2\x3d\xfc\x3e\xc6\xf0\xa1\xe6";

/// AES-KDF: a hundred seconds or so, unasked; the double of the bits where it is asked for.
const ROUNDS: u64 = 1 << 32;
const HEAVY_ROUNDS: u64 = 1 << 36;

/// A derivation as a file asks for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kdf {
    Aes { seed: [u8; 32], rounds: u64 },
    Argon2(Argon2),
}

impl Kdf {
    /// Understands the parameters of KDBX 4, a dictionary with types.
    pub(super) fn parse(dictionary: &[u8]) -> Result<Self> {
        let values = values(dictionary)?;
        let missing = || damaged("a parameter of its key derivation is missing");
        let bytes = |name: &str| values.get(name).copied().ok_or_else(missing);
        let number = |name: &str| number(bytes(name)?).ok_or_else(missing);
        let name = <[u8; 16]>::try_from(bytes("$UUID")?).map_err(|_| missing())?;
        if AES.contains(&name) {
            let seed = bytes("S")?.try_into().map_err(|_| missing())?;
            return Ok(Kdf::Aes { seed, rounds: number("R")? });
        }
        if name != ARGON2D && name != ARGON2ID {
            return Err(Error::new(
                ErrorKind::Input,
                "its key derivation is none that KeePass has by itself",
            )
            .next_step("choose Argon2 or AES-KDF in the settings of the database, and save it"));
        }
        if ["K", "A"].into_iter().any(|name| values.get(name).is_some_and(|value| !value.is_empty())) {
            return Err(Error::new(
                ErrorKind::Input,
                "its key derivation asks for a secret of another program",
            ));
        }
        let old = match number("V")? {
            0x10 => true,
            0x13 => false,
            _ => return Err(damaged("a version of Argon2 that there is not")),
        };
        let lanes = u32::try_from(number("P")?).unwrap_or(u32::MAX);
        // In bytes there, in KiB everywhere else.
        let memory = number("M")? / 1024;
        let salt = bytes("S")?.to_vec();
        Ok(Kdf::Argon2(Argon2 { id: name == ARGON2ID, old, salt, memory, passes: number("I")?, lanes }))
    }

    /// Refuses what would keep us busy for ever: see [`Argon2::check`]; above 2³² rounds of AES, with `heavy` above 2³⁶.
    pub(super) fn check(&self, heavy: bool) -> Result<()> {
        match self {
            Kdf::Aes { rounds, .. } if *rounds > if heavy { HEAVY_ROUNDS } else { ROUNDS } => {
                Err(too_much(&format!("AES-KDF, {rounds} rounds"), *rounds > HEAVY_ROUNDS))
            }
            Kdf::Aes { .. } => Ok(()),
            Kdf::Argon2(argon2) => argon2.check(heavy),
        }
    }

    /// The parameters as KDBX 4 has them.
    pub(super) fn dictionary(&self) -> Vec<u8> {
        // Version 1.0 of such dictionaries; numbers of 32 and 64 bits, and bytes.
        let (word, long, bytes) = (0x04, 0x05, 0x42);
        let mut out = vec![0, 1];
        let mut add = |kind: u8, name: &str, value: &[u8]| {
            out.push(kind);
            for part in [name.as_bytes(), value] {
                out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend(part);
            }
        };
        match self {
            Kdf::Aes { seed, rounds } => {
                add(bytes, "$UUID", &AES[0]);
                add(long, "R", &rounds.to_le_bytes());
                add(bytes, "S", seed);
            }
            Kdf::Argon2(argon2) => {
                add(bytes, "$UUID", if argon2.id { &ARGON2ID } else { &ARGON2D });
                add(bytes, "S", &argon2.salt);
                add(word, "P", &argon2.lanes.to_le_bytes());
                add(long, "M", &(argon2.memory * 1024).to_le_bytes());
                add(long, "I", &argon2.passes.to_le_bytes());
                add(word, "V", &(if argon2.old { 0x10_u32 } else { 0x13 }).to_le_bytes());
            }
        }
        out.push(0);
        out
    }

    /// The key that another comes to.
    pub(super) fn derive(&self, composite: &Key) -> Result<Key> {
        match self {
            Kdf::Aes { seed, rounds } => Ok(wiped(|| aes_kdf(composite, seed, *rounds))),
            Kdf::Argon2(argon2) => argon2.derive(&composite[..]),
        }
    }
}

/// `SHA-256(AES-256-ECB[seed]^rounds(composite))`.
fn aes_kdf(composite: &Key, seed: &[u8; 32], rounds: u64) -> Key {
    let cipher = Aes256::new(&(*seed).into());
    let (mut first, mut second) = ([0; 16], [0; 16]);
    first.copy_from_slice(&composite[..16]);
    second.copy_from_slice(&composite[16..]);
    let mut blocks = [first.into(), second.into()];
    for _ in 0..rounds {
        cipher.encrypt_blocks(&mut blocks);
    }
    let key = sha256(&[&blocks[0], &blocks[1]]);
    for block in &mut blocks {
        block[..].zeroize();
    }
    key
}

/// A dictionary's values as they stand; numbers keep their width.
fn values(dictionary: &[u8]) -> Result<HashMap<&str, &[u8]>> {
    let mut bytes = Bytes::new(dictionary);
    let mut values = HashMap::new();
    if bytes.u16()? >> 8 != 1 {
        return Err(Error::new(ErrorKind::Input, "its key derivation is written in a newer way")
            .next_step("use a newer keyferry"));
    }
    loop {
        if bytes.u8()? == 0 {
            return Ok(values);
        }
        let length = bytes.u32()?;
        let name = std::str::from_utf8(bytes.take(length as usize)?)
            .map_err(|_| damaged("a parameter of its key derivation has no name"))?;
        let length = bytes.u32()?;
        values.insert(name, bytes.take(length as usize)?);
    }
}

/// A number of either width.
fn number(bytes: &[u8]) -> Option<u64> {
    match bytes.len() {
        4 => bytes.try_into().ok().map(u32::from_le_bytes).map(u64::from),
        8 => bytes.try_into().ok().map(u64::from_le_bytes),
        _ => None,
    }
}
