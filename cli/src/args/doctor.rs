//! `doctor`, `man`.

use clap::Args;
use std::path::PathBuf;

/// `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Only this environment [default: every named one, and PASSWORK_HOST]
    pub location: Option<String>,
}

/// `man`
#[derive(Debug, Args)]
pub struct Man {
    /// Write a page for each command into this folder [default: the main page to standard output]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
