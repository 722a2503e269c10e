//! Who asks, and from where. Programs carry a bearer token; a browser carries a cookie, and with each
//! write its CSRF token, since cookies also travel with requests that another site provokes.

use crate::access::Caller;
use crate::error::{Refusal, Result};
use crate::limits::Limits;
use crate::store::search::Shown;
use crate::store::{session, user};
use crate::{Environment, ServeOptions};
use http::{HeaderMap, Method, header};
use keyferry_api::error::code;
use keyferry_api::session::browser;
use keyferry_api::{EXTENSIONS_HEADER, MASTER_KEY_HASH_HEADER, MINIMAL, PREFER_HEADER};
use keyferry_sql::Connection;
use std::net::IpAddr;
use subtle::ConstantTimeEq as _;

/// Another name that clients send the master key's hash under.
const OTHER_HASH_HEADER: &str = "passwork-masterkeyhash";

/// All that is known of a request besides what it asks.
pub(crate) struct Visit<'a> {
    pub environment: &'a Environment,
    pub options: &'a ServeOptions,
    pub limits: &'a Limits,
    pub headers: &'a HeaderMap,
    /// `None` within the server's own process.
    pub peer: Option<IpAddr>,
}

/// What proves who asks.
enum Token {
    Bearer(String),
    Cookie(String),
}

impl Visit<'_> {
    /// The network address, for the activity log.
    pub fn address(&self) -> Option<String> {
        self.peer.map(|peer| peer.to_string())
    }

    /// The scheme and host of links: what the operator said, else what the client used.
    pub fn origin(&self) -> String {
        if let Some(url) = &self.options.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        format!("{}://{host}", if self.options.tls { "https" } else { "http" })
    }

    /// Whether the client is a browser that wants its token as a cookie.
    pub fn is_browser(&self) -> bool {
        self.headers.get(browser::MODE_HEADER).is_some_and(|value| value.as_bytes() == b"1")
    }

    /// An empty one means none, as an empty key hash does.
    pub fn csrf_token(&self) -> Option<&str> {
        self.headers.get(browser::CSRF_HEADER)?.to_str().ok().map(str::trim).filter(|token| !token.is_empty())
    }

    /// The cookie that holds an access token; without one, the cookie that takes it away.
    pub fn cookie(&self, access: Option<&str>) -> String {
        let (value, age) = match access {
            Some(token) => (percent_encoded(token), self.options.refresh_token_life.as_secs()),
            None => (String::new(), 0),
        };
        let secure = if self.options.tls { "; Secure" } else { "" };
        let name = browser::ACCESS_COOKIE;
        format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
    }

    fn token(&self) -> Option<Token> {
        // A client that keeps its token in the cookie may send the header without one.
        let bare = |value: &&http::HeaderValue| {
            let value = value.as_bytes().trim_ascii();
            value.is_empty() || value.eq_ignore_ascii_case(b"bearer")
        };
        if let Some(value) = self.headers.get(header::AUTHORIZATION).filter(|value| !bare(value)) {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            let token = token.trim().to_owned();
            return scheme.eq_ignore_ascii_case("bearer").then_some(Token::Bearer(token));
        }
        let cookies = self.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == browser::ACCESS_COOKIE && !value.is_empty())
            .map(|(_, value)| Token::Cookie(percent_decoded(value)))
    }

    /// Whether the client wants the members that are our own: times as numbers, and revisions.
    pub fn wants_extensions(&self) -> bool {
        self.headers.get(EXTENSIONS_HEADER).is_some_and(|value| value.as_bytes() == b"1")
    }

    /// Which of the members of a list's entries the client wants.
    pub fn wants_of_entries(&self) -> Shown {
        let preferences = self.headers.get_all(PREFER_HEADER).iter().filter_map(|value| value.to_str().ok());
        let minimal = preferences
            .flat_map(|value| value.split(','))
            .any(|preference| preference.split(';').next().unwrap_or_default().trim() == MINIMAL);
        Shown { extensions: self.wants_extensions(), minimal }
    }

    /// The access token, and whether it came as a cookie.
    pub fn presented(&self) -> Option<(String, bool)> {
        self.token().map(|token| match token {
            Token::Bearer(text) => (text, false),
            Token::Cookie(text) => (text, true),
        })
    }

    /// A cookie alone does not write: there must be a CSRF token at all. Whether it is the right one, the
    /// session tells.
    pub fn check_csrf_header(&self, method: &Method) -> Result<()> {
        let needed = method != Method::GET && matches!(self.token(), Some(Token::Cookie(_)));
        if needed && self.csrf_token().is_none() { Err(Refusal::csrf_invalid()) } else { Ok(()) }
    }

    /// The signed-in user. A key hash that is sent must be right, whatever is asked.
    pub fn caller(&self, conn: &Connection) -> Result<Caller> {
        let token = self
            .token()
            .ok_or_else(|| Refusal::unauthorized(code::ACCESS_TOKEN_INVALID, "An access token is needed."))?;
        let caller = match &token {
            Token::Bearer(text) => session::caller(conn, text)?,
            Token::Cookie(text) => {
                let caller = session::caller(conn, text)?;
                if let Some(given) = self.csrf_token() {
                    check_csrf(caller.csrf_hash.as_ref(), given)?;
                }
                caller
            }
        };
        // An empty one means none: a browser's client sends it always.
        let hashes = [MASTER_KEY_HASH_HEADER, OTHER_HASH_HEADER].map(|name| self.headers.get(name));
        for hash in hashes.into_iter().flatten().filter(|hash| !hash.is_empty()) {
            user::check_master_key_hash(conn, &caller.user, hash.as_bytes())?;
        }
        Ok(caller)
    }
}

fn check_csrf(expected: Option<&[u8; 32]>, given: &str) -> Result<()> {
    let given = session::hash(given);
    if expected.is_some_and(|expected| bool::from(expected.ct_eq(&given))) {
        Ok(())
    } else {
        Err(Refusal::csrf_invalid())
    }
}

/// A token is base64: three of its characters have a meaning in cookies.
fn percent_encoded(token: &str) -> String {
    token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

fn percent_decoded(value: &str) -> String {
    value
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=")
        .replace("%2b", "+")
        .replace("%2f", "/")
        .replace("%3d", "=")
}
