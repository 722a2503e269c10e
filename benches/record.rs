//! Envelopes, records one by one and in bulk, and the master key.

#![expect(clippy::unwrap_used, reason = "a bench that fails ends")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyferry_benches::{assert_opens, record, stored, vault_key};
use keyferry_core::crypto::record::Protection;
use keyferry_core::crypto::{bulk, envelope, master_key, record as sealed};
use keyferry_core::model::RecordPath;
use std::hint::black_box;

fn envelopes(criterion: &mut Criterion) {
    let key = vault_key();
    for size in [32, 1024] {
        let text = "x".repeat(size);
        let envelope_text = envelope::encrypt_text(&text, &key).unwrap();
        assert_eq!(envelope::decrypt_text(&envelope_text, &key).unwrap().expose(), text);
        let mut group = criterion.benchmark_group(format!("envelope/{size} B"));
        group.bench_function("encrypt", |b| {
            b.iter(|| envelope::encrypt_text(black_box(&text), &key).unwrap());
        });
        group.bench_function("decrypt", |b| {
            b.iter(|| envelope::decrypt_text(black_box(&envelope_text), &key).unwrap());
        });
    }
}

fn records(criterion: &mut Criterion) {
    const BULK: usize = 1000;
    let key = vault_key();
    let protection = Protection::VaultKey(&key);
    let pairs: Vec<_> = (0..BULK).map(|number| (record(number), protection)).collect();
    let items: Vec<_> = bulk::encrypt(&pairs).into_iter().map(|draft| stored(draft.unwrap())).collect();
    let path = RecordPath::default();
    assert_opens(&items, &pairs, protection);
    let mut group = criterion.benchmark_group("record");
    group.bench_function("encrypt", |b| b.iter(|| sealed::encrypt(black_box(&pairs[..1]))));
    group.bench_function("decrypt", |b| {
        b.iter(|| sealed::decrypt(black_box(&items[..1]), protection, |_| path.clone()));
    });
    group.throughput(Throughput::Elements(BULK as u64));
    for threads in [1, 0] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let cores = if threads == 1 { "one core" } else { "all cores" };
        group.bench_function(format!("encrypt 1,000 on {cores}"), |b| {
            b.iter(|| pool.install(|| bulk::encrypt(black_box(&pairs))));
        });
        group.bench_function(format!("decrypt 1,000 on {cores}"), |b| {
            b.iter(|| pool.install(|| bulk::decrypt(black_box(&items), protection, |_| path.clone())));
        });
    }
}

/// By Python's `hashlib.pbkdf2_hmac`.
const MASTER_KEY: &str =
    "v6rKGClEW1l6ScBLO/36LtQKlivLX6eedc+Lhmp9hUqCnTM53i4DBerttm95Nr0dFXRYj5anj3q1C8uynrHZKw==";

fn master_keys(criterion: &mut Criterion) {
    let options = master_key::Options::new("AAAAAAAAAAAAAAAAAAAA".into());
    let password = "correct horse battery staple".into();
    assert_eq!(master_key::derive(&password, &options).expose(), MASTER_KEY);
    criterion.bench_function("master key/300,000 rounds", |b| {
        b.iter(|| master_key::derive(black_box(&password), &options));
    });
}

criterion_group!(benches, envelopes, records, master_keys);
criterion_main!(benches);
