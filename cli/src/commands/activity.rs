//! `activity`: who did what in an embedded environment.

use crate::args::Activity;
use crate::config::Config;
use crate::credentials::Side;
use crate::location;
use crate::location::Need;
use crate::output::{Output, clean};
use keyferry_core::Result;
use keyferry_core::client::ActivityFilter;
use std::borrow::Cow;
use std::collections::HashMap;

/// An altered log is a difference.
const DIFFERS: u8 = 4;

/// Lists the log from its beginning, or checks it.
pub async fn run(asked: Activity, config: &Config, output: Output) -> Result<u8> {
    let (environment, _) = location::environment(&asked.location, Side::Only, Need::Names, config).await?;
    let client = environment.client();
    if asked.check {
        let check = client.activity_check().await?;
        if output.json {
            output.document(&check)?;
        } else if let Some(broken) = check.broken {
            output.line(&format!("entry {broken} of {} is missing or was altered", check.count))?;
        } else {
            output.line(&format!("{} entries, none missing, none altered", check.count))?;
            output.line(&format!("head {}", check.head))?;
            for vault in &check.heads {
                output.line(&clean(&format!("head of vault {} {}", vault.vault_id, vault.head)))?;
            }
            output.say("keep that elsewhere: whoever alters the log cannot bring it back");
        }
        return Ok(if check.broken.is_some() { DIFFERS } else { 0 });
    }
    let names: HashMap<String, String> =
        client.users().await?.into_iter().map(|user| (user.id, user.username)).collect();
    let mut filter =
        ActivityFilter { vault: asked.vault, object: asked.object, after: asked.after, limit: None };
    loop {
        let entries = client.activity(&filter).await?;
        let Some(last) = entries.last() else { return Ok(0) };
        filter.after = last.seq;
        for entry in &entries {
            if output.json {
                output.json_line(entry)?;
                continue;
            }
            let when = jiff::Timestamp::from_second(entry.at)
                .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
                .unwrap_or_default();
            let user = entry.user_id.as_ref().map(|id| names.get(id).unwrap_or(id).as_str());
            let (object, address) = (entry.object.as_deref().map(short), entry.address.as_deref());
            output.line(&clean(&format!(
                "{when}  {:<20} {:<16} {:<24} {}",
                entry.action,
                user.unwrap_or("-"),
                object.as_deref().unwrap_or("-"),
                address.unwrap_or("in process")
            )))?;
        }
    }
}

/// The objects of an entry on one line: the first of many, and how many more.
fn short(objects: &str) -> Cow<'_, str> {
    match objects.split_once(',') {
        Some((first, others)) => format!("{first} and {} more", others.split(',').count()).into(),
        None => objects.into(),
    }
}
