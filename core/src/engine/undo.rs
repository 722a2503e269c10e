//! Takes back what a job did: moves to the bin what it created, restores what it overwrote, brings back what it moved
//! to the bin, removes
//! the folders and vaults that it made and that are empty again. What someone edited since is
//! spared: the journal holds a keyed digest of each item as the job left it.

use crate::client::Client;
use crate::engine::crash;
use crate::engine::environment::Environment;
use crate::engine::journal::{Intended, Job, Journal, State};
use crate::engine::report::progress::{Progress, Step, check};
use crate::engine::rights::taken_back;
use crate::engine::sink::lost_answers;
use crate::error::{Error, ErrorKind, Result};
use futures_util::{StreamExt as _, stream};
use keyferry_api::item::{Item, ItemDraft};
use keyferry_api::vault::Vault;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Items looked at together.
const CHUNK: usize = 256;
/// Requests at a time.
const AT_ONCE: usize = 8;

/// What was taken back, in numbers and names.
#[derive(Debug, Default, Serialize)]
pub struct Undone {
    /// Records that the job had created, now in the bin.
    pub removed: u64,
    /// Records that the job had overwritten, now as they were before.
    pub restored: u64,
    /// Records that the job had moved to the bin, now where they were.
    pub brought_back: u64,
    /// Records that the job had moved to the bin and that could not be brought back: the notes say why.
    pub not_brought_back: u64,
    /// Records that are no longer as the job left them: someone edited or moved them since. They stay.
    pub spared: Vec<String>,
    /// Records that were gone already.
    pub gone: u64,
    /// What the environment said that it took back, and shows as it was before: all of it is looked at once more.
    pub still_there: Vec<String>,
    /// Vaults and folders that the job had made and that are empty again, now removed.
    pub places_removed: u64,
    /// Groups, memberships, rights and shortcuts that the job had made, now unmade.
    pub rights_removed: u64,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Wall-clock time.
    pub seconds: f64,
    /// Whether something in the bin can be brought back once its folder has been.
    #[serde(skip)]
    waits: bool,
    /// Whether something may have been taken back.
    #[serde(skip)]
    begun: bool,
}

impl Undone {
    /// 4 where the environment did not do what it said, 3 where something was spared or stays in the bin, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self { still_there, .. } if !still_there.is_empty() => 4,
            Self { spared, not_brought_back: 0, .. } if spared.is_empty() => 0,
            _ => 3,
        }
    }
}

/// Takes back what job `id` did in `environment`. Can be repeated, and goes on where it was cut off: until it has come to its
/// end the job is [`State::HalfUndone`].
///
/// # Errors
/// [`ErrorKind::Usage`] where the job wrote elsewhere, was undone already, or has no key to tell
/// its work from later edits.
pub async fn undo(
    journal: &Journal,
    id: i64,
    environment: &Arc<Environment>,
    progress: &dyn Progress,
) -> Result<Undone> {
    let start = Instant::now();
    environment.stays_encrypted()?;
    let job = tokio::task::block_in_place(|| journal.reopen(id, environment))?;
    if !job.can_be_undone() {
        return Err(Error::new(ErrorKind::Usage, format!("job {id} cannot be undone")).next_step(
            "its environment is not encrypted by clients, so nothing tells its work from later edits",
        ));
    }
    lost_answers::earlier_run(&job, environment, progress).await?;
    let mut undone = Undone::default();
    let ended = take_back(&job, environment, progress, &mut undone).await;
    // What waits for its folder can come back later, by the same command, and what was not done can be done.
    let all = ended.is_ok() && !undone.waits && undone.still_there.is_empty();
    let state = if all { State::Undone } else { State::HalfUndone };
    let written = match (&ended, undone.begun) {
        // Nothing was taken back, so the job is what it was.
        (Err(_), false) => Ok(()),
        _ => tokio::task::block_in_place(|| job.finish(state, None)),
    };
    // The first error counts.
    ended.and(written)?;
    undone.seconds = start.elapsed().as_secs_f64();
    Ok(undone)
}

async fn take_back(
    job: &Job,
    environment: &Environment,
    progress: &dyn Progress,
    undone: &mut Undone,
) -> Result<()> {
    if tokio::task::block_in_place(|| job.grants())?.is_empty() {
        check(progress)?;
    } else {
        undone.begin(job)?;
        let rights = taken_back::all(job, environment.client()).await?;
        (undone.rights_removed, undone.notes) = (rights.unmade, rights.notes);
        undone.still_there = rights.still_there;
    }
    bring_back(job, environment, progress, undone).await?;
    restore(job, environment, progress, undone).await?;
    remove(job, environment, progress, undone).await?;
    remove_places(job, environment, progress, undone).await
}

/// Whether the item is as the job left it.
fn untouched(job: &Job, item: &Item, digest: Option<&[u8]>) -> bool {
    match (job.digest_of_item(item), digest) {
        (Some(now), Some(then)) => now[..] == *then,
        _ => false,
    }
}

/// Brings back from the bin what the job moved there.
async fn bring_back(
    job: &Job,
    environment: &Environment,
    progress: &dyn Progress,
    undone: &mut Undone,
) -> Result<()> {
    let client = environment.client();
    let mut removed = tokio::task::block_in_place(|| job.removed())?;
    progress.begin(Step::Writing, Some(removed.len() as u64));
    // Where a request's answer was lost, only the bin knows the number.
    if removed.iter().any(|one| one.bin.is_none()) {
        let bin: HashMap<String, String> =
            client.bin_items().await?.into_iter().map(|binned| (binned.object_id, binned.id)).collect();
        for one in removed.iter_mut().filter(|one| one.bin.is_none()) {
            one.bin = bin.get(&one.item).cloned();
        }
    }
    for one in removed {
        check(progress)?;
        undone.begin(job)?;
        let restored = match &one.bin {
            Some(bin) => client.restore(bin).await,
            None => Err(Error::new(ErrorKind::NotFound, "it is not in the bin")),
        };
        match restored {
            Ok(()) if lost_answers::is_gone(environment, &one.item).await? => {
                undone.still_there.push(format!("{} in the bin", one.item));
            }
            Ok(()) => undone.brought_back += 1,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Refused) =>
            {
                // Someone, or an earlier undo, may have brought it back already.
                match client.item(&one.item).await {
                    Ok(item) if !item.is_deleted => {}
                    Ok(item) => undone.stays(&label(&item), &error),
                    Err(missing) if missing.kind() == ErrorKind::NotFound => undone.stays(&one.item, &error),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
        progress.advance(1);
    }
    Ok(())
}

impl Undone {
    /// Writes down, before the first request that takes something back, that this has begun.
    fn begin(&mut self, job: &Job) -> Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            tokio::task::block_in_place(|| job.undoing())?;
        }
        crash::point("before taking back");
        Ok(())
    }

    fn stays(&mut self, record: &str, why: &Error) {
        self.not_brought_back += 1;
        let waits = why.kind() == ErrorKind::Conflict;
        let next = if waits { " Then undo the job once more." } else { "" };
        self.waits |= waits;
        self.notes.push(format!("{record}: not brought back from the bin: {}{next}", why.what()));
    }
}

/// The newest update first, so that an item that was overwritten twice goes back step by step.
async fn restore(
    job: &Job,
    environment: &Environment,
    progress: &dyn Progress,
    undone: &mut Undone,
) -> Result<()> {
    let client = environment.client();
    let updates = tokio::task::block_in_place(|| job.updates())?;
    progress.begin(Step::Writing, Some(updates.len() as u64));
    for update in updates {
        check(progress)?;
        let Some(sealed) = &update.before else { continue };
        let item = match client.item(&update.item).await {
            Ok(item) => item,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                undone.gone += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        let before = job.open_before(&update.item, sealed)?;
        // An update that was announced and never arrived, or was taken back already.
        if job.digest_of_item(&before) == job.digest_of_item(&item) {
            continue;
        }
        if !untouched(job, &item, update.digest.as_deref()) {
            undone.spared.push(label(&item));
            continue;
        }
        let added =
            item.attachments.iter().filter(|one| before.attachments.iter().all(|old| old.id != one.id));
        let added = added.count();
        undone.begin(job)?;
        // Where the server counts changes, one that came after the look above is spared too.
        let patch = ItemDraft { revision: item.revision, ..as_it_was(&before) };
        match client.patch_item(&before.id, &patch).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                undone.spared.push(label(&item));
                continue;
            }
            patched => patched?,
        }
        match client.item(&update.item).await {
            Ok(now) if untouched(job, &now, update.digest.as_deref()) => {
                undone.still_there.push(label(&item));
                continue;
            }
            // Somebody else was as fast.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {}
        }
        undone.restored += 1;
        if added > 0 {
            undone.notes.push(format!(
                "{}: {added} attachments that the job added stay, as the API cannot take one out",
                label(&item)
            ));
        }
        progress.advance(1);
    }
    Ok(())
}

/// Every field said: a member left out would keep its value. Attachments can only be added, so none
/// are named.
fn as_it_was(before: &Item) -> ItemDraft {
    let text = |text: &Option<String>| Some(text.clone().unwrap_or_default());
    ItemDraft {
        vault_id: Some(before.vault_id.clone()),
        folder_id: before.folder_id.clone(),
        name: Some(before.name.clone()),
        login: text(&before.login),
        url: text(&before.url),
        description: text(&before.description),
        tags: Some(before.tags.clone()),
        color: Some(before.color.unwrap_or_default()),
        is_favorite: Some(before.is_favorite),
        password_encrypted: before.password_encrypted.clone(),
        key_encrypted: before.key_encrypted.clone(),
        customs: Some(before.customs.clone()),
        attachments: None,
        fields_order: before.fields_order.clone(),
        revision: None,
    }
}

async fn remove(
    job: &Job,
    environment: &Environment,
    progress: &dyn Progress,
    undone: &mut Undone,
) -> Result<()> {
    let client = environment.client();
    let created = tokio::task::block_in_place(|| job.created())?;
    progress.begin(Step::Writing, Some(created.len() as u64));
    for chunk in created.chunks(CHUNK) {
        check(progress)?;
        let ids: Vec<String> = chunk.iter().map(|one| one.item.clone()).collect();
        let mut own = Vec::with_capacity(chunk.len());
        for (one, item) in chunk.iter().zip(client.items(&ids).await) {
            match item {
                Ok(item) if item.is_deleted => undone.gone += 1,
                Ok(item) if untouched(job, &item, one.digest.as_deref()) => own.push(item.id),
                Ok(item) => undone.spared.push(label(&item)),
                Err(error) if error.kind() == ErrorKind::NotFound => undone.gone += 1,
                Err(error) => return Err(error),
            }
        }
        if !own.is_empty() {
            undone.begin(job)?;
        }
        let deletions: Vec<_> = own.iter().map(|id| client.delete_item(id)).collect();
        let mut deletions = stream::iter(deletions).buffered(AT_ONCE);
        let mut removed = 0;
        while let Some(deleted) = deletions.next().await {
            match deleted {
                Ok(_) => removed += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => undone.gone += 1,
                Err(error) => return Err(error),
            }
        }
        let there = lost_answers::still_there(environment, &own).await?;
        undone.removed += removed - removed.min(there.len() as u64);
        undone.still_there.extend(there.iter().map(label));
        progress.advance(chunk.len() as u64);
    }
    Ok(())
}

/// Finds what was asked for by a run that ended before it wrote the answer down: by what no other has, or by its name in a
/// place that had none of that name. `vaults` are those that are there.
async fn settle_places(job: &Job, client: &Client, vaults: &[Vault]) -> Result<()> {
    let open = tokio::task::block_in_place(|| job.unanswered_places())?;
    if open.is_empty() {
        return Ok(());
    }
    let made = tokio::task::block_in_place(|| job.places())?;
    let mut known: HashSet<String> =
        made.into_iter().map(|place| place.folder.unwrap_or(place.vault)).collect();
    for (number, what) in open {
        let found = match &what {
            Intended::Vault { .. } => {
                let mut alike = vaults.iter().filter(|vault| what.is_vault(vault));
                alike.find(|vault| !known.contains(&vault.id)).map(|vault| (vault.id.clone(), None))
            }
            Intended::Folder { vault, .. } if vaults.iter().any(|one| one.id == *vault) => {
                let folders = client.folders(Some(vault)).await?;
                let mut alike = folders.into_iter().filter(|folder| what.is_folder(folder));
                let found = alike.find(|folder| !known.contains(&folder.id));
                found.map(|folder| (vault.clone(), Some(folder.id)))
            }
            Intended::Folder { .. } => None,
        };
        let Some((vault, folder)) = found else { continue };
        known.insert(folder.clone().unwrap_or_else(|| vault.clone()));
        tokio::task::block_in_place(|| job.place_made(number, &vault, folder.as_deref()))?;
    }
    Ok(())
}

/// Removes what the job made and nobody filled, children first.
async fn remove_places(
    job: &Job,
    environment: &Environment,
    progress: &dyn Progress,
    undone: &mut Undone,
) -> Result<()> {
    check(progress)?;
    let client = environment.client();
    let there = client.vaults().await?;
    settle_places(job, client, &there).await?;
    let places = tokio::task::block_in_place(|| job.places())?;
    let vaults: HashSet<&str> = places.iter().map(|place| place.vault.as_str()).collect();
    let there: HashSet<String> = there.into_iter().map(|vault| vault.id).collect();
    // What each vault or folder still holds, by its id.
    let mut filled: HashMap<String, usize> = HashMap::new();
    let mut parents: HashMap<String, String> = HashMap::new();
    for vault in vaults.into_iter().filter(|vault| there.contains(*vault)) {
        for item in client.item_places(vault).await?.read()? {
            let item = item?;
            *filled.entry(item.folder_id.map_or_else(|| vault.to_owned(), String::from)).or_default() += 1;
        }
        for folder in client.folders(Some(vault)).await? {
            let parent = folder.parent_folder_id.unwrap_or_else(|| vault.to_owned());
            *filled.entry(parent.clone()).or_default() += 1;
            parents.insert(folder.id, parent);
        }
    }
    let mut removed = Vec::new();
    for place in &places {
        let id = place.folder.as_ref().unwrap_or(&place.vault);
        let known = place.folder.as_ref().map_or(there.contains(&place.vault), |id| parents.contains_key(id));
        if !known || filled.get(id).copied().unwrap_or_default() > 0 {
            continue;
        }
        check(progress)?;
        undone.begin(job)?;
        match &place.folder {
            Some(folder) => client.delete_folder(folder).await?,
            None => client.delete_vault(&place.vault).await?,
        }
        removed.push(place);
        if let Some(parent) = parents.get(id).and_then(|parent| filled.get_mut(parent)) {
            *parent = parent.saturating_sub(1);
        }
    }
    if removed.is_empty() {
        return Ok(());
    }
    let mut there: HashMap<String, String> =
        client.vaults().await?.into_iter().map(|vault| (vault.id, vault.name)).collect();
    let vaults: HashSet<String> =
        removed.iter().map(|place| &place.vault).filter(|id| there.contains_key(*id)).cloned().collect();
    for vault in &vaults {
        there.extend(client.folders(Some(vault)).await?.into_iter().map(|folder| (folder.id, folder.name)));
    }
    for place in removed {
        match there.remove(place.folder.as_ref().unwrap_or(&place.vault)) {
            Some(name) => undone.still_there.push(name),
            None => undone.places_removed += 1,
        }
    }
    Ok(())
}

fn label(item: &Item) -> String {
    item.name.clone()
}
