//! `doctor`: what is wrong with a configuration, and what to do about it. It changes nothing and shows no secret.
//!
//! | file | what it looks at |
//! |---|---|
//! | `machine` | config, journal, keyring, the `passwork-cli` link |
//! | `variables` | what is set and does not do what it seems to |
//! | `environment` | the way to an environment, its clock, its credentials and keys |

mod environment;
mod machine;
mod variables;

use crate::args::doctor::Doctor;
use crate::config::Config;
use crate::credentials::process;
use crate::journal::Jobs;
use crate::location::Target;
use crate::output::{Output, clean};
use futures_util::future::join_all;
use keyferry_core::{Error, Result};
use serde::Serialize;
use serde_json::json;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    /// `config`, `journal` …, or an environment.
    about: String,
    /// What of it: one word or two.
    #[serde(rename = "check")]
    what: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// What to do about it.
    next: Option<String>,
}

/// Everything that was looked at so far.
#[derive(Default)]
struct Findings(Vec<Check>);

impl Findings {
    fn add(
        &mut self,
        about: &str,
        what: &'static str,
        state: State,
        found: impl Into<String>,
        next: Option<String>,
    ) {
        self.0.push(Check { about: about.to_owned(), what, state, found: clean(&found.into()), next });
    }

    fn ok(&mut self, about: &str, check: &'static str, found: impl Into<String>) {
        self.add(about, check, State::Ok, found, None);
    }

    fn warn(&mut self, about: &str, check: &'static str, found: impl Into<String>, next: impl Into<String>) {
        self.add(about, check, State::Warn, found, Some(next.into()));
    }

    fn fail(&mut self, about: &str, check: &'static str, found: impl Into<String>, next: impl Into<String>) {
        self.add(about, check, State::Fail, found, Some(next.into()));
    }

    fn failed(&mut self, about: &str, check: &'static str, error: &Error) {
        let next = error.next().map(str::to_owned);
        self.add(about, check, State::Fail, error.to_string(), next);
    }
}

/// Looks at everything, and shows it. A config that cannot be read is the first finding.
pub async fn run(doctor: &Doctor, config: &Result<Config>, jobs: &Jobs, output: Output) -> Result<u8> {
    let mut findings = Findings::default();
    match config {
        Ok(config) => {
            machine::config(config, &mut findings);
            variables::look(&config.environments, &process, &mut findings);
            // All at once: one that does not answer holds up no other.
            let looks = locations(doctor, config).into_iter().map(async |word| {
                let mut findings = Findings::default();
                match Target::parse_named(&word, config) {
                    Ok(target) => environment::look(&target, config, &mut findings).await,
                    Err(error) => findings.failed(&word, "location", &error),
                }
                findings.0
            });
            findings.0.extend(join_all(looks).await.into_iter().flatten());
        }
        Err(error) => findings.failed("config", "file", error),
    }
    machine::journal(jobs, &mut findings);
    machine::keyring(&mut findings);
    machine::link(&mut findings);
    show(&findings.0, output)?;
    Ok(u8::from(findings.0.iter().any(|check| check.state == State::Fail)))
}

fn locations(doctor: &Doctor, config: &Config) -> Vec<String> {
    if let Some(location) = &doctor.location {
        return vec![location.clone()];
    }
    let named = config.environments.keys().map(|name| format!("{name}:"));
    named.chain(process("PASSWORK_HOST")).collect()
}

fn show(checks: &[Check], output: Output) -> Result<()> {
    if output.json {
        return output.document(&json!({ "checks": checks }));
    }
    let width =
        |text: fn(&Check) -> &str| checks.iter().map(|check| text(check).chars().count()).max().unwrap_or(0);
    let (about, what) = (width(|check| &check.about), width(|check| check.what));
    for check in checks {
        let state = match check.state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        output.line(&format!("{state}  {:about$}  {:what$}  {}", check.about, check.what, check.found))?;
        if let Some(next) = &check.next {
            output.line(&format!("      {:about$}  {:what$}  next: {next}", "", ""))?;
        }
    }
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    output.line(&format!(
        "{} checks: {} ok, {} to look at, {} wrong",
        checks.len(),
        count(State::Ok),
        count(State::Warn),
        count(State::Fail)
    ))
}
