//! Writing CSV: UTF-8, `,`, line feeds, cells as they are.
//!
//! The header needs the names of all custom fields, so rows wait in memory, in blocks that
//! are wiped: an export needs about its own size in memory.

use super::paths;
use super::record::host;
use crate::held::{Export, same_place, without_files};
use crate::{MOST_FOLDERS, WriteOptions, Writer, counted};
use keyferry_crypto::error::{Error, Result};
use keyferry_crypto::model::{CustomKind, Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use zeroize::Zeroizing;

const HEADER: &str = "vault,folder,name,login,password,url,description,tags,color,favorite";
const BLOCK: usize = 1 << 20;

struct CsvWriter {
    output: Box<dyn Write + Send>,
    safe: bool,
    /// Cells that were changed for a spreadsheet's sake.
    guarded: u64,
    columns: HashMap<(String, String), usize>,
    names: Vec<String>,
    blocks: Vec<Zeroizing<Vec<u8>>>,
    /// Of each row: its bytes, and how many custom columns it has.
    rows: Vec<(usize, usize)>,
    /// Records whose fields stand in another order than their columns.
    unordered: u64,
}

/// How a table of our own is written.
pub(crate) static EXPORT: Export = Export {
    write,
    hold: |record| Cow::Owned(hold(record)),
    place: same_place,
    dates: false,
    folders: false,
    twin: None,
    encrypted: false,
    depth: MOST_FOLDERS,
    as_is: false,
    streams: false,
};

/// What a row gives back of a record.
fn hold(record: &Record) -> Record {
    let mut held = without_files(record);
    held.path.vault = held.path.vault.filter(|vault| !vault.is_empty());
    held.path.folders = paths::split(&path_cell(&record.path), '/');
    held.password = held.password.filter(|password| !password.is_empty());
    let tags = record.tags.join(",");
    held.tags =
        tags.split([',', ';']).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    let mut seen = HashSet::new();
    held.customs.retain_mut(|custom| {
        if let CustomKind::Other(_) = custom.kind {
            custom.kind = CustomKind::Password;
        }
        !custom.value.is_empty() && seen.insert((custom.kind.as_str().to_owned(), custom.name.clone()))
    });
    (held.also_in, held.history) = (Vec::new(), Vec::new());
    if held.name.is_empty()
        && let Some(host) = host(&held.url)
    {
        host.clone_into(&mut held.name);
    }
    // A row of empty cells is no record.
    if held == (Record { created_at: held.created_at, changed_at: held.changed_at, ..Record::default() }) {
        "Unnamed".clone_into(&mut held.name);
    }
    held
}

/// Folders in one cell.
fn path_cell(path: &RecordPath) -> String {
    path.folders.iter().map(|name| name.replace('/', "\\/")).collect::<Vec<_>>().join("/")
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write(output: Box<dyn Write + Send>, options: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(Box::new(CsvWriter {
        output,
        safe: options.spreadsheet_safe,
        guarded: 0,
        columns: HashMap::new(),
        names: Vec::new(),
        blocks: Vec::new(),
        rows: Vec::new(),
        unordered: 0,
    }))
}

/// Whether a spreadsheet would run a cell: blanks and line ends before a formula do not keep it from that.
fn runs(text: &str) -> bool {
    text.starts_with(['\t', '\r'])
        || text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// What is said of cells that were changed for a spreadsheet's sake.
pub(super) fn guarded(safe: bool, count: u64) -> Option<String> {
    safe.then(|| match count {
        0 => "no cell had to be changed so that no spreadsheet runs it".to_owned(),
        count => counted(
            count,
            "cell was changed so that no spreadsheet runs it: it is read back with a `'` before it",
            "cells were changed so that no spreadsheet runs them: they are read back with a `'` before them",
        ),
    })
}

/// Appends a cell; a safe one is not run as a formula. Answers whether it had to be changed for that.
pub fn cell(out: &mut Vec<u8>, text: &str, safe: bool) -> bool {
    let guarded = safe && runs(text);
    let guard = if guarded { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n', '\u{feff}']) {
        out.push(b'"');
        out.extend_from_slice(guard.as_bytes());
        for byte in text.bytes() {
            if byte == b'"' {
                out.push(byte);
            }
            out.push(byte);
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(guard.as_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    guarded
}

impl Writer for CsvWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        let safe = self.safe;
        let path = &record.path;
        let (mut before, mut unordered) = (None, false);
        let mut customs: Vec<Option<&str>> = vec![None; self.names.len()];
        for custom in &record.customs {
            // What a row cannot hold was taken out before.
            let kind = custom.kind.as_str();
            let next = self.names.len();
            let key = (kind.to_owned(), custom.name.clone());
            let index = *self.columns.entry(key).or_insert(next);
            if index == next {
                self.names.push(format!("{kind}:{}", custom.name));
                customs.push(None);
            }
            if let Some(slot @ None) = customs.get_mut(index) {
                *slot = Some(custom.value.expose());
            }
            unordered |= before.replace(index).is_some_and(|before| before > index);
        }
        self.unordered += u64::from(unordered);

        if self.blocks.last().is_none_or(|block| block.len() + record.weight() * 2 > BLOCK) {
            self.blocks.push(Zeroizing::new(Vec::with_capacity(BLOCK.max(record.weight() * 2))));
        }
        let folders = path_cell(path);
        let color = record.color.map(|color| color.to_string()).unwrap_or_default();
        if let Some(out) = self.blocks.last_mut() {
            let start = out.len();
            let mut guarded = u64::from(cell(out, path.vault.as_deref().unwrap_or_default(), safe));
            for text in [
                folders.as_str(),
                &record.name,
                &record.login,
                record.password.as_ref().map(SecretString::expose).unwrap_or_default(),
                &record.url,
                &record.description,
                &record.tags.join(","),
                &color,
                if record.favorite { "1" } else { "" },
            ] {
                out.push(b',');
                guarded += u64::from(cell(out, text, safe));
            }
            for value in &customs {
                out.push(b',');
                guarded += u64::from(cell(out, value.unwrap_or_default(), safe));
            }
            self.guarded += guarded;
            self.rows.push((out.len() - start, customs.len()));
        }
        Ok(())
    }

    fn folder(&mut self, _: &RecordPath) -> Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        let mut header = HEADER.as_bytes().to_vec();
        for name in &self.names {
            header.push(b',');
            let _ = cell(&mut header, name, self.safe);
        }
        header.push(b'\n');
        self.output.write_all(&header).map_err(Error::stream)?;
        let mut rows = self.rows.iter();
        for block in &self.blocks {
            let mut at = 0;
            while at < block.len() {
                let Some(&(length, columns)) = rows.next() else { break };
                self.output
                    .write_all(block.get(at..at + length).unwrap_or_default())
                    .map_err(Error::stream)?;
                let padding = self.names.len().saturating_sub(columns);
                self.output.write_all(&vec![b','; padding]).map_err(Error::stream)?;
                self.output.write_all(b"\n").map_err(Error::stream)?;
                at += length;
            }
        }
        self.output.flush().map_err(Error::stream)?;
        let mut report: Vec<_> = guarded(self.safe, self.guarded).into_iter().collect();
        if self.unordered > 0 {
            report.push(counted(
                self.unordered,
                "record's fields are read back in the order of their columns",
                "records' fields are read back in the order of their columns",
            ));
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_guarded_whatever_stands_before_them() {
        for text in ["=1+1", "  =1", "\n=1", "\r\n @x", "\t+1", "-2", "\u{a0}=1", "\tx"] {
            let mut out = Vec::new();
            assert!(cell(&mut out, text, true), "{text:?}");
            assert!(
                String::from_utf8(out).expect("text").trim_start_matches('"').starts_with('\''),
                "{text:?}"
            );
            assert!(!cell(&mut Vec::new(), text, false));
        }
        for text in ["", "a=1", " x", "1-2", "\n"] {
            assert!(!cell(&mut Vec::new(), text, true), "{text:?}");
        }
    }
}
