//! The table of formats against what is written about it.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::writers::formats;
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Earlier, Record, RecordPath};
use keyferry_formats::{Format, Holding, Losses};
use std::path::Path;

const BEGIN: &str = "<!-- formats -->\n";
const END: &str = "<!-- end of formats -->\n";

/// The list as docs/formats.md has it.
fn list() -> String {
    let head = "| `--format` | from | read, written | known by | left behind |\n|---|---|---|---|---|\n";
    let row = |format: Format| {
        let names: Vec<_> = format.aliases().iter().map(|name| format!("`{name}`")).collect();
        let also = if names.is_empty() { String::new() } else { format!(", also {}", names.join(", ")) };
        let written = if format.is_written() { "both" } else { "read" };
        let row = [
            format!("`{}`{also}", format.name()),
            format.from().to_owned(),
            written.to_owned(),
            format.known_by(),
            format.left_behind().to_owned(),
        ];
        format!("| {} |\n", row.join(" | "))
    };
    head.to_owned() + &Format::all().map(row).collect::<String>()
}

const WRITERS: &str = "<!-- writers -->\n";
const END_OF_WRITERS: &str = "<!-- end of writers -->\n";

/// A record that every format holds as well as any.
fn base() -> Record {
    Record { name: "pg-main".into(), url: "https://a.example".into(), ..Record::default() }
}

fn path(names: &[&str]) -> RecordPath {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn customs(fields: &[(&str, CustomKind, &str)]) -> Record {
    let one = |(name, kind, value): &(&str, CustomKind, &str)| Custom {
        name: (*name).into(),
        kind: kind.clone(),
        value: (*value).into(),
    };
    Record { customs: fields.iter().map(one).collect(), ..base() }
}

fn file(name: &str, content: &[u8]) -> Attachment {
    Attachment { name: name.into(), content: content.to_vec().into() }
}

/// What records have: as it mostly is, and as it may be.
fn aspects() -> Vec<(&'static str, Vec<Record>, Vec<Record>)> {
    use CustomKind::{Password, Text, Totp};
    let of = |record: Record| vec![record];
    let (usual, later) = (Some(1_700_000_000), Some(1_772_600_767));
    let earlier = |password: &str| Earlier { password: password.into(), changed_at: usual };
    vec![
        ("name", of(base()), of(Record { name: "Größe / 2".into(), ..base() })),
        ("login", of(Record { login: "root".into(), ..base() }), vec![]),
        (
            "password",
            of(Record { password: Some("p,w".into()), ..base() }),
            of(Record { password: Some("".into()), ..base() }),
        ),
        ("address", of(base()), of(Record { url: "https://a.example/?a=1,b.example".into(), ..base() })),
        (
            "description",
            of(Record { description: "one line\nand another".into(), ..base() }),
            of(Record { description: "NoteType:Server\nHostname:h\u{1}".into(), ..base() }),
        ),
        (
            "vault, folders",
            of(Record { path: path(&["Company", "servers"]), ..base() }),
            of(Record { path: path(&["R/D", "a\\", "\\b"]), ..base() }),
        ),
        (
            "second places",
            of(Record { path: path(&["Company"]), also_in: vec![path(&["Other"])], ..base() }),
            of(Record { also_in: vec![path(&["Other"])], ..base() }),
        ),
        (
            "tags",
            of(Record { tags: vec!["prod".into()], ..base() }),
            of(Record { tags: vec!["a,b".into(), " c;".into()], ..base() }),
        ),
        ("color", of(Record { color: Some(3), ..base() }), vec![]),
        ("favourite", of(Record { favorite: true, ..base() }), vec![]),
        (
            "fields",
            of(customs(&[("Port", Text, "22")])),
            of(customs(&[("Port", Text, ""), ("a: b", Text, "c\nd: e")])),
        ),
        (
            "hidden fields",
            of(customs(&[("PIN", Password, "0042")])),
            of(customs(&[("Port", Password, "22")])),
        ),
        (
            "fields of one name",
            of(customs(&[("Port", Text, "22"), ("Port", Text, "23")])),
            of(customs(&[("a:b", Text, "22"), ("a:b", Text, "23"), ("", Text, "24"), ("", Text, "25")])),
        ),
        (
            "further addresses",
            of(customs(&[("URL 2", Text, "https://b.example")])),
            of(customs(&[("Port", Text, "22"), ("URL 2", Text, "https://b.example")])),
        ),
        (
            "one-time codes",
            of(customs(&[("TOTP", Totp, "otpauth://totp/Lab:u?secret=GEZDGNBVGY3TQOJQ&issuer=Lab")])),
            of(customs(&[("TOTP", Totp, "GEZDGNBVGY3TQOJQ"), ("Console", Totp, "GEZDGNBVGY3TQOJA")])),
        ),
        (
            "attachments",
            of(Record { attachments: vec![file("ca.der", &[0, 159, 146])], ..base() }),
            of(Record { attachments: vec![file("a/b", b"text"), file("a/b", b"other")], ..base() }),
        ),
        (
            "earlier passwords",
            of(Record { history: vec![earlier("old")], ..base() }),
            of(Record { history: vec![earlier("old"), earlier("")], ..base() }),
        ),
        (
            "dates",
            of(Record { created_at: usual, changed_at: later, ..base() }),
            of(Record { created_at: Some(i64::MAX), changed_at: Some(-1), ..base() }),
        ),
    ]
}

/// Kept, kept but for some, or not kept.
fn mark(format: Format, usual: &[Record], odd: &[Record]) -> &'static str {
    // What a format lacks of every record counts once.
    let whole = if usual == [base()] { Losses::default() } else { format.cannot_hold(&base()).unwrap() };
    let held = |records: &[Record]| {
        records.iter().all(|record| {
            let losses = format.cannot_hold(record).unwrap();
            losses.iter().all(|(kind, count)| count <= whole.count(kind))
        })
    };
    match (held(usual), held(odd)) {
        (true, true) => "yes",
        (true, false) => "mostly",
        (false, _) => "no",
    }
}

/// What each format that is written can hold, as it says itself.
fn held() -> String {
    let formats = formats();
    let row = |name: &str, cell: &dyn Fn(Format) -> String| {
        let cells: Vec<_> = formats.iter().map(|format| cell(*format)).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let word = |is: bool| (if is { "yes" } else { "no" }).to_owned();
    let holds_folders = |format: Format| {
        let mut holding = Holding::of(format).unwrap();
        holding.folder(&path(&["Company", "empty"]));
        holding.losses().is_empty()
    };
    let mut out = row("", &|format| format!("`{}`", format.name()));
    out += &["|---|", &"---|".repeat(formats.len()), "\n"].concat();
    let rows = aspects();
    out.extend(
        rows.iter().map(|(name, usual, odd)| row(name, &|format| mark(format, usual, odd).to_owned())),
    );
    out += &row("empty folders", &|format| word(holds_folders(format)));
    out += &row("encrypted", &|format| word(format.is_encrypted()));
    out + &row("written record by record", &|format| word(format.is_streamed()))
}

/// `KEYFERRY_WRITE_FORMATS=1` writes them anew.
#[test]
fn the_list_in_the_documents_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    for (begin, end, wanted) in [(BEGIN, END, list()), (WRITERS, END_OF_WRITERS, held())] {
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(begin).unwrap();
        let (there, after) = rest.split_once(end).unwrap();
        if std::env::var_os("KEYFERRY_WRITE_FORMATS").is_some() {
            std::fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        } else {
            assert_eq!(
                there, wanted,
                "docs/formats.md is not the table: KEYFERRY_WRITE_FORMATS=1 writes it anew"
            );
        }
    }
}

/// A format whose sample nobody wrote is not proven to be read.
#[test]
fn every_format_has_a_sample() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/samples");
    let mut told = String::new();
    for folder in std::fs::read_dir(root).unwrap() {
        told += &std::fs::read_to_string(folder.unwrap().path().join("expected.json")).unwrap_or_default();
    }
    let told: String = told.split_whitespace().collect();
    for format in Format::all() {
        let detected = told.contains(&format!("\"detect\":\"{}\"", format.name()));
        let named = told.contains(&format!("\"format\":\"{}\"", format.name()));
        assert!(detected || named, "no sample is {}", format.name());
    }
}

/// Names between backticks on the page of how-tos are formats that are read, and whoever most people come from has a place there.
#[test]
fn whoever_comes_from_another_manager_finds_it_on_the_page() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coming-from.md");
    let page = std::fs::read_to_string(path).unwrap();
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).collect();
    for ending in ["-csv", "-json", "-zip", "-xml"] {
        for name in named
            .iter()
            .filter(|name| name.ends_with(ending) && !name.contains(' ') && !name.starts_with('-'))
        {
            assert!(Format::from_name(name).is_some(), "{name} is no format");
        }
    }
    let most = "chrome-csv firefox-csv safari-csv bitwarden-csv bitwarden-json bitwarden-zip 1password-csv 1pux 1pif lastpass-csv \
        dashlane-csv dashlane-zip nordpass-csv roboform-csv keeper-csv keeper-json protonpass-csv protonpass-zip keepass-csv \
        keepassxc-csv kdbx kdb keepass-xml enpass-json psono-json passwork-json vault-kv dotenv k8s-secret otpauth-list \
        google-auth aegis 2fas";
    for name in most.split_whitespace() {
        assert!(Format::from_name(name).is_some() && named.contains(&name), "{name} has no how-to");
    }
}
