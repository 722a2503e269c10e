//! Activity log, backup, limits, an environment of an older version.

use crate::world::{World, id, world};
use keyferry_server::{Environment, Error, ServeOptions};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::num::NonZeroU32;
use tower::ServiceExt as _;

#[tokio::test]
async fn the_activity_log_says_who_did_what_and_holds_together() {
    let (world, alice, bob) = world(ServeOptions { log_reads: true, ..ServeOptions::default() });
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let path = format!("/items/{item}");
    world.ok("GET", &path, &alice, Value::Null).await;
    let batch = json!({"requests": [
        {"method": "PATCH", "relativeUrl": format!("/api/v1{path}"), "body": {"login": "l"}},
        {"method": "PATCH", "relativeUrl": format!("/api/v1{path}"), "body": {"revision": 99}}]});
    world.ok("POST", "/batch", &alice, batch).await;
    let wrong = json!({"username": "bob", "password": "wrong"});
    assert_eq!(world.send("POST", "/users/login", "", true, wrong).await.0, 401);
    world.environment.flush_reads().unwrap();
    let log = world.ok("GET", "/activity-log", &alice, Value::Null).await;
    let rows = log["items"].as_array().unwrap();
    let me = world.ok("GET", "/users/info", &alice, Value::Null).await["id"].clone();
    let of_item: Vec<&str> = rows
        .iter()
        .filter(|row| row["object"] == json!(item))
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    assert_eq!(of_item, ["item.create", "item.update", "item.read"], "what was refused is not there");
    assert!(rows.iter().any(|row| row["action"] == "session.refuse"));
    assert!(rows.iter().filter(|row| row["object"] == json!(item)).all(|row| row["userId"] == me));
    // The hash as the documentation has it, computed by other means.
    let (mut environment, mut of_vault) = ([0; 32], [0; 32]);
    for row in rows {
        let mut covered: Vec<&Value> =
            ["seq", "at", "userId", "action", "object", "vaultId", "address"].map(|name| &row[name]).to_vec();
        covered
            .extend(["vaultSeq", "heads"].map(|name| &row[name]).into_iter().filter(|more| !more.is_null()));
        let text = serde_json::to_string(&covered).unwrap();
        if let Some(heads) = row["heads"].as_str() {
            let heads: Value = serde_json::from_str(heads).unwrap();
            assert_eq!(heads[0][2], json!(data_encoding::HEXLOWER.encode(&of_vault)));
        }
        let before = if row["vaultSeq"].is_null() { &mut environment } else { &mut of_vault };
        *before = Sha256::new().chain_update(*before).chain_update(text).finalize().into();
        assert_eq!(row["hash"], json!(data_encoding::HEXLOWER.encode(&*before)));
    }
    assert_eq!(rows.iter().any(|row| row["vaultSeq"] == json!(1)), world.server.is_some());
    let check = world.ok("GET", "/activity-log/check", &alice, Value::Null).await;
    assert_eq!((&check["broken"], &check["head"]), (&Value::Null, &rows.last().unwrap()["hash"]));
    assert_eq!(world.send("GET", "/activity-log", &bob, true, Value::Null).await.0, 403);
    let of_vault =
        world.ok("GET", &format!("/activity-log?vaultId={vault}&limit=2"), &alice, Value::Null).await;
    assert_eq!(of_vault["items"].as_array().unwrap().len(), 2);
    // Who administers one vault sees its entries, and nothing of the logs of others.
    let own = world.vault(&bob).await;
    let item = id(&world.ok("POST", "/items", &bob, json!({"vaultId": own, "name": "n"})).await);
    world.ok("PATCH", &format!("/items/{item}"), &bob, json!({"login": "l"})).await;
    for (who, sees) in [(&alice, world.server.is_some()), (&bob, false)] {
        let log = world.ok("GET", &format!("/activity-log?vaultId={own}"), who, Value::Null).await;
        let rows = log["items"].as_array().unwrap();
        assert!(rows.iter().any(|row| row["action"] == "item.update"), "{log}");
        assert_eq!(rows.iter().any(|row| !row["heads"].is_null()), sees, "{log}");
    }
}

#[tokio::test]
async fn what_a_batch_looks_at_is_one_entry_that_each_item_finds() {
    let (world, alice, _) = world(ServeOptions { log_reads: true, ..ServeOptions::default() });
    let (one, other) = (world.vault(&alice).await, world.vault(&alice).await);
    let mut items = Vec::new();
    for vault in [&one, &other, &one] {
        items.push(id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await));
    }
    let gets =
        items.iter().map(|item| json!({"method": "GET", "relativeUrl": format!("/api/v1/items/{item}")}));
    let gone = json!({"method": "GET", "relativeUrl": format!("/api/v1/items/{one}")});
    let gets: Vec<Value> = gets.chain([gone]).collect();
    world.ok("POST", "/batch", &alice, json!({"requests": gets})).await;
    // A batch that also writes tells its looks in the same way.
    let mut mixed = gets.clone();
    mixed.insert(
        1,
        json!({"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": one, "name": "m"}}),
    );
    world.ok("POST", "/batch", &alice, json!({"requests": mixed})).await;
    world.environment.flush_reads().unwrap();
    let log = world.ok("GET", "/activity-log", &alice, Value::Null).await;
    let looks: Vec<(&Value, &Value)> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["action"] == "item.read")
        .map(|row| (&row["object"], &row["vaultId"]))
        .collect();
    let both = json!(format!("{},{}", items[0], items[2]));
    let (second, of_one, of_other) = (json!(items[1]), json!(one), json!(other));
    let each = [(&both, &of_one), (&second, &of_other)];
    assert_eq!(looks, [each, each].concat());
    for item in &items {
        let found = world.ok("GET", &format!("/activity-log?object={item}"), &alice, Value::Null).await;
        assert_eq!(found["items"].as_array().unwrap().len(), 3, "made once, looked at twice");
    }
    let found =
        world.ok("GET", &format!("/activity-log?object={}", &items[0][1..]), &alice, Value::Null).await;
    assert!(found["items"].as_array().unwrap().is_empty(), "a part of an identifier is none");
    let check = world.ok("GET", "/activity-log/check", &alice, Value::Null).await;
    assert_eq!(check["broken"], Value::Null);
}

#[tokio::test]
async fn a_missing_or_altered_row_is_found() {
    for (spoil, broken) in [
        ("DELETE FROM activity WHERE seq = 2", 2),
        ("UPDATE activity SET action = 'item.read' WHERE seq = 3", 3),
        ("UPDATE activity SET user_id = NULL WHERE seq = 1", 1),
        ("DELETE FROM activity WHERE seq = (SELECT max(seq) FROM activity)", 4),
        (
            "INSERT INTO activity (seq, at, action, hash) VALUES (5, 0, 'item.read', (SELECT hash FROM activity WHERE seq = 1))",
            5,
        ),
        ("UPDATE activity SET object = CAST(x'ff' AS TEXT) WHERE seq = 2", 2),
    ] {
        let (world, alice, _) = world(ServeOptions::default());
        if world.server.is_some() && spoil.contains("x'ff'") {
            // There no text can be one that is none.
            continue;
        }
        for _ in 0..4 {
            world.vault(&alice).await;
        }
        assert_eq!(world.change(spoil, &[]), 1, "{spoil}");
        let check = world.ok("GET", "/activity-log/check", &alice, Value::Null).await;
        assert_eq!(check["broken"], json!(broken), "{spoil}");
        // What was tampered with is shown all the same.
        world.ok("GET", "/activity-log", &alice, Value::Null).await;
    }
}

#[tokio::test]
async fn a_long_log_is_checked_page_by_page_and_no_entry_between_two_is_passed_over() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let make =
        json!({"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": vault, "name": "n"}});
    for _ in 0..5 {
        world.ok("POST", "/batch", &alice, json!({"requests": vec![make.clone(); 500]})).await;
    }
    let check = async || world.ok("GET", "/activity-log/check", &alice, Value::Null).await;
    let whole = check().await;
    assert_eq!((&whole["count"], &whole["broken"]), (&json!(2501), &Value::Null));
    for number in [999, 1000, 1001, 2000, 2001, 2501] {
        let other = format!("UPDATE activity SET at = at + 1 WHERE seq = {number}");
        assert_eq!(world.change(&other, &[]), 1);
        assert_eq!(check().await["broken"], json!(number));
        assert_eq!(world.change(&other.replace('+', "-"), &[]), 1);
        if world.server.is_some() {
            // Another with its number, which no key excludes there.
            let second = format!(
                "INSERT INTO activity SELECT seq, at + 1, user_id, action, object, vault_id, address, hash, vault_seq, heads
                 FROM activity WHERE seq = {number}"
            );
            assert_eq!(world.change(&second, &[]), 1);
            assert_eq!(check().await["broken"], json!(number));
            let gone = format!(
                "DELETE FROM activity WHERE seq = {number} AND at = (SELECT max(at) FROM activity WHERE seq = {number})"
            );
            assert_eq!(world.change(&gone, &[]), 1);
        }
    }
    assert_eq!(check().await, whole);
}

#[tokio::test]
async fn a_backup_is_whole_while_others_write() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let copies = tempfile::tempdir().unwrap();
    let file = copies.path().join("environment.db");
    if world.server.is_some() {
        assert!(matches!(world.environment.backup(&file), Err(Error::NoBackup)) && !file.exists());
        return;
    }
    let (environment, to) = (world.environment.clone(), file.clone());
    let backup = tokio::task::spawn_blocking(move || environment.backup(&to));
    for number in 0..200 {
        world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": number.to_string()})).await;
    }
    backup.await.unwrap().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(std::fs::read_dir(copies.path()).unwrap().count(), 1, "one file is the whole copy");
    assert!(world.environment.backup(&file).is_err(), "a backup is never overwritten");
    let restored = Environment::open(copies.path()).unwrap();
    let me = restored.sole_or_first_user().unwrap().unwrap();
    let token = restored.issue_session(&me.id).unwrap().access_token.unwrap();
    let copy = World {
        dir: copies,
        router: restored.router(ServeOptions::default()),
        environment: restored,
        server: None,
    };
    assert_eq!(copy.ok("GET", "/activity-log/check", &token, Value::Null).await["broken"], Value::Null);
    copy.ok("GET", &format!("/vaults/{vault}"), &token, Value::Null).await;
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_ask_again() {
    let most = NonZeroU32::new(5);
    let (world, alice, _) = world(ServeOptions { requests_per_second: most, ..ServeOptions::default() });
    let ask = async |peer: [u8; 4]| {
        let mut request = http::Request::get("/api/v1/users/info")
            .header("authorization", format!("Bearer {alice}"))
            .body(axum::body::Body::empty())
            .unwrap();
        let peer = std::net::SocketAddr::from((peer, 1));
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        world.router.clone().oneshot(request).await.unwrap()
    };
    let mut refused = None;
    for _ in 0..50 {
        let answer = ask([192, 0, 2, 1]).await;
        if answer.status() == 429 {
            refused = Some(answer);
        }
    }
    let wait = refused.unwrap().headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap();
    assert!(wait >= 1);
    assert_eq!(ask([192, 0, 2, 2]).await.status(), 200, "others are not held up");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let (world, alice, _) = world(ServeOptions { largest_body: 1000, ..ServeOptions::default() });
    let (status, answer) =
        world.send("POST", "/vaults", &alice, true, json!({"name": "v".repeat(2000)})).await;
    assert_eq!(status, 413, "{answer}");
    assert!(answer["errors"][0]["message"].is_string());
}

#[tokio::test]
async fn what_a_stranger_sends_is_not_kept_and_a_session_that_ran_out_is_told_so() {
    let (world, alice, _) = world(ServeOptions::default());
    let body = json!({"name": "v", "padding": "v".repeat(1 << 20)});
    world.ok("POST", "/vaults", &alice, body.clone()).await;
    for token in ["", "nobodys"] {
        let (status, answer) = world.send("POST", "/vaults", token, true, body.clone()).await;
        assert_eq!((status.as_u16(), &answer["errors"][0]["code"]), (401, &json!("accessTokenInvalid")));
    }
    world.ok("POST", "/sessions/logout", &alice, json!({})).await;
    assert_eq!(world.send("POST", "/vaults", &alice, true, body).await.0, 401);
}

#[tokio::test]
async fn other_methods_and_addresses_are_told_so() {
    let (world, alice, _) = world(ServeOptions::default());
    assert_eq!(world.send("PUT", "/vaults", &alice, true, json!({})).await.0, 405);
    assert_eq!(world.send("GET", "/nothing", &alice, true, Value::Null).await.0, 404);
    for path in ["/health", "/healthz", "/health/live"] {
        assert_eq!(world.get_whole(path).await, json!({"status": "ok"}));
    }
    // A browser that is sent to the server finds what it is.
    let request = http::Request::get("/").body(axum::body::Body::empty()).unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (307, &"api/docs".parse().unwrap())
    );
}

#[tokio::test]
async fn an_environment_of_the_first_version_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    {
        let old = Connection::open(dir.path().join("environment.db")).unwrap();
        old.execute_batch(include_str!("../../migrations/0001_initial.sql")).unwrap();
        old.execute_batch(
            "INSERT INTO environment (only, client_encryption) VALUES (1, 0);
             INSERT INTO users (id, username, is_admin, password_hash) VALUES ('00000000000000000000000a', 'alice', 1, '');
             INSERT INTO vaults (id, name, encrypted) VALUES ('00000000000000000000000b', 'v', 0);
             INSERT INTO vault_users VALUES ('00000000000000000000000b', '00000000000000000000000a', 3, NULL);
             INSERT INTO items (id, vault_id, name, tags, color, customs, created_at, updated_at)
               VALUES ('00000000000000000000000c', '00000000000000000000000b', 'Почта', '[\"t\"]', 0, '[]', 1, 1);
             PRAGMA user_version = 1;",
        )
        .unwrap();
    }
    let environment = Environment::open(dir.path()).unwrap();
    let token = environment.issue_session("00000000000000000000000a").unwrap().access_token.unwrap();
    let router = environment.router(ServeOptions::default());
    let world = World { dir, environment, router, server: None };
    for query in ["query=%D0%BF%D0%9E%D0%A7%D1%82%D0%B0", "tags[]=t"] {
        let found = world.ok("GET", &format!("/items/search?{query}"), &token, Value::Null).await;
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{query}");
    }
    let path = "/items/00000000000000000000000c";
    world.ok("PATCH", path, &token, json!({"login": "l"})).await;
    let after = world.ok("GET", path, &token, Value::Null).await;
    assert_eq!((&after["login"], &after["revision"]), (&json!("l"), &json!(2)));
}
