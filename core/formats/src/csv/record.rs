//! From the cells of a row to the fields of a record, and what a row needs once all of them are set.

use super::managers::{Manager, Outcome};
use super::paths;
use crate::bin::{Bin, into_trash};
use crate::codes::{NO_CODE, code_kind};
use crate::columns::{self, Field, Sample, Target};
use crate::date;
use crate::tally::Tally;
use crate::{MOST_FOLDERS, ReadOptions, as_bool};
use keyferry_crypto::model::{Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use zeroize::Zeroizing;

/// A column, and where its cells go.
pub(super) struct Column {
    pub(super) target: Target,
    pub(super) name: String,
}

/// The columns of a manager's table that is written, to say what a row gives back.
pub(super) struct Layout {
    manager: &'static Manager,
    columns: Vec<Column>,
}

impl Layout {
    /// The columns of this header; `None` where it is not the manager's.
    pub(super) fn of(manager: &'static Manager, header: &[&str]) -> Option<Self> {
        let header: Vec<_> = header.iter().map(|name| (*name).to_owned()).collect();
        let options = ReadOptions::default();
        let known = |name: &str| manager.meaning(name);
        let targets = columns::resolve(&header, 1, &options, &Sample::new(), Some(&known));
        let columns = targets.ok()?.into_iter().zip(header);
        let columns = columns.map(|(target, name)| Column { target, name }).collect();
        Some(Self { manager, columns })
    }

    /// The record that a row is read as; `None` where it is none.
    pub(super) fn record(&self, cells: &[Zeroizing<String>]) -> Option<Record> {
        let (mut record, mut tally) = (Record::default(), Tally::default());
        let separator = self.manager.separator.unwrap_or('/');
        for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            put(&mut record, &self.columns, (index, cell), separator, 1, &mut tally);
        }
        match completed(&mut record, Some(self.manager), (separator, Bin::Stays), 1, &mut tally) {
            // Its depth is looked at by whoever writes it.
            Ok(None) | Err(Unwanted::TooDeep) => Some(record),
            Ok(Some(_)) | Err(Unwanted::LeftOut(_)) => None,
        }
    }
}

/// Puts a cell where its column says, and counts it.
pub(super) fn put(
    record: &mut Record,
    columns: &[Column],
    (index, cell): (usize, &str),
    separator: char,
    line: u64,
    tally: &mut Tally,
) {
    let place = || format!("line {line}, column {}", index + 1);
    match columns.get(index) {
        Some(Column { target: Target::Ignore, .. }) => {
            tally.tell(format!("column {} is left out, as you said", index + 1), place(), 1);
        }
        Some(Column { target: Target::Behind(why), .. }) => {
            tally.tell(format!("column {} stays behind: {why}", index + 1), place(), 1);
        }
        Some(Column { target: target @ (Target::Created | Target::Changed), .. }) => {
            let seconds = date::of_iso(cell).or_else(|| date::of_number(cell.parse().ok()?));
            let made = *target == Target::Created;
            *(if made { &mut record.created_at } else { &mut record.changed_at }) = seconds;
            let why = "an environment keeps its own dates";
            tally.tell(format!("column {} stays behind: {why}", index + 1), place(), 1);
        }
        Some(column) => {
            set(record, column, cell, separator);
            tally.carried(1);
        }
        None => {
            record.customs.push(Custom {
                name: format!("Column {}", index + 1),
                kind: CustomKind::Text,
                value: cell.into(),
            });
            tally.carried(1);
        }
    }
}

/// Why a row is no record.
pub(super) enum Unwanted {
    LeftOut(&'static str),
    TooDeep,
}

/// Does what a row needs once all its cells are set; a folder where it is one.
pub(super) fn completed(
    record: &mut Record,
    manager: Option<&Manager>,
    (separator, bin): (char, Bin),
    line: u64,
    tally: &mut Tally,
) -> Result<Option<RecordPath>, Unwanted> {
    let outcome = manager.map_or(Outcome::Record, |manager| (manager.finish)(record, tally));
    odd_codes(record, manager.is_some(), line, tally);
    // A row that names a folder and has more is a record.
    let bare = record.login.is_empty()
        && record.password.is_none()
        && record.description.is_empty()
        && record.customs.is_empty();
    let mut folder = None;
    match outcome {
        Outcome::LeftOut(why) => return Err(Unwanted::LeftOut(why)),
        Outcome::Bin if bin == Bin::Stays => return Err(Unwanted::LeftOut(crate::bin::STAYS)),
        Outcome::Bin => into_trash(record),
        Outcome::Folder if bare => {
            let mut path = std::mem::take(&mut record.path);
            let named = paths::split(&record.name, separator);
            if !named.is_empty() {
                path.folders = named;
            }
            record.path = path.clone();
            folder = Some(path);
        }
        Outcome::Folder | Outcome::Record => {}
    }
    if record.path.folders.len() > MOST_FOLDERS {
        return Err(Unwanted::TooDeep);
    }
    if folder.is_none() && record.name.is_empty() {
        // A name that people can find it by.
        if let Some(host) = host(&record.url) {
            host.clone_into(&mut record.name);
            tally.remark("a record without a name took the host of its url", format!("line {line}"));
        } else {
            tally.remark("no name", format!("line {line}"));
        }
    }
    Ok(folder)
}

/// Codes of Steam, by counters and whatever is no code are hidden fields in managers' exports, as in every reader of theirs. In
/// a table of ours a type is what it was before, and is only told.
fn odd_codes(record: &mut Record, of_manager: bool, line: u64, tally: &mut Tally) {
    for custom in record.customs.iter_mut().filter(|custom| custom.kind == CustomKind::Totp) {
        if code_kind(&custom.value) != CustomKind::Password {
            continue;
        }
        if of_manager {
            custom.kind = CustomKind::Password;
            tally.remark(NO_CODE, format!("line {line}"));
        } else {
            tally.remark(KEPT_CODE, format!("line {line}"));
        }
    }
}

/// What is said of a code that nobody computes in a table of nobody's.
const KEPT_CODE: &str = "a one-time code is of a kind that cannot be computed, or is none";

/// Says where a cell looks as if another layer stood around it.
pub(super) fn remark_looks(tally: &mut Tally, cell: &str, place: impl Fn() -> String) {
    if is_escaped(cell) {
        tally.remark(
            "a cell looks as if it were written for HTML (&amp; and the like): taken as it is",
            place(),
        );
    }
    if cell.len() > 2 && cell.starts_with('"') && cell.ends_with('"') {
        tally.remark("a cell stands in one more layer of quotes: taken as it is", place());
    }
}

/// Whether a cell holds an entity of HTML.
fn is_escaped(cell: &str) -> bool {
    cell.contains('&')
        && ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|entity| cell.contains(entity))
}

/// Puts a cell that is not empty where its column says.
fn set(record: &mut Record, column: &Column, cell: &str, separator: char) {
    let mut custom = |name: &str, kind: CustomKind| {
        record.customs.push(Custom { name: name.to_owned(), kind, value: SecretString::from(cell) });
    };
    let field = match &column.target {
        Target::Ignore | Target::Behind(_) | Target::Created | Target::Changed | Target::Rest => return,
        Target::Custom(name, kind) => return custom(name, kind.clone()),
        Target::Field(field) => *field,
    };
    match field {
        Field::Vault => record.path.vault = Some(cell.to_owned()),
        Field::Folder => record.path.folders = paths::split(cell, separator),
        Field::Name => cell.clone_into(&mut record.name),
        Field::Login => cell.clone_into(&mut record.login),
        Field::Password => record.password = Some(SecretString::from(cell)),
        Field::Url => cell.clone_into(&mut record.url),
        Field::Description => cell.clone_into(&mut record.description),
        Field::Tags => {
            record.tags = cell
                .split([',', ';'])
                .map(str::trim)
                .filter(|tag| !tag.is_empty())
                .map(str::to_owned)
                .collect();
        }
        Field::Totp => custom(&column.name, CustomKind::Totp),
        Field::Color => match cell.trim().parse() {
            Ok(color) => record.color = Some(color),
            Err(_) => custom(&column.name, CustomKind::Text),
        },
        Field::Favorite => match as_bool(cell) {
            Some(favorite) => record.favorite = favorite,
            None => custom(&column.name, CustomKind::Text),
        },
    }
}

/// The host of an address, which may lack its scheme.
pub(super) fn host(url: &str) -> Option<&str> {
    // An app is named by its signature and package, which tell people nothing.
    if url.starts_with("android://") {
        return None;
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((before, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!before.contains(':') || before.ends_with(']')) =>
        {
            before
        }
        _ => host,
    };
    let host = host.trim();
    (!host.is_empty() && !host.contains(char::is_whitespace)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_addresses_of_all_kinds() {
        for (url, wanted) in [
            ("https://user:pw@mail.example:8443/login?x=1", Some("mail.example")),
            ("mail.example/login", Some("mail.example")),
            ("http://[::1]:8080/", Some("[::1]")),
            ("android://hash==@com.example.app/", None),
            ("", None),
            ("a word and another", None),
        ] {
            assert_eq!(host(url), wanted, "{url}");
        }
    }
}
