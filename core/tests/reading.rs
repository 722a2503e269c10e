//! What is asked of an environment, by the requests that arrive there.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use keyferry_core::Error;
use keyferry_core::client::{Client, Session, Transport};
use keyferry_core::engine::{Endpoint, Environment, Filter, Options, Report, Silent, transfer};
use keyferry_core::model::RecordPath;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A vault as an old server lists it: without times, without batches, without encryption.
fn answer(path: &str) -> Option<Value> {
    let item = |id: &str, tags: Value| {
        json!({
            "id": id, "vaultId": "v", "name": id, "tags": tags, "passwordEncrypted": "eA==",
            "attachments": [{"id": "f", "name": "f"}], "updatedAt": null
        })
    };
    let place = |id: &str| json!({"id": id, "vaultId": "v", "name": id});
    Some(match path {
        "/api/v1/users/keys" => json!({"id": "u", "keys": null}),
        "/api/v1/vaults" => json!({"items": [{"id": "v", "name": "V"}, {"id": "w", "name": "W"}]}),
        "/api/v1/folders?vaultId=v" | "/api/v1/folders?vaultId=w" => json!({"items": []}),
        "/api/v1/items?vaultId=v" => json!({"items": [place("one"), place("two")]}),
        "/api/v1/items?vaultId=w" => json!({"items": [place("three")]}),
        "/api/v1/items/one" => item("one", json!(["t"])),
        "/api/v1/items/two" => item("two", json!([])),
        "/api/v1/items/one/attachment/f" | "/api/v1/items/two/attachment/f" => json!({
            "id": "f", "name": "f", "encryptedKey": "", "encryptedData": "",
            "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        }),
        _ => return None,
    })
}

/// Exports what the filter takes; the report and the paths that were asked for.
async fn export(filter: Filter) -> (Report, Vec<String>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let transport = Transport::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let path = request.uri().to_string();
        let (status, body) = answer(&path).map_or((404, json!({})), |body| (200, body));
        log.lock().unwrap().push(path);
        let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
        let response = http::Response::builder().status(status).body(body.boxed_unsync());
        async move { Ok::<_, Error>(response.unwrap()) }
    }));
    let session = Session { access_token: Some("token".into()), ..Session::default() };
    let environment = Environment::open(Client::new(transport, "test", session), None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let to = Endpoint::File { path: folder.path().join("out.jsonl"), format: None };
    let from = Endpoint::Environment(Arc::new(environment), RecordPath::default());
    let options = Options { filter, allow_plaintext: true, ..Options::default() };
    let report = transfer(&from, &to, &options, &Silent::default()).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    (report, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_filter_leaves_out_is_not_fetched() {
    let filter = Filter { vaults: vec!["V".into()], tags: vec!["t".into()], ..Filter::default() };
    let (report, asked) = export(filter).await;
    assert_eq!((report.read, report.rejected.len()), (1, 0), "{report:?}");
    let attachments: Vec<_> = asked.iter().filter(|path| path.contains("/attachment/")).collect();
    assert_eq!(attachments, ["/api/v1/items/one/attachment/f"]);
    assert!(!asked.iter().any(|path| path.ends_with("vaultId=w")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_times_are_told_everything_is_read_and_that_is_said() {
    let filter = Filter { vaults: vec!["V".into()], changed_since: Some(1 << 40), ..Filter::default() };
    let (report, _) = export(filter).await;
    assert_eq!(report.read, 2, "{report:?}");
    assert!(report.notes.iter().any(|note| note.contains("does not tell when 2 ")), "{report:?}");
}
