//! What is beyond its time is taken out by one of all servers on a database, and nothing else is. On both stores.

use crate::world::{World, id, world};
use keyferry_server::ServeOptions;
use serde_json::{Value, json};

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs().cast_signed()
}

fn rows(world: &World, table: &str) -> i64 {
    world.number(&format!("SELECT count(*) FROM {table}"))
}

/// Something in each of the tables that only grow: of each kind one that is beyond its time, and one that is not.
async fn grown(world: &World, alice: &str) {
    let vault = world.vault(alice).await;
    let item = id(&world.ok("POST", "/items", alice, json!({"vaultId": vault, "name": "n"})).await);
    for _ in 0..2 {
        let link = json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"});
        world.ok("POST", "/links", alice, link).await;
    }
    let endless = json!({"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "unlimited"});
    world.ok("POST", "/links", alice, endless).await;
    let (before, after) = (now() - 1, now() + 1000);
    let first = "(SELECT min(seq) FROM links)";
    world.change(&format!("UPDATE links SET expires = {before} WHERE seq = {first}"), &[]);
    // Two sessions: bob's is over, alice's cannot be renewed, and goes on with the token that it has.
    let bobs = "user_id = (SELECT id FROM users WHERE username = 'bob')";
    assert_eq!(world.change(&format!("UPDATE sessions SET refresh_expires = {before}"), &[]), 2);
    assert_eq!(world.change(&format!("UPDATE sessions SET access_expires = {before} WHERE {bobs}"), &[]), 1);
    for (mark, expires) in [("01", before), ("02", after)] {
        let hash = if world.server.is_some() { format!("'\\x{mark}'") } else { format!("x'{mark}'") };
        world.change(&format!("INSERT INTO csrf_tokens (hash, expires) VALUES ({hash}, {expires})"), &[]);
        world.change(
            &format!("INSERT INTO used_refresh_tokens (hash, family, used, expires) VALUES ({hash}, 1, 1, {expires})"),
            &[],
        );
    }
    world.change("INSERT INTO idempotency_keys (digest, user_id, key, fingerprint, kept_at, kind, turn) SELECT 0, users.id, 'old', access_hash, 1, 0, 0 FROM users JOIN sessions ON user_id = users.id WHERE username = 'alice'", &[]);
}

/// How many rows each of the tables has.
fn counts(world: &World) -> [i64; 5] {
    ["links", "sessions", "csrf_tokens", "used_refresh_tokens", "idempotency_keys"]
        .map(|table| rows(world, table))
}

#[tokio::test]
async fn one_of_two_servers_takes_out_what_is_beyond_its_time_and_nothing_else() {
    let (one, alice, _) = world(ServeOptions::default());
    let other = one.opened_again();
    grown(&one, &alice).await;
    assert_eq!(counts(&one), [3, 2, 2, 2, 1]);
    assert!(one.environment.keep_house().unwrap());
    assert_eq!(counts(&one), [2, 1, 1, 1, 0]);
    // For this period it is done, whoever looks.
    one.change("UPDATE links SET expires = 1 WHERE expires IS NOT NULL", &[]);
    assert!(!other.environment.keep_house().unwrap() && !one.environment.keep_house().unwrap());
    assert_eq!(rows(&one, "links"), 2);
    let ends = one.number("SELECT until FROM housekeeping") / 1000 - now();
    assert!((500..=600).contains(&ends), "{ends}");
    // The next is of whoever looks first then.
    one.change("UPDATE housekeeping SET until = 1", &[]);
    assert!(other.environment.keep_house().unwrap());
    assert!(!one.environment.keep_house().unwrap());
    assert_eq!(rows(&one, "links"), 1);
    one.ok("GET", "/vaults", &alice, Value::Null).await;
}

#[test]
fn of_many_servers_that_look_at_once_one_has_the_turn() {
    let (first, ..) = world(ServeOptions::default());
    let servers: Vec<_> = (0..4).map(|_| first.opened_again()).collect();
    for _ in 0..10 {
        first.change("UPDATE housekeeping SET until = 1", &[]);
        let turns: usize = std::thread::scope(|scope| {
            let looks: Vec<_> = servers
                .iter()
                .map(|server| scope.spawn(|| server.environment.keep_house().unwrap()))
                .collect();
            looks.into_iter().map(|look| usize::from(look.join().unwrap())).sum()
        });
        assert_eq!(turns, 1);
    }
}

/// More rows beyond their time than one portion takes out.
fn many(world: &World) {
    let hash =
        if world.server.is_some() { "decode(lpad(to_hex(n), 8, '0'), 'hex')" } else { "CAST(n AS BLOB)" };
    let sql = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2500)
         INSERT INTO csrf_tokens (hash, expires) SELECT {hash}, 1 FROM numbers"
    );
    assert_eq!(world.change(&sql, &[]), 2500);
}

#[tokio::test]
async fn more_than_one_portion_goes_in_one_turn() {
    let (world, ..) = world(ServeOptions::default());
    many(&world);
    assert!(world.environment.keep_house().unwrap());
    assert_eq!(rows(&world, "csrf_tokens"), 0);
}

#[tokio::test]
async fn whoever_lost_its_turn_takes_out_nothing_more() {
    let (world, ..) = world(ServeOptions::default());
    many(&world);
    // Somebody else takes the turn while the first portion goes.
    let other = "UPDATE housekeeping SET holder = 'somebody else'";
    let taken = if world.server.is_some() {
        format!("CREATE RULE taken AS ON DELETE TO csrf_tokens DO ALSO {other}")
    } else {
        format!("CREATE TRIGGER taken AFTER DELETE ON csrf_tokens BEGIN {other}; END")
    };
    world.change(&taken, &[]);
    assert!(world.environment.keep_house().unwrap());
    assert_eq!(rows(&world, "csrf_tokens"), 1500);
}
