//! Which format a file has: by its content first, by its name's ending where that is silent.

use crate::{Format, columns, json};
use std::borrow::Cow;

/// Lists that only Passwork's export has.
const STRUCTURE: &[&str] = &["vaults", "groups", "folders", "passwords", "items", "response", "data"];

/// The format of a file that begins with `head` (some KiB) and is called `name`.
#[must_use]
pub fn detect(head: &[u8], name: Option<&str>) -> Option<Format> {
    let text = head_text(head);
    let trimmed = text.trim_start();
    match trimmed.chars().next() {
        Some('{') => return Some(json_kind(trimmed)),
        Some('[') => return Some(Format::PassworkJson),
        _ => {}
    }
    let first_line = trimmed.lines().next().unwrap_or_default();
    if first_line.starts_with("sep=") {
        return Some(Format::Csv);
    }
    let known = |delimiter: char| {
        let cells: Vec<_> = first_line.split(delimiter).collect();
        cells.len() > 1 && cells.iter().any(|cell| columns::is_known(cell.trim_matches('"')))
    };
    if [',', ';', '\t', '|'].into_iter().any(known) {
        return Some(Format::Csv);
    }
    let ending = name?.rsplit_once('.')?.1.to_ascii_lowercase();
    match ending.as_str() {
        "csv" | "tsv" | "tab" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::JsonLines),
        "json" => Some(Format::PassworkJson),
        _ => None,
    }
}

/// The head as text; the character that the cut went through is of no interest here.
fn head_text(head: &[u8]) -> Cow<'_, str> {
    match encoding_rs::Encoding::for_bom(head) {
        Some((encoding, mark)) => {
            encoding.decode_without_bom_handling(head.get(mark..).unwrap_or_default()).0
        }
        None => String::from_utf8_lossy(head),
    }
}

fn json_kind(text: &str) -> Format {
    let first_line = text.lines().next().unwrap_or_default();
    if let Ok(json::Value::Object(members)) = json::parse(first_line) {
        let structure = members.iter().any(|(name, value)| {
            STRUCTURE.contains(&name.as_str())
                && matches!(value, json::Value::List(_) | json::Value::Object(_))
        });
        return if structure { Format::PassworkJson } else { Format::JsonLines };
    }
    // The first line is no whole object: it was cut, or the document has many lines.
    let key = first_line.split('"').nth(1).unwrap_or_default();
    let one_line = !text.contains('\n');
    if one_line && ["vault", "path", "name", "login", "password"].contains(&key) {
        Format::JsonLines
    } else {
        Format::PassworkJson
    }
}
