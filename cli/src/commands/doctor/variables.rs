//! Variables that are set and do not do what they seem to.

use crate::commands::doctor::Findings;
use crate::config::Configured;
use crate::credentials::{Lookup, Side, prefixes};
use std::collections::BTreeMap;

/// The words that a variable may end with.
const SECRETS: [&str; 7] =
    ["TOKEN", "REFRESH_TOKEN", "MASTER_KEY", "MASTER_PASSWORD", "PASSWORD", "CODE", "SESSION_KEY"];

/// Looks for clashes and for what is never read.
pub fn look(environments: &BTreeMap<String, Configured>, lookup: Lookup<'_>, findings: &mut Findings) {
    let before = findings.0.len();
    let own = |name: &String| prefixes(Some(name), Side::Only).swap_remove(0);
    let mut seen = BTreeMap::<String, &String>::new();
    for name in environments.keys() {
        if let Some(other) = seen.insert(own(name), name) {
            findings.fail(
                "variables",
                "names",
                format!("{other}: and {name}: are looked up in the same variables, {}_…", own(name)),
                "give one of them another name",
            );
        }
    }
    for prefix in environments
        .keys()
        .map(own)
        .chain(["KEYFERRY", "KEYFERRY_FROM", "KEYFERRY_TO", "PASSWORK"].map(str::to_owned))
    {
        shadows(&prefix, lookup, findings);
    }
    if lookup("PASSWORK_HOST").is_none() && SECRETS.iter().any(|word| is_set("PASSWORK", word, lookup)) {
        findings.warn(
            "variables",
            "unused",
            "PASSWORK_… are set and PASSWORK_HOST is not: they go to its address alone",
            "set PASSWORK_HOST to the environment's address",
        );
    }
    if findings.0.len() == before {
        findings.ok("variables", "clashes", "none");
    }
}

fn is_set(prefix: &str, word: &str, lookup: Lookup<'_>) -> bool {
    let name = format!("{prefix}_{word}");
    lookup(&name).is_some() || lookup(&format!("{name}_FILE")).is_some()
}

fn shadows(prefix: &str, lookup: Lookup<'_>, findings: &mut Findings) {
    for word in SECRETS {
        let name = format!("{prefix}_{word}");
        let file = format!("{name}_FILE");
        if lookup(&name).is_some() && lookup(&file).is_some() {
            findings.warn(
                "variables",
                "shadowed",
                format!("{file} is not read: {name} is set"),
                "unset one of them",
            );
        } else if let Some(path) = lookup(&file)
            && let Err(error) = std::fs::metadata(&path)
        {
            findings.fail(
                "variables",
                "file",
                format!("{file} names {path}: {error}"),
                "name the file that holds the secret",
            );
        }
    }
    if is_set(prefix, "MASTER_KEY", lookup) && is_set(prefix, "MASTER_PASSWORD", lookup) {
        findings.warn(
            "variables",
            "shadowed",
            format!("{prefix}_MASTER_PASSWORD is not read: {prefix}_MASTER_KEY is set"),
            "unset one of them",
        );
    }
    let (token, refresh) = (is_set(prefix, "TOKEN", lookup), is_set(prefix, "REFRESH_TOKEN", lookup));
    let kept = lookup(&format!("{prefix}_SESSION_FILE")).is_some();
    if kept && (token || refresh) {
        findings.warn(
            "variables",
            "shadowed",
            format!("{prefix}_SESSION_FILE is not read: {prefix}_TOKEN or {prefix}_REFRESH_TOKEN is set"),
            "unset the tokens: a session file keeps them when they are renewed",
        );
    }
    if token && !refresh {
        findings.warn(
            "variables",
            "tokens",
            format!("{prefix}_TOKEN is set without {prefix}_REFRESH_TOKEN: it cannot be renewed when it has expired"),
            format!("set {prefix}_REFRESH_TOKEN too, or keep a session: keyferry login"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
        let environments =
            names.iter().map(|name| ((*name).to_owned(), Configured::at("https://x".to_owned()))).collect();
        let lookup =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut findings = Findings::default();
        look(&environments, &lookup, &mut findings);
        findings.0.into_iter().map(|check| check.found).collect()
    }

    #[test]
    fn what_shadows_and_what_is_never_read_is_told_and_no_value() {
        let all = found(
            &["my-prod", "my_prod"],
            &[
                ("KEYFERRY_TOKEN", "planted"),
                ("KEYFERRY_TOKEN_FILE", "/planted"),
                ("KEYFERRY_MY_PROD_MASTER_KEY", "planted"),
                ("KEYFERRY_MY_PROD_MASTER_PASSWORD", "planted"),
                ("PASSWORK_TOKEN", "planted"),
                ("PASSWORK_REFRESH_TOKEN", "planted"),
            ],
        )
        .join("\n");
        for told in [
            "my-prod: and my_prod: are looked up in the same variables",
            "KEYFERRY_TOKEN_FILE is not read",
            "KEYFERRY_TOKEN is set without KEYFERRY_REFRESH_TOKEN",
            "KEYFERRY_MY_PROD_MASTER_PASSWORD is not read",
            "PASSWORK_HOST is not",
        ] {
            assert!(all.contains(told), "{told}\n{all}");
        }
        assert!(!all.contains("planted"), "{all}");
        assert_eq!(found(&["prod"], &[("KEYFERRY_PROD_REFRESH_TOKEN", "x")]), ["none"]);
    }
}
