//! A JSON document that need not fit into memory: its outer lists and objects are walked, and one value in them after
//! the other is read whole.

use crate::decode::Decode;
use crate::document::NOT_JSON;
use crate::foreign;
use crate::json::{self, Broken, Value};
use crate::wiped::{WipedReader, append};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::io::{self, BufRead as _, Read};
use zeroize::Zeroizing;

/// Reads one document, value by value.
pub(super) struct Stream {
    input: WipedReader<Box<dyn Read + Send>>,
    encoding: &'static str,
    line: usize,
    /// The text of the value that was read last.
    text: Zeroizing<Vec<u8>>,
}

/// What may follow a value: the closing bracket of what it stands in says what is missing otherwise.
#[derive(Clone, Copy)]
pub(super) enum In {
    Object,
    List,
}

impl In {
    fn close(self) -> u8 {
        match self {
            In::Object => b'}',
            In::List => b']',
        }
    }

    fn missing(self) -> &'static str {
        match self {
            In::Object => "a comma or closing brace is missing",
            In::List => "a comma or closing bracket is missing",
        }
    }
}

impl Stream {
    /// The document of this input.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where it is no text, or known to be another tool's.
    pub(super) fn open(input: Box<dyn Read + Send>) -> Result<Self> {
        let source = Decode::unicode(input)?;
        let encoding = source.name;
        let mut input: WipedReader<Box<dyn Read + Send>> =
            WipedReader::with_capacity(1 << 16, Box::new(source.into_read()));
        foreign::refuse_text(input.fill_buf().map_err(Error::stream)?)?;
        Ok(Self { input, encoding, line: 1, text: Zeroizing::new(Vec::new()) })
    }

    fn buffer(&mut self) -> Result<&[u8]> {
        // Asked twice, for the borrow of the first answer would last for the second.
        while let Err(error) = self.input.fill_buf() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Error::stream(error));
            }
        }
        self.input.fill_buf().map_err(Error::stream)
    }

    /// The next byte that is no space; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            let buffer = self.buffer()?;
            let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            let spaces = buffer.iter().take_while(|byte| is_space(byte)).count();
            let lines = lines(buffer.get(..spaces).unwrap_or_default());
            let (next, is_end) = (buffer.get(spaces).copied(), buffer.is_empty());
            self.line += lines;
            self.input.consume(spaces);
            if next.is_some() || is_end {
                return Ok(next);
            }
        }
    }

    /// Takes the byte that was looked at.
    pub(super) fn step(&mut self) {
        self.input.consume(1);
    }

    /// Takes this byte.
    pub(super) fn expect(&mut self, byte: u8, why: &'static str) -> Result<()> {
        match self.peek()? {
            Some(found) if found == byte => {
                self.step();
                Ok(())
            }
            found => Err(self.broken(found.is_none(), why)),
        }
    }

    /// After the opening bracket: whether nothing stands in it.
    pub(super) fn is_empty(&mut self, of: In) -> Result<bool> {
        let is_empty = self.peek()? == Some(of.close());
        if is_empty {
            self.step();
        }
        Ok(is_empty)
    }

    /// After a value: whether another one follows.
    pub(super) fn goes_on(&mut self, of: In) -> Result<bool> {
        match self.peek()? {
            Some(b',') => {
                self.step();
                Ok(true)
            }
            Some(byte) if byte == of.close() => {
                self.step();
                Ok(false)
            }
            found => Err(self.broken(found.is_none(), of.missing())),
        }
    }

    /// That nothing follows.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.broken(false, "text after the end")),
        }
    }

    /// That lists and objects are not nested too deep.
    pub(super) fn check_depth(&self, depth: usize) -> Result<()> {
        if depth > json::MAX_DEPTH { Err(self.broken(false, json::TOO_DEEP)) } else { Ok(()) }
    }

    fn broken(&self, is_end: bool, why: &str) -> Error {
        broken(self.line, if is_end { "unexpected end" } else { why })
    }

    /// The name of a member, whose colon is taken too.
    pub(super) fn name(&mut self) -> Result<String> {
        let found = self.peek()?;
        if found != Some(b'"') {
            return Err(self.broken(found.is_none(), "a member name is missing"));
        }
        let name = self.value(0, In::Object)?.into_text().unwrap_or_default();
        self.expect(b':', "a colon is missing")?;
        Ok(name)
    }

    /// The next value, which stands so deep in the document. [`Stream::text`] has it as it stands there.
    pub(super) fn value(&mut self, depth: usize, of: In) -> Result<Value> {
        if let found @ (None | Some(b',' | b':' | b'}' | b']')) = self.peek()? {
            return Err(self.broken(found.is_none(), "a value is missing"));
        }
        self.text.clear();
        let mut scan = Scan::default();
        loop {
            let buffer = self.buffer()?;
            if buffer.is_empty() {
                break;
            }
            let (length, is_whole) = scan.feed(buffer);
            // The text is another part of `self` than the buffer: appended through the field, not through a method.
            let buffer = self.input.fill_buf().map_err(Error::stream)?;
            append(&mut self.text, buffer.get(..length).unwrap_or_default());
            self.input.consume(length);
            if is_whole {
                break;
            }
        }
        let length = self.text.len();
        // What follows tells a word that is wrong from one that is cut off.
        let next = self.buffer()?.first().copied().filter(u8::is_ascii);
        append(&mut self.text, next.as_slice());
        let text = match std::str::from_utf8(&self.text) {
            Ok(text) => text,
            Err(error) => {
                let line = self.line + lines(self.text.get(..error.valid_up_to()).unwrap_or_default());
                let what = format!("line {line}: the file is not {}", self.encoding);
                return Err(Error::new(ErrorKind::Input, what)
                    .next_step("write it in UTF-8; JSON has no other encoding"));
            }
        };
        let value = json::parse_value(text, depth).and_then(|(value, end)| {
            if end < length { Err(Broken { why: of.missing(), at: end }) } else { Ok(value) }
        });
        let value = value.map_err(|Broken { why, at }| {
            broken(self.line + lines(self.text.get(..at).unwrap_or(&self.text)), why)
        })?;
        self.text.truncate(length);
        self.line += lines(&self.text);
        Ok(value)
    }

    /// The value that was read last, as it stands in the document.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}

fn broken(line: usize, why: &str) -> Error {
    Error::new(ErrorKind::Input, format!("line {line}: not JSON: {why}")).next_step(NOT_JSON)
}

fn lines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

/// Finds the end of a value. What is no JSON ends where that shows, and the parser says why.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// A number or a word has begun.
    in_word: bool,
}

impl Scan {
    /// How much of these bytes belongs to the value, and whether it ends there.
    fn feed(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (at, byte) in bytes.iter().enumerate() {
            let end = at + 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (end, true);
                        }
                    }
                    0..=0x1f => return (end, true),
                    _ => {}
                }
                continue;
            }
            match byte {
                // Nothing but a list or an object has something in it.
                b'"' | b'{' | b'[' if self.in_word && self.depth == 0 => return (at, true),
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > json::MAX_DEPTH + 1 {
                        return (end, true);
                    }
                }
                b'}' | b']' if self.depth == 0 => return (at, true),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (end, true);
                    }
                }
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.' => self.in_word = true,
                _ if self.depth > 0 => {}
                _ => return (if self.in_word { at } else { end }, true),
            }
        }
        (bytes.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, so that every value lies across the ends of buffers.
    struct Drip(Vec<u8>, usize);

    impl Read for Drip {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let (Some(to), Some(byte)) = (to.first_mut(), self.0.get(self.1)) else { return Ok(0) };
            *to = *byte;
            self.1 += 1;
            Ok(1)
        }
    }

    /// Reads a list of values, and gives their texts.
    fn list(text: &str) -> Result<Vec<String>> {
        let mut stream = Stream::open(Box::new(Drip(text.as_bytes().to_vec(), 0)))?;
        stream.expect(b'[', "a value is missing")?;
        let mut found = Vec::new();
        if !stream.is_empty(In::List)? {
            loop {
                stream.value(1, In::List)?;
                found.push(String::from_utf8_lossy(stream.text()).into_owned());
                if !stream.goes_on(In::List)? {
                    break;
                }
            }
        }
        stream.end()?;
        Ok(found)
    }

    #[test]
    fn values_are_found_as_they_stand() {
        let text = r#" [ 1 , -2.5e+3,true ,null,"a\"]\\", {"b":[{}, "}"]} ,[ ], "é𝄞" ] "#;
        let expected =
            ["1", "-2.5e+3", "true", "null", r#""a\"]\\""#, r#"{"b":[{}, "}"]}"#, "[ ]", r#""é𝄞""#];
        assert_eq!(list(text).unwrap(), expected);
        assert!(list("[]").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_words_of_the_parser_that_has_it_whole() {
        let deep = "[".repeat(200);
        let cases = [
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1\n,\n 2 3]",
            "[tru]",
            "[tru",
            "[-]",
            "[01]",
            "[1.]",
            "[12abc]",
            "[\"a]",
            "[\"a\nb\"]",
            "[\"\\x\"]",
            "[\"\\ud800\"]",
            "[{]",
            "[{\"a\"}]",
            "[{\"a\":}]",
            "[{\"a\":1,}]",
            "[[}]",
            "[]]",
            "[] 1",
            "[%]",
            "[\n\n{\"a\":\n%}]",
            "[:]",
            "[1:2]",
            "[nul\n]",
            "[\"a\"\"b\"]",
            "[{}{}]",
            "[1{}]",
            &deep,
        ];
        for text in cases {
            let whole = crate::document::document(Box::new(io::Cursor::new(text.as_bytes().to_vec())));
            let whole = whole.err().map(|error| error.what().to_owned());
            assert_eq!(list(text).err().map(|error| error.what().to_owned()), whole, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_as_the_parser_reads_it_that_has_it_whole(inner in r#"[\[\]{},:"\\ \na0-9truefalsn.e-]{0,24}"#) {
            let text = format!("[{inner}");
            let whole = crate::document::document(Box::new(io::Cursor::new(text.clone().into_bytes())));
            let whole = whole.map(|_| ()).map_err(|error| error.what().to_owned());
            proptest::prop_assert_eq!(list(&text).map(|_| ()).map_err(|error| error.what().to_owned()), whole);
        }
    }
}
