//! Addresses with a password in them, such as `postgres://user:password@host/database`: an environment keeps the address of
//! a record in the clear, so the password in it becomes a hidden field. One law for every format.

use crate::tally::Tally;
use keyferry_crypto::model::{Custom, CustomKind, Record};
use keyferry_crypto::secret::SecretString;
use std::fmt::Display;
use std::ops::Range;
use zeroize::Zeroize;

const MOVED: &str = "an address with a password in it is a hidden field: the record's address, which no environment encrypts, is without the password";
const HIDDEN: &str = "a field that is an address with a password in it is hidden";
/// Names of parameters that are passwords, as drivers of databases have them.
const PARAMETERS: &[&str] = &["password", "passwd", "pwd", "sslpassword", "trustStorePassword"];

/// Moves the passwords in a record's addresses to where they are encrypted.
pub(crate) fn take_out(record: &mut Record, tally: &mut Tally, at: &impl Display) {
    for custom in &mut record.customs {
        if custom.kind == CustomKind::Text && password(custom.value.expose()).is_some() {
            custom.kind = CustomKind::Password;
            tally.remark(HIDDEN, at);
        }
    }
    let mut found = None;
    while let Some(range) = password(&record.url) {
        let mut rest = String::with_capacity(record.url.len());
        rest.extend([record.url.get(..range.start), record.url.get(range.end..)].into_iter().flatten());
        let mut whole = std::mem::replace(&mut record.url, rest);
        if found.is_none() {
            found = Some(whole);
        } else {
            whole.zeroize();
        }
    }
    let Some(whole) = found else { return };
    let value = SecretString::new(whole);
    // A name may have been made of the address.
    if record.name == value.expose() {
        record.name.zeroize();
        record.name.clone_from(&record.url);
    }
    let kind = CustomKind::Password;
    record.customs.push(Custom { name: "URL".to_owned(), kind, value });
    tally.remark(MOVED, at);
}

/// Where a password stands in an address, with the colon before it where there is one.
fn password(text: &str) -> Option<Range<usize>> {
    // Nearly every address has neither.
    if !text.contains(['@', '=']) {
        return None;
    }
    of_user(text).or_else(|| of_parameter(text))
}

/// `scheme://user:password@host`, and `user:password@tcp(host)` as drivers in Go have it.
fn of_user(text: &str) -> Option<Range<usize>> {
    let (start, end) = match text.find("://") {
        Some(scheme) => {
            let start = scheme + 3;
            let rest = text.get(start..)?;
            let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let end = if let Some(at) = rest.get(..authority)?.rfind('@') {
                at
            } else {
                // A password may have such a character, though it should be written in percent: what is no port is one.
                let (_, port) = rest.get(..authority)?.split_once(':')?;
                let is_port = port.bytes().all(|byte| byte.is_ascii_digit() || b",.:]".contains(&byte));
                if is_port || rest.starts_with('[') || port.contains(',') {
                    return None;
                }
                rest.rfind('@')?
            };
            (start, start + end)
        }
        None => (0, ["@tcp(", "@tcp6(", "@unix(", "@("].iter().find_map(|host| text.rfind(host))?),
    };
    let colon = start + text.get(start..end)?.find(':')?;
    (colon + 1 < end).then_some(colon..end)
}

/// `…?password=…` and `…;Password=…`: the value.
fn of_parameter(text: &str) -> Option<Range<usize>> {
    let mut from = 0;
    for part in text.split_inclusive(['?', '&', ';']) {
        let end = from + part.trim_end_matches(['?', '&', ';']).len();
        if let Some((name, value)) = text.get(from..end)?.split_once('=')
            && !value.is_empty()
            && PARAMETERS.iter().any(|known| name.trim().eq_ignore_ascii_case(known))
        {
            return Some(end - value.len()..end);
        }
        from += part.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(url: &str) -> (String, Vec<(String, String)>, usize) {
        let mut record = Record { url: url.to_owned(), ..Record::default() };
        let mut tally = Tally::default();
        take_out(&mut record, &mut tally, &"at");
        let customs = record.customs.iter().map(|one| {
            assert_eq!(one.kind, CustomKind::Password);
            (one.name.clone(), one.value.expose().to_owned())
        });
        (record.url.clone(), customs.collect(), tally.notes().len())
    }

    #[test]
    fn no_password_stays_in_an_address() {
        for (url, rest) in [
            ("mongodb://u:SECRET@h/db", "mongodb://u@h/db"),
            ("redis://:SECRET@h:6379/0", "redis://@h:6379/0"),
            ("https://u:p%2Fq@h/?a=b@c", "https://u@h/?a=b@c"),
            ("postgres://u:p@ss@h1:1,h2:2/db", "postgres://u@h1:1,h2:2/db"),
            ("postgres://u:pa/ss@h/db", "postgres://u@h/db"),
            (
                "jdbc:postgresql://h/db?user=u&password=SECRET&ssl=true",
                "jdbc:postgresql://h/db?user=u&password=&ssl=true",
            ),
            ("jdbc:sqlserver://h:1433;user=u;Password=SECRET;", "jdbc:sqlserver://h:1433;user=u;Password=;"),
            ("Server=h;Database=d;Uid=u;Pwd=SECRET", "Server=h;Database=d;Uid=u;Pwd="),
            ("amqp://u:p@h/?password=q", "amqp://u@h/?password="),
            ("u:SECRET@tcp(h:3306)/db", "u@tcp(h:3306)/db"),
        ] {
            let expected = (rest.to_owned(), vec![("URL".to_owned(), url.to_owned())], 1);
            assert_eq!(split(url), expected, "{url}");
        }
    }

    #[test]
    fn an_address_without_a_password_stays_as_it_is() {
        for url in [
            "",
            "https://h:8443/@user:x",
            "https://u@h/",
            "https://u:@h/",
            "https://[::1]:80/@x",
            "mongodb://h1:1,h2:2/db?x=a@b",
            "android://abc-_==@com.example.app/",
            "mailto:ann@example.com",
            "https://h/?password=&q=pwd",
            "https://h/reset-password?token=1",
            "otpauth://totp/a:b@example.com?secret=AAAA",
        ] {
            assert_eq!(split(url), (url.to_owned(), vec![], 0), "{url}");
        }
    }
}
