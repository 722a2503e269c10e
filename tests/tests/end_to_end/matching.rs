//! One-time codes of an authenticator's file join the records that they belong to, and none is guessed.

#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

use keyferry_tests::Scene;
use serde_json::Value;

const RECORDS: &str = concat!(
    r#"{"vault":"Web","path":["dev"],"name":"GitHub","login":"me@x.example","password":"planted-1","attachments":[{"name":"f","data":"AAEC"}]}"#,
    "\n",
    r#"{"vault":"Web","path":[],"name":"Mail","login":"Me@x.example","password":"planted-2","url":"https://mail.proton.example/login"}"#,
    "\n",
    r#"{"vault":"Web","path":[],"name":"AWS","login":"root","password":"planted-3"}"#,
    "\n",
    r#"{"vault":"Old","path":[],"name":"AWS","login":"root","password":"planted-4"}"#,
    "\n",
    r#"{"vault":"Web","path":[],"name":"Bank","login":"me","password":"planted-5","customs":[{"name":"TOTP","type":"totp","value":"GEZDGNBVGY3TQOJQ"}]}"#,
    "\n",
    r#"{"vault":"Web","path":[],"name":"Slack","login":"me","password":"planted-6","customs":[{"name":"TOTP","type":"totp","value":"jbsw y3dp ehpk 3pxp"}]}"#,
    "\n",
    r#"{"vault":"Web","path":[],"name":"Twice","login":"me","password":"planted-7"}"#,
    "\n",
    r#"{"vault":"Web","path":[],"name":"Twice","login":"other","password":"planted-8"}"#,
    "\n",
    r#"{"vault":"Web","path":[],"name":"Only","login":"someone","password":"planted-9"}"#,
    "\n",
);

const CODES: &str = "\
otpauth://totp/GitHub:me@x.example?secret=JBSWY3DPEHPK3PXP&issuer=GitHub
otpauth://totp/Proton:me@x.example?secret=KRSXG5CTMVRXEZLU&issuer=Proton
otpauth://totp/AWS:root?secret=KRSXG5CTMVRXEZLV&issuer=AWS
otpauth://totp/Bank:me?secret=KRSXG5CTMVRXEZLW&issuer=Bank
otpauth://totp/Slack:me?secret=JBSWY3DPEHPK3PXP&issuer=Slack
otpauth://totp/Twice:me?secret=KRSXG5CTMVRXEZLX&issuer=Twice
otpauth://totp/Nowhere:me?secret=KRSXG5CTMVRXEZLY&issuer=Nowhere
otpauth://totp/Only?secret=KRSXG5CTMVRXEZLZ
";

fn exported(scene: &Scene, name: &str) -> Vec<Value> {
    let place = "embedded:a";
    scene.run(&["export", place, name, "--allow-plaintext"]).succeeds();
    let records =
        scene.read(name).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    records.into_iter().filter(|one| one.get("name").is_some()).collect()
}

fn codes(records: &[Value], name: &str) -> usize {
    let of = records.iter().filter(|one| one["name"] == name && one.get("password").is_some());
    of.flat_map(|one| one["customs"].as_array().unwrap()).filter(|one| one["type"] == "totp").count()
}

#[test]
fn codes_join_the_records_of_their_issuer_and_account_and_undo_takes_them_out() {
    let scene = Scene::with_environments(&["a"]);
    let records = scene.file("all.jsonl", RECORDS);
    scene.run(&["import", records, "embedded:a"]).succeeds();
    let list = scene.file("codes.txt", CODES);
    let before = exported(&scene, "before.jsonl");
    let plan = scene.run(&["--json", "import", list, "embedded:a", "--match", "--dry-run"]).succeeds().json();
    assert_eq!(
        (&plan["update"], &plan["unchanged"], &plan["create"]),
        (&3.into(), &1.into(), &4.into()),
        "{plan}"
    );
    let notes = plan["notes"].to_string();
    for words in [
        "4 one-time codes join their records: Web / GitHub",
        "several records are of that issuer and account: AWS (root)",
        "its record has another code already: Bank (me)",
        "several records share the place and the name of its record: Twice (me)",
        "no record is of that issuer and account: Nowhere (me)",
    ] {
        let words = words.replace("Web / GitHub", "Web / ");
        assert!(notes.contains(&words), "{words}\n{notes}");
    }
    let report =
        scene.run(&["--json", "import", list, "embedded:a", "--match"]).succeeds().hides("planted").json();
    assert_eq!((&report["updated"], &report["created"]), (&3.into(), &4.into()), "{report}");
    assert!(report["notes"].to_string().contains("4 one-time codes join their records"), "{report}");
    let after = exported(&scene, "after.jsonl");
    for (name, count) in
        [("GitHub", 1), ("Mail", 1), ("AWS", 0), ("Bank", 1), ("Slack", 1), ("Twice", 0), ("Only", 1)]
    {
        assert_eq!(codes(&after, name), count, "{name}");
    }
    let github = after.iter().find(|one| one["name"] == "GitHub").unwrap();
    assert_eq!((&github["path"][0], &github["attachments"][0]["data"]), (&"dev".into(), &"AAEC".into()));
    // Again: everything is there already. The proof, with the same rule.
    let again = scene
        .run(&["--json", "import", list, "embedded:a", "--match", "--on-conflict", "skip"])
        .succeeds()
        .json();
    assert_eq!((&again["updated"], &again["created"]), (&0.into(), &0.into()), "{again}");
    scene.run(&["verify", list, "embedded:a", "--match"]).succeeds();
    let job = scene.run(&["--json", "jobs"]).succeeds().json();
    let job = job.as_array().unwrap().iter().find(|job| job["updated"] == 3).unwrap()["id"].to_string();
    scene.run(&["undo", &job]).succeeds();
    assert_eq!(exported(&scene, "undone.jsonl").len(), before.len());
    assert_eq!(codes(&exported(&scene, "undone2.jsonl"), "GitHub"), 0);
}

#[test]
fn a_place_that_is_named_is_where_records_are_looked_for() {
    let scene = Scene::with_environments(&["a"]);
    let records = scene.file("all.jsonl", RECORDS);
    scene.run(&["import", records, "embedded:a"]).succeeds();
    let list = scene.file("codes.txt", "otpauth://totp/AWS:root?secret=KRSXG5CTMVRXEZLV&issuer=AWS\n");
    let report = scene.run(&["--json", "import", list, "embedded:a//Old", "--match"]).succeeds().json();
    assert_eq!((&report["updated"], &report["created"]), (&1.into(), &0.into()), "{report}");
    let after = exported(&scene, "after.jsonl");
    let old = after.iter().find(|one| one["vault"] == "Old").unwrap();
    assert_eq!(old["customs"][0]["type"], "totp");
    // Where they are codes from standard input, too.
    let mut command = scene.command(&["--json", "import", "otpauth-list:-", "embedded:a//Web", "--match"]);
    command.stdin(std::fs::File::open(scene.path("codes.txt")).unwrap());
    let report = scene.finish(command).succeeds().json();
    assert_eq!((&report["updated"], &report["created"]), (&1.into(), &0.into()), "{report}");
    scene.run(&["import", list, "embedded:a//Web", "--match", "--structure", "flatten"]).exits(2);
    scene.run(&["migrate", "embedded:a", "out.jsonl", "--match", "--allow-plaintext"]).exits(2);
}
