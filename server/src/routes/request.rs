//! A request without its transport.

use crate::error::{Refusal, Result};
use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::str::FromStr;

/// A request's body: as it came over HTTP, or as a batch held it.
pub(crate) enum Body {
    Text(Bytes),
    Tree(Value),
}

impl Body {
    /// serde's own message may quote the body; only the place is told.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T> {
        let parsed = match self {
            Self::Text(text) => serde_json::from_slice(&text),
            Self::Tree(tree) => serde_json::from_value(tree),
        };
        parsed.map_err(|error| {
            let at =
                if error.line() > 0 { format!(" near column {}", error.column()) } else { String::new() };
            Refusal::malformed(format!("The body is not what this call takes{at}."))
        })
    }

    /// Refuses an object that means something, of which nothing would be understood. Members beside those that are
    /// known stay ignored, and what is no object at all is told by whoever parses it.
    pub fn check_members(&self, known: &[String], large: bool) -> Result<()> {
        let names: Vec<String> = match self {
            Self::Tree(Value::Object(members)) => members.keys().cloned().collect(),
            // A batch's own member is needed, so it tells by itself.
            Self::Text(text) if !large => match serde_json::from_slice::<Names>(text) {
                Ok(Names(names)) => names,
                Err(_) => return Ok(()),
            },
            _ => return Ok(()),
        };
        if names.is_empty() || names.iter().any(|name| known.contains(name)) {
            return Ok(());
        }
        Err(Refusal::malformed(if known.is_empty() {
            "This call takes no members.".to_owned()
        } else {
            format!("None of the body's members is known here; known are {}.", known.join(", "))
        }))
    }

    /// As [`Body::parse`], for who looks at it before it is taken.
    pub fn peek<T: DeserializeOwned>(&self) -> Result<T> {
        match self {
            Self::Text(text) => Self::Text(text.clone()).parse(),
            Self::Tree(tree) => Self::Tree(tree.clone()).parse(),
        }
    }

    /// As [`Body::parse`], where no body at all stands for the default.
    pub fn parse_or_default<T: DeserializeOwned + Default>(self) -> Result<T> {
        let empty = match &self {
            Self::Text(text) => text.trim_ascii().is_empty(),
            Self::Tree(tree) => tree.is_null(),
        };
        if empty { Ok(T::default()) } else { self.parse() }
    }
}

/// The names of an object's members, without their values.
struct Names(Vec<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, serde::de::IgnoredAny)) = map.next_entry::<String, _>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        from.deserialize_map(Visitor)
    }
}

/// What a handler is asked.
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

    /// A single parameter of the query.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// `name[]=a&name[]=b`, also `name[0]=a`.
    pub fn params(&self, name: &str) -> Vec<String> {
        let fits = |have: &str| {
            have.strip_prefix(name).is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
        };
        self.query.iter().filter(|(have, _)| fits(have)).map(|(_, value)| value.clone()).collect()
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
