//! Bulk encryption through the C library against the same in Rust: JSON lines in, JSON lines out, batches of 1,000
//! records, in one run.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that fails ends; its result is its output"
)]

use keyferry::{kf_buffer, kf_buffer_free, kf_records_decrypt, kf_records_encrypt};
use keyferry_core::crypto::generate;
use keyferry_core::crypto::record::Protection;
use keyferry_core::formats::items::{decrypt_lines, encrypt_lines};
use std::fmt::Write as _;
use std::time::Instant;

const RECORDS: usize = 1_000;
/// Turns of each side; they take turns, because the machine's speed changes.
const ROUNDS: usize = 60;

type Through = extern "C" fn(
    *const std::ffi::c_void,
    usize,
    *const std::ffi::c_void,
    usize,
    *mut kf_buffer,
) -> keyferry::kf_status;

/// Milliseconds of one call, result freed.
fn c(function: Through, input: &[u8], key: &str) -> f64 {
    let start = Instant::now();
    let mut out = kf_buffer::default();
    let status = function(input.as_ptr().cast(), input.len(), key.as_ptr().cast(), key.len(), &raw mut out);
    assert!(status == 0 && out.len > 0);
    kf_buffer_free(&raw mut out);
    start.elapsed().as_secs_f64() * 1e3
}

fn rust(work: impl Fn(&mut Vec<u8>) -> u64) -> f64 {
    let start = Instant::now();
    let mut out = Vec::new();
    assert_eq!(work(&mut out), RECORDS as u64);
    drop(out);
    start.elapsed().as_secs_f64() * 1e3
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let key = generate::key().unwrap();
    let protection = Protection::VaultKey(&key);
    let mut records = String::new();
    for n in 0..RECORDS {
        writeln!(
            records,
            r#"{{"name":"account {n}","login":"user {n}","password":"secret {n}","url":"https://s{n}.example.com","customs":[{{"name":"a","type":"text","value":"one"}},{{"name":"b","type":"password","value":"two"}},{{"name":"c","type":"text","value":"three"}}]}}"#
        )
        .unwrap();
    }
    let mut items = Vec::new();
    encrypt_lines(records.as_bytes(), &mut items, protection).unwrap();

    println!("| 1,000 records, JSON lines, all cores | Rust | C | C over Rust |");
    println!("|---|---|---|---|");
    let mut times = [const { Vec::new() }; 4];
    for round in 0..ROUNDS {
        // Each side goes first as often as the other: what one leaves in caches and allocator helps the next.
        for side in [round % 2, 1 - round % 2] {
            if side == 0 {
                times[0].push(rust(|out| encrypt_lines(records.as_bytes(), out, protection).unwrap()));
            } else {
                times[1].push(c(kf_records_encrypt, records.as_bytes(), key.expose()));
            }
        }
        for side in [round % 2, 1 - round % 2] {
            if side == 0 {
                times[2].push(rust(|out| decrypt_lines(&items[..], out, protection).unwrap()));
            } else {
                times[3].push(c(kf_records_decrypt, &items, key.expose()));
            }
        }
    }
    let [rust_encrypt, c_encrypt, rust_decrypt, c_decrypt] = times.map(median);
    for (what, rust, c) in [("encrypt", rust_encrypt, c_encrypt), ("decrypt", rust_decrypt, c_decrypt)] {
        println!("| {what} | {rust:.2} ms | {c:.2} ms | {:+.1} % |", 100.0 * (c / rust - 1.0));
    }
}
