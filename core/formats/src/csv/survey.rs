//! What the columns of a table are, and why: for people who are about to import it. No value is shown whole.

use super::{reader, record};
use crate::ReadOptions;
use crate::columns::{self, Field, Target};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use serde::Serialize;
use std::io::Read;

/// A table at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// Whose export it is, where its header says so.
    pub table_of: Option<&'static str>,
    /// Between cells.
    pub delimiter: char,
    /// The encoding, a label of the Encoding Standard.
    pub encoding: String,
    /// The first line may be a record already: cells of it look like values and not like names.
    pub first_is_record: bool,
    /// Rows below the header, empty ones included.
    pub rows: u64,
    /// Those of them that have cells beyond the last column: rejected, or with `--flexible` fields of their own.
    pub rows_beyond: u64,
    /// Those that are no row: a quote is never closed, something stands behind one, bytes are of no character.
    pub rows_broken: u64,
    /// In their order.
    pub columns: Vec<Column>,
}

/// One column of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// From 1 on, as `--map` takes it.
    pub number: usize,
    /// What its header says.
    pub name: String,
    /// Where its cells go.
    pub becomes: String,
    /// Why there.
    pub why: String,
    /// The field that its cells look like, where its name says nothing: a guess for a person to look at.
    pub looks_like: Option<&'static str>,
    /// Cells that are not empty.
    pub filled: u64,
    /// What some of them look like: their first characters, of secrets none, and their length.
    pub samples: Vec<String>,
}

/// Why a column goes where `--map` sends it.
pub const YOUR_WORD: &str = "you said so";

/// Samples of a column.
const SAMPLES: usize = 3;

/// Looks at every row of a table.
///
/// # Errors
/// Those of reading it, but that no column may be a secret.
pub fn survey(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Survey> {
    let options = ReadOptions { no_password: true, ..options.clone() };
    let mut reader = reader::open(input, &options, None)?;
    let table_of = reader.manager.map(|manager| manager.name);
    let mut columns: Vec<Column> = reader
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| Column {
            number: index + 1,
            name: column.name.trim().to_owned(),
            becomes: reader
                .manager
                .and_then(|manager| manager.words(&column.name, &column.target))
                .map_or_else(|| columns::meaning(&column.target, true), str::to_owned),
            why: why(
                index,
                column,
                reader.manager.and_then(|one| one.meaning(&column.name)).and(table_of),
                &options,
            ),
            looks_like: None,
            filled: 0,
            samples: Vec::new(),
        })
        .collect();
    look(&reader, &mut columns);
    let first_is_record = !options.no_header && reader.columns.iter().any(|column| is_value(&column.name));
    let secret: Vec<bool> = reader.columns.iter().map(|column| is_secret(&column.target)).collect();
    let takes_more = reader.takes_more();
    let (mut rows, mut rows_beyond, mut rows_broken) = (0, 0, 0);
    while reader.advance()? {
        rows += 1;
        let row = &reader.splitter.row;
        if row.fault.is_some() || std::str::from_utf8(&row.data).is_err() {
            rows_broken += 1;
        } else if row.ends.len() > columns.len() && !takes_more {
            rows_beyond += 1;
        }
        let cells = row.cells();
        for ((column, secret), cell) in columns.iter_mut().zip(&secret).zip(cells) {
            if cell.is_empty() {
                continue;
            }
            column.filled += 1;
            if column.samples.len() < SAMPLES {
                let sample = masked(&String::from_utf8_lossy(cell), *secret);
                if !column.samples.contains(&sample) {
                    column.samples.push(sample);
                }
            }
        }
        reader.splitter.next_row();
    }
    let delimiter = char::from(reader.splitter.dialect.delimiter);
    Ok(Survey {
        table_of,
        delimiter,
        encoding: reader.source.name.to_owned(),
        first_is_record,
        rows,
        rows_beyond,
        rows_broken,
        columns,
    })
}

/// Whether a word is a field that `--map` takes.
#[must_use]
pub fn is_field(word: &str) -> bool {
    columns::is_field(word)
}

/// Whether a cell may be a value rather than the head of a column: asking once too often shows nobody a secret.
fn is_value(cell: &str) -> bool {
    cell.contains("://") || cell.contains('@') || cell.chars().any(char::is_numeric)
}

/// Guesses what the cells of columns are whose names say nothing, each field for one column.
fn look(reader: &reader::Reader, columns: &mut [Column]) {
    let sample = reader.sample(columns.len());
    let is_open =
        |index: usize| matches!(reader.columns.get(index).map(|one| &one.target), Some(Target::Custom(..)));
    let mut taken: Vec<&str> = Vec::new();
    let has = |field| reader.columns.iter().any(|column| column.target == Target::Field(field));
    for (word, field) in
        [("name", Field::Name), ("login", Field::Login), ("password", Field::Password), ("url", Field::Url)]
    {
        if has(field) {
            taken.push(word);
        }
    }
    let cells = |index: usize| {
        let of = sample.iter().filter_map(move |row| row.get(index));
        of.map(|cell| cell.as_str()).filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    let is_name = |cell: &str| cell.chars().any(char::is_alphabetic) && cell.chars().count() <= 100;
    // In this order: what is told for certain first.
    let looks: [(&'static str, &dyn Fn(usize) -> bool); 4] = [
        ("url", &|index| cells(index).iter().all(|cell| cell.contains("://"))),
        ("password", &|index| columns::looks_secret(&sample, index)),
        ("login", &|index| cells(index).iter().all(|cell| cell.contains('@') && !cell.contains(' '))),
        ("name", &|index| cells(index).iter().all(|cell| is_name(cell))),
    ];
    for (word, fits) in looks {
        if taken.contains(&word) {
            continue;
        }
        let found = (0..columns.len()).find(|index| {
            let free = columns.get(*index).is_some_and(|column| column.looks_like.is_none());
            free && is_open(*index) && !cells(*index).is_empty() && fits(*index)
        });
        if let Some(column) = found.and_then(|index| columns.get_mut(index)) {
            column.looks_like = Some(word);
        }
    }
}

fn is_secret(target: &Target) -> bool {
    match target {
        Target::Field(field) => columns::is_hidden(*field),
        // What a column of no known meaning holds is nobody's to show.
        Target::Custom(..)
        | Target::Ignore
        | Target::Behind(_)
        | Target::Created
        | Target::Changed
        | Target::Rest => true,
    }
}

fn why(index: usize, column: &record::Column, table_of: Option<&str>, options: &ReadOptions) -> String {
    let number = (index + 1).to_string();
    let said = |(name, _): &(String, String)| {
        *name == number || columns::normal(name) == columns::normal(&column.name)
    };
    if options.map.iter().any(said) {
        return YOUR_WORD.to_owned();
    }
    if let Some(table) = table_of {
        return format!("a table of {table}");
    }
    match &column.target {
        Target::Field(_) | Target::Created | Target::Changed | Target::Rest => "its name".to_owned(),
        Target::Custom(_, CustomKind::Text) => "no field has this name".to_owned(),
        Target::Custom(..) => "its name says that it is a secret".to_owned(),
        Target::Ignore | Target::Behind(_) => "other columns are left out".to_owned(),
    }
}

/// `pg… (10 characters)`; of a secret the length alone.
fn masked(cell: &str, secret: bool) -> String {
    let length = cell.chars().count();
    let shown: String = if secret || length < 5 { String::new() } else { cell.chars().take(2).collect() };
    format!("{shown}… ({length} character{})", if length == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_told_with_reason_fill_and_no_value() {
        let file = "Folder;Title;User;Kennwort;Cost centre;API key\nInfra/db;pg-primary;root;s3cret-1;4711;abcdef\n;my;;s3cret-2;;\n";
        let options = ReadOptions { map: vec![("5".into(), "text:Cost".into())], ..ReadOptions::default() };
        let survey = survey(Box::new(file.as_bytes()), &options).unwrap();
        assert_eq!((survey.rows, survey.delimiter, survey.table_of), (2, ';', None));
        let told: Vec<_> =
            survey.columns.iter().map(|one| (one.number, one.filled, one.why.as_str())).collect();
        assert_eq!(
            told[..4],
            [(1, 1, "its name"), (2, 2, "its name"), (3, 1, "its name"), (4, 2, "its name")]
        );
        assert_eq!(told[4..], [(5, 1, "you said so"), (6, 1, "its name says that it is a secret")]);
        assert_eq!(survey.columns[5].looks_like, None);
        assert_eq!(survey.columns[1].samples, ["pg… (10 characters)", "… (2 characters)"]);
        assert_eq!(survey.columns[3].samples, ["… (8 characters)"]);
        let whole = serde_json::to_string(&survey).unwrap();
        for value in ["s3cret", "abcdef", "primary", "4711"] {
            assert!(!whole.contains(value), "{whole}");
        }
    }

    #[test]
    fn columns_of_unknown_names_are_guessed_by_their_cells_and_a_record_is_no_header() {
        let options = ReadOptions { any_header: true, ..ReadOptions::default() };
        let of = |file: &'static str| survey(Box::new(file.as_bytes()), &options).unwrap();
        let guessed = of(
            "Objekt;Wer;Was;Wo;Nr\npg;a@x.example;s3Cret-11;https://p.example;1\nmy;b@x.example;s3Cret-12;https://m.example;2\n",
        );
        let looks: Vec<_> = guessed.columns.iter().map(|column| column.looks_like).collect();
        assert_eq!(looks, [Some("name"), Some("login"), Some("password"), Some("url"), None]);
        assert!(!guessed.first_is_record);
        assert!(of("pg,root,s3Cret-11\nmy,root,s3Cret-12\n").first_is_record);
    }

    #[test]
    fn what_a_manager_s_row_takes_apart_is_said_unless_the_user_says_otherwise() {
        let file = "Password Name,SecretData,Notes,CustomData\na,User Name:u,n,\n";
        let of = |map: &[(&str, &str)]| {
            let map = map.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect();
            let options = ReadOptions { map, ..ReadOptions::default() };
            survey(Box::new(file.as_bytes()), &options).unwrap().columns[2].becomes.clone()
        };
        assert_eq!(of(&[]), "description, below the other");
        assert_eq!(of(&[("Notes", "ignore")]), "left out");
        assert_eq!(of(&[("Notes", "text:Remark")]), "field `Remark` of type text");
    }

    #[test]
    fn a_table_of_a_manager_is_named() {
        let file = "url,username,password,httpRealm,formActionOrigin,guid,timeCreated,timeLastUsed,timePasswordChanged\n";
        let survey = survey(Box::new(file.as_bytes()), &ReadOptions::default()).unwrap();
        let table = survey.table_of.unwrap();
        assert!(table.contains("Firefox"), "{table}");
        assert!(survey.columns.iter().any(|column| column.why == format!("a table of {table}")));
    }
}
