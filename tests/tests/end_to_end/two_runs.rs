//! Two runs at once into one sink, each with a journal of its own: neither knows of the other. A server that makes each thing
//! once keeps the second one out; elsewhere what both wrote is found and told.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use fastrand::Rng;
use keyferry_core::client::{Client, Session, http_transport};
use keyferry_tests::proxy::{Asked, Proxy};
use keyferry_tests::records::{lifelike, write_jsonl};
use keyferry_tests::server::Served;
use keyferry_tests::{Scene, seeds};
use std::collections::HashSet;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A server with these records before, and a proxy behind which another run writes the same records before the first
/// request that creates arrives.
fn raced(before: &str, mode: &str, makes_once: bool, flags: &[&str]) -> (Option<i32>, String, Scene) {
    let scene = Scene::new();
    let _ = scene.file("before.jsonl", before);
    let lines = (0..40)
        .map(|n| format!("{{\"vault\":\"V\",\"name\":\"r{n}\",\"login\":\"u\",\"password\":\"p{n}\"}}\n"));
    // Twins are two, whoever writes them.
    let twin = "{\"vault\":\"V\",\"name\":\"r39\",\"login\":\"u\",\"password\":\"p39\"}\n";
    let _ = scene.file("new.jsonl", lines.collect::<String>() + twin);
    let served = Served::new(&scene, "a", mode);
    if !before.is_empty() {
        scene.run(&[&["import", "before.jsonl", "embedded:a"], flags].concat()).succeeds();
    }
    let mut other: Command = served.command(
        &scene,
        &[
            "--journal",
            "other.db",
            "import",
            "new.jsonl",
            &served.url,
            "--on-conflict",
            "duplicate",
            "--allow-unencrypted-target",
        ],
    );
    let other = Mutex::new(Some(move || other.output().unwrap()));
    let proxy = if makes_once { Proxy::new } else { Proxy::before_another_server };
    let proxy = proxy(
        &served.url,
        Box::new(move |asked: &Asked| {
            let creates =
                asked.method == "POST" && (asked.path.ends_with("/batch") || asked.path.ends_with("/items"));
            if creates && let Some(mut run) = other.lock().unwrap().take() {
                let output = run();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            None
        }),
    );
    let words = [&["import", "new.jsonl", &proxy.url], flags].concat();
    let output = served.command(&scene, &words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr), scene)
}

#[test]
fn records_that_another_run_wrote_as_well_are_named() {
    let unrelated = r#"{"vault":"W","name":"other","login":"u","password":"p"}"#;
    let same_vault = r#"{"vault":"V","name":"other","login":"u","password":"p"}"#;
    for before in ["", unrelated, same_vault] {
        for how in ["full", "sample", "none"] {
            let (code, said, _) = raced(before, "on", false, &["--verify", how]);
            assert_eq!(code, Some(4), "{before} {how}: {said}");
            assert!(said.contains("written by another run as well") && said.contains("r39"), "{how}: {said}");
            assert!(said.contains("another run may be at work"), "{how}: {said}");
        }
    }
}

/// Neither finds a vault of the name, so each makes one: the records stand twice, in two vaults.
#[test]
fn two_runs_that_both_make_the_vault_are_told() {
    for how in ["full", "sample", "none"] {
        let scene = Scene::new();
        let line =
            |n| format!("{{\"vault\":\"V\",\"path\":[\"f\"],\"name\":\"r{n}\",\"password\":\"p{n}\"}}\n");
        let _ = scene.file("new.jsonl", (0..40).map(line).collect::<String>());
        let served = Served::new(&scene, "a", "on");
        let mut other =
            served.command(&scene, &["--journal", "other.db", "import", "new.jsonl", &served.url]);
        let other = Mutex::new(Some(move || other.output().unwrap()));
        let proxy = Proxy::before_another_server(
            &served.url,
            Box::new(move |asked: &Asked| {
                let makes = asked.method == "POST" && asked.path.ends_with("/vaults");
                if makes && let Some(mut run) = other.lock().unwrap().take() {
                    let output = run();
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                }
                None
            }),
        );
        let words = ["import", "new.jsonl", &proxy.url, "--verify", how];
        let told = scene.finish(served.command(&scene, &words));
        told.exits(4).prints("written by another run as well").prints("r39");
        told.prints("have the name of one that this job made");
    }
}

#[test]
fn a_server_that_makes_each_thing_once_keeps_the_second_run_out() {
    let same_vault = r#"{"vault":"V","name":"other","login":"u","password":"p"}"#;
    // One of the twins is there: the other is still to come, and once.
    let a_twin = r#"{"vault":"V","name":"r39","login":"u","password":"p39"}"#;
    for mode in ["on", "off"] {
        for before in ["", same_vault, a_twin] {
            for how in ["full", "none"] {
                let flags = ["--verify", how, "--on-conflict", "duplicate", "--allow-unencrypted-target"];
                let (code, said, scene) = raced(before, mode, true, &flags);
                assert_eq!(code, Some(0), "{mode} {before} {how}: {said}");
                assert!(said.contains("written by another run of the same source"), "{how}: {said}");
                let list = scene.run(&["--json", "verify", "new.jsonl", "embedded:a"]).succeeds().json();
                assert_eq!(list["verified"], 41);
                if before != same_vault {
                    scene.run(&["verify", "--exact", "new.jsonl", "embedded:a"]).succeeds();
                }
                // The second run's undo takes nothing of the first one's away.
                if how == "full" && mode == "on" && before.is_empty() {
                    assert!(said.contains(" 41 "), "{said}");
                }
            }
        }
    }
}

#[test]
fn two_processes_with_journals_of_their_own_race_and_nothing_stands_twice() {
    for seed in seeds(3) {
        let scene = Scene::new();
        write_jsonl(&lifelike(400, seed), &scene.path("people.jsonl"));
        let mut served = Served::new(&scene, "a", "on");
        let mut rng = Rng::with_seed(seed);
        let run = |served: &Served, journal: &str| {
            let words =
                ["--journal", journal, "import", "people.jsonl", &served.url, "--on-conflict", "duplicate"];
            served.command(&scene, &words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut runs = vec![run(&served, "one.db"), run(&served, "two.db")];
        // One of them may end at any moment, and so may the server; whoever goes on makes the rest, once.
        std::thread::sleep(Duration::from_millis(rng.u64(50..900)));
        if rng.bool() {
            runs[rng.usize(0..2)].kill().unwrap();
        }
        if rng.bool() {
            served.kill_and_restart(&scene);
        }
        for run in &mut runs {
            let _ = run.wait().unwrap();
        }
        let mut last = run(&served, "three.db");
        let mut said = String::new();
        let ended = last.wait().unwrap();
        last.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(ended.success(), "SEED={seed} {said}");
        scene.run(&["verify", "--exact", "people.jsonl", "embedded:a"]).succeeds();
        // Vaults and folders as well.
        let tree = scene.run(&["tree", "embedded:a"]);
        let lines: Vec<String> = tree.succeeds().stdout().lines().map(str::to_owned).collect();
        let vaults: Vec<&String> =
            lines.iter().filter(|line| !line.starts_with([' ', '│', '├', '└'])).collect();
        let names: HashSet<&String> = vaults.iter().copied().collect();
        assert_eq!(vaults.len(), names.len(), "SEED={seed} {lines:?}");
    }
}

#[tokio::test]
async fn what_was_taken_back_or_deleted_can_be_brought_again() {
    for mode in ["on", "off"] {
        let scene = Scene::new();
        write_jsonl(&lifelike(60, 9), &scene.path("people.jsonl"));
        let served = Served::new(&scene, "a", mode);
        let run = |words: &[&str]| {
            let output = served.command(&scene, words).output().unwrap();
            assert!(output.status.success(), "{mode} {words:?} {}", String::from_utf8_lossy(&output.stderr));
        };
        let import = ["import", "people.jsonl", &served.url, "--allow-unencrypted-target"];
        run(&import);
        if mode == "on" {
            run(&["undo", "last"]);
            run(&import);
        }
        scene.run(&["verify", "--exact", "people.jsonl", "embedded:a"]).succeeds();
        // Deleted by hand, one by one: the places stay.
        let session = Session { access_token: Some(served.access_token().into()), ..Session::default() };
        let transport = http_transport(&served.url.parse().unwrap(), Duration::from_secs(5)).unwrap();
        let client = Client::new(transport, "served", session);
        for vault in client.vaults().await.unwrap() {
            for item in client.item_summaries(&vault.id).await.unwrap() {
                client.delete_item(&item.id).await.unwrap();
            }
        }
        run(&import);
        scene.run(&["verify", "--exact", "people.jsonl", "embedded:a"]).succeeds();
    }
}
