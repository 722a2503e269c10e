//! Environments by name, their secrets from variables and files, and what scripts read.

use keyferry_tests::{MASTER_PASSWORD, Scene};

#[test]
fn a_named_environment_works_like_its_address() {
    let scene = Scene::with_environments(&["a"]);
    scene.run(&["env", "add", "prod", "embedded:a"]).succeeds();
    let list = scene.run(&["env", "list"]);
    assert!(list.succeeds().stdout().contains("prod"), "{}", list.stdout());
    scene.run(&["env", "test", "prod:"]).exits(5).says("KEYFERRY_PROD_MASTER_PASSWORD");
    let own = [("KEYFERRY_PROD_MASTER_PASSWORD", Some(MASTER_PASSWORD))];
    scene.run_with(&own, &["env", "test", "prod:"]).succeeds();
    let file = scene.file("a.csv", "folder,name,password\nDatabases/Main,pg,x\n");
    scene.run_with(&own, &["import", file, "prod:Infra"]).succeeds();
    let tree = scene.run(&["--json", "tree", "prod:"]).succeeds().json();
    assert_eq!(tree[0]["name"], "Infra", "{tree}");
    assert_eq!(tree[0]["folders"][0]["folders"][0]["records"][0], "pg", "{tree}");
    scene.run_with(&own, &["verify", file, "prod:Infra"]).succeeds();
    scene.run(&["env", "remove", "prod"]).succeeds();
    scene.run(&["ls", "prod:"]).exits(2).says("prod");
    assert!(scene.path("a").exists(), "forgetting a name deletes nothing");
}

#[test]
fn every_change_of_names_is_one_document_for_scripts() {
    let scene = Scene::with_environments(&["a"]);
    let added = scene.run(&["--json", "env", "add", "prod", "embedded:a"]).succeeds().json();
    assert_eq!(added["added"], "prod");
    let list = scene.run(&["--json", "env", "list"]).succeeds().json();
    assert_eq!(list["prod"]["location"], added["location"]);
    let file = scene.file("a.csv", "vault,name,password\nV,n,p\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let pins = scene.run(&["--json", "env", "pins", "export", "prod"]).succeeds().json();
    let line =
        pins["pins"].as_array().unwrap().iter().find(|line| line.as_str().unwrap().contains(" vault:"));
    let subject = line.unwrap().as_str().unwrap().split(' ').nth(1).unwrap();
    let unpinned = scene.run(&["--json", "env", "unpin", "prod", subject]).succeeds().json();
    assert_eq!(unpinned, serde_json::json!({ "unpinned": subject, "place": pins["place"] }));
    let again = scene.run(&["--json", "env", "unpin", "prod", subject]).exits(1).json();
    assert_eq!(again["error"]["kind"], "not-found");
    let removed = scene.run(&["--json", "env", "remove", "prod"]).succeeds().json();
    assert_eq!(removed, serde_json::json!({ "removed": "prod" }));
}

#[test]
fn a_named_environments_own_variable_goes_before_the_general_one() {
    let scene = Scene::with_environments(&["a"]);
    scene.run(&["env", "add", "prod", "embedded:a"]).succeeds();
    let wrong_general = ("KEYFERRY_MASTER_PASSWORD", Some("wrong"));
    let own = ("KEYFERRY_PROD_MASTER_PASSWORD", Some(MASTER_PASSWORD));
    scene.run_with(&[wrong_general, own], &["env", "test", "prod:"]).succeeds();
    scene.run_with(&[("KEYFERRY_PROD_MASTER_PASSWORD", Some("wrong"))], &["env", "test", "prod:"]).exits(5);
    let file = scene.file("secret", format!("{MASTER_PASSWORD}\n"));
    let from_file = [("KEYFERRY_MASTER_PASSWORD", None), ("KEYFERRY_PROD_MASTER_PASSWORD_FILE", Some(file))];
    scene.run_with(&from_file, &["env", "test", "prod:"]).succeeds();
}

#[test]
fn each_side_of_a_migration_has_secrets_of_its_own() {
    let scene = Scene::new();
    for (name, password) in [("a", "password of a"), ("b", "password of b")] {
        let own = [("KEYFERRY_MASTER_PASSWORD", Some(password))];
        scene.run_with(&own, &["env", "init", &format!("embedded:{name}"), "--user", "admin"]).succeeds();
    }
    let file = scene.file("a.csv", "vault,name,password\nV,n,p\n");
    let a = [("KEYFERRY_MASTER_PASSWORD", Some("password of a"))];
    scene.run_with(&a, &["import", file, "embedded:a"]).succeeds();
    let both = [
        ("KEYFERRY_MASTER_PASSWORD", None),
        ("KEYFERRY_FROM_MASTER_PASSWORD", Some("password of a")),
        ("KEYFERRY_TO_MASTER_PASSWORD", Some("password of b")),
    ];
    scene.run_with(&both, &["migrate", "embedded:a", "embedded:b"]).succeeds();
    scene.run_with(&both, &["verify", "embedded:a", "embedded:b"]).succeeds();
}

#[test]
fn a_new_environment_answers_scripts_in_one_document() {
    let scene = Scene::new();
    let made = scene.run(&["--json", "env", "init", "embedded:a", "--user", "admin", "--generate"]);
    let made = made.succeeds().json();
    for member in
        ["location", "user", "access_token", "refresh_token", "master_key", "password", "master_password"]
    {
        assert!(made[member].is_string(), "{member} in {made}");
    }
    let key = made["master_key"].as_str();
    let by_key = [("KEYFERRY_MASTER_PASSWORD", None), ("KEYFERRY_MASTER_KEY", key)];
    scene.run_with(&by_key, &["env", "test", "embedded:a"]).succeeds();
    scene.run(&["env", "init", "embedded:a", "--user", "admin"]).exits(2).says("not empty");
}

#[test]
fn a_shell_completes_commands_environments_and_vaults() {
    let scene = Scene::with_environments(&["a"]);
    let file =
        scene.file("a.csv", "vault,name,password\nInfra,n,p\nOur shop,n,p\n*,n,p\n\u{1b}]0;planted,n,p\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene.run(&["env", "add", "prod", "embedded:a"]).succeeds();
    // As bash does: colons and equals signs are words.
    let complete = |line: &str, words: &str| {
        let script = format!(
            "source <(\"$KEYFERRY\" completions bash); keyferry() {{ \"$KEYFERRY\" \"$@\"; }}
             COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             _keyferry; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let keyferry = scene.command(&[]);
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &script]).current_dir(scene.path("")).env("KEYFERRY", keyferry.get_program());
        for (name, value) in keyferry.get_envs() {
            match value {
                Some(value) => bash.env(name, value),
                None => bash.env_remove(name),
            };
        }
        let output = bash.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("keyferry mig", "keyferry mig"), ["migrate"]);
    assert_eq!(complete("keyferry ls pr", "keyferry ls pr"), ["prod:"]);
    assert_eq!(complete("keyferry ls prod:", "keyferry ls prod :"), [""], "nothing was seen yet");
    scene.run(&["ls", "prod:"]).succeeds();
    scene.run(&["ls", "embedded:a"]).succeeds();
    assert_eq!(complete("keyferry ls prod:", "keyferry ls prod :"), ["\\*", "Infra", "Our\\ shop"]);
    assert_eq!(complete("keyferry get prod:In", "keyferry get prod : In"), ["Infra"]);
    assert_eq!(complete("keyferry get --from=prod:O", "keyferry get --from = prod : O"), ["Our\\ shop"]);
    assert_eq!(complete("keyferry ls embedded:a//I", "keyferry ls embedded : a//I"), ["a//Infra"]);
    assert_eq!(complete("keyferry import keepass-x", "keyferry import keepass-x"), ["keepass-xml:"]);
    assert!(complete("keyferry import a.c", "keyferry import a.c").contains(&"a.csv".to_owned()));
    let kept = scene.path(".local/state/keyferry/vault-names.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "vault,name,password\nV,n,p\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let mut export = scene.command(&["export", "embedded:a", "jsonl:-", "--allow-plaintext"]);
    let mut child = export.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn names_and_pins_answer_programs_in_one_document() {
    let scene = Scene::with_environments(&["a"]);
    let run = |words: &[&str]| scene.run(&[&["--json"], words].concat());
    let added = run(&["env", "add", "prod", "embedded:a"]).succeeds().json();
    assert_eq!(added["added"], "prod");
    assert!(added["location"].as_str().is_some_and(|place| place.starts_with("embedded:/")), "{added}");
    assert!(run(&["env", "list"]).succeeds().json()["prod"]["location"].is_string());
    let file = scene.file("f.csv", "vault,name,password\nV,one,x\n");
    run(&["import", file, "embedded:a"]).succeeds();
    let unpinned = run(&["env", "unpin", "prod:", "key-derivation"]).succeeds().json();
    assert_eq!(unpinned["unpinned"], "key-derivation", "{unpinned}");
    let error = |words: &[&str], kind: &str| {
        let failed = run(words);
        assert_ne!(failed.code(), Some(0), "{words:?}");
        let document = failed.json();
        assert_eq!(document["error"]["kind"], kind, "{words:?}: {document}");
        assert!(document["error"]["next"].is_string(), "{words:?}: {document}");
    };
    error(&["env", "unpin", "prod:", "key-derivation"], "not-found");
    error(&["env", "add", "Prod!", "embedded:a"], "usage");
    error(&["env", "add", "other", "people.csv"], "usage");
    run(&["env", "add", "my-prod", "embedded:a"]).succeeds();
    error(&["env", "add", "my_prod", "embedded:a"], "usage");
    error(&["env", "init", "embedded:new", "--user", " "], "usage");
    error(&["env", "init", "embedded:new//Vault", "--user", "admin"], "usage");
    assert!(!scene.path("new").exists(), "what was refused made nothing");
    error(&["jobs", "--forget", "9"], "not-found");
    assert_eq!(run(&["jobs", "--forget", "1"]).succeeds().json()["forgotten"], 1);
    assert_eq!(run(&["env", "remove", "prod"]).succeeds().json()["removed"], "prod");
    error(&["env", "remove", "prod"], "usage");
    error(&["--config", "none.toml", "env", "list"], "io");
    error(&["import", "none.csv", "embedded:a"], "io");
    error(&["import"], "usage");
}

#[test]
fn a_copy_of_an_environment_is_told_in_a_comparison() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("f.csv", "vault,name,password\nV,one,x\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let copied =
        std::process::Command::new("cp").args(["-r", "a", "copy"]).current_dir(scene.path("")).status();
    assert!(copied.is_ok_and(|status| status.success()));
    let told = scene.run(&["--json", "verify", "embedded:a", "embedded:copy"]).succeeds().json();
    assert!(told["notes"][0].as_str().is_some_and(|note| note.contains("same ids")), "{told}");
    scene.make("b");
    scene.run(&["migrate", "embedded:a", "embedded:b"]).succeeds();
    let told = scene.run(&["--json", "verify", "embedded:a", "embedded:b"]).succeeds().json();
    assert_eq!(told["notes"], serde_json::json!([]));
}

#[test]
fn a_record_in_a_folder_s_environment_is_written_in_one_word() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("f.csv", "folder,name,login,password\nV/f g,one,root,s3cret\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene.run(&["get", "embedded:a//V/f g/one"]).succeeds().prints("s3cret");
    scene.run(&["get", "embedded:a//V/f g/one#login"]).succeeds().prints("root");
    let shown = scene.run(&["exec", "--env", "P=embedded:./a//V/f g/one", "--", "sh", "-c", "echo ${#P}"]);
    shown.succeeds().prints("6");
    scene.run(&["get", "embedded:a/V/one"]).exits(2).says("embedded:DIR//Vault");
}

#[test]
fn no_hint_leads_to_what_is_refused_or_does_harm() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("my file.csv", "vault,name,password\nV,one,x\n");
    std::fs::create_dir(scene.path("empty")).unwrap();
    let init = "next: keyferry env init";
    scene.run(&["ls", "embedded:empty"]).exits(1).says("next: keyferry env init embedded:empty --user admin");
    scene.run(&["ls", "embedded:a b"]).exits(1).says("next: keyferry env init 'embedded:a b' --user admin");
    for (place, next) in [
        ("embedded:a/V".to_owned(), "embedded:"),
        (format!("embedded:{file}"), "name the environment's folder"),
        ("embedded:.".to_owned(), "in a new folder"),
    ] {
        for command in [&["ls", &place][..], &["import", file, &place], &["get", "--from", &place, "V/one"]] {
            let told = scene.run(command);
            told.exits(1).says(next);
            assert!(!told.stderr().contains(init), "{command:?}: {}", told.stderr());
        }
    }
    scene.run(&["env", "add", "prod", "https://127.0.0.1:9"]).succeeds();
    for command in [&["ls", "prod:"][..], &["logout", "prod:"], &["env", "test", "prod"]] {
        let told = scene.run(command);
        assert!(!told.stderr().contains("::") && told.code() != Some(0), "{}", told.stderr());
    }
}
