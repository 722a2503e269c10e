//! Browsers and one-time codes.

use crate::world::{World, world};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// What a browser sends and gets.
async fn browse(
    world: &World,
    method: &str,
    path: &str,
    cookie: &str,
    csrf: &str,
    body: Value,
) -> (StatusCode, Value, Option<String>) {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("x-browser-mode", "1")
        .header("x-response-format", "raw");
    if !cookie.is_empty() {
        request = request.header("cookie", format!("theme=dark; {cookie}"));
    }
    if !csrf.is_empty() {
        request = request.header("x-csrf-token", csrf);
    }
    let request = request.body(axum::body::Body::from(body.to_string())).unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let cookie = answer.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap(), cookie)
}

#[tokio::test]
async fn a_browser_has_a_cookie_and_needs_its_csrf_token_to_write() {
    let (world, ..) = world(ServeOptions { tls: true, ..ServeOptions::default() });
    let login = json!({"username": "alice", "password": "correct horse", "hostname": "h"});
    assert_eq!(browse(&world, "POST", "/users/login", "", "", login.clone()).await.0, 403);
    let first = browse(&world, "POST", "/csrf-tokens/generate", "", "", json!({})).await.1;
    let first = first["csrfToken"].as_str().unwrap();
    let (status, tokens, cookie) = browse(&world, "POST", "/users/login", "", first, login.clone()).await;
    assert_eq!(status, 200, "{tokens}");
    assert!(tokens.get("accessToken").is_none(), "the token is in the cookie alone");
    let cookie = cookie.unwrap();
    for word in ["HttpOnly", "Secure", "SameSite=Strict"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert_eq!(browse(&world, "POST", "/users/login", "", first, login).await.0, 403, "it is good once");
    let cookie = cookie.split(';').next().unwrap();
    let csrf = tokens["csrfToken"].as_str().unwrap();
    assert_eq!(browse(&world, "GET", "/users/info", cookie, "", Value::Null).await.0, 200);
    for wrong in ["", first] {
        let (status, answer, _) =
            browse(&world, "POST", "/vaults", cookie, wrong, json!({"name": "v"})).await;
        assert_eq!((status.as_u16(), answer["errors"][0]["code"].as_str()), (403, Some("csrfTokenInvalid")));
    }
    assert_eq!(browse(&world, "POST", "/vaults", cookie, csrf, json!({"name": "v"})).await.0, 200);
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    assert_eq!(browse(&world, "POST", "/sessions/refresh", cookie, "", refresh.clone()).await.0, 403);
    let (status, _, next) = browse(&world, "POST", "/sessions/refresh", cookie, csrf, refresh).await;
    assert_eq!(status, 200);
    let next = next.unwrap();
    let next = next.split(';').next().unwrap();
    assert_eq!(browse(&world, "GET", "/users/info", cookie, "", Value::Null).await.0, 401);
    assert_eq!(browse(&world, "POST", "/vaults", next, csrf, json!({"name": "w"})).await.0, 200);
    assert_eq!(browse(&world, "POST", "/sessions/logout", next, csrf, json!({})).await.0, 200);
    assert_eq!(browse(&world, "GET", "/users/info", next, "", Value::Null).await.0, 401);
    // The browser goes on sending its cookie, which the page cannot take away; signing in anew works all the same.
    let (status, fresh, _) = browse(&world, "POST", "/csrf-tokens/generate", next, "", json!({})).await;
    assert_eq!(status, 200, "{fresh}");
    let login = json!({"username": "alice", "password": "correct horse", "hostname": "h"});
    let fresh = fresh["csrfToken"].as_str().unwrap();
    assert_eq!(browse(&world, "POST", "/users/login", next, fresh, login).await.0, 200);
}

/// What an authenticator shows, `steps` from now.
fn code(secret: &str, steps: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let step = i64::try_from(now / 30).unwrap() + steps;
    let secret = BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&secret).unwrap();
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest[19] & 15);
    let word = u32::from_be_bytes(digest[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", word % 1_000_000)
}

#[tokio::test]
async fn a_login_owes_its_one_time_code() {
    let (world, alice, _) = world(ServeOptions::default());
    let secret = world.ok("POST", "/users/2fa/totp/generate", &alice, json!({})).await;
    let secret = secret["secret"].as_str().unwrap();
    let give = |steps| json!({"code": code(secret, steps)});
    let wrong = json!({"code": "000000"});
    assert_eq!(world.send("POST", "/users/2fa/totp/enable", &alice, true, wrong).await.0, 401);
    world.ok("POST", "/users/2fa/totp/enable", &alice, give(-1)).await;
    let login = json!({"username": "alice", "password": "correct horse"});
    let tokens = world.ok("POST", "/users/login", "", login).await;
    let token = tokens["accessToken"].as_str().unwrap();
    let (status, answer) = world.send("GET", "/vaults", token, true, Value::Null).await;
    assert_eq!((status.as_u16(), answer["errors"][0]["code"].as_str()), (401, Some("twoFactorAuthRequired")));
    let batch = json!({"requests": [{"method": "GET", "relativeUrl": "/api/v1/vaults"}]});
    let batch = world.ok("POST", "/batch", token, batch).await;
    assert_eq!(batch["responses"][0]["statusCode"], 401);
    // A refresh does not shake the debt off.
    let tokens =
        world.ok("POST", "/sessions/refresh", token, json!({"refreshToken": tokens["refreshToken"]})).await;
    let token = tokens["accessToken"].as_str().unwrap();
    assert_eq!(world.send("GET", "/vaults", token, true, Value::Null).await.0, 401);
    let replayed = world.send("POST", "/users/2fa/totp/authorize", token, true, give(-1)).await.0;
    assert_eq!(replayed, 401, "a code is good once");
    world.ok("POST", "/users/2fa/totp/authorize", token, give(0)).await;
    let info = world.ok("GET", "/users/info", token, Value::Null).await;
    assert_eq!(info["isTwoFactorAuthEnabled"], true);
    world.ok("POST", "/users/2fa/totp/disable", token, give(1)).await;
    assert_eq!(world.ok("GET", "/users/info", token, Value::Null).await["isTwoFactorAuthEnabled"], false);
}
