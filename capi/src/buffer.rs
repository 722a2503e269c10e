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

/// What is lent, by its address: the library owns it, so a wrong address frees nothing.
static OUT: Mutex<Option<HashMap<usize, Lent>>> = Mutex::new(None);

enum Lent {
    Secret(Zeroizing<Vec<u8>>),
    /// Wiping ciphertext by the megabyte would cost some 5 % of making it.
    Sealed(Vec<u8>),
}

impl Lent {
    /// Ends the bytes with a NUL; where they start and how many they are without it.
    fn end(&mut self) -> kf_buffer {
        let bytes: &mut Vec<u8> = match self {
            Lent::Secret(bytes) => bytes,
            Lent::Sealed(bytes) => bytes,
        };
        let len = bytes.len();
        bytes.push(0);
        kf_buffer { data: bytes.as_ptr(), len }
    }
}

impl kf_buffer {
    /// Lends these bytes until they are freed, and wiped then.
    pub(crate) fn lend(bytes: Vec<u8>) -> Self {
        let mut bytes = Zeroizing::new(bytes);
        if bytes.capacity() == bytes.len() {
            // No growing in place: what would be left behind is not wiped.
            let mut longer = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
            longer.extend_from_slice(&bytes);
            bytes = longer;
        }
        Self::keep(Lent::Secret(bytes))
    }

    /// Lends ciphertext until it is freed.
    pub(crate) fn lend_sealed(bytes: Vec<u8>) -> Self {
        Self::keep(Lent::Sealed(bytes))
    }

    fn keep(mut lent: Lent) -> Self {
        let buffer = lent.end();
        let mut out = OUT.lock().unwrap_or_else(PoisonError::into_inner);
        out.get_or_insert_default().insert(buffer.data as usize, lent);
        buffer
    }
}

/// Wipes and frees a buffer, and clears `buffer`. (Items of `kf_records_encrypt` are ciphertext, and freed as they are.) Freeing a cleared buffer, or NULL, does nothing; one that is
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
