//! `audit`: each kind of finding is planted once and found once, in every kind of location, and no output shows a
//! secret.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::server::Served;
use keyferry_tests::{Run, Scene};
use rusqlite::Connection;
use serde_json::Value;
use sha1::Digest as _;

/// Planted in passwords; every one begins so.
const SECRET: &str = "hidden-";

/// Opens the archive among the files.
const PHRASE: [(&str, Option<&str>); 1] = [("KEYFERRY_ARCHIVE_PASSPHRASE", Some("planted phrase"))];

/// Every kind but `old`, which a file cannot tell, and `breached`, which needs a list.
const PLANTED: &str = r#"{"vault":"V","name":"clean","login":"alice","url":"https://a.example","password":"hidden-Qv7#wLx2!mB9","customs":[{"name":"code","type":"totp","value":"GEZDGNBVGY3TQOJQ"},{"name":"expires","type":"text","value":"2199-01-01"}]}
{"vault":"V","path":["Top"],"name":"twin one","password":"hidden-Tz4$kRn8?pD1"}
{"vault":"W","name":"twin two","customs":[{"name":"hidden-name","type":"password","value":"hidden-Tz4$kRn8?pD1"}]}
{"vault":"V","name":"weak","password":"hidden-"}
{"vault":"V","name":"empty","password":""}
{"vault":"V","name":"missing","login":"root"}
{"vault":"V","name":"same","login":"Hidden-mail-Jx83kdW","password":"hidden-mail-jx83kdw"}
{"vault":"V","name":"no code","login":"bob","url":"https://b.example","password":"hidden-Gk5@vNc3!rT8"}
{"vault":"V","name":"expired","password":"hidden-Wd6^yHs1!qF4","customs":[{"name":"Valid until","type":"text","value":"2001-02-03"}]}
{"vault":"V","name":"a note"}
"#;

const FOUND: [&str; 8] = [
    "high reused V / Top / twin one: password",
    "high reused W / twin two: custom field 1",
    "high same-as-login V / same: password",
    "high weak V / weak: password",
    "high expired V / expired: custom field 1",
    "medium empty-password V / empty: password",
    "low missing-password V / missing: password",
    "low no-one-time-code V / no code: record",
];

/// A scene with the planted records in an environment, in two files and in an archive.
fn planted(encryption: &str) -> Scene {
    let scene = Scene::new();
    let init = ["env", "init", "embedded:a", "--user", "admin", "--client-encryption", encryption];
    scene.run(&init).succeeds();
    scene
        .run(&["import", scene.file("a.jsonl", PLANTED), "embedded:a", "--allow-unencrypted-target"])
        .succeeds();
    scene.run(&["export", "embedded:a", "a.csv", "--allow-plaintext"]).succeeds();
    scene.run_with(&PHRASE, &["export", "embedded:a", "a.kfa"]).succeeds();
    scene
}

fn findings(audit: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |finding: &Value| {
        assert!(!text(&finding["what"]).is_empty() && !text(&finding["next"]).is_empty(), "{finding}");
        assert!(finding["id"].is_string() != finding["at"].is_string(), "{finding}");
        let [severity, kind, record, field] =
            ["severity", "kind", "record", "field"].map(|member| text(&finding[member]));
        format!("{severity} {kind} {record}: {field}")
    };
    audit["findings"].as_array().unwrap().iter().map(one).collect()
}

/// The findings in an order that does not depend on that of the records.
fn sorted(run: &Run) -> Vec<String> {
    let mut findings = findings(&run.json());
    findings.sort();
    findings
}

fn expected(more: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = FOUND.iter().chain(more).map(|one| (*one).to_owned()).collect();
    all.sort();
    all
}

#[test]
fn each_kind_is_found_once_where_it_was_planted() {
    for encryption in ["on", "off"] {
        let scene = planted(encryption);
        for location in ["embedded:a", "a.jsonl", "a.csv", "a.kfa"] {
            let run = scene.run_with(&PHRASE, &["--json", "audit", location]);
            run.exits(4).hides(SECRET).hides("alice");
            let mut expected = expected(&[]);
            // A CSV cannot tell an empty password from none.
            expected.retain(|one| location != "a.csv" || !one.contains("empty-password"));
            assert_eq!(sorted(&run), expected, "{location}, encryption {encryption}");
            let audit = run.json();
            assert_eq!((&audit["records"], &audit["passwords"]), (&10.into(), &7.into()), "{audit}");
            let groups: Vec<_> = audit["findings"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|one| one["group"].as_u64())
                .collect();
            assert_eq!(groups, [1, 1]);
        }
    }
}

#[test]
fn the_worst_comes_first() {
    let scene = planted("on");
    let found = findings(&scene.run(&["--json", "audit", "a.jsonl"]).json());
    assert_eq!(found, FOUND);
}

#[test]
fn nothing_is_found_among_good_records() {
    let scene = Scene::with_environments(&["a"]);
    let clean = PLANTED.lines().next().unwrap();
    scene.run(&["import", scene.file("clean.jsonl", clean), "embedded:a"]).succeeds();
    for location in ["clean.jsonl", "embedded:a"] {
        let audit = scene.run(&["--json", "audit", location, "--fail-on", "low"]).succeeds().json();
        assert_eq!(findings(&audit), [""; 0]);
        assert!(scene.run(&["audit", location]).succeeds().stdout().contains("nothing was found"));
    }
}

#[test]
fn a_record_that_was_not_changed_for_long_is_old_where_the_location_tells() {
    let scene = planted("on");
    let database = Connection::open(scene.path("a/environment.db")).unwrap();
    let year_ago = "UPDATE items SET updated_at = updated_at - 366 * 86400 WHERE name IN ('clean', 'a note')";
    assert_eq!(database.execute(year_ago, []).unwrap(), 2);
    let run = scene.run(&["--json", "audit", "embedded:a"]);
    assert_eq!(sorted(&run), expected(&["medium old V / clean: record"]));
    assert_eq!(run.json()["ages"][4]["records"], 2);
    scene.run(&["audit", "embedded:a", "--only", "old"]).succeeds();
    scene.run(&["audit", "embedded:a", "--only", "old", "--fail-on", "medium"]).exits(4);
    scene.run(&["audit", "embedded:a", "--only", "old", "--max-age", "367d", "--fail-on", "low"]).succeeds();
    let file = scene.run(&["audit", "a.csv", "--only", "old", "--fail-on", "low"]);
    assert!(file.succeeds().stdout().contains("without a time of change"));
}

#[test]
fn what_counts_and_what_fails_can_be_chosen() {
    let scene = planted("on");
    let audit = |more: &[&str]| scene.run(&[&["--json", "audit", "a.jsonl"], more].concat());
    let only = audit(&["--only", "weak,empty-password"]);
    // Where nobody asks whether a password is the login, it is weak all the same.
    let weak = ["high weak V / same: password", "high weak V / weak: password"];
    assert_eq!(sorted(&only), [weak[0], weak[1], "medium empty-password V / empty: password"]);
    let rest = audit(&["--ignore", "reused", "--ignore", "weak,same-as-login,expired"]);
    assert_eq!(sorted(rest.succeeds()).len(), 3);
    audit(&["--ignore", "reused,weak,same-as-login,expired", "--fail-on", "medium"]).exits(4);
    audit(&["--fail-on", "none"]).succeeds();
    assert_eq!(sorted(&audit(&["--only", "weak", "--min-score", "0"])), [""; 0]);
    let soon = audit(&["--only", "expires-soon", "--expires-within", "200y"]);
    assert_eq!(sorted(&soon), ["medium expires-soon V / clean: custom field 2"]);
    audit(&["--only", "weak", "--vault", "W", "--fail-on", "low"]).succeeds();
    audit(&["--only", "week"]).exits(2);
    audit(&["--min-score", "5"]).exits(2);
    audit(&["--expires-within", "2026-01-01"]).exits(2);
}

#[test]
fn a_place_that_is_not_there_is_no_health() {
    let scene = planted("on");
    scene.run(&["env", "add", "prod", "embedded:a"]).succeeds();
    let own = [("KEYFERRY_PROD_MASTER_PASSWORD", Some(keyferry_tests::MASTER_PASSWORD))];
    let audit = |location: &str| scene.run_with(&own, &["--json", "audit", location]);
    assert_eq!(sorted(&audit("prod:V/Top")), [""; 0]);
    assert_eq!(sorted(&audit("prod:W")), [""; 0]);
    audit("prod:X").exits(1).says("there is no X");
    audit("prod:V/Nowhere").exits(1).says("there is no V / Nowhere");
    audit("absent.csv").exits(1);
    scene.run_with(&[("KEYFERRY_MASTER_PASSWORD", None)], &["audit", "embedded:a"]).exits(5);
}

#[test]
fn a_record_that_cannot_be_read_is_told_and_is_no_health() {
    let scene = Scene::with_environments(&["a"]);
    let clean = PLANTED.lines().next().unwrap();
    scene.run(&["import", scene.file("clean.jsonl", clean), "embedded:a"]).succeeds();
    let database = Connection::open(scene.path("a/environment.db")).unwrap();
    assert_eq!(database.execute("UPDATE items SET password_encrypted = 'no envelope'", []).unwrap(), 1);
    let run = scene.run(&["audit", "embedded:a"]);
    assert!(run.exits(3).stdout().contains("not read: V / clean"));
}

fn sha1(password: &str) -> String {
    data_encoding::HEXUPPER.encode(&sha1::Sha1::digest(password.as_bytes()))
}

#[test]
fn a_list_of_breached_passwords_says_the_same_as_a_file_and_as_a_folder() {
    let scene = planted("on");
    // The two that are listed, once as the first line and once as the last, and others beside them.
    let listed = [sha1("hidden-Qv7#wLx2!mB9"), sha1("hidden-Tz4$kRn8?pD1")];
    let beside = |hash: &str, digit: char| format!("{}{digit}", &hash[..39]);
    let absent = sha1("hidden-Gk5@vNc3!rT8");
    let mut neighbours: Vec<String> =
        "0123456789ABCDEF".chars().map(|digit| beside(&absent, digit)).collect();
    neighbours.retain(|hash| *hash != absent);
    let (first, last) = (listed.iter().min().unwrap(), listed.iter().max().unwrap());
    neighbours.retain(|hash| hash > first && hash < last);
    neighbours.sort();
    let lines: Vec<String> =
        [first].into_iter().chain(&neighbours).chain([last]).map(|hash| format!("{hash}:3861493")).collect();
    let file = scene.file("list.txt", lines.join("\r\n"));
    std::fs::create_dir(scene.path("ranges")).unwrap();
    let every =
        PLANTED.split("hidden-").skip(1).map(|rest| format!("hidden-{}", rest.split('"').next().unwrap()));
    for password in every {
        let hash = sha1(&password);
        let range: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix(&hash[..5])).collect();
        std::fs::write(scene.path("ranges").join(format!("{}.txt", &hash[..5])), range.join("\n")).unwrap();
    }
    let more = [
        "high breached V / clean: password",
        "high breached V / Top / twin one: password",
        "high breached W / twin two: custom field 1",
    ];
    for list in [file, "ranges"] {
        let run = scene.run(&["--json", "audit", "embedded:a", "--breached", list]);
        assert_eq!(sorted(run.exits(4).hides(SECRET)), expected(&more), "{list}");
        // The count would tell which password it is to whoever has the same list.
        run.hides("3861493").hides(&listed[0]).hides(&listed[0][..5]).hides(&listed[1]);
    }
    std::fs::remove_file(scene.path("ranges").join(format!("{}.txt", &absent[..5]))).unwrap();
    let partial = scene.run(&["audit", "embedded:a", "--breached", "ranges"]);
    assert!(partial.exits(4).stdout().contains("1 password not looked up"), "{}", partial.stdout());
    scene.run(&["audit", "embedded:a", "--breached", "a.csv"]).exits(1).says("no list of breached passwords");
}

#[test]
fn every_format_names_records_and_no_secret() {
    let scene = planted("on");
    let outputs = ["table", "json", "sarif", "csv", "html"].map(|format| {
        let run = scene.run(&["audit", "embedded:a", "--format", format]);
        let text = run.exits(4).stdout();
        assert!(text.contains("twin one"), "{format}: the same search finds names\n{text}");
        for secret in
            [SECRET, "Hidden-mail", "GEZDGNBVGY3TQOJQ", "2001-02-03", "Valid until", "alice", "a.example"]
        {
            run.hides(secret);
        }
        // To a file the same text goes, and nobody else may read it.
        let file = format!("out.{format}");
        let words = ["audit", "embedded:a", "--format", format, "--output", &file];
        assert!(scene.run(&words).exits(4).stdout().lines().count() == 1);
        assert!(scene.read(&file).contains("twin one"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(scene.path(&file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        text
    });
    let html = &outputs[4];
    assert!(html.contains("<svg") && html.contains("Content-Security-Policy"));
    let loaded = ["<script", "src=", "href=", "url(", "@import", "http:", "https:"];
    assert!(loaded.iter().all(|word| !html.contains(word)), "one file, nothing loaded");
}

#[test]
fn the_format_follows_the_files_ending_and_a_file_that_cannot_be_written_is_told_first() {
    let scene = planted("on");
    for (file, begins) in [
        ("a.html", "<!doctype html>"),
        ("a.sarif", "{\n  \"$schema\""),
        ("a.json", "{\n  \"location\""),
        ("b.csv", "severity,kind"),
        ("a.txt", "a.jsonl: 10 records"),
    ] {
        scene.run(&["audit", "a.jsonl", "--output", file]).exits(4);
        assert!(scene.read(file).starts_with(begins), "{file}");
    }
    let missing = scene.run(&["audit", "absent.jsonl", "--output", "absent/a.html"]);
    missing.exits(1).says("absent/a.html");
    for words in [["--format", "html"], ["--output", "c.html"]] {
        scene.run(&[&["--json", "audit", "a.jsonl"][..], &words].concat()).exits(2);
    }
}

#[test]
fn sarif_is_whole_and_each_result_has_a_rule_and_a_place() {
    let scene = planted("on");
    for location in ["embedded:a", "a.jsonl"] {
        let log = scene.run(&["audit", location, "--format", "sarif"]).json();
        assert_eq!(log["version"], "2.1.0");
        assert!(log["$schema"].as_str().unwrap().contains("sarif-schema-2.1.0"));
        let run = &log["runs"][0];
        assert_eq!(log["runs"].as_array().unwrap().len(), 1);
        let driver = &run["tool"]["driver"];
        assert_eq!(driver["name"], "keyferry");
        let rules = driver["rules"].as_array().unwrap();
        let levels = ["error", "warning", "note"];
        for rule in rules {
            assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string(), "{rule}");
            assert!(levels.contains(&rule["defaultConfiguration"]["level"].as_str().unwrap()), "{rule}");
        }
        assert_eq!(run["invocations"][0]["executionSuccessful"], true);
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), FOUND.len());
        let mut prints = std::collections::BTreeSet::new();
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"], "{result}");
            assert!(levels.contains(&result["level"].as_str().unwrap()), "{result}");
            assert!(result["message"]["text"].is_string(), "{result}");
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.starts_with('/'), "{uri}");
            assert!(place["region"]["startLine"].as_u64().unwrap() >= 1, "{result}");
            assert!(prints.insert(result["partialFingerprints"]["keyferry/v1"].to_string()), "{result}");
        }
        let of_file = location == "a.jsonl";
        let weak = results.iter().find(|result| result["ruleId"] == "weak").unwrap();
        let place = &weak["locations"][0]["physicalLocation"];
        let expected = if of_file { ("a.jsonl", 4) } else { ("V/weak", 1) };
        assert_eq!(
            (
                place["artifactLocation"]["uri"].as_str().unwrap(),
                place["region"]["startLine"].as_u64().unwrap()
            ),
            expected
        );
        // Another run of the same finds the same.
        let again = scene.run(&["audit", location, "--format", "sarif"]).json();
        assert_eq!(again["runs"][0]["results"], run["results"]);
    }
}

#[test]
fn hostile_names_run_in_no_spreadsheet_and_no_browser() {
    let scene = Scene::new();
    let hostile = r#"{"vault":"=cmd|' /C calc'!A0","name":"<script>alert(1)</script>\u001b[31m\"q\",x","password":"","login":"@x"}"#;
    let file = scene.file("hostile.jsonl", hostile);
    let audit = |format: &str| scene.run(&["audit", file, "--format", format]).succeeds().stdout();
    let csv = audit("csv");
    let row = csv.lines().nth(1).unwrap();
    assert!(row.starts_with("medium,empty-password,\"'=cmd|"), "{row}");
    assert!(row.contains("\"\"q\"\",x\""), "{row}");
    let html = audit("html");
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    for format in ["table", "html", "csv"] {
        assert!(!audit(format).contains('\u{1b}'), "{format}");
    }
    assert!(serde_json::from_str::<Value>(&audit("sarif")).is_ok());
}

/// Calls the API of an embedded environment.
fn call(scene: &Scene, method: &str, endpoint: &str, params: &Value) -> Value {
    let params = params.to_string();
    let words =
        ["api", "--from", "embedded:a", "--method", method, "--endpoint", endpoint, "--params", &params];
    scene.run(&words).succeeds().json()
}

#[test]
fn who_may_see_what_names_users_roles_and_folders() {
    let scene = planted("off");
    let nothing = serde_json::json!({});
    let id = |list: &Value, name: &str| {
        let found = list["items"].as_array().unwrap().iter().find(|one| one["name"] == name);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let vaults = call(&scene, "GET", "v1/vaults", &nothing);
    let folders = call(&scene, "GET", "v1/folders", &nothing);
    let user = |name: &str| {
        let new = serde_json::json!({ "username": name, "email": format!("{name}@lab.example"), "password": "hidden-login-Wq9" });
        call(&scene, "POST", "v1/users", &new)["id"].as_str().unwrap().to_owned()
    };
    let (bob, carol) = (user("bob"), user("carol"));
    let grant = |place: String, user: &str, role: &str| {
        call(
            &scene,
            "POST",
            &format!("v1/{place}/users"),
            &serde_json::json!({ "userId": user, "role": role }),
        );
    };
    grant(format!("vaults/{}", id(&vaults, "V")), &bob, "read");
    grant(format!("folders/{}", id(&folders, "Top")), &bob, "edit");
    grant(format!("folders/{}", id(&folders, "Top")), &carol, "read");
    let audit = scene.run(&["--json", "audit", "embedded:a", "--only", "access"]).succeeds().json();
    assert_eq!(findings(&audit), [""; 0]);
    let holders = |users: &Value| -> Vec<String> {
        let one =
            |user: &Value| format!("{} {}", user["user"].as_str().unwrap(), user["role"].as_str().unwrap());
        users.as_array().unwrap().iter().map(one).collect()
    };
    let access = audit["access"].as_array().unwrap();
    let of = |name: &str| access.iter().find(|vault| vault["vault"] == name).unwrap();
    assert_eq!(holders(&of("V")["users"]), ["admin administer", "bob read"]);
    assert_eq!(holders(&of("W")["users"]), ["admin administer"]);
    let folder = &of("V")["folders"][0];
    assert_eq!(
        (folder["folder"].as_str().unwrap(), holders(&folder["users"])),
        ("V / Top", vec!["bob edit".into(), "carol read".into()])
    );
    assert_eq!(of("W")["folders"], serde_json::json!([]));
    let table = scene.run(&["audit", "embedded:a", "--only", "access"]).succeeds().stdout();
    assert!(table.contains("access: V / Top: bob: edit, carol: read"), "{table}");
    let without = scene.run(&["--json", "audit", "embedded:a", "--ignore", "access"]).json();
    assert!(without["access"].is_null());
    let one = scene.run(&["--json", "audit", "embedded:a", "--only", "access", "--vault", "W"]).json();
    assert_eq!(one["access"].as_array().unwrap().len(), 1);
    assert!(scene.run(&["--json", "audit", "a.csv"]).json()["access"].is_null());
}

#[test]
fn who_may_see_what_through_groups_roles_shortcuts_and_links_is_told() {
    let scene = planted("off");
    let nothing = serde_json::json!({});
    let id = |answer: &Value| answer["id"].as_str().unwrap().to_owned();
    let named = |list: &Value, name: &str| {
        id(list["items"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap())
    };
    let make = |endpoint: &str, body: Value| id(&call(&scene, "POST", endpoint, &body));
    let vaults = call(&scene, "GET", "v1/vaults", &nothing);
    let (v, w) = (named(&vaults, "V"), named(&vaults, "W"));
    let top = named(&call(&scene, "GET", "v1/folders", &nothing), "Top");
    let weak = call(&scene, "GET", "v1/items", &serde_json::json!({"vaultId": v}));
    let weak = named(&weak, "weak");
    let (bob, carol) = (
        make("v1/users", serde_json::json!({"login": "bob"})),
        make("v1/users", serde_json::json!({"login": "carol"})),
    );
    let role = serde_json::json!({"name": "Helpdesk", "rights": ["user:block", "user:read"]});
    let role = make("v1/user-roles", role);
    call(&scene, "PATCH", &format!("v1/users/{carol}"), &serde_json::json!({"userRoleId": role}));
    let group = make("v1/user-groups", serde_json::json!({"name": "Ops"}));
    let add = format!("v1/user-groups/{group}/add-users");
    call(&scene, "POST", &add, &serde_json::json!({"userIds": [bob, carol]}));
    for (place, role) in [(format!("vaults/{v}"), "read"), (format!("folders/{top}"), "edit")] {
        let right = serde_json::json!({"groupId": group, "role": role});
        call(&scene, "POST", &format!("v1/{place}/groups"), &right);
    }
    call(&scene, "POST", "v1/shortcuts", &serde_json::json!({"vaultId": w, "itemId": weak}));
    let link = serde_json::json!({"itemId": weak, "itemData": {}, "type": "reusable", "expirationTime": "unlimited"});
    call(&scene, "POST", "v1/links", &link);

    let audit =
        scene.run(&["--json", "audit", "embedded:a", "--only", "access"]).succeeds().hides(SECRET).json();
    let access = audit["access"].as_array().unwrap();
    let of_v = access.iter().find(|vault| vault["vault"] == "V").unwrap();
    let ops = |role: &str| serde_json::json!([{"group": "Ops", "id": group, "role": role, "members": ["bob", "carol"]}]);
    assert_eq!(of_v["groups"], ops("read"));
    assert_eq!(
        (&of_v["folders"][0]["folder"], &of_v["folders"][0]["groups"]),
        (&"V / Top".into(), &ops("edit"))
    );
    let shortcut = &of_v["shortcuts"][0];
    assert_eq!(
        (&shortcut["record"], &shortcut["from"], &shortcut["maker"]),
        (&"V / weak".into(), &"W".into(), &"admin".into())
    );
    let link = &of_v["links"][0];
    assert_eq!(
        (&link["record"], &link["maker"], &link["expires_at"]),
        (&"V / weak".into(), &"admin".into(), &Value::Null)
    );
    let helpdesk = audit["roles"].as_array().unwrap().iter().find(|role| role["role"] == "Helpdesk").unwrap();
    assert_eq!(
        (&helpdesk["users"], &helpdesk["rights"]),
        (&serde_json::json!(["carol"]), &serde_json::json!(["user:read", "user:block"]))
    );
    let table = scene.run(&["audit", "embedded:a", "--only", "access"]).succeeds().stdout();
    for said in [
        "group Ops: read (bob, carol)",
        "access: V / Top: group Ops: edit (bob, carol)",
        "access: V / weak: a shortcut by admin: whoever may see W",
        "access: V / weak: a link by admin: whoever has its address, for ever",
        "role: Helpdesk (user:read, user:block): carol",
    ] {
        assert!(table.contains(said), "{said}: {table}");
    }
}

#[test]
fn a_server_that_does_not_tell_who_may_see_what_is_said_not_to() {
    let scene = Scene::new();
    let served = Served::new(&scene, "a", "on");
    let clean = scene.file("clean.jsonl", PLANTED.lines().next().unwrap());
    assert!(served.command(&scene, &["import", clean, &served.url]).status().unwrap().success());
    let plan = |asked: &Asked| {
        (asked.path.contains("/users") && asked.path.contains("/vaults/")
            || asked.path.contains("/activity-log"))
        .then_some(Fault::Status(404))
    };
    let proxy = Proxy::new(&served.url, Box::new(plan));
    let words = ["--json", "audit", &proxy.url, "--changed-since", "1d"];
    let output = served.command(&scene, &words).output().unwrap();
    let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(audit["access"][0]["users"].is_null(), "{audit}");
    assert!(audit["changes"]["log"].is_null(), "{audit}");
    let notes = audit["notes"].to_string();
    assert!(
        notes.contains("does not tell who may see 1 vault")
            && notes.contains("does not show the activity log"),
        "{notes}"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn changes_since_a_day_name_records_and_who_changed_them() {
    let scene = planted("on");
    let database = Connection::open(scene.path("a/environment.db")).unwrap();
    let earlier = "UPDATE items SET updated_at = updated_at - 10 * 86400 WHERE name <> 'weak'";
    assert_eq!(database.execute(earlier, []).unwrap(), 9);
    drop(database);
    scene.run(&["update", "V/weak", "--from", "embedded:a", "--url", "https://c.example"]).succeeds();
    let run = scene.run(&["--json", "audit", "embedded:a", "--changed-since", "1d", "--fail-on", "none"]);
    let audit = run.succeeds().hides(SECRET).json();
    assert_eq!(sorted(&run), ["high weak V / weak: password"]);
    let records = audit["changes"]["records"].as_array().unwrap();
    assert_eq!((records.len(), &records[0]["record"]), (1, &"V / weak".into()));
    let log = audit["changes"]["log"].as_array().unwrap();
    assert!(log.iter().all(|deed| deed["action"] != "item.read"), "{log:?}");
    let updates: Vec<_> = log.iter().filter(|deed| deed["action"] == "item.update").collect();
    assert_eq!(updates.len(), 1, "{log:?}");
    assert_eq!((&updates[0]["user"], &updates[0]["object"]), (&"admin".into(), &"V / weak".into()));
    assert!(
        log.iter().any(|deed| deed["action"] == "folder.create" && deed["object"] == "V / Top"),
        "{log:?}"
    );
    let later = scene
        .run(&["--json", "audit", "embedded:a", "--changed-since", "2199-01-01", "--fail-on", "none"])
        .json();
    assert_eq!((&later["records"], later["changes"]["log"].as_array().map(Vec::len)), (&0.into(), Some(0)));
    scene.run(&["audit", "a.csv", "--changed-since", "1d"]).exits(2);
    let without = scene.run(&["--json", "audit", "embedded:a"]).json();
    assert!(without["changes"].is_null());
}
