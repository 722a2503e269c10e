//! Any bytes into every function of the C library that takes buffers: `make fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keyferry::any_bytes::into_any_function(bytes));
