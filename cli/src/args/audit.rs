//! `audit`.

use crate::args::Select;
use crate::args::number;
use crate::time::When;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use keyferry_core::engine::audit::Kind;
use std::path::PathBuf;

/// `audit`
#[derive(Debug, Args)]
#[command(after_help = "\
Everything is decrypted and looked at here; nothing leaves, and no value is shown. Severities: high (breached, reused,
same-as-login, expired, strength 0 or 1), medium (expires-soon, old, empty-password, strength 2), low (the rest).

Exit codes besides the common ones: 4 where a finding is as bad as --fail-on, 3 where records could not be read.")]
pub struct Audit {
    /// An environment, a vault or folder in it, a file or an archive
    pub location: String,
    /// Only these kinds of findings, with commas between; `access` is who may see what
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = topics(), hide_possible_values = true)]
    pub only: Vec<String>,
    /// All but these kinds of findings
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = topics(), conflicts_with = "only", hide_possible_values = true)]
    pub ignore: Vec<String>,
    /// A password below this strength is weak: 0 (guessed at once) to 4
    #[arg(long, value_name = "SCORE", default_value_t = 3, value_parser = number::within(0..=4_u8))]
    pub min_score: u8,
    /// A password is old when its record was not changed for so long, or since this day
    #[arg(long, value_name = "TIME", default_value = "365d", value_parser = crate::time::parse)]
    pub max_age: When,
    /// What expires within this time expires soon
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = crate::time::span)]
    pub expires_within: When,
    /// A list of breached passwords: a file of SHA1HEX:COUNT sorted by hash, or a folder of range files
    #[arg(long, value_name = "FILE|DIR")]
    pub breached: Option<PathBuf>,
    /// How the result is written [default: by the ending of --output, else as a table]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<AuditFormat>,
    /// Write the result to this file, readable by you alone, and to standard output only what was counted
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// End with code 4 where a finding is as bad as this or worse
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "high")]
    pub fail_on: FailOn,
    /// What to read.
    #[command(flatten)]
    pub select: Select,
}

/// What `--only` and `--ignore` take.
fn topics() -> PossibleValuesParser {
    PossibleValuesParser::new(Kind::ALL.iter().map(|kind| kind.name()).chain([ACCESS]))
}

/// The word for the section that tells who may see what.
pub const ACCESS: &str = "access";

/// How an audit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    /// For people
    Table,
    /// One document
    Json,
    /// SARIF 2.1.0, for code hosts and CI
    Sarif,
    /// The findings, for spreadsheets
    Csv,
    /// A page with charts
    Html,
}

/// From which severity on an audit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Any finding
    Low,
    /// Medium and high
    Medium,
    /// High alone
    High,
    /// Never
    None,
}
