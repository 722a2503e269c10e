//! Roles: each right that a role may allow opens something, and nothing opens without its right.

use crate::world::{World, id, user, world};
use keyferry_server::ServeOptions;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One call that a right is needed for, on things made anew for it.
struct Call {
    right: &'static str,
    method: &'static str,
    path: String,
    body: Value,
}

/// Somebody to act on, a group, and a role that nobody has.
async fn calls(world: &World, alice: &str, tag: &str) -> Vec<Call> {
    let make = async |path: &str, body: Value| id(&world.ok("POST", path, alice, body).await);
    let mut numbers = 0;
    let mut somebody = async || {
        numbers += 1;
        make("/users", json!({"login": format!("{tag}-{numbers}")})).await
    };
    let users = [somebody().await, somebody().await, somebody().await, somebody().await];
    let group = make("/user-groups", json!({"name": "g"})).await;
    let gone = make("/user-groups", json!({"name": "g"})).await;
    let role = make("/user-roles", json!({"name": "r"})).await;
    let spare = make("/user-roles", json!({"name": "r"})).await;
    let [one, two, three, four] = users;
    world.ok("POST", &format!("/users/{three}/block"), alice, json!({})).await;
    let call = |right, method, path: String, body| Call { right, method, path, body };
    let members = json!({"userIds": [one]});
    vec![
        call("user:create", "POST", "/users".to_owned(), json!({"login": format!("{tag}-new")})),
        call("user:update", "PATCH", format!("/users/{one}"), json!({"fullName": "One"})),
        call("user:update", "PATCH", format!("/users/{one}"), json!({"password": "another horse"})),
        call("user:block", "POST", format!("/users/{two}/block"), json!({})),
        call("user:block", "POST", format!("/users/{three}/unblock"), json!({})),
        call("user:delete", "DELETE", format!("/users/{four}"), json!({})),
        call("userRole:manage", "POST", "/user-roles".to_owned(), json!({"name": "r"})),
        call("userRole:manage", "PATCH", format!("/users/{one}"), json!({"userRoleId": role})),
        call("userRole:manage", "PATCH", format!("/user-roles/{role}"), json!({"name": "renamed"})),
        call("userRole:manage", "DELETE", format!("/user-roles/{spare}"), json!({})),
        call("userGroup:manage", "POST", "/user-groups".to_owned(), json!({"name": "g"})),
        call("userGroup:manage", "POST", format!("/user-groups/{group}"), json!({"name": "renamed"})),
        call("userGroup:manage", "POST", format!("/user-groups/{group}/add-users"), members.clone()),
        call("userGroup:manage", "POST", format!("/user-groups/{group}/remove-users"), members),
        call("userGroup:manage", "DELETE", format!("/user-groups/{gone}"), json!({})),
        call("access:read", "GET", format!("/users/{one}/rights"), Value::Null),
        call("access:read", "GET", format!("/user-groups/{group}/rights"), Value::Null),
        call(
            "vaultType:manage",
            "POST",
            "/vault-types".to_owned(),
            json!({"name": "t", "code": format!("{tag}-t")}),
        ),
        call("activityLog:read", "GET", "/activity-log".to_owned(), Value::Null),
        call("activityLog:read", "GET", "/activity-log/check".to_owned(), Value::Null),
    ]
}

async fn status(world: &World, token: &str, call: &Call, batched: bool) -> u64 {
    let Call { method, path, body, .. } = call;
    if batched {
        let request = json!({"method": method, "relativeUrl": format!("/api/v1{path}"), "body": body});
        let answer = world.ok("POST", "/batch", token, json!({"requests": [request]})).await;
        return answer["responses"][0]["statusCode"].as_u64().unwrap();
    }
    u64::from(world.send(method, path, token, true, body.clone()).await.0.as_u16())
}

/// A user of this name whose role allows these, signed in.
async fn with_rights(world: &World, alice: &str, name: &str, rights: &[&str]) -> (String, String) {
    let role = world.ok("POST", "/user-roles", alice, json!({"name": name, "rights": rights})).await;
    let new = world.environment.add_user(user(name)).unwrap();
    world.ok("PATCH", &format!("/users/{new}"), alice, json!({"userRoleId": role["id"]})).await;
    let token = world.environment.issue_session(&new).unwrap().access_token.unwrap();
    (new, token)
}

async fn all_rights(world: &World, alice: &str) -> Vec<String> {
    let roles = world.ok("GET", "/user-roles", alice, Value::Null).await;
    let administrators =
        roles["items"].as_array().unwrap().iter().find(|role| role["code"] == "administrator");
    serde_json::from_value(administrators.unwrap()["rights"].clone()).unwrap()
}

#[tokio::test]
async fn every_right_is_asked_for_where_it_is_needed_and_nowhere_else() {
    let (world, alice, _) = world(ServeOptions::default());
    let all = all_rights(&world, &alice).await;
    // A right over others does not reach those who may do more: all the users here have the usual role.
    let mut walked = BTreeSet::from(["user:read", "vault:create", "link:create"].map(str::to_owned));
    for right in &all {
        let without: Vec<&str> = all.iter().map(String::as_str).filter(|other| other != right).collect();
        let (_, with) = with_rights(&world, &alice, &format!("with {right}"), &[right]).await;
        let (_, without) = with_rights(&world, &alice, &format!("without {right}"), &without).await;
        // What is refused changes nothing: one set of things will do.
        let all_calls = calls(&world, &alice, right).await;
        for (index, call) in all_calls.iter().enumerate() {
            for batched in [false, true] {
                let (path, name) = (&call.path, call.right);
                if call.right != right {
                    assert_eq!(status(&world, &with, call, batched).await, 403, "{path} with {right} alone");
                    continue;
                }
                assert_eq!(status(&world, &without, call, batched).await, 403, "{path} without {name}");
                let fresh =
                    calls(&world, &alice, &format!("{right} {index} {batched}")).await.swap_remove(index);
                assert_eq!(status(&world, &with, &fresh, batched).await, 200, "{path} with {name} alone");
                walked.insert(right.clone());
            }
        }
    }
    assert_eq!(walked, all.into_iter().collect(), "a right that nothing asks for");
}

#[tokio::test]
async fn rights_that_show_or_make_something_are_asked_for_too() {
    let (world, alice, bob) = world(ServeOptions::default());
    let all = all_rights(&world, &alice).await;
    let without = |right: &'static str| {
        let rest: Vec<String> = all.iter().filter(|other| *other != right).cloned().collect();
        let (world, alice) = (&world, &alice);
        async move {
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            with_rights(world, alice, &format!("no {right}"), &rest).await.1
        }
    };
    let (_, reads) = with_rights(&world, &alice, "reads", &["user:read"]).await;
    let alice_id = id(&world.ok("GET", "/users/info", &alice, Value::Null).await);
    world.ok("PATCH", &format!("/users/{alice_id}"), &alice, json!({"email": "alice@example.com"})).await;
    for (token, sees) in [(&reads, true), (&without("user:read").await, false), (&bob, false)] {
        let one = world.ok("GET", &format!("/users/{alice_id}"), token, Value::Null).await;
        let all = world.ok("GET", "/users?search=alice", token, Value::Null).await;
        assert_eq!((one["email"].is_string(), all["items"][0]["email"].is_string()), (sees, sees));
    }
    // The usual role makes vaults and links; one without these rights does not, whatever else it allows.
    let (no_vaults, no_links) = (without("vault:create").await, without("link:create").await);
    let vault = json!({"name": "v"});
    assert_eq!(world.send("POST", "/vaults", &no_vaults, true, vault.clone()).await.0, 403);
    for token in [&bob, &no_links] {
        let vault = id(&world.ok("POST", "/vaults", token, vault.clone()).await);
        let item = world.ok("POST", "/items", token, json!({"vaultId": vault, "name": "i"})).await;
        let link =
            json!({"itemId": item["id"], "itemData": {}, "type": "reusable", "expirationTime": "1 hour"});
        let expected = if token == &bob { 200 } else { 403 };
        assert_eq!(world.send("POST", "/links", token, true, link).await.0, expected);
    }
}

#[tokio::test]
async fn nobody_gives_more_than_they_have_nor_changes_who_has_more() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let alice_id = id(&world.ok("GET", "/users/info", &alice, Value::Null).await);
    let rights = ["userRole:manage", "user:create", "user:update", "user:block", "user:delete"];
    let (carol_id, carol) = with_rights(&world, &alice, "carol", &rights).await;
    let (dora_id, dora) = with_rights(&world, &alice, "dora", &["user:update"]).await;
    let logs = json!({"name": "logs", "rights": ["activityLog:read"]});
    let logs_role = id(&world.ok("POST", "/user-roles", &alice, logs.clone()).await);
    let refused = async |method: &str, path: &str, token: &str, body: Value| {
        assert_eq!(
            world.send(method, path, token, true, body.clone()).await.0,
            403,
            "{method} {path} {body}"
        );
        let request = json!({"method": method, "relativeUrl": format!("/api/v1{path}"), "body": body});
        let answer = world.ok("POST", "/batch", token, json!({"requests": [request]})).await;
        assert_eq!(answer["responses"][0]["statusCode"], 403, "{method} {path} in a batch");
    };
    // A role of one's own making, somebody else's, and that of administrators.
    refused("POST", "/user-roles", &carol, logs).await;
    refused("PATCH", &format!("/user-roles/{logs_role}"), &carol, json!({"name": "x"})).await;
    refused("DELETE", &format!("/user-roles/{logs_role}"), &carol, json!({})).await;
    for role in [logs_role.as_str(), "administrator"] {
        refused("PATCH", &format!("/users/{carol_id}"), &carol, json!({"userRoleId": role})).await;
        refused("PATCH", &format!("/users/{bob_id}"), &carol, json!({"userRoleId": role})).await;
        refused(
            "POST",
            "/users",
            &carol,
            json!({"login": "e", "password": "correct horse", "userRoleId": role}),
        )
        .await;
    }
    let own = json!({"name": "mine", "rights": ["user:update"]});
    let own = id(&world.ok("POST", "/user-roles", &carol, own).await);
    refused("PATCH", &format!("/user-roles/{own}"), &carol, json!({"rights": ["access:read"]})).await;
    world.ok("PATCH", &format!("/users/{bob_id}"), &carol, json!({"userRoleId": own})).await;
    // The password of somebody who may do more would be their rights.
    for path in [format!("/users/{alice_id}"), format!("/users/{carol_id}")] {
        refused("PATCH", &path, &dora, json!({"password": "mine from now on"})).await;
    }
    refused("DELETE", &format!("/users/{alice_id}"), &carol, json!({})).await;
    refused("POST", &format!("/users/{alice_id}/block"), &carol, json!({})).await;
    // Who changes users does not give roles, and who is blocked gets no easier prey.
    refused("PATCH", &format!("/users/{dora_id}"), &dora, json!({"userRoleId": "user"})).await;
    world.ok("POST", &format!("/users/{carol_id}/block"), &alice, json!({})).await;
    refused("PATCH", &format!("/users/{carol_id}"), &dora, json!({"password": "mine from now on"})).await;
    // A role that is taken away is gone for sessions that live.
    world.ok("PATCH", &format!("/users/{dora_id}"), &alice, json!({"userRoleId": "user"})).await;
    refused("PATCH", &format!("/users/{bob_id}"), &dora, json!({"fullName": "B"})).await;
}

#[tokio::test]
async fn roles_are_listed_changed_and_removed() {
    let (world, alice, bob) = world(ServeOptions::default());
    let role = id(&world
        .ok(
            "POST",
            "/user-roles",
            &alice,
            json!({"name": "Helpdesk", "code": "helpdesk", "rights": ["user:block"]}),
        )
        .await);
    let path = format!("/user-roles/{role}");
    let shown = world.ok("GET", &path, &bob, Value::Null).await;
    assert_eq!((&shown["code"], &shown["isDefault"]), (&json!("helpdesk"), &json!(false)));
    assert_eq!(shown["rights"], json!(["user:block"]));
    let codes = async |token: &str, query: &str| {
        let all = world.ok("GET", &format!("/user-roles{query}"), token, Value::Null).await;
        let codes =
            all["items"].as_array().unwrap().iter().map(|role| role["code"].as_str().unwrap().to_owned());
        codes.collect::<Vec<_>>()
    };
    assert_eq!(codes(&bob, "").await, ["administrator", "user", "helpdesk"]);
    assert_eq!(codes(&bob, "?isOnlyManageable=1").await, ["user"]);
    assert_eq!(codes(&alice, "?isOnlyManageable=1").await, ["administrator", "user", "helpdesk"]);
    let bob_id = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    world.ok("PATCH", &format!("/users/{bob_id}"), &alice, json!({"userRoleId": "helpdesk"})).await;
    assert_eq!(world.send("DELETE", &path, &alice, true, json!({})).await.0, 409);
    world.ok("PATCH", &path, &alice, json!({"rights": [], "name": "None"})).await;
    world.ok("PATCH", &format!("/users/{bob_id}"), &alice, json!({"userRoleId": "user"})).await;
    world.ok("DELETE", &path, &alice, json!({})).await;
    assert_eq!(world.send("GET", &path, &alice, true, Value::Null).await.0, 404);
    for code in ["administrator", "user"] {
        let all = world.ok("GET", "/user-roles", &alice, Value::Null).await;
        let role = all["items"].as_array().unwrap().iter().find(|role| role["code"] == code).unwrap().clone();
        let path = format!("/user-roles/{}", role["id"].as_str().unwrap());
        assert_eq!(world.send("PATCH", &path, &alice, true, json!({"rights": []})).await.0, 409);
        assert_eq!(world.send("DELETE", &path, &alice, true, json!({})).await.0, 409);
        assert_eq!(
            world.send("POST", "/user-roles", &alice, true, json!({"name": "x", "code": code})).await.0,
            422
        );
    }
    assert_eq!(
        world.send("POST", "/user-roles", &alice, true, json!({"name": "x", "rights": ["all"]})).await.0,
        422
    );
}

#[tokio::test]
async fn a_role_that_is_gone_is_not_the_one_whose_code_is_spelt_like_it() {
    let (world, alice, _) = world(ServeOptions::default());
    let gone = id(&world.ok("POST", "/user-roles", &alice, json!({"name": "gone"})).await);
    world.ok("DELETE", &format!("/user-roles/{gone}"), &alice, json!({})).await;
    let like_it = json!({"name": "other", "code": gone, "rights": ["user:read"]});
    let other = id(&world.ok("POST", "/user-roles", &alice, like_it).await);
    let path = format!("/user-roles/{gone}");
    for (method, body) in
        [("PATCH", json!({"rights": ["vault:create"]})), ("DELETE", json!({})), ("GET", Value::Null)]
    {
        let (status, answer) = world.send(method, &path, &alice, true, body).await;
        assert_eq!(status, 404, "{method}: {answer}");
    }
    assert_eq!(world.ok("GET", &format!("/user-roles/{other}"), &alice, Value::Null).await["name"], "other");
}
