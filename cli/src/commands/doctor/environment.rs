//! One environment: its address, the way to it, its clock, what lets us in, the user's keys.

use crate::commands::doctor::{Findings, machine};
use crate::config::Config;
use crate::credentials;
use crate::credentials::{Asked, Credentials, Side, process};
use crate::location::{Location, Target};
use crate::pins;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use keyferry_core::Result;
use keyferry_core::client::{Client, Session, Trust, http_transport_trusting, is_this_machine};
use keyferry_core::engine::{Environment, Unlock};
use keyferry_core::{Error, ErrorKind};
use keyferry_embedded as embedded;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;
use url::Url;

/// A request of a doctor waits no longer than this.
const PATIENCE: Duration = Duration::from_secs(15);
/// One-time codes change every 30 seconds.
const SKEW: i64 = 20;

/// Looks at everything in order; what depends on a failure is left out.
pub async fn look(target: &Target, config: &Config, findings: &mut Findings) {
    let about = &target.label;
    let asked = target.asked(Side::Only, config);
    match &target.location {
        Location::Server(url) => {
            address(url, about, findings);
            if !way(url, about, findings).await {
                return;
            }
            let found = match credentials(&asked) {
                Ok(found) => found,
                Err(error) => return findings.failed(about, "credentials", &error),
            };
            told_session(&found, &asked, findings);
            if found.signed_in() {
                server(url, found, &asked, config, findings).await;
            }
        }
        Location::Embedded(folder, _) => match embedded::client(folder, about) {
            Ok((client, _)) => {
                findings.ok(about, "location", target.canonical.clone());
                match credentials(&asked) {
                    Ok(found) => keys(client, found, &asked, config, findings).await,
                    Err(error) => findings.failed(about, "credentials", &error),
                }
            }
            Err(error) => findings.failed(about, "location", &error),
        },
        Location::File(..) | Location::Named(..) | Location::Secrets(_) => {
            findings.fail(
                about,
                "location",
                "this is no environment",
                "write NAME:, https://… or embedded:DIR",
            );
        }
    }
}

fn credentials(asked: &Asked<'_>) -> Result<Credentials> {
    let found = credentials::find(asked.name, asked.side, asked.url, &process)?;
    let mut found = found.completed(asked, &process)?;
    if found.unlock.is_none()
        && let Some((unlock, source)) = asked.unlock_command()?
    {
        found.unlock = Some(unlock);
        found.unlock_from = Some(source.to_owned());
    }
    Ok(found)
}

fn address(url: &Url, about: &str, findings: &mut Findings) {
    if url.scheme() == "http" && !is_this_machine(url) {
        findings.warn(
            about,
            "address",
            format!("{url}: tokens travel in the clear"),
            "write https:// instead",
        );
    } else {
        findings.ok(about, "address", url.as_str());
    }
}

/// Name, connection, certificate, and whether Passwork answers. Goes without credentials.
async fn way(url: &Url, about: &str, findings: &mut Findings) -> bool {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        findings.fail(about, "address", "it names no host", "write https://passwork.example.com");
        return false;
    };
    let name = host.trim_matches(['[', ']']);
    match tokio::net::lookup_host((name, port)).await {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.map(|address| address.ip().to_string()).collect();
            findings.ok(about, "name", addresses.join(", "));
        }
        Err(error) => {
            let next = "check its spelling, and this machine's name servers and network";
            findings.fail(about, "name", format!("{host} has no address: {error}"), next);
            return false;
        }
    }
    match ask(url).await {
        Ok(answer) => {
            let secured = if url.scheme() == "https" { ", its certificate is good" } else { "" };
            findings.ok(about, "connection", format!("it answers{secured}"));
            clock(answer.headers().get(http::header::DATE), about, findings);
            let is_json = answer.headers().get(http::header::CONTENT_TYPE);
            let is_json =
                is_json.and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.contains("json"));
            if answer.status().as_u16() == 404 || !is_json {
                findings.fail(
                    about,
                    "passwork",
                    format!(
                        "what answers there with status {} is not Passwork's API",
                        answer.status().as_u16()
                    ),
                    "give the address that Passwork's own page has, without what follows the host",
                );
                return false;
            }
            true
        }
        Err(error) => {
            findings.add(
                about,
                "connection",
                crate::commands::doctor::State::Fail,
                told(&error),
                error.next().map(str::to_owned),
            );
            false
        }
    }
}

/// The error and its causes: here they are what was asked for.
fn told(error: &Error) -> String {
    let mut text = error.what().to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        let words = source.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = source.source();
    }
    text
}

async fn ask(url: &Url) -> Result<http::Response<keyferry_core::client::Body>> {
    let transport = http_transport_trusting(url, PATIENCE, &Trust::System)?;
    let request = http::Request::get("/api/v1/app/settings")
        .header(http::header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "a request could not be put together").because(error)
        })?;
    transport.oneshot(request).await
}

fn clock(date: Option<&http::HeaderValue>, about: &str, findings: &mut Findings) {
    let theirs = date.and_then(|date| date.to_str().ok()).and_then(|date| rfc2822::parse(date).ok());
    let Some(theirs) = theirs else {
        return findings.ok(about, "clock", "the server tells no time");
    };
    let apart = Timestamp::now().as_second() - theirs.timestamp().as_second();
    if apart.abs() > SKEW {
        let found = format!(
            "this machine's clock is {} s {} the server's: one-time codes and expiry go wrong",
            apart.abs(),
            if apart > 0 { "ahead of" } else { "behind" }
        );
        findings.warn(about, "clock", found, "set this machine's clock, or the server's, by a time server");
    } else {
        findings.ok(about, "clock", "it agrees with the server's");
    }
}

/// Which tokens there are and from where; of a session file, also who else can read it.
fn told_session(found: &Credentials, asked: &Asked<'_>, findings: &mut Findings) {
    let about = asked.label;
    for hint in &found.hints {
        findings.warn(about, "session", hint.clone(), format!("keyferry login {about}"));
    }
    let Some(source) = &found.tokens_from else {
        let prefix = &credentials::prefixes(asked.name, asked.side)[0];
        let next = format!("keyferry login {about}, or set {prefix}_TOKEN and {prefix}_REFRESH_TOKEN");
        return findings.fail(about, "credentials", "no token is at hand", next);
    };
    findings.ok(about, "credentials", format!("tokens from {source}"));
    if let Some(file) = found.kept.as_ref().and_then(credentials::StoredSession::file) {
        match machine::others(file) {
            machine::Others::Nothing => {
                findings.ok(about, "session", format!("{} is yours alone", file.display()));
            }
            machine::Others::Read | machine::Others::Write => findings.warn(
                about,
                "session",
                format!("{} can be read or changed by other users", file.display()),
                format!("chmod 600 {}", file.display()),
            ),
        }
    }
}

async fn server(
    url: &Url,
    mut found: Credentials,
    asked: &Asked<'_>,
    config: &Config,
    findings: &mut Findings,
) {
    // A renewal ends the tokens that it starts from, so only those that can be put back are renewed here.
    let session = Session {
        access_token: found.token.take(),
        refresh_token: found.refresh_token.take().filter(|_| found.kept.is_some()),
        ..Session::default()
    };
    let transport = match http_transport_trusting(url, PATIENCE, &Trust::System) {
        Ok(transport) => transport,
        Err(error) => return findings.failed(asked.label, "connection", &error),
    };
    let client = Client::new(transport, asked.label, session);
    if let Some(kept) = found.kept.take() {
        client.keep_session_in(Arc::new(kept));
    }
    match client.user_info().await {
        Ok(info) => findings.ok(asked.label, "token", format!("it is good: signed in as {}", info.username)),
        // A server that tells nothing without the master key's hash has still believed the token.
        Err(error) if error.kind() == ErrorKind::Locked => findings.ok(asked.label, "token", "it is good"),
        Err(error) if error.kind() == ErrorKind::NotAuthenticated => {
            let found =
                "the access token has expired or ended; a refresh token, which works once, was not tried";
            return findings.fail(asked.label, "token", found, format!("keyferry login {}", asked.label));
        }
        Err(error) => return findings.failed(asked.label, "token", &error),
    }
    keys(client, found, asked, config, findings).await;
}

/// Whether the user's private key opens, and how well it is guarded.
async fn keys(
    client: Client,
    found: Credentials,
    asked: &Asked<'_>,
    config: &Config,
    findings: &mut Findings,
) {
    let about = asked.label;
    let by_password = matches!(found.unlock, Some(Unlock::MasterPassword(_)));
    let at_hand = found.unlock.is_some();
    let source = found.unlock_from.unwrap_or_default();
    let opened = match pins::remembered(asked.location, &config.pins) {
        Ok(memory) => Environment::open_known(client, found.unlock, memory).await,
        Err(error) => Err(error),
    };
    let environment = match opened {
        Ok(environment) => environment,
        Err(error) => {
            let next = error.next().unwrap_or("check the master password").to_owned();
            return findings.fail(about, "keys", format!("{} (from {source})", error.what()), next);
        }
    };
    if !environment.encrypts() {
        return findings.ok(about, "keys", "this user has none: no client-side encryption");
    }
    if !at_hand {
        let prefix = &credentials::prefixes(asked.name, asked.side)[0];
        return findings.warn(
            about,
            "keys",
            "no master key or password is at hand: only names can be read, or it is asked for",
            format!("set {prefix}_MASTER_PASSWORD, or keyferry login {about} --keep-master-key"),
        );
    }
    if environment.is_weakly_guarded() {
        return findings.warn(
            about,
            "keys",
            "the master password itself, not the master key, guards the private key: it can be guessed offline",
            format!("keyferry fsck {about} says more"),
        );
    }
    let what = if by_password { "master password" } else { "master key" };
    findings.ok(about, "keys", format!("the {what} from {source} opens the private key"));
}
