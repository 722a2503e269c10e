//! Files of which one part is large: what they are is found all the same, and no reader's work grows with the square of it.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::conservation::zipped_all;
use super::writers::{check, formats};
use keyferry_crypto::model::{Entry, Record};
use keyferry_formats::detect::{HEAD, detect, detect_in};
use keyferry_formats::{Format, ReadOptions, reader};
use std::fmt::Write as _;
use std::io::{Cursor, Read};
use zeroize::Zeroizing;

/// What a file is found to be, and its records.
fn found(bytes: &[u8]) -> (&'static str, Vec<Record>) {
    let mut input = Cursor::new(bytes.to_vec());
    let mut head = Zeroizing::new(Vec::new());
    let format = detect_in(&mut input, &mut head, None).unwrap().unwrap();
    let whole = Cursor::new(std::mem::take(&mut *head)).chain(input);
    (format.name(), records(format, Box::new(whole)))
}

fn records(format: Format, input: Box<dyn Read + Send>) -> Vec<Record> {
    let mut found = Vec::new();
    for entry in reader(format, input, &ReadOptions::default()).unwrap() {
        match entry.unwrap() {
            Entry::Record(record, _) => found.push(record),
            Entry::Values(values) => assert_eq!(values.lost(), 0, "{}", format.name()),
            Entry::Reject(reject) => panic!("{reject:?}"),
            Entry::Folder(_) | Entry::Note(_) => {}
        }
    }
    found
}

/// As many members as this many numbers give.
fn listed(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(",")
}

#[test]
fn a_document_is_known_by_what_stands_behind_a_long_list() {
    let collections =
        listed(2000, |n| format!("{{\"id\":\"{n}\",\"organizationId\":\"o\",\"name\":\"team/{n}\"}}"));
    let organisation = format!(
        "{{\"collections\":[{collections}],\"encrypted\":false,\"items\":[{{\"type\":1,\"name\":\"a\",\"collectionIds\":[\"7\"],\"login\":{{\"password\":\"p\"}}}}]}}"
    );
    assert!(organisation.len() > HEAD && detect(&organisation.as_bytes()[..HEAD], None).is_err());
    let (format, records) = found(organisation.as_bytes());
    assert_eq!((format, records[0].label().as_str()), ("bitwarden-json", "team / 7 / a"));
    // An attachment before what the item is.
    let file = "QUJD".repeat(40_000);
    let enpass = format!(
        "{{\"folders\":[],\"items\":[{{\"attachments\":[{{\"name\":\"f\",\"data\":\"{file}\"}}],\"category\":\"login\",\"fields\":[{{\"label\":\"Password\",\"type\":\"password\",\"value\":\"p\"}}],\"template_type\":\"login.default\",\"title\":\"a\"}}]}}"
    );
    let (format, records) = found(enpass.as_bytes());
    assert_eq!((format, records[0].attachments[0].content.expose().len()), ("enpass-json", 120_000));
}

#[test]
fn an_archive_is_known_by_what_stands_behind_a_large_file() {
    let document = br#"{"accounts":[{"attrs":{},"vaults":[{"attrs":{"name":"v"},"items":[{"categoryUuid":"006","overview":{"title":"a"},"details":{"documentAttributes":{"fileName":"large.bin","documentId":"abc","decryptedSize":300000}}}]}]}]}"#;
    let large = vec![7; 300_000];
    let bytes = zipped_all(&[("files/abc__large.bin", &large), ("export.data", document)]);
    let (format, records) = found(&bytes);
    assert_eq!((format, records[0].attachments[0].content.expose().len()), ("1pux", 300_000));
}

/// So many that their square would take hours.
const MANY: usize = 200_000;

#[test]
fn a_record_may_have_any_number_of_addresses_codes_and_fields() {
    let of_bitwarden = listed(MANY, |n| format!("{{\"uri\":\"u{n}\"}}"));
    let of_one_password = listed(MANY, |n| format!("{{\"url\":\"u{n}\"}}"));
    let cells = |one: &str| format!(",{one}").repeat(MANY);
    let quoted = listed(MANY, |n| format!("https://u{n}"));
    for (name, file, wanted) in [
        (
            "bitwarden-json",
            format!(
                "{{\"encrypted\":false,\"items\":[{{\"type\":1,\"name\":\"a\",\"login\":{{\"uris\":[{of_bitwarden}]}}}}]}}"
            ),
            MANY - 1,
        ),
        (
            "1pux",
            format!(
                "{{\"accounts\":[{{\"attrs\":{{}},\"vaults\":[{{\"attrs\":{{}},\"items\":[{{\"overview\":{{\"title\":\"a\",\"url\":\"u0\",\"urls\":[{of_one_password}]}}}}]}}]}}]}}"
            ),
            MANY - 1,
        ),
        ("keeper-csv", format!("f,n,l,p,u,d,s{}\n", cells("TFC:Keeper,GEZDGNBV")), MANY),
        (
            "1password7-csv",
            format!("UUID,TITLE,URL,URLS,PASSWORD,SCOPE,AUTOSUBMIT\n1,a,https://u0,\"{quoted}\",p,s,t\n"),
            MANY - 1,
        ),
    ] {
        let found = records(Format::from_name(name).unwrap(), Box::new(Cursor::new(file.into_bytes())));
        assert_eq!(found[0].customs.len(), wanted, "{name}");
    }
}

#[test]
fn a_table_may_have_any_number_of_columns() {
    let mut file = "name,login,password".to_owned();
    (0..MANY).for_each(|n| write!(file, ",c{n}").unwrap());
    file.push_str("\nx,y,z,1\n");
    let found = records(Format::CSV, Box::new(Cursor::new(file.into_bytes())));
    assert_eq!(found[0].customs.len(), 1);
    // An error does not grow with them either.
    let unknown = listed(MANY, |n| format!("c{n}"));
    let error = reader(Format::CSV, Box::new(Cursor::new(unknown.into_bytes())), &ReadOptions::default());
    let error = error.map(drop).unwrap_err().to_string();
    assert!(error.len() < 5000 && error.contains("more"), "{}", error.len());
}

#[test]
fn columns_of_one_name_are_fields_of_one_name_in_the_table_of_a_manager() {
    let file = "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Hint,hint 2,Hint\na,u,l,p,,,,1,2,3\n";
    let found = records(Format::CSV, Box::new(Cursor::new(file)));
    let fields: Vec<_> = found[0].customs.iter().map(|one| (one.name.as_str(), one.value.expose())).collect();
    assert_eq!(fields, [("Hint", "1"), ("hint 2", "2"), ("Hint", "3")]);
    let twice = "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Password\na,u,l,p,,,,q\n";
    let error = reader(Format::CSV, Box::new(Cursor::new(twice)), &ReadOptions::default());
    assert!(error.map(drop).unwrap_err().to_string().contains("the same name"));
}

#[test]
fn a_megabyte_of_lines_that_mean_something_comes_back_from_every_format_that_is_written() {
    let nasty = "key: value\n# x\n= 1\n\"q\" 'r' \\ \t,;|\r\n---\n]]> <b>&amp; R&D\n$HOME `id` {{x}}\n\u{2028}\u{feff} é\n  lead and trail  \nNotes:n\n\n";
    let text = nasty.repeat((1 << 20) / nasty.len());
    let record = |name: &str, description: &str, password: &str| Record {
        name: name.into(),
        description: description.into(),
        password: Some(password.into()),
        ..Record::default()
    };
    for format in formats() {
        check(format, &[record("a", &text, "p"), record("b", "", &text)]);
    }
}
