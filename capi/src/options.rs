//! The options of a call: JSON, checked before anything begins.

use crate::boundary::{Outcome, optional_name, usage};
use keyferry_core::engine::{Conflict, Filter, Keys, Options, Structure, Verify};
use keyferry_core::files::locked;
use keyferry_core::model::RecordPath;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::c_char;
use std::path::PathBuf;

/// The options of a call, as their JSON has them.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a member of the JSON")]
pub struct Choice {
    on_conflict: Option<String>,
    verify: Option<String>,
    rewrap: bool,
    allow_plaintext: bool,
    allow_unencrypted_target: bool,
    trust_administrators: bool,
    allow_empty: bool,
    exact: bool,
    no_password: bool,
    include_trash: bool,
    match_codes: bool,
    gpg: bool,
    key_file: Option<PathBuf>,
    vaults: Vec<String>,
    folder: Option<String>,
    tags: Vec<String>,
    query: Option<String>,
    changed_since: Option<i64>,
    exclude: Vec<String>,
    structure: Option<String>,
    map: BTreeMap<String, String>,
    pub more_files: Vec<PathBuf>,
    rejects: Option<PathBuf>,
    pub journal: Option<PathBuf>,
}

impl Choice {
    pub fn parse(options: *const c_char) -> Outcome<Self> {
        let Some(text) = optional_name(options, "options")?.filter(|text| !text.trim().is_empty()) else {
            return Ok(Self::default());
        };
        // A struct could also be read from a list.
        let members: serde_json::Result<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(text);
        members
            .and_then(|members| Self::deserialize(serde_json::Value::Object(members)))
            .map_err(|error| usage(format!("options: {error}")))
    }

    pub fn into_filter(self) -> Filter {
        Filter {
            vaults: self.vaults,
            folder: self.folder.as_deref().map(RecordPath::names),
            tags: self.tags,
            query: self.query,
            changed_since: self.changed_since,
            exclude: self.exclude.iter().map(|path| RecordPath::names(path)).collect(),
        }
    }

    pub fn into_options(mut self) -> Outcome<Options> {
        let structure = self.structure.as_deref().map(Structure::from_name).transpose()?;
        let on_conflict = self.on_conflict.as_deref();
        let on_conflict = on_conflict.map_or_else(|| Ok(Conflict::default()), Conflict::from_name)?;
        let verify = self.verify.as_deref().map_or_else(|| Ok(Verify::default()), Verify::from_name)?;
        let mut options = Options {
            on_conflict,
            verify,
            keys: if self.rewrap { Keys::Kept } else { Keys::Fresh },
            allow_plaintext: self.allow_plaintext,
            allow_unencrypted_target: self.allow_unencrypted_target,
            trust_administrators: self.trust_administrators,
            allow_empty: self.allow_empty,
            exact: self.exact,
            match_codes: self.match_codes,
            rejects: self.rejects.take(),
            structure,
            ..Options::default()
        };
        options.read.no_password = self.no_password;
        options.read.include_trash = self.include_trash;
        options.read.gpg = self.gpg;
        let key = self.key_file.as_deref().map(locked::key_file).transpose()?;
        let phrase = locked::passphrase_of_process()?;
        (options.read.passphrase, options.read.key_file) = (phrase.clone(), key.clone());
        (options.write.passphrase, options.write.key_file) = (phrase, key);
        options.read.map = std::mem::take(&mut self.map).into_iter().collect();
        options.filter = self.into_filter();
        Ok(options)
    }
}
