//! What a network can do to a transfer, done: nothing lost, nothing twice.

#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

use fastrand::Rng;
use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Plan, Proxy};
use keyferry_tests::records::{lifelike, write_jsonl};
use keyferry_tests::seeds;
use keyferry_tests::server::Served;
use std::time::Duration;

/// The fault at the n-th request of this kind, counted from 1, and no other.
fn at(method: &'static str, path: &'static str, n: usize, fault: Fault) -> Plan {
    let mut seen = 0;
    Box::new(move |asked: &Asked| {
        seen += usize::from(asked.method == method && asked.path.starts_with(path));
        (seen == n && asked.method == method && asked.path.starts_with(path)).then_some(fault)
    })
}

/// Imports through the proxy into a server that knows nothing of keys, insists that the fault happened, and that what arrived
/// is equal.
fn imports_in_spite_of(mode: &str, plan: Plan) -> serde_json::Value {
    imports(mode, |url| Proxy::before_another_server(url, plan))
}

/// The same into a server that makes each thing once.
fn imports_once_in_spite_of(mode: &str, plan: Plan) -> serde_json::Value {
    imports(mode, |url| Proxy::new(url, plan))
}

fn imports(mode: &str, proxy: impl FnOnce(&str) -> Proxy) -> serde_json::Value {
    let scene = Scene::new();
    write_jsonl(&lifelike(180, 5), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", mode);
    let proxy = proxy(&served.url);
    let words =
        ["--json", "--timeout", "2", "import", "people.jsonl", &proxy.url, "--allow-unencrypted-target"];
    let output = served.command(&scene, &words).output().unwrap();
    let story = format!("{:?}\n{}", proxy.done(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(proxy.done().len(), 1, "one fault was to happen\n{story}");
    assert!(output.status.success(), "{story}");
    scene.run(&["verify", "--exact", "people.jsonl", "embedded:a"]).succeeds();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What may happen to a request that is answered in the end.
const FAULTS: [Fault; 12] = [
    Fault::DropBefore,
    Fault::DropAfter,
    Fault::MidBody,
    Fault::Status(429),
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::GatewayAfter(502),
    Fault::GatewayAfter(504),
    Fault::Delay(Duration::from_millis(300)),
    Fault::TooLate(Duration::from_millis(2500)),
    Fault::Expired,
];

#[test]
fn a_batch_of_records_survives_every_fault() {
    for (number, fault) in FAULTS.into_iter().enumerate() {
        imports_in_spite_of("on", at("POST", "/api/v1/batch", 1 + number % 3, fault));
    }
}

#[test]
fn without_client_side_encryption_lost_answers_are_settled_by_content() {
    for fault in [Fault::DropBefore, Fault::DropAfter, Fault::TooLate(Duration::from_millis(2500))] {
        imports_in_spite_of("off", at("POST", "/api/v1/batch", 2, fault));
    }
}

#[test]
fn a_vault_or_folder_whose_answer_was_lost_is_not_made_twice() {
    for fault in [Fault::DropBefore, Fault::DropAfter, Fault::GatewayAfter(502)] {
        imports_in_spite_of("on", at("POST", "/api/v1/vaults", 1, fault));
        imports_in_spite_of("on", at("POST", "/api/v1/folders", 2, fault));
    }
}

#[test]
fn under_its_key_each_thing_is_made_once_whatever_happens_to_the_request() {
    for mode in ["on", "off"] {
        for (number, fault) in FAULTS.into_iter().chain([Fault::Twice]).enumerate() {
            let report = imports_once_in_spite_of(mode, at("POST", "/api/v1/batch", 1 + number % 3, fault));
            // Nothing came of what was sent again, so nothing had to be put right.
            assert!(!report["notes"].to_string().contains("delivered twice"), "{fault:?} {report}");
            assert_eq!(report["created"], 180, "{fault:?}");
        }
        for fault in [
            Fault::DropAfter,
            Fault::GatewayAfter(502),
            Fault::TooLate(Duration::from_millis(2500)),
            Fault::Twice,
        ] {
            imports_once_in_spite_of(mode, at("POST", "/api/v1/vaults", 1, fault));
            imports_once_in_spite_of(mode, at("POST", "/api/v1/folders", 2, fault));
        }
    }
}

#[test]
fn a_request_that_comes_long_after_is_without_effect() {
    // Held back until the run has ended, read back and said that all is well.
    let scene = Scene::new();
    write_jsonl(&lifelike(180, 6), &scene.path("people.jsonl"));
    let served = Served::new(&scene, "a", "on");
    let late = Fault::TooLate(Duration::from_secs(12));
    let proxy = Proxy::new(&served.url, at("POST", "/api/v1/batch", 2, late));
    let words = ["--timeout", "1", "import", "people.jsonl", &proxy.url];
    let begun = std::time::Instant::now();
    let output = served.command(&scene, &words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(begun.elapsed() < Duration::from_secs(11), "the request was to come after the end of the run");
    std::thread::sleep(Duration::from_secs(14).saturating_sub(begun.elapsed()));
    scene.run(&["verify", "--exact", "people.jsonl", "embedded:a"]).succeeds();
}

#[test]
fn reading_back_survives_every_fault() {
    for fault in [Fault::DropBefore, Fault::MidBody, Fault::Status(503), Fault::Expired] {
        imports_in_spite_of("on", at("GET", "/api/v1/items/", 1, fault));
        imports_in_spite_of("on", at("GET", "/api/v1/items?", 5, fault));
    }
}

#[test]
fn what_the_network_delivered_twice_is_put_right() {
    let report = imports_in_spite_of("on", at("POST", "/api/v1/batch", 2, Fault::Twice));
    assert!(report["notes"].to_string().contains("delivered twice"), "{report}");
}

#[test]
fn an_update_whose_answer_was_lost_is_made_once() {
    let faults = [Fault::DropBefore, Fault::DropAfter, Fault::TooLate(Duration::from_millis(2500))];
    for (once, fault) in [false, true].into_iter().flat_map(|once| faults.map(|fault| (once, fault))) {
        let scene = Scene::new();
        let served = Served::new(&scene, "a", "on");
        let old = scene.file("old.csv", "vault,name,login,password\nV,one,u,old\nV,two,u,old\n");
        let new = scene.file("new.csv", "vault,name,login,password\nV,one,u,new\nV,two,u,new\n");
        scene.run(&["import", old, "embedded:a"]).succeeds();
        let proxy = if once { Proxy::new } else { Proxy::before_another_server };
        let proxy = proxy(&served.url, at("PATCH", "/api/v1/items/", 1, fault));
        let words = ["--timeout", "2", "import", new, &proxy.url, "--on-conflict", "update"];
        let output = served.command(&scene, &words).output().unwrap();
        assert!(output.status.success(), "{fault:?}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(proxy.done().len(), 1);
        scene.run(&["verify", new, "embedded:a"]).succeeds();
        // The journal of the served environment is the one to undo it by.
        let undo = ["undo", "2"];
        assert!(served.command(&scene, &undo).output().unwrap().status.success());
        scene.run(&["verify", old, "embedded:a"]).succeeds();
    }
}

#[test]
fn a_storm_of_faults_ends_in_the_same_state() {
    for seed in seeds(3) {
        let scene = Scene::new();
        write_jsonl(&lifelike(150, seed), &scene.path("people.jsonl"));
        let served = Served::new(&scene, "a", "on");
        let mut rng = Rng::with_seed(seed);
        let plan = move |_: &Asked| {
            (rng.u8(0..8) == 0).then(|| match rng.u8(0..6) {
                0 => Fault::DropBefore,
                1 => Fault::DropAfter,
                2 => Fault::MidBody,
                3 => Fault::Status(503),
                4 => Fault::Status(500),
                _ => Fault::GatewayAfter(502),
            })
        };
        let proxy = Proxy::new(&served.url, Box::new(plan));
        let import = ["--timeout", "1", "import", "people.jsonl", &proxy.url];
        let mut output = served.command(&scene, &import).output().unwrap();
        for _ in 0..20 {
            if output.status.success() {
                break;
            }
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            // Where nothing was begun yet there is nothing to resume.
            let words: &[&str] = if told.contains("keyferry resume 1") { &["resume", "1"] } else { &import };
            output = served.command(&scene, words).output().unwrap();
        }
        let story = format!("SEED={seed} {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{story}");
        assert!(proxy.done().len() > 5, "{story}");
        scene.run(&["verify", "people.jsonl", "embedded:a"]).succeeds();
    }
}
