//! Two runs at once into one sink, each with a journal of its own: neither can know of the other, and what both wrote is
//! found and told.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Proxy};
use keyferry_tests::server::Served;
use std::process::Command;
use std::sync::Mutex;

/// A server with these records before, and a proxy behind which another run writes the same records before the first
/// request that creates arrives.
fn raced(before: &str, flags: &[&str]) -> (Option<i32>, String) {
    let scene = Scene::new();
    let _ = scene.file("before.jsonl", before);
    let lines = (0..40)
        .map(|n| format!("{{\"vault\":\"V\",\"name\":\"r{n}\",\"login\":\"u\",\"password\":\"p{n}\"}}\n"));
    let _ = scene.file("new.jsonl", lines.collect::<String>());
    let served = Served::new(&scene, "a", "on");
    if !before.is_empty() {
        scene.run(&["import", "before.jsonl", "embedded:a"]).succeeds();
    }
    let mut other: Command = served.command(
        &scene,
        &["--journal", "other.db", "import", "new.jsonl", &served.url, "--on-conflict", "duplicate"],
    );
    let other = Mutex::new(Some(move || other.output().unwrap()));
    let proxy = Proxy::new(
        &served.url,
        Box::new(move |asked: &Asked| {
            let creates =
                asked.method == "POST" && (asked.path.ends_with("/batch") || asked.path.ends_with("/items"));
            if creates && let Some(mut run) = other.lock().unwrap().take() {
                let output = run();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            None
        }),
    );
    let words = [&["import", "new.jsonl", &proxy.url], flags].concat();
    let output = served.command(&scene, &words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn records_that_another_run_wrote_as_well_are_named() {
    let unrelated = r#"{"vault":"W","name":"other","login":"u","password":"p"}"#;
    let same_vault = r#"{"vault":"V","name":"other","login":"u","password":"p"}"#;
    for before in ["", unrelated, same_vault] {
        for how in ["full", "sample", "none"] {
            let (code, said) = raced(before, &["--verify", how]);
            assert_eq!(code, Some(4), "{before} {how}: {said}");
            assert!(said.contains("written by another run as well") && said.contains("r39"), "{how}: {said}");
            assert!(said.contains("another run may be at work"), "{how}: {said}");
        }
    }
}
