//! `--changed-since`: a day, a moment, or a span back from now.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

/// Unix seconds of `2026-11-01`, `2026-11-01T12:00:00Z`, `7d`, `12h`, `30m`. What names no time zone is UTC.
pub fn parse(word: &str) -> Result<i64, String> {
    before(Timestamp::now(), word)
}

fn before(now: Timestamp, word: &str) -> Result<i64, String> {
    if let Ok(moment) = word.parse::<Timestamp>() {
        return Ok(moment.as_second());
    }
    if let Ok(moment) = word.parse::<civil::DateTime>() {
        let moment = moment.to_zoned_datetime(TimeZone::UTC).map_err(|error| error.to_string())?;
        return Ok(moment.timestamp().as_second());
    }
    let back = word.parse::<Span>().ok().filter(Span::is_positive);
    let moment = back.and_then(|span| now.to_zoned_datetime(TimeZone::UTC).checked_sub(span).ok());
    let moment = moment.ok_or("write 2026-11-01, 2026-11-01T12:00:00Z, or a span such as 7d, 12h, 30m")?;
    Ok(moment.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_moments_and_spans_are_understood() {
        let noon: Timestamp = "2026-11-08T12:00:00Z".parse().unwrap();
        let back = |word| noon.as_second() - before(noon, word).unwrap();
        assert_eq!(back("2026-11-08T12:00:00Z"), 0);
        assert_eq!(back("2026-11-08T12:00:00+02:00"), 2 * 3600);
        assert_eq!(back("2026-11-08T11:59:30"), 30);
        assert_eq!(back("2026-11-08"), 12 * 3600);
        assert_eq!(back("7d"), 7 * 24 * 3600);
        assert_eq!(back("12h"), 12 * 3600);
        assert_eq!(back("30m"), 30 * 60);
        assert_eq!(back("1d 6h"), 30 * 3600);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for word in ["", "7", "d", "yesterday", "2026-02-30", "2026-13-01", "-7d", "7d ago", "99999999d"] {
            assert!(before(Timestamp::UNIX_EPOCH, word).is_err(), "{word}");
        }
    }
}
