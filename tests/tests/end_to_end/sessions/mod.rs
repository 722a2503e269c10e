//! Sessions that outlive a command, generated secrets, and the doctor: the real binary at real servers.

#![expect(clippy::unwrap_used, reason = "a test's own helper may fail it")]

mod code;
mod doctor;
mod generate;
#[cfg(unix)]
mod install;
mod kept;
#[cfg(target_os = "linux")]
mod keyring;
mod renewal;
pub(crate) mod world;
