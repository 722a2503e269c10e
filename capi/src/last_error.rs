//! What a failed call leaves behind, for each thread.

use crate::status::{self, kf_status};
use keyferry_core::Error;
use keyferry_core::model::visible::shown;
use std::cell::RefCell;
use std::error::Error as _;
use std::ffi::{CString, c_char};

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// What went wrong in the last call on this thread that failed: what, where, why, and what to do next, in one
/// line of UTF-8 without secrets; "" where none has failed yet. Owned by the library, and good until the next
/// call on this thread fails or the thread ends.
#[unsafe(no_mangle)]
pub extern "C" fn kf_last_error() -> *const c_char {
    LAST.with_borrow(|last| last.as_ptr())
}

/// A call that failed: its code, and the sentence for people.
#[derive(Debug)]
pub struct Failure {
    pub status: kf_status,
    pub told: String,
}

impl Failure {
    pub fn new(status: kf_status, told: impl Into<String>) -> Self {
        Self { status, told: told.into() }
    }

    /// Keeps the sentence for [`kf_last_error`].
    pub fn keep(self) -> kf_status {
        let told = shown(&self.told);
        LAST.set(CString::new(told).unwrap_or_default());
        self.status
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut told = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_told = cause.to_string();
            if !told.contains(&cause_told) {
                told = format!("{told}: {cause_told}");
            }
            source = cause.source();
        }
        if let Some(next) = error.next() {
            told = format!("{told} ({next})");
        }
        Self::new(status::of(error.kind()), told)
    }
}
