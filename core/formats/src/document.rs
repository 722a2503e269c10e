//! A JSON document as a whole, and what readers of such documents do alike.

use crate::decode::Decode;
use crate::foreign;
use crate::json::{self, Members, Value, pointer_part};
use crate::tally::Tally;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::io::Read;

/// The whole of a JSON document.
///
/// # Errors
/// [`ErrorKind::Input`] where it is none, with the line.
pub(super) fn document(input: Box<dyn Read + Send>) -> Result<Value> {
    let source = Decode::unicode(input)?;
    let encoding = source.name;
    parse(&source.bytes()?, encoding)
}

/// The same of bytes that are UTF-8, as members of archives are.
pub(super) fn parsed(bytes: &[u8]) -> Result<Value> {
    parse(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes), "UTF-8")
}

/// The documents of a text that holds one or several, one after the other.
///
/// # Errors
/// [`ErrorKind::Input`] where one is none, with the line.
pub(super) fn documents(input: Box<dyn Read + Send>) -> Result<Vec<Value>> {
    let source = Decode::unicode(input)?;
    let encoding = source.name;
    read_with(&source.bytes()?, encoding, json::parse_several)
}

fn parse(bytes: &[u8], encoding: &str) -> Result<Value> {
    read_with(bytes, encoding, json::parse)
}

fn read_with<T>(bytes: &[u8], encoding: &str, parse: impl Fn(&str) -> Result<T, json::Broken>) -> Result<T> {
    foreign::refuse_text(bytes)?;
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = line_of(bytes, error.valid_up_to());
        Error::new(ErrorKind::Input, format!("line {line}: the file is not {encoding}"))
            .next_step("write it in UTF-8; JSON has no other encoding")
    })?;
    parse(text).map_err(|broken| {
        let line = line_of(text.as_bytes(), broken.at);
        Error::new(ErrorKind::Input, format!("line {line}: not JSON: {}", broken.why)).next_step(NOT_JSON)
    })
}

/// What to do about a document that breaks off or has a slip in it.
pub(super) const NOT_JSON: &str =
    "look there: a document that was cut off or edited is best exported once more where it comes from";

fn line_of(text: &[u8], at: usize) -> usize {
    text.get(..at.min(text.len())).unwrap_or_default().split(|byte| *byte == b'\n').count()
}

/// A pointer for a remark: the same for every place of its kind. Some documents have ids where others have lists.
pub(super) fn pattern(at: &str) -> String {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(is_digit);
    let is_id = |part: &str| part.len() >= 16 && part.bytes().any(is_digit);
    let parts = at.split('/').map(|part| if is_number(part) || is_id(part) { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Tells of every value why it does not travel.
pub(super) fn left_behind(tally: &mut Tally, value: &Value, at: &str, why: &str) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                left_behind(tally, value, &format!("{at}/{}", pointer_part(name)), why);
            }
        }
        Value::List(list) => {
            for (index, value) in list.iter().enumerate() {
                left_behind(tally, value, &format!("{at}/{index}"), why);
            }
        }
        value if value.leaves() > 0 => {
            tally.tell(format!("{} stays behind: {why}", pattern(at)), at, 1);
        }
        _ => {}
    }
}

/// Why a value that is nobody's stays behind.
pub(super) const NO_RECORD: &str = "no record takes it";

/// The member of that name, which is null from then on.
pub(super) fn take(members: &mut Members, name: &str) -> Value {
    let found = members.iter_mut().find(|(member, _)| member == name);
    found.map_or(Value::Null, |(_, value)| std::mem::replace(value, Value::Null))
}
