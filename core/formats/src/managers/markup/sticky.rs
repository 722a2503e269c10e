//! Sticky Password's XML, mostly in UTF-16.
//!
//! Signature: `root/Database` with `Logins` or `Accounts`. Mapping: an account takes the logins that it links to, the first fills the
//! record; groups nest by `ParentID`; in comments `/n` is a line break. A login of no account is a record of its own.
//! Resolved: ids. Told: what else the database holds. The whole document is kept in memory.

use super::{child, each, inner};
use crate::document::take;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN};
use crate::managers::items::{Found, Kept, nested};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let has = |list: &str| head.has_element(&format!("root/Database/{list}"));
    (has("Logins") || has("Accounts")).into()
}

/// A login that accounts may share.
struct Login {
    at: String,
    id: String,
    name: String,
    password: Zeroizing<String>,
    rest: Members,
    used: bool,
}

impl Login {
    fn leaves(&self) -> u64 {
        u64::from(!self.name.is_empty()) + u64::from(!self.password.is_empty())
    }

    /// Its members as an account has them from then on.
    fn members(&self) -> Members {
        let text = |text: &str| Value::Text(Zeroizing::new(text.to_owned()));
        vec![("@Name".to_owned(), text(&self.name)), ("@Password".to_owned(), text(&self.password))]
    }
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "root", "Sticky Password")?;
    let mut database = child(&mut members, "Database");
    document.leave_rest(members, "/root");
    let above = "/root/Database";
    let (mut list, mut nodes) = (child(&mut database, "Groups"), Vec::new());
    for (at, group) in each(&mut list, "Group") {
        let (at, mut group) = (format!("{above}/Groups/{at}"), inner(group));
        let id = document.id(&mut group, &["@ID"]).unwrap_or_default();
        let parent = document.id(&mut group, &["@ParentID"]);
        let name = document.name(&mut group, &["@Name"]);
        document.leave_rest(group, &at);
        nodes.push(((id, parent, name), at));
    }
    document.leave_rest(list, "/root/Database/Groups");
    let paths = nested(&nodes.iter().map(|(node, _)| node.clone()).collect::<Vec<_>>());
    for ((id, ..), at) in &nodes {
        document.place(paths.get(id).cloned().unwrap_or_default(), at);
    }
    let (mut list, mut logins) = (child(&mut database, "Logins"), Vec::new());
    for (at, login) in each(&mut list, "Login") {
        let (at, mut rest) = (format!("{above}/Logins/{at}"), inner(login));
        let id = document.id(&mut rest, &["@ID"]).unwrap_or_default();
        let mut text = |name: &str| take(&mut rest, name).into_text().unwrap_or_default();
        let (name, password) = (text("@Name"), Zeroizing::new(text("@Password")));
        rest.retain(|(name, _)| name != "@Name" && name != "@Password");
        logins.push(Login { at, id, name, password, rest, used: false });
    }
    document.leave_rest(list, "/root/Database/Logins");
    let by_id: HashMap<String, usize> =
        logins.iter().enumerate().map(|(index, login)| (login.id.clone(), index)).collect();
    let mut list = child(&mut database, "Accounts");
    for (at, account) in each(&mut list, "Account") {
        let (at, mut account) = (format!("{above}/Accounts/{at}"), inner(account));
        let mut links = child(&mut account, "LoginLinks");
        let mut taken = Vec::new();
        for (inside, link) in each(&mut links, "Login") {
            let mut link = inner(link);
            let id = document.id(&mut link, &["@SourceLoginID"]);
            document.resolve(&mut link, &["@ID"]);
            document.leave_rest(link, &format!("{at}/LoginLinks/{inside}"));
            let Some(id) = id else { continue };
            let Some(login) = by_id.get(&id).and_then(|index| logins.get_mut(*index)) else {
                document.tally.unresolved("a link leads to no login of the file, and stays behind", &at);
                continue;
            };
            // What two accounts share is in both.
            if std::mem::replace(&mut login.used, true) {
                document.tally.read(login.leaves());
            }
            let mut members = login.members();
            members.append(&mut login.rest);
            taken.push(Value::Object(members));
        }
        document.leave_rest(links, &format!("{at}/LoginLinks"));
        account.push(("logins".to_owned(), Value::List(taken)));
        document.found.push(Found { value: Value::Object(account), at, path: Place::default() });
    }
    document.leave_rest(list, "/root/Database/Accounts");
    for mut login in logins {
        if login.used {
            continue;
        }
        let mut members = login.members();
        members.append(&mut login.rest);
        let value = Value::Object(vec![("logins".to_owned(), Value::List(vec![Value::Object(members)]))]);
        document.found.push(Found { value, at: login.at, path: Place::default() });
    }
    document.leave_rest(database, above);
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &paths))))
}

fn fill(item: &mut Item<'_>, mut members: Members, paths: &HashMap<String, Place>) -> Kept {
    item.record.name = item.simple(&mut members, "@Name");
    let group = item.mark(&mut members, "@ParentID");
    match paths.get(&group) {
        Some(path) => item.record.path = path.path(),
        // Minus one, or nought, is the top.
        None if group.is_empty() || group.starts_with('-') || group == "0" => {}
        None => item.tally.unresolved("the group of a record is not in the file", item.at),
    }
    item.resolve(&mut members, &["@ID"]);
    let link = item.simple(&mut members, "@Link");
    item.url(link);
    let comments = item.simple(&mut members, "@Comments");
    item.note(&comments.replace("/n", "\n"));
    let mut passwords = HashSet::new();
    for value in crate::managers::item::list(&mut members, "logins") {
        let mut login = inner(value);
        let name = item.simple(&mut login, "@Name");
        item.login(name);
        let password = item.simple(&mut login, "@Password");
        // A further password belongs to the login before it.
        if item.record.password.is_some() && !password.is_empty() {
            let label = format!("Password {}", passwords.len() + 2);
            passwords.insert(label.clone());
            item.field(label, CustomKind::Password, password);
        } else {
            item.password("Password", password);
        }
        item.unknown("Login", login);
    }
    item.leave("", &mut members, &["@UsageCount", "@Priority", "@ExtData"], OWN);
    item.unknown("", members);
    Kept::Record
}
