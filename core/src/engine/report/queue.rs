//! Progress for a face whose user listens on one thread while the job runs on others.

use crate::engine::report::progress::{Progress, Step};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// The step.
    pub step: Step,
    /// Records that are through it.
    pub done: u64,
    /// Of so many, where known.
    pub total: Option<u64>,
}

/// Keeps what a job tells until somebody asks for it, and passes a wish to stop on to the job.
#[derive(Debug)]
pub struct Watched {
    stop: Arc<AtomicBool>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// Steps with news, the present one last.
    steps: Vec<News>,
    fresh: bool,
    notes: Vec<String>,
}

impl Watched {
    /// `stop` asks the job to end once it is set; what is in flight ends first.
    #[must_use]
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self { stop, told: Mutex::default() }
    }

    /// The steps that have come further since the last call, in order.
    #[must_use]
    pub fn news(&self) -> Vec<News> {
        let mut told = self.told();
        if !std::mem::take(&mut told.fresh) {
            return Vec::new();
        }
        let news = told.steps.clone();
        let past = told.steps.len().saturating_sub(1);
        told.steps.drain(..past);
        news
    }

    /// The sentences that were noted since the last call.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.told().notes)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Watched {
    fn begin(&self, step: Step, total: Option<u64>) {
        let mut told = self.told();
        told.steps.push(News { step, done: 0, total });
        told.fresh = true;
    }

    fn advance(&self, records: u64) {
        let mut told = self.told();
        if let Some(present) = told.steps.last_mut() {
            present.done += records;
        }
        told.fresh = true;
    }

    fn note(&self, sentence: &str) {
        self.told().notes.push(sentence.to_owned());
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
