//! XML as a walk over its elements, for formats that are written in it.
//!
//! A document type is skipped where it only has a name, and refused where it declares anything: no entity is known but the
//! five of XML and numbered characters, nothing is ever loaded. Depth, attributes and sizes are bounded. Texts are borrowed
//! from the document; those that have to be made (out of references, out of pieces) are wiped.
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
    pub(crate) attributes: Vec<(String, Zeroizing<String>)>,
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
    reader: Reader<&'a [u8]>,
    depth: usize,
    /// An empty element was opened, and closes with the next step.
    closing: bool,
    /// The outermost element was there.
    rooted: bool,
    unlock: Option<Unlock>,
}

impl<'a> Xml<'a> {
    pub(crate) fn new(document: &'a str) -> Self {
        // A mark would shift what the reader says of places.
        let document = document.trim_start_matches('\u{feff}');
        let reader = Reader::from_str(document);
        Self { document, reader, depth: 0, closing: false, rooted: false, unlock: None }
    }

    /// Unlocks texts of elements with `Protected="True"`, in the order in which they stand.
    pub(crate) fn unlocking(mut self, unlock: Unlock) -> Self {
        self.unlock = Some(unlock);
        self
    }

    fn malformed(&self, what: &str) -> Error {
        let read =
            self.document.as_bytes().iter().take(usize::try_from(self.reader.error_position()).unwrap_or(0));
        let line = 1 + read.filter(|byte| **byte == b'\n').count() as u64;
        Error::new(ErrorKind::Input, format!("the XML is malformed in line {line}: {what}"))
    }

    /// The next step.
    pub(crate) fn step(&mut self) -> Result<Step<'a>> {
        loop {
            if self.closing {
                self.closing = false;
                self.depth -= 1;
                return Ok(Step::Close);
            }
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(quick_xml::Error::Syntax(_)) => {
                    return Err(self.malformed("a tag, comment or reference has no end"));
                }
                Err(_) => return Err(self.malformed("its tags do not match, or a reference has no end")),
            };
            match event {
                Event::Start(start) => return self.open(&start, 1).map(Step::Open),
                Event::Empty(start) => {
                    let tag = self.open(&start, 2)?;
                    self.closing = true;
                    return Ok(Step::Open(tag));
                }
                Event::End(_) => {
                    self.depth = self.depth.checked_sub(1).ok_or_else(|| self.malformed("a tag too many"))?;
                    return Ok(Step::Close);
                }
                Event::Text(text) => return self.text(text.into_inner()),
                Event::CData(text) => return self.text(text.into_inner()),
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
                    return self.text(Cow::Owned(c.to_string()));
                }
                Event::DocType(kind) => {
                    if self.rooted || kind.contains('[') {
                        return Err(self.malformed("a document type with declarations, which is not read"));
                    }
                }
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::Eof if self.depth > 0 => return Err(self.malformed("it ends in the middle")),
                Event::Eof if !self.rooted => return Err(self.malformed("it has no element")),
                Event::Eof => return Ok(Step::End),
            }
        }
    }

    fn text(&self, text: Cow<'a, str>) -> Result<Step<'a>> {
        if self.depth == 0 {
            let blank = text.chars().all(|c| c.is_ascii_whitespace() || c == '\u{feff}');
            return if blank {
                Ok(Step::Text(Cow::Borrowed("")))
            } else {
                Err(self.malformed("a text outside of its element"))
            };
        }
        Ok(Step::Text(match text {
            // A line ends with one character, whatever the file has; written as a reference it stays.
            Cow::Borrowed(text) if text.contains('\r') => {
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
        }))
    }

    /// Understands a tag; `closed` characters end it.
    fn open(&mut self, start: &BytesStart<'_>, closed: usize) -> Result<Tag<'a>> {
        if self.depth == 0 && self.rooted {
            return Err(self.malformed("a second outermost element"));
        }
        if self.depth == DEEPEST {
            return Err(self.malformed("elements are nested more than 256 deep"));
        }
        // The event borrows from itself; the same characters stand in the document.
        let end = usize::try_from(self.reader.buffer_position()).ok().and_then(|end| end.checked_sub(closed));
        let length = start.name().as_ref().len();
        let name = end
            .and_then(|end| end.checked_sub(start.len()))
            .and_then(|from| self.document.get(from..from + length))
            .filter(|name| *name == start.name().as_ref())
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a tag is not where it was found"))?;
        let mut attributes: Vec<(String, Zeroizing<String>)> = Vec::new();
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| self.malformed("an attribute without a value"))?;
            let value = quick_xml::escape::unescape(&attribute.value)
                .map_err(|_| self.malformed("an entity that XML does not have; none is read"))?;
            let key: &str = attribute.key.as_ref();
            if attributes.len() == MOST_ATTRIBUTES || attributes.iter().any(|(other, _)| other == key) {
                return Err(self.malformed("an attribute twice, or more than 64"));
            }
            attributes.push((key.to_owned(), Zeroizing::new(value.into_owned())));
        }
        self.rooted = true;
        self.depth += 1;
        Ok(Tag { name, attributes })
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
                members.push((format!("@{name}"), Value::Text(value)));
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
        let text = match self.text {
            _ if blank => Zeroizing::new(String::new()),
            Text::Made(text) => text,
            text => Zeroizing::new(text.as_str().to_owned()),
        };
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

    #[test]
    fn an_error_says_its_line() {
        let error = read("<a>\n<b>\n</a>").unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
