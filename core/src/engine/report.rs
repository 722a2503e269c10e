//! What a job says: while it runs, and when it has ended. Names and counts, never a value.

use crate::model::Reject;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading the source and what the sink holds already.
    Planning,
    /// Encrypting and sending, or writing a file.
    Writing,
    /// Reading back and comparing.
    Verifying,
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
    /// Records whose place was taken by other content, left alone.
    pub skipped: Vec<String>,
    /// Records that could not be taken, with the reason.
    pub rejected: Vec<Rejected>,
    /// Records read back and found equal.
    pub verified: u64,
    /// Records that were not found equal.
    pub different: Vec<Difference>,
    /// Vaults and folders that were made.
    pub folders_created: u64,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Wall-clock time of the whole job.
    pub seconds: f64,
}

impl Report {
    /// DESIGN's exit code: 4 for a difference, 3 for records left out, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if !self.different.is_empty() {
            4
        } else if !self.rejected.is_empty() || !self.skipped.is_empty() {
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
