//! One encrypted string: `base32′(base64("Salted__" ‖ salt ‖ AES-256-CBC[key, iv](plaintext)))`.
//!
//! Key and initialisation vector come from passphrase and salt by OpenSSL's `EVP_BytesToKey` with
//! MD5 and one iteration (the module `kdf`).
//! There is no authentication: most damage goes unnoticed here, and verification compares
//! contents by digest instead.

use crate::error::Result;
use crate::error::damaged;
use crate::secret::{SecretBytes, SecretString, wiped};
use crate::{base32, generate, kdf};
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use zeroize::Zeroizing;

const MARKER: &[u8; 8] = b"Salted__";
/// What every envelope starts with: base32′ of the first characters of `Salted__` in base64.
pub const PREFIX: &str = "amt4cwv48xb6pp1h";
const BLOCK: usize = 16;

/// Whether `text` looks like an envelope.
#[must_use]
pub fn is_envelope(text: &str) -> bool {
    text.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// AES key (32 bytes) and CBC initialisation vector (16 bytes) for a passphrase and a salt.
#[must_use]
pub fn derive_key(passphrase: &SecretString, salt: [u8; 8]) -> Zeroizing<[u8; 48]> {
    kdf::derive_one(passphrase, salt)
}

/// Encrypts under a fresh salt. About 2.13 characters for each byte.
pub fn encrypt(plaintext: &SecretBytes, passphrase: &SecretString) -> Result<String> {
    encrypt_bytes(plaintext.expose(), passphrase)
}

/// Encrypts text under a fresh salt.
pub fn encrypt_text(plaintext: &str, passphrase: &SecretString) -> Result<String> {
    encrypt_bytes(plaintext.as_bytes(), passphrase)
}

fn encrypt_bytes(plaintext: &[u8], passphrase: &SecretString) -> Result<String> {
    let mut salt = [0; 8];
    generate::random_bytes(&mut salt)?;
    encrypt_with_salt(plaintext, passphrase, salt)
}

/// Encrypts many texts, each under its own passphrase and a fresh salt: several times as fast as
/// one by one, because keys from passphrases of one length are derived together.
pub fn encrypt_texts(texts: &[(&str, &SecretString)]) -> Result<Vec<String>> {
    encrypt_texts_salted(texts, &[])
}

/// The same, with some of the salts chosen, by the number of their text.
pub(crate) fn encrypt_texts_salted(
    texts: &[(&str, &SecretString)],
    chosen: &[(usize, [u8; 8])],
) -> Result<Vec<String>> {
    let mut salts = vec![[0; 8]; texts.len()];
    generate::random_bytes(salts.as_flattened_mut())?;
    for (number, salt) in chosen {
        if let Some(place) = salts.get_mut(*number) {
            *place = *salt;
        }
    }
    let secrets: Vec<_> =
        texts.iter().zip(salts).map(|((_, passphrase), salt)| (*passphrase, salt)).collect();
    let keys = kdf::derive(&secrets);
    let pairs = texts.iter().zip(secrets).zip(keys);
    let mut scratch = Scratch::default();
    wiped(|| {
        pairs.map(|(((text, _), (_, salt)), key)| seal(text.as_bytes(), salt, &key, &mut scratch)).collect()
    })
}

/// Encrypts under a given salt, which makes the result repeatable: for test vectors, and for [marks](crate::mark).
pub fn encrypt_with_salt(plaintext: &[u8], passphrase: &SecretString, salt: [u8; 8]) -> Result<String> {
    wiped(|| seal(plaintext, salt, &derive_key(passphrase, salt), &mut Scratch::default()))
}

/// Buffers of the two inner layers, kept from one envelope to the next. Between envelopes they hold
/// ciphertext only.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    base64: String,
}

fn seal(plaintext: &[u8], salt: [u8; 8], derived: &[u8; 48], scratch: &mut Scratch) -> Result<String> {
    let (key, iv) = derived.split_at(32);
    let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(key, iv)
        .map_err(|_| damaged("a derived key has the wrong length"))?;
    let Scratch { bytes, base64 } = scratch;
    bytes.clear();
    let ciphertext = (plaintext.len() / BLOCK + 1) * BLOCK;
    // Reserved at once: a buffer that grew would leave plaintext behind in its old place.
    bytes.reserve_exact(MARKER.len() + salt.len() + ciphertext);
    bytes.extend_from_slice(MARKER);
    bytes.extend_from_slice(&salt);
    let start = bytes.len();
    bytes.extend_from_slice(plaintext);
    bytes.resize(start + ciphertext, 0);
    // In place: what held the plaintext now holds its ciphertext.
    cipher
        .encrypt_padded::<Pkcs7>(&mut bytes[start..], plaintext.len())
        .map_err(|_| damaged("a padded buffer has the wrong length"))?;
    base64.clear();
    STANDARD.encode_string(&*bytes, base64);
    Ok(base32::encode(base64.as_bytes()))
}

/// Decrypts an envelope.
///
/// # Errors
/// [`crate::ErrorKind::Decrypt`] where the text is no envelope, is cut, or was made with another
/// passphrase. One wrong passphrase in 256 goes unnoticed: CBC has no authentication.
pub fn decrypt(text: &str, passphrase: &SecretString) -> Result<SecretBytes> {
    let sealed = Sealed::parse(text, &mut Vec::new())?;
    let key = derive_key(passphrase, sealed.salt);
    wiped(|| sealed.open(&key))
}

/// Checks what can be seen without a key: both encodings, the marker, whole blocks.
///
/// # Errors
/// [`crate::ErrorKind::Decrypt`] where no key could open it.
pub fn check(text: &str) -> Result<()> {
    Sealed::parse(text, &mut Vec::new()).map(drop)
}

/// The salt of an envelope, which is in the clear.
///
/// # Errors
/// [`crate::ErrorKind::Decrypt`] where it is none.
pub fn salt(text: &str) -> Result<[u8; 8]> {
    Sealed::parse(text, &mut Vec::new()).map(|sealed| sealed.salt)
}

/// Decrypts many envelopes of text, each under its own passphrase: several times as fast as one by
/// one. Each succeeds or fails by itself.
#[must_use]
pub fn decrypt_texts(texts: &[(&str, &SecretString)]) -> Vec<Result<SecretString>> {
    let mut scratch = Vec::new();
    let sealed: Vec<_> = texts.iter().map(|(text, _)| Sealed::parse(text, &mut scratch)).collect();
    // A damaged envelope keeps its lane: its key is derived in vain.
    let salt = |sealed: &Result<Sealed>| sealed.as_ref().map_or([0; 8], |sealed| sealed.salt);
    let secrets: Vec<_> =
        texts.iter().zip(&sealed).map(|((_, passphrase), sealed)| (*passphrase, salt(sealed))).collect();
    let keys = kdf::derive(&secrets);
    wiped(|| sealed.into_iter().zip(keys).map(|(sealed, key)| text(sealed?.open(&key)?)).collect())
}

/// An envelope out of its two encodings.
struct Sealed {
    salt: [u8; 8],
    /// Marker, salt, ciphertext.
    bytes: Vec<u8>,
}

impl Sealed {
    const HEAD: usize = MARKER.len() + 8;

    fn parse(text: &str, scratch: &mut Vec<u8>) -> Result<Self> {
        // Junk and cut groups are Passwork's to skip, so padding is not insisted on.
        const LENIENT: GeneralPurpose = GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        base32::decode_into(text, scratch);
        let bytes = LENIENT.decode(scratch).map_err(|_| damaged("not an envelope: no base64 inside"))?;
        let rest =
            bytes.strip_prefix(MARKER).ok_or_else(|| damaged("not an envelope: the marker is missing"))?;
        match rest.split_first_chunk::<8>() {
            Some((&salt, ciphertext)) if !ciphertext.is_empty() && ciphertext.len() % BLOCK == 0 => {
                Ok(Self { salt, bytes })
            }
            _ => Err(damaged("the envelope is cut short")),
        }
    }

    /// Decrypts in place: the ciphertext's buffer becomes the plaintext's.
    fn open(self, derived: &[u8; 48]) -> Result<SecretBytes> {
        let (key, iv) = derived.split_at(32);
        let cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(key, iv)
            .map_err(|_| damaged("a derived key has the wrong length"))?;
        let mut bytes = Zeroizing::new(self.bytes);
        let length = cipher
            .decrypt_padded::<Pkcs7>(&mut bytes[Self::HEAD..])
            .map_err(|_| damaged("wrong key, or a damaged envelope"))?
            .len();
        bytes.copy_within(Self::HEAD..Self::HEAD + length, 0);
        // What lies behind the text is wiped with the rest: wiping covers the whole buffer.
        bytes.truncate(length);
        Ok(SecretBytes::new(std::mem::take(&mut *bytes)))
    }
}

fn text(plaintext: SecretBytes) -> Result<SecretString> {
    plaintext.into_text().ok_or_else(|| damaged("wrong key, or a damaged envelope: not UTF-8"))
}

/// Decrypts an envelope of text.
pub fn decrypt_text(text: &str, passphrase: &SecretString) -> Result<SecretString> {
    decrypt(text, passphrase)?
        .into_text()
        .ok_or_else(|| damaged("wrong key, or a damaged envelope: not UTF-8"))
}

/// The mode without client-side encryption: base64.
#[must_use]
pub fn encode_plain(plaintext: &[u8]) -> String {
    STANDARD.encode(plaintext)
}

/// Reads the mode without client-side encryption.
pub fn decode_plain(text: &str) -> Result<SecretBytes> {
    STANDARD.decode(text).map(SecretBytes::new).map_err(|_| damaged("not base64"))
}
