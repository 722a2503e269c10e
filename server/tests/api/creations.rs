//! Items that a batch makes: by few statements, and as if each had been asked for alone. On both stores.

#![expect(clippy::needless_pass_by_value, reason = "bodies are written where they are asked for")]

use crate::world::{World, id, world};
use keyferry_server::ServeOptions;
use serde_json::{Value, json};

const ITEMS: &str = "/api/v1/items";

fn part(body: Value) -> Value {
    json!({"method": "POST", "relativeUrl": ITEMS, "body": body})
}

fn keyed(key: &str, body: Value) -> Value {
    json!({"method": "POST", "relativeUrl": ITEMS, "headers": {"Idempotency-Key": key}, "body": body})
}

/// A place with a folder, in an encrypted vault and in one that is not.
struct Places {
    plain: String,
    sealed: String,
    folder: String,
}

async fn places(world: &World, token: &str) -> Places {
    let plain = world.vault(token).await;
    let sealed = json!({"name": "s", "masterKeyEncrypted": "a2V5", "masterKeyHash": "00", "salt": "s"});
    let sealed = id(&world.ok("POST", "/vaults", token, sealed).await);
    let folder = json!({"vaultId": plain, "name": "f"});
    let folder = id(&world.ok("POST", "/folders", token, folder).await);
    Places { plain, sealed, folder }
}

/// What is asked for one after another: what is made, and what is refused for every reason that there is.
fn requests(places: &Places) -> Vec<Value> {
    let Places { plain, sealed, folder } = places;
    let file =
        |name: &str| json!({"name": name, "encryptedKey": "k", "encryptedData": name.repeat(9), "hash": "h"});
    let custom = json!({"name": "n", "value": "v", "type": "t", "more": 1});
    let whole = json!({"vaultId": plain, "folderId": folder, "name": "Ärger", "login": "L", "url": "u", "description": "d",
        "tags": ["b", "a", "b"], "color": 7, "isFavorite": true, "passwordEncrypted": "cA==", "customs": [custom],
        "attachments": [file("one"), file("two")], "fieldsOrder": ["login", "name"]});
    let large = json!({"name": "a", "encryptedKey": "k", "encryptedData": "d".repeat(10 << 20), "hash": "h"});
    vec![
        part(json!({"vaultId": plain, "name": "first"})),
        part(whole.clone()),
        keyed("a", whole),
        part(json!({"vaultId": plain})),
        part(json!({"name": "nowhere"})),
        part(json!({"vaultId": "0".repeat(24), "name": "astray"})),
        part(json!({"vaultId": sealed, "folderId": folder, "name": "in another vault's folder"})),
        part(json!({"vaultId": plain, "name": "wrong", "tags": "no list"})),
        part(json!({"vaultId": sealed, "name": "without a key", "passwordEncrypted": "cA=="})),
        part(json!({"vaultId": sealed, "name": "sealed", "passwordEncrypted": "cA==", "keyEncrypted": "k"})),
        part(json!({"vaultId": plain, "name": "large", "attachments": [large]})),
        part(json!({"vaultId": plain, "name": "x".repeat(10_001)})),
        json!({"method": "POST", "relativeUrl": ITEMS}),
        keyed("", json!({"vaultId": plain, "name": "a malformed key"})),
        keyed("b", json!({"vaultId": plain, "name": "b"})),
        json!({"method": "post", "relativeUrl": "/api/v1/items/", "body": {"vaultId": plain, "name": "another address"}}),
        json!({"method": "GET", "relativeUrl": "/api/v1/items/search?query=%C3%A4rger"}),
        keyed("c", json!({"vaultId": plain, "name": "c"})),
        keyed("c", json!({"vaultId": plain, "name": "c"})),
        keyed("b", json!({"vaultId": plain, "name": "not b"})),
        part(json!({"vaultId": plain, "name": "last"})),
    ]
}

/// The answers' statuses, and what is told of those that were refused, or found.
fn told(answers: &[Value]) -> Vec<(u64, Value)> {
    let told = |answer: &Value| {
        let body = &answer["body"];
        let mut errors = body["errors"].clone();
        // Who made it is named by its identifier, which is drawn.
        if let Some(one) = errors.get_mut(0).and_then(Value::as_object_mut) {
            one.remove("made");
        }
        let found = body["items"].as_array().map(Vec::len);
        (answer["statusCode"].as_u64().unwrap(), json!([errors, found]))
    };
    answers.iter().map(told).collect()
}

/// All that is kept, without what is drawn: items in their order, what finds them, and the log.
async fn kept(world: &World, token: &str, places: &Places, answers: &[Value]) -> Vec<Value> {
    let mut all = Vec::new();
    for vault in [&places.plain, &places.sealed] {
        let list = world.ok("GET", &format!("/items?vaultId={vault}"), token, Value::Null).await;
        for item in list["items"].as_array().unwrap() {
            let id = item["id"].as_str().unwrap();
            let mut item = world.ok("GET", &format!("/items/{id}"), token, Value::Null).await;
            let place = (item["vaultId"] == json!(places.plain), item["folderId"] == json!(places.folder));
            for attachment in item["attachments"].as_array().unwrap().clone() {
                let path = format!("/items/{id}/attachment/{}", attachment["id"].as_str().unwrap());
                let content = world.ok("GET", &path, token, Value::Null).await;
                all.push(json!([content["name"], content["encryptedData"]]));
            }
            let members = item.as_object_mut().unwrap();
            for drawn in ["id", "vaultId", "folderId", "attachments", "createdAt", "updatedAt"] {
                members.remove(drawn).unwrap();
            }
            all.push(json!([place, members]));
        }
    }
    for search in ["query=%C3%84RGER", "tags[]=b", "query=last", "tags[]=a&query=ger"] {
        let found = world.ok("GET", &format!("/items/search?{search}"), token, Value::Null).await;
        all.push(found["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect());
    }
    let log = world.ok("GET", "/activity-log", token, Value::Null).await;
    let made: Vec<&Value> = answers.iter().map(|answer| &answer["body"]["id"]).collect();
    for row in log["items"].as_array().unwrap() {
        // Which of the requests it was.
        let which = made.iter().position(|id| **id == row["object"]);
        all.push(json!([row["action"], which]));
    }
    assert_eq!(world.ok("GET", "/activity-log/check", token, Value::Null).await["broken"], Value::Null);
    all
}

/// The answers of requests that are sent one by one, each as a batch of its own.
async fn alone(world: &World, token: &str, requests: &[Value]) -> Vec<Value> {
    let mut answers = Vec::new();
    for request in requests {
        let answer = world.ok("POST", "/batch", token, json!({"requests": [request]})).await;
        answers.push(answer["responses"][0].clone());
    }
    answers
}

async fn together(world: &World, token: &str, requests: &[Value]) -> Vec<Value> {
    let answer = world.ok("POST", "/batch", token, json!({"requests": requests})).await;
    answer["responses"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_batch_makes_what_its_requests_would_make_alone() {
    // Once as it is, and once with a text that no database keeps, for which the set is given up.
    for spoilt in [false, true] {
        let (one, alice, _) = world(ServeOptions::default());
        let (other, anna, _) = world(ServeOptions::default());
        let (here, there) = (places(&one, &alice).await, places(&other, &anna).await);
        let asked = |places: &Places| {
            let mut requests = requests(places);
            if spoilt {
                let nul = part(json!({"vaultId": places.plain, "name": "a\u{0}b"}));
                requests.insert(2, nul);
            }
            requests
        };
        let (set, single) =
            (together(&one, &alice, &asked(&here)).await, alone(&other, &anna, &asked(&there)).await);
        assert_eq!(told(&set), told(&single));
        let statuses: Vec<u64> = told(&set).into_iter().map(|(status, _)| status).collect();
        assert!(statuses.iter().filter(|status| **status == 200).count() >= 10, "{statuses:?}");
        // Its own set came first in the list, and the search between them finds what stands before it.
        assert_eq!(
            kept(&one, &alice, &here, &set).await,
            kept(&other, &anna, &there, &single).await,
            "spoilt: {spoilt}"
        );
        let rows = "SELECT count(*) FROM idempotency_keys";
        assert_eq!((one.number(rows), other.number(rows)), (3, 3));
        // Of keys that are known the answers are those of the first time, and nothing is made.
        let before = one.number("SELECT count(*) FROM items");
        let keyed: Vec<Value> =
            asked(&here).into_iter().filter(|request| request["headers"].is_object()).collect();
        let again = together(&one, &alice, &keyed).await;
        let first: Vec<&Value> = set
            .iter()
            .zip(asked(&here))
            .filter(|(_, request)| request["headers"].is_object())
            .map(|(answer, _)| answer)
            .collect();
        assert_eq!(again.iter().collect::<Vec<_>>(), first);
        assert_eq!(one.number("SELECT count(*) FROM items"), before);
    }
}

#[tokio::test]
async fn many_items_are_made_together_in_their_order() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let requests: Vec<Value> = (0..600)
        .map(|number| {
            let body =
                json!({"vaultId": vault, "name": format!("n{number:03}"), "tags": [format!("t{number}")]});
            if number % 2 == 0 { keyed(&number.to_string(), body) } else { part(body) }
        })
        .collect();
    let answers = together(&world, &alice, &requests).await;
    let made: Vec<&Value> = answers.iter().map(|answer| &answer["body"]["id"]).collect();
    let list = world.ok("GET", &format!("/items?vaultId={vault}"), &alice, Value::Null).await;
    let listed: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(listed, made);
    for number in [0, 299, 300, 599] {
        for search in [format!("tags[]=t{number}"), format!("query=N{number:03}")] {
            let found = world.ok("GET", &format!("/items/search?{search}"), &alice, Value::Null).await;
            let found: Vec<&Value> =
                found["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
            assert_eq!(found, [made[number]], "{search}");
        }
    }
    assert_eq!(together(&world, &alice, &requests[..1]).await, answers[..1]);
    assert_eq!(world.number("SELECT count(*) FROM idempotency_keys"), 300);
}
