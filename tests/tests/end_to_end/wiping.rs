//! Once secret types are dropped, the process's memory holds none of what they held.
//!
//! `gcore` (Debian's package gdb) writes the whole memory of a running process to a file. Looking
//! first while the secrets are held is the positive control: there the same search must find them.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_core::crypto::envelope;
use keyferry_core::crypto::keychain::Keychain;
use keyferry_core::secret::SecretString;
use keyferry_tests::server::Served;
use keyferry_tests::{MASTER_PASSWORD, Scene};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

/// Each has words of its own that stand nowhere else; names and logins are no secrets.
const RECORDS: &str = r#"{"vault":"V","name":"one","login":"root","password":"zugspitze-quartz-8841","customs":[{"name":"pin-of-the-vault-door","type":"password","value":"matterhorn-basalt-5520"}]}
{"vault":"V","name":"two","password":"kilimanjaro-granite-3317","attachments":[{"name":"f.txt","data":"YW5uYXB1cm5hLWdhYmJyby03NzA0LWFuZC1tb3Jl"}]}
"#;
const PLANTED: [&str; 4] = [
    "zugspitze-quartz-8841",
    "matterhorn-basalt-5520",
    "kilimanjaro-granite-3317",
    "annapurna-gabbro-7704-and-more",
];

/// Which of the words stand in a process's memory.
fn found<'a>(scene: &Scene, process: u32, words: &'a [(String, Vec<u8>)]) -> Vec<&'a str> {
    let prefix = scene.path("core");
    let dumped = Command::new("gcore").arg("-o").arg(&prefix).arg(process.to_string()).output().unwrap();
    let file = scene.path(&format!("core.{process}"));
    let memory =
        std::fs::read(&file).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&dumped.stderr)));
    std::fs::remove_file(file).unwrap();
    assert!(memory.len() > 1 << 20, "a dump of {} bytes is none", memory.len());
    let holds = |word: &[u8]| memchr::memmem::find(&memory, word).is_some();
    words.iter().filter(|(_, word)| holds(word)).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn dropped_secrets_are_gone_from_memory() {
    if Command::new("gcore").output().is_err() {
        eprintln!("SKIPPED: there is no gcore here (Debian: apt-get install gdb)");
        return;
    }
    let scene = Scene::new();
    let served = Served::new(&scene, "a", "on");
    let records = scene.file("records.jsonl", RECORDS);
    scene.run(&["import", records, "embedded:a"]).succeeds();
    let mut files = vec![scene.path(records)];
    for name in ["records.csv", "records.json"] {
        scene.run(&["export", "embedded:a", name, "--allow-plaintext"]).succeeds();
        files.push(scene.path(name));
    }
    let mut words: Vec<(String, Vec<u8>)> =
        PLANTED.iter().map(|word| ((*word).to_owned(), word.as_bytes().to_vec())).collect();
    words.push(("the master password".to_owned(), MASTER_PASSWORD.as_bytes().to_vec()));
    words.extend(
        keys(&scene).into_iter().map(|(name, key)| (name.to_owned(), key.expose().as_bytes().to_vec())),
    );

    let mut child = Command::new(env!("CARGO_BIN_EXE_holds_secrets"))
        .env_clear()
        .env("URL", &served.url)
        .env("RECORDS", std::env::join_paths(files).unwrap())
        .env("KEYFERRY_TOKEN", served.access_token())
        .env("KEYFERRY_MASTER_PASSWORD_FILE", scene.path(scene.file("password", MASTER_PASSWORD)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut go_on = child.stdin.take().unwrap();

    assert_eq!(said.next().unwrap().unwrap(), "holding 2 records and 1 attachments");
    let held = found(&scene, child.id(), &words);
    let expected: Vec<_> =
        words.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "the private key").collect();
    assert!(
        expected.iter().all(|name| held.contains(name)),
        "the search finds what is held: {held:?} of {expected:?}"
    );

    writeln!(go_on).unwrap();
    assert_eq!(said.next().unwrap().unwrap(), "dropped");
    assert_eq!(found(&scene, child.id(), &words), Vec::<&str>::new());
    drop(go_on);
    child.wait().unwrap();
}

/// The keys of the environment, which are random: the master key, the vault key, and the private
/// key's text. That text is parsed and gone as soon as the keychain stands.
fn keys(scene: &Scene) -> Vec<(&'static str, SecretString)> {
    let database = rusqlite::Connection::open(scene.path("a/environment.db")).unwrap();
    let text = |sql: &str| database.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    let options =
        text("SELECT master_key_options FROM users").parse::<keyferry_core::crypto::master_key::Options>();
    let master_key =
        keyferry_core::crypto::master_key::derive(&SecretString::from(MASTER_PASSWORD), &options.unwrap());
    let private =
        envelope::decrypt_text(&text("SELECT private_key_encrypted FROM users"), &master_key).unwrap();
    let keychain = Keychain::unlock(&text("SELECT private_key_encrypted FROM users"), &master_key).unwrap();
    let vault_key = keychain.unwrap(&text("SELECT master_key_encrypted FROM vault_users")).unwrap();
    let line = SecretString::from(private.expose().lines().nth(5).unwrap());
    vec![("the master key", master_key), ("the vault key", vault_key), ("the private key", line)]
}
