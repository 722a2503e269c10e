//! What an earlier version wrote opens with this one: `tests/fixtures` has a folder for each.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::{Scene, copy_folder};
use std::path::{Path, PathBuf};

/// A scene with what one version wrote, as if it had been written there.
fn scene(version: &Path) -> Scene {
    let scene = Scene::new();
    for entry in std::fs::read_dir(version).unwrap() {
        let entry = entry.unwrap();
        let copy = scene.path(entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &copy);
        } else {
            std::fs::copy(entry.path(), copy).unwrap();
        }
    }
    let here = std::fs::canonicalize(scene.path("")).unwrap();
    let here = here.to_str().unwrap();
    let config = scene.read("config.toml").replace("/fixture", here);
    std::fs::write(scene.path("config.toml"), config).unwrap();
    let journal = rusqlite::Connection::open(scene.path("journal.db")).unwrap();
    let moved = journal.execute(
        "UPDATE jobs SET folder = replace(folder, '/fixture', ?1), sink = replace(sink, '/fixture', ?1)",
        [here],
    );
    assert_eq!(moved.unwrap(), 2);
    scene
}

/// The folder of each version; a test that sees none would prove nothing.
fn versions() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<_> = all.filter(|path| path.is_dir()).collect();
    assert!(!all.is_empty());
    all
}

#[test]
fn an_environment_a_config_and_archives_of_earlier_versions_open() {
    for version in versions() {
        let scene = scene(&version);
        let tree = scene.run(&["--config", "config.toml", "tree", "old:"]).succeeds().stdout();
        for name in ["Infra", "databases", "pg-main", "mysql", "mail", "Office", "door", "safe"] {
            assert!(tree.contains(name), "{}: {name} in {tree}", version.display());
        }
        // The second import overwrote one record of the first: the other three are as the file has them.
        let equal = ["verify", "people.csv", "embedded:environment"];
        scene.run(&equal).exits(4).prints("3 verified equal");
        scene.run(&["verify", "backup.kfa", "embedded:environment"]).succeeds().prints("4 verified equal");
        let mut with_passphrase = scene.command(&["archive", "verify", "both.kfa"]);
        with_passphrase.env("KEYFERRY_ARCHIVE_PASSPHRASE", "planted passphrase");
        assert!(with_passphrase.output().unwrap().status.success(), "{}", version.display());
    }
}

#[test]
fn jobs_of_earlier_versions_are_listed_and_undone() {
    for version in versions() {
        let scene = scene(&version);
        let journal = |words: &[&str]| scene.run(&[&["--journal", "journal.db"], words].concat());
        let jobs = journal(&["jobs"]).succeeds().stdout();
        assert!(jobs.contains("1 updated") && jobs.contains("4 created"), "{jobs}");
        journal(&["undo", "2"]).succeeds().prints("1 restored");
        scene.run(&["verify", "people.csv", "embedded:environment"]).succeeds().prints("4 verified equal");
        journal(&["undo", "1"]).succeeds().prints("4 moved to the bin");
    }
}
