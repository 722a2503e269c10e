//! A server that puts keys of its own in the place of vault keys. The user's public key is no secret, so it can wrap them
//! for the user as well as anybody, with a hash that fits: only what was seen before tells them apart.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_core::crypto::keychain::{PublicKey, vault_key_hash};
use keyferry_core::crypto::{envelope, generate};
use keyferry_core::secret::SecretString;
use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::server::Served;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What the server shows in place of what is there.
pub struct Forged {
    pub wrapped: String,
    pub hash: String,
    pub salt: String,
    pub record_key: String,
    pub password: String,
    /// The server's own keys, of a vault and of a record.
    pub keys: [SecretString; 2],
}

pub static FORGED: OnceLock<Forged> = OnceLock::new();

pub fn forge(public: &PublicKey) -> Forged {
    let (vault_key, record_key) = (generate::key().unwrap(), generate::key().unwrap());
    let salt = generate::salt(32).unwrap();
    Forged {
        wrapped: public.wrap(&vault_key).unwrap(),
        hash: vault_key_hash(&vault_key, &salt),
        salt,
        record_key: envelope::encrypt_text(record_key.expose(), &vault_key).unwrap(),
        password: envelope::encrypt_text("what it likes", &record_key).unwrap(),
        keys: [vault_key, record_key],
    }
}

/// Puts the server's own keys everywhere.
fn lie(answer: &mut Value) {
    let forged = FORGED.get().unwrap();
    match answer {
        Value::Object(members) => {
            for (name, value) in members {
                let own = match name.as_str() {
                    "masterKeyEncrypted" | "vaultMasterKeyEncrypted" => &forged.wrapped,
                    "masterKeyHash" => &forged.hash,
                    "salt" => &forged.salt,
                    "keyEncrypted" => &forged.record_key,
                    "passwordEncrypted" => &forged.password,
                    "customs" => {
                        *value = Value::Array(Vec::new());
                        continue;
                    }
                    _ => {
                        lie(value);
                        continue;
                    }
                };
                if value.is_string() {
                    *value = Value::from(own.as_str());
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(lie),
        _ => {}
    }
}

/// A vault of one record, served through a proxy that lies once it is told to.
fn world() -> (Scene, Served, Proxy, Arc<AtomicBool>) {
    let scene = Scene::new();
    let _ = scene.file("before.jsonl", r#"{"vault":"V","name":"old","login":"u","password":"before"}"#);
    let _ = scene.file("new.jsonl", r#"{"vault":"V","name":"new","login":"u","password":"planted"}"#);
    let served = Served::new(&scene, "a", "on");
    scene.run(&["import", "before.jsonl", "embedded:a"]).succeeds();
    let pem = scene.run(&["env", "public-key", "embedded:a"]).succeeds().stdout();
    FORGED.get_or_init(|| forge(&PublicKey::from_pem(&pem).unwrap()));
    let lying = Arc::new(AtomicBool::new(false));
    let now = lying.clone();
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |asked: &Asked| {
            let about_keys = asked.method == "GET"
                && asked.path != "/api/v1/users/keys"
                && ["/api/v1/vaults", "/api/v1/items"].iter().any(|path| asked.path.starts_with(path))
                || asked.path == "/api/v1/batch";
            (about_keys && now.load(Ordering::SeqCst)).then_some(Fault::Lie(lie))
        }),
    );
    (scene, served, proxy, lying)
}

const WRITES: &[&[&str]] = &[
    &["import", "new.jsonl", "URL"],
    &["migrate", "new.jsonl", "URL", "--on-conflict", "update"],
    &["sync", "new.jsonl", "URL"],
    &["update", "--from", "URL", "V/old", "--stdin", "password"],
];

fn run(scene: &Scene, served: &Served, proxy: &Proxy, words: &[&str]) -> (Option<i32>, String) {
    let words: Vec<&str> = words.iter().map(|word| if *word == "URL" { &proxy.url } else { *word }).collect();
    let mut command = served.command(scene, &words);
    let _ = scene.file("secret", SecretString::from("planted").expose());
    command.stdin(std::fs::File::open(scene.path("secret")).unwrap());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_vault_key_that_changed_is_refused_by_whatever_writes() {
    for words in WRITES {
        let (scene, served, proxy, lying) = world();
        let (code, told) = run(&scene, &served, &proxy, &["import", "before.jsonl", "URL"]);
        assert_eq!(code, Some(0), "{told}");
        lying.store(true, Ordering::SeqCst);
        let (code, told) = run(&scene, &served, &proxy, words);
        assert_eq!(code, Some(5), "{words:?}: {told}");
        assert!(told.contains("not the one that was seen before") && told.contains("env unpin"), "{told}");
        // The truth is still believed.
        lying.store(false, Ordering::SeqCst);
        let (code, told) = run(&scene, &served, &proxy, words);
        assert_eq!(code, Some(0), "{words:?}: {told}");
    }
}

#[test]
fn a_vault_key_seen_first_must_open_what_is_there() {
    let (scene, served, proxy, lying) = world();
    lying.store(true, Ordering::SeqCst);
    let records_are_true = Proxy::new(
        &served.url,
        Box::new(|asked: &Asked| asked.path.starts_with("/api/v1/vaults").then_some(Fault::Lie(lie))),
    );
    drop(proxy);
    let (code, told) =
        run(&scene, &served, &records_are_true, &["import", "new.jsonl", "URL", "--on-conflict", "skip"]);
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("opens none of the records"), "{told}");
    scene.run(&["get", "--from", "embedded:a", "V/new"]).exits(1);
}

/// Of a vault that is empty nothing tells the key from one that the server made up: it is believed, and that is told.
#[test]
fn a_key_that_nothing_proves_is_told_when_it_is_first_believed() {
    let (scene, served, proxy, _) = world();
    let forged = FORGED.get().unwrap();
    let vault = serde_json::json!({
        "name": "Empty", "masterKeyEncrypted": forged.wrapped, "masterKeyHash": forged.hash, "salt": forged.salt,
    });
    let params = vault.to_string();
    let made =
        ["api", "--from", "embedded:a", "--method", "POST", "--endpoint", "v1/vaults", "--params", &params];
    scene.run(&made).succeeds();
    let into_it = r#"{"vault":"Empty","name":"new","login":"u","password":"planted"}"#;
    let _ = scene.file("empty.jsonl", into_it);
    let (code, told) = run(&scene, &served, &proxy, &["import", "new.jsonl", "URL"]);
    assert!(code == Some(0) && !told.contains("for the first time"), "V proves itself: {told}");
    let (code, told) = run(&scene, &served, &proxy, &["import", "empty.jsonl", "URL"]);
    assert!(code == Some(0) && told.matches("seen for the first time").count() == 1, "{told}");
    let (code, told) = run(&scene, &served, &proxy, &["import", "empty.jsonl", "URL"]);
    assert!(code == Some(0) && !told.contains("for the first time"), "{told}");
}

/// Leave to write in the clear is no leave to write under a stranger's key; and what a job does not write to is not looked
/// at, and so not pinned: the forged key is found out by the first job that would use it.
#[test]
fn no_permission_and_no_other_vault_lets_a_forged_key_in() {
    let (scene, served, proxy, lying) = world();
    let (code, told) = run(&scene, &served, &proxy, &["import", "before.jsonl", "URL"]);
    assert_eq!(code, Some(0), "{told}");
    lying.store(true, Ordering::SeqCst);
    for words in WRITES {
        let words = [words, &["--allow-unencrypted-target"][..]].concat();
        let (code, told) = run(&scene, &served, &proxy, &words);
        assert_eq!(code, Some(5), "{words:?}: {told}");
    }
    // Seen first while another vault is written to.
    let (scene, served, _, _) = world();
    let forged = Proxy::new(
        &served.url,
        Box::new(|asked: &Asked| asked.path.starts_with("/api/v1/vaults").then_some(Fault::Lie(lie))),
    );
    scene.run(&["env", "add", "there", &forged.url]).succeeds();
    let key = [
        ("KEYFERRY_THERE_MASTER_PASSWORD", Some("planted master password")),
        ("KEYFERRY_THERE_TOKEN", Some(served.access_token.as_str())),
        ("KEYFERRY_THERE_REFRESH_TOKEN", Some(served.refresh_token.as_str())),
    ];
    // The key of the vault that it makes is its own.
    scene
        .run_with(&key, &["import", "new.jsonl", "there:Another"])
        .exits(5)
        .says("not the one that was seen before");
    scene.run_with(&key, &["import", "new.jsonl", "there:"]).exits(5).says("opens none of the records");
}

#[test]
fn an_environment_that_encrypted_once_stays_so() {
    let (scene, served, _, _) = world();
    let lying = Arc::new(AtomicBool::new(false));
    let now = lying.clone();
    let no_keys = |answer: &mut Value| {
        if let Some(keys) = answer.get_mut("keys") {
            *keys = Value::Null;
        }
        for vault in answer.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(key) = vault.get_mut("masterKeyEncrypted") {
                *key = Value::Null;
            }
        }
    };
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |_: &Asked| now.load(Ordering::SeqCst).then_some(Fault::Lie(no_keys))),
    );
    let (code, told) = run(&scene, &served, &proxy, &["import", "before.jsonl", "URL"]);
    assert_eq!(code, Some(0), "{told}");
    lying.store(true, Ordering::SeqCst);
    // No key is at hand that could go unused: only what was seen before speaks against it.
    let mut command = served.command(&scene, &["import", "new.jsonl", &proxy.url]);
    let output = command.env_remove("KEYFERRY_MASTER_PASSWORD").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.contains("encrypted before") && told.contains("env unpin"), "{told}");
    assert!(!String::from_utf8_lossy(&proxy.received()).contains("planted"));
}
