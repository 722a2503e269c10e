//! A report as a page to keep, to send and to file: HTML in one file, Markdown, or JSON.
//!
//! Names come from files and servers, so each is escaped for where it stands; the HTML page runs no
//! script, loads nothing, and says so to the browser. Values are not in a [`Report`] to begin with.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for the eye: casts saturate, and nothing is counted with the result"
)]

mod chart;

use crate::engine::environment::identity::Identity;
use crate::engine::report::{Report, typed};
use crate::error::{Error, ErrorKind, Result};
use crate::model::visible::visible;
use serde::Serialize;
use std::fmt::{self, Write as _};

/// Rows of one table on a page for people; JSON has them all.
pub(crate) const MOST_ROWS: usize = 100_000;

/// The kinds of page, by the file's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFormat {
    /// `.html`
    Html,
    /// `.md`
    Markdown,
    /// `.json`
    Json,
}

impl PageFormat {
    /// The kind that a file's name asks for.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for any other ending.
    pub fn of(path: &std::path::Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "html" | "htm" => Ok(Self::Html),
            "md" => Ok(Self::Markdown),
            "json" => Ok(Self::Json),
            _ => {
                Err(Error::new(ErrorKind::Usage, format!("a report cannot be written as {}", path.display()))
                    .next_step("name a file that ends in .html, .md or .json"))
            }
        }
    }
}

/// A report, and what it is about.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Page<'a> {
    /// What was done, in a word or two: `migrate`.
    pub what: &'a str,
    /// The source, as the user wrote it.
    pub from: &'a str,
    /// The sink, as the user wrote it.
    pub to: &'a str,
    /// When it began, for people and in UTC.
    pub started: &'a str,
    /// The command, word by word, without the program's name.
    pub command: &'a [String],
    /// The environment that was read, where it was one, and who was signed in there.
    pub source: Option<&'a Identity>,
    /// The same of the one that was written, or compared with.
    pub sink: Option<&'a Identity>,
    /// What came of it.
    pub report: &'a Report,
}

impl Page<'_> {
    /// The page's text.
    pub fn render(&self, format: PageFormat) -> Result<String> {
        let written = match format {
            PageFormat::Html => self.html(),
            PageFormat::Markdown => self.markdown(),
            PageFormat::Json => return serde_json::to_string_pretty(self).map_err(not_written),
        };
        written.map_err(not_written)
    }

    /// What happened, in one sentence.
    fn verdict(&self) -> (&'static str, String) {
        let report = self.report;
        let different = report.different.len();
        let held_back = report.held_back.as_ref().map_or(0, |held| held.removals);
        let left_out = report.skipped.len() + report.rejected.len() + report.drifted.len();
        if different > 0 {
            return ("bad", format!("{different} records are not equal on both sides"));
        }
        let verified = match report.verified {
            0 => "Nothing was read back".to_owned(),
            verified => {
                let of = report.created + report.updated + report.unchanged;
                let of = if verified < of { format!(" of {}", grouped(of)) } else { String::new() };
                format!("{}{of} records were read back and found equal", grouped(verified))
            }
        };
        let rights_left = report.rights.as_ref().is_some_and(|rights| !rights.is_whole());
        match left_out {
            0 if rights_left => {
                ("partly", format!("{verified}. Some rights were not carried, listed below."))
            }
            0 if held_back > 0 => {
                ("partly", format!("{verified}. {held_back} removals were held back, see below."))
            }
            0 => ("good", format!("{verified}. Nothing was left out.")),
            _ => {
                ("partly", format!("{verified}. {left_out} records were left out or drifted, listed below."))
            }
        }
    }

    fn totals(&self) -> Vec<(&'static str, String)> {
        let report = self.report;
        let counts = [
            ("read", report.read),
            ("created", report.created),
            ("updated", report.updated),
            ("there already", report.unchanged),
            ("removed", report.removed),
            ("skipped", report.skipped.len() as u64),
            ("rejected", report.rejected.len() as u64),
            ("verified equal", report.verified),
            ("different", report.unequal()),
            ("missing", report.missing()),
            ("only there", report.only_there),
            ("vaults and folders made", report.folders_created),
        ];
        let always = ["read", "created", "rejected", "verified equal"];
        let mut totals: Vec<_> = counts
            .into_iter()
            .filter(|(name, count)| *count > 0 || always.contains(name))
            .map(|(name, count)| (name, grouped(count)))
            .collect();
        if let Some(values) = &report.values {
            totals
                .push(("values carried", format!("{} of {}", grouped(values.carried), grouped(values.read))));
            totals.push(("values told", grouped(values.told)));
        }
        totals.push(("seconds", format!("{:.1}", report.seconds)));
        totals.push(("records a second", grouped(report.rate().round() as u64)));
        totals
    }

    /// Every list of the report: its title, its columns, its rows.
    fn tables(&self) -> Vec<Table<'_>> {
        let report = self.report;
        let different =
            report.different.iter().map(|one| vec![(&*one.record).into(), one.what.join(", ").into()]);
        let rejected = report
            .rejected
            .iter()
            .map(|one| vec![(&*one.at).into(), (&*one.record).into(), (&*one.why).into()]);
        let skipped = report.skipped.iter().map(|one| vec![(&**one).into()]);
        let drifted =
            report.drifted.iter().map(|one| vec![(&*one.record).into(), one.what.join(", ").into()]);
        let not_movable = report.not_movable.iter().map(|one| {
            let count = one.count.map_or_else(|| "\u{2014}".to_owned(), grouped);
            vec![one.what.into(), count.into(), one.why.into()]
        });
        let held_back = report.held_back.iter().map(|held| {
            let count = format!("{} of {}", held.removals, held.of);
            vec![count.into(), (&*held.why).into(), (&*held.next).into()]
        });
        let vaults = report.vaults.iter().map(|one| {
            let counts = [one.created, one.updated, one.unchanged, one.left_out];
            let mut row: Vec<Text<'_>> = vec![(&*one.vault).into()];
            row.extend(counts.map(|count| Text::from(grouped(count))));
            row
        });
        let wrapped = report.wrapped_for.iter().map(|one| vec![one.to_string().into()]);
        let notes = report.notes.iter().map(|one| vec![(&**one).into()]);
        let rights = report.rights.iter().flat_map(|rights| rights.lines(false));
        let rights = rights.map(|line| vec![line.into()]);
        let mut tables = vec![
            Table::new("Not equal on both sides", &["record", "what differs"], different),
            Table::new("Rejected", &["where", "record", "why"], rejected),
            Table::new("Skipped: the place is taken by other content", &["record"], skipped),
            Table::new("Drift: changed in the sink since the last time", &["record", "what"], drifted),
            Table::new("Removals held back", &["how many", "why", "what to do"], held_back),
            Table::new(
                "Vault by vault",
                &["vault", "created", "updated", "there already", "left out"],
                vaults,
            ),
            Table::new("Who got the keys of new vaults", &["user and public key"], wrapped),
            Table::new("Rights, groups and shortcuts", &["what"], rights),
            Table::new("Not movable", &["what", "how many", "why"], not_movable),
            Table::new("Notes", &["note"], notes),
        ];
        tables.retain(|table| !table.rows.is_empty());
        tables
    }

    fn html(&self) -> Result<String, fmt::Error> {
        let (class, verdict) = self.verdict();
        let heading = format!("keyferry {}", self.what);
        let mut page = String::new();
        write!(
            page,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{heading}: {from} to {to}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <header><h1>{heading}</h1>\n<p class=\"way\"><code>{from}</code> <span aria-label=\"to\">→</span> \
             <code>{to}</code></p>\n<p class=\"when\">{started}</p></header>\n\
             <p class=\"verdict {class}\">{verdict}</p>\n<dl>\n",
            heading = html(&heading),
            from = html(self.from),
            to = html(self.to),
            started = html(self.started),
            verdict = html(&verdict),
        )?;
        for (name, count) in self.totals() {
            writeln!(page, "<div><dt>{}</dt><dd>{}</dd></div>", html(name), html(&count))?;
        }
        page.push_str("</dl>\n");
        self.html_proof(&mut page)?;
        chart::draw(&mut page, &self.report.stages)?;
        for table in self.tables() {
            writeln!(
                page,
                "<section><h2>{} <small>{}</small></h2>",
                html(table.title),
                grouped(table.rows.len() as u64)
            )?;
            page.push_str("<table><thead><tr>");
            for column in table.columns {
                write!(page, "<th scope=\"col\">{}</th>", html(column))?;
            }
            page.push_str("</tr></thead><tbody>\n");
            for row in table.rows.iter().take(MOST_ROWS) {
                page.push_str("<tr>");
                for cell in row {
                    write!(page, "<td>{}</td>", html(cell))?;
                }
                page.push_str("</tr>\n");
            }
            page.push_str("</tbody></table>");
            if let Some(more) = table.more() {
                write!(page, "<p>{more}</p>")?;
            }
            page.push_str("</section>\n");
        }
        writeln!(
            page,
            "<footer>keyferry {}. Names and counts; no secret is on this page.</footer>\n</main>\n</body>\n</html>",
            env!("CARGO_PKG_VERSION")
        )?;
        Ok(page)
    }

    /// What the page proves, and by whose word: names and values, in order.
    fn proof(&self) -> Vec<(&'static str, String)> {
        let mut proof = Vec::new();
        if !self.command.is_empty() {
            proof.push(("command", format!("keyferry {}", typed(self.command))));
        }
        for (side, identity) in [("source", self.source), ("sink", self.sink)] {
            let Some(one) = identity else { continue };
            let role = one.role.as_deref().map_or_else(String::new, |role| format!(" ({role})"));
            proof.push((side, format!("{}, signed in as {}{role}", one.address, one.user)));
            let known = [
                ("public key of the user", &one.public_key),
                ("certificate of the server", &one.certificate),
            ];
            proof.extend(known.into_iter().filter_map(|(what, digest)| Some((what, digest.clone()?))));
        }
        if let Some(digest) = &self.report.digest {
            proof.push((
                "digest of what was found equal",
                format!("{digest} (keyferry verify gives the same)"),
            ));
        }
        if let Some(job) = self.report.job {
            let undo = if self.report.undoable {
                format!(", keyferry undo {job} takes it back")
            } else {
                String::new()
            };
            proof.push(("job", format!("{job}{undo}")));
        }
        proof
    }

    fn html_proof(&self, page: &mut String) -> fmt::Result {
        let proof = self.proof();
        if proof.is_empty() {
            return Ok(());
        }
        page.push_str("<section class=\"proof\"><h2>What, where and by whom</h2>\n<table><tbody>\n");
        for (name, value) in proof {
            writeln!(page, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", html(name), html(&value))?;
        }
        page.push_str(
            "</tbody></table>\n<p class=\"sign\">Checked by<span></span>Date<span></span></p></section>\n",
        );
        Ok(())
    }

    fn markdown(&self) -> Result<String, fmt::Error> {
        let (_, verdict) = self.verdict();
        let mut page = format!(
            "# keyferry {}\n\n{} → {}, {}\n\n**{}**\n\n| | |\n|---|---:|\n",
            markdown(self.what),
            markdown(self.from),
            markdown(self.to),
            markdown(self.started),
            markdown(&verdict)
        );
        for (name, count) in self.totals() {
            writeln!(page, "| {name} | {count} |")?;
        }
        for (name, value) in self.proof() {
            writeln!(page, "| {name} | {} |", markdown(&value))?;
        }
        for stage in &self.report.stages {
            writeln!(
                page,
                "| {}, records a second over {:.1} s | `{}` |",
                stage.step.word(),
                stage.seconds,
                chart::sparkline(stage)
            )?;
        }
        for table in self.tables() {
            let columns = table.columns.join(" | ");
            let rule = "---|".repeat(table.columns.len());
            writeln!(page, "\n## {} ({})\n\n| {columns} |\n|{rule}", table.title, table.rows.len())?;
            for row in table.rows.iter().take(MOST_ROWS) {
                let cells: Vec<_> = row.iter().map(|cell| markdown(cell)).collect();
                writeln!(page, "| {} |", cells.join(" | "))?;
            }
            if let Some(more) = table.more() {
                writeln!(page, "\n{more}")?;
            }
        }
        Ok(page)
    }
}

type Text<'a> = std::borrow::Cow<'a, str>;

struct Table<'a> {
    title: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<Text<'a>>>,
}

impl<'a> Table<'a> {
    fn new(
        title: &'static str,
        columns: &'static [&'static str],
        rows: impl Iterator<Item = Vec<Text<'a>>>,
    ) -> Self {
        Self { title, columns, rows: rows.collect() }
    }

    fn more(&self) -> Option<String> {
        let more = self.rows.len().checked_sub(MOST_ROWS).filter(|more| *more > 0)?;
        Some(format!("and {} more: a report in JSON lists all", grouped(more as u64)))
    }
}

/// `1 234 567`, with spaces that do not break.
pub(crate) fn grouped(number: u64) -> String {
    grouped_by(number, '\u{202f}')
}

/// A number with this character between thousands.
#[must_use]
pub fn grouped_by(number: u64, separator: char) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.extend(visible(c)),
        }
    }
    escaped
}

/// A backslash before whatever could mean something, and no HTML.
fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' => escaped.extend(['\\', c]),
            c => escaped.extend(visible(c)),
        }
    }
    escaped
}

pub(crate) fn not_written(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Internal, "the report could not be written").because(error)
}

pub(crate) const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::report::Rejected;

    fn hostile() -> Report {
        let name = "</td><script>alert(1)</script>|[x](javascript:1)`\n\u{202e}";
        Report {
            read: 2,
            skipped: vec![name.to_owned()],
            rejected: vec![Rejected { at: "line 2".into(), record: name.into(), why: name.into() }],
            ..Report::default()
        }
    }

    fn page(report: &Report) -> Page<'_> {
        let (command, source, sink) = (&[][..], None, None);
        Page { what: "migrate", from: "a:\"<", to: "b:", started: "today", command, source, sink, report }
    }

    #[test]
    fn names_cannot_leave_their_cell() {
        let report = hostile();
        let html = page(&report).render(PageFormat::Html).unwrap();
        assert!(!html.contains("<script") && !html.contains('\u{202e}'));
        assert!(html.contains("&lt;/td&gt;&lt;script&gt;") && html.contains("a:&quot;&lt;"));
        let markdown = page(&report).render(PageFormat::Markdown).unwrap();
        assert!(!markdown.contains("<script") && !markdown.contains("[x]("), "{markdown}");
        assert!(markdown.lines().filter(|line| line.contains("alert")).all(|line| line.starts_with("| ")));
    }

    #[test]
    fn the_verdict_says_the_worst() {
        let mut report = Report { read: 1, verified: 1, ..Report::default() };
        assert_eq!(page(&report).verdict().0, "good");
        report.skipped.push("x".into());
        assert_eq!(page(&report).verdict().0, "partly");
        let one = || crate::engine::report::Difference { record: "x".into(), what: vec!["url".into()] };
        let drifted = Report { read: 1, verified: 1, drifted: vec![one()], ..Report::default() };
        assert_eq!(page(&drifted).verdict().0, "partly");
        report.different.push(one());
        assert_eq!(page(&report).verdict().0, "bad");
    }

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let report = Report { skipped: vec!["x".into(); MOST_ROWS + 3], ..Report::default() };
        let html = page(&report).render(PageFormat::Html).unwrap();
        assert_eq!(html.matches("<tr><td>x").count(), MOST_ROWS);
        assert!(html.contains("and 3 more"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567).replace('\u{202f}', " "), "1 234 567");
    }
}
