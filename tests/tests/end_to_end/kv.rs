//! A server of HashiCorp Vault or OpenBao as a source: every record of it, what may not be read, what it should not answer.
//!
//! The answers are those of a real server (1.21.4), which `make test-vault` runs the first test against as well.

#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

use keyferry_tests::Scene;
use keyferry_tests::kv::{Real, Recorded, Reply, Request};
use serde_json::{Value, json};
use std::sync::Mutex;

/// Planted, so that leaks can be searched for.
const TOKEN: &str = "hvs.planted-token";

fn reply(status: u16, body: &Value) -> Reply {
    (status, "", body.to_string())
}

fn denied() -> Reply {
    reply(403, &json!({"errors": ["1 error occurred:\n\t* permission denied\n\n"]}))
}

fn absent() -> Reply {
    reply(404, &json!({"errors": []}))
}

fn keys(keys: &[&str]) -> Reply {
    reply(
        200,
        &json!({"request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 0, "data": {"keys": keys}, "mount_type": "kv"}),
    )
}

fn first(data: &Value) -> Reply {
    reply(
        200,
        &json!({"request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 2_764_800, "data": data, "wrap_info": null, "warnings": null, "auth": null, "mount_type": "kv"}),
    )
}

fn second(data: &Value, custom: &Value) -> Reply {
    let metadata = json!({"created_time": "2026-11-30T15:04:05.123456789Z", "custom_metadata": custom, "deletion_time": "", "destroyed": false, "version": 3});
    reply(
        200,
        &json!({"request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 0, "data": {"data": data, "metadata": metadata}, "wrap_info": null, "warnings": null, "auth": null, "mount_type": "kv"}),
    )
}

fn mounts(of: &[(&str, &str, &str)]) -> Reply {
    let of = of.iter().map(|(path, kind, version)| {
        let options = if version.is_empty() { Value::Null } else { json!({"version": version}) };
        ((*path).to_owned(), json!({"type": kind, "options": options, "description": ""}))
    });
    reply(200, &json!({"data": {"auth": {}, "secret": of.collect::<serde_json::Map<_, _>>()}}))
}

fn mount(path: &str, version: &str) -> Reply {
    reply(
        200,
        &json!({"data": {"path": path, "type": "kv", "options": {"version": version}, "accessor": "kv_1"}}),
    )
}

/// The tree that both servers hold, of this version of the API.
fn tree(request: &Request) -> Reply {
    if request.token != TOKEN {
        return reply(
            403,
            &json!({"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}),
        );
    }
    match request.path.strip_prefix("/v1/").unwrap_or_default() {
        "sys/internal/ui/mounts" => mounts(&[
            ("secret/", "kv", "2"),
            ("team/old/", "kv", "1"),
            ("pki/", "pki", ""),
            ("cubbyhole/", "cubbyhole", ""),
        ]),
        path if path.starts_with("sys/internal/ui/mounts/secret") => mount("secret/", "2"),
        path if path.starts_with("sys/internal/ui/mounts/team") => mount("team/old/", "1"),
        "secret/metadata/?list=true" => keys(&["app", "app/", "gone", "hidden", "locked/", "two words %3F"]),
        "secret/metadata/app/?list=true" => keys(&["db/", "web"]),
        "secret/metadata/app/db/?list=true" => keys(&["main.prod"]),
        "secret/data/app" => second(
            &json!({"username": "root", "password": "planted-1", "port": 5432}),
            &json!({"owner": "ops"}),
        ),
        "secret/data/app/web" => {
            second(&json!({"url": "https://w.example", "nested": {"a": [1, 2]}, "on": false}), &Value::Null)
        }
        "secret/data/app/db/main.prod" => second(&json!({"value": "planted-2"}), &Value::Null),
        "secret/data/two%20words%20%253F" => second(&json!({"notes": "Ä\u{2028}ö"}), &Value::Null),
        "secret/data/gone" => reply(
            404,
            &json!({"request_id": "r", "lease_id": "", "data": {"data": null, "metadata": {"created_time": "2026-11-30T15:04:05Z", "custom_metadata": null, "deletion_time": "2026-11-30T15:05:05Z", "destroyed": false, "version": 2}}}),
        ),
        "team/old/?list=true" => keys(&["data"]),
        "team/old/data" => {
            first(&json!({"data": {"x": "planted-3"}, "metadata": {"version": 1}, "keys": ["k"]}))
        }
        "secret/data/hidden" | "secret/metadata/locked/?list=true" => denied(),
        _ => absent(),
    }
}

/// Imports the tree of a server and looks at every record of it.
fn comes_whole(address: &str, token: &str) {
    let scene = Scene::with_environments(&["a"]);
    let location = format!("vault+http://{address}/");
    let variables = [("KEYFERRY_VAULT_TOKEN", Some(token))];
    let run = scene.run_with(&variables, &["import", &location, "embedded:a"]);
    // Two paths are rejected, and named.
    run.exits(3).hides(token).hides("planted-1");
    let told = run.stdout() + &run.stderr();
    for words in ["secret/hidden", "secret/locked", "secret/gone", "the token may not read this"] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    scene.run(&["export", "embedded:a", "out.jsonl", "--allow-plaintext"]).succeeds();
    let mut records: Vec<Value> =
        scene.read("out.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    records.retain(|record| record.get("name").is_some());
    records.sort_by_key(|record| format!("{}{}{}", record["vault"], record["path"], record["name"]));
    let shown: Vec<_> =
        records.iter().map(|one| format!("{} {} {}", one["vault"], one["path"], one["name"])).collect();
    assert_eq!(
        shown,
        [
            r#""secret" ["app","db"] "main.prod""#,
            r#""secret" ["app"] "web""#,
            r#""secret" [] "app""#,
            r#""secret" [] "two words %3F""#,
            r#""team" ["old"] "data""#,
        ]
    );
    let fields = |record: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all: Vec<_> = record["customs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (text(&one["name"]), text(&one["value"])))
            .collect();
        for name in ["login", "password", "url"] {
            all.push((name.to_owned(), text(&record[name])));
        }
        all.retain(|(_, value)| !value.is_empty());
        all.sort();
        all
    };
    let are = |index: usize, wanted: &[(&str, &str)]| {
        let wanted: Vec<_> =
            wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(fields(&records[index]), wanted, "{}", shown[index]);
    };
    are(0, &[("password", "planted-2")]);
    are(1, &[("nested", r#"{"a":[1,2]}"#), ("on", "false"), ("url", "https://w.example")]);
    are(2, &[("login", "root"), ("password", "planted-1"), ("port", "5432")]);
    are(3, &[]);
    assert_eq!(records[3]["description"], "Ä\u{2028}ö");
    are(4, &[("data", r#"{"x":"planted-3"}"#), ("keys", r#"["k"]"#), ("metadata", r#"{"version":1}"#)]);
    assert_eq!(records[2]["tags"], json!(["owner:ops"]));
    // What may not be read is no less missing on the second look.
    scene.run_with(&variables, &["verify", &location, "embedded:a"]).exits(3);
    // A place of it, brought to a place; again, nothing is new.
    let place = format!("vault+http://{address}/secret/app");
    scene.run_with(&variables, &["verify", &place, "embedded:a"]).succeeds().prints("3 verified equal");
    scene
        .run_with(&variables, &["import", &place, "embedded:a//Here", "--structure", "keep", "--dry-run"])
        .succeeds();
    let again = scene.run_with(&variables, &["--json", "sync", &place, "embedded:a//Sync"]).succeeds().json();
    assert_eq!(again["created"], 3);
    let again = scene.run_with(&variables, &["--json", "sync", &place, "embedded:a//Sync"]).succeeds().json();
    assert_eq!((&again["created"], &again["unchanged"]), (&json!(0), &json!(3)));
    let one = format!("vault+http://{address}/team/old/data");
    scene.run_with(&variables, &["migrate", &one, "one.jsonl", "--allow-plaintext"]).succeeds();
    assert!(scene.read("one.jsonl").contains(r#""vault":"team""#), "{}", scene.read("one.jsonl"));
}

#[test]
fn every_secret_is_a_record_and_what_may_not_be_read_is_named() {
    let server = Recorded::new(|request, _| tree(request));
    comes_whole(&server.address, TOKEN);
    let scene = Scene::new();
    let location = format!("vault+http://{}", server.address);
    let token = [("KEYFERRY_VAULT_TOKEN", Some(TOKEN))];
    let run = scene.run_with(&token, &["migrate", &location, "all.jsonl", "--allow-plaintext"]);
    assert!((run.exits(3).stdout() + &run.stderr()).contains("pki/ (pki)"), "{}", run.whole());
    for request in server.asked() {
        assert_eq!((request.method.as_str(), request.token.as_str()), ("GET", TOKEN), "{request:?}");
        assert_eq!(request.namespace, "");
    }
}

#[test]
fn a_real_server_is_read_the_same_way() {
    let Some(server) = Real::start() else { return };
    let mount = |path: &str, version: &str| {
        server.does(
            "POST",
            &format!("sys/mounts/{path}"),
            &json!({"type": "kv", "options": {"version": version}}),
        );
    };
    mount("secret", "2");
    mount("team/old", "1");
    // An engine with versions makes itself ready after it was mounted.
    let is_ready =
        || server.send("POST", "secret/data/app", &server.token, &json!({"data": {"a": "first"}})).0 == 200;
    assert!((0..200).any(|_| is_ready() || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        false
    }));
    let put = |path: &str, data: Value| {
        drop(server.does("POST", &format!("secret/data/{path}"), &json!({"data": data})));
    };
    put("app", json!({"username": "root", "password": "planted-1", "port": 5432}));
    server.does("POST", "secret/metadata/app", &json!({"custom_metadata": {"owner": "ops"}}));
    put("app/web", json!({"url": "https://w.example", "nested": {"a": [1, 2]}, "on": false}));
    put("app/db/main.prod", json!({"value": "planted-2"}));
    put("two%20words%20%253F", json!({"notes": "Ä\u{2028}ö"}));
    put("hidden", json!({"x": "planted-4"}));
    put("locked/x", json!({"x": "planted-4"}));
    put("gone", json!({"x": "planted-4"}));
    server.does("DELETE", "secret/data/gone", &Value::Null);
    server.does(
        "POST",
        "team/old/data",
        &json!({"data": {"x": "planted-3"}, "metadata": {"version": 1}, "keys": ["k"]}),
    );
    let rules = r#"path "secret/*" { capabilities = ["read", "list"] } path "team/old/*" { capabilities = ["read", "list"] }
        path "secret/data/hidden" { capabilities = ["deny"] } path "secret/metadata/locked/" { capabilities = ["deny"] }"#;
    server.does("POST", "sys/policies/acl/most", &json!({"policy": rules}));
    let made = server.does("POST", "auth/token/create", &json!({"policies": ["most"]}));
    comes_whole(&server.address, made["auth"]["client_token"].as_str().unwrap());
    // A token that the server does not know, and one that ended.
    let scene = Scene::with_environments(&["a"]);
    let location = format!("vault+http://{}/secret", server.address);
    scene
        .run_with(&[("KEYFERRY_VAULT_TOKEN", Some("hvs.wrong"))], &["import", &location, "embedded:a"])
        .exits(5);
    let all = [("KEYFERRY_VAULT_TOKEN", Some(server.token.as_str()))];
    scene.run_with(&all, &["import", &location, "embedded:a"]).exits(0);
    let nothing = format!("vault+http://{}/secret/nothing", server.address);
    scene
        .run_with(&all, &["import", &nothing, "embedded:a"])
        .exits(1)
        .says("there is no secret and no folder at secret/nothing");
    let no_mount = format!("vault+http://{}/nowhere/x", server.address);
    scene.run_with(&all, &["import", &no_mount, "embedded:a"]).exits(5);
}

#[test]
fn a_token_comes_from_variables_and_files_and_without_one_nothing_is_sent() {
    let server = Recorded::new(|request, _| tree(request));
    let scene = Scene::with_environments(&["a"]);
    let location = format!("vault+http://{}/secret/app/db", server.address);
    let words = ["import", &location, "embedded:a", "--dry-run"];
    scene.run(&words).exits(5).says("KEYFERRY_VAULT_TOKEN");
    assert!(server.asked().is_empty());
    let wrong = scene.run_with(&[("KEYFERRY_VAULT_TOKEN", Some("hvs.planted-wrong"))], &words);
    wrong.exits(5).says("the server does not know the token").hides("hvs.planted-wrong");
    let _ = scene.file("token", format!("{TOKEN}\n"));
    scene.run_with(&[("KEYFERRY_VAULT_TOKEN_FILE", Some("token"))], &words).succeeds();
    scene.run_with(&[("VAULT_TOKEN", Some(TOKEN))], &words).succeeds();
    let elsewhere = [("VAULT_TOKEN", Some(TOKEN)), ("VAULT_ADDR", Some("https://v.example.com"))];
    scene.run_with(&elsewhere, &words).exits(5);
    let _ = scene.file(".vault-token", TOKEN);
    scene.run(&words).succeeds();
    let here = format!("http://{}", server.address);
    let by_variable = ["import", "vault:///secret/app/db", "embedded:a", "--dry-run"];
    scene.run_with(&[("VAULT_ADDR", Some(&here))], &by_variable).succeeds();
}

#[test]
fn plain_http_to_another_machine_is_refused() {
    let scene = Scene::with_environments(&["a"]);
    let token = [("KEYFERRY_VAULT_TOKEN", Some(TOKEN))];
    let run = scene.run_with(&token, &["import", "vault+http://vault.example.com:8200/secret", "embedded:a"]);
    run.exits(5).says("in the clear").hides(TOKEN);
}

#[test]
fn a_pause_that_the_server_asks_for_is_kept_and_told() {
    let server = Recorded::new(|request, number| match number {
        1 => (
            429,
            "Retry-After: 1\r\n",
            json!({"errors": ["request path \"secret/\": rate limit quota exceeded"]}).to_string(),
        ),
        3 => (503, "Retry-After: 1\r\n", json!({"errors": ["Vault is sealed"]}).to_string()),
        _ => tree(request),
    });
    let scene = Scene::with_environments(&["a"]);
    let location = format!("vault+http://{}/secret/app/db", server.address);
    let run = scene.run_with(
        &[("KEYFERRY_VAULT_TOKEN", Some(TOKEN))],
        &["import", &location, "embedded:a", "--dry-run"],
    );
    run.succeeds().says("asks for a pause of 1 s");
    let asked = server.asked();
    assert_eq!((&asked[1].path, &asked[3].path), (&asked[2].path, &asked[4].path));
}

#[test]
fn a_server_that_lies_leads_nowhere() {
    let scene = Scene::with_environments(&["a"]);
    let token = [("KEYFERRY_VAULT_TOKEN", Some(TOKEN))];
    let against = |answer: fn(&Request) -> Reply| {
        let server = Recorded::new(move |request, _| answer(request));
        let location = format!("vault+http://{}/secret", server.address);
        (scene.run_with(&token, &["--json", "import", &location, "embedded:a", "--dry-run"]), server)
    };
    // Names that would lead elsewhere.
    let (run, server) = against(|request| match request.path.as_str() {
        "/v1/secret/metadata/?list=true" => keys(&["..", "../../sys/seal", "a/b", "", "/", "ok", "ok"]),
        "/v1/secret/data/ok" => second(&json!({"value": "v"}), &Value::Null),
        path if path.starts_with("/v1/sys/internal") => mount("secret/", "2"),
        _ => denied(),
    });
    let plan = run.exits(3).json();
    assert_eq!(
        (plan["create"].as_u64(), plan["rejected"].as_array().map(Vec::len)),
        (Some(1), Some(5)),
        "{plan}"
    );
    assert!(
        server.asked().iter().all(|request| !request.path.contains("..") && !request.path.contains("seal"))
    );
    // Folders without an end.
    let (run, _) = against(|request| match request.path.as_str() {
        path if path.starts_with("/v1/sys/internal") => mount("secret/", "2"),
        path if path.ends_with("?list=true") => keys(&["a/"]),
        _ => denied(),
    });
    let plan = run.json();
    assert!(plan["rejected"].to_string().contains("nested more than 128 deep"), "{plan}");
    // A redirection is not followed with a token.
    let (run, _) = against(|_| (307, "Location: http://127.0.0.1:1/\r\n", String::new()));
    run.exits(1).says("redirects");
    // What is no such server, or says nonsense.
    let (run, _) = against(|_| (200, "", "<html>planted</html>".to_owned()));
    run.exits(1).says("the answer is not one of a server").hides("planted<");
    let (run, _) = against(|request| match request.path.as_str() {
        path if path.starts_with("/v1/sys/internal") => mount("other/", "2"),
        _ => absent(),
    });
    run.exits(1).says("a mount that the path does not begin with");
    // One secret that the server cannot decrypt keeps no other back.
    let (run, _) = against(|request| match request.path.as_str() {
        "/v1/secret/metadata/?list=true" => keys(&["broken", "ok", "text"]),
        "/v1/secret/data/ok" => second(&json!({"value": "v"}), &Value::Null),
        "/v1/secret/data/text" => (200, "", "planted".to_owned()),
        path if path.starts_with("/v1/sys/internal") => mount("secret/", "2"),
        _ => reply(400, &json!({"errors": ["cipher: message authentication failed"]})),
    });
    let plan = run.exits(3).hides("planted").json();
    assert_eq!(
        (plan["create"].as_u64(), plan["rejected"].as_array().map(Vec::len)),
        (Some(1), Some(2)),
        "{plan}"
    );
}

#[test]
fn namespaces_are_folders_above_their_mounts() {
    let server = Recorded::new(|request, _| {
        let path = request.path.strip_prefix("/v1/").unwrap_or_default();
        match (request.namespace.as_str(), path) {
            ("top", "sys/internal/ui/mounts") => mounts(&[("kv/", "kv", "1")]),
            ("top/team%20a", "sys/internal/ui/mounts") => mounts(&[("kv/", "kv", "2")]),
            ("top", "sys/namespaces?list=true") => keys(&["shut/", "team a/"]),
            ("top/team%20a", "sys/namespaces?list=true") | ("top/shut", _) => denied(),
            ("top", "kv/?list=true") => keys(&["one"]),
            ("top", "kv/one") => first(&json!({"value": "1"})),
            ("top/team%20a", "kv/metadata/?list=true") => keys(&["two"]),
            ("top/team%20a", "kv/data/two") => second(&json!({"value": "2"}), &Value::Null),
            _ => absent(),
        }
    });
    let scene = Scene::with_environments(&["a"]);
    let token = [("KEYFERRY_VAULT_TOKEN", Some(TOKEN))];
    let location = format!("vault+http://{}/?namespace=top", server.address);
    let run = scene.run_with(&token, &["migrate", &location, "out.jsonl", "--allow-plaintext"]);
    run.exits(3);
    let told = run.stdout() + &run.stderr();
    assert!(told.contains("top/shut") && told.contains("may not list the namespaces"), "{told}");
    let out = scene.read("out.jsonl");
    assert!(out.contains(r#""vault":"kv","path":[],"name":"one""#), "{out}");
    assert!(out.contains(r#""vault":"team a","path":["kv"],"name":"two""#), "{out}");
}

#[test]
fn what_is_left_out_by_its_place_is_not_asked_for() {
    static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let server = Recorded::new(|request, _| {
        ASKED.lock().unwrap().push(request.path.clone());
        tree(request)
    });
    let scene = Scene::with_environments(&["a"]);
    let token = [("KEYFERRY_VAULT_TOKEN", Some(TOKEN))];
    let location = format!("vault+http://{}/secret/app", server.address);
    let run = scene
        .run_with(&token, &["import", &location, "embedded:a", "--dry-run", "--exclude", "secret/app/db"]);
    run.succeeds().prints("1 record was left out by --exclude secret/app/db");
    assert!(!ASKED.lock().unwrap().iter().any(|path| path.contains("main.prod")));
}
