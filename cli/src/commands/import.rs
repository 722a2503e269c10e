//! `import FILE ENV`.

use crate::args::Import;
use crate::commands::dialogue::completed;
use crate::commands::locked::unlocked;
use crate::commands::{Typed, carry, options, with_format};
use crate::config::Config;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::location::Need;
use crate::output::Output;
use keyferry_core::Result;
use keyferry_core::engine::Endpoint;
use std::sync::Arc;

/// One file as it is, several as one source.
fn together(mut all: Vec<Endpoint>) -> Result<Endpoint> {
    if all.len() == 1
        && let Some(only) = all.pop()
    {
        return Ok(only);
    }
    let paths = all.into_iter().map(|one| match one {
        Endpoint::File { path, format: None } => Ok(path),
        Endpoint::Kv(server) => Err(usage(
            format!("{} is a source by itself", server.address()),
            "read it without other files beside it",
        )),
        _ => Err(usage(
            "a format before a file's name is for one file",
            "--format names the format of all of them, or read them one by one",
        )),
    });
    Ok(Endpoint::Files(paths.collect::<Result<Vec<_>>>()?.into(), None))
}

/// Brings a file's records into an environment.
pub async fn run(import: Import, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let mut all = Vec::with_capacity(import.files.len());
    for file in &import.files {
        let from = location::endpoint(file, Side::From, config).await?;
        if from.environment().is_some() {
            return Err(usage(
                format!("`{file}` is an environment where a file is meant"),
                "use keyferry migrate between environments",
            ));
        }
        all.push(from);
    }
    let named = import.files.join(" ");
    let from = together(all)?;
    let from = with_format(from, import.format.as_deref())?;
    let (read, jobs) = completed(&import.table, &from, &import.managed, jobs, output)?;
    let jobs = &*jobs;
    let read = unlocked(read, &import.managed, [&from], jobs)?;
    let (sink, inside) =
        location::environment(&import.environment, Side::Only, Need::Contents, config).await?;
    let to = Endpoint::Environment(Arc::new(sink), inside);
    let (report, plan_to) = (import.into.report.clone(), import.into.plan_to.clone());
    let typed = Typed {
        what: "import",
        from: &named,
        to: &import.environment,
        dry_run: import.into.dry_run,
        plan_to: plan_to.as_deref(),
        report: report.as_deref(),
    };
    let mut options = options(import.into, import.select, jobs);
    options.read = read;
    options.match_codes = import.managed.match_codes;
    carry(&typed, &from, &to, &options, jobs, output).await
}
