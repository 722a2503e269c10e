//! Text with references in it: `{{ prod:Infra/db/mysql#password | json }}`. Everything else is kept byte for byte.
//!
//! `\{{` stands for `{{` itself, and `\\{{` for a backslash before a reference: of the backslashes that stand right
//! before `{{` each pair makes one, and one left over takes the braces' meaning. Within a reference a backslash makes
//! the next `|` or `}` part of a name, besides what [`Reference::parse`] takes.

use crate::exit::usage;
use crate::secrets::quoting;
use crate::secrets::reference::Reference;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_core::error::{Place, Position};
use keyferry_core::secret::{SecretBytes, SecretString};
use keyferry_core::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// A text, understood. Nothing is fetched.
#[derive(Debug)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    Insert(Insert),
}

/// A reference in a text.
#[derive(Debug)]
pub struct Insert {
    /// What stands there.
    pub reference: Reference,
    filters: Vec<Filter>,
    file: PathBuf,
    at: Position,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    /// Standard base64 with padding.
    Base64,
    /// A JSON text with its quotes, which YAML takes too.
    Json,
    /// Everything but letters, digits and `-._~` as `%XX`.
    UrlEncode,
    /// One word of a POSIX shell.
    Shell,
}

const OPEN: &[u8] = b"{{";
const CLOSE: &[u8] = b"}}";

impl Insert {
    /// Whether the value is written as it is.
    pub fn is_unfiltered(&self) -> bool {
        self.filters.is_empty()
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        Place::File { path: self.file.clone(), at: Some(self.at.clone()) }
    }
}

impl Template {
    /// Understands a text that is the whole of a file.
    pub fn parse(text: &[u8], file: &Path) -> Result<Self> {
        Self::parse_from(text, file, 1, 1)
    }

    /// Understands a text that begins at this line and column of a file, both counted from 1.
    pub fn parse_from(text: &[u8], file: &Path, line: u64, column: u64) -> Result<Self> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut walk = Walk { line, column };
        let mut rest = text;
        while let Some(at) = find(rest, OPEN) {
            let (before, from_open) = rest.split_at(at);
            let slashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            plain.extend_from_slice(&before[..before.len() - slashes]);
            plain.resize(plain.len() + slashes / 2, b'\\');
            walk.over(before);
            let open = &from_open[..OPEN.len()];
            let inside = &from_open[OPEN.len()..];
            if slashes % 2 == 1 {
                plain.extend_from_slice(open);
                walk.over(open);
                rest = inside;
                continue;
            }
            let at = walk.position();
            let place = || Place::File { path: file.to_owned(), at: Some(at.clone()) };
            let length = closing(inside).ok_or_else(|| {
                Error::new(ErrorKind::Input, "`{{` is not closed on its line")
                    .at(place())
                    .next_step("write {{ NAME:Vault/record#field }}, and \\{{ where two braces are meant")
            })?;
            let (reference, filters) = insert(&inside[..length]).map_err(|error| error.at(place()))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Insert(Insert { reference, filters, file: file.to_owned(), at }));
            let whole = OPEN.len() + length + CLOSE.len();
            walk.over(&from_open[..whole]);
            rest = &from_open[whole..];
        }
        plain.extend_from_slice(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// A text without references.
    pub fn literal(text: &[u8]) -> Self {
        Self { pieces: vec![Piece::Text(text.to_owned())] }
    }

    /// The references in it, in their order.
    pub fn inserts(&self) -> impl Iterator<Item = &Insert> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Insert(insert) => Some(insert),
            Piece::Text(_) => None,
        })
    }

    /// The text with values in place of references.
    ///
    /// # Errors
    /// The first value's that is not to be had, with its place in the text.
    pub fn render(&self, value: impl Fn(&Reference) -> Result<SecretString>) -> Result<SecretBytes> {
        let mut values = Vec::new();
        for insert in self.inserts() {
            let value = value(&insert.reference).map_err(|error| replaced(&error, insert))?;
            values.push(insert.filters.iter().fold(value, |value, filter| filter.apply(&value)));
        }
        let text = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Insert(_) => 0,
        });
        // Made at once, since a buffer that grows leaves copies behind.
        let length = text.sum::<usize>() + values.iter().map(|value| value.expose().len()).sum::<usize>();
        let mut out = Vec::with_capacity(length);
        let mut values = values.iter();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Insert(_) => {
                    out.extend_from_slice(values.next().map_or(&[], |value| value.expose().as_bytes()));
                }
            }
        }
        Ok(SecretBytes::new(out))
    }
}

/// The error with the place of the reference in front of its own, which names the record.
fn replaced(error: &Error, insert: &Insert) -> Error {
    let what = match error.place() {
        Some(Place::Record(label)) => {
            format!("{{{{ {} }}}}: record {label}: {}", insert.reference, error.what())
        }
        _ => format!("{{{{ {} }}}}: {}", insert.reference, error.what()),
    };
    let told = Error::new(error.kind(), what).at(insert.place());
    match error.next() {
        Some(next) => told.next_step(next),
        None => told,
    }
}

/// Lines and columns; columns count letters.
struct Walk {
    line: u64,
    column: u64,
}

impl Walk {
    fn over(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.column = 1;
                }
                // Not the later bytes of a letter in UTF-8.
                0x80..=0xbf => {}
                _ => self.column += 1,
            }
        }
    }

    fn position(&self) -> Position {
        Position { column: Some(self.column), ..Position::line(self.line) }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Where the reference ends: at the first `}}` on its line that no backslash stands before.
fn closing(inside: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = inside.get(at) {
        match byte {
            b'\n' => return None,
            b'\\' => at += 2,
            b'}' if inside[at..].starts_with(CLOSE) => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn insert(inside: &[u8]) -> Result<(Reference, Vec<Filter>)> {
    let text = std::str::from_utf8(inside)
        .map_err(|error| Error::new(ErrorKind::Input, "the reference is not UTF-8").because(error))?;
    let mut parts = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some(&next)) => {
                rest.next();
                if !matches!(next, '|' | '}') {
                    push(&mut parts, '\\');
                }
                push(&mut parts, next);
            }
            ('|', _) => parts.push(String::new()),
            (c, _) => push(&mut parts, c),
        }
    }
    let mut parts = parts.iter().map(|part| part.trim());
    let reference = Reference::parse(parts.next().unwrap_or_default())?;
    let filters = parts.map(Filter::named).collect::<Result<_>>()?;
    Ok((reference, filters))
}

fn push(parts: &mut [String], c: char) {
    if let Some(part) = parts.last_mut() {
        part.push(c);
    }
}

impl Filter {
    fn named(word: &str) -> Result<Self> {
        match word {
            "base64" => Ok(Self::Base64),
            "json" => Ok(Self::Json),
            "urlencode" => Ok(Self::UrlEncode),
            "shell" => Ok(Self::Shell),
            _ => Err(usage(
                format!("there is no filter `{}`", crate::output::clean(word)),
                "base64, json, urlencode and shell are known; write \\| where a name holds one",
            )),
        }
    }

    fn apply(self, value: &SecretString) -> SecretString {
        let text = value.expose();
        SecretString::new(match self {
            Self::Base64 => STANDARD.encode(text),
            // A text always has a form in JSON.
            Self::Json => serde_json::to_string(text).unwrap_or_default(),
            Self::UrlEncode => quoting::percent(text, b"-._~"),
            Self::Shell => quoting::shell_word(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text in "[{}|\\\\aé/# \n]{0,40}") {
            if let Ok(template) = parse(&text) {
                let nothing = |_: &Reference| Ok(SecretString::default());
                let length = template.render(nothing).unwrap().len();
                prop_assert!(length <= text.len());
                prop_assert!(text.contains("{{") || length == text.len());
            }
        }
    }

    fn parse(text: impl AsRef<[u8]>) -> Result<Template> {
        Template::parse(text.as_ref(), Path::new("app.tpl"))
    }

    fn rendered(text: impl AsRef<[u8]>) -> Vec<u8> {
        let value = |reference: &Reference| Ok(SecretString::new(format!("<{reference}>")));
        parse(text).unwrap().render(value).unwrap().expose().to_vec()
    }

    #[test]
    fn what_is_no_reference_is_kept_byte_for_byte() {
        for text in [&b""[..], b"a\r\n\xff\0}} { { \\n \\\\ {", b"{}"] {
            assert_eq!(rendered(text), text);
        }
        assert_eq!(rendered("x: {{ prod:V/r#f }}\r\n{{V/r}}{{ V/q }}"), b"x: <prod:V/r#f>\r\n<V/r><V/q>");
    }

    #[test]
    fn backslashes_before_braces_come_in_pairs() {
        assert_eq!(rendered(r"\{{ .Values.x }} \\{{ V/r }} \\\{{ \x"), br"{{ .Values.x }} \<V/r> \{{ \x");
    }

    #[test]
    fn a_name_may_hold_what_ends_a_reference() {
        let template = parse(r"{{ V/a\|b\}}c\/d#x\|y }}").unwrap();
        let reference = &template.inserts().next().unwrap().reference;
        assert_eq!(reference.names, ["V", "a|b}}c/d"]);
    }

    #[test]
    fn filters_follow_one_another() {
        let text = r"{{ V/r | json }} {{ V/r|base64 }} {{ V/r | urlencode }} {{ V/r | shell }} {{ V/r | json | base64 }}";
        let template = parse(text).unwrap();
        let value = |_: &Reference| Ok(SecretString::from("a'\"\n/é"));
        let out = template.render(value).unwrap().into_text().unwrap();
        assert_eq!(
            out.expose(),
            "\"a'\\\"\\n/é\" YSciCi/DqQ== a%27%22%0A%2F%C3%A9 'a'\\''\"\n/é' ImEnXCJcbi/DqSI="
        );
    }

    #[test]
    fn errors_name_line_and_column() {
        for (text, at) in [
            ("é {{ V/r | upper }}", "line 1, column 3"),
            ("a\n  {{ V/r\n }}", "line 2, column 3"),
            ("a\n\n{{ prod: }}", "line 3, column 1"),
            ("{{ V/r }}{{ V/r", "line 1, column 10"),
            ("{{}}", "line 1, column 1"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("app.tpl, {at}: ")), "{error}");
        }
        let missing = |_: &Reference| Err(Error::new(ErrorKind::NotFound, "it is gone"));
        let error = parse("a: 1\nb: {{ V/r#x }}").unwrap().render(missing).unwrap_err();
        assert_eq!(error.to_string(), "app.tpl, line 2, column 4: {{ V/r#x }}: it is gone");
    }
}
