//! What a fellow user, or whoever finds a token, may do: with old tokens, with guesses, with what others made.

use crate::world::{World, id, user, world};
use http::Request;
use http_body_util::BodyExt as _;
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use tower::ServiceExt as _;

fn login() -> Value {
    json!({"username": "alice", "password": "correct horse"})
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_default().to_owned()
}

/// Has the server believe that used refresh tokens were used long ago.
fn an_hour_later(world: &World) {
    world.change("UPDATE used_refresh_tokens SET used = used - 3600", &[]);
}

/// Tokens that once worked, or never by themselves, and what became of them: the rows of strangers in the matrix of rights.
pub(crate) async fn dead_tokens(world: &World) -> Vec<(&'static str, String)> {
    let dora = world.environment.add_user(user("dora")).unwrap();
    let sign_in = async || {
        world.ok("POST", "/users/login", "", json!({"username": "dora", "password": "correct horse"})).await
    };
    let refresh = |of: &Value| json!({"refreshToken": of["refreshToken"]});
    let mut dead = Vec::new();

    let short = ServeOptions { access_token_life: std::time::Duration::ZERO, ..ServeOptions::default() };
    let login = http::Request::post("/api/v1/users/login")
        .header("x-response-format", "raw")
        .body(axum::body::Body::from(json!({"username": "dora", "password": "correct horse"}).to_string()));
    let answer = tower::ServiceExt::oneshot(world.environment.router(short), login.unwrap()).await.unwrap();
    let answer = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    dead.push(("an expired access token", text(&serde_json::from_slice(&answer).unwrap(), "accessToken")));

    let stolen = sign_in().await;
    let next = world.ok("POST", "/sessions/refresh", "", refresh(&stolen)).await;
    an_hour_later(world);
    assert_eq!(world.send("POST", "/sessions/refresh", "", true, refresh(&stolen)).await.0, 401);
    dead.push(("a token whose family was replayed", text(&next, "accessToken")));
    dead.push(("a replayed refresh token", text(&stolen, "refreshToken")));

    let left = text(&sign_in().await, "accessToken");
    world.ok("POST", "/sessions/logout", &left, json!({})).await;
    dead.push(("a token that was signed out", left));
    dead.push(("a refresh token in the place of an access token", text(&sign_in().await, "refreshToken")));

    let token = text(&sign_in().await, "accessToken");
    world.ok("POST", "/users/2fa/totp/generate", &token, json!({})).await;
    world.change("UPDATE users SET totp_enabled = 1 WHERE id = ?1", &[&dora]);
    let half = text(&sign_in().await, "accessToken");
    for _ in 0..5 {
        let guess = json!({"code": "000000"});
        assert_eq!(world.send("POST", "/users/2fa/totp/authorize", &half, true, guess).await.0, 401);
    }
    dead.push(("a half-open session after five guesses", half));
    dead
}

#[tokio::test]
async fn a_refresh_token_that_is_replayed_ends_its_family() {
    let (world, ..) = world(ServeOptions::default());
    let stolen = world.ok("POST", "/users/login", "", login()).await;
    let other = world.ok("POST", "/users/login", "", login()).await;
    let refresh = |of: &Value| json!({"refreshToken": of["refreshToken"]});
    let next = world.ok("POST", "/sessions/refresh", "", refresh(&stolen)).await;
    // Soon after, an answer may have been lost: another pair of the same family.
    let again = world.ok("POST", "/sessions/refresh", "", refresh(&stolen)).await;
    for tokens in [&next, &again] {
        world.ok("GET", "/users/info", &text(tokens, "accessToken"), Value::Null).await;
    }
    an_hour_later(&world);
    assert_eq!(world.send("POST", "/sessions/refresh", "", true, refresh(&stolen)).await.0, 401);
    for tokens in [&next, &again] {
        let token = text(tokens, "accessToken");
        assert_eq!(world.send("GET", "/users/info", &token, true, Value::Null).await.0, 401);
        assert_eq!(world.send("POST", "/sessions/refresh", "", true, refresh(tokens)).await.0, 401);
    }
    // The user's other sessions are none of it.
    world.ok("GET", "/users/info", &text(&other, "accessToken"), Value::Null).await;
}

#[tokio::test]
async fn who_signs_out_is_signed_out_for_every_copy_of_the_tokens() {
    let (world, ..) = world(ServeOptions::default());
    let first = world.ok("POST", "/users/login", "", login()).await;
    let old = json!({"refreshToken": first["refreshToken"]});
    let next = world.ok("POST", "/sessions/refresh", "", old.clone()).await;
    world.ok("POST", "/sessions/logout", &text(&next, "accessToken"), json!({})).await;
    assert_eq!(
        world.send("POST", "/sessions/refresh", "", true, old).await.0,
        401,
        "not within its grace either"
    );
    // By the refresh token alone, which the other call replaces, it is the same.
    let first = world.ok("POST", "/users/login", "", login()).await;
    let old = json!({"refreshToken": first["refreshToken"]});
    world.ok("POST", "/sessions/refresh-refresh-token", "", old.clone()).await;
    an_hour_later(&world);
    assert_eq!(world.send("POST", "/sessions/refresh-refresh-token", "", true, old).await.0, 401);
    assert_eq!(
        world.send("GET", "/users/info", &text(&first, "accessToken"), true, Value::Null).await.0,
        401
    );
}

/// What a browser's page gets to see of a refresh: status, body, cookie.
async fn refresh_of_a_page(world: &World, cookie: &str, csrf: &str, mode: bool) -> (u16, Value, bool) {
    let mut request =
        Request::post("/api/v1/sessions/refresh").header("cookie", cookie).header("x-response-format", "raw");
    if mode {
        request = request.header("x-browser-mode", "1");
    }
    if !csrf.is_empty() {
        request = request.header("x-csrf-token", csrf);
    }
    let answer =
        world.router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let (status, set) = (answer.status().as_u16(), answer.headers().contains_key("set-cookie"));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap(), set)
}

#[tokio::test]
async fn a_browsers_session_stays_in_its_cookie() {
    let (world, ..) = world(ServeOptions::default());
    let ask = |path: &'static str, body: Value, csrf: String| {
        let mut request = Request::post(format!("/api/v1{path}"))
            .header("x-browser-mode", "1")
            .header("x-response-format", "raw");
        if !csrf.is_empty() {
            request = request.header("x-csrf-token", csrf);
        }
        world.router.clone().oneshot(request.body(axum::body::Body::from(body.to_string())).unwrap())
    };
    let json_of = async |answer: axum::response::Response| -> Value {
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
    };
    let first = json_of(ask("/csrf-tokens/generate", json!({}), String::new()).await.unwrap()).await;
    let answer = ask("/users/login", login(), text(&first, "csrfToken")).await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let csrf = text(&json_of(answer).await, "csrfToken");
    // Another site can send the cookie, and any header that it likes but the right one.
    for wrong in ["", "made up", &text(&first, "csrfToken")] {
        assert_eq!(refresh_of_a_page(&world, &cookie, wrong, false).await.0, 403, "{wrong}");
    }
    // Whether or not the page says that it is one: the session knows.
    let (status, body, set) = refresh_of_a_page(&world, &cookie, &csrf, false).await;
    assert_eq!(status, 200, "{body}");
    assert!(set && body.get("accessToken").is_none(), "{body}");
}

#[tokio::test]
async fn five_wrong_codes_end_the_session_that_owes_one() {
    let (world, alice, _) = world(ServeOptions::default());
    world.ok("POST", "/users/2fa/totp/generate", &alice, json!({})).await;
    world.change("UPDATE users SET totp_enabled = 1 WHERE username = 'alice'", &[]);
    let half = text(&world.ok("POST", "/users/login", "", login()).await, "accessToken");
    let guess = async |token: &str| {
        let (status, answer) =
            world.send("POST", "/users/2fa/totp/authorize", token, true, json!({"code": "000000"})).await;
        (status.as_u16(), text(&answer["errors"][0], "code"))
    };
    for _ in 0..5 {
        assert_eq!(guess(&half).await, (401, "oneTimeCodeInvalid".to_owned()));
    }
    assert_eq!(guess(&half).await, (401, "accessTokenInvalid".to_owned()));
    // Nor does the account take more from another half-open session at once.
    let next = text(&world.ok("POST", "/users/login", "", login()).await, "accessToken");
    assert_eq!(guess(&next).await.0, 429);
    // Who is signed in already is not touched.
    world.ok("GET", "/users/info", &alice, Value::Null).await;
}

#[tokio::test]
async fn what_somebody_made_of_an_item_is_worth_what_they_may_do_with_it() {
    let (world, alice, bob) = world(ServeOptions::default());
    let carol_id = world.environment.add_user(user("carol")).unwrap();
    let carol = world.environment.issue_session(&carol_id).unwrap().access_token.unwrap();
    let (vault, bobs) = (world.vault(&alice).await, world.vault(&bob).await);
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "f"})).await);
    let item = json!({"vaultId": vault, "folderId": folder, "name": "findable"});
    let item = id(&world.ok("POST", "/items", &alice, item).await);
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let users = format!("/vaults/{vault}/users");
    world.ok("POST", &users, &alice, json!({"userId": bob_id, "role": "edit"})).await;
    world
        .ok("POST", &format!("/vaults/{bobs}/users"), &bob, json!({"userId": carol_id, "role": "edit"}))
        .await;
    let shortcut = id(&world.ok("POST", "/shortcuts", &bob, json!({"vaultId": bobs, "itemId": item})).await);
    let link = json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"});
    let link = world.ok("POST", "/links", &bob, link).await;
    let token = text(&link, "url").rsplit('/').next().unwrap().to_owned();
    let open = format!("/links/{token}/open");
    let through = format!("/items/{shortcut}");
    let found = async || {
        let found = world.ok("GET", "/shortcuts/search?query=findable", &carol, Value::Null).await;
        found["items"].as_array().unwrap().len()
    };
    // The item's administrator sees what others made of it; nobody else does.
    let made = world.ok("GET", &format!("/shortcuts?itemId={item}"), &alice, Value::Null).await;
    assert_eq!((&made["items"][0]["id"], &made["items"][0]["userId"]), (&json!(shortcut), &json!(bob_id)));
    assert_eq!(world.send("GET", &format!("/shortcuts?itemId={item}"), &bob, true, Value::Null).await.0, 403);

    world.ok("PATCH", &through, &carol, json!({"login": "l"})).await;
    assert_eq!(found().await, 1);
    assert_eq!(world.send("POST", &open, "", true, json!({})).await.0, 200);
    // Bob may look only: so may whoever sees it through what he made.
    world.ok("POST", &users, &alice, json!({"userId": bob_id, "role": "read"})).await;
    assert_eq!(world.send("PATCH", &through, &carol, true, json!({"login": "m"})).await.0, 403);
    world.ok("GET", &through, &carol, Value::Null).await;
    // Bob may not look any more, in the vault or in the folder alone.
    for (place, role) in [(format!("/folders/{folder}/users"), "none"), (users.clone(), "none")] {
        world.ok("POST", &place, &alice, json!({"userId": bob_id, "role": role})).await;
        for path in [&through, &format!("/shortcuts/{shortcut}")] {
            assert_eq!(world.send("GET", path, &carol, true, Value::Null).await.0, 404, "{path} {place}");
        }
        assert_eq!(found().await, 0, "{place}");
        assert_eq!(world.send("POST", &open, "", true, json!({})).await.0, 404, "{place}");
    }
    world.ok("POST", &users, &alice, json!({"userId": bob_id, "role": "read"})).await;
    world.ok("GET", &through, &carol, Value::Null).await;
    world.ok("DELETE", &format!("/shortcuts/{shortcut}"), &alice, json!({})).await;
    assert_eq!(world.send("GET", &through, &carol, true, Value::Null).await.0, 404);
}

#[tokio::test]
async fn names_and_texts_have_an_end() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let long = |length: usize| "x".repeat(length);
    let refused = async |method: &str, path: &str, body: Value| {
        let (status, answer) = world.send(method, path, &alice, true, body).await;
        assert_eq!(status, 422, "{method} {path}");
        text(&answer["errors"][0], "field")
    };
    assert_eq!(refused("POST", "/vaults", json!({"name": long(10_001)})).await, "name");
    assert_eq!(refused("POST", "/folders", json!({"vaultId": vault, "name": long(10_001)})).await, "name");
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": long(10_000)})).await);
    let path = format!("/items/{item}");
    for (field, value) in [
        ("name", json!(long(10_001))),
        ("login", json!(long(100_001))),
        ("url", json!(long(100_001))),
        ("description", json!(long((16 << 20) + 1))),
        ("tags", json!(vec!["t"; 1001])),
        ("tags", json!([long(10_001)])),
    ] {
        assert_eq!(refused("PATCH", &path, json!({ field: value })).await, field);
        let mut new = json!({"vaultId": vault, "name": "n"});
        new[field] = value;
        assert_eq!(refused("POST", "/items", new).await, field);
    }
}

#[tokio::test]
async fn users_are_listed_with_what_concerns_others() {
    let (world, alice, bob) = world(ServeOptions::default());
    let new = json!({"username": "dan", "password": "correct horse", "email": "dan@example.com"});
    world.ok("POST", "/users", &alice, new).await;
    let listed = async |token: &str| world.ok("GET", "/users", token, Value::Null).await["items"][2].clone();
    let (whole, less) = (listed(&alice).await, listed(&bob).await);
    assert_eq!(
        (&whole["email"], &whole["isTwoFactorAuthEnabled"]),
        (&json!("dan@example.com"), &json!(false))
    );
    assert_eq!(less["username"], "dan");
    assert!(less["email"].is_null() && less.get("isTwoFactorAuthEnabled").is_none(), "{less}");
    let many: Vec<Value> = (0..5)
        .map(|number| json!({"method": "POST", "relativeUrl": "/api/v1/users", "body": {"username": format!("u{number}"), "password": "p"}}))
        .collect();
    assert_eq!(world.send("POST", "/batch", &alice, true, json!({ "requests": many })).await.0, 422);
}

#[tokio::test]
async fn a_request_names_one_host_and_links_name_the_operators() {
    let public =
        ServeOptions { public_url: Some("https://pw.example.com/".into()), ..ServeOptions::default() };
    let (world, alice, _) = world(public);
    let vault = world.vault(&alice).await;
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "n"})).await);
    let link = json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"});
    let link = world.ok("POST", "/links", &alice, link).await;
    assert!(text(&link, "url").starts_with("https://pw.example.com/link/"), "{link}");
    let ask = |request: http::request::Builder| {
        world.router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap())
    };
    let two = Request::get("/api/v1/users/info").header("host", "a.example").header("host", "b.example");
    assert_eq!(ask(two).await.unwrap().status(), 400);
    let page = ask(Request::get("/api/docs")).await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    let api = ask(Request::get("/api/v1/users/info")).await.unwrap();
    for answer in [page, api] {
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn an_empty_key_hash_is_none_and_both_names_are_read() {
    let (world, alice, _) = world(ServeOptions::default());
    let ask = |name: &'static str, hash: &'static str| {
        let request = Request::get("/api/v1/users/info")
            .header("authorization", format!("Bearer {alice}"))
            .header(name, hash);
        world.router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap())
    };
    for name in ["x-master-key-hash", "passwork-masterkeyhash"] {
        for (hash, status) in [("", 200), ("aabb", 200), ("ccdd", 401)] {
            assert_eq!(ask(name, hash).await.unwrap().status(), status, "{name}: {hash}");
        }
    }
}

#[tokio::test]
async fn guesses_are_counted_on_by_a_server_that_starts_anew() {
    let (world, alice, _) = world(ServeOptions::default());
    let wrong = json!({"username": "alice", "password": "wrong"});
    for _ in 0..5 {
        world.send("POST", "/users/login", "", true, wrong.clone()).await;
    }
    // The first waits are short: a longer one stands for more guesses.
    let longer = "UPDATE guesses SET next = next + 600";
    assert_eq!(world.change(longer, &[]), 1);
    // Another process has the same files.
    let World { router, .. } = world.opened_again();
    let world = World { router, ..world };
    let (status, answer) = world
        .send("POST", "/users/login", "", true, json!({"username": "alice", "password": "correct horse"}))
        .await;
    assert_eq!(status, 429, "{answer}");
    // So are one-time codes; nobody who is signed in is held up.
    world.ok("POST", "/users/2fa/totp/generate", &alice, json!({})).await;
    for _ in 0..5 {
        world.send("POST", "/users/2fa/totp/enable", &alice, true, json!({"code": "000000"})).await;
    }
    assert_eq!(world.change(longer, &[]), 2);
    let World { router, .. } = world.opened_again();
    let world = World { router, ..world };
    let (status, _) =
        world.send("POST", "/users/2fa/totp/enable", &alice, true, json!({"code": "000000"})).await;
    assert_eq!(status, 429);
    world.ok("GET", "/users/info", &alice, Value::Null).await;
    // Names of nobody are kept nowhere.
    for number in 0..3 {
        let nobody = json!({"username": format!("nobody {number}"), "password": "wrong"});
        world.send("POST", "/users/login", "", true, nobody).await;
    }
    assert_eq!(world.number("SELECT count(*) FROM guesses"), 2);
}
