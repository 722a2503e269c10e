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

/// Text that opens the samples of Ansible Vault.
const VAULT: &str = "correct horse";

fn identity() -> String {
    String::from_utf8(sample("42-sops/identity.txt")).unwrap()
}

#[test]
fn ansible_vault_opens_with_its_password_alone() {
    for file in [
        "protected-vars.yml",
        "protected-whole.vault.yml",
        "protected-password.txt",
        "protected-key.pem",
        "protected-shop.env",
    ] {
        let bytes = sample(&format!("41-ansible-vault/{file}"));
        assert_eq!(detect(&bytes, None).unwrap().name(), "ansible-vault", "{file}");
        assert!(needs_passphrase(&bytes, None), "{file}");
        for options in [
            with(VAULT),
            ReadOptions {
                key_file: Some(format!("{VAULT}\n").into_bytes().into()),
                ..ReadOptions::default()
            },
            ReadOptions { key_file: Some(VAULT.as_bytes().to_vec().into()), ..with("") },
        ] {
            let found = read("ansible-vault", &bytes, &options).unwrap();
            assert!(!found.records.is_empty() && found.values.lost() == 0, "{file}: {:?}", found.values);
        }
        assert_eq!(refused("ansible-vault", &bytes, &ReadOptions::default()).kind(), ErrorKind::Locked);
        let wrong = refused("ansible-vault", &bytes, &with("wrong"));
        assert!(
            wrong.kind() == ErrorKind::Locked && wrong.to_string().contains("or the file is damaged"),
            "{wrong}"
        );
        for cut in (0..bytes.len()).step_by(97) {
            let _ = read("ansible-vault", &bytes[..cut], &with(VAULT));
            let mut changed = bytes.clone();
            changed[cut] ^= 3;
            let _ = read("ansible-vault", &changed, &with(VAULT));
        }
    }
    let old = "$ANSIBLE_VAULT;1.0;AES\n3132\n";
    assert_eq!(refused("ansible-vault", old.as_bytes(), &with(VAULT)).kind(), ErrorKind::Input);
    let broken = "$ANSIBLE_VAULT;1.1;AES256\n31323\n";
    assert_eq!(refused("ansible-vault", broken.as_bytes(), &with(VAULT)).kind(), ErrorKind::Decrypt);
}

#[test]
fn values_of_another_vault_are_told_and_the_rest_is_read() {
    let text = String::from_utf8(sample("41-ansible-vault/protected-vars.yml")).unwrap();
    // The last digit of the first value's ciphertext: its tag fits no more.
    let at = text.find("api:").unwrap() - 2;
    let digit = if text.as_bytes()[at] == b'1' { "2" } else { "1" };
    let changed = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
    let found = read("ansible-vault", changed.as_bytes(), &with(VAULT)).unwrap();
    assert_eq!((found.values.lost(), found.values.told), (0, 1), "{:?}", found.notes);
    assert!(
        found.notes.iter().any(|note| note.contains("line 4: a value stays behind")),
        "{:?}",
        found.notes
    );
    assert!(!found.records[0].customs.iter().any(|one| one.name == "db_password"));
    // A thousand derivations are what any file may ask for.
    let mut many = "list:\n".to_owned();
    for _ in 0..1001 {
        many += "  - !vault |\n    $ANSIBLE_VAULT;1.1;AES256\n    xx\n";
    }
    let error = refused("ansible-vault", many.as_bytes(), &with(VAULT));
    assert!(error.kind() == ErrorKind::Input && error.to_string().contains("too much work"), "{error}");
}

const SOPS: &[&str] = &[
    "protected-tree.sops.yaml",
    "protected-tree.json",
    "protected-only.yaml",
    "protected-secret.yaml",
    "protected-shop.enc.env",
    "protected-my.ini",
    "protected-key.pem.enc",
];

#[test]
fn sops_opens_with_an_identity_of_age() {
    let identity = identity();
    for file in SOPS {
        let bytes = sample(&format!("42-sops/{file}"));
        assert_eq!(detect(&bytes, None).unwrap().name(), "sops", "{file}");
        assert!(needs_passphrase(&bytes, None), "{file}");
        let key_file = Some(identity.clone().into_bytes().into());
        for options in [with(&identity), ReadOptions { key_file, ..with("") }] {
            let found = read("sops", &bytes, &options).unwrap();
            assert!(!found.records.is_empty() && found.values.lost() == 0, "{file}: {:?}", found.values);
            let told = found.notes.iter().any(|note| note.contains("a comment that is sealed stays behind"));
            let has_comment = matches!(*file, "protected-tree.sops.yaml" | "protected-shop.enc.env");
            assert_eq!(told, has_comment, "{file}: {:?}", found.notes);
        }
        for (options, what) in [
            (ReadOptions::default(), "opens with an identity of age"),
            (with("a passphrase"), "is no identity of age"),
            (
                with("AGE-SECRET-KEY-1QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSKMP32K"),
                "no identity of age that was given opens",
            ),
        ] {
            let error = refused("sops", &bytes, &options);
            assert!(error.kind() == ErrorKind::Locked && error.to_string().contains(what), "{file}: {error}");
        }
    }
}

/// Each of these would go unseen without the MAC, or without the path that each value is sealed for.
#[test]
fn what_was_changed_in_a_file_of_sops_is_damage() {
    let identity = identity();
    let damaged = |text: &str| {
        let error = refused("sops", text.as_bytes(), &with(&identity));
        assert_eq!(error.kind(), ErrorKind::Decrypt, "{error}");
    };
    let yaml = String::from_utf8(sample("42-sops/protected-tree.sops.yaml")).unwrap();
    damaged(&yaml.replace("region_unencrypted: \"eu\"", "region_unencrypted: \"us\""));
    damaged(&yaml.replace("token:", "taken:"));
    damaged(&yaml.replace("2026-03-04", "2026-03-05"));
    damaged(&yaml.replace("mac: ENC", "mac: XNC"));
    let without = yaml.lines().filter(|line| !line.trim_start().starts_with("token:")).collect::<Vec<_>>();
    damaged(&without.join("\n"));
    damaged(&yaml.replacen("data:", "data:AA", 3));
    let json = String::from_utf8(sample("42-sops/protected-tree.json")).unwrap();
    damaged(&json.replacen("YWdlLWVuY3J5cHRpb24u", "YWdlLWVuY3J5cHRpb24v", 2));
    // The sealed values of two places in each other's.
    let value: Value = serde_json::from_str(&json).unwrap();
    let mut swapped = value.clone();
    swapped["shop"]["token"] = value["shop"]["db"]["username"].clone();
    swapped["shop"]["db"]["username"] = value["shop"]["token"].clone();
    damaged(&swapped.to_string());
    for file in SOPS {
        let bytes = sample(&format!("42-sops/{file}"));
        for cut in (0..bytes.len()).step_by(101) {
            let _ = read("sops", &bytes[..cut], &with(&identity));
            let mut changed = bytes.clone();
            changed[cut] ^= 3;
            let _ = read("sops", &changed, &with(&identity));
        }
    }
}

#[test]
fn what_no_identity_of_age_opens_is_refused_with_a_way_on() {
    let mut value: Value = serde_json::from_slice(&sample("42-sops/protected-tree.json")).unwrap();
    value["sops"]["age"] = json!([]);
    value["sops"]["kms"] = json!([{"arn": "x", "enc": "y"}]);
    let error = refused("sops", value.to_string().as_bytes(), &with(&identity()));
    assert!(
        error.kind() == ErrorKind::Input && error.next().is_some_and(|next| next.contains("sops -d")),
        "{error}"
    );
}
