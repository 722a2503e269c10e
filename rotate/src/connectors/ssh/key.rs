//! A new Ed25519 key pair in OpenSSH's own form (its `PROTOCOL.key`), which every one of its programs reads.

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_core::crypto::generate;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

const KIND: &[u8] = b"ssh-ed25519";
/// The unencrypted form is padded to this.
const BLOCK: usize = 8;
/// Characters of base64 in a line.
const LINE: usize = 70;

/// `"openssh-key-v1\0" ‖ cipher "none" ‖ KDF "none" ‖ KDF options ‖ 1 ‖ public ‖ private`, in base64.
pub fn generate(comment: &str) -> Result<SecretString> {
    let failed = || Error::new(ErrorKind::Internal, "making a key pair failed");
    let pair = Ed25519KeyPair::generate().map_err(|_| failed())?;
    let seed = pair.seed().map_err(|_| failed())?;
    let seed = seed.as_be_bytes().map_err(|_| failed())?;
    let seed = Zeroizing::new(seed.as_ref().to_vec());
    let mut check = [0; 4];
    generate::random_bytes(&mut check)?;
    Ok(written(pair.public_key().as_ref(), &seed, check, comment))
}

fn written(public: &[u8], seed: &[u8], check: [u8; 4], comment: &str) -> SecretString {
    let mut blob = Vec::new();
    string(&mut blob, KIND);
    string(&mut blob, public);

    // Reserved ahead, so that no copy of the secret is left behind by growing.
    let mut private = Zeroizing::new(Vec::with_capacity(512));
    private.extend([check, check].concat());
    string(&mut private, KIND);
    string(&mut private, public);
    string(&mut private, &Zeroizing::new([seed, public].concat()));
    string(&mut private, comment.as_bytes());
    for byte in 1_u8.. {
        if private.len().is_multiple_of(BLOCK) {
            break;
        }
        private.push(byte);
    }

    let mut whole = Zeroizing::new(Vec::with_capacity(1024));
    whole.extend(b"openssh-key-v1\0");
    string(&mut whole, b"none");
    string(&mut whole, b"none");
    string(&mut whole, b"");
    whole.extend(1_u32.to_be_bytes());
    string(&mut whole, &blob);
    string(&mut whole, &private);

    let base64 = Zeroizing::new(STANDARD.encode(&*whole));
    let mut text = String::with_capacity(2048);
    text.push_str("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for (number, letter) in base64.chars().enumerate() {
        if number > 0 && number % LINE == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END OPENSSH PRIVATE KEY-----\n");
    SecretString::new(text)
}

/// The length in four bytes, then the bytes.
fn string(to: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    to.extend(length.to_be_bytes());
    to.extend(bytes);
}
