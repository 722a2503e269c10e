//! Compares what two locations hold, by keyed digest of the decrypted content.

use crate::engine::compare::digest::{DigestStore, Digester, Ledger, RecordDigest, Short};
use crate::engine::compare::set::SetDigest;
use crate::engine::endpoint::Endpoint;
use crate::engine::matching;
use crate::engine::options::Options;
use crate::engine::placement::Placement;
use crate::engine::report::progress::{Progress, Step, Timed, check};
use crate::engine::report::{Difference, ONLY_THERE, Report};
use crate::engine::source::filter::Filter;
use crate::engine::source::{self, Chunks};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Entry, Record, RecordPath};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Compares two locations record by record: whether everything of `a` is in `b`, equal. The report's `verified` counts
/// equal records, `different` names the others: missing in `b`, or the fields that differ. What only `b` holds is counted
/// in `only_there`; with [`Options::exact`] it is a difference too.
///
/// The filter applies to both, but times of change are asked of `a` only, as a copy has a time of
/// its own; what else `b` holds is then no difference.
pub async fn verify(
    a: &Endpoint,
    b: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report> {
    let start = Instant::now();
    let timed = Timed::new(progress);
    let progress = &timed;
    distinct(a, b)?;
    options.filter.check(a)?;
    let prepared = matching::prepare(a, b, options, progress).await?;
    let (a, options) = matching::in_use(prepared.as_ref(), a, options);
    let digester = lasting(b)?.map_or_else(Digester::new, Ok)?;
    let mut report = Report::default();
    report.notes.extend(options.joins.iter().flat_map(|joins| joins.sentences().iter().cloned()));
    let ways = match options.structure {
        Some(structure) => vec![(Placement::of(a, b, structure)?, None)],
        None => Placement::candidates(a, b),
    };
    let mut ways: Vec<Way> =
        ways.into_iter().map(|(placement, called)| Way::new(placement, called)).collect();
    if let Some(note) = one_in_two_places(a, b).await? {
        report.notes.push(note);
    }
    progress.begin(Step::Planning, None);
    let mut chunks = source::open(a, options);
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        let count = chunk.len() as u64;
        for entry in chunk {
            match entry {
                Entry::Record(record, _) => {
                    report.read += 1;
                    if a.environment().is_some() {
                        digester.learn(&record);
                    }
                    Way::add(&mut ways, record, &digester)?;
                }
                Entry::Reject(reject) => {
                    report.read += 1;
                    report.rejected.push(reject.into());
                }
                Entry::Note(note) => report.notes.push(note),
                Entry::Values(values) => report.count(values),
                Entry::Folder(_) => {}
            }
        }
        progress.advance(count);
        progress.portion(chunks.portion());
        check(progress)?;
    }
    let mut of_b = options.clone();
    of_b.allow_empty = true;
    let since = of_b.filter.changed_since.take();
    // Where things stand elsewhere than in the first location, its names say nothing of the second's places.
    let places = ways.iter().any(|way| way.placement != Placement::default()).then(|| {
        let Filter { vaults, folder, exclude, .. } = &mut of_b.filter;
        Filter {
            vaults: std::mem::take(vaults),
            folder: folder.take(),
            exclude: std::mem::take(exclude),
            ..Filter::default()
        }
    });
    let extras = if options.exact && since.is_none() { Extras::Differ } else { Extras::Unasked };
    progress.begin(Step::Verifying, Some(report.read));
    let chunks = source::open(b, &of_b);
    let (mut held, places) = (Held::new(extras, b.environment().is_some()), places.unwrap_or_default());
    held.read(chunks, &digester, (&mut ways, &places), progress, &mut report).await?;
    // The way that most of what is there has gone; of equals the first.
    let most = ways.iter().map(|way| way.met).max().unwrap_or_default();
    if let Some((number, way)) = ways.into_iter().enumerate().find(|(_, way)| way.met == most) {
        let called = way.called.map(|called| format!("vaults and folders were compared {called}"));
        report.notes.extend(called);
        held.compare(way.expected, number, true, &digester, &mut report)?;
    }
    if !report.different.is_empty() && !options.filter.is_empty() {
        report.notes.push("missing and only there mean: among the records that the filter takes".to_owned());
    }
    report.stages = timed.finish();
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// Digests that the location's user can take again on another day; `None` where nobody has keys there.
pub(crate) fn lasting(location: &Endpoint) -> Result<Option<Digester>> {
    let keychain = location.environment().and_then(|environment| environment.keychain().ok());
    keychain.map(|keychain| Ok(Digester::of_user(&*keychain.comparison_key()?))).transpose()
}

/// One of the ways that the records of the first location may have gone to the second.
struct Way {
    placement: Placement,
    /// What it is called, where it is not the usual one.
    called: Option<&'static str>,
    expected: DigestStore,
    /// The places, names and logins of the first so many.
    sample: HashSet<Short>,
    /// How many of those the second location holds.
    met: u64,
}

impl Way {
    /// Enough to tell the ways apart.
    const SAMPLE: usize = 10_000;

    fn new(placement: Placement, called: Option<&'static str>) -> Self {
        Self { placement, called, expected: DigestStore::new(), sample: HashSet::new(), met: 0 }
    }

    /// Adds a record to each.
    fn add(ways: &mut [Self], mut record: Record, digester: &Digester) -> Result<()> {
        let from = std::mem::take(&mut record.path);
        let mut digest: Option<RecordDigest> = None;
        for way in ways {
            record.path = way.placement.place(from.clone());
            // The content is the same wherever it stands.
            let digest = match &mut digest {
                Some(digest) => {
                    digest.identity = digester.identity(&record);
                    digest
                }
                none => none.insert(digester.digest(&record)),
            };
            way.expected.add(digest, &record.label())?;
            if way.sample.len() < Self::SAMPLE {
                way.sample.insert(digest.identity);
            }
        }
        Ok(())
    }
}

/// What records count as that only the second location holds.
#[derive(PartialEq, Eq)]
enum Extras {
    Differ,
    /// Counted, and no difference: the second location may hold more.
    Unasked,
    /// After a transfer: the sink is read whole, and what it held before stays. These items came in meanwhile, and not by
    /// this job: one that is equal to a record of the job's stands there twice.
    Others(HashSet<String>),
}

/// After a transfer: checks what was read back off against what the sink must hold; `whole` where that is all of it.
pub(crate) async fn check_off(
    back: Chunks,
    expected: DigestStore,
    whole: bool,
    digester: &Digester,
    others: HashSet<String>,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<()> {
    progress.begin(Step::Verifying, Some(expected.len()));
    let mut held = Held::new(Extras::Others(others), true);
    held.read(back, digester, (&mut [], &Filter::default()), progress, report).await?;
    held.compare(expected, 0, whole, digester, report)
}

/// What a location holds.
struct Held {
    records: DigestStore,
    extras: Extras,
    /// Digests of what others wrote meanwhile, and whether the job expected one that is equal.
    of_others: HashMap<(Short, Short), bool>,
    /// Whether an environment holds it, and no file.
    in_environment: bool,
}

/// What a note begins with: for each of the ways, whether a record that came so was chosen where it came from. Of few ways
/// this is one character.
fn marked(ways: &[Way], places: &Filter, path: &RecordPath) -> char {
    let chosen = |way: &Way| way.placement.came_from(path).is_none_or(|path| places.takes_place(&path));
    let bits = ways.iter().enumerate().map(|(number, way)| u32::from(chosen(way)) << number).sum();
    char::from_u32(bits).unwrap_or(char::MAX)
}

impl Held {
    fn new(extras: Extras, in_environment: bool) -> Self {
        Self { records: DigestStore::new(), extras, of_others: HashMap::new(), in_environment }
    }

    /// Reads a location's records, each at its whole path, and counts which of the ways they have gone; `places` is what was
    /// chosen of the first location, by its own names.
    async fn read(
        &mut self,
        mut chunks: Chunks,
        digester: &Digester,
        (ways, places): (&mut [Way], &Filter),
        progress: &dyn Progress,
        report: &mut Report,
    ) -> Result<()> {
        let this = self;
        let alone = !matches!(this.extras, Extras::Others(_));
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk?;
            let count = chunk.len() as u64;
            for entry in chunk {
                match entry {
                    Entry::Record(record, at) => {
                        if this.in_environment {
                            digester.learn(&record);
                        }
                        let digest = digester.digest(&record);
                        if let (Extras::Others(ids), Some(id)) = (&this.extras, &at.pointer)
                            && ids.contains(id)
                        {
                            this.of_others.insert(digest.whole(), false);
                        }
                        for way in &mut *ways {
                            way.met += u64::from(way.sample.contains(&digest.identity));
                        }
                        let mark = marked(ways, places, &record.path);
                        this.records.add(&digest, &format!("{mark}{}", record.label()))?;
                    }
                    // What cannot be read shows as missing, if it was expected.
                    Entry::Reject(reject) if alone => report.rejected.push(reject.into()),
                    // What a filter leaves out of both sides is said once.
                    Entry::Note(note) if alone && !report.notes.contains(&note) => report.notes.push(note),
                    Entry::Values(values) if alone => report.count(values),
                    Entry::Reject(_) | Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
                }
            }
            progress.advance(count);
            check(progress)?;
        }
        Ok(())
    }

    /// Checks it off against what is expected, which came by the way of this number. `whole`: that is all of it, no sample, and
    /// its digest goes into the report.
    fn compare(
        mut self,
        expected: DigestStore,
        way: usize,
        whole: bool,
        digester: &Digester,
        report: &mut Report,
    ) -> Result<()> {
        let mut equal_ones = SetDigest::default();
        for (expected, held) in expected.into_parts().zip(self.records.into_parts()) {
            let mut expected: Ledger = expected?.into_iter().collect();
            let mut unmatched = held?;
            let count = unmatched.len();
            unmatched.retain(|noted| {
                let equal = expected.take_equal(&noted.digest);
                if let Some(wanted) = self.of_others.get_mut(&noted.digest.whole()).filter(|_| equal) {
                    *wanted = true;
                }
                if equal {
                    equal_ones.add([&noted.digest.identity[..], &noted.digest.content]);
                }
                !equal
            });
            report.verified += (count - unmatched.len()) as u64;
            // Only now is it known which of the expected have no equal.
            for noted in unmatched {
                let mut record = noted.note.into_string();
                let mark = u32::from(record.remove(0));
                if self.of_others.get(&noted.digest.whole()) == Some(&true) {
                    report.different.push(twice(record));
                    continue;
                }
                match expected.take_alike(&noted.digest, digester) {
                    Some((_, _, what)) => report.different.push(Difference { record, what }),
                    // It is none of those that were chosen.
                    None if mark & 1 << way == 0 => {}
                    None if self.extras == Extras::Differ => {
                        report.only_there += 1;
                        report.different.push(Difference { record, what: vec![ONLY_THERE.to_owned()] });
                    }
                    None if self.extras == Extras::Unasked => report.only_there += 1,
                    None => {}
                }
            }
            report.different.extend(expected.into_missing());
        }
        // Of nothing there is no proof.
        report.digest = (whole && digester.is_lasting() && report.verified > 0).then(|| equal_ones.to_hex());
        // What differs is looked for first, and there may be thousands of the others.
        let by_weight = |one: &Difference| (one.is_only_there(), one.is_missing());
        report.different.sort_by(|one, two| {
            by_weight(one).cmp(&by_weight(two)).then_with(|| one.record.cmp(&two.record))
        });
        Ok(())
    }
}

/// Two addresses whose vaults have the same ids may be one environment, and a comparison with itself proves nothing. A copy
/// of an environment has them too, so it is said and no error.
async fn one_in_two_places(a: &Endpoint, b: &Endpoint) -> Result<Option<String>> {
    let (Some(one), Some(other)) = (a.environment(), b.environment()) else { return Ok(None) };
    if one.place() == other.place() {
        return Ok(None);
    }
    let ids: HashSet<String> = one.client().vaults().await?.into_iter().map(|vault| vault.id).collect();
    let same = other.client().vaults().await?.iter().any(|vault| ids.contains(&vault.id));
    Ok(same.then(|| {
        format!(
            "{} and {} have vaults of the same ids: either one is a copy of the other, or they are one environment under two addresses, and then this proves nothing",
            one.place(),
            other.place()
        )
    }))
}

/// Makes sure that two locations are two places: one within the other would be compared with itself, or be read while it
/// is written.
///
/// # Errors
/// [`ErrorKind::Usage`] for the same place, and for one within the other.
pub(crate) fn distinct(a: &Endpoint, b: &Endpoint) -> Result<()> {
    let (Endpoint::Environment(one, here), Endpoint::Environment(other, there)) = (a, b) else {
        return Ok(());
    };
    let names = |path: &RecordPath| path.vault.iter().chain(&path.folders).cloned().collect::<Vec<_>>();
    let (here, there) = (names(here), names(there));
    if one.place() != other.place() || !(here.starts_with(&there) || there.starts_with(&here)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "both locations are the same place, or one is within the other")
        .next_step("name two places: NAME:Old and NAME:New may be of one environment"))
}

/// Two runs at once that wrote the same record.
pub(crate) fn twice(record: String) -> Difference {
    Difference { record, what: vec!["written by another run as well".to_owned()] }
}
