//! `demo`: the main job on two embedded environments.

use crate::args::Demo;
use crate::exit::usage;
use crate::output::Output;
use crate::output::progress::Shown;
use keyferry_core::crypto::generate;
use keyferry_core::engine::{self, Endpoint, Environment, Options, Unlock};
use keyferry_core::files::sink;
use keyferry_core::model::RecordPath;
use keyferry_core::{Error, Result};
use keyferry_embedded as embedded;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// What is imported unless `--records` asks for more. Its secrets are made up.
const SAMPLE: &str = include_str!("../../sample.csv");

/// Imports, migrates, verifies, reports.
pub async fn run(demo: Demo, output: Output) -> Result<u8> {
    let temporary;
    let folder = if let Some(folder) = &demo.keep {
        if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(usage(format!("{} is not empty", folder.display()), "choose a new folder"));
        }
        sink::make_private_folder(folder).map_err(|error| Error::io(folder, error))?;
        folder.as_path()
    } else {
        temporary = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), error))?;
        temporary.path()
    };
    let started = Instant::now();
    let csv = folder.join("sample.csv");
    let content = demo.records.map_or_else(|| SAMPLE.to_owned(), rows);
    sink::write(&csv, content.as_bytes())?;

    output.say("1/4  making two embedded environments, each with keys of its own");
    let a = environment(&folder.join("a"), "embedded:a", demo.keep.is_some(), output).await?;
    let b = environment(&folder.join("b"), "embedded:b", demo.keep.is_some(), output).await?;
    let file = Endpoint::File { path: csv, format: None };

    let progress = Shown::new(output);
    output.say("2/4  importing the sample into the first");
    let imported = engine::transfer(&file, &a, &Options::default(), &progress).await?;
    output.say("3/4  migrating the first into the second: decrypted, encrypted anew, sent, read back");
    let migrated = engine::transfer(&a, &b, &Options::default(), &progress).await?;
    output.say("4/4  comparing both");
    let verified = engine::verify(&a, &b, &Options::default(), &progress).await?;
    drop(progress);

    let seconds = started.elapsed().as_secs_f64();
    let equal = verified.different.is_empty()
        && verified.verified == imported.read
        && migrated.created == imported.read
        && imported.exit_code() == 0
        && migrated.exit_code() == 0;
    let code = if equal {
        0
    } else {
        [verified.exit_code(), migrated.exit_code(), imported.exit_code()]
            .into_iter()
            .find(|code| *code > 0)
            .unwrap_or(4)
    };
    if output.json {
        output.document(&json!({
            "read": imported.read,
            "written": migrated.created,
            "verified": verified.verified,
            "equal": equal,
            "seconds": seconds,
            "records_per_second": migrated.rate(),
            "import": imported,
            "migrate": migrated,
            "verify": verified,
        }))?;
        return Ok(code);
    }
    output.line(&format!("records read            {}", imported.read))?;
    output.line(&format!("records written         {}", migrated.created))?;
    output.line(&format!("records verified equal  {}", verified.verified))?;
    output.line(&format!("seconds, all of it      {seconds:.2}"))?;
    output.line(&format!("migration               {:.0} records a second", migrated.rate()))?;
    if equal {
        output.line("every record arrived, equal in every field")?;
    } else {
        for report in [&imported, &migrated, &verified] {
            output.report(report, false)?;
        }
    }
    Ok(code)
}

/// A new environment with generated secrets, opened.
async fn environment(folder: &Path, label: &str, keep: bool, output: Output) -> Result<Endpoint> {
    let master = generate::password(32)?;
    let made = embedded::make(folder, "admin", Some(&master))?;
    if keep {
        output.say(&format!("     {}: master password {}", folder.display(), master.expose()));
    }
    let client = embedded::client_of(&made.environment, folder, label)?;
    let environment = Environment::open(client, Some(Unlock::MasterPassword(master))).await?;
    Ok(Endpoint::Environment(Arc::new(environment), RecordPath::default()))
}

/// So many rows, all different, spread over vaults and folders.
fn rows(count: usize) -> String {
    let mut csv = String::from("vault,folder,name,login,password,url,description,tags,pin\n");
    for i in 0..count {
        let _ = writeln!(
            csv,
            "Team {vault},Service {folder}/Zone {zone},account-{i},user{i}@example.com,pw-{i}-Xq7!é,https://s{i}.example.com,\"note {i}\nsecond line\",demo {zone},{pin:04}",
            vault = i % 8,
            folder = i % 40,
            zone = i % 5,
            pin = i % 10_000,
        );
    }
    csv
}
