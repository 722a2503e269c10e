//! Signals that reach us while a child runs are the child's.
//!
//! Those that the terminal makes (Ctrl-C, its end) go to every process in its foreground group: a child that shares
//! our group has them already, and must not get them twice. One in a session of its own has none of them.

use keyferry_core::{Error, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Handle, SignalsInfo};
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a child runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// In our process group.
    Shared,
    /// In a session of its own, on a terminal of its own.
    Own,
}

/// Signals that wait for a child to be handed to: from here on they no longer end us.
pub struct Signals(SignalsInfo<WithOrigin>);

impl Signals {
    /// Begins to listen.
    pub fn listen() -> Result<Self> {
        let signals = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];
        SignalsInfo::<WithOrigin>::new(signals).map(Self).map_err(|error| Error::io("the signals", error))
    }

    /// Hands signals on to the child; `resized` is called when the terminal's size changed.
    pub fn hand_on(self, child: &Child, group: Group, resized: impl Fn() + Send + 'static) -> HandedOn {
        let Self(mut signals) = self;
        let handle = signals.handle();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let child = Arc::new(Mutex::new(pid));
        let target = child.clone();
        std::thread::spawn(move || {
            for heard in signals.forever() {
                if heard.signal == SIGWINCH {
                    resized();
                    continue;
                }
                // What the terminal sends reaches the whole group by itself, but for the end of a terminal, which the
                // system tells its session's leader alone.
                let from_terminal = heard.process.is_none();
                if group == Group::Shared && from_terminal && heard.signal != SIGHUP {
                    continue;
                }
                let child = target.lock().unwrap_or_else(PoisonError::into_inner);
                if let (Some(child), Some(signal)) = (*child, Signal::from_named_raw(heard.signal)) {
                    // Where it has just ended there is nobody to hand it to.
                    let _ = kill_process(child, signal);
                }
            }
        });
        HandedOn { handle, child }
    }
}

/// Signals on their way to a child.
pub struct HandedOn {
    handle: Handle,
    /// `None` once its number may be another's.
    child: Arc<Mutex<Option<Pid>>>,
}

impl HandedOn {
    /// Waits for the child's end.
    pub fn wait(self, child: &mut Child) -> io::Result<ExitStatus> {
        let pid = *self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = pid {
            // The number stays the child's until it is taken from the system's table, which `wait` does.
            while let Err(error) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                if error != rustix::io::Errno::INTR {
                    break;
                }
            }
        }
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.handle.close();
        child.wait()
    }
}
