//! `work JOB`: sends what a transfer with `--workers` has read, beside it and its other workers.

use crate::args::Work;
use crate::commands::jobs::{command_anywhere, sink_of};
use crate::config::{Config, PinSource};
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location::{self, Need};
use crate::output::{Output, clean};
use keyferry_core::engine::workers::LEASE;
use keyferry_core::{Result, engine};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Works on a job until it comes to its end.
pub async fn run(asked: Work, jobs: &Jobs, output: Output) -> Result<u8> {
    let journal = jobs.journal()?;
    let job = journal.job(asked.job)?;
    let arguments = command_anywhere(&job)?;
    let typed = arguments.global;
    let mut config = Config::load(typed.config.as_deref(), true, Duration::from_secs(typed.timeout), output)?;
    config.allow_weak_kdf = typed.allow_weak_kdf;
    config.insecure_http = typed.insecure_http;
    config.pins = PinSource { journal: Some(jobs.path()?), required: typed.require_pins };
    let lease = arguments.command.lease().map_or(LEASE, Duration::from_secs);
    let Some((sink, side)) = sink_of(arguments.command) else {
        return Err(usage(
            format!("job {} is not one that several can work on", asked.job),
            "import and migrate with --workers are",
        ));
    };
    let (environment, _) = location::environment(&sink, side, Need::Contents, &config).await?;
    environment.unlocked()?;
    let ended = Arc::new(AtomicBool::new(false));
    if asked.with_parent {
        let ended = ended.clone();
        // Whoever started it holds the other end: it closes when they end, however that happens.
        std::thread::spawn(move || {
            let mut nothing = [0; 64];
            while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
            ended.store(true, Ordering::Relaxed);
        });
    }
    let worked = engine::work(&journal, asked.job, Arc::new(environment), lease, &ended).await?;
    if output.json {
        output.document(&worked)?;
    } else if !output.quiet {
        output.line(&clean(&format!(
            "job {}: {} records made in {} chunks, {} of them taken over; {} lost, {} records taken back",
            asked.job, worked.created, worked.chunks, worked.taken_over, worked.lost, worked.taken_back
        )))?;
    }
    Ok(0)
}
