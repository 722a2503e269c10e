//! The forms in which a secret may show up in a program's output, and that are hidden with it.

use crate::secrets::quoting::percent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_core::secret::SecretString;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Shorter ones are not looked for: half of all output would be stars.
pub const SHORTEST: usize = 4;

/// Base64 of no more letters stands in one line.
const SHORT_LINE: usize = 48;

/// Letters that by chance stand elsewhere once in 2⁴⁸.
const PIECE: usize = 8;

/// Each way in which programs write the value; none is shorter than [`SHORTEST`] bytes.
pub fn of(secret: &SecretString) -> BTreeSet<Vec<u8>> {
    let value = secret.expose();
    let mut forms = BTreeSet::new();
    if value.len() < SHORTEST {
        return forms;
    }
    let mut add = |form: &[u8]| {
        if form.len() >= SHORTEST {
            forms.insert(form.to_vec());
        }
    };
    for form in texts(value) {
        add(form.as_bytes());
        // A terminal ends lines with two characters, and a log may begin each with a time.
        for line in form.lines() {
            add(line.trim().as_bytes());
            add(line.as_bytes());
        }
    }
    for form in base64(value.as_bytes()) {
        add(form.as_bytes());
        add(form.replace('+', "-").replace('/', "_").as_bytes());
    }
    forms
}

/// As it is, and as documents, addresses and shells have it.
fn texts(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default();
    let ascii = ascii(json);
    let strict = percent(value, b"-._~");
    vec![
        json.replace('/', "\\/"),
        ascii.replace('/', "\\/"),
        json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
        json.to_owned(),
        ascii,
        lower_percent(&strict).replace("%20", "+"),
        lower_percent(&strict),
        strict,
        percent(value, b"-._~/"),
        percent(value, b"-._~!'()*"),
        percent(value, b"-._*").replace("%20", "+"),
        percent(value, b"-._~").replace("%20", "+"),
        value.replace('\'', r"'\''"),
        value.replace('\'', r#"'"'"'"#),
        value.to_owned(),
    ]
}

/// JSON in ASCII alone.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// `%2F` as `%2f`.
fn lower_percent(text: &str) -> String {
    let mut digits = 0;
    text.chars()
        .map(|c| {
            digits = if c == '%' { 3 } else { u8::saturating_sub(digits, 1) };
            if digits > 0 { c.to_ascii_lowercase() } else { c }
        })
        .collect()
}

/// Standard base64 of the value, as it looks wherever it stands in what is encoded: three bytes make four letters, so
/// there are three alignments. Letters that depend on its neighbours are left out.
fn base64(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value);
        // The letters that hold bits of what stands before: none, two or three.
        let skipped = [0, 2, 3][before];
        let certain = bytes.len() * 8 / 6;
        let ended = STANDARD.encode(&bytes);
        forms.push(ended[skipped..certain].to_owned());
        // At the end of what is encoded, with the padding and without.
        forms.push(ended[skipped..].trim_end_matches('=').to_owned());
        forms.push(ended[skipped..].to_owned());
        // With the end of line that `echo` adds.
        bytes.push(b'\n');
        forms.push(STANDARD.encode(&bytes)[skipped..].to_owned());
        // Programs break long ones into lines, of whatever width, and something may stand in front: every piece is
        // looked for. What is found overlaps, so that of a line only an end shorter than a piece may stay.
        if certain - skipped > SHORT_LINE {
            let pieces = ended.as_bytes()[skipped..certain].windows(PIECE);
            forms.extend(pieces.map(|piece| String::from_utf8_lossy(piece).into_owned()));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

    fn hidden(secret: &str, output: &str) -> bool {
        // What no form covers.
        let mut left = output.to_owned();
        for form in of(&secret.into()).iter().rev() {
            left = left.replace(std::str::from_utf8(form).unwrap(), "");
        }
        left.is_empty()
    }

    #[test]
    fn every_way_to_write_a_secret_is_known() {
        let secret = "pläin/t \"x\" it's<&>+é🙂~";
        for form in [
            secret,
            "pläin/t \\\"x\\\" it's<&>+é🙂~",
            "pläin\\/t \\\"x\\\" it's<&>+é🙂~",
            "pl\\u00e4in/t \\\"x\\\" it's<&>+\\u00e9\\ud83d\\ude42~",
            "pl%C3%A4in%2Ft%20%22x%22%20it%27s%3C%26%3E%2B%C3%A9%F0%9F%99%82~",
            "pl%c3%a4in%2ft%20%22x%22%20it%27s%3c%26%3e%2b%c3%a9%f0%9f%99%82~",
            "pl%C3%A4in%2Ft+%22x%22+it%27s%3C%26%3E%2B%C3%A9%F0%9F%99%82%7E",
            "pl\\u00e4in\\/t \\\"x\\\" it's<&>+\\u00e9\\ud83d\\ude42~",
            "pl%c3%a4in%2ft+%22x%22+it%27s%3c%26%3e%2b%c3%a9%f0%9f%99%82~",
            "pläin/t \"x\" it'\\''s<&>+é🙂~",
            "pläin/t \"x\" it'\"'\"'s<&>+é🙂~",
            &STANDARD.encode(secret),
            &URL_SAFE.encode(secret),
            &URL_SAFE_NO_PAD.encode(secret),
            &STANDARD.encode(format!("{secret}\n")),
        ] {
            assert!(hidden(secret, form), "{form}");
        }
    }

    #[test]
    fn base64_of_what_stands_around_a_secret_shows_at_most_half_a_byte_of_it() {
        let secret = "planted-4711";
        for before in ["", "a", "ab", "abc", "login:"] {
            for after in ["", "z", "zz", "\n", ":more"] {
                let encoded = STANDARD.encode(format!("{before}{secret}{after}"));
                let form = of(&secret.into())
                    .into_iter()
                    .rev()
                    .find(|form| encoded.contains(std::str::from_utf8(form).unwrap()));
                let form = form.unwrap_or_else(|| panic!("{encoded}"));
                // Twelve bytes are sixteen letters; at each side one may hold bits of a neighbour.
                assert!(form.len() >= 14, "{encoded}");
            }
        }
    }

    #[test]
    fn base64_broken_into_lines_shows_no_more_than_the_end_of_one() {
        let secret: String = (0..200).map(|n| char::from(b'!' + n % 90)).collect();
        for (before, width) in [("", 76), ("user:", 76), ("ab", 64), ("", 20)] {
            let encoded = STANDARD.encode(format!("{before}{secret}"));
            for line in encoded.as_bytes().chunks(width) {
                let line = std::str::from_utf8(line).unwrap();
                let mut shown = vec![true; line.len()];
                for form in of(&secret.as_str().into()) {
                    let form = String::from_utf8(form).unwrap();
                    for (at, _) in line.match_indices(&form) {
                        shown[at..at + form.len()].fill(false);
                    }
                }
                let ours = line.len() - if encoded.starts_with(line) { before.len() * 4 / 3 + 1 } else { 0 };
                assert!(ours < PIECE || shown.iter().filter(|shown| **shown).count() < PIECE + 2, "{line}");
            }
        }
    }

    #[test]
    fn each_line_of_a_secret_is_one() {
        let forms = of(&"first line\r\nsecond line\n  }\n".into());
        for line in ["first line", "second line", "first line\\r\\nsecond line\\n  }\\n"] {
            assert!(forms.contains(line.as_bytes()), "{line}");
        }
        assert!(!forms.contains(&b"}"[..]));
        assert!(of(&"abc".into()).is_empty());
    }
}
