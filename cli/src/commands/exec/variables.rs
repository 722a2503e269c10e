//! What `exec` was asked for, as variables and files: everything is fetched before anything runs.

use crate::args::exec::{Exec, Format, Mapping};
use crate::child::environment::{Named, Variable, name_of};
use crate::exit::usage;
use crate::output::{Output, clean};
use crate::secrets::dotenv;
use crate::secrets::environments::Opened;
use crate::secrets::fetch::Fetched;
use keyferry_core::client::Search;
use keyferry_core::engine::FetchedRecord;
use keyferry_core::error::Place;
use keyferry_core::model::{CustomKind, RecordPath};
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::collections::{BTreeSet, HashSet};

/// Everything that was asked for.
pub struct Asked {
    /// Variables, in no order that matters.
    pub variables: Vec<Variable>,
    /// Secrets in files.
    pub files: Vec<InFile>,
    /// Secrets that are only a part of a variable, each with the variable's name.
    parts: Vec<(String, SecretString)>,
}

/// A secret that a program finds in a file.
pub struct InFile {
    /// The variable that holds the path.
    pub name: String,
    /// The file's content.
    pub value: SecretString,
    /// Whose it is, for messages.
    pub from: String,
    /// Whether it is a FIFO.
    pub fifo: bool,
}

impl Asked {
    /// Fetches it all.
    pub async fn fetch(exec: &Exec, opened: &mut Opened<'_>, output: Output) -> Result<Self> {
        let mut lines = Vec::new();
        for file in &exec.env_file {
            let text = std::fs::read_to_string(file).map_err(|error| Error::io(file, error))?;
            lines.extend(dotenv::parse(&text, file)?);
        }
        let one_by_one =
            exec.env.iter().chain(&exec.file).chain(&exec.fifo).map(|mapping| &mapping.reference);
        let in_files = lines.iter().flat_map(|line| line.value.inserts().map(|insert| &insert.reference));
        let fetched = Fetched::of(one_by_one.chain(in_files).chain(&exec.record), opened).await?;

        let mut asked = Self { variables: Vec::new(), files: Vec::new(), parts: Vec::new() };
        for mapping in &exec.env {
            asked.variables.push(Variable {
                name: mapping.name.clone(),
                value: fetched.value(&mapping.reference)?,
                from: mapping.reference.to_string(),
                named: Named::ByUser,
                secret: true,
            });
        }
        for line in &lines {
            let value = line.value.render(|reference| fetched.value(reference))?;
            let value = value.into_text().ok_or_else(|| {
                Error::new(ErrorKind::Input, "the value is not UTF-8").at(line.place.clone())
            })?;
            for insert in line.value.inserts() {
                asked.parts.push((line.name.clone(), fetched.value(&insert.reference)?));
            }
            let (name, from) = (line.name.clone(), line.place.to_string());
            asked.variables.push(Variable { name, value, from, named: Named::ByUser, secret: false });
        }
        for (mappings, fifo) in [(&exec.file, false), (&exec.fifo, true)] {
            for Mapping { name, reference } in mappings {
                let (name, from) = (name.clone(), reference.to_string());
                asked.files.push(InFile { name, value: fetched.value(reference)?, from, fifo });
            }
        }
        asked.add_whole_records(exec, &fetched, opened, output).await?;
        asked.check_names(exec)?;
        if asked.variables.is_empty() && asked.files.is_empty() {
            return Err(if asks_for_something(exec) {
                Error::new(ErrorKind::NotFound, "no secrets were found")
                    .next_step("keyferry tree LOCATION shows what there is")
            } else {
                usage("no secret is asked for", "add --env NAME=REFERENCE, --record, --folder or --env-file")
            });
        }
        Ok(asked)
    }

    /// Every secret that came out of an environment, with the variable that leads to it.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        let variables = self.variables.iter().filter(|variable| variable.secret);
        let variables = variables.map(|variable| (variable.name.as_str(), &variable.value));
        let parts = self.parts.iter().map(|(name, value)| (name.as_str(), value));
        variables.chain(parts).chain(self.files.iter().map(|file| (file.name.as_str(), &file.value)))
    }

    /// Makes sure that the names which records chose are among those that the user allows. There is no end to the
    /// variables that some program obeys, so a list of forbidden ones would never be whole. What is written down as a
    /// document reaches no program by itself.
    fn check_names(&mut self, exec: &Exec) -> Result<()> {
        if matches!(exec.output, Some(Format::Json | Format::Kubernetes)) {
            return Ok(());
        }
        let prefixed = exec.prefix.as_deref().is_some_and(is_prefix);
        let mut unasked = BTreeSet::new();
        for variable in self.variables.iter_mut().filter(|variable| variable.named == Named::ByRecord) {
            let name = variable.name.as_str();
            if exec.allow.iter().any(|allowed| allowed == name) {
                variable.named = Named::ByUser;
            } else if !prefixed && !exec.allow.iter().any(|allowed| matches(allowed, name)) {
                unasked.insert(name.to_owned());
            }
        }
        if unasked.is_empty() {
            return Ok(());
        }
        let names = Vec::from_iter(unasked).join(",");
        Err(Error::new(ErrorKind::Refused, clean(&format!("whole records would set variables that nobody allowed: {names}")))
            .next_step(clean(&format!(
                "allow these with --allow {names}; or put a prefix before all, such as --prefix APP_; or choose with --env NAME=REFERENCE"
            ))))
    }

    async fn add_whole_records(
        &mut self,
        exec: &Exec,
        fetched: &Fetched,
        opened: &mut Opened<'_>,
        output: Output,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        let mut add = |environment: Option<&str>, picked: &FetchedRecord| {
            // A record that is chosen in two ways is one record.
            if seen.insert((environment.map(str::to_owned), picked.id.clone())) {
                self.variables.extend(variables(exec, picked, output)?);
            }
            Ok::<_, Error>(())
        };
        for reference in &exec.record {
            add(reference.environment.as_deref(), fetched.record(reference)?)?;
        }
        for folder in &exec.folder {
            let place: RecordPath = folder.names.iter().cloned().collect();
            for picked in opened.of(folder).await?.fetch_below(&place).await? {
                add(folder.environment.as_deref(), &picked)?;
            }
        }
        let ids = listed(exec.password_id.iter().chain(&exec.shortcut_id));
        if !ids.is_empty() {
            for picked in opened.named(None).await?.fetch_ids(&ids).await {
                add(None, &picked?)?;
            }
        }
        let search = Search {
            vaults: listed(&exec.vault_id),
            folders: listed(&exec.folder_id),
            tags: listed(&exec.tags),
        };
        if !search.is_empty() {
            for picked in opened.named(None).await?.fetch_found(&search).await? {
                add(None, &picked)?;
            }
        }
        Ok(())
    }
}

/// Whether a prefix sets names apart: capitals, digits and `_`, which it ends with.
fn is_prefix(prefix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    prefix.len() > 1 && prefix.ends_with('_') && prefix.bytes().all(plain)
}

/// Whether a pattern, `DB_*`, takes a name.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').is_some_and(|beginning| name.starts_with(beginning))
}

/// What was given in a comma list, without blanks and gaps.
fn listed<'a>(words: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    words.into_iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

fn asks_for_something(exec: &Exec) -> bool {
    let lists = [&exec.password_id, &exec.shortcut_id, &exec.vault_id, &exec.folder_id, &exec.tags];
    !exec.record.is_empty()
        || !exec.folder.is_empty()
        || lists.into_iter().any(|list| !listed(list).is_empty())
}

/// The variables of a whole record: its password under its own name, text and password fields under theirs. One-time
/// codes are none: their secret is not what a program wants.
fn variables(exec: &Exec, picked: &FetchedRecord, output: Output) -> Result<Vec<Variable>> {
    let record = &picked.record;
    let from = format!("record {}", picked.label());
    let named = |name: &str| {
        let name = name_of(name).map_err(|error| error.at(Place::Record(picked.label())))?;
        Ok::<_, Error>(format!("{}{name}", exec.prefix.as_deref().unwrap_or_default()))
    };
    let mut fields = Vec::new();
    if !exec.only_custom_fields {
        fields.push((&record.name, record.password.as_ref()));
    }
    let customs =
        record.customs.iter().filter(|custom| matches!(custom.kind, CustomKind::Text | CustomKind::Password));
    fields.extend(customs.map(|custom| (&custom.name, Some(&custom.value))));
    let mut variables = Vec::with_capacity(fields.len());
    for (field, value) in fields {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            output.say(&clean(&format!("{from}: `{field}` has no value, so no variable is set")));
            continue;
        };
        let (name, from) = (named(field)?, from.clone());
        variables.push(Variable { name, value: value.clone(), from, named: Named::ByRecord, secret: true });
    }
    Ok(variables)
}
