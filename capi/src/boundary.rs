//! Where C's promises are taken at their word: pointers in, results out, and no panic beyond this file.
//!
//! Functions of the header are called by C alone, which promises what the header says: a pointer is NULL or
//! points to as many readable (or, for results, writable) bytes as its length says, for the time of the call.
//! No type can hold C to that, so these helpers are crate-private and each names the promise that it relies on.

use crate::last_error::Failure;
use crate::listener::{self, KF_LOG_ERROR};
use crate::status::{self, KF_NOT_UTF8, KF_NULL, KF_OK, KF_PANIC, KF_TOO_LONG, kf_status};
use keyferry_core::secret::{SecretBytes, SecretString};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, Once, PoisonError};

/// What a function of the header gives inside the library.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Longer inputs are refused: a length like that is a negative number in disguise more often than data.
const MOST: u64 = 1 << 32;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Where the last panic happened. Its words are not kept: they could quote data.
static PANICKED: Mutex<Option<String>> = Mutex::new(None);

/// Runs the body of a function of the header: errors are kept for `kf_last_error`, and a panic becomes one.
pub fn call(body: impl FnOnce() -> Outcome) -> kf_status {
    call_with_outcome(|| body().map(|()| KF_OK))
}

/// The same for a body that ends well in more than one way.
pub fn call_with_outcome(body: impl FnOnce() -> Outcome<kf_status>) -> kf_status {
    quiet_panics();
    CALLS.set(CALLS.get() + 1);
    // Unwind safety: what a body shares with others is behind locks that recover, or not mutable.
    let outcome = panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(panicked()));
    CALLS.set(CALLS.get() - 1);
    outcome.unwrap_or_else(Failure::keep)
}

fn panicked() -> Failure {
    let place = PANICKED.lock().unwrap_or_else(PoisonError::into_inner).take();
    let place = place.unwrap_or_else(|| "an unknown place".to_owned());
    let told = format!("a promise of keyferry's own was broken at {place}: please report it");
    listener::tell(KF_LOG_ERROR, &told);
    Failure::new(KF_PANIC, told)
}

/// Keeps what our threads would print when they panic from standard error. Other panics go where they went.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let ours = CALLS.try_with(Cell::get).is_ok_and(|calls| calls > 0)
                || thread.name().is_some_and(|name| name.starts_with("keyferry-"))
                || rayon::current_thread_index().is_some();
            if !ours {
                return before(panic);
            }
            let place = panic.location().map(ToString::to_string);
            *PANICKED.lock().unwrap_or_else(PoisonError::into_inner) = place;
        }));
    });
}

/// Bytes that C lends for the time of the call. NULL is nothing where the length is 0.
pub fn bytes<'a>(data: *const c_void, len: usize, what: &str) -> Outcome<&'a [u8]> {
    if len as u64 > MOST || isize::try_from(len).is_err() {
        return Err(Failure::new(KF_TOO_LONG, format!("{what} is longer than 4 GiB")));
    }
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null(what));
    }
    // SAFETY: C promises `len` readable bytes at `data`, unchanged while the call lasts; no result outlives it.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// Text that C lends for the time of the call.
pub fn text<'a>(data: *const c_void, len: usize, what: &str) -> Outcome<&'a str> {
    std::str::from_utf8(bytes(data, len, what)?).map_err(|_| not_utf8(what))
}

/// A secret text, copied into memory that wipes itself.
pub fn secret(data: *const c_void, len: usize, what: &str) -> Outcome<SecretString> {
    text(data, len, what).map(SecretString::from)
}

/// A secret that may be missing: NULL or empty.
pub fn optional_secret(data: *const c_void, len: usize, what: &str) -> Outcome<Option<SecretString>> {
    Ok(Some(secret(data, len, what)?).filter(|text| !text.is_empty()))
}

/// Secret bytes, copied into memory that wipes itself.
pub fn secret_bytes(data: *const c_void, len: usize, what: &str) -> Outcome<SecretBytes> {
    bytes(data, len, what).map(|bytes| SecretBytes::new(bytes.to_vec()))
}

/// A NUL-terminated name or path.
pub fn name<'a>(text: *const c_char, what: &str) -> Outcome<&'a str> {
    optional_name(text, what)?.ok_or_else(|| null(what))
}

/// The same; NULL is none.
pub fn optional_name<'a>(text: *const c_char, what: &str) -> Outcome<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: C promises a NUL-terminated text, unchanged while the call lasts; no result outlives it.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| not_utf8(what))
}

/// A struct that C lends for the time of the call; NULL is none.
pub fn lent<'a, T>(data: *const T) -> Option<&'a T> {
    // SAFETY: C promises NULL or a whole `T`, aligned as its compiler does, unchanged while the call lasts.
    unsafe { data.as_ref() }
}

/// Where a result goes. It is cleared at once, so that C may free it whatever happens.
pub struct Out<T>(*mut T);

impl<T: Default> Out<T> {
    pub fn new(place: *mut T, what: &str) -> Outcome<Self> {
        if place.is_null() {
            return Err(null(what));
        }
        let out = Self(place);
        out.set(T::default());
        Ok(out)
    }

    /// A result that C may do without.
    pub fn optional(place: *mut T) -> Option<Self> {
        Self::new(place, "").ok()
    }

    pub fn set(&self, value: T) {
        // SAFETY: C promises room for a `T` there. What was in it needs no drop: results are plain data.
        unsafe { self.0.write(value) }
    }
}

/// Reads and clears a struct of C's: what `kf_buffer_free` does to its argument.
pub fn take<T: Default>(place: *mut T) -> Option<T> {
    if place.is_null() {
        return None;
    }
    // SAFETY: C promises NULL or a whole `T` that nobody else uses now.
    Some(unsafe { place.replace(T::default()) })
}

fn null(what: &str) -> Failure {
    Failure::new(KF_NULL, format!("{what} is NULL"))
}

fn not_utf8(what: &str) -> Failure {
    Failure::new(KF_NOT_UTF8, format!("{what} is not UTF-8"))
}

/// A usage error.
pub fn usage(told: impl Into<String>) -> Failure {
    Failure::new(status::KF_USAGE, told)
}

/// Where a callback's `context` is kept for another thread. C promises that its callback may be called there.
#[derive(Clone, Copy)]
pub struct Context(pub *mut c_void);

impl Context {
    /// What C gave.
    pub fn pointer(self) -> *mut c_void {
        self.0
    }
}

// SAFETY: the pointer is never followed here, only handed back to the callback that it came with, which the
// header says must work from any thread, and from several at once.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kf_last_error;

    #[test]
    fn a_panic_becomes_a_code_and_its_place_is_told_without_its_words() {
        let status = call(|| panic!("hidden words"));
        let told = name(kf_last_error(), "").unwrap();
        assert_eq!(status, KF_PANIC);
        assert!(told.contains("boundary.rs:") && !told.contains("hidden"), "{told}");
        assert_eq!(call(|| Ok(())), KF_OK, "and the next call works");
    }

    #[test]
    fn a_panic_on_another_thread_of_ours_becomes_a_code_too() {
        let body = || {
            (0..64).collect::<Vec<_>>().into_iter().for_each(drop);
            rayon::join(|| panic!("hidden words"), || ());
            Ok(())
        };
        assert_eq!(call(body), KF_PANIC);
    }
}
