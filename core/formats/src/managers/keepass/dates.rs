//! Dates of entries: ISO 8601 in XML and KDBX 3.1, seconds since the year 1 in base64 in KDBX 4.

use crate::jsonl::base64;

/// From 0001-01-01 to 1970-01-01.
const BEFORE_UNIX: i64 = 62_135_596_800;
const DAY: i64 = 86_400;

/// A date in Unix seconds.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.contains('-') {
        return of_iso(text);
    }
    let bytes: [u8; 8] = base64(text)?.try_into().ok()?;
    i64::from_le_bytes(bytes).checked_sub(BEFORE_UNIX)
}

/// The bytes of KDBX 4.
pub(super) fn in_base64(seconds: i64) -> [u8; 8] {
    seconds.saturating_add(BEFORE_UNIX).to_le_bytes()
}

/// `2026-03-04T05:06:07Z`; an offset other than Z is taken as well, and a day without its hour.
fn of_iso(text: &str) -> Option<i64> {
    let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00Z"));
    let mut parts = day.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at_checked(at)?,
        None => (time, "Z"),
    };
    let mut parts = clock.splitn(3, ':');
    let mut number = || parts.next().map_or(Some(0), |part| part.split('.').next()?.parse::<i64>().ok());
    let (hour, minute, second) = (number()?, number()?, number()?);
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    let shift = match offset.split_at_checked(1)? {
        ("Z", _) => 0,
        (sign, clock) => {
            let (hours, minutes) = clock.split_once(':').unwrap_or((clock, "0"));
            let shift = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
            if sign == "-" { -shift } else { shift }
        }
    };
    Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - shift)
}

/// Days from 1970-01-01, by the Gregorian rule; years begin in March, so that February is last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// ISO 8601 in UTC.
pub(super) fn iso(seconds: i64) -> String {
    let (day, clock) = (seconds.div_euclid(DAY) + 719_468, seconds.rem_euclid(DAY));
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    #[test]
    fn both_spellings_name_the_same_moment() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-03-04T05:06:07Z", 1_772_600_767),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("0001-01-01T00:00:00Z", -BEFORE_UNIX),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(seconds(text), Some(unix), "{text}");
            assert_eq!(iso(unix), text);
            assert_eq!(seconds(&BASE64_STANDARD.encode(in_base64(unix))), Some(unix));
        }
        assert_eq!(seconds("2026-03-04T05:06:07+02:00"), seconds("2026-03-04T03:06:07Z"));
        assert_eq!(seconds("2026-03-04 05:06:07.123"), seconds("2026-03-04T05:06:07Z"));
        assert_eq!(seconds("2026-03-04"), seconds("2026-03-04T00:00:00Z"));
        for text in [
            "",
            "-",
            "2026-13-01",
            "2026-01-99T00:00:00Z",
            "x-y-z",
            "AAAA",
            "2026-01-01T25:00:00Z",
            "2026-01-01Té",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
