//! README and the pages under docs/ are typed by a newcomer: every console block, in its order, in one shell with an empty
//! home, and what each line shows is what the page says. `KEYFERRY_WRITE_PAGES=1` writes down what they show now.
//!
//! `docs/secrets.md` has a test beside the commands that it is about; what `docs/python.md` shows runs with the wheel.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use crate::sessions::world::Dev;
use keyferry_tests::lab::csv;
use keyferry_tests::target::{KEEPER, Target};
use keyferry_tests::{MASTER_PASSWORD, Scene};
use serde_json::{Value, json};
use sha1::Digest as _;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What stands between the answers of two lines.
const MARK: &str = "\u{1}line ";

/// What is asked for on a terminal, and taken from variables here.
const QUESTIONS: [&str; 3] = ["Login password of ", "One-time code for ", "Master password of "];

/// Lines that are typed, each with what the page shows then.
fn steps(page: &str) -> Vec<(String, String)> {
    let blocks = page.split("```console\n$ ").skip(1).map(|block| block.split("```").next().unwrap());
    let steps = blocks.flat_map(|block| block.split("\n$ "));
    let steps = steps.map(|step| step.split_once('\n').unwrap_or((step, "")));
    steps.map(|(line, shown)| (line.to_owned(), shown.trim_end().to_owned())).collect()
}

/// The text without times, dates and speeds, and what else is another each time.
fn steady(line: &str, text: &str) -> String {
    let is_hex = |word: &str| word.len() == 24 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lines = text.trim_end().lines().filter(|line| !QUESTIONS.iter().any(|one| line.starts_with(one)));
    let lines = lines.map(|shown| {
        let said = ["bits of", "keyferry: ", "  next: "].iter().any(|word| shown.contains(word));
        if line.starts_with("keyferry generate") && !said {
            return "…".to_owned();
        }
        let words: Vec<&str> = shown.split(' ').collect();
        let number = |word: &str| word.trim_start_matches('(').parse::<f64>().is_ok();
        let steady: Vec<String> = (0..words.len())
            .map(|at| {
                let (word, next) = (words[at], words.get(at + 1).copied().unwrap_or_default());
                let timed = number(word)
                    && matches!(next.trim_end_matches([',', ')', ':']), "s" | "records/s" | "days");
                let date = word.len() == 10 && word.matches('-').count() == 2 && word.starts_with("20");
                let clock = word.strip_suffix('Z').is_some_and(|time| time.len() == 5)
                    && word.as_bytes()[2] == b':'
                    && word.starts_with(|c: char| c.is_ascii_digit());
                let id = is_hex(word.trim_matches(['(', ')', ':']));
                let key = word.len() == 44 && word.ends_with('=');
                if timed || date || clock || id || key { "…".to_owned() } else { word.to_owned() }
            })
            .collect();
        steady.join(" ")
    });
    let mut lines: Vec<String> = lines.collect();
    if ["keyferry rotate", "keyferry audit"].iter().any(|command| line.starts_with(command)) {
        // Several at once, each told when it has ended; vaults in the order in which they were made.
        lines.sort();
    }
    lines.join("\n")
}

/// Whoever types, and what they have around them.
struct Newcomer<'a> {
    scene: &'a Scene,
    /// Lines of shell that run first.
    before: String,
    /// Words of the page, and what stands in their place here.
    here: Vec<(String, String)>,
    /// A program that the shell runs under.
    under: &'a [&'a str],
}

impl<'a> Newcomer<'a> {
    /// Somebody with keyferry on the path, and with a master password where one is asked for.
    fn with_keyferry(scene: &'a Scene) -> Self {
        std::fs::create_dir_all(scene.path("bin")).unwrap();
        for name in ["keyferry", "passwork-cli"] {
            std::os::unix::fs::symlink(binary(scene), scene.path("bin").join(name)).unwrap();
        }
        let before = format!(
            "export PATH=$PWD/bin:$PATH KEYFERRY_MASTER_PASSWORD='{MASTER_PASSWORD}' KEYFERRY_PROD_MASTER_PASSWORD='{MASTER_PASSWORD}'\n"
        );
        Self { scene, before, here: Vec::new(), under: &[] }
    }

    /// What a line of the page is here.
    fn line(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (page, here) in &self.here {
            line = line.replace(page, here);
        }
        let binary = binary(self.scene);
        // What `make` runs once it has built, with what the tests have built.
        let installed = |rest: &str| rest.split_whitespace().next().unwrap().to_owned();
        if let Some(rest) = line.strip_prefix("make install-cli PREFIX=") {
            return format!("sh {ROOT}/cli/install.sh {binary} '' {} >/dev/null", installed(rest));
        }
        if let Some(rest) = line.strip_prefix("make install PREFIX=") {
            let built = Path::new(&binary).parent().unwrap().display();
            return format!("sh {ROOT}/capi/install.sh '' {} {built} >/dev/null", installed(rest));
        }
        // It is shown on a terminal alone.
        if line.contains("--session-file") {
            return format!("script -qec '{line}' /dev/null </dev/null | tr -d '\\r' | tee shown.txt");
        }
        line
    }

    /// Types all of them; what each showed, in the page's words.
    fn types(&self, steps: &[(String, String)]) -> Vec<String> {
        let mut script = format!("trap 'kill $(jobs -p) 2>/dev/null' EXIT\n{}", self.before);
        for (number, (line, shown)) in steps.iter().enumerate() {
            let line = self.line(line);
            if let Some(name) = line.strip_prefix("cat ") {
                // A file that the page shows before it is used.
                std::fs::write(self.scene.path(name), format!("{shown}\n")).unwrap();
            }
            let code = if line.ends_with('&') {
                String::new()
            } else {
                "code=$?; [ $code = 0 ] || echo \"[exit $code]\"\n".to_owned()
            };
            write!(script, "printf '{MARK}%s\\n' {number}\n{line}\n{code}").unwrap();
        }
        std::fs::write(self.scene.path("typed.sh"), script).unwrap();
        let words = [self.under, &["bash", "-c", "exec 2>&1; . ./typed.sh"]].concat();
        let output = Command::new(words[0])
            .args(&words[1..])
            .current_dir(self.scene.path(""))
            .env_clear()
            .env("HOME", self.scene.path(""))
            .env("XDG_RUNTIME_DIR", self.scene.path(""))
            .env("PATH", "/usr/bin:/bin")
            .env("KEYFERRY_KEYRING", if self.under.is_empty() { "off" } else { "on" })
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answers = text.split(MARK).skip(1).map(|answer| {
            let mut answer = answer.split_once('\n').map_or("", |(_, rest)| rest).trim_end().to_owned();
            for (page, here) in &self.here {
                answer = answer.replace(here, page);
            }
            // Where the shell says so, with its process and place.
            if let Some(at) = answer.find("./typed.sh: line ").filter(|_| answer.contains(" Aborted ")) {
                let end = answer[at..].find('\n').map_or(answer.len(), |end| at + end);
                answer.replace_range(at..end, "Aborted");
            }
            answer.replace(self.scene.path("").to_str().unwrap().trim_end_matches('/'), "~")
        });
        answers.collect()
    }

    /// Types a page, and compares what it shows; or writes it down.
    fn reads(&self, page: &str, least: usize) {
        let path = Path::new(ROOT).join(page);
        let text = std::fs::read_to_string(&path).unwrap();
        let steps = steps(&text);
        assert!(steps.len() >= least, "{page}: {}", steps.len());
        let answers = self.types(&steps);
        assert_eq!(answers.len(), steps.len(), "{page}: {answers:?}");
        if std::env::var_os("KEYFERRY_WRITE_PAGES").is_none() {
            for ((line, shown), answer) in steps.iter().zip(&answers) {
                assert_eq!(steady(line, answer), steady(line, shown), "{page}: $ {line}");
            }
            return;
        }
        let mut rest = text.as_str();
        let mut out = String::new();
        for ((line, shown), answer) in steps.iter().zip(&answers) {
            let typed = format!("$ {line}\n");
            let at = rest.find(&typed).unwrap() + typed.len();
            out.push_str(&rest[..at]);
            rest = rest[at..].strip_prefix(shown.as_str()).unwrap();
            rest = rest.strip_prefix('\n').filter(|_| !shown.is_empty()).unwrap_or(rest);
            let asked = shown.lines().filter(|line| QUESTIONS.iter().any(|one| line.starts_with(one)));
            for line in asked.chain(answer.lines()) {
                out.push_str(line);
                out.push('\n');
            }
        }
        std::fs::write(path, out + rest).unwrap();
    }
}

fn binary(scene: &Scene) -> String {
    scene.command(&[]).get_program().to_str().unwrap().to_owned()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn port(port: u16) -> Vec<(String, String)> {
    vec![(":8300".to_owned(), format!(":{port}"))]
}

#[test]
fn the_readme_is_what_a_newcomer_sees() {
    let scene = Scene::new();
    Newcomer { scene: &scene, before: String::new(), here: port(free_port()), under: &[] }
        .reads("README.md", 25);
}

#[test]
fn the_page_of_compatibility_starts_a_server() {
    let scene = Scene::new();
    Newcomer { here: port(free_port()), ..Newcomer::with_keyferry(&scene) }.reads("docs/compatibility.md", 4);
}

#[test]
fn the_page_of_the_drop_in_gets_a_field_by_id() {
    let scene = Scene::new();
    let dev = Dev::new(&scene, &[]);
    let file = scene.file("a.jsonl", r#"{"vault":"Infra","name":"db","login":"root","password":"s3cr3t"}"#);
    import(&scene, &dev, file);
    let found = scene.run_with(&credentials(&dev), &["--json", "get", "--from", dev.get("url"), "Infra/db"]);
    let id = found.succeeds().json()["id"].as_str().unwrap().to_owned();
    let mut newcomer = Newcomer::with_keyferry(&scene);
    std::fs::remove_file(scene.path("bin/passwork-cli")).unwrap();
    newcomer.here = vec![
        ("6b05fbf45b9bfc7dc58b0952".to_owned(), id),
        ("/usr/local/bin".to_owned(), scene.path("bin").display().to_string()),
    ];
    for (name, value) in
        [("HOST", dev.get("url")), ("TOKEN", dev.get("access_token")), ("MASTER_KEY", dev.get("master_key"))]
    {
        writeln!(newcomer.before, "export PASSWORK_{name}='{value}'").unwrap();
    }
    newcomer.reads("docs/passwork-cli.md", 2);
}

fn credentials(dev: &Dev) -> [(&'static str, Option<&str>); 3] {
    [
        ("KEYFERRY_TOKEN", Some(dev.get("access_token"))),
        ("KEYFERRY_REFRESH_TOKEN", Some(dev.get("refresh_token"))),
        ("KEYFERRY_MASTER_KEY", Some(dev.get("master_key"))),
    ]
}

fn import(scene: &Scene, dev: &Dev, file: &str) {
    let without = [&credentials(dev)[..], &[("KEYFERRY_MASTER_PASSWORD", None)]].concat();
    scene.run_with(&without, &["import", file, dev.get("url")]).succeeds();
}

#[test]
fn the_page_of_sessions_signs_in_and_out() {
    for program in ["dbus-run-session", "gnome-keyring-daemon", "script"] {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("skipped: no {program} here");
            return;
        }
    }
    let scene = Scene::new();
    let dev = Dev::new(&scene, &[]);
    let file = scene.file("a.jsonl", r#"{"vault":"Infra","name":"db","login":"root","password":"s3cr3t/9"}"#);
    import(&scene, &dev, file);
    for folder in [".config", ".local"] {
        let _ = std::fs::remove_dir_all(scene.path(folder));
    }
    let tokens = format!("{}\n{}\n", dev.get("access_token"), dev.get("refresh_token"));
    let _ = scene.file("tokens.txt", tokens);
    let mut newcomer = Newcomer::with_keyferry(&scene);
    let listening: u16 = dev.get("url").rsplit(':').next().unwrap().parse().unwrap();
    newcomer.here = port(listening);
    newcomer.here.push(("l0Ospl…".to_owned(), "$(sed -n 's/^session key *//p' shown.txt)".to_owned()));
    newcomer.under = &["dbus-run-session", "--"];
    writeln!(
        newcomer.before,
        "printf unlocked | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1\n\
         for i in $(seq 100); do keyferry --json doctor nowhere: | grep -q 'it answers' && break; sleep 0.1; done\n\
         export KEYFERRY_PROD_PASSWORD='{}' KEYFERRY_PROD_MASTER_PASSWORD='{}'; unset KEYFERRY_MASTER_PASSWORD",
        dev.get("password"),
        dev.get("master_password")
    )
    .unwrap();
    newcomer.reads("docs/sessions.md", 14);
}

#[test]
fn the_page_of_rotation_changes_secrets() {
    let Some(target) = Target::postgres() else { return };
    let url = target.url(target.port);
    let scene = Scene::with_environments(&["a"]);
    scene.run(&["env", "add", "prod", "embedded:a"]).succeeds();
    let rows = [
        ("app", "app", "first of app", url.as_str(), "pg"),
        ("reports", "reports", "first of reports", &url, "pg"),
        ("billing", "billing", "not what works", &url, "pg"),
        ("wiki", "root", "of a web site", "https://wiki.example", "pg"),
        ("keeper", KEEPER.0, KEEPER.1, &url, ""),
    ];
    for (name, _, secret, ..) in &rows[..3] {
        let works = if *name == "billing" { "first of billing" } else { secret };
        target.tell(&format!("CREATE ROLE {name} LOGIN PASSWORD '{works}'"));
    }
    let file = scene.file("rows.csv", csv(&rows));
    let own = [("KEYFERRY_PROD_MASTER_PASSWORD", Some(MASTER_PASSWORD))];
    scene.run_with(&own, &["import", file, "prod:"]).succeeds();
    let mut newcomer = Newcomer::with_keyferry(&scene);
    newcomer.here = vec![("15432".to_owned(), target.port.to_string())];
    newcomer.reads("docs/rotation.md", 6);
}

#[test]
fn the_page_of_c_is_built_and_run() {
    let scene = Scene::new();
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/c.md")).unwrap();
    let program = page.split("```c\n").nth(1).unwrap().split("```").next().unwrap();
    let _ = scene.file("main.c", program);
    let people = std::fs::read_to_string(Path::new(ROOT).join("capi/examples/people.csv")).unwrap();
    let _ = scene.file("people.csv", people);
    let mut newcomer = Newcomer::with_keyferry(&scene);
    let prefix = scene.path("local").display().to_string();
    writeln!(newcomer.before, "export PKG_CONFIG_PATH={prefix}/lib/pkgconfig LD_LIBRARY_PATH={prefix}/lib")
        .unwrap();
    newcomer.here = vec![("/usr/local".to_owned(), prefix)];
    newcomer.reads("docs/c.md", 4);
}

#[test]
fn the_page_of_the_audit_finds_one_of_each() {
    let scene = Scene::new();
    let words = ["--json", "env", "init", "embedded:lab", "--user", "ann", "--client-encryption", "off"];
    scene.run(&words).succeeds();
    let at = |days: i64| {
        let day = Command::new("date").args(["-u", "-d", &format!("{days} days"), "+%F"]).output().unwrap();
        String::from_utf8(day.stdout).unwrap().trim().to_owned()
    };
    let shared = "kV9!tz4Qm#2xLw8R";
    let as_login = "q8Zr!vX2mKp4#tLw";
    let dated = |days: i64| json!([{"name": "plan", "type": "text", "value": "yearly"}, {"name": "expires", "type": "text", "value": at(days)}]);
    let records = [
        json!({"vault": "Infra", "path": ["Databases"], "name": "pg-main", "login": "postgres", "password": shared}),
        json!({"vault": "Infra", "path": ["Databases"], "name": "pg-replica", "login": "postgres", "password": shared}),
        json!({"vault": "Office", "path": ["Web"], "name": "redis", "login": "app", "password": shared}),
        json!({"vault": "Infra", "path": ["Network"], "name": "printer", "login": as_login, "password": as_login}),
        json!({"vault": "Office", "path": ["Mail"], "name": "mail", "login": "ann", "password": "hunter2"}),
        json!({"vault": "Office", "path": ["Mail"], "name": "calendar", "login": "ann", "password": "calendar7"}),
        json!({"vault": "Office", "path": ["Web"], "name": "billing", "login": "shop", "password": "Tz7#kPw!93xVbQm2", "customs": dated(-53)}),
        json!({"vault": "Infra", "path": ["Network"], "name": "backup", "login": "backup", "password": "abcabcabc123123"}),
        json!({"vault": "Office", "path": ["Web"], "name": "vpn", "login": "ann", "password": "Wm4!rXq8#nLz2KtP", "customs": dated(16)}),
        json!({"vault": "Office", "path": ["Web"], "name": "shop", "login": "shop", "password": ""}),
        json!({"vault": "Infra", "path": ["Network"], "name": "gitlab", "login": "root", "password": "Jd5!sYb9#vGh3CfN", "url": "https://gitlab.example"}),
        json!({"vault": "Office", "path": ["Mail"], "name": "wiki", "login": "ann"}),
        json!({"vault": "Office", "path": ["Mail"], "name": "crm", "login": "ann", "password": "Lp6!gRe8#mUo1DkS", "url": "https://crm.example"}),
        json!({"vault": "Infra", "name": "dns", "login": "ops", "password": "Bn2!hTa7#zWi4XcE"}),
        json!({"vault": "Infra", "name": "ntp", "login": "ops", "password": "Vf3!jOy6#qSu5PlA"}),
        json!({"vault": "Office", "name": "door", "login": "ops", "password": "Kg9!wIr2#yMe8ZtH"}),
    ];
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let file = scene.file("lab.jsonl", lines.join("\n"));
    scene.run(&["import", file, "embedded:lab", "--allow-unencrypted-target"]).succeeds();
    let digest = data_encoding::HEXUPPER.encode(&sha1::Sha1::digest("hunter2"));
    let _ = scene.file("list.txt", format!("{digest}:17491\n"));
    let api = |method: &str, endpoint: &str, params: Value| {
        let (endpoint, params) = (format!("v1/{endpoint}"), params.to_string());
        let words = ["api", "--from", "embedded:lab", "--method", method, "--endpoint", &endpoint];
        let more: &[&str] = if method == "GET" { &[] } else { &["--params", &params] };
        scene.run(&[&words[..], more].concat()).succeeds().json()
    };
    let bob = api("POST", "users", json!({"username": "bob", "password": "a login password"}))["id"].clone();
    let id_of = |list: Value, name: &str| {
        let all = list["items"].as_array().unwrap().clone();
        all.iter().find(|one| one["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let vault = id_of(api("GET", "vaults", Value::Null), "Infra");
    api("POST", &format!("vaults/{vault}/users"), json!({"userId": bob, "role": "read"}));
    let folder = id_of(api("GET", "folders", Value::Null), "Databases");
    api("POST", &format!("folders/{folder}/users"), json!({"userId": bob, "role": "edit"}));
    let database = rusqlite::Connection::open(scene.path("lab/environment.db")).unwrap();
    for (name, days) in [("gitlab", 400), ("vpn", 800), ("calendar", 800)] {
        let sql = "UPDATE items SET updated_at = updated_at - 86400 * ?2 WHERE name = ?1";
        assert_eq!(database.execute(sql, rusqlite::params![name, days]).unwrap(), 1);
    }
    drop(database);
    Newcomer::with_keyferry(&scene).reads("docs/audit.md", 1);
}
