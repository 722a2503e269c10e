//! Dates as files have them, to Unix seconds and back to days.

/// Above this a number counts milliseconds: as seconds it would be the year 5138.
const MILLISECONDS: u64 = 100_000_000_000;

/// Seconds or milliseconds since 1970; what stands for `unknown` (1904 and 1970 themselves) is none.
pub(crate) fn of_number(number: i64) -> Option<i64> {
    let seconds = if number.unsigned_abs() > MILLISECONDS { number / 1000 } else { number };
    (seconds != 0 && seconds != -2_082_844_800).then_some(seconds)
}

/// The Unix seconds of `2025-02-03T04:05:06.000Z` and its kin: a space for the `T`, no seconds, no zone (UTC) or an offset.
pub(crate) fn of_iso(text: &str) -> Option<i64> {
    let text = text.trim();
    let date = text.get(..10)?;
    let mut parts = date.split('-');
    let (year, month, day) =
        (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let rest = text.get(10..)?;
    let mut seconds = days_from_civil(year, month, day) * 86_400;
    if rest.is_empty() {
        return Some(seconds);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let end = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    let mut parts = time.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let second = match parts.next() {
        Some(part) => number(part.split('.').next()?.trim(), 2)?,
        None => 0,
    };
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    seconds += hour * 3600 + minute * 60 + second;
    if let Some(offset) = zone.strip_prefix(['+', '-']) {
        let hours = number(offset.get(..2)?, 2)?;
        let minutes = offset.get(2..)?.trim_start_matches(':');
        let minutes = if minutes.is_empty() { 0 } else { number(minutes, 2)? };
        let offset = hours * 3600 + minutes * 60;
        seconds += if zone.starts_with('+') { -offset } else { offset };
    }
    Some(seconds)
}

/// So many digits and nothing else.
fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Unix seconds as a number that [`of_number`] reads as the same; `None` for others.
pub(crate) fn as_number(seconds: i64) -> Option<String> {
    (of_number(seconds) == Some(seconds)).then(|| seconds.to_string())
}

/// Days since 1970 of a day of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The day of Unix seconds: `2025-02-03`.
pub(crate) fn day(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Unix seconds in ISO 8601, in UTC; `None` for years that it has no four digits for.
pub(crate) fn iso(seconds: i64) -> Option<String> {
    if !(-62_135_596_800..=253_402_300_799).contains(&seconds) {
        return None;
    }
    let clock = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    Some(format!("{}T{hour:02}:{minute:02}:{second:02}Z", day(seconds)))
}

/// `YYYY-MM` of the ways in which months are written: `08/31`, `8/2031`, `2031-08`, `203108`, `082031`, `2031/8`. `None` for
/// anything else, which then stays as it is.
pub(crate) fn month(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    let (first, second) = match text.split_once(['/', '-', '.']) {
        Some(parts) => parts,
        None if text.len() == 6 && digits(text) => {
            let (a, b) = text.split_at(4);
            if is_year(a) && is_month(b) { (a, b) } else { text.split_at(2) }
        }
        None if text.len() == 4 && digits(text) => text.split_at(2),
        None => return None,
    };
    let (first, second) = (first.trim(), second.trim());
    if !digits(first) || !digits(second) {
        return None;
    }
    let (year, month) = if first.len() == 4 { (first, second) } else { (second, first) };
    if !is_month(month) {
        return None;
    }
    match year.len() {
        4 => Some(format!("{year}-{month:0>2}")),
        2 => Some(format!("20{year}-{month:0>2}")),
        _ => None,
    }
}

fn is_month(text: &str) -> bool {
    text.len() <= 2 && text.parse().is_ok_and(|month: u8| (1..=12).contains(&month))
}

fn is_year(text: &str) -> bool {
    text.parse().is_ok_and(|year: u16| (1900..2200).contains(&year))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_forms_that_files_have() {
        for (text, seconds) in [
            ("2025-02-03T04:05:06Z", Some(1_738_555_506)),
            ("2025-02-03T04:05:06.000000Z", Some(1_738_555_506)),
            ("2025-02-03 04:05:06", Some(1_738_555_506)),
            ("2025-02-03T06:05:06+02:00", Some(1_738_555_506)),
            ("2025-02-03T01:05:06-0300", Some(1_738_555_506)),
            ("2025-02-03", Some(1_738_540_800)),
            ("2/3/2025 4:05", None),
            ("2025-13-03", None),
            ("2025-02-03T25:05", None),
            ("", None),
            ("2025-02-0é", None),
        ] {
            assert_eq!(of_iso(text), seconds, "{text}");
        }
        assert_eq!(of_number(1_738_555_506_000), Some(1_738_555_506));
        assert_eq!((of_number(0), of_number(-2_082_844_800)), (None, None));
        assert_eq!(day(1_738_555_506), "2025-02-03");
        assert_eq!((day(-1), day(951_782_400)), ("1969-12-31".to_owned(), "2000-02-29".to_owned()));
    }

    #[test]
    fn months_of_cards_come_to_one_form() {
        for (text, wanted) in [
            ("08/31", Some("2031-08")),
            ("8/2031", Some("2031-08")),
            ("2031-08", Some("2031-08")),
            ("203108", Some("2031-08")),
            ("082031", Some("2031-08")),
            ("0831", Some("2031-08")),
            ("13/31", None),
            ("soon", None),
            ("1/2/3", None),
            ("/", None),
        ] {
            assert_eq!(month(text).as_deref(), wanted, "{text}");
        }
    }
}
