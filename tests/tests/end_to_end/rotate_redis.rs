//! Secrets of a real Redis, whose users can have two at once: no moment is without one that works and is held.

#![cfg(unix)]

use keyferry_core::engine::crash;
use keyferry_tests::gate::{Break, Gate};
use keyferry_tests::lab::Lab;
use keyferry_tests::target::Target;

const WITH: &[&str] = &["--with", "redis", "--admin", "Infra/db/boss"];

fn user(target: &Target, who: &str, password: &str) {
    target.tell(&format!("ACL SETUSER {who} on >{password} ~* +@all"));
}

#[test]
fn a_user_changes_its_own_secret_or_has_it_changed_and_keeps_its_other_passwords() {
    let Some(target) = Target::redis() else { return };
    let url = target.url(target.port);
    let lab = Lab::with_boss(&[
        ("own", "own", "planted-own", &url, ""),
        ("other", "other", "planted-other", &url, ""),
    ]);
    user(&target, "own", "planted-own");
    user(&target, "other", "planted-other");
    target.tell("ACL SETUSER other >planted-second");
    for (record, with) in [("own", &["--with", "redis"][..]), ("other", WITH)] {
        let old = format!("planted-{record}");
        let run = lab.rotate(record, with);
        run.succeeds().hides(&old);
        let new = lab.held(record);
        run.hides(&new);
        assert!(new != old && target.lets_in(record, &new) && !target.lets_in(record, &old));
        assert!(!target.log().contains(&new), "it was told hashes alone");
    }
    assert!(target.lets_in("other", "planted-second"), "not this record's to take away");
    // The server remembers: its file was written.
    assert!(target.tell("ACL LOAD").contains("OK"));
    assert!(target.lets_in("own", &lab.held("own")) && !target.lets_in("own", "planted-own"));
}

#[test]
fn at_no_step_is_the_secret_that_the_record_holds_without_effect() {
    let Some(target) = Target::redis() else { return };
    let url = target.url(target.port);
    let mut crashed = Vec::new();
    for (number, point) in crash::ROTATION_POINTS.iter().enumerate() {
        let (login, old) = (format!("user{number}"), format!("planted-old-{number}"));
        user(&target, &login, &old);
        let lab = Lab::with_boss(&[("r", &login, &old, &url, "")]);
        assert!(lab.crashes(point, "r", WITH), "{point}");
        crashed.push(*point);
        assert!(
            target.lets_in(&login, &lab.held("r")),
            "{point}: the crash left a record that does not work"
        );
        lab.go_on(point, "r", WITH).succeeds().hides(&old);
        let new = lab.held("r");
        assert!(new != old && target.lets_in(&login, &new) && !target.lets_in(&login, &old), "{point}");
    }
    assert_eq!(crashed, crash::ROTATION_POINTS, "a point that is never passed tests nothing");
}

#[test]
fn connections_that_break_and_administrators_who_may_not_leave_the_old_secret_working() {
    let Some(target) = Target::redis() else { return };
    let gate = Gate::new(target.port);
    let url = target.url(gate.port);
    user(&target, "steady", "planted-steady");
    target.tell("ACL SETUSER weak on >planted-weak ~* +@read +ping");
    let lab = Lab::with_boss(&[
        ("r", "steady", "planted-steady", &url, ""),
        ("weak", "weak", "planted-weak", &url, ""),
    ]);
    let as_before = || target.lets_in("steady", "planted-steady") && lab.held("r") == "planted-steady";
    lab.rotate("r", &["--with", "redis", "--admin", "Infra/db/weak"]).exits(3);
    assert!(as_before());
    lab.rotate("weak", &["--with", "redis", "--target", &url]).exits(3);
    assert!(target.lets_in("weak", "planted-weak") && lab.held("weak") == "planted-weak");
    gate.breaks(Break::Before("SETUSER"), 2);
    lab.rotate("r", WITH).exits(3);
    assert!(as_before());
    gate.breaks(Break::After("SETUSER"), 1);
    lab.rotate("r", WITH).succeeds();
    assert_eq!(gate.left(), 0);
    let new = lab.held("r");
    assert!(target.lets_in("steady", &new) && !target.lets_in("steady", "planted-steady"));
    // The old secret could not be taken away: both work, the record holds the new one, and resume ends it.
    gate.breaks(Break::Before("$65\r\n!"), 8);
    let run = lab.rotate("r", WITH);
    gate.breaks(Break::Never, 0);
    run.exits(1);
    assert!(run.stdout().contains("the old and the new secret work"), "{}", run.whole());
    assert!(target.lets_in("steady", &new) && target.lets_in("steady", &lab.held("r")));
    lab.resume().succeeds();
    assert!(!target.lets_in("steady", &new) && target.lets_in("steady", &lab.held("r")));
}

#[test]
fn a_secret_is_not_sent_over_a_network_in_the_clear() {
    let lab = Lab::with_boss(&[("far", "far", "planted-far", "redis://192.0.2.1:6379", "")]);
    lab.rotate("far", &["--with", "redis"]).exits(1).says("in the clear");
}

#[test]
fn an_administrators_secret_goes_to_no_server_but_its_own() {
    let (Some(own), Some(other)) = (Target::redis(), Target::redis()) else { return };
    user(&other, "bait", "planted-bait");
    // The first record gives `boss` its server.
    let lab = Lab::with_boss(&[
        ("home", "home", "planted-home", &own.url(own.port), ""),
        ("bait", "bait", "planted-bait", &other.url(other.port), ""),
    ]);
    for words in [&["--dry-run"][..], &[]] {
        lab.rotate("bait", &[WITH, words].concat()).exits(1).says("the administrator's record");
    }
    assert!(!other.log().contains("boss") && lab.held("bait") == "planted-bait");
    lab.rotate("bait", &[WITH, &["--target", &other.url(other.port)]].concat()).succeeds();
}

#[test]
fn however_an_address_is_written_two_records_of_one_user_are_found() {
    let Some(target) = Target::redis() else { return };
    user(&target, "twin", "planted-twin");
    let url = target.url(target.port);
    let lab = Lab::with_boss(&[
        ("one", "twin", "planted-twin", &url, ""),
        ("two", "twin", "planted-twin", &format!("{}/0", url.replace("127.0.0.1", "LOCALHOST")), ""),
        ("three", "keeper", "planted-keeper-password", &url, ""),
    ]);
    let run = lab.rotate("", WITH);
    run.exits(3);
    assert_eq!(run.whole().matches("several of these records hold the secret").count(), 2, "{}", run.whole());
    assert_eq!(
        run.whole().matches("the administrator's own").count(),
        2,
        "boss, and a copy: {}",
        run.whole()
    );
    assert!(target.lets_in("twin", "planted-twin"));
}

#[test]
fn a_job_that_holds_the_only_copy_of_a_secret_is_not_forgotten() {
    let Some(target) = Target::redis() else { return };
    user(&target, "open", "planted-open");
    let lab = Lab::with_boss(&[("r", "open", "planted-open", &target.url(target.port), "")]);
    assert!(lab.crashes("after set", "r", WITH));
    let job = lab.run(&["--json", "jobs"]).succeeds().json()[0]["id"].to_string();
    lab.run(&["jobs", "--forget", &job]).exits(1).says("stand nowhere else");
    lab.resume().succeeds();
    lab.run(&["jobs", "--forget", &job]).succeeds();
}
