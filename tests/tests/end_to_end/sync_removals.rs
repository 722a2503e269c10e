//! `sync --delete`: held back where the source was not read whole, counted, and taken back by `undo`.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_core::engine::crash;
use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::server::Served;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// Records `0` to `count`, each in a folder of vault `V`.
fn csv(names: &[&str]) -> String {
    names.iter().fold("vault,folder,name,password\n".to_owned(), |mut text, name| {
        writeln!(text, "V,F/{name},{name},hidden-{name}").unwrap();
        text
    })
}

/// Environment `a` in step with `source.csv`, which holds these.
fn scene(names: &[&str]) -> Scene {
    let scene = Scene::with_environments(&["a"]);
    scene.run(&["sync", scene.file("source.csv", csv(names)), "embedded:a"]).succeeds();
    scene
}

fn sync(scene: &Scene, more: &[&str], code: i32) -> Value {
    let words = [&["--json", "sync", "source.csv", "embedded:a", "--delete"], more].concat();
    scene.run(&words).hides("hidden-").exits(code).json()
}

fn names(scene: &Scene) -> Vec<String> {
    let _ = std::fs::remove_file(scene.path("held.jsonl"));
    scene.run(&["export", "embedded:a", "held.jsonl", "--allow-plaintext"]).succeeds();
    let held = scene.read("held.jsonl");
    let records = held.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut names: Vec<_> = records.filter_map(|record| record["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

fn api(scene: &Scene, environment: &str, method: &str, endpoint: &str) -> Value {
    scene.run(&["api", "--from", environment, "--method", method, "--endpoint", endpoint]).succeeds().json()
}

fn newest_job(scene: &Scene) -> Value {
    scene.run(&["--json", "jobs"]).succeeds().json()[0].clone()
}

#[test]
fn a_source_that_was_not_read_whole_removes_nothing_and_all_else_arrives() {
    let first = ["one", "two", "three", "four"];
    for (source, code, why, arrives) in [
        // A row that cannot be read; a new one arrives.
        (csv(&["one", "two", "three", "new"]) + "V,short\n", 3, "could not be read", true),
        (csv(&[]), 3, "holds no record", false),
        (String::new(), 3, "holds no record", false),
    ] {
        let scene = scene(&first);
        let _ = scene.file("source.csv", &source);
        let planned = sync(&scene, &["--dry-run"], code);
        let report = sync(&scene, &["--max-delete", "100%"], code);
        for told in [&planned["held_back"], &report["held_back"]] {
            assert!(told["why"].as_str().unwrap().contains(why), "{told}");
        }
        assert_eq!((&planned["remove"], &report["removed"]), (&0.into(), &0.into()));
        assert_eq!(report["created"], u64::from(arrives));
        let held = names(&scene);
        assert!(first.iter().all(|name| held.iter().any(|one| one == name)), "{source:?}: {held:?}");
        // Once it is whole again, what was held back is still known.
        let _ = scene.file("source.csv", csv(&["one", "two", "three"]));
        let report = sync(&scene, &[], 0);
        assert_eq!((&report["removed"], names(&scene).len()), (&(1 + u64::from(arrives)).into(), 3));
    }
}

#[test]
fn a_reading_that_breaks_off_removes_nothing() {
    let scene = Scene::with_environments(&["a"]);
    let records = |names: &[&str]| -> String {
        let records: Vec<_> =
            names.iter().map(|name| format!(r#"{{"name":"{name}","password":"p"}}"#)).collect();
        format!(r#"{{"items":[{}]}}"#, records.join(","))
    };
    let file = scene.file("source.json", records(&["one", "two", "three"]));
    scene.run(&["sync", file, "embedded:a"]).succeeds();
    let half = records(&["one", "two", "three"]);
    let _ = scene.file("source.json", &half[..half.len() / 2]);
    assert_ne!(scene.run(&["sync", file, "embedded:a", "--delete"]).code(), Some(0));
    assert_eq!(names(&scene).len(), 3);
    std::fs::remove_file(scene.path(file)).unwrap();
    scene.run(&["sync", file, "embedded:a", "--delete"]).exits(1).says("no such file");
    assert_eq!(names(&scene).len(), 3);
}

#[test]
fn a_filter_that_matches_nothing_and_a_vault_that_is_missing_hold_back() {
    let scene = Scene::with_environments(&["a", "b"]);
    let both = "vault,name\nV,one\nV,two\nW,three\nW,four\nW,five\n";
    let filtered = ["--vault", "V", "--vault", "W"];
    let run = |source: &str, more: &[&str]| {
        let words = [&["--json", "sync", source, "embedded:a", "--delete", "--no-password"], more].concat();
        scene.run(&words)
    };
    let why = |report: &Value| report["held_back"]["why"].as_str().unwrap_or_default().to_owned();
    run(scene.file("source.csv", both), &filtered).exits(0);
    // Vault V was to be read and yields nothing: two of five would be within the limit.
    let _ = scene.file("source.csv", "vault,name\nW,three\nW,four\nW,five\n");
    let report = run("source.csv", &filtered).exits(3).json();
    assert!(why(&report).ends_with("yields nothing of vault V"), "{report}");
    let _ = scene.file("source.csv", "vault,name\nX,other\n");
    let report = run("source.csv", &filtered).exits(3).json();
    assert!(why(&report).contains("matches the filter"), "{report}");
    assert_eq!(names(&scene).len(), 5);
    // A whole vault that an environment does not list any more.
    let _ = scene.file("source.csv", both);
    scene.run(&["import", "source.csv", "embedded:b", "--no-password"]).succeeds();
    run("embedded:b", &[]).exits(0);
    let vaults = api(&scene, "embedded:b", "GET", "v1/vaults");
    let vault = vaults["items"].as_array().unwrap().iter().find(|vault| vault["name"] == "V").unwrap();
    api(&scene, "embedded:b", "DELETE", &format!("v1/vaults/{}", vault["id"].as_str().unwrap()));
    let report = run("embedded:b", &[]).exits(3).json();
    assert!(why(&report).ends_with("yields nothing of vault V"), "{report}");
    assert_eq!(names(&scene).len(), 5);
}

#[test]
fn more_than_the_limit_is_not_removed_in_part() {
    let all = ["a", "b", "c", "d"];
    for (kept, more, removed) in [
        (2, &[][..], 2),
        (1, &[], 0),
        (1, &["--max-delete", "3"], 3),
        (1, &["--max-delete", "2"], 0),
        (1, &["--max-delete", "75%"], 3),
        (1, &["--max-delete", "74%"], 0),
        (3, &["--max-delete", "0"], 0),
    ] {
        let scene = scene(&all);
        let _ = scene.file("source.csv", csv(&all[..kept]));
        let code = if removed == 0 { 3 } else { 0 };
        let planned = sync(&scene, &[more, &["--dry-run"]].concat(), code);
        let report = sync(&scene, more, code);
        assert_eq!((&planned["remove"], &report["removed"]), (&removed.into(), &removed.into()), "{more:?}");
        assert_eq!(planned["held_back"], report["held_back"]);
        assert_eq!(names(&scene).len() as u64, 4 - removed);
        if removed == 0 {
            let told = scene.run(&[&["sync", "source.csv", "embedded:a", "--delete"], more].concat());
            let count = 4 - kept;
            told.exits(3).prints("nothing was removed").prints(&format!("{count} of 4 records"));
            told.prints(&format!("--max-delete {count} allows it"));
        }
    }
    let scene = scene(&all);
    scene.run(&["sync", "source.csv", "embedded:a", "--max-delete", "1"]).exits(2).says("--delete");
    scene
        .run(&["sync", "source.csv", "embedded:a", "--delete", "--max-delete", "half"])
        .exits(2)
        .says("0% to 100%");
}

#[test]
fn all_of_them_go_only_where_that_is_said() {
    let scene = scene(&["one", "two"]);
    let _ = scene.file("source.csv", csv(&["other"]));
    for more in [&[][..], &["--max-delete", "2"]] {
        let report = sync(&scene, more, 3);
        assert_eq!(report["held_back"]["removals"], 2, "{report}");
        assert!(report["held_back"]["next"].as_str().unwrap().contains("--max-delete 100%"));
    }
    // What came since then is in step as well, and makes the same removals no smaller.
    let _ = scene.file("source.csv", csv(&["other", "more", "and more", "and even more"]));
    for _ in 0..2 {
        assert_eq!(sync(&scene, &[], 3)["held_back"]["of"], 2);
    }
    sync(&scene, &["--max-delete", "100%"], 0);
    assert_eq!(names(&scene).len(), 4);
    // From here on the limit is as usual.
    let _ = scene.file("source.csv", csv(&["other", "more"]));
    assert_eq!(sync(&scene, &[], 0)["removed"], 2);
}

#[cfg(unix)]
#[test]
fn on_a_terminal_it_is_asked_before_all_of_them_go() {
    use std::io::{Read as _, Write as _};
    for (answer, more, left) in [
        ("n", &[][..], 3),
        ("", &["--max-delete", "100%"], 3),
        ("y", &[], 1),
        ("yes", &["--max-delete", "100%"], 1),
    ] {
        let scene = scene(&["one", "two"]);
        let _ = scene.file("source.csv", csv(&["other"]));
        let words = [&["sync", "source.csv", "embedded:a", "--delete"], more].concat();
        let (mut pty, pts) = pty_process::blocking::open().unwrap();
        let command = scene.command(&words);
        let mut on_pty = pty_process::blocking::Command::new(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("TERM", "dumb");
        for (name, value) in command.get_envs() {
            on_pty = on_pty.env(name, value.unwrap());
        }
        let mut child = on_pty.current_dir(scene.path("")).spawn(pts).unwrap();
        let mut shown = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&shown).ends_with("[y/N] ") {
            assert_eq!(pty.read(&mut byte).unwrap_or_default(), 1, "{}", String::from_utf8_lossy(&shown));
            shown.push(byte[0]);
        }
        assert!(String::from_utf8_lossy(&shown).contains("all 2 records"));
        writeln!(pty, "{answer}").unwrap();
        let _ = pty.read_to_end(&mut shown);
        let code = child.wait().unwrap().code();
        let expected = if left == 1 { 0 } else { 3 };
        assert_eq!(code, Some(expected), "{answer:?} {}", String::from_utf8_lossy(&shown));
        assert_eq!(names(&scene).len(), left, "{answer:?}");
    }
}

#[test]
fn removals_are_counted_and_undo_brings_them_back_to_their_folders() {
    let scene = scene(&["one", "two", "three", "four"]);
    let _ = scene.file("source.csv", csv(&["one", "two"]));
    assert_eq!(sync(&scene, &[], 0)["removed"], 2);
    let job = newest_job(&scene);
    assert_eq!(job["removed"], 2);
    scene.run(&["jobs"]).succeeds().prints("2 removed");
    let id = job["id"].to_string();
    let undone = scene.run(&["--json", "undo", &id]).succeeds().json();
    assert_eq!((&undone["brought_back"], &undone["not_brought_back"]), (&2.into(), &0.into()));
    let all = scene.file("all.csv", csv(&["one", "two", "three", "four"]));
    scene.run(&["verify", all, "embedded:a"]).succeeds();
    // They are not this sync's any more: it tells of them and leaves them.
    let planned = sync(&scene, &["--dry-run"], 0);
    assert_eq!(sync(&scene, &[], 0)["removed"], 0);
    assert!(planned["notes"].to_string().contains("2 records of the sink came from elsewhere"), "{planned}");
    scene.run(&["verify", all, "embedded:a"]).succeeds();
    // Once the source holds them again, they are.
    let _ = scene.file("source.csv", csv(&["one", "two", "three", "four"]));
    assert_eq!(sync(&scene, &[], 0)["unchanged"], 4);
    let _ = scene.file("source.csv", csv(&["one", "two", "three"]));
    assert_eq!(sync(&scene, &[], 0)["removed"], 1);
}

#[test]
fn what_is_not_in_the_bin_any_more_is_told_by_undo() {
    let scene = scene(&["one", "two", "three", "four"]);
    let _ = scene.file("source.csv", csv(&["one", "two"]));
    sync(&scene, &[], 0);
    let bin = api(&scene, "embedded:a", "GET", "v1/bin-items");
    let number = bin["items"][0]["id"].as_str().unwrap();
    api(&scene, "embedded:a", "DELETE", &format!("v1/bin-items/{number}"));
    let undone = scene.run(&["--json", "undo", &newest_job(&scene)["id"].to_string()]).exits(3).json();
    assert_eq!((&undone["brought_back"], &undone["not_brought_back"]), (&1.into(), &1.into()));
    assert!(undone["notes"][0].as_str().unwrap().contains("not brought back"), "{undone}");
}

#[test]
fn what_waits_for_its_folder_comes_back_when_that_does() {
    let scene = scene(&["one", "two", "three", "four"]);
    let _ = scene.file("source.csv", csv(&["one", "two"]));
    sync(&scene, &[], 0);
    let job = newest_job(&scene)["id"].to_string();
    let folders = api(&scene, "embedded:a", "GET", "v1/folders");
    let top = folders["items"].as_array().unwrap().iter().find(|folder| folder["name"] == "F").unwrap();
    let top = format!("v1/folders/{}", top["id"].as_str().unwrap());
    let binned = api(&scene, "embedded:a", "DELETE", &top);
    let undone = scene.run(&["--json", "undo", &job]).exits(3).json();
    assert_eq!((&undone["brought_back"], &undone["not_brought_back"]), (&0.into(), &2.into()));
    assert!(undone["notes"][0].as_str().unwrap().contains("undo the job once more"), "{undone}");
    let restore = format!("v1/bin-items/{}/restore", binned["binItemId"].as_str().unwrap());
    api(&scene, "embedded:a", "POST", &restore);
    assert_eq!(scene.run(&["--json", "undo", &job]).succeeds().json()["brought_back"], 2);
    assert_eq!(names(&scene).len(), 4);
    scene.run(&["undo", &job]).exits(2).says("undone");
}

#[test]
fn a_crash_while_removing_is_resumed_and_undone_with_nothing_lost() {
    for point in crash::REMOVAL_POINTS {
        for resumed in [true, false] {
            let scene = scene(&["one", "two", "three", "four"]);
            let all = scene.file("all.csv", csv(&["one", "two", "three", "four"]));
            let left = scene.file("source.csv", csv(&["one", "two"]));
            let command = ["sync", left, "embedded:a", "--delete"];
            assert!(scene.crashes(point, 1, &command), "{point} is never passed");
            let begun = newest_job(&scene)["state"] != "done";
            if !begun {
                // The job wrote nothing yet, so there is none to go on with.
                assert_eq!(Some(point), crash::REMOVAL_POINTS.first());
                scene.run(&command).succeeds();
            }
            let job = newest_job(&scene)["id"].to_string();
            if begun && resumed {
                scene.run(&["resume", &job]).succeeds();
            }
            if !begun || resumed {
                assert_eq!(names(&scene), ["one", "two"], "{point}");
                assert_eq!(newest_job(&scene)["removed"], 2, "{point}");
                assert_eq!(newest_job(&scene)["open"], 0, "{point}");
            }
            scene.run(&["undo", &job]).succeeds();
            scene.run(&["verify", all, "embedded:a"]).succeeds();
            assert_eq!(names(&scene).len(), 4, "{point}");
        }
    }
}

#[test]
fn a_removal_whose_answer_was_lost_is_settled_and_can_be_undone() {
    for fault in [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::GatewayAfter(502),
        Fault::Status(503),
        Fault::TooLate(Duration::from_millis(2500)),
    ] {
        let scene = Scene::new();
        let served = Served::new(&scene, "a", "on");
        let mut seen = 0;
        let plan = move |asked: &Asked| {
            let removal = asked.method == "DELETE" && asked.path.starts_with("/api/v1/items/");
            seen += usize::from(removal);
            (removal && seen == 1).then_some(fault)
        };
        let proxy = Proxy::new(&served.url, Box::new(plan));
        let file = scene.file("source.csv", csv(&["one", "two", "three", "four"]));
        let run = |words: &[&str]| {
            let run = scene.finish(served.command(&scene, &[&["--json", "--timeout", "2"], words].concat()));
            run.exits(0).json()
        };
        run(&["sync", file, &proxy.url]);
        let _ = scene.file("source.csv", csv(&["one", "two"]));
        let report = run(&["sync", file, &proxy.url, "--delete"]);
        assert_eq!(proxy.done().len(), 1, "{fault:?}");
        assert_eq!(report["removed"], 2, "{fault:?}");
        let undone = run(&["undo", &newest_job(&scene)["id"].to_string()]);
        assert_eq!(undone["brought_back"], 2, "{fault:?}");
        scene
            .run(&["verify", scene.file("all.csv", csv(&["one", "two", "three", "four"])), "embedded:a"])
            .succeeds();
    }
}
