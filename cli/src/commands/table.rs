//! How a CSV is to be read, from what was typed.

use crate::args::{ExtraColumns, HtmlEntities, Table};
use crate::exit::usage;
use clap::ValueEnum as _;
use keyferry_core::error::Place;
use keyferry_core::formats::{self, ReadOptions};
use keyferry_core::{Error, ErrorKind, Result};
use serde::Deserialize;

/// A file of `--map-file`: the options of the heading "Reading CSV", under their names.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct MapFile {
    /// Column to field.
    map: toml::Table,
    delimiter: Option<String>,
    encoding: Option<String>,
    extra_columns: Option<String>,
    escape: Option<String>,
    folder_separator: Option<String>,
    html_entities: Option<String>,
    flexible: bool,
    no_password: bool,
    no_header: bool,
    columns: Vec<String>,
}

/// What was typed, and what the file says beside it.
fn with_file(table: &Table) -> Result<Table> {
    let mut table = table.clone();
    let Some(path) = table.map_file.take() else { return Ok(table) };
    let wrong = |error: Error| {
        error
            .at(Place::File { path: path.clone(), at: None })
            .next_step("docs/formats.md shows a mapping file; keyferry columns FILE names the columns")
    };
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
    let file: MapFile = toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
        let line = line.map(|line| format!(" near line {line}")).unwrap_or_default();
        wrong(
            Error::new(ErrorKind::Input, format!("this is no mapping file{line}: {}", error.message()))
                .because(error),
        )
    })?;
    // The first pair for a column counts: what was typed.
    for (column, field) in &file.map {
        let Some(field) = field.as_str() else {
            return Err(wrong(Error::new(
                ErrorKind::Input,
                format!("the field of column `{column}` is no text"),
            )));
        };
        let typed = table.map.iter().filter_map(|pair| pair.rsplit_once('='));
        if !typed.map(|(typed, _)| typed).any(|typed| typed == column) {
            table.map.push(format!("{column}={field}"));
        }
    }
    if let Some(word) = &file.extra_columns
        && table.extra_columns == ExtraColumns::Custom
    {
        table.extra_columns = ExtraColumns::from_str(word, false).map_err(|_| {
            wrong(Error::new(
                ErrorKind::Input,
                format!("extra-columns is custom, ignore or fail, not `{word}`"),
            ))
        })?;
    }
    if let Some(word) = &file.html_entities
        && table.html_entities == HtmlEntities::Auto
    {
        table.html_entities = HtmlEntities::from_str(word, false).map_err(|_| {
            wrong(Error::new(
                ErrorKind::Input,
                format!("html-entities is auto, decode or keep, not `{word}`"),
            ))
        })?;
    }
    if let Some(separator) = file.folder_separator
        && table.folder_separator == "/"
    {
        table.folder_separator = separator;
    }
    table.delimiter = table.delimiter.or(file.delimiter);
    table.encoding = table.encoding.or(file.encoding);
    table.escape = table.escape.or(file.escape);
    table.flexible |= file.flexible;
    table.no_password |= file.no_password;
    table.no_header |= file.no_header;
    if table.columns.is_empty() {
        table.columns = file.columns;
    }
    Ok(table)
}

/// The engine's options for what was typed.
pub fn read_options(table: &Table) -> Result<ReadOptions> {
    let table = &with_file(table)?;
    let map = table
        .map
        .iter()
        .map(|pair| {
            pair.rsplit_once('=')
                .filter(|(column, field)| !column.is_empty() && !field.is_empty())
                .map(|(column, field)| (column.to_owned(), field.to_owned()))
                .ok_or_else(|| usage(format!("--map {pair}: this is no pair"), "write --map COLUMN=FIELD"))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut options = ReadOptions {
        delimiter: table.delimiter.as_deref().map(|word| character("--delimiter", word)).transpose()?,
        encoding: table.encoding.clone(),
        map,
        extra_columns: match table.extra_columns {
            ExtraColumns::Custom => formats::ExtraColumns::Custom,
            ExtraColumns::Ignore => formats::ExtraColumns::Ignore,
            ExtraColumns::Fail => formats::ExtraColumns::Fail,
        },
        escape: table.escape.as_deref().map(|word| character("--escape", word)).transpose()?,
        folder_separator: character("--folder-separator", &table.folder_separator)?,
        flexible: table.flexible,
        no_password: table.no_password,
        entities: match table.html_entities {
            HtmlEntities::Auto => formats::Entities::Auto,
            HtmlEntities::Decode => formats::Entities::Decode,
            HtmlEntities::Keep => formats::Entities::Keep,
        },
        ..ReadOptions::default()
    };
    options.no_header = table.no_header;
    if !table.columns.is_empty() {
        options.columns = Some(table.columns.clone());
    }
    Ok(options)
}

/// One character; words for those that not every shell lets through.
fn character(flag: &str, word: &str) -> Result<char> {
    let mut characters = word.chars();
    match (word, characters.next(), characters.next()) {
        ("backslash", ..) => Ok('\\'),
        ("tab" | "\\t", ..) => Ok('\t'),
        (_, Some(character), None) => Ok(character),
        _ => Err(usage(
            format!("{flag} {word}: this is not one character"),
            "write one, for instance , or / or ; or the words tab and backslash",
        )),
    }
}
