//! The state of Terraform and `OpenTofu` (`terraform state pull`), which keeps secrets in the clear.
//!
//! Signature: `terraform_version` beside `resources`. Mapping: an output is a record whose value is its password; a resource
//! that has a secret is a record `type.name` in a folder of its module, its attributes the fields: those hidden that the state
//! calls sensitive, or whose names or types do. The others stay behind, counted: they are no secrets.
//! Resolved: versions, serials, kinds, providers. Told: states before version 4, dependencies, private data of providers.
//! The whole document is kept in memory. Names of attributes beyond the usual are not verified.

use super::{DESCRIPTION, LOGIN, URL};
use crate::columns::kind_of;
use crate::document::{NO_RECORD, take};
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value, pointer_part};
use crate::managers::item::{Item, OWN, list, object};
use crate::managers::items::{Document, Found, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;
use std::collections::{HashMap, HashSet};
use std::io::Read;

/// Attributes that are the secret of a resource, the best first.
const SECRET: &[&str] =
    &["password", "master_password", "admin_password", "result", "secret_string", "secret", "value"];

/// Attributes that are secrets whatever the state says of them, by a part of the resource's type: providers of before
/// `sensitive_attributes` marked none.
const OF_TYPE: &[(&str, &[&str])] = &[
    ("password", &["result", "bcrypt_hash", "value"]),
    ("random_bytes", &["base64", "hex"]),
    (
        "secret",
        &["data", "data_json", "binary_data", "secret_data", "secret_string", "secret_binary", "value"],
    ),
    ("ssm_parameter", &["value", "insecure_value"]),
    ("actions_secret", &["plaintext_value"]),
    ("private_key", &["private_key_pem", "private_key_openssh", "private_key_pem_pkcs8"]),
    (
        "",
        &["kube_config_raw", "connection_string", "primary_connection_string", "secondary_connection_string"],
    ),
];

/// What is said of a resource in which nothing is known to be a secret: that is no proof that nothing is.
const NO_SECRET: &str = "a resource stays behind: neither the state nor its type nor a name says that an attribute of it is a secret";

/// Whether it is such a state.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let Some(document) = head.json() else { return Fit::No };
    let has = |name| matches!(document.get(name), Some(Value::List(_)));
    (document.has("terraform_version") && (has("resources") || has("modules"))).into()
}

/// What a found value is: its name, and which of its attributes are sensitive.
struct Facts {
    name: String,
    /// The type of a resource.
    kind: String,
    sensitive: HashSet<String>,
    is_output: bool,
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Terraform")?;
    if members.iter().any(|(name, _)| name == "modules") {
        return Err(Error::new(ErrorKind::Input, "this state is of a version before 4")
            .next_step("let a newer Terraform write it: terraform state pull"));
    }
    document.resolve(&mut members, &["version", "terraform_version", "serial", "lineage"]);
    let mut facts = HashMap::new();
    for (name, value) in object(&mut members, "outputs") {
        let at = format!("/outputs/{}", pointer_part(&name));
        facts.insert(
            at.clone(),
            Facts { name, kind: String::new(), sensitive: HashSet::new(), is_output: true },
        );
        document.found.push(Found { value, at, path: Place::default() });
    }
    for (number, resource) in list(&mut members, "resources").into_iter().enumerate() {
        let at = format!("/resources/{number}");
        match resource {
            Value::Object(resource) => self::resource(&mut document, resource, &at, &mut facts),
            other => document.behind(&other, &at, NO_RECORD),
        }
    }
    let checks = take(&mut members, "check_results");
    document.behind(&checks, "/check_results", OWN);
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &facts))))
}

fn resource(document: &mut Document, mut members: Members, at: &str, facts: &mut HashMap<String, Facts>) {
    let module = document.id(&mut members, &["module"]);
    let kind = document.id(&mut members, &["type"]).unwrap_or_default();
    let own = document.id(&mut members, &["name"]).unwrap_or_default();
    document.resolve(&mut members, &["mode", "provider", "each"]);
    let path = Place::default().below(module.unwrap_or_default());
    for (number, instance) in list(&mut members, "instances").into_iter().enumerate() {
        let at = format!("{at}/instances/{number}");
        let index = match instance.get("index_key") {
            Some(Value::Text(key)) => format!("[{}]", key.as_str()),
            Some(Value::Number(key)) => format!("[{key}]"),
            _ => String::new(),
        };
        let sensitive = sensitive(instance.get("sensitive_attributes"));
        let name = format!("{kind}.{own}{index}");
        facts.insert(at.clone(), Facts { name, kind: kind.clone(), sensitive, is_output: false });
        document.found.push(Found { value: instance, at, path: path.clone() });
    }
    document.leave_rest(members, at);
}

/// The names in `[[{"type": "get_attr", "value": "result"}], …]`: of what lies deeper, the first step.
fn sensitive(value: Option<&Value>) -> HashSet<String> {
    let Some(Value::List(paths)) = value else { return HashSet::new() };
    let first = |path: &Value| {
        let step = match path {
            Value::List(steps) => steps.first()?,
            step => step,
        };
        match step.get("value") {
            Some(Value::Text(name)) => Some(name.to_string()),
            _ => None,
        }
    };
    paths.iter().filter_map(first).collect()
}

fn fill(item: &mut Item<'_>, mut members: Members, facts: &HashMap<String, Facts>) -> Kept {
    let Some(facts) = facts.get(item.at) else {
        return Kept::Rejected("it belongs to no resource".to_owned());
    };
    item.record.name.clone_from(&facts.name);
    if facts.is_output {
        let value = take(&mut members, "value");
        let text = text(item, value);
        item.password("value", text);
        let kind = take(&mut members, "type");
        item.tally.resolved(kind.leaves());
        item.resolve(&mut members, &["sensitive"]);
        item.unknown("", members);
        return Kept::Record;
    }
    let attributes = object(&mut members, "attributes");
    let of_type =
        |name: &str| OF_TYPE.iter().any(|(part, names)| facts.kind.contains(part) && names.contains(&name));
    let is_secret =
        |name: &str| facts.sensitive.contains(name) || kind_of(name) == CustomKind::Password || of_type(name);
    if !attributes.iter().any(|(name, value)| value.leaves() > 0 && is_secret(name)) {
        return Kept::LeftOut(NO_SECRET);
    }
    let has = |names: &[&'static str]| {
        names.iter().copied().find(|wanted| {
            attributes
                .iter()
                .any(|(name, value)| name == wanted && super::is_plain(value) && value.leaves() > 0)
        })
    };
    let (login, url, description) = (has(LOGIN), has(URL), has(DESCRIPTION));
    let password = has(SECRET).filter(|name| is_secret(name));
    for (name, value) in attributes {
        let is = |wanted: Option<&str>| wanted == Some(name.as_str());
        let text = text(item, value);
        if is(password) {
            item.password("password", text);
        } else if is(login) {
            item.login(text);
        } else if is(url) {
            item.url(text);
        } else if is(description) {
            item.note(&text);
        } else if is_secret(&name) {
            item.field(name, CustomKind::Password, text);
        } else {
            item.field(name, CustomKind::Text, text);
        }
    }
    item.resolve(
        &mut members,
        &["schema_version", "index_key", "status", "create_before_destroy", "deposed"],
    );
    let marks = take(&mut members, "sensitive_attributes");
    item.tally.resolved(marks.leaves());
    item.leave("", &mut members, &["private", "dependencies", "identity", "identity_schema_version"], OWN);
    item.unknown("", members);
    Kept::Record
}

/// A value as text: what has others within it as compact JSON.
fn text(item: &mut Item<'_>, value: Value) -> String {
    item.tally.carried(value.leaves());
    match value {
        Value::Object(_) | Value::List(_) if value.leaves() == 0 => String::new(),
        Value::Object(_) | Value::List(_) => json::text(&value).expose().to_owned(),
        plain => plain.into_text().unwrap_or_default(),
    }
}
