//! 10,000 rows of twelve columns into records.

#![expect(clippy::unwrap_used, reason = "a bench that fails ends")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyferry_core::formats::{self, Format, ReadOptions};
use keyferry_core::model::Entry;
use std::io::Cursor;

const ROWS: usize = 10_000;

fn parse(text: &str) -> usize {
    let input = Box::new(Cursor::new(text.to_owned()));
    let entries = formats::reader(Format::Csv, input, &ReadOptions::default()).unwrap();
    entries.filter(|entry| matches!(entry, Ok(Entry::Record(..)))).count()
}

fn csv(criterion: &mut Criterion) {
    let text = keyferry_benches::csv(ROWS);
    assert_eq!(parse(&text), ROWS);
    let mut group = criterion.benchmark_group("csv");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse 10,000 rows", |b| b.iter(|| parse(&text)));
}

criterion_group!(benches, csv);
criterion_main!(benches);
