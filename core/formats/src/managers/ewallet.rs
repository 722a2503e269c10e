//! eWallet's text: cards, a blank line between them; the first line of each is its title, the others are a label and a value.
//!
//! Known by its name alone. What stands between label and value is not verified: a tab, a colon, several blanks, or one blank after a
//! label that is known. Mapping: by the labels that its cards have; every other one is a field.
//! Told: nothing. The whole text is kept in memory.

use super::item::{Item, list};
use super::items::{Document, Found, Kept};
use crate::decode::Decode;
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions, date};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use std::io::Read;
use zeroize::Zeroizing;

/// Labels after which one blank is enough, whatever follows.
const LABELS: &[&str] = &[
    "Password Hint",
    "Password",
    "User Name",
    "User ID",
    "Card Number",
    "Account Number",
    "Web Site",
    "Card Notes",
    "Expiration Date",
    "Security Code",
    "Site URL",
];

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("export it again")?;
    let mut document = Document::default();
    let mut card: Option<(usize, &str, Vec<Value>)> = None;
    for (index, line) in text.expose().lines().chain([""]).enumerate() {
        let line = line.trim_end();
        match &mut card {
            Some((_, _, lines)) if !line.is_empty() => {
                let (label, value) = parts(line);
                lines.push(Value::Object(vec![(label.to_owned(), text_value(value))]));
            }
            Some(_) => {
                let Some((first, title, lines)) = card.take() else { continue };
                let members =
                    vec![("title".to_owned(), text_value(title)), ("lines".to_owned(), Value::List(lines))];
                let value = Value::Object(members);
                document.tally.read(value.leaves());
                document.found.push(Found {
                    value,
                    at: format!("line {}", first + 1),
                    path: Place::default(),
                });
            }
            None if line.is_empty() => {}
            None => card = Some((index, line, Vec::new())),
        }
    }
    Ok(document.entries(Box::new(fill)))
}

fn text_value(text: &str) -> Value {
    Value::Text(Zeroizing::new(text.to_owned()))
}

/// Label and value of a line.
fn parts(line: &str) -> (&str, &str) {
    let line = line.trim_start();
    let between =
        |between: &str| line.split_once(between).map(|(label, value)| (label.trim(), value.trim_start()));
    let known = || {
        LABELS.iter().find_map(|label| {
            let value = line.strip_prefix(label)?.strip_prefix(' ')?;
            Some((*label, value.trim_start()))
        })
    };
    let found = between("\t").or_else(known).or_else(|| between(": ")).or_else(|| between("  "));
    found.or_else(|| line.split_once(' ')).unwrap_or(("Note", line))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    item.record.name = item.simple(&mut members, "title");
    let lines = list(&mut members, "lines").into_iter().filter_map(|line| match line {
        Value::Object(mut pair) => pair.pop(),
        _ => None,
    });
    for (label, value) in lines {
        item.tally.carried(value.leaves());
        let text = value.into_text().unwrap_or_default();
        match label.to_ascii_lowercase().as_str() {
            "user name" | "username" | "user id" | "login" => item.login(text),
            "password" => item.password("Password", text),
            "url" | "web site" | "website" | "site url" => item.url(text),
            "notes" | "note" | "card notes" => item.note(&text),
            "card number" => item.field("Card number", CustomKind::Password, text),
            "security code" | "cvv" => item.field("Security code", CustomKind::Password, text),
            "expiration date" | "expires" => {
                item.field("Expiry", CustomKind::Text, date::month(&text).unwrap_or(text));
            }
            _ => item.labelled(label, text),
        }
    }
    Kept::Record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_label_and_a_value() {
        for (line, wanted) in [
            ("User Name\tanna", ("User Name", "anna")),
            ("PIN: 1: 2", ("PIN", "1: 2")),
            ("URL   https://a.example", ("URL", "https://a.example")),
            ("User Name anna b", ("User Name", "anna b")),
            ("Password p w", ("Password", "p w")),
            ("Password a: b  c", ("Password", "a: b  c")),
            ("Password: a", ("Password", "a")),
            ("Password Hint a: b", ("Password Hint", "a: b")),
            ("alone", ("Note", "alone")),
        ] {
            assert_eq!(parts(line), wanted, "{line}");
        }
    }
}
