//! Which format a file has: by what only that format has, never for want of another.

use crate::{Format, columns, decode, foreign, json, passwork_json};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// The format of a file that begins with `head` (some KiB) and is called `name`.
///
/// # Errors
/// [`ErrorKind::Input`] names another tool's file, or the formats that fit equally, or says that none does.
pub fn detect(head: &[u8], name: Option<&str>) -> Result<Format> {
    foreign::refuse_text(head)?;
    let text = head_text(head);
    let trimmed = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if trimmed.starts_with(['{', '['])
        && let Ok(document) = json::parse_head(trimmed)
    {
        return json_kind(&document, trimmed);
    }
    let first_line = trimmed.lines().next().unwrap_or_default();
    if first_line.starts_with("sep=") {
        return Ok(Format::Csv);
    }
    let known = |delimiter: char| {
        let cells: Vec<_> = first_line.split(delimiter).collect();
        cells.len() > 1 && cells.iter().any(|cell| columns::is_known(cell.trim().trim_matches('"')))
    };
    if [',', ';', '\t', '|'].into_iter().any(known) {
        return Ok(Format::Csv);
    }
    let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("csv" | "tsv" | "tab") => Ok(Format::Csv),
        Some("jsonl" | "ndjson") => Ok(Format::JsonLines),
        // What is wrong with it, its reader says best.
        Some("json") if trimmed.starts_with(['{', '[']) => Ok(Format::PassworkJson),
        _ => Err(Error::new(ErrorKind::Input, "its format is not known")
            .next_step("name it: --format csv, or csv:FILE as the location")),
    }
}

/// The head as text; the character that the cut went through is of no interest here.
fn head_text(head: &[u8]) -> Zeroizing<String> {
    let marked = encoding_rs::Encoding::for_bom(head);
    let text = match marked.or_else(|| decode::utf_16(head).map(|encoding| (encoding, 0))) {
        Some((encoding, mark)) => {
            encoding.decode_without_bom_handling(head.get(mark..).unwrap_or_default()).0
        }
        None => String::from_utf8_lossy(head),
    };
    Zeroizing::new(text.into_owned())
}

fn json_kind(document: &json::Value, text: &str) -> Result<Format> {
    if foreign::is_bitwarden(document) {
        return Ok(Format::Bitwarden);
    }
    foreign::refuse_json(document)?;
    // A line that is cut off by the end of the head is a long one.
    let first_line = text.lines().next().unwrap_or_default();
    let whole_line = first_line.len() < text.trim_end().len();
    let line = if whole_line { json::parse(first_line).ok() } else { json::parse_head(first_line).ok() };
    let is_line = line.is_some_and(|line| is_record(&line));
    match (passwork_json::is_own(document), is_line) {
        (true, true) => Err(Error::new(ErrorKind::Input, "this may be passwork-json or jsonl: it fits both")
            .next_step("say which: --format passwork-json or --format jsonl")),
        (true, false) => Ok(Format::PassworkJson),
        (false, true) => Ok(Format::JsonLines),
        (false, false) if is_bare(document) => Ok(Format::PassworkJson),
        (false, false) => Err(foreign::unknown_json()),
    }
}

/// Whether it is a line of ours: members of a record, with texts in them, or those of a folder.
fn is_record(line: &json::Value) -> bool {
    let scalar = |name: &str| {
        line.get(name).is_some_and(|value| !matches!(value, json::Value::List(_) | json::Value::Object(_)))
    };
    ["name", "login", "password", "url", "description"].into_iter().any(scalar)
        || (line.has("folder") && (line.has("path") || line.has("vault")))
}

/// Whether it has Passwork's lists, and nothing in them.
fn is_bare(document: &json::Value) -> bool {
    let json::Value::Object(members) = document else {
        return matches!(document, json::Value::List(list) if list.is_empty());
    };
    !members.is_empty()
        && members.iter().all(|(name, value)| {
            ["vaults", "folders", "items", "passwords"].contains(&name.as_str())
                && matches!(value, json::Value::List(list) if list.is_empty())
        })
}
