//! Items seen from elsewhere: shortcuts, links, the inbox; vault types.

use crate::world::{World, id, world};
use keyferry_server::ServeOptions;
use serde_json::{Value, json};

fn vault(name: &str) -> Value {
    json!({"name": name, "masterKeyEncrypted": format!("key of {name}"), "masterKeyHash": "00", "salt": "s"})
}

/// A vault of alice's with an item in it, and one that bob may edit.
async fn shared(world: &World, alice: &str, bob: &str) -> (String, String, String) {
    let own = id(&world.ok("POST", "/vaults", alice, vault("own")).await);
    let both = id(&world.ok("POST", "/vaults", alice, vault("both")).await);
    let bob_id = world.ok("GET", "/users/info", bob, Value::Null).await["id"].clone();
    let grant = json!({"userId": bob_id, "role": "edit", "masterKeyEncrypted": "bob's"});
    world.ok("POST", &format!("/vaults/{both}/users"), alice, grant).await;
    let item = json!({
        "vaultId": own, "name": "n", "passwordEncrypted": "p", "keyEncrypted": "own key",
        "attachments": [{"name": "a", "encryptedKey": "k", "encryptedData": "ZGF0YQ==", "hash": "00"}],
    });
    (own, both, id(&world.ok("POST", "/items", alice, item).await))
}

#[tokio::test]
async fn a_shortcut_shows_the_item_from_its_own_vault() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (own, both, item) = shared(&world, &alice, &bob).await;
    let new = json!({"vaultId": both, "folderId": null, "itemId": item, "keyEncrypted": "shortcut key"});
    let shortcut = id(&world.ok("POST", "/shortcuts", &alice, new.clone()).await);
    assert_eq!(world.send("POST", "/shortcuts", &bob, true, new).await.0, 404, "bob does not see the item");
    // By its own id, which clients read from the shortcut, it is the same as by the shortcut's.
    let by_own_id = world.ok("GET", &format!("/items/{item}"), &bob, Value::Null).await;
    assert_eq!((&by_own_id["id"], &by_own_id["keyEncrypted"]), (&json!(item), &json!("shortcut key")));
    let path = format!("/items/{shortcut}");
    let seen = world.ok("GET", &path, &bob, Value::Null).await;
    assert_eq!(
        (&seen["id"], &seen["vaultId"], &seen["keyEncrypted"], &seen["vaultMasterKeyEncrypted"]),
        (&json!(shortcut), &json!(both), &json!("shortcut key"), &json!("bob's"))
    );
    // As the official client does it: with the key that it sees.
    let change = json!({"vaultId": both, "passwordEncrypted": "new", "keyEncrypted": "shortcut key"});
    world.ok("PATCH", &path, &bob, change).await;
    let mine = world.ok("GET", &format!("/items/{item}"), &alice, Value::Null).await;
    assert_eq!((&mine["passwordEncrypted"], &mine["keyEncrypted"]), (&json!("new"), &json!("own key")));
    let snapshots = world.ok("GET", &format!("{path}/snapshots"), &bob, Value::Null).await;
    let snapshot = snapshots["items"][0]["id"].as_str().unwrap();
    let before = world.ok("GET", &format!("{path}/snapshot/{snapshot}"), &bob, Value::Null).await;
    assert_eq!(
        (&before["keyEncrypted"], &before["passwordEncrypted"]),
        (&json!("shortcut key"), &json!("p"))
    );
    for (method, path, body) in [
        ("DELETE", path.clone(), json!({})),
        ("PATCH", path.clone(), json!({"folderId": "0123456789abcdef01234567"})),
        ("POST", format!("{path}/move"), json!({"vaultId": own})),
    ] {
        let status = world.send(method, &path, &bob, true, body).await.0;
        assert!(status.is_client_error(), "{method} {path}: {status}");
    }
    let found = world.ok("GET", "/shortcuts/search?query=n", &bob, Value::Null).await;
    assert_eq!(found["items"][0]["shortcut"]["id"], json!(shortcut));
    assert_eq!(world.ok("GET", "/items/search?query=n", &bob, Value::Null).await, json!({"items": []}));
    let bin = world.ok("DELETE", &format!("/items/{item}"), &alice, json!({})).await;
    assert_eq!(
        world.send("GET", &path, &bob, true, Value::Null).await.0,
        404,
        "what is in the bin is not there"
    );
    let bin = format!("/bin-items/{}/restore", bin["binItemId"].as_str().unwrap());
    world.ok("POST", &bin, &alice, json!({})).await;
    world.ok("DELETE", &format!("/shortcuts/{shortcut}"), &alice, json!({})).await;
    assert_eq!(world.send("GET", &path, &bob, true, Value::Null).await.0, 404);
    world.ok("GET", &format!("/items/{item}"), &alice, Value::Null).await;
}

#[tokio::test]
async fn a_link_opens_for_its_code_as_often_as_it_says() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (_, _, item) = shared(&world, &alice, &bob).await;
    let attachment =
        world.ok("GET", &format!("/items/{item}"), &alice, Value::Null).await["attachments"][0]["id"].clone();
    let new = |kind: &str, hash: Value| {
        json!({
            "itemId": item, "keyHash": hash, "keyEncrypted": "k", "type": kind, "expirationTime": "1 hour",
            "itemData": {"name": "n", "attachments": [{"id": attachment, "name": "a", "encryptedKey": "e"}]},
        })
    };
    assert_eq!(world.send("POST", "/links", &alice, true, new("reusable", Value::Null)).await.0, 422);
    let open = async |link: &Value, hash: &str| {
        let token = link["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        world.send("POST", &format!("/links/{token}/open"), "", true, json!({"keyHash": hash})).await
    };
    let once = world.ok("POST", "/links", &alice, new("single_use", json!("aa"))).await;
    assert_eq!(open(&once, "bb").await.0, 403);
    let (status, shown) = open(&once, "aa").await;
    assert_eq!(status, 200);
    assert_eq!(shown["itemData"]["attachments"][0]["encryptedData"], "ZGF0YQ==");
    assert_eq!(open(&once, "aa").await.0, 404);

    let often = world.ok("POST", "/links", &alice, new("reusable", json!("aa"))).await;
    for _ in 0..3 {
        assert_eq!(open(&often, "aa").await.0, 200);
    }
    let listed = world.ok("GET", &format!("/links?itemId={item}"), &alice, Value::Null).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    for _ in 0..10 {
        assert_eq!(open(&often, "guess").await.0, 403);
    }
    assert_eq!(open(&often, "aa").await.0, 404, "who guesses ends it");
    let ended = world.ok("POST", "/links", &alice, new("reusable", json!("aa"))).await;
    world.ok("DELETE", &format!("/links/{}", id(&ended)), &alice, json!({})).await;
    assert_eq!(open(&ended, "aa").await.0, 404);
}

#[tokio::test]
async fn an_item_that_was_sent_is_read_from_the_inbox() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (_, _, item) = shared(&world, &alice, &bob).await;
    let bob_id = world.ok("GET", "/users/info", &bob, Value::Null).await["id"].clone();
    let new = json!({"itemId": item, "userId": bob_id, "keyEncrypted": "for bob"});
    let sent = id(&world.ok("POST", "/inbox-items", &alice, new).await);
    let list = world.ok("GET", "/inbox-items", &bob, Value::Null).await;
    assert_eq!(list["items"][0]["id"], json!(sent));
    let seen = world.ok("GET", &format!("/inbox-items/{sent}"), &bob, Value::Null).await;
    assert_eq!(seen["inbox"]["keyEncrypted"], "for bob");
    let attachment = seen["attachments"][0]["id"].as_str().unwrap();
    let path = format!("/items/{sent}/attachment/{attachment}");
    assert_eq!(world.ok("GET", &path, &bob, Value::Null).await["encryptedData"], "ZGF0YQ==");
    for path in [format!("/inbox-items/{sent}"), path] {
        assert_eq!(
            world.send("GET", &path, &alice, true, Value::Null).await.0,
            404,
            "it is bob's inbox: {path}"
        );
    }
    for path in [format!("/items/{sent}"), format!("/items/{item}")] {
        assert_eq!(world.send("GET", &path, &bob, true, Value::Null).await.0, 404, "{path}");
    }
    world.ok("DELETE", &format!("/inbox-items/{sent}"), &bob, json!({})).await;
    assert_eq!(world.ok("GET", "/inbox-items", &bob, Value::Null).await, json!({"items": []}));
}

#[tokio::test]
async fn a_vault_of_a_type_has_its_administrators() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = world.ok("GET", "/users/info", &bob, Value::Null).await["id"].clone();
    let kind = json!({"name": "Company", "code": "company", "administrators": [bob_id]});
    let kind = id(&world.ok("POST", "/vault-types", &alice, kind).await);
    let features = world.ok("GET", "/app/features", &alice, Value::Null).await;
    assert!(features.as_array().unwrap().iter().any(|one| one["name"] == "vaultType"));
    let administrators =
        world.ok("GET", &format!("/vault-types/{kind}/administrators"), &alice, Value::Null).await;
    assert_eq!(administrators["items"][0]["id"], bob_id);
    let mut new = vault("typed");
    assert_eq!(world.send("POST", "/vaults", &alice, true, new.clone()).await.0, 422);
    new["typeId"] = json!(kind);
    assert_eq!(world.send("POST", "/vaults", &alice, true, new.clone()).await.0, 422);
    new["administratorsKeys"] = json!({bob_id.as_str().unwrap(): "bob's"});
    let made = id(&world.ok("POST", "/vaults", &alice, new).await);
    let seen = world.ok("GET", &format!("/vaults/{made}"), &bob, Value::Null).await;
    assert_eq!((&seen["masterKeyEncrypted"], &seen["typeId"]), (&json!("bob's"), &json!(kind)));
}
