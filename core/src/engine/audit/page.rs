//! A page to keep, to send and to print: one file that runs no script and loads nothing.

use crate::engine::audit::{Audit, Finding, RoleAccess, Severity, VaultAccess};
use crate::engine::report::page::{MOST_ROWS, STYLE, grouped, html, not_written};
use crate::error::Result;
use std::fmt::{self, Write as _};

const WIDTH: f64 = 360.0;
const ROW: f64 = 26.0;
/// Where the bars begin and end; before them stand words, after them numbers.
const LEFT: f64 = 128.0;
const RIGHT: f64 = 312.0;

impl Audit {
    /// The page, as HTML.
    pub fn html(&self) -> Result<String> {
        let mut page = String::new();
        self.draw(&mut page).map_err(not_written)?;
        Ok(page)
    }

    fn draw(&self, page: &mut String) -> fmt::Result {
        let counts = Severity::ALL.map(|severity| (severity.name(), self.count(severity) as u64));
        let class = match counts.iter().find(|(_, count)| *count > 0) {
            Some(("high", _)) => "bad",
            None if self.unread.is_empty() => "good",
            _ => "partly",
        };
        write!(
            page,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>keyferry audit: {location}</title>\n<style>{STYLE}{OWN_STYLE}</style>\n</head>\n<body>\n<main>\n\
             <header><h1>keyferry audit</h1>\n<p class=\"way\"><code>{location}</code></p>\n\
             <p class=\"when\">{when}</p></header>\n<p class=\"verdict {class}\">{verdict}</p>\n<dl>\n",
            location = html(&self.location),
            when = html(&crate::engine::audit::moment(self.at)),
            verdict = html(&self.verdict()),
        )?;
        let unread = ("not read", self.unread.len() as u64);
        let tiles = [("records", self.records), ("passwords", self.passwords)];
        for (name, count) in
            tiles.into_iter().chain(counts).chain([unread].into_iter().filter(|(_, n)| *n > 0))
        {
            writeln!(
                page,
                "<div class=\"tile-{0}\"><dt>{0}</dt><dd>{1}</dd></div>",
                html(name),
                grouped(count)
            )?;
        }
        page.push_str("</dl>\n<div class=\"charts\">\n");
        self.charts(page)?;
        page.push_str("</div>\n");
        let mut kinds =
            self.findings.chunk_by(|one, other| (one.severity, one.kind) == (other.severity, other.kind));
        kinds.try_for_each(|findings| section(page, findings))?;
        self.sections(page)?;
        writeln!(
            page,
            "<footer>keyferry {}. Names and counts; no secret is on this page, but whoever reads it knows where to \
             begin: keep it as you keep the records.</footer>\n</main>\n</body>\n</html>",
            env!("CARGO_PKG_VERSION")
        )
    }

    fn verdict(&self) -> String {
        let [high, medium, low] = Severity::ALL.map(|severity| self.count(severity) as u64);
        let unread = match self.unread.len() as u64 {
            0 => String::new(),
            count => {
                format!(" {} could not be read.", crate::engine::audit::checks::counted(count, "record"))
            }
        };
        match high + medium + low {
            0 => format!("Nothing was found.{unread}"),
            all => {
                let all = crate::engine::audit::checks::counted(all, "finding");
                format!("{all}: {high} high, {medium} medium, {low} low.{unread}")
            }
        }
    }

    fn charts(&self, page: &mut String) -> fmt::Result {
        let kinds =
            self.findings.chunk_by(|one, other| (one.severity, one.kind) == (other.severity, other.kind));
        let kinds: Vec<_> = kinds
            .filter_map(|group| {
                let first = group.first()?;
                Some((first.kind.name().to_owned(), group.len() as u64, first.severity.name()))
            })
            .collect();
        bars(page, "Findings by kind", &kinds)?;
        let words = ["0, guessed at once", "1, weak", "2, fair", "3, good", "4, strong"];
        let classes = ["high", "high", "medium", "fine", "fine"];
        let strengths = words.into_iter().zip(self.strengths).zip(classes);
        let strengths: Vec<_> =
            strengths.map(|((word, count), class)| (word.to_owned(), count, class)).collect();
        bars(page, "Passwords by strength", &strengths)?;
        let mut from = 0;
        let mut ages = Vec::new();
        for age in &self.ages {
            let word = match age.days {
                Some(days) => format!("{from} to {days} days"),
                None => format!("over {from} days"),
            };
            ages.push((word, age.records, "plain"));
            from = age.days.unwrap_or_default();
        }
        bars(page, "Records by last change", &ages)
    }

    /// What is besides findings.
    fn sections(&self, page: &mut String) -> fmt::Result {
        let access = self.access.iter().flatten().flat_map(VaultAccess::lines).map(Vec::from);
        table(page, "Who may see what", &["vault, folder or record", "who"], access)?;
        let roles = self.roles.iter().flatten().map(RoleAccess::line).map(Vec::from);
        table(page, "Who may do what to the environment", &["role", "users"], roles)?;
        let changes = self.changes.as_ref();
        let since = changes.map_or_else(String::new, |changes| crate::engine::audit::moment(changes.since));
        let records = changes.into_iter().flat_map(|changes| &changes.records);
        let records = records.map(|one| vec![crate::engine::audit::moment(one.at), one.record.clone()]);
        table(page, &format!("Changed since {since}"), &["when", "record"], records)?;
        let log = changes.into_iter().flat_map(|changes| changes.log.iter().flatten());
        let log = log.map(|deed| {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "\u{2014}".to_owned());
            vec![
                crate::engine::audit::moment(deed.at),
                text(&deed.user),
                deed.action.clone(),
                deed.vault.clone(),
                text(&deed.object),
            ]
        });
        table(page, &format!("Done since {since}"), &["when", "who", "what", "vault", "to"], log)?;
        let unread = self.unread.iter().map(|one| vec![one.at.clone(), one.record.clone(), one.why.clone()]);
        table(page, "Not read", &["where", "record", "why"], unread)?;
        table(page, "Notes", &["note"], self.notes.iter().map(|note| vec![note.clone()]))
    }
}

/// Bars that lie, one under the other: a name, a bar, a number. Nothing where there is nothing to see.
fn bars(page: &mut String, title: &str, rows: &[(String, u64, &str)]) -> fmt::Result {
    let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or(0);
    if most == 0 {
        return Ok(());
    }
    let height = ROW * rows.len() as f64 + 4.0;
    writeln!(
        page,
        "<figure><figcaption>{title}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">",
        title = html(title)
    )?;
    for (number, (name, count, class)) in rows.iter().enumerate() {
        let top = ROW * number as f64 + 4.0;
        let width = *count as f64 / most as f64 * (RIGHT - LEFT);
        writeln!(
            page,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text><rect class=\"{class}\" x=\"{LEFT}\" y=\"{top}\" \
             width=\"{width:.1}\" height=\"18\" rx=\"3\"/><text class=\"number\" x=\"{:.1}\" y=\"{:.0}\">{}</text>",
            LEFT - 8.0,
            top + 13.0,
            html(name),
            LEFT + width + 6.0,
            top + 13.0,
            grouped(*count)
        )?;
    }
    page.push_str("</svg></figure>\n");
    Ok(())
}

/// The findings of one kind and severity.
fn section(page: &mut String, findings: &[Finding]) -> fmt::Result {
    let Some(first) = findings.first() else { return Ok(()) };
    writeln!(
        page,
        "<section><h2><span class=\"badge {severity}\">{severity}</span> {kind}: {title} <small>{count}</small></h2>\n<p class=\"next\">{next}</p>",
        severity = first.severity.name(),
        kind = html(first.kind.name()),
        title = html(first.kind.title()),
        count = grouped(findings.len() as u64),
        next = html(first.kind.next()),
    )?;
    page.push_str("<table class=\"findings\"><thead><tr><th scope=\"col\">record</th><th scope=\"col\">field</th><th scope=\"col\">what was seen</th></tr></thead><tbody>\n");
    for finding in findings.iter().take(MOST_ROWS) {
        let place = finding.id.as_ref().or(finding.at.as_ref()).map_or("", String::as_str);
        writeln!(
            page,
            "<tr><td>{}<br><small>{}</small></td><td>{}</td><td>{}</td></tr>",
            html(&finding.record),
            html(place),
            html(&finding.field.to_string()),
            html(&finding.what)
        )?;
    }
    page.push_str("</tbody></table>");
    more(page, findings.len())?;
    page.push_str("</section>\n");
    Ok(())
}

fn table(
    page: &mut String,
    title: &str,
    columns: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> fmt::Result {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        page,
        "<section><h2>{} <small>{}</small></h2>\n<table><thead><tr>",
        html(title),
        grouped(rows.len() as u64)
    )?;
    columns.iter().try_for_each(|column| write!(page, "<th scope=\"col\">{}</th>", html(column)))?;
    page.push_str("</tr></thead><tbody>\n");
    for row in rows.iter().take(MOST_ROWS) {
        page.push_str("<tr>");
        row.iter().try_for_each(|cell| write!(page, "<td>{}</td>", html(cell)))?;
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table>");
    more(page, rows.len())?;
    page.push_str("</section>\n");
    Ok(())
}

fn more(page: &mut String, rows: usize) -> fmt::Result {
    match rows.checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        Some(more) => write!(page, "<p>and {} more: JSON and CSV list all</p>", grouped(more as u64)),
        None => Ok(()),
    }
}

const OWN_STYLE: &str = include_str!("page.css");
