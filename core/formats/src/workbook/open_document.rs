//! The cells of an `.ods`: `content.xml`, in which rows and cells may stand for many.

use super::{Cells, damaged, local, number, text_of};
use crate::xml::{Step, Tag, Xml};
use crate::zip::Zip;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// Spaces that one element may stand for.
const MOST_SPACES: usize = 1 << 16;

/// The sheets of a workbook, and how many comments stand in them.
pub(super) fn sheets(zip: &mut Zip) -> Result<(Cells, u64)> {
    if text_of(zip, "META-INF/manifest.xml")?.is_some_and(|manifest| manifest.contains("encryption-data")) {
        return Err(Error::new(ErrorKind::Input, "this workbook is protected with a password").next_step(
            "save it without one, onto an encrypted disk, and import that; shred the file afterwards",
        ));
    }
    let Some(content) = text_of(zip, "content.xml")? else { return Err(damaged("it has no content")) };
    let mut walk = Walk { xml: Xml::new(&content), cells: Cells::default(), comments: 0 };
    walk.sheets()?;
    Ok((walk.cells, walk.comments))
}

/// The value of an attribute, whatever its prefix.
fn attribute<'t>(tag: &'t Tag<'_>, name: &str) -> Option<&'t str> {
    tag.attributes.iter().find(|(key, _)| local(key) == name).map(|(_, value)| value.as_str())
}

/// How many times an element stands there.
fn times(tag: &Tag<'_>, name: &str) -> u64 {
    attribute(tag, name).and_then(|times| times.parse().ok()).unwrap_or(1).max(1)
}

struct Walk<'a> {
    xml: Xml<'a>,
    cells: Cells,
    comments: u64,
}

impl Walk<'_> {
    fn sheets(&mut self) -> Result<()> {
        loop {
            match self.xml.step()? {
                Step::Open(tag) if local(tag.name) == "table" => {
                    let name = attribute(&tag, "name").unwrap_or_default().to_owned();
                    self.cells.sheet(&name);
                    self.sheet()?;
                }
                Step::End => return Ok(()),
                Step::Open(_) | Step::Text(_) | Step::Close => {}
            }
        }
    }

    /// The rows of an open sheet; groups and headers of rows are passed through.
    fn sheet(&mut self) -> Result<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.xml.step()? {
                Step::Open(tag) if local(tag.name) == "table-row" => {
                    let times = times(&tag, "number-rows-repeated");
                    self.row()?;
                    self.cells.end_row(times)?;
                }
                Step::Open(tag) if matches!(local(tag.name), "shapes" | "forms" | "named-expressions") => {
                    self.skip()?;
                }
                Step::Open(_) => depth += 1,
                Step::Close => depth -= 1,
                Step::Text(_) => {}
                Step::End => return Err(damaged("a sheet has no end")),
            }
        }
        Ok(())
    }

    fn skip(&mut self) -> Result<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.xml.step()? {
                Step::Open(_) => depth += 1,
                Step::Close => depth -= 1,
                Step::Text(_) => {}
                Step::End => return Err(damaged("it ends in the middle")),
            }
        }
        Ok(())
    }

    fn row(&mut self) -> Result<()> {
        let mut column = 0_usize;
        loop {
            match self.xml.step()? {
                Step::Open(tag) if matches!(local(tag.name), "table-cell" | "covered-table-cell") => {
                    let times = usize::try_from(times(&tag, "number-columns-repeated")).unwrap_or(usize::MAX);
                    let text = self.cell(&tag)?;
                    if !text.is_empty() {
                        for further in 0..times {
                            self.cells.put(column.saturating_add(further), text.clone())?;
                        }
                    }
                    column = column.saturating_add(times);
                }
                Step::Open(_) => self.skip()?,
                Step::Close => return Ok(()),
                Step::Text(_) => {}
                Step::End => return Err(damaged("a row has no end")),
            }
        }
    }

    /// The value of an open cell: what its attributes say, or its paragraphs.
    fn cell(&mut self, tag: &Tag<'_>) -> Result<Zeroizing<String>> {
        let shown = self.paragraphs()?;
        let value = |name: &str| attribute(tag, name).map(|text| Zeroizing::new(text.to_owned()));
        let found = match attribute(tag, "value-type").unwrap_or_default() {
            // What a percentage or an amount looks like is not what it is; both are numbers.
            "float" | "percentage" | "currency" => value("value").map(number),
            "boolean" => value("boolean-value").map(|text| Zeroizing::new(text.to_ascii_uppercase())),
            "date" => value("date-value").map(|text| match text.strip_suffix("T00:00:00") {
                Some(day) => Zeroizing::new(day.to_owned()),
                None => Zeroizing::new(text.replacen('T', " ", 1)),
            }),
            "string" => value("string-value"),
            _ => None,
        };
        Ok(found.unwrap_or(shown))
    }

    /// The paragraphs of an open cell, a line each.
    fn paragraphs(&mut self) -> Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::new());
        let (mut depth, mut count) = (1_usize, 0_usize);
        // How deep the paragraph stands that is open.
        let mut paragraph = None;
        let mut push = |piece: &str| {
            if text.capacity() - text.len() < piece.len() {
                let mut grown = Zeroizing::new(String::with_capacity((text.len() + piece.len()) * 2));
                grown.push_str(&text);
                text = grown;
            }
            text.push_str(piece);
        };
        while depth > 0 {
            match self.xml.step()? {
                Step::Open(tag) => match local(tag.name) {
                    "annotation" => {
                        self.comments += 1;
                        self.skip()?;
                    }
                    name => {
                        depth += 1;
                        match name {
                            "p" if paragraph.is_none() => {
                                if count > 0 {
                                    push("\n");
                                }
                                count += 1;
                                paragraph = Some(depth);
                            }
                            "s" if paragraph.is_some() => {
                                let spaces = usize::try_from(times(&tag, "c")).unwrap_or(usize::MAX);
                                push(&" ".repeat(spaces.min(MOST_SPACES)));
                            }
                            "tab" if paragraph.is_some() => push("\t"),
                            "line-break" if paragraph.is_some() => push("\n"),
                            _ => {}
                        }
                    }
                },
                Step::Text(piece) if paragraph.is_some() => push(&piece),
                Step::Text(_) => {}
                Step::Close => {
                    if paragraph == Some(depth) {
                        paragraph = None;
                    }
                    depth -= 1;
                }
                Step::End => return Err(damaged("a cell has no end")),
            }
        }
        Ok(text)
    }
}
