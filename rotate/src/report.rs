//! What became of each record: names and states, never secrets.

use crate::transitions::{Holds, Works};
use keyferry_core::Error;
use serde::Serialize;

/// How it ended for one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A dry run: it could be rotated.
    Planned,
    /// The new secret works at the target, and the record holds it.
    Rotated,
    /// It failed, and the old secret works as before.
    RolledBack,
    /// It failed before anything was changed.
    Failed,
    /// The two sides do not agree, or one of them cannot be asked.
    Unsettled,
    /// The user asked to stop before it began.
    NotBegun,
    /// It is no record for this kind of target.
    LeftOut,
}

impl Outcome {
    /// How people and the journal are told.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Planned => "planned",
            Outcome::Rotated => "rotated",
            Outcome::RolledBack => "rolled back",
            Outcome::Failed => "failed",
            Outcome::Unsettled => "unsettled",
            Outcome::NotBegun => "not begun",
            Outcome::LeftOut => "left out",
        }
    }
}

/// One record of a report.
#[derive(Debug, Serialize)]
pub struct Rotated {
    /// Its path and name.
    pub record: String,
    /// Its id.
    pub id: String,
    /// Whose secret it is, and where; without secrets.
    pub account: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// What works at the target; `None` where that is not known.
    pub target: Option<Works>,
    /// What the record holds; `None` where that is not known.
    pub environment: Option<Holds>,
    /// Why it is not rotated.
    pub why: Option<String>,
    /// What to do about it.
    pub next: Option<String>,
    /// The error itself, where nothing was tried.
    #[serde(skip)]
    pub error: Option<Error>,
}

impl Rotated {
    /// A record that nothing was tried with.
    #[must_use]
    pub fn untried(record: String, id: String, outcome: Outcome, error: Error) -> Self {
        Self {
            record,
            id,
            account: None,
            outcome,
            target: None,
            environment: None,
            why: Some(error.to_string()),
            next: error.next().map(str::to_owned),
            error: Some(error),
        }
    }
}

/// A run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What `resume` takes; `None` for a dry run.
    pub job: Option<i64>,
    /// Each record, in the order in which they ended.
    pub records: Vec<Rotated>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// How many ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.records.iter().filter(|one| one.outcome == outcome).count()
    }

    /// Whether going on with the job could do more.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let open = [Outcome::RolledBack, Outcome::Failed, Outcome::Unsettled, Outcome::NotBegun];
        open.into_iter().any(|outcome| self.count(outcome) > 0)
    }

    /// 1 where the two sides of a record do not agree, 130 where the user stopped it, 3 where some failed safely.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.count(Outcome::Unsettled) > 0 {
            1
        } else if self.count(Outcome::NotBegun) > 0 {
            130
        } else if self.is_open() {
            3
        } else {
            0
        }
    }
}
