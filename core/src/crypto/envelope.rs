//! One encrypted string: `base32′(base64("Salted__" ‖ salt ‖ AES-256-CBC[key, iv](plaintext)))`.
//!
//! `key ‖ iv` are the first 48 bytes of `D1 ‖ D2 ‖ D3`, where `D1 = MD5(passphrase ‖ salt)` and
//! `Di = MD5(Di−1 ‖ passphrase ‖ salt)`: OpenSSL's `EVP_BytesToKey` with one iteration.
//! There is no authentication: most damage goes unnoticed here, and verification compares
//! contents by digest instead.

use super::{base32, damaged, generate};
use crate::error::Result;
use crate::secret::{SecretBytes, SecretString};
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use md5::{Digest, Md5};
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

/// AES key and CBC initialisation vector for a passphrase and a salt.
#[must_use]
pub fn derive_key(passphrase: &SecretString, salt: [u8; 8]) -> Zeroizing<[u8; 48]> {
    let mut derived = Zeroizing::new([0; 48]);
    for round in 0..3 {
        let mut md5 = Md5::new();
        if round > 0 {
            md5.update(&derived[(round - 1) * BLOCK..round * BLOCK]);
        }
        md5.update(passphrase.expose());
        md5.update(salt);
        derived[round * BLOCK..(round + 1) * BLOCK].copy_from_slice(&md5.finalize());
    }
    derived
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

/// Encrypts under a given salt, which makes the result repeatable: for test vectors.
pub fn encrypt_with_salt(plaintext: &[u8], passphrase: &SecretString, salt: [u8; 8]) -> Result<String> {
    let derived = derive_key(passphrase, salt);
    let (key, iv) = derived.split_at(32);
    let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(key, iv)
        .map_err(|_| damaged("a derived key has the wrong length"))?;
    let start = MARKER.len() + salt.len();
    let mut bytes = vec![0; start + (plaintext.len() / BLOCK + 1) * BLOCK];
    bytes[..MARKER.len()].copy_from_slice(MARKER);
    bytes[MARKER.len()..start].copy_from_slice(&salt);
    bytes[start..start + plaintext.len()].copy_from_slice(plaintext);
    // In place: the buffer that held the plaintext now holds only its ciphertext.
    cipher
        .encrypt_padded::<Pkcs7>(&mut bytes[start..], plaintext.len())
        .map_err(|_| damaged("a padded buffer has the wrong length"))?;
    Ok(base32::encode(STANDARD.encode(&bytes).as_bytes()))
}

/// Decrypts an envelope.
///
/// # Errors
/// [`crate::ErrorKind::Decrypt`] where the text is no envelope, is cut, or was made with another
/// passphrase. One wrong passphrase in 256 goes unnoticed: CBC has no authentication.
pub fn decrypt(text: &str, passphrase: &SecretString) -> Result<SecretBytes> {
    // Junk and cut groups are Passwork's to skip, so padding is not insisted on.
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let bytes =
        LENIENT.decode(base32::decode(text)).map_err(|_| damaged("not an envelope: no base64 inside"))?;
    let Some((salt, ciphertext)) = bytes.strip_prefix(MARKER).and_then(|rest| rest.split_first_chunk::<8>())
    else {
        return Err(damaged("not an envelope: the marker is missing"));
    };
    if ciphertext.is_empty() || ciphertext.len() % BLOCK != 0 {
        return Err(damaged("the envelope is cut short"));
    }
    let derived = derive_key(passphrase, *salt);
    let (key, iv) = derived.split_at(32);
    let cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(key, iv)
        .map_err(|_| damaged("a derived key has the wrong length"))?;
    let mut plaintext = ciphertext.to_vec();
    let length = match cipher.decrypt_padded::<Pkcs7>(&mut plaintext) {
        Ok(unpadded) => unpadded.len(),
        Err(_) => return Err(damaged("wrong key, or a damaged envelope")),
    };
    plaintext.truncate(length);
    Ok(SecretBytes::new(plaintext))
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
