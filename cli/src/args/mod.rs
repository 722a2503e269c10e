//! What may be typed.

pub mod audit;
pub mod doctor;
pub mod exec;
pub mod generate;
pub mod inject;
pub mod rotate;
pub mod secrets;
pub mod session;

use crate::when::When;
use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Carries secrets between environments: fast, complete, provable, and never in the clear.
#[derive(Debug, Parser)]
#[command(name = "keyferry", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
A LOCATION is NAME: or NAME:Vault/folder (a configured environment), https://… , embedded:DIR, a file,
FORMAT:FILE, or FORMAT:- for standard input or output.

Secrets come from KEYFERRY_TOKEN, KEYFERRY_REFRESH_TOKEN, KEYFERRY_MASTER_KEY, KEYFERRY_MASTER_PASSWORD (or the same
with _FILE), for an environment NAME from KEYFERRY_<NAME>_…, never from the command line. An archive (.kfa) is
sealed for the environment's user, and for KEYFERRY_ARCHIVE_PASSPHRASE where that is set.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with records left out, 4 verification found a difference,
5 not authenticated or not allowed, 6 could not reach the environment, 130 interrupted.")]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Write the result as one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress, no remarks
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Show the causes of an error
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// The config file [default: keyferry/config.toml in the platform's config folder]
    #[arg(long, global = true, env = "KEYFERRY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The journal of jobs [default: keyferry/journal.db in the platform's state folder]
    #[arg(long, global = true, env = "KEYFERRY_JOURNAL", value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// How long one request may take
    #[arg(long, global = true, value_name = "SECONDS", default_value = "120", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Two embedded environments, a sample import, a migration, a verification, a report
    Demo(Demo),
    /// Make, name and test environments
    #[command(subcommand)]
    Env(Env),
    /// Sign in to an environment and keep the session: in the keyring, or in an encrypted file
    Login(session::Login),
    /// End a session that `login` keeps
    Logout(session::Logout),
    /// Bring a file's records into an environment
    Import(Import),
    /// Write an environment's records to a file
    Export(Export),
    /// Move records from any source to any sink
    Migrate(Migrate),
    /// Keep an environment in step with a source: bring only what changed, tell what was edited there
    Sync(SyncArguments),
    /// Compare two locations: names and fields, never values
    #[command(visible_alias = "diff")]
    Verify(Two),
    /// Look for what cannot be read in an environment, and say what to do about it
    Fsck(One),
    /// Look at the health of secrets: weak, reused, breached, old, expired, and who may see them
    Audit(audit::Audit),
    /// Seal records in one file, look into it, take them out
    #[command(subcommand)]
    Archive(Archive),
    /// List the jobs that wrote into environments
    Jobs {
        /// Take this job out of the journal: it can neither be resumed nor undone any more
        #[arg(long, value_name = "JOB")]
        forget: Option<i64>,
    },
    /// Go on with a job where it stopped
    Resume(OneJob),
    /// Take back what a job created or overwrote, sparing what was edited since
    Undo(OneJob),
    /// List names: one level
    Ls(One),
    /// List names: everything
    Tree(One),
    /// Print one secret: a password, a field, a one-time code, an attachment
    Get(secrets::Get),
    /// Change one record where it stands
    Update(secrets::Update),
    /// Change secrets at their targets and in the environment
    Rotate(rotate::Rotate),
    /// Run a program with secrets in its environment
    Exec(exec::Exec),
    /// Fill a template with secrets
    Inject(inject::Inject),
    /// Make any call of an environment's API
    Api(secrets::Api),
    /// Make passwords, passphrases and tokens
    Generate(generate::Generate),
    /// Serve an embedded environment over HTTP
    Serve(Serve),
    /// Show an embedded environment's activity log: who did what
    Activity(Activity),
    /// How the journal shows a job that a program began, through the Python module or the C library
    #[command(hide = true)]
    Program(Program),
    /// Find out what is wrong with the configuration, and what to do about it
    Doctor(doctor::Doctor),
    /// Print the manual page, or write one for each command
    Man(doctor::Man),
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// `demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Keep the environments in this new folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Carry so many generated records instead of the sample
    #[arg(long, value_name = "N")]
    pub records: Option<usize>,
}

/// `env`
#[derive(Debug, Subcommand)]
pub enum Env {
    /// Make an embedded environment and its first user
    Init {
        /// embedded:DIR
        location: String,
        /// The first user's name
        #[arg(long, value_name = "NAME")]
        user: String,
        /// Generate the master password and show it once
        #[arg(long)]
        generate: bool,
        /// Whether clients encrypt before they send
        #[arg(long, value_enum, default_value = "on", value_name = "on|off")]
        client_encryption: Switch,
    },
    /// Give an environment a name
    Add {
        /// Begins with a letter; lower-case letters, digits, _ and -
        name: String,
        /// https://… or embedded:DIR
        location: String,
    },
    /// List the named environments
    List,
    /// Sign in and unlock, change nothing
    Test {
        /// The environment
        location: String,
    },
    /// Print the public key of an environment's user, for `archive create --recipient`
    PublicKey {
        /// The environment
        location: String,
    },
    /// Believe the next public key that an environment shows for one of its users
    Unpin {
        /// The environment
        location: String,
        /// The user's id, as the error names it
        user: String,
    },
    /// Forget a name; the environment itself stays
    Remove {
        /// The name
        name: String,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

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

/// Which records count, for every command that reads them.
#[derive(Debug, Default, Args)]
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
    #[arg(long, value_name = "WHEN", value_parser = crate::when::parse)]
    pub changed_since: Option<When>,
}

/// What every transfer into an environment takes.
#[derive(Debug, Args)]
pub struct Into {
    /// Show what would happen, write nothing
    #[arg(long)]
    pub dry_run: bool,
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
}

/// `import`
#[derive(Debug, Args)]
pub struct Import {
    /// The file; - or FORMAT:- for standard input
    pub file: String,
    /// The environment, and a vault and folder in it
    pub environment: String,
    /// The file's format [default: found from its content, then its ending]
    #[arg(long)]
    pub format: Option<String>,
    /// Take this column as this field; may be given several times
    #[arg(long, value_name = "COL=FIELD")]
    pub map: Vec<String>,
    /// One character, or `tab` [default: found from content]
    #[arg(long, value_name = "CHAR")]
    pub delimiter: Option<String>,
    /// utf-8, utf-16le, windows-1251 … [default: found from content]
    #[arg(long)]
    pub encoding: Option<String>,
    /// Columns that no field takes
    #[arg(long, value_enum, default_value = "custom", value_name = "HOW")]
    pub extra_columns: ExtraColumns,
    /// The first line is a record already
    #[arg(long)]
    pub no_header: bool,
    /// The columns' names in order, for a file without a header
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub columns: Vec<String>,
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
    #[arg(long)]
    pub format: Option<String>,
    /// Secrets may be written in the clear; the file is readable by you alone
    #[arg(long)]
    pub allow_plaintext: bool,
    /// Disarm cells that a spreadsheet would run as formulas (they are changed)
    #[arg(long)]
    pub spreadsheet_safe: bool,
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
    /// Records may go from an encrypted vault into one that is not
    #[arg(long)]
    pub allow_unencrypted_target: bool,
    /// Where the sink is a file: secrets may be written in the clear; the file is readable by you alone
    #[arg(long)]
    pub allow_plaintext: bool,
    /// Keep ciphertext as it is and wrap only the record keys anew: nothing is decrypted
    #[arg(long)]
    pub rewrap: bool,
    /// What to read.
    #[command(flatten)]
    pub select: Select,
}

/// `program`
#[derive(Debug, Args)]
pub struct Program {
    /// The source
    pub from: String,
    /// The sink
    pub to: String,
}

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

/// `sync`
#[derive(Debug, Args)]
pub struct SyncArguments {
    /// The source
    pub from: String,
    /// The environment that is kept in step, and a vault and folder in it
    pub to: String,
    /// Show what would happen, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What was edited in the sink since the last time
    #[arg(long, value_enum, default_value = "skip", value_name = "HOW")]
    pub on_conflict: OnDrift,
    /// Move to the bin what an earlier sync brought and the source no longer holds
    #[arg(long)]
    pub delete: bool,
    /// Read back what was written
    #[arg(long, value_enum, default_value = "full", value_name = "HOW")]
    pub verify: VerifyHow,
    /// Records may go from an encrypted vault into one that is not
    #[arg(long)]
    pub allow_unencrypted_target: bool,
    /// Write a report to this file: .html (with a chart), .md or .json; names and counts, no secrets
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What to read.
    #[command(flatten)]
    pub select: Select,
}

/// What a sync does about drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnDrift {
    /// Leave it, list the record
    Skip,
    /// Overwrite it
    Update,
}

impl From<OnDrift> for OnConflict {
    fn from(drift: OnDrift) -> Self {
        match drift {
            OnDrift::Skip => Self::Skip,
            OnDrift::Update => Self::Update,
        }
    }
}

/// Two locations.
#[derive(Debug, Args)]
pub struct Two {
    /// The first location
    pub a: String,
    /// The second location
    pub b: String,
    /// Write a report to this file: .html (with a chart), .md or .json; names and counts, no secrets
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What to compare.
    #[command(flatten)]
    pub select: Select,
}

/// One job.
#[derive(Debug, Args)]
pub struct OneJob {
    /// Its number, as `keyferry jobs` shows it
    pub job: i64,
}

/// One location.
#[derive(Debug, Args)]
pub struct One {
    /// The environment, and a vault and folder in it
    pub location: String,
}

/// `serve`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that is typed")]
pub struct Serve {
    /// The embedded environment's folder [default with --dev: a temporary one]
    pub dir: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8300", value_name = "ADDR:PORT")]
    pub listen: std::net::SocketAddr,
    /// Make a new environment with a user whose secrets are generated and shown
    #[arg(long)]
    pub dev: bool,
    /// With --dev: whether clients encrypt before they send
    #[arg(long, value_enum, default_value = "on", value_name = "on|off")]
    pub client_encryption: Switch,
    /// Serve HTTPS, with a certificate of the environment's own unless one is given
    #[arg(long)]
    pub tls: bool,
    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Names in the environment's own certificate, besides localhost and the address
    #[arg(long, value_name = "NAME", conflicts_with = "tls_cert")]
    pub tls_name: Vec<String>,
    /// Answer an address at most so many requests a second; others get 429
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<std::num::NonZeroU32>,
    /// Take bodies of at most so many MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub largest_body: usize,
    /// How long an access token is good, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub token_life: u64,
    /// Answer plain JSON to everybody, not only to those who ask for it
    #[arg(long)]
    pub raw: bool,
    /// Do not log who read what, only what was changed
    #[arg(long)]
    pub no_read_log: bool,
    /// Log each request to standard error
    #[arg(long, value_enum, default_value = "text", value_name = "text|json|off")]
    pub log: Log,
    /// Write a whole, consistent copy to this file, also while another process serves DIR, and end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dev", "listen"], requires = "dir")]
    pub backup: Option<PathBuf>,
}

/// How the server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
    /// Nothing.
    Off,
}

/// `activity`
#[derive(Debug, Args)]
pub struct Activity {
    /// The environment
    pub location: String,
    /// Only what was done in the vault of this id
    #[arg(long, value_name = "ID")]
    pub vault: Option<String>,
    /// Only what was done to the object of this id
    #[arg(long, value_name = "ID")]
    pub object: Option<String>,
    /// Only entries after this one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub after: i64,
    /// Check that no entry is missing or altered, and show the head to keep elsewhere
    #[arg(long, conflicts_with_all = ["vault", "object", "after"])]
    pub check: bool,
}
