//! Sources and sinks that are no plain files: pipes, links, what is open already, devices, folders.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_tests::{Run, Scene, finish};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::process::{Command, Stdio};

const RECORDS: &str = "vault,name,login,password\nV,one,u,hidden-1\nV,two,u,hidden-2\n";

/// An environment `a` that holds two records, and an empty one, `b`.
fn scene() -> Scene {
    let scene = Scene::with_environments(&["a", "b"]);
    scene.run(&["import", scene.file("people.csv", RECORDS), "embedded:a"]).succeeds();
    scene
}

/// Runs a script in the scene; `$KF` is the binary.
fn bash(scene: &Scene, script: &str) -> Run {
    let keyferry = scene.command(&[]);
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(scene.path("")).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("KF", keyferry.get_program());
    command.env("KEYFERRY_ARCHIVE_PASSPHRASE", "planted passphrase");
    for (name, value) in keyferry.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    finish(command)
}

fn fifo(scene: &Scene, name: &str) {
    assert!(Command::new("mkfifo").arg(scene.path(name)).status().unwrap().success());
}

#[test]
fn pipes_of_every_kind_go_into_an_environment_that_holds_records() {
    let scene = scene();
    for import in [
        "$KF --json import <(cat people.csv) embedded:a",
        "cat people.csv | $KF --json import /dev/stdin embedded:a",
        "cat people.csv | $KF --json import /proc/self/fd/0 embedded:a",
        "cat people.csv | $KF --json import - embedded:a",
        "exec 7< <(cat people.csv); $KF --json import /dev/fd/7 embedded:a",
        "ln -sf /dev/stdin link; cat people.csv | $KF --json import link embedded:a",
        "mkfifo named; cat people.csv > named & $KF --json import named embedded:a",
        "$KF --json import /dev/stdin embedded:a < people.csv",
        "$KF --json migrate csv:<(cat people.csv) embedded:a",
    ] {
        let run = bash(&scene, import);
        run.succeeds();
        let report = run.json();
        assert_eq!((&report["read"], &report["unchanged"]), (&2.into(), &2.into()), "{import}: {report}");
        run.hides("hidden-");
    }
}

#[test]
fn what_a_pipe_gives_is_read_whole_into_an_empty_environment_and_by_other_commands() {
    let scene = scene();
    // Much more than what is looked at to find the format.
    let many: String =
        (0..5_000).fold("vault,name,password\n".to_owned(), |text, n| text + &format!("V,n{n},p{n}\n"));
    let many = scene.file("many.csv", many);
    let run = bash(&scene, &format!("$KF --json import <(cat {many}) embedded:b"));
    assert_eq!(run.succeeds().json()["created"], 5_000);
    bash(&scene, &format!("$KF verify <(cat {many}) embedded:b")).succeeds();
    bash(&scene, &format!("cat {many} | $KF verify embedded:b /dev/stdin")).succeeds();
    let run = bash(&scene, &format!("$KF --json sync <(cat {many}) embedded:b"));
    assert_eq!(run.succeeds().json()["unchanged"], 5_000);
    bash(&scene, "$KF migrate <(cat people.csv) out.jsonl --allow-plaintext").succeeds();
    scene.run(&["verify", "out.jsonl", "people.csv"]).succeeds();
}

#[test]
fn archives_go_through_pipes_both_ways() {
    let scene = scene();
    bash(&scene, "$KF archive create embedded:a - > one.kfa").succeeds();
    bash(&scene, "$KF archive create embedded:a /dev/stdout | cat > two.kfa").succeeds();
    bash(&scene, "mkfifo p.kfa; cat p.kfa > three.kfa & $KF archive create embedded:a p.kfa && wait")
        .succeeds();
    for archive in ["one.kfa", "two.kfa", "three.kfa"] {
        bash(&scene, &format!("$KF archive verify <(cat {archive})")).succeeds().prints("2 records");
        bash(&scene, &format!("cat {archive} | $KF archive list -")).succeeds().prints("one");
        let extract = format!("cat {archive} | $KF --json archive extract /dev/stdin embedded:a");
        assert_eq!(bash(&scene, &extract).succeeds().json()["unchanged"], 2);
    }
    bash(&scene, "$KF archive verify <(cat people.csv)").exits(1);
}

#[test]
fn what_is_no_source_is_named_with_what_to_do() {
    let scene = scene();
    let refused = |file: &str, what: &str, next: &str| {
        for words in [&["import", file, "embedded:a"][..], &["verify", file, "embedded:a"]] {
            let run = scene.run(words);
            run.says(what).says(next);
            assert_ne!(run.code(), Some(0), "{}", run.whole());
        }
    };
    // That of an environment holds no files for anybody.
    refused("a", "this is a folder", "embedded:DIR");
    refused("poeple.csv", "there is no such file", "did you mean people.csv?");
    refused("no/such.csv", "its folder does not exist", "nothing called no in it");
    refused("/dev/fd/963", "nothing is open under this number", "run that command again");
    for device in ["/dev/zero", "/dev/random", "/dev/full"] {
        refused(device, "this is a device, which may have no end", "name a file or a pipe");
    }
    bash(&scene, "$KF import - embedded:a < /dev/zero").exits(2).says("may have no end");
    symlink("circle", scene.path("circle")).unwrap();
    refused("circle", "in a circle", "name the file itself");
}

#[test]
fn an_export_follows_links_and_leaves_them() {
    let scene = scene();
    let path = |name: &str| scene.path(name);
    fs::create_dir(path("elsewhere")).unwrap();
    fs::write(path("elsewhere/real.jsonl"), "old").unwrap();
    fs::set_permissions(path("elsewhere/real.jsonl"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::hard_link(path("elsewhere/real.jsonl"), path("other-name")).unwrap();
    for (link, to) in
        [("link", "elsewhere/real.jsonl"), ("chain", "link"), ("dangling", "elsewhere/new.jsonl")]
    {
        symlink(to, path(link)).unwrap();
    }
    for (link, real) in [("chain", "elsewhere/real.jsonl"), ("dangling", "elsewhere/new.jsonl")] {
        scene.run(&["export", "embedded:a", &format!("jsonl:{link}"), "--allow-plaintext"]).succeeds();
        assert!(path(link).is_symlink() && path("link").is_symlink(), "{link}");
        assert_eq!(fs::metadata(path(real)).unwrap().mode() & 0o777, 0o600, "{real}");
        scene.run(&["verify", &format!("jsonl:{real}"), "embedded:a"]).succeeds();
    }
    assert_eq!(scene.read("other-name"), "old", "no secret under a name that nobody gave");
    symlink("b", path("a-circle")).unwrap();
    symlink("a-circle", path("b-circle")).unwrap();
    fs::remove_file(path("a-circle")).unwrap();
    symlink("b-circle", path("a-circle")).unwrap();
    let run = scene.run(&["export", "embedded:a", "jsonl:a-circle", "--allow-plaintext"]);
    run.exits(1).says("in a circle");
    let run = scene.run(&["export", "embedded:a", "jsonl:elsewhere", "--allow-plaintext"]);
    run.exits(2).says("this is a folder").says("name a file in it");
    let run = scene.run(&["export", "embedded:a", "jsonl:new/", "--allow-plaintext"]);
    run.exits(2).says("names a folder");
    let run = scene.run(&["export", "embedded:a", "jsonl:no/file", "--allow-plaintext"]);
    run.exits(1).says("its folder does not exist");
}

#[test]
fn an_export_writes_through_what_is_no_file_and_never_replaces_it() {
    let scene = scene();
    for (export, at) in [
        ("mkfifo p; cat p > got & $KF export embedded:a jsonl:p --allow-plaintext && wait", "got"),
        ("$KF export embedded:a jsonl:/dev/stdout --allow-plaintext > one", "one"),
        ("$KF export embedded:a jsonl:/proc/self/fd/1 --allow-plaintext | cat > two", "two"),
        ("exec 5> three; $KF export embedded:a jsonl:/dev/fd/5 --allow-plaintext", "three"),
        ("ln -s /proc/self/fd/1 link; $KF export embedded:a jsonl:link --allow-plaintext > four", "four"),
        (
            "$KF migrate embedded:a jsonl:>(cat > five; touch done) --allow-plaintext; until [ -e done ]; do sleep 0.1; done",
            "five",
        ),
    ] {
        bash(&scene, export).succeeds();
        scene.run(&["verify", &format!("jsonl:{at}"), "embedded:a"]).succeeds();
    }
    assert!(fs::metadata(scene.path("p")).unwrap().file_type().is_fifo());
    assert!(scene.path("link").is_symlink());
    // What was written before through the same descriptor stays.
    bash(&scene, "echo first > log; $KF export embedded:a jsonl:/dev/stdout --allow-plaintext >> log")
        .succeeds();
    assert!(scene.read("log").starts_with("first\n") && scene.read("log").contains("hidden-2"));
    for (device, code) in [("/dev/null", 0), ("/dev/full", 1)] {
        let link = format!("to{}", device.replace('/', "-"));
        symlink(device, scene.path(&link)).unwrap();
        let run = scene.run(&["export", "embedded:a", &format!("jsonl:{link}"), "--allow-plaintext"]);
        run.exits(code);
        assert!(scene.path(&link).is_symlink());
        assert!(fs::metadata(device).unwrap().file_type().is_char_device(), "{device}");
    }
}

#[test]
fn reports_and_rejects_follow_links_too_and_are_looked_at_before_the_work() {
    let scene = scene();
    for (link, to) in [("report.json", "real-report"), ("rejects", "real-rejects")] {
        symlink(to, scene.path(link)).unwrap();
    }
    let bad = scene.file("bad.csv", "vault,name,password\nV,three,hidden-3\nV,short\n");
    scene.run(&["import", bad, "embedded:a", "--report", "report.json", "--rejects", "rejects"]).exits(3);
    for (link, to) in [("report.json", "real-report"), ("rejects", "real-rejects")] {
        assert!(scene.path(link).is_symlink(), "{link}");
        assert!(scene.read(to).contains("line 3"), "{}", scene.read(to));
    }
    for option in ["--report", "--rejects"] {
        for (file, what) in [("no/r.json", "folder does not exist"), ("folder.json", "is a folder")] {
            let _ = fs::create_dir(scene.path("folder.json"));
            let run = scene.run(&["import", "people.csv", "embedded:b", option, file]);
            run.says(what);
            assert_ne!(run.code(), Some(0));
        }
    }
    assert_eq!(scene.run(&["tree", "embedded:b"]).succeeds().stdout(), "", "nothing was written");
}

#[test]
fn a_strangers_link_or_pipe_in_a_folder_of_everybody_is_refused() {
    let scene = scene();
    let shared = scene.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(scene.path("target"), "old").unwrap();
    fs::set_permissions(scene.path("target"), fs::Permissions::from_mode(0o666)).unwrap();
    symlink("../target", shared.join("link")).unwrap();
    fifo(&scene, "shared/pipe");
    fs::create_dir(scene.path("mine")).unwrap();
    symlink("../mine", shared.join("way")).unwrap();
    scene.run(&["export", "embedded:a", "jsonl:shared/way/file", "--allow-plaintext"]).succeeds();
    scene.run(&["export", "embedded:a", "jsonl:shared/link", "--allow-plaintext"]).succeeds();
    fs::write(scene.path("target"), "old").unwrap();
    if lchown(shared.join("link"), Some(65_534), None).is_err() {
        eprintln!("SKIPPED: this user cannot give a link away, so there is no stranger's");
        return;
    }
    for name in ["pipe", "way"] {
        lchown(shared.join(name), Some(65_534), None).unwrap();
    }
    for name in ["link", "pipe", "way/file", "way/new"] {
        let to = format!("jsonl:shared/{name}");
        let run = scene.run(&["export", "embedded:a", &to, "--allow-plaintext"]);
        run.exits(5).says("another user laid this").says("a folder of your own");
    }
    assert_eq!(scene.read("target"), "old");
}

#[test]
fn an_interrupted_export_leaves_the_old_file_whole_and_nothing_beside_it() {
    let scene = scene();
    fs::create_dir(scene.path("out")).unwrap();
    fs::write(scene.path("out/file.jsonl"), "old").unwrap();
    // The source breaks off on its way: half an archive.
    let cut = bash(&scene, "$KF archive create embedded:a whole.kfa && head -c 300 whole.kfa > half.kfa");
    cut.succeeds();
    let run = scene.run(&["migrate", "half.kfa", "out/file.jsonl", "--allow-plaintext"]);
    assert_ne!(run.code(), Some(0), "{}", run.whole());
    assert_eq!(scene.read("out/file.jsonl"), "old");
    assert_eq!(fs::read_dir(scene.path("out")).unwrap().count(), 1);
}

#[test]
fn a_pipe_that_nobody_reads_can_be_given_up() {
    let scene = scene();
    fifo(&scene, "lonely");
    let export = ["export", "embedded:a", "jsonl:lonely", "--allow-plaintext"];
    let mut child = scene.command(&export).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(child.try_wait().unwrap().is_none(), "it waits for a reader");
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    std::io::stderr().flush().unwrap();
}
