//! Files of KeePass 1, made here from the description of the format.
#![expect(clippy::unwrap_used, reason = "tests")]

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockCipherEncrypt as _, BlockModeEncrypt as _, KeyInit as _, KeyIvInit as _};
use keyferry_crypto::error::ErrorKind;
use keyferry_crypto::model::{Entry, Record, Values};
use keyferry_formats::{Format, ReadOptions, detect::detect, json_line, reader};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::io::Cursor;

/// A group or entry: fields by their numbers.
type Fields<'a> = &'a [(u16, &'a [u8])];

fn content(groups: &[Fields<'_>], entries: &[Fields<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let end: Fields<'_> = &[(0xffff, b"")];
    for (kind, value) in groups.iter().chain(entries).flat_map(|fields| fields.iter().chain(end)) {
        out.extend(kind.to_le_bytes());
        out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        out.extend(*value);
    }
    out
}

fn sealed(key: [u8; 32], twofish: bool, groups: &[Fields<'_>], entries: &[Fields<'_>]) -> Vec<u8> {
    let mut plain = content(groups, entries);
    let mut out = b"\x03\xd9\xa2\x9a\x65\xfb\x4b\xb5".to_vec();
    out.extend(if twofish { 9_u32 } else { 3 }.to_le_bytes());
    out.extend(0x0003_0003_u32.to_le_bytes());
    out.extend([1; 16]);
    out.extend([2; 16]);
    out.extend(u32::try_from(groups.len()).unwrap().to_le_bytes());
    out.extend(u32::try_from(entries.len()).unwrap().to_le_bytes());
    out.extend(Sha256::digest(&plain));
    out.extend([3; 32]);
    out.extend(50_u32.to_le_bytes());
    let cipher = aes::Aes256::new(&[3; 32].into());
    let mut key = key;
    for half in key.chunks_exact_mut(16) {
        let mut block = aes::Block::try_from(&*half).unwrap();
        (0..50).for_each(|_| cipher.encrypt_block(&mut block));
        half.copy_from_slice(&block);
    }
    let key = Sha256::digest([&[1; 16][..], &Sha256::digest(key)].concat());
    let length = plain.len();
    plain.resize((length / 16 + 1) * 16, 0);
    if twofish {
        let cipher = cbc::Encryptor::<twofish::Twofish>::new_from_slices(&key, &[2; 16]).unwrap();
        cipher.encrypt_padded::<Pkcs7>(&mut plain, length).unwrap();
    } else {
        let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(&key, &[2; 16]).unwrap();
        cipher.encrypt_padded::<Pkcs7>(&mut plain, length).unwrap();
    }
    out.extend(plain);
    out
}

fn key(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn with(passphrase: &str) -> ReadOptions {
    ReadOptions { passphrase: Some(passphrase.into()), ..ReadOptions::default() }
}

fn read(bytes: &[u8], options: &ReadOptions) -> keyferry_crypto::Result<(Vec<Record>, Vec<String>)> {
    let (mut records, mut notes, mut values) = (Vec::new(), Vec::new(), Values::default());
    for entry in reader(Format::KDB, Box::new(Cursor::new(bytes.to_vec())), options)? {
        match entry? {
            Entry::Record(record, _) => records.push(record),
            Entry::Folder(path) => notes.push(format!("empty: {path}")),
            Entry::Note(note) => notes.push(note),
            Entry::Reject(reject) => notes.push(format!("rejected: {}", reject.why)),
            Entry::Values(found) => values = found,
        }
    }
    assert_eq!(values.lost(), 0, "{values:?} {notes:#?}");
    Ok((records, notes))
}

/// 2026-03-04 05:06:07 and 2999-12-28 23:59:59.
const DATE: &[u8] = &[0x1f, 0xa8, 0xc8, 0x51, 0x87];
const NEVER: &[u8] = &[0x2e, 0xdf, 0x39, 0x7e, 0xfb];

#[test]
fn groups_fields_and_the_attachment_arrive() {
    let groups: [Fields<'_>; 4] = [
        &[(1, &[1, 0, 0, 0]), (2, b"Top\0"), (7, &[1, 0, 0, 0]), (8, &[0, 0])],
        &[(1, &[2, 0, 0, 0]), (2, b"Below / it\0"), (8, &[1, 0])],
        &[(1, &[3, 0, 0, 0]), (2, b"Empty\0"), (8, &[2, 0])],
        &[(1, &[4, 0, 0, 0]), (2, b"Caf\xe9\0"), (8, &[0, 0])],
    ];
    let entries: [Fields<'_>; 4] = [
        &[
            (1, &[9; 16]),
            (2, &[2, 0, 0, 0]),
            (3, &[5, 0, 0, 0]),
            (4, b"web\0"),
            (5, b"https://a.example\0"),
            (6, b"me\0"),
            (7, b"s3cret\0"),
            (8, b"a\nb\0"),
            (9, DATE),
            (10, DATE),
            (11, DATE),
            (12, NEVER),
            (13, b"f.bin\0"),
            (14, &[0, 1, 2]),
        ],
        &[(2, &[1, 0, 0, 0]), (4, b"soon\0"), (6, b"\0"), (7, b"\0"), (12, DATE)],
        &[
            (2, &[4, 0, 0, 0]),
            (4, b"Meta-Info\0"),
            (5, b"$\0"),
            (6, b"SYSTEM\0"),
            (13, b"bin-stream\0"),
            (14, b"x"),
        ],
        &[(2, &[8, 0, 0, 0]), (4, b"lost\0")],
    ];
    for twofish in [false, true] {
        let bytes = sealed(key(b"open sesame"), twofish, &groups, &entries);
        assert_eq!(detect(&bytes, None).unwrap(), Format::KDB);
        let (records, notes) = read(&bytes, &with("open sesame")).unwrap();
        let labels: Vec<_> = records.iter().map(Record::label).collect();
        assert_eq!(labels, ["Top / Below / it / web", "Top / soon", "lost"]);
        let line = json_line(&records[0]);
        let line = std::str::from_utf8(line.expose()).unwrap();
        for value in ["https://a.example", "\"me\"", "s3cret", "a\\nb", "f.bin", "AAEC"] {
            assert!(line.contains(value), "{value}: {line}");
        }
        assert_eq!(records[0].changed_at, Some(1_772_600_767));
        assert_eq!(
            (records[1].password.is_none(), records[1].customs[0].value.expose()),
            (true, "2026-03-04T05:06:07Z")
        );
        for word in [
            "empty: Top / Below / it / Empty",
            "empty: Café",
            "Meta-Info",
            "Windows-1252",
            "group of an entry is not",
        ] {
            assert!(notes.iter().any(|note| note.contains(word)), "{word}: {notes:#?}");
        }
    }
}

#[test]
fn passphrase_key_file_and_both_open_it() {
    let entries: [Fields<'_>; 1] = [&[(4, b"x\0")]];
    let file = [7_u8; 32];
    let with_file = |passphrase: Option<&str>| ReadOptions {
        passphrase: passphrase.map(Into::into),
        key_file: Some(file.to_vec().into()),
        ..ReadOptions::default()
    };
    for (made, options) in [
        (key(b"open sesame"), with("open sesame")),
        (key(b"p\xe4ss"), with("päss")),
        (key("пароль".as_bytes()), with("пароль")),
        (key(b"\xef\xe0\xf0\xee\xeb\xfc"), with("пароль")),
        (file, with_file(None)),
        (key(&[key(b"open sesame"), file].concat()), with_file(Some("open sesame"))),
    ] {
        assert_eq!(read(&sealed(made, false, &[], &entries), &options).unwrap().0.len(), 1, "{options:?}");
    }
    let bytes = sealed(key(b"open sesame"), false, &[], &entries);
    for options in [with("wrong"), with_file(None), ReadOptions::default()] {
        assert_eq!(read(&bytes, &options).unwrap_err().kind(), ErrorKind::Locked);
    }
    (8..124).for_each(|length| {
        assert_eq!(read(&bytes[..length], &with("open sesame")).unwrap_err().kind(), ErrorKind::Decrypt);
    });
    let mut deep = Vec::new();
    let levels: Vec<_> = (0..200_u16).map(u16::to_le_bytes).collect();
    let ids: Vec<_> = (0..200_u32).map(u32::to_le_bytes).collect();
    let fields: Vec<[(u16, &[u8]); 3]> = levels
        .iter()
        .zip(&ids)
        .map(|(level, id)| [(1, &id[..]), (2, &b"d\0"[..]), (8, &level[..])])
        .collect();
    deep.extend(fields.iter().map(|fields| &fields[..]));
    let entry: Fields<'_> = &[(2, &[199, 0, 0, 0]), (4, b"deep\0")];
    let (records, notes) = read(&sealed(key(b"x"), false, &deep, &[entry]), &with("x")).unwrap();
    assert!(records.is_empty() && notes.iter().any(|note| note.contains("nested more than")), "{notes:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_the_reader_panic(raw in any::<Vec<u8>>(), kind in 0..16_u16, value in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), bits in any::<u8>()) {
        let fields: Fields<'_> = &[(kind, &value), (kind, &raw)];
        let mut bytes = sealed(key(b"x"), false, &[fields], &[fields]);
        let _ = read(&bytes, &with("x"));
        // A bit of the rounds is work.
        let at = at.index(bytes.len());
        if !(120..124).contains(&at) {
            bytes[at] ^= bits;
        }
        let _ = read(&bytes, &with("x"));
        let _ = read(&[b"\x03\xd9\xa2\x9a\x65\xfb\x4b\xb5", &raw[..]].concat(), &with("x"));
    }
}
