//! An environment as a sink: makes vaults, folders and records, each announced in the journal.

mod crew;
pub(crate) mod lost_answers;
pub(crate) mod once;
pub(crate) mod work;

use crate::client::{Client, Made, OnceKey};
use crate::crypto::keychain::{PublicKey, vault_key_hash};
use crate::crypto::mark::Marks;
use crate::crypto::record::Protection;
use crate::crypto::{bulk, envelope, generate, record};
use crate::engine::compare::digest::{Digester, RecordDigest};
use crate::engine::crash;
use crate::engine::environment::scope::{Scope, Spots};
use crate::engine::environment::{Environment, blocking, contradicted, paths};
use crate::engine::journal::{Board as _, Held, Intended, Job, wrapped_key_hash};
use crate::engine::names;
use crate::engine::options::Options;
use crate::engine::recipients::{self, Recipient};
use crate::engine::report::WrappedFor;
use crate::engine::report::progress::Progress;
use crate::engine::sink::crew::Crew;
use crate::engine::sink::lost_answers::Mark;
use crate::engine::sink::once::{Identities, Identity, Keys};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Record, RecordPath};
use crate::secret::SecretString;
use futures_util::{StreamExt as _, stream};
use keyferry_api::folder::NewFolder;
use keyferry_api::item::{Item, ItemDraft};
use keyferry_api::vault::{NewVault, Vault};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A request whose answer was lost, and that had no effect, is sent so many times in all.
pub(crate) const ROUNDS: u32 = 4;

/// Records of a vault that are tried with its key when that is seen first.
const LOOKED_AT: usize = 3;

/// Vaults and folders that are made at once.
const AT_ONCE: usize = 16;

/// A place in the sink: ids and how its vault is protected.
#[derive(Clone)]
struct Spot {
    vault_id: String,
    folder_id: Option<String>,
    key: Option<Arc<SecretString>>,
}

/// Makes vaults, folders and records.
pub(crate) struct Sink<'a> {
    writer: Arc<Writer>,
    /// Who is asked before a vault's key is wrapped for somebody else.
    progress: &'a dyn Progress,
    trust_administrators: bool,
    /// What new vaults are, once it is known.
    kind: Option<Arc<VaultKind>>,
    pub(crate) wrapped_for: Vec<WrappedFor>,
    /// The vaults that are there and were not needed yet: the first of each name.
    unopened: HashMap<String, Vault>,
    spots: HashMap<RecordPath, Spot>,
    /// The vaults that were there before, by their ids.
    at_first: HashSet<String>,
    /// Counts records alike, where the environment makes each thing once.
    identities: Option<Identities>,
    allow_unencrypted: bool,
    pub(crate) folders_created: u64,
}

/// What the environment makes of a new vault, and who gets its key besides its maker.
#[derive(Default)]
struct VaultKind {
    type_id: Option<String>,
    /// Its maker, where the maker administers vaults of this kind.
    own: Option<String>,
    others: Vec<Recipient>,
}

/// What tasks that write share.
struct Writer {
    environment: Arc<Environment>,
    job: Option<Job>,
    before: Before,
    /// Where the environment makes each thing once.
    keys: Option<Keys>,
    /// What another run had made of the same source.
    there: Mutex<HashSet<String>>,
    /// Other processes that send.
    crew: Option<Crew>,
}

/// What the plan found where the job's records will stand: a word for each item. What another run writes there from then
/// on is nobody's.
#[derive(Debug, Default)]
pub(crate) struct Before {
    hasher: RandomState,
    items: HashSet<u64>,
}

impl Before {
    /// Adds an item that is there.
    pub(crate) fn held(&mut self, id: &str) {
        self.items.insert(self.hasher.hash_one(id));
    }

    fn holds(&self, id: &str) -> bool {
        self.items.contains(&self.hasher.hash_one(id))
    }
}

impl<'a> Sink<'a> {
    /// Opens the vaults that `named` names, before anything is written; all, where that is not known yet.
    pub(crate) async fn open(
        environment: Arc<Environment>,
        allow_unencrypted: bool,
        options: &Options,
        before: Before,
        named: Option<&Scope>,
        digester: &Digester,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        let needed = |name: &String| named.is_none_or(|scope| scope.names_vault(name));
        let mut unopened = HashMap::new();
        let vaults = environment.client().vaults().await?;
        let at_first = vaults.iter().map(|vault| vault.id.clone()).collect();
        for vault in environment.without_strangers(vaults, |vault| needed(&vault.name))? {
            unopened.entry(vault.name.clone()).or_insert(vault);
        }
        let needed: Vec<String> = unopened.keys().filter(|name| needed(name)).cloned().collect();
        let (keys, identities) = once::prepare(&environment, digester).await?.unzip();
        let crew = match (&options.workers, &options.job) {
            (Some(workers), Some(job)) if job.can_be_undone() => Some(Crew::start(workers, job)),
            (Some(_), _) => return Err(crew::unsealed()),
            (None, _) => None,
        };
        let (job, there) = (options.job.clone(), Mutex::default());
        let writer = Arc::new(Writer { environment, job, before, keys, there, crew });
        let mut sink = Self {
            writer,
            progress,
            trust_administrators: options.trust_administrators,
            kind: None,
            wrapped_for: Vec::new(),
            unopened,
            spots: HashMap::new(),
            at_first,
            identities,
            allow_unencrypted,
            folders_created: 0,
        };
        for name in needed {
            sink.open_vault(&name).await?;
        }
        Ok(sink)
    }

    /// Learns the places of a vault, if it is there and they are not known yet; pins its key.
    async fn open_vault(&mut self, name: &str) -> Result<()> {
        let Some(vault) = self.unopened.remove(name) else { return Ok(()) };
        let environment = &self.writer.environment;
        let key = environment.vault_key(&vault)?;
        environment.pin_vault(&vault.id, key.as_deref())?;
        let folders = environment.client().folders(Some(&vault.id)).await?;
        for (id, path) in paths(&vault, &folders)? {
            let spot = Spot { vault_id: vault.id.clone(), folder_id: Some(id), key: key.clone() };
            self.spots.entry(path).or_insert(spot);
        }
        let top = RecordPath { vault: Some(vault.name), folders: Vec::new() };
        self.spots.insert(top, Spot { vault_id: vault.id, folder_id: None, key });
        Ok(())
    }

    /// What new vaults are. Says for whom their keys are wrapped, and asks where somebody's key was never seen.
    async fn kind(&mut self) -> Result<Arc<VaultKind>> {
        if let Some(kind) = &self.kind {
            return Ok(kind.clone());
        }
        let kind = Arc::new(self.writer.kind_of_vaults().await?);
        let environment = &self.writer.environment;
        recipients::agree(
            environment,
            self.progress,
            self.trust_administrators,
            "the keys of new vaults",
            "; or make the vault by hand first",
            &kind.others,
        )?;
        self.wrapped_for = kind.others.iter().map(|(whom, _)| whom.clone()).collect();
        self.kind = Some(kind.clone());
        Ok(kind)
    }

    /// Makes those places that are missing, parents before children and siblings at once.
    async fn make(&mut self, paths: impl IntoIterator<Item = &RecordPath>) -> Result<()> {
        let mut missing: BTreeMap<usize, BTreeSet<RecordPath>> = BTreeMap::new();
        for path in paths {
            if let Some(name) = &path.vault
                && self.unopened.contains_key(name)
            {
                let proved = prove_new_keys(&self.writer.environment, |one| one == name).await?;
                // The first of that name may have been a stranger.
                if let Some(vault) = proved.into_iter().find(|vault| vault.name == *name) {
                    self.unopened.insert(name.clone(), vault);
                }
                self.open_vault(name).await?;
            }
            let mut path = path.clone();
            while !self.spots.contains_key(&path) {
                let parent = RecordPath {
                    vault: path.vault.clone(),
                    folders: path.folders[..path.folders.len().saturating_sub(1)].to_vec(),
                };
                let top = path.folders.is_empty();
                if !missing.entry(path.folders.len()).or_default().insert(path) || top {
                    break;
                }
                path = parent;
            }
        }
        let kind = if missing.contains_key(&0) { self.kind().await? } else { Arc::default() };
        for paths in missing.into_values() {
            let kind = &kind;
            let writer = &self.writer;
            let spots = &self.spots;
            let made = paths.into_iter().map(async |path| {
                let (spot, new) = match path.folders.split_last() {
                    None => writer.create_vault(path.vault.as_deref().unwrap_or_default(), kind).await?,
                    Some((name, above)) => {
                        let above = RecordPath { vault: path.vault.clone(), folders: above.to_vec() };
                        let parent = spots.get(&above).ok_or_else(|| {
                            Error::new(ErrorKind::Internal, "a folder was to be made before its parent")
                        })?;
                        writer.create_folder(parent, name).await?
                    }
                };
                Ok((path, spot, new))
            });
            let made = made.collect::<Vec<_>>();
            // Also after a failure: what was sent is to be known.
            let made: Vec<Result<_>> = stream::iter(made).buffered(AT_ONCE).collect().await;
            for made in made {
                let (path, spot, new) = made?;
                self.spots.insert(path, spot);
                self.folders_created += u64::from(new);
            }
        }
        Ok(())
    }

    fn spot(&self, path: &RecordPath) -> Result<&Spot> {
        self.spots.get(path).ok_or_else(|| Error::new(ErrorKind::Internal, "a place was not made"))
    }

    /// A place that may take secrets.
    fn writable(&self, path: &RecordPath) -> Result<&Spot> {
        let spot = self.spot(path)?;
        if spot.key.is_some() || self.allow_unencrypted {
            return Ok(spot);
        }
        let environment = &self.writer.environment;
        Err(if environment.must_encrypt() {
            environment.downgraded(&format!("the vault of {path}"))
        } else {
            unencrypted(path)
        })
    }

    pub(crate) async fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.make([path]).await
    }

    /// What the source's next record is in the sink; `None` where the environment does not make each thing once. Asked for
    /// every record, also for those that are there already.
    pub(crate) fn identity(&mut self, record: &Record, digest: &RecordDigest) -> Option<Identity> {
        self.identities.as_mut().map(|identities| identities.next(record, digest))
    }

    /// Finds or makes the places of records, then starts to encrypt and create them on a task of
    /// its own; it ends with one result for each record, in order. `identities` are as many as the records, or none.
    pub(crate) async fn start(
        &mut self,
        records: Vec<Record>,
        identities: Vec<Identity>,
    ) -> Result<Creation> {
        self.make(records.iter().map(|record| &record.path)).await?;
        let mut spots = Vec::with_capacity(records.len());
        for record in &records {
            spots.push(self.writable(&record.path)?.clone());
        }
        let writer = self.writer.clone();
        Ok(tokio::spawn(async move {
            let marks = writer.environment.marks();
            let drafts = blocking(move || encrypt(records, &spots, marks)).await??;
            writer.create_items(drafts, &identities).await
        }))
    }

    /// Overwrites an item's fields under its own record key; attachments that are there stay.
    pub(crate) async fn update(
        &mut self,
        id: &str,
        record: &Record,
        identity: Option<&Identity>,
    ) -> Result<()> {
        self.make([&record.path]).await?;
        self.writer.update(id, record, identity, self.writable(&record.path)?).await
    }

    /// Looks, where this job's records stand, for items that neither were there before nor were made by this job, which
    /// made `created`, nor by another run of the same source. Those that a network delivered twice go to the bin.
    pub(crate) async fn meanwhile(&self, created: u64, scope: &Scope) -> Result<Meanwhile> {
        let mut came = Meanwhile::default();
        if let Some(crew) = &self.writer.crew {
            crew.end().await;
        }
        let Writer { environment, job: Some(job), before, .. } = &*self.writer else { return Ok(came) };
        if created == 0 {
            return Ok(came);
        }
        came.vaults = self.second_vaults(scope).await?;
        let places = scope.in_environment(environment).await?;
        let mut fresh = 0;
        for (vault, spots) in &places {
            for item in spots.list(environment.client(), vault).await?.read()? {
                let item = item?;
                fresh += u64::from(spots.hold(item.folder_id.as_deref()) && !before.holds(&item.id));
            }
        }
        let there = self.writer.there().clone();
        // The usual case: everything that is there is accounted for, and nothing need be fetched.
        if fresh <= created + there.len() as u64 {
            return Ok(came);
        }
        let mut known = tokio::task::block_in_place(|| job.created_ids())?;
        known.extend(there);
        let known = |id: &str| before.holds(id) || known.contains(id);
        let strangers = lost_answers::strangers(environment, Some(job), &places, known).await?;
        came.items = strangers.iter().map(|stranger| stranger.id.clone()).collect();
        let removed = lost_answers::remove_doubles(job, environment, strangers).await?;
        came.items.retain(|id| !removed.contains(id));
        came.doubles = removed.len();
        Ok(came)
    }

    /// Vaults that have the name of one that this job writes to, were not there when it began, and are not that one: two runs
    /// that both find no vault of a name each make one.
    async fn second_vaults(&self, scope: &Scope) -> Result<HashSet<String>> {
        let written_to: HashSet<&str> = self.spots.values().map(|spot| spot.vault_id.as_str()).collect();
        let is_second = |vault: &Vault| {
            let is_named = |name: &str| scope.names_vault(name);
            let name = vault.name.as_str();
            !self.at_first.contains(&vault.id)
                && !written_to.contains(vault.id.as_str())
                && (is_named(name) || is_named(&names::canonical(name)) || is_named(&names::decomposed(name)))
        };
        let vaults = self.writer.client().vaults().await?.into_iter();
        Ok(vaults.filter(is_second).map(|vault| vault.id).collect())
    }
}

/// What came in while a job wrote, and not by the job.
#[derive(Default)]
pub(crate) struct Meanwhile {
    /// Records that were delivered twice, and lie in the bin now.
    pub doubles: usize,
    /// Items where the job's records stand.
    pub items: HashSet<String>,
    /// Vaults of the same names.
    pub vaults: HashSet<String>,
}

impl Writer {
    /// What a worker sends with: all that it needs to know of the sink stands in what it sends.
    pub(crate) fn of_worker(environment: Arc<Environment>, job: Job) -> Self {
        let (before, there) = (Before::default(), Mutex::default());
        Self { environment, job: Some(job), before, keys: None, there, crew: None }
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    fn client(&self) -> &Client {
        self.environment.client()
    }

    fn there(&self) -> MutexGuard<'_, HashSet<String>> {
        // A set of ids is whole whatever happened to who held it.
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces, sends, and settles what was left open; one result for each draft.
    async fn create_items(
        &self,
        drafts: Vec<ItemDraft>,
        identities: &[Identity],
    ) -> Result<Vec<Result<Made>>> {
        let mut keys: Vec<OnceKey> = match &self.keys {
            Some(keys) if identities.len() == drafts.len() => {
                let key = |(draft, identity): (&ItemDraft, &Identity)| {
                    key_of(keys, draft, identity, identity.number)
                };
                drafts.iter().zip(identities).map(key).collect()
            }
            _ => Vec::new(),
        };
        let (drafts, numbers, mut results) = if let (Some(crew), Some(job)) = (&self.crew, &self.job) {
            let under = keys.clone();
            let (drafts, (chunk, numbers)) = self
                .journal(move |job| {
                    let job = job.ok_or_else(|| Error::new(ErrorKind::Internal, "workers without a job"))?;
                    let offered = job.offer(&drafts, &under)?;
                    Ok((drafts, offered))
                })
                .await?;
            let results = crew.outcome(job, chunk).await?;
            if results.len() != drafts.len() {
                return Err(Error::new(ErrorKind::Internal, "a chunk came back with other records"));
            }
            (drafts, numbers, results)
        } else {
            let (drafts, numbers) = self
                .journal(move |job| {
                    let numbers = job.map(|job| job.intend(&drafts)).transpose()?;
                    Ok((drafts, numbers.unwrap_or_default()))
                })
                .await?;
            let results = self.deliver(&drafts, &keys, &numbers, None).await?;
            (drafts, numbers, results)
        };
        self.another_identity(&drafts, identities, &mut keys, &numbers, &mut results).await?;
        self.settle_open((&drafts, &keys, &numbers), None, &mut results, Instant::now()).await?;
        self.own_after_all(&mut results).await?;
        let outcomes: Vec<(i64, Option<String>)> = numbers
            .into_iter()
            .zip(&results)
            .filter_map(|(number, result)| match result {
                Ok(Made::New(id)) => Some((number, Some(id.clone()))),
                Err(error) if lost_answers::is_open(error) => None,
                Ok(Made::There(_)) | Err(_) => Some((number, None)),
            })
            .collect();
        self.journal(move |job| {
            let outcomes: Vec<_> = outcomes.iter().map(|(number, id)| (*number, id.as_deref())).collect();
            job.map_or(Ok(()), |job| job.settle(&outcomes))
        })
        .await?;
        Ok(results)
    }

    /// Sends what is announced, and settles what was left open. What may have been `sent_before` is looked for first, where
    /// sending it again could make it twice.
    async fn deliver(
        &self,
        drafts: &[ItemDraft],
        keys: &[OnceKey],
        numbers: &[i64],
        held: Option<Held>,
    ) -> Result<Vec<Result<Made>>> {
        let sent = Instant::now();
        let sent_before = held.is_some_and(|held| held.fence > 1);
        let mut results = if sent_before && keys.is_empty() {
            let open = || Err(Error::new(ErrorKind::Unanswered, "another worker may have sent it"));
            drafts.iter().map(|_| open()).collect()
        } else {
            self.client().create_items_once(drafts, keys).await
        };
        self.refuse_known(&mut results);
        crash::point("after request");
        self.settle_open((drafts, keys, numbers), held, &mut results, sent).await?;
        Ok(results)
    }

    /// What is new has an id that nothing else has. Where an answer says otherwise, it is looked for what came of it.
    fn refuse_known(&self, results: &mut [Result<Made>]) {
        let mut seen = HashSet::new();
        for result in results {
            if let Ok(Made::New(id)) = result
                && (self.before.holds(id) || !seen.insert(id.clone()))
            {
                let what = format!("a new record was answered with the id of another: {id}");
                *result = Err(Error::new(ErrorKind::Protocol, what).next_step(
                    "what was written may not be known to this job: keyferry verify compares, and names what is there",
                ));
            }
        }
    }

    /// Settles what was left open, and sends again what had no effect.
    async fn settle_open(
        &self,
        (drafts, keys, numbers): (&[ItemDraft], &[OnceKey], &[i64]),
        held: Option<Held>,
        results: &mut [Result<Made>],
        mut sent: Instant,
    ) -> Result<()> {
        for round in 1..ROUNDS {
            let open: Vec<usize> = (0..results.len())
                .filter(|index| matches!(&results[*index], Err(error) if lost_answers::is_open(error)))
                .collect();
            if open.is_empty() {
                break;
            }
            // Under its key the same request is answered as the first time, and what comes late has no effect.
            let lost = if keys.is_empty() {
                self.wait(sent, open.iter().filter_map(|index| results[*index].as_ref().err())).await;
                self.find(drafts, open, results).await?
            } else {
                open
            };
            if lost.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1 << round)).await;
            let again: Vec<i64> = lost.iter().filter_map(|index| numbers.get(*index)).copied().collect();
            let goes = self.journal(move |job| job.map_or(Ok(true), |job| job.intend_again(&again, held)));
            if !goes.await? {
                // Whoever has the chunk now sends it, or has settled what was sent.
                break;
            }
            sent = Instant::now();
            self.send_again(drafts, keys, lost, results).await;
        }
        Ok(())
    }

    async fn send_again(
        &self,
        drafts: &[ItemDraft],
        keys: &[OnceKey],
        which: Vec<usize>,
        results: &mut [Result<Made>],
    ) {
        let anew: Vec<ItemDraft> = which.iter().map(|index| drafts[*index].clone()).collect();
        let under: Vec<OnceKey> = which.iter().filter_map(|index| keys.get(*index)).cloned().collect();
        for (index, result) in which.into_iter().zip(self.client().create_items_once(&anew, &under).await) {
            results[index] = result;
        }
        self.refuse_known(results);
    }

    /// Sends anew, as another of those alike, what was answered with an item that the plan had counted: it is one of the
    /// others. From its own number down, so that runs that found different numbers of them there agree.
    async fn another_identity(
        &self,
        drafts: &[ItemDraft],
        identities: &[Identity],
        keys: &mut [OnceKey],
        sent: &[i64],
        results: &mut [Result<Made>],
    ) -> Result<()> {
        let Some(own) = &self.keys else { return Ok(()) };
        let mut numbers: Vec<Option<u32>> = identities.iter().map(|identity| Some(identity.number)).collect();
        loop {
            let counted = |made: &Result<Made>| matches!(made, Ok(Made::There(id)) if self.before.holds(id));
            let mut which: Vec<usize> =
                (0..results.len().min(identities.len())).filter(|index| counted(&results[*index])).collect();
            // Nobody else can have sent what went under a key that nothing else has.
            which.retain(|index| {
                if numbers[*index].is_none() {
                    results[*index] = Err(made_before_it_was_sent());
                }
                numbers[*index].is_some()
            });
            if which.is_empty() {
                return Ok(());
            }
            for index in &which {
                let next = numbers[*index].and_then(|number| number.checked_sub(1));
                keys[*index] = match next {
                    Some(number) => key_of(own, &drafts[*index], &identities[*index], number),
                    None => own.fresh()?,
                };
                numbers[*index] = next;
            }
            let again: Vec<i64> = which.iter().filter_map(|index| sent.get(*index)).copied().collect();
            self.journal(move |job| job.map_or(Ok(true), |job| job.intend_again(&again, None))).await?;
            self.send_again(drafts, keys, which, results).await;
        }
    }

    /// What was there already may be what an earlier run of this job had sent: then it is the job's own. Remembers the rest
    /// as another run's.
    async fn own_after_all(&self, results: &mut [Result<Made>]) -> Result<()> {
        let there: Vec<String> = results
            .iter()
            .filter_map(|made| match made {
                Ok(Made::There(id)) => Some(id.clone()),
                _ => None,
            })
            .collect();
        if there.is_empty() {
            return Ok(());
        }
        let mut marks = HashMap::new();
        if self.journal(|job| job.map_or(Ok(false), Job::has_sent_in_vain)).await? {
            for (id, item) in there.iter().zip(self.client().items(&there).await) {
                if let Some(mark) = item.ok().and_then(|item| wrapped_key_hash(item.key_encrypted.as_deref()))
                {
                    marks.insert(id.clone(), mark);
                }
            }
        }
        let own = self.journal(move |job| job.map_or(Ok(HashSet::new()), |job| job.adopt(&marks))).await?;
        let mut others = self.there();
        for made in results.iter_mut().flatten() {
            if let Made::There(id) = made {
                if own.contains(id) {
                    *made = Made::New(std::mem::take(id));
                } else {
                    others.insert(id.clone());
                }
            }
        }
        Ok(())
    }

    /// Puts in the ids of those drafts that the environment holds; answers the others.
    async fn find(
        &self,
        drafts: &[ItemDraft],
        open: Vec<usize>,
        results: &mut [Result<Made>],
    ) -> Result<Vec<usize>> {
        let mut places: HashMap<String, Spots> = HashMap::new();
        for draft in open.iter().map(|index| &drafts[*index]) {
            let vault = draft.vault_id.clone().unwrap_or_default();
            places.entry(vault).or_default().add(draft.folder_id.as_deref());
        }
        let mut known = match &self.job {
            Some(_) => self.journal(|job| job.map_or(Ok(HashSet::new()), Job::created_ids)).await?,
            None => HashSet::new(),
        };
        known.extend(results.iter().flatten().map(|made| made.id().to_owned()));
        let mut marks: HashMap<Mark, Vec<usize>> = HashMap::new();
        for index in &open {
            marks.entry(lost_answers::mark_of_draft(&drafts[*index])).or_default().push(*index);
        }
        let known = |id: &str| self.before.holds(id) || known.contains(id);
        for found in lost_answers::strangers(&self.environment, None, &places, known).await? {
            if let Some(index) = marks.get_mut(&found.mark).and_then(Vec::pop) {
                results[index] = Ok(Made::New(found.id));
            }
        }
        let mut lost: Vec<usize> = marks.into_values().flatten().collect();
        lost.sort_unstable();
        Ok(lost)
    }

    /// Gives the environment the time in which it may yet act.
    async fn wait(&self, sent: Instant, errors: impl Iterator<Item = &Error>) {
        if errors.into_iter().any(lost_answers::may_yet_act) {
            let timeout = self.client().request_timeout();
            tokio::time::sleep(timeout.saturating_sub(sent.elapsed())).await;
        }
    }

    /// Runs journal work, which waits for the disk, where waiting is allowed.
    async fn journal<T: Send + 'static>(
        &self,
        work: impl FnOnce(Option<&Job>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        in_journal(self.job.clone(), work).await
    }

    /// Sends one creation of a vault or folder, and again where it was lost without effect.
    async fn create_place<F: Future<Output = Result<Made>>>(
        &self,
        create: impl Fn() -> F,
        find: impl AsyncFn() -> Result<Option<String>>,
    ) -> Result<Made> {
        let mut round = 1;
        loop {
            let sent = Instant::now();
            let error = match create().await {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            if !lost_answers::is_open(&error) || round == ROUNDS {
                return Err(error);
            }
            // Under its key the same request is answered as the first time.
            if self.keys.is_none() {
                self.wait(sent, [&error].into_iter()).await;
                if let Some(id) = find().await? {
                    return Ok(Made::New(id));
                }
            }
            tokio::time::sleep(Duration::from_secs(1 << round)).await;
            round += 1;
        }
    }

    /// Makes a folder; says whether it was this run that did.
    async fn create_folder(&self, parent: &Spot, name: &str) -> Result<(Spot, bool)> {
        let folder = &NewFolder {
            name: name.to_owned(),
            vault_id: parent.vault_id.clone(),
            parent_folder_id: parent.folder_id.clone(),
            color: None,
        };
        let what = Intended::Folder {
            name: name.to_owned(),
            vault: folder.vault_id.clone(),
            parent: folder.parent_folder_id.clone(),
        };
        let intended = what.clone();
        let number = self.journal(move |job| job.map(|job| job.intend_place(&intended)).transpose()).await?;
        let find = async || {
            let folders = self.client().folders(Some(&folder.vault_id)).await?;
            Ok(folders.into_iter().find(|one| what.is_folder(one)).map(|one| one.id))
        };
        let key = self
            .keys
            .as_ref()
            .map(|keys| keys.folder(&folder.vault_id, folder.parent_folder_id.as_deref(), name));
        let create = async || match &key {
            Some(key) => self.client().create_folder_once(folder, key).await,
            None => self.client().create_folder(folder).await.map(Made::New),
        };
        let made = self.create_place(create, find).await?;
        crash::point("after place request");
        if let Made::There(id) = &made {
            let folders = self.client().folders(Some(&folder.vault_id)).await?;
            if !folders.iter().any(|one| one.id == *id && what.is_folder(one)) {
                return Err(taken_elsewhere("folder", name));
            }
        }
        self.place_made(number, folder.vault_id.clone(), Some(&made), &made).await?;
        let (new, id) = (matches!(made, Made::New(_)), made.id().to_owned());
        Ok((Spot { folder_id: Some(id), ..parent.clone() }, new))
    }

    /// Writes down what came of a vault or folder that was asked for. What another run had made is not this job's.
    async fn place_made(
        &self,
        number: Option<i64>,
        vault: String,
        folder: Option<&Made>,
        made: &Made,
    ) -> Result<()> {
        let (new, folder) = (matches!(made, Made::New(_)), folder.map(|made| made.id().to_owned()));
        self.journal(move |job| match (job, number) {
            (Some(job), Some(number)) if new => job.place_made(number, &vault, folder.as_deref()),
            (Some(job), Some(number)) => job.place_was_there(number),
            _ => Ok(()),
        })
        .await
    }

    /// Makes a vault; says whether it was this run that did.
    async fn create_vault(&self, name: &str, kind: &VaultKind) -> Result<(Spot, bool)> {
        let environment = &self.environment;
        let mut vault = NewVault { name: name.to_owned(), ..NewVault::default() };
        let mut key = None;
        if environment.encrypts() {
            let fresh = generate::key()?;
            let salt = generate::salt(generate::VAULT_SALT_CHARACTERS)?;
            vault.master_key_hash = Some(vault_key_hash(&fresh, &salt));
            vault.master_key_encrypted = Some(environment.keychain()?.public().strong()?.wrap(&fresh)?);
            vault.salt = Some(salt);
            key = Some(Arc::new(fresh));
        }
        vault.type_id.clone_from(&kind.type_id);
        if let Some(key) = key.as_deref() {
            for (whom, public) in &kind.others {
                vault.administrators_keys.insert(whom.id.clone(), public.strong()?.wrap(key)?);
            }
            if let Some(own) = &kind.own {
                let wrapped = environment.keychain()?.public().strong()?.wrap(key)?;
                vault.administrators_keys.insert(own.clone(), wrapped);
            }
        }
        let what = Intended::Vault { name: name.to_owned(), key_hash: vault.master_key_hash.clone() };
        let intended = what.clone();
        let number = self.journal(move |job| job.map(|job| job.intend_place(&intended)).transpose()).await?;
        let find = async || {
            let vaults = self.client().vaults().await?;
            Ok(vaults.into_iter().find(|one| what.is_vault(one)).map(|one| one.id))
        };
        let once = self.keys.as_ref().map(|keys| keys.vault(name));
        let create = async || match &once {
            Some(once) => self.client().create_vault_once(&vault, once).await,
            None => self.client().create_vault(&vault).await.map(Made::New),
        };
        let made = self.create_place(create, find).await?;
        crash::point("after place request");
        let vault_id = made.id().to_owned();
        match &made {
            Made::New(id) => {
                if let Some(memory) = self.environment.memory() {
                    memory.own_vault(id, name, key.as_deref())?;
                }
            }
            Made::There(id) => {
                // Another run's, seen for the first time like any vault that is there.
                let vaults = self.client().vaults().await?;
                let found = vaults.into_iter().find(|one| one.id == *id && one.name == name);
                let found = found.ok_or_else(|| taken_elsewhere("vault", name))?;
                if let Some(stranger) = environment.strangers([&found])?.remove(id) {
                    return Err(stranger);
                }
                key = environment.vault_key(&found)?;
                if let Some(key) = key.as_deref() {
                    one_opens(environment, id, key).await?;
                }
                environment.pin_vault(id, key.as_deref())?;
            }
        }
        self.place_made(number, vault_id.clone(), None, &made).await?;
        Ok((Spot { vault_id, folder_id: None, key }, matches!(made, Made::New(_))))
    }

    /// The kind that the environment names first, and the public keys of its administrators: its word alone.
    async fn kind_of_vaults(&self) -> Result<VaultKind> {
        let (client, environment) = (self.client(), &self.environment);
        let mut found = VaultKind::default();
        if !client.features().await?.iter().any(|feature| feature.name == "vaultType") {
            return Ok(found);
        }
        let Some(kind) = client.vault_types().await?.into_iter().next() else { return Ok(found) };
        if environment.encrypts() {
            let own = client.user_info().await?.id;
            for administrator in client.vault_type_administrators(&kind.id).await? {
                let Some(pem) = administrator.public_key else { continue };
                if administrator.id != own {
                    let name = administrator.full_name.or(administrator.username);
                    found.others.push(recipients::recipient(administrator.id, name, &pem)?);
                } else if PublicKey::from_pem(&pem)?.fingerprint()?
                    == environment.public_key()?.fingerprint()?
                {
                    found.own = Some(own.clone());
                } else {
                    return Err(Error::new(
                        ErrorKind::NotAllowed,
                        "the environment shows another public key for this user than the private key's",
                    )
                    .next_step("do not trust this environment before its administrator has explained it"));
                }
            }
        }
        found.type_id = Some(kind.id);
        Ok(found)
    }

    async fn update(
        &self,
        id: &str,
        record: &Record,
        identity: Option<&Identity>,
        spot: &Spot,
    ) -> Result<()> {
        let mut round = 1;
        loop {
            let sent = Instant::now();
            // Each round looks at the item anew, so what was added before is not added again.
            let error = match self.update_once(id, record, identity, spot).await {
                Err(error) if lost_answers::is_open(&error) && round < ROUNDS => error,
                other => return other,
            };
            self.wait(sent, [&error].into_iter()).await;
            tokio::time::sleep(Duration::from_secs(1 << round)).await;
            round += 1;
        }
    }

    async fn update_once(
        &self,
        id: &str,
        record: &Record,
        identity: Option<&Identity>,
        spot: &Spot,
    ) -> Result<()> {
        let client = self.client();
        let item = client.item(id).await?;
        if let Some(memory) = self.environment.memory() {
            memory.keeps_its_key(&item)?;
            // What is written would go under another record's key, which others may have.
            tokio::task::block_in_place(|| memory.exchanged([&item]))?;
        }
        let mut draft = changes(&item, record, spot, self.environment.marks())?;
        let mut held = HashSet::new();
        for info in &item.attachments {
            held.insert((info.name.clone(), client.attachment(id, &info.id).await?.hash));
        }
        if let Some(new) = &mut draft.attachments {
            new.retain(|one| !held.contains(&(one.name.clone(), one.hash.clone())));
        }
        let key = match (&self.keys, identity, item.revision) {
            (Some(keys), Some(identity), Some(revision)) => Some(keys.change(id, revision, identity)),
            _ => None,
        };
        let (draft, number) = self
            .journal(move |job| {
                let number = job.map(|job| job.intend_update(&item, &draft)).transpose()?;
                Ok((draft, number))
            })
            .await?;
        let own = match &key {
            Some(key) => client.patch_item_once(id, &draft, key).await,
            None => client.patch_item(id, &draft).await.map(|()| true),
        };
        let own = match own {
            Err(error) if error.kind() == ErrorKind::Refused => {
                self.journal(move |job| match (job, number) {
                    (Some(job), Some(number)) => job.not_updated(number),
                    _ => Ok(()),
                })
                .await?;
                return Err(error);
            }
            other => other?,
        };
        crash::point("after request");
        self.journal(move |job| match (job, number) {
            (Some(job), Some(number)) if own => job.updated(number),
            (Some(job), Some(number)) => job.not_updated(number),
            _ => Ok(()),
        })
        .await
    }
}

/// The key of a draft as the `number`-th of those alike.
fn key_of(keys: &Keys, draft: &ItemDraft, identity: &Identity, number: u32) -> OnceKey {
    keys.item(draft.vault_id.as_deref().unwrap_or_default(), draft.folder_id.as_deref(), identity, number)
}

fn made_before_it_was_sent() -> Error {
    // No protocol error, which would be looked into by sending once more.
    Error::new(ErrorKind::Conflict, "the environment says that a request which nobody sent before was made by another run")
        .next_step("its idempotency keys cannot be relied on: ask its administrator; keyferry verify compares what is there")
}

fn taken_elsewhere(what: &str, name: &str) -> Error {
    let what = format!("the environment says that another run made the {what} {name}, and does not list it");
    Error::new(ErrorKind::Protocol, what).next_step("run the same command again")
}

/// Runs journal work, which waits for the disk, where waiting is allowed.
pub(crate) async fn in_journal<T: Send + 'static>(
    job: Option<Job>,
    work: impl FnOnce(Option<&Job>) -> Result<T> + Send + 'static,
) -> Result<T> {
    blocking(move || work(job.as_ref())).await?
}

/// Looks at vaults whose keys are seen for the first time, before anything is written there: see [`one_opens`]. At those
/// that `named` takes by name, which it answers: what is not looked at is neither pinned nor written to.
pub(crate) async fn prove_new_keys(
    environment: &Environment,
    named: impl Fn(&str) -> bool,
) -> Result<Vec<Vault>> {
    let vaults = environment.client().vaults().await?;
    // In any spelling: one that is only equivalent would have the job make a vault of that name anew.
    let is_named = |vault: &Vault| {
        let name = vault.name.as_str();
        named(name) || named(&names::canonical(name)) || named(&names::decomposed(name))
    };
    let mut vaults = environment.without_strangers(vaults, is_named)?;
    vaults.retain(|vault| named(&vault.name));
    for vault in &vaults {
        if !environment.knows_vault(&vault.id)?
            && let Some(key) = environment.unpinned_vault_key(vault).map_err(contradicted)?
        {
            one_opens(environment, &vault.id, &key).await?;
        }
    }
    Ok(vaults)
}

/// Makes sure that a vault's key, seen for the first time, opens one of the records that are there: a key that the server
/// made up does not.
pub(crate) async fn one_opens(environment: &Environment, vault_id: &str, key: &SecretString) -> Result<()> {
    let mut sealed = false;
    for place in environment.client().first_items::<LOOKED_AT>(vault_id).await? {
        let item = environment.client().item(&place.id).await?;
        match record::record_key(&item, Protection::VaultKey(key)) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(_) => sealed = true,
        }
    }
    if !sealed {
        // Nothing there tells the vault's key from one that the server made up.
        let what = format!(
            "vault {vault_id} was not made here, holds nothing yet, and its key is seen for the first time: {} is believed",
            environment.label()
        );
        environment.tell_once(vault_id.to_owned(), &what);
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotAllowed,
        format!("the key that the server shows for vault {vault_id} opens none of the records in it"),
    )
    .next_step("nothing was written: keyferry fsck looks at the whole environment"))
}

/// What turns an item into a record: every field said, under the item's own record key.
fn changes(item: &Item, record: &Record, spot: &Spot, marks: Marks) -> Result<ItemDraft> {
    let key = record::record_key(item, protection(spot))?;
    let (key, wrapped) = match (key, &spot.key) {
        (None, Some(vault_key)) => {
            let fresh = generate::key()?;
            let wrapped = envelope::encrypt_text(fresh.expose(), vault_key)?;
            (Some(fresh), wrapped)
        }
        (key, _) => (key, item.key_encrypted.clone().unwrap_or_default()),
    };
    let mut draft = record::encrypt_under(record, key.as_ref(), wrapped, marks)?;
    draft.vault_id = Some(spot.vault_id.clone());
    // A member left out keeps its old value, so what is now empty is said.
    for (member, text) in [
        (&mut draft.login, &record.login),
        (&mut draft.url, &record.url),
        (&mut draft.description, &record.description),
    ] {
        *member = Some(text.clone());
    }
    draft.color = Some(record.color.unwrap_or_default());
    draft.is_favorite = Some(record.favorite);
    Ok(draft)
}

/// Records on their way: one result for each, in order.
pub(crate) type Creation = tokio::task::JoinHandle<Result<Vec<Result<Made>>>>;

fn encrypt(records: Vec<Record>, spots: &[Spot], marks: Marks) -> Result<Vec<ItemDraft>> {
    let protection = |spot| match protection(spot) {
        Protection::VaultKey(key) if marks != Marks::Free => Protection::Marked(key),
        protection => protection,
    };
    let paired: Vec<_> =
        records.into_iter().zip(spots).map(|(record, spot)| (record, protection(spot))).collect();
    let placed = bulk::encrypt(&paired).into_iter().zip(spots).map(|(draft, spot)| {
        let mut draft = draft?;
        draft.vault_id = Some(spot.vault_id.clone());
        draft.folder_id.clone_from(&spot.folder_id);
        Ok(draft)
    });
    placed.collect()
}

fn protection(spot: &Spot) -> Protection<'_> {
    spot.key.as_deref().map_or(Protection::Unencrypted, Protection::VaultKey)
}

fn unencrypted(path: &RecordPath) -> Error {
    Error::new(ErrorKind::NotAllowed, format!("{path} is not encrypted by clients, but the source is"))
        .next_step("add --allow-unencrypted-target if the server may read these secrets")
}
