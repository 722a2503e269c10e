//! Makes what has to be made: groups with their members, then roles, the lowest first, then copies of keys, then shortcuts.
//! Each is announced in the journal before it leaves. What was made and never answered is found by looking, when the job is
//! taken up again: all of it is compared with what is there first.

use crate::crypto::envelope;
use crate::crypto::record::{self, Protection};
use crate::engine::crash;
use crate::engine::journal::{GrantKind, Job};
use crate::engine::report::Rights;
use crate::engine::report::progress::{Progress, check};
use crate::engine::rights::held::{Holder, Shown};
use crate::engine::rights::work::{GrantWork, GroupWork, Spot, Work};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretString;
use keyferry_api::item::ItemSummary;
use keyferry_api::shortcut::NewShortcut;
use keyferry_api::vault::{GroupRight, Role, VaultUser};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Makes all of it; what was made, what was there, and what could not be.
pub(crate) async fn all(mut work: Work<'_>, job: Option<&Job>, progress: &dyn Progress) -> Result<Rights> {
    work.outcome.wrapped_for = work.recipients().map(|(whom, _)| whom.clone()).collect();
    let mut groups = HashMap::new();
    for group in std::mem::take(&mut work.groups) {
        check(progress)?;
        if let Some(id) = make_group(&mut work, job, &group).await? {
            groups.insert(group.source, id);
        }
    }
    for grant in std::mem::take(&mut work.grants) {
        check(progress)?;
        give(&mut work, job, &grant, &groups).await?;
    }
    hand_out_keys(&mut work).await?;
    let mut lists = HashMap::new();
    for shortcut in std::mem::take(&mut work.shortcuts) {
        check(progress)?;
        show(&mut work, job, &shortcut, &mut lists).await?;
    }
    Ok(work.outcome)
}

/// What came of a request: it was done, or the environment would not.
enum Outcome<T> {
    Done(T),
    Refused(String),
}

/// Announces a request, sends it, and notes what came of it. An answer that never came leaves it open.
async fn announced<T>(
    job: Option<&Job>,
    (kind, target, holder, role): (GrantKind, &str, &str, &str),
    send: impl Future<Output = Result<T>>,
    made: impl Fn(&T) -> Option<&str>,
) -> Result<Outcome<T>> {
    use ErrorKind::{Conflict, NotAllowed, NotFound, Refused};
    let in_journal = |work: &dyn Fn(&Job) -> Result<()>| {
        job.map_or(Ok(()), |job| tokio::task::block_in_place(|| work(job)))
    };
    let intent = |job: &Job| tokio::task::block_in_place(|| job.intend_grant(kind, target, holder, role));
    let number = job.map(intent).transpose()?.unwrap_or_default();
    let answer = send.await;
    crash::point("after grant request");
    match answer {
        Ok(answer) => {
            in_journal(&|job| job.grant_made(number, made(&answer)))?;
            Ok(Outcome::Done(answer))
        }
        Err(error) if matches!(error.kind(), Conflict | NotAllowed | NotFound | Refused) => {
            in_journal(&|job| job.grant_refused(number))?;
            Ok(Outcome::Refused(error.what().to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// Makes a group where it is not there, and puts those into it who are missing; its id.
async fn make_group(work: &mut Work<'_>, job: Option<&Job>, group: &GroupWork) -> Result<Option<String>> {
    let client = work.sink.client().clone();
    let id = if let Some(id) = &group.there {
        if let Some(job) = job {
            tokio::task::block_in_place(|| job.found_group(&group.name, id))?;
        }
        id.clone()
    } else {
        let what = (GrantKind::Group, "", group.name.as_str(), "");
        match announced(job, what, client.create_group(&group.name), |id| Some(id.as_str())).await? {
            Outcome::Done(id) => {
                work.outcome.groups += 1;
                id
            }
            Outcome::Refused(why) => {
                work.leave(format!("group {}", group.name), why);
                return Ok(None);
            }
        }
    };
    for user in &group.missing {
        let what = (GrantKind::Member, id.as_str(), user.as_str(), "");
        match announced(job, what, client.add_to_group(&id, vec![user.clone()]), |()| None).await? {
            Outcome::Done(()) => work.outcome.members += 1,
            Outcome::Refused(why) => {
                let name = work.name(&Holder::User(user.clone()));
                work.leave(format!("{name} in group {}", group.name), why);
            }
        }
    }
    Ok(Some(id))
}

/// The key of a vault, where it has one: what is put under it, or wrapped with it, others will read.
async fn key_of(work: &Work<'_>, vault: &str) -> Result<Option<Arc<SecretString>>> {
    match work.vaults.get(vault) {
        Some(vault) => work.sink.key_to_write_under(vault).await,
        None => Ok(None),
    }
}

/// Gives a role.
async fn give(
    work: &mut Work<'_>,
    job: Option<&Job>,
    grant: &GrantWork,
    groups: &HashMap<String, String>,
) -> Result<()> {
    let what = format!("{} for {} in {}", grant.role.word(), work.name(&grant.holder), grant.at);
    let Some(spot) = work.spots.get(&grant.at).cloned() else {
        work.leave(what, "the place is not there");
        return Ok(());
    };
    let client = work.sink.client().clone();
    let answer = match &grant.holder {
        Holder::User(user) => {
            let mut right = VaultUser { user_id: user.clone(), role: grant.role, master_key_encrypted: None };
            if let (true, Some(key)) = (grant.role > Role::None, key_of(work, &spot.vault).await?) {
                // Whoever has no key in the sink was told already; whoever has a copy needs none.
                let public = work.keys.get(user).map(|(_, public)| public.strong()).transpose()?;
                right.master_key_encrypted = public.map(|public| public.wrap(&key)).transpose()?;
            }
            give_user(job, &client, &spot, &right).await?
        }
        Holder::Group(source) => {
            let Some(id) = groups.get(source) else { return Ok(()) };
            let right =
                GroupRight { group_id: id.clone(), role: grant.role, master_keys_encrypted: BTreeMap::new() };
            let role = grant.role.word();
            if let Some(folder) = &spot.folder {
                let what = (GrantKind::FolderGroup, folder.as_str(), id.as_str(), role);
                announced(job, what, client.grant_folder_group(folder, &right), |_| None).await?.dropped()
            } else {
                let what = (GrantKind::VaultGroup, spot.vault.as_str(), id.as_str(), role);
                announced(job, what, client.grant_vault_group(&spot.vault, &right), |_| None).await?.dropped()
            }
        }
    };
    match answer {
        Outcome::Done(()) => work.outcome.given += 1,
        Outcome::Refused(why) => work.leave(what, why),
    }
    Ok(())
}

impl<T> Outcome<T> {
    fn dropped(self) -> Outcome<()> {
        match self {
            Self::Done(_) => Outcome::Done(()),
            Self::Refused(why) => Outcome::Refused(why),
        }
    }
}

async fn give_user(
    job: Option<&Job>,
    client: &crate::client::Client,
    spot: &Spot,
    right: &VaultUser,
) -> Result<Outcome<()>> {
    let (user, role) = (right.user_id.as_str(), right.role.word());
    if let Some(folder) = &spot.folder {
        let what = (GrantKind::FolderUser, folder.as_str(), user, role);
        announced(job, what, client.grant_folder(folder, right), |()| None).await
    } else {
        let what = (GrantKind::VaultUser, spot.vault.as_str(), user, role);
        announced(job, what, client.grant_vault(&spot.vault, right), |()| None).await
    }
}

/// Gives copies of the vaults' keys to those members of groups who shall have something there and have none.
async fn hand_out_keys(work: &mut Work<'_>) -> Result<()> {
    let client = work.sink.client().clone();
    let reach = std::mem::take(&mut work.reach);
    for (path, users) in reach {
        let Some(spot) = work.spots.get(&path).cloned() else { continue };
        let Some(key) = key_of(work, &spot.vault).await? else { continue };
        let mut keys = BTreeMap::new();
        for lacking in client.users_without_key(&spot.vault).await? {
            let wanted = users.contains(&lacking.user_id);
            if let (true, Some((_, public))) = (wanted, work.keys.get(&lacking.user_id)) {
                keys.insert(lacking.user_id, public.strong()?.wrap(&key)?);
            }
        }
        if !keys.is_empty() {
            client.give_keys(&spot.vault, keys).await?;
        }
    }
    Ok(())
}

/// Makes a shortcut to the one record of its name in its place. `lists` keeps what stands in each vault, asked for once.
async fn show(
    work: &mut Work<'_>,
    job: Option<&Job>,
    one: &Shown,
    lists: &mut HashMap<String, Vec<ItemSummary>>,
) -> Result<()> {
    let what = format!("the shortcut to {} in {}", one.name, one.at);
    let place = one.record.as_ref().and_then(|path| work.spots.get(path)).cloned();
    let (Some(at), Some(place)) = (work.spots.get(&one.at).cloned(), place) else {
        work.leave(what, "the place is not there");
        return Ok(());
    };
    let client = work.sink.client().clone();
    let all = match lists.entry(place.vault.clone()) {
        Entry::Occupied(list) => list.into_mut(),
        Entry::Vacant(new) => new.insert(client.item_summaries(&place.vault).await?),
    };
    let mut alike = all.iter().filter(|item| item.folder_id == place.folder && item.name == one.name);
    let item = match (alike.next(), alike.next()) {
        (Some(item), None) => item.id.clone(),
        (None, _) => {
            work.leave(what, "its record is not there");
            return Ok(());
        }
        (Some(_), Some(_)) => {
            work.leave(what, "several records of this name are there");
            return Ok(());
        }
    };
    let key_encrypted = wrapped_for(work, &item, &place, &at).await?;
    let new = NewShortcut {
        vault_id: at.vault.clone(),
        folder_id: at.folder.clone(),
        item_id: item.clone(),
        key_encrypted,
    };
    let announced_as = (GrantKind::Shortcut, at.id(), item.as_str(), "");
    match announced(job, announced_as, client.create_shortcut(&new), |id| Some(id.as_str())).await? {
        Outcome::Done(_) => work.outcome.shortcuts += 1,
        Outcome::Refused(why) => work.leave(what, why),
    }
    Ok(())
}

/// A record's key under the key of the vault that a shortcut to it stands in.
async fn wrapped_for(work: &Work<'_>, item: &str, place: &Spot, at: &Spot) -> Result<Option<String>> {
    let (Some(from), Some(to)) = (key_of(work, &place.vault).await?, key_of(work, &at.vault).await?) else {
        return Ok(None);
    };
    let item = work.sink.client().item(item).await?;
    let key = record::record_key(&item, Protection::VaultKey(&from))?;
    let key =
        key.ok_or_else(|| Error::new(ErrorKind::Decrypt, "a record in an encrypted vault has no key"))?;
    envelope::encrypt_text(key.expose(), &to).map(Some)
}
