//! `--changed-since`: a day, a moment, or a span back from now.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

/// A time as it was typed.
#[derive(Clone, Debug)]
pub enum When {
    /// `2026-11-01` or `2026-11-01T12:00:00Z`.
    At(Timestamp),
    /// `7d`, `12h`, `30m`. It stays a span: a job that is resumed tomorrow counts from the day it began.
    Back(Span),
}

/// Understands a time. What names no time zone is UTC.
pub fn parse(word: &str) -> Result<When, String> {
    let day = |day: civil::DateTime| day.to_zoned_datetime(TimeZone::UTC).ok().map(|at| at.timestamp());
    let moment = word.parse::<Timestamp>().ok().or_else(|| word.parse().ok().and_then(day));
    if let Some(moment) = moment {
        return Ok(When::At(moment));
    }
    let span = word.parse::<Span>().ok().filter(Span::is_positive);
    // Told now, rather than when the span turns out to reach beyond the calendar.
    span.filter(|span| back(Timestamp::now(), *span).is_some())
        .map(When::Back)
        .ok_or_else(|| "write 2026-11-01, 2026-11-01T12:00:00Z, or a span such as 7d, 12h, 30m".to_owned())
}

/// Understands a span alone.
pub fn span(word: &str) -> Result<When, String> {
    match parse(word) {
        Ok(When::Back(span)) => Ok(When::Back(span)),
        _ => Err("write a span such as 7d, 12h, 30m".to_owned()),
    }
}

impl When {
    /// Unix seconds.
    pub fn counted_from(self, now: Timestamp) -> i64 {
        match self {
            When::At(moment) => moment,
            When::Back(span) => back(now, span).unwrap_or(Timestamp::MIN),
        }
        .as_second()
    }
}

/// Days have 24 hours in UTC, months are the calendar's.
fn back(now: Timestamp, span: Span) -> Option<Timestamp> {
    now.to_zoned_datetime(TimeZone::UTC).checked_sub(span).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_moments_and_spans_are_understood() {
        let noon: Timestamp = "2026-11-08T12:00:00Z".parse().unwrap();
        let ago = |word| noon.as_second() - parse(word).unwrap().counted_from(noon);
        assert_eq!(ago("2026-11-08T12:00:00Z"), 0);
        assert_eq!(ago("2026-11-08T12:00:00+02:00"), 2 * 3600);
        assert_eq!(ago("2026-11-08T11:59:30"), 30);
        assert_eq!(ago("2026-11-08"), 12 * 3600);
        assert_eq!(ago("7d"), 7 * 24 * 3600);
        assert_eq!(ago("12h"), 12 * 3600);
        assert_eq!(ago("30m"), 30 * 60);
        assert_eq!(ago("1d 6h"), 30 * 3600);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for word in ["", "7", "d", "yesterday", "2026-02-30", "2026-13-01", "-7d", "7d ago", "9999999d"] {
            assert!(parse(word).is_err(), "{word}");
        }
    }
}
