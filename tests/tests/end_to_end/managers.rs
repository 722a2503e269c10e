//! Files that other managers encrypted, from the command line into an environment.

use keyferry_tests::Scene;
use std::path::PathBuf;

const PHRASE: &str = "sample horse battery";

fn sample(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

fn copied(scene: &Scene, name: &str) {
    let path = sample(name);
    let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
    let _ =
        scene.file(file, std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
}

#[test]
fn a_keepass_database_arrives_with_its_attachments_and_verifies() {
    let scene = Scene::with_environments(&["a"]);
    copied(&scene, "11-kdbx/company.kdbx");
    let phrase = [("KEYFERRY_FILE_PASSPHRASE", Some(PHRASE))];
    let report =
        scene.run_with(&phrase, &["--json", "import", "company.kdbx", "embedded:a"]).succeeds().json();
    assert_eq!((report["created"].as_u64(), report["verified"].as_u64()), (Some(7), Some(7)), "{report:#}");
    scene.run_with(&phrase, &["verify", "company.kdbx", "embedded:a", "--exact"]).succeeds();
    let tree = scene.run(&["tree", "embedded:a"]).succeeds().stdout();
    for place in ["Company", "DMZ / West", "Nothing here", "web & <proxy>"] {
        assert!(tree.contains(place), "{place}: {tree}");
    }
    let record = r"Company/Servers/DMZ \/ West/web & <proxy>";
    let file =
        scene.run(&["get", "--from", "embedded:a", record, "--attachment", "ca.pem"]).succeeds().stdout();
    assert!(file.contains("BEGIN TEST CERTIFICATE"), "{file}");
    // The same file twice makes nothing twice.
    let again =
        scene.run_with(&phrase, &["--json", "import", "company.kdbx", "embedded:a"]).succeeds().json();
    assert_eq!(again["created"].as_u64(), Some(0), "{again:#}");
    scene.run_with(&phrase, &["import", "company.kdbx", "embedded:a", "--include-trash"]).succeeds();
    assert!(scene.run(&["tree", "embedded:a"]).succeeds().stdout().contains("thrown away"));
}

#[test]
fn a_key_file_opens_a_database_with_its_passphrase_and_not_alone() {
    let scene = Scene::with_environments(&["a"]);
    copied(&scene, "11-kdbx/company-keyfile.kdbx");
    copied(&scene, "11-kdbx/company.keyx");
    let _ = scene.file("phrase", format!("{PHRASE}\n"));
    let file = [("KEYFERRY_FILE_PASSPHRASE_FILE", Some("phrase"))];
    let with = ["import", "company-keyfile.kdbx", "embedded:a", "--key-file", "company.keyx"];
    scene.run_with(&file, &with[..3]).exits(5).says("the passphrase is wrong").says("--key-file");
    scene.run(&with).exits(5).says("the key file is wrong");
    scene.run(&with[..3]).exits(5).says("KEYFERRY_FILE_PASSPHRASE");
    let wrong = [("KEYFERRY_FILE_PASSPHRASE", Some("planted"))];
    scene.run_with(&wrong, &with).exits(5).says("the passphrase or the key file is wrong").hides("planted");
    scene.run_with(&file, &with).succeeds();
    scene
        .run_with(&file, &["verify", "company-keyfile.kdbx", "embedded:a", "--key-file", "company.keyx"])
        .succeeds();
}

#[test]
fn a_damaged_database_is_not_a_wrong_passphrase_and_brings_nothing() {
    let scene = Scene::with_environments(&["a"]);
    let mut bytes = std::fs::read(sample("11-kdbx/company.kdbx")).unwrap();
    let phrase = [("KEYFERRY_FILE_PASSPHRASE", Some(PHRASE))];
    let _ = scene.file("cut.kdbx", &bytes[..bytes.len() - 7]);
    scene.run_with(&phrase, &["import", "cut.kdbx", "embedded:a"]).exits(1).says("cut short");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let _ = scene.file("damaged.kdbx", &bytes);
    scene
        .run_with(&phrase, &["import", "damaged.kdbx", "embedded:a"])
        .exits(1)
        .says("the file is damaged: block 0");
    assert_eq!(scene.run(&["tree", "embedded:a"]).succeeds().stdout(), "");
}

#[test]
fn an_export_of_bitwarden_opens_with_its_password() {
    let scene = Scene::with_environments(&["a"]);
    let phrase = [("KEYFERRY_FILE_PASSPHRASE", Some(PHRASE))];
    for (name, created) in
        [("13-bitwarden/protected-pbkdf2.json", 5), ("13-bitwarden/protected-argon2id.json", 0)]
    {
        copied(&scene, name);
        let file = name.rsplit('/').next().unwrap_or_default();
        scene.run(&["import", file, "embedded:a"]).exits(5).says("KEYFERRY_FILE_PASSPHRASE");
        let report = scene.run_with(&phrase, &["--json", "import", file, "embedded:a"]).succeeds().json();
        assert_eq!(report["created"].as_u64(), Some(created), "{report:#}");
    }
}

#[test]
fn an_export_says_before_it_writes_what_the_file_cannot_hold() {
    let scene = Scene::with_environments(&["a"]);
    let line = r#"{"vault":"V","path":["f"],"name":"n","login":"u","password":"p","tags":["t"],"color":3}"#;
    let file = scene.file("a.jsonl", line);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let words = ["export", "embedded:a", "out.csv", "--format", "chrome-csv", "--allow-plaintext"];
    let planned = scene.run(&[&words[..], &["--dry-run"]].concat());
    let told = planned.succeeds().stdout();
    for what in ["1 tag", "1 color", "stay behind in chrome-csv"] {
        assert!(told.contains(what), "{what}: {told}");
    }
    assert!(!scene.path("out.csv").exists());
    scene.run(&words).succeeds();
    assert!(scene.read("out.csv").contains("n,"), "{}", scene.read("out.csv"));
}

/// The file of the page, and the sample that it is here.
const EXPORTS: &[(&str, &str)] = &[
    ("Chrome Passwords.csv", "16-browsers/chrome.csv"),
    ("bitwarden_encrypted_export.json", "13-bitwarden/protected-pbkdf2.json"),
    ("bitwarden_export.zip", "13-bitwarden/export.zip"),
    ("1PasswordExport.1pux", "14-1password/export.1pux"),
    ("lastpass_export.csv", "15-lastpass/lastpass.csv"),
    ("company.kdbx", "11-kdbx/company.kdbx"),
    ("dashlane-export.zip", "17-dashlane/dashlane.zip"),
    ("nordpass.csv", "18-nordpass/nordpass.csv"),
    ("roboform.csv", "19-roboform/roboform.csv"),
    ("keeper.json", "20-keeper/keeper.json"),
    ("proton-pass-export.zip", "22-protonpass/protonpass.zip"),
    ("enpass.json", "21-enpass/enpass.json"),
    ("psono_export.json", "25-psono/psono.json"),
    ("passwork.json", "06-passwork-json-nested/export.json"),
    (".env", "26-secrets-trees/sample.env"),
    ("secrets.yaml", "26-secrets-trees/k8s.yaml"),
    ("aegis-export.json", "31-authenticators/aegis.json"),
];

#[test]
fn every_command_of_the_page_for_newcomers_does_what_it_says() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/coming-from.md"));
    let page = page.unwrap_or_else(|error| panic!("docs/coming-from.md: {error}"));
    let blocks = page.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let mut seen = Vec::new();
    for line in blocks.flat_map(str::lines).filter(|line| line.starts_with("keyferry ")) {
        let line = line.split("  #").next().unwrap_or_default().trim_end();
        // The page's own words for any file, and a server that is not there: tests of their own have both.
        if line.contains(" EXPORT ") || line.contains("vault://") {
            continue;
        }
        let Some((file, sample)) = EXPORTS.iter().find(|(file, _)| line.contains(file)) else {
            panic!("no sample for {line}");
        };
        seen.push(*file);
        let scene = Scene::with_environments(&["a"]);
        let with_key = line.contains("--key-file");
        let sample = if with_key { "11-kdbx/company-keyfile.kdbx" } else { sample };
        let content = std::fs::read(self::sample(sample)).unwrap_or_else(|error| panic!("{sample}: {error}"));
        let _ = scene.file(file, content);
        copied(&scene, "11-kdbx/company.keyx");
        let words = line.strip_prefix("keyferry ").unwrap_or_default().replace(&format!("\"{file}\""), file);
        let words = words.replace(file, "FILE").replace("prod:", "embedded:a//");
        let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
        let words: Vec<&str> = words.iter().map(|word| if *word == "FILE" { file } else { *word }).collect();
        let phrase = [("KEYFERRY_FILE_PASSPHRASE", Some(PHRASE))];
        if words[0] == "verify" {
            scene.run_with(&phrase, &["import", file, "embedded:a", "--match"]).succeeds();
        }
        let run = scene.run_with(&phrase, &words);
        // What a sample holds on purpose that no record takes is rejected, and told.
        assert!(matches!(run.code(), Some(0 | 3)), "{}", run.whole());
        if !words.contains(&"--dry-run") && words[0] == "import" {
            let records = scene.run(&["--json", "tree", "embedded:a"]).succeeds().json();
            assert!(records.as_array().is_some_and(|vaults| !vaults.is_empty()), "{line}: {records}");
        }
    }
    for (file, _) in EXPORTS {
        assert!(seen.contains(file), "{file} is not on the page");
    }
}
