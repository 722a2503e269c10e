//! Files of keys in sections, as desktops write them: `[section]`, `key=value`, `#` for comments; `\n`, `\t`, `\s` and `\\` in values.

use crate::json::{Members, Value};
use crate::tally::Tally;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// A section, and the line that it begins in.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) line: u64,
    pub(super) members: Members,
}

/// Every section. Lines that are none of these are told; a key that stands twice is numbered.
pub(super) fn sections(text: &str, tally: &mut Tally) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    let mut seen = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let (number, trimmed) = (number as u64 + 1, line.trim());
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            found.push(Section { name: name.to_owned(), line: number, members: Members::new() });
            seen.clear();
            continue;
        }
        let pair = line.split_once('=');
        let (Some((key, value)), Some(section)) = (pair, found.last_mut()) else {
            tally.read(1);
            tally.tell("a line that is no key of a section stays behind", format!("line {number}"), 1);
            continue;
        };
        let value = Value::Text(unescaped(value.strip_prefix(' ').unwrap_or(value)));
        tally.read(value.leaves());
        let key = numbered(&mut seen, key.trim().to_owned());
        section.members.push((key, value));
    }
    found
}

/// A name for one more of its kind: `key`, then `key (2)`. One that another is called already is numbered on.
pub(super) fn numbered(seen: &mut HashMap<String, usize>, name: String) -> String {
    let mut count = seen.get(&name).copied().unwrap_or(0);
    let mut own = name.clone();
    while count > 0 {
        count += 1;
        own = format!("{name} ({count})");
        if !seen.contains_key(&own) {
            break;
        }
    }
    if own != name {
        seen.insert(name, count);
    }
    seen.insert(own.clone(), 1);
    own
}

fn unescaped(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.clone().next() } else { None }) {
            ('\\', Some(next @ ('n' | 't' | 'r' | 's' | '\\'))) => {
                chars.next();
                out.push(match next {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    's' => ' ',
                    other => other,
                });
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn twins_are_numbered() {
        let mut seen = HashMap::new();
        let names = ["a", "a", "a (2)", "a", "a (2)"].map(|name| numbered(&mut seen, name.to_owned()));
        assert_eq!(names, ["a", "a (2)", "a (2) (2)", "a (3)", "a (2) (3)"]);
    }

    #[test]
    fn sections_keep_their_keys_and_values() {
        let mut tally = Tally::default();
        let text = "lost\n# c\n[a]\nk = v=1\nk=\\nx\\\\s\\q\n\n[b:1]\nempty=\n";
        let shown: Vec<_> = sections(text, &mut tally)
            .into_iter()
            .map(|section| {
                (section.name, section.line, json::text(&Value::Object(section.members)).expose().to_owned())
            })
            .collect();
        assert_eq!(shown[0], ("a".to_owned(), 3, r#"{"k":"v=1","k (2)":"\nx\\s\\q"}"#.to_owned()));
        assert_eq!(shown[1], ("b:1".to_owned(), 7, r#"{"empty":""}"#.to_owned()));
    }
}
