//! What happens meanwhile, for a program that wants to hear of it.

use crate::boundary::{Context, call};
use crate::listener::{self, Listener};
use crate::status::kf_status;
use std::ffi::{c_char, c_void};

/// Hears a sentence of UTF-8 without secrets, good for the time of the call. May be called from any thread, from
/// several at once, and must not call the library.
pub type kf_log_callback = Option<extern "C" fn(context: *mut c_void, level: i32, sentence: *const c_char)>;

/// Sends what the library has to tell to `callback`, or nowhere where that is NULL. The library prints nothing
/// by itself. `context` is handed to the callback as it is, and must live until another call of this function
/// has returned.
#[unsafe(no_mangle)]
pub extern "C" fn kf_set_log(callback: kf_log_callback, context: *mut c_void) -> kf_status {
    call(|| {
        let context = Context(context);
        listener::set(callback.map(|callback| -> Listener {
            Box::new(move |level, sentence| {
                callback(context.pointer(), level, sentence.as_ptr());
            })
        }));
        Ok(())
    })
}
