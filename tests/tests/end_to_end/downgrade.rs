//! A server that says there is nothing to encrypt with, though a key is at hand: it is sent no secret in the clear.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::server::Served;
use serde_json::Value;

const SECRET: &str = "planted-against-the-server";

type Lie = fn(&mut Value);

/// What the server lies about, where, and how.
const LIES: &[(&str, &str, Lie)] = &[
    ("the user has no keys", "/api/v1/users/keys", no_user_keys),
    ("the user has no private key", "/api/v1/users/keys", |answer| {
        if let Some(text) = answer.pointer_mut("/keys/privateEncrypted") {
            *text = Value::from("");
        }
    }),
    ("no vault has a key", "/api/v1/vaults", no_vault_keys),
    ("neither has keys", "/api/v1/", |answer| {
        no_user_keys(answer);
        no_vault_keys(answer);
    }),
    ("a record has no key", "/api/v1/", |answer| {
        no_vault_keys(answer);
        no_item_keys(answer);
    }),
];

fn no_user_keys(answer: &mut Value) {
    if let Some(keys) = answer.get_mut("keys") {
        *keys = Value::Null;
    }
}

fn clear(answer: &mut Value, name: &str) {
    if let Some(text) = answer.get_mut(name).filter(|value| value.is_string()) {
        *text = Value::Null;
    }
}

fn no_vault_keys(answer: &mut Value) {
    clear(answer, "masterKeyEncrypted");
    for vault in answer.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        clear(vault, "masterKeyEncrypted");
    }
}

fn no_item_keys(answer: &mut Value) {
    for name in ["keyEncrypted", "vaultMasterKeyEncrypted", "passwordEncrypted"] {
        clear(answer, name);
    }
}

/// Whether bytes hold the secret, as it is or as base64 at any of its three offsets.
fn holds(bytes: &[u8]) -> bool {
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    has(SECRET.as_bytes())
        || (0..3).any(|offset| {
            let shifted = format!("{}{SECRET}", "x".repeat(offset));
            let encoded = STANDARD.encode(shifted);
            has(&encoded.as_bytes()[4..encoded.len() - 4])
        })
}

/// Runs a command against the lying server; the first word of the outcome that matters.
fn against(lie: Lie, path: &'static str, words: &[&str]) -> (Option<i32>, String, bool) {
    let scene = Scene::new();
    let _ = scene.file("before.jsonl", r#"{"vault":"V","name":"old","login":"u","password":"before"}"#);
    let planted = format!(r#"{{"vault":"V","name":"new","login":"u","password":"{SECRET}"}}"#);
    let _ = scene.file("new.jsonl", &planted);
    let _ = scene.file("elsewhere.jsonl", planted.replace(r#""vault":"V""#, r#""vault":"W""#));
    let served = Served::new(&scene, "a", "on");
    scene.run(&["import", "before.jsonl", "embedded:a"]).succeeds();
    scene.make("b");
    scene.run(&["import", "new.jsonl", "embedded:b"]).succeeds();
    let plan = move |asked: &Asked| asked.path.starts_with(path).then_some(Fault::Lie(lie));
    let proxy = Proxy::new(&served.url, Box::new(plan));
    let words: Vec<&str> = words.iter().map(|word| if *word == "URL" { &proxy.url } else { *word }).collect();
    let mut command = served.command(&scene, &words);
    // What a command reads from standard input.
    let _ = scene.file("secret", SECRET);
    command.stdin(std::fs::File::open(scene.path("secret")).unwrap());
    let output = command.output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    (output.status.code(), told, holds(&proxy.received()))
}

#[test]
fn a_key_at_hand_is_used_or_it_is_an_error() {
    let commands: &[&[&str]] = &[
        &["import", "new.jsonl", "URL"],
        &["import", "elsewhere.jsonl", "URL"],
        &["import", "new.jsonl", "URL", "--on-conflict", "update"],
        &["migrate", "new.jsonl", "URL"],
        &["migrate", "embedded:b", "URL"],
        &["sync", "new.jsonl", "URL"],
        &["update", "--from", "URL", "V/old", "--stdin", "password"],
        &["update", "--from", "URL", "V/old", "--stdin", "extra"],
    ];
    let mut refused = 0;
    for (what, path, lie) in LIES {
        for words in commands {
            let (code, told, leaked) = against(*lie, path, words);
            let story = format!("{what}: {words:?}: {code:?}\n{told}");
            assert!(!leaked, "a secret reached the server\n{story}");
            assert!(!told.contains(SECRET), "{story}");
            // Where the lie does not concern what is written, it goes encrypted.
            assert!(code == Some(0) || matches!(code, Some(1 | 4 | 5)), "{story}");
            refused += usize::from(code == Some(5));
        }
    }
    assert!(refused >= LIES.len() * 5, "{refused} of {} were refused", LIES.len() * commands.len());
}

/// The control: the search finds what is sent in the clear, and the permission permits.
#[test]
fn what_is_permitted_reaches_the_server() {
    let (_, path, lie) = LIES[3];
    let (code, told, leaked) =
        against(lie, path, &["import", "elsewhere.jsonl", "URL", "--allow-unencrypted-target"]);
    assert!(code == Some(0) && leaked, "{code:?} {told}");
}

#[test]
fn an_environment_without_encryption_asks_for_leave_once_a_key_is_at_hand() {
    let scene = Scene::new();
    let file = scene.file("a.jsonl", r#"{"vault":"V","name":"n","password":"p"}"#);
    scene.run(&["env", "init", "embedded:off", "--user", "admin", "--client-encryption", "off"]).succeeds();
    scene.run(&["import", file, "embedded:off"]).exits(5).says("--allow-unencrypted-target");
    scene.run(&["import", file, "embedded:off", "--dry-run"]).exits(5).prints("not possible");
    scene.run(&["import", file, "embedded:off", "--allow-unencrypted-target"]).succeeds();
    let none = [("KEYFERRY_MASTER_PASSWORD", None)];
    scene.run_with(&none, &["import", file, "embedded:off"]).succeeds();
}
