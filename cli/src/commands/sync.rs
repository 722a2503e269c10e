//! `sync FROM TO`.

use crate::args::{Into, SyncArguments};
use crate::commands::table::read_options;
use crate::commands::{Typed, carry, options};
use crate::config::Config;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::location::Need;
use crate::output::Output;
use keyferry_core::Result;
use keyferry_core::engine::{Base, Endpoint, Sync};
use std::sync::Arc;

/// Keeps a sink in step with its source.
pub async fn run(sync: SyncArguments, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    if sync.select.changed_since.is_some() {
        return Err(usage(
            "a sync finds out by itself what changed",
            "leave --changed-since out, or use keyferry migrate",
        ));
    }
    let from = location::endpoint(&sync.from, Side::From, config).await?;
    let (sink, inside) = location::environment(&sync.to, Side::To, Need::Contents, config).await?;
    let sink = Arc::new(sink);
    let to = Endpoint::Environment(sink.clone(), inside.clone());
    let typed = Typed {
        what: "sync",
        from: &sync.from,
        to: &sync.to,
        dry_run: sync.dry_run,
        report: sync.report.as_deref(),
    };
    let into = Into {
        dry_run: sync.dry_run,
        on_conflict: sync.on_conflict.into(),
        verify: sync.verify,
        rejects: None,
        report: None,
        allow_unencrypted_target: sync.allow_unencrypted_target,
        trust_administrators: sync.trust_administrators,
    };
    let mut options = options(into, sync.select, jobs);
    options.read = read_options(&sync.table)?;
    // Another source, place or choice of records is another sync, with a memory of its own.
    let between = serde_json::json!([
        match from.environment() {
            Some(source) => source.place().to_owned(),
            None => std::path::absolute(&sync.from).unwrap_or_default().display().to_string(),
        },
        match &from {
            Endpoint::Environment(_, inside) => inside.to_string(),
            _ => String::new(),
        },
        sink.place(),
        inside.to_string(),
        format!("{:?}", options.filter),
    ]);
    let base = Base::open(&jobs.journal()?, &between.to_string(), &sink)?;
    options.sync = Some(Sync { delete: sync.delete, max_delete: sync.max_delete, base });
    carry(&typed, &from, &to, &options, jobs, output).await
}
