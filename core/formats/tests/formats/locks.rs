//! Every format that is sealed, with another passphrase and with other bytes: the two are told apart where the format can,
//! and neither of them crashes a reader or loses a value.
#![expect(clippy::unwrap_used, reason = "tests")]

use keyferry_crypto::model::Entry;
use keyferry_crypto::{Error, ErrorKind};
use keyferry_formats::detect::{detect, needs_passphrase};
use keyferry_formats::{Format, ReadOptions, json_line, reader};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;

/// How much a format says of what does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// A wrong passphrase is one, and damage is damage.
    Apart,
    /// Either may be: that is said.
    Alike,
}

/// A place in a file where a change is damage and nothing else: neither a salt, of which another key comes, nor a check of the key.
#[derive(Clone, Copy)]
enum Content {
    /// So many bytes before its end.
    Back(usize),
    /// In the middle of this text of a JSON document.
    Member(&'static str),
    /// So many bytes after this text.
    After(&'static str, usize),
    /// So many bytes after this text, where it stands last.
    AfterLast(&'static str, usize),
    /// The second digit of a number in hexadecimal that stands for a digit again, on the line after this text.
    Digit(&'static str),
}

struct Lock {
    format: &'static str,
    /// Samples whose names contain this; the first row that fits counts.
    file: &'static str,
    tells: Tells,
    content: Content,
}

const fn lock(format: &'static str, file: &'static str, tells: Tells, content: Content) -> Lock {
    Lock { format, file, tells, content }
}

/// A row for each format that is sealed, and for each of its forms that differ in what they tell.
const LOCKS: &[Lock] = &[
    lock("kdbx", "", Tells::Apart, Content::Back(150)),
    lock("opvault", "", Tells::Apart, Content::After("profile.js", 60)),
    lock("kdb", "", Tells::Alike, Content::Back(40)),
    lock("psafe3", "", Tells::Apart, Content::Back(60)),
    lock("bitwarden-json", "", Tells::Apart, Content::Member("/data")),
    lock("bitwarden-protected", "", Tells::Apart, Content::Member("/data")),
    lock("psono-json", "", Tells::Alike, Content::Member("/text")),
    lock("protonpass-zip", "", Tells::Apart, Content::After("data.pgp", 60)),
    lock("openpgp", ".asc", Tells::Apart, Content::After("\n\n", 100)),
    lock("openpgp", "", Tells::Apart, Content::Back(40)),
    lock("buttercup", "", Tells::Alike, Content::After("buttercup/", 60)),
    lock("padloc", "padlock", Tells::Alike, Content::Member("/ct")),
    lock("padloc", "", Tells::Alike, Content::Member("/encryptedData")),
    lock("aegis", "", Tells::Apart, Content::Member("/db")),
    lock("2fas", "without-reference", Tells::Alike, Content::Member("/servicesEncrypted")),
    lock("2fas", "", Tells::Apart, Content::Member("/servicesEncrypted")),
    lock("andotp", "", Tells::Alike, Content::Back(40)),
    lock("stratum", "", Tells::Alike, Content::Back(40)),
    lock("ansible-vault", "", Tells::Alike, Content::Digit("AES256")),
    lock("sops", "", Tells::Apart, Content::AfterLast("AES256_GCM,data:", 9)),
];

/// What has more than its seal: whatever stands beside it may be changed, and nobody can tell.
const BESIDE: &[&str] = &["ansible-vault", "2fas", "sops"];

/// Samples that are refused for a reason of their own.
const OTHER: &[&str] = &["protected-aegis-biometrics.json"];

/// One sample that a passphrase or a key file opens.
struct Sample {
    file: String,
    bytes: Vec<u8>,
    format: Format,
    options: ReadOptions,
}

fn samples() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/samples");
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(expected) = std::fs::read(folder.join("expected.json")) else { continue };
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        for (file, wanted) in expected.as_object().unwrap() {
            let given = &wanted["options"];
            let has_key = given["password"].is_string() || given["keyfile"].is_string();
            if !has_key || OTHER.contains(&file.as_str()) {
                continue;
            }
            let bytes = std::fs::read(folder.join(file)).unwrap();
            let named = given["format"].as_str().and_then(Format::from_name);
            let format = named.unwrap_or_else(|| detect(&bytes, Some(file)).unwrap());
            let options = ReadOptions {
                name: Some(file.clone()),
                passphrase: given["password"].as_str().map(Into::into),
                key_file: given["keyfile"]
                    .as_str()
                    .map(|key| std::fs::read(folder.join(key)).unwrap().into()),
                ..ReadOptions::default()
            };
            found.push(Sample { file: file.clone(), bytes, format, options });
        }
    }
    found
}

/// What came of a file: its records as lines, and how much of it is told to stay behind.
struct Came {
    records: Vec<Vec<u8>>,
    told: u64,
}

fn read(format: Format, bytes: &[u8], options: &ReadOptions) -> Result<Came, Error> {
    let (mut records, mut told) = (Vec::new(), 0);
    for entry in reader(format, Box::new(Cursor::new(bytes.to_vec())), options)? {
        match entry? {
            Entry::Record(record, _) => records.push(json_line(&record).expose().to_vec()),
            Entry::Reject(_) => told += 1,
            Entry::Values(values) => {
                assert_eq!(values.lost(), 0, "{format:?}: {values:?}");
                told += values.told;
            }
            Entry::Folder(_) | Entry::Note(_) => {}
        }
    }
    Ok(Came { records, told })
}

impl Sample {
    fn lock(&self) -> &'static Lock {
        let fits = |lock: &&Lock| lock.format == self.format.name() && self.file.contains(lock.file);
        LOCKS.iter().find(fits).unwrap_or_else(|| panic!("{} has no row", self.format.name()))
    }

    /// The error of these bytes, or of other options.
    fn refused(&self, bytes: &[u8], options: &ReadOptions) -> Error {
        match read(self.format, bytes, options) {
            Ok(came) => panic!("{}: {} records were read", self.file, came.records.len()),
            Err(error) => error,
        }
    }

    /// The same file with another byte where only what is sealed stands.
    fn damaged(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let at = match self.lock().content {
            Content::Back(count) => bytes.len() - count,
            Content::After(text, count) => {
                let at = bytes.windows(text.len()).position(|part| part == text.as_bytes());
                at.unwrap_or_else(|| panic!("{}: no {text}", self.file)) + text.len() + count
            }
            Content::AfterLast(text, count) => {
                let at = bytes.windows(text.len()).rposition(|part| part == text.as_bytes());
                at.unwrap_or_else(|| panic!("{}: no {text}", self.file)) + text.len() + count
            }
            Content::Digit(text) => {
                let at = bytes.windows(text.len()).position(|part| part == text.as_bytes()).unwrap();
                let line = at + bytes[at..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
                line + bytes[line..].iter().position(|byte| *byte != b' ').unwrap() + 1
            }
            Content::Member(pointer) => {
                let document: Value = serde_json::from_slice(&bytes).unwrap();
                let text = document.pointer(pointer).unwrap().as_str().unwrap();
                let at = bytes.windows(text.len()).position(|part| part == text.as_bytes()).unwrap();
                // Bitwarden's `2.iv|ct|mac`, 2FAS' `ct:salt:iv`: within the first part that is long.
                at + text.find('|').unwrap_or(0) + 9
            }
        };
        let byte = bytes.get_mut(at).unwrap();
        // Another digit or letter, where texts are made of them.
        *byte = match *byte {
            b'a' | b'A' | b'1' => *byte + 1,
            b'0'..=b'9' => b'1',
            b'A'..=b'Z' => b'A',
            b'a'..=b'z' => b'a',
            other => other ^ 1,
        };
        bytes
    }
}

/// Whether an error says that it may be the one or the other.
fn is_either(error: &Error) -> bool {
    error.to_string().contains("or the file is damaged")
}

#[test]
fn every_format_that_is_sealed_has_a_lock_and_a_sample() {
    let sampled: BTreeSet<_> = samples().iter().map(|sample| sample.format.name()).collect();
    let locked: BTreeSet<_> = LOCKS.iter().map(|lock| lock.format).collect();
    assert_eq!(sampled, locked);
    for format in Format::all().filter(|format| format.is_encrypted()) {
        assert!(locked.contains(format.name()), "{format:?}");
    }
}

#[test]
fn another_passphrase_and_damage_are_told_apart_where_the_format_can() {
    let mut wrong = Vec::new();
    for sample in samples() {
        let (lock, file) = (sample.lock(), &sample.file);
        let whole = read(sample.format, &sample.bytes, &sample.options).unwrap();
        assert!(!whole.records.is_empty(), "{file}");
        // By its name alone, where it begins with nothing but a salt.
        assert!(needs_passphrase(&sample.bytes, Some(sample.format)), "{file}");

        let none = ReadOptions { passphrase: None, key_file: None, ..sample.options.clone() };
        let error = sample.refused(&sample.bytes, &none);
        assert_eq!((error.kind(), error.next().is_some()), (ErrorKind::Locked, true), "{file}: {error}");

        let another = ReadOptions { passphrase: Some("another".into()), key_file: None, ..none };
        let error = sample.refused(&sample.bytes, &another);
        if error.kind() != ErrorKind::Locked || is_either(&error) != (lock.tells == Tells::Alike) {
            wrong.push(format!("{file}, another passphrase: {:?} {error}", error.kind()));
        }

        let damaged = sample.damaged();
        if let Ok(came) = read(sample.format, &damaged, &sample.options) {
            // One value of several that are sealed, each for itself.
            let is_told = BESIDE.contains(&sample.format.name()) && came.told > whole.told;
            assert!(is_told && came.records != whole.records, "{file}");
            continue;
        }
        let error = sample.refused(&damaged, &sample.options);
        let is_right = match lock.tells {
            Tells::Apart => error.kind() != ErrorKind::Locked && error.to_string().contains("damaged"),
            Tells::Alike => error.kind() == ErrorKind::Locked && is_either(&error),
        };
        if !is_right {
            wrong.push(format!("{file}, damage: {:?} {error}", error.kind()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Any byte changed and any end cut off: what is read still is all there, or it is said what is not.
#[test]
fn damage_anywhere_is_an_error_or_is_told() {
    for sample in samples() {
        let whole = read(sample.format, &sample.bytes, &sample.options).unwrap();
        let step = (sample.bytes.len() / 4).max(1);
        for at in (0..sample.bytes.len()).step_by(step) {
            let mut changed = sample.bytes.clone();
            changed[at] ^= 4;
            for bytes in [&changed[..], &sample.bytes[..at]] {
                let Ok(came) = read(sample.format, bytes, &sample.options) else { continue };
                let is_whole = came.records == whole.records || BESIDE.contains(&sample.format.name());
                assert!(is_whole || came.told > whole.told, "{} at {at}", sample.file);
            }
        }
    }
}
