//! Faults that a healthy environment does not show.

use super::*;
use crate::secret::SecretString;
use base64::Engine as _;
use http_body_util::BodyExt as _;
use keyferry_api::item::ItemDraft;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn answer(status: u16, body: &Value) -> http::Response<Body> {
    let body = http_body_util::Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    http::Response::builder().status(status).body(body.boxed_unsync()).unwrap()
}

fn client(
    handle: impl Fn(&http::Request<Bytes>, usize) -> http::Response<Body> + Clone + Send + Sync + 'static,
) -> (Client, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let transport = Transport::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let (handle, counter) = (handle.clone(), Arc::clone(&counter));
        async move {
            tokio::task::yield_now().await;
            Ok::<_, Error>(handle(&request, counter.fetch_add(1, SeqCst)))
        }
    }));
    let session = Session {
        access_token: Some("old".into()),
        refresh_token: Some("refresh".into()),
        master_key_hash: None,
    };
    (Client::new(transport, "test", session), calls)
}

fn bearer(request: &http::Request<Bytes>) -> &str {
    request.headers().get(header::AUTHORIZATION).map_or("", |value| value.to_str().unwrap())
}

fn me() -> Value {
    json!({"id": "u", "username": "me"})
}

fn drafts(count: usize) -> Vec<ItemDraft> {
    (0..count).map(|n| ItemDraft { name: Some(n.to_string()), ..ItemDraft::default() }).collect()
}

fn refused(status: u16, code: &str) -> http::Response<Body> {
    answer(status, &json!({"errors": [{"code": code, "field": null, "message": "no\u{1b}pe"}]}))
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_workers_share_one_refresh() {
    let refreshes = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&refreshes);
    let (client, _) = client(move |request, _| match (request.uri().path(), bearer(request)) {
        ("/api/v1/sessions/refresh", "Bearer old") => {
            seen.fetch_add(1, SeqCst);
            answer(200, &json!({"accessToken": "new", "refreshToken": "next"}))
        }
        (_, "Bearer new") => answer(200, &me()),
        _ => refused(401, "accessTokenExpired"),
    });
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.user_info().await })
        })
        .collect();
    for worker in workers {
        assert_eq!(worker.await.unwrap().unwrap().username, "me");
    }
    assert_eq!(refreshes.load(SeqCst), 1);
    assert_eq!(client.session().refresh_token, Some(SecretString::from("next")));
}

#[tokio::test]
async fn a_refused_refresh_says_to_sign_in_and_is_not_repeated() {
    let (client, calls) = client(|_, _| refused(401, "refreshTokenExpired"));
    for _ in 0..2 {
        let error = client.user_info().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAuthenticated);
        assert!(error.next().unwrap().starts_with("sign in again"));
    }
    assert_eq!(calls.load(SeqCst), 3); // asked, refreshed, asked
}

#[tokio::test]
async fn a_wrong_master_key_is_no_reason_to_refresh() {
    let (client, calls) = client(|_, _| refused(401, "masterKeyHashInvalid"));
    let error = client.user_info().await.unwrap_err();
    assert_eq!((error.kind(), error.what(), calls.load(SeqCst)), (ErrorKind::Locked, "nope", 1));
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_said() {
    let (client, _) = client(|_, call| {
        if call > 0 {
            return answer(200, &json!({"id": "made"}));
        }
        let mut busy = refused(429, "tooManyRequests");
        busy.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        busy
    });
    let start = Instant::now();
    assert_eq!(client.create_item(&drafts(1)[0]).await.unwrap(), "made");
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn writes_are_not_repeated_after_a_failure_but_reads_are() {
    let (client, calls) =
        client(|_, call| if call < 2 { refused(500, "internalError") } else { answer(200, &me()) });
    assert_eq!(client.delete_item("a").await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(calls.load(SeqCst), 1);
    client.user_info().await.unwrap();
    assert_eq!(calls.load(SeqCst), 3);
}

#[tokio::test]
async fn each_answer_of_a_batch_counts() {
    let (client, _) = client(|_, _| {
        answer(
            200,
            &json!({"responses": [
                {"statusCode": 200, "body": {"id": "a", "vaultId": "v", "customs": null}},
                {"statusCode": 404, "body": {"errors": [{"code": "notFound", "message": "gone"}]}},
            ]}),
        )
    });
    let items = client.items(&["a".to_owned(), "b".to_owned()]).await;
    assert_eq!(items[0].as_ref().ok().unwrap().id, "a");
    let error = items[1].as_ref().err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "GET /api/v1/items/b: 404 notFound: gone");
}

#[tokio::test]
async fn a_batch_with_too_few_answers_makes_no_sense() {
    let (client, _) =
        client(|_, _| answer(200, &json!({"responses": [{"statusCode": 200, "body": {"id": "a"}}]})));
    let made = client.create_items(&drafts(3)).await;
    assert_eq!(made.len(), 3);
    assert!(made.iter().all(|made| made.as_ref().unwrap_err().kind() == ErrorKind::Protocol));
}

#[tokio::test]
async fn without_batches_items_are_made_one_by_one_in_order() {
    let (client, calls) = client(|request, _| {
        if request.uri().path() == "/api/v1/batch" {
            return refused(405, "");
        }
        let draft: Value = serde_json::from_slice(request.body()).unwrap();
        answer(200, &json!({"id": draft["name"]}))
    });
    for round in 1..=2 {
        let made = client.create_items(&drafts(30)).await;
        let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
        assert_eq!(made, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
        // Both batches of the first round may have asked before the first was answered.
        assert!((1 + 30 * round..=2 + 30 * round).contains(&calls.load(SeqCst)));
    }
}

#[tokio::test]
async fn batches_are_limited_by_count_and_by_bytes() {
    let (client, calls) = client(|request, _| {
        assert!(request.body().len() <= (8 << 20) + 2);
        let batch: Value = serde_json::from_slice(request.body()).unwrap();
        let requests = batch["requests"].as_array().unwrap();
        assert!(requests.len() <= 25);
        let made: Vec<_> = requests
            .iter()
            .map(|request| json!({"statusCode": 200, "body": {"id": request["body"]["name"]}}))
            .collect();
        answer(200, &json!({ "responses": made }))
    });
    let mut large = drafts(30);
    for draft in large.iter_mut().take(4) {
        draft.description = Some("x".repeat(3 << 20));
    }
    let made: Vec<_> = client.create_items(&large).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(made, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(calls.load(SeqCst), 3); // 2, 2 + 23, 3
}

#[tokio::test]
async fn a_wrapped_answer_is_unwrapped() {
    let (client, _) = client(|request, _| {
        assert_eq!(request.headers()[api::RESPONSE_FORMAT_HEADER], "raw");
        let content = base64::engine::general_purpose::STANDARD.encode(me().to_string());
        answer(200, &json!({"format": "base64", "content": content}))
    });
    assert_eq!(client.user_info().await.unwrap().id, "u");
}

#[tokio::test]
async fn an_identifier_cannot_leave_its_place() {
    let (client, calls) = client(|_, _| answer(200, &json!({})));
    for id in ["", "..", "a/b", "a?b", "a%2fb"] {
        assert_eq!(client.delete_vault(id).await.unwrap_err().kind(), ErrorKind::Input);
    }
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test]
async fn no_connection_names_the_host_and_a_router_needs_none() {
    let closed = url::Url::parse("http://127.0.0.1:9/").unwrap();
    let client = Client::new(http_transport(&closed, REQUEST_TIMEOUT).unwrap(), "closed", Session::default());
    let error = client.delete_item("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.what().contains("127.0.0.1") && error.next().is_some());

    let router = tower::service_fn(|_: http::Request<http_body_util::Full<Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(Bytes::from(
            me().to_string(),
        ))))
    });
    let client = Client::new(in_process(router), "embedded", Session::default());
    assert_eq!(client.user_info().await.unwrap().id, "u");
}
