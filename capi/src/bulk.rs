//! Many records at once, as JSON lines, on every core.

use crate::boundary::{Context, Out, Outcome, bytes, call, optional_secret};
use crate::buffer::kf_buffer;
use crate::last_error::Failure;
use crate::status::{KF_CALLBACK, KF_NULL, kf_status};
use keyferry_core::crypto::record::Protection;
use keyferry_core::formats::items::{decrypt_lines, encrypt_lines};
use keyferry_core::secret::SecretString;
use std::cell::Cell;
use std::ffi::c_void;
use std::io::{self, Read, Write};

/// Fills `buffer` with up to `capacity` bytes of input: how many, 0 at the end, negative where it failed. Called
/// on the thread that called the library.
pub type kf_read_callback =
    Option<extern "C" fn(context: *mut c_void, buffer: *mut c_void, capacity: usize) -> i64>;

/// Takes `len` bytes of output, whole: 0, or anything else where it failed. Called on the thread that called the
/// library.
pub type kf_write_callback =
    Option<extern "C" fn(context: *mut c_void, data: *const c_void, len: usize) -> i32>;

/// Encrypts records on every core. `records` has one JSON object a line: `name`, `login`, `password`, `url`,
/// `description`, `tags`, `color`, `favorite`, `customs` (`name`, `type`, `value`), `attachments` (`name`, `data` in
/// base64). `items` gets one line for each: the body of Passwork's `POST /api/v1/items`, to which only `vaultId` and
/// `folderId` are missing. `vault_key` NULL or empty: an environment without client-side encryption.
#[unsafe(no_mangle)]
pub extern "C" fn kf_records_encrypt(
    records: *const c_void,
    records_len: usize,
    vault_key: *const c_void,
    vault_key_len: usize,
    items: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(items, "items")?;
        let input = bytes(records, records_len, "records")?;
        let key = optional_secret(vault_key, vault_key_len, "vault_key")?;
        let mut made = Vec::new();
        encrypt_lines(input, &mut made, protection(key.as_ref()))?;
        out.set(kf_buffer::lend_sealed(made));
        Ok(())
    })
}

/// Decrypts items of one vault on every core: the reverse of `kf_records_encrypt`. A line may also be the answer of
/// `GET /api/v1/items/{id}`. An item that cannot be read is `KF_DECRYPT`, and `kf_last_error` names it.
#[unsafe(no_mangle)]
pub extern "C" fn kf_records_decrypt(
    items: *const c_void,
    items_len: usize,
    vault_key: *const c_void,
    vault_key_len: usize,
    records: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let out = Out::new(records, "records")?;
        let input = bytes(items, items_len, "items")?;
        let key = optional_secret(vault_key, vault_key_len, "vault_key")?;
        // Envelopes are longer than what is in them: this never grows, so nothing is left behind unwiped.
        let mut made = Vec::with_capacity(input.len());
        decrypt_lines(input, &mut made, protection(key.as_ref()))?;
        out.set(kf_buffer::lend(made));
        Ok(())
    })
}

/// `kf_records_encrypt` for any number of records, in bounded memory: lines come from `read` and go to `write`, both
/// with `context`. `count`, where it is not NULL, gets the number of items written.
#[unsafe(no_mangle)]
pub extern "C" fn kf_records_encrypt_stream(
    read: kf_read_callback,
    write: kf_write_callback,
    context: *mut c_void,
    vault_key: *const c_void,
    vault_key_len: usize,
    count: *mut u64,
) -> kf_status {
    call(|| {
        let key = optional_secret(vault_key, vault_key_len, "vault_key")?;
        stream(read, write, context, count, |input, output| {
            encrypt_lines(input, output, protection(key.as_ref()))
        })
    })
}

/// `kf_records_decrypt` for any number of items, in bounded memory; see `kf_records_encrypt_stream`.
#[unsafe(no_mangle)]
pub extern "C" fn kf_records_decrypt_stream(
    read: kf_read_callback,
    write: kf_write_callback,
    context: *mut c_void,
    vault_key: *const c_void,
    vault_key_len: usize,
    count: *mut u64,
) -> kf_status {
    call(|| {
        let key = optional_secret(vault_key, vault_key_len, "vault_key")?;
        stream(read, write, context, count, |input, output| {
            decrypt_lines(input, output, protection(key.as_ref()))
        })
    })
}

fn protection(key: Option<&SecretString>) -> Protection<'_> {
    key.map_or(Protection::Unencrypted, Protection::VaultKey)
}

fn stream(
    read: kf_read_callback,
    write: kf_write_callback,
    context: *mut c_void,
    count: *mut u64,
    work: impl FnOnce(&mut Input<'_>, &mut Output<'_>) -> keyferry_core::Result<u64>,
) -> Outcome {
    let count = Out::optional(count);
    let null = |what: &str| Failure::new(KF_NULL, format!("{what} is NULL"));
    let (read, write) = (read.ok_or_else(|| null("read"))?, write.ok_or_else(|| null("write"))?);
    let (context, failed) = (Context(context), Cell::new(None));
    let mut input = Input { read, context, failed: &failed };
    let mut output = Output { write, context, failed: &failed };
    let done = work(&mut input, &mut output);
    if let Some(what) = failed.take() {
        return Err(Failure::new(KF_CALLBACK, format!("the callback {what} answered that it failed")));
    }
    let done = done?;
    if let Some(count) = count {
        count.set(done);
    }
    Ok(())
}

struct Input<'a> {
    read: extern "C" fn(*mut c_void, *mut c_void, usize) -> i64,
    context: Context,
    failed: &'a Cell<Option<&'static str>>,
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let capacity = buffer.len();
        let answer = (self.read)(self.context.0, buffer.as_mut_ptr().cast(), capacity);
        usize::try_from(answer).ok().filter(|read| *read <= capacity).ok_or_else(|| {
            self.failed.set(Some("read"));
            io::Error::other("read failed")
        })
    }
}

struct Output<'a> {
    write: extern "C" fn(*mut c_void, *const c_void, usize) -> i32,
    context: Context,
    failed: &'a Cell<Option<&'static str>>,
}

impl Write for Output<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if (self.write)(self.context.0, data.as_ptr().cast(), data.len()) == 0 {
            return Ok(data.len());
        }
        self.failed.set(Some("write"));
        Err(io::Error::other("write failed"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
