//! `completions`: a script for the shell, and the answers to what that script asks.
//!
//! The script asks this program at each word, so that names are known: those of environments from the config, those of
//! vaults from what `ls` saw last. No server is asked while somebody types.

use crate::args::complete_definition;
use crate::config::Config;
use crate::location::Location;
use crate::output::{Output, clean};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, Command};
use clap_complete::Shell;
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate as Candidate, PathCompleter, ValueCompleter as _,
};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};
use keyferry_core::engine::Journal;
use keyferry_core::files::sink;
use keyferry_core::formats::Format;
use keyferry_core::model::RecordPath;
use keyferry_core::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// Set by a script that asks, to the name of its shell.
const ASKED: &str = "KEYFERRY_COMPLETE";

/// Bash's script. Bash ends words at colons and equals signs, which stand within locations: they are put together again,
/// and of an answer only what bash does not have on the line yet is given.
const BASH: &str = r#"_keyferry() {
    local IFS=$'\013' rest=${COMP_LINE:0:COMP_POINT} words=() i word before typed
    for ((i = 0; i <= COMP_CWORD; i++)); do
        before=${rest%%[![:space:]]*}
        rest=${rest#"$before"}
        word=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || word=$rest
        if [[ $i -eq 0 || -n $before ]]; then words+=("$word"); else words[${#words[@]} - 1]+=$word; fi
        rest=${rest#"$word"}
    done
    words=("${words[@]//\\/}")
    typed=${words[${#words[@]} - 1]}
    read -r -d '' -a COMPREPLY < <(
        _CLAP_IFS="$IFS" _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1)) KEYFERRY_COMPLETE=bash keyferry -- "${words[@]}"
    )
    if [[ $typed == *[:=]* ]]; then COMPREPLY=("${COMPREPLY[@]#"${typed%"${typed##*[:=]}"}"}"); fi
    for i in "${!COMPREPLY[@]}"; do printf -v "COMPREPLY[i]" %q "${COMPREPLY[i]}"; done
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:/=] ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o bashdefault -F _keyferry keyferry
"#;

/// Writes the script to standard output.
pub fn run(shell: Shell) -> Result<u8> {
    std::io::stdout().write_all(&script(shell)?).map_err(|error| Error::io("-", error))?;
    Ok(0)
}

fn script(shell: Shell) -> Result<Vec<u8>> {
    if shell == Shell::Bash {
        return Ok(BASH.into());
    }
    let mut script = Vec::new();
    completer(shell.to_string().as_ref())?
        .write_registration(ASKED, "keyferry", "keyferry", "keyferry", &mut script)
        .map_err(|error| Error::io("-", error))?;
    Ok(script)
}

fn completer(shell: &OsStr) -> Result<&'static dyn EnvCompleter> {
    let known: [&'static dyn EnvCompleter; 5] = [&Bash, &Elvish, &Fish, &Powershell, &Zsh];
    known.into_iter().find(|one| shell.to_str().is_some_and(|name| one.is(name))).ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{ASKED} names no shell"))
            .next_step("it is set by the script that keyferry completions prints")
    })
}

/// Answers a script that asks what may follow; `None` where nobody does.
pub fn answer() -> Option<Result<()>> {
    let shell = std::env::var_os(ASKED).filter(|shell| !shell.is_empty())?;
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let answered = completer(&shell).and_then(|completer| {
        let mut answer = Vec::new();
        let folder = std::env::current_dir().ok();
        completer
            .write_complete(&mut definition(), words, folder.as_deref(), &mut answer)
            .and_then(|()| std::io::stdout().write_all(&answer))
            .map_err(|error| Error::io("-", error))
    });
    Some(answered)
}

/// What may be typed, with what is known of its words. Of the API's addresses, those of the server: any other is taken too.
fn definition() -> Command {
    let mut paths: Vec<String> = keyferry_server::paths().collect();
    paths.sort_unstable();
    paths.dedup();
    let paths = PossibleValuesParser::new(paths.into_iter().map(PossibleValue::new));
    known(complete_definition())
        .mut_subcommand("api", |api| api.mut_arg("endpoint", |endpoint| endpoint.value_parser(paths)))
}

fn known(command: Command) -> Command {
    command.mut_args(known_words).mut_subcommands(known)
}

fn known_words(argument: Arg) -> Arg {
    let named = |name: &str| argument.get_value_names().is_some_and(|names| names == [name]);
    let id = argument.get_id().as_str();
    if matches!(id, "reference" | "references") || named("REFERENCE") {
        return argument.add(ArgValueCompleter::new(|typed: &OsStr| places(typed, false)));
    }
    let place = argument.is_positional()
        && matches!(id, "from" | "to" | "location" | "environment" | "file" | "files" | "a" | "b");
    if place || named("LOCATION") {
        return argument.add(ArgValueCompleter::new(|typed: &OsStr| places(typed, true)));
    }
    let path = matches!(argument.get_value_names(), Some([name]) if ["FILE", "DIR"].contains(&name.as_str()));
    if path { argument.add(ArgValueCompleter::new(PathCompleter::any())) } else { argument }
}

/// Places that begin so: environments of the config with their vaults, folders of embedded ones, and files.
fn places(typed: &OsStr, files: bool) -> Vec<Candidate> {
    let mut found = Vec::new();
    if let Some(text) = typed.to_str() {
        if let Some(folder) = text.strip_prefix("embedded:") {
            let folders = PathCompleter::dir().complete(OsStr::new(folder));
            found.extend(folders.into_iter().map(|one| one.add_prefix("embedded:")));
        }
        let config = std::env::var_os("KEYFERRY_CONFIG").map(PathBuf::from);
        let config = Config::load(config.as_deref(), true, Duration::ZERO, Output::default());
        let mut words: Vec<String> = config.map_or_else(
            |_| Vec::new(),
            |config| config.environments.into_keys().map(|name| name + ":").collect(),
        );
        for (root, vaults) in names() {
            words.extend(vaults.iter().map(|vault| format!("{root}{vault}")));
        }
        words.push("embedded:".to_owned());
        words.retain(|word| word.starts_with(text) && word != text);
        // Their many names would hide the few of environments.
        if files && !text.is_empty() && words.is_empty() {
            let formats = Format::all().map(|format| format!("{}:", format.name()));
            words.extend(formats.filter(|word| word.starts_with(text) && word != text));
        }
        found.extend(words.into_iter().map(Candidate::new));
        if let (true, Some((format, file))) = (files, text.split_once(':'))
            && Format::from_name(format).is_some()
        {
            let paths = PathCompleter::any().stdio().complete(OsStr::new(file));
            found.extend(paths.into_iter().map(|one| one.add_prefix(format!("{format}:"))));
        }
    }
    if files {
        found.extend(PathCompleter::any().complete(typed));
    }
    found
}

/// Where the names of vaults are kept; `None` for a user without a home.
fn names_file() -> Option<PathBuf> {
    Journal::default_path().ok().map(|journal| journal.with_file_name("vault-names.json"))
}

/// The names of vaults that were seen, by the beginning of their locations.
fn names() -> BTreeMap<String, Vec<String>> {
    let text = names_file().and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Keeps the names of an environment's vaults for the next time that somebody types its location. That they cannot be kept
/// is no error: nothing but completions is made of them.
pub fn remember<'a>(location: &str, vaults: impl Iterator<Item = &'a str>) {
    let root = match Location::parse(location) {
        Ok(Location::Named(_, path)) if path == RecordPath::default() => location.to_owned(),
        Ok(Location::Embedded(_, path)) if path == RecordPath::default() => {
            format!("{}//", location.trim_end_matches('/'))
        }
        _ => return,
    };
    let Some(file) = names_file() else { return };
    let mut all = names();
    // A shell shows them as they are: what a terminal would obey, a server may have put there.
    let mut seen: Vec<String> = vaults.filter(|name| clean(name) == **name).map(str::to_owned).collect();
    seen.sort_unstable();
    seen.dedup();
    if all.get(&root) == Some(&seen) {
        return;
    }
    all.insert(root, seen);
    if let Ok(text) = serde_json::to_vec(&all) {
        let _ = sink::make_private_folder(sink::folder(&file));
        let _ = sink::write(&file, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap_complete::engine::complete;

    /// What is offered after these words, the last of which is being typed.
    fn offered(words: &[&str]) -> Vec<String> {
        let typed = std::iter::once("keyferry").chain(words.iter().copied()).map(OsString::from).collect();
        let found = complete(&mut definition(), typed, words.len(), None).unwrap_or_default();
        found.iter().map(|one| one.get_value().to_string_lossy().into_owned()).collect()
    }

    /// Of a word and its alias only one is shown where nothing is typed yet: each is asked for by its own letters.
    fn check(command: &Command, way: &mut Vec<String>) {
        let is_offered = |way: &[String], word: &str| {
            let words: Vec<&str> = way.iter().map(String::as_str).chain([word]).collect();
            offered(&words).iter().any(|one| one == word)
        };
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            if let Some(long) = argument.get_long() {
                assert!(is_offered(way, &format!("--{long}")), "{way:?} --{long}");
            }
        }
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            assert!(is_offered(way, inner.get_name()), "{way:?} {}", inner.get_name());
            way.push(inner.get_name().to_owned());
            check(inner, way);
            way.pop();
        }
    }

    #[test]
    fn every_command_and_option_is_offered() {
        check(&complete_definition(), &mut Vec::new());
    }

    #[test]
    fn the_addresses_of_every_endpoint_are_offered() {
        let addresses = offered(&["api", "--endpoint", ""]);
        for path in keyferry_server::paths() {
            assert!(addresses.contains(&path), "{path}");
        }
    }

    #[test]
    fn formats_are_offered_as_options_and_as_beginnings_of_files() {
        assert!(offered(&["import", "--format", "bitw"]).contains(&"bitwarden-json".to_owned()));
        assert!(offered(&["import", "bitw"]).contains(&"bitwarden-json:".to_owned()));
        assert!(!offered(&["get", "bitw"]).contains(&"bitwarden-json:".to_owned()));
    }

    #[test]
    fn every_shell_has_a_script_that_asks() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let script = String::from_utf8(script(shell).unwrap_or_default()).unwrap_or_default();
            assert!(script.contains(ASKED) && script.contains("keyferry"), "{shell}: {script}");
        }
    }
}
