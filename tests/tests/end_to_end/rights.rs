//! Groups, rights and shortcuts go along to where the users are as well, and only to them.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_core::crypto::keychain::Keychain;
use keyferry_core::crypto::{account, envelope, master_key};
use keyferry_core::secret::SecretString;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::server::Served;
use keyferry_tests::{MASTER_PASSWORD, Scene};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Calls the API of an embedded environment.
fn call(scene: &Scene, at: &str, method: &str, endpoint: &str, params: &Value) -> Value {
    let (params, endpoint, at) = (params.to_string(), format!("v1/{endpoint}"), format!("embedded:{at}"));
    let words = ["api", "--from", &at, "--method", method, "--endpoint", &endpoint, "--params", &params];
    scene.run(&words).succeeds().json()
}

fn get(scene: &Scene, at: &str, endpoint: &str) -> Value {
    call(scene, at, "GET", endpoint, &json!({}))
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

/// The id of the entry of a list whose member has this value.
fn found(list: &Value, member: &str, value: &str) -> String {
    let found = list["items"].as_array().unwrap().iter().find(|one| one[member] == value);
    id(found.unwrap_or_else(|| panic!("no {value} in {list}")))
}

/// Keys of users, made once in a process: they take as long as RSA key pairs.
fn keys(number: usize) -> &'static account::NewAccount {
    static MADE: OnceLock<Vec<account::NewAccount>> = OnceLock::new();
    let made = || (0..5).map(|_| account::generate(&MASTER_PASSWORD.into()).unwrap()).collect();
    &MADE.get_or_init(made)[number]
}

fn add_user(scene: &Scene, at: &str, login: &str, email: &str, number: usize) -> String {
    let keys = keys(number);
    let new = json!({
        "login": login, "email": email, "password": "a login password",
        "masterKeyHash": keys.master_key_hash, "masterKeyOptions": keys.master_key_options,
        "keys": {"public": keys.public_pem, "privateEncrypted": keys.private_encrypted},
    });
    id(&call(scene, at, "POST", "users", &new))
}

fn keychain(scene: &Scene, at: &str) -> Keychain {
    let options = get(scene, at, "users/master-key/options");
    let options: master_key::Options = options["masterKeyOptions"].as_str().unwrap().parse().unwrap();
    let key = master_key::derive(&SecretString::from(MASTER_PASSWORD), &options);
    let pair = get(scene, at, "users/keys");
    Keychain::unlock(pair["keys"]["privateEncrypted"].as_str().unwrap(), &key).unwrap()
}

const RECORDS: &str = r#"{"vault":"V","path":["Top"],"name":"deep","login":"u","password":"planted deep"}
{"vault":"V","name":"wide","login":"u","password":"planted wide"}
{"vault":"W","name":"other","login":"u","password":"planted other"}
"#;

/// Environment `a`: vaults V (folder Top) and W. Ops (ann, bob) may edit V, Audit (carol, dave) read V / Top, carol read W, and
/// ann nothing in V / Top by herself; W has a shortcut to V / Top / deep. In `b` are ann, bob as robert, carol as caroline.
fn world() -> Scene {
    let scene = Scene::with_environments(&["a", "b"]);
    let _ = scene.file("records.jsonl", RECORDS);
    scene.run(&["import", "records.jsonl", "embedded:a"]).succeeds();
    let ann = add_user(&scene, "a", "ann", "ann@example.com", 0);
    let bob = add_user(&scene, "a", "bob", "bob@example.com", 1);
    let carol = add_user(&scene, "a", "carol", "", 2);
    let dave = add_user(&scene, "a", "dave", "", 3);
    add_user(&scene, "b", "ann", "ann@example.com", 0);
    add_user(&scene, "b", "robert", "Bob@example.com", 1);
    add_user(&scene, "b", "caroline", "", 2);
    let group = |name: &str, members: &[&String]| {
        let group = id(&call(&scene, "a", "POST", "user-groups", &json!({"name": name})));
        call(&scene, "a", "POST", &format!("user-groups/{group}/add-users"), &json!({"userIds": members}));
        group
    };
    let (ops, audit) = (group("Ops", &[&ann, &bob]), group("Audit", &[&carol, &dave]));
    let vaults = get(&scene, "a", "vaults");
    let (v, w) = (found(&vaults, "name", "V"), found(&vaults, "name", "W"));
    let top = found(&get(&scene, "a", "folders"), "name", "Top");
    let give = |place: String, holder: &str, id: &str, role: &str| {
        call(&scene, "a", "POST", &place, &json!({holder: id, "role": role}));
    };
    give(format!("vaults/{v}/groups"), "groupId", &ops, "edit");
    give(format!("folders/{top}/groups"), "groupId", &audit, "read");
    give(format!("folders/{top}/users"), "userId", &ann, "none");
    let pass = group("pass", &[&carol]);
    give(format!("vaults/{w}/groups"), "groupId", &pass, "read");
    // Nobody of them sees anything before somebody wraps the keys; carol's right on W is then her own.
    let given = scene.run(&["env", "give-keys", "embedded:a", "--trust-administrators"]).succeeds().stdout();
    assert_eq!(given.lines().count(), 5, "{given}");
    give(format!("vaults/{w}/users"), "userId", &carol, "read");
    call(&scene, "a", "DELETE", &format!("user-groups/{pass}"), &json!({}));
    let items = call(&scene, "a", "GET", "items", &json!({"vaultId": v}));
    let deep = found(&items, "name", "deep");
    let (keychain, item) = (keychain(&scene, "a"), get(&scene, "a", &format!("items/{deep}")));
    let key_of = |vault: &Value| keychain.vault_key(vault.as_str().unwrap(), None).unwrap();
    let of_v = key_of(&item["vaultMasterKeyEncrypted"]);
    let of_w = key_of(&get(&scene, "a", &format!("vaults/{w}"))["masterKeyEncrypted"]);
    let record = envelope::decrypt_text(item["keyEncrypted"].as_str().unwrap(), &of_v).unwrap();
    let wrapped = envelope::encrypt_text(record.expose(), &of_w).unwrap();
    let shortcut = json!({"vaultId": w, "itemId": deep, "keyEncrypted": wrapped});
    call(&scene, "a", "POST", "shortcuts", &shortcut);
    let _ = scene.file("map.csv", "old,new\ncarol,caroline\n");
    scene
}

const MIGRATE: [&str; 6] = ["migrate", "embedded:a", "embedded:b", "--rights", "--users", "map.csv"];

fn with<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<&'a str> {
    [before, &MIGRATE, after].concat()
}

/// A token of somebody who signs in with a password.
fn token(url: &str, user: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let body = json!({"username": user, "password": "a login password"}).to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /api/v1/users/login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         X-Response-Format: raw\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let body: Value =
        serde_json::from_str(&body[body.find('{').unwrap()..=body.rfind('}').unwrap()]).unwrap();
    body["accessToken"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn a_member_reads_on_the_other_side_what_they_read_before() {
    let scene = world();
    // Nothing goes along unasked, and nothing to somebody whose key nobody has looked at.
    let plain = scene.run(&["--json", "migrate", "embedded:a", "embedded:b", "--dry-run"]).json();
    assert!(
        plain["rights"].is_null()
            && plain["preflight"]["not_movable"].to_string().contains("rights and groups")
    );
    let shown = scene.run(&with(&[], &["--dry-run"])).exits(3).stdout();
    for said in [
        "2 groups to make",
        "3 users to add to groups",
        "4 rights to give",
        "1 shortcut to make",
        "1 user of 4 not found",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    assert!(shown.contains("not found: dave: 1 group, 0 rights") && shown.contains("robert"), "{shown}");
    assert!(!shown.contains("not movable: rights") && !shown.contains("not movable: shortcuts"), "{shown}");
    let refused = scene.run(&with(&[], &[]));
    refused.exits(5).hides("planted deep");
    assert!(refused.stderr().contains("never seen here"), "{}", refused.stderr());
    assert_eq!(get(&scene, "b", "vaults")["items"], json!([]), "nothing was written");

    let report = scene.run(&with(&["--json"], &["--trust-administrators"])).exits(3).json();
    let rights = &report["rights"];
    let counts =
        ["groups", "members", "given", "shortcuts", "users_found"].map(|name| rights[name].as_u64().unwrap());
    assert_eq!(counts, [2, 3, 4, 1, 3], "{rights}");
    assert_eq!(rights["users_not_found"], json!([{"user": "dave", "groups": 1, "rights": 0}]));
    assert_eq!(rights["left"], json!([]));
    assert_eq!(rights["wrapped_for"].as_array().unwrap().len(), 3);

    // Twice changes nothing.
    let again = scene.run(&with(&["--json"], &[])).exits(3).json();
    let there = ["groups", "members", "given", "shortcuts", "groups_there", "given_there", "shortcuts_there"];
    let there = there.map(|name| again["rights"][name].as_u64().unwrap());
    assert_eq!(there, [0, 0, 0, 0, 2, 4, 1], "{}", again["rights"]);
    assert_eq!(again["created"], 0);
    assert_eq!(get(&scene, "b", "user-groups")["items"].as_array().unwrap().len(), 2);

    // Each of them signs in and opens what they may.
    let server = Served::of(&scene, "b");
    let opens = |user: &str, what: &str| {
        let mut command = scene.command(&["get", what, "--from", &server.url]);
        command.env("KEYFERRY_TOKEN", token(&server.url, user));
        command.args(["--journal", &format!("{user}.db")]);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    for (user, what, expected) in [
        ("ann", "V/wide", Some("planted wide")),
        // The highest counts: her group may edit what she was closed out of herself.
        ("ann", "V/Top/deep", Some("planted deep")),
        ("robert", "V/Top/deep", Some("planted deep")),
        ("robert", "W/other", None),
        ("caroline", "V/Top/deep", Some("planted deep")),
        ("caroline", "V/wide", None),
        ("caroline", "W/other", Some("planted other")),
        // By the shortcut.
        ("caroline", "W/deep", Some("planted deep")),
    ] {
        let (code, shown) = opens(user, what);
        match expected {
            Some(expected) => assert_eq!((code, shown.as_str()), (Some(0), expected), "{user} {what}"),
            None => assert!(code != Some(0) && !shown.contains("planted"), "{user} {what}: {shown}"),
        }
    }
}

#[test]
fn a_key_that_the_server_exchanges_is_refused_and_nothing_is_wrapped_for_it() {
    static LIES: AtomicBool = AtomicBool::new(false);
    static SEEN: AtomicBool = AtomicBool::new(false);
    let scene = world();
    scene.run(&with(&[], &["--trust-administrators"])).exits(3);
    // Bob's copy is taken away: it has to be wrapped once more.
    let robert = found(&get(&scene, "b", "users"), "login", "robert");
    let ops = found(&get(&scene, "b", "user-groups"), "name", "Ops");
    for what in ["remove-users", "add-users"] {
        call(&scene, "b", "POST", &format!("user-groups/{ops}/{what}"), &json!({"userIds": [robert]}));
    }
    let server = Served::of(&scene, "b");
    let plan = |asked: &Asked| {
        if asked.path.ends_with("/keys") && asked.method == "POST" {
            SEEN.store(true, Ordering::SeqCst);
        }
        LIES.load(Ordering::SeqCst).then_some(Fault::Lie(exchange))
    };
    let proxy = Proxy::new(&server.url, Box::new(plan));
    let run = |words: &[&str]| {
        let mut command = server.command(&scene, words);
        command.env("KEYFERRY_TO_TOKEN", server.access_token());
        command.output().unwrap()
    };
    let give = ["env", "give-keys", &proxy.url, "--trust-administrators"];
    let migrate =
        ["migrate", "embedded:a", &proxy.url, "--rights", "--users", "map.csv", "--trust-administrators"];
    // The proxy is another place than the folder: it is seen first honestly.
    let first = run(&["env", "give-keys", &proxy.url, "--trust-administrators"]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    for what in ["remove-users", "add-users"] {
        call(&scene, "b", "POST", &format!("user-groups/{ops}/{what}"), &json!({"userIds": [robert]}));
    }
    LIES.store(true, Ordering::SeqCst);
    SEEN.store(false, Ordering::SeqCst);
    for words in [&give[..], &migrate[..]] {
        let output = run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{words:?}: {said}");
        assert!(said.contains("is not the one that was seen before"), "{said}");
    }
    assert!(!SEEN.load(Ordering::SeqCst), "nothing was wrapped");
}

/// What the environment says that it took back is looked at once more.
#[test]
fn rights_are_taken_back_when_they_are_seen_to_be() {
    static LIES: AtomicBool = AtomicBool::new(false);
    let scene = world();
    let server = Served::of(&scene, "b");
    let plan = |asked: &Asked| {
        let changes = asked.method != "GET" && !asked.path.ends_with("/batch");
        (changes && LIES.load(Ordering::SeqCst)).then_some(Fault::Refuses(200, "{}"))
    };
    let proxy = Proxy::new(&server.url, Box::new(plan));
    let run = |words: &[&str]| {
        let mut command = server.command(&scene, words);
        command.env("KEYFERRY_TO_TOKEN", server.access_token());
        scene.finish(command)
    };
    let words =
        ["migrate", "embedded:a", &proxy.url, "--rights", "--users", "map.csv", "--trust-administrators"];
    run(&words).exits(3);
    LIES.store(true, Ordering::SeqCst);
    let told = run(&["--json", "undo", "last"]).exits(4).json();
    assert_eq!(told["rights_removed"], 0, "{told}");
    let there = told["still_there"].to_string();
    assert!(there.contains("edit for group") && there.contains("the shortcut to record"), "{told}");
    LIES.store(false, Ordering::SeqCst);
    run(&["undo", "last"]).exits(0).prints("groups, memberships, rights and shortcuts taken back");
}

/// Puts another public key in the place of Bob's, wherever it stands.
fn exchange(answer: &mut Value) {
    match answer {
        Value::String(text) if text.trim() == keys(1).public_pem.trim() => {
            keys(4).public_pem.clone_into(text);
        }
        Value::Object(members) => members.values_mut().for_each(exchange),
        Value::Array(list) => list.iter_mut().for_each(exchange),
        _ => {}
    }
}

#[test]
fn a_run_that_was_killed_goes_on_and_what_it_made_is_taken_back() {
    for (point, occurrence) in [
        ("after grant intent", 1),
        ("after grant request", 1),
        ("after grant request", 5),
        ("before grant outcome", 8),
        ("after grant outcome", 9),
    ] {
        let scene = world();
        assert!(scene.crashes(point, occurrence, &with(&["--json"], &["--trust-administrators"])), "{point}");
        let again = scene.run(&with(&["--json"], &["--trust-administrators"])).exits(3).json();
        let rights = &again["rights"];
        assert_eq!(rights["left"], json!([]), "{point}: {rights}");
        let sums = [("groups", 2), ("given", 4), ("shortcuts", 1)].map(|(name, all)| {
            let there = format!("{name}_there");
            (rights[name].as_u64().unwrap() + rights[&there].as_u64().unwrap(), all)
        });
        assert!(sums.iter().all(|(sum, all)| sum == all), "{point}: {rights}");
        let groups = get(&scene, "b", "user-groups");
        assert_eq!(groups["items"].as_array().unwrap().len(), 2, "{point}: {groups}");
        assert_eq!(get(&scene, "b", "shortcuts/search")["items"].as_array().unwrap().len(), 1, "{point}");

        let undone = scene.run(&["--json", "undo", "last"]).succeeds().json();
        assert!(undone["rights_removed"].as_u64().unwrap() >= 9, "{point}: {undone}");
        assert_eq!(get(&scene, "b", "user-groups")["items"], json!([]), "{point}: {undone}");
        assert_eq!(get(&scene, "b", "vaults")["items"], json!([]), "{point}: {undone}");
    }
}

#[test]
fn nothing_that_is_there_is_changed_and_nobody_gets_what_is_anothers() {
    let scene = world();
    // A group of the same name with somebody else in it, and another Bob.
    let eve = add_user(&scene, "b", "eve", "", 3);
    let ops = id(&call(&scene, "b", "POST", "user-groups", &json!({"name": "Ops"})));
    call(&scene, "b", "POST", &format!("user-groups/{ops}/add-users"), &json!({"userIds": [eve]}));
    let bob = add_user(&scene, "b", "bob", "another.bob@example.com", 4);
    let report = scene.run(&with(&["--json"], &["--trust-administrators"])).exits(3).json();
    let left = report["rights"]["left"].to_string();
    assert!(left.contains("group Ops"), "{left}");
    let groups = get(&scene, "b", "user-groups");
    let members = |name: &str| {
        let group = groups["items"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        group["userIds"].clone()
    };
    assert_eq!(members("Ops"), json!([eve]));
    for user in [&eve, &bob] {
        assert_eq!(get(&scene, "b", &format!("users/{user}/rights"))["items"], json!([]));
    }
    // A map that names nobody, and one that makes one of two, are errors before anything is written.
    for (map, said) in [("ann,nobody\n", "`nobody`"), ("ann,robert\nbob,robert\n", "second time")] {
        let _ = scene.file("map.csv", map);
        let refused = scene.run(&with(&[], &[]));
        refused.exits(1);
        assert!(refused.stderr().contains(said), "{}", refused.stderr());
        // What is proposed can be typed.
        let said_next = refused.stderr();
        let next = said_next.lines().find_map(|line| line.trim().strip_prefix("next: keyferry api "));
        if let Some((command, _)) = next.and_then(|next| next.split_once(" shows")) {
            let words = ["api"].into_iter().chain(command.split(' ')).collect::<Vec<_>>();
            scene.run(&words).succeeds().prints("robert");
        } else {
            assert_eq!(said, "second time");
        }
    }
    scene.run(&["migrate", "records.jsonl", "embedded:b", "--rights"]).exits(2);
    scene.run(&["migrate", "embedded:a", "embedded:b", "--users", "map.csv"]).exits(2);
}

#[test]
fn a_plan_with_rights_is_not_done_once_somebody_was_given_another() {
    let scene = world();
    scene.run(&with(&[], &["--trust-administrators", "--plan-to", "plan.json"])).exits(3);
    let ops = found(&get(&scene, "a", "user-groups"), "name", "Ops");
    let bob = found(&get(&scene, "a", "users"), "login", "bob");
    let carol = found(&get(&scene, "a", "users"), "login", "carol");
    // As many members as before, and other ones.
    for (what, who) in [("remove-users", bob), ("add-users", carol)] {
        call(&scene, "a", "POST", &format!("user-groups/{ops}/{what}"), &json!({"userIds": [who]}));
    }
    scene.run(&["apply", "plan.json"]).exits(1).says("not what it was");
    assert!(scene.run(&["--json", "tree", "embedded:b"]).succeeds().json().as_array().unwrap().is_empty());
    scene.run(&with(&[], &["--trust-administrators", "--plan-to", "plan.json"])).exits(3);
    scene.run(&["apply", "plan.json"]).exits(3);
}

#[test]
fn who_is_kept_out_there_gets_in_nowhere_else() {
    let scene = world();
    let ann = found(&get(&scene, "a", "users"), "login", "ann");
    call(&scene, "a", "POST", &format!("users/{ann}/block"), &json!({}));
    let audit = scene.run(&["audit", "embedded:a", "--only", "access"]).stdout();
    assert!(audit.contains("ann (blocked)"), "{audit}");
    let report = scene.run(&with(&["--json"], &["--trust-administrators"])).exits(3).json();
    let told = report["rights"]["users_not_found"].to_string();
    assert!(told.contains("ann (blocked in the source)"), "{told}");
    assert!(!report["rights"]["wrapped_for"].to_string().contains("ann"), "{}", report["rights"]);
    let there = found(&get(&scene, "b", "users"), "login", "ann");
    assert_eq!(get(&scene, "b", &format!("users/{there}/rights"))["items"], json!([]));
}

#[test]
fn who_is_let_in_sees_nothing_that_was_there_before() {
    let scene = world();
    // The sink has a vault of the same name, with a record of somebody else.
    let _ =
        scene.file("theirs.jsonl", r#"{"vault":"V","name":"theirs","login":"u","password":"not for Ops"}"#);
    scene.run(&["import", "theirs.jsonl", "embedded:b"]).succeeds();
    let plan = scene.run(&with(&["--json"], &["--trust-administrators", "--dry-run"])).json();
    assert!(plan.to_string().contains("edit for group Ops in V"), "{plan}");
    let report = scene.run(&with(&["--json"], &["--trust-administrators"])).exits(3).json();
    let left = report["rights"]["left"].to_string();
    assert!(left.contains("edit for group Ops in V") && left.contains("would be seen"), "{left}");
    let robert = found(&get(&scene, "b", "users"), "login", "robert");
    let caroline = found(&get(&scene, "b", "users"), "login", "caroline");
    assert_eq!(get(&scene, "b", &format!("users/{robert}/rights"))["items"], json!([]));
    // A folder below has nothing of anybody else, nor has another vault.
    let rights = get(&scene, "b", &format!("users/{caroline}/rights"))["items"].to_string();
    assert!(rights.contains("read"), "{rights}");
    // Again, nothing else.
    let again = scene.run(&with(&["--json"], &["--trust-administrators"])).exits(3).json();
    assert_eq!(again["rights"]["given"], 0, "{}", again["rights"]);
    assert_eq!(get(&scene, "b", &format!("users/{robert}/rights"))["items"], json!([]));
}

#[test]
fn who_is_kept_out_here_is_given_nothing_meanwhile() {
    let scene = world();
    let ann = found(&get(&scene, "b", "users"), "login", "ann");
    call(&scene, "b", "POST", &format!("users/{ann}/block"), &json!({}));
    let report = scene.run(&with(&["--json"], &["--trust-administrators"])).exits(3).json();
    let told = report["rights"]["users_not_found"].to_string();
    assert!(told.contains("ann (blocked in the sink)"), "{told}");
    assert!(!report["rights"]["wrapped_for"].to_string().contains("ann"), "{}", report["rights"]);
    call(&scene, "b", "POST", &format!("users/{ann}/unblock"), &json!({}));
    assert_eq!(get(&scene, "b", &format!("users/{ann}/rights"))["items"], json!([]));
    // Let in again, she is given what is hers by the same command, and one who is blocked later makes no group another.
    scene.run(&with(&[], &["--trust-administrators"])).exits(3);
    let rights = get(&scene, "b", &format!("users/{ann}/rights"))["items"].clone();
    assert!(!rights.as_array().unwrap().is_empty(), "{rights}");
    call(&scene, "b", "POST", &format!("users/{ann}/block"), &json!({}));
    let again = scene.run(&with(&["--json"], &["--trust-administrators"])).exits(3).json();
    assert!(!again["rights"]["left"].to_string().contains("group Ops"), "{}", again["rights"]);
}
