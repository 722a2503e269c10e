//! A job costs what it carries, not what its sink holds besides: counted in requests and in what the server's own log says
//! was read, never in time.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Proxy};
use keyferry_tests::server::Served;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

const CARRIED: usize = 20;

fn lines(vault: &str, folder: &str, count: usize) -> String {
    let line = |n| {
        format!(
            "{{\"vault\":\"{vault}\",\"path\":[\"{folder}\"],\"name\":\"r{n}\",\"login\":\"u\",\"password\":\"p{n}\"}}\n"
        )
    };
    (0..count).map(line).collect()
}

/// What importing into `V/new` asked for beside `count` records in two other places: every request but those of batches by
/// path, how many batches there were, and how many items were read.
fn beside(count: usize, flags: &[&str]) -> (Vec<String>, usize, BTreeSet<String>) {
    let scene = Scene::new();
    let others = lines("W", "old", count) + &lines("V", "old", count);
    let _ = scene.file("others.jsonl", others);
    let _ = scene.file("new.jsonl", lines("V", "new", CARRIED));
    let served = Served::new(&scene, "a", "on");
    scene.run(&["import", "others.jsonl", "embedded:a"]).succeeds();
    let vaults = scene.run(&["api", "--from", "embedded:a", "--endpoint", "v1/vaults"]).succeeds().json();
    let other = vaults["items"].as_array().unwrap().iter().find(|vault| vault["name"] == "W").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |asked: &Asked| {
            heard.lock().unwrap().push(format!("{} {}", asked.method, asked.path));
            None
        }),
    );
    let words = [&["--json", "import", "new.jsonl", &proxy.url], flags].concat();
    let output = served.command(&scene, &words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["created"], CARRIED);
    let mut asked = asked.lock().unwrap().clone();
    // One look whether there is anything at all: then the source is read twice.
    let looks = asked.iter().filter(|one| one.contains(&other)).collect::<Vec<_>>();
    assert!(
        looks.len() <= 1 && looks.iter().all(|one| one.ends_with("&limit=1")),
        "what the job does not name was asked for: {looks:?}"
    );
    drop(served);
    let log = scene.run(&["--json", "activity", "embedded:a"]).succeeds().stdout();
    let rows = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut read = BTreeSet::new();
    for row in rows.filter(|row| row["action"] == "item.read") {
        read.extend(row["object"].as_str().unwrap().split(',').map(str::to_owned));
    }
    let all = asked.len();
    asked.retain(|one| !one.ends_with("/batch"));
    let batches = all - asked.len();
    // Ids differ from one environment to the next.
    let is_id = |part: &str| part.len() == 24 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let paths = asked.iter().map(|one| {
        let path = one.split('?').next().unwrap_or_default();
        path.split('/').map(|part| if is_id(part) { "ID" } else { part }).collect::<Vec<_>>().join("/")
    });
    let mut paths: Vec<String> = paths.collect();
    paths.sort();
    (paths, batches, read)
}

#[test]
fn what_a_sink_holds_besides_is_not_looked_at() {
    for flags in [&[][..], &["--verify", "sample"], &["--on-conflict", "update"]] {
        let (few, few_batches, _) = beside(30, flags);
        let (many, many_batches, read) = beside(600, flags);
        assert_eq!((few, few_batches), (many, many_batches), "{flags:?}");
        // The first use of a vault's key opens up to three of the records that are there.
        assert!(read.len() <= CARRIED + 3, "{flags:?}: {} items were read", read.len());
    }
}

#[test]
fn a_second_run_finds_everything_where_it_stands() {
    let scene = Scene::with_environments(&["a"]);
    let _ = scene.file("others.jsonl", lines("W", "old", 50) + &lines("V", "old", 50));
    let _ = scene.file("new.jsonl", lines("V", "new", CARRIED));
    scene.run(&["import", "others.jsonl", "embedded:a"]).succeeds();
    scene.run(&["import", "new.jsonl", "embedded:a"]).succeeds();
    let report = scene.run(&["--json", "import", "new.jsonl", "embedded:a"]).succeeds().json();
    assert_eq!((&report["created"], &report["unchanged"]), (&Value::from(0), &Value::from(CARRIED)));
    assert_eq!(report["verified"], CARRIED);
}
