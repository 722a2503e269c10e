//! One-time codes: RFC 6238 over RFC 4226, and Steam's, which are made the same way and written otherwise.
//!
//! A wrong code is worse than none: it is refused at the other end, where nobody sees why. So what is not understood is an
//! error that says what it is.

use crate::error::{Error, ErrorKind, Result};
use crate::mac::keyed;
use crate::secret::{SecretBytes, SecretString};
use data_encoding::Encoding;
use hmac::{Hmac, KeyInit, Mac};
use std::borrow::Cow;
use std::sync::LazyLock;

/// How codes are made.
#[derive(Clone, Debug)]
pub struct Totp {
    secret: SecretBytes,
    hash: Hash,
    digits: u32,
    period: u64,
    writing: Writing,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// How a code's number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Decimal,
    /// Five characters of [`STEAM`].
    Steam,
}

/// The characters of Steam's codes, the lowest first.
const STEAM: &[u8; 26] = b"23456789BCDFGHJKMNPQRTVWXY";
const STEAM_LENGTH: usize = 5;
/// A longer period is a slip of the pen.
const LONGEST_PERIOD: u64 = 86_400;

impl Totp {
    /// Reads what stands in fields for one-time codes:
    ///
    /// - `otpauth://totp/…?secret=…` with `algorithm`, `digits` (6 to 8), `period` and `encoder=steam`, or `otpauth://steam/…`;
    ///   scheme, type and the names of parameters in any case, the label may be missing, others are of no interest;
    /// - `steam://SECRET`;
    /// - `key=SECRET&step=30&size=6`, as a plug-in of `KeePass` writes it;
    /// - a bare secret in base32, with the defaults SHA-1, 6 digits, 30 seconds.
    ///
    /// Secrets may be in lower case, with white space, hyphens, and without padding.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] says what is not understood, codes by counter (`hotp`) among it, and never the secret.
    pub fn parse(text: &SecretString) -> Result<Self> {
        let text = text.expose().trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
        let scheme = text.split_once(':').map(|(scheme, _)| in_small_letters(scheme));
        match scheme.as_deref() {
            Some("otpauth") => Self::address(text),
            Some("steam") => {
                let secret = text.get("steam:".len()..).unwrap_or_default().trim_matches('/');
                Self::raw(secret).map(Self::steam)
            }
            Some("otpauth-migration") => {
                Err(unusable("it is an export of several codes (otpauth-migration)"))
            }
            Some("motp") => Err(unusable("Mobile-OTP (motp) is not known")),
            Some("yaotp") => Err(unusable("Yandex's codes (yaotp) are not known")),
            Some(_) => Err(unusable("it is an address of another kind than otpauth and steam")),
            None if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("key=")) => {
                Self::query(url::form_urlencoded::parse(text.as_bytes()))
            }
            None => Self::raw(text),
        }
    }

    /// Reads an `otpauth://totp/…` address or a raw secret as Passwork's own command line does: any number of digits from
    /// 1 to 10, and what it does not know makes no difference.
    pub fn parse_as_sdk(text: &SecretString) -> Result<Self> {
        let text = text.expose();
        if !text.starts_with("otpauth:") {
            return Self::raw(text);
        }
        let address = url::Url::parse(text).map_err(|_| unusable("not an otpauth address"))?;
        if address.host_str() != Some("totp") {
            return Err(unusable("only time-based codes (totp) are known"));
        }
        let mut totp = Self::new(SecretBytes::default());
        for (name, value) in address.query_pairs() {
            match name.to_ascii_lowercase().as_str() {
                "secret" => totp.secret = decode_secret(&value)?,
                "algorithm" => totp.hash = hash(&value)?,
                "digits" => totp.digits = number(&value, "digits is no number")?,
                "period" => totp.period = number(&value, "period is no number")?,
                _ => {}
            }
        }
        if totp.secret.is_empty() {
            return Err(unusable("the address has no secret"));
        }
        let digits = totp.digits;
        totp.with_digits(digits)
    }

    fn new(secret: SecretBytes) -> Self {
        Self { secret, hash: Hash::Sha1, digits: 6, period: 30, writing: Writing::Decimal }
    }

    fn raw(text: &str) -> Result<Self> {
        let secret = decode_secret(text)?;
        if secret.is_empty() { Err(unusable("the secret is empty")) } else { Ok(Self::new(secret)) }
    }

    fn steam(self) -> Self {
        Self { writing: Writing::Steam, ..self }
    }

    fn address(text: &str) -> Result<Self> {
        if let Some(parameters) = plain_parameters(text) {
            return Self::query(parameters);
        }
        let address = url::Url::parse(text).map_err(|_| unusable("not an otpauth address"))?;
        let kind = address.host_str().unwrap_or_default().to_ascii_lowercase();
        match kind.as_str() {
            "totp" => Self::query(address.query_pairs()),
            "steam" => Self::query(address.query_pairs()).map(Self::steam),
            "hotp" => Err(unusable("its codes go by a counter (hotp), not by time (totp)")),
            "motp" => Err(unusable("Mobile-OTP (motp) is not known")),
            "yaotp" | "yandex" => Err(unusable("Yandex's codes (yaotp) are not known")),
            _ => Err(unusable("the address names a kind of code other than totp and steam")),
        }
    }

    /// Reads parameters, those of `otpauth` and those that the plug-in `KeeOtp` writes.
    fn query<'a>(parameters: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Result<Self> {
        let mut totp = Self::new(SecretBytes::default());
        let mut digits = None;
        for (name, value) in parameters {
            let name = in_small_letters(name.trim());
            let value = value.trim();
            match name.strip_prefix("amp;").unwrap_or(&name) {
                "secret" | "key" => {
                    let secret = decode_secret(value)?;
                    if !totp.secret.is_empty() && totp.secret != secret {
                        return Err(unusable("it has two secrets"));
                    }
                    totp.secret = secret;
                }
                "algorithm" | "otphashmode" if !value.is_empty() => totp.hash = hash(value)?,
                "digits" | "size" if !value.is_empty() => {
                    digits = Some(number(value, "digits is no number")?);
                }
                "period" | "step" if !value.is_empty() => totp.period = number(value, "period is no number")?,
                "encoder" => match value.to_ascii_lowercase().as_str() {
                    "steam" => totp.writing = Writing::Steam,
                    "" | "default" => {}
                    _ => return Err(unusable("its encoder is not known")),
                },
                "encoding" if !value.eq_ignore_ascii_case("base32") => {
                    return Err(unusable("the secret is written otherwise than in base32"));
                }
                "type" if !value.eq_ignore_ascii_case("totp") => {
                    return Err(unusable("its codes go by a counter (hotp), not by time (totp)"));
                }
                _ => {}
            }
        }
        if totp.secret.is_empty() {
            return Err(unusable("the secret is empty"));
        }
        if !(1..=LONGEST_PERIOD).contains(&totp.period) {
            return Err(unusable("the period is not between a second and a day"));
        }
        match (totp.writing, digits) {
            (Writing::Steam, _) | (Writing::Decimal, None) => {}
            (Writing::Decimal, Some(digits @ 6..=8)) => totp.digits = digits,
            (Writing::Decimal, Some(5)) => {
                return Err(unusable("codes of 5 characters are Steam's, which need encoder=steam"));
            }
            (Writing::Decimal, Some(_)) => return Err(unusable("codes have 6 to 8 digits")),
        }
        Ok(totp)
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
        let mut number = u32::from_be_bytes(bits);
        if self.writing == Writing::Steam {
            let mut code = String::with_capacity(STEAM_LENGTH);
            for _ in 0..STEAM_LENGTH {
                code.push(char::from(STEAM[number as usize % STEAM.len()]));
                number /= 26;
            }
            return SecretString::new(code);
        }
        let code = u64::from(number) % 10_u64.pow(self.digits);
        SecretString::new(format!("{code:0width$}", width = self.digits as usize))
    }
}

fn hash(name: &str) -> Result<Hash> {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match name.to_ascii_uppercase().trim_start_matches("HMAC") {
        "SHA1" | "SHA" => Ok(Hash::Sha1),
        "SHA256" => Ok(Hash::Sha256),
        "SHA512" => Ok(Hash::Sha512),
        _ => Err(unusable("the algorithm is none of SHA1, SHA256, SHA512")),
    }
}

fn number<T: std::str::FromStr>(value: &str, what: &'static str) -> Result<T> {
    value.parse().map_err(|_| unusable(what))
}

/// Characters that nobody sees, and that come along when a secret is copied from a page.
fn in_small_letters(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// The parameters of `otpauth://totp/…?…` where nothing in it means anything else than it says: no escapes, no user, no port.
/// Whatever else stands there is for a reader of addresses, which takes five times as long.
fn plain_parameters(text: &str) -> Option<impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)>> {
    let (label, parameters) = text.strip_prefix("otpauth://totp/")?.split_once('?')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let in_label = |byte: u8| is_plain(byte) || matches!(byte, b'%' | b':' | b'@');
    let in_parameters = |byte: u8| is_plain(byte) || matches!(byte, b'=' | b'&');
    let pair = |pair| {
        let (name, value): (&str, &str) = str::split_once(pair, '=').unwrap_or((pair, ""));
        (Cow::Borrowed(name), Cow::Borrowed(value))
    };
    (label.bytes().all(in_label) && parameters.bytes().all(in_parameters))
        .then(|| parameters.split('&').filter(|pair| !pair.is_empty()).map(pair))
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}')
}

fn unusable(what: &'static str) -> Error {
    Error::new(ErrorKind::Input, format!("no one-time codes from this field: {what}"))
}

fn authenticate<M: Mac + KeyInit>(secret: &[u8], counter: [u8; 8]) -> Vec<u8> {
    let mut mac: M = keyed(secret);
    mac.update(&counter);
    mac.finalize().into_bytes().to_vec()
}

/// Base32 whatever the bits behind the last byte are, made once: making it takes longer than any use of it.
static LENIENT: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut lenient = data_encoding::BASE32_NOPAD.specification();
    lenient.check_trailing_bits = false;
    lenient.encoding().ok()
});

fn decode_secret(text: &str) -> Result<SecretBytes> {
    let encoding = LENIENT.as_ref().ok_or_else(|| unusable("the alphabet is not usable"))?;
    let decode = |text: &str| {
        let decoded = encoding.decode(text.as_bytes()).map(SecretBytes::new);
        decoded.map_err(|_| unusable("the secret is not base32"))
    };
    if text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')) {
        return decode(text);
    }
    // Room for all of it, so that no part of the secret is left where the text stood before it grew.
    let mut cleaned = zeroize::Zeroizing::new(String::with_capacity(text.len()));
    cleaned.extend(
        text.chars()
            .filter(|c| !c.is_whitespace() && !is_invisible(*c) && !matches!(c, '-' | '='))
            .map(|c| c.to_ascii_uppercase()),
    );
    decode(&cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str, at: u64) -> Result<String> {
        Totp::parse(&text.into()).map(|totp| totp.code(at).expose().to_owned())
    }

    #[test]
    fn a_plain_address_says_what_it_says_to_a_reader_of_addresses() {
        for text in [
            "otpauth://totp/Lab:ops?secret=GEZDGNBVGY3TQOJQ",
            "otpauth://totp/?secret=GEZDGNBV&&digits=8&period=60&",
            "otpauth://totp/a%20b@c?=x&secret&SECRET=gezd-gnbv&issuer=a.b_c~d&algorithm=SHA256",
            "otpauth://totp/x..y?secret=AA==&secret=AA",
            "otpauth://totp/%zz?secret=GEZDGNBV&encoder=steam",
        ] {
            let plain: Vec<_> = plain_parameters(text).unwrap().collect();
            let address = url::Url::parse(text).unwrap();
            assert_eq!(address.host_str(), Some("totp"), "{text}");
            assert_eq!(plain, address.query_pairs().collect::<Vec<_>>(), "{text}");
        }
        for text in [
            "otpauth://totp/a?secret=AA#x",
            "otpauth://totp/a?secret=A%41",
            "otpauth://totp/a?secret=A+A",
            "otpauth://totp:1/a?secret=AA",
            "otpauth://totp?secret=AA",
            "otpauth://totp/x/../y?secret=AA",
            "otpauth://TOTP/a?secret=AA",
            "otpauth://totp/a\nb?secret=AA",
        ] {
            assert!(plain_parameters(text).is_none(), "{text}");
        }
    }

    /// RFC 6238, appendix B: eight digits, secrets of the hash's own length.
    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = |length: usize| {
            let digits: Vec<u8> = b"1234567890".iter().copied().cycle().take(length).collect();
            data_encoding::BASE32_NOPAD.encode(&digits)
        };
        for (name, length, codes) in [
            ("SHA1", 20, ["94287082", "07081804", "14050471", "89005924", "69279037", "65353130"]),
            ("sha-256", 32, ["46119246", "68084774", "67062674", "91819424", "90698825", "77737706"]),
            ("HMAC-SHA-512", 64, ["90693936", "25091201", "99943326", "93441116", "38618901", "47863826"]),
        ] {
            let uri = format!("otpauth://totp/x?secret={}&algorithm={name}&digits=8", secret(length));
            let times = [59, 1_111_111_109, 1_111_111_111, 1_234_567_890, 2_000_000_000, 20_000_000_000];
            for (at, wanted) in times.into_iter().zip(codes) {
                assert_eq!(code(&uri, at).unwrap(), wanted, "{name} at {at}");
            }
        }
        // RFC 4226, appendix D: the same truncation, by counter.
        for (counter, wanted) in ["755224", "287082", "359152", "969429", "338314"].into_iter().enumerate() {
            assert_eq!(code(&secret(20), counter as u64 * 30).unwrap(), wanted);
        }
    }

    /// Two codes that Steam made for a published secret.
    #[test]
    fn steams_codes_are_steams_however_they_are_asked_for() {
        const SECRET: &str = "63BEDWCQZKTQWPESARIERL5DTTQFCJTK";
        for text in [
            format!("otpauth://totp/Steam:me?secret={SECRET}&issuer=Steam&encoder=steam"),
            format!("OTPAUTH://TOTP/me?Secret={SECRET}&ENCODER=Steam&digits=5"),
            format!("otpauth://steam/me?secret={SECRET}"),
            format!("steam://{SECRET}"),
            format!(" Steam://{} ", SECRET.to_lowercase()),
        ] {
            assert_eq!(code(&text, 1_511_200_518).unwrap(), "FR8RV", "{text}");
            assert_eq!(code(&text, 1_511_200_714).unwrap(), "9P3VP", "{text}");
        }
    }

    #[test]
    fn spellings_make_no_difference() {
        let wanted = code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59).unwrap();
        for text in [
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ======",
            "\u{feff}GEZDGNBVGY3TQOJQ\u{200b}GEZDGNBVGY3TQOJQ\n",
            "OTPAUTH://TOTP/A:b?SECRET=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            " otpauth://totp?secret=gezdgnbvgy3tqojqgezdgnbvgy3tqojq \r\n",
            "otpauth://totp/?secret=GEZDGNBVGY3TQOJQ%20GEZDGNBVGY3TQOJQ&issuer=&image=x&codeDisplay=1",
            "otpauth://totp/a?issuer=b&amp;secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&amp;digits=6",
            "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=&period=&digits=",
            "key=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&step=30&size=6",
        ] {
            assert_eq!(code(text, 59).unwrap(), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_would_be_wrong_is_refused_by_name() {
        for (text, word) in [
            ("", "empty"),
            ("  ", "empty"),
            ("otpauth://totp/a?secret=", "empty"),
            ("otpauth://totp/a", "empty"),
            ("steam://", "empty"),
            ("otpauth://hotp/a?secret=GEZDGNBV&counter=5", "hotp"),
            ("OtpAuth://HOTP/a?secret=GEZDGNBV", "hotp"),
            ("otpauth://yaotp/a?secret=GEZDGNBV", "Yandex"),
            ("motp://a?secret=GEZDGNBV", "motp"),
            ("otpauth-migration://offline?data=GEZDGNBV", "migration"),
            ("https://example/?secret=GEZDGNBV", "another kind"),
            ("otpauth://totp/a?secret=GEZDGNBV&digits=5", "Steam"),
            ("otpauth://totp/a?secret=GEZDGNBV&digits=9", "6 to 8"),
            ("otpauth://totp/a?secret=GEZDGNBV&digits=x", "digits"),
            ("otpauth://totp/a?secret=GEZDGNBV&period=0", "period"),
            ("otpauth://totp/a?secret=GEZDGNBV&period=99999999", "period"),
            ("otpauth://totp/a?secret=GEZDGNBV&algorithm=MD5", "algorithm"),
            ("otpauth://totp/a?secret=GEZDGNBV&encoder=other", "encoder"),
            ("otpauth://totp/a?secret=GEZDGNBV&secret=GEZDGNB2", "two secrets"),
            ("not base32 at all!", "base32"),
            ("key=GEZDGNBV&type=hotp", "hotp"),
        ] {
            let error = code(text, 59).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input);
            assert!(error.to_string().contains(word), "{text:?}: {error}");
            assert!(!error.to_string().contains("GEZDGNBV"), "{error}");
        }
    }
}
