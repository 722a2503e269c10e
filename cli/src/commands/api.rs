//! `api`: any call of an environment's API, with the tokens and the renewal of every other command.

use crate::args::secrets::Api;
use crate::config::Config;
use crate::exit::usage;
use crate::output::Output;
use crate::secrets::environments::Opened;
use http::Method;
use keyferry_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;

/// Calls, and prints the answer or a part of it.
pub async fn run(api: Api, config: &Config, output: Output) -> Result<u8> {
    let params = params(api.params.as_deref())?;
    let method = Method::from_bytes(api.method.as_bytes())
        .map_err(|error| usage("this is no method", "GET, POST, PUT, PATCH or DELETE").because(error))?;
    let endpoint = api.endpoint.trim_start_matches('/');
    let endpoint = endpoint.strip_prefix("api/").unwrap_or(endpoint);
    let mut path = format!("/api/{endpoint}");
    let mut opened = Opened::new(&api.access, config, output);
    let environment = opened.named(None).await?;
    let answer = if method == Method::GET {
        let query = query(&params)?;
        if !query.is_empty() {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(&query);
        }
        environment.client().raw(method, &path, None).await?
    } else {
        environment.client().raw(method, &path, Some(&Value::Object(params))).await?
    };
    match &api.field {
        None => output.document(&answer)?,
        Some(name) => {
            let part = part(&answer, name).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("the answer has no `{name}`"))
                    .next_step("run it without --field to see all of the answer")
            })?;
            output.document(&part)?;
        }
    }
    Ok(0)
}

fn params(text: Option<&str>) -> Result<Map<String, Value>> {
    let read;
    let text = match text {
        None => return Ok(Map::new()),
        Some("-") => {
            read = std::io::read_to_string(std::io::stdin()).map_err(|error| Error::io("-", error))?;
            &read
        }
        Some(text) => text,
    };
    // The parser's own words could quote a secret.
    match serde_json::from_str(text) {
        Ok(Value::Object(params)) => Ok(params),
        Ok(_) => Err(usage("--params is not a JSON object", "write {\"name\": value}")),
        Err(error) => Err(usage(
            format!("--params is not JSON: line {}, column {}", error.line(), error.column()),
            "write {\"name\": value}, in single quotes for the shell",
        )),
    }
}

/// The query of a GET: `name=value`, of a list `name[]=value` for each element; null is left out.
fn query(params: &Map<String, Value>) -> Result<String> {
    let mut query = Serializer::new(String::new());
    for (name, value) in params {
        match value {
            Value::Array(values) => {
                for value in values {
                    if let Some(value) = text(name, value)? {
                        query.append_pair(&format!("{name}[]"), &value);
                    }
                }
            }
            value => {
                if let Some(value) = text(name, value)? {
                    query.append_pair(name, &value);
                }
            }
        }
    }
    Ok(query.finish())
}

fn text(name: &str, value: &Value) -> Result<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => {
            Err(usage(format!("`{name}` cannot stand in a query"), "give a text, a number or a flat list"))
        }
    }
}

/// `name`, `a.b`, `a[0]`; of a list, the field of each entry that has it.
fn part(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Array(entries) => {
            Some(Value::Array(entries.iter().filter_map(|entry| part(entry, name)).collect()))
        }
        Value::Object(members) => {
            if let Some(value) = members.get(name) {
                return Some(value.clone());
            }
            let (first, rest) =
                name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
            let (first, index) = match first.strip_suffix(']').and_then(|first| first.split_once('[')) {
                Some((first, index)) => (first, Some(index.parse::<usize>().ok()?)),
                None => (first, None),
            };
            let value = members.get(first)?;
            let value = index.map_or(Some(value), |index| value.get(index))?;
            rest.map_or_else(|| Some(value.clone()), |rest| part(value, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_of_an_answer_is_found_by_its_way() {
        let answer = json!({ "items": [{ "id": 1, "a": { "b": 2 } }, { "id": 3 }], "a.b": 4 });
        let of = |name| part(&answer, name);
        assert_eq!(of("items.id"), Some(json!([1, 3])));
        assert_eq!(of("items[0].a.b"), Some(json!(2)));
        assert_eq!(of("a.b"), Some(json!(4)));
        assert_eq!(of("items[2]"), None);
        assert_eq!(of("id"), None);
    }

    #[test]
    fn lists_stand_in_a_query_element_by_element() {
        let params = json!({ "tags": ["a b", "c&d"], "limit": 5, "none": null });
        assert_eq!(query(params.as_object().unwrap()).unwrap(), "tags%5B%5D=a+b&tags%5B%5D=c%26d&limit=5");
        assert!(query(json!({ "a": {} }).as_object().unwrap()).is_err());
    }
}
