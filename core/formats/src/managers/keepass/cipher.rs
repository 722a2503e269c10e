//! The ciphers: three of whole files, two of what stands protected in them.

use super::key::{Key, sha256};
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _, StreamCipher as _};
use chacha20::ChaCha20;
use salsa20::Salsa20;
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

/// Bytes of a block of either block cipher.
const BLOCK: usize = 16;
const SALSA_NONCE: [u8; 8] = [0xe8, 0x30, 0x09, 0x4b, 0x97, 0x20, 0x5d, 0x2a];

/// A cipher of whole files; keys have 32 bytes, block ciphers are chained (CBC) and padded (PKCS #7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes,
    Twofish,
    ChaCha20,
}

impl Cipher {
    const NAMES: [(Cipher, [u8; 16]); 3] = [
        (Cipher::Aes, *b"\x31\xc1\xf2\xe6\xbf\x71\x43\x50\xbe\x58\x05\x21\x6a\xfc\x5a\xff"),
        (Cipher::Twofish, *b"\xad\x68\xf2\x9f\x57\x6f\x4b\xb9\xa3\x6a\xd4\x7a\xf9\x65\x34\x6c"),
        (Cipher::ChaCha20, *b"\xd6\x03\x8a\x2b\x8b\x6f\x4c\xb5\xa5\x24\x33\x9a\x31\xdb\xb5\x9a"),
    ];

    /// The cipher of that name.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Self::NAMES.iter().find(|(_, own)| own == name).map(|(cipher, _)| *cipher)
    }

    /// Its name in files.
    pub(super) fn name(self) -> [u8; 16] {
        match self {
            Cipher::Aes => Self::NAMES[0].1,
            Cipher::Twofish => Self::NAMES[1].1,
            Cipher::ChaCha20 => Self::NAMES[2].1,
        }
    }

    /// Bytes of an initialisation vector or nonce.
    pub(super) fn vector(self) -> usize {
        match self {
            Cipher::Aes | Cipher::Twofish => BLOCK,
            Cipher::ChaCha20 => 12,
        }
    }

    /// Decrypts in place. `None` where the vector has another length, or the padding is wrong: then the key is.
    pub(super) fn decrypt(self, key: &Key, vector: &[u8], bytes: &mut Zeroizing<Vec<u8>>) -> Option<()> {
        let length = match self {
            Cipher::ChaCha20 => {
                ChaCha20::new_from_slices(&key[..], vector).ok()?.try_apply_keystream(bytes).ok()?;
                return Some(());
            }
            Cipher::Aes => {
                let cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(&key[..], vector).ok()?;
                cipher.decrypt_padded::<Pkcs7>(bytes).ok()?.len()
            }
            Cipher::Twofish => {
                let cipher = cbc::Decryptor::<twofish::Twofish>::new_from_slices(&key[..], vector).ok()?;
                cipher.decrypt_padded::<Pkcs7>(bytes).ok()?.len()
            }
        };
        bytes.truncate(length);
        Some(())
    }

    /// Encrypts in place. The buffer should have a block of room, or a copy of it is made.
    pub(super) fn encrypt(self, key: &Key, vector: &[u8], bytes: &mut Zeroizing<Vec<u8>>) -> Option<()> {
        let length = bytes.len();
        if self != Cipher::ChaCha20 {
            let padded = (length / BLOCK + 1) * BLOCK;
            if bytes.capacity() < padded {
                let mut grown = Zeroizing::new(Vec::with_capacity(padded));
                grown.extend_from_slice(bytes);
                *bytes = grown;
            }
            bytes.resize(padded, 0);
        }
        match self {
            Cipher::ChaCha20 => {
                ChaCha20::new_from_slices(&key[..], vector).ok()?.try_apply_keystream(bytes).ok()
            }
            Cipher::Aes => {
                let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(&key[..], vector).ok()?;
                cipher.encrypt_padded::<Pkcs7>(bytes, length).ok().map(|_| ())
            }
            Cipher::Twofish => {
                let cipher = cbc::Encryptor::<twofish::Twofish>::new_from_slices(&key[..], vector).ok()?;
                cipher.encrypt_padded::<Pkcs7>(bytes, length).ok().map(|_| ())
            }
        }
    }
}

/// The stream that values are protected with, one after the other in the order of the document.
pub(super) enum Stream {
    /// They stand there as they are.
    None,
    /// Boxed, since its state is what matters and it should not be copied about.
    Salsa20(Box<Salsa20>),
    ChaCha20(Box<ChaCha20>),
}

impl Stream {
    /// The number that newer files are written with.
    pub(super) const CHACHA20: u32 = 3;

    /// The stream of that number: 2 is Salsa20, 3 `ChaCha20`. `None` for another.
    pub(super) fn of(number: u32, key: &[u8]) -> Option<Self> {
        match number {
            0 => Some(Stream::None),
            2 => {
                let key = sha256(&[key]);
                Some(Stream::Salsa20(Box::new(Salsa20::new_from_slices(&key[..], &SALSA_NONCE).ok()?)))
            }
            Self::CHACHA20 => {
                let derived: Zeroizing<[u8; 64]> = Zeroizing::new(Sha512::digest(key).into());
                let (key, nonce) = (derived.get(..32)?, derived.get(32..44)?);
                Some(Stream::ChaCha20(Box::new(ChaCha20::new_from_slices(key, nonce).ok()?)))
            }
            _ => None,
        }
    }

    /// Protects or unprotects the next bytes. `None` past the end of the stream.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self {
            Stream::None => Some(()),
            Stream::Salsa20(stream) => stream.try_apply_keystream(bytes).ok(),
            Stream::ChaCha20(stream) => stream.try_apply_keystream(bytes).ok(),
        }
    }
}
