//! `completions`: a script for the shell.

use crate::args::complete_definition;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap_complete::Shell;
use keyferry_core::{Error, Result};
use std::io::Write as _;

/// Writes the script to standard output.
pub fn run(shell: Shell) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "keyferry", &mut script);
    std::io::stdout().write_all(&script).map_err(|error| Error::io("-", error))?;
    Ok(0)
}

/// The command, with the addresses that `api` is most often asked for: any other is taken as well.
fn command() -> clap::Command {
    let mut paths: Vec<String> = keyferry_server::paths().collect();
    paths.sort_unstable();
    paths.dedup();
    let paths = PossibleValuesParser::new(paths.into_iter().map(PossibleValue::new));
    complete_definition()
        .mut_subcommand("api", |api| api.mut_arg("endpoint", |endpoint| endpoint.value_parser(paths)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command and long option that the help shows.
    fn words(command: &clap::Command, found: &mut Vec<String>) {
        found.push(command.get_name().to_owned());
        let options = command.get_arguments().filter(|argument| !argument.is_hide_set());
        found.extend(options.filter_map(|argument| argument.get_long()).map(str::to_owned));
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            words(inner, found);
        }
    }

    #[test]
    fn the_addresses_of_every_endpoint_are_completed() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "keyferry", &mut script);
            let script = String::from_utf8(script).expect("scripts are text");
            for path in keyferry_server::paths() {
                assert!(script.contains(&path), "{path} for {shell}");
            }
        }
    }

    #[test]
    fn every_command_and_option_is_completed_in_every_shell() {
        let mut known = Vec::new();
        words(&complete_definition(), &mut known);
        assert!(known.len() > 100, "{known:?}");
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "keyferry", &mut script);
            let script = String::from_utf8(script).expect("scripts are text");
            for word in &known {
                assert!(script.contains(word), "{word} for {shell}");
            }
        }
    }
}
