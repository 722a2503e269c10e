//! Backups of authenticators: records with one field for a one-time code. The name is the issuer, the login the account.

pub(crate) mod aegis;
pub(crate) mod and_otp;
pub(crate) mod free_otp;
pub(crate) mod others;
pub(crate) mod otpauth;
pub(crate) mod proton;
pub(crate) mod stratum;
pub(crate) mod two_fas;

use crate::head::Head;
use crate::json::{self, Members, Value};
use crate::jsonl::twice;
use crate::managers::item::{CodeParts, Item, escaped};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;

/// What a backup says of one code.
#[derive(Default)]
struct Code {
    issuer: String,
    account: String,
    secret: String,
    algorithm: String,
    digits: String,
    period: String,
    counter: String,
    /// As the backup spells it: `totp`, `hotp`, `steam` …
    kind: String,
}

impl Code {
    /// Fills name, login and code of a record.
    fn fill(self, item: &mut Item<'_>) {
        let kind = self.kind.to_ascii_lowercase();
        let parts = CodeParts {
            issuer: &self.issuer,
            account: &self.account,
            secret: &self.secret,
            algorithm: &self.algorithm,
            digits: &self.digits,
            period: &self.period,
        };
        let address = match kind.as_str() {
            "" | "totp" => parts.address(),
            "steam" if !self.secret.is_empty() => format!("steam://{}", self.secret),
            other => {
                let address = parts.address_of(&escaped(other));
                let counted = !self.counter.is_empty() && !address.is_empty();
                if counted { format!("{address}&counter={}", self.counter) } else { address }
            }
        };
        if item.record.name.is_empty() {
            item.record.name =
                if self.issuer.is_empty() { self.account.clone() } else { self.issuer.clone() };
        } else if self.issuer != item.record.name {
            item.field("Issuer", CustomKind::Text, self.issuer);
        }
        item.login(self.account);
        item.code("TOTP", address);
    }
}

/// Whether it is a backup that its passphrase guards.
pub(crate) fn is_sealed(format: &str, head: &Head<'_>) -> bool {
    match format {
        "aegis" => aegis::is_sealed(head),
        "2fas" => two_fas::is_sealed(head),
        "andotp" => and_otp::is_sealed(head),
        "stratum" => stratum::is_sealed(head),
        _ => false,
    }
}

/// The members of what stood sealed in a backup.
fn members_of(value: Value) -> Result<Members> {
    match value {
        Value::Object(members) => match json::duplicate(&members) {
            Some(name) => Err(Error::new(ErrorKind::Input, twice(name))),
            None => Ok(members),
        },
        _ => Err(Error::new(ErrorKind::Input, "what is sealed in this backup is no backup")),
    }
}

/// Bytes in base32 (RFC 4648) without padding, as authenticators show secrets.
pub(crate) fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut five = [0_u8; 8];
        if let Some(start) = five.get_mut(3..3 + chunk.len()) {
            start.copy_from_slice(chunk);
        }
        let number = u64::from_be_bytes(five);
        for index in 0..(chunk.len() * 8).div_ceil(5) {
            let digit = (number >> (35 - 5 * index)) & 31;
            out.push(
                ALPHABET.get(usize::try_from(digit).unwrap_or_default()).copied().map_or('A', char::from),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }
}
