//! The database of Password Safe 3, to rows of fields.
//!
//! ```text
//! file   = "PWS3" ‖ salt (32) ‖ rounds (u32) ‖ SHA-256(P) ‖ B1 … B4 (16 each) ‖ vector (16) ‖ content ‖ "PWS3-EOFPWS3-EOF" ‖ HMAC-SHA-256[L](values)
//! P      = SHA-256^rounds(SHA-256(passphrase ‖ salt))
//! K, L   = Twofish-ECB[P]^-1(B1 ‖ B2), Twofish-ECB[P]^-1(B3 ‖ B4)
//! content = Twofish-CBC[K](field …), field = length (u32) ‖ type (u8) ‖ value ‖ padding to 16 bytes; type 0xFF ends a row
//! ```
//!
//! The first row is the database's own. A hash says whether the passphrase is right, a MAC over all values whether the file is whole: a
//! wrong passphrase and damage are two errors.

use crate::ReadOptions;
use crate::costs::too_much;
use crate::managers::keepass::bytes::{Bytes, damaged};
use crate::managers::keepass::key::{Key, sha256, spellings};
use crate::sealed::{passphrase, wrong};
use aes::cipher::{BlockCipherDecrypt as _, BlockModeDecrypt as _, KeyInit as _, KeyIvInit as _};
use hmac::{Hmac, Mac as _};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::secret::wiped;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use twofish::Twofish;
use zeroize::Zeroizing;

/// How every database begins.
pub(super) const MAGIC: &[u8] = b"PWS3";
/// What follows the content.
const END: &[u8; BLOCK] = b"PWS3-EOFPWS3-EOF";
const BLOCK: usize = 16;
/// Ends a row.
const END_OF_ROW: u8 = 0xff;
/// A program's own rounds are 262,144. A field of rounds holds no more than the second.
const ROUNDS: u32 = 10_000_000;
const HEAVY_ROUNDS: u32 = u32::MAX;

/// A field: its type, and where its value stands.
pub(super) struct Field {
    pub(super) kind: u8,
    pub(super) value: Zeroizing<Vec<u8>>,
}

/// What a database holds.
pub(super) struct Opened {
    pub(super) header: Vec<Field>,
    pub(super) rows: Vec<Vec<Field>>,
}

/// Opens a file.
///
/// # Errors
/// [`ErrorKind::Locked`] for a wrong passphrase or none, [`ErrorKind::Decrypt`] for a damaged file, [`ErrorKind::Input`] for what asks
/// for too much work.
pub(super) fn open(file: &[u8], options: &ReadOptions) -> Result<Opened> {
    let mut bytes = Bytes::new(file);
    if bytes.take(MAGIC.len())? != MAGIC {
        return Err(Error::new(ErrorKind::Input, "this is no database of Password Safe")
            .next_step("leave --format out"));
    }
    let (salt, rounds, hash) = (bytes.array::<32>()?, bytes.u32()?, bytes.array::<32>()?);
    let (first, second) = (bytes.array::<32>()?, bytes.array::<32>()?);
    let vector = bytes.array::<BLOCK>()?;
    let rest = bytes.rest();
    let at =
        rest.chunks_exact(BLOCK).position(|block| block == END).ok_or_else(|| damaged("it has no end"))?;
    let (sealed, after) = rest.split_at_checked(at * BLOCK).ok_or_else(|| damaged("it is cut short"))?;
    let tag = after.get(BLOCK..BLOCK + 32).ok_or_else(|| damaged("it is cut short"))?;
    if rounds > if options.heavy_kdf { HEAVY_ROUNDS } else { ROUNDS } {
        return Err(too_much(&format!("{rounds} rounds of SHA-256"), false));
    }
    let passphrase = passphrase(options, "this database of Password Safe")?;
    for passphrase in spellings(Some(passphrase)).into_iter().flatten() {
        let stretched = wiped(|| stretched(&passphrase, &salt, rounds));
        if !bool::from(sha256(&[&stretched[..]])[..].ct_eq(&hash)) {
            continue;
        }
        let (key, signing) = wiped(|| (unwrapped(&stretched, first), unwrapped(&stretched, second)));
        return content(sealed, &key, &vector, &signing, tag);
    }
    Err(wrong("database of Password Safe"))
}

/// `SHA-256^rounds(SHA-256(passphrase ‖ salt))`.
fn stretched(passphrase: &[u8], salt: &[u8; 32], rounds: u32) -> Key {
    let mut key = sha256(&[passphrase, salt]);
    for _ in 0..rounds {
        use sha2::Digest as _;
        *key = Sha256::digest(&key[..]).into();
    }
    key
}

/// Two blocks that hold a key.
fn unwrapped(key: &Key, wrapped: [u8; 32]) -> Key {
    let mut out = Zeroizing::new(wrapped);
    if let Ok(cipher) = Twofish::new_from_slice(&key[..]) {
        for half in out.chunks_exact_mut(BLOCK) {
            if let Ok(block) = half.try_into() {
                cipher.decrypt_block(block);
            }
        }
    }
    out
}

fn content(sealed: &[u8], key: &Key, vector: &[u8; BLOCK], signing: &Key, tag: &[u8]) -> Result<Opened> {
    let mut plain = Zeroizing::new(sealed.to_vec());
    let failed = || damaged("its content does not decrypt");
    wiped(|| {
        let mut cipher = cbc::Decryptor::<Twofish>::new_from_slices(&key[..], vector).ok()?;
        for block in plain.chunks_exact_mut(BLOCK) {
            cipher.decrypt_block(block.try_into().ok()?);
        }
        Some(())
    })
    .ok_or_else(failed)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&signing[..]).map_err(|_| failed())?;
    let (mut bytes, mut rows, mut row) = (Bytes::new(&plain), Vec::new(), Vec::new());
    while !bytes.rest().is_empty() {
        let length = bytes.u32()? as usize;
        let kind = bytes.u8()?;
        let value = bytes.take(length)?;
        mac.update(value);
        // A field fills its last block.
        bytes.take((5 + length).wrapping_neg() % BLOCK)?;
        if kind == END_OF_ROW {
            rows.push(std::mem::take(&mut row));
        } else {
            row.push(Field { kind, value: Zeroizing::new(value.to_vec()) });
        }
    }
    if mac.verify_slice(tag).is_err() {
        return Err(damaged("its content is not what was written"));
    }
    if !row.is_empty() {
        return Err(damaged("its last entry has no end"));
    }
    let mut rows = rows.into_iter();
    Ok(Opened { header: rows.next().unwrap_or_default(), rows: rows.collect() })
}
