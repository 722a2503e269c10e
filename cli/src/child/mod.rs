//! A program that runs with secrets: in place of us, or below us where its output is masked or files are to be removed.

pub mod environment;
pub mod files;
pub mod forms;
pub mod mask;
#[cfg(unix)]
mod pty;
#[cfg(unix)]
mod signals;
#[cfg(not(unix))]
#[path = "signals_elsewhere.rs"]
mod signals;

pub use crate::child::environment::Environment;
pub use crate::child::signals::Signals;

use crate::child::mask::{Masker, Patterns};
use crate::child::signals::Group;
use keyferry_core::error::Place;
use keyferry_core::{Error, ErrorKind};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

/// Our own failures, as `env` and `docker run` count them: below that the code is the program's.
const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Why a program did not run, and the exit code that says so.
pub struct NotRun {
    /// 125, 126 or 127.
    pub code: u8,
    /// What to tell.
    pub error: Error,
}

impl NotRun {
    /// A failure of our own.
    pub fn ours(error: Error) -> Self {
        Self { code: FAILED, error }
    }
}

impl From<Error> for NotRun {
    fn from(error: Error) -> Self {
        Self::ours(error)
    }
}

/// A program, its arguments and all that it finds in its environment.
pub struct Program {
    /// The program's name or path.
    pub name: OsString,
    /// Its arguments, exactly.
    pub arguments: Vec<OsString>,
    /// Its environment, whole.
    pub environment: Environment,
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.arguments).env_clear();
        for (name, content) in &self.environment {
            command.env(name, content.expose());
        }
        command
    }

    /// Becomes the program: nothing of us is left, and none of our memory. Comes back only where that failed.
    #[cfg(unix)]
    pub fn replace_us(&self) -> NotRun {
        use std::os::unix::process::CommandExt as _;
        keyferry_core::process::with_core_dumps_of_before(|| self.not_started(self.command().exec()))
    }

    /// Runs it below us; its exit code, or 128 and the number of the signal that ended it.
    pub fn run(&self, signals: Signals, mask: Option<Arc<Patterns>>) -> Result<u8, NotRun> {
        let status = match mask {
            #[cfg(unix)]
            Some(patterns) if io::IsTerminal::is_terminal(&io::stdout()) => {
                pty::run(self, signals, patterns)?
            }
            mask => self.run_with_pipes(signals, mask)?,
        };
        Ok(code(status))
    }

    fn run_with_pipes(&self, signals: Signals, mask: Option<Arc<Patterns>>) -> Result<ExitStatus, NotRun> {
        let mut command = self.command();
        if mask.is_some() {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let child = keyferry_core::process::with_core_dumps_of_before(|| command.spawn());
        let mut child = child.map_err(|error| self.not_started(error))?;
        let handed_on = signals.hand_on(&child, Group::Shared, || {});
        let mut threads = Vec::new();
        if let Some(patterns) = mask {
            let masker = || Masker::new(patterns.clone());
            if let Some(pipe) = child.stdout.take() {
                let masker = masker();
                threads.push(std::thread::spawn(move || copy(pipe, io::stdout(), masker)));
            }
            if let Some(pipe) = child.stderr.take() {
                let masker = masker();
                threads.push(std::thread::spawn(move || copy(pipe, io::stderr(), masker)));
            }
        }
        let ended = handed_on.wait(&mut child);
        // Whoever the program left behind with its output may still write, as in a pipe of the shell's.
        for thread in threads {
            let _ = thread.join();
        }
        ended.map_err(|error| NotRun::ours(Error::io("the program", error)))
    }

    fn not_started(&self, error: io::Error) -> NotRun {
        let place = Place::File { path: (&self.name).into(), at: None };
        let (code, what, next) = match error.kind() {
            io::ErrorKind::NotFound => {
                (NOT_FOUND, "there is no such program", "look at its name and at PATH")
            }
            io::ErrorKind::ArgumentListTooLong => (
                FAILED,
                "arguments and environment are larger than the system takes",
                "pass large secrets as files: --file NAME=REFERENCE",
            ),
            _ => (
                NOT_EXECUTABLE,
                "this program cannot be run",
                "make it executable, or name its interpreter first",
            ),
        };
        let error = Error::new(ErrorKind::Io, what).at(place).next_step(next).because(error);
        NotRun { code, error }
    }
}

/// Passes on what comes, masked, until it ends; where nobody listens any more the pipe is closed, so that the program
/// learns of it.
fn copy(mut from: impl Read, mut to: impl Write, mut masker: Masker) {
    let mut piece = vec![0; 64 << 10];
    let mut out = Vec::new();
    loop {
        let ended = match from.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => {
                masker.finish(&mut out);
                true
            }
            Ok(count) => {
                masker.feed(&piece[..count], &mut out);
                false
            }
        };
        if to.write_all(&out).and_then(|()| to.flush()).is_err() || ended {
            return;
        }
        out.clear();
    }
}

#[cfg(unix)]
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> u8 {
    // Codes are larger here, and a process's own may not be: 1 at least says that it failed.
    status.code().map_or(FAILED, |code| u8::try_from(code).unwrap_or(1))
}
