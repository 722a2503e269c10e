//! How often one address may ask, and how often it may guess; and how soon an account may be guessed at again.
//!
//! How often an address asked is forgotten when the server starts anew; what is known of guesses at an account is not: it
//! goes to the store, and comes back from there.

use crate::error::{Refusal, Result};
use crate::id::now;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::StatusCode;
use keyferry_api::error::code;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Guesses of passwords, one-time codes and links: this many at once, and as many again each minute.
const GUESSES: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");
/// Addresses that have not asked for long are forgotten each time after this many requests.
const FORGET_EVERY: u32 = 10_000;

/// The limits of one served environment; requests within the server's own process have none.
pub(crate) struct Limits {
    requests: Option<DefaultKeyedRateLimiter<IpAddr>>,
    guesses: DefaultKeyedRateLimiter<IpAddr>,
    since_forgetting: AtomicU32,
    accounts: Mutex<HashMap<[u8; 32], Account>>,
}

/// What is known of guesses at one account.
#[derive(Default)]
struct Account {
    /// Wrong ones since the last right one.
    misses: u32,
    /// Before this nobody guesses who was not right from the same network before.
    next: Option<Instant>,
    /// Networks from which the password was right, the latest last.
    known: Vec<IpAddr>,
}

/// The same as it outlives this process.
pub(crate) struct Kept {
    /// The digest of the account's name.
    pub key: [u8; 32],
    pub misses: u32,
    /// In Unix seconds.
    pub next: Option<i64>,
    pub known: Vec<IpAddr>,
}

impl Account {
    fn kept(&self, key: [u8; 32]) -> Kept {
        let wait = self.next.and_then(|next| next.checked_duration_since(Instant::now()));
        let next = wait.map(|wait| now().saturating_add_unsigned(wait.as_secs() + 1));
        Kept { key, misses: self.misses, next, known: self.known.clone() }
    }
}

/// Wrong passwords until the next one has to wait, and the longest that it waits: a stranger can slow down somebody
/// who signs in from a network for the first time, and lock nobody out.
const FREE_MISSES: u32 = 5;
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Networks that are known for an account, and accounts that are.
const MOST_KNOWN: usize = 8;
const MOST_ACCOUNTS: usize = 10_000;

impl Limits {
    /// With what was kept of guesses at accounts.
    pub fn new(per_second: Option<NonZeroU32>, kept: Vec<Kept>) -> Self {
        let accounts = kept.into_iter().map(|kept| {
            let Kept { key, misses, next, known } = kept;
            // A clock that was set back holds nobody up for longer than a miss does.
            let wait = next.and_then(|next| u64::try_from(next - now()).ok()).map(Duration::from_secs);
            let next = wait.map(|wait| Instant::now() + wait.min(LONGEST_WAIT));
            (key, Account { misses, next, known })
        });
        Self {
            requests: per_second.map(|most| RateLimiter::keyed(Quota::per_second(most))),
            guesses: RateLimiter::keyed(Quota::per_minute(GUESSES)),
            since_forgetting: AtomicU32::new(0),
            accounts: Mutex::new(accounts.collect()),
        }
    }

    /// One guess at an account's password, before it is looked at. A network that was right before is not held up by
    /// what others guess.
    pub fn account(&self, name: &str, peer: Option<IpAddr>) -> Result<()> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(account) = accounts.get(&key(name)) else { return Ok(()) };
        if peer.is_some_and(|peer| account.known.contains(&network(peer))) {
            return Ok(());
        }
        let wait = account.next.and_then(|next| next.checked_duration_since(Instant::now()));
        wait.map_or(Ok(()), |wait| Err(later(wait)))
    }

    /// The guess was wrong; what to keep of the account, where there is one.
    pub fn missed(&self, name: &str) -> Kept {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MOST_ACCOUNTS {
            let at = Instant::now();
            accounts
                .retain(|_, account| account.next.is_some_and(|next| next > at) || !account.known.is_empty());
        }
        let key = key(name);
        let account = accounts.entry(key).or_default();
        account.misses = account.misses.saturating_add(1);
        if let Some(over) = account.misses.checked_sub(FREE_MISSES) {
            let wait = Duration::from_secs(1 << over.min(10)).min(LONGEST_WAIT);
            account.next = Some(Instant::now() + wait);
        }
        account.kept(key)
    }

    /// The guess was right; what to keep of the account.
    pub fn succeeded(&self, name: &str, peer: Option<IpAddr>) -> Kept {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(name);
        let account = accounts.entry(key).or_default();
        (account.misses, account.next) = (0, None);
        if let Some(network) = peer.map(network) {
            account.known.retain(|known| *known != network);
            account.known.push(network);
            if account.known.len() > MOST_KNOWN {
                account.known.remove(0);
            }
        }
        account.kept(key)
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
    let until = limiter.check_key(&network(peer));
    until.map_err(|until| later(until.wait_time_from(DefaultClock::default().now())))
}

fn later(wait: Duration) -> Refusal {
    let seconds = wait.as_secs() + 1;
    let message = format!("Too many requests: wait {seconds} s.");
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, code::TOO_MANY_REQUESTS, message)
        .with_header(http::header::RETRY_AFTER, seconds.to_string())
}

/// Who an address is: of IPv6 its /64, as each customer has at least so many addresses.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Names of any length take the same room.
fn key(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_guesser() {
        let limits = Limits::new(None, Vec::new());
        let mut refused = 0;
        for last in 0..100_u16 {
            let peer = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last);
            refused += u32::from(limits.guess(Some(peer.into())).is_err());
        }
        assert!(refused >= 60, "{refused}");
        assert!(limits.guess(Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1).into())).is_ok());
        // The same IPv4 address, however it is written.
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), network("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn an_account_waits_and_its_owner_does_not() {
        let limits = Limits::new(None, Vec::new());
        let (owner, stranger) = (Some("192.0.2.1".parse().unwrap()), Some("198.51.100.1".parse().unwrap()));
        limits.succeeded("alice", owner);
        for _ in 0..FREE_MISSES {
            limits.account("alice", stranger).unwrap();
            limits.missed("alice");
        }
        assert!(limits.account("alice", stranger).is_err());
        assert!(limits.account("alice", owner).is_ok() && limits.account("bob", stranger).is_ok());
        limits.succeeded("alice", owner);
        assert!(limits.account("alice", stranger).is_ok());
        // However often: the wait has an end.
        (0..100).for_each(|_| drop(limits.missed("alice")));
        let accounts = limits.accounts.lock().unwrap();
        assert!(accounts[&key("alice")].next.unwrap() <= Instant::now() + LONGEST_WAIT);
    }

    #[test]
    fn what_was_kept_holds_up_whom_it_held_up_and_nobody_for_long() {
        let (owner, stranger) = (Some("192.0.2.1".parse().unwrap()), Some("198.51.100.1".parse().unwrap()));
        let before = Limits::new(None, Vec::new());
        before.succeeded("alice", owner);
        let mut kept = before.missed("alice");
        (0..10).for_each(|_| kept = before.missed("alice"));
        // A clock that was set back by a day.
        kept.next = kept.next.map(|next| next + 24 * 60 * 60);
        let after = Limits::new(None, vec![kept]);
        assert!(after.account("alice", stranger).is_err());
        assert!(after.account("alice", owner).is_ok() && after.account("bob", stranger).is_ok());
        let accounts = after.accounts.lock().unwrap();
        assert!(accounts[&key("alice")].next.unwrap() <= Instant::now() + LONGEST_WAIT);
        assert_eq!(accounts[&key("alice")].misses, 11);
    }
}
