//! Files of variables: `KEY=value` a line.
//!
//! Signature: a first line, comments aside, that is one. Mapping: one record of the file's name; each variable is a hidden
//! field. `.env.production` gives the tag `production`. Values in `'` are taken as they are; in `"` they know `\n`, `\r`,
//! `\t`, `\\`, `\"`; both run over lines, and `'\''` is a quote within `'`, as in a shell. Others end at ` #`. Nothing is
//! expanded: `$HOME` stays. A variable that stands twice is kept twice, and told.
//! Told: lines without `=`. Rejected: lines where more than a comment follows the closing quote.

use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::tally::Tally;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Position, Result};
use keyferry_crypto::model::{Custom, CustomKind, Entry, Record, Reject};
use keyferry_crypto::secret::SecretString;
use std::collections::HashSet;
use std::io::Read;
use zeroize::Zeroizing;

/// Whether its first line is a variable.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    // A table may say so what stands between its cells.
    if head.looks_like_json() || head.text().starts_with("sep=") {
        return Fit::No;
    }
    let line = head.text().lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    line.and_then(name_of).is_some().into()
}

/// The name of a variable, and what follows its `=`.
fn name_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, rest) = line.split_once('=')?;
    let name = name.trim_end();
    let first = name.chars().next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    ((first.is_ascii_alphabetic() || first == '_') && name.chars().all(plain)).then_some((name, rest))
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("write it in UTF-8")?;
    let path = options.name.as_deref().unwrap_or(".env");
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut record = Record { name: name.to_owned(), ..Record::default() };
    let stage = name.strip_prefix(".env.").filter(|stage| !stage.is_empty());
    record.tags.extend(stage.map(str::to_owned));
    let (mut tally, mut entries, mut seen) = (Tally::default(), Vec::new(), HashSet::new());
    let (mut rest, mut line) = (text.expose(), 0_u64);
    while !rest.is_empty() {
        line += 1;
        let (whole, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = whole.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = after;
            continue;
        }
        let begins = line;
        tally.read(1);
        let Some((name, start)) = name_of(whole) else {
            tally.rejected(1);
            let why = if trimmed.contains('=') { "no name before =" } else { "no = in the line" };
            let at = Position::line(line);
            entries.push(Entry::Reject(Reject { at, label: String::new(), why: why.to_owned() }));
            rest = after;
            continue;
        };
        // From the value on, over as many lines as its quotes need.
        let offset = whole.len() - start.len();
        let value = rest.get(offset..).unwrap_or_default();
        let (value, used) = value_of(value);
        let taken = value_lines(rest.get(offset..offset + used).unwrap_or_default());
        line += taken;
        rest = rest.get(offset + used..).unwrap_or_default();
        let Some(value) = value else {
            tally.rejected(1);
            let (at, why) = (Position::line(begins), "something stands behind the closing quote".to_owned());
            entries.push(Entry::Reject(Reject { at, label: String::new(), why }));
            continue;
        };
        tally.carried(1);
        if !seen.insert(name.to_owned()) {
            tally.remark("a variable stands twice in the file: both are kept", format!("line {begins}"));
        }
        record.customs.push(Custom { name: name.to_owned(), kind: CustomKind::Password, value });
    }
    if !record.customs.is_empty() {
        entries.insert(0, Entry::Record(record, Position::line(1)));
    }
    entries.extend(tally.finish());
    Ok(Box::new(entries.into_iter().map(Ok)))
}

/// Line breaks within a value, the one that ends it not among them.
fn value_lines(text: &str) -> u64 {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.matches('\n').count() as u64
}

/// A value, and how many bytes it takes with the rest of its line; `None` where more than a comment follows its quotes.
fn value_of(text: &str) -> (Option<SecretString>, usize) {
    let blanks = text.len() - text.trim_start_matches([' ', '\t']).len();
    let value = text.get(blanks..).unwrap_or_default();
    for quote in ['\'', '"'] {
        let Some(inner) = value.strip_prefix(quote) else { continue };
        let Some((text, length)) = quoted(inner, quote) else { continue };
        let end = blanks + 1 + length + 1;
        let rest = value.get(1 + length + 1..).unwrap_or_default();
        let line = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let behind = rest.get(..line).unwrap_or_default();
        let ends =
            behind.trim().is_empty() || (behind.starts_with([' ', '\t']) && behind.trim().starts_with('#'));
        return (Some(text).filter(|_| ends), end + line);
    }
    let end = value.find('\n').unwrap_or(value.len());
    let line = value.get(..end).unwrap_or_default();
    let used = blanks + (end + 1).min(value.len());
    // A comment begins after a blank only.
    let comment = line
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|at| *at == 0 || line.get(..*at).is_some_and(|before| before.ends_with([' ', '\t'])));
    let line = line.get(..comment.unwrap_or(line.len())).unwrap_or_default();
    (Some(SecretString::from(line.trim())), used)
}

/// What stands between quotes, and the bytes until the closing one.
fn quoted(text: &str, quote: char) -> Option<(SecretString, usize)> {
    let mut out = Zeroizing::new(String::with_capacity(text.len().min(1 << 16)));
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            // As shells write a quote within quotes.
            '\'' if quote == '\'' && text.get(at + 1..).is_some_and(|rest| rest.starts_with("\\''")) => {
                out.push('\'');
                let _ = chars.nth(2);
            }
            c if c == quote => return Some((SecretString::from(out.as_str()), at)),
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 't')) => out.push('\t'),
                Some((_, c @ ('\\' | '"'))) => out.push(c),
                Some((_, other)) => {
                    out.push('\\');
                    out.push(other);
                }
                None => return None,
            },
            c => out.push(c),
        }
    }
    None
}
