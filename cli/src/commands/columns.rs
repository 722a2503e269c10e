//! `columns FILE`: what the columns of a table are, and why.

use crate::args::Columns;
use crate::commands::table::read_options;
use crate::output::Output;
use keyferry_core::error::Place;
use keyferry_core::formats::{WipedReader, csv};
use keyferry_core::{Result, files};

/// Shows each column with where it goes, how much of it is filled, and what its cells look like.
pub fn run(asked: &Columns, output: Output) -> Result<u8> {
    let options = read_options(&asked.table)?;
    let input = WipedReader::with_capacity(1 << 18, files::source::open(&asked.file)?);
    let survey = csv::survey(Box::new(input), &options)
        .map_err(|error| error.at(Place::File { path: asked.file.clone(), at: None }))?;
    if output.json {
        output.document(&survey)?;
        return Ok(0);
    }
    let table = survey.table_of.map_or_else(String::new, |table| format!(", a table of {table}"));
    let mut lines = vec![format!(
        "{} rows, {} columns, {}, delimiter {:?}{table}",
        survey.rows,
        survey.columns.len(),
        survey.encoding,
        survey.delimiter
    )];
    let width = |of: fn(&csv::Column) -> &str| {
        survey.columns.iter().map(|column| of(column).chars().count()).max().unwrap_or_default().min(32)
    };
    let (names, meanings, reasons) =
        (width(|one| &one.name), width(|one| &one.becomes), width(|one| &one.why));
    for column in &survey.columns {
        let csv::Column { number, name, becomes, why, filled, samples, looks_like } = column;
        let looks = looks_like.map_or_else(String::new, |field| format!("  looks like a {field}"));
        lines.push(format!(
            "{number:>3} {name:names$} → {becomes:meanings$}  {why:reasons$}  {filled} filled  {}",
            samples.join(", ") + &looks
        ));
    }
    output.lines(lines.iter().map(String::as_str))?;
    Ok(0)
}
