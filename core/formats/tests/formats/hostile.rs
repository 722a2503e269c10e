//! Files that were made to hurt: nothing panics, nothing grows without end, and no format takes another's file.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::any_format::into_any_format;
use keyferry_formats::detect::{detect, needs_passphrase};
use keyferry_formats::{Format, ReadOptions, reader};
use proptest::prelude::*;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Every sample file.
fn samples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/samples");
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root).unwrap() {
        let files = std::fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path());
        found.extend(files.filter(|file| !file.ends_with("expected.json")));
    }
    found.sort();
    assert!(found.len() > 80, "{found:?}");
    found
}

fn read(format: Format, bytes: &[u8]) -> usize {
    let options = ReadOptions { no_password: true, ..ReadOptions::default() };
    match reader(format, Box::new(Cursor::new(bytes.to_vec())), &options) {
        Ok(entries) => entries.take(100_000).count(),
        Err(_) => 0,
    }
}

/// A file that is found to be of a format has that format's reader, and no other format claims it as well.
#[test]
fn no_format_takes_another_s_file() {
    for file in samples() {
        let bytes = std::fs::read(&file).unwrap();
        // Where several fitted, or none, it says so; `expected.json` names the format of those.
        let Ok(found) = detect(&bytes, None) else { continue };
        // What is encrypted has readings of its own, with the key.
        if needs_passphrase(&bytes, Some(found)) {
            continue;
        }
        assert!(read(found, &bytes) > 0, "{} is {}", file.display(), found.name());
    }
}

/// What only its maker opens is named, and the way to a readable export with it.
#[test]
fn vaults_that_nobody_else_opens_are_named() {
    for (bytes, name, word, way) in [
        (&b"KWALLET\n\r\0\r\n\0\x01\x02"[..], "kdewallet.kwl", "KDE", "XML"),
        (b"GnomeKeyring\n\r\0\n\0\0", "login.keyring", "GNOME", "Secret Service"),
        (b"var profile={\"a\":1}", "profile.js", "1Password", "1PUX"),
        (b"ld({\"a\":1})", "band_0.js", "1Password", "1PUX"),
        (
            b"{\"list\":[{\"validation\":\"x\",\"iterations\":1000}]}",
            "encryptionKeys.js",
            "1Password",
            "1PUX",
        ),
        (&[0x9d; 64], "vault.enpassdb", "Enpass", ".json"),
        (&[0x9d; 64], "backup.dash", "Dashlane", "CSV"),
        (b"\xd0\xcf\x11\xe0\0\0", "list.xls", "workbook", "CSV"),
    ] {
        let error = detect(bytes, Some(name)).unwrap_err();
        assert!(error.to_string().contains(word), "{name}: {error}");
        assert!(error.next().is_some_and(|next| next.contains(way)), "{name}: {:?}", error.next());
    }
}

#[test]
fn samples_cut_anywhere_do_not_panic() {
    for file in samples() {
        let bytes = std::fs::read(&file).unwrap();
        let Ok(found) = detect(&bytes, file.to_str()) else { continue };
        for cut in (0..bytes.len()).step_by((bytes.len() / 40).max(1)) {
            read(found, &bytes[..cut]);
            let mut changed = bytes.clone();
            changed[cut] ^= 0x5a;
            read(found, &changed);
        }
    }
}

#[test]
fn depth_numbers_and_twins_do_not_hurt() {
    let deep = |open: &str, close: &str| open.repeat(5000) + &close.repeat(5000);
    let files = [
        deep("[", "]"),
        deep("{\"items\":[", "]}"),
        deep("{\"folders\":[{\"name\":\"x\",\"items\":[", "]}]}"),
        deep("{\"a\":", "1}"),
        format!("{{\"encrypted\":false,\"items\":[{{\"login\":{{}},\"name\":{}}}]}}", "9".repeat(100_000)),
        "{\"vaults\":{},\"vaults\":{},\"userId\":1e999999}".to_owned(),
        format!("a: {}", deep("[", "]")),
        "apiVersion: v1\nkind: Secret\na: &a [*a]\n".to_owned(),
        format!("A=\"{}", "x\n".repeat(100_000)),
        "otpauth-migration://offline?data=/////////w==".to_owned(),
    ];
    for file in files {
        for format in Format::all() {
            read(format, file.as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_go_into_any_reader(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        into_any_format(&bytes);
    }
}
