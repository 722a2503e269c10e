//! Any bytes into every reader of files: `make fuzz`.
#![no_main]

#[path = "../../core/formats/tests/support/any_format.rs"]
mod any_format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| any_format::into_any_format(bytes));
