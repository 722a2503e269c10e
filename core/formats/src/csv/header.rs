//! The first row of a table, looked at before anything is read.

use super::managers::{self, Manager};
use super::peel;
use super::rows::{Dialect, Splitter, find_delimiter};
use crate::head::{Fit, Head};
use crate::{columns, foreign};

/// Whether it is a table with a known column, or says that it is one.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    if head.text().starts_with("sep=") {
        return Fit::Form;
    }
    match header_of(head) {
        Some(header) if header.len() > 1 && header.iter().any(|name| columns::is_known(name)) => Fit::Form,
        _ => Fit::No,
    }
}

/// Whether the beginning of a file is this manager's table.
pub(crate) fn fits_manager(manager: &Manager, head: &Head<'_>) -> Fit {
    let Some(rows) = rows_of(head) else { return Fit::No };
    match rows.first().and_then(|header| managers::find(header)) {
        Some(found) => (found.format == manager.format).into(),
        None => (manager.is)(rows).into(),
    }
}

/// The first row of a file that may be a table.
fn header_of<'a>(head: &'a Head<'_>) -> Option<&'a [String]> {
    rows_of(head)?.first().map(Vec::as_slice)
}

/// The first rows of a file that may be a table; cells without blanks around them.
fn rows_of<'a>(head: &'a Head<'_>) -> Option<&'a [Vec<String>]> {
    head.rows(|head| {
        if head.looks_like_json() {
            return None;
        }
        let peeled = peel::head(head.text().as_bytes());
        if peeled.is_none() && foreign::refuse_text(head.bytes).is_err() {
            return None;
        }
        let whole = peeled.as_ref().map_or(head.text().as_bytes(), |text| text.as_slice());
        let (named, at, _) = separator(whole);
        let mut text = whole.get(at..).unwrap_or_default();
        let delimiter = named.unwrap_or_else(|| find_delimiter(text, None));
        let mut splitter = Splitter::new(Dialect { delimiter, escape: None });
        let mut rows = Vec::new();
        while rows.len() < ROWS {
            let (used, whole) = splitter.feed(text);
            text = text.get(used..).unwrap_or_default();
            // A row that the end of the head cuts is none, unless it is all there is.
            let ends = whole || (rows.is_empty() && splitter.finish());
            if !ends || splitter.row.fault.is_some() {
                break;
            }
            let cells = splitter.row.cells().map(|cell| String::from_utf8_lossy(cell).trim().to_owned());
            rows.push(cells.collect());
            splitter.next_row();
        }
        (!rows.is_empty()).then_some(rows)
    })
}

/// Rows that are looked at.
const ROWS: usize = 20;

/// What a first line `sep=;` names, the byte after that line, and the line that follows. A first line `# …` before the header of a
/// manager's table is passed over as well: an add-on of Firefox wrote one.
pub(super) fn separator(text: &[u8]) -> (Option<u8>, usize, u64) {
    let Some(rest) = text.strip_prefix(b"sep=") else {
        let after = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
        let is_comment = text.starts_with(b"#") && peel::is_table(text.get(after..).unwrap_or_default());
        return if is_comment { (None, after, 2) } else { (None, 0, 1) };
    };
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
    if end != 1 {
        return (None, 0, 1);
    }
    let after = match rest.get(1..) {
        Some([b'\r', b'\n', ..]) => 2,
        Some([_, ..]) => 1,
        _ => 0,
    };
    (rest.first().copied(), 5 + after, 2)
}
