//! One file per command; this one chooses.

mod activity;
mod api;
mod apply;
mod archive;
mod audit;
mod columns;
pub mod completions;
mod demo;
mod dialogue;
mod doctor;
mod env;
mod exec;
mod export;
mod formats;
mod fsck;
mod generate;
mod get;
mod import;
mod inject;
mod jobs;
mod list;
mod locked;
mod login;
mod man;
mod migrate;
#[cfg(feature = "rotate")]
mod rotate;
mod serve;
mod sync;
mod table;
#[cfg(feature = "traces")]
mod traces;
mod update;
mod verify;
mod work;

use crate::args::{Arguments, Command, Env, Into, OnConflict, Select, StructureHow, VerifyHow};
use crate::config::{Config, PinSource};
use crate::credentials;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::output::Output;
use crate::output::progress::Shown;
use jiff::Timestamp;
use keyferry_core::Result;
use keyferry_core::crypto::mark::Marks;
use keyferry_core::engine::{
    self, ArchiveKeys, Conflict, Endpoint, Filter, Options, Page, PageFormat, Report, Structure, Verify,
    names,
};
use keyferry_core::files;
use keyferry_core::formats::Format;
use keyferry_core::model::RecordPath;
use std::path::Path;
use std::time::Duration;

/// Runs the command and gives its exit code.
pub async fn run(arguments: Arguments, jobs: Jobs, output: Output) -> Result<u8> {
    let global = arguments.global;
    // A file that is typed is meant to be there; one that a variable names may come to be.
    let typed = global.config.as_deref().filter(|path| {
        std::env::var_os("KEYFERRY_CONFIG").is_none_or(|variable| path.as_os_str() != variable)
    });
    let may_be_new = typed.is_none() || matches!(arguments.command, Command::Env(Env::Add { .. }));
    let config = || {
        let timeout = Duration::from_secs(global.timeout);
        let mut config = Config::load(global.config.as_deref(), may_be_new, timeout, output)?;
        config.allow_weak_kdf = global.allow_weak_kdf;
        config.insecure_http = global.insecure_http;
        config.pins = PinSource { journal: global.journal.clone(), required: global.require_pins };
        config.marks = global.marks.map_or(Marks::Free, Marks::from);
        Ok::<_, keyferry_core::Error>(config)
    };
    match arguments.command {
        Command::Demo(demo) => demo::run(demo, output).await,
        Command::Env(env) => env::run(env, config()?, &jobs, output).await,
        Command::Import(import) => Box::pin(import::run(import, &config()?, &jobs, output)).await,
        Command::Export(export) => Box::pin(export::run(export, &config()?, &jobs, output)).await,
        Command::Migrate(migrate) => Box::pin(migrate::run(migrate, &config()?, &jobs, output)).await,
        Command::Apply(plan) => apply::run(plan, jobs, output).await,
        Command::Sync(sync) => Box::pin(sync::run(sync, &config()?, &jobs, output)).await,
        Command::Verify(two) => verify::run(two, &config()?, &jobs, output).await,
        Command::Columns(asked) => columns::run(&asked, output),
        Command::Formats => formats::run(output),
        Command::Fsck(one) => fsck::run(&one.location, &config()?, output).await,
        Command::Audit(asked) => audit::run(asked, &config()?, &jobs, output).await,
        Command::Archive(archive) => Box::pin(archive::run(archive, &config()?, &jobs, output)).await,
        Command::Jobs { forget: None } => jobs::list(&jobs, output),
        Command::Jobs { forget: Some(id) } => jobs::forget(id, &jobs, output),
        Command::Resume(one) => jobs::resume(one.job, jobs, output).await,
        Command::Work(one) => work::run(one, &jobs, output).await,
        Command::Program(_) => jobs::of_program(),
        Command::Undo(one) => jobs::undo(one.job, &config()?, &jobs, output).await,
        Command::Ls(one) => list::run(&one.location, false, &config()?, output).await,
        Command::Tree(one) => list::run(&one.location, true, &config()?, output).await,
        Command::Activity(activity) => activity::run(activity, &config()?, output).await,
        Command::Get(get) => get::run(get, &config()?, output).await,
        Command::Update(update) => update::run(update, &config()?, &jobs, output).await,
        #[cfg(feature = "rotate")]
        Command::Rotate(rotate) => rotate::run(rotate, &config()?, &jobs, output).await,
        Command::Exec(exec) => exec::run(exec, &config()?, output).await,
        Command::Inject(inject) => inject::run(inject, &config()?, output).await,
        Command::Api(api) => api::run(api, &config()?, output).await,
        Command::Login(login) => login::login(&login, &config()?, output).await,
        Command::Logout(logout) => login::logout(&logout, &config()?, output).await,
        Command::Generate(generate) => generate::run(&generate, config, output).await,
        Command::Serve(serve) => serve::run(serve, output).await,
        Command::Doctor(doctor) => doctor::run(&doctor, &config(), &jobs, output).await,
        Command::Man(man) => man::run(&man, output),
        Command::Completions { shell } => completions::run(shell),
    }
}

/// The engine's options for what was typed.
fn options(into: Into, select: Select, jobs: &Jobs) -> Options {
    Options {
        allow_empty: select.allow_empty,
        filter: filter(select, jobs.started()),
        on_conflict: match into.on_conflict {
            OnConflict::Skip => Conflict::Skip,
            OnConflict::Update => Conflict::Update,
            OnConflict::Duplicate => Conflict::Duplicate,
            OnConflict::Fail => Conflict::Fail,
        },
        verify: match into.verify {
            VerifyHow::Full => Verify::Full,
            VerifyHow::Sample => Verify::Sample,
            VerifyHow::None => Verify::None,
        },
        rejects: into.rejects,
        allow_unencrypted_target: into.allow_unencrypted_target,
        trust_administrators: into.trust_administrators,
        structure: structure(into.structure),
        workers: into.workers.map(|count| jobs.workers(count.into(), Duration::from_secs(into.lease))),
        plan_key: into.approved.as_ref().and_then(|approved| approved.key.clone()),
        approved: into.approved.map(|approved| approved.digest),
        ..Options::default()
    }
}

/// The engine's structure for what was typed.
fn structure(how: Option<StructureHow>) -> Option<Structure> {
    how.map(|how| match how {
        StructureHow::Below => Structure::Below,
        StructureHow::Keep => Structure::Keep,
        StructureHow::Flatten => Structure::Flatten,
    })
}

/// The engine's filter for what was typed at this time.
fn filter(select: Select, typed: Timestamp) -> Filter {
    Filter {
        vaults: select.vault,
        folder: select.folder.as_deref().map(RecordPath::names),
        tags: select.tag,
        query: select.query,
        changed_since: select.changed_since.map(|when| when.counted_from(typed)),
        exclude: select.exclude.iter().map(|path| RecordPath::names(path)).collect(),
    }
}

/// A transfer as it was typed.
struct Typed<'a> {
    what: &'a str,
    from: &'a str,
    to: &'a str,
    dry_run: bool,
    plan_to: Option<&'a Path>,
    report: Option<&'a Path>,
}

impl Typed<'_> {
    /// Makes sure that the report can be written, before hours of work.
    fn check(&self) -> Result<()> {
        if let Some(path) = self.report {
            PageFormat::of(path)?;
        }
        self.report.into_iter().chain(self.plan_to).try_for_each(files::sink::check)
    }

    /// Writes the report, where one was asked for.
    async fn report(
        &self,
        report: &Report,
        (from, to): (&Endpoint, &Endpoint),
        (started, command): (Timestamp, &[String]),
        output: Output,
    ) -> Result<()> {
        let Some(path) = self.report else { return Ok(()) };
        let started = started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        let (source, sink) = (from.identity().await, to.identity().await);
        let page = Page {
            what: self.what,
            from: self.from,
            to: self.to,
            started: &started,
            command,
            source: source.as_ref(),
            sink: sink.as_ref(),
            report,
        };
        files::sink::write(path, page.render(PageFormat::of(path)?)?.as_bytes())?;
        output.say(&format!("report: {}", path.display()));
        Ok(())
    }
}

/// Plans only, or transfers; shows the outcome.
async fn carry(
    typed: &Typed<'_>,
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    jobs: &Jobs,
    output: Output,
) -> Result<u8> {
    typed.check()?;
    // Before what the sink holds is read, which may take long.
    options.filter.check(from)?;
    say_if_typed(from, output);
    let (archive, plan_of) = (with_keys(&options.archive, [to, from], jobs)?, apply::plan_of(jobs)?);
    let options = &Options { archive, plan_of, ..options.clone() };
    if typed.dry_run || typed.plan_to.is_some() {
        return show_plan(typed, from, to, options, jobs, output).await;
    }
    let progress = Shown::new(output);
    let report = jobs.run(from, to, options, &progress).await?;
    drop(progress);
    // A result that shares standard output with the records would spoil both.
    if matches!(to, Endpoint::File { path, .. } if files::sink::is_standard_output(path)) {
        output.say(&format!("{} records written in {:.1} s", report.created, report.seconds));
        for reject in &report.rejected {
            output.warn(&crate::output::clean(&format!("rejected: {reject}")));
        }
        for note in &report.notes {
            output.say(&crate::output::clean(&format!("note: {note}")));
        }
    } else {
        output.report(&report, typed.report.is_some())?;
    }
    typed.report(&report, (from, to), (jobs.started(), jobs.words()), output).await?;
    Ok(report.exit_code())
}

/// Finds out what would happen, shows it, and keeps it where that was asked for.
async fn show_plan(
    typed: &Typed<'_>,
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    jobs: &Jobs,
    output: Output,
) -> Result<u8> {
    let mut options = options.clone();
    let has_keys = to.environment().is_some_and(|sink| sink.unlocked().is_ok() && sink.encrypts());
    if let (Some(_), false) = (typed.plan_to, has_keys) {
        options.plan_key = Some(keyferry_core::crypto::generate::key()?);
    }
    if let Some(path) = typed.plan_to
        && (!matches!(to, Endpoint::Environment(..)) || is_read_once(from)?)
    {
        return Err(usage(
            format!("{} cannot be applied later", path.display()),
            "a plan goes from what can be read again, a file or an environment, into an environment",
        ));
    }
    // What was measured there before; a plan makes no journal.
    options.pace = match to.environment() {
        Some(sink) if jobs.is_there()? => jobs.journal()?.pace(sink.place())?,
        _ => None,
    };
    let progress = Shown::new(output);
    let plan = engine::plan(from, to, &options, &progress).await?;
    drop(progress);
    if let Some(path) = typed.plan_to {
        apply::write(path, &plan, options.plan_key.as_ref(), jobs)?;
    }
    if output.json {
        output.document(&plan)?;
    } else {
        for line in shortened(&plan.to_string(), std::io::IsTerminal::is_terminal(&std::io::stdout())) {
            output.line(&crate::output::clean(&line))?;
        }
    }
    if let Some(path) = typed.report {
        let why = "a report says what was done, and nothing was; --plan-to FILE keeps a plan";
        output.say(&format!("no report: {} was not written: {why}", path.display()));
    }
    if let Some(path) = typed.plan_to {
        let apply = engine::report::typed(&["apply", &path.display().to_string()]);
        output.say(&match plan.exit_code() {
            0 | 3 => format!("plan: {}; keyferry {apply} does it", path.display()),
            _ => format!("plan: {}; as it stands it would be refused: see above", path.display()),
        });
    }
    Ok(plan.exit_code())
}

/// Folders of a vault, and records of a kind, that a plan on a terminal names.
const MOST_FOLDERS: usize = 20;
const MOST_NAMED: usize = 100;

/// A plan as a person reads it: long lists of folders and of records are cut, each by itself, so that what follows them is
/// seen.
fn shortened(plan: &str, cut: bool) -> Vec<String> {
    // The start of its lines tells a list.
    const LISTS: [(&str, usize, &str); 4] = [
        ("+ ", MOST_FOLDERS, "folders"),
        ("conflict: ", MOST_NAMED, "of them"),
        ("rejected: ", MOST_NAMED, "of them"),
        ("drift: ", MOST_NAMED, "of them"),
    ];
    let list_of = |line: &str| {
        let inset = line.starts_with(' ');
        LISTS.into_iter().find(|(start, ..)| match *start {
            "+ " => inset && line.trim_start().starts_with("+ "),
            named => line.starts_with(named),
        })
    };
    let mut shown = Vec::new();
    let mut lines = plan.lines().peekable();
    while let Some(line) = lines.next() {
        shown.push(line.to_owned());
        let Some(list) = list_of(line).filter(|_| cut) else { continue };
        let (_, most, what) = list;
        let (mut here, mut more) = (1, 0);
        while let Some(next) = lines.next_if(|next| list_of(next) == Some(list)) {
            if here < most {
                shown.push(next.to_owned());
                here += 1;
            } else {
                more += 1;
            }
        }
        if more > 0 {
            shown.push(format!("    … and {more} more {what} (--json, or into a file, shows all)"));
        }
    }
    shown
}

/// Whether a source is gone once it was read.
fn is_read_once(from: &Endpoint) -> Result<bool> {
    match from {
        Endpoint::Environment(..) | Endpoint::Files(..) | Endpoint::Kv(..) => Ok(false),
        Endpoint::File { path, .. } => files::source::is_stream(path),
        Endpoint::Spooled(..) => Ok(true),
    }
}

/// A person at a terminal could wait for a program that waits for them.
fn say_if_typed(from: &Endpoint, output: Output) {
    if matches!(from, Endpoint::File { path, .. } if files::source::is_terminal(path)) {
        output.say("reading from the terminal; end with Ctrl-D");
    }
}

/// What archives are sealed for and opened with: the passphrase of the variable, and the user of the
/// first environment among these.
fn archive_keys<const N: usize>(endpoints: [&Endpoint; N], jobs: &Jobs) -> Result<ArchiveKeys> {
    with_keys(&ArchiveKeys::default(), endpoints, jobs)
}

/// The same, besides what is there already.
fn with_keys<const N: usize>(
    keys: &ArchiveKeys,
    endpoints: [&Endpoint; N],
    jobs: &Jobs,
) -> Result<ArchiveKeys> {
    let passphrase = credentials::secret("KEYFERRY", "ARCHIVE_PASSPHRASE", &credentials::process)?;
    Ok(ArchiveKeys {
        recipients: keys.recipients.clone(),
        allow_heavy: jobs.allow_heavy_kdf,
        ..ArchiveKeys::of(endpoints, passphrase)
    })
}

/// A format by its name.
fn format(name: &str) -> Result<Format> {
    Format::from_name(name).ok_or_else(|| {
        let all = || Format::all().map(Format::name);
        let mut near: Vec<_> =
            all().filter(|known| !name.is_empty() && known.starts_with(name)).take(4).collect();
        if near.is_empty() {
            near = names::near(name, all());
        }
        let next = if near.is_empty() {
            "keyferry formats lists them".to_owned()
        } else {
            format!("did you mean {}? keyferry formats lists them", near.join(" or "))
        };
        usage(format!("there is no format `{name}`"), next)
    })
}

/// Replaces the format of a file endpoint by the one named with `--format`.
fn with_format(endpoint: Endpoint, name: Option<&str>) -> Result<Endpoint> {
    match (endpoint, name) {
        (Endpoint::File { path, .. }, Some(name)) => Ok(Endpoint::File { path, format: Some(format(name)?) }),
        (Endpoint::Files(paths, _), Some(name)) => Ok(Endpoint::Files(paths, Some(format(name)?))),
        (endpoint, _) => Ok(endpoint),
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_FOLDERS, MOST_NAMED, shortened};

    #[test]
    fn each_list_of_a_plan_is_cut_by_itself_and_what_follows_it_is_seen() {
        let vault = |name: &str, folders: usize| {
            let mut lines = vec![format!("+ {name}")];
            lines.extend((0..folders).map(|n| format!("    + {n}")));
            lines
        };
        let named = |kind: &str, count: usize| {
            (0..count).map(|n| format!("{kind}: record {n}: why")).collect::<Vec<_>>()
        };
        let lists = [
            vault("first", MOST_FOLDERS + 3),
            vault("second", MOST_FOLDERS),
            named("rejected", MOST_NAMED + 1),
            named("conflict", MOST_NAMED),
            vec!["creates 7".to_owned()],
        ];
        let plan = lists.concat().join("\n");
        let shown = shortened(&plan, true);
        let cuts: Vec<&String> = shown.iter().filter(|line| line.contains('…')).collect();
        assert_eq!(cuts.len(), 2, "{cuts:?}");
        assert!(cuts[0].contains("3 more folders") && cuts[1].contains("1 more of them"), "{cuts:?}");
        assert_eq!(shown.len(), 2 + 2 * MOST_FOLDERS + 2 * MOST_NAMED + 1 + cuts.len());
        assert_eq!(shown.last().map(String::as_str), Some("creates 7"));
        assert_eq!(shortened(&plan, false).len(), plan.lines().count());
    }
}
