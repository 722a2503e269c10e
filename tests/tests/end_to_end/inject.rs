//! `keyferry inject`: templates filled with secrets of a real environment.

#![cfg(unix)]

use keyferry_api::BATCH_LIMIT;
use keyferry_tests::Scene;
use keyferry_tests::proxy::Proxy;
use keyferry_tests::server::Served;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const RECORDS: &str = concat!(
    r#"{"vault":"Infra","path":["db"],"name":"mysql","login":"root","password":"pl4nted \"x\"/é","customs":["#,
    r#"{"name":"PIN","type":"password","value":"pl4nted-pin"}]}"#,
    "\n",
    r#"{"vault":"Infra","name":"a|b}}","password":"pl4nted-odd"}"#,
    "\n",
);

fn scene() -> Scene {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("records.jsonl", RECORDS);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene
}

fn inject<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["inject", "--from", "embedded:a"], words].concat()
}

#[test]
fn references_are_filled_and_all_else_is_kept_byte_for_byte() {
    let scene = scene();
    let template = b"\xff\r\nuser: {{Infra/db/mysql#login}}\r\npass: {{ Infra/db/mysql | json }}\nraw: \\{{ .Values }}\n{{ Infra/a\\|b\\}} | base64 }}\0";
    let file = scene.file("app.tpl", template);
    let run = scene.run(&inject(&["-i", file, "-o", "app.yaml"]));
    assert_eq!(run.succeeds().hides("pl4nted").stdout(), "");
    let filled = std::fs::read(scene.path("app.yaml")).unwrap();
    let expected = [
        &b"\xff\r\nuser: root\r\npass: "[..],
        "\"pl4nted \\\"x\\\"/é\"".as_bytes(),
        b"\nraw: {{ .Values }}\ncGw0bnRlZC1vZGQ=\0",
    ]
    .concat();
    assert_eq!(filled, expected);
    assert_eq!(std::fs::metadata(scene.path("app.yaml")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn pipes_are_read_and_written() {
    let scene = scene();
    let mut command = scene.command(&inject(&["-i", "-", "-o", "-"]));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"pin={{ Infra/db/mysql#PIN }}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"pin=pl4nted-pin");
    let plain = scene.file("plain", "nothing in it");
    assert_eq!(scene.run(&inject(&["-i", plain])).succeeds().stdout(), "nothing in it");
}

#[test]
fn whatever_is_wrong_is_told_with_its_line_and_column_and_nothing_is_written() {
    let scene = scene();
    for (template, code, at, words) in [
        ("a\n b: {{ Infra/db/mysql#none }}", 1, "line 2, column 5", "no field `none`"),
        (
            "{{ Infra/db/mysql }}\né {{ Infra/db/nobody }}",
            1,
            "line 2, column 3",
            "no record `Infra/db/nobody`",
        ),
        ("{{ Infra/db/mysql | upper }}", 2, "line 1, column 1", "no filter `upper`"),
        ("x {{ Infra/db/mysql\n}}", 1, "line 1, column 3", "not closed"),
        ("{{ }}", 2, "line 1, column 1", "names no record"),
    ] {
        let input = scene.file("app.tpl", template);
        let filled = scene.file("app.yaml", "as it was");
        let run = scene.run(&inject(&["-i", input, "-o", filled]));
        run.exits(code).says(&format!("app.tpl, {at}: ")).says(words).hides("pl4nted");
        assert_eq!(scene.read(filled), "as it was", "{template}");
        assert_eq!(scene.run(&inject(&["-i", input])).exits(code).stdout(), "", "{template}");
    }
    scene.run(&inject(&["-i", "nowhere"])).exits(1).says("nowhere");
}

#[test]
fn many_references_take_a_handful_of_requests() {
    let scene = Scene::new();
    let served = Served::new(&scene, "b", "on");
    let record = |n: usize| {
        format!("{{\"vault\":\"V\",\"path\":[\"f{}\"],\"name\":\"r{n}\",\"password\":\"p{n}\"}}\n", n % 7)
    };
    let records = (0..300).map(record).collect::<Vec<_>>().concat();
    let file = scene.file("many.jsonl", records);
    assert!(served.command(&scene, &["import", file, &served.url]).output().unwrap().status.success());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            None
        }),
    );
    // Each twice: what is asked for twice is fetched once.
    let line = |n: usize| format!("{{{{ V/f{0}/r{n} }}}} {{{{ V/f{0}/r{n} | base64 }}}}\n", n % 7);
    let template = scene.file("many.tpl", (0..300).map(line).collect::<String>());
    let filled = served.command(&scene, &["inject", "--from", &proxy.url, "-i", template]).output().unwrap();
    let shown = String::from_utf8(filled.stdout).unwrap();
    assert_eq!(shown.lines().count(), 300, "{}", String::from_utf8_lossy(&filled.stderr));
    assert!(shown.starts_with("p0 cDA=\np1 cDE=\n"), "{shown}");
    let requests = count.load(Ordering::Relaxed);
    assert!(requests <= 300_usize.div_ceil(BATCH_LIMIT) + 6, "{requests} requests");
}

#[cfg(unix)]
#[test]
fn a_link_stays_one_and_what_is_open_already_is_written_to() {
    let scene = scene();
    let input = scene.file("app.tpl", "{{ Infra/db/mysql }}");
    let filled = scene.file("app.yaml", "as it was");
    std::os::unix::fs::symlink(filled, scene.path("link")).unwrap();
    std::os::unix::fs::symlink("/proc/self/fd/1", scene.path("out")).unwrap();
    scene.run(&inject(&["-i", input, "-o", "link"])).succeeds();
    assert_ne!(scene.read(filled), "as it was");
    let mut command = scene.command(&inject(&["-i", input, "-o", "out"]));
    command.stdout(std::fs::File::create(scene.path("shown")).unwrap());
    assert!(command.status().unwrap().success());
    assert_eq!(scene.read("shown"), scene.read(filled));
    for link in ["link", "out"] {
        assert!(std::fs::symlink_metadata(scene.path(link)).unwrap().is_symlink(), "{link}");
    }
}
