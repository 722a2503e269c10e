//! A small JSON reader (RFC 8259) for documents that hold secrets.
//!
//! Ours because three things matter here that general readers give up: numbers keep their
//! text, members keep their order and their duplicates (so that these can be named), and
//! strings land in memory that is wiped. Depth is limited; string length is not, since an
//! attachment is one string.

use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::collections::HashSet;
use zeroize::Zeroizing;

/// Nesting beyond this is refused: no real file needs it, and the stack is finite.
pub(super) const MAX_DEPTH: usize = 128;
/// What is said of it.
pub(super) const TOO_DEEP: &str = "nested more than 128 deep";

/// A JSON value.
pub(super) enum Value {
    Null,
    Bool(bool),
    /// The number's own text: digits beyond a float's reach survive.
    Number(String),
    Text(Zeroizing<String>),
    List(Vec<Value>),
    Object(Members),
}

/// An object's members in order, duplicates included.
pub(super) type Members = Vec<(String, Value)>;

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Zeroizing::new(text.to_owned()))
    }
}

/// An object of these members.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl Value {
    /// The text of a string, number or boolean; `None` for the others.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(text) => Some(text),
            Value::Text(mut text) => Some(std::mem::take(&mut *text)),
            Value::Null | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// The member of that name, where this is an object that has it.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => {
                members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn any_member(&self, is: impl Fn(&str) -> bool) -> bool {
        matches!(self, Value::Object(members) if members.iter().any(|(name, _)| is(name)))
    }

    /// How many values stand in it: what is null or an empty text is none.
    pub(super) fn leaves(&self) -> u64 {
        match self {
            Value::Null => 0,
            Value::Text(text) => u64::from(!text.is_empty()),
            Value::Bool(_) | Value::Number(_) => 1,
            Value::List(list) => list.iter().map(Value::leaves).sum(),
            Value::Object(members) => leaves(members),
        }
    }

    /// A member name that stands twice in one object, here or below.
    pub(super) fn duplicate(&self) -> Option<&str> {
        match self {
            Value::List(list) => list.iter().find_map(Value::duplicate),
            Value::Object(members) => {
                duplicate(members).or_else(|| members.iter().find_map(|(_, value)| value.duplicate()))
            }
            _ => None,
        }
    }
}

/// How many values stand in these members.
pub(super) fn leaves(members: &Members) -> u64 {
    members.iter().map(|(_, value)| value.leaves()).sum()
}

/// A member's name in a JSON pointer (RFC 6901).
pub(super) fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A member name that stands twice in this object.
pub(super) fn duplicate(members: &Members) -> Option<&str> {
    if members.len() <= 16 {
        return members.iter().enumerate().find_map(|(index, (name, _))| {
            members.iter().take(index).any(|(earlier, _)| earlier == name).then_some(name.as_str())
        });
    }
    let mut seen = HashSet::new();
    members.iter().map(|(name, _)| name.as_str()).find(|name| !seen.insert(*name))
}

/// Why a text is not JSON, and at which byte.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) why: &'static str,
    pub(super) at: usize,
}

/// Parses the beginning of a document: what the end cuts is closed there, so that its shape can be looked at.
pub(super) fn parse_head(text: &str) -> Result<Value, Broken> {
    Parser { text, bytes: text.as_bytes(), at: 0, is_cut: true }.value(0)
}

/// Parses one whole document.
pub(super) fn parse(text: &str) -> Result<Value, Broken> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, is_cut: false };
    let value = parser.value(0)?;
    parser.space();
    if parser.at < parser.bytes.len() {
        return Err(parser.broken("text after the end"));
    }
    Ok(value)
}

/// Parses the value at the start of a text, which stands so deep in its document; gives also where it ends.
pub(super) fn parse_value(text: &str, depth: usize) -> Result<(Value, usize), Broken> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, is_cut: false };
    let value = parser.value(depth)?;
    Ok((value, parser.at))
}

/// Parses documents that stand one after the other, as programs print them.
pub(super) fn parse_several(text: &str) -> Result<Vec<Value>, Broken> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, is_cut: false };
    let mut all = Vec::new();
    loop {
        all.push(parser.value(0)?);
        parser.space();
        if parser.at >= parser.bytes.len() {
            return Ok(all);
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The end of the text is no error.
    is_cut: bool,
}

impl Parser<'_> {
    fn broken(&self, why: &'static str) -> Broken {
        let why = if self.at >= self.bytes.len() { "unexpected end" } else { why };
        Broken { why, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether the text ends here and may.
    fn cut(&self) -> bool {
        self.is_cut && self.at >= self.bytes.len()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, why: &'static str) -> Result<(), Broken> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.broken(why))
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Broken> {
        for byte in word.bytes() {
            if self.cut() {
                return Ok(Value::Null);
            }
            self.expect(byte, "an unknown word")?;
        }
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Broken> {
        if depth > MAX_DEPTH {
            return Err(self.broken(TOO_DEEP));
        }
        self.space();
        if self.cut() {
            return Ok(Value::Null);
        }
        match self.peek() {
            Some(b'"') => self.string().map(|text| Value::Text(Zeroizing::new(text))),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.broken("a value is missing")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Broken> {
        self.at += 1;
        let mut members = Members::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            if self.cut() {
                return Ok(Value::Object(members));
            }
            if self.peek() != Some(b'"') {
                return Err(self.broken("a member name is missing"));
            }
            let name = self.string()?;
            self.space();
            if self.cut() {
                return Ok(Value::Object(members));
            }
            self.expect(b':', "a colon is missing")?;
            let value = self.value(depth + 1)?;
            members.push((name, value));
            self.space();
            if self.cut() {
                return Ok(Value::Object(members));
            }
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b'}', "a comma or closing brace is missing")?;
                return Ok(Value::Object(members));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Broken> {
        self.at += 1;
        let mut list = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            self.space();
            if self.cut() {
                return Ok(Value::List(list));
            }
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b']', "a comma or closing bracket is missing")?;
                return Ok(Value::List(list));
            }
        }
    }

    fn digits(&mut self) -> Result<(), Broken> {
        if !self.cut() && !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.broken("a digit is missing"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, Broken> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number(self.text.get(start..self.at).unwrap_or_default().to_owned()))
    }

    /// A string, for the caller to wrap where it may be secret. Names of members are not: taking each out of a
    /// `Zeroizing` left an empty one to wipe, which cost a fifth of the time that it takes to read a file.
    fn string(&mut self) -> Result<String, Broken> {
        self.at += 1;
        let start = self.at;
        // Find the end first: the string is then allocated once and leaves no copies behind.
        let mut end = start;
        let mut escaped = false;
        loop {
            match self.bytes.get(end) {
                None if self.is_cut => {
                    self.at = self.bytes.len();
                    return Ok(self.text.get(start..).unwrap_or_default().to_owned());
                }
                None => {
                    self.at = end;
                    return Err(self.broken("unexpected end"));
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(0..=0x1f) => {
                    self.at = end;
                    return Err(self.broken("a control character inside a string"));
                }
                Some(_) => end += 1,
            }
        }
        if !escaped {
            self.at = end + 1;
            return Ok(self.text.get(start..end).unwrap_or_default().to_owned());
        }
        let mut out = Zeroizing::new(String::with_capacity(end - start));
        while self.at < end {
            if self.peek() == Some(b'\\') {
                self.at += 1;
                out.push(self.escape()?);
            } else {
                let run = self.at;
                while self.at < end && self.peek() != Some(b'\\') {
                    self.at += 1;
                }
                out.push_str(self.text.get(run..self.at).unwrap_or_default());
            }
        }
        self.at = end + 1;
        Ok(std::mem::take(&mut *out))
    }

    fn escape(&mut self) -> Result<char, Broken> {
        let byte = self.peek();
        self.at += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.hex4()?;
                let code = if (0xd800..0xdc00).contains(&first) { self.second_half(first)? } else { first };
                // Half a surrogate pair is no character, though the grammar has it: see `damage`.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.broken("an unknown escape")),
        })
    }

    /// The character of a pair of which this is the first half; the half itself where no second one follows.
    fn second_half(&mut self, first: u32) -> Result<u32, Broken> {
        if self.text.get(self.at..self.at + 2) != Some("\\u") {
            return Ok(first);
        }
        let back = self.at;
        self.at += 2;
        let second = self.hex4()?;
        if (0xdc00..0xe000).contains(&second) {
            return Ok(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        }
        // It is a character of its own.
        self.at = back;
        Ok(first)
    }

    fn hex4(&mut self) -> Result<u32, Broken> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.broken("an unknown escape"))?;
            self.at += 1;
        }
        Ok(code)
    }
}

/// A value as compact JSON.
pub(super) fn text(value: &Value) -> SecretString {
    fn write(out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(is) => out.extend_from_slice(is.to_string().as_bytes()),
            Value::Number(number) => out.extend_from_slice(number.as_bytes()),
            Value::Text(text) => quote(out, text),
            Value::List(list) => {
                out.push(b'[');
                for (index, value) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write(out, value);
                }
                out.push(b']');
            }
            Value::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    quote(out, name);
                    out.push(b':');
                    write(out, value);
                }
                out.push(b'}');
            }
        }
    }
    /// At least as many bytes as are written: each may become six.
    fn bound(value: &Value) -> usize {
        match value {
            Value::Null | Value::Bool(_) => 5,
            Value::Number(number) => number.len(),
            Value::Text(text) => 6 * text.len() + 2,
            Value::List(list) => list.iter().map(|value| bound(value) + 1).sum::<usize>() + 2,
            Value::Object(members) => {
                members.iter().map(|(name, value)| 6 * name.len() + 4 + bound(value)).sum::<usize>() + 2
            }
        }
    }
    // In one allocation: growing would leave copies behind.
    let mut out = Vec::with_capacity(bound(value));
    write(&mut out, value);
    // All of it is text.
    SecretBytes::new(out).into_text().unwrap_or_default()
}

/// Appends `text` as a JSON string.
pub(super) fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
