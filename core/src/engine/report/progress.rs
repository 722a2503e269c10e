//! What a job says while it runs: steps, records, sentences; and how it is asked to stop.

use crate::error::{Error, ErrorKind, Result};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// So much of the source has been read, from 0 to 1, where something tells its length: what is through the step by now
    /// is about so much of the whole.
    fn portion(&self, read: Option<f64>) {
        let _ = read;
    }
    /// The number of the job in the journal, once it has one.
    fn job(&self, number: i64) {
        let _ = number;
    }
    /// A sentence that the user should see.
    fn note(&self, sentence: &str) {
        let _ = sentence;
    }
    /// Asks a person a question that is answered with yes or no. `None`: nobody is there to be asked.
    fn confirm(&self, question: &str) -> Option<bool> {
        let _ = question;
        None
    }
    /// Whether the user asked to stop. What is in flight ends first.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Ends the job where the user asked for it.
pub(crate) fn check(progress: &dyn Progress) -> Result<()> {
    if progress.interrupted() {
        return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
    }
    Ok(())
}

/// Between two looks at whether the user asked to stop.
const TICK: Duration = Duration::from_millis(100);

/// Waits for work that may wait for somebody else, such as the other end of a pipe, until the user asks to stop. The
/// work has a thread of its own, which does not hold up the end of the process.
pub(crate) async fn patiently<T: Send + 'static>(
    progress: &dyn Progress,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (done, mut end) = tokio::sync::oneshot::channel();
    // Nobody waits any more where the user asked to stop.
    std::thread::spawn(move || drop(done.send(work())));
    loop {
        match tokio::time::timeout(TICK, &mut end).await {
            Ok(Ok(result)) => return result,
            Ok(Err(_)) => return Err(Error::new(ErrorKind::Internal, "a worker ended early")),
            Err(_) => check(progress)?,
        }
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
pub(crate) struct Timed<'a> {
    inner: &'a dyn Progress,
    start: Instant,
    stages: Mutex<Vec<Stage>>,
}

/// Points of a stage: when there are so many, every second one goes.
const MOST_POINTS: usize = 400;
/// Points of all stages in a report, whose readers are people and small programs.
const MOST_IN_REPORT: usize = 100;

impl<'a> Timed<'a> {
    pub(crate) fn new(inner: &'a dyn Progress) -> Self {
        Self { inner, start: Instant::now(), stages: Mutex::default() }
    }

    fn stages(&self) -> MutexGuard<'_, Vec<Stage>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stages so far; the last ends now.
    pub(crate) fn finish(&self) -> Vec<Stage> {
        let mut stages = self.stages();
        self.end_stage(&mut stages);
        let each = MOST_IN_REPORT / stages.len().max(1);
        stages.iter_mut().for_each(|stage| thin(&mut stage.points, each));
        std::mem::take(&mut *stages)
    }

    fn end_stage(&self, stages: &mut [Stage]) {
        if let Some(last) = stages.last_mut() {
            last.seconds = self.start.elapsed().as_secs_f64() - last.began;
        }
    }
}

/// Keeps `count` of the points, evenly, the last among them.
fn thin(points: &mut Vec<(f64, u64)>, count: usize) {
    if points.len() > count {
        let step = |number: usize| (number + 1) * points.len() / count - 1;
        *points = (0..count).filter_map(|number| points.get(step(number)).copied()).collect();
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

    fn portion(&self, read: Option<f64>) {
        self.inner.portion(read);
    }

    fn note(&self, sentence: &str) {
        self.inner.note(sentence);
    }

    fn confirm(&self, question: &str) -> Option<bool> {
        self.inner.confirm(question)
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
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
    /// Seconds into the stage, and records that were through by then; a hundred at most in all stages together.
    pub points: Vec<(f64, u64)>,
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
        assert!(stages.iter().map(|stage| stage.points.len()).sum::<usize>() <= MOST_IN_REPORT);
        assert!(
            stages[1].points.len() >= 40 && stages[1].points.last().is_some_and(|point| point.1 >= 9_900)
        );
        assert!(stages[1].points.windows(2).all(|pair| pair[0].1 < pair[1].1 && pair[0].0 <= pair[1].0));
        assert!(stages[0].began + stages[0].seconds <= stages[1].began);
    }
}
