//! The arrows of ARCHITECTURE.md, held by reading manifests and `use` lines: between crates, between rooms, and no
//! circle between files.

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
    assert!(arrows["keyferry-sql"].iter().all(|name| !name.starts_with("keyferry")));
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
        let others =
            ["keyferry-core", "keyferry-sql", "tokio", "reqwest", "rusqlite", "futures-util", "tempfile"];
        for other in others {
            assert!(!arrows[pure].contains(other), "{pure} imports {other}");
        }
    }
    assert!(!arrows["keyferry-crypto"].contains("keyferry-formats"));
}

#[test]
fn rooms_of_core_import_only_what_stands_before_them() {
    let before: &[(&str, &[&str])] =
        &[("files", &[]), ("client", &["files"]), ("engine", &["client", "files"])];
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

/// A module's path below its crate: `["engine", "sink"]`.
type Module = Vec<String>;

/// The code of each module of a crate, without comments and tests.
fn modules(crate_sources: &Path) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![crate_sources.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let inside = path.strip_prefix(crate_sources).unwrap().with_extension("");
                let mut module: Module =
                    inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                if matches!(module.last().unwrap().as_str(), "mod" | "lib" | "main") {
                    module.pop();
                }
                let code = std::fs::read_to_string(&path).unwrap();
                let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                found.insert(module, lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    found
}

/// The paths of a `use` tree: `a::{b, c as d}` is `a::b` and `a::c`, each with the name that it gets.
fn leaves(tree: &str, before: &[&str], found: &mut Vec<(Module, String)>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let path: Vec<&str> = before
            .iter()
            .copied()
            .chain(head.split("::").map(str::trim).filter(|part| !part.is_empty()))
            .collect();
        let group = group.trim_end().strip_suffix('}').unwrap_or(group);
        let (mut depth, mut start) = (0, 0);
        for (at, letter) in group.char_indices().chain([(group.len(), ',')]) {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let part = group.get(start..at).unwrap_or_default();
                    if !part.trim().is_empty() {
                        leaves(part, &path, found);
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let mut path: Module =
        before.iter().copied().chain(path.split("::").map(str::trim)).map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name =
        if alias.is_empty() { path.last().cloned().unwrap_or_default() } else { alias.trim().to_owned() };
    found.push((path, name));
}

/// What a module's code names: in `use` items (with whether it passes them on), and in paths within the code.
fn named(code: &str) -> Vec<(bool, Module, String)> {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut statement: Option<(bool, String)> = None;
    for line in code.lines() {
        if statement.is_none() {
            let trimmed = line.trim_start();
            let (public, item) = match trimmed.strip_prefix("pub") {
                Some(after) => (
                    true,
                    after.split_once("use ").map(|(_, item)| item).filter(|_| {
                        after.starts_with(" use ") || after.starts_with('(') && after.contains(") use ")
                    }),
                ),
                None => (false, trimmed.strip_prefix("use ")),
            };
            match item {
                Some(item) => statement = Some((public, item.to_owned())),
                None => rest.push_str(line),
            }
            rest.push('\n');
        } else if let Some((_, item)) = &mut statement {
            item.push_str(line);
        }
        if let Some((public, item)) = statement.take_if(|(_, item)| item.trim_end().ends_with(';')) {
            let mut paths = Vec::new();
            leaves(item.trim_end().trim_end_matches(';'), &[], &mut paths);
            found.extend(paths.into_iter().map(|(path, name)| (public, path, name)));
        }
    }
    for word in rest.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'))
    {
        if word.starts_with("crate::") || word.starts_with("super::") {
            let path: Module = word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            let name = path.last().cloned().unwrap_or_default();
            found.push((false, path, name));
        }
    }
    found
}

/// A path from the crate's root, where it leads into the crate at all.
fn from_root(module: &Module, path: &Module, all: &BTreeMap<Module, String>) -> Option<Module> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let base = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" => module.clone(),
        "super" => module.get(..module.len().checked_sub(ups)?)?.to_vec(),
        first => {
            let child: Module = module.iter().cloned().chain([first.to_owned()]).collect();
            return all.contains_key(&child).then(|| module.iter().chain(path).cloned().collect());
        }
    };
    let skipped = ups.max(1);
    Some(base.into_iter().chain(path.iter().skip(skipped).cloned()).collect())
}

/// Which modules each module imports from. A folder's `mod.rs` is its door: what it passes on counts as imported
/// from the file that has it, and between a door and the files behind it nothing is counted.
fn imports(all: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let all_named: BTreeMap<&Module, _> = all.iter().map(|(module, code)| (module, named(code))).collect();
    let mut passed_on = BTreeMap::new();
    for (module, paths) in &all_named {
        for (public, path, name) in paths {
            if let Some(path) = from_root(module, path, all).filter(|_| *public) {
                passed_on.insert(((*module).clone(), name.clone()), path);
            }
        }
    }
    let owner = |mut path: Module| {
        'again: for _ in 0..5 {
            for length in (0..=path.len()).rev() {
                let (module, after) = path.split_at(length);
                if all.contains_key(module) {
                    let door = after.first().and_then(|name| passed_on.get(&(module.to_vec(), name.clone())));
                    match door {
                        Some(behind) => path = behind.iter().chain(after.iter().skip(1)).cloned().collect(),
                        None => return module.to_vec(),
                    }
                    continue 'again;
                }
            }
        }
        path
    };
    let mut found: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, paths) in &all_named {
        for (_, path, _) in paths {
            if let Some(path) = from_root(module, path, all) {
                let other = owner(path);
                if !other.starts_with(module) && !module.starts_with(&other) {
                    found.entry((*module).clone()).or_default().insert(other);
                }
            }
        }
    }
    found
}

/// A circle of imports, if there is one.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<String>> {
    fn walk(
        at: &Module,
        imports: &BTreeMap<Module, BTreeSet<Module>>,
        way: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|one| one == at) {
            return Some(way.split_at(start).1.iter().map(|module| module.join("::")).collect());
        }
        if !done.insert(at.clone()) {
            return None;
        }
        way.push(at.clone());
        let found = imports.get(at).into_iter().flatten().find_map(|next| walk(next, imports, way, done));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|module| walk(module, imports, &mut Vec::new(), &mut done))
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut seen = 0;
    for part in [
        "api",
        "capi",
        "cli",
        "core",
        "core/crypto",
        "core/formats",
        "embedded",
        "py",
        "rotate",
        "server",
        "sql",
        "tests",
    ] {
        let all = modules(&Path::new(ROOT).join(part).join("src"));
        let imports = imports(&all);
        seen += imports.values().map(BTreeSet::len).sum::<usize>();
        assert_eq!(circle(&imports), None, "{part}: files import each other in a circle");
    }
    assert!(seen > 300, "the test sees imports at all: {seen}");
}

#[test]
fn a_circle_through_a_door_is_seen() {
    let file =
        |path: &str, code: &str| (path.split("::").map(str::to_owned).collect::<Module>(), code.to_owned());
    let door = file("room", "mod a;\npub use a::{\n    Deep,\n    Other as Renamed,\n};\n");
    let a = file("room::a", "use crate::other::{self, Thing};\npub struct Deep;\n");
    let straight = file("other", "pub struct Thing;\n");
    let bent = file("other", "pub struct Thing(super::room::Renamed);\n");
    let all = |other: &(Module, String)| [door.clone(), a.clone(), other.clone()].into_iter().collect();
    assert_eq!(circle(&imports(&all(&straight))), None);
    assert_eq!(circle(&imports(&all(&bent))), Some(vec!["other".to_owned(), "room::a".to_owned()]));
}
