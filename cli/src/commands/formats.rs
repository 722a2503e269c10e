//! `formats`: what can be read and written, from the table of formats.

use crate::output::Output;
use keyferry_core::Result;
use keyferry_core::formats::Format;
use serde::Serialize;

/// One format, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    aliases: &'static [&'static str],
    from: &'static str,
    read: bool,
    written: bool,
    known_by: String,
    left_behind: &'static str,
}

impl Row {
    fn of(format: Format) -> Self {
        Self {
            name: format.name(),
            aliases: format.aliases(),
            from: format.from(),
            read: true,
            written: format.is_written(),
            known_by: format.known_by(),
            left_behind: format.left_behind(),
        }
    }
}

/// Lists every format.
pub fn run(output: Output) -> Result<u8> {
    let rows: Vec<_> = Format::all().map(Row::of).collect();
    if output.json {
        output.document(&rows)?;
        return Ok(0);
    }
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (names, sources) = (width(|row| row.name), width(|row| row.from).min(40));
    output.line(&format!("{:names$}  {:5}  {:sources$}  left behind", "--format", "", "from"))?;
    for row in &rows {
        let how = if row.written { "both" } else { "read" };
        output.line(&format!("{:names$}  {how:5}  {:sources$}  {}", row.name, row.from, row.left_behind))?;
    }
    Ok(0)
}
