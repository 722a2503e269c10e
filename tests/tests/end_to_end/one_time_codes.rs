//! One-time codes from fields as people bring them: right, or refused by name. Spellings and vectors are unit tests of
//! `core/crypto/src/totp.rs`.

use keyferry_tests::Scene;

#[test]
fn a_code_is_right_or_refused_and_the_field_is_kept() {
    let scene = Scene::with_environments(&["a"]);
    let fields = [
        ("steam", "steam://63BEDWCQZKTQWPESARIERL5DTTQFCJTK", None),
        ("upper", " OTPAUTH://TOTP/x?SECRET=gezd%20gnbv&Algorithm=sha-256&digits=8 ", None),
        ("counter", "otpauth://hotp/x?secret=GEZDGNBV&counter=5", Some("hotp")),
        ("none", "otpauth://totp/x?secret=", Some("empty")),
        ("five", "otpauth://totp/x?secret=GEZDGNBV&digits=5", Some("Steam")),
    ];
    let lines: Vec<_> = fields
        .iter()
        .map(|(name, text, _)| {
            format!(r#"{{"name":"{name}","customs":[{{"name":"t","type":"totp","value":"{text}"}}]}}"#)
        })
        .collect();
    let file = scene.file("a.jsonl", lines.join("\n"));
    scene.run(&["import", file, "embedded:a"]).succeeds();
    for (name, text, refused) in fields {
        let place = format!("Imported/{name}");
        let run = scene.run(&["get", "-n", "--from", "embedded:a", &place, "--totp-code", "t"]);
        match refused {
            Some(word) => {
                run.exits(1).says(word).hides("GEZDGNBV");
                assert_eq!(run.stdout(), "");
            }
            None => assert_eq!(run.succeeds().stdout().len(), if name == "steam" { 5 } else { 8 }, "{name}"),
        }
        scene.run(&["get", "-n", "--from", "embedded:a", &place, "--field", "t"]).prints(text);
    }
}

#[test]
fn a_value_with_line_breaks_is_warned_of_in_yaml() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.jsonl", r#"{"vault":"V","name":"k","password":"planted\nsecond"}"#);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let bare = scene.file("a.yaml.tpl", "key: {{ V/k }}\n");
    scene
        .run(&["inject", "-i", bare, "-o", "out", "--from", "embedded:a"])
        .succeeds()
        .says("line breaks")
        .hides("planted");
    let filtered = scene.file("b.yml", "key: {{ V/k | json }}\n");
    let run = scene.run(&["inject", "-i", filtered, "-o", "out2", "--from", "embedded:a"]);
    assert!(!run.succeeds().stderr().contains("line breaks"));
    let text = scene.file("c.txt", "key: {{ V/k }}\n");
    let run = scene.run(&["inject", "-i", text, "-o", "out3", "--from", "embedded:a"]);
    assert!(!run.succeeds().stderr().contains("line breaks"));
}
