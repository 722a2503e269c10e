//! 10,000 rows of twelve columns into records.

#![expect(clippy::unwrap_used, reason = "a bench that fails ends")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyferry_core::formats::{self, Format, ReadOptions};
use keyferry_core::model::Entry;
use std::io::Cursor;

const ROWS: usize = 10_000;

fn entries(text: &str) -> formats::Entries {
    let input = Box::new(Cursor::new(text.to_owned()));
    formats::reader(Format::CSV, input, &ReadOptions::default()).unwrap()
}

fn parse(text: &str) -> usize {
    entries(text).filter(|entry| matches!(entry, Ok(Entry::Record(..)))).count()
}

fn csv(criterion: &mut Criterion) {
    let text = keyferry_benches::csv(ROWS);
    assert_eq!(parse(&text), ROWS);
    for (row, entry) in entries(&text).enumerate() {
        let Ok(Entry::Record(record, _)) = entry else { panic!("row {row} is no record") };
        assert_eq!(record.name, format!("server-{row}"));
        assert_eq!(record.password, Some(format!("p,{row:x}\"w").into()));
        assert_eq!(record.description, format!("note {row}\nsecond line"));
        assert_eq!(record.customs.len(), 4);
    }
    let mut group = criterion.benchmark_group("csv");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse 10,000 rows", |b| b.iter(|| parse(&text)));
}

criterion_group!(benches, csv);
criterion_main!(benches);
