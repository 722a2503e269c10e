//! The one place that writes: results to standard output, everything else to standard error.

pub mod progress;

use crate::args::Global;
use keyferry_core::engine::Report;
use keyferry_core::engine::report::values_line;
use keyferry_core::model::visible::shown;
use keyferry_core::{Error, ErrorKind, Result};
use serde::Serialize;
use std::error::Error as _;
use std::io::{self, IsTerminal as _, Write as _};

/// Lines about single records that a person is shown.
const MOST_LINES: usize = 100;

/// How and how much to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// Results are one JSON document.
    pub json: bool,
    /// No progress and no remarks.
    pub quiet: bool,
    verbose: bool,
}

impl Output {
    /// As the user asked for.
    pub fn new(global: &Global) -> Self {
        Self { json: global.json, quiet: global.quiet, verbose: global.verbose > 0 }
    }

    /// A line of a result.
    #[expect(clippy::unused_self, reason = "whoever writes holds an Output")]
    pub fn line(self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Error::io("-", error))
    }

    /// Lines of a result, of which a terminal gets the first hundred.
    pub fn lines<'a>(self, mut lines: impl Iterator<Item = &'a str>) -> Result<()> {
        let most = if io::stdout().is_terminal() { MOST_LINES } else { usize::MAX };
        for line in lines.by_ref().take(most) {
            self.line(&clean(line))?;
        }
        match lines.count() {
            0 => Ok(()),
            more => self.line(&format!("… and {more} more lines (--json, or into a file, shows all)")),
        }
    }

    /// A result as it is: no line is ended that was not.
    #[expect(clippy::unused_self, reason = "whoever writes holds an Output")]
    pub fn bytes(self, content: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(content).and_then(|()| out.flush()).map_err(|error| Error::io("-", error))
    }

    /// A JSON document, indented.
    pub fn document(self, value: &impl Serialize) -> Result<()> {
        self.line(&serde_json::to_string_pretty(value).map_err(not_shown)?)
    }

    /// A JSON document in one line.
    pub fn json_line(self, value: &impl Serialize) -> Result<()> {
        self.line(&serde_json::to_string(value).map_err(not_shown)?)
    }

    /// A remark for people, unless they asked for quiet.
    pub fn say(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// A warning, which quiet does not silence.
    #[expect(clippy::unused_self, reason = "whoever writes holds an Output")]
    pub fn warn(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "keyferry: warning: {text}");
    }

    /// A line for a program that reads standard error, which quiet does not silence.
    #[expect(clippy::unused_self, reason = "whoever writes holds an Output")]
    pub fn command(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// The error's line, its next step and, with `-v`, its causes.
    pub fn error(self, error: &Error) {
        let mut errors = io::stderr().lock();
        let red = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        let word = if red { "\u{1b}[31merror\u{1b}[0m" } else { "error" };
        let _ = writeln!(errors, "keyferry: {word}: {}", one_line(&error.to_string()));
        if let Some(next) = error.next() {
            let _ = writeln!(errors, "  next: {}", clean(next));
        }
        let mut cause = error.source().filter(|_| self.verbose);
        while let Some(source) = cause {
            let _ = writeln!(errors, "  because: {}", one_line(&source.to_string()));
            cause = source.source();
        }
    }

    /// The end of a job. What cannot move is told once: where something moved, and no page (`filed`) says it with the reasons.
    pub fn report(self, report: &Report, filed: bool) -> Result<()> {
        if self.json {
            return self.document(report);
        }
        // Quiet: what went as it should is the exit code's to say.
        if self.quiet && report.exit_code() == 0 {
            return Ok(());
        }
        let mut parts = vec![format!("{} records read", report.read)];
        let counts = [
            (report.created, "created"),
            (report.updated, "updated"),
            (report.unchanged, "there already"),
            (report.removed, "removed"),
            (report.folders_created, "vaults and folders made"),
            (report.verified, "verified equal"),
            (report.skipped.len() as u64, "skipped"),
            (report.rejected.len() as u64, "rejected"),
            (report.unequal(), "different"),
            (report.missing(), "missing"),
            (report.only_there, "only there"),
            (report.drifted.len() as u64, "drifted"),
        ];
        parts.extend(
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")),
        );
        parts.extend(report.values.as_ref().map(values_line));
        self.line(&format!(
            "{} in {:.1} s ({:.0} records/s)",
            parts.join(", "),
            report.seconds,
            report.rate()
        ))?;
        if let Some(held) = &report.held_back {
            self.line(&format!("  {}", clean(&held.to_string())))?;
        }
        let skipped =
            report.skipped.iter().map(|name| format!("skipped: {name}: its place is taken by other content"));
        let rejected = report.rejected.iter().map(|reject| format!("rejected: {reject}"));
        let different = report.different.iter().map(|one| {
            let (word, fields) = one.words();
            format!("{word}: {}{fields}", one.record)
        });
        let drifted =
            report.drifted.iter().map(|one| format!("drifted: {}: {}", one.record, one.what.join(", ")));
        let mut lines = skipped.chain(rejected).chain(different).chain(drifted);
        for line in lines.by_ref().take(MOST_LINES) {
            self.line(&format!("  {}", clean(&line)))?;
        }
        let more = lines.count();
        if more > 0 {
            self.line(&format!("  … and {more} more: --report FILE.html and --json have them all"))?;
        }
        for line in report.rights.iter().flat_map(|rights| rights.lines(false)) {
            self.line(&format!("  {}", clean(&line)))?;
        }
        for note in &report.notes {
            self.line(&format!("  note: {}", clean(note)))?;
        }
        let left = report.not_movable.iter().map(|one| match one.count {
            Some(count) => format!("{count} {}", one.what),
            None => one.what.to_owned(),
        });
        let left: Vec<_> = left.collect();
        if !left.is_empty() && !filed && report.created + report.updated > 0 {
            self.say(&format!("  not movable: {} (--report FILE.html says why)", left.join(", ")));
        }
        Ok(())
    }
}

/// Names come from files and servers: what a terminal obeys must not reach it.
pub fn clean(text: &str) -> String {
    shown(text)
}

fn one_line(text: &str) -> String {
    clean(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn not_shown(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "the result could not be written as JSON").because(error)
}
