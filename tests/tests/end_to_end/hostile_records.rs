//! Records that a server answers in the place of others, in ways that each key alone would open: what was written from here is
//! known by its journal.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_core::model::{Attachment, Custom, CustomKind, Record, RecordPath};
use keyferry_core::secret::SecretBytes;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::records::write_jsonl;
use keyferry_tests::server::Served;
use keyferry_tests::{Run, Scene};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, OnceLock};

const SECRET: &str = "planted-against-the-server";

/// What the server answers with: two records and an attachment of the first, as they were written.
static ITEMS: OnceLock<[Value; 2]> = OnceLock::new();
static FILE: OnceLock<Value> = OnceLock::new();

/// The id under which the second one is shown in the place of the first.
const NEW: &str = "f0f0f0f0f0f0f0f0f0f0f0f0";

fn id(which: usize) -> &'static str {
    ITEMS.get().unwrap()[which]["id"].as_str().unwrap()
}

/// The name of one record and the secrets of another, under an id that nobody knows.
fn under_a_new_id() -> Vec<u8> {
    let [old, other] = ITEMS.get().unwrap();
    let mut shown = old.clone();
    shown["id"] = NEW.into();
    for member in ["keyEncrypted", "passwordEncrypted", "customs"] {
        shown[member] = other[member].clone();
    }
    shown.to_string().into_bytes()
}

fn renumbered(answer: &mut Value) {
    for item in answer["items"].as_array_mut().into_iter().flatten() {
        if item["id"] == id(0) {
            item["id"] = NEW.into();
        }
    }
}

/// Every item whole in an answer that is the first record.
fn each(answer: &mut Value, change: fn(&mut Value)) {
    match answer {
        Value::Object(members) if members.contains_key("customs") && members["id"] == id(0) => change(answer),
        Value::Object(members) => members.values_mut().for_each(|value| each(value, change)),
        Value::Array(list) => list.iter_mut().for_each(|value| each(value, change)),
        _ => {}
    }
}

type Lie = fn(&mut Value);

const FIELDS: [(&str, Lie); 3] = [
    ("two fields' values", |answer| {
        each(answer, |item| {
            let first = item["customs"][0]["value"].clone();
            item["customs"][0]["value"] = item["customs"][1]["value"].clone();
            item["customs"][1]["value"] = first;
        });
    }),
    ("the password is a field's value", |answer| {
        each(answer, |item| item["passwordEncrypted"] = item["customs"][0]["value"].clone());
    }),
    ("a field's value is the password", |answer| {
        each(answer, |item| item["customs"][0]["value"] = item["passwordEncrypted"].clone());
    }),
];

/// A lie for a request, if any.
type Plan = fn(&Asked) -> Option<Fault>;

struct World {
    scene: Scene,
    served: Served,
    proxy: Proxy,
    plan: Arc<Mutex<Plan>>,
}

/// Two records with two fields and two attachments each, written through the proxy, so that the journal knows them.
fn world() -> World {
    let scene = Scene::new();
    let custom = |name: &str, value: String| Custom {
        name: name.into(),
        kind: CustomKind::Password,
        value: value.into(),
    };
    let record = |name: &str| Record {
        path: RecordPath { vault: Some("V".into()), folders: Vec::new() },
        name: name.into(),
        login: "u".into(),
        password: Some(format!("password of {name}").into()),
        customs: vec![custom("pin", format!("pin of {name}")), custom("puk", format!("puk of {name}"))],
        attachments: ["a.txt", "b.txt"]
            .map(|file| Attachment {
                name: file.into(),
                content: SecretBytes::new(format!("{file} of {name}").into_bytes()),
            })
            .into(),
        ..Record::default()
    };
    write_jsonl(&[record("old"), record("other")], &scene.path("both.jsonl"));
    let _ = scene.file("secret", SECRET);
    let served = Served::new(&scene, "a", "on");
    let plan = Arc::new(Mutex::new((|_: &Asked| None) as Plan));
    let now = plan.clone();
    let proxy = Proxy::new(&served.url, Box::new(move |asked: &Asked| (now.lock().unwrap())(asked)));
    let made = World { scene, served, proxy, plan };
    made.run(&["import", "both.jsonl", "URL"]).succeeds();
    made
}

impl World {
    fn run(&self, words: &[&str]) -> Run {
        let words: Vec<String> = words.iter().map(|word| word.replace("URL", &self.proxy.url)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.served.command(&self.scene, &words);
        command.stdin(std::fs::File::open(self.scene.path("secret")).unwrap()).env("PATH", "/usr/bin:/bin");
        self.scene.finish(command)
    }

    fn lie(&self, plan: Plan) {
        *self.plan.lock().unwrap() = plan;
    }

    fn changed(&self) -> usize {
        String::from_utf8_lossy(&self.proxy.received()).matches("PATCH /api/v1/items/").count()
    }

    fn item(&self, name: &str) -> Value {
        let api = |path: &str| {
            self.scene.run(&["api", "--from", "embedded:a", "--endpoint", path]).succeeds().json()
        };
        let found = api(&format!("v1/items/search?query={name}"));
        api(&format!("v1/items/{}", found["items"][0]["id"].as_str().unwrap()))
    }
}

#[test]
fn what_was_written_from_here_stands_for_nothing_else() {
    let world = world();
    ITEMS.get_or_init(|| [world.item("old"), world.item("other")]);
    let get = |flags: &[&str]| world.run(&[&["get", "--from", "URL", "V/old"], flags].concat());
    get(&[]).succeeds().prints("password of old");
    // Another record, under an id that was never seen.
    world.lie(|asked| match asked.path.as_str() {
        path if path.starts_with("/api/v1/items?") || path.starts_with("/api/v1/items/search") => {
            Some(Fault::Lie(renumbered))
        }
        path if path.ends_with(NEW) => Some(Fault::Body(under_a_new_id)),
        _ => None,
    });
    get(&[]).exits(5).says("has what was written as record").says(id(1));
    let exec = ["exec", "--from", "URL", "--env", "A=V/old", "--", "sh", "-c", "echo ran"];
    let ran = world.run(&exec);
    assert!(ran.exits(125).says("has what was written as record").stdout().is_empty());
    let before = world.changed();
    world.run(&["update", "--from", "URL", "V/old", "--stdin", "password"]).exits(5);
    assert_eq!(world.changed(), before, "nothing was written");
    // It may be a copy that somebody made: whoever asks for it gets it.
    world.run(&["get", "--from", "URL", NEW]).succeeds().prints("password of other");
    // Fields of one record, exchanged.
    let plans: [Plan; 3] = [
        |asked| is_record(asked).then_some(Fault::Lie(FIELDS[0].1)),
        |asked| is_record(asked).then_some(Fault::Lie(FIELDS[1].1)),
        |asked| is_record(asked).then_some(Fault::Lie(FIELDS[2].1)),
    ];
    for (plan, (what, _)) in plans.into_iter().zip(FIELDS) {
        world.lie(plan);
        let said = "one field in the place of another";
        get(&[]).exits(5).says(said);
        let export = world.run(&["export", "URL", "out.jsonl", "--allow-plaintext"]);
        export.exits(5).says(said);
        assert!(!world.scene.path("out.jsonl").exists(), "{what}");
    }
    // And its attachments.
    let files = ITEMS.get().unwrap()[0]["attachments"].as_array().unwrap();
    let file = |name: &str| files.iter().find(|file| file["name"] == name).unwrap()["id"].as_str().unwrap();
    let path = format!("v1/items/{}/attachment/{}", id(0), file("b.txt"));
    let second = world.scene.run(&["api", "--from", "embedded:a", "--endpoint", &path]).succeeds().json();
    FILE.get_or_init(|| second);
    world.lie(|asked| {
        asked.path.contains("/attachment/").then_some(Fault::Lie(|answer| {
            for member in ["encryptedKey", "encryptedData", "hash"] {
                answer[member] = FILE.get().unwrap()[member].clone();
            }
        }))
    });
    get(&["--attachment", "a.txt"]).exits(5).says("another attachment in the place of a.txt");
    get(&["--attachment", "b.txt"]).succeeds().prints("b.txt of old");
    world.run(&["export", "URL", "out.jsonl", "--allow-plaintext"]).exits(5).says("another attachment");
    // What is written anew, or put in another order, is nobody's lie.
    world.lie(|_| None);
    world.run(&["update", "--from", "URL", "V/old", "--stdin", "pin"]).succeeds();
    world.lie(|asked| {
        is_record(asked).then_some(Fault::Lie(|answer| {
            each(answer, |item| item["customs"].as_array_mut().unwrap().reverse());
        }))
    });
    get(&[]).succeeds().prints("password of old");
    world.run(&["get", "--from", "URL", "V/old#pin"]).succeeds().prints(SECRET);
}

fn is_record(asked: &Asked) -> bool {
    asked.path.starts_with("/api/v1/items/") || asked.path == "/api/v1/batch"
}

/// A record that is overwritten keeps its key: that of another record may be another person's as well.
#[test]
fn a_record_is_not_overwritten_under_the_key_of_another() {
    static KEYS: OnceLock<[Value; 2]> = OnceLock::new();
    let world = world();
    let pair = KEYS.get_or_init(|| [world.item("old"), world.item("other")]);
    let new = json!({ "vault": "V", "name": "old", "login": "u", "password": SECRET }).to_string();
    let _ = world.scene.file("new.jsonl", new);
    // The plan was told the truth: what is looked at before the change is not.
    world.lie(|asked| {
        let alone =
            asked.method == "GET" && asked.path.ends_with(KEYS.get().unwrap()[0]["id"].as_str().unwrap());
        alone.then_some(Fault::Lie(|answer| {
            for member in ["keyEncrypted", "passwordEncrypted", "customs"] {
                answer[member] = KEYS.get().unwrap()[1][member].clone();
            }
        }))
    });
    let told = world.run(&["import", "new.jsonl", "URL", "--on-conflict", "update"]);
    told.exits(5).says("in the place of record");
    assert_eq!(world.changed(), 0, "nothing was written");
    assert_eq!(world.item("old")["keyEncrypted"], pair[0]["keyEncrypted"]);
}

/// One id for all that was made: the job finds out which are its own, so that `undo` takes all of them back.
#[test]
fn new_records_have_ids_of_their_own() {
    let scene = Scene::new();
    let line = |n| format!("{{\"vault\":\"V\",\"name\":\"r{n}\",\"password\":\"p{n}\"}}\n");
    let _ = scene.file("many.jsonl", (0..20).map(line).collect::<String>());
    let served = Served::new(&scene, "a", "on");
    let fault = Fault::Lie(|answer| {
        let made = answer["responses"].as_array_mut().unwrap();
        if let Some(id) =
            made[0]["body"].as_object().filter(|body| body.len() == 1).map(|body| body["id"].clone())
        {
            for one in made {
                one["body"]["id"] = id.clone();
            }
        }
    });
    let proxy = Proxy::before_another_server(
        &served.url,
        Box::new(move |asked: &Asked| (asked.path == "/api/v1/batch").then_some(fault)),
    );
    let run = |words: &[&str]| scene.finish(served.command(&scene, words));
    run(&["--timeout", "2", "import", "many.jsonl", &proxy.url]).succeeds();
    scene.run(&["verify", "--exact", "many.jsonl", "embedded:a"]).succeeds();
    run(&["undo", "last"]).exits(0).prints("20 moved to the bin");
}

/// Whatever a server says of requests that were sent before, it holds nobody up.
#[test]
fn every_key_is_said_to_be_used_and_that_ends() {
    static MADE: OnceLock<String> = OnceLock::new();
    let scene = Scene::new();
    let line = |n| format!("{{\"vault\":\"V\",\"name\":\"r{n}\",\"password\":\"p{n}\"}}\n");
    let _ = (scene.file("old.jsonl", line(0)), scene.file("new.jsonl", (1..4).map(line).collect::<String>()));
    let served = Served::new(&scene, "a", "on");
    scene.run(&["import", "old.jsonl", "embedded:a"]).succeeds();
    let find = ["api", "--from", "embedded:a", "--endpoint", "v1/items/search?query=r0"];
    let found = scene.run(&find).succeeds().json();
    MADE.get_or_init(|| found["items"][0]["id"].as_str().unwrap().to_owned());
    let fault = Fault::Lie(|answer| {
        for one in answer["responses"].as_array_mut().unwrap() {
            if one["body"].as_object().is_some_and(|body| body.len() == 1) {
                let error =
                    json!({ "code": "idempotencyKeyReused", "message": "", "made": MADE.get().unwrap() });
                *one = json!({ "statusCode": 422, "body": { "errors": [error] } });
            }
        }
    });
    let plan = move |asked: &Asked| (asked.path == "/api/v1/batch").then_some(fault);
    let proxy = Proxy::new(&served.url, Box::new(plan));
    let words = ["--timeout", "2", "import", "new.jsonl", &proxy.url];
    scene.finish(served.command(&scene, &words)).exits(1).says("which nobody sent before");
}

/// A job is taken back when what it did is gone, whatever is answered.
#[test]
fn an_undo_is_done_when_it_is_seen_to_be() {
    let world = world();
    let line = |password: &str| format!(r#"{{"vault":"V","name":"plain","password":"{password}"}}"#);
    let _ = (world.scene.file("plain.jsonl", line("one")), world.scene.file("new.jsonl", line("another")));
    world.run(&["import", "plain.jsonl", "URL"]).succeeds();
    let before = world.item("plain")["passwordEncrypted"].clone();
    world.run(&["import", "new.jsonl", "URL", "--on-conflict", "update"]).succeeds();
    world.lie(|asked| {
        ["PATCH", "DELETE"].contains(&asked.method.as_str()).then_some(Fault::Refuses(200, "{}"))
    });
    let told = world.run(&["undo", "last"]);
    told.exits(4).prints("0 restored").prints("still there, though the environment said").prints("plain");
    world.lie(|_| None);
    world.run(&["undo", "3"]).succeeds().prints("1 restored");
    assert_eq!(world.item("plain")["passwordEncrypted"], before);
}
