//! Whoever hears what happens meanwhile: one for the whole library, or nobody.

use std::ffi::{CStr, CString};
use std::sync::{PoisonError, RwLock};

/// The level of what a user should know although nothing is wrong.
pub const KF_LOG_INFO: i32 = 1;
/// The level of what is wrong.
pub const KF_LOG_ERROR: i32 = 2;

/// What is called with a level and a sentence.
pub type Listener = Box<dyn Fn(i32, &CStr) + Send + Sync>;

static LISTENER: RwLock<Option<Listener>> = RwLock::new(None);

/// From now on this one hears.
pub fn set(listener: Option<Listener>) {
    *LISTENER.write().unwrap_or_else(PoisonError::into_inner) = listener;
}

/// A sentence without secrets, at a level of the header.
pub fn tell(level: i32, sentence: &str) {
    // Held while it is called: whoever changes the listener knows that the old one is done.
    let listener = LISTENER.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(listener) = &*listener {
        let sentence = CString::new(sentence.replace('\0', " ")).unwrap_or_default();
        listener(level, &sentence);
    }
}
