//! What is looked at before it is done: plans as files, what is left out, and where things stand afterwards.

use keyferry_tests::Scene;
use serde_json::Value;

const CSV: &str =
    "folder,name,login,password\nInfra/db,pg,root,hidden-1\nInfra/db,my,root,hidden-2\nHR,pay,ann,hidden-3\n";

fn planned(scene: &Scene) -> Value {
    serde_json::from_str(&scene.read("plan.json")).unwrap_or_else(|error| panic!("a plan is JSON: {error}"))
}

#[test]
fn a_plan_is_a_file_that_is_done_as_it_stands() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("s.csv", CSV);
    let shown = scene.run(&["import", file, "embedded:a", "--plan-to", "plan.json"]);
    assert!(
        shown.succeeds().stdout().contains("vault Infra (new): 2 to create\n  + db/"),
        "{}",
        shown.stdout()
    );
    assert!(scene.run(&["--json", "tree", "embedded:a"]).succeeds().json().as_array().unwrap().is_empty());
    let plan = planned(&scene);
    assert_eq!(plan["plan"]["create"], 3);
    assert_eq!(plan["key"], Value::Null, "an encrypted sink's user derives the key");
    assert!(!plan.to_string().contains("hidden"), "{plan}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(scene.path("plan.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    scene.run(&["apply", "plan.json"]).succeeds();
    scene.run(&["verify", "--exact", file, "embedded:a"]).succeeds();
    // What is done is another state of the sink.
    scene.run(&["apply", "plan.json"]).exits(1).says("not what it was");
    let jobs = scene.run(&["--json", "jobs"]).succeeds().json();
    assert_eq!(jobs[0]["command"][0], "import", "{jobs}");
    scene.run(&["undo", "last"]).succeeds();
}

#[test]
fn a_plan_is_not_done_once_source_or_sink_changed() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("s.csv", CSV);
    let update = ["import", file, "embedded:a", "--on-conflict", "update", "--plan-to", "plan.json"];
    let refused = |what: &str| {
        let told = scene.run(&["apply", "plan.json"]);
        told.exits(1).says("not what it was");
        assert!(!told.stdout().contains("created"), "{what}: {}", told.stdout());
    };
    scene.run(&update).succeeds();
    let _ = scene.file("s.csv", CSV.replace("hidden-3", "hidden-4"));
    refused("a password of the source");
    let _ = scene.file("s.csv", format!("{CSV}HR,new,ann,hidden-5\n"));
    refused("one record more");
    let _ = scene.file("s.csv", CSV.replace("hidden-2\nHR", "hidden-2\nHR,broken\nHR"));
    refused("a row that is rejected");
    let _ = scene.file("s.csv", CSV);
    let other = scene.file("o.csv", "folder,name,login,password\nHR,pay,ann,another\n");
    scene.run(&["import", other, "embedded:a"]).succeeds();
    refused("a record of the sink in the place of one");
    scene.run(&update).succeeds();
    let again = scene.file("o.csv", "folder,name,login,password\nHR,pay,ann,a third\n");
    scene.run(&["import", again, "embedded:a", "--on-conflict", "update"]).succeeds();
    refused("what would be overwritten is not what was seen");
    scene.run(&update).succeeds();
    // What stands beside it changes nothing of the plan.
    let beside = scene.file("b.csv", "folder,name,login,password\nHR,other,bob,x\n");
    scene.run(&["import", beside, "embedded:a"]).succeeds();
    scene.run(&["apply", "plan.json"]).succeeds();
}

/// Whoever gets at the file of a plan that others approved changes nothing of what is done.
#[test]
fn another_command_is_another_plan() {
    let scene = Scene::with_environments(&["a"]);
    let (old, new) = (scene.file("o.csv", CSV.replace("hidden-3", "old")), scene.file("s.csv", CSV));
    scene.run(&["import", old, "embedded:a"]).succeeds();
    scene.run(&["import", new, "embedded:a", "--on-conflict", "skip", "--plan-to", "plan.json"]).exits(3);
    for (number, with) in [(4, "update"), (4, "duplicate"), (1, "o.csv"), (3, "--structure=keep")] {
        let mut plan = planned(&scene);
        plan["command"][number] = with.into();
        if with.starts_with("--") {
            plan["command"][4] = "--allow-unencrypted-target".into();
        }
        let _ = scene.file("altered.json", plan.to_string());
        scene.run(&["apply", "altered.json"]).exits(1).says("not what it was");
    }
    scene.run(&["verify", old, "embedded:a"]).succeeds();
    scene.run(&["apply", "plan.json"]).exits(3);
}

#[test]
fn a_plan_for_a_sink_without_keys_brings_its_own() {
    let scene = Scene::new();
    scene.run(&["env", "init", "embedded:a", "--user", "admin", "--client-encryption", "off"]).succeeds();
    let file = scene.file("s.csv", CSV);
    let import = ["import", file, "embedded:a", "--allow-unencrypted-target", "--plan-to", "plan.json"];
    scene.run(&import).succeeds();
    assert!(planned(&scene)["key"].is_string());
    scene.run(&["apply", "plan.json"]).succeeds();
    scene.run(&["apply", "plan.json"]).exits(1).says("not what it was");
}

#[test]
fn what_is_read_once_cannot_be_planned_for_later() {
    let scene = Scene::with_environments(&["a"]);
    scene.run(&["import", "csv:-", "embedded:a", "--plan-to", "plan.json"]).exits(2).says("read again");
    let _ = scene.file("plan.json", "{\"plan_version\":1}");
    scene.run(&["apply", "plan.json"]).exits(1).says("no plan");
    let _ = scene.file("plan.json", "{\"plan_version\":9,\"command\":[],\"folder\":\"\",\"digest\":\"\"}");
    scene.run(&["apply", "plan.json"]).exits(1).says("another version");
    let deep = format!("{{\"plan_version\":1,\"plan\":{}", "[".repeat(100_000));
    let _ = scene.file("plan.json", deep);
    scene.run(&["apply", "plan.json"]).exits(1).says("no plan");
    let other = r#"{"plan_version":1,"command":["ls","embedded:a"],"folder":".","digest":""}"#;
    let _ = scene.file("plan.json", other);
    scene.run(&["apply", "plan.json"]).exits(2).says("does not transfer");
}

#[test]
fn what_is_excluded_stays_behind_and_is_counted() {
    let scene = Scene::with_environments(&["a", "b"]);
    let file = scene.file("s.csv", CSV);
    scene.run(&["import", file, "embedded:a", "--exclude", "HR"]).succeeds().prints("1 record was left out");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let moved = scene.run(&["migrate", "embedded:a", "embedded:b", "--exclude", "Infra/*/m*"]);
    moved.succeeds().prints("1 record was left out by --exclude Infra/*/m*");
    let tree = scene.run(&["--json", "tree", "embedded:b"]).succeeds().json().to_string();
    assert!(tree.contains("pg") && tree.contains("pay") && !tree.contains("\"my\""), "{tree}");
    scene.run(&["verify", "embedded:a", "embedded:b"]).exits(4).prints("my");
    scene.run(&["verify", "embedded:a", "embedded:b", "--exclude", "Infra/db/my"]).succeeds();
    scene.run(&["migrate", "embedded:a", "embedded:b", "--exclude", "Infra/dbs"]).exits(1).says("Infra/dbs");
    scene.run(&["export", "embedded:a", "x.jsonl", "--allow-plaintext", "--exclude", "Infra"]).succeeds();
    let left = std::fs::read_to_string(scene.path("x.jsonl")).unwrap();
    assert!(left.contains("pay") && !left.contains("hidden-1"), "an excluded vault was written");
}

#[test]
fn a_comparison_finds_what_a_transfer_brought_whatever_the_structure() {
    let scene = Scene::with_environments(&["a", "b"]);
    let file = scene.file("s.csv", CSV);
    let bare = scene.file("bare.csv", "name,login,password\nwiki,root,hidden-9\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let tree = |expected: &str| {
        let tree = scene.run(&["--json", "tree", "embedded:b"]).succeeds().json().to_string();
        assert!(tree.contains(expected), "{expected} in {tree}");
    };
    let both = |from: &str, to: &str, how: &[&str]| {
        scene.run(&[&["migrate", from, to][..], how].concat()).succeeds();
        // As it was brought, without saying how.
        scene.run(&["verify", from, to]).succeeds();
        scene.run(&[&["verify", from, to][..], how].concat()).succeeds();
    };
    both("embedded:a//Infra", "embedded:b//Below", &[]);
    tree(r#""name":"Below","encrypted":true,"folders":[{"name":"Infra""#);
    both("embedded:a//Infra", "embedded:b//Kept", &["--structure", "keep"]);
    tree(r#""name":"Kept","encrypted":true,"folders":[{"name":"db""#);
    both("embedded:a//Infra/db", "embedded:b//Kept/deeper", &["--structure", "keep"]);
    both("embedded:a//Infra", "embedded:b", &[]);
    both(bare, "embedded:b//Bare", &[]);
    both(bare, "embedded:b", &[]);
    scene.run(&["migrate", "embedded:a", "embedded:b//Flat", "--structure", "flatten"]).succeeds();
    tree(r#""name":"Flat","encrypted":true,"folders":[],"records":["#);
    scene.run(&["verify", "embedded:a", "embedded:b//Flat", "--structure", "flatten"]).succeeds();
    let found =
        scene.run(&["--json", "verify", "--exact", "embedded:a", "embedded:b//Flat"]).succeeds().json();
    assert!(found["notes"].to_string().contains("--structure flatten"), "{found}");
    scene.run(&["verify", "embedded:a", "embedded:b//Flat", "--structure", "below"]).exits(4);
    scene
        .run(&["migrate", "embedded:a", "embedded:b", "--structure", "flatten"])
        .exits(2)
        .says("needs a place");
    // An export of a place says where it stood.
    scene.run(&["export", "embedded:a//Infra", "x.jsonl", "--allow-plaintext"]).succeeds();
    scene.run(&["verify", "x.jsonl", "embedded:a//Infra"]).succeeds();
    scene.run(&["verify", "embedded:a//Infra", "x.jsonl"]).succeeds();
    let _ = scene.file(
        "x.jsonl",
        std::fs::read_to_string(scene.path("x.jsonl")).unwrap().replace("hidden-1", "hidden-7"),
    );
    scene.run(&["verify", "x.jsonl", "embedded:a//Infra"]).exits(4);
}

#[test]
fn a_choice_of_the_first_location_is_by_its_own_names_wherever_things_stand_in_the_second() {
    let scene = Scene::with_environments(&["a", "b"]);
    let file = scene.file("s.csv", CSV);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    for (to, how) in [
        ("embedded:b//Below", &[][..]),
        ("embedded:b//Flat", &["--structure", "flatten"]),
        ("embedded:b//Deep/er", &[]),
    ] {
        for choice in [
            &["--vault", "Infra"][..],
            &["--folder", "db"],
            &["--exclude", "HR"],
            &["--exclude", "Infra/db/my", "--exclude", "HR"],
            &["--query", "pg"],
        ] {
            let place = format!("{to} {}", choice.join(" ")).replace("embedded:b//", "");
            let to = format!("embedded:b//{}", place.replace('/', "_"));
            let both = ["embedded:a", &to];
            scene.run(&[&["migrate"], &both[..], how, choice].concat()).succeeds();
            let told = scene.run(&[&["--json", "verify", "--exact"], &both[..], choice].concat());
            let told = told.succeeds().json();
            assert_eq!(
                (&told["verified"], &told["only_there"]),
                (&told["read"], &0.into()),
                "{place}: {told}"
            );
            assert_ne!(told["read"], 0, "{place}");
        }
    }
    // What was not chosen is no difference, what was chosen and is more is one.
    scene.run(&["migrate", "embedded:a", "embedded:b//All"]).succeeds();
    scene.run(&["verify", "--exact", "embedded:a", "embedded:b//All", "--vault", "Infra"]).succeeds();
    let more = scene.file("m.csv", "folder,name,password\nAll/Infra/db,more,x\n");
    scene.run(&["import", more, "embedded:b"]).succeeds();
    scene
        .run(&["verify", "--exact", "embedded:a", "embedded:b//All", "--vault", "Infra"])
        .exits(4)
        .prints("only there: All / Infra / db / more");
    // And back.
    scene.run(&["verify", "embedded:b//All/HR", "embedded:a"]).succeeds();
}

#[test]
fn custom_fields_that_clash_are_named_where_an_environment_holds_them() {
    let scene = Scene::with_environments(&["a", "b"]);
    let table = |pin: &str, puk: &str| format!("vault,name,password,PIN,PUK\nV,sim,hidden-p,{pin},{puk}\n");
    let file = scene.file("s.csv", table("hidden-1", "hidden-2"));
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let file = scene.file("s.csv", table("hidden-1", "hidden-3"));
    let told = scene.run(&["import", file, "embedded:a", "--dry-run"]);
    told.exits(1).prints("conflict: V / sim differs in custom field PUK").hides("hidden-").hides("PIN");
    scene.run(&["verify", file, "embedded:a"]).exits(4).prints("different: V / sim: custom field PUK");
    scene.run(&["import", file, "embedded:b"]).succeeds();
    let told = scene.run(&["--json", "verify", "embedded:a", "embedded:b"]).exits(4).json();
    assert_eq!(told["different"][0]["what"], serde_json::json!(["custom field PUK"]));
    // The heading of a misread table may be a secret.
    let file =
        scene.file("s.csv", "vault,name,password,PIN,PUK,hidden-4\nV,sim,hidden-p,hidden-1,hidden-2,x\n");
    scene
        .run(&["import", file, "embedded:a", "--dry-run"])
        .exits(1)
        .prints("sim differs in a custom field")
        .hides("hidden-4");
}

#[test]
fn a_report_has_a_digest_that_a_later_comparison_gives_again() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("s.csv", CSV);
    let digest = |words: &[&str]| scene.run(words).json()["digest"].clone();
    let moved = digest(&["--json", "import", file, "embedded:a"]);
    assert_eq!(moved.as_str().map(str::len), Some(64), "{moved}");
    assert_eq!(digest(&["--json", "verify", file, "embedded:a"]), moved);
    let reversed: Vec<_> =
        CSV.lines().take(1).chain(CSV.lines().skip(1).collect::<Vec<_>>().into_iter().rev()).collect();
    let reversed = scene.file("r.csv", reversed.join("\n"));
    assert_eq!(digest(&["--json", "verify", reversed, "embedded:a"]), moved, "order does not matter");
    let fewer = scene.file("f.csv", CSV.replace("HR,pay,ann,hidden-3\n", ""));
    assert_ne!(digest(&["--json", "verify", fewer, "embedded:a"]), moved);
    // A sync's is the same, the first time and later.
    for _ in 0..2 {
        assert_eq!(digest(&["--json", "sync", file, "embedded:a"]), moved);
    }
    assert_eq!(
        digest(&["--json", "sync", fewer, "embedded:a"]),
        digest(&["--json", "verify", fewer, "embedded:a"])
    );
}

#[test]
fn a_mapping_file_says_what_columns_are() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("s.csv", "Was;Wer;Geheim;Ort\nwiki;root;hidden;Team>Docs\n");
    let map = scene.file(
        "team.toml",
        "delimiter = \";\"\nfolder-separator = \">\"\nextra-columns = \"fail\"\n[map]\nWas = \"name\"\nWer = \"login\"\nGeheim = \"password\"\nOrt = \"folder\"\n",
    );
    scene.run(&["import", file, "embedded:a", "--map-file", map]).succeeds();
    let tree = scene.run(&["--json", "tree", "embedded:a"]).succeeds().json().to_string();
    assert!(tree.contains("Team") && tree.contains("Docs") && tree.contains("wiki"), "{tree}");
    scene.run(&["verify", file, "embedded:a", "--map-file", map]).succeeds();
    // What is typed goes before the file.
    let told = scene.run(&[
        "--json",
        "import",
        file,
        "embedded:a",
        "--map-file",
        map,
        "--map",
        "Wer=description",
        "--dry-run",
    ]);
    assert_eq!(told.json()["create"], 1, "another login is another record");
    let _ = scene.file("team.toml", "delimeter = \";\"\n");
    scene.run(&["import", file, "embedded:a", "--map-file", "team.toml"]).exits(1).says("delimeter");
    scene.run(&["import", file, "embedded:a", "--map-file", "none.toml"]).exits(1).says("none.toml");
}

#[test]
fn columns_are_shown_before_anything_is_imported() {
    let scene = Scene::new();
    let file = scene.file("s.csv", "name;Wer;Geheim\nwiki-page;root-user;hidden-word\n");
    let shown = scene.run(&["columns", file, "--map", "Geheim=password"]);
    shown
        .succeeds()
        .prints("1 row, 3 columns")
        .prints("you said so")
        .prints("wi… (9 characters)")
        .hides("hidden");
    let shown = scene.run(&["--json", "columns", file]).succeeds().json();
    assert_eq!(shown["columns"][2]["filled"], 1, "{shown}");
    scene.run(&["columns", "absent.csv"]).exits(1).says("absent.csv");
    // What a manager's row takes apart, and rows that do not fit.
    let zoho =
        scene.file("z.csv", "Password Name,SecretData,Notes,CustomData\na,\"User Name:u\nPassword:p\",,\n");
    scene.run(&["columns", zoho]).succeeds().prints("login, password, and fields").hides("User Name");
    let long = scene.file("l.csv", "name,login,password\na,b,c,d\n\"e\" x,f,g\n");
    let shown = scene.run(&["columns", long]);
    shown.succeeds().prints("1 row with more cells than columns").prints("1 row that cannot be read");
    // A first line that may be a record is not repeated.
    let bare = scene.file("b.csv", "Wiki,hunter,secretword\nShop,hunter,otherword\n");
    let shown = scene.run(&["columns", bare]);
    shown
        .succeeds()
        .prints("no column has a known name")
        .prints("(10 characters)")
        .hides("secretword")
        .hides("hunter");
}

#[test]
fn an_archive_that_is_planned_is_not_taken_out() {
    let scene = Scene::with_environments(&["a", "b"]);
    let file = scene.file("s.csv", CSV);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let to = [("KEYFERRY_ARCHIVE_PASSPHRASE", Some("a phrase for archives"))];
    scene.run_with(&to, &["export", "embedded:a", "p.kfa"]).succeeds();
    scene.run_with(&to, &["archive", "extract", "p.kfa", "embedded:b", "--plan-to", "plan.json"]).succeeds();
    assert!(scene.run(&["--json", "tree", "embedded:b"]).succeeds().json().as_array().unwrap().is_empty());
    scene.run_with(&to, &["apply", "plan.json"]).succeeds();
    scene.run_with(&to, &["verify", "p.kfa", "embedded:b", "--exact"]).succeeds();
}

#[test]
fn what_a_plan_proposes_can_be_typed() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("s.csv", CSV);
    let import = |more: &[&str]| {
        scene.run(&[&["import", file, "embedded:a", "--plan-to", "my plan.json"], more].concat())
    };
    import(&[]).succeeds().says("keyferry apply 'my plan.json' does it");
    scene.run(&["apply", "my plan.json"]).succeeds();
    // Where it would be refused, it is not proposed.
    let file = scene.file("s.csv", CSV.replace("hidden", "hidden otherwise"));
    let refused = scene.run(&["import", file, "embedded:a", "--plan-to", "my plan.json"]);
    refused.exits(1).says("would be refused");
    assert!(!refused.stderr().contains("does it"), "{}", refused.stderr());
}
