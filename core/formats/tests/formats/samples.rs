//! The sample files and what they must give; and that every format reads what it wrote.
#![expect(clippy::unwrap_used, reason = "tests")]

use keyferry_crypto::model::{Attachment, Custom, CustomKind, Entry, Record, RecordPath};
use keyferry_formats::{Format, ReadOptions, WriteOptions, detect::detect, reader, writer};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn place(path: &RecordPath) -> Value {
    match &path.vault {
        Some(vault) => json!({"vault": vault, "path": path.folders}),
        None => json!({"path": path.folders}),
    }
}

/// Unix seconds as files of the samples have dates.
fn iso(seconds: i64) -> String {
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (mut year, mut left) = (1970, days);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", left + 1)
}

fn as_json(record: &Record, wanted: &Value) -> Value {
    let mut out = json!({
        "name": record.name, "login": record.login, "url": record.url, "description": record.description,
        "password": record.password.as_ref().map_or("", |p| p.expose()),
        "tags": record.tags, "favorite": record.favorite, "path": record.path.folders,
        "vault": record.path.vault.clone().unwrap_or_default(),
        "color": record.color.map(|c| c.to_string()).unwrap_or_default(),
        "customs": record.customs.iter().map(|c| json!({"name": c.name, "type": c.kind.as_str(), "value": c.value.expose()})).collect::<Vec<_>>(),
        "attachments": record.attachments.iter().map(|a| json!([a.name, a.content.len()])).collect::<Vec<_>>(),
        "also_in": record.also_in.iter().map(place).collect::<Vec<_>>(),
        "history": record.history.iter().map(|one| json!({"password": one.password.expose(), "changed": one.changed_at.map(iso)})).collect::<Vec<_>>(),
        "created": record.created_at.map(iso).unwrap_or_default(),
        "modified": record.changed_at.map(iso).unwrap_or_default(),
    });
    // A member that the expectation leaves out must be empty: give it the expectation's form.
    let members = out.as_object_mut().unwrap();
    // A date that no expectation names is one more than it asks for.
    for name in ["created", "modified"] {
        if wanted.get(name).is_none() {
            members.remove(name);
        }
    }
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
    let mut wrong = Vec::new();
    for folder in folders {
        let expected: Value =
            serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        for (file, want) in expected.as_object().unwrap() {
            let bytes = std::fs::read(folder.join(file)).unwrap();
            if let Err(why) = compare(&folder, file, bytes, want) {
                wrong.push(format!("{file}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two values that have to be the same.
fn same(what: &str, found: &Value, wanted: &Value) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}\n  found  {found}\n  wanted {wanted}")) }
}

/// The format of a sample, by content.
fn format_of(file: &str, bytes: &[u8], want: &Value) -> Result<Format, String> {
    if let Some(name) = want["options"]["format"].as_str() {
        return Format::from_name(name).ok_or_else(|| format!("there is no format {name}"));
    }
    let format = detect(bytes, Some(file)).map_err(|error| error.to_string())?;
    same("format", &format.name().into(), &want["detect"])?;
    // Without its name as well, but for tables that nothing tells from a text.
    if format != Format::CSV {
        let unnamed = detect(bytes, None).map_err(|error| error.to_string())?;
        same("format without a name", &unnamed.name().into(), &want["detect"])?;
    }
    Ok(format)
}

fn compare(folder: &Path, file: &str, bytes: Vec<u8>, want: &Value) -> Result<(), String> {
    let format = format_of(file, &bytes, want)?;
    let given = &want["options"];
    let options = ReadOptions {
        encoding: given["encoding"].as_str().map(str::to_owned),
        no_header: given["no_header"].as_bool().unwrap_or(false),
        columns: given["columns"].as_str().map(|c| c.split(',').map(str::to_owned).collect()),
        name: Some(file.to_owned()),
        passphrase: given["password"].as_str().map(Into::into),
        key_file: given["keyfile"].as_str().map(|key| std::fs::read(folder.join(key)).unwrap().into()),
        ..ReadOptions::default()
    };
    let (mut records, mut rejects) = (Vec::new(), Vec::new());
    let entries =
        reader(format, Box::new(Cursor::new(bytes)), &options).map_err(|error| error.to_string())?;
    for entry in entries {
        match entry.map_err(|error| error.to_string())? {
            Entry::Record(record, at) => records.push((record, at)),
            Entry::Reject(reject) => rejects.push(reject),
            Entry::Values(values) if values.lost() != 0 => return Err(format!("{values:?}")),
            Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
        }
    }
    let wanted = want["records"].as_array().unwrap();
    same(&format!("records, {rejects:?}"), &records.len().into(), &wanted.len().into())?;
    for (index, wanted) in wanted.iter().enumerate() {
        let mut wanted = wanted.clone();
        let members = wanted.as_object_mut().unwrap();
        let line = members.remove("line");
        if let Some(list) = members.get_mut("attachments").and_then(Value::as_array_mut) {
            for item in list {
                *item = json!([item["name"], item["size"]]);
            }
        }
        // A tree may be given out in another order than the sample lists it; twins are two.
        let is = |(record, _): &(Record, _)| as_json(record, &wanted) == wanted;
        let found = if line.is_none() {
            records.iter().skip(index).position(is).map_or(index, |at| index + at)
        } else {
            index
        };
        records.swap(index, found);
        let (record, at) = &records[index];
        if let Some(line) = line {
            same("line", &at.line.into(), &line)?;
        }
        same("record", &as_json(record, &wanted), &wanted)?;
    }
    let empty = Vec::new();
    let wanted = want["rejects"].as_array().unwrap_or(&empty);
    same(&format!("rejects, {rejects:?}"), &rejects.len().into(), &wanted.len().into())?;
    for (reject, wanted) in rejects.iter().zip(wanted) {
        same("line", &reject.at.line.into(), &wanted["line"])?;
        let pointer = wanted["pointer"].as_str().or(wanted["member"].as_str());
        same("pointer", &reject.at.pointer.as_deref().into(), &pointer.into())?;
        if !reject.why.contains(wanted["why"].as_str().unwrap()) {
            return Err(format!("rejected, since {}", reject.why));
        }
    }
    Ok(())
}

#[derive(Clone, Default)]
pub struct Shared(pub Arc<Mutex<Vec<u8>>>);

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

pub fn any_record() -> impl Strategy<Value = Record> {
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
                created_at: None,
                changed_at: None,
                also_in: Vec::new(),
                history: Vec::new(),
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
