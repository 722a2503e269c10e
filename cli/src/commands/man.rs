//! `man`: manual pages from the same definitions as the help.

use crate::args::doctor::Man;
use crate::args::{Arguments, examples};
use crate::output::Output;
use clap::CommandFactory as _;
use clap_mangen::roff::{Roff, bold, roman};
use keyferry_core::{Error, Result};
use std::io::{self, Write};

/// Files that any command may look at.
const FILES: &[(&str, &str)] = &[
    (
        "keyferry/config.toml",
        "in the platform's config folder (KEYFERRY_CONFIG, --config): names of environments",
    ),
    (
        "keyferry/journal.db",
        "in its state folder, unless KEYFERRY_JOURNAL or --journal names another file or a PostgreSQL database: jobs, and keys that were seen first",
    ),
];

/// Writes the main page to standard output, or each command's page into a folder.
pub fn run(man: &Man, output: Output) -> Result<u8> {
    let command = definition();
    match &man.dir {
        None => {
            let mut whole = Vec::new();
            page(&command, "keyferry", &mut whole).map_err(|error| Error::io("-", error))?;
            output.bytes(&whole)?;
        }
        Some(folder) => {
            let failed = |error| Error::io(folder, error);
            std::fs::create_dir_all(folder).map_err(failed)?;
            for (name, command) in all(&command, "keyferry".to_owned()) {
                let mut whole = Vec::new();
                page(command, &name, &mut whole).map_err(failed)?;
                std::fs::write(folder.join(format!("{name}.1")), whole).map_err(failed)?;
            }
            output.say(&format!("written: {}", folder.display()));
        }
    }
    Ok(0)
}

/// Every command with all that it inherits.
fn definition() -> clap::Command {
    let mut command = Arguments::command();
    command.build();
    command
}

/// A command and those within it, each with the name of its page: `keyferry-env-add`.
fn all(command: &clap::Command, name: String) -> Vec<(String, &clap::Command)> {
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
    let inner: Vec<_> = inner.flat_map(|inner| all(inner, format!("{name}-{}", inner.get_name()))).collect();
    std::iter::once((name, command)).chain(inner).collect()
}

fn page(command: &clap::Command, name: &str, out: &mut impl Write) -> io::Result<()> {
    let shown = clap_mangen::Man::new(command.clone());
    shown.render_title(out)?;
    shown.render_name_section(out)?;
    let mut roff = Roff::default();
    roff.control("SH", ["SYNOPSIS"]);
    // Options have their own section: dozens of them in a line are read by nobody.
    let usage = command.clone().render_usage().to_string();
    roff.text([roman(usage.trim_start_matches("Usage:").trim())]);
    roff.to_writer(out)?;
    shown.render_description_section(out)?;
    shown.render_options_section(out)?;
    if command.has_subcommands() {
        // Help is no page of its own.
        let without_help = command.clone().disable_help_subcommand(true);
        clap_mangen::Man::new(without_help).render_subcommands_section(out)?;
    }
    if command.get_after_help().is_some() {
        shown.render_extra_section(out)?;
    }
    let mut roff = Roff::default();
    let examples = examples::of_page(name);
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        for (what, typed) in examples {
            roff.control("TP", []).text([roman(format!("{what}:"))]).text([bold(*typed)]);
        }
    }
    roff.control("SH", ["FILES"]);
    for (name, what) in FILES {
        roff.control("TP", []).text([bold(*name)]).text([roman(*what)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    let above = name.rsplit_once('-').map(|(above, _)| above.to_owned());
    let below = command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
    let related = above.into_iter().chain(below.map(|inner| format!("{name}-{}", inner.get_name())));
    let related: Vec<_> = related.map(|page| format!("{page}(1)")).collect();
    roff.text([roman(if related.is_empty() { "keyferry(1)".to_owned() } else { related.join(", ") })]);
    roff.to_writer(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_its_sections_and_every_value_that_may_be_typed() {
        let command = definition();
        let pages = all(&command, "keyferry".to_owned());
        assert!(pages.iter().any(|(name, _)| name == "keyferry-env-add"));
        for (name, command) in pages {
            let mut text = Vec::new();
            page(command, &name, &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            for section in ["NAME", "SYNOPSIS", "EXAMPLES", "FILES", "SEE ALSO"] {
                assert!(text.contains(section), "{section} in {name}");
            }
            assert!(!text.contains("Usage:"), "{name}: {text}");
            let own = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let first = own.split_whitespace().next().unwrap_or_default();
            assert!(text.contains(first), "what {name} says at the end of its help");
            if name == "keyferry" {
                assert!(text.contains("Exit codes") && text.contains("KEYFERRY_TOKEN"), "{text}");
            }
            if name == "keyferry-migrate" {
                for word in ["EXAMPLES", "stage: prod:", "duplicate", "flatten"] {
                    assert!(text.contains(word), "{word} in {name}: {text}");
                }
            }
        }
    }
}
