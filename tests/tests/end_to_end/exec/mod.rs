//! `keyferry exec`: programs of the system run with secrets of a real environment.

// The programs are GNU's and the kernel's own: `stat -c`, `base64 -w0`, /proc.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod choose;
mod docs;
mod files;
mod mask;
mod run;
mod write;

use keyferry_tests::Scene;

/// The password of `Infra/db/mysql`: signs that shells, addresses and documents all write in ways of their own.
const MYSQL: &str = "pl4nted \"my\"/$ql's+é";
/// Its field `PIN`.
const PIN: &str = "pl4nted-pin-4711";
/// The password of `Infra/app/key`, of several lines.
const KEY: &str = "-----BEGIN pl4nted-----\nZmlyc3QgbGluZQ\nc2Vjb25kIGxpbmU\n-----END pl4nted-----\n";

const RECORDS: &str = concat!(
    r#"{"vault":"Infra","path":["db"],"name":"mysql","login":"root","password":"pl4nted \"my\"/$ql's+é","customs":["#,
    r#"{"name":"host","type":"text","value":"db.example"},{"name":"PIN","type":"password","value":"pl4nted-pin-4711"},"#,
    r#"{"name":"otp","type":"totp","value":"GEZDGNBVGY3TQOJQ"}],"tags":["prod"]}"#,
    "\n",
    r#"{"vault":"Infra","path":["app"],"name":"key","password":"-----BEGIN pl4nted-----\nZmlyc3QgbGluZQ\nc2Vjb25kIGxpbmU\n-----END pl4nted-----\n"}"#,
    "\n",
    r#"{"vault":"Infra","path":["app","deep"],"name":"api-token","password":"pl4nted-token","tags":["prod","api"]}"#,
    "\n",
    r#"{"vault":"Infra","path":["app"],"name":"empty","description":"no password"}"#,
    "\n",
    r#"{"vault":"Odd","name":"PATH","password":"pl4nted-path"}"#,
    "\n",
    r#"{"vault":"Odd","name":"LD_PRELOAD","password":"pl4nted-preload"}"#,
    "\n",
    r#"{"vault":"Odd","name":"zero","password":"pl4\u0000nted"}"#,
    "\n",
    r#"{"vault":"Odd","name":"short","password":"abc"}"#,
    "\n",
    r#"{"vault":"Odd","path":["twins"],"name":"db-main","password":"pl4nted-1"}"#,
    "\n",
    r#"{"vault":"Odd","path":["twins"],"name":"db main","password":"pl4nted-2"}"#,
    "\n",
);

/// A scene with the embedded environment `a` that holds these records.
fn scene() -> Scene {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("records.jsonl", RECORDS);
    scene.run(&["import", file, "embedded:a"]).succeeds();
    std::fs::remove_file(scene.path("records.jsonl")).unwrap();
    scene
}

/// `exec` on that environment.
fn exec<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["exec", "--from", "embedded:a"], words].concat()
}
