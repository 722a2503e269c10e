//! Which records are rotated: a value, made before anything changes.
//!
//! Every record in it was tried: its target answers, its present secret works there, a secret that nobody has does not
//! (or no check would prove anything), and whoever is to make the change gets in.

use crate::address::Address;
use crate::connector::{Account, Connector, Login};
use crate::report::{Outcome, Report, Rotated};
use crate::transitions::{Holds, Works};
use futures_util::StreamExt as _;
use futures_util::stream;
use keyferry_core::crypto::generate;
use keyferry_core::engine::{FetchedRecord, Memory};
use keyferry_core::model::Record;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::collections::HashMap;

/// Where in a record the secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Its password.
    Password,
    /// A custom field.
    Custom(String),
}

impl Field {
    /// The secret.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is none.
    pub fn of(&self, record: &Record) -> Result<SecretString> {
        let (found, what) = match self {
            Field::Password => (record.password.clone(), "it has no password".to_owned()),
            Field::Custom(name) => {
                let custom = record.customs.iter().find(|custom| custom.name == *name);
                (custom.map(|custom| custom.value.clone()), format!("it has no custom field `{name}`"))
            }
        };
        found.filter(|secret| !secret.is_empty()).ok_or_else(|| Error::new(ErrorKind::NotFound, what))
    }
}

/// What a new secret is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strength {
    /// Characters.
    pub length: usize,
    /// Letters and digits alone, without `@` and `!`.
    pub letters_and_digits: bool,
}

impl Default for Strength {
    fn default() -> Self {
        Self { length: 32, letters_and_digits: false }
    }
}

impl Strength {
    /// A new secret, each character drawn uniformly.
    pub fn draw(self) -> Result<SecretString> {
        if !self.letters_and_digits {
            return generate::password(self.length);
        }
        let mut text = zeroize::Zeroizing::new(String::with_capacity(self.length));
        while text.len() < self.length {
            let more = generate::password(self.length)?;
            let missing = self.length - text.len();
            text.extend(more.expose().chars().filter(char::is_ascii_alphanumeric).take(missing));
        }
        Ok(SecretString::from(text.as_str()))
    }
}

/// Somebody who may change the secrets of others, as a record has it.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Name and secret.
    pub login: Login,
    /// The record's id.
    pub item: String,
    /// The record's `url`: the server that this secret is for.
    pub url: String,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Where the secret stands in each record.
    pub field: Field,
    /// The target, where it is not what each record's `url` says.
    pub target: Option<Address>,
    /// Take the target that a record names although it is not where its secret was changed before.
    pub allow_target: bool,
    /// Who makes the changes, if not each user itself.
    pub admin: Option<Admin>,
    /// New secrets.
    pub strength: Strength,
    /// How many records at once.
    pub parallel: usize,
}

impl Choice {
    /// Who makes the changes.
    #[must_use]
    pub fn admin(&self) -> Option<&Login> {
        self.admin.as_ref().map(|admin| &admin.login)
    }
}

/// A record that can be rotated.
#[derive(Debug)]
pub struct Ready {
    /// Its id.
    pub item: String,
    /// Its path and name.
    pub label: String,
    /// Whose secret it is, and where.
    pub account: Account,
    /// What works now.
    pub old: SecretString,
}

/// What would be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// Records that can be rotated.
    pub ready: Vec<Ready>,
    /// Records that cannot: failed, or left out.
    pub others: Vec<Rotated>,
}

impl Plan {
    /// Tries every record and changes nothing. Records that are not for this connector are left out.
    pub async fn make(
        connector: &dyn Connector,
        picked: Vec<Result<FetchedRecord>>,
        choice: &Choice,
        memory: Option<&Memory>,
    ) -> Self {
        let mut plan = Self::default();
        let mut candidates = Vec::new();
        for picked in picked {
            match picked {
                Ok(picked) => match candidate(connector, &picked, choice) {
                    Ok(ready) => candidates.push(ready),
                    Err((outcome, error)) => {
                        plan.others.push(Rotated::untried(picked.label(), picked.id, outcome, error));
                    }
                },
                Err(error) => {
                    let what = Rotated::untried(String::new(), String::new(), Outcome::Failed, error);
                    plan.others.push(what);
                }
            }
        }
        let mut same: HashMap<String, usize> = HashMap::new();
        for ready in &candidates {
            *same.entry(connector.owner(&ready.account)).or_default() += 1;
        }
        let tried = stream::iter(candidates)
            .map(|ready| {
                let alone = same.get(&connector.owner(&ready.account)) == Some(&1);
                async move {
                    let result = if alone {
                        tried_where_known(connector, &ready, choice, memory).await
                    } else {
                        Err(twin(&ready))
                    };
                    (ready, result)
                }
            })
            .buffered(choice.parallel.max(1));
        let mut tried = std::pin::pin!(tried);
        while let Some((ready, result)) = tried.next().await {
            match result {
                Ok(()) => plan.ready.push(ready),
                Err(error) => {
                    let mut failed = Rotated::untried(ready.label, ready.item, Outcome::Failed, error);
                    failed.account = Some(ready.account.to_string());
                    plan.others.push(failed);
                }
            }
        }
        plan
    }

    /// What a dry run shows.
    #[must_use]
    pub fn shown(self, seconds: f64) -> Report {
        let planned = self.ready.into_iter().map(|ready| Rotated {
            record: ready.label,
            id: ready.item,
            account: Some(ready.account.to_string()),
            outcome: Outcome::Planned,
            target: Some(Works::Old),
            environment: Some(Holds::Old),
            why: None,
            next: None,
            error: None,
        });
        Report { job: None, records: planned.chain(self.others).collect(), seconds }
    }
}

/// What a record says of its target.
fn candidate(
    connector: &dyn Connector,
    picked: &FetchedRecord,
    choice: &Choice,
) -> std::result::Result<Ready, (Outcome, Error)> {
    let record = &picked.record;
    let left_out = |error| (Outcome::LeftOut, error);
    let failed = |error| (Outcome::Failed, error);
    let is_admins = |admin: &Admin| admin.item == picked.id || admin.login.login == record.login;
    if choice.admin.as_ref().is_some_and(is_admins) {
        let what = "it is the administrator's own: a change would lock out the rest of this run";
        let error = Error::new(ErrorKind::Usage, what).next_step("rotate it by itself, without --admin");
        return Err(left_out(error));
    }
    let address = match &choice.target {
        Some(address) => address.clone(),
        None => connector.address(&record.url).map_err(left_out)?,
    };
    let account = Account { address, login: record.login.clone() };
    connector.accepts(&account).map_err(|error| match error.kind() {
        ErrorKind::Input => left_out(error),
        _ => failed(error),
    })?;
    let old = choice.field.of(record).map_err(failed)?;
    Ok(Ready { item: picked.id.clone(), label: picked.label(), account, old })
}

/// Two records that hold the secret of one user would take it from each other.
fn twin(ready: &Ready) -> Error {
    Error::new(ErrorKind::Conflict, format!("several of these records hold the secret of {}", ready.account))
        .next_step("make one record of them, or name one alone")
}

/// Tries a record at the target that its secret went to before, or for the first time.
async fn tried_where_known(
    connector: &dyn Connector,
    ready: &Ready,
    choice: &Choice,
    memory: Option<&Memory>,
) -> Result<()> {
    let Some(memory) = memory else { return tried(connector, ready, choice).await };
    let account = &ready.account;
    let target = connector.identity(account);
    let allowed = choice.allow_target || choice.target.is_some();
    memory.target(&ready.item, &target, allowed)?;
    if memory.binds(&ready.item, &target)? {
        connector.require_binding(account);
    }
    tried(connector, ready, choice).await?;
    // A target that took the present secret is the one that is meant.
    memory.pin_target(&ready.item, &target, connector.binds(account))
}

/// Uses the present secret, and one that nobody has.
async fn tried(connector: &dyn Connector, ready: &Ready, choice: &Choice) -> Result<()> {
    let account = &ready.account;
    // First a secret that must not work, so that the target's count of failures begins anew with the one that does.
    let nobodys = match connector.generate(account) {
        Some(made) => made?,
        None => Strength::default().draw()?,
    };
    if connector.check(account, &nobodys).await? {
        let what = format!("{account} takes any secret: no check would prove anything");
        return Err(Error::new(ErrorKind::Refused, what)
            .next_step("have the target ask for a secret, or run this from where it does"));
    }
    if !connector.check(account, &ready.old).await? {
        let what = format!("the present secret does not work for {account}");
        return Err(Error::new(ErrorKind::NotAllowed, what)
            .next_step("put the secret that works into the record first (keyferry update)"));
    }
    let Some(Admin { login: admin, url, .. }) = &choice.admin else { return Ok(()) };
    // Whoever may edit a record's url could otherwise have the administrator's secret sent to a server of their own.
    let here = connector.server(&account.address);
    let home = || connector.address(url).ok().and_then(|address| connector.server(&address));
    if choice.target.is_none() && here.is_some() && here != home() {
        let what = format!("the url of the administrator's record is not {}", account.address);
        return Err(Error::new(ErrorKind::Refused, what)
            .next_step("write the address of this server into it, or name the server with --target"));
    }
    let theirs = Account { address: account.address.clone(), login: admin.login.clone() };
    if !connector.check(&theirs, &admin.secret).await? {
        let what = format!("the administrator's secret does not work for {theirs}");
        return Err(
            Error::new(ErrorKind::NotAllowed, what).next_step("look at the record that --admin names")
        );
    }
    Ok(())
}
