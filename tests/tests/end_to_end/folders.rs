//! Several files at once, folders, and stores of pass.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::Scene;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn tree(scene: &Scene) -> String {
    scene.run(&["tree", "embedded:a"]).succeeds().stdout()
}

fn write(scene: &Scene, name: &str, content: &str) {
    let path = scene.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn several_files_arrive_as_one_and_each_keeps_its_positions() {
    let scene = Scene::with_environments(&["a"]);
    write(&scene, "a.csv", "vault,name,password\nV,one,x\nV,broken\n");
    write(&scene, "b.jsonl", "{\"vault\":\"W\",\"name\":\"two\",\"password\":\"y\"}\n");
    let both = ["--json", "import", "a.csv", "b.jsonl", "embedded:a"];
    let report = scene.run(&both).exits(3).json();
    assert_eq!((report["read"].as_u64(), report["created"].as_u64()), (Some(3), Some(2)), "{report:#}");
    assert_eq!(report["rejected"][0]["at"], "a.csv, line 3");
    scene.run(&["get", "--from", "embedded:a", "W/two"]).prints("y");
    // What is no file of secrets is an error where it was named.
    write(&scene, "notes.md", "# notes\n");
    scene.run(&["import", "a.csv", "notes.md", "embedded:a"]).says("notes.md").exits(1);
    scene.run(&["import", "csv:a.csv", "b.jsonl", "embedded:a"]).exits(2).says("for one file");
    scene.run(&["import", "a.csv", "-", "embedded:a"]).exits(2).says("read only once");
}

#[test]
fn a_folder_brings_all_its_files_below_the_folders_between() {
    let scene = Scene::with_environments(&["a"]);
    write(&scene, "secrets/infra/db/.env.production", "PGPASSWORD=one\n");
    write(&scene, "secrets/infra/app.env", "TOKEN=two\nURL='https://x'\n");
    write(&scene, "secrets/people.csv", "vault,name,password\nTeam,anna,three\n");
    write(&scene, "secrets/README.md", "# what this is\n");
    write(&scene, "secrets/.git/config", "[core]\n\tbare = false\n");
    std::os::unix::fs::symlink("/", scene.path("secrets/root")).unwrap();
    let report = scene.run(&["--json", "import", "secrets", "embedded:a"]).exits(3).json();
    assert_eq!(report["created"], 3, "{report:#}");
    assert_eq!(report["rejected"][0]["at"], "secrets/README.md");
    assert_eq!(report["rejected"].as_array().unwrap().len(), 1);
    assert!(report["notes"].to_string().contains("1 links"), "{report:#}");
    for (path, field, value) in [
        ("infra/db/.env.production", "PGPASSWORD", "one"),
        ("infra/app.env", "TOKEN", "two"),
        ("Team/anna", "password", "three"),
    ] {
        scene.run(&["get", "--from", "embedded:a", &format!("{path}#{field}")]).prints(value);
    }
    // Again nothing is made, and the comparison knows it.
    assert_eq!(scene.run(&["--json", "import", "secrets", "embedded:a"]).exits(3).json()["created"], 0);
    assert_eq!(scene.run(&["--json", "verify", "secrets", "embedded:a"]).json()["verified"], 3);
    fs::remove_file(scene.path("secrets/README.md")).unwrap();
    scene.run(&["verify", "secrets", "embedded:a", "--exact"]).succeeds();
    // The folder of an environment is none of files.
    scene.run(&["import", "a", "embedded:a"]).exits(2).says("this is a folder");
}

/// Runs `gpg` with a keyring of the scene's own.
fn gpg(home: &Path, words: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gpg")
        .args(["--batch", "--quiet", "--homedir"])
        .arg(home)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "gpg {words:?}");
    output.stdout
}

#[test]
fn a_store_of_pass_is_opened_by_gpg_where_that_is_asked_for() {
    let scene = Scene::with_environments(&["a"]);
    // A socket's name has an end: the agent's stands in this folder.
    let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
    fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    gpg(
        home.path(),
        &["--passphrase", "", "--quick-gen-key", "anna@example.com", "default", "default", "never"],
        b"",
    );
    gpg(
        home.path(),
        &["--passphrase", "", "--quick-gen-key", "other@example.com", "default", "default", "never"],
        b"",
    );
    write(&scene, "store/.gpg-id", "anna@example.com\n");
    let seal = |name: &str, whom: &str, content: &[u8]| {
        let sealed = gpg(home.path(), &["--trust-model", "always", "-e", "-r", whom], content);
        let path = scene.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, sealed).unwrap();
    };
    seal(
        "store/Mail/me.gpg",
        "anna@example.com",
        b"planted one\nlogin: anna\nurl: https://a.example\nPIN: 12\n\nfree text\n",
    );
    seal("store/top.gpg", "anna@example.com", b"planted two\notpauth://totp/x?secret=GEZDGNBVGY3TQOJQ\n");
    seal("store/Mail/key.pem.gpg", "anna@example.com", &[0xff, 0xfe, 0, 1]);
    let keys = home.path().to_str().unwrap();
    let with = [("GNUPGHOME", Some(keys))];
    let import = ["--json", "import", "store", "embedded:a", "--gpg"];
    scene.run_with(&with, &import[..4]).exits(2).says("--gpg");
    let report = scene.run_with(&with, &import).succeeds().json();
    assert_eq!((report["created"].as_u64(), report["verified"].as_u64()), (Some(3), Some(3)), "{report:#}");
    for (field, value) in
        [("password", "planted one"), ("login", "anna"), ("PIN", "12"), ("description", "free text")]
    {
        scene.run(&["get", "--from", "embedded:a", &format!("Mail/me#{field}")]).prints(value);
    }
    assert!(tree(&scene).contains("key.pem"));
    let file = scene.run(&[
        "get",
        "--from",
        "embedded:a",
        "Mail/key.pem",
        "--attachment",
        "key.pem",
        "--output",
        "out",
    ]);
    file.succeeds();
    assert_eq!(fs::read(scene.path("out")).unwrap(), [0xff, 0xfe, 0, 1], "as it was, whatever it looks like");
    scene.run_with(&with, &["verify", "store", "embedded:a", "--gpg", "--exact"]).succeeds();
    // An entry for somebody else keeps no other back.
    seal("store/theirs.gpg", "other@example.com", b"not ours");
    let other = gpg(home.path(), &["--list-secret-keys", "--with-colons", "other@example.com"], b"");
    let other = String::from_utf8(other).unwrap();
    let print =
        other.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':');
    gpg(home.path(), &["--yes", "--delete-secret-keys", print], b"");
    let report = scene.run_with(&with, &import).exits(3).json();
    assert_eq!(report["rejected"][0]["at"], "store/theirs.gpg", "{report:#}");
    assert!(report["rejected"][0]["why"].as_str().unwrap().starts_with("gpg does not open it"));
    let _ = Command::new("gpgconf").args(["--homedir", keys, "--kill", "all"]).status();
}

#[test]
fn a_store_in_the_clear_is_read_by_its_name() {
    let scene = Scene::with_environments(&["a"]);
    write(&scene, "clear/Mail/me", "planted\nuser: anna\n");
    scene.run(&["import", "clear", "embedded:a", "--format", "pass"]).succeeds();
    scene.run(&["get", "--from", "embedded:a", "Mail/me#login"]).prints("anna");
}
