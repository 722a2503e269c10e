//! Documents in which a value has another type than its member ever had: nothing of it is lost without a word.
#![expect(clippy::unwrap_used, reason = "tests")]

use keyferry_crypto::model::Entry;
use keyferry_crypto::secret::SecretString;
use keyferry_formats::detect::{detect, needs_passphrase};
use keyferry_formats::{Format, ReadOptions, reader};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;

/// All that came of a document, as one text; and how many values were told, and lost.
fn read(format: Format, text: &str) -> Option<(String, u64, u64)> {
    let options = ReadOptions { include_trash: true, ..ReadOptions::default() };
    let mut all = String::new();
    let (mut told, mut lost) = (0, 0);
    let entries = reader(format, Box::new(Cursor::new(text.to_owned())), &options).ok()?;
    for entry in entries {
        match entry.ok()? {
            Entry::Record(record, _) => {
                let customs: Vec<_> =
                    record.customs.iter().map(|one| (one.name.as_str(), one.value.expose())).collect();
                let files: Vec<_> =
                    record.attachments.iter().map(|one| (one.name.as_str(), one.content.expose())).collect();
                let history: Vec<_> = record.history.iter().map(|one| one.password.expose()).collect();
                let password = record.password.as_ref().map(SecretString::expose);
                write!(
                    all,
                    "{:?} {} {} {password:?} {} {} {:?} {customs:?} {history:?} {:?} {:?} {:?} {:?} {:?}",
                    record.path,
                    record.name,
                    record.login,
                    record.url,
                    record.description,
                    record.tags,
                    record.color,
                    record.also_in,
                    record.created_at,
                    record.changed_at,
                    files
                        .iter()
                        .map(|(name, bytes)| (name, String::from_utf8_lossy(bytes)))
                        .collect::<Vec<_>>(),
                )
                .unwrap();
            }
            Entry::Folder(path) => write!(all, "{path}").unwrap(),
            Entry::Values(values) => (told, lost) = (told + values.told, lost + values.lost()),
            Entry::Note(_) | Entry::Reject(_) => {}
        }
    }
    Some((all, told, lost))
}

const TOKEN: &str = "739184601";

/// What stands in a member's place, one after the other.
fn others() -> Vec<(&'static str, Value)> {
    vec![
        ("text", json!(TOKEN)),
        ("number", json!(739_184_601)),
        ("list", json!([TOKEN])),
        ("object", json!({"zz": TOKEN})),
        ("objects", json!([{"zz": TOKEN}])),
    ]
}

fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    if found.len() >= 600 {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                found.push(at.clone());
                pointers(value, &at, found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                let at = format!("{at}/{index}");
                found.push(at.clone());
                pointers(value, &at, found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_value_of_another_type_is_carried_or_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/samples");
    let mut files: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|file| {
            file.extension().is_some_and(|ending| ending == "json") && !file.ends_with("expected.json")
        })
        .collect();
    files.sort();
    let (mut silent, mut tried) = (BTreeSet::new(), 0);
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let Ok(format) = detect(&bytes, file.to_str()) else { continue };
        let Ok(document) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if needs_passphrase(&bytes, Some(format)) {
            continue;
        }
        let mut places = Vec::new();
        pointers(&document, "", &mut places);
        for at in places {
            let put = |value: Value| {
                let mut changed = document.clone();
                *changed.pointer_mut(&at).unwrap() = value;
                read(format, &changed.to_string())
            };
            let without = [Value::Null, json!([])].into_iter().filter_map(&put);
            let Some(told_without) = without.map(|(_, told, _)| told).min() else { continue };
            // A text that does its work there shows nowhere: ids, kinds.
            let shows = |value: Value| {
                put(value).map(|(all, told, lost)| (all.contains(TOKEN) || told > told_without, lost))
            };
            let text = shows(json!(TOKEN));
            let is_reference = matches!(text, Some((false, _)));
            for (kind, other) in others() {
                let Some((is_shown, lost)) = shows(other) else { continue };
                tried += 1;
                if lost > 0 || !is_shown && !is_reference {
                    let names = at.split('/').filter(|part| part.parse::<u64>().is_err());
                    let names = names.collect::<Vec<_>>().join("/");
                    silent.insert(format!("{} {names} as {kind}: {lost} lost", format.name()));
                }
            }
        }
    }
    assert!(tried > 5000, "{tried}");
    assert!(silent.is_empty(), "of {tried}:\n{}", silent.into_iter().collect::<Vec<_>>().join("\n"));
}
