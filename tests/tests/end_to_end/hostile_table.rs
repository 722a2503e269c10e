//! Every lie against every command: a server that told the truth once, and lies from then on. What it then says is
//! refused, nothing is written, and no secret is in anything that it received.
//!
//! `cargo test -p keyferry-tests --test end_to_end hostile_table:: -- --nocapture` prints the table; the short form tries
//! each lie against some commands, `make torture` each against all.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use crate::forged_keys::{FORGED, forge};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_core::crypto::envelope;
use keyferry_core::crypto::keychain::PublicKey;
use keyferry_core::secret::SecretString;
use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::server::Served;
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};

/// What the user writes, and what stands in the record that is rotated.
const SECRET: &str = "planted-against-the-server";
const PRESENT: &str = "planted-present-password";

type Lie = fn(&mut Value);

/// A lie, the answers that it changes, and the word that a refusal has to name.
const LIES: &[(&str, &[&str], Lie, &str)] = &[
    ("the user has no keys", &["/users/keys"], |answer| set(answer, "keys", &Value::Null), "no keys"),
    ("no vault has a key", &["/vaults", "/items", "/batch"], no_vault_keys, "gone by the word of the server"),
    (
        "nothing has a key",
        &["/"],
        |answer| {
            set(answer, "keys", &Value::Null);
            no_vault_keys(answer);
            no_record_keys(answer);
        },
        "no keys",
    ),
    ("a record is in the clear", &["/items", "/batch"], in_the_clear, "in the clear"),
    (
        "every key is the server's",
        &["/vaults", "/items", "/batch"],
        forged,
        "not the one that was seen before",
    ),
    ("records are under the server's key", &["/items", "/batch"], forged, "not the one that was seen before"),
    (
        "the vaults are others of the same names",
        &["/vaults", "/items", "/folders", "/batch"],
        renumbered,
        "seen before",
    ),
    ("the records moved to a vault of the server's", &["/items", "/batch"], moved, "seen before"),
    (
        "the key derivation is another",
        &["/master-key/options"],
        |answer| {
            set(answer, "masterKeyOptions", &"pbkdf:sha256:300000:64:another-salt-of-the-server".into());
        },
        "not the one that was seen before",
    ),
    (
        "the key derivation is weak",
        &["/master-key/options"],
        |answer| {
            set(answer, "masterKeyOptions", &"pbkdf:sha256:1000:64:another-salt-of-the-server".into());
        },
        "weak",
    ),
    (
        "the target is the server's",
        &["/items", "/batch"],
        |answer| {
            replace(answer, "url", |_| "program://elsewhere.example/".into());
        },
        "target of record",
    ),
    ("every record is another of the vault", &["/items", "/batch"], exchanged, "in the place of record"),
    (
        "the vaults are others, their names in another spelling",
        &["/vaults", "/items", "/folders", "/batch"],
        respelled,
        "seen before",
    ),
    (
        "the known vault has another name, and a stranger has its own",
        &["/vaults", "/items", "/folders", "/batch"],
        beside,
        "seen before",
    ),
    (
        "a record that was never opened is in a vault of the server's",
        &["/items/", "/batch"],
        moved,
        "was found in vault",
    ),
    (
        "there is no key derivation any more",
        &["/master-key/options"],
        |answer| set(answer, "masterKeyOptions", &Value::Null),
        "says now that there is none",
    ),
    (
        "the vaults changed their keys with each other",
        &["/vaults", "/items", "/batch"],
        |answer| changed_over(answer, &["masterKeyEncrypted", "vaultMasterKeyEncrypted"]),
        "not the one that was seen before",
    ),
    (
        "the vaults changed their keys, hashes and salts with each other",
        &["/vaults", "/items", "/batch"],
        |answer| {
            let all = ["masterKeyEncrypted", "vaultMasterKeyEncrypted", "masterKeyHash", "salt"];
            changed_over(answer, &all);
        },
        "not the one that was seen before",
    ),
    (
        "vaults that were known have no key any more, and their records neither",
        &["/vaults", "/items", "/batch"],
        |answer| {
            no_vault_keys(answer);
            in_the_clear(answer);
        },
        "in the clear",
    ),
];

/// What is said of the keys of two vaults, each beside the other's.
static KEYS: OnceLock<Vec<[String; 2]>> = OnceLock::new();

/// Each of two vaults is said to have what the other has.
fn changed_over(answer: &mut Value, members: &[&str]) {
    for member in members {
        let other = |value: &Value| {
            let pairs = KEYS.get().unwrap().iter();
            let both = pairs.flat_map(|[one, two]| [(one, two), (two, one)]);
            let found = both.into_iter().find(|(one, _)| value.as_str() == Some(one.as_str()));
            found.map_or_else(|| value.clone(), |(_, other)| Value::from(other.as_str()))
        };
        replace(answer, member, other);
    }
}

/// The ciphertext of a record beside the one that is asked for: its key and its password.
static ANOTHER: OnceLock<[String; 2]> = OnceLock::new();

/// Sets every member of this name, wherever it stands.
fn replace(answer: &mut Value, name: &str, with: impl Fn(&Value) -> Value + Copy) {
    match answer {
        Value::Object(members) => {
            for (member, value) in members {
                if member == name && !value.is_null() {
                    *value = with(value);
                } else {
                    replace(value, name, with);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|one| replace(one, name, with)),
        _ => {}
    }
}

fn set(answer: &mut Value, name: &str, to: &Value) {
    replace(answer, name, |_| to.clone());
}

fn no_vault_keys(answer: &mut Value) {
    set(answer, "masterKeyEncrypted", &Value::Null);
    set(answer, "vaultMasterKeyEncrypted", &Value::Null);
}

fn no_record_keys(answer: &mut Value) {
    set(answer, "keyEncrypted", &Value::Null);
    set(answer, "passwordEncrypted", &Value::Null);
}

fn in_the_clear(answer: &mut Value) {
    set(answer, "vaultMasterKeyEncrypted", &Value::Null);
    set(answer, "keyEncrypted", &Value::Null);
    set(answer, "passwordEncrypted", &STANDARD.encode("what it likes").into());
}

fn forged(answer: &mut Value) {
    let forged = FORGED.get().unwrap();
    set(answer, "masterKeyEncrypted", &forged.wrapped.as_str().into());
    set(answer, "vaultMasterKeyEncrypted", &forged.wrapped.as_str().into());
    set(answer, "masterKeyHash", &forged.hash.as_str().into());
    set(answer, "salt", &forged.salt.as_str().into());
    set(answer, "keyEncrypted", &forged.record_key.as_str().into());
    set(answer, "passwordEncrypted", &forged.password.as_str().into());
    set(answer, "customs", &Value::Array(Vec::new()));
}

fn exchanged(answer: &mut Value) {
    let [key, password] = ANOTHER.get().unwrap();
    set(answer, "keyEncrypted", &key.as_str().into());
    set(answer, "passwordEncrypted", &password.as_str().into());
}

/// Another vault of the same name: its id is new, and so is its key.
fn renumbered(answer: &mut Value) {
    let other =
        |id: &Value| Value::from(format!("f0f0{}", &id.as_str().unwrap_or("0000000000000000000000")[4..]));
    replace(answer, "vaultId", other);
    for vault in answer.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        if vault.get("masterKeyHash").is_some() {
            vault["id"] = other(&vault["id"]);
        }
    }
    if answer.get("masterKeyHash").is_some() && answer.get("id").is_some() {
        answer["id"] = other(&answer["id"]);
    }
    forged(answer);
}

/// The known vaults are said to be called otherwise, and to stand before vaults of the server's that have their names.
fn beside(answer: &mut Value) {
    let is_vault = |one: &Value| one.get("masterKeyHash").is_some();
    let Some(items) = answer.get_mut("items").and_then(Value::as_array_mut) else {
        return renumbered(answer);
    };
    if !items.iter().all(is_vault) {
        return renumbered(answer);
    }
    let mut others = serde_json::json!({ "items": items.clone() });
    renumbered(&mut others);
    for one in &mut *items {
        one["name"] = format!("{} of old", one["name"].as_str().unwrap_or_default()).into();
    }
    items.extend(others["items"].as_array().cloned().unwrap_or_default());
}

/// The same, under a name that is equal to the old one without being it: a letter that Unicode has twice.
fn respelled(answer: &mut Value) {
    replace(answer, "name", |name| match name.as_str() {
        Some("Kunden") => "\u{212a}unden".into(),
        _ => name.clone(),
    });
    renumbered(answer);
}

/// The records are said to stand in a vault that nobody knows.
fn moved(answer: &mut Value) {
    set(answer, "vaultId", &"f0f0f0f0f0f0f0f0f0f0f0f0".into());
    forged(answer);
}

/// A command, the lies that concern it, and whether it only reads.
struct Command {
    words: &'static [&'static str],
    /// Numbers in [`LIES`].
    lies: &'static [usize],
}

const WRITES: &[usize] = &[0, 1, 2, 4, 6, 8, 9, 13, 15, 16, 17];
const READS: &[usize] = &[0, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 16, 17, 18];

const COMMANDS: &[Command] = &[
    Command { words: &["import", "new.jsonl", "there:"], lies: WRITES },
    Command { words: &["import", "new.jsonl", "there:", "--on-conflict", "update"], lies: WRITES },
    Command { words: &["migrate", "embedded:b", "there:"], lies: WRITES },
    Command { words: &["migrate", "embedded:b", "there:", "--rewrap"], lies: WRITES },
    Command { words: &["sync", "new.jsonl", "there:"], lies: WRITES },
    Command { words: &["update", "there:V/old", "--stdin", "password"], lies: READS },
    Command { words: &["update", "there:V/old", "--stdin", "another field"], lies: READS },
    Command { words: &["get", "there:V/old"], lies: READS },
    Command { words: &["exec", "--env", "A=there:V/old", "--", "sh", "-c", "echo ran $A"], lies: READS },
    Command {
        words: &["exec", "--folder", "there:V", "--prefix", "A_", "--", "sh", "-c", "echo ran"],
        lies: READS,
    },
    Command { words: &["inject", "-i", "template", "-o", "-"], lies: READS },
    Command {
        words: &["rotate", "there:V/old", "--exec", "./target.sh"],
        lies: &[0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16, 17, 18],
    },
    Command { words: &["migrate", "there:", "embedded:b"], lies: SOURCES },
    Command { words: &["sync", "there:", "embedded:b"], lies: SOURCES },
    Command { words: &["export", "there:", "whole.jsonl", "--allow-plaintext"], lies: SOURCES },
    Command { words: &["archive", "create", "there:", "whole.kfa"], lies: &[1, 4, 6, 11, 12, 13, 16, 17] },
    Command { words: &["verify", "there:", "embedded:b"], lies: SOURCES },
    Command { words: &["audit", "there:"], lies: SOURCES },
    Command { words: &["fsck", "there:"], lies: &[6, 12, 13] },
    Command { words: &["get", "there:Kunden/far"], lies: &[12] },
    Command { words: &["update", "there:Kunden/far", "--stdin", "password"], lies: &[12] },
    Command { words: &["import", "far.jsonl", "there:", "--structure", "keep"], lies: &[12] },
    Command { words: &["import", "far.csv", "there:Kunden"], lies: &[12] },
    Command { words: &["sync", "far.jsonl", "there:"], lies: &[12] },
    Command { words: &["exec", "--env", "A=there:Kunden/far", "--", "sh", "-c", "echo ran $A"], lies: &[12] },
    Command { words: &["get", "there:Never/read"], lies: &[14] },
    Command { words: &["update", "there:Never/read", "--stdin", "password"], lies: &[14] },
    Command { words: &["exec", "--env", "A=there:Never/read", "--", "sh", "-c", "echo ran $A"], lies: &[14] },
    Command {
        words: &["exec", "--folder", "there:Never", "--prefix", "A_", "--", "sh", "-c", "echo ran"],
        lies: &[14],
    },
    Command { words: &["rotate", "there:Never/read", "--exec", "./target.sh"], lies: &[14] },
    Command { words: &["migrate", "embedded:b", "there:", "--rights"], lies: WRITES },
    Command { words: &["migrate", "new.jsonl", "there:", "--on-conflict", "duplicate"], lies: WRITES },
    Command { words: &["env", "test", "there:"], lies: &[0, 2, 8, 9, 15] },
    Command { words: &["env", "give-keys", "there:"], lies: &[0, 4, 8, 9, 15, 17] },
    Command { words: &["diff", "there:", "embedded:b", "--exact"], lies: SOURCES },
    Command { words: &["export", "there:V", "one.jsonl", "--allow-plaintext"], lies: &[0, 1, 4, 6, 11] },
];

/// What reads an environment as a source.
const SOURCES: &[usize] = &[0, 1, 4, 6, 11, 12, 13, 15, 16, 17];

/// What lies, if anything does.
type Told = Arc<Mutex<Option<usize>>>;

/// A server that has told the truth to everybody, behind a proxy; and the journal that remembers it.
fn world() -> (Scene, Served, Proxy, Told) {
    let scene = Scene::new();
    let old = format!(
        r#"{{"vault":"V","name":"old","login":"u","password":"{PRESENT}","url":"program://here.example/"}}
{{"vault":"V","name":"other","login":"u","password":"of another"}}
{{"vault":"Kunden","name":"far","login":"u","password":"{PRESENT}"}}
{{"vault":"Never","name":"read","login":"u","password":"{PRESENT}","url":"program://here.example/"}}
"#
    );
    let new = format!(r#"{{"vault":"V","name":"new","login":"u","password":"{SECRET}"}}"#);
    let _ =
        (scene.file("old.jsonl", old), scene.file("new.jsonl", new.clone()), scene.file("secret", SECRET));
    let _ = scene.file("far.jsonl", new.replace(r#""V""#, r#""Kunden""#));
    let _ = scene.file("far.csv", format!("name,login,password\nnew,u,{SECRET}\n"));
    let _ = scene.file("template", "a={{ there:V/old }}\n");
    // It takes the present secret and no other, and remembers what it was told.
    let script = format!(
        "#!/bin/sh\ntold=$(cat)\nprintf '%s\\n' \"$told\" >> told\n[ \"$KEYFERRY_ACTION\" != check ] || case $told in *{PRESENT}*) exit 0;; *) exit 1;; esac\n"
    );
    let _ = scene.file("target.sh", script);
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(scene.path("target.sh"), permissions).unwrap();
    let served = Served::new(&scene, "a", "on");
    scene.run(&["import", "old.jsonl", "embedded:a"]).succeeds();
    scene.make("b");
    scene.run(&["import", "new.jsonl", "embedded:b"]).succeeds();
    let pem = scene.run(&["env", "public-key", "embedded:a"]).succeeds().stdout();
    FORGED.get_or_init(|| forge(&PublicKey::from_pem(&pem).unwrap()));
    let told = Told::default();
    let now = told.clone();
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |asked: &Asked| {
            let (_, paths, lie, _) = LIES[(*now.lock().unwrap())?];
            let path = asked.path.strip_prefix("/api/v1").unwrap_or_default();
            let about =
                paths.iter().any(|one| path.starts_with(one) || (one.len() > 1 && path.contains(one)));
            about.then_some(Fault::Lie(lie))
        }),
    );
    scene.run(&["env", "add", "there", &proxy.url]).succeeds();
    (scene, served, proxy, told)
}

/// Runs a command; its code and all that it said.
fn run(scene: &Scene, served: &Served, words: &[&str]) -> (Option<i32>, String) {
    let mut command = scene.command(words);
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

/// Whether bytes hold a text, as it is, as base64 at any offset, or under the server's own keys.
fn holds(bytes: &[u8], secret: &str) -> bool {
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let encoded = |offset: usize| STANDARD.encode(format!("{}{secret}", "x".repeat(offset)));
    if has(secret.as_bytes())
        || (0..3).any(|offset| has(&encoded(offset).as_bytes()[4..encoded(offset).len() - 4]))
    {
        return true;
    }
    let text = String::from_utf8_lossy(bytes);
    let keys = &FORGED.get().unwrap().keys;
    text.split('"').filter(|word| word.len() > 40).any(|word| {
        let opened = keys.iter().filter_map(|key| envelope::decrypt_text(word, key).ok());
        let under = |key: SecretString| {
            text.split('"').filter_map(move |word| envelope::decrypt_text(word, &key).ok())
        };
        opened.into_iter().any(|key| {
            key.expose().contains(secret) || under(key).any(|inner| inner.expose().contains(secret))
        })
    })
}

#[test]
fn no_lie_is_believed_by_any_command() {
    let (scene, served, proxy, told) = world();
    let api = |path: &str| scene.run(&["api", "--from", "embedded:a", "--endpoint", path]).succeeds().json();
    let found = api("v1/items/search?query=other");
    let item = api(&format!("v1/items/{}", found["items"][0]["id"].as_str().unwrap()));
    let text = |member: &str| item[member].as_str().unwrap().to_owned();
    ANOTHER.get_or_init(|| [text("keyEncrypted"), text("passwordEncrypted")]);
    let vaults = api("v1/vaults");
    let vault = |name: &str| {
        let mut all = vaults["items"].as_array().unwrap().iter();
        all.find(|vault| vault["name"] == name).cloned().unwrap()
    };
    let said = |member: &str| ["V", "Kunden"].map(|name| vault(name)[member].as_str().unwrap().to_owned());
    KEYS.get_or_init(|| ["masterKeyEncrypted", "masterKeyHash", "salt"].map(said).to_vec());
    let opens = |command: &&Command| {
        ["get", "exec", "inject", "migrate", "sync", "export", "archive"].contains(&command.words[0])
            && (command.lies == READS
                || command.lies == SOURCES
                || command.words[0] == "archive"
                || command.words == ["get", "there:Kunden/far"])
    };
    for command in COMMANDS.iter().filter(opens) {
        let (code, said) = run(&scene, &served, command.words);
        assert_eq!(code, Some(0), "the truth: {:?}\n{said}", command.words);
    }
    let (code, said) = run(&scene, &served, &["rotate", "there:V/old", "--dry-run", "--exec", "./target.sh"]);
    assert_eq!(code, Some(0), "the truth: {said}");
    // From here on the server lies. A run that is refused has changed nothing, so all begin alike.
    let journal = scene.path(".local/state/keyferry/journal.db");
    let target_knows = || std::fs::read_to_string(scene.path("told")).unwrap_or_default().len();
    let (mut table, mut tried) = (String::new(), 0);
    let whole = std::env::var_os("TORTURE").is_some();
    for (number, (what, _, _, word)) in LIES.iter().enumerate() {
        for (at, command) in COMMANDS.iter().enumerate().filter(|(_, command)| command.lies.contains(&number))
        {
            // Some in the short form, others for another lie.
            if !whole && (at + number) % 3 != 0 && !(11..15).contains(&number) {
                continue;
            }
            let before = std::fs::read(&journal).unwrap();
            let (received, offered) = (proxy.received().len(), target_knows());
            *told.lock().unwrap() = Some(number);
            let (code, said) = run(&scene, &served, command.words);
            *told.lock().unwrap() = None;
            let story = format!("{what}: {:?}: {code:?}\n{said}", command.words);
            assert!(matches!(code, Some(4 | 5 | 125)), "{story}");
            let names_it = [
                word,
                "not the one that was seen before",
                "was found in vault",
                "and has none by the word of",
            ];
            assert!(names_it.iter().any(|words| said.contains(words)), "{story}");
            assert!(said.contains("next:"), "{story}");
            let heard = &proxy.received()[received..];
            assert!(!holds(heard, SECRET) && !holds(heard, PRESENT), "a secret reached the server\n{story}");
            let wrote = String::from_utf8_lossy(heard).lines().any(|line| {
                ["POST /api/v1/items", "PATCH ", "POST /api/v1/vaults", "POST /api/v1/folders"]
                    .iter()
                    .any(|one| line.starts_with(one))
            });
            assert!(!wrote, "something was written\n{story}");
            assert_eq!(target_knows(), offered, "the target was told something\n{story}");
            assert!(!said.contains("ran"), "{story}");
            tried += 1;
            let _ =
                writeln!(table, "{what:48} {:48} exit {}", command.words.join(" "), code.unwrap_or_default());
            // The journal of the truth.
            for other in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{other}", journal.display()));
            }
            std::fs::write(&journal, before).unwrap();
        }
    }
    println!("{table}{} lies × {} commands: {tried} pairs tried", LIES.len(), COMMANDS.len());
    assert!(tried > 25, "{tried}");
    // The truth is still believed, and then the secret is there.
    for words in [&["get", "there:V/old"][..], &["update", "there:V/old", "--stdin", "password"]] {
        let (code, said) = run(&scene, &served, words);
        assert_eq!(code, Some(0), "{said}");
    }
    scene.run(&["get", "--from", "embedded:a", "V/old"]).prints(SECRET);
}

/// The known vaults, each with one of the server's before it that has its name.
fn doubled(answer: &mut Value) {
    let Some(items) = answer.get_mut("items").and_then(Value::as_array_mut) else { return };
    if !items.iter().all(|one| one.get("masterKeyHash").is_some()) {
        return;
    }
    let mut others = serde_json::json!({ "items": items.clone() });
    renumbered(&mut others);
    let mut all = others["items"].as_array().cloned().unwrap_or_default();
    all.append(items);
    *items = all;
}

/// Whoever may make a vault can give it a name that is known, and share it: that keeps nobody from the known one, and takes
/// nothing in that was meant for it.
#[test]
fn a_second_vault_of_a_known_name_is_left_out_and_told() {
    let (scene, served, _, _) = world();
    let doubling = Arc::new(Mutex::new(false));
    let now = doubling.clone();
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |asked: &Asked| {
            let lists = asked.method == "GET" && asked.path == "/api/v1/vaults";
            (lists && *now.lock().unwrap()).then_some(Fault::Lie(doubled))
        }),
    );
    scene.run(&["env", "remove", "there"]).succeeds();
    scene.run(&["env", "add", "there", &proxy.url]).succeeds();
    for words in [&["get", "there:V/old"][..], &["archive", "create", "there:", "true.kfa"]] {
        let (code, said) = run(&scene, &served, words);
        assert_eq!(code, Some(0), "the truth: {said}");
    }
    *doubling.lock().unwrap() = true;
    let (code, said) = run(&scene, &served, &["get", "there:V/old"]);
    assert!(code == Some(0) && said.contains(PRESENT) && said.contains("left out: vault `V`"), "{said}");
    for words in [
        &["exec", "--env", "A=there:V/old", "--", "sh", "-c", "echo ran $A"][..],
        &["exec", "--folder", "there:V", "--prefix", "A_", "--", "sh", "-c", "echo ran"],
        &["inject", "-i", "template", "-o", "-"],
        &["import", "new.jsonl", "there:"],
        &["sync", "new.jsonl", "there:"],
        &["migrate", "embedded:b", "there:", "--rights"],
        &["update", "there:V/old", "--stdin", "another field"],
    ] {
        let (code, said) = run(&scene, &served, words);
        assert!(code == Some(0) && said.contains("left out: vault `V`"), "{words:?}: {code:?} {said}");
    }
    assert!(!holds(&proxy.received(), SECRET), "what was written went to the server's own vault");
    scene.run(&["get", "--from", "embedded:a", "V/new"]).succeeds().prints(SECRET);
    for words in [&["ls", "there:"][..], &["tree", "there:"], &["--json", "tree", "there:V"]] {
        let (code, said) = run(&scene, &served, words);
        assert!(code == Some(0) && said.contains("left out: vault `V`"), "{words:?}: {code:?} {said}");
        assert_eq!(said.matches("V/").count(), usize::from(words.len() == 2), "the known one alone: {said}");
    }
    // Whoever reads everything does not go on as if it were whole.
    let verify = ["verify", "there:", "embedded:b", "--report", "page.html"];
    let (code, said) = run(&scene, &served, &verify);
    assert!(code == Some(4) && said.contains("is not the one that was seen before"), "{code:?} {said}");
    assert!(scene.read("page.html").contains("is not the one that was seen before"));
    let (code, said) = run(&scene, &served, &["export", "there:", "whole.jsonl", "--allow-plaintext"]);
    assert!(code == Some(3) && said.contains("is not the one that was seen before"), "{code:?} {said}");
    assert!(scene.read("whole.jsonl").contains(PRESENT));
    let (code, said) = run(&scene, &served, &["fsck", "there:"]);
    assert!(code == Some(4) && said.contains("is not the one that was seen before"), "{code:?} {said}");
    // A person may say that there are two now.
    let vaults = scene.run(&["api", "--from", "embedded:a", "--endpoint", "v1/vaults"]).succeeds().json();
    let known = vaults["items"].as_array().unwrap().iter().find(|vault| vault["name"] == "V").unwrap();
    let second = format!("second:f0f0{}", &known["id"].as_str().unwrap()[4..]);
    let unpinned = scene.run(&["--json", "env", "unpin", "there", &second]).succeeds().json();
    assert_eq!(unpinned["unpinned"], second.as_str());
    scene.run(&["env", "pins", "export", "there"]).succeeds().prints(&second);
    let (_, said) = run(&scene, &served, &["get", "there:V/old"]);
    assert!(!said.contains("left out: vault `V`"), "{said}");
    // The known one is still known: forgetting it is another thing.
    scene.run(&["--json", "env", "unpin", "there", "second:nobody/else"]).exits(2);
}

/// The known vault, after one of the server's whose name is spelled in the other way of Unicode.
fn decomposed(answer: &mut Value) {
    let Some(known) = answer["items"][0].as_object().filter(|one| one.contains_key("masterKeyHash")).cloned()
    else {
        return;
    };
    let mut others = serde_json::json!({ "items": [known] });
    renumbered(&mut others);
    others["items"][0]["name"] = "Bu\u{308}ro".into();
    answer["items"].as_array_mut().unwrap().insert(0, others["items"][0].take());
}

/// A name is settled among the vaults that are known by it: of a stranger nothing is even asked.
#[test]
fn a_stranger_of_another_spelling_keeps_nobody_from_a_place() {
    let scene = Scene::new();
    let served = Served::new(&scene, "a", "on");
    let pem = scene.run(&["env", "public-key", "embedded:a"]).succeeds().stdout();
    FORGED.get_or_init(|| forge(&PublicKey::from_pem(&pem).unwrap()));
    let one = format!(r#"{{"vault":"B\u00fcro","path":["\u00dcber"],"name":"one","password":"{PRESENT}"}}"#);
    let _ = (scene.file("one.jsonl", one), scene.file("secret", SECRET));
    let lies = Arc::new(Mutex::new(false));
    let now = lies.clone();
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |asked: &Asked| {
            let lists = asked.method == "GET" && asked.path == "/api/v1/vaults";
            (lists && *now.lock().unwrap()).then_some(Fault::Lie(decomposed))
        }),
    );
    scene.run(&["env", "add", "there", &proxy.url]).succeeds();
    for words in
        [&["import", "one.jsonl", "there:"][..], &["export", "there:", "all.jsonl", "--allow-plaintext"]]
    {
        let (code, said) = run(&scene, &served, words);
        assert_eq!(code, Some(0), "the truth: {said}");
    }
    *lies.lock().unwrap() = true;
    for typed in ["B\u{fc}ro/\u{dc}ber", "Bu\u{308}ro/U\u{308}ber"] {
        let place = format!("there:{typed}");
        for words in [
            &["ls", &place][..],
            &["get", &format!("{place}/one")],
            &["export", &place, "out.jsonl", "--allow-plaintext"],
            &["exec", "--folder", &place, "--prefix", "A_", "--", "sh", "-c", "true"],
        ] {
            let (code, said) = run(&scene, &served, words);
            assert_eq!(code, Some(0), "{words:?}: {said}");
        }
    }
    assert!(!String::from_utf8_lossy(&proxy.received()).contains("vaultId=f0f0"), "nothing is asked of it");
}

/// The key of a record that is shown in a second place goes under the key of that place's vault: of the known one, whenever
/// the server begins to show another of its name.
#[test]
fn no_record_key_goes_under_a_key_of_the_servers() {
    let mut through = 0;
    for first in 1..=8 {
        let scene = Scene::new();
        // Without vaults, so that all are made by the job.
        let served = Served::new(&scene, "a", "on");
        let pem = scene.run(&["env", "public-key", "embedded:a"]).succeeds().stdout();
        let forged = FORGED.get_or_init(|| forge(&PublicKey::from_pem(&pem).unwrap()));
        scene.make("b");
        let both = r#"{"vault":"V","name":"new","password":"p"}
{"vault":"Shared","name":"theirs","password":"q"}
"#;
        let _ = scene.file("both.jsonl", both);
        let _ = scene.file("secret", SECRET);
        scene.run(&["import", "both.jsonl", "embedded:b"]).succeeds();
        let api = |words: &[&str]| {
            scene.run(&[&["api", "--from", "embedded:b", "--endpoint"], words].concat()).succeeds().json()
        };
        let vaults = api(&["v1/vaults"]);
        let shared =
            vaults["items"].as_array().unwrap().iter().find(|vault| vault["name"] == "Shared").unwrap();
        let item = &api(&["v1/items/search?query=new"])["items"][0];
        let shortcut =
            serde_json::json!({ "vaultId": shared["id"], "itemId": item["id"], "keyEncrypted": "x" });
        api(&["v1/shortcuts", "--method", "POST", "--params", &shortcut.to_string()]);
        let lists = Mutex::new(0);
        let proxy = Proxy::new(
            &served.url,
            Box::new(move |asked: &Asked| {
                if asked.method != "GET" || asked.path != "/api/v1/vaults" {
                    return None;
                }
                let mut lists = lists.lock().unwrap();
                *lists += 1;
                (*lists >= first).then_some(Fault::Lie(doubled))
            }),
        );
        scene.run(&["env", "add", "there", &proxy.url]).succeeds();
        let (code, said) = run(&scene, &served, &["migrate", "embedded:b", "there:", "--rights"]);
        assert!(matches!(code, Some(0 | 3)), "{first}: {code:?} {said}");
        let heard = proxy.received();
        let text = String::from_utf8_lossy(&heard);
        let words = text.split('"').filter(|word| word.len() > 40);
        let under = words.filter(|word| envelope::decrypt_text(word, &forged.keys[0]).is_ok()).count();
        assert_eq!(under, 0, "{first}: something went under the server's own key\n{said}");
        through += usize::from(text.contains("POST /api/v1/shortcuts"));
    }
    assert!(through > 4, "the shortcut was made: {through}");
}

/// A machine that keeps nothing brings what another knows.
#[test]
fn pins_are_brought_along_and_can_be_required() {
    let (scene, served, proxy, told) = world();
    let get = |flags: &[&str], pins: Option<&str>| {
        let words = [flags, &["--journal", "none/journal.db", "get", "there:V/old"]].concat();
        let _ = std::fs::remove_dir_all(scene.path("none"));
        let mut command = scene.command(&words);
        command
            .env("KEYFERRY_THERE_TOKEN", &served.access_token)
            .env("KEYFERRY_THERE_REFRESH_TOKEN", &served.refresh_token)
            .env("KEYFERRY_THERE_MASTER_PASSWORD", keyferry_tests::MASTER_PASSWORD);
        if let Some(pins) = pins {
            command.env("KEYFERRY_PINS", pins);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(get(&["--require-pins"], None).0, Some(5), "nothing is known yet");
    scene.run(&["env", "pins", "export", "there"]).exits(1).says("nothing of");
    let (code, said) = run(&scene, &served, &["get", "there:V/old"]);
    assert_eq!(code, Some(0), "{said}");
    let pins = scene.run(&["env", "pins", "export", "there"]).succeeds().stdout();
    assert!(pins.contains(" vault:") && pins.contains(&proxy.url) && !pins.contains(PRESENT), "{pins}");
    assert_eq!(get(&["--require-pins"], Some(&pins)).0, Some(0));
    *told.lock().unwrap() = Some(4);
    for flags in [&["--require-pins"][..], &[]] {
        let (code, said) = get(flags, Some(&pins));
        assert!(code == Some(5) && said.contains("not the one that was seen before"), "{code:?} {said}");
    }
    // Whoever neither remembers nor brings anything believes it: what pins are for.
    assert_eq!(get(&[], None).0, Some(0));
    let elsewhere = pins.replace(&proxy.url, "https://elsewhere.example");
    let (code, said) = get(&[], Some(&elsewhere));
    assert!(code == Some(0) && said.contains("say nothing of"), "{code:?} {said}");
    let (code, said) = get(&[], Some("damaged"));
    assert!(code != Some(0) && said.contains("pins"), "{said}");
}
