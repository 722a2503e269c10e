//! Secrets of a real PostgreSQL, changed there and in the environment, with something going wrong at every step.

#![cfg(unix)]
use keyferry_core::engine::crash;
use keyferry_tests::gate::{Break, Gate};
use keyferry_tests::lab::{Lab, csv};
use keyferry_tests::proxy::{Fault, Proxy};
use keyferry_tests::server::Served;
use keyferry_tests::target::{KEEPER, Target, free_port};
use keyferry_tests::{Scene, finish};

const WITH: &[&str] = &["--with", "postgres"];

/// Makes a user at the target; `who` may hold anything.
fn user(target: &Target, who: &str, password: &str) {
    let quoted = who.replace('"', "\"\"");
    target.tell(&format!("CREATE ROLE \"{quoted}\" LOGIN PASSWORD '{password}'"));
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// The secret that the record holds is the one that works, and the old one works exactly if it is that one.
fn agrees(lab: &Lab, target: &Target, record: &str, login: &str, old: &str) -> String {
    let held = lab.held(record);
    assert!(target.lets_in(login, &held), "{record}: what the record holds does not work");
    assert_eq!(target.lets_in(login, old), held == old, "{record}");
    held
}

#[test]
fn the_new_secret_works_stands_in_the_record_and_nowhere_else() {
    let Some(target) = Target::postgres() else { return };
    let url = target.url(target.port);
    let odd = "o'd\"d; DROP ROLE keeper; --\\";
    let with_password = url.replace("127.0.0.1", "someone:planted-in-url@127.0.0.1");
    let lab = Lab::new(&[
        ("own", "own", "planted-old-own", &with_password, ""),
        ("odd", odd, "planted-old-odd", &url, ""),
        ("boss", KEEPER.0, KEEPER.1, url.as_str(), ""),
    ]);
    user(&target, "own", "planted-old-own");
    user(&target, odd, "planted-old-odd");
    for (record, login, old, admin) in [
        ("own", "own", "planted-old-own", &[][..]),
        ("odd", odd, "planted-old-odd", &["--admin", "Infra/db/boss"][..]),
    ] {
        let run = lab.rotate(record, &[WITH, admin].concat());
        let new = agrees(&lab, &target, record, login, old);
        assert_ne!(new, old);
        assert_eq!(new.len(), 32);
        run.succeeds().hides(&new).hides(old).hides("planted-in-url");
        assert!(run.stdout().contains("rotated: Infra / db / "), "{}", run.whole());
        assert!(!contains(&lab.journal(), &new) && !contains(&lab.journal(), old));
        assert!(!target.log().contains(&new), "the server's log holds the secret");
    }
    // The searches would have found them.
    assert!(target.log().contains("ALTER ROLE \"own\" PASSWORD") && target.log().contains("planted-old-own"));
    assert!(contains(&lab.journal(), "127.0.0.1") && !contains(&lab.journal(), "planted-in-url"));
    let jobs = lab.run(&["jobs"]).succeeds().stdout();
    assert!(jobs.contains("done") && jobs.contains("1 updated"), "{jobs}");
    lab.run(&["undo", "2"]).exits(2).says("rotation");
}

#[test]
fn a_dry_run_tries_everything_and_changes_nothing() {
    let Some(target) = Target::postgres() else { return };
    let (url, closed) = (target.url(target.port), target.url(free_port()));
    user(&target, "good", "planted-good");
    user(&target, "stale", "planted-stale");
    let lab = Lab::new(&[
        ("good", "good", "planted-good", &url, ""),
        ("stale", "stale", "planted-other", &url, ""),
        ("closed", "good", "planted-good", &closed, ""),
        ("website", "me", "planted-site", "https://shop.example", ""),
        ("twin a", "twin", "planted-twin", &url, ""),
        ("twin b", "twin", "planted-twin", &url, ""),
    ]);
    let run = lab.rotate("", &["--with", "postgres", "--dry-run", "--json"]);
    run.exits(3).hides("planted-good").hides("planted-other");
    let report = run.json();
    let outcome = |name: &str| {
        let records = report["records"].as_array().unwrap().iter();
        let found = records.filter(|one| one["record"].as_str().unwrap().ends_with(name));
        found.map(|one| one["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(outcome("/ good"), ["planned"], "{report:#}");
    assert_eq!((outcome("/ stale"), outcome("/ closed")), (vec!["failed".into()], vec!["failed".into()]));
    assert_eq!((outcome("/ website"), outcome("/ twin a")), (vec!["left-out".into()], vec!["failed".into()]));
    assert!(target.lets_in("good", "planted-good") && lab.held("good") == "planted-good");
    assert!(!target.log().contains("ALTER ROLE"));
    assert_eq!(lab.run(&["--json", "jobs"]).json().as_array().unwrap().len(), 1, "the import alone");
    // One record that was named is an error of its own kind.
    lab.rotate("stale", WITH).exits(5).says("does not work");
    lab.rotate("closed", WITH).exits(6).says("could not be reached");
    lab.rotate("website", WITH).exits(1).says("no postgres");
    lab.rotate("nothing", WITH).exits(1).says("no such record");
}

#[test]
fn a_target_that_takes_any_secret_is_refused() {
    let Some(target) = Target::postgres() else { return };
    let lab = Lab::new(&[("any", "any", "planted-any", &target.url(target.port), "")]);
    // A password that the server does not ask for: what `trust` in pg_hba.conf does.
    let file = target.tell("SHOW hba_file");
    std::fs::write(file.trim(), "host all any 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        .unwrap();
    user(&target, "any", "planted-any");
    target.tell("SELECT pg_reload_conf()");
    while !target.lets_in("any", "whatever") {
        std::thread::yield_now();
    }
    lab.rotate("any", WITH).exits(1).says("takes any secret");
    assert_eq!(lab.held("any"), "planted-any");
}

#[test]
fn a_crash_at_any_step_is_resumed_to_one_secret_that_works_and_is_held() {
    let Some(target) = Target::postgres() else { return };
    let url = target.url(target.port);
    let mut crashed = Vec::new();
    for (number, point) in crash::ROTATION_POINTS.iter().enumerate() {
        let (login, old) = (format!("user{number}"), format!("planted-old-{number}"));
        let lab = Lab::new(&[("r", &login, &old, &url, "")]);
        user(&target, &login, &old);
        if !lab.crashes(point, "r", WITH) {
            agrees(&lab, &target, "r", &login, &old);
            continue;
        }
        crashed.push(*point);
        let left_behind = lab.journal();
        if *point == "before rotation intent" {
            // Nothing had begun.
            assert!(target.lets_in(&login, &old) && lab.held("r") == old);
        }
        lab.go_on(point, "r", WITH).succeeds().hides(&old);
        let new = agrees(&lab, &target, "r", &login, &old);
        assert_ne!(new, old, "{point}: going on means to the new secret");
        assert!(!contains(&left_behind, &new), "{point}: the crash left the secret in the clear");
        assert!(contains(&left_behind, "rotate"), "the search sees the journal");
        lab.resume().exits(2).says("nothing to go on with");
        assert!(!target.log().contains(&new));
    }
    // PostgreSQL holds one password: nothing is left to retire.
    let all = crash::ROTATION_POINTS.iter().filter(|point| !point.ends_with("retire"));
    assert!(all.eq(&crashed), "a point that is never passed tests nothing: {crashed:?}");
}

#[test]
fn a_connection_that_breaks_once_at_any_step_does_not_stop_a_rotation() {
    let Some(target) = Target::postgres() else { return };
    let gate = Gate::new(target.port);
    let url = target.url(gate.port);
    let breaks = [Break::Before("ALTER ROLE"), Break::After("ALTER ROLE")];
    for (number, how) in breaks.into_iter().enumerate() {
        let (login, old) = (format!("once{number}"), format!("planted-once-{number}"));
        let lab = Lab::new(&[("r", &login, &old, &url, "")]);
        user(&target, &login, &old);
        gate.breaks(how, 1);
        let run = lab.rotate("r", WITH);
        assert_eq!(gate.left(), 0, "{how:?}: it was never broken");
        run.succeeds();
        assert_ne!(agrees(&lab, &target, "r", &login, &old), old, "{how:?}");
    }
}

#[test]
fn a_target_that_cannot_be_changed_leaves_everything_as_before() {
    let Some(target) = Target::postgres() else { return };
    let gate = Gate::new(target.port);
    let url = target.url(gate.port);
    user(&target, "still", "planted-still");
    user(&target, "powerless", "planted-powerless");
    let lab = Lab::new(&[
        ("still", "still", "planted-still", &url, ""),
        ("powerless", "powerless", "planted-powerless", &url, ""),
        ("wrong", KEEPER.0, "planted-wrong", &url, ""),
    ]);
    let as_before = || {
        assert!(target.lets_in("still", "planted-still"));
        assert_eq!(lab.held("still"), "planted-still");
    };
    // The connection breaks before the change, every time; what was sent once could still arrive, so the old secret
    // is set again on purpose.
    gate.breaks(Break::Before("ALTER ROLE"), 2);
    lab.rotate("still", WITH).exits(3);
    as_before();
    // An administrator who may not.
    let run = lab.rotate("still", &["--with", "postgres", "--admin", "Infra/db/powerless", "--json"]);
    run.exits(3);
    let record = &run.json()["records"][0];
    assert_eq!(
        (&record["outcome"], &record["target"], &record["environment"]),
        (&"rolled-back".into(), &"old".into(), &"old".into())
    );
    as_before();
    // One who does not get in at all, and a target that is away: nothing is tried.
    lab.rotate("still", &["--with", "postgres", "--admin", "Infra/db/wrong"])
        .exits(5)
        .says("administrator's secret");
    gate.breaks(Break::AtOnce, 1000);
    lab.rotate("still", WITH).exits(6);
    gate.breaks(Break::Never, 0);
    as_before();
    // And then it works.
    lab.rotate("still", WITH).succeeds();
    assert_ne!(agrees(&lab, &target, "still", "still", "planted-still"), "planted-still");
}

#[test]
fn a_target_that_is_lost_after_the_change_is_told_of_and_settled_by_resume() {
    let Some(target) = Target::postgres() else { return };
    let gate = Gate::new(target.port);
    let url = target.url(gate.port);
    user(&target, "lost", "planted-lost");
    let lab = Lab::new(&[("lost", "lost", "planted-lost", &url, "")]);
    // Four connections come first: two that try secrets and, of the change, the third. Its answer is lost, and from
    // then on the target is away.
    gate.breaks(Break::After("ALTER ROLE"), 1);
    let closing = std::thread::spawn({
        let gate = std::sync::Arc::new(gate);
        let watched = gate.clone();
        move || {
            while watched.left() > 0 {
                std::thread::yield_now();
            }
            watched.breaks(Break::AtOnce, 1000);
            gate
        }
    });
    let run = lab.rotate("lost", WITH);
    let gate = closing.join().unwrap();
    run.exits(1).hides("planted-lost");
    assert!(
        run.stdout().contains("unsettled") && run.stdout().contains("keyferry resume"),
        "{}",
        run.whole()
    );
    assert_eq!(lab.held("lost"), "planted-lost");
    gate.breaks(Break::Never, 0);
    lab.resume().succeeds();
    assert_ne!(agrees(&lab, &target, "lost", "lost", "planted-lost"), "planted-lost");
}

/// An environment behind a proxy, which meets the request that stores with these faults, one after the other.
fn stored_through(
    target: &Target,
    login: &str,
    faults: Vec<Fault>,
) -> (Scene, Served, String, keyferry_tests::Run) {
    let old = format!("planted-{login}");
    user(target, login, &old);
    let scene = Scene::new();
    let served = Served::new(&scene, "a", "on");
    let url = target.url(target.port);
    let rows = [("r", login, old.as_str(), url.as_str(), "")];
    let file = scene.file("rows.csv", csv(&rows));
    finish(served.command(&scene, &["import", file, &served.url])).succeeds();
    let mut faults = faults.into_iter();
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |asked| if asked.method == "PATCH" { faults.next() } else { None }),
    );
    let words =
        ["rotate", proxy.url.as_str(), "--with", "postgres", "--query", "r", "--json", "--timeout", "5"];
    let run = finish(served.command(&scene, &words));
    assert!(!proxy.done().is_empty(), "the fault never happened: {}", run.whole());
    (scene, served, old, run)
}

fn held(scene: &Scene, served: &Served) -> String {
    let mut command = served.command(scene, &["get", "-n", "Infra/db/r", "--from", &served.url]);
    command.stdin(std::process::Stdio::null());
    finish(command).succeeds().stdout()
}

#[test]
fn a_store_that_fails_is_tried_again_or_taken_back_at_the_target() {
    let Some(target) = Target::postgres() else { return };
    // Refused for good: back to the old secret, on both sides.
    let (scene, served, old, run) =
        stored_through(&target, "refused", vec![Fault::Status(403), Fault::Status(403)]);
    run.exits(3);
    let record = &run.json()["records"][0];
    assert_eq!(
        (&record["outcome"], &record["target"], &record["environment"]),
        (&"rolled-back".into(), &"old".into(), &"old".into()),
        "{record:#}"
    );
    assert!(target.lets_in("refused", &old) && held(&scene, &served) == old);
    // Another's edit came in between: the record is read again, and the secret alone is written.
    let (scene, served, old, run) = stored_through(&target, "conflict", vec![Fault::Status(409)]);
    run.succeeds();
    assert!(target.lets_in("conflict", &held(&scene, &served)) && !target.lets_in("conflict", &old));
    // Stored, and the answer was lost.
    let (scene, served, old, run) = stored_through(&target, "answer", vec![Fault::DropAfter]);
    run.succeeds();
    assert!(target.lets_in("answer", &held(&scene, &served)) && !target.lets_in("answer", &old));
}

#[test]
fn a_store_that_may_still_happen_is_never_met_by_a_target_that_went_back() {
    let Some(target) = Target::postgres() else { return };
    let faults = 8;
    let (scene, served, old, run) = stored_through(&target, "maybe", vec![Fault::DropBefore; faults]);
    run.exits(1).hides(&old);
    let report = run.json();
    let record = &report["records"][0];
    assert_eq!((&record["outcome"], &record["target"]), (&"unsettled".into(), &"new".into()), "{record:#}");
    assert!(record["next"].as_str().unwrap().contains("keyferry resume"));
    assert!(!target.lets_in("maybe", &old) && held(&scene, &served) == old);
    // When the environment can be written to again, resume brings the sealed secret home.
    let job = report["job"].to_string();
    let resume = || finish(served.command(&scene, &["resume", &job]));
    assert!((0..faults).any(|_| resume().code() == Some(0)));
    let new = held(&scene, &served);
    assert!(new != old && target.lets_in("maybe", &new));
}

#[test]
fn without_keys_to_seal_with_somebody_must_be_able_to_set_a_secret_anew() {
    let Some(target) = Target::postgres() else { return };
    user(&target, "plain", "planted-plain");
    let scene = Scene::new();
    scene.run(&["env", "init", "embedded:b", "--user", "admin", "--client-encryption", "off"]).succeeds();
    scene.run(&["env", "add", "bare", "embedded:b"]).succeeds();
    let url = target.url(target.port);
    let rows =
        [("r", "plain", "planted-plain", url.as_str(), ""), ("boss", KEEPER.0, KEEPER.1, url.as_str(), "")];
    let file = scene.file("rows.csv", csv(&rows));
    scene.run(&["import", file, "bare:", "--allow-unencrypted-target"]).succeeds();
    let rotate = ["rotate", "bare:Infra/db/r", "--with", "postgres"];
    let held = || scene.run(&["get", "-n", "bare:Infra/db/r"]).succeeds().stdout();
    scene.run(&rotate).exits(2).says("--admin");
    let rotate = [&rotate[..], &["--admin", "Infra/db/boss"]].concat();
    // The new secret is at the target and lost: the administrator sets the old one again, and the next run is whole.
    assert!(scene.crashes("after set", 1, &rotate));
    assert!(!target.lets_in("plain", "planted-plain") && held() == "planted-plain");
    scene.run(&["resume", "2"]).exits(3);
    assert!(target.lets_in("plain", "planted-plain") && held() == "planted-plain");
    scene.run(&["resume", "2"]).succeeds();
    assert!(target.lets_in("plain", &held()) && !target.lets_in("plain", "planted-plain"));
}

#[test]
fn a_batch_by_tag_rotates_many_at_once_and_tells_of_each() {
    let Some(target) = Target::postgres() else { return };
    let url = target.url(target.port);
    let names: Vec<(String, String)> =
        (0..12).map(|n| (format!("many{n}"), format!("planted-many-{n}"))).collect();
    let mut rows: Vec<_> = names
        .iter()
        .map(|(name, old)| (name.as_str(), name.as_str(), old.as_str(), url.as_str(), "db"))
        .collect();
    rows.push(("stale", "many-stale", "planted-stale", &url, "db"));
    rows.push(("other", "many-other", "planted-other", &url, "web"));
    for (name, old) in &names {
        user(&target, name, old);
    }
    user(&target, "many-other", "planted-other");
    let lab = Lab::new(&rows);
    let run = lab.rotate(
        "",
        &[
            "--with",
            "postgres",
            "--tag",
            "db",
            "--parallel",
            "6",
            "--json",
            "--alphabet",
            "letters-digits",
            "--length",
            "40",
        ],
    );
    run.exits(3);
    let report = run.json();
    let count = |outcome: &str| {
        report["records"].as_array().unwrap().iter().filter(|one| one["outcome"] == outcome).count()
    };
    assert_eq!((count("rotated"), count("failed")), (12, 1), "{report:#}");
    for (name, old) in &names {
        let new = agrees(&lab, &target, name, name, old);
        assert!(new != *old && new.len() == 40 && new.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        run.hides(&new);
    }
    assert!(target.lets_in("many-other", "planted-other"), "another tag");
    // Going on tries what failed, and leaves alone what is done.
    user(&target, "many-stale", "planted-stale");
    let before = lab.held("many3");
    lab.resume().succeeds();
    assert_eq!(lab.held("many3"), before);
    assert_ne!(agrees(&lab, &target, "stale", "many-stale", "planted-stale"), "planted-stale");
}
