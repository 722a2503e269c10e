//! Apple's keychain, as `security dump-keychain -d` prints it.
//!
//! Signature: a line `keychain: "…"` and a line `class: …`. Mapping: the label is the name, the account the login, the data the
//! password; an internet password has its address put together of protocol, server, port and path; a comment is the
//! description, a secure note the note within its property list; other attributes are fields by what Apple calls them.
//! Resolved: kinds, numbers of versions, the keychain's own path. Told: dates, attributes that are numbers of Apple's, the formatted form of
//! a secure note, keys and certificates. The whole text is kept in memory.

use super::ini::numbered;
use super::item::{DATES, Item, OWN};
use super::items::{Document, Found, Kept};
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions, date, xml};
use data_encoding::HEXLOWER_PERMISSIVE;
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::SecretBytes;
use std::collections::HashMap;
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is such a dump.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let line = |start: &str| head.text().lines().any(|line| line.starts_with(start));
    (line("keychain: \"") && line("class: ") && line("attributes:")).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("print it again")?;
    let mut document = Document::default();
    let mut open: Option<Found> = None;
    let (mut in_data, mut seen) = (false, HashMap::new());
    for (number, line) in text.expose().lines().enumerate() {
        let number = number + 1;
        if line.starts_with("keychain: ") {
            document.found.extend(open.take());
            open = Some(Found {
                value: Value::Object(Members::new()),
                at: format!("line {number}"),
                path: Place::default(),
            });
            in_data = false;
            seen.clear();
        }
        if line.trim().is_empty() {
            continue;
        }
        let Some(Found { value: Value::Object(members), .. }) = &mut open else {
            document.tally.read(1);
            document.tally.tell("a line before the first entry stays behind", format!("line {number}"), 1);
            continue;
        };
        let Some((name, value)) = pair(line, in_data) else {
            match line.trim_end() {
                "attributes:" => {}
                "data:" => in_data = true,
                _ => {
                    document.tally.read(1);
                    document.tally.tell(
                        "a line that is no attribute stays behind",
                        format!("line {number}"),
                        1,
                    );
                }
            }
            continue;
        };
        in_data = false;
        document.tally.read(value.leaves());
        members.push((numbered(&mut seen, name), value));
    }
    document.found.extend(open);
    Ok(document.entries(Box::new(fill)))
}

/// An attribute of a line, or the data.
fn pair(line: &str, in_data: bool) -> Option<(String, Value)> {
    if in_data {
        let (value, is_bytes) = printed(line);
        return Some((if is_bytes { "bytes" } else { "data" }.to_owned(), value));
    }
    for name in ["keychain", "version", "class"] {
        if let Some(rest) = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")) {
            return Some((name.to_owned(), value(rest)));
        }
    }
    let (name, rest) = line.trim_start().split_once('<')?;
    let (_, rest) = rest.split_once(">=")?;
    let name = match name.trim().trim_matches('"') {
        "0x00000007" => "labl",
        "0x00000008" => "alis",
        other => other,
    };
    let name = name.to_owned();
    (name.len() <= 16).then(|| (name, value(rest)))
}

/// What is printed of an attribute.
fn value(text: &str) -> Value {
    printed(text).0
}

/// What is printed: a text in quotes, digits with a text after them, or nothing. Bytes that are no text are digits, and said
/// to be.
fn printed(text: &str) -> (Value, bool) {
    let text = text.trim_end();
    if text == "<NULL>" || text.is_empty() {
        return (Value::Null, false);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        let digits = digits.split(' ').next().unwrap_or_default();
        let whole = digits.len() % 2 == 0 && !digits.is_empty();
        if let Some(bytes) =
            HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok().map(Zeroizing::new).filter(|_| whole)
        {
            let end = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
            if let Ok(text) = std::str::from_utf8(end)
                && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            {
                return (Value::Text(Zeroizing::new(text.to_owned())), false);
            }
            return (Value::Text(Zeroizing::new(["0x", digits].concat())), true);
        }
    }
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    (Value::Text(Zeroizing::new(inner.to_owned())), false)
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    let class = item.mark(&mut members, "class");
    if !matches!(class.as_str(), "genp" | "inet" | "ashp") {
        return Kept::LeftOut("a key or certificate of the keychain stays behind");
    }
    item.resolve(&mut members, &["keychain", "version", "type"]);
    let (label, service) = (item.simple(&mut members, "labl"), item.simple(&mut members, "svce"));
    let login = item.simple(&mut members, "acct");
    item.login(login);
    address(item, &mut members);
    let server = item.record.url.clone();
    item.record.name =
        [label, service.clone(), server].into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    if service != item.record.name {
        item.labelled("Service", service);
    }
    for (member, label) in
        [("desc", "Kind"), ("sdmn", "Security domain"), ("atyp", "Authentication"), ("gena", "Generic")]
    {
        let text = item.simple(&mut members, member);
        item.field(label, CustomKind::Text, text);
    }
    let comment = item.simple(&mut members, "icmt");
    item.note(&comment);
    for (member, is_made) in [("cdat", true), ("mdat", false)] {
        let found = members.iter().find(|(name, _)| name == member).and_then(|(_, value)| moment(value));
        if is_made {
            item.record.created_at = found;
        } else {
            item.record.changed_at = found;
        }
    }
    item.leave("", &mut members, &["cdat", "mdat"], DATES);
    item.leave(
        "",
        &mut members,
        &["crtr", "scrp", "cusi", "invi", "nega", "prot", "alis", "partition_id"],
        OWN,
    );
    let data = item.simple(&mut members, "data");
    secret(item, data);
    let bytes = Zeroizing::new(item.simple(&mut members, "bytes"));
    let digits = bytes.strip_prefix("0x").map(|digits| HEXLOWER_PERMISSIVE.decode(digits.as_bytes()));
    if let Some(Ok(bytes)) = digits {
        item.attach("data".to_owned(), SecretBytes::new(bytes));
    }
    item.unknown("", members);
    Kept::Record
}

/// The address of an internet password.
fn address(item: &mut Item<'_>, members: &mut Members) {
    let (server, path) = (item.simple(members, "srvr"), item.simple(members, "path"));
    let (protocol, port) = (item.mark(members, "ptcl"), item.mark(members, "port"));
    let scheme = match protocol.trim() {
        "http" => "http://".to_owned(),
        "htps" => "https://".to_owned(),
        "ssh" => "ssh://".to_owned(),
        "ftp" => "ftp://".to_owned(),
        "ftps" => "ftps://".to_owned(),
        "smb" => "smb://".to_owned(),
        "" => String::new(),
        other => format!("{other}://"),
    };
    let number = port.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let port = match number {
        None | Some(0) => String::new(),
        Some(443) if protocol == "htps" => String::new(),
        Some(80) if protocol == "http" => String::new(),
        Some(port) => format!(":{port}"),
    };
    if server.is_empty() {
        item.field("Path", CustomKind::Text, path);
    } else {
        item.url(format!("{scheme}{server}{port}{path}"));
    }
}

/// The date of `20250203040506Z`.
fn moment(value: &Value) -> Option<i64> {
    let Value::Text(text) = value else { return None };
    let part = |from: usize, to: usize| text.get(from..to);
    date::of_iso(&format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

/// The data where it is text: a password or a secure note.
fn secret(item: &mut Item<'_>, data: String) {
    let data = Zeroizing::new(data);
    if data.starts_with("<?xml")
        && let Some(note) = note(&data)
    {
        item.note(&note);
        if data.contains("<key>RTFD</key>") {
            item.remark("the formatted form of a secure note stays behind: its text is the description");
        }
        return;
    }
    item.password("Password", data.to_string());
}

/// The text of a secure note's property list.
fn note(list: &str) -> Option<Zeroizing<String>> {
    let rest = list.split_once("<key>NOTE</key>")?.1;
    let end = rest.find("</string>")? + "</string>".len();
    let element = rest.get(rest.find("<string>")?..end)?;
    let tree = xml::tree(element).ok()?;
    match tree.members.into_iter().next() {
        Some((_, Value::Text(text))) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for (line, wanted) in [
            ("\"a \"b\" \\\"", Some("a \"b\" \\")),
            ("0x70C3A4  \"p\\303\\244\"", Some("pä")),
            ("0x32303235303230333034303530365A00  \"20250203040506Z\\000\"", Some("20250203040506Z")),
            ("0x00FF", Some("0x00FF")),
            ("0x123", Some("0x123")),
            ("<NULL>", None),
        ] {
            let found = value(line).into_text();
            assert_eq!(found.as_deref(), wanted, "{line}");
        }
        // Bytes are told from a text that looks like them.
        let names = |line: &str| pair(line, true).map(|(name, _)| name);
        assert_eq!(names("0x00FF"), Some("bytes".to_owned()));
        assert_eq!(names("\"0x00FF\""), Some("data".to_owned()));
        assert_eq!(names("0x3078C3A4  \"0x\\303\\244\""), Some("data".to_owned()));
        assert_eq!(moment(&value("\"20250203040506Z\"")), Some(1_738_555_506));
        assert_eq!(moment(&value("\"2025é203040506Z\"")), None);
    }
}
