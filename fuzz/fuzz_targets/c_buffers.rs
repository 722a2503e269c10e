//! Any bytes into every function of the C library that takes buffers: `make fuzz`.
#![no_main]

#[path = "../../capi/tests/support/any_bytes.rs"]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| any_bytes::into_any_function(bytes));
