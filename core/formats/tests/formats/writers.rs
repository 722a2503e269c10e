//! Every format that is written: what it can hold comes back equal through its own reader, and what it cannot is counted before
//! and after.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::samples::{Shared, any_record};
use keyferry_crypto::error::ErrorKind;
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Earlier, Entry, Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use keyferry_formats::{
    Derivation, Entities, Format, Holding, Kind, Losses, ReadOptions, WriteOptions, detect::detect, reader,
    writer,
};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use std::collections::HashSet;
use std::io::Cursor;

const PASSPHRASE: &str = "correct horse ключ";

pub fn formats() -> Vec<Format> {
    Format::all().filter(|format| format.is_written()).collect()
}

fn named(name: &str) -> Format {
    Format::from_name(name).unwrap()
}

/// Whether a file of it costs a derivation of a key.
fn is_slow(format: Format) -> bool {
    format.is_encrypted()
}

fn write(format: Format, records: &[Record], folders: &[RecordPath]) -> (Vec<u8>, Vec<String>) {
    let out = Shared::default();
    let options = WriteOptions { passphrase: Some(PASSPHRASE.into()), ..WriteOptions::default() };
    let mut writer = writer(format, Box::new(out.clone()), &options).unwrap();
    for folder in folders {
        writer.folder(folder).unwrap();
    }
    for record in records {
        writer.write(record).unwrap();
    }
    let told = writer.finish().unwrap();
    let bytes = out.0.lock().unwrap().clone();
    (bytes, told)
}

fn read(format: Format, bytes: &[u8]) -> (Vec<Record>, Vec<RecordPath>) {
    let options = ReadOptions {
        passphrase: Some(PASSPHRASE.into()),
        // Where every & happens to begin one, a table would be taken for one that was written for HTML.
        entities: Entities::Keep,
        ..ReadOptions::default()
    };
    let (mut records, mut folders) = (Vec::new(), Vec::new());
    let entries = reader(format, Box::new(Cursor::new(bytes.to_vec())), &options);
    for entry in
        entries.unwrap_or_else(|error| panic!("{format:?}: {error}\n{}", String::from_utf8_lossy(bytes)))
    {
        match entry.unwrap() {
            Entry::Record(record, _) => records.push(record),
            Entry::Folder(path) => folders.push(path),
            Entry::Reject(reject) => panic!("{format:?}: {reject:?}\n{}", String::from_utf8_lossy(bytes)),
            Entry::Values(values) => assert_eq!(values.lost(), 0, "{format:?}"),
            Entry::Note(_) => {}
        }
    }
    (records, folders)
}

/// A vault and the first folder are one place; the order of further places is that of the file.
fn shown(record: &Record, dates: bool) -> String {
    let names = |path: &RecordPath| path.vault.iter().chain(&path.folders).cloned().collect::<Vec<_>>();
    let customs: Vec<_> =
        record.customs.iter().map(|one| (&one.name, one.kind.as_str(), one.value.expose())).collect();
    let files: Vec<_> = record.attachments.iter().map(|one| (&one.name, one.content.expose())).collect();
    let history: Vec<_> = record.history.iter().map(|one| (one.password.expose(), one.changed_at)).collect();
    let moments = if dates { (record.created_at, record.changed_at) } else { (None, None) };
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {customs:?} {files:?} {:?} {history:?} {moments:?}",
        names(&record.path),
        record.name,
        record.login,
        record.password.as_ref().map(SecretString::expose),
        record.url,
        record.description,
        record.tags,
        record.color,
        record.favorite,
        record.also_in.iter().map(names).collect::<Vec<_>>(),
    )
}

fn keeps_dates(format: Format) -> bool {
    let record = Record { changed_at: Some(1_700_000_000), name: "x".into(), ..Record::default() };
    format.cannot_hold(&record).unwrap().count(Kind::Dates) == 0
}

/// The law: what is read is what was held, and what is not held is counted.
pub fn check(format: Format, records: &[Record]) {
    let mut holding = Holding::of(format).unwrap();
    let dates = keeps_dates(format);
    let mut wanted = Vec::new();
    for record in records {
        let held = holding.record(record).into_owned();
        let losses = format.cannot_hold(record).unwrap();
        let same = shown(record, true) == shown(&held, dates);
        // A name may be there already, which only those who know all records see.
        let same = same
            || (losses.is_empty() && held.name != record.name && {
                let named = Record { name: record.name.clone(), ..held.clone() };
                shown(record, true) == shown(&named, dates)
            });
        assert_eq!(
            losses.is_empty(),
            same,
            "{format:?}: {losses:?}\n{}\n{}",
            shown(record, true),
            shown(&held, dates)
        );
        wanted.push(held);
    }
    let (bytes, told) = write(format, records, &[]);
    for sentence in holding.losses().sentences(format) {
        assert!(told.contains(&sentence), "{format:?}: {sentence} not in {told:?}");
    }
    if records.is_empty() {
        read(format, &bytes);
        return;
    }
    let (found, folders) = read(format, &bytes);
    assert_eq!(folders, [], "{format:?}");
    // A record below another is called as one of its fields: only the whole tree shows that, and its writer tells it.
    let (mut found, mut wanted) = (found, wanted);
    if told.iter().any(|sentence| sentence.contains("called as a field")) {
        for record in found.iter_mut().chain(&mut wanted) {
            (record.name, record.path) = (String::new(), RecordPath::default());
        }
    }
    let mut found: Vec<_> = found.iter().map(|record| shown(record, dates)).collect();
    let mut wanted: Vec<_> = wanted.iter().map(|record| shown(record, dates)).collect();
    // Trees are given out in their own order, and all variables are one record.
    if format.name() == "dotenv" {
        return check_variables(&bytes, records);
    }
    found.sort();
    wanted.sort();
    if found != wanted {
        let differ =
            |a: &[String], b: &[String]| a.iter().filter(|one| !b.contains(one)).cloned().collect::<Vec<_>>();
        panic!(
            "{format:?}\nread   {:#?}\nwanted {:#?}\n{}",
            differ(&found, &wanted),
            differ(&wanted, &found),
            String::from_utf8_lossy(&bytes)
        );
    }
}

/// Every value of every record is a variable, in order; a name that was there already has a number.
fn check_variables(bytes: &[u8], records: &[Record]) {
    let format = named("dotenv");
    let mut again = Holding::of(format).unwrap();
    let held: Vec<_> = records.iter().map(|record| again.record(record).into_owned()).collect();
    let wanted: Vec<_> = held.iter().flat_map(|record| &record.customs).collect();
    let found = read(format, bytes).0;
    let found: Vec<_> = found.iter().flat_map(|record| &record.customs).collect();
    assert_eq!(found.len(), wanted.len());
    let mut names = HashSet::new();
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!((&found.kind, &found.value), (&wanted.kind, &wanted.value));
        let number = found.name.strip_prefix(&wanted.name).unwrap_or_else(|| panic!("{found:?} {wanted:?}"));
        let is_number = number.is_empty()
            || number.strip_prefix('_').is_some_and(|one| one.parse::<u64>().is_ok_and(|one| one > 1));
        assert!(is_number && names.insert(&found.name), "{} {}", found.name, wanted.name);
    }
}

/// Texts that mean something to some format, or stand in its way.
const TEXTS: &[&str] = &[
    "",
    "",
    "a",
    "b",
    "pg-main",
    "Ops/Net",
    "/",
    "a\\",
    "\\",
    "\\b",
    "x: y",
    "k: v\nw",
    "line\nline\r\n",
    "\r",
    "a,b;c",
    "\"q\"",
    "&amp;",
    "R&D",
    "=1+1",
    " lead and trail ",
    "Ёлка é 漢字 🙂",
    "NoteType:Server\nHostname:h\nNotes:n",
    "http://group",
    "http://sn",
    "https://a.example/?x=1,b.example",
    "https://2.example",
    "URL 2",
    "URL 3",
    "TOTP",
    "TOTP 2",
    "$secret:x:1",
    "a:b",
    "TFC:Keeper",
    "user",
    "Username",
    "password",
    "secret",
    "url",
    "notes",
    "otp",
    "TOTP Seed",
    "TOTP Settings",
    "TimeOtp-Period",
    "TimeOtp-Secret-Base32",
    "HmacOtp-Secret",
    "KP2A_URL",
    "KP2A_URL_1",
    "KPEX_PASSKEY_X",
    "Title",
    "Expiry",
    "2027-01-02T00:00:00Z",
    "GEZDGNBVGY3TQOJQ",
    "gezd gnbv gy3t qojq",
    "otpauth://totp/Lab:u?secret=GEZDGNBVGY3TQOJQ&issuer=Lab&algorithm=SHA256&digits=8&period=60",
    "otpauth://totp?secret=GEZDGNBVGY3TQOJQ",
    "steam://GEZDGNBVGY3TQOJQ",
    "key=GEZDGNBVGY3TQOJQ&step=60",
    "API key",
    "PIN",
    "Port",
    "name",
    "username",
    "note",
    "\u{feff}x",
    "---",
    "# x",
    "$HOME `id`",
    "it's",
    "\0",
    "\u{1}",
    "\u{85}\u{2028}",
    "\t",
    "archived",
    "..",
    ".",
    "f.txt",
    "F.TXT",
    "Unnamed",
    "]]>",
    "<b>&lt;",
    "~",
    "null",
    "true",
    "010",
    "Root",
    "data.json",
    "Passkey a.example",
    "{\"credentialId\":\"x\",\"keyValue\":\"y\",\"rpId\":\"a.example\"}",
    "{\"type\":\"passkey\",\"rpId\":\"a.example\"}",
    "{\"a\":1,\"a\":2}",
    "android://hash@com.example/",
    "Subtitle",
    "folder",
    "items",
    "type",
    "fields",
];

fn text() -> impl Strategy<Value = String> {
    select(TEXTS).prop_map(str::to_owned)
}

fn moment() -> impl Strategy<Value = Option<i64>> {
    select(vec![
        None,
        Some(0),
        Some(-1),
        Some(1_700_000_000),
        Some(1_772_600_767),
        Some(1 << 40),
        Some(i64::MAX),
        Some(i64::MIN),
    ])
}

fn path() -> impl Strategy<Value = RecordPath> {
    (prop::option::of(text()), prop::collection::vec(text(), 0..3))
        .prop_map(|(vault, folders)| RecordPath { vault, folders })
}

/// Records as people have them, and as nobody has them.
fn odd_record() -> impl Strategy<Value = Record> {
    let kinds =
        vec![CustomKind::Text, CustomKind::Password, CustomKind::Totp, CustomKind::Other("new".to_owned())];
    let custom = (text(), select(kinds), text()).prop_map(|(name, kind, value)| Custom {
        name,
        kind,
        value: value.into(),
    });
    let content = select(vec![Vec::new(), b"text".to_vec(), vec![0, 159, 146, 150], b"PK\x03\x04".to_vec()]);
    let attachment =
        (text(), content).prop_map(|(name, content)| Attachment { name, content: content.into() });
    let earlier = (text(), moment())
        .prop_map(|(password, changed_at)| Earlier { password: password.into(), changed_at });
    (
        (path(), text(), text(), prop::option::of(text()), text(), text()),
        (
            prop::collection::vec(text(), 0..3),
            select(vec![None, Some(3)]),
            any::<bool>(),
            prop::collection::vec(custom, 0..5),
            prop::collection::vec(attachment, 0..3),
        ),
        (moment(), moment(), prop::collection::vec(path(), 0..3), prop::collection::vec(earlier, 0..3)),
    )
        .prop_map(|((path, name, login, password, url, description), rest, more)| {
            let (tags, color, favorite, customs, attachments) = rest;
            let (created_at, changed_at, also_in, history) = more;
            Record {
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
                created_at,
                changed_at,
                also_in,
                history,
                sealed_under: None,
            }
        })
}

/// What is not counted for a record, but seen by the table of our own alone: its columns are those of all records.
fn in_columns(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        record.customs.sort_by_key(|custom| {
            let kind =
                if matches!(custom.kind, CustomKind::Other(_)) { "password" } else { custom.kind.as_str() };
            (kind.to_owned(), custom.name.clone())
        });
    }
    let mut customs: Vec<_> = records.iter().flat_map(|record| record.customs.clone()).collect();
    customs.sort_by_key(|custom| {
        let kind =
            if matches!(custom.kind, CustomKind::Other(_)) { "password" } else { custom.kind.as_str() };
        (kind.to_owned(), custom.name.clone())
    });
    customs.retain(|custom| !custom.value.is_empty());
    if let Some(first) = records.first_mut() {
        first.customs = customs;
    }
    records
}

/// Records for a format, so often; a format whose law is broken does not hide another's.
fn hold(cases: u32, slow: bool, records: impl Fn() -> BoxedStrategy<Vec<Record>>) {
    let mut broken = Vec::new();
    for format in formats().into_iter().filter(|format| is_slow(*format) == slow) {
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
        let outcome = TestRunner::new(config).run(&records(), |records| {
            let records = if format == Format::CSV { in_columns(records) } else { records };
            check(format, &records);
            Ok(())
        });
        broken.extend(outcome.err().map(|error| format!("{}: {error}", format.name())));
    }
    assert!(broken.is_empty(), "=====\n{}", broken.join("\n\n"));
}

#[test]
fn what_a_format_holds_comes_back() {
    hold(200, false, || prop::collection::vec(odd_record(), 0..4).boxed());
}

#[test]
fn any_text_comes_back() {
    hold(60, false, || prop::collection::vec(any_record(), 1..3).boxed());
}

#[test]
fn what_an_encrypted_format_holds_comes_back() {
    hold(6, true, || prop::collection::vec(odd_record(), 1..30).boxed());
}

#[test]
fn what_is_written_record_by_record_is_given_out_as_it_comes() {
    for format in formats() {
        let out = Shared::default();
        let options = WriteOptions { passphrase: Some(PASSPHRASE.into()), ..WriteOptions::default() };
        let mut writer = writer(format, Box::new(out.clone()), &options).unwrap();
        let long = "x".repeat(10_000);
        let record = Record { password: Some(long.as_str().into()), ..plain() };
        (0..100).for_each(|_| writer.write(&record).unwrap());
        let given = out.0.lock().unwrap().len();
        assert_eq!(given > 900_000, format.is_streamed(), "{format:?}: {given}");
    }
}

fn place(names: &[&str]) -> RecordPath {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn plain() -> Record {
    Record {
        path: place(&["Company", "servers"]),
        name: "pg-main".into(),
        login: "root".into(),
        password: Some("s3cret".into()),
        url: "https://db.example".into(),
        ..Record::default()
    }
}

#[test]
fn two_vaults_and_empty_folders_come_back() {
    let mut other = plain();
    other.path = place(&["Private"]);
    let mut bare = plain();
    bare.path = RecordPath::default();
    let records = [plain(), other, bare];
    let folders = [place(&["Company", "empty"]), place(&["Nothing"]), place(&["Company", "servers"])];
    for format in formats() {
        let (bytes, told) = write(format, &records, &folders);
        let (_, back) = read(format, &bytes);
        let names = |path: &RecordPath| path.to_string();
        let mut back: Vec<_> = back.iter().map(names).collect();
        back.sort();
        let lost = told.iter().any(|sentence| sentence.contains("empty folder"));
        let wanted = ["Company / empty", "Nothing"];
        if ["jsonl", "lastpass-csv"].contains(&format.name()) {
            // Their rows of folders say nothing of whether there are records.
            assert!(wanted.iter().all(|one| back.contains(&(*one).to_owned())), "{format:?}: {back:?}");
        } else {
            assert!(lost != (back == wanted), "{format:?}: {back:?} {told:?}");
            assert!(!lost || told.iter().any(|one| one.contains("2 empty folders")), "{format:?}: {told:?}");
        }
    }
}

#[test]
fn a_folder_of_one_name_in_two_vaults_is_two() {
    let at =
        |vault: &str, folder: &str| RecordPath { vault: Some(vault.into()), folders: vec![folder.into()] };
    for format in formats() {
        let mut holding = Holding::of(format).unwrap();
        holding.record(&Record { path: at("A", "x"), ..plain() });
        holding.record(&Record { path: at("B", "y"), ..plain() });
        let before = holding.losses().count(Kind::EmptyFolders);
        for vault in ["A", "B"] {
            holding.folder(&at(vault, "x"));
        }
        let (lost, (bytes, _)) =
            (holding.losses(), write(format, &[Record { path: at("A", "x"), ..plain() }], &[at("B", "x")]));
        let kept = read(format, &bytes).1.iter().any(|path| path.to_string() == "B / x");
        assert!(before == 0 && kept == (lost.count(Kind::EmptyFolders) == 0), "{format:?}: {lost}");
    }
}

#[test]
fn folders_as_deep_as_a_format_is_read_come_back_and_deeper_ones_are_refused() {
    for format in formats() {
        for depth in [50, 60, 100, 128, 129] {
            let record =
                Record { path: RecordPath { vault: None, folders: vec!["f".into(); depth] }, ..plain() };
            let options = WriteOptions { passphrase: Some(PASSPHRASE.into()), ..WriteOptions::default() };
            let mut file = writer(format, Box::new(Shared::default()), &options).unwrap();
            match file.write(&record) {
                Ok(()) => check(format, &[record]),
                Err(error) => {
                    assert!(depth > 50 && error.kind() == ErrorKind::Input, "{format:?} {depth}: {error}");
                }
            }
        }
    }
}

#[test]
fn long_names_that_are_equal_come_back_each_under_its_own() {
    for name in ["n".repeat(253), "n".repeat(300), format!("{}-.-{}", "n".repeat(250), "m".repeat(9))] {
        let custom = |value: &str| Custom { name: name.clone(), kind: CustomKind::Text, value: value.into() };
        let file = |byte: u8| Attachment { name: name.clone(), content: vec![byte, 159, 146].into() };
        let record = Record {
            name: name.clone(),
            customs: vec![custom("1"), custom("2"), custom("3")],
            attachments: vec![file(1), file(2)],
            ..plain()
        };
        for format in formats() {
            let records = [record.clone(), record.clone(), record.clone()];
            let records = if format == Format::CSV { in_columns(records.to_vec()) } else { records.to_vec() };
            check(format, &records);
        }
    }
}

#[test]
fn a_secret_of_a_cluster_is_not_made_larger_than_it_takes() {
    let file = |name: &str, size: usize| Attachment { name: name.into(), content: vec![255; size].into() };
    let attachments = vec![file("small", 10), file("large", 1 << 20), file("other", 10)];
    let record = Record { attachments, ..plain() };
    let losses = named("k8s-secret").cannot_hold(&record).unwrap();
    assert_eq!(losses.count(Kind::Attachments), 1, "{losses}");
}

#[test]
fn what_is_written_is_known_for_what_it_is() {
    let with_code = Record {
        customs: vec![Custom {
            name: "TOTP".into(),
            kind: CustomKind::Totp,
            value: "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ".into(),
        }],
        description: "one, \"two\"\nthree; four".into(),
        ..plain()
    };
    for format in formats() {
        let (bytes, _) = write(format, &[with_code.clone(), plain()], &[]);
        let found = detect(&bytes, None).map(Format::name);
        match format.name() {
            // Known by their names alone.
            "kv-json" | "kv-yaml" => assert!(found.is_err(), "{found:?}"),
            "bitwarden-protected" => assert_eq!(found.unwrap(), "bitwarden-json"),
            name => assert_eq!(found.unwrap_or_else(|error| panic!("{name}: {error}")), name),
        }
    }
}

#[test]
fn a_protected_export_opens_with_its_password_alone_however_its_key_is_derived() {
    let format = named("bitwarden-protected");
    let nobody = writer(format, Box::new(Shared::default()), &WriteOptions::default()).map(drop).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Locked);
    assert!(format.is_encrypted() && !named("bitwarden-json").is_encrypted() && Format::KDBX.is_encrypted());
    for (derivation, kind) in [(Derivation::Argon2id, "\"kdfType\":1"), (Derivation::Pbkdf2, "\"kdfType\":0")]
    {
        let out = Shared::default();
        let options =
            WriteOptions { passphrase: Some(PASSPHRASE.into()), derivation, ..WriteOptions::default() };
        let mut file = writer(format, Box::new(out.clone()), &options).unwrap();
        file.write(&plain()).unwrap();
        file.finish().unwrap();
        let bytes = out.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(kind) && !text.contains("s3cret") && !text.contains("pg-main"));
        // Any reader of Bitwarden's exports opens it.
        assert_eq!(read(named("bitwarden-json"), &bytes).0.len(), 1);
        let options = ReadOptions { passphrase: Some("another".into()), ..ReadOptions::default() };
        let wrong = reader(format, Box::new(Cursor::new(bytes)), &options).map(drop).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Locked);
    }
}

#[test]
fn what_stays_behind_is_said_in_plain_words() {
    let record = Record {
        color: Some(3),
        attachments: vec![Attachment { name: "f".into(), content: vec![1].into() }; 2],
        customs: vec![Custom { name: "PIN".into(), kind: CustomKind::Password, value: "1".into() }],
        ..plain()
    };
    let chrome = named("chrome-csv");
    let losses = chrome.cannot_hold(&record).unwrap();
    assert_eq!(losses.to_string(), "2 attachments, 1 color, 1 record's vault and folder, 1 custom field");
    let wanted = [
        "4 attachments, 2 colors, 2 records' vaults and folders, 2 custom fields stay behind in chrome-csv, which cannot hold them",
    ];
    assert_eq!(write(chrome, &[record.clone(), record.clone()], &[]).1, wanted);
    let mut twice = losses.clone();
    twice.add(&losses);
    assert_eq!(twice.sentences(chrome), wanted);
    assert_eq!(Losses::default().sentences(chrome), Vec::<String>::new());
    assert_eq!(Format::KDB.cannot_hold(&record), None);
    let error =
        writer(Format::KDB, Box::new(Shared::default()), &WriteOptions::default()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(Holding::of(Format::KDB).map(drop).unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn a_table_that_would_be_taken_for_html_says_so() {
    let of = |password: &str| Record { password: Some(password.into()), ..plain() };
    let told = |records: &[Record]| {
        write(named("lastpass-csv"), records, &[]).1.iter().any(|one| one.contains("--html-entities keep"))
    };
    assert!(told(&[of("a&amp;b"), plain()]));
    assert!(!told(&[of("a&amp;b"), of("R&D")]) && !told(&[of("R&D")]) && !told(&[plain()]));
}

#[test]
fn variables_keep_the_names_of_fields() {
    let record = Record {
        name: "DB password".into(),
        login: "root".into(),
        password: Some("it's $x\n".into()),
        customs: vec![
            Custom { name: "API_KEY".into(), kind: CustomKind::Password, value: "a b".into() },
            Custom { name: "API_KEY".into(), kind: CustomKind::Password, value: "plain".into() },
        ],
        ..Record::default()
    };
    let (bytes, told) = write(named("dotenv"), &[record], &[]);
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "DB_password='it'\\''s $x\n'\nDB_password_LOGIN=root\nAPI_KEY='a b'\nAPI_KEY_2=plain\n"
    );
    assert!(told.iter().any(|one| one.contains("1 variable was there already")), "{told:?}");
    // Values that are variables are not said to stay behind.
    assert!(told.iter().any(|one| one.contains("2 values of records' own are changed")), "{told:?}");
    assert!(!told.iter().any(|one| one.contains("login") || one.contains("password")), "{told:?}");
}

#[test]
fn a_passkey_goes_back_where_it_came_from() {
    for (name, own) in [
        ("bitwarden-json", "{\"credentialId\":\"x\",\"keyValue\":\"y\",\"rpId\":\"a.example\"}"),
        (
            "cxf",
            "{\"type\":\"passkey\",\"credentialId\":\"x\",\"rpId\":\"a.example\",\"userHandle\":\"u\",\"key\":\"y\"}",
        ),
    ] {
        let key = Custom { name: "Passkey a.example".into(), kind: CustomKind::Password, value: own.into() };
        let record = Record { customs: vec![key], ..plain() };
        let format = named(name);
        assert!(format.cannot_hold(&record).unwrap().is_empty());
        let text = String::from_utf8(write(format, &[record], &[]).0).unwrap();
        assert!(text.contains(own), "{text}");
    }
}
