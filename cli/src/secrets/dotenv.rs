//! Files of variables, `NAME=value` a line: read for `--env-file`, written for `--output env`.
//!
//! A value is what stands behind the first `=`, without the blanks around it, and may hold references as a template
//! does. In double quotes it is a template too, and `\n`, `\r`, `\t`, `\"`, `\$` and a doubled backslash stand for one letter. In single
//! quotes it is kept as it is, over several lines where it has them; `'\''` stands for one such quote, as in a shell.
//! Empty lines and those that begin with `#` are skipped; `export` before a name too.

use crate::secrets::quoting::shell_word;
use crate::secrets::template::Template;
use keyferry_core::error::{Place, Position};
use keyferry_core::{Error, ErrorKind, Result};
use std::path::Path;

/// One variable of a file.
#[derive(Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What it is to hold.
    pub value: Template,
    /// The line it stands on, for messages.
    pub place: Place,
}

/// Understands a file.
pub fn parse(text: &str, file: &Path) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut number = 1;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let place = Place::File { path: file.to_owned(), at: Some(Position::line(number)) };
        let wrong = |what: &str| {
            Error::new(ErrorKind::Input, what)
                .at(place.clone())
                .next_step("write NAME=value, NAME='value' or NAME={{ NAME:Vault/record#field }}")
        };
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            (rest, number) = (after, number + 1);
            continue;
        }
        let (before, value) = line.split_once('=').ok_or_else(|| wrong("this line has no `=`"))?;
        let name = before.trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim_start).to_owned();
        let blank = value.chars().take_while(|c| c.is_whitespace()).count();
        let column = u64::try_from(before.chars().count() + blank + 2).unwrap_or(u64::MAX);
        let value = value.trim();
        let (value, taken) = if value.starts_with('\'') {
            // What follows the `=` may go on over the end of the line.
            let whole = rest[before.len() + 1..].trim_start();
            let (value, taken) = single_quoted(whole).ok_or_else(|| wrong("a quote is not closed"))?;
            let end = rest.len() - whole.len() + taken;
            let line_end = rest[end..].find('\n').map_or(rest.len(), |at| end + at + 1);
            if !rest[end..line_end].trim().is_empty() {
                return Err(wrong("something stands behind the closing quote"));
            }
            (Template::literal(value.as_bytes()), line_end)
        } else {
            let value = match value.strip_prefix('"') {
                Some(quoted) => {
                    let value = double_quoted(quoted)
                        .ok_or_else(|| wrong("a quote is not closed at the line's end"))?;
                    Template::parse_from(value.as_bytes(), file, number, column + 1)?
                }
                None => Template::parse_from(value.as_bytes(), file, number, column)?,
            };
            (value, rest.len() - after.len())
        };
        let lines_taken = rest[..taken].matches('\n').count();
        lines.push(Line { name, value, place });
        rest = &rest[taken..];
        number += u64::try_from(lines_taken).unwrap_or(u64::MAX).max(1);
    }
    Ok(lines)
}

/// The value of `'…'`, perhaps followed by `\''…'`, and its length in the text.
fn single_quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix("\\''") {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, text.len() - after.len())),
        }
    }
}

/// The value of `…"` up to the end of the line, in which nothing may follow.
fn double_quoted(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return rest.as_str().is_empty().then_some(value),
            '\\' => match rest.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '$' | '\\') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    None
}

/// A line that a POSIX shell and [`parse`] read alike.
pub fn line(name: &str, value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        format!("{name}={value}\n")
    } else {
        format!("{name}={}\n", shell_word(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text in "[A='\"\\\\ n#\n{}é]{0,40}") {
            let _ = read(&text);
        }

        #[test]
        fn any_value_comes_back(value in "[^\0]{0,20}") {
            let lines = format!("{}B=1\n", line("A", &value));
            let expected = vec![("A".to_owned(), value), ("B".to_owned(), "1".to_owned())];
            prop_assert_eq!(read(&lines).unwrap(), expected);
        }
    }

    fn read(text: &str) -> Result<Vec<(String, String)>> {
        let lines = parse(text, Path::new("app.env"))?;
        let value = |line: &Line| {
            let value = line.value.render(|reference| Ok(format!("<{reference}>").into())).unwrap();
            value.into_text().unwrap().expose().to_owned()
        };
        Ok(lines.iter().map(|line| (line.name.clone(), value(line))).collect())
    }

    #[test]
    fn values_are_read_as_their_quotes_say() {
        let text = "# one\n\nA=b c # d \r\nexport B = '{{ V/r }}'\n  C=\"x\\n{{ V/r }}\\\\\\q\"\nD={{ V/r#f }}/x\nE=\nF='two\nlines'\nG='it'\\''s'";
        let pairs = read(text).unwrap();
        let expected = [
            ("A", "b c # d"),
            ("B", "{{ V/r }}"),
            ("C", "x\n<V/r>\\\\q"),
            ("D", "<V/r#f>/x"),
            ("E", ""),
            ("F", "two\nlines"),
            ("G", "it's"),
        ];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let values = [
            "",
            "plain-1",
            "a b",
            "it's",
            "{{ V/r }}",
            "two\nlines\n",
            "\\n \"$x\" `y`",
            "é",
            "'",
            "a'b'",
            "#",
            "\\{{ x",
            " x ",
        ];
        let text: String = values.iter().map(|value| line("A", value)).collect();
        let read: Vec<String> = read(&text).unwrap().into_iter().map(|(_, value)| value).collect();
        assert_eq!(read, values);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, at) in [
            ("A=1\nB", "line 2"),
            ("A='x\ny\n", "line 1"),
            ("A='x' y", "line 1"),
            ("A='1\n2'\nB=\"x", "line 3"),
            ("A = x{{ V/r | y }}", "line 1, column 6"),
        ] {
            let error = parse(text, Path::new("app.env")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("app.env, {at}: ")), "{error}");
        }
    }
}
