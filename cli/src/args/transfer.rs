//! `import`, `export`, `migrate`, `sync`, `verify`, and what they share.

use crate::args::format::FormatName;
use crate::args::number;
use crate::time::When;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use keyferry_core::engine::MaxDelete;
use keyferry_core::secret::SecretString;
use std::path::PathBuf;

/// See `Conflict` of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnConflict {
    /// Leave what is there, list the record
    Skip,
    /// Overwrite what is there
    Update,
    /// Create beside what is there
    Duplicate,
    /// Write nothing at all
    Fail,
}

/// See `Verify` of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyHow {
    /// Read back and compare every record
    Full,
    /// Read back 400 records chosen at random
    Sample,
    /// Trust
    None,
}

/// What to do with columns that no field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExtraColumns {
    /// Make them custom fields
    Custom,
    /// Leave them out
    Ignore,
    /// Refuse the file
    Fail,
}

/// See `Entities` of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HtmlEntities {
    /// Decode them where the export is known to write them, and every & of the file begins one
    Auto,
    /// Decode them
    Decode,
    /// Leave them as they are
    Keep,
}

/// See `Html` of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Html {
    /// Leave it as it is
    Keep,
    /// Its words, line by line
    Text,
}

/// How to read a CSV, for every command that reads files.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reading CSV")]
pub struct Table {
    /// Take this column (its name or number) as this field; may be given several times
    #[arg(long, value_name = "COL=FIELD")]
    pub map: Vec<String>,
    /// Take columns and all else of this heading from a TOML file; what is typed as well goes before it
    #[arg(long, value_name = "FILE")]
    pub map_file: Option<PathBuf>,
    /// One character, or `tab` [default: found from content]
    #[arg(long, value_name = "CHAR")]
    pub delimiter: Option<String>,
    /// utf-8, utf-16le, windows-1251 … [default: found from content]
    #[arg(long)]
    pub encoding: Option<String>,
    /// Columns that no field takes
    #[arg(long, value_enum, default_value = "custom", value_name = "HOW")]
    pub extra_columns: ExtraColumns,
    /// A character, mostly \\, that makes the next one part of its cell
    #[arg(long, value_name = "CHAR")]
    pub escape: Option<String>,
    /// One character between folders in a path cell
    #[arg(long, value_name = "CHAR", default_value = "/")]
    pub folder_separator: String,
    /// Take rows with too few or too many cells: missing ones are empty, surplus ones become custom fields
    #[arg(long)]
    pub flexible: bool,
    /// That no column is a secret is no mistake
    #[arg(long)]
    pub no_password: bool,
    /// What becomes of &amp; and the like in cells
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    pub html_entities: HtmlEntities,
    /// The first line is a record already
    #[arg(long)]
    pub no_header: bool,
    /// The columns' names in order, for a file without a header
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub columns: Vec<String>,
}

/// How to read a file of a password manager, for every command that reads files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading managers' files")]
pub struct Managed {
    /// The key file of a KDBX database that is read or written, alone or beside the passphrase
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Bring what lies in the recycle bin along, into a folder Trash
    #[arg(long)]
    pub include_trash: bool,
    /// HTML in descriptions and fields, as managers of teams keep it
    #[arg(long, value_enum, default_value = "keep", value_name = "HOW")]
    pub html: Html,
    /// Let gpg open the entries of a store of pass, with your keyring and its agent
    #[arg(long)]
    pub gpg: bool,
    /// Join one-time codes of an authenticator's file to the records that are there, by issuer and account; none is guessed
    #[arg(long = "match")]
    pub match_codes: bool,
}

/// Which records count, for every command that reads them.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What to read")]
pub struct Select {
    /// Only from this vault of the source; several times for any of them
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub vault: Vec<String>,
    /// Only from this folder and those below it: names from the vault down, as in a location
    #[arg(long, value_name = "PATH", value_parser = NonEmptyStringValueParser::new())]
    pub folder: Option<String>,
    /// Only with this tag; several times for any of them
    #[arg(long, value_name = "TAG", value_parser = NonEmptyStringValueParser::new())]
    pub tag: Vec<String>,
    /// Only with this text in name, login, url, description or a tag, in upper or lower case
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub query: Option<String>,
    /// Only what changed since: 2026-11-01, 2026-11-01T12:00:00Z (UTC unless it says otherwise), or back from now: 7d, 12h, 30m
    #[arg(long, value_name = "WHEN", value_parser = crate::time::parse)]
    pub changed_since: Option<When>,
    /// Not this vault, folder (with all below it) or record: names from the vault down, * for any characters; several times
    #[arg(long, value_name = "PATH", value_parser = NonEmptyStringValueParser::new())]
    pub exclude: Vec<String>,
    /// A source without records, or a filter that matches none, is no mistake
    #[arg(long)]
    pub allow_empty: bool,
}

/// See `Structure` of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StructureHow {
    /// All names of the source, vaults first, below the place that the sink names
    Below,
    /// What stands in the place that the source names, into the place that the sink names
    Keep,
    /// Every record directly into the place that the sink names
    Flatten,
}

/// A plan that was approved, as `apply` hands it to the command that the plan is of.
#[derive(Clone, Debug)]
pub struct Approved {
    /// See `Plan::digest` of the engine.
    pub digest: String,
    /// See `Options::plan_key` of the engine.
    pub key: Option<SecretString>,
}

/// What every transfer into an environment takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "How to write")]
pub struct Into {
    /// Show what would happen, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The same, and keep it in this file, for `keyferry apply`: names and counts, no secrets
    #[arg(long, value_name = "FILE")]
    pub plan_to: Option<PathBuf>,
    /// What was approved of a plan, by `apply`.
    #[arg(skip)]
    pub approved: Option<Approved>,
    /// Where the source's vaults and folders stand in the sink [default: below; a comparison finds out]
    #[arg(long, value_enum, value_name = "HOW")]
    pub structure: Option<StructureHow>,
    /// When a record's place and name are taken by other content
    #[arg(long, value_enum, default_value = "fail", value_name = "HOW")]
    pub on_conflict: OnConflict,
    /// Read back what was written
    #[arg(long, value_enum, default_value = "full", value_name = "HOW")]
    pub verify: VerifyHow,
    /// List records that could not be taken in this file: positions, names, reasons, no secrets
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Write a report to this file: .html (with a chart), .md or .json; names and counts, no secrets
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Secrets may be written where the server can read them, though a key is at hand or the source is encrypted
    #[arg(long)]
    pub allow_unencrypted_target: bool,
    /// Vault keys may be wrapped for administrators, and with --rights for users, whose keys were never seen here
    #[arg(long)]
    pub trust_administrators: bool,
    /// Let so many processes send what this one reads and encrypts; `keyferry work JOB` adds others
    #[arg(long, value_name = "N", value_parser = number::within(1_u16..=64))]
    pub workers: Option<u16>,
    /// How long a worker keeps what it took without a sign of life, before another sends it
    #[arg(long, value_name = "SECONDS", default_value = "30", requires = "workers", value_parser = number::within(1_u64..=3600))]
    pub lease: u64,
}

/// `import`
#[derive(Debug, Args)]
pub struct Import {
    /// The file; - or FORMAT:- for standard input; several files, or a folder or zip with all in it, are read as one; or
    /// vault://HOST:PORT/MOUNT
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    pub files: Vec<String>,
    /// The environment, and a vault and folder in it
    pub environment: String,
    /// The file's format, one of those that `keyferry formats` lists [default: found from its content, then its ending]
    #[arg(long, visible_alias = "as", value_name = "NAME", value_parser = FormatName, hide_possible_values = true)]
    pub format: Option<String>,
    /// How to read a table.
    #[command(flatten)]
    pub table: Table,
    /// How to read a manager's file.
    #[command(flatten)]
    pub managed: Managed,
    /// How to write.
    #[command(flatten)]
    pub into: Into,
    /// What to read.
    #[command(flatten)]
    pub select: Select,
}

/// `export`
#[derive(Debug, Args)]
pub struct Export {
    /// The environment, and a vault and folder in it
    pub environment: String,
    /// The file; FORMAT:- for standard output
    pub file: String,
    /// The file's format [default: from its ending]
    #[arg(long, visible_alias = "as", value_name = "NAME", value_parser = FormatName, hide_possible_values = true)]
    pub format: Option<String>,
    /// Show what would be written, and what the file cannot hold; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Secrets may be written in the clear; the file is readable by you alone
    #[arg(long)]
    pub allow_plaintext: bool,
    /// Disarm cells that a spreadsheet would run as formulas (they are changed)
    #[arg(long)]
    pub spreadsheet_safe: bool,
    /// KDBX: a key file that will open it, alone or beside the passphrase
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Write a report to this file: .html (with a chart), .md or .json; names and counts, no secrets
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What to read.
    #[command(flatten)]
    pub select: Select,
}

/// `migrate`
#[derive(Debug, Args)]
pub struct Migrate {
    /// The source
    pub from: String,
    /// The sink
    pub to: String,
    /// How to write.
    #[command(flatten)]
    pub into: Into,
    /// Where the sink is a file: secrets may be written in the clear; the file is readable by you alone
    #[arg(long, help_heading = "How to write")]
    pub allow_plaintext: bool,
    /// Keep ciphertext as it is and wrap only the record keys anew: nothing is decrypted
    #[arg(long, help_heading = "How to write")]
    pub rewrap: bool,
    /// Carry groups, rights and shortcuts as well, where the users are on both sides: of the same login, or e-mail address
    #[arg(long)]
    pub rights: bool,
    /// Who is who, where logins differ: a file of two columns, old,new
    #[arg(long, value_name = "FILE", requires = "rights")]
    pub users: Option<PathBuf>,
    /// What to read.
    #[command(flatten)]
    pub select: Select,
    /// How to read a table.
    #[command(flatten)]
    pub table: Table,
    /// How to read a manager's file.
    #[command(flatten)]
    pub managed: Managed,
}

/// `sync`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that is typed")]
pub struct SyncArguments {
    /// The source
    pub from: String,
    /// The environment that is kept in step, and a vault and folder in it
    pub to: String,
    /// Show what would happen, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The same, and keep it in this file, for `keyferry apply`: names and counts, no secrets
    #[arg(long, value_name = "FILE")]
    pub plan_to: Option<PathBuf>,
    /// What was approved of a plan, by `apply`.
    #[arg(skip)]
    pub approved: Option<Approved>,
    /// What was edited in the sink since the last time
    #[arg(long, value_enum, default_value = "skip", value_name = "HOW")]
    pub on_conflict: OnDrift,
    /// Move to the bin what an earlier sync brought and the source no longer holds; nothing where the source was not read whole
    #[arg(long)]
    pub delete: bool,
    /// Remove nothing where more than so many would go, of what earlier syncs brought and the sink still holds [default: 50%]
    #[arg(long, value_name = "N|P%", requires = "delete")]
    pub max_delete: Option<MaxDelete>,
    /// Read back what was written
    #[arg(long, value_enum, default_value = "full", value_name = "HOW")]
    pub verify: VerifyHow,
    /// Secrets may be written where the server can read them, though a key is at hand or the source is encrypted
    #[arg(long)]
    pub allow_unencrypted_target: bool,
    /// The keys of new vaults may be wrapped for administrators whose keys were never seen here
    #[arg(long)]
    pub trust_administrators: bool,
    /// Write a report to this file: .html (with a chart), .md or .json; names and counts, no secrets
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What to read.
    #[command(flatten)]
    pub select: Select,
    /// How to read a table.
    #[command(flatten)]
    pub table: Table,
    /// How to read a manager's file.
    #[command(flatten)]
    pub managed: Managed,
}

/// What a sync does about drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnDrift {
    /// Leave it, list the record
    Skip,
    /// Overwrite it
    Update,
}

/// Two locations.
#[derive(Debug, Args)]
pub struct Two {
    /// The first location
    pub a: String,
    /// The second location: everything of the first has to be in it, and equal
    pub b: String,
    /// What only the second location holds is a difference too
    #[arg(long)]
    pub exact: bool,
    /// How the first location's vaults and folders stand in the second [default: found out]
    #[arg(long, value_enum, value_name = "HOW")]
    pub structure: Option<StructureHow>,
    /// Write a report to this file: .html (with a chart), .md or .json; names and counts, no secrets
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What to compare.
    #[command(flatten)]
    pub select: Select,
    /// How to read a table.
    #[command(flatten)]
    pub table: Table,
    /// How to read a manager's file.
    #[command(flatten)]
    pub managed: Managed,
}

/// `columns`
#[derive(Debug, Args)]
pub struct Columns {
    /// The table; - for standard input
    pub file: PathBuf,
    /// How to read it.
    #[command(flatten)]
    pub table: Table,
}

/// `apply`
#[derive(Debug, Args)]
pub struct Apply {
    /// The plan, as --plan-to wrote it
    pub plan: PathBuf,
}

impl From<OnDrift> for OnConflict {
    fn from(drift: OnDrift) -> Self {
        match drift {
            OnDrift::Skip => Self::Skip,
            OnDrift::Update => Self::Update,
        }
    }
}
