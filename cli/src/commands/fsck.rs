//! `fsck LOCATION`: what cannot be read, and what to do about it.

use crate::config::Config;
use crate::credentials::Side;
use crate::location;
use crate::location::Need;
use crate::output::progress::Shown;
use crate::output::{Output, clean};
use keyferry_core::Result;
use keyferry_core::engine::{self, Health};
use std::collections::BTreeSet;

/// Walks an environment and lists its findings.
pub async fn run(word: &str, config: &Config, output: Output) -> Result<u8> {
    let (environment, inside) = location::environment(word, Side::Only, Need::Contents, config).await?;
    let progress = Shown::new(output);
    let health = engine::fsck(&environment, &inside, &progress).await?;
    drop(progress);
    if output.json {
        output.document(&health)?;
    } else {
        show(&health, output)?;
    }
    Ok(health.exit_code())
}

fn show(health: &Health, output: Output) -> Result<()> {
    if output.quiet && health.findings.is_empty() {
        return Ok(());
    }
    output.line(&format!(
        "{} vaults, {} folders, {} records, {} attachments in {:.1} s: {}",
        health.vaults,
        health.folders,
        health.records,
        health.attachments,
        health.seconds,
        match health.findings.len() {
            0 => "nothing is wrong".to_owned(),
            1 => "1 finding".to_owned(),
            findings => format!("{findings} findings"),
        }
    ))?;
    for finding in &health.findings {
        let field = finding.field.as_ref().map_or_else(String::new, |field| format!("{field}: "));
        let (kind, record, what) = (finding.kind.name(), &finding.record, &finding.what);
        output.line(&clean(&format!("  {kind}: {record} ({}): {field}{what}", finding.id)))?;
    }
    // Many findings are of few kinds: advice is given once for each.
    for kind in health.findings.iter().map(|finding| finding.kind).collect::<BTreeSet<_>>() {
        output.line(&format!("  next, {}: {}", kind.name(), kind.next()))?;
    }
    Ok(())
}
