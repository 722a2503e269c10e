//! Progress of a job: a bar on a terminal, a plain line every few seconds elsewhere, none with `--quiet`.

use crate::output::{Output, clean};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keyferry_core::engine::{self, Progress, Step};
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
    /// Whether somebody can be asked.
    terminal: bool,
    bars: bool,
    state: Mutex<State>,
}

struct State {
    step: Step,
    /// Records of this step, where they were counted before.
    total: Option<u64>,
    /// About as many as there will be, by how much of the file has been read.
    about: Option<u64>,
    done: u64,
    began: Instant,
    said: Instant,
    job: Option<i64>,
    bar: Option<ProgressBar>,
}

impl State {
    /// More than the total, as a comparison also meets what only the other side has, and nobody knows it any more.
    fn count(&mut self, records: u64) {
        self.done += records;
        self.total = self.total.filter(|total| *total >= self.done);
    }

    /// `job 7 writing 1,200 of about 50,000, 3,100/s, 16 s left`.
    fn line(&self) -> String {
        let job = self.job.map_or_else(String::new, |job| format!("job {job} "));
        let of = match (self.total, self.about) {
            (Some(total), _) => format!(" of {}", grouped(total)),
            (None, Some(about)) => format!(" of about {}", grouped(about.max(self.done))),
            (None, None) => String::new(),
        };
        let line = format!("{job}{} {}{of}", self.step.word(), grouped(self.done));
        self.with_speed(line)
    }

    fn with_speed(&self, line: String) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = self.done as f64 / seconds.max(0.001);
        if seconds < 0.5 || self.done == 0 {
            return line;
        }
        format!("{line}, {}/s{}", grouped(whole(rate)), self.left(rate))
    }

    fn left(&self, rate: f64) -> String {
        let left = self.total.or(self.about).map(|all| all.saturating_sub(self.done) as f64 / rate);
        left.map_or_else(String::new, |left| format!(", {} left", time(whole(left.ceil()))))
    }

    /// The same in so many columns: the rate goes first, then the figures for a percentage.
    fn line_within(&self, columns: usize) -> String {
        let whole_line = self.line();
        let fits = |line: &String| line.chars().count() < columns;
        if fits(&whole_line) {
            return whole_line;
        }
        let rate = self.done as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let without_rate =
            whole_line.rsplit_once("/s").and_then(|(line, left)| Some((line.rsplit_once(", ")?.0, left)));
        let without_rate = without_rate.map(|(line, left)| format!("{line}{left}"));
        let job = self.job.map_or_else(String::new, |job| format!("job {job} "));
        let portion = self.total.or(self.about).filter(|all| *all > 0).map(|all| {
            let percent = (self.done.min(all) * 100) / all;
            format!("{job}{} {percent} %", self.step.word())
        });
        let with_left = portion.as_ref().map(|line| format!("{line}{}", self.left(rate)));
        let mut shorter = [without_rate, with_left, portion].into_iter().flatten();
        shorter.find(fits).unwrap_or_else(|| whole_line.chars().take(columns.max(2) - 1).collect())
    }
}

/// A figure for the eye: casts saturate, and nothing is counted with the result.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is at least nought, and rounded"
)]
fn whole(figure: f64) -> u64 {
    figure.max(0.0).round() as u64
}

/// `45 s`, `3 min`, `2 h 5 min`.
fn time(seconds: u64) -> String {
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5399 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    engine::report::page::grouped_by(number, ',')
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
        let now = Instant::now();
        let (step, total, about, job, bar) = (Step::Planning, None, None, None, None);
        let state = State { step, total, about, done: 0, began: now, said: now, job, bar };
        // What a dumb terminal cannot do is to write over a line.
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal();
        Self { quiet: output.quiet, terminal, bars: terminal && !dumb, state: Mutex::new(state) }
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
        (state.step, state.total, state.about, state.done) = (step, total, None, 0);
        (state.began, state.said) = (Instant::now(), Instant::now());
    }

    fn advance(&self, records: u64) {
        let mut state = self.state();
        state.count(records);
        if self.quiet {
            return;
        }
        if self.bars {
            let line = state.line_within(columns());
            // Only now is there something to show: what cannot be opened fails before.
            let bar = state.bar.get_or_insert_with(bar);
            bar.set_message(line);
            bar.tick();
        } else if state.said.elapsed() >= PAUSE {
            state.said = Instant::now();
            let _ = writeln!(std::io::stderr(), "{}", state.line());
        }
        if let (Some(bar), Some(all)) = (&state.bar, state.total.or(state.about)) {
            bar.set_length(all.max(state.done));
            bar.set_position(state.done);
        }
    }

    fn portion(&self, read: Option<f64>) {
        let mut state = self.state();
        // Little says little.
        if let Some(read) = read.filter(|read| *read > 0.01) {
            state.about = Some(whole(state.done as f64 / read).max(state.done));
        }
    }

    fn job(&self, number: i64) {
        self.state().job = Some(number);
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

/// The width of the terminal that progress is shown on.
fn columns() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stderr())
        && size.ws_col > 0
    {
        return size.ws_col.into();
    }
    80
}

/// The line first, so that a narrow terminal cuts off the bar and nothing else.
fn bar() -> ProgressBar {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|no| !no.is_empty());
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = if plain { "{msg} {wide_bar}" } else { "{msg} {wide_bar:.cyan}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(total: Option<u64>, about: Option<u64>, done: u64, seconds: u64) -> State {
        let began = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        State { step: Step::Writing, total, about, done, began, said: began, job: Some(7), bar: None }
    }

    #[test]
    fn a_narrow_terminal_gets_whole_words() {
        let state = state(Some(50_000), None, 12_345, 10);
        for (columns, line) in [
            (80, "job 7 writing 12,345 of 50,000, 1,234/s, 31 s left"),
            (45, "job 7 writing 12,345 of 50,000, 31 s left"),
            (40, "job 7 writing 24 %, 31 s left"),
            (25, "job 7 writing 24 %"),
            (10, "job 7 wri"),
        ] {
            assert_eq!(state.line_within(columns), line, "{columns}");
        }
    }

    #[test]
    fn a_line_tells_total_rate_time_left_and_the_job() {
        assert_eq!(
            state(Some(50_000), None, 12_345, 10).line(),
            "job 7 writing 12,345 of 50,000, 1,234/s, 31 s left"
        );
        assert_eq!(
            state(None, Some(2_000_000), 1_000, 1).line(),
            "job 7 writing 1,000 of about 2,000,000, 1,000/s, 34 min left"
        );
        assert_eq!(state(None, None, 0, 1).line(), "job 7 writing 0");
        let mut more = state(Some(4), None, 4, 0);
        assert_eq!(more.line(), "job 7 writing 4 of 4");
        more.count(4);
        assert_eq!(more.line(), "job 7 writing 8");
        assert_eq!(state(None, None, 3, 0).line(), "job 7 writing 3");
    }

    #[test]
    fn times_and_numbers_read_easily() {
        assert_eq!(
            [0, 89, 90, 5399, 5400, 90_000].map(time),
            ["0 s", "89 s", "2 min", "90 min", "1 h 30 min", "25 h 0 min"]
        );
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
