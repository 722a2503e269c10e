//! Whole numbers, refused in words that a person understands.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

/// Takes whole numbers of this range.
pub fn within<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: TryFrom<i128> + PartialOrd + Display + Clone + Send + Sync,
{
    move |text| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("this is no whole number".to_owned());
        }
        // What is longer than that is of no range.
        let number = text.parse::<i128>().ok().and_then(|number| T::try_from(number).ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("it has to be {} to {}", range.start(), range.end()))
    }
}

/// Takes whole numbers from 1.
pub fn counted(text: &str) -> Result<NonZeroU32, String> {
    let number = within(1..=u32::MAX)(text)?;
    NonZeroU32::new(number).ok_or_else(|| "it has to be 1 at least".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use clap::CommandFactory as _;

    /// Every option of a command that takes a value, and of those within it: the words before it, and its own.
    fn options(command: &clap::Command, before: &[String]) -> Vec<Vec<String>> {
        let own = command.get_arguments().filter(|one| one.get_action().takes_values());
        let own = own.filter_map(|one| Some([before, &[format!("--{}", one.get_long()?)]].concat()));
        let within = command
            .get_subcommands()
            .flat_map(|inner| options(inner, &[before, &[inner.get_name().to_owned()]].concat()));
        own.chain(within).collect()
    }

    #[test]
    fn no_option_answers_in_words_of_a_programming_language() {
        let all = options(&Arguments::command(), &["keyferry".to_owned()]);
        assert!(all.len() > 150, "{}", all.len());
        let mut refused = 0;
        for words in all {
            for value in ["nine", "", "1.5", "-7", "99999999999999999999"] {
                let words: Vec<String> = words.iter().cloned().chain([value.to_owned()]).collect();
                let Err(error) = Arguments::read(&words) else { continue };
                // Several values are written so in a usage line.
                let text = error.to_string().replace("...", "");
                refused += u32::from(text.contains("whole number"));
                for word in
                    ["invalid digit", "literal", "..", "cannot parse", "target type", "out of range", "Error"]
                {
                    assert!(!text.contains(word), "{words:?}: {text}");
                }
            }
        }
        assert!(refused > 30, "{refused}");
    }

    #[test]
    fn numbers_are_taken_within_their_range_and_refused_in_plain_words() {
        let few = within(8_u16..=64);
        assert_eq!((few("8"), few("+64"), few("008")), (Ok(8), Ok(64), Ok(8)));
        for text in ["7", "65", "-9", "70000", "99999999999999999999999999999999999999999999"] {
            assert_eq!(few(text), Err("it has to be 8 to 64".to_owned()), "{text}");
        }
        for text in ["", " 9", "9x", "nine", "1.5", "-", "+", "0x9", "٩"] {
            assert_eq!(few(text), Err("this is no whole number".to_owned()), "{text}");
        }
        assert_eq!(within(i64::MIN..=i64::MAX)("-3"), Ok(-3));
        assert!(counted("0").is_err() && counted("2").is_ok_and(|number| number.get() == 2));
    }
}
