//! From a source to a sink: plan, write, read back.
//!
//! The plan is made before anything is written: records equal in everything count as there
//! already, as often as they occur, so a second run changes nothing; what clashes is settled by
//! [`Conflict`]. The source is read again while writing, and a source that changed in between is
//! an error, never a wrong verdict.

use super::digest::{Digester, Ledger, Noted, Print, Prints};
use super::environment::ended_early;
use super::preflight::Preflight;
use super::report::{Progress, Rejected, Report, Step, Timed};
use super::sample::Sample;
use super::settle;
use super::sink::{Creation, Sink};
use super::verify::{self, Extras, check};
use super::{Conflict, Endpoint, Keys, Options, Sync, Verify, source};
use crate::archive;
use crate::error::{Error, ErrorKind, Place, Position, Result};
use crate::formats;
use crate::model::{Attachment, Entry, Record, RecordPath};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

/// What a transfer would do. Holds counts and names, never a value.
#[derive(Debug, Default, Serialize)]
pub struct Plan {
    /// Records that the source yields.
    pub read: u64,
    /// Records to be made.
    pub create: u64,
    /// Records to be overwritten.
    pub update: u64,
    /// Records that are there already.
    pub unchanged: u64,
    /// Records that a sync would move to the sink's bin.
    pub remove: u64,
    /// What was changed in the sink since the last sync.
    pub drifted: Vec<super::Difference>,
    /// Records whose place is taken by other content, and what differs.
    pub conflicts: Vec<super::Difference>,
    /// Records that cannot be taken.
    pub rejected: Vec<Rejected>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Whether both sides let the transfer happen, and what will stay behind.
    pub preflight: Preflight,
    /// About how long the transfer would take, with its verification.
    pub estimated_seconds: f64,
    /// What is done about conflicts.
    pub on_conflict: &'static str,
    #[serde(skip)]
    verdicts: Verdicts,
    /// Items to be moved to the bin.
    #[serde(skip)]
    removals: Vec<String>,
    /// Drifted records, whose past the next sync has to know.
    #[serde(skip)]
    past: Vec<Print>,
}

/// What is to be done with each record of the source, in its order: five bytes a record.
#[derive(Debug, Default)]
struct Verdicts {
    kinds: Vec<Kind>,
    identities: Vec<u32>,
    /// The items to be overwritten, by the record's number.
    targets: HashMap<u64, String>,
    /// Records of the sink that no sync brought.
    others: u64,
    next: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Update,
    Unchanged,
    Skip,
    /// Left alone, and told already.
    Drifted,
}

#[derive(Debug)]
enum Verdict {
    Create,
    Update(String),
    Unchanged,
    Skip,
    Drifted,
}

impl Verdicts {
    /// What to do with the next record; `None` where the source is not as it was planned.
    fn next(&mut self, print: &Print) -> Option<Verdict> {
        let number = self.next;
        self.next += 1;
        if *self.identities.get(number)? != short(print) {
            return None;
        }
        Some(match self.kinds.get(number)? {
            Kind::Create => Verdict::Create,
            Kind::Update => Verdict::Update(self.targets.remove(&(number as u64))?),
            Kind::Unchanged => Verdict::Unchanged,
            Kind::Skip => Verdict::Skip,
            Kind::Drifted => Verdict::Drifted,
        })
    }
}

impl Plan {
    /// 3 where records would be left out, 1 where the transfer would refuse to start.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.preflight.passes().is_err() {
            return 5;
        }
        match (self.on_conflict, self.conflicts.is_empty()) {
            ("fail", false) => 1,
            ("skip", false) => 3,
            _ if self.rejected.is_empty() && self.drifted.is_empty() => 0,
            _ => 3,
        }
    }

    /// Judges those records whose identities share a part of the prints.
    fn judge(&mut self, mut held: Ledger, wanted: Vec<Noted>, on_conflict: Conflict) {
        let mut clashing = Vec::new();
        for noted in wanted {
            if held.take_equal(&noted.print) {
                self.unchanged += 1;
                self.decide(noted.number, Kind::Unchanged);
            } else {
                clashing.push(noted);
            }
        }
        // Only now is it known which of the sink's records have an equal in the source.
        for noted in clashing {
            let Some((_, held, what)) = held.take_alike(&noted.print) else {
                self.create += 1;
                continue;
            };
            let (id, _) = split(&held);
            self.conflicts.push(super::Difference { record: noted.note.into_string(), what });
            match on_conflict {
                Conflict::Duplicate => self.create += 1,
                Conflict::Update => {
                    self.update += 1;
                    self.overwrite(noted.number, id);
                }
                Conflict::Skip | Conflict::Fail => self.decide(noted.number, Kind::Skip),
            }
        }
    }

    /// The same for a sink that is kept in step: what the source changed is overwritten, what was
    /// edited in the sink is drift.
    fn judge_sync(
        &mut self,
        mut held: Ledger,
        wanted: Vec<Noted>,
        on_conflict: Conflict,
        sync: &Sync,
    ) -> Result<()> {
        let knows = |print: &Print| sync.base.as_ref().map_or(Ok(false), |base| base.knows(print));
        let brought = |print: &Print| sync.base.as_ref().map_or(Ok(false), |base| base.holds(print));
        let mut differing = Vec::new();
        for noted in wanted {
            if held.take_equal(&noted.print) {
                self.unchanged += 1;
                self.decide(noted.number, Kind::Unchanged);
            } else {
                differing.push(noted);
            }
        }
        for noted in differing {
            let Some((theirs, note, mut what)) = held.take_alike(&noted.print) else {
                self.create += 1;
                if knows(&noted.print)? {
                    self.drift(
                        noted.note.into_string(),
                        vec!["was missing in the sink, made again".to_owned()],
                    );
                }
                continue;
            };
            if brought(&theirs)? {
                self.update += 1;
                self.overwrite(noted.number, split(&note).0);
                continue;
            }
            let said = if on_conflict == Conflict::Update {
                self.update += 1;
                self.overwrite(noted.number, split(&note).0);
                "edited in the sink, overwritten"
            } else {
                self.decide(noted.number, Kind::Drifted);
                self.past.push(theirs);
                "edited in the sink, left alone"
            };
            what.insert(0, said.to_owned());
            self.drift(noted.note.into_string(), what);
        }
        let mut others = 0_u64;
        for (theirs, note) in held.into_rest() {
            let (id, label) = split(&note);
            if !knows(&theirs)? {
                others += 1;
            } else if !brought(&theirs)? {
                self.drift(
                    label,
                    vec!["no longer in the source, but edited in the sink: left alone".to_owned()],
                );
                self.past.push(theirs);
            } else if sync.delete {
                self.remove += 1;
                self.removals.push(id);
            } else {
                self.drift(label, vec!["no longer in the source; --delete would remove it".to_owned()]);
                self.past.push(theirs);
            }
        }
        self.verdicts.others += others;
        Ok(())
    }

    fn drift(&mut self, record: String, what: Vec<String>) {
        self.drifted.push(super::Difference { record, what });
    }

    fn overwrite(&mut self, number: u64, id: String) {
        self.decide(number, Kind::Update);
        self.verdicts.targets.insert(number, id);
    }

    fn decide(&mut self, number: u64, kind: Kind) {
        if let Some(verdict) = usize::try_from(number).ok().and_then(|at| self.verdicts.kinds.get_mut(at)) {
            *verdict = kind;
        }
    }

    fn refuse_conflicts(&self, on_conflict: Conflict) -> Result<()> {
        let Some(first) = self.conflicts.first().filter(|_| on_conflict == Conflict::Fail) else {
            return Ok(());
        };
        let (count, first) = (self.conflicts.len(), &first.record);
        Err(Error::new(
            ErrorKind::Conflict,
            format!("{count} records are there already with other content, the first is {first}; nothing was written"),
        )
        .next_step("choose --on-conflict skip, update or duplicate; --dry-run lists them"))
    }
}

/// Finds out what a transfer would do; writes nothing.
pub async fn plan(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Plan> {
    can_keep_keys(from, to, options)?;
    let preflight = Preflight::look(from, to, options).await?;
    let asked = Instant::now();
    if let Endpoint::Environment(environment, _) = to {
        environment.client().features().await?;
    }
    let answer = asked.elapsed().as_secs_f64();
    let digester = digester(options)?;
    let start = Instant::now();
    let mut plan = make_plan(from, to, options, progress, &digester).await?;
    // Writing reads the source again, and verifying reads what was written: each about as long as
    // reading was. Requests go out several at a time.
    let written = plan.create + plan.update;
    let requests = written.div_ceil(BATCH) as f64;
    let share = if plan.read > 0 { written as f64 / plan.read as f64 } else { 0.0 };
    plan.estimated_seconds = start.elapsed().as_secs_f64() * (1.0 + share) + requests * answer / AT_ONCE;
    plan.preflight = preflight;
    Ok(plan)
}

/// What an estimate assumes: records of a request, and requests at a time.
const BATCH: u64 = 25;
const AT_ONCE: f64 = 4.0;

async fn make_plan(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
    digester: &Digester,
) -> Result<Plan> {
    progress.begin(Step::Planning, None);
    let mut plan = Plan { on_conflict: options.on_conflict.name(), ..Plan::default() };
    let mut held = Prints::new();
    if let Endpoint::Environment(environment, inside) = to
        && !environment.is_empty(inside).await?
    {
        let mut chunks = source::open_whole(to, options);
        while let Some(chunk) = chunks.recv().await {
            for entry in chunk? {
                if let Entry::Record(record, at) = entry {
                    let id = at.pointer.as_deref().unwrap_or_default();
                    held.add(&digester.print(&record), &format!("{id}\n{}", record.label()))?;
                }
            }
            check(progress)?;
        }
    }
    let mut wanted = Prints::new();
    let mut chunks = source::open(from, options);
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        let count = chunk.len() as u64;
        for entry in chunk {
            match entry {
                Entry::Record(record, at) => {
                    plan.read += 1;
                    match fit(record, &at, to) {
                        Ok(record) => {
                            let print = digester.print(&record);
                            plan.verdicts.identities.push(short(&print));
                            wanted.add(&print, &record.label())?;
                        }
                        Err(rejected) => plan.rejected.push(rejected),
                    }
                }
                Entry::Reject(reject) => plan.rejected.push(reject.into()),
                Entry::Note(note) => plan.notes.push(note),
                Entry::Folder(_) => {}
            }
        }
        progress.advance(count);
        check(progress)?;
    }
    plan.verdicts.kinds.resize(plan.verdicts.identities.len(), Kind::Create);
    for (held, wanted) in held.into_parts().zip(wanted.into_parts()) {
        let held: Ledger = held?.into_iter().collect();
        match &options.sync {
            Some(sync) => plan.judge_sync(held, wanted?, options.on_conflict, sync)?,
            None => plan.judge(held, wanted?, options.on_conflict),
        }
    }
    plan.conflicts.sort_by(|one, two| one.record.cmp(&two.record));
    plan.drifted.sort_by(|one, two| one.record.cmp(&two.record));
    if plan.verdicts.others > 0 {
        plan.notes.push(format!("{} records of the sink came from elsewhere", plan.verdicts.others));
    }
    if options.sync.as_ref().is_some_and(|sync| sync.base.is_none()) {
        plan.notes.push(
            "nothing is encrypted in the sink, so nothing tells its edits from the source's: all of them count as drift"
                .to_owned(),
        );
    }
    Ok(plan)
}

/// An item's id and label, as the notes of what the sink holds have them.
fn split(note: &str) -> (String, String) {
    let (id, label) = note.split_once('\n').unwrap_or((note, ""));
    (id.to_owned(), label.to_owned())
}

fn digester(options: &Options) -> Result<Digester> {
    match options.sync.as_ref().and_then(|sync| sync.base.as_ref()) {
        Some(base) => Ok(base.digester()),
        None => Digester::new(),
    }
}

/// Enough of an identity to notice that the source is not what it was.
fn short(print: &Print) -> u32 {
    let [a, b, c, d, ..] = print.identity;
    u32::from_be_bytes([a, b, c, d])
}

/// Moves every record of `from` into `to`, then reads back and compares.
///
/// # Errors
/// Nothing is written where the plan shows conflicts under [`Conflict::Fail`]. After any other
/// error, running the same transfer again completes it without making anything twice.
pub async fn transfer(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report> {
    let start = Instant::now();
    let timed = Timed::new(progress);
    can_keep_keys(from, to, options)?;
    let preflight = Preflight::look(from, to, options).await?;
    preflight.passes()?;
    preflight.doubts().for_each(|doubt| progress.note(&doubt));
    let mut report = match to {
        Endpoint::Environment(..) => into_environment(from, to, options, &timed).await?,
        Endpoint::File { path, format } => into_file(from, path, *format, options, &timed).await?,
        Endpoint::Spooled(..) => {
            return Err(Error::new(ErrorKind::Usage, "standard input takes no records"));
        }
    };
    if let Some(path) = &options.rejects {
        write_rejects(path, &report.rejected)?;
    }
    report.not_movable = preflight.not_movable;
    report.stages = timed.finish();
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

async fn into_environment(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report> {
    let Endpoint::Environment(environment, inside) = to else {
        return Err(Error::new(ErrorKind::Internal, "the sink is no environment"));
    };
    let digester = digester(options)?;
    let mut report = Report::default();
    if let Some(job) = &options.job {
        let own = settle::earlier_run(job, environment, progress).await?;
        if own > 0 {
            report.notes.push(format!("{own} records of the earlier run had arrived though no answer came"));
        }
    }
    // Nothing can clash in an empty environment, so the source is read once only.
    let kept;
    let (from, mut plan) = if options.sync.is_none() && environment.is_empty(inside).await? {
        (from, None)
    } else {
        kept = source::kept(from).await?;
        let from = kept.as_ref().unwrap_or(from);
        (from, Some(make_plan(from, to, options, progress, &digester).await?))
    };
    let (mut removals, mut past) = (Vec::new(), Vec::new());
    if let Some(plan) = &mut plan {
        plan.refuse_conflicts(options.on_conflict)?;
        report.drifted = std::mem::take(&mut plan.drifted);
        (removals, past) = (std::mem::take(&mut plan.removals), std::mem::take(&mut plan.past));
    }
    let encrypted_source = matches!(from, Endpoint::Environment(source, _) if source.encrypts());
    let allow_unencrypted = options.allow_unencrypted_target || !encrypted_source;
    let sink = Sink::open(environment.clone(), allow_unencrypted, options.job.clone()).await?;
    progress.begin(Step::Writing, plan.as_ref().map(|plan| plan.read));
    let verdicts = plan.map(|plan| plan.verdicts);
    let expected = Prints::new();
    let mut writing = Writing {
        digester: &digester,
        to,
        inside,
        sink,
        verdicts,
        report,
        sample: (options.verify == Verify::Sample).then(Sample::default),
        expected,
        on_the_way: VecDeque::new(),
    };
    let carried = writing.carry(from, options, progress).await;
    let (mut report, mut expected, sample) = writing.finish(carried).await?;
    check(progress)?;
    for id in &removals {
        environment.client().delete_item(id).await?;
        report.removed += 1;
        check(progress)?;
    }
    let base = options.sync.as_ref().and_then(|sync| sync.base.as_ref());
    if let Some(base) = base {
        tokio::task::block_in_place(|| base.note(&mut expected, &past))?;
    }
    let inside = RecordPath { vault: inside.vault.clone(), folders: Vec::new() };
    let back = Endpoint::Environment(environment.clone(), inside);
    match (options.verify, sample) {
        (Verify::None, _) => {}
        (Verify::Sample, Some(sample)) => {
            let (ids, expected) = sample.into_parts()?;
            let written = report.created + report.updated;
            report
                .notes
                .push(format!("of {written} records written, {} chosen at random were read back", ids.len()));
            let back = source::open_items(&back, options, ids);
            verify::compare(
                back,
                expected,
                &digester,
                Extras::Ignore,
                &RecordPath::default(),
                progress,
                &mut report,
            )
            .await?;
        }
        (Verify::Full | Verify::Sample, _) => {
            let back = source::open_whole(&back, options);
            verify::compare(
                back,
                expected,
                &digester,
                Extras::Ignore,
                &RecordPath::default(),
                progress,
                &mut report,
            )
            .await?;
        }
    }
    if let Some(base) = base.filter(|_| report.different.is_empty()) {
        tokio::task::block_in_place(|| base.commit())?;
    }
    Ok(report)
}

/// Records can be carried sealed between encrypted environments only.
fn can_keep_keys(from: &Endpoint, to: &Endpoint, options: &Options) -> Result<()> {
    if options.keys == Keys::Fresh {
        return Ok(());
    }
    let refuse = |what: &str, next: &str| Err(Error::new(ErrorKind::Usage, what).next_step(next));
    let encrypts = |one: &Endpoint| matches!(one, Endpoint::Environment(one, _) if one.encrypts());
    if !encrypts(from) || !encrypts(to) {
        return refuse("--rewrap needs two environments with client-side encryption", "leave --rewrap out");
    }
    if options.on_conflict == Conflict::Update {
        // The attachments that are there are encrypted under the key that would be replaced.
        return refuse(
            "--rewrap cannot overwrite records",
            "choose --on-conflict skip or duplicate, or leave --rewrap out",
        );
    }
    Ok(())
}

/// A transfer while it writes.
struct Writing<'a> {
    digester: &'a Digester,
    to: &'a Endpoint,
    inside: &'a RecordPath,
    sink: Sink,
    /// `None`: the sink was empty, so everything is to be made.
    verdicts: Option<Verdicts>,
    report: Report,
    /// What the sink must hold at the end.
    expected: Prints,
    /// Which of the records written are read back, where not all are.
    sample: Option<Sample>,
    /// Oldest first.
    on_the_way: VecDeque<OnTheWay>,
}

/// A chunk that is encrypted or sent.
struct OnTheWay {
    facts: Vec<Facts>,
    weight: usize,
    creation: Creation,
}

/// Chunks that are encrypted or sent while the next is read: at most so many, and of so many bytes
/// together, but always one.
const IN_FLIGHT: usize = 6;
const IN_FLIGHT_BYTES: usize = 8 << 20;

/// What a record on its way will be accounted by: its label, position and digests.
type Facts = (String, Position, Print);

impl Writing<'_> {
    /// Does what the plan says with every entry, until the source ends or the user asks to stop.
    async fn carry(&mut self, from: &Endpoint, options: &Options, progress: &dyn Progress) -> Result<()> {
        let mut chunks = source::open(from, options);
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk?;
            let count = chunk.len() as u64;
            self.take(chunk, from).await?;
            progress.advance(count);
            if progress.interrupted() {
                return Ok(());
            }
        }
        match &self.verdicts {
            Some(verdicts) if verdicts.next < verdicts.kinds.len() => Err(changed(from)),
            _ => Ok(()),
        }
    }

    /// Does with each entry of a chunk what the plan says.
    async fn take(&mut self, chunk: Vec<Entry>, from: &Endpoint) -> Result<()> {
        let mut facts = Vec::with_capacity(chunk.len());
        let mut fresh = Vec::with_capacity(chunk.len());
        for entry in chunk {
            match entry {
                Entry::Record(record, at) => {
                    self.report.read += 1;
                    let record = match fit(record, &at, self.to) {
                        Ok(record) => record,
                        Err(rejected) => {
                            self.report.rejected.push(rejected);
                            continue;
                        }
                    };
                    let print = self.digester.print(&record);
                    let verdict = match &mut self.verdicts {
                        Some(verdicts) => verdicts.next(&print).ok_or_else(|| changed(from))?,
                        None => Verdict::Create,
                    };
                    match verdict {
                        Verdict::Create => {
                            facts.push((record.label(), at, print));
                            fresh.push(record);
                        }
                        Verdict::Update(id) => {
                            self.sink.update(&id, &record).await?;
                            self.report.updated += 1;
                            self.written(&id, &print, &record.label())?;
                        }
                        Verdict::Unchanged => {
                            self.report.unchanged += 1;
                            self.expected.add(&print, &record.label())?;
                        }
                        Verdict::Skip => self.report.skipped.push(record.label()),
                        Verdict::Drifted => {}
                    }
                }
                Entry::Folder(path) => self.sink.folder(&source::beneath(self.inside, path)).await?,
                Entry::Reject(reject) => self.report.rejected.push(reject.into()),
                Entry::Note(note) => self.report.notes.push(note),
            }
        }
        let weight: usize = fresh.iter().map(Record::weight).sum();
        let under_way = |this: &Self| this.on_the_way.iter().map(|chunk| chunk.weight).sum::<usize>();
        while self.on_the_way.len() >= IN_FLIGHT
            || (!self.on_the_way.is_empty() && under_way(self) + weight > IN_FLIGHT_BYTES)
        {
            self.settle_one().await?;
        }
        if !fresh.is_empty() {
            let creation = self.sink.start(fresh).await?;
            self.on_the_way.push_back(OnTheWay { facts, weight, creation });
        }
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<()> {
        let Some(OnTheWay { facts, creation, .. }) = self.on_the_way.pop_front() else { return Ok(()) };
        let results = creation.await.map_err(ended_early)??;
        for ((label, at, print), result) in facts.into_iter().zip(results) {
            match result {
                Ok(id) => {
                    self.report.created += 1;
                    self.written(&id, &print, &label)?;
                }
                Err(error) if error.kind() == ErrorKind::Refused => {
                    let why = error.what().to_owned();
                    self.report.rejected.push(Rejected { at: at.to_string(), record: label, why });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Notes what was written, so that it can be read back.
    fn written(&mut self, id: &str, print: &Print, label: &str) -> Result<()> {
        if let Some(sample) = &mut self.sample {
            sample.offer(id, print, label);
        }
        self.expected.add(print, label)
    }

    /// Waits for what is on the way, also after an error or an interruption, so that the journal
    /// knows its end; answers the report and what the sink must hold now.
    async fn finish(mut self, mut carried: Result<()>) -> Result<(Report, Prints, Option<Sample>)> {
        while !self.on_the_way.is_empty() {
            let settled = self.settle_one().await;
            carried = carried.and(settled);
        }
        carried?;
        self.report.folders_created = self.sink.folders_created;
        let doubles = self.sink.remove_doubles(self.report.created).await?;
        if doubles > 0 {
            self.report.notes.push(format!(
                "{doubles} records were delivered twice on the way; the second ones are in the bin"
            ));
        }
        Ok((self.report, self.expected, self.sample))
    }
}

/// The record as the sink will hold it, or why it cannot.
fn fit(mut record: Record, at: &Position, to: &Endpoint) -> Result<Record, Rejected> {
    let Endpoint::Environment(_, inside) = to else { return Ok(record) };
    let mut attachments = record.attachments.iter().filter(|_| record.sealed_under.is_none());
    let too_long = attachments.find(|one| one.content.len() > Attachment::MAX);
    if let Some(one) = too_long {
        return Err(Rejected {
            at: at.to_string(),
            record: record.label(),
            why: format!(
                "attachment {} has {} bytes; an environment takes {}",
                one.name,
                one.content.len(),
                Attachment::MAX
            ),
        });
    }
    record.path = source::beneath(inside, record.path);
    // Passwork's number for no color.
    record.color = record.color.filter(|color| *color != 0);
    Ok(record)
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
    let sealed = is_archive(path);
    if !sealed && !options.allow_plaintext {
        return Err(Error::new(ErrorKind::Usage, "this format holds every secret in the clear")
            .next_step("add --allow-plaintext if that is what you want; the file gets mode 0600"));
    }
    let failed = |error: io::Error| Error::io(path, error);
    let in_file = |error: Error| error.at(Place::File { path: path.to_owned(), at: None });
    let to_stdout = path == Path::new("-");
    // The file appears under its name only when it is whole, and is readable by its owner only.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (output, file): (Box<dyn Write + Send>, _) = if to_stdout {
        (Box::new(io::stdout()), None)
    } else {
        let file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        (Box::new(file.reopen().map_err(failed)?), Some(file))
    };
    let output = Box::new(io::BufWriter::with_capacity(1 << 18, output));
    let mut writer: Box<dyn formats::Writer> = if sealed {
        Box::new(archive::Writer::create(output, &options.archive.recipients()?)?)
    } else {
        let named = path.extension().and_then(|ending| ending.to_str()).and_then(formats::Format::from_name);
        let format = format.or(named).ok_or_else(|| {
            Error::new(ErrorKind::Usage, "the file's format is not known")
                .next_step("name it: --format json, csv or jsonl")
        })?;
        formats::writer(format, output, &options.write)?
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
                Entry::Reject(reject) => report.rejected.push(reject.into()),
                Entry::Note(note) => report.notes.push(note),
            }
        }
        progress.advance(count);
        check(progress)?;
    }
    report.notes.extend(writer.finish().map_err(in_file)?);
    if let Some(file) = file {
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| Error::io(path, error.error))?;
    }
    Ok(report)
}

/// Whether a sink's name asks for an archive.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("kfa"))
}

/// To the engine an archive is a format like any other.
impl formats::Writer for archive::Writer {
    fn write(&mut self, record: &Record) -> Result<()> {
        Self::write(self, record)
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        Self::folder(self, path)
    }

    fn finish(self: Box<Self>) -> Result<Vec<String>> {
        Self::finish(*self).map(|()| Vec::new())
    }
}

fn write_rejects(path: &Path, rejected: &[Rejected]) -> Result<()> {
    let failed = |error: io::Error| Error::io(path, error);
    let mut file = io::BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    for reject in rejected {
        serde_json::to_writer(&mut file, reject).map_err(|error| failed(error.into()))?;
        file.write_all(b"\n").map_err(failed)?;
    }
    file.flush().map_err(failed)
}

impl std::fmt::Display for Plan {
    /// For people: counts, then each conflict and reject by name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} read: {} to create, {} to update, {} there already, {} in conflict ({}), {} rejected",
            self.read,
            self.create,
            self.update,
            self.unchanged,
            self.conflicts.len(),
            self.on_conflict,
            self.rejected.len()
        )?;
        if self.remove > 0 {
            writeln!(f, "{} to remove: they are no longer in the source", self.remove)?;
        }
        for drift in &self.drifted {
            writeln!(f, "drift: {}: {}", drift.record, drift.what.join(", "))?;
        }
        for check in &self.preflight.checks {
            writeln!(f, "{check}")?;
        }
        for one in &self.preflight.not_movable {
            let count = one.count.map_or_else(String::new, |count| format!(" ({count})"));
            writeln!(f, "not movable: {}{count}: {}", one.what, one.why)?;
        }
        writeln!(f, "about {:.0} s to write and verify", self.estimated_seconds.ceil())?;
        for conflict in &self.conflicts {
            writeln!(f, "conflict: {} differs in {}", conflict.record, conflict.what.join(", "))?;
        }
        for reject in &self.rejected {
            writeln!(f, "rejected: {}: {}: {}", reject.at, reject.record, reject.why)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}
