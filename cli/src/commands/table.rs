//! How a CSV is to be read, from what was typed.

use crate::args::{ExtraColumns, Table};
use crate::exit::usage;
use keyferry_core::Result;
use keyferry_core::formats::{self, ReadOptions};

/// The engine's options for what was typed.
pub fn read_options(table: &Table) -> Result<ReadOptions> {
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
