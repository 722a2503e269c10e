//! Redis: users of its access control lists can have several passwords. The new one is added, and the old one goes on
//! to work until the environment holds the new. The server is told hashes alone (`#SHA-256`), never a password.

use crate::address::Address;
use crate::connector::{
    Account, Actor, Connector, not_let_in, plain_name, refused, scheme, server, unanswered, unreachable,
};
use futures_util::future::BoxFuture;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

const PORT: u16 = 6379;

/// ACL users of Redis.
pub struct Redis {
    timeout: Duration,
}

impl Redis {
    /// Each call may take so long.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// `None` where the server says that it is not this secret.
    async fn connect(
        &self,
        account: &Account,
        login: &str,
        secret: &SecretString,
    ) -> Result<Option<MultiplexedConnection>> {
        let address = &account.address;
        let (host, port) = (address.host()?, address.port(PORT));
        let place = match address.scheme() {
            "rediss" => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            _ => ConnectionAddr::Tcp(host, port),
        };
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let info = place.into_connection_info().map_err(|error| unreachable(account, error))?;
        let client = Client::open(info.set_redis_settings(settings));
        let client = client.map_err(|error| unreachable(account, error))?;
        let timeout = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        let connection = client.get_multiplexed_async_connection_with_config(&timeout).await;
        let mut connection = connection.map_err(|error| unreachable(account, error))?;
        // By hand: the driver takes every error here, such as too many clients, for a wrong password.
        let mut sign_in = redis::cmd("AUTH");
        sign_in.arg(login).arg(secret.expose());
        match sign_in.query_async::<()>(&mut connection).await {
            Ok(()) => Ok(Some(connection)),
            Err(error) if error.code() == Some("WRONGPASS") => Ok(None),
            Err(error) => Err(unreachable(account, error)),
        }
    }

    /// Applies rules to the user, all or none of them, and has the server remember it.
    async fn apply(&self, account: &Account, actor: Actor<'_>, rules: &[String]) -> Result<()> {
        let (login, key) = actor.sign_in(account)?;
        let mut connection =
            self.connect(account, login, key).await?.ok_or_else(|| not_let_in(account, login))?;
        if let Actor::Admin(_) = actor {
            // SETUSER would make a user that is not there.
            let known: redis::Value =
                ask(account, &mut connection, &["ACL", "GETUSER", &account.login]).await?;
            if known == redis::Value::Nil {
                return Err(refused(account, "there is no such user"));
            }
        }
        // What could not be remembered is not begun: the next start would bring the old secret back.
        remember(account, &mut connection).await?;
        let mut words = vec!["ACL", "SETUSER", account.login.as_str()];
        words.extend(rules.iter().map(String::as_str));
        ask::<()>(account, &mut connection, &words).await?;
        remember(account, &mut connection).await
    }
}

/// Without this the next start of the server would bring back what was before.
async fn remember(account: &Account, connection: &mut MultiplexedConnection) -> Result<()> {
    let without = |error: &Error, words: &str| error.what().contains(words);
    match ask::<()>(account, connection, &["ACL", "SAVE"]).await {
        Err(error) if without(&error, "not configured to use an ACL file") => {}
        ended => return ended,
    }
    match ask::<()>(account, connection, &["CONFIG", "REWRITE"]).await {
        // Then its users do not outlive it, with whatever secret.
        Err(error) if without(&error, "running without a config file") => Ok(()),
        ended => ended,
    }
}

async fn ask<T: redis::FromRedisValue>(
    account: &Account,
    connection: &mut MultiplexedConnection,
    words: &[&str],
) -> Result<T> {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command.query_async(connection).await.map_err(|error| said(account, error))
}

/// The server's own message, or that there was none.
fn said(account: &Account, error: RedisError) -> Error {
    match (error.code(), error.detail()) {
        (Some(code), detail) => refused(account, format!("{code} {}", detail.unwrap_or_default()).trim()),
        (None, _) => unanswered(account, error),
    }
}

/// `SHA-256(secret)` in hexadecimal, as the server keeps it.
fn hash(secret: &SecretString) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(secret.expose()))
}

impl Connector for Redis {
    fn server(&self, address: &Address) -> Option<String> {
        server(address, PORT)
    }

    fn identity(&self, account: &Account) -> String {
        format!("{} at {}", account.login, account.address.identity(PORT))
    }

    fn accepts(&self, account: &Account) -> Result<()> {
        scheme(account, &["redis", "rediss"])?;
        plain_name(account)?;
        if account.login.contains(char::is_whitespace) {
            return Err(Error::new(ErrorKind::Input, "no user of Redis has a space in its name"));
        }
        account.address.host()?;
        if account.address.scheme() == "redis" && !account.address.may_loosen() {
            let what = "redis:// would send the secret over the network in the clear";
            return Err(Error::new(ErrorKind::Refused, what)
                .next_step("write rediss://, run this where the target is local, or name it with --target if that may be"));
        }
        Ok(())
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
        Box::pin(async move { self.apply(account, actor, &[format!("#{}", hash(new))]).await })
    }

    fn only<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        kept: &'a SecretString,
        gone: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let keep = format!("#{}", hash(kept));
            let Some(gone) = gone else {
                return self.apply(account, actor, &["resetpass".to_owned(), keep]).await;
            };
            // Other passwords of the user are not this record's to take away.
            match self.apply(account, actor, &[keep.clone(), format!("!{}", hash(gone))]).await {
                Err(error) if error.what().contains("does not exist") => {
                    self.apply(account, actor, &[keep]).await
                }
                ended => ended,
            }
        })
    }
}
