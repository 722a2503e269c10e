//! How often one address may ask, and how often it may guess.

use crate::error::{Refusal, Result};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::StatusCode;
use keyferry_api::error::code;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

/// Guesses of passwords, one-time codes and links: this many at once, and as many again each minute.
const GUESSES: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");
/// Addresses that have not asked for long are forgotten each time after this many requests.
const FORGET_EVERY: u32 = 10_000;

/// The limits of one served environment; requests within the server's own process have none.
pub(crate) struct Limits {
    requests: Option<DefaultKeyedRateLimiter<IpAddr>>,
    guesses: DefaultKeyedRateLimiter<IpAddr>,
    since_forgetting: AtomicU32,
}

impl Limits {
    pub fn new(per_second: Option<NonZeroU32>) -> Self {
        Self {
            requests: per_second.map(|most| RateLimiter::keyed(Quota::per_second(most))),
            guesses: RateLimiter::keyed(Quota::per_minute(GUESSES)),
            since_forgetting: AtomicU32::new(0),
        }
    }

    /// One request.
    pub fn request(&self, peer: Option<IpAddr>) -> Result<()> {
        if self.since_forgetting.fetch_add(1, Ordering::Relaxed) >= FORGET_EVERY {
            self.since_forgetting.store(0, Ordering::Relaxed);
            self.guesses.retain_recent();
            if let Some(requests) = &self.requests {
                requests.retain_recent();
            }
        }
        self.requests.as_ref().map_or(Ok(()), |limiter| check(limiter, peer))
    }

    /// One guess at something that is secret.
    pub fn guess(&self, peer: Option<IpAddr>) -> Result<()> {
        check(&self.guesses, peer)
    }
}

fn check(limiter: &DefaultKeyedRateLimiter<IpAddr>, peer: Option<IpAddr>) -> Result<()> {
    let Some(peer) = peer else { return Ok(()) };
    limiter.check_key(&peer).map_err(|until| {
        let wait = until.wait_time_from(DefaultClock::default().now());
        let seconds = wait.as_secs() + 1;
        let message = format!("Too many requests: wait {seconds} s.");
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, code::TOO_MANY_REQUESTS, message)
            .with_header(http::header::RETRY_AFTER, seconds.to_string())
    })
}
