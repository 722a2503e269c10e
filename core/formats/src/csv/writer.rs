//! Writing CSV: UTF-8, `,`, line feeds, cells as they are.
//!
//! The header needs the names of all custom fields, so rows wait in memory, in blocks that
//! are wiped: an export needs about its own size in memory.

use crate::{WriteOptions, Writer, counted};
use keyferry_crypto::error::{Error, Result};
use keyferry_crypto::model::{CustomKind, Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use zeroize::Zeroizing;

const HEADER: &str = "vault,folder,name,login,password,url,description,tags,color,favorite";
const BLOCK: usize = 1 << 20;

/// What a CSV cannot hold: one sentence each.
#[derive(Clone, Copy)]
enum Lost {
    Attachments,
    SameNamed,
    EmptyCustoms,
    CustomKinds,
    EmptyPasswords,
    Tags,
    Paths,
    Folders,
}

const LOST: &[(&str, &str)] = &[
    ("attachment was not written: CSV holds none", "attachments were not written: CSV holds none"),
    (
        "custom field shares its name and type with another of its record and was not written",
        "custom fields share their name and type with another of their record and were not written",
    ),
    ("custom field is empty and was not written", "custom fields are empty and were not written"),
    (
        "custom field of an unknown type was written as a password",
        "custom fields of unknown types were written as passwords",
    ),
    ("empty password is read back as no password", "empty passwords are read back as no password"),
    (
        "tag is read back differently: it is empty or holds a separator",
        "tags are read back differently: they are empty or hold a separator",
    ),
    (
        "path is read back differently: a name in it is empty or ends in a backslash",
        "paths are read back differently: a name in them is empty or ends in a backslash",
    ),
    ("empty folder was not written", "empty folders were not written"),
];

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
    lost: [u64; LOST.len()],
    folders: HashSet<RecordPath>,
    filled: HashSet<RecordPath>,
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
pub(crate) fn write(output: Box<dyn Write + Send>, options: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(Box::new(CsvWriter {
        output,
        safe: options.spreadsheet_safe,
        guarded: 0,
        columns: HashMap::new(),
        names: Vec::new(),
        blocks: Vec::new(),
        rows: Vec::new(),
        lost: [0; LOST.len()],
        folders: HashSet::new(),
        filled: HashSet::new(),
    }))
}

impl CsvWriter {
    fn lose(&mut self, what: Lost, count: usize) {
        if let Some(slot) = self.lost.get_mut(what as usize) {
            *slot += count as u64;
        }
    }
}

/// Whether a spreadsheet would run a cell: blanks and line ends before a formula do not keep it from that.
fn runs(text: &str) -> bool {
    text.starts_with(['\t', '\r'])
        || text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
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
        let last = path.folders.len().saturating_sub(1);
        let bad_path = path.vault.as_deref() == Some("")
            || path
                .folders
                .iter()
                .enumerate()
                .any(|(index, name)| name.is_empty() || (index < last && name.ends_with('\\')));
        self.lose(Lost::Paths, usize::from(bad_path));
        self.lose(Lost::Attachments, record.attachments.len());
        self.lose(
            Lost::EmptyPasswords,
            usize::from(record.password.as_ref().is_some_and(SecretString::is_empty)),
        );
        let bad = |tag: &&String| tag.is_empty() || tag.trim() != tag.as_str() || tag.contains([',', ';']);
        self.lose(Lost::Tags, record.tags.iter().filter(bad).count());

        let mut customs: Vec<Option<&str>> = vec![None; self.names.len()];
        for custom in &record.customs {
            if custom.value.is_empty() {
                self.lose(Lost::EmptyCustoms, 1);
                continue;
            }
            let kind = if let CustomKind::Other(_) = custom.kind {
                self.lose(Lost::CustomKinds, 1);
                "password"
            } else {
                custom.kind.as_str()
            };
            let next = self.names.len();
            let key = (kind.to_owned(), custom.name.clone());
            let index = *self.columns.entry(key).or_insert(next);
            if index == next {
                self.names.push(format!("{kind}:{}", custom.name));
                customs.push(None);
            }
            match customs.get_mut(index) {
                Some(slot @ None) => *slot = Some(custom.value.expose()),
                _ => self.lose(Lost::SameNamed, 1),
            }
        }

        if self.blocks.last().is_none_or(|block| block.len() + record.weight() * 2 > BLOCK) {
            self.blocks.push(Zeroizing::new(Vec::with_capacity(BLOCK.max(record.weight() * 2))));
        }
        let folders: Vec<_> = path.folders.iter().map(|name| name.replace('/', "\\/")).collect();
        let color = record.color.map(|color| color.to_string()).unwrap_or_default();
        if let Some(out) = self.blocks.last_mut() {
            let start = out.len();
            let mut guarded = u64::from(cell(out, path.vault.as_deref().unwrap_or_default(), safe));
            for text in [
                folders.join("/").as_str(),
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
        if !self.filled.contains(path) {
            self.filled.insert(path.clone());
        }
        Ok(())
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.folders.insert(path.clone());
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
        // A folder holds something when a record stands in it or below.
        let mut full: HashSet<(Option<&str>, &[String])> = HashSet::new();
        for path in &self.filled {
            for depth in 0..=path.folders.len() {
                full.insert((path.vault.as_deref(), path.folders.get(..depth).unwrap_or_default()));
            }
        }
        let empty = self
            .folders
            .iter()
            .filter(|path| !full.contains(&(path.vault.as_deref(), path.folders.as_slice())))
            .count();
        drop(full);
        self.lose(Lost::Folders, empty);
        let mut report = Vec::new();
        if self.safe {
            report.push(match self.guarded {
                0 => "no cell had to be changed so that no spreadsheet runs it".to_owned(),
                count => counted(
                    count,
                    "cell was changed so that no spreadsheet runs it: it is read back with a `'` before it",
                    "cells were changed so that no spreadsheet runs them: they are read back with a `'` before them",
                ),
            });
        }
        for (&count, (one, many)) in self.lost.iter().zip(LOST) {
            if count > 0 {
                report.push(counted(count, one, many));
            }
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
