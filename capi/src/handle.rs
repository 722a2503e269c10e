//! What the library keeps for its caller under a number. A number is never given twice, so one that was closed,
//! or belongs to something of another kind, is an error and never somebody else's object.

use crate::boundary::Outcome;
use crate::last_error::Failure;
use crate::status::KF_BAD_HANDLE;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The numbers of all tables.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Objects of one kind by number. Whoever uses one keeps it alive, so closing during a call is safe.
pub struct Table<T> {
    what: &'static str,
    open: RwLock<Option<HashMap<u64, Arc<T>>>>,
}

impl<T> Table<T> {
    pub const fn new(what: &'static str) -> Self {
        Self { what, open: RwLock::new(None) }
    }

    pub fn open(&self, object: T) -> u64 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.get_or_insert_default().insert(number, Arc::new(object));
        number
    }

    pub fn get(&self, number: u64) -> Outcome<Arc<T>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let found = open.as_ref().and_then(|open| open.get(&number)).cloned();
        found.ok_or_else(|| self.bad(number))
    }

    pub fn close(&self, number: u64) -> Outcome {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let closed = open.as_mut().and_then(|open| open.remove(&number));
        drop(open);
        closed.map(drop).ok_or_else(|| self.bad(number))
    }

    fn bad(&self, number: u64) -> Failure {
        Failure::new(KF_BAD_HANDLE, format!("{number} is no open {}", self.what))
    }
}
