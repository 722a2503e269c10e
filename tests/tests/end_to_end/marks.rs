//! Marks: what a server exchanges within a record, or between records, is seen by whoever requires them, also by a machine
//! that never saw the record before. Without them it is believed, which is the control.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_core::model::{Attachment, Custom, CustomKind, Record, RecordPath};
use keyferry_core::secret::SecretBytes;
use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::records::write_jsonl;
use keyferry_tests::server::Served;
use serde_json::Value;
use std::sync::{Arc, Mutex, OnceLock};

const PRESENT: &str = "planted-present-password";
const MISSING: &str = "does not carry the mark";

type Lie = fn(&mut Value);

/// The ciphertext of the record beside the one that is asked for.
static OTHER: OnceLock<Value> = OnceLock::new();
/// The content of the attachment beside the one that is asked for.
static OTHER_FILE: OnceLock<Value> = OnceLock::new();

/// Every item in an answer that holds the fields of the record which is lied about.
fn each_item(answer: &mut Value, change: fn(&mut Value)) {
    match answer {
        Value::Object(members) if members.contains_key("passwordEncrypted") => {
            let is_meant = members["customs"].as_array().is_some_and(|customs| customs.len() == 2);
            is_meant.then(|| change(answer));
        }
        Value::Object(members) => members.values_mut().for_each(|value| each_item(value, change)),
        Value::Array(list) => list.iter_mut().for_each(|value| each_item(value, change)),
        _ => {}
    }
}

/// All of them open: nothing of Passwork's own tells them from the truth.
const LIES: &[(&str, Lie)] = &[
    ("two fields are exchanged", |answer| {
        each_item(answer, |item| {
            let first = item["customs"][0]["value"].clone();
            item["customs"][0]["value"] = item["customs"][1]["value"].clone();
            item["customs"][1]["value"] = first;
        });
    }),
    ("the password is a field's value", |answer| {
        each_item(answer, |item| item["passwordEncrypted"] = item["customs"][0]["value"].clone());
    }),
    ("a field is left out", |answer| {
        each_item(answer, |item| drop(item["customs"].as_array_mut().unwrap().remove(0)));
    }),
    ("the address is another", |answer| {
        each_item(answer, |item| item["url"] = "https://elsewhere.example/".into());
    }),
    ("it is another record of its vault", |answer| {
        each_item(answer, |item| {
            for member in ["keyEncrypted", "passwordEncrypted", "customs"] {
                item[member] = OTHER.get().unwrap()[member].clone();
            }
        });
    }),
];

/// A server with marked records behind a proxy, and what the proxy lies about: in one test of the process, as what it puts
/// in the place of something else is kept for all.
fn world(lies: bool) -> (Scene, Served, Proxy, Arc<Mutex<Option<usize>>>) {
    let scene = Scene::new();
    let custom = |name: &str, value: &str| Custom {
        name: name.into(),
        kind: CustomKind::Password,
        value: value.into(),
    };
    let file = |name: &str| Attachment {
        name: name.into(),
        content: SecretBytes::new(format!("content of {name}").into_bytes()),
    };
    let one = Record {
        path: RecordPath { vault: Some("V".into()), folders: Vec::new() },
        name: "one".into(),
        login: "u".into(),
        url: "program://here.example/".into(),
        password: Some(PRESENT.into()),
        customs: vec![custom("pin", "1234"), custom("puk", "9876")],
        attachments: vec![file("a.txt"), file("b.txt")],
        ..Record::default()
    };
    let other = Record {
        name: "other".into(),
        password: Some("of another".into()),
        attachments: Vec::new(),
        ..one.clone()
    };
    write_jsonl(&[one, other], &scene.path("both.jsonl"));
    let _ = scene.file("template", "a={{ there:V/one }}\n");
    let _ = scene.file("secret", "a new one");
    let served = Served::new(&scene, "a", "on");
    scene.run(&["import", "both.jsonl", "embedded:a", "--marks", "write"]).succeeds();
    let api = |path: &str| scene.run(&["api", "--from", "embedded:a", "--endpoint", path]).succeeds().json();
    let id = |name: &str| {
        let found = api(&format!("v1/items/search?query={name}"));
        found["items"][0]["id"].as_str().unwrap().to_owned()
    };
    if lies {
        OTHER.get_or_init(|| api(&format!("v1/items/{}", id("other"))));
        let one = api(&format!("v1/items/{}", id("one")));
        let files = one["attachments"].as_array().unwrap();
        let second = files.iter().find(|file| file["name"] == "b.txt").unwrap()["id"].as_str().unwrap();
        OTHER_FILE.get_or_init(|| api(&format!("v1/items/{}/attachment/{second}", id("one"))));
    }
    let told = Arc::new(Mutex::new(None));
    let now = told.clone();
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |asked: &Asked| {
            let number: usize = (*now.lock().unwrap())?;
            if asked.path.contains("/attachment/") {
                return (number == LIES.len()).then_some(Fault::Lie(|answer| {
                    for member in ["encryptedKey", "encryptedData", "hash"] {
                        answer[member] = OTHER_FILE.get().unwrap()[member].clone();
                    }
                }));
            }
            let about = asked.path.starts_with("/api/v1/items/") || asked.path == "/api/v1/batch";
            LIES.get(number).filter(|_| about).map(|(_, lie)| Fault::Lie(*lie))
        }),
    );
    scene.run(&["env", "add", "there", &proxy.url]).succeeds();
    (scene, served, proxy, told)
}

/// Runs a command on a machine that never saw the record; its code and all that it said.
fn run(scene: &Scene, served: &Served, words: &[&str]) -> (Option<i32>, String) {
    let _ = std::fs::remove_dir_all(scene.path("fresh"));
    let mut command = scene.command(&[&["--journal", "fresh/journal.db"], words].concat());
    command
        .env("KEYFERRY_THERE_TOKEN", &served.access_token)
        .env("KEYFERRY_THERE_REFRESH_TOKEN", &served.refresh_token)
        .env("KEYFERRY_THERE_MASTER_PASSWORD", keyferry_tests::MASTER_PASSWORD)
        .env("PATH", "/usr/bin:/bin")
        .stdin(std::fs::File::open(scene.path("secret")).unwrap());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stderr) + &text(&output.stdout))
}

const USES: &[&[&str]] = &[
    &["get", "there:V/one"],
    &["exec", "--env", "A=there:V/one", "--", "sh", "-c", "echo ran $A"],
    &["exec", "--folder", "there:V", "--prefix", "A_", "--", "sh", "-c", "echo ran"],
    &["inject", "-i", "template", "-o", "-"],
    &["update", "there:V/one", "--stdin", "pin"],
];

#[test]
fn who_requires_marks_sees_what_was_exchanged() {
    let (scene, served, proxy, told) = world(true);
    let require = |words: &[&str]| run(&scene, &served, &[&["--marks", "require"], words].concat());
    for words in &USES[..4] {
        let (code, said) = require(words);
        assert_eq!(code, Some(0), "the truth: {words:?}\n{said}");
    }
    let mut tried = 0;
    for (number, (what, _)) in LIES.iter().enumerate() {
        *told.lock().unwrap() = Some(number);
        let (code, said) = run(&scene, &served, USES[0]);
        assert_eq!(code, Some(0), "without marks it is believed: {what}\n{said}");
        for words in USES {
            let before = proxy.received().len();
            let (code, said) = require(words);
            assert!(
                matches!(code, Some(5 | 125)) && said.contains(MISSING),
                "{what}: {words:?}: {code:?}\n{said}"
            );
            assert!(!said.contains("ran"), "{what}: {words:?}\n{said}");
            let heard = String::from_utf8_lossy(&proxy.received()[before..]).into_owned();
            assert!(!heard.contains("PATCH "), "{what}: {words:?}");
            tried += 1;
        }
        // Many at once: each that is true goes on.
        let out = format!("out-{number}.jsonl");
        let (code, said) = require(&["export", "there:", &out, "--allow-plaintext"]);
        assert!(code == Some(3) && said.contains(MISSING), "{what}: {code:?}\n{said}");
        let written = scene.read(&out);
        assert!(!written.contains(PRESENT), "{what}");
        *told.lock().unwrap() = None;
    }
    println!("{} lies × {} commands: {tried} pairs refused", LIES.len(), USES.len());
    let attachment = ["get", "there:V/one", "--attachment", "a.txt"];
    let (code, said) = require(&attachment);
    assert!(code == Some(0) && said.contains("content of a.txt"), "{said}");
    *told.lock().unwrap() = Some(LIES.len());
    let (code, said) = run(&scene, &served, &attachment);
    assert!(code == Some(0) && said.contains("content of b.txt"), "without marks it is believed: {said}");
    let (code, said) = require(&attachment);
    assert!(code == Some(5) && said.contains(MISSING), "{code:?} {said}");
}

#[test]
fn marks_last_until_another_client_writes_and_come_back_when_asked() {
    let (scene, served, _, _) = world(false);
    let get = |from: &str| {
        let words = ["--marks", "require", "get", "--from", from, "V/one"];
        scene.run_with(&[("KEYFERRY_JOURNAL", Some("fresh.db"))], &words)
    };
    // Whoever does not know of marks neither sees them nor is in their way.
    scene.run(&["get", "--from", "embedded:a", "V/one"]).succeeds().prints(PRESENT);
    get("embedded:a").succeeds();
    // They go along with what is carried sealed, and are put on anew on what is decrypted.
    for (name, how) in [("b", &["--rewrap"][..]), ("c", &["--marks", "write"])] {
        scene.make(name);
        let to = format!("embedded:{name}");
        scene.run(&[&["migrate", "embedded:a", &to], how].concat()).succeeds();
        get(&to).succeeds().prints(PRESENT);
    }
    scene.make("d");
    let both = ["--marks", "require", "migrate", "embedded:a", "embedded:d", "--rewrap"];
    scene.run(&both).exits(2).says("nobody sees their marks");
    scene.run(&["migrate", "embedded:a", "embedded:d"]).succeeds();
    get("embedded:d").exits(5).says(MISSING);
    // A change that knows of them keeps them; one that does not, takes them away.
    let mut changes = served
        .command(&scene, &["--marks", "write", "update", "--from", "embedded:a", "V/one", "--login", "v"]);
    assert!(changes.output().unwrap().status.success());
    get("embedded:a").succeeds();
    scene.run(&["update", "--from", "embedded:a", "V/one", "--login", "w"]).succeeds();
    get("embedded:a").exits(5).says(MISSING);
    scene.run(&["update", "--from", "embedded:a", "V/one"]).exits(2).says("nothing to change");
    scene.run(&["--marks", "write", "update", "--from", "embedded:a", "V/one"]).succeeds();
    get("embedded:a").succeeds().prints(PRESENT);
    // An import that overwrites leaves them as well, and what it reads of its sink needs none.
    let again = ["import", "both.jsonl", "embedded:d", "--on-conflict", "update", "--marks", "require"];
    scene.run(&again).succeeds();
    let text = scene.read("both.jsonl").replace(PRESENT, "another present one");
    let _ = scene.file("both.jsonl", text);
    scene.run(&again).succeeds();
    get("embedded:d").succeeds().prints("another present one");
}
