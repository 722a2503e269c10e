//! The table `removals`: each item that is moved to the bin, before and after its answer.

use crate::engine::crash;
use crate::engine::journal::jobs::Job;
use crate::error::Result;
use keyferry_sql::ToSql;

/// What came of a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// The job moved it to the bin; under which number it lies there, where the environment told.
    ByJob(Option<String>),
    /// It was gone already, or stays.
    Not,
}

/// An item that a job moved to the bin.
pub(crate) struct Binned {
    pub item: String,
    /// Its number in the bin, where known.
    pub bin: Option<String>,
}

impl Job {
    /// Before items are moved to the bin. Answers the numbers of these intents.
    pub(crate) fn intend_removals(&self, items: &[String]) -> Result<Vec<i64>> {
        crash::point("before removal intent");
        let sent = self.now();
        let numbers = self.change(|db| {
            let job = self.id();
            let rows: Vec<[&dyn ToSql; 3]> =
                items.iter().map(|item| [&job as _, &sent as _, item as _]).collect();
            db.insert_each("INSERT INTO removals (job, sent, item) VALUES (?1, ?2, ?3)", "seq", &rows)
        })?;
        crash::point("after removal intent");
        Ok(numbers)
    }

    /// After an answer, or after looking.
    pub(crate) fn settle_removals(&self, outcomes: &[(i64, Removed)]) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        crash::point("before removal outcome");
        self.change(|db| {
            let settled = outcomes.iter().map(|(number, outcome)| match outcome {
                Removed::ByJob(bin) => (number, true, bin.as_deref()),
                Removed::Not => (number, false, None),
            });
            let settled: Vec<_> = settled.collect();
            let rows: Vec<[&dyn ToSql; 3]> =
                settled.iter().map(|(number, gone, bin)| [number as _, gone as _, bin as _]).collect();
            db.execute_each("UPDATE removals SET gone = ?2, bin = ?3, open = 0 WHERE seq = ?1", &rows)
        })?;
        crash::point("after removal outcome");
        Ok(())
    }

    /// Removals whose answer never came: their numbers and items.
    pub(crate) fn open_removals(&self) -> Result<Vec<(i64, String)>> {
        self.read("SELECT seq, item FROM removals WHERE job = ?1 AND open = 1 ORDER BY seq", |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// Every item that the job is known to have moved to the bin.
    pub(crate) fn removed(&self) -> Result<Vec<Binned>> {
        self.read(
            "SELECT item, max(bin) FROM removals WHERE job = ?1 AND gone = 1 GROUP BY item ORDER BY min(seq)",
            |row| Ok(Binned { item: row.get(0)?, bin: row.get(1)? }),
        )
    }
}
