//! `ls` and `tree`: names, never secrets.

use crate::commands::completions;
use crate::config::Config;
use crate::credentials::Side;
use crate::location;
use crate::location::Need;
use crate::output::{Output, clean};
use keyferry_core::engine::environment::{FolderTree, VaultTree};
use keyferry_core::engine::names;
use keyferry_core::model::RecordPath;
use keyferry_core::{Error, ErrorKind, Result};
use serde_json::json;

/// Lists one level, or everything below.
pub async fn run(word: &str, deep: bool, config: &Config, output: Output) -> Result<u8> {
    let (environment, path) = location::environment(word, Side::Only, Need::Names, config).await?;
    let path = environment.settled(&path).await?;
    let vaults = environment.tree().await?;
    if path.vault.is_none() {
        completions::remember(word, vaults.iter().map(|vault| vault.name.as_str()));
    }
    let Some(wanted) = &path.vault else {
        if output.json && !deep {
            let level =
                vaults.iter().map(|vault| json!({ "name": vault.name, "encrypted": vault.encrypted }));
            output.document(&level.collect::<Vec<_>>())?;
            return Ok(0);
        }
        if output.json {
            output.document(&vaults)?;
            return Ok(0);
        }
        for vault in &vaults {
            let mark = if vault.encrypted { "" } else { "  (not encrypted)" };
            output.line(&format!("{}/{mark}", clean(&vault.name)))?;
            if deep {
                show(&vault.folders, &vault.records, true, 1, output)?;
            }
        }
        return Ok(0);
    };
    let missing = || Error::new(ErrorKind::NotFound, format!("there is no `{}`", label(&path)));
    let mut found = false;
    for vault in vaults.iter().filter(|vault| vault.name == *wanted) {
        for (folders, records) in below(vault, &path.folders) {
            found = true;
            if output.json && !deep {
                let folders: Vec<_> = folders.iter().map(|folder| json!({ "name": folder.name })).collect();
                output.document(&json!({ "folders": folders, "records": records }))?;
            } else if output.json {
                output.document(&json!({ "folders": folders, "records": records }))?;
            } else {
                show(folders, records, deep, 0, output)?;
            }
        }
    }
    if found {
        return Ok(0);
    }
    let tree = format!("keyferry tree {} shows what there is", environment.label());
    let near = if path.folders.is_empty() {
        names::near(wanted, vaults.iter().map(|vault| vault.name.as_str()))
    } else {
        Vec::new()
    };
    Err(missing().next_step(match near.as_slice() {
        [] => tree,
        near => format!("did you mean {}? {tree}", clean(&near.join(" or "))),
    }))
}

/// Every folder of this path; names may repeat.
fn below<'a>(vault: &'a VaultTree, path: &[String]) -> Vec<(&'a [FolderTree], &'a [String])> {
    let mut level: Vec<(&[FolderTree], &[String])> = vec![(&vault.folders, &vault.records)];
    for name in path {
        level = level
            .into_iter()
            .flat_map(|(folders, _)| folders)
            .filter(|folder| folder.name == *name)
            .map(|folder| (folder.folders.as_slice(), folder.records.as_slice()))
            .collect();
    }
    level
}

fn show(folders: &[FolderTree], records: &[String], deep: bool, depth: usize, output: Output) -> Result<()> {
    let indent = "  ".repeat(depth);
    for folder in folders {
        output.line(&format!("{indent}{}/", clean(&folder.name)))?;
        if deep {
            show(&folder.folders, &folder.records, deep, depth + 1, output)?;
        }
    }
    for record in records {
        output.line(&format!("{indent}{}", clean(record)))?;
    }
    Ok(())
}

fn label(path: &RecordPath) -> String {
    clean(&path.to_string())
}
