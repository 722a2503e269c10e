//! Waits for PostgreSQL without being async: requests run where blocking is allowed, and whoever owns an environment in
//! process may stand within a runtime of their own, where no second one may block.
//!
//! Sockets are watched by one thread of the process; whoever waits for one drives its connection themselves.

use super::error::{DatabaseError, Result};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use tokio::runtime::{Builder, Runtime};

/// What watches the sockets.
fn reactor() -> Result<&'static Runtime> {
    static REACTOR: OnceLock<Runtime> = OnceLock::new();
    if let Some(reactor) = REACTOR.get() {
        return Ok(reactor);
    }
    let made = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("keyferry-postgres")
        .enable_all()
        .build()
        .map_err(|error| DatabaseError::away(format!("no thread can watch its sockets: {error}")))?;
    // Of two that were made at once one stays; a runtime must not be dropped where others run.
    if let Err(second) = REACTOR.set(made) {
        second.shutdown_background();
    }
    REACTOR.get().ok_or_else(|| DatabaseError::away("no thread watches its sockets"))
}

struct Sleeper {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// What a future comes to; this thread sleeps meanwhile.
pub(super) fn wait<F: Future>(future: F) -> Result<F::Output> {
    let _watched = reactor()?.enter();
    // Within somebody's task, reading a socket would be held back for the others' sake until that task returns.
    let mut future = pin!(tokio::task::unconstrained(future));
    let sleeper = Arc::new(Sleeper { thread: std::thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(sleeper.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        while !sleeper.woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}
