//! Records to a file of variables, which is one record when it is read: written as they come.
//!
//! A custom field is a variable of its name; the password is one of the record's name, login and address follow it with
//! `_LOGIN` and `_URL`. What a name of a variable cannot have is `_`. Nothing of a value is run or expanded where a shell reads the
//! file. A second variable of a name gets a number, which is counted.

use crate::held::{Export, Names};
use crate::wiped::append;
use crate::{WriteOptions, Writer, counted};
use keyferry_crypto::error::{Error, Result};
use keyferry_crypto::model::{Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::secret::SecretString;
use std::borrow::Cow;
use std::io::Write;
use zeroize::{Zeroize as _, Zeroizing};

pub(crate) static EXPORT: Export = Export {
    write,
    hold: |record| Cow::Owned(hold(record)),
    place: |_| RecordPath::default(),
    dates: false,
    folders: false,
    twin: None,
    encrypted: false,
    depth: usize::MAX,
    as_is: false,
    streams: true,
};

/// The variables that a record comes to. The record itself is the file.
fn hold(record: &Record) -> Record {
    let text = |name: &str, text: &str| Custom {
        name: name.to_owned(),
        kind: CustomKind::Password,
        value: SecretString::from(text),
    };
    let own = variable(&record.name);
    let mut customs = Vec::new();
    if let Some(password) = &record.password {
        customs.push(text(&own, password.expose()));
    }
    for (ending, value) in [("LOGIN", &record.login), ("URL", &record.url)] {
        if !value.is_empty() {
            customs.push(text(&format!("{own}_{ending}"), value));
        }
    }
    customs.extend(record.customs.iter().map(|custom| text(&variable(&custom.name), custom.value.expose())));
    Record { customs, ..Record::default() }
}

/// A name that shells take.
fn variable(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut variable: String = name.trim().chars().map(plain).collect();
    if variable.is_empty() {
        "UNNAMED".clone_into(&mut variable);
    } else if variable.starts_with(|c: char| c.is_ascii_digit()) {
        variable.insert(0, '_');
    }
    variable
}

struct VariableWriter {
    output: Box<dyn Write + Send>,
    names: Names,
    renamed: u64,
    line: Zeroizing<Vec<u8>>,
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(Box::new(VariableWriter {
        output,
        names: Names::default(),
        renamed: 0,
        line: Zeroizing::new(Vec::new()),
    }))
}

/// A value that the reader, shells and programs without one take alike, where there is such a spelling: in `'`, in `"` where it
/// has a `'` and nothing that means more there, else as a shell writes a quote within quotes.
fn quoted(out: &mut Zeroizing<Vec<u8>>, value: &str) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return append(out, value.as_bytes());
    }
    let quote = if value.contains('\'') && !value.contains(['$', '`', '\\', '"', '!']) { "\"" } else { "'" };
    append(out, quote.as_bytes());
    let mut parts = value.split(if quote == "'" { '\'' } else { '"' });
    append(out, parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        append(out, b"'\\''");
        append(out, part.as_bytes());
    }
    append(out, quote.as_bytes());
}

impl Writer for VariableWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        self.line.as_mut_slice().zeroize();
        self.line.clear();
        for custom in &record.customs {
            let name = self.names.unique(&custom.name, |name, number| format!("{name}_{number}"));
            self.renamed += u64::from(name != custom.name);
            append(&mut self.line, name.as_bytes());
            append(&mut self.line, b"=");
            quoted(&mut self.line, custom.value.expose());
            append(&mut self.line, b"\n");
        }
        self.output.write_all(&self.line).map_err(Error::stream)
    }

    fn folder(&mut self, _: &RecordPath) -> Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        self.output.flush().map_err(Error::stream)?;
        let told = counted(
            self.renamed,
            "variable was there already, and got a number",
            "variables were there already, and got a number",
        );
        Ok(if self.renamed > 0 { vec![told] } else { Vec::new() })
    }
}
