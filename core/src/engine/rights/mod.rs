//! Groups, rights and shortcuts go along with records, where the users are on the other side as well.
//!
//! | file | what it does |
//! |---|---|
//! | `people` | who of the source is who in the sink |
//! | `held` | what an environment says of rights |
//! | `work` | what has to be made in the sink, and what cannot be |
//! | `write` | makes it |
//! | `keys` | copies of vault keys for those who have a right and none |
//! | `taken_back` | unmakes what a job made |
//!
//! Nothing is ever given that the source does not give, and nothing that is there is changed: what differs is told. A user
//! who closed off a folder finds it closed at every moment, as the lower rights come first.

mod held;
pub mod keys;
pub mod people;
pub(crate) mod taken_back;
mod work;
mod write;

use crate::engine::endpoint::Endpoint;
use crate::engine::options::Options;
use crate::engine::placement::Placement;
use crate::engine::recipients::agree;
use crate::engine::report::Rights;
use crate::engine::report::progress::Progress;
use crate::error::{Error, ErrorKind, Result};
use std::collections::HashSet;
use work::Work;

const WHAT: &str = "the keys of vaults with carried rights";

/// What would be made.
pub(crate) struct Planned {
    /// In numbers and names.
    pub rights: Rights,
    /// Every single thing of it: another digest, another plan.
    pub digest: String,
}

impl Planned {
    /// The public keys that were said, and agreed to where this was [prepared](prepare).
    pub(crate) fn said(&self) -> HashSet<String> {
        self.rights.wrapped_for.iter().map(|whom| whom.fingerprint.clone()).collect()
    }

    fn of(work: &Work<'_>) -> Self {
        Self { rights: work.planned(), digest: work.digest() }
    }
}

/// What would be made; `None` where nobody asked. Nothing is written.
///
/// # Errors
/// [`ErrorKind::Usage`] where one side is no environment; [`ErrorKind::NotAllowed`] where one does not tell, or shows another
/// key of somebody than before.
pub(crate) async fn plan(from: &Endpoint, to: &Endpoint, options: &Options) -> Result<Option<Planned>> {
    let Some(work) = look(from, to, options).await? else { return Ok(None) };
    if let Some(memory) = work.sink.memory() {
        for (whom, key) in work.recipients() {
            memory.user_agrees(&whom.id, key)?;
        }
    }
    Ok(Some(Planned::of(&work)))
}

/// Asks, before anything is written, about everybody whom keys will be wrapped for; what will be made.
///
/// # Errors
/// As [`plan`], and where somebody's key was never seen and nobody says yes.
pub(crate) async fn prepare(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Option<Planned>> {
    let Some(work) = look(from, to, options).await? else { return Ok(None) };
    agree(work.sink, progress, options.trust_administrators, WHAT, "", work.recipients())?;
    Ok(Some(Planned::of(&work)))
}

/// Makes everything, once the records are there; `said` are the keys that [`prepare`] asked about.
///
/// # Errors
/// As [`prepare`], and what stops the writing.
pub(crate) async fn carry(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    said: &HashSet<String>,
    progress: &dyn Progress,
) -> Result<Option<Rights>> {
    let Some(work) = look(from, to, options).await? else { return Ok(None) };
    // Places that are there only now may need keys for somebody else.
    let others = work.recipients().filter(|(whom, _)| !said.contains(&whom.fingerprint));
    agree(work.sink, progress, options.trust_administrators, WHAT, "", others)?;
    write::all(work, options.job.as_ref(), progress).await.map(Some)
}

async fn look<'a>(from: &Endpoint, to: &'a Endpoint, options: &Options) -> Result<Option<Work<'a>>> {
    let Some(map) = &options.rights else { return Ok(None) };
    let (Endpoint::Environment(source, inside), Endpoint::Environment(sink, _)) = (from, to) else {
        return Err(Error::new(ErrorKind::Usage, "rights go from one environment to another")
            .next_step("leave out --rights where a side is a file"));
    };
    let placement = Placement::of(from, to, options.structure.unwrap_or_default())?;
    let held = held::Held::look(source, inside, &options.filter, &placement).await?;
    let own = source.client().user_info().await?.id;
    Work::of(held, &own, sink, map).await.map(Some)
}
