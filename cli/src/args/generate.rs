//! `generate`.

use crate::args::number;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

/// `generate`
#[derive(Debug, Args)]
pub struct Generate {
    /// Characters of a password
    #[arg(long, short, value_name = "N", default_value_t = 24, conflicts_with_all = ["words", "token"], value_parser = number::within(0..=1_000_000_usize))]
    pub length: usize,
    /// Letters and digits alone
    #[arg(long, conflicts_with_all = ["words", "token", "alphabet"])]
    pub no_symbols: bool,
    /// These characters alone
    #[arg(long, value_name = "CHARACTERS", conflicts_with_all = ["words", "token"], value_parser = NonEmptyStringValueParser::new())]
    pub alphabet: Option<String>,
    /// A passphrase of so many words instead
    #[arg(long, short, value_name = "N", conflicts_with = "token", value_parser = number::within(0..=1_000_000_usize))]
    pub words: Option<usize>,
    /// What stands between the words
    #[arg(long, value_name = "SIGN", default_value = "-", requires = "words")]
    pub separator: String,
    /// A token of so many random bytes instead, in base64 for addresses
    #[arg(long, short, value_name = "BYTES", value_parser = number::within(0..=1_000_000_usize))]
    pub token: Option<usize>,
    /// The token in hexadecimal
    #[arg(long, requires = "token")]
    pub hex: bool,
    /// What this environment asks of passwords is met
    #[arg(long, value_name = "LOCATION", conflicts_with = "token")]
    pub policy: Option<String>,
    /// Which of its rules
    #[arg(
        long = "for",
        value_enum,
        value_name = "login|master",
        default_value = "login",
        requires = "policy"
    )]
    pub purpose: Purpose,
    /// So many of them, each on a line
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = number::within(1..=100_000_u32))]
    pub count: u32,
}

/// What a password is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Signing in
    Login,
    /// The user's keys
    Master,
}
