//! The same records out of files of several formats: 100,000 of a CSV, of JSON lines and of Bitwarden's JSON, 10,000 of a KDBX.

#![expect(clippy::unwrap_used, reason = "a bench that fails ends")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use keyferry_crypto::model::{Custom, CustomKind, Entry, Record, RecordPath};
use keyferry_formats::{Format, ReadOptions, WriteOptions, reader, writer};
use std::hint::black_box;
use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

const PASSPHRASE: &str = "correct horse battery staple";

/// A record with a password and three custom fields: the unit of all comparisons (`benches/src/lib.rs`).
fn record(number: usize) -> Record {
    let custom = |name: &str, kind, value: String| Custom { name: name.into(), kind, value: value.into() };
    Record {
        path: RecordPath { vault: Some("Infra".into()), folders: vec!["Databases".into()] },
        name: format!("server-{number}"),
        login: "postgres".into(),
        password: Some(format!("correct horse battery {number}").into()),
        url: "https://db.example:5432".into(),
        customs: vec![
            custom("API key", CustomKind::Password, format!("k-{number:032}")),
            custom("port", CustomKind::Text, "5432".into()),
            custom("otp", CustomKind::Totp, "otpauth://totp/Lab:ops?secret=GEZDGNBVGY3TQOJQ".into()),
        ],
        ..Record::default()
    }
}

/// Where a writer leaves its file.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A file of so many records.
fn file(format: Format, records: usize) -> Vec<u8> {
    let out = Shared::default();
    let options = WriteOptions { passphrase: Some(PASSPHRASE.into()), ..WriteOptions::default() };
    let mut writer = writer(format, Box::new(out.clone()), &options).unwrap();
    for number in 0..records {
        writer.write(&record(number)).unwrap();
    }
    writer.finish().unwrap();
    std::mem::take(&mut *out.0.lock().unwrap())
}

fn read(format: Format, bytes: &Arc<[u8]>, mut each: impl FnMut(Record)) {
    let options = ReadOptions { passphrase: Some(PASSPHRASE.into()), ..ReadOptions::default() };
    // Not copied for each reading: a file is not, either.
    let input = Box::new(Cursor::new(Arc::clone(bytes)));
    for entry in reader(format, input, &options).unwrap() {
        if let Entry::Record(record, _) = entry.unwrap() {
            each(record);
        }
    }
}

fn readers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    group.sample_size(10);
    for (name, records) in
        [("csv", 100_000), ("jsonl", 100_000), ("bitwarden-json", 100_000), ("kdbx", 10_000), ("kdbx", 0)]
    {
        let format = Format::from_name(name).unwrap();
        let bytes = Arc::from(file(format, records));
        let mut number = 0;
        read(format, &bytes, |found| {
            let wanted = record(number);
            assert_eq!((&found.name, &found.password), (&wanted.name, &wanted.password), "{name}");
            assert_eq!(found.customs.len(), wanted.customs.len(), "{name}");
            number += 1;
        });
        assert_eq!(number, records, "{name}");
        // Of an empty database what is left is the derivation of its key, which costs the same whatever it holds.
        group.throughput(Throughput::Elements(records.max(1) as u64));
        group.bench_function(BenchmarkId::new(name, records), |bench| {
            bench.iter(|| read(format, &bytes, |record| drop(black_box(record))));
        });
    }
    group.finish();
}

criterion_group!(benches, readers);
criterion_main!(benches);
