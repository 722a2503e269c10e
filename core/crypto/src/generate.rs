//! New keys, salts and passwords, from the system's randomness.

use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretString;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// The 64 characters of keys and salts: six bits each.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@!";

/// Characters of a vault, record or attachment key: 600 bits.
pub const KEY_CHARACTERS: usize = 100;
/// Characters of a vault's salt.
pub const VAULT_SALT_CHARACTERS: usize = 32;
/// Characters of a master key's salt.
pub const MASTER_KEY_SALT_CHARACTERS: usize = 20;

/// Fills `bytes` from the system.
///
/// # Errors
/// Where the system has no randomness to give.
pub fn random_bytes(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| no_randomness().because(error.to_string()))
}

/// Where a system has no `getrandom` call and no `/dev/random`.
pub(crate) fn no_randomness() -> Error {
    Error::new(ErrorKind::Internal, "the system gave no randomness")
        .next_step("in a container, give it /dev/random")
}

/// Text of `characters` drawn uniformly from the alphabet.
fn text(characters: usize) -> Result<String> {
    let mut bytes = Zeroizing::new(vec![0; characters]);
    random_bytes(&mut bytes)?;
    Ok(spell(&bytes))
}

/// A character for each byte. 256 is a multiple of 64, so the low six bits are uniform.
fn spell(bytes: &[u8]) -> String {
    let text = bytes.iter().map(|byte| ALPHABET[usize::from(byte & 63)]).collect();
    // The alphabet is ASCII.
    String::from_utf8(text).unwrap_or_default()
}

/// A vault, record or attachment key.
pub fn key() -> Result<SecretString> {
    text(KEY_CHARACTERS).map(SecretString::new)
}

/// Several keys from one request to the system.
pub fn keys(count: usize) -> Result<Vec<SecretString>> {
    let mut bytes = Zeroizing::new(vec![0; count * KEY_CHARACTERS]);
    random_bytes(&mut bytes)?;
    Ok(bytes.chunks(KEY_CHARACTERS).map(|bytes| SecretString::new(spell(bytes))).collect())
}

/// A salt, which is no secret.
pub fn salt(characters: usize) -> Result<String> {
    text(characters)
}

/// A password: six bits a character.
pub fn password(characters: usize) -> Result<SecretString> {
    text(characters).map(SecretString::new)
}

/// A new RSA key pair of 2048 bits, e = 65537: the public key as `SubjectPublicKeyInfo`, the private
/// key as PKCS#8, both PEM.
pub fn key_pair() -> Result<(String, SecretString)> {
    let failed = |error: String| Error::new(ErrorKind::Internal, "making a key pair failed").because(error);
    let private = PrivateKey::new(&mut getrandom::SysRng, 2048).map_err(|error| match error {
        rsa::Error::Rng => no_randomness(),
        error => failed(error.to_string()),
    })?;
    let pem: Zeroizing<String> = private.to_pkcs8_pem(LineEnding::LF).map_err(|e| failed(e.to_string()))?;
    let public_pem =
        PublicKey::from(&private).to_public_key_pem(LineEnding::LF).map_err(|e| failed(e.to_string()))?;
    Ok((public_pem, SecretString::from(pem.as_str())))
}

/// Whether `text` can be a key: 100 characters of the alphabet.
#[must_use]
pub fn is_key(text: &SecretString) -> bool {
    text.expose().len() == KEY_CHARACTERS && text.expose().bytes().all(|byte| ALPHABET.contains(&byte))
}
