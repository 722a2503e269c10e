//! Generated passwords: every recipe is met, every character is as likely as any other.

use keyferry_crypto::password::{Class, Recipe};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

fn everything() -> String {
    Class::ALL.iter().map(|class| class.characters()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_password_has_its_length_its_alphabet_and_each_required_class(
        length in 4_usize..60,
        required in proptest::sample::subsequence(Class::ALL.to_vec(), 0..=4),
        left_out in proptest::sample::subsequence(Class::ALL.to_vec(), 0..=3),
    ) {
        let classes: Vec<_> =
            Class::ALL.into_iter().filter(|class| required.contains(class) || !left_out.contains(class)).collect();
        let alphabet: String = classes.iter().map(|class| class.characters()).collect();
        let recipe = Recipe::password(length, &alphabet, &required).unwrap();
        let made = recipe.make().unwrap();
        let made = made.expose();
        prop_assert_eq!(made.chars().count(), length);
        prop_assert!(made.chars().all(|letter| alphabet.contains(letter)));
        for class in required {
            prop_assert!(made.chars().any(|letter| class.holds(letter)), "{} is missing", class.name());
        }
    }

    #[test]
    fn a_passphrase_has_its_words_and_what_is_asked_of_it(words in 1_usize..12, capitals: bool, digit: bool) {
        let recipe = Recipe::phrase(words, ".", capitals, digit).unwrap();
        let made = recipe.make().unwrap();
        let parts: Vec<_> = made.expose().split('.').collect();
        prop_assert_eq!(parts.len(), words);
        prop_assert!(made.expose().len() >= recipe.shortest());
        prop_assert_eq!(made.expose().ends_with(|letter: char| letter.is_ascii_digit()), digit);
        for part in parts {
            prop_assert_eq!(part.starts_with(|letter: char| letter.is_ascii_uppercase()), capitals);
            prop_assert!(part.trim_end_matches(|letter: char| letter.is_ascii_digit()).len() >= 3);
        }
    }

    #[test]
    fn a_token_has_its_bytes(bytes in 1_usize..100, hexadecimal: bool) {
        let recipe = Recipe::token(bytes, hexadecimal).unwrap();
        let made = recipe.make().unwrap();
        prop_assert_eq!(made.expose().len(), recipe.shortest());
        prop_assert!((recipe.bits() - bytes as f64 * 8.0).abs() < 1e-9);
    }
}

/// Pearson's sum over counts that should all be alike.
fn chi_square(counts: &HashMap<char, u32>, classes: usize) -> f64 {
    let total: u32 = counts.values().sum();
    let expected = f64::from(total) / classes as f64;
    let seen: f64 = counts.values().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    seen + (classes - counts.len()) as f64 * expected
}

/// With so many degrees of freedom, a fair source goes beyond this once in more than 10^12 runs (the normal
/// approximation of Wilson and Hilferty at 7.2 standard deviations).
fn bound(classes: usize) -> f64 {
    let freedom = (classes - 1) as f64;
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + 7.2 * part.sqrt()).powi(3)
}

#[test]
fn every_character_is_as_likely_as_any_other() {
    // Alphabets of sizes that divide no power of two, where taking a remainder would show.
    for alphabet in [everything().as_str(), "abc", "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"] {
        let recipe = Recipe::password(1000, alphabet, &[]).unwrap();
        let mut counts = HashMap::new();
        for _ in 0..200 {
            for letter in recipe.make().unwrap().expose().chars() {
                *counts.entry(letter).or_default() += 1;
            }
        }
        let classes = alphabet.chars().count();
        let seen = chi_square(&counts, classes);
        assert!(seen < bound(classes), "{seen} for {classes} characters");
    }
}

#[test]
fn the_bound_would_show_the_bias_of_a_remainder() {
    // What `byte % 89` would give: 256 = 2 · 89 + 78.
    let letter = |number: u32| char::from_u32(0x100 + number).unwrap();
    let counts = (0..89).map(|number| (letter(number), if number < 78 { 3 } else { 2 } * 781)).collect();
    assert!(chi_square(&counts, 89) > bound(89));
}

#[test]
fn required_classes_favour_no_place_and_no_password() {
    // Of the 8 texts of 3 letters, those with both a letter and a digit: 6, equally likely, at every place.
    let recipe = Recipe::password(3, "a1", &[Class::Lower, Class::Digit]).unwrap();
    assert!((recipe.bits() - 6_f64.log2()).abs() < 1e-9, "{}", recipe.bits());
    let mut counts = HashMap::new();
    for _ in 0..60_000 {
        let made = recipe.make().unwrap();
        let name = made.expose().bytes().fold(0, |sum, byte| sum * 2 + u32::from(byte == b'1'));
        *counts.entry(char::from_u32(0x100 + name).unwrap()).or_default() += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(chi_square(&counts, 6) < bound(6), "{counts:?}");
}

#[test]
fn entropy_is_that_of_what_can_come_out() {
    let bits = |length, alphabet: &str, required: &[Class]| {
        Recipe::password(length, alphabet, required).unwrap().bits()
    };
    assert!((bits(10, "01", &[]) - 10.0).abs() < 1e-9);
    assert!((bits(2, "a1", &[Class::Lower, Class::Digit]) - 1.0).abs() < 1e-9);
    assert!(bits(8, &everything(), &Class::ALL) < bits(8, &everything(), &[]));
    let words = Recipe::phrase(6, "-", false, false).unwrap().bits();
    assert!((words - 6.0 * 7776_f64.log2()).abs() < 1e-9);
}

#[test]
fn words_are_told_apart_whatever_stands_between_them() {
    // `yo-yo` is a word and `yo` is none: no passphrase has two readings.
    let recipe = Recipe::phrase(64, "/", false, false).unwrap();
    let mut words = HashSet::new();
    for _ in 0..2000 {
        words.extend(recipe.make().unwrap().expose().split('/').map(str::to_owned));
    }
    assert!(words.len() > 7700, "{} of 7776 words came", words.len());
    for word in words.iter().filter(|word| word.contains('-')) {
        assert!(!word.split('-').all(|part| words.contains(part)), "{word}");
    }
}

#[test]
fn impossible_recipes_are_refused() {
    let refused = |recipe: keyferry_crypto::Result<Recipe>| recipe.unwrap_err().to_string();
    assert!(refused(Recipe::password(0, "ab", &[])).contains("0 characters"));
    assert!(refused(Recipe::password(3, &everything(), &Class::ALL)).contains("3 characters"));
    assert!(refused(Recipe::password(9, "aa", &[])).contains("twice"));
    assert!(refused(Recipe::password(9, "a", &[])).contains("no passwords"));
    assert!(refused(Recipe::password(9, "a\u{7}", &[])).contains("no passwords"));
    assert!(refused(Recipe::password(9, "abc", &[Class::Digit])).contains("a digit is required"));
    // One digit among a thousand letters: four characters would hardly ever hold all that is required.
    let many: String = ('\u{4e00}'..'\u{51e0}').chain("aA1!".chars()).collect();
    assert!(refused(Recipe::password(4, &many, &Class::ALL)).contains("hardly"));
    assert!(refused(Recipe::phrase(0, "-", false, false)).contains("0 words"));
    assert!(refused(Recipe::phrase(6, "x", false, false)).contains("separator"));
    assert!(refused(Recipe::token(0, true)).contains("0 bytes"));
}
