//! Sessions, wrapping, batches: the shape of answers.

use crate::world::{World, world};
use base64::Engine as _;
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn login_refresh_and_expiry() {
    let (world, ..) = world(ServeOptions::default());
    let login = |password: &str| json!({"username": "alice", "password": password, "hostname": "h"});
    let (status, answer) = world.send("POST", "/users/login", "", true, login("wrong")).await;
    assert_eq!((status.as_u16(), answer["errors"][0]["code"].as_str()), (401, Some("credentialsInvalid")));
    let first = world.ok("POST", "/users/login", "", login("correct horse")).await;
    let access = first["accessToken"].as_str().unwrap();
    assert_eq!(access.len(), 44);
    assert_eq!(world.ok("GET", "/users/info", access, Value::Null).await["username"], "alice");
    let second = world.ok("POST", "/sessions/refresh", access, Value::Null).await;
    assert!(second["refreshToken"].is_string());
    assert_eq!(world.send("GET", "/users/info", access, true, Value::Null).await.0, 401);
    // An answer may have been lost: for a while the old one gets another pair.
    let old = json!({"refreshToken": first["refreshToken"]});
    world.ok("POST", "/sessions/refresh", "", old).await;

    let short = ServeOptions { access_token_life: Duration::ZERO, ..ServeOptions::default() };
    let short = World { router: world.environment.router(short), ..world };
    let tokens = short.ok("POST", "/users/login", "", login("correct horse")).await;
    let access = tokens["accessToken"].as_str().unwrap();
    let (status, answer) = short.send("GET", "/users/info", access, true, Value::Null).await;
    assert_eq!((status.as_u16(), answer["errors"][0]["code"].as_str()), (401, Some("accessTokenExpired")));
    let expired = json!({"accessToken": access});
    for (path, token, body) in
        [("/sessions/refresh-access-token", "", expired), ("/sessions/refresh", access, Value::Null)]
    {
        let (status, answer) = short.send("POST", path, token, true, body).await;
        let code = answer["errors"][0]["code"].as_str();
        assert_eq!((status.as_u16(), code), (401, Some("accessTokenExpired")), "it buys nothing: {path}");
    }
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    assert!(short.ok("POST", "/sessions/refresh", access, refresh).await["accessToken"].is_string());
    let world = World { router: short.environment.router(ServeOptions::default()), ..short };
    let live = world.ok("POST", "/users/login", "", login("correct horse")).await;
    let live = json!({"accessToken": live["accessToken"]});
    let new = world.ok("POST", "/sessions/refresh-access-token", "", live).await;
    assert!(new["accessToken"].is_string() && new.get("refreshToken").is_none());
}

#[tokio::test]
async fn another_users_vault_is_not_there() {
    let (world, alice, bob) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "x"})).await;
    let item = item["id"].as_str().unwrap();
    for path in [format!("/vaults/{vault}"), format!("/items/{item}"), format!("/items?vaultId={vault}")] {
        assert_eq!(world.send("GET", &path, &bob, true, Value::Null).await.0, 404, "{path}");
    }
    let requests = json!({"requests": [
        {"method": "GET", "relativeUrl": format!("/api/v1/items/{item}")},
        {"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": vault, "name": "y"}},
        {"method": "DELETE", "relativeUrl": format!("/api/v1/items/{item}"), "body": {}}]});
    let answer = world.ok("POST", "/batch", &bob, requests).await;
    for response in answer["responses"].as_array().unwrap() {
        assert_eq!(response["statusCode"], 404);
    }
    let path = format!("/items/search?query=x&vaultIds[]={vault}");
    assert_eq!(world.ok("GET", &path, &bob, Value::Null).await, json!({"items": []}));
    assert_eq!(world.ok("GET", &path, &alice, Value::Null).await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn batch_keeps_what_succeeds() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let create = |body: Value| json!({"method": "POST", "relativeUrl": "/api/v1/items", "body": body});
    let requests = json!({"requests": [
        create(json!({"vaultId": vault, "name": "a"})),
        create(json!({"vaultId": vault})),
        create(json!({"vaultId": vault, "name": "b"}))]});
    let (_, answer) = world.send("POST", "/batch", &alice, true, requests).await;
    let statuses: Vec<_> = answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|response| response["statusCode"].clone())
        .collect();
    assert_eq!(statuses, [200, 422, 200]);
    let list = world.ok("GET", &format!("/items?vaultId={vault}"), &alice, Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn wrapping_and_shape() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "x"})).await;
    let path = format!("/items/{}", item["id"].as_str().unwrap());
    let plain = world.ok("GET", &path, &alice, Value::Null).await;
    let (_, wrapped) = world.send("GET", &path, &alice, false, Value::Null).await;
    assert_eq!(wrapped["format"], "base64");
    let text =
        base64::engine::general_purpose::STANDARD.decode(wrapped["content"].as_str().unwrap()).unwrap();
    // Who does not ask for raw JSON here does not ask for members of our own either.
    let mut theirs = plain.clone();
    for ours in ["createdAt", "updatedAt", "revision"] {
        theirs.as_object_mut().unwrap().remove(ours);
    }
    assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), theirs);
    for (name, value) in [
        ("login", Value::Null),
        ("url", Value::Null),
        ("description", Value::Null),
        ("folderId", Value::Null),
        ("fieldsOrder", Value::Null),
        ("vaultMasterKeyEncrypted", Value::Null),
        ("tags", json!([])),
        ("customs", json!([])),
        ("attachments", json!([])),
        ("color", json!(0)),
        ("isDeleted", json!(false)),
        ("isFavorite", json!(false)),
    ] {
        assert_eq!(plain.get(name), Some(&value), "{name}");
    }
    let (status, error) = world.send("GET", "/nothing", &alice, false, Value::Null).await;
    assert_eq!((status.as_u16(), error["format"].as_str()), (404, Some("base64")));
}
