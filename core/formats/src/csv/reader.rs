//! Reading CSV: from rows to records, and the account of their cells.

use super::entities::{self, Seen};
use super::header::separator;
use super::managers::{self, Manager, Rest};
use super::peel::{self, Layer};
use super::record::{Column, Unwanted, completed, put, remark_looks};
use super::rows::{Dialect, Splitter, find_delimiter};
use crate::bin::Bin;
use crate::columns::{self, Field, Sample, Target};
use crate::decode::Decode;
use crate::tally::Tally;
use crate::wiped::append;
use crate::{Entities, Entries, ReadOptions, foreign, too_deep};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::{CustomKind, Entry, Record, Reject};
use std::collections::VecDeque;
use std::io::Read;
use zeroize::Zeroizing;

/// Opens a CSV; a table of a manager is known by its header.
pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    Ok(Box::new(open(input, options, None)?))
}

/// Opens a table that the user or detection says is this manager's.
pub(crate) fn read_table(
    input: Box<dyn Read + Send>,
    options: &ReadOptions,
    manager: &'static Manager,
) -> Result<Entries> {
    Ok(Box::new(open(input, options, Some(manager))?))
}

/// Opens a table; `wanted` is whose it is by the word of the user or of detection.
pub(super) fn open(
    input: Box<dyn Read + Send>,
    options: &ReadOptions,
    wanted: Option<&'static Manager>,
) -> Result<Reader> {
    let ascii = |c: Option<char>, what: &str| match c {
        None => Ok(None),
        Some(c) if c.is_ascii() && !matches!(c, '"' | '\r' | '\n') => Ok(u8::try_from(c).ok()),
        Some(c) => Err(Error::new(ErrorKind::Usage, format!("{c:?} cannot be the {what}"))
            .next_step("use one ASCII character other than a quote or line break")),
    };
    let told = ascii(options.delimiter, "delimiter")?;
    let escape = ascii(options.escape, "escape character")?;
    // What the user says of columns stands above every table.
    let wanted = wanted.filter(|_| options.columns.is_none() && !options.no_header);
    let has_header = options.columns.is_none() && !options.no_header;
    let (input, layer) = if has_header { peel::off(input)? } else { (input, Layer::None) };
    let mut source = Decode::open(input, options.encoding.as_deref())?;
    let mut chunk = Zeroizing::new(Vec::new());
    source.next(&mut chunk)?;
    foreign::refuse_text(&chunk)?;
    let (named, at, first_line) = separator(&chunk);
    let fixed = wanted.and_then(|manager| u8::try_from(manager.delimiter?).ok());
    let delimiter = told
        .or(named)
        .or(fixed)
        .unwrap_or_else(|| find_delimiter(chunk.get(at..).unwrap_or_default(), escape));
    let mut splitter = Splitter::new(Dialect { delimiter, escape });
    splitter.line = first_line;
    splitter.row.line = first_line;
    let mut reader = Reader::new(options, splitter, source, (chunk, at));
    if let Some(what) = layer.note() {
        reader.queue.push_back(Entry::Note(what.to_owned()));
    }
    reader.begun(options, wanted, escape)
}

/// Opens a table that is no text: rows with their numbers. A manager's table is known by its header.
pub(crate) fn open_rows(rows: Vec<Given>, options: &ReadOptions) -> Result<Entries> {
    let splitter = Splitter::new(Dialect { delimiter: b',', escape: None });
    let source = Decode::raw(Box::new(std::io::empty()));
    let mut reader = Reader::new(options, splitter, source, (Zeroizing::default(), 0));
    reader.width = rows.first().map_or(0, |(_, row)| row.len());
    reader.given = Some(rows.into());
    Ok(Box::new(reader.begun(options, None, None)?))
}

/// A row that is no text, and its number.
type Given = (u64, Vec<Zeroizing<String>>);

/// A table that is being read.
pub(super) struct Reader {
    queue: VecDeque<Entry>,
    pub(super) columns: Vec<Column>,
    /// As it stands in the file, where it has one: it may stand there again.
    header: Vec<String>,
    /// The column of the password.
    password: Option<usize>,
    /// Whose export it is, where the header says so.
    pub(super) manager: Option<&'static Manager>,
    /// What takes the cells from this column on.
    rest: Option<(usize, Rest)>,
    /// Whether HTML's entities stand for their characters.
    decodes: bool,
    separator: char,
    bin: Bin,
    flexible: bool,
    pub(super) splitter: Splitter,
    chunk: Zeroizing<Vec<u8>>,
    at: usize,
    pub(super) source: Decode,
    tally: Tally,
    ended: bool,
    /// Rows that are no text, where the table is none.
    given: Option<VecDeque<Given>>,
    /// Cells of their header: what is left out at the end of such a row is empty.
    width: usize,
}

/// Whether a row holds names of columns, where records are expected.
fn is_header(row: &[Zeroizing<String>]) -> bool {
    let known = |cell: &Zeroizing<String>| {
        columns::is_known(cell) || ["field", "value"].iter().any(|word| cell.eq_ignore_ascii_case(word))
    };
    row.len() > 1 && row.iter().take(5).all(known)
}

/// Whether a row names several columns: one word may be the title of a record.
fn has_names(row: &[Zeroizing<String>]) -> bool {
    row.iter().filter(|cell| columns::is_known(cell)).count() > 1
}

/// Cells of a row that are enough to see whether it is a header.
const HEADER: usize = 5;
/// Rows that are looked at before the first is read.
const SAMPLE: usize = 50;

impl Reader {
    /// A table of which nothing is known yet.
    fn new(
        options: &ReadOptions,
        splitter: Splitter,
        source: Decode,
        (chunk, at): (Zeroizing<Vec<u8>>, usize),
    ) -> Self {
        Self {
            queue: VecDeque::new(),
            columns: Vec::new(),
            header: Vec::new(),
            password: None,
            manager: None,
            rest: None,
            decodes: options.entities == Entities::Decode,
            separator: options.folder_separator,
            bin: Bin::of(options),
            flexible: options.flexible,
            splitter,
            chunk,
            at,
            source,
            tally: Tally::default(),
            ended: false,
            given: None,
            width: 0,
        }
    }

    /// Reads the header, and what it says of the columns.
    fn begun(
        mut self,
        options: &ReadOptions,
        wanted: Option<&'static Manager>,
        escape: Option<u8>,
    ) -> Result<Self> {
        if self.source.guessed {
            self.queue.push_back(Entry::Note(format!("the encoding was taken to be {}", self.source.name)));
        }
        if options.no_header && options.columns.is_none() {
            return Err(Error::new(ErrorKind::Usage, "without a header the columns need names")
                .next_step("name them with --columns, for instance --columns name,login,password"));
        }
        let (header, line) = self.read_header(options, wanted)?;
        if let Some(manager) = self.manager {
            self.read_as(manager, escape, options)?;
        }
        if !header.is_empty() {
            self.map_columns(header, line, options)?;
        }
        Ok(self)
    }

    /// Brings the next row; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool> {
        if let Some(given) = &mut self.given {
            let Some((line, mut row)) = given.pop_front() else {
                self.ended = true;
                return Ok(false);
            };
            if row.len() < self.width {
                row.resize_with(self.width, Zeroizing::default);
            }
            self.splitter.put(line, &row);
            return Ok(true);
        }
        loop {
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            let (used, whole) = self.splitter.feed(rest);
            self.at += used;
            if whole {
                return Ok(true);
            }
            if !self.source.next(&mut self.chunk)? {
                self.at = 0;
                self.ended = true;
                return Ok(self.splitter.finish());
            }
            self.at = 0;
        }
    }

    /// Whether cells beyond the last column have a place.
    pub(super) fn takes_more(&self) -> bool {
        self.rest.is_some()
    }

    /// Cells of the rows that come next, without taking them.
    pub(super) fn sample(&self, columns: usize) -> Sample {
        if let Some(given) = &self.given {
            return given
                .iter()
                .take(SAMPLE)
                .map(|(_, row)| row.iter().take(columns).cloned().collect())
                .collect();
        }
        let mut splitter = Splitter::new(self.splitter.dialect);
        let mut rest = self.chunk.get(self.at..).unwrap_or_default();
        let mut rows = Vec::new();
        while rows.len() < SAMPLE {
            let (used, whole) = splitter.feed(rest);
            rest = rest.get(used..).unwrap_or_default();
            if !whole && !splitter.finish() {
                break;
            }
            let text = |cell: &[u8]| Zeroizing::new(String::from_utf8_lossy(cell).into_owned());
            rows.push(splitter.row.cells().take(columns).map(text).collect());
            if !whole {
                break;
            }
            splitter.next_row();
        }
        rows
    }

    /// The names of the columns and their line; whose table it is, is known then.
    fn read_header(
        &mut self,
        options: &ReadOptions,
        wanted: Option<&'static Manager>,
    ) -> Result<(Vec<String>, u64)> {
        if let Some(manager) = wanted.filter(|manager| !manager.columns.is_empty()) {
            self.manager = Some(manager);
            // Some builds write a header all the same.
            if self.sample(HEADER).first().is_some_and(|row| is_header(row)) && self.advance()? {
                self.splitter.next_row();
            }
            let names = manager.columns.iter().map(|name| (*name).to_owned()).collect();
            return Ok((names, self.splitter.row.line));
        }
        if let Some(manager) = wanted.filter(|manager| !manager.without_header.is_empty())
            && !self.sample(HEADER).first().is_some_and(|row| has_names(row))
        {
            self.manager = Some(manager);
            let names = manager.without_header.iter().map(|name| (*name).to_owned()).collect();
            return Ok((names, self.splitter.row.line));
        }
        if options.no_header || !self.advance()? {
            return Ok((options.columns.clone().unwrap_or_default(), 1));
        }
        let row = &self.splitter.row;
        let line = row.line;
        if let Some(fault) = &row.fault {
            return Err(Error::new(ErrorKind::Input, format!("line {line}: {fault}")));
        }
        let cells = row.cells().map(|cell| std::str::from_utf8(cell).map(str::to_owned));
        let header = cells.collect::<Result<Vec<_>, _>>().map_err(|_| {
            let name = self.source.name;
            Error::new(ErrorKind::Input, format!("line {line}: the header is not {name}"))
                .next_step("name the encoding with --encoding")
        })?;
        self.splitter.next_row();
        self.header.clone_from(&header);
        // A table that nothing is known by is meant by whoever names it; any other knows itself better.
        let known = managers::find(&header);
        let is_meant = |manager: &&Manager| {
            let is_other = known.is_none_or(|known| known.format != manager.format);
            manager.is_known_by_name() || (is_other && manager.has_columns(&header))
        };
        let found = wanted.filter(is_meant).or(known);
        if let (Some(wanted), Some(found)) = (wanted, found)
            && wanted.format != found.format
            // Tables within an archive are of its kind, whatever their columns.
            && managers::all().any(|manager| manager.format == wanted.format)
        {
            return Err(wanted.not_its_own(&header, found));
        }
        self.manager = found.or(wanted).filter(|_| options.columns.is_none());
        Ok((options.columns.clone().unwrap_or(header), line))
    }

    /// What a manager's table has of its own, and why it is taken for one.
    fn read_as(
        &mut self,
        manager: &'static Manager,
        escape: Option<u8>,
        options: &ReadOptions,
    ) -> Result<()> {
        let (format, name) = (manager.format, manager.name);
        let why = manager.known_by();
        self.queue.push_back(Entry::Note(format!("read as {format}, an export of {name}: {why}")));
        self.splitter.dialect.escape = escape.or(manager.escape);
        self.separator = manager
            .separator
            .filter(|_| options.folder_separator == ReadOptions::default().folder_separator)
            .unwrap_or(self.separator);
        if manager.entities && options.entities == Entities::Auto {
            // Only the whole of it shows whether an `&` was written as one.
            let mut more = Zeroizing::new(Vec::new());
            while self.source.next(&mut more)? {
                append(&mut self.chunk, &more);
            }
            match entities::seen(self.chunk.get(self.at..).unwrap_or_default()) {
                Seen::Everywhere => self.decodes = true,
                Seen::Mixed => self.queue.push_back(Entry::Note(
                    "a cell looks as if it were written for HTML, but others hold a bare &: nothing is decoded; --html-entities decode decodes"
                        .to_owned(),
                )),
                Seen::Nowhere => {}
            }
        }
        Ok(())
    }

    /// What each column means.
    fn map_columns(&mut self, header: Vec<String>, line: u64, options: &ReadOptions) -> Result<()> {
        let sample = self.sample(header.len());
        let manager = self.manager;
        let rest = manager.and_then(|manager| manager.rest);
        let no_password = options.no_password || rest.is_some();
        let options = &ReadOptions { no_password, ..options.clone() };
        let known = |name: &str| manager.and_then(|manager| manager.meaning(name));
        let known: Option<columns::Known<'_>> = if manager.is_some() { Some(&known) } else { None };
        let targets = columns::resolve(&header, line, options, &sample, known)?;
        // Where the user's word stands above the table's, it is what happens.
        let words = |name: &str, target: &Target| manager.and_then(|manager| manager.words(name, target));
        let is_ours = |name: &str| manager.is_some_and(|manager| manager.knows(name));
        self.queue.push_back(Entry::Note(columns::mapping(&header, &targets, is_ours, words)));
        self.propose(&header, &targets, &sample);
        let from = targets.iter().position(|target| *target == Target::Rest).unwrap_or(targets.len());
        self.rest = rest.map(|rest| (from, rest));
        self.password = targets.iter().position(|target| *target == Target::Field(Field::Password));
        self.columns =
            targets.into_iter().zip(header).map(|(target, name)| Column { target, name }).collect();
        Ok(())
    }

    /// Says what the sample looks like. Nothing is read otherwise for it: a second file might look different.
    fn propose(&mut self, header: &[String], targets: &[Target], sample: &Sample) {
        for (index, target) in targets.iter().enumerate() {
            let column = index + 1;
            // What a manager's row says of a column is not guessed at.
            let named = self.manager.zip(header.get(index));
            let is_known = named.is_some_and(|(manager, name)| manager.knows(name));
            match target {
                Target::Custom(_, CustomKind::Text) if !is_known && columns::looks_secret(sample, index) => {
                    self.queue.push_back(Entry::Note(format!(
                        "column {column} looks like a secret, but its name does not say so: --map {column}=password:NAME would hide it"
                    )));
                }
                Target::Field(Field::Folder) if self.separator != '\\' => {
                    let paths = sample.iter().filter_map(|row| row.get(index));
                    let nested = paths.clone().any(|path| path.contains('\\'))
                        && !paths.clone().any(|path| path.contains(self.separator));
                    if nested {
                        self.queue.push_back(Entry::Note(format!(
                            "column {column} holds backslashes: --folder-separator '\\' would make folders in folders of them"
                        )));
                    }
                }
                _ => {}
            }
        }
    }

    /// The row as an entry; `None` where it holds nothing.
    fn entry(&mut self) -> Option<Entry> {
        let Self { splitter, columns, header, tally, source, password, manager, separator, flexible, .. } =
            self;
        let (rest, decodes, bin) = (self.rest, self.decodes, self.bin);
        let row = &splitter.row;
        let line = row.line;
        let filled = row.cells().filter(|cell| !cell.is_empty()).count() as u64;
        let reject = |at: Position, why: String, tally: &mut Tally| {
            tally.rejected(filled);
            Some(Entry::Reject(Reject { at, label: String::new(), why }))
        };
        if filled == 0 && row.fault.is_none() {
            tally.remark("a row of empty cells is no record", format!("line {line}"));
            return None;
        }
        if header.len() > 1
            && row.ends.len() == header.len()
            && row.cells().zip(header.iter()).all(|(cell, name)| cell == name.as_bytes())
        {
            tally.remark("the header stands there once more, and is no record", format!("line {line}"));
            return None;
        }
        tally.read(filled);
        tally.row(line);
        if let Some(fault) = &row.fault {
            return reject(Position::line(line), fault.clone(), tally);
        }
        // Checked once as a whole; a cell's bounds stand on ASCII bytes, so cells are whole too.
        let Ok(text) = std::str::from_utf8(&row.data) else {
            let broken = row.cells().enumerate().find_map(|(index, cell)| {
                std::str::from_utf8(cell).err().map(|error| (index as u64 + 1, error.valid_up_to() + 1))
            });
            let (cell, byte) = broken.unwrap_or((1, 1));
            let at = Position { column: Some(cell), ..Position::line(line) };
            let why = format!("not {}: byte {byte} of the cell (--encoding names another)", source.name);
            return reject(at, why, tally);
        };
        let (cells, wanted) = (row.ends.len(), columns.len());
        // What a row lacks at its end was left out because it was empty, unless that would be its password.
        let short = cells < wanted && password.is_none_or(|password| password < cells);
        if cells != wanted && !*flexible && !short && rest.is_none() {
            let noun = if cells == 1 { "cell" } else { "cells" };
            let why = format!("{cells} {noun}, header has {wanted} (--flexible takes such rows)");
            return reject(Position::line(line), why, tally);
        }
        if cells < wanted && rest.is_none() {
            tally.remark(
                "cells are left out at the end of a row: they count as empty",
                format!("line {line}"),
            );
        }
        let mark = tally.mark();
        let mut record = Record::default();
        let (mut start, mut further, mut had_entities) = (0, Vec::new(), false);
        for (index, &end) in row.ends.iter().enumerate() {
            let Some(cell) = text.get(start..end) else {
                tally.back_to(mark);
                return reject(Position::line(line), format!("not {}", source.name), tally);
            };
            start = end;
            if let Some((from, _)) = rest
                && index >= from
            {
                further.push(cell);
                continue;
            }
            if cell.is_empty() {
                continue;
            }
            let plain = if decodes { entities::decoded(cell) } else { None };
            if plain.is_some() {
                had_entities = true;
            }
            let cell = plain.as_ref().map_or(cell, |plain| plain.as_str());
            remark_looks(tally, cell, || format!("line {line}, column {}", index + 1));
            put(&mut record, columns, (index, cell), *separator, line, tally);
        }
        if let Some((_, take)) = rest {
            take(&mut record, &further, tally);
        }
        if had_entities {
            tally.remark(
                "HTML's entities (&amp; and the like) are decoded; --html-entities keep leaves them",
                format!("line {line}"),
            );
        }
        match completed(&mut record, *manager, (*separator, bin), line, tally) {
            Ok(None) => Some(Entry::Record(record, Position::line(line))),
            Ok(Some(folder)) => Some(Entry::Folder(folder)),
            Err(Unwanted::LeftOut(why)) => {
                tally.back_to(mark);
                tally.tell(why, format!("line {line}"), filled);
                None
            }
            Err(Unwanted::TooDeep) => {
                tally.back_to(mark);
                reject(Position::line(line), too_deep(), tally)
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.queue.pop_front() {
                return Some(Ok(entry));
            }
            if self.ended {
                return None;
            }
            match self.advance() {
                Ok(true) => {
                    // The last row ends the file, and its account.
                    let entry = self.entry();
                    self.splitter.next_row();
                    if self.ended {
                        self.queue.extend(std::mem::take(&mut self.tally).finish());
                    }
                    if let Some(entry) = entry {
                        return Some(Ok(entry));
                    }
                }
                Ok(false) => self.queue.extend(std::mem::take(&mut self.tally).finish()),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}
