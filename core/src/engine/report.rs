//! What a job says: while it runs, and when it has ended. Names and counts, never a value.

use crate::model::Reject;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Reading the source and what the sink holds already.
    Planning,
    /// Encrypting and sending, or writing a file.
    Writing,
    /// Reading back and comparing.
    Verifying,
}

impl Step {
    /// How people are told of it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Step::Planning => "reading",
            Step::Writing => "writing",
            Step::Verifying => "verifying",
        }
    }
}

/// How a face shows progress and asks a job to stop. Called from many threads.
pub trait Progress: Send + Sync {
    /// A step begins; `total` counts records where known.
    fn begin(&self, step: Step, total: Option<u64>) {
        let _ = (step, total);
    }
    /// So many more records are through the present step.
    fn advance(&self, records: u64) {
        let _ = records;
    }
    /// A sentence that the user should see.
    fn note(&self, sentence: &str) {
        let _ = sentence;
    }
    /// Whether the user asked to stop. What is in flight ends first.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Shows nothing; can be asked to stop.
#[derive(Debug, Default)]
pub struct Silent(AtomicBool);

impl Silent {
    /// Asks the job to stop.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Progress for Silent {
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Passes progress on, and keeps what a chart of it needs.
pub(super) struct Timed<'a> {
    inner: &'a dyn Progress,
    start: Instant,
    stages: Mutex<Vec<Stage>>,
}

/// Points of a stage: when there are so many, every second one goes.
const MOST_POINTS: usize = 400;

impl<'a> Timed<'a> {
    pub(super) fn new(inner: &'a dyn Progress) -> Self {
        Self { inner, start: Instant::now(), stages: Mutex::default() }
    }

    fn stages(&self) -> MutexGuard<'_, Vec<Stage>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stages so far; the last ends now.
    pub(super) fn finish(&self) -> Vec<Stage> {
        let mut stages = self.stages();
        self.end_stage(&mut stages);
        std::mem::take(&mut *stages)
    }

    fn end_stage(&self, stages: &mut [Stage]) {
        if let Some(last) = stages.last_mut() {
            last.seconds = self.start.elapsed().as_secs_f64() - last.began;
        }
    }
}

impl Progress for Timed<'_> {
    fn begin(&self, step: Step, total: Option<u64>) {
        {
            let mut stages = self.stages();
            self.end_stage(&mut stages);
            let began = self.start.elapsed().as_secs_f64();
            stages.push(Stage { step, began, seconds: 0.0, records: 0, points: Vec::new() });
        }
        self.inner.begin(step, total);
    }

    fn advance(&self, records: u64) {
        if let Some(stage) = self.stages().last_mut() {
            stage.records += records;
            let at = self.start.elapsed().as_secs_f64() - stage.began;
            stage.points.push((at, stage.records));
            if stage.points.len() == MOST_POINTS {
                let mut keep = true;
                stage.points.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
        }
        self.inner.advance(records);
    }

    fn note(&self, sentence: &str) {
        self.inner.note(sentence);
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
}

/// The end of a transfer, in numbers and names.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Records that the source yielded.
    pub read: u64,
    /// Records that were made in the sink.
    pub created: u64,
    /// Records that were overwritten.
    pub updated: u64,
    /// Records that the sink held already, equal in everything.
    pub unchanged: u64,
    /// Records that a sync moved to the sink's bin.
    pub removed: u64,
    /// Records whose place was taken by other content, left alone.
    pub skipped: Vec<String>,
    /// Records that could not be taken, with the reason.
    pub rejected: Vec<Rejected>,
    /// Records read back and found equal.
    pub verified: u64,
    /// Records that were not found equal.
    pub different: Vec<Difference>,
    /// What was changed in the sink since the last sync, and is in its way.
    pub drifted: Vec<Difference>,
    /// Vaults and folders that were made.
    pub folders_created: u64,
    /// What the source holds besides records and folders, and why it stays there.
    pub not_movable: Vec<NotMovable>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Wall-clock time of the whole job.
    pub seconds: f64,
    /// What took how long.
    pub stages: Vec<Stage>,
}

/// One step of a job, and how it went on over time.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// Which step.
    pub step: Step,
    /// Seconds from the start of the job to its own.
    pub began: f64,
    /// Its length.
    pub seconds: f64,
    /// Records that went through it.
    pub records: u64,
    /// Seconds into the stage, and records that were through by then; a few hundred at most.
    pub points: Vec<(f64, u64)>,
}

/// A kind of thing that a transfer leaves where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotMovable {
    /// What it is: `shortcuts`.
    pub what: &'static str,
    /// How many there are, where the source tells.
    pub count: Option<u64>,
    /// The reason, and what to do instead.
    pub why: &'static str,
}

impl Report {
    /// DESIGN's exit code: 4 for a difference, 3 for records left out, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if !self.different.is_empty() {
            4
        } else if !self.rejected.is_empty() || !self.skipped.is_empty() || !self.drifted.is_empty() {
            3
        } else {
            0
        }
    }

    /// Records a second over the whole job.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.read as f64 / self.seconds } else { 0.0 }
    }
}

/// A record that was left out.
#[derive(Debug, Clone, Serialize)]
pub struct Rejected {
    /// Its position in the source.
    pub at: String,
    /// Path and name, where known.
    pub record: String,
    /// The reason.
    pub why: String,
}

impl From<Reject> for Rejected {
    fn from(reject: Reject) -> Self {
        Self { at: reject.at.to_string(), record: reject.label, why: reject.why }
    }
}

/// A record that differs between two locations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Path and name.
    pub record: String,
    /// `missing` (in the second), `extra` (only there), or the names of the fields that differ.
    pub what: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stage_keeps_few_points_and_all_records() {
        let silent = Silent::default();
        let timed = Timed::new(&silent);
        timed.begin(Step::Planning, None);
        timed.begin(Step::Writing, Some(10_000));
        for _ in 0..10_000 {
            timed.advance(1);
        }
        let stages = timed.finish();
        assert_eq!((stages.len(), stages[1].records), (2, 10_000));
        assert!(stages[1].points.len() < MOST_POINTS);
        assert!(stages[1].points.windows(2).all(|pair| pair[0].1 < pair[1].1 && pair[0].0 <= pair[1].0));
        assert!(stages[0].began + stages[0].seconds <= stages[1].began);
    }
}
