//! The journal on a real PostgreSQL: jobs that are resumed and taken back, processes that share one without sharing a folder,
//! killed and stopped beyond their leases, and what the database gets to know.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use crate::workers::{children, long, signal, slow_until, troubled};
use fastrand::Rng;
use keyferry_core::engine::journal::{Journal, database_address};
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use keyferry_tests::records::{lifelike, write_jsonl};
use keyferry_tests::server::Served;
use keyferry_tests::target::{KEEPER, Target};
use keyferry_tests::{Run, Scene, seeds};
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PEOPLE: &str = "vault,name,login,password,notes\nPlanted Vault,planted-name,planted-login,planted-password,planted-note\n\
                      Planted Vault,second,other,planted-second,\n";

/// What may stand nowhere in a journal.
const MARKERS: [&str; 6] =
    ["planted-name", "planted-login", "planted-password", "planted-note", "planted-second", KEEPER.1];

fn place(target: &Target) -> String {
    format!("postgres://{}@127.0.0.1:{}/postgres", KEEPER.0, target.port)
}

/// A command that is told of the journal by variables.
fn with(mut command: Command, target: &Target) -> Command {
    command.env("KEYFERRY_JOURNAL", place(target)).env("KEYFERRY_JOURNAL_PASSWORD", KEEPER.1);
    command
}

fn run(scene: &Scene, target: &Target, words: &[&str]) -> Run {
    scene.finish(with(scene.command(words), target))
}

/// Everything that stands in its tables, bytes as hexadecimal numbers.
fn whole(target: &Target) -> String {
    target.tell("SET xmlbinary TO hex; SELECT schema_to_xml('public', true, false, '')").to_lowercase()
}

fn holds_no_marker(target: &Target) {
    let (tables, log) = (whole(target), target.log());
    for marker in MARKERS {
        let bytes = data_encoding::HEXLOWER.encode(marker.as_bytes());
        assert!(!tables.contains(marker) && !tables.contains(&bytes), "{marker} stands in a table");
        assert!(!log.contains(marker) && !log.contains(&bytes), "{marker} was told to the server");
    }
    assert!(
        tables.contains("people.csv") && log.contains("INSERT INTO creations"),
        "the search sees what is there"
    );
}

#[test]
fn jobs_on_a_database_are_resumed_taken_back_and_hold_no_secret() {
    let Some(target) = Target::postgres() else { return };
    let scene = Scene::with_environments(&["a", "b"]);
    let people = scene.file("people.csv", PEOPLE);
    let run = |words: &[&str]| run(&scene, &target, words);

    let mut crashing = with(scene.command(&["import", people, "embedded:a"]), &target);
    crashing.env("KEYFERRY_CRASH_AT", "after intent:1");
    let crashed = crashing.output().unwrap();
    assert_eq!(crashed.status.code(), None, "it ends where it is told to");
    let jobs = run(&["--json", "jobs"]).succeeds().json();
    assert_eq!(
        (&jobs[0]["id"], &jobs[0]["state"], &jobs[0]["open"]),
        (&1.into(), &"stopped".into(), &2.into())
    );
    let doctor = run(&["doctor"]).succeeds().stdout();
    assert!(doctor.contains("not at their end: 1") && doctor.contains("postgres://"), "{doctor}");
    run(&["resume", "last"]).succeeds();
    run(&["verify", "--exact", people, "embedded:a"]).succeeds();
    let jobs = run(&["--json", "jobs"]).succeeds().json();
    assert_eq!((&jobs[0]["state"], &jobs[0]["created"]), (&"done".into(), &2.into()));
    // What was written is told from what a server puts in its place, and pins stand there too.
    run(&["env", "pins", "export", "embedded:a"]).succeeds();
    assert_ne!(target.tell("SELECT count(*) FROM pins").trim(), "0");

    run(&["migrate", "embedded:a", "embedded:b"]).succeeds();
    run(&["sync", people, "embedded:b", "--delete"]).succeeds();
    let _ = scene.file("people.csv", PEOPLE.replace("planted-second", "planted-second-again"));
    run(&["sync", people, "embedded:b", "--delete"]).succeeds();
    let _ = scene.file("people.csv", PEOPLE.lines().take(2).collect::<Vec<_>>().join("\n"));
    run(&["sync", people, "embedded:b", "--delete"]).succeeds();
    run(&["verify", "--exact", people, "embedded:b"]).succeeds();
    let jobs = run(&["--json", "jobs"]).succeeds().json();
    let counts =
        |job: &serde_json::Value| [&job["updated"], &job["removed"]].map(|count| count.as_u64().unwrap());
    assert_eq!((counts(&jobs[0]), counts(&jobs[1])), ([0, 1], [1, 0]), "{jobs}");
    holds_no_marker(&target);

    // One after the other, back to nothing.
    for job in jobs.as_array().unwrap() {
        let id = job["id"].to_string();
        run(&["undo", &id]).succeeds();
    }
    for environment in ["embedded:a", "embedded:b"] {
        let left = run(&["--json", "ls", environment]).succeeds().json();
        assert_eq!(left.as_array().map(Vec::len), Some(0), "{environment}");
    }
    run(&["jobs", "--forget", "1"]).succeeds();
    assert_eq!(target.tell("SELECT count(*) FROM creations WHERE job = 1").trim(), "0");
}

#[test]
fn a_database_of_another_version_is_refused_and_so_is_a_password_in_its_address() {
    let Some(target) = Target::postgres() else { return };
    let scene = Scene::with_environments(&["a"]);
    let (place, people) = (place(&target), scene.file("people.csv", PEOPLE));
    for held in [place.replace('@', ":planted-in-argv@"), format!("{place}?password=planted-in-argv")] {
        for words in
            [vec!["jobs"], vec!["import", people, "embedded:a"], vec!["ls", "embedded:a"], vec!["work", "1"]]
        {
            let refused = scene.run(&[&["--journal", &held], &words[..]].concat());
            refused.exits(2).says("every program on this machine can read").says("KEYFERRY_JOURNAL_PASSWORD");
            refused.hides("planted-in-argv");
        }
    }
    let key = |password| [("KEYFERRY_JOURNAL_PASSWORD", Some(password))];
    let wrong = scene.run_with(&key("planted-wrong"), &["--journal", &place, "jobs"]);
    wrong.exits(1).says("password authentication failed").says("--journal").hides("planted-wrong");
    // Pins that were named are not left out because nobody answers.
    scene
        .run(&["--journal", "postgres://nobody@127.0.0.1:1/none", "ls", "embedded:a"])
        .exits(1)
        .says("PostgreSQL");

    // A file of passwords, as PostgreSQL's own clients read it; the tables are made as in a file, column by column.
    let lines = scene.file("pgpass", format!("127.0.0.1:{}:*:{}:{}\n", target.port, KEEPER.0, KEEPER.1));
    scene.run_with(&[("PGPASSFILE", Some(lines))], &["--journal", &place, "jobs"]).succeeds();
    scene.run(&["--journal", "j.db", "jobs"]).succeeds();
    let file = rusqlite::Connection::open(scene.path("j.db")).unwrap();
    let mut of_file = file.prepare(include_str!("../../../sql/tests/schema_of_file.sql")).unwrap();
    let of_file: BTreeSet<String> =
        of_file.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let of_server = target.tell(include_str!("../../../sql/tests/schema_of_server.sql"));
    let of_server: BTreeSet<String> = of_server.lines().map(str::to_owned).collect();
    assert!(of_file.len() > 100, "{}", of_file.len());
    let differs: Vec<_> = of_file
        .symmetric_difference(&of_server)
        // A file keeps its version elsewhere, and numbers jobs by a table of its own.
        .filter(|line| !line.contains("keyferry_journal") && !line.contains("sqlite_sequence"))
        .collect();
    assert!(differs.is_empty(), "{differs:#?}");
    let version: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(target.tell("SELECT version FROM keyferry_journal").trim(), version.to_string());

    for (other, said) in [(version + 1, "by a newer keyferry"), (3, "no journal on a server ever had")] {
        target.tell(&format!("UPDATE keyferry_journal SET version = {other}"));
        let refused = run(&scene, &target, &["import", people, "embedded:a"]);
        refused.exits(1).says(said).says("--journal");
    }
    target.tell(&format!("UPDATE keyferry_journal SET version = {version}"));
    run(&scene, &target, &["import", people, "embedded:a"]).succeeds();
}

fn started(served: &Served, scene: &Scene, target: &Target, words: &[&str], log: &str) -> Child {
    let log = std::fs::File::options().append(true).create(true).open(scene.path(log)).unwrap();
    let mut command = with(served.command(scene, words), target);
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn state(scene: &Scene, target: &Target) -> Option<String> {
    let jobs = run(scene, target, &["--json", "jobs"]).succeeds().json();
    jobs[0]["state"].as_str().map(str::to_owned)
}

#[test]
fn another_machine_sends_what_a_job_that_stopped_has_left() {
    let Some(target) = Target::postgres() else { return };
    let (scene, elsewhere) = (Scene::new(), Scene::new());
    write_jsonl(&lifelike(3000, 3), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", "on");
    let stopped = Arc::new(AtomicBool::new(false));
    let proxy = Proxy::new(&served.url, Box::new(slow_until(&stopped)));
    let words = ["--timeout", "4", "import", "people.jsonl", &proxy.url, "--workers", "1", "--lease", "1"];
    let mut main = started(&served, &scene, &target, &words, "log");
    let count = |sql: &str| target.tell(sql).trim().parse::<usize>().unwrap_or_default();
    let waiting = || count("SELECT count(*) FROM chunks WHERE state = 0");
    while count("SELECT count(*) FROM pg_class WHERE relname = 'chunks'") == 0 || waiting() < 2 {
        assert!(main.try_wait().unwrap().is_none(), "{}", scene.read("log"));
        std::thread::sleep(Duration::from_millis(10));
    }
    // Whoever else would write there is told, wherever they are.
    let second = with(served.command(&elsewhere, &["import", "-", &proxy.url, "--format", "jsonl"]), &target);
    let second = elsewhere.finish(second);
    assert!(second.whole().contains("another job is writing"), "{}", second.whole());
    for worker in children(main.id()) {
        signal(worker, "KILL");
    }
    main.kill().unwrap();
    main.wait().unwrap();
    // The server needs a moment to see that nobody is there any more.
    while state(&scene, &target).as_deref() != Some("stopped") {
        std::thread::sleep(Duration::from_millis(10));
    }
    stopped.store(true, Ordering::SeqCst);
    let left = waiting();
    // The folder in which the job began is on its machine alone.
    let folder = target.tell("SELECT folder FROM jobs WHERE id = 1");
    target.tell("UPDATE jobs SET folder = '/nowhere/to/be/found' WHERE id = 1");
    let helper = elsewhere.finish(with(served.command(&elsewhere, &["--json", "work", "1"]), &target));
    let worked = helper.succeeds().json();
    assert_eq!(worked["chunks"].as_u64(), u64::try_from(left).ok(), "{worked}");
    assert_eq!(waiting(), 0);
    let over = elsewhere.finish(with(served.command(&elsewhere, &["work", "1"]), &target));
    over.says("job 1 is not running");
    target.tell(&format!("UPDATE jobs SET folder = '{}' WHERE id = 1", folder.trim()));
    scene.finish(with(served.command(&scene, &["resume", "1"]), &target)).succeeds();
    let compared = scene.run(&["--json", "verify", "--exact", "people.jsonl", "embedded:a"]);
    assert_eq!(compared.succeeds().json()["verified"], 3000);
    let undone = scene.finish(with(served.command(&elsewhere, &["--json", "undo", "1"]), &target));
    assert_eq!(undone.succeeds().json()["removed"], 3000);
}

#[test]
fn who_loses_the_session_that_holds_the_sink_sends_no_more_and_is_resumed() {
    let Some(target) = Target::postgres() else { return };
    let scene = Scene::new();
    write_jsonl(&lifelike(1000, 5), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", "on");
    let slow =
        |asked: &Asked| asked.path.ends_with("/batch").then_some(Fault::Delay(Duration::from_millis(500)));
    let proxy = Proxy::new(&served.url, Box::new(slow));
    let words = ["--timeout", "2", "import", "people.jsonl", &proxy.url];
    let mut main = started(&served, &scene, &target, &words, "log");
    while target.tell("SELECT count(*) FROM pg_class WHERE relname = 'creations'").trim() == "0"
        || target.tell("SELECT count(*) FROM creations").trim() == "0"
    {
        assert!(main.try_wait().unwrap().is_none(), "{}", scene.read("log"));
        std::thread::sleep(Duration::from_millis(5));
    }
    target.tell("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyferry'");
    assert_eq!(main.wait().unwrap().code(), Some(1));
    let log = scene.read("log");
    assert!(log.contains("PostgreSQL is out of reach") && log.contains("keyferry resume 1"), "{log}");
    assert_eq!(state(&scene, &target).as_deref(), Some("stopped"));
    scene.finish(with(served.command(&scene, &["resume", "1"]), &target)).succeeds();
    let compared = scene.run(&["--json", "verify", "--exact", "people.jsonl", "embedded:a"]);
    assert_eq!(compared.succeeds().json()["verified"], 1000);
    let job = &run(&scene, &target, &["--json", "jobs"]).succeeds().json()[0];
    assert_eq!((&job["created"], &job["open"]), (&1000.into(), &0.into()), "{job}");
}

#[test]
fn who_only_looks_does_not_notice_that_the_session_was_lost() {
    let Some(target) = Target::postgres() else { return };
    let variable = |name: &str| (name == "KEYFERRY_JOURNAL_PASSWORD").then(|| KEEPER.1.to_owned());
    let address = database_address(&place(&target), "KEYFERRY_JOURNAL", &variable).unwrap();
    let journal = Journal::open_server(&address).unwrap();
    let looks: [&dyn Fn() -> usize; 3] = [
        &|| journal.jobs().unwrap().len(),
        &|| journal.pins("https://nowhere.example").unwrap().len(),
        &|| usize::from(journal.pace("https://nowhere.example").unwrap().is_some()),
    ];
    for look in looks {
        assert_eq!(look(), 0);
        let ended = target.tell(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'keyferry'",
        );
        assert_eq!(ended.trim(), "1");
        assert_eq!(look(), 0);
    }
}

#[test]
fn what_another_came_in_between_of_is_written_down_anew() {
    let Some(target) = Target::postgres() else { return };
    let scene = Scene::with_environments(&["a"]);
    let people = scene.file("people.csv", PEOPLE);
    run(&scene, &target, &["jobs"]).succeeds();
    // Of each three statements the first is the one that PostgreSQL ends, where two wait for each other.
    target.tell(
        "CREATE SEQUENCE attempts; CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('attempts') % 3 = 1 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF; RETURN NULL; END $$;
         CREATE TRIGGER deadlock AFTER UPDATE ON creations FOR EACH STATEMENT EXECUTE FUNCTION deadlock()",
    );
    run(&scene, &target, &["import", people, "embedded:a"]).succeeds();
    assert_ne!(target.tell("SELECT last_value FROM attempts").trim(), "1");
    run(&scene, &target, &["verify", "--exact", people, "embedded:a"]).succeeds();
}

#[test]
fn a_place_with_a_nul_in_its_name_is_told_and_the_others_arrive() {
    let Some(target) = Target::postgres() else { return };
    let scene = Scene::with_environments(&["a", "b"]);
    let rows =
        "vault,folder,name,password\nV,f,one,x\nV,g\0h,two,x\nV\0W,,three,x\nV,f,fo\0ur,x\nV,f,five,x\n";
    let file = scene.file("nul.csv", rows);
    let dry = run(&scene, &target, &["--json", "import", file, "embedded:a", "--dry-run"]);
    let dry = dry.exits(3).json();
    // Of a record the environment says what it does not take; of a place that is said before anything is made.
    assert_eq!(
        (dry["create"].as_u64(), dry["rejected"].as_array().map(Vec::len)),
        (Some(3), Some(2)),
        "{dry}"
    );
    let of = |run: Run| {
        let report = run.exits(3).json();
        let all: Vec<String> =
            report["rejected"].as_array().unwrap().iter().map(ToString::to_string).collect();
        assert!(all.iter().all(|one| one.contains("NUL")), "{report}");
        (report["created"].as_u64().unwrap(), all)
    };
    let on_server = of(run(&scene, &target, &["--json", "import", file, "embedded:a"]));
    let in_file = of(scene.run(&["--json", "import", file, "embedded:b"]));
    assert_eq!(on_server, in_file);
    assert_eq!((on_server.0, on_server.1.len()), (2, 3));
}

/// What the game may do, and how often.
struct Rules {
    records: usize,
    kills: usize,
    /// Of the process that reads, plans and proves.
    ends: usize,
    /// Of sessions at the database, whosever.
    cuts: usize,
}

/// `migrate` and three times `work`, each in a folder of its own.
fn disturbed(target: &Target, seed: u64, rules: &Rules) {
    let mut rng = Rng::with_seed(seed);
    let scene = Scene::with_environments(&["b"]);
    let elsewhere: Vec<Scene> = (0..3).map(|_| Scene::new()).collect();
    write_jsonl(&lifelike(rules.records, seed), &scene.path("people.jsonl"));
    scene.run(&["import", "people.jsonl", "embedded:b"]).succeeds();
    let served = Served::new(&scene, "a", "on");
    let proxy = Proxy::new(&served.url, Box::new(troubled(Duration::from_millis(50), seed + 1000)));
    let migrate = ["--timeout", "1", "migrate", "embedded:b", &proxy.url, "--workers", "1", "--lease", "1"];
    let begun = Instant::now();
    let mut main = started(&served, &scene, target, &migrate, "log");
    let number = loop {
        let newest = run(&scene, target, &["--json", "jobs"]).succeeds().json();
        let newest = &newest[0];
        // One that wrote nothing yet would be none once its process is killed.
        if newest["state"] == "running" && newest["chunks"].as_u64() > Some(0) {
            break newest["id"].to_string();
        }
        assert!(main.try_wait().unwrap().is_none(), "SEED={seed}\n{}", scene.read("log"));
    };
    let help = |scene: &Scene| started(&served, scene, target, &["work", &number], "log");
    let mut helpers: Vec<Child> = elsewhere.iter().map(&help).collect();
    let (mut kills, mut stops, mut ends, mut cuts) = (0, 0, 0, 0);
    let mut asleep: Vec<(u32, Instant)> = Vec::new();
    loop {
        let limit = Duration::from_secs(if long() { 900 } else { 280 });
        assert!(begun.elapsed() < limit, "SEED={seed}: no end\n{}", scene.read("log"));
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
            main = started(&served, &scene, target, &["resume", &number], "log");
        }
        for (helper, scene) in helpers.iter_mut().zip(&elsewhere) {
            // Killed, or because the job was not running.
            if helper.try_wait().unwrap().is_some() {
                *helper = help(scene);
            }
        }
        let mut workers = children(main.id());
        workers.extend(helpers.iter().map(Child::id));
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
            6 if ends < rules.ends => {
                main.kill().unwrap();
                main.wait().unwrap();
                ends += 1;
            }
            7 if cuts < rules.cuts => {
                let any = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE application_name = 'keyferry' ORDER BY random() LIMIT 1";
                target.tell(any);
                cuts += 1;
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(rng.u64(20..120)));
    }
    for (pid, _) in asleep {
        signal(pid, "CONT");
    }
    for mut helper in helpers {
        // The job has ended, and so do they.
        helper.wait().unwrap();
    }
    let story = format!(
        "SEED={seed} {kills} kills, {stops} stops, {ends} ends, {cuts} cuts\n{}\n{}",
        scene.read("log"),
        elsewhere.iter().map(|scene| scene.read("log")).collect::<Vec<_>>().join("\n")
    );
    assert!(kills > 0 && stops > 0, "{story}: it ended before anything was disturbed");
    let compared = scene.run(&["--json", "verify", "--exact", "embedded:b", "embedded:a"]);
    assert_eq!(compared.code(), Some(0), "{story}\n{}", compared.whole());
    assert_eq!(compared.json()["verified"], rules.records, "{story}");
    let job = &run(&scene, target, &["--json", "jobs"]).succeeds().json()[0];
    assert_eq!((&job["state"], &job["open"]), (&"done".into(), &0.into()), "{story} {job}");
    // What a worker of a run that was ended sent after the next one had looked is there once, and not known to be the job's.
    if ends > 0 || cuts > 0 {
        return;
    }
    assert_eq!(job["created"], rules.records, "{story} {job}");
    let undone = scene.finish(with(served.command(&scene, &["--json", "undo", &number]), target));
    assert_eq!(undone.succeeds().json()["removed"], rules.records, "{story}");
}

#[test]
fn four_processes_that_share_a_database_bring_everything_once() {
    let Some(target) = Target::postgres() else { return };
    let (records, kills) = if long() { (20_000, 100) } else { (1500, 6) };
    for seed in seeds(1).into_iter().take(3) {
        for (ends, cuts) in if long() { vec![(0, 0), (2, 10)] } else { vec![(0, 0)] } {
            disturbed(&target, seed, &Rules { records, kills, ends, cuts });
        }
    }
}
