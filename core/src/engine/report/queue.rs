//! Progress for a face whose user listens on one thread while the job runs on others.

use crate::engine::report::progress::{Progress, Step};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressUpdate {
    /// The step.
    pub step: Step,
    /// Records that are through it.
    pub done: u64,
    /// Of so many, where known.
    pub total: Option<u64>,
}

/// Keeps what a job tells until somebody asks for it, and passes a wish to stop on to the job.
#[derive(Debug)]
pub struct ProgressQueue {
    stop: Arc<AtomicBool>,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    /// Steps with news, the present one last.
    steps: Vec<ProgressUpdate>,
    fresh: bool,
    notes: Vec<String>,
}

impl ProgressQueue {
    /// `stop` asks the job to end once it is set; what is in flight ends first.
    #[must_use]
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self { stop, pending: Mutex::default() }
    }

    /// The steps that have come further since the last call, in order.
    #[must_use]
    pub fn news(&self) -> Vec<ProgressUpdate> {
        let mut pending = self.pending();
        if !std::mem::take(&mut pending.fresh) {
            return Vec::new();
        }
        let news = pending.steps.clone();
        let past = pending.steps.len().saturating_sub(1);
        pending.steps.drain(..past);
        news
    }

    /// The sentences that were noted since the last call.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.pending().notes)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for ProgressQueue {
    fn begin(&self, step: Step, total: Option<u64>) {
        let mut pending = self.pending();
        pending.steps.push(ProgressUpdate { step, done: 0, total });
        pending.fresh = true;
    }

    fn advance(&self, records: u64) {
        let mut pending = self.pending();
        if let Some(present) = pending.steps.last_mut() {
            present.done += records;
        }
        pending.fresh = true;
    }

    fn note(&self, sentence: &str) {
        self.pending().notes.push(sentence.to_owned());
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
