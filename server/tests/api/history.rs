//! What does not get lost: snapshots, the bin, moves and copies, changes that cross.

use crate::world::{World, id, world};
use keyferry_server::ServeOptions;
use serde_json::{Value, json};

async fn item(world: &World, token: &str, vault: &str, more: Value) -> String {
    let mut body = json!({"vaultId": vault, "name": "n", "passwordEncrypted": "b25l", "keyEncrypted": "k"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    id(&world.ok("POST", "/items", token, body).await)
}

fn encrypted_vault() -> Value {
    json!({"name": "v", "masterKeyEncrypted": "a2V5", "masterKeyHash": "00", "salt": "s"})
}

#[tokio::test]
async fn every_change_leaves_what_was_before() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let file =
        |name: &str| json!({"name": name, "encryptedKey": "a", "encryptedData": "ZGF0YQ==", "hash": "0"});
    let item = item(&world, &alice, &vault, json!({"attachments": [file("one")]})).await;
    let path = format!("/items/{item}");
    world
        .ok("PATCH", &path, &alice, json!({"passwordEncrypted": "dHdv", "attachments": [file("two")]}))
        .await;
    world.ok("PATCH", &path, &alice, json!({"isFavorite": true})).await;
    let now = world.ok("GET", &path, &alice, Value::Null).await;
    let first = now["attachments"][0]["id"].as_str().unwrap();
    world.ok("DELETE", &format!("{path}/attachment/{first}"), &alice, json!({})).await;
    let snapshots = world.ok("GET", &format!("{path}/snapshots"), &alice, Value::Null).await;
    let snapshots = snapshots["items"].as_array().unwrap();
    assert_eq!(snapshots.len(), 2, "a favorite is no change of the item");
    let me = world.ok("GET", "/users/info", &alice, Value::Null).await["id"].clone();
    assert!(snapshots.iter().all(|one| one["userId"] == me));
    let oldest = snapshots[1]["id"].as_str().unwrap();
    let before = world.ok("GET", &format!("{path}/snapshot/{oldest}"), &alice, Value::Null).await;
    assert_eq!((&before["passwordEncrypted"], &before["itemId"]), (&json!("b25l"), &json!(item)));
    assert_eq!(before["attachments"].as_array().unwrap().len(), 1);
    // The item has lost it, the snapshot has not.
    assert_eq!(
        world.send("GET", &format!("{path}/attachment/{first}"), &alice, true, Value::Null).await.0,
        404
    );
    let kept = format!("/snapshots/{oldest}/attachment/{first}");
    assert_eq!(world.ok("GET", &kept, &alice, Value::Null).await["encryptedData"], "ZGF0YQ==");
    let second = now["attachments"][1]["id"].as_str().unwrap();
    let astray = format!("/snapshots/{oldest}/attachment/{second}");
    assert_eq!(world.send("GET", &astray, &alice, true, Value::Null).await.0, 404);
}

#[tokio::test]
async fn changes_that_cross_do_not_go_unnoticed() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let item = item(&world, &alice, &vault, json!({})).await;
    let path = format!("/items/{item}");
    let revision = world.ok("GET", &path, &alice, Value::Null).await["revision"].clone();
    let change = |login: &str| json!({"login": login, "revision": revision});
    let (first, second) = (change("first"), change("second"));
    let answers = tokio::join!(
        world.send("PATCH", &path, &alice, true, first),
        world.send("PATCH", &path, &alice, true, second)
    );
    let mut statuses = [answers.0.0.as_u16(), answers.1.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    // Without a revision the last one wins, and the other is in the history.
    world.ok("PATCH", &path, &alice, json!({"login": "third"})).await;
    let snapshots = world.ok("GET", &format!("{path}/snapshots"), &alice, Value::Null).await;
    assert_eq!(snapshots["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_item_moves_with_its_key_and_its_history() {
    let (world, alice, _) = world(ServeOptions::default());
    let from = id(&world.ok("POST", "/vaults", &alice, encrypted_vault()).await);
    let to = id(&world.ok("POST", "/vaults", &alice, encrypted_vault()).await);
    let plain = world.vault(&alice).await;
    let folder = id(&world.ok("POST", "/folders", &alice, json!({"vaultId": to, "name": "f"})).await);
    let item = item(&world, &alice, &from, json!({"tags": ["t"]})).await;
    let path = format!("/items/{item}");
    world.ok("PATCH", &path, &alice, json!({"login": "l"})).await;
    let refused = async |body: Value| {
        let (status, answer) = world.send("POST", &format!("{path}/move"), &alice, true, body).await;
        assert_eq!(status, 422);
        answer["errors"][0]["field"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(json!({"vaultId": to})).await, "keyEncrypted");
    assert_eq!(refused(json!({"vaultId": plain, "keyEncrypted": "k2"})).await, "vaultId");
    assert_eq!(refused(json!({"vaultId": from, "folderId": folder})).await, "folderId");
    let there = json!({"vaultId": to, "folderId": folder, "keyEncrypted": "k2"});
    world.ok("POST", &format!("{path}/move"), &alice, there.clone()).await;
    let moved = world.ok("GET", &path, &alice, Value::Null).await;
    assert_eq!(
        (&moved["vaultId"], &moved["folderId"], &moved["keyEncrypted"]),
        (&json!(to), &json!(folder), &json!("k2"))
    );
    let snapshots = world.ok("GET", &format!("{path}/snapshots"), &alice, Value::Null).await;
    for snapshot in snapshots["items"].as_array().unwrap() {
        let old = format!("{path}/snapshot/{}", snapshot["id"].as_str().unwrap());
        assert_eq!(world.ok("GET", &old, &alice, Value::Null).await["keyEncrypted"], "k2");
    }
    let copy = id(&world.ok("POST", &format!("{path}/copy"), &alice, json!({"vaultId": to})).await);
    let copied = world.ok("GET", &format!("/items/{copy}"), &alice, Value::Null).await;
    assert_eq!(
        (&copied["passwordEncrypted"], &copied["tags"], &copied["revision"]),
        (&json!("b25l"), &json!(["t"]), &json!(1))
    );
    let found = world.ok("GET", "/items/search?tags[]=t", &alice, Value::Null).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_deleted_comes_back_or_goes_for_good() {
    let (world, alice, _) = world(ServeOptions::default());
    let vault = world.vault(&alice).await;
    let folder = async |parent: Option<&str>| {
        let body = json!({"vaultId": vault, "parentFolderId": parent, "name": "f"});
        id(&world.ok("POST", "/folders", &alice, body).await)
    };
    let (top, other) = (folder(None).await, folder(None).await);
    let below = folder(Some(&top)).await;
    let early = item(&world, &alice, &vault, json!({"folderId": below, "name": "early"})).await;
    item(&world, &alice, &vault, json!({"folderId": below, "name": "late"})).await;
    let count = async |path: &str| {
        world.ok("GET", path, &alice, Value::Null).await["items"].as_array().unwrap().len()
    };
    let items = format!("/items?vaultId={vault}");
    world.ok("POST", &format!("/folders/{top}/move"), &alice, json!({"parentFolderId": other})).await;
    let into_itself = format!("/folders/{other}/move");
    let body = json!({"parentFolderId": below});
    assert_eq!(world.send("POST", &into_itself, &alice, true, body).await.0, 422);
    let early_bin = world.ok("DELETE", &format!("/items/{early}"), &alice, json!({})).await;
    let bin = world.ok("DELETE", &format!("/folders/{top}"), &alice, json!({})).await;
    let (early_bin, bin) = (early_bin["binItemId"].as_str().unwrap(), bin["binItemId"].as_str().unwrap());
    assert_eq!((count(&items).await, count("/bin-items").await), (0, 2));
    // Alone, it has no folder to go to, and at the top of the vault others might see it.
    let early_restore = format!("/bin-items/{early_bin}/restore");
    assert_eq!(world.send("POST", &early_restore, &alice, true, json!({})).await.0, 409);
    assert_eq!(world.send("DELETE", &format!("/bin-items/{bin}"), &alice, true, json!({})).await.0, 409);
    // The folder brings back only what went with it.
    world.ok("POST", &format!("/bin-items/{bin}/restore"), &alice, json!({})).await;
    assert_eq!((count(&items).await, count("/bin-items").await), (1, 1));
    world.ok("POST", &early_restore, &alice, json!({})).await;
    assert_eq!(
        world.ok("GET", &format!("/items/{early}"), &alice, Value::Null).await["folderId"],
        json!(below)
    );
    assert_eq!((count(&items).await, count("/folders").await, count("/bin-items").await), (2, 3, 0));
    let again = world.ok("DELETE", &format!("/folders/{other}"), &alice, json!({})).await;
    let again = again["binItemId"].as_str().unwrap();
    world.ok("DELETE", &format!("/bin-items/{again}"), &alice, json!({})).await;
    assert_eq!((count(&items).await, count("/folders").await, count("/bin-items").await), (0, 0, 0));
    assert_eq!(count("/items/search?query=late").await, 0);
}
