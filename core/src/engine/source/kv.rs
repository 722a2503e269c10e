//! A server of HashiCorp Vault or OpenBao as a source: its mounts, folder by folder, each secret a record.
//!
//! A record stands below its mount, and that below the namespaces that lead to it, so that the first of these names is its vault.
//! What the token may not list or read is rejected by its path; what was deleted is named; and what a server should not answer
//! (a name that leads elsewhere, folders without end) stops nothing else.

use crate::client::kv::{Answer, Mount, Server, can_be_asked_for};
use crate::engine::source::seen::Seen;
use crate::engine::source::{CHUNK_BYTES, CHUNK_RECORDS, wanted, whole_path};
use crate::error::{Error, ErrorKind, Position, Result};
use crate::formats::KvAnswers;
use crate::model::{Entry, RecordPath, Reject};
use futures_util::stream::{self, StreamExt as _};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// Folders in folders, and namespaces in namespaces, beyond this are no one's tree.
const DEEPEST: usize = 128;
/// More secrets are in no server of its kind.
const MOST_SECRETS: usize = 10_000_000;
/// Secrets that are asked for at once: the pace of the server's own answers limits them further.
const AT_ONCE: usize = 16;
/// Names that one note lists.
const MOST_NAMED: usize = 100;

/// A folder that is still to be listed.
struct Folder {
    namespace: Vec<String>,
    mount: Arc<Mount>,
    /// Within the mount.
    names: Vec<String>,
}

/// A reading of a server.
struct Walk<'a> {
    server: &'a Server,
    seen: &'a Seen,
    to: &'a Sender<Result<Vec<Entry>>>,
    answers: KvAnswers,
    chunk: Vec<Entry>,
    weight: usize,
    found: usize,
    taken: u64,
    deleted: Vec<String>,
    not_listed: Vec<String>,
    others: Vec<String>,
    not_known: Vec<String>,
}

/// Whoever listened is gone: there is nobody to tell.
struct Gone;

/// What stops a reading.
enum Stop {
    Gone,
    Failed(Error),
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Stop::Gone
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

/// Sends what the filter takes; answers how many records that were.
pub(crate) async fn read(server: &Server, seen: &Seen, to: &Sender<Result<Vec<Entry>>>) -> Result<u64> {
    let mut walk = Walk {
        server,
        seen,
        to,
        answers: KvAnswers::default(),
        chunk: Vec::new(),
        weight: 0,
        found: 0,
        taken: 0,
        deleted: Vec::new(),
        not_listed: Vec::new(),
        others: Vec::new(),
        not_known: Vec::new(),
    };
    match walk.run().await {
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Gone) => return Ok(walk.taken),
        Ok(()) => {}
    }
    let Walk { answers, mut chunk, taken, deleted, not_listed, others, not_known, .. } = walk;
    let note = |names: Vec<String>, what: &str| {
        let more = names.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let listed = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| Entry::Note(format!("{what}: {listed}{more}")))
    };
    chunk.extend(note(
        deleted,
        "the newest version was deleted, so nothing is read of it; older ones stay behind",
    ));
    chunk.extend(note(
        not_listed,
        "the token may not list the namespaces below, so only what stands here itself is read",
    ));
    chunk.extend(note(others, "engines of other kinds hold no records"));
    chunk.extend(note(not_known, "the token may not see"));
    chunk.extend(answers.finish());
    let _ = to.send(Ok(chunk)).await;
    Ok(taken)
}

impl Walk<'_> {
    async fn run(&mut self) -> Result<(), Stop> {
        let address = self.server.address().clone();
        let (namespace, path) = (address.namespace, address.path);
        if path.is_empty() {
            return self.namespaces(namespace).await;
        }
        let mount = match address.mounted {
            Some((path, version)) => Mount { path, version },
            None => self.server.mount_of(&namespace, &path).await?,
        };
        let names = path.get(mount.path.len()..).unwrap_or_default().to_vec();
        let start = Folder { namespace, mount: Arc::new(mount), names };
        let before = self.found;
        let listed = self.folder(&start).await;
        // What was named may be a secret, or a secret and a folder.
        let mut is_there = self.found > before;
        if !start.names.is_empty() {
            is_there |= self.named(&start, is_there || listed.is_err()).await?;
        }
        let below = match listed {
            Ok(below) => below,
            Err(Stop::Failed(error)) if error.kind() == ErrorKind::NotAllowed && is_there => {
                self.not_known.push(format!("what stands below {}", shown(&start, &[])));
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        if !is_there && below.is_empty() && !start.names.is_empty() {
            return Err(Stop::Failed(
                Error::new(
                    ErrorKind::NotFound,
                    format!("there is no secret and no folder at {}", shown(&start, &[])),
                )
                .next_step("check the path; a folder of a server of secrets is gone with its last secret"),
            ));
        }
        self.folders(below).await
    }

    /// What stands in a namespace, and in those below it.
    async fn namespaces(&mut self, first: Vec<String>) -> Result<(), Stop> {
        let depth = first.len();
        let (mut open, mut mounts) = (vec![first], 0);
        while let Some(namespace) = open.pop() {
            let is_first = namespace.len() == depth;
            match self.server.mounts(&namespace).await {
                Ok(found) => {
                    self.others.extend(found.others.iter().map(|other| joined(&namespace, other)));
                    for mount in found.kv {
                        mounts += 1;
                        let place: RecordPath =
                            namespace.iter().skip(depth).chain(&mount.path).cloned().collect();
                        place.vault.iter().for_each(|vault| self.seen.vault(vault));
                        if place.vault.as_deref().is_some_and(|vault| !self.seen.filter().takes_vault(vault))
                        {
                            continue;
                        }
                        let folder = Folder {
                            namespace: namespace.clone(),
                            mount: Arc::new(mount),
                            names: Vec::new(),
                        };
                        self.folders(vec![folder]).await?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotAllowed && !is_first => {
                    self.reject(&joined(&namespace, ""), String::new(), error.what()).await?;
                }
                Err(error) => return Err(error.into()),
            }
            match self.server.namespaces(&namespace).await {
                Ok(None) => {}
                Ok(Some(below)) => {
                    for name in below.iter().rev() {
                        let name = name.trim_end_matches('/');
                        if !can_be_asked_for(name) || namespace.len() >= depth + DEEPEST {
                            self.reject(
                                &joined(&namespace, ""),
                                String::new(),
                                "a namespace in it cannot be asked for",
                            )
                            .await?;
                            continue;
                        }
                        open.push(namespace.iter().cloned().chain([name.to_owned()]).collect());
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotAllowed => {
                    self.not_listed.push(joined(&namespace, ""));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if mounts == 0 {
            return Err(Stop::Failed(
                Error::new(ErrorKind::NotFound, "the token sees no engine of key and value").next_step(
                    "check the token's policies and the namespace, or name a mount: vault://HOST:PORT/MOUNT",
                ),
            ));
        }
        Ok(())
    }

    /// Folders and all below them, in the order of their names.
    async fn folders(&mut self, mut open: Vec<Folder>) -> Result<(), Stop> {
        open.reverse();
        while let Some(folder) = open.pop() {
            match self.folder(&folder).await {
                Ok(below) => open.extend(below.into_iter().rev()),
                Err(Stop::Failed(error)) if stays_here(&error) => {
                    let why = format!("what is in this folder is not known: {}", error.what());
                    self.reject(&shown(&folder, &[]), label(&self.place(&folder)), &why).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The secrets of a folder are read; the folders in it are answered.
    async fn folder(&mut self, folder: &Folder) -> Result<Vec<Folder>, Stop> {
        let mut names = self.server.names(&folder.namespace, &folder.mount, &folder.names).await?;
        names.sort_unstable();
        names.dedup();
        let place = self.place(folder);
        let (mut below, mut secrets) = (Vec::new(), Vec::new());
        for name in names {
            let (own, is_folder) = name.strip_suffix('/').map_or((name.as_str(), false), |own| (own, true));
            if !can_be_asked_for(own) {
                let why = "a name in it cannot be asked for, as it would lead elsewhere";
                self.reject(&shown(folder, &[]), label(&place), why).await?;
            } else if !is_folder {
                secrets.push(own.to_owned());
            } else if folder.names.len() >= DEEPEST {
                let why = format!("folders are nested more than {DEEPEST} deep");
                self.reject(&shown(folder, &[own]), label(&place), &why).await?;
            } else {
                let names = folder.names.iter().cloned().chain([own.to_owned()]).collect();
                below.push(Folder {
                    namespace: folder.namespace.clone(),
                    mount: folder.mount.clone(),
                    names,
                });
            }
        }
        self.found += secrets.len();
        if self.found > MOST_SECRETS {
            return Err(Stop::Failed(Error::new(
                ErrorKind::Input,
                "there are more than ten million secrets",
            )));
        }
        // What the filter leaves out by its place is not asked for at all.
        let (seen, filter) = (self.seen, self.seen.filter());
        secrets.retain(|name| {
            let excluding = filter.excluding(&place, Some(name));
            excluding.inspect(|number| seen.excluded(*number, 1));
            let is_wanted = excluding.is_none() && filter.takes_place(&place);
            if !is_wanted {
                seen.record(&place, &[]);
            }
            is_wanted
        });
        let server = self.server;
        let asked = secrets.into_iter().map(async |name| {
            let path: Vec<_> = folder.names.iter().cloned().chain([name.clone()]).collect();
            let answer = server.secret(&folder.namespace, &folder.mount, &path).await;
            (name, answer)
        });
        let mut answers = stream::iter(asked.collect::<Vec<_>>()).buffered(AT_ONCE);
        while let Some((name, answer)) = answers.next().await {
            let at = shown(folder, &[&name]);
            match answer {
                Ok(answer) => {
                    if !self.secret(answer, folder, &place, &name).await? {
                        self.reject(&at, label_of(&place, &name), "it vanished while it was read").await?;
                    }
                }
                Err(error) if stays_here(&error) => {
                    self.reject(&at, label_of(&place, &name), error.what()).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(below)
    }

    /// What the location names, as a secret; whether it is one. Where it is a folder as well, it may be none.
    async fn named(&mut self, at: &Folder, or_a_folder: bool) -> Result<bool, Stop> {
        let answer = self.server.secret(&at.namespace, &at.mount, &at.names).await;
        let mut above = at.names.clone();
        let Some(name) = above.pop() else { return Ok(false) };
        let above = Folder { namespace: at.namespace.clone(), mount: at.mount.clone(), names: above };
        let place = self.place(&above);
        match answer {
            Ok(answer) => self.secret(answer, &above, &place, &name).await,
            // Whether there is one is not told to whoever may not read it.
            Err(error) if error.kind() == ErrorKind::NotAllowed && or_a_folder => {
                let at = shown(at, &[]);
                match self.server.names(&above.namespace, &above.mount, &above.names).await {
                    Ok(names) if names.contains(&name) => {
                        self.reject(&at, label_of(&place, &name), error.what()).await?;
                    }
                    Ok(_) => {}
                    Err(_) => self.not_known.push(format!("whether {at} is a secret as well")),
                }
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The record of an answer; `false` where there is none, and none was deleted.
    async fn secret(
        &mut self,
        answer: Answer,
        folder: &Folder,
        place: &RecordPath,
        name: &str,
    ) -> Result<bool, Stop> {
        let at = shown(folder, &[name]);
        let read = match &answer {
            Answer::Whole(body) => {
                self.answers.record(body.expose(), folder.mount.version, place.clone(), name)
            }
            // A version that was deleted is answered as one that is not there, and with what it was.
            Answer::Gone(body) if !tells_of_a_version(body.expose()) => return Ok(false),
            Answer::Gone(_) => Ok(None),
        };
        match read {
            Ok(Some(Entry::Record(record, mut position))) => {
                position.file = Some(at.into());
                self.push(Entry::Record(record, position)).await?;
            }
            Ok(Some(Entry::Reject(mut reject))) => {
                reject.at.file = Some(at.into());
                reject.label = label_of(place, name);
                self.push(Entry::Reject(reject)).await?;
            }
            Ok(Some(other)) => self.push(other).await?,
            Ok(None) => self.deleted.push(at),
            Err(error) => self.reject(&at, label_of(place, name), error.what()).await?,
        }
        Ok(true)
    }

    async fn reject(&mut self, at: &str, label: String, why: &str) -> Result<(), Gone> {
        let at = Position { file: Some(at.into()), ..Position::default() };
        self.push(Entry::Reject(Reject { at, label, why: why.to_owned() })).await
    }

    async fn push(&mut self, entry: Entry) -> Result<(), Gone> {
        let entry = whole_path(entry);
        if !wanted(&entry, self.seen) {
            return Ok(());
        }
        if let Entry::Record(record, _) = &entry {
            self.weight += record.weight();
            self.taken += 1;
        }
        self.chunk.push(entry);
        if self.chunk.len() >= CHUNK_RECORDS || self.weight >= CHUNK_BYTES {
            self.weight = 0;
            self.to.send(Ok(std::mem::take(&mut self.chunk))).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Where the records of a folder stand: the names of namespaces below the first, of the mount and of the folder.
    fn place(&self, folder: &Folder) -> RecordPath {
        let begins = self.server.address().namespace.len();
        folder.namespace.iter().skip(begins).chain(&folder.mount.path).chain(&folder.names).cloned().collect()
    }
}

/// Whether an error concerns one path alone: the others are asked for all the same.
fn stays_here(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotAllowed
            | ErrorKind::NotFound
            | ErrorKind::Refused
            | ErrorKind::Server
            | ErrorKind::Input
    )
}

/// Whether the answer that something is not there says of which version.
fn tells_of_a_version(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body)
        .is_ok_and(|answer| answer.pointer("/data/metadata/version").is_some())
}

/// A path as the server's own programs write it.
fn shown(folder: &Folder, more: &[&str]) -> String {
    let names = folder.namespace.iter().chain(&folder.mount.path).chain(&folder.names).map(String::as_str);
    names.chain(more.iter().copied()).collect::<Vec<_>>().join("/")
}

fn joined(namespace: &[String], more: &str) -> String {
    let namespace = namespace.join("/");
    if namespace.is_empty() && more.is_empty() {
        "the root".to_owned()
    } else if namespace.is_empty() {
        more.to_owned()
    } else {
        format!("{namespace}/{more}")
    }
}

fn label(place: &RecordPath) -> String {
    place.to_string()
}

fn label_of(place: &RecordPath, name: &str) -> String {
    format!("{place} / {name}")
}
