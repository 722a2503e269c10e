//! Workbooks of spreadsheets: `.xlsx` of Excel and what writes the same, `.xls` of Excel 97 to 2003, `.ods` of `LibreOffice` and its kin.
//!
//! Signature: members under `xl/`, the media type of a spreadsheet as the first member, or a compound file.
//! Mapping: each sheet is a table as a CSV is one, known by its header in the same way, so the tables of managers are known too. Rows
//! above the header are told. Where several sheets are tables, a record that names no place stands in a folder of its
//! sheet's name. Numbers are written without a needless point or exponent, days as `2031-08-15`, results of
//! formulas as they were saved.
//! Told: what stands in sheets that are no tables, comments of cells. Not read: workbooks with a password, or older than Excel 97.
//! Ours, since the crates that read workbooks keep all of a sheet's rectangle (a cell in each of two far corners comes to
//! gigabytes), and leave secrets behind in memory. Cells are bounded as they are read, members by what comes out of
//! them. The whole workbook is kept in memory.

mod excel_97;
mod office;
mod open_document;

use crate::csv;
use crate::head::{Fit, Head};
use crate::sealed::whole;
use crate::tally::Tally;
use crate::zip::Zip;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::visible::shown;
use keyferry_crypto::model::{Entry, Record};
use std::io::Read;
use zeroize::Zeroizing;

/// Cells of a workbook, those counted that stand empty before a filled one.
const MOST_CELLS: usize = 1 << 24;
/// Cells of a row.
const MOST_COLUMNS: usize = 1 << 12;
/// Rows of a sheet: what programs know at most.
const MOST_ROWS: u64 = 1 << 20;
/// Rows that are looked at for a header.
const HEADER: usize = 20;

/// A row with its number, counted from 1.
pub(crate) type Row = (u64, Vec<Zeroizing<String>>);

/// A sheet of a workbook.
struct Sheet {
    name: String,
    rows: Vec<Row>,
}

/// Takes cells of sheets, and counts them.
#[derive(Default)]
struct Cells {
    sheets: Vec<Sheet>,
    /// The number of the row that comes next, and its cells.
    number: u64,
    row: Vec<Zeroizing<String>>,
    count: usize,
}

impl Cells {
    fn sheet(&mut self, name: &str) {
        self.sheets.push(Sheet { name: name.to_owned(), rows: Vec::new() });
        self.number = 1;
    }

    /// A filled cell in this column, counted from 0.
    fn put(&mut self, column: usize, text: Zeroizing<String>) -> Result<()> {
        if column >= MOST_COLUMNS {
            return Err(too_much("a row of more than 4096 cells"));
        }
        if text.is_empty() {
            return Ok(());
        }
        if self.row.len() <= column {
            self.count += column + 1 - self.row.len();
            if self.count > MOST_CELLS {
                return Err(too_much("more than sixteen million cells"));
            }
            self.row.resize_with(column + 1, Zeroizing::default);
        }
        if let Some(cell) = self.row.get_mut(column) {
            *cell = text;
        }
        Ok(())
    }

    /// Ends a row that stands there so many times.
    fn end_row(&mut self, times: u64) -> Result<()> {
        let row = std::mem::take(&mut self.row);
        let last = self.number.saturating_add(times.max(1));
        if !row.is_empty() {
            let cells = usize::try_from(times).unwrap_or(usize::MAX).saturating_mul(row.len());
            self.count = self.count.saturating_add(cells);
            if self.count > MOST_CELLS || last > MOST_ROWS + 1 {
                return Err(too_much("more cells than a sheet has"));
            }
            if let Some(sheet) = self.sheets.last_mut() {
                sheet.rows.extend((self.number + 1..last).map(|number| (number, row.clone())));
                let at = sheet.rows.len() - usize::try_from(last - self.number - 1).unwrap_or_default();
                sheet.rows.insert(at, (self.number, row));
            }
        }
        self.number = last;
        Ok(())
    }
}

fn too_much(what: &str) -> Error {
    Error::new(ErrorKind::Input, format!("this workbook has {what}"))
        .next_step("save the sheet with the secrets as CSV (UTF-8), and import that")
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Input, format!("this workbook is damaged: {what}"))
        .next_step("open it, and save it again; or save it as CSV (UTF-8)")
}

/// The text of a member; `None` where there is no such member.
fn text_of(zip: &mut Zip, name: &str) -> Result<Option<Zeroizing<String>>> {
    let Some(mut bytes) = zip.take(name)? else { return Ok(None) };
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(damaged("a part of it is no text"))
        }
    }
}

/// What follows the prefix of a name.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or_default()
}

/// A number as people write it: `1234` for `1234.0` and `1.234E3`.
fn number(text: Zeroizing<String>) -> Zeroizing<String> {
    if text.contains(['e', 'E']) {
        return match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Zeroizing::new(value.to_string()),
            _ => text,
        };
    }
    if text.contains('.') {
        return Zeroizing::new(text.trim_end_matches('0').trim_end_matches('.').to_owned());
    }
    text
}

/// Whether it is a workbook of Excel's kind.
pub(crate) fn fits_xlsx(head: &Head<'_>) -> Fit {
    let is_sheet = head.members().iter().any(|name| name.starts_with("xl/"));
    let is_office = head.members().iter().any(|name| name == "[Content_Types].xml" || name == "_rels/.rels");
    let is_named = head.ending().is_some_and(|ending| matches!(ending.as_str(), "xlsx" | "xlsm"));
    if is_sheet || (is_office && is_named) {
        Fit::Signature
    } else if is_office {
        Fit::Form
    } else {
        Fit::No
    }
}

/// Whether it is a workbook of `LibreOffice`'s kind: its media type is the first member, as it is.
pub(crate) fn fits_ods(head: &Head<'_>) -> Fit {
    const KIND: &[u8] = b"application/vnd.oasis.opendocument.spreadsheet";
    let is_first = head.members().first().is_some_and(|name| name == "mimetype");
    let start = head.bytes.get(..128.min(head.bytes.len())).unwrap_or_default();
    (is_first && start.windows(KIND.len()).any(|window| window == KIND)).into()
}

pub(crate) fn read_xlsx(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let mut zip = Zip::open(input)?;
    entries(office::sheets(&mut zip)?, options)
}

/// Whether it is a compound file, as `.xls` is one.
pub(crate) fn fits_xls(head: &Head<'_>) -> Fit {
    excel_97::is_compound(head.bytes).into()
}

pub(crate) fn read_xls(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    entries(excel_97::sheets(&whole(input)?)?, options)
}

pub(crate) fn read_ods(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let mut zip = Zip::open(input)?;
    entries(open_document::sheets(&mut zip)?, options)
}

/// The records of all sheets that are tables.
fn entries((cells, comments): (Cells, u64), options: &ReadOptions) -> Result<Entries> {
    let mut tally = Tally::default();
    let (mut tables, mut fault) = (Vec::new(), None);
    for Sheet { name, rows } in cells.sheets {
        if rows.is_empty() {
            continue;
        }
        let filled = |rows: &[Row]| {
            rows.iter().flat_map(|(_, row)| row).filter(|cell| !cell.is_empty()).count() as u64
        };
        let all = filled(&rows);
        let (above, table) = without_title(rows, options);
        match csv::open_rows(table, options) {
            Ok(entries) => {
                tables.push((name.clone(), entries));
                let above = filled(&above);
                if above > 0 {
                    tally.read(above);
                    tally.tell("what stands above the header of a sheet stays behind", shown(&name), above);
                }
            }
            Err(error) => {
                tally.read(all);
                tally.tell(format!("a sheet is no table of records: {error}"), shown(&name), all);
                fault.get_or_insert(error);
            }
        }
    }
    if let (true, Some(error)) = (tables.is_empty(), fault) {
        return Err(error);
    }
    if comments > 0 {
        tally.read(comments);
        tally.tell("comments of cells stay behind", "the workbook", comments);
    }
    let several = tables.len() > 1;
    let tables = tables.into_iter().flat_map(move |(name, entries)| {
        entries.map(move |entry| {
            Ok(match entry? {
                Entry::Note(note) if several => Entry::Note(format!("{}: {note}", shown(&name))),
                Entry::Record(record, mut at) if several => {
                    at.pointer = Some(shown(&name));
                    Entry::Record(placed(record, &name), at)
                }
                Entry::Reject(mut reject) if several => {
                    reject.at.pointer = Some(shown(&name));
                    Entry::Reject(reject)
                }
                other => other,
            })
        })
    });
    Ok(Box::new(tables.chain(tally.finish().into_iter().map(Ok))))
}

/// A record that names no place stands in one of its sheet's name.
fn placed(mut record: Record, sheet: &str) -> Record {
    if record.path.vault.is_none() && record.path.folders.is_empty() {
        record.path.folders.push(sheet.to_owned());
    }
    record
}

/// The rows above the header, and those from it on; without one that is known, the first row is the header.
fn without_title(mut rows: Vec<Row>, options: &ReadOptions) -> (Vec<Row>, Vec<Row>) {
    let is_told = options.no_header || options.columns.is_some() || !options.map.is_empty();
    let found = rows.iter().take(HEADER).position(|(_, row)| csv::is_header_row(row));
    let at = found.filter(|_| !is_told).unwrap_or_default();
    let table = rows.split_off(at);
    (rows, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_what_nobody_typed() {
        for (text, wanted) in [
            ("1234", "1234"),
            ("1234.0", "1234"),
            ("12.50", "12.5"),
            ("1.234E3", "1234"),
            ("1E-3", "0.001"),
            ("0.1", "0.1"),
            ("100", "100"),
        ] {
            assert_eq!(number(Zeroizing::new(text.to_owned())).as_str(), wanted);
        }
    }

    #[test]
    fn cells_and_rows_are_bounded() {
        let text = || Zeroizing::new("x".to_owned());
        let mut cells = Cells::default();
        cells.sheet("s");
        assert!(cells.put(MOST_COLUMNS, text()).is_err());
        cells.put(2, text()).unwrap();
        cells.end_row(3).unwrap();
        cells.end_row(100).unwrap();
        cells.put(0, text()).unwrap();
        cells.end_row(1).unwrap();
        let numbers: Vec<_> = cells.sheets[0].rows.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 2, 3, 104]);
        cells.put(0, text()).unwrap();
        assert!(cells.end_row(u64::MAX).is_err());
    }
}
