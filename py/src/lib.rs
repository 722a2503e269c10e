//! The native half of the `keyferry` Python package: what `keyferry.crypto`, `keyferry.passwork`,
//! `connect` and the jobs are made of. Names, shapes and docstrings for users are in `python/keyferry`.
//!
//! `error` turns errors into exceptions, `crypto` has one value at a time, `records` many as
//! dictionaries, `table` many as Arrow, read by `columns` and written by `cells`; `record` is what an environment yields,
//! `environment` opens one, `job` moves records, `pins` has what is remembered of keys. For data engines there are `keys`,
//! the rings that workers open, `rows`, an environment as tables, and `pack`, tables as an archive.

#![expect(clippy::needless_pass_by_value, reason = "Python hands over what it gives")]

mod cells;
mod columns;
mod crypto;
mod environment;
mod error;
mod job;
mod keys;
mod pack;
mod pins;
mod record;
mod records;
mod rows;
mod select;
mod table;

use pyo3::prelude::*;
use std::sync::OnceLock;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Safe without the interpreter's lock: what is shared is immutable or behind a lock of its own.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::disable_core_dumps;
    #[pymodule_export]
    use crate::crypto::{
        attachment_hash, base32_decode, base32_encode, decrypt, decrypt_attachment, decrypt_text, encrypt,
        encrypt_attachment, forget_keys, generate_key, key_pair, master_key, record_key, rsa_decrypt,
        rsa_encrypt, totp,
    };
    #[pymodule_export]
    use crate::environment::{Environment, Records, split_path};
    #[pymodule_export]
    use crate::error::{KeyferryError, error_kinds, flags_as_parameters};
    #[pymodule_export]
    use crate::job::{Stop, audit, default_journal, plan, read, sync, transfer, undo, verify};
    #[pymodule_export]
    use crate::keys::Ring;
    #[pymodule_export]
    use crate::pack::{Pack, check_rows};
    #[pymodule_export]
    use crate::pins::Pins;
    #[pymodule_export]
    use crate::record::{Attachment, Custom, Record};
    #[pymodule_export]
    use crate::records::{decrypt_records, encrypt_records};
    #[pymodule_export]
    use crate::rows::{Rows, rows_columns, rows_schema};
    #[pymodule_export]
    use crate::table::{
        decrypt_table, encrypt_table, item_columns, open_table, opened_schema, record_columns, seal_table,
        sealed_schema,
    };
}

/// Keeps this process's memory out of core dumps and from debuggers of the same user. Never done unasked: the process is
/// its program's.
#[pyfunction]
fn disable_core_dumps() {
    keyferry_core::process::disable_core_dumps();
}

/// The process that has the threads which bulk work waits for: the first that asks.
fn is_forked() -> bool {
    static FIRST: OnceLock<u32> = OnceLock::new();
    let process = std::process::id();
    *FIRST.get_or_init(|| process) != process
}

/// One runtime for all calls of the process.
fn runtime() -> PyResult<&'static tokio::runtime::Runtime> {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    if is_forked() {
        return Err(error::usage(
            "this process was forked from one that had used keyferry, and has none of the threads that would answer: start it \
             by spawn or forkserver, as in multiprocessing.get_context(\"spawn\")",
        ));
    }
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error::raised(&keyferry_core::Error::io(".", error)))?;
    Ok(RUNTIME.get_or_init(|| made))
}

/// Where bulk work runs: on every core, or on so many threads of its own.
struct Threads(Option<rayon::ThreadPool>);

impl Threads {
    fn new(count: Option<usize>) -> PyResult<Self> {
        let count = match count {
            Some(0) => return Err(pyo3::exceptions::PyValueError::new_err("threads must be 1 or more")),
            Some(count) => count,
            // rayon would wait for threads that only the parent has. 0 is as many as there are cores.
            None if is_forked() => 0,
            None => return Ok(Self(None)),
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
        pool.map(|pool| Self(Some(pool)))
            .map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))
    }

    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}
