//! What clients send and read that others wrote: the facts of `docs/compatibility.md`, one test a row.

use crate::world::{PEM, World, id, world};
use http::Request;
use http_body_util::BodyExt as _;
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// An answer as a client gets it that knows nothing of ours and does not ask for raw JSON.
async fn plain(world: &World, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = axum::body::Body::from(body.to_string());
    let answer = world.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// A user who reaches an item through a shortcut alone.
async fn reached_by_shortcut(world: &World, alice: &str, bob: &str) -> (String, String, String) {
    let (vault, shared) = (world.vault(alice).await, world.vault(alice).await);
    let bob_id = id(&world.ok("GET", "/users/info", bob, Value::Null).await);
    let grant = json!({"userId": bob_id, "role": "edit"});
    world.ok("POST", &format!("/vaults/{shared}/users"), alice, grant).await;
    let folder = id(&world.ok("POST", "/folders", alice, json!({"vaultId": shared, "name": "f"})).await);
    let item = json!({"vaultId": vault, "name": "n", "login": "l", "passwordEncrypted": "cA=="});
    let item = id(&world.ok("POST", "/items", alice, item).await);
    let new = json!({"vaultId": shared, "folderId": folder, "itemId": item});
    let shortcut = id(&world.ok("POST", "/shortcuts", alice, new).await);
    (item, shortcut, shared)
}

#[tokio::test]
async fn who_owes_a_code_finds_that_out() {
    let (world, alice, _) = world(ServeOptions::default());
    world.ok("POST", "/users/2fa/totp/generate", &alice, json!({})).await;
    world.change("UPDATE users SET totp_enabled = 1 WHERE username = 'alice'", &[]);
    let half =
        world.ok("POST", "/users/login", "", json!({"username": "alice", "password": "correct horse"})).await;
    let half = half["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(world.ok("GET", "/users/info", &half, Value::Null).await["isTwoFactorAuthEnabled"], true);
    assert_eq!(
        world.ok("GET", "/sessions/current/info", &half, Value::Null).await["isTwoFactorAuthRequired"],
        true
    );
    for path in ["/users", "/vaults", "/users/keys"] {
        let (status, answer) = world.send("GET", path, &half, true, Value::Null).await;
        assert_eq!(
            (status.as_u16(), &answer["errors"][0]["code"]),
            (401, &json!("twoFactorAuthRequired")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_shortcut_is_the_item_seen_from_its_place() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (item, shortcut, shared) = reached_by_shortcut(&world, &alice, &bob).await;
    let one = world.ok("GET", &format!("/shortcuts/{shortcut}"), &bob, Value::Null).await;
    let found = world.ok("GET", "/shortcuts/search?query=n", &bob, Value::Null).await["items"][0].clone();
    for seen in [one, found] {
        assert_eq!((&seen["id"], &seen["name"], &seen["login"]), (&json!(item), &json!("n"), &json!("l")));
        assert_eq!(seen["passwordEncrypted"], "cA==");
        for name in [
            "url",
            "description",
            "tags",
            "color",
            "customs",
            "attachments",
            "keyEncrypted",
            "fieldsOrder",
            "isDeleted",
            "isFavorite",
        ] {
            member(&seen, name);
        }
        assert!(seen.get("vaultMasterKeyEncrypted").is_none());
        let inner = &seen["shortcut"];
        assert_eq!(
            (&inner["id"], &inner["itemId"], &inner["vaultId"]),
            (&json!(shortcut), &json!(item), &json!(shared))
        );
        assert_eq!(inner["creator"]["login"], "alice");
        let path: Vec<&Value> = seen["path"].as_array().unwrap().iter().map(|step| &step["name"]).collect();
        assert_eq!(path, ["v", "f"]);
    }
    // The official client asks for the item by the id that it found, alone and in a batch.
    let whole = world.ok("GET", &format!("/items/{item}"), &bob, Value::Null).await;
    assert_eq!((&whole["id"], &whole["vaultId"]), (&json!(item), &json!(shared)));
    let batch = json!({"requests": [{"method": "GET", "relativeUrl": format!("/api/v1/items/{item}")}]});
    let batch = world.ok("POST", "/batch", &bob, batch).await;
    assert_eq!(batch["responses"][0]["body"]["id"], json!(item));
    world.ok("PATCH", &format!("/shortcuts/{shortcut}"), &bob, json!({"login": "changed"})).await;
    assert_eq!(world.ok("GET", &format!("/items/{item}"), &alice, Value::Null).await["login"], "changed");
    world.ok("DELETE", &format!("/shortcuts/{shortcut}"), &alice, json!({})).await;
    assert_eq!(world.send("GET", &format!("/items/{item}"), &bob, true, Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_first_key_does_not_get_lost_in_a_shortcut() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (_, shortcut, _) = reached_by_shortcut(&world, &alice, &bob).await;
    let change = json!({"passwordEncrypted": "eA==", "keyEncrypted": "a2V5"});
    let (status, answer) = world.send("PATCH", &format!("/items/{shortcut}"), &bob, true, change).await;
    assert_eq!((status.as_u16(), &answer["errors"][0]["field"]), (422, &json!("keyEncrypted")));
}

#[tokio::test]
async fn a_folder_moves_where_it_is_told_and_nowhere_else() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let make = async |name: &str| {
        id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": name})).await)
    };
    let (one, other) = (make("one").await, make("other").await);
    let path = format!("/folders/{one}/move");
    let parent = async || {
        world.ok("GET", &format!("/folders/{one}"), &alice, Value::Null).await["parentFolderId"].clone()
    };
    world.ok("POST", &path, &alice, json!({"targetFolderId": other})).await;
    assert_eq!(parent().await, json!(other));
    for body in [json!({}), json!({"vaultId": vault}), json!({"destination": other}), Value::Null] {
        assert_eq!(world.send("POST", &path, &alice, true, body.clone()).await.0, 422, "{body}");
        assert_eq!(parent().await, json!(other), "{body}");
    }
    world.ok("POST", &path, &alice, json!({"parentFolderId": null})).await;
    assert_eq!(parent().await, Value::Null);
}

#[tokio::test]
async fn folders_are_found_with_the_way_to_them() {
    let (world, alice, bob) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let outer = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "Outer"})).await);
    let inner = json!({"vaultId": vault, "parentFolderId": outer, "name": "inner"});
    let inner = id(&world.ok("POST", "/folders", &alice, inner).await);
    let found =
        world.ok("GET", &format!("/folders/search?query=INN&vaultId={vault}"), &alice, Value::Null).await;
    let hit = &found["items"][0];
    assert_eq!(
        (&hit["id"], &hit["parentFolderId"], &hit["vaultId"]),
        (&json!(inner), &json!(outer), &json!(vault))
    );
    let names: Vec<&Value> = hit["path"].as_array().unwrap().iter().map(|step| &step["name"]).collect();
    assert_eq!(names, ["v", "Outer", "inner"]);
    assert!(
        hit["permissions"].as_array().unwrap().contains(&json!("folder:delete")) && hit["color"].is_number()
    );
    assert_eq!(world.ok("GET", "/folders/search?query=inn", &bob, Value::Null).await, json!({"items": []}));
}

#[tokio::test]
async fn users_are_administered() {
    let (world, alice, bob) = world(ServeOptions::default());
    let roles =
        world.ok("GET", "/user-roles?includeUserRole=1&isOnlyManageable=1", &alice, Value::Null).await;
    let role = |code: &str| {
        let found = roles["items"].as_array().unwrap().iter().find(|role| role["code"] == code);
        found.unwrap()["id"].clone()
    };
    assert!(
        roles["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|role| role["code"] == "user" && role["isDefault"] == true)
    );
    let new = json!({"login": "dan", "email": "dan@example.com", "fullName": "Dan D", "userRoleId": role("user"), "password": "first"});
    let dan = id(&world.ok("POST", "/users", &alice, new.clone()).await);
    assert_eq!(world.send("POST", "/users", &alice, true, new).await.0, 409, "the login is taken");
    let path = format!("/users/{dan}");
    let seen = world.ok("GET", &path, &alice, Value::Null).await;
    assert_eq!(
        (&seen["login"], &seen["username"], &seen["userRoleId"]),
        (&json!("dan"), &json!("dan"), &role("user"))
    );
    let login = async |password: &str| {
        world.send("POST", "/users/login", "", true, json!({"username": "dan", "password": password})).await
    };
    let token = login("first").await.1["accessToken"].as_str().unwrap().to_owned();
    let found = world.ok("GET", "/users?search=DAN%20D&limit=1", &alice, Value::Null).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    // A changed password is the password, and what was open is closed.
    world.ok("PATCH", &path, &alice, json!({"password": "second", "fullName": ""})).await;
    assert_eq!(world.send("GET", "/users/info", &token, true, Value::Null).await.0, 401);
    assert_eq!(login("first").await.0, 401);
    let token = login("second").await.1["accessToken"].as_str().unwrap().to_owned();
    assert!(world.ok("GET", &path, &alice, Value::Null).await["fullName"].is_null());
    assert_eq!(
        world.send("PATCH", &path, &token, true, json!({"userRoleId": role("administrator")})).await.0,
        403
    );

    // Blocked: sessions, rights, shortcuts and links end meanwhile.
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    world.ok("POST", &format!("/vaults/{vault}/users"), &alice, json!({"userId": dan, "role": "edit"})).await;
    let link = json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"});
    let link = world.ok("POST", "/links", &token, link).await;
    let open = format!("/links/{}/open", link["url"].as_str().unwrap().rsplit('/').next().unwrap());
    assert_eq!(world.send("POST", &open, "", true, json!({})).await.0, 200);
    assert_eq!(world.send("POST", &format!("{path}/block"), &bob, true, json!({})).await.0, 403);
    world.ok("POST", &format!("{path}/block"), &alice, json!({})).await;
    assert_eq!(world.send("GET", "/users/info", &token, true, Value::Null).await.0, 401);
    assert_eq!(login("second").await.0, 403);
    assert_eq!(world.send("POST", &open, "", true, json!({})).await.0, 404);
    world.ok("POST", &format!("{path}/unblock"), &alice, json!({})).await;
    assert_eq!(login("second").await.0, 200);
    assert_eq!(world.send("POST", &open, "", true, json!({})).await.0, 200);

    // An environment keeps an administrator, and a vault one.
    let me = id(&world.ok("GET", "/users/info", &alice, Value::Null).await);
    for (method, path, body) in [
        ("POST", format!("/users/{me}/block"), json!({})),
        ("DELETE", format!("/users/{me}"), json!({})),
        ("PATCH", format!("/users/{me}"), json!({"userRoleId": role("user")})),
    ] {
        assert_eq!(world.send(method, &path, &alice, true, body).await.0, 409, "{method} {path}");
    }
    let token = login("second").await.1["accessToken"].as_str().unwrap().to_owned();
    world.vault(&token).await;
    assert_eq!(
        world.send("DELETE", &path, &alice, true, json!({})).await.0,
        409,
        "a vault would have nobody"
    );
    let own = world.ok("GET", "/vaults", &token, Value::Null).await["items"][1]["id"].clone();
    world.ok("DELETE", &format!("/vaults/{}", own.as_str().unwrap()), &token, json!({})).await;
    world.ok("DELETE", &path, &alice, json!({})).await;
    assert_eq!(login("second").await.0, 401);
    assert_eq!(world.send("GET", &path, &alice, true, Value::Null).await.0, 404);
    world.ok("POST", "/users", &alice, json!({"login": "dan", "userRoleId": role("administrator")})).await;
    assert_eq!(login("").await.0, 401, "without a password nobody signs in");
}

#[tokio::test]
async fn groups_have_members() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let group = id(&world.ok("POST", "/user-groups", &alice, json!({"name": "Team"})).await);
    let path = format!("/user-groups/{group}");
    world.ok("POST", &format!("{path}/add-users"), &alice, json!({"userIds": [bob_id]})).await;
    world.ok("POST", &path, &alice, json!({"name": "Renamed"})).await;
    let seen = world.ok("GET", &path, &bob, Value::Null).await;
    assert_eq!((&seen["name"], &seen["userIds"]), (&json!("Renamed"), &json!([bob_id])));
    for (method, path, body) in [
        ("POST", format!("{path}/remove-users"), json!({"userIds": [bob_id]})),
        ("POST", path.clone(), json!({"name": "mine"})),
        ("DELETE", path.clone(), json!({})),
    ] {
        assert_eq!(world.send(method, &path, &bob, true, body).await.0, 403, "{method} {path}");
    }
    let nobody = json!({"userIds": ["0".repeat(24)]});
    assert_eq!(world.send("POST", &format!("{path}/add-users"), &alice, true, nobody).await.0, 404);
    world.ok("POST", &format!("{path}/remove-users"), &alice, json!({"userIds": [bob_id]})).await;
    assert_eq!(world.ok("GET", "/user-groups", &alice, Value::Null).await["items"][0]["userIds"], json!([]));
    world.ok("DELETE", &path, &alice, json!({})).await;
    assert_eq!(world.send("GET", &path, &alice, true, Value::Null).await.0, 404);
}

#[tokio::test]
async fn items_are_found_with_the_way_to_them_and_by_one_vault() {
    let (world, alice, _) = world(ServeOptions::default());
    let (vault, other) = (world.vault(&alice).await, world.vault(&alice).await);
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "f"})).await);
    for (place, folder) in [(&vault, Some(&folder)), (&other, None)] {
        world
            .ok("POST", "/items", &alice, json!({"vaultId": place, "folderId": folder, "name": "findable"}))
            .await;
    }
    let found =
        world.ok("GET", &format!("/items/search?query=findable&vaultId={vault}"), &alice, Value::Null).await;
    let items = found["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    let steps = items[0]["path"].as_array().unwrap();
    assert_eq!(
        (steps.len(), &steps[0]["folderId"], &steps[1]["folderId"]),
        (2, &Value::Null, &json!(folder))
    );
}

#[tokio::test]
async fn answers_have_the_members_that_typed_clients_read() {
    let (world, alice, bob) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let seen = world.ok("GET", &format!("/vaults/{vault}"), &alice, Value::Null).await;
    for name in ["permissions", "isVisible", "directoryAccess", "canLeaveVault", "canChangeVaultType"] {
        member(&seen, name);
    }
    assert_eq!(
        (&seen["directoryAccess"]["access"], &seen["directoryAccess"]["isViewingAccess"]),
        (&json!("administer"), &json!(false))
    );
    assert!(seen["permissions"].as_array().unwrap().contains(&json!("vault:delete")));
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let path = format!("/items/{item}");
    world.ok("PATCH", &path, &alice, json!({"name": "m"})).await;
    let snapshots = world.ok("GET", &format!("{path}/snapshots"), &alice, Value::Null).await;
    let snapshot = snapshots["items"][0]["id"].as_str().unwrap().to_owned();
    let snapshot = world.ok("GET", &format!("{path}/snapshot/{snapshot}"), &alice, Value::Null).await;
    assert_eq!(snapshot["creator"]["login"], "alice");
    assert_eq!(snapshot["creatorId"], snapshot["creator"]["id"]);
    member(&snapshot, "fieldsOrder");
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let sent = id(&world.ok("POST", "/inbox-items", &alice, json!({"itemId": item, "userId": bob_id})).await);
    let inbox = world.ok("GET", &format!("/inbox-items/{sent}"), &bob, Value::Null).await;
    for name in ["vaultId", "folderId", "keyEncrypted", "fieldsOrder", "isDeleted", "isFavorite"] {
        member(&inbox, name);
    }
    for name in ["id", "access", "senderId", "createdAt", "isViewed", "isUserNotified"] {
        member(&inbox["inbox"], name);
    }
    assert_eq!(inbox["inbox"]["sender"]["login"], "alice");
    // Numbers of our own come to who asks for them.
    let (_, theirs) = plain(&world, "GET", &format!("{path}?"), &alice, &Value::Null).await;
    assert_eq!(theirs["format"], "base64");
    let request = Request::get(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {alice}"))
        .header("x-response-format", "raw");
    let answer =
        world.router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let theirs: Value =
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let ours = world.ok("GET", &path, &alice, Value::Null).await;
    for name in ["createdAt", "updatedAt", "revision"] {
        assert!(theirs.get(name).is_none() && ours[name].is_number(), "{name}");
    }
    let additional = world.ok("GET", "/app/settings/additional", &alice, Value::Null).await;
    assert_eq!(additional["isClientSideEncryptionEnabled"], true);
}

#[tokio::test]
async fn two_types_are_always_there_and_ask_for_nothing() {
    let (world, alice, _) = world(ServeOptions::default());
    let types = world.ok("GET", "/vault-types/all", &alice, Value::Null).await;
    let types = types["items"].as_array().unwrap();
    let codes: Vec<&Value> = types.iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["company", "privateShared"]);
    let features = world.ok("GET", "/app/features", &alice, Value::Null).await;
    assert!(features.as_array().unwrap().iter().all(|one| one["name"] != "vaultType"));
    for kind in types {
        world.ok("POST", "/vaults", &alice, json!({"name": "typed", "typeId": kind["id"]})).await;
        let path = format!("/vault-types/{}/administrators", kind["id"].as_str().unwrap());
        assert_eq!(world.ok("GET", &path, &alice, Value::Null).await, json!({"items": []}));
    }
}

#[tokio::test]
async fn token_endpoints_are_never_wrapped() {
    let (world, ..) = world(ServeOptions::default());
    let tokens =
        world.ok("POST", "/users/login", "", json!({"username": "alice", "password": "correct horse"})).await;
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    let (status, answer) = plain(&world, "POST", "/sessions/refresh", "", &refresh).await;
    assert!(status == 200 && answer["accessToken"].is_string(), "{answer}");
    let wrong = json!({"refreshToken": "made up"});
    let (status, answer) = plain(&world, "POST", "/sessions/refresh-refresh-token", "", &wrong).await;
    assert!(status == 401 && answer["errors"].is_array(), "{answer}");
}

#[tokio::test]
async fn a_password_in_the_clear_is_no_silent_success() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let change = json!({"name": "m", "password": "in the clear"});
    let (status, answer) = world.send("PATCH", &format!("/items/{item}"), &alice, true, change).await;
    assert_eq!((status.as_u16(), &answer["errors"][0]["field"]), (422, &json!("passwordEncrypted")));
    assert_eq!(world.ok("GET", &format!("/items/{item}"), &alice, Value::Null).await["name"], "n");
    // Unknown members beside known ones stay ignored.
    world.ok("PATCH", &format!("/items/{item}"), &alice, json!({"name": "m", "master_key": "x"})).await;
}

#[tokio::test]
async fn what_is_not_understood_at_all_is_refused_everywhere() {
    let (world, alice, _) = world(ServeOptions::default());
    let document = world.get_whole("/api/openapi.json").await;
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation.get("requestBody").is_none() {
                continue;
            }
            let path = path
                .strip_prefix("/api/v1")
                .unwrap()
                .replace("{id}", &"0".repeat(24))
                .replace("{token}", "t");
            let body = json!({"surelyUnknown": 1, "anotherOne": {"deep": true}});
            let (status, answer) = world.send(&method.to_uppercase(), &path, &alice, true, body).await;
            assert_eq!(status, 422, "{method} {path}: {answer}");
            tried += 1;
        }
    }
    assert!(tried > 25, "{tried}");
    for (query, refused) in [
        ("vaultID=x", true),
        ("folderIDs[]=x", true),
        ("groupId=x", true),
        ("queri=x", true),
        ("tag[]=x", true),
        ("utm_source=x", false),
        ("_=1700000000", false),
    ] {
        let (status, answer) =
            world.send("GET", &format!("/items/search?{query}"), &alice, true, Value::Null).await;
        assert_eq!(status == 422, refused, "{query}: {answer}");
    }
}

/// Sends and expects this status; the answer.
async fn expect(world: &World, status: u16, method: &str, path: &str, token: &str, body: Value) -> Value {
    let (got, answer) = world.send(method, path, token, true, body).await;
    assert_eq!(got.as_u16(), status, "{method} {path}: {answer}");
    answer
}

#[tokio::test]
async fn a_condition_counts_however_it_is_written() {
    let (world, alice, _) = world(ServeOptions::default());
    let (one, two) = (world.vault(&alice).await, world.vault(&alice).await);
    for (vault, name) in [(&one, "in one"), (&two, "in two")] {
        let item = json!({"vaultId": vault, "name": name, "tags": [name], "color": 1});
        world.ok("POST", "/items", &alice, item).await;
    }
    let names = async |query: &str| {
        let found = world.ok("GET", &format!("/items/search?{query}"), &alice, Value::Null).await;
        let items = found["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for query in [
        format!("vaultIds={one}"),
        format!("vaultId[]={one}"),
        format!("vaultIds[]={one}&vaultIds[]={two}&vaultId={one}"),
        "tags=in+one".to_owned(),
        "query[]=in+one".to_owned(),
        "tags[0]=in+one".to_owned(),
    ] {
        assert_eq!(names(&query).await, ["in one"], "{query}");
    }
    assert!(names(&format!("vaultIds[]={two}&vaultId={one}")).await.is_empty(), "both hold");
    assert!(names("colorCodes=2").await.is_empty());
    for path in [
        format!("/items/search?vaultId={one}&vaultId={two}"),
        format!("/items?vaultId={one}&folderIds[]={two}"),
        "/users?userIds[]=a".to_owned(),
        "/folders?vaultIds[]=a".to_owned(),
        "/activity-log?itemId=a".to_owned(),
    ] {
        expect(&world, 422, "GET", &path, &alice, Value::Null).await;
    }
    // What is no condition stays ignored.
    assert_eq!(names("page=1&take=5").await.len(), 2);
}

#[tokio::test]
async fn every_list_has_its_pages() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    for name in ["f1", "f2"] {
        world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": name})).await;
        world.ok("POST", "/user-groups", &alice, json!({"name": name})).await;
    }
    for path in ["/users?", "/folders/search?query=f&", "/user-groups?search=f&", "/activity-log?"] {
        let page = async |offset: usize| {
            let path = format!("{path}limit=1&offset={offset}");
            world.ok("GET", &path, &alice, Value::Null).await["items"][0].clone()
        };
        let (first, second) = (page(0).await, page(1).await);
        assert!(first.is_object() && second.is_object() && first != second, "{path}");
    }
    // And so does each that is short, with no condition that it does not know.
    for _ in 0..2 {
        world.vault(&alice).await;
    }
    for path in [
        "/vaults".to_owned(),
        "/folders".to_owned(),
        format!("/shortcuts?vaultId={vault}"),
        format!("/links?vaultId={vault}"),
        "/inbox-items".to_owned(),
        "/bin-items".to_owned(),
        "/user-roles".to_owned(),
        "/vault-types/all".to_owned(),
        format!("/vaults/{vault}/users"),
        format!("/vaults/{vault}/groups"),
    ] {
        let and = if path.contains('?') { '&' } else { '?' };
        let all = world.ok("GET", &path, &alice, Value::Null).await["items"].as_array().unwrap().clone();
        for (page, wanted) in
            [("limit=1", all.get(..1)), ("offset=1&limit=9", all.get(1..)), ("limit=0", all.get(..0))]
        {
            let part = world.ok("GET", &format!("{path}{and}{page}"), &alice, Value::Null).await;
            assert_eq!(part["items"], json!(wanted.unwrap_or_default()), "{path} {page}");
        }
        expect(&world, 422, "GET", &format!("{path}{and}limit=-1"), &alice, Value::Null).await;
        expect(&world, 422, "GET", &format!("{path}{and}otherIds[]=a"), &alice, Value::Null).await;
    }
}

#[tokio::test]
async fn what_is_left_empty_is_nothing() {
    let (world, alice, bob) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "f"})).await);
    let item = json!({"vaultId": vault, "folderId": folder, "name": "i", "password": "", "passwordEncrypted": "cA=="});
    let item = format!("/items/{}", id(&world.ok("POST", "/items", &alice, item).await));
    for query in ["vaultIds=&tags=&folderIds[]=", "vaultIds[]=&query=i", "limit=&offset=&colorCodes="] {
        let found = world.ok("GET", &format!("/items/search?{query}"), &alice, Value::Null).await;
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{query}");
    }
    world.ok("GET", "/folders?vaultId=", &alice, Value::Null).await;
    expect(&world, 422, "PATCH", &item, &alice, json!({"vaultId": vault, "folderId": "", "name": "n"})).await;
    world.ok("PATCH", &item, &alice, json!({"password": "", "name": "n"})).await;
    // An empty password is none, and never one that opens.
    let user = format!("/users/{}", id(&world.ok("GET", "/users/info", &bob, Value::Null).await));
    world.ok("PATCH", &user, &alice, json!({"password": "", "fullName": "x"})).await;
    world.ok("POST", "/users", &alice, json!({"login": "n", "password": ""})).await;
    for (name, password, status) in [("bob", "correct horse", 200), ("bob", "", 401), ("n", "", 401)] {
        expect(&world, status, "POST", "/users/login", "", json!({"username": name, "password": password}))
            .await;
    }
}

#[tokio::test]
async fn a_copy_of_a_key_is_one_and_for_who_administers_the_type() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let new = |keys: Value, kind: Value| json!({"name": "v", "masterKeyEncrypted": "a2V5", "masterKeyHash": "00", "salt": "s", "administratorsKeys": keys, "typeId": kind});
    let none = Value::Null;
    expect(&world, 422, "POST", "/vaults", &alice, new(json!({&*bob_id: "QQ=="}), none.clone())).await;
    let kind = json!({"name": "t", "code": "t", "administrators": [bob_id]});
    let kind = json!(id(&world.ok("POST", "/vault-types", &alice, kind).await));
    world.without_keys("bob");
    for copy in ["", "QQ=="] {
        expect(&world, 422, "POST", "/vaults", &alice, new(json!({&*bob_id: copy}), kind.clone())).await;
    }
    // Who has no keys yet waits for a copy, and holds up nobody.
    let vault = id(&world.ok("POST", "/vaults", &alice, new(json!({}), kind)).await);
    expect(&world, 404, "GET", &format!("/vaults/{vault}"), &bob, none.clone()).await;
    let lacking = world.ok("GET", &format!("/vaults/{vault}/users-without-key"), &alice, none).await;
    assert_eq!(lacking["items"][0]["userId"], json!(bob_id));
}

#[tokio::test]
async fn an_item_moves_where_it_is_told_and_nowhere_else() {
    let (world, alice, _) = world(ServeOptions::default());
    let (vault, other) = (world.vault(&alice).await, world.vault(&alice).await);
    let folder = async |name: &str| {
        id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": name})).await)
    };
    let (from, to) = (folder("from").await, folder("to").await);
    let item = json!({"vaultId": vault, "folderId": from, "name": "i"});
    let item = id(&world.ok("POST", "/items", &alice, item).await);
    let path = format!("/items/{item}/move");
    let stands_in =
        async || world.ok("GET", &format!("/items/{item}"), &alice, Value::Null).await["folderId"].clone();
    for body in [
        json!({"vaultId": vault}),
        json!({"folderId": ""}),
        json!({"folderId": from, "targetFolderId": to}),
        json!({"vaultId": vault, "folderId": ""}),
        json!([vault]),
        json!({"name": "x"}),
    ] {
        expect(&world, 422, "POST", &path, &alice, body).await;
        assert_eq!(stands_in().await, json!(from));
    }
    for (body, place) in [
        (json!({"folderId": to}), json!(to)),
        (json!({"vaultId": vault, "targetFolderId": from}), json!(from)),
        (json!({"vaultId": vault, "folderId": null, "parentFolderId": to}), json!(to)),
        (json!({"vaultId": vault, "folderId": null}), Value::Null),
        (json!({"vaultId": other}), Value::Null),
    ] {
        world.ok("POST", &path, &alice, body.clone()).await;
        assert_eq!(stands_in().await, place, "{body}");
    }
    let folder_path = format!("/folders/{from}/move");
    // As items' moves have it; some name once more what they move.
    let elsewhere = folder("elsewhere").await;
    let parent = async || {
        world.ok("GET", &format!("/folders/{from}"), &alice, Value::Null).await["parentFolderId"].clone()
    };
    world
        .ok(
            "POST",
            &folder_path,
            &alice,
            json!({"vaultId": vault, "folderId": elsewhere, "parentFolderId": null}),
        )
        .await;
    assert_eq!(parent().await, json!(elsewhere));
    expect(&world, 422, "POST", &folder_path, &alice, json!({"folderId": from})).await;
    world.ok("POST", &folder_path, &alice, json!({"folderId": from, "targetFolderId": null})).await;
    assert_eq!(parent().await, Value::Null);
    for body in [json!({"targetFolderId": ""}), json!({"targetFolderId": to, "parentFolderId": other})] {
        expect(&world, 422, "POST", &folder_path, &alice, body).await;
    }
    world.ok("POST", &folder_path, &alice, json!({"targetFolderId": to, "parentFolderId": null})).await;
    let moved = world.ok("GET", &format!("/folders/{from}"), &alice, Value::Null).await;
    assert_eq!(moved["parentFolderId"], json!(to));
}

#[tokio::test]
async fn a_password_in_the_clear_is_never_lost_in_silence() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = id(&world
        .ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "i", "password": null}))
        .await);
    for (method, path, body) in [
        ("POST", "/items".to_owned(), json!({"vaultId": vault, "name": "n", "password": "s"})),
        ("PATCH", format!("/items/{item}"), json!({"password": "s"})),
        ("PATCH", format!("/items/{item}"), json!({"password": "s", "name": "n"})),
    ] {
        let answer = expect(&world, 422, method, &path, &alice, body).await;
        assert_eq!(answer["errors"][0]["field"], "passwordEncrypted");
    }
}

#[tokio::test]
async fn what_a_shortcut_shows_of_itself_comes_back_with_a_change() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (item, shortcut, _) = reached_by_shortcut(&world, &alice, &bob).await;
    for path in [format!("/items/{item}"), format!("/items/{shortcut}")] {
        let seen = world.ok("GET", &path, &bob, Value::Null).await;
        let change = json!({"vaultId": seen["vaultId"], "folderId": seen["folderId"], "name": "changed"});
        world.ok("PATCH", &path, &bob, change).await;
        expect(&world, 422, "PATCH", &path, &bob, json!({"folderId": item})).await;
    }
    // In the bin with its folder.
    let seen = world.ok("GET", &format!("/items/{item}"), &bob, Value::Null).await;
    world
        .ok("DELETE", &format!("/folders/{}", seen["folderId"].as_str().unwrap()), &alice, Value::Null)
        .await;
    for path in [format!("/items/{item}"), format!("/shortcuts/{shortcut}"), format!("/items/{shortcut}")] {
        expect(&world, 404, "GET", &path, &bob, Value::Null).await;
    }
}

#[tokio::test]
async fn a_programs_session_stays_one() {
    let (world, alice, _) = world(ServeOptions::default());
    let login = json!({"username": "alice", "password": "correct horse"});
    let tokens = world.ok("POST", "/users/login", "", login).await;
    let access = tokens["accessToken"].as_str().unwrap();
    world.ok("POST", "/csrf-tokens/generate", access, json!({})).await;
    let next =
        world.ok("POST", "/sessions/refresh", "", json!({"refreshToken": tokens["refreshToken"]})).await;
    assert!(next["accessToken"].is_string(), "{next}");
    world
        .ok(
            "POST",
            "/sessions/logout",
            next["accessToken"].as_str().unwrap(),
            json!({"refreshToken": next["refreshToken"]}),
        )
        .await;
    expect(&world, 401, "GET", "/users/info", next["accessToken"].as_str().unwrap(), Value::Null).await;
    world.ok("GET", "/users/info", &alice, Value::Null).await;
    // As they are for whoever knows nothing of the wrapping: errors too.
    for body in [json!({"foo": 1}), json!({"refreshToken": "x"})] {
        let (_, answer) = plain(&world, "POST", "/sessions/refresh", "", &body).await;
        assert!(answer["errors"].is_array(), "{answer}");
    }
}

#[tokio::test]
async fn a_half_open_session_does_not_outlive_its_guesses_by_a_refresh() {
    let (world, alice, _) = world(ServeOptions::default());
    world.ok("POST", "/users/2fa/totp/generate", &alice, json!({})).await;
    world.change("UPDATE users SET totp_enabled = 1 WHERE username = 'alice'", &[]);
    let login = json!({"username": "alice", "password": "correct horse"});
    let mut tokens = world.ok("POST", "/users/login", "", login).await;
    for guess in 0..5 {
        let access = tokens["accessToken"].as_str().unwrap().to_owned();
        expect(&world, 401, "POST", "/users/2fa/totp/authorize", &access, json!({"code": "000000"})).await;
        if guess == 2 {
            // The count goes along.
            tokens = world
                .ok("POST", "/sessions/refresh", "", json!({"refreshToken": tokens["refreshToken"]}))
                .await;
        }
    }
    let access = tokens["accessToken"].as_str().unwrap();
    expect(&world, 401, "POST", "/sessions/refresh", "", json!({"refreshToken": tokens["refreshToken"]}))
        .await;
    expect(&world, 401, "POST", "/sessions/refresh-access-token", "", json!({"accessToken": access})).await;
    expect(&world, 401, "GET", "/users/info", access, Value::Null).await;
    world.ok("GET", "/users", &alice, Value::Null).await;
}

#[tokio::test]
async fn what_was_sent_ends_with_the_right_of_who_sent_it() {
    let (world, alice, bob) = world(ServeOptions::default());
    let carol = world.environment.add_user(crate::world::user("carol")).unwrap();
    let token = world.environment.issue_session(&carol).unwrap().access_token.unwrap();
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "i"})).await);
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let grant = |role: &str| json!({"userId": bob_id, "role": role});
    let users = format!("/vaults/{vault}/users");
    world.ok("POST", &users, &alice, grant("edit")).await;
    let sent = id(&world.ok("POST", "/inbox-items", &bob, json!({"itemId": item, "userId": carol})).await);
    let path = format!("/inbox-items/{sent}");
    world.ok("GET", &path, &token, Value::Null).await;
    // Whoever administers the item sees it, and can end it.
    let seen = world.ok("GET", &format!("/inbox-items?vaultId={vault}"), &alice, Value::Null).await;
    assert_eq!((&seen["items"][0]["userId"], &seen["items"][0]["itemId"]), (&json!(carol), &json!(item)));
    expect(&world, 403, "GET", &format!("/inbox-items?itemId={item}"), &bob, Value::Null).await;
    for ended in ["none", "blocked"] {
        if ended == "blocked" {
            world.ok("POST", &format!("/users/{bob_id}/block"), &alice, json!({})).await;
        } else {
            world.ok("POST", &users, &alice, grant("none")).await;
        }
        expect(&world, 404, "GET", &path, &token, Value::Null).await;
        assert_eq!(world.ok("GET", "/inbox-items", &token, Value::Null).await, json!({"items": []}));
        world.ok("POST", &users, &alice, grant("edit")).await;
    }
    world.ok("DELETE", &path, &alice, json!({})).await;
    expect(&world, 404, "GET", &path, &token, Value::Null).await;
}

#[tokio::test]
async fn members_are_there_also_where_they_hold_nothing() {
    let (world, alice, bob) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "f"})).await);
    world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "i"})).await;
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    world
        .ok("POST", &format!("/folders/{folder}/users"), &alice, json!({"userId": bob_id, "role": "read"}))
        .await;
    let folders = world.ok("GET", "/folders", &bob, Value::Null).await;
    assert_eq!(folders["items"][0]["permissions"], json!(["item:read", "folder:read", "snapshot:read"]));
    member(&folders["items"][0], "color");
    assert_eq!(world.ok("GET", "/vaults", &bob, Value::Null).await["items"][0]["permissions"], json!([]));
    for path in [format!("/items?vaultId={vault}"), "/items/search?query=i".to_owned()] {
        let items = world.ok("GET", &path, &alice, Value::Null).await;
        assert_eq!(*member(&items["items"][0], "fieldsOrder"), Value::Null);
    }
}

#[tokio::test]
async fn a_vault_of_a_standard_type_keeps_it_beside_others() {
    let (world, alice, _) = world(ServeOptions::default());
    let company = "000000000000000000000001";
    let make =
        async || id(&world.ok("POST", "/vaults", &alice, json!({"name": "v", "typeId": company})).await);
    let before = make().await;
    world.ok("POST", "/vault-types", &alice, json!({"name": "own", "code": "own"})).await;
    for vault in [before, make().await] {
        let seen = world.ok("GET", &format!("/vaults/{vault}"), &alice, Value::Null).await;
        assert_eq!(seen["typeId"], company);
    }
    expect(&world, 422, "POST", "/vaults", &alice, json!({"name": "v"})).await;
}

#[tokio::test]
async fn who_was_made_without_keys_gets_them_once() {
    let (world, alice, bob) = world(ServeOptions::default());
    world.without_keys("bob");
    let keys = json!({
        "keys": {"public": PEM, "privateEncrypted": "q"},
        "masterKeyHash": "aa", "masterKeyOptions": "pbkdf:sha256:300000:64:salt",
    });
    let mut wrong = keys.clone();
    wrong["keys"]["public"] = json!("not a pem");
    expect(&world, 422, "POST", "/users/keys", &bob, wrong).await;
    world.ok("POST", "/users/keys", &bob, keys.clone()).await;
    assert_eq!(world.ok("GET", "/users/keys", &bob, Value::Null).await["keys"]["privateEncrypted"], "q");
    expect(&world, 409, "POST", "/users/keys", &bob, keys).await;
    world.ok("GET", "/users", &alice, Value::Null).await;
}

#[tokio::test]
async fn a_body_is_an_object_and_says_what_is_missing_in_it() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let block = format!("/users/{bob_id}/block");
    for (path, body) in
        [("/vaults", "[\"v\"]"), (&*block, "[]"), (&block, "\"x\""), (&block, "{"), ("/batch", "[]")]
    {
        let (status, answer) = world.send_text("POST", path, &alice, body.into()).await;
        assert_eq!(status, 422, "{path} {body}: {answer}");
    }
    let said = async |path: &str, body: Value| {
        expect(&world, 422, "POST", path, &alice, body).await["errors"][0]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(said("/batch", json!({"zz": 1})).await.contains("`requests`"));
    let grant = json!({"userId": bob_id, "role": "hidden-word"});
    let vault = world.vault(&alice).await;
    let said = said(&format!("/vaults/{vault}/users"), grant).await;
    assert!(said.contains("`read`") && !said.contains("hidden-word"), "{said}");
    // Members of a new group are its members.
    let group = world.ok("POST", "/user-groups", &alice, json!({"name": "g", "userIds": [bob_id]})).await;
    let group = world.ok("GET", &format!("/user-groups/{}", id(&group)), &alice, Value::Null).await;
    assert_eq!(group["userIds"], json!([bob_id]));
    // Null empties.
    let user = format!("/users/{bob_id}");
    world.ok("PATCH", &user, &alice, json!({"email": "b@example.com"})).await;
    world.ok("PATCH", &user, &alice, json!({"email": null})).await;
    assert_eq!(world.ok("GET", &user, &alice, Value::Null).await["email"], Value::Null);
}

#[tokio::test]
async fn one_batch_sets_few_passwords() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let change = json!({"method": "PATCH", "relativeUrl": format!("/api/v1/users/{bob_id}"), "body": {"password": "another one"}});
    let batch = |count: usize| json!({"requests": vec![change.clone(); count]});
    expect(&world, 422, "POST", "/batch", &alice, batch(5)).await;
    world.ok("POST", "/batch", &alice, batch(1)).await;
    let long = json!({"username": "x", "fullName": "x".repeat(200_000), "password": "correct horse"});
    expect(&world, 422, "POST", "/users", &alice, long).await;
}

fn encrypted_vault() -> Value {
    json!({"name": "v", "masterKeyEncrypted": "a2V5", "masterKeyHash": "00", "salt": "s"})
}

#[tokio::test]
async fn what_is_secret_comes_into_an_encrypted_vault_with_its_key() {
    let (world, alice, bob) = world(ServeOptions::default());
    let vault = id(&world.ok("POST", "/vaults", &alice, encrypted_vault()).await);
    let custom = json!([{"name": "bg==", "type": "dA==", "value": "dg=="}]);
    let file = json!([{"name": "a", "encryptedKey": "aw==", "encryptedData": "ZA==", "hash": "00"}]);
    let secrets = [("passwordEncrypted", json!("cHc=")), ("customs", custom), ("attachments", file)];
    // Without anything secret no key is needed, nor is there one to take away.
    let nothing =
        json!({"vaultId": vault, "name": "n", "passwordEncrypted": "", "customs": [], "attachments": []});
    let bare = id(&world.ok("POST", "/items", &alice, nothing).await);
    let path = format!("/items/{bare}");
    for (name, value) in &secrets {
        let mut new = json!({"vaultId": vault, "name": "n", (*name): value});
        for key in [Value::Null, json!("")] {
            new["keyEncrypted"] = key;
            let answer = expect(&world, 422, "POST", "/items", &alice, new.clone()).await;
            assert_eq!(answer["errors"][0]["field"], "keyEncrypted", "{name}");
            let batch = json!({"method": "POST", "relativeUrl": "/api/v1/items", "body": new});
            let answer = world.ok("POST", "/batch", &alice, json!({"requests": [batch]})).await;
            assert_eq!(answer["responses"][0]["statusCode"], 422);
        }
        let answer = expect(&world, 422, "PATCH", &path, &alice, json!({(*name): value})).await;
        assert_eq!(answer["errors"][0]["field"], "keyEncrypted", "{name}");
    }
    let seen = world.ok("GET", &path, &alice, Value::Null).await;
    assert_eq!((&seen["customs"], &seen["attachments"]), (&json!([]), &json!([])));
    assert_eq!(
        world.ok("GET", &format!("/items?vaultId={vault}"), &alice, Value::Null).await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // Through a shortcut there is no key to give it.
    let shared = id(&world.ok("POST", "/vaults", &alice, encrypted_vault()).await);
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let grant = json!({"userId": bob_id, "role": "edit", "masterKeyEncrypted": "Ym9i"});
    world.ok("POST", &format!("/vaults/{shared}/users"), &alice, grant).await;
    let shortcut = json!({"vaultId": shared, "itemId": bare, "keyEncrypted": "a2V5"});
    let shortcut = id(&world.ok("POST", "/shortcuts", &alice, shortcut).await);
    for path in [format!("/shortcuts/{shortcut}"), format!("/items/{shortcut}"), path.clone()] {
        expect(&world, 422, "PATCH", &path, &bob, json!({"passwordEncrypted": "cHc="})).await;
    }
    // With a key all of it is taken, and a later change knows the key that is there.
    for (name, value) in secrets {
        let new = json!({"vaultId": vault, "name": "n", (name): value.clone(), "keyEncrypted": "a2V5"});
        let item = id(&world.ok("POST", "/items", &alice, new).await);
        world.ok("PATCH", &format!("/items/{item}"), &alice, json!({(name): value})).await;
    }
    world.ok("PATCH", &path, &alice, json!({"passwordEncrypted": "cHc=", "keyEncrypted": "a2V5"})).await;
    // A vault without encryption has no keys.
    let plain = world.vault(&alice).await;
    world
        .ok("POST", "/items", &alice, json!({"vaultId": plain, "name": "n", "passwordEncrypted": "cHc="}))
        .await;
}

#[tokio::test]
async fn a_copy_of_a_key_is_wrapped_for_who_has_keys() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    world.without_keys("bob");
    let vault = id(&world.ok("POST", "/vaults", &alice, encrypted_vault()).await);
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "f"})).await);
    let group = json!({"name": "g", "userIds": [bob_id]});
    let group = id(&world.ok("POST", "/user-groups", &alice, group).await);
    let item = json!({"vaultId": vault, "name": "n", "keyEncrypted": "a2V5"});
    let item = id(&world.ok("POST", "/items", &alice, item).await);
    let one = json!({"userId": bob_id, "role": "read", "masterKeyEncrypted": "Ym9i"});
    let many = json!({"groupId": group, "role": "read", "masterKeysEncrypted": {&*bob_id: "Ym9i"}});
    let copies = json!({"masterKeysEncrypted": {&*bob_id: "Ym9i"}});
    let sent = json!({"itemId": item, "userId": bob_id, "keyEncrypted": "Ym9i"});
    let calls = [
        (format!("/vaults/{vault}/users"), one.clone(), "masterKeyEncrypted"),
        (format!("/folders/{folder}/users"), one, "masterKeyEncrypted"),
        (format!("/vaults/{vault}/groups"), many.clone(), "masterKeysEncrypted"),
        (format!("/folders/{folder}/groups"), many, "masterKeysEncrypted"),
        (format!("/vaults/{vault}/keys"), copies, "masterKeysEncrypted"),
        ("/inbox-items".to_owned(), sent, "keyEncrypted"),
    ];
    // The right may come before the copy.
    let right = json!({"userId": bob_id, "role": "read"});
    world.ok("POST", &format!("/vaults/{vault}/users"), &alice, right).await;
    for (path, body, field) in &calls {
        let answer = expect(&world, 422, "POST", path, &alice, body.clone()).await;
        assert_eq!(answer["errors"][0]["field"], *field, "{path}");
    }
    // Nor does who has none make an encrypted vault, which nobody could open.
    let answer = expect(&world, 422, "POST", "/vaults", &bob, encrypted_vault()).await;
    assert_eq!(answer["errors"][0]["field"], "masterKeyEncrypted");
    let keys = json!({
        "keys": {"public": PEM, "privateEncrypted": "q"}, "masterKeyHash": "aa",
        "masterKeyOptions": "pbkdf:sha256:300000:64:salt",
    });
    world.ok("POST", "/users/keys", &bob, keys).await;
    for (path, body, _) in calls.iter().rev() {
        world.ok("POST", path, &alice, body.clone()).await;
    }
    assert_eq!(
        world.ok("GET", &format!("/vaults/{vault}"), &bob, Value::Null).await["masterKeyEncrypted"],
        "Ym9i"
    );
    // Where there is no key nobody has a copy of it: their client would take the vault for an encrypted one.
    let plain = world.vault(&alice).await;
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": plain, "name": "f"})).await);
    for place in [format!("/vaults/{plain}/users"), format!("/folders/{folder}/users")] {
        let grant = json!({"userId": bob_id, "role": "edit", "masterKeyEncrypted": "Ym9i"});
        expect(&world, 422, "POST", &place, &alice, grant).await;
    }
    expect(&world, 404, "GET", &format!("/vaults/{plain}"), &bob, Value::Null).await;
    // A pair of which a half is missing is none.
    for (public, private) in [("", "q"), (PEM, ""), ("no key", "q")] {
        let new = json!({"login": "half", "keys": {"public": public, "privateEncrypted": private}});
        expect(&world, 422, "POST", "/users", &alice, new).await;
    }
    world
        .ok(
            "POST",
            "/users",
            &alice,
            json!({"login": "none", "keys": {"public": "", "privateEncrypted": ""}}),
        )
        .await;
}

#[tokio::test]
async fn a_wrong_value_is_told_by_its_member() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let planted = "a-planted-of-the-body";
    let calls = [
        ("POST", "/users".to_owned(), json!({"login": [planted]}), "login"),
        ("POST", "/users".to_owned(), json!({"login": "l", "keys": planted}), "keys"),
        ("POST", "/users".to_owned(), json!({"login": "l", "keys": {"public": "p"}}), "keys"),
        ("POST", "/vaults".to_owned(), json!({"name": {planted: 1}}), "name"),
        (
            "POST",
            "/vaults".to_owned(),
            json!({"name": "v", "administratorsKeys": {planted: 1}}),
            "administratorsKeys",
        ),
        ("POST", "/items".to_owned(), json!({"vaultId": vault, "name": "n", "tags": planted}), "tags"),
        ("POST", "/items".to_owned(), json!({"vaultId": vault, "name": "n", "color": planted}), "color"),
        (
            "POST",
            "/items".to_owned(),
            json!({"vaultId": vault, "name": "n", "customs": [{"name": "a"}, {"name": [planted]}]}),
            "customs",
        ),
        ("PATCH", format!("/items/{item}"), json!({"tags": [1]}), "tags"),
        ("PATCH", format!("/users/{bob_id}"), json!({"email": [planted]}), "email"),
        ("POST", "/user-groups".to_owned(), json!({"name": "g", "userIds": {planted: 1}}), "userIds"),
        ("POST", "/user-groups".to_owned(), json!({"userIds": []}), "name"),
        ("POST", "/user-roles".to_owned(), json!({"name": "r", "rights": [planted]}), "rights"),
        ("POST", format!("/vaults/{vault}/users"), json!({"userId": bob_id, "role": planted}), "role"),
        ("POST", format!("/vaults/{vault}/users"), json!({"userId": bob_id, "role": 3}), "role"),
        ("POST", format!("/items/{item}/move"), json!({"folderId": 5}), "folderId"),
        (
            "POST",
            "/links".to_owned(),
            json!({"itemId": item, "itemData": {}, "type": planted, "expirationTime": "1 hour"}),
            "type",
        ),
        ("POST", "/batch".to_owned(), json!({"requests": planted}), "requests"),
        ("POST", "/users/login".to_owned(), json!({"username": "alice", "password": 5}), "password"),
    ];
    for (method, path, body, field) in calls {
        let alone = expect(&world, 422, method, &path, &alice, body.clone()).await;
        let mut answers = vec![alone];
        if !["/batch", "/users/login"].contains(&path.as_str()) {
            let one = json!({"method": method, "relativeUrl": format!("/api/v1{path}"), "body": body});
            let batch = world.ok("POST", "/batch", &alice, json!({"requests": [one]})).await;
            answers.push(batch["responses"][0]["body"].clone());
        }
        for answer in answers {
            let error = &answer["errors"][0];
            assert_eq!(error["field"], field, "{method} {path} {body}: {answer}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(&format!("`{field}")), "{method} {path} {body}: {message}");
            assert!(!message.contains(planted), "it repeats the body: {message}");
        }
    }
    // In a list, by its number.
    let customs = json!({"vaultId": vault, "name": "n", "tags": ["a", "b", 5]});
    let answer = expect(&world, 422, "POST", "/items", &alice, customs).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("`tags[2]`"), "{answer}");
}

#[tokio::test]
async fn who_is_gone_is_shown_by_the_login_they_had() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let vault = world.vault(&alice).await;
    world
        .ok("POST", &format!("/vaults/{vault}/users"), &alice, json!({"userId": bob_id, "role": "edit"}))
        .await;
    let item = id(&world.ok("POST", "/items", &bob, json!({"vaultId": vault, "name": "n"})).await);
    let path = format!("/items/{item}");
    world.ok("PATCH", &path, &alice, json!({"name": "m"})).await;
    world.ok("DELETE", &format!("/users/{bob_id}"), &alice, json!({})).await;
    let snapshots = world.ok("GET", &format!("{path}/snapshots"), &alice, Value::Null).await;
    let snapshot = format!("{path}/snapshot/{}", snapshots["items"][0]["id"].as_str().unwrap());
    let seen = world.ok("GET", &snapshot, &alice, Value::Null).await;
    let creator = &seen["creator"];
    assert_eq!(
        (&creator["login"], &creator["isDeleted"], &creator["id"]),
        (&json!("bob"), &json!(true), &json!(bob_id))
    );
    // The login is free, and whoever has it next is somebody else.
    let other = id(&world.ok("POST", "/users", &alice, json!({"login": "bob"})).await);
    assert_ne!(other, bob_id);
    assert_eq!(world.ok("GET", &snapshot, &alice, Value::Null).await["creator"]["id"], json!(bob_id));
}

#[tokio::test]
async fn a_list_is_not_asked_for_less_than_it_was_told() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    // What entries have, and what other lists take, is a condition, and each list says which it knows.
    for path in [
        "/users?email=bob@example.com",
        "/users?login=bob",
        "/users?username=bob",
        "/users?fullName=Bob",
        "/users?query=bob",
        "/users?filter=userName%20eq%20%22bob%22",
        "/users?filter[login]=bob",
        "/items/search?q=n",
        "/user-groups?name=Team",
        "/user-roles?code=user",
        "/vaults?name=v",
        "/vaults?search=v",
        "/folders?name=f",
        "/folders/search?search=f",
        "/folders/search?name=f",
        "/items/search?search=n",
        "/items/search?name=n",
        "/items/search?login=l",
        "/items/search?url=u",
        "/items/search?color=1",
        "/shortcuts/search?name=n",
        "/vault-types/all?code=company",
        "/inbox-items?name=n",
    ] {
        let answer = expect(&world, 422, "GET", path, &alice, Value::Null).await;
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("it knows"), "{path}: {message}");
        let one = json!({"method": "GET", "relativeUrl": format!("/api/v1{path}")});
        let batch = world.ok("POST", "/batch", &alice, json!({"requests": [one]})).await;
        assert_eq!(batch["responses"][0]["statusCode"], 422, "{path} in a batch");
    }
    // What says how to answer, or nothing, is no condition.
    for path in [
        "/users?utm_source=x&_=17",
        "/users?page=1&sort=asc",
        "/user-roles?includeUserRole=1&isOnlyManageable=1",
        "/vaults?isVisible=1&permissions=1",
        "/items/search?query=n&path=1",
        "/folders?includePermissions=true",
    ] {
        world.ok("GET", path, &alice, Value::Null).await;
    }
    world.ok("GET", &format!("/items?vaultId={vault}&limit=1"), &alice, Value::Null).await;
}

#[tokio::test]
async fn a_user_who_was_read_comes_back_changed_in_one_member() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let path = format!("/users/{bob_id}");
    let read = async || world.ok("GET", &path, &alice, Value::Null).await;
    let changed = async |member: &str, value: Value| {
        let mut user = read().await;
        user[member] = value;
        user
    };
    for (member, name) in [("login", "robert"), ("username", "rob"), ("login", "bob")] {
        world.ok("PATCH", &path, &alice, changed(member, json!(name)).await).await;
        let seen = read().await;
        assert_eq!((&seen["login"], &seen["username"]), (&json!(name), &json!(name)), "{member}");
    }
    world.ok("PATCH", &path, &alice, changed("email", json!("b@example.com")).await).await;
    assert_eq!(read().await["email"], "b@example.com");
    let both = json!({"login": "one", "username": "two"});
    expect(&world, 422, "PATCH", &path, &alice, both.clone()).await;
    expect(&world, 422, "POST", "/users", &alice, both).await;
    // To block somebody is a call of its own, and is not lost in a change of something else.
    let answer = expect(&world, 422, "PATCH", &path, &alice, changed("isBlocked", json!(true)).await).await;
    assert_eq!(answer["errors"][0]["field"], "isBlocked");
    expect(&world, 422, "PATCH", &path, &alice, json!({"isBlocked": true})).await;
    assert_eq!(read().await["isBlocked"], false);
    world.ok("POST", &format!("{path}/block"), &alice, json!({})).await;
    expect(&world, 422, "PATCH", &path, &alice, changed("isBlocked", json!(false)).await).await;
    world.ok("PATCH", &path, &alice, changed("fullName", json!("Bob B")).await).await;
    assert_eq!((&read().await["isBlocked"], &read().await["fullName"]), (&json!(true), &json!("Bob B")));
}

#[tokio::test]
async fn of_several_shortcuts_the_one_that_allows_most_counts() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let mut places = Vec::new();
    for role in ["read", "edit", "read"] {
        let place = world.vault(&alice).await;
        world
            .ok("POST", &format!("/vaults/{place}/users"), &alice, json!({"userId": bob_id, "role": role}))
            .await;
        world.ok("POST", "/shortcuts", &alice, json!({"vaultId": place, "itemId": item})).await;
        places.push(place);
    }
    let path = format!("/items/{item}");
    assert_eq!(world.ok("GET", &path, &bob, Value::Null).await["vaultId"], json!(places[1]));
    world.ok("PATCH", &path, &bob, json!({"name": "changed"})).await;
    world
        .ok(
            "POST",
            &format!("/vaults/{}/users", places[1]),
            &alice,
            json!({"userId": bob_id, "role": "none"}),
        )
        .await;
    assert_eq!(world.ok("GET", &path, &bob, Value::Null).await["vaultId"], json!(places[0]));
    expect(&world, 403, "PATCH", &path, &bob, json!({"name": "again"})).await;
}

#[tokio::test]
async fn the_order_of_fields_is_kept_as_it_came() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (vault, other) = (world.vault(&alice).await, world.vault(&alice).await);
    let (first, second) = (json!(["login", "password", "customs.0"]), json!({"0": "url"}));
    let new = json!({"vaultId": vault, "name": "n", "fieldsOrder": first});
    let item = id(&world.ok("POST", "/items", &alice, new).await);
    let path = format!("/items/{item}");
    assert_eq!(world.ok("GET", &path, &alice, Value::Null).await["fieldsOrder"], first);
    world.ok("PATCH", &path, &alice, json!({"login": "l"})).await;
    world.ok("PATCH", &path, &alice, json!({"fieldsOrder": second})).await;
    let shortcut =
        id(&world.ok("POST", "/shortcuts", &alice, json!({"vaultId": other, "itemId": item})).await);
    let copy = id(&world.ok("POST", &format!("{path}/copy"), &alice, json!({"vaultId": other})).await);
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let sent = id(&world.ok("POST", "/inbox-items", &alice, json!({"itemId": item, "userId": bob_id})).await);
    for (token, path) in [
        (&alice, path.clone()),
        (&alice, format!("/shortcuts/{shortcut}")),
        (&alice, format!("/items/{copy}")),
        (&bob, format!("/inbox-items/{sent}")),
    ] {
        assert_eq!(world.ok("GET", &path, token, Value::Null).await["fieldsOrder"], second, "{path}");
    }
    for path in [
        format!("/items?vaultId={vault}"),
        "/items/search?query=n".into(),
        "/shortcuts/search?query=n".into(),
    ] {
        assert_eq!(
            world.ok("GET", &path, &alice, Value::Null).await["items"][0]["fieldsOrder"],
            second,
            "{path}"
        );
    }
    let snapshots = world.ok("GET", &format!("{path}/snapshots"), &alice, Value::Null).await;
    let snapshot = format!("{path}/snapshot/{}", snapshots["items"][0]["id"].as_str().unwrap());
    assert_eq!(world.ok("GET", &snapshot, &alice, Value::Null).await["fieldsOrder"], first);
    world.ok("PATCH", &path, &alice, json!({"fieldsOrder": null})).await;
    assert_eq!(world.ok("GET", &path, &alice, Value::Null).await["fieldsOrder"], Value::Null);
    expect(&world, 422, "PATCH", &path, &alice, json!({"fieldsOrder": ["x".repeat(200_000)]})).await;
}

#[tokio::test]
async fn nothing_is_put_at_the_top_by_a_name_that_nobody_reads() {
    let (world, alice, _) = world(ServeOptions::default());
    let (vault, other) = (world.vault(&alice).await, world.vault(&alice).await);
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "f"})).await);
    let file = json!([{"name": "a", "encryptedKey": "aw==", "encryptedData": "ZA==", "hash": "00"}]);
    let item = json!({"vaultId": vault, "folderId": folder, "name": "i", "attachments": file});
    let item = id(&world.ok("POST", "/items", &alice, item).await);
    let (one, moves) = (format!("/items/{item}"), format!("/items/{item}/move"));
    for (method, path, body) in [
        ("POST", "/folders", json!({"vaultId": vault, "name": "g", "folderId": folder})),
        ("POST", "/folders", json!({"vaultId": vault, "name": "g", "parentId": folder})),
        ("POST", "/items", json!({"vaultId": vault, "name": "j", "parentFolderId": folder})),
        ("POST", "/items", json!({"vaultId": vault, "name": "j", "targetFolderID": folder})),
        ("POST", "/shortcuts", json!({"vaultId": other, "itemId": item, "parentFolderId": folder})),
        ("PATCH", &one, json!({"name": "i", "parentFolderId": folder})),
        ("POST", &moves, json!({"targetVaultId": other, "folderId": null})),
        ("POST", &moves, json!({"destinationFolderId": folder, "vaultId": other})),
        ("POST", &format!("{one}/copy"), json!({"vaultId": vault, "destinationFolderId": folder})),
        ("POST", &format!("/folders/{folder}/move"), json!({"targetVaultId": other, "parentFolderId": null})),
    ] {
        let answer = expect(&world, 422, method, path, &alice, body.clone()).await;
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains("known are"), "{body}: {answer}");
        let inner = json!({"method": method, "relativeUrl": format!("/api/v1{path}"), "body": body});
        let batch = world.ok("POST", "/batch", &alice, json!({"requests": [inner]})).await;
        assert_eq!(batch["responses"][0]["statusCode"], 422, "{path} in a batch");
    }
    assert_eq!(
        world.ok("GET", &format!("/folders?vaultId={vault}"), &alice, Value::Null).await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(world.ok("GET", &one, &alice, Value::Null).await["folderId"], json!(folder));
    // Members that mean nothing, and what a rename is sent of a folder that was read, are no places to put something.
    let nulls = json!({"vaultId": vault, "name": "g", "parentFolderId": folder, "targetFolderId": null, "folderId": ""});
    world.ok("POST", "/folders", &alice, nulls).await;
    let mut read = world.ok("GET", &format!("/folders/{folder}"), &alice, Value::Null).await;
    read["name"] = json!("renamed");
    world.ok("POST", &format!("/folders/{folder}"), &alice, read).await;
    let mut read = world.ok("GET", &one, &alice, Value::Null).await;
    read["name"] = json!("renamed");
    world.ok("PATCH", &one, &alice, read.clone()).await;
    // Its attachments are there already; a new one beside them is added.
    let mut read = world.ok("GET", &one, &alice, Value::Null).await;
    assert_eq!((&read["name"], read["attachments"].as_array().unwrap().len()), (&json!("renamed"), 1));
    read["attachments"].as_array_mut().unwrap().push(file[0].clone());
    world.ok("PATCH", &one, &alice, read).await;
    assert_eq!(world.ok("GET", &one, &alice, Value::Null).await["attachments"].as_array().unwrap().len(), 2);
    expect(&world, 422, "PATCH", &one, &alice, json!({"attachments": [{"name": "a"}]})).await;
}
