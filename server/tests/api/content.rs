//! What is put in comes out: folders, updates, attachments, favorites, the bin.

use crate::world::{id, world};
use http_body_util::BodyExt as _;
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use tower::ServiceExt as _;

#[tokio::test]
async fn folders_know_their_path_and_stay_within_their_vault() {
    let (world, alice, _) = world(ServeOptions::default());
    let (one, two) = (world.vault(&alice).await, world.vault(&alice).await);
    let top = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": one, "name": "a/b"})).await);
    let below = json!({"vaultId": one, "parentFolderId": top, "name": "c"});
    let below = id(&world.ok("POST", "/folders", &alice, below).await);
    let folder = world.ok("GET", &format!("/folders/{below}"), &alice, Value::Null).await;
    let names: Vec<&str> =
        folder["path"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["v", "a/b", "c"]);
    let astray = json!({"vaultId": two, "parentFolderId": top, "name": "x"});
    assert!(world.send("POST", "/folders", &alice, true, astray).await.0.is_client_error());
    let astray = json!({"vaultId": two, "folderId": top, "name": "x"});
    assert!(world.send("POST", "/items", &alice, true, astray).await.0.is_client_error());
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let file =
        |name: &str| json!({"name": name, "encryptedKey": "a", "encryptedData": "ZGF0YQ==", "hash": "00"});
    let item = json!({
        "vaultId": vault, "name": "n", "login": "l", "url": "u", "tags": ["t"], "color": 3, "isFavorite": true,
        "passwordEncrypted": "cA==", "keyEncrypted": "", "attachments": [file("one")],
        "customs": [{"name": "a", "type": "b", "value": "c", "extra": 7}],
    });
    let item = id(&world.ok("POST", "/items", &alice, item).await);
    let path = format!("/items/{item}");
    let change = json!({"vaultId": vault, "login": null, "tags": [], "attachments": [file("two")]});
    world.ok("PATCH", &path, &alice, change).await;
    let after = world.ok("GET", &path, &alice, Value::Null).await;
    assert_eq!(
        (
            &after["name"],
            &after["login"],
            &after["url"],
            &after["tags"],
            &after["color"],
            &after["isFavorite"]
        ),
        (&json!("n"), &Value::Null, &json!("u"), &json!([]), &json!(3), &json!(true))
    );
    assert_eq!(after["passwordEncrypted"], "cA==");
    assert_eq!(after["customs"], json!([{"name": "a", "type": "b", "value": "c", "extra": 7}]));
    let names: Vec<&Value> =
        after["attachments"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["one", "two"]);
    let attachment = after["attachments"][1]["id"].as_str().unwrap();
    let content = world.ok("GET", &format!("{path}/attachment/{attachment}"), &alice, Value::Null).await;
    assert_eq!(content["encryptedData"], "ZGF0YQ==");
}

#[tokio::test]
async fn a_favorite_is_each_users_own() {
    let (world, alice, bob) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = id(&world
        .ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n", "isFavorite": true}))
        .await);
    let bob_id = world.ok("GET", "/users/info", &bob, Value::Null).await["id"].clone();
    world
        .ok("POST", &format!("/vaults/{vault}/users"), &alice, json!({"userId": bob_id, "role": "read"}))
        .await;
    let seen = world.ok("GET", &format!("/items/{item}"), &bob, Value::Null).await;
    assert_eq!(seen["isFavorite"], false);
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_lists_and_searches() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "f"})).await);
    let inside = json!({"vaultId": vault, "folderId": folder, "name": "inside"});
    world.ok("POST", "/items", &alice, inside).await;
    let outside = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "outside"})).await);
    let count = async |path: &str| {
        world.ok("GET", path, &alice, Value::Null).await["items"].as_array().unwrap().len()
    };
    let list = format!("/items?vaultId={vault}");
    assert_eq!((count(&list).await, count("/items/search?query=side").await), (2, 2));
    let answer = world.ok("DELETE", &format!("/items/{outside}"), &alice, json!({})).await;
    assert!(answer["binItemId"].is_string());
    assert_eq!((count(&list).await, count("/items/search?query=side").await), (1, 1));
    world.ok("DELETE", &format!("/folders/{folder}"), &alice, json!({})).await;
    assert_eq!((count(&list).await, count("/items/search?query=side").await), (0, 0));
}

#[tokio::test]
async fn a_search_joins_its_conditions() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    for (name, tags, color) in
        [("Почта", json!(["a", "b"]), 1), ("mail", json!(["a"]), 2), ("web", json!([]), 2)]
    {
        let item = json!({"vaultId": vault, "name": name, "tags": tags, "color": color});
        world.ok("POST", "/items", &alice, item).await;
    }
    let found = async |query: &str| {
        let answer = world.ok("GET", &format!("/items/search?{query}"), &alice, Value::Null).await;
        let mut names: Vec<String> = answer["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().into())
            .collect();
        names.sort();
        names
    };
    assert_eq!(found("query=%D0%BF%D0%BE%D1%87%D1%82").await, ["Почта"]);
    assert_eq!(found("tags[]=a").await, ["mail", "Почта"]);
    assert_eq!(found("tags[]=a&tags[]=b").await, ["Почта"]);
    assert_eq!(found("tags[]=a&colorCodes[]=2").await, ["mail"]);
    assert_eq!(found("colorCodes[]=1&colorCodes[]=2&query=w").await, ["web"]);
}

#[tokio::test]
async fn an_older_environment_is_refused_or_opened_but_never_overwritten() {
    let (world, ..) = world(ServeOptions::default());
    let again = match &world.server {
        Some(server) => keyferry_server::Environment::create_on(&server.address(), true),
        None => keyferry_server::Environment::create(world.dir.path(), true),
    };
    assert!(matches!(again, Err(keyferry_server::Error::AlreadyThere(..))));
    if world.server.is_some() {
        let empty = crate::postgres::Database::new();
        let opened = keyferry_server::Environment::open_on(&empty.address());
        assert!(matches!(opened, Err(keyferry_server::Error::NotThere(..))));
    }
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(matches!(
        keyferry_server::Environment::open(elsewhere.path()),
        Err(keyferry_server::Error::NotThere(..))
    ));
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "looking makes nothing");
}

#[tokio::test]
async fn a_batch_finds_what_it_wrote_itself_and_nothing_of_what_was_refused() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let kept = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "granite"})).await);
    let search = |word: &str| json!({"method": "GET", "relativeUrl": format!("/api/v1/items/search?query={word}&vaultId={vault}")});
    let update = |body: Value| json!({"method": "PATCH", "relativeUrl": format!("/api/v1/items/{kept}"), "body": body});
    let batch = json!({"requests": [
        {"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": vault, "name": "quartzite"}},
        search("quartz"),
        update(json!({"name": "basalt", "revision": 99})),
        search("basalt"),
        update(json!({"name": "marble"})),
        search("marble"),
        search("granite"),
    ]});
    let answers = world.ok("POST", "/batch", &alice, batch).await;
    let found = |at: usize| answers["responses"][at]["body"]["items"].as_array().unwrap().len();
    assert_eq!([found(1), found(3), found(5), found(6)], [1, 0, 1, 0], "{answers}");
    for (word, count) in [("quartz", 1), ("basalt", 0), ("marble", 1), ("granite", 0)] {
        let path = format!("/items/search?query={word}&vaultId={vault}");
        let after = world.ok("GET", &path, &alice, Value::Null).await;
        assert_eq!(after["items"].as_array().unwrap().len(), count, "{word}");
    }
}

#[tokio::test]
async fn a_client_that_prefers_little_gets_places_alone() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "f"})).await);
    let draft = json!({"vaultId": vault, "folderId": folder, "name": "n", "login": "l"});
    let item = id(&world.ok("POST", "/items", &alice, draft).await);
    for path in [format!("/items?vaultId={vault}"), format!("/items/search?query=n&vaultId={vault}")] {
        let list = async |preference: &str| {
            let request = http::Request::get(format!("/api/v1{path}"))
                .header("authorization", format!("Bearer {alice}"))
                .header("x-response-format", "raw")
                .header("prefer", preference)
                .body(axum::body::Body::empty())
                .unwrap();
            let answer = world.router.clone().oneshot(request).await.unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            serde_json::from_slice::<Value>(&body).unwrap()
        };
        let little = json!({"items": [{"id": item, "vaultId": vault, "folderId": folder}]});
        assert_eq!(list("respond-async, return=minimal; foo=1").await, little);
        for other in ["return=representation", "minimal"] {
            assert_eq!(list(other).await["items"][0]["login"], "l", "{other}");
        }
    }
}
