//! How many processes send what a transfer has read, and how one of them is started.

use std::fmt;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker keeps a chunk without a sign of life, unless it is said otherwise.
pub const LEASE: Duration = Duration::from_secs(30);

/// Starts a worker for a job: a process that does what [`work`](crate::engine::work) does until its standard input, a pipe, ends.
pub type Start = dyn Fn(i64) -> std::io::Result<Child> + Send + Sync;

/// The workers of a transfer.
#[derive(Clone)]
pub struct Workers {
    /// At least one.
    pub count: usize,
    /// How long a worker keeps a chunk without a sign of life.
    pub lease: Duration,
    /// See [`Start`].
    pub start: Arc<Start>,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("count", &self.count)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
