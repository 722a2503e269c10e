//! `generate`: passwords, passphrases and tokens.

use crate::args::generate::{Generate, Purpose};
use crate::config::Config;
use crate::credentials::Side;
use crate::exit::usage;
use crate::location;
use crate::location::Need;
use crate::output::Output;
use keyferry_core::Result;
use keyferry_core::crypto::password::{Class, Recipe};
use serde_json::json;

/// Makes what is asked for.
pub async fn run(generate: &Generate, config: impl FnOnce() -> Result<Config>, output: Output) -> Result<u8> {
    let rules = match &generate.policy {
        None => Rules::default(),
        Some(location) => Rules::of(location, generate.purpose, &config()?).await?,
    };
    let recipe = recipe(generate, &rules)?;
    let made = (0..generate.count).map(|_| recipe.make());
    if output.json {
        let secrets = made.map(|secret| Ok(json!(secret?.expose()))).collect::<Result<Vec<_>>>()?;
        // Tenths of a bit are all that anybody reads.
        let bits = (recipe.bits() * 10.0).floor() / 10.0;
        output.document(&json!({ "secrets": secrets, "bits": bits }))?;
        return Ok(0);
    }
    for secret in made {
        output.line(secret?.expose())?;
    }
    output.say(&format!("{:.0} bits of entropy each", recipe.bits().floor()));
    if recipe.bits() < FEWEST_BITS {
        output.warn("that is guessed in moments: make it longer");
    }
    Ok(0)
}

/// What a stolen database of hashes withstands for less than a day.
const FEWEST_BITS: f64 = 40.0;

/// What an environment asks of passwords.
#[derive(Default)]
struct Rules {
    least: usize,
    required: Vec<Class>,
}

impl Rules {
    async fn of(location: &str, purpose: Purpose, config: &Config) -> Result<Self> {
        let word = if config.environments.contains_key(location) {
            format!("{location}:")
        } else {
            location.to_owned()
        };
        let (environment, _) = location::environment(&word, Side::Only, Need::Names, config).await?;
        let settings = environment.client().settings().await?;
        let asked = match purpose {
            Purpose::Login => settings.auth_password_complexity,
            Purpose::Master => settings.master_password_complexity,
        };
        let classes = [
            (Class::Upper, asked.is_uppercase_required),
            (Class::Digit, asked.is_digits_required),
            (Class::Symbol, asked.is_special_characters_required),
        ];
        Ok(Self {
            least: usize::try_from(asked.min_length).unwrap_or(usize::MAX),
            required: classes.into_iter().filter(|(_, required)| *required).map(|(class, _)| class).collect(),
        })
    }

    fn require(&self, class: Class) -> bool {
        self.required.contains(&class)
    }
}

fn recipe(asked: &Generate, rules: &Rules) -> Result<Recipe> {
    let recipe = if let Some(bytes) = asked.token {
        Recipe::token(bytes, asked.hex)?
    } else if let Some(words) = asked.words {
        if rules.require(Class::Symbol) && !asked.separator.chars().any(|sign| Class::Symbol.holds(sign)) {
            return Err(usage("a special character is required", "give a --separator"));
        }
        Recipe::phrase(words, &asked.separator, rules.require(Class::Upper), rules.require(Class::Digit))?
    } else if let Some(alphabet) = &asked.alphabet {
        Recipe::password(asked.length, alphabet, &rules.required)?
    } else {
        let classes: Vec<_> =
            Class::ALL.into_iter().filter(|class| !(asked.no_symbols && *class == Class::Symbol)).collect();
        let alphabet: String = classes.iter().map(|class| class.characters()).collect();
        // A class of our own choice is left out where the password is too short for it.
        let own = if asked.length >= classes.len() { classes } else { Vec::new() };
        let required: Vec<_> =
            Class::ALL.into_iter().filter(|class| own.contains(class) || rules.require(*class)).collect();
        Recipe::password(asked.length, &alphabet, &required)?
    };
    if recipe.shortest() < rules.least {
        return Err(usage(
            format!("the environment asks for {} characters at least", rules.least),
            if asked.words.is_some() { "choose more --words" } else { "choose a larger --length" },
        ));
    }
    Ok(recipe)
}
