//! `serve --store`, `env init` and `env copy` on a real PostgreSQL: two servers of the real binary on one database, one of them killed; and
//! what becomes of the database's password.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use keyferry_tests::Scene;
use keyferry_tests::target::{KEEPER, Target};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

const PEOPLE: &str =
    "vault,name,login,password\nInfra,db,postgres,planted-tulip\nInfra,web,root,planted-anemone\n";

/// A server, ended when dropped.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn serve(mut command: Command) -> Server {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    Server { url: ready["url"].as_str().unwrap().to_owned(), child }
}

/// The database that a target begins with, as an environment's store.
pub fn store(target: &Target, parameters: &str) -> String {
    format!("postgres://{}@127.0.0.1:{}/postgres{parameters}", KEEPER.0, target.port)
}

#[test]
fn two_servers_serve_one_database_and_one_goes_on_alone() {
    let Some(target) = Target::postgres() else { return };
    let scene = Scene::new();
    let store = store(&target, "");
    let password = scene.file("pw", format!("{}\n", KEEPER.1));
    let pgpass = scene.file("pgpass", format!("127.0.0.1:{}:*:{}:{}\n", target.port, KEEPER.0, KEEPER.1));

    let missing = scene.run_with(
        &[("KEYFERRY_STORE_PASSWORD", Some(KEEPER.1))],
        &["serve", "--store", &store, "--listen", "127.0.0.1:0"],
    );
    missing
        .exits(1)
        .says("there is no environment in postgres://")
        .says("keyferry env init postgres://")
        .hides(KEEPER.1);

    let words = ["--json", "env", "init", &store, "--user", "admin"];
    let made = scene.run_with(&[("KEYFERRY_STORE_PASSWORD", Some(KEEPER.1))], &words);
    made.succeeds().hides(KEEPER.1);
    let made = made.json();
    assert_eq!(made["location"], store);
    let again = scene.run_with(&[("KEYFERRY_STORE_PASSWORD", Some(KEEPER.1))], &words);
    again.exits(2).says("there is an environment in postgres://").says("already");

    let listen = ["--json", "serve", "--store", &store, "--listen", "127.0.0.1:0", "--log", "off"];
    let mut by_file = scene.command(&listen);
    by_file.env("KEYFERRY_STORE_PASSWORD_FILE", password);
    let mut by_list = scene.command(&listen);
    by_list.env("PGPASSFILE", pgpass);
    let (first, second) = (serve(by_file), serve(by_list));

    let people = scene.file("people.csv", PEOPLE);
    let signed_in = |words: &[&str]| {
        let mut command = scene.command(words);
        command.env("KEYFERRY_TOKEN", made["access_token"].as_str().unwrap());
        scene.finish(command)
    };
    signed_in(&["import", people, &first.url]).succeeds().hides("planted-tulip");
    // What one has written the other has, and it goes on when the one is killed.
    let of = |server: &Server| {
        signed_in(&["get", "--from", &server.url, "Infra/db", "--field", "password"]).succeeds().stdout()
    };
    assert_eq!(of(&second).trim_end(), "planted-tulip");
    drop(first);
    assert_eq!(of(&second).trim_end(), "planted-tulip");
    signed_in(&["verify", people, &second.url]).succeeds();
    signed_in(&["activity", &second.url, "--check"]).succeeds();
}

#[test]
fn a_databases_password_is_in_no_command_and_its_certificate_counts() {
    let Some(target) = Target::postgres() else { return };
    let scene = Scene::new();
    let plain = store(&target, "");
    let held = plain.replace('@', ":planted-in-argv@");
    for words in [
        vec!["env", "init", held.as_str(), "--user", "admin"],
        vec!["serve", "--store", &held],
        vec!["serve", "--store", &store(&target, "?password=planted-in-argv")],
    ] {
        let refused = scene.run(&words);
        refused.exits(2).says("every program on this machine can read").says("KEYFERRY_STORE_PASSWORD");
        refused.hides("planted-in-argv");
    }
    scene.run(&["serve", &plain]).exits(2).says("--store");
    scene.run(&["serve", "--store", &plain, "--tls"]).exits(2).says("--tls-cert");
    scene
        .run(&["env", "init", "postgres://", "--user", "admin"])
        .exits(2)
        .says("postgres://USER@HOST:PORT/DATABASE");
    // A wrong one is told without being shown.
    let wrong = [("KEYFERRY_STORE_PASSWORD", Some("planted-wrong"))];
    let wrong = scene.run_with(&wrong, &["serve", "--store", &plain]);
    wrong.exits(1).says("password authentication failed").hides("planted-wrong");

    // Over TLS only who shows a certificate that the system trusts.
    let sealed = store(&target, "?sslmode=require");
    let words = ["env", "init", &sealed, "--user", "admin", "--client-encryption", "off"];
    let key = ("KEYFERRY_STORE_PASSWORD", Some(KEEPER.1));
    scene.run_with(&[key], &words).exits(1).says("certificate").hides(KEEPER.1);
    let authority = target.authority().display().to_string();
    scene.run_with(&[key, ("SSL_CERT_FILE", Some(&authority))], &words).succeeds();
}

#[test]
fn a_folders_environment_is_served_from_a_database_as_it_was() {
    let Some(target) = Target::postgres() else { return };
    let scene = Scene::new();
    let store = store(&target, "");
    let key = ("KEYFERRY_STORE_PASSWORD", Some(KEEPER.1));
    let made = scene.run(&["--json", "env", "init", "embedded:here", "--user", "admin"]).succeeds().json();
    let people = scene.file("people.csv", PEOPLE);
    scene.run(&["import", people, "embedded:here"]).succeeds();
    let nowhere = scene.run_with(&[key], &["env", "copy", "embedded:here//Infra", &store]);
    nowhere.exits(2).says("as a whole");
    // PostgreSQL says at length what is wrong, and quotes the row: that is told to nobody.
    let file = rusqlite::Connection::open(scene.path("here/environment.db")).unwrap();
    let stands_in = |folder: Option<&str>| {
        file.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        let changed = file.execute("UPDATE items SET folder_id = ?1 WHERE name = 'db'", [folder]);
        assert_eq!(changed.unwrap(), 1);
    };
    stands_in(Some("planted-in-a-row"));
    let broken = scene.run_with(&[key], &["-v", "env", "copy", "embedded:here", &store]);
    broken.exits(1).says("violates foreign key constraint").hides("planted-in-a-row");
    stands_in(None);
    drop(file);
    let copied = scene.run_with(&[key], &["--json", "env", "copy", "embedded:here", &store]);
    assert!(copied.succeeds().json()["rows"].as_u64().unwrap() > 10);
    scene.run_with(&[key], &["env", "copy", "embedded:here", &store]).exits(2).says("already");

    let mut serving =
        scene.command(&["--json", "serve", "--store", &store, "--listen", "127.0.0.1:0", "--log", "off"]);
    serving.env("KEYFERRY_STORE_PASSWORD", KEEPER.1);
    let server = serve(serving);
    // The token that the folder's environment gave out.
    let mut verify = scene.command(&["verify", "embedded:here", &server.url]);
    verify.env("KEYFERRY_TO_TOKEN", made["access_token"].as_str().unwrap());
    scene.finish(verify).succeeds();
}
