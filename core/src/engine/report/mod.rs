//! The outcome of a job. Names and counts, never a value.

pub mod page;
pub mod progress;
pub mod queue;
pub mod rights;

pub use crate::engine::report::rights::{Left, NotFound, Rights, WrappedFor};

use crate::engine::report::progress::Stage;
use crate::model::{Reject, Values};
use serde::Serialize;

/// What became of the records of one vault of the sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VaultCount {
    /// Its name.
    pub vault: String,
    /// Records that were made in it.
    pub created: u64,
    /// Records that were overwritten.
    pub updated: u64,
    /// Records that it held already, equal in everything.
    pub unchanged: u64,
    /// Records that were left out: skipped, drifted, or refused by the server.
    pub left_out: u64,
}

/// The end of a transfer, in numbers and names.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The number of its job in the journal, where it wrote into an environment.
    pub job: Option<i64>,
    /// Whether that job can be taken back.
    pub undoable: bool,
    /// Records that the source yielded, those among them that were rejected.
    pub read: u64,
    /// What became of the values of a file; `null` where the source is an environment or an archive, whose records
    /// have no other form.
    pub values: Option<Values>,
    /// Records that were made in the sink.
    pub created: u64,
    /// Records that were overwritten.
    pub updated: u64,
    /// Records that the sink held already, equal in everything.
    pub unchanged: u64,
    /// The same vault by vault, by name; empty where the sink is a file.
    pub vaults: Vec<VaultCount>,
    /// Records that a sync moved to the sink's bin.
    pub removed: u64,
    /// Records that a sync did not move to the bin, and why.
    pub held_back: Option<HeldBack>,
    /// Records whose place was taken by other content, left alone.
    pub skipped: Vec<String>,
    /// Records that could not be taken, with the reason.
    pub rejected: Vec<Rejected>,
    /// Records read back and found equal.
    pub verified: u64,
    /// One digest of all records that were found equal, as they stand in the sink: 64 hexadecimal digits under a key that
    /// only the sink's user can derive, so that `verify` on another day gives the same for the same records. `null` where
    /// that user has no keys, where only a sample was read, and after a sync that an earlier version began.
    pub digest: Option<String>,
    /// Records that only the second location holds, where that is no difference.
    pub only_there: u64,
    /// Records that were not found equal.
    pub different: Vec<Difference>,
    /// What was changed in the sink since the last sync, and is in its way.
    pub drifted: Vec<Difference>,
    /// Vaults and folders that were made.
    pub folders_created: u64,
    /// Who got the keys of vaults that were made, besides the user.
    pub wrapped_for: Vec<WrappedFor>,
    /// What became of groups, rights and shortcuts; `null` where they were not to go along.
    pub rights: Option<Rights>,
    /// What the source holds besides records and folders, and why it stays there.
    pub not_movable: Vec<NotMovable>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Wall-clock time of the whole job.
    pub seconds: f64,
    /// What took how long.
    pub stages: Vec<Stage>,
}

/// A kind of thing that a transfer leaves where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotMovable {
    /// What it is: `shortcuts`.
    pub what: &'static str,
    /// How many there are, where the source tells.
    pub count: Option<u64>,
    /// The reason, and what to do instead.
    pub why: &'static str,
}

impl Report {
    /// DESIGN's exit code: 4 for a difference, 3 for records or rights left out, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if !self.different.is_empty() || self.values.is_some_and(|values| values.lost() > 0) {
            4
        } else if !self.rejected.is_empty()
            || !self.skipped.is_empty()
            || !self.drifted.is_empty()
            || self.held_back.is_some()
            || self.rights.as_ref().is_some_and(|rights| !rights.is_whole())
        {
            3
        } else {
            0
        }
    }

    /// Records that both sides hold, with other fields.
    #[must_use]
    pub fn unequal(&self) -> u64 {
        self.different.iter().filter(|one| !one.is_missing() && !one.is_only_there()).count() as u64
    }

    /// Records that the second side does not hold.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.different.iter().filter(|one| one.is_missing()).count() as u64
    }

    /// Adds what a reader says of its values.
    pub(crate) fn count(&mut self, values: Values) {
        self.values.get_or_insert_default().add(values);
    }

    /// Records a second over the whole job.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.read as f64 / self.seconds } else { 0.0 }
    }
}

/// Words as one types them in a POSIX shell: those with a meaning of their own there in single quotes.
#[must_use]
pub fn typed<T: AsRef<str>>(words: &[T]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    let word = |word: &T| match word.as_ref() {
        bare if !bare.is_empty() && bare.chars().all(plain) => bare.to_owned(),
        other => format!("'{}'", other.replace('\'', r"'\''")),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// `1 group`, `2 groups`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// The account of a file's values in a line: `29 of 31 values carried, 2 told`.
#[must_use]
pub fn values_line(values: &Values) -> String {
    let others = [
        (values.resolved, "resolved"),
        (values.told, "told"),
        (values.lost(), "lost without a word: please report it"),
    ];
    let mut parts = vec![format!("{} of {} values carried", values.carried, values.read)];
    parts
        .extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    parts.join(", ")
}

/// Removals of a sync that did not happen: all of them, as half of a doubtful removal is as bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldBack {
    /// Records that would have been moved to the bin.
    pub removals: u64,
    /// Records that earlier syncs brought and the sink still holds.
    pub of: u64,
    /// The reason.
    pub why: String,
    /// What to do about it.
    pub next: String,
    /// Whether a person may decide, who is there to be asked.
    #[serde(skip)]
    pub(crate) may_ask: bool,
}

impl std::fmt::Display for HeldBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { removals, of, why, next, .. } = self;
        write!(f, "nothing was removed: {why}; {removals} of {of} records would have been ({next})")
    }
}

/// A record that was left out.
#[derive(Debug, Clone, Serialize)]
pub struct Rejected {
    /// Its position in the source.
    pub at: String,
    /// Path and name, where known.
    pub record: String,
    /// The reason.
    pub why: String,
}

impl std::fmt::Display for Rejected {
    /// Place, record and reason; what is not known leaves no colon.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = [&self.at, &self.record, &self.why].into_iter().filter(|part| !part.is_empty());
        f.write_str(&known.map(String::as_str).collect::<Vec<_>>().join(": "))
    }
}

impl From<Reject> for Rejected {
    fn from(reject: Reject) -> Self {
        Self { at: reject.at.to_string(), record: reject.label, why: reject.why }
    }
}

/// A record that differs between two locations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Path and name.
    pub record: String,
    /// `missing` (in the second), `only there`, or the names of the fields that differ.
    pub what: Vec<String>,
}

/// Of a record that one side alone holds, in the place of the fields that differ.
pub(crate) const MISSING: &str = "missing";
pub(crate) const ONLY_THERE: &str = "only there";

impl Difference {
    /// Whether the second side does not hold the record at all.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.what == [MISSING]
    }

    /// Whether only the second side holds it.
    #[must_use]
    pub fn is_only_there(&self) -> bool {
        self.what == [ONLY_THERE]
    }

    /// How a line about it begins, for people, and what it goes on with.
    #[must_use]
    pub fn words(&self) -> (&'static str, String) {
        match self {
            one if one.is_missing() => ("missing", String::new()),
            one if one.is_only_there() => ("only there", String::new()),
            one => ("different", format!(": {}", one.what.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_typed_so_that_a_shell_takes_them_as_they_were() {
        let words = ["import", "my file.csv", "prod:Ёлка/é", "it's", "", "$(x)", "*", "~/a"];
        assert_eq!(typed(&words), r"import 'my file.csv' prod:Ёлка/é 'it'\''s' '' '$(x)' '*' '~/a'");
    }

    #[test]
    fn a_value_without_an_account_is_a_difference() {
        let whole = Values { read: 3, carried: 1, resolved: 1, told: 1 };
        let report = |values| Report { values: Some(values), ..Report::default() };
        assert_eq!(report(whole).exit_code(), 0);
        let lost = report(Values { told: 0, ..whole });
        assert_eq!(lost.exit_code(), 4);
        assert!(values_line(&lost.values.unwrap()).contains("1 lost without a word"));
    }
}
