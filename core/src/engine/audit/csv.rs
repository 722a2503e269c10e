//! One finding a row, for spreadsheets: no cell is run as a formula.

use crate::engine::audit::Audit;
use crate::formats::csv::cell;
use crate::model::visible::shown;

const HEADER: &str = "severity,kind,record,field,id,at,group,what,next\r\n";

impl Audit {
    /// A CSV of all findings.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = HEADER.as_bytes().to_vec();
        for finding in &self.findings {
            let group = finding.group.map(|number| number.to_string()).unwrap_or_default();
            let cells = [
                finding.severity.name(),
                finding.kind.name(),
                &finding.record,
                &finding.field.to_string(),
                finding.id.as_deref().unwrap_or_default(),
                finding.at.as_deref().unwrap_or_default(),
                &group,
                &finding.what,
                finding.next,
            ];
            for (number, text) in cells.into_iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                let _ = cell(&mut out, &shown(text), true);
            }
            out.extend_from_slice(b"\r\n");
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}
