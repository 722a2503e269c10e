//! `login`, `logout`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::path::PathBuf;

/// `login`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that is typed")]
pub struct Login {
    /// The environment: NAME: or https://…
    pub location: String,
    /// The user's name [default: asked for]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "token_stdin")]
    pub user: Option<String>,
    /// Read the login password from standard input: its first line
    #[arg(long, conflicts_with = "token_stdin")]
    pub password_stdin: bool,
    /// Read the one-time code from standard input: the next line
    #[arg(long, conflicts_with = "token_stdin")]
    pub code_stdin: bool,
    /// Keep the tokens of an API session instead: access and refresh token, each a line of standard input
    #[arg(long)]
    pub token_stdin: bool,
    /// Keep the master key as well: later commands ask for no master password
    #[arg(long)]
    pub keep_master_key: bool,
    /// Keep the session in this encrypted file [default: the system's keyring; where there is none, a file in the platform's state folder]
    #[arg(long, value_name = "FILE")]
    pub session_file: Option<PathBuf>,
}

/// `logout`
#[derive(Debug, Args)]
pub struct Logout {
    /// The environment: NAME: or https://…
    pub location: String,
    /// The encrypted file that the session is kept in [default: where `login` keeps it]
    #[arg(long, value_name = "FILE")]
    pub session_file: Option<PathBuf>,
}
