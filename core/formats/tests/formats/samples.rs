//! The sample files and what they must give; and that every format reads what it wrote.
#![expect(clippy::unwrap_used, reason = "tests")]

use keyferry_crypto::model::{Attachment, Custom, CustomKind, Entry, Record, RecordPath};
use keyferry_formats::{Format, ReadOptions, WriteOptions, detect::detect, reader, writer};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn as_json(record: &Record, wanted: &Value) -> Value {
    let mut out = json!({
        "name": record.name, "login": record.login, "url": record.url, "description": record.description,
        "password": record.password.as_ref().map_or("", |p| p.expose()),
        "tags": record.tags, "favorite": record.favorite, "path": record.path.folders,
        "vault": record.path.vault.clone().unwrap_or_default(),
        "color": record.color.map(|c| c.to_string()).unwrap_or_default(),
        "customs": record.customs.iter().map(|c| json!({"name": c.name, "type": c.kind.as_str(), "value": c.value.expose()})).collect::<Vec<_>>(),
        "attachments": record.attachments.iter().map(|a| json!([a.name, a.content.len()])).collect::<Vec<_>>(),
    });
    // A member that the expectation leaves out must be empty: give it the expectation's form.
    let members = out.as_object_mut().unwrap();
    members.retain(|name, value| {
        let empty = matches!(value, Value::Bool(false))
            || value.as_str() == Some("")
            || value.as_array().is_some_and(Vec::is_empty);
        !empty || wanted.get(name).is_some()
    });
    out
}

#[test]
fn formats_samples_read_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/samples");
    let mut folders: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("expected.json").is_file());
    folders.sort();
    assert!(folders.len() >= 16, "{folders:?}");
    for folder in folders {
        let expected: Value =
            serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        for (file, want) in expected.as_object().unwrap() {
            let bytes = std::fs::read(folder.join(file)).unwrap();
            let format = detect(&bytes, Some(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(format.name(), want["detect"].as_str().unwrap(), "{file}");
            let given = &want["options"];
            let options = ReadOptions {
                encoding: given["encoding"].as_str().map(str::to_owned),
                no_header: given["no_header"].as_bool().unwrap_or(false),
                columns: given["columns"].as_str().map(|c| c.split(',').map(str::to_owned).collect()),
                ..ReadOptions::default()
            };
            let (mut records, mut rejects) = (Vec::new(), Vec::new());
            for entry in reader(format, Box::new(Cursor::new(bytes)), &options).unwrap() {
                match entry.unwrap() {
                    Entry::Record(record, at) => records.push((record, at)),
                    Entry::Reject(reject) => rejects.push(reject),
                    Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
                }
            }
            let wanted = want["records"].as_array().unwrap();
            assert_eq!(records.len(), wanted.len(), "{file}: {rejects:?}");
            for ((record, at), wanted) in records.iter().zip(wanted) {
                let mut wanted = wanted.clone();
                let members = wanted.as_object_mut().unwrap();
                let line = members.remove("line").and_then(|l| l.as_u64());
                assert!(line.is_none() || line == at.line, "{file}: {line:?} {at:?}");
                if let Some(list) = members.get_mut("attachments").and_then(Value::as_array_mut) {
                    for item in list {
                        *item = json!([item["name"], item["size"]]);
                    }
                }
                assert_eq!(as_json(record, &wanted), wanted, "{file}");
            }
            let empty = Vec::new();
            let wanted = want["rejects"].as_array().unwrap_or(&empty);
            assert_eq!(rejects.len(), wanted.len(), "{file}: {rejects:?}");
            for (reject, wanted) in rejects.iter().zip(wanted) {
                assert_eq!(reject.at.line, wanted["line"].as_u64(), "{file}");
                assert_eq!(reject.at.pointer.as_deref(), wanted["pointer"].as_str(), "{file}");
                assert!(reject.why.contains(wanted["why"].as_str().unwrap()), "{file}: {}", reject.why);
            }
        }
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn round(format: Format, records: &[Record]) -> Vec<Record> {
    let out = Shared::default();
    let mut writer = writer(format, Box::new(out.clone()), &WriteOptions::default()).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap();
    let bytes = out.0.lock().unwrap().clone();
    let mut back = Vec::new();
    for entry in reader(format, Box::new(Cursor::new(bytes)), &ReadOptions::default()).unwrap() {
        match entry.unwrap() {
            Entry::Record(record, _) => back.push(record),
            Entry::Note(_) | Entry::Values(_) => {}
            other => panic!("{other:?}"),
        }
    }
    back
}

fn any_record() -> impl Strategy<Value = Record> {
    let text = || any::<String>();
    let custom = (text(), 0..3usize, text()).prop_map(|(name, kind, value)| Custom {
        name,
        kind: [CustomKind::Text, CustomKind::Password, CustomKind::Totp][kind].clone(),
        value: value.into(),
    });
    let attachment =
        (text(), any::<Vec<u8>>()).prop_map(|(name, bytes)| Attachment { name, content: bytes.into() });
    let path = (any::<Option<String>>(), prop::collection::vec(text(), 0..4))
        .prop_map(|(vault, folders)| RecordPath { vault, folders });
    (
        (path, text(), text(), any::<Option<String>>(), text(), text()),
        (
            prop::collection::vec(text(), 0..3),
            any::<Option<i64>>(),
            any::<bool>(),
            prop::collection::vec(custom, 0..3),
            prop::collection::vec(attachment, 0..2),
        ),
    )
        .prop_map(
            |(
                (path, name, login, password, url, description),
                (tags, color, favorite, customs, attachments),
            )| Record {
                path,
                name,
                login,
                password: password.map(Into::into),
                url,
                description,
                tags,
                color,
                favorite,
                customs,
                attachments,
                changed_at: None,
                sealed_under: None,
            },
        )
}

/// What a CSV can hold of a record.
fn for_csv(mut record: Record) -> Record {
    // A nameless row takes the host of its url.
    if record.name.is_empty() {
        record.name.push('x');
    }
    record.attachments.clear();
    record.customs.truncate(1);
    record.customs.retain(|c| !c.value.is_empty());
    record.password = record.password.filter(|p| !p.is_empty());
    for tag in &mut record.tags {
        let plain = tag.replace([',', ';'], "");
        *tag = plain.trim().to_string();
    }
    record.tags.retain(|t| !t.is_empty());
    record.path.vault = record.path.vault.filter(|v| !v.is_empty());
    record.path.folders.iter_mut().for_each(|f| {
        if f.ends_with('\\') {
            f.push('x');
        }
    });
    record.path.folders.retain(|f| !f.is_empty());
    record
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn formats_read_what_they_wrote(records in prop::collection::vec(any_record(), 0..5)) {
        prop_assert_eq!(&round(Format::JSON_LINES, &records), &records);
        let back = round(Format::PASSWORK_JSON, &records);
        prop_assert_eq!(back.len(), records.len());
        for record in &records { prop_assert!(back.contains(record), "{:?}", record); }
        let held: Vec<_> = records.into_iter().map(for_csv).collect();
        prop_assert_eq!(&round(Format::CSV, &held), &held);
    }

    #[test]
    fn formats_never_panic(bytes in any::<Vec<u8>>(), text in "[\\[\\]{}:,\"a\\\\;\r\n]{0,60}") {
        for bytes in [bytes, text.into_bytes()] {
            let _ = detect(&bytes, None);
            for format in Format::all() {
                if let Ok(entries) = reader(format, Box::new(Cursor::new(bytes.clone())), &ReadOptions::default()) {
                    entries.take(1000).for_each(drop);
                }
            }
        }
    }
}
