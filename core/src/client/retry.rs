//! Which failure is tried again, and after which pause.

use crate::client::answer;
use crate::{Error, ErrorKind};
use std::time::Duration;

/// Requests that one call may cost.
const MAX_TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A pause that we choose ourselves is no longer than this.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// When a request may be sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing.
    Always,
    /// It writes: only where the server said that it did not act.
    IfNotActed,
}

/// The pause before the next try; `None` where there is none. A server that asks for a longer one than `patience` is not
/// waited for: never earlier than asked, and never for ever.
pub(super) fn pause(error: &Error, tries: u32, repeat: Repeat, patience: Duration) -> Option<Duration> {
    let again = match error.kind() {
        ErrorKind::Busy | ErrorKind::Unreachable => true,
        // A full disk is not emptied by asking again.
        kind => repeat == Repeat::Always && kind.may_retry() && answer::status_and_code(error).0 != Some(507),
    };
    if !again || tries >= MAX_TRIES {
        return None;
    }
    let longest = match error.retry_after() {
        Some(asked) if asked > patience => return None,
        // The extra tenth keeps workers from coming back all at once.
        Some(asked) => return Some(asked.mul_f64(1.0 + random() / 10.0)),
        None => FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(MAX_PAUSE),
    };
    Some(longest.mul_f64(0.5 + random() / 2.0))
}

/// From 0 to 1. Only pauses depend on it, so a failing source of randomness is no failure.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
