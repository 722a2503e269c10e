//! `kill -9` of the server while clients write: every write that was acknowledged is there, the database is
//! whole, and the activity log knows of each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use keyferry_api::item::ItemDraft;
use keyferry_api::vault::NewVault;
use keyferry_core::client::{Client, Session, http_transport};
use keyferry_tests::Scene;
use keyferry_tests::server::Served;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Kills in all; clients that write beside each other.
const KILLS: usize = 50;
const WRITERS: usize = 4;

fn client(served: &Served) -> Client {
    let session = Session { access_token: Some(served.access_token().into()), ..Session::default() };
    let transport = http_transport(&served.url.parse().unwrap(), Duration::from_secs(5)).unwrap();
    Client::new(transport, "served", session)
}

/// Writes until the server is gone: items one by one and in batches of three, with an attachment now and then.
async fn write(client: Client, vault: String, writer: usize, acknowledged: Arc<Mutex<HashSet<String>>>) {
    for number in 0.. {
        let draft = |part: usize| ItemDraft {
            vault_id: Some(vault.clone()),
            name: Some(format!("{writer}-{number}-{part}")),
            tags: Some(vec!["t".to_owned()]),
            ..ItemDraft::default()
        };
        let made = if number % 2 == 0 {
            client.create_item(&draft(0)).await.map(|id| vec![id])
        } else {
            let made = client.create_items(&[draft(0), draft(1), draft(2)]).await;
            Ok(made.into_iter().filter_map(Result::ok).collect())
        };
        match made {
            Ok(ids) if !ids.is_empty() => acknowledged.lock().unwrap().extend(ids),
            _ => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_fifty_kills() {
    let scene = Scene::new();
    let mut served = Served::new(&scene, "env", "off");
    let vault =
        client(&served).create_vault(&NewVault { name: "v".into(), ..NewVault::default() }).await.unwrap();
    let acknowledged = Arc::new(Mutex::new(HashSet::new()));
    let mut random = fastrand::Rng::with_seed(50);
    let mut before = 0;
    for kill in 0..KILLS {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (client, vault) = (client(&served), vault.clone());
                tokio::spawn(write(client, vault, kill * WRITERS + writer, acknowledged.clone()))
            })
            .collect();
        // Not before something was written, and then at any moment.
        while acknowledged.lock().unwrap().len() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(random.u64(0..60_000))).await;
        served.kill_and_restart(&scene);
        writers.iter().for_each(tokio::task::JoinHandle::abort);
        before = acknowledged.lock().unwrap().len();
    }
    let listed: HashSet<String> =
        client(&served).item_summaries(&vault).await.unwrap().into_iter().map(|item| item.id).collect();
    let acknowledged = acknowledged.lock().unwrap().clone();
    let lost: Vec<_> = acknowledged.difference(&listed).collect();
    assert!(lost.is_empty(), "{} of {} writes are lost", lost.len(), acknowledged.len());
    // Beyond that there is at most what was under way at each kill.
    assert!(listed.len() - acknowledged.len() <= KILLS * WRITERS * 3);
    drop(served);

    let database = rusqlite::Connection::open(scene.path("env/environment.db")).unwrap();
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let unlogged: i64 = database
        .query_row(
            "SELECT count(*) FROM items WHERE id NOT IN (SELECT object FROM activity WHERE action = 'item.create')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(unlogged, 0);
    let check = scene.run(&["--json", "activity", "embedded:env", "--check"]).succeeds().json();
    assert_eq!(check["broken"], serde_json::Value::Null);
}
