//! The last step of a sync: what it brought and the source no longer holds goes to the bin, each item announced in
//! the journal.

use crate::engine::compare::digest::{Digester, RecordDigest};
use crate::engine::crash;
use crate::engine::environment::Environment;
use crate::engine::journal::{Job, Removed};
use crate::engine::report::progress::{Progress, check};
use crate::engine::report::{Difference, Report};
use crate::engine::sink::{ROUNDS, in_journal, lost_answers};
use crate::engine::source::Chunks;
use crate::engine::transfer::sync::Base;
use crate::error::{ErrorKind, Result};
use crate::model::Entry;
use futures_util::{StreamExt as _, stream};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests at a time.
const AT_ONCE: usize = 8;

/// What a removal needs.
pub(super) struct Removal<'a> {
    pub job: Option<&'a Job>,
    pub environment: &'a Arc<Environment>,
    pub base: &'a Base,
    pub digester: &'a Digester,
}

impl Removal<'_> {
    /// Moves `items` to the bin. Each is looked at once more, as someone may have edited it since it was planned.
    pub(super) async fn run(
        &self,
        mut items: Chunks,
        progress: &dyn Progress,
        past: &mut Vec<RecordDigest>,
        report: &mut Report,
    ) -> Result<()> {
        while let Some(chunk) = items.recv().await {
            let (mut gone, mut labels) = (Vec::new(), HashMap::new());
            for entry in chunk? {
                let (record, at) = match entry {
                    Entry::Record(record, at) => (record, at),
                    Entry::Reject(reject) => {
                        report.notes.push(format!("{}: not removed: {}", reject.label, reject.why));
                        continue;
                    }
                    Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => continue,
                };
                let digest = self.digester.digest(&record);
                if self.base.holds(&digest)? {
                    let id = at.pointer.unwrap_or_default();
                    labels.insert(id.clone(), record.label());
                    gone.push(id);
                } else {
                    let what = vec!["no longer in the source, but edited in the sink meanwhile".to_owned()];
                    report.drifted.push(Difference { record: record.label(), what });
                    past.push(digest);
                }
            }
            check(progress)?;
            let (removed, still_there) = self.bin(gone).await?;
            report.removed += removed;
            for id in still_there {
                let what = vec![
                    "the environment said that it was moved to the bin, and shows it as before".to_owned(),
                ];
                let record = labels.remove(&id).unwrap_or(id);
                report.different.push(Difference { record, what });
            }
        }
        Ok(())
    }

    /// Announces these items, moves them to the bin, looks whether they are gone, and notes what came of it; how many were
    /// moved, and which stand where they were though the environment said otherwise.
    async fn bin(&self, items: Vec<String>) -> Result<(u64, Vec<String>)> {
        if items.is_empty() {
            return Ok((0, Vec::new()));
        }
        let (items, numbers) = in_journal(self.job.cloned(), move |job| {
            let numbers = job.map(|job| job.intend_removals(&items)).transpose()?;
            Ok((items, numbers.unwrap_or_default()))
        })
        .await?;
        let sent = items.iter().map(|item| self.bin_one(item)).collect::<Vec<_>>();
        let mut results: Vec<Result<Removed>> = stream::iter(sent).buffered(AT_ONCE).collect().await;
        crash::point("after removal request");
        let moved = items.iter().zip(&results).filter(|(_, result)| matches!(result, Ok(Removed::ByJob(_))));
        let moved: Vec<String> = moved.map(|(item, _)| item.clone()).collect();
        let looked = lost_answers::still_there(self.environment, &moved).await;
        let there: HashSet<&str> = looked.iter().flatten().map(|item| item.id.as_str()).collect();
        for (_, result) in items.iter().zip(&mut results).filter(|(item, _)| there.contains(item.as_str())) {
            *result = Ok(Removed::Not);
        }
        let mut outcomes = Vec::with_capacity(numbers.len());
        for (number, result) in numbers.into_iter().zip(&results) {
            match result {
                Ok(removed) => outcomes.push((number, removed.clone())),
                // The next run will look.
                Err(error) if lost_answers::is_open(error) => {}
                Err(_) => outcomes.push((number, Removed::Not)),
            }
        }
        // Also after a failure: what was done is to be known.
        in_journal(self.job.cloned(), move |job| job.map_or(Ok(()), |job| job.settle_removals(&outcomes)))
            .await?;
        let mut removed = 0;
        for result in results {
            removed += u64::from(matches!(result?, Removed::ByJob(_)));
        }
        Ok((removed, looked?.into_iter().map(|item| item.id).collect()))
    }

    /// Moves one item to the bin, and looks where no answer came.
    async fn bin_one(&self, item: &str) -> Result<Removed> {
        let client = self.environment.client();
        let mut round = 1;
        loop {
            let sent = Instant::now();
            let error = match client.delete_item(item).await {
                Ok(bin) => return Ok(Removed::ByJob(bin)),
                // Someone else was faster.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Removed::Not),
                Err(error) if !lost_answers::is_open(&error) || round == ROUNDS => return Err(error),
                Err(error) => error,
            };
            if lost_answers::may_yet_act(&error) {
                tokio::time::sleep(client.request_timeout().saturating_sub(sent.elapsed())).await;
            }
            if lost_answers::is_gone(self.environment, item).await? {
                return Ok(Removed::ByJob(None));
            }
            tokio::time::sleep(Duration::from_secs(1 << round)).await;
            round += 1;
        }
    }
}
