//! `verify A B`.

use super::{archive_keys, filter};
use crate::args::Two;
use crate::config::Config;
use crate::credentials::Side;
use crate::output::Output;
use crate::progress::Shown;
use crate::resolve;
use jiff::Timestamp;
use keyferry_core::Result;
use keyferry_core::engine::{self, Options};

/// Compares two locations.
pub async fn run(two: Two, config: &Config, output: Output) -> Result<u8> {
    let a = resolve::endpoint(&two.a, Side::From, config).await?;
    let b = resolve::endpoint(&two.b, Side::To, config).await?;
    let options = Options {
        filter: filter(two.select, Timestamp::now()),
        archive: archive_keys([&a, &b])?,
        ..Options::default()
    };
    let progress = Shown::new(output);
    let report = engine::verify(&a, &b, &options, &progress).await?;
    drop(progress);
    output.report(&report)?;
    Ok(report.exit_code())
}
