//! The arrows of ARCHITECTURE.md, held by reading manifests and `use` lines.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Each crate's direct dependencies within the project, development ones left out.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    list(&metadata["packages"])
        .iter()
        .map(|package| {
            let needed = list(&package["dependencies"]);
            let normal = needed.iter().filter(|one| one["kind"].is_null());
            (name(package), normal.map(name).collect())
        })
        .collect()
}

#[test]
fn the_server_cannot_decrypt_because_it_does_not_link_the_code_that_could() {
    let arrows = arrows();
    let server = &arrows["keyferry-server"];
    assert!(server.contains("keyferry-api"), "the test sees dependencies at all");
    for own in ["keyferry-core", "keyferry-crypto", "keyferry-formats"] {
        assert!(!server.contains(own), "{own}");
    }
    for cipher in ["aes", "cbc", "rsa"] {
        assert!(!server.contains(cipher), "{cipher}");
    }
    assert!(arrows["keyferry-api"].iter().all(|name| !name.starts_with("keyferry")));
}

#[test]
fn core_knows_neither_server_nor_face() {
    let core = &arrows()["keyferry-core"];
    for face in ["keyferry-server", "axum", "clap", "indicatif", "pyo3"] {
        assert!(!core.contains(face), "{face}");
    }
}

#[test]
fn the_pure_crates_know_no_socket_no_database_and_no_runtime() {
    let arrows = arrows();
    assert!(arrows["keyferry-core"].contains("tokio"), "the test sees what it looks for");
    for pure in ["keyferry-crypto", "keyferry-formats"] {
        for other in ["keyferry-core", "tokio", "reqwest", "rusqlite", "futures-util", "tempfile"] {
            assert!(!arrows[pure].contains(other), "{pure} imports {other}");
        }
    }
    assert!(!arrows["keyferry-crypto"].contains("keyferry-formats"));
}

#[test]
fn rooms_of_core_import_only_what_stands_before_them() {
    let before: &[(&str, &[&str])] = &[("client", &[]), ("engine", &["client"])];
    let rooms: Vec<&str> = before.iter().map(|(room, _)| *room).collect();
    let mut seen = 0;
    for (room, allowed) in before {
        for source in sources(&Path::new(ROOT).join("core/src"), room) {
            for (number, line) in source.1.lines().enumerate() {
                for other in &rooms {
                    if line.contains(&format!("crate::{other}::")) {
                        seen += 1;
                        let fine = other == room || allowed.contains(other);
                        assert!(fine, "{}:{}: {room} imports {other}", source.0, number + 1);
                    }
                }
            }
        }
    }
    assert!(seen > 20, "the test sees imports at all");
}

fn sources(core: &Path, room: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![core.join(room), core.join(format!("{room}.rs"))];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.exists() {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(!found.is_empty(), "{room}");
    found
}
