//! A terminal between ours and the child, so that what passes can be masked and the child still sees a terminal:
//! colours, line editing and the window's size survive.

use crate::child::mask::{Masker, Patterns};
use crate::child::signals::{Group, Signals};
use crate::child::{NotRun, Program, copy};
use keyferry_core::Error;
use pty_process::blocking::Pty;
use pty_process::{Size, blocking};
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

/// Runs the program on a terminal of its own.
pub fn run(program: &Program, signals: Signals, patterns: Arc<Patterns>) -> Result<ExitStatus, NotRun> {
    let failed = |error: io::Error| NotRun::ours(Error::io("a terminal for the program", error));
    let (pty, pts) = blocking::open().map_err(|error| failed(cause(error)))?;
    let pty = Arc::new(pty);
    resize(&pty);
    let typed = io::stdin().is_terminal();
    // In the background the keys are another's, and whoever touches the terminal is stopped.
    let ours = typed && tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp());
    // The program's terminal starts as ours is: the same keys, the same line editing.
    if let Ok(mut same) = tcgetattr(io::stdout()) {
        if !ours {
            // Ours stays as it is then, and ends lines itself.
            same.output_modes.remove(OutputModes::OPOST);
        }
        let _ = tcsetattr(&pts, OptionalActions::Now, &same);
    }
    let mut command = blocking::Command::from(program.command());
    if !typed {
        command = command.stdin(Stdio::inherit());
    }
    if !io::stderr().is_terminal() {
        command = command.stderr(Stdio::piped());
    }
    let raw = if ours { Raw::enter() } else { None };
    let child = keyferry_core::process::with_core_dumps_of_before(|| command.spawn(pts));
    let mut child = child.map_err(|error| program.not_started(cause(error)))?;
    let handed_on = {
        let pty = pty.clone();
        signals.hand_on(&child, Group::Own, move || resize(&pty))
    };
    if ours {
        let pty = pty.clone();
        // It ends with this process: nobody can take back what waits for a key.
        std::thread::spawn(move || hand_keys(&pty));
    }
    let errors = child.stderr.take().map(|pipe| {
        let masker = Masker::new(patterns.clone());
        std::thread::spawn(move || copy(pipe, io::stderr(), masker))
    });
    let output = std::thread::spawn(move || show(&pty, Masker::new(patterns)));
    let ended = handed_on.wait(&mut child);
    for thread in [Some(output), errors].into_iter().flatten() {
        let _ = thread.join();
    }
    drop(raw);
    ended.map_err(|error| NotRun::ours(Error::io("the program", error)))
}

fn cause(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(error) => error.into(),
    }
}

/// Gives the program's terminal the size of ours.
fn resize(pty: &Pty) {
    if let Ok(size) = tcgetwinsize(io::stdout()) {
        let _ = pty.resize(Size::new_with_pixel(size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel));
    }
}

/// What is typed goes to the program: keys such as Ctrl-C as well, which its own terminal makes signals of.
fn hand_keys(pty: &Pty) {
    let Ok(keys) = io::stdin().as_fd().try_clone_to_owned() else { return };
    let mut keys = File::from(keys);
    let mut piece = [0; 4096];
    let mut pty = pty;
    while let Ok(count @ 1..) = keys.read(&mut piece) {
        if pty.write_all(&piece[..count]).is_err() {
            break;
        }
    }
}

/// What the program shows is shown, masked, until its terminal is closed.
fn show(pty: &Pty, mut masker: Masker) {
    let mut piece = vec![0; 64 << 10];
    let mut out = Vec::new();
    let mut pty = pty;
    loop {
        let count = match pty.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A closed terminal is an error on some systems and an end on others.
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        masker.feed(&piece[..count], &mut out);
        // Where ours is gone the program must not wait for it.
        let _ = io::stdout().write_all(&out).and_then(|()| io::stdout().flush());
        out.clear();
    }
    masker.finish(&mut out);
    let _ = io::stdout().write_all(&out).and_then(|()| io::stdout().flush());
}

/// Our terminal, handing on each key as it is typed; as it was when dropped.
struct Raw(Termios);

impl Raw {
    fn enter() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
