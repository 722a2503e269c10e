//! MySQL and MariaDB.
//!
//! MariaDB holds one password. For `mysql_native_password` and `ed25519` it is told what it keeps of a password, computed
//! here, so that its log never sees one; other plugins want the password itself, which then goes through TLS or stays on
//! this machine. MySQL from 8.0.14 on holds two: `RETAIN CURRENT PASSWORD` keeps the old one until
//! `DISCARD OLD PASSWORD`.

use crate::address::Address;
use crate::connector::{
    Account, Actor, Connector, not_let_in, plain_name, refused, scheme, server, unanswered, unreachable,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use curve25519_dalek::EdwardsPoint;
use futures_util::future::BoxFuture;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};
use sha1::{Digest as _, Sha1};
use sha2::Sha512;
use std::fmt::Write as _;
use std::time::Duration;
use zeroize::Zeroizing;

const PORT: u16 = 3306;

/// Access denied, with a password or without.
const DENIED: [u16; 2] = [1045, 1698];

/// Users of MySQL and MariaDB.
pub struct Mysql {
    timeout: Duration,
}

/// What a server can do.
enum Server {
    /// One password, kept by the user's plugin.
    MariaDb(Plugin),
    /// Two passwords.
    MySql,
}

/// What keeps a user's password in MariaDB.
enum Plugin {
    /// `mysql_native_password`.
    Native,
    /// `ed25519`.
    Ed25519,
    /// Another, whose form of it is not known here.
    Other,
}

impl Mysql {
    /// Each call may take so long.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    fn options(account: &Account, login: &str, secret: &SecretString) -> Result<Opts> {
        let address = &account.address;
        let roots = || {
            let found = rustls_native_certs::load_native_certs().certs;
            found.into_iter().map(|root| root.to_vec().into()).collect::<Vec<_>>()
        };
        let tls = is_sealed(account)
            .then(|| SslOpts::default().with_disable_built_in_roots(true).with_root_certs(roots()));
        Ok(OptsBuilder::default()
            .ip_or_hostname(address.host()?)
            .tcp_port(address.port(PORT))
            .user(Some(login))
            .pass(Some(secret.expose()))
            .db_name(address.database())
            .prefer_socket(false)
            .ssl_opts(tls)
            .into())
    }

    /// `None` where the server says so twice that it is not this secret. The driver cuts a last zero from the nonce of
    /// the plugin `ed25519`, and so one right password in 256 is refused.
    async fn connect(&self, account: &Account, login: &str, secret: &SecretString) -> Result<Option<Conn>> {
        match self.attempt(account, login, secret).await {
            Ok(None) => self.attempt(account, login, secret).await,
            attempted => attempted,
        }
    }

    async fn attempt(&self, account: &Account, login: &str, secret: &SecretString) -> Result<Option<Conn>> {
        let options = Self::options(account, login, secret)?;
        match tokio::time::timeout(self.timeout, Conn::new(options)).await {
            Err(_) => Err(unreachable(account, "it did not answer in time")),
            Ok(Ok(connection)) => Ok(Some(connection)),
            Ok(Err(mysql_async::Error::Server(error))) if DENIED.contains(&error.code) => Ok(None),
            Ok(Err(mysql_async::Error::Server(error))) => Err(refused(account, &error.message)),
            Ok(Err(error)) => Err(unreachable(account, error)),
        }
    }

    async fn set(
        &self,
        account: &Account,
        actor: Actor<'_>,
        secret: &SecretString,
        keep_old: bool,
    ) -> Result<()> {
        let work = async {
            let (login, key) = actor.sign_in(account)?;
            let mut connection =
                self.connect(account, login, key).await?.ok_or_else(|| not_let_in(account, login))?;
            let done = change(account, &mut connection, actor, secret, keep_old).await;
            // Its farewell is no part of the work.
            let _ = connection.disconnect().await;
            done
        };
        match tokio::time::timeout(self.timeout * 2, work).await {
            Ok(ended) => ended,
            Err(_) => Err(unanswered(account, "the time was up")),
        }
    }
}

/// Whether the connection is encrypted: everywhere but on this machine, unless the address says otherwise.
fn is_sealed(account: &Account) -> bool {
    match account.address.parameter("ssl-mode").as_deref() {
        Some("disabled") => !account.address.may_loosen(),
        Some(_) => true,
        None => !account.address.is_local(),
    }
}

async fn change(
    account: &Account,
    connection: &mut Conn,
    actor: Actor<'_>,
    secret: &SecretString,
    keep_old: bool,
) -> Result<()> {
    let said = |error| said(account, error);
    // So that quotes are read as they are written below, whatever the server's own mode.
    connection.query_drop("SET SESSION sql_mode = ''").await.map_err(said)?;
    let user = user(account, connection, actor).await?;
    let server = kind_of_server(account, connection, actor, &user).await?;
    let plain = || {
        if is_sealed(account) || account.address.is_local() {
            return Ok(Zeroizing::new(literal(secret.expose())));
        }
        let what = "this user's plugin wants the password itself, and the connection is not encrypted";
        Err(Error::new(ErrorKind::Refused, what).next_step("leave ?ssl-mode=disabled out of the address"))
    };
    let statements: Vec<Zeroizing<String>> = match server {
        Server::MariaDb(Plugin::Native) => {
            vec![format!("SET PASSWORD FOR {user} = '{}'", native_hash(secret)).into()]
        }
        Server::MariaDb(Plugin::Ed25519) => {
            vec![format!("SET PASSWORD FOR {user} = '{}'", ed25519_public(secret)).into()]
        }
        Server::MariaDb(Plugin::Other) => {
            vec![format!("SET PASSWORD FOR {user} = PASSWORD({})", *plain()?).into()]
        }
        Server::MySql if keep_old => {
            vec![format!("ALTER USER {user} IDENTIFIED BY {} RETAIN CURRENT PASSWORD", *plain()?).into()]
        }
        Server::MySql => vec![
            format!("ALTER USER {user} IDENTIFIED BY {}", *plain()?).into(),
            format!("ALTER USER {user} DISCARD OLD PASSWORD").into(),
        ],
    };
    for statement in &statements {
        connection.query_drop(statement.as_str()).await.map_err(said)?;
    }
    Ok(())
}

/// `'name'@'host'`: the account that the server chose for the login, or the only one of this name.
async fn user(account: &Account, connection: &mut Conn, actor: Actor<'_>) -> Result<String> {
    let said = |error| said(account, error);
    let (name, host) = if let Actor::Itself(_) = actor {
        let whole: Option<String> = connection.query_first("SELECT CURRENT_USER()").await.map_err(said)?;
        let whole = whole.unwrap_or_default();
        let (name, host) = whole.rsplit_once('@').unwrap_or((&whole, "%"));
        (name.to_owned(), host.to_owned())
    } else {
        let find = "SELECT Host FROM mysql.user WHERE User = ?";
        let hosts: Vec<String> = connection.exec(find, (&account.login,)).await.map_err(said)?;
        match hosts.as_slice() {
            [host] => (account.login.clone(), host.clone()),
            [] => return Err(refused(account, "there is no such user")),
            several => {
                let what = format!("there is such a user for each of the hosts {}", several.join(", "));
                return Err(refused(account, &what).next_step("let it change its own: leave --admin out"));
            }
        }
    };
    Ok(format!("{}@{}", literal(&name), literal(&host)))
}

async fn kind_of_server(
    account: &Account,
    connection: &mut Conn,
    actor: Actor<'_>,
    user: &str,
) -> Result<Server> {
    let said = |error| said(account, error);
    let version: Option<String> = connection.query_first("SELECT VERSION()").await.map_err(said)?;
    if !version.unwrap_or_default().contains("MariaDB") {
        return Ok(Server::MySql);
    }
    let ask = match actor {
        Actor::Itself(_) => "SHOW CREATE USER".to_owned(),
        _ => format!("SHOW CREATE USER {user}"),
    };
    let made: Option<String> = connection.query_first(ask).await.map_err(said)?;
    let made = made.unwrap_or_default();
    let has = |words: &str| made.contains(words);
    // `VIA a OR b` has several plugins, of which SET PASSWORD changes the first that takes a password.
    let one = !has(" OR ");
    Ok(Server::MariaDb(if one && (has("IDENTIFIED BY PASSWORD") || has("VIA mysql_native_password USING")) {
        Plugin::Native
    } else if one && has("VIA ed25519 USING") {
        Plugin::Ed25519
    } else {
        Plugin::Other
    }))
}

/// The server's own message, without the statement that it may repeat.
fn said(account: &Account, error: mysql_async::Error) -> Error {
    match error {
        // A syntax error quotes the statement from where it stopped.
        mysql_async::Error::Server(error) if error.code == 1064 => {
            refused(account, "it does not understand the statement")
        }
        mysql_async::Error::Server(error) => refused(account, &error.message),
        other => unanswered(account, other),
    }
}

/// A text in single quotes, for a session without `NO_BACKSLASH_ESCAPES`.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// `*` and `SHA-1(SHA-1(password))` in hexadecimal.
fn native_hash(secret: &SecretString) -> String {
    let hash = Sha1::digest(Sha1::digest(secret.expose()));
    hash.iter().fold("*".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// The public key that MariaDB's plugin `ed25519` keeps: that of the private key `SHA-512(password)`, in base64.
fn ed25519_public(secret: &SecretString) -> String {
    let mut private = Zeroizing::new([0; 32]);
    let hash = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(secret.expose())));
    private.copy_from_slice(&hash[..32]);
    STANDARD_NO_PAD.encode(EdwardsPoint::mul_base_clamped(*private).compress().as_bytes())
}

impl Connector for Mysql {
    fn server(&self, address: &Address) -> Option<String> {
        server(address, PORT)
    }

    fn identity(&self, account: &Account) -> String {
        format!("{} at {}", account.login, account.address.identity(PORT))
    }

    fn accepts(&self, account: &Account) -> Result<()> {
        scheme(account, &["mysql", "mariadb"])?;
        plain_name(account)?;
        account.address.host().map(drop)
    }

    fn check<'a>(&'a self, account: &'a Account, secret: &'a SecretString) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let connection = self.connect(account, &account.login, secret).await?;
            let works = connection.is_some();
            if let Some(connection) = connection {
                let _ = connection.disconnect().await;
            }
            Ok(works)
        })
    }

    fn add<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        _old: &'a SecretString,
        new: &'a SecretString,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.set(account, actor, new, true))
    }

    fn only<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        kept: &'a SecretString,
        _gone: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.set(account, actor, kept, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_servers() {
        // What `SELECT PASSWORD('abc')` answers.
        assert_eq!(native_hash(&"abc".into()), "*0D3CED9BEC10A777AEC23CCC353A8C08A633045E");
        // What MariaDB keeps for an `ed25519` user with this password.
        assert_eq!(ed25519_public(&"visiblesecret".into()), "8AGw+IBQ3XHS/TKu1A7o4Tb+vndpRsXoKdaH6CIQC7E");
    }

    #[test]
    fn texts_cannot_end_their_quotes() {
        assert_eq!(literal(r"it's \"), r"'it''s \\'");
    }
}
