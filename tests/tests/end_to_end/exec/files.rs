//! Secrets in files, and signals: whatever happens, nothing stays behind.

use super::{KEY, MYSQL, PIN, exec, scene};
use keyferry_tests::Scene;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tempfile::TempDir;

const FILES: [&str; 4] = ["--file", "KEY=Infra/app/key", "--file", "PIN=Infra/db/mysql#PIN"];

/// A folder in memory, as the user's own would be.
fn runtime() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

fn left_behind(runtime: &TempDir) -> Vec<PathBuf> {
    std::fs::read_dir(runtime).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn files_are_private_and_gone_at_the_end() {
    let scene = scene();
    let runtime = runtime();
    let script = "cat $KEY; cat $PIN; stat -c '%a %F' $KEY $PIN $(dirname $KEY); dirname $KEY; exit 3";
    let own = [("XDG_RUNTIME_DIR", runtime.path().to_str())];
    let run = scene.run_with(&own, &exec(&[&FILES[..], &["--cmd", script]].concat()));
    let shown = run.exits(3).stdout();
    let (content, rest) = shown.split_at(KEY.len() + PIN.len());
    assert_eq!(content, format!("{KEY}{PIN}"));
    let (modes, folder) = rest.split_at(rest.find('/').unwrap());
    assert_eq!(modes, "600 regular file\n600 regular file\n700 directory\n");
    assert!(Path::new(folder.trim()).starts_with(runtime.path()), "{folder}");
    assert_eq!(left_behind(&runtime), Vec::<PathBuf>::new());
}

#[test]
fn files_are_gone_where_the_program_could_not_be_run() {
    let scene = scene();
    let runtime = runtime();
    let own = [("XDG_RUNTIME_DIR", runtime.path().to_str())];
    scene.run_with(&own, &exec(&[&FILES[..], &["--", "nowhere-at-all"]].concat())).exits(127);
    let taken = [("XDG_RUNTIME_DIR", runtime.path().to_str()), ("KEY", Some("there"))];
    scene
        .run_with(&taken, &exec(&[&FILES[..], &["--", "true"]].concat()))
        .exits(125)
        .says("KEY exists already");
    let twice = ["--file", "A=Infra/app/key", "--file", "A=Infra/db/mysql", "--", "true"];
    scene.run_with(&own, &exec(&twice)).exits(125);
    assert_eq!(left_behind(&runtime), Vec::<PathBuf>::new());
}

#[test]
fn a_fifo_can_be_read_once_and_holds_up_nobody_who_does_not_read_it() {
    let scene = scene();
    let runtime = runtime();
    let own = [("XDG_RUNTIME_DIR", runtime.path().to_str())];
    let fifo = ["--fifo", "KEY=Infra/app/key", "--fifo", "OTHER=Infra/db/mysql"];
    let script = "test -p $KEY && stat -c %a $KEY && cat $KEY && test ! -e $KEY && echo gone";
    let shown = scene.run_with(&own, &exec(&[&fifo[..], &["--cmd", script]].concat())).succeeds().stdout();
    assert_eq!(shown, format!("600\n{KEY}gone\n"));
    assert_eq!(left_behind(&runtime), Vec::<PathBuf>::new());
}

/// Starts a child that says when it is ready; its first line, which is its number.
fn start(
    scene: &Scene,
    runtime: &TempDir,
    words: &[&str],
    script: &str,
) -> (Child, BufReader<std::process::ChildStdout>, String) {
    let mut command = scene.command(&exec(&[words, &["--", "sh", "-c", script]].concat()));
    let mut child = command.env("XDG_RUNTIME_DIR", runtime.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    shown.read_line(&mut line).unwrap();
    (child, shown, line.trim().to_owned())
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn signals_reach_the_program_and_its_answer_is_ours() {
    let scene = scene();
    let runtime = runtime();
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        let script = format!("trap 'echo heard; exit 5' {name}; echo $$; while :; do sleep 0.05; done");
        for words in [&FILES[..], &["--env", "A=Infra/db/mysql", "--mask"]] {
            let (mut child, mut shown, _) = start(&scene, &runtime, words, &script);
            send(&child, signal);
            let mut line = String::new();
            shown.read_line(&mut line).unwrap();
            assert_eq!(line, "heard\n", "{name}");
            assert_eq!(child.wait().unwrap().code(), Some(5), "{name}");
        }
    }
    assert_eq!(left_behind(&runtime), Vec::<PathBuf>::new());
}

#[test]
fn a_program_that_a_signal_ends_leaves_no_files() {
    let scene = scene();
    let runtime = runtime();
    let (mut child, _shown, _) = start(&scene, &runtime, &FILES, "echo ready; exec sleep 60");
    assert_eq!(left_behind(&runtime).len(), 1);
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(left_behind(&runtime), Vec::<PathBuf>::new());
}

#[test]
fn our_own_arguments_hold_no_secret_while_the_program_runs() {
    let scene = scene();
    let runtime = runtime();
    let words = ["--env", "A=Infra/db/mysql", "--file", "B=Infra/db/mysql#PIN", "--mask"];
    let (mut child, _shown, _) = start(&scene, &runtime, &words, "echo ready; exec sleep 60");
    let read = |what: &str| std::fs::read(format!("/proc/{}/{what}", child.id()));
    if let (Ok(arguments), Ok(environment)) = (read("cmdline"), read("environ")) {
        let has = |place: &[u8], secret: &str| memchr::memmem::find(place, secret.as_bytes()).is_some();
        assert!(has(&arguments, "Infra/db/mysql"), "what was typed is there, or this proves nothing");
        for secret in [MYSQL, PIN] {
            assert!(!has(&arguments, secret) && !has(&environment, secret), "{secret}");
        }
    }
    send(&child, Signal::TERM);
    child.wait().unwrap();
}
