//! The main job as a person types it: a file into one environment, across to another, and out
//! again the same.

use keyferry_tests::records::{lifelike, multiset, write_jsonl};
use keyferry_tests::{MASTER_PASSWORD, Scene};

const SEED: u64 = 42;

#[test]
fn what_comes_out_equals_what_went_in() {
    let scene = Scene::with_environments(&["a", "b"]);
    write_jsonl(&lifelike(300, SEED), &scene.path("people.jsonl"));
    let report = scene.run(&["--json", "import", "people.jsonl", "embedded:a"]);
    let report = report.succeeds().json();
    assert_eq!((&report["created"], &report["verified"]), (&300.into(), &300.into()));
    scene.run(&["migrate", "embedded:a", "embedded:b"]).succeeds();
    scene.run(&["verify", "embedded:a", "embedded:b"]).succeeds();
    scene.run(&["verify", "people.jsonl", "embedded:b"]).succeeds();
    scene.run(&["export", "embedded:b", "out.jsonl", "--allow-plaintext"]).succeeds();
    assert_eq!(multiset(&scene.read("out.jsonl")), multiset(&scene.read("people.jsonl")));
}

#[test]
fn passworks_own_json_holds_everything_too() {
    let scene = Scene::with_environments(&["a", "b"]);
    write_jsonl(&lifelike(100, SEED + 1), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    scene.run(&["export", "embedded:a", "out.json", "--allow-plaintext"]).succeeds();
    scene.run(&["import", "out.json", "embedded:b"]).succeeds();
    scene.run(&["verify", "embedded:a", "embedded:b"]).succeeds();
}

#[test]
fn a_second_run_makes_nothing_twice_and_twins_stay_two() {
    let scene = Scene::with_environments(&["a"]);
    write_jsonl(&lifelike(60, SEED), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    let again = scene.run(&["--json", "import", "people.jsonl", "embedded:a"]).succeeds().json();
    assert_eq!((&again["created"], &again["unchanged"]), (&0.into(), &60.into()));
}

#[test]
fn verify_names_records_and_fields_but_never_values() {
    let scene = Scene::new();
    let a = scene.file("a.csv", "vault,name,login,password\nV,one,u,first-secret\nV,two,u,x\nV,three,u,y\n");
    let b = scene.file("b.csv", "vault,name,login,password\nV,one,u,other-secret\nV,two,u,x\nV,four,u,z\n");
    let run = scene.run(&["--json", "verify", a, b, "--exact"]);
    let report = run.exits(4).hides("first-secret").hides("other-secret").json();
    let mut different: Vec<String> =
        report["different"].as_array().into_iter().flatten().map(ToString::to_string).collect();
    different.sort();
    assert_eq!(
        different,
        [
            r#"{"record":"V / four","what":["only there"]}"#,
            r#"{"record":"V / one","what":["password"]}"#,
            r#"{"record":"V / three","what":["missing"]}"#
        ]
    );
}

#[test]
fn conflicts_are_settled_as_asked() {
    let import = |how: &str, code: i32| {
        let scene = Scene::with_environments(&["a"]);
        let old = scene.file(
            "old.csv",
            "vault,name,login,password,notes,API key\nV,one,u,old,keep,k1\nV,two,u,same,,\n",
        );
        let new = scene
            .file("new.csv", "vault,name,login,password,notes,API key\nV,one,u,new,,k2\nV,two,u,same,,\n");
        scene.run(&["import", old, "embedded:a"]).succeeds();
        let plan =
            scene.run(&["--json", "import", new, "embedded:a", "--dry-run", "--on-conflict", how]).json();
        assert_eq!(plan["conflicts"][0]["record"], "V / one", "{plan}");
        scene.run(&["import", new, "embedded:a", "--on-conflict", how]).exits(code);
        scene.run(&["export", "embedded:a", "csv:out.csv", "--allow-plaintext"]).succeeds();
        let mut rows: Vec<String> = scene.read("out.csv").lines().skip(1).map(str::to_owned).collect();
        rows.sort();
        rows
    };
    let (old, new, two) = ("V,,one,u,old,,keep,,,,k1", "V,,one,u,new,,,,,,k2", "V,,two,u,same,,,,,,");
    assert_eq!(import("fail", 1), [old, two]);
    assert_eq!(import("skip", 3), [old, two]);
    assert_eq!(import("update", 0), [new, two]);
    assert_eq!(import("duplicate", 0), [new, old, two]);
}

#[test]
fn a_killed_import_is_completed_by_the_next() {
    const RECORDS: usize = 3000;
    let scene = Scene::with_environments(&["a"]);
    write_jsonl(&lifelike(RECORDS, SEED), &scene.path("people.jsonl"));
    let mut child =
        scene.command(&["import", "people.jsonl", "embedded:a", "--verify", "none"]).spawn().unwrap();
    let arrived = || {
        let tree = scene.run(&["--json", "tree", "embedded:a"]).succeeds().stdout();
        tree.matches("postgres").count()
    };
    while arrived() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let plan = scene.run(&["--json", "import", "people.jsonl", "embedded:a", "--dry-run"]).succeeds().json();
    let there = plan["unchanged"].as_u64().unwrap();
    assert!((1..RECORDS as u64).contains(&there), "killed half way: {there}");
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    scene.run(&["verify", "people.jsonl", "embedded:a"]).succeeds();
}

#[test]
fn encryption_can_be_gained_by_migrating_and_is_never_lost_unasked() {
    let scene = Scene::with_environments(&["on"]);
    scene.run(&["env", "init", "embedded:off", "--user", "admin", "--client-encryption", "off"]).succeeds();
    write_jsonl(&lifelike(40, SEED), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:off", "--allow-unencrypted-target"]).succeeds();
    scene.run(&["migrate", "embedded:off", "embedded:on"]).succeeds();
    scene.run(&["verify", "embedded:off", "embedded:on"]).succeeds();
    scene.run(&["env", "init", "embedded:off2", "--user", "admin", "--client-encryption", "off"]).succeeds();
    scene.run(&["migrate", "embedded:on", "embedded:off2"]).exits(5).says("--allow-unencrypted-target");
    scene.run(&["migrate", "embedded:on", "embedded:off2", "--allow-unencrypted-target"]).succeeds();
}

#[test]
fn names_are_listed_without_any_key() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "vault,folder,name,password\nInfra,Databases/Main,pg,hidden-secret\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let run = scene.run_with(&[("KEYFERRY_MASTER_PASSWORD", None)], &["tree", "embedded:a"]);
    run.succeeds().hides("hidden-secret");
    for name in ["Infra", "Databases", "Main", "pg"] {
        assert!(run.stdout().contains(name), "{}", run.stdout());
    }
}

#[test]
fn the_demo_proves_itself() {
    let scene = Scene::new();
    let run = scene.run(&["demo"]);
    run.succeeds().hides(MASTER_PASSWORD);
    assert!(run.stdout().contains("verified"));
}

#[test]
fn a_pipe_into_an_environment_that_holds_records_is_read_twice() {
    let scene = Scene::with_environments(&["a"]);
    write_jsonl(&lifelike(1200, SEED), &scene.path("people.jsonl"));
    let pipe = |code| {
        let mut import = scene.command(&["--json", "import", "jsonl:-", "embedded:a"]);
        let file = std::fs::File::open(scene.path("people.jsonl")).unwrap();
        let output = import.stdin(file).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(pipe(0)["created"], 1200);
    assert_eq!(pipe(0)["unchanged"], 1200);
    scene.run(&["diff", "people.jsonl", "embedded:a"]).succeeds();
}
