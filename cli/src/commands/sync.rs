//! `sync FROM TO`.

use crate::args::{Into, SyncArguments};
use crate::commands::dialogue::completed;
use crate::commands::locked::unlocked;
use crate::commands::{Typed, carry, options};
use crate::config::Config;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::location::Need;
use crate::output::Output;
use keyferry_core::Result;
use keyferry_core::engine::{Base, Endpoint, Sync, sync_pair};
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
    let to = Endpoint::Environment(sink.clone(), inside);
    let typed = Typed {
        what: "sync",
        from: &sync.from,
        to: &sync.to,
        dry_run: sync.dry_run,
        plan_to: sync.plan_to.as_deref(),
        report: sync.report.as_deref(),
    };
    let into = Into {
        dry_run: sync.dry_run,
        plan_to: None,
        approved: sync.approved,
        structure: None,
        on_conflict: sync.on_conflict.into(),
        verify: sync.verify,
        rejects: None,
        report: None,
        allow_unencrypted_target: sync.allow_unencrypted_target,
        trust_administrators: sync.trust_administrators,
        // What a sync compares with and removes is one process's affair.
        workers: None,
        lease: 0,
    };
    let mut options = options(into, sync.select, jobs);
    let (read, jobs) = completed(&sync.table, &from, &sync.managed, jobs, output)?;
    let jobs = &*jobs;
    options.read = unlocked(read, &sync.managed, [&from], jobs)?;
    let between = sync_pair(&sync.from, &from, &to, &options.filter)?;
    let base = Base::open(&jobs.journal()?, &between, &sink)?;
    options.sync = Some(Sync { delete: sync.delete, max_delete: sync.max_delete, base });
    carry(&typed, &from, &to, &options, jobs, output).await
}
