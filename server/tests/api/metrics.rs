//! What a server counts of itself: where it is read, what stands in it, and what does not.

use crate::world::{World, id, world};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use keyferry_server::{ServeOptions, Trace, Tracer, What};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tower::ServiceExt as _;

/// Of each kind of what nobody is to find in labels.
const MARKERS: [&str; 4] = ["planted-vault", "planted-user", "planted-item", "planted-query"];

pub async fn metrics(world: &World) -> String {
    let request = Request::get("/metrics").body(axum::body::Body::empty()).unwrap();
    let answer = world.environment.metrics_router().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// What stands behind a line's beginning.
pub fn value<'t>(text: &'t str, begin: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix(begin)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {begin} in {text}"))
}

fn number(text: &str, begin: &str) -> f64 {
    value(text, begin).parse().unwrap()
}

/// Some of everything, and the identifiers that came of it.
async fn used(world: &World, alice: &str) -> Vec<String> {
    let vault = id(&world.ok("POST", "/vaults", alice, json!({"name": MARKERS[0]})).await);
    world.ok("POST", "/users", alice, json!({"username": MARKERS[1], "password": "correct horse"})).await;
    let draft = json!({"vaultId": vault, "name": MARKERS[2]});
    let item = id(&world.ok("POST", "/items", alice, draft.clone()).await);
    world.ok("GET", &format!("/items/{item}"), alice, Value::Null).await;
    world.ok("GET", &format!("/items/search?query={}", MARKERS[3]), alice, Value::Null).await;
    let one = json!({"method": "post", "relativeUrl": "/api/v1/items", "body": draft});
    world.ok("POST", "/batch", alice, json!({"requests": [one, one, one]})).await;
    let nowhere = world.send("GET", &format!("/{}", MARKERS[2]), alice, true, Value::Null).await;
    assert_eq!(nowhere.0, StatusCode::NOT_FOUND);
    let made_up = world.send("PLANTED-METHOD", "/items", alice, true, Value::Null).await;
    assert!(made_up.0.is_client_error());
    assert_eq!(world.send("GET", "/vaults", MARKERS[1], true, Value::Null).await.0, StatusCode::UNAUTHORIZED);
    vec![vault, item, alice.to_owned()]
}

#[tokio::test]
async fn requests_and_the_database_are_counted_without_a_name() {
    let (world, alice, _) = world(ServeOptions::default());
    let ids = used(&world, &alice).await;
    let text = metrics(&world).await;
    let requests = |labels: &str| value(&text, &format!("keyferry_http_requests_total{{{labels}}}"));
    assert_eq!(requests(r#"method="POST",endpoint="/items",status="2xx""#), "1");
    assert_eq!(requests(r#"method="GET",endpoint="/items/{id}",status="2xx""#), "1");
    assert_eq!(requests(r#"method="GET",endpoint="none",status="4xx""#), "1");
    assert_eq!(requests(r#"method="other",endpoint="none",status="4xx""#), "1");
    assert_eq!(requests(r#"method="GET",endpoint="/vaults",status="4xx""#), "1");
    let took = r#"{method="POST",endpoint="/items"}"#;
    assert_eq!(value(&text, &format!("keyferry_http_request_seconds_count{took}")), "1");
    assert!(number(&text, &format!("keyferry_http_request_seconds_sum{took}")) > 0.0);
    assert_eq!(value(&text, "keyferry_http_requests_under_way"), "0");
    assert_eq!(
        (value(&text, "keyferry_batch_requests_count"), value(&text, "keyferry_batch_requests_sum")),
        ("1", "3.0")
    );
    assert_eq!(value(&text, r#"keyferry_refusals_total{reason="accessTokenInvalid"}"#), "1");
    assert!(number(&text, r#"keyferry_transactions_total{kind="write",outcome="kept"}"#) >= 4.0);
    assert!(number(&text, r#"keyferry_transactions_total{kind="read",outcome="kept"}"#) >= 2.0);
    assert!(number(&text, "keyferry_writer_wait_seconds_count") >= 4.0);
    for kind in ["read", "write"] {
        let took = number(&text, &format!("keyferry_transaction_seconds_sum{{kind=\"{kind}\"}}"));
        assert!(took > 0.0);
        assert_eq!(value(&text, &format!("keyferry_database_connections{{kind=\"{kind}\"}}")), "0");
    }
    assert_eq!(value(&text, r#"keyferry_database_errors_total{kind="away"}"#), "0");
    assert_eq!(value(&text, "keyferry_housekeepings_total"), "0");
    world.environment.keep_house().unwrap();
    world.environment.keep_house().unwrap();
    assert_eq!(value(&metrics(&world).await, "keyferry_housekeepings_total"), "1");
    let store = if world.server.is_some() { "postgres" } else { "folder" };
    let build = format!(r#"keyferry_build_info{{version="{}",store="{store}"}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&text, &build), "1");
    let started = number(&text, "process_start_time_seconds");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((0.0..600.0).contains(&(now - started)), "{started}");
    assert!(text.ends_with("# EOF\n"));
    for marker in
        MARKERS.into_iter().chain(ids.iter().map(String::as_str)).chain(["PLANTED", "alice", "127."])
    {
        assert!(!text.contains(marker), "{marker} stands in {text}");
    }
    // Whatever is asked for, there are no more of them than before, but for what was not asked for yet.
    let lines = text.lines().count();
    for number in 0..50 {
        world.send("GET", &format!("/nowhere/{number}"), &alice, true, Value::Null).await;
        world.ok("GET", &format!("/items/{}", ids[1]), &alice, Value::Null).await;
    }
    assert_eq!(metrics(&world).await.lines().count(), lines);
}

#[tokio::test]
async fn the_api_does_not_show_them_and_their_address_shows_nothing_else() {
    let (world, ..) = world(ServeOptions::default());
    for (router, path) in [
        (world.router.clone(), "/metrics"),
        (world.router.clone(), "/api/v1/metrics"),
        (world.environment.metrics_router(), "/api/v1/users"),
        (world.environment.metrics_router(), "/health"),
        (world.environment.metrics_router(), "/"),
    ] {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
    }
}

/// The environment served once more, with somebody who is told.
fn told(world: &World) -> (World, Arc<Mutex<Vec<Trace>>>) {
    let traces = Arc::new(Mutex::new(Vec::new()));
    let heard = traces.clone();
    let told = Tracer::new(move |trace| heard.lock().unwrap().push(trace));
    let mut other = world.opened_again();
    other.router = other.environment.router(ServeOptions { tracer: Some(told), ..ServeOptions::default() });
    (other, traces)
}

#[tokio::test]
async fn who_traces_is_told_what_the_database_did_and_no_name() {
    let (first, alice, _) = world(ServeOptions::default());
    let (world, traces) = told(&first);
    let ids = used(&world, &alice).await;
    let traces = traces.lock().unwrap().clone();
    let of = |method: &str, endpoint: &str| {
        let found = traces.iter().find(|trace| trace.method == method && trace.endpoint == endpoint);
        found.unwrap_or_else(|| panic!("{method} {endpoint} is not in {traces:#?}"))
    };
    let kinds = |trace: &Trace| trace.parts.iter().map(|part| part.what).collect::<Vec<_>>();
    let made = of("POST", "/api/v1/items");
    assert_eq!((kinds(made), made.status, made.batch), (vec![What::Waiting, What::Writing], 200, None));
    assert_eq!(made.on_server, first.server.is_some());
    assert_eq!(kinds(of("GET", "/api/v1/items/{id}")), [What::Reading]);
    let batch = of("POST", "/api/v1/batch");
    assert_eq!((kinds(batch), batch.batch), (vec![What::Reading, What::Waiting, What::Writing], Some(3)));
    assert_eq!((of("GET", "").status, of("other", "").status), (404, 405));
    for trace in &traces {
        assert!(trace.began < trace.ended && trace.parent.is_none());
        for part in &trace.parts {
            assert!(trace.began <= part.began && part.began <= part.ended && part.ended <= trace.ended);
        }
    }
    let text = format!("{traces:?}");
    for marker in MARKERS.into_iter().chain(ids.iter().map(String::as_str)).chain(["PLANTED"]) {
        assert!(!text.contains(marker), "{marker} stands in {text}");
    }
    let methods: BTreeSet<_> = traces.iter().map(|trace| trace.method).collect();
    assert_eq!(methods, BTreeSet::from(["GET", "POST", "other"]));
}
