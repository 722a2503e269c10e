//! Whole records: by reference, folder, id and tag; files of variables; and how many requests it takes.

use super::{MYSQL, PIN, exec, scene};
use keyferry_api::BATCH_LIMIT;
use keyferry_tests::Scene;
use keyferry_tests::proxy::Proxy;
use keyferry_tests::server::Served;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The variables that a child sees beyond those of an empty scene, sorted.
fn variables(scene: &Scene, words: &[&str]) -> Vec<String> {
    let allowed = ["--allow", "mysql,PIN,host,api_*"];
    let shown = scene.run(&exec(&[&allowed, words, &["--", "env", "-0"]].concat())).succeeds().stdout();
    let mut seen: Vec<String> = shown.split_terminator('\0').map(str::to_owned).collect();
    seen.retain(|variable| !variable.starts_with("HOME="));
    seen.sort_unstable();
    seen
}

fn of_mysql() -> [String; 3] {
    [format!("PIN={PIN}"), "host=db.example".into(), format!("mysql={MYSQL}")]
}

#[test]
fn a_record_gives_its_password_and_its_text_and_password_fields() {
    let scene = scene();
    assert_eq!(variables(&scene, &["--record", "Infra/db/mysql"]), of_mysql());
    let only = variables(&scene, &["--record", "Infra/db/mysql", "--only-custom-fields", "--prefix", "DB_"]);
    assert_eq!(only, [format!("DB_PIN={PIN}"), "DB_host=db.example".into()]);
    scene
        .run(&exec(&["--record", "Infra/db/mysql#PIN", "--", "true"]))
        .exits(125)
        .says("--env NAME=REFERENCE");
}

#[test]
fn a_folder_gives_what_is_in_it_and_below() {
    let scene = scene();
    let run = scene.run(&exec(&["--folder", "Infra/app", "--allow", "api_token,key", "--", "env"]));
    let shown = run.succeeds().says("`empty` has no value").stdout();
    assert!(shown.contains("api_token=pl4nted-token\n") && shown.contains("key=-----BEGIN"), "{shown}");
    assert!(!shown.contains("mysql") && !shown.contains("empty"), "{shown}");
    scene
        .run(&exec(&["--folder", "Infra/nowhere", "--", "true"]))
        .exits(125)
        .says("no folder `Infra / nowhere`");
    scene.run(&exec(&["--folder", "Nowhere", "--", "true"])).exits(125).says("no folder `Nowhere`");
    scene.run(&exec(&["--record", "Infra/app/empty", "--", "true"])).exits(125).says("no secrets were found");
}

#[test]
fn ids_and_tags_choose_as_for_the_official_command() {
    let scene = scene();
    let get = |path: &str| scene.run(&["--json", "get", "--from", "embedded:a", path]).succeeds().json();
    let (mysql, token) = (get("Infra/db/mysql"), get("Infra/app/deep/api-token"));
    let id = |document: &serde_json::Value, member: &str| document[member].as_str().unwrap().to_owned();
    let both = format!("{}, {} ,{},", id(&mysql, "id"), id(&token, "id"), id(&mysql, "id"));
    let mut all = of_mysql().to_vec();
    all.push("api_token=pl4nted-token".into());
    all.sort_unstable();
    assert_eq!(variables(&scene, &["--password-id", &both]), all);
    assert_eq!(variables(&scene, &["--tags", "prod"]), all);
    assert_eq!(variables(&scene, &["--tags", "prod,api"]), ["api_token=pl4nted-token"]);
    assert_eq!(variables(&scene, &["--folder-id", &id(&mysql, "folder_id")]), of_mysql());
    let in_folder = ["--vault-id", &id(&mysql, "vault_id"), "--folder-id", &id(&token, "folder_id")];
    assert_eq!(variables(&scene, &in_folder), ["api_token=pl4nted-token"]);
    // Chosen twice is chosen once.
    assert_eq!(
        variables(&scene, &["--tags", "prod", "--record", "Infra/db/mysql", "--folder", "Infra/db"]),
        all
    );
    scene.run(&exec(&["--tags", "nothing", "--", "true"])).exits(125).says("no secrets were found");
}

#[test]
fn a_file_of_variables_holds_plain_values_and_references() {
    let scene = scene();
    let file = scene.file(
        "app.env",
        "# the app\nMODE=production\nexport URL=mysql://{{ Infra/db/mysql#login }}:{{ Infra/db/mysql | urlencode }}@db\nPIN = {{Infra/db/mysql#PIN}}\nLITERAL='{{ not one }}'\n",
    );
    let seen = variables(&scene, &["--env-file", file]);
    let url = "URL=mysql://root:pl4nted%20%22my%22%2F%24ql%27s%2B%C3%A9@db";
    assert_eq!(seen, ["LITERAL={{ not one }}", "MODE=production", &format!("PIN={PIN}"), url]);
    let wrong = scene.file("wrong.env", "A=1\nB={{ Infra/db/mysql#none }}\n");
    let run = scene.run(&exec(&["--env-file", wrong, "--", "touch", "ran"]));
    run.exits(125).says("wrong.env, line 2, column 3").says("no field `none`").hides("pl4nted");
    assert!(!scene.path("ran").exists());
}

#[test]
fn environments_may_be_mixed_by_name() {
    let scene = scene();
    for name in ["one", "two"] {
        scene.run(&["env", "add", name, "embedded:a"]).succeeds();
    }
    let secret = Some(keyferry_tests::MASTER_PASSWORD);
    let own = [("KEYFERRY_ONE_MASTER_PASSWORD", secret), ("KEYFERRY_TWO_MASTER_PASSWORD", secret)];
    let words = [
        "exec",
        "--env",
        "A=one:Infra/db/mysql#PIN",
        "--env",
        "B=two:Infra/db/mysql#host",
        "--cmd",
        "echo $A $B",
    ];
    assert_eq!(scene.run_with(&own, &words).succeeds().stdout(), format!("{PIN} db.example\n"));
    scene
        .run(&["exec", "--env", "A=Infra/db/mysql", "--", "true"])
        .exits(125)
        .says("no environment is named");
}

/// A served environment with 500 records in one folder, and a proxy that counts requests.
fn five_hundred(scene: &Scene) -> (Served, Proxy, Arc<AtomicUsize>) {
    let served = Served::new(scene, "b", "on");
    let lines = (0..500).map(|number| {
        format!("{{\"vault\":\"V\",\"path\":[\"f\"],\"name\":\"record-{number}\",\"password\":\"pl4nted-{number}\"}}\n")
    });
    let file = scene.file("many.jsonl", lines.collect::<String>());
    assert!(served.command(scene, &["import", file, &served.url]).output().unwrap().status.success());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            None
        }),
    );
    (served, proxy, count)
}

#[test]
fn five_hundred_records_take_a_handful_of_requests() {
    let scene = Scene::new();
    let (served, proxy, count) = five_hundred(&scene);
    let lines = (0..500).map(|number| format!("V_{number}={{{{ V/f/record-{number} }}}}\n"));
    let file = scene.file("many.env", lines.collect::<String>());
    let ways: [&[&str]; 2] = [&["--folder", "V/f", "--allow", "record_*"], &["--env-file", file]];
    for way in ways {
        count.store(0, Ordering::Relaxed);
        let words = [&["exec", "--from", &proxy.url], way, &["--", "env"]].concat();
        let output = served.command(&scene, &words).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(shown.matches("=pl4nted-").count(), 500, "{}", String::from_utf8_lossy(&output.stderr));
        let requests = count.load(Ordering::Relaxed);
        assert!(requests <= 500_usize.div_ceil(BATCH_LIMIT) + 7, "{requests} requests for {way:?}");
    }
}
