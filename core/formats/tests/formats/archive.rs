//! The sealed file: what goes in comes out, and nothing else does.

#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

use keyferry_crypto::account;
use keyferry_crypto::keychain::Keychain;
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Entry, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use keyferry_crypto::{Error, ErrorKind, Result};
use keyferry_formats::archive::{Lock, Opener, Reader, Recipient, Writer, inspect, is_archive};
use keyferry_formats::{Format, ReadOptions};
use rayon::prelude::*;
use std::io::{Cursor, Write};
use std::sync::{Arc, LazyLock, Mutex};

fn keychain() -> Keychain {
    let account = account::generate(&SecretString::from("a master password")).unwrap();
    Keychain::unlock(&account.private_encrypted, &account.master_key).unwrap()
}

static MINE: LazyLock<Keychain> = LazyLock::new(keychain);

/// A file in memory that outlives its writer.
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

fn seal(records: &[Record], folders: &[RecordPath], recipients: &[Recipient]) -> Vec<u8> {
    let file = Shared::default();
    let mut writer = Writer::create(Box::new(file.clone()), recipients).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    for folder in folders {
        writer.folder(folder).unwrap();
    }
    writer.finish().unwrap();
    let bytes = file.0.lock().unwrap();
    bytes.clone()
}

fn open(file: &[u8], opener: Opener<'_>) -> Result<(Vec<Record>, Vec<RecordPath>)> {
    let (mut records, mut folders) = (Vec::new(), Vec::new());
    for entry in Reader::open(Box::new(Cursor::new(file.to_vec())), &[opener])? {
        match entry? {
            Entry::Record(record, _) => records.push(record),
            Entry::Folder(path) => folders.push(path),
            other => panic!("{other:?}"),
        }
    }
    Ok((records, folders))
}

fn for_me() -> Vec<Recipient> {
    vec![Recipient::PublicKey(MINE.public().clone())]
}

fn mine(file: &[u8]) -> Result<(Vec<Record>, Vec<RecordPath>)> {
    open(file, Opener::PrivateKey(&MINE))
}

/// Records of every shape; attachments of random bytes, which do not compress, up to `size`.
fn records(size: usize) -> Vec<Record> {
    let mut rng = fastrand::Rng::with_seed(4);
    let custom = |name: &str, kind, value: &str| Custom { name: name.into(), kind, value: value.into() };
    let full = Record {
        path: RecordPath {
            vault: Some("Общий/сейф".into()), folders: vec![String::new(), "a\\b".into()]
        },
        name: "名前 🙂".into(),
        login: "root".into(),
        password: Some("p,\"\n".into()),
        url: "https://db".into(),
        description: "two\nlines\u{0}".into(),
        tags: vec!["a".into(), "a".into(), String::new()],
        color: Some(-7),
        favorite: true,
        customs: vec![
            custom("", CustomKind::Text, ""),
            custom("x", CustomKind::Other("new".into()), "v"),
            custom("x", CustomKind::Totp, "otpauth://totp/x?secret=GEZDGNBV"),
        ],
        attachments: [0, 1, size]
            .map(|size| Attachment {
                name: "../x".into(),
                content: SecretBytes::new((0..size).map(|_| rng.u8(..)).collect()),
            })
            .into(),
        created_at: None,
        changed_at: None,
        also_in: Vec::new(),
        history: Vec::new(),
        sealed_under: None,
    };
    let empty = Record { password: Some(SecretString::default()), ..Record::default() };
    vec![full.clone(), full, empty, Record::default()]
}

#[test]
fn what_goes_in_comes_out_whatever_its_size() {
    // Around the borders of chunks (64 KiB) and of groups of chunks (6 MiB).
    for size in [0, 60_000, (64 << 10) - 700, 64 << 10, (6 << 20) - 300, 6 << 20, 13 << 20] {
        let (records, folders) = (records(size), vec![RecordPath::default()]);
        let file = seal(&records, &folders, &for_me());
        assert!(is_archive(&file));
        assert!(mine(&file).unwrap() == (records, folders), "{size}");
    }
    assert_eq!(mine(&seal(&[], &[], &for_me())).unwrap(), (vec![], vec![]));
}

#[test]
fn each_recipient_opens_it_and_nobody_else() {
    let (other, stranger) = (keychain(), keychain());
    let phrase = SecretString::from("correct horse");
    let recipients = [
        Recipient::PublicKey(MINE.public().clone()),
        Recipient::Passphrase(phrase.clone()),
        Recipient::PublicKey(other.public().clone()),
    ];
    let file = seal(&records(10), &[], &recipients);
    for opener in [Opener::PrivateKey(&MINE), Opener::Passphrase(&phrase), Opener::PrivateKey(&other)] {
        assert_eq!(open(&file, opener).unwrap().0, records(10));
    }
    let wrong = SecretString::from("correct horse ");
    for opener in [Opener::PrivateKey(&stranger), Opener::Passphrase(&wrong)] {
        assert_eq!(open(&file, opener).unwrap_err().kind(), ErrorKind::Locked);
    }
    let header = inspect(&*file).unwrap();
    assert_eq!(header.locks.len(), 3);
    assert_eq!(header.locks[0], Lock::PublicKey(MINE.public().fingerprint().unwrap()));
    assert!(matches!(header.locks[1], Lock::Passphrase(_)));
}

fn refused(file: &[u8]) -> Option<Error> {
    mine(file).err()
}

#[test]
fn random_damages_are_each_detected() {
    // Each costs a use of the private key.
    let tries = if std::env::var_os("TORTURE").is_some() { 10_000_u64 } else { 1_500 };
    let file = seal(&records(200_000), &[], &for_me());
    assert!(refused(&file).is_none());
    let undetected: Vec<u64> = (0..tries)
        .into_par_iter()
        .filter(|seed| {
            let mut rng = fastrand::Rng::with_seed(*seed);
            let mut damaged = file.clone();
            // Every other one falls into the header and the first chunk.
            let end = if seed % 2 == 0 { file.len() } else { 2000 };
            let at = rng.usize(..end);
            damaged[at] ^= 1 << rng.u8(..8);
            refused(&damaged).is_none()
        })
        .collect();
    assert_eq!(undetected, [0; 0]);
}

#[test]
fn a_file_cut_anywhere_or_continued_is_refused() {
    let file = seal(&records(150_000), &[], &for_me());
    let steps = (0..file.len()).step_by(997).chain(file.len() - 70_000..file.len() - 69_000);
    let believed: Vec<usize> = steps
        .collect::<Vec<_>>()
        .into_par_iter()
        .filter(|length| refused(&file[..*length]).is_none())
        .collect();
    assert_eq!(believed, [0; 0]);
    for more in [&b"\0"[..], &file[file.len() - 100..], &file] {
        assert!(refused(&[&file, more].concat()).is_some());
    }
}

#[test]
fn chunks_that_are_moved_left_out_or_from_elsewhere_are_refused() {
    const SEALED: usize = (64 << 10) + 16;
    let file = seal(&records(400_000), &[], &for_me());
    let other = seal(&records(400_000), &[], &for_me());
    let start = 8 + 2 + 3 + 32 + 256 + 32 + 32;
    let chunk = |file: &[u8], n: usize| file[start + n * SEALED..start + (n + 1) * SEALED].to_vec();
    let with = |n: usize, bytes: &[u8]| {
        let mut changed = file.clone();
        changed.splice(start + n * SEALED..start + (n + 1) * SEALED, bytes.iter().copied());
        changed
    };
    assert!(refused(&with(1, &chunk(&file, 1))).is_none(), "the test knows where chunks stand");
    assert!(refused(&with(1, &chunk(&file, 2))).is_some(), "moved");
    assert!(refused(&with(1, &[])).is_some(), "left out");
    assert!(refused(&with(1, &[chunk(&file, 1), chunk(&file, 1)].concat())).is_some(), "twice");
    assert!(refused(&with(1, &chunk(&other, 1))).is_some(), "from elsewhere");
    let spliced = [&file[..start], &other[start..]].concat();
    assert!(refused(&spliced).is_some(), "another payload");
}

#[test]
fn absurd_parameters_are_refused_before_any_work() {
    let phrase = SecretString::from("correct horse");
    let file = seal(&records(1), &[], &[Recipient::Passphrase(phrase.clone())]);
    // Memory, passes and lanes stand after magic, version, number of locks, kind and length.
    for (at, number) in [(13, u32::MAX), (13, 8), (17, u32::MAX), (17, 0), (21, u32::MAX)] {
        let mut absurd = file.clone();
        absurd[at..at + 4].copy_from_slice(&number.to_be_bytes());
        let error = open(&absurd, Opener::Passphrase(&phrase)).unwrap_err();
        assert!(error.what().contains("work to derive its key"), "{error}");
    }
    for (file, kind) in [(&b"PK\x03\x04"[..], ErrorKind::Input), (b"", ErrorKind::Decrypt)] {
        assert_eq!(refused(file).expect("it is no archive").kind(), kind);
    }
}

#[test]
fn what_opens_nothing_is_no_recipient() {
    let create = |recipients: &[Recipient]| Writer::create(Box::new(Shared::default()), recipients).err();
    assert_eq!(create(&[]).unwrap().kind(), ErrorKind::Usage);
    let two = [Recipient::Passphrase("a".into()), Recipient::Passphrase("b".into())];
    assert_eq!(create(&two).unwrap().kind(), ErrorKind::Usage);
}

/// `tests/archive/read.py`, made from the page alone, opens the same file.
#[test]
fn the_vector_opens_with_the_passphrase_and_with_the_private_key() {
    let folder = format!("{}/../../tests/vectors", env!("CARGO_MANIFEST_DIR"));
    let text = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let sealed = std::fs::read(format!("{folder}/archive/both.kfa")).unwrap();
    let keys: serde_json::Value = serde_json::from_str(&text("rsa.json")).unwrap();
    let pem = SecretString::from(keys[0]["private_pem"].as_str().unwrap());
    let keychain = Keychain::from_pem(&pem).unwrap();
    let phrase = SecretString::from("correct horse, battery 🙂");
    let plain = Cursor::new(text("archive/records.jsonl").into_bytes());
    let expected: Vec<_> =
        keyferry_formats::reader(Format::JSON_LINES, Box::new(plain), &ReadOptions::default())
            .unwrap()
            .filter_map(|entry| match entry.unwrap() {
                Entry::Record(record, _) => Some(record),
                _ => None,
            })
            .collect();
    assert_eq!(expected.len(), 4);
    for opener in [Opener::Passphrase(&phrase), Opener::PrivateKey(&keychain)] {
        assert_eq!(open(&sealed, opener).unwrap(), (expected.clone(), Vec::new()));
    }
}
