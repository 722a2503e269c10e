//! The README is typed by a newcomer: every console block, in its order, in one shell with an empty home.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::Scene;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What stands between the answers of two lines.
const MARK: &str = "\u{1}line ";

/// Lines that are typed, each with what the page shows then.
fn steps(page: &str) -> Vec<(String, String)> {
    let blocks = page.split("```console\n$ ").skip(1).map(|block| block.split("```").next().unwrap());
    let steps = blocks.flat_map(|block| block.split("\n$ "));
    let steps = steps.map(|step| step.split_once('\n').unwrap_or((step, "")));
    steps.map(|(line, shown)| (line.to_owned(), shown.trim_end().to_owned())).collect()
}

/// The text without times, dates and speeds.
fn steady(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.trim_start_matches('(').parse::<f64>().is_ok();
        let steady: Vec<String> = (0..words.len())
            .map(|at| {
                let (word, next) = (words[at], words.get(at + 1).copied().unwrap_or_default());
                let timed = number(word) && matches!(next.trim_end_matches([',', ')']), "s" | "records/s");
                let date = word.len() == 10 && word.matches('-').count() == 2 && word.starts_with("20");
                let clock = word.len() == 5
                    && word.as_bytes()[2] == b':'
                    && word.starts_with(|c: char| c.is_ascii_digit());
                if timed || date || clock { "…".to_owned() } else { word.to_owned() }
            })
            .collect();
        steady.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Types all of them; what each showed.
fn typed(scene: &Scene, steps: &[(String, String)]) -> Vec<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let binary = scene.command(&[]).get_program().to_str().unwrap().to_owned();
    let mut script = String::from("trap 'kill $(jobs -p) 2>/dev/null' EXIT\n");
    for (number, (line, shown)) in steps.iter().enumerate() {
        let line = line.replace(":8300", &format!(":{port}"));
        // What `make install-cli` runs once it has built, with the binary of the tests.
        let line = match line.strip_prefix("make install-cli PREFIX=") {
            Some(rest) => {
                let prefix = rest.split_whitespace().next().unwrap();
                format!("sh {ROOT}/cli/install.sh {binary} '' {prefix} >/dev/null")
            }
            None => line,
        };
        if let Some(name) = line.strip_prefix("cat ") {
            // A file that the page shows before it is used.
            std::fs::write(scene.path(name), format!("{shown}\n")).unwrap();
        }
        let code = if line.ends_with('&') {
            String::new()
        } else {
            "code=$?; [ $code = 0 ] || echo \"[exit $code]\"\n".to_owned()
        };
        write!(script, "printf '{MARK}%s\\n' {number}\n{line}\n{code}").unwrap();
    }
    std::fs::write(scene.path("typed.sh"), script).unwrap();
    let output = Command::new("bash")
        .args(["-c", "exec 2>&1; . ./typed.sh"])
        .current_dir(scene.path(""))
        .env_clear()
        .env("HOME", scene.path(""))
        .env("PATH", "/usr/bin:/bin")
        .env("KEYFERRY_KEYRING", "off")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers = text
        .split(MARK)
        .skip(1)
        .map(|answer| answer.split_once('\n').map_or("", |(_, rest)| rest).trim_end().to_owned());
    answers.collect()
}

#[test]
fn every_block_is_what_a_newcomer_sees() {
    let path = Path::new(ROOT).join("README.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let steps = steps(&page);
    assert!(steps.len() > 25, "{}", steps.len());
    let scene = Scene::new();
    let answers = typed(&scene, &steps);
    assert_eq!(answers.len(), steps.len());
    if std::env::var_os("KEYFERRY_WRITE_README").is_some() {
        let mut rest = page.as_str();
        let mut out = String::new();
        for ((line, shown), answer) in steps.iter().zip(&answers) {
            let typed = format!("$ {line}\n");
            let at = rest.find(&typed).unwrap() + typed.len();
            out.push_str(&rest[..at]);
            rest = rest[at..].strip_prefix(shown.as_str()).unwrap();
            rest = rest.strip_prefix('\n').filter(|_| !shown.is_empty()).unwrap_or(rest);
            if !answer.is_empty() {
                out.push_str(answer);
                out.push('\n');
            }
        }
        std::fs::write(path, out + rest).unwrap();
        return;
    }
    for ((line, shown), answer) in steps.iter().zip(&answers) {
        assert_eq!(steady(answer), steady(shown), "$ {line}");
    }
}
