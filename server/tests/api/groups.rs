//! What groups may do, their members may: no more, no longer, and in an encrypted vault not without a copy of the key.

use crate::world::{World, id, user, world};
use keyferry_server::ServeOptions;
use serde_json::{Value, json};

struct Place {
    vault: String,
    folder: String,
    item: String,
}

async fn place(world: &World, token: &str) -> Place {
    let vault = world.vault(token).await;
    let folder = id(&world.ok("POST", "/folders", token, json!({"vaultId": vault, "name": "f"})).await);
    let item = json!({"vaultId": vault, "folderId": folder, "name": "i"});
    let item = id(&world.ok("POST", "/items", token, item).await);
    Place { vault, folder, item }
}

async fn me(world: &World, token: &str) -> String {
    id(&world.ok("GET", "/users/info", token, Value::Null).await)
}

async fn group_of(world: &World, alice: &str, members: &[&str]) -> String {
    let group = id(&world.ok("POST", "/user-groups", alice, json!({"name": "g"})).await);
    world.ok("POST", &format!("/user-groups/{group}/add-users"), alice, json!({"userIds": members})).await;
    group
}

async fn grant(world: &World, token: &str, place: &str, id: &str, group: &str, role: &str) -> Value {
    let body = json!({"groupId": group, "role": role});
    world.ok("POST", &format!("/{place}/{id}/groups"), token, body).await
}

fn somebody(world: &World, name: &str) -> (String, String) {
    let new = world.environment.add_user(user(name)).unwrap();
    let token = world.environment.issue_session(&new).unwrap().access_token.unwrap();
    (new, token)
}

async fn status(world: &World, method: &str, path: &str, token: &str, body: Value) -> u16 {
    world.send(method, path, token, true, body).await.0.as_u16()
}

/// Rows that say what somebody may do or hold, of users and groups who are not there any more or hold nothing.
fn orphans(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (what, sql) in [
        ("a right of one who is gone", "SELECT count(*) FROM vault_users v JOIN users u ON u.id = v.user_id WHERE u.deleted = 1"),
        ("a right in a folder of one who is gone", "SELECT count(*) FROM folder_users v JOIN users u ON u.id = v.user_id WHERE u.deleted = 1"),
        ("a key or right without a source", "SELECT count(*) FROM vault_users v WHERE own_role = 0
            AND NOT EXISTS (SELECT 1 FROM folder_users f WHERE f.user_id = v.user_id AND f.vault_id = v.vault_id AND f.own_role >= 1)
            AND NOT EXISTS (SELECT 1 FROM user_group_members m WHERE m.user_id = v.user_id AND (
              EXISTS (SELECT 1 FROM vault_groups g WHERE g.group_id = m.group_id AND g.vault_id = v.vault_id)
              OR EXISTS (SELECT 1 FROM folder_groups g WHERE g.group_id = m.group_id AND g.vault_id = v.vault_id AND g.role >= 1)))"),
        ("a group's right without the group", "SELECT (SELECT count(*) FROM vault_groups WHERE group_id NOT IN (SELECT id FROM user_groups))
            + (SELECT count(*) FROM folder_groups WHERE group_id NOT IN (SELECT id FROM user_groups))"),
        ("a member who is gone", "SELECT count(*) FROM user_group_members m JOIN users u ON u.id = m.user_id WHERE u.deleted = 1"),
        ("a session, link or shortcut of one who is gone", "SELECT (SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.deleted = 1)
            + (SELECT count(*) FROM links s JOIN users u ON u.id = s.user_id WHERE u.deleted = 1)
            + (SELECT count(*) FROM shortcuts s JOIN users u ON u.id = s.user_id WHERE u.deleted = 1)"),
    ] {
        let count = world.number(sql);
        if count > 0 {
            found.push(format!("{count}: {what}"));
        }
    }
    found
}

const ROLES: [&str; 4] = ["none", "read", "edit", "administer"];

/// The role that the folder's answer shows.
async fn shown(world: &World, folder: &str, token: &str) -> usize {
    let (status, answer) = world.send("GET", &format!("/folders/{folder}"), token, true, Value::Null).await;
    let permissions = answer["permissions"].as_array();
    let has = |what: &str| permissions.is_some_and(|all| all.iter().any(|one| one == what));
    match status.as_u16() {
        404 => 0,
        200 if has("access:manage") => 3,
        200 if has("item:update") => 2,
        200 => 1,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_highest_of_own_and_groups_rights_counts() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = me(&world, &bob).await;
    for (own, own_role) in ROLES.iter().enumerate() {
        for (of_group, group_role) in ROLES.iter().enumerate() {
            let Place { vault, folder, .. } = place(&world, &alice).await;
            let below = json!({"vaultId": vault, "parentFolderId": folder, "name": "below"});
            let below = id(&world.ok("POST", "/folders", &alice, below).await);
            let group = group_of(&world, &alice, &[&bob_id]).await;
            let second = group_of(&world, &alice, &[&bob_id]).await;
            let users = format!("/vaults/{vault}/users");
            world.ok("POST", &users, &alice, json!({"userId": bob_id, "role": own_role})).await;
            grant(&world, &alice, "vaults", &vault, &group, group_role).await;
            assert_eq!(shown(&world, &below, &bob).await, own.max(of_group), "{own} {of_group}");
            // In the folder each holder has another role, or none of its own there. Who administers keeps that.
            for own_there in (0..4).filter(|role| own < 3 || *role == 3) {
                for group_there in (0..4).filter(|role| of_group < 3 || *role == 3) {
                    let body = json!({"userId": bob_id, "role": ROLES[own_there]});
                    world.ok("POST", &format!("/folders/{folder}/users"), &alice, body).await;
                    grant(&world, &alice, "folders", &folder, &group, ROLES[group_there]).await;
                    // Who had nothing at all loses what was said to be none.
                    let expected = own_there.max(group_there);
                    assert_eq!(
                        shown(&world, &below, &bob).await,
                        expected,
                        "{own} {of_group} {own_there} {group_there}"
                    );
                }
            }
            // One more group can only add.
            grant(&world, &alice, "folders", &below, &second, "read").await;
            assert!(shown(&world, &below, &bob).await >= 1);
            world.ok("DELETE", &format!("/user-groups/{second}"), &alice, json!({})).await;
        }
    }
    assert_eq!(orphans(&world), [""; 0]);
}

#[tokio::test]
async fn a_right_comes_and_goes_with_membership_while_sessions_live() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = me(&world, &bob).await;
    let Place { vault, folder, item } = place(&world, &alice).await;
    let group = group_of(&world, &alice, &[]).await;
    let members = |what: &str| format!("/user-groups/{group}/{what}");
    let them = json!({"userIds": [bob_id]});
    for (kind, at) in [("vaults", &vault), ("folders", &folder)] {
        grant(&world, &alice, kind, at, &group, "edit").await;
        let paths = [format!("/items/{item}"), format!("/folders/{folder}"), format!("/vaults/{vault}")];
        for path in &paths {
            assert_eq!(status(&world, "GET", path, &bob, Value::Null).await, 404, "{path} before");
        }
        world.ok("POST", &members("add-users"), &alice, them.clone()).await;
        for path in &paths {
            assert_eq!(status(&world, "GET", path, &bob, Value::Null).await, 200, "{path} as a member");
        }
        world.ok("PATCH", &paths[0], &bob, json!({"name": "j"})).await;
        let found = world.ok("GET", "/items/search?query=j", &bob, Value::Null).await;
        assert_eq!(found["items"].as_array().unwrap().len(), 1);
        // What was made of the right is worth what the right is worth.
        let own = world.vault(&bob).await;
        let shortcut = json!({"vaultId": own, "itemId": item});
        let shortcut = id(&world.ok("POST", "/shortcuts", &bob, shortcut).await);
        let link = json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"});
        let link = world.ok("POST", "/links", &bob, link).await;
        let token = link["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let open = format!("/links/{token}/open");
        world.ok("POST", &open, "", json!({})).await;
        world.ok("POST", &members("remove-users"), &alice, them.clone()).await;
        for path in paths.iter().chain([&format!("/items/{shortcut}"), &format!("/shortcuts/{shortcut}")]) {
            assert_eq!(status(&world, "GET", path, &bob, Value::Null).await, 404, "{path} after");
        }
        assert_eq!(status(&world, "POST", &open, "", json!({})).await, 404);
        for path in ["/items/search?query=j", "/shortcuts/search", "/folders"] {
            let found = world.ok("GET", path, &bob, Value::Null).await;
            assert_eq!(found, json!({"items": []}), "{path}");
        }
        grant(&world, &alice, "vaults", &vault, &group, "none").await;
    }
    assert_eq!(orphans(&world), [""; 0]);
}

#[tokio::test]
async fn a_member_neither_raises_a_right_nor_gets_one_by_joining_a_group_themselves() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = me(&world, &bob).await;
    let Place { vault, folder, .. } = place(&world, &alice).await;
    let group = group_of(&world, &alice, &[&bob_id]).await;
    let other = group_of(&world, &alice, &[]).await;
    grant(&world, &alice, "vaults", &vault, &group, "edit").await;
    grant(&world, &alice, "vaults", &vault, &other, "administer").await;
    let up = json!({"groupId": group, "role": "administer"});
    let user = json!({"userId": bob_id, "role": "administer"});
    for (path, body) in [
        (format!("/vaults/{vault}/groups"), up.clone()),
        (format!("/folders/{folder}/groups"), up),
        (format!("/vaults/{vault}/users"), user.clone()),
        (format!("/folders/{folder}/users"), user),
        (format!("/vaults/{vault}/keys"), json!({"masterKeysEncrypted": {(bob_id.clone()): "a2V5"}})),
        (format!("/user-groups/{other}/add-users"), json!({"userIds": [bob_id]})),
    ] {
        assert_eq!(status(&world, "POST", &path, &bob, body).await, 403, "{path}");
    }
    // Who manages groups gives others their rights, and not themselves.
    let role = json!({"name": "groups", "rights": ["userGroup:manage"]});
    let role = world.ok("POST", "/user-roles", &alice, role).await;
    world.ok("PATCH", &format!("/users/{bob_id}"), &alice, json!({"userRoleId": role["id"]})).await;
    let (carol_id, carol) = somebody(&world, "carol");
    let add = format!("/user-groups/{other}/add-users");
    assert_eq!(status(&world, "POST", &add, &bob, json!({"userIds": [carol_id, bob_id]})).await, 403);
    assert_eq!(
        status(&world, "GET", &format!("/vaults/{vault}"), &carol, Value::Null).await,
        404,
        "all or nobody"
    );
    world.ok("POST", &add, &bob, json!({"userIds": [carol_id]})).await;
    world.ok("GET", &format!("/vaults/{vault}"), &carol, Value::Null).await;
    let empty = group_of(&world, &alice, &[]).await;
    world.ok("POST", &format!("/user-groups/{empty}/add-users"), &bob, json!({"userIds": [bob_id]})).await;
    // Nor by a group of theirs that gets a right where they have none to give.
    let vault = world.vault(&carol).await;
    let body = json!({"groupId": empty, "role": "read"});
    assert_eq!(status(&world, "POST", &format!("/vaults/{vault}/groups"), &bob, body).await, 404);
}

#[tokio::test]
async fn an_encrypted_vault_opens_for_a_member_once_somebody_wraps_its_key() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (bob_id, (carol_id, carol)) = (me(&world, &bob).await, somebody(&world, "carol"));
    let vault = json!({"name": "v", "masterKeyEncrypted": "a2V5", "masterKeyHash": "00", "salt": "s"});
    let vault = id(&world.ok("POST", "/vaults", &alice, vault).await);
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": "f"})).await);
    let group = group_of(&world, &alice, &[&bob_id, &carol_id]).await;
    let (groups, keys) = (format!("/vaults/{vault}/groups"), format!("/vaults/{vault}/keys"));
    let (vault_path, lacking) = (format!("/vaults/{vault}"), format!("/vaults/{vault}/users-without-key"));
    // Nobody is given a copy who is not in the group.
    let (dora_id, dora) = somebody(&world, "dora");
    let stranger =
        json!({"groupId": group, "role": "edit", "masterKeysEncrypted": {(dora_id.clone()): "ZG9yYQ=="}});
    assert_eq!(status(&world, "POST", &groups, &alice, stranger).await, 422);
    let with_one =
        json!({"groupId": group, "role": "edit", "masterKeysEncrypted": {(bob_id.clone()): "Ym9i"}});
    let granted = world.ok("POST", &groups, &alice, with_one).await;
    assert_eq!(granted, json!({"withoutKey": [carol_id]}));
    let seen = world.ok("GET", &vault_path, &bob, Value::Null).await;
    assert_eq!(seen["masterKeyEncrypted"], "Ym9i");
    // A client that got the vault without a key would write in the clear there.
    for path in [vault_path.clone(), format!("/folders/{folder}"), format!("/items?vaultId={vault}")] {
        assert_eq!(status(&world, "GET", &path, &carol, Value::Null).await, 404, "{path}");
    }
    let item = json!({"vaultId": vault, "name": "in the clear"});
    assert_eq!(status(&world, "POST", "/items", &carol, item).await, 404);
    assert_eq!(world.ok("GET", "/vaults", &carol, Value::Null).await, json!({"items": []}));
    let rights = world.ok("GET", &format!("/users/{carol_id}/rights"), &carol, Value::Null).await;
    assert_eq!(
        (&rights["items"][0]["isWithoutKey"], &rights["items"][0]["groupId"]),
        (&json!(true), &json!(group))
    );
    // The server says who lacks one to whoever can give it, and takes it from nobody else.
    let named = world.ok("GET", &lacking, &alice, Value::Null).await;
    assert_eq!(
        (named["items"].as_array().unwrap().len(), &named["items"][0]["userId"]),
        (1, &json!(carol_id))
    );
    let give = |user: &str, key: &str| json!({"masterKeysEncrypted": {user: key}});
    assert_eq!(status(&world, "GET", &lacking, &bob, Value::Null).await, 403);
    for token in [&bob, &carol, &dora] {
        let expected = if token == &bob { 403 } else { 404 };
        assert_eq!(status(&world, "POST", &keys, token, give(&carol_id, "Y2Fyb2w=")).await, expected);
    }
    for (user, key, expected) in
        [(&bob_id, "b3RoZXI=", 409), (&dora_id, "ZG9yYQ==", 409), (&carol_id, "", 422)]
    {
        assert_eq!(status(&world, "POST", &keys, &alice, give(user, key)).await, expected, "{user}");
    }
    world.ok("POST", &keys, &alice, give(&carol_id, "Y2Fyb2w=")).await;
    assert_eq!(world.ok("GET", &vault_path, &carol, Value::Null).await["masterKeyEncrypted"], "Y2Fyb2w=");
    assert_eq!(world.ok("GET", &vault_path, &bob, Value::Null).await["masterKeyEncrypted"], "Ym9i");
    // Whoever leaves loses the copy; coming back takes a new one.
    let members = |what: &str| format!("/user-groups/{group}/{what}");
    world.ok("POST", &members("remove-users"), &alice, json!({"userIds": [carol_id]})).await;
    world.ok("POST", &members("add-users"), &alice, json!({"userIds": [carol_id, dora_id]})).await;
    for token in [&carol, &dora] {
        assert_eq!(status(&world, "GET", &vault_path, token, Value::Null).await, 404);
    }
    assert_eq!(world.ok("GET", &lacking, &alice, Value::Null).await["items"].as_array().unwrap().len(), 2);
    // A right of one's own beside the group's keeps the copy.
    let own = json!({"userId": bob_id, "role": "read"});
    world.ok("POST", &format!("/vaults/{vault}/users"), &alice, own).await;
    world.ok("POST", &members("remove-users"), &alice, json!({"userIds": [bob_id]})).await;
    assert_eq!(world.ok("GET", &vault_path, &bob, Value::Null).await["masterKeyEncrypted"], "Ym9i");
    assert_eq!(status(&world, "POST", "/folders", &bob, json!({"vaultId": vault, "name": "g"})).await, 403);
    // In a folder alone it is the same.
    world.ok("POST", &groups, &alice, json!({"groupId": group, "role": "none"})).await;
    let there =
        json!({"groupId": group, "role": "edit", "masterKeysEncrypted": {(dora_id.clone()): "ZG9yYQ=="}});
    let granted = world.ok("POST", &format!("/folders/{folder}/groups"), &alice, there).await;
    assert_eq!(granted, json!({"withoutKey": [carol_id]}));
    assert_eq!((shown(&world, &folder, &dora).await, shown(&world, &folder, &carol).await), (2, 0));
    assert_eq!(orphans(&world), [""; 0]);
}

#[tokio::test]
async fn a_vault_keeps_its_last_administrator_whatever_is_taken_away() {
    let (world, alice, bob) = world(ServeOptions::default());
    let (bob_id, (carol_id, carol)) = (me(&world, &bob).await, somebody(&world, "carol"));
    let vault = world.vault(&carol).await;
    let group = group_of(&world, &alice, &[&bob_id]).await;
    grant(&world, &carol, "vaults", &vault, &group, "administer").await;
    let users = format!("/vaults/{vault}/users");
    world.ok("POST", &users, &carol, json!({"userId": carol_id, "role": "none"})).await;
    assert_eq!(status(&world, "GET", &format!("/vaults/{vault}"), &carol, Value::Null).await, 404);
    let one = |role: &str| json!({"groupId": group, "role": role});
    let groups = format!("/vaults/{vault}/groups");
    for (token, method, path, body) in [
        (&alice, "POST", format!("/user-groups/{group}/remove-users"), json!({"userIds": [bob_id]})),
        (&alice, "DELETE", format!("/user-groups/{group}"), json!({})),
        (&alice, "DELETE", format!("/users/{bob_id}"), json!({})),
        (&bob, "POST", groups.clone(), one("none")),
        (&bob, "POST", groups.clone(), one("edit")),
    ] {
        let request = json!({"method": method, "relativeUrl": format!("/api/v1{path}"), "body": body});
        let answer = world.ok("POST", "/batch", token, json!({"requests": [request]})).await;
        assert_eq!(answer["responses"][0]["statusCode"], 409, "{method} {path} in a batch");
        assert_eq!(status(&world, method, &path, token, body).await, 409, "{method} {path}");
        world.ok("GET", &format!("/vaults/{vault}"), &bob, Value::Null).await;
    }
    // A second one who is blocked is none.
    world.ok("POST", &users, &bob, json!({"userId": carol_id, "role": "administer"})).await;
    world.ok("POST", &format!("/users/{carol_id}/block"), &alice, json!({})).await;
    assert_eq!(status(&world, "POST", &groups, &bob, one("none")).await, 409);
    world.ok("POST", &format!("/users/{carol_id}/unblock"), &alice, json!({})).await;
    world.ok("POST", &groups, &bob, one("none")).await;
    assert_eq!(status(&world, "GET", &format!("/vaults/{vault}"), &bob, Value::Null).await, 404);
    assert_eq!(orphans(&world), [""; 0]);
}

#[tokio::test]
async fn a_blocked_users_sessions_links_and_shortcuts_end_meanwhile() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = me(&world, &bob).await;
    let (carol_id, carol) = somebody(&world, "carol");
    let Place { vault, item, .. } = place(&world, &alice).await;
    let shared = world.vault(&alice).await;
    let group = group_of(&world, &alice, &[&bob_id]).await;
    grant(&world, &alice, "vaults", &vault, &group, "administer").await;
    for user in [&bob_id, &carol_id] {
        let right = json!({"userId": user, "role": "edit"});
        world.ok("POST", &format!("/vaults/{shared}/users"), &alice, right).await;
    }
    let shortcut =
        id(&world.ok("POST", "/shortcuts", &bob, json!({"vaultId": shared, "itemId": item})).await);
    let link = json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"});
    let link = world.ok("POST", "/links", &bob, link).await;
    let open = format!("/links/{}/open", link["url"].as_str().unwrap().rsplit('/').next().unwrap());
    let through = [format!("/shortcuts/{shortcut}"), format!("/items/{shortcut}"), format!("/items/{item}")];
    let seen = async |expected: u16, count: usize| {
        for path in &through {
            assert_eq!(status(&world, "GET", path, &carol, Value::Null).await, expected, "{path}");
        }
        let found = world.ok("GET", "/shortcuts/search", &carol, Value::Null).await;
        assert_eq!(found["items"].as_array().unwrap().len(), count);
        assert_eq!(status(&world, "POST", &open, "", json!({})).await, expected);
    };
    seen(200, 1).await;
    world.ok("POST", &format!("/users/{bob_id}/block"), &alice, json!({})).await;
    seen(404, 0).await;
    assert_eq!(status(&world, "GET", "/users/info", &bob, Value::Null).await, 401);
    let sign_in = json!({"username": "bob", "password": "correct horse"});
    assert_eq!(status(&world, "POST", "/users/login", "", sign_in).await, 403);
    // A group's right that comes meanwhile does not let them in either.
    grant(&world, &alice, "vaults", &vault, &group, "edit").await;
    seen(404, 0).await;
    world.ok("POST", &format!("/users/{bob_id}/unblock"), &alice, json!({})).await;
    seen(200, 1).await;
    assert_eq!(
        status(&world, "GET", "/users/info", &bob, Value::Null).await,
        401,
        "the session is over for good"
    );
    world.ok("DELETE", &format!("/users/{bob_id}"), &alice, json!({})).await;
    seen(404, 0).await;
    assert_eq!(orphans(&world), [""; 0]);
}

#[tokio::test]
async fn nothing_is_left_of_a_group_a_user_or_a_folder_that_is_gone() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = me(&world, &bob).await;
    let Place { vault, folder, item } = place(&world, &alice).await;
    let item = format!("/items/{item}");
    let group = group_of(&world, &alice, &[&bob_id]).await;
    grant(&world, &alice, "vaults", &vault, &group, "read").await;
    grant(&world, &alice, "folders", &folder, &group, "edit").await;
    world.ok("GET", &item, &bob, Value::Null).await;
    world.ok("DELETE", &format!("/user-groups/{group}"), &alice, json!({})).await;
    assert_eq!(status(&world, "GET", &item, &bob, Value::Null).await, 404);
    assert_eq!(
        world.ok("GET", &format!("/vaults/{vault}/groups"), &alice, Value::Null).await,
        json!({"items": []})
    );
    assert_eq!(orphans(&world), [""; 0]);
    // A right in a folder alone ends with the folder.
    let group = group_of(&world, &alice, &[&bob_id]).await;
    grant(&world, &alice, "folders", &folder, &group, "edit").await;
    world.ok("GET", &format!("/vaults/{vault}"), &bob, Value::Null).await;
    let bin = world.ok("DELETE", &format!("/folders/{folder}"), &alice, json!({})).await;
    let bin = format!("/bin-items/{}", bin["binItemId"].as_str().unwrap());
    assert_eq!(status(&world, "GET", &item, &bob, Value::Null).await, 200, "in the bin it is still readable");
    world.ok("DELETE", &bin, &alice, json!({})).await;
    assert_eq!(status(&world, "GET", &format!("/vaults/{vault}"), &bob, Value::Null).await, 404);
    assert_eq!(orphans(&world), [""; 0]);
    let other = place(&world, &alice).await;
    grant(&world, &alice, "folders", &other.folder, &group, "read").await;
    world.ok("DELETE", &format!("/users/{bob_id}"), &alice, json!({})).await;
    let left = world.ok("GET", &format!("/user-groups/{group}"), &alice, Value::Null).await;
    assert_eq!(left["userIds"], json!([]));
    assert_eq!(orphans(&world), [""; 0]);
}

#[tokio::test]
async fn a_folder_that_moves_takes_on_what_groups_have_above() {
    let (world, alice, bob) = world(ServeOptions::default());
    let bob_id = me(&world, &bob).await;
    let vault = world.vault(&alice).await;
    let folder = async |name: &str| {
        id(&world.ok("POST", "/folders", &alice, json!({"vaultId": vault, "name": name})).await)
    };
    let (open, moved) = (folder("open").await, folder("moved").await);
    let group = group_of(&world, &alice, &[&bob_id]).await;
    grant(&world, &alice, "folders", &open, &group, "edit").await;
    let own = json!({"userId": bob_id, "role": "read"});
    world.ok("POST", &format!("/folders/{moved}/users"), &alice, own).await;
    assert_eq!(shown(&world, &moved, &bob).await, 1);
    let to = |parent: Value| json!({"parentFolderId": parent});
    world.ok("POST", &format!("/folders/{moved}/move"), &alice, to(json!(open))).await;
    assert_eq!(shown(&world, &moved, &bob).await, 2);
    world.ok("POST", &format!("/folders/{moved}/move"), &alice, to(Value::Null)).await;
    assert_eq!(shown(&world, &moved, &bob).await, 1);
}
