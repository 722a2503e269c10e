//! What the database does for a request, as it does it: counted, and noted for whoever is told of the request.

use crate::metrics::Metrics;
use crate::trace::{Seen, What};
use std::cell::RefCell;
use std::time::Instant;

thread_local! {
    /// A request is answered by one thread, from its head to its body; nothing where nobody is to be told.
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// Does `work`, and tells what was seen of it if that `is_wanted`.
pub(crate) fn seen<T>(is_wanted: bool, work: impl FnOnce() -> T) -> (T, Seen) {
    SEEN.set(is_wanted.then(Seen::default));
    let done = work();
    (done, SEEN.take().unwrap_or_default())
}

/// A batch of so many requests begins.
pub(crate) fn batch(metrics: &Metrics, requests: usize) {
    metrics.batch(requests);
    SEEN.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            seen.batch = Some(requests);
        }
    });
}

/// Something that the database does, from here to where this is dropped.
pub(crate) struct Doing<'m> {
    metrics: &'m Metrics,
    what: What,
    began: Instant,
    kept: bool,
}

impl<'m> Doing<'m> {
    pub fn begin(metrics: &'m Metrics, what: What) -> Self {
        metrics.begins(what);
        Self { metrics, what, began: Instant::now(), kept: false }
    }

    /// It went well.
    pub fn kept(mut self) {
        self.kept = true;
    }
}

impl Drop for Doing<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.metrics.ends(self.what, took, self.kept);
        SEEN.with_borrow_mut(|seen| {
            if let Some(seen) = seen {
                seen.parts.push((self.what, self.began, took));
            }
        });
    }
}
