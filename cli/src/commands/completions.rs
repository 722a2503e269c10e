//! `completions`: a script for the shell.

use crate::args::Arguments;
use clap::CommandFactory as _;
use clap_complete::Shell;
use keyferry_core::{Error, Result};
use std::io::Write as _;

/// Writes the script to standard output.
pub fn run(shell: Shell) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "keyferry", &mut script);
    std::io::stdout().write_all(&script).map_err(|error| Error::io("-", error))?;
    Ok(0)
}
