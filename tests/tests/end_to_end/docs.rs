//! What the documents name exists.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// Every source file below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "py") {
            found.push(path);
        }
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let mut files = Vec::new();
    for folder in ["cli", "core", "rotate", "server", "tests"] {
        sources(&Path::new(ROOT).join(folder), &mut files);
    }
    let code: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let guarantees = read("docs/guarantees.md") + &read("docs/threat-model.md");
    let is_test = |word: &&str| {
        word.matches('_').count() > 2 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let named: Vec<_> = quoted(&guarantees).filter(is_test).collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        let is_there = code.contains(&format!("fn {name}(")) || code.contains(&format!("def {name}("));
        assert!(is_there, "{name} is named and does not exist");
    }
    let is_source =
        |word: &&str| Path::new(word).extension().is_some_and(|ending| ending == "rs" || ending == "py");
    for file in quoted(&guarantees).filter(is_source) {
        let found = files.iter().any(|path| path.ends_with(file));
        assert!(found, "{file} is named and does not exist");
    }
}

/// The cells of a table's row.
fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split(" | ").map(str::trim).collect()
}

/// The tests that a cell names, each with the file that it names before it.
fn tests_of(cell: &str) -> Vec<(String, String)> {
    let mut file = String::new();
    let mut found = Vec::new();
    for word in quoted(cell) {
        if matches!(word.rsplit_once('.'), Some((_, "rs" | "py"))) {
            word.clone_into(&mut file);
        } else if word.matches('_').count() > 2
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            found.push((file.clone(), word.to_owned()));
        }
    }
    found
}

/// Row by row: what is promised names a test that stands in the file which is named, or says why there can be none.
#[test]
fn every_row_of_the_guarantees_and_the_threat_model_names_its_test() {
    let mut files = Vec::new();
    for folder in ["cli", "core", "rotate", "server", "tests"] {
        sources(&Path::new(ROOT).join(folder), &mut files);
    }
    let mut rows = 0;
    for document in ["docs/guarantees.md", "docs/threat-model.md"] {
        let text = read(document);
        let mut header: Option<Vec<&str>> = None;
        for line in text.lines() {
            if !line.starts_with('|') {
                header = None;
                continue;
            }
            let row = cells(line);
            let Some(names) = &header else {
                header = Some(row);
                continue;
            };
            let tested = matches!(names.last(), Some(&"tried by" | &"tested by"));
            if row[0].chars().all(|letter| letter == '-' || letter == '|') || !tested {
                continue;
            }
            assert_eq!(row.len(), names.len(), "{document}: {line}");
            let (last, before) = row.split_last().unwrap();
            rows += 1;
            if *last == "–" {
                assert!(before.last().unwrap().len() > 30, "{document}: neither a test nor a reason: {line}");
                continue;
            }
            let tests = tests_of(last);
            assert!(!tests.is_empty(), "{document}: no test is named: {line}");
            for (file, test) in tests {
                let there = files.iter().filter(|path| path.ends_with(&file)).any(|path| {
                    let code = std::fs::read_to_string(path).unwrap();
                    code.contains(&format!("fn {test}(")) || code.contains(&format!("def {test}("))
                });
                assert!(there, "{document}: there is no {test} in {file:?}: {line}");
            }
        }
    }
    assert!(rows > 60, "the tables were read: {rows}");
}

#[test]
fn every_make_target_that_is_named_exists() {
    let makefile = read("Makefile");
    let documents = [
        "README.md",
        "CONTRIBUTING.md",
        "docs/formats.md",
        "docs/glossary.md",
        "docs/guarantees.md",
        "docs/performance.md",
        "docs/engines.md",
        "docs/python.md",
        "docs/c.md",
        "docs/archive-format.md",
        "docs/audit.md",
        "docs/ci/README.md",
        "docs/compatibility.md",
        "docs/passwork-cli.md",
        "docs/rotation.md",
        "docs/secrets.md",
        "docs/scale.md",
        "docs/sessions.md",
        "docs/threat-model.md",
        "docs/upgrading.md",
    ];
    for document in documents {
        let text = read(document);
        for words in quoted(&text).filter_map(|word| word.strip_prefix("make ")) {
            let target = words.split_whitespace().next().unwrap_or(words);
            assert!(makefile.contains(&format!("\n{target}:")), "{document} names `make {target}`");
        }
    }
}

/// A block after `<!-- FILE -->` is that file, which the tests of the C library build and run.
#[test]
fn programs_in_documents_are_the_files_that_run() {
    let text = read("docs/c.md");
    let mut compared = 0;
    for block in text.split("<!-- ").skip(1) {
        let (file, rest) = block.split_once(" -->\n```").unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        let shown = rest.split("```").next().unwrap();
        assert!(shown == read(file), "docs/c.md shows another {file}");
        compared += 1;
    }
    assert_eq!(compared, 7);
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = read(document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let outside = target.starts_with("http");
            assert!(outside || Path::new(ROOT).join(target).exists(), "{document} links {target}");
        }
    }
}
