//! A server that lies: what it says is input. Refused with a clear error, nothing written outside
//! the target, no secret sent elsewhere.

#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

use keyferry_core::crypto::generate;
use keyferry_core::crypto::keychain::{Keychain, PublicKey, vault_key_hash};
use keyferry_core::model::{Attachment, Record, RecordPath};
use keyferry_core::secret::{SecretBytes, SecretString};
use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::records::{lifelike, write_jsonl};
use keyferry_tests::server::Served;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Runs a command against an environment of some records whose answers at `path` are faulty.
fn against(path: &'static str, fault: Fault, words: &[&str]) -> (Scene, Output) {
    let scene = Scene::new();
    write_jsonl(&lifelike(60, 9), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", "on");
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    let plan = move |asked: &Asked| asked.path.starts_with(path).then_some(fault);
    let proxy = Proxy::new(&served.url, Box::new(plan));
    let words: Vec<&str> = words.iter().map(|word| if *word == "URL" { &proxy.url } else { *word }).collect();
    let output = served.command(&scene, &words).output().unwrap();
    assert!(!proxy.done().is_empty(), "the lie was not asked for");
    (scene, output)
}

const EXPORT: [&str; 6] = ["--timeout", "3", "export", "URL", "out.jsonl", "--allow-plaintext"];

/// Insists that an export ends with this code and words, and leaves no file.
fn refuses(path: &'static str, fault: Fault, code: i32, words: &str) {
    let start = Instant::now();
    let (scene, output) = against(path, fault, &EXPORT);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(words), "{told}");
    assert!(!told.contains("promise of keyferry's own"), "{told}");
    assert!(!scene.path("out.jsonl").exists(), "a file that is not whole has no name");
    assert!(start.elapsed() < Duration::from_secs(60), "it ended, but not soon");
}

#[test]
fn weak_and_absurd_key_derivation_is_refused() {
    fn options(options: &'static str) -> impl Fn(&mut Value) {
        move |answer| answer["masterKeyOptions"] = json!(options)
    }
    let path = "/api/v1/users/master-key/options";
    let weak: [fn(&mut Value); 4] = [
        |answer| options("pbkdf:sha256:1:64:abcdefghijabcdefghij")(answer),
        |answer| options("pbkdf:sha256:299999:64:abcdefghijabcdefghij")(answer),
        |answer| options("pbkdf:sha1:300000:64:abcdefghijabcdefghij")(answer),
        |answer| options("pbkdf:sha512:300000:64:short")(answer),
    ];
    for lie in weak {
        refuses(path, Fault::Lie(lie), 5, "--allow-weak-kdf");
    }
    let absurd = Fault::Lie(|answer| options("pbkdf:sha256:4000000000:64:abcdefghijabcdefghij")(answer));
    refuses(path, absurd, 1, "rounds");
    refuses(path, Fault::Lie(|answer| options("none")(answer)), 1, "make no sense");
}

/// The hash of a master key that is weakly derived is as good as the password to whoever tries: no server is sent it that
/// has not shown the private key which it opens.
#[test]
fn what_a_weak_derivation_makes_is_told_to_nobody() {
    const WEAK: &str = "pbkdf:sha256:1000:64:a-salt-of-the-server";
    let scene = Scene::new();
    let served = Served::new(&scene, "a", "on");
    let proxy = Proxy::new(
        &served.url,
        Box::new(|asked: &Asked| match asked.path.as_str() {
            "/api/v1/users/master-key/options" => {
                Some(Fault::Lie(|answer| answer["masterKeyOptions"] = json!(WEAK)))
            }
            "/api/v1/users/keys" => Some(Fault::Refuses(
                401,
                r#"{"errors":[{"code":"masterKeyHashInvalid","message":"show the hash"}]}"#,
            )),
            _ => None,
        }),
    );
    for flags in [&[][..], &["--allow-weak-kdf"]] {
        let words = [flags, &["get", "--from", &proxy.url, "V/one"]].concat();
        scene.finish(served.command(&scene, &words)).exits(5);
        let heard = String::from_utf8_lossy(&proxy.received()).to_ascii_lowercase();
        assert!(heard.contains("/users/keys") || flags.is_empty(), "it was asked for");
        assert!(!heard.contains("x-master-key-hash"), "{heard}");
    }
}

#[test]
fn a_vault_key_that_is_not_the_vaults_is_refused() {
    // Two vaults change their keys: each opens, and neither is what its vault was made with.
    let swap = Fault::Lie(|answer| {
        let vaults = answer["items"].as_array_mut().unwrap();
        let first = vaults[0]["masterKeyEncrypted"].take();
        vaults[0]["masterKeyEncrypted"] = vaults[1]["masterKeyEncrypted"].take();
        vaults[1]["masterKeyEncrypted"] = first;
    });
    let (_, output) = against("/api/v1/vaults", swap, &EXPORT);
    let told = String::from_utf8_lossy(&output.stdout);
    // Whoever shares a vault gives the copy of its key: that of one vault keeps no other back.
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("not the one the vault was made with"), "{told}");
}

/// A vault that somebody shared with a copy of its key that is another's: no other vault is kept back by it, and what
/// reads it says so.
#[test]
fn a_vault_shared_with_a_copy_of_another_key_leaves_the_others_to_be_read() {
    let scene = Scene::with_environments(&["a", "b"]);
    let _ = scene.file("one.jsonl", r#"{"vault":"Good","name":"one","password":"x"}"#);
    scene.run(&["import", "one.jsonl", "embedded:a"]).succeeds();
    let pem = scene.run(&["env", "public-key", "embedded:a"]).succeeds().stdout();
    let wrapped = PublicKey::from_pem(&pem).unwrap().wrap(&generate::key().unwrap()).unwrap();
    let (made_with, salt) = (generate::key().unwrap(), generate::salt(32).unwrap());
    let vault = json!({
        "name": "Bad", "masterKeyEncrypted": wrapped, "salt": salt,
        "masterKeyHash": vault_key_hash(&made_with, &salt),
    });
    let params = vault.to_string();
    let made =
        ["api", "--from", "embedded:a", "--method", "POST", "--endpoint", "v1/vaults", "--params", &params];
    let id = scene.run(&made).succeeds().json()["id"].as_str().unwrap().to_owned();
    // It is not empty, so that there is something to be left out.
    let item = json!({ "vaultId": id, "name": "theirs", "keyEncrypted": "", "customs": [] }).to_string();
    let made =
        ["api", "--from", "embedded:a", "--method", "POST", "--endpoint", "v1/items", "--params", &item];
    scene.run(&made).succeeds();
    for words in [
        &["export", "embedded:a", "out.jsonl", "--allow-plaintext"][..],
        &["migrate", "embedded:a", "embedded:b"],
        &["archive", "create", "embedded:a", "out.kfa"],
    ] {
        scene.run(words).exits(3).prints("Bad").prints("not the one the vault was made with");
    }
    assert!(scene.read("out.jsonl").contains("one"));
    scene.run(&["get", "--from", "embedded:b", "Good/one"]).succeeds();
    scene.run(&["get", "--from", "embedded:a", "Good/one"]).succeeds();
    scene.run(&["fsck", "embedded:a"]).exits(4).prints("vault-key");
    scene.run(&["import", "one.jsonl", "embedded:a"]).succeeds();
    // Where something is to be written into it, it is an error.
    scene
        .run(&["import", "one.jsonl", "embedded:a//Bad"])
        .exits(5)
        .says("not the one the vault was made with");
}

#[test]
fn an_identifier_that_leaves_its_place_is_refused() {
    let escape = Fault::Lie(|answer| answer["items"][0]["id"] = json!("../../users/logout"));
    refuses("/api/v1/items?", escape, 1, "no identifier");
}

#[test]
fn bodies_that_never_end_end_all_the_same() {
    let item = r#"{"id":"0123456789abcdef01234567","name":"n"},"#;
    refuses("/api/v1/items?", Fault::Endless(r#"{"items":["#, item), 1, "twice");
    refuses("/api/v1/items?", Fault::Endless(r#"{"items":[{"id":""#, "aaaaaaaaaaaaaaaa"), 1, "");
    refuses("/api/v1/users/keys", Fault::Endless(r#"{"keys":""#, "aaaaaaaaaaaaaaaa"), 1, "more than");
}

#[test]
fn json_without_a_bottom_is_refused() {
    let deep = Fault::Body(|| "[".repeat(10_000).into_bytes());
    refuses("/api/v1/users/keys", deep, 1, "the answer");
    let deep = Fault::Body(|| format!("{{\"items\":[{}", "{\"a\":".repeat(10_000)).into_bytes());
    refuses("/api/v1/items?", deep, 1, "");
}

#[test]
fn answers_that_do_not_match_their_questions_are_refused() {
    let fewer = Fault::Lie(|answer| {
        answer["responses"].as_array_mut().unwrap().pop();
    });
    refuses("/api/v1/batch", fewer, 1, "were answered with");
    let other = Fault::Lie(|answer| answer["responses"].as_array_mut().unwrap().reverse());
    refuses("/api/v1/batch", other, 1, "another item");
    let twice = Fault::Lie(|answer| {
        let items = answer["items"].as_array_mut().unwrap();
        if let Some(first) = items.first().cloned() {
            items.push(first);
        }
    });
    refuses("/api/v1/items?", twice, 1, "twice");
}

#[test]
fn credentials_do_not_follow_a_redirect() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    refuses("/api/v1/vaults", Fault::Redirect(elsewhere.local_addr().unwrap()), 1, "redirects");
    assert!(elsewhere.accept().is_err(), "nobody was to come here");
}

#[test]
fn folders_that_form_a_cycle_do_not_hold_anyone_up() {
    let cycle = Fault::Lie(|answer| {
        let folders = answer["items"].as_array_mut().unwrap();
        let ids: Vec<Value> = folders.iter().map(|folder| folder["id"].clone()).collect();
        for (folder, id) in folders.iter_mut().zip(ids.iter().cycle().skip(1)) {
            folder["parentFolderId"] = id.clone();
        }
    });
    let (scene, output) = against("/api/v1/folders", cycle, &EXPORT);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let records = scene.read("out.jsonl").lines().filter(|line| !line.contains("\"folder\":true")).count();
    assert_eq!(records, 60, "every record is there, wherever its folder stands");
}

#[test]
fn folders_without_a_bottom_keep_no_other_vault_back() {
    let deep = Fault::Lie(|answer| {
        let folders = answer["items"].as_array_mut().unwrap();
        let Some(first) = folders.first().cloned() else { return };
        for number in 0..130 {
            let mut folder = first.clone();
            folder["id"] = json!(format!("f{number}"));
            folder["parentFolderId"] =
                if number == 0 { Value::Null } else { json!(format!("f{}", number - 1)) };
            folders.push(folder);
        }
    });
    let (scene, output) = against("/api/v1/folders", deep, &EXPORT);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("nested more than 128 deep"), "{told}");
    assert!(scene.path("out.jsonl").exists(), "what can be read was");
}

#[test]
fn an_attachment_under_anothers_id_is_refused() {
    let scene = Scene::new();
    let served = Served::new(&scene, "a", "on");
    let file = Attachment { name: "key.pem".into(), content: SecretBytes::new(b"content".to_vec()) };
    let path = RecordPath { vault: Some("V".into()), folders: Vec::new() };
    let one = Record { path, name: "one".into(), attachments: vec![file], ..Record::default() };
    write_jsonl(&[one], &scene.path("one.jsonl"));
    scene.run(&["import", "one.jsonl", "embedded:a"]).succeeds();
    let lie = Fault::Lie(|answer| answer["id"] = json!("0123456789abcdef01234567"));
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |asked: &Asked| asked.path.contains("/attachment/").then_some(lie)),
    );
    let get = |from: &str| {
        let words = ["get", "--from", from, "V/one", "--attachment", "key.pem"];
        scene.finish(served.command(&scene, &words))
    };
    get(&served.url).succeeds().prints("content");
    get(&proxy.url).exits(1).says("another attachment");
    let export = ["export", &proxy.url, "out.jsonl", "--allow-plaintext"];
    scene.finish(served.command(&scene, &export)).exits(1).says("another attachment");
}

/// A record in an environment behind a proxy that answers every change so.
fn changes_are_answered(encryption: &str, fault: impl Fn(&Served) -> Fault) -> (Scene, Served, Proxy) {
    let scene = Scene::new();
    let _ = scene.file("one.jsonl", r#"{"vault":"V","name":"one","password":"before"}"#);
    let _ = scene.file("new.jsonl", r#"{"vault":"V","name":"new","password":"planted-and-repeated"}"#);
    let _ = scene.file("secret", "planted");
    let served = Served::new(&scene, "a", encryption);
    scene.run(&["import", "one.jsonl", "embedded:a", "--allow-unencrypted-target"]).succeeds();
    let fault = fault(&served);
    let changes = |asked: &Asked| {
        ["PATCH", "DELETE"].contains(&asked.method.as_str())
            || asked.method == "POST" && asked.path.ends_with("/items")
    };
    let proxy = Proxy::new(&served.url, Box::new(move |asked: &Asked| changes(asked).then_some(fault)));
    (scene, served, proxy)
}

/// What a server repeats of a request in an error is shown, and kept in journals and reports: it may hold tokens, and, where
/// nothing is encrypted by clients, the secrets themselves.
#[test]
fn what_a_server_repeats_of_a_request_is_hidden() {
    let refusal = |what: &str| {
        let body = json!({ "errors": [{ "code": "weak", "message": format!("no: {what}") }] });
        Fault::Refuses(422, Box::leak(body.to_string().into_boxed_str()))
    };
    let (scene, served, proxy) =
        changes_are_answered("on", |served| refusal(&format!("Bearer {}", served.access_token)));
    let mut update =
        served.command(&scene, &["update", "--from", &proxy.url, "V/one", "--stdin", "password"]);
    update.stdin(std::fs::File::open(scene.path("secret")).unwrap());
    scene.finish(update).exits(1).says("no: Bearer [hidden]");
    let import = scene.finish(served.command(&scene, &["import", "new.jsonl", &proxy.url]));
    import.exits(3).prints("no: Bearer [hidden]");
    let journal = scene.path(".local/state/keyferry");
    let files = std::fs::read_dir(journal).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        let bytes = std::fs::read(file).unwrap();
        let token = served.access_token.as_bytes();
        assert!(!bytes.windows(token.len()).any(|window| window == token));
    }
    let (scene, served, proxy) = changes_are_answered("off", |_| refusal("planted-and-repeated"));
    let words = ["import", "new.jsonl", &proxy.url, "--allow-unencrypted-target", "--rejects", "left.jsonl"];
    let import = scene.finish(served.command(&scene, &words));
    assert!(!import.exits(3).prints("no: [hidden]").whole().contains("planted-and-repeated"));
    assert!(!scene.read("left.jsonl").contains("planted-and-repeated"));
}

/// A page to sign in to a network says yes to everything.
#[test]
fn a_page_is_no_yes() {
    let page = Fault::Body(|| b"<html>Please sign in</html>".to_vec());
    let (scene, served, proxy) = changes_are_answered("on", |_| page);
    let run = |words: &[&str]| {
        let mut command = served.command(&scene, words);
        command.stdin(std::fs::File::open(scene.path("secret")).unwrap());
        scene.finish(command)
    };
    let told = run(&["update", "--from", &proxy.url, "V/one", "--stdin", "password"]);
    told.exits(1).says("the answer is not JSON");
    let _ = scene.file("two.jsonl", "{\"vault\":\"W\",\"name\":\"a\"}\n{\"vault\":\"W\",\"name\":\"b\"}\n");
    run(&["import", "two.jsonl", &proxy.url]).succeeds();
    run(&["undo", "last"]).exits(1).says("the answer is not JSON");
    scene.run(&["verify", "two.jsonl", "embedded:a"]).succeeds();
}

/// What is changed, removed and taken back is looked at once more, as a yes alone proves nothing.
#[test]
fn a_yes_without_effect_is_found_out() {
    let (scene, served, proxy) = changes_are_answered("on", |_| Fault::Refuses(200, "{}"));
    let run = |words: &[&str]| {
        let mut command = served.command(&scene, words);
        command.stdin(std::fs::File::open(scene.path("secret")).unwrap());
        scene.finish(command)
    };
    let words = ["update", "--from", &proxy.url, "V/one", "--stdin", "password", "--url", "https://new"];
    run(&words).exits(4).says("shows another value of: password, url");
    // A new field that is given twice is one, and no lie.
    scene
        .run(&["update", "--from", "embedded:a", "V/one", "--custom", "new", "a", "--custom", "new", "b"])
        .succeeds();
    scene.run(&["get", "--from", "embedded:a", "V/one#new"]).succeeds().prints("b");
    let both = "{\"vault\":\"W\",\"name\":\"a\"}\n{\"vault\":\"W\",\"name\":\"b\"}\n";
    let _ = scene.file("w.jsonl", both);
    run(&["sync", "w.jsonl", &proxy.url]).succeeds();
    let _ = scene.file("w.jsonl", "{\"vault\":\"W\",\"name\":\"b\"}\n");
    let told = run(&["sync", "w.jsonl", &proxy.url, "--delete", "--max-delete", "100%"]);
    told.exits(4).prints("shows it as before").prints("W / a");
    // The next one goes on with it.
    run(&["sync", "w.jsonl", &proxy.url, "--delete", "--max-delete", "100%"]).exits(4);
    let told = run(&["--json", "undo", "2"]);
    let told = told.exits(4).json();
    assert_eq!((&told["removed"], &told["still_there"]), (&0.into(), &serde_json::json!(["a", "b"])));
    // It is not done before it is done.
    let jobs = scene.run(&["--json", "jobs"]).succeeds().json();
    let undone = jobs.as_array().unwrap().iter().find(|job| job["id"] == 2).unwrap().clone();
    assert_eq!(undone["state"], "half-undone");
}

#[test]
fn names_of_attachments_lead_nowhere() {
    let (scene, output) = against(
        "/api/v1/batch",
        Fault::Lie(|answer| {
            for response in answer["responses"].as_array_mut().unwrap() {
                for attachment in response["body"]["attachments"].as_array_mut().into_iter().flatten() {
                    attachment["name"] = json!("../escaped\u{0}.txt");
                }
            }
        }),
        &["--timeout", "3", "export", "URL", "json:sub.json", "--allow-plaintext"],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let parent = scene.path("..");
    let escaped = std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(escaped.into_iter().all(|name| !name.to_string_lossy().contains("escaped")));
}

/// The public keys of an administrator, each as the vectors have it.
fn administrator(which: usize) -> Vec<u8> {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/rsa.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(vectors).unwrap()).unwrap();
    let pem = SecretString::from(vectors[which]["private_pem"].as_str().unwrap());
    let public = Keychain::from_pem(&pem).unwrap().public().to_pem().unwrap();
    json!({ "items": [{ "id": "0123456789abcdef01234567", "publicKey": public }] }).to_string().into_bytes()
}

/// Which of them the server shows.
static WHICH: AtomicUsize = AtomicUsize::new(0);

/// With vault types a new vault's key is wrapped for whomever the server names.
#[test]
fn another_users_public_key_that_changes_is_refused_and_no_key_is_wrapped_for_it() {
    let scene = Scene::new();
    let one = scene.file("one.jsonl", r#"{"vault":"V","name":"one","password":"x"}"#);
    let served = Served::new(&scene, "a", "on");
    let through = |which: fn() -> Vec<u8>| {
        Proxy::new(
            &served.url,
            Box::new(move |asked: &Asked| match asked.path.as_str() {
                "/api/v1/app/features" => Some(Fault::Body(|| br#"[{"name":"vaultType"}]"#.to_vec())),
                "/api/v1/vault-types/all" => {
                    Some(Fault::Body(|| br#"{"items":[{"id":"76543210fedcba9876543210"}]}"#.to_vec()))
                }
                path if path.ends_with("/administrators") => Some(Fault::Body(which)),
                // The server has no such user; that it is asked is enough.
                "/api/v1/vaults" if asked.method == "POST" => Some(Fault::Status(422)),
                _ => None,
            }),
        )
    };
    let import_with = |proxy: &Proxy, flags: &[&str]| {
        let words = [&["--timeout", "3", "import", one, &proxy.url], flags].concat();
        let output = served.command(&scene, &words).output().unwrap();
        let asked = proxy.done().iter().any(|done| done.contains("POST /api/v1/vaults"));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), asked)
    };
    let proxy = through(|| administrator(WHICH.load(Ordering::SeqCst)));
    // Nobody is there to be asked.
    let (code, told, asked) = import_with(&proxy, &[]);
    assert!(code == Some(5) && !asked, "{told}");
    assert!(told.contains("never seen here") && told.contains("0123456789abcdef01234567"), "{told}");
    let import = |proxy: &Proxy| import_with(proxy, &["--trust-administrators"]);
    let (_, told, asked) = import(&proxy);
    assert!(asked, "the first key is believed: {told}");
    assert!(told.contains("the keys of new vaults are wrapped for"), "{told}");
    WHICH.store(1, Ordering::SeqCst);
    let before = proxy.done().len();
    let (code, told, _) = import(&proxy);
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("not the one that was seen before") && told.contains("env unpin"), "{told}");
    let posted = proxy.done()[before..].iter().any(|done| done.contains("POST /api/v1/vaults"));
    assert!(!posted, "no vault key left");
    scene.run(&["env", "unpin", &proxy.url, "0123456789abcdef01234567"]).succeeds();
    let before = proxy.done().len();
    import(&proxy);
    assert!(proxy.done()[before..].iter().any(|done| done.contains("POST /api/v1/vaults")));
    // What is pinned needs no leave any more.
    let before = proxy.done().len();
    let (_, told, _) = import_with(&proxy, &[]);
    assert!(proxy.done()[before..].iter().any(|done| done.contains("POST /api/v1/vaults")), "{told}");
}
