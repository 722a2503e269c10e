//! Kaspersky Password Manager's text.
//!
//! ```text
//! Websites
//!
//! Website name: …        Applications: Application      Notes: Name
//! Website URL: …         Other Accounts: Account name          Text, over as many lines as it needs
//! Login name: …
//! Login: …
//! Password: …
//! Comment: …, over as many lines as it needs
//!
//! ---
//! ```
//!
//! Signature: a line that begins with `Website name:`, `Application:` or `Account name:` and one with `Password:`; or `Name:` and `Text:`
//! with lines of `---`. Mapping: by those words; headings are passed over; what an account is called besides
//! its login (`Login name`) is a field. A line of `---` within a comment ends it only where an entry or a heading follows.
//! Told: lines that are none of these. Words in other languages are not verified: there every line `word: value` is a field, and
//! headings are told of. The whole text is kept in memory.

use super::ini::numbered;
use super::item::Item;
use super::items::{Document, Found, Kept};
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use std::collections::HashMap;
use std::io::Read;
use zeroize::Zeroizing;

/// What an entry begins with.
const FIRST: &[&str] = &["Website name", "Application", "Account name", "Name"];
/// What else it has.
const WORDS: &[&str] = &["Website URL", "Login name", "Login", "Password"];
/// What runs over lines until the entry ends.
const LONG: &[&str] = &["Comment", "Text"];
/// Lines that say what follows them.
const HEADINGS: &[&str] = &["Websites", "Applications", "Other Accounts", "Notes"];
const BETWEEN: &str = "---";

/// Whether it is such a text.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let line = |words: &[&str]| {
        head.text().lines().any(|line| {
            words.iter().any(|word| line.strip_prefix(word).is_some_and(|rest| rest.starts_with(':')))
        })
    };
    let account = line(&["Website name", "Application", "Account name"]) && line(&["Password"]);
    let note =
        line(&["Name"]) && line(&["Text"]) && head.text().lines().any(|line| line.trim_end() == BETWEEN);
    (account || note).into()
}

/// The word that a line begins with, and what follows it.
fn known<'a>(line: &'a str, words: &[&'static str]) -> Option<(&'static str, &'a str)> {
    words.iter().find_map(|word| {
        let rest = line.strip_prefix(word)?.strip_prefix(':')?;
        Some((*word, rest.strip_prefix(' ').unwrap_or(rest)))
    })
}

/// An entry that is not whole yet.
struct Open {
    line: usize,
    members: Vec<(String, Zeroizing<String>)>,
}

impl Open {
    /// One more member; the first begins the entry.
    fn put(open: &mut Option<Self>, index: usize, name: &str, value: &str) {
        let open = open.get_or_insert_with(|| Self { line: index + 1, members: Vec::new() });
        open.members.push((name.to_owned(), Zeroizing::new(value.to_owned())));
    }

    /// The text that goes on over lines.
    fn long(&mut self) -> Option<&mut Zeroizing<String>> {
        self.members.last_mut().filter(|(name, _)| LONG.contains(&name.as_str())).map(|(_, value)| value)
    }
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("export it again")?;
    let lines: Vec<&str> = text.expose().lines().collect();
    let mut document = Document::default();
    let mut open: Option<Open> = None;
    for (index, line) in lines.iter().enumerate() {
        let plain = line.trim_end();
        let long = open.as_mut().and_then(Open::long);
        if plain == BETWEEN && (long.is_none() || ends(&lines, index + 1)) {
            close(&mut document, open.take());
        } else if let Some(value) = long {
            append(value, line);
        } else if let Some((word, value)) =
            known(line, FIRST).or_else(|| known(line, WORDS)).or_else(|| known(line, LONG))
        {
            Open::put(&mut open, index, word, value);
        } else if plain.is_empty() || (open.is_none() && HEADINGS.contains(&plain)) {
            // How the file is laid out.
        } else if let Some((name, value)) =
            plain.split_once(": ").or_else(|| Some((plain.strip_suffix(':')?, "")))
        {
            // A word of another language.
            Open::put(&mut open, index, name, value);
        } else {
            let at = format!("line {}", index + 1);
            document.tally.read(1);
            document.tally.tell("a line that is no member of an entry stays behind", at, 1);
        }
    }
    close(&mut document, open.take());
    Ok(document.entries(Box::new(fill)))
}

/// Whether what follows a line of `---` is another entry, a heading or the end.
fn ends(lines: &[&str], from: usize) -> bool {
    let rest = lines.get(from..).unwrap_or_default().iter().map(|line| line.trim_end());
    let mut rest = rest.filter(|line| !line.is_empty() && !HEADINGS.contains(line));
    rest.next().is_none_or(|next| known(next, FIRST).is_some())
}

/// Appends a line; where the text must grow, the old one is wiped.
fn append(value: &mut Zeroizing<String>, line: &str) {
    let length = value.len() + line.len() + 1;
    if length > value.capacity() {
        let mut grown = Zeroizing::new(String::with_capacity(length.max(2 * value.capacity())));
        grown.push_str(value);
        *value = grown;
    }
    value.push('\n');
    value.push_str(line);
}

/// An entry, as its members: those that stand twice are numbered.
fn close(document: &mut Document, open: Option<Open>) {
    let Some(Open { line, members: lines }) = open else { return };
    let (mut members, mut seen) = (Members::new(), HashMap::new());
    for (name, mut value) in lines {
        if LONG.contains(&name.as_str()) {
            // Blank lines before the end are how the file is laid out.
            let length = value.trim_end_matches(['\n', '\r', ' ']).len();
            value.truncate(length);
        }
        members.push((numbered(&mut seen, name), Value::Text(value)));
    }
    let value = Value::Object(members);
    document.tally.read(value.leaves());
    document.found.push(Found { value, at: format!("line {line}"), path: Place::default() });
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    for name in FIRST {
        let text = item.simple(&mut members, name);
        if item.record.name.is_empty() {
            item.record.name = text;
        } else {
            item.field(*name, CustomKind::Text, text);
        }
    }
    let url = item.simple(&mut members, "Website URL");
    item.url(url);
    let login = item.simple(&mut members, "Login");
    item.login(login);
    let password = item.simple(&mut members, "Password");
    item.password("Password", password);
    let account = item.simple(&mut members, "Login name");
    item.field("Login name", CustomKind::Text, account);
    for name in LONG {
        let text = item.simple(&mut members, name);
        item.note(&text);
    }
    for (label, value) in members {
        item.tally.carried(value.leaves());
        let text = value.into_text().unwrap_or_default();
        item.labelled(label, text);
    }
    Kept::Record
}
