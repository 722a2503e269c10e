//! `generate`, and the rules of an environment.

use super::world::{Dev, run_with};
use keyferry_tests::Scene;
use keyferry_tests::proxy::{Asked, Fault, Proxy};
use serde_json::json;

#[test]
fn passwords_passphrases_and_tokens_are_made() {
    let scene = Scene::new();
    let password = scene.run(&["generate"]);
    password.succeeds().says("154 bits of entropy");
    let password = password.stdout();
    assert_eq!(password.trim_end().chars().count(), 24);
    assert_ne!(scene.run(&["generate"]).stdout(), password);
    let plain = scene.run(&["generate", "--no-symbols", "--length", "200", "--quiet"]);
    assert!(
        plain.stdout().trim_end().chars().all(|letter| letter.is_ascii_alphanumeric()),
        "{}",
        plain.stdout()
    );
    assert!(plain.stderr().is_empty(), "{}", plain.stderr());
    let words = scene.run(&["generate", "--words", "6", "--separator", "."]).succeeds().stdout();
    assert_eq!(words.trim_end().split('.').count(), 6);
    let token = scene.run(&["generate", "--token", "32"]).succeeds().stdout();
    assert_eq!(token.trim_end().len(), 43);
    let many = scene.run(&["--json", "generate", "--token", "8", "--hex", "--count", "3"]).succeeds().json();
    assert_eq!(many["bits"], 64.0);
    let all: Vec<_> =
        many["secrets"].as_array().unwrap().iter().map(|secret| secret.as_str().unwrap()).collect();
    assert!(all.len() == 3 && all.iter().all(|secret| secret.len() == 16) && all[0] != all[1], "{all:?}");
}

#[test]
fn what_cannot_be_made_is_refused() {
    let scene = Scene::new();
    scene.run(&["generate", "--length", "0"]).exits(2);
    scene.run(&["generate", "--alphabet", "aa"]).exits(2).says("twice");
    scene.run(&["generate", "--words", "6", "--separator", "x"]).exits(2).says("separator");
    scene.run(&["generate", "--words", "6", "--token", "3"]).exits(2);
}

#[test]
fn the_rules_of_an_environment_are_met() {
    let scene = Scene::new();
    let dev = Dev::new(&scene, &[]);
    let strict = |answer: &mut serde_json::Value| {
        let rules = json!({
            "minLength": 12,
            "isDigitsRequired": true,
            "isUppercaseRequired": true,
            "isSpecialCharactersRequired": true,
        });
        answer["masterPasswordComplexity"] = rules;
    };
    let plan =
        move |asked: &Asked| asked.path.starts_with("/api/v1/app/settings").then_some(Fault::Lie(strict));
    let proxy = Proxy::new(dev.get("url"), Box::new(plan));
    let token = [("KEYFERRY_TOKEN", dev.get("access_token")), ("KEYFERRY_MASTER_KEY", dev.get("master_key"))];
    let policy = |more: &[&str]| {
        run_with(&scene, &token, &[&["generate", "--policy", &proxy.url, "--for", "master"], more].concat())
    };
    policy(&["--length", "11"]).exits(2).says("12 characters at least");
    policy(&["--no-symbols"]).exits(2).says("a special character is required");
    policy(&["--alphabet", "abcA!"]).exits(2).says("a digit is required");
    policy(&["--words", "2"]).exits(2).says("--words");
    policy(&["--words", "5", "--separator", ""]).exits(2).says("--separator");
    for words in [&["--length", "12"][..], &["--words", "5"], &["--length", "12", "--alphabet", "ab0A-"]] {
        let made = policy(&[words, &["--count", "50"]].concat()).succeeds().stdout();
        assert_eq!(made.lines().count(), 50);
        for secret in made.lines() {
            let has = |kind: fn(char) -> bool| secret.chars().any(kind);
            let met = secret.len() >= 12
                && has(|letter| letter.is_ascii_digit())
                && has(|letter| letter.is_ascii_uppercase())
                && has(|letter| letter.is_ascii_punctuation());
            assert!(met, "{secret}");
        }
    }
    // The other rules of the same environment are its own.
    run_with(&scene, &token, &["generate", "--policy", &proxy.url, "--length", "11"]).succeeds();
}
