//! Tables that managers and browsers export: what their columns mean beyond their names, and what a row needs then.
//!
//! A row of `table` is one export. It is taken for a file whose header has all columns of a signature; what the user
//! says with `--map` or `--folder-separator` stands above it. To add one, write its row in `table/`, in the file of its family, a sample with its
//! `expected.json` under `tests/samples`, and a header in the test of conservation (`tests/formats/conservation.rs`).

mod cells;
mod hooks;
mod notes;
mod table;

pub(crate) use cells::PSONO_KINDS;
pub(crate) use notes::{NO_FOLDER, note_with_type};
pub(crate) use table::{DASHLANE, all};

use crate::columns::{self, Target, normal};
use crate::tally::Tally;
use keyferry_crypto::error::{Error, ErrorKind};
use keyferry_crypto::model::Record;
use zeroize::Zeroizing;

/// One manager's table.
pub(crate) struct Manager {
    /// The word for the command line.
    pub(crate) format: &'static str,
    /// Who exports it, for people.
    pub(crate) name: &'static str,
    /// What stays behind: in the source already, or because no record takes it.
    pub(crate) left: &'static str,
    /// Columns that all have to be there; one set of several is enough. Without any, the table is never known by itself.
    signatures: &'static [&'static [&'static str]],
    /// No column but those of signature and map may stand beside.
    only: bool,
    /// Column and meaning, as `--map` has them; `created` and `changed` for dates, `behind:` with a reason, `rest` for the
    /// first of the cells that [`Manager::rest`] takes.
    map: &'static [(&'static str, &'static str)],
    /// What becomes of columns that `finish` takes apart or moves, in words, where the map says only where they wait for it.
    becomes: &'static [(&'static str, &'static str)],
    /// The names of columns of a table without a header.
    pub(super) columns: &'static [&'static str],
    /// The names of the columns of older exports, which have no header: taken where the table is named, and begins with none.
    pub(super) without_header: &'static [&'static str],
    /// Whether a table without a header is this one, by its first rows.
    pub(super) is: fn(&[Vec<String>]) -> bool,
    /// Takes the cells beyond the last column, or from the column that means `rest` on: rows are as long as they need.
    pub(super) rest: Option<Rest>,
    /// Between folders.
    pub(super) separator: Option<char>,
    /// Between cells, where that is not found.
    pub(super) delimiter: Option<char>,
    /// Makes the next character literal.
    pub(super) escape: Option<u8>,
    /// Some exports write HTML's entities in every cell, passwords too.
    pub(super) entities: bool,
    /// Completes a record of which all cells are set.
    pub(super) finish: fn(&mut Record, &mut Tally) -> Outcome,
}

/// Takes cells of a row that have no column of their own; each is counted by it.
pub(super) type Rest = fn(&mut Record, &[&str], &mut Tally);

/// A table that needs nothing beyond its row's map.
const PLAIN: Manager = Manager {
    format: "",
    name: "",
    left: "",
    signatures: &[],
    only: false,
    map: &[],
    becomes: &[],
    columns: &[],
    without_header: &[],
    is: |_| false,
    rest: None,
    separator: None,
    delimiter: None,
    escape: None,
    entities: false,
    finish: |_, _| Outcome::Record,
};

/// What a row is.
pub(crate) enum Outcome {
    Record,
    /// Its name is the path of a folder, which may be empty.
    Folder,
    /// It lies in the bin.
    Bin,
    /// No secret of the user's; the reason.
    LeftOut(&'static str),
}

/// Whose table has this header.
pub(super) fn find(header: &[String]) -> Option<&'static Manager> {
    let names: Vec<String> = header.iter().map(|name| normal(name)).collect();
    // Where two fit, the one that asks for more.
    all()
        .filter_map(|manager| Some((manager.fits_header(&names)?, manager)))
        .min_by_key(|(columns, _)| std::cmp::Reverse(*columns))
        .map(|(_, manager)| manager)
}

/// Whether a row of cells may be a header: a manager's, or one with a column that is known among several.
pub(crate) fn is_header_row(row: &[Zeroizing<String>]) -> bool {
    let names: Vec<String> = row.iter().map(|cell| cell.trim().to_owned()).collect();
    let filled = names.iter().filter(|name| !name.is_empty()).count();
    filled > 1 && (names.iter().any(|name| columns::is_known(name)) || find(&names).is_some())
}

impl Manager {
    /// What its table is known by, in Markdown.
    pub(crate) fn known_by(&self) -> String {
        let columns = |signature: &&[&str]| {
            signature.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
        };
        let signatures: Vec<_> = self.signatures.iter().map(columns).collect();
        if !self.columns.is_empty() {
            let names: Vec<_> =
                self.columns.iter().map(|name| name.rsplit(':').next().unwrap_or_default()).collect();
            let more = if self.rest.is_some() { ", then fields with labels of their own" } else { "" };
            return format!("no header; cells in this order: {}{more}", names.join(", "));
        }
        if signatures.is_empty() {
            return "its name alone".to_owned();
        }
        let only = if self.only { ", and no others" } else { "" };
        format!("the columns {}{only}", signatures.join(" or "))
    }

    /// Whether only its name says whose table it is.
    pub(super) fn is_known_by_name(&self) -> bool {
        self.signatures.is_empty() && self.columns.is_empty()
    }

    /// What a column means here, beyond its name.
    pub(super) fn meaning(&self, column: &str) -> Option<&'static str> {
        let found = self.map.iter().find(|(name, _)| normal(name) == normal(column));
        found.map(|(_, meaning)| *meaning)
    }

    /// What becomes of a column that is taken apart or moved, in words; `None` where the user said something else of it.
    pub(super) fn words(&self, column: &str, target: &Target) -> Option<&'static str> {
        let (_, words) = self.becomes.iter().find(|(name, _)| normal(name) == normal(column))?;
        let is_table_s = match target {
            Target::Field(_) => columns::is_meant(self.meaning(column).unwrap_or(column), target),
            Target::Custom(label, _) => self
                .meaning(column)
                .and_then(|meaning| meaning.split_once(':'))
                .is_some_and(|(_, own)| own == label),
            _ => false,
        };
        is_table_s.then_some(*words)
    }

    /// Whether a column's name is one that the row has: it can be shown, where others might be values.
    pub(super) fn knows(&self, column: &str) -> bool {
        let name = normal(column);
        let signatures = self.signatures.iter().flat_map(|signature| signature.iter());
        let mapped = self.map.iter().map(|(column, _)| column);
        signatures.chain(mapped).chain(self.columns).any(|known| normal(known) == name)
    }

    /// Whether a header is one of its own tables'.
    pub(super) fn has_columns(&self, header: &[String]) -> bool {
        self.fits_header(&header.iter().map(|name| normal(name)).collect::<Vec<_>>()).is_some()
    }

    /// What is said of a table that was named as this manager's, and has the columns of another's.
    pub(super) fn not_its_own(&self, header: &[String], other: &Self) -> Error {
        let names: Vec<String> = header.iter().map(|name| normal(name)).collect();
        let missing = |signature: &&&[&'static str]| -> Vec<&'static str> {
            signature.iter().copied().filter(|column| !names.contains(&normal(column))).collect()
        };
        let fewest = self.signatures.iter().map(|signature| missing(&signature)).min_by_key(Vec::len);
        let missing = fewest.unwrap_or_default();
        let why = match missing.as_slice() {
            [] => "it has columns that a table of this kind has not".to_owned(),
            [one] => format!("the column {one} is missing"),
            several => format!("the columns {} are missing", several.join(", ")),
        };
        let Self { format, name, .. } = other;
        Error::new(ErrorKind::Input, format!("this table is no {}: {why}", self.format)).next_step(format!(
            "leave the format out, or name {format}: it has the columns of an export of {name}"
        ))
    }

    /// The columns of the signature that this header has, as a number; `None` where it is another's.
    fn fits_header(&self, names: &[String]) -> Option<usize> {
        let has = |column: &&str| names.contains(&normal(column));
        let signature = self.signatures.iter().filter(|signature| signature.iter().all(has));
        let signature = signature.max_by_key(|signature| signature.len())?;
        let known = |name: &String| {
            let columns = signature.iter().chain(self.map.iter().map(|(column, _)| column));
            name.is_empty() || columns.into_iter().any(|column| normal(column) == *name)
        };
        (!self.only || names.iter().all(known)).then_some(signature.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use crate::ReadOptions;
    use keyferry_crypto::model::{Entry, Record};
    use std::io::Cursor;

    fn entries(text: &str) -> (Vec<Record>, Vec<String>) {
        let (mut records, mut rest) = (Vec::new(), Vec::new());
        for entry in read(Box::new(Cursor::new(text.to_owned())), &ReadOptions::default()).unwrap() {
            match entry.unwrap() {
                Entry::Record(record, _) => records.push(record),
                Entry::Folder(path) => rest.push(path.to_string()),
                Entry::Reject(reject) => rest.push(reject.why),
                Entry::Note(_) => {}
                Entry::Values(values) => assert_eq!(values.lost(), 0),
            }
        }
        (records, rest)
    }

    fn fields(record: &Record) -> Vec<(&str, &str, &str)> {
        record.customs.iter().map(|one| (one.name.as_str(), one.kind.as_str(), one.value.expose())).collect()
    }

    #[test]
    fn lastpass_has_notes_with_a_type_and_rows_that_are_folders() {
        let (records, rest) = entries(
            "url,username,password,totp,extra,name,grouping,fav\n\
             http://sn,,,,\"NoteType:Server\nLanguage:en-US\nHostname:h.example\nUsername:root\nPassword:p:w\nNotes:one\ntwo: three\",srv,Ops\\Net,0\n\
             http://sn,,,,\"NoteType:SSH Key\nPrivate Key:-----BEGIN\nbm90LWEta2V5\nNotes:n\",key,,1\n\
             http://group,,,,,Ops\\Empty,,0\n",
        );
        assert_eq!(rest, ["Ops / Empty"]);
        assert_eq!(records[0].label(), "Ops / Net / srv");
        assert_eq!((records[0].login.as_str(), records[0].url.as_str()), ("root", ""));
        assert_eq!(records[0].password.as_ref().unwrap().expose(), "p:w");
        assert_eq!(records[0].description, "one\ntwo: three");
        assert_eq!(fields(&records[0]), [("Hostname", "text", "h.example")]);
        // A key runs over lines until the next label of its kind of note.
        assert!(records[1].description == "n" && records[1].favorite);
        assert_eq!(fields(&records[1]), [("Private Key", "password", "-----BEGIN\nbm90LWEta2V5")]);
    }

    #[test]
    fn nordpass_has_json_in_cells() {
        let (records, rest) = entries(
            "name,url,additional_urls,username,password,note,cardholdername,cardnumber,cvc,folder,email,type,custom_fields\n\
             Ops/Net,,,,,,,,,,,folder,\n\
             A,https://a,\"[\"\"https://b\"\"]\",u,p,,,,,Ops,,password,\"[{\"\"type\"\":\"\"hidden\"\",\"\"label\"\":\"\"Own\"\",\"\"value\"\":\"\"x\"\"}]\"\n\
             B,,https://bare,,p,,,,,,b@b.example,other,[not JSON\n",
        );
        assert_eq!(rest, ["Ops / Net"]);
        assert_eq!(fields(&records[0]), [("URL 2", "text", "https://b"), ("Own", "password", "x")]);
        assert_eq!((records[1].login.as_str(), records[1].url.as_str()), ("b@b.example", "https://bare"));
        assert_eq!(
            fields(&records[1]),
            [("type", "text", "other"), ("custom_fields", "password", "[not JSON")]
        );
    }

    #[test]
    fn secret_server_and_bitwarden_keep_places_and_lines() {
        let (records, _) = entries(
            "Secret Name,Username,Password,Folder,TOTP Key,TOTP Backup Codes\nA,u,p,\\Ops\\Net,GEZDGNBVGY3TQOJQ,1 2\n",
        );
        assert_eq!(records[0].label(), "Ops / Net / A");
        assert_eq!(fields(&records[0])[0], ("TOTP", "totp", "GEZDGNBVGY3TQOJQ"));
        let (records, _) = entries(
            "folder,type,name,fields,login_uri,login_username,login_password\n\
             ,login,A,\"lost\nPIN: 1\nmulti: a\r\nb: c\nd\n\",\"https://a/x,y,https://b\",u,p\n",
        );
        assert_eq!(records[0].url, "https://a/x,y");
        assert_eq!(
            fields(&records[0]),
            [
                ("URL 2", "text", "https://b"),
                ("", "text", "lost"),
                ("PIN", "password", "1"),
                ("multi", "text", "a"),
                ("b", "text", "c\nd")
            ]
        );
    }
}
