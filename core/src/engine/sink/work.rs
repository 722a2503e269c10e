//! A worker: takes chunks of a job from the journal that it shares with others, sends them, and says what came of them.
//!
//! A chunk that somebody took before may have been sent already. Where the environment makes each thing once, sending it again
//! is answered as the first time. Elsewhere the environment gets its time, and is looked at for what the others sent: the
//! records of a chunk are encrypted once, so whoever sent them, they are known by the same wrapped keys.

use super::Writer;
use crate::client::Made;
use crate::engine::environment::{Environment, blocking};
use crate::engine::journal::{Board as _, Claim, Job, Journal, Lock, Outcome};
use crate::error::{Error, ErrorKind, Result};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a worker that has nothing to do waits before it looks again.
const IDLE: Duration = Duration::from_millis(50);
/// How often it looks whether the job goes on.
const LOOK: Duration = Duration::from_secs(1);

/// What a worker did.
#[derive(Debug, Default, Serialize)]
pub struct Worked {
    /// Chunks that it sent.
    pub chunks: u64,
    /// Records of these that were made.
    pub created: u64,
    /// Chunks that it took over from another.
    pub taken_over: u64,
    /// Chunks that it lost because it gave no sign of life for too long.
    pub lost: u64,
    /// Records that it had made a second time after it lost their chunk, and moved to the bin.
    pub taken_back: u64,
}

/// Works on a job until it comes to its end, or until `ended` says so; on one that stopped, until none of its chunks is left.
/// A chunk whose worker gives no sign of life for as long as `lease` is anybody's.
///
/// # Errors
/// [`ErrorKind::Conflict`] where the job is not running, and nothing of it waits to be sent; where another job has written there
/// since, or is at it.
pub async fn work(
    journal: &Journal,
    id: i64,
    sink: Arc<Environment>,
    lease: Duration,
    ended: &AtomicBool,
) -> Result<Worked> {
    let job = tokio::task::block_in_place(|| journal.reopen(id, &sink))?;
    // Nobody else writes there while what a job left behind is sent.
    let held = if at_work(&job, &sink).await? { None } else { Some(take_up(&job, &sink).await?) };
    let mut done = Worked::default();
    let name = format!("{}-{:x}", std::process::id(), getrandom::u32().unwrap_or_default());
    let worker = Worker { writer: Arc::new(Writer::of_worker(sink.clone(), job.clone())), job, lease, name };
    let mut looked = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        let claim = worker.board(|worker| worker.job.claim(&worker.name, worker.lease)).await?;
        match claim {
            Some(claim) => worker.send(claim, &mut done).await?,
            // Those that another still has may be left to us yet.
            None if held.is_some() && !is_left(&worker.job).await? => break,
            None => tokio::time::sleep(IDLE).await,
        }
        if held.is_none() && looked.elapsed() >= LOOK {
            looked = Instant::now();
            if !at_work(&worker.job, &sink).await? {
                break;
            }
        }
    }
    Ok(done)
}

/// Whether whoever began the job is still at it.
async fn at_work(job: &Job, sink: &Environment) -> Result<bool> {
    let (job, place) = (job.clone(), sink.place().to_owned());
    blocking(move || Ok(job.goes_on()? && job.journal().is_held(&place)?)).await?
}

/// Whether a job that stopped left chunks to be sent, which nobody has given up.
async fn is_left(job: &Job) -> Result<bool> {
    let board = job.clone();
    blocking(move || still_left(&board)).await?
}

fn still_left(job: &Job) -> Result<bool> {
    Ok(job.journal().job(job.id())?.state.can_be_resumed() && job.is_left()?)
}

/// Takes the place of whoever began a job and is gone: its sink is held from then on. What was planned for it still holds only
/// while no later job has written there.
async fn take_up(job: &Job, sink: &Environment) -> Result<Lock> {
    let (job, place) = (job.clone(), sink.place().to_owned());
    let id = job.id();
    let refused = move |what: String| {
        Error::new(ErrorKind::Conflict, what)
            .next_step(format!("keyferry resume {id} goes on with it; then others may work on it"))
    };
    blocking(move || {
        let not_running = || refused(format!("job {id} is not running"));
        if !still_left(&job)? {
            return Err(not_running());
        }
        let lock = job.journal().lock(&place)?;
        // Somebody may have come in between.
        if !still_left(&job)? {
            return Err(not_running());
        }
        match job.journal().newest(&place)? {
            Some(newest) if newest != id => {
                Err(refused(format!("job {newest} has written there since job {id} stopped")))
            }
            _ => Ok(lock),
        }
    })
    .await?
}

#[derive(Clone)]
struct Worker {
    writer: Arc<Writer>,
    job: Job,
    lease: Duration,
    name: String,
}

impl Worker {
    async fn board<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let worker = self.clone();
        blocking(move || work(&worker)).await?
    }

    /// Sends a chunk, and keeps it meanwhile.
    async fn send(&self, claim: Claim, worked: &mut Worked) -> Result<()> {
        let claim = Arc::new(claim);
        let parcel = &claim.parcel;
        worked.taken_over += u64::from(claim.fence > 1);
        let keeping = tokio::spawn(self.clone().keep(claim.clone()));
        let sent =
            self.writer.deliver(&parcel.drafts, &parcel.keys, &parcel.numbers, Some(claim.held())).await;
        keeping.abort();
        let outcomes: Vec<Outcome> = sent?.into_iter().map(told).collect();
        let made = |outcome: &&Outcome| matches!(outcome, Outcome::New(_));
        let count = outcomes.iter().filter(made).count() as u64;
        let (settled, told) = (claim.clone(), outcomes.clone());
        if self.board(move |worker| worker.job.settle_chunk(&settled, &told)).await? {
            worked.chunks += 1;
            worked.created += count;
            return Ok(());
        }
        worked.lost += 1;
        worked.taken_back += self.take_back(claim, &outcomes).await?;
        Ok(())
    }

    async fn keep(self, claim: Arc<Claim>) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            let held = claim.clone();
            // A journal that is away for a moment is asked again.
            if let Ok(false) = self.board(move |worker| worker.job.renew(&held, worker.lease)).await {
                return;
            }
        }
    }

    /// What this worker made of a chunk that another has sent meanwhile is there twice, unless both were answered with the
    /// same item: then it goes to the bin.
    async fn take_back(&self, claim: Arc<Claim>, outcomes: &[Outcome]) -> Result<u64> {
        let lost = Instant::now();
        let recorded = loop {
            let asked = claim.clone();
            if let Some(recorded) = self.board(move |worker| worker.job.recorded(&asked)).await? {
                break recorded;
            }
            // Whoever takes a chunk that nobody has looks first for what was sent of it, and finds this.
            let may_be_settled = at_work(&self.job, self.writer.environment()).await?
                || lost.elapsed() < self.lease * 2 && is_left(&self.job).await?;
            if !may_be_settled {
                return Ok(0);
            }
            tokio::time::sleep(IDLE).await;
        };
        let mut taken_back = 0;
        for (outcome, recorded) in outcomes.iter().zip(recorded) {
            if let (Outcome::New(id), Some(other)) = (outcome, recorded)
                && *id != other
            {
                self.writer.environment().client().delete_item(id).await?;
                taken_back += 1;
            }
        }
        Ok(taken_back)
    }
}

/// What a worker says of a record.
fn told(result: Result<Made>) -> Outcome {
    match result {
        Ok(Made::New(id)) => Outcome::New(id),
        Ok(Made::There(id)) => Outcome::There(id),
        Err(error) if error.kind() == ErrorKind::Refused => {
            Outcome::Failed(error.kind().name().to_owned(), error.what().to_owned())
        }
        Err(error) => Outcome::Failed(error.kind().name().to_owned(), error.to_string()),
    }
}
