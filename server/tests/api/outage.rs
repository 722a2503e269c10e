//! What is PostgreSQL's alone: its schema beside `SQLite`'s, connections that end, commits whose answer is lost. Run wherever it
//! is installed, whatever `STORE` says.

use crate::metrics::{metrics, value};
use crate::postgres::{self, PASSWORD};
use crate::world::{World, id, inhabited};
use http::StatusCode;
use keyferry_server::{Environment, Error, ServeOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What one of the two has and the other does not, for these reasons: texts are indexed by FTS5 and by trigrams; a server
/// keeps the schema's version in a table, and has places for those who write at once; what may be longer than a B-tree's key is
/// unique by a hash; and what lies in parts by month has the month in its keys.
const OWN: &[&str] = &[
    "table item_text",
    "table keyferry_schema",
    "table writers",
    "column writers.slot INTEGER not null",
    "key writers (slot)",
    "unique users (username)",
    "unique user_roles (code)",
    "unique vault_types (code)",
    "index item_tags (tag)",
    "key item_tags (item,tag)",
    "key activity (seq)",
    "key activity (at,seq)",
    "key snapshots (seq)",
    "key snapshots (created_at,seq)",
    "unique snapshots (id)",
    "unique snapshots (created_at,id)",
];

fn of_file(file: &rusqlite::Connection) -> BTreeSet<String> {
    let sql = include_str!("../../../sql/tests/schema_of_file.sql");
    let mut statement = file.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn of_server(database: &postgres::Database) -> BTreeSet<String> {
    let sql = include_str!("../../../sql/tests/schema_of_server.sql");
    database.lines(sql).into_iter().collect()
}

#[test]
fn both_schemas_are_one_column_by_column() {
    let Some(database) = postgres::database() else { return };
    let dir = tempfile::tempdir().unwrap();
    let _in_file = Environment::create(dir.path(), true).unwrap();
    let _on_server = Environment::create_on(&database.address(), true).unwrap();
    let file = of_file(&rusqlite::Connection::open(dir.path().join("environment.db")).unwrap());
    let server = of_server(&database);
    assert!(file.len() > 200 && server.len() > 200, "{} {}", file.len(), server.len());
    let differs: Vec<&String> = file
        .symmetric_difference(&server)
        .filter(|line| {
            let of_version =
                line.starts_with("column keyferry_schema.") || line.starts_with("key keyferry_schema ");
            !OWN.contains(&line.as_str()) && !of_version
        })
        .collect();
    assert!(differs.is_empty(), "{differs:#?}");
    let version: i64 = rusqlite::Connection::open(dir.path().join("environment.db"))
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(database.number("SELECT version FROM keyferry_schema"), version);
    assert_eq!(database.number("SELECT count(*) FROM pg_class WHERE relname = 'item_text_trigrams'"), 1);
}

#[test]
fn an_environment_of_a_newer_version_is_refused_and_one_that_is_half_made_is_none() {
    let Some(database) = postgres::database() else { return };
    // What stands in the way stands there before anything is made.
    database.change("CREATE TABLE folders (id TEXT)", &[]);
    assert!(matches!(Environment::create_on(&database.address(), true), Err(Error::Database(_))));
    assert_eq!(
        database.number("SELECT count(*) FROM pg_class WHERE relname IN ('keyferry_schema', 'users')"),
        0
    );
    database.change("DROP TABLE folders", &[]);
    drop(Environment::create_on(&database.address(), true).unwrap());
    database.change("UPDATE keyferry_schema SET version = version + 1", &[]);
    let refused = Environment::open_on(&database.address());
    assert!(matches!(&refused, Err(Error::TooNew(version)) if *version > 10), "{:?}", refused.err());
    for version in [-1, 0, 3] {
        database.change(&format!("UPDATE keyferry_schema SET version = {version}"), &[]);
        let refused = Environment::open_on(&database.address()).err().unwrap().to_string();
        assert!(refused.contains("version"), "{version}: {refused}");
    }
}

#[test]
fn who_is_not_let_in_is_told_why_and_reads_no_password() {
    let Some(database) = postgres::database() else { return };
    let port = database.address().to_string().split([':', '/']).nth(4).unwrap().parse().unwrap();
    let wrong = database.address_by(port).with_password("planted-wrong");
    let error = Environment::open_on(&wrong).err().unwrap().to_string();
    assert!(error.contains("password authentication failed") && !error.contains("planted"), "{error}");
    let error = Environment::open_on(&database.address_by(port)).err().unwrap().to_string();
    assert!(error.contains("password"), "{error}");
}

#[test]
fn names_and_tags_may_be_longer_than_a_key_of_an_index() {
    let Some(database) = postgres::database() else { return };
    let environment = Environment::create_on(&database.address(), true).unwrap();
    // What does not become shorter when it is packed.
    let mut state = 1_u64;
    let mut long = |length: usize| -> String {
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
            })
            .collect()
    };
    let (name, tag, code) = (long(30_000), long(9_000), long(50_000));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (router, alice, _) = inhabited(&environment, ServeOptions::default());
        let world = World { dir: tempfile::tempdir().unwrap(), environment, router, server: None };
        let user = json!({"username": name, "password": "correct horse"});
        world.ok("POST", "/users", &alice, user.clone()).await;
        assert_eq!(world.send("POST", "/users", &alice, true, user.clone()).await.0, StatusCode::CONFLICT);
        world.ok("POST", "/users/login", "", user).await;
        let role = json!({"name": "r", "code": code, "rights": []});
        world.ok("POST", "/user-roles", &alice, role.clone()).await;
        assert_eq!(world.send("POST", "/user-roles", &alice, true, role).await.0.as_u16(), 422);
        let vault = world.vault(&alice).await;
        let item = json!({"vaultId": vault, "name": "n", "tags": [tag, tag]});
        let item = id(&world.ok("POST", "/items", &alice, item).await);
        let encoded = tag.bytes().fold(String::new(), |out, byte| out + &format!("%{byte:02X}"));
        let found = world.ok("GET", &format!("/items/search?tags[]={encoded}"), &alice, Value::Null).await;
        assert_eq!(found["items"][0]["id"], json!(item));
        assert_eq!(found["items"].as_array().unwrap().len(), 1);
    });
}

/// What a proxy does with connections.
const PASS: u8 = 0;
const REFUSE: u8 = 1;
/// The server gets the next commit, and its answer is lost.
const LOSE_ANSWER: u8 = 2;
/// The server does not even get it.
const LOSE_COMMIT: u8 = 3;

struct Proxy {
    port: u16,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), mode: Arc::default() };
        let mode = proxy.mode.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, mode) = (client.unwrap(), mode.clone());
                if mode.load(Ordering::SeqCst) == REFUSE {
                    continue;
                }
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let dead = Arc::new(AtomicU8::new(PASS));
                let cut = dead.clone();
                std::thread::spawn(move || answers(from_server, to_client, &dead));
                std::thread::spawn(move || questions(client, server, &mode, &cut));
            }
        });
        proxy
    }

    fn does(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

fn answers(mut from: TcpStream, mut to: TcpStream, dead: &AtomicU8) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if dead.load(Ordering::SeqCst) != PASS || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn questions(mut from: TcpStream, mut to: TcpStream, mode: &AtomicU8, dead: &AtomicU8) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let what = mode.load(Ordering::SeqCst);
        let commits = buffer[..length].windows(7).any(|part| part == b"COMMIT\0");
        if what == REFUSE || commits && what == LOSE_COMMIT {
            break;
        }
        if commits && what == LOSE_ANSWER {
            // The answer, which comes now, is the last thing that happens here.
            dead.store(LOSE_ANSWER, Ordering::SeqCst);
            let _ = to.write_all(&buffer[..length]);
            return;
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// An environment by way of a proxy.
fn behind_proxy() -> Option<(World, String, Proxy)> {
    let database = postgres::database()?;
    let port = database.address().to_string().split([':', '/']).nth(4).unwrap().parse().unwrap();
    let proxy = Proxy::to(port);
    let address = database.address_by(proxy.port).with_password(PASSWORD);
    let environment = Environment::create_on(&address, true).unwrap();
    let (router, alice, _) = inhabited(&environment, ServeOptions::default());
    let world = World { dir: tempfile::tempdir().unwrap(), environment, router, server: Some(database) };
    Some((world, alice, proxy))
}

#[tokio::test]
async fn connections_that_ended_are_made_anew() {
    let Some((world, alice, _proxy)) = behind_proxy() else { return };
    let vault = world.vault(&alice).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for number in 0..3 {
        assert!(world.number(end) >= 2, "one that writes and one that reads");
        // Nobody notices: neither who reads, nor who writes.
        let item = json!({"vaultId": vault, "name": number.to_string()});
        if number == 1 {
            world.ok("POST", "/items", &alice, item).await;
            world.ok("GET", "/vaults", &alice, Value::Null).await;
        } else {
            world.ok("GET", "/vaults", &alice, Value::Null).await;
            world.ok("POST", "/items", &alice, item).await;
        }
    }
    assert_eq!(world.number("SELECT count(*) FROM items"), 3);
}

#[tokio::test]
async fn a_database_that_is_away_is_said_to_be_and_comes_back() {
    let Some((world, alice, proxy)) = behind_proxy() else { return };
    let health = async |path: &str| {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap().status()
    };
    assert_eq!((health("/health").await, health("/health/live").await), (StatusCode::OK, StatusCode::OK));
    proxy.does(REFUSE);
    assert_eq!(health("/health").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health("/health/live").await, StatusCode::OK, "the server itself lives");
    for (method, path, body) in [("GET", "/vaults", Value::Null), ("POST", "/vaults", json!({"name": "v"}))] {
        let (status, answer) = world.send(method, path, &alice, true, body).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains("nothing was changed"), "{answer}");
    }
    let counted = metrics(&world).await;
    // Of the one look at its health, and of both requests.
    assert_eq!(value(&counted, r#"keyferry_database_errors_total{kind="away"}"#), "3");
    proxy.does(PASS);
    assert_eq!(health("/health").await, StatusCode::OK);
    world.vault(&alice).await;
    assert_eq!(world.number("SELECT count(*) FROM vaults"), 1);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_told_as_such_and_settled_by_its_key() {
    let Some((world, alice, proxy)) = behind_proxy() else { return };
    let vault = world.vault(&alice).await;
    let ask = async |key: &str| {
        let body = json!({"vaultId": vault, "name": key}).to_string();
        let request = http::Request::post("/api/v1/items")
            .header("authorization", format!("Bearer {alice}"))
            .header("x-response-format", "raw")
            .header("idempotency-key", key)
            .body(axum::body::Body::from(body))
            .unwrap();
        let answer = tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap();
        let status = answer.status();
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    for (mode, key, kept) in [(LOSE_ANSWER, "kept", 1), (LOSE_COMMIT, "lost", 0)] {
        proxy.does(mode);
        let (status, answer) = ask(key).await;
        proxy.does(PASS);
        assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{answer}");
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains("did not say"), "{answer}");
        let there = format!("SELECT count(*) FROM items WHERE name = '{key}'");
        assert_eq!(world.number(&there), kept, "{key}");
        // With the same key it is there once, whichever of the two it was.
        let (status, answer) = ask(key).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(world.number(&there), 1);
    }
}

/// What an environment answers to each of these, as whoever the token is of.
pub async fn answers_of(world: &World, token: &str, paths: &[String]) -> Vec<Value> {
    let mut all = Vec::new();
    for path in paths {
        all.push(world.ok("GET", path, token, Value::Null).await);
    }
    all
}

#[tokio::test]
async fn an_environment_moves_from_its_folder_with_everything() {
    let Some(database) = postgres::database() else { return };
    let dir = tempfile::tempdir().unwrap();
    let environment = Environment::create(dir.path(), true).unwrap();
    let (router, alice, bob) = inhabited(&environment, ServeOptions::default());
    let folder = World { dir, environment, router, server: None };
    let vault = folder.vault(&alice).await;
    let bob_id = id(&folder.ok("GET", "/users/info", &bob, Value::Null).await);
    folder
        .ok("POST", &format!("/vaults/{vault}/users"), &alice, json!({"userId": bob_id, "role": "read"}))
        .await;
    let make = async |name: &str, parent: &Value| {
        id(&folder
            .ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": name, "parentFolderId": parent}))
            .await)
    };
    // The one above is younger than the one below.
    let below = make("below", &Value::Null).await;
    let above = make("above", &Value::Null).await;
    let to = json!({"vaultId": vault, "parentFolderId": above});
    folder.ok("POST", &format!("/folders/{below}/move"), &alice, to).await;
    let mut items = Vec::new();
    for number in 0..120 {
        let attachment =
            json!({"name": "a", "encryptedKey": "k", "encryptedData": "d".repeat(number * 10), "hash": "h"});
        let item = json!({"vaultId": vault, "folderId": below, "name": format!("Почта {number}"), "tags": ["t", "ü"],
            "attachments": [attachment], "isFavorite": number == 3});
        items.push(id(&folder.ok("POST", "/items", &alice, item).await));
    }
    folder.ok("PATCH", &format!("/items/{}", items[0]), &alice, json!({"login": "l"})).await;
    folder.ok("DELETE", &format!("/items/{}", items[1]), &alice, Value::Null).await;
    let paths = [
        "/users",
        "/vaults",
        "/activity-log?limit=1000",
        "/activity-log/check",
        "/bin-items",
        "/items/search?query=%D0%BF%D0%9E%D0%A7%D1%82%D0%B0%201&limit=20",
        "/items/search?tags[]=%C3%BC&limit=3&offset=100",
        &format!("/items/{}", items[0]),
        &format!("/items/{}", items[119]),
        &format!("/items/{}/snapshots", items[0]),
        &format!("/folders/{below}"),
        &format!("/vaults/{vault}/users"),
    ]
    .map(str::to_owned);
    let before = answers_of(&folder, &alice, &paths).await;

    let rows = folder.environment.copy_to(&database.address()).unwrap();
    assert!(rows > 700, "{rows}");
    let again = folder.environment.copy_to(&database.address());
    assert!(matches!(again, Err(Error::AlreadyThere(_))), "{again:?}");
    let environment = Environment::open_on(&database.address()).unwrap();
    let router = environment.router(ServeOptions::default());
    let moved = World { dir: tempfile::tempdir().unwrap(), environment, router, server: Some(database) };
    // Sessions go on, and every number that is drawn next is a new one.
    assert_eq!(answers_of(&moved, &alice, &paths).await, before);
    moved.ok("GET", &format!("/items/{}", items[5]), &bob, Value::Null).await;
    let new = json!({"vaultId": vault, "name": "new", "attachments": [{"name": "a", "encryptedKey": "", "encryptedData": "", "hash": ""}]});
    moved.ok("POST", "/items", &alice, new).await;
    moved.vault(&alice).await;
    moved.environment.add_user(crate::world::user("carol")).unwrap();
    assert_eq!(moved.ok("GET", "/activity-log/check", &alice, Value::Null).await["broken"], Value::Null);

    // Of an older environment a text may hold what PostgreSQL does not keep: then nothing is.
    folder.change("UPDATE items SET login = 'a' || char(0) WHERE id = ?1", &[&items[7]]);
    let empty = postgres::Database::new();
    let error = folder.environment.copy_to(&empty.address()).unwrap_err().to_string();
    assert!(error.contains("`login`") && error.contains("`items`"), "{error}");
    assert_eq!(empty.number("SELECT count(*) FROM pg_class WHERE relname = 'keyferry_schema'"), 0);
}
