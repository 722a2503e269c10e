//! One-time codes: RFC 6238 over RFC 4226.

use crate::error::{Error, ErrorKind, Result};
use crate::secret::{SecretBytes, SecretString};
use hmac::{Hmac, KeyInit, Mac};

/// How codes are made.
#[derive(Clone, Debug)]
pub struct Totp {
    secret: SecretBytes,
    hash: Hash,
    digits: u32,
    period: u64,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Totp {
    /// Reads an `otpauth://totp/…` address, or a raw secret in base32 (lower case, spaces, hyphens and
    /// missing padding are fine) with the defaults: SHA-1, 6 digits, 30 seconds.
    pub fn parse(text: &SecretString) -> Result<Self> {
        let text = text.expose();
        if !text.starts_with("otpauth:") {
            return Ok(Self { secret: decode_secret(text)?, hash: Hash::Sha1, digits: 6, period: 30 });
        }
        let address = url::Url::parse(text).map_err(|_| unusable("not an otpauth address"))?;
        if address.host_str() != Some("totp") {
            return Err(unusable("only time-based codes (totp) are known"));
        }
        let mut totp = Self { secret: SecretBytes::default(), hash: Hash::Sha1, digits: 6, period: 30 };
        for (name, value) in address.query_pairs() {
            match name.to_ascii_lowercase().as_str() {
                "secret" => totp.secret = decode_secret(&value)?,
                "algorithm" => {
                    totp.hash = match value.to_ascii_uppercase().replace('-', "").as_str() {
                        "SHA1" => Hash::Sha1,
                        "SHA256" => Hash::Sha256,
                        "SHA512" => Hash::Sha512,
                        _ => return Err(unusable("the algorithm is none of SHA1, SHA256, SHA512")),
                    }
                }
                "digits" => totp.digits = value.parse().map_err(|_| unusable("digits is no number"))?,
                "period" => totp.period = value.parse().map_err(|_| unusable("period is no number"))?,
                _ => {}
            }
        }
        if totp.secret.is_empty() {
            return Err(unusable("the address has no secret"));
        }
        let digits = totp.digits;
        totp.with_digits(digits)
    }

    /// The same secret with another number of digits, 1 to 10.
    pub fn with_digits(self, digits: u32) -> Result<Self> {
        if !(1..=10).contains(&digits) || self.period == 0 {
            return Err(unusable("digits must be 1 to 10 and the period above 0"));
        }
        Ok(Self { digits, ..self })
    }

    /// The code at a time in Unix seconds.
    #[must_use]
    pub fn code(&self, unix_seconds: u64) -> SecretString {
        let counter = (unix_seconds / self.period).to_be_bytes();
        let secret = self.secret.expose();
        let mac = match self.hash {
            Hash::Sha1 => authenticate::<Hmac<sha1::Sha1>>(secret, counter),
            Hash::Sha256 => authenticate::<Hmac<sha2::Sha256>>(secret, counter),
            Hash::Sha512 => authenticate::<Hmac<sha2::Sha512>>(secret, counter),
        };
        let offset = usize::from(mac[mac.len() - 1] & 15);
        let bits = [mac[offset] & 0x7f, mac[offset + 1], mac[offset + 2], mac[offset + 3]];
        let code = u64::from(u32::from_be_bytes(bits)) % 10_u64.pow(self.digits);
        SecretString::new(format!("{code:0width$}", width = self.digits as usize))
    }
}

fn unusable(what: &'static str) -> Error {
    Error::new(ErrorKind::Input, format!("no one-time codes from this field: {what}"))
}

fn authenticate<M: Mac + KeyInit>(secret: &[u8], counter: [u8; 8]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC pads or hashes keys of any length")]
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(&counter);
    mac.finalize().into_bytes().to_vec()
}

fn decode_secret(text: &str) -> Result<SecretBytes> {
    let cleaned: zeroize::Zeroizing<String> = zeroize::Zeroizing::new(
        text.chars()
            .filter(|c| !c.is_whitespace() && *c != '-' && *c != '=')
            .map(|c| c.to_ascii_uppercase())
            .collect(),
    );
    let mut lenient = data_encoding::BASE32_NOPAD.specification();
    lenient.check_trailing_bits = false;
    let encoding = lenient.encoding().map_err(|_| unusable("the alphabet is not usable"))?;
    encoding
        .decode(cleaned.as_bytes())
        .map(SecretBytes::new)
        .map_err(|_| unusable("the secret is not base32"))
}
