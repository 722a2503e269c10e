//! PostgreSQL: `ALTER ROLE … PASSWORD` with a SCRAM-SHA-256 verifier that is computed here, so that neither the wire
//! nor the server's log nor its statistics ever see the password.

use crate::address::Address;
use crate::connector::{
    Account, Actor, Connector, not_let_in, plain_name, refused, scheme, server, unanswered, unreachable,
};
use crate::connectors::postgres_wire::{self, Watched, WatchedTls};
use futures_util::future::BoxFuture;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use rustls_platform_verifier::ConfigVerifierExt as _;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The port and the database where the address names none.
const PORT: u16 = 5432;
const DATABASE: &str = "postgres";

/// Users of PostgreSQL.
pub struct Postgres {
    tls: MakeRustlsConnect,
    timeout: Duration,
    /// Servers that have offered channel binding, and those that have to.
    bound: Mutex<Bound>,
}

#[derive(Default)]
struct Bound {
    offered: HashSet<String>,
    required: HashSet<String>,
}

impl Postgres {
    /// Trusts whom the system trusts.
    pub fn new(timeout: Duration) -> Result<Self> {
        let tls = rustls::ClientConfig::with_platform_verifier().map_err(|error| {
            Error::new(ErrorKind::Io, "the system's trusted certificates could not be read").because(error)
        })?;
        Ok(Self { tls: MakeRustlsConnect::new(tls), timeout, bound: Mutex::default() })
    }

    fn config(&self, account: &Account, login: &str, secret: &SecretString) -> Result<Config> {
        let address = &account.address;
        let ssl_mode = match address.loosening("sslmode").as_deref() {
            Some("disable") => SslMode::Disable,
            // What is only preferred, whoever stands in between can refuse.
            Some("prefer") if address.is_local() => SslMode::Prefer,
            None if address.is_local() => SslMode::Disable,
            _ => SslMode::Require,
        };
        let mut config = Config::new();
        config
            .host(address.host()?)
            .port(address.port(PORT))
            .dbname(address.database().unwrap_or(DATABASE))
            .user(login)
            .password(secret.expose())
            .application_name("keyferry")
            .connect_timeout(self.timeout)
            .ssl_mode(ssl_mode);
        if self.bound().required.contains(&account.address.identity(PORT)) {
            config.channel_binding(ChannelBinding::Require);
        }
        Ok(config)
    }

    fn bound(&self) -> MutexGuard<'_, Bound> {
        // No code that can panic runs under this lock, so what it guards is whole.
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs in. On another machine the server may ask for no password that it could read or guess.
    async fn sign_in(&self, account: &Account, config: &Config) -> Result<Attempt> {
        let offers_binding = Arc::new(AtomicBool::new(false));
        let address = &account.address;
        let attempt = if address.is_local() {
            started(config.connect(self.tls.clone()).await)
        } else if config.get_ssl_mode() == SslMode::Disable {
            let socket = tokio::net::TcpStream::connect((address.host()?, address.port(PORT))).await;
            let socket = socket.map_err(|error| unreachable(account, error))?;
            started(config.connect_raw(Watched::new(socket, offers_binding.clone()), NoTls).await)
        } else {
            let tls = WatchedTls { tls: self.tls.clone(), offers_binding: offers_binding.clone() };
            started(config.connect(tls).await)
        };
        if attempt.is_ok() && offers_binding.load(Ordering::Relaxed) {
            self.bound().offered.insert(address.identity(PORT));
        }
        Ok(attempt)
    }

    /// `None` where the server says that it is not this secret.
    async fn connect(&self, account: &Account, login: &str, secret: &SecretString) -> Result<Option<Client>> {
        let config = self.config(account, login, secret)?;
        match tokio::time::timeout(self.timeout, self.sign_in(account, &config)).await {
            Err(_) => Err(unreachable(account, "it did not answer in time")),
            Ok(attempt) => match attempt? {
                Ok(client) => Ok(Some(client)),
                Err(error) => match error.code() {
                    Some(&SqlState::INVALID_PASSWORD) => Ok(None),
                    Some(_) => Err(said(account, &error)),
                    None => Err(mistrusted(account, &error).unwrap_or_else(|| unreachable(account, error))),
                },
            },
        }
    }

    async fn set(&self, account: &Account, actor: Actor<'_>, secret: &SecretString) -> Result<()> {
        let (login, key) = actor.sign_in(account)?;
        let client = self.connect(account, login, key).await?.ok_or_else(|| not_let_in(account, login))?;
        let verifier = postgres_protocol::password::scram_sha_256(secret.expose().as_bytes());
        let statement = format!("ALTER ROLE {} PASSWORD {}", identifier(&account.login), literal(&verifier));
        match tokio::time::timeout(self.timeout, client.batch_execute(&statement)).await {
            Err(_) => Err(unanswered(account, "the time was up")),
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.code().is_some() => Err(said(account, &error)),
            Ok(Err(error)) => Err(unanswered(account, error)),
        }
    }
}

/// A way in, or the driver's error.
type Attempt = std::result::Result<Client, tokio_postgres::Error>;

/// Has a connection at work; it ends with its client.
fn started<S, T>(connected: std::result::Result<(Client, Connection<S, T>), tokio_postgres::Error>) -> Attempt
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    connected.map(|(client, connection)| {
        tokio::spawn(connection);
        client
    })
}

/// A server that asks for more than it may, or offers less than before: nothing was told to it.
fn mistrusted(account: &Account, error: &tokio_postgres::Error) -> Option<Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = cause {
        let text = one.to_string();
        let what = if text.contains(postgres_wire::GIVEN_AWAY) {
            postgres_wire::GIVEN_AWAY
        } else if text.contains("channel binding") {
            "it offers no channel binding any more, as it did before"
        } else {
            cause = one.source();
            continue;
        };
        let what = format!("{}: {what}", account.address);
        return Some(Error::new(ErrorKind::NotAllowed, what).next_step(
            "nothing was told to it: ask its administrator what changed; password_encryption = scram-sha-256 is needed there",
        ));
    }
    None
}

/// The server's own message; it repeats a name at most.
fn said(account: &Account, error: &tokio_postgres::Error) -> Error {
    let text = error.as_db_error().map_or("an error without a text", |error| error.message());
    refused(account, text)
}

/// A name in double quotes.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes; a backslash means itself only in this form.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

impl Connector for Postgres {
    fn server(&self, address: &Address) -> Option<String> {
        server(address, PORT)
    }

    fn identity(&self, account: &Account) -> String {
        format!("{} at {}", account.login, account.address.identity(PORT))
    }

    fn binds(&self, account: &Account) -> bool {
        self.bound().offered.contains(&account.address.identity(PORT))
    }

    fn require_binding(&self, account: &Account) {
        self.bound().required.insert(account.address.identity(PORT));
    }

    fn accepts(&self, account: &Account) -> Result<()> {
        scheme(account, &["postgres", "postgresql"])?;
        plain_name(account)?;
        account.address.host().map(drop)
    }

    fn check<'a>(&'a self, account: &'a Account, secret: &'a SecretString) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { Ok(self.connect(account, &account.login, secret).await?.is_some()) })
    }

    fn add<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        _old: &'a SecretString,
        new: &'a SecretString,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.set(account, actor, new))
    }

    fn only<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        kept: &'a SecretString,
        _gone: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.set(account, actor, kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_end_their_quotes() {
        assert_eq!(identifier(r#"a"; DROP ROLE b; --"#), r#""a""; DROP ROLE b; --""#);
        assert_eq!(literal(r"it's \"), r"E'it''s \\'");
    }
}
