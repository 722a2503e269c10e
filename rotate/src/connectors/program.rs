//! Whatever a program of the user's own changes. It is told what to do in variables, and the secrets by variables or by
//! standard input, never by arguments, which every user of a machine can read.

use super::run;
use crate::address::Address;
use crate::connector::{Account, Actor, Connector, plain_name};
use futures_util::future::BoxFuture;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::time::Duration;
use tokio::process::Command;
use zeroize::Zeroizing;

/// How a program gets the secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pass {
    /// One JSON document on standard input.
    #[default]
    Stdin,
    /// `KEYFERRY_OLD`, `KEYFERRY_NEW` and their siblings.
    Env,
}

/// A program.
pub struct Program {
    path: String,
    arguments: Vec<String>,
    pass: Pass,
    timeout: Duration,
}

/// What a program is asked to do, and the secrets for it.
struct Request<'a> {
    action: &'static str,
    secrets: Vec<(&'static str, &'a SecretString)>,
    admin: Option<&'a str>,
}

impl Program {
    /// Each of its runs may take so long.
    pub fn new(path: String, arguments: Vec<String>, pass: Pass, timeout: Duration) -> Self {
        Self { path, arguments, pass, timeout }
    }

    /// Runs it and gives its exit code.
    async fn ask(&self, account: &Account, request: Request<'_>) -> Result<Option<i32>> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        // What opens the environment is not the program's business.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("KEYFERRY_") || text.starts_with("PASSWORK_") {
                command.env_remove(&name);
            }
        }
        command
            .env("KEYFERRY_ACTION", request.action)
            .env("KEYFERRY_LOGIN", &account.login)
            .env("KEYFERRY_URL", account.address.to_string());
        if let Some(admin) = request.admin {
            command.env("KEYFERRY_ADMIN_LOGIN", admin);
        }
        let mut input = Zeroizing::new(Vec::new());
        match self.pass {
            Pass::Env => {
                for (name, secret) in &request.secrets {
                    command.env(format!("KEYFERRY_{}", name.to_uppercase()), secret.expose());
                }
            }
            Pass::Stdin => {
                let document: serde_json::Map<_, _> = request
                    .secrets
                    .iter()
                    .map(|(name, secret)| ((*name).to_owned(), secret.expose().into()))
                    .collect();
                serde_json::to_writer(&mut *input, &document)
                    .map_err(|_| Error::new(ErrorKind::Internal, "secrets could not be written down"))?;
            }
        }
        Ok(run(command, &input, self.timeout).await?.code)
    }

    async fn change(&self, account: &Account, request: Request<'_>) -> Result<()> {
        let action = request.action;
        match self.ask(account, request).await? {
            Some(0) => Ok(()),
            // Its own words could hold a secret, and a code does not prove that nothing was done.
            Some(code) => Err(half_done(account, &format!("{} ended with {code} at `{action}`", self.path))),
            None => Err(half_done(account, &format!("{} was ended by a signal at `{action}`", self.path))),
        }
    }
}

/// An error that leaves open whether the target has acted.
fn half_done(account: &Account, why: &str) -> Error {
    Error::new(ErrorKind::Unanswered, format!("{}: {why}", account.address))
}

/// Adds who makes the change.
fn with_actor<'a>(
    action: &'static str,
    mut secrets: Vec<(&'static str, &'a SecretString)>,
    actor: Actor<'a>,
) -> Request<'a> {
    let mut admin = None;
    match actor {
        Actor::Itself(current) => secrets.push(("current", current)),
        Actor::Admin(login) => {
            secrets.push(("admin", &login.secret));
            admin = Some(login.login.as_str());
        }
        Actor::Caller => {}
    }
    Request { action, secrets, admin }
}

impl Connector for Program {
    /// A program may know its target without being told.
    fn address(&self, url: &str) -> Result<Address> {
        Address::parse(url).or_else(|_| Address::parse("program:///"))
    }

    fn accepts(&self, account: &Account) -> Result<()> {
        plain_name(account)
    }

    fn check<'a>(&'a self, account: &'a Account, secret: &'a SecretString) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let request = Request { action: "check", secrets: vec![("secret", secret)], admin: None };
            match self.ask(account, request).await? {
                Some(0) => Ok(true),
                Some(1) => Ok(false),
                _ => Err(Error::new(
                    ErrorKind::Unreachable,
                    format!("{} could not tell whether a secret works", self.path),
                )
                .next_step("at `check` it ends with 0 where the secret works, with 1 where it does not")),
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
        Box::pin(self.change(account, with_actor("add", vec![("old", old), ("new", new)], actor)))
    }

    fn only<'a>(
        &'a self,
        account: &'a Account,
        actor: Actor<'a>,
        kept: &'a SecretString,
        gone: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<()>> {
        let mut secrets = vec![("kept", kept)];
        secrets.extend(gone.map(|gone| ("gone", gone)));
        Box::pin(self.change(account, with_actor("only", secrets, actor)))
    }
}
