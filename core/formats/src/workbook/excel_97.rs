//! `.xls` of Excel 97 to 2003 (BIFF8), as `ManageEngine` and older programs write it: records in one stream of a compound file.
//!
//! ```text
//! compound file = sectors; a table says which sector follows which, a directory which stream begins where
//! record        = kind (2 bytes), length (2 bytes), content; long texts go on in records of kind CONTINUE
//! ```

use super::office::{day_or_time, is_date, is_usual_date};
use super::{Cells, damaged};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::collections::{BTreeMap, HashMap};
use zeroize::Zeroizing;

const MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
/// The first number that names no sector.
const NO_SECTOR: u32 = 0xffff_fffa;

/// Whether bytes begin as a compound file does.
pub(super) fn is_compound(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn usize_at(bytes: &[u8], at: usize) -> Option<usize> {
    u32_at(bytes, at).and_then(|number| usize::try_from(number).ok())
}

/// A file of streams.
struct Compound<'a> {
    bytes: &'a [u8],
    /// Bytes of a sector, as a power of two.
    shift: u32,
    /// Which sector follows which.
    next: Vec<u32>,
}

impl<'a> Compound<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let shift = u32::from(u16_at(bytes, 0x1e)?);
        if !is_compound(bytes) || !matches!(shift, 9 | 12) {
            return None;
        }
        let mut this = Self { bytes, shift, next: Vec::new() };
        // The sectors of the table stand in the header, and in sectors of their own beyond the first 109.
        let mut tables: Vec<u32> = (0..109).filter_map(|index| u32_at(bytes, 0x4c + 4 * index)).collect();
        let (mut further, mut left) = (u32_at(bytes, 0x44)?, bytes.len() >> shift);
        while further < NO_SECTOR && left > 0 {
            let sector = this.sector(further)?;
            let count = sector.len() / 4 - 1;
            tables.extend((0..count).filter_map(|index| u32_at(sector, 4 * index)));
            further = u32_at(sector, 4 * count)?;
            left -= 1;
        }
        for table in tables.into_iter().filter(|table| *table < NO_SECTOR) {
            let sector = this.sector(table)?;
            this.next.extend((0..sector.len() / 4).filter_map(|index| u32_at(sector, 4 * index)));
        }
        Some(this)
    }

    fn sector(&self, number: u32) -> Option<&'a [u8]> {
        let size = 1_usize << self.shift;
        let start = usize::try_from(number).ok()?.checked_add(1)?.checked_mul(size)?;
        self.bytes.get(start..start.checked_add(size)?)
    }

    /// The sectors from this one on, end to end; those that go in a circle have no end.
    fn chain(&self, first: u32) -> Option<Zeroizing<Vec<u8>>> {
        let mut all = Zeroizing::new(Vec::with_capacity(self.bytes.len()));
        let (mut number, mut left) = (first, self.bytes.len() >> self.shift);
        while number < NO_SECTOR {
            left = left.checked_sub(1)?;
            all.extend_from_slice(self.sector(number)?);
            number = *self.next.get(usize::try_from(number).ok()?)?;
        }
        Some(all)
    }

    /// A stream by one of its names; small ones stand in a stream of their own.
    fn stream(&self, names: &[&str]) -> Option<Zeroizing<Vec<u8>>> {
        let directory = self.chain(u32_at(self.bytes, 0x30)?)?;
        let entries = || directory.chunks_exact(128);
        let found = entries().find(|entry| {
            entry.get(0x42) == Some(&2) && name_of(entry).is_some_and(|name| names.contains(&name.as_str()))
        })?;
        let (first, size) = (u32_at(found, 0x74)?, usize_at(found, 0x78)?);
        if size >= usize_at(self.bytes, 0x38)? {
            let mut stream = self.chain(first)?;
            stream.truncate(size);
            return Some(stream);
        }
        let root = entries().find(|entry| entry.get(0x42) == Some(&5))?;
        let small = self.chain(u32_at(root, 0x74)?)?;
        let table = self.chain(u32_at(self.bytes, 0x3c)?)?;
        let (mut number, mut all) = (first, Zeroizing::new(Vec::with_capacity(size + 64)));
        while number < NO_SECTOR && all.len() < size {
            let start = usize::try_from(number).ok()?.checked_mul(64)?;
            all.extend_from_slice(small.get(start..start.checked_add(64)?)?);
            number = u32_at(&table, usize::try_from(number).ok()?.checked_mul(4)?)?;
        }
        all.truncate(size);
        Some(all)
    }

    fn has(&self, name: &str) -> bool {
        self.stream(&[name]).is_some()
    }
}

/// What an entry of the directory is called.
fn name_of(entry: &[u8]) -> Option<String> {
    let length = usize::from(u16_at(entry, 0x40)?).checked_sub(2)?;
    let units: Vec<u16> =
        entry.get(..length.min(64))?.chunks_exact(2).filter_map(|unit| u16_at(unit, 0)).collect();
    String::from_utf16(&units).ok()
}

/// The sheets of a workbook, and how many comments stand in them.
pub(super) fn sheets(file: &[u8]) -> Result<(Cells, u64)> {
    let compound = Compound::open(file).ok_or_else(|| damaged("its sectors cannot be read"))?;
    if compound.has("EncryptedPackage") {
        return Err(protected());
    }
    let stream = compound.stream(&["Workbook"]).ok_or_else(|| {
        Error::new(ErrorKind::Input, "this is no workbook of Excel 97 or later")
            .next_step("save what holds the secrets as .xlsx or CSV (UTF-8), and import that")
    })?;
    Book::of(&stream)?.sheets(&stream)
}

fn protected() -> Error {
    Error::new(ErrorKind::Input, "this workbook is protected with a password")
        .next_step("save it without one, onto an encrypted disk, and import that; shred the file afterwards")
}

/// A record: its kind, its content, and where the next one begins.
fn record(stream: &[u8], at: usize) -> Option<(u16, &[u8], usize)> {
    let (kind, length) = (u16_at(stream, at)?, usize::from(u16_at(stream, at.checked_add(2)?)?));
    let start = at.checked_add(4)?;
    let end = start.checked_add(length)?;
    Some((kind, stream.get(start..end)?, end))
}

const BOF: u16 = 0x0809;
const EOF: u16 = 0x000a;
const CONTINUE: u16 = 0x003c;

/// What a cell's record says.
enum Found {
    Text(Zeroizing<String>),
    /// A formula came to a text, which the next record has.
    InTheNext,
}

/// What all sheets share.
#[derive(Default)]
struct Book {
    /// Name and place of each sheet.
    sheets: Vec<(String, usize)>,
    texts: Vec<Zeroizing<String>>,
    /// The number format of each style.
    styles: Vec<u16>,
    formats: HashMap<u16, bool>,
    is_1904: bool,
}

impl Book {
    fn of(stream: &[u8]) -> Result<Self> {
        let cut = || damaged("a record is cut off");
        let mut book = Self::default();
        let mut at = 0;
        loop {
            let (kind, content, next) = record(stream, at).ok_or_else(cut)?;
            at = next;
            match kind {
                BOF if u16_at(content, 0) != Some(0x0600) => {
                    return Err(Error::new(ErrorKind::Input, "this workbook is older than Excel 97")
                        .next_step("save it as .xlsx or CSV (UTF-8), and import that"));
                }
                0x002f => return Err(protected()),
                0x0022 => book.is_1904 = u16_at(content, 0) == Some(1),
                0x0085 => {
                    let place = usize_at(content, 0).ok_or_else(cut)?;
                    let length = usize::from(*content.get(6).ok_or_else(cut)?);
                    let mut text = Pieces::new(vec![content.get(7..).unwrap_or_default()]);
                    // Charts and macros have no cells.
                    if content.get(5) == Some(&0) {
                        let name = text.characters(length).ok_or_else(cut)?;
                        book.sheets.push((name.to_string(), place));
                    }
                }
                0x00e0 => book.styles.push(u16_at(content, 2).unwrap_or_default()),
                0x041e => {
                    let mut text = Pieces::new(vec![content.get(2..).unwrap_or_default()]);
                    let code = text.text().ok_or_else(cut)?;
                    book.formats.insert(u16_at(content, 0).ok_or_else(cut)?, is_date(&code));
                }
                0x00fc => {
                    let mut pieces = vec![content.get(8..).unwrap_or_default()];
                    while let Some((CONTINUE, more, next)) = record(stream, at) {
                        pieces.push(more);
                        at = next;
                    }
                    let count = usize_at(content, 4).ok_or_else(cut)?;
                    let mut pieces = Pieces::new(pieces);
                    for _ in 0..count {
                        book.texts.push(pieces.text().ok_or_else(cut)?);
                    }
                }
                EOF => return Ok(book),
                _ => {}
            }
        }
    }

    fn sheets(&self, stream: &[u8]) -> Result<(Cells, u64)> {
        let (mut cells, mut comments) = (Cells::default(), 0);
        for (name, place) in &self.sheets {
            cells.sheet(name);
            // Their order in the stream is nobody's promise.
            let mut rows = BTreeMap::new();
            comments += self.rows(stream, *place, &mut rows)?;
            for (row, found) in rows {
                cells.number = u64::from(row) + 1;
                for (column, text) in found {
                    cells.put(usize::from(column), text)?;
                }
                cells.end_row(1)?;
            }
        }
        Ok((cells, comments))
    }

    /// The cells of the sheet at this place by row and column; how many comments it has.
    fn rows(&self, stream: &[u8], mut at: usize, rows: &mut Rows) -> Result<u64> {
        let cut = || damaged("a cell is cut off");
        let (mut depth, mut comments, mut formula) = (0_usize, 0, None);
        while let Some((kind, content, next)) = record(stream, at) {
            at = next;
            match kind {
                BOF => depth += 1,
                EOF if depth <= 1 => return Ok(comments),
                EOF => depth -= 1,
                // A chart within a sheet has cells of its own.
                _ if depth > 1 => {}
                0x001c => comments += 1,
                0x0207 => {
                    if let Some((row, column)) = formula.take() {
                        let text = Pieces::new(vec![content]).text().ok_or_else(cut)?;
                        put(rows, row, column, text);
                    }
                }
                0x00bd => {
                    let (row, first) = place(content).ok_or_else(cut)?;
                    let cells = content.get(4..content.len().saturating_sub(2)).unwrap_or_default();
                    for (index, cell) in cells.chunks_exact(6).enumerate() {
                        let style = u16_at(cell, 0).ok_or_else(cut)?;
                        let value = rk(u32_at(cell, 2).ok_or_else(cut)?);
                        let column = u16::try_from(usize::from(first) + index).map_err(|_| cut())?;
                        put(rows, row, column, self.number(value, style));
                    }
                }
                0x00fd | 0x0204 | 0x0203 | 0x027e | 0x0205 | 0x0006 => {
                    let (row, column) = place(content).ok_or_else(cut)?;
                    let style = u16_at(content, 4).ok_or_else(cut)?;
                    let value = content.get(6..).unwrap_or_default();
                    match self.cell(kind, value, style).ok_or_else(cut)? {
                        Found::Text(text) => put(rows, row, column, text),
                        Found::InTheNext => formula = Some((row, column)),
                    }
                }
                _ => {}
            }
        }
        Err(damaged("a sheet is cut off"))
    }

    /// What a cell holds.
    fn cell(&self, kind: u16, value: &[u8], style: u16) -> Option<Found> {
        let double = |bytes: &[u8]| bytes.get(..8)?.try_into().ok().map(f64::from_le_bytes);
        let word = |text: &str| Some(Found::Text(Zeroizing::new(text.to_owned())));
        let truth = |is: u8| word(if is == 1 { "TRUE" } else { "FALSE" });
        match kind {
            0x00fd => Some(Found::Text(self.texts.get(usize_at(value, 0)?)?.clone())),
            0x0204 => Some(Found::Text(Pieces::new(vec![value]).text()?)),
            0x0203 => Some(Found::Text(self.number(double(value)?, style))),
            0x027e => Some(Found::Text(self.number(rk(u32_at(value, 0)?), style))),
            0x0205 => match value {
                [is, 0, ..] => truth(*is),
                _ => word("#ERROR"),
            },
            // A formula: a number, or what else it came to.
            _ => match value.get(..8)? {
                [0, .., 0xff, 0xff] => Some(Found::InTheNext),
                [1, _, is, .., 0xff, 0xff] => truth(*is),
                [2, .., 0xff, 0xff] => word("#ERROR"),
                [3, .., 0xff, 0xff] => word(""),
                bytes => Some(Found::Text(self.number(double(bytes)?, style))),
            },
        }
    }

    fn number(&self, value: f64, style: u16) -> Zeroizing<String> {
        let format = self.styles.get(usize::from(style)).copied().unwrap_or_default();
        let is_date = self.formats.get(&format).copied().unwrap_or_else(|| is_usual_date(u32::from(format)));
        let date = if is_date { day_or_time(value, self.is_1904) } else { None };
        Zeroizing::new(date.unwrap_or_else(|| value.to_string()))
    }
}

/// Cells by row and column.
type Rows = BTreeMap<u16, BTreeMap<u16, Zeroizing<String>>>;

fn put(rows: &mut Rows, row: u16, column: u16, text: Zeroizing<String>) {
    rows.entry(row).or_default().insert(column, text);
}

/// The row and column that a cell's record begins with.
fn place(content: &[u8]) -> Option<(u16, u16)> {
    Some((u16_at(content, 0)?, u16_at(content, 2)?))
}

/// A number in four bytes: the upper half of a double, or a whole number, and perhaps a hundred times what is meant.
fn rk(bits: u32) -> f64 {
    let value = if bits & 2 == 0 {
        f64::from_bits(u64::from(bits & !3) << 32)
    } else {
        f64::from(bits.cast_signed() >> 2)
    };
    if bits & 1 == 0 { value } else { value / 100.0 }
}

/// Content that goes on in further records.
struct Pieces<'a> {
    pieces: std::vec::IntoIter<&'a [u8]>,
    piece: &'a [u8],
}

impl<'a> Pieces<'a> {
    fn new(pieces: Vec<&'a [u8]>) -> Self {
        let mut pieces = pieces.into_iter();
        let piece = pieces.next().unwrap_or_default();
        Self { pieces, piece }
    }

    fn byte(&mut self) -> Option<u8> {
        while self.piece.is_empty() {
            self.piece = self.pieces.next()?;
        }
        let (byte, rest) = self.piece.split_first()?;
        self.piece = rest;
        Some(*byte)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let mut number = 0;
        for place in 0..bytes {
            number |= usize::from(self.byte()?) << (8 * place);
        }
        Some(number)
    }

    fn skip(&mut self, mut bytes: usize) -> Option<()> {
        while bytes > 0 {
            if self.piece.is_empty() {
                self.piece = self.pieces.next()?;
            }
            let (_, rest) = self.piece.split_at(bytes.min(self.piece.len()));
            bytes -= self.piece.len() - rest.len();
            self.piece = rest;
        }
        Some(())
    }

    /// A text with its length before it.
    fn text(&mut self) -> Option<Zeroizing<String>> {
        let length = self.number(2)?;
        self.characters(length)
    }

    /// So many characters, with the byte before them that says how they are written; how they look and sound is passed over.
    fn characters(&mut self, length: usize) -> Option<Zeroizing<String>> {
        let flags = self.byte()?;
        let runs = if flags & 8 == 0 { 0 } else { self.number(2)? };
        let sounds = if flags & 4 == 0 { 0 } else { self.number(4)? };
        let mut is_wide = flags & 1 != 0;
        let mut units = Zeroizing::new(Vec::with_capacity(length.min(1 << 15)));
        while units.len() < length {
            // A text that goes on in another record says anew how it is written.
            if self.piece.is_empty() {
                is_wide = self.byte()? & 1 != 0;
            }
            let unit = self.number(if is_wide { 2 } else { 1 })?;
            units.push(u16::try_from(unit).ok()?);
        }
        self.skip(runs.checked_mul(4)?.checked_add(sounds)?)?;
        Some(Zeroizing::new(
            char::decode_utf16(units.iter().copied()).map(|found| found.unwrap_or('\u{fffd}')).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_are_read() {
        assert!((rk(0x3ff0_0000) - 1.0).abs() < f64::EPSILON);
        assert!((rk((1234 << 2) | 2) - 1234.0).abs() < f64::EPSILON);
        assert!((rk((1234 << 2) | 3) - 12.34).abs() < 1e-9);
        assert!((rk(u32::MAX - 1) + 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_text_goes_on_in_another_record_in_another_writing() {
        let first: &[u8] = &[3, 0, 0, b'a', b'b'];
        let second: &[u8] = &[1, 0xe4, 0, 1, 0, 0, b'x'];
        let mut pieces = Pieces::new(vec![first, second]);
        assert_eq!(pieces.text().unwrap().as_str(), "abä");
        assert_eq!(pieces.text().unwrap().as_str(), "x");
        assert!(pieces.text().is_none());
    }

    #[test]
    fn sectors_in_a_circle_have_no_end() {
        let mut file = vec![0_u8; 512 * 4];
        file[..8].copy_from_slice(&MAGIC);
        file[0x1e] = 9;
        file[0x44..0x48].copy_from_slice(&u32::MAX.to_le_bytes());
        file[0x4c..0x4c + 436].fill(0xff);
        file[0x4c..0x50].copy_from_slice(&0_u32.to_le_bytes());
        // The table is sector 0; sector 1 follows itself.
        file[512..1024].fill(0xff);
        file[516..520].copy_from_slice(&1_u32.to_le_bytes());
        let compound = Compound::open(&file).unwrap();
        assert!(compound.chain(1).is_none());
    }
}
