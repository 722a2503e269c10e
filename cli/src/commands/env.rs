//! `env`: environments made, named, tested, forgotten.

use crate::args::{Env, Switch};
use crate::config::{Config, Configured};
use crate::credentials;
use crate::credentials::Side;
use crate::exit::usage;
use crate::journal::Jobs;
use crate::location;
use crate::location::{Location, Need};
use crate::output::Output;
use keyferry_core::archive::Lock;
use keyferry_core::formats::Format;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use keyferry_embedded as embedded;
use serde_json::json;

/// Chooses.
pub async fn run(env: Env, config: Config, jobs: &Jobs, output: Output) -> Result<u8> {
    match env {
        Env::Init { location, user, generate, client_encryption } => {
            init(&location, &user, generate, client_encryption, output)
        }
        Env::Add { name, location } => add(&name, location, config, output),
        Env::List => list(&config, output),
        Env::Test { location } => test(&location, &config, output).await,
        Env::PublicKey { location } => public_key(&location, &config, output).await,
        Env::Unpin { location, user } => unpin(&location, &user, &config, jobs, output),
        Env::Remove { name } => remove(&name, config, output),
    }
}

fn init(location: &str, user: &str, generate: bool, encryption: Switch, output: Output) -> Result<u8> {
    let Location::Embedded(folder) = Location::parse(location)? else {
        return Err(usage(format!("`{location}` is not an embedded environment"), "write embedded:DIR"));
    };
    if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(usage(format!("{} is not empty", folder.display()), "choose a new folder"));
    }
    let master = match encryption {
        Switch::On => Some(credentials::new_master_password(generate, &credentials::process)?),
        Switch::Off => None,
    };
    let made = embedded::make(&folder, user, master.as_ref().map(|(password, _)| password))?;
    let generated = master.as_ref().filter(|(_, generated)| *generated).map(|(password, _)| password);
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
    if !matches!(Location::parse(&location)?, Location::Server(_) | Location::Embedded(_)) {
        return Err(usage(format!("`{location}` is not an environment"), "write https://… or embedded:DIR"));
    }
    if config.environments.contains_key(name) {
        return Err(usage(
            format!("there is an environment `{name}` already"),
            format!("keyferry env remove {name}"),
        ));
    }
    // A relative folder would mean another one elsewhere.
    let location = match Location::parse(&location)? {
        Location::Embedded(folder) => {
            let folder =
                std::path::absolute(&folder).map_err(|error| keyferry_core::Error::io(&folder, error))?;
            format!("embedded:{}", folder.display())
        }
        _ => location,
    };
    config.environments.insert(name.to_owned(), Configured::at(location));
    config.save()?;
    let variable = name.to_uppercase().replace('-', "_");
    output.say(&format!(
        "added {name}: — its secrets are looked up in KEYFERRY_{variable}_TOKEN and its siblings"
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
    let vaults = environment.tree().await?.len();
    if output.json {
        output.document(&json!({ "location": environment.label(), "vaults": vaults }))?;
    } else {
        output.line(&format!("{} works: {vaults} vaults", environment.label()))?;
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

fn unpin(location: &str, user: &str, config: &Config, jobs: &Jobs, output: Output) -> Result<u8> {
    let location = match Location::parse(location)? {
        Location::Named(name, _) => Location::parse(config.location(&name)?)?,
        other => other,
    };
    let place = location::canonical(&location);
    if !jobs.journal()?.unpin(&place, user)? {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("no public key of user {user} of {place} is pinned"),
        )
        .next_step("name the environment and the user's id as the error had them"));
    }
    output.say(&format!("the next public key of user {user} of {place} will be believed"));
    Ok(0)
}

fn remove(name: &str, mut config: Config, output: Output) -> Result<u8> {
    let name = name.strip_suffix(':').unwrap_or(name);
    config.location(name)?;
    config.environments.remove(name);
    config.save()?;
    output.say(&format!("forgot {name}: — the environment itself is untouched"));
    Ok(0)
}
