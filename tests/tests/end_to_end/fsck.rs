//! `fsck` on environments that were damaged in one way each: exactly that is found, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_core::crypto::envelope;
use keyferry_core::secret::SecretString;
use keyferry_tests::{MASTER_PASSWORD, Run, Scene};
use rusqlite::Connection;

const RECORDS: &str = r#"{"vault":"V","name":"plain","password":"hidden-word","customs":[{"name":"pin","type":"text","value":"hidden-word"}]}
{"vault":"V","path":["Top","Sub"],"name":"deep","password":"x","attachments":[{"name":"f.txt","data":"aGlkZGVuLXdvcmQ="},{"name":"g.txt","data":"eA=="}]}
{"vault":"V","path":["Top"],"name":"bare"}
{"vault":"W","name":"other","password":"y"}
"#;

/// An environment with a few records, damaged by these statements.
fn damaged(encryption: &str, statements: &[&str]) -> Scene {
    let scene = Scene::new();
    let init = ["env", "init", "embedded:a", "--user", "admin", "--client-encryption", encryption];
    scene.run(&init).succeeds();
    scene
        .run(&["import", scene.file("a.jsonl", RECORDS), "embedded:a", "--allow-unencrypted-target"])
        .succeeds();
    let database = database(&scene);
    for statement in statements {
        assert!(database.execute(statement, []).unwrap() > 0, "{statement} changes nothing");
    }
    scene
}

fn database(scene: &Scene) -> Connection {
    let database = Connection::open(scene.path("a/environment.db")).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database
}

/// Each finding as `kind: record: field`, in order: places made at once may stand in any.
fn findings(run: &Run) -> Vec<String> {
    let health = run.hides("hidden-word").json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = health["findings"].as_array().unwrap();
    for finding in list {
        for member in ["id", "what", "next"] {
            assert!(!text(&finding[member]).is_empty(), "{member} in {finding}");
        }
    }
    let one = |finding: &serde_json::Value| {
        let parts = [&finding["kind"], &finding["record"], &finding["field"]].map(text);
        parts.join(": ").trim_end_matches(": ").to_owned()
    };
    let mut findings: Vec<String> = list.iter().map(one).collect();
    findings.sort();
    findings
}

fn finds(statements: &[&str], expected: &[&str]) {
    let scene = damaged("on", statements);
    let run = scene.run(&["--json", "fsck", "embedded:a"]);
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(findings(run.exits(4)), expected, "{statements:?}");
}

#[test]
fn a_healthy_environment_is_clean_with_and_without_encryption() {
    for encryption in ["on", "off"] {
        let scene = damaged(encryption, &[]);
        let run = scene.run(&["--json", "fsck", "embedded:a"]);
        let health = run.succeeds().json();
        let counts = ["vaults", "folders", "records", "attachments"].map(|member| health[member].clone());
        assert_eq!(counts, [2, 2, 4, 2], "{health}");
        assert!(scene.run(&["fsck", "embedded:a"]).succeeds().stdout().contains("nothing is wrong"));
    }
}

#[test]
fn a_record_without_its_record_key_is_found() {
    finds(
        &["UPDATE items SET key_encrypted = NULL WHERE name IN ('plain', 'bare')"],
        // Without secrets a record needs no key.
        &["no-record-key: V / plain"],
    );
}

#[test]
fn a_damaged_envelope_is_found_with_its_field_and_the_others_are_still_looked_at() {
    finds(
        &["UPDATE items SET password_encrypted = substr(password_encrypted, 1, 40) WHERE name = 'plain'"],
        &["damaged-envelope: V / plain: password"],
    );
    finds(
        &[
            "UPDATE items SET customs = json_set(customs, '$[0].value', 'no envelope') WHERE name = 'plain'",
            "UPDATE items SET password_encrypted = 'no envelope' WHERE name = 'deep'",
            "UPDATE attachments SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE name = 'g.txt'",
        ],
        &[
            "damaged-envelope: V / plain: custom field 1, value",
            "damaged-envelope: V / Top / Sub / deep: password",
            "attachment-hash: V / Top / Sub / deep: attachment g.txt",
        ],
    );
    finds(
        &["UPDATE items SET key_encrypted = 'no envelope' WHERE name = 'deep'"],
        &["damaged-envelope: V / Top / Sub / deep: record key"],
    );
}

#[test]
fn a_value_from_another_record_does_not_open_under_this_ones_key() {
    finds(
        &["UPDATE items SET password_encrypted = (SELECT password_encrypted FROM items WHERE name = 'deep')
           WHERE name = 'plain'"],
        &["damaged-envelope: V / plain: password"],
    );
}

#[test]
fn a_record_key_from_another_vault_is_found() {
    finds(
        &["UPDATE items SET key_encrypted = (SELECT key_encrypted FROM items WHERE name = 'other')
           WHERE name = 'deep'"],
        &["wrong-record-key: V / Top / Sub / deep"],
    );
}

#[test]
fn an_attachment_that_is_not_what_its_hash_says_is_found() {
    finds(
        &["UPDATE attachments SET hash = (SELECT hash FROM attachments WHERE name = 'g.txt')
           WHERE name = 'f.txt'"],
        &["attachment-hash: V / Top / Sub / deep: attachment f.txt"],
    );
}

#[test]
fn an_attachment_that_is_missing_or_cut_is_found() {
    finds(
        &[
            "DELETE FROM attachment_data WHERE attachment = (SELECT seq FROM attachments WHERE name = 'f.txt')",
        ],
        &["attachment-unreadable: V / Top / Sub / deep: attachment f.txt"],
    );
    finds(
        &["UPDATE attachment_data SET encrypted_data = substr(encrypted_data, 1, 30)
           WHERE attachment = (SELECT seq FROM attachments WHERE name = 'g.txt')"],
        &["attachment-unreadable: V / Top / Sub / deep: attachment g.txt"],
    );
}

#[test]
fn a_vault_key_that_does_not_open_or_is_anothers_leaves_the_other_vaults_to_be_checked() {
    let in_w = "UPDATE items SET password_encrypted = 'no envelope' WHERE name = 'other'";
    let expected = ["vault-key: V", "damaged-envelope: W / other: password"];
    let v = "vault_id = (SELECT id FROM vaults WHERE name = 'V')";
    let garbage = format!("UPDATE vault_users SET master_key_encrypted = 'AAAA' WHERE {v}");
    finds(&[&garbage, in_w], &expected);
    let swapped = format!(
        "UPDATE vault_users SET master_key_encrypted = (SELECT u.master_key_encrypted FROM vault_users u
         JOIN vaults v ON v.id = u.vault_id WHERE v.name = 'W') WHERE {v}"
    );
    finds(&[&swapped, in_w], &expected);
}

#[test]
fn folders_that_contain_each_other_are_found_once() {
    finds(
        &["UPDATE folders SET parent_folder_id = (SELECT id FROM folders WHERE name = 'Sub')
           WHERE name = 'Top'"],
        &["folder-cycle: V / Top"],
    );
}

#[test]
fn what_stands_in_a_folder_that_is_missing_is_found() {
    let nowhere = "'0123456789abcdef01234567'";
    finds(
        &[&format!("UPDATE folders SET parent_folder_id = {nowhere} WHERE name = 'Sub'")],
        &["folder-orphan: V / Sub"],
    );
    finds(
        &[&format!("UPDATE items SET folder_id = {nowhere} WHERE name = 'deep'")],
        &["record-orphan: V / deep"],
    );
}

#[test]
fn a_record_whose_answer_makes_no_sense_does_not_hide_the_others() {
    finds(
        &[
            "UPDATE items SET customs = '[{' WHERE name = 'bare'",
            "UPDATE items SET password_encrypted = 'no envelope' WHERE name = 'plain'",
        ],
        &["record-unreadable: V", "damaged-envelope: V / plain: password"],
    );
}

#[test]
fn without_encryption_what_is_no_base64_is_found() {
    let scene = damaged(
        "off",
        &[
            "UPDATE items SET password_encrypted = '!' WHERE name = 'other'",
            "UPDATE attachment_data SET encrypted_data = '!'
             WHERE attachment = (SELECT seq FROM attachments WHERE name = 'g.txt')",
        ],
    );
    let run = scene.run(&["--json", "fsck", "embedded:a"]);
    assert_eq!(
        findings(run.exits(4)),
        [
            "attachment-unreadable: V / Top / Sub / deep: attachment g.txt",
            "damaged-envelope: W / other: password"
        ]
    );
}

/// The official `create_user` leaves the private key like this.
#[test]
fn a_private_key_under_the_bare_master_password_is_found_and_still_opens_everything() {
    let scene = Scene::new();
    let made = scene.run(&["--json", "env", "init", "embedded:a", "--user", "admin"]).succeeds().json();
    scene
        .run(&["import", scene.file("a.jsonl", RECORDS), "embedded:a", "--allow-unencrypted-target"])
        .succeeds();
    let master_key = SecretString::from(made["master_key"].as_str().unwrap());
    let database = database(&scene);
    let private: String =
        database.query_row("SELECT private_key_encrypted FROM users", [], |row| row.get(0)).unwrap();
    let private = envelope::decrypt_text(&private, &master_key).unwrap();
    let weak = envelope::encrypt_text(private.expose(), &SecretString::from(MASTER_PASSWORD)).unwrap();
    database.execute("UPDATE users SET private_key_encrypted = ?1", [weak]).unwrap();
    let run = scene.run(&["--json", "fsck", "embedded:a"]);
    assert_eq!(findings(run.exits(4)), ["weak-private-key-guard: user admin"]);
    scene.run(&["verify", "a.jsonl", "embedded:a"]).succeeds();
    let wrong = [("KEYFERRY_MASTER_PASSWORD", Some("not it"))];
    scene.run_with(&wrong, &["fsck", "embedded:a"]).exits(5);
}

#[test]
fn only_the_place_that_the_location_names_is_looked_at() {
    let scene = damaged("on", &["UPDATE items SET password_encrypted = 'no envelope' WHERE name = 'plain'"]);
    scene.run(&["env", "add", "prod", "embedded:a"]).succeeds();
    let own = [("KEYFERRY_PROD_MASTER_PASSWORD", Some(MASTER_PASSWORD))];
    let fsck = |location: &str| scene.run_with(&own, &["--json", "fsck", location]);
    fsck("prod:").exits(4);
    fsck("prod:V").exits(4);
    let health = fsck("prod:V/Top/Sub").succeeds().json();
    assert_eq!((&health["folders"], &health["records"]), (&1.into(), &1.into()), "{health}");
    fsck("prod:W").succeeds();
    // A slip of the pen must not look like health.
    fsck("prod:X").exits(1).says("there is no X");
    fsck("prod:V/Nowhere").exits(1).says("there is no V / Nowhere");
}

#[test]
fn people_read_what_is_wrong_where_and_what_to_do() {
    let scene = damaged("on", &["UPDATE items SET password_encrypted = 'no envelope' WHERE name = 'plain'"]);
    let said = scene.run(&["fsck", "embedded:a"]).exits(4).hides("hidden-word").stdout();
    for words in
        ["1 finding", "damaged-envelope: V / plain (", "password: not an envelope", "next, damaged-envelope:"]
    {
        assert!(said.contains(words), "{words} in {said}");
    }
    scene.run(&["fsck", "people.csv"]).exits(2);
}
