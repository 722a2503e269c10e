//! keyferry as a C library. `include/keyferry.h` is made from these files (`make header`), comments and all.
//!
//! `status` has the codes, `boundary` everything that C's promises are needed for, `last_error` what a failed
//! call leaves behind, `buffer` and `handle` what the library owns for its caller; `crypto`, `bulk`,
//! `environment` and `job` have the functions; `log` tells what happens meanwhile.
//!
//! Unsafe code stands in `boundary` alone (a test looks); elsewhere `unsafe` only marks a symbol as exported.

mod boundary;
mod buffer;
mod bulk;
mod crypto;
mod environment;
mod handle;
mod job;
mod last_error;
mod listener;
mod log;
mod options;
mod status;

pub use buffer::{kf_buffer, kf_buffer_free};
pub use bulk::{
    kf_read_callback, kf_records_decrypt, kf_records_decrypt_stream, kf_records_encrypt,
    kf_records_encrypt_stream, kf_write_callback,
};
pub use crypto::{
    kf_attachment_decrypt, kf_attachment_encrypt, kf_base32_decode, kf_base32_encode, kf_decrypt, kf_encrypt,
    kf_generate_key, kf_master_key, kf_master_key_hash, kf_private_key, kf_private_key_close,
    kf_private_key_open, kf_rsa_decrypt, kf_rsa_encrypt, kf_rsa_generate, kf_totp,
};
pub use environment::{
    kf_credentials, kf_environment, kf_environment_close, kf_environment_open, kf_environment_records,
    kf_environment_tokens, kf_environment_tree,
};
pub use job::{
    kf_export, kf_import, kf_job, kf_job_cancel, kf_job_close, kf_job_open, kf_job_set_archive_passphrase,
    kf_job_set_progress, kf_migrate, kf_progress_callback, kf_resume, kf_verify,
};
pub use last_error::kf_last_error;
pub use log::{kf_log_callback, kf_set_log};
pub use status::{KF_OK, KF_PANIC, kf_status, kf_status_name};

use std::ffi::{CStr, c_char};
use std::sync::OnceLock;
use tokio::runtime::Runtime;

/// The version of the ABI that this header describes. It changes when a program that was compiled against
/// an older header would no longer work; functions are added without a change.
pub const KF_ABI_VERSION: u32 = 1;

/// The ABI version of the library that is loaded: compare it with `KF_ABI_VERSION` once, before anything else.
#[unsafe(no_mangle)]
pub extern "C" fn kf_abi_version() -> u32 {
    KF_ABI_VERSION
}

/// The library's version, such as "0.1.0". Static: never freed.
#[unsafe(no_mangle)]
pub extern "C" fn kf_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// Keeps this process's memory out of core dumps and from debuggers of the same user. Never done unasked: the process is
/// its program's.
#[unsafe(no_mangle)]
pub extern "C" fn kf_disable_core_dumps() {
    keyferry_core::process::disable_core_dumps();
}

/// One runtime for all calls of the process, started by the first that needs it.
fn runtime() -> keyferry_core::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = tokio::runtime::Builder::new_multi_thread()
        .thread_name("keyferry-io")
        .enable_all()
        .build()
        .map_err(|error| keyferry_core::Error::io(".", error))?;
    Ok(RUNTIME.get_or_init(|| made))
}
