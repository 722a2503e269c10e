//! What a client that was written from the facts alone may send besides: pages, lists with commas, empty headers, heads.

use crate::world::{World, id, world};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The status and the bytes of what is asked with these headers.
async fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer =
        world.router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let status = answer.status();
    (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
}

async fn refused(world: &World, method: &str, path: &str, token: &str, body: Value) -> Value {
    let (status, answer) = world.send(method, path, token, true, body).await;
    assert_eq!(status, 422, "{method} {path}: {answer}");
    answer["errors"][0]["field"].clone()
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_folder_keeps_its_color() {
    let (world, alice, bob) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let new = json!({"vaultId": vault, "name": "f", "color": 7});
    let folder = id(&world.ok("POST", "/folders", &alice, new).await);
    let plain = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "p"})).await);
    let path = format!("/folders/{folder}");
    let color = async |folder: &str| {
        let one = world.ok("GET", &format!("/folders/{folder}"), &alice, Value::Null).await["color"].clone();
        let list = world.ok("GET", &format!("/folders?vaultId={vault}"), &alice, Value::Null).await;
        let listed = list["items"].as_array().unwrap().iter().find(|one| one["id"] == folder).unwrap();
        assert_eq!(listed["color"], one);
        one
    };
    assert_eq!((color(&folder).await, color(&plain).await), (json!(7), json!(0)));
    // Each change leaves the other alone.
    world.ok("POST", &path, &alice, json!({"name": "g"})).await;
    assert_eq!(color(&folder).await, 7);
    world.ok("POST", &path, &alice, json!({"color": 3})).await;
    let now = world.ok("GET", &path, &alice, Value::Null).await;
    assert_eq!((&now["name"], &now["color"]), (&json!("g"), &json!(3)));
    assert_eq!(refused(&world, "POST", &path, &alice, json!({"name": null, "color": null})).await, "name");
    assert_eq!(refused(&world, "POST", &path, &alice, json!({"name": ""})).await, "name");
    // Looking is no painting.
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let reads = json!({"userId": bob_id, "role": "read"});
    world.ok("POST", &format!("/vaults/{vault}/users"), &alice, reads).await;
    assert_eq!(world.ok("GET", &path, &bob, Value::Null).await["color"], 3);
    assert_eq!(world.send("POST", &path, &bob, true, json!({"color": 1})).await.0, 403);
    // It comes back from the bin as it was.
    let bin = world.ok("DELETE", &path, &alice, json!({})).await["binItemId"].clone();
    let restore = format!("/bin-items/{}/restore", bin.as_str().unwrap());
    world.ok("POST", &restore, &alice, json!({})).await;
    assert_eq!(color(&folder).await, 3);
}

#[tokio::test]
async fn pages_are_counted_from_one_and_lose_nothing() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    for number in 0..5 {
        let name = format!("n{number}");
        world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": name})).await;
        world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": name})).await;
        world.ok("POST", "/user-groups", &alice, json!({"name": name})).await;
    }
    for path in [
        format!("/items?vaultId={vault}&"),
        "/items/search?".to_owned(),
        "/folders?".to_owned(),
        "/folders/search?".to_owned(),
        "/user-groups?".to_owned(),
        "/users?".to_owned(),
        "/activity-log?".to_owned(),
    ] {
        let get = async |query: &str| world.ok("GET", &format!("{path}{query}"), &alice, Value::Null).await;
        let all = get("").await["items"].as_array().unwrap().clone();
        let mut paged = Vec::new();
        for page in 1..9 {
            let part = get(&format!("page={page}&limit=2")).await["items"].as_array().unwrap().clone();
            if part.is_empty() {
                break;
            }
            assert!(part.len() <= 2, "{path}");
            paged.extend(part);
        }
        assert_eq!(paged, all, "{path}");
        // Of a list that comes whole, as nobody said how long a page is, the first is all there is.
        assert_eq!(get("page=1&perPage=2").await["items"], json!(all), "{path}");
        assert_eq!(get("page=2&perPage=2").await["items"], json!([]), "{path}");
        for wrong in ["page=0", "page=x", "page=2&offset=1", "page=-1"] {
            refused(&world, "GET", &format!("{path}{wrong}"), &alice, Value::Null).await;
        }
    }
}

#[tokio::test]
async fn the_log_does_not_seem_to_end_early() {
    let (world, alice, _) = world(ServeOptions::default());
    assert_eq!(refused(&world, "GET", "/activity-log?limit=10001", &alice, Value::Null).await, "limit");
    world.ok("GET", "/activity-log?limit=10000", &alice, Value::Null).await;
}

#[tokio::test]
async fn ids_and_colors_may_stand_in_one_list_with_commas() {
    let (world, alice, _) = world(ServeOptions::default());
    let mut vaults = Vec::new();
    for (name, color) in [("a", 1), ("b", 2), ("c", 3)] {
        let vault = world.vault(&alice).await;
        let item = json!({"vaultId": vault, "name": name, "color": color, "tags": [format!("t,{name}")]});
        world.ok("POST", "/items", &alice, item).await;
        vaults.push(vault);
    }
    let find =
        async |query: String| world.ok("GET", &format!("/items/search?{query}"), &alice, Value::Null).await;
    let found = find(format!("vaultIds={},{}", vaults[0], vaults[1])).await;
    assert_eq!(names(&found), ["a", "b"]);
    let found = find(format!("vaultIds[]={}&vaultIds[]={}%2C%20{}", vaults[0], vaults[1], vaults[2])).await;
    assert_eq!(names(&found), ["a", "b", "c"]);
    assert_eq!(names(&find("colorCodes=1,3".to_owned()).await), ["a", "c"]);
    // A tag may have a comma of its own.
    assert_eq!(names(&find("tags=t,b".to_owned()).await), ["b"]);
}

#[tokio::test]
async fn empty_headers_are_none() {
    let (world, ..) = world(ServeOptions::default());
    let browser = [("x-browser-mode", "1"), ("x-response-format", "raw")];
    let first: Value =
        serde_json::from_slice(&ask(&world, "POST", "/csrf-tokens/generate", &browser).await.1).unwrap();
    let login = Request::post("/api/v1/users/login")
        .header("x-browser-mode", "1")
        .header("x-csrf-token", first["csrfToken"].as_str().unwrap())
        .body(axum::body::Body::from(json!({"username": "alice", "password": "correct horse"}).to_string()));
    let answer = world.router.clone().oneshot(login.unwrap()).await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    for (name, value) in [
        ("x-csrf-token", ""),
        ("authorization", ""),
        ("authorization", "Bearer "),
        ("authorization", "bearer"),
    ] {
        let headers = [("cookie", cookie.as_str()), (name, value)];
        assert_eq!(ask(&world, "GET", "/vaults", &headers).await.0, 200, "{name}: {value:?}");
        // A cookie alone still writes nothing.
        assert_eq!(ask(&world, "POST", "/sessions/logout", &headers).await.0, 403, "{name}: {value:?}");
    }
    // A token that is wrong is no empty one.
    let headers = [("cookie", cookie.as_str()), ("authorization", "Bearer x")];
    assert_eq!(ask(&world, "GET", "/vaults", &headers).await.0, 401);
}

#[tokio::test]
async fn a_head_is_an_answer_without_its_body() {
    let (world, alice, _) = world(ServeOptions::default());
    let bearer = format!("Bearer {alice}");
    let signed_in = [("authorization", bearer.as_str())];
    for (path, status) in [("/vaults", 200), ("/users/info", 200), ("/items/000000000000000000000000", 404)] {
        let (got, body) = ask(&world, "HEAD", path, &signed_in).await;
        assert_eq!((got.as_u16(), body.len()), (status, 0), "{path}");
    }
    assert_eq!(ask(&world, "HEAD", "/vaults", &[]).await.0, 401);
    assert_eq!(ask(&world, "HEAD", "/sessions/logout", &signed_in).await.0, 405);
}

#[tokio::test]
async fn members_that_come_with_a_groups_name_are_not_lost_in_silence() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let group = id(&world.ok("POST", "/user-groups", &alice, json!({"name": "g"})).await);
    let path = format!("/user-groups/{group}");
    let change = json!({"name": "h", "userIds": [bob_id]});
    assert_eq!(refused(&world, "POST", &path, &alice, change.clone()).await, "userIds");
    assert_eq!(world.ok("GET", &path, &alice, Value::Null).await["name"], "g");
    world.ok("POST", &format!("{path}/add-users"), &alice, json!({"userIds": [bob_id]})).await;
    // As it was read, with another name.
    world.ok("POST", &path, &alice, change).await;
    let now = world.ok("GET", &path, &alice, Value::Null).await;
    assert_eq!((&now["name"], &now["userIds"]), (&json!("h"), &json!([bob_id])));
}

#[tokio::test]
async fn a_change_that_names_no_name_leaves_it() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let path = format!("/items/{item}");
    world.ok("PATCH", &path, &alice, json!({"name": null, "login": "l", "url": null})).await;
    let now = world.ok("GET", &path, &alice, Value::Null).await;
    assert_eq!((&now["name"], &now["login"]), (&json!("n"), &json!("l")));
    assert_eq!(refused(&world, "PATCH", &path, &alice, json!({"name": 5})).await, "name");
}

#[tokio::test]
async fn who_is_made_blocked_is_blocked() {
    let (world, alice, _) = world(ServeOptions::default());
    let new = json!({"login": "carol", "password": "correct horse", "isBlocked": true});
    let carol = id(&world.ok("POST", "/users", &alice, new).await);
    let path = format!("/users/{carol}");
    assert_eq!(world.ok("GET", &path, &alice, Value::Null).await["isBlocked"], true);
    let login = json!({"username": "carol", "password": "correct horse"});
    assert_eq!(world.send("POST", "/users/login", "", true, login.clone()).await.0, 403);
    world.ok("POST", &format!("{path}/unblock"), &alice, json!({})).await;
    world.ok("POST", "/users/login", "", login).await;
}

#[tokio::test]
async fn a_vaults_log_also_tells_what_ended_there() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let link = json!({"itemId": item, "itemData": {"name": "n"}, "keyHash": "h", "keyEncrypted": "k",
                      "type": "reusable", "expirationTime": "1 hour"});
    let link = id(&world.ok("POST", "/links", &alice, link).await);
    world.ok("DELETE", &format!("/links/{link}"), &alice, json!({})).await;
    let sent = id(&world.ok("POST", "/inbox-items", &alice, json!({"itemId": item, "userId": bob_id})).await);
    world.ok("DELETE", &format!("/inbox-items/{sent}"), &bob, json!({})).await;
    let log = world.ok("GET", &format!("/activity-log?vaultId={vault}"), &alice, Value::Null).await;
    let told: Vec<(&Value, &Value)> =
        log["items"].as_array().unwrap().iter().map(|entry| (&entry["action"], &entry["object"])).collect();
    for (action, object) in [("link.delete", link), ("inbox.delete", sent)] {
        assert!(told.contains(&(&json!(action), &json!(object))), "{action}: {log}");
    }
}
