//! What may be typed.

pub mod archive;
pub mod audit;
pub mod doctor;
pub mod environment;
pub mod examples;
pub mod exec;
pub mod format;
pub mod generate;
pub mod inject;
pub mod number;
#[cfg(feature = "rotate")]
pub mod rotate;
pub mod secrets;
pub mod serve;
pub mod session;
pub mod transfer;

pub use archive::{Archive, ArchiveCreate, ArchiveExtract, ArchiveFile};
pub use environment::Env;
pub use serve::{Activity, Log, Serve};
pub use transfer::{
    Apply, Approved, Columns, Export, ExtraColumns, Html, HtmlEntities, Import, Into, Managed, Migrate,
    OnConflict, Select, StructureHow, SyncArguments, Table, Two, VerifyHow,
};

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use keyferry_core::crypto::mark::Marks;
use std::ffi::OsString;
use std::path::PathBuf;

/// Carries secrets between environments: fast, complete, provable, and never in the clear.
#[derive(Debug, Parser)]
#[command(name = "keyferry", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
A LOCATION is NAME: or NAME:Vault/folder (a configured environment), https://… , embedded:DIR, a file,
FORMAT:FILE, or FORMAT:- for standard input or output.

Secrets come from KEYFERRY_TOKEN, KEYFERRY_REFRESH_TOKEN, KEYFERRY_MASTER_KEY, KEYFERRY_MASTER_PASSWORD (or the same
with _FILE), for an environment NAME from KEYFERRY_<NAME>_…, never from the command line. An archive (.kfa) is
sealed for the environment's user, and for KEYFERRY_ARCHIVE_PASSPHRASE where that is set. A file that another program
encrypted (KDBX) opens with KEYFERRY_FILE_PASSPHRASE, or a prompt, and --key-file.

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
#[command(next_help_heading = "Every command")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that is typed")]
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
    /// The journal of jobs.
    #[arg(
        long,
        global = true,
        env = "KEYFERRY_JOURNAL",
        value_name = "FILE",
        help = "The journal of jobs: a file, or postgres://USER@HOST:PORT/DATABASE, whose password comes from \
                KEYFERRY_JOURNAL_PASSWORD, KEYFERRY_JOURNAL_PASSWORD_FILE or PGPASSFILE [default: keyferry/journal.db in \
                the platform's state folder]"
    )]
    pub journal: Option<PathBuf>,
    /// How long one request may take
    #[arg(long, global = true, value_name = "SECONDS", default_value = "120", value_parser = number::within(1..=3600_u64))]
    pub timeout: u64,
    /// Take a key derivation below today's floors, as old installations have it
    #[arg(long, global = true)]
    pub allow_weak_kdf: bool,
    /// Speak plain HTTP to another machine: whoever is on the way reads tokens and names
    #[arg(long, global = true, env = "KEYFERRY_INSECURE_HTTP", value_parser = clap::builder::FalseyValueParser::new())]
    pub insecure_http: bool,
    /// Take an archive or file whose passphrase costs more than 1 GiB or 10 passes to try, up to 4 GiB and 64
    #[arg(long, global = true)]
    pub allow_heavy_kdf: bool,
    /// Refuse every key that is not pinned here or in `KEYFERRY_PINS`: believe nothing for the first time
    #[arg(long, global = true, env = "KEYFERRY_REQUIRE_PINS", value_parser = clap::builder::FalseyValueParser::new())]
    pub require_pins: bool,
    /// Have what is written carry a mark that its fields belong together, or refuse records without it as well
    #[arg(
        long,
        global = true,
        env = "KEYFERRY_MARKS",
        value_enum,
        value_name = "write|require",
        hide_possible_values = true
    )]
    pub marks: Option<WhichMarks>,
}

/// `--marks`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum WhichMarks {
    /// What is written carries one.
    Write,
    /// What is read has to carry one as well.
    Require,
}

impl From<WhichMarks> for Marks {
    fn from(which: WhichMarks) -> Self {
        match which {
            WhichMarks::Write => Marks::Write,
            WhichMarks::Require => Marks::Require,
        }
    }
}

impl Arguments {
    /// Understands what was typed, the program's name first.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for, with the command's examples.
    pub fn read<W: std::convert::Into<OsString>>(
        words: impl IntoIterator<Item = W>,
    ) -> Result<Self, clap::Error> {
        let words: Vec<OsString> = words.into_iter().map(std::convert::Into::into).collect();
        // Examples are put together only where somebody will read them.
        Self::try_parse_from(&words)
            .or_else(|error| complete_definition().try_get_matches_from(&words).and(Err(error)))
    }
}

/// What may be typed, each command with its examples.
pub fn complete_definition() -> clap::Command {
    with_examples(Arguments::command(), "")
}

/// A command and those within it with their examples; `words` are those before it.
fn with_examples(command: clap::Command, words: &str) -> clap::Command {
    command.mut_subcommands(|inner| {
        let words = format!("{words} {}", inner.get_name());
        let inner = with_examples(inner, &words);
        let examples = examples::text(words.trim());
        if examples.is_empty() {
            return inner;
        }
        let help = match inner.get_after_help() {
            Some(help) => format!("{help}\n\n{examples}"),
            None => examples,
        };
        inner.after_help(help)
    })
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
    /// Do what a plan says that --plan-to wrote; nothing where source or sink are not as they were
    Apply(Apply),
    /// Show the columns of a table: where each goes and why, how much of it is filled, masked samples
    Columns(Columns),
    /// List the formats of files: who exports them, whether they are read or written, what is left behind
    Formats,
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
        #[arg(long, value_name = "JOB", value_parser = number::within(1..=i64::MAX))]
        forget: Option<i64>,
    },
    /// Go on with a job where it stopped
    Resume(OneJob),
    /// Send what a transfer with --workers has read, beside it or after it stopped; on any machine with the same journal
    Work(Work),
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
    #[cfg(feature = "rotate")]
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
    #[arg(long, value_name = "N", value_parser = number::within(1..=100_000_000_usize))]
    pub records: Option<usize>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// `program`
#[derive(Debug, Args)]
pub struct Program {
    /// What it does, as the command line calls it (earlier versions did not write that down), the source, the sink
    #[arg(num_args = 2..=3)]
    pub words: Vec<String>,
}

impl Program {
    /// The sink.
    pub fn to(&self) -> &str {
        self.words.last().map_or("", String::as_str)
    }
}

/// One job.
#[derive(Debug, Args)]
pub struct OneJob {
    /// Its number, as `keyferry jobs` shows it, or `last`
    #[arg(value_name = "JOB|last", value_parser = which_job)]
    pub job: WhichJob,
}

/// `work`
#[derive(Debug, Args)]
pub struct Work {
    /// The job's number, as the transfer says and `keyferry jobs` shows it
    pub job: i64,
    /// End when standard input does.
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

impl Command {
    /// How long a worker of this command keeps what it took, in seconds.
    pub fn lease(&self) -> Option<u64> {
        match self {
            Self::Import(import) => Some(import.into.lease),
            Self::Migrate(migrate) => Some(migrate.into.lease),
            _ => None,
        }
    }
}

/// A job as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichJob {
    /// The newest that can be meant.
    Last,
    /// By its number.
    Number(i64),
}

fn which_job(text: &str) -> Result<WhichJob, String> {
    if text == "last" {
        return Ok(WhichJob::Last);
    }
    number::within(1..=i64::MAX)(text)
        .map(WhichJob::Number)
        .map_err(|_| "write a job's number, or last".to_owned())
}

/// One location.
#[derive(Debug, Args)]
pub struct One {
    /// The environment, and a vault and folder in it
    pub location: String,
}
