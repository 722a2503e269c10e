//! Looks at the health of secrets: weak, reused, breached, old and expired ones, and who may see them.
//!
//! Records are decrypted here and looked at one by one; nothing of them leaves, and nothing is changed.
//!
//! | file | what it does |
//! |---|---|
//! | `finding` | what can be wrong, how bad that is, and what to do about it |
//! | `checks` | what one record tells by itself |
//! | `expiry` | dates in custom fields |
//! | `breached` | a list of breached passwords on this machine |
//! | `work` | one record after the other, and what they come to |
//! | `reuse` | which records share a password |
//! | `access` | who may see what |
//! | `changes` | what was changed since a day, and by whom |
//! | `table`, `page`, `csv`, `sarif` | the outcome as text, HTML, for spreadsheets and for CI |
//!
//! A finding names records, never values, and no number in it narrows a password down: whoever holds the
//! same list of breached passwords would know from a count which one it is.

mod access;
mod breached;
mod changes;
mod checks;
mod csv;
mod expiry;
mod finding;
mod page;
mod reuse;
mod sarif;
mod table;
mod work;

pub use crate::engine::audit::access::{
    FolderAccess, GroupHolder, Holder, Linked, RoleAccess, SeenFrom, VaultAccess,
};
pub use crate::engine::audit::changes::{Changed, Changes, Deed};
pub use crate::engine::audit::finding::{Field, Finding, Kind, Severity};

use crate::engine::audit::breached::List;
use crate::engine::audit::reuse::DigestStore;
use crate::engine::audit::work::{Looked, Work};
use crate::engine::endpoint::Endpoint;
use crate::engine::environment::{Environment, paths};
use crate::engine::options::{Attachments, Options};
use crate::engine::report::Rejected;
use crate::engine::report::progress::{Progress, Step};
use crate::engine::source;
use crate::error::{Error, ErrorKind, Result};
use crate::model::RecordPath;
use rayon::prelude::*;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The kinds of findings that are wanted.
    pub kinds: Vec<Kind>,
    /// A password is weak below this strength, of 0 to 4.
    pub min_score: u8,
    /// The time at which dates are looked at, in Unix seconds.
    pub now: i64,
    /// A password is old where its record was not changed at this time or later.
    pub changed_after: i64,
    /// What expires before this time expires soon.
    pub expires_by: i64,
    /// The list of breached passwords: a file or a folder.
    pub breached: Option<PathBuf>,
    /// Whether to tell who may see what, where the location is an environment.
    pub access: bool,
}

impl Default for Rules {
    /// Everything that needs neither a clock nor a list.
    fn default() -> Self {
        Self {
            kinds: Kind::ALL.to_vec(),
            min_score: 3,
            now: i64::MIN,
            changed_after: i64::MIN,
            expires_by: i64::MIN,
            breached: None,
            access: false,
        }
    }
}

impl Rules {
    fn wants(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }
}

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// What was looked at, as the user wrote it.
    pub location: String,
    /// When, in Unix seconds.
    pub at: i64,
    /// Records that were looked at.
    pub records: u64,
    /// Passwords that were looked at: each record's own, and custom fields of that type.
    pub passwords: u64,
    /// How many passwords have the strength 0, 1, 2, 3 and 4.
    pub strengths: [u64; 5],
    /// How many records were last changed how long ago, where the location tells.
    pub ages: Vec<Age>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// Who may see what; `None` where that was not asked, or is not told.
    pub access: Option<Vec<VaultAccess>>,
    /// Who may do what to the environment itself; `None` where that was not asked.
    pub roles: Option<Vec<RoleAccess>>,
    /// What was changed since a day, where the filter names one.
    pub changes: Option<Changes>,
    /// Records that could not be read, and so were not looked at.
    pub unread: Vec<Rejected>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Wall-clock time.
    pub seconds: f64,
}

/// Records that were last changed within the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Age {
    /// At most so many days ago; without a number, longer.
    pub days: Option<u64>,
    /// How many.
    pub records: u64,
}

impl Audit {
    /// One JSON document, its last line ended.
    pub fn json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(crate::engine::report::page::not_written)?;
        Ok(text + "\n")
    }

    /// How many findings are this bad.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// 4 where a finding is as bad as this or worse, 3 where records could not be read, else 0.
    #[must_use]
    pub fn exit_code(&self, fail_on: Option<Severity>) -> u8 {
        let fails = |finding: &Finding| fail_on.is_some_and(|least| finding.severity >= least);
        if self.findings.iter().any(fails) {
            4
        } else if self.unread.is_empty() {
            0
        } else {
            3
        }
    }
}

/// Looks at every record of a location that the filter takes. `options` says which those are and what opens
/// an archive.
///
/// # Errors
/// What stops the whole reading: no key, no connection, a place that is not there, a list of breached
/// passwords that is none, an interruption.
pub async fn audit(
    location: &Endpoint,
    options: &Options,
    rules: &Rules,
    progress: &dyn Progress,
) -> Result<Audit> {
    let start = Instant::now();
    options.filter.check(location)?;
    let settled = location.settled().await?;
    let location = settled.as_ref().unwrap_or(location);
    if let Endpoint::Environment(environment, inside) = location {
        environment.unlocked()?;
        check_there(environment, inside).await?;
    }
    let wanted = rules.breached.as_deref().filter(|_| rules.wants(Kind::Breached));
    let list = wanted.map(|path| tokio::task::block_in_place(|| List::open(path))).transpose()?;
    let digests = DigestStore::new()?;
    let mut work = Work::new(rules, options.filter.changed_since);
    progress.begin(Step::Planning, None);
    let options = Options { attachments: Attachments::Left, allow_empty: true, ..options.clone() };
    let mut chunks = source::open(location, &options);
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        let count = chunk.len() as u64;
        // On this thread, which belongs to the audit: rayon's workers do the work.
        let looked = tokio::task::block_in_place(|| {
            let looked = chunk.into_par_iter().map(|entry| Looked::at(entry, rules, &digests, list.as_ref()));
            looked.collect::<Result<Vec<_>>>()
        })?;
        looked.into_iter().try_for_each(|looked| work.take(looked))?;
        progress.advance(count);
        if progress.interrupted() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted; an audit changes nothing"));
        }
    }
    let mut audit = work.finish()?;
    if let Endpoint::Environment(environment, inside) = location {
        if rules.access {
            audit.access = Some(access::of(environment, inside, &options.filter, &mut audit.notes).await?);
            audit.roles = Some(access::roles(environment).await?);
        }
        if let Some(changes) = &mut audit.changes {
            changes::log(environment, inside, &options.filter, changes, &mut audit.notes).await?;
        }
    }
    audit.at = rules.now;
    audit.seconds = start.elapsed().as_secs_f64();
    Ok(audit)
}

/// Makes sure that a vault and folder are there: a slip of the pen must not look like health.
async fn check_there(environment: &Environment, inside: &RecordPath) -> Result<()> {
    if inside.vault.is_none() {
        return Ok(());
    }
    for vault in environment.vaults(inside).await? {
        if inside.folders.is_empty() {
            return Ok(());
        }
        let folders = environment.client().folders(Some(&vault.id)).await?;
        if paths(&vault, &folders)?.values().any(|path| path.folders.starts_with(&inside.folders)) {
            return Ok(());
        }
    }
    Err(Error::new(ErrorKind::NotFound, format!("there is no {inside}"))
        .next_step(format!("keyferry tree {} shows what there is", environment.label())))
}

/// Whether a server does not have a call, or not for this user.
fn lacks(error: &Error) -> bool {
    use ErrorKind::{NotAllowed, NotFound, Protocol, Refused};
    matches!(error.kind(), NotAllowed | NotFound | Protocol | Refused)
}

/// A time for people.
fn moment(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `ann: administer, bob: read; group Ops: edit (carol, dora)`
fn roles(users: &[Holder], groups: &[GroupHolder]) -> String {
    let mut parts: Vec<_> = users.iter().map(|user| format!("{}: {}", user.user, user.role)).collect();
    parts.extend(
        groups.iter().map(|one| format!("group {}: {} ({})", one.group, one.role, one.members.join(", "))),
    );
    if parts.is_empty() { "nobody".to_owned() } else { parts.join(", ") }
}

impl VaultAccess {
    /// What there is to say of it: places or records, and who may see them in which way.
    fn lines(&self) -> Vec<[String; 2]> {
        let whole = match &self.users {
            Some(users) => roles(users, self.groups.as_deref().unwrap_or_default()),
            None => "not told by the server".to_owned(),
        };
        let mark = if self.encrypted { "" } else { " (not encrypted)" };
        let mut lines = vec![[format!("{}{mark}", self.vault), whole]];
        if !self.without_key.is_empty() {
            lines.push([
                self.vault.clone(),
                format!("no copy of the key yet: {}", self.without_key.join(", ")),
            ]);
        }
        lines.extend(self.folders.iter().map(|one| [one.folder.clone(), roles(&one.users, &one.groups)]));
        lines.extend(self.shortcuts.iter().map(|one| {
            let maker = one.maker.as_deref().unwrap_or("nobody knows who");
            [one.record.clone(), format!("a shortcut by {maker}: whoever may see {}", one.from)]
        }));
        lines.extend(self.links.iter().map(|one| {
            let until =
                one.expires_at.map_or_else(|| "for ever".to_owned(), |at| format!("until {}", moment(at)));
            [one.record.clone(), format!("a link by {}: whoever has its address, {until}", one.maker)]
        }));
        lines
    }
}

impl RoleAccess {
    /// The role, and who has it.
    fn line(&self) -> [String; 2] {
        [format!("{} ({})", self.role, self.rights.join(", ")), self.users.join(", ")]
    }
}
