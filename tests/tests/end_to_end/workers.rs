//! Several processes at one job: killed, stopped for longer than their lease, cut off; what arrives is what one would have
//! brought.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use fastrand::Rng;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::records::{lifelike, write_jsonl};
use keyferry_tests::server::Served;
use keyferry_tests::{Scene, seeds};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const WORKERS: &str = "4";

/// The processes that a process has started and that are still there.
pub fn children(of: u32) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name, which stands in parentheses: state, parent.
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        (rest.next()? != "Z").then(|| rest.next()?.parse().ok()).flatten()
    };
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    all.filter(|pid| parent(*pid) == Some(of)).collect()
}

/// Sends a signal to one process; that it may have ended by itself meanwhile is part of the game.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

fn started(served: &Served, scene: &Scene, words: &[&str], log: &str) -> Child {
    let log = std::fs::File::options().append(true).create(true).open(scene.path(log)).unwrap();
    served.command(scene, words).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn state(scene: &Scene) -> Option<String> {
    scene.run(&["--json", "jobs"]).succeeds().json()[0]["state"].as_str().map(str::to_owned)
}

/// A server that answers late, so that there is something to disturb, and sometimes not at all.
pub fn troubled(late: Duration, seed: u64) -> impl FnMut(&Asked) -> Option<Fault> + Send + 'static {
    let mut faults = Rng::with_seed(seed);
    move |asked| {
        let slow = asked.path.ends_with("/batch").then_some(Fault::Delay(late));
        let broken = slow.is_some() && faults.u8(0..25) == 0;
        if !broken {
            return slow;
        }
        Some(match faults.u8(0..4) {
            0 => Fault::DropBefore,
            1 => Fault::DropAfter,
            2 => Fault::Status(503),
            _ => Fault::GatewayAfter(502),
        })
    }
}

/// A server so slow that no worker keeps up with what it is given, however slow the machine; until it is told to be quick.
pub fn slow_until(is_quick: &Arc<AtomicBool>) -> impl FnMut(&Asked) -> Option<Fault> + Send + 'static {
    let is_quick = is_quick.clone();
    let late = Fault::Delay(Duration::from_millis(1500));
    move |asked| (asked.path.ends_with("/batch") && !is_quick.load(Ordering::SeqCst)).then_some(late)
}

/// What the game may do, and how often.
struct Rules {
    records: usize,
    kills: usize,
    /// Of the process that reads, plans and proves.
    ends: usize,
    makes_once: bool,
}

fn disturbed(seed: u64, rules: &Rules) {
    let mut rng = Rng::with_seed(seed);
    let scene = Scene::new();
    write_jsonl(&lifelike(rules.records, seed), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", "on");
    let plan = troubled(Duration::from_millis(40), seed + 1000);
    let proxy = if rules.makes_once { Proxy::new } else { Proxy::before_another_server };
    let proxy = proxy(&served.url, Box::new(plan));
    let import =
        ["--timeout", "1", "import", "people.jsonl", &proxy.url, "--workers", WORKERS, "--lease", "1"];
    let mut main = started(&served, &scene, &import, "log");
    let (mut kills, mut stops, mut ends) = (0, 0, 0);
    let mut asleep: Vec<(u32, Instant)> = Vec::new();
    let begun = Instant::now();
    loop {
        let story = || std::fs::read_to_string(scene.path("log")).unwrap_or_default();
        assert!(begun.elapsed() < Duration::from_secs(280), "SEED={seed}: no end\n{}", story());
        asleep.retain(|(pid, until)| {
            let over = Instant::now() >= *until;
            if over {
                signal(*pid, "CONT");
            }
            !over
        });
        if let Some(status) = main.try_wait().unwrap() {
            if status.success() {
                break;
            }
            // By our own hand, or because a server that fails four times in a row is an error.
            let words: &[&str] = if state(&scene).is_some() { &["resume", "1"] } else { &import };
            main = started(&served, &scene, words, "log");
        }
        let workers = children(main.id());
        if !workers.is_empty() {
            let one = workers[rng.usize(0..workers.len())];
            match rng.u8(0..10) {
                0..5 if kills < rules.kills => {
                    signal(one, "KILL");
                    kills += 1;
                }
                5 if stops < rules.kills / 4 + 1 && asleep.len() < 2 => {
                    signal(one, "STOP");
                    stops += 1;
                    asleep.push((one, Instant::now() + Duration::from_millis(rng.u64(1500..3500))));
                }
                6 if ends < rules.ends && state(&scene).is_some() => {
                    main.kill().unwrap();
                    main.wait().unwrap();
                    ends += 1;
                    let words = ["resume", "1"];
                    main = started(&served, &scene, &words, "log");
                }
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(rng.u64(10..60)));
    }
    for (pid, _) in asleep {
        signal(pid, "CONT");
    }
    let story = std::fs::read_to_string(scene.path("log")).unwrap();
    assert!(kills > 0, "SEED={seed}: it ended before anything was disturbed");
    let compared = scene.run(&["--json", "verify", "--exact", "people.jsonl", "embedded:a"]);
    assert_eq!(
        compared.code(),
        Some(0),
        "SEED={seed} {kills} kills, {stops} stops, {ends} ends\n{story}\n{}",
        compared.whole()
    );
    assert_eq!(compared.json()["verified"], rules.records, "SEED={seed}");
    let job = &scene.run(&["--json", "jobs"]).succeeds().json()[0];
    assert_eq!((&job["state"], &job["open"]), (&"done".into(), &0.into()), "SEED={seed} {job}");
    // What an orphan of a killed run sent after the next one had looked is there once, and not known to be the job's.
    if ends > 0 {
        return;
    }
    // Whoever made what: the job can be taken back as a whole.
    assert_eq!(job["created"], rules.records, "SEED={seed} {job}");
    let undone = served.command(&scene, &["undo", "1"]).output().unwrap();
    assert!(undone.status.success(), "SEED={seed} {}", String::from_utf8_lossy(&undone.stderr));
    let tree = scene.run(&["--json", "ls", "embedded:a"]);
    assert_eq!(tree.succeeds().json().as_array().map(Vec::len), Some(0), "SEED={seed} {}", tree.whole());
}

/// In `make torture` the long form.
pub fn long() -> bool {
    std::env::var_os("TORTURE").is_some()
}

#[test]
fn workers_that_are_killed_and_stopped_bring_everything_once() {
    let (records, kills) = if long() { (20_000, 100) } else { (2500, 12) };
    for seed in seeds(1).into_iter().take(3) {
        for ends in [0, 2] {
            disturbed(seed, &Rules { records, kills, ends, makes_once: true });
        }
    }
}

#[test]
fn so_they_do_where_the_server_knows_nothing_of_keys() {
    let (records, kills) = if long() { (10_000, 40) } else { (1500, 5) };
    for seed in seeds(1).into_iter().take(3) {
        disturbed(seed, &Rules { records, kills, ends: 0, makes_once: false });
    }
}

#[test]
fn another_terminal_lends_a_hand() {
    let scene = Scene::new();
    write_jsonl(&lifelike(1500, 3), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", "on");
    let slow =
        |asked: &Asked| asked.path.ends_with("/batch").then_some(Fault::Delay(Duration::from_millis(150)));
    let proxy = Proxy::new(&served.url, Box::new(slow));
    let import = ["import", "people.jsonl", &proxy.url, "--workers", "1"];
    let refused = served.command(&scene, &["work", "1"]).output().unwrap();
    assert!(!refused.status.success(), "there is no job yet");
    let mut main = started(&served, &scene, &import, "log");
    while state(&scene).is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let helper = served.command(&scene, &["--json", "work", "1"]).output().unwrap();
    assert!(main.wait().unwrap().success(), "{}", scene.read("log"));
    assert!(helper.status.success(), "{}", String::from_utf8_lossy(&helper.stderr));
    let worked: serde_json::Value = serde_json::from_slice(&helper.stdout).unwrap();
    assert!(worked["created"].as_u64() > Some(0), "{worked}");
    scene.run(&["verify", "--exact", "people.jsonl", "embedded:a"]).succeeds();
    let over = served.command(&scene, &["work", "1"]).output().unwrap();
    assert!(String::from_utf8_lossy(&over.stderr).contains("job 1 is not running"));
}

#[test]
fn what_a_job_left_is_sent_by_nobody_beside_another_job_or_after_it() {
    let scene = Scene::new();
    write_jsonl(&lifelike(2000, 3), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", "on");
    let quick = Arc::new(AtomicBool::new(false));
    let proxy = Proxy::new(&served.url, Box::new(slow_until(&quick)));
    let here = ["--journal", "j.db", "--timeout", "4"];
    let job = [&here[..], &["import", "people.jsonl", &proxy.url, "--workers", "1", "--lease", "1"]].concat();
    let mut main = started(&served, &scene, &job, "log");
    let count = |condition: &str| -> i64 {
        let Ok(journal) = rusqlite::Connection::open(scene.path("j.db")) else { return 0 };
        let sql = format!("SELECT count(*) FROM chunks WHERE state = 0 AND {condition}");
        journal.query_row(&sql, [], |row| row.get(0)).unwrap_or_default()
    };
    while count("true") < 2 {
        assert!(main.try_wait().unwrap().is_none(), "{}", scene.read("log"));
        std::thread::sleep(Duration::from_millis(10));
    }
    for worker in children(main.id()) {
        signal(worker, "KILL");
    }
    main.kill().unwrap();
    main.wait().unwrap();

    let work = [&here[..], &["work", "1"]].concat();
    let mut worker = started(&served, &scene, &work, "work");
    while count(&format!("worker LIKE '{}-%'", worker.id())) == 0 {
        assert!(worker.try_wait().unwrap().is_none(), "{}", scene.read("work"));
        std::thread::sleep(Duration::from_millis(10));
    }
    // The same rows by other words: a job of its own.
    let other = [&here[..], &["import", "./people.jsonl", &proxy.url]].concat();
    let beside = scene.finish(served.command(&scene, &other));
    assert!(beside.whole().contains("another job is writing"), "{}", beside.whole());
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(count("true") > 0, "nothing was left");
    quick.store(true, Ordering::SeqCst);
    scene.finish(served.command(&scene, &other)).succeeds();
    let after = scene.finish(served.command(&scene, &work));
    assert!(after.whole().contains("job 2 has written there since job 1 stopped"), "{}", after.whole());
    let resume = [&here[..], &["resume", "1"]].concat();
    scene.finish(served.command(&scene, &resume)).succeeds();
    let compared = scene.run(&["--json", "verify", "--exact", "people.jsonl", "embedded:a"]);
    assert_eq!(compared.succeeds().json()["verified"], 2000);
}

#[test]
fn what_waits_for_workers_is_sealed_and_gone_when_it_was_sent() {
    let scene = Scene::new();
    let line = r#"{"vault":"V","name":"planted-name","login":"planted-login","password":"planted-password"}"#;
    let _ = scene.file("people.jsonl", line);
    let served = Served::new(&scene, "a", "on");
    let slow =
        |asked: &Asked| asked.path.ends_with("/items").then_some(Fault::Delay(Duration::from_millis(1500)));
    let proxy = Proxy::new(&served.url, Box::new(slow));
    let import = ["--journal", "j.db", "import", "people.jsonl", &proxy.url, "--workers", "1"];
    let mut main = started(&served, &scene, &import, "log");
    let journal =
        || ["j.db", "j.db-wal"].map(|name| std::fs::read(scene.path(name)).unwrap_or_default()).concat();
    let holds = |text: &str| journal().windows(text.len()).any(|window| window == text.as_bytes());
    while main.try_wait().unwrap().is_none() {
        assert!(!holds("planted-name") && !holds("planted-login") && !holds("planted-password"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(main.wait().unwrap().success(), "{}", scene.read("log"));
    assert!(!holds("planted-name") && !holds("planted-login") && !holds("planted-password"));
    assert!(holds("people.jsonl"), "the search sees what is there");
    scene.run(&["verify", "--exact", "people.jsonl", "embedded:a"]).succeeds();
}

#[test]
fn workers_are_for_what_is_encrypted_and_say_why_they_cannot_work() {
    let scene = Scene::new();
    let _ = scene.file("people.jsonl", r#"{"vault":"V","name":"n","password":"p"}"#);
    let plain = Served::new(&scene, "plain", "off");
    let words = ["import", "people.jsonl", &plain.url, "--allow-unencrypted-target", "--workers", "2"];
    let refused = plain.command(&scene, &words).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("client-side encryption"));
    scene.run(&["import", "people.jsonl", "embedded:plain", "--workers", "0"]).exits(2);
}
