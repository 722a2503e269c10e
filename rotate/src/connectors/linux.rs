//! Accounts of this machine: `chpasswd` sets the password, `unix_chkpwd` (the helper of PAM itself) checks it. Both read
//! from standard input, and both need root.

use super::run;
use crate::connector::{Account, Actor, Connector, plain_name, refused, scheme};
use futures_util::future::BoxFuture;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use zeroize::Zeroizing;

/// What `unix_chkpwd` answers for a wrong password: `PAM_AUTH_ERR`.
const WRONG: i32 = 7;

/// Accounts of this machine.
pub struct Linux {
    check: PathBuf,
    set: PathBuf,
    timeout: Duration,
}

impl Linux {
    /// Looks for the two programs.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] for others than root, [`ErrorKind::Refused`] where a program is missing.
    pub fn new(timeout: Duration) -> Result<Self> {
        if !is_root() {
            return Err(Error::new(ErrorKind::NotAllowed, "only root may change the accounts of a machine")
                .next_step("run this as root, on the machine that the accounts are on"));
        }
        let find = |name: &str| {
            let mut places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
                .map(|folder| Path::new(folder).join(name))
                .into_iter();
            places
                .find(|path| path.exists())
                .ok_or_else(|| Error::new(ErrorKind::Refused, format!("this machine has no {name}")))
        };
        Ok(Self { check: find("unix_chkpwd")?, set: find("chpasswd")?, timeout })
    }

    async fn set(&self, account: &Account, secret: &SecretString) -> Result<()> {
        if secret.expose().contains(['\n', '\r', '\0']) {
            return Err(refused(account, "no account has a password of several lines"));
        }
        let line = Zeroizing::new(format!("{}:{}\n", account.login, secret.expose()));
        let ended = run(Command::new(&self.set), line.as_bytes(), self.timeout).await?;
        match ended.code {
            Some(0) => Ok(()),
            // PAM's reason is in the second half of its lines, and never repeats what was typed.
            _ => Err(refused(account, ended.errors.trim().lines().last().unwrap_or("chpasswd failed"))),
        }
    }
}

/// Whether this process may act for every account: what it is itself is owned by root.
fn is_root() -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
    }
    #[cfg(not(target_os = "linux"))]
    false
}

impl Connector for Linux {
    fn resets(&self) -> bool {
        true
    }

    fn accepts(&self, account: &Account) -> Result<()> {
        scheme(account, &["linux"])?;
        plain_name(account)?;
        if account.login.starts_with('-') || account.login.contains([':', '/']) {
            return Err(Error::new(ErrorKind::Input, "its login is no account's name"));
        }
        if account.address.host().is_ok() && !account.address.is_local() {
            return Err(Error::new(ErrorKind::Input, "accounts are changed on their own machine")
                .next_step("write linux:/// as the address, and run this there"));
        }
        Ok(())
    }

    fn check<'a>(&'a self, account: &'a Account, secret: &'a SecretString) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let mut command = Command::new(&self.check);
            command.args([account.login.as_str(), "nonull"]);
            let input = Zeroizing::new([secret.expose().as_bytes(), b"\0"].concat());
            match run(command, &input, self.timeout).await?.code {
                Some(0) => Ok(true),
                Some(WRONG) => Ok(false),
                _ => Err(refused(account, "unix_chkpwd could not tell: is there such an account")),
            }
        })
    }

    fn add<'a>(
        &'a self,
        account: &'a Account,
        _actor: Actor<'a>,
        _old: &'a SecretString,
        new: &'a SecretString,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.set(account, new))
    }

    fn only<'a>(
        &'a self,
        account: &'a Account,
        _actor: Actor<'a>,
        kept: &'a SecretString,
        _gone: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.set(account, kept))
    }
}
