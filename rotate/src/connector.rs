//! What every kind of target can do.
//!
//! Some targets hold one secret for a user (PostgreSQL, MariaDB, a Linux account): there `add` replaces it. Others can
//! hold two (Redis, MySQL 8, `authorized_keys`): there the old one goes on to work until `only` takes it away, and no
//! moment is without a working secret. The loop need not know which is which: it looks.

use crate::address::Address;
use futures_util::future::BoxFuture;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::fmt;

/// A user of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Where it is.
    pub address: Address,
    /// Its name there.
    pub login: String,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.login, self.address)
    }
}

/// A name with its secret.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name.
    pub login: String,
    /// The secret.
    pub secret: SecretString,
}

/// Who makes a change at a target.
#[derive(Clone, Copy, Debug)]
pub enum Actor<'a> {
    /// The user whose secret it is, with one that works now.
    Itself(&'a SecretString),
    /// Somebody who may change it.
    Admin(&'a Login),
    /// Whoever runs this, where no secret is asked for.
    Caller,
}

impl Actor<'_> {
    /// Name and secret to sign in with.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a caller: what signs in asks for an admin before.
    pub fn sign_in<'a>(&'a self, account: &'a Account) -> Result<(&'a str, &'a SecretString)> {
        match self {
            Actor::Itself(secret) => Ok((&account.login, secret)),
            Actor::Admin(admin) => Ok((&admin.login, &admin.secret)),
            Actor::Caller => Err(Error::new(ErrorKind::Internal, "nobody signs in to the target")),
        }
    }
}

/// A kind of target. An error of kind [`ErrorKind::Unreachable`] says that nothing was sent; one that
/// [leaves open](ErrorKind::leaves_open) whether the target has acted is settled by looking.
pub trait Connector: Send + Sync {
    /// Whether it can be told to set a secret by whoever runs this, without one that works.
    fn resets(&self) -> bool {
        false
    }

    /// Where a record's `url` says that the target is.
    fn address(&self, url: &str) -> Result<Address> {
        Address::parse(url)
    }

    /// Which server an address names, however it is written; `None` where that says nothing about who is told secrets.
    fn server(&self, address: &Address) -> Option<String> {
        let _ = address;
        None
    }

    /// All that makes this account another than others, in one spelling: what a pin of the target stands for.
    fn identity(&self, account: &Account) -> String {
        format!("{} at {}", account.login, account.address.identity(0))
    }

    /// Whether the target has proved, since this connector began, that its secrets stay unread even by who has its
    /// certificate's name: SCRAM with channel binding (RFC 5802).
    fn binds(&self, account: &Account) -> bool {
        let _ = account;
        false
    }

    /// Takes nothing less than channel binding from this account's server, from now on.
    fn require_binding(&self, account: &Account) {
        let _ = account;
    }

    /// Whose secret it is, however the address is written.
    fn owner(&self, account: &Account) -> String {
        match self.server(&account.address) {
            Some(server) => format!("{} at {server}", account.login),
            None => account.to_string(),
        }
    }

    /// Makes sure that this account is of its kind: scheme, host, a name that can be written down.
    fn accepts(&self, account: &Account) -> Result<()>;

    /// A new secret where the target wants one of a shape of its own.
    fn generate(&self, account: &Account) -> Option<Result<SecretString>> {
        let _ = account;
        None
    }

    /// Whether the secret works, by using it.
    fn check<'a>(&'a self, account: &'a Account, secret: &'a SecretString) -> BoxFuture<'a, Result<bool>>;

    /// Makes `new` work. Where only one secret can, `old` ends to.
    fn add<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        old: &'a SecretString,
        new: &'a SecretString,
    ) -> BoxFuture<'a, Result<()>>;

    /// Makes `kept` work and `gone` not any more; where `gone` is not known, whatever else works.
    fn only<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        kept: &'a SecretString,
        gone: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<()>>;
}

/// Host and port, in one spelling.
pub(crate) fn server(address: &Address, usual: u16) -> Option<String> {
    let host = if address.is_local() { "localhost".to_owned() } else { address.host().ok()?.to_lowercase() };
    Some(format!("{host}:{}", address.port(usual)))
}

/// No connection: nothing was sent.
pub(crate) fn unreachable(
    account: &Account,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::new(ErrorKind::Unreachable, format!("{} could not be reached", account.address)).because(cause)
}

/// The connection broke while the target had something to do.
pub(crate) fn unanswered(
    account: &Account,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::new(ErrorKind::Unanswered, format!("{} did not answer", account.address)).because(cause)
}

/// The target said no. `why` is its own text, which may repeat nothing that was sent.
pub(crate) fn refused(account: &Account, why: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("{} refused: {why}", account.address))
}

/// Whoever should make the change cannot sign in.
pub(crate) fn not_let_in(account: &Account, login: &str) -> Error {
    Error::new(ErrorKind::NotAllowed, format!("{} does not let {login} in", account.address))
}

/// Names that no target can take: empty, or with characters that end a line or a text.
pub(crate) fn plain_name(account: &Account) -> Result<()> {
    if account.login.is_empty() {
        return Err(Error::new(ErrorKind::Input, "it has no login: whose secret is it")
            .next_step("write the user's name into its login"));
    }
    if account.login.chars().any(char::is_control) {
        return Err(Error::new(ErrorKind::Input, "its login holds a control character"));
    }
    Ok(())
}

/// The scheme is one of these.
pub(crate) fn scheme(account: &Account, known: &[&str]) -> Result<()> {
    if known.contains(&account.address.scheme()) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Input, format!("its address is no {}:// address", known.join(":// or "))))
}
