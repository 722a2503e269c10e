//! PostgreSQL's `.pgpass`: `host:port:database:user:password` a line.
//!
//! Signature: a first line, and most others, of five such parts, of which the second is a number or `*`. Mapping: a line is a record named after its
//! host, which is its address too; port and database are fields, `*` as it stands there. `\:` and `\\` are one character.
//! Rejected: lines of fewer parts, by their place.

use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::managers::item::Item;
use crate::tally::Tally;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Position, Result};
use keyferry_crypto::model::{CustomKind, Entry, Reject};
use std::io::Read;
use zeroize::Zeroizing;

/// Whether its lines are such.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let is_one =
        |line: &str| cut(line).is_some_and(|[_, port, ..]| port == "*" || port.parse::<u16>().is_ok());
    let mut lines = head.text().lines().filter(|line| is_entry(line));
    let (fit, count) =
        lines.clone().fold((0_u64, 0_u64), |(fit, count), line| (fit + u64::from(is_one(line)), count + 1));
    // A stray line is rejected by its place, and the last one may be cut.
    (lines.next().is_some_and(is_one) && fit * 2 > count).into()
}

fn is_entry(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

/// The five parts as they are written, with their backslashes.
fn cut(line: &str) -> Option<[&str; 5]> {
    let mut parts = [""; 5];
    let (mut at, mut from, mut escaped) = (0, 0, false);
    for (index, c) in line.char_indices() {
        if c == ':' && !escaped && at < 4 {
            *parts.get_mut(at)? = line.get(from..index)?;
            (at, from) = (at + 1, index + 1);
        }
        escaped = c == '\\' && !escaped;
    }
    *parts.get_mut(at)? = line.get(from..)?;
    (at == 4).then_some(parts)
}

/// The parts of a line; the last is all that is left.
fn parts(line: &str) -> Option<[Zeroizing<String>; 5]> {
    Some(cut(line)?.map(|part| {
        let mut plain = Zeroizing::new(String::with_capacity(part.len()));
        let mut chars = part.chars();
        while let Some(c) = chars.next() {
            plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
        }
        plain
    }))
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("write it in UTF-8")?;
    let (mut tally, mut entries) = (Tally::default(), Vec::new());
    for (number, line) in text.expose().lines().enumerate().filter(|(_, line)| is_entry(line)) {
        let line_number = number as u64 + 1;
        let Some(parts) = parts(line.trim_end_matches('\r')) else {
            tally.read(1);
            tally.rejected(1);
            let why = "not of five parts: host, port, database, user, password".to_owned();
            let at = Position::line(line_number);
            entries.push(Entry::Reject(Reject { at, label: String::new(), why }));
            continue;
        };
        let filled = parts.iter().filter(|part| !part.is_empty()).count() as u64;
        tally.read(filled);
        tally.carried(filled);
        let at = format!("line {line_number}");
        let mut item = Item::new(&at, &mut tally);
        let [host, port, database, user, password] = parts.map(|mut part| std::mem::take(&mut *part));
        item.record.name.clone_from(&host);
        if host != "*" {
            item.url(host);
        }
        item.record.login = user;
        item.password("Password", password);
        item.field("port", CustomKind::Text, port);
        item.field("database", CustomKind::Text, database);
        entries.push(Entry::Record(item.record, Position::line(line_number)));
    }
    entries.extend(tally.finish());
    Ok(Box::new(entries.into_iter().map(Ok)))
}
