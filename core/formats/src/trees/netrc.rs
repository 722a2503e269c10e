//! `.netrc`, and Emacs' `.authinfo`: logins of machines, in words.
//!
//! Signature: a first word `machine`, `default` or `macdef`, and a word `login` or `password` further on.
//! Mapping: a machine is a record of that name and address; `login` (or `user`), `password`; `account`, `port` and other words
//! are fields. A word in quotes knows `\"`, `\\`, `\n`, `\r`, `\t` (k: curl's spelling). Told: macros, a last word without a value.

use crate::columns::kind_of;
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::managers::item::Item;
use crate::tally::Tally;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Position, Result};
use keyferry_crypto::model::{CustomKind, Entry};
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is one.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let words = Words { text: head.text(), line: 1 };
    let mut words = words.map(|(_, word)| word);
    let begins = words.next().is_some_and(|word| matches!(word.as_str(), "machine" | "default" | "macdef"));
    let mut words = words.take(4096).enumerate();
    // Where a keyword follows at once, it is the header of a table.
    let is_login = |word: &Zeroizing<String>| matches!(word.as_str(), "login" | "password");
    (begins && words.find(|(_, word)| is_login(word)).is_some_and(|(at, _)| at > 0)).into()
}

/// Words with the lines that they stand in; comments are none.
struct Words<'a> {
    text: &'a str,
    line: u64,
}

impl Words<'_> {
    fn blanks(&mut self) {
        let rest = self.text.trim_start();
        let passed = self.text.get(..self.text.len() - rest.len()).unwrap_or_default();
        self.line += passed.matches('\n').count() as u64;
        self.text = rest;
    }

    /// Comments stand where a keyword may: a value may begin with `#`.
    fn comments(&mut self) {
        self.blanks();
        while self.text.starts_with('#') {
            self.text = self.text.find('\n').and_then(|end| self.text.get(end..)).unwrap_or_default();
            self.blanks();
        }
    }

    /// The word that a keyword has as its value.
    fn value(&mut self) -> Option<Zeroizing<String>> {
        self.blanks();
        self.word()
    }

    /// What stands up to the next empty line.
    fn macro_body(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let ends = |at: &usize| matches!(bytes.get(at + 1..), Some([b'\n', ..] | [b'\r', b'\n', ..]));
        let end = memchr::memchr_iter(b'\n', bytes).find(ends).unwrap_or(bytes.len());
        let (body, rest) = self.text.split_at_checked(end).unwrap_or_default();
        self.line += body.matches('\n').count() as u64;
        self.text = rest;
        !body.trim().is_empty()
    }

    fn word(&mut self) -> Option<Zeroizing<String>> {
        if let Some(inner) = self.text.strip_prefix('"') {
            // As long as it can be: what grows leaves copies behind.
            let mut escaped = false;
            let end = inner.find(|c| {
                let ends = matches!(c, '"' | '\n') && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let mut word = Zeroizing::new(String::with_capacity(end.unwrap_or(inner.len())));
            let mut chars = inner.char_indices();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        self.text = inner.get(at + 1..).unwrap_or_default();
                        return Some(word);
                    }
                    '\n' => break,
                    '\\' => match chars.next() {
                        Some((_, 'n')) => word.push('\n'),
                        Some((_, 'r')) => word.push('\r'),
                        Some((_, 't')) => word.push('\t'),
                        Some((_, other)) => word.push(other),
                        None => break,
                    },
                    c => word.push(c),
                }
            }
            // A quote that is never closed is a character as any other.
        }
        let end = self.text.find(char::is_whitespace).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at_checked(end)?;
        self.text = rest;
        (!word.is_empty()).then(|| Zeroizing::new(word.to_owned()))
    }
}

/// Keywords, with their lines.
impl Iterator for Words<'_> {
    type Item = (u64, Zeroizing<String>);

    fn next(&mut self) -> Option<Self::Item> {
        self.comments();
        let line = self.line;
        Some((line, self.word()?))
    }
}

/// What is said of a machine: words with their values.
type Fields = Vec<(Zeroizing<String>, Zeroizing<String>)>;

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("write it in UTF-8")?;
    let (mut tally, mut entries) = (Tally::default(), Vec::new());
    let mut words = Words { text: text.expose(), line: 1 };
    let mut own: Vec<(u64, Fields)> = Vec::new();
    while let Some((line, word)) = words.next() {
        match word.as_str() {
            "machine" | "default" => own.push((line, Vec::new())),
            "macdef" => {
                // Its name and what it does.
                let count = u64::from(words.value().is_some()) + u64::from(words.macro_body());
                tally.read(count);
                tally.tell("a macro stays behind", format!("line {line}"), count);
                continue;
            }
            _ => {}
        }
        let is_default = word.as_str() == "default";
        let value = if is_default { None } else { words.value() };
        let Some((_, fields)) = own.last_mut() else {
            let count = 1 + u64::from(value.is_some());
            tally.read(count);
            tally.tell("words before the first machine stay behind", format!("line {line}"), count);
            continue;
        };
        match value {
            Some(value) => fields.push((word, value)),
            None if is_default => fields.push((word, Zeroizing::new(String::new()))),
            None => {
                tally.read(1);
                tally.tell("a last word without a value stays behind", format!("line {line}"), 1);
            }
        }
    }
    for (line, fields) in own {
        let at = format!("line {line}");
        let mut item = Item::new(&at, &mut tally);
        for (word, value) in fields {
            let mut value = value;
            item.tally.read(u64::from(!value.is_empty()));
            item.tally.carried(u64::from(!value.is_empty()));
            let text = std::mem::take(&mut *value);
            match word.as_str() {
                "default" => "default".clone_into(&mut item.record.name),
                "machine" => {
                    item.record.name.clone_from(&text);
                    item.url(text);
                }
                "login" | "user" => item.login(text),
                "password" => item.password("Password", text),
                other => {
                    let kind = if other == "account" { CustomKind::Text } else { kind_of(other) };
                    item.field(other, kind, text);
                }
            }
        }
        entries.push(Entry::Record(item.record, Position::line(line)));
    }
    entries.extend(tally.finish());
    Ok(Box::new(entries.into_iter().map(Ok)))
}
