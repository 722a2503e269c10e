//! Vaults of Buttercup and Padloc, messages of `OpenPGP`, workbooks: what opens them, what does not, and files that were made to
//! hurt. Samples were made by Buttercup's own library, `gpg`, openpyxl and odfpy.
use super::sealed::{read, sample};
use super::wrapping::{PASSPHRASE, buttercup, ods_of, xlsx_of};
use keyferry_crypto::ErrorKind;
use keyferry_formats::detect::{detect, needs_passphrase};
use keyferry_formats::{Format, ReadOptions};

fn with(passphrase: &str) -> ReadOptions {
    ReadOptions { passphrase: Some(passphrase.into()), ..ReadOptions::default() }
}

fn kind_of(format: &str, bytes: &[u8], options: &ReadOptions) -> Option<ErrorKind> {
    read(format, bytes, options).err().map(|error| error.kind())
}

const SEALED: &[(&str, &str)] = &[
    ("buttercup", "46-sealed-by-managers/vault-a.bcup"),
    ("buttercup", "46-sealed-by-managers/vault-b.bcup"),
    ("buttercup", "46-sealed-by-managers/vault-gcm.bcup"),
    ("padloc", "46-sealed-by-managers/padlock.pls"),
    ("padloc", "46-sealed-by-managers/padloc.json"),
    ("openpgp", "48-openpgp/safari.csv.gpg"),
    ("openpgp", "48-openpgp/safari.csv.asc"),
    ("openpgp", "48-openpgp/note.gpg"),
    ("openpgp", "48-openpgp/protonpass.pgp"),
    ("protonpass-zip", "48-openpgp/protonpass.zip"),
];

#[test]
fn sealed_files_ask_for_their_passphrase_and_open_with_no_other() {
    for (format, path) in SEALED {
        let bytes = sample(path);
        assert!(needs_passphrase(&bytes, None), "{path}");
        assert_eq!(detect(&bytes, None).unwrap().name(), *format, "{path}");
        assert_eq!(kind_of(format, &bytes, &ReadOptions::default()), Some(ErrorKind::Locked), "{path}");
        assert_eq!(kind_of(format, &bytes, &with("another")), Some(ErrorKind::Locked), "{path}");
        let found = read(format, &bytes, &with(PASSPHRASE)).unwrap();
        assert!(!found.records.is_empty() && found.values.lost() == 0, "{path}: {:?}", found.notes);
    }
}

/// Cut anywhere, and with any byte changed: an error, or records that are complete; never a panic.
#[test]
fn damaged_containers_are_errors() {
    let books = [
        ("xlsx", "47-workbooks/team.xlsx"),
        ("ods", "47-workbooks/team.ods"),
        ("xls", "47-workbooks/pmp.xls"),
    ];
    for (format, path) in SEALED.iter().filter(|(format, _)| *format == "openpgp").chain(&books) {
        let bytes = sample(path);
        for at in (0..bytes.len()).step_by(7) {
            drop(read(format, &bytes[..at], &with(PASSPHRASE)));
            let mut changed = bytes.clone();
            changed[at] ^= 0x20;
            if let Ok(found) = read(format, &changed, &with(PASSPHRASE)) {
                assert_eq!(found.values.lost(), 0, "{path} {at}");
            }
        }
    }
    // What is sealed with a tag is whole or nothing; the beginnings of the others are looked at closely.
    for (format, path) in SEALED {
        let bytes = sample(path);
        let mut changed = bytes.clone();
        let at = changed.len() / 2;
        changed[at] ^= 1;
        let kind = kind_of(format, &changed, &with(PASSPHRASE));
        assert!(kind.is_some(), "{path}: a changed byte passes");
        drop(read(format, &bytes[..bytes.len() / 2], &with(PASSPHRASE)));
    }
}

#[test]
fn buttercup_keeps_a_history_and_a_trash() {
    let vault = sample("46-sealed-by-managers/vault-gcm.bcup");
    let found = read("buttercup", &vault, &with(PASSPHRASE)).unwrap();
    assert_eq!(found.records.len(), 1);
    assert!(
        found.notes.iter().any(|note| note.contains("a record in the bin stays behind")),
        "{:?}",
        found.notes
    );
    let all = read("buttercup", &vault, &ReadOptions { include_trash: true, ..with(PASSPHRASE) }).unwrap();
    let gone = all.records.iter().find(|record| record.name == "gone").unwrap();
    assert_eq!(gone.path.to_string(), "Imported / Trash");
    let unknown = read("buttercup", &buttercup('a', "cgr 0 x\nzzz 1"), &with(PASSPHRASE)).err().unwrap();
    assert!(unknown.to_string().contains("not known"), "{unknown}");
    assert_eq!(kind_of("buttercup", &buttercup('z', "{}"), &with(PASSPHRASE)), Some(ErrorKind::Input));
}

#[test]
fn messages_that_no_passphrase_opens_are_named() {
    // A session key for somebody's key, then sealed data.
    let message = [&[0xc1, 3, 3, 0, 0][..], &[0xd2, 1, 1]].concat();
    let error = read("openpgp", &message, &with(PASSPHRASE)).err().unwrap();
    assert!(error.to_string().contains("for a key"), "{error}");
    // Argon2 with 4 TiB.
    let greedy = [&[0xc3, 22, 4, 9, 4][..], &[0; 16], &[1, 1, 32], &[0xd2, 42, 1], &[0; 41]].concat();
    assert!(detect(&greedy, None).unwrap().name() == "openpgp");
    let error = read("openpgp", &greedy, &with(PASSPHRASE)).err().unwrap();
    assert!(error.to_string().contains("too much work"), "{error}");
    let newer = [&[0xc3, 13, 4, 9, 3, 8][..], &[0; 8], &[96], &[0xd2, 2, 2, 0]].concat();
    let error = read("openpgp", &newer, &with(PASSPHRASE)).err().unwrap();
    assert!(error.to_string().contains("in a way that"), "{error}");
}

/// A cell in a far corner, cells and rows that stand for millions: refused before they cost memory.
#[test]
fn workbooks_that_grow_without_end_are_refused() {
    let cell = |times: &str, text: &str| {
        format!(
            "<table:table-cell table:number-columns-repeated=\"{times}\" office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>"
        )
    };
    let sheet = |rows: &str| ods_of(&format!("<table:table table:name=\"a\">{rows}</table:table>"));
    let header = format!("<table:table-row>{}{}</table:table-row>", cell("1", "name"), cell("1", "password"));
    for rows in [
        format!("<table:table-row>{}</table:table-row>", cell("4000000000", "x")),
        format!(
            "<table:table-row table:number-rows-repeated=\"1048570\">{}</table:table-row>",
            cell("4000", "x")
        ),
        format!(
            "<table:table-row table:number-rows-repeated=\"99999999999999999999\">{}</table:table-row>",
            cell("1", "x")
        )
        .repeat(3_000_000 / 100),
    ] {
        let many = rows.len() > 1_000_000;
        let found = read("ods", &sheet(&format!("{header}{rows}")), &ReadOptions::default());
        // A number that is none stands for one.
        assert_eq!(found.is_err(), !many);
    }
    let far = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>name</v></c></row><row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c></row></sheetData></worksheet>";
    let error = read("xlsx", &xlsx_of(far), &ReadOptions::default()).err().unwrap();
    assert!(error.to_string().contains("4096 cells"), "{error}");
    let back = "<worksheet><sheetData><row r=\"9\"/><row r=\"2\"/></sheetData></worksheet>";
    assert!(read("xlsx", &xlsx_of(back), &ReadOptions::default()).is_err());
}

#[test]
fn a_sheet_that_is_no_table_keeps_no_other_back() {
    let found = read("xlsx", &sample("47-workbooks/team.xlsx"), &ReadOptions::default()).unwrap();
    let told = |words: &str| {
        assert!(found.notes.iter().any(|note| note.contains(words)), "{words}: {:?}", found.notes);
    };
    told("above the header");
    told("a sheet is no table of records");
    told("comments of cells");
    assert_eq!(found.values.lost(), 0);
    let text = ods_of(
        "<table:table table:name=\"a\"><table:table-row><table:table-cell office:value-type=\"string\"><text:p>hello</text:p></table:table-cell></table:table-row></table:table>",
    );
    assert!(read("ods", &text, &ReadOptions::default()).is_err());
}

/// Trees that are named outright are not read through a seal: ciphertexts would pass for values.
#[test]
fn what_is_sealed_in_place_is_not_read_as_a_tree() {
    let sops = br#"{"db":{"password":"ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]"},"sops":{"mac":"x","version":"3.9.0","age":[]}}"#;
    let yaml = b"db:\n  password: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\nsops:\n  mac: x\n  version: 3.9.0\n";
    let ansible = b"db_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n";
    for (format, bytes) in
        [("kv-json", &sops[..]), ("kv-yaml", yaml), ("kv-yaml", ansible), ("k8s-secret", yaml)]
    {
        let error = read(format, bytes, &ReadOptions::default()).err().unwrap();
        assert!(error.to_string().contains("sealed"), "{format}: {error}");
        assert!(error.next().unwrap().contains("--format"), "{format}");
    }
    let plain = br#"{"db":{"password":"x"}}"#;
    assert_eq!(read("kv-json", plain, &ReadOptions::default()).unwrap().records.len(), 1);
    assert!(Format::from_name("bcup").is_some());
}
