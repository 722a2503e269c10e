//! Command lines as Python's `argparse` reads them: options anywhere, shortened to a unique beginning, and what is
//! not known is collected.

use std::ffi::OsString;

/// An option of a command.
#[derive(Clone, Copy)]
pub struct Flag {
    /// As it is typed, with its dashes.
    pub name: &'static str,
    /// What follows it.
    pub takes: Takes,
    /// Whether the command needs it.
    pub required: bool,
    /// A line for the help.
    pub help: &'static str,
}

/// What follows an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A value.
    Value,
    /// A value, or nothing.
    Maybe,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// An option that was given.
pub enum Given {
    /// Alone.
    Alone,
    /// With this value.
    Value(OsString),
}

/// Why nothing is run.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The help was asked for.
    Help,
    /// Wrong usage, and how.
    Wrong(String),
}

/// What was typed.
#[derive(Default)]
pub struct Parsed {
    given: Vec<(&'static str, Given)>,
    /// What no option took, in order.
    pub rest: Vec<OsString>,
}

impl Parsed {
    /// An option; the last counts where it was given twice.
    pub fn get(&self, name: &str) -> Option<&Given> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|(_, given)| given)
    }

    /// The value of an option.
    pub fn value(&self, name: &str) -> Option<&OsString> {
        match self.get(name) {
            Some(Given::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// The value of an option, as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| value.to_string_lossy().into_owned())
    }
}

/// What a word is.
enum Kind {
    /// A value, or no affair of ours.
    Argument,
    /// `--`: only arguments from here on.
    Dashes,
    /// An option that is not known.
    Unknown,
    /// `-h`, `--help`, and what was typed right after it.
    Help { short: bool, explicit: Option<String> },
    /// A known option, and what was typed behind its `=`.
    Flag(usize, Option<String>),
}

/// The words of a whole command line.
pub struct Split<'a> {
    /// Unknown options in front of the command.
    pub before: Vec<OsString>,
    /// The command, and what follows it.
    pub command: Option<(&'a OsString, &'a [OsString])>,
}

/// Finds the command.
pub fn split(words: &[OsString]) -> Result<Split<'_>, Stop> {
    let mut before = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match classify(&[], &word.to_string_lossy())? {
            Kind::Help { short, explicit } => return Err(help(short, explicit.as_deref())),
            Kind::Dashes if at + 1 == words.len() => before.push(word.clone()),
            Kind::Argument | Kind::Dashes => {
                return Ok(Split { before, command: Some((word, &words[at + 1..])) });
            }
            Kind::Unknown | Kind::Flag(..) => before.push(word.clone()),
        }
    }
    Ok(Split { before, command: None })
}

/// Reads the words of a command, without its name.
pub fn parse(flags: &[&'static Flag], words: &[OsString]) -> Result<Parsed, Stop> {
    let mut dashes = false;
    let mut kinds = Vec::with_capacity(words.len());
    for word in words {
        let kind = if dashes { Kind::Argument } else { classify(flags, &word.to_string_lossy())? };
        dashes |= matches!(kind, Kind::Dashes);
        kinds.push(kind);
    }
    let mut parsed = Parsed::default();
    let mut at = 0;
    while let Some(kind) = kinds.get(at) {
        let word = &words[at];
        at += 1;
        match kind {
            Kind::Argument | Kind::Dashes | Kind::Unknown => parsed.rest.push(word.clone()),
            Kind::Help { short, explicit } => return Err(help(*short, explicit.as_deref())),
            Kind::Flag(index, explicit) => {
                let flag = flags[*index];
                let wrong = |what: &str| Stop::Wrong(format!("argument {}: {what}", flag.name));
                let given = match (explicit, flag.takes) {
                    (Some(_), Takes::Nothing) => return Err(wrong("it takes no value")),
                    (Some(value), _) => Given::Value(value.into()),
                    (None, Takes::Nothing) => Given::Alone,
                    (None, takes) => match (words.get(at), kinds.get(at)) {
                        (Some(value), Some(Kind::Argument)) => {
                            at += 1;
                            Given::Value(value.clone())
                        }
                        _ if takes == Takes::Maybe => Given::Alone,
                        _ => return Err(wrong("expected one argument")),
                    },
                };
                if let (Takes::OneOf(words), Given::Value(value)) = (flag.takes, &given)
                    && !words.iter().any(|word| value == word)
                {
                    return Err(wrong(&format!("invalid choice (choose from {})", words.join(", "))));
                }
                parsed.given.push((flag.name, given));
            }
        }
    }
    let missing = flags.iter().filter(|flag| flag.required && parsed.get(flag.name).is_none());
    let missing: Vec<_> = missing.map(|flag| flag.name).collect();
    if missing.is_empty() {
        return Ok(parsed);
    }
    Err(Stop::Wrong(format!("the following arguments are required: {}", missing.join(", "))))
}

fn classify(flags: &[&'static Flag], word: &str) -> Result<Kind, Stop> {
    if word == "--" {
        return Ok(Kind::Dashes);
    }
    if !word.starts_with('-') || word == "-" {
        return Ok(Kind::Argument);
    }
    let (name, explicit) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let text = |explicit: Option<&str>| explicit.map(str::to_owned);
    // A name whole, with its `=` first: no name of ours holds one.
    if name == "-h" || name == "--help" {
        return Ok(Kind::Help { short: name == "-h", explicit: text(explicit) });
    }
    if let Some(index) = flags.iter().position(|flag| flag.name == name) {
        return Ok(Kind::Flag(index, text(explicit)));
    }
    if word.starts_with("--") {
        let mut begun: Vec<Kind> = Vec::new();
        let mut names = Vec::new();
        if "--help".starts_with(name) {
            begun.push(Kind::Help { short: false, explicit: text(explicit) });
            names.push("--help");
        }
        for (index, flag) in flags.iter().enumerate() {
            if flag.name.starts_with(name) {
                begun.push(Kind::Flag(index, text(explicit)));
                names.push(flag.name);
            }
        }
        if names.len() > 1 {
            return Err(Stop::Wrong(format!("ambiguous option: it could match {}", names.join(", "))));
        }
        if let Some(kind) = begun.pop() {
            return Ok(kind);
        }
    } else if let Some(behind) = word.strip_prefix("-h") {
        return Ok(Kind::Help { short: true, explicit: Some(behind.to_owned()) });
    }
    if is_negative_number(word) || word.contains(' ') {
        return Ok(Kind::Argument);
    }
    Ok(Kind::Unknown)
}

/// `-h` takes nothing; `-hh` is `-h -h`.
fn help(short: bool, explicit: Option<&str>) -> Stop {
    match explicit {
        None => Stop::Help,
        Some(behind) if short && !behind.is_empty() && behind.bytes().all(|byte| byte == b'h') => Stop::Help,
        Some(_) => Stop::Wrong("argument -h/--help: it takes no value".to_owned()),
    }
}

/// `-5`, `-.5`, `-1.5`.
fn is_negative_number(word: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = word.strip_prefix('-') else { return false };
    match number.split_once('.') {
        None => !number.is_empty() && digits(number),
        Some((whole, part)) => digits(whole) && !part.is_empty() && digits(part),
    }
}

/// A word as a shell reads it back: in single quotes, unless it is plain.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r#"'"'"'"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag { name: "--password", takes: Takes::Value, required: false, help: "" },
        Flag { name: "--password-id", takes: Takes::Value, required: false, help: "" },
        Flag { name: "--ssl-verify", takes: Takes::Maybe, required: false, help: "" },
        Flag { name: "--no-ssl-verify", takes: Takes::Nothing, required: false, help: "" },
        Flag { name: "--method", takes: Takes::OneOf(&["GET", "PUT"]), required: false, help: "" },
    ];

    fn parsed(words: &[&str]) -> Result<Parsed, Stop> {
        parse(&FLAGS.iter().collect::<Vec<_>>(), &words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn rest(words: &[&str]) -> Vec<String> {
        let rest = parsed(words).ok().unwrap().rest;
        rest.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn options_stand_anywhere_and_may_be_cut_to_a_unique_beginning() {
        let seen = parsed(&["ls", "--password-i=7", "-l", "--meth", "PUT", "--ssl"]).ok().unwrap();
        assert_eq!(seen.text("--password-id").as_deref(), Some("7"));
        assert_eq!(seen.text("--method").as_deref(), Some("PUT"));
        assert!(matches!(seen.get("--ssl-verify"), Some(Given::Alone)));
        assert_eq!(seen.rest, ["ls", "-l"]);
        assert_eq!(parsed(&["--password", "a"]).ok().unwrap().text("--password").as_deref(), Some("a"));
        assert!(matches!(parsed(&["--pass", "a"]), Err(Stop::Wrong(_))));
    }

    #[test]
    fn a_value_does_not_look_like_an_option() {
        assert!(matches!(parsed(&["--password", "-x"]), Err(Stop::Wrong(_))));
        for value in ["-5", "-.5", "-x y", "-", ""] {
            assert_eq!(
                parsed(&["--password", value]).ok().unwrap().text("--password").as_deref(),
                Some(value)
            );
        }
        assert!(matches!(parsed(&["--password", "--", "x"]), Err(Stop::Wrong(_))));
        assert!(matches!(parsed(&["--method", "get"]), Err(Stop::Wrong(_))));
        assert!(matches!(parsed(&["--no-ssl-verify=1"]), Err(Stop::Wrong(_))));
    }

    #[test]
    fn what_is_not_known_is_collected() {
        assert_eq!(
            rest(&["-x", "--unknown=1", "--", "--password", "a"]),
            ["-x", "--unknown=1", "--", "--password", "a"]
        );
        assert_eq!(parsed(&["df", "-h"]).err(), Some(Stop::Help));
        assert!(matches!(parsed(&["psql", "-hlocalhost"]), Err(Stop::Wrong(_))));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(["a-b", "", "a b", "it's"].map(quoted), ["a-b", "''", "'a b'", r#"'it'"'"'s'"#]);
    }
}
