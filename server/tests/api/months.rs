//! The log and the snapshots on PostgreSQL, in parts by month: where rows go, that nobody notices, and databases from before.

use crate::outage::answers_of;
use crate::postgres::{self, Database};
use crate::world::{World, id, inhabited};
use keyferry_server::{Environment, ServeOptions};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Rows that lie in another part than that of their month.
const ASTRAY: &str = "SELECT (SELECT count(*) FROM activity WHERE CAST(tableoid::regclass AS TEXT) <> 'activity_' || to_char(to_timestamp(at) AT TIME ZONE 'UTC', 'YYYY_MM'))
    + (SELECT count(*) FROM snapshots WHERE CAST(tableoid::regclass AS TEXT) <> 'snapshots_' || to_char(to_timestamp(created_at) AT TIME ZONE 'UTC', 'YYYY_MM'))";

/// The middle of a month, so many after this one.
fn month(after: i64) -> String {
    format!(
        "CAST(extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC') + interval '{after} months 15 days') AS BIGINT)"
    )
}

fn on_server() -> Option<(World, String)> {
    let database = postgres::database()?;
    let environment = Environment::create_on(&database.address(), true).unwrap();
    let (router, alice, _) = inhabited(&environment, ServeOptions::default());
    let world = World { dir: tempfile::tempdir().unwrap(), environment, router, server: Some(database) };
    Some((world, alice))
}

/// An item that was changed twice, its vault, and what shows all that is kept in parts.
async fn changed(world: &World, alice: &str) -> (String, Vec<String>) {
    let vault = world.vault(alice).await;
    let item = id(&world.ok("POST", "/items", alice, json!({"vaultId": vault, "name": "n"})).await);
    for login in ["a", "b"] {
        world.ok("PATCH", &format!("/items/{item}"), alice, json!({"login": login})).await;
    }
    let paths = [
        "/activity-log?limit=1000",
        &format!("/activity-log?vaultId={vault}"),
        "/activity-log/check",
        &format!("/items/{item}/snapshots"),
    ];
    (item.clone(), paths.map(str::to_owned).to_vec())
}

/// A snapshot more of the item, as of the month that comes so many after this one.
fn snapshot_of(world: &World, after: i64) {
    let sql = format!(
        "INSERT INTO snapshots (id, item_id, name, tags, color, customs, attachments, created_at)
         SELECT substr(md5(random()::text), 1, 24), item_id, name, tags, color, customs, attachments, {}
         FROM snapshots ORDER BY seq LIMIT 1",
        month(after)
    );
    assert_eq!(world.change(&sql, &[]), 1);
}

#[tokio::test]
async fn rows_lie_in_the_part_of_their_month_and_are_one_table() {
    let Some((world, alice)) = on_server() else { return };
    let (item, paths) = changed(&world, &alice).await;
    assert_eq!(world.number("SELECT count(*) FROM activity"), 4);
    assert_eq!(world.number(ASTRAY), 0);
    for after in 1..=3 {
        snapshot_of(&world, after);
    }
    assert_eq!(world.number(ASTRAY), 0);
    // Of what came before there were parts, and of a clock that is years ahead, no row is refused.
    snapshot_of(&world, -30);
    snapshot_of(&world, 90);
    assert_eq!(world.number(ASTRAY), 2);
    assert_eq!(world.number("SELECT count(*) FROM snapshots_other"), 1);
    let listed = world.ok("GET", &paths[3], &alice, Value::Null).await;
    let listed = listed["items"].as_array().unwrap();
    assert_eq!(listed.len(), 7);
    for one in listed {
        let path = format!("/items/{item}/snapshot/{}", one["id"].as_str().unwrap());
        assert_eq!(world.ok("GET", &path, &alice, Value::Null).await["createdAt"], one["createdAt"]);
    }
    // With its item each of them goes, wherever it lies.
    let bin = world.ok("DELETE", &format!("/items/{item}"), &alice, json!({})).await;
    let gone = format!("/bin-items/{}", bin["binItemId"].as_str().unwrap());
    world.ok("DELETE", &gone, &alice, json!({})).await;
    assert_eq!(world.number("SELECT count(*) FROM snapshots"), 0);
    assert_eq!(world.ok("GET", "/activity-log/check", &alice, Value::Null).await["broken"], Value::Null);
}

#[tokio::test]
async fn the_coming_months_parts_are_made_in_time_or_as_soon_as_can_be() {
    let Some((world, alice)) = on_server() else { return };
    let (_, paths) = changed(&world, &alice).await;
    let server = world.server.as_ref().unwrap();
    let parts =
        "SELECT count(*) FROM pg_inherits WHERE inhparent IN ('activity'::regclass, 'snapshots'::regclass)";
    assert_eq!(server.number(parts), 12);
    let all = answers_of(&world, &alice, &paths).await;
    // A part is not there in time: its rows wait in the one that takes all.
    let lose = |table: &str, after: i64| {
        let name = format!(
            "SELECT 'DROP TABLE {table}_' || to_char(to_timestamp({}) AT TIME ZONE 'UTC', 'YYYY_MM')",
            month(after)
        );
        server.run(&format!("DO $$ BEGIN EXECUTE ({name}); END $$"));
    };
    lose("snapshots", 2);
    lose("activity", 3);
    snapshot_of(&world, 2);
    assert_eq!((server.number(parts), server.number(ASTRAY)), (10, 1));
    let turn = || {
        world.change("UPDATE housekeeping SET until = 1", &[]);
        world.environment.keep_house().unwrap()
    };
    {
        // Somebody reads for long: the part can wait, and who comes next does not.
        let _reads = server.hold("SELECT count(*) FROM snapshots");
        let began = Instant::now();
        assert!(turn());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        world.ok("GET", "/vaults", &alice, Value::Null).await;
    }
    assert!(server.number(parts) < 12);
    assert!(turn());
    assert_eq!((server.number(parts), server.number(ASTRAY)), (12, 0));
    let mut now = answers_of(&world, &alice, &paths).await;
    assert_eq!(now.pop().unwrap()["items"].as_array().unwrap().len(), 3);
    assert_eq!(now, all[..3]);
}

/// Makes the tables what they were before they came into parts, by the migrations of then.
fn put_back(database: &Database) {
    let first = include_str!("../../migrations/postgres/0010_initial.sql");
    let second = include_str!("../../migrations/postgres/0012_side_by_side.sql");
    let between = |text: &'static str, begins: &str, ends: &str| {
        let begun = &text[text.find(begins).unwrap()..];
        &begun[..begun.find(ends).unwrap() + ends.len()]
    };
    let snapshots = between(first, "CREATE TABLE snapshots", "ON snapshots (item_id);");
    let activity = between(first, "CREATE TABLE activity", "WHERE vault_id IS NOT NULL;");
    let more = between(second, "ALTER TABLE activity ADD COLUMN vault_seq", "FROM activity;");
    for (table, made) in [("snapshots", snapshots), ("activity", &format!("{activity}{more}"))] {
        database.run(&format!(
            "CREATE TABLE kept AS SELECT * FROM {table}; DROP TABLE {table}; {made}
             INSERT INTO {table} SELECT * FROM kept ORDER BY seq; DROP TABLE kept;
             SELECT setval(pg_get_serial_sequence('{table}', 'seq'), max(seq)) FROM {table}"
        ));
    }
    // What came after that version goes as well.
    database.run(
        "ALTER TABLE idempotency_keys DROP COLUMN digest, ADD PRIMARY KEY (user_id, key, turn);
         UPDATE keyferry_schema SET version = 13",
    );
    assert_eq!(database.number("SELECT count(*) FROM pg_partitioned_table"), 0);
}

/// Several servers begin with a database of the version before at the same time, beside one that knew nothing of this: all of it is
/// as it was, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_before_is_brought_into_parts_by_one_of_those_who_begin_with_it() {
    let Some((world, alice)) = on_server() else { return };
    let (item, paths) = changed(&world, &alice).await;
    // Of some months, and of one that is far ahead.
    for after in [-30, -1, 90] {
        snapshot_of(&world, after);
    }
    let before = answers_of(&world, &alice, &paths).await;
    let database = world.server.as_ref().unwrap();
    let version = database.number("SELECT version FROM keyferry_schema");
    put_back(database);
    assert_eq!(answers_of(&world, &alice, &paths).await, before, "the server that knew nothing of this");
    let address = database.address();
    let begun: Vec<_> = std::thread::scope(|scope| {
        let begin: Vec<_> = (0..4).map(|_| scope.spawn(|| Environment::open_on(&address))).collect();
        begin.into_iter().map(|one| one.join().unwrap().unwrap()).collect()
    });
    assert_eq!(database.number("SELECT version FROM keyferry_schema"), version);
    assert_eq!(database.number("SELECT count(*) FROM snapshots_other"), 1);
    let there = "SELECT count(*) FROM pg_class WHERE relname LIKE '%_before_2%' AND relkind = 'r'";
    assert_eq!(database.number(there), 2);
    let opened = |environment: Environment| {
        let router = environment.router(ServeOptions::default());
        World { dir: tempfile::tempdir().unwrap(), environment, router, server: None }
    };
    let servers: Vec<World> = begun.into_iter().map(opened).collect();
    for server in &servers {
        assert_eq!(answers_of(server, &alice, &paths).await, before);
    }
    // All of them go on, and so does the one that knew nothing of this.
    for server in servers.iter().chain([&world]) {
        server.ok("PATCH", &format!("/items/{item}"), &alice, json!({"login": "c"})).await;
        server.vault(&alice).await;
    }
    let now = answers_of(&world, &alice, &paths).await;
    assert_eq!(now[2]["broken"], Value::Null);
    assert_eq!(now[3]["items"].as_array().unwrap().len(), 10);
    assert!(servers[0].environment.keep_house().unwrap());
}
