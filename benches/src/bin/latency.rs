//! What concurrency gains against a server that answers each request after 50 ms: records a second
//! with one request at a time, and with as many as the pace allows.
//!
//!     latency [RECORDS]
//!
//! With a number, so many records go to that server at the usual pace, for the arithmetic of `docs/scale.md`: seconds, the process's
//! peak of memory (client and server together), and what stands there afterwards.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that fails ends; its result is its output"
)]

use keyferry_benches::{environment, write_csv};
use keyferry_core::engine::{Endpoint, Options, Report, Silent, Verify, transfer};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const ROWS: usize = 5_000;
const ANSWER_AFTER: Duration = Duration::from_millis(50);

fn main() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let rows = std::env::args().nth(1).map_or(ROWS, |rows| rows.parse().unwrap());
    let mut file = BufWriter::new(File::create(&path).unwrap());
    write_csv(rows, &mut file).unwrap();
    file.flush().unwrap();
    if rows != ROWS {
        return many(&runtime, &path, rows);
    }
    let rate = |at_once| transferred(&runtime, &path, rows, at_once).rate();
    let (one, many) = (rate(Some(1)), rate(None));
    println!("one request at a time: {one:.0} records a second");
    println!("as many as the pace allows: {many:.0} records a second, {:.1} × (target 10 ×)", many / one);
}

fn transferred(runtime: &Runtime, path: &Path, rows: usize, at_once: Option<usize>) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let sink = runtime.block_on(environment(folder.path(), ANSWER_AFTER, at_once));
    let file = Endpoint::File { path: path.to_owned(), format: None };
    let options = Options { verify: Verify::None, ..Options::default() };
    let report = runtime.block_on(transfer(&file, &sink, &options, &Silent::default())).unwrap();
    assert_eq!(report.created, rows as u64);
    report
}

fn many(runtime: &Runtime, path: &Path, rows: usize) {
    let start = Instant::now();
    let report = transferred(runtime, path, rows, None);
    let seconds = start.elapsed().as_secs_f64();
    println!("| records | seconds | records a second | peak, MiB |");
    println!("|---|---|---|---|");
    println!("| {} | {seconds:.0} | {:.0} | {} |", report.created, report.rate(), peak());
}

/// The most memory that this process has had, in MiB, where the system tells.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = most.and_then(|most| most.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map_or("?".to_owned(), |kib| (kib / 1024).to_string())
}
