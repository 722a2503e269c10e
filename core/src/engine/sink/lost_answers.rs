//! Settles answers that never came by looking at what the environment holds.
//!
//! A request whose answer was lost may have been acted on, or may yet be: the environment is given
//! its time first, then asked. A record in an encrypted vault is known by its `keyEncrypted`, which
//! is random, so twins are told apart and nothing has to be decrypted. In other vaults it is known
//! by its content, among what was not there when the job began.

use crate::engine::environment::Environment;
use crate::engine::environment::scope::Spots;
use crate::engine::journal;
use crate::engine::journal::{Board as _, Content, Job, Removed};
use crate::engine::report::progress::{Progress, check};
use crate::error::{Error, ErrorKind, Place, Result};
use keyferry_api::item::{Item, ItemDraft};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::time::Duration;

/// What a record that was sent is known by in the environment.
pub(crate) type Mark = [u8; 32];

/// Items that are fetched at once to look at their marks.
const CHUNK: usize = 256;

pub(crate) fn mark_of_draft(draft: &ItemDraft) -> Mark {
    journal::wrapped_key_hash(draft.key_encrypted.as_deref())
        .unwrap_or_else(|| plain(&Content::of_draft(draft)))
}

fn mark_of_item(item: &Item) -> Mark {
    journal::wrapped_key_hash(item.key_encrypted.as_deref()).unwrap_or_else(|| plain(&Content::of_item(item)))
}

/// Kept in memory only: a digest without a key would betray guesses.
fn plain(content: &Content<'_>) -> Mark {
    let mut sha = Sha256::new_with_prefix("not encrypted");
    content.feed(|bytes| sha.update(bytes));
    sha.finalize().into()
}

/// Whether the environment may have acted in spite of this error. One whose disk is full has not.
pub(crate) fn is_open(error: &Error) -> bool {
    error.kind().leaves_open() && !matches!(error.place(), Some(Place::Request { status: Some(507), .. }))
}

/// Whether the environment may act on a request even after this error came back.
pub(crate) fn may_yet_act(error: &Error) -> bool {
    // A gateway that gave up says nothing about the server behind it.
    let gateway = matches!(error.place(), Some(Place::Request { status: Some(502 | 504), .. }));
    error.kind() == ErrorKind::Unanswered || gateway
}

/// An item that may be a job's own.
pub(crate) struct Stranger {
    pub id: String,
    pub mark: Mark,
    /// Its keyed digest, where there is a job with a key.
    pub digest: Option<[u8; 32]>,
}

/// The items of these places, by the id of their vault, that `known` does not know.
pub(crate) async fn strangers(
    environment: &Environment,
    job: Option<&Job>,
    places: &HashMap<String, Spots>,
    known: impl Fn(&str) -> bool,
) -> Result<Vec<Stranger>> {
    let client = environment.client();
    let mut strangers = Vec::new();
    for (vault, spots) in places {
        let mut ids = Vec::new();
        for place in spots.list(client, vault).await?.read()? {
            let place = place?;
            if spots.hold(place.folder_id.as_deref()) && !known(&place.id) {
                ids.push(place.id.into_string());
            }
        }
        for ids in ids.chunks(CHUNK) {
            for (id, item) in ids.iter().zip(client.items(ids).await) {
                match item {
                    Ok(item) => strangers.push(Stranger {
                        id: id.clone(),
                        mark: mark_of_item(&item),
                        digest: job.and_then(|job| job.digest_of_item(&item)),
                    }),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(strangers)
}

/// Settles what an earlier run of a job left open; answers the number of items that are its own
/// after all.
pub(crate) async fn earlier_run(
    job: &Job,
    environment: &Environment,
    progress: &dyn Progress,
) -> Result<usize> {
    // Whoever still works for the earlier run sends no more of it.
    let last = tokio::task::block_in_place(|| job.give_up().and_then(|()| job.last_open()))?;
    let Some(sent) = last else { return Ok(0) };
    wait(job.now() - sent, job.request_timeout(), progress).await?;
    removals(job, environment).await?;
    let (known, mut open) =
        tokio::task::block_in_place(|| Ok::<_, Error>((job.created_ids()?, job.open_creations()?)))?;
    let mut found = Vec::new();
    let mut twice = Vec::new();
    let places = written_to(job, environment).await?;
    for stranger in strangers(environment, Some(job), &places, |id| known.contains(id)).await? {
        match open.remove(&stranger.mark) {
            Some(number) => found.push((number, stranger.id)),
            None => twice.push(stranger),
        }
    }
    let outcomes: Vec<_> = found.iter().map(|(number, id)| (*number, Some(id.as_str()))).collect();
    tokio::task::block_in_place(|| job.settle(&outcomes).and_then(|()| job.close_open()))?;
    remove_doubles(job, environment, twice).await?;
    Ok(found.len())
}

/// The places that a job sent records to, those that are still there.
async fn written_to(job: &Job, environment: &Environment) -> Result<HashMap<String, Spots>> {
    let written = tokio::task::block_in_place(|| job.written_to())?;
    let mut places: HashMap<String, Spots> = HashMap::new();
    for vault in environment.client().vaults().await? {
        match &written {
            Some(written) => {
                for place in written.iter().filter(|place| place.vault == vault.id) {
                    places.entry(vault.id.clone()).or_default().add(place.folder.as_deref());
                }
            }
            None => drop(places.insert(vault.id, Spots::all())),
        }
    }
    Ok(places)
}

/// Whether an item does not stand in its place any more: it lies in the bin, or nowhere.
pub(crate) async fn is_gone(environment: &Environment, item: &str) -> Result<bool> {
    match environment.client().item(item).await {
        Ok(item) => Ok(item.is_deleted),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Which of these items stand where they were, though the environment said that it had moved them to the bin.
pub(crate) async fn still_there(environment: &Environment, items: &[String]) -> Result<Vec<Item>> {
    let mut there = Vec::new();
    for item in environment.client().items(items).await {
        match item {
            Ok(item) if !item.is_deleted => there.push(item),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(there)
}

/// Settles what an earlier run of a job left open of its removals.
async fn removals(job: &Job, environment: &Environment) -> Result<()> {
    let open = tokio::task::block_in_place(|| job.open_removals())?;
    let mut outcomes = Vec::with_capacity(open.len());
    for (number, item) in open {
        let gone = is_gone(environment, &item).await?;
        outcomes.push((number, if gone { Removed::ByJob(None) } else { Removed::Not }));
    }
    tokio::task::block_in_place(|| job.settle_removals(&outcomes))
}

/// Moves to the bin what a network delivered twice: strangers that are, byte for byte, what the job
/// sent. Answers their ids.
pub(crate) async fn remove_doubles(
    job: &Job,
    environment: &Environment,
    strangers: Vec<Stranger>,
) -> Result<Vec<String>> {
    let digests: HashMap<Mark, [u8; 32]> =
        strangers.iter().filter_map(|stranger| Some((stranger.mark, stranger.digest?))).collect();
    let own = tokio::task::block_in_place(|| job.own_among(&digests))?;
    let mut removed = Vec::new();
    for stranger in strangers.iter().filter(|stranger| own.contains(&stranger.mark)) {
        environment.client().delete_item(&stranger.id).await?;
        removed.push(stranger.id.clone());
    }
    Ok(removed)
}

/// Waits until a request sent so many seconds ago can have no effect any more.
async fn wait(since: i64, timeout: Duration, progress: &dyn Progress) -> Result<()> {
    // A clock that went backwards says nothing: then the whole time is waited.
    let since = u64::try_from(since).map_or(Duration::ZERO, Duration::from_secs);
    let mut left = timeout.saturating_sub(since);
    if !left.is_zero() {
        progress.note(&format!(
            "waiting {} s, until requests of the earlier run can have no effect any more",
            left.as_secs().max(1)
        ));
    }
    while !left.is_zero() {
        let step = left.min(Duration::from_millis(200));
        tokio::time::sleep(step).await;
        left -= step;
        check(progress)?;
    }
    Ok(())
}
