//! A server of HashiCorp Vault or OpenBao: its KV engines, read over its HTTP API with a token.
//!
//! | file | what it does |
//! |---|---|
//! | [`address`] | `vault://HOST:PORT/MOUNT/FOLDER`, understood |
//! | `segments` | names of a path, within an address |
//! | [`token`], `variables` | where a token comes from: variables and files, never a location |
//! | here | requests: mounts, namespaces, names, secrets |
//!
//! Only `GET` is ever sent. What a server answers is input: names, lists and sizes have ceilings.

pub mod address;
mod segments;
pub mod token;
mod variables;

pub use crate::client::kv::address::Address;
pub use crate::client::kv::segments::can_be_asked_for;

use crate::client::answer;
use crate::client::kv::segments::{encoded, names};
use crate::client::pace::Pace;
use crate::client::retry::{self, Repeat};
use crate::client::transport::{Transport, Trust, check_scheme, http_transport_trusting};
use crate::error::Place;
use crate::formats::KvVersion;
use crate::secret::{SecretBytes, SecretString};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use http::{HeaderValue, header};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;
use tower::ServiceExt as _;
use zeroize::Zeroize as _;

/// Names in one list: more are no one's folder.
const MOST_NAMES: usize = 1_000_000;
/// Bytes of a list of names.
const MAX_LIST: usize = 256 << 20;

/// Who hears a remark.
type Tell = dyn Fn(&str) + Send + Sync;

/// A server, and who asks it.
pub struct Server {
    transport: Transport,
    address: Address,
    token: SecretString,
    pace: Pace,
    timeout: Duration,
    /// Who hears that it asks for a pause.
    tell: OnceLock<Box<Tell>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// An engine of key and value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The names of its path, which has no slash at its ends.
    pub path: Vec<String>,
    /// Which version it is of.
    pub version: KvVersion,
}

/// What is mounted in a namespace.
#[derive(Debug, Default)]
pub struct Mounts {
    /// Engines of key and value, by their paths.
    pub kv: Vec<Mount>,
    /// Engines of other kinds, which hold no records: `pki/ (pki)`.
    pub others: Vec<String>,
}

/// The answer to the question for one secret.
#[derive(Debug)]
pub enum Answer {
    /// As the server wrote it.
    Whole(SecretBytes),
    /// There is none, or its newest version was deleted.
    Gone(SecretBytes),
}

/// What every answer holds.
#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(default)]
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Engine {
    #[serde(default)]
    path: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    options: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Visible {
    #[serde(default)]
    secret: BTreeMap<String, Engine>,
}

#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    errors: Vec<String>,
}

impl Engine {
    fn is_kv(&self) -> bool {
        matches!(self.kind.as_str(), "kv" | "generic")
    }

    fn mount(&self, path: &str) -> Mount {
        let version = self.options.as_ref().and_then(|options| options.get("version"));
        let is_two =
            version.is_some_and(|version| version.as_str() == Some("2") || version.as_i64() == Some(2));
        Mount { path: names(path), version: if is_two { KvVersion::Two } else { KvVersion::One } }
    }
}

impl Server {
    /// The server of an address, for whoever has this token. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] for plain HTTP to another machine that is not allowed; [`ErrorKind::Input`] where certificates
    /// cannot be used.
    pub fn new(
        address: Address,
        token: SecretString,
        timeout: Duration,
        insecure_http: bool,
        trust: &Trust,
    ) -> Result<Self> {
        check_scheme(&address.base, insecure_http)?;
        let transport = http_transport_trusting(&address.base, timeout, trust)?;
        Ok(Self::over(transport, address, token, timeout))
    }

    /// The same over another transport.
    #[must_use]
    pub fn over(transport: Transport, address: Address, token: SecretString, timeout: Duration) -> Self {
        Self { transport, address, token, pace: Pace::new(), timeout, tell: OnceLock::new() }
    }

    /// Where it is, and what of it is meant.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Has remarks, such as that the server asks for a pause, go to `tell`; the first counts.
    pub fn tell_with(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.tell.set(Box::new(tell));
    }

    /// What is mounted in a namespace, as far as the token may see it.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn mounts(&self, namespace: &[String]) -> Result<Mounts> {
        let body = self.list_bytes(namespace, "/v1/sys/internal/ui/mounts").await?;
        let visible: Visible = parse("/v1/sys/internal/ui/mounts", &body)?;
        let mut mounts = Mounts::default();
        for (path, engine) in &visible.secret {
            if engine.is_kv() {
                mounts.kv.push(engine.mount(path));
            } else if !matches!(
                engine.kind.as_str(),
                "cubbyhole" | "identity" | "system" | "ns_system" | "ns_identity" | "ns_cubbyhole"
            ) {
                mounts.others.push(format!("{path} ({})", engine.kind));
            }
        }
        Ok(mounts)
    }

    /// The engine that a path leads into.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is none, or none of key and value; those of every request.
    pub async fn mount_of(&self, namespace: &[String], path: &[String]) -> Result<Mount> {
        let asked = format!("/v1/sys/internal/ui/mounts/{}", encoded(path));
        let body = self.list_bytes(namespace, &asked).await.map_err(|error| match error.kind() {
            ErrorKind::NotAllowed | ErrorKind::NotFound => error.next_step(
                "check the path and the token's policies; where the server does not say what is mounted, add ?version=1 or ?version=2 and, unless it is the first name, ?mount=",
            ),
            _ => error,
        })?;
        let engine: Engine = parse(&asked, &body)?;
        if !engine.is_kv() {
            let what = format!(
                "{} holds no secrets of key and value: it is {}",
                engine.path,
                answer::clean(&engine.kind)
            );
            return Err(Error::new(ErrorKind::NotFound, what).at(place(&asked, None)));
        }
        let mount = engine.mount(&engine.path);
        if mount.path.is_empty() || !path.starts_with(&mount.path) {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the server names a mount that the path does not begin with",
            )
            .at(place(&asked, None)));
        }
        Ok(mount)
    }

    /// The namespaces in a namespace; `None` where the server knows none.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where the token may not list them; those of every request.
    pub async fn namespaces(&self, namespace: &[String]) -> Result<Option<Vec<String>>> {
        let path = "/v1/sys/namespaces?list=true";
        match self.list_bytes(namespace, path).await {
            Ok(body) => parse::<Keys>(path, &body).map(|found| Some(found.keys)),
            // Servers without namespaces have no such path, and say so in one way or another.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names in a folder of an engine, those of folders with a slash at their end; none where there is no such folder.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where the token may not list it; [`ErrorKind::Input`] for more than a million names.
    pub async fn names(&self, namespace: &[String], mount: &Mount, folder: &[String]) -> Result<Vec<String>> {
        let inner = if mount.version == KvVersion::Two { "metadata/" } else { "" };
        let folder = if folder.is_empty() { String::new() } else { format!("{}/", encoded(folder)) };
        let path = format!("/v1/{}/{inner}{folder}?list=true", encoded(&mount.path));
        match self.list_bytes(namespace, &path).await {
            Ok(body) => {
                let keys = parse::<Keys>(&path, &body)?.keys;
                if keys.len() > MOST_NAMES {
                    return Err(Error::new(
                        ErrorKind::Input,
                        "there are more than a million names in one folder",
                    )
                    .at(place(&path, None)));
                }
                Ok(keys)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// One secret.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where the token may not read it; those of every request.
    pub async fn secret(&self, namespace: &[String], mount: &Mount, secret: &[String]) -> Result<Answer> {
        let inner = if mount.version == KvVersion::Two { "data/" } else { "" };
        let path = format!("/v1/{}/{inner}{}", encoded(&mount.path), encoded(secret));
        let (status, body) = self.get(namespace, &path, answer::MAX_ANSWER, true).await?;
        Ok(if status == 404 { Answer::Gone(body) } else { Answer::Whole(body) })
    }

    async fn list_bytes(&self, namespace: &[String], path: &str) -> Result<SecretBytes> {
        Ok(self.get(namespace, path, MAX_LIST, false).await?.1)
    }

    /// Sends until there is an answer or no sense in trying again.
    async fn get(
        &self,
        namespace: &[String],
        path: &str,
        limit: usize,
        absent_is_fine: bool,
    ) -> Result<(u16, SecretBytes)> {
        let mut tries = 0;
        loop {
            let turn = self.pace.enter().await;
            let answered = self.once(namespace, path, limit, absent_is_fine).await;
            drop(turn);
            let error = match answered {
                Ok(answer) => {
                    self.pace.went_well();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            self.pace.went_badly(error.kind());
            tries += 1;
            let Some(pause) = retry::pause(&error, tries, Repeat::Always, self.timeout) else {
                return Err(error);
            };
            if let (Some(asked), Some(tell)) = (error.retry_after(), self.tell.get()) {
                tell(&format!("{} asks for a pause of {} s", self.address, asked.as_secs()));
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(
        &self,
        namespace: &[String],
        path: &str,
        limit: usize,
        absent_is_fine: bool,
    ) -> Result<(u16, SecretBytes)> {
        let at = |error: Error| error.at(place(path, None));
        let mut request = http::Request::get(path)
            .header(header::ACCEPT, "application/json")
            .header("X-Vault-Request", "true")
            .header("X-Vault-Token", token_header(&self.token)?);
        if !namespace.is_empty() {
            let value = HeaderValue::from_str(&encoded(namespace)).map_err(|_| {
                Error::new(ErrorKind::Input, "the namespace holds characters that no header can carry")
            })?;
            request = request.header("X-Vault-Namespace", value);
        }
        let request = request.body(Bytes::new()).map_err(|error| {
            Error::new(ErrorKind::Internal, "a request could not be put together").because(error)
        })?;
        let response = self.transport.clone().oneshot(request).await.map_err(at)?;
        let status = response.status().as_u16();
        let pause = answer::retry_after(response.headers());
        let fine = response.status().is_success() || (status == 404 && absent_is_fine);
        let limit = if fine { limit } else { answer::MAX_ERROR };
        let body = answer::whole(response.into_body(), limit).await;
        if fine {
            return Ok((status, kept(body.map_err(at)?)));
        }
        let said: Refusal = body.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        Err(refusal(path, status, pause, &said))
    }
}

/// What was received, wiped where it arrived as far as nobody else holds it.
fn kept(body: Bytes) -> SecretBytes {
    let kept = SecretBytes::new(body.to_vec());
    if let Ok(mut arrived) = body.try_into_mut() {
        arrived.as_mut().zeroize();
    }
    kept
}

fn token_header(token: &SecretString) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(token.expose())
        .map_err(|_| Error::new(ErrorKind::Input, "the token holds characters that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where a request went, without its query.
fn place(path: &str, status: Option<u16>) -> Place {
    let path = path.split('?').next().unwrap_or_default().to_owned();
    Place::Request { method: "GET".to_owned(), path, status, code: None }
}

fn parse<T: DeserializeOwned>(path: &str, body: &SecretBytes) -> Result<T> {
    // The parser's own words could quote the body.
    serde_json::from_slice::<Data<T>>(body.expose()).map(|answer| answer.data).map_err(|_| {
        Error::new(ErrorKind::Protocol, "the answer is not one of a server of HashiCorp Vault or OpenBao")
            .at(place(path, None))
            .next_step("check the address: it is the server's own, without /v1 or /ui")
    })
}

/// A refused or failed request. A server says "permission denied" of tokens that it does not know as well.
fn refusal(path: &str, status: u16, pause: Option<Duration>, said: &Refusal) -> Error {
    let words =
        said.errors.iter().map(|line| answer::clean(&line.replace(['\n', '\t'], " "))).collect::<Vec<_>>();
    let words = words.join("; ");
    let unknown_token =
        ["invalid token", "bad token", "missing client token"].iter().any(|one| words.contains(*one));
    let (kind, what, next) = match status {
        401 | 403 if unknown_token => (
            ErrorKind::NotAuthenticated,
            "the server does not know the token, or it has ended",
            Some("sign in again (vault login, bao login), or set KEYFERRY_VAULT_TOKEN"),
        ),
        400 if words.contains("missing client token") => {
            (ErrorKind::NotAuthenticated, "the server wants a token", Some("set KEYFERRY_VAULT_TOKEN"))
        }
        401 | 403 => (
            ErrorKind::NotAllowed,
            "the token may not read this",
            Some("ask for a policy that lets it read and list there"),
        ),
        404 => (ErrorKind::NotFound, "there is no such thing", None),
        405 => (ErrorKind::NotFound, "the server has no such path", None),
        // 412: a replica that is not as far yet.
        412 | 429 | 503 => (ErrorKind::Busy, "the server asks to slow down", None),
        500..=599 => (ErrorKind::Server, "the server failed", Some("its own log says why")),
        300..=399 => (
            ErrorKind::Protocol,
            "the server redirects, which is not followed with a token",
            Some("give the address that it redirects to: that of the active node"),
        ),
        400..=499 => (ErrorKind::Refused, "the server refused the request", None),
        _ => (ErrorKind::Protocol, "the server gave an unexpected status", None),
    };
    let what = if words.is_empty() { what.to_owned() } else { format!("{what}: {words}") };
    let error = Error::new(kind, what).at(place(path, Some(status))).retry_in(pause);
    match next {
        Some(next) => error.next_step(next),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_kind() {
        let kind = |status, words: &str| {
            let said = Refusal { errors: vec![words.to_owned()] };
            refusal("/v1/secret/data/app", status, None, &said).kind()
        };
        assert_eq!(kind(403, "1 error occurred:\n\t* permission denied\n\n"), ErrorKind::NotAllowed);
        assert_eq!(
            kind(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n"),
            ErrorKind::NotAuthenticated
        );
        assert_eq!(kind(503, "Vault is sealed"), ErrorKind::Busy);
        assert_eq!(kind(412, "required index state not present"), ErrorKind::Busy);
        assert_eq!(kind(307, ""), ErrorKind::Protocol);
        assert_eq!(kind(400, "x"), ErrorKind::Refused);
    }
}
