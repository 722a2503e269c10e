//! What concurrency gains against a server that answers each request after 50 ms: records a second
//! with one request at a time, and with as many as the pace allows.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that fails ends; its result is its output"
)]

use keyferry_benches::environment;
use keyferry_core::engine::{Endpoint, Options, Silent, Verify, transfer};
use std::time::Duration;

const ROWS: usize = 5_000;
const ANSWER_AFTER: Duration = Duration::from_millis(50);

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, keyferry_benches::csv(ROWS)).unwrap();
    let file = Endpoint::File { path, format: None };
    let options = Options { verify: Verify::None, ..Options::default() };
    let rate = |at_once: Option<usize>| {
        let folder = tempfile::tempdir().unwrap();
        let sink = runtime.block_on(environment(folder.path(), ANSWER_AFTER, at_once));
        let report = runtime.block_on(transfer(&file, &sink, &options, &Silent::default())).unwrap();
        assert_eq!(report.created, ROWS as u64);
        report.rate()
    };
    let (one, many) = (rate(Some(1)), rate(None));
    println!("one request at a time: {one:.0} records a second");
    println!("as many as the pace allows: {many:.0} records a second, {:.1} × (target 10 ×)", many / one);
}
