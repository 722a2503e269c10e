//! `kill -9` at random moments of a job, resumed each time.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use fastrand::Rng;
use keyferry_tests::Scene;
use keyferry_tests::records::{lifelike, write_jsonl};
use keyferry_tests::seeds;
use std::process::Stdio;
use std::time::Duration;

const RECORDS: usize = 2000;
const KILLS: usize = 50;

#[test]
fn a_job_killed_fifty_times_ends_as_if_never_disturbed() {
    for seed in seeds(1) {
        killed_fifty_times(seed);
    }
}

fn killed_fifty_times(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut kills = 0;
    // A fast machine may be done before the fiftieth: then another job takes the rest.
    while kills < KILLS {
        let scene = Scene::with_environments(&["a"]);
        write_jsonl(&lifelike(RECORDS, seed), &scene.path("people.jsonl"));
        let state = || {
            let jobs = scene.run(&["--json", "jobs"]).succeeds().json();
            jobs[0]["state"].as_str().map(str::to_owned)
        };
        // What was killed before it wrote anything is no job.
        let next = || -> &[&str] {
            if state().is_some() { &["resume", "1"] } else { &["import", "people.jsonl", "embedded:a"] }
        };
        let mut longest = 40;
        while kills < KILLS && state().as_deref() != Some("done") {
            let mut child =
                scene.command(next()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(rng.u64(1..longest)));
            kills += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            // Later runs have more to read before they write.
            longest += 10;
        }
        if state().as_deref() != Some("done") {
            scene.run(next()).succeeds();
        }
        let compared = scene.run(&["--json", "verify", "people.jsonl", "embedded:a"]);
        assert_eq!(compared.succeeds().json()["verified"], RECORDS, "SEED={seed}");
    }
}
