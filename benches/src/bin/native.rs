//! keyferry's side of the comparison with peers: seconds for each unit of work, as JSON.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that fails ends; its result is its output"
)]

use keyferry_benches::{assert_opens, record, stored, vault_key};
use keyferry_core::crypto::record::Protection;
use keyferry_core::crypto::{attachment, bulk};
use keyferry_core::model::{Attachment, RecordPath};
use keyferry_core::secret::SecretBytes;
use std::time::Instant;

/// Seconds a call, the best of twenty rounds.
fn seconds(times: u32, mut work: impl FnMut()) -> f64 {
    let round = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..times).for_each(|_| work());
        start.elapsed().as_secs_f64() / f64::from(times)
    };
    (0..20).map(|_| round(&mut work)).fold(f64::INFINITY, f64::min)
}

fn main() {
    /// Four of the engine's chunks.
    const RECORDS: u32 = 2000;
    let key = vault_key();
    let protection = Protection::VaultKey(&key);
    let pairs: Vec<_> = (0..RECORDS).map(|number| (record(number as usize), protection)).collect();
    let items: Vec<_> = bulk::encrypt(&pairs).into_iter().map(|draft| stored(draft.unwrap())).collect();
    assert_opens(&items, &pairs, protection);
    let path = RecordPath::default();
    let bulk_seconds = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let encrypt =
            seconds(2, || assert!(pool.install(|| bulk::encrypt(&pairs)).iter().all(Result::is_ok)));
        let decrypt = seconds(2, || {
            let opened = pool.install(|| bulk::decrypt(&items, protection, |_| path.clone()));
            assert!(opened.iter().all(Result::is_ok));
        });
        (encrypt / f64::from(RECORDS), decrypt / f64::from(RECORDS))
    };
    let (encrypt_one, decrypt_one) = bulk_seconds(1);
    let (encrypt_all, decrypt_all) = bulk_seconds(0);
    let file = |size| Attachment { name: "a".into(), content: SecretBytes::new(vec![0xa5; size]) };
    let attach = |size| {
        let file = file(size);
        let sealed = attachment::encrypt(&file, Some(&key)).unwrap();
        assert_eq!(attachment::decrypt(&sealed, Some(&key)).unwrap(), file);
        seconds(10, || assert!(attachment::encrypt(&file, Some(&key)).is_ok()))
    };
    println!(
        "{}",
        serde_json::json!({
            "encrypt_one": encrypt_one, "decrypt_one": decrypt_one,
            "encrypt_all": encrypt_all, "decrypt_all": decrypt_all,
            "attachment_16k": attach(16 << 10), "attachment_32k": attach(32 << 10),
            "attachment_64k": attach(64 << 10), "attachment_1m": attach(1 << 20),
        })
    );
}
