//! Managers' files that are XML: a document becomes values ([`xml::tree`](crate::xml::tree)), and from there on it is read as
//! JSON is: an attribute is `@name`, a text beside attributes `#text`, elements of one name are a list.
//!
//! | file | what it reads |
//! |---|---|
//! | `delinea` | Secret Server |
//! | `devolutions` | Remote Desktop Manager |
//! | `figaro` | Figaro's Password Manager, Kedpm |
//! | `keepass_1` | KeePass 1 |
//! | `keepassx` | KeePassX before 2 |
//! | `kwallet` | KDE's wallet |
//! | `password_depot` | Password Depot |
//! | `password_dragon` | Password Dragon |
//! | `revelation` | Revelation |
//! | `safeincloud` | `SafeInCloud` |
//! | `sticky` | Sticky Password |
//! | `syspass` | `sysPass` |

pub(crate) mod delinea;
pub(crate) mod devolutions;
pub(crate) mod figaro;
pub(crate) mod keepass_1;
pub(crate) mod keepassx;
pub(crate) mod kwallet;
pub(crate) mod password_depot;
pub(crate) mod password_dragon;
pub(crate) mod revelation;
pub(crate) mod safeincloud;
pub(crate) mod sticky;
pub(crate) mod syspass;

use super::item::Item;
use super::items::{Document, Found, not_one};
use crate::decode::Decode;
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::xml;
use encoding_rs::Encoding;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::RecordPath;
use std::io::{Cursor, Read};
use zeroize::Zeroizing;

/// Reads a document whose outermost element is `root`.
///
/// # Errors
/// [`ErrorKind::Input`] where it is malformed, or another's.
pub(in crate::managers) fn open(
    input: Box<dyn Read + Send>,
    root: &str,
    whose: &str,
) -> Result<(Document, Members)> {
    let bytes = decoded(input)?.bytes()?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        Error::new(ErrorKind::Input, format!("a byte in line {line} does not fit the document's encoding"))
            .next_step("export it once more, or write it in UTF-8")
    })?;
    if xml::outermost(text) != Some(root) {
        return Err(not_one(whose));
    }
    let tree = xml::tree(text)?;
    if tree.name != root {
        return Err(not_one(whose));
    }
    let (mut document, members) = Document::of(Value::Object(tree.members), whose)?;
    document.tally.read(tree.marks);
    document.tally.resolved(tree.marks);
    Ok((document, members))
}

/// Bytes of the encoding that a document declares; a mark, or two bytes a character, stand above that.
fn decoded(mut input: Box<dyn Read + Send>) -> Result<Decode> {
    let mut start = Zeroizing::new(Vec::with_capacity(DECLARATION));
    input.by_ref().take(DECLARATION as u64).read_to_end(&mut start).map_err(Error::stream)?;
    let declared = declared(&start).map(str::to_owned);
    let input = Box::new(Cursor::new(start).chain(input));
    match declared {
        None => Decode::unicode(input),
        Some(label) if Encoding::for_label(label.as_bytes()).is_some() => Decode::open(input, Some(&label)),
        Some(_) => Err(Error::new(ErrorKind::Input, "the document declares an encoding that nobody knows")
            .next_step("write it in UTF-8")),
    }
}

/// A declaration is shorter.
const DECLARATION: usize = 256;

/// The encoding of an XML declaration, where it is another than Unicode's.
fn declared(start: &[u8]) -> Option<&str> {
    let declaration = start.strip_prefix(b"<?xml")?;
    let end = declaration.windows(2).position(|two| two == b"?>")?;
    let text = std::str::from_utf8(declaration.get(..end)?).ok()?;
    let rest = text.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let label = rest.strip_prefix(['"', '\''])?.split(['"', '\'']).next()?;
    let is_unicode = ["utf-8", "utf8", "utf-16", "utf16"].iter().any(|own| label.eq_ignore_ascii_case(own));
    (!is_unicode).then_some(label)
}

/// Takes every element of that name, with its place.
pub(in crate::managers) fn each(members: &mut Members, name: &str) -> Vec<(String, Value)> {
    match crate::document::take(members, name) {
        Value::Null => Vec::new(),
        Value::List(list) => {
            list.into_iter().enumerate().map(|(index, one)| (format!("{name}/{index}"), one)).collect()
        }
        one => vec![(name.to_owned(), one)],
    }
}

/// The members of an element, whatever it is.
pub(in crate::managers) fn inner(value: Value) -> Members {
    match value {
        Value::Object(members) => members,
        Value::Null => Members::new(),
        text => vec![("#text".to_owned(), text)],
    }
}

/// The same of the first element of that name, which must be the only one.
pub(in crate::managers) fn child(members: &mut Members, name: &str) -> Members {
    let found = members.iter_mut().find(|(member, value)| member == name && !matches!(value, Value::List(_)));
    found.map_or_else(Members::new, |(_, value)| inner(std::mem::replace(value, Value::Null)))
}

impl Document {
    /// Every element of that name, as items in this place.
    pub(in crate::managers) fn elements(
        &mut self,
        members: &mut Members,
        name: &str,
        above: &str,
        path: &Place,
    ) {
        for (at, value) in each(members, name) {
            let at = format!("{above}/{at}");
            self.found.push(Found { value: Value::Object(inner(value)), at, path: path.clone() });
        }
    }
}

/// A folder of that name at the top.
pub(super) fn at_top(name: String) -> RecordPath {
    RecordPath { vault: None, folders: Some(name).filter(|name| !name.is_empty()).into_iter().collect() }
}

impl Item<'_> {
    /// Takes an element's text; its attributes stay.
    pub(in crate::managers) fn text(&mut self, members: &mut Members, name: &str) -> String {
        let found =
            members.iter_mut().find(|(member, value)| member == name && matches!(value, Value::Object(_)));
        match found {
            Some((_, Value::Object(inner))) => self.simple(inner, "#text"),
            _ => self.simple(members, name),
        }
    }

    /// Takes the elements that are a record's name, login, password and address.
    fn basics(&mut self, members: &mut Members, [name, login, password, url]: [&str; 4]) {
        self.record.name = self.text(members, name);
        let login = self.text(members, login);
        self.login(login);
        let password = self.text(members, password);
        self.password("Password", password);
        let url = self.text(members, url);
        self.url(url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_encoding_is_found_where_it_is_not_unicode() {
        for (start, wanted) in [
            ("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>", Some("ISO-8859-1")),
            ("<?xml version='1.0' encoding = 'windows-1251' ?>", Some("windows-1251")),
            ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", None),
            ("<?xml version=\"1.0\"?><a encoding=\"latin1\"/>", None),
            ("<a/>", None),
        ] {
            assert_eq!(declared(start.as_bytes()), wanted, "{start}");
        }
    }
}
