//! From a source to a sink: write what the plan says, read back.
//!
//! The source is read again while writing, and a source that changed since it was planned is an
//! error, never a wrong verdict.

pub mod job;
pub mod pair;
mod removal;
pub mod sync;

use crate::archive;
use crate::client::Made;
use crate::engine::compare::digest::{DigestStore, Digester, RecordDigest};
use crate::engine::compare::sample::Sample;
use crate::engine::compare::verify;
use crate::engine::endpoint::{Endpoint, is_archive, written_format};
use crate::engine::environment::scope::Scope;
use crate::engine::environment::{Environment, ended_early};
use crate::engine::matching;
use crate::engine::options::{Options, Verify};
use crate::engine::placement::Placement;
use crate::engine::plan::brake::Brake;
use crate::engine::plan::preflight::Preflight;
use crate::engine::plan::{Plan, Verdict, Verdicts, can_keep_keys, digester, fit, make_plan, no_place};
use crate::engine::report::progress::{Progress, Step, Timed, check, patiently};
use crate::engine::report::{Rejected, Report, VaultCount};
use crate::engine::rights;
use crate::engine::sink::lost_answers;
use crate::engine::sink::{Before, Creation, Meanwhile, Sink};
use crate::engine::source::{self, Chunks};
use crate::engine::transfer::removal::Removal;
use crate::engine::transfer::sync::{Base, MaxDelete};
use crate::error::{Error, ErrorKind, Place, Position, Result};
use crate::files::sink::{self, Draft};
use crate::files::spool;
use crate::formats;
use crate::model::{Entry, Record, RecordPath};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Moves every record of `from` into `to`, then reads back and compares.
///
/// # Errors
/// Nothing is written where the plan shows conflicts under [`Conflict::Fail`](crate::engine::options::Conflict::Fail). After any other
/// error, running the same transfer again completes it without making anything twice.
pub async fn transfer(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report> {
    let start = Instant::now();
    let timed = Timed::new(progress);
    let settled = to.settled().await?;
    let to = settled.as_ref().unwrap_or(to);
    verify::distinct(from, to)?;
    can_keep_keys(from, to, options)?;
    Placement::of(from, to, options.structure.unwrap_or_default())?;
    if let Some(path) = &options.rejects {
        sink::check(path)?;
    }
    let prepared = matching::prepare(from, to, options, progress).await?;
    let (from, options) = matching::in_use(prepared.as_ref(), from, options);
    let mut preflight = Preflight::look(from, to, options).await?;
    preflight.passes()?;
    let planned = rights::prepare(from, to, options, progress).await?;
    let said = planned.as_ref().map(rights::Planned::said).unwrap_or_default();
    let mut report = match to {
        Endpoint::Environment(..) => {
            into_environment(from, to, options, &timed, &mut preflight, planned).await?
        }
        Endpoint::File { path, format } => {
            preflight.doubts().for_each(|doubt| progress.note(&doubt));
            into_file(from, path, *format, options, &timed).await?
        }
        Endpoint::Files(..) | Endpoint::Kv(..) | Endpoint::Spooled(..) => {
            return Err(Error::new(
                ErrorKind::Usage,
                "several files, a server of secrets, or input that was read already take no records",
            ));
        }
    };
    if let Some(path) = &options.rejects {
        write_rejects(path, &report.rejected)?;
    }
    report.rights = rights::carry(from, to, options, &said, progress).await?;
    report.not_movable = preflight.not_movable;
    report.stages = timed.finish();
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// A report with what is known before anything is read: which codes join which records, and what an earlier run had sent.
async fn begun(environment: &Environment, options: &Options, progress: &dyn Progress) -> Result<Report> {
    let mut report = Report::default();
    report.notes.extend(options.joins.iter().flat_map(|joins| joins.sentences().iter().cloned()));
    if let Some(job) = &options.job {
        let own = lost_answers::earlier_run(job, environment, progress).await?;
        if own > 0 {
            report.notes.push(format!("{own} records of the earlier run had arrived though no answer came"));
        }
    }
    Ok(report)
}

async fn into_environment(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
    preflight: &mut Preflight,
    rights: Option<rights::Planned>,
) -> Result<Report> {
    let Endpoint::Environment(environment, inside) = to else {
        return Err(Error::new(ErrorKind::Internal, "the sink is no environment"));
    };
    let digester = digester(to, options)?;
    let mut report = begun(environment, options, progress).await?;
    // Nothing can clash in an empty environment, so the source is read once only.
    let kept;
    // What a filter names is known to be there only once all of the source was read, and nothing is written before.
    let read_once = options.sync.is_none()
        && options.approved.is_none()
        && (options.allow_empty || !options.filter.names_something());
    let (from, mut plan) = if read_once && environment.is_plainly_empty(inside).await? {
        (from, None)
    } else {
        kept = source::kept(from, progress).await?;
        let from = kept.as_ref().unwrap_or(from);
        (from, Some(make_plan(from, to, options, progress, &digester).await?))
    };
    preflight.named(to, plan.as_ref().map(|plan| &*plan.scope)).await?;
    preflight.passes()?;
    preflight.doubts().for_each(|doubt| progress.note(&doubt));
    let (mut removals, mut past) = (HashMap::new(), Vec::new());
    let (mut brake, mut before) = (Brake::default(), Before::default());
    let mut named = inside.vault.as_ref().map(|_| Arc::new(Scope::of(inside)));
    if let Some(plan) = &mut plan {
        plan.is_approved(options.approved.as_deref(), to, rights).await?;
        plan.refuse_conflicts(options.on_conflict)?;
        allow_removals(plan, progress)?;
        brake = std::mem::take(&mut plan.brake);
        report.held_back = plan.held_back.take();
        report.drifted = std::mem::take(&mut plan.drifted);
        (removals, past) = (std::mem::take(&mut plan.removals), std::mem::take(&mut plan.past));
        (before, named) = (std::mem::take(&mut plan.before), Some(plan.scope.clone()));
    }
    let allow_unencrypted =
        options.allow_unencrypted_target || !(from.encrypts() || environment.must_encrypt());
    let sink = Sink::open(
        environment.clone(),
        allow_unencrypted,
        options,
        before,
        named.as_deref(),
        &digester,
        progress,
    )
    .await?;
    progress.begin(Step::Writing, plan.as_ref().map(|plan| plan.read));
    let verdicts = plan.map(|plan| plan.verdicts);
    let expected = DigestStore::new();
    let mut writing = Writing {
        digester: &digester,
        to,
        placement: Placement::of(from, to, options.structure.unwrap_or_default())?,
        sink,
        verdicts,
        report,
        sample: (options.verify == Verify::Sample).then(Sample::default),
        vaults: BTreeMap::new(),
        expected,
        scope: Scope::default(),
        workers: options.workers.as_ref().map_or(0, |workers| workers.count),
        is_sync: options.sync.is_some(),
        by_others: 0,
        on_the_way: VecDeque::new(),
    };
    let carried = writing.carry(from, options, progress).await;
    let Written { mut report, mut expected, scope, sample, came } = writing.finish(carried).await?;
    check(progress)?;
    let base = options.sync.as_ref().and_then(|sync| sync.base.as_ref());
    let whole = RecordPath { vault: inside.vault.clone(), folders: Vec::new() };
    let whole = Endpoint::Environment(environment.clone(), whole);
    if let Some(base) = base {
        // What could not be taken on the way counts like what could not be read before.
        brake.rejected = report.rejected.len() as u64;
        if let Some(held) = brake.look().filter(|_| brake.rejected > 0 && !removals.is_empty()) {
            past.extend(std::mem::take(&mut removals).into_values());
            report.held_back = Some(held);
        }
        if !removals.is_empty() {
            let binned = source::open_items(&whole, options, removals.into_keys().collect(), None);
            let removal = Removal { job: options.job.as_ref(), environment, base, digester: &digester };
            removal.run(binned, progress, &mut past, &mut report).await?;
        }
        tokio::task::block_in_place(|| base.note(&mut expected, &past))?;
    }
    let others =
        tell_of_others(came, &mut expected, (&whole, &scope), (options, &digester), progress, &mut report);
    let strangers = others.await?;
    if let Some((back, expected)) = to_read_back(options, sample, expected, (&whole, &scope), &mut report)? {
        let full = options.verify == Verify::Full;
        let strangers = if full { strangers } else { HashSet::new() };
        verify::check_off(back, expected, full, &digester, strangers, progress, &mut report).await?;
    }
    if let Some(base) = base.filter(|_| report.different.is_empty()) {
        remember(base, options, &report)?;
    }
    Ok(report)
}

/// Tells what came in meanwhile, and which of it is equal to a record that this job wrote; answers the items that reading back
/// will tell of.
async fn tell_of_others(
    came: Meanwhile,
    expected: &mut DigestStore,
    (whole, scope): (&Endpoint, &Arc<Scope>),
    (options, digester): (&Options, &Digester),
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<HashSet<String>> {
    let Meanwhile { items: strangers, vaults, .. } = came;
    if !vaults.is_empty() {
        let what = "vaults came in meanwhile that have the name of one that this job made: another run may be at work there";
        report.notes.push(format!("{} {what}", vaults.len()));
        let theirs = source::open_unknown(whole, options, vaults, scope);
        written_twice(theirs, expected, digester, progress, report).await?;
    }
    if !strangers.is_empty() {
        let what = "records came in meanwhile that this job did not write: another run may be at work there";
        report.notes.push(format!("{} {what}", strangers.len()));
        if options.verify != Verify::Full {
            let theirs = source::open_items(whole, options, strangers.clone(), Some(scope));
            written_twice(theirs, expected, digester, progress, report).await?;
        }
    }
    Ok(strangers)
}

/// Makes what a sync brought what the next one compares with.
fn remember(base: &Base, options: &Options, report: &Report) -> Result<()> {
    let held_of = match (&report.held_back, &options.sync) {
        (Some(held), _) => base.held_of().or(Some(held.of)),
        (None, Some(sync)) if sync.delete => None,
        // Who does not want to remove has not decided about what was held back.
        (None, _) => base.held_of(),
    };
    tokio::task::block_in_place(|| base.commit(held_of))
}

/// What is read back, and what it must be; `None` where nothing is.
fn to_read_back(
    options: &Options,
    sample: Option<Sample>,
    expected: DigestStore,
    (whole, scope): (&Endpoint, &Arc<Scope>),
    report: &mut Report,
) -> Result<Option<(Chunks, DigestStore)>> {
    Ok(match (options.verify, sample) {
        (Verify::None, _) => None,
        (Verify::Sample, Some(sample)) => {
            let (ids, chosen) = sample.into_parts()?;
            let written = report.created + report.updated;
            report
                .notes
                .push(format!("of {written} records written, {} chosen at random were read back", ids.len()));
            Some((source::open_items(whole, options, ids, Some(scope)), chosen))
        }
        (Verify::Full | Verify::Sample, _) => {
            Some((source::open_whole(whole, options, Some(scope)), expected))
        }
    })
}

/// Tells which of the records that others wrote meanwhile are equal to one that this job wrote.
async fn written_twice(
    mut theirs: Chunks,
    expected: &mut DigestStore,
    digester: &Digester,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<()> {
    let mut labels = HashMap::new();
    while let Some(chunk) = theirs.recv().await {
        for entry in chunk? {
            match entry {
                Entry::Record(record, _) => {
                    labels.insert(digester.digest(&record).whole(), record.label());
                }
                Entry::Reject(reject) => {
                    report.notes.push(format!("{} came in meanwhile: {}", reject.label, reject.why));
                }
                Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
            }
        }
        check(progress)?;
    }
    expected.visit(|digest| {
        report.different.extend(labels.remove(&digest.whole()).map(verify::twice));
        Ok(())
    })
}

/// Asks whoever is there where everything would be removed; holds back what may not be.
fn allow_removals(plan: &mut Plan, progress: &dyn Progress) -> Result<()> {
    let Some(question) = plan.brake.question() else {
        plan.hold_back();
        return Ok(());
    };
    match tokio::task::block_in_place(|| progress.confirm(&question)) {
        Some(true) => plan.brake.limit = Some(MaxDelete::Percent(100)),
        Some(false) => plan.brake.limit = None,
        None => {}
    }
    check(progress)?;
    plan.hold_back();
    Ok(())
}

/// A transfer while it writes.
struct Writing<'a> {
    digester: &'a Digester,
    to: &'a Endpoint,
    placement: Placement,
    sink: Sink<'a>,
    /// `None`: the sink was empty, so everything is to be made.
    verdicts: Option<Verdicts>,
    report: Report,
    /// What the sink must hold at the end.
    expected: DigestStore,
    /// Where that stands.
    scope: Scope,
    /// Which of the records written are read back, where not all are.
    sample: Option<Sample>,
    /// What became of the records of each vault.
    vaults: BTreeMap<Arc<str>, VaultCount>,
    /// Processes that send.
    workers: usize,
    is_sync: bool,
    /// Records that another run wrote first.
    by_others: u64,
    /// Oldest first.
    on_the_way: VecDeque<OnTheWay>,
}

/// A chunk that is encrypted or sent.
struct OnTheWay {
    facts: Vec<Identified>,
    weight: usize,
    creation: Creation,
}

/// Chunks that are encrypted or sent while the next is read: at most so many, and of so many bytes
/// together, but always one.
const IN_FLIGHT: usize = 6;
const IN_FLIGHT_BYTES: usize = 8 << 20;

/// What a record on its way will be accounted by.
struct Identified {
    label: String,
    vault: Arc<str>,
    at: Position,
    digest: RecordDigest,
}

impl Writing<'_> {
    /// Does what the plan says with every entry, until the source ends or the user asks to stop.
    async fn carry(&mut self, from: &Endpoint, options: &Options, progress: &dyn Progress) -> Result<()> {
        let mut chunks = source::open(from, options);
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk?;
            let count = chunk.len() as u64;
            self.take(chunk, from).await?;
            progress.advance(count);
            progress.portion(chunks.portion());
            if progress.interrupted() {
                return Ok(());
            }
        }
        match &self.verdicts {
            Some(verdicts) if !verdicts.ended() => Err(changed(from)),
            _ => Ok(()),
        }
    }

    /// Does with each entry of a chunk what the plan says.
    async fn take(&mut self, chunk: Vec<Entry>, from: &Endpoint) -> Result<()> {
        let mut facts = Vec::with_capacity(chunk.len());
        let mut fresh = Vec::with_capacity(chunk.len());
        let mut identities = Vec::new();
        for entry in chunk {
            match entry {
                Entry::Record(record, at) => {
                    self.report.read += 1;
                    let record = match fit(record, &at, self.to, &self.placement) {
                        Ok(record) => record,
                        Err(rejected) => {
                            self.report.rejected.push(rejected);
                            continue;
                        }
                    };
                    self.scope.name(&record.path);
                    let digest = self.digester.digest(&record);
                    let verdict = match &mut self.verdicts {
                        Some(verdicts) => verdicts.next(&digest).ok_or_else(|| changed(from))?,
                        None => Verdict::Create,
                    };
                    let vault = self.vault(&record.path);
                    let identity = self.sink.identity(&record, &digest);
                    match verdict {
                        Verdict::Create => {
                            identities.extend(identity);
                            facts.push(Identified { label: record.label(), vault, at, digest });
                            fresh.push(record);
                        }
                        Verdict::Update(id) => {
                            match self.sink.update(&id, &record, identity.as_ref()).await {
                                Ok(()) => {
                                    self.count(&vault).updated += 1;
                                    self.report.updated += 1;
                                    self.written(&id, &digest, &record.label())?;
                                }
                                // What was there stays as it was. A sync would take that for somebody else's change.
                                Err(error) if error.kind() == ErrorKind::Refused && !self.is_sync => {
                                    self.refused(&vault, &at, record.label(), &error);
                                }
                                Err(error) => return Err(error),
                            }
                        }
                        Verdict::Unchanged => {
                            self.count(&vault).unchanged += 1;
                            self.report.unchanged += 1;
                            self.expected.add(&digest, &record.label())?;
                        }
                        Verdict::Skip => {
                            self.count(&vault).left_out += 1;
                            self.report.skipped.push(record.label());
                        }
                        Verdict::Drifted => self.count(&vault).left_out += 1,
                    }
                }
                Entry::Folder(path) => {
                    let path = self.placement.place(path);
                    match no_place(&path, self.to) {
                        Some(why) => self.report.notes.push(format!("{path}: {why}")),
                        None => self.sink.folder(&path).await?,
                    }
                }
                Entry::Reject(reject) => {
                    self.report.read += 1;
                    self.report.rejected.push(reject.into());
                }
                Entry::Note(note) => self.report.notes.push(note),
                Entry::Values(values) => self.report.count(values),
            }
        }
        let weight: usize = fresh.iter().map(Record::weight).sum();
        let under_way = |this: &Self| this.on_the_way.iter().map(|chunk| chunk.weight).sum::<usize>();
        // A worker has one chunk at a time, and finds another when it is done.
        let crews = self.workers.max(1);
        while self.on_the_way.len() >= IN_FLIGHT * crews
            || (!self.on_the_way.is_empty() && under_way(self) + weight > IN_FLIGHT_BYTES * crews)
        {
            self.settle_one().await?;
        }
        if !fresh.is_empty() {
            let creation = self.sink.start(fresh, identities).await?;
            self.on_the_way.push_back(OnTheWay { facts, weight, creation });
        }
        Ok(())
    }

    /// The name of a record's vault, kept once.
    fn vault(&self, path: &RecordPath) -> Arc<str> {
        let name = path.vault.as_deref().unwrap_or_default();
        self.vaults.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone())
    }

    /// The account of a vault.
    fn count(&mut self, vault: &Arc<str>) -> &mut VaultCount {
        self.vaults.entry(vault.clone()).or_default()
    }

    async fn settle_one(&mut self) -> Result<()> {
        let Some(OnTheWay { facts, creation, .. }) = self.on_the_way.pop_front() else { return Ok(()) };
        let results = creation.await.map_err(ended_early)??;
        for (Identified { label, vault, at, digest }, result) in facts.into_iter().zip(results) {
            match result {
                Ok(Made::New(id)) => {
                    self.count(&vault).created += 1;
                    self.report.created += 1;
                    self.written(&id, &digest, &label)?;
                }
                // As good as found there by the plan; the proof looks at it like at the others.
                Ok(Made::There(id)) => {
                    self.count(&vault).unchanged += 1;
                    self.report.unchanged += 1;
                    self.by_others += 1;
                    self.written(&id, &digest, &label)?;
                }
                Err(error) if error.kind() == ErrorKind::Refused => {
                    self.refused(&vault, &at, label, &error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Notes what the sink does not take.
    fn refused(&mut self, vault: &Arc<str>, at: &Position, record: String, error: &Error) {
        self.count(vault).left_out += 1;
        let why = error.what().to_owned();
        self.report.rejected.push(Rejected { at: at.to_string(), record, why });
    }

    /// Notes what was written, so that it can be read back.
    fn written(&mut self, id: &str, digest: &RecordDigest, label: &str) -> Result<()> {
        if let Some(sample) = &mut self.sample {
            sample.offer(id, digest, label);
        }
        self.expected.add(digest, label)
    }

    /// Waits for what is on the way, also after an error or an interruption, so that the journal
    /// knows its end.
    async fn finish(mut self, mut carried: Result<()>) -> Result<Written> {
        while !self.on_the_way.is_empty() {
            let settled = self.settle_one().await;
            carried = carried.and(settled);
        }
        carried?;
        self.report.folders_created = self.sink.folders_created;
        let vaults = std::mem::take(&mut self.vaults).into_iter();
        self.report.vaults =
            vaults.map(|(name, count)| VaultCount { vault: name.to_string(), ..count }).collect();
        self.report.wrapped_for = std::mem::take(&mut self.sink.wrapped_for);
        if self.by_others > 0 {
            self.report.notes.push(format!(
                "{} records were written by another run of the same source meanwhile, and not a second time by this one",
                self.by_others
            ));
        }
        let scope = Arc::new(self.scope);
        let came = self.sink.meanwhile(self.report.created, &scope).await?;
        if came.doubles > 0 {
            self.report.notes.push(format!(
                "{} records were delivered twice on the way; the second ones are in the bin",
                came.doubles
            ));
        }
        Ok(Written { report: self.report, expected: self.expected, scope, sample: self.sample, came })
    }
}

/// What came of writing.
struct Written {
    report: Report,
    /// What the sink must hold now.
    expected: DigestStore,
    /// Where that stands.
    scope: Arc<Scope>,
    sample: Option<Sample>,
    came: Meanwhile,
}

fn changed(from: &Endpoint) -> Error {
    let error = Error::new(
        ErrorKind::Io,
        "the source changed while it was read; some records may be written already",
    )
    .next_step("run the same command again with --on-conflict skip: what is done is not done twice");
    match source::file_path(from) {
        Some(path) => error.at(Place::File { path: path.to_owned(), at: None }),
        None => error,
    }
}

async fn into_file(
    from: &Endpoint,
    path: &Path,
    format: Option<formats::Format>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report> {
    let sealed = options.sealed || is_archive(path);
    let format = written_format(path, format);
    let unknown = || {
        Error::new(ErrorKind::Usage, "the file's format is not known")
            .at(Place::File { path: path.to_owned(), at: None })
            .next_step("name it: --format json, csv or jsonl; keyferry formats lists all")
    };
    if !sealed && format.is_none() {
        return Err(unknown());
    }
    if !sealed && !format.is_some_and(formats::Format::is_encrypted) && !options.allow_plaintext {
        return Err(Error::new(ErrorKind::Usage, "this format holds every secret in the clear")
            .next_step("add --allow-plaintext if that is what you want; the file gets mode 0600"));
    }
    let in_file = |error: Error| error.at(Place::File { path: path.to_owned(), at: None });
    let draft = patiently(progress, {
        let path = path.to_owned();
        move || Draft::open(&path)
    })
    .await?;
    let output = Box::new(io::BufWriter::with_capacity(1 << 18, draft.output()?));
    let mut writer: Box<dyn formats::Writer> = if sealed {
        Box::new(archive::Writer::create(output, &options.archive.recipients()?)?)
    } else {
        let format = format.ok_or_else(unknown)?;
        let write = formats::WriteOptions { spools: spool::spools(), ..options.write.clone() };
        formats::writer(format, output, &write)?
    };
    let mut report = Report::default();
    progress.begin(Step::Writing, None);
    let mut chunks = source::open(from, options);
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        let count = chunk.len() as u64;
        for entry in chunk {
            match entry {
                Entry::Record(record, _) => {
                    report.read += 1;
                    writer.write(&record).map_err(in_file)?;
                    report.created += 1;
                }
                Entry::Folder(path) => writer.folder(&path).map_err(in_file)?,
                Entry::Reject(reject) => {
                    report.read += 1;
                    report.rejected.push(reject.into());
                }
                Entry::Note(note) => report.notes.push(note),
                Entry::Values(values) => report.count(values),
            }
        }
        progress.advance(count);
        progress.portion(chunks.portion());
        check(progress)?;
    }
    report.notes.extend(writer.finish().map_err(in_file)?);
    draft.finish()?;
    Ok(report)
}

fn write_rejects(path: &Path, rejected: &[Rejected]) -> Result<()> {
    let failed = |error: io::Error| Error::io(path, error);
    let draft = Draft::open(path)?;
    let mut file = io::BufWriter::new(draft.output()?);
    for reject in rejected {
        serde_json::to_writer(&mut file, reject).map_err(|error| failed(error.into()))?;
        file.write_all(b"\n").map_err(failed)?;
    }
    file.flush().map_err(failed)?;
    draft.finish()
}
