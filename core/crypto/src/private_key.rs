//! A user's private RSA key, and how it opens what was wrapped for it (RFC 8017 §7).
//!
//! With the feature `aws-lc` RSA-OAEP is aws-lc's: constant time like that of the `rsa` crate, in a fraction of the time, and
//! in C. Without it, and for keys that aws-lc does not take (below 2,048 bits), everything is the `rsa` crate's.

use crate::error::{Result, damaged};
use crate::secret::{SecretBytes, SecretString};
use getrandom::SysRng;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, SecretDocument};
use rsa::{Oaep, Pkcs1v15Encrypt};
use sha2::Sha256;

/// A private key, parsed once.
pub(crate) struct PrivateKey {
    key: rsa::PrivateKey,
    #[cfg(feature = "aws-lc")]
    native: Option<aws_lc_rs::rsa::OaepPrivateDecryptingKey>,
}

impl PrivateKey {
    /// Takes a private key in PKCS#8 PEM.
    pub fn from_pem(pem: &SecretString) -> Result<Self> {
        let key = rsa::PrivateKey::from_pkcs8_pem(pem.expose())
            .map_err(|_| damaged("not an RSA private key in PKCS#8 PEM"))?;
        #[cfg(feature = "aws-lc")]
        let native = native(&to_der(&key)?);
        Ok(Self {
            key,
            #[cfg(feature = "aws-lc")]
            native,
        })
    }

    /// The public half.
    pub fn public(&self) -> rsa::PublicKey {
        rsa::PublicKey::from(&self.key)
    }

    /// The key as PKCS#8 DER.
    pub fn to_der(&self) -> Result<SecretDocument> {
        to_der(&self.key)
    }

    /// Opens RSA-OAEP with SHA-256 under a label.
    pub fn open_oaep(&self, wrapped: &[u8], label: &str) -> rsa::Result<SecretBytes> {
        #[cfg(feature = "aws-lc")]
        if let Some(native) = &self.native {
            return opened_natively(native, wrapped, label).ok_or(rsa::Error::Decryption);
        }
        let padding = Oaep::<Sha256>::new_with_label(label.as_bytes());
        self.key.decrypt_blinded(&mut SysRng, padding, wrapped).map(SecretBytes::new)
    }

    /// Opens PKCS#1 v1.5, with implicit rejection: what does not open is answered with bytes that look random.
    pub fn open_pkcs1(&self, wrapped: &[u8]) -> rsa::Result<SecretBytes> {
        self.key.decrypt_blinded(&mut SysRng, Pkcs1v15Encrypt, wrapped).map(SecretBytes::new)
    }
}

fn to_der(key: &rsa::PrivateKey) -> Result<SecretDocument> {
    key.to_pkcs8_der().map_err(|_| damaged("the private key cannot be written"))
}

#[cfg(feature = "aws-lc")]
fn native(der: &SecretDocument) -> Option<aws_lc_rs::rsa::OaepPrivateDecryptingKey> {
    use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
    OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(der.as_bytes()).ok()?).ok()
}

#[cfg(feature = "aws-lc")]
fn opened_natively(
    key: &aws_lc_rs::rsa::OaepPrivateDecryptingKey,
    wrapped: &[u8],
    label: &str,
) -> Option<SecretBytes> {
    let mut bytes = zeroize::Zeroizing::new(vec![0; key.min_output_size()]);
    let algorithm = &aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
    let label = Some(label.as_bytes()).filter(|label| !label.is_empty());
    let length = key.decrypt(algorithm, wrapped, &mut bytes, label).ok()?.len();
    bytes.truncate(length);
    Some(SecretBytes::new(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use super::PrivateKey;
    use crate::secret::SecretString;
    use getrandom::SysRng;
    use rsa::Oaep;
    use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
    use sha2::Sha256;

    /// Of both sizes: one that aws-lc takes and one that it does not.
    #[test]
    fn a_key_opens_its_own_under_the_label_alone() {
        for bits in [1024, 2048] {
            let made = rsa::PrivateKey::new(&mut SysRng, bits).unwrap();
            let pem = made.to_pkcs8_pem(LineEnding::LF).unwrap();
            let key = PrivateKey::from_pem(&SecretString::from(pem.as_str())).unwrap();
            let label = Oaep::<Sha256>::new_with_label(*b"one");
            let wrapped = key.public().encrypt(&mut SysRng, label, b"a secret").unwrap();
            assert_eq!(key.open_oaep(&wrapped, "one").unwrap().expose(), b"a secret", "{bits}");
            for label in ["another", ""] {
                assert!(key.open_oaep(&wrapped, label).is_err(), "{bits} {label}");
            }
            assert!(key.open_oaep(&wrapped[1..], "one").is_err(), "{bits}");
            let mut damaged = wrapped;
            damaged[9] ^= 1;
            assert!(key.open_oaep(&damaged, "one").is_err(), "{bits}");
        }
    }
}
