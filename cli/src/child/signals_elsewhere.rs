//! Where there are no signals: Ctrl-C reaches us and the child alike, and we wait for the child.

use keyferry_core::Result;
use std::io;
use std::process::{Child, ExitStatus};

/// Where a child runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// On our console.
    Shared,
}

/// Ctrl-C no longer ends us.
pub struct Signals;

impl Signals {
    /// Begins to listen.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub fn listen() -> Result<Self> {
        tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
        Ok(Self)
    }

    /// There is nothing to hand on.
    #[expect(clippy::unused_self, reason = "elsewhere it holds the signals")]
    pub fn hand_on(self, _child: &Child, _group: Group, _resized: impl Fn() + Send + 'static) -> HandedOn {
        HandedOn
    }
}

/// A child that is waited for.
pub struct HandedOn;

impl HandedOn {
    /// Waits for the child's end.
    #[expect(clippy::unused_self, reason = "elsewhere it holds the signals")]
    pub fn wait(self, child: &mut Child) -> io::Result<ExitStatus> {
        child.wait()
    }
}
