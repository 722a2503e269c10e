//! Dates that people write into custom fields: until when something is good.

use crate::model::{Custom, CustomKind};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// What such a field is called, in lower case and without anything but letters.
const NAMES: &[&str] = &[
    "expires",
    "expireson",
    "expiresat",
    "expiry",
    "expirydate",
    "expiration",
    "expirationdate",
    "expdate",
    "validuntil",
    "validto",
    "validthru",
    "goodthru",
    "notafter",
    "ablaufdatum",
    "gültigbis",
    "действителендо",
    "действуетдо",
    "годендо",
    "срокдействия",
];

/// What a custom field says about an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// It is about something else, or empty.
    Unsaid,
    /// It names an end that cannot be understood.
    Unclear,
    /// Past from this second on.
    At(i64),
}

/// Reads a custom field.
pub(crate) fn of(custom: &Custom) -> Expiry {
    if custom.kind == CustomKind::Totp {
        return Expiry::Unsaid;
    }
    let name: String =
        custom.name.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    let value = custom.value.expose().trim();
    if value.is_empty() || !NAMES.contains(&name.as_str()) {
        return Expiry::Unsaid;
    }
    end(value).map_or(Expiry::Unclear, Expiry::At)
}

/// The first second after a day, a month or a moment. What names no time zone is UTC.
fn end(text: &str) -> Option<i64> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_second());
    }
    if text.contains(':') {
        let moment = text.parse::<DateTime>().ok()?;
        return Some(moment.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp().as_second());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = text.parse::<i64>().ok()?;
        return match text.len() {
            8 => after(date(number / 10_000, number / 100 % 100, number % 100)?),
            10 => Some(number),
            13 => Some(number / 1_000),
            _ => None,
        };
    }
    let separator = text.chars().find(|c| matches!(c, '-' | '.' | '/'))?;
    let parts: Vec<&str> = text.split(separator).map(str::trim).collect();
    let numbers: Vec<i64> = parts
        .iter()
        .map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?)
        .collect::<Option<_>>()?;
    let is_year = |index: usize| parts.get(index).is_some_and(|part| part.len() == 4);
    match numbers.as_slice() {
        [year, month] if is_year(0) => after(date(*year, *month, 1)?.last_of_month()),
        [month, year] if is_year(1) => after(date(*year, *month, 1)?.last_of_month()),
        // As on a bank card.
        [month, year] if separator == '/' && parts.get(1).is_some_and(|part| part.len() == 2) => {
            after(date(2000 + year, *month, 1)?.last_of_month())
        }
        [year, month, day] if is_year(0) => after(date(*year, *month, *day)?),
        // With slashes some write the month first: only where one reading is left is it a date.
        [first, second, year] if is_year(2) => {
            let day_first = date(*year, *second, *first);
            let month_first = date(*year, *first, *second).filter(|_| separator == '/');
            match (day_first, month_first) {
                (Some(one), Some(other)) if one != other => None,
                (one, other) => after(one.or(other)?),
            }
        }
        _ => None,
    }
}

fn date(year: i64, month: i64, day: i64) -> Option<Date> {
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}

fn after(day: Date) -> Option<i64> {
    Some(day.tomorrow().ok()?.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> Expiry {
        of(&Custom { name: name.into(), kind: CustomKind::Text, value: value.into() })
    }

    fn moment(text: &str) -> Expiry {
        Expiry::At(text.parse::<Timestamp>().unwrap().as_second())
    }

    #[test]
    fn a_day_is_good_until_its_end_and_a_month_until_its_last_day() {
        for value in [
            "2026-11-30",
            "30.11.2026",
            "30/11/2026",
            "11/30/2026",
            "2026/11/30",
            "20261130",
            " 2026-11 ",
            "11/2026",
            "11.2026",
            "11/26",
            "2026-12-01T00:00:00Z",
            "2026-12-01 00:00",
            "2026-12-01T02:00:00+02:00",
            "1796083200",
            "1796083200000",
        ] {
            assert_eq!(field("expires", value), moment("2026-12-01T00:00:00Z"), "{value}");
        }
        assert_eq!(field("expires", "05/05/2026"), moment("2026-05-06T00:00:00Z"));
    }

    #[test]
    fn what_can_be_read_in_two_ways_or_in_none_is_unclear() {
        for value in
            ["05/06/2026", "31.02.2026", "2026-13", "never", "1", "soon: maybe", "13/26", "1.2.3.4", "a/2026"]
        {
            assert_eq!(field("expires", value), Expiry::Unclear, "{value}");
        }
    }

    #[test]
    fn only_fields_that_name_an_end_count() {
        for name in ["Expires", "expiry_date", "Valid until", "NOT-AFTER", "Срок действия"] {
            assert_eq!(field(name, "2026-11-30"), moment("2026-12-01T00:00:00Z"), "{name}");
        }
        for name in ["created", "", "expires never", "date"] {
            assert_eq!(field(name, "2026-11-30"), Expiry::Unsaid, "{name}");
        }
        assert_eq!(field("expires", " "), Expiry::Unsaid);
    }
}
