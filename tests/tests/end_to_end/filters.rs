//! `--vault --folder --tag --query --changed-since`: what is chosen arrives, and nothing else is touched.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::Scene;

const CSV: &str = "\
vault,folder,name,login,password,url,notes,tags
Infra,,root,admin,hidden-word,,,prod
Infra,Databases,pg,app,x,https://db.example,,\"prod,db\"
Infra,Databases/Main,pg-main,app,x,,first line,db
Infra,Databases2,ñandú,app,x,,,
HR,,payroll,ops,x,,Übersicht,prod
";

/// The names of a report's source: the records of a file made of it.
fn names(scene: &Scene, out: &str) -> Vec<String> {
    let text = scene.read(out);
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut names: Vec<String> = lines.filter_map(|line| line["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

fn exported(scene: &Scene, flags: &[&str]) -> Vec<String> {
    let export = ["export", "embedded:a", "out.jsonl", "--allow-plaintext"];
    scene.run(&[&export, flags].concat()).succeeds();
    names(scene, "out.jsonl")
}

/// Imports the file into a new environment with these flags and lists what arrived.
fn imported(scene: &Scene, flags: &[&str]) -> Vec<String> {
    let _ = std::fs::remove_dir_all(scene.path("b"));
    scene.run(&["env", "init", "embedded:b", "--user", "admin"]).succeeds();
    scene.run(&[&["import", "a.csv", "embedded:b"], flags].concat()).succeeds();
    scene.run(&["export", "embedded:b", "out.jsonl", "--allow-plaintext"]).succeeds();
    names(scene, "out.jsonl")
}

#[test]
fn each_flag_chooses_alike_from_environments_and_files() {
    let scene = Scene::with_environments(&["a"]);
    scene.run(&["import", scene.file("a.csv", CSV), "embedded:a"]).succeeds();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--vault", "HR"], &["payroll"]),
        (
            &["--vault", "HR", "--vault", "Infra", "--query", "p"],
            &["payroll", "pg", "pg-main", "root", "ñandú"],
        ),
        (&["--folder", "Databases"], &["pg", "pg-main"]),
        (&["--folder", "Databases/Main"], &["pg-main"]),
        (&["--tag", "db"], &["pg", "pg-main"]),
        (&["--tag", "db", "--tag", "prod"], &["payroll", "pg", "pg-main", "root"]),
        (&["--query", "ÑANDÚ"], &["ñandú"]),
        (&["--query", "übersicht"], &["payroll"]),
        (&["--query", "DB.example"], &["pg"]),
        (&["--vault", "Infra", "--folder", "Databases", "--tag", "prod", "--query", "app"], &["pg"]),
    ];
    for (flags, expected) in cases {
        assert_eq!(exported(&scene, flags), *expected, "export {flags:?}");
        assert_eq!(imported(&scene, flags), *expected, "import {flags:?}");
    }
}

#[test]
fn a_slash_in_a_folders_name_is_written_as_in_locations() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file(
        "a.jsonl",
        r#"{"vault":"V","path":["Network/Edge"],"name":"in"}
{"vault":"V","path":["Network","Edge"],"name":"out"}
"#,
    );
    scene.run(&["import", file, "embedded:a"]).succeeds();
    assert_eq!(exported(&scene, &["--folder", r"Network\/Edge"]), ["in"]);
    assert_eq!(exported(&scene, &["--folder", "Network/Edge"]), ["out"]);
}

#[test]
fn secrets_are_not_searched_and_a_slip_of_the_pen_shows() {
    let scene = Scene::with_environments(&["a", "b"]);
    let file = scene.file("a.csv", CSV);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    for command in [
        &["migrate", "embedded:a", "embedded:b", "--query", "hidden-word"][..],
        &["import", file, "embedded:b", "--query", "hidden-word"],
        &["verify", "embedded:a", "embedded:b", "--query", "hidden-word"],
    ] {
        let run = scene.run(command);
        let said = run.succeeds().stdout();
        assert!(said.contains("0 records read"), "{command:?}: {said}");
        assert!(said.contains("no record matches the filter"), "{command:?}: {said}");
    }
    scene
        .run(&["migrate", "embedded:a", "embedded:b", "--vault", "infra"])
        .exits(1)
        .says("did you mean Infra");
    let tree = scene.run(&["--json", "tree", "embedded:b"]).succeeds().json();
    assert_eq!(tree, serde_json::json!([]));
    scene.run(&["migrate", "embedded:a", "embedded:b", "--folder", ""]).exits(2).says("--folder");
}

#[test]
fn what_the_sink_holds_besides_stays_and_is_no_difference() {
    let scene = Scene::with_environments(&["a", "b"]);
    scene.run(&["import", scene.file("a.csv", CSV), "embedded:a"]).succeeds();
    let other = scene.file(
        "b.csv",
        "vault,folder,name,login,password,url,notes,tags\nInfra,,other,,y,,,\nHR,,payroll,ops,x,,Übersicht,prod\n",
    );
    scene.run(&["import", other, "embedded:b"]).succeeds();
    let migrate = ["--json", "migrate", "embedded:a", "embedded:b", "--tag", "prod"];
    let plan = scene.run(&[&migrate[..], &["--dry-run"]].concat()).succeeds().json();
    assert_eq!((&plan["read"], &plan["create"], &plan["unchanged"]), (&3.into(), &2.into(), &1.into()));
    let report = scene.run(&migrate).succeeds().json();
    assert_eq!(
        [&report["read"], &report["created"], &report["unchanged"], &report["verified"]],
        [&serde_json::json!(3), &2.into(), &1.into(), &3.into()],
        "{report}"
    );
    // The second run finds everything there, though the sink holds records that the filter would not take.
    let again = scene.run(&migrate).succeeds().json();
    assert_eq!((&again["created"], &again["unchanged"]), (&0.into(), &3.into()), "{again}");
    scene.run(&["verify", "embedded:a", "embedded:b", "--tag", "prod"]).succeeds();
    let run = scene.run(&["verify", "embedded:a", "embedded:b", "--exact"]);
    assert!(run.exits(4).stdout().contains("only there: Infra / other"), "{}", run.stdout());
    scene.run(&["export", "embedded:b", "out.jsonl", "--allow-plaintext"]).succeeds();
    assert_eq!(names(&scene, "out.jsonl"), ["other", "payroll", "pg", "root"]);
}

#[test]
fn a_conflict_outside_the_filter_does_not_stop_a_transfer_and_one_inside_does() {
    let scene = Scene::with_environments(&["a", "b"]);
    let old = scene.file("old.csv", "vault,name,password,tags\nV,one,old,\nV,two,same,go\n");
    let new = scene.file("new.csv", "vault,name,password,tags\nV,one,new,\nV,two,same,go\nV,three,z,go\n");
    scene.run(&["import", old, "embedded:b"]).succeeds();
    scene.run(&["import", new, "embedded:a"]).succeeds();
    scene.run(&["migrate", "embedded:a", "embedded:b", "--query", "one"]).exits(1).says("V / one");
    scene.run(&["migrate", "embedded:a", "embedded:b", "--tag", "go"]).succeeds();
    // What clashes in the sink does so whether or not the filter would take it there.
    let tagged = scene.file("tagged.csv", "vault,name,password,tags\nV,one,old,go\n");
    scene.run(&["import", tagged, "embedded:b", "--tag", "go"]).exits(1).says("V / one");
}

#[test]
fn empty_folders_travel_only_where_places_alone_are_chosen() {
    let scene = Scene::with_environments(&["a", "b", "c"]);
    let file = scene.file(
        "a.jsonl",
        r#"{"folder":true,"vault":"V","path":["Empty"]}
{"vault":"V","name":"n","tags":["t"]}
"#,
    );
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let has_folder = |name: &str| scene.run(&["tree", name]).succeeds().stdout().contains("Empty/");
    assert!(has_folder("embedded:a"));
    scene.run(&["migrate", "embedded:a", "embedded:b", "--tag", "t"]).succeeds();
    assert!(!has_folder("embedded:b"));
    scene.run(&["migrate", "embedded:a", "embedded:c", "--folder", "Empty"]).succeeds();
    assert!(has_folder("embedded:c"));
}

#[test]
fn only_what_changed_since_is_carried() {
    let scene = Scene::with_environments(&["a", "b"]);
    let first = scene.file("first.csv", "vault,name,password\nV,one,old\nV,two,same\nW,three,same\n");
    scene.run(&["import", first, "embedded:a"]).succeeds();
    scene.run(&["migrate", "embedded:a", "embedded:b"]).succeeds();
    let ten_days_pass = |environment: &str| {
        let database = rusqlite::Connection::open(scene.path(environment).join("environment.db")).unwrap();
        database.execute("UPDATE items SET updated_at = updated_at - 10 * 24 * 3600", []).unwrap();
    };
    ten_days_pass("a");
    ten_days_pass("b");
    let second = scene.file("second.csv", "vault,name,password\nV,one,new\nV,two,same\nV,four,new\n");
    scene.run(&["import", second, "embedded:a", "--on-conflict", "update"]).succeeds();
    let changed = ["--changed-since", "7d"];
    let behind = scene.run(&[&["--json", "verify", "embedded:a", "embedded:b"], &changed[..]].concat());
    let behind = behind.exits(4).json();
    assert_eq!(behind["read"], 2, "{behind}");
    assert_eq!(behind["different"].as_array().map(Vec::len), Some(2), "{behind}");
    let migrate = ["--json", "migrate", "embedded:a", "embedded:b", "--on-conflict", "update"];
    let report = scene.run(&[&migrate[..], &changed[..]].concat()).succeeds().json();
    assert_eq!(
        [&report["read"], &report["created"], &report["updated"], &report["verified"]],
        [&serde_json::json!(2), &1.into(), &1.into(), &2.into()],
        "{report}"
    );
    scene.run(&["verify", "embedded:a", "embedded:b"]).succeeds();
    // However old the copies are, they are found.
    ten_days_pass("b");
    let again = scene.run(&[&migrate[..], &changed[..]].concat()).succeeds().json();
    assert_eq!((&again["unchanged"], &again["verified"]), (&2.into(), &2.into()), "{again}");
    // A copy has a time of its own: what else the second holds is no difference.
    scene.run(&[&["verify", "embedded:a", "embedded:b"], &changed[..]].concat()).succeeds();
    assert_eq!(exported(&scene, &["--changed-since", "2999-01-01"]), Vec::<String>::new());
    assert_eq!(exported(&scene, &["--changed-since", "2020-01-01"]), ["four", "one", "three", "two"]);
    assert_eq!(exported(&scene, &["--changed-since", "7d"]), ["four", "one"]);
}

#[test]
fn a_job_resumed_days_later_chooses_what_it_chose_when_it_began() {
    let scene = Scene::with_environments(&["a", "b"]);
    let file = scene.file("a.csv", "vault,name,password,tags\nV,one,x,t\nV,two,y,t\nV,three,z,\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let migrate = ["--journal", "jobs.db", "migrate", "embedded:a", "embedded:b", "--changed-since", "7d"];
    assert!(scene.crashes("after intent", 1, &[&migrate[..], &["--tag", "t"]].concat()));
    let days_pass = |days: u32, file: &str, change: &str| {
        let database = rusqlite::Connection::open(scene.path(file)).unwrap();
        database.execute(&format!("{change} - {days} * 24 * 3600"), []).unwrap();
    };
    // Changed four days before the job began, five days ago.
    days_pass(5, "jobs.db", "UPDATE jobs SET started = started");
    days_pass(9, "a/environment.db", "UPDATE items SET updated_at = updated_at");
    let report = scene.run(&["--json", "--journal", "jobs.db", "resume", "1"]).succeeds().json();
    assert_eq!((&report["read"], &report["verified"]), (&2.into(), &2.into()), "{report}");
    scene.run(&["export", "embedded:b", "out.jsonl", "--allow-plaintext"]).succeeds();
    assert_eq!(names(&scene, "out.jsonl"), ["one", "two"]);
}

#[test]
fn files_hold_no_times_and_no_word_is_taken_for_one() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", CSV);
    scene.run(&["import", file, "embedded:a", "--changed-since", "7d"]).exits(2).says("a.csv").says("file");
    scene.run(&["verify", file, "embedded:a", "--changed-since", "7d"]).exits(2);
    scene.run(&["export", "embedded:a", "out.csv", "--changed-since", "yesterday"]).exits(2).says("7d");
}

#[test]
fn a_row_that_cannot_be_read_is_listed_whatever_the_filter() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "vault,name,password\nV,one,x\nV,two\nW,three,y\n");
    let report = scene.run(&["--json", "import", file, "embedded:a", "--vault", "V"]).exits(3).json();
    assert_eq!((&report["read"], &report["rejected"][0]["at"]), (&2.into(), &"line 3".into()), "{report}");
}
