//! The whole way: 10,000 CSV rows into an empty embedded environment, with and without reading back.

#![expect(clippy::unwrap_used, reason = "a bench that fails ends")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keyferry_benches::environment;
use keyferry_core::engine::{Endpoint, Options, Silent, Verify, transfer};
use std::time::Duration;
use tokio::runtime::Runtime;

const ROWS: u64 = 10_000;

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
                    let sink = runtime.block_on(environment(folder.path(), Duration::ZERO, None));
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
