//! Reports as files, samples and what is known before a transfer.

use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::records::{lifelike, write_jsonl};
use keyferry_tests::server::Served;
use serde_json::{Value, json};

const HOSTILE: &str = r#"{"vault":"V","name":"<script>alert(1)</script>","password":"hidden-word"}
{"vault":"V","name":"taken","password":"hidden-word"}
"#;

#[test]
fn every_kind_of_report_names_what_was_left_out_and_no_value() {
    let scene = Scene::with_environments(&["a"]);
    scene
        .run(&[
            "import",
            scene.file("first.jsonl", r#"{"vault":"V","name":"taken","url":"x"}"#),
            "embedded:a",
        ])
        .succeeds();
    let more = scene.file("more.jsonl", HOSTILE);
    for (file, word) in [
        ("r.html", "<td>V / taken</td>"),
        ("r.md", "| V / taken |"),
        ("r.json", "\"skipped\": [\n      \"V / taken\""),
    ] {
        let words = ["import", more, "embedded:a", "--on-conflict", "skip", "--report", file];
        scene.run(&words).exits(3);
        let page = scene.read(file);
        assert!(page.contains(word), "{page}");
        assert!(!page.contains("hidden-word"), "{page}");
        assert!(file == "r.json" || !page.contains("<script"), "{page}");
    }
    let page = scene.read("r.html");
    assert!(page.contains("<svg") && page.contains("Content-Security-Policy"));
    let loaded = ["src=", "href=", "url(", "@import", "http:"];
    assert!(loaded.iter().all(|word| !page.contains(word)), "one file, nothing loaded");
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_happens() {
    let scene = Scene::with_environments(&["a"]);
    let more = scene.file("more.jsonl", HOSTILE);
    scene.run(&["import", more, "embedded:a", "--report", "r.pdf"]).exits(2).says(".html, .md or .json");
    scene.run(&["import", more, "embedded:a", "--report", "absent/r.md"]).exits(1).says("absent/r.md");
    assert_eq!(scene.run(&["tree", "embedded:a"]).succeeds().stdout(), "");
}

#[test]
fn a_sample_is_compared_and_finds_what_the_sink_changed() {
    let scene = Scene::with_environments(&["a", "b"]);
    write_jsonl(&lifelike(900, 8), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    let report =
        scene.run(&["--json", "migrate", "embedded:a", "embedded:b", "--verify", "sample"]).succeeds().json();
    assert_eq!((report["created"].as_u64(), report["verified"].as_u64()), (Some(900), Some(400)));
    scene.run(&["verify", "embedded:a", "embedded:b"]).succeeds();

    // A server that gives back another address than it was given.
    let served = Served::new(&scene, "c", "on");
    let lie = |answer: &mut Value| {
        for response in answer["responses"].as_array_mut().unwrap() {
            if response["body"]["keyEncrypted"].is_string() {
                response["body"]["url"] = json!("https://elsewhere.example.com");
            }
        }
    };
    let plan = move |asked: &Asked| asked.path.starts_with("/api/v1/batch").then_some(Fault::Lie(lie));
    let proxy = Proxy::new(&served.url, Box::new(plan));
    let words = ["--json", "migrate", "embedded:a", &proxy.url, "--verify", "sample"];
    let output = served.command(&scene, &words).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4));
    let different = report["different"].as_array().unwrap();
    // A record that is the only one of its vault in the sample is asked for without a batch, and so without a lie.
    let untouched = report["verified"].as_u64().unwrap();
    assert_eq!((different.len() as u64 + untouched, untouched < 10), (400, true));
    assert!(different.iter().all(|one| one["what"].as_array().unwrap().contains(&json!("url"))));
}

#[test]
fn a_dry_run_tells_what_stands_in_the_way_and_what_stays_behind() {
    let scene = Scene::with_environments(&["a"]);
    scene.run(&["env", "init", "embedded:b", "--user", "admin", "--client-encryption", "off"]).succeeds();
    let more = scene.file("more.jsonl", HOSTILE);
    scene.run(&["import", more, "embedded:a"]).succeeds();
    let plan = scene.run(&["--json", "migrate", "embedded:a", "embedded:b", "--dry-run"]);
    let plan = plan.exits(5).json();
    let checks = plan["preflight"]["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["standing"] == "bad"), "{plan}");
    let staying: Vec<_> =
        plan["preflight"]["not_movable"].as_array().unwrap().iter().map(|one| &one["what"]).collect();
    assert!(staying.iter().any(|what| *what == "history"), "{staying:?}");
    assert!(plan["estimated_seconds"].as_f64().unwrap() > 0.0);
    assert!(plan["estimated_by"].is_null(), "nothing was ever written there");
    let one = scene.file("one.jsonl", r#"{"name":"one","password":"p"}"#);
    let known = scene.run(&["--json", "import", one, "embedded:a", "--dry-run"]).succeeds().json();
    assert_eq!(known["estimated_by"], 1, "{known}");
    scene.run(&["import", one, "embedded:a", "--dry-run"]).prints("as fast as job 1");
    scene.run(&["migrate", "embedded:a", "embedded:b"]).exits(5).says("nothing was written");
    let words = ["migrate", "embedded:a", "embedded:b", "--dry-run", "--allow-unencrypted-target"];
    let told = scene.run(&words).succeeds().stdout();
    assert!(told.contains("encryption ends here"), "{told}");
}

#[test]
fn a_session_that_cannot_be_renewed_is_told_before_a_long_job() {
    let scene = Scene::new();
    let served = Served::new(&scene, "a", "on");
    let more = scene.file("more.jsonl", HOSTILE);
    let mut command = served.command(&scene, &["import", more, &served.url]);
    let output = command.env_remove("KEYFERRY_REFRESH_TOKEN").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("no refresh token"), "{told}");
}

/// Two users, of whom one may only look.
#[test]
fn a_vault_that_this_user_may_not_write_to_is_told_at_once() {
    let scene = Scene::with_environments(&["a"]);
    let more = scene.file("more.jsonl", HOSTILE);
    scene.run(&["import", more, "embedded:a"]).succeeds();
    scene.run(&["env", "add", "prod", "embedded:a"]).succeeds();
    let database = rusqlite::Connection::open(scene.path("a/environment.db")).unwrap();
    // The number of `read`.
    assert_eq!(database.execute("UPDATE vault_users SET role = 1, own_role = 1", []).unwrap(), 1);
    let own = [("KEYFERRY_PROD_MASTER_PASSWORD", Some(keyferry_tests::MASTER_PASSWORD))];
    let new = scene.file("new.jsonl", r#"{"name":"new"}"#);
    scene.run_with(&own, &["import", new, "prod:V"]).exits(5).says("may not write to vault V");
}

#[test]
fn a_report_says_what_it_proves_where_and_by_whom() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("s.csv", "vault,name,password\nInfra,pg,hidden-word\nHR,pay,hidden-word\n");
    scene.run(&["import", file, "embedded:a", "--report", "r.json"]).succeeds();
    let page: Value = serde_json::from_str(&scene.read("r.json")).unwrap();
    assert_eq!(page["command"][0], "import");
    assert_eq!((&page["sink"]["user"], &page["source"]), (&json!("admin"), &Value::Null));
    assert_eq!(page["sink"]["public_key"].as_str().map(str::len), Some(64));
    let vaults: Vec<_> = page["report"]["vaults"].as_array().unwrap().iter().collect();
    assert_eq!(vaults.len(), 2);
    assert_eq!((&vaults[0]["vault"], &vaults[0]["created"]), (&json!("HR"), &json!(1)));
    let digest = page["report"]["digest"].as_str().unwrap().to_owned();
    scene.run(&["verify", file, "embedded:a", "--report", "r.html"]).succeeds();
    let html = scene.read("r.html");
    for word in [&digest, "Checked by", "signed in as admin", "keyferry verify s.csv embedded:a"] {
        assert!(html.contains(word), "{word} in {html}");
    }
    scene
        .run(&["import", file, "embedded:a", "--on-conflict", "duplicate", "--report", "again.md"])
        .succeeds();
    assert!(!scene.read("again.md").contains("keyferry undo"), "what wrote nothing is no job");
    let more = scene.file("m.csv", "vault,name,password\nInfra,new,x\n");
    scene.run(&["import", more, "embedded:a", "--report", "more.md"]).succeeds();
    assert!(scene.read("more.md").contains("keyferry undo 2 takes it back"));
}

#[test]
fn a_report_names_the_certificate_of_the_server_that_answered() {
    let scene = Scene::new();
    let served = Served::over_tls(&scene, "a");
    let file = scene.file("s.csv", "vault,name,password\nInfra,pg,x\n");
    let mut import = served.command(&scene, &["import", file, &served.url, "--report", "r.json"]);
    import.env("SSL_CERT_FILE", scene.path("a").join("tls.crt"));
    scene.finish(import).succeeds();
    let page: Value = serde_json::from_str(&scene.read("r.json")).unwrap();
    let shown = served.fingerprint.clone().unwrap().replace(':', "").to_lowercase();
    assert_eq!(page["sink"]["certificate"], json!(shown));
}
