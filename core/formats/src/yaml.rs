//! YAML as the values that JSON has, from the events of a parser: what aliases may cost is decided here.

use crate::json::{self, Members, Value};
use crate::wiped::append;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;
use zeroize::Zeroizing;

/// Deeper nesting is no one's file.
const MAX_DEPTH: usize = 128;
/// Values of all documents together, those that aliases repeat among them.
const MAX_VALUES: usize = 4_000_000;
/// What aliases alone may repeat: a few lines of them could come to terabytes.
const MAX_REPEATED: usize = 100_000;

/// Every document of a text.
///
/// # Errors
/// [`ErrorKind::Input`] with the line, where it is no YAML or asks for too much.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>> {
    tagged_documents(text, &mut |_, _, _| Ok(None))
}

/// What becomes of a scalar with a tag of an application's own (`!vault`), of which line it stands in; `None` where that
/// means nothing.
type Tagged<'a> = &'a mut dyn FnMut(&str, &str, usize) -> Result<Option<Value>>;

/// The same, with a say in what scalars with tags are.
pub(crate) fn tagged_documents(text: &str, tagged: Tagged<'_>) -> Result<Vec<Value>> {
    let mut builder = Builder {
        documents: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        values: 0,
        repeated: 0,
        tagged,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            // The parser's words could quote the text.
            broken(error.marker().line(), "this is not YAML")
        })?;
        builder.event(event, span)?;
    }
    Ok(builder.documents)
}

fn broken(line: usize, why: &str) -> Error {
    Error::new(ErrorKind::Input, format!("line {line}: {why}"))
}

/// A list or object that is not whole yet.
struct Open {
    anchor: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Value>),
    /// The members, and the name of the next one.
    Object(Members, Option<String>),
}

struct Builder<'a> {
    documents: Vec<Value>,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    values: usize,
    repeated: usize,
    tagged: Tagged<'a>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<()> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let own = match tag.filter(|tag| tag.handle == "!") {
                    Some(tag) => (self.tagged)(&tag.suffix, &text, line)?,
                    None => None,
                };
                let value = own.unwrap_or_else(|| scalar(&text, style));
                self.anchor(anchor, &value, line)?;
                self.put(value, line)
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, Kind::List(Vec::new()), line),
            Event::MappingStart(anchor, _) => self.begin(anchor, Kind::Object(Members::new(), None), line),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, kind }) = self.open.pop() else { return Ok(()) };
                let value = match kind {
                    Kind::List(list) => Value::List(list),
                    Kind::Object(members, _) => Value::Object(members),
                };
                self.anchor(anchor, &value, line)?;
                self.put(value, line)
            }
            Event::Alias(anchor) => {
                let Some(value) = self.anchors.get(&anchor) else {
                    return Err(broken(line, "an alias of something that is not there, or within itself"));
                };
                self.repeated += size(value);
                if self.repeated > MAX_REPEATED {
                    return Err(broken(line, "aliases repeat more than this program takes"));
                }
                let value = copy(value);
                self.put(value, line)
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, kind: Kind, line: usize) -> Result<()> {
        if self.open.len() >= MAX_DEPTH {
            return Err(broken(line, "nested more than 128 deep"));
        }
        self.open.push(Open { anchor, kind });
        Ok(())
    }

    fn anchor(&mut self, anchor: usize, value: &Value, line: usize) -> Result<()> {
        if anchor == 0 {
            return Ok(());
        }
        // Its copy counts as well: anchors within anchors grow by their square.
        self.repeated += size(value);
        if self.repeated > MAX_REPEATED {
            return Err(broken(line, "anchors hold more than this program takes"));
        }
        self.anchors.insert(anchor, copy(value));
        Ok(())
    }

    fn put(&mut self, value: Value, line: usize) -> Result<()> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(broken(line, "more values than this program takes"));
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.documents.push(value),
            Some(Kind::List(list)) => list.push(value),
            Some(Kind::Object(members, name)) => match name.take() {
                Some(name) => members.push((name, value)),
                // What is no text cannot name anything: such members have an empty name.
                None => *name = Some(value.into_text().unwrap_or_default()),
            },
        }
        Ok(())
    }
}

/// A scalar by the core schema: what is quoted is text, numbers keep their own.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    let owned = || Value::Text(Zeroizing::new(text.to_owned()));
    if style != ScalarStyle::Plain {
        return owned();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => owned(),
    }
}

/// Numbers in decimal, as JSON has them: others (octal, infinity) stay texts, so that nothing is read into them.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction) && (whole.len() == 1 || !whole.starts_with('0'))
}

/// A longer key needs a mark of its own: the format looks no further for its colon.
const LONGEST_KEY: usize = 1000;

/// Appends a document in blocks: all texts in double quotes, objects and lists that are empty, and all lists, as JSON has them.
pub(crate) fn print(out: &mut Zeroizing<Vec<u8>>, value: &Value) {
    match value {
        Value::Object(members) if !members.is_empty() => block(out, members, 0),
        other => {
            flow(out, other);
            append(out, b"\n");
        }
    }
}

fn block(out: &mut Zeroizing<Vec<u8>>, members: &Members, depth: usize) {
    let indent = " ".repeat(2 * depth);
    for (name, value) in members {
        append(out, indent.as_bytes());
        if name.len() > LONGEST_KEY / 8 {
            append(out, b"? ");
            quote(out, name);
            append(out, b"\n");
            append(out, indent.as_bytes());
        } else if is_plain_key(name) {
            append(out, name.as_bytes());
        } else {
            quote(out, name);
        }
        append(out, b":");
        match value {
            Value::Object(members) if !members.is_empty() => {
                append(out, b"\n");
                block(out, members, depth + 1);
            }
            other => {
                append(out, b" ");
                flow(out, other);
                append(out, b"\n");
            }
        }
    }
}

/// Whether a key needs no quotes, whatever version of the format reads it.
fn is_plain_key(name: &str) -> bool {
    const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(name))
}

fn flow(out: &mut Zeroizing<Vec<u8>>, value: &Value) {
    match value {
        Value::Text(text) => quote(out, text),
        // JSON is YAML, but for characters that only the latter cannot have.
        Value::List(list) => {
            append(out, b"[");
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    append(out, b", ");
                }
                flow(out, value);
            }
            append(out, b"]");
        }
        Value::Object(members) => {
            append(out, b"{");
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    append(out, b", ");
                }
                quote(out, name);
                append(out, b": ");
                flow(out, value);
            }
            append(out, b"}");
        }
        plain => append(out, json::text(plain).expose().as_bytes()),
    }
}

/// A text in double quotes; what does not print is escaped.
fn quote(out: &mut Zeroizing<Vec<u8>>, text: &str) {
    append(out, b"\"");
    let prints = |c: char| {
        !matches!(
            c,
            '"' | '\\' | '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        ) && !c.is_control()
    };
    let mut rest = text;
    while let Some(at) = rest.find(|c| !prints(c)) {
        let (before, after) = rest.split_at(at);
        append(out, before.as_bytes());
        let c = after.chars().next().unwrap_or_default();
        let escaped = match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            c => format!("\\u{:04x}", u32::from(c)),
        };
        append(out, escaped.as_bytes());
        rest = after.get(c.len_utf8()..).unwrap_or_default();
    }
    append(out, rest.as_bytes());
    append(out, b"\"");
}

fn size(value: &Value) -> usize {
    match value {
        Value::List(list) => 1 + list.iter().map(size).sum::<usize>(),
        Value::Object(members) => 1 + members.iter().map(|(_, value)| size(value)).sum::<usize>(),
        _ => 1,
    }
}

fn copy(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(is) => Value::Bool(*is),
        Value::Number(text) => Value::Number(text.clone()),
        Value::Text(text) => Value::Text(text.clone()),
        Value::List(list) => Value::List(list.iter().map(copy).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), copy(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let documents = documents(text).unwrap();
        documents.iter().map(|value| json::text(value).expose().to_owned()).collect()
    }

    #[test]
    fn documents_are_read_with_their_types_and_aliases() {
        assert_eq!(
            read("a: 1\nb: '1'\nc: [x, ~, true]\nd: |\n  l1\n  l2\ne: 010\n---\n- {k: &x v}\n- *x\n"),
            [r#"{"a":1,"b":"1","c":["x",null,true],"d":"l1\nl2\n","e":"010"}"#, r#"[{"k":"v"},"v"]"#]
        );
    }

    #[test]
    fn what_would_grow_without_end_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = vec![format!("*a{}", level - 1); 9].join(", ");
            bomb.extend([format!("a{level}: &a{level} [{before}]\n")]);
        }
        assert!(documents(&bomb).is_err());
        assert!(documents(&"[".repeat(1000)).is_err());
        assert!(documents("a: &a [*a]").is_err());
    }
}
