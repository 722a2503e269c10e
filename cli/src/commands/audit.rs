//! `audit LOCATION`: the health of secrets, names and no values.

use crate::args::audit::{ACCESS, Audit as Arguments, AuditFormat, FailOn};
use crate::commands::{archive_keys, filter};
use crate::config::Config;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::output::Output;
use crate::output::progress::Shown;
use jiff::Timestamp;
use keyferry_core::Result;
use keyferry_core::engine::audit::{Kind, Severity};
use keyferry_core::engine::{self, Audit, Options, Rules};
use keyferry_core::files::sink::Draft;
use std::path::Path;

/// Looks at every record of a location and tells what is wrong.
pub async fn run(asked: Arguments, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let now = Timestamp::now();
    let format = format(&asked, output)?;
    let file = asked.output.as_deref().map(Draft::open).transpose()?;
    let rules = rules(&asked, now);
    let fail_on = match asked.fail_on {
        FailOn::Low => Some(Severity::Low),
        FailOn::Medium => Some(Severity::Medium),
        FailOn::High => Some(Severity::High),
        FailOn::None => None,
    };
    let location = location::endpoint(&asked.location, Side::Only, config).await?;
    let archive = archive_keys([&location], jobs)?;
    let options = Options { filter: filter(asked.select, now), archive, ..Options::default() };
    let progress = Shown::new(output);
    let mut audit = engine::audit(&location, &options, &rules, &progress).await?;
    drop(progress);
    audit.location = asked.location;
    let text = written(&audit, format)?;
    match file {
        Some(file) => {
            file.complete(text.as_bytes())?;
            output.line(&audit.summary())?;
        }
        None => output.bytes(text.as_bytes())?,
    }
    Ok(audit.exit_code(fail_on))
}

fn rules(asked: &Arguments, now: Timestamp) -> Rules {
    let named = |words: &[String], topic: &str| words.iter().any(|word| word == topic);
    let wanted = |topic: &str| match asked.only.as_slice() {
        [] => !named(&asked.ignore, topic),
        only => named(only, topic),
    };
    let now_seconds = now.as_second();
    // A span reads as a time back from now; what lies ahead is as far away.
    let back = asked.expires_within.clone().counted_from(now);
    Rules {
        kinds: Kind::ALL.iter().copied().filter(|kind| wanted(kind.name())).collect(),
        min_score: asked.min_score,
        now: now_seconds,
        changed_after: asked.max_age.clone().counted_from(now),
        expires_by: now_seconds + (now_seconds - back),
        breached: asked.breached.clone(),
        access: wanted(ACCESS),
    }
}

/// The format that was asked for, by name, by `--json` or by the file's ending.
fn format(asked: &Arguments, output: Output) -> Result<AuditFormat> {
    let ending = asked.output.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
    let by_ending = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("json") => Some(AuditFormat::Json),
        Some("sarif") => Some(AuditFormat::Sarif),
        Some("csv") => Some(AuditFormat::Csv),
        Some("html" | "htm") => Some(AuditFormat::Html),
        _ => None,
    };
    match asked.format.or(by_ending) {
        None | Some(AuditFormat::Json) if output.json => Ok(AuditFormat::Json),
        Some(_) if output.json => Err(usage("--json asks for another format than the rest", "leave it out")),
        format => Ok(format.unwrap_or(AuditFormat::Table)),
    }
}

fn written(audit: &Audit, format: AuditFormat) -> Result<String> {
    match format {
        AuditFormat::Table => Ok(audit.table()),
        AuditFormat::Json => audit.json(),
        AuditFormat::Sarif => audit.sarif(),
        AuditFormat::Csv => Ok(audit.csv()),
        AuditFormat::Html => audit.html(),
    }
}
