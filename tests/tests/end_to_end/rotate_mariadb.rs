//! Secrets of a real MariaDB.

#![cfg(unix)]

use keyferry_core::engine::crash;
use keyferry_tests::gate::{Break, Gate};
use keyferry_tests::lab::Lab;
use keyferry_tests::target::Target;

const WITH: &[&str] = &["--with", "mysql"];
const BY_ADMIN: &[&str] = &["--with", "mysql", "--admin", "Infra/db/boss"];

fn user(target: &Target, who: &str, password: &str) {
    let who = who.replace('\\', "\\\\").replace('\'', "''");
    target.tell(&format!("CREATE USER '{who}'@'%' IDENTIFIED BY '{password}'"));
}

#[test]
fn users_are_rotated_by_themselves_and_by_an_administrator_whatever_their_names() {
    let Some(target) = Target::mariadb() else { return };
    let url = target.url(target.port);
    let odd = r"o'd\d; DROP USER keeper; --";
    let lab = Lab::with_boss(&[
        ("own", "own", "planted-own", &url, ""),
        ("odd", odd, "planted-odd", &url, ""),
        ("twice", "twice", "planted-twice", &url, ""),
        ("curve", "curve", "planted-curve", &url, ""),
    ]);
    user(&target, "own", "planted-own");
    user(&target, odd, "planted-odd");
    target.tell("CREATE USER 'twice'@'127.0.0.1' IDENTIFIED BY 'planted-twice', 'twice'@'10.0.0.1' IDENTIFIED BY 'planted-far'");
    target.tell("CREATE USER 'curve'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('planted-curve')");
    for (record, login, with) in [
        ("own", "own", WITH),
        ("odd", odd, WITH),
        ("odd", odd, BY_ADMIN),
        ("twice", "twice", WITH),
        ("curve", "curve", WITH),
        ("curve", "curve", BY_ADMIN),
    ] {
        let old = lab.held(record);
        let run = lab.rotate(record, with);
        run.succeeds().hides(&old);
        let new = lab.held(record);
        run.hides(&new);
        assert!(new != old && target.lets_in(login, &new) && !target.lets_in(login, &old), "{record}");
        assert!(!target.log().contains(&new), "{record}: the server wrote it down");
    }
    assert!(target.log().contains("SET PASSWORD FOR"), "the log was searched");
    assert!(
        target.tell("SELECT plugin FROM mysql.user WHERE user = 'curve'").contains("ed25519"),
        "it kept its plugin"
    );
    // An administrator cannot know which of two accounts of one name is meant.
    let before = lab.held("twice");
    let run = lab.rotate("twice", BY_ADMIN);
    run.exits(3);
    assert!(run.stdout().contains("leave --admin out"), "{}", run.whole());
    assert!(target.lets_in("twice", &before) && lab.held("twice") == before);
}

#[test]
fn a_crash_at_any_step_is_resumed_to_one_secret_that_works_and_is_held() {
    let Some(target) = Target::mariadb() else { return };
    let url = target.url(target.port);
    let mut crashed = Vec::new();
    for (number, point) in crash::ROTATION_POINTS.iter().enumerate() {
        let (login, old) = (format!("user{number}"), format!("planted-old-{number}"));
        user(&target, &login, &old);
        let lab = Lab::with_boss(&[("r", &login, &old, &url, "")]);
        if lab.crashes(point, "r", WITH) {
            crashed.push(*point);
            lab.go_on(point, "r", WITH).succeeds().hides(&old);
        }
        let new = lab.held("r");
        assert!(new != old && target.lets_in(&login, &new) && !target.lets_in(&login, &old), "{point}");
    }
    assert_eq!(crashed.len(), 8, "{crashed:?}");
}

#[test]
fn faults_on_the_way_leave_one_secret_on_both_sides() {
    let Some(target) = Target::mariadb() else { return };
    let gate = Gate::new(target.port);
    let url = target.url(gate.port);
    user(&target, "steady", "planted-steady");
    user(&target, "powerless", "planted-powerless");
    let lab = Lab::with_boss(&[
        ("r", "steady", "planted-steady", &url, ""),
        ("weak", "powerless", "planted-powerless", &url, ""),
    ]);
    let one_secret = || {
        let held = lab.held("r");
        assert!(target.lets_in("steady", &held));
        held
    };
    lab.rotate("r", &["--with", "mysql", "--admin", "Infra/db/weak"]).exits(3);
    assert_eq!(one_secret(), "planted-steady");
    gate.breaks(Break::AtOnce, 1000);
    lab.rotate("r", WITH).exits(6);
    gate.breaks(Break::Never, 0);
    assert_eq!(one_secret(), "planted-steady");
    gate.breaks(Break::Before("SET PASSWORD"), 2);
    lab.rotate("r", WITH).exits(3);
    assert_eq!(one_secret(), "planted-steady");
    for how in [Break::Before("SET PASSWORD"), Break::After("SET PASSWORD")] {
        let old = one_secret();
        gate.breaks(how, 1);
        lab.rotate("r", WITH).succeeds();
        assert_eq!(gate.left(), 0, "{how:?}");
        assert!(one_secret() != old && !target.lets_in("steady", &old), "{how:?}");
    }
}
