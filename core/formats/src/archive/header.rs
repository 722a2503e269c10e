//! The header: the file key, wrapped for each recipient, and what authenticates it all.
//!
//! ```text
//! header  = magic ‖ version (u8) ‖ locks (u8) ‖ lock ‖ … ‖ salt (32) ‖ tag (32)
//! lock    = kind (u8) ‖ length (u16) ‖ body
//! body 1  = memory in KiB (u32) ‖ passes (u32) ‖ lanes (u32) ‖ salt (16) ‖ nonce (12) ‖ sealed (48)
//! body 2  = SHA-256 of the key's SubjectPublicKeyInfo (32) ‖ RSA-OAEP-SHA-256[label](file key)
//! sealed  = AES-256-GCM[Argon2id(passphrase, salt), nonce](file key)
//! tag     = HMAC-SHA-256[HKDF(file key, salt, "keyferry archive 1 header")](everything before)
//! payload = HKDF(file key, salt, "keyferry archive 1 payload"): key (32) ‖ nonce prefix (7)
//! ```
//!
//! Integers are big-endian. Argon2id is RFC 9106, HKDF with SHA-256 RFC 5869.

use super::stream::Key;
use super::{Opener, Recipient, read_up_to};
use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::generate;
use keyferry_crypto::secret::SecretString;
use sha2::Sha256;
use std::fmt;
use std::io::Read;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"\x89KFA\r\n\x1a\n";
const VERSION: u8 = 1;
const PASSPHRASE: u8 = 1;
const PUBLIC_KEY: u8 = 2;
/// Keeps what was wrapped here from serving another purpose.
const LABEL: &str = "keyferry archive 1";
const MAX_LOCKS: usize = 64;
const SALT: usize = 32;
const TAG: usize = 32;
/// Parameters, salt, nonce, sealed key.
const PASSPHRASE_BODY: usize = 12 + 16 + 12 + 48;
const FINGERPRINT: usize = 32;

/// What deriving a key from a passphrase costs (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes, which may be filled at the same time.
    pub lanes: u32,
}

impl Default for Cost {
    /// RFC 9106's second recommendation: 64 MiB, three passes, four lanes.
    fn default() -> Self {
        Self { memory: 64 << 10, passes: 3, lanes: 4 }
    }
}

impl Cost {
    /// Refuses what is too weak, and what would keep us busy for ever: above 1 GiB or 10 passes, with `heavy` above 4 GiB
    /// or 64.
    fn check(self, heavy: bool) -> Result<Params> {
        let weak = self.memory < 19 << 10 || self.passes < 1;
        let (memory, passes) = if heavy { (4 << 20, 64) } else { (1 << 20, 10) };
        let absurd = self.memory > memory || self.passes > passes || self.lanes > 64;
        if weak || absurd {
            let what = if weak { "too little" } else { "too much" };
            return Err(Error::new(
                ErrorKind::Input,
                format!(
                    "the archive asks for {what} work to derive its key: {} KiB, {} passes, {} lanes",
                    self.memory, self.passes, self.lanes
                ),
            )
            .next_step("do not trust this archive: keyferry does not write such; --allow-heavy-kdf takes up to 4 GiB and 64 passes"));
        }
        Params::new(self.memory, self.passes, self.lanes, Some(32))
            .map_err(|_| damaged("the parameters of its passphrase make no sense"))
    }
}

/// Whom one wrapping of the file key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Whoever knows the passphrase.
    Passphrase(Cost),
    /// The user whose public key has this SHA-256 over its `SubjectPublicKeyInfo` in DER.
    PublicKey([u8; FINGERPRINT]),
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lock::Passphrase(Cost { memory, passes, lanes }) => {
                write!(f, "a passphrase (Argon2id: {} MiB, {passes} passes, {lanes} lanes)", memory >> 10)
            }
            Lock::PublicKey(fingerprint) => {
                write!(f, "the public key {}", data_encoding::HEXLOWER.encode(fingerprint))
            }
        }
    }
}

/// What an archive tells without any key. Nothing of it is authenticated yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version of its format.
    pub version: u8,
    /// Whom it is sealed for.
    pub locks: Vec<Lock>,
}

/// Whether a file that begins so is an archive.
#[must_use]
pub fn is_archive(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// What an archive tells without any key.
pub fn inspect(mut input: impl Read) -> Result<Header> {
    let parsed = Parsed::read(&mut input)?;
    Ok(Header { version: VERSION, locks: parsed.locks.into_iter().map(|(lock, _)| lock).collect() })
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Decrypt, format!("the archive's header is damaged: {what}"))
        .next_step("take another copy of the archive")
}

/// Makes a header for these recipients; answers its bytes and the key of what follows.
pub(super) fn seal(recipients: &[Recipient]) -> Result<(Vec<u8>, Key)> {
    let usage = |what: &str| {
        Error::new(ErrorKind::Usage, what).next_step("give one passphrase, public keys, or both")
    };
    let phrases = recipients.iter().filter(|one| matches!(one, Recipient::Passphrase(_))).count();
    if recipients.is_empty() || recipients.len() > MAX_LOCKS {
        return Err(usage("an archive has one recipient at least and 64 at most"));
    }
    if phrases > 1 {
        return Err(usage("an archive has one passphrase at most"));
    }
    let mut file_key = Zeroizing::new([0; 32]);
    generate::random_bytes(&mut *file_key)?;
    let mut header = MAGIC.to_vec();
    header.push(VERSION);
    header.push(u8::try_from(recipients.len()).unwrap_or(u8::MAX));
    for recipient in recipients {
        let (kind, body) = match recipient {
            Recipient::Passphrase(phrase) => (PASSPHRASE, wrap_for_passphrase(&file_key, phrase)?),
            Recipient::PublicKey(key) => {
                let mut body = key.fingerprint()?.to_vec();
                body.extend(key.wrap_bytes(&*file_key, LABEL)?);
                (PUBLIC_KEY, body)
            }
        };
        header.push(kind);
        let length = u16::try_from(body.len()).map_err(|_| usage("a public key is too long"))?;
        header.extend(length.to_be_bytes());
        header.extend(body);
    }
    let mut salt = [0; SALT];
    generate::random_bytes(&mut salt)?;
    header.extend(salt);
    let tag = authenticator(&file_key, &salt, &header)?.finalize().into_bytes();
    header.extend(tag);
    let key = payload_key(&file_key, &salt)?;
    Ok((header, key))
}

/// Reads a header; answers the key of what follows and the header's length.
pub(super) fn open(input: &mut dyn Read, openers: &[Opener<'_>]) -> Result<(Key, u64)> {
    let Parsed { locks, bytes } = Parsed::read(input)?;
    let (signed, tag) = bytes.split_at(bytes.len() - TAG);
    let salt = &signed[signed.len() - SALT..];
    let mut file_key = None;
    for opener in openers {
        for (lock, body) in &locks {
            if file_key.is_none() {
                file_key = unwrap(opener, *lock, &signed[body.clone()])?;
            }
        }
    }
    let file_key = file_key.ok_or_else(|| {
        Error::new(ErrorKind::Locked, "neither passphrase nor key opens this archive")
            .next_step("give the passphrase, or the master password of a user that it was sealed for")
    })?;
    authenticator(&file_key, salt, signed)?
        .verify_slice(tag)
        .map_err(|_| damaged("it is not what was sealed"))?;
    Ok((payload_key(&file_key, salt)?, bytes.len() as u64))
}

/// A header cut into its locks, each with the place of its body.
struct Parsed {
    locks: Vec<(Lock, std::ops::Range<usize>)>,
    bytes: Vec<u8>,
}

impl Parsed {
    fn read(input: &mut dyn Read) -> Result<Self> {
        let mut bytes = Vec::new();
        let start = take(input, &mut bytes, MAGIC.len() + 2)?;
        if !is_archive(&bytes) {
            return Err(Error::new(ErrorKind::Input, "this is no keyferry archive"));
        }
        let version = bytes[start.end - 2];
        if version != VERSION {
            return Err(Error::new(
                ErrorKind::Input,
                format!("the archive has the format's version {version}"),
            )
            .next_step("use a newer keyferry"));
        }
        let count = usize::from(bytes[start.end - 1]);
        if count == 0 || count > MAX_LOCKS {
            return Err(damaged("a number of recipients that cannot be"));
        }
        let mut locks: Vec<(Lock, _)> = Vec::with_capacity(count);
        for _ in 0..count {
            let head = take(input, &mut bytes, 3)?;
            let (kind, length) =
                (bytes[head.start], u16::from_be_bytes([bytes[head.start + 1], bytes[head.start + 2]]));
            let body = take(input, &mut bytes, usize::from(length))?;
            let content = &bytes[body.clone()];
            let number = |at: usize| {
                content.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes)
            };
            let lock = match kind {
                PASSPHRASE if content.len() == PASSPHRASE_BODY => {
                    let cost = |at| number(at).unwrap_or_default();
                    Lock::Passphrase(Cost { memory: cost(0), passes: cost(4), lanes: cost(8) })
                }
                PUBLIC_KEY => match content.first_chunk::<FINGERPRINT>() {
                    Some(fingerprint) => Lock::PublicKey(*fingerprint),
                    None => return Err(damaged("a recipient is cut short")),
                },
                _ => return Err(damaged("a recipient of an unknown kind")),
            };
            let phrase = |lock: &Lock| matches!(lock, Lock::Passphrase(_));
            // Each would cost a derivation.
            if phrase(&lock) && locks.iter().any(|(other, _)| phrase(other)) {
                return Err(damaged("more than one passphrase"));
            }
            locks.push((lock, body));
        }
        take(input, &mut bytes, SALT + TAG)?;
        Ok(Self { locks, bytes })
    }
}

/// Reads so many bytes more; answers where they are.
fn take(input: &mut dyn Read, bytes: &mut Vec<u8>, count: usize) -> Result<std::ops::Range<usize>> {
    let start = bytes.len();
    bytes.resize(start + count, 0);
    let came = read_up_to(input, &mut bytes[start..])?;
    if came == count {
        return Ok(start..start + count);
    }
    // The first bytes tell what it is, however short it is.
    if start == 0 && !MAGIC.starts_with(&bytes[..came.min(MAGIC.len())]) {
        return Err(Error::new(ErrorKind::Input, "this is no keyferry archive"));
    }
    Err(damaged("it is cut short"))
}

fn key_of_passphrase(phrase: &SecretString, salt: &[u8], cost: Cost, heavy: bool) -> Result<Aes256Gcm> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.check(heavy)?);
    let mut key = Zeroizing::new([0; 32]);
    argon2
        .hash_password_into(phrase.expose().as_bytes(), salt, &mut *key)
        .map_err(|_| Error::new(ErrorKind::Internal, "no key could be derived from the passphrase"))?;
    Ok(Aes256Gcm::new((&*key).into()))
}

fn wrap_for_passphrase(file_key: &[u8; 32], phrase: &SecretString) -> Result<Vec<u8>> {
    let cost = Cost::default();
    let (mut salt, mut nonce) = ([0; 16], [0; 12]);
    generate::random_bytes(&mut salt)?;
    generate::random_bytes(&mut nonce)?;
    let sealed = key_of_passphrase(phrase, &salt, cost, false)?
        .encrypt(&Nonce::from(nonce), &file_key[..])
        .map_err(|_| Error::new(ErrorKind::Internal, "the file key could not be wrapped"))?;
    let numbers = [cost.memory, cost.passes, cost.lanes].map(u32::to_be_bytes);
    Ok([numbers.as_flattened(), &salt, &nonce, &sealed].concat())
}

type FileKey = Zeroizing<[u8; 32]>;

/// The file key, if this opener fits this lock.
fn unwrap(with: &Opener<'_>, lock: Lock, body: &[u8]) -> Result<Option<FileKey>> {
    let exact = |bytes: &[u8]| bytes.try_into().ok().map(Zeroizing::new);
    match (with, lock) {
        (Opener::Passphrase(phrase) | Opener::HeavyPassphrase(phrase), Lock::Passphrase(cost)) => {
            let heavy = matches!(with, Opener::HeavyPassphrase(_));
            let (salt, rest) = body[12..].split_at(16);
            let (nonce, sealed) = rest.split_at(12);
            let nonce = <[u8; 12]>::try_from(nonce).unwrap_or_default();
            let opened = key_of_passphrase(phrase, salt, cost, heavy)?.decrypt(&Nonce::from(nonce), sealed);
            Ok(opened.ok().map(Zeroizing::new).and_then(|key| exact(&key)))
        }
        (Opener::PrivateKey(keychain), Lock::PublicKey(fingerprint)) => {
            if keychain.public().fingerprint()? != fingerprint {
                return Ok(None);
            }
            let opened = keychain.unwrap_bytes(&body[FINGERPRINT..], LABEL);
            let key = opened.map_err(|error| damaged("the file key does not open").because(error))?;
            Ok(exact(key.expose()))
        }
        _ => Ok(None),
    }
}

fn derived<const N: usize>(file_key: &[u8; 32], salt: &[u8], purpose: &str) -> Result<Zeroizing<[u8; N]>> {
    let mut key = Zeroizing::new([0; N]);
    let info = [LABEL.as_bytes(), b" ", purpose.as_bytes()];
    Hkdf::<Sha256>::new(Some(salt), file_key)
        .expand_multi_info(&info, &mut *key)
        .map_err(|_| Error::new(ErrorKind::Internal, "a key could not be derived"))?;
    Ok(key)
}

fn authenticator(file_key: &[u8; 32], salt: &[u8], signed: &[u8]) -> Result<Hmac<Sha256>> {
    let key = derived::<32>(file_key, salt, "header")?;
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*key)
        .map_err(|_| Error::new(ErrorKind::Internal, "a key has the wrong length"))?;
    mac.update(signed);
    Ok(mac)
}

fn payload_key(file_key: &[u8; 32], salt: &[u8]) -> Result<Key> {
    let derived = derived::<39>(file_key, salt, "payload")?;
    let (mut key, mut prefix) = (Zeroizing::new([0; 32]), [0; 7]);
    key.copy_from_slice(&derived[..32]);
    prefix.copy_from_slice(&derived[32..]);
    Ok(Key::new(&key, prefix))
}

/// Writes a header's bytes.
pub(super) fn write(header: &[u8], output: &mut dyn std::io::Write) -> Result<()> {
    output.write_all(header).map_err(Error::stream)
}
