//! What a word says about one secret: `[NAME:]Vault/folder/record[#field]`, or `embedded:DIR//Vault/folder/record[#field]`.
//!
//! Names are [escaped](keyferry_core::model::escapes) with backslashes. Without `NAME:` the environment is
//! the one that the command names. In place of the path an item's id may stand.

use crate::exit::usage;
use crate::location::is_name;
use keyferry_core::crypto::totp::Totp;
use keyferry_core::engine::{FetchedRecord, names};
use keyferry_core::error::Place;
use keyferry_core::model::escapes::{escaped, split, unescaped};
use keyferry_core::model::{Custom, CustomKind, Record, RecordPath};
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A word, understood. Nothing is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The environment, where the word names one: a configured one by its name, or `embedded:DIR`.
    pub environment: Option<String>,
    /// Vault, folders and the record's name; or an id.
    pub names: Vec<String>,
    /// What of the record is meant.
    pub wanted: Wanted,
}

/// What of a record is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Its password.
    #[default]
    Password,
    /// The field of this name.
    Field(String),
    /// The present one-time code of the field of this name; of the only such field without one.
    Code(Option<String>),
}

/// How to write a record of an environment in a folder.
const IN_A_FOLDER: &str = "write embedded:DIR//Vault/folder/record";

fn is_folder(environment: &str) -> bool {
    environment.starts_with("embedded:")
}

/// The environment of a reference as a location.
pub fn location_of(environment: &str) -> String {
    if is_folder(environment) { environment.to_owned() } else { format!("{environment}:") }
}

impl Reference {
    /// Understands a word.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an empty path or field.
    pub fn parse(word: &str) -> Result<Self> {
        let form = "write [NAME:]Vault/folder/record#field, or an id in place of the path";
        let (environment, rest) = match word.split_once(':') {
            Some(("embedded", place)) => {
                let (folder, rest) = place
                    .split_once("//")
                    .filter(|(folder, _)| !folder.is_empty())
                    .ok_or_else(|| usage(format!("`{word}` names no record"), IN_A_FOLDER))?;
                (Some(format!("embedded:{folder}")), rest)
            }
            Some((name, rest)) if is_name(name) => (Some(name.to_owned()), rest),
            _ => (None, word),
        };
        let (path, field) = split(rest, '#');
        let wanted = match field {
            None => Wanted::Password,
            Some(field) => match split(field, '?') {
                ("", Some("code")) => Wanted::Code(None),
                (name, Some("code")) => Wanted::Code(Some(unescaped(name))),
                (_, Some(_)) => {
                    return Err(usage(
                        "after `?` only `code` is known",
                        "write #FIELD?code, or \\? for a name",
                    ));
                }
                ("", None) => return Err(usage(format!("`{word}` names no field after #"), form)),
                (name, None) => Wanted::Field(unescaped(name)),
            },
        };
        let names = RecordPath::names(path);
        if names.is_empty() {
            return Err(usage(format!("`{word}` names no record"), form));
        }
        Ok(Self { environment, names, wanted })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.environment.as_deref() {
            Some(folder) if is_folder(folder) => write!(f, "{folder}//")?,
            Some(name) => write!(f, "{name}:")?,
            None => {}
        }
        let names: Vec<String> = self.names.iter().map(|name| escaped(name)).collect();
        f.write_str(&names.join("/"))?;
        match &self.wanted {
            Wanted::Password => Ok(()),
            Wanted::Field(name) => write!(f, "#{}", escaped(name)),
            Wanted::Code(name) => write!(f, "#{}?code", name.as_deref().map(escaped).unwrap_or_default()),
        }
    }
}

impl Wanted {
    /// Takes it from a record.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where the record has no such field, or the field nothing in it: what is
    /// missing must not look like an empty secret.
    pub fn of(&self, picked: &FetchedRecord) -> Result<SecretString> {
        self.value(&picked.record).map_err(|error| error.at(Place::Record(picked.label())))
    }

    fn value(&self, record: &Record) -> Result<SecretString> {
        match self {
            Wanted::Password => record
                .password
                .clone()
                .filter(|password| !password.is_empty())
                .ok_or_else(|| Error::new(ErrorKind::NotFound, "it has no password")),
            Wanted::Field(name) => match field(record, name) {
                Some(value) if value.is_empty() => {
                    Err(Error::new(ErrorKind::NotFound, format!("its field `{name}` is empty")))
                }
                Some(value) => Ok(value),
                None => Err(missing(record, name)),
            },
            Wanted::Code(name) => {
                let custom = match name {
                    Some(name) => custom(record, name),
                    None => only_code(record)?,
                };
                let Some(custom) = custom else {
                    return Err(match name {
                        Some(name) => missing(record, name),
                        None => Error::new(ErrorKind::NotFound, "it has no field for one-time codes"),
                    });
                };
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Ok(Totp::parse(&custom.value)?.code(now.as_secs()))
            }
        }
    }
}

/// The only field for one-time codes.
fn only_code(record: &Record) -> Result<Option<&Custom>> {
    let mut codes = record.customs.iter().filter(|custom| custom.kind == CustomKind::Totp);
    let first = codes.next();
    if codes.next().is_some() {
        return Err(usage("it has several fields for one-time codes", "name one: #FIELD?code"));
    }
    Ok(first)
}

/// A custom field by its name.
fn custom<'a>(record: &'a Record, name: &str) -> Option<&'a Custom> {
    names::find(&record.customs, name, |custom| &custom.name).and_then(|index| record.customs.get(index))
}

/// A field by its name, custom fields first.
pub fn field(record: &Record, name: &str) -> Option<SecretString> {
    if let Some(custom) = custom(record, name) {
        return Some(custom.value.clone());
    }
    let text = |text: &str| (!text.is_empty()).then(|| SecretString::from(text));
    match name {
        "password" => record.password.clone(),
        "name" => text(&record.name),
        "login" => text(&record.login),
        "url" => text(&record.url),
        "description" => text(&record.description),
        "tags" => text(&record.tags.join(",")),
        _ => None,
    }
}

fn missing(record: &Record, name: &str) -> Error {
    let mut known: Vec<&str> = vec!["password", "login", "url", "description", "name", "tags"];
    known.retain(|name| field(record, name).is_some());
    known.extend(record.customs.iter().map(|custom| custom.name.as_str()));
    Error::new(ErrorKind::NotFound, format!("it has no field `{name}`"))
        .next_step(format!("its fields are: {}", crate::output::clean(&known.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(word: &str) -> Reference {
        Reference::parse(word).unwrap()
    }

    #[test]
    fn every_part_may_be_left_out_but_the_record() {
        let whole = parse("prod:Infra/db/mysql#root password");
        assert_eq!(whole.environment.as_deref(), Some("prod"));
        assert_eq!(whole.names, ["Infra", "db", "mysql"]);
        assert_eq!(whole.wanted, Wanted::Field("root password".into()));
        assert_eq!(
            parse("Infra/mysql"),
            Reference {
                environment: None,
                names: vec!["Infra".into(), "mysql".into()],
                wanted: Wanted::Password
            }
        );
        assert_eq!(parse("Infra/mysql#otp?code").wanted, Wanted::Code(Some("otp".into())));
        assert_eq!(parse("Infra/mysql#?code").wanted, Wanted::Code(None));
        let folder = parse("embedded:./my lab//Infra/db/mysql#login");
        assert_eq!(folder.environment.as_deref(), Some("embedded:./my lab"));
        assert_eq!(location_of("embedded:./my lab"), "embedded:./my lab");
        assert_eq!(location_of("prod"), "prod:");
        for empty in [
            "embedded:./lab/Infra/db",
            "embedded:./lab",
            "embedded://Infra/db",
            "embedded:./lab//",
            "",
            "prod:",
            "prod:#password",
            "Infra/mysql#",
            "Infra/mysql#a?b",
        ] {
            assert_eq!(Reference::parse(empty).unwrap_err().kind(), ErrorKind::Usage, "{empty}");
        }
    }

    #[test]
    fn what_is_shown_is_understood_again() {
        for word in [
            "embedded:./my lab//Infra/db",
            r"prod:A\/B/c\#d#e\?f\:g",
            r"Vault\:x/r\\",
            "Infra/mysql#otp?code",
            "Infra/mysql#?code",
        ] {
            assert_eq!(parse(word).to_string(), word);
        }
        assert_eq!(parse(r"prod:A\/B/c\#d#e\?f\:g").names, ["A/B", "c#d"]);
    }

    #[test]
    fn a_missing_field_is_an_error_that_names_those_there_are() {
        let record = Record {
            name: "n".into(),
            login: "root".into(),
            customs: vec![Custom { name: "PIN".into(), kind: CustomKind::Password, value: "planted".into() }],
            ..Record::default()
        };
        let error = Wanted::Field("pin".into()).value(&record).unwrap_err();
        assert_eq!(error.next(), Some("its fields are: login, name, PIN"));
        assert!(Wanted::Password.value(&record).is_err());
        assert_eq!(Wanted::Field("PIN".into()).value(&record).unwrap(), "planted".into());
    }
}
