//! Each mistake gives one clear message, the documented exit code, and leaves nothing behind that
//! a second run would not put right.

use keyferry_tests::Scene;

const CSV: &str = "vault,name,login,password\nV,one,u,hidden-secret\n";

#[test]
fn a_missing_file_is_named() {
    let scene = Scene::with_environments(&["a"]);
    scene.run(&["import", "nowhere.csv", "embedded:a"]).exits(1).says("nowhere.csv: there is no such file");
}

#[test]
fn an_unknown_column_in_map_is_named_with_those_there_are() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", CSV);
    scene.run(&["import", file, "embedded:a", "--map", "Acct=name"]).exits(2).says("Acct").says("login");
}

#[test]
fn a_broken_row_is_listed_with_its_line_and_the_others_arrive() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "vault,name,password\nV,one,x\nV,two\nV,three,y\n");
    let run = scene.run(&["--json", "import", file, "embedded:a", "--rejects", "rejects.jsonl"]);
    let report = run.exits(3).json();
    assert_eq!(report["created"], 2);
    assert_eq!(report["rejected"][0]["at"], "line 3");
    assert!(scene.read("rejects.jsonl").contains("2 cells, header has 3"), "{}", scene.read("rejects.jsonl"));
}

#[test]
fn a_wrong_master_password_is_not_taken() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", CSV);
    let wrong = [("KEYFERRY_MASTER_PASSWORD", Some("not it"))];
    scene.run_with(&wrong, &["import", file, "embedded:a"]).exits(5).says("master").hides("not it");
    scene.run(&["import", file, "embedded:a"]).succeeds();
}

#[test]
fn no_master_password_is_an_error_that_says_where_it_comes_from() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", CSV);
    let none = [("KEYFERRY_MASTER_PASSWORD", None)];
    scene.run_with(&none, &["import", file, "embedded:a"]).exits(5).says("KEYFERRY_MASTER_PASSWORD");
}

#[test]
fn an_unreachable_host_is_named() {
    let scene = Scene::new();
    let file = scene.file("a.csv", CSV);
    // Port 9 (discard) is bound by nobody here.
    let token = [("KEYFERRY_TOKEN", Some("planted-token"))];
    let run = scene.run_with(&token, &["import", file, "http://127.0.0.1:9"]);
    run.exits(6).says("127.0.0.1").hides("planted-token").hides("hidden-secret");
}

#[test]
fn an_environment_that_is_not_there_shows_how_to_make_it() {
    let scene = Scene::new();
    let file = scene.file("a.csv", CSV);
    scene.run(&["import", file, "embedded:missing"]).exits(1).says("keyferry env init embedded:missing");
    assert!(!scene.path("missing").exists());
}

#[test]
fn plaintext_is_written_only_on_demand_and_for_its_owner_alone() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", CSV);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene.run(&["export", "embedded:a", "out.csv"]).exits(2).says("--allow-plaintext");
    assert!(!scene.path("out.csv").exists());
    scene.run(&["export", "embedded:a", "out.csv", "--allow-plaintext"]).succeeds();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(scene.path("out.csv")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn an_unknown_format_asks_for_its_name() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("picture.png", [0x89, b'P', b'N', b'G', 0, 1, 2, 3]);
    scene.run(&["import", file, "embedded:a"]).exits(1).says("--format");
}

#[test]
fn no_message_shows_a_secret_of_the_file() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.jsonl", "{\"vault\":\"V\",\"name\":\"n\",\"password\":\"hidden-secret\",\"tags\":{\"x\":\"hidden-secret\"}}\n{\"name\":\"cut\",\"password\":\"hidden-secret");
    scene.run(&["-v", "import", file, "embedded:a"]).hides("hidden-secret");
}

/// `/dev/full` answers every write with "no space left on device".
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_to_be_full() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", CSV);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = scene
        .command(&["export", "embedded:a", "jsonl:-", "--allow-plaintext"])
        .stdout(full)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn slips_are_told_with_what_to_do_next() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "vault,name,password\nV,n,p\n");
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene.run(&["env", "add", "prod", "embedded:a"]).succeeds();
    scene.run(&["tree", "prd:"]).exits(2).says("did you mean prod:");
    scene.run(&["--config", "none.toml", "env", "list"]).exits(1).says("none.toml");
    scene.run(&["--config", "new.toml", "env", "add", "other", "embedded:a"]).succeeds();
    scene.run(&["--config", "new.toml", "tree", "other:"]).succeeds();
    // Nothing is made inside an environment, nor proposed there.
    scene.run(&["env", "init", "embedded:a/V", "--user", "admin"]).exits(2).says("lies inside");
    let run = scene.run(&["tree", "embedded:a/V"]);
    run.exits(1).says("a//V").hides("env init");
    let weak = [("KEYFERRY_MASTER_PASSWORD", Some("seven77"))];
    let init = ["env", "init", "embedded:weak", "--user", "admin"];
    scene.run_with(&weak, &init).exits(2).says("--allow-weak");
    assert!(!scene.path("weak").exists());
    scene.run_with(&weak, &[&init[..], &["--allow-weak"]].concat()).succeeds();
    scene.run(&["generate", "--length", "3"]).succeeds().says("guessed in moments");
    scene.run(&["serve", "a", "--listen", "localhost"]).exits(2).says("localhost:8300");
}

#[test]
fn quiet_says_nothing_where_all_went_well_and_names_what_did_not() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "vault,name,password\nV,n,p\n");
    let run = scene.run(&["-q", "import", file, "embedded:a"]);
    assert_eq!(run.succeeds().stdout() + &run.stderr(), "");
    let other = scene.file("b.csv", "vault,name,password\nV,n,other\n");
    scene.run(&["-q", "verify", other, "embedded:a"]).exits(4).prints("V / n");
}

#[test]
fn what_is_proposed_after_a_slip_can_be_typed_and_leads_on() {
    let scene = Scene::with_environments(&["a"]);
    let _ = scene.file("s.csv", "folder,name,password\nInfra/db,pg,x\n");
    scene.run(&["import", "s.csv", "embedded:a"]).succeeds();
    // What is proposed takes nothing away.
    scene.run(&["env", "add", "one", "embedded:a"]).succeeds();
    scene
        .run(&["env", "add", "one", "embedded:b"])
        .exits(2)
        .says("choose another name")
        .hides("env remove one");
    scene.run(&["ls", "embeded:a"]).exits(2).says("did you mean embedded:?");
    let refused = scene.run(&["ls", "embedded:a//Infar"]);
    refused.exits(1).says("did you mean Infra?").says("keyferry tree embedded:a shows");
    for command in [
        vec!["ls", "embedded:a//Infra/bd"],
        vec!["fsck", "embedded:a//Nowhere"],
        vec!["audit", "embedded:a//Nowhere"],
    ] {
        scene.run(&command).exits(1).says("keyferry tree embedded:a shows what there is");
    }
    scene.run(&["tree", "embedded:a"]).succeeds().prints("pg");
    // A plan writes no report, and says so.
    let planned = scene.run(&["import", "s.csv", "embedded:a", "--dry-run", "--report", "r.html"]);
    planned.succeeds().says("r.html was not written").says("--plan-to");
    assert!(!scene.path("r.html").exists());
}

#[test]
fn a_change_that_the_sink_refuses_is_rejected_and_the_others_are_made() {
    let scene = Scene::with_environments(&["a"]);
    let table = |one: &str, two: &str| format!("vault,name,password,notes\nV,one,p,{one}\nV,two,q,{two}\n");
    let file = scene.file("first.csv", table("kept", "before"));
    scene.run(&["import", file, "embedded:a"]).succeeds();
    // No environment keeps a NUL.
    let file = scene.file("changed.csv", table("a\0b", "after"));
    let run = scene.run(&["--json", "import", file, "embedded:a", "--on-conflict", "update"]);
    let report = run.exits(3).json();
    assert_eq!(
        (&report["updated"], report["rejected"].as_array().unwrap().len()),
        (&1.into(), 1),
        "{report}"
    );
    let notes = |copy: &str| {
        scene.run(&["export", "embedded:a", copy, "--allow-plaintext"]).succeeds();
        let copy = scene.read(copy);
        ["kept", "before", "after"].map(|note| copy.contains(note))
    };
    assert_eq!(notes("one.jsonl"), [true, false, true]);
    // What was not changed is not taken back either.
    scene.run(&["undo", "2"]).succeeds();
    assert_eq!(notes("two.jsonl"), [true, true, false]);
}
