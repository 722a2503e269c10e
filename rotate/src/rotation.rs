//! The loop for one record: look at both sides, take the next step, look again.
//!
//! A step that fails is tried once more where that can help; then the aim is to go back. What cannot go back either is
//! left open in the journal, with both secrets, and its report says what each side holds.

use crate::connector::{Account, Actor, Connector, Login};
use crate::plan::Field;
use crate::report::{Outcome, Rotated};
use crate::transitions::{Aim, Holds, Next, Works, next};
use keyferry_core::engine::{Change, Environment, FetchedRecord, Job, crash};
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::time::Duration;

/// How often one kind of step is tried.
const TRIES: usize = 2;

/// Before a side that cannot be asked is asked again.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(300), Duration::from_millis(1500)];

/// More steps than any way through the table has, with every step tried twice.
const STEPS: u32 = 12;

/// One record's rotation.
pub struct Rotation<'a> {
    /// Where the record is.
    pub environment: &'a Environment,
    /// What the target is.
    pub connector: &'a dyn Connector,
    /// Whose secret it is there.
    pub account: Account,
    /// Who changes it, if not the user itself.
    pub admin: Option<&'a Login>,
    /// The record's id.
    pub item: String,
    /// How messages name it.
    pub label: String,
    /// Where in the record the secret stands.
    pub field: &'a Field,
    /// What worked before.
    pub old: SecretString,
    /// What is to work; `None` where it was lost with the process that made it.
    pub new: Option<SecretString>,
    /// The journal, and the rotation's number in it.
    pub job: &'a Job,
    /// See `job`.
    pub number: i64,
}

/// What is known of both sides, and how it came to be.
struct Course {
    aim: Aim,
    works: Option<Works>,
    holds: Option<Holds>,
    /// The new secret was sent to the target, or may have been. Before that it is not even offered there: whoever took the
    /// target's place would learn it.
    sent: bool,
    /// A change of the target was sent and not answered: it may still happen.
    doubtful_target: bool,
    /// The same of the record.
    doubtful_record: bool,
    /// The first error: what the report gives as the reason.
    trouble: Option<Error>,
}

impl Course {
    fn went_wrong(&mut self, error: Error) {
        self.trouble.get_or_insert(error);
    }
}

impl Rotation<'_> {
    /// The first run. All records were tried before the first of them was begun, which may be long ago.
    pub async fn begin(self) -> Rotated {
        let mut course = Course {
            aim: Aim::Forward,
            works: None,
            holds: None,
            sent: false,
            doubtful_target: false,
            doubtful_record: false,
            trouble: None,
        };
        self.look(&mut course).await;
        if (course.works, course.holds) != (Some(Works::Old), Some(Holds::Old)) {
            let what = "it was changed since it was tried: nothing was sent";
            course.went_wrong(Error::new(ErrorKind::Conflict, what).next_step("run the command again"));
            return self.end(course, Outcome::Failed).await;
        }
        self.run(course, false).await
    }

    /// After a crash: nothing is known. `stored` is when the new secret was sent to the environment, if it was; `sent`,
    /// whether it may have been sent to the target.
    pub async fn resume(self, stored: Option<i64>, sent: bool) -> Rotated {
        let outlives = self.job.request_outlives();
        let doubtful_record = stored.is_some_and(|at| is_recent(at, outlives, self.job.now()));
        let aim = if self.new.is_some() { Aim::Forward } else { Aim::Back };
        let course = Course {
            aim,
            works: None,
            holds: None,
            sent,
            doubtful_target: true,
            doubtful_record,
            trouble: None,
        };
        self.run(course, true).await
    }

    async fn run(self, mut course: Course, look_first: bool) -> Rotated {
        let mut picked = None;
        let mut tried: Vec<Next> = Vec::new();
        for step in 0..STEPS {
            if step > 0 || look_first {
                for pause in PAUSES {
                    tokio::time::sleep(pause).await;
                    picked = self.look(&mut course).await;
                    if course.works.is_some() && course.holds.is_some() {
                        break;
                    }
                }
            }
            let (Some(works), Some(holds)) = (course.works, course.holds) else {
                return self.end(course, Outcome::Unsettled).await;
            };
            let mut what = next(course.aim, works, holds);
            if what == Next::AsBefore && course.doubtful_target {
                what = Next::OnlyOld;
            }
            match what {
                Next::Rotated => return self.end(course, Outcome::Rotated).await,
                // The record holds what nobody here set: whether that works, a person must say, and may need the
                // old secret for it.
                Next::AsBefore if holds == Holds::Another => {
                    return self.end(course, Outcome::Unsettled).await;
                }
                Next::AsBefore => return self.end(course, Outcome::RolledBack).await,
                Next::Stuck => return self.end(course, Outcome::Unsettled).await,
                // A request that may still write the new secret into the record must not meet a target that has
                // gone back.
                Next::OnlyOld if course.doubtful_record && holds == Holds::Old => {
                    return self.end(course, Outcome::Unsettled).await;
                }
                Next::Add | Next::Store | Next::OnlyNew | Next::OnlyOld => {}
            }
            if tried.iter().filter(|one| **one == what).count() >= TRIES {
                if course.aim == Aim::Back || what == Next::OnlyOld {
                    return self.end(course, Outcome::Unsettled).await;
                }
                course.aim = Aim::Back;
                continue;
            }
            tried.push(what);
            if what == Next::OnlyOld {
                course.aim = Aim::Back;
            }
            if let Err(error) = self.take(what, works, picked.take(), &mut course).await {
                // What was refused once will be refused again.
                let again = error.kind().may_retry()
                    || error.kind().leaves_open()
                    || error.kind() == ErrorKind::Conflict;
                course.went_wrong(error);
                if !again {
                    tried.push(what);
                }
            }
        }
        self.end(course, Outcome::Unsettled).await
    }

    /// Asks both sides. What cannot be asked stays as it was known, unless something was sent there since.
    async fn look(&self, course: &mut Course) -> Option<FetchedRecord> {
        match self.works(course.sent).await {
            Ok(works) => course.works = Some(works),
            Err(error) => course.went_wrong(error),
        }
        match self.holds().await {
            Ok((holds, picked)) => {
                course.holds = Some(holds);
                picked
            }
            Err(error) => {
                course.went_wrong(error);
                None
            }
        }
    }

    async fn works(&self, sent: bool) -> Result<Works> {
        let old = self.connector.check(&self.account, &self.old).await?;
        let new = match self.new.as_ref().filter(|_| sent) {
            Some(new) => self.connector.check(&self.account, new).await?,
            None => false,
        };
        Ok(Works::of(old, new))
    }

    /// What the record holds now, read back from the environment.
    async fn holds(&self) -> Result<(Holds, Option<FetchedRecord>)> {
        let picked = match self.environment.fetch_id(&self.item).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Holds::Another, None)),
            picked => picked?,
        };
        self.environment.can_write(&picked).await?;
        let held = self.field.of(&picked.record).ok();
        let holds = match held {
            Some(held) if Some(&held) == self.new.as_ref() => Holds::New,
            // A record that now names another user is not the one that this secret belongs to.
            Some(held) if held == self.old && picked.record.login == self.account.login => Holds::Old,
            _ => Holds::Another,
        };
        Ok((holds, Some(picked)))
    }

    /// Takes a step. Unless nothing was sent, the side that it changes is unknown after it.
    async fn take(
        &self,
        step: Next,
        works: Works,
        picked: Option<FetchedRecord>,
        course: &mut Course,
    ) -> Result<()> {
        let new =
            || self.new.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "the new secret is lost"));
        let done = match step {
            Next::Add => {
                crash::point("before set");
                let actor = self.actor(works, Works::Old)?;
                let number = self.number;
                journal(self.job, move |job| job.send_rotation(number)).await?;
                course.sent = true;
                let done = self.connector.add(&self.account, actor, &self.old, new()?).await;
                crash::point("after set");
                done
            }
            Next::OnlyNew => {
                crash::point("before retire");
                let actor = self.actor(works, Works::New)?;
                let done = self.connector.only(&self.account, actor, new()?, Some(&self.old)).await;
                crash::point("after retire");
                done
            }
            Next::OnlyOld => {
                let actor = self.actor(works, Works::Old)?;
                self.connector.only(&self.account, actor, &self.old, self.new.as_ref()).await
            }
            Next::Store => return self.store(picked, new()?, course).await,
            Next::Rotated | Next::AsBefore | Next::Stuck => return Ok(()),
        };
        match &done {
            // A target may act late, as one with replicas does: only the old secret set again ends the doubt.
            Ok(()) => (course.works, course.doubtful_target) = (None, step != Next::OnlyOld),
            Err(error) if error.kind().leaves_open() => (course.works, course.doubtful_target) = (None, true),
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::NotAllowed) => {}
            Err(_) => course.works = None,
        }
        done
    }

    async fn store(
        &self,
        picked: Option<FetchedRecord>,
        new: &SecretString,
        course: &mut Course,
    ) -> Result<()> {
        let picked = match picked {
            Some(picked) => picked,
            None => self.environment.fetch_id(&self.item).await?,
        };
        let number = self.number;
        journal(self.job, move |job| job.store_rotation(number)).await?;
        crash::point("before store");
        let done = self.environment.change(&picked, &self.field.change(new)).await;
        crash::point("after store");
        match &done {
            Ok(()) => (course.holds, course.doubtful_record) = (None, false),
            Err(error) if error.kind().leaves_open() => (course.holds, course.doubtful_record) = (None, true),
            Err(_) => {}
        }
        done
    }

    /// Who makes a change: an admin; else whoever runs this, where that is enough; else the user, with a secret that
    /// works, preferably this one.
    fn actor(&self, works: Works, preferred: Works) -> Result<Actor<'_>> {
        if let Some(admin) = self.admin {
            return Ok(Actor::Admin(admin));
        }
        if self.connector.resets() {
            return Ok(Actor::Caller);
        }
        let secret = match (works, preferred) {
            (Works::Old, _) | (Works::Both, Works::Old) => Some(&self.old),
            (Works::New | Works::Both, _) => self.new.as_ref(),
            (Works::Neither, _) => None,
        };
        secret.map(Actor::Itself).ok_or_else(|| {
            Error::new(ErrorKind::NotAllowed, "no secret that is known works at the target").next_step(
                "run the command of this job again with --admin: somebody who may set the secret anew",
            )
        })
    }

    /// Writes the end down and tells of it. What is unsettled stays open, with its secrets.
    async fn end(self, mut course: Course, outcome: Outcome) -> Rotated {
        let number = self.number;
        if outcome != Outcome::Unsettled
            && let Err(error) = journal(self.job, move |job| job.end_rotation(number, outcome.word())).await
        {
            course.went_wrong(error);
        }
        let trouble = course.trouble.as_ref().filter(|_| outcome != Outcome::Rotated);
        let another = course.holds == Some(Holds::Another);
        let why =
            trouble.map(ToString::to_string).or_else(|| another.then(|| Holds::Another.words().to_owned()));
        let advice = trouble.and_then(Error::next).map(str::to_owned);
        let go_on =
            format!("keyferry resume {} looks at both sides and finishes or goes back", self.job.id());
        let next = match (outcome, advice) {
            (Outcome::Unsettled, Some(advice)) => Some(format!("{advice}; {go_on}")),
            (Outcome::Unsettled, None) => Some(go_on),
            (_, advice) => advice,
        };
        Rotated {
            record: self.label,
            id: self.item,
            account: Some(self.account.to_string()),
            outcome,
            target: course.works,
            environment: course.holds,
            why,
            next,
            error: None,
        }
    }
}

/// Whether a request that was sent at `at` may still have an effect, in Unix seconds of one clock.
fn is_recent(at: i64, outlives: Duration, now: i64) -> bool {
    now < at.saturating_add(i64::try_from(outlives.as_secs()).unwrap_or(i64::MAX))
}

/// Works on the journal, which waits for the disk, where waiting is allowed.
pub(crate) async fn journal<T: Send + 'static>(
    job: &Job,
    work: impl FnOnce(&Job) -> Result<T> + Send + 'static,
) -> Result<T> {
    let job = job.clone();
    let done = tokio::task::spawn_blocking(move || work(&job)).await;
    done.map_err(|error| Error::new(ErrorKind::Internal, "a worker ended early").because(error))?
}

impl Field {
    /// The change that writes a secret here.
    fn change(&self, secret: &SecretString) -> Change {
        match self {
            Field::Password => Change { password: Some(secret.clone()), ..Change::default() },
            Field::Custom(name) => {
                Change { customs: vec![(name.clone(), secret.clone())], ..Change::default() }
            }
        }
    }
}
