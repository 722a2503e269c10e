//! The header is what the library exports, and the ABI is what it was.
//!
//! `make header` writes the header anew; see the second test about the ABI.

#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HEADER: &str = "include/keyferry.h";

fn made() -> String {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml")).unwrap();
    let mut header = Vec::new();
    cbindgen::generate_with_config(crate_dir, config).unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

fn checked_in(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn the_header_is_what_the_source_says() {
    if std::env::var_os("KEYFERRY_WRITE_HEADER").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(HEADER), made()).unwrap();
    }
    assert!(made() == checked_in(HEADER), "{HEADER} is stale: make header");
}

/// Each declaration on a line of its own, without comments.
fn declarations(header: &str) -> BTreeSet<String> {
    let code = header.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    let mut declarations = BTreeSet::new();
    let (mut open, mut depth) = (String::new(), 0_usize);
    for line in code {
        if line.starts_with("#define KF_") {
            declarations.insert(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        if line.starts_with('#')
            || line.is_empty()
            || line == "extern \"C\" {"
            || (line.starts_with('}') && depth == 0)
        {
            continue;
        }
        open.push_str(if open.is_empty() { "" } else { " " });
        open.push_str(line);
        depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
        if depth == 0 && line.ends_with(';') {
            let words = open.replace('(', " ( ").replace(')', " ) ");
            declarations.insert(words.split_whitespace().collect::<Vec<_>>().join(" "));
            open.clear();
        }
    }
    declarations
}

/// `abi/N.txt` holds every declaration of ABI version N. One that is gone or different breaks programs that were
/// compiled against it: that takes a new version, in a new file. New ones are added to the file by hand.
#[test]
fn the_abi_is_what_its_version_says() {
    let file = format!("abi/{}.txt", keyferry::KF_ABI_VERSION);
    let now = declarations(&checked_in(HEADER));
    assert!(now.iter().any(|line| line.contains("kf_abi_version")), "{now:#?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    if std::env::var_os("KEYFERRY_WRITE_HEADER").is_some() && !path.exists() {
        fs::write(&path, now.iter().map(String::as_str).collect::<Vec<_>>().join("\n") + "\n").unwrap();
    }
    let then: BTreeSet<String> = checked_in(&file).lines().map(str::to_owned).collect();
    let broken: Vec<_> = then.difference(&now).collect();
    assert!(broken.is_empty(), "these changed without KF_ABI_VERSION: {broken:#?}");
    let new: Vec<_> = now.difference(&then).collect();
    assert!(new.is_empty(), "add to {file}: {new:#?}");
}

#[test]
fn every_declaration_says_what_it_is_for() {
    let header = checked_in(HEADER);
    let lines: Vec<&str> = header.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let declares = line.starts_with("kf_status kf_")
            || line.starts_with("#define KF_")
            || line.starts_with("typedef");
        assert!(!declares || lines[at - 1].starts_with("//"), "{line}: no comment above it");
    }
}

#[test]
fn unsafe_code_stands_in_one_file() {
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let path = file.unwrap().path();
        let code = fs::read_to_string(&path).unwrap().replace("#[unsafe(no_mangle)]", "");
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let is_boundary = path.file_name().is_some_and(|name| name == "boundary.rs");
        assert_eq!(code.iter().any(|line| line.contains("unsafe")), is_boundary, "{}", path.display());
    }
}
