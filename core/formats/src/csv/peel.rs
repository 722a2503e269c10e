//! Layers around a table that programs put there, and that are taken off before anything else looks at the bytes.
//!
//! Quotes around each row as a whole: scripts around Netwrix Password Secure write such files, and spreadsheets do that open a
//! table with another delimiter than theirs; taken off row by row, lines keep their numbers. A web page around all of it:
//! `LastPass` shows its export as one, and people save that; it is read whole.

use super::rows::{Dialect, Splitter, find_delimiter};
use super::{entities, managers};
use crate::columns;
use crate::wiped::append;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::io::{self, Cursor, Read};
use zeroize::Zeroizing;

/// Bytes in which the first row has to end.
const HEAD: u64 = 1 << 16;
/// A page is no larger.
const MOST_PAGE: u64 = 1 << 28;
/// A row beyond this has a quote that never closes: from there on bytes pass as they are.
const MOST: usize = 1 << 26;
/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What stood around a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    None,
    /// Each row stands in quotes as a whole.
    Quotes,
    /// A web page.
    Page,
}

impl Layer {
    /// What is said of it.
    pub(super) fn note(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Quotes => Some("each row stands in one more layer of quotes, which is taken off"),
            Self::Page => Some(
                "the table stands in a web page, of which nothing else is read; lines count from the table on",
            ),
        }
    }
}

/// The input with its layer off, and which there was.
///
/// # Errors
/// What the input says; [`ErrorKind::Input`] for a page of more than 256 MiB.
pub(super) fn off(mut input: Box<dyn Read + Send>) -> Result<(Box<dyn Read + Send>, Layer)> {
    let mut start = Zeroizing::new(Vec::with_capacity(1 << 16));
    input.by_ref().take(HEAD).read_to_end(&mut start).map_err(Error::stream)?;
    if page(&start).is_some() {
        let mut rest = input.take(MOST_PAGE);
        let mut chunk = Zeroizing::new(vec![0; 1 << 16]);
        loop {
            match rest.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => append(&mut start, chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::stream(error)),
            }
        }
        if rest.limit() == 0 {
            return Err(Error::new(ErrorKind::Input, "the page is larger than 256 MiB, which is read whole"));
        }
        return Ok((Box::new(Cursor::new(page(&start).unwrap_or_default())), Layer::Page));
    }
    let is_wrapped = is_wrapped(&start);
    let whole = Cursor::new(start).chain(input);
    Ok(if is_wrapped {
        (Box::new(Peeled::new(whole)), Layer::Quotes)
    } else {
        (Box::new(whole), Layer::None)
    })
}

/// The beginning of a file with its layer off; `None` where there is none.
pub(super) fn head(start: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    page(start).or_else(|| {
        is_wrapped(start).then(|| {
            let (mut peeler, mut out) = (Peeler::default(), Zeroizing::new(Vec::new()));
            peeler.feed(start, &mut out);
            peeler.finish(&mut out);
            out
        })
    })
}

/// The text that a web page shows as it is (`<pre>`), where a manager's table begins with it; a page that is cut off has no end.
fn page(start: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let bare = start.strip_prefix(MARK).unwrap_or(start).trim_ascii_start();
    if !bare.starts_with(b"<") {
        return None;
    }
    let text = std::str::from_utf8(bare).or_else(|error| {
        // The head of a file may end within a letter.
        let whole = bare.get(..error.valid_up_to()).filter(|_| error.error_len().is_none());
        std::str::from_utf8(whole.unwrap_or(b"\xff"))
    });
    let text = text.ok()?;
    let begins = memchr::memmem::find(text.as_bytes(), b"<pre")?;
    let (_, text) = text.get(begins..)?.split_once('>')?;
    let text = text.split_once("</pre>").map_or(text, |(text, _)| text).trim_start_matches(['\r', '\n']);
    let plain = entities::decoded(text).unwrap_or_else(|| Zeroizing::new(text.to_owned()));
    let bytes = Zeroizing::new(plain.as_bytes().to_vec());
    is_table(&bytes).then_some(bytes)
}

/// Whether a manager's table begins with this text.
pub(super) fn is_table(text: &[u8]) -> bool {
    names(text).is_some_and(|names| managers::find(&names).is_some())
}

/// The cells of the first row.
fn names(text: &[u8]) -> Option<Vec<String>> {
    let mut splitter = Splitter::new(Dialect { delimiter: find_delimiter(text, None), escape: None });
    let is_whole = splitter.feed(text).1 || splitter.finish();
    let cells = || splitter.row.cells().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
    (is_whole && splitter.row.fault.is_none()).then(cells)
}

/// Whether the first row stands in quotes as a whole, and is a header within them.
fn is_wrapped(start: &[u8]) -> bool {
    let bare = start.strip_prefix(MARK).unwrap_or(start);
    if !bare.starts_with(b"\"") {
        return false;
    }
    let (mut peeler, mut row) = (Peeler::default(), Zeroizing::new(Vec::new()));
    for line in bare.split_inclusive(|byte| *byte == b'\n') {
        peeler.feed(line, &mut row);
        if !row.is_empty() {
            break;
        }
    }
    peeler.finish(&mut row);
    if bare.starts_with(&row) {
        return false;
    }
    let Some(names) = names(&row) else { return false };
    let known = names.iter().filter(|name| columns::is_known(name)).count();
    names.len() > 1 && (known > 1 || managers::find(&names).is_some())
}

/// Takes the layer off rows that come in pieces.
#[derive(Default)]
struct Peeler {
    row: Zeroizing<Vec<u8>>,
    is_quoted: bool,
    /// A quote never closed: what comes passes as it is.
    gave_up: bool,
}

impl Peeler {
    /// Takes bytes, and gives the rows that end in them.
    fn feed(&mut self, mut bytes: &[u8], out: &mut Zeroizing<Vec<u8>>) {
        while !bytes.is_empty() && !self.gave_up {
            let end = bytes.iter().position(|byte| {
                self.is_quoted ^= *byte == b'"';
                *byte == b'\n' && !self.is_quoted
            });
            let (now, later) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            append(&mut self.row, now);
            bytes = later;
            if end.is_some() {
                self.finish(out);
            }
            self.gave_up = self.row.len() > MOST;
        }
        if self.gave_up {
            append(out, &std::mem::take(&mut self.row));
            append(out, bytes);
        }
    }

    /// Gives the row that is there.
    fn finish(&mut self, out: &mut Zeroizing<Vec<u8>>) {
        let row = std::mem::take(&mut self.row);
        let (mark, row) = match row.strip_prefix(MARK) {
            Some(rest) => (MARK, rest),
            None => (&b""[..], row.as_slice()),
        };
        let text = row.strip_suffix(b"\n").unwrap_or(row);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let line_break = row.get(text.len()..).unwrap_or_default();
        append(out, mark);
        match plain(text) {
            Some(text) => {
                append(out, &text);
                append(out, line_break);
            }
            None => append(out, row),
        }
    }
}

/// What stands between two quotes, where every quote within is doubled.
fn plain(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut inside = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut out = Zeroizing::new(Vec::with_capacity(inside.len()));
    while let Some(at) = inside.iter().position(|byte| *byte == b'"') {
        let (before, rest) = inside.split_at(at + 1);
        inside = rest.strip_prefix(b"\"")?;
        out.extend_from_slice(before);
    }
    out.extend_from_slice(inside);
    Some(out)
}

/// A reader with the layer off.
struct Peeled<R> {
    input: R,
    peeler: Peeler,
    chunk: Zeroizing<Vec<u8>>,
    out: Zeroizing<Vec<u8>>,
    at: usize,
    ended: bool,
}

impl<R: Read> Peeled<R> {
    fn new(input: R) -> Self {
        let chunk = Zeroizing::new(vec![0; 1 << 16]);
        let out = Zeroizing::new(Vec::new());
        Self { input, peeler: Peeler::default(), chunk, out, at: 0, ended: false }
    }
}

impl<R: Read> Read for Peeled<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() && !self.ended {
            self.out = Zeroizing::new(Vec::new());
            self.at = 0;
            let count = match self.input.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            if count == 0 {
                self.ended = true;
                self.peeler.finish(&mut self.out);
            } else {
                self.peeler.feed(self.chunk.get(..count).unwrap_or_default(), &mut self.out);
            }
        }
        let rest = self.out.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str, step: usize) -> (String, bool) {
        /// Gives a few bytes at a time.
        struct Drops(Vec<u8>, usize);
        impl Read for Drops {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.1.min(self.0.len()).min(buffer.len());
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0.drain(..count);
                Ok(count)
            }
        }
        let (mut input, was) = off(Box::new(Drops(text.as_bytes().to_vec(), step))).unwrap();
        let mut out = String::new();
        input.read_to_string(&mut out).unwrap();
        (out, was != Layer::None)
    }

    #[test]
    fn a_layer_of_quotes_around_every_row_is_taken_off() {
        let plain = "name;login;password\r\n\"a \"\"b\"\"\";u;\"p\r\nq\"\r\nbare;u;p\r\n";
        let wrapped =
            "\"name;login;password\"\r\n\"\"\"a \"\"\"\"b\"\"\"\"\"\";u;\"\"p\r\nq\"\"\"\r\nbare;u;p\r\n";
        for step in [1, 7, 1 << 20] {
            assert_eq!(through(wrapped, step), (plain.to_owned(), true));
            assert_eq!(through(&format!("\u{feff}{wrapped}"), step), (format!("\u{feff}{plain}"), true));
            assert_eq!(through(wrapped.trim_end(), step), (plain.trim_end().to_owned(), true));
        }
        assert_eq!(head(wrapped.as_bytes()).unwrap().as_slice(), plain.as_bytes());
    }

    #[test]
    fn a_page_around_a_table_is_left_out() {
        let table = "url,username,password,extra,name,grouping,fav\nhttps://a.example,u,p&q,\"n\nm\",A,G,0\n";
        let page = format!(
            "<html><head><title>x</title></head>\n<body><pre>{}</pre></body></html>",
            table.replace('&', "&amp;")
        );
        for step in [1, 1 << 20] {
            assert_eq!(through(&page, step), (table.to_owned(), true));
            let cut = page.find("</pre>").unwrap();
            assert_eq!(through(&page[..cut], step), (table.to_owned(), true));
        }
        for other in
            ["<html><pre>a,b\n1,2</pre></html>", "<html></html>", "<pre", "<?xml version=\"1.0\"?><a/>"]
        {
            assert_eq!(through(other, 3), (other.to_owned(), false));
        }
    }

    #[test]
    fn any_other_table_passes_as_it_is() {
        for text in [
            "name,password\na,b\n",
            "\"name\",\"password\"\n\"a\",\"b\"\n",
            "\"name,password\",\"x\"\na,b\n",
            "\"one column, with a comma\"\n\"x\"\n",
            "\"name\n",
            "\"",
            "",
        ] {
            assert_eq!(through(text, 3), (text.to_owned(), false), "{text}");
            assert!(head(text.as_bytes()).is_none(), "{text}");
        }
    }
}
