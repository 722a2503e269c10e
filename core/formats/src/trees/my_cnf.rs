//! Option files of MySQL and MariaDB (`.my.cnf`).
//!
//! Signature: a group of a client (`[client]`, `[mysql]`, `[mysqldump]` …), and an option `user` or `password`.
//! Mapping: a group with one of these is a record of its name: `user`, `password`, `host`; other options are fields, hidden
//! where their name says so; an option without a value is an empty field. Quotes around a value are taken off; `\n`, `\r`,
//! `\t`, `\b`, `\s`, `\\` are one character; `#` begins a comment outside of quotes.
//! Told: groups that log in nowhere, files that are included. A group that stands twice is one.

use crate::columns::kind_of;
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::managers::item::Item;
use crate::tally::Tally;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Position, Result};
use keyferry_crypto::model::{Custom, Entry};
use keyferry_crypto::secret::SecretString;
use std::collections::HashMap;
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it has a client's group.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let mut lines = head.text().lines().map(str::trim);
    let is_client = |name: &str| ["client", "mysql", "mariadb"].iter().any(|word| name.starts_with(word));
    let has_group = lines.clone().any(|line| group(line).is_some_and(is_client));
    let is_login = |line: &str| is_login(option(line).0);
    (has_group && lines.any(is_login)).into()
}

fn group(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.split_once(']').map(|(name, _)| name.trim())
}

/// The name of an option, which may be spelt with `_` for `-`, and what follows.
fn option(line: &str) -> (&str, Option<&str>) {
    let (name, value) = line.split_once('=').map_or((line, None), |(name, value)| (name, Some(value)));
    (name.trim(), value.map(str::trim))
}

fn is_login(name: &str) -> bool {
    ["user", "password", "pass"].iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// A value without quotes and comment.
fn value_of(text: &str) -> Zeroizing<String> {
    let (mut quote, mut escaped) = (None, false);
    let end = text.char_indices().find(|(_, c)| {
        if matches!(c, '"' | '\'') && !escaped {
            quote = match quote {
                None => Some(*c),
                Some(open) if open == *c => None,
                open => open,
            };
        }
        escaped = quote.is_some() && *c == '\\' && !escaped;
        quote.is_none() && *c == '#'
    });
    let text = end.and_then(|(at, _)| text.get(..at)).unwrap_or(text).trim_end();
    // Quotes that stand around all of it; others are characters.
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    let text = ['"', '\''].into_iter().find_map(inside).unwrap_or(text);
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('b') => out.push('\u{8}'),
            Some('s') => out.push(' '),
            Some(c @ ('\\' | '"' | '\'')) => out.push(c),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// A group, and its options.
struct Group {
    name: String,
    line: u64,
    options: Vec<(String, Option<Zeroizing<String>>)>,
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("write it in UTF-8")?;
    let (mut tally, mut entries, mut groups) = (Tally::default(), Vec::new(), Vec::<Group>::new());
    let (mut index, mut current) = (HashMap::new(), None);
    for (number, line) in text.expose().lines().enumerate() {
        let (line_number, line) = (number as u64 + 1, line.trim());
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = group(line) {
            let at = *index.entry(name.to_owned()).or_insert(groups.len());
            current = Some(at);
            if at == groups.len() {
                groups.push(Group { name: name.to_owned(), line: line_number, options: Vec::new() });
            }
            continue;
        }
        if let Some(group) = current.and_then(|at| groups.get_mut(at)).filter(|_| !line.starts_with('!')) {
            let (name, value) = option(line);
            group.options.push((name.to_owned(), value.map(value_of)));
            continue;
        }
        tally.read(1);
        let why = if line.starts_with('!') {
            "a file that is included is not read"
        } else {
            "an option before the first group stays behind"
        };
        tally.tell(why, format!("line {line_number}"), 1);
    }
    for Group { name, line, options } in groups {
        let at = format!("line {line}");
        let filled =
            |value: &Option<Zeroizing<String>>| value.as_ref().is_some_and(|value| !value.is_empty());
        let count = options.iter().filter(|(_, value)| filled(value)).count() as u64;
        tally.read(count);
        if !options.iter().any(|(name, _)| is_login(name)) {
            if count > 0 {
                tally.tell("a group that logs in nowhere stays behind", at, count);
            }
            continue;
        }
        tally.carried(count);
        let mut item = Item::new(&at, &mut tally);
        item.record.name = name;
        for (name, value) in options {
            let text = value.map(|mut value| std::mem::take(&mut *value)).unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "user" => item.login(text),
                "password" | "pass" => item.password(&name, text),
                "host" => item.url(text),
                _ => {
                    let (kind, value) = (kind_of(&name), SecretString::new(text));
                    item.record.customs.push(Custom { name, kind, value });
                }
            }
        }
        entries.push(Entry::Record(item.record, Position::line(line)));
    }
    entries.extend(tally.finish());
    Ok(Box::new(entries.into_iter().map(Ok)))
}
