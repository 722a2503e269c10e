//! `columns FILE`: what the columns of a table are, and why.

use crate::args::Columns;
use crate::commands::table::read_options;
use crate::output::Output;
use keyferry_core::error::Place;
use keyferry_core::formats::{ReadOptions, WipedReader, csv};
use keyferry_core::{Result, files};

/// Shows each column with where it goes, how much of it is filled, and what its cells look like.
pub fn run(asked: &Columns, output: Output) -> Result<u8> {
    // What import would refuse is shown with what to add.
    let options = ReadOptions { any_header: true, ..read_options(&asked.table)? };
    let input = WipedReader::with_capacity(1 << 18, files::source::open(&asked.file)?);
    let mut survey = csv::survey(Box::new(input), &options)
        .map_err(|error| error.at(Place::File { path: asked.file.clone(), at: None }))?;
    let is_known = survey.table_of.is_some()
        || survey.columns.iter().any(|column| column.why == csv::YOUR_WORD || csv::is_field(&column.becomes));
    if !is_known {
        // The first line may be a record, its cells somebody's secrets.
        for column in &mut survey.columns {
            column.name = format!("({})", characters(column.name.chars().count()));
            if let Some((_, kind)) = column.becomes.rsplit_once(" of type ") {
                column.becomes = format!("field of type {kind}");
            }
        }
    }
    if output.json {
        output.document(&survey)?;
        return Ok(0);
    }
    let table = survey.table_of.map_or_else(String::new, |table| format!(", a table of {table}"));
    let mut lines = vec![format!(
        "{}, {}, {}, delimiter {:?}{table}",
        counted(survey.rows),
        match survey.columns.len() {
            1 => "1 column".to_owned(),
            count => format!("{count} columns"),
        },
        survey.encoding,
        survey.delimiter
    )];
    if !is_known && !survey.columns.is_empty() {
        lines.push(
            "no column has a known name, so import refuses it: add --map NUMBER=FIELD; where the first line is a record already, --no-header --columns A,B,C"
                .to_owned(),
        );
    }
    if survey.rows_beyond > 0 {
        lines.push(format!(
            "{} with more cells than columns: rejected, or with --flexible their further cells are fields",
            counted(survey.rows_beyond)
        ));
    }
    if survey.rows_broken > 0 {
        lines.push(format!("{} that cannot be read: rejected", counted(survey.rows_broken)));
    }
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

fn counted(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

fn characters(count: usize) -> String {
    if count == 1 { "1 character".to_owned() } else { format!("{count} characters") }
}
