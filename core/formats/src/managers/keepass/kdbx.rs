//! The container of KDBX 3.1 and 4: from its bytes to the XML inside.
//!
//! ```text
//! 4:   header ‖ SHA-256(header) ‖ HMAC(header) ‖ (HMAC ‖ length ‖ block) … ; the blocks are cipher(gzip(inner header ‖ XML))
//! 3.1: header ‖ cipher(start ‖ (number ‖ SHA-256 ‖ length ‖ block) …); the blocks are gzip(XML)
//! key  = SHA-256(seed ‖ KDF(composite))
//! HMAC = HMAC-SHA-256[SHA-512(number ‖ SHA-512(seed ‖ KDF(composite) ‖ 1))], the header's number is 2⁶⁴ − 1
//! ```
//!
//! In version 4 a damaged header, a wrong passphrase and a damaged block are three errors. In 3.1 nothing is authenticated:
//! whoever gives a wrong passphrase is told that it may be the file.

use super::bytes::{Bytes, damaged};
use super::cipher::{Cipher, Stream};
use super::kdf::Kdf;
use super::key::{Key, composite, sha256};
use crate::ReadOptions;
use crate::gzip::gunzip;
use crate::jsonl::base64;
use crate::wiped::append;
use crate::xml::Unlock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::secret::{SecretBytes, wiped};
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// How every KDBX begins.
pub(super) const MAGIC: [u8; 8] = *b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5";
/// The header's place in the count of blocks.
const HEADER: u64 = u64::MAX;

/// Fields of headers.
pub(super) mod field {
    pub(in super::super) const END: u8 = 0;
    pub(in super::super) const CIPHER: u8 = 2;
    pub(in super::super) const COMPRESSION: u8 = 3;
    pub(in super::super) const SEED: u8 = 4;
    pub(super) const AES_SEED: u8 = 5;
    pub(super) const AES_ROUNDS: u8 = 6;
    pub(in super::super) const VECTOR: u8 = 7;
    pub(super) const STREAM_KEY: u8 = 8;
    pub(super) const START: u8 = 9;
    pub(super) const STREAM: u8 = 10;
    pub(in super::super) const KDF: u8 = 11;
    pub(in super::super) const INNER_STREAM: u8 = 1;
    pub(in super::super) const INNER_KEY: u8 = 2;
    pub(in super::super) const INNER_BINARY: u8 = 3;
}

/// What is inside.
pub(super) struct Opened {
    /// Ends with the XML.
    plain: Zeroizing<Vec<u8>>,
    xml: usize,
    /// Attachments, in the order that they are referred to by.
    pub(super) binaries: Vec<SecretBytes>,
    /// What protects values; taken once.
    pub(super) unlock: Option<Unlock>,
    /// The hash of the header that the XML of 3.1 repeats.
    pub(super) header: Option<[u8; 32]>,
}

impl Opened {
    /// The document.
    pub(super) fn xml(&self) -> Result<&str> {
        let xml = self.plain.get(self.xml..).unwrap_or_default();
        let xml = xml.strip_prefix(b"\xef\xbb\xbf").unwrap_or(xml);
        std::str::from_utf8(xml).map_err(|_| Error::new(ErrorKind::Input, "the XML in the file is not UTF-8"))
    }
}

/// The outer header of either version.
struct Header<'a> {
    fields: [Option<&'a [u8]>; 16],
}

impl<'a> Header<'a> {
    fn parse(bytes: &mut Bytes<'a>, wide: bool) -> Result<Self> {
        let mut fields = [None; 16];
        loop {
            let name = bytes.u8()?;
            let length = if wide { bytes.u32()? as usize } else { usize::from(bytes.u16()?) };
            let value = bytes.take(length)?;
            if name == field::END {
                return Ok(Self { fields });
            }
            // Others are comments of programs.
            if let Some(place) = fields.get_mut(usize::from(name))
                && place.replace(value).is_some()
            {
                return Err(damaged("its header says something twice"));
            }
        }
    }

    fn get(&self, name: u8) -> Result<&'a [u8]> {
        let value = self.fields.get(usize::from(name)).copied().flatten();
        value.ok_or_else(|| damaged("its header is not whole"))
    }

    fn number(&self, name: u8) -> Result<u32> {
        self.get(name)?
            .try_into()
            .map(u32::from_le_bytes)
            .map_err(|_| damaged("a number in its header is none"))
    }

    fn cipher(&self) -> Result<(Cipher, &'a [u8])> {
        let cipher = Cipher::of(self.get(field::CIPHER)?).ok_or_else(|| {
            Error::new(ErrorKind::Input, "it is encrypted with a cipher that KeePass does not have by itself")
                .next_step("choose AES, ChaCha20 or Twofish in the settings of the database, and save it")
        })?;
        let vector = self.get(field::VECTOR)?;
        if vector.len() != cipher.vector() {
            return Err(damaged("the vector of its cipher has another length"));
        }
        Ok((cipher, vector))
    }

    fn is_compressed(&self) -> Result<bool> {
        match self.number(field::COMPRESSION)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::new(ErrorKind::Input, "it is compressed in another way than gzip")),
        }
    }
}

/// Opens a file.
///
/// # Errors
/// [`ErrorKind::Locked`] for a wrong passphrase or key file, or none; [`ErrorKind::Decrypt`] for what is damaged;
/// [`ErrorKind::Input`] for what asks for too much work or is no KDBX.
pub(super) fn open(file: &[u8], options: &ReadOptions) -> Result<Opened> {
    let mut bytes = Bytes::new(file);
    if bytes.take(MAGIC.len()).ok() != Some(&MAGIC[..]) {
        return Err(Error::new(ErrorKind::Input, "this is no KDBX file").next_step("leave --format out"));
    }
    let (minor, major) = (bytes.u16()?, bytes.u16()?);
    match major {
        3 => open_3(bytes, file, options),
        4 => open_4(bytes, file, options),
        _ => Err(Error::new(ErrorKind::Input, format!("the file has version {major}.{minor} of KDBX"))
            .next_step(if major < 3 {
                "open it in KeePass 2 or KeePassXC and save it"
            } else {
                "use a newer keyferry"
            })),
    }
}

fn wrong_key(options: &ReadOptions) -> &'static str {
    match (&options.passphrase, &options.key_file) {
        (Some(_), None) => "the passphrase is wrong",
        (None, Some(_)) => "the key file is wrong",
        _ => "the passphrase or the key file is wrong",
    }
}

const TRY_AGAIN: &str =
    "look at both: a file may need its passphrase, its key file (--key-file PATH), or both";

fn open_4(mut bytes: Bytes<'_>, file: &[u8], options: &ReadOptions) -> Result<Opened> {
    let header = Header::parse(&mut bytes, true)?;
    let signed = file.get(..bytes.taken()).unwrap_or_default();
    if bytes.array::<32>()? != <[u8; 32]>::from(Sha256::digest(signed)) {
        return Err(damaged("its header is not what was written"));
    }
    let (cipher, vector) = header.cipher()?;
    let compressed = header.is_compressed()?;
    let seed = header.get(field::SEED)?;
    let kdf = Kdf::parse(header.get(field::KDF)?)?;
    kdf.check(options.heavy_kdf)?;
    let keys = Keys::derive(&kdf, &composite(options)?, seed)?;
    if !keys.is_signed(HEADER, &[signed], bytes.array::<32>()?) {
        return Err(Error::new(ErrorKind::Locked, wrong_key(options)).next_step(TRY_AGAIN));
    }
    let mut sealed = Zeroizing::new(Vec::with_capacity(bytes.rest().len()));
    for number in 0.. {
        let tag = bytes.array::<32>()?;
        let length = bytes.array::<4>()?;
        let block = bytes.take(u32::from_le_bytes(length) as usize)?;
        if !keys.is_signed(number, &[&number.to_le_bytes(), &length, block], tag) {
            return Err(damaged(&format!("block {number} is not what was written")));
        }
        if block.is_empty() {
            break;
        }
        sealed.extend_from_slice(block);
    }
    cipher
        .decrypt(&keys.cipher, vector, &mut sealed)
        .ok_or_else(|| damaged("its content does not decrypt"))?;
    let plain = if compressed { gunzip(&sealed)? } else { sealed };
    let mut inner = Bytes::new(&plain);
    let (mut stream, mut key, mut binaries) = (None, &[][..], Vec::new());
    loop {
        let (name, length) = (inner.u8()?, inner.u32()?);
        let value = inner.take(length as usize)?;
        match name {
            field::END => break,
            field::INNER_STREAM => stream = value.try_into().ok().map(u32::from_le_bytes),
            field::INNER_KEY => key = value,
            // The first byte says whether it should be protected in memory: all is, here.
            field::INNER_BINARY => {
                binaries.push(SecretBytes::new(value.get(1..).unwrap_or_default().to_vec()));
            }
            _ => {}
        }
    }
    let xml = inner.taken();
    let unlock = unlocking(stream.unwrap_or_default(), key)?;
    Ok(Opened { plain, xml, binaries, unlock: Some(unlock), header: None })
}

fn open_3(mut bytes: Bytes<'_>, file: &[u8], options: &ReadOptions) -> Result<Opened> {
    let header = Header::parse(&mut bytes, false)?;
    let hash = Sha256::digest(file.get(..bytes.taken()).unwrap_or_default()).into();
    let (cipher, vector) = header.cipher()?;
    let compressed = header.is_compressed()?;
    let bad = |_| damaged("a number in its header is none");
    let rounds = header.get(field::AES_ROUNDS)?.try_into().map(u64::from_le_bytes).map_err(bad)?;
    let kdf = Kdf::Aes { seed: header.get(field::AES_SEED)?.try_into().map_err(bad)?, rounds };
    kdf.check(options.heavy_kdf)?;
    let unlock = unlocking(header.number(field::STREAM)?, header.get(field::STREAM_KEY)?)?;
    let start = header.get(field::START)?;
    let key = sha256(&[header.get(field::SEED)?, &kdf.derive(&composite(options)?)?[..]]);
    let mut sealed = Zeroizing::new(bytes.rest().to_vec());
    let decrypted = cipher.decrypt(&key, vector, &mut sealed).is_some();
    if !decrypted || start.len() != 32 || !bool::from(sealed.get(..32).unwrap_or_default().ct_eq(start)) {
        let what =
            format!("{}, or the file is damaged: this version of KDBX cannot tell", wrong_key(options));
        return Err(Error::new(ErrorKind::Locked, what).next_step(TRY_AGAIN));
    }
    let mut blocks = Bytes::new(sealed.get(32..).unwrap_or_default());
    let mut content = Zeroizing::new(Vec::with_capacity(blocks.rest().len()));
    for number in 0_u32.. {
        let (at, tag) = (blocks.u32()?, blocks.array::<32>()?);
        let length = blocks.u32()?;
        let block = blocks.take(length as usize)?;
        let hash: [u8; 32] = if block.is_empty() { [0; 32] } else { Sha256::digest(block).into() };
        if at != number || tag != hash {
            return Err(damaged(&format!("block {number} is not what was written")));
        }
        if block.is_empty() {
            break;
        }
        append(&mut content, block);
    }
    let plain = if compressed { gunzip(&content)? } else { content };
    Ok(Opened { plain, xml: 0, binaries: Vec::new(), unlock: Some(unlock), header: Some(hash) })
}

/// What unlocks protected values, one after the other.
fn unlocking(stream: u32, key: &[u8]) -> Result<Unlock> {
    let mut stream = Stream::of(stream, key).ok_or_else(|| {
        Error::new(ErrorKind::Input, "its values are protected with a cipher that is no longer in use")
            .next_step("open it in KeePass 2 or KeePassXC and save it")
    })?;
    Ok(Box::new(move |text| {
        let mut bytes = Zeroizing::new(base64(text)?);
        stream.apply(&mut bytes)?;
        Some(bytes)
    }))
}

/// What opens and authenticates a file of version 4.
pub(super) struct Keys {
    pub(super) cipher: Key,
    signing: Zeroizing<[u8; 64]>,
}

impl Keys {
    pub(super) fn derive(kdf: &Kdf, composite: &Key, seed: &[u8]) -> Result<Self> {
        let derived = kdf.derive(composite)?;
        let cipher = sha256(&[seed, &derived[..]]);
        let signing = wiped(|| {
            let mut hash = Sha512::new();
            hash.update(seed);
            hash.update(&derived[..]);
            hash.update([1]);
            Zeroizing::new(hash.finalize().into())
        });
        Ok(Self { cipher, signing })
    }

    fn signer(&self, number: u64, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let mut hash = Sha512::new();
        hash.update(number.to_le_bytes());
        hash.update(&self.signing[..]);
        let key: Zeroizing<[u8; 64]> = Zeroizing::new(hash.finalize().into());
        let mut mac = Hmac::new_from_slice(&key[..]).ok()?;
        for part in parts {
            mac.update(part);
        }
        Some(mac)
    }

    fn is_signed(&self, number: u64, parts: &[&[u8]], tag: [u8; 32]) -> bool {
        self.signer(number, parts).is_some_and(|mac| mac.verify_slice(&tag).is_ok())
    }

    /// The tag of a block: of its number, length and bytes.
    pub(super) fn tag(&self, number: u64, block: &[u8]) -> Option<[u8; 32]> {
        let length = u32::try_from(block.len()).ok()?.to_le_bytes();
        Some(self.signer(number, &[&number.to_le_bytes(), &length, block])?.finalize().into_bytes().into())
    }

    /// The tag of the header.
    pub(super) fn header_tag(&self, header: &[u8]) -> Option<[u8; 32]> {
        Some(self.signer(HEADER, &[header])?.finalize().into_bytes().into())
    }
}
