//! What one record tells by itself: pure functions over a [`Record`].

use crate::engine::audit::Rules;
use crate::engine::audit::expiry;
use crate::engine::audit::expiry::Expiry;
use crate::engine::audit::finding::{Field, Kind, Severity};
pub(crate) use crate::engine::report::counted;
use crate::model::{CustomKind, Record};
use crate::secret::SecretString;
use std::collections::BTreeSet;
use url::Url;
use zxcvbn::feedback::Warning;

/// Words of a record that are shorter say nothing about its password.
const SHORTEST_WORD: usize = 3;

/// Something that is wrong, of a record that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub kind: Kind,
    pub severity: Severity,
    pub field: Field,
    pub what: String,
}

impl Seen {
    pub fn new(kind: Kind, field: Field, what: impl Into<String>) -> Self {
        Self { kind, severity: kind.severity(), field, what: what.into() }
    }
}

/// The secrets of a record that are passwords: its own, and custom fields of that type. Empty ones are none.
pub(crate) fn passwords(record: &Record) -> impl Iterator<Item = (Field, &SecretString)> {
    let own = record.password.iter().map(|password| (Field::Password, password));
    let customs = (1..).zip(&record.customs).filter(|(_, custom)| custom.kind == CustomKind::Password);
    own.chain(customs.map(|(number, custom)| (Field::Custom(number), &custom.value)))
        .filter(|(_, password)| !password.is_empty())
}

/// What there is to say besides the strength of passwords.
pub(crate) fn look(record: &Record, rules: &Rules) -> Vec<Seen> {
    let mut seen = Vec::new();
    seen.extend(no_password(record));
    seen.extend(
        passwords(record)
            .filter(|(field, password)| *field == Field::Password && is_login(record, password))
            .map(|(field, _)| Seen::new(Kind::SameAsLogin, field, Kind::SameAsLogin.title())),
    );
    seen.extend(old(record, rules));
    seen.extend(no_one_time_code(record));
    for (number, custom) in (1..).zip(&record.customs) {
        let Expiry::At(end) = expiry::of(custom) else { continue };
        if end <= rules.now {
            let what = match days(rules.now - end) {
                0 => "it has expired today".to_owned(),
                days => format!("it expired {} ago", counted(days, "day")),
            };
            seen.push(Seen::new(Kind::Expired, Field::Custom(number), what));
        } else if end <= rules.expires_by {
            let what = format!("it expires in {}", counted(days(end - rules.now), "day"));
            seen.push(Seen::new(Kind::ExpiresSoon, Field::Custom(number), what));
        }
    }
    seen.retain(|one| rules.wants(one.kind));
    seen
}

/// Custom fields that name an end which cannot be understood.
pub(crate) fn unclear_dates(record: &Record) -> u64 {
    record.customs.iter().filter(|custom| expiry::of(custom) == Expiry::Unclear).count() as u64
}

/// How hard a password is to guess, from 0 to 4, for whoever knows the rest of the record; and why.
pub(crate) fn strength(record: &Record, password: &SecretString) -> (u8, &'static str) {
    let words = words(record);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // It looks at the first hundred characters: its time grows faster than the length.
    let entropy = zxcvbn::zxcvbn(password.expose(), &words);
    let warning = entropy.feedback().and_then(zxcvbn::feedback::Feedback::warning);
    (u8::from(entropy.score()), reason(warning))
}

/// What makes a password weak. Pending so that it does not narrow down which one it is: a place among the ten
/// most common ones would.
fn reason(warning: Option<Warning>) -> &'static str {
    match warning {
        Some(
            Warning::ThisIsATop10Password
            | Warning::ThisIsATop100Password
            | Warning::ThisIsACommonPassword
            | Warning::ThisIsSimilarToACommonlyUsedPassword
            | Warning::AWordByItselfIsEasyToGuess,
        ) => "a common password, a word, or a word of the record",
        Some(
            Warning::NamesAndSurnamesByThemselvesAreEasyToGuess
            | Warning::CommonNamesAndSurnamesAreEasyToGuess,
        ) => "a common name",
        Some(Warning::StraightRowsOfKeysAreEasyToGuess | Warning::ShortKeyboardPatternsAreEasyToGuess) => {
            "keys beside each other"
        }
        Some(
            Warning::RepeatsLikeAaaAreEasyToGuess
            | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess
            | Warning::SequencesLikeAbcAreEasyToGuess,
        ) => "repeated or sequential characters",
        Some(Warning::RecentYearsAreEasyToGuess | Warning::DatesAreOftenEasyToGuess) => "a date or a year",
        None => "short, or made of common parts or words of the record",
    }
}

/// What whoever sees the record tries first: its login, its name, its host, whole and in pieces.
fn words(record: &Record) -> BTreeSet<String> {
    let host = host(&record.url).unwrap_or_default();
    let mut words = BTreeSet::new();
    for text in [record.login.as_str(), record.name.as_str(), host.as_str()] {
        let pieces = text.split(|c: char| !c.is_alphanumeric()).chain([text]);
        words.extend(pieces.filter(|word| word.chars().count() >= SHORTEST_WORD).map(str::to_lowercase));
    }
    words
}

/// The finding about a password's strength, where it is below what is asked for.
pub(crate) fn weak(field: Field, score: u8, reason: &str, rules: &Rules) -> Option<Seen> {
    let severity = match score {
        0 | 1 => Severity::High,
        2 => Severity::Medium,
        _ => Severity::Low,
    };
    let what = format!("strength {score} of 4: {reason}");
    (score < rules.min_score && rules.wants(Kind::Weak))
        .then(|| Seen { severity, ..Seen::new(Kind::Weak, field, what) })
}

/// A password that is the login, whole or up to the `@`.
fn is_login(record: &Record, password: &SecretString) -> bool {
    let login = record.login.trim().to_lowercase();
    let password = zeroize::Zeroizing::new(password.expose().trim().to_lowercase());
    let local = login.split('@').next().unwrap_or_default();
    !login.is_empty() && (*password == login || (!local.is_empty() && *password == local))
}

/// A record whose secret stands in a custom field has one.
fn no_password(record: &Record) -> Option<Seen> {
    if passwords(record).next().is_some() {
        return None;
    }
    let kind = match &record.password {
        Some(_) => Kind::EmptyPassword,
        None if record.login.is_empty() && record.url.is_empty() => return None,
        None => Kind::MissingPassword,
    };
    Some(Seen::new(kind, Field::Password, kind.title()))
}

/// Records tell when anything of them was changed, so their passwords are at least as old.
fn old(record: &Record, rules: &Rules) -> Option<Seen> {
    let changed = record.changed_at.filter(|at| *at < rules.changed_after)?;
    passwords(record).next()?;
    let what = format!("nothing of the record was changed for {}", counted(days(rules.now - changed), "day"));
    Some(Seen::new(Kind::Old, Field::Record, what))
}

/// A one-time code also counts where it was kept in a field of another type.
fn no_one_time_code(record: &Record) -> Option<Seen> {
    let has_code = record.customs.iter().any(|custom| {
        let value = custom.value.expose().trim_start();
        (custom.kind == CustomKind::Totp && !value.is_empty()) || value.starts_with("otpauth://")
    });
    let signs_in = !record.login.is_empty() && record.password.as_ref().is_some_and(|one| !one.is_empty());
    (signs_in && !has_code && host(&record.url).is_some())
        .then(|| Seen::new(Kind::NoOneTimeCode, Field::Record, Kind::NoOneTimeCode.title()))
}

/// The host of a web address, with its scheme or as people write it.
fn host(address: &str) -> Option<String> {
    let address = address.trim();
    let url = match Url::parse(address) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        // `host:8443/path` reads as a scheme.
        Ok(_) if address.contains("://") => return None,
        _ if address.is_empty() => return None,
        _ => Url::parse(&format!("https://{address}")).ok()?,
    };
    url.host_str().map(str::to_owned)
}

/// Whole days.
pub(crate) fn days(seconds: i64) -> u64 {
    u64::try_from(seconds / 86_400).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Custom;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    fn rules() -> Rules {
        Rules { now: NOW, changed_after: NOW - 365 * DAY, expires_by: NOW + 30 * DAY, ..Rules::default() }
    }

    fn record() -> Record {
        Record {
            name: "Postgres main".into(),
            login: "Alice@lab.example".into(),
            password: Some("vT9#kQ2!mZ7pLx4w".into()),
            url: "https://db.lab.example:8443/x".into(),
            customs: vec![custom("code", CustomKind::Totp, "GEZDGNBVGY3TQOJQ")],
            changed_at: Some(NOW - DAY),
            ..Record::default()
        }
    }

    fn custom(name: &str, kind: CustomKind, value: &str) -> Custom {
        Custom { name: name.into(), kind, value: value.into() }
    }

    fn kinds(record: &Record) -> Vec<Kind> {
        look(record, &rules()).into_iter().map(|seen| seen.kind).collect()
    }

    #[test]
    fn a_record_in_good_order_has_nothing() {
        assert_eq!(look(&record(), &rules()), []);
        let (score, _) = strength(&record(), record().password.as_ref().unwrap());
        assert_eq!(score, 4);
    }

    #[test]
    fn a_password_that_is_the_login_is_found_whatever_its_case_and_without_the_domain() {
        for (password, found) in
            [("alice@LAB.example", true), ("ALICE", true), ("lab.example", false), ("bob", false)]
        {
            let record = Record { password: Some(password.into()), ..record() };
            assert_eq!(kinds(&record) == [Kind::SameAsLogin], found, "{password}");
        }
        let without =
            Record { login: String::new(), password: Some(" ".into()), url: String::new(), ..record() };
        assert_eq!(kinds(&without), []);
        let only_domain = Record { login: "@x".into(), password: Some(" ".into()), ..record() };
        assert_eq!(kinds(&only_domain), []);
    }

    #[test]
    fn empty_differs_from_missing_and_a_secret_elsewhere_is_a_secret() {
        let empty = Record { password: Some("".into()), ..record() };
        assert_eq!(kinds(&empty), [Kind::EmptyPassword]);
        let missing = Record { password: None, ..record() };
        assert_eq!(kinds(&missing), [Kind::MissingPassword]);
        let note = Record { login: String::new(), url: String::new(), ..missing.clone() };
        assert_eq!(kinds(&note), []);
        let elsewhere = Record { customs: vec![custom("key", CustomKind::Password, "x")], ..missing };
        assert_eq!(kinds(&elsewhere), []);
    }

    #[test]
    fn age_counts_from_the_last_change_of_anything() {
        let aged = |days: i64| Record { changed_at: Some(NOW - days * DAY), ..record() };
        assert_eq!((kinds(&aged(365)), kinds(&aged(366))), (vec![], vec![Kind::Old]));
        assert_eq!(look(&aged(400), &rules())[0].what, "nothing of the record was changed for 400 days");
        assert_eq!(kinds(&Record { changed_at: None, ..record() }), []);
    }

    #[test]
    fn only_web_logins_are_expected_to_have_a_one_time_code() {
        let bare = |url: &str| Record { customs: vec![], url: url.into(), ..record() };
        for url in
            ["https://a.example", "http://10.0.0.1", "mail.example", "a.example:8443/x", "localhost:80"]
        {
            assert_eq!(kinds(&bare(url)), [Kind::NoOneTimeCode], "{url}");
        }
        for url in ["", "ssh://a.example", "postgres://db/x", " "] {
            assert_eq!(kinds(&bare(url)), [], "{url}");
        }
        let text = custom("2fa", CustomKind::Text, "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ");
        assert_eq!(kinds(&Record { customs: vec![text], ..record() }), []);
        assert_eq!(kinds(&Record { login: String::new(), ..bare("https://a.example") }), []);
    }

    #[test]
    fn ends_are_told_before_and_after() {
        let with = |value: &str| {
            let mut record = record();
            record.customs.push(custom("Expires", CustomKind::Text, value));
            record
        };
        let at = |seconds: i64| jiff::Timestamp::from_second(NOW + seconds).unwrap().to_string();
        let told =
            |seconds: i64| look(&with(&at(seconds)), &rules()).pop().map(|seen| (seen.kind, seen.what));
        assert_eq!(told(31 * DAY), None);
        assert_eq!(told(5 * DAY), Some((Kind::ExpiresSoon, "it expires in 5 days".into())));
        assert_eq!(told(0), Some((Kind::Expired, "it has expired today".into())));
        assert_eq!(told(-DAY), Some((Kind::Expired, "it expired 1 day ago".into())));
        assert_eq!(look(&with("whenever"), &rules()), []);
        assert_eq!((unclear_dates(&with("whenever")), unclear_dates(&with("2026-01-01"))), (1, 0));
    }

    #[test]
    fn the_words_of_the_record_make_a_password_weak() {
        let score = |password: &str, record: &Record| strength(record, &password.into()).0;
        let elsewhere = Record::default();
        for password in ["PostgresMain1", "alice@lab.example2", "db.lab.example"] {
            assert!(score(password, &record()) < score(password, &elsewhere), "{password}");
        }
        assert!(score("password1", &elsewhere) < 2);
    }

    #[test]
    fn a_very_long_password_is_estimated_by_its_beginning() {
        let long = "äbcd1".repeat(200_000);
        assert!(strength(&record(), &long.as_str().into()).0 <= 4);
    }

    #[test]
    fn what_is_not_asked_for_is_not_told() {
        let empty = Record { password: Some("".into()), ..record() };
        let only = Rules { kinds: vec![Kind::Old], ..rules() };
        assert_eq!(look(&empty, &only), []);
        assert_eq!(weak(Field::Password, 0, "x", &only), None);
        let severity = |score| weak(Field::Password, score, "x", &rules()).map(|seen| seen.severity);
        let expected = [Some(Severity::High), Some(Severity::High), Some(Severity::Medium), None, None];
        assert_eq!([0, 1, 2, 3, 4].map(severity), expected);
    }
}
