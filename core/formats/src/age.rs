//! Messages of age (`age-encryption.org/v1`) for X25519 recipients: what SOPS seals its data keys with.
//!
//! ```text
//! stanza   = "-> X25519 " base64(share) LF base64(ChaCha20-Poly1305[wrap, 0](file key))
//! wrap     = HKDF-SHA-256(X25519(identity, share); share ‖ recipient; "age-encryption.org/v1/X25519")
//! tag      = HMAC-SHA-256[HKDF-SHA-256(file key; ""; "header")](header up to "---")
//! payload  = nonce (16) ‖ chunks of 64 KiB, each ChaCha20-Poly1305[HKDF-SHA-256(file key; nonce; "payload"), number ‖ is last]
//! ```
//!
//! The crate `age` was weighed (0.12): its ciphers are of an earlier generation than those of this tree, and it brings
//! translations and their machinery. Recipients of other kinds (SSH, passphrase, plug-ins) are passed over.

use crate::jsonl::base64;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce, Tag};
use curve25519_dalek::montgomery::MontgomeryPoint;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use keyferry_crypto::secret::wiped;
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION: &str = "age-encryption.org/v1";
const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
/// Plaintext of a chunk, and the tag after it.
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
/// Recipients of one message that are tried.
const MOST_STANZAS: usize = 256;

/// What opens messages for one recipient.
pub(crate) struct Identity {
    secret: Zeroizing<[u8; 32]>,
    recipient: [u8; 32],
}

/// Why a message does not open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no message, or not what was written.
    Damaged,
    /// It is for others.
    NotForUs,
}

impl Identity {
    /// The identities of a text: one a line, comments and lines of other kinds passed over.
    pub(crate) fn all(text: &str) -> Vec<Self> {
        text.lines().filter_map(|line| Self::parse(line.trim())).collect()
    }

    /// An identity as age-keygen writes it: Bech32 of 32 bytes.
    fn parse(text: &str) -> Option<Self> {
        let bytes = bech32(text, "age-secret-key-")?;
        let secret = Zeroizing::new(<[u8; 32]>::try_from(&**bytes).ok()?);
        let recipient = wiped(|| MontgomeryPoint::mul_base_clamped(*secret)).to_bytes();
        Some(Self { secret, recipient })
    }

    /// The file key of a stanza for this identity.
    fn unwrap(&self, share: [u8; 32], body: &[u8]) -> Option<Zeroizing<[u8; 16]>> {
        let shared = wiped(|| Zeroizing::new(MontgomeryPoint(share).mul_clamped(*self.secret).to_bytes()));
        // A point of small order: nobody's recipient.
        if *shared == [0; 32] {
            return None;
        }
        let salt = [share, self.recipient].concat();
        let key = derived(&salt, &shared[..], b"age-encryption.org/v1/X25519")?;
        let opened = chacha(&key, [0; 12], body)?;
        <[u8; 16]>::try_from(&**opened).ok().map(Zeroizing::new)
    }
}

/// Opens a message, armoured or not.
pub(crate) fn open(message: &[u8], identities: &[Identity]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let bare;
    let text = message.trim_ascii_start();
    let message = if text.starts_with(BEGIN.as_bytes()) {
        bare = unarmoured(text).ok_or(Fault::Damaged)?;
        &bare
    } else {
        message
    };
    let (header, payload) = Header::parse(message).ok_or(Fault::Damaged)?;
    let keys = header.stanzas.iter().take(MOST_STANZAS).flat_map(|(share, body)| {
        identities.iter().take(MOST_STANZAS).filter_map(|identity| identity.unwrap(*share, body))
    });
    let key = keys.into_iter().next().ok_or(Fault::NotForUs)?;
    let signing = derived(&[], &key[..], b"header").ok_or(Fault::Damaged)?;
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&signing[..]).map_err(|_| Fault::Damaged)?;
    mac.update(header.signed);
    mac.verify_slice(&header.tag).map_err(|_| Fault::Damaged)?;
    let (nonce, chunks) = payload.split_at_checked(16).ok_or(Fault::Damaged)?;
    let key = derived(nonce, &key[..], b"payload").ok_or(Fault::Damaged)?;
    let mut out = Zeroizing::new(Vec::with_capacity(chunks.len()));
    let last = chunks.len().div_ceil(CHUNK + TAG).saturating_sub(1);
    for (number, chunk) in chunks.chunks(CHUNK + TAG).enumerate() {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&(number as u64).to_be_bytes());
        nonce[11] = u8::from(number == last);
        let opened = chacha(&key, nonce, chunk).ok_or(Fault::Damaged)?;
        // Only a message of nothing has an empty chunk.
        if opened.is_empty() && number > 0 {
            return Err(Fault::Damaged);
        }
        out.extend_from_slice(&opened);
    }
    if chunks.is_empty() { Err(Fault::Damaged) } else { Ok(out) }
}

/// What stands before the payload.
struct Header<'a> {
    /// Shares and sealed keys of the recipients that are read.
    stanzas: Vec<([u8; 32], Vec<u8>)>,
    signed: &'a [u8],
    tag: Vec<u8>,
}

impl<'a> Header<'a> {
    fn parse(message: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (mut at, mut stanzas) = (0, Vec::new());
        let mut open: Option<(Option<[u8; 32]>, Vec<u8>)> = None;
        let mut close = |stanza: Option<(Option<[u8; 32]>, Vec<u8>)>| {
            if let Some((Some(share), body)) = stanza {
                stanzas.push((share, body));
            }
        };
        loop {
            let rest = message.get(at..)?;
            let length = memchr::memchr(b'\n', rest)?;
            let line = std::str::from_utf8(rest.get(..length)?).ok()?;
            if at == 0 && line != VERSION {
                return None;
            }
            if let Some(tag) = line.strip_prefix("--- ") {
                close(open.take());
                let signed = message.get(..at + 3)?;
                let tag = BASE64_STANDARD_NO_PAD.decode(tag).ok()?;
                return Some((Self { stanzas, signed, tag }, message.get(at + length + 1..)?));
            }
            if let Some(arguments) = line.strip_prefix("-> ") {
                close(open.take());
                let mut words = arguments.split(' ');
                let is_ours = words.next() == Some("X25519");
                let share = words
                    .next()
                    .filter(|_| is_ours)
                    .and_then(|word| BASE64_STANDARD_NO_PAD.decode(word).ok());
                open = Some((share.and_then(|share| share.try_into().ok()), Vec::new()));
            } else if let Some((_, body)) = &mut open {
                body.extend(BASE64_STANDARD_NO_PAD.decode(line).ok()?);
            } else if at > 0 {
                return None;
            }
            at += length + 1;
        }
    }
}

/// The message within lines of base64.
fn unarmoured(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (body, _) = text.strip_prefix(BEGIN)?.split_once(END)?;
    base64(body)
}

/// `HKDF-SHA-256(secret; salt; purpose)` to 32 bytes, RFC 5869.
fn derived(salt: &[u8], secret: &[u8], purpose: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    wiped(|| Hkdf::<Sha256>::new(Some(salt), secret).expand(purpose, &mut *key)).ok()?;
    Some(key)
}

/// `ChaCha20-Poly1305[key, nonce](sealed)`, whose tag stands at its end.
fn chacha(key: &[u8; 32], nonce: [u8; 12], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (body, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
    let mut body = Zeroizing::new(body.to_vec());
    let (nonce, tag) = (Nonce::from(nonce), Tag::from(<[u8; TAG]>::try_from(tag).ok()?));
    wiped(|| {
        let cipher = ChaCha20Poly1305::new(key.into());
        cipher.decrypt_inout_detached(&nonce, &[], body.as_mut_slice().into(), &tag)
    })
    .ok()?;
    Some(body)
}

/// The bytes of a Bech32 text (BIP 173) with this prefix, in one case.
fn bech32(text: &str, prefix: &str) -> Option<Zeroizing<Vec<u8>>> {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const CHECK: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    if text.len() > 200
        || (text.bytes().any(|b| b.is_ascii_lowercase()) && text.bytes().any(|b| b.is_ascii_uppercase()))
    {
        return None;
    }
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let data = lower.strip_prefix(prefix)?.strip_prefix('1')?;
    let mut digits = Zeroizing::new(Vec::with_capacity(data.len()));
    for byte in data.bytes() {
        digits.push(u8::try_from(ALPHABET.iter().position(|known| *known == byte)?).ok()?);
    }
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let sum = high.chain([0]).chain(low).chain(digits.iter().copied()).fold(1_u32, |sum, digit| {
        let top = sum >> 25;
        let sum = ((sum & 0x01ff_ffff) << 5) ^ u32::from(digit);
        CHECK
            .iter()
            .enumerate()
            .filter(|(bit, _)| top >> bit & 1 == 1)
            .fold(sum, |sum, (_, check)| sum ^ check)
    });
    let length = digits.len().checked_sub(6).filter(|_| sum == 1)?;
    let (mut bits, mut count) = (0_u32, 0);
    let mut out = Zeroizing::new(Vec::with_capacity(length * 5 / 8));
    for digit in digits.iter().take(length) {
        bits = (bits << 5 | u32::from(*digit)) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    // What is left over is padding, of zeros.
    (count < 5 && bits & ((1 << count) - 1) == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 bytes of 7, and its recipient, as another program spells them.
    const IDENTITY: &str = "AGE-SECRET-KEY-1QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSKMP32K";
    const RECIPIENT: &str = "age1zwlyl6h27gzv0lfntr7fcqrjrzqazap8sy5zylkxwneh7llf0dksu37mwt";

    #[test]
    fn identities_are_read_with_their_checksum() {
        let identity = Identity::parse(IDENTITY).unwrap();
        assert_eq!(*identity.secret, [7; 32]);
        assert_eq!(**bech32(RECIPIENT, "age").unwrap(), identity.recipient);
        assert!(Identity::parse(&IDENTITY.to_ascii_lowercase()).is_some());
        for broken in [
            IDENTITY.replace("QURSK", "QURSQ"),
            IDENTITY.replacen('Q', "q", 1),
            IDENTITY.replace("URS", "URB"),
        ] {
            assert!(Identity::parse(&broken).is_none(), "{broken}");
        }
        assert!(Identity::parse("AGE-SECRET-KEY-1").is_none() && Identity::parse("").is_none());
        let file = format!("# created\n\n{IDENTITY}\nAGE-PLUGIN-X-1QQQ\n");
        assert_eq!(Identity::all(&file).len(), 1);
        assert!(Identity::all("# public key: age1x\n\nAGE-PLUGIN-YUBIKEY-1QQQ\n").is_empty());
    }
}
