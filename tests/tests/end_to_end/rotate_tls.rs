//! Targets over TLS: one that nobody vouches for, or that is vouched for by another name, is told no secret.

#![cfg(unix)]

use keyferry_tests::lab::Lab;
use keyferry_tests::target::Target;
use keyferry_tests::{Run, finish};
use std::path::Path;

/// Rotates a record of a target whose user can sign in over TLS alone.
fn rotates_only_where_the_certificate_is_the_targets(target: &Target, with: &str, tell: &[&str]) {
    let (near, astray) = (target.sealed_url("127.0.0.1"), target.sealed_url("localhost"));
    let lab = Lab::with_boss(&[
        ("near", "sealed", "planted-sealed", &near, ""),
        ("astray", "sealed", "planted-sealed", &astray, ""),
    ]);
    for statement in tell {
        target.tell(statement);
    }
    let rotate = |record: &str, authority: Option<&Path>| -> Run {
        let place = format!("lab:Infra/db/{record}");
        let mut command = lab.command(&["rotate", &place, "--with", with]);
        if let Some(authority) = authority {
            command.env("SSL_CERT_FILE", authority);
        }
        finish(command)
    };
    let authority = target.authority();
    for (record, authority) in [("near", None), ("astray", Some(authority.as_path()))] {
        let run = rotate(record, authority);
        assert_eq!(run.code(), Some(6), "{record}: {}", run.whole());
        run.hides("planted-sealed");
        assert!(run.whole().contains("certificate"), "{record}: {}", run.whole());
        assert_eq!(lab.held(record), "planted-sealed", "{record}");
    }
    let run = rotate("near", Some(&authority));
    run.succeeds().hides("planted-sealed");
    let new = lab.held("near");
    run.hides(&new);
    assert!(new != "planted-sealed");
    // What it holds now lets in: the next change is made with it.
    rotate("near", Some(&authority)).succeeds().hides(&new);
}

#[test]
fn postgres_is_spoken_to_only_with_its_certificate() {
    let Some(target) = Target::postgres() else { return };
    let tell = ["CREATE ROLE sealed LOGIN PASSWORD 'planted-sealed'"];
    rotates_only_where_the_certificate_is_the_targets(&target, "postgres", &tell);
    let log = target.log();
    let sealed = log.lines().filter(|line| line.contains("user=sealed")).collect::<Vec<_>>();
    assert!(!sealed.is_empty() && sealed.iter().all(|line| line.contains("SSL enabled")), "{sealed:?}");
}

#[test]
fn mariadb_is_spoken_to_only_with_its_certificate() {
    let Some(target) = Target::mariadb() else { return };
    let tell = ["CREATE USER 'sealed'@'%' IDENTIFIED BY 'planted-sealed' REQUIRE SSL"];
    rotates_only_where_the_certificate_is_the_targets(&target, "mysql", &tell);
}

#[test]
fn redis_is_spoken_to_only_with_its_certificate() {
    let Some(target) = Target::redis() else { return };
    let tell = ["ACL SETUSER sealed on >planted-sealed ~* +@all"];
    rotates_only_where_the_certificate_is_the_targets(&target, "redis", &tell);
}
