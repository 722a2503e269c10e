//! Progress of a job: bars on a terminal, a plain line every few seconds elsewhere, none with `--quiet`.

use crate::output::{Output, clean};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keyferry_core::engine::{Progress, Step};
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two plain lines.
const PAUSE: Duration = Duration::from_secs(3);

/// Whether the user asked to stop.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Shows a job's progress on standard error and passes Ctrl-C on to it.
pub struct Shown {
    quiet: bool,
    terminal: bool,
    state: Mutex<State>,
}

struct State {
    step: Step,
    total: Option<u64>,
    done: u64,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Shown {
    /// Begins to listen for Ctrl-C: the first stops the job cleanly, the second ends at once.
    pub fn new(output: Output) -> Self {
        tokio::spawn(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if INTERRUPTED.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
                let _ = writeln!(
                    std::io::stderr(),
                    "keyferry: stopping when what is in flight has ended; Ctrl-C again ends at once"
                );
            }
        });
        let state = State { step: Step::Planning, total: None, done: 0, said: Instant::now(), bar: None };
        Self { quiet: output.quiet, terminal: std::io::stderr().is_terminal(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Shown {
    fn begin(&self, step: Step, total: Option<u64>) {
        let mut state = self.state();
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        (state.step, state.total, state.done, state.said) = (step, total, 0, Instant::now());
        if !self.quiet && self.terminal {
            state.bar = Some(bar(step, total));
        }
    }

    fn advance(&self, records: u64) {
        let mut state = self.state();
        state.done += records;
        if let Some(bar) = &state.bar {
            bar.inc(records);
        } else if !self.quiet && !self.terminal && state.said.elapsed() >= PAUSE {
            state.said = Instant::now();
            let of = state.total.map_or_else(String::new, |total| format!(" of {total}"));
            let _ = writeln!(std::io::stderr(), "{}: {}{of} records", state.step.word(), state.done);
        }
    }

    fn note(&self, sentence: &str) {
        let say = || {
            let _ = writeln!(std::io::stderr(), "keyferry: note: {}", clean(sentence));
        };
        let state = self.state();
        match &state.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    fn confirm(&self, question: &str) -> Option<bool> {
        if !self.terminal || !std::io::stdin().is_terminal() {
            return None;
        }
        let ask = || {
            let mut answer = String::new();
            let _ = write!(std::io::stderr(), "keyferry: {} [y/N] ", clean(question));
            // An end of input is no.
            let _ = std::io::stdin().read_line(&mut answer);
            matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
        };
        let state = self.state();
        Some(state.bar.as_ref().map_or_else(ask, |bar| bar.suspend(ask)))
    }

    fn interrupted(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = self.state().bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(step: Step, total: Option<u64>) -> ProgressBar {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|no| !no.is_empty());
    let (bar, template) = match total {
        Some(total) if plain => (ProgressBar::new(total), "{msg:9} {bar:30} {pos}/{len} {per_sec} {eta}"),
        Some(total) => (ProgressBar::new(total), "{msg:9} {bar:30.cyan} {pos}/{len} {per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{msg:9} {spinner} {pos} {per_sec}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(step.word());
    bar
}
