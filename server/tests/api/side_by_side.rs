//! Those who make items write at once, of all servers on a PostgreSQL database; nobody else does. What is about locks runs wherever
//! PostgreSQL is installed, and what is about outcomes on both stores.

use crate::postgres::{self, Database};
use crate::world::{World, id, inhabited, user, world};
use keyferry_server::{Environment, ServeOptions};
use serde_json::{Value, json};
use std::sync::Arc;

/// Two servers on one database, and the tokens of their users.
struct Two {
    one: Arc<World>,
    other: Arc<World>,
    alice: String,
    bob: String,
}

impl Two {
    fn new() -> Self {
        let (one, alice, bob) = world(ServeOptions::default());
        Self::of(one, alice, bob)
    }

    /// On PostgreSQL, where it is installed.
    fn on_postgres() -> Option<Self> {
        let database = postgres::database()?;
        let environment = Environment::create_on(&database.address(), true).unwrap();
        let (router, alice, bob) = inhabited(&environment, ServeOptions::default());
        let dir = tempfile::tempdir().unwrap();
        Some(Self::of(World { dir, environment, router, server: Some(database) }, alice, bob))
    }

    fn of(one: World, alice: String, bob: String) -> Self {
        let other = one.opened_again();
        Self { one: Arc::new(one), other: Arc::new(other), alice, bob }
    }

    fn database(&self) -> &Database {
        self.one.server.as_ref().unwrap()
    }

    /// A vault that bob may edit, with a folder in it.
    async fn shared(&self) -> (String, String) {
        let vault = self.one.vault(&self.alice).await;
        self.let_bob(&vault, "edit").await;
        let folder = json!({"vaultId": vault, "name": "f"});
        let folder = id(&self.one.ok("POST", "/folders", &self.alice, folder).await);
        (vault, folder)
    }

    async fn bob_id(&self) -> String {
        id(&self.one.ok("GET", "/users/info", &self.bob, Value::Null).await)
    }

    async fn let_bob(&self, vault: &str, role: &str) {
        let right = json!({"userId": self.bob_id().await, "role": role});
        self.one.ok("POST", &format!("/vaults/{vault}/users"), &self.alice, right).await;
    }

    /// The actions of the log in their order, which holds together.
    async fn log(&self) -> Vec<String> {
        let check = self.other.ok("GET", "/activity-log/check", &self.alice, Value::Null).await;
        assert_eq!(check["broken"], Value::Null);
        let log = self.one.ok("GET", "/activity-log", &self.alice, Value::Null).await;
        let rows = log["items"].as_array().unwrap();
        assert_eq!(check["count"], json!(rows.len()));
        rows.iter().map(|row| row["action"].as_str().unwrap().to_owned()).collect()
    }
}

fn item(vault: &str, name: &str) -> Value {
    json!({"vaultId": vault, "name": name})
}

/// A request on a task of its own.
fn asked(
    world: &Arc<World>,
    method: &'static str,
    path: &str,
    token: &str,
    body: Value,
) -> tokio::task::JoinHandle<(u16, Value)> {
    let (world, path, token) = (world.clone(), path.to_owned(), token.to_owned());
    tokio::spawn(async move {
        let (status, answer) = world.send(method, &path, &token, true, body).await;
        (status.as_u16(), answer)
    })
}

/// Waits until so many wait for a lock: it happens, or the test does not end well.
async fn waiting(database: &Database, many: i64) {
    for _ in 0..6000 {
        if database.waiting() >= many {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("fewer than {many} wait for a lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_items_in_one_vault_waits_for_nobody_in_another() {
    let Some(two) = Two::on_postgres() else { return };
    let (a, b) = (two.one.vault(&two.alice).await, two.one.vault(&two.alice).await);
    let chain = "SELECT 1 FROM activity_chains WHERE vault_id = ";
    let held = two.database().hold(&format!("{chain}'{a}' FOR UPDATE"));
    let in_a = asked(&two.one, "POST", "/items", &two.alice, item(&a, "held"));
    waiting(two.database(), 1).await;
    // Alone and many at once, of the same server and of the other, while the first has all but its entry in the log.
    for world in [&two.one, &two.other] {
        world.ok("POST", "/items", &two.alice, item(&b, "alone")).await;
        let part = json!({"method": "POST", "relativeUrl": "/api/v1/items", "body": item(&b, "one of many")});
        let look = json!({"method": "GET", "relativeUrl": "/api/v1/items/search?query=many"});
        let batch = json!({"requests": [part, part, look, part]});
        let answer = world.ok("POST", "/batch", &two.alice, batch).await;
        assert_eq!(answer["responses"][3]["statusCode"], 200, "{answer}");
    }
    // Whoever changes anything else waits for the first, and those who came meanwhile do not make it wait for more.
    let folder = asked(&two.other, "POST", "/folders", &two.alice, json!({"vaultId": b, "name": "f"}));
    waiting(two.database(), 2).await;
    two.one.ok("POST", "/items", &two.alice, item(&b, "beside who waits")).await;
    assert!(!in_a.is_finished() && !folder.is_finished());
    assert_eq!(two.one.number("SELECT count(*) FROM items WHERE name = 'held'"), 0);
    drop(held);
    assert_eq!((in_a.await.unwrap().0, folder.await.unwrap().0), (200, 200));
    let log = two.log().await;
    assert_eq!(log.iter().filter(|action| *action == "item.create").count(), 10);
    assert_eq!(log.last().unwrap(), "folder.create");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_alone_gets_there_however_many_make_items() {
    let Some(two) = Two::on_postgres() else { return };
    let mut vaults = Vec::new();
    for _ in 0..6 {
        vaults.push(two.one.vault(&two.alice).await);
    }
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let makers: Vec<_> = vaults
        .iter()
        .zip([&two.one, &two.other].into_iter().cycle())
        .map(|(vault, world)| {
            let (vault, world, alice, done) = (vault.clone(), world.clone(), two.alice.clone(), done.clone());
            tokio::spawn(async move {
                let mut made = 0;
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    world.ok("POST", "/items", &alice, item(&vault, "n")).await;
                    made += 1;
                }
                made
            })
        })
        .collect();
    // One of them is always at it; each of these has the database for itself.
    for number in 0..30 {
        let folder = json!({"vaultId": vaults[number % 6], "name": number.to_string()});
        two.other.ok("POST", "/folders", &two.alice, folder).await;
    }
    done.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut made = 0;
    for maker in makers {
        made += maker.await.unwrap();
    }
    let log = two.log().await;
    assert_eq!(log.iter().filter(|action| *action == "item.create").count(), made);
}

/// Makes items on both servers, in a vault or a folder, until somebody has changed something; how many were made. What is refused
/// is refused from then on.
async fn made_beside(two: &Two, place: Value, path: &str, method: &'static str, change: Value) -> usize {
    let body = |name: String| {
        let mut body = place.clone();
        body["name"] = json!(name);
        body
    };
    let makers: Vec<_> = [&two.one, &two.other]
        .map(|world| {
            let (world, bob) = (world.clone(), two.bob.clone());
            let bodies: Vec<Value> = (0..40).map(|number| body(number.to_string())).collect();
            tokio::spawn(async move {
                let mut statuses = Vec::new();
                for body in bodies {
                    statuses.push(world.send("POST", "/items", &bob, true, body).await.0.as_u16());
                }
                statuses
            })
        })
        .into();
    // Some are there by then.
    while two.one.number("SELECT count(*) FROM items") < 6 {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked(&two.other, method, path, &two.alice, change).await.unwrap().0, 200);
    let mut made = 0;
    for maker in makers {
        let statuses = maker.await.unwrap();
        let first = statuses.iter().take_while(|status| **status == 200).count();
        assert!(statuses[first..].iter().all(|status| matches!(status, 403 | 404 | 422)), "{statuses:?}");
        made += first;
    }
    made
}

/// No item was made after what took the right to it.
async fn nothing_comes_after(two: &Two, last: &str, made: usize) {
    let log = two.log().await;
    let at = log.iter().rposition(|action| action == last).unwrap();
    let creates = |rows: &[String]| rows.iter().filter(|action| *action == "item.create").count();
    assert_eq!((creates(&log[..at]), creates(&log[at..])), (made, 0), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_made_before_a_right_is_taken_or_not_at_all() {
    let two = Two::new();
    let (vault, _) = two.shared().await;
    let right = json!({"userId": two.bob_id().await, "role": "none"});
    let path = format!("/vaults/{vault}/users");
    let made = made_beside(&two, json!({"vaultId": vault}), &path, "POST", right).await;
    assert_eq!(two.one.number("SELECT count(*) FROM items"), i64::try_from(made).unwrap());
    nothing_comes_after(&two, "vault.grant", made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_made_before_their_vault_goes_or_not_at_all() {
    let two = Two::new();
    let (vault, _) = two.shared().await;
    let path = format!("/vaults/{vault}");
    let made = made_beside(&two, json!({"vaultId": vault}), &path, "DELETE", Value::Null).await;
    assert_eq!(two.one.number("SELECT count(*) FROM items"), 0);
    nothing_comes_after(&two, "vault.delete", made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_go_into_the_bin_with_their_folder_or_are_not_made() {
    let two = Two::new();
    let (vault, folder) = two.shared().await;
    let place = json!({"vaultId": vault, "folderId": folder});
    let made = made_beside(&two, place, &format!("/folders/{folder}"), "DELETE", json!({})).await;
    let binned = "SELECT count(*) FROM items WHERE bin_item_id IS NOT NULL";
    assert_eq!(two.one.number(binned), i64::try_from(made).unwrap());
    assert_eq!(two.one.number("SELECT count(*) FROM items"), i64::try_from(made).unwrap());
    nothing_comes_after(&two, "folder.delete", made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_made_before_their_folder_moves_out_of_sight_or_not_at_all() {
    let two = Two::new();
    let (vault, folder) = two.shared().await;
    let closed =
        id(&two.one.ok("POST", "/folders", &two.alice, json!({"vaultId": vault, "name": "c"})).await);
    let right = json!({"userId": two.bob_id().await, "role": "none"});
    two.one.ok("POST", &format!("/folders/{closed}/users"), &two.alice, right).await;
    let place = json!({"vaultId": vault, "folderId": folder});
    let to = json!({"parentFolderId": closed});
    let made = made_beside(&two, place, &format!("/folders/{folder}/move"), "POST", to).await;
    assert_eq!(two.one.number("SELECT count(*) FROM items"), i64::try_from(made).unwrap());
    nothing_comes_after(&two, "folder.move", made).await;
}

fn keyed(key: &str, body: &Value) -> Value {
    json!({"method": "POST", "relativeUrl": "/api/v1/items", "headers": {"Idempotency-Key": key}, "body": body})
}

/// The answers of two batches that are sent to the two servers at once.
async fn at_once(two: &Two, first: Vec<Value>, second: Vec<Value>) -> [Vec<Value>; 2] {
    let send = |world: &Arc<World>, requests: Vec<Value>| {
        asked(world, "POST", "/batch", &two.alice, json!({"requests": requests}))
    };
    let (first, second) = tokio::join!(send(&two.one, first), send(&two.other, second));
    [first, second].map(|answer| {
        let (status, answer) = answer.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["responses"].as_array().unwrap().clone()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_key_that_two_servers_are_given_at_once_one_thing_is_made() {
    let two = Two::new();
    let (a, b) = (two.one.vault(&two.alice).await, two.one.vault(&two.alice).await);
    for round in 0..12 {
        let key = |number: usize| format!("{round}-{number}");
        // The same requests, in the other order: who is second gets the answers of the first.
        let same: Vec<Value> = (0..8).map(|number| keyed(&key(number), &item(&a, &key(number)))).collect();
        let [one, mut other] = at_once(&two, same.clone(), same.into_iter().rev().collect()).await;
        other.reverse();
        assert_eq!(one, other);
        assert!(one.iter().all(|answer| answer["statusCode"] == 200), "{one:?}");
        // Another vault, whose entries in the log wait for nobody: one of the two has it.
        let here: Vec<Value> = (8..16).map(|number| keyed(&key(number), &item(&a, "here"))).collect();
        let there: Vec<Value> = (8..16).rev().map(|number| keyed(&key(number), &item(&b, "there"))).collect();
        let [one, mut other] = at_once(&two, here, there).await;
        other.reverse();
        for (one, other) in one.iter().zip(&other) {
            let (made, refused) = if one["statusCode"] == 200 { (one, other) } else { (other, one) };
            assert_eq!((&made["statusCode"], &refused["statusCode"]), (&json!(200), &json!(422)));
            assert_eq!(refused["body"]["errors"][0]["made"], made["body"]["id"]);
        }
    }
    assert_eq!(two.one.number("SELECT count(*) FROM items"), 12 * 16);
    assert_eq!(two.one.number("SELECT count(*) FROM idempotency_keys"), 12 * 16);
    let log = two.log().await;
    assert_eq!(log.iter().filter(|action| *action == "item.create").count(), 12 * 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_in_a_log_of_several_chains_is_found() {
    let Some(two) = Two::on_postgres() else { return };
    let (a, b) = (two.one.vault(&two.alice).await, two.one.vault(&two.alice).await);
    for vault in [&a, &b, &a] {
        two.one.ok("POST", "/items", &two.alice, item(vault, "n")).await;
    }
    two.one.ok("POST", "/folders", &two.alice, json!({"vaultId": a, "name": "f"})).await;
    let c = two.one.vault(&two.alice).await;
    for vault in [&b, &c, &b] {
        two.one.ok("POST", "/items", &two.alice, item(vault, "n")).await;
    }
    let check = async || two.one.ok("GET", "/activity-log/check", &two.alice, Value::Null).await;
    let whole = check().await;
    assert_eq!((&whole["broken"], &whole["count"]), (&Value::Null, &json!(10)));
    // The environment's chain does not cover yet what came after its last entry.
    let of_b =
        |name: &str| two.one.number(&format!("SELECT {name} FROM activity_chains WHERE vault_id = '{b}'"));
    assert_eq!((of_b("count"), of_b("moved")), (3, 1));
    assert_eq!(whole["heads"].as_array().unwrap().len(), 2, "{whole}");
    let (gone, chain) = (
        |vault: &str| format!("DELETE FROM activity WHERE vault_seq > 0 AND vault_id = '{vault}'"),
        "activity_chains",
    );
    for (spoil, broken) in [
        // Entries 1 and 2 made the vaults, 3 to 5 are items, 6 the folder, 7 the last vault, 8 to 10 items.
        ("DELETE FROM activity WHERE seq = 3".to_owned(), 5),
        ("DELETE FROM activity WHERE seq = 5".to_owned(), 6),
        ("DELETE FROM activity WHERE seq = 10".to_owned(), 10),
        ("DELETE FROM activity WHERE seq = 6".to_owned(), 7),
        ("UPDATE activity SET object = 'another' WHERE seq = 4".to_owned(), 4),
        ("UPDATE activity SET vault_seq = 3 WHERE seq = 8".to_owned(), 8),
        ("UPDATE activity SET vault_seq = NULL WHERE seq = 8".to_owned(), 8),
        ("UPDATE activity SET heads = NULL WHERE seq = 6".to_owned(), 6),
        // The numbers of two exchanged, in one vault and across two.
        ("UPDATE activity SET seq = 13 - seq WHERE seq IN (3, 10)".to_owned(), 3),
        ("UPDATE activity SET seq = CASE seq WHEN 3 THEN -5 ELSE -3 END WHERE seq IN (3, 5); UPDATE activity SET seq = -seq WHERE seq < 0".to_owned(), 3),
        // All of a vault's, with the head and without.
        (gone(&a), 6),
        (format!("{}; DELETE FROM {chain} WHERE vault_id = '{a}'", gone(&a)), 6),
        (gone(&c), 11),
        (format!("{}; DELETE FROM {chain} WHERE vault_id = '{c}'", gone(&c)), 11),
        // As if nobody had written since the last entry that names it.
        (format!("DELETE FROM {chain} WHERE vault_id = '{b}'"), 11),
        (format!("UPDATE {chain} SET count = count - 1 WHERE vault_id = '{b}'"), 11),
        ("UPDATE environment SET activity_length = activity_length - 1".to_owned(), 11),
    ] {
        let keep = "CREATE TABLE kept_activity AS SELECT * FROM activity; CREATE TABLE kept_chains AS SELECT * FROM activity_chains;
            CREATE TABLE kept_environment AS SELECT * FROM environment";
        two.database().run(&format!("{keep}; ALTER TABLE activity DROP CONSTRAINT activity_pkey; {spoil}"));
        let found = check().await;
        assert_eq!(found["broken"], json!(broken), "{spoil}");
        two.database().run(
            "TRUNCATE activity, activity_chains, environment;
             INSERT INTO activity SELECT * FROM kept_activity; INSERT INTO activity_chains SELECT * FROM kept_chains;
             INSERT INTO environment SELECT * FROM kept_environment; ALTER TABLE activity ADD PRIMARY KEY (seq, at);
             DROP TABLE kept_activity, kept_chains, kept_environment",
        );
        assert_eq!(check().await, whole, "{spoil}");
    }
    // A head that does not say that it moved is missed by the next entry of the environment's chain.
    two.database().run("UPDATE activity_chains SET moved = 0");
    assert_eq!(check().await["broken"], Value::Null);
    two.one.vault(&two.alice).await;
    assert_eq!(check().await["broken"], json!(11));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_told_once_none_can_come_before_it() {
    let Some(two) = Two::on_postgres() else { return };
    let vault = two.one.vault(&two.alice).await;
    // Somebody has the next number, and has not said yet what becomes of it.
    let held = two.database().hold("SELECT nextval(pg_get_serial_sequence('activity', 'seq'))");
    two.one.ok("POST", "/items", &two.alice, item(&vault, "n")).await;
    let numbers = async |path: &str| -> Vec<i64> {
        let log = two.other.ok("GET", path, &two.alice, Value::Null).await;
        log["items"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()).collect()
    };
    let of_vault = format!("/activity-log?vaultId={vault}");
    assert_eq!(numbers("/activity-log").await, [1]);
    assert_eq!(numbers(&of_vault).await, [1, 3], "within a vault they come in their order");
    drop(held);
    // It was taken back: who writes alone knows that, and so does who keeps the house.
    two.other.environment.keep_house().unwrap();
    assert_eq!(numbers("/activity-log").await, [1, 3]);
    assert_eq!(numbers("/activity-log?after=1").await, [3]);
    assert_eq!(two.log().await, ["vault.create", "item.create"]);
    // Between two turns of housekeeping whoever looks into the house finds it as well; and where nothing came after such a number,
    // the turn knows of it before anything does.
    two.one.ok("POST", "/items", &two.alice, item(&vault, "m")).await;
    drop(two.database().hold("SELECT nextval(pg_get_serial_sequence('activity', 'seq'))"));
    two.one.ok("POST", "/items", &two.alice, item(&vault, "o")).await;
    assert_eq!(numbers("/activity-log?after=3").await, [4]);
    assert!(!two.other.environment.keep_house().unwrap(), "its turn has not come");
    assert_eq!(numbers("/activity-log?after=3").await, [4, 6]);
    drop(two.database().hold("SELECT nextval(pg_get_serial_sequence('activity', 'seq'))"));
    two.database().run("UPDATE housekeeping SET until = 1");
    assert!(two.other.environment.keep_house().unwrap());
    two.one.ok("POST", "/items", &two.alice, item(&vault, "p")).await;
    assert_eq!(numbers("/activity-log?after=6").await, [8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_on_a_server_of_an_earlier_version_goes_on() {
    let Some(database) = postgres::database() else { return };
    database.run(include_str!("../../migrations/postgres/0010_initial.sql"));
    database.run(include_str!("../../migrations/postgres/0011_folder_colors.sql"));
    database.run("UPDATE keyferry_schema SET version = 11; INSERT INTO environment (\"only\", client_encryption) VALUES (1, 1)");
    // A log as that version wrote it: one chain.
    let (alice, vault) = ("0".repeat(23) + "a", "0".repeat(23) + "b");
    let mut hash = vec![0; 32];
    for seq in 1..=3 {
        use sha2::Digest as _;
        let text = json!([seq, 7, alice, "vault.rename", vault, vault, null]).to_string();
        hash = sha2::Sha256::new().chain_update(&hash).chain_update(text).finalize().to_vec();
        let hex = data_encoding::HEXLOWER.encode(&hash);
        database.run(&format!(
            "INSERT INTO activity VALUES ({seq}, 7, '{alice}', 'vault.rename', '{vault}', '{vault}', NULL, '\\x{hex}');
             UPDATE environment SET activity_count = {seq}, activity_head = '\\x{hex}'"
        ));
    }
    // A key that two requests had one after the other, the first of which counts no longer.
    database.run(&format!(
        "INSERT INTO users (id, username, password_hash, role_id) VALUES ('{alice}', 'old', '', '00000000000000000000000a');
         INSERT INTO vaults (id, name, encrypted) VALUES ('{vault}', 'v', 0);
         INSERT INTO vault_users (vault_id, user_id, role, own_role) VALUES ('{vault}', '{alice}', 3, 3);
         INSERT INTO idempotency_keys VALUES ('{alice}', 'k', 'b', 1, 1, NULL, NULL, 'x'), ('{alice}', 'k', 'a', 2, 1, NULL, NULL, 'x'),
           ('{alice}', 'of another request', 'c', 4102444800, 0, NULL, NULL, 'x')"
    ));
    let environment = Environment::open_on(&database.address()).unwrap();
    let token = environment.issue_session(&alice).unwrap().access_token.unwrap();
    let router = environment.router(ServeOptions::default());
    let world = World { dir: tempfile::tempdir().unwrap(), environment, router, server: Some(database) };
    assert_eq!(world.number("SELECT turn FROM idempotency_keys WHERE fingerprint = 'a'"), 1);
    let two = Two::of(world, token, String::new());
    let batch = json!({"requests": [keyed("of another request", &item(&vault, "n"))]});
    let answer = two.one.ok("POST", "/batch", &two.alice, batch).await;
    assert_eq!(answer["responses"][0]["statusCode"], 422, "a key of before counts on: {answer}");
    for world in [&two.one, &two.other, &two.one] {
        let batch = json!({"requests": [keyed("k", &item(&vault, "n")), keyed("l", &item(&vault, "n"))]});
        let answer = world.ok("POST", "/batch", &two.alice, batch).await;
        assert_eq!(answer["responses"][0]["statusCode"], 200, "{answer}");
    }
    two.one.ok("POST", "/items", &two.alice, item(&vault, "beside")).await;
    two.one.environment.add_user(user("new")).unwrap();
    assert_eq!(two.log().await[3..], ["item.create"; 3]);
    assert_eq!(
        two.one.number("SELECT max(vault_seq) FROM activity"),
        1,
        "the first ones began the vault's chain"
    );
    two.one.vault(&two.alice).await;
    assert_eq!(two.log().await.len(), 7);
}
