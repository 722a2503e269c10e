//! The table of formats against what is written about it.

use keyferry_formats::Format;
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

/// `KEYFERRY_WRITE_FORMATS=1` writes it anew.
#[test]
fn the_list_in_the_documents_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    if std::env::var_os("KEYFERRY_WRITE_FORMATS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", list())).unwrap();
    } else {
        assert_eq!(
            there,
            list(),
            "docs/formats.md is not the table: KEYFERRY_WRITE_FORMATS=1 writes it anew"
        );
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
