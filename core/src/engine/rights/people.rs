//! Who of the source is who in the sink: as a map says, else the user of the same login, else of the same e-mail address.

use crate::error::{Error, ErrorKind, Result};
use crate::formats::csv;
use keyferry_api::user::UserInfo;
use std::collections::{HashMap, HashSet};

/// Who is who, by logins or e-mail addresses: the source's and the sink's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserMap(Vec<(String, String)>);

impl UserMap {
    /// Reads two columns, `old,new`; a first line that says so is none of them.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where a line has other than two cells, or one user is named twice: two who become one would
    /// share what each of them may see.
    pub fn parse(text: &str) -> Result<Self> {
        let mut all: Vec<(String, String)> = Vec::new();
        let next = "each line is old,new: a login or e-mail address of the source, and one of the sink";
        let rows = csv::rows(text).map_err(|error| error.next_step(next))?;
        for (number, (line, cells)) in rows.into_iter().enumerate() {
            let refuse = |what: &str| {
                Err(Error::new(ErrorKind::Input, format!("line {line} of the map of users {what}"))
                    .next_step(next))
            };
            let cells: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
            let Ok([old, new]) = <[String; 2]>::try_from(cells) else {
                return refuse("does not have two cells");
            };
            if number == 0 && old.eq_ignore_ascii_case("old") && new.eq_ignore_ascii_case("new") {
                continue;
            }
            if old.is_empty() || new.is_empty() {
                return refuse("has an empty cell");
            }
            if all.iter().any(|(other, _)| *other == old) {
                return refuse("names somebody of the source a second time");
            }
            if all.iter().any(|(_, other)| *other == new) {
                return refuse("names somebody of the sink a second time");
            }
            all.push((old, new));
        }
        Ok(Self(all))
    }
}

fn email(user: &UserInfo) -> Option<String> {
    user.email.as_deref().filter(|email| !email.is_empty()).map(str::to_lowercase)
}

/// The one user who has this login or this e-mail address; one's login may be another's address.
fn called<'a>(users: &'a [UserInfo], name: &str) -> Called<'a> {
    let fits = |user: &&UserInfo| user.username == name || email(user) == Some(name.to_lowercase());
    let mut alike = users.iter().filter(fits);
    match (alike.next(), alike.next()) {
        (None, _) => Called::Nobody,
        (Some(user), None) => Called::One(user),
        (Some(_), Some(_)) => Called::Several,
    }
}

enum Called<'a> {
    Nobody,
    One(&'a UserInfo),
    Several,
}

/// The sink's users by the source's, by id; `labels` name the two for messages. Nobody of the sink stands for two, and a login
/// alone proves nothing where both sides tell e-mail addresses that differ.
///
/// # Errors
/// [`ErrorKind::Input`] where the map names somebody whom the source or the sink does not have.
pub(crate) fn matched(
    source: &[UserInfo],
    sink: &[UserInfo],
    map: &UserMap,
    labels: [&str; 2],
) -> Result<HashMap<String, String>> {
    let mut found = HashMap::new();
    let mut taken = HashSet::new();
    for (old, new) in &map.0 {
        let the_one = |users, name: &str, side: &str, label: &str| {
            let what = match called(users, name) {
                Called::One(user) => return Ok(user),
                Called::Nobody => format!("the map of users names `{name}`, whom the {side} does not have"),
                Called::Several => {
                    format!("the map of users names `{name}`, which several users of the {side} are called")
                }
            };
            Err(Error::new(ErrorKind::Input, what)
                .next_step(format!("keyferry api --from {label} --endpoint v1/users shows who is there")))
        };
        let (of_source, of_sink) =
            (the_one(source, old, "source", labels[0])?, the_one(sink, new, "sink", labels[1])?);
        if !taken.insert(of_sink.id.as_str()) || found.contains_key(&of_source.id) {
            let what =
                format!("the map of users names `{old}` or `{new}` twice, once by login and once by address");
            return Err(Error::new(ErrorKind::Input, what));
        }
        found.insert(of_source.id.clone(), of_sink.id.clone());
    }
    for user in source {
        if found.contains_key(&user.id) {
            continue;
        }
        let other = sink.iter().find(|other| other.username == user.username);
        let other = other.filter(|other| match (email(user), email(other)) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        });
        if let Some(other) = other.filter(|other| taken.insert(other.id.as_str())) {
            found.insert(user.id.clone(), other.id.clone());
        }
    }
    for user in source.iter().filter(|user| email(user).is_some()) {
        let alike = |users: &[UserInfo]| users.iter().filter(|other| email(other) == email(user)).count();
        if found.contains_key(&user.id) || alike(source) > 1 || alike(sink) > 1 {
            continue;
        }
        let other = sink.iter().find(|other| email(other) == email(user));
        if let Some(other) = other.filter(|other| taken.insert(other.id.as_str())) {
            found.insert(user.id.clone(), other.id.clone());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDES: [&str; 2] = ["embedded:a", "embedded:b"];

    fn user(id: &str, login: &str, email: &str) -> UserInfo {
        serde_json::from_value(serde_json::json!({"id": id, "username": login, "email": email})).unwrap()
    }

    #[test]
    fn users_are_matched_by_map_login_and_address_and_never_two_to_one() {
        let source = [
            user("1", "ann", "ann@old.example"),
            user("2", "bob", ""),
            user("3", "carol.k", "Carol@example.com"),
            user("4", "dave", "dave@example.com"),
            user("5", "eve", ""),
            user("6", "eva", "bob@example.com"),
        ];
        let sink = [
            user("a", "a.nn", "ann@new.example"),
            user("b", "bob", "bob@example.com"),
            user("c", "carol", "carol@example.com"),
            user("d", "dave", "another.dave@example.com"),
        ];
        let map = UserMap::parse("old,new\r\nann,\"a.nn\"\n\n").unwrap();
        let found = matched(&source, &sink, &map, SIDES).unwrap();
        let of = |id: &str| found.get(id).map(String::as_str);
        assert_eq!((of("1"), of("2"), of("3")), (Some("a"), Some("b"), Some("c")));
        // Another Dave, nobody, and one whose address is that of somebody who is found already.
        assert_eq!((of("4"), of("5"), of("6")), (None, None, None));
        for (map, said) in [("ann,nobody", "`nobody`"), ("nobody,bob", "`nobody`"), ("dave,ann", "`ann`")] {
            let error = matched(&source, &sink, &UserMap::parse(map).unwrap(), SIDES).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
        let both = UserMap::parse("dave,dave\ndave@example.com,bob").unwrap();
        assert!(matched(&source, &sink, &both, SIDES).is_err());
    }

    #[test]
    fn a_name_in_the_map_that_may_be_one_of_two_is_nobodys() {
        let source = [user("1", "ann", "")];
        // The login of one is the address of another, and two have one address.
        let sink = [
            user("a", "ann@example.com", ""),
            user("b", "anna", "Ann@example.com"),
            user("c", "team", "both@example.com"),
            user("d", "other", "both@example.com"),
        ];
        for name in ["ann@example.com", "both@example.com"] {
            let map = UserMap::parse(&format!("ann,{name}")).unwrap();
            let error = matched(&source, &sink, &map, SIDES).unwrap_err();
            assert!(error.to_string().contains("several users of the sink"), "{error}");
        }
        let found = matched(&source, &sink, &UserMap::parse("ann,anna").unwrap(), SIDES).unwrap();
        assert_eq!(found.get("1").map(String::as_str), Some("b"));
    }

    #[test]
    fn a_map_that_is_none_is_told_with_its_line() {
        for text in ["a", "a,b,c", "a,", "a,b\na,c", "a,b\nc,b", "\"a,b"] {
            let error = UserMap::parse(text).unwrap_err();
            assert!(error.to_string().contains("line "), "{text}: {error}");
        }
        assert_eq!(UserMap::parse("").unwrap(), UserMap::default());
        let quoted = UserMap::parse("\"a \"\"x\"\", b\",c").unwrap();
        assert_eq!(quoted.0, [("a \"x\", b".to_owned(), "c".to_owned())]);
    }
}
