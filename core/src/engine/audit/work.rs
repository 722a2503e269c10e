//! One record after the other, and what they come to.

use crate::engine::audit::breached::{Answer, List};
use crate::engine::audit::checks;
use crate::engine::audit::checks::Seen;
use crate::engine::audit::finding::{Field, Finding, Kind};
use crate::engine::audit::reuse::{DigestStore, Reuse, Subject};
use crate::engine::audit::{Age, Audit, Changed, Changes, Rules};
use crate::engine::compare::digest::Short;
use crate::error::Result;
use crate::model::{Entry, Record, Reject};

/// The ends of the bars of [`Audit::ages`], in days.
const AGES: [u64; 5] = [30, 90, 180, 365, 730];

/// What a look at one entry tells.
pub(crate) enum Looked {
    Record(Box<Seeing>),
    Unread(Reject),
    Note(String),
    Nothing,
}

/// What a look at one record tells.
pub(crate) struct Seeing {
    subject: Subject,
    seen: Vec<Seen>,
    digests: Vec<(Field, Short)>,
    strengths: Vec<u8>,
    changed_at: Option<i64>,
    unclear_dates: u64,
    not_looked_up: u64,
}

impl Looked {
    pub fn at(entry: Entry, rules: &Rules, digests: &DigestStore, list: Option<&List>) -> Result<Self> {
        Ok(match entry {
            Entry::Record(record, at) => {
                let in_file = at.line.is_some() || at.column.is_some();
                let id = at.pointer.clone().filter(|pointer| !pointer.starts_with('/'));
                let at = (in_file || id.is_none()).then(|| at.to_string()).filter(|at| !at.is_empty());
                let subject = Subject { record: record.label(), id, at };
                Looked::Record(Box::new(Seeing::of(&record, subject, rules, digests, list)?))
            }
            Entry::Reject(reject) => Looked::Unread(reject),
            Entry::Note(note) => Looked::Note(note),
            Entry::Folder(_) | Entry::Values(_) => Looked::Nothing,
        })
    }
}

impl Seeing {
    fn of(
        record: &Record,
        subject: Subject,
        rules: &Rules,
        digests: &DigestStore,
        list: Option<&List>,
    ) -> Result<Self> {
        let mut seeing = Self {
            subject,
            seen: checks::look(record, rules),
            digests: Vec::new(),
            strengths: Vec::new(),
            changed_at: record.changed_at,
            unclear_dates: checks::unclear_dates(record),
            not_looked_up: 0,
        };
        let is_login = seeing.seen.iter().any(|seen| seen.kind == Kind::SameAsLogin);
        for (field, password) in checks::passwords(record) {
            seeing.digests.push((field, digests.of(password)));
            let (score, reason) = checks::strength(record, password);
            seeing.strengths.push(score);
            // That it is the login says it already, and better.
            if !(is_login && field == Field::Password) {
                seeing.seen.extend(checks::weak(field, score, reason, rules));
            }
            match list.map(|list| list.look_up(password)).transpose()? {
                Some(Answer::Listed) => {
                    seeing.seen.push(Seen::new(Kind::Breached, field, Kind::Breached.title()));
                }
                Some(Answer::Unknown) => seeing.not_looked_up += 1,
                Some(Answer::Absent) | None => {}
            }
        }
        Ok(seeing)
    }
}

/// An audit under way.
pub(crate) struct Work<'a> {
    rules: &'a Rules,
    audit: Audit,
    reuse: Reuse,
    ages: [u64; AGES.len() + 1],
    timeless: u64,
    unclear_dates: u64,
    not_looked_up: u64,
}

impl<'a> Work<'a> {
    pub fn new(rules: &'a Rules, since: Option<i64>) -> Self {
        let changes = since.map(|since| Changes { since, ..Changes::default() });
        Self {
            rules,
            audit: Audit { changes, ..Audit::default() },
            reuse: Reuse::new(),
            ages: Default::default(),
            timeless: 0,
            unclear_dates: 0,
            not_looked_up: 0,
        }
    }

    pub fn take(&mut self, looked: Looked) -> Result<()> {
        match looked {
            Looked::Record(seeing) => self.record(*seeing)?,
            Looked::Unread(reject) => self.audit.unread.push(reject.into()),
            Looked::Note(note) => self.audit.notes.push(note),
            Looked::Nothing => {}
        }
        Ok(())
    }

    fn record(&mut self, seeing: Seeing) -> Result<()> {
        self.audit.records += 1;
        self.audit.passwords += seeing.digests.len() as u64;
        for score in &seeing.strengths {
            self.audit.strengths[usize::from(*score).min(4)] += 1;
        }
        match seeing.changed_at {
            Some(at) => {
                let days = checks::days(self.rules.now.saturating_sub(at));
                let bar = AGES.iter().position(|end| days <= *end).unwrap_or(AGES.len());
                self.ages[bar] += 1;
                if let Some(changes) = &mut self.audit.changes {
                    let Subject { record, id, .. } = seeing.subject.clone();
                    changes.records.push(Changed { record, id, at });
                }
            }
            None => self.timeless += 1,
        }
        self.unclear_dates += seeing.unclear_dates;
        self.not_looked_up += seeing.not_looked_up;
        if self.rules.wants(Kind::Reused) {
            self.reuse.add(&seeing.subject, &seeing.digests)?;
        }
        self.audit
            .findings
            .extend(seeing.seen.into_iter().map(|seen| found(seeing.subject.clone(), seen, None)));
        Ok(())
    }

    pub fn finish(self) -> Result<Audit> {
        let mut audit = self.audit;
        for (number, group) in (1..).zip(self.reuse.groups()?) {
            let others = checks::counted(group.len() as u64 - 1, "other record");
            for (subject, field) in group {
                let what = format!("{others} with the same password, group {number}");
                audit.findings.push(found(subject, Seen::new(Kind::Reused, field, what), Some(number)));
            }
        }
        // Stable: within a kind the order stays that of the reading, or of the groups.
        audit.findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.kind));
        if let Some(changes) = &mut audit.changes {
            changes.records.sort_by_key(|one| std::cmp::Reverse(one.at));
        }
        if self.timeless < audit.records {
            let ends = AGES.iter().map(|days| Some(*days)).chain([None]);
            audit.ages = ends.zip(self.ages).map(|(days, records)| Age { days, records }).collect();
        }
        if self.timeless > 0 && self.rules.wants(Kind::Old) {
            let records = checks::counted(self.timeless, "record");
            audit.notes.push(format!("{records} without a time of change: their age is not known"));
        }
        if self.unclear_dates > 0 && (self.rules.wants(Kind::Expired) || self.rules.wants(Kind::ExpiresSoon))
        {
            let fields = checks::counted(self.unclear_dates, "field");
            audit.notes.push(format!("{fields} with an expiry date that is not clear: write 2027-01-31"));
        }
        if self.not_looked_up > 0 {
            let passwords = checks::counted(self.not_looked_up, "password");
            audit.notes.push(format!(
                "{passwords} not looked up: the folder of breached passwords lacks their range files"
            ));
        }
        Ok(audit)
    }
}

fn found(subject: Subject, seen: Seen, group: Option<u64>) -> Finding {
    Finding {
        kind: seen.kind,
        severity: seen.severity,
        record: subject.record,
        id: subject.id,
        at: subject.at,
        field: seen.field,
        group,
        what: seen.what,
        next: seen.kind.next(),
    }
}
