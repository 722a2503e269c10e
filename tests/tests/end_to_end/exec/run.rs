//! Arguments, environment, exit codes, and what is refused.

use super::{MYSQL, PIN, exec, scene};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn the_program_gets_its_arguments_exactly() {
    let scene = scene();
    let odd = ["a b", "it's \"q\"", "two\nlines", "$HOME", "*", "", "--mask", "-", "\\", "é"];
    let words = [&["--env", "A=Infra/db/mysql", "--", "printf", "%s\\0"], &odd[..]].concat();
    let shown = scene.run(&exec(&words)).succeeds().stdout();
    assert_eq!(shown.split_terminator('\0').collect::<Vec<_>>(), odd);
    let mut no_text = scene.command(&exec(&["--env", "A=Infra/db/mysql", "--", "printf", "%s"]));
    let output = no_text.arg(std::ffi::OsStr::from_bytes(b"a\xff\n")).output().unwrap();
    assert_eq!(output.stdout, b"a\xff\n");
}

#[test]
fn the_childs_environment_is_ours_without_our_secrets_and_with_what_was_asked_for() {
    let scene = scene();
    let ours = [
        ("KEYFERRY_TOKEN", Some("pl4nted")),
        ("KEYFERRY_PROD_MASTER_PASSWORD", Some("pl4nted")),
        ("KEYFERRY_ARCHIVE_PASSPHRASE_FILE", Some("pl4nted")),
        ("PASSWORK_TOKEN", Some("pl4nted")),
        ("PASSWORK_REFRESH_TOKEN", Some("pl4nted")),
        ("PASSWORK_MASTER_KEY", Some("pl4nted")),
        ("PASSWORK_HOST", Some("https://pw.example")),
        ("MY_TOKEN", Some("kept")),
        ("EMPTY", Some("")),
    ];
    let words = [
        "--env",
        "DB_PASS=Infra/db/mysql",
        "--env",
        "DB_USER=Infra/db/mysql#login",
        "--env",
        "PIN=Infra/db/mysql#PIN",
    ];
    let shown =
        scene.run_with(&ours, &exec(&[&words[..], &["--", "env", "-0"]].concat())).succeeds().stdout();
    let mut seen: Vec<&str> = shown.split_terminator('\0').collect();
    seen.sort_unstable();
    let home = format!("HOME={}", scene.path("").to_str().unwrap().trim_end_matches('/'));
    let password = format!("DB_PASS={MYSQL}");
    let pin = format!("PIN={PIN}");
    let mut expected = vec![
        password.as_str(),
        "DB_USER=root",
        "EMPTY=",
        &home,
        "MY_TOKEN=kept",
        "PASSWORK_HOST=https://pw.example",
        &pin,
    ];
    expected.sort_unstable();
    let home_is = |text: &str| text.trim_end_matches('/').to_owned();
    assert_eq!(seen.iter().map(|text| home_is(text)).collect::<Vec<_>>(), expected);
}

#[test]
fn without_files_and_masks_the_program_takes_our_place() {
    let scene = scene();
    let child = scene.command(&exec(&["--env", "A=Infra/db/mysql", "--", "sh", "-c", "echo $$"]));
    let mut child = { child }.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let own = child.id();
    let mut shown = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut shown).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(shown.trim(), own.to_string());
}

#[test]
fn no_shell_runs_unless_it_is_asked_for() {
    let scene = scene();
    let shown = scene.run(&exec(&["--env", "A=Infra/db/mysql#PIN", "--", "echo", "$A"])).succeeds().stdout();
    assert_eq!(shown, "$A\n");
    let shown =
        scene.run(&exec(&["--env", "A=Infra/db/mysql#PIN", "--cmd", "echo \"<$A>\""])).succeeds().stdout();
    assert_eq!(shown, format!("<{PIN}>\n"));
}

#[test]
fn the_exit_code_is_the_programs_or_says_which_signal_ended_it() {
    let scene = scene();
    let cmd = |text| scene.run(&exec(&["--env", "A=Infra/db/mysql", "--mask", "--cmd", text]));
    cmd("exit 0").exits(0);
    cmd("exit 7").exits(7);
    cmd("exit 255").exits(255);
    cmd("kill -9 $$").exits(128 + 9);
    cmd("kill -15 $$").exits(128 + 15);
    scene.run(&exec(&["--env", "A=Infra/db/mysql", "--cmd", "exit 7"])).exits(7);
}

#[test]
fn our_own_failures_are_125_to_127() {
    let scene = scene();
    let file = scene.file("no-program", "#!/bin/sh\n");
    let large = scene.file("large.env", format!("LARGE={}\n", "x".repeat(200_000)));
    for masked in [&["--mask"][..], &[]] {
        let run =
            |words: &[&str]| scene.run(&exec(&[masked, &["--env", "A=Infra/db/mysql"], words].concat()));
        run(&["--", "./nowhere"]).exits(127).says("there is no such program").hides("pl4nted");
        run(&["--", "nowhere-at-all"]).exits(127);
        run(&["--", &format!("./{file}")]).exits(126).says("cannot be run").hides("pl4nted");
        run(&["--", "."]).exits(126);
        run(&["--env-file", large, "--", "true"])
            .exits(125)
            .says("larger than the system takes")
            .hides("pl4nted");
    }
    scene.run(&["exec", "--from", "embedded:nowhere", "--env", "A=V/r", "--", "true"]).exits(125);
    scene
        .run_with(
            &[("KEYFERRY_MASTER_PASSWORD", Some("wrong"))],
            &exec(&["--env", "A=Infra/db/mysql", "--", "true"]),
        )
        .exits(125);
    // Wrong usage is no exit code of the program's either.
    scene.run(&exec(&["--no-such-flag", "--", "true"])).exits(125);
    scene.run(&exec(&["--", "true"])).exits(125).says("no secret is asked for");
    scene.run(&exec(&["--env", "A=Infra/db/mysql"])).exits(125);
    std::fs::set_permissions(scene.path(file), std::fs::Permissions::from_mode(0o755)).unwrap();
    scene.run(&exec(&["--env", "A=Infra/db/mysql", "--", "./no-program"])).succeeds();
}

#[test]
fn what_is_missing_is_an_error_and_nothing_is_run() {
    let scene = scene();
    for (reference, words) in [
        ("Infra/db/mysql#nothing", "no field `nothing`"),
        ("Infra/app/empty", "no password"),
        ("Infra/db/nobody", "no record `Infra/db/nobody`"),
        ("Nowhere/x", "no record `Nowhere/x`"),
        ("0123456789abcdef01234567", "404"),
    ] {
        let mapping = format!("B={reference}");
        let run = scene.run(&exec(&["--env", "A=Infra/db/mysql", "--env", &mapping, "--", "touch", "ran"]));
        run.exits(125).says(words).hides("pl4nted");
        assert!(!scene.path("ran").exists(), "{reference}");
    }
}

#[test]
fn a_variable_that_exists_is_replaced_only_on_demand() {
    let scene = scene();
    let there = [("DB_PASS", Some("old"))];
    let words = ["--env", "DB_PASS=Infra/db/mysql#PIN", "--", "printenv", "DB_PASS"];
    scene
        .run_with(&there, &exec(&words))
        .exits(125)
        .says("DB_PASS exists already")
        .says("--override")
        .hides("pl4nted");
    let replaced = scene.run_with(&there, &exec(&[&["--override"], &words[..]].concat())).succeeds().stdout();
    assert_eq!(replaced, format!("{PIN}\n"));
    // Ours are gone before anybody asks whether they are there.
    let words = [
        "--env",
        "KEYFERRY_MASTER_PASSWORD=Infra/db/mysql#PIN",
        "--",
        "printenv",
        "KEYFERRY_MASTER_PASSWORD",
    ];
    assert_eq!(scene.run(&exec(&words)).succeeds().stdout(), format!("{PIN}\n"));
}

#[test]
fn two_secrets_never_share_a_variable() {
    let scene = scene();
    let words = ["--env", "A=Infra/db/mysql", "--env", "A=Infra/db/mysql#PIN", "--", "touch", "ran"];
    scene.run(&exec(&words)).exits(125).says("both want to be A").hides("pl4nted");
    let words = ["--override", "--folder", "Odd/twins", "--allow", "db_*", "--", "touch", "ran"];
    scene.run(&exec(&words)).exits(125).says("record Odd / twins / db-main").says("both want to be db_main");
    assert!(!scene.path("ran").exists());
}

#[test]
fn whoever_names_a_record_cannot_choose_what_runs() {
    let scene = scene();
    for name in ["PATH", "LD_PRELOAD"] {
        let record = format!("Odd/{name}");
        let words = ["--override", "--record", &record, "--", "touch", "ran"];
        let said = format!("nobody allowed: {name}");
        scene.run(&exec(&words)).exits(125).says(&said).says("--allow").hides("pl4nted");
        let pattern = format!("{}*", &name[..2]);
        let words = ["--override", "--record", &record, "--allow", &pattern, "--", "touch", "ran"];
        scene.run(&exec(&words)).exits(125).says(&format!("would set {name}")).hides("pl4nted");
        let prefixed = format!("X_{name}");
        scene.run(&exec(&["--prefix", "X_", "--record", &record, "--", "printenv", &prefixed])).succeeds();
    }
    assert!(!scene.path("ran").exists());
    // A prefix that sets nothing apart, and a pattern that takes everything, are none.
    let words = ["--prefix", "P", "--record", "Odd/PATH", "--", "touch", "ran"];
    scene.run(&exec(&words)).exits(125).says("nobody allowed: PPATH");
    scene.run(&exec(&["--allow", "*", "--record", "Odd/PATH", "--", "touch", "ran"])).exits(125);
    // Whoever types it means it.
    let words = ["--override", "--record", "Odd/PATH", "--allow", "PATH", "--", "/usr/bin/env"];
    scene.run(&exec(&words)).succeeds().prints("PATH=pl4nted-path");
    let words = ["--env", "LD_LIBRARY_PATH=Odd/PATH", "--", "printenv", "LD_LIBRARY_PATH"];
    assert_eq!(scene.run(&exec(&words)).succeeds().stdout(), "pl4nted-path\n");
}

#[test]
fn a_zero_byte_is_refused_where_no_variable_can_hold_it() {
    let scene = scene();
    scene
        .run(&exec(&["--env", "A=Odd/zero", "--", "touch", "ran"]))
        .exits(125)
        .says("zero byte")
        .hides("nted");
    assert!(!scene.path("ran").exists());
    let shown = scene.run(&exec(&["--file", "A=Odd/zero", "--cmd", "od -An -c \"$A\""])).succeeds().stdout();
    assert!(shown.contains("\\0"), "{shown}");
}
