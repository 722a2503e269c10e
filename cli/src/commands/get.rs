//! `get`: one secret on standard output, or in a private file.

use crate::args::secrets::{Get, OneRecord};
use crate::config::Config;
use crate::output::Output;
use crate::secrets::environments::Opened;
use crate::secrets::reference::{Reference, Wanted};
use keyferry_core::Result;
use keyferry_core::engine::{Environment, FetchedRecord};
use keyferry_core::files::sink;
use keyferry_core::secret::{SecretBytes, SecretString};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Prints what is asked for.
pub async fn run(get: Get, config: &Config, output: Output) -> Result<u8> {
    let mut opened = Opened::new(&get.access, config, output);
    let (environment, picked, named) = pick(&get.record, &mut opened).await?;
    if let Some(name) = &get.attachment {
        let content = environment.attachment(&picked, name).await?.content;
        write(content.expose(), get.output.as_deref(), output)?;
        return Ok(0);
    }
    let flag = get.field.map(Wanted::Field).or(get.totp_code.map(|name| Wanted::Code(Some(name))));
    let nothing_named = flag.is_none() && named == Wanted::Password;
    if output.json && nothing_named {
        output.document(&whole(&picked))?;
        return Ok(0);
    }
    let value = flag.unwrap_or(named).of(&picked)?;
    if output.json {
        output.document(&json!({ "value": value.expose() }))?;
        return Ok(0);
    }
    let mut text = value.expose().as_bytes().to_vec();
    if !get.no_newline {
        text.push(b'\n');
    }
    write(SecretBytes::new(text).expose(), get.output.as_deref(), output)?;
    Ok(0)
}

/// The record that was named, and what of it.
pub async fn pick(
    record: &OneRecord,
    opened: &mut Opened<'_>,
) -> Result<(Arc<Environment>, FetchedRecord, Wanted)> {
    if let Some(word) = &record.reference {
        let reference = Reference::parse(word)?;
        let environment = opened.of(&reference).await?;
        let picked = environment.fetch(&reference.names).await?;
        return Ok((environment, picked, reference.wanted));
    }
    let environment = opened.named(None).await?;
    let id = record.password_id.as_ref().or(record.shortcut_id.as_ref()).map(|id| id.trim());
    let picked = environment.fetch_id(id.unwrap_or_default()).await?;
    Ok((environment, picked, Wanted::Password))
}

/// The record as a document.
fn whole(picked: &FetchedRecord) -> serde_json::Value {
    let record = &picked.record;
    let customs = record.customs.iter().map(
        |custom| json!({ "name": custom.name, "type": custom.kind.as_str(), "value": custom.value.expose() }),
    );
    let attachments = picked.item().attachments.iter().map(|attachment| json!({ "name": attachment.name }));
    let (vault, folder) = picked.place();
    json!({
        "id": picked.id,
        "vault_id": vault,
        "folder_id": folder,
        "name": record.name,
        "login": record.login,
        "password": record.password.as_ref().map(SecretString::expose),
        "url": record.url,
        "description": record.description,
        "tags": record.tags,
        "color": record.color,
        "favorite": record.favorite,
        "customs": customs.collect::<Vec<_>>(),
        "attachments": attachments.collect::<Vec<_>>(),
        "updated_at": picked.updated_at(),
    })
}

fn write(content: &[u8], to: Option<&Path>, output: Output) -> Result<()> {
    let Some(path) = to else { return output.bytes(content) };
    sink::create(path, content)?;
    output.say(&format!("written: {}", path.display()));
    Ok(())
}
