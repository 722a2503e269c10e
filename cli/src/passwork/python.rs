//! How Python shows values, and how it words what is wrong with texts.

use crate::passwork::value::Value;
use keyferry_core::secret::{SecretBytes, SecretString};
use std::fmt::Write as _;

/// `print(value)`, without the end of line.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.expose().to_owned(),
        other => repr(other),
    }
}

/// `repr(value)`.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    put_repr(value, &mut out);
    out
}

fn put_repr(value: &Value, out: &mut String) {
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(digits) => out.push_str(digits),
        Value::Float(number) => out.push_str(&float(*number)),
        Value::Text(text) => put_text(text.expose(), out),
        Value::List(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                put_repr(value, out);
            }
            out.push(']');
        }
        Value::Dict(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                put_text(name, out);
                out.push_str(": ");
                put_repr(value, out);
            }
            out.push('}');
        }
    }
}

/// `repr(text)`: single quotes, unless the text holds some and no double ones.
pub fn text_repr(text: &str) -> String {
    let mut out = String::new();
    put_text(text, &mut out);
    out
}

fn put_text(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        // Writing to a text cannot fail.
        let _ = match character {
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            c if c == quote => write!(out, "\\{c}"),
            c if is_printable(c) => out.write_char(c),
            c => match u32::from(c) {
                code @ 0..=0xff => write!(out, "\\x{code:02x}"),
                code @ 0x100..=0xffff => write!(out, "\\u{code:04x}"),
                code => write!(out, "\\U{code:08x}"),
            },
        };
    }
    out.push(quote);
}

/// Rust escapes what Python does: control and format characters, unassigned ones, separators other than the space.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    // As the second character of a text: the first would be escaped where it joins with what is before it.
    let mut pair = String::from("a");
    pair.push(character);
    pair.escape_debug().nth(1) != Some('\\')
}

/// `repr(number)`: as few digits as tell it from its neighbours.
pub fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// `json.dumps(value, indent=2)`: nothing but ASCII.
pub fn dumps(value: &Value) -> String {
    let mut out = String::new();
    put_json(value, Some(0), &mut out);
    out
}

/// `json.dumps(value)`, without spaces.
pub fn dumps_compact(value: &Value) -> String {
    let mut out = String::new();
    put_json(value, None, &mut out);
    out
}

fn put_json(value: &Value, depth: Option<usize>, out: &mut String) {
    match value {
        Value::None => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(digits) => out.push_str(digits),
        Value::Float(number) => out.push_str(&match number {
            number if number.is_nan() => "NaN".to_owned(),
            number if number.is_infinite() => if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
            number => float(*number),
        }),
        Value::Text(text) => put_json_text(text.expose(), out),
        Value::List(values) => put_json_all(values.iter(), depth, ['[', ']'], out, put_json),
        Value::Dict(members) => {
            put_json_all(members.iter(), depth, ['{', '}'], out, |(name, value), depth, out| {
                put_json_text(name, out);
                out.push_str(if depth.is_some() { ": " } else { ":" });
                put_json(value, depth, out);
            });
        }
    }
}

fn put_json_all<T>(
    all: impl ExactSizeIterator<Item = T>,
    depth: Option<usize>,
    [open, close]: [char; 2],
    out: &mut String,
    put: impl Fn(T, Option<usize>, &mut String),
) {
    let line = |depth: Option<usize>, out: &mut String| {
        if let Some(depth) = depth {
            let _ = write!(out, "\n{:width$}", "", width = 2 * depth);
        }
    };
    let empty = all.len() == 0;
    let inside = depth.map(|depth| depth + 1);
    out.push(open);
    for (index, one) in all.enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        line(inside, out);
        put(one, inside, out);
    }
    if !empty {
        line(depth, out);
    }
    out.push(close);
}

fn put_json_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let _ = match character {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            '\u{8}' => out.write_str("\\b"),
            '\u{c}' => out.write_str("\\f"),
            ' '..='~' => out.write_char(character),
            _ => character.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}")),
        };
    }
    out.push('"');
}

/// `bytes.decode("utf-8")`, or what Python says instead.
pub fn decode_utf8(bytes: SecretBytes) -> Result<SecretString, String> {
    if let Err(error) = std::str::from_utf8(bytes.expose()) {
        let (start, length) = (error.valid_up_to(), bytes.len());
        let first = bytes.expose().get(start).copied().unwrap_or_default();
        let why = match (error.error_len(), first) {
            (None, _) => "unexpected end of data",
            (Some(_), 0xc2..=0xf4) => "invalid continuation byte",
            _ => "invalid start byte",
        };
        let end = error.error_len().map_or(length, |wrong| start + wrong);
        return Err(if end - start > 1 {
            format!("'utf-8' codec can't decode bytes in position {start}-{}: {why}", end - 1)
        } else {
            format!("'utf-8' codec can't decode byte 0x{first:02x} in position {start}: {why}")
        });
    }
    bytes.into_text().ok_or_else(String::new)
}

/// `base64.b64decode(text)`: skips what is not of the alphabet, and ends at padding.
pub fn decode_base64(text: &str) -> Result<SecretBytes, String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut held, mut place, mut pads) = (0_u32, 0, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                pads += 1;
                if place >= 2 && place + pads >= 4 {
                    return Ok(SecretBytes::new(bytes));
                }
                continue;
            }
            _ => continue,
        };
        pads = 0;
        held = held << 6 | u32::from(value);
        place = (place + 1) % 4;
        if place != 1 {
            let [.., byte] = (held >> [0, 0, 4, 2][place]).to_be_bytes();
            bytes.push(byte);
        }
    }
    match place {
        0 => Ok(SecretBytes::new(bytes)),
        1 => {
            let count = bytes.len() / 3 * 4 + 1;
            Err(format!(
                "Invalid base64-encoded string: number of data characters ({count}) cannot be 1 more than a multiple of 4"
            ))
        }
        _ => Err("Incorrect padding".to_owned()),
    }
}

/// `int(text)`, or what Python says instead.
pub fn int(text: &str) -> Result<i64, String> {
    let bare = strip(text);
    let (negative, digits) = match bare.strip_prefix(['-', '+']) {
        Some(digits) => (bare.starts_with('-'), digits),
        None => (false, bare),
    };
    // Single underscores may stand between digits.
    let sane =
        digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.replace('_', "").parse::<i64>().ok().filter(|_| sane);
    let number =
        number.ok_or_else(|| format!("invalid literal for int() with base 10: {}", text_repr(text)))?;
    Ok(if negative { -number } else { number })
}

/// `text.strip()`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// `urllib.parse.quote_plus(text)`.
pub fn quote_plus(text: &str) -> String {
    let quoted = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'_' | b'.' | b'-' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(quoted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_python_shows_them() {
        let value = Value::loads(
            r#"{"a": ["x", "it's", "\"'", "a\nb\u007f\u00e9\u0301\u200b\ud83d\ude00\u00a0"], "b": [null, true, -0, 1.0, 1e16, 1e-5, 0.0001, {}, []]}"#,
        );
        let repr = repr(&value.ok().unwrap());
        assert_eq!(
            repr,
            "{'a': ['x', \"it's\", '\"\\'', 'a\\nb\\x7f\u{e9}\u{301}\\u200b\u{1f600}\\xa0'], 'b': [None, True, 0, 1.0, 1e+16, 1e-05, 0.0001, {}, []]}"
        );
    }

    #[test]
    fn json_is_ascii_and_indented() {
        let value = Value::loads(
            r#"{"a": [1, {"b": "\u00e9\ud83d\ude00\u007f/\"\\\b\f\n\r\t"}], "c": {}, "d": [], "e": 1e400}"#,
        );
        let json = dumps(&value.ok().unwrap());
        assert_eq!(
            json,
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"\\u00e9\\ud83d\\ude00\\u007f/\\\"\\\\\\b\\f\\n\\r\\t\"\n    }\n  ],\n  \"c\": {},\n  \"d\": [],\n  \"e\": Infinity\n}"
        );
    }

    #[test]
    fn what_is_not_text_is_told_in_pythons_words() {
        let wrong = |bytes: &[u8]| decode_utf8(bytes.to_vec().into()).err().unwrap();
        assert_eq!(
            wrong(b"jkxs\x0b\xf8"),
            "'utf-8' codec can't decode byte 0xf8 in position 5: invalid start byte"
        );
        assert_eq!(
            wrong(b"\xe2\x82"),
            "'utf-8' codec can't decode bytes in position 0-1: unexpected end of data"
        );
        assert_eq!(
            wrong(b"\xe2\x82a"),
            "'utf-8' codec can't decode bytes in position 0-1: invalid continuation byte"
        );
        assert_eq!(
            wrong(b"a\xc3a"),
            "'utf-8' codec can't decode byte 0xc3 in position 1: invalid continuation byte"
        );
    }

    #[test]
    fn base64_is_read_leniently() {
        let read = |text| decode_base64(text).map(|bytes| bytes.expose().to_vec());
        assert_eq!(read("cCAx"), Ok(b"p 1".to_vec()));
        assert_eq!(read("c\nA==junk"), Ok(b"p".to_vec()));
        assert_eq!(read(""), Ok(Vec::new()));
        assert_eq!(read("cA"), Err("Incorrect padding".to_owned()));
        assert!(read("cCAxc").is_err_and(|error| error.contains("(5)")));
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        assert_eq!([int(" 1_0 "), int("+3"), int("-4")].map(Result::ok), [Some(10), Some(3), Some(-4)]);
        assert_eq!(int("x"), Err("invalid literal for int() with base 10: 'x'".to_owned()));
        assert!(int("1__0").is_err() && int("").is_err() && int("--1").is_err());
    }
}
