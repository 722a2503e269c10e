//! One-time codes of an authenticator's file, joined to the records that they belong to.
//!
//! A code belongs to a record whose name or address is its issuer and whose login is its account, whatever their case; without an
//! account, to the only record of that issuer. Nothing is guessed: where several records fit, or several codes fit one record, or
//! it has another code already, the code is a record of its own as it would be without this, and that is told.
//!
//! The source is read once to learn its codes and the sink to find their records, before anything is planned. From then on the
//! source yields, in a code's place, the record with the code in it.

use crate::crypto::totp::Totp;
use crate::engine::endpoint::Endpoint;
use crate::engine::joins::{Fate, Joins, Key, code_of, is_code, key};
use crate::engine::names;
use crate::engine::options::{Attachments, Options};
use crate::engine::placement::Structure;
use crate::engine::report::progress::{Progress, check};
use crate::engine::source;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Custom, Entry, Record, RecordPath};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Names that one sentence lists.
const MOST_NAMED: usize = 50;
/// Labels below a country's, below which names are given out.
const SECOND_LEVEL: [&str; 10] = ["ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"];
/// Two spellings of a secret give the same codes at all of these times.
const TIMES: [u64; 3] = [59, 1_111_111_109, 20_000_000_000];

/// A transfer that knows of its codes.
pub(crate) struct Prepared {
    /// The source, where it could be read only once.
    pub(crate) from: Option<Endpoint>,
    pub(crate) options: Options,
}

/// Finds the records that codes belong to, where that is asked for.
///
/// # Errors
/// [`ErrorKind::Usage`] where the source is no file or the sink no environment; those of reading both.
pub(crate) async fn prepare(
    from: &Endpoint,
    to: &Endpoint,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Option<Prepared>> {
    if !options.match_codes || options.joins.is_some() {
        return Ok(None);
    }
    let is_file = matches!(from, Endpoint::File { .. } | Endpoint::Files(..) | Endpoint::Spooled(..));
    let Endpoint::Environment(environment, inside) = to else { return Err(unfit()) };
    if !is_file || options.structure == Some(Structure::Flatten) {
        return Err(unfit());
    }
    let kept = source::kept(from, progress).await?;
    let mut codes = codes_of(kept.as_ref().unwrap_or(from), options, progress).await?;
    // Everything that may be meant, wherever it stands in the place that is named.
    let inside = environment.settled(inside).await?;
    let place = Endpoint::Environment(environment.clone(), inside.clone());
    let found = candidates(&place, &mut codes, options, progress).await?;
    let joins = decide(codes, found, &place, &inside, options, progress).await?;
    let options = Options { joins: Some(Arc::new(joins)), ..options.clone() };
    Ok(Some(Prepared { from: kept, options }))
}

/// The source and the options that count from then on.
pub(crate) fn in_use<'a>(
    prepared: Option<&'a Prepared>,
    from: &'a Endpoint,
    options: &'a Options,
) -> (&'a Endpoint, &'a Options) {
    prepared.map_or((from, options), |one| (one.from.as_ref().unwrap_or(from), &one.options))
}

fn unfit() -> Error {
    Error::new(
        ErrorKind::Usage,
        "--match joins the codes of a file to records of an environment, where they stand",
    )
    .next_step("leave --match out, or --structure flatten")
}

/// A code, and what was found for it.
struct Code {
    record: Record,
    times: u32,
    /// Records of that issuer and account.
    fits: Vec<Found>,
}

/// A record of the sink that a code may belong to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    id: String,
    path: RecordPath,
    name: String,
}

/// The codes of a source, in its order.
async fn codes_of(from: &Endpoint, options: &Options, progress: &dyn Progress) -> Result<Vec<Code>> {
    let (mut codes, mut numbers): (Vec<Code>, HashMap<Key, usize>) = (Vec::new(), HashMap::new());
    let mut chunks = source::open(from, options);
    while let Some(chunk) = chunks.recv().await {
        for entry in chunk? {
            let Entry::Record(record, _) = entry else { continue };
            let Some(code) = code_of(&record) else { continue };
            match numbers.entry(key(&record, code)) {
                std::collections::hash_map::Entry::Occupied(number) => {
                    if let Some(code) = codes.get_mut(*number.get()) {
                        code.times += 1;
                    }
                }
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(codes.len());
                    codes.push(Code { record, times: 1, fits: Vec::new() });
                }
            }
        }
        check(progress)?;
    }
    Ok(codes)
}

/// Looks through the sink for the records that codes may belong to; how many records share a place and a name, for those.
async fn candidates(
    place: &Endpoint,
    codes: &mut [Code],
    options: &Options,
    progress: &dyn Progress,
) -> Result<HashMap<(RecordPath, String), u32>> {
    let light = Options { attachments: Attachments::Left, ..options.clone() };
    let mut by_account: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, code) in codes.iter().enumerate() {
        by_account.entry(normal(account(&code.record))).or_default().push(number);
    }
    let mut same: HashMap<(RecordPath, String), u32> = HashMap::new();
    let mut chunks = source::open_whole(place, &light, None);
    while let Some(chunk) = chunks.recv().await {
        for entry in chunk? {
            let Entry::Record(record, at) = entry else { continue };
            *same.entry((record.path.clone(), record.name.clone())).or_default() += 1;
            let login = normal(&record.login);
            let of_account = by_account.get(&login).filter(|_| !login.is_empty()).into_iter().flatten();
            // A code without an account may be of any login.
            let without = by_account.get("").into_iter().flatten();
            for number in of_account.chain(without) {
                let Some(code) = codes.get_mut(*number) else { continue };
                if is_of(&record, &code.record.name) {
                    let id = at.pointer.clone().unwrap_or_default();
                    code.fits.push(Found { id, path: record.path.clone(), name: record.name.clone() });
                }
            }
        }
        check(progress)?;
    }
    let named: HashSet<_> =
        codes.iter().flat_map(|code| &code.fits).map(|one| (one.path.clone(), one.name.clone())).collect();
    same.retain(|key, _| named.contains(key));
    Ok(same)
}

/// Which codes join which records.
async fn decide(
    codes: Vec<Code>,
    same: HashMap<(RecordPath, String), u32>,
    place: &Endpoint,
    inside: &RecordPath,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Joins> {
    let mut joins = Joins::default();
    let mut told = Told::default();
    let mut claims: BTreeMap<Found, Vec<Record>> = BTreeMap::new();
    for Code { record, times, fits } in codes {
        let is_several = |found: &Found| {
            same.get(&(found.path.clone(), found.name.clone())).is_some_and(|count| *count > 1)
        };
        match fits.as_slice() {
            [] => told.add("no record is of that issuer and account", &record),
            [_] if times > 1 => told.add("the code stands in the source more than once", &record),
            [one] if is_several(one) => {
                told.add("several records share the place and the name of its record", &record);
            }
            [one] => claims.entry(one.clone()).or_default().push(record),
            _ => told.add("several records are of that issuer and account", &record),
        }
    }
    let mut wanted = HashMap::new();
    for (found, mut records) in claims {
        match (records.pop(), records.is_empty()) {
            (Some(only), true) => drop(wanted.insert(found.id, only)),
            (last, _) => {
                for record in last.iter().chain(&records) {
                    told.add("several codes are of one record", record);
                }
            }
        }
    }
    let mut together = Vec::new();
    let ids = wanted.keys().cloned().collect();
    let mut chunks = source::open_items(place, options, ids, None);
    while let Some(chunk) = chunks.recv().await {
        for entry in chunk? {
            let Entry::Record(record, at) = entry else { continue };
            let Some(code) = at.pointer.as_ref().and_then(|id| wanted.remove(id)) else { continue };
            let Some(secret) = code_of(&code) else { continue };
            let own: Vec<_> = record.customs.iter().filter(|one| is_code(one)).collect();
            let has_it = own.iter().any(|one| is_same(one, secret));
            if !own.is_empty() && !has_it {
                told.add("its record has another code already", &code);
                continue;
            }
            let key = key(&code, secret);
            together.push(record.label());
            joins.joined.insert((record.path.clone(), record.name.clone()));
            let mut joined = if has_it { record } else { with(record, code) };
            joined.path = within(joined.path, inside);
            joins.fates.insert(key, Fate::Joined(Box::new(joined)));
        }
        check(progress)?;
    }
    for code in wanted.into_values() {
        told.add("its record could not be read", &code);
    }
    joins.fates.extend(std::mem::take(&mut told.alone).into_iter().map(|key| (key, Fate::Alone)));
    together.sort();
    if !together.is_empty() {
        let what = if together.len() == 1 {
            "one-time code joins its record"
        } else {
            "one-time codes join their records"
        };
        joins.sentences.push(format!("{} {what}: {}", together.len(), listed(&together)));
    }
    joins.sentences.extend(told.sentences());
    Ok(joins)
}

/// Codes that stay records of their own, by the reason.
#[derive(Default)]
struct Told {
    why: BTreeMap<&'static str, Vec<String>>,
    alone: Vec<Key>,
}

impl Told {
    fn add(&mut self, why: &'static str, record: &Record) {
        let account = account(record);
        let name =
            if account.is_empty() { record.name.clone() } else { format!("{} ({account})", record.name) };
        self.why.entry(why).or_default().push(name);
        self.alone.extend(code_of(record).map(|code| key(record, code)));
    }

    fn sentences(&self) -> impl Iterator<Item = String> {
        self.why.iter().map(|(why, names)| {
            let many = if names.len() == 1 {
                "one-time code stays a record of its own"
            } else {
                "one-time codes stay records of their own"
            };
            format!("{} {many}, as {why}: {}", names.len(), listed(names))
        })
    }
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", "))
}

fn is_same(one: &Custom, other: &Custom) -> bool {
    if one.value.expose() == other.value.expose() {
        return true;
    }
    let codes = |custom: &Custom| {
        let code = Totp::parse(&custom.value).ok()?;
        Some(TIMES.map(|time| code.code(time).expose().to_owned()))
    };
    codes(one).is_some_and(|one| Some(one) == codes(other))
}

/// The account of a code: none where its name is all that is known.
fn account(record: &Record) -> &str {
    if record.login == record.name { "" } else { &record.login }
}

/// Names as they are compared: case, space and the form of letters do not count.
fn normal(name: &str) -> String {
    names::canonical(name).chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Whether a record is of an issuer: by its name, or by its address (`GitHub` is `https://github.com/login`).
fn is_of(record: &Record, issuer: &str) -> bool {
    let issuer = normal(issuer);
    if issuer.is_empty() {
        return false;
    }
    let host = host(&record.url);
    let name = normal(&record.name);
    // `github.com` is `GitHub`: by the label before the last, or the one before that (`example.co.uk`).
    let is_label = |host: &str| {
        let mut labels = host.rsplit('.').skip(1);
        let last = labels.next();
        let before = last.filter(|label| SECOND_LEVEL.contains(label)).and_then(|_| labels.next());
        before.or(last) == Some(issuer.as_str())
    };
    name == issuer
        || is_host(&name, &issuer)
        || host.as_deref().is_some_and(|host| is_host(host, &issuer) || is_label(host))
        || (name.contains('.') && is_label(&name))
}

fn is_host(host: &str, issuer: &str) -> bool {
    host == issuer || host.strip_prefix("www.") == Some(issuer)
}

fn host(address: &str) -> Option<String> {
    let address = address.trim();
    let url = url::Url::parse(address).or_else(|_| url::Url::parse(&format!("https://{address}"))).ok()?;
    url.host_str().filter(|host| !host.is_empty()).map(str::to_lowercase)
}

/// A record with a code in it, and with what else the code's own record said.
fn with(mut record: Record, code: Record) -> Record {
    let has = |record: &Record, name: &str| record.customs.iter().any(|custom| custom.name == name);
    for mut custom in code.customs {
        let plain = custom.name.clone();
        for number in 2.. {
            if !has(&record, &custom.name) {
                break;
            }
            custom.name = format!("{plain} {number}");
        }
        record.customs.push(custom);
    }
    record.tags.extend(code.tags.into_iter().filter(|tag| !record.tags.contains(tag)).collect::<Vec<_>>());
    if !code.description.is_empty() && !record.description.contains(&code.description) {
        if !record.description.is_empty() {
            record.description.push_str("\n\n");
        }
        record.description.push_str(&code.description);
    }
    if record.url.is_empty() {
        record.url = code.url;
    }
    record
}

/// A place of the sink as a source has to name it, so that it comes to stand there.
fn within(path: RecordPath, inside: &RecordPath) -> RecordPath {
    if inside.vault.is_none() {
        return path;
    }
    let folders = path.folders.get(inside.folders.len()..).unwrap_or_default().to_vec();
    RecordPath { vault: None, folders }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CustomKind;

    fn record(name: &str, url: &str) -> Record {
        Record { name: name.into(), url: url.into(), ..Record::default() }
    }

    #[test]
    fn an_issuer_is_a_name_or_an_address_and_never_a_part_of_a_word() {
        let is = |name: &str, url: &str, issuer: &str| is_of(&record(name, url), issuer);
        assert!(is("GitHub", "", "github") && is("x", "https://github.com/login", "GitHub"));
        assert!(is("x", "www.example.co.uk", "Example") && is("github.com", "", "GitHub"));
        assert!(is("x", "https://mail.example.com", "mail.example.com"));
        assert!(!is("GitHub Enterprise", "", "GitHub") && !is("x", "https://notgithub.com", "GitHub"));
        assert!(!is("x", "https://github.com.evil.org", "GitHub") && !is("x", "https://example.com", "com"));
        assert!(is("x", "https://www.ibm.com", "IBM") && !is("x", "https://mail.example.com", "mail"));
        assert!(!is("", "", "") && !is("x", "https://a.co.uk", "co"));
    }

    #[test]
    fn spellings_of_one_secret_are_the_same_code() {
        let code = |value: &str| Custom { name: "TOTP".into(), kind: CustomKind::Totp, value: value.into() };
        let address = code("otpauth://totp/GitHub:me?secret=JBSWY3DPEHPK3PXP&issuer=GitHub");
        assert!(is_same(&address, &code("jbsw y3dp ehpk 3pxp")));
        assert!(!is_same(&address, &code("JBSWY3DPEHPK3PXQ")));
        assert!(!is_same(&address, &code("otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=8")));
    }

    #[test]
    fn what_a_code_says_besides_goes_along() {
        let code = Custom { name: "TOTP".into(), kind: CustomKind::Totp, value: "JBSWY3DPEHPK3PXP".into() };
        let mut there = record("n", "");
        there.customs.push(Custom { name: "TOTP".into(), kind: CustomKind::Text, value: "a note".into() });
        let own = Record {
            customs: vec![code],
            tags: vec!["work".into()],
            description: "d".into(),
            ..record("n", "u")
        };
        let joined = with(there, own);
        assert_eq!(
            joined.customs.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
            ["TOTP", "TOTP 2"]
        );
        assert_eq!(
            (joined.tags, joined.description.as_str(), joined.url.as_str()),
            (vec!["work".to_owned()], "d", "u")
        );
    }
}
