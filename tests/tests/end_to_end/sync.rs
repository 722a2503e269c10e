//! `sync`: only what changed is written, and what was edited in the sink is told, not trampled on.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::server::Served;
use serde_json::Value;

const FIRST: &str = r#"{"vault":"V","name":"one","password":"hidden-1"}
{"vault":"V","path":["F"],"name":"two","password":"hidden-2"}
{"vault":"V","name":"twin","password":"hidden-t"}
{"vault":"V","name":"twin","password":"hidden-t"}
"#;

fn scene() -> Scene {
    let scene = Scene::with_environments(&["a", "b"]);
    scene.run(&["import", scene.file("first.jsonl", FIRST), "embedded:a"]).succeeds();
    scene
}

/// Overwrites records of an environment, as a person would.
fn edit(scene: &Scene, environment: &str, records: &str) {
    let file = scene.file("edit.jsonl", records);
    scene.run(&["import", file, environment, "--on-conflict", "update"]).succeeds();
}

/// Takes a record out of an environment, as a person would who moves it to the bin.
fn without(scene: &Scene, environment: &str, name: &str) {
    use rusqlite::Connection;
    let folder = environment.trim_start_matches("embedded:");
    let database = Connection::open(scene.path(folder).join("environment.db")).unwrap();
    // The bin's own row does not matter here.
    database.pragma_update(None, "foreign_keys", false).unwrap();
    let gone =
        database.execute("UPDATE items SET bin_item_id = 'bin' || id WHERE name = ?1", [name]).unwrap();
    assert_eq!(gone, 1);
}

fn sync(scene: &Scene, more: &[&str], code: i32) -> Value {
    let mut words = vec!["--json", "sync", "embedded:a", "embedded:b"];
    words.extend(more);
    let run = scene.run(&words);
    run.hides("hidden-").exits(code).json()
}

fn counts(report: &Value) -> [u64; 4] {
    ["created", "updated", "unchanged", "removed"].map(|member| report[member].as_u64().unwrap())
}

fn drift(report: &Value) -> Vec<String> {
    let list = report["drifted"].as_array().unwrap();
    list.iter()
        .map(|one| format!("{}: {}", one["record"].as_str().unwrap(), one["what"][0].as_str().unwrap()))
        .collect()
}

#[test]
fn only_what_changed_is_written() {
    let scene = scene();
    assert_eq!(counts(&sync(&scene, &[], 0)), [4, 0, 0, 0]);
    assert_eq!(counts(&sync(&scene, &[], 0)), [0, 0, 4, 0]);
    edit(&scene, "embedded:a", r#"{"vault":"V","name":"one","password":"hidden-new","url":"https://x"}"#);
    scene
        .run(&["import", scene.file("more.jsonl", r#"{"vault":"W","name":"new"}"#), "embedded:a"])
        .succeeds();
    let planned = sync(&scene, &["--dry-run"], 0);
    assert_eq!((planned["create"].as_u64(), planned["update"].as_u64()), (Some(1), Some(1)));
    assert_eq!(counts(&sync(&scene, &[], 0)), [1, 1, 3, 0]);
    scene.run(&["verify", "embedded:a", "embedded:b"]).succeeds();
}

#[test]
fn what_was_edited_in_the_sink_is_told_and_left_alone_until_asked() {
    let scene = scene();
    sync(&scene, &[], 0);
    edit(&scene, "embedded:b", r#"{"vault":"V","name":"one","password":"hidden-theirs"}"#);
    for _ in 0..2 {
        let report = sync(&scene, &[], 3);
        assert_eq!(counts(&report), [0, 0, 3, 0]);
        assert_eq!(drift(&report), ["V / one: edited in the sink, left alone"]);
    }
    // Also where both sides were edited.
    edit(&scene, "embedded:a", r#"{"vault":"V","name":"one","password":"hidden-ours"}"#);
    assert_eq!(drift(&sync(&scene, &[], 3)).len(), 1);
    let report = sync(&scene, &["--on-conflict", "update"], 3);
    assert_eq!((counts(&report), drift(&report).len()), ([0, 1, 3, 0], 1));
    scene.run(&["verify", "embedded:a", "embedded:b"]).succeeds();
    assert_eq!(counts(&sync(&scene, &[], 0)), [0, 0, 4, 0]);
}

#[test]
fn what_the_source_lost_goes_only_when_asked_and_never_with_edits_in_it() {
    let scene = scene();
    sync(&scene, &[], 0);
    scene.run(&["import", scene.file("own.jsonl", r#"{"vault":"V","name":"own"}"#), "embedded:b"]).succeeds();
    without(&scene, "embedded:a", "one");
    without(&scene, "embedded:a", "two");
    edit(&scene, "embedded:b", r#"{"vault":"V","path":["F"],"name":"two","password":"hidden-theirs"}"#);
    assert_eq!(
        drift(&sync(&scene, &[], 3)),
        [
            "V / F / two: no longer in the source, but edited in the sink: left alone",
            "V / one: no longer in the source; --delete would remove it"
        ]
    );
    let report = sync(&scene, &["--delete"], 3);
    assert_eq!(counts(&report), [0, 0, 2, 1]);
    assert_eq!(drift(&report).len(), 1, "the edited one stays");
    let tree = scene.run(&["tree", "embedded:b"]).succeeds().stdout();
    assert!(tree.contains("own") && tree.contains("two") && !tree.contains("one"), "{tree}");
}

/// The second look at what is to be removed is a batch of just these two: the lie is what an edit since the plan
/// would look like.
#[test]
fn what_is_edited_between_plan_and_removal_stays() {
    let scene = Scene::new();
    let records = |names: &[&str]| -> String {
        names.iter().fold(String::new(), |lines, name| lines + r#"{"vault":"V","name":""# + name + "\"}\n")
    };
    let file = scene.file("source.jsonl", records(&["one", "two", "three", "four"]));
    let served = Served::new(&scene, "b", "on");
    let edited = |answer: &mut Value| {
        let responses = answer["responses"].as_array_mut().unwrap();
        if responses.len() == 2 {
            responses[0]["body"]["url"] = "https://edited.example.com".into();
        }
    };
    let plan = move |asked: &Asked| asked.path.starts_with("/api/v1/batch").then_some(Fault::Lie(edited));
    let proxy = Proxy::new(&served.url, Box::new(plan));
    let sync = |code: i32| -> Value {
        let output =
            served.command(&scene, &["--json", "sync", file, &proxy.url, "--delete"]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    sync(0);
    assert_eq!(scene.file("source.jsonl", records(&["one", "two"])), file);
    let report = sync(3);
    assert_eq!(counts(&report), [0, 0, 2, 1]);
    assert!(drift(&report)[0].contains("edited in the sink meanwhile"), "{report}");
}

#[test]
fn what_someone_removed_from_the_sink_comes_back_and_is_told() {
    let scene = scene();
    sync(&scene, &[], 0);
    without(&scene, "embedded:b", "one");
    let report = sync(&scene, &[], 3);
    assert_eq!(counts(&report), [1, 0, 3, 0]);
    assert_eq!(drift(&report), ["V / one: was missing in the sink, made again"]);
    assert_eq!(counts(&sync(&scene, &[], 0)), [0, 0, 4, 0]);
}

#[test]
fn a_sync_that_is_killed_on_its_way_forgets_nothing() {
    let scene = scene();
    sync(&scene, &[], 0);
    edit(&scene, "embedded:a", r#"{"vault":"V","name":"one","password":"hidden-new"}"#);
    assert!(scene.crashes("after request", 1, &["sync", "embedded:a", "embedded:b"]));
    let report = sync(&scene, &[], 0);
    assert_eq!(report["drifted"].as_array().unwrap().len(), 0);
    scene.run(&["verify", "embedded:a", "embedded:b"]).succeeds();
}

#[test]
fn a_file_can_be_the_source_and_another_choice_has_a_memory_of_its_own() {
    let scene = scene();
    scene.run(&["sync", "first.jsonl", "embedded:b"]).succeeds();
    scene.run(&["sync", "first.jsonl", "embedded:b", "--query", "one", "--delete"]).succeeds();
    scene.run(&["verify", "first.jsonl", "embedded:b"]).succeeds();
    scene.run(&["sync", "embedded:a", "out.jsonl"]).exits(2);
    scene.run(&["sync", "embedded:a", "embedded:b", "--changed-since", "1d"]).exits(2);
}

#[test]
fn the_memory_holds_no_digest_that_a_guess_could_be_checked_against() {
    let scene = scene();
    sync(&scene, &[], 0);
    let journal = rusqlite::Connection::open(scene.path(".local/state/keyferry/journal.db")).unwrap();
    let columns = |sql: &str| -> Vec<Vec<u8>> {
        let mut query = journal.prepare(sql).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let before = columns("SELECT content FROM synced");
    // Equal twins share their digest.
    assert_eq!(before.len(), 3);
    // Another user's sync of the same records has another key, and so other digests.
    scene.run(&["env", "init", "embedded:c", "--user", "admin"]).succeeds();
    scene.run(&["sync", "first.jsonl", "embedded:c"]).succeeds();
    let all = columns("SELECT content FROM synced");
    assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 6);
}
