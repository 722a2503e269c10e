//! `exec`

use crate::args::secrets::Access;
use crate::child::environment::check_name;
use crate::secrets::reference::{Reference, Wanted};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// `exec`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that is typed")]
#[command(after_help = "\
A REFERENCE is [NAME:]Vault/folder/record[#field], or an id in place of the path; embedded:DIR//Vault/… in a folder.

Whole records name their own variables, and whoever edits a record names it: so --prefix or --allow says which names may
be set. The program gets our environment without our own tokens and keys, and the variables asked for. Nothing runs where a
field is missing, where two secrets want one variable, or where a variable exists already.

Exit codes: the program's own; 128+N where signal N ended it; 125 where nothing was run, 126 where the program cannot
be run, 127 where it is not there. With --output: as all other commands.")]
pub struct Exec {
    /// Set this variable to this secret
    #[arg(help_heading = "Secrets", long, value_name = "NAME=REFERENCE", value_parser = mapping)]
    pub env: Vec<Mapping>,
    /// Set the variables of this file: NAME=value lines, with {{ REFERENCE }} in the values
    #[arg(help_heading = "Secrets", long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// A whole record: its password under its name, its text and password fields under theirs
    #[arg(help_heading = "Secrets", long, value_name = "REFERENCE", value_parser = whole)]
    pub record: Vec<Reference>,
    /// All records of a folder and of those below it
    #[arg(help_heading = "Secrets", long, value_name = "[NAME:]VAULT/FOLDER", value_parser = whole)]
    pub folder: Vec<Reference>,
    /// Whole records by their ids
    #[arg(help_heading = "Secrets", long, value_name = "ID,ID", value_delimiter = ',')]
    pub password_id: Vec<String>,
    /// Whole records by the ids of shortcuts to them
    #[arg(help_heading = "Secrets", long, value_name = "ID,ID", value_delimiter = ',')]
    pub shortcut_id: Vec<String>,
    /// Whole records of the vaults of these ids
    #[arg(help_heading = "Secrets", long, value_name = "ID,ID", value_delimiter = ',')]
    pub vault_id: Vec<String>,
    /// Whole records of the folders of these ids, without those below
    #[arg(help_heading = "Secrets", long, value_name = "ID,ID", value_delimiter = ',')]
    pub folder_id: Vec<String>,
    /// Whole records with all of these tags
    #[arg(help_heading = "Secrets", long, value_name = "TAG,TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Put this before the names of whole records' variables; one that ends with _ allows all of them
    #[arg(help_heading = "Secrets", long, value_name = "PREFIX", value_parser = prefix)]
    pub prefix: Option<String>,
    /// Let whole records set these variables: names, or beginnings such as DB_*
    #[arg(help_heading = "Secrets", long, value_name = "NAME,NAME", value_delimiter = ',', value_parser = allowed)]
    pub allow: Vec<String>,
    /// Of whole records only the fields, not the password
    #[arg(help_heading = "Secrets", long)]
    pub only_custom_fields: bool,
    /// Replace variables that exist already
    #[arg(help_heading = "Secrets", long = "override")]
    pub replace: bool,
    /// Put this secret into a private file that is removed at the end, and its path into this variable
    #[arg(help_heading = "Secrets", long, value_name = "NAME=REFERENCE", value_parser = mapping)]
    pub file: Vec<Mapping>,
    /// The same, as a FIFO that can be read once: nothing is written anywhere
    #[arg(help_heading = "Secrets", long, value_name = "NAME=REFERENCE", value_parser = mapping)]
    pub fifo: Vec<Mapping>,
    /// Hide the secrets in the program's output
    #[arg(help_heading = "Masking", long)]
    pub mask: bool,
    /// Tell the secrets to the CI runner, in the clear, so that it hides them in its log (GitHub, GitLab)
    #[arg(help_heading = "Masking", long, value_enum, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub mask_commands: Option<MaskCommands>,
    /// Write the variables instead of running a program
    #[arg(help_heading = "Written down instead", long, value_enum, value_name = "FORMAT", conflicts_with_all = ["program", "cmd", "file", "fifo", "mask", "mask_commands", "replace"])]
    pub output: Option<Format>,
    /// Write them to this file, readable by you alone
    #[arg(
        help_heading = "Written down instead",
        long,
        value_name = "FILE",
        requires = "output",
        requires = "allow_plaintext"
    )]
    pub output_file: Option<PathBuf>,
    /// Secrets may be written to a file in the clear
    #[arg(help_heading = "Written down instead", long)]
    pub allow_plaintext: bool,
    /// The name of the Kubernetes Secret
    #[arg(help_heading = "Written down instead", long, value_name = "NAME", required_if_eq("output", "kubernetes"), value_parser = NonEmptyStringValueParser::new())]
    pub secret_name: Option<String>,
    /// Have a shell run this text, instead of a program with its arguments
    #[arg(long, value_name = "TEXT", conflicts_with = "program")]
    pub cmd: Option<OsString>,
    /// Where the records are.
    #[command(flatten)]
    pub access: Access,
    /// The program and its arguments, which it gets exactly so
    #[arg(last = true, value_name = "PROGRAM", required_unless_present_any = ["cmd", "output"])]
    pub program: Vec<OsString>,
}

/// A variable and what it is to hold.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The variable's name.
    pub name: String,
    /// What it is to hold.
    pub reference: Reference,
}

/// When the CI runner is told what to hide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MaskCommands {
    /// Where GitHub's or GitLab's own variable says that there is a runner
    Auto,
    /// Everywhere: the secrets show up wherever standard error goes
    Always,
}

/// How variables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// NAME=value lines, as a shell and --env-file read them
    Env,
    /// One JSON object
    Json,
    /// A Secret as kubectl takes it
    Kubernetes,
}

fn mapping(text: &str) -> Result<Mapping, String> {
    let (name, word) = text.split_once('=').ok_or("write NAME=[NAME:]Vault/record#field")?;
    check_name(name).map_err(|error| told(&error))?;
    let reference = Reference::parse(word).map_err(|error| told(&error))?;
    Ok(Mapping { name: name.to_owned(), reference })
}

/// A reference to a place, rather than to something in it.
fn whole(text: &str) -> Result<Reference, String> {
    let reference = Reference::parse(text).map_err(|error| told(&error))?;
    if reference.wanted == Wanted::Password {
        Ok(reference)
    } else {
        Err("this takes whole records: for one field write --env NAME=REFERENCE".to_owned())
    }
}

fn prefix(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned()).map_err(|error| told(&error))
}

fn allowed(text: &str) -> Result<String, String> {
    let name = text.trim().strip_suffix('*').unwrap_or(text.trim());
    if name.len() < 2 && text.contains('*') {
        return Err("a pattern has at least two characters before its *".to_owned());
    }
    check_name(name).map(|()| text.trim().to_owned()).map_err(|error| told(&error))
}

fn told(error: &keyferry_core::Error) -> String {
    match error.next() {
        Some(next) => format!("{error}: {next}"),
        None => error.to_string(),
    }
}

/// Whether `exec` was typed, well or badly: below 125 its exit codes are the program's.
pub fn is_meant(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let mut arguments = arguments.into_iter().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--config" | "--journal" | "--timeout") => drop(arguments.next()),
            Some(flag) if flag.starts_with('-') => {}
            word => return word == Some("exec"),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_is_known_behind_flags_of_every_command() {
        let meant = |line: &str| is_meant(line.split(' ').map(OsString::from));
        assert!(meant("keyferry --quiet --config x exec --bad") && meant("keyferry --timeout=3 exec"));
        assert!(!meant("keyferry ls exec") && !meant("keyferry --config exec ls") && !meant("keyferry"));
    }

    #[test]
    fn a_mapping_needs_a_name_and_a_reference() {
        assert_eq!(mapping("A=prod:V/r=s#f").unwrap().reference.to_string(), "prod:V/r=s#f");
        for wrong in ["A", "=V/r", "A=", "1A=V/r", "A-B=V/r"] {
            assert!(mapping(wrong).is_err(), "{wrong}");
        }
        assert!(whole("V/r").is_ok() && whole("V/r#f").is_err());
    }
}
