//! One-time codes, which entries hold in five spellings, and the parts that become one field each.
//!
//! | who | keys |
//! |---|---|
//! | KeePassXC | `otp`: an `otpauth` address |
//! | KeeOtp | `otp`: `key=…&step=…&size=…&otpHashMode=…` |
//! | KeeTrayTOTP, KeePassXC before 2.4 | `TOTP Seed`, `TOTP Settings`: `30;6`, `30;S` for Steam |
//! | KeePass 2.47 | `TimeOtp-Secret`, `-Secret-Hex`, `-Secret-Base32`, `-Secret-Base64`, `TimeOtp-Length`, `-Period`, `-Algorithm` |
//! | KeePass 2.47 | `HmacOtp-Secret…`, `HmacOtp-Counter`: codes by counter, which are hidden fields |
//!
//! What is an address or a bare secret stays as it is; one is built where parts stand apart, and says what is not usual.

use super::field::Field;
use crate::codes::code_kind;
use crate::jsonl::base64;
use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};
use keyferry_crypto::model::{Custom, CustomKind};
use keyferry_crypto::secret::SecretString;
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// How secrets are written besides base32.
const SPELLINGS: [&str; 4] = ["", "-Hex", "-Base32", "-Base64"];

/// What became of an entry's codes.
#[derive(Default)]
pub(super) struct Codes {
    /// Fields, each with the place of that which it came from.
    pub(super) customs: Vec<(usize, Custom)>,
    /// Codes of kinds that no authenticator computes.
    pub(super) unusual: u64,
}

impl Codes {
    fn add(&mut self, place: usize, value: &str) {
        let value = SecretString::from(value);
        let kind = code_kind(&value);
        self.unusual += u64::from(kind == CustomKind::Password);
        let name = match self.customs.len() {
            0 => "TOTP".to_owned(),
            count => format!("TOTP {}", count + 1),
        };
        self.customs.push((place, Custom { name, kind, value }));
    }
}

/// Takes the codes out of an entry's fields. Parts that make no code stay fields of their own.
pub(super) fn take(fields: &mut [Field<'_>], title: &str) -> Codes {
    let mut codes = Codes::default();
    for place in 0..fields.len() {
        let Some(field) = fields.get(place).filter(|field| !field.used && !field.value.is_empty()) else {
            continue;
        };
        match &*field.name {
            "otp" => {
                if let Some(value) = of_otp(field.value.as_str(), title) {
                    codes.add(place, &value);
                    used(fields, &[place]);
                }
            }
            "TOTP Seed" => {
                let settings = find(fields, "TOTP Settings");
                let said = settings.and_then(|at| fields.get(at)).map_or("", |field| field.value.as_str());
                if let Some(value) = of_tray(field.value.as_str(), said, title) {
                    codes.add(place, &value);
                    // A third part, the address to set the clock by, keeps the settings as a field.
                    let settings = settings.filter(|_| !has_clock(said));
                    used(fields, &[Some(place), settings].into_iter().flatten().collect::<Vec<_>>());
                }
            }
            name => {
                let counts = name.starts_with("HmacOtp-Secret");
                if (counts || name.starts_with("TimeOtp-Secret"))
                    && let Some((value, parts)) = of_parts(fields, place, counts, title)
                {
                    codes.add(place, &value);
                    used(fields, &parts);
                }
            }
        }
    }
    codes
}

fn used(fields: &mut [Field<'_>], places: &[usize]) {
    for place in places {
        if let Some(field) = fields.get_mut(*place) {
            field.used = true;
        }
    }
}

fn find(fields: &[Field<'_>], name: &str) -> Option<usize> {
    fields.iter().position(|field| field.name == name && !field.used && !field.value.is_empty())
}

/// KeePassXC's and KeeOtp's: the second is brought into the form of the first.
fn of_otp(text: &str, title: &str) -> Option<Zeroizing<String>> {
    if !text.trim_start().get(..4).is_some_and(|start| start.eq_ignore_ascii_case("key=")) {
        return Some(Zeroizing::new(text.to_owned()));
    }
    let mut parts = Parts::default();
    for pair in text.trim().split('&') {
        let (name, value) = pair.split_once('=')?;
        let value = unescaped(value);
        match name.to_ascii_lowercase().as_str() {
            "key" => parts.secret = value,
            "step" => parts.period = value.parse().ok(),
            "size" => parts.digits = value.parse().ok(),
            "otphashmode" => parts.algorithm = algorithm(&value)?,
            "type" if value.eq_ignore_ascii_case("totp") => {}
            "encoding" if value.eq_ignore_ascii_case("base32") => {}
            // What is not understood is kept as it stands, as a hidden field.
            _ => return Some(Zeroizing::new(text.to_owned())),
        }
    }
    Some(parts.address("totp", title))
}

/// Whether settings of KeeTrayTOTP's name a server to set the clock by.
fn has_clock(settings: &str) -> bool {
    settings.split(';').nth(2).is_some_and(|address| !address.trim().is_empty())
}

/// KeeTrayTOTP's: seconds, then digits or `S`, then an address to set the clock by, which is not needed.
fn of_tray(seed: &str, settings: &str, title: &str) -> Option<Zeroizing<String>> {
    let mut words = settings.split(';').map(str::trim);
    let (period, digits) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if digits.eq_ignore_ascii_case("s") {
        return Some(Zeroizing::new(format!("steam://{}", seed.trim())));
    }
    let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
    let parts = Parts {
        secret: Zeroizing::new(seed.to_owned()),
        period: number(period)?,
        digits: number(digits)?.and_then(|digits| u32::try_from(digits).ok()),
        ..Parts::default()
    };
    Some(parts.address("totp", title))
}

/// KeePass's own: the secret at `place`, and its parameters.
fn of_parts(
    fields: &[Field<'_>],
    place: usize,
    counts: bool,
    title: &str,
) -> Option<(Zeroizing<String>, Vec<usize>)> {
    let prefix = if counts { "HmacOtp" } else { "TimeOtp" };
    let field = fields.get(place)?;
    let spelling = field.name.strip_prefix(prefix)?.strip_prefix("-Secret")?;
    // Where there are several, KeePass takes the first of these; the others are fields.
    let first = SPELLINGS.iter().find(|one| find(fields, &format!("{prefix}-Secret{one}")).is_some())?;
    if *first != spelling {
        return None;
    }
    let text = field.value.as_str();
    let secret = match spelling {
        "" => Zeroizing::new(BASE32_NOPAD.encode(text.as_bytes())),
        "-Hex" => {
            let digits: Zeroizing<Vec<u8>> =
                Zeroizing::new(text.bytes().filter(u8::is_ascii_hexdigit).collect());
            let bytes = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(&digits).ok()?);
            Zeroizing::new(BASE32_NOPAD.encode(&bytes))
        }
        "-Base64" => Zeroizing::new(BASE32_NOPAD.encode(&Zeroizing::new(base64(text.trim())?))),
        _ => Zeroizing::new(text.to_owned()),
    };
    let mut places = vec![place];
    let mut part = |name: &str| {
        let at = find(fields, &format!("{prefix}-{name}"))?;
        places.push(at);
        fields.get(at).map(|field| field.value.as_str().trim())
    };
    let mut parts = Parts { secret, ..Parts::default() };
    if counts {
        parts.counter = Some(part("Counter").map_or(Some(0), |text| text.parse().ok())?);
        return Some((parts.address("hotp", title), places));
    }
    if let Some(text) = part("Period") {
        parts.period = Some(text.parse().ok()?);
    }
    if let Some(text) = part("Length") {
        parts.digits = Some(text.parse().ok()?);
    }
    if let Some(text) = part("Algorithm") {
        parts.algorithm = algorithm(text)?;
    }
    Some((parts.address("totp", title), places))
}

/// `HMAC-SHA-256`, `Sha256` and others; `None` for what nobody knows.
fn algorithm(text: &str) -> Option<&'static str> {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    match letters.to_ascii_uppercase().trim_start_matches("HMAC") {
        "" | "SHA1" => Some("SHA1"),
        "SHA256" => Some("SHA256"),
        "SHA512" => Some("SHA512"),
        _ => None,
    }
}

struct Parts {
    secret: Zeroizing<String>,
    period: Option<u64>,
    digits: Option<u32>,
    algorithm: &'static str,
    counter: Option<u64>,
}

impl Default for Parts {
    fn default() -> Self {
        Self { secret: Zeroizing::default(), period: None, digits: None, algorithm: "SHA1", counter: None }
    }
}

impl Parts {
    /// The bare secret where all else is as usual; an address otherwise.
    fn address(&self, kind: &str, title: &str) -> Zeroizing<String> {
        let period = self.period.filter(|period| *period != 30);
        let digits = self.digits.filter(|digits| *digits != 6);
        if kind == "totp" && period.is_none() && digits.is_none() && self.algorithm == "SHA1" {
            return self.secret.clone();
        }
        let mut out = Zeroizing::new(String::with_capacity(title.len() * 3 + self.secret.len() * 3 + 128));
        let _ = write!(out, "otpauth://{kind}/");
        escape(title, &mut out);
        out.push_str("?secret=");
        let compact = Zeroizing::new(self.secret.chars().filter(|c| !c.is_whitespace()).collect::<String>());
        escape(&compact, &mut out);
        if let Some(counter) = self.counter {
            let _ = write!(out, "&counter={counter}");
        }
        if let Some(period) = period {
            let _ = write!(out, "&period={period}");
        }
        if let Some(digits) = digits {
            let _ = write!(out, "&digits={digits}");
        }
        if self.algorithm != "SHA1" {
            let _ = write!(out, "&algorithm={}", self.algorithm);
        }
        out
    }
}

/// Percent-encodes all but what every part of an address may hold.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Undoes it; what is no escape stays.
fn unescaped(text: &str) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = (*byte == b'%')
            .then(|| after.get(..2).and_then(|two| std::str::from_utf8(two).ok()))
            .flatten()
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(escaped.unwrap_or(*byte));
        rest = after.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Text;
    use std::borrow::Cow;

    fn codes(pairs: &[(&'static str, &str)]) -> (Vec<String>, Vec<String>) {
        let field = |(name, value): &(&'static str, &str)| Field {
            name: Cow::Borrowed(name),
            value: Text::Made(Zeroizing::new((*value).to_owned())),
            hidden: true,
            used: false,
        };
        let mut fields: Vec<_> = pairs.iter().map(field).collect();
        let codes = take(&mut fields, "My title");
        let shown = codes
            .customs
            .iter()
            .map(|(_, one)| format!("{} {} {}", one.name, one.kind.as_str(), one.value.expose()))
            .collect();
        (shown, fields.iter().filter(|field| !field.used).map(|field| field.name.to_string()).collect())
    }

    #[test]
    fn each_spelling_becomes_one_field() {
        const B: &str = "GEZDGNBVGY3TQOJQ";
        for (pairs, wanted) in [
            (
                vec![("otp", "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ&period=60")],
                "totp otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ&period=60",
            ),
            (vec![("otp", B)], "totp GEZDGNBVGY3TQOJQ"),
            (vec![("otp", "key=GEZDGNBVGY3TQOJQ")], "totp GEZDGNBVGY3TQOJQ"),
            (
                vec![("otp", "key=GEZDGNBVGY3TQOJQ%3d%3d&step=60&size=8&otpHashMode=Sha256")],
                "totp otpauth://totp/My%20title?secret=GEZDGNBVGY3TQOJQ%3D%3D&period=60&digits=8&algorithm=SHA256",
            ),
            (
                vec![("otp", "key=GEZDGNBVGY3TQOJQ&type=Hotp&counter=3")],
                "password key=GEZDGNBVGY3TQOJQ&type=Hotp&counter=3",
            ),
            (
                vec![("TOTP Seed", "gezd gnbv gy3t qojq"), ("TOTP Settings", "30;6")],
                "totp gezd gnbv gy3t qojq",
            ),
            (
                vec![("TOTP Settings", "60;8"), ("TOTP Seed", B)],
                "totp otpauth://totp/My%20title?secret=GEZDGNBVGY3TQOJQ&period=60&digits=8",
            ),
            (vec![("TOTP Seed", B)], "totp GEZDGNBVGY3TQOJQ"),
            (vec![("TOTP Seed", B), ("TOTP Settings", "30;S")], "password steam://GEZDGNBVGY3TQOJQ"),
            (vec![("TimeOtp-Secret-Base32", B)], "totp GEZDGNBVGY3TQOJQ"),
            (vec![("TimeOtp-Secret", "1234567890")], "totp GEZDGNBVGY3TQOJQ"),
            (vec![("TimeOtp-Secret-Hex", "31 32 33 34 35 36 37 38 39 30")], "totp GEZDGNBVGY3TQOJQ"),
            (vec![("TimeOtp-Secret-Base64", "MTIzNDU2Nzg5MA==")], "totp GEZDGNBVGY3TQOJQ"),
            (
                vec![
                    ("TimeOtp-Algorithm", "HMAC-SHA-512"),
                    ("TimeOtp-Length", "8"),
                    ("TimeOtp-Period", "45"),
                    ("TimeOtp-Secret-Hex", "31323334353637383930"),
                ],
                "totp otpauth://totp/My%20title?secret=GEZDGNBVGY3TQOJQ&period=45&digits=8&algorithm=SHA512",
            ),
            (
                vec![("HmacOtp-Secret-Base32", B), ("HmacOtp-Counter", "7")],
                "password otpauth://hotp/My%20title?secret=GEZDGNBVGY3TQOJQ&counter=7",
            ),
        ] {
            let (shown, left) = codes(&pairs);
            assert_eq!(shown, [format!("TOTP {wanted}")], "{pairs:?}");
            assert_eq!(left, Vec::<String>::new(), "{pairs:?}");
        }
    }

    #[test]
    fn what_is_no_code_stays_a_field_and_several_are_numbered() {
        let (shown, left) =
            codes(&[("TimeOtp-Secret-Hex", "123"), ("TimeOtp-Period", "60"), ("TOTP Settings", "30;6")]);
        assert_eq!((shown.len(), left.len()), (0, 3));
        let (shown, left) = codes(&[("TOTP Seed", "GEZDGNBV"), ("TOTP Settings", "a;b"), ("otp", "")]);
        assert_eq!((shown.len(), left.len()), (0, 3));
        let settings = ("TOTP Settings", "60;8;https://time.example");
        let (shown, left) = codes(&[settings, ("TOTP Seed", "GEZDGNBVGY3TQOJQ")]);
        assert_eq!((shown.len(), left), (1, vec!["TOTP Settings".to_owned()]), "whose clock it goes by");
        let (shown, left) = codes(&[
            ("otp", "GEZDGNBVGY3TQOJQ"),
            ("TOTP Seed", "GEZDGNBVGY3TQOJA"),
            ("TimeOtp-Secret-Base64", "MTIzNDU2Nzg5MA=="),
            ("TimeOtp-Secret-Hex", "3132"),
        ]);
        assert!(shown[1].starts_with("TOTP 2 ") && shown[2].starts_with("TOTP 3 totp GEZA"), "{shown:?}");
        assert_eq!(left, ["TimeOtp-Secret-Base64"]);
    }
}
