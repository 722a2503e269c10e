//! Masked output: through pipes, and through a terminal of the test's own.

use super::{KEY, MYSQL, PIN, exec, scene};
use keyferry_tests::Scene;
use pty_process::Size;
use pty_process::blocking::{self, Pty};
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

const SECRETS: [&str; 7] =
    ["--mask", "--env", "A=Infra/db/mysql", "--env", "B=Infra/db/mysql#PIN", "--env", "C=Infra/app/key"];

fn masked(scene: &Scene, script: &str) -> String {
    let run = scene.run(&exec(&[&SECRETS[..], &["--cmd", script]].concat()));
    run.hides("pl4nted").stdout()
}

#[test]
fn secrets_are_hidden_and_all_else_is_kept_byte_for_byte() {
    let scene = scene();
    assert_eq!(masked(&scene, "printf 'a %s b\\377\\r\\n%s' \"$A\" \"$B\" | cat"), "a *** b\u{fffd}\r\n***");
    // Each line of a key by itself, as a log shows it.
    let shown = masked(&scene, "printf '%s' \"$C\" | sed 's/^/log: /'");
    assert_eq!(shown, "log: ***\n".repeat(KEY.lines().count()));
}

#[test]
fn encoded_secrets_are_hidden() {
    let scene = scene();
    for (script, expected) in [
        ("printf '%s' \"$A\" | base64 -w0", "***"),
        ("echo \"$A\" | base64 -w0", "***"),
        ("printf '%s' \"$C\" | base64 -w0", "***"),
        ("echo 'password%3A%20pl4nted%20%22my%22%2F%24ql%27s%2B%C3%A9!'", "password%3A%20***!\n"),
        (r#"echo '{"a": "pl4nted \"my\"/$ql'\''s+é"}'"#, "{\"a\": \"***\"}\n"),
    ] {
        assert_eq!(masked(&scene, script), expected, "{script}");
    }
    // What stands around it in the same base64 stays, but for the letters that both share.
    let shown = masked(&scene, "printf 'root:%s@host' \"$B\" | base64 -w0");
    let whole = scene.run(&exec(&[
        "--env",
        "B=Infra/db/mysql#PIN",
        "--cmd",
        "printf 'root:%s@host' \"$B\" | base64 -w0",
    ]));
    let whole = whole.stdout();
    let (before, after) = shown.split_once("***").unwrap();
    assert!(whole.starts_with(before) && whole.ends_with(after), "{shown}");
    assert!(whole.len() - before.len() - after.len() >= PIN.len() * 4 / 3 - 2, "{shown}");
}

#[test]
fn a_secret_written_letter_by_letter_is_hidden() {
    let scene = scene();
    let script = "printf '%s' \"<$B> $B\" | while IFS= read -r -n1 c; do printf '%s' \"$c\"; done";
    let words = [&SECRETS[..], &["--", "bash", "-c", script]].concat();
    assert_eq!(scene.run(&exec(&words)).hides("4nted").stdout(), "<***> ***");
}

#[test]
fn standard_output_and_standard_error_stay_apart() {
    let scene = scene();
    let run = scene
        .run(&exec(&[&SECRETS[..], &["--cmd", "echo \"out $B\"; echo \"err $B\" >&2; exit 4"]].concat()));
    run.exits(4);
    assert_eq!((run.stdout().as_str(), run.stderr().as_str()), ("out ***\n", "err ***\n"));
}

#[test]
fn what_cannot_be_a_secret_is_shown_while_the_program_waits() {
    let scene = scene();
    let words = [&SECRETS[..], &["--cmd", "printf 'name? '; read name; echo \"hello $name\""]].concat();
    let mut command = scene.command(&exec(&words));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut asked = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"name? ");
    child.stdin.take().unwrap().write_all(b"you\n").unwrap();
    let mut rest = String::new();
    child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "hello you\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    let scene = scene();
    let words = [&SECRETS[..], &["--", "yes"]].concat();
    let mut child = scene.command(&exec(&words)).stdout(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 4];
    child.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
}

#[test]
fn short_secrets_are_told_by_their_names() {
    let scene = scene();
    let run = scene.run(&exec(&[
        "--mask",
        "--env",
        "S=Odd/short",
        "--env",
        "B=Infra/db/mysql#PIN",
        "--cmd",
        "echo $S $B",
    ]));
    assert_eq!(run.succeeds().says("not masked: S").stdout(), "abc ***\n");
}

#[test]
fn a_secret_within_a_longer_value_is_hidden_by_itself() {
    let scene = scene();
    let file = scene.file("app.env", "MODE=production\nURL=db://root:{{ Infra/db/mysql#PIN | base64 }}@db\n");
    let words = ["--mask", "--env-file", file, "--cmd", "echo $URL $MODE; echo pl4nted-pin-4711"];
    let shown = scene.run(&exec(&words)).succeeds().stdout();
    assert_eq!(shown, "db://root:***@db production\n***\n");
}

#[test]
fn the_runner_is_told_only_where_there_is_one_or_on_demand() {
    let scene = scene();
    let words = |when| [&["--env", "C=Infra/app/key"], &[when][..], &["--", "true"]].concat();
    let inside = [("GITHUB_ACTIONS", Some("true"))];
    let run = scene.run_with(&inside, &exec(&words("--mask-commands")));
    let told = "::add-mask::-----BEGIN pl4nted-----\n::add-mask::Zmlyc3QgbGluZQ\n";
    run.succeeds().says(told);
    assert_eq!(run.stdout(), "");
    scene.run_with(&[("GITLAB_CI", Some("true"))], &exec(&words("--mask-commands"))).succeeds().says(told);
    scene.run(&exec(&words("--mask-commands"))).succeeds().says("nothing was told").hides("pl4nted");
    scene.run(&exec(&words("--mask-commands=always"))).succeeds().says(told);
}

/// A program on a terminal of 33 lines and 101 columns.
struct OnTerminal {
    pty: Pty,
    child: Child,
}

impl OnTerminal {
    fn start(scene: &Scene, words: &[&str]) -> Self {
        let (pty, pts) = blocking::open().unwrap();
        pty.resize(Size::new(33, 101)).unwrap();
        let mut command = scene.command(&exec(words));
        command.env("TERM", "dumb");
        let mut on_pty = blocking::Command::new(command.get_program()).args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            on_pty = on_pty.env(name, value.unwrap());
        }
        let child = on_pty.current_dir(scene.path("")).spawn(pts).unwrap();
        Self { pty, child }
    }

    /// Reads until these words have come.
    fn until(&mut self, words: &str) -> String {
        let mut shown = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&shown).ends_with(words) {
            match self.pty.read(&mut byte) {
                Ok(1) => shown.push(byte[0]),
                _ => panic!("{words:?} did not come: {}", String::from_utf8_lossy(&shown)),
            }
        }
        String::from_utf8(shown).unwrap()
    }

    /// Reads to the end; what was shown, and the exit code.
    fn finish(mut self) -> (String, Option<i32>) {
        let mut shown = Vec::new();
        // Some systems tell the end of a terminal as an error.
        let _ = self.pty.read_to_end(&mut shown);
        (String::from_utf8(shown).unwrap(), self.child.wait().unwrap().code())
    }
}

fn on_terminal(script: &str) -> Vec<&str> {
    [&SECRETS[..], &["--cmd", script]].concat()
}

#[test]
fn a_terminal_stays_a_terminal_of_its_size_and_secrets_are_hidden_on_it() {
    let scene = scene();
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size && printf '\\033[31m%s\\033[0m %s\\n' \"$B\" \"$C\"; exit 9";
    let (shown, code) = OnTerminal::start(&scene, &on_terminal(script)).finish();
    let key = "***\r\n".repeat(KEY.lines().count());
    assert_eq!(shown, format!("33 101\r\n\u{1b}[31m***\u{1b}[0m {key}\r\n"));
    assert_eq!(code, Some(9));
}

#[test]
fn what_is_typed_reaches_the_program_and_is_hidden_in_its_echo() {
    let scene = scene();
    let script = "echo ready; read line; test \"$line\" = \"$B\" && echo same";
    let mut terminal = OnTerminal::start(&scene, &on_terminal(script));
    terminal.until("ready\r\n");
    terminal.pty.write_all(format!("{PIN}x\x7f\n").as_bytes()).unwrap();
    let (shown, code) = terminal.finish();
    assert!(shown.contains("***") && shown.ends_with("same\r\n"), "{shown:?}");
    assert!(!shown.contains("pl4nted"), "{shown:?}");
    assert_eq!(code, Some(0));
}

#[test]
fn control_c_reaches_the_program_once_and_a_new_size_too() {
    let scene = scene();
    let script = "trap 'echo int' INT; trap 'echo size $(stty size)' WINCH; trap 'exit 6' QUIT; echo ready; while :; do sleep 0.05; done";
    let mut terminal = OnTerminal::start(&scene, &on_terminal(script));
    terminal.until("ready\r\n");
    terminal.pty.write_all(b"\x03").unwrap();
    terminal.until("int\r\n");
    terminal.pty.resize(Size::new(20, 60)).unwrap();
    let between = terminal.until("size 20 60\r\n");
    assert!(!between.contains("int"), "{between:?}");
    terminal.pty.write_all(b"\x1c").unwrap();
    assert_eq!(terminal.finish().1, Some(6));
}

#[test]
fn control_c_reaches_a_program_beside_us_once() {
    let scene = scene();
    let script = "trap 'echo int' INT; trap 'exit 6' QUIT; echo ready; while :; do sleep 0.05; done";
    let words = ["--file", "B=Infra/db/mysql#PIN", "--cmd", script];
    let mut terminal = OnTerminal::start(&scene, &words);
    terminal.until("ready\r\n");
    terminal.pty.write_all(b"\x03").unwrap();
    terminal.until("int\r\n");
    terminal.pty.write_all(b"\x1c").unwrap();
    let (shown, code) = terminal.finish();
    assert!(!shown.contains("int"), "{shown:?}");
    assert_eq!(code, Some(6));
}

#[test]
fn with_standard_input_from_a_pipe_the_rest_is_still_a_terminal() {
    let scene = scene();
    let script = "test ! -t 0 && test -t 1 && cat; printf '%s' \"$A\"";
    let words = exec(&on_terminal(script))
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', "'\\''")))
        .collect::<Vec<_>>()
        .join(" ");
    let (pty, pts) = blocking::open().unwrap();
    let command = scene.command(&[]);
    let line = format!("echo \"piped {PIN}\" | {} {words}", command.get_program().display());
    let mut on_pty = blocking::Command::new("sh").args(["-c", &line]).env_clear();
    for (name, value) in command.get_envs() {
        on_pty = on_pty.env(name, value.unwrap());
    }
    let child = on_pty.current_dir(scene.path("")).spawn(pts).unwrap();
    let (shown, code) = OnTerminal { pty, child }.finish();
    assert_eq!((shown.as_str(), code), ("piped ***\r\n***", Some(0)));
    assert!(!shown.contains(MYSQL));
}
