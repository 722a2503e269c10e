//! RSA's private operation by the library that TLS brings along anyway: a fifth of the time of the portable one, which is
//! most of what a command for one secret computes.

use crate::crypto::keychain::Opener;
use crate::secret::SecretBytes;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use zeroize::Zeroizing;

struct AwsLc(OaepPrivateDecryptingKey);

impl Opener for AwsLc {
    fn open(&self, ciphertext: &[u8]) -> Option<SecretBytes> {
        let mut plaintext = Zeroizing::new(vec![0; self.0.min_output_size()]);
        let length = self.0.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut plaintext, None).ok()?.len();
        plaintext.truncate(length);
        Some(SecretBytes::new(std::mem::take(&mut *plaintext)))
    }
}

/// For a private key in PKCS#8 DER; `None` for one of fewer than 2048 bits, which the library does not take.
pub(super) fn of(der: &[u8]) -> Option<Box<dyn Opener>> {
    let key = PrivateDecryptingKey::from_pkcs8(der).ok()?;
    Some(Box::new(AwsLc(OaepPrivateDecryptingKey::new(key).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::account;
    use crate::crypto::keychain::Keychain;
    use crate::secret::SecretString;

    /// Counts what it opens: without it this test would hold of a library that is never asked.
    struct Counted(Box<dyn Opener>, std::sync::Arc<std::sync::atomic::AtomicUsize>);

    impl Opener for Counted {
        fn open(&self, ciphertext: &[u8]) -> Option<SecretBytes> {
            let opened = self.0.open(ciphertext)?;
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Some(opened)
        }
    }

    #[test]
    fn both_implementations_open_the_same_and_refuse_the_same() {
        let account = account::generate(&SecretString::from("a master password")).unwrap();
        let portable = || Keychain::unlock(&account.private_encrypted, &account.master_key).unwrap();
        let count = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let keychain = portable().opened_by(|der| {
            of(der).map(|opener| Box::new(Counted(opener, count.clone())) as Box<dyn Opener>)
        });
        for text in ["", "a vault key", &"x".repeat(190)] {
            let wrapped = portable().public().wrap(&SecretString::from(text)).unwrap();
            assert_eq!(keychain.unwrap(&wrapped).unwrap().expose(), text);
            assert_eq!(portable().unwrap(&wrapped).unwrap().expose(), text);
        }
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 3);
        let damaged = portable().public().wrap(&SecretString::from("a vault key")).unwrap();
        let damaged = damaged.replacen(|c: char| c != 'A', "A", 1);
        for keychain in [&keychain, &portable()] {
            for wrapped in ["", "AAAA", "?"] {
                assert!(keychain.unwrap(wrapped).is_err(), "{wrapped}");
            }
            // Padding of the old kind answers a wrong ciphertext with noise that is seldom text.
            assert_ne!(
                keychain.unwrap(&damaged).ok().as_ref().map(SecretString::expose),
                Some("a vault key")
            );
        }
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 3);
    }
}
