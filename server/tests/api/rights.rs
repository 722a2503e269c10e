//! Every endpoint that names a vault or something in one, against every role: below "read" it is
//! not there, below what it needs it is refused, from there on it works. Alone and in a batch.

use crate::threats::dead_tokens;
use crate::world::{PEM, World, id, world};
use keyferry_server::ServeOptions;
use serde_json::{Value, json};

const ROLES: [&str; 4] = ["none", "read", "edit", "administer"];

/// What there is to act on; made anew for each call, since calls change it.
struct Things {
    vault: String,
    elsewhere: String,
    folder: String,
    item: String,
    attachment: String,
    snapshot: String,
    shortcut: String,
    link: String,
    bin: String,
    bob: String,
    group: String,
    /// Somebody else, and a group without members, who were given something in the folder.
    ann: String,
    spare_group: String,
}

/// Where bob's role is given: for the vault, or for the one folder that all things are in; to him, or to a group of his.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Given {
    Vault,
    Folder,
    VaultGroup,
    FolderGroup,
}

impl Given {
    const ALL: [Self; 4] = [Self::Vault, Self::Folder, Self::VaultGroup, Self::FolderGroup];

    fn is_for_the_folder(self) -> bool {
        matches!(self, Self::Folder | Self::FolderGroup)
    }
}

async fn things(world: &World, alice: &str, bob: &str, role: &str, given: Given) -> Things {
    let id = |answer: Value| answer["id"].as_str().unwrap().to_owned();
    let make = async |path: &str, body: Value| id(world.ok("POST", path, alice, body).await);
    let bob_id = id(world.ok("GET", "/users/info", bob, Value::Null).await);
    let vault = world.vault(alice).await;
    let elsewhere = world.vault(alice).await;
    let folder = make("/folders", json!({"vaultId": vault, "name": "f"})).await;
    let item = json!({
        "vaultId": vault, "folderId": folder, "name": "n",
        "attachments": [{"name": "a", "encryptedKey": "YWFh", "encryptedData": "", "hash": "00"}],
    });
    let item = make("/items", item).await;
    let whole = world.ok("GET", &format!("/items/{item}"), alice, Value::Null).await;
    let attachment = whole["attachments"][0]["id"].as_str().unwrap().to_owned();
    world.ok("PATCH", &format!("/items/{item}"), alice, json!({"login": "l"})).await;
    let snapshots = world.ok("GET", &format!("/items/{item}/snapshots"), alice, Value::Null).await;
    let snapshot = snapshots["items"][0]["id"].as_str().unwrap().to_owned();
    let shortcut = make("/shortcuts", json!({"vaultId": vault, "folderId": folder, "itemId": item})).await;
    let link = json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"});
    let link = make("/links", link).await;
    let binned = make("/items", json!({"vaultId": vault, "folderId": folder, "name": "gone"})).await;
    let bin = world.ok("DELETE", &format!("/items/{binned}"), alice, json!({})).await;
    let bin = bin["binItemId"].as_str().unwrap().to_owned();
    let group = make("/user-groups", json!({"name": "g"})).await;
    world.ok("POST", &format!("/user-groups/{group}/add-users"), alice, json!({"userIds": [bob_id]})).await;
    let (user, group_right) =
        (json!({"userId": bob_id, "role": role}), json!({"groupId": group, "role": role}));
    let (place, right) = match given {
        Given::Vault => (format!("/vaults/{vault}/users"), user),
        Given::Folder => (format!("/folders/{folder}/users"), user),
        Given::VaultGroup => (format!("/vaults/{vault}/groups"), group_right),
        Given::FolderGroup => (format!("/folders/{folder}/groups"), group_right),
    };
    world.ok("POST", &place, alice, right).await;
    let ann = make("/users", json!({"login": format!("ann of {vault}")})).await;
    let spare_group = make("/user-groups", json!({"name": "s"})).await;
    for (kind, right) in [
        ("users", json!({"userId": ann, "role": "read"})),
        ("groups", json!({"groupId": spare_group, "role": "read"})),
    ] {
        world.ok("POST", &format!("/folders/{folder}/{kind}"), alice, right).await;
    }
    // Where something can go to, so that only the source can be what refuses.
    let grant = json!({"userId": bob_id, "role": "edit"});
    world.ok("POST", &format!("/vaults/{elsewhere}/users"), alice, grant).await;
    Things {
        vault,
        elsewhere,
        folder,
        item,
        attachment,
        snapshot,
        shortcut,
        link,
        bin,
        bob: bob_id,
        group,
        ann,
        spare_group,
    }
}

/// One request, what it takes to be allowed, and whether it is about the vault rather than what is in the folder.
struct Call {
    method: &'static str,
    /// As the `OpenAPI` document has it.
    template: &'static str,
    path: String,
    body: Value,
    needed: usize,
    on_vault: bool,
}

fn calls(on: &Things) -> Vec<Call> {
    let Things {
        vault,
        elsewhere,
        folder,
        item,
        attachment,
        snapshot,
        shortcut,
        link,
        bin,
        bob,
        group,
        ann,
        spare_group,
    } = on;
    let call = |method, template: &'static str, ids: &[&str], body, needed| {
        let mut path = template.to_owned();
        for id in ids {
            let (start, end) = (path.find('{').unwrap(), path.find('}').unwrap());
            path.replace_range(start..=end, id);
        }
        Call { method, template, path, body, needed, on_vault: template.starts_with("/vaults") }
    };
    let asked = |template: &'static str, query: String| {
        let path = format!("{template}?{query}");
        Call { method: "GET", template, path, body: Value::Null, needed: 1, on_vault: true }
    };
    let at_top = |call: Call| Call { on_vault: true, ..call };
    let none = Value::Null;
    let grant = json!({"userId": bob, "role": "administer"});
    let to_group = json!({"groupId": group, "role": "administer"});
    let there = json!({"vaultId": elsewhere});
    vec![
        call("GET", "/vaults/{id}", &[vault], none.clone(), 1),
        call("POST", "/vaults/{id}", &[vault], json!({"name": "renamed"}), 3),
        call("DELETE", "/vaults/{id}", &[vault], json!({}), 3),
        call("GET", "/vaults/{id}/users", &[vault], none.clone(), 1),
        call("POST", "/vaults/{id}/users", &[vault], grant.clone(), 3),
        call("GET", "/vaults/{id}/groups", &[vault], none.clone(), 1),
        call("POST", "/vaults/{id}/groups", &[vault], to_group.clone(), 3),
        call("GET", "/vaults/{id}/users-without-key", &[vault], none.clone(), 3),
        call("POST", "/vaults/{id}/keys", &[vault], json!({"masterKeysEncrypted": {}}), 3),
        asked("/folders", format!("vaultId={vault}")),
        asked("/items", format!("vaultId={vault}")),
        Call { needed: 3, ..asked("/activity-log", format!("vaultId={vault}")) },
        Call { needed: 2, on_vault: false, ..asked("/links", format!("itemId={item}")) },
        Call { needed: 3, ..asked("/links", format!("vaultId={vault}")) },
        Call { needed: 3, ..asked("/shortcuts", format!("vaultId={vault}")) },
        Call { needed: 3, on_vault: false, ..asked("/shortcuts", format!("itemId={item}")) },
        at_top(call("POST", "/folders", &[], json!({"vaultId": vault, "name": "g"}), 2)),
        call("POST", "/folders", &[], json!({"vaultId": vault, "parentFolderId": folder, "name": "g"}), 2),
        call("GET", "/folders/{id}", &[folder], none.clone(), 1),
        call("POST", "/folders/{id}", &[folder], json!({"name": "renamed"}), 2),
        call("DELETE", "/folders/{id}", &[folder], json!({}), 2),
        at_top(call("POST", "/folders/{id}/move", &[folder], json!({"parentFolderId": null}), 2)),
        call("GET", "/folders/{id}/users", &[folder], none.clone(), 1),
        call("POST", "/folders/{id}/users", &[folder], grant, 3),
        call("GET", "/folders/{id}/groups", &[folder], none.clone(), 1),
        call("POST", "/folders/{id}/groups", &[folder], to_group, 3),
        call("DELETE", "/folders/{id}/users/{userId}", &[folder, ann], json!({}), 3),
        call("DELETE", "/folders/{id}/groups/{groupId}", &[folder, spare_group], json!({}), 3),
        at_top(call("POST", "/items", &[], json!({"vaultId": vault, "name": "m"}), 2)),
        call("POST", "/items", &[], json!({"vaultId": vault, "folderId": folder, "name": "m"}), 2),
        call("GET", "/items/{id}", &[item], none.clone(), 1),
        call("GET", "/items/{id}", &[shortcut], none.clone(), 1),
        call("PATCH", "/items/{id}", &[item], json!({"vaultId": vault, "name": "renamed"}), 2),
        call("PATCH", "/items/{id}", &[shortcut], json!({"vaultId": vault, "name": "renamed"}), 2),
        call("PATCH", "/items/{id}", &[item], json!({"isFavorite": true}), 1),
        call("PATCH", "/shortcuts/{id}", &[shortcut], json!({"name": "renamed"}), 2),
        call("DELETE", "/items/{id}", &[item], json!({}), 2),
        call("POST", "/items/{id}/move", &[item], there.clone(), 2),
        call("POST", "/items/{id}/copy", &[item], there.clone(), 2),
        call("GET", "/items/{id}/attachment/{attachmentId}", &[item, attachment], none.clone(), 1),
        call("GET", "/items/{id}/attachment/{attachmentId}", &[shortcut, attachment], none.clone(), 1),
        call("DELETE", "/items/{id}/attachment/{attachmentId}", &[item, attachment], json!({}), 2),
        call("GET", "/items/{id}/snapshots", &[item], none.clone(), 1),
        call("GET", "/items/{id}/snapshot/{snapshotId}", &[item, snapshot], none.clone(), 1),
        call("GET", "/snapshots/{id}/attachment/{attachmentId}", &[snapshot, attachment], none.clone(), 1),
        call("POST", "/shortcuts", &[], json!({"vaultId": elsewhere, "itemId": item}), 2),
        call("GET", "/shortcuts/{id}", &[shortcut], none.clone(), 1),
        call("DELETE", "/shortcuts/{id}", &[shortcut], json!({}), 2),
        call(
            "POST",
            "/links",
            &[],
            json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"}),
            2,
        ),
        call("DELETE", "/links/{id}", &[link], json!({}), 2),
        call("POST", "/inbox-items", &[], json!({"itemId": item, "userId": bob}), 2),
        call("POST", "/bin-items/{id}/restore", &[bin], json!({}), 2),
        call("DELETE", "/bin-items/{id}", &[bin], json!({}), 3),
    ]
}

/// Everything that can be read about a vault and what is in it, where there is something of each kind: as the document has
/// it, and as it is asked for.
pub async fn read_of_everything(world: &World, alice: &str, bob: &str) -> Vec<(&'static str, String)> {
    let on = things(world, alice, bob, "administer", Given::Vault).await;
    let sent = json!({"itemId": on.item, "userId": on.bob});
    let sent = id(&world.ok("POST", "/inbox-items", alice, sent).await);
    let reads = calls(&on).into_iter().filter(|call| call.method == "GET");
    let mut all: Vec<_> = reads.map(|call| (call.template, call.path)).collect();
    all.push(("/inbox-items/{id}", format!("/inbox-items/{sent}")));
    all.push(("/users/{id}", format!("/users/{}", on.bob)));
    all.push(("/users/{id}/rights", format!("/users/{}/rights", on.bob)));
    all.push(("/user-groups/{id}", format!("/user-groups/{}", on.group)));
    let whole = OWN.iter().filter(|(method, path)| *method == "get" && !path.contains('{'));
    all.extend(whole.map(|(_, path)| (*path, (*path).to_owned())));
    all
}

#[tokio::test]
async fn every_endpoint_asks_for_the_role_that_it_needs() {
    let (world, alice, bob) = world(ServeOptions::default());
    let count = calls(&things(&world, &alice, &bob, "none", Given::Vault).await).len();
    for given in Given::ALL {
        for (role, name) in ROLES.iter().enumerate() {
            let mut on = things(&world, &alice, &bob, name, given).await;
            for index in 0..count {
                for batched in [false, true] {
                    let Call { method, path, body, needed, on_vault, .. } = calls(&on).swap_remove(index);
                    // Who has a role only in a folder sees the vault, and no more of it.
                    let has = if given.is_for_the_folder() && on_vault { role.min(1) } else { role };
                    let expected = match has {
                        _ if has >= needed => 200,
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
                    assert_eq!(
                        status, expected,
                        "{method} {path} as {name} of {given:?}, batched: {batched}"
                    );
                    // What was refused, or only looked at, is as it was.
                    if status == 200 && method != "GET" {
                        on = things(&world, &alice, &bob, name, given).await;
                    }
                }
            }
        }
    }
}

/// Calls that are not about a vault: about the caller, or for anybody who is signed in.
const OWN: &[(&str, &str)] = &[
    ("post", "/sessions/logout"),
    ("post", "/users/2fa/totp/authorize"),
    ("post", "/users/2fa/totp/generate"),
    ("post", "/users/2fa/totp/enable"),
    ("post", "/users/2fa/totp/disable"),
    ("get", "/users"),
    ("get", "/users/info"),
    ("get", "/users/keys"),
    ("post", "/users/keys"),
    ("get", "/users/master-key/options"),
    ("get", "/users/master-key/new-options"),
    ("get", "/users/{id}/public-key"),
    ("get", "/app/features"),
    ("get", "/app/settings"),
    ("get", "/app/settings/additional"),
    ("get", "/sessions/current/info"),
    ("get", "/user-roles"),
    ("get", "/user-roles/{id}"),
    ("get", "/user-groups"),
    ("get", "/user-groups/{id}"),
    ("get", "/users/{id}"),
    ("get", "/folders/search"),
    ("get", "/vault-types/all"),
    ("get", "/vault-types/{id}/administrators"),
    ("post", "/vaults"),
    ("post", "/batch"),
    // What these show is tested by what they show.
    ("get", "/vaults"),
    ("get", "/items/search"),
    ("get", "/shortcuts/search"),
    ("get", "/inbox-items"),
    ("get", "/inbox-items/{id}"),
    ("delete", "/inbox-items/{id}"),
    ("get", "/bin-items"),
];

/// For those whose role allows it: `roles` says which right each asks for.
const ADMINS: &[(&str, &str)] = &[
    ("post", "/users"),
    ("patch", "/users/{id}"),
    ("delete", "/users/{id}"),
    ("post", "/users/{id}/block"),
    ("post", "/users/{id}/unblock"),
    ("post", "/user-groups"),
    ("post", "/user-groups/{id}"),
    ("delete", "/user-groups/{id}"),
    ("post", "/user-groups/{id}/add-users"),
    ("post", "/user-groups/{id}/remove-users"),
    ("get", "/users/{id}/rights"),
    ("get", "/user-groups/{id}/rights"),
    ("post", "/user-roles"),
    ("patch", "/user-roles/{id}"),
    ("delete", "/user-roles/{id}"),
    ("post", "/vault-types"),
    ("get", "/activity-log/check"),
];

/// For anybody.
const OPEN: &[(&str, &str)] = &[
    ("post", "/csrf-tokens/generate"),
    ("post", "/users/login"),
    ("post", "/sessions/refresh"),
    ("post", "/sessions/refresh-access-token"),
    ("post", "/sessions/refresh-refresh-token"),
    ("post", "/links/{token}/open"),
];

#[tokio::test]
async fn no_endpoint_is_without_a_test_of_its_rights() {
    let (world, alice, bob) = world(ServeOptions::default());
    let document = world.get_whole("/api/openapi.json").await;
    let mut served: Vec<(String, String)> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/v1").unwrap();
        served.extend(methods.as_object().unwrap().keys().map(|method| (method.clone(), path.to_owned())));
    }
    let on = things(&world, &alice, &bob, "none", Given::Vault).await;
    let tested = calls(&on).into_iter().map(|call| (call.method.to_lowercase(), call.template.to_owned()));
    let listed = [OWN, ADMINS, OPEN].concat();
    let listed = listed.into_iter().map(|(method, path)| (method.to_owned(), path.to_owned()));
    let mut tested: Vec<_> = tested.chain(listed).collect();
    tested.sort();
    tested.dedup();
    served.sort();
    assert_eq!(served, tested);

    let made_up = ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="];
    let mut strangers: Vec<_> = made_up.map(|token| ("a made-up token", token.to_owned())).into();
    strangers.extend(dead_tokens(&world).await);
    for (method, path) in served {
        let open = OPEN.contains(&(method.as_str(), path.as_str()));
        let path = path.replace("{id}", &on.item).replace("{token}", "t");
        let path = path.replace("{attachmentId}", &on.attachment).replace("{snapshotId}", &on.snapshot);
        let path = path.replace("{userId}", &on.ann).replace("{groupId}", &on.spare_group);
        for (what, token) in &strangers {
            let (status, _) = world.send(&method.to_uppercase(), &path, token, true, json!({})).await;
            assert!(open || status == 401, "{method} {path} with {what}: {status}");
        }
    }
    let user = json!({"username": "carol", "password": "correct horse"});
    let kind = json!({"name": "Company", "code": "company"});
    let alice_id = world.ok("GET", "/users/info", &alice, Value::Null).await["id"].clone();
    let rights = format!("/users/{}/rights", alice_id.as_str().unwrap());
    for (method, path, body) in [
        ("POST", "/users", user),
        ("POST", "/vault-types", kind),
        ("GET", "/activity-log", Value::Null),
        ("GET", "/activity-log/check", Value::Null),
        ("GET", &rights, Value::Null),
        ("POST", "/user-groups", json!({"name": "g"})),
    ] {
        assert_eq!(world.send(method, path, &bob, true, body.clone()).await.0, 403, "{method} {path}");
        world.ok(method, path, &alice, body).await;
    }
}

#[tokio::test]
async fn a_folder_may_be_closed_within_an_open_vault() {
    let (world, alice, bob) = world(ServeOptions::default());
    let on = things(&world, &alice, &bob, "edit", Given::Vault).await;
    let below = json!({"vaultId": on.vault, "parentFolderId": on.folder, "name": "below"});
    let below = world.ok("POST", "/folders", &alice, below).await["id"].as_str().unwrap().to_owned();
    let inside = json!({"vaultId": on.vault, "folderId": below, "name": "inside"});
    let inside = world.ok("POST", "/items", &alice, inside).await["id"].as_str().unwrap().to_owned();
    let grant = |role: &str| json!({"userId": on.bob, "role": role});
    world.ok("POST", &format!("/folders/{below}/users"), &alice, grant("none")).await;
    for path in [format!("/folders/{below}"), format!("/items/{inside}")] {
        assert_eq!(world.send("GET", &path, &bob, true, Value::Null).await.0, 404, "{path}");
    }
    let found = world.ok("GET", "/items/search?query=inside", &bob, Value::Null).await;
    assert_eq!(found, json!({"items": []}));
    // What is above must not take with it what is closed.
    for (method, path) in
        [("DELETE", format!("/folders/{}", on.folder)), ("POST", format!("/folders/{}/move", on.folder))]
    {
        let to_the_top = if method == "POST" { json!({"parentFolderId": null}) } else { json!({}) };
        assert_eq!(world.send(method, &path, &bob, true, to_the_top).await.0, 403, "{method} {path}");
    }
    let into = json!({"vaultId": on.vault, "folderId": below});
    assert_eq!(world.send("POST", &format!("/items/{}/move", on.item), &bob, true, into).await.0, 404);
    // Open again further down: the way there is shown, what stands on it is not.
    let deep = json!({"vaultId": on.vault, "parentFolderId": below, "name": "deep"});
    let deep = world.ok("POST", "/folders", &alice, deep).await["id"].as_str().unwrap().to_owned();
    world.ok("POST", &format!("/folders/{deep}/users"), &alice, grant("read")).await;
    let folders = world.ok("GET", "/folders", &bob, Value::Null).await;
    let ids: Vec<&str> =
        folders["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&on.folder, &below, &deep]);
    assert_eq!(world.send("GET", &format!("/items/{inside}"), &bob, true, Value::Null).await.0, 404);
    world.ok("GET", &format!("/folders/{deep}"), &bob, Value::Null).await;
    // Taking the vault away takes all of it.
    world.ok("POST", &format!("/vaults/{}/users", on.vault), &alice, grant("none")).await;
    assert_eq!(world.send("GET", &format!("/folders/{deep}"), &bob, true, Value::Null).await.0, 404);
    assert_eq!(world.send("GET", &format!("/vaults/{}", on.vault), &bob, true, Value::Null).await.0, 404);
}

#[tokio::test]
async fn lists_and_searches_show_only_what_may_be_read() {
    let (world, alice, bob) = world(ServeOptions::default());
    let count = |answer: Value| answer["items"].as_array().unwrap().len();
    let hidden = things(&world, &alice, &bob, "none", Given::Vault).await;
    let hiding = ["/folders", "/items/search?query=n", "/shortcuts/search", "/bin-items"];
    for path in hiding {
        assert_eq!(count(world.ok("GET", path, &bob, Value::Null).await), 0, "{path}");
    }
    assert_eq!(count(world.ok("GET", "/vaults", &bob, Value::Null).await), 1, "only the other vault");
    let shown = things(&world, &alice, &bob, "read", Given::Vault).await;
    for path in hiding {
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
    let on = things(&world, &alice, &bob, "edit", Given::Vault).await;
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
    // Who has no keys yet gets the right, which counts with a copy of the key; a copy would be wrapped for nothing.
    world.without_keys("bob");
    world.ok("POST", &path, &alice, bare.clone()).await;
    assert_eq!(world.send("GET", &format!("/vaults/{id}"), &bob, true, Value::Null).await.0, 404);
    world.ok("POST", &path, &alice, json!({"userId": bob_id, "role": "none"})).await;
    let whole = json!({"userId": bob_id, "role": "read", "masterKeyEncrypted": "Ym9i"});
    let (status, answer) = world.send("POST", &path, &alice, true, whole.clone()).await;
    assert_eq!((status.as_u16(), &answer["errors"][0]["field"]), (422, &json!("masterKeyEncrypted")));
    let keys = json!({
        "keys": {"public": PEM, "privateEncrypted": "q"}, "masterKeyHash": "aa",
        "masterKeyOptions": "pbkdf:sha256:300000:64:salt",
    });
    world.ok("POST", "/users/keys", &bob, keys).await;
    assert_eq!(world.send("POST", &path, &alice, true, bare).await.0, 422);
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
    assert_eq!(ask("AABB").await.unwrap().status(), 200);
    assert_eq!(ask("aabc").await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_role_that_was_taken_away_does_not_live_on_in_what_one_made_of_it() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (vault, bobs) = (world.vault(&alice).await, world.vault(&bob).await);
    let item = id(&world.ok("POST", "/items", &alice, json!({"vaultId": vault, "name": "i"})).await);
    let me = id(&world.ok("GET", "/users/info", &bob, Value::Null).await);
    let users = format!("/vaults/{vault}/users");
    world.ok("POST", &users, &alice, json!({"userId": me, "role": "edit"})).await;
    let shortcut = id(&world.ok("POST", "/shortcuts", &bob, json!({"vaultId": bobs, "itemId": item})).await);
    let sent = id(&world.ok("POST", "/inbox-items", &bob, json!({"itemId": item, "userId": me})).await);
    let (through, inbox) = (format!("/items/{shortcut}"), format!("/inbox-items/{sent}"));
    world.ok("GET", &inbox, &bob, Value::Null).await;
    world.ok("PATCH", &through, &bob, json!({"name": "j"})).await;
    world.ok("POST", &users, &alice, json!({"userId": me, "role": "read"})).await;
    world.ok("GET", &through, &bob, Value::Null).await;
    assert_eq!(world.send("PATCH", &through, &bob, true, json!({"name": "k"})).await.0, 403);
    world.ok("POST", &users, &alice, json!({"userId": me, "role": "none"})).await;
    for path in [&through, &inbox] {
        assert_eq!(world.send("GET", path, &bob, true, Value::Null).await.0, 404, "{path}");
    }
}
