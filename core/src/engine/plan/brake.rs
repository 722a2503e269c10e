//! The brake of `sync --delete`: what a source lacks that was not read whole is no sign that it is gone.

use crate::engine::report::HeldBack;
use crate::engine::transfer::sync::MaxDelete;

/// What is known before anything is removed.
#[derive(Debug, Default)]
pub(crate) struct Brake {
    /// Records that would be moved to the bin.
    pub removals: u64,
    /// Records that earlier syncs brought and the sink still holds, those included.
    pub brought: u64,
    /// Records that the source yielded.
    pub read: u64,
    /// Records of the source that could not be taken.
    pub rejected: u64,
    /// Vaults that were to be read and were not there.
    pub missing: Vec<String>,
    /// Whether records were chosen by a filter.
    pub filtered: bool,
    /// As it was asked for.
    pub limit: Option<MaxDelete>,
}

impl Brake {
    /// Why nothing may be removed, if so.
    pub(crate) fn look(&self) -> Option<HeldBack> {
        let Self { removals, brought, read, rejected, .. } = *self;
        if removals == 0 {
            return None;
        }
        let held =
            |why: String, next: String| Some(HeldBack { removals, of: brought, why, next, may_ask: false });
        if rejected > 0 {
            return held(
                format!("{rejected} records of the source could not be read"),
                "mend them, or take them out of the source, and run the same command again".to_owned(),
            );
        }
        if read == 0 {
            let (why, next) = if self.filtered {
                ("no record of the source matches the filter", "look for a slip of the pen in it")
            } else {
                ("the source holds no record", "see that it is the right one, and whole")
            };
            return held(why.to_owned(), next.to_owned());
        }
        if !self.missing.is_empty() {
            return held(
                format!("the source yields nothing of vault {}", self.missing.join(", ")),
                "see that it is there under this name and may be read; if it was removed for good, remove it from the sink as well".to_owned(),
            );
        }
        let all = removals >= brought;
        if all && self.limit != Some(MaxDelete::Percent(100)) {
            return Some(HeldBack {
                removals,
                of: brought,
                why: "that is everything that earlier syncs brought".to_owned(),
                next: "--max-delete 100% allows it; on a terminal it is asked".to_owned(),
                may_ask: true,
            });
        }
        let limit = self.limit.unwrap_or_default();
        if !limit.allows(removals, brought) {
            return held(
                format!("that is more than --max-delete {limit} allows"),
                format!("--max-delete {removals} allows it; --dry-run without --delete names them"),
            );
        }
        None
    }

    /// What a person is asked on a terminal, where all would go: also where it was allowed, as nobody means that often.
    pub(crate) fn question(&self) -> Option<String> {
        let asked = match self.look() {
            Some(held) => held.may_ask,
            None => self.removals > 0 && self.removals >= self.brought,
        };
        asked.then(|| {
            format!(
                "all {} records that earlier syncs brought are no longer in the source; move them to the bin?",
                self.removals
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brake(removals: u64, brought: u64, limit: Option<&str>) -> Brake {
        let limit = limit.map(|word| word.parse().unwrap());
        Brake { removals, brought, read: 1, limit, ..Brake::default() }
    }

    #[test]
    fn a_limit_is_met_exactly_also_by_few_records() {
        for (removals, brought, limit, allowed) in [
            (1, 2, None, true),
            (2, 3, None, false),
            (1, 3, None, true),
            (50, 100, None, true),
            (51, 100, None, false),
            (51, 100, Some("51"), true),
            (52, 100, Some("51"), false),
            (0, 100, Some("0"), true),
            (1, 100, Some("0"), false),
            (1, 100, Some("0%"), false),
            (1, 100, Some("1%"), true),
            (99, 100, Some("100%"), true),
            (100, 100, Some("100%"), true),
            (100, 100, Some("100"), false),
            (1, 1, None, false),
            (1, 1, Some("1"), false),
            (1, 1, Some("100%"), true),
        ] {
            let held = brake(removals, brought, limit).look();
            assert_eq!(held.is_none(), allowed, "{removals} of {brought}, {limit:?}: {held:?}");
        }
    }

    #[test]
    fn a_source_that_was_not_read_whole_holds_back_whatever_is_allowed() {
        let all = || brake(3, 3, Some("100%"));
        assert_eq!(all().look(), None);
        for (brake, why) in [
            (Brake { read: 0, ..all() }, "holds no record"),
            (Brake { read: 0, filtered: true, ..all() }, "matches the filter"),
            (Brake { rejected: 1, ..all() }, "could not be read"),
            (Brake { missing: vec!["Infra".into()], ..all() }, "Infra"),
        ] {
            let held = brake.look().unwrap();
            assert!(held.to_string().contains(why) && !held.may_ask, "{held}");
            assert_eq!(brake.question(), None);
            assert_eq!(Brake { removals: 0, ..brake }.look(), None);
        }
    }

    #[test]
    fn whoever_is_there_is_asked_when_all_would_go() {
        assert!(brake(3, 3, None).question().is_some());
        assert!(brake(3, 3, Some("100%")).question().is_some());
        assert!(brake(2, 3, None).question().is_none());
        assert!(brake(1, 3, None).question().is_none());
    }

    #[test]
    fn limits_are_numbers_or_percent() {
        let parse = |word: &str| word.parse::<MaxDelete>();
        assert_eq!(parse("7").unwrap(), MaxDelete::Records(7));
        assert_eq!(parse("7%").unwrap().to_string(), "7%");
        for word in ["", "%", "-1", "101%", "7.5%", "half", "7 %"] {
            assert!(parse(word).is_err(), "{word}");
        }
    }
}
