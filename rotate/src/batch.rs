//! Many records at once, under one job of the journal.

use crate::Address;
use crate::connector::{Account, Connector};
use crate::plan::{Choice, Plan, Ready};
use crate::report::{Outcome, Report, Rotated};
use crate::rotation::{Rotation, journal};
use futures_util::StreamExt as _;
use futures_util::stream;
use keyferry_core::engine::journal::State;
use keyferry_core::engine::{Environment, Job, Progress, Rotating, Secrets, Step};
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::time::Instant;

/// What all records of a run share.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Where the records are.
    pub environment: &'a Environment,
    /// What their targets are.
    pub connector: &'a dyn Connector,
    /// What was asked for.
    pub choice: &'a Choice,
    /// Where every step is written down.
    pub job: &'a Job,
    /// Who is told, and who may ask to stop.
    pub progress: &'a dyn Progress,
}

/// Makes sure that no secret can be lost: either the journal can seal it, or somebody can set it anew.
///
/// # Errors
/// [`ErrorKind::Usage`] where neither is so.
pub fn check(environment: &Environment, connector: &dyn Connector, choice: &Choice) -> Result<()> {
    if environment.public_key().is_ok() || choice.admin.is_some() || connector.resets() {
        return Ok(());
    }
    let what = format!(
        "{} has no client-side encryption: a new secret could not be sealed in the journal, and a crash would lose it",
        environment.label()
    );
    Err(Error::new(ErrorKind::Usage, what)
        .next_step("give --admin REFERENCE: somebody who can set a lost secret anew"))
}

/// Settles what an earlier run of this job left open: finishes it, or goes back.
pub async fn settle(batch: Batch<'_>) -> Result<Vec<Rotated>> {
    let open = journal(batch.job, Job::rotations).await?;
    let open = open.into_iter().filter(|one| one.outcome.is_none());
    let settled = stream::iter(open).map(|one| settle_one(batch, one)).buffered(batch.choice.parallel.max(1));
    Ok(settled.collect().await)
}

async fn settle_one(batch: Batch<'_>, known: Rotating) -> Rotated {
    let Batch { environment, connector, choice, job, .. } = batch;
    let name = |error: Error| {
        let mut open = Rotated::untried(known.record.clone(), known.item.clone(), Outcome::Unsettled, error);
        open.account = Some(format!("{} at {}", known.login, known.target));
        open
    };
    let picked = environment.fetch_id(&known.item).await;
    let held = picked.as_ref().map_err(Error::again).and_then(|picked| choice.field.of(&picked.record));
    let (old, new) = match (known.secrets.as_ref(), held) {
        (Some(secrets), _) => (secrets.old.clone(), Some(secrets.new.clone())),
        (None, Ok(held)) => (held, None),
        (None, Err(error)) => return name(error),
    };
    // The journal's address is for people; parameters stand in the record or on the command line alone.
    let address = match (&choice.target, &picked) {
        (Some(address), _) => Ok(address.clone()),
        (None, Ok(picked)) => connector.address(&picked.record.url),
        (None, Err(_)) => Address::parse(&known.target),
    };
    let address = match address {
        Ok(address) if address.to_string() == known.target => address,
        _ => match Address::parse(&known.target) {
            Ok(address) => address,
            Err(error) => return name(error),
        },
    };
    let account = Account { address, login: known.login.clone() };
    if let Some(memory) = environment.memory() {
        let target = connector.identity(&account);
        let allowed = choice.allow_target || choice.target.is_some();
        match memory.target(&known.item, &target, allowed).and_then(|()| memory.binds(&known.item, &target)) {
            Ok(true) => connector.require_binding(&account),
            Ok(false) => {}
            Err(error) => return name(error),
        }
    }
    let rotation = Rotation {
        environment,
        connector,
        account,
        admin: choice.admin(),
        item: known.item.clone(),
        label: known.record.clone(),
        field: &choice.field,
        old,
        new,
        job,
        number: known.number,
    };
    rotation.resume(known.stored, known.sent).await
}

/// Rotates what the plan says. `settled` is what became of an earlier run's.
///
/// # Errors
/// Where the journal cannot be written. What had begun by then stands in it.
pub async fn run(batch: Batch<'_>, plan: Plan, settled: Vec<Rotated>, started: Instant) -> Result<Report> {
    batch.progress.begin(Step::Writing, Some(plan.ready.len() as u64));
    let rotated = stream::iter(plan.ready)
        .map(|ready| async move {
            let done = one(batch, ready).await;
            batch.progress.advance(1);
            done
        })
        .buffer_unordered(batch.choice.parallel.max(1));
    let rotated: Vec<Result<Rotated>> = rotated.collect().await;
    let mut records = settled;
    let mut failed = None;
    for one in rotated {
        match one {
            Ok(one) => records.push(one),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    records.extend(plan.others);
    let report = Report { job: Some(batch.job.id()), records, seconds: started.elapsed().as_secs_f64() };
    let state = match (&failed, report.exit_code()) {
        (None, 0) => State::Done,
        (None, 130) => State::Interrupted,
        _ => State::Failed,
    };
    journal(batch.job, move |job| job.finish(state, None)).await?;
    failed.map_or(Ok(report), Err)
}

async fn one(batch: Batch<'_>, ready: Ready) -> Result<Rotated> {
    let Batch { environment, connector, choice, job, progress } = batch;
    let Ready { item, label, account, old } = ready;
    if progress.interrupted() {
        let stopped = Error::new(ErrorKind::Interrupted, "stopped before it began");
        return Ok(Rotated::untried(label, item, Outcome::NotBegun, stopped));
    }
    let new: SecretString = match connector.generate(&account) {
        Some(made) => made?,
        None => choice.strength.draw()?,
    };
    let secrets = Secrets { old, new };
    let (id, name) = (item.clone(), label.clone());
    let (at, login) = (account.address.to_string(), account.login.clone());
    let written = secrets.clone();
    let number = journal(job, move |job| job.intend_rotation((&id, &name), (&at, &login), &written)).await?;
    let rotation = Rotation {
        environment,
        connector,
        account,
        admin: choice.admin(),
        item,
        label,
        field: &choice.field,
        old: secrets.old,
        new: Some(secrets.new),
        job,
        number,
    };
    Ok(rotation.begin().await)
}
