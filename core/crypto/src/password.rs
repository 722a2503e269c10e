//! Passwords, passphrases and tokens for people and programs, from the system's randomness.
//!
//! Every choice is uniform: a random number that would favour some characters is thrown away and drawn again
//! (rejection sampling). Where classes of characters are required, a password without one of them is thrown
//! away as a whole: so all passwords that meet the recipe are equally likely. Placing one character of each
//! class first and filling up the rest would favour passwords with few of them.

use crate::error::{Error, ErrorKind, Result};
use crate::generate::random_bytes;
use crate::secret::SecretString;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::HEXLOWER;
use diceware_wordlists::EFF_LONG_WORDLIST as WORDS;
use zeroize::Zeroizing;

/// The longest password.
pub const MOST_CHARACTERS: usize = 1024;
/// The largest alphabet.
pub const MOST_LETTERS: usize = 4096;
/// The longest passphrase.
pub const MOST_WORDS: usize = 64;
/// The longest token.
pub const MOST_BYTES: usize = 1024;

/// Of a thousand passwords at least one must meet what is required: the others are drawn in vain.
const LEAST_SHARE: f64 = 1e-3;

/// Kinds of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `a` to `z`.
    Lower,
    /// `A` to `Z`.
    Upper,
    /// `0` to `9`.
    Digit,
    /// Signs; see [`Class::characters`].
    Symbol,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Lower, Self::Upper, Self::Digit, Self::Symbol];

    /// Its characters in a password of our own making. Of the signs, those are left out that shells, templates
    /// and connection strings take most often for their own: quotes, `$`, `\`, `` ` ``, `|` and the space.
    #[must_use]
    pub fn characters(self) -> &'static str {
        match self {
            Self::Lower => "abcdefghijklmnopqrstuvwxyz",
            Self::Upper => "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            Self::Digit => "0123456789",
            Self::Symbol => "!#%&()*+,-./:;<=>?@[]^_{}~",
        }
    }

    /// Whether a character is of this class, whoever chose it.
    #[must_use]
    pub fn holds(self, character: char) -> bool {
        match self {
            Self::Lower => character.is_lowercase(),
            Self::Upper => character.is_uppercase(),
            Self::Digit => character.is_ascii_digit(),
            Self::Symbol => !character.is_alphanumeric(),
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lower => "a lower-case letter",
            Self::Upper => "an upper-case letter",
            Self::Digit => "a digit",
            Self::Symbol => "a special character",
        }
    }
}

/// What is made: checked, so that making it cannot fail but for want of randomness.
#[derive(Clone, Debug)]
pub struct Recipe(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Password { length: usize, alphabet: Vec<char>, required: Vec<Class> },
    Phrase { words: usize, separator: String, capitals: bool, digit: bool },
    Token { bytes: usize, hexadecimal: bool },
}

fn wrong(what: impl Into<String>, next: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, what).next_step(next)
}

impl Recipe {
    /// A password of characters out of `alphabet`, with at least one of each required class.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where no password could meet it.
    pub fn password(length: usize, alphabet: &str, required: &[Class]) -> Result<Self> {
        let mut letters: Vec<char> = alphabet.chars().collect();
        letters.sort_unstable();
        let before = letters.len();
        letters.dedup();
        if letters.len() != before {
            return Err(wrong("a character stands twice in the alphabet", "name each character once"));
        }
        if !(2..=MOST_LETTERS).contains(&letters.len()) || letters.iter().any(|letter| letter.is_control()) {
            return Err(wrong(
                "this alphabet makes no passwords",
                "name two characters or more, and none that cannot be seen",
            ));
        }
        if !(1..=MOST_CHARACTERS).contains(&length) || length < required.len() {
            return Err(wrong(
                format!("a password of {length} characters cannot be made"),
                format!("choose {} to {MOST_CHARACTERS}", required.len().max(1)),
            ));
        }
        let required: Vec<Class> = Class::ALL.into_iter().filter(|class| required.contains(class)).collect();
        if let Some(class) = required.iter().find(|class| !letters.iter().any(|letter| class.holds(*letter)))
        {
            return Err(wrong(
                format!("{} is required and not in the alphabet", class.name()),
                "allow it, or do without the policy",
            ));
        }
        if share(length, &letters, &required) < LEAST_SHARE {
            return Err(wrong(
                "passwords as short as this hardly ever hold every kind of character that is required",
                "choose a larger length",
            ));
        }
        Ok(Self(Kind::Password { length, alphabet: letters, required }))
    }

    /// Words of the Electronic Frontier Foundation's long list, 7776 of them, joined by `separator`; each with
    /// a capital, and a digit behind the last, where these are wanted.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for no words or too many.
    pub fn phrase(words: usize, separator: &str, capitals: bool, digit: bool) -> Result<Self> {
        if !(1..=MOST_WORDS).contains(&words) {
            return Err(wrong(
                format!("a passphrase of {words} words cannot be made"),
                format!("choose 1 to {MOST_WORDS}; six are good"),
            ));
        }
        if separator.chars().any(|character| character.is_alphanumeric() || character.is_control()) {
            return Err(wrong("words cannot be told apart with this separator", "choose a sign, such as -"));
        }
        Ok(Self(Kind::Phrase { words, separator: separator.to_owned(), capitals, digit }))
    }

    /// Random bytes, as base64 for addresses (RFC 4648 §5, without padding) or in hexadecimal.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for no bytes or too many.
    pub fn token(bytes: usize, hexadecimal: bool) -> Result<Self> {
        if !(1..=MOST_BYTES).contains(&bytes) {
            return Err(wrong(
                format!("a token of {bytes} bytes cannot be made"),
                format!("choose 1 to {MOST_BYTES}; 32 are good"),
            ));
        }
        Ok(Self(Kind::Token { bytes, hexadecimal }))
    }

    /// The fewest characters that it makes.
    #[must_use]
    pub fn shortest(&self) -> usize {
        match &self.0 {
            Kind::Password { length, .. } => *length,
            Kind::Phrase { words, separator, digit, .. } => {
                let word = WORDS.iter().map(|word| word.len()).min().unwrap_or_default();
                words * word + (words - 1) * separator.chars().count() + usize::from(*digit)
            }
            Kind::Token { bytes, hexadecimal: true } => bytes * 2,
            Kind::Token { bytes, hexadecimal: false } => (bytes * 8).div_ceil(6),
        }
    }

    /// The binary logarithm of how many different results there are, all equally likely.
    #[must_use]
    pub fn bits(&self) -> f64 {
        match &self.0 {
            Kind::Password { length, alphabet, required } => {
                (alphabet.len() as f64).log2() * *length as f64 + share(*length, alphabet, required).log2()
            }
            Kind::Phrase { words, digit, .. } => {
                (WORDS.len() as f64).log2() * *words as f64 + if *digit { 10_f64.log2() } else { 0.0 }
            }
            Kind::Token { bytes, .. } => *bytes as f64 * 8.0,
        }
    }

    /// Makes one.
    ///
    /// # Errors
    /// Where the system has no randomness to give.
    pub fn make(&self) -> Result<SecretString> {
        let mut dice = Dice::default();
        match &self.0 {
            Kind::Password { length, alphabet, required } => loop {
                // Four bytes hold any character: the text never moves while it grows.
                let mut text = Zeroizing::new(String::with_capacity(length * 4));
                for _ in 0..*length {
                    text.push(alphabet[dice.below(alphabet.len())?]);
                }
                if required.iter().all(|class| text.chars().any(|letter| class.holds(letter))) {
                    return Ok(SecretString::new(std::mem::take(&mut *text)));
                }
            },
            Kind::Phrase { words, separator, capitals, digit } => {
                let mut text = Zeroizing::new(String::with_capacity(words * (16 + separator.len()) + 1));
                for index in 0..*words {
                    if index > 0 {
                        text.push_str(separator);
                    }
                    let word = WORDS[dice.below(WORDS.len())?];
                    let (first, rest) = word.split_at_checked(1).unwrap_or_default();
                    text.push_str(if *capitals { upper(first) } else { first });
                    text.push_str(rest);
                }
                if *digit {
                    text.push(char::from(b"0123456789"[dice.below(10)?]));
                }
                Ok(SecretString::new(std::mem::take(&mut *text)))
            }
            Kind::Token { bytes, hexadecimal } => {
                let mut random = Zeroizing::new(vec![0; *bytes]);
                random_bytes(&mut random)?;
                let text = if *hexadecimal {
                    HEXLOWER.encode(&random)
                } else {
                    URL_SAFE_NO_PAD.encode(random.as_slice())
                };
                Ok(SecretString::new(text))
            }
        }
    }
}

/// One letter as a capital: the list's words begin with `a` to `z`.
fn upper(letter: &str) -> &str {
    let index = Class::Lower.characters().find(letter);
    index.and_then(|index| Class::Upper.characters().get(index..=index)).unwrap_or(letter)
}

/// The share of all texts of this length that hold a character of each required class, by inclusion and
/// exclusion: the classes have no character in common.
fn share(length: usize, alphabet: &[char], required: &[Class]) -> f64 {
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    let portion = |class: &Class| {
        alphabet.iter().filter(|letter| class.holds(**letter)).count() as f64 / alphabet.len() as f64
    };
    let portions: Vec<f64> = required.iter().map(portion).collect();
    (0_u32..1 << portions.len())
        .map(|missing| {
            let left: f64 = portions
                .iter()
                .enumerate()
                .filter(|(at, _)| (missing >> at) & 1 == 1)
                .map(|(_, part)| part)
                .sum();
            let sign = if missing.count_ones() % 2 == 0 { 1.0 } else { -1.0 };
            sign * (1.0 - left).max(0.0).powi(length)
        })
        .sum()
}

/// Uniform numbers out of random bytes, asked for in portions.
#[derive(Default)]
struct Dice {
    bytes: Zeroizing<Vec<u8>>,
}

impl Dice {
    const PORTION: usize = 256;

    /// A number below `bound`, which is at most 65,536. What lies in the last, incomplete run of `bound` numbers
    /// below 65,536 is drawn again, since it would favour the smaller ones.
    fn below(&mut self, bound: usize) -> Result<usize> {
        let whole = (1 << 16) / bound * bound;
        loop {
            let number = usize::from(u16::from_le_bytes([self.byte()?, self.byte()?]));
            if number < whole {
                return Ok(number % bound);
            }
        }
    }

    fn byte(&mut self) -> Result<u8> {
        if self.bytes.is_empty() {
            self.bytes.resize(Self::PORTION, 0);
            random_bytes(&mut self.bytes)?;
        }
        Ok(self.bytes.pop().unwrap_or_default())
    }
}
