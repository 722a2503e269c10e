//! What an audit finds: its kinds, how bad they are, and what to do about them. Names, never values.

use crate::error::{Error, ErrorKind, Result};
use serde::{Serialize, Serializer};
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth a change soon.
    Medium,
    /// Worth a change now.
    High,
}

impl Severity {
    /// The worst first.
    pub const ALL: [Severity; 3] = [Severity::High, Severity::Medium, Severity::Low];

    /// The stable word for scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $kind:ident = $name:literal, $severity:ident, $title:literal, $next:literal; )+) => {
        /// What is wrong with a record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind { $( $(#[doc = $doc])+ $kind, )+ }

        impl Kind {
            /// Every kind, in the order in which people are told.
            pub const ALL: &[Kind] = &[ $( Kind::$kind, )+ ];

            /// The stable word for scripts.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $( Kind::$kind => $name, )+ } }

            /// How bad it is as a rule; a finding may be less so.
            #[must_use]
            pub const fn severity(self) -> Severity { match self { $( Kind::$kind => Severity::$severity, )+ } }

            /// What it means, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $( Kind::$kind => $title, )+ } }

            /// What to do about it.
            #[must_use]
            pub const fn next(self) -> &'static str { match self { $( Kind::$kind => $next, )+ } }
        }
    };
}

kinds! {
    /// The password is in the list of breached ones.
    Breached = "breached", High, "the password is in the list of breached passwords",
        "change it wherever it is used: lists like this are what attackers try first";
    /// Several records hold the same password.
    Reused = "reused", High, "several records have the same password",
        "give each record a password of its own: one that leaks opens the others";
    /// The password is the login.
    SameAsLogin = "same-as-login", High, "the password is the login",
        "set a generated password: the login is the first thing to be tried";
    /// The password can be guessed.
    Weak = "weak", High, "the password can be guessed",
        "set a generated password of 16 characters or more";
    /// A date in a field of the record has passed.
    Expired = "expired", High, "it has expired",
        "renew it and enter the new date, or delete the record";
    /// A date in a field of the record will pass soon.
    ExpiresSoon = "expires-soon", Medium, "it expires soon",
        "renew it in time and enter the new date";
    /// The password is there and empty.
    EmptyPassword = "empty-password", Medium, "the password is empty",
        "enter the password, or say in the record where it is kept";
    /// Nothing of the record was changed for long, so neither was its password.
    Old = "old", Medium, "the password was not changed for long",
        "change the password, or delete the record if nobody needs it any more";
    /// There is a login or an address, and no password.
    MissingPassword = "missing-password", Low, "there is a login or an address but no password",
        "enter the password, or leave it if signing in needs none";
    /// A web login without a second factor in the record.
    NoOneTimeCode = "no-one-time-code", Low, "a web login without a one-time code",
        "turn the second factor on where the site has one, and keep its secret in a totp field";
}

impl Kind {
    /// The kind of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for any other word.
    pub fn from_name(word: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == word).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            Error::new(ErrorKind::Usage, "an audit has no such kind of finding")
                .next_step(format!("it has {}", known.join(", ")))
        })
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// Which secret of a record is meant. Names of custom fields are secrets themselves, so they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The record as a whole.
    Record,
    /// Its password.
    Password,
    /// The custom field of this number, from 1.
    Custom(u32),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Record => f.write_str("record"),
            Field::Password => f.write_str("password"),
            Field::Custom(number) => write!(f, "custom field {number}"),
        }
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// See [`Kind`].
    pub kind: Kind,
    /// See [`Severity`].
    pub severity: Severity,
    /// Path and name of the record.
    pub record: String,
    /// Its id, in an environment.
    pub id: Option<String>,
    /// Where it stands in a file: `line 12`.
    pub at: Option<String>,
    /// What of the record is meant: `password`, `custom field 2`, `record`.
    pub field: Field,
    /// Reused passwords: the records of one number share one password.
    pub group: Option<u64>,
    /// What was seen: a sentence without secrets.
    pub what: String,
    /// What to do about it.
    pub next: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_that_leads_back_to_it() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()).unwrap(), *kind);
        }
        let error = Kind::from_name("week").unwrap_err();
        assert!(error.next().unwrap().contains("weak"), "{error}");
    }
}
