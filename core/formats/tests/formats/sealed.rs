//! Files that other tools encrypted: what opens them, what does not, and what is said of either. The samples were made by
//! another program than the readers: Python, with its `cryptography`.
#![expect(clippy::unwrap_used, reason = "tests")]

use keyferry_crypto::model::{Entry, Record, Values};
use keyferry_crypto::{Error, ErrorKind};
use keyferry_formats::detect::{detect, needs_passphrase};
use keyferry_formats::{Format, ReadOptions, reader};
use serde_json::{Value, json};
use std::io::Cursor;
use std::path::Path;

pub(super) const PASSPHRASE: &str = "Korrekt Pferd ß";

pub(super) fn sample(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/samples").join(path)).unwrap()
}

pub(super) fn with(passphrase: &str) -> ReadOptions {
    ReadOptions { passphrase: Some(passphrase.into()), ..ReadOptions::default() }
}

pub(super) struct Read {
    pub(super) records: Vec<Record>,
    pub(super) notes: Vec<String>,
    pub(super) values: Values,
}

pub(super) fn read(format: &str, bytes: &[u8], options: &ReadOptions) -> Result<Read, Error> {
    let mut read = Read { records: Vec::new(), notes: Vec::new(), values: Values::default() };
    let format = Format::from_name(format).unwrap();
    for entry in reader(format, Box::new(Cursor::new(bytes.to_vec())), options)? {
        match entry? {
            Entry::Record(record, _) => read.records.push(record),
            Entry::Note(note) => read.notes.push(note),
            Entry::Values(values) => read.values = values,
            Entry::Folder(path) => read.notes.push(format!("empty: {path}")),
            Entry::Reject(reject) => read.notes.push(format!("rejected: {} {}", reject.at, reject.why)),
        }
    }
    Ok(read)
}

pub(super) fn refused(format: &str, bytes: &[u8], options: &ReadOptions) -> Error {
    let Err(error) = read(format, bytes, options) else { panic!("{format} was read") };
    let told = format!("{error} {error:?} {:?}", error.next());
    for secret in [PASSPHRASE, "JBSWY3DPEHPK3PXP", "anna@example.org"] {
        assert!(!told.contains(secret), "{told}");
    }
    error
}

/// Format, sample, and whether a wrong passphrase and damage can be told apart.
const SAMPLES: &[(&str, &str, bool)] = &[
    ("aegis", "protected-aegis.json", true),
    ("aegis", "protected-aegis-slots.json", true),
    ("2fas", "protected-2fas.json", true),
    ("2fas", "protected-2fas-without-reference.json", false),
    ("andotp", "protected-andotp.json.aes", false),
    ("andotp", "protected-andotp-old.json.aes", false),
    ("stratum", "protected-stratum.stratum", false),
    ("stratum", "protected-stratum-old.authpro", false),
];

fn authenticator(file: &str) -> Vec<u8> {
    sample(&format!("40-encrypted-authenticators/{file}"))
}

/// The same file with one byte of its content changed.
fn damaged(bytes: &[u8]) -> Vec<u8> {
    let Ok(mut document) = serde_json::from_slice::<Value>(bytes) else {
        let mut bytes = bytes.to_vec();
        let at = bytes.len() - 40;
        bytes[at] ^= 1;
        return bytes;
    };
    for name in ["db", "servicesEncrypted"] {
        if let Some(text) = document.get(name).and_then(Value::as_str) {
            let first = if text.starts_with('A') { "B" } else { "A" };
            document[name] = json!(format!("{first}{}", &text[1..]));
        }
    }
    document.to_string().into_bytes()
}

#[test]
fn backups_of_authenticators_open_with_their_passphrase_alone() {
    for (format, file, tells) in SAMPLES {
        let bytes = authenticator(file);
        let is_old = file.contains("andotp-old");
        assert_eq!(detect(&bytes, Some(file)).unwrap().name(), *format, "{file}");
        assert!(is_old || detect(&bytes, None).unwrap().name() == *format, "{file}");
        assert!(is_old || needs_passphrase(&bytes, None), "{file}");
        assert!(needs_passphrase(&bytes, Format::from_name(format)), "{file}");

        let found = read(format, &bytes, &with(PASSPHRASE)).unwrap();
        assert!(found.records.len() >= 2 && found.values.lost() == 0, "{file}: {:?}", found.values);

        let none = refused(format, &bytes, &ReadOptions::default());
        assert_eq!(none.kind(), ErrorKind::Locked, "{file}: {none}");
        assert!(none.next().is_some_and(|next| next.contains("KEYFERRY_FILE_PASSPHRASE")), "{file}");
        for wrong in ["", "wrong"] {
            let wrong = refused(format, &bytes, &with(wrong));
            assert_eq!(wrong.kind(), ErrorKind::Locked, "{file}: {wrong}");
            assert_eq!(wrong.to_string().contains("or the file is damaged"), !tells, "{file}: {wrong}");
        }
        let broken = refused(format, &damaged(&bytes), &with(PASSPHRASE));
        let wanted = if *tells { ErrorKind::Decrypt } else { ErrorKind::Locked };
        assert_eq!(broken.kind(), wanted, "{file}: {broken}");
        for cut in (0..bytes.len()).step_by(61) {
            let _ = refused(format, &bytes[..cut], &with(PASSPHRASE));
        }
    }
    for plain in ["2fas.json", "aegis.json", "andotp.json", "stratum.json"] {
        assert!(!needs_passphrase(&sample(&format!("31-authenticators/{plain}")), None), "{plain}");
    }
}

#[test]
fn slots_of_aegis_that_no_password_opens_are_told() {
    let found = read("aegis", &authenticator("protected-aegis-slots.json"), &with(PASSPHRASE)).unwrap();
    let told = found.notes.iter().filter(|note| note.contains("something else than a password")).count();
    assert_eq!(told, 4, "{:?}", found.notes);
    let error = refused("aegis", &authenticator("protected-aegis-biometrics.json"), &with(PASSPHRASE));
    assert_eq!((error.kind(), error.next().is_some()), (ErrorKind::Input, true), "{error}");
}

#[test]
fn what_asks_for_too_much_work_is_refused_before_any() {
    let whole: Value = serde_json::from_slice(&authenticator("protected-aegis.json")).unwrap();
    let heavy = |heavy_kdf| ReadOptions { heavy_kdf, ..with(PASSPHRASE) };
    for (name, value) in [
        ("n", json!(1_u64 << 40)),
        ("n", json!(1_u64 << 63)),
        ("r", json!(u64::MAX)),
        ("r", json!(1 << 20)),
        ("p", json!(1 << 20)),
        ("p", json!(u64::MAX)),
    ] {
        let mut document = whole.clone();
        document["header"]["slots"][0][name] = value;
        let bytes = document.to_string().into_bytes();
        for options in [heavy(false), heavy(true)] {
            let error = refused("aegis", &bytes, &options);
            assert_eq!(error.kind(), ErrorKind::Input, "{name}: {error}");
            assert!(error.to_string().contains("too much work"), "{name}: {error}");
        }
    }
    // Many slots are as much work as one of their sum.
    let mut document = whole.clone();
    let slot = document["header"]["slots"][0].clone();
    document["header"]["slots"] = json!(vec![slot; 400]);
    let error = refused("aegis", document.to_string().as_bytes(), &heavy(false));
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    for (name, value) in
        [("n", json!(3)), ("n", json!(0)), ("r", json!(0)), ("p", json!("x")), ("salt", json!("zz"))]
    {
        let mut document = whole.clone();
        document["header"]["slots"][0][name] = value;
        let error = refused("aegis", document.to_string().as_bytes(), &heavy(false));
        assert_eq!(error.kind(), ErrorKind::Decrypt, "{name}: {error}");
    }
    let mut bytes = authenticator("protected-andotp.json.aes");
    bytes[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(refused("andotp", &bytes, &with(PASSPHRASE)).kind(), ErrorKind::Locked);
}
