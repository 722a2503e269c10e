//! What a transfer would do, found out before anything is written.
//!
//! Records equal in everything count as there already, as often as they occur, so a second run
//! changes nothing; what clashes is settled by [`Conflict`]; in a sync, what the source changed is told
//! from what was edited in the sink.

pub(crate) mod brake;
pub mod places;
pub mod preflight;

use crate::engine::compare::digest::{DigestStore, Digester, Ledger, Noted, RecordDigest};
use crate::engine::compare::set::SetDigest;
use crate::engine::compare::verify;
use crate::engine::endpoint::{Endpoint, is_archive, written_format};
use crate::engine::environment::MOST_FOLDERS;
use crate::engine::environment::scope::Scope;
use crate::engine::matching;
use crate::engine::options::{Conflict, Keys, Options};
use crate::engine::placement::{DEFAULT_VAULT, Placement};
use crate::engine::plan::brake::Brake;
use crate::engine::plan::places::{Outcome, Places, VaultPlan};
use crate::engine::plan::preflight::Preflight;
use crate::engine::report::progress::{Progress, Step, check};
use crate::engine::report::{Difference, HeldBack, Rejected, Rights, values_line};
use crate::engine::rights::{self, Planned};
use crate::engine::sink::{Before, prove_new_keys};
use crate::engine::source;
use crate::engine::transfer::sync::Sync;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::formats::Holding;
use crate::model::{Attachment, Entry, Record, RecordPath, Values};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// What a transfer would do. Holds counts and names, never a value.
#[derive(Debug, Default, Serialize)]
pub struct Plan {
    /// Records that the source yields, those among them that are rejected.
    pub read: u64,
    /// What became of the values of a file; see [`Values`].
    pub values: Option<Values>,
    /// Records to be made.
    pub create: u64,
    /// Records to be overwritten.
    pub update: u64,
    /// Records that are there already.
    pub unchanged: u64,
    /// Where that is, vault by vault, and what is to be made for it; empty where the sink is a file.
    pub vaults: Vec<VaultPlan>,
    /// Records that a sync would move to the sink's bin.
    pub remove: u64,
    /// Those that it would not, and why.
    pub held_back: Option<HeldBack>,
    /// What was changed in the sink since the last sync.
    pub drifted: Vec<Difference>,
    /// Records whose place is taken by other content, and what differs.
    pub conflicts: Vec<Difference>,
    /// Records that cannot be taken.
    pub rejected: Vec<Rejected>,
    /// What would become of groups, rights and shortcuts; `null` where they are not to go along.
    pub rights: Option<Rights>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Whether both sides let the transfer happen, and what will stay behind.
    pub preflight: Preflight,
    /// About how long the transfer would take, with its verification.
    pub estimated_seconds: f64,
    /// The job by whose speed that is; `null` where it is guessed from what reading took now.
    pub estimated_by: Option<i64>,
    /// What is done about conflicts.
    pub on_conflict: &'static str,
    /// What the source and the sink hold as far as the plan depends on it: another digest, another plan. 64 hexadecimal
    /// digits under a key, see [`Options::plan_key`]; without any the key is random, and the digest good for nothing.
    pub digest: String,
    /// What of it depends on the records, while it is taken.
    #[serde(skip)]
    set: SetDigest,
    /// See [`Options::plan_of`].
    #[serde(skip)]
    of: Vec<String>,
    #[serde(skip)]
    places: Places,
    #[serde(skip)]
    pub(crate) verdicts: Verdicts,
    /// Items to be moved to the bin, as the sink holds them.
    #[serde(skip)]
    pub(crate) removals: HashMap<String, RecordDigest>,
    /// What is known of the source's reading, by which removals are judged.
    #[serde(skip)]
    pub(crate) brake: Brake,
    /// Records of the sink that no sync brought.
    #[serde(skip)]
    others: u64,
    /// Drifted records, whose past the next sync has to know.
    #[serde(skip)]
    pub(crate) past: Vec<RecordDigest>,
    /// Records that are there already and get a code of the source, by their numbers.
    #[serde(skip)]
    joined: HashSet<u64>,
    /// Where the source's records stand in the sink.
    #[serde(skip)]
    pub(crate) scope: Arc<Scope>,
    /// What the sink holds there already.
    #[serde(skip)]
    pub(crate) before: Before,
}

/// What is to be done with each record of the source, in its order: five bytes a record.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    kinds: Vec<Kind>,
    identities: Vec<u32>,
    /// The items to be overwritten, by the record's number.
    targets: HashMap<u64, String>,
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
pub(crate) enum Verdict {
    Create,
    Update(String),
    Unchanged,
    Skip,
    Drifted,
}

impl Verdicts {
    /// Whether every planned record was asked for.
    pub(crate) fn ended(&self) -> bool {
        self.next >= self.kinds.len()
    }

    /// What becomes of each record, for the account of its place.
    fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        self.kinds.iter().map(|kind| match kind {
            Kind::Create => Outcome::Create,
            Kind::Update => Outcome::Update,
            Kind::Unchanged => Outcome::Unchanged,
            Kind::Skip | Kind::Drifted => Outcome::LeftAlone,
        })
    }

    /// What to do with the next record; `None` where the source is not as it was planned.
    pub(crate) fn next(&mut self, digest: &RecordDigest) -> Option<Verdict> {
        let number = self.next;
        self.next += 1;
        if *self.identities.get(number)? != short(digest) {
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
    /// 3 where records or rights would be left out, 1 where the transfer would refuse to start.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.preflight.passes().is_err() {
            return 5;
        }
        match (self.on_conflict, self.conflicts.is_empty()) {
            ("fail", false) => 1,
            ("skip", false) => 3,
            _ if !self.rejected.is_empty() || !self.drifted.is_empty() || self.held_back.is_some() => 3,
            _ => self.rights.as_ref().map_or(0, |rights| if rights.is_whole() { 0 } else { 3 }),
        }
    }

    /// Takes out what both sides hold; answers the others. Only then is it known which of the sink's
    /// records have no equal in the source.
    fn without_equal(&mut self, held: &mut Ledger, wanted: Vec<Noted>) -> Vec<Noted> {
        let (equal, others): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|noted| held.take_equal(&noted.digest));
        for noted in equal {
            self.unchanged += 1;
            self.note("unchanged", &noted.digest, None);
            self.decide(noted.number, Kind::Unchanged);
        }
        others
    }

    /// Judges those records whose identities share a part of the digests.
    fn judge(&mut self, mut held: Ledger, wanted: Vec<Noted>, on_conflict: Conflict, digester: &Digester) {
        for noted in self.without_equal(&mut held, wanted) {
            let Some((theirs, held, what)) = held.take_alike(&noted.digest, digester) else {
                self.create += 1;
                self.note("create", &noted.digest, None);
                continue;
            };
            let id = split(&held).id;
            if self.joined.contains(&noted.number) {
                self.note("joins", &noted.digest, Some(&theirs));
                self.update += 1;
                self.overwrite(noted.number, id);
                continue;
            }
            self.note("conflict", &noted.digest, Some(&theirs));
            self.conflicts.push(Difference { record: noted.note.into_string(), what });
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
        vaults: &Vaults,
        digester: &Digester,
    ) -> Result<()> {
        let knows = |digest: &RecordDigest| sync.base.as_ref().map_or(Ok(false), |base| base.knows(digest));
        let brought = |digest: &RecordDigest| sync.base.as_ref().map_or(Ok(false), |base| base.holds(digest));
        for noted in self.without_equal(&mut held, wanted) {
            let Some((theirs, note, mut what)) = held.take_alike(&noted.digest, digester) else {
                self.create += 1;
                self.note("create", &noted.digest, None);
                if knows(&noted.digest)? {
                    self.drift(
                        noted.note.into_string(),
                        vec!["was missing in the sink, made again".to_owned()],
                    );
                }
                continue;
            };
            self.note("differs", &noted.digest, Some(&theirs));
            self.brake.brought += u64::from(knows(&theirs)?);
            if brought(&theirs)? {
                self.update += 1;
                self.overwrite(noted.number, split(&note).id);
                continue;
            }
            let said = if on_conflict == Conflict::Update {
                self.update += 1;
                self.overwrite(noted.number, split(&note).id);
                "edited in the sink, overwritten"
            } else {
                self.decide(noted.number, Kind::Drifted);
                self.past.push(theirs);
                "edited in the sink, left alone"
            };
            what.insert(0, said.to_owned());
            self.drift(noted.note.into_string(), what);
        }
        for (theirs, note) in held.into_rest() {
            let Held { id, vault, label } = split(&note);
            if !knows(&theirs)? {
                self.others += 1;
                continue;
            }
            self.brake.brought += 1;
            self.note("gone", &theirs, None);
            if !brought(&theirs)? {
                self.drift(
                    label,
                    vec!["no longer in the source, but edited in the sink: left alone".to_owned()],
                );
                self.past.push(theirs);
            } else if sync.delete {
                self.remove += 1;
                self.removals.insert(id, theirs);
                vaults.look(vault, &mut self.brake.missing);
            } else {
                self.drift(label, vec!["no longer in the source; --delete would remove it".to_owned()]);
                self.past.push(theirs);
            }
        }
        Ok(())
    }

    /// Keeps what would be removed, where the brake says so: the next sync will judge it anew.
    pub(crate) fn hold_back(&mut self) {
        self.held_back = self.brake.look();
        if self.held_back.is_some() {
            self.remove = 0;
            self.past.extend(std::mem::take(&mut self.removals).into_values());
        }
    }

    /// Adds what became of a record, and what it met, to the plan's digest.
    fn note(&mut self, what: &str, digest: &RecordDigest, theirs: Option<&RecordDigest>) {
        let parts =
            [Some(digest), theirs].into_iter().flatten().flat_map(|one| [&one.identity[..], &one.content]);
        self.set.add(std::iter::once(what.as_bytes()).chain(parts));
    }

    /// Finds out what is to be made for the records, and completes the digest.
    async fn account(&mut self, to: &Endpoint, rights: Option<Planned>) -> Result<()> {
        self.vaults = self.places.account(to, self.verdicts.outcomes()).await?;
        for vault in &self.vaults {
            self.set.add([vault.vault.as_bytes(), &[u8::from(vault.new)]]);
        }
        if let Some(Planned { rights, digest }) = rights {
            self.set.add([&b"rights"[..], digest.as_bytes()]);
            self.rights = Some(rights);
        }
        // Whoever gets at the file could write another command into it: the sum is not in the file, so that nobody without the
        // key finds the digest of that.
        let mut whole = SetDigest::default();
        let sum = self.set.to_hex();
        whole.add([sum.as_bytes()].into_iter().chain(self.of.iter().map(String::as_bytes)));
        self.digest = whole.to_hex();
        Ok(())
    }

    /// Makes sure that source and sink are as they were when a plan was approved; `rights` is what is planned of these now.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] where they are not.
    pub(crate) async fn is_approved(
        &mut self,
        approved: Option<&str>,
        to: &Endpoint,
        rights: Option<Planned>,
    ) -> Result<()> {
        let Some(approved) = approved else { return Ok(()) };
        self.account(to, rights).await?;
        if approved == self.digest {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "the source, the sink or the command is not what it was when the plan was made; nothing was written",
        )
        .next_step("make the plan anew with --plan-to, and look at what became different"))
    }

    fn drift(&mut self, record: String, what: Vec<String>) {
        self.drifted.push(Difference { record, what });
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

    pub(crate) fn refuse_conflicts(&self, on_conflict: Conflict) -> Result<()> {
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
    let settled = to.settled().await?;
    let to = settled.as_ref().unwrap_or(to);
    let prepared = matching::prepare(from, to, options, progress).await?;
    let (from, options) = matching::in_use(prepared.as_ref(), from, options);
    let mut preflight = Preflight::look(from, to, options).await?;
    let asked = Instant::now();
    if let Some(environment) = to.environment() {
        environment.client().features().await?;
    }
    let answer = asked.elapsed().as_secs_f64();
    let digester = digester(to, options)?;
    let start = Instant::now();
    let mut plan = make_plan(from, to, options, progress, &digester).await?;
    plan.hold_back();
    preflight.named(to, Some(&plan.scope)).await?;
    // Writing reads the source again, and verifying reads what was written: each about as long as
    // reading was. Requests go out several at a time.
    let written = plan.create + plan.update;
    let requests = written.div_ceil(BATCH) as f64;
    let share = if plan.read > 0 { written as f64 / plan.read as f64 } else { 0.0 };
    let read = start.elapsed().as_secs_f64();
    plan.estimated_seconds = match options.pace {
        Some(pace) => read + written as f64 * pace.seconds_per_record,
        None => read * (1.0 + share) + requests * answer / AT_ONCE,
    };
    plan.estimated_by = options.pace.map(|pace| pace.job);
    plan.preflight = preflight;
    let rights = rights::plan(from, to, options).await?;
    plan.account(to, rights).await?;
    Ok(plan)
}

/// What an estimate assumes: records of a request, and requests at a time.
const BATCH: u64 = 25;
const AT_ONCE: f64 = 4.0;

pub(crate) async fn make_plan(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
    digester: &Digester,
) -> Result<Plan> {
    progress.begin(Step::Planning, None);
    let mut plan =
        Plan { on_conflict: options.on_conflict.name(), of: options.plan_of.clone(), ..Plan::default() };
    plan.notes.extend(options.joins.iter().flat_map(|joins| joins.sentences().iter().cloned()));
    let mut vaults = Vaults::of(from, to).await?;
    let (wanted, places) = wanted(&mut plan, &mut vaults, (from, to), options, progress, digester).await?;
    let held = held(&mut plan, &mut vaults, to, options, progress, digester).await?;
    plan.verdicts.kinds.resize(plan.verdicts.identities.len(), Kind::Create);
    for (held, wanted) in held.into_parts().zip(wanted.into_parts()) {
        let held: Ledger = held?.into_iter().collect();
        match &options.sync {
            Some(sync) => plan.judge_sync(held, wanted?, options.on_conflict, sync, &vaults, digester)?,
            None => plan.judge(held, wanted?, options.on_conflict, digester),
        }
    }
    for rejected in &plan.rejected {
        plan.set.add(["rejected", &rejected.at, &rejected.record, &rejected.why].map(str::as_bytes));
    }
    plan.places = places;
    plan.conflicts.sort_by(|one, two| one.record.cmp(&two.record));
    plan.drifted.sort_by(|one, two| one.record.cmp(&two.record));
    if plan.others > 0 {
        plan.notes
            .push(format!("{} records of the sink came from elsewhere, or back from the bin", plan.others));
    }
    vaults.asked_for(&options.filter.vaults, &mut plan.brake.missing);
    let base = options.sync.as_ref().and_then(|sync| sync.base.as_ref());
    let brought = plan.brake.brought + plan.unchanged;
    plan.brake = Brake {
        removals: plan.remove,
        brought: base.map_or(0, |base| base.counted(brought).max(plan.remove)),
        read: plan.read,
        rejected: plan.rejected.len() as u64,
        missing: std::mem::take(&mut plan.brake.missing),
        filtered: !options.filter.is_empty(),
        limit: options.sync.as_ref().and_then(|sync| sync.max_delete),
    };
    if options.sync.as_ref().is_some_and(|sync| sync.base.is_none()) {
        plan.notes.push(
            "nothing is encrypted in the sink, so nothing tells its edits from the source's: all of them count as drift"
                .to_owned(),
        );
    }
    Ok(plan)
}

/// The account of what a file that would be written cannot hold; an archive holds all.
fn holding(to: &Endpoint, options: &Options) -> Option<Holding> {
    let Endpoint::File { path, format } = to else { return None };
    if options.sealed || is_archive(path) {
        return None;
    }
    Holding::of(written_format(path, *format)?).ok()
}

/// What the source holds: digests, and in the plan the places where they will stand.
async fn wanted(
    plan: &mut Plan,
    vaults: &mut Vaults,
    (from, to): (&Endpoint, &Endpoint),
    options: &Options,
    progress: &dyn Progress,
    digester: &Digester,
) -> Result<(DigestStore, Places)> {
    let mut scope = Scope::default();
    let mut wanted = DigestStore::new();
    let mut places = Places::default();
    let placement = Placement::of(from, to, options.structure.unwrap_or_default())?;
    let mut holding = holding(to, options);
    let mut chunks = source::open(from, options);
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        let count = chunk.len() as u64;
        for entry in chunk {
            match entry {
                Entry::Record(record, at) => {
                    plan.read += 1;
                    vaults.read(&record.path);
                    if from.environment().is_some() {
                        digester.learn(&record);
                    }
                    match fit(record, &at, to, &placement) {
                        Ok(record) => {
                            if let Some(holding) = &mut holding {
                                holding.record(&record);
                            }
                            scope.name(&record.path);
                            let digest = digester.digest(&record);
                            if options.joins.as_ref().is_some_and(|joins| joins.holds(&record)) {
                                plan.joined.insert(plan.verdicts.identities.len() as u64);
                            }
                            plan.verdicts.identities.push(short(&digest));
                            places.record(&record.path);
                            wanted.add(&digest, &record.label())?;
                        }
                        Err(rejected) => plan.rejected.push(rejected),
                    }
                }
                Entry::Reject(reject) => {
                    plan.read += 1;
                    plan.rejected.push(reject.into());
                }
                Entry::Note(note) => plan.notes.push(note),
                Entry::Values(values) => plan.values.get_or_insert_default().add(values),
                Entry::Folder(path) => {
                    if let Some(holding) = &mut holding {
                        holding.folder(&path);
                    }
                    let path = placement.place(path);
                    match no_place(&path, to) {
                        Some(why) => plan.notes.push(format!("{path}: {why}")),
                        None => places.folder(&path),
                    }
                }
            }
        }
        progress.advance(count);
        progress.portion(chunks.portion());
        check(progress)?;
    }
    // What a file could not hold is known before it is written.
    plan.notes.extend(holding.iter().flat_map(Holding::sentences));
    plan.scope = Arc::new(scope);
    Ok((wanted, places))
}

/// What the sink holds where the source's records will stand: digests, and in the plan the items. A sync also looks for
/// what it brought earlier, wherever that stands.
async fn held(
    plan: &mut Plan,
    vaults: &mut Vaults,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
    digester: &Digester,
) -> Result<DigestStore> {
    let mut held = DigestStore::new();
    let Endpoint::Environment(environment, _) = to else { return Ok(held) };
    let scope = options.sync.is_none().then(|| plan.scope.clone());
    // What the server says of its vaults comes before anything that is built on it.
    let named = |name: &str| scope.as_ref().is_none_or(|scope| scope.names_vault(name));
    prove_new_keys(environment, named).await?;
    let mut chunks = source::open_whole(to, options, scope.as_ref());
    while let Some(chunk) = chunks.recv().await {
        for entry in chunk? {
            match entry {
                Entry::Record(record, at) => {
                    let id = at.pointer.as_deref().unwrap_or_default();
                    plan.before.held(id);
                    let vault = vaults.number(&record.path);
                    digester.learn(&record);
                    held.add(&digester.digest(&record), &format!("{id}\n{vault}\n{}", record.label()))?;
                }
                Entry::Reject(reject) => plan.before.held(reject.at.pointer.as_deref().unwrap_or_default()),
                Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
            }
        }
        check(progress)?;
    }
    Ok(held)
}

/// A record of the sink, as the notes of what it holds have it.
struct Held {
    id: String,
    /// Its number among the source's vaults.
    vault: usize,
    label: String,
}

fn split(note: &str) -> Held {
    let mut parts = note.splitn(3, '\n');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    Held { id: next(), vault: next().parse().unwrap_or(usize::MAX), label: next() }
}

/// The vaults of the source, by name: those that are there, and those that records of the sink came from. That a whole
/// vault was lost is seen in an environment, which lists its vaults; in a file a vault is no more than its records.
struct Vaults {
    /// Of the sink: where the source's paths begin in it.
    beneath: RecordPath,
    /// `None`: the source does not list them.
    listed: Option<HashSet<String>>,
    read: HashSet<String>,
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Vaults {
    async fn of(from: &Endpoint, to: &Endpoint) -> Result<Self> {
        let listed = match from {
            Endpoint::Environment(environment, inside) => {
                Some(environment.vaults(inside).await?.into_iter().map(|vault| vault.name).collect())
            }
            Endpoint::File { .. } | Endpoint::Files(..) | Endpoint::Kv(..) | Endpoint::Spooled(..) => None,
        };
        let beneath = to.inside();
        let (read, names, numbers) = (HashSet::new(), Vec::new(), HashMap::new());
        Ok(Self { beneath, listed, read, names, numbers })
    }

    /// Which of the source's vaults a record of the sink came from, if a sync brought it.
    fn number(&mut self, path: &RecordPath) -> usize {
        let name = match &self.beneath.vault {
            None => path.vault.as_deref(),
            Some(_) => path.folders.get(self.beneath.folders.len()).map(String::as_str),
        };
        let name = name.unwrap_or(DEFAULT_VAULT);
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }

    /// A record of the source stands there.
    fn read(&mut self, path: &RecordPath) {
        if let Some(vault) = &path.vault
            && !self.read.contains(vault)
        {
            self.read.insert(vault.clone());
        }
    }

    /// Notes the vault of a record that would be removed, where the source does not list it any more.
    fn look(&self, vault: usize, missing: &mut Vec<String>) {
        let (Some(listed), Some(name)) = (&self.listed, self.names.get(vault)) else { return };
        // Beneath a place of the sink the folders of the default vault stand where other vaults' do.
        let unclear = self.beneath.vault.is_some() && listed.contains(DEFAULT_VAULT);
        if !unclear && !listed.contains(name) && !missing.contains(name) {
            missing.push(name.clone());
        }
    }

    /// Notes the vaults that a filter names and that the source does not have.
    fn asked_for(&self, names: &[String], missing: &mut Vec<String>) {
        let there = self.listed.as_ref().unwrap_or(&self.read);
        for name in names {
            if !there.contains(name) && !missing.contains(name) {
                missing.push(name.clone());
            }
        }
    }
}

/// Takes the digests of a transfer: those of a sync under its own key, others under one that the sink's user can derive
/// again on another day. Where that user has no keys, a plan that is applied later brings its key.
pub(crate) fn digester(to: &Endpoint, options: &Options) -> Result<Digester> {
    if let Some(base) = options.sync.as_ref().and_then(|sync| sync.base.as_ref()) {
        return Ok(base.digester());
    }
    match (verify::lasting(to)?, &options.plan_key) {
        (Some(lasting), _) => Ok(lasting),
        (None, Some(key)) => Ok(Digester::under(key.expose().as_bytes())),
        (None, None) => Digester::new(),
    }
}

/// Enough of an identity to notice that the source is not what it was.
fn short(digest: &RecordDigest) -> u32 {
    let [a, b, c, d, ..] = digest.identity;
    u32::from_be_bytes([a, b, c, d])
}

/// Records can be carried sealed between encrypted environments only.
pub(crate) fn can_keep_keys(from: &Endpoint, to: &Endpoint, options: &Options) -> Result<()> {
    if options.keys == Keys::Fresh {
        return Ok(());
    }
    let refuse = |what: &str, next: &str| Err(Error::new(ErrorKind::Usage, what).next_step(next));
    if !from.encrypts() || !to.encrypts() {
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

/// The record as the sink will hold it, or why it cannot.
pub(crate) fn fit(
    mut record: Record,
    at: &Position,
    to: &Endpoint,
    placement: &Placement,
) -> Result<Record, Rejected> {
    let Endpoint::Environment(..) = to else { return Ok(record) };
    let attachments = record.attachments.iter().filter(|_| record.sealed_under.is_none());
    let too_long = attachments.enumerate().find(|(_, one)| one.content.len() > Attachment::MAX);
    if let Some((index, one)) = too_long {
        return Err(Rejected {
            at: at.to_string(),
            record: record.label(),
            why: format!(
                "attachment {} has {} bytes; an environment takes {}",
                index + 1,
                one.content.len(),
                Attachment::MAX
            ),
        });
    }
    let label = record.label();
    record.path = placement.place(record.path);
    if record.path.folders.len() > MOST_FOLDERS {
        let why = format!("its folders would be nested more than {MOST_FOLDERS} deep there");
        return Err(Rejected { at: at.to_string(), record: label, why });
    }
    if let Some(why) = no_place(&record.path, to) {
        return Err(Rejected { at: at.to_string(), record: label, why: why.to_owned() });
    }
    // Passwork's number for no color.
    record.color = record.color.filter(|color| *color != 0);
    Ok(record)
}

/// Why nothing can stand at a path in the sink. Of records themselves the sink says what it does not take; a vault or folder
/// is made once for many, and the journal has its name before.
pub(crate) fn no_place(path: &RecordPath, to: &Endpoint) -> Option<&'static str> {
    let Endpoint::Environment(..) = to else { return None };
    let mut names = path.vault.iter().chain(&path.folders);
    names
        .any(|name| name.contains('\0'))
        .then_some("the name of its vault or folder holds a NUL character: change it in the source")
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
        if let Some(values) = &self.values {
            writeln!(f, "{}", values_line(values))?;
        }
        self.vaults.iter().try_for_each(|vault| writeln!(f, "{vault}"))?;
        if self.remove > 0 {
            writeln!(f, "{} to remove: they are no longer in the source", self.remove)?;
        }
        if let Some(held) = &self.held_back {
            writeln!(f, "{held}")?;
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
        for line in self.rights.iter().flat_map(|rights| rights.lines(true)) {
            writeln!(f, "{line}")?;
        }
        let by = match self.estimated_by {
            Some(job) => format!("as fast as job {job}"),
            None => "by what reading took now".to_owned(),
        };
        writeln!(f, "about {:.0} s to write and verify, {by}", self.estimated_seconds.ceil())?;
        for conflict in &self.conflicts {
            writeln!(f, "conflict: {} differs in {}", conflict.record, conflict.what.join(", "))?;
        }
        for reject in &self.rejected {
            writeln!(f, "rejected: {reject}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}
