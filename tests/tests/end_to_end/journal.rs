//! Jobs that stop anywhere are gone on with, and taken back: nothing lost, nothing twice.

use keyferry_core::engine::crash;
use keyferry_tests::Scene;
use keyferry_tests::records::{lifelike, write_jsonl};
use keyferry_tests::server::Served;

const SEED: u64 = 7;

fn newest_job(scene: &Scene) -> String {
    scene.run(&["--json", "jobs"]).succeeds().json()[0]["id"].to_string()
}

/// Goes on with the job that stopped; one that wrote nothing is none, and its command another job.
fn go_on(scene: &Scene, command: &[&str]) {
    let jobs = scene.run(&["--json", "jobs"]).succeeds().json();
    if jobs[0]["state"] == "stopped" {
        scene.run(&["resume", "last"]).succeeds();
    } else {
        scene.run(command).succeeds();
    }
}

#[test]
fn a_crash_at_any_point_is_resumed_to_the_same_end() {
    let mut crashed = Vec::new();
    for point in crash::POINTS {
        for occurrence in 1.. {
            let scene = Scene::with_environments(&["a"]);
            write_jsonl(&lifelike(1100, SEED), &scene.path("people.jsonl"));
            let import = ["import", "people.jsonl", "embedded:a", "--verify", "none"];
            if !scene.crashes(point, occurrence, &import) {
                break;
            }
            crashed.push(*point);
            go_on(&scene, &import);
            scene.run(&["verify", "people.jsonl", "embedded:a"]).succeeds();
            scene.run(&["resume", "1"]).exits(2).says("done");
            // Places occur dozens of times, one like the other.
            if occurrence == 3 {
                break;
            }
        }
    }
    crashed.dedup();
    assert_eq!(crashed, crash::POINTS, "a point that is never passed tests nothing");
}

#[test]
fn a_crash_while_overwriting_is_resumed_and_undone_to_what_was_before() {
    let old = "vault,name,login,password,notes\nV,one,u,old-1,keep\nV,two,u,old-2,\nV,three,u,old-3,\n";
    let new =
        "vault,name,login,password,notes\nV,one,u,new-1,\nV,two,u,new-2,more\nV,three,u,old-3,\nW,four,,x,\n";
    for point in ["before intent", "after intent", "after request", "before outcome", "after outcome"] {
        for occurrence in 1..=3 {
            let scene = Scene::with_environments(&["a"]);
            let (old, new) = (scene.file("old.csv", old), scene.file("new.csv", new));
            scene.run(&["import", old, "embedded:a"]).succeeds();
            let import = ["import", new, "embedded:a", "--on-conflict", "update"];
            assert!(scene.crashes(point, occurrence, &import), "{point} {occurrence}");
            go_on(&scene, &import);
            let job = newest_job(&scene);
            scene.run(&["verify", new, "embedded:a"]).succeeds();
            scene.run(&["undo", &job]).succeeds();
            scene.run(&["verify", old, "embedded:a"]).succeeds();
            let tree = scene.run(&["tree", "embedded:a"]).succeeds().stdout();
            assert!(!tree.contains('W'), "the vault that it made is gone: {tree}");
        }
    }
}

#[test]
fn undo_takes_back_its_own_and_spares_what_was_edited_since() {
    let scene = Scene::with_environments(&["a"]);
    let mine = scene.file("mine.csv", "vault,folder,name,password\nV,,before,p\n");
    scene.run(&["import", mine, "embedded:a"]).succeeds();
    write_jsonl(&lifelike(80, SEED), &scene.path("people.jsonl"));
    let extra =
        scene.file("extra.csv", "vault,folder,name,password\nV,F,touched,first\nV,F/G,other,second\n");
    scene.run(&["import", "people.jsonl", "embedded:a"]).succeeds();
    scene.run(&["import", extra, "embedded:a"]).succeeds();
    let edit = scene.file("edit.csv", "vault,folder,name,password\nV,F,touched,someone's edit\n");
    scene.run(&["import", edit, "embedded:a", "--on-conflict", "update"]).succeeds();
    let undone = scene.run(&["--json", "undo", "3"]);
    let undone = undone.exits(3).json();
    assert_eq!((&undone["removed"], &undone["spared"][0]), (&1.into(), &"touched".into()));
    assert_eq!(undone["places_removed"], 1, "G is empty again, F is not: {undone}");
    let undone = scene.run(&["--json", "undo", "2"]).succeeds().json();
    assert_eq!(undone["removed"], 80);
    let left =
        scene.file("left.csv", "vault,folder,name,password\nV,,before,p\nV,F,touched,someone's edit\n");
    scene.run(&["verify", left, "embedded:a"]).succeeds();
    scene.run(&["undo", "2"]).exits(2).says("undone");
}

#[test]
fn a_job_that_cannot_be_undone_says_so_and_changes_nothing() {
    let scene = Scene::new();
    scene.run(&["env", "init", "embedded:off", "--user", "admin", "--client-encryption", "off"]).succeeds();
    let file = scene.file("a.csv", "vault,name,password\nV,n,p\n");
    scene
        .run(&["import", file, "embedded:off", "--allow-unencrypted-target"])
        .succeeds()
        .says("cannot be undone");
    scene.run(&["undo", "1"]).exits(2).says("cannot be undone");
    scene.run(&["verify", file, "embedded:off"]).succeeds();
}

#[test]
fn the_journal_lists_what_was_done_and_holds_no_secret() {
    let scene = Scene::with_environments(&["a"]);
    let old = scene.file("old.csv", "vault,name,password,API key\nV,one,planted-old,planted-custom\n");
    let new = scene.file("new.csv", "vault,name,password,API key\nV,one,planted-new,planted-custom\n");
    scene.run(&["import", old, "embedded:a"]).succeeds();
    scene.run(&["import", new, "embedded:a"]).exits(1).says("--on-conflict");
    scene.run(&["import", new, "embedded:a", "--on-conflict", "update"]).succeeds();
    let jobs = scene.run(&["--json", "jobs"]).succeeds().json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(2), "what did nothing is not listed: {jobs}");
    assert_eq!((&jobs[0]["updated"], &jobs[1]["created"]), (&1.into(), &1.into()));
    assert_eq!(jobs[0]["state"], "done");
    let mut seen = false;
    for entry in std::fs::read_dir(scene.path(".local/state/keyferry")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        seen |= text.contains("old.csv");
        assert!(!text.contains("planted"), "{}", path.display());
    }
    assert!(seen, "the search finds what is there");
}

#[test]
fn two_jobs_on_one_target_exclude_each_other() {
    let scene = Scene::with_environments(&["a"]);
    write_jsonl(&lifelike(4000, SEED), &scene.path("people.jsonl"));
    let mut first = scene.command(&["import", "people.jsonl", "embedded:a"]).spawn().unwrap();
    while scene.run(&["jobs"]).succeeds().stdout().is_empty() {
        assert!(first.try_wait().unwrap().is_none(), "it ended before the second began");
    }
    scene.run(&["import", "people.jsonl", "embedded:./a"]).exits(1).says("another job is writing");
    assert!(first.wait().unwrap().success());
    scene.run(&["verify", "people.jsonl", "embedded:a"]).succeeds();
}

#[test]
fn a_deleted_journal_costs_the_undo_but_no_record() {
    let scene = Scene::with_environments(&["a"]);
    write_jsonl(&lifelike(1100, SEED), &scene.path("people.jsonl"));
    let import = ["import", "people.jsonl", "embedded:a"];
    assert!(scene.crashes("after request", 2, &import));
    std::fs::remove_dir_all(scene.path(".local/state/keyferry")).unwrap();
    scene.run(&["resume", "1"]).exits(1).says("there is no job 1");
    scene.run(&import).succeeds();
    scene.run(&["verify", "people.jsonl", "embedded:a"]).succeeds();
}

#[test]
fn a_journal_is_not_taken_for_another_environments() {
    let scene = Scene::with_environments(&["a", "b"]);
    write_jsonl(&lifelike(1100, SEED), &scene.path("people.jsonl"));
    assert!(scene.crashes("after request", 1, &["import", "people.jsonl", "embedded:a"]));
    std::fs::rename(scene.path("a"), scene.path("old")).unwrap();
    std::fs::rename(scene.path("b"), scene.path("a")).unwrap();
    scene.run(&["resume", "1"]).exits(5).says("not the one that was seen before");
    scene.run(&["env", "unpin", "embedded:a", "key-derivation"]).succeeds();
    scene.run(&["resume", "1"]).exits(5).says("another user");
    assert_eq!(scene.run(&["tree", "embedded:a"]).succeeds().stdout(), "");
}

#[test]
fn a_source_that_changed_is_told_and_resuming_completes_it() {
    let scene = Scene::with_environments(&["a"]);
    write_jsonl(&lifelike(1100, SEED), &scene.path("people.jsonl"));
    assert!(scene.crashes("after request", 1, &["import", "people.jsonl", "embedded:a"]));
    write_jsonl(&lifelike(1300, SEED), &scene.path("people.jsonl"));
    scene.run(&["resume", "1"]).succeeds();
    scene.run(&["verify", "people.jsonl", "embedded:a"]).succeeds();
}

#[test]
fn a_clock_that_went_back_a_day_costs_the_patience_once_and_no_record() {
    let scene = Scene::new();
    write_jsonl(&lifelike(300, SEED), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", "on");
    let mut crash = served.command(&scene, &["--timeout", "1", "import", "people.jsonl", &served.url]);
    assert!(!crash.env("KEYFERRY_CRASH_AT", "after request:1").output().unwrap().status.success());
    let journal = rusqlite::Connection::open(scene.path(".local/state/keyferry/journal.db")).unwrap();
    // Seen from the clock of the second run, the first wrote tomorrow.
    assert!(journal.execute("UPDATE creations SET sent = sent + 86400 WHERE open = 1", []).unwrap() > 0);
    drop(journal);
    let resumed = served.command(&scene, &["resume", "1"]).output().unwrap();
    let told = String::from_utf8_lossy(&resumed.stderr);
    assert!(resumed.status.success() && told.contains("waiting 2 s"), "{told}");
    scene.run(&["verify", "people.jsonl", "embedded:a"]).succeeds();
}

#[test]
fn a_job_that_is_forgotten_leaves_the_journal_and_what_it_made_stays() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "vault,name,password\nV,one,x\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene.run(&["jobs", "--forget", "7"]).exits(1).says("no job 7");
    scene.run(&["jobs", "--forget", "1"]).succeeds();
    assert_eq!(scene.run(&["--json", "jobs"]).succeeds().json(), serde_json::json!([]));
    let journal = rusqlite::Connection::open(scene.path(".local/state/keyferry/journal.db")).unwrap();
    let rows = |table: &str| {
        journal.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(["jobs", "creations", "updates", "places"].map(rows), [0; 4]);
    scene.run(&["undo", "1"]).exits(1);
    scene.run(&["verify", file, "embedded:a"]).succeeds();
}

#[test]
fn what_was_being_made_when_a_run_died_is_taken_back_as_well() {
    for point in ["after place request", "before place outcome"] {
        for occurrence in [1, 2, 4] {
            for resumed in [false, true] {
                let scene = Scene::with_environments(&["a"]);
                let _ = scene.file("there.csv", "vault,folder,name,password\nThere,own,one,x\n");
                scene.run(&["import", "there.csv", "embedded:a"]).succeeds();
                let before = scene.run(&["--json", "tree", "embedded:a"]).succeeds().json();
                let rows =
                    "vault,folder,name,password\nNew,f/g,one,x\nThere,own/new,two,y\nOther,h,three,z\n";
                let file = scene.file("more.csv", rows);
                assert!(scene.crashes(point, occurrence, &["import", file, "embedded:a"]));
                if resumed {
                    scene.run(&["resume", "2"]).succeeds();
                }
                scene.run(&["undo", "2"]).succeeds();
                let after = scene.run(&["--json", "tree", "embedded:a"]).succeeds().json();
                assert_eq!(after, before, "{point} {occurrence}, resumed: {resumed}");
            }
        }
    }
}

#[test]
fn the_last_job_is_the_last_and_no_other() {
    let scene = Scene::with_environments(&["a", "b"]);
    let file = scene.file("a.csv", "vault,name,password\nV,one,x\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene.run(&["import", file, "embedded:b"]).succeeds();
    scene.run(&["undo", "last"]).succeeds().says("taking back job 2: keyferry import").says("embedded:b");
    scene.run(&["undo", "last"]).exits(2).says("taken back already").says("next:");
    scene.run(&["verify", file, "embedded:a"]).succeeds();
    let jobs = scene.run(&["--json", "--timeout", "60", "jobs"]).succeeds().json();
    assert_eq!(jobs[0]["kind"], "import");
    scene.run(&["--timeout", "60", "import", file, "embedded:b"]).succeeds();
    assert_eq!(scene.run(&["--json", "jobs"]).succeeds().json()[0]["kind"], "import");
}
