//! What was changed since a day: the records that say so themselves, and who did what, from the activity log.

use crate::client::{ActivityFilter, Client};
use crate::engine::audit::access::user_names;
use crate::engine::audit::lacks;
use crate::engine::environment::{Environment, paths};
use crate::engine::source::filter::Filter;
use crate::error::Result;
use crate::model::RecordPath;
use keyferry_api::activity::Activity;
use serde::Serialize;
use std::collections::HashMap;

/// Entries of the log that are read past rather than searched for: it comes in pages of thousands.
const NEAR: i64 = 4_000;

/// What was changed since a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Since this time, in Unix seconds.
    pub since: i64,
    /// Records that were changed, the last first.
    pub records: Vec<Changed>,
    /// Who did what, the first thing first; `None` where the server keeps no log or does not show it.
    pub log: Option<Vec<Deed>>,
}

/// A record and when it was changed last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Path and name.
    pub record: String,
    /// Its id.
    pub id: Option<String>,
    /// In Unix seconds.
    pub at: i64,
}

/// Something that somebody did, other than looking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deed {
    /// In Unix seconds.
    pub at: i64,
    /// The name to sign in with, or an id; `None` for somebody without an account.
    pub user: Option<String>,
    /// Such as `item.update`.
    pub action: String,
    /// The vault's name.
    pub vault: String,
    /// What it was done to: path and name where they are known, else an id.
    pub object: Option<String>,
}

/// Reads the logs of the vaults within `inside` that the filter takes. Where the choice is narrower than a vault,
/// only what was done to the records that were looked at.
pub(crate) async fn log(
    environment: &Environment,
    inside: &RecordPath,
    filter: &Filter,
    changes: &mut Changes,
    notes: &mut Vec<String>,
) -> Result<()> {
    let client = environment.client();
    let users = user_names(client).await?;
    let records: HashMap<&str, &str> =
        changes.records.iter().filter_map(|one| Some((one.id.as_deref()?, one.record.as_str()))).collect();
    let whole = inside.folders.is_empty()
        && filter.folder.is_none()
        && filter.tags.is_empty()
        && filter.query.is_none();
    let mut deeds = Vec::new();
    for vault in environment.vaults(inside).await? {
        if !filter.takes_vault(&vault.name) {
            continue;
        }
        let entries = match since(client, &vault.id, changes.since).await {
            Ok(entries) => entries,
            Err(error) if lacks(&error) => {
                notes.push(format!(
                    "{} does not show the activity log of {}",
                    environment.label(),
                    vault.name
                ));
                continue;
            }
            Err(error) => return Err(error),
        };
        let folders = paths(&vault, &client.folders(Some(&vault.id)).await?)?;
        for entry in entries {
            let id = entry.object.as_deref().unwrap_or_default();
            let record = records.get(id).map(|label| (*label).to_owned());
            if !whole && record.is_none() {
                continue;
            }
            let name = record
                .or_else(|| folders.get(id).map(ToString::to_string))
                .or_else(|| users.get(id).cloned())
                .or_else(|| (id == vault.id).then(|| vault.name.clone()));
            deeds.push((
                entry.seq,
                Deed {
                    at: entry.at,
                    user: entry.user_id.map(|id| users.get(&id).cloned().unwrap_or(id)),
                    action: entry.action,
                    vault: vault.name.clone(),
                    object: name.or(entry.object),
                },
            ));
        }
        changes.log.get_or_insert_default();
    }
    deeds.sort_by_key(|(number, _)| *number);
    if let Some(log) = &mut changes.log {
        log.extend(deeds.into_iter().map(|(_, deed)| deed));
    }
    Ok(())
}

/// The entries of a vault's log from a time on, those of mere looks left out.
async fn since(client: &Client, vault: &str, time: i64) -> Result<Vec<Activity>> {
    let mut filter = ActivityFilter { vault: Some(vault.to_owned()), ..ActivityFilter::default() };
    filter.after = beginning(client, &filter, time).await?;
    let mut found = Vec::new();
    loop {
        let page = client.activity(&filter).await?;
        // A server that answers the same page again must not keep us for ever.
        let Some(last) = page.last().map(|entry| entry.seq).filter(|last| *last > filter.after) else {
            return Ok(found);
        };
        filter.after = last;
        let is_look = |entry: &Activity| entry.action.rsplit('.').next() == Some("read");
        found.extend(page.into_iter().filter(|entry| entry.at >= time && !is_look(entry)));
    }
}

/// A number of an entry before the first one of that time, and near it: the log may hold millions.
async fn beginning(client: &Client, filter: &ActivityFilter, time: i64) -> Result<i64> {
    let mut low = 0_i64;
    let mut step = NEAR;
    // Entries up to `low` are earlier; the one after `high` is not.
    let mut high = loop {
        let Some(high) = low.checked_add(step) else { return Ok(low) };
        if !is_earlier(client, filter, high, time).await? {
            break high;
        }
        (low, step) = (high, step.saturating_mul(2));
    };
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        if is_earlier(client, filter, middle, time).await? { low = middle } else { high = middle }
    }
    Ok(low)
}

/// Whether there is an entry after this one, and it is of an earlier time.
async fn is_earlier(client: &Client, filter: &ActivityFilter, after: i64, time: i64) -> Result<bool> {
    let one = ActivityFilter { after, limit: Some(1), ..filter.clone() };
    Ok(client.activity(&one).await?.first().is_some_and(|entry| entry.at < time))
}
