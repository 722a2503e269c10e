//! XML as a walk over its elements, for formats that are written in it.
//!
//! A document type is skipped where it only has a name, and refused where it declares anything: no entity is known but the
//! five of XML and numbered characters, nothing is ever loaded. Depth, attributes and sizes are bounded. Texts are borrowed
//! from the document; those that have to be made (out of references, out of pieces) are wiped.
//!
//! Nearly all of a document is tags in their simplest form and the text between them, which are found here. Whatever looks
//! otherwise (references, comments, declarations, attributes in another form) is read by a crate, from where it begins.
//! No error shows a name or a value of the document.

use crate::json::{Members, Value};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::secret::SecretString;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// Elements in elements beyond this are no one's file.
const DEEPEST: usize = 256;
/// Attributes of one element.
const MOST_ATTRIBUTES: usize = 64;
/// Elements that are kept as a tree at once: each costs many times its few characters.
const MOST_ELEMENTS: usize = 1 << 20;

/// A text of the document.
#[derive(Default)]
pub(crate) enum Text<'a> {
    /// Nothing.
    #[default]
    Empty,
    /// As it stands there.
    Plain(&'a str),
    /// Put together.
    Made(Zeroizing<String>),
    /// Unlocked, and no text.
    Bytes(Zeroizing<Vec<u8>>),
}

impl<'a> Text<'a> {
    /// As it stands in the document.
    fn of(text: &'a str) -> Self {
        if text.is_empty() { Text::Empty } else { Text::Plain(text) }
    }

    /// The text; empty where it is bytes.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Empty | Text::Bytes(_) => "",
            Text::Plain(text) => text,
            Text::Made(text) => text,
        }
    }

    /// What it is made of.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Text::Bytes(bytes) => bytes,
            text => text.as_str().as_bytes(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The text as one of its own; empty where it is bytes.
    fn into_wiped(self) -> Zeroizing<String> {
        match self {
            Text::Made(text) => text,
            text => Zeroizing::new(text.as_str().to_owned()),
        }
    }

    /// The text as a name, which is no secret; empty where it is bytes.
    pub(crate) fn into_name(self) -> Cow<'a, str> {
        match self {
            Text::Plain(text) => Cow::Borrowed(text),
            Text::Made(mut text) => Cow::Owned(std::mem::take(&mut *text)),
            Text::Empty | Text::Bytes(_) => Cow::Borrowed(""),
        }
    }

    /// The text as a secret; `None` where it is bytes.
    pub(crate) fn into_secret(self) -> Option<SecretString> {
        match self {
            Text::Bytes(_) => None,
            Text::Made(mut text) => Some(SecretString::new(std::mem::take(&mut *text))),
            text => Some(SecretString::from(text.as_str())),
        }
    }

    /// Appends a piece; what it held before is wiped where it moves.
    fn push(&mut self, piece: Cow<'a, str>) {
        match self {
            Text::Empty => {
                *self = match piece {
                    Cow::Borrowed("") => Text::Empty,
                    Cow::Borrowed(text) => Text::Plain(text),
                    Cow::Owned(text) => Text::Made(Zeroizing::new(text)),
                };
            }
            Text::Plain(_) | Text::Made(_) | Text::Bytes(_) => {
                let piece = match piece {
                    Cow::Borrowed(text) => text,
                    Cow::Owned(_) => &Zeroizing::new(piece.into_owned()),
                };
                if let Text::Made(text) = self
                    && text.capacity() - text.len() >= piece.len()
                {
                    text.push_str(piece);
                    return;
                }
                let before = self.as_str();
                let length = before.len() + piece.len();
                let mut grown = Zeroizing::new(String::with_capacity(length.max(2 * before.len())));
                grown.push_str(before);
                grown.push_str(piece);
                *self = Text::Made(grown);
            }
        }
    }
}

/// An opening tag.
pub(crate) struct Tag<'a> {
    pub(crate) name: &'a str,
    pub(crate) attributes: Vec<(Cow<'a, str>, Text<'a>)>,
}

impl Tag<'_> {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether an attribute says `True`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.attribute(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// Attributes that say something.
    pub(crate) fn leaves(&self) -> u64 {
        self.attributes.iter().filter(|(_, value)| !value.is_empty()).count() as u64
    }
}

/// An element with all that is in it.
pub(crate) struct Element<'a> {
    pub(crate) tag: Tag<'a>,
    /// What stands in it as text; of an element that holds elements, what stands between them and is not blank.
    pub(crate) text: Text<'a>,
    pub(crate) children: Vec<Element<'a>>,
    /// The text was protected: it is what stood behind that.
    pub(crate) unlocked: bool,
}

impl<'a> Element<'a> {
    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element<'a>> {
        self.children.iter().find(|child| child.tag.name == name)
    }

    /// The text of the first child of that name.
    pub(crate) fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| child.text.as_str())
    }

    /// Values in it: texts and attributes that are not empty.
    pub(crate) fn leaves(&self) -> u64 {
        self.tag.leaves()
            + u64::from(!self.text.is_empty())
            + self.children.iter().map(Element::leaves).sum::<u64>()
    }
}

/// One step of the walk.
pub(crate) enum Step<'a> {
    Open(Tag<'a>),
    Text(Cow<'a, str>),
    Close,
    End,
}

/// What stands behind a protected text; `None` where it is not readable.
pub(crate) type Unlock = Box<dyn FnMut(&str) -> Option<Zeroizing<Vec<u8>>> + Send>;

/// The walk.
pub(crate) struct Xml<'a> {
    document: &'a str,
    /// What of it was walked through.
    at: usize,
    /// The elements that are open.
    open: Vec<Around<'a>>,
    /// Texts and attributes that are not empty, of what was walked through.
    leaves: u64,
    /// Lines end otherwise than with one character somewhere.
    has_returns: bool,
    /// An empty element was opened, and closes with the next step.
    closing: bool,
    /// The outermost element was there.
    rooted: bool,
    unlock: Option<Unlock>,
}

/// An element that is open.
struct Around<'a> {
    name: &'a str,
    seen: Seen,
    /// Blanks in it are no value.
    holds_elements: bool,
    /// Its text will be unlocked, and blanks in it are none.
    locked: bool,
}

/// What text stands in an element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Nothing,
    Blanks,
    Words,
}

impl Around<'_> {
    fn see(&mut self, text: &str) {
        let seen = match text {
            "" => Seen::Nothing,
            text if is_blank(text) => Seen::Blanks,
            _ => Seen::Words,
        };
        self.seen = self.seen.max(seen);
    }

    /// Whether its text is a value.
    fn counts(&self) -> bool {
        match self.seen {
            Seen::Nothing => false,
            Seen::Blanks => !self.holds_elements && !self.locked,
            Seen::Words => true,
        }
    }
}

const NO_MATCH: &str = "its tags do not match, or a reference has no end";

impl<'a> Xml<'a> {
    pub(crate) fn new(document: &'a str) -> Self {
        // A mark would shift what is said of places.
        let document = document.trim_start_matches('\u{feff}');
        let has_returns = memchr::memchr(b'\r', document.as_bytes()).is_some();
        let (open, unlock) = (Vec::new(), None);
        Self { document, at: 0, open, leaves: 0, has_returns, closing: false, rooted: false, unlock }
    }

    /// All of it.
    pub(crate) fn document(&self) -> &'a str {
        self.document
    }

    /// How many texts and attributes that are not empty stood in what was walked through: counted as they pass, whatever
    /// becomes of them.
    pub(crate) fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Says that the element that was opened last holds elements alone: blanks between them are no value.
    pub(crate) fn holds_elements(&mut self) {
        if let Some(element) = self.open.last_mut() {
            element.holds_elements = true;
        }
    }

    /// The text of the element that follows, where it is the one of that name and nothing but text stands in it; it is not
    /// taken.
    pub(crate) fn next_text(&self, name: &str) -> Option<&'a str> {
        let rest = self.document.get(self.at..)?.trim_ascii_start();
        let (text, rest) = rest.strip_prefix('<')?.strip_prefix(name)?.strip_prefix('>')?.split_once('<')?;
        let closes = rest.strip_prefix('/')?.strip_prefix(name)?.starts_with('>');
        (closes && !text.contains('&')).then_some(text)
    }

    /// Leaves the innermost element.
    fn close(&mut self) {
        if let Some(element) = self.open.pop() {
            self.leaves += u64::from(element.counts());
        }
    }

    /// Unlocks texts of elements with `Protected="True"`, in the order in which they stand.
    pub(crate) fn unlocking(mut self, unlock: Unlock) -> Self {
        self.unlock = Some(unlock);
        self
    }

    fn malformed(&self, what: &str) -> Error {
        self.malformed_at(self.at, what)
    }

    #[cold]
    fn malformed_at(&self, at: usize, what: &str) -> Error {
        let read = self.document.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + memchr::memchr_iter(b'\n', read).count();
        Error::new(ErrorKind::Input, format!("the XML is malformed in line {line}: {what}"))
    }

    /// The next step.
    pub(crate) fn step(&mut self) -> Result<Step<'a>> {
        loop {
            if self.closing {
                self.closing = false;
                self.close();
                return Ok(Step::Close);
            }
            let rest = self.document.as_bytes().get(self.at..).unwrap_or_default();
            match rest {
                [b'<', b'/', name @ ..] => {
                    if let Some(open) = self.open.last()
                        && name.starts_with(open.name.as_bytes())
                        && name.get(open.name.len()) == Some(&b'>')
                    {
                        self.at += open.name.len() + "</>".len();
                        self.close();
                        return Ok(Step::Close);
                    }
                }
                [b'<', ..] => {
                    if let Some((tag, length, is_empty)) = simple(self.document, self.at) {
                        self.check_open()?;
                        self.opened(&tag, length, is_empty);
                        return Ok(Step::Open(tag));
                    }
                }
                [b'&', ..] => {}
                [] if !self.open.is_empty() => return Err(self.malformed("it ends in the middle")),
                [] if !self.rooted => return Err(self.malformed("it has no element")),
                [] => return Ok(Step::End),
                text => {
                    let length = memchr::memchr2(b'<', b'&', text).unwrap_or(text.len());
                    let text = self.document.get(self.at..self.at + length).unwrap_or_default();
                    let step = self.text(Cow::Borrowed(text))?;
                    self.at += length;
                    return Ok(step);
                }
            }
            if let Some(step) = self.unusual()? {
                return Ok(step);
            }
        }
    }

    /// The text of the element that was opened last, which closes with it; `None` where there is anything else in it, which
    /// the next steps give.
    pub(crate) fn leaf(&mut self) -> Option<Cow<'a, str>> {
        if self.closing {
            return None;
        }
        let name = self.open.last()?.name;
        let bytes = self.document.as_bytes().get(self.at..).unwrap_or_default();
        let length = match bytes.first() {
            Some(b'<') => 0,
            _ => memchr::memchr2(b'<', b'&', bytes).unwrap_or(bytes.len()),
        };
        let closes = match bytes.get(length..) {
            Some([b'<', b'/', rest @ ..]) => {
                rest.starts_with(name.as_bytes()) && rest.get(name.len()) == Some(&b'>')
            }
            _ => false,
        };
        if !closes {
            return None;
        }
        let text = self.document.get(self.at..self.at + length).unwrap_or_default();
        let text = self.lines(Cow::Borrowed(text));
        if let Some(element) = self.open.last_mut() {
            element.see(&text);
        }
        self.at += length + name.len() + "</>".len();
        self.close();
        Some(text)
    }

    /// Reads what is no simple tag and no text; `None` for what says nothing.
    fn unusual(&mut self) -> Result<Option<Step<'a>>> {
        let mut reader = Reader::from_str(self.document.get(self.at..).unwrap_or_default());
        // Which elements are open is known here alone.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        let event = reader.read_event();
        let position = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let at = self.at.saturating_add(position(reader.error_position()));
                let what = if matches!(error, quick_xml::Error::Syntax(_)) {
                    "a tag, comment or reference has no end"
                } else {
                    NO_MATCH
                };
                return Err(self.malformed_at(at, what));
            }
        };
        let length = position(reader.buffer_position());
        let step = match event {
            Event::Start(start) => return self.understood(&start, length, false).map(Some),
            Event::Empty(start) => return self.understood(&start, length, true).map(Some),
            Event::End(end) => {
                if self.open.last().map(|open| open.name) != Some(end.name().as_ref()) {
                    return Err(self.malformed(NO_MATCH));
                }
                self.close();
                Some(Step::Close)
            }
            Event::Text(text) => Some(self.text(text.into_inner())?),
            Event::CData(text) => Some(self.text(text.into_inner())?),
            Event::GeneralRef(name) => {
                let c = match name.resolve_char_ref() {
                    Ok(Some(c)) => c,
                    Ok(None) => match &*name {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => return Err(self.malformed("an entity that XML does not have; none is read")),
                    },
                    Err(_) => return Err(self.malformed("a numbered character that is none")),
                };
                Some(self.text(Cow::Owned(c.to_string()))?)
            }
            Event::DocType(kind) => {
                if self.rooted || kind.contains('[') {
                    return Err(self.malformed("a document type with declarations, which is not read"));
                }
                None
            }
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::Eof => None,
        };
        self.at += length;
        Ok(step)
    }

    fn text(&mut self, text: Cow<'a, str>) -> Result<Step<'a>> {
        if self.open.is_empty() {
            let blank = text.chars().all(|c| c.is_ascii_whitespace() || c == '\u{feff}');
            return if blank {
                Ok(Step::Text(Cow::Borrowed("")))
            } else {
                Err(self.malformed("a text outside of its element"))
            };
        }
        let text = self.lines(text);
        if let Some(element) = self.open.last_mut() {
            element.see(&text);
        }
        Ok(Step::Text(text))
    }

    fn lines(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        match text {
            // A line ends with one character, whatever the file has; written as a reference it stays.
            Cow::Borrowed(text) if self.has_returns && text.contains('\r') => {
                let mut lines = String::with_capacity(text.len());
                let mut rest = text;
                while let Some((line, after)) = rest.split_once('\r') {
                    lines.push_str(line);
                    lines.push('\n');
                    rest = after.strip_prefix('\n').unwrap_or(after);
                }
                lines.push_str(rest);
                Cow::Owned(lines)
            }
            text => text,
        }
    }

    /// That an element may stand here.
    fn check_open(&self) -> Result<()> {
        if self.open.is_empty() && self.rooted {
            return Err(self.malformed("a second outermost element"));
        }
        if self.open.len() == DEEPEST {
            return Err(self.malformed("elements are nested more than 256 deep"));
        }
        Ok(())
    }

    fn opened(&mut self, tag: &Tag<'a>, length: usize, is_empty: bool) {
        if let Some(outer) = self.open.last_mut() {
            outer.holds_elements = true;
        }
        let mut locked = false;
        if !tag.attributes.is_empty() {
            self.leaves += tag.leaves();
            locked = self.unlock.is_some() && tag.is("Protected");
        }
        self.open.push(Around { name: tag.name, seen: Seen::Nothing, holds_elements: false, locked });
        self.at += length;
        self.rooted = true;
        self.closing = is_empty;
    }

    /// Understands a tag of any form, which begins here.
    fn understood(&mut self, start: &BytesStart<'_>, length: usize, is_empty: bool) -> Result<Step<'a>> {
        self.check_open()?;
        // The event borrows from itself; the same characters stand in the document.
        let from = self.at + "<".len();
        let name = self
            .document
            .get(from..from + start.name().as_ref().len())
            .filter(|name| *name == start.name().as_ref())
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a tag is not where it was found"))?;
        let mut attributes: Vec<(Cow<'a, str>, Text<'a>)> = Vec::new();
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| self.malformed("an attribute without a value"))?;
            let value = quick_xml::escape::unescape(&attribute.value)
                .map_err(|_| self.malformed("an entity that XML does not have; none is read"))?;
            let key: &str = attribute.key.as_ref();
            if attributes.len() == MOST_ATTRIBUTES || attributes.iter().any(|(other, _)| other == key) {
                return Err(self.malformed("an attribute twice, or more than 64"));
            }
            attributes.push((Cow::Owned(key.to_owned()), Text::Made(Zeroizing::new(value.into_owned()))));
        }
        let tag = Tag { name, attributes };
        self.opened(&tag, length, is_empty);
        Ok(Step::Open(tag))
    }

    /// The element that a tag has opened.
    pub(crate) fn element(&mut self, tag: Tag<'a>) -> Result<Element<'a>> {
        let new = |tag| Element { tag, text: Text::Empty, children: Vec::new(), unlocked: false };
        let (mut current, mut above, mut count) = (new(tag), Vec::new(), 0);
        loop {
            match self.step()? {
                Step::Open(tag) => {
                    count += 1;
                    if count == MOST_ELEMENTS {
                        return Err(self.malformed("an element of more than a million elements"));
                    }
                    if let Some(text) = self.leaf() {
                        current.children.push(new(tag));
                        if let Some(leaf) = current.children.last_mut() {
                            leaf.text.push(text);
                            self.unlock(leaf)?;
                        }
                        continue;
                    }
                    above.push(std::mem::replace(&mut current, new(tag)));
                }
                Step::Text(piece) => current.text.push(piece),
                Step::Close => {
                    if !current.children.is_empty() && is_blank(current.text.as_str()) {
                        current.text = Text::Empty;
                    }
                    self.unlock(&mut current)?;
                    let Some(mut outer) = above.pop() else { return Ok(current) };
                    outer.children.push(current);
                    current = outer;
                }
                Step::End => return Err(self.malformed("it ends in the middle")),
            }
        }
    }

    fn unlock(&mut self, element: &mut Element<'a>) -> Result<()> {
        let Some(unlock) = &mut self.unlock else { return Ok(()) };
        if !element.tag.is("Protected") || !element.children.is_empty() {
            return Ok(());
        }
        element.unlocked = true;
        let Some(mut bytes) = unlock(element.text.as_str()) else {
            return Err(self.malformed("a protected value is not in base64"));
        };
        // Whoever reads it knows whether it should be a text.
        element.text = match std::str::from_utf8(&bytes) {
            Ok("") => Text::Empty,
            Ok(_) => {
                Text::Made(Zeroizing::new(String::from_utf8(std::mem::take(&mut *bytes)).unwrap_or_default()))
            }
            Err(_) => Text::Bytes(bytes),
        };
        Ok(())
    }
}

/// Bytes of names as nearly everybody writes them.
const PLAIN: [bool; 256] = {
    let (mut plain, mut byte) = ([false; 256], 0_u8);
    while byte < 128 {
        plain[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        byte += 1;
    }
    plain
};

/// The tag that begins at this place, its length and whether it closes at once; `None` where it is none in its simplest form:
/// `<name>`, `<name/>`, with attributes `<name one="value" other="value">`.
fn simple(document: &str, at: usize) -> Option<(Tag<'_>, usize, bool)> {
    let bytes = document.as_bytes();
    let word = |from: usize| {
        let rest = bytes.get(from..)?;
        let is_plain = |byte: &u8| PLAIN.get(usize::from(*byte)).copied().unwrap_or_default();
        let length = rest.iter().position(|byte| !is_plain(byte)).filter(|length| *length > 0)?;
        document.get(from..from + length)
    };
    let name = word(at + 1)?;
    let mut end = at + 1 + name.len();
    let mut attributes: Vec<(Cow<'_, str>, Text<'_>)> = Vec::new();
    loop {
        match bytes.get(end..)? {
            [b'>', ..] => return Some((Tag { name, attributes }, end + 1 - at, false)),
            [b'/', b'>', ..] => return Some((Tag { name, attributes }, end + 2 - at, true)),
            [b' ', ..] => {
                let key = word(end + 1)?;
                let from = end + 1 + key.len() + "=\"".len();
                if document.get(from - 2..from) != Some("=\"") {
                    return None;
                }
                let length = memchr::memchr2(b'"', b'&', bytes.get(from..)?)?;
                let value = document.get(from..from + length)?;
                end = from + length + 1;
                let is_new =
                    attributes.len() < MOST_ATTRIBUTES && attributes.iter().all(|(other, _)| other != key);
                if bytes.get(end - 1) != Some(&b'"') || !is_new {
                    return None;
                }
                attributes.push((Cow::Borrowed(key), Text::of(value)));
            }
            _ => return None,
        }
    }
}

/// The name of the outermost element: what follows declarations, comments and the document type.
pub(crate) fn outermost(mut xml: &str) -> Option<&str> {
    loop {
        xml = xml.trim_start();
        let end = match xml {
            _ if xml.starts_with("<!--") => "-->",
            _ if xml.starts_with("<?") => "?>",
            _ if xml.starts_with("<!") => ">",
            _ => break,
        };
        xml = xml.split_once(end)?.1;
    }
    let name = xml.strip_prefix('<')?;
    name.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next()
}

/// Elements of a document's beginning that are looked at, and how deep they may stand.
const OUTLINE: (usize, usize) = (400, 6);

/// The paths of the first elements of a document, as far as its beginning shows them: `database`, `database/card`.
pub(crate) fn outline(head: &str) -> Vec<String> {
    let (mut found, mut open, mut seen) = (Vec::new(), Vec::new(), 0);
    if outermost(head).is_none() {
        return found;
    }
    let mut xml = Xml::new(head);
    while seen < OUTLINE.0 {
        match xml.step() {
            Ok(Step::Open(tag)) => {
                seen += 1;
                open.push(tag.name);
                if open.len() <= OUTLINE.1 {
                    let path = open.join("/");
                    if !found.contains(&path) {
                        found.push(path);
                    }
                }
            }
            Ok(Step::Close) => drop(open.pop()),
            Ok(Step::Text(_)) => {}
            // The end of the beginning, mostly.
            Ok(Step::End) | Err(_) => break,
        }
    }
    found
}

/// A document as values, for readers that are not in want of its order.
pub(crate) struct Tree {
    /// What the outermost element is called.
    pub(crate) name: String,
    /// What stands in it: see [`tree`].
    pub(crate) members: Members,
    /// Marks of XML's own that said something: name spaces and the like.
    pub(crate) marks: u64,
}

/// Values of a document: more than any file holds that people made.
const MOST_VALUES: usize = 4_000_000;

/// An element that is not whole yet.
struct Open<'a> {
    name: &'a str,
    members: Members,
    /// Children by their names, where they are many.
    places: HashMap<&'a str, usize>,
    text: Text<'a>,
    has_children: bool,
}

impl<'a> Open<'a> {
    fn new(tag: Tag<'a>, marks: &mut u64) -> Self {
        let mut members = Members::new();
        for (name, value) in tag.attributes {
            if name == "xmlns" || ["xmlns:", "xsi:", "xml:"].iter().any(|space| name.starts_with(space)) {
                *marks += u64::from(!value.is_empty());
            } else {
                members.push((format!("@{name}"), Value::Text(value.into_wiped())));
            }
        }
        Self { name: tag.name, members, places: HashMap::new(), text: Text::Empty, has_children: false }
    }

    fn put(&mut self, name: &'a str, value: Value) {
        self.has_children = true;
        if name == "br" && value.leaves() == 0 {
            return self.text.push(Cow::Borrowed("\n"));
        }
        match self.places.get(name).and_then(|at| self.members.get_mut(*at)) {
            Some((_, Value::List(list))) => list.push(value),
            Some((_, first)) => {
                let before = std::mem::replace(first, Value::Null);
                *first = Value::List(vec![before, value]);
            }
            None => {
                self.places.insert(name, self.members.len());
                self.members.push((name.to_owned(), value));
            }
        }
    }

    /// A text where nothing else stands in it, otherwise an object.
    fn whole(mut self) -> Value {
        // A blank text is how a document is laid out, unless it is all that an element holds on its line.
        let blank = is_blank(self.text.as_str()) && (self.has_children || self.text.as_str().contains('\n'));
        let text = if blank { Zeroizing::default() } else { self.text.into_wiped() };
        if self.members.is_empty() {
            return if text.is_empty() { Value::Null } else { Value::Text(text) };
        }
        if !text.is_empty() {
            self.members.push(("#text".to_owned(), Value::Text(text)));
        }
        Value::Object(self.members)
    }
}

/// Reads a document whole. An element is a text, or an object where it has attributes (`@name`) or children; its own text is
/// then `#text`. Elements of one name that stand in the same are a list, in the place of the first. `<br/>` is a line break.
///
/// # Errors
/// [`ErrorKind::Input`] where it is malformed, or holds more than is read.
pub(crate) fn tree(document: &str) -> Result<Tree> {
    let mut xml = Xml::new(document);
    let (mut above, mut values, mut marks): (Vec<Open<'_>>, usize, u64) = (Vec::new(), 0, 0);
    let mut whole = None;
    loop {
        match xml.step()? {
            Step::Open(tag) => {
                values += 1 + tag.attributes.len();
                if values > MOST_VALUES {
                    return Err(xml.malformed("more than four million values"));
                }
                above.push(Open::new(tag, &mut marks));
            }
            Step::Text(piece) => {
                if let Some(open) = above.last_mut() {
                    open.text.push(piece);
                }
            }
            Step::Close => {
                let Some(done) = above.pop() else { continue };
                let name = done.name;
                match above.last_mut() {
                    Some(outer) => outer.put(name, done.whole()),
                    None => whole = Some((name.to_owned(), done.whole())),
                }
            }
            Step::End => break,
        }
    }
    let (name, value) = whole.ok_or_else(|| xml.malformed("it has no element"))?;
    let members = match value {
        Value::Object(members) => members,
        Value::Null => Members::new(),
        text => vec![("#text".to_owned(), text)],
    };
    Ok(Tree { name, members, marks })
}

/// Whether there is nothing but white space.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Result<String> {
        fn show(element: &Element<'_>) -> String {
            let attributes: Vec<_> = element
                .tag
                .attributes
                .iter()
                .map(|(name, value)| format!(" {name}={}", value.as_str()))
                .collect();
            let children: Vec<_> = element.children.iter().map(show).collect();
            format!(
                "{}{}({}){}",
                element.tag.name,
                attributes.concat(),
                element.text.as_str(),
                children.concat()
            )
        }
        let (mut xml, mut shown) = (Xml::new(document), String::new());
        loop {
            match xml.step()? {
                Step::Open(tag) => shown += &show(&xml.element(tag)?),
                Step::End => return Ok(shown),
                Step::Text(_) | Step::Close => {}
            }
        }
    }

    #[test]
    fn texts_are_what_they_say() {
        for (document, wanted) in [
            ("<?xml version=\"1.0\"?><!DOCTYPE a>\r\n<a><!-- c --> <b x='1&amp;2'/> </a>", "a()b x=1&2()"),
            ("<a>one&amp;&#10;two&#x26;<!-- c --><![CDATA[<&]]></a>", "a(one&\ntwo&<&)"),
            ("<a>1\r\n2\r3&#13;\n</a>", "a(1\n2\n3\r\n)"),
            ("<a>  </a>", "a(  )"),
            ("<ж ъ=\"ы\">я</ж>", "ж ъ=ы(я)"),
        ] {
            assert_eq!(read(document).unwrap(), wanted, "{document}");
        }
    }

    #[test]
    fn what_could_load_grow_or_deceive_is_refused() {
        let deep = "<a>".repeat(300);
        let many = format!("<a {}/>", (0..100).map(|n| format!("a{n}=''")).collect::<Vec<_>>().join(" "));
        for document in [
            "<!DOCTYPE a [<!ENTITY planted SYSTEM \"file:///etc/passwd\">]><a>&planted;</a>",
            "<!DOCTYPE a [<!ENTITY planted \"x\">]><a/>",
            "<a>&planted;</a>",
            "<a b='&planted;'/>",
            "<a>&#xffffffff;</a>",
            "<a b='1' b='2'/>",
            "<a><planted></a>",
            "<a>",
            "<a/><b/>",
            "<a/>planted",
            "planted",
            "",
            &deep,
            &many,
        ] {
            let error = read(document).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input, "{document}");
            assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
        }
    }

    #[test]
    fn a_tree_keeps_every_text_and_attribute() {
        let shown = |document: &str| {
            let tree = tree(document).unwrap();
            let members = Value::Object(tree.members);
            (tree.name, crate::json::text(&members).expose().to_owned(), tree.marks)
        };
        for (document, wanted, marks) in [
            ("<a/>", "{}", 0),
            ("<a>x</a>", r##"{"#text":"x"}"##, 0),
            (
                "<a xmlns='n' x='1'>\n <b> </b> <b/>\n <c>\n </c><b y='2'>t</b>\n</a>",
                r##"{"@x":"1","b":[" ",null,{"@y":"2","#text":"t"}],"c":null}"##,
                1,
            ),
            ("<a><b>1<br/>2<br />3</b>loose</a>", r##"{"b":"1\n2\n3","#text":"loose"}"##, 0),
            ("<a><b p=''> </b></a>", r##"{"b":{"@p":"","#text":" "}}"##, 0),
        ] {
            assert_eq!(shown(document), ("a".to_owned(), wanted.to_owned(), marks), "{document}");
        }
        assert!(tree("<a><b></a>").is_err());
        assert_eq!(outline("<!DOCTYPE a><a><b><c/></b><b><d"), ["a", "a/b", "a/b/c"]);
        assert_eq!(outline("no <a/>"), [""; 0]);
    }

    /// The steps as the crate alone reads them, or nothing where it finds a fault.
    fn steps_of_crate(document: &str) -> Option<Vec<String>> {
        let (mut reader, mut steps) = (Reader::from_str(document), Vec::new());
        loop {
            let open = |start: &BytesStart<'_>| {
                let attributes: Option<Vec<_>> = start
                    .attributes()
                    .with_checks(false)
                    .map(|one| {
                        let one = one.ok()?;
                        let key: &str = one.key.as_ref();
                        Some(format!(" {key}={}", quick_xml::escape::unescape(&one.value).ok()?))
                    })
                    .collect();
                Some(format!("<{}{}", start.name().as_ref() as &str, attributes?.concat()))
            };
            match reader.read_event().ok()? {
                Event::Start(start) => steps.push(open(&start)?),
                Event::Empty(start) => steps.extend([open(&start)?, ">".to_owned()]),
                Event::End(_) => steps.push(">".to_owned()),
                Event::Text(text) => steps.push(text.replace("\r\n", "\n").replace('\r', "\n")),
                Event::CData(text) => steps.push(text.replace("\r\n", "\n").replace('\r', "\n")),
                Event::GeneralRef(name) => steps.push(match name.resolve_char_ref().ok()? {
                    Some(c) => c.to_string(),
                    None => match &*name {
                        "amp" => "&".to_owned(),
                        "lt" => "<".to_owned(),
                        _ => return None,
                    },
                }),
                Event::Eof => return Some(steps),
                _ => {}
            }
        }
    }

    fn steps(document: &str) -> Option<Vec<String>> {
        let (mut xml, mut steps) = (Xml::new(document), Vec::new());
        loop {
            match xml.step().ok()? {
                Step::Open(tag) => {
                    let attributes =
                        tag.attributes.iter().map(|(key, value)| format!(" {key}={}", value.as_str()));
                    steps.push(format!("<{}{}", tag.name, attributes.collect::<String>()));
                    // Every second one as a leaf, where it is one.
                    if steps.len().is_multiple_of(2)
                        && let Some(text) = xml.leaf()
                    {
                        steps.extend(Some(text.into_owned()).filter(|text| !text.is_empty()));
                        steps.push(">".to_owned());
                    }
                }
                Step::Text(text) => steps.push(text.into_owned()),
                Step::Close => steps.push(">".to_owned()),
                Step::End => return Some(steps),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_found_here_is_what_the_crate_finds(
            inner in "(<a>|</a>|<a/>|</a >|<a x=\"1\">|<b x=\"&lt;\" y='2'>|</b>|<b\nx = \"1\"/>|<a x=\"1\"  y=\"\"/>|<a x>|<é>|</é>|<!-- <a> -->|<!\\[CDATA\\[<&\r\\]\\]>|<\\?p <a> \\?>|&amp;|&#x41;|&|;|t|\r\n| |\"|>|<){0,12}",
        ) {
            let document = format!("<r>{inner}</r>");
            // A document has one outermost element, and nothing but blanks around it: the crate does not look at that.
            let depth = |steps: &[String]| {
                let mut depth = 0_i32;
                steps.iter().all(|step| {
                    let within = depth > 0 || step.starts_with('<') && step.starts_with("<r");
                    depth += i32::from(step.starts_with('<') && step.len() > 1) - i32::from(step == ">");
                    within
                }) && depth == 0
            };
            let wanted = steps_of_crate(&document).filter(|steps| depth(steps));
            if let Some(wanted) = wanted {
                proptest::prop_assert_eq!(steps(&document), Some(wanted));
            } else if steps_of_crate(&document).is_none() {
                proptest::prop_assert_eq!(steps(&document), None);
            }
        }
    }

    #[test]
    fn an_error_says_its_line() {
        let error = read("<a>\n<b>\n</a>").unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
