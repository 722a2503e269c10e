//! PostgreSQL: `ALTER ROLE … PASSWORD` with a SCRAM-SHA-256 verifier that is computed here, so that neither the wire
//! nor the server's log nor its statistics ever see the password.

use crate::address::Address;
use crate::connector::{
    Account, Actor, Connector, not_let_in, plain_name, refused, scheme, server, unanswered, unreachable,
};
use futures_util::future::BoxFuture;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use rustls_platform_verifier::ConfigVerifierExt as _;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The port and the database where the address names none.
const PORT: u16 = 5432;
const DATABASE: &str = "postgres";

/// Users of PostgreSQL.
pub struct Postgres {
    tls: MakeRustlsConnect,
    timeout: Duration,
}

impl Postgres {
    /// Trusts whom the system trusts.
    pub fn new(timeout: Duration) -> Result<Self> {
        let tls = rustls::ClientConfig::with_platform_verifier().map_err(|error| {
            Error::new(ErrorKind::Io, "the system's trusted certificates could not be read").because(error)
        })?;
        Ok(Self { tls: MakeRustlsConnect::new(tls), timeout })
    }

    fn config(&self, account: &Account, login: &str, secret: &SecretString) -> Result<Config> {
        let address = &account.address;
        let ssl_mode = match address.parameter("sslmode").as_deref() {
            Some("disable") => SslMode::Disable,
            Some("prefer") => SslMode::Prefer,
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
        Ok(config)
    }

    /// `None` where the server says that it is not this secret.
    async fn connect(&self, account: &Account, login: &str, secret: &SecretString) -> Result<Option<Client>> {
        let config = self.config(account, login, secret)?;
        match tokio::time::timeout(self.timeout, config.connect(self.tls.clone())).await {
            Err(_) => Err(unreachable(account, "it did not answer in time")),
            Ok(Ok((client, connection))) => {
                // It ends with its client.
                tokio::spawn(connection);
                Ok(Some(client))
            }
            Ok(Err(error)) => match error.code() {
                Some(&SqlState::INVALID_PASSWORD) => Ok(None),
                Some(_) => Err(said(account, &error)),
                None => Err(unreachable(account, error)),
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
