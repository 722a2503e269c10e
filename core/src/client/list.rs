//! Lists, element by element while they arrive: what is kept is what is asked for, not the answer.
//!
//! A list is `{"items": […]}` or a bare array, either perhaps in the base64 wrapping
//! `{"format": "base64", "content": "…"}`, which is decoded on the way.

use crate::client::session::Credentials;
use crate::client::{Attempts, Call, Client, Repeat, answer};
use crate::{Error, ErrorKind, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

/// One element may not be larger; a server could make us buffer for ever.
const MAX_ELEMENT: usize = 16 << 20;
/// More of them, or of their bytes together, is no list of an environment.
const MAX_ELEMENTS: usize = 10_000_000;
const MAX_BYTES: u64 = 8 << 30;
/// The same of what is kept whole in memory, and has names for people: vaults, folders, users.
const MAX_NAMED: Ceilings = Ceilings { element: 256 << 10, elements: 1_000_000, bytes: 256 << 20 };
const MAX_ITEMS: Ceilings = Ceilings { element: MAX_ELEMENT, elements: MAX_ELEMENTS, bytes: MAX_BYTES };

/// What a server may answer before it is no list of an environment.
#[derive(Clone, Copy)]
struct Ceilings {
    element: usize,
    elements: usize,
    bytes: u64,
}

impl Client {
    /// Every element of a list of things that have names, read as `T`.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        self.within(path, MAX_NAMED).await
    }

    /// Every element of a list of items, read as `T` and gathered while they arrive.
    pub(super) async fn gather<T: DeserializeOwned, G: Gather<T>>(&self, path: &str) -> Result<G> {
        self.within(path, MAX_ITEMS).await
    }

    async fn within<T: DeserializeOwned, G: Gather<T>>(&self, path: &str, ceilings: Ceilings) -> Result<G> {
        let call = Call { method: Method::GET, path, body: None, repeat: Repeat::Always, key: None };
        let mut attempts = Attempts::default();
        loop {
            let credentials = self.shared.keeper.credentials();
            match self.list_once(&call, &credentials, ceilings).await {
                Ok(items) => return Ok(items),
                Err(error) => self.recover(&call, &credentials, &mut attempts, error).await?,
            }
        }
    }

    async fn list_once<T: DeserializeOwned, G: Gather<T>>(
        &self,
        call: &Call<'_>,
        credentials: &Credentials,
        ceilings: Ceilings,
    ) -> Result<G> {
        let response = self.send(call, Some(credentials), G::NEEDS_LITTLE).await?;
        let mut body = answer::open(call, Some(credentials), response).await?;
        let place = || answer::place(&call.method, call.path, None, None);
        let tell = |broken| match broken {
            Broken::Syntax(what) => Error::new(ErrorKind::Protocol, what).at(place()),
            Broken::Element(error) => answer::senseless(&call.method, call.path, &error),
            Broken::Kept(error) => error.at(place()),
        };
        let mut items = G::default();
        let mut elements = Elements::default();
        let (mut count, mut length) = (0_usize, 0_u64);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| error.at(place()))?;
            let Some(bytes) = frame.data_ref() else { continue };
            length += bytes.len() as u64;
            let mut take = |element: &[u8]| {
                count += 1;
                if element.len() > ceilings.element {
                    return Err(Broken::Syntax("an element of the list is too long"));
                }
                if count > ceilings.elements {
                    return Err(Broken::Syntax("the list has too many elements"));
                }
                items.take(serde_json::from_slice(element).map_err(Broken::Element)?).map_err(Broken::Kept)
            };
            if length > ceilings.bytes {
                return Err(tell(Broken::Syntax("the list is too long")));
            }
            elements.feed(bytes, &mut take).map_err(tell)?;
            if items.has_enough() {
                return Ok(items);
            }
        }
        elements.finish().map_err(tell)?;
        Ok(items)
    }
}

/// Why a list could not be read.
enum Broken {
    /// The list's own syntax.
    Syntax(&'static str),
    /// An element's content.
    Element(serde_json::Error),
    /// Keeping an element failed.
    Kept(Error),
}

/// What the elements of a list are gathered in. A list that breaks off is gathered anew.
pub(super) trait Gather<T>: Default {
    /// Whether it has enough where an element says what it is and where it stands.
    const NEEDS_LITTLE: bool = false;

    /// Keeps an element.
    fn take(&mut self, element: T) -> Result<()>;

    /// Whether the rest of the list need not be heard.
    fn has_enough(&self) -> bool {
        false
    }
}

impl<T> Gather<T> for Vec<T> {
    fn take(&mut self, element: T) -> Result<()> {
        self.push(element);
        Ok(())
    }
}

type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Broken>;

/// Finds the elements of a list in bytes that come in pieces of any size.
#[derive(Default)]
struct Elements {
    state: State,
    /// The present name, element, or undecoded rest of the wrapping.
    held: Vec<u8>,
    inner: Option<Box<Elements>>,
}

#[derive(Default, Clone, Copy)]
enum State {
    /// Before the first brace or bracket.
    #[default]
    Start,
    /// Within the outer object, before a name or its end.
    Members,
    /// Within a member's name.
    Name { escaped: bool },
    /// Before a member's value.
    Colon,
    /// Within a value that does not matter.
    Skip(Nesting),
    /// Within the list, before an element or the list's end.
    List,
    /// Within an element.
    Element(Nesting),
    /// Within the wrapping's text.
    Wrapped,
    /// After the list: whatever follows is not looked at.
    Done,
}

/// How deep a value is open, and whether a string is.
#[derive(Default, Clone, Copy)]
struct Nesting {
    depth: usize,
    string: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes a byte of a value. `true`: this byte stands behind the value and is not part of it.
    fn ends_before(&mut self, byte: u8) -> bool {
        if self.string {
            if self.escaped {
                self.escaped = false;
            } else {
                self.escaped = byte == b'\\';
                self.string = byte != b'"';
            }
            return false;
        }
        match byte {
            b'"' => self.string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => self.depth -= 1,
            b'}' | b']' | b',' if self.depth == 0 => return true,
            _ => {}
        }
        false
    }
}

impl Elements {
    fn feed(&mut self, mut bytes: &[u8], take: Take<'_>) -> Result<(), Broken> {
        while let Some((&byte, rest)) = bytes.split_first() {
            // Most of a list is text in its elements: that is held as it stands, up to where something may end.
            if let State::Element(Nesting { string: true, escaped: false, .. }) = self.state {
                let run = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(bytes.len());
                let (text, rest) = bytes.split_at(run);
                self.hold(text)?;
                if !text.is_empty() {
                    bytes = rest;
                    continue;
                }
            }
            self.state = self.step(byte, take)?;
            bytes = rest;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8, take: Take<'_>) -> Result<State, Broken> {
        let blank = byte.is_ascii_whitespace();
        Ok(match self.state {
            State::Start | State::Members | State::Colon | State::List if blank => self.state,
            State::Start => match byte {
                b'{' => State::Members,
                b'[' => State::List,
                _ => return Err(Broken::Syntax("the answer is no list")),
            },
            State::Members => match byte {
                b'"' => {
                    self.held.clear();
                    State::Name { escaped: false }
                }
                b',' => State::Members,
                _ => return Err(Broken::Syntax("the answer has no list in it")),
            },
            State::Name { escaped } => {
                if byte == b'"' && !escaped {
                    State::Colon
                } else {
                    self.hold(&[byte])?;
                    State::Name { escaped: byte == b'\\' && !escaped }
                }
            }
            State::Colon => match (byte, self.held.as_slice()) {
                (b':', _) => State::Colon,
                (b'[', b"items") => State::List,
                (b'"', b"content") => {
                    self.held.clear();
                    self.inner = Some(Box::default());
                    State::Wrapped
                }
                _ => {
                    let mut nesting = Nesting::default();
                    nesting.ends_before(byte);
                    State::Skip(nesting)
                }
            },
            State::Skip(mut nesting) => match nesting.ends_before(byte) {
                false => State::Skip(nesting),
                true if byte == b',' => State::Members,
                true => return Err(Broken::Syntax("the answer has no list in it")),
            },
            State::List => match byte {
                b']' => State::Done,
                b',' => State::List,
                _ => {
                    self.held.clear();
                    self.held.push(byte);
                    let mut nesting = Nesting::default();
                    nesting.ends_before(byte);
                    State::Element(nesting)
                }
            },
            State::Element(mut nesting) => {
                if nesting.ends_before(byte) {
                    take(&self.held)?;
                    if byte == b']' { State::Done } else { State::List }
                } else {
                    self.hold(&[byte])?;
                    State::Element(nesting)
                }
            }
            State::Wrapped => match byte {
                b'"' => {
                    self.unwrap(take)?;
                    State::Done
                }
                // JSON may write a slash as `\/`, and base64 has no backslash of its own.
                b'\\' => State::Wrapped,
                _ => {
                    self.held.push(byte);
                    if self.held.len() == 4096 {
                        self.unwrap(take)?;
                    }
                    State::Wrapped
                }
            },
            State::Done => State::Done,
        })
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if self.held.len() + bytes.len() > MAX_ELEMENT {
            return Err(Broken::Syntax("an element of the list is too large"));
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn unwrap(&mut self, take: Take<'_>) -> Result<(), Broken> {
        let bytes =
            STANDARD.decode(&self.held).map_err(|_| Broken::Syntax("the answer's wrapping is not base64"))?;
        self.held.clear();
        match &mut self.inner {
            Some(inner) => inner.feed(&bytes, take),
            None => Ok(()),
        }
    }

    fn finish(&self) -> Result<(), Broken> {
        match (&self.inner, self.state) {
            (Some(inner), State::Done) => inner.finish(),
            (None, State::Done) => Ok(()),
            _ => Err(Broken::Syntax("the answer ends early")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What the list holds, fed in pieces of a given size.
    fn read(text: &str, piece: usize) -> Result<Vec<Value>, &'static str> {
        let mut found = Vec::new();
        let mut elements = Elements::default();
        let mut take = |element: &[u8]| {
            found.push(serde_json::from_slice(element).map_err(Broken::Element)?);
            Ok(())
        };
        let told = |broken| match broken {
            Broken::Syntax(what) => what,
            Broken::Element(_) => "element",
            Broken::Kept(_) => "kept",
        };
        for piece in text.as_bytes().chunks(piece) {
            elements.feed(piece, &mut take).map_err(told)?;
        }
        elements.finish().map_err(told)?;
        Ok(found)
    }

    #[test]
    fn elements_are_found_whatever_the_pieces() {
        let items = json!([{"a": "]},\\\"{[", "b": [1, {"c": []}]}, 7, "x\"]", null, [], {}, "ё"]);
        let plain = json!({"total": {"items": [1]}, "note": "items", "items": items, "more": 1}).to_string();
        let wrapped = json!({"format": "base64", "content": STANDARD.encode(&plain)}).to_string();
        let escaped = wrapped.replace('/', "\\/");
        let pretty = serde_json::to_string_pretty(&json!({"items": items})).unwrap_or_default();
        for text in [plain, wrapped, escaped, pretty, items.to_string()] {
            for piece in [1, 2, 3, 7, 64, 100_000] {
                assert_eq!(read(&text, piece).map(Value::from).as_ref(), Ok(&items), "{text} by {piece}");
            }
        }
        assert_eq!(read("{\"items\":[]}", 3), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list_or_ends_early_is_an_error() {
        for text in [
            "",
            "7",
            "{}",
            "{\"items\":",
            "{\"items\":[{\"a\":1}",
            "{\"a\":1}",
            "{\"format\":\"base64\",\"content\":\"!\"}",
            "[1,",
        ] {
            assert!(read(text, 2).is_err(), "{text}");
        }
        assert_eq!(read("[{\"a\":}]", 2), Err("element"));
    }
}
