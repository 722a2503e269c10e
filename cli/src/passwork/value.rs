//! JSON as Python reads it: whole numbers of any size, the order of members, its own words for what is wrong.

use keyferry_core::secret::SecretString;
use std::collections::HashMap;

/// A value of an answer. Its texts may be secrets, so all of them are wiped when dropped.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`.
    None,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number, by its digits.
    Int(String),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(SecretString),
    /// An array.
    List(Vec<Value>),
    /// An object, in its order.
    Dict(Vec<(String, Value)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

/// Deeper documents are refused, as Python refuses them at about this depth.
const DEEPEST: usize = 900;

impl Value {
    /// `json.loads(text)`, or what Python says instead.
    pub fn loads(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        if text.starts_with('\u{feff}') {
            return Err(reader.wrong("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0));
        }
        reader.space();
        let value = reader.value(0)?;
        reader.space();
        if reader.at < text.len() {
            return Err(reader.wrong("Extra data", reader.at));
        }
        Ok(value)
    }

    /// An object.
    pub fn dict<const N: usize>(members: [(&str, Value); N]) -> Self {
        Value::Dict(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Dict(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Sets a member of an object: in its place, or at the end.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Value::Dict(members) = self {
            match members.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => *old = value,
                None => members.push((name.to_owned(), value)),
            }
        }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text.expose()),
            _ => None,
        }
    }

    /// What Python takes for true.
    pub fn is_true(&self) -> bool {
        match self {
            Value::None => false,
            Value::Bool(it) => *it,
            Value::Int(digits) => digits != "0",
            Value::Float(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(values) => !values.is_empty(),
            Value::Dict(members) => !members.is_empty(),
        }
    }

    /// What Python calls its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "str",
            Value::List(_) => "list",
            Value::Dict(_) => "dict",
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Lines and columns count from 1, characters from 0.
    fn wrong(&self, what: &str, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        format!("{what}: line {line} column {column} (char {})", before.chars().count())
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err("maximum recursion depth exceeded while decoding a JSON document".to_owned());
        }
        let words = [
            ("null", Value::None),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        let rest = self.text.get(self.at..).unwrap_or_default();
        if let Some((word, value)) = words.into_iter().find(|(word, _)| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(value);
        }
        match self.peek() {
            Some(b'"') => self.string().map(|text| Value::Text(SecretString::new(text))),
            Some(b'[') => self.list(depth),
            Some(b'{') => self.dict(depth),
            _ => self.number().ok_or_else(|| self.wrong("Expecting value", self.at)),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let mut values = Vec::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            if self.ends(b']')? {
                return Ok(Value::List(values));
            }
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Value, String> {
        let mut members: Vec<(String, Value)> = Vec::new();
        // Of members of one name the last counts, in the place of the first.
        let mut places: HashMap<String, usize> = HashMap::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Dict(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("Expecting property name enclosed in double quotes", self.at));
            }
            let name = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.wrong("Expecting ':' delimiter", self.at));
            }
            self.at += 1;
            self.space();
            let value = self.value(depth + 1)?;
            if let Some(member) = places.get(&name).and_then(|place| members.get_mut(*place)) {
                member.1 = value;
            } else {
                places.insert(name.clone(), members.len());
                members.push((name, value));
            }
            if self.ends(b'}')? {
                return Ok(Value::Dict(members));
            }
        }
    }

    /// After an element: whether its list or object ends here; otherwise a comma leads to the next.
    fn ends(&mut self, close: u8) -> Result<bool, String> {
        self.space();
        let found = self.peek();
        if found == Some(close) {
            self.at += 1;
            return Ok(true);
        }
        if found != Some(b',') {
            return Err(self.wrong("Expecting ',' delimiter", self.at));
        }
        self.at += 1;
        self.space();
        Ok(false)
    }

    fn number(&mut self) -> Option<Value> {
        let bytes = self.text.as_bytes();
        let digits = |from: usize| {
            bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count())
        };
        let begin = self.at + usize::from(self.peek() == Some(b'-'));
        let whole = match bytes.get(begin) {
            Some(b'0') => 1,
            _ => digits(begin),
        };
        if whole == 0 {
            return None;
        }
        let mut end = begin + whole;
        let part = if bytes.get(end) == Some(&b'.') { digits(end + 1) } else { 0 };
        if part > 0 {
            end += 1 + part;
        }
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let power = if matches!(bytes.get(end), Some(b'e' | b'E')) { digits(end + 1 + sign) } else { 0 };
        if power > 0 {
            end += 1 + sign + power;
        }
        let text = self.text.get(self.at..end)?;
        self.at = end;
        Some(if part + power > 0 {
            Value::Float(text.parse().ok()?)
        } else {
            Value::Int(if text == "-0" { "0" } else { text }.to_owned())
        })
    }

    fn string(&mut self) -> Result<String, String> {
        let begin = self.at;
        self.at += 1;
        // A text is not longer than what it is read from: a buffer that grew would leave secrets behind.
        let longest = self.text.get(self.at..).and_then(|rest| closing(rest.as_bytes())).unwrap_or_default();
        let mut out = String::with_capacity(longest);
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape(begin)?),
                Some(_) => return Err(self.wrong("Invalid control character at", self.at)),
                None => return Err(self.wrong("Unterminated string starting at", begin)),
            }
        }
    }

    fn escape(&mut self, begin: usize) -> Result<char, String> {
        let backslash = self.at;
        self.at += 1;
        let Some(letter) = self.peek() else {
            return Err(self.wrong("Unterminated string starting at", begin));
        };
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit(backslash)?;
                let rest = self.text.get(self.at..).unwrap_or_default();
                if (0xd800..0xdc00).contains(&first) && rest.starts_with("\\u") {
                    let before = self.at;
                    self.at += 2;
                    match self.unit(before).ok().filter(|second| (0xdc00..0xe000).contains(second)) {
                        Some(second) => {
                            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        }
                        None => self.at = before,
                    }
                }
                // Half of a pair is no character.
                char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.wrong("Invalid \\escape", backslash)),
        })
    }

    fn unit(&mut self, backslash: usize) -> Result<u32, String> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => Err(self.wrong("Invalid \\uXXXX escape", backslash + 1)),
        }
    }
}

/// The bytes up to the quote that ends a string.
fn closing(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwork::python::dumps_compact;

    #[test]
    fn documents_are_read_whole_and_in_order() {
        let text = r#" {"b": 123456789012345678901234567890, "a": [1.5e3, -0.0, 1e-7], "b": "\u00e9\ud83d\ude00\ud800"} "#;
        let read = dumps_compact(&Value::loads(text).unwrap());
        assert_eq!(read, r#"{"b":"\u00e9\ud83d\ude00\ufffd","a":[1500.0,-0.0,1e-07]}"#);
    }

    #[test]
    fn what_is_wrong_is_told_in_pythons_words() {
        for (text, told) in [
            ("", "Expecting value: line 1 column 1 (char 0)"),
            ("{'a': 1}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            ("{\"a\" 1}", "Expecting ':' delimiter: line 1 column 6 (char 5)"),
            ("[1,\n 2", "Expecting ',' delimiter: line 2 column 3 (char 6)"),
            ("[1,]", "Expecting value: line 1 column 4 (char 3)"),
            ("{\"é\": tru}", "Expecting value: line 1 column 7 (char 6)"),
            ("\"abc", "Unterminated string starting at: line 1 column 1 (char 0)"),
            ("\"a\nb\"", "Invalid control character at: line 1 column 3 (char 2)"),
            ("1 2", "Extra data: line 1 column 3 (char 2)"),
            ("01", "Extra data: line 1 column 2 (char 1)"),
            ("-", "Expecting value: line 1 column 1 (char 0)"),
        ] {
            assert_eq!(Value::loads(text).err().as_deref(), Some(told), "{text}");
        }
        assert!(Value::loads(&"[".repeat(100_000)).is_err());
    }
}
