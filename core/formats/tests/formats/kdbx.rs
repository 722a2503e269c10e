//! Files of KeePass: every kind opens, everything in them arrives, and what is wrong with one is said.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::making::{AES, CHACHA20, File, Kdf, TWOFISH, document, entry, gzip};
use crate::samples::{Shared, any_record};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keyferry_crypto::error::ErrorKind;
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Entry, Record, RecordPath, Values};
use keyferry_crypto::{Error, Result};
use keyferry_formats::{Format, ReadOptions, WriteOptions, detect::detect, reader, writer};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::io::Cursor;
use std::path::Path;

struct Read {
    records: Vec<Record>,
    folders: Vec<String>,
    notes: Vec<String>,
    rejects: Vec<String>,
    values: Values,
}

fn read(format: Format, bytes: &[u8], options: &ReadOptions) -> Result<Read> {
    let mut read = Read {
        records: Vec::new(),
        folders: Vec::new(),
        notes: Vec::new(),
        rejects: Vec::new(),
        values: Values::default(),
    };
    for entry in reader(format, Box::new(Cursor::new(bytes.to_vec())), options)? {
        match entry? {
            Entry::Record(record, _) => read.records.push(record),
            Entry::Folder(path) => read.folders.push(path.to_string()),
            Entry::Note(note) => read.notes.push(note),
            Entry::Reject(reject) => read.rejects.push(format!("{}: {}", reject.at, reject.why)),
            Entry::Values(values) => read.values = values,
        }
    }
    assert_eq!(read.values.lost(), 0, "{:?}\n{}", read.values, read.notes.join("\n"));
    Ok(read)
}

fn with(passphrase: &str) -> ReadOptions {
    ReadOptions { passphrase: Some(passphrase.into()), ..ReadOptions::default() }
}

fn opened(file: &File) -> Result<Read> {
    let options = ReadOptions {
        passphrase: file.passphrase.as_deref().map(Into::into),
        key_file: file.key.map(|key| key.to_vec().into()),
        ..ReadOptions::default()
    };
    read(Format::KDBX, &file.made(), &options)
}

fn xml(document: &str) -> Read {
    read(Format::KEEPASS_XML, document.as_bytes(), &ReadOptions::default()).unwrap()
}

fn has(notes: &[String], word: &str) {
    assert!(notes.iter().any(|note| note.contains(word)), "{word}: {notes:#?}");
}

fn customs(record: &Record) -> Vec<String> {
    record
        .customs
        .iter()
        .map(|one| format!("{}|{}|{}", one.name, one.kind.as_str(), one.value.expose()))
        .collect()
}

#[test]
fn files_of_every_kind_open() {
    let argon = |id, version| Kdf::Argon2 { id, version, memory: 64, passes: 2, lanes: 2 };
    let entries =
        document(&entry(&[("Title", "web"), ("*Password", "s3cret"), ("*Own", "first"), ("Notes", "n")]))
            + "<!-- end -->";
    let base = File { xml: entries, ..File::default() };
    let mut files = Vec::new();
    for cipher in [AES, TWOFISH, CHACHA20] {
        for gzip in [false, true] {
            for stream in [2, 3] {
                files.push(File { cipher, gzip, stream, ..base.clone() });
                files.push(File { cipher, gzip, stream, major: 3, kdf: Kdf::Aes(1000), ..base.clone() });
            }
        }
    }
    for kdf in [
        Kdf::Aes(1),
        Kdf::Aes(6000),
        argon(true, 0x13),
        argon(false, 0x13),
        argon(false, 0x10),
        argon(true, 0x10),
    ] {
        files.push(File { kdf, block: 100, ..base.clone() });
    }
    let key = Some([3; 32]);
    for major in [3, 4] {
        for (passphrase, key) in [(Some("пароль 🙂"), key), (None, key), (Some(""), key), (Some(""), None)]
        {
            let passphrase = passphrase.map(str::to_owned);
            files.push(File { major, kdf: Kdf::Aes(10), passphrase, key, ..base.clone() });
        }
    }
    for file in files {
        let bytes = file.made();
        assert_eq!(detect(&bytes, None).unwrap(), Format::KDBX);
        let read = opened(&file).unwrap_or_else(|error| panic!("{error}: {file:?}"));
        assert_eq!(read.records.len(), 1, "{file:?}");
        let record = &read.records[0];
        assert_eq!(record.label(), "Vault / web");
        assert_eq!(record.password.as_ref().unwrap().expose(), "s3cret");
        assert_eq!(
            (customs(record), record.description.as_str()),
            (vec!["Own|password|first".to_owned()], "n")
        );
    }
}

/// Protected values share one stream: skipping one would spoil all that follow.
#[test]
fn protected_values_of_history_bin_and_attachments_keep_their_place_in_the_stream() {
    let old = entry(&[("*Password", "older")]);
    let groups = format!(
        "<Group><UUID>YmJi</UUID><Name>Bin</Name>{}</Group><Group><Name>After</Name>{}</Group>",
        entry(&[("Title", "gone"), ("*Password", "thrown away"), ("*Password", "twice")]),
        entry(&[("Title", "last"), ("*Password", "still right")]),
    );
    let first = entry(&[("Title", "first"), ("*Password", "now"), ("*Empty", "")]).replace(
        "</Entry>",
        &format!("<History>{old}{old}</History><Thing Protected=\"True\">known</Thing></Entry>"),
    );
    let inside = first + &groups;
    let bin = "<Meta><RecycleBinEnabled>True</RecycleBinEnabled><RecycleBinUUID>YmJi</RecycleBinUUID></Meta>";
    let meta = "<Meta><RecycleBinEnabled>True</RecycleBinEnabled><RecycleBinUUID>YmJi</RecycleBinUUID><Binaries><Binary ID=\"7\" Protected=\"True\">PEM</Binary></Binaries></Meta>";
    let with_file = inside.replace("<Thing", "<Binary><Key>a.pem</Key><Value Ref=\"7\"/></Binary><Thing");
    for file in [
        File { xml: document(&inside).replace("<Meta></Meta>", bin), ..File::default() },
        File {
            major: 3,
            kdf: Kdf::Aes(1),
            stream: 2,
            xml: document(&with_file).replace("<Meta></Meta>", meta),
            ..File::default()
        },
    ] {
        let read = opened(&file).unwrap();
        let passwords: Vec<_> =
            read.records.iter().map(|one| one.password.as_ref().unwrap().expose()).collect();
        assert_eq!(passwords, ["now", "still right"]);
        assert_eq!(customs(&read.records[0]), ["Empty|password|", "Thing|password|known"]);
        has(&read.notes, "an earlier version of an entry stays behind (History) (2 times");
        has(&read.notes, "a record in the recycle bin stays behind");
        if file.major == 3 {
            assert_eq!(read.records[0].attachments[0].content.expose(), b"PEM");
        }
        let options = ReadOptions { include_trash: true, ..with("open sesame") };
        let all = self::read(Format::KDBX, &file.made(), &options).unwrap();
        let labels: Vec<_> = all.records.iter().map(Record::label).collect();
        assert_eq!(labels, ["Vault / first", "Vault / Trash / gone", "Vault / After / last"]);
        assert_eq!(customs(&all.records[1]), ["Password|password|twice"]);
    }
}

#[test]
fn attachments_of_both_versions_arrive_with_their_names() {
    let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let refers = "<Binary><Key>a</Key><Value Ref=\"0\"/></Binary><Binary><Key>b</Key><Value Ref=\"1\"/></Binary><Binary><Key>gone</Key><Value Ref=\"9\"/></Binary>";
    let one = entry(&[("Title", "x")]).replace("</Entry>", &format!("{refers}</Entry>"));
    let other = entry(&[("Title", "y")])
        .replace("</Entry>", "<Binary><Key>shared</Key><Value Ref=\"0\"/></Binary><Binary><Key>in place</Key><Value>aW4gcGxhY2U=</Value></Binary></Entry>");
    let xml = document(&(one + &other));
    let four = File {
        xml: xml.clone(),
        binaries: vec![bytes.clone(), Vec::new(), b"nobody's".to_vec()],
        ..File::default()
    };
    let pool = format!(
        "<Meta><Binaries><Binary ID=\"0\" Compressed=\"True\">{}</Binary><Binary ID=\"1\"></Binary><Binary ID=\"2\">bm9ib2R5J3M=</Binary></Binaries></Meta>",
        BASE64_STANDARD.encode(gzip(&bytes))
    );
    let three =
        File { major: 3, kdf: Kdf::Aes(1), xml: xml.replace("<Meta></Meta>", &pool), ..File::default() };
    for file in [four, three] {
        let read = opened(&file).unwrap();
        let files: Vec<Vec<_>> = read
            .records
            .iter()
            .map(|record| {
                record.attachments.iter().map(|one| (one.name.as_str(), one.content.expose())).collect()
            })
            .collect();
        assert_eq!(files[0], [("a", &bytes[..]), ("b", &b""[..])]);
        assert_eq!(files[1], [("shared", &bytes[..]), ("in place", b"in place")]);
        has(&read.notes, "an attachment whose content is not in the file stays behind");
        has(&read.notes, "an attachment of no record");
    }
}

#[test]
fn a_wrong_passphrase_and_a_damaged_file_are_two_errors() {
    let file = File { xml: document(&entry(&[("*Password", "x")])), ..File::default() };
    let bytes = file.made();
    let fails =
        |bytes: &[u8], options: &ReadOptions| read(Format::KDBX, bytes, options).map(drop).unwrap_err();
    let wrong = fails(&bytes, &with("wrong"));
    assert_eq!((wrong.kind(), wrong.what()), (ErrorKind::Locked, "the passphrase is wrong"));
    let none = fails(&bytes, &ReadOptions::default());
    assert_eq!(none.kind(), ErrorKind::Locked);
    assert!(none.next().unwrap().contains("KEYFERRY_FILE_PASSPHRASE"));
    let alone = ReadOptions { key_file: Some(vec![1; 32].into()), ..ReadOptions::default() };
    assert_eq!(fails(&bytes, &alone).what(), "the key file is wrong");
    // Every byte counts: header, its hash, its tag, blocks.
    for at in 12..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let error = fails(&damaged, &with("open sesame"));
        let locked = error.kind() == ErrorKind::Locked;
        assert!(locked || error.kind() == ErrorKind::Decrypt, "{at}: {error}");
        // Only the tag itself looks like a wrong passphrase.
        let tag = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4 + 32;
        assert_eq!(locked, (tag..tag + 32).contains(&at), "{at}: {error}");
    }
    for length in 0..bytes.len() {
        let error = fails(&bytes[..length], &with("open sesame"));
        let kind = if length < 8 { ErrorKind::Input } else { ErrorKind::Decrypt };
        assert_eq!(error.kind(), kind, "{length}: {error}");
    }
    let old = File { major: 3, kdf: Kdf::Aes(1), ..file }.made();
    let error = fails(&old, &with("wrong"));
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("cannot tell"), "{error}");
    let rounds = old.windows(3).position(|three| three == [6, 8, 0]).unwrap() + 3;
    // A bit of the fourth byte of the rounds is work for many seconds.
    for at in (12..old.len()).filter(|at| *at != rounds + 3) {
        let mut damaged = old.clone();
        damaged[at] ^= 0x10;
        // A bit of the stream's key, say, spoils values alone; the XML repeats the hash of the header.
        assert!(read(Format::KDBX, &damaged, &with("open sesame")).is_err(), "{at}");
    }
    (8..old.len()).for_each(|length| drop(fails(&old[..length], &with("open sesame"))));
}

#[test]
fn what_asks_for_too_much_work_is_refused_before_any() {
    let argon = |memory, passes, lanes| Kdf::Argon2 { id: true, version: 0x13, memory, passes, lanes };
    let bytes = |kdf| {
        // The derivation itself is never done: the file is made with a cheap one, and says another.
        let cheap = File {
            kdf: match kdf {
                Kdf::Aes(_) => Kdf::Aes(1),
                Kdf::Argon2 { .. } => argon(64, 1, 2),
            },
            ..File::default()
        };
        let (old, new) = (cheap.clone().made(), File { kdf, ..cheap });
        let header = new.header();
        let place = old.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        [&header[..], &Sha256::digest(&header), &old[place + 32..]].concat()
    };
    for (kdf, heavy, refused) in [
        (Kdf::Aes((1 << 32) + 1), false, true),
        (Kdf::Aes(u64::MAX), true, true),
        (argon((1 << 20) + 1, 1, 1), false, true),
        (argon(1 << 20, 11, 1), false, true),
        (argon(64, 2000, 1), true, false),
        (argon(64, (10 << 14) + 1, 1), false, true),
        (argon((4 << 20) + 1, 1, 1), true, true),
        (argon(4 << 20, 65, 1), true, true),
        (argon(1024, 1, 65), true, true),
        (argon(u64::MAX / 1024, u64::MAX, u32::MAX), true, true),
        (argon(64, 1000, 1), false, false),
    ] {
        let options = ReadOptions { heavy_kdf: heavy, ..with("open sesame") };
        let error = read(Format::KDBX, &bytes(kdf), &options).map(drop).unwrap_err();
        let too_much = error.to_string().contains("too much work");
        assert_eq!(too_much, refused, "{kdf:?} {heavy}: {error}");
        assert_eq!(error.kind() == ErrorKind::Input, refused, "{kdf:?}: {error}");
    }
    for kdf in [argon(0, 1, 1), argon(64, 0, 1), argon(64, 1, 0), argon(8, 1, 4)] {
        let error = read(Format::KDBX, &bytes(kdf), &with("open sesame")).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decrypt, "{kdf:?}: {error}");
    }
}

#[test]
fn bombs_and_declarations_inside_are_refused() {
    let bomb = File { xml: document(&" ".repeat(100 << 20)), ..File::default() };
    let error = opened(&bomb).map(drop).unwrap_err();
    assert!(error.to_string().contains("grows without measure"), "{error}");
    let entity = "<!DOCTYPE KeePassFile [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    for document in [
        format!("{entity}{}", document("<Entry/>")),
        document("&x;"),
        document(&"<Group>".repeat(300)),
        "<x/>".into(),
    ] {
        let file = File { xml: document.clone(), ..File::default() };
        assert_eq!(opened(&file).map(drop).unwrap_err().kind(), ErrorKind::Input, "{document}");
        let plain = read(Format::KEEPASS_XML, document.as_bytes(), &ReadOptions::default());
        assert_eq!(plain.map(drop).unwrap_err().kind(), ErrorKind::Input, "{document}");
    }
}

#[test]
fn groups_become_places_and_the_root_the_vault() {
    let e = |title: &str| entry(&[("Title", title)]);
    let inside = format!(
        "{}<Group>{}<Name>Late / name</Name><Tags>a;b</Tags><Notes>n</Notes><Group><Name>Empty</Name></Group></Group><Group><Name>Twin</Name>{}</Group><Group><Name>Twin</Name></Group><Group>{}</Group>",
        e("at the root"),
        e("x").replace("</Entry>", "<Tags>b, c;;</Tags></Entry>"),
        e("y"),
        e("z"),
    );
    let read = xml(&document(&inside));
    let labels: Vec<_> = read.records.iter().map(|one| format!("{} {:?}", one.label(), one.tags)).collect();
    assert_eq!(
        labels,
        [
            "Vault / at the root []",
            "Vault / Late / name / x [\"b\", \"c\", \"a\"]",
            "Vault / Twin / y []",
            "Vault / Unnamed / z []",
        ]
    );
    assert_eq!(read.folders, ["Vault / Late / name / Empty", "Vault / Twin"]);
    has(&read.notes, "Notes of a folder stay behind");
    has(&read.notes, "two folders of one name");
    has(&read.notes, "a folder without a name");
    let deep = format!("{}{}{}", "<Group><Name>d</Name>".repeat(140), e("deep"), "</Group>".repeat(140));
    let read = xml(&document(&(e("flat") + &deep)));
    assert_eq!((read.records.len(), read.rejects.len()), (1, 1), "{:?}", read.rejects);
}

#[test]
fn a_bin_that_is_switched_off_is_a_folder() {
    let bin =
        format!("<Group><UUID>AAE=</UUID><Name>Recycle Bin</Name>{}</Group>", entry(&[("Title", "kept")]));
    for (enabled, id, kept) in
        [("True", "AAE=", 0), ("False", "AAE=", 1), ("True", "AAI=", 1), ("True", "AAA=", 1)]
    {
        let meta = format!(
            "<Meta><RecycleBinEnabled>{enabled}</RecycleBinEnabled><RecycleBinUUID>{id}</RecycleBinUUID></Meta>"
        );
        let inside = bin.replace("AAE=", if id == "AAA=" { "AAA=" } else { "AAE=" });
        let read = xml(&document(&inside).replace("<Meta></Meta>", &meta));
        assert_eq!(read.records.len(), kept, "{enabled} {id}");
        // The rule may stand behind what it is about.
        let late =
            document(&inside).replace("<Meta></Meta>", "").replace("</Root>", &format!("</Root>{meta}"));
        assert_eq!(xml(&late).records.len(), kept, "{enabled} {id}");
    }
}

#[test]
fn fields_keep_their_order_and_kind() {
    let strings = entry(&[
        ("Notes", "line 1\nline 2"),
        ("KP2A_URL_1", "https://2.example"),
        ("Zeta", "z"),
        ("otp", "key=GEZDGNBVGY3TQOJQ"),
        ("KPEX_PASSKEY_RELYING_PARTY", "site.example"),
        ("*KPEX_PASSKEY_PRIVATE_KEY_PEM", "pem \"1\""),
        ("Alpha", ""),
        ("Title", "t"),
        ("Title", "second"),
        ("AndroidApp", "com.example.key"),
        ("*Hidden", "h"),
        ("PIN", "1234"),
        ("URL", "https://1.example"),
        ("KP2A_URL", "https://3.example"),
        ("KP2A_URLS", "no address"),
        ("", "unnamed"),
    ]);
    let more = "<OverrideURL>cmd://x</OverrideURL><Times><LastModificationTime>2026-03-04T05:06:07Z</LastModificationTime><Expires>True</Expires><ExpiryTime>2027-01-02T00:00:00Z</ExpiryTime></Times><CustomData><Item><Key>plug-in</Key><Value>kept</Value></Item></CustomData><IconID>12</IconID><ForegroundColor>#FF0000</ForegroundColor>";
    let read = xml(&document(&strings.replace("</Entry>", &format!("{more}</Entry>"))));
    let record = &read.records[0];
    assert_eq!((record.name.as_str(), record.url.as_str()), ("t", "https://1.example"));
    assert_eq!((record.description.as_str(), record.changed_at), ("line 1\nline 2", Some(1_772_600_767)));
    assert_eq!(
        customs(record),
        [
            "URL 2|text|https://2.example",
            "Zeta|text|z",
            "TOTP|totp|GEZDGNBVGY3TQOJQ",
            "Passkey site.example|password|{\"KPEX_PASSKEY_RELYING_PARTY\":\"site.example\",\"KPEX_PASSKEY_PRIVATE_KEY_PEM\":\"pem \\\"1\\\"\"}",
            "Alpha|text|",
            "Title|text|second",
            "AndroidApp|text|com.example.key",
            "Hidden|password|h",
            "PIN|password|1234",
            "URL 3|text|https://3.example",
            "KP2A_URLS|text|no address",
            "|text|unnamed",
            "OverrideURL|text|cmd://x",
            "plug-in|text|kept",
            "Expiry|text|2027-01-02T00:00:00Z",
        ]
    );
    has(&read.notes, "icons, colors and marks do not move (2 times");
}

#[test]
fn a_file_in_utf_16_with_a_mark_is_read_and_other_bytes_are_not() {
    let text = document(&entry(&[("Title", "Ёлка")]));
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(detect(&wide, None).unwrap(), Format::KEEPASS_XML);
    assert_eq!(read(Format::KEEPASS_XML, &wide, &ReadOptions::default()).unwrap().records[0].name, "Ёлка");
    let latin = text.replace("Ёлка", "?").into_bytes().into_iter().map(|b| if b == b'?' { 0xe9 } else { b });
    let latin: Vec<u8> = latin.collect();
    let error: Error = read(Format::KEEPASS_XML, &latin, &ReadOptions::default()).map(drop).unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

#[test]
fn what_another_program_of_the_family_wrote_is_named() {
    for (bytes, word) in [
        (&b"\x03\xd9\xa2\x9a\x66\xfb\x4b\xb5\x01\x00\x00\x00"[..], "no longer in use"),
        (b"\x03\xd9\xa2\x9a\x01\x02\x03\x04", "no longer in use"),
    ] {
        let error = detect(bytes, Some("x.kdbx")).unwrap_err();
        assert!(error.to_string().contains(word) && error.next().unwrap().contains("KDBX"), "{error}");
    }
    let five = File { major: 5, ..File::default() };
    let error = opened(&five).map(drop).unwrap_err();
    assert!(error.to_string().contains("version 5"), "{error}");
}

/// Files of other programs: pykeepass, with passphrase and with key file.
#[test]
fn the_key_file_of_a_sample_alone_does_not_open_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/samples/11-kdbx");
    let bytes = std::fs::read(folder.join("company-keyfile.kdbx")).unwrap();
    let key = std::fs::read(folder.join("company.keyx")).unwrap();
    for (passphrase, key_file, opens) in [
        (Some("sample horse battery"), Some(key.clone()), true),
        (Some("sample horse battery"), None, false),
        (Some(""), Some(key.clone()), false),
        (None, Some(key), false),
    ] {
        let options = ReadOptions {
            passphrase: passphrase.map(Into::into),
            key_file: key_file.map(Into::into),
            ..ReadOptions::default()
        };
        let read = read(Format::KDBX, &bytes, &options);
        assert_eq!(read.as_ref().err().map(Error::kind), (!opens).then_some(ErrorKind::Locked));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_bytes_make_a_reader_panic(
        bytes in any::<Vec<u8>>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        xml in "(<(Group|Entry|String|Key|Value|Binary|Times|Meta|Root|KeePassFile|History|UUID)( Ref=\"0\"| Protected=\"True\")?/?>|</(Group|Entry|String|Key|Value)>|[a-z{}:@&;]|\\{REF:P@T:a\\}|otp){0,60}",
    ) {
        let inside = document(&(entry(&[("Title", "a"), ("*Password", "{REF:P@T:a}"), ("otp", "key=A&size=x")]) + &xml));
        let file = File { kdf: Kdf::Aes(1), gzip: false, xml: inside.clone(), ..File::default() };
        let _ = read(Format::KEEPASS_XML, inside.as_bytes(), &ReadOptions::default());
        let _ = opened(&file);
        let old = File { major: 3, ..file.clone() };
        let _ = opened(&old);
        for made in [file.made(), old.made()] {
            let header = made.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            // In the header of 3.1 a bit can be work for minutes: there without a passphrase.
            for (from, options) in [(0, ReadOptions::default()), (header, with("open sesame"))] {
                let mut damaged = made.clone();
                for (at, bits) in &flips {
                    damaged[from + at.index(made.len() - from)] ^= bits;
                }
                let _ = detect(&damaged, None);
                let _ = read(Format::KDBX, &damaged, &options);
            }
        }
        for start in [&b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\x00\x04\x00"[..], b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\x00\x03\x00", b"<KeePassFile>", b""] {
            let whole = [start, &bytes].concat();
            let _ = detect(&whole, None);
            let _ = read(Format::KDBX, &whole, &with("x"));
            let _ = read(Format::KEEPASS_XML, &whole, &ReadOptions::default());
        }
    }
}

fn written(records: &[Record], options: &WriteOptions) -> (Vec<u8>, Vec<String>) {
    let out = Shared::default();
    let mut writer = writer(Format::KDBX, Box::new(out.clone()), options).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    let told = writer.finish().unwrap();
    let bytes = out.0.lock().unwrap().clone();
    (bytes, told)
}

/// What a KDBX file can hold of a record, as the table in docs/formats.md has it.
fn held(mut record: Record) -> Record {
    let is_lost = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    let plain = |text: &str| text.replace(is_lost, "\u{fffd}");
    record.color = None;
    record.favorite = false;
    record.password = record.password.filter(|password| !password.is_empty());
    for tag in &mut record.tags {
        let kept = plain(&tag.replace([',', ';'], ""));
        kept.trim().clone_into(tag);
    }
    record.tags.retain(|tag| !tag.is_empty());
    record.tags.dedup();
    let mut seen = Vec::new();
    record.tags.retain(|tag| {
        !seen.contains(tag) && {
            seen.push(tag.clone());
            true
        }
    });
    let named = |name: &str| if name.is_empty() { "Unnamed".to_owned() } else { plain(name) };
    record.path.vault = Some(named(record.path.vault.as_deref().unwrap_or("V")));
    record.path.folders.iter_mut().for_each(|folder| *folder = named(folder));
    for (index, custom) in record.customs.iter_mut().enumerate() {
        // Names repeat in no entry, and a type is one of two.
        custom.name = format!("{} {index}", named(&custom.name));
        if custom.kind == CustomKind::Totp {
            custom.kind = CustomKind::Password;
        }
    }
    for (index, attachment) in record.attachments.iter_mut().enumerate() {
        attachment.name = format!("{} {index}", named(&attachment.name));
    }
    record
}

#[test]
fn what_a_kdbx_file_cannot_hold_is_counted() {
    let custom = |name: &str, kind, value: &str| Custom { name: name.into(), kind, value: value.into() };
    let record = Record {
        path: RecordPath { vault: Some("V".into()), folders: vec!["a/b".into()] },
        name: "n".into(),
        password: Some("".into()),
        tags: vec!["a;b".into()],
        color: Some(3),
        favorite: true,
        customs: vec![
            custom("URL 2", CustomKind::Text, "https://2.example"),
            custom("TOTP", CustomKind::Totp, "GEZDGNBVGY3TQOJQ"),
            custom("TOTP 2", CustomKind::Totp, "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ"),
            custom("Console", CustomKind::Totp, "GEZDGNBVGY3TQOJQ"),
            custom("x", CustomKind::Text, "1"),
            custom("x", CustomKind::Text, "2"),
            custom("", CustomKind::Other("new".into()), "3"),
            custom("b\u{1}", CustomKind::Text, "4\u{1}"),
            custom("Expiry", CustomKind::Text, "2027-01-02T00:00:00Z"),
        ],
        attachments: vec![Attachment { name: "f".into(), content: vec![1, 2].into() }; 2],
        ..Record::default()
    };
    let options = WriteOptions { passphrase: Some("open sesame".into()), ..WriteOptions::default() };
    let (bytes, told) = written(std::slice::from_ref(&record), &options);
    for word in [
        "1 color, 1 mark of a favourite, 1 tag stay behind in kdbx",
        "3 names of custom fields, 3 types of custom fields, 1 name of an attachment, 1 empty password are changed",
    ] {
        has(&told, word);
    }
    let read = read(Format::KDBX, &bytes, &with("open sesame")).unwrap();
    let wanted = [
        "URL 2|text|https://2.example",
        "TOTP|totp|GEZDGNBVGY3TQOJQ",
        "TOTP 2|totp|otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ",
        "Console|password|GEZDGNBVGY3TQOJQ",
        "x|text|1",
        "x (2)|text|2",
        "Unnamed|password|3",
        "b\u{fffd}|password|4\u{1}",
        "Expiry|text|2027-01-02T00:00:00Z",
    ];
    assert_eq!(customs(&read.records[0]), wanted);
    let files: Vec<_> = read.records[0].attachments.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(files, ["f", "f (2)"]);
    let nobody =
        writer(Format::KDBX, Box::new(Shared::default()), &WriteOptions::default()).map(drop).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Locked);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_kdbx_file_gives_back_what_it_can_hold(records in prop::collection::vec(any_record(), 1..20), key in any::<bool>()) {
        let key_file = key.then(|| vec![7; 32].into());
        let options = WriteOptions { passphrase: Some("open sesame".into()), key_file: key_file.clone(), ..WriteOptions::default() };
        let mut records: Vec<_> = records.into_iter().map(held).collect();
        // One vault is the root; the others would be groups below one.
        for record in &mut records {
            record.path.vault = Some("V".into());
        }
        let (bytes, _) = written(&records, &options);
        let options = ReadOptions { key_file, ..with("open sesame") };
        let mut read = read(Format::KDBX, &bytes, &options).unwrap().records;
        prop_assert_eq!(read.len(), records.len());
        for mut record in records {
            // The reader hides what its name says is a secret.
            record.customs.iter_mut().for_each(|custom| if custom.kind == CustomKind::Password { custom.kind = CustomKind::Text; });
            let is = |found: &Record| {
                let mut found = found.clone();
                found.customs.iter_mut().for_each(|custom| if custom.kind == CustomKind::Password { custom.kind = CustomKind::Text; });
                found == record
            };
            let found = read.iter().position(is);
            prop_assert!(found.is_some(), "{:?} is not in {:?}", record, read);
            read.remove(found.unwrap_or_default());
        }
    }
}
