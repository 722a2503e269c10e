//! Compares what two locations hold, by keyed digest of the decrypted content.

use crate::engine::compare::digest::{DigestStore, Digester, Ledger, Short};
use crate::engine::endpoint::Endpoint;
use crate::engine::options::Options;
use crate::engine::report::progress::{Progress, Step, Timed, check};
use crate::engine::report::{Difference, Report};
use crate::engine::source;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Entry, RecordPath};
use std::collections::{HashMap, HashSet};
use std::time::Instant;
use tokio::sync::mpsc::Receiver;

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
    let digester = Digester::new()?;
    let mut report = Report::default();
    let mut expected = DigestStore::new();
    progress.begin(Step::Planning, None);
    let inside = inside(a);
    let mut chunks = source::open(a, options);
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        let count = chunk.len() as u64;
        for entry in chunk {
            match entry {
                Entry::Record(mut record, _) => {
                    record.path = source::relative(&inside, record.path);
                    expected.add(&digester.digest(&record), &record.label())?;
                    report.read += 1;
                }
                Entry::Reject(reject) => report.rejected.push(reject.into()),
                Entry::Note(note) => report.notes.push(note),
                Entry::Values(values) => report.count(values),
                Entry::Folder(_) => {}
            }
        }
        progress.advance(count);
        check(progress)?;
    }
    let mut of_b = options.clone();
    of_b.allow_empty = true;
    let since = of_b.filter.changed_since.take();
    let extras = if options.exact && since.is_none() { Extras::Differ } else { Extras::Unasked };
    let chunks = source::open(b, &of_b);
    let inside = self::inside(b);
    compare(chunks, expected, &digester, extras, &inside, progress, &mut report).await?;
    if !report.different.is_empty() && !options.filter.is_empty() {
        report.notes.push("missing and only there mean: among the records that the filter takes".to_owned());
    }
    report.stages = timed.finish();
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// What records count as that only the second location holds.
#[derive(PartialEq, Eq)]
pub(crate) enum Extras {
    Differ,
    /// Counted, and no difference: the second location may hold more.
    Unasked,
    /// After a transfer: the sink is read whole, and what it held before stays. These items came in meanwhile, and not by
    /// this job: one that is equal to a record of the job's stands there twice.
    Others(HashSet<String>),
}

/// Checks what a location holds off against a ledger; `inside` is taken off its paths.
pub(crate) async fn compare(
    mut chunks: Receiver<Result<Vec<Entry>>>,
    expected: DigestStore,
    digester: &Digester,
    extras: Extras,
    inside: &RecordPath,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<()> {
    progress.begin(Step::Verifying, Some(expected.len()));
    let mut held = DigestStore::new();
    // Digests of what others wrote meanwhile, and whether the job expected one that is equal.
    let mut of_others: HashMap<(Short, Short), bool> = HashMap::new();
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        let count = chunk.len() as u64;
        for entry in chunk {
            match entry {
                Entry::Record(mut record, at) => {
                    record.path = source::relative(inside, record.path);
                    let digest = digester.digest(&record);
                    if let (Extras::Others(ids), Some(id)) = (&extras, &at.pointer)
                        && ids.contains(id)
                    {
                        of_others.insert(digest.whole(), false);
                    }
                    held.add(&digest, &record.label())?;
                }
                // What cannot be read shows as missing, if it was expected.
                Entry::Reject(reject) if !matches!(extras, Extras::Others(_)) => {
                    report.rejected.push(reject.into());
                }
                Entry::Note(note) if !matches!(extras, Extras::Others(_)) => report.notes.push(note),
                Entry::Values(values) if !matches!(extras, Extras::Others(_)) => report.count(values),
                Entry::Reject(_) | Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
            }
        }
        progress.advance(count);
        check(progress)?;
    }
    for (expected, held) in expected.into_parts().zip(held.into_parts()) {
        let mut expected: Ledger = expected?.into_iter().collect();
        let mut unmatched = held?;
        let count = unmatched.len();
        unmatched.retain(|noted| {
            let equal = expected.take_equal(&noted.digest);
            if let Some(wanted) = of_others.get_mut(&noted.digest.whole()).filter(|_| equal) {
                *wanted = true;
            }
            !equal
        });
        report.verified += (count - unmatched.len()) as u64;
        // Only now is it known which of the expected have no equal.
        for noted in unmatched {
            let record = noted.note.into_string();
            if of_others.get(&noted.digest.whole()) == Some(&true) {
                report.different.push(twice(record));
                continue;
            }
            match expected.take_alike(&noted.digest) {
                Some((_, _, what)) => report.different.push(Difference { record, what }),
                None if extras == Extras::Differ => {
                    report.different.push(Difference { record, what: vec!["only there".to_owned()] });
                }
                None if extras == Extras::Unasked => report.only_there += 1,
                None => {}
            }
        }
        report.different.extend(expected.into_missing());
    }
    report.different.sort_by(|one, two| one.record.cmp(&two.record));
    Ok(())
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

fn inside(endpoint: &Endpoint) -> RecordPath {
    match endpoint {
        Endpoint::Environment(_, inside) => inside.clone(),
        Endpoint::File { .. } | Endpoint::Spooled(..) => RecordPath::default(),
    }
}
