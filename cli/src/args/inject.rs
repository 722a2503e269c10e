//! `inject`

use crate::args::secrets::Access;
use clap::Args;
use std::path::PathBuf;

/// `inject`
#[derive(Debug, Args)]
#[command(after_help = "\
In the template {{ [NAME:]Vault/folder/record[#field] }} stands for a secret; {{ REFERENCE | FILTER }} for a form of it:
base64, json (with its quotes), urlencode, shell (one word). \\{{ stands for two braces. Everything else is kept byte
for byte. Where a secret is missing nothing is written.")]
pub struct Inject {
    /// The template; - for standard input
    #[arg(long, short, value_name = "FILE")]
    pub input: PathBuf,
    /// Where the filled text goes: a file readable by you alone, put in place when whole; - for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// Where the secrets are.
    #[command(flatten)]
    pub access: Access,
}
