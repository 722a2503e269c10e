//! SARIF 2.1.0 (OASIS), for the security views of code hosts and CI.

use crate::engine::audit::{Audit, Finding, Kind, Severity};
use crate::error::Result;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

impl Audit {
    /// One SARIF log with one run.
    pub fn sarif(&self) -> Result<String> {
        let log = json!({
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "keyferry",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": Kind::ALL.iter().map(|kind| rule(*kind)).collect::<Vec<_>>(),
                } },
                "invocations": [{
                    // Records that could not be read were not looked at.
                    "executionSuccessful": self.unread.is_empty(),
                    "toolExecutionNotifications": self.notifications(),
                }],
                "results": self.findings.iter().map(|finding| self.result(finding)).collect::<Vec<_>>(),
            }],
        });
        let text = serde_json::to_string_pretty(&log).map_err(crate::engine::report::page::not_written)?;
        Ok(text + "\n")
    }

    fn notifications(&self) -> Vec<Value> {
        let unread = self.unread.iter().map(|one| {
            json!({ "level": "error", "message": { "text": format!("not read: {}: {}", one.record, one.why) } })
        });
        let notes = self.notes.iter().map(|note| json!({ "level": "note", "message": { "text": note } }));
        unread.chain(notes).collect()
    }

    fn result(&self, finding: &Finding) -> Value {
        let kind = Kind::ALL.iter().position(|kind| *kind == finding.kind);
        let place = finding.id.as_deref().or(finding.at.as_deref()).unwrap_or_default();
        let line = finding
            .at
            .as_deref()
            .and_then(|at| at.strip_prefix("line ")?.split(',').next()?.parse::<u64>().ok());
        // Code hosts show a result only where it has a file. A record in an environment stands in for one.
        let uri = if finding.id.is_some() { path(&finding.record) } else { path(&self.location) };
        json!({
            "ruleId": finding.kind.name(),
            "ruleIndex": kind,
            "level": level(finding.severity),
            "message": { "text": format!("{}: {}: {}", finding.record, finding.field, finding.what) },
            "locations": [{
                "physicalLocation": {
                    "artifactLocation": { "uri": uri },
                    "region": { "startLine": line.unwrap_or(1).max(1) },
                },
                "logicalLocations": [{ "fullyQualifiedName": finding.record, "kind": "resource" }],
            }],
            // The same finding tomorrow has the same digest: it is made of names.
            "partialFingerprints": {
                "keyferry/v1": format!("{}:{}:{place}:{}", finding.kind.name(), finding.record, finding.field),
            },
        })
    }
}

fn rule(kind: Kind) -> Value {
    let severity = match kind.severity() {
        Severity::High => "8.0",
        Severity::Medium => "5.0",
        Severity::Low => "2.0",
    };
    json!({
        "id": kind.name(),
        "shortDescription": { "text": kind.title() },
        "help": { "text": kind.next() },
        "defaultConfiguration": { "level": level(kind.severity()) },
        "properties": { "security-severity": severity, "tags": ["security"] },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// A relative URI whose parts are encoded: names may hold anything.
fn path(names: &str) -> String {
    let parts = names
        .split('/')
        .map(|part| byte_serialize(part.trim().as_bytes()).collect::<String>().replace('+', "%20"));
    parts.collect::<Vec<_>>().join("/")
}
