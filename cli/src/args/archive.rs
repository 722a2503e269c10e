//! `archive`.

use super::transfer::{Into, Select};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `archive`
#[derive(Debug, Subcommand)]
pub enum Archive {
    /// Seal an environment's or a file's records
    Create(ArchiveCreate),
    /// List the names that an archive holds
    List(ArchiveFile),
    /// Read all of an archive and make sure that nothing of it is damaged or missing
    Verify(ArchiveFile),
    /// Bring an archive's records into an environment or a file
    Extract(ArchiveExtract),
}

/// `archive create`
#[derive(Debug, Args)]
pub struct ArchiveCreate {
    /// The source
    pub from: String,
    /// The archive, FILE.kfa
    pub file: String,
    /// Seal it for the owner of this public key as well (PEM); several times for several
    #[arg(long, value_name = "FILE.pem")]
    pub recipient: Vec<PathBuf>,
    /// Write a report to this file: .html (with a chart), .md or .json; names and counts, no secrets
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What to read.
    #[command(flatten)]
    pub select: Select,
}

/// `archive list` and `archive verify`
#[derive(Debug, Args)]
pub struct ArchiveFile {
    /// The archive, FILE.kfa
    pub file: String,
    /// Open it with the keys of this environment's user [default: with the passphrase alone]
    #[arg(long, value_name = "LOCATION")]
    pub user: Option<String>,
}

/// `archive extract`
#[derive(Debug, Args)]
pub struct ArchiveExtract {
    /// The archive, FILE.kfa
    pub file: String,
    /// The sink
    pub to: String,
    /// Where the sink is a file: secrets may be written in the clear; the file is readable by you alone
    #[arg(long)]
    pub allow_plaintext: bool,
    /// How to write.
    #[command(flatten)]
    pub into: Into,
    /// What to read.
    #[command(flatten)]
    pub select: Select,
}
