//! `OpenPGP` messages that a passphrase seals (RFC 4880, RFC 9580): of Proton Pass, and of `gpg --symmetric`.
//!
//! ```text
//! message     = SKESK packets (tag 3), one for each passphrase, then one packet of sealed data (tag 18, version 1)
//! SKESK       = 4, cipher, how the passphrase becomes a key, and perhaps the session key under that key
//! sealed data = 1 ‖ AES-CFB[session key](a random block, its last two bytes again, packets, SHA-1 over all of it)
//! packets     = compressed data (tag 8) around literal data (tag 11), signatures beside it
//! ```
//!
//! Signature: the armor of a message, or a SKESK packet, bare or in base64. What is inside is read as what it is; what no format
//! knows is a password where it is one line, otherwise an attachment.
//! Not read: what is sealed for a key of somebody's, ciphers other than AES, the newer forms of sealed data. A crate for all of
//! `OpenPGP` brings two dozen algorithms that none of these files use.
//! A file is input: derivations have ceilings, and what is compressed is stopped where it grows without measure.
//! The whole file is kept in memory.

use crate::costs::Argon2;
use crate::head::{Fit, Head};
use crate::jsonl::base64;
use crate::sealed::{damaged, passphrase, whole, wrong};
use crate::trees::inside::{self, Inside};
use crate::zip::inflate;
use crate::{Entries, ReadOptions, Tables, read_inside};
use aes::{Aes128, Aes192, Aes256};
use cfb_mode::Decryptor;
use cfb_mode::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit as _};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::secret::{SecretString, wiped};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use std::io::Read;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const ARMOR: &str = "-----BEGIN PGP MESSAGE-----";
const BLOCK: usize = 16;
const SHA1: usize = 20;
/// SKESK packets that are tried: one for each passphrase that opens the message.
const MOST_PASSPHRASES: usize = 16;
/// Packets of a message.
const MOST_PACKETS: usize = 4096;
/// Messages in messages: signed, compressed, and then there is data.
const DEEPEST: u8 = 8;
/// What compressed data may come to at once, and how many times its size beyond that.
const FREE: usize = 64 << 20;
const FACTOR: usize = 200;
/// What it may come to at all.
const MOST: usize = 1 << 30;

/// Whether it is such a message.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let text = head.text();
    let in_base64 = || {
        let start: String = text.chars().filter(|c| !c.is_ascii_whitespace()).take(8).collect();
        base64(&start).is_some_and(|bytes| is_skesk(&bytes))
    };
    (text.starts_with(ARMOR) || is_skesk(head.bytes) || in_base64()).into()
}

/// Whether bytes begin with a SKESK packet of version 4 whose cipher and derivation are known.
fn is_skesk(bytes: &[u8]) -> bool {
    match bytes {
        [0x8c | 0xc3, length, 4, 1..=13, 0..=4, ..] => (4..=128).contains(length),
        _ => false,
    }
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let sealed = whole(input)?;
    let bytes = open(&sealed, options, "this message of OpenPGP")?;
    let name = options.name.as_deref().map(|name| {
        let ending = |ending: &str| name.strip_suffix(ending);
        ending(".gpg").or_else(|| ending(".pgp")).or_else(|| ending(".asc")).unwrap_or(name).to_owned()
    });
    let options = &ReadOptions { name, ..options.clone() };
    match read_inside(bytes, options.name.as_deref(), options, Tables::Read)? {
        Inside::Read(entries) => Ok(entries),
        Inside::Bytes(bytes) => Ok(inside::file(bytes, options)),
    }
}

/// What a message holds; `what` is the beginning of a sentence.
///
/// # Errors
/// [`ErrorKind::Locked`] for another passphrase, [`ErrorKind::Decrypt`] for damage, [`ErrorKind::Input`] for what is not read.
pub(crate) fn open(sealed: &[u8], options: &ReadOptions, what: &str) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = binary(sealed)?;
    let mut packets = Packets { rest: &bytes, left: MOST_PACKETS };
    let mut keys = Vec::new();
    let mut for_somebody = false;
    while let Some(packet) = packets.next()? {
        match packet.tag {
            1 => for_somebody = true,
            3 => keys.push(Skesk::of(&packet.body)?),
            18 => {
                let keys: Vec<_> = keys.into_iter().flatten().take(MOST_PASSPHRASES).collect();
                if keys.is_empty() {
                    return Err(if for_somebody { for_a_key() } else { newer() });
                }
                return unsealed(&keys, &packet.body, passphrase(options, what)?, options.heavy_kdf);
            }
            9 | 20 => return Err(newer()),
            _ => {}
        }
    }
    Err(if for_somebody { for_a_key() } else { damaged("it is no message of OpenPGP, or was cut off") })
}

fn for_a_key() -> Error {
    Error::new(ErrorKind::Input, "this message of OpenPGP is sealed for a key, not with a passphrase")
        .next_step("decrypt it first: gpg -d FILE | keyferry import FORMAT:- …")
}

fn newer() -> Error {
    Error::new(ErrorKind::Input, "this message of OpenPGP is sealed in a way that keyferry does not read")
        .next_step("decrypt it first: gpg -d FILE | keyferry import FORMAT:- …")
}

/// The bytes of a message that may stand in armor or base64.
fn binary(sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    if is_skesk(sealed) || sealed.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Ok(Zeroizing::new(sealed.to_vec()));
    }
    let broken = || damaged("its armor is not whole");
    let text = std::str::from_utf8(sealed).map_err(|_| broken())?.trim_start_matches('\u{feff}').trim();
    let Some(rest) = text.strip_prefix(ARMOR) else {
        return base64(text).map(Zeroizing::new).ok_or_else(broken);
    };
    let mut body = Zeroizing::new(String::with_capacity(rest.len()));
    // Headers end with an empty line; a checksum begins with `=`.
    let lines = rest.lines().map(str::trim).skip(1).skip_while(|line| line.contains(':'));
    for line in lines.filter(|line| !line.is_empty()) {
        if line.starts_with("-----END") {
            return base64(&body).map(Zeroizing::new).ok_or_else(broken);
        }
        if !(line.starts_with('=') && line.len() == 5) {
            body.push_str(line);
        }
    }
    Err(broken())
}

struct Packet {
    tag: u8,
    body: Zeroizing<Vec<u8>>,
}

/// Packets one after the other.
struct Packets<'a> {
    rest: &'a [u8],
    left: usize,
}

impl Packets<'_> {
    fn next(&mut self) -> Result<Option<Packet>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let cut = || damaged("a packet is cut off");
        self.left = self.left.checked_sub(1).ok_or_else(|| damaged("it has thousands of packets"))?;
        let first = self.byte().ok_or_else(cut)?;
        if first & 0x80 == 0 {
            return Err(damaged("what should be a packet is none"));
        }
        let mut body = Zeroizing::new(Vec::new());
        let tag = if first & 0x40 == 0 {
            let length = match first & 3 {
                3 => self.rest.len(),
                size => self.number(1 << size).ok_or_else(cut)?,
            };
            body.extend_from_slice(self.take(length).ok_or_else(cut)?);
            (first >> 2) & 15
        } else {
            // Room for all there is, so that no part is left where the body stood before it grew.
            body.reserve(self.rest.len());
            loop {
                let (length, is_last) = match self.byte().ok_or_else(cut)? {
                    byte @ 0..192 => (usize::from(byte), true),
                    byte @ 192..224 => {
                        let next = self.byte().ok_or_else(cut)?;
                        (((usize::from(byte) - 192) << 8) + usize::from(next) + 192, true)
                    }
                    255 => (self.number(4).ok_or_else(cut)?, true),
                    byte => (1 << (byte & 31), false),
                };
                body.extend_from_slice(self.take(length).ok_or_else(cut)?);
                if is_last {
                    break;
                }
            }
            first & 63
        };
        Ok(Some(Packet { tag, body }))
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self, size: usize) -> Option<usize> {
        let bytes = self.take(size)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
}

/// AES with a key of 16, 24 or 32 bytes.
#[derive(Clone, Copy)]
struct Cipher {
    key: usize,
}

impl Cipher {
    fn of(number: u8) -> Option<Self> {
        let key = match number {
            7 => 16,
            8 => 24,
            9 => 32,
            _ => return None,
        };
        Some(Self { key })
    }

    /// `AES-CFB[key, zeros](sealed)`.
    fn decrypt(self, key: &[u8], body: &mut [u8]) -> Option<()> {
        fn by<C: BlockCipherEncrypt + KeyInit>(key: &[u8], body: &mut [u8]) -> Option<()>
        where
            Decryptor<C>: cfb_mode::cipher::KeyIvInit,
        {
            let cipher = Decryptor::<C>::new_from_slices(key, &[0; BLOCK]).ok()?;
            wiped(|| cipher.decrypt(body));
            Some(())
        }
        match self.key {
            16 => by::<Aes128>(key, body),
            24 => by::<Aes192>(key, body),
            _ => by::<Aes256>(key, body),
        }
    }
}

/// How a passphrase becomes a key.
enum Derivation {
    /// A hash by its number, of a salt and the passphrase, over and over until so many bytes are hashed; none of them: once.
    Hash {
        hash: u8,
        salt: Vec<u8>,
        count: usize,
    },
    Argon2(Argon2),
}

impl Derivation {
    /// What the bytes of a packet say, and what stands behind; `None` for what is not known.
    fn of(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, rest) = bytes.split_first()?;
        if *kind == 4 {
            let (salt, rest) = rest.split_at_checked(16)?;
            let ([passes, lanes, memory], rest) = rest.split_first_chunk::<3>()?;
            let argon2 = Argon2 {
                id: true,
                old: false,
                salt: salt.to_vec(),
                memory: 1_u64.checked_shl(u32::from(*memory))?,
                passes: u64::from(*passes),
                lanes: u32::from(*lanes),
            };
            return Some((Self::Argon2(argon2), rest));
        }
        let (hash, rest) = rest.split_first()?;
        let (salt, rest) = rest.split_at_checked(if *kind == 0 { 0 } else { 8 })?;
        let (count, rest) = match kind {
            0 | 1 => (0, rest),
            3 => {
                let (count, rest) = rest.split_first()?;
                ((16 + usize::from(count & 15)) << (usize::from(count >> 4) + 6), rest)
            }
            _ => return None,
        };
        Some((Self::Hash { hash: *hash, salt: salt.to_vec(), count }, rest))
    }

    fn key(&self, passphrase: &[u8], length: usize, heavy: bool) -> Result<Option<Zeroizing<Vec<u8>>>> {
        match self {
            Self::Argon2(argon2) => {
                argon2.check(heavy)?;
                let key = argon2.derive(passphrase)?;
                // Shorter keys are the beginning of another hash, which nobody writes.
                Ok((length == key.len()).then(|| Zeroizing::new(key.to_vec())))
            }
            Self::Hash { hash, salt, count } => Ok(match hash {
                2 => Some(stretched::<Sha1>(salt, passphrase, *count, length)),
                8 => Some(stretched::<Sha256>(salt, passphrase, *count, length)),
                9 => Some(stretched::<Sha384>(salt, passphrase, *count, length)),
                10 => Some(stretched::<Sha512>(salt, passphrase, *count, length)),
                11 => Some(stretched::<Sha224>(salt, passphrase, *count, length)),
                _ => None,
            }),
        }
    }
}

/// A key of hashes: each of one more zero byte, then salt and passphrase again and again.
fn stretched<H: Digest>(salt: &[u8], passphrase: &[u8], count: usize, length: usize) -> Zeroizing<Vec<u8>> {
    let mut unit = Zeroizing::new(Vec::with_capacity(salt.len() + passphrase.len()));
    unit.extend_from_slice(salt);
    unit.extend_from_slice(passphrase);
    let count = count.max(unit.len());
    let mut key = Zeroizing::new(Vec::with_capacity(length + 64));
    let mut zeros = 0;
    while key.len() < length {
        wiped(|| {
            let mut hash = H::new();
            (0..zeros).for_each(|_| hash.update([0]));
            let mut left = count;
            while left > 0 && !unit.is_empty() {
                let part = unit.get(..left.min(unit.len())).unwrap_or_default();
                hash.update(part);
                left -= part.len();
            }
            key.extend_from_slice(&hash.finalize());
        });
        zeros += 1;
    }
    key.truncate(length);
    key
}

/// What one passphrase opens.
struct Skesk {
    cipher: Cipher,
    derivation: Derivation,
    /// The session key, where it is not the derived key itself.
    session: Vec<u8>,
}

impl Skesk {
    /// `None` for a version, cipher or derivation that is not known: another may open the message.
    fn of(body: &[u8]) -> Result<Option<Self>> {
        let [version, cipher, rest @ ..] = body else { return Err(damaged("a packet is cut off")) };
        let (Some(cipher), Some((derivation, session))) = (Cipher::of(*cipher), Derivation::of(rest)) else {
            return Ok(None);
        };
        Ok((*version == 4).then(|| Self { cipher, derivation, session: session.to_vec() }))
    }

    /// The key of the message, with its cipher.
    fn session(&self, passphrase: &[u8], heavy: bool) -> Result<Option<(Cipher, Zeroizing<Vec<u8>>)>> {
        let Some(key) = self.derivation.key(passphrase, self.cipher.key, heavy)? else { return Ok(None) };
        if self.session.is_empty() {
            return Ok(Some((self.cipher, key)));
        }
        let mut session = Zeroizing::new(self.session.clone());
        if self.cipher.decrypt(&key, &mut session).is_none() {
            return Ok(None);
        }
        let Some((cipher, key)) = session.split_first() else { return Ok(None) };
        let cipher = Cipher::of(*cipher).filter(|cipher| cipher.key == key.len());
        Ok(cipher.map(|cipher| (cipher, Zeroizing::new(key.to_vec()))))
    }
}

fn unsealed(
    keys: &[Skesk],
    body: &[u8],
    passphrase: &SecretString,
    heavy: bool,
) -> Result<Zeroizing<Vec<u8>>> {
    let Some((1, sealed)) = body.split_first() else { return Err(newer()) };
    if sealed.len() < BLOCK + 2 + SHA1 + 2 {
        return Err(damaged("a packet is cut off"));
    }
    for key in keys {
        let Some((cipher, session)) = key.session(passphrase.expose().as_bytes(), heavy)? else { continue };
        let mut plain = Zeroizing::new(sealed.to_vec());
        if cipher.decrypt(&session, &mut plain).is_none() {
            continue;
        }
        // Two bytes again: of another passphrase they nearly never are.
        if plain.get(BLOCK - 2..BLOCK) != plain.get(BLOCK..BLOCK + 2) {
            continue;
        }
        let (content, digest) = plain.split_at(plain.len() - SHA1);
        let is_whole = content.ends_with(&[0xd3, 0x14])
            && bool::from(wiped(|| Sha1::digest(content)).as_slice().ct_eq(digest));
        if !is_whole {
            return Err(damaged("its content is not what was sealed"));
        }
        let inner = content.get(BLOCK + 2..content.len() - 2).unwrap_or_default();
        return literal(inner, DEEPEST)?.ok_or_else(|| damaged("there is no data in it"));
    }
    Err(wrong("message of OpenPGP"))
}

/// The literal data among packets.
fn literal(bytes: &[u8], depth: u8) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let mut packets = Packets { rest: bytes, left: MOST_PACKETS };
    while let Some(packet) = packets.next()? {
        match packet.tag {
            11 => return Ok(data(&packet.body).map(|data| Zeroizing::new(data.to_vec()))),
            8 if depth > 0 => {
                if let Some(found) = literal(&decompressed(&packet.body)?, depth - 1)? {
                    return Ok(Some(found));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

/// What of a packet of literal data is data: behind its kind, its name and its date.
fn data(body: &[u8]) -> Option<&[u8]> {
    let length = usize::from(*body.get(1)?);
    body.get(2 + length + 4..)
}

fn decompressed(body: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (kind, packed) = body.split_first().unwrap_or((&0, &[]));
    let most = MOST.min(FREE + FACTOR.saturating_mul(packed.len()));
    match kind {
        0 => Ok(Zeroizing::new(packed.to_vec())),
        1 => inflate(packed, most)
            .ok_or_else(|| damaged("what is compressed in it does not unpack, or grows without measure")),
        // The same, between a header of two bytes and a sum.
        2 => inflate(packed.get(2..).unwrap_or_default(), most)
            .ok_or_else(|| damaged("what is compressed in it does not unpack, or grows without measure")),
        _ => Err(Error::new(
            ErrorKind::Input,
            "this message of OpenPGP is compressed with bzip2, which keyferry does not read",
        )
        .next_step("decrypt it first: gpg -d FILE | keyferry import FORMAT:- …")),
    }
}
