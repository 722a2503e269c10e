//! The beginning of a file, as the formats look at it to say whether it is theirs.

use crate::decode;
use crate::json::{self, Value};
use crate::xml;
use crate::zip;
use std::borrow::Cow;
use std::cell::OnceCell;
use zeroize::Zeroizing;

/// How well a file fits a format. Only the best fit counts, and two that are equally good are told to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// It is another's.
    No,
    /// It has the outer form and nothing that only this format has.
    Form,
    /// It has what only this format has.
    Signature,
    /// It is sealed by this format, whatever it holds: what stands around the seal is another's.
    Seal,
}

impl From<bool> for Fit {
    /// A signature that is there or not.
    fn from(is_there: bool) -> Self {
        if is_there { Fit::Signature } else { Fit::No }
    }
}

/// How much of a file is looked at before a format is taken.
pub const HEAD: usize = 64 << 10;

/// Some KiB from the start of a file, decoded once for all formats.
pub(crate) struct Head<'a> {
    /// As they stand in the file.
    pub(crate) bytes: &'a [u8],
    name: &'a str,
    text: Zeroizing<String>,
    document: Option<Value>,
    rows: OnceCell<Option<Vec<Vec<String>>>>,
    members: OnceCell<Vec<String>>,
    elements: OnceCell<Vec<String>>,
}

/// What files may begin with before anything that counts.
const BLANK: [char; 5] = ['\u{feff}', ' ', '\t', '\r', '\n'];

impl<'a> Head<'a> {
    /// The head of a file of this name; a file without a name has an empty one.
    pub(crate) fn of(bytes: &'a [u8], name: &'a str) -> Self {
        let text = text_of(bytes);
        let start = text.trim_start_matches(BLANK);
        let document = if start.starts_with(['{', '[']) { json::parse_head(start).ok() } else { None };
        Self {
            bytes,
            name,
            text,
            document,
            rows: OnceCell::new(),
            members: OnceCell::new(),
            elements: OnceCell::new(),
        }
    }

    /// Without a mark and blanks at its start. The character that the end cut is U+FFFD.
    pub(crate) fn text(&self) -> &str {
        self.text.trim_start_matches(BLANK)
    }

    /// The first line that is not blank, and whether all of it is here.
    pub(crate) fn first_line(&self) -> (&str, bool) {
        let text = self.text();
        let line = text.lines().next().unwrap_or_default();
        (line, line.len() < text.trim_end().len())
    }

    /// The document, where it is JSON: what the end cut is closed there.
    pub(crate) fn json(&self) -> Option<&Value> {
        self.document.as_ref()
    }

    /// Whether it begins as a JSON object or list.
    pub(crate) fn looks_like_json(&self) -> bool {
        self.text().starts_with(['{', '['])
    }

    /// The cells of its first rows, where it is a table; found once, for every table that asks.
    pub(crate) fn rows(
        &self,
        find: impl FnOnce(&Self) -> Option<Vec<Vec<String>>>,
    ) -> Option<&[Vec<String>]> {
        self.rows.get_or_init(|| find(self)).as_deref()
    }

    /// The names of the first members, where it is a zip archive.
    pub(crate) fn members(&self) -> &[String] {
        self.members.get_or_init(|| zip::first_names(self.bytes))
    }

    /// Whether it is XML, and such an element stands in its beginning: `database/card`.
    pub(crate) fn has_element(&self, path: &str) -> bool {
        self.elements.get_or_init(|| xml::outline(self.text())).iter().any(|element| element == path)
    }

    /// The file's name, without the folders that it stands in.
    pub(crate) fn name(&self) -> &str {
        self.name.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// What follows the last dot of the file's name, in small letters.
    pub(crate) fn ending(&self) -> Option<String> {
        self.name().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
    }
}

/// The head as text.
fn text_of(head: &[u8]) -> Zeroizing<String> {
    let marked = encoding_rs::Encoding::for_bom(head);
    let text: Cow<'_, str> = match marked.or_else(|| decode::utf_16(head).map(|encoding| (encoding, 0))) {
        Some((encoding, mark)) => {
            encoding.decode_without_bom_handling(head.get(mark..).unwrap_or_default()).0
        }
        None => String::from_utf8_lossy(head),
    };
    Zeroizing::new(text.into_owned())
}
