//! Several processes that send what this one has read, placed and encrypted. They share the journal: this process puts chunks
//! there, sealed, each worker takes one at a time and says what came of it.

use crate::client::Made;
use crate::engine::environment::blocking;
use crate::engine::journal::{Board as _, Job, Outcome};
use crate::engine::workers::Workers;
use crate::error::{Error, ErrorKind, Result};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often workers are looked at, and chunks.
const LOOK: Duration = Duration::from_millis(25);
/// A worker that ended is replaced after so long.
const PAUSE: Duration = Duration::from_millis(200);
/// So long workers have to end by themselves.
const END: Duration = Duration::from_secs(10);
/// So many ends with an error in a row, without a chunk in between, are no accident.
const FAILURES: u64 = 5;

/// The workers of a transfer, at work until this is dropped.
pub(super) struct Crew {
    shared: Arc<Shared>,
    watching: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    /// Chunks that came back.
    sent: AtomicU64,
    failed: Mutex<Option<String>>,
}

impl Crew {
    /// Starts the workers, and replaces those that end.
    pub(super) fn start(workers: &Workers, job: &Job) -> Self {
        let shared = Arc::new(Shared::default());
        let (watched, workers, job) = (shared.clone(), workers.clone(), job.id());
        let watching = tokio::task::spawn_blocking(move || watch(&watched, &workers, job));
        Self { shared, watching: Mutex::new(Some(watching)) }
    }

    /// Has the workers end, and waits until none of them sends anything any more.
    pub(super) async fn end(&self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watching) = watching {
            // It has nothing to say but that it is over.
            let _ = watching.await;
        }
    }

    /// Waits until a chunk was sent; tells what came of each of its records.
    pub(super) async fn outcome(&self, job: &Job, chunk: i64) -> Result<Vec<Result<Made>>> {
        loop {
            let board = job.clone();
            if let Some(outcomes) = blocking(move || board.outcome(chunk)).await?? {
                self.shared.sent.fetch_add(1, Ordering::Relaxed);
                return Ok(outcomes.into_iter().map(result).collect());
            }
            if let Some(why) = self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                return Err(Error::new(ErrorKind::Io, format!("the workers of this job cannot work: {why}")).next_step(
                    "what they said stands above; they ask nobody, so tokens and keys come from variables, files, the keyring or a command",
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

/// Why there are no workers where nothing is encrypted by clients.
pub(super) fn unsealed() -> Error {
    Error::new(ErrorKind::Usage, "several workers need an environment with client-side encryption").next_step(
        "leave --workers out: what they send waits in the journal, which holds nothing in the clear",
    )
}

/// What came of a record, as if this process had sent it.
fn result(outcome: Outcome) -> Result<Made> {
    match outcome {
        Outcome::New(id) => Ok(Made::New(id)),
        Outcome::There(id) => Ok(Made::There(id)),
        Outcome::Failed(kind, what) => {
            let known = ErrorKind::ALL.iter().find(|known| known.name() == kind);
            Err(Error::new(known.copied().unwrap_or(ErrorKind::Internal), what))
        }
    }
}

/// Keeps so many workers running until the job ends. They end when their standard input does.
fn watch(shared: &Shared, workers: &Workers, job: i64) {
    let mut crew: Vec<Option<Child>> = (0..workers.count.max(1)).map(|_| None).collect();
    let mut not_before = Instant::now();
    let (mut failures, mut sent) = (0, 0);
    while !shared.ended.load(Ordering::Relaxed) {
        let now_sent = shared.sent.load(Ordering::Relaxed);
        if now_sent > sent {
            (failures, sent) = (0, now_sent);
        }
        let mut why = None;
        for place in &mut crew {
            match place {
                Some(worker) => match worker.try_wait() {
                    Ok(None) => {}
                    Ok(Some(status)) => {
                        // Killed from outside it says nothing of the next one.
                        failures += u64::from(status.code().is_some_and(|code| code != 0));
                        why = Some(format!("one ended with {status}"));
                        *place = None;
                        not_before = Instant::now() + PAUSE;
                    }
                    Err(error) => why = Some(error.to_string()),
                },
                None if Instant::now() >= not_before => match (workers.start)(job) {
                    Ok(worker) => *place = Some(worker),
                    Err(error) => {
                        failures += 1;
                        why = Some(error.to_string());
                        not_before = Instant::now() + PAUSE;
                    }
                },
                None => {}
            }
        }
        if failures >= FAILURES {
            let mut failed = shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert(why.unwrap_or_else(|| "they end at once".to_owned()));
            break;
        }
        std::thread::sleep(LOOK);
    }
    let until = Instant::now() + END;
    for mut worker in crew.into_iter().flatten() {
        drop(worker.stdin.take());
        while matches!(worker.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        let _ = worker.kill();
        let _ = worker.wait();
    }
}
