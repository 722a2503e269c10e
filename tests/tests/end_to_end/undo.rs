//! What was cut off is told as it is, and gone on with: jobs that are taken back, that were killed before they wrote, that
//! another process is at work on.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_core::engine::crash;
use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Plan, Proxy};
use keyferry_tests::records::{lifelike, write_jsonl};
use keyferry_tests::server::Served;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

const SEED: u64 = 11;

fn jobs(scene: &Scene) -> Value {
    scene.run(&["--json", "jobs"]).succeeds().json()
}

fn state(scene: &Scene) -> String {
    jobs(scene)[0]["state"].as_str().unwrap_or("none").to_owned()
}

fn is_empty(scene: &Scene) -> bool {
    scene.run(&["tree", "embedded:a"]).succeeds().stdout().is_empty()
}

#[test]
fn an_undo_that_was_killed_is_told_and_gone_on_with() {
    let mut cut_off = 0;
    for point in crash::UNDO_POINTS {
        for occurrence in [1, 2, 4] {
            let scene = Scene::with_environments(&["a"]);
            let file =
                scene.file("f.csv", "vault,folder,name,password\nV,f,one,x\nV,f/g,two,y\nW,h,three,z\n");
            scene.run(&["import", file, "embedded:a"]).succeeds();
            assert!(scene.crashes(point, occurrence, &["undo", "1"]), "{occurrence}");
            cut_off += 1;
            let told = jobs(&scene);
            assert_eq!((&told[0]["state"], &told[0]["undoable"]), (&"half-undone".into(), &true.into()));
            scene.run(&["resume", "1"]).exits(2).says("half-undone").says("keyferry undo 1 goes on");
            scene.run(&["resume", "last"]).exits(1).says("no job stopped before its end");
            scene.run(&["undo", "last"]).succeeds();
            assert!(is_empty(&scene), "{occurrence}");
            let told = jobs(&scene);
            assert_eq!((&told[0]["state"], &told[0]["undoable"]), (&"undone".into(), &false.into()));
            // Its command is another job now, whatever became of this one.
            scene.run(&["import", file, "embedded:a"]).succeeds();
            assert_eq!(jobs(&scene)[0]["id"], 2);
        }
    }
    assert_eq!(cut_off, 3);
}

/// Lets whoever asks for such a request first wait, and tells of it.
fn held(wanted: &'static str) -> (mpsc::Receiver<()>, mpsc::Sender<()>, Plan) {
    let (arrive, arrived) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let mut first = true;
    let plan = move |asked: &Asked| {
        if asked.method == wanted && std::mem::take(&mut first) {
            arrive.send(()).unwrap();
            // Until the test says so, or has ended.
            let _ = gone.recv();
        }
        None
    };
    (arrived, go, Box::new(plan))
}

#[test]
fn an_undo_that_is_interrupted_says_how_to_go_on() {
    let scene = Scene::new();
    write_jsonl(&lifelike(900, SEED), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", "on");
    let undoing = Arc::new(AtomicU32::new(0));
    let whom = undoing.clone();
    let plan = move |asked: &Asked| {
        let process = whom.load(Ordering::SeqCst);
        if asked.method == "DELETE" && process != 0 {
            whom.store(0, Ordering::SeqCst);
            assert!(Command::new("kill").args(["-INT", &process.to_string()]).status().unwrap().success());
        }
        None
    };
    let proxy = Proxy::new(&served.url, Box::new(plan));
    let import = served.command(&scene, &["import", "people.jsonl", &proxy.url]).output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let mut undo = served.command(&scene, &["undo", "1"]);
    let child = undo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    undoing.store(child.id(), Ordering::SeqCst);
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{told}");
    assert!(told.contains("next: keyferry undo 1"), "{told}");
    assert_eq!(state(&scene), "half-undone");
    let again = served.command(&scene, &["undo", "1"]).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(state(&scene), "undone");
    drop(served);
    assert!(is_empty(&scene));
}

#[test]
fn an_undo_that_never_got_to_its_work_leaves_the_job_as_it_was() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("f.csv", "vault,name,password\nV,one,x\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    std::fs::rename(scene.path("a"), scene.path("away")).unwrap();
    scene.run(&["undo", "1"]).exits(1);
    assert_eq!(state(&scene), "done");
    std::fs::rename(scene.path("away"), scene.path("a")).unwrap();
    scene.run(&["undo", "1"]).succeeds();
}

#[test]
fn a_job_that_was_killed_before_it_wrote_takes_no_number() {
    let scene = Scene::with_environments(&["a", "b"]);
    let file = scene.file("f.csv", "vault,name,password\nV,one,x\n");
    let import = ["import", file, "embedded:a"];
    assert!(scene.crashes("job begun", 1, &import));
    assert_eq!(jobs(&scene), serde_json::json!([]));
    scene.run(&["resume", "1"]).exits(1).says("there is no job 1").says("run its command again");
    scene.run(&["undo", "last"]).exits(1).says("no job can be taken back");
    // Also where the next writes elsewhere.
    let other = scene.run(&["--json", "import", file, "embedded:b"]).succeeds().json();
    assert_eq!(other["job"], 1);
    assert!(scene.crashes("job begun", 1, &import));
    assert_eq!(scene.run(&["--json", "import", file, "embedded:a"]).succeeds().json()["job"], 2);
    assert_eq!(jobs(&scene).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_job_at_work_is_told_as_it_is_and_left_alone() {
    let scene = Scene::new();
    let served = Served::new(&scene, "a", "on");
    let file = scene.file("f.csv", "vault,name,password\nV,one,x\n");
    let more = scene.file("g.csv", "vault,name,password\nV,two,x\n");
    let (came, go, plan) = held("DELETE");
    let proxy = Proxy::new(&served.url, plan);
    for name in [file, more] {
        assert!(served.command(&scene, &["import", name, &proxy.url]).output().unwrap().status.success());
    }
    // The older of two.
    let mut undo = served.command(&scene, &["undo", "1"]);
    let mut child = undo.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    came.recv().unwrap();
    let told = jobs(&scene);
    let states: Vec<_> = told.as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "undoing"]);
    scene.run(&["jobs", "--forget", "1"]).exits(1).says("at work");
    scene.run(&["resume", "1"]).exits(2).says("wait until it has ended");
    go.send(()).unwrap();
    assert!(child.wait().unwrap().success());
    let told = jobs(&scene);
    assert_eq!((&told[0]["state"], &told[1]["state"]), (&"done".into(), &"undone".into()));
}

#[test]
fn jobs_are_listed_as_a_shell_takes_them() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("it's mine.csv", "vault,name,password\nV w,one,x\n");
    scene.run(&["import", file, "embedded:a//My vault"]).succeeds();
    let listed = scene.run(&["jobs"]).succeeds().stdout();
    let typed = r"import 'it'\''s mine.csv' 'embedded:a//My vault'";
    assert!(listed.contains(&format!("keyferry {typed}")), "{listed}");
    scene.run(&["undo", "1"]).succeeds().says(typed);
    let again = Command::new("bash").args(["-c", &format!("printf '%s\\n' {typed}")]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&again.stdout), "import\nit's mine.csv\nembedded:a//My vault\n");
}
