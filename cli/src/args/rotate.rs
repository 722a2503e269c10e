//! `rotate`

use crate::args::Select;
use crate::args::number;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

/// `rotate`
#[derive(Debug, Args)]
#[command(after_help = "\
The record's url is the target (postgres://HOST:PORT/DB, mysql://…, redis://…, ssh://…, linux:///), its login the user
whose secret changes, its password the secret. At any failure the old secret still works, or the report says what each
side holds; keyferry resume JOB goes on. docs/rotation.md tells how.

Exit codes besides the usual: 3 some were not rotated and work as before, 1 the two sides of a record do not agree.")]
pub struct Rotate {
    /// A record (NAME:Vault/folder/record), or a folder or environment whose records are all rotated
    pub location: String,
    /// The kind of target
    #[arg(
        long,
        value_enum,
        value_name = "CONNECTOR",
        required_unless_present = "exec",
        conflicts_with = "exec"
    )]
    pub with: Option<With>,
    /// A program that checks and sets secrets, with its arguments: the last option
    #[arg(long, value_name = "PROGRAM", num_args = 1.., allow_hyphen_values = true)]
    pub exec: Vec<String>,
    /// How that program gets the secrets: a JSON document on its standard input, or variables
    #[arg(long, value_enum, default_value = "stdin", value_name = "HOW")]
    pub pass: PassBy,
    /// The record of somebody who may change the secrets, if not each user itself
    #[arg(long, value_name = "REFERENCE", value_parser = NonEmptyStringValueParser::new())]
    pub admin: Option<String>,
    /// The custom field that holds the secret [default: the password]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub field: Option<String>,
    /// The target's address, in place of each record's url
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub target: Option<String>,
    /// Take the target that a record names although its secret was changed elsewhere before
    #[arg(long)]
    pub allow_target: bool,
    /// Characters of a new secret
    #[arg(long, value_name = "N", default_value = "32", value_parser = number::within(16..=256_u16))]
    pub length: u16,
    /// What they are drawn from
    #[arg(long, value_enum, default_value = "full", value_name = "WHICH")]
    pub alphabet: Alphabet,
    /// Records at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = number::within(1..=64_u16))]
    pub parallel: u16,
    /// Try every target and every present secret, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The new secret may be written where the server can read it, though a key is at hand
    #[arg(long)]
    pub allow_unencrypted_target: bool,
    /// Which records.
    #[command(flatten)]
    pub select: Select,
}

/// Kinds of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum With {
    /// Users of PostgreSQL
    Postgres,
    /// Users of MySQL and MariaDB
    Mysql,
    /// ACL users of Redis
    Redis,
    /// Accounts of this machine; as root
    Linux,
    /// SSH key pairs: the private key in the record, the public one at the target
    Ssh,
}

/// How a program gets secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PassBy {
    /// One JSON document
    Stdin,
    /// `KEYFERRY_OLD`, `KEYFERRY_NEW` …
    Env,
}

/// What secrets are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Alphabet {
    /// Letters, digits, @ and !
    Full,
    /// Letters and digits
    LettersDigits,
}
