//! `env`: environments made, named, tested, forgotten.

use crate::args::environment::Pins;
use crate::args::{Env, Switch};
use crate::config::{Config, Configured};
use crate::credentials;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::location::{Location, Need};
use crate::output::progress::Shown;
use crate::output::{Output, clean};
use crate::store::{self, SHAPE};
use keyferry_core::archive::Lock;
use keyferry_core::engine::pins::Pins as _;
use keyferry_core::engine::{give_missing_keys, pins};
use keyferry_core::formats::Format;
use keyferry_core::model::RecordPath;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use keyferry_embedded as embedded;
use keyferry_server::Address;
use serde_json::json;
use std::sync::Arc;

/// Chooses.
pub async fn run(env: Env, config: Config, jobs: &Jobs, output: Output) -> Result<u8> {
    match env {
        Env::Init { location, user, generate, client_encryption, allow_weak } => {
            let master = || {
                let (password, generated) =
                    credentials::new_master_password(generate, &credentials::process)?;
                if !allow_weak && password.expose().chars().count() < SHORTEST_MASTER_PASSWORD {
                    return Err(usage(
                        format!(
                            "a master password of fewer than {SHORTEST_MASTER_PASSWORD} characters protects nothing"
                        ),
                        "choose a sentence, or --generate one; --allow-weak takes it all the same",
                    ));
                }
                Ok((password, generated))
            };
            let master = matches!(client_encryption, Switch::On).then_some(master);
            init(&location, &user, generate, master, jobs, output)
        }
        Env::Copy { from, to } => copy(&from, &to, output),
        Env::Add { name, location } => add(&name, location, config, output),
        Env::List => list(&config, output),
        Env::Test { location } => test(&location, &config, output).await,
        Env::PublicKey { location } => public_key(&location, &config, output).await,
        Env::GiveKeys { location, trust_administrators } => {
            give_keys(&location, trust_administrators, &config, jobs, output).await
        }
        Env::Unpin { location, subject } => unpin(&location, &subject, &config, jobs, output),
        Env::Pins(Pins::Export { location }) => export_pins(&location, &config, jobs, output),
        Env::Remove { name } => remove(&name, config, output),
    }
}

/// Whoever has the database may try as many as there is time for.
const SHORTEST_MASTER_PASSWORD: usize = 8;

/// `master` chooses the master password, and says whether it was generated; `None` where clients do not encrypt.
fn init(
    location: &str,
    user: &str,
    generate: bool,
    master: Option<impl FnOnce() -> Result<(SecretString, bool)>>,
    jobs: &Jobs,
    output: Output,
) -> Result<u8> {
    if user.trim().is_empty() {
        return Err(usage("the user needs a name", "write --user NAME"));
    }
    if Address::is_meant(location) {
        let address = store::address(location, &credentials::process)?;
        let master = master.map(|choose| choose()).transpose()?;
        let made = embedded::make_on(&address, user, master.as_ref().map(|(password, _)| password))?;
        return tell(&address.to_string(), &made, generate, master.as_ref(), output);
    }
    let Location::Embedded(folder, inside) = Location::parse(location)? else {
        return Err(usage(
            format!("`{location}` is not an embedded environment"),
            format!("write embedded:DIR, or {SHAPE}"),
        ));
    };
    if inside.vault.is_some() {
        return Err(usage(
            format!("`{location}` is a place in an environment"),
            "write embedded:DIR alone: vaults are made by what is written into them",
        ));
    }
    if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(usage(format!("{} is not empty", folder.display()), "choose a new folder"));
    }
    if let Some(outer) = embedded::environment_above(&folder) {
        return Err(usage(
            format!("{} lies inside the environment {}", folder.display(), outer.display()),
            "an environment's folder is its own: choose one elsewhere",
        ));
    }
    let master = master.map(|choose| choose()).transpose()?;
    let made = embedded::make(&folder, user, master.as_ref().map(|(password, _)| password))?;
    // What stood there before was another environment.
    if jobs.path()?.exists() {
        jobs.journal()?
            .unpin_all(&location::canonical(&Location::Embedded(folder, RecordPath::default())))?;
    }
    tell(location, &made, generate, master.as_ref(), output)
}

/// Moves a folder's environment into a database.
fn copy(from: &str, to: &str, output: Output) -> Result<u8> {
    let folder = match Location::parse(from)? {
        Location::Embedded(folder, inside) if inside.vault.is_none() => folder,
        _ => {
            return Err(usage(
                format!("`{from}` is not an embedded environment as a whole"),
                "write embedded:DIR",
            ));
        }
    };
    let address = store::address(to, &credentials::process)?;
    let rows = embedded::copy_to(&folder, &address)?;
    if output.json {
        output.document(&json!({ "from": from, "to": address.to_string(), "rows": rows }))?;
    }
    output.say(&format!("{rows} rows are in {address} as they are in {from}, which stays"));
    output.say(&format!("serve it: keyferry serve --store {address}"));
    Ok(0)
}

/// Tells what was made, and the secrets that were generated.
fn tell(
    location: &str,
    made: &embedded::Made,
    generate: bool,
    master: Option<&(SecretString, bool)>,
    output: Output,
) -> Result<u8> {
    let generated = master.filter(|(_, generated)| *generated).map(|(password, _)| password);
    let shown = |secret: Option<&SecretString>| secret.map(|secret| secret.expose().to_owned());
    if output.json {
        let mut answer = json!({
            "location": location,
            "user": made.user,
            "access_token": made.access_token.expose(),
            "refresh_token": made.refresh_token.expose(),
            "master_key": shown(made.master_key.as_ref()),
        });
        if generate {
            answer["password"] = json!(made.password.expose());
            answer["master_password"] = json!(shown(generated));
        }
        output.document(&answer)?;
        return Ok(0);
    }
    if generate {
        output.warn("these secrets are shown once and kept nowhere: put them where they are safe");
        output.line(&format!("user             {}", made.user))?;
        output.line(&format!("password         {}", made.password.expose()))?;
        if let Some(password) = generated {
            output.line(&format!("master password  {}", password.expose()))?;
        }
    }
    output.say(&format!("made {location} with the user {}", made.user));
    Ok(0)
}

fn add(name: &str, location: String, mut config: Config, output: Output) -> Result<u8> {
    if !location::is_name(name) || matches!(name, "embedded" | "http" | "https" | "from" | "to") {
        return Err(usage(
            format!("`{name}` cannot name an environment"),
            "use a-z, 0-9, _ and -, a letter first",
        ));
    }
    if Format::from_name(name).is_some() {
        return Err(usage(format!("`{name}` is the name of a format"), "choose another name"));
    }
    if !matches!(Location::parse(&location)?, Location::Server(_) | Location::Embedded(..)) {
        return Err(usage(format!("`{location}` is not an environment"), "write https://… or embedded:DIR"));
    }
    if config.environments.contains_key(name) {
        return Err(usage(
            format!("there is an environment `{name}` already"),
            "keyferry env list shows it: choose another name, or remove that one first",
        ));
    }
    let variable = |name: &str| name.to_uppercase().replace('-', "_");
    if let Some(other) = config.environments.keys().find(|other| variable(other) == variable(name)) {
        return Err(usage(
            format!(
                "`{name}` and `{other}` would be looked up in the same variables, KEYFERRY_{}_…",
                variable(name)
            ),
            "choose another name",
        ));
    }
    // A relative folder would mean another one elsewhere.
    let location = match Location::parse(&location)? {
        Location::Embedded(folder, _) => {
            let folder =
                std::path::absolute(&folder).map_err(|error| keyferry_core::Error::io(&folder, error))?;
            let place = location.split_once("//").map_or_else(String::new, |(_, place)| format!("//{place}"));
            format!("embedded:{}{place}", folder.display())
        }
        _ => location,
    };
    config.environments.insert(name.to_owned(), Configured::at(location.clone()));
    config.save()?;
    if output.json {
        output.document(&json!({ "added": name, "location": location }))?;
    }
    let variable = variable(name);
    output.say(&format!(
        "added {name}, its secrets are looked up in KEYFERRY_{variable}_TOKEN and its siblings"
    ));
    Ok(0)
}

fn list(config: &Config, output: Output) -> Result<u8> {
    if output.json {
        output.document(&config.environments)?;
    } else {
        for (name, environment) in &config.environments {
            output.line(&format!("{name}:\t{}", environment.location))?;
        }
    }
    Ok(0)
}

async fn test(location: &str, config: &Config, output: Output) -> Result<u8> {
    // Both `prod` and `prod:` mean the name here.
    let word =
        if config.environments.contains_key(location) { format!("{location}:") } else { location.to_owned() };
    let (environment, _) = location::environment(&word, Side::Only, Need::Contents, config).await?;
    environment.unlocked()?;
    let encrypts = environment.encrypts();
    environment.stays_encrypted()?;
    let vaults = environment.tree().await?.len();
    if output.json {
        let label = environment.label();
        output.document(&json!({ "location": label, "vaults": vaults, "encrypted": encrypts }))?;
    } else {
        output.line(&format!("{} works: {vaults} vaults", environment.label()))?;
        output.say(if encrypts {
            "clients encrypt here, and that is remembered: it has to stay so"
        } else {
            "nothing is encrypted by clients here: its server can read every secret"
        });
    }
    Ok(0)
}

async fn public_key(location: &str, config: &Config, output: Output) -> Result<u8> {
    let (environment, _) = location::environment(location, Side::Only, Need::Contents, config).await?;
    environment.unlocked()?;
    let key = environment.public_key()?;
    let fingerprint = Lock::PublicKey(key.fingerprint()?).to_string();
    let pem = key.to_pem()?;
    if output.json {
        output.document(&json!({ "public_key": pem, "name": fingerprint }))?;
    } else {
        output.line(pem.trim_end())?;
        output.say(&format!("this is {fingerprint}: compare that over another way than the file goes"));
    }
    Ok(0)
}

/// 3 where somebody is left without.
async fn give_keys(location: &str, trust: bool, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let (environment, inside) = location::environment(location, Side::Only, Need::Contents, config).await?;
    environment.write_with(Arc::new(jobs.journal()?), false)?;
    let progress = Shown::new(output);
    let given = give_missing_keys(&environment, inside.vault.as_deref(), trust, &progress).await?;
    drop(progress);
    if output.json {
        output.document(&given)?;
    } else {
        for one in &given.given {
            let line = format!("{}: wrapped for {}, public key {}", one.vault, one.user, one.fingerprint);
            output.line(&clean(&line))?;
        }
        for one in &given.left {
            output.line(&clean(&format!("{}: not wrapped for {}: {}", one.vault, one.user, one.why)))?;
        }
        if given.given.is_empty() && given.left.is_empty() {
            output.say("everybody who has a right in a vault here has a copy of its key");
        }
    }
    Ok(if given.left.is_empty() { 0 } else { 3 })
}

/// The canonical name of an environment, also without its colon.
fn place(location: &str, config: &Config) -> Result<String> {
    Ok(location::Target::parse_named(location, config)?.canonical)
}

fn unpin(location: &str, subject: &str, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let place = place(location, config)?;
    if let Some(id) = subject.strip_prefix("second:") {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err(usage(
                format!("`{subject}` names no vault"),
                "write second: and the id that the error has",
            ));
        }
        // Not a pin that goes but one that comes: the known vault keeps its own.
        jobs.journal()?.pin(&place, &[(subject.to_owned(), [1; 32])])?;
    } else if !jobs.journal()?.unpin(&place, subject)? {
        return Err(Error::new(ErrorKind::NotFound, format!("no `{subject}` of {place} is pinned"))
            .next_step("name the environment and what is pinned as the error had them"));
    }
    if output.json {
        output.document(&json!({ "unpinned": subject, "place": place }))?;
    }
    output.say(&format!("what {place} says next of `{subject}` will be believed"));
    Ok(0)
}

fn export_pins(location: &str, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let place = place(location, config)?;
    let pins = jobs.journal()?.pins(&place)?;
    if pins.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, format!("nothing of {place} is pinned"))
            .next_step("use it once from here first: keyferry env test, keyferry get"));
    }
    let lines = pins.iter().map(|(subject, digest)| pins::line(&place, subject, digest));
    if output.json {
        output.document(&json!({ "place": place, "pins": lines.collect::<Vec<_>>() }))?;
    } else {
        lines.into_iter().try_for_each(|line| output.line(&line))?;
    }
    Ok(0)
}

fn remove(name: &str, mut config: Config, output: Output) -> Result<u8> {
    let name = name.strip_suffix(':').unwrap_or(name);
    config.location(name)?;
    config.environments.remove(name);
    config.save()?;
    if output.json {
        output.document(&json!({ "removed": name }))?;
    }
    output.say(&format!("forgot {name}: — the environment itself is untouched"));
    Ok(0)
}
