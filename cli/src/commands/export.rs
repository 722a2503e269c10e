//! `export ENV FILE`.

use crate::args::Export;
use crate::commands::locked::sealing;
use crate::commands::{Typed, carry, filter, with_format};
use crate::config::Config;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::location::Location;
use crate::output::Output;
use keyferry_core::Result;
use keyferry_core::engine::{Endpoint, Options};

/// Writes an environment's records to a file.
pub async fn run(export: Export, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    // Looked at before anything is opened: a wrong word must not cost a prompt.
    let Location::File(path, format) = Location::parse(&export.file)? else {
        return Err(usage(
            format!("`{}` is an environment where a file is meant", export.file),
            "use keyferry migrate between environments",
        ));
    };
    let to = with_format(Endpoint::File { path, format }, export.format.as_deref())?;
    let from = location::endpoint(&export.environment, Side::Only, config).await?;
    if matches!(from, Endpoint::File { .. }) {
        return Err(usage(
            format!("`{}` is a file where an environment is meant", export.environment),
            "write NAME:, https://… or embedded:DIR",
        ));
    }
    let typed = Typed {
        what: "export",
        from: &export.environment,
        to: &export.file,
        dry_run: export.dry_run,
        plan_to: None,
        report: export.report.as_deref(),
    };
    let mut options = Options {
        allow_plaintext: export.allow_plaintext,
        allow_empty: export.select.allow_empty,
        filter: filter(export.select, jobs.started()),
        ..Options::default()
    };
    options.write.spreadsheet_safe = export.spreadsheet_safe;
    // Nobody is asked for a passphrase of what is not written.
    if !export.dry_run {
        sealing(&mut options.write, export.key_file.as_deref(), &to)?;
    }
    carry(&typed, &from, &to, &options, jobs, output).await
}
