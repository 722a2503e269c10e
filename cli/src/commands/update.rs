//! `update`: changes one record where it stands.

use crate::args::secrets::Update;
use crate::commands::get::pick;
use crate::config::Config;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::output::{Output, clean};
use crate::secrets::environments::Opened;
use crate::secrets::reference::Wanted;
use keyferry_core::crypto::generate;
use keyferry_core::crypto::mark::Marks;
use keyferry_core::engine::Change;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, Result};
use serde_json::json;
use std::io::Read as _;

/// The longest value that is taken from standard input.
const LONGEST: u64 = 16 << 20;

/// Makes the change.
pub async fn run(update: Update, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let change = change(&update, config, output)?;
    let mut opened = Opened::new(&update.access, config, output);
    opened.write_with(jobs.journal()?, update.allow_unencrypted_target);
    let (environment, picked, wanted) = pick(&update.record, &mut opened).await?;
    if wanted != Wanted::Password {
        return Err(usage(
            "a whole record is updated: #FIELD says nothing here",
            "name the field with --stdin FIELD, --custom NAME VALUE, or the flag of that name",
        ));
    }
    environment.change(&picked, &change).await?;
    environment.confirm(&picked.id, &change).await?;
    if output.json {
        output.document(&json!({ "id": picked.id }))?;
    } else {
        output.say(&clean(&format!("updated {}", picked.label())));
    }
    Ok(0)
}

/// What was typed, as a change.
fn change(update: &Update, config: &Config, output: Output) -> Result<Change> {
    if update.password.is_some() || !update.custom.is_empty() {
        output
            .warn("values that are typed can be read by other users of this machine: --stdin FIELD is safer");
    }
    let tags = update.tags.as_ref().map(|tags| {
        tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
    });
    let mut change = Change {
        name: update.name.clone(),
        login: update.login.clone(),
        password: update.password.as_deref().map(SecretString::from),
        url: update.url.clone(),
        description: update.description.clone(),
        tags,
        customs: Vec::new(),
        regardless: update.regardless,
    };
    if let Some(length) = update.generate {
        change.password = Some(generate::password(usize::from(length))?);
    }
    for pair in update.custom.chunks_exact(2) {
        change.customs.push((pair[0].clone(), SecretString::from(pair[1].as_str())));
    }
    match update.stdin.as_deref() {
        None => {}
        Some("password") if change.password.is_none() => change.password = Some(standard_input()?),
        Some("password") => {
            return Err(usage("the password is given twice", "leave out --stdin, --password or --generate"));
        }
        Some(field) => change.customs.push((field.to_owned(), standard_input()?)),
    }
    let nothing = change.name.is_none()
        && change.login.is_none()
        && change.password.is_none()
        && change.url.is_none()
        && change.description.is_none()
        && change.tags.is_none()
        && change.customs.is_empty();
    // A mark can be left on a record as it stands.
    if nothing && config.marks == Marks::Free {
        return Err(usage("there is nothing to change", "keyferry update --help lists what can be"));
    }
    Ok(change)
}

/// All of standard input but the end of its last line. A program in front of the pipe that failed must not empty a field.
fn standard_input() -> Result<SecretString> {
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = std::io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text);
    let length = read.map_err(|error| Error::io("-", error))?;
    if length as u64 > LONGEST {
        return Err(usage(
            format!("standard input has more than {LONGEST} bytes"),
            "attach it as a file instead",
        ));
    }
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(usage(
            "standard input is empty: nothing was changed",
            "to empty a field, --custom NAME ''",
        ));
    }
    Ok(SecretString::from(value))
}
