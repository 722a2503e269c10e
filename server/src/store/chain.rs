//! The activity log's hash chains: that an entry is missing, was altered or changed its place shows.
//!
//! Each entry carries a hash over itself and the hash before it in its chain, as [`keyferry_api::activity::Activity`] says. The
//! environment has a chain. Who writes while nobody else does adds to that one, which is all that there is in a file.
//!
//! On a server those who make items write at once, and would wait for one another if all of them had to go on from one hash. What
//! they do is in the chain of its vault, whose head (`activity_chains`) they lock last and only until their commit: who writes into
//! other vaults does not wait. The two kinds of chain hold together, as an entry of the environment's chain is made while nobody
//! writes beside it: it names the heads of all vaults' chains that moved since the one before, and its hash covers these names too.
//!
//! - A vault's chain begins by being named, with no entry in it: a chain that was removed as a whole is missed.
//! - An entry that is missing, was altered, or stands at another's number breaks the hash after it in its chain. Of the last ones
//!   the heads tell: of the environment, of the vault, and of the vault as it is named later.
//! - Between two entries of the environment's chain a vault's head is known from `activity_chains` alone, as that of the environment
//!   always is from its row. Who keeps what the check tells (`head`, and the `heads` which that does not cover yet) can tell later
//!   that nothing before was changed.
//! - What earlier versions wrote is a chain of the environment that names no others, and goes on as it is.
//!
//! Entries are numbered across all chains. A number is drawn under the lock of the entry's chain, so that they rise within
//! each; one whose write was taken back stays unused.

use crate::error::{Refusal, Result};
use crate::json::text;
use data_encoding::HEXLOWER;
use keyferry_api::activity::{ActivityCheck, VaultHead};
use keyferry_sql::{self as sql, Connection, Row, params};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What a hash covers besides the hash before.
pub(super) struct Covered<'a> {
    pub seq: i64,
    pub at: i64,
    pub user: Option<&'a str>,
    pub action: &'a str,
    pub object: Option<&'a str>,
    pub vault: Option<&'a str>,
    pub address: Option<&'a str>,
}

/// Which chain an entry is in, and what its hash covers for that.
#[derive(Clone, Copy)]
pub(super) enum Within<'a> {
    /// The environment's; the heads of others that it names.
    Environment(Option<&'a str>),
    /// Its vault's, as the one of this number.
    Vault(i64),
}

/// How far a chain has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub count: i64,
    pub hash: Vec<u8>,
}

impl Head {
    /// That of a chain without an entry.
    pub fn start() -> Self {
        Self { count: 0, hash: vec![0; 32] }
    }

    /// Goes on to an entry.
    pub fn add(&mut self, entry: &Covered<'_>, within: Within<'_>) -> Result<()> {
        let Covered { seq, at, user, action, object, vault, address } = entry;
        let covered = match within {
            Within::Environment(None) => text(&(seq, at, user, action, object, vault, address)),
            Within::Environment(Some(heads)) => text(&(seq, at, user, action, object, vault, address, heads)),
            Within::Vault(number) => text(&(seq, at, user, action, object, vault, address, number)),
        }?;
        self.hash = Sha256::new().chain_update(&self.hash).chain_update(covered).finalize().to_vec();
        self.count += 1;
        Ok(())
    }
}

/// The head of the environment's chain, and the number up to which it is decided which entries there are.
pub(super) fn of_environment(conn: &Connection) -> Result<(Head, i64)> {
    let sql = "SELECT activity_length, activity_head, activity_settled FROM environment";
    Ok(conn.query_row(sql, [], |row| Ok((Head { count: row.get(0)?, hash: row.get(1)? }, row.get(2)?)))?)
}

/// Begins the chain of a vault that has none.
pub(super) fn begin(conn: &Connection, vault: &str) -> Result<()> {
    let Head { count, hash } = Head::start();
    conn.prepare_cached(
        "INSERT INTO activity_chains (vault_id, count, head, moved) VALUES (?1, ?2, ?3, 1) ON CONFLICT DO NOTHING",
    )?
    .execute(params![vault, count, hash])?;
    Ok(())
}

fn heads(conn: &Connection, which: &str) -> Result<BTreeMap<String, Head>> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT vault_id, count, head FROM activity_chains {which}"))?;
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, Head { count: row.get(1)?, hash: row.get(2)? })))?;
    Ok(rows.collect::<sql::Result<_>>()?)
}

/// The vaults' chains that the environment's has not named since they moved.
const MOVED: &str = "WHERE moved = 1";

/// What the next entry of the environment's chain has to name; from then on it has named them.
pub(super) fn name_moved(conn: &Connection) -> Result<Option<String>> {
    let moved = heads(conn, MOVED)?;
    if moved.is_empty() {
        return Ok(None);
    }
    conn.execute("UPDATE activity_chains SET moved = 0 WHERE moved = 1", [])?;
    let names: Vec<(&String, i64, String)> =
        moved.iter().map(|(vault, head)| (vault, head.count, HEXLOWER.encode(&head.hash))).collect();
    Ok(Some(String::from_utf8(text(&names)?).map_err(|_| Refusal::internal())?))
}

/// The chains as far as they were gone through.
struct Walk {
    environment: Head,
    /// The number of the last entry in it.
    environment_last: i64,
    vaults: BTreeMap<String, Head>,
    /// The vaults that moved since an entry of the environment's chain.
    moved: BTreeSet<String>,
    /// The number of the last entry, whichever chain it is in.
    last: i64,
}

impl Walk {
    fn start() -> Self {
        let (vaults, moved) = (BTreeMap::new(), BTreeSet::new());
        Self { environment: Head::start(), environment_last: 0, vaults, moved, last: 0 }
    }

    /// Takes an entry, if it is the one that follows from its content and from those before.
    fn take(&mut self, row: &Row<'_>) -> Result<bool> {
        let entry = Covered {
            seq: row.get(0)?,
            at: row.get(1)?,
            user: row.text(2)?,
            action: row.text(3)?.ok_or_else(Refusal::internal)?,
            object: row.text(4)?,
            vault: row.text(5)?,
            address: row.text(6)?,
        };
        let stored: Vec<u8> = row.get(7)?;
        if entry.seq <= self.last {
            return Ok(false);
        }
        match (row.get::<Option<i64>>(8)?, entry.vault) {
            (Some(number), Some(vault)) => {
                let Some(head) = self.vaults.get_mut(vault) else { return Ok(false) };
                head.add(&entry, Within::Vault(number))?;
                if head.count != number || head.hash != stored {
                    return Ok(false);
                }
                self.moved.insert(vault.to_owned());
            }
            (Some(_), None) => return Ok(false),
            (None, _) => {
                let names = row.text(9)?;
                self.environment.add(&entry, Within::Environment(names))?;
                if self.environment.hash != stored || !self.names(names.unwrap_or("[]"))? {
                    return Ok(false);
                }
                self.environment_last = entry.seq;
            }
        }
        self.last = entry.seq;
        Ok(true)
    }

    /// Whether these are the heads of the chains that moved, and of new ones.
    fn names(&mut self, heads: &str) -> Result<bool> {
        let heads: Vec<(String, i64, String)> =
            serde_json::from_str(heads).map_err(|_| Refusal::internal())?;
        for (vault, count, hash) in heads {
            let head = Head { count, hash: HEXLOWER.decode(hash.as_bytes()).unwrap_or_default() };
            let known = self.vaults.get(&vault);
            if known.is_none() && head == Head::start() {
                self.vaults.insert(vault, head);
            } else if known != Some(&head) || !self.moved.remove(&vault) {
                return Ok(false);
            }
        }
        Ok(self.moved.is_empty())
    }

    /// The number of an entry that does not fit, or of the one that is missing before it.
    fn broken_at(&self, row: &Row<'_>) -> i64 {
        let next = self.last + 1;
        if self.environment_last == self.last { next } else { row.get(0).unwrap_or(next) }
    }
}

/// Entries that are read at once.
const PAGE: i64 = 1000;

/// Computes every hash anew.
pub(crate) fn check(conn: &Connection) -> Result<ActivityCheck> {
    let (environment, _) = of_environment(conn)?;
    let (vaults, moved) = (heads(conn, "")?, heads(conn, MOVED)?);
    let mut walk = Walk::start();
    let mut broken = go_through(conn, &mut walk)?;
    if broken.is_none() && (walk.environment != environment || walk.vaults != vaults) {
        // A tail is missing, or there are rows that the environment does not know.
        broken = Some(walk.last + 1);
    }
    Ok(ActivityCheck {
        count: environment.count + vaults.values().map(|head| head.count).sum::<i64>(),
        head: HEXLOWER.encode(&environment.hash),
        heads: moved
            .into_iter()
            .map(|(vault_id, Head { count, hash })| VaultHead {
                vault_id,
                count,
                head: HEXLOWER.encode(&hash),
            })
            .collect(),
        broken,
    })
}

/// Takes entry by entry, a page at a time; the number of the first that does not fit.
fn go_through(conn: &Connection, walk: &mut Walk) -> Result<Option<i64>> {
    // By the time as well: of two entries with one number, which nothing but the sequence excludes on a server, none is passed over.
    let mut statement = conn.prepare_cached(
        "SELECT seq, at, user_id, action, object, vault_id, address, hash, vault_seq, heads
         FROM activity WHERE (seq, at) > (?1, ?2) ORDER BY seq, at LIMIT ?3",
    )?;
    let mut last = (i64::MIN, i64::MIN);
    loop {
        let mut rows = statement.query(params![last.0, last.1, PAGE])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            // What cannot even be read was not written here.
            if !walk.take(&row).unwrap_or(false) {
                return Ok(Some(walk.broken_at(&row)));
            }
            last = (row.get(0)?, row.get(1)?);
            count += 1;
        }
        if count < PAGE {
            return Ok(None);
        }
    }
}
