//! `migrate FROM TO`.

use crate::args::Migrate;
use crate::commands::dialogue::completed;
use crate::commands::locked::{sealing, unlocked};
use crate::commands::{Typed, carry, options};
use crate::config::Config;
use crate::credentials::Side;
use crate::journal::Jobs;
use crate::location;
use crate::output::Output;
use keyferry_core::engine::{Keys, UserMap};
use keyferry_core::error::Place;
use keyferry_core::{Error, Result};
use std::path::Path;

/// Moves records from any source to any sink.
pub async fn run(migrate: Migrate, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let from = location::endpoint(&migrate.from, Side::From, config).await?;
    let to = location::endpoint(&migrate.to, Side::To, config).await?;
    let (report, plan_to) = (migrate.into.report.clone(), migrate.into.plan_to.clone());
    let typed = Typed {
        what: "migrate",
        from: &migrate.from,
        to: &migrate.to,
        dry_run: migrate.into.dry_run,
        plan_to: plan_to.as_deref(),
        report: report.as_deref(),
    };
    let mut options = options(migrate.into, migrate.select, jobs);
    let (read, jobs) = completed(&migrate.table, &from, &migrate.managed, jobs, output)?;
    let jobs = &*jobs;
    options.read = unlocked(read, &migrate.managed, [&from], jobs)?;
    options.match_codes = migrate.managed.match_codes;
    options.allow_plaintext = migrate.allow_plaintext;
    sealing(&mut options.write, migrate.managed.key_file.as_deref(), &to)?;
    if migrate.rewrap {
        options.keys = Keys::Kept;
    }
    if migrate.rights {
        options.rights = Some(who_is_who(migrate.users.as_deref())?);
    }
    carry(&typed, &from, &to, &options, jobs, output).await
}

/// The map of users; without a file, logins and addresses say it.
fn who_is_who(file: Option<&Path>) -> Result<UserMap> {
    let Some(path) = file else { return Ok(UserMap::default()) };
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    UserMap::parse(&text).map_err(|error| error.at(Place::File { path: path.to_owned(), at: None }))
}
