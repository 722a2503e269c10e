//! What can be known before a transfer: whether both sides let it happen, and what will stay behind.

use crate::engine::endpoint::Endpoint;
use crate::engine::environment::Environment;
use crate::engine::environment::scope::Scope;
use crate::engine::options::Options;
use crate::engine::report::NotMovable;
use crate::error::{Error, ErrorKind, Result};
use futures_util::{StreamExt as _, stream};
use keyferry_api::vault::{Role, Vault};
use serde::Serialize;
use std::fmt;

/// Requests at a time.
const AT_ONCE: usize = 8;

/// What was found before anything was written.
#[derive(Debug, Default, Serialize)]
pub struct Preflight {
    /// One for each thing that was looked at.
    pub checks: Vec<Check>,
    /// What the source holds besides records, and why it stays there.
    pub not_movable: Vec<NotMovable>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    /// How it stands.
    #[serde(rename = "standing")]
    pub status: CheckStatus,
    /// What was found.
    pub what: String,
    /// What to do about it, where it does not stand well.
    pub next: Option<&'static str>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// As it should be.
    Good,
    /// It may stop the transfer on its way.
    Doubtful,
    /// The transfer cannot be.
    Bad,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.status {
            CheckStatus::Good => "ok",
            CheckStatus::Doubtful => "doubtful",
            CheckStatus::Bad => "not possible",
        };
        write!(f, "{word}: {}", self.what)?;
        self.next.map_or(Ok(()), |next| write!(f, " ({next})"))
    }
}

impl Preflight {
    /// Looks at both sides; reads no record.
    pub(crate) async fn look(from: &Endpoint, to: &Endpoint, options: &Options) -> Result<Self> {
        let mut found = Self::default();
        let source = from.environment();
        if let Some(environment) = source {
            found.session("the source", environment);
            found.not_movable = not_movable(environment, options.rights.is_some()).await?;
        }
        if let Endpoint::Environment(sink, inside) = to {
            found.session("the sink", sink);
            found.modes(
                source.map(|source| source.encrypts()),
                sink.encrypts(),
                sink.key_is_unused(),
                options,
            );
            if let Some(name) = &inside.vault {
                found.rights(sink, |vault| vault.name == *name, CheckStatus::Bad).await?;
            }
        }
        Ok(found)
    }

    /// Looks at the vaults of the sink where no single one was named: those that records will go to; all, where that is
    /// not known yet.
    pub(crate) async fn named(&mut self, to: &Endpoint, scope: Option<&Scope>) -> Result<()> {
        match to {
            Endpoint::Environment(sink, inside) if inside.vault.is_none() => {
                let named = |vault: &Vault| scope.is_none_or(|scope| scope.names_vault(&vault.name));
                self.rights(sink, named, CheckStatus::Doubtful).await
            }
            _ => Ok(()),
        }
    }

    /// The first check that makes the transfer impossible, as an error.
    pub(crate) fn passes(&self) -> Result<()> {
        match self.checks.iter().find(|check| check.status == CheckStatus::Bad) {
            None => Ok(()),
            Some(check) => {
                let error = Error::new(ErrorKind::NotAllowed, format!("{}; nothing was written", check.what));
                Err(check.next.into_iter().fold(error, Error::next_step))
            }
        }
    }

    /// What a user should know before a long job.
    pub(crate) fn doubts(&self) -> impl Iterator<Item = String> {
        self.checks.iter().filter(|check| check.status == CheckStatus::Doubtful).map(|check| {
            let next = check.next.map_or_else(String::new, |next| format!(": {next}"));
            format!("{}{next}", check.what)
        })
    }

    fn add(&mut self, status: CheckStatus, what: String, next: Option<&'static str>) {
        self.checks.push(Check { status, what, next });
    }

    /// Whether the session can outlive the job.
    fn session(&mut self, side: &str, environment: &Environment) {
        let session = environment.client().session();
        let label = environment.label();
        if session.refresh_token.is_some() {
            self.add(CheckStatus::Good, format!("{side}, {label}, renews its session by itself"), None);
        } else {
            self.add(
                CheckStatus::Doubtful,
                format!("{side}, {label}, has no refresh token: when its access token expires, the job stops and can be resumed"),
                Some("give a refresh token as well"),
            );
        }
    }

    /// What becomes of encryption on the way.
    fn modes(&mut self, source: Option<bool>, sink: bool, key_is_unused: bool, options: &Options) {
        let unused = key_is_unused && !options.allow_unencrypted_target;
        let (status, what, next) = match (source, sink) {
            (Some(false) | None, false) if unused => (
                CheckStatus::Bad,
                "a master key or password is at hand for the sink, and its server says that its user has no keys: it could read all that is written",
                Some("if that is as it should be: --allow-unencrypted-target, or take the key away"),
            ),
            (Some(true), true) => (CheckStatus::Good, "both sides encrypt", None),
            (Some(false) | None, true) => {
                (CheckStatus::Good, "what the source holds in the clear is encrypted on the way", None)
            }
            (Some(false) | None, false) => (
                CheckStatus::Good,
                "the sink does not use client-side encryption: its server can read what it stores",
                None,
            ),
            (Some(true), false) if options.allow_unencrypted_target => (
                CheckStatus::Good,
                "encryption ends here: the sink's server will be able to read every secret, as you allowed",
                None,
            ),
            (Some(true), false) => (
                CheckStatus::Bad,
                "the source is encrypted and the sink is not",
                Some("add --allow-unencrypted-target if the server may read these secrets"),
            ),
        };
        self.add(status, what.to_owned(), next);
    }

    /// Whether the user may write where records will go; `otherwise` is what it is called where not.
    async fn rights(
        &mut self,
        sink: &Environment,
        wanted: impl Fn(&Vault) -> bool,
        otherwise: CheckStatus,
    ) -> Result<()> {
        let client = sink.client();
        let mut vaults = client.vaults().await?;
        vaults.retain(wanted);
        // What a stranger lets this user do in a vault of its own says nothing of the known one.
        let vaults = sink.without_strangers_beside(vaults, |_| true)?;
        if vaults.is_empty() {
            self.add(CheckStatus::Good, "the vaults that are needed will be made".to_owned(), None);
            return Ok(());
        }
        // A server that tells what the user may do counts groups as well.
        let told: Vec<Option<Role>> =
            vaults.iter().map(|vault| vault.directory_access.as_ref().map(|access| access.access)).collect();
        let user = client.user_info().await?.id;
        let mut writable = 0;
        let asked = vaults.iter().map(|vault| client.vault_users(&vault.id)).collect::<Vec<_>>();
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        for ((vault, told), users) in vaults.iter().zip(told).zip(answers) {
            let Some(users) = if_told(users)? else {
                self.add(
                    CheckStatus::Doubtful,
                    format!("{} does not tell what this user may do in its vaults", sink.label()),
                    None,
                );
                return Ok(());
            };
            let own = users.iter().find(|one| one.user_id == user).map_or(Role::None, |one| one.role);
            let role = told.unwrap_or(own);
            if role >= Role::Edit {
                writable += 1;
                continue;
            }
            let next = Some("ask an administrator of the vault for the right to edit");
            let what = format!("this user may not write to vault {}", vault.name);
            self.add(otherwise, what, next);
        }
        self.add(CheckStatus::Good, format!("this user may write to {writable} vaults of the sink"), None);
        Ok(())
    }
}

/// `None` where a server does not have a call, or the user may not make it: both are its right.
fn if_told<T>(answer: Result<T>) -> Result<Option<T>> {
    use ErrorKind::{NotAllowed, NotFound, Refused};
    match answer {
        Err(error) if matches!(error.kind(), NotFound | NotAllowed | Refused) => Ok(None),
        answer => answer.map(Some),
    }
}

/// What an environment holds that the API cannot put into another.
async fn not_movable(source: &Environment, with_rights: bool) -> Result<Vec<NotMovable>> {
    let mut kinds = Vec::new();
    // With rights, shortcuts go along as well.
    let shortcuts = if with_rights { Some(0) } else { if_told(source.client().shortcut_count().await)? };
    if shortcuts != Some(0) {
        kinds.push(NotMovable {
            what: "shortcuts",
            count: shortcuts,
            why: "a shortcut points to a record by its id, and records get new ids; the record itself goes along (with --rights shortcuts as well)",
        });
    }
    let of_every_environment = [
        (
            "history",
            "the API has no call that writes a snapshot: the sink's history begins with the transfer",
        ),
        (
            "rights and groups",
            "vault keys are wrapped for each user, and users differ: share the new vaults anew, or add --rights",
        ),
        (
            "links and inboxes",
            "a link's address belongs to its server, and an inbox to its user: send them anew",
        ),
        ("times of creation and change", "the server sets them when a record is written"),
    ];
    let left =
        of_every_environment.into_iter().filter(|(what, _)| !(with_rights && *what == "rights and groups"));
    kinds.extend(left.map(|(what, why)| NotMovable { what, count: None, why }));
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(source: Option<bool>, sink: bool, allowed: bool) -> (CheckStatus, bool) {
        let mut found = Preflight::default();
        let options = Options { allow_unencrypted_target: allowed, ..Options::default() };
        found.modes(source, sink, false, &options);
        (found.checks[0].status, found.passes().is_ok())
    }

    #[test]
    fn only_losing_encryption_unasked_is_refused() {
        for (source, sink, allowed) in [
            (Some(true), true, false),
            (Some(false), true, false),
            (None, false, false),
            (Some(true), false, true),
        ] {
            assert_eq!(
                modes(source, sink, allowed),
                (CheckStatus::Good, true),
                "{source:?} {sink} {allowed}"
            );
        }
        assert_eq!(modes(Some(true), false, false), (CheckStatus::Bad, false));
    }
}
