//! What no honest client sends: injection, huge and deep bodies, identifiers of another kind, tokens that are
//! forged, swapped or used up, and many who change one item at once.

use crate::world::{World, id, world};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Texts that mean something to SQL, FTS, JSON paths, shells and terminals.
const HOSTILE: &[&str] = &[
    "'; DROP TABLE items; --",
    "\" OR \"1\"=\"1",
    "1) UNION SELECT password_hash FROM users --",
    "%' ESCAPE '\\",
    "a* NEAR(b) AND OR NOT \"",
    "$.tags[0]",
    "\u{1}\u{7f}",
    "\u{202e}\u{1b}[31m",
    "\\u0000\"}],\"x\":[{\"",
    "👩‍👩‍👧‍👦 ß Ǆ İ",
];

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| out + &format!("%{byte:02X}"))
}

#[tokio::test]
async fn hostile_texts_are_kept_and_found_as_they_are() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    for text in HOSTILE {
        let item = json!({"vaultId": vault, "name": text, "login": text, "url": text, "description": text, "tags": [text]});
        let item = id(&world.ok("POST", "/items", &alice, item).await);
        let whole = world.ok("GET", &format!("/items/{item}"), &alice, Value::Null).await;
        for field in ["name", "login", "url", "description"] {
            assert_eq!(whole[field], json!(text));
        }
        for query in [format!("query={}", encoded(text)), format!("tags[]={}", encoded(text))] {
            let found = world.ok("GET", &format!("/items/search?{query}"), &alice, Value::Null).await;
            let found: Vec<_> =
                found["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
            assert_eq!(found, [json!(item)], "{text:?} by {query}");
        }
        let folder = json!({"vaultId": vault, "name": text});
        let folder = id(&world.ok("POST", "/folders", &alice, folder).await);
        let folder = world.ok("GET", &format!("/folders/{folder}"), &alice, Value::Null).await;
        assert_eq!(folder["path"].as_array().unwrap().last().unwrap()["name"], json!(text));
        // Where an identifier or a number belongs, such a text is refused and nothing else.
        for path in [
            format!("/items/{}", encoded(text)),
            format!("/items?vaultId={}", encoded(text)),
            format!("/items/search?colorCodes[]={}", encoded(text)),
            format!("/items/search?limit={}", encoded(text)),
        ] {
            let (status, answer) = world.send("GET", &path, &alice, true, Value::Null).await;
            assert!(matches!(status.as_u16(), 400 | 404 | 422), "{path}: {status}");
            assert!(answer["errors"][0]["code"].is_string());
        }
    }
    let list = world.ok("GET", &format!("/items?vaultId={vault}"), &alice, Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), HOSTILE.len());
}

#[tokio::test]
async fn a_name_of_ten_megabytes_is_a_name_or_is_refused() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let long = "ä".repeat(5 << 20);
    let (status, answer) =
        world.send("POST", "/items", &alice, true, json!({"vaultId": vault, "name": long})).await;
    match status.as_u16() {
        200 => {
            let item = world.ok("GET", &format!("/items/{}", id(&answer)), &alice, Value::Null).await;
            assert_eq!(item["name"].as_str().unwrap().len(), long.len());
        }
        status => assert!(matches!(status, 413 | 422), "{status}"),
    }
    let (status, _) = world.send("POST", "/vaults", &alice, true, json!({"name": long})).await;
    assert!(matches!(status.as_u16(), 200 | 413 | 422), "{status}");
    // Whatever it was, the next one is served.
    world.ok("GET", &format!("/items?vaultId={vault}"), &alice, Value::Null).await;
}

#[tokio::test]
async fn deep_and_broken_bodies_are_refused() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let bodies = [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!(
            "{{\"requests\":[{{\"method\":\"POST\",\"relativeUrl\":\"/api/v1/items\",\"body\":{}}}]}}",
            deep("[", "]")
        ),
        "{".to_owned(),
        "\u{feff}{}".to_owned(),
        "{\"name\":\"\\ud800\"}".to_owned(),
        "{\"color\":1e999}".to_owned(),
        "NaN".to_owned(),
        "\"text\"".to_owned(),
        "[]".to_owned(),
    ];
    let deep_customs = format!("{{\"vaultId\":\"{vault}\",\"name\":\"n\",\"customs\":{}}}", deep("[", "]"));
    let twice = format!("{{\"vaultId\":\"{vault}\",\"name\":\"a\",\"name\":\"b\"}}");
    for body in [deep_customs, twice] {
        let status = world.send_text("POST", "/items", &alice, body.into_bytes()).await.0;
        assert!(matches!(status.as_u16(), 400 | 422), "{status}");
    }
    for path in ["/items", "/batch", "/users/login", "/vaults"] {
        for body in &bodies {
            let status = world.send_text("POST", path, &alice, body.clone().into_bytes()).await.0;
            assert!(
                matches!(status.as_u16(), 400 | 401 | 422),
                "{path} {}: {status}",
                &body[..20.min(body.len())]
            );
        }
        let status = world.send_text("POST", path, &alice, vec![0xff, 0xfe, b'{', b'}']).await.0;
        assert!(matches!(status.as_u16(), 400 | 422), "{path}: {status}");
    }
    let list = world.ok("GET", &format!("/items?vaultId={vault}"), &alice, Value::Null).await;
    assert_eq!(list["items"], json!([]));
}

/// Everything that has an identifier, made by alice.
async fn one_of_each(world: &World, alice: &str) -> Vec<(&'static str, String)> {
    let make = async |path: &str, body: Value| id(&world.ok("POST", path, alice, body).await);
    let vault = world.vault(alice).await;
    let folder = make("/folders", json!({"vaultId": vault, "name": "f"})).await;
    let file = json!({"name": "a", "encryptedKey": "YWFh", "encryptedData": "", "hash": "00"});
    let item = make("/items", json!({"vaultId": vault, "name": "n", "attachments": [file]})).await;
    let attachment = world.ok("GET", &format!("/items/{item}"), alice, Value::Null).await;
    let attachment = id(&attachment["attachments"][0]);
    world.ok("PATCH", &format!("/items/{item}"), alice, json!({"login": "l"})).await;
    let snapshots = world.ok("GET", &format!("/items/{item}/snapshots"), alice, Value::Null).await;
    let me = id(&world.ok("GET", "/users/info", alice, Value::Null).await);
    let link = json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"});
    let binned = make("/items", json!({"vaultId": vault, "name": "b"})).await;
    let binned = world.ok("DELETE", &format!("/items/{binned}"), alice, json!({})).await;
    vec![
        ("snapshot", id(&snapshots["items"][0])),
        ("shortcut", make("/shortcuts", json!({"vaultId": vault, "itemId": item})).await),
        ("link", make("/links", link).await),
        ("inbox item", make("/inbox-items", json!({"itemId": item, "userId": me})).await),
        ("bin item", binned["binItemId"].as_str().unwrap().to_owned()),
        ("vault", vault),
        ("folder", folder),
        ("item", item),
        ("attachment", attachment),
        ("user", me),
    ]
}

#[tokio::test]
async fn an_identifier_of_another_kind_is_not_there() {
    let (world, alice, bob) = world(ServeOptions::default());
    let all = one_of_each(&world, &alice).await;
    // Which kinds each address takes; an item's also takes what leads to one.
    let addresses: &[(&str, &str, &[&str])] = &[
        ("GET", "/vaults/{}", &["vault"]),
        ("GET", "/folders/{}", &["folder"]),
        ("GET", "/items/{}", &["item", "shortcut"]),
        ("GET", "/items/{}/snapshots", &["item", "shortcut"]),
        ("GET", "/items?vaultId={}", &["vault"]),
        ("GET", "/links?itemId={}", &["item", "shortcut"]),
        ("GET", "/shortcuts/{}", &["shortcut"]),
        ("GET", "/inbox-items/{}", &["inbox item"]),
        ("GET", "/users/{}/public-key", &["user"]),
        ("GET", "/users/{}/rights", &["user"]),
    ];
    for (method, address, takes) in addresses {
        for (kind, one) in &all {
            let path = address.replace("{}", one);
            let (status, _) = world.send(method, &path, &alice, true, Value::Null).await;
            if !takes.contains(kind) {
                assert!(matches!(status.as_u16(), 404 | 422), "{path} with the id of a {kind}: {status}");
            }
            let (status, _) = world.send(method, &path, &bob, true, Value::Null).await;
            let public = address.starts_with("/users/{}/public-key");
            assert!(
                public || matches!(status.as_u16(), 403 | 404 | 422),
                "{path}, a {kind}, by another: {status}"
            );
        }
    }
    // Nothing is moved into, or made within, what is not a place of the right kind.
    let of = |wanted: &str| all.iter().find(|(kind, _)| *kind == wanted).unwrap().1.clone();
    for (kind, one) in &all {
        for body in [
            json!({"vaultId": one, "name": "x"}),
            json!({"vaultId": of("vault"), "folderId": one, "name": "x"}),
        ] {
            let fits = if body.get("folderId").is_some() { "folder" } else { "vault" };
            let (status, _) = world.send("POST", "/items", &alice, true, body).await;
            assert_eq!(status == 200, *kind == fits, "an item within a {kind}: {status}");
        }
    }
}

#[tokio::test]
async fn forged_swapped_and_used_tokens_open_nothing() {
    let (world, alice, _) = world(ServeOptions::default());
    let login = json!({"username": "alice", "password": "correct horse", "hostname": "h"});
    let first = world.ok("POST", "/users/login", "", login.clone()).await;
    let text = |tokens: &Value, name: &str| tokens[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text(&first, "accessToken"), text(&first, "refreshToken"));
    let refused = async |token: &str| {
        let (status, _) = world.send("GET", "/users/info", token, true, Value::Null).await;
        status == 401
    };
    assert!(!refused(&access).await, "the control");
    // Another letter, another case, cut, doubled, other padding, the other token, its digest as it is stored.
    let bytes = STANDARD.decode(&access).unwrap();
    let mut flipped = bytes.clone();
    flipped[31] ^= 1;
    let digest = {
        use sha2::Digest as _;
        STANDARD.encode(sha2::Sha256::digest(access.as_bytes()))
    };
    for forged in [
        STANDARD.encode(&flipped),
        access.to_lowercase(),
        access[..43].to_owned(),
        format!("{access}{access}"),
        format!("{access}="),
        STANDARD.encode(&bytes[..31]),
        refresh.clone(),
        digest,
        "' OR 1=1 --".to_owned(),
        "A".repeat(1 << 16),
    ] {
        assert!(refused(&forged).await);
    }
    // An access token buys no session by itself, and a refresh token one family (`threats` has its replay).
    let buy = |token: &str| json!({"refreshToken": token});
    assert_eq!(world.send("POST", "/sessions/refresh", "", true, buy(&access)).await.0, 401);
    let second = world.ok("POST", "/sessions/refresh", &access, buy(&refresh)).await;
    assert!(refused(&access).await, "an access token ends with the refresh");
    let access = text(&second, "accessToken");
    assert!(!refused(&access).await);
    world.ok("POST", "/sessions/logout", &access, json!({})).await;
    assert!(refused(&access).await);
    let left = buy(&text(&second, "refreshToken"));
    assert_eq!(world.send("POST", "/sessions/refresh", "", true, left).await.0, 401, "after the logout");
    assert!(!refused(&alice).await, "other sessions go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_change_one_item_at_once_none_is_overwritten_unawares() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "0"})).await);
    let path = format!("/items/{item}");
    let world = std::sync::Arc::new(world);
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (world, path, alice) = (world.clone(), path.clone(), alice.clone());
            tokio::spawn(async move {
                let (mut written, mut number) = (Vec::new(), 0);
                while number < 10 {
                    let seen = world.ok("GET", &path, &alice, Value::Null).await;
                    let text = format!("{writer}-{number}");
                    // Each adds a tag to those it saw: a lost update would lose one.
                    let mut tags = seen["tags"].as_array().unwrap().clone();
                    tags.push(json!(text));
                    let change = json!({"tags": tags, "revision": seen["revision"]});
                    match world.send("PATCH", &path, &alice, true, change).await.0.as_u16() {
                        200 => {
                            written.push(text);
                            number += 1;
                        }
                        409 => {}
                        status => panic!("{status}"),
                    }
                }
                written
            })
        })
        .collect();
    let mut written = HashSet::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    let last = world.ok("GET", &path, &alice, Value::Null).await;
    let tags: HashSet<String> =
        last["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect();
    assert_eq!(tags, written);
    assert_eq!(written.len(), 80);
    let snapshots = world.ok("GET", &format!("{path}/snapshots"), &alice, Value::Null).await;
    assert_eq!(snapshots["items"].as_array().unwrap().len(), 80, "each change left what was before");
}

#[tokio::test]
async fn a_batch_is_told_when_its_answers_are_too_large_together() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let large = "A".repeat(8 << 20);
    let attachment = json!({"encryptedKey": "k", "encryptedData": large, "hash": "h", "name": "n"});
    let body = json!({"vaultId": vault, "name": "i", "attachments": [attachment]});
    let item = id(&world.ok("POST", "/items", &alice, body).await);
    let listed = world.ok("GET", &format!("/items/{item}"), &alice, Value::Null).await;
    let attachment = listed["attachments"][0]["id"].as_str().unwrap();
    let read =
        json!({"method": "GET", "relativeUrl": format!("/api/v1/items/{item}/attachment/{attachment}")});
    let write =
        json!({"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": vault, "name": "j"}});
    let mut requests = vec![write];
    requests.extend(std::iter::repeat_n(read, 40));
    let (status, _) = world.send("POST", "/batch", &alice, true, json!({"requests": requests})).await;
    assert_eq!(status, 413);
    let names = world.ok("GET", &format!("/items?vaultId={vault}"), &alice, Value::Null).await;
    assert_eq!(names["items"].as_array().unwrap().len(), 1, "the batch is undone as a whole");
}

#[tokio::test]
async fn folders_of_any_depth_can_be_deleted_for_good() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let (mut parent, mut top) = (Value::Null, String::new());
    for _ in 0..128 {
        let body = json!({"vaultId": vault, "parentFolderId": parent, "name": "f"});
        let folder = id(&world.ok("POST", "/folders", &alice, body).await);
        if parent.is_null() {
            top.clone_from(&folder);
        }
        parent = json!(folder);
    }
    let body = json!({"vaultId": vault, "parentFolderId": parent, "name": "f"});
    assert_eq!(world.send("POST", "/folders", &alice, true, body).await.0, 422, "128 is the end");
    // An environment of an earlier version may hold more.
    let deep = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999)
        INSERT INTO folders (id, vault_id, parent_folder_id, name)
        SELECT substr('000000000000000000000000' || CAST(n AS TEXT), length(CAST(n AS TEXT)) + 1), ?1,
               CASE n WHEN 0 THEN ?2 ELSE substr('000000000000000000000000' || CAST(n - 1 AS TEXT), length(CAST(n - 1 AS TEXT)) + 1) END,
               'f' FROM numbers";
    assert_eq!(world.change(deep, &[&vault, parent.as_str().unwrap()]), 1000);
    let bin = world.ok("DELETE", &format!("/folders/{top}"), &alice, json!({})).await;
    world
        .ok("POST", &format!("/bin-items/{}/restore", bin["binItemId"].as_str().unwrap()), &alice, json!({}))
        .await;
    let bin = world.ok("DELETE", &format!("/folders/{top}"), &alice, json!({})).await;
    world
        .ok("DELETE", &format!("/bin-items/{}", bin["binItemId"].as_str().unwrap()), &alice, json!({}))
        .await;
    world.ok("DELETE", &format!("/vaults/{vault}"), &alice, json!({})).await;
}

#[tokio::test]
async fn too_many_tags_and_an_administrator_named_twice_are_told() {
    let (world, alice, _) = world(ServeOptions::default());
    let tags = vec!["tags[]=a"; 1500].join("&");
    let (status, _) = world.send("GET", &format!("/items/search?{tags}"), &alice, true, Value::Null).await;
    assert_eq!(status, 422);
    let me = id(&world.ok("GET", "/users/info", &alice, Value::Null).await);
    let body = json!({"name": "v", "administratorsKeys": {me.clone(): "x", me.to_uppercase(): "y"}});
    assert_eq!(world.send("POST", "/vaults", &alice, true, body).await.0, 422);
}

#[tokio::test]
async fn no_store_keeps_a_nul_in_a_text() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    for (method, path, body) in [
        ("POST", "/vaults".to_owned(), json!({"name": "a\0"})),
        ("POST", "/folders".to_owned(), json!({"vaultId": vault, "name": "\0"})),
        ("POST", "/items".to_owned(), json!({"vaultId": vault, "name": "n", "login": "a\0b"})),
        ("POST", "/items".to_owned(), json!({"vaultId": vault, "name": "n", "tags": ["\0"]})),
        ("PATCH", format!("/items/{item}"), json!({"description": "\0"})),
    ] {
        let (status, answer) = world.send(method, &path, &alice, true, body.clone()).await;
        assert_eq!(
            (status.as_u16(), &answer["errors"][0]["code"]),
            (422, &json!("validationError")),
            "{method} {path} {body}"
        );
    }
    // One of a batch leaves the others as they are.
    let make = |name: &str| json!({"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": vault, "name": name}});
    let batch = json!({"requests": [make("a"), make("b\0"), make("c")]});
    let answer = world.ok("POST", "/batch", &alice, batch).await;
    let statuses: Vec<&Value> =
        answer["responses"].as_array().unwrap().iter().map(|one| &one["statusCode"]).collect();
    assert_eq!(statuses, [&json!(200), &json!(422), &json!(200)]);
    // Nothing has one, and so nothing is found.
    let found = world.ok("GET", "/items/search?query=n%00", &alice, Value::Null).await;
    assert_eq!(found["items"], json!([]));
}
