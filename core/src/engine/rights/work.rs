//! What has to be made in the sink so that it gives what the source gives; what is there already; what cannot be.

use crate::engine::compare::set::SetDigest;
use crate::engine::environment::{Environment, is_encrypted, paths};
use crate::engine::recipients::{Recipient, recipient};
use crate::engine::report::{Left, NotFound, Rights};
use crate::engine::rights::held::{Asked, Given, Held, Holder, Shown, Standing, told};
use crate::engine::rights::people::{UserMap, matched};
use crate::error::{ErrorKind, Result};
use crate::model::RecordPath;
use keyferry_api::user::{Right, UserGroup};
use keyferry_api::vault::{Role, Vault};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A place that is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
    pub vault: String,
    pub folder: Option<String>,
}

impl Spot {
    /// The id of the folder, or of the vault.
    pub fn id(&self) -> &str {
        self.folder.as_deref().unwrap_or(&self.vault)
    }
}

/// A group of the source as it shall be in the sink.
pub(crate) struct GroupWork {
    /// Its id in the source.
    pub source: String,
    pub name: String,
    /// The sink's, where it is there.
    pub there: Option<String>,
    /// The sink's users who shall be in it.
    pub members: Vec<String>,
    /// Those of them who are not yet.
    pub missing: Vec<String>,
}

/// A role that is to be given; of users the sink's id, of groups the source's.
pub(crate) struct GrantWork {
    pub at: RecordPath,
    pub holder: Holder,
    pub role: Role,
}

/// What has to be done.
pub(crate) struct Work<'a> {
    pub sink: &'a Arc<Environment>,
    /// The sink's vaults by id.
    pub vaults: HashMap<String, Vault>,
    /// The sink's places.
    pub spots: HashMap<RecordPath, Spot>,
    pub groups: Vec<GroupWork>,
    /// The lower roles first: what is closed is closed before anything opens.
    pub grants: Vec<GrantWork>,
    pub shortcuts: Vec<Shown>,
    /// The users who shall have something of each vault, by its name or the path that stands for it.
    pub reach: BTreeMap<RecordPath, BTreeSet<String>>,
    /// The public keys of those who need copies of vault keys.
    pub keys: BTreeMap<String, Recipient>,
    /// What is there already, and what cannot be.
    pub outcome: Rights,
    /// Places of the sink with records that the source does not have there.
    strangers: BTreeSet<RecordPath>,
    /// The sink's users by the source's, where they are blocked.
    kept_out: HashMap<String, String>,
    /// Names of the sink's users, for messages.
    names: HashMap<String, String>,
    group_names: HashMap<String, String>,
}

impl<'a> Work<'a> {
    pub async fn of(held: Held, own: &str, sink: &'a Arc<Environment>, map: &UserMap) -> Result<Work<'a>> {
        let client = sink.client();
        let users = told(client.users().await, sink)?;
        let mut people = matched(&held.users, &users, map, [&held.label, sink.label()])?;
        // Who is kept out there gets in nowhere else by a migration.
        for blocked in held.users.iter().filter(|user| user.is_blocked) {
            people.remove(&blocked.id);
        }
        // And who is kept out here would have it on the day that they are let in again.
        let blocked: HashSet<&str> =
            users.iter().filter(|user| user.is_blocked).map(|user| user.id.as_str()).collect();
        let kept_out = people.extract_if(|_, id| blocked.contains(id.as_str())).collect();
        let mut work = Work {
            sink,
            vaults: HashMap::new(),
            spots: HashMap::new(),
            groups: Vec::new(),
            grants: Vec::new(),
            shortcuts: Vec::new(),
            reach: BTreeMap::new(),
            keys: BTreeMap::new(),
            outcome: Rights::default(),
            strangers: BTreeSet::new(),
            kept_out,
            names: users.into_iter().map(|user| (user.id, user.username)).collect(),
            group_names: held.groups.iter().map(|one| (one.id.clone(), one.name.clone())).collect(),
        };
        work.look_at_places().await?;
        let Held { users, groups, given, shortcuts, records, above, merged, .. } = held;
        if above > 0 {
            let why = "they are given above the location that was named: name the whole vault";
            work.leave(format!("{above} rights"), why);
        }
        for path in &merged {
            let why =
                "several places of the source become this one, and who may see one may not see the other";
            work.leave(format!("the rights in {path}"), why);
        }
        let apart = |one: &Given| !merged.iter().any(|path| is_within(path, &one.at));
        let given: Vec<Given> = given.into_iter().filter(apart).collect();
        work.look_for_strangers(&given, records).await?;
        let me = client.user_info().await?.id;
        work.count_users(&users, &groups, &given, &people, (own, &me));
        let groups = groups.into_iter().filter(|group| {
            given.iter().any(|one| matches!(&one.holder, Holder::Group(id) if *id == group.id))
        });
        let groups: Vec<UserGroup> = groups.collect();
        work.find_groups(&groups, &given, &people).await?;
        work.find_grants(given, &people, own, &me).await?;
        work.find_recipients(&me).await?;
        work.find_shortcuts(shortcuts).await?;
        Ok(work)
    }

    /// What is to be made, in numbers.
    pub fn planned(&self) -> Rights {
        Rights {
            groups: self.groups.iter().filter(|group| group.there.is_none()).count() as u64,
            members: self.groups.iter().map(|group| group.missing.len() as u64).sum(),
            given: self.grants.len() as u64,
            shortcuts: self.shortcuts.len() as u64,
            wrapped_for: self.recipients().map(|(whom, _)| whom.clone()).collect(),
            ..self.outcome.clone()
        }
    }

    /// Every group, member, role, shortcut and public key of it. Names and fingerprints, no secrets.
    pub fn digest(&self) -> String {
        let mut set = SetDigest::default();
        for group in &self.groups {
            set.add(["group", &group.name, group.there.as_deref().unwrap_or_default()].map(str::as_bytes));
            for user in &group.missing {
                set.add(["member", &group.name, user].map(str::as_bytes));
            }
        }
        for grant in &self.grants {
            let (at, holder) = (grant.at.to_string(), self.name(&grant.holder));
            set.add(["role", &at, &holder, grant.role.word()].map(str::as_bytes));
        }
        for shortcut in &self.shortcuts {
            set.add(["shortcut", &shortcut.at.to_string(), &shortcut.name].map(str::as_bytes));
        }
        for (whom, _) in self.recipients() {
            set.add(["key", &whom.id, &whom.fingerprint].map(str::as_bytes));
        }
        for left in &self.outcome.left {
            set.add(["left", &left.what, &left.why].map(str::as_bytes));
        }
        set.to_hex()
    }

    /// Everybody whom keys are wrapped for.
    pub fn recipients(&self) -> impl Iterator<Item = &Recipient> {
        self.keys.values()
    }

    pub fn leave(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.outcome.left.push(Left { what: what.into(), why: why.into() });
    }

    /// Somebody, for messages.
    pub fn name(&self, holder: &Holder) -> String {
        match holder {
            Holder::User(id) => self.names.get(id).unwrap_or(id).clone(),
            Holder::Group(id) => format!("group {}", self.group_names.get(id).unwrap_or(id)),
        }
    }

    async fn look_at_places(&mut self) -> Result<()> {
        let client = self.sink.client();
        for vault in self.sink.without_strangers(client.vaults().await?, |_| true)? {
            let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
            // As the records go: of several vaults of one name into the first.
            if !self.spots.contains_key(&root) {
                let spot = |folder| Spot { vault: vault.id.clone(), folder };
                for (id, path) in paths(&vault, &client.folders(Some(&vault.id)).await?)? {
                    self.spots.entry(path).or_insert_with(|| spot(Some(id)));
                }
                self.spots.insert(root, spot(None));
            }
            self.vaults.insert(vault.id.clone(), vault);
        }
        Ok(())
    }

    /// Finds records of the sink that the source does not have in the same place: whoever is given a place sees all of it.
    async fn look_for_strangers(&mut self, given: &[Given], mut records: Standing) -> Result<()> {
        let client = self.sink.client();
        let opened = given.iter().filter(|one| one.role > Role::None);
        let vaults: BTreeSet<&Option<String>> = opened.map(|one| &one.at.vault).collect();
        let there: HashMap<&Spot, &RecordPath> = self.spots.iter().map(|(path, spot)| (spot, path)).collect();
        for name in vaults {
            let root = RecordPath { vault: name.clone(), folders: Vec::new() };
            let Some(spot) = self.spots.get(&root) else { continue };
            for item in client.item_summaries(&spot.vault).await? {
                let at = Spot { vault: spot.vault.clone(), folder: item.folder_id };
                // What stands in a folder that nobody can tell is somewhere in the vault.
                let at = there.get(&at).copied().unwrap_or(&root);
                if !records.take(at, &item.name) {
                    self.strangers.insert(at.clone());
                }
            }
        }
        Ok(())
    }

    /// Whether somebody who is let into a place would see there what is not from the source.
    fn has_strangers(&self, at: &RecordPath) -> bool {
        self.strangers.iter().any(|place| is_within(at, place))
    }

    /// Who of those that hold something is in the sink, and who is not.
    fn count_users(
        &mut self,
        users: &[keyferry_api::user::UserInfo],
        groups: &[UserGroup],
        given: &[Given],
        people: &HashMap<String, String>,
        (own, me): (&str, &str),
    ) {
        let count = |holder: &Holder| given.iter().filter(|one| one.holder == *holder).count() as u64;
        for user in users {
            if user.id == own && people.get(own).is_none_or(|id| id == me) {
                continue;
            }
            let with_rights = groups.iter().filter(|group| {
                group.user_ids.contains(&user.id) && count(&Holder::Group(group.id.clone())) > 0
            });
            let (groups, rights) = (with_rights.count() as u64, count(&Holder::User(user.id.clone())));
            if groups + rights == 0 {
                continue;
            }
            if people.contains_key(&user.id) {
                self.outcome.users_found += 1;
            } else {
                let blocked = if user.is_blocked {
                    " (blocked in the source)"
                } else if self.kept_out.contains_key(&user.id) {
                    " (blocked in the sink)"
                } else {
                    ""
                };
                let user = format!("{}{blocked}", user.username);
                self.outcome.users_not_found.push(NotFound { user, groups, rights });
            }
        }
    }

    /// Finds the groups in the sink: one of the same name and members is it. One with fewer members is it as well where it
    /// may do nothing that is not given to it here: whoever joins it gets nothing else with that.
    async fn find_groups(
        &mut self,
        groups: &[UserGroup],
        given: &[Given],
        people: &HashMap<String, String>,
    ) -> Result<()> {
        let client = self.sink.client();
        let there = told(client.groups().await, self.sink)?;
        let mut taken = HashSet::new();
        for group in groups {
            let members: BTreeSet<&String> = group.user_ids.iter().filter_map(|id| people.get(id)).collect();
            let meanwhile: HashSet<&String> =
                group.user_ids.iter().filter_map(|id| self.kept_out.get(id)).collect();
            let alike = there.iter().filter(|one| one.name == group.name && !taken.contains(&one.id));
            let alike: Vec<&UserGroup> = alike.collect();
            let mut found = None;
            for one in &alike {
                // Whom the source has in it too makes it no other group, also while they are blocked here.
                let held = one.user_ids.iter().filter(|id| !meanwhile.contains(id));
                let held: BTreeSet<&String> = held.collect();
                let fits = held == members
                    || held.is_subset(&members)
                        && self.gives_no_more(client.group_rights(&one.id).await, given, &group.id)?;
                if fits {
                    found = Some(*one);
                    break;
                }
            }
            if found.is_none() && !alike.is_empty() {
                let why = "a group of this name is there, with other members or rights: rename it, or make them alike";
                self.leave(format!("group {}", group.name), why);
                continue;
            }
            let held: HashSet<&String> = found.iter().flat_map(|one| &one.user_ids).collect();
            let missing = members.iter().filter(|id| !held.contains(**id));
            if let Some(found) = found {
                taken.insert(found.id.clone());
                self.outcome.groups_there += 1;
            }
            self.groups.push(GroupWork {
                source: group.id.clone(),
                name: group.name.clone(),
                there: found.map(|one| one.id.clone()),
                missing: missing.map(|id| (*id).clone()).collect(),
                members: members.into_iter().cloned().collect(),
            });
        }
        Ok(())
    }

    /// Whether all that a group of the sink may do is among what is given to its twin.
    fn gives_no_more(&self, rights: Result<Vec<Right>>, given: &[Given], group: &str) -> Result<bool> {
        let rights = match rights {
            Ok(rights) => rights,
            Err(error) if matches!(error.kind(), ErrorKind::NotAllowed | ErrorKind::NotFound) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        Ok(rights.iter().all(|right| {
            let spot = Spot { vault: right.vault_id.clone(), folder: right.folder_id.clone() };
            right.role == Role::None
                || given.iter().any(|one| {
                    one.holder == Holder::Group(group.to_owned())
                        && one.role == right.role
                        && self.spots.get(&one.at) == Some(&spot)
                        && !self.has_strangers(&one.at)
                })
        }))
    }

    /// Compares what the source gives with what the sink gives.
    async fn find_grants(
        &mut self,
        given: Vec<Given>,
        people: &HashMap<String, String>,
        own: &str,
        me: &str,
    ) -> Result<()> {
        let client = self.sink.client();
        let mut there: HashMap<Spot, HashMap<Holder, Role>> = HashMap::new();
        let twins: HashMap<String, (Option<String>, Vec<String>)> = self
            .groups
            .iter()
            .map(|group| (group.source.clone(), (group.there.clone(), group.members.clone())))
            .collect();
        for one in given {
            let (holder, in_sink, reached) = match &one.holder {
                // Whoever carries the rights has made the places, or had them before.
                Holder::User(id) => match people.get(id) {
                    None if id == own => continue,
                    Some(id) if id == me => continue,
                    Some(id) => (Holder::User(id.clone()), Some(Holder::User(id.clone())), vec![id.clone()]),
                    None => continue,
                },
                Holder::Group(id) => match twins.get(id) {
                    Some((there, members)) => {
                        (one.holder.clone(), there.clone().map(Holder::Group), members.clone())
                    }
                    None => continue,
                },
            };
            let reach = |work: &mut Self| {
                if one.role == Role::None {
                    return;
                }
                let whole = RecordPath { vault: one.at.vault.clone(), folders: Vec::new() };
                work.reach.entry(whole).or_default().extend(reached.iter().cloned());
            };
            let held = match self.spots.get(&one.at).cloned() {
                None => None,
                Some(spot) => {
                    if !there.contains_key(&spot) {
                        let asked = match &spot.folder {
                            Some(folder) => Asked::folder(client, folder).await,
                            None => Asked::vault(client, &spot.vault).await,
                        };
                        there.insert(spot.clone(), told(asked, self.sink)?.holders().collect());
                    }
                    in_sink.and_then(|holder| there.get(&spot)?.get(&holder).copied())
                }
            };
            // In a vault, none is the same as nothing; in a folder it closes it.
            let held = held.filter(|role| *role > Role::None || !one.at.folders.is_empty());
            match held {
                Some(role) if role == one.role => {
                    reach(self);
                    self.outcome.given_there += 1;
                }
                Some(role) => {
                    reach(self);
                    let what = format!("{} for {} in {}", one.role.word(), self.name(&holder), one.at);
                    self.leave(what, format!("{} is given there already", role.word()));
                }
                None if one.role > Role::None && self.has_strangers(&one.at) => {
                    let what = format!("{} for {} in {}", one.role.word(), self.name(&holder), one.at);
                    let why = "records that the source does not have are there as well, and would be seen: look at \
                               them, then give it by hand";
                    self.leave(what, why);
                }
                None => {
                    reach(self);
                    self.grants.push(GrantWork { at: one.at, holder, role: one.role });
                }
            }
        }
        self.grants.sort_by(|one, other| {
            (one.role, one.at.folders.len(), &one.at, &one.holder).cmp(&(
                other.role,
                other.at.folders.len(),
                &other.at,
                &other.holder,
            ))
        });
        Ok(())
    }

    /// The public keys of everybody who will need a copy of a vault's key.
    async fn find_recipients(&mut self, me: &str) -> Result<()> {
        let client = self.sink.client();
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for (path, users) in &self.reach {
            let spot = self.spots.get(path);
            let vault = spot.and_then(|spot| self.vaults.get(&spot.vault));
            let encrypted = vault.map_or_else(|| self.sink.encrypts(), is_encrypted);
            if !encrypted {
                continue;
            }
            let lacking: Option<HashSet<String>> = match vault {
                None => None,
                Some(vault) => {
                    let lacking = told(client.users_without_key(&vault.id).await, self.sink)?;
                    Some(lacking.into_iter().map(|user| user.user_id).collect())
                }
            };
            let new = |user: &String| {
                self.grants.iter().any(|grant| {
                    grant.at.vault == path.vault
                        && grant.role > Role::None
                        && self.reaches(&grant.holder, user)
                }) || self.groups.iter().any(|group| group.missing.contains(user))
            };
            let needs = |user: &&String| {
                *user != me && (lacking.as_ref().is_some_and(|lacking| lacking.contains(*user)) || new(user))
            };
            wanted.extend(users.iter().filter(needs).cloned());
        }
        for id in wanted {
            let name = self.names.get(&id).cloned();
            let pem = told(client.public_key(&id).await, self.sink)?.public_key.filter(|pem| !pem.is_empty());
            let found = pem.map(|pem| recipient(id.clone(), name.clone(), &pem)).transpose();
            let who = name.unwrap_or_else(|| id.clone());
            match found {
                Ok(Some(found)) => {
                    self.keys.insert(id, found);
                }
                Ok(None) => self.leave(format!("vault keys for {who}"), "the user has no keys in the sink"),
                Err(error) => {
                    self.leave(format!("vault keys for {who}"), error.what().to_owned());
                }
            }
        }
        Ok(())
    }

    fn reaches(&self, holder: &Holder, user: &String) -> bool {
        match holder {
            Holder::User(id) => id == user,
            Holder::Group(id) => {
                self.groups.iter().any(|group| group.source == *id && group.members.contains(user))
            }
        }
    }

    /// Which shortcuts are there already, and which lead to something that can be told.
    async fn find_shortcuts(&mut self, shortcuts: Vec<Shown>) -> Result<()> {
        if shortcuts.is_empty() {
            return Ok(());
        }
        let there = self.sink.client().shortcuts().await?;
        let mut there: HashMap<(String, String), u64> =
            there.into_iter().fold(HashMap::new(), |mut all, one| {
                let at = one.shortcut.folder_id.unwrap_or(one.shortcut.vault_id);
                *all.entry((at, one.item.name)).or_default() += 1;
                all
            });
        for one in shortcuts {
            if one.record.is_none() {
                self.leave(
                    format!("the shortcut to {} in {}", one.name, one.at),
                    "its record is not among those carried",
                );
                continue;
            }
            let spot = self.spots.get(&one.at).map(|spot| spot.id().to_owned());
            let held = spot.and_then(|id| there.get_mut(&(id, one.name.clone()))).filter(|count| **count > 0);
            match held {
                Some(count) => {
                    *count -= 1;
                    self.outcome.shortcuts_there += 1;
                }
                None => self.shortcuts.push(one),
            }
        }
        Ok(())
    }
}

fn is_within(path: &RecordPath, at: &RecordPath) -> bool {
    path.vault == at.vault && at.folders.starts_with(&path.folders)
}
