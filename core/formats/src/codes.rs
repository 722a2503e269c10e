//! Which texts are secrets of one-time codes that every authenticator computes.

use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::SecretString;
use keyferry_crypto::totp::Totp;

/// What is said of a code that nobody computes.
pub(crate) const NO_CODE: &str = "a one-time code of a kind that cannot be computed is a hidden field";

/// Of a type that codes are computed for, or hidden: codes of Steam and counters are not what every authenticator computes.
pub(crate) fn code_kind(value: &SecretString) -> CustomKind {
    const USUAL: &str = "otpauth://totp";
    let text = value.expose().trim();
    let is_usual = text.get(..USUAL.len()).is_some_and(|start| start.eq_ignore_ascii_case(USUAL));
    let may_be_one = is_usual || !text.contains("://");
    if may_be_one && Totp::parse(value).is_ok() { CustomKind::Totp } else { CustomKind::Password }
}
