//! Puts records among those of their folder.

use crate::held::{Export, same_place, without_files};
use crate::jsonl::append as append_record;
use crate::spool::Lazy;
use crate::wiped::append;
use crate::{WriteOptions, Writer, json};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::{Record, RecordPath};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use zeroize::{Zeroize as _, Zeroizing};

/// Deeper nesting could not be read back.
const MAX_FOLDERS: usize = 50;
/// So many bytes of records are kept in memory.
const MOST_WAITING: usize = 16 << 20;

/// Records of one folder: those that were put away, and after them those that were not.
#[derive(Default)]
struct Items {
    pieces: Vec<u64>,
    waiting: Zeroizing<Vec<u8>>,
}

impl Items {
    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.waiting.is_empty()
    }

    fn put_away(&mut self, spool: &mut Lazy) -> Result<()> {
        if !self.waiting.is_empty() {
            self.pieces.push(spool.put(&mut self.waiting)?);
        }
        Ok(())
    }

    fn print(&self, out: &mut Printer) -> io::Result<()> {
        out.write(b"\"items\":[")?;
        for number in &self.pieces {
            out.spool.get(*number, &mut out.piece)?;
            out.output.write_all(&out.piece)?;
        }
        out.write(&self.waiting)?;
        out.write(b"]")
    }
}

/// A vault or folder being written.
#[derive(Default)]
struct Branch {
    names: Vec<String>,
    folders: Vec<Branch>,
    index: HashMap<String, usize>,
    items: Items,
}

/// Where all of it goes in the end.
struct Printer {
    output: Box<dyn Write + Send>,
    spool: Lazy,
    piece: Zeroizing<Vec<u8>>,
}

impl Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)
    }
}

impl Branch {
    fn child(&mut self, name: &str) -> Option<&mut Branch> {
        let next = self.folders.len();
        let index = *self.index.entry(name.to_owned()).or_insert(next);
        if index == next {
            self.names.push(name.to_owned());
            self.folders.push(Branch::default());
        }
        self.folders.get_mut(index)
    }

    /// Its records and those below, put away.
    fn put_away(&mut self, spool: &mut Lazy) -> Result<()> {
        self.items.put_away(spool)?;
        self.folders.iter_mut().try_for_each(|folder| folder.put_away(spool))
    }

    /// `"folders":[…],"items":[…]`
    fn print(&self, out: &mut Printer) -> io::Result<()> {
        self.print_children("folders", out)?;
        out.write(b",")?;
        self.items.print(out)
    }

    fn print_children(&self, word: &str, out: &mut Printer) -> io::Result<()> {
        out.write(format!("\"{word}\":[").as_bytes())?;
        for (index, (name, folder)) in self.names.iter().zip(&self.folders).enumerate() {
            let mut head = if index > 0 { b",{\"name\":".to_vec() } else { b"{\"name\":".to_vec() };
            json::quote(&mut head, name);
            head.push(b',');
            out.write(&head)?;
            folder.print(out)?;
            out.write(b"}")?;
        }
        out.write(b"]")
    }
}

struct PassworkWriter {
    printer: Printer,
    vaults: Branch,
    top: Branch,
    line: Zeroizing<Vec<u8>>,
    /// So many bytes wait in all folders.
    waiting: usize,
}

/// How it is written.
pub(crate) static EXPORT: Export = Export {
    write,
    hold: |record| {
        if record.also_in.is_empty() && record.history.is_empty() {
            return Cow::Borrowed(record);
        }
        Cow::Owned(Record {
            attachments: record.attachments.clone(),
            also_in: Vec::new(),
            history: Vec::new(),
            ..without_files(record)
        })
    },
    place: same_place,
    dates: false,
    folders: true,
    twin: None,
    encrypted: false,
    depth: MAX_FOLDERS,
    as_is: false,
    streams: false,
};

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write(output: Box<dyn Write + Send>, options: &WriteOptions) -> Result<Box<dyn Writer>> {
    let (spool, piece) = (Lazy::new(&options.spools), Zeroizing::new(Vec::new()));
    Ok(Box::new(PassworkWriter {
        printer: Printer { output, spool, piece },
        vaults: Branch::default(),
        top: Branch::default(),
        line: Zeroizing::new(Vec::new()),
        waiting: 0,
    }))
}

impl PassworkWriter {
    fn place(&mut self, path: &RecordPath) -> Result<&mut Branch> {
        let lost = || Error::new(ErrorKind::Internal, "a folder of the export was lost");
        let mut branch = match &path.vault {
            Some(vault) => self.vaults.child(vault).ok_or_else(lost)?,
            None => &mut self.top,
        };
        for name in &path.folders {
            branch = branch.child(name).ok_or_else(lost)?;
        }
        Ok(branch)
    }
}

impl Writer for PassworkWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        let mut line = std::mem::take(&mut self.line);
        line.zeroize();
        let items = &mut self.place(&record.path)?.items;
        line.extend_from_slice(if items.is_empty() { b"{" } else { b",{" });
        append_record(&mut line, record, "isFavorite");
        line.push(b'}');
        append(&mut items.waiting, &line);
        self.waiting += line.len();
        self.line = line;
        if self.waiting >= MOST_WAITING {
            self.vaults.put_away(&mut self.printer.spool)?;
            self.top.put_away(&mut self.printer.spool)?;
            self.waiting = 0;
        }
        Ok(())
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.place(path).map(|_| ())
    }

    fn finish(self: Box<Self>) -> Result<Vec<String>> {
        let Self { mut printer, vaults, top, .. } = *self;
        let mut print = || -> io::Result<()> {
            printer.write(b"{")?;
            vaults.print_children("vaults", &mut printer)?;
            if !top.names.is_empty() || !top.items.is_empty() {
                printer.write(b",")?;
                top.print(&mut printer)?;
            }
            printer.write(b"}\n")?;
            printer.output.flush()
        };
        print().map_err(Error::stream)?;
        Ok(Vec::new())
    }
}
