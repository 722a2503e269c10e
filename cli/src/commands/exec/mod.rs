//! `exec`: runs a program with secrets in its environment or in files, or writes the variables down instead.

mod variables;

use crate::args::exec::{Exec, Format, MaskCommands};
use crate::child::environment;
use crate::child::environment::{Existing, Named, Variable};
use crate::child::files::SecretFiles;
use crate::child::forms::SHORTEST;
use crate::child::mask::Patterns;
use crate::child::{NotRun, Program, Signals};
use crate::commands::exec::variables::{Asked, InFile};
use crate::config::Config;
use crate::exit::usage;
use crate::output::{Output, clean};
use crate::secrets::environments::Opened;
use crate::secrets::{dotenv, kubernetes};
use keyferry_core::files::sink;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::ffi::OsString;
use std::io::{IsTerminal as _, stdout};
use std::sync::Arc;

/// Runs the program; its exit code.
pub async fn run(exec: Exec, config: &Config, output: Output) -> Result<u8> {
    if let Some(format) = exec.output {
        let asked = Asked::fetch(&exec, &mut Opened::new(&exec.access, config, output), output).await?;
        return write(&exec, format, asked.variables, output);
    }
    match child(exec, config, output).await {
        Ok(code) => Ok(code),
        Err(NotRun { code, error }) => {
            output.error(&error);
            Ok(code)
        }
    }
}

async fn child(exec: Exec, config: &Config, output: Output) -> Result<u8, NotRun> {
    let (name, arguments) = program(&exec)?;
    let asked = Asked::fetch(&exec, &mut Opened::new(&exec.access, config, output), output).await?;
    if let Some(when) = exec.mask_commands {
        tell_runner(when, &asked, output);
    }
    let patterns = if exec.mask { Some(Arc::new(patterns(&asked, output)?)) } else { None };
    let existing = if exec.replace { Existing::Override } else { Existing::Refuse };
    let Asked { mut variables, files, .. } = asked;
    let inherited = std::env::vars_os();
    if files.is_empty() && patterns.is_none() {
        let environment = environment::build(inherited, variables, existing)?;
        let program = Program { name, arguments, environment };
        #[cfg(unix)]
        return Err(program.replace_us());
        #[cfg(not(unix))]
        return tokio::task::block_in_place(|| program.run(Signals::listen()?, None));
    }
    // From here on a signal ends the program, and us after it: nothing stays behind.
    let signals = Signals::listen()?;
    let folder = if files.is_empty() { None } else { Some(SecretFiles::new()?) };
    if let Some(folder) = &folder {
        if folder.on_disk && files.iter().any(|file| !file.fifo) {
            let place = folder.folder().display();
            output.warn(&format!(
                "there is no folder in memory here: secrets are written below {place} until the end"
            ));
        }
        variables.extend(paths(folder, &files)?);
    }
    drop(files);
    let environment = environment::build(inherited, variables, existing)?;
    let program = Program { name, arguments, environment };
    let ended = tokio::task::block_in_place(|| program.run(signals, patterns));
    if let Some(folder) = folder
        && let Err(error) = folder.remove()
    {
        output.error(&error);
    }
    ended
}

/// What to run, in words.
fn program(exec: &Exec) -> Result<(OsString, Vec<OsString>)> {
    if let Some(text) = &exec.cmd {
        let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("/bin/sh", "-c") };
        return Ok((shell.into(), vec![flag.into(), text.clone()]));
    }
    let mut words = exec.program.iter().cloned();
    let name = words.next().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| usage("no program is named", "write -- PROGRAM ARGUMENTS"))?;
    Ok((name, words.collect()))
}

/// Puts secrets into files; the variables that lead there.
fn paths(folder: &SecretFiles, files: &[InFile]) -> Result<Vec<Variable>> {
    let variables = files.iter().map(|file| {
        let path = if file.fifo {
            folder.fifo(&file.name, &file.value)?
        } else {
            folder.file(&file.name, &file.value)?
        };
        let path = path.into_os_string().into_string().map_err(|path| {
            Error::new(ErrorKind::Io, "the folder for secrets has a name that is no text")
                .at(keyferry_core::error::Place::File { path: path.into(), at: None })
        })?;
        let (name, from) = (file.name.clone(), file.from.clone());
        Ok(Variable { name, value: path.into(), from, named: Named::ByUser, secret: false })
    });
    variables.collect()
}

/// What to look for in the output. Secrets that are too short to be looked for are told by their names.
fn patterns(asked: &Asked, output: Output) -> Result<Patterns> {
    let mut short: Vec<&str> = Vec::new();
    short.extend(asked.secrets().filter(|(_, value)| value.expose().len() < SHORTEST).map(|(name, _)| name));
    if !short.is_empty() {
        output.warn(&clean(&format!(
            "shorter than {SHORTEST} characters, so not masked: {}",
            short.join(", ")
        )));
    }
    Patterns::of(asked.secrets().map(|(_, value)| value))
}

/// Has the CI runner hide the secrets in its log. Standard error is part of that log, and of nothing that is piped on.
fn tell_runner(when: MaskCommands, asked: &Asked, output: Output) {
    let runner = ["GITHUB_ACTIONS", "GITLAB_CI"].into_iter().any(|name| std::env::var_os(name).is_some());
    if when == MaskCommands::Auto && !runner {
        output.warn("--mask-commands: neither GITHUB_ACTIONS nor GITLAB_CI is set, so nothing was told");
        return;
    }
    for (_, value) in asked.secrets() {
        for line in value.expose().lines().map(str::trim).filter(|line| line.len() >= SHORTEST) {
            output.command(&format!("::add-mask::{}", line.replace('%', "%25").replace('\r', "%0D")));
        }
    }
}

/// Writes the variables down.
fn write(exec: &Exec, format: Format, variables: Vec<Variable>, output: Output) -> Result<u8> {
    environment::check(&variables)?;
    let mut variables = variables;
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    variables.dedup_by(|a, b| a.name == b.name);
    let pairs = || variables.iter().map(|variable| (variable.name.as_str(), &variable.value));
    let text = match format {
        Format::Env => {
            variables.iter().try_for_each(environment::check_value)?;
            let lines = pairs().map(|(name, value)| dotenv::line(name, value.expose()));
            SecretString::new(lines.collect())
        }
        Format::Json => {
            let object = pairs().map(|(name, value)| (name, value.expose()));
            let object: std::collections::BTreeMap<_, _> = object.collect();
            let text = serde_json::to_string_pretty(&object).map_err(|error| {
                Error::new(ErrorKind::Internal, "the variables could not be written").because(error)
            })?;
            SecretString::new(text + "\n")
        }
        Format::Kubernetes => kubernetes::secret(exec.secret_name.as_deref().unwrap_or_default(), pairs())?,
    };
    if let Some(path) = &exec.output_file {
        sink::write(path, text.expose().as_bytes())?;
        output.say(&format!("written: {}", path.display()));
    } else {
        if stdout().is_terminal() {
            output.warn("secrets are shown on this terminal");
        }
        output.bytes(text.expose().as_bytes())?;
    }
    Ok(0)
}
