//! Two-factor: a login that owes a one-time code.

use super::world::{Dev, FILE, command, feed, login, run_with, scene};
use keyferry_core::crypto::totp::Totp;
use keyferry_core::secret::SecretString;
use keyferry_tests::Scene;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Calls the API with the tokens that the server showed.
fn call(scene: &Scene, dev: &Dev, endpoint: &str, params: &str) -> Value {
    let token = [("KEYFERRY_TOKEN", dev.get("access_token")), ("KEYFERRY_MASTER_KEY", dev.get("master_key"))];
    let words =
        ["api", "--from", dev.get("url"), "--method", "POST", "--endpoint", endpoint, "--params", params];
    run_with(scene, &token, &words).succeeds().json()
}

#[test]
fn a_one_time_code_is_given_where_it_is_owed() {
    let (scene, dev) = scene(&[]);
    let secret = call(&scene, &dev, "v1/users/2fa/totp/generate", "{}");
    let totp = Totp::parse(&SecretString::from(secret["secret"].as_str().unwrap())).unwrap();
    let code = |ago: u64| totp.code(now() - ago).expose().to_owned();
    let enable = format!("{{\"code\": \"{}\"}}", code(30));
    call(&scene, &dev, "v1/users/2fa/totp/enable", &enable);
    login(&scene, &dev, &[]).exits(5).says("one-time code");
    assert!(!scene.path("s").exists());
    let words =
        ["login", "prod:", "--user", "admin", "--session-file", "s", "--password-stdin", "--code-stdin"];
    let wrong = feed(command(&scene, &words), &[dev.get("password"), "000000"]);
    assert_eq!(wrong.status.code(), Some(5), "{}", String::from_utf8_lossy(&wrong.stderr));
    let right = feed(command(&scene, &words), &[dev.get("password"), &code(0)]);
    assert_eq!(right.status.code(), Some(0), "{}", String::from_utf8_lossy(&right.stderr));
    run_with(&scene, &[FILE], &["ls", "prod:"]).succeeds();
}
