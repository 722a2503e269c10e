//! What both sides can hold, and the table that says what comes next.
//!
//! | target: works | environment: holds | going forward | going back |
//! |---|---|---|---|
//! | old | old | add the new one | as before: the end |
//! | new, or both | old | store the new one | only the old one |
//! | old | new | add the new one | add the new one |
//! | both | new | only the new one | only the new one |
//! | new | new | rotated: the end | rotated: the end |
//! | neither | old | only the old one | only the old one |
//! | neither | new | only the new one | only the new one |
//! | old | another | as before: the end | as before: the end |
//! | new, or both | another | only the old one | only the old one |
//! | neither | another | stuck: a person decides | stuck |

use serde::Serialize;

/// Which of the two secrets work at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Works {
    /// The old one alone.
    Old,
    /// The new one alone.
    New,
    /// Both.
    Both,
    /// Neither.
    Neither,
}

impl Works {
    /// From two answers.
    #[must_use]
    pub fn of(old: bool, new: bool) -> Self {
        match (old, new) {
            (true, false) => Works::Old,
            (false, true) => Works::New,
            (true, true) => Works::Both,
            (false, false) => Works::Neither,
        }
    }

    /// How people are told.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Works::Old => "the old secret works",
            Works::New => "the new secret works",
            Works::Both => "the old and the new secret work",
            Works::Neither => "neither secret works",
        }
    }
}

/// Which secret the environment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    /// The old one.
    Old,
    /// The new one.
    New,
    /// A third: somebody changed the record, or removed it.
    Another,
}

impl Holds {
    /// How people are told.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Holds::Old => "the record holds the old one",
            Holds::New => "the record holds the new one",
            Holds::Another => "somebody changed or removed the record meanwhile",
        }
    }
}

/// Where a rotation is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// To the new secret.
    Forward,
    /// Back to the old one.
    Back,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Make the new secret work at the target.
    Add,
    /// Write the new secret into the record.
    Store,
    /// Make the new secret the only one of the two at the target.
    OnlyNew,
    /// Make the old secret the only one of the two at the target.
    OnlyOld,
    /// The end: the new secret works, and the record holds it.
    Rotated,
    /// The end: the old secret works, and nobody here changed the record.
    AsBefore,
    /// Nothing that is known here works at the target, and the record holds a third secret.
    Stuck,
}

/// The table.
#[must_use]
pub fn next(aim: Aim, works: Works, holds: Holds) -> Next {
    match (works, holds, aim) {
        (Works::Old, Holds::Old, Aim::Forward) | (Works::Old, Holds::New, _) => Next::Add,
        (Works::Old, Holds::Old, Aim::Back) | (Works::Old, Holds::Another, _) => Next::AsBefore,
        (Works::New | Works::Both, Holds::Old, Aim::Forward) => Next::Store,
        (Works::New | Works::Both, Holds::Old, Aim::Back)
        | (Works::New | Works::Both, Holds::Another, _)
        | (Works::Neither, Holds::Old, _) => Next::OnlyOld,
        (Works::Both | Works::Neither, Holds::New, _) => Next::OnlyNew,
        (Works::New, Holds::New, _) => Next::Rotated,
        (Works::Neither, Holds::Another, _) => Next::Stuck,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKS: [Works; 4] = [Works::Old, Works::New, Works::Both, Works::Neither];
    const HOLDS: [Holds; 3] = [Holds::Old, Holds::New, Holds::Another];

    /// Both sides after a step that did what it says; `two`: the target can hold two secrets.
    fn after(step: Next, works: Works, holds: Holds, two: bool) -> (Works, Holds) {
        match step {
            Next::Add if two && works == Works::Old => (Works::Both, holds),
            Next::Add | Next::OnlyNew => (Works::New, holds),
            Next::OnlyOld => (Works::Old, holds),
            Next::Store => (works, Holds::New),
            Next::Rotated | Next::AsBefore | Next::Stuck => (works, holds),
        }
    }

    #[test]
    fn from_anywhere_the_table_leads_to_an_end_where_both_sides_agree() {
        for (start, held) in WORKS.into_iter().flat_map(|works| HOLDS.map(|holds| (works, holds))) {
            for (aim, two) in
                [(Aim::Forward, false), (Aim::Forward, true), (Aim::Back, false), (Aim::Back, true)]
            {
                let (mut aim, mut works, mut holds) = (aim, start, held);
                let end = (0..6).find_map(|_| {
                    let step = next(aim, works, holds);
                    if matches!(step, Next::Rotated | Next::AsBefore | Next::Stuck) {
                        return Some(step);
                    }
                    if step == Next::OnlyOld {
                        aim = Aim::Back;
                    }
                    (works, holds) = after(step, works, holds, two);
                    None
                });
                match end {
                    Some(Next::Rotated) => assert_eq!((works, holds), (Works::New, Holds::New)),
                    Some(Next::AsBefore) => assert!(works == Works::Old && holds != Holds::New),
                    Some(Next::Stuck) => assert_eq!((works, holds), (Works::Neither, Holds::Another)),
                    other => panic!("{start:?} {held:?} {aim:?}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn no_step_takes_away_the_secret_that_the_record_holds() {
        for (works, holds) in WORKS.into_iter().flat_map(|works| HOLDS.map(|holds| (works, holds))) {
            for aim in [Aim::Forward, Aim::Back] {
                let step = next(aim, works, holds);
                assert!(!(step == Next::OnlyOld && holds == Holds::New), "{works:?} {holds:?} {aim:?}");
                assert!(!(step == Next::OnlyNew && holds == Holds::Old), "{works:?} {holds:?} {aim:?}");
            }
        }
    }
}
