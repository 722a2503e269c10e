//! A JSON document as a whole, and what readers of such documents do alike.

use crate::decode::Decode;
use crate::foreign;
use crate::json::{self, Broken, Json, Outline, Value, Word, pointer_part};
use crate::tally::Tally;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::io::Read;
use zeroize::Zeroizing;

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

/// A document whose text is kept, since a long list stays in it: see [`json::outline`].
///
/// # Errors
/// [`ErrorKind::Input`] where it is none, with the line.
pub(super) fn outlined(input: Box<dyn Read + Send>, list: &str) -> Result<(Zeroizing<String>, Outline)> {
    let source = Decode::unicode(input)?;
    let encoding = source.name;
    outline(source.bytes()?, encoding, list)
}

/// The same of bytes that are UTF-8.
pub(super) fn outlined_of(bytes: &[u8], list: &str) -> Result<(Zeroizing<String>, Outline)> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    outline(Zeroizing::new(bytes.to_vec()), "UTF-8", list)
}

fn outline(
    mut bytes: Zeroizing<Vec<u8>>,
    encoding: &str,
    list: &str,
) -> Result<(Zeroizing<String>, Outline)> {
    foreign::refuse_text(&bytes)?;
    let text = match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            return Err(no_text(&Zeroizing::new(error.into_bytes()), at, encoding));
        }
    };
    let outline = json::outline(&text, list).map_err(|broken| no_json(&text, &broken))?;
    Ok((text, outline))
}

fn parse(bytes: &[u8], encoding: &str) -> Result<Value> {
    read_with(bytes, encoding, json::parse)
}

fn read_with<T>(bytes: &[u8], encoding: &str, parse: impl Fn(&str) -> Result<T, Broken>) -> Result<T> {
    foreign::refuse_text(bytes)?;
    let text = std::str::from_utf8(bytes).map_err(|error| no_text(bytes, error.valid_up_to(), encoding))?;
    parse(text).map_err(|broken| no_json(text, &broken))
}

fn no_text(bytes: &[u8], at: usize, encoding: &str) -> Error {
    let line = line_of(bytes, at);
    Error::new(ErrorKind::Input, format!("line {line}: the file is not {encoding}"))
        .next_step("write it in UTF-8; JSON has no other encoding")
}

fn no_json(text: &str, broken: &Broken) -> Error {
    let line = line_of(text.as_bytes(), broken.at);
    Error::new(ErrorKind::Input, format!("line {line}: not JSON: {}", broken.why)).next_step(NOT_JSON)
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
pub(super) fn left_behind<N: Word, T: Word>(tally: &mut Tally, value: &Json<N, T>, at: &str, why: &str) {
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                left_behind(tally, value, &format!("{at}/{}", pointer_part(name.as_str())), why);
            }
        }
        Json::List(list) => {
            for (index, value) in list.iter().enumerate() {
                left_behind(tally, value, &format!("{at}/{index}"), why);
            }
        }
        value if !value.is_nothing() => {
            tally.tell(format!("{} stays behind: {why}", pattern(at)), at, 1);
        }
        _ => {}
    }
}

/// Why a value that is nobody's stays behind.
pub(super) const NO_RECORD: &str = "no record takes it";

/// The member of that name, which is null from then on.
pub(super) fn take<N: Word, T: Word>(members: &mut [(N, Json<N, T>)], name: &str) -> Json<N, T> {
    let found = members.iter_mut().find(|(member, _)| member.as_str() == name);
    found.map_or(Json::Null, |(_, value)| std::mem::replace(value, Json::Null))
}

/// The members of these names, of which each stands there once at most; they are null from then on.
pub(super) fn take_all<N: Word, T: Word, const COUNT: usize>(
    members: &mut [(N, Json<N, T>)],
    names: [&str; COUNT],
) -> [Json<N, T>; COUNT] {
    let mut taken = [const { Json::Null }; COUNT];
    for (name, value) in members {
        if matches!(value, Json::Null) {
            continue;
        }
        let place = names.iter().position(|wanted| *wanted == name.as_str());
        if let Some(slot) = place.and_then(|place| taken.get_mut(place)) {
            *slot = std::mem::replace(value, Json::Null);
        }
    }
    taken
}
