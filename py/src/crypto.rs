//! Passwork's cryptography, one value at a time. `keyferry.crypto` gives these the official client's
//! names and shapes.

use crate::error::Raise;
use keyferry_core::crypto::keychain::{Keychain, PublicKey};
use keyferry_core::crypto::{
    attachment, base32, envelope, generate, master_key as derivation, totp as codes,
};
use keyferry_core::model;
use keyferry_core::secret::{SecretBytes, SecretString};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, PoisonError};

/// Below so many bytes, letting other threads run costs more than it gives.
const WORTH_DETACHING: usize = 2048;

fn maybe_detach<T: Send>(py: Python<'_>, bytes: usize, work: impl FnOnce() -> T + Send) -> T {
    if bytes < WORTH_DETACHING { work() } else { py.detach(work) }
}

/// Bytes into an envelope.
#[pyfunction]
pub fn encrypt(py: Python<'_>, data: &[u8], passphrase: &str) -> PyResult<String> {
    maybe_detach(py, data.len(), || {
        envelope::encrypt(&SecretBytes::new(data.to_vec()), &SecretString::from(passphrase))
    })
    .raise()
}

/// An envelope's bytes.
#[pyfunction]
pub fn decrypt<'py>(py: Python<'py>, text: &str, passphrase: &str) -> PyResult<Bound<'py, PyBytes>> {
    let opened = maybe_detach(py, text.len(), || envelope::decrypt(text, &SecretString::from(passphrase)));
    Ok(PyBytes::new(py, opened.raise()?.expose()))
}

/// An envelope's text. What is no text is an error that does not hold it.
#[pyfunction]
pub fn decrypt_text(py: Python<'_>, text: &str, passphrase: &str) -> PyResult<String> {
    let opened =
        maybe_detach(py, text.len(), || envelope::decrypt_text(text, &SecretString::from(passphrase)));
    opened.raise().map(|text| text.expose().to_owned())
}

/// Passwork's own base32.
#[pyfunction]
pub fn base32_encode(data: &[u8]) -> String {
    base32::encode(data)
}

/// The reverse; what is not of the alphabet is skipped.
#[pyfunction]
pub fn base32_decode<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &base32::decode(text))
}

/// 100 random characters.
#[pyfunction]
pub fn generate_key() -> PyResult<String> {
    generate::key().raise().map(|key| key.expose().to_owned())
}

/// A new RSA key pair as PEM: public, private.
#[pyfunction]
pub fn key_pair(py: Python<'_>) -> PyResult<(String, String)> {
    let (public, private) = py.detach(generate::key_pair).raise()?;
    Ok((public, private.expose().to_owned()))
}

/// A master key from a master password; `options` is `pbkdf:<digest>:<iterations>:<bytes>:<salt>`.
#[pyfunction]
pub fn master_key(py: Python<'_>, password: &str, options: &str) -> PyResult<String> {
    let options = options.parse::<derivation::Options>().raise()?;
    let password = SecretString::from(password);
    Ok(py.detach(|| derivation::derive(&password, &options)).expose().to_owned())
}

/// Private keys that were parsed, the last used first, known by the SHA-256 of their PEM: parsing one
/// takes longer than anything that is done with it.
static PARSED: Mutex<Vec<([u8; 32], Arc<Keychain>)>> = Mutex::new(Vec::new());
const MOST_PARSED: usize = 8;

fn keychain(pem: &str) -> PyResult<Arc<Keychain>> {
    let parsed = || PARSED.lock().unwrap_or_else(PoisonError::into_inner);
    let fingerprint: [u8; 32] = Sha256::digest(pem).into();
    {
        let mut parsed = parsed();
        if let Some(at) = parsed.iter().position(|(known, _)| *known == fingerprint) {
            parsed[..=at].rotate_right(1);
            return Ok(parsed[0].1.clone());
        }
    }
    let keychain = Arc::new(Keychain::from_pem(&SecretString::from(pem)).raise()?);
    let mut parsed = parsed();
    parsed.insert(0, (fingerprint, keychain.clone()));
    parsed.truncate(MOST_PARSED);
    Ok(keychain)
}

/// Forgets every private key and vault key that was kept; they are wiped.
#[pyfunction]
pub fn forget_keys() {
    PARSED.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// What `data` (base64) holds. Vault keys are kept with their private key, so that each is unwrapped
/// once; anything else is unwrapped anew.
pub fn unwrap(data: &str, pem: &str) -> PyResult<Arc<SecretString>> {
    let keychain = keychain(pem)?;
    keychain.vault_key(data, None).or_else(|_| keychain.unwrap(data).map(Arc::new)).raise()
}

/// RSA-OAEP with SHA-256, or PKCS#1 v1.5 where that fails.
#[pyfunction]
pub fn rsa_decrypt<'py>(py: Python<'py>, data: &str, private_pem: &str) -> PyResult<Bound<'py, PyBytes>> {
    let opened = py.detach(|| unwrap(data, private_pem))?;
    Ok(PyBytes::new(py, opened.expose().as_bytes()))
}

/// RSA-OAEP with SHA-256, or PKCS#1 v1.5 where the key is too short; base64.
#[pyfunction]
pub fn rsa_encrypt(data: &str, public_pem: &str) -> PyResult<String> {
    PublicKey::from_pem(public_pem).raise()?.wrap(&SecretString::from(data)).raise()
}

/// The record key of an item, through its vault's key.
#[pyfunction]
pub fn record_key(py: Python<'_>, wrapped: &str, key_encrypted: &str, private_pem: &str) -> PyResult<String> {
    py.detach(|| {
        let vault_key = unwrap(wrapped, private_pem)?;
        envelope::decrypt_text(key_encrypted, &vault_key).raise().map(|key| key.expose().to_owned())
    })
}

/// A file under a record key (none: base64): `encryptedKey`, `encryptedData`, `hash`.
#[pyfunction]
pub fn encrypt_attachment(
    py: Python<'_>,
    content: &[u8],
    record_key: Option<&str>,
) -> PyResult<(String, String, String)> {
    let sealed = py.detach(|| {
        let content = SecretBytes::new(content.to_vec());
        let plain = model::Attachment { name: String::new(), content };
        attachment::encrypt(&plain, record_key.map(SecretString::from).as_ref())
    });
    let sealed = sealed.raise()?;
    Ok((sealed.encrypted_key, sealed.encrypted_data, sealed.hash))
}

/// A file's content, checked against its hash.
#[pyfunction]
pub fn decrypt_attachment<'py>(
    py: Python<'py>,
    encrypted_key: String,
    encrypted_data: String,
    hash: String,
    record_key: Option<&str>,
) -> PyResult<Bound<'py, PyBytes>> {
    let wire =
        keyferry_api::item::Attachment { id: None, name: String::new(), encrypted_key, encrypted_data, hash };
    let opened = py.detach(|| attachment::decrypt(&wire, record_key.map(SecretString::from).as_ref()));
    Ok(PyBytes::new(py, opened.raise()?.content.expose()))
}

/// The hash that Passwork keeps of a file.
#[pyfunction]
pub fn attachment_hash(py: Python<'_>, content: &[u8]) -> String {
    maybe_detach(py, content.len(), || attachment::hash(content))
}

/// The one-time code of a secret or `otpauth:` address at a time in Unix seconds.
#[pyfunction]
pub fn totp(secret: &str, unix_seconds: u64) -> PyResult<String> {
    let totp = codes::Totp::parse(&SecretString::from(secret)).raise()?;
    Ok(totp.code(unix_seconds).expose().to_owned())
}
