//! `Idempotency-Key`: a write that names one happens once.

use crate::world::{World, id, world};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const REUSED: &str = "idempotencyKeyReused";

async fn keyed(
    world: &World,
    (method, path): (&str, &str),
    token: &str,
    key: &str,
    body: &Value,
) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("x-response-format", "raw")
        .header("Idempotency-Key", key)
        .body(axum::body::Body::from(if body.is_null() { String::new() } else { body.to_string() }))
        .unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    (status, serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap())
}

async fn items(world: &World, token: &str, vault: &str) -> usize {
    let list = world.ok("GET", &format!("/items?vaultId={vault}"), token, Value::Null).await;
    list["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_same_request_gets_the_first_answer_and_another_none() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let draft = json!({"vaultId": vault, "name": "n", "keyEncrypted": "k1"});
    let create = ("POST", "/items");
    let (status, first) = keyed(&world, create, &alice, "\"one\"", &draft).await;
    assert_eq!(status, 200);
    for _ in 0..3 {
        // With quotes or without, the members' blanks or not: the same request.
        assert_eq!(keyed(&world, create, &alice, "one", &draft).await, (StatusCode::OK, first.clone()));
    }
    let other = json!({"vaultId": vault, "name": "n", "keyEncrypted": "k2"});
    let (status, refused) = keyed(&world, create, &alice, "one", &other).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(REUSED)));
    assert_eq!(refused["errors"][0]["made"], first["id"]);
    // The same body at another address is another request.
    let (status, refused) = keyed(&world, ("POST", "/items/"), &alice, "one", &draft).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(REUSED)));
    assert_eq!(items(&world, &alice, &vault).await, 1);
    // What was not done a second time is not in the log a second time.
    let log = world.ok("GET", "/activity-log", &alice, Value::Null).await;
    let made = log["items"].as_array().unwrap().iter().filter(|row| row["action"] == "item.create").count();
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a_request_that_was_refused_leaves_its_key_free() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let create = ("POST", "/items");
    assert_eq!(keyed(&world, create, &alice, "k", &json!({"vaultId": vault, "login": "l"})).await.0, 422);
    assert_eq!(keyed(&world, create, &alice, "k", &json!({"vaultId": vault, "name": "n"})).await.0, 200);
}

#[tokio::test]
async fn each_request_of_a_batch_may_have_a_key_and_so_may_the_batch() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let part = |key: &str, name: &str| {
        json!({"method": "POST", "relativeUrl": "/api/v1/items", "headers": {"Idempotency-Key": key},
               "body": {"vaultId": vault, "name": name}})
    };
    let batch = json!({"requests": [part("a", "a"), part("b", "b"), part("a", "a"), part("a", "other")]});
    let first = world.ok("POST", "/batch", &alice, batch.clone()).await;
    let of = |answer: &Value, index: usize| answer["responses"][index].clone();
    assert_eq!(of(&first, 0), of(&first, 2), "twice within one batch");
    assert_eq!(of(&first, 3)["statusCode"], 422);
    assert_eq!(of(&first, 3)["body"]["errors"][0]["made"], of(&first, 0)["body"]["id"]);
    assert_eq!(world.ok("POST", "/batch", &alice, batch).await, first);
    // Alone it is the same request.
    let alone = keyed(&world, ("POST", "/items"), &alice, "a", &json!({"vaultId": vault, "name": "a"})).await;
    assert_eq!(alone.1, of(&first, 0)["body"]);
    assert_eq!(items(&world, &alice, &vault).await, 2);
    // A key of the whole.
    let plain = json!({"requests": [
        {"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": vault, "name": "c"}},
        {"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": vault}},
        {"method": "GET", "relativeUrl": format!("/api/v1/vaults/{vault}")}]});
    let (status, whole) = keyed(&world, ("POST", "/batch"), &alice, "whole", &plain).await;
    assert_eq!((status, &whole["responses"][1]["statusCode"]), (StatusCode::OK, &json!(422)));
    assert_eq!(keyed(&world, ("POST", "/batch"), &alice, "whole", &plain).await, (status, whole));
    assert_eq!(items(&world, &alice, &vault).await, 3);
}

#[tokio::test]
async fn a_key_counts_as_long_as_what_it_made_stands_as_it_was_made() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let create = ("POST", "/items");
    let draft = |key: &str| json!({"vaultId": vault, "name": "n", "keyEncrypted": key});
    let (_, first) = keyed(&world, create, &alice, "k", &draft("1")).await;
    let path = format!("/items/{}", id(&first));
    world.ok("DELETE", &path, &alice, Value::Null).await;
    // What comes late of the first request has no effect: it is answered, and nothing is made.
    assert_eq!(keyed(&world, create, &alice, "k", &draft("1")).await, (StatusCode::OK, first.clone()));
    assert_eq!(items(&world, &alice, &vault).await, 0);
    // Another request may make it anew, once, and then the first one still may not.
    let (status, second) = keyed(&world, create, &alice, "k", &draft("2")).await;
    assert_eq!(status, 200);
    assert_eq!(keyed(&world, create, &alice, "k", &draft("3")).await.1["errors"][0]["made"], second["id"]);
    assert_eq!(keyed(&world, create, &alice, "k", &draft("1")).await.1, first);
    assert_eq!(items(&world, &alice, &vault).await, 1);
    // What somebody edited is another thing by now.
    world.ok("PATCH", &format!("/items/{}", id(&second)), &alice, json!({"name": "edited"})).await;
    assert_eq!(keyed(&world, create, &alice, "k", &draft("4")).await.0, 200);
    assert_eq!(items(&world, &alice, &vault).await, 2);
    // Folders and vaults alike; a folder in the bin is not there.
    let folder = ("POST", "/folders");
    let body = |parent: &Value| json!({"name": "f", "vaultId": vault, "parentFolderId": parent});
    let (_, made) = keyed(&world, folder, &alice, "\"f\";run=r1", &body(&Value::Null)).await;
    let (status, taken) = keyed(&world, folder, &alice, "\"f\";run=r2", &body(&Value::Null)).await;
    assert_eq!((status.as_u16(), &taken["errors"][0]["made"]), (422, &made["id"]), "another run's");
    world.ok("DELETE", &format!("/folders/{}", id(&made)), &alice, Value::Null).await;
    assert_eq!(keyed(&world, folder, &alice, "\"f\";run=r2", &body(&Value::Null)).await.0, 200);
    let vaults = ("POST", "/vaults");
    let (_, made) = keyed(&world, vaults, &alice, "v", &json!({"name": "w"})).await;
    assert_eq!(keyed(&world, vaults, &alice, "v", &json!({"name": "w", "salt": "s"})).await.0, 422);
    world.ok("DELETE", &format!("/vaults/{}", id(&made)), &alice, Value::Null).await;
    assert_eq!(keyed(&world, vaults, &alice, "v", &json!({"name": "w", "salt": "s"})).await.0, 200);
}

#[tokio::test]
async fn changes_and_removals_happen_once_as_well() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let path = format!("/items/{item}");
    let change = ("PATCH", path.as_str());
    assert_eq!(keyed(&world, change, &alice, "p", &json!({"login": "by the job"})).await.0, 200);
    world.ok("PATCH", &path, &alice, json!({"login": "by its user"})).await;
    assert_eq!(keyed(&world, change, &alice, "p", &json!({"login": "by the job"})).await.0, 200);
    let now = world.ok("GET", &path, &alice, Value::Null).await;
    assert_eq!(now["login"], "by its user", "a late change undoes nothing");
    assert_eq!(
        keyed(&world, change, &alice, "p", &json!({"login": "x"})).await.1["errors"][0]["code"],
        REUSED
    );
    let (_, binned) = keyed(&world, ("DELETE", &path), &alice, "d", &Value::Null).await;
    world
        .ok(
            "POST",
            &format!("/bin-items/{}/restore", binned["binItemId"].as_str().unwrap()),
            &alice,
            Value::Null,
        )
        .await;
    assert_eq!(keyed(&world, ("DELETE", &path), &alice, "d", &Value::Null).await.1, binned);
    assert_eq!(
        items(&world, &alice, &vault).await,
        1,
        "a late removal removes nothing that was brought back"
    );
}

#[tokio::test]
async fn a_key_is_its_users_and_gives_no_rights() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (hers, his) = (world.vault(&alice).await, world.vault(&bob).await);
    let create = ("POST", "/items");
    let (_, made) = keyed(&world, create, &alice, "k", &json!({"vaultId": hers, "name": "n"})).await;
    let (status, answer) = keyed(&world, create, &bob, "k", &json!({"vaultId": hers, "name": "n"})).await;
    assert!(status.is_client_error() && answer["errors"][0]["made"].is_null(), "{answer}");
    assert_ne!(answer, made);
    assert_eq!(keyed(&world, create, &bob, "k", &json!({"vaultId": his, "name": "n"})).await.0, 200);
}

#[tokio::test]
async fn a_malformed_key_is_told_and_one_where_none_counts_is_ignored() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let draft = json!({"vaultId": vault, "name": "n"});
    for wrong in ["", "\"open", "\"a\"b", &"x".repeat(256)] {
        let (status, answer) = keyed(&world, ("POST", "/items"), &alice, wrong, &draft).await;
        assert_eq!(
            (status.as_u16(), &answer["errors"][0]["code"]),
            (422, &json!("validationError")),
            "{wrong}"
        );
    }
    // Answers with tokens are kept nowhere.
    let login = json!({"username": "alice", "password": "correct horse"});
    let session = async || keyed(&world, ("POST", "/users/login"), "", "l", &login).await.1;
    assert_ne!(session().await["accessToken"], session().await["accessToken"]);
    // Nor are passwords, or the tokens of links, in a batch whose answer would be kept.
    let user = json!({"username": "new", "password": "correct horse", "masterKeyHash": "aabb"});
    for (path, body) in [("/api/v1/users", user), ("/api/v1/links?x=1", json!({"itemId": vault}))] {
        let batch = json!({"requests": [{"method": "post", "relativeUrl": path, "body": body}]});
        let (status, answer) = keyed(&world, ("POST", "/batch"), &alice, "b", &batch).await;
        assert!(
            status == 422 && answer["errors"][0]["message"].as_str().unwrap().contains("heeds no"),
            "{answer}"
        );
    }
    assert_eq!(items(&world, &alice, &vault).await, 0);
    assert_eq!(world.number("SELECT count(*) FROM idempotency_keys"), 0);
}

#[tokio::test]
async fn keys_are_kept_for_seven_days() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let draft = json!({"vaultId": vault, "name": "n"});
    let create = ("POST", "/items");
    let (_, first) = keyed(&world, create, &alice, "k", &draft).await;
    let age = |days: i64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let then = now.cast_signed() - days * 24 * 60 * 60 - 60;
        assert_eq!(world.change(&format!("UPDATE idempotency_keys SET kept_at = {then}"), &[]), 1);
    };
    age(6);
    assert!(world.environment.keep_house().unwrap());
    assert_eq!(keyed(&world, create, &alice, "k", &draft).await.1, first);
    age(7);
    let (status, second) = keyed(&world, create, &alice, "k", &draft).await;
    assert!(
        status == 200 && second != first,
        "beyond its time it counts no longer, also before it is taken out"
    );
    age(7);
    world.change("UPDATE housekeeping SET until = 0", &[]);
    assert!(world.environment.keep_house().unwrap());
    assert_eq!(world.number("SELECT count(*) FROM idempotency_keys"), 0);
}

#[tokio::test]
async fn a_key_that_an_earlier_version_kept_in_a_file_counts_on() {
    let (world, alice, _) = world(ServeOptions::default());
    if world.server.is_some() {
        return;
    }
    let vault = world.vault(&alice).await;
    let (create, draft) = (("POST", "/items"), json!({"vaultId": vault, "name": "n"}));
    let first = keyed(&world, create, &alice, "k", &draft).await;
    // As version 14 kept them.
    rusqlite::Connection::open(world.dir.path().join("environment.db"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE earlier (
               user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, key TEXT NOT NULL, turn INTEGER NOT NULL,
               fingerprint BLOB NOT NULL, kept_at INTEGER NOT NULL, kind INTEGER NOT NULL, made TEXT, state TEXT, answer TEXT,
               PRIMARY KEY (user_id, key, turn)) STRICT, WITHOUT ROWID;
             INSERT INTO earlier
               SELECT user_id, key, turn, fingerprint, kept_at, kind, made, state, answer FROM idempotency_keys;
             DROP TABLE idempotency_keys;
             ALTER TABLE earlier RENAME TO idempotency_keys;
             PRAGMA user_version = 14;",
        )
        .unwrap();
    let world = world.opened_again();
    assert_eq!(keyed(&world, create, &alice, "k", &draft).await, first);
    assert_eq!(keyed(&world, create, &alice, "k", &json!({"vaultId": vault, "name": "m"})).await.0, 422);
}

#[test]
fn of_many_servers_that_are_asked_at_once_one_acts() {
    // Two openings of one environment are two servers: nothing but the database is between them.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (world, alice, _) = world(ServeOptions::default());
        let vault = world.vault(&alice).await;
        let other = world.opened_again();
        for round in 0..20 {
            let key = format!("k{round}");
            let draft = json!({"vaultId": vault, "name": "n"});
            let ask = |world| keyed(world, ("POST", "/items"), &alice, &key, &draft);
            let answers: [_; 4] = tokio::join!(ask(&world), ask(&other), ask(&world), ask(&other)).into();
            assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 200), "{answers:?}");
        }
        assert_eq!(items(&world, &alice, &vault).await, 20);
    });
}
