//! The dialogue for a table whose header says nothing: over a real terminal, and never elsewhere.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

use keyferry_tests::Scene;
use std::io::{Read as _, Write as _};

const TABLE: &str = "Objekt;Wer;Was;Nr\npg-main;root@x.example;pl4Nted-1;7\nmysql;me@x.example;pl4Nted-2;8\n";

/// What a terminal shows of a command that is answered line by line, and how it ends. `None` ends the input.
fn on_terminal(scene: &Scene, words: &[&str], answers: &[Option<&str>]) -> (Option<i32>, String) {
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    let command = scene.command(words);
    let mut on_pty = pty_process::blocking::Command::new(command.get_program())
        .args(command.get_args())
        .env_clear()
        .env("TERM", "dumb");
    for (name, value) in command.get_envs() {
        on_pty = on_pty.env(name, value.unwrap());
    }
    let mut child = on_pty.current_dir(scene.path("")).spawn(pts).unwrap();
    let (mut shown, mut byte) = (Vec::new(), [0]);
    for answer in answers {
        let asked = |shown: &[u8]| shown.ends_with(b"]: ");
        while !asked(&shown) {
            assert_eq!(pty.read(&mut byte).unwrap_or_default(), 1, "{}", String::from_utf8_lossy(&shown));
            shown.push(byte[0]);
        }
        shown.push(b'\n');
        match answer {
            Some(answer) => writeln!(pty, "{answer}").unwrap(),
            None => pty.write_all(&[4]).unwrap(),
        }
    }
    let _ = pty.read_to_end(&mut shown);
    (child.wait().unwrap().code(), String::from_utf8_lossy(&shown).into_owned())
}

fn words_for_next_time(shown: &str) -> Vec<String> {
    let line =
        shown.lines().find_map(|line| line.strip_prefix("next time: ")).unwrap_or_else(|| panic!("{shown}"));
    line.trim().split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
}

#[test]
fn a_person_says_which_column_is_what_and_learns_the_words_for_next_time() {
    let scene = Scene::with_environments(&["a", "b"]);
    let file = scene.file("people.csv", TABLE);
    let words = ["import", file, "embedded:a"];
    let answers =
        [Some("?"), Some(""), Some("nonsense"), Some("name"), Some("login"), Some(""), Some("custom")];
    let (code, shown) = on_terminal(&scene, &words, &answers);
    assert_eq!(code, Some(0), "{shown}");
    for part in [
        "2 of 2 filled",
        "[name]",
        "[password]",
        "there is no such field",
        "another column is name already",
        "text:NAME",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(!shown.contains("pl4Nted") && !shown.contains("root@"), "{shown}");
    let next = words_for_next_time(&shown);
    assert_eq!(next.join(" "), "--map Objekt=name --map Wer=login --map Was=password");
    // They say the same where nobody is asked.
    let next: Vec<&str> = next.iter().map(String::as_str).collect();
    scene.run(&[&["import", file, "embedded:b"], &next[..]].concat()).succeeds();
    scene.run(&["verify", "embedded:a", "embedded:b", "--exact"]).succeeds().prints("2 verified equal");
    scene.run(&[&["verify", file, "embedded:a"], &next[..]].concat()).succeeds();
    // The journal knows them, as if they had been typed.
    let jobs = scene.run(&["--json", "jobs"]).succeeds().json();
    assert!(jobs.to_string().contains("Was=password"), "{jobs}");
}

#[test]
fn a_first_line_that_is_a_record_is_none_of_names() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("bare.csv", "pg,root@x.example,pl4Nted-1\nmy,me@x.example,pl4Nted-2\n");
    let (code, shown) =
        on_terminal(&scene, &["import", file, "embedded:a"], &[Some("y"), Some("name"), Some(""), Some("")]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("pl4Nted"), "{shown}");
    assert_eq!(words_for_next_time(&shown).join(" "), "--no-header --columns name,login,password");
    scene.run(&["ls", "embedded:a"]).prints("Imported");
    let back = scene.run(&["export", "embedded:a", "jsonl:-", "--allow-plaintext"]).succeeds().stdout();
    assert!(back.contains(r#""name":"pg","login":"root@x.example","password":"pl4Nted-1""#), "{back}");
}

#[test]
fn who_leaves_the_questions_writes_nothing() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("people.csv", TABLE);
    let (code, shown) = on_terminal(&scene, &["import", file, "embedded:a"], &[Some(""), None]);
    assert_eq!(code, Some(2), "{shown}");
    // No password at all is asked about once more.
    let none = [Some("name"), Some("login"), Some("ignore"), Some("ignore"), Some("n")];
    let (code, shown) = on_terminal(&scene, &["import", file, "embedded:a"], &none);
    assert_eq!(code, Some(2), "{shown}");
    assert_eq!(
        scene.run(&["--json", "ls", "embedded:a"]).succeeds().json().as_array().map(Vec::len),
        Some(0)
    );
}

#[test]
fn nobody_is_asked_where_it_was_said_or_nobody_is_there() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("people.csv", TABLE);
    let known = scene.file("known.csv", "name;login;password;Nr\na;b;pl4Nted;1\n");
    // A terminal, and nothing to ask: these end by themselves.
    for (words, code) in [
        (&["--json", "import", file, "embedded:a", "--dry-run"][..], 1),
        (&["--quiet", "import", file, "embedded:a", "--dry-run"], 1),
        (&["import", file, "embedded:a", "--dry-run", "--map", "1=name"], 1),
        (&["import", file, "embedded:a", "--dry-run", "--map", "1=name", "--no-password"], 0),
        (&["import", known, "embedded:a", "--dry-run"], 0),
    ] {
        let (ended, shown) = on_terminal(&scene, words, &[]);
        assert_eq!(ended, Some(code), "{words:?}\n{shown}");
        assert!(!shown.contains("Which is what"), "{words:?}\n{shown}");
    }
    // A pipe.
    let run = scene.run(&["import", file, "embedded:a", "--dry-run"]);
    run.exits(1).says("--map");
}
