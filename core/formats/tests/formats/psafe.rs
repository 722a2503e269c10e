//! Databases of Password Safe, made here from the description of the format.
#![expect(clippy::unwrap_used, reason = "tests")]

use aes::cipher::{BlockCipherEncrypt as _, BlockModeEncrypt as _, KeyInit as _, KeyIvInit as _};
use hmac::{Hmac, Mac as _};
use keyferry_crypto::error::ErrorKind;
use keyferry_crypto::model::{Entry, Record, Values};
use keyferry_formats::{Format, ReadOptions, detect::detect, detect::needs_passphrase, json_line, reader};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::io::Cursor;
use std::path::Path;

/// Fields of one row.
type Row<'a> = &'a [(u8, &'a [u8])];

const END: Row<'_> = &[(0xff, b"")];

const PASSPHRASE: &str = "sample horse battery";

fn format() -> Format {
    Format::from_name("psafe3").unwrap()
}

fn sealed(passphrase: &[u8], rounds: u32, rows: &[Row<'_>]) -> Vec<u8> {
    let (salt, vector, keys) = ([1; 32], [2; 16], [[3_u8; 32], [4; 32]]);
    let mut stretched: [u8; 32] = Sha256::digest([passphrase, &salt].concat()).into();
    for _ in 0..rounds {
        stretched = Sha256::digest(stretched).into();
    }
    let mut out = [b"PWS3", &salt[..], &rounds.to_le_bytes(), &Sha256::digest(stretched)].concat();
    let cipher = twofish::Twofish::new_from_slice(&stretched).unwrap();
    for half in keys.iter().flat_map(|key| key.chunks_exact(16)) {
        let mut block = half.try_into().unwrap();
        cipher.encrypt_block(&mut block);
        out.extend(block);
    }
    out.extend(vector);
    let mut mac = Hmac::<Sha256>::new_from_slice(&keys[1]).unwrap();
    let mut plain = Vec::new();
    for (kind, value) in rows.iter().flat_map(|row| row.iter().chain(END)) {
        plain.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        plain.push(*kind);
        plain.extend(*value);
        plain.resize(plain.len().next_multiple_of(16), 0x77);
        mac.update(value);
    }
    let mut cipher = cbc::Encryptor::<twofish::Twofish>::new_from_slices(&keys[0], &vector).unwrap();
    for block in plain.chunks_exact_mut(16) {
        cipher.encrypt_block(block.try_into().unwrap());
    }
    out.extend(plain);
    out.extend(b"PWS3-EOFPWS3-EOF");
    out.extend(mac.finalize().into_bytes());
    out
}

fn with(passphrase: &str) -> ReadOptions {
    ReadOptions { passphrase: Some(passphrase.into()), ..ReadOptions::default() }
}

fn read(bytes: &[u8], options: &ReadOptions) -> keyferry_crypto::Result<(Vec<Record>, Vec<String>, Values)> {
    let (mut records, mut notes, mut values) = (Vec::new(), Vec::new(), Values::default());
    for entry in reader(format(), Box::new(Cursor::new(bytes.to_vec())), options)? {
        match entry? {
            Entry::Record(record, _) => records.push(record),
            Entry::Folder(path) => notes.push(format!("empty: {path}")),
            Entry::Note(note) => notes.push(note),
            Entry::Reject(reject) => notes.push(format!("rejected: {}", reject.why)),
            Entry::Values(found) => values = found,
        }
    }
    assert_eq!(values.lost(), 0, "{values:?} {notes:#?}");
    Ok((records, notes, values))
}

const HEADER: Row<'_> =
    &[(0, &[0x10, 3]), (1, &[9; 16]), (9, b"Company"), (0x11, b"Empty.one"), (0x11, b"Mail")];
const ID: &[u8] = &[0xab; 16];

/// The sample's rows.
fn rows() -> Vec<Vec<(u8, Vec<u8>)>> {
    let row = |fields: &[(u8, &[u8])]| fields.iter().map(|(kind, value)| (*kind, value.to_vec())).collect();
    let id = "ab".repeat(16);
    vec![
        row(HEADER),
        row(&[
            (1, ID),
            (2, b"Mail.a\\.b"),
            (3, "Post & mehr ü".as_bytes()),
            (4, b"anna"),
            (5, b"line 1\r\nline 2"),
            (6, "p\u{e4}ss".as_bytes()),
            (7, &1_738_555_506_u32.to_le_bytes()),
            (0x0c, &1_772_600_767_u32.to_le_bytes()),
            (0x0d, b"https://mail.example"),
            (0x0f, b"1ff016842c5be0005older"),
            (0x14, b"anna@mail.example"),
            (0x1b, b"12345678901234567890"),
            (0x25, b"key"),
            (0x26, b"application/octet-stream"),
            (0x27, b"key.bin"),
            (0x29, &[0, 1, 2, 255]),
            (0x30, b"one"),
            (0x30, b"two"),
        ]),
        row(&[(1, &[1; 16]), (2, b"Other"), (3, b"alias"), (4, b"bea"), (6, format!("[[{id}]]").as_bytes())]),
        row(&[(1, &[2; 16]), (3, b"shortcut"), (6, format!("[~{id}~]").as_bytes())]),
        row(&[
            (1, &[3; 16]),
            (3, b"card"),
            (6, b""),
            (0x14, b"only@mail.example"),
            (0x1c, b"4111111111111111"),
            (0x1d, b"08/31"),
            (0x1e, b"123"),
            (0x1f, b"0042"),
            (0x1b, b"1234567890"),
            (0x21, &[1]),
            (0x22, &[8]),
            (0x23, &[60]),
        ]),
    ]
}

fn made(passphrase: &str, rounds: u32, rows: &[Vec<(u8, Vec<u8>)>]) -> Vec<u8> {
    let rows: Vec<Vec<(u8, &[u8])>> =
        rows.iter().map(|row| row.iter().map(|(kind, value)| (*kind, &value[..])).collect()).collect();
    let rows: Vec<Row<'_>> = rows.iter().map(|row| &row[..]).collect();
    sealed(passphrase.as_bytes(), rounds, &rows)
}

/// `KEYFERRY_WRITE_SAMPLES=1` writes it anew.
#[test]
fn the_sample_is_what_is_made_here() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/samples/42-password-safe/company.psafe3");
    let bytes = made(PASSPHRASE, 2048, &rows());
    if std::env::var_os("KEYFERRY_WRITE_SAMPLES").is_some() {
        std::fs::write(path, bytes).unwrap();
    } else {
        assert!(std::fs::read(path).unwrap() == bytes, "KEYFERRY_WRITE_SAMPLES=1 writes it anew");
    }
}

#[test]
fn every_field_arrives_or_is_told() {
    let mut row: Vec<(u8, Vec<u8>)> =
        (1..=0x33_u8).map(|kind| (kind, format!("zq{kind:04}qz").into_bytes())).collect();
    row[0].1 = ID.to_vec();
    row.push((0xdf, vec![0, 255]));
    let mut header: Vec<(u8, Vec<u8>)> =
        (0..=0x13_u8).map(|kind| (kind, format!("zq9{kind:03}qz").into_bytes())).collect();
    header[0].1 = vec![0, 3];
    let count = (row.len() + header.len()) as u64;
    let (records, notes, values) = read(&made("x", 5, &[header, row]), &with("x")).unwrap();
    assert_eq!(values.read, count, "{values:?}");
    let line = json_line(&records[0]);
    let line = std::str::from_utf8(line.expose()).unwrap();
    let told = notes.concat();
    for kind in
        [2, 3, 4, 5, 6, 0xd, 0x12, 0x14, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x25, 0x27, 0x2b, 0x30, 0x31, 0x33]
    {
        assert!(line.contains(&format!("zq{kind:04}qz")), "{kind:#x}: {line}");
    }
    assert!(told.contains("zq9017qz"), "{told}");
    for word in ["settings of the database", "own dates", "earlier passwords", "auto-type", "0xdf", "passkey"]
    {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!notes.iter().any(|note| note.contains("zq0")), "{notes:#?}");
}

#[test]
fn a_wrong_passphrase_and_damage_are_two_errors() {
    let bytes = made(PASSPHRASE, 2048, &rows());
    assert_eq!(detect(&bytes, None).unwrap(), format());
    assert!(needs_passphrase(&bytes, None));
    let failed = |bytes: &[u8], options: &ReadOptions| read(bytes, options).unwrap_err();
    assert_eq!(failed(&bytes, &ReadOptions::default()).kind(), ErrorKind::Locked);
    assert_eq!(failed(&bytes, &with("wrong")).kind(), ErrorKind::Locked);
    for at in [160, 200, bytes.len() - 60, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(failed(&changed, &with(PASSPHRASE)).kind(), ErrorKind::Decrypt, "{at}");
    }
    for cut in (4..bytes.len()).step_by(7) {
        assert_eq!(failed(&bytes[..cut], &with(PASSPHRASE)).kind(), ErrorKind::Decrypt, "{cut}");
    }
    let mut heavy = bytes.clone();
    heavy[36..40].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(failed(&heavy, &with(PASSPHRASE)).to_string().contains("too much work"));
    // A passphrase in the code page of an old Windows.
    let old = sealed("p\u{e4}ss".chars().map(|c| c as u8).collect::<Vec<_>>().as_slice(), 3, &[HEADER]);
    assert!(read(&old, &with("p\u{e4}ss")).is_ok());
}

#[test]
fn references_that_lead_nowhere_stay_and_are_told() {
    let id = |byte: u8| format!("{byte:02x}").repeat(16);
    let row =
        |own: u8, password: String| vec![(1, vec![own; 16]), (3, b"n".to_vec()), (6, password.into_bytes())];
    let rows = [
        vec![],
        row(1, format!("[[{}]]", id(1))),
        row(2, format!("[~{}~]", id(7))),
        row(3, format!("[[{}]]", id(2))),
    ];
    let (records, notes, _) = read(&made("x", 1, &rows), &with("x")).unwrap();
    assert!(records.iter().all(|record| record.password.as_ref().unwrap().expose().starts_with('[')));
    assert!(notes.concat().contains("3 times"), "{notes:#?}");
    let deep = vec![vec![], vec![(2, ["d."; 200].concat().into_bytes()), (3, b"x".to_vec())]];
    let (records, notes, _) = read(&made("x", 1, &deep), &with("x")).unwrap();
    assert!(records.is_empty() && notes.concat().contains("nested more than"), "{notes:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_the_reader_panic(raw in any::<Vec<u8>>(), kind in any::<u8>(), value in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), bits in any::<u8>()) {
        let mut bytes = sealed(b"x", 3, &[&[(kind, &value)], &[(kind, &value), (kind, &raw), (0x0f, &value)]]);
        let _ = read(&bytes, &with("x"));
        let at = at.index(bytes.len());
        // A bit of the rounds is work.
        if !(36..40).contains(&at) {
            bytes[at] ^= bits;
        }
        let _ = read(&bytes, &with("x"));
        let _ = read(&[b"PWS3", &raw[..]].concat(), &with("x"));
    }
}
