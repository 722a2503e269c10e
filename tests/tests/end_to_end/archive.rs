//! An environment in a sealed file, and out of it again.

use keyferry_tests::records::{lifelike, multiset, write_jsonl};
use keyferry_tests::{MASTER_PASSWORD, Scene};

#[test]
fn a_backup_opens_with_the_users_own_key_and_comes_back_the_same() {
    let scene = Scene::with_environments(&["a"]);
    write_jsonl(&lifelike(200, 8), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    // No plaintext is written, so nothing has to be allowed.
    scene.run(&["export", "embedded:a", "backup.kfa"]).succeeds();
    scene.run(&["verify", "embedded:a", "backup.kfa"]).succeeds();
    let sealed = std::fs::read(scene.path("backup.kfa")).unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("postgres"), "names are sealed as well");
    // All is lost but the user's key: here it is the same environment, emptied by undo.
    scene.run(&["undo", "1"]).succeeds();
    scene.run(&["import", "backup.kfa", "embedded:a"]).succeeds();
    scene.run(&["verify", "people.jsonl", "embedded:a"]).succeeds();
}

#[test]
fn a_passphrase_carries_an_archive_to_another_users_environment() {
    let scene = Scene::with_environments(&["a", "b"]);
    write_jsonl(&lifelike(60, 8), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    let phrase = [("KEYFERRY_ARCHIVE_PASSPHRASE", Some("a planted phrase"))];
    scene.run_with(&phrase, &["export", "embedded:a", "out.kfa"]).succeeds().hides("planted phrase");
    scene.run(&["import", "out.kfa", "embedded:b"]).exits(5).says("opens this archive");
    let wrong = [("KEYFERRY_ARCHIVE_PASSPHRASE", Some("another phrase"))];
    scene.run_with(&wrong, &["import", "out.kfa", "embedded:b"]).exits(5);
    scene.run_with(&phrase, &["import", "out.kfa", "embedded:b"]).succeeds();
    // Into a file, where no environment's key is at hand.
    let only = [phrase[0], ("KEYFERRY_MASTER_PASSWORD", None)];
    scene.run_with(&only, &["migrate", "out.kfa", "plain.jsonl"]).exits(2).says("--allow-plaintext");
    scene.run_with(&only, &["verify", "out.kfa", "people.jsonl"]).succeeds();
    scene.run(&["export", "embedded:b", "b.jsonl", "--allow-plaintext"]).succeeds();
    assert_eq!(multiset(&scene.read("b.jsonl")), multiset(&scene.read("people.jsonl")));
}

#[test]
fn a_damaged_archive_imports_nothing_it_cannot_vouch_for_and_says_so() {
    let scene = Scene::with_environments(&["a", "b"]);
    write_jsonl(&lifelike(60, 8), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    scene.run(&["export", "embedded:a", "out.kfa"]).succeeds();
    let mut bytes = std::fs::read(scene.path("out.kfa")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = scene.file("damaged.kfa", bytes);
    scene.run(&["verify", damaged, "embedded:a"]).exits(1).says("damaged").hides(MASTER_PASSWORD);
}

#[test]
fn an_archive_crosses_an_air_gap_sealed_for_the_other_sides_user() {
    let scene = Scene::with_environments(&["a", "b"]);
    write_jsonl(&lifelike(60, 8), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    let pem = scene.run(&["env", "public-key", "embedded:b"]).succeeds().stdout();
    let key = scene.file("b.pem", pem);
    scene.run(&["archive", "create", "embedded:a", "out.kfa", "--recipient", key]).succeeds();
    let whole =
        scene.run(&["--json", "archive", "verify", "out.kfa", "--user", "embedded:b"]).succeeds().json();
    assert_eq!((whole["records"].as_u64(), whole["whole"].as_bool()), (Some(60), Some(true)));
    assert_eq!(whole["sealed_for"].as_array().unwrap().len(), 2, "its maker and the other side");
    scene.run(&["archive", "list", "out.kfa"]).exits(5).says("opens this archive");
    let names = scene.run(&["archive", "list", "out.kfa", "--user", "embedded:b"]).succeeds().stdout();
    assert_eq!(names.lines().count(), 60);
    scene.run(&["archive", "extract", "out.kfa", "embedded:b"]).succeeds();
    scene.run(&["verify", "people.jsonl", "embedded:b"]).succeeds();
    // A job like any other: here is what takes it back.
    let jobs = scene.run(&["--json", "jobs"]).succeeds().json();
    let last = jobs.as_array().unwrap().iter().filter_map(|job| job["id"].as_i64()).max().unwrap();
    scene.run(&["undo", &last.to_string()]).succeeds();
    scene.run(&["verify", "people.jsonl", "embedded:b"]).exits(4);
}

#[test]
fn a_cut_archive_is_never_called_whole() {
    let scene = Scene::with_environments(&["a"]);
    write_jsonl(&lifelike(60, 8), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    scene.run(&["archive", "create", "embedded:a", "out.kfa"]).succeeds();
    let bytes = std::fs::read(scene.path("out.kfa")).unwrap();
    let cut = scene.file("cut.kfa", &bytes[..bytes.len() - 1]);
    scene.run(&["archive", "verify", cut, "--user", "embedded:a"]).exits(1).says("cut.kfa");
    scene.run(&["archive", "create", "embedded:a", "out.zip"]).exits(2).says(".kfa");
    let key = scene.file("none.pem", "not a key");
    scene.run(&["archive", "create", "embedded:a", "b.kfa", "--recipient", key]).exits(1).says("none.pem");
}
