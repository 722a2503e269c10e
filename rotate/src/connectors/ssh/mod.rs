//! SSH key pairs: the private key is the record's secret, its public half a line of an `authorized_keys` file, which can
//! hold both keys at once.
//!
//! OpenSSH's own programs do the talking. A private key reaches them through `ssh-add -` and an agent that lives as long
//! as the connection, so it is never in a file. The user's own SSH configuration is left out, as it could bring in other
//! keys; the host must be in `known_hosts`.

mod key;

use super::{Ended, run};
use crate::address::Address;
use crate::connector::{
    Account, Actor, Connector, not_let_in, plain_name, refused, scheme, server, unanswered, unreachable,
};
use futures_util::future::BoxFuture;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::time::Duration;
use tokio::process::Command;

const PORT: u16 = 22;

/// What our shell answers for a key that `ssh-add` does not take.
const NO_KEY: i32 = 97;
/// What it answers on the other side where `authorized_keys` lacks the key that it should hold.
const NOT_LISTED: i32 = 98;
/// What `ssh` answers where it did not get as far as running anything.
const SSH_FAILED: i32 = 255;

/// SSH key pairs.
pub struct Ssh {
    timeout: Duration,
}

impl Ssh {
    /// Each connection may take so long.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] on systems without a Unix shell.
    pub fn new(timeout: Duration) -> Result<Self> {
        if cfg!(unix) {
            return Ok(Self { timeout });
        }
        Err(Error::new(ErrorKind::Refused, "SSH keys are rotated from Unix systems only"))
    }

    /// Runs a script on the other side as `login`, with this private key alone.
    async fn on_the_other_side(
        &self,
        account: &Account,
        login: &str,
        key: &SecretString,
        script: &str,
    ) -> Result<Ended> {
        let address = &account.address;
        let mut command = with_agent("ssh -n \"$@\"");
        let options = [
            "BatchMode=yes".to_owned(),
            "IdentityFile=none".to_owned(),
            "PreferredAuthentications=publickey".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            format!("ConnectTimeout={}", self.timeout.as_secs().max(1)),
        ];
        command.args(["-F", "none", "-p", &address.port(PORT).to_string(), "-l", login]);
        command.args(options.iter().flat_map(|option| ["-o", option]));
        if let Some(file) = address.loosening("known_hosts") {
            command.args(["-o", &format!("UserKnownHostsFile={file}")]);
        }
        command.args(["--", &address.host()?, script]);
        run(command, key.expose().as_bytes(), self.timeout * 2).await
    }

    async fn change(&self, account: &Account, actor: Actor<'_>, script: &str) -> Result<()> {
        let (login, key) = actor.sign_in(account)?;
        let ended = self.on_the_other_side(account, login, key, script).await?;
        match ended.code {
            Some(0) => Ok(()),
            Some(NO_KEY) => Err(no_key(account)),
            Some(NOT_LISTED) => {
                Err(refused(account, "the key that should be there is not in ~/.ssh/authorized_keys"))
            }
            Some(SSH_FAILED) if is_denied(&ended) => Err(not_let_in(account, login)),
            Some(SSH_FAILED) => Err(unanswered(account, last_line(&ended))),
            _ => Err(refused(account, &last_line(&ended))),
        }
    }

    /// The public halves, as `authorized_keys` writes them: kind and base64.
    async fn public(&self, account: &Account, key: &SecretString) -> Result<String> {
        let ended = run(with_agent("ssh-add -L"), key.expose().as_bytes(), self.timeout).await?;
        let words: Vec<&str> = ended.output.split_whitespace().take(2).collect();
        let plain = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=-@.".contains(&b));
        match (ended.code, words.as_slice()) {
            (Some(0), [kind, blob]) if plain(kind) && plain(blob) => Ok(format!("{kind} {blob}")),
            _ => Err(no_key(account)),
        }
    }
}

/// A shell under an agent of its own, into which the key on standard input goes first. The shell ends the agent: by itself
/// it would notice only seconds later that it is needed no more.
fn with_agent(then: &str) -> Command {
    let mut command = Command::new("ssh-agent");
    command.env("LC_ALL", "C").env("SSH_ASKPASS_REQUIRE", "never");
    command.args([
        "sh",
        "-c",
        &format!("trap 'kill $SSH_AGENT_PID' EXIT; ssh-add -q - 2>/dev/null || exit {NO_KEY}; {then}"),
        "sh",
    ]);
    command
}

fn no_key(account: &Account) -> Error {
    Error::new(
        ErrorKind::Input,
        format!("the secret of {} is no private key that ssh-add takes", account.login),
    )
    .next_step("it is a whole private key in OpenSSH's form, without a passphrase; --field names its field")
}

fn is_denied(ended: &Ended) -> bool {
    ended.errors.contains("Permission denied")
}

fn last_line(ended: &Ended) -> String {
    ended.errors.trim().lines().last().unwrap_or("without a reason").to_owned()
}

/// The file, under the name of whoever signs in or of the account that an admin acts for. A copy takes its place in one
/// step, with its owner and rights.
fn script(account: &Account, work: &str) -> String {
    format!("f=~{}/.ssh/authorized_keys; t=$f.keyferry.$$; cp -p \"$f\" \"$t\" && {work}", account.login)
}

/// A line for the new key beside that of the old, with the same options.
fn adding(old: &str, new: &str) -> String {
    format!(
        "if grep -qF -- '{new}' \"$f\"; then rm -f \"$t\"; exit 0; fi; \
         l=$(sed -n 's|{old}|{new}|p' \"$f\" | head -n 1); \
         if [ -z \"$l\" ]; then rm -f \"$t\"; exit {NOT_LISTED}; fi; \
         {{ [ -z \"$(tail -c 1 \"$t\")\" ] || echo >> \"$t\"; }} && printf '%s\\n' \"$l\" >> \"$t\" && mv -f \"$t\" \"$f\""
    )
}

/// No line for the key that goes, if there is one for the key that stays.
fn removing(kept: &str, gone: &str) -> String {
    format!(
        "if ! grep -qF -- '{kept}' \"$f\"; then rm -f \"$t\"; exit {NOT_LISTED}; fi; \
         grep -vF -- '{gone}' \"$f\" > \"$t\"; \
         if [ $? -gt 1 ] || ! grep -qF -- '{kept}' \"$t\"; then rm -f \"$t\"; exit 1; fi; mv -f \"$t\" \"$f\""
    )
}

impl Connector for Ssh {
    fn server(&self, address: &Address) -> Option<String> {
        server(address, PORT)
    }

    fn identity(&self, account: &Account) -> String {
        format!("{} at {}", account.login, account.address.identity(PORT))
    }

    fn accepts(&self, account: &Account) -> Result<()> {
        scheme(account, &["ssh"])?;
        plain_name(account)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if account.login.starts_with('-') || !account.login.chars().all(plain) {
            return Err(Error::new(ErrorKind::Input, "its login is no account's name"));
        }
        account.address.host().map(drop)
    }

    fn generate(&self, account: &Account) -> Option<Result<SecretString>> {
        Some(key::generate(&account.login))
    }

    fn check<'a>(&'a self, account: &'a Account, secret: &'a SecretString) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let ended = self.on_the_other_side(account, &account.login, secret, "true").await?;
            match ended.code {
                Some(0) => Ok(true),
                Some(NO_KEY) => Err(no_key(account)),
                Some(SSH_FAILED) if is_denied(&ended) => Ok(false),
                _ => Err(unreachable(account, last_line(&ended))),
            }
        })
    }

    fn add<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        old: &'a SecretString,
        new: &'a SecretString,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (old, new) = (self.public(account, old).await?, self.public(account, new).await?);
            self.change(account, actor, &script(account, &adding(&old, &new))).await
        })
    }

    fn only<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        kept: &'a SecretString,
        gone: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // Which of the file's other lines belong to whom, nobody here can tell.
            let Some(gone) = gone else {
                return Err(refused(account, "without the key that was lost, its line cannot be found"));
            };
            let (kept, gone) = (self.public(account, kept).await?, self.public(account, gone).await?);
            self.change(account, actor, &script(account, &removing(&kept, &gone))).await
        })
    }
}
