//! How many requests are under way at once: more while all goes well, half as many when the
//! environment asks to slow down or does not answer (additive increase, multiplicative decrease, as
//! in RFC 5681).

use crate::ErrorKind;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Requests at once in the beginning.
const FIRST: f64 = 4.0;
/// More than this gains nothing against any server that was tried, and costs memory.
pub(super) const MOST: usize = 32;
/// Failures of requests that were under way together count once.
const BREATH: Duration = Duration::from_millis(500);

/// A gate that all requests of a client and its clones pass.
pub(super) struct Pace {
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    limit: f64,
    most: usize,
    under_way: usize,
    lowered: Option<Instant>,
}

/// The right to have one request under way.
pub(super) struct Turn<'a>(&'a Pace);

impl Pace {
    pub(super) fn new() -> Self {
        let state = State { limit: FIRST, most: MOST, under_way: 0, lowered: None };
        Self { state: Mutex::new(state), freed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock, so what it guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the most requests at once.
    pub(super) fn limit(&self, most: usize) {
        let mut state = self.state();
        state.most = most.clamp(1, MOST);
        state.limit = state.limit.min(state.most as f64);
    }

    /// Waits until one more request may be sent.
    pub(super) async fn enter(&self) -> Turn<'_> {
        loop {
            // Registered before looking, so that no notice is missed in between.
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            {
                let mut state = self.state();
                if (state.under_way as f64) < state.limit.floor() {
                    state.under_way += 1;
                    return Turn(self);
                }
            }
            freed.await;
        }
    }

    /// A request was answered well: one more at once for every full round.
    pub(super) fn went_well(&self) {
        let mut state = self.state();
        state.limit = (state.limit + 1.0 / state.limit).min(state.most as f64);
        drop(state);
        self.freed.notify_one();
    }

    /// A request was refused for the load, or got no answer.
    pub(super) fn went_badly(&self, kind: ErrorKind) {
        if !matches!(kind, ErrorKind::Busy | ErrorKind::Unanswered | ErrorKind::Unreachable) {
            return;
        }
        let mut state = self.state();
        if state.lowered.is_none_or(|when| when.elapsed() >= BREATH) {
            state.lowered = Some(Instant::now());
            state.limit = (state.limit / 2.0).max(1.0);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_gate_opens_step_by_step_and_closes_by_half() {
        let pace = Pace::new();
        let turns = [pace.enter().await, pace.enter().await, pace.enter().await, pace.enter().await];
        let fifth = tokio::time::timeout(Duration::from_millis(20), pace.enter()).await;
        assert!(fifth.is_err(), "four at once in the beginning");
        (0..1000).for_each(|_| pace.went_well());
        assert!(pace.state().limit <= MOST as f64);
        let fifth = pace.enter().await;
        pace.went_badly(ErrorKind::Busy);
        pace.went_badly(ErrorKind::Busy);
        assert!((pace.state().limit - MOST as f64 / 2.0).abs() < 0.1, "one congestion counts once");
        pace.went_badly(ErrorKind::Refused);
        drop((turns, fifth));
        assert_eq!(pace.state().under_way, 0);
    }

    #[tokio::test]
    async fn whoever_waits_is_let_in_when_another_leaves() {
        let pace = std::sync::Arc::new(Pace::new());
        let mut turns = Vec::new();
        for _ in 0..4 {
            turns.push(pace.enter().await);
        }
        let waiting = {
            let pace = pace.clone();
            tokio::spawn(async move { drop(pace.enter().await) })
        };
        tokio::task::yield_now().await;
        turns.pop();
        waiting.await.unwrap();
    }
}
