//! Ways to an environment, each a `tower` service from request to answer.
//!
//! Requests carry path and query alone; the transport knows the host.

use crate::client::answer;
use crate::secret::SecretBytes;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _};

/// A boxed service that can be cloned: one for each request.
pub type Transport = BoxCloneSyncService<http::Request<Bytes>, http::Response<Body>, Error>;

/// An answer's body, arriving in pieces.
pub type Body = UnsyncBoxBody<Bytes, Error>;

/// How long one request may take from connecting to the last byte, unless the user says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// `SHA-256(certificate in DER)` of the server that gave the first answer: an extension of every answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Certificate(pub(crate) [u8; 32]);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Which certificates prove a server's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The system's authorities, and those in `SSL_CERT_FILE`.
    #[default]
    System,
    /// Only these authorities: certificates in PEM.
    Only(Vec<u8>),
    /// Any certificate at all: whoever stands in between reads along.
    Anybody,
}

/// HTTP to `base`: TLS through rustls, one pool of connections, no redirects, as these could
/// carry credentials to another origin. `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count, but not for
/// [this machine](is_this_machine).
pub fn http_transport(base: &url::Url, timeout: Duration) -> Result<Transport> {
    http_transport_trusting(base, timeout, &Trust::System)
}

/// As [`http_transport`], with other certificates than the system's.
pub fn http_transport_trusting(base: &url::Url, timeout: Duration, trust: &Trust) -> Result<Transport> {
    let unusable = |what: String| {
        Error::new(ErrorKind::Input, what).next_step("give an address such as https://passwork.example.com")
    };
    if !matches!(base.scheme(), "http" | "https") {
        return Err(unusable(format!("{} is neither http nor https", base.scheme())));
    }
    let host = base.host_str().ok_or_else(|| unusable("the address names no host".to_owned()))?.to_owned();
    // Credentials in an address would end up in logs; the client has its own.
    let mut root = base.clone();
    if root.set_username("").is_err() || root.set_password(None).is_err() {
        return Err(unusable("the address cannot be used".to_owned()));
    }
    let root = root_of(&root);
    let builder = match trust {
        // No certificate comes with plain HTTP, and reading the system's takes longer than a request.
        Trust::System if base.scheme() == "http" => {
            reqwest::Client::builder().tls_danger_accept_invalid_certs(true)
        }
        Trust::System => reqwest::Client::builder(),
        Trust::Only(pem) => {
            let unusable = |what: &str| {
                Error::new(ErrorKind::Input, what.to_owned()).next_step(
                    "give a file of certificates in PEM, such as an authority's or the server's own",
                )
            };
            let authorities = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| unusable("the certificates cannot be read").because(error.without_url()))?;
            if authorities.is_empty() {
                return Err(unusable("there are no certificates in PEM"));
            }
            reqwest::Client::builder().tls_certs_only(authorities)
        }
        Trust::Anybody => reqwest::Client::builder().tls_danger_accept_invalid_certs(true),
    };
    // What is meant for this machine does not leave it, whatever HTTP_PROXY says.
    let builder = if is_this_machine(base) { builder.no_proxy() } else { builder };
    let http = builder
        .tls_info(true)
        .user_agent(concat!("keyferry/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout)
        .build()
        .map_err(|error| Error::new(ErrorKind::Io, "TLS could not be set up").because(error))?;
    let certificate = Arc::new(OnceLock::new());
    Ok(BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let (http, root, host) = (http.clone(), root.clone(), host.clone());
        let certificate = certificate.clone();
        async move {
            let (parts, body) = request.into_parts();
            let url = format!("{root}{}", parts.uri);
            let request = http.request(parts.method, url).headers(parts.headers).body(body);
            let answer = request.send().await.map_err(|error| unreachable(&host, error))?;
            let mut answer: http::Response<reqwest::Body> = answer.into();
            let tls = answer.extensions_mut().remove::<reqwest::tls::TlsInfo>();
            if let Some(der) = tls.as_ref().and_then(reqwest::tls::TlsInfo::peer_certificate) {
                let seen = certificate.get_or_init(|| Certificate(Sha256::digest(der).into()));
                answer.extensions_mut().insert(*seen);
            }
            Ok(answer.map(|body| body.map_err(move |error| unreachable(&host, error)).boxed_unsync()))
        }
    })))
}

/// Where requests to an address go: one name for each server, with or without the path of its API. What is remembered of it is
/// remembered under this name.
#[must_use]
pub fn root_of(address: &url::Url) -> String {
    let mut root = address.clone();
    root.set_query(None);
    root.set_fragment(None);
    let root = root.as_str().trim_end_matches('/');
    root.strip_suffix(keyferry_api::BASE_PATH).unwrap_or(root).trim_end_matches('/').to_owned()
}

/// Makes sure that tokens, names and what else is not encrypted do not cross a network in the clear unasked.
///
/// # Errors
/// [`ErrorKind::NotAllowed`] for plain HTTP to another machine that is not `allowed`.
pub fn check_scheme(url: &url::Url, allowed: bool) -> Result<()> {
    if url.scheme() != "http" || is_this_machine(url) || allowed {
        return Ok(());
    }
    let host = url.host_str().unwrap_or_default();
    Err(Error::new(ErrorKind::NotAllowed, format!("http://{host} would carry tokens and names over the network in the clear"))
        .next_step("write https://; in a network that you trust, such as that of a container, --insecure-http or KEYFERRY_INSECURE_HTTP=1"))
}

/// Whether an address names this machine: `localhost`, or a loopback address (RFC 6761, RFC 1122, RFC 4291).
#[must_use]
pub fn is_this_machine(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn unreachable(host: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let (kind, what, next) = if error.is_connect() {
        let next = "check the address, the network and the server's certificate";
        (ErrorKind::Unreachable, format!("{host} cannot be reached"), next)
    } else {
        let what = if error.is_timeout() {
            format!("{host} did not answer in time")
        } else {
            format!("the connection to {host} broke")
        };
        (ErrorKind::Unanswered, what, "check that it runs and that the network is well")
    };
    Error::new(kind, what).next_step(next).because(error)
}

/// One request and its whole answer, whatever its status: for those who do without a [`Client`](crate::client::Client).
/// Nothing is tried again, renewed or unwrapped.
pub async fn exchange(
    transport: Transport,
    request: http::Request<SecretBytes>,
) -> Result<http::Response<SecretBytes>> {
    let request = request.map(|body| Bytes::from_owner(zeroize::Zeroizing::new(body.expose().to_vec())));
    let (parts, body) = transport.oneshot(request).await?.into_parts();
    let body = answer::whole(body, answer::MAX_BATCH).await?;
    Ok(http::Response::from_parts(parts, SecretBytes::new(body.to_vec())))
}

/// A router in this process, such as an `axum::Router`: no socket, no copying of bodies in requests.
pub fn in_process<S, B>(router: S) -> Transport
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: BodyExt<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let router = router.clone();
        async move {
            let Ok(response) = router.oneshot(request.map(Full::new)).await;
            let broken = |error: B::Error| {
                Error::new(ErrorKind::Server, "the environment broke off its answer").because(error.into())
            };
            Ok(response.map(|body| body.map_err(broken).boxed_unsync()))
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_has_one_name_however_its_address_is_written() {
        let written = ["", "/", "//", "/api/v1", "/api/v1/", "/?x=1", "/#part", "/api/v1?x=1#part"];
        for (end, root) in written.into_iter().map(|end| (end, "https://a.example")) {
            let address = format!("https://A.example:443{end}").parse().unwrap();
            assert_eq!(root_of(&address), root, "{end}");
        }
        assert_eq!(
            root_of(&"http://a.example:8080/pass/api/v1".parse().unwrap()),
            "http://a.example:8080/pass"
        );
    }
}
