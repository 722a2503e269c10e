//! `import FILE ENV`.

use crate::args::{ExtraColumns, Import};
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
use keyferry_core::formats::{self, ReadOptions};
use std::sync::Arc;

/// Brings a file's records into an environment.
pub async fn run(import: Import, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let from = location::endpoint(&import.file, Side::From, config).await?;
    if from.environment().is_some() {
        return Err(usage(
            format!("`{}` is an environment where a file is meant", import.file),
            "use keyferry migrate between environments",
        ));
    }
    let from = with_format(from, import.format.as_deref())?;
    let read = read_options(&import)?;
    let (sink, inside) =
        location::environment(&import.environment, Side::Only, Need::Contents, config).await?;
    let to = Endpoint::Environment(Arc::new(sink), inside);
    let report = import.into.report.clone();
    let typed = Typed {
        what: "import",
        from: &import.file,
        to: &import.environment,
        dry_run: import.into.dry_run,
        report: report.as_deref(),
    };
    let mut options = options(import.into, import.select, jobs);
    options.read = read;
    carry(&typed, &from, &to, &options, jobs, output).await
}

fn read_options(import: &Import) -> Result<ReadOptions> {
    let map = import
        .map
        .iter()
        .map(|pair| {
            pair.rsplit_once('=')
                .filter(|(column, field)| !column.is_empty() && !field.is_empty())
                .map(|(column, field)| (column.to_owned(), field.to_owned()))
                .ok_or_else(|| usage(format!("--map {pair}: this is no pair"), "write --map COLUMN=FIELD"))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut options = ReadOptions {
        delimiter: import.delimiter.as_deref().map(delimiter).transpose()?,
        encoding: import.encoding.clone(),
        map,
        extra_columns: match import.extra_columns {
            ExtraColumns::Custom => formats::ExtraColumns::Custom,
            ExtraColumns::Ignore => formats::ExtraColumns::Ignore,
            ExtraColumns::Fail => formats::ExtraColumns::Fail,
        },
        ..ReadOptions::default()
    };
    options.no_header = import.no_header;
    if !import.columns.is_empty() {
        options.columns = Some(import.columns.clone());
    }
    Ok(options)
}

fn delimiter(word: &str) -> Result<char> {
    match word.as_bytes() {
        b"tab" | b"\\t" => Ok('\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(char::from(*byte)),
        _ => Err(usage(format!("--delimiter {word}: this is not one character"), "write , or ; or | or tab")),
    }
}
