//! Memory that the library lends to its caller until it is freed.

use crate::boundary::{call, take};
use crate::last_error::Failure;
use crate::status::{KF_BAD_BUFFER, kf_status};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// Bytes that the library made. Good until `kf_buffer_free`; to be read, not written. After `len` bytes stands
/// a NUL that does not count, so that a text can be used as a C string. `data` is NULL after a call that failed.
#[repr(C)]
#[derive(Debug)]
pub struct kf_buffer {
    /// The bytes, or NULL.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

impl Default for kf_buffer {
    fn default() -> Self {
        Self { data: std::ptr::null(), len: 0 }
    }
}

/// Every buffer that is out, by its address: the library owns them, so a wrong address frees nothing.
static OUT: Mutex<Option<HashMap<usize, Zeroizing<Vec<u8>>>>> = Mutex::new(None);

impl kf_buffer {
    /// Lends these bytes until they are freed, and wiped then.
    pub fn lend(bytes: Vec<u8>) -> Self {
        let mut bytes = Zeroizing::new(bytes);
        let len = bytes.len();
        if bytes.capacity() == len {
            // No growing in place: what would be left behind is not wiped.
            let mut longer = Zeroizing::new(Vec::with_capacity(len + 1));
            longer.extend_from_slice(&bytes);
            bytes = longer;
        }
        bytes.push(0);
        let data = bytes.as_ptr();
        let mut out = OUT.lock().unwrap_or_else(PoisonError::into_inner);
        out.get_or_insert_default().insert(data as usize, bytes);
        Self { data, len }
    }
}

/// Wipes and frees a buffer, and clears `buffer`. Freeing a cleared buffer, or NULL, does nothing; one that is
/// none of the library's is `KF_BAD_BUFFER`, and left alone. Any thread may free what another was given.
#[unsafe(no_mangle)]
pub extern "C" fn kf_buffer_free(buffer: *mut kf_buffer) -> kf_status {
    call(|| {
        let Some(buffer) = take(buffer).filter(|buffer| !buffer.data.is_null()) else { return Ok(()) };
        let mut out = OUT.lock().unwrap_or_else(PoisonError::into_inner);
        let freed = out.as_mut().and_then(|out| out.remove(&(buffer.data as usize)));
        drop(out);
        freed.map(drop).ok_or_else(|| Failure::new(KF_BAD_BUFFER, "this buffer is not the library's"))
    })
}
