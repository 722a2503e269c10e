//! Hides secrets in output that passes through: every occurrence of each of their forms becomes `***`.
//!
//! The result does not depend on how the output is cut into pieces. Bytes wait only while they may still be the
//! beginning of a form; what cannot be is passed on at once. Occurrences that overlap or touch become one.

use crate::child::forms;
use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a secret becomes.
const STARS: &[u8] = b"***";

/// What to hide, ready to be looked for.
pub struct Patterns {
    automaton: NFA,
    start: StateID,
    /// For each state: how many of the last bytes are the beginning of a form, and how many are the end of one.
    reach: Vec<Reach>,
}

#[derive(Clone, Copy, Default)]
struct Reach {
    begun: u32,
    ended: u32,
}

impl Patterns {
    /// All forms of these secrets.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Result<Self> {
        let forms: BTreeSet<Vec<u8>> = secrets.into_iter().flat_map(forms::of).collect();
        Self::new(&forms)
    }

    fn new(forms: &BTreeSet<Vec<u8>>) -> Result<Self> {
        let too_many = |error: String| {
            Error::new(ErrorKind::Refused, "the secrets are too many or too long to be looked for")
                .next_step("leave --mask out, or choose fewer records")
                .because(error)
        };
        let automaton = NFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(forms)
            .map_err(|error| too_many(error.to_string()))?;
        let start = automaton.start_state(Anchored::No).map_err(|error| too_many(error.to_string()))?;
        let mut reach = vec![Reach::default(); start.as_usize() + 1];
        // The way along a form passes each state once that has a beginning of it behind it.
        for form in forms {
            let mut state = start;
            for (begun, byte) in (1..).zip(form) {
                state = automaton.next_state(Anchored::No, state, *byte);
                if reach.len() <= state.as_usize() {
                    reach.resize(state.as_usize() + 1, Reach::default());
                }
                let mut ended = 0;
                if automaton.is_match(state) {
                    for index in 0..automaton.match_len(state) {
                        ended = ended.max(automaton.pattern_len(automaton.match_pattern(state, index)));
                    }
                }
                reach[state.as_usize()] = Reach { begun, ended: u32::try_from(ended).unwrap_or(u32::MAX) };
            }
        }
        Ok(Self { automaton, start, reach })
    }
}

/// One stream of output. Positions count from its beginning.
pub struct Masker {
    patterns: Arc<Patterns>,
    state: StateID,
    /// What was neither passed on nor hidden, and stands from `decided` on.
    held: Vec<u8>,
    decided: u64,
    seen: u64,
    /// What is secret of the bytes from `decided` on: from and to, apart from one another.
    secret: VecDeque<(u64, u64)>,
    /// Where the secret ends for which stars were last passed on.
    stars_until: Option<u64>,
}

impl Masker {
    /// A stream of which nothing has come yet.
    pub fn new(patterns: Arc<Patterns>) -> Self {
        let state = patterns.start;
        Self {
            patterns,
            state,
            held: Vec::new(),
            decided: 0,
            seen: 0,
            secret: VecDeque::new(),
            stars_until: None,
        }
    }

    /// Takes the next piece, and adds to `out` what can be passed on.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut reach = Reach::default();
        for &byte in piece {
            self.state = self.patterns.automaton.next_state(Anchored::No, self.state, byte);
            self.seen += 1;
            reach = self.patterns.reach.get(self.state.as_usize()).copied().unwrap_or_default();
            if reach.ended > 0 {
                self.hide(self.seen - u64::from(reach.ended));
            }
        }
        self.held.extend_from_slice(piece);
        if !piece.is_empty() {
            self.pass(self.seen - u64::from(reach.begun), out);
        }
    }

    /// Adds what is left: nothing comes any more.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.pass(self.seen, out);
        self.state = self.patterns.start;
    }

    /// Marks what was seen from here on.
    fn hide(&mut self, mut from: u64) {
        while let Some(&(before, to)) = self.secret.back() {
            if to < from {
                break;
            }
            from = from.min(before);
            self.secret.pop_back();
        }
        self.secret.push_back((from, self.seen));
    }

    /// Passes on what stands before `certain`, where no secret can begin any more that is not known yet.
    fn pass(&mut self, certain: u64, out: &mut Vec<u8>) {
        while let Some(&(from, to)) = self.secret.front()
            && from <= certain
        {
            self.secret.pop_front();
            self.plain(from, out);
            if self.stars_until.is_none_or(|until| until < from) {
                out.extend_from_slice(STARS);
            }
            self.stars_until = Some(to);
            self.drop_until(to);
        }
        self.plain(certain, out);
    }

    fn plain(&mut self, to: u64, out: &mut Vec<u8>) {
        let count = self.count(to);
        out.extend_from_slice(&self.held[..count]);
        self.drop_until(to);
    }

    fn drop_until(&mut self, to: u64) {
        let count = self.count(to);
        self.held.drain(..count);
        self.decided += count as u64;
    }

    /// How many of the bytes held stand before a position.
    fn count(&self, to: u64) -> usize {
        usize::try_from(to.saturating_sub(self.decided))
            .map_or(self.held.len(), |count| count.min(self.held.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn patterns(forms: &[&[u8]]) -> Arc<Patterns> {
        Arc::new(Patterns::new(&forms.iter().map(|form| form.to_vec()).collect()).unwrap())
    }

    /// The whole at once, by looking everywhere for everything.
    fn slowly(forms: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
        let mut secret = vec![false; text.len()];
        for form in forms {
            for from in 0..text.len() {
                if text[from..].starts_with(form) {
                    secret[from..from + form.len()].fill(true);
                }
            }
        }
        let mut out = Vec::new();
        for (at, byte) in text.iter().enumerate() {
            match (secret[at], at > 0 && secret[at - 1]) {
                (true, true) => {}
                (true, false) => out.extend_from_slice(STARS),
                (false, _) => out.push(*byte),
            }
        }
        out
    }

    fn masked(patterns: &Arc<Patterns>, pieces: &[&[u8]]) -> Vec<u8> {
        let mut masker = Masker::new(patterns.clone());
        let mut out = Vec::new();
        for piece in pieces {
            masker.feed(piece, &mut out);
        }
        masker.finish(&mut out);
        out
    }

    proptest! {
        // Few letters, so that forms repeat, overlap, and hold one another.
        #[test]
        fn any_cut_gives_what_the_whole_gives(
            forms in proptest::collection::btree_set("[ab]{1,5}|[abc]{4,9}", 1..6),
            text in "[abc]{0,60}",
            cuts in proptest::collection::vec(0_usize..60, 0..12),
        ) {
            let forms: Vec<Vec<u8>> = forms.into_iter().map(String::into_bytes).collect();
            let text = text.as_bytes();
            let patterns = Arc::new(Patterns::new(&forms.iter().cloned().collect()).unwrap());
            let expected = slowly(&forms, text);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            prop_assert_eq!(&masked(&patterns, &pieces), &expected);
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            prop_assert_eq!(&masked(&patterns, &bytes), &expected);
        }

        #[test]
        fn only_the_beginning_of_a_form_waits(
            forms in proptest::collection::btree_set("[ab]{1,5}|[abc]{4,9}", 1..6),
            text in "[abc]{0,60}",
        ) {
            let forms: Vec<Vec<u8>> = forms.into_iter().map(String::into_bytes).collect();
            let patterns = Arc::new(Patterns::new(&forms.iter().cloned().collect()).unwrap());
            let mut masker = Masker::new(patterns);
            let text = text.as_bytes();
            for seen in 1..=text.len() {
                masker.feed(&text[seen - 1..seen], &mut Vec::new());
                let ends = |length: &usize| {
                    forms.iter().any(|form| form.len() > *length && text[..seen].ends_with(&form[..*length]))
                };
                let longest = (1..=seen).rev().find(ends).unwrap_or(0);
                prop_assert!(masker.held.len() <= longest, "{} wait for {longest}", masker.held.len());
            }
        }
    }

    #[test]
    fn what_cannot_be_a_secret_passes_at_once() {
        let mut masker = Masker::new(patterns(&[b"planted", b"planted-more"]));
        let mut out = Vec::new();
        masker.feed(b"password: pla", &mut out);
        assert_eq!(out, b"password: ");
        masker.feed(b"in planted", &mut out);
        assert_eq!(out, b"password: plain ***", "a whole secret is told at once, though it may go on");
        masker.feed(b"-more", &mut out);
        masker.feed(b"!", &mut out);
        assert_eq!(out, b"password: plain ***!");
    }

    #[test]
    fn the_forms_of_a_secret_are_hidden_over_the_borders_of_pieces() {
        let secret = SecretString::from("pl@nted one\nsecond line");
        let patterns = Arc::new(Patterns::of([&secret]).unwrap());
        let output = "a pl@nted one\r\nb second line c pl%40nted%20one%0Asecond%20line d pl@nted one\\nsecond line e cGxAbnRlZCBvbmUKc2Vjb25kIGxpbmU= f";
        let bytes: Vec<&[u8]> = output.as_bytes().chunks(1).collect();
        assert_eq!(
            String::from_utf8(masked(&patterns, &bytes)).unwrap(),
            "a ***\r\nb *** c *** d *** e *** f"
        );
    }

    #[test]
    fn nothing_to_hide_lets_everything_pass() {
        let none = Arc::new(Patterns::of([&SecretString::from("abc")]).unwrap());
        assert_eq!(masked(&none, &[b"abc", b"\0\xff"]), b"abc\0\xff");
    }
}
