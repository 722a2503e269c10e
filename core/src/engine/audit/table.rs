//! The outcome for people: counts, then findings by severity and kind.

use crate::engine::audit::checks::counted;
use crate::engine::audit::{Audit, RoleAccess, Severity, VaultAccess, moment};
use crate::model::visible::shown;
use std::collections::BTreeSet;
use std::fmt::Write as _;

impl Audit {
    /// What was looked at and how many findings there are, in a line.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = Severity::ALL.map(|severity| (self.count(severity), severity.name()));
        let told: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        let told = if told.is_empty() { "nothing was found".to_owned() } else { told.join(", ") };
        let (records, passwords) = (counted(self.records, "record"), counted(self.passwords, "password"));
        // A whole environment is written with a colon at its end.
        let place = self.location.trim_end_matches(':');
        let line = format!("{place}: {records}, {passwords} in {:.1} s: {told}", self.seconds);
        shown(&line)
    }

    /// Lines of text, the last one ended.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let mut line = |words: &str| {
            let _ = writeln!(text, "{}", shown(words));
        };
        line(&self.summary());
        for severity in Severity::ALL {
            let mut kind = None;
            let of_severity: Vec<_> = self.findings.iter().filter(|one| one.severity == severity).collect();
            for finding in &of_severity {
                if kind != Some(finding.kind) {
                    let count = of_severity.iter().filter(|one| one.kind == finding.kind).count();
                    let (name, title) = (finding.kind.name(), finding.kind.title());
                    line(&format!("{}: {name} ({count}): {title}", severity.name()));
                    kind = Some(finding.kind);
                }
                let place = finding.id.as_ref().or(finding.at.as_ref());
                let place = place.map_or_else(String::new, |place| format!(" ({place})"));
                // What the heading says is not said again.
                let what = if finding.what == finding.kind.title() { "" } else { finding.what.as_str() };
                let parts = [finding.field.to_string(), what.to_owned()];
                let parts: Vec<_> =
                    parts.into_iter().filter(|part| !part.is_empty() && part != "record").collect();
                let rest = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(": ")) };
                line(&format!("  {}{place}{rest}", finding.record));
            }
        }
        for [place, who] in self.access.iter().flatten().flat_map(VaultAccess::lines) {
            line(&format!("access: {place}: {who}"));
        }
        for [role, who] in self.roles.iter().flatten().map(RoleAccess::line) {
            line(&format!("role: {role}: {who}"));
        }
        if let Some(changes) = &self.changes {
            line(&format!("changed since {} ({})", moment(changes.since), changes.records.len()));
            for changed in &changes.records {
                line(&format!("  {}  {}", moment(changed.at), changed.record));
            }
            for deed in changes.log.iter().flatten() {
                let [user, object] = [&deed.user, &deed.object].map(|text| text.as_deref().unwrap_or("-"));
                line(&format!("  {}  {:<16} {user}: {object}", moment(deed.at), deed.action));
            }
        }
        for unread in &self.unread {
            line(&format!("not read: {}: {}", unread.record, unread.why));
        }
        for note in &self.notes {
            line(&format!("note: {note}"));
        }
        // Many findings are of few kinds: advice is given once for each.
        for kind in self.findings.iter().map(|finding| finding.kind).collect::<BTreeSet<_>>() {
            line(&format!("next, {}: {}", kind.name(), kind.next()));
        }
        text
    }
}
