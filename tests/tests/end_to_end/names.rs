//! Names as people type them: in another Unicode form, with a slip of the pen, or made to deceive.

use keyferry_tests::Scene;

/// `ü` and `é` as a Mac writes them.
const DECOMPOSED: &str = "Bu\u{308}ro/Cafe\u{301}";
const COMPOSED: &str = "Büro/Café";

fn scene() -> Scene {
    let scene = Scene::with_environments(&["a"]);
    let text = "{\"vault\":\"Bu\u{308}ro\",\"path\":[\"Cafe\u{301}\"],\"name\":\"Tu\u{308}r\",\"password\":\"planted\",\"tags\":[\"gru\u{308}n\"]}\n\
        {\"vault\":\"Other\",\"name\":\"o\",\"password\":\"x\",\"tags\":[\"red\"]}\n";
    let file = scene.file("a.jsonl", text);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene
}

#[test]
fn names_are_found_in_either_unicode_form_and_stay_as_they_were() {
    let scene = scene();
    for place in [COMPOSED, DECOMPOSED] {
        let path = format!("{place}/Tür");
        scene.run(&["get", "--from", "embedded:a", &path]).succeeds().prints("planted");
        let folder = place.split('/').next_back().unwrap_or_default();
        let vault = place.split('/').next().unwrap_or_default();
        for choice in
            [&["--vault", vault][..], &["--folder", folder], &["--tag", "grün"], &["--query", "TÜR"]]
        {
            let words = [&["export", "embedded:a", "o.jsonl", "--allow-plaintext"][..], choice].concat();
            scene.run(&words).succeeds();
            let out = scene.read("o.jsonl");
            assert!(
                out.contains("planted")
                    && out.contains(DECOMPOSED.split('/').next_back().unwrap_or_default()),
                "{out}"
            );
        }
    }
}

#[test]
fn an_exact_name_goes_before_an_equivalent_one() {
    let scene = scene();
    let file = scene.file(
        "b.jsonl",
        "{\"vault\":\"Büro\",\"path\":[\"Café\"],\"name\":\"Tür\",\"password\":\"composed\"}\n",
    );
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene.run(&["get", "--from", "embedded:a", "Büro/Café/Tür"]).succeeds().prints("composed");
    scene
        .run(&["get", "--from", "embedded:a", &format!("{DECOMPOSED}/Tu\u{308}r")])
        .succeeds()
        .prints("planted");
    scene.run(&["env", "add", "mine", "embedded:a"]).succeeds();
    let key = [("KEYFERRY_MINE_MASTER_PASSWORD", Some("planted master password"))];
    for (place, secret, other) in
        [("mine:Büro/Café", "composed", "planted"), ("mine:Bu\u{308}ro", "planted", "composed")]
    {
        scene.run_with(&key, &["export", place, "one.jsonl", "--allow-plaintext"]).succeeds();
        let out = scene.read("one.jsonl");
        assert!(out.contains(secret) && !out.contains(other), "{place}: {out}");
    }
    // Neither is what was typed.
    scene.run(&["get", "--from", "embedded:a", "Büro/Cafe\u{301}/Tür"]).exits(2).says("by its id");
}

#[test]
fn a_filter_that_matches_nothing_is_an_error_that_shows_near_names() {
    let scene = scene();
    scene.run(&["env", "init", "embedded:new", "--user", "admin"]).succeeds();
    for (choice, near) in [
        (["--vault", "Othr"], "did you mean Other"),
        (["--folder", "Kafé"], "Cafe"),
        (["--tag", "red2"], "did you mean red"),
        (["--vault", "entirely else"], "--allow-empty"),
    ] {
        for words in [
            &["export", "embedded:a", "o.jsonl", "--allow-plaintext"][..],
            &["import", "a.jsonl", "embedded:new"],
            &["migrate", "a.jsonl", "embedded:new"],
            &["verify", "a.jsonl", "embedded:a"],
        ] {
            scene.run(&[words, &choice].concat()).exits(1).says(near);
            assert!(!scene.path("o.jsonl").exists());
            assert_eq!(scene.run(&["tree", "embedded:new"]).succeeds().stdout().trim(), "");
        }
        let all = [&["export", "embedded:a", "p.jsonl", "--allow-plaintext", "--allow-empty"][..], &choice]
            .concat();
        scene.run(&all).succeeds().prints("no record matches the filter");
    }
    // What was looked for, rather than named, may be missing.
    scene.run(&["export", "embedded:a", "q.jsonl", "--allow-plaintext", "--query", "nowhere"]).succeeds();
    scene
        .run(&["export", "embedded:a", "q.jsonl", "--allow-plaintext", "--changed-since", "2999-01-01"])
        .succeeds();
}

/// One right word beside a wrong one, and words that are right elsewhere: nothing is written before the error.
#[test]
fn each_word_of_a_filter_must_match_before_anything_is_written() {
    let scene = Scene::with_environments(&["a", "new"]);
    let text = "{\"vault\":\"A\",\"path\":[\"one\"],\"name\":\"r1\",\"password\":\"p\",\"tags\":[\"red\"]}\n\
        {\"vault\":\"B\",\"path\":[\"two\"],\"name\":\"r2\",\"password\":\"p\",\"tags\":[\"blue\"]}\n";
    let file = scene.file("ab.jsonl", text);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    scene.run(&["env", "add", "mine", "embedded:a"]).succeeds();
    let key = [("KEYFERRY_MINE_MASTER_PASSWORD", Some("planted master password"))];
    for choice in [
        ["--vault", "A", "--vault", "Bb"],
        ["--tag", "red", "--tag", "bleu"],
        ["--vault", "A", "--folder", "two"],
        ["--vault", "A", "--tag", "blue"],
    ] {
        for source in [&["import", file][..], &["migrate", "embedded:a"], &["sync", file]] {
            scene.run(&[source, &["embedded:new"], &choice].concat()).exits(1);
            assert_eq!(
                scene.run(&["tree", "embedded:new"]).succeeds().stdout().trim(),
                "",
                "{source:?} {choice:?}"
            );
        }
    }
    for place in ["mine:A/nofolder", "mine:A/one/none"] {
        scene.run_with(&key, &["export", place, "o.jsonl", "--allow-plaintext"]).exits(1);
        assert!(!scene.path("o.jsonl").exists());
        scene.run_with(&key, &["verify", place, "embedded:new"]).exits(1);
    }
    scene.run_with(&key, &["export", "mine:A/one", "o.jsonl", "--allow-plaintext"]).succeeds();
}

#[test]
fn a_source_without_records_is_an_error_for_every_format() {
    let scene = Scene::with_environments(&["a", "b"]);
    for (name, text) in [
        ("a.csv", ""),
        ("b.csv", "name,password\n"),
        ("a.json", "{\"vaults\":[]}"),
        ("b.json", ""),
        ("a.jsonl", "\n\n"),
        ("empty", ""),
    ] {
        let file = scene.file(name, text);
        for words in [
            &["import", file, "embedded:a"][..],
            &["migrate", file, "embedded:a"],
            &["verify", file, "embedded:a"],
        ] {
            scene.run(words).exits(1).says("no records").says("--allow-empty");
        }
        scene.run(&["import", file, "embedded:a", "--allow-empty"]).succeeds();
    }
    scene.run(&["migrate", "embedded:a", "embedded:b"]).exits(1).says("no records");
    scene.run(&["export", "embedded:a", "o.csv", "--allow-plaintext"]).exits(1).says("no records");
    assert!(!scene.path("o.csv").exists());
}

#[test]
fn a_place_typed_in_another_form_is_not_made_a_second_time() {
    let scene = scene();
    let file = scene.file("c.csv", "name,password\nnew,p\n");
    scene.run(&["env", "add", "mine", "embedded:a"]).succeeds();
    let key = [("KEYFERRY_MINE_MASTER_PASSWORD", Some("planted master password"))];
    scene.run_with(&key, &["import", file, "mine:Büro/Café"]).succeeds();
    scene.run(&["get", "--from", "embedded:a", &format!("{DECOMPOSED}/new")]).succeeds();
    scene.run(&["ls", "mine:Büro"]).succeeds().prints("Cafe");
    scene.run(&["tree", "mine:Büro/Café"]).succeeds().prints("new");
    let tree = scene.run(&["tree", "embedded:a"]).stdout();
    assert_eq!(tree.matches("Café").count() + tree.matches("Cafe\u{301}").count(), 1, "{tree}");
}

#[test]
fn characters_that_deceive_are_made_visible() {
    let scene = Scene::with_environments(&["a"]);
    let text = "{\"vault\":\"V\",\"name\":\"a\u{202e}txt.exe\",\"password\":\"p\"}\n{\"vault\":\"V\",\"name\":\"zero\u{200b}width\u{1b}[31m\",\"password\":\"p\",\"tags\":7}\n";
    let file = scene.file("a.jsonl", text);
    scene.run(&["import", file, "embedded:a", "--report", "r.html"]).exits(3);
    for run in [scene.run(&["tree", "embedded:a"]), scene.run(&["verify", file, "embedded:a"])] {
        let out = run.stdout() + &run.stderr();
        assert!(!out.contains(['\u{202e}', '\u{200b}', '\u{1b}']), "{out}");
    }
    assert!(scene.run(&["tree", "embedded:a"]).stdout().contains(r"a\u{202e}txt.exe"));
    assert!(!scene.read("r.html").contains(['\u{202e}', '\u{200b}']));
    // Programs get the name itself.
    assert!(scene.run(&["--json", "tree", "embedded:a"]).stdout().contains("a\u{202e}txt.exe"));
}
