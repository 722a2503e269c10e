//! The drop-in: called by the name `passwork-cli`, the program behaves as the official one, version 0.2.0, does,
//! its quirks included. `docs/passwork-cli.md` lists what differs.
//!
//! | file | what it does |
//! |---|---|
//! | `argparse`, `flags` | command lines as Python reads them; the commands and what they take |
//! | `value`, `python` | JSON as Python reads, keeps, shows and writes it |
//! | `failure` | what goes wrong, in the official words |
//! | `server` | one request, one answer |
//! | `items` | items and shortcuts, fetched and decrypted |
//! | `get`, `exec`, `update`, `api` | the commands |

mod api;
mod argparse;
mod exec;
mod failure;
mod flags;
mod get;
mod items;
mod python;
mod server;
mod update;
mod value;

use crate::config::PinSource;
use crate::location::{Location, canonical};
use crate::passwork::argparse::{Given, Parsed, Stop};
use crate::passwork::failure::{Failure, Result};
use crate::passwork::flags::Command;
use crate::passwork::items::Client;
use crate::passwork::server::{Server, Verify};
use crate::pins;
use keyferry_core::secret::SecretString;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

/// What Python ends with where standard output does not take what is left for it.
const NOT_WRITTEN: u8 = 120;

/// What is to be done once the environment is open.
enum Work {
    Get,
    Exec(OsString),
    Update(Vec<update::Typed>),
    Api,
}

/// How far that went.
enum Done {
    Ended(u8),
    /// This command is to be run with these variables.
    Run(OsString, Vec<(String, SecretString)>),
}

/// Whether the program was called by the official one's name.
pub fn is_called(program: Option<&OsStr>) -> bool {
    program.is_some_and(|program| Path::new(program).file_stem() == Some(OsStr::new("passwork-cli")))
}

/// Runs it, with the words behind its name.
pub fn main(words: &[OsString]) -> ExitCode {
    ExitCode::from(run(words).unwrap_or_else(|code| code))
}

/// `Err` too is an exit code: one that came early.
fn run(words: &[OsString]) -> std::result::Result<u8, u8> {
    let (command, parsed) = understood(words)?;
    let work = match command.name {
        "get" => Work::Get,
        "exec" => Work::Exec(exec::command(&parsed).map_err(complain)?),
        "update" => Work::Update(update::customs(&parsed.rest).map_err(|what| complain(&what))?),
        _ => Work::Api,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| complain(&format!("Unexpected error: {error}")))?;
    let done = runtime.block_on(async {
        let client = connect(&parsed).await.map_err(|failure| {
            let how = if failure.is_value_error { "Error" } else { "Unexpected error" };
            complain(&format!("{how}: {failure}"))
        })?;
        let done = perform(work, &client, &parsed).await;
        done.map_err(|failure| complain(&format!("Error {}: {failure}", command.doing)))
    })?;
    drop(runtime);
    Ok(match done {
        Done::Ended(code) => code,
        Done::Run(command, variables) => exec::run(&command, &variables),
    })
}

/// The command and its flags; the exit code where there is nothing to do.
fn understood(words: &[OsString]) -> std::result::Result<(&'static Command, Parsed), u8> {
    let wrong = |place: &str, what: &str| {
        complain(&format!("usage: {place} [FLAGS]; --help lists them\n{place}: error: {what}"));
        2
    };
    let split = argparse::split(words).map_err(|stop| match stop {
        Stop::Help => print(&flags::help()),
        Stop::Wrong(what) => wrong("passwork-cli", &what),
    })?;
    let Some((name, words)) = split.command else {
        print(&flags::help());
        return Err(1);
    };
    let command = flags::COMMANDS.iter().find(|command| name == command.name);
    let command = command.ok_or_else(|| {
        let names: Vec<_> = flags::COMMANDS.iter().map(|command| command.name).collect();
        wrong("passwork-cli", &format!("there is no such command: choose from {}", names.join(", ")))
    })?;
    let mut parsed = argparse::parse(&command.flags(), words).map_err(|stop| match stop {
        Stop::Help => print(&command.help()),
        Stop::Wrong(what) => wrong(&format!("passwork-cli {}", command.name), &what),
    })?;
    parsed.rest.splice(0..0, split.before);
    Ok((command, parsed))
}

/// Opens the environment that flags and variables name.
async fn connect(parsed: &Parsed) -> Result<Client> {
    let given = |flag, variable| {
        // A flag counts even when it is empty, a variable does not.
        let named = || std::env::var_os(variable).map(|value| value.to_string_lossy().into_owned());
        parsed.text(flag).or_else(|| named().filter(|value| !value.is_empty()))
    };
    let required = |flag, variable| {
        given(flag, variable).ok_or_else(|| {
            let what = "Required value not provided via arguments or environment variable";
            Failure::value(format!("{what} {variable}"))
        })
    };
    let host = required("--host", "PASSWORK_HOST")?;
    let token = SecretString::new(required("--token", "PASSWORK_TOKEN")?);
    let master_key = given("--master-key", "PASSWORK_MASTER_KEY").map(SecretString::new);
    let verify = match parsed.get("--ssl-verify") {
        Some(Given::Value(path)) if path.is_empty() => Verify::Nobody,
        Some(Given::Value(path)) => Verify::Path(path.into()),
        None if parsed.get("--no-ssl-verify").is_some() => {
            complain("Warning: --no-ssl-verify is deprecated; use --ssl-verify.");
            Verify::Nobody
        }
        Some(Given::Alone) | None => Verify::System,
    };
    let memory = Location::parse(&host).ok().and_then(|location| {
        let journal = std::env::var_os("KEYFERRY_JOURNAL").map(Into::into);
        pins::remembered(&canonical(&location), &PinSource { journal, required: false }).ok().flatten()
    });
    Client::unlock(Server::new(&host, verify, token)?, master_key, memory).await
}

async fn perform(work: Work, client: &Client, parsed: &Parsed) -> Result<Done> {
    Ok(match work {
        Work::Get => Done::Ended(get::run(client, parsed).await?),
        Work::Update(typed) => Done::Ended(update::run(client, parsed, typed).await?),
        Work::Api => Done::Ended(api::run(client, parsed).await?),
        Work::Exec(command) => match exec::variables(client, parsed).await? {
            Some(variables) => Done::Run(command, variables),
            None => Done::Ended(complain("Error: No passwords found")),
        },
    })
}

/// A result, on standard output.
fn print(text: &str) -> u8 {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(_) => NOT_WRITTEN,
    }
}

/// A line on standard error; the exit code that goes with nearly all of them.
fn complain(what: &str) -> u8 {
    let _ = writeln!(io::stderr().lock(), "{what}");
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_name_alone_makes_the_drop_in() {
        for name in ["passwork-cli", "/usr/bin/passwork-cli", "./passwork-cli.exe"] {
            assert!(is_called(Some(OsStr::new(name))), "{name}");
        }
        for name in ["keyferry", "passwork", "passwork-cli/keyferry", "passwork-clip"] {
            assert!(!is_called(Some(OsStr::new(name))), "{name}");
        }
        assert!(!is_called(None));
    }
}
