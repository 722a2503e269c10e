//! `doctor`: broken configurations, and what it says about each.

use super::world::{FILE, kept, login, run, run_with, scene, tokens};
use keyferry_tests::{MASTER_PASSWORD, Run, Scene};
use serde_json::Value;

/// The state of each check as `about/check`.
fn states(run: &Run) -> Vec<(String, String)> {
    let text = |check: &Value, member: &str| check[member].as_str().unwrap().to_owned();
    let document = run.json();
    let checks = document["checks"].as_array().unwrap();
    for check in checks.iter().filter(|check| check["state"] != "ok") {
        assert!(check["next"].is_string(), "what to do next is missing: {check}");
    }
    checks
        .iter()
        .map(|check| (text(check, "about") + "/" + &text(check, "check"), text(check, "state")))
        .collect()
}

fn finds(run: &Run, check: &str, state: &str) {
    let states = states(run);
    let found = (check.to_owned(), state.to_owned());
    assert!(states.contains(&found), "{found:?} is not in {states:?}\n{}", run.stdout());
}

#[test]
fn a_configuration_in_order_has_nothing_wrong() {
    let (scene, dev) = scene(&[]);
    login(&scene, &dev, &["--keep-master-key"]).succeeds();
    let run = run_with(&scene, &[FILE], &["--json", "doctor"]);
    run.succeeds().hides(dev.get("master_key")).hides(super::world::KEY);
    for check in
        ["config/file", "prod:/connection", "prod:/clock", "prod:/token", "prod:/keys", "prod:/session"]
    {
        finds(&run, check, "ok");
    }
    assert!(run.stdout().contains("tokens from the session file s"), "{}", run.stdout());
    let table = run_with(&scene, &[FILE], &["doctor", "prod"]);
    assert!(table.succeeds().stdout().contains("0 wrong"), "{}", table.stdout());
}

#[test]
fn one_sick_environment_hides_no_other() {
    let (scene, dev) = scene(&[]);
    login(&scene, &dev, &["--keep-master-key"]).succeeds();
    // By name it comes first, and nobody listens there.
    scene.run(&["env", "add", "absent", "http://127.0.0.1:1"]).succeeds();
    let run = run_with(&scene, &[FILE], &["--json", "doctor"]);
    finds(run.exits(1), "absent:/connection", "fail");
    finds(&run, "prod:/keys", "ok");
}

#[test]
fn each_thing_that_is_wrong_is_named_with_the_next_step() {
    let (scene, dev) = scene(&[]);
    let json = ["--json", "doctor"];
    finds(run(&scene, &json).exits(1), "prod:/credentials", "fail");
    let ended = [("KEYFERRY_PROD_TOKEN", "planted and ended")];
    let run_ended = run_with(&scene, &ended, &json);
    finds(run_ended.exits(1).hides("planted and ended"), "prod:/token", "fail");
    finds(&run_ended, "variables/tokens", "warn");
    let tokens = [
        ("KEYFERRY_PROD_TOKEN", dev.get("access_token")),
        ("KEYFERRY_PROD_REFRESH_TOKEN", dev.get("refresh_token")),
    ];
    finds(run_with(&scene, &tokens, &json).exits(0), "prod:/keys", "warn");
    let wrong = [tokens[0], tokens[1], ("KEYFERRY_PROD_MASTER_PASSWORD", "planted and wrong")];
    let wrong = run_with(&scene, &wrong, &json);
    finds(wrong.exits(1).hides("planted and wrong"), "prod:/keys", "fail");
    let both = [tokens[0], tokens[1], ("KEYFERRY_PROD_SESSION_FILE", "s")];
    finds(run_with(&scene, &both, &json).exits(0), "variables/shadowed", "warn");
    let missing = [("KEYFERRY_PROD_TOKEN_FILE", "nowhere")];
    finds(run_with(&scene, &missing, &json).exits(1), "variables/file", "fail");
    drop(dev);
    finds(run(&scene, &json).exits(1), "prod:/connection", "fail");
}

#[test]
fn what_answers_and_is_not_passwork_is_told() {
    let scene = Scene::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        // Twenty minutes late, and a page.
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2020 20:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            .unwrap();
    });
    let run = scene.run(&["--json", "doctor", &url]);
    server.join().unwrap();
    finds(run.exits(1), &format!("{url}/passwork"), "fail");
    finds(&run, &format!("{url}/clock"), "warn");
}

#[test]
fn a_renewal_that_would_end_the_tokens_of_variables_is_not_tried() {
    let (scene, dev) = scene(&["--token-life", "1"]);
    login(&scene, &dev, &[]).succeeds();
    let (access, refresh) = tokens(&kept(&scene, "s"));
    let tokens =
        [("KEYFERRY_PROD_TOKEN", access.as_str()), ("KEYFERRY_PROD_REFRESH_TOKEN", refresh.as_str())];
    std::thread::sleep(std::time::Duration::from_millis(1500));
    finds(run_with(&scene, &tokens, &["--json", "doctor"]).exits(1), "prod:/token", "fail");
    // They still renew.
    run_with(&scene, &tokens, &["ls", "prod:"]).succeeds();
}

#[test]
fn an_embedded_environment_and_the_journal_are_looked_at_too() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "vault,name,password\nV,n,p\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let run = scene.run(&["--json", "doctor", "embedded:a"]);
    finds(run.succeeds().hides(MASTER_PASSWORD), "embedded:a/keys", "ok");
    finds(&run, "journal/jobs", "ok");
    finds(scene.run(&["--json", "doctor", "embedded:b"]).exits(1), "embedded:b/location", "fail");
    let _ = scene.file("broken.toml", "[environments.prod]\nlocation = 5\n");
    finds(scene.run(&["--json", "--config", "broken.toml", "doctor"]).exits(1), "config/file", "fail");
}

#[cfg(unix)]
#[test]
fn files_that_others_can_change_are_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let (scene, dev) = scene(&[]);
    login(&scene, &dev, &[]).succeeds();
    let open = |name: &str, mode| {
        std::fs::set_permissions(scene.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open("s", 0o644);
    open(".config/keyferry/config.toml", 0o666);
    let run = run_with(&scene, &[FILE], &["--json", "doctor"]);
    finds(run.exits(1), "config/file", "fail");
    finds(&run, "prod:/session", "warn");
}
