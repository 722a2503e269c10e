//! `get`, `update` and `api`: single records, by path and by id, with client-side encryption and without.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use keyferry_tests::server::Served;
use keyferry_tests::{Run, Scene};
use std::io::Write as _;
use std::process::Stdio;

const PLANTED: &str = "planted Ünïcode \"secret\"";

const RECORDS: &str = concat!(
    r#"{"vault":"Infra","path":["db"],"name":"mysql","login":"root","password":"planted Ünïcode \"secret\"","customs":["#,
    r#"{"name":"PIN","type":"text","value":"471147"},{"name":"otp","type":"totp","value":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},"#,
    r#"{"name":"login","type":"text","value":"a custom login"}]}"#,
    "\n",
    r#"{"vault":"Infra","path":["db"],"name":"twin","password":"first"}"#,
    "\n",
    r#"{"vault":"Infra","path":["db"],"name":"twin","password":"second"}"#,
    "\n",
    r#"{"vault":"Infra","path":["a/b"],"name":"c#d","password":"of a strange name"}"#,
    "\n",
    r#"{"vault":"Infra","name":"bare","login":"nobody"}"#,
    "\n",
);

/// A served environment with these records, and how to get in.
struct Place {
    scene: Scene,
    served: Served,
}

impl Place {
    fn new(encryption: &str) -> Self {
        let scene = Scene::new();
        let served = Served::new(&scene, "env", encryption);
        let file = scene.file("records.jsonl", RECORDS);
        scene.run(&["import", file, "embedded:env", "--allow-unencrypted-target"]).succeeds();
        Self { scene, served }
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Run {
        let words = [arguments, &["--from", &self.served.url]].concat();
        let mut command = self.served.command(&self.scene, &words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Run::of(&command, child.wait_with_output().unwrap())
    }

    fn get(&self, reference: &str) -> String {
        let run = self.run(&["get", reference, "-n"]);
        run.succeeds();
        run.stdout()
    }

    fn id(&self, reference: &str) -> String {
        self.run(&["get", reference, "--json"]).succeeds().json()["id"].as_str().unwrap().to_owned()
    }
}

fn both(test: impl Fn(&Place)) {
    for encryption in ["on", "off"] {
        test(&Place::new(encryption));
    }
}

#[test]
fn a_secret_is_found_by_its_path_and_by_its_id() {
    both(|place| {
        assert_eq!(place.get("Infra/db/mysql"), PLANTED);
        assert_eq!(place.get("Infra/db/mysql#PIN"), "471147");
        assert_eq!(place.get("Infra/db/mysql#login"), "a custom login", "custom fields go first");
        assert_eq!(place.get(r"Infra/a\/b/c\#d"), "of a strange name");
        assert_eq!(place.get("Infra/bare#login"), "nobody");
        assert_eq!(place.get("Infra/db/mysql#otp?code").len(), 6);
        assert_eq!(place.get("Infra/db/mysql#?code").len(), 6);
        let id = place.id("Infra/db/mysql");
        assert_eq!(place.get(&id), PLANTED);
        assert_eq!(place.run(&["get", "--password-id", &id]).succeeds().stdout(), format!("{PLANTED}\n"));
        let whole = place.run(&["get", &id, "--json"]).succeeds().json();
        assert_eq!(
            whole["customs"][0],
            serde_json::json!({"name": "PIN", "type": "text", "value": "471147"})
        );
        let one = place.run(&["get", &id, "--field", "PIN", "--json"]).succeeds().json();
        assert_eq!(one, serde_json::json!({"value": "471147"}));
    });
}

#[test]
fn what_is_missing_or_ambiguous_is_an_error_and_prints_nothing() {
    let place = Place::new("on");
    for (reference, code, said) in [
        ("Infra/db/mysql#pin", 1, "its fields are: "),
        ("Infra/bare", 1, "it has no password"),
        ("Infra/bare#?code", 1, "no field for one-time codes"),
        ("Infra/db/nothing", 1, "there is no record `Infra/db/nothing`"),
        ("Infra/mysql", 1, "there is no record"),
        ("Nowhere/db/mysql", 1, "there is no record"),
        ("000000000000000000000000", 1, "404"),
        ("Infra/db/twin", 2, "take one by its id: "),
        ("Infra/db/mysql#PIN?code", 1, "no one-time codes from this field"),
        ("prod:Infra/db/mysql", 2, "there is no environment `prod`"),
    ] {
        let run = place.run(&["get", reference]);
        run.exits(code).says(said).hides(PLANTED).hides("471147");
        assert_eq!(run.stdout(), "", "{reference}");
    }
    let named = place.run(&["get", "Infra/db/twin"]).stderr();
    let ids: Vec<&str> = named.rsplit("by its id: ").next().unwrap().trim().split(", ").collect();
    let mut twins: Vec<String> = ids.iter().map(|id| place.get(id)).collect();
    twins.sort();
    assert_eq!(twins, ["first", "second"]);
}

#[test]
fn without_the_key_nothing_is_shown() {
    let place = Place::new("on");
    for (variables, said) in [
        (&[][..], "no key is at hand"),
        (&[("KEYFERRY_MASTER_PASSWORD", "wrong")], "the master password or master key is wrong"),
        (&[("KEYFERRY_MASTER_KEY", "d3Jvbmc=")], "the master password or master key is wrong"),
    ] {
        let words = ["get", "Infra/db/mysql", "--from", &place.served.url];
        let mut command = place.served.command(&place.scene, &words);
        command.env_remove("KEYFERRY_MASTER_PASSWORD").envs(variables.iter().copied());
        let output = command.output().unwrap();
        Run::of(&command, output).exits(5).says(said).hides(PLANTED);
    }
}

#[test]
fn a_secret_goes_into_a_new_private_file() {
    let place = Place::new("on");
    place.run(&["get", "Infra/db/mysql", "--output", "secret", "-n"]).succeeds();
    assert_eq!(place.scene.read("secret"), PLANTED);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(place.scene.path("secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    place.run(&["get", "Infra/bare#login", "--output", "secret"]).exits(1).says("name a new file");
    assert_eq!(place.scene.read("secret"), PLANTED, "what was there stays");
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    both(|place| {
        let before = place.run(&["get", "Infra/db/mysql", "--json"]).succeeds().json();
        place
            .run_with(
                &["update", "Infra/db/mysql", "--stdin", "password", "--allow-unencrypted-target"],
                "new\n",
            )
            .succeeds()
            .hides("new\n\n");
        assert_eq!(place.get("Infra/db/mysql"), "new");
        place
            .run(&[
                "update",
                "Infra/db/mysql",
                "--custom-PIN",
                "0815",
                "--custom-added=a=b",
                "--allow-unencrypted-target",
            ])
            .succeeds();
        place
            .run_with(
                &["update", "Infra/db/mysql", "--stdin", "otp", "--allow-unencrypted-target"],
                "GEZDGNBV",
            )
            .succeeds();
        let after = place.run(&["get", "Infra/db/mysql", "--json"]).succeeds().json();
        let expected = serde_json::json!([
            {"name": "PIN", "type": "text", "value": "0815"},
            {"name": "otp", "type": "totp", "value": "GEZDGNBV"},
            {"name": "login", "type": "text", "value": "a custom login"},
            {"name": "added", "type": "password", "value": "a=b"},
        ]);
        assert_eq!(after["customs"], expected, "each keeps its type and its place");
        for same in ["id", "login", "name", "url", "description", "tags", "vault_id", "folder_id"] {
            assert_eq!(after[same], before[same], "{same}");
        }
        // A record that had no secret at all gets a key with its first one.
        place
            .run_with(
                &["update", "Infra/bare", "--stdin", "password", "--allow-unencrypted-target"],
                "its first",
            )
            .succeeds();
        assert_eq!(place.get("Infra/bare"), "its first");
        place.run(&["update", "Infra/bare", "--generate", "40", "--allow-unencrypted-target"]).succeeds();
        assert_eq!(place.get("Infra/bare").chars().count(), 40);
        place.run(&["update", "Infra/bare", "--name", "renamed", "--tags", "a, b"]).succeeds();
        assert_eq!(place.get("Infra/renamed#tags"), "a,b");
        place.run(&["update", "Infra/renamed"]).exits(2).says("nothing to change");
        // What could be meant for a field does not fall upon the password, nor does a pipe whose program failed.
        let kept = place.get("Infra/db/mysql");
        place.run(&["update", "Infra/db/mysql#PIN", "--generate"]).exits(2).says("--stdin FIELD");
        place
            .run_with(
                &["update", "Infra/db/mysql", "--stdin", "password", "--allow-unencrypted-target"],
                "\n",
            )
            .exits(2)
            .says("empty");
        assert_eq!(place.get("Infra/db/mysql"), kept);
        place
            .run(&["update", "Infra/db/mysql", "--custom", "void", "", "--allow-unencrypted-target"])
            .succeeds();
        place.run(&["get", "Infra/db/mysql#void"]).exits(1).says("field `void` is empty");
        place.scene.run(&["fsck", "embedded:env"]).succeeds();
    });
}

#[test]
fn any_call_can_be_made_and_a_part_of_its_answer_taken() {
    let place = Place::new("off");
    let run = place.run(&["api", "--endpoint", "v1/users/info", "--field", "username"]);
    assert_eq!(run.succeeds().json(), "admin");
    let body = r#"{"name": "made by hand"}"#;
    let made =
        place.run_with(&["api", "--method", "POST", "--endpoint", "/api/v1/vaults", "--params", "-"], body);
    let vault = made.succeeds().json()["id"].as_str().unwrap().to_owned();
    let listed = place.run(&["api", "--endpoint", "v1/vaults", "--field", "items.id"]).succeeds().json();
    assert!(listed.as_array().unwrap().contains(&vault.into()));
    let search = r#"{"query": "mysql", "vaultIds": []}"#;
    let found =
        place.run(&["api", "--endpoint", "v1/items/search", "--params", search, "--field", "items[0].name"]);
    assert_eq!(found.succeeds().json(), "mysql");
    place
        .run(&["api", "--endpoint", "v1/users/info", "--field", "nothing"])
        .exits(1)
        .says("has no `nothing`");
    place.run(&["api", "--endpoint", "v1/nothing"]).exits(1).says("404");
    place.run(&["api", "--endpoint", "v1/../../etc"]).exits(2).says("not a path of the API");
    place.run(&["api", "--endpoint", "v1/items", "--params", "{planted"]).exits(2).hides("planted\"");
}

#[test]
fn tokens_that_are_typed_work_and_are_warned_of() {
    let place = Place::new("off");
    let host = &place.served.url;
    let words = [
        "get",
        "Infra/db/mysql#PIN",
        "--host",
        host,
        "--token",
        place.served.access_token(),
        "--refresh-token",
        "x",
    ];
    place
        .scene
        .run(&words)
        .succeeds()
        .says("--token can be read by other users")
        .hides(place.served.access_token());
    // The official client's variables are for their own address alone.
    let official = |host: &str| {
        let token = Some(place.served.access_token());
        let variables = [("PASSWORK_HOST", Some(host)), ("PASSWORK_TOKEN", token)];
        place.scene.run_with(&variables, &["get", "Infra/db/mysql#PIN"])
    };
    assert_eq!(official(host).succeeds().stdout(), "471147\n");
    let elsewhere = ["get", "Infra/db/mysql#PIN", "--from", "http://127.0.0.1:1"];
    let variables = [("PASSWORK_HOST", Some(host.as_str())), ("PASSWORK_TOKEN", Some("planted"))];
    place.scene.run_with(&variables, &elsewhere).exits(5).says("no token is at hand");
}
