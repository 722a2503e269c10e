//! The whole way: 10,000 CSV rows into an empty embedded environment, with and without reading back.

#![expect(clippy::unwrap_used, reason = "a bench that fails ends")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keyferry_core::client::{Client, Session, in_process};
use keyferry_core::crypto::generate;
use keyferry_core::engine::{Endpoint, Environment, Options, Silent, Unlock, Verify, transfer};
use keyferry_core::model::RecordPath;
use keyferry_core::secret::SecretString;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

const ROWS: u64 = 10_000;

async fn empty(folder: &Path) -> Endpoint {
    let account = generate::new_account(&SecretString::from("a master password")).unwrap();
    let server = keyferry_server::Environment::create(folder, true).unwrap();
    let keys = keyferry_api::user::KeyPair {
        public: account.public_pem.clone(),
        private_encrypted: account.private_encrypted.clone(),
    };
    let user = keyferry_api::user::NewUser {
        email: None,
        full_name: None,
        username: Some("admin".into()),
        password: "a login password".into(),
        master_key_hash: Some(account.master_key_hash.clone()),
        master_key_options: Some(account.master_key_options.clone()),
        keys: Some(keys),
    };
    let id = server.add_user(user).unwrap();
    let tokens = server.issue_session(&id).unwrap();
    let session = Session { access_token: tokens.access_token.map(SecretString::new), ..Session::default() };
    let transport = in_process(server.router(keyferry_server::ServeOptions::default()));
    let client = Client::new(transport, "bench", session).with_batch_limit(500);
    let environment = Environment::open(client, Some(Unlock::MasterKey(account.master_key))).await.unwrap();
    Endpoint::Environment(Arc::new(environment), RecordPath::default())
}

fn import(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, keyferry_benches::csv(usize::try_from(ROWS).unwrap())).unwrap();
    let file = Endpoint::File { path, format: None };
    let mut group = criterion.benchmark_group("import 10,000 records");
    group.sample_size(10).throughput(Throughput::Elements(ROWS));
    for (name, verify) in [("read back", Verify::Full), ("trust", Verify::None)] {
        let options = Options { verify, ..Options::default() };
        group.bench_function(name, |b| {
            b.iter_batched(
                || {
                    let folder = tempfile::tempdir().unwrap();
                    let sink = runtime.block_on(empty(folder.path()));
                    (folder, sink)
                },
                |(folder, sink)| {
                    let report =
                        runtime.block_on(transfer(&file, &sink, &options, &Silent::default())).unwrap();
                    assert_eq!((report.created, report.different.len()), (ROWS, 0));
                    (folder, sink)
                },
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, import);
criterion_main!(benches);
