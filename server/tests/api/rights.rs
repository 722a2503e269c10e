//! Every endpoint that names a vault or something in one, against every role: below "read" it is
//! not there, below what it needs it is refused, from there on it works. Alone and in a batch.

use crate::world::{World, world};
use keyferry_server::ServeOptions;
use serde_json::{Value, json};

const ROLES: [&str; 4] = ["none", "read", "edit", "administer"];

/// What there is to act on; made anew for each call, since calls change it.
struct Things {
    vault: String,
    folder: String,
    item: String,
    attachment: String,
    bob: String,
}

async fn things(world: &World, alice: &str, bob: &str, role: &str) -> Things {
    let id = |answer: Value| answer["id"].as_str().unwrap().to_owned();
    let vault = world.vault(alice).await;
    let folder = id(world.ok("POST", "/folders", alice, json!({"vaultId": vault, "name": "f"})).await);
    let item = json!({
        "vaultId": vault, "folderId": folder, "name": "n",
        "attachments": [{"name": "a", "encryptedKey": "YWFh", "encryptedData": "", "hash": "00"}],
    });
    let item = id(world.ok("POST", "/items", alice, item).await);
    let whole = world.ok("GET", &format!("/items/{item}"), alice, Value::Null).await;
    let attachment = whole["attachments"][0]["id"].as_str().unwrap().to_owned();
    let bob_id = id(world.ok("GET", "/users/info", bob, Value::Null).await);
    let grant = json!({"userId": bob_id, "role": role});
    world.ok("POST", &format!("/vaults/{vault}/users"), alice, grant).await;
    Things { vault, folder, item, attachment, bob: bob_id }
}

/// Method, path, body and the role it needs.
fn calls(on: &Things) -> Vec<(&'static str, String, Value, usize)> {
    let Things { vault, folder, item, attachment, bob } = on;
    vec![
        ("GET", format!("/vaults/{vault}"), Value::Null, 1),
        ("GET", format!("/folders?vaultId={vault}"), Value::Null, 1),
        ("GET", format!("/folders/{folder}"), Value::Null, 1),
        ("GET", format!("/items?vaultId={vault}"), Value::Null, 1),
        ("GET", format!("/items/{item}"), Value::Null, 1),
        ("GET", format!("/items/{item}/attachment/{attachment}"), Value::Null, 1),
        ("POST", "/folders".into(), json!({"vaultId": vault, "name": "g"}), 2),
        ("POST", "/folders".into(), json!({"vaultId": vault, "parentFolderId": folder, "name": "g"}), 2),
        ("POST", format!("/folders/{folder}"), json!({"name": "renamed"}), 2),
        ("POST", "/items".into(), json!({"vaultId": vault, "name": "m"}), 2),
        ("PATCH", format!("/items/{item}"), json!({"vaultId": vault, "name": "renamed"}), 2),
        ("DELETE", format!("/items/{item}"), json!({}), 2),
        ("DELETE", format!("/folders/{folder}"), json!({}), 2),
        ("GET", format!("/vaults/{vault}/users"), Value::Null, 1),
        ("POST", format!("/vaults/{vault}/users"), json!({"userId": bob, "role": "administer"}), 3),
        ("POST", format!("/vaults/{vault}"), json!({"name": "renamed"}), 3),
        ("DELETE", format!("/vaults/{vault}"), json!({}), 3),
    ]
}

#[tokio::test]
async fn every_endpoint_asks_for_the_role_that_it_needs() {
    let (world, alice, bob) = world(ServeOptions::default());
    let count = calls(&things(&world, &alice, &bob, "none").await).len();
    for (role, name) in ROLES.iter().enumerate() {
        for call in 0..count {
            for batched in [false, true] {
                let on = things(&world, &alice, &bob, name).await;
                let (method, path, body, needed) = calls(&on).swap_remove(call);
                let expected = match role {
                    _ if role >= needed => 200,
                    0 => 404,
                    _ => 403,
                };
                let status = if batched {
                    let request =
                        json!({"method": method, "relativeUrl": format!("/api/v1{path}"), "body": body});
                    let answer = world.ok("POST", "/batch", &bob, json!({"requests": [request]})).await;
                    answer["responses"][0]["statusCode"].as_u64().unwrap()
                } else {
                    u64::from(world.send(method, &path, &bob, true, body).await.0.as_u16())
                };
                assert_eq!(status, expected, "{method} {path} as {name}, batched: {batched}");
            }
        }
    }
}

#[tokio::test]
async fn lists_and_searches_show_only_what_may_be_read() {
    let (world, alice, bob) = world(ServeOptions::default());
    let count = |answer: Value| answer["items"].as_array().unwrap().len();
    let hidden = things(&world, &alice, &bob, "none").await;
    for path in ["/vaults", "/folders", "/items/search?query=n"] {
        assert_eq!(count(world.ok("GET", path, &bob, Value::Null).await), 0, "{path}");
    }
    let shown = things(&world, &alice, &bob, "read").await;
    for path in ["/vaults", "/folders", "/items/search?query=n"] {
        assert_eq!(count(world.ok("GET", path, &bob, Value::Null).await), 1, "{path}");
        assert_eq!(count(world.ok("GET", path, &alice, Value::Null).await), 2, "{path}");
    }
    // An item cannot be moved or looked at by way of a vault that may be read.
    let path = format!("/items/search?vaultIds[]={}&vaultIds[]={}", hidden.vault, shown.vault);
    assert_eq!(count(world.ok("GET", &path, &bob, Value::Null).await), 1);
}

#[tokio::test]
async fn a_vault_keeps_its_last_administrator() {
    let (world, alice, bob) = world(ServeOptions::default());
    let on = things(&world, &alice, &bob, "edit").await;
    let me = world.ok("GET", "/users/info", &alice, Value::Null).await;
    let path = format!("/vaults/{}/users", on.vault);
    let step_down = json!({"userId": me["id"], "role": "read"});
    assert_eq!(world.send("POST", &path, &alice, true, step_down.clone()).await.0, 409);
    world.ok("POST", &path, &alice, json!({"userId": on.bob, "role": "administer"})).await;
    world.ok("POST", &path, &alice, step_down).await;
    assert_eq!(world.send("DELETE", &format!("/vaults/{}", on.vault), &alice, true, json!({})).await.0, 403);
}

#[tokio::test]
async fn an_encrypted_vault_is_shared_with_its_key_or_not_at_all() {
    let (world, alice, bob) = world(ServeOptions::default());
    let vault = json!({"name": "v", "masterKeyEncrypted": "a2V5", "masterKeyHash": "00", "salt": "s"});
    let vault = world.ok("POST", "/vaults", &alice, vault).await;
    let id = vault["id"].as_str().unwrap();
    let bob_id = world.ok("GET", "/users/info", &bob, Value::Null).await["id"].clone();
    let path = format!("/vaults/{id}/users");
    let bare = json!({"userId": bob_id, "role": "read"});
    assert_eq!(world.send("POST", &path, &alice, true, bare).await.0, 422);
    let whole = json!({"userId": bob_id, "role": "read", "masterKeyEncrypted": "Ym9i"});
    world.ok("POST", &path, &alice, whole).await;
    let seen = world.ok("GET", &format!("/vaults/{id}"), &bob, Value::Null).await;
    assert_eq!(seen["masterKeyEncrypted"], "Ym9i", "each user gets their own copy");
}

#[tokio::test]
async fn the_master_key_hash_must_be_the_users_own() {
    let (world, alice, _) = world(ServeOptions::default());
    let ask = |hash: &'static str| {
        let request = http::Request::get("/api/v1/users/info")
            .header("authorization", format!("Bearer {alice}"))
            .header("x-master-key-hash", hash)
            .body(axum::body::Body::empty());
        tower::ServiceExt::oneshot(world.router.clone(), request.unwrap())
    };
    assert_eq!(ask("aabb").await.unwrap().status(), 200);
    assert_eq!(ask("aabc").await.unwrap().status(), 401);
}
