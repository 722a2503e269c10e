//! The parts of an `.xlsx`: which sheets there are, the texts that cells share, which numbers are dates, and the cells.

use super::{Cells, damaged, local, number, text_of};
use crate::date;
use crate::xml::{Step, Tag, Xml};
use crate::zip::Zip;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::collections::HashMap;
use zeroize::Zeroizing;

const BOOK: &str = "xl/workbook.xml";
const RELATIONS: &str = "xl/_rels/workbook.xml.rels";

/// The sheets of a workbook, and how many comments stand beside them.
pub(super) fn sheets(zip: &mut Zip) -> Result<(Cells, u64)> {
    let Some(book) = text_of(zip, BOOK)? else {
        return Err(Error::new(ErrorKind::Input, "this is no workbook: it has no sheets")
            .next_step("save what holds the secrets as CSV (UTF-8), and import that"));
    };
    let relations = text_of(zip, RELATIONS)?.unwrap_or_default();
    let targets = targets(&relations)?;
    let (names, is_1904) = names(&book)?;
    let part = |kind: &str, usual: &str| {
        let found = targets.values().find(|(of, _)| of.ends_with(kind));
        found.map_or_else(|| usual.to_owned(), |(_, target)| target.clone())
    };
    let shared = shared(&text_of(zip, &part("/sharedStrings", "xl/sharedStrings.xml"))?.unwrap_or_default())?;
    let styles = text_of(zip, &part("/styles", "xl/styles.xml"))?.unwrap_or_default();
    let book = Book { shared, dates: dates(&styles)?, is_1904 };
    let mut cells = Cells::default();
    for (name, id) in names {
        // Charts and dialogues are sheets too, and have no cells.
        let Some((kind, target)) = targets.get(&id) else { continue };
        if !kind.ends_with("/worksheet") {
            continue;
        }
        let Some(sheet) = text_of(zip, target)? else { return Err(damaged("a sheet is missing")) };
        cells.sheet(&name);
        book.cells(&sheet, &mut cells)?;
    }
    let notes: Vec<String> = zip
        .names()
        .filter(|name| name.starts_with("xl/comments") || name.starts_with("xl/threadedComments/"))
        .map(str::to_owned)
        .collect();
    let mut comments = 0;
    for name in notes {
        comments += count(&text_of(zip, &name)?.unwrap_or_default(), &["comment", "threadedComment"])?;
    }
    Ok((cells, comments))
}

/// Elements of these names.
fn count(document: &str, names: &[&str]) -> Result<u64> {
    let mut found = 0;
    each(document, |tag| {
        found += u64::from(names.contains(&local(tag.name)));
        Ok(())
    })?;
    Ok(found)
}

/// Looks at every tag of a document; one that is not there has none.
fn each(document: &str, mut look: impl FnMut(&Tag<'_>) -> Result<()>) -> Result<()> {
    if document.is_empty() {
        return Ok(());
    }
    let mut xml = Xml::new(document);
    loop {
        match xml.step()? {
            Step::Open(tag) => look(&tag)?,
            Step::End => return Ok(()),
            Step::Text(_) | Step::Close => {}
        }
    }
}

/// Kinds and members of the parts, by their ids.
fn targets(relations: &str) -> Result<HashMap<String, (String, String)>> {
    let mut all = HashMap::new();
    each(relations, |tag| {
        if let (Some(id), Some(kind), Some(target)) =
            (tag.attribute("Id"), tag.attribute("Type"), tag.attribute("Target"))
        {
            let target = target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned);
            all.insert(id.to_owned(), (kind.to_owned(), target));
        }
        Ok(())
    })?;
    Ok(all)
}

/// Names of the sheets with the ids of their parts, and whether days are counted from 1904 on.
fn names(book: &str) -> Result<(Vec<(String, String)>, bool)> {
    let (mut names, mut is_1904) = (Vec::new(), false);
    each(book, |tag| {
        match local(tag.name) {
            "sheet" => {
                let id = tag.attributes.iter().find(|(name, _)| local(name) == "id" && name.contains(':'));
                let id = id.map(|(_, id)| id.as_str().to_owned()).unwrap_or_default();
                names.push((tag.attribute("name").unwrap_or_default().to_owned(), id));
            }
            "workbookPr" => is_1904 = tag.is("date1904"),
            _ => {}
        }
        Ok(())
    })?;
    Ok((names, is_1904))
}

/// The texts that cells share, by their numbers.
fn shared(document: &str) -> Result<Vec<Zeroizing<String>>> {
    let mut all = Vec::new();
    if document.is_empty() {
        return Ok(all);
    }
    let mut xml = Xml::new(document);
    loop {
        match xml.step()? {
            Step::Open(tag) if local(tag.name) == "si" => all.push(rich(&mut xml)?),
            Step::End => return Ok(all),
            Step::Open(_) | Step::Text(_) | Step::Close => {}
        }
    }
}

/// The text of an open element: of all its `t`, but not how it is pronounced.
fn rich(xml: &mut Xml<'_>) -> Result<Zeroizing<String>> {
    let mut text = Text::default();
    let (mut depth, mut texts, mut spoken) = (1_usize, 0_usize, 0_usize);
    // The names of what is open, to know what closes.
    let mut open: Vec<u8> = Vec::new();
    while depth > 0 {
        match xml.step()? {
            Step::Open(tag) => {
                depth += 1;
                let kind = match local(tag.name) {
                    "t" => 1,
                    "rPh" => 2,
                    _ => 0,
                };
                texts += usize::from(kind == 1);
                spoken += usize::from(kind == 2);
                open.push(kind);
            }
            Step::Text(piece) if texts > 0 && spoken == 0 => text.push(&piece),
            Step::Text(_) => {}
            Step::Close => {
                depth -= 1;
                match open.pop() {
                    Some(1) => texts -= 1,
                    Some(2) => spoken -= 1,
                    _ => {}
                }
            }
            Step::End => return Err(damaged("a text has no end")),
        }
    }
    Ok(unescaped(text.0))
}

/// A text that grows without leaving parts of it behind.
#[derive(Default)]
struct Text(Zeroizing<String>);

impl Text {
    fn push(&mut self, piece: &str) {
        if self.0.capacity() - self.0.len() < piece.len() {
            let mut grown = Zeroizing::new(String::with_capacity((self.0.len() + piece.len()) * 2));
            grown.push_str(&self.0);
            self.0 = grown;
        }
        self.0.push_str(piece);
    }
}

/// `_x000D_` is how a character stands there that XML does not have.
fn unescaped(text: Zeroizing<String>) -> Zeroizing<String> {
    if !text.contains("_x") {
        return text;
    }
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text.as_str();
    while let Some(at) = rest.find("_x") {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let code = after.get(2..6).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let character = code.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        if let Some(character) = character.filter(|_| after.get(6..7) == Some("_")) {
            out.push(character);
            rest = after.get(7..).unwrap_or_default();
        } else {
            out.push_str("_x");
            rest = after.get(2..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Which styles of cells are dates.
fn dates(styles: &str) -> Result<Vec<bool>> {
    let (mut custom, mut formats, mut within) = (HashMap::new(), Vec::new(), false);
    each(styles, |tag| {
        let id = tag.attribute("numFmtId").and_then(|id| id.parse::<u32>().ok());
        match (local(tag.name), id) {
            ("numFmt", Some(id)) => {
                custom.insert(id, is_date(tag.attribute("formatCode").unwrap_or_default()));
            }
            // The same element stands in a list of named styles before.
            ("cellXfs", _) => within = true,
            ("cellStyles" | "dxfs", _) => within = false,
            ("xf", id) if within => formats.push(id.unwrap_or_default()),
            _ => {}
        }
        Ok(())
    })?;
    Ok(formats.iter().map(|id| custom.get(id).copied().unwrap_or_else(|| is_usual_date(*id))).collect())
}

/// Whether a format of numbers that every program has by its number is one of dates.
pub(super) fn is_usual_date(id: u32) -> bool {
    matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58)
}

/// Whether a format of numbers shows parts of a date: letters outside of quotes and brackets.
pub(super) fn is_date(code: &str) -> bool {
    let (mut quoted, mut bracketed) = (false, false);
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' | '_' | '*' if !quoted => drop(characters.next()),
            '"' => quoted = !quoted,
            '[' if !quoted => bracketed = true,
            ']' if !quoted => bracketed = false,
            'd' | 'm' | 'y' | 'h' | 's' | 'D' | 'M' | 'Y' | 'H' | 'S' if !quoted && !bracketed => {
                return true;
            }
            _ => {}
        }
    }
    false
}

struct Book {
    shared: Vec<Zeroizing<String>>,
    dates: Vec<bool>,
    is_1904: bool,
}

impl Book {
    fn cells(&self, sheet: &str, cells: &mut Cells) -> Result<()> {
        let mut xml = Xml::new(sheet);
        let (mut column, mut in_row) = (0, false);
        loop {
            match xml.step()? {
                Step::Open(tag) if local(tag.name) == "row" => {
                    if let Some(number) = tag.attribute("r").and_then(|number| number.parse().ok()) {
                        if number < cells.number {
                            return Err(damaged("its rows are not in order"));
                        }
                        cells.number = number;
                    }
                    (column, in_row) = (0, true);
                }
                Step::Open(tag) if in_row && local(tag.name) == "c" => {
                    column = tag.attribute("r").and_then(column_of).unwrap_or(column);
                    let kind = tag.attribute("t").unwrap_or("n").to_owned();
                    let style = tag.attribute("s").and_then(|style| style.parse().ok()).unwrap_or(0_usize);
                    let text = self.cell(&mut xml, &kind, style)?;
                    cells.put(column, text)?;
                    column += 1;
                }
                // What stands in a row beside cells is closed before it is.
                Step::Open(_) if in_row => skip(&mut xml)?,
                Step::Close if in_row => {
                    in_row = false;
                    cells.end_row(1)?;
                }
                Step::End => return Ok(()),
                Step::Open(_) | Step::Text(_) | Step::Close => {}
            }
        }
    }

    /// The text of an open cell.
    fn cell(&self, xml: &mut Xml<'_>, kind: &str, style: usize) -> Result<Zeroizing<String>> {
        let (mut value, mut inline) = (Text::default(), None);
        let (mut depth, mut in_value) = (1_usize, false);
        while depth > 0 {
            match xml.step()? {
                Step::Open(tag) if local(tag.name) == "is" => inline = Some(rich(xml)?),
                Step::Open(tag) => {
                    depth += 1;
                    in_value = local(tag.name) == "v";
                }
                Step::Text(piece) if in_value => value.push(&piece),
                Step::Text(_) => {}
                Step::Close => {
                    depth -= 1;
                    in_value = false;
                }
                Step::End => return Err(damaged("a cell has no end")),
            }
        }
        let value = value.0;
        Ok(match kind {
            "s" => {
                let shared = value.trim().parse::<usize>().ok().and_then(|number| self.shared.get(number));
                match shared {
                    Some(text) => text.clone(),
                    None if value.is_empty() => value,
                    None => return Err(damaged("a cell names a text that is not there")),
                }
            }
            "inlineStr" => inline.unwrap_or_default(),
            "str" => unescaped(value),
            "b" => Zeroizing::new(if value.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned()),
            "n" if self.dates.get(style).copied().unwrap_or_default() => {
                let date = value.trim().parse().ok().and_then(|days| day_or_time(days, self.is_1904));
                date.map_or(value, Zeroizing::new)
            }
            "n" => number(value),
            _ => value,
        })
    }
}

/// The day, or day and time, of a number of days; `None` for one that is none.
pub(super) fn day_or_time(days: f64, is_1904: bool) -> Option<String> {
    // Days are counted from here to 1970.
    let epoch = if is_1904 { 24_107.0 } else { 25_569.0 };
    if !(0.0..2_958_466.0).contains(&days) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let seconds = ((days - epoch) * 86_400.0).round() as i64;
    let clock = seconds.rem_euclid(86_400);
    let time = format!("{:02}:{:02}:{:02}", clock / 3600, clock / 60 % 60, clock % 60);
    Some(match (days < 1.0, clock) {
        (true, _) => time,
        (false, 0) => date::day(seconds),
        (false, _) => format!("{} {time}", date::day(seconds)),
    })
}

/// Passes over an open element.
fn skip(xml: &mut Xml<'_>) -> Result<()> {
    let mut depth = 1_usize;
    while depth > 0 {
        match xml.step()? {
            Step::Open(_) => depth += 1,
            Step::Close => depth -= 1,
            Step::Text(_) => {}
            Step::End => return Err(damaged("a row has no end")),
        }
    }
    Ok(())
}

/// The column of a cell's name, counted from 0: `AB12` is 27.
fn column_of(name: &str) -> Option<usize> {
    let mut column = 0_usize;
    for letter in name.bytes().take_while(u8::is_ascii_alphabetic) {
        column = column.checked_mul(26)?.checked_add(usize::from(letter.to_ascii_uppercase() - b'A') + 1)?;
    }
    column.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cells_are_columns() {
        for (name, wanted) in
            [("A1", Some(0)), ("Z9", Some(25)), ("AB12", Some(27)), ("XFD1", Some(16_383)), ("12", None)]
        {
            assert_eq!(column_of(name), wanted, "{name}");
        }
        assert_eq!(column_of(&"Z".repeat(99)), None);
    }

    #[test]
    fn formats_with_parts_of_a_date_are_dates() {
        for code in ["yyyy-mm-dd", "[$-409]h:mm AM/PM", "dd\\.mm\\.yy;@"] {
            assert!(is_date(code), "{code}");
        }
        for code in ["General", "0.00", "[Red]0", "\"days\" 0", "#,##0\\ \"d\""] {
            assert!(!is_date(code), "{code}");
        }
    }

    #[test]
    fn days_are_dates_and_times() {
        assert_eq!(day_or_time(45_292.0, false).as_deref(), Some("2024-01-01"));
        assert_eq!(day_or_time(43_830.0, true).as_deref(), Some("2024-01-01"));
        assert_eq!(day_or_time(45_292.5, false).as_deref(), Some("2024-01-01 12:00:00"));
        assert_eq!(day_or_time(0.25, false).as_deref(), Some("06:00:00"));
        assert_eq!(day_or_time(1e12, false), None);
    }

    #[test]
    fn characters_that_xml_lacks_come_back() {
        let plain = |text: &str| unescaped(Zeroizing::new(text.to_owned())).to_string();
        assert_eq!(plain("a_x000D_\nb_x005F_x000D_"), "a\r\nb_x000D_");
        assert_eq!(plain("_x00"), "_x00");
        assert_eq!(plain("p_xylophone"), "p_xylophone");
    }
}
