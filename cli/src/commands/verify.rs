//! `verify A B`.

use crate::args::Two;
use crate::commands::locked::unlocked;
use crate::commands::table::read_options;
use crate::commands::{Typed, archive_keys, filter, say_if_typed, structure};
use crate::config::Config;
use crate::credentials::Side;
use crate::journal::Jobs;
use crate::location;
use crate::output::Output;
use crate::output::progress::Shown;
use jiff::Timestamp;
use keyferry_core::Result;
use keyferry_core::engine::{self, Options};

/// Compares two locations.
pub async fn run(two: Two, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let typed = Typed {
        what: "verify",
        from: &two.a,
        to: &two.b,
        dry_run: false,
        plan_to: None,
        report: two.report.as_deref(),
    };
    typed.check()?;
    let started = Timestamp::now();
    let a = location::endpoint(&two.a, Side::From, config).await?;
    let b = location::endpoint(&two.b, Side::To, config).await?;
    say_if_typed(&a, output);
    say_if_typed(&b, output);
    let options = Options {
        allow_empty: two.select.allow_empty,
        exact: two.exact,
        structure: structure(two.structure),
        filter: filter(two.select, started),
        archive: archive_keys([&a, &b], jobs)?,
        read: unlocked(read_options(&two.table)?, &two.managed, [&a, &b], jobs)?,
        match_codes: two.managed.match_codes,
        ..Options::default()
    };
    let progress = Shown::new(output);
    let report = engine::verify(&a, &b, &options, &progress).await?;
    drop(progress);
    output.report(&report, typed.report.is_some())?;
    typed.report(&report, (&a, &b), (started, jobs.words()), output).await?;
    Ok(report.exit_code())
}
