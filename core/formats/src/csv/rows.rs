//! From bytes to rows: a state machine, with exact lines.

use crate::columns;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use zeroize::{Zeroize, Zeroizing};

/// Every row of a short text with commas, with its line: for tables that are no records. Empty lines are none.
///
/// # Errors
/// [`ErrorKind::Input`] names the line that is no row.
pub fn rows(text: &str) -> Result<Vec<(u64, Vec<Zeroizing<String>>)>> {
    let mut splitter = Splitter::new(Dialect { delimiter: b',', escape: None });
    let mut rest = text.as_bytes();
    let mut all = Vec::new();
    loop {
        let (used, whole) = splitter.feed(rest);
        rest = rest.get(used..).unwrap_or_default();
        if !whole && !splitter.finish() {
            return Ok(all);
        }
        let row = &splitter.row;
        if let Some(fault) = &row.fault {
            return Err(Error::new(ErrorKind::Input, format!("line {}: {fault}", row.line)));
        }
        let text = |cell| Zeroizing::new(String::from_utf8_lossy(cell).into_owned());
        let cells: Vec<_> = row.cells().map(text).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            all.push((row.line, cells));
        }
        if !whole {
            return Ok(all);
        }
        splitter.next_row();
    }
}

/// What separates and joins.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) escape: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a cell.
    Start,
    Plain,
    Quoted,
    /// After a quote inside a quoted cell: its end, or the first of two.
    Quote,
    /// Text stood after a closing quote: the rest of the line is passed over.
    Broken,
}

/// One row: its cells end to end.
pub(super) struct Row {
    /// The cells end to end.
    pub(super) data: Zeroizing<Vec<u8>>,
    /// Where each ends.
    pub(super) ends: Vec<usize>,
    pub(super) line: u64,
    quote_line: u64,
    any_quote: bool,
    state: State,
    escaped: bool,
    /// Bytes of a byte-order mark that the row began with.
    mark: usize,
    /// Why it is none.
    pub(super) fault: Option<String>,
}

/// U+FEFF in UTF-8: files put together from several have one at the start of each.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Row {
    fn new() -> Self {
        Self {
            data: Zeroizing::new(Vec::new()),
            ends: Vec::new(),
            line: 1,
            quote_line: 1,
            any_quote: false,
            state: State::Start,
            escaped: false,
            mark: 0,
            fault: None,
        }
    }

    fn clear(&mut self, line: u64) {
        self.data.as_mut_slice().zeroize();
        self.data.clear();
        self.ends.clear();
        self.line = line;
        self.any_quote = false;
        self.state = State::Start;
        self.escaped = false;
        self.mark = 0;
        self.fault = None;
    }

    fn end_cell(&mut self) {
        self.ends.push(self.data.len());
        self.state = State::Start;
    }

    fn is_blank(&self) -> bool {
        self.data.is_empty() && self.ends.is_empty() && !self.any_quote && self.fault.is_none()
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.data.get(start..*end).unwrap_or_default())
    }
}

/// Splits bytes into rows.
pub(super) struct Splitter {
    pub(super) dialect: Dialect,
    pub(super) line: u64,
    after_cr: bool,
    /// Two carriage returns in a row: with a line feed after them, they are one line break.
    after_two: bool,
    pub(super) row: Row,
}

impl Splitter {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, line: 1, after_cr: false, after_two: false, row: Row::new() }
    }

    /// Takes bytes until a row is whole: gives how many, and whether it is.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> (usize, bool) {
        let Dialect { delimiter, escape } = self.dialect;
        let mut at = 0;
        while let Some((&byte, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) {
            let run = self.run(byte, rest);
            if run > 0 {
                self.row.data.extend_from_slice(bytes.get(at..at + run).unwrap_or_default());
                at += run;
                continue;
            }
            at += 1;
            if self.after_cr {
                self.after_cr = false;
                if byte == b'\n' {
                    self.second_half();
                    continue;
                }
                self.after_two = byte == b'\r' && self.row.is_blank();
            }
            let breaks = byte == b'\n' || byte == b'\r';
            if breaks {
                self.line += 1;
                self.after_cr = byte == b'\r';
            }
            let row = &mut self.row;
            if row.mark < MARK.len() && row.state == State::Start && row.is_blank() {
                if MARK.get(row.mark) == Some(&byte) {
                    row.mark += 1;
                    continue;
                }
                // It only began like one.
                let begun = MARK.get(..row.mark).unwrap_or_default();
                if !begun.is_empty() {
                    row.data.extend_from_slice(begun);
                    row.state = State::Plain;
                }
                row.mark = MARK.len();
            }
            if row.escaped {
                row.escaped = false;
                row.data.push(byte);
                continue;
            }
            match row.state {
                State::Quoted => {
                    if byte == b'"' {
                        row.state = State::Quote;
                    } else if Some(byte) == escape {
                        row.escaped = true;
                    } else {
                        row.data.push(byte);
                    }
                    continue;
                }
                State::Quote if byte == b'"' && escape.is_none() => {
                    row.data.push(byte);
                    row.state = State::Quoted;
                    continue;
                }
                State::Start if byte == b'"' => {
                    row.state = State::Quoted;
                    row.quote_line = self.line;
                    row.any_quote = true;
                    continue;
                }
                _ => {}
            }
            if breaks {
                if row.is_blank() && row.state == State::Start {
                    row.clear(self.line);
                    continue;
                }
                row.end_cell();
                return (at, true);
            }
            match row.state {
                State::Broken => {}
                _ if byte == delimiter => row.end_cell(),
                State::Quote => {
                    row.state = State::Broken;
                    row.fault = Some(if row.data.ends_with(b"\\") {
                        "text after a closing quote; if the backslash before it is an escape: --escape backslash".to_owned()
                    } else {
                        "text after a closing quote".to_owned()
                    });
                }
                _ if Some(byte) == escape => {
                    row.escaped = true;
                    row.state = State::Plain;
                }
                _ => {
                    row.data.push(byte);
                    row.state = State::Plain;
                }
            }
        }
        (bytes.len(), false)
    }

    /// A line feed after a carriage return: the second half of a line break that was counted already.
    fn second_half(&mut self) {
        if self.row.state == State::Quoted {
            self.row.data.push(b'\n');
        } else if self.after_two {
            self.line = self.line.saturating_sub(1);
            self.row.line = self.line;
        }
        self.after_two = false;
    }

    /// How many bytes from `first` on are text of the open cell and nothing else: they are copied at once.
    fn run(&self, first: u8, rest: &[u8]) -> usize {
        let end = match self.row.state {
            State::Plain => self.dialect.delimiter,
            State::Quoted => b'"',
            State::Start | State::Quote | State::Broken => return 0,
        };
        if self.after_cr || self.row.escaped {
            return 0;
        }
        let escape = self.dialect.escape.unwrap_or(end);
        let is_text = |byte: u8| byte != end && byte != b'\n' && byte != b'\r' && byte != escape;
        if !is_text(first) {
            return 0;
        }
        1 + rest.iter().position(|byte| !is_text(*byte)).unwrap_or(rest.len())
    }

    /// Ends the last row; `false` if there is none.
    pub(super) fn finish(&mut self) -> bool {
        let row = &mut self.row;
        if (1..MARK.len()).contains(&row.mark) && row.is_blank() {
            row.data.extend_from_slice(MARK.get(..row.mark).unwrap_or_default());
            row.state = State::Plain;
        }
        if row.state == State::Start && row.is_blank() {
            return false;
        }
        if row.state == State::Quoted {
            row.line = row.quote_line;
            row.fault = Some("quote opened here is never closed; everything after it is in doubt".to_owned());
        }
        row.end_cell();
        true
    }

    /// A row that was never a text.
    pub(super) fn put(&mut self, line: u64, cells: &[Zeroizing<String>]) {
        self.row.clear(line);
        self.row.data.reserve(cells.iter().map(|cell| cell.len()).sum());
        for cell in cells {
            self.row.data.extend_from_slice(cell.as_bytes());
            self.row.end_cell();
        }
    }

    pub(super) fn next_row(&mut self) {
        let line = self.line;
        self.row.clear(line);
    }
}

/// The delimiter whose rows agree most; a known header counts more.
pub(super) fn find_delimiter(head: &[u8], escape: Option<u8>) -> u8 {
    let score = |delimiter: u8| {
        let mut splitter = Splitter::new(Dialect { delimiter, escape });
        let (mut rest, mut known, mut width, mut same) =
            (head.get(..head.len().min(1 << 16)).unwrap_or_default(), 0, 0, 0);
        for number in 0..20 {
            let (used, whole) = splitter.feed(rest);
            rest = rest.get(used..).unwrap_or_default();
            if !whole && !splitter.finish() {
                break;
            }
            let cells = splitter.row.ends.len();
            if number == 0 {
                width = cells;
                known = splitter
                    .row
                    .cells()
                    .filter(|cell| std::str::from_utf8(cell).is_ok_and(columns::is_known))
                    .count();
            }
            same += usize::from(cells == width && width > 1);
            if !whole {
                break;
            }
            splitter.next_row();
        }
        (known, same, width)
    };
    let mut best = (b',', score(b','));
    for delimiter in [b';', b'\t', b'|'] {
        let found = score(delimiter);
        if found > best.1 {
            best = (delimiter, found);
        }
    }
    best.0
}
