//! The limit beside us, in one run: raw `SQLite` with the same rows, the same indexes and the same commits; OpenSSL's
//! primitives over the same fields; a copy of the same bytes in memory. `openssl` must be on the path.
//!
//!     limits [RECORDS]

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that fails ends; its result is its output"
)]

use keyferry_api::item::ItemDraft;
use keyferry_api::vault::NewVault;
use keyferry_benches::{assert_opens, environment, record, stored, vault_key};
use keyferry_core::client::Client;
use keyferry_core::crypto::record::Protection;
use keyferry_core::crypto::{bulk, envelope, master_key};
use keyferry_core::engine::{Endpoint, Environment};
use keyferry_core::model::RecordPath;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records of one commit: those of one batch of the engine.
const COMMIT: usize = 500;
/// The best of so many: the machine may be doing other things.
const ROUNDS: usize = 3;

/// The best of a few rounds, in seconds.
fn best(mut work: impl FnMut() -> f64) -> f64 {
    (0..ROUNDS).map(|_| work()).fold(f64::INFINITY, f64::min)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}

/// One row of the table: µs a record, of the limit and of ours.
fn row(stage: &str, limit: (&str, f64), ours: f64, records: usize) {
    let each = |seconds: f64| seconds * 1e6 / records as f64;
    println!("| {stage} | {} | {:.2} | {:.2} | {:.2} |", limit.0, each(limit.1), each(ours), limit.1 / ours);
}

/// The rows of a table that writing records fills, as they stand.
struct Table {
    name: &'static str,
    insert: String,
    rows: Vec<Vec<Value>>,
}

const TABLES: [(&str, &str); 3] = [
    ("items", "SELECT * FROM items"),
    ("item_tags", "SELECT * FROM item_tags"),
    ("activity", "SELECT * FROM activity"),
];
/// The index of texts keeps none: what it was given is made anew, as the server makes it.
const TEXTS: &str =
    "SELECT seq, name || char(1) || coalesce(login, '') || char(1) || coalesce(url, '') || char(1)
    || coalesce(description, '') || char(1) || tags FROM items";

fn read(db: &Connection, name: &'static str, select: &str, columns: &str) -> Table {
    let mut statement = db.prepare(select).unwrap();
    let count = statement.column_count();
    let rows = statement
        .query_map([], |row| (0..count).map(|index| row.get(index)).collect())
        .unwrap()
        .collect::<Result<Vec<Vec<Value>>, _>>()
        .unwrap();
    let marks = vec!["?"; count].join(", ");
    Table { name, insert: format!("INSERT INTO {name} {columns} VALUES ({marks})"), rows }
}

fn tables(db: &Connection) -> Vec<Table> {
    let mut tables: Vec<_> = TABLES.iter().map(|(name, select)| read(db, name, select, "")).collect();
    let mut texts = read(db, "item_text", TEXTS, "(rowid, text)");
    for row in &mut texts.rows {
        if let [_, Value::Text(text)] = row.as_mut_slice() {
            *text = text.to_lowercase();
        }
    }
    tables.push(texts);
    tables
}

/// A database as the server opens it.
fn open(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "page_size", 8192).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "wal_autocheckpoint", 4096).unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db.pragma_update(None, "cache_size", -(64 << 10)).unwrap();
    // The rows come table by table.
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.set_prepared_statement_cache_capacity(64);
    db
}

/// Seconds to insert all rows, so many records a commit, into tables and indexes of the same schema: no rights, no JSON, no
/// foreign keys, one statement after the other.
fn raw_inserts(schema: &[String], tables: &[Table], records: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder.path().join("raw.db"));
    for sql in schema {
        db.execute_batch(sql).unwrap();
    }
    let ((), seconds) = timed(|| {
        for start in (0..records).step_by(COMMIT) {
            let transaction = db.unchecked_transaction().unwrap();
            for table in tables {
                // Tables have more or fewer rows than there are records: the same part of each.
                let part = |at: usize| at.min(records) * table.rows.len() / records;
                let mut insert = transaction.prepare_cached(&table.insert).unwrap();
                for row in &table.rows[part(start)..part(start + COMMIT)] {
                    insert.execute(params_from_iter(row)).unwrap();
                }
            }
            transaction.commit().unwrap();
        }
    });
    seconds
}

/// Seconds to read every item by its id.
fn raw_reads(path: &Path, ids: &[String]) -> f64 {
    let db = open(path);
    timed(|| {
        for ids in ids.chunks(COMMIT) {
            let transaction = db.unchecked_transaction().unwrap();
            let mut select = transaction.prepare_cached("SELECT * FROM items WHERE id = ?1").unwrap();
            let columns = select.column_count();
            for id in ids {
                let mut rows = select.query([id]).unwrap();
                let row = rows.next().unwrap().unwrap();
                for index in 0..columns {
                    std::hint::black_box(row.get_ref(index).unwrap());
                }
            }
        }
    })
    .1
}

/// Makes all items in a new environment, in batches; their ids, and the seconds.
async fn write(client: &Client, drafts: &[ItemDraft]) -> (Vec<String>, f64) {
    let vault = NewVault { name: "Infra".into(), ..NewVault::default() };
    let vault = NewVault {
        master_key_hash: Some("0".repeat(64)),
        master_key_encrypted: Some("0".into()),
        salt: Some("0".repeat(20)),
        ..vault
    };
    let vault = client.create_vault(&vault).await.unwrap();
    let drafts: Vec<ItemDraft> =
        drafts.iter().map(|draft| ItemDraft { vault_id: Some(vault.clone()), ..draft.clone() }).collect();
    let start = Instant::now();
    let mut ids = Vec::with_capacity(drafts.len());
    for drafts in drafts.chunks(COMMIT) {
        ids.extend(client.create_items(drafts).await.into_iter().map(Result::unwrap));
    }
    (ids, start.elapsed().as_secs_f64())
}

fn opened(endpoint: &Endpoint) -> Arc<Environment> {
    match endpoint {
        Endpoint::Environment(environment, _) => environment.clone(),
        _ => unreachable!("a bench's environment is one"),
    }
}

/// Seconds for one operation on so many bytes, as `openssl speed` counts them.
fn openssl(what: &str, bytes: usize) -> f64 {
    let bytes = bytes.to_string();
    let words = ["speed", "-mr", "-seconds", "1", "-bytes", &bytes, "-evp", what];
    let answer = Command::new("openssl").args(words).output().unwrap();
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let line =
        text.lines().rfind(|line| line.starts_with("+F:")).unwrap_or_else(|| panic!("no figure in {text}"));
    let rate: f64 = line.rsplit(':').next().unwrap().parse().unwrap();
    bytes.parse::<f64>().unwrap() / rate
}

/// Seconds of a whole process.
fn process(words: &[&str]) -> f64 {
    best(|| timed(|| assert!(Command::new("openssl").args(words).output().unwrap().status.success())).1)
}

/// Seconds to derive and encrypt (or decrypt) the fields of one record with OpenSSL's primitives, one after the other,
/// without either encoding: three MD5 over passphrase and salt, then AES-256-CBC.
fn primitives(fields: &[usize], direction: &[&str]) -> f64 {
    // A key has 100 characters; the second and third digest take the one before as well.
    let derive = openssl("md5", 108) + 2.0 * openssl("md5", 124);
    let cipher = |length: usize| {
        let padded = (length / 16 + 1) * 16;
        let padded_text = padded.to_string();
        let mut words = vec!["speed", "-mr", "-seconds", "1", "-bytes", &padded_text];
        words.extend(direction);
        words.extend(["-evp", "aes-256-cbc"]);
        let answer = Command::new("openssl").args(words).output().unwrap();
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let line = text
            .lines()
            .rfind(|line| line.starts_with("+F:"))
            .unwrap_or_else(|| panic!("no figure in {text}"));
        padded as f64 / line.rsplit(':').next().unwrap().parse::<f64>().unwrap()
    };
    let mut known = std::collections::HashMap::new();
    fields.iter().map(|length| derive + *known.entry(length / 16).or_insert_with(|| cipher(*length))).sum()
}

fn main() {
    let records: usize = std::env::args().nth(1).map_or(20_000, |word| word.parse().unwrap());
    let key = vault_key();
    let protection = Protection::VaultKey(&key);
    let pairs: Vec<_> = (0..records)
        .map(|number| {
            let tags = vec![format!("demo {}", number % 7)];
            (keyferry_core::model::Record { tags, ..record(number) }, protection)
        })
        .collect();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let drafts: Vec<_> = bulk::encrypt(&pairs).into_iter().map(Result::unwrap).collect();
    let items: Vec<_> = drafts.iter().cloned().map(stored).collect();
    assert_opens(&items, &pairs, protection);

    println!("| stage, {records} records | the limit | µs a record | ours | of the limit |");
    println!("|---|---|---|---|---|");

    let some = &pairs[..2000.min(records)];
    let fields: Vec<usize> = {
        let (record, _) = &pairs[records - 1];
        let customs = record.customs.iter();
        let texts =
            customs.flat_map(|one| [one.name.len(), one.kind.as_str().len(), one.value.expose().len()]);
        let password = record.password.iter().map(|password| password.expose().len());
        // The record's own key is one of them.
        texts.chain(password).chain([100]).collect()
    };
    let encrypt = best(|| timed(|| assert!(one.install(|| bulk::encrypt(some)).iter().all(Result::is_ok))).1);
    let limit = primitives(&fields, &[]) * some.len() as f64;
    row("encrypt, one core", ("OpenSSL's MD5 and AES-CBC, field by field", limit), encrypt, some.len());
    let path = RecordPath::default();
    let decrypt = best(|| {
        let opened = || one.install(|| bulk::decrypt(&items[..some.len()], protection, |_| path.clone()));
        timed(|| assert!(opened().iter().all(Result::is_ok))).1
    });
    let limit = primitives(&fields, &["-decrypt"]) * some.len() as f64;
    row("decrypt, one core", ("the same", limit), decrypt, some.len());

    let bytes: Vec<u8> = drafts.iter().flat_map(|draft| serde_json::to_vec(draft).unwrap()).collect();
    let copy = best(|| {
        let mut to = vec![0_u8; bytes.len()];
        timed(|| std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&bytes))).1
    });

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut kept = None;
    let written = best(|| {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = runtime.block_on(environment(folder.path(), Duration::ZERO, None));
        let opened = opened(&endpoint);
        let (ids, seconds) = runtime.block_on(write(opened.client(), &drafts));
        kept = Some((folder, opened, ids));
        seconds
    });
    let (folder, opened, ids) = kept.unwrap();
    let file = folder.path().join("environment.db");
    let db = open(&file);
    let schema: Vec<String> = db
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'item_text_%' AND name NOT LIKE 'sqlite_%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let tables = tables(&db);
    assert_eq!(tables[0].rows.len(), records);
    assert!(
        tables.iter().all(|table| table.rows.len() >= records),
        "{:?}",
        tables.iter().map(|t| t.name).collect::<Vec<_>>()
    );
    let raw = best(|| raw_inserts(&schema, &tables, records));
    row(
        "write, over the API in process",
        ("raw SQLite, same rows, indexes and commits", raw),
        written,
        records,
    );
    let raw = best(|| raw_reads(&file, &ids));
    let read = best(|| {
        let work = async {
            for ids in ids.chunks(COMMIT) {
                assert!(opened.client().items(ids).await.iter().all(Result::is_ok));
            }
        };
        timed(|| runtime.block_on(work)).1
    });
    row("read by id, over the API in process", ("raw SQLite, row by row", raw), read, records);
    row("the same bytes as JSON, written and read", ("a copy in memory", copy), written + read, records);
    assert!(envelope::is_envelope(drafts[0].key_encrypted.as_deref().unwrap_or_default()));
    key_derivation();
}

/// The one derivation of a run, beside OpenSSL's.
fn key_derivation() {
    // A process that derives for a second and more: what it takes to start is below a hundredth of it.
    let rounds = 300_000;
    let spent = process(&[
        "kdf",
        "-keylen",
        "64",
        "-kdfopt",
        "digest:SHA256",
        "-kdfopt",
        "pass:correct horse battery staple",
        "-kdfopt",
        "salt:AAAAAAAAAAAAAAAAAAAA",
        "-kdfopt",
        &format!("iter:{rounds}"),
        "PBKDF2",
    ]);
    let empty = process(&[
        "kdf",
        "-keylen",
        "64",
        "-kdfopt",
        "digest:SHA256",
        "-kdfopt",
        "pass:correct horse battery staple",
        "-kdfopt",
        "salt:AAAAAAAAAAAAAAAAAAAA",
        "-kdfopt",
        "iter:1000",
        "PBKDF2",
    ]);
    let options = master_key::Options::new("AAAAAAAAAAAAAAAAAAAA".into());
    let password = "correct horse battery staple".into();
    let ours = best(|| timed(|| master_key::derive(&password, &options)).1);
    println!();
    println!(
        "master key, {rounds} rounds of PBKDF2: OpenSSL {:.0} ms, ours {:.0} ms; of the limit {:.2}",
        (spent - empty) * 1e3,
        ours * 1e3,
        (spent - empty) / ours
    );
}
