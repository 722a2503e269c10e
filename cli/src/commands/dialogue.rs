//! The dialogue for a table whose header says nothing: what its columns look like, and which is what.
//!
//! Only a person at a terminal is asked, and nobody who said how to read it. What was answered is printed as the words to type
//! next time, and stands in the journal as if it had been typed.

use crate::args::{Managed, Table};
use crate::commands::table::read_options;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::output::{Output, clean};
use keyferry_core::engine::Endpoint;
use keyferry_core::files;
use keyferry_core::files::folder::is_folder;
use keyferry_core::files::locked::beginning;
use keyferry_core::formats::csv::{self, Column, Survey};
use keyferry_core::formats::{Format, ReadOptions, WipedReader, detect};
use keyferry_core::{Error, Result};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

/// How much of a file tells what it is.
const HEAD: usize = 64 << 10;
/// Characters of a column's name that are shown.
const MOST: usize = 40;
/// Fields that one column alone can be.
const FIELDS: &str = "vault folder name login password url description tags totp color favorite";

/// The table's options, completed by a person where the table needs it; and the journal, which knows of the answers.
pub fn completed<'j>(
    table: &Table,
    from: &Endpoint,
    managed: &Managed,
    jobs: &'j Jobs,
    output: Output,
) -> Result<(ReadOptions, Answered<'j>)> {
    let options = read_options(table)?;
    let was_told =
        !options.map.is_empty() || options.columns.is_some() || options.no_header || options.no_password;
    let is_person = io::stdin().is_terminal() && io::stderr().is_terminal() && !output.quiet && !output.json;
    let Endpoint::File { path, format } = from else { return Ok((options, Answered::Nothing(jobs))) };
    if was_told || !is_person || managed.gpg || is_folder(path) || files::source::is_stream(path)? {
        return Ok((options, Answered::Nothing(jobs)));
    }
    let Some(survey) = unknown(path, *format, &options)? else {
        return Ok((options, Answered::Nothing(jobs)));
    };
    let words = ask(path, &survey)?;
    let shown = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    say(&format!("next time: {shown}\n"))?;
    let mut table = table.clone();
    take(&mut table, &words);
    Ok((read_options(&table)?, Answered::Words(Box::new(jobs.with_more(words)))))
}

/// The journal, with what a person said.
pub enum Answered<'j> {
    /// Nothing was asked.
    Nothing(&'j Jobs),
    /// As if these words had been typed.
    Words(Box<Jobs>),
}

impl std::ops::Deref for Answered<'_> {
    type Target = Jobs;

    fn deref(&self) -> &Jobs {
        match self {
            Answered::Nothing(jobs) => jobs,
            Answered::Words(jobs) => jobs,
        }
    }
}

/// A look at a table that its reader would refuse since it does not know its columns; `None` for everything else.
fn unknown(path: &Path, format: Option<Format>, options: &ReadOptions) -> Result<Option<Survey>> {
    let head = beginning(path, HEAD as u64)?;
    if head.is_empty() || keyferry_core::archive::is_archive(head.expose()) {
        return Ok(None);
    }
    let is_table = match format {
        Some(format) => format == Format::CSV,
        None => match detect::detect(head.expose(), path.to_str()) {
            Ok(format) => format == Format::CSV,
            // Of lines with several cells, only the names may be new.
            Err(_) => {
                head.expose().iter().take(HEAD).all(|byte| *byte != 0) && !looks_like_json(head.expose())
            }
        },
    };
    if !is_table {
        return Ok(None);
    }
    let input = WipedReader::with_capacity(1 << 18, files::source::open(path)?);
    // What is wrong with it, its reader says best.
    let options = ReadOptions { any_header: true, ..options.clone() };
    let Ok(survey) = csv::survey(Box::new(input), &options) else { return Ok(None) };
    let is_secret = |column: &Column| {
        matches!(column.becomes.as_str(), "password" | "totp")
            || column.becomes.ends_with("of type password")
            || column.becomes.ends_with("of type totp")
    };
    let is_known = survey.table_of.is_some() || survey.columns.iter().any(is_secret);
    Ok((!is_known && survey.columns.len() > 1 && survey.rows > 0).then_some(survey))
}

fn looks_like_json(head: &[u8]) -> bool {
    matches!(head.trim_ascii_start().first(), Some(b'{' | b'[' | b'<'))
}

/// Shows the table and asks column by column; the words that say the same.
fn ask(path: &Path, survey: &Survey) -> Result<Vec<String>> {
    let Survey { rows, columns, delimiter, .. } = survey;
    say(&format!(
        "{}: {rows} rows, {} columns, delimiter {delimiter:?}. Nothing says which column is the password.\n",
        clean(&path.display().to_string()),
        columns.len()
    ))?;
    let has_names = if survey.first_is_record {
        !yes("The first line looks like a record rather than the names of columns. Is it a record?")?
    } else {
        true
    };
    let name = |column: &Column| {
        if has_names { clean(&column.name).chars().take(MOST).collect() } else { String::new() }
    };
    let width = columns.iter().map(|column| name(column).chars().count()).max().unwrap_or_default();
    for column in columns {
        let samples =
            if column.samples.is_empty() { "empty".to_owned() } else { clean(&column.samples.join(", ")) };
        say(&format!(
            "{:>3}  {:width$}  {} of {rows} filled  {samples}\n",
            column.number,
            name(column),
            column.filled
        ))?;
    }
    say("Which is what? Enter takes what stands in brackets, ? lists the words, Ctrl-D ends it.\n")?;
    let mut chosen: Vec<(String, bool)> = Vec::new();
    for column in columns {
        let usual = usual(column, has_names);
        let proposed = column.looks_like.filter(|word| !chosen.iter().any(|(one, _)| one == word));
        let proposed = proposed.map_or_else(|| usual.clone(), str::to_owned);
        loop {
            let label = format!("{:>3}  {}", column.number, name(column));
            let answer = line(&format!("{} [{proposed}]: ", label.trim_end()))?;
            let word = if answer.is_empty() { proposed.clone() } else { answer };
            if word == "?" {
                say(&format!(
                    "     {FIELDS}: at most one column each; custom, ignore; text:NAME, password:NAME, totp:NAME\n"
                ))?;
            } else if !csv::is_field(&word) {
                say("     there is no such field: ? lists them\n")?;
            } else if FIELDS.split(' ').any(|field| field == word)
                && chosen.iter().any(|(one, _)| *one == word)
            {
                say(&format!("     another column is {word} already\n"))?;
            } else {
                chosen.push((word.clone(), word == usual));
                break;
            }
        }
    }
    let is_secret = |word: &str| {
        word == "password" || word == "totp" || word.starts_with("password:") || word.starts_with("totp:")
    };
    let mut words = Vec::new();
    if !chosen.iter().any(|(word, _)| is_secret(word)) {
        if !yes("None of them is a password. Is that as it should be?")? {
            return Err(usage("no column was chosen as the password", "run the command again"));
        }
        words.push("--no-password".to_owned());
    }
    if !has_names {
        // A column that keeps no name of its own gets its number.
        let names = columns.iter().zip(&chosen).map(|(column, (word, _))| match word.as_str() {
            "custom" => format!("text:Column {}", column.number),
            "ignore" => format!("{}", column.number),
            _ => word.clone(),
        });
        words.extend(["--no-header".to_owned(), "--columns".to_owned(), names.collect::<Vec<_>>().join(",")]);
        for (column, (word, _)) in columns.iter().zip(&chosen) {
            if word == "ignore" {
                words.extend(["--map".to_owned(), format!("{}=ignore", column.number)]);
            }
        }
        return Ok(words);
    }
    for (column, (word, is_usual)) in columns.iter().zip(&chosen) {
        if !is_usual {
            words.extend(["--map".to_owned(), format!("{}={word}", named(column))]);
        }
    }
    Ok(words)
}

/// What becomes of a column of which nothing is said.
fn usual(column: &Column, has_names: bool) -> String {
    if has_names && csv::is_field(&column.becomes) { column.becomes.clone() } else { "custom".to_owned() }
}

/// How `--map` names a column: by its name where that is plain, else by its number.
fn named(column: &Column) -> String {
    let is_plain = column.name.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.'))
        && column.name.chars().any(char::is_alphabetic)
        && !column.name.starts_with('-');
    if is_plain { column.name.clone() } else { column.number.to_string() }
}

/// The table's arguments with these words, as if they had been typed.
fn take(table: &mut Table, words: &[String]) {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--map" => table.map.extend(words.next().cloned()),
            "--columns" => {
                let names = words.next().map(String::as_str).unwrap_or_default();
                table.columns = names.split(',').map(str::to_owned).collect();
            }
            "--no-header" => table.no_header = true,
            _ => table.no_password = true,
        }
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain =
        word.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '=' | ':' | ',' | '.'));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn yes(question: &str) -> Result<bool> {
    Ok(matches!(line(&format!("{question} [y/N]: "))?.to_lowercase().as_str(), "y" | "yes"))
}

/// What is typed after a question.
fn line(question: &str) -> Result<String> {
    say(question)?;
    let mut answer = String::new();
    let failed = |error| Error::io("the terminal", error);
    if io::stdin().lock().read_line(&mut answer).map_err(failed)? == 0 {
        return Err(usage(
            "the questions were left, and nothing was read",
            "--map COLUMN=FIELD answers them; keyferry columns FILE shows the columns",
        ));
    }
    Ok(answer.trim().to_owned())
}

fn say(text: &str) -> Result<()> {
    let mut terminal = io::stderr().lock();
    terminal
        .write_all(text.as_bytes())
        .and_then(|()| terminal.flush())
        .map_err(|error| Error::io("the terminal", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Words {
        #[command(flatten)]
        table: Table,
    }

    #[test]
    fn words_are_read_back_as_they_are_printed() {
        let mut table = Words::parse_from(["keyferry"]).table;
        let words = ["--no-password", "--no-header", "--columns", "name,text:Column 2", "--map", "2=ignore"];
        take(&mut table, &words.map(str::to_owned));
        assert!(table.no_password && table.no_header);
        assert_eq!((table.columns.len(), table.map), (2, vec!["2=ignore".to_owned()]));
        assert_eq!(quoted("a b='c"), r"'a b='\''c'");
        assert_eq!(quoted("Wer=login"), "Wer=login");
    }
}
