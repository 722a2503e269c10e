//! Calls as the official client makes them: one request, one answer, no second try, no renewed token.

use crate::passwork::failure::{Failure, Result, elements, member};
use crate::passwork::python::{
    decode_base64, decode_utf8, dumps_compact, quote_plus, repr, shown, text_repr,
};
use crate::passwork::value::Value;
use http::{HeaderValue, Request, header};
use keyferry_core::client::{REQUEST_TIMEOUT, Transport, Trust, exchange, http_transport_trusting};
use keyferry_core::secret::{SecretBytes, SecretString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use url::Url;

/// Redirects that `requests` follows.
const REDIRECTS: usize = 30;

/// Whose certificates are believed.
#[derive(Clone, Debug)]
pub enum Verify {
    /// The system's authorities.
    System,
    /// Those in this file, or in this folder as OpenSSL names them.
    Path(PathBuf),
    /// Anybody's.
    Nobody,
}

/// An environment, and what lets us in.
pub struct Server {
    host: String,
    verify: Verify,
    token: SecretString,
    /// The hexadecimal SHA-256 of the master key.
    key_hash: Option<String>,
    /// One for each scheme, host and port that was spoken to.
    transports: Mutex<Vec<(Url, Transport)>>,
}

impl Server {
    /// Nothing is sent yet.
    pub fn new(host: &str, verify: Verify, token: SecretString) -> Result<Self> {
        if host.is_empty() {
            return Err(Failure::value("Host must be specified"));
        }
        let host = host.trim_end_matches('/').to_owned();
        Ok(Self { host, verify, token, key_hash: None, transports: Mutex::default() })
    }

    /// Proves knowledge of the master key from now on.
    pub fn set_key_hash(&mut self, hash: String) {
        self.key_hash = Some(hash);
    }

    /// `GET`, with a query.
    pub async fn get(&self, endpoint: &str, query: &Value) -> Result<Value> {
        let query = query_of(query)?;
        let gap = match (query.is_empty(), endpoint.contains('?')) {
            (true, _) => "",
            (false, true) => "&",
            (false, false) => "?",
        };
        self.call("GET", &format!("{endpoint}{gap}{query}"), None).await
    }

    /// Any other method, with a body.
    pub async fn send(&self, method: &str, endpoint: &str, body: &Value) -> Result<Value> {
        self.call(method, endpoint, Some(body)).await
    }

    async fn call(&self, method: &str, endpoint: &str, body: Option<&Value>) -> Result<Value> {
        let mut url = requoted(&address(&self.host, endpoint)?);
        let mut method = method.to_owned();
        let mut body = body.map(|body| dumps_compact(body).into_bytes());
        for _ in 0..=REDIRECTS {
            let answer = self.once(&method, &url, body.clone()).await?;
            let status = answer.status().as_u16();
            let Some(target) = redirection(&answer) else {
                return outcome(&method, &url, status, answer.into_body());
            };
            let here = parsed(&url)?;
            let next =
                here.join(target).map_err(|_| Failure::other("it redirects to an address that is none"))?;
            if !keeps_credentials(&here, &next) {
                return Err(Failure::other(
                    "it redirects to another host, which is not followed with a token",
                ));
            }
            if status == 303 || status == 302 || (status == 301 && method == "POST") {
                "GET".clone_into(&mut method);
            }
            if !matches!(status, 307 | 308) {
                body = None;
            }
            next.as_str().clone_into(&mut url);
        }
        Err(Failure::other(format!("Exceeded {REDIRECTS} redirects.")))
    }

    async fn once(
        &self,
        method: &str,
        url: &str,
        body: Option<Vec<u8>>,
    ) -> Result<http::Response<SecretBytes>> {
        let address = parsed(url)?;
        let transport = self.transport(&address)?;
        let path = match address.query() {
            Some(query) => format!("{}?{query}", address.path()),
            None => address.path().to_owned(),
        };
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "*/*");
        if !self.token.is_empty() {
            request = request.header(header::AUTHORIZATION, secret_header("Bearer ", self.token.expose())?);
        }
        if let Some(hash) = &self.key_hash {
            request = request.header("X-Master-Key-Hash", secret_header("", hash)?);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = SecretBytes::new(body.unwrap_or_default());
        let request = request.body(body).map_err(|_| Failure::value("this is no request"))?;
        Ok(exchange(transport, request).await?)
    }

    fn transport(&self, address: &Url) -> Result<Transport> {
        let mut root = address.clone();
        root.set_path("/");
        root.set_query(None);
        root.set_fragment(None);
        let mut known = self.transports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, transport)) = known.iter().find(|(known, _)| *known == root) {
            return Ok(transport.clone());
        }
        let trust = match &self.verify {
            // Nothing is encrypted, so nothing is verified: no authorities need be read.
            _ if root.scheme() == "http" => Trust::Anybody,
            Verify::System => Trust::System,
            Verify::Path(path) => Trust::Only(authorities(path)?),
            Verify::Nobody => Trust::Anybody,
        };
        let transport = http_transport_trusting(&root, REQUEST_TIMEOUT, &trust)?;
        known.push((root, transport.clone()));
        Ok(transport)
    }
}

/// The certificates of a file, or of a folder as `openssl rehash` leaves it.
fn authorities(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    if !path.exists() {
        let what = format!("Could not find a suitable TLS CA certificate bundle, invalid path: {shown}");
        return Err(Failure::other(what));
    }
    let unreadable = |error: std::io::Error| Failure::other(format!("{shown}: {error}"));
    if !path.is_dir() {
        return std::fs::read(path).map_err(unreadable);
    }
    let mut all = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let hashed = name.split_once('.').is_some_and(|(hash, number)| {
            hash.len() == 8
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        if hashed {
            all.extend(std::fs::read(entry.path()).map_err(unreadable)?);
            all.push(b'\n');
        }
    }
    Ok(all)
}

/// Host and endpoint in one, or what `requests` says of such a host.
fn address(host: &str, endpoint: &str) -> Result<String> {
    let url = format!("{host}{endpoint}");
    let url = url.trim_start();
    if url.contains(':') && !url.to_lowercase().starts_with("http") {
        return Err(Failure::value(format!("No connection adapters were found for {}", text_repr(url))));
    }
    let named =
        |scheme: &str| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-'));
    let Some((scheme, rest)) = url.split_once(':').filter(|(scheme, _)| named(scheme)) else {
        let url = text_repr(url);
        let perhaps = url.trim_matches(['\'', '"']);
        return Err(Failure::value(format!(
            "Invalid URL {url}: No scheme supplied. Perhaps you meant https://{perhaps}?"
        )));
    };
    let rest = rest.strip_prefix("//").unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return Err(Failure::value(format!("Invalid URL {}: No host supplied", text_repr(url))));
    }
    Ok(format!("{}://{}{path}", scheme.to_lowercase(), authority.to_lowercase()))
}

fn parsed(url: &str) -> Result<Url> {
    let parsed =
        Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    parsed.ok_or_else(|| Failure::value(format!("Failed to parse: {url}")))
}

/// What may stand in an address stays, the rest is encoded, and what needs no code loses it. A `%` that encodes nothing
/// makes all of them literal.
fn requoted(url: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut pieces = url.split('%');
    let mut unquoted = pieces.next().unwrap_or_default().as_bytes().to_vec();
    let mut all_encode = true;
    for piece in pieces {
        let code = piece.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        all_encode &= byte.is_some();
        if let Some(byte) = byte.filter(|byte| plain(*byte)) {
            unquoted.push(byte);
            unquoted.extend_from_slice(piece.as_bytes().get(2..).unwrap_or_default());
        } else {
            unquoted.push(b'%');
            unquoted.extend_from_slice(piece.as_bytes());
        }
    }
    let bytes = if all_encode { unquoted } else { url.as_bytes().to_vec() };
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if plain(byte) || b"!#$&'()*+,/:;=?@[]".contains(&byte) || (byte == b'%' && all_encode) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Where an answer sends us.
fn redirection(answer: &http::Response<SecretBytes>) -> Option<&str> {
    let redirects = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    answer.headers().get(header::LOCATION).filter(|_| redirects)?.to_str().ok()
}

/// The same host and port, or its encrypted twin.
fn keeps_credentials(here: &Url, next: &Url) -> bool {
    let port = Url::port_or_known_default;
    here.host() == next.host()
        && ((here.scheme() == next.scheme() && port(here) == port(next))
            || (here.scheme() == "http"
                && next.scheme() == "https"
                && here.port().is_none()
                && next.port().is_none()))
}

/// The query that `requests` makes of an object: `name[]` for each element of an array, `None` left out.
fn query_of(query: &Value) -> Result<String> {
    let members = match query {
        Value::None => return Ok(String::new()),
        Value::Dict(members) => members,
        other => return Err(Failure::other(format!("'{}' object has no attribute 'items'", other.kind()))),
    };
    let mut pairs = Vec::new();
    for (name, value) in members {
        let name =
            quote_plus(&if matches!(value, Value::List(_)) { format!("{name}[]") } else { name.clone() });
        for one in each(value) {
            if !matches!(one, Value::None) {
                // A list or an object within counts by its own elements, or names.
                let inner = each(&one).into_iter();
                pairs.extend(inner.map(|one| format!("{name}={}", quote_plus(&shown(&one)))));
            }
        }
    }
    Ok(pairs.join("&"))
}

fn each(value: &Value) -> Vec<Value> {
    match value {
        Value::List(values) => values.clone(),
        Value::Dict(members) => members.iter().map(|(name, _)| Value::from(name.as_str())).collect(),
        one => vec![one.clone()],
    }
}

/// The answer's content, out of its wrapping; or the error that it tells.
fn outcome(method: &str, url: &str, status: u16, body: SecretBytes) -> Result<Value> {
    let text = decode_utf8(body).map_err(Failure::value)?;
    let mut answer = Value::loads(text.expose()).map_err(Failure::value)?;
    if answer.get("format").and_then(Value::text) == Some("base64") {
        let content = answer.get("content").and_then(Value::text).unwrap_or_default();
        let text = decode_base64(content).and_then(decode_utf8).map_err(Failure::value)?;
        answer = Value::loads(text.expose()).map_err(Failure::value)?;
    }
    if status < 400 {
        return Ok(answer);
    }
    let no_get = |value: &Value| Failure::other(format!("'{}' object has no attribute 'get'", value.kind()));
    let Value::Dict(_) = &answer else { return Err(no_get(&answer)) };
    let errors = answer.get("errors").map_or(Ok([].as_slice()), elements)?;
    let mut messages = Vec::new();
    for error in errors {
        let Value::Dict(_) = error else { return Err(no_get(error)) };
        if error.get("code").and_then(Value::text) == Some("accessTokenExpired") {
            return Err(Failure::value("Access token expired"));
        }
    }
    for error in errors {
        let message = shown(member(error, "message")?);
        let field = error.get("field").filter(|field| field.is_true());
        messages.push(Value::from(
            match field {
                Some(field) => format!("{} => {message}", shown(field)),
                None => message,
            }
            .as_str(),
        ));
    }
    Err(Failure::value(format!(
        "Message: {} \nUrl: ({},) \nMethod: {method} \nCode: {status}",
        repr(&Value::List(messages)),
        text_repr(url)
    )))
}

/// A header that no log shows.
fn secret_header(before: &str, secret: &str) -> Result<HeaderValue> {
    let text = SecretString::new(format!("{before}{secret}"));
    // In words of ours where Python would quote the secret.
    let invalid = "Invalid leading whitespace, reserved character(s), or return character(s) in header value";
    let mut value = HeaderValue::from_str(text.expose()).map_err(|_| Failure::value(invalid))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_made_as_requests_makes_them() {
        let query = |text| query_of(&Value::loads(text).ok().unwrap()).map_err(|failure| failure.what);
        let all = r#"{"a": "x y", "b": [1, null, "ü", [true, {"k": 1}]], "c": null, "d": {"p": 1, "q": 2}, "e": 1.0, "f": []}"#;
        assert_eq!(
            query(all).as_deref(),
            Ok("a=x+y&b%5B%5D=1&b%5B%5D=%C3%BC&b%5B%5D=True&b%5B%5D=%7B%27k%27%3A+1%7D&d=p&d=q&e=1.0")
        );
        assert_eq!(query("[1]"), Err("'list' object has no attribute 'items'".to_owned()));
    }

    #[test]
    fn addresses_are_quoted_once() {
        assert_eq!(requoted("http://h/a b/%41%2f?x=ä|"), "http://h/a%20b/A%2f?x=%C3%A4%7C");
        assert_eq!(requoted("http://h/100%/%41"), "http://h/100%25/%2541");
        assert!(
            address("localhost:80", "/a").is_err()
                && address("https://", "/a").is_err()
                && address("h", "/a").is_err()
        );
        assert_eq!(address("HTTP://Host", "/A").ok().as_deref(), Some("http://host/A"));
    }

    #[test]
    fn credentials_stay_with_their_host() {
        let keeps = |here, next| keeps_credentials(&Url::parse(here).unwrap(), &Url::parse(next).unwrap());
        assert!(keeps("http://h/a", "http://h/b") && keeps("http://h/a", "https://h/a"));
        assert!(!keeps("http://h/a", "http://i/a") && !keeps("https://h/a", "http://h/a"));
        assert!(!keeps("http://h:1/a", "https://h:2/a") && !keeps("http://h:1/a", "http://h:2/a"));
    }
}
