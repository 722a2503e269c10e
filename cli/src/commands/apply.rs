//! `--plan-to FILE` and `apply FILE`: a plan that is looked at first, by somebody else perhaps, and then done as it stands.
//!
//! The file holds the command, the folder that it was typed in, what it would do, and a digest of these two, the source and the
//! sink as far as that depends on them. Where any is not as it was, nothing is written. It holds names and counts, no secret; but
//! where the sink's user has no keys, whoever holds it can try whether a guess at *all* of what is carried is right, as the
//! digest's key is in it.

use crate::args::{Apply, Approved, Archive, Arguments, Command};
use crate::exit::usage;
use crate::journal::Jobs;
use crate::output::{Output, clean};
use jiff::Timestamp;
use keyferry_core::engine::Plan;
use keyferry_core::engine::report::typed;
use keyferry_core::error::Place;
use keyferry_core::files;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The version of the file's form.
const VERSION: u32 = 1;

/// What `apply` has to know of a plan.
#[derive(Debug, Deserialize)]
struct PlanFile {
    plan_version: u32,
    command: Vec<String>,
    folder: PathBuf,
    digest: String,
    key: Option<String>,
}

/// The same, with what people read.
#[derive(Serialize)]
struct Written<'a> {
    plan_version: u32,
    keyferry: &'static str,
    made: String,
    command: &'a [String],
    folder: &'a Path,
    digest: &'a str,
    /// What the digest is taken under, where the sink's user has no key to derive it from.
    key: Option<&'a str>,
    plan: &'a Plan,
}

/// Writes a plan to its file, readable by the user alone. `key` where the digest was taken under it.
pub fn write(path: &Path, plan: &Plan, key: Option<&SecretString>, jobs: &Jobs) -> Result<()> {
    let folder = std::env::current_dir().map_err(|error| Error::io(".", error))?;
    let written = Written {
        plan_version: VERSION,
        keyferry: env!("CARGO_PKG_VERSION"),
        made: Timestamp::now().to_string(),
        command: &without_plan(jobs.words()),
        folder: &folder,
        digest: &plan.digest,
        key: key.map(SecretString::expose),
        plan,
    };
    let mut text = serde_json::to_vec_pretty(&written)
        .map_err(|error| Error::new(ErrorKind::Internal, "the plan could not be written").because(error))?;
    text.push(b'\n');
    files::sink::write(path, &text)
}

/// The words of the command that does what the plan shows.
fn without_plan(words: &[String]) -> Vec<String> {
    let mut kept = Vec::with_capacity(words.len());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--plan-to" => drop(words.next()),
            "--dry-run" => {}
            // What follows is no option.
            "--" => {
                kept.push(word.clone());
                kept.extend(words.by_ref().cloned());
            }
            word if word.starts_with("--plan-to=") => {}
            word => kept.push(word.to_owned()),
        }
    }
    kept
}

/// What the plan is of: the words of the command, and the folder that it is typed in.
pub fn plan_of(jobs: &Jobs) -> Result<Vec<String>> {
    let folder = std::env::current_dir().map_err(|error| Error::io(".", error))?;
    let mut words = without_plan(jobs.words());
    words.push(folder.display().to_string());
    Ok(words)
}

/// Does what a plan says.
pub async fn run(apply: Apply, jobs: Jobs, mut output: Output) -> Result<u8> {
    let at = |error: Error| error.at(Place::File { path: apply.plan.clone(), at: None });
    let text = std::fs::read(&apply.plan).map_err(|error| Error::io(&apply.plan, error))?;
    let plan: PlanFile = serde_json::from_slice(&text).map_err(|error| {
        at(Error::new(ErrorKind::Input, "this is no plan of keyferry").because(error))
            .next_step("make one: keyferry migrate FROM TO --plan-to FILE")
    })?;
    if plan.plan_version != VERSION {
        return Err(at(Error::new(
            ErrorKind::Input,
            "this plan has the form of another version of keyferry",
        ))
        .next_step("make the plan anew with --plan-to"));
    }
    std::env::set_current_dir(&plan.folder).map_err(|error| Error::io(&plan.folder, error))?;
    let words = std::iter::once("keyferry").chain(plan.command.iter().map(String::as_str));
    let mut arguments = Arguments::read(words).map_err(|error| {
        at(Error::new(ErrorKind::Input, "the command of this plan is not understood").because(error))
            .next_step("make the plan anew with --plan-to")
    })?;
    let approved = Some(Approved { digest: plan.digest, key: plan.key.map(SecretString::new) });
    match &mut arguments.command {
        Command::Import(import) => import.into.approved = approved,
        Command::Migrate(migrate) => migrate.into.approved = approved,
        Command::Sync(sync) => sync.approved = approved,
        Command::Archive(Archive::Extract(extract)) => extract.into.approved = approved,
        _ => {
            return Err(at(usage(
                "the command of this plan does not transfer",
                "make the plan anew with --plan-to",
            )));
        }
    }
    output.say(&format!("applying: keyferry {}", clean(&typed(&plan.command))));
    let jobs = jobs.typed(plan.command, &arguments.global);
    output.json |= arguments.global.json;
    // Boxed, because a command may run a command.
    Box::pin(crate::commands::run(arguments, jobs, output)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_plan_is_what_was_typed_without_the_plan() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (typed, kept) in [
            ("migrate a b --plan-to p.json --vault x", "migrate a b --vault x"),
            ("migrate --dry-run a b --plan-to=p.json", "migrate a b"),
            ("import --plan-to p -- --dry-run b", "import -- --dry-run b"),
        ] {
            assert_eq!(without_plan(&words(typed)), words(kept));
        }
    }
}
