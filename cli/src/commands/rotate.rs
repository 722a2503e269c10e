//! `rotate`: new secrets at their targets and in the environment.

use crate::args::rotate::{Alphabet, PassBy, Rotate, With};
use crate::commands::filter;
use crate::config::Config;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::location::Need;
use crate::output::progress::Shown;
use crate::output::{Output, clean};
use crate::secrets::reference::{Reference, location_of};
use keyferry_core::engine::journal::State;
use keyferry_core::engine::{Environment, FetchedRecord, Filter, is_id};
use keyferry_core::model::RecordPath;
use keyferry_core::{Error, ErrorKind, Result};
use keyferry_rotate::plan::Field;
use keyferry_rotate::{
    Address, Admin, Batch, Choice, Kind, Login, Outcome, Pass, Plan, Report, Rotated, Strength, batch,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// Rotates, or tells what would be rotated.
pub async fn run(mut rotate: Rotate, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let started = Instant::now();
    let connector = kind(&rotate)?.connector(config.timeout)?;
    let location = rotate.location.as_str();
    let (environment, inside) = location::environment(location, Side::Only, Need::Contents, config).await?;
    environment.unlocked()?;
    environment.write_with(Arc::new(jobs.journal()?), rotate.allow_unencrypted_target)?;
    let filter = filter(std::mem::take(&mut rotate.select), jobs.started());
    let choice = choice(&rotate, &environment, config).await?;
    batch::check(&environment, &*connector, &choice)?;
    let progress = Shown::new(output);
    if rotate.dry_run {
        let (picked, one) = picked(&environment, &inside, &filter).await?;
        let plan = Plan::make(&*connector, picked, &choice, environment.memory()).await;
        drop(progress);
        return shown(plan.shown(started.elapsed().as_secs_f64()), one, output);
    }
    let (_held, job) = jobs.begin(&environment)?;
    let batch = Batch {
        environment: &environment,
        connector: &*connector,
        choice: &choice,
        job: &job,
        progress: &progress,
    };
    let settled = batch::settle(batch).await?;
    let work = async {
        let (mut picked, one) = match picked(&environment, &inside, &filter).await {
            // What was settled is told of also where its record is gone by now.
            Err(error) if error.kind() == ErrorKind::NotFound && !settled.is_empty() => (Vec::new(), false),
            found => found?,
        };
        let mut done: HashSet<String> = settled.iter().map(|one| one.id.clone()).collect();
        let before = job.rotations()?.into_iter();
        let rotated = |outcome: &Option<String>| outcome.as_deref() == Some(Outcome::Rotated.word());
        done.extend(before.filter(|one| rotated(&one.outcome)).map(|one| one.item));
        picked.retain(|picked| picked.as_ref().map_or(true, |picked| !done.contains(&picked.id)));
        let plan = Plan::make(&*connector, picked, &choice, environment.memory()).await;
        let report = batch::run(batch, plan, settled, started).await?;
        Ok((report, one))
    };
    let ended: Result<(Report, bool)> = work.await;
    drop(progress);
    let idle = job.forget_if_idle()?;
    match ended {
        Ok((mut report, one)) => {
            report.job = report.job.filter(|_| !idle);
            let go_on = report.job.filter(|_| report.is_open()).map(|id| jobs.go_on(id));
            let code = shown(report, one, output)?;
            if let Some(go_on) = go_on {
                output.say(&format!("to go on: {go_on}"));
            }
            Ok(code)
        }
        Err(error) if idle => Err(error),
        Err(error) => {
            // The first error counts; a journal that fails as well will say so on resuming.
            let _ = job.finish(State::Failed, None);
            Err(error.then(&jobs.go_on(job.id())))
        }
    }
}

fn kind(rotate: &Rotate) -> Result<Kind> {
    let pass = match rotate.pass {
        PassBy::Stdin => Pass::Stdin,
        PassBy::Env => Pass::Env,
    };
    match rotate.with {
        Some(With::Postgres) => Ok(Kind::Postgres),
        Some(With::Mysql) => Ok(Kind::Mysql),
        Some(With::Redis) => Ok(Kind::Redis),
        Some(With::Linux) => Ok(Kind::Linux),
        Some(With::Ssh) => Ok(Kind::Ssh),
        None if rotate.exec.is_empty() => Err(usage("no kind of target is named", "add --with or --exec")),
        None => Ok(Kind::Program(rotate.exec.clone(), pass)),
    }
}

async fn choice(rotate: &Rotate, environment: &Environment, config: &Config) -> Result<Choice> {
    let admin = match &rotate.admin {
        None => None,
        Some(word) => Some(admin(word, environment, config).await?),
    };
    let field = match rotate.field.as_deref() {
        None | Some("password") => Field::Password,
        Some(name) => Field::Custom(name.to_owned()),
    };
    Ok(Choice {
        field,
        target: rotate.target.as_deref().map(Address::parse).transpose()?.map(Address::typed),
        allow_target: rotate.allow_target,
        admin,
        strength: Strength {
            length: usize::from(rotate.length),
            letters_and_digits: rotate.alphabet == Alphabet::LettersDigits,
        },
        parallel: usize::from(rotate.parallel),
    })
}

/// The record of somebody who may.
async fn admin(word: &str, environment: &Environment, config: &Config) -> Result<Admin> {
    let reference = Reference::parse(word)?;
    let picked = match &reference.environment {
        None => environment.fetch(&reference.names).await?,
        Some(name) => {
            let (other, _) =
                location::environment(&location_of(name), Side::Only, Need::Contents, config).await?;
            other.fetch(&reference.names).await?
        }
    };
    let secret = reference.wanted.of(&picked)?;
    if picked.record.login.is_empty() {
        return Err(usage(
            format!("the record of --admin, {}, has no login", picked.label()),
            "write one into it",
        ));
    }
    let login = Login { login: picked.record.login.clone(), secret };
    Ok(Admin { login, url: picked.record.url.clone(), item: picked.id })
}

/// The records of a place; or the one that the words name, and then `true`.
async fn picked(
    environment: &Environment,
    inside: &RecordPath,
    filter: &Filter,
) -> Result<(Vec<Result<FetchedRecord>>, bool)> {
    let names: Vec<String> = inside.vault.iter().chain(&inside.folders).cloned().collect();
    let id = matches!(names.as_slice(), [one] if is_id(one));
    if filter.is_empty() && (id || !environment.find(&names).await?.is_empty()) {
        return Ok((vec![Ok(environment.fetch(&names).await?)], true));
    }
    let all = environment.fetch_filtered(inside, filter).await?;
    if all.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "there is no such record")
            .next_step(format!("keyferry tree {} shows what there is", environment.label())));
    }
    Ok((all, false))
}

/// Shows what became of each. A single record that nothing was tried with is an error of its own kind.
fn shown(mut report: Report, one: bool, output: Output) -> Result<u8> {
    if one
        && let [only] = report.records.as_mut_slice()
        && let Some(error) = only.error.take()
    {
        return Err(error.at(keyferry_core::error::Place::Record(clean(&only.record))));
    }
    if output.json {
        output.document(&report)?;
        return Ok(report.exit_code());
    }
    for record in &report.records {
        line(record, output)?;
    }
    let all = [
        Outcome::Planned,
        Outcome::Rotated,
        Outcome::RolledBack,
        Outcome::Failed,
        Outcome::Unsettled,
        Outcome::NotBegun,
        Outcome::LeftOut,
    ];
    let counts = all.into_iter().map(|outcome| (report.count(outcome), outcome.word()));
    let counts: Vec<_> =
        counts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let counts = if counts.is_empty() { "nothing to rotate".to_owned() } else { counts.join(", ") };
    output.line(&format!("{counts} in {:.1} s", report.seconds))?;
    Ok(report.exit_code())
}

fn line(record: &Rotated, output: Output) -> Result<()> {
    let account = record.account.as_ref().map(|account| format!(": {account}")).unwrap_or_default();
    let why = record.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    output.line(&clean(&format!("{}: {}{account}{why}", record.outcome.word(), record.record)))?;
    if matches!(record.outcome, Outcome::RolledBack | Outcome::Unsettled) {
        let target = record.target.map_or("it is not known what works", |works| works.words());
        let held = record.environment.map_or("it is not known what the record holds", |holds| holds.words());
        output.line(&format!("  target: {target}; environment: {held}"))?;
    }
    if let Some(next) = &record.next {
        output.line(&clean(&format!("  next: {next}")))?;
    }
    Ok(())
}
