//! What happens meanwhile, for a program that wants to hear of it.

use crate::boundary::{Context, call};
use crate::status::kf_status;
use std::ffi::{CString, c_char, c_void};
use std::sync::{PoisonError, RwLock};

/// Hears a sentence of UTF-8 without secrets, good for the time of the call. May be called from any thread, from
/// several at once, and must not call the library.
pub type kf_log_callback = Option<extern "C" fn(context: *mut c_void, level: i32, sentence: *const c_char)>;

/// The level of what a user should know although nothing is wrong.
pub const KF_LOG_INFO: i32 = 1;
/// The level of what is wrong.
pub const KF_LOG_ERROR: i32 = 2;

#[derive(Clone, Copy)]
struct Listener {
    callback: extern "C" fn(*mut c_void, i32, *const c_char),
    context: Context,
}

static LISTENER: RwLock<Option<Listener>> = RwLock::new(None);

/// Sends what the library has to tell to `callback`, or nowhere where that is NULL. The library prints nothing
/// by itself. `context` is handed to the callback as it is, and must live until another call of this function
/// has returned.
#[unsafe(no_mangle)]
pub extern "C" fn kf_set_log(callback: kf_log_callback, context: *mut c_void) -> kf_status {
    call(|| {
        let listener = callback.map(|callback| Listener { callback, context: Context(context) });
        *LISTENER.write().unwrap_or_else(PoisonError::into_inner) = listener;
        Ok(())
    })
}

pub fn info(sentence: &str) {
    tell(KF_LOG_INFO, sentence);
}

pub fn error(sentence: &str) {
    tell(KF_LOG_ERROR, sentence);
}

fn tell(level: i32, sentence: &str) {
    // Held while it is called: whoever changes the listener knows that the old one is done.
    let listener = LISTENER.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(Listener { callback, context }) = *listener {
        let sentence = CString::new(sentence.replace('\0', " ")).unwrap_or_default();
        callback(context.0, level, sentence.as_ptr());
    }
}
