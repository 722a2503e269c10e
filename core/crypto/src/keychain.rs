//! The user's private key and the vault keys it opens.
//!
//! `vault key = RSA⁻¹(masterKeyEncrypted)`: RSA-OAEP with SHA-256 (RFC 8017 §7.1), or PKCS#1
//! v1.5 as old and short keys need it. A [`Keychain`] in hand is the proof of being unlocked:
//! its private key is parsed once, and each vault key is unwrapped once.

use crate::error::damaged;
use crate::error::{Error, ErrorKind, Result};
use crate::mac::keyed;
use crate::private_key::PrivateKey;
use crate::secret::{SecretBytes, SecretString, wiped};
use crate::{envelope, generate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use getrandom::SysRng;
use hmac::{Hmac, Mac};
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rsa::{Oaep, Pkcs1v15Encrypt};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// OAEP-SHA-256 needs 66 bytes of its own.
const OAEP_OVERHEAD: usize = 2 * 32 + 2;

/// Bytes of the shortest modulus that [`PublicKey::wrap_bytes`] takes: 2048 bits.
const WRAP_MODULUS: usize = 256;

/// What is wrong with a vault key that opens and is not what the vault's own hash says: the server contradicts itself, or
/// whoever shared the vault gave another's.
pub const NOT_THE_VAULTS: &str = "the vault key is not the one the vault was made with";

fn not_opened() -> Error {
    damaged("this private key does not open that key")
}

/// One error, whatever the padding looked like.
fn why_not_opened(error: &rsa::Error) -> Error {
    match error {
        rsa::Error::Rng => generate::no_randomness(),
        _ => not_opened(),
    }
}

/// An unlocked private key and every vault key unwrapped so far.
pub struct Keychain {
    private: PrivateKey,
    public: PublicKey,
    vault_keys: Mutex<HashMap<String, Arc<SecretString>>>,
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keychain(..)")
    }
}

impl Keychain {
    /// Opens a user's private key with the master key.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] where the master key is not the user's.
    pub fn unlock(private_encrypted: &str, master_key: &SecretString) -> Result<Self> {
        let wrong = || {
            Error::new(ErrorKind::Locked, "the master password or master key is wrong")
                .next_step("check the master password; it differs from the login password")
        };
        let pem =
            envelope::decrypt_text(private_encrypted, master_key).map_err(|error| wrong().because(error))?;
        Self::from_pem(&pem).map_err(|error| wrong().because(error))
    }

    /// Takes a private key in PKCS#8 PEM.
    pub fn from_pem(pem: &SecretString) -> Result<Self> {
        let private = PrivateKey::from_pem(pem)?;
        let public = PublicKey(private.public());
        Ok(Self { private, public, vault_keys: Mutex::default() })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Unwraps `base64(RSA(text))`. One error for every failure, so that nothing is learnt from it.
    pub fn unwrap(&self, wrapped: &str) -> Result<SecretString> {
        let ciphertext = STANDARD.decode(wrapped).map_err(|_| not_opened())?;
        let opened =
            self.private.open_oaep(&ciphertext, "").or_else(|_| self.private.open_pkcs1(&ciphertext));
        opened.map_err(|error| why_not_opened(&error))?.into_text().ok_or_else(not_opened)
    }

    /// Unwraps what [`PublicKey::wrap_bytes`] wrapped under the same label: RSA-OAEP alone.
    pub fn unwrap_bytes(&self, wrapped: &[u8], label: &str) -> Result<SecretBytes> {
        self.private.open_oaep(wrapped, label).map_err(|error| why_not_opened(&error))
    }

    /// `HMAC-SHA-256[private key as PKCS#8 DER]("keyferry comparison" ‖ 0)`: what digests are taken under that this user
    /// alone can take again on another day.
    ///
    /// # Errors
    /// Where the private key cannot be written down.
    pub fn comparison_key(&self) -> Result<Zeroizing<[u8; 32]>> {
        let der = self.private.to_der()?;
        Ok(wiped(|| {
            let mut mac: Hmac<Sha256> = keyed(der.as_bytes());
            mac.update(b"keyferry comparison\0");
            Zeroizing::new(mac.finalize().into_bytes().into())
        }))
    }

    /// Unwraps a vault key, once: later calls with the same ciphertext find it here.
    ///
    /// Implicit rejection in PKCS#1 v1.5 answers random bytes instead of an error, so the key is
    /// checked against the vault's hash where there is one, and against the alphabet where not:
    /// at every call, since a server may show one vault's key under another vault's name.
    pub fn vault_key(&self, wrapped: &str, proof: Option<VaultProof<'_>>) -> Result<Arc<SecretString>> {
        let cache = || self.vault_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cache().get(wrapped).cloned();
        let key = known.clone().map_or_else(|| self.unwrap(wrapped).map(Arc::new), Ok)?;
        let genuine = match proof {
            Some(proof) => proof.matches(&key),
            None => generate::is_key(&key),
        };
        if !genuine {
            return Err(if proof.is_some() { damaged(NOT_THE_VAULTS) } else { not_opened() });
        }
        if known.is_none() {
            cache().insert(wrapped.to_owned(), Arc::clone(&key));
        }
        Ok(key)
    }
}

/// What a vault publishes about its key: `hash = hex(SHA-256(vault key ‖ salt))`.
#[derive(Clone, Copy, Debug)]
pub struct VaultProof<'a> {
    /// 64 hexadecimal digits.
    pub hash: &'a str,
    /// 32 characters.
    pub salt: &'a str,
}

impl VaultProof<'_> {
    fn matches(&self, key: &SecretString) -> bool {
        vault_key_hash(key, self.salt).as_bytes().ct_eq(self.hash.to_ascii_lowercase().as_bytes()).into()
    }
}

/// `hex(SHA-256(vault key ‖ salt))`, texts joined.
#[must_use]
pub fn vault_key_hash(key: &SecretString, salt: &str) -> String {
    let hash = || Sha256::new().chain_update(key.expose()).chain_update(salt).finalize();
    data_encoding::HEXLOWER.encode(&wiped(hash))
}

/// `HMAC-SHA-256(vault key, "keyferry vault pin" ‖ 0 ‖ vault id)`: tells whether a vault's key is the one that was seen
/// before, and nothing else about it.
#[must_use]
pub fn vault_key_pin(key: &SecretString, vault_id: &str) -> [u8; 32] {
    wiped(|| {
        let mut mac: Hmac<Sha256> = keyed(key.expose().as_bytes());
        mac.update(b"keyferry vault pin\0");
        mac.update(vault_id.as_bytes());
        mac.finalize().into_bytes().into()
    })
}

/// A user's public key.
#[derive(Clone, Debug)]
pub struct PublicKey(rsa::PublicKey);

impl PublicKey {
    /// Reads `SubjectPublicKeyInfo` in PEM.
    pub fn from_pem(pem: &str) -> Result<Self> {
        rsa::PublicKey::from_public_key_pem(pem)
            .map(Self)
            .map_err(|_| Error::new(ErrorKind::Protocol, "not an RSA public key in PEM"))
    }

    /// `SubjectPublicKeyInfo` in PEM.
    pub fn to_pem(&self) -> Result<String> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|_| damaged("the public key cannot be written"))
    }

    /// The same key, where it is strong enough to wrap for: whoever can factor it reads all that is wrapped. What was
    /// wrapped for a weak key before, its private half still opens.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] below 2048 bits or an exponent below 65537.
    pub fn strong(&self) -> Result<&Self> {
        let bits = self.0.n().bit_width();
        // 65537 has 17 bits, and no smaller number of 17 bits is odd.
        if bits < 2048 || self.0.e().bit_width() < 17 {
            return Err(Error::new(
                ErrorKind::NotAllowed,
                format!("a public key of {bits} bits is too weak to wrap keys for, or its exponent is"),
            )
            .next_step("have its user make a new key pair of at least 2048 bits first"));
        }
        Ok(self)
    }

    /// Wraps a key: `base64(RSA-OAEP(text))`, or PKCS#1 v1.5 where OAEP does not fit (1024 bits).
    pub fn wrap(&self, key: &SecretString) -> Result<String> {
        let text = key.expose().as_bytes();
        let wrapped = if text.len() + OAEP_OVERHEAD <= self.0.size() {
            self.0.encrypt(&mut SysRng, Oaep::<Sha256>::new(), text)
        } else {
            self.0.encrypt(&mut SysRng, Pkcs1v15Encrypt, text)
        };
        wrapped.map(|bytes| STANDARD.encode(bytes)).map_err(|error| match error {
            rsa::Error::Rng => generate::no_randomness(),
            _ => Error::new(ErrorKind::Protocol, "the public key is too short for a vault key"),
        })
    }

    /// `SHA-256(SubjectPublicKeyInfo in DER)`: which key this is.
    pub fn fingerprint(&self) -> Result<[u8; 32]> {
        let der = self.0.to_public_key_der().map_err(|_| damaged("the public key cannot be written"))?;
        Ok(Sha256::digest(der.as_bytes()).into())
    }

    /// `RSA-OAEP[label](bytes)` with SHA-256 (RFC 8017 §7.1), for what is ours: no PKCS#1 v1.5, and
    /// no key below 2048 bits. The label keeps what was wrapped for one purpose from serving another.
    pub fn wrap_bytes(&self, bytes: &[u8], label: &str) -> Result<Vec<u8>> {
        if self.0.size() < WRAP_MODULUS {
            return Err(Error::new(ErrorKind::Refused, "the public key has fewer than 2048 bits")
                .next_step("seal for a passphrase, or for a user with a longer key"));
        }
        self.0.encrypt(&mut SysRng, Oaep::<Sha256>::new_with_label(label.as_bytes()), bytes).map_err(
            |error| match error {
                rsa::Error::Rng => generate::no_randomness(),
                _ => Error::new(ErrorKind::Internal, "the public key does not take what is to be wrapped"),
            },
        )
    }
}
