//! `migrate --rewrap`: ciphertext is copied as it is, only the record keys are wrapped anew.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's own helper may fail it")]

use keyferry_tests::Scene;
use keyferry_tests::records::{lifelike, write_jsonl};
use rusqlite::Connection;

/// Every ciphertext of an environment's items but for their wrapped keys, and those apart.
fn ciphertexts(scene: &Scene, environment: &str) -> (Vec<String>, Vec<String>) {
    let folder = scene.path(environment);
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let database = files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "db"));
    let db = Connection::open(database.expect("a database")).unwrap();
    let column = |sql: &str| {
        let mut query = db.prepare(sql).unwrap();
        let rows = query.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        let mut all: Vec<String> = rows.map(|row| row.unwrap().unwrap_or_default()).collect();
        all.sort();
        all
    };
    let mut all = column("SELECT password_encrypted FROM items");
    all.extend(column("SELECT customs FROM items"));
    all.extend(column("SELECT encrypted_key || hash FROM attachments"));
    all.extend(column("SELECT encrypted_data FROM attachment_data"));
    (all, column("SELECT key_encrypted FROM items"))
}

#[test]
fn ciphertext_arrives_unchanged_and_the_record_keys_are_wrapped_anew() {
    let scene = Scene::with_environments(&["a", "b"]);
    write_jsonl(&lifelike(300, 3), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    let report = scene.run(&["--json", "migrate", "--rewrap", "embedded:a", "embedded:b"]).succeeds().json();
    assert_eq!((&report["created"], &report["verified"]), (&300.into(), &300.into()));
    let ((a, keys_of_a), (b, keys_of_b)) = (ciphertexts(&scene, "a"), ciphertexts(&scene, "b"));
    assert_eq!(a, b);
    assert!(keys_of_a.iter().all(|key| !keys_of_b.contains(key)), "each vault has keys of its own");
    // Only now is anything decrypted: it opens, and it is the same.
    scene.run(&["verify", "people.jsonl", "embedded:b"]).succeeds();
}

#[test]
fn a_second_run_finds_everything_there_and_a_crash_is_resumed() {
    let scene = Scene::with_environments(&["a", "b"]);
    write_jsonl(&lifelike(1100, 3), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    let migrate = ["--json", "migrate", "embedded:a", "embedded:b", "--rewrap"];
    assert!(scene.crashes("after request", 2, &migrate));
    scene.run(&["resume", "2"]).succeeds();
    let again = scene.run(&migrate).succeeds().json();
    assert_eq!((&again["created"], &again["unchanged"]), (&0.into(), &1100.into()));
    scene.run(&["verify", "embedded:a", "embedded:b"]).succeeds();
}

#[test]
fn it_is_refused_where_there_is_nothing_to_wrap_or_something_to_lose() {
    let scene = Scene::with_environments(&["on", "other"]);
    scene.run(&["env", "init", "embedded:off", "--user", "admin", "--client-encryption", "off"]).succeeds();
    let file = scene.file("a.csv", "vault,name,password\nV,n,p\n");
    for (from, to) in
        [("embedded:on", "embedded:off"), ("embedded:off", "embedded:on"), (file, "embedded:on")]
    {
        scene.run(&["migrate", "--rewrap", from, to]).exits(2).says("client-side encryption");
    }
    let update = ["migrate", "--rewrap", "embedded:on", "embedded:other", "--on-conflict", "update"];
    scene.run(&update).exits(2).says("cannot overwrite");
}
