//! An attachment of 1 MiB on one core.

#![expect(clippy::unwrap_used, reason = "a bench that fails ends")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyferry_benches::vault_key;
use keyferry_core::crypto::attachment;
use keyferry_core::model::Attachment;
use keyferry_core::secret::SecretBytes;
use std::hint::black_box;

fn attachments(criterion: &mut Criterion) {
    let key = vault_key();
    let content: Vec<u8> = (0..1_u32 << 20).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let file = Attachment { name: "dump.bin".into(), content: SecretBytes::new(content) };
    let sealed = attachment::encrypt(&file, Some(&key)).unwrap();
    assert_eq!(attachment::decrypt(&sealed, Some(&key)).unwrap(), file);
    let mut group = criterion.benchmark_group("attachment/1 MiB");
    group.throughput(Throughput::Bytes(1 << 20));
    group
        .bench_function("encrypt", |b| b.iter(|| attachment::encrypt(black_box(&file), Some(&key)).unwrap()));
    group.bench_function("decrypt", |b| {
        b.iter(|| attachment::decrypt(black_box(&sealed), Some(&key)).unwrap());
    });
}

criterion_group!(benches, attachments);
criterion_main!(benches);
