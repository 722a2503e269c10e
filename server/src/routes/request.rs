//! A request without its transport.

use crate::error::{Refusal, Result};
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_path_to_error::Segment;
use std::borrow::Cow;
use std::str::FromStr;

/// A request's body, as text: as it came over HTTP, or as it stands in a batch.
#[derive(Clone)]
pub(crate) struct Body(pub Bytes);

impl Body {
    /// The body as a handler takes it. Where it is wrong, the member is named, and what was expected there.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T> {
        self.peek()
    }

    /// As [`Body::parse`], for who looks at it before it is taken.
    pub fn peek<T: DeserializeOwned>(&self) -> Result<T> {
        self.borrow()
    }

    /// As [`Body::peek`], where what is read is a part of the body itself.
    pub fn borrow<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        self.check_object()?;
        if self.is_empty() {
            return Err(Refusal::malformed("A body is needed: a JSON object."));
        }
        // What is right, as nearly all is, costs no look at the members on the way.
        serde_json::from_slice(&self.0).or_else(|_| {
            let is_json = serde_json::from_slice::<IgnoredAny>(&self.0).is_ok();
            let mut text = serde_json::Deserializer::from_slice(&self.0);
            serde_path_to_error::deserialize(&mut text).map_err(|error| wrong(&error, is_json))
        })
    }

    /// Its text without the blanks between members, so that the same body is the same alone and within a batch.
    pub fn feed(&self, mut to: impl FnMut(&[u8])) {
        if self.is_empty() {
            return to(b"null");
        }
        let text = &*self.0;
        let (mut kept_from, mut at) = (0, 0);
        while let Some(byte) = text.get(at) {
            match byte {
                b'"' => at = end_of_text(text, at + 1),
                b' ' | b'\t' | b'\n' | b'\r' => {
                    to(&text[kept_from..at]);
                    at += 1;
                    kept_from = at;
                }
                _ => at += 1,
            }
        }
        to(&text[kept_from..]);
    }

    /// Lists would be taken member by member in an order that nobody sees.
    fn check_object(&self) -> Result<()> {
        if self.0.trim_ascii_start().first().is_none_or(|first| *first == b'{') {
            return Ok(());
        }
        Err(Refusal::malformed("The body is a JSON object."))
    }

    /// Whether there is none at all.
    fn is_empty(&self) -> bool {
        matches!(self.0.trim_ascii(), b"" | b"null")
    }

    /// Refuses what is no object, and an object that means something of which nothing would be understood. Members beside
    /// those that are known stay ignored, but for a password where an encrypted one is meant: it would be lost.
    pub fn check_members(&self, known: &[String]) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.check_object()?;
        let Names(names) = serde_json::from_slice(&self.0).map_err(|error| {
            Refusal::malformed(format!("The body is no JSON near column {}.", error.column()))
        })?;
        let takes = |name: &str| known.iter().any(|member| member == name);
        let means = |name: &str, nothing: bool| !nothing && !takes(name);
        if takes("passwordEncrypted")
            && names.iter().any(|(name, nothing)| name == PASSWORD && means(name, *nothing))
        {
            let message = "A password comes as passwordEncrypted: in an envelope, or as base64 without client-side encryption.";
            return Err(Refusal::invalid("passwordEncrypted", message));
        }
        let places: Vec<&str> = known.iter().map(String::as_str).filter(|name| is_place(name)).collect();
        if places.iter().any(|name| name.ends_with("olderId"))
            && names.iter().any(|(name, nothing)| is_place(name) && means(name, *nothing))
        {
            let message = format!(
                "A place is named by a member that is not known here, and would be overlooked; known are {}.",
                places.join(", ")
            );
            return Err(Refusal::malformed(message));
        }
        let mut given = names.iter().filter(|(name, nothing)| name != PASSWORD || !nothing).peekable();
        if given.peek().is_none() || given.any(|(name, _)| takes(name)) {
            return Ok(());
        }
        Err(Refusal::malformed(if known.is_empty() {
            "This call takes no members.".to_owned()
        } else {
            format!("None of the body's members is known here; known are {}.", known.join(", "))
        }))
    }

    /// As [`Body::parse`], where no body at all stands for the default.
    pub fn parse_or_default<T: DeserializeOwned + Default>(self) -> Result<T> {
        if self.is_empty() { Ok(T::default()) } else { self.parse() }
    }
}

/// Where a JSON text ends whose content begins here: after its closing quote, or where everything ends.
fn end_of_text(json: &[u8], mut at: usize) -> usize {
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if json[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    json.len()
}

/// What is wrong with a body. serde's own message may quote the body, and so may the names on the way that are no member of
/// ours; told are the outermost member, the numbers in its lists, and what was expected there. In what is no JSON the outermost
/// member may be one that nobody knows.
fn wrong(error: &serde_path_to_error::Error<serde_json::Error>, is_json: bool) -> Refusal {
    let (inner, text) = (error.inner(), error.inner().to_string());
    let mut member = None;
    let mut at = String::new();
    if is_json {
        for segment in error.path() {
            match segment {
                Segment::Map { key } if member.is_none() => member = Some(key.clone()),
                Segment::Seq { index } if member.is_some() => at.extend(["[", &index.to_string(), "]"]),
                _ => {}
            }
        }
    }
    let at = member.as_ref().map(|member| format!("`{member}{at}`"));
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    if let Some(missing) = missing {
        let within = at.map(|at| format!(" in {at}")).unwrap_or_default();
        let message = format!("The body is not what this call takes: `{missing}` is missing{within}.");
        return Refusal::invalid(member.unwrap_or_else(|| missing.to_owned()), message);
    }
    // What stands after the last of these words is this program's; before it the body is repeated.
    let expected = text.rsplit_once(", expected ").and_then(|(_, words)| words.split(" at line ").next());
    let expected = expected.map(|words| format!(": expected {words}")).unwrap_or_default();
    if let (Some(member), Some(at)) = (member, at) {
        return Refusal::invalid(member, format!("{at} is not what this call takes{expected}."));
    }
    let column = if inner.line() > 0 { format!(" near column {}", inner.column()) } else { String::new() };
    Refusal::malformed(format!("The body is not what this call takes{column}{expected}."))
}

/// What typed clients send for none.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// What clients send that encrypt nothing.
const PASSWORD: &str = "password";

/// Whether a member names a vault or a folder: what is put somewhere by a name that nobody reads would stand at a vault's top.
fn is_place(name: &str) -> bool {
    let name = name.to_lowercase();
    name.ends_with("folderid")
        || name.ends_with("vaultid")
        || matches!(&*name, "parentid" | "targetid" | "destinationid")
}

/// The names of an object's members, each with whether it means nothing: looked at where that makes a difference.
struct Names<'a>(Vec<(Cow<'a, str>, bool)>);

impl<'de: 'a, 'a> Deserialize<'de> for Names<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Names<'de>, A::Error> {
                let mut names = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    let nothing = if name == PASSWORD || is_place(&name) {
                        is_nothing(&map.next_value::<Value>()?)
                    } else {
                        map.next_value::<IgnoredAny>()?;
                        false
                    };
                    names.push((name, nothing));
                }
                Ok(Names(names))
            }
        }
        from.deserialize_map(Visitor)
    }
}

/// A member's name: a part of the text, where nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// What a handler is asked.
#[derive(Clone)]
pub(crate) struct Request {
    pub method: Method,
    pub body: Body,
    /// Of a new user's password, computed before the transaction began.
    pub password_hash: Option<String>,
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

impl Request {
    /// `params` are the named segments of the path, as they stand in it.
    pub fn new<'a>(
        method: Method,
        params: impl Iterator<Item = (&'a str, &'a str)>,
        query: Option<&str>,
        body: Body,
    ) -> Result<Self> {
        let params = params
            .map(|(name, value)| Ok((name.to_owned(), decode(value, false)?)))
            .collect::<Result<_>>()?;
        let mut pairs = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name, true)?, decode(value, true)?));
        }
        Ok(Self { method, body, password_hash: None, params, query: pairs })
    }

    /// A named segment of the path.
    pub fn segment(&self, name: &str) -> &str {
        self.params.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value.as_str())
    }

    /// The identifier in the path.
    pub fn id<T: FromStr<Err = Refusal>>(&self) -> Result<T> {
        self.segment("id").parse()
    }

    /// What stands under a name, however it is written: a condition that is overlooked makes a search find more than was
    /// asked for.
    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let fits = move |have: &str| {
            have.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('[') && rest.ends_with(']'))
        };
        // A field of a form that was left empty is no condition.
        let given = self.query.iter().filter(move |(have, value)| fits(have) && !value.is_empty());
        given.map(|(_, value)| value.as_str())
    }

    /// A single parameter of the query: `name=a`, also `name[]=a`.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// `name[]=a&name[]=b`, also `name[0]=a` and `name=a`.
    pub fn params(&self, name: &str) -> Vec<String> {
        self.values(name).map(str::to_owned).collect()
    }

    /// How often a parameter is given.
    pub fn count(&self, name: &str) -> usize {
        self.values(name).count()
    }

    /// So much of a list that was made whole, as `limit`, `offset` and `page` say.
    pub fn page<T>(&self, items: Vec<T>) -> Result<Vec<T>> {
        let (offset, limit) = (self.offset(None)?, self.number::<usize>("limit")?);
        Ok(items.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX)).collect())
    }

    /// How many entries of a list are passed over: `offset`, or the pages before `page`, which are counted from 1. `most` is
    /// what a list gives that is asked for no `limit`; one that comes whole then has nothing on a second page.
    pub fn offset(&self, most: Option<usize>) -> Result<usize> {
        let offset = self.number::<u32>("offset")?.map(|offset| offset as usize);
        let before = match self.number::<u32>("page")? {
            None => return Ok(offset.unwrap_or(0)),
            Some(0) => return Err(Refusal::invalid("page", "Pages are counted from 1.")),
            Some(page) => page as usize - 1,
        };
        if offset.is_some() {
            return Err(Refusal::invalid(
                "page",
                "`page` and `offset` both say where to begin: which of the two?",
            ));
        }
        let length = self.number::<usize>("limit")?.or(most).unwrap_or(usize::MAX);
        // No list is longer, and both stores take the number.
        Ok(before.saturating_mul(length).min(u32::MAX as usize))
    }

    /// The names of the query's parameters, without brackets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.query.iter().map(|(name, _)| name.split('[').next().unwrap_or_default())
    }

    /// A parameter of the query that is a number.
    pub fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>> {
        let parse =
            |text: &str| text.parse().map_err(|_| Refusal::invalid(name, format!("`{name}` is a number.")));
        self.param(name).map(parse).transpose()
    }
}

fn decode(text: &str, plus_is_space: bool) -> Result<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return Err(Refusal::malformed("The address is not percent-encoded well."));
                };
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            b'+' if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| Refusal::malformed("The address is not UTF-8."))
}
