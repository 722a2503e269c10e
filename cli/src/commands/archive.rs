//! `archive create|list|verify|extract`: records in one sealed file, `.kfa`.

use crate::args::{Archive, ArchiveCreate, ArchiveExtract, ArchiveFile};
use crate::commands::{Typed, archive_keys, carry, filter, options, say_if_typed};
use crate::config::Config;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::location::{Location, Need};
use crate::output::{Output, clean};
use keyferry_core::archive::{self, Reader};
use keyferry_core::crypto::keychain::PublicKey;
use keyferry_core::engine::{ArchiveKeys, Endpoint, Options, Repeatable, Silent};
use keyferry_core::error::Place;
use keyferry_core::files;
use keyferry_core::model::Entry;
use keyferry_core::{Error, Result};
use serde_json::json;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Chooses.
pub async fn run(archive: Archive, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    match archive {
        Archive::Create(create) => Box::pin(self::create(create, config, jobs, output)).await,
        Archive::List(file) => list(&file, config, jobs, output).await,
        Archive::Verify(file) => verify(&file, config, jobs, output).await,
        // Boxed, because options are large.
        Archive::Extract(extract) => Box::pin(self::extract(extract, config, jobs, output)).await,
    }
}

async fn create(create: ArchiveCreate, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let path = sink_path(&create.file)?;
    let recipients = create.recipient.iter().map(|path| public_key(path)).collect::<Result<Vec<_>>>()?;
    let from = location::endpoint(&create.from, Side::Only, config).await?;
    let options = Options {
        allow_empty: create.select.allow_empty,
        filter: filter(create.select, jobs.started()),
        archive: ArchiveKeys { recipients, ..ArchiveKeys::default() },
        sealed: true,
        ..Options::default()
    };
    let to = Endpoint::File { path, format: None };
    let typed = Typed {
        what: "archive create",
        from: &create.from,
        to: &create.file,
        dry_run: false,
        plan_to: None,
        report: create.report.as_deref(),
    };
    carry(&typed, &from, &to, &options, jobs, output).await
}

async fn extract(extract: ArchiveExtract, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let from = Endpoint::File { path: source_path(&extract.file)?, format: None };
    let to = location::endpoint(&extract.to, Side::Only, config).await?;
    let (report, plan_to) = (extract.into.report.clone(), extract.into.plan_to.clone());
    let typed = Typed {
        what: "archive extract",
        from: &extract.file,
        to: &extract.to,
        dry_run: extract.into.dry_run,
        plan_to: plan_to.as_deref(),
        report: report.as_deref(),
    };
    let options =
        Options { allow_plaintext: extract.allow_plaintext, ..options(extract.into, extract.select, jobs) };
    carry(&typed, &from, &to, &options, jobs, output).await
}

/// Names as they are read: nothing is kept but what JSON needs.
async fn list(file: &ArchiveFile, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let (path, sealed_for, reader) = open(file, config, jobs).await?;
    let (mut records, mut folders) = (Vec::new(), Vec::new());
    if !output.json {
        for whom in &sealed_for {
            output.say(&format!("sealed for {whom}"));
        }
    }
    for entry in reader {
        let (kind, name) = match entry.map_err(|error| in_file(&path, error))? {
            Entry::Record(record, _) => (&mut records, record.label()),
            Entry::Folder(folder) => (&mut folders, folder.to_string()),
            Entry::Reject(_) | Entry::Note(_) | Entry::Values(_) => continue,
        };
        if output.json {
            kind.push(name);
        } else {
            output.line(&clean(&name))?;
        }
    }
    if output.json {
        output.document(&json!({ "sealed_for": sealed_for, "records": records, "folders": folders }))?;
    }
    Ok(0)
}

/// Reads all of it: each chunk is authenticated, and the end says that nothing is missing.
async fn verify(file: &ArchiveFile, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let (path, sealed_for, reader) = open(file, config, jobs).await?;
    let (mut records, mut folders, mut attachments, mut bytes) = (0_u64, 0_u64, 0_u64, 0_u64);
    for entry in reader {
        match entry.map_err(|error| in_file(&path, error))? {
            Entry::Record(record, _) => {
                records += 1;
                attachments += record.attachments.len() as u64;
                bytes += record.attachments.iter().map(|one| one.content.len() as u64).sum::<u64>();
            }
            Entry::Folder(_) => folders += 1,
            Entry::Reject(_) | Entry::Note(_) | Entry::Values(_) => {}
        }
    }
    if output.json {
        output.document(&json!({
            "whole": true,
            "sealed_for": sealed_for,
            "records": records,
            "folders": folders,
            "attachments": attachments,
            "attachment_bytes": bytes,
        }))?;
    } else {
        output.line(&format!(
            "whole and authentic: {records} records, {folders} empty folders, {attachments} attachments of {bytes} bytes"
        ))?;
        for whom in &sealed_for {
            output.line(&format!("  sealed for {whom}"))?;
        }
    }
    Ok(0)
}

async fn open(file: &ArchiveFile, config: &Config, jobs: &Jobs) -> Result<(PathBuf, Vec<String>, Reader)> {
    let path = source_path(&file.file)?;
    say_if_typed(&Endpoint::File { path: path.clone(), format: None }, config.output);
    let whole = Repeatable::open(&path, &Silent::default()).await?;
    let header = archive::inspect(whole.read()?).map_err(|error| in_file(&path, error))?;
    let sealed_for = header.locks.iter().map(ToString::to_string).collect();
    let mut keys = archive_keys([], jobs)?;
    if let Some(word) = &file.user {
        let (environment, _) = location::environment(word, Side::Only, Need::Contents, config).await?;
        environment.unlocked()?;
        keys.user = Some(Arc::new(environment));
    }
    let input = Box::new(BufReader::with_capacity(1 << 18, whole.read()?));
    let reader = keys.open(input).map_err(|error| in_file(&path, error))?;
    Ok((path, sealed_for, reader))
}

fn in_file(path: &Path, error: Error) -> Error {
    error.at(Place::File { path: path.to_owned(), at: None })
}

/// Where an archive is read from: its content will tell whether it is one where its name cannot.
fn source_path(word: &str) -> Result<PathBuf> {
    archive_path(word, |path| files::source::is_stream(path).unwrap_or_default())
}

/// Where an archive is written to.
fn sink_path(word: &str) -> Result<PathBuf> {
    archive_path(word, files::sink::is_stream)
}

/// A file whose name says that it is an archive, or what has no such name: a pipe.
fn archive_path(word: &str, is_stream: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    match Location::parse(word)? {
        Location::File(path, None)
            if keyferry_core::engine::endpoint::is_archive(&path) || is_stream(&path) =>
        {
            Ok(path)
        }
        _ => Err(usage(
            format!("`{word}` is no archive by its name"),
            "name a file that ends in .kfa, or a pipe",
        )),
    }
}

fn public_key(path: &Path) -> Result<PublicKey> {
    let pem = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    PublicKey::from_pem(&pem).map_err(|error| {
        in_file(path, error).next_step("keyferry env public-key LOCATION prints a user's public key")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_end_in_kfa_and_pipes_are_archives() {
        for path in [sink_path, source_path] {
            assert_eq!(path("./a/b.KFA").unwrap(), Path::new("./a/b.KFA"));
            assert_eq!(path("-").unwrap(), Path::new("-"));
            for word in ["a.json", "csv:a.kfa", "embedded:a.kfa"] {
                assert!(path(word).is_err(), "{word}");
            }
        }
    }
}
